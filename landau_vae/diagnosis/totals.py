"""Sums over rows of posteriors, from which all averages of a diagnosis follow: block by block, and mergeable.

    Σσ²   Σσ⁴   Σ½(μ² + σ² − 1 − ln σ²)   Σ(x − x̄)(μ − μ̄)ᵀ   Σ(μ − μ̄)(μ − μ̄)ᵀ   least and largest μ and σ

One class serves `diagnose`, which has all rows, and `Monitor`, which has one batch after the other.
Where the covariance of the data is known, `Strip` takes the place of the joint second moments: it
holds those columns alone that belong to the means, O(dK) numbers.
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.moments import Moments, SecondMoments
from landau_vae.display import Array

Rows = NDArray[Any]  # a table as it comes in, of any floating type
Spread = Literal["variance", "log_variance", "std"]

EPSILON = 0.01  #: nats, of (ε, δ)-collapse (Lucas et al., arXiv:1911.02469)
BLOCK = 2**17  # numbers of each array that are processed at a time: 1 MiB in double precision
ADDED = ("variance", "fourth", "deviation", "rate", "quiet")
LEAST = ("least", "lowest", "most", "highest")  # of spread and mean; the last two with the sign changed


class Strip(SecondMoments):
    """Means of all columns, (m,), and the scatter of all columns with the last K, (m, K).

    >>> strip = Strip(2, 1)
    >>> strip.add(np.array([[0.0, 1.0], [2.0, 5.0]]))
    >>> strip.mean.tolist(), strip.scatter.tolist()
    ([1.0, 3.0], [[4.0], [8.0]])
    """

    def __init__(self, dimension: int, last: int) -> None:
        super().__init__(dimension)
        self.scatter = np.zeros((dimension, last))

    def add(self, rows: Array) -> None:
        """Add a block of rows (n, m). It is enough to centre one factor, the last columns."""
        n, last = len(rows), self.scatter.shape[1]
        mean = np.ones(n) @ rows / n
        self.count += n
        self._absorb(float(n), mean, rows.T @ (rows[:, -last:] - mean[-last:]))

    def merge(self, other: "Strip") -> None:
        """Add everything that was added to `other`, which stays as it is."""
        self.count += other.count
        if other.weight:
            self._absorb(other.weight, other.mean, other.scatter)

    def _absorb(self, weight: float, mean: Array, scatter: Array) -> None:
        total, step = self.weight + weight, mean - self.mean
        self.scatter += scatter
        self.scatter += np.outer(step * (self.weight * weight / total), step[-scatter.shape[1] :])
        self.mean = self.mean + step * (weight / total)
        self.weight = total


class Totals:
    """Sums over blocks of rows of K latents, and the second moments of [x, μ] beside them."""

    def __init__(self, K: int, joint: Moments | Strip) -> None:
        self.joint, self.features = joint, len(joint.mean) - K
        self.variance, self.fourth, self.deviation, self.rate, self.quiet = np.zeros((len(ADDED), K))
        self.least, self.lowest, self.most, self.highest = np.full((len(LEAST), K), np.inf)
        self.scratch, self.pair, self.ones = np.empty((3, 0, K)), np.empty((0, K + self.features)), np.ones(0)

    @property
    def finite(self) -> bool:
        """Whether no mean or spread so far is NaN or infinite, or too large."""
        return bool(np.isfinite(self.joint.mean[self.features :]).all() and np.isfinite(self.rate).all())

    def blocks(self, n: int) -> Iterator[slice]:
        """Yield blocks of n rows that stay in the cache, and make room to work on them."""
        K = len(self.rate)
        rows = min(n, max(64, BLOCK // max(K, min(self.features, 128))))
        if rows > len(self.ones):
            self.scratch, self.pair = np.empty((3, rows, K)), np.empty((rows, K + self.features))
            self.ones = np.ones(rows)
        for start in range(0, n, rows):
            yield slice(start, start + rows)

    def add(self, mu: Rows, spread: Rows, kind: Spread, data: Rows) -> None:
        """Add a block. Its copies in scratch are overwritten step by step, so that it stays in the cache."""
        ones, pair = self.ones[: len(mu)], self.pair[: len(mu)]
        square, variance, kl = self.scratch[:, : len(mu)]
        pair[:, : self.features], pair[:, self.features :] = data, mu
        np.copyto(variance, spread)
        np.minimum(self.least, variance.min(axis=0), out=self.least)
        np.minimum(self.most, -variance.max(axis=0), out=self.most)
        np.minimum(self.lowest, mu.min(axis=0), out=self.lowest)
        np.minimum(self.highest, -mu.max(axis=0), out=self.highest)
        if kind == "log_variance":
            np.negative(variance, out=kl)
            np.exp(variance, out=variance)
        else:
            np.log(variance, out=kl)
            kl *= -2.0 if kind == "std" else -1.0
            if kind == "std":
                self.deviation += ones @ variance
                np.square(variance, out=variance)
        kl += variance
        kl -= 1.0  # before μ² is added: for an inactive latent little is left, which must not be rounded away
        self.variance += ones @ variance
        self.fourth += ones @ np.square(variance, out=variance)
        kl += np.square(pair[:, self.features :], out=square)
        self.rate += 0.5 * (ones @ kl)
        self.quiet += ones @ np.less(kl, 2 * EPSILON, out=kl, casting="unsafe")
        self.joint.add(pair)

    def merge(self, other: "Totals") -> None:
        """Add everything that was added to `other`, which stays as it is."""
        for name in ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in LEAST:
            setattr(self, name, np.minimum(getattr(self, name), getattr(other, name)))
        self.joint.merge(other.joint)  # type: ignore[arg-type]  # both are of one kind

    def fade(self, share: float) -> None:
        """Let all rows so far count by a share of what they did; extremes stay."""
        for name in ADDED:
            setattr(self, name, getattr(self, name) * share)
        self.joint.weight *= share
        self.joint.scatter = self.joint.scatter * share

    def __getstate__(self) -> dict[str, Any]:
        """Return the sums, without the room to work in."""
        K = len(self.rate)
        return vars(self) | {"scratch": np.empty((3, 0, K)), "pair": self.pair[:0], "ones": np.ones(0)}
