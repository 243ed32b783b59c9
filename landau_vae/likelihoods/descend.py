"""The best constant output of likelihoods that have no closed form for it, feature by feature.

    f₀ = argmin_f ⟨ℓ(x, f)⟩

Newton's method from the best of several starts. A step that does not lower the mean loss of a
feature is shortened there, so the others do not wait. Where ⟨ℓ⟩ has several minima
(Student-t), it is the lowest of those that the starts lead to.
"""

import numpy as np

from landau_vae.display import Array
from landau_vae.likelihoods.likelihood import Likelihood

QUANTILES = np.array([0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98])  # of each column: where minima are looked for
STEPS = 200
SAMPLE = 2000  # rows from which the way is begun
FINISHED = 1e-13  # what a step gains, as a share of the mean |ℓ| of a feature, from which it is the last
ROUNDING = 1e-15  # of the mean |ℓ|: by how much a step may seem to lose
DAMPING, STUCK = 1e-3, 1e15  # added to the curvature as a share of it: at first, and where no step is short enough
LEAST_CURVATURE = 1e-12  # of the largest of a feature: a flat direction gets the damping's step


def weighted_quantiles(x: Array, shares: Array, weights: Array | None) -> Array:
    """Return quantiles of each column, (q, d): the mean of the lower and the upper one, the median of two for one.

    >>> weighted_quantiles(np.array([[1.0], [2.0], [3.0]]), np.array([0.5]), np.array([1.0, 0.0, 1.0])).tolist()
    [[2.0]]
    """
    if weights is None:
        return (np.quantile(x, shares, axis=0, method="lower") + np.quantile(x, shares, axis=0, method="higher")) / 2
    kept = weights > 0
    order = np.argsort(x[kept], axis=0, kind="stable")
    rows = np.take_along_axis(x[kept], order, axis=0)
    passed = np.cumsum(weights[kept][order], axis=0)
    passed = passed / passed[-1]
    edge = 8 * np.finfo(float).eps * len(rows)  # of sums that rounding moved off the share
    ends = []
    for share in shares:
        lower, upper = (passed < share - edge).sum(axis=0), (passed <= share + edge).sum(axis=0)
        both = np.clip(np.stack([lower, upper]), 0, len(rows) - 1)
        ends.append(np.take_along_axis(rows, both, axis=0).mean(axis=0))
    return np.array(ends)


def descend(likelihood: Likelihood, x: Array, weights: Array | None, starts: Array) -> Array:
    """Return the best constant output, (m,), from starts (q, m)."""
    if (stride := len(x) // SAMPLE) > 1:  # most of the way is gone with some of the rows
        few = slice(None, None, stride)
        starts = np.vstack([starts, descend(likelihood, x[few], None if weights is None else weights[few], starts)])
    d = x.shape[1]

    def mean(values: Array) -> Array:
        return np.average(values, axis=0, weights=weights)

    def loss(output: Array) -> Array:
        return mean(np.broadcast_to(likelihood.value(x, output), x.shape))

    values = np.array([loss(start) for start in starts])
    best = np.argmin(np.where(np.isfinite(values), values, np.inf), axis=0)  # (d,)
    output = np.take_along_axis(starts, np.tile(best, starts.shape[1] // d)[None], axis=0)[0]
    current, damping = np.take_along_axis(values, best[None], axis=0)[0], np.full(d, DAMPING)
    scale = mean(np.abs(np.broadcast_to(likelihood.value(x, output), x.shape)))
    for _ in range(STEPS):
        slope = _by_feature(mean(likelihood.score(x, output)), d)
        step = _newton(slope, _blocks(likelihood.mean_curvature(x, output, weights), d), damping)
        trial = output + step.T.ravel()
        new = loss(trial)
        better = new <= current + ROUNDING * scale
        output = np.where(np.tile(better, len(output) // d), trial, output)
        current = np.where(better, new, current)
        damping = np.clip(np.where(better, damping / 8, damping * 8), 1 / STUCK, STUCK)
        if np.all((-(slope * step).sum(axis=1) <= FINISHED * scale) | (damping >= STUCK)):
            break
    return output


def _by_feature(values: Array, features: int) -> Array:
    """Return numbers of outputs (m,) as (d, r)."""
    return values.reshape(-1, features).T


def _blocks(curvature: Array, features: int) -> Array:
    """Return the curvature of each feature's outputs, (d, r, r)."""
    return curvature.reshape(features, 1, 1) if curvature.ndim == 1 else curvature


def _newton(slope: Array, blocks: Array, damping: Array) -> Array:
    """Return the damped step of each feature, (d, r), downhill where the curvature is negative too."""
    values, vectors = np.linalg.eigh(blocks)
    size = np.abs(values)
    scale = np.maximum(size.max(axis=1), LEAST_CURVATURE)
    along = np.einsum("dij,di->dj", vectors, slope) / (size + (damping * scale)[:, None] + LEAST_CURVATURE)
    return -np.einsum("dij,dj->di", vectors, along)
