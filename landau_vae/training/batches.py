"""Minibatches x̃ = (x − x̄, 1): rows of the data, or fresh samples of N(0, C) where only the covariance is known.

All models of a seed see the same minibatches in the same order, as they do when each training begins with the same
`manual_seed`; other seeds see others. Rows are shuffled anew in each epoch and the incomplete batch at its end is left
out; weighted rows are drawn with replacement, in proportion to their weights.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from landau_vae.display import Array
from landau_vae.training.trainer import TrainingSet

__all__ = ["Batches", "row_mean"]

STREAM = 0x62617463  # tells the generator of batches from those of starts and of noise


def row_mean(rows: Array, weights: Array | None) -> Array:
    """The mean row, (p,), without a copy of the rows."""
    return np.asarray(rows.mean(axis=0) if weights is None else weights @ rows / weights.sum())


@dataclass
class Batches:
    """The minibatches of one seed, in blocks of several updates."""

    data: TrainingSet
    size: int  #: rows of a batch
    seed: int
    dtype: DTypeLike = np.float64

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng([self.seed, STREAM])
        self._left: NDArray[np.intp] = np.empty(0, dtype=np.intp)  # of the epoch's permutation
        if self.data.rows is None:
            self._root = self.data.spectrum.root.astype(self.dtype)
            return
        rows, weights = self.data.rows, self.data.weights
        self._mean = row_mean(rows, weights)
        self.size = min(self.size, len(rows))
        self._share = None if weights is None else weights / weights.sum()

    def block(self, updates: int) -> Array:
        """The next batches, (updates, size, d + 1)."""
        if self.data.rows is None:
            normal = self._rng.standard_normal((updates, self.size, len(self._root)), dtype=self.dtype)  # type: ignore[arg-type]
            centred = normal @ self._root
        else:
            centred = self.data.rows[self._indices(updates)] - self._mean
        block = np.ones((updates, self.size, centred.shape[-1] + 1), dtype=self.dtype)
        block[..., :-1] = centred
        return block

    def _indices(self, updates: int) -> NDArray[np.intp]:
        assert self.data.rows is not None
        count = len(self.data.rows)
        if self._share is not None:
            return self._rng.choice(count, (updates, self.size), p=self._share)
        whole = count - count % self.size
        epochs = [self._left]
        while sum(map(len, epochs)) < updates * self.size:
            epochs.append(self._rng.permutation(count)[:whole])
        ready = np.concatenate(epochs)
        self._left = ready[updates * self.size :]
        return ready[: updates * self.size].reshape(updates, self.size)
