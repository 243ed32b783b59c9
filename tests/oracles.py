"""Slow, obvious implementations that the fast ones are held against; nothing here is shared with the package."""

import numpy as np
from scipy.optimize import brentq, minimize, minimize_scalar


def covariance(rows, weights=None):
    """Σ w (x − m)(x − m)ᵀ / Σ w, one row at a time."""
    rows = np.asarray(rows, dtype=float)
    weights = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=float)
    mean = sum(w * x for w, x in zip(weights, rows, strict=True)) / weights.sum()
    return sum(w * np.outer(x - mean, x - mean) for w, x in zip(weights, rows, strict=True)) / weights.sum()


def raw_loss(decoder, encoder, variance, covariance, price):
    """σ_dec² L of a linear VAE, from its definition: ⟨‖x − W z‖²⟩/2 + τ Σ KL with z = E x + √s ε."""
    residual = np.eye(len(covariance)) - decoder @ encoder
    noise = sum(s * w @ w for s, w in zip(variance, decoder.T, strict=True))
    reconstruction = np.trace(residual @ covariance @ residual.T) + noise
    signal = np.diag(encoder @ covariance @ encoder.T)
    return reconstruction / 2 + price * 0.5 * np.sum(signal + variance - 1 - np.log(variance))


def minimize_raw_loss(covariance, price, latents, seed):
    """The minimum of the raw loss over W, E and ln s, by BFGS with numerical derivatives, from a random start."""
    d = len(covariance)

    def unpack(v):
        return v[: d * latents].reshape(d, latents), v[d * latents : -latents].reshape(latents, d), np.exp(v[-latents:])

    def loss(v):
        return raw_loss(*unpack(v), covariance, price)

    start = np.random.default_rng(seed).standard_normal(2 * d * latents + latents)
    found = minimize(loss, start, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000})
    return found.fun, unpack(found.x)


def one_mode(eigenvalue, price):
    """(w, e, s, loss) of one mode, by nested one-dimensional searches over the loss of THEORY's single mode."""

    def loss(w, e, s):
        return 0.5 * (eigenvalue - 2 * w * e * eigenvalue + w**2 * (e**2 * eigenvalue + s)) + price / 2 * (
            e**2 * eigenvalue + s - 1 - np.log(s)
        )

    def best_for(w):  # quadratic in e, convex in s: searched, not solved
        e = minimize_scalar(lambda e: loss(w, e, 1.0), bounds=(-1, 10), method="bounded", options={"xatol": 1e-12}).x
        s = np.exp(minimize_scalar(lambda t: loss(w, e, np.exp(t)), bounds=(-30, 1), method="bounded").x)
        return e, s

    top = 1.5 * np.sqrt(eigenvalue)
    w = minimize_scalar(lambda w: loss(w, *best_for(w)), bounds=(0, top), method="bounded", options={"xatol": 1e-10}).x
    return w, *best_for(w), loss(w, *best_for(w))


def water_level(eigenvalues, distortion):
    """The level θ with Σ min(λ, θ) = distortion, by bisection (Cover & Thomas, section 10.3.3)."""
    return brentq(lambda level: np.minimum(eigenvalues, level).sum() - distortion, 0, max(eigenvalues), xtol=1e-15)


def slope(function, x, h=4e-3):
    """∂function/∂x along a first axis, central differences extrapolated once."""

    def central(h):
        return np.array([(function(x + h * e) - function(x - h * e)) / (2 * h) for e in np.eye(len(x))])

    return (4 * central(h / 2) - central(h)) / 3


def close(actual, expected, tolerance):
    """Asserts agreement to a tolerance relative to the largest entry, and to 1."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()))


def minibatch_loss(weights, rows, noise, a, b):
    """Mean over (x, ε) of a ‖x − x̂‖² + b Σ KL, sample by sample as a training loop has it.

    `weights` are W (d, K), F (d + 1, K), the decoder's bias (d,), ln σ² (K,), and ln σ_dec² (1,), or (0,) where it is
    not learned. With a learned σ_dec² the first term is a (‖x − x̂‖²/σ_dec² + d ln σ_dec²).
    """
    W, F, bias, log_variance, log_decoder = weights
    total = 0.0
    for x, epsilon in zip(rows, noise, strict=True):
        mean = F.T @ np.append(x, 1.0)
        error = np.sum((x - W @ (mean + np.exp(log_variance / 2) * epsilon) - bias) ** 2)
        total += a * (error / np.exp(log_decoder[0]) + len(x) * log_decoder[0] if log_decoder.size else error)
        total += b * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance) / 2
    return total / len(rows)


def bernoulli_minimum(patterns, counts, price):
    """(loss, M²) at the minimum of a VAE with one latent and a Bernoulli decoder, by quadrature over ε and BFGS.

    All maps are affine: logits of z, μ and ln σ² of x.
    """
    share, d = counts / counts.sum(), patterns.shape[1]
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()

    def posterior(v):
        return patterns @ v[2 * d : 3 * d] + v[4 * d], patterns @ v[3 * d : 4 * d] + v[4 * d + 1]

    def loss(v):
        mean, log_variance = posterior(v)
        logits = (mean[:, None] + np.exp(log_variance / 2)[:, None] * nodes)[..., None] * v[:d] + v[d : 2 * d]
        entropy = (np.logaddexp(0, logits) - patterns[:, None] * logits).sum(axis=-1) @ weights
        return share @ (entropy + price * (mean**2 + np.exp(log_variance) - 1 - log_variance) / 2)

    starts = np.random.default_rng(0).standard_normal((3, 4 * d + 2))
    found = min((minimize(loss, start, options={"gtol": 1e-7}) for start in starts), key=lambda result: result.fun)
    mean, log_variance = posterior(found.x)
    square, variance = share @ mean**2, share @ np.exp(log_variance)
    return found.fun, square / (square + variance)
