"""What any VAE could reach on given rows: a mixture of outputs, found by convex optimisation.

    F(q) = −c ⟨ln Σ_y q(y) e^{−ℓ(x, y)/c}⟩

q is a distribution of decoder outputs y, ℓ the reconstruction term of a row, c the price of a
nat. By Gibbs' inequality, row by row, no encoder has a lower loss with a decoder that draws its
outputs from q. The minimum over q is the maximum likelihood of a mixture, convex in q. Weights
are found by constrained Newton steps (Y. Wang, J. R. Stat. Soc. B 69, 185, 2007), positions by
quasi-Newton steps. New outputs come where

    D(y) = ⟨e^{−ℓ(x, y)/c} / Σ_y' q(y') e^{−ℓ(x, y')/c}⟩ − 1

is positive; F(q) − c ln(1 + sup D) bounds the minimum from below.
"""

from dataclasses import replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import softmax

from landau_vae.display import Array
from landau_vae.networks.priced_rows import CLIMBS, Mixture, Rows

TOLERANCE = 1e-6  # of sup D
WORK, ROUNDS = 2e11, 100  # products and rounds, after which it ends where it is
ADDED = 128  # outputs in a round, at most, or as many as there are
MOVES, MOST = 20, 4000  # quasi-Newton steps in a round: at least, and times outputs
NEWTON = 30  # steps for the weights in a round, at most
FIRST = 256  # rows that a mixture begins with, beside the mean
MERGED = 1e-3  # √c: distance within which outputs are one
NEW = 1e-3  # weight that new outputs begin with, all together
LEAST = 1e-10  # weight below which an output is dropped
PIVOTS = 10  # exchanges of all infeasible weights that may fail to leave fewer of them
SETTLED = 1e-13  # of the weights' gradient
ROUGHLY = 0.01  # of sup D: where weights settle before outputs move
RIDGE = 1e-10  # of the trace of the weights' Hessian


def alone(rows: Rows, starts: Array | None = None) -> Mixture:
    """Return the mean as the only output; of the largest violation, looked for from `starts`, if they are given."""
    mixture = Mixture(rows.mean[None], np.ones(1), rows.price)
    if starts is None:
        return mixture
    log_p = rows.value(rows.logarithms(mixture.outputs), mixture.weights)[1]
    return replace(mixture, excess=float(rows.climb(starts, log_p, rows.climbing)[1][0]))


def fitted(rows: Rows, starts: Array, tolerance: float = TOLERANCE) -> Mixture:
    """Return the best mixture for the rows; `starts` (s, d) are where outputs are looked for.

    It stops where sup D ≤ `tolerance`, or when its work is done: then the gap says how far it
    is. If the mean alone is the best, nothing is fitted.
    """
    mixture, work = alone(rows, starts), 0.0
    if mixture.excess <= tolerance:
        return mixture
    some = rows.own[:: -(-len(rows.table) // FIRST)]
    outputs, weights = np.vstack([rows.mean, some]), np.append(0.5, np.full(len(some), 0.5 / len(some)))
    for _ in range(ROUNDS):
        outputs, weights = _moved(rows, *_weighed(rows, outputs, weights, ROUGHLY * min(mixture.excess, 0.1)))
        outputs, weights = _weighed(rows, *_merged(outputs, weights, MERGED * np.sqrt(rows.price)))
        log_p, count = rows.value(rows.logarithms(outputs), weights)[1], len(outputs)
        tops, height = rows.climb(np.vstack([starts, outputs]), log_p, max(rows.climbing, 2 * count))
        mixture = Mixture(outputs, weights, rows.price, float(height[0]))
        work += rows.cost * rows.table.size * (count * max(MOVES, MOST // count) + len(starts) + len(tops) * CLIMBS)
        work += NEWTON * len(rows.table) * count**2
        if mixture.excess <= tolerance or work > WORK:
            break
        high = height > 0.1 * min(mixture.excess, 1.0)
        new = _merged(tops[high], height[high], 0.1 * np.sqrt(rows.price))[0][: max(ADDED, count)]
        outputs, weights = np.vstack([outputs, new]), np.append(weights * (1 - NEW), np.full(len(new), NEW / len(new)))
    return mixture


def _merged(outputs: Array, weights: Array, distance: float) -> tuple[Array, Array]:
    """Return outputs of which none is nearer to a heavier one than `distance`; their weights go to that one."""
    order = np.argsort(-weights, kind="stable")
    outputs, weights = outputs[order], weights[order]
    square = np.square(outputs).sum(axis=1)
    apart = square[:, None] + square - 2 * outputs @ outputs.T
    near = np.tril(apart < distance**2, -1)
    owner = np.where(near.any(axis=1), near.argmax(axis=1), np.arange(len(weights)))
    for i in range(len(owner)):  # a chain goes to its head
        owner[i] = owner[owner[i]]
    total: Array = np.asarray(np.bincount(owner, weights, len(weights)), float)
    kept = total > 0
    return outputs[kept], total[kept]


def _moved(rows: Rows, outputs: Array, weights: Array) -> tuple[Array, Array]:
    """Return outputs and weights after some quasi-Newton steps on both.

    Light outputs would hardly move: the curvature along each is its weight, which is scaled
    away.
    """
    shape, natural = outputs.shape, rows.natural(outputs)
    unit = np.sqrt(weights)

    def value_and_slope(flat: Array) -> tuple[float, Array]:
        share, moved = softmax(flat[: shape[0]] / unit), (flat[shape[0] :].reshape(shape) / unit[:, None])
        logarithms, pull = rows.tangent(moved)
        loss, log_p = rows.value(logarithms, share)
        response = np.exp(logarithms - log_p[:, None]) * share * rows.share[:, None]
        total = response.sum(axis=0)
        slope = pull(response) / (rows.price * unit[:, None])
        return loss / rows.price, np.concatenate([(share - total) / unit, slope.ravel()])

    start = np.concatenate([np.log(weights) * unit, (natural * unit[:, None]).ravel()])
    options = {"maxiter": max(MOVES, MOST // len(weights)), "ftol": 0.0, "gtol": SETTLED}
    found = minimize(value_and_slope, start, jac=True, method="L-BFGS-B", options=options).x
    return rows.outputs(found[shape[0] :].reshape(shape) / unit[:, None]), softmax(found[: shape[0]] / unit)


def _weighed(rows: Rows, outputs: Array, weights: Array, settled: float = SETTLED) -> tuple[Array, Array]:
    """Return the outputs that have a weight at best, and these weights, by Newton steps.

    The maximum of ⟨ln Σ_y K w⟩ − Σ w over w ≥ 0 has Σ w = 1: the sum needs no constraint.
    """
    logarithms = rows.logarithms(outputs)
    kernel = np.exp(logarithms - logarithms.max(axis=1)[:, None])
    for _ in range(NEWTON):
        p = kernel @ weights
        slopes = kernel / p[:, None]
        gradient = rows.share @ slopes
        if max(gradient.max() - 1, np.abs((gradient - 1) @ weights)) <= settled:
            break
        scaled = slopes * np.sqrt(rows.share)[:, None]
        gram = scaled.T @ scaled
        ridge = RIDGE * np.trace(gram) / len(gram)  # about the weights that there are: where they settle is unchanged
        gram[np.diag_indices_from(gram)] += ridge
        new = _nonnegative(gram, 2 * gradient - 1 + ridge * weights)
        step, now, size = new - weights, rows.share @ np.log(p) - weights.sum(), 1.0
        rise = float((gradient - 1) @ step)
        while size > SETTLED:
            ahead = kernel @ (weights + size * step)
            if (
                np.all(ahead > 0)
                and rows.share @ np.log(ahead) - (weights + size * step).sum() >= now + size * rise / 3
            ):
                break
            size /= 2
        else:
            break
        weights = np.maximum(weights + size * step, 0)
    kept = weights > LEAST
    return outputs[kept], weights[kept] / weights[kept].sum()


def _nonnegative(gram: Array, slope: Array) -> Array:
    """Return the w ≥ 0 with the least ½ wᵀGw − wᵀs, by block pivoting (Kim & Park, SIAM J. Sci. Comput. 33, 2011).

    Infeasible weights change sides, all at once, or only the last of them after some exchanges
    that did not help. Rounding may end it early.
    """
    free, fewest, left = np.ones(len(gram), bool), len(gram) + 1, PIVOTS
    for _ in range(PIVOTS * PIVOTS):
        weights = np.zeros(len(gram))
        weights[free] = cho_solve(cho_factor(gram[np.ix_(free, free)]), slope[free])
        wrong = np.flatnonzero(np.where(free, weights < 0, gram @ weights - slope < -SETTLED))
        if not wrong.size:
            break
        fewest, left = (wrong.size, PIVOTS) if wrong.size < fewest else (fewest, left - 1)
        exchanged = wrong if left > 0 else wrong[-1:]
        free[exchanged] = ~free[exchanged]
    return np.maximum(weights, 0)
