"""Is there a first-order jump with a Bernoulli or Poisson decoder? A search on enumerated distributions.

The quartic coefficient excludes one near the collapsed state (`landau-vae derive exponential-family`); this looks far
from it, with encoders that may be any function of x. A state below the collapsed one above β_c would be one.
"""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

pytestmark = pytest.mark.slow

PATIENT = {"maxiter": 3000, "maxfun": 6000, "ftol": 1e-15, "gtol": 1e-9}
NODE, MASS = np.polynomial.hermite_e.hermegauss(60)
MASS = MASS / MASS.sum()


def cumulant_function(family, eta):
    """A(η) and its slope; counts beyond e⁵⁰ are cut off, where no minimum lies."""
    if family == "Bernoulli":
        return np.logaddexp(0, eta), 1 / (1 + np.exp(-eta))
    value = np.exp(np.minimum(eta, 50))
    return value, value


def free_loss(family, x, probability, beta):
    """Loss and gradient in (w, b, μ at each point, ln s at each point); indices: point, node, feature."""
    n, d = x.shape
    weight = probability[:, None] * MASS

    def evaluate(theta):
        w, b, mu, log_s = np.split(theta, [d, 2 * d, 2 * d + n])
        s = np.exp(log_s)
        z = mu[:, None] + np.sqrt(s)[:, None] * NODE
        value, slope = cumulant_function(family, b + z[..., None] * w)
        loss = np.sum(weight[..., None] * value) - probability @ np.sum(x * (b + mu[:, None] * w), axis=1)
        loss += beta / 2 * probability @ (mu**2 + s - 1 - log_s)
        slope = slope * weight[..., None]
        d_z = slope @ w
        d_w = np.sum(slope * z[..., None], axis=(0, 1)) - (probability * mu) @ x
        d_mu = d_z.sum(1) - probability * (x @ w) + beta * probability * mu
        d_s = (d_z @ NODE) * np.sqrt(s) / 2 + beta / 2 * probability * (s - 1)
        return loss, np.concatenate([d_w, slope.sum((0, 1)) - probability @ x, d_mu, d_s])

    return evaluate


def threshold(family, x, probability):
    mean = probability @ x
    variance = mean * (1 - mean) if family == "Bernoulli" else mean
    y = (x - mean) / np.sqrt(variance)
    return np.linalg.eigvalsh((y * probability[:, None]).T @ y)[-1]


def collapsed_bias(family, x, probability):
    mean = probability @ x
    return np.log(mean / (1 - mean)) if family == "Bernoulli" else np.log(mean)


def distributions(rng):
    """Random ones, near-copies of one bit (where the quartic coefficient is small), rare clusters, and counts."""
    for d in (2, 3, 4):
        words = np.array(list(itertools.product([0.0, 1.0], repeat=d)))
        for concentration in (0.1, 0.3, 1.0):
            for _ in range(3):
                p = rng.dirichlet(np.full(len(words), concentration)) + 1e-4
                yield "Bernoulli", words, p / p.sum()
        for aside in (1e-4, 1e-3, 1e-2, 1e-1):
            p = aside * rng.dirichlet(np.ones(len(words)))
            share = rng.uniform(0.03, 0.97)
            p[0] += (1 - aside) * share
            p[-1] += (1 - aside) * (1 - share)
            yield "Bernoulli", words, p
        for rare in (1e-3, 1e-2, 1e-1):
            p = (1 - rare) * np.prod(np.where(words == 1, 0.2, 0.8), axis=1)
            p[-1] += rare
            yield "Bernoulli", words, p
    for largest in (2, 5, 20):
        yield "Poisson", np.array([[0.0], [largest]]), np.array([0.9, 0.1])
        for _ in range(4):
            x = rng.integers(0, largest + 1, size=(5, 2)).astype(float)
            x[0] += 1
            yield "Poisson", x, rng.dirichlet(np.full(5, 0.7))


def test_no_state_below_the_collapsed_one_above_the_threshold():
    rng = np.random.default_rng(20260522)
    searched = 0
    for family, x, probability in distributions(rng):
        n, d = x.shape
        bias = collapsed_bias(family, x, probability)
        for excess in (1.001, 1.05):
            evaluate = free_loss(family, x, probability, excess * threshold(family, x, probability))
            collapsed = evaluate(np.concatenate([np.zeros(d), bias, np.zeros(2 * n)]))[0]
            for scale in (0.3, 1.0, 3.0):
                start = [
                    rng.normal(size=d) * scale,
                    bias,
                    rng.normal(size=n) * 1.5,
                    np.full(n, np.log(rng.uniform(0.1, 1))),
                ]
                with np.errstate(over="ignore", invalid="ignore"):
                    found = minimize(evaluate, np.concatenate(start), jac=True, method="L-BFGS-B", options=PATIENT)
                assert found.fun > collapsed - 1e-8, (family, x.tolist(), probability.tolist(), excess)
                searched += 1
    assert searched > 300


def test_the_search_finds_what_is_there():
    """Below the threshold the same search must find the living state."""
    rng = np.random.default_rng(1)
    for family, x, probability in itertools.islice(distributions(rng), 0, None, 7):
        n, d = x.shape
        bias = collapsed_bias(family, x, probability)
        evaluate = free_loss(family, x, probability, 0.8 * threshold(family, x, probability))
        collapsed = evaluate(np.concatenate([np.zeros(d), bias, np.zeros(2 * n)]))[0]
        starts = (np.concatenate([rng.normal(size=d), bias, rng.normal(size=n), np.zeros(n)]) for _ in range(4))
        with np.errstate(over="ignore", invalid="ignore"):
            best = min(minimize(evaluate, start, jac=True, method="L-BFGS-B").fun for start in starts)
        assert best < collapsed - 1e-6
