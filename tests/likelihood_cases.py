"""Rows for each kind of likelihood, drawn from two common causes; and networks that are trained on them."""

from functools import cache

import numpy as np

import landau_vae as lv
from landau_vae.likelihoods import Likelihood, as_likelihood, mixed
from landau_vae.loss import Loss
from landau_vae.training import Adam, Neural
from landau_vae.training.training_set import seen_by, training_set

NAMES = ("laplace", "huber", "smooth-l1", "student-t", "counts", "zeros", "labels", "mixed", "spread", "gaussian")
LIKELIHOODS = {
    "laplace": "laplace", "huber": "huber(1)", "smooth-l1": "smooth-l1(0.5)", "student-t": "student-t(4)",
    "counts": "negative-binomial(2)", "zeros": "zero-inflated(2)", "labels": "categorical(4,3,3)",
    "spread": "mean-variance", "gaussian": "gaussian(0.5)",
}  # fmt: skip


def likelihood(name: str) -> Likelihood:
    if name == "mixed":
        return mixed([("huber(1)", range(5)), ("categorical(4,3,3)", range(5, 15))])
    return as_likelihood(LIKELIHOODS[name])


@cache
def rows(name: str, n: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(7)
    cause = rng.standard_normal((n, 2))
    real = cause @ rng.standard_normal((2, 5)) + 0.6 * rng.standard_normal((n, 5))
    log_mean = 1.0 + cause @ rng.uniform(-0.5, 0.5, (2, 5))
    counts = rng.poisson(rng.gamma(2.0, np.exp(log_mean) / 2.0)).astype(float)
    scores = [cause @ (2.0 * rng.standard_normal((2, size))) + rng.gumbel(size=(n, size)) for size in (4, 3, 3)]
    labels = np.hstack([np.eye(each.shape[1])[each.argmax(axis=1)] for each in scores])
    return {
        "counts": counts, "zeros": counts * (rng.random(counts.shape) > 0.2), "labels": labels,
        "mixed": np.hstack([real, labels]),
    }.get(name, real)  # fmt: skip


@cache
def first(name: str) -> float:
    """Return the price of the first collapse."""
    return float(seen_by(likelihood(name), training_set(rows(name)))[1].eigenvalues[0])


@cache
def networks(name: str, ratios: tuple[float, ...] = (1.1, 0.75), latents: int = 1, updates: int = 3000, seed: int = 0):
    """Return a scan of networks at these shares of the first threshold, warmed up from the coldest."""
    spectrum = seen_by(likelihood(name), training_set(rows(name)))[1]
    trainer = Neural(hidden=(32,), updates=updates, batch=256, loss=Loss.of(likelihood(name)), optimizer=Adam(3e-3))
    grid = spectrum.normalized[0] * np.array(ratios)
    return lv.scan(rows(name), grid, latents=latents, seeds=[seed], trainer=trainer, start="up")
