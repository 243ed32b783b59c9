"""How far a constraint on each row is from one on the mean over rows: direct minimisation, in the price and the rate.

    python tests/studies/constraint_per_row.py            # four minutes; into constraint_per_row.json

Losses ½⟨‖x − x̂‖²⟩ + β⟨g(KL(x))⟩ with g = max(·, C), |· − C| or (· − C)² of a VAE with linear encoder and decoder and
one variance for each latent, on Gaussian rows (quasi-random, so that sums over rows are integrals to 1e-3), and of one
whose posteriors are free for each row ("free": what a large network could do with a linear decoder). Rotations do not
matter: each latent has a mode of its own. The decoder is at its optimum. Compared are the prices by widths, ⟨ε σ
∂ℓ/∂z⟩/⟨1 − σ²⟩, and the rate, with what the package says of the constraint on the mean. The spread is that of KL(x) at
the state of the package, sd/mean.
"""

import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm, qmc

import landau_vae as lv

ROWS, SEED = 2**12, 18
RECORD = Path(__file__).with_suffix(".json")
SPECTRA = {
    "one": [4.0],
    "three": [4.0, 2.0, 1.0],
    "ten": list(4 * 0.7 ** np.arange(10)),
    "thirty": list(4 * 0.9 ** np.arange(30)),
}


def rows_of(eigenvalues):
    """Gaussian rows, quasi-random, with exactly these variances."""
    count = len(eigenvalues)
    rows = norm.ppf(qmc.Sobol(count, seed=SEED).random(ROWS))
    rows = (rows - rows.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T, ddof=0).reshape(count, count))).T
    return rows * np.sqrt(eigenvalues)


def charge(kind, kl, limit, width):
    """g(KL) and its slope; the corner is rounded over `width` nats."""
    away = kl - limit
    if kind == "square":
        return away**2, 2 * away
    soft = width * np.logaddexp(0, away / width)  # of max(·, 0)
    if kind == "hinge":
        return limit + soft, expit(away / width)
    return 2 * soft - away, 2 * expit(away / width) - 1


def linear(kind, x, price, limit, width, start):
    """Gains e (μ = e x) and widths of a linear encoder; the loss and its gradient in (e, ln s)."""
    lam, count = np.mean(x**2, axis=0), x.shape[1]

    def loss(v):
        e, s = v[:count], np.exp(v[count:])
        kl = 0.5 * ((e * x) ** 2 + s - 1 - np.log(s)).sum(1)
        value, slope = charge(kind, kl, limit, width)
        moment = e**2 * lam + s
        w = e * lam / moment
        left = lam - 2 * w * e * lam + w**2 * moment
        by_e = -w * lam + w**2 * e * lam + price * e * np.mean(slope[:, None] * x**2, axis=0)
        by_s = s * (0.5 * w**2 + price * 0.5 * (1 - 1 / s) * slope.mean())
        return 0.5 * left.sum() + price * value.mean(), np.concatenate([by_e, by_s])

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 20000, "ftol": 1e-15, "gtol": 1e-9})
    e, s = found.x[:count], np.exp(found.x[count:])
    kl = 0.5 * ((e * x) ** 2 + s - 1 - np.log(s)).sum(1)
    w = e * lam / (e**2 * lam + s)
    return found.x, float((w**2 * s).sum() / (1 - s).sum()), kl


def free(kind, x, price, limit, width, start):
    """Posteriors of their own for each row; the loss and its gradient in (μ, ln s), the decoder at its optimum."""
    shape = x.shape

    def parts(v):
        mu, s = v.reshape(2, *shape)[0], np.exp(v.reshape(2, *shape)[1])
        return mu, s, 0.5 * (mu**2 + s - 1 - np.log(s)).sum(1)

    def decoder(mu, s):
        return np.mean(mu * x, axis=0) / np.mean(mu**2 + s, axis=0)

    def loss(v):
        mu, s, kl = parts(v)
        value, slope = charge(kind, kl, limit, width)
        w = decoder(mu, s)
        left = np.mean((x - w * mu) ** 2 + w**2 * s, axis=0)
        by_mu = -w * (x - w * mu) + price * slope[:, None] * mu
        by_s = s * (0.5 * w**2 + price * 0.5 * (1 - 1 / s) * slope[:, None])
        return 0.5 * left.sum() + price * value.mean(), np.concatenate([by_mu.ravel(), by_s.ravel()]) / len(x)

    found = minimize(loss, start, jac=True, method="L-BFGS-B",
                     options={"maxiter": 3000, "maxfun": 6000, "ftol": 1e-13, "gtol": 1e-7})  # fmt: skip
    mu, s, kl = parts(found.x)
    return found.x, float((decoder(mu, s) ** 2 * s).mean(0).sum() / (1 - s).mean(0).sum()), kl


def case(name, kind, beta, share, encoder):
    """One loss: C is a share of the rate that the data have at a tenth of λ₁."""
    spectrum = lv.Spectrum.from_eigenvalues(SPECTRA[name])
    x, loss = rows_of(SPECTRA[name]), lv.Loss.gaussian(beta)
    limit = share * float(lv.equilibrium(spectrum, loss.at(0.4)).total_rate)
    state = lv.equilibrium(spectrum, loss.constrained(kind, limit, per="sample"))
    s = state.posterior_variance
    gain = np.sqrt(state.signal_fraction / spectrum.eigenvalues)
    kl = 0.5 * ((gain * x) ** 2 + s - 1 - np.log(s)).sum(1)
    start = np.concatenate([gain + 0.01, np.log(s) - 0.01])
    if encoder == "free":
        start = np.concatenate([(x * (gain + 0.01)).ravel(), np.tile(np.log(s) - 0.01, (len(x), 1)).ravel()])
    for width in (0.1, 0.02):
        start, price, found = {"linear": linear, "free": free}[encoder](kind, x, beta, limit, width * limit, start)
    return {
        "spectrum": name, "kind": kind, "beta": beta, "limit": limit, "encoder": encoder,
        "spread": float(kl.std() / kl.mean()), "price": float(state.price), "rate": float(state.total_rate),
        "measured_price": price, "measured_rate": float(found.mean()),
        "measured_spread": float(found.std() / found.mean()),
    }  # fmt: skip


def main():
    """Run all cases and write them."""
    record = []
    for encoder, names in {"linear": SPECTRA, "free": ["one", "three", "ten"]}.items():
        for name in names:
            for kind in ("hinge", "absolute", "square"):
                for beta in (0.4, 2.0):
                    for share in (0.5, 1.0, 2.0):
                        record.append(case(name, kind, beta, share, encoder))
                        r = record[-1]
                        print(f"{encoder:7s} {name:7s} {kind:9s} β={beta:3.1f} C={r['limit']:6.2f} "
                              f"spread {r['spread']:.2f} → {r['measured_spread']:.2f}  "
                              f"price {r['measured_price'] / r['price']:.3f}  "
                              f"rate {r['measured_rate'] / r['rate']:.3f}", flush=True)  # fmt: skip
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
