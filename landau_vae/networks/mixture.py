"""What any VAE could reach on given rows: a mixture of outputs, found by convex optimisation.

    F(q) = −c ⟨ln Σ_y q(y) e^{−ℓ(x, y)/c}⟩

q is a distribution of decoder outputs y, ℓ the reconstruction term of a row, c the price of a nat. By Gibbs' inequality,
row by row, no encoder has a lower loss with a decoder that draws its outputs from q. The minimum over q bounds every VAE
on these rows. It is the maximum likelihood of a mixture, convex in q. Weights are found by constrained Newton steps
(Y. Wang, J. R. Stat. Soc. B 69, 185, 2007), positions by quasi-Newton steps. New outputs come where

    D(y) = ⟨e^{−ℓ(x, y)/c} / Σ_y' q(y') e^{−ℓ(x, y')/c}⟩ − 1

is positive; F(q) − c ln(1 + sup D) bounds the minimum from below. ℓ = A(f) − x f is that of a canonical exponential
family, of which the squared error is one, and y the mean A′(f).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize, nnls
from scipy.special import softmax

from landau_vae.display import Array
from landau_vae.likelihoods import Likelihood

WORK = 2e10  # products, after which it ends where it is
CLIMBING = 256  # ascents in a round, at most
ADDED = 128  # outputs in a round, at most
CLIMBS = 25  # steps of an ascent
MOVES, MOST = 20, 4000  # quasi-Newton steps in a round: at least, and times outputs
NEWTON = 30  # steps for the weights in a round, at most
FIRST = 256  # rows that a mixture begins with, beside the mean
MERGED = 1e-3  # √c: distance within which outputs are one
NEW = 1e-3  # weight that new outputs begin with, all together
LEAST = 1e-10  # weight below which an output is dropped
SETTLED, RIDGE = 1e-13, 1e-13  # of the weights' gradient, and of the trace of their Hessian
EDGE = 1e-9  # how near a mean may come to an end of its range, as a share of it


@dataclass(frozen=True, eq=False)
class Mixture:
    """A distribution of outputs, and how well it does on the rows it was fitted to."""

    outputs: Array  #: y, (m, d)
    weights: Array  #: q(y), (m,)
    value: float  #: F(q), in the unit of the reconstruction term, without what belongs to x alone
    excess: float  #: sup D, as far as ascents have found it

    def bound(self, price: float) -> float:
        """Return F(q) − c ln(1 + sup D)."""
        return self.value - price * float(np.log1p(max(0.0, self.excess)))


@dataclass(frozen=True, eq=False)
class Rows:
    """Distinct rows with their shares, and what a likelihood says of outputs for them."""

    table: Array  #: x, (n, d)
    share: Array  #: of each row, (n,)
    likelihood: Likelihood
    price: float  #: c

    @property
    def mean(self) -> Array:
        """⟨x⟩, (d,): the output of the dead state."""
        return self.share @ self.table

    def logarithms(self, outputs: Array) -> Array:
        """Return −ℓ(x, y)/c, (n, m)."""
        natural, value = self.natural(outputs)
        return (self.table @ natural.T - value) / self.price

    def natural(self, outputs: Array) -> tuple[Array, Array]:
        """Return f, (m, d), and Σ_j A(f_j), (m,)."""
        low, high = self.likelihood.support
        width = min(high - low, 1.0)
        natural = np.asarray(self.likelihood.link(np.clip(outputs, low + EDGE * width, high - EDGE * width)))
        return natural, self.generated(natural)[1]

    def generated(self, natural: Array) -> tuple[Array, Array]:
        """Return y = A′(f), (m, d), and Σ_j A(f_j), (m,)."""
        generator = self.likelihood.generator(natural)
        return np.asarray(generator.mean), np.asarray(generator.value).sum(axis=1)

    def value(self, logarithms: Array, weights: Array) -> tuple[float, Array]:
        """Return F and ln p of each row, (n,)."""
        top = logarithms.max(axis=1)
        each = top + np.log(np.exp(logarithms - top[:, None]) @ weights)
        return -self.price * float(self.share @ each), each

    def slope(self, outputs: Array, log_p: Array) -> tuple[Array, Array]:
        """Return D(y), (m,), and the y that an ascent goes to next, (m, d)."""
        ratio = np.exp(np.minimum(self.logarithms(outputs) - log_p[:, None], 500.0)) * self.share[:, None]
        total = ratio.sum(axis=0)
        return total - 1, (ratio.T @ self.table) / np.maximum(total, np.finfo(float).tiny)[:, None]

    def climb(self, starts: Array, log_p: Array, most: int) -> tuple[Array, Array]:
        """Return the tops of D that the best of the starts lead to, with their D, by falling D."""
        height, following = self.slope(starts, log_p)
        best = np.argsort(-height, kind="stable")[:most]
        outputs = following[best]
        for _ in range(CLIMBS):
            height, following = self.slope(outputs, log_p)
            done = np.abs(following - outputs).max() <= 1e-7 * np.abs(following).max()
            outputs = following
            if done:
                break
        height = self.slope(outputs, log_p)[0]
        order = np.argsort(-height, kind="stable")
        return outputs[order], height[order]


def fitted(rows: Rows, starts: Array, first: Mixture | None = None, tolerance: float = 1e-6) -> Mixture:
    """Return the best mixture for the rows; `starts` (s, d) are where outputs are looked for.

    It stops where ln(1 + sup D) ≤ `tolerance`, or when its work is done: then the bound says how far it is.
    """
    if first is None:
        some = rows.table[:: -(-len(rows.table) // FIRST)]
        outputs, weights = np.vstack([rows.mean, some]), np.append(0.5, np.full(len(some), 0.5 / len(some)))
    else:
        outputs, weights = first.outputs, first.weights
    near, work, distance = starts, 0.0, np.sqrt(rows.price)
    while True:
        outputs, weights = _moved(rows, *_weighed(rows, outputs, weights))
        outputs, weights = _weighed(rows, *_merged(outputs, weights, MERGED * distance))
        value, log_p = rows.value(rows.logarithms(outputs), weights)
        found, height = rows.climb(np.vstack([near, outputs]), log_p, CLIMBING)
        if height[0] <= tolerance and near is not starts:
            found, height = rows.climb(np.vstack([starts, outputs]), log_p, CLIMBING)
        climbed = (len(near) + CLIMBING * CLIMBS) * rows.table.size
        work += rows.table.size * len(outputs) * max(MOVES, MOST // len(outputs)) + climbed
        if height[0] <= tolerance or work > WORK:
            return Mixture(outputs, weights, value, float(height[0]))
        near, some = found, height > 0.1 * min(float(height[0]), 1.0)
        new = _merged(found[some], height[some], 0.1 * distance)[0][:ADDED]
        outputs, weights = np.vstack([outputs, new]), np.append(weights * (1 - NEW), np.full(len(new), NEW / len(new)))


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
    total = np.bincount(owner, weights, len(weights))
    kept = total > 0
    return outputs[kept], total[kept]


def _moved(rows: Rows, outputs: Array, weights: Array) -> tuple[Array, Array]:
    """Return outputs and weights after some quasi-Newton steps on both.

    Light outputs would hardly move: the curvature along each is its weight, which is scaled away.
    """
    shape, natural = outputs.shape, rows.natural(outputs)[0]
    unit = np.sqrt(weights)

    def value_and_slope(flat: Array) -> tuple[float, Array]:
        share, moved = softmax(flat[: shape[0]] / unit), (flat[shape[0] :].reshape(shape) / unit[:, None])
        mean, value = rows.generated(moved)
        logarithms = (rows.table @ moved.T - value) / rows.price
        loss, log_p = rows.value(logarithms, share)
        response = np.exp(logarithms - log_p[:, None]) * share * rows.share[:, None]
        total = response.sum(axis=0)
        slope = (total[:, None] * mean - response.T @ rows.table) / (rows.price * unit[:, None])
        return loss / rows.price, np.concatenate([(share - total) / unit, slope.ravel()])

    start = np.concatenate([np.log(weights) * unit, (natural * unit[:, None]).ravel()])
    options = {"maxiter": max(MOVES, MOST // len(weights)), "ftol": 0.0, "gtol": SETTLED}
    found = minimize(value_and_slope, start, jac=True, method="L-BFGS-B", options=options).x
    return rows.generated(found[shape[0] :].reshape(shape) / unit[:, None])[0], softmax(found[: shape[0]] / unit)


def _weighed(rows: Rows, outputs: Array, weights: Array) -> tuple[Array, Array]:
    """Return the outputs that have a weight at best, and these weights, by Newton steps.

    The maximum of ⟨ln Σ_y K w⟩ − Σ w over w ≥ 0 has Σ w = 1: the sum needs no constraint.
    """
    logarithms = rows.logarithms(outputs)
    kernel = np.exp(logarithms - logarithms.max(axis=1)[:, None])
    for _ in range(NEWTON):
        p = kernel @ weights
        slopes = kernel / p[:, None]
        gradient = rows.share @ slopes
        if max(gradient.max() - 1, np.abs((gradient - 1) @ weights)) <= SETTLED:
            break
        gram = (slopes * rows.share[:, None]).T @ slopes
        lift = np.linalg.cholesky(gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)))
        try:
            new = nnls(lift.T, solve_triangular(lift, 2 * gradient - 1, lower=True))[0]
        except RuntimeError:  # too many steps
            new = weights * gradient
        step, now, size = new - weights, rows.share @ np.log(p) - weights.sum(), 1.0
        rise = float((gradient - 1) @ step)
        while size > SETTLED:
            ahead = kernel @ (weights + size * step)
            if np.all(ahead > 0) and rows.share @ np.log(ahead) - (weights + size * step).sum() >= now + size * rise / 3:
                break
            size /= 2
        else:
            break
        weights = np.maximum(weights + size * step, 0)
    kept = weights > LEAST
    return outputs[kept], weights[kept] / weights[kept].sum()
