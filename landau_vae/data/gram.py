"""Second moments of tables whose d × d covariance should not be formed: `Gram` of few rows, `Margins` of few modes.

The non-zero eigenvalues of Xᵀ P X and of P^{1/2} X Xᵀ P^{1/2} are the same (X centred, P = diag
of the samples' shares), so n² numbers are enough where rows are fewer than columns; columns are
taken by blocks. `Margins`, for many of both, keep mean and variance of each column, and iterate
for the strongest modes in more passes over the rows.
"""

import mmap
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.moments import Decomposition, Pairs, SecondMoments, cut, spacing, strongest
from landau_vae.data.tables import mapping
from landau_vae.display import Array

BLOCK_NUMBERS = 2**22  # 32 MiB; each block costs a pass over the n × n matrix, so it should not be narrow either


class Gram(SecondMoments):
    """Mean (d,) and variance (d,) of a wide table, and its spectrum on demand.

    >>> gram = Gram(np.array([[0.0, 0.0, 1.0], [2.0, 4.0, 1.0]]))
    >>> gram.variance.tolist(), gram.decompose(None).values.round(12).tolist()
    ([1.0, 4.0, 0.0], [5.0, 0.0])
    """

    def __init__(self, rows: NDArray[Any], weights: Array | None = None, precision: float = 0.0) -> None:
        super().__init__(rows.shape[1])
        self.rows = rows
        self.count = len(rows)
        self.weight = float(self.count if weights is None else weights.sum())
        self.precision = max(precision, spacing(rows.dtype))
        self._variance: Array = np.zeros(rows.shape[1])
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # the caller looks for non-finite moments
            self._share = (np.ones(self.count) if weights is None else weights) / self.weight
            for part, block in self._column_blocks():
                self.mean[part] = self._share @ block
                self._variance[part] = self._share @ (block - self.mean[part]) ** 2

    @property
    def variance(self) -> Array:
        """Variance of each column, (d,)."""
        return self._variance

    def decompose(self, unit: Array | None, modes: int | None = None) -> Decomposition:
        """Decompose the n × n Gram matrix, as `SecondMoments` says: the covariance is never formed."""
        return Decomposition.of(self.gram(unit), modes, partial(self.lift, unit), vectors=self.vectors_needed)

    def gram(self, unit: Array | None) -> Array:
        """Return Z Zᵀ (n, n), with Z the rows about their mean, in a unit, each times the root of its share."""
        gram = np.zeros((self.count, self.count))
        product = np.empty_like(gram)
        for _, block in self._scaled_blocks(unit):
            gram += np.matmul(block, block.T, out=product)
        return gram

    def lift(self, unit: Array | None, inner: Array) -> Array:
        """Return Zᵀu, (d, k), of vectors u (n, k)."""
        vectors = np.empty((len(self.mean), inner.shape[1]))
        for part, block in self._scaled_blocks(unit):
            np.matmul(block.T, inner, out=vectors[part])
        return vectors

    def centred(self, unit: Array | None) -> Array:
        """Return Z, (n, d)."""
        rows = np.empty(self.rows.shape)
        for part, block in self._scaled_blocks(unit):
            rows[:, part] = block
        return rows

    def _scaled_blocks(self, unit: Array | None) -> Iterator[tuple[slice, Array]]:
        """Yield blocks of columns, centred, in their unit, each row times the root of its share."""
        if unit is not None and unit.ndim == 2:  # each new column is made of all columns
            yield slice(None), self.centred(None) @ unit
            return
        root = np.sqrt(self._share)[:, None]
        for part, block in self._column_blocks():
            centred = block - self.mean[part]
            centred *= root
            if unit is not None:
                centred /= unit[part]
            yield part, centred

    def _column_blocks(self) -> Iterator[tuple[slice, Array]]:
        pages = mapping(self.rows)
        width = max(1, BLOCK_NUMBERS // self.count)
        for start in range(0, self.rows.shape[1], width):
            part = slice(start, start + width)
            yield part, np.asarray(self.rows[:, part], dtype=np.float64)
            if pages is not None:
                pages.madvise(mmap.MADV_DONTNEED)


def pass_rows(columns: int) -> int:
    """Return how many rows to work on at a time."""
    return max(16, BLOCK_NUMBERS // columns)


class Margins(SecondMoments):
    """Count, weight, mean (d,) and variance (d,) of rows that can be gone through again, and their strongest modes.

    >>> margins = Margins(lambda: iter([(np.array([[2.0, 0.0], [-2.0, 0.0]]), None), (np.zeros((2, 2)), None)]), 2)
    >>> margins.variance.tolist(), margins.decompose(None, 1).values.round(12).tolist()
    ([2.0, 0.0], [2.0])
    """

    def __init__(self, blocks: Callable[[], Pairs], dimension: int) -> None:
        super().__init__(dimension)
        self.blocks = blocks
        self.scatter = np.zeros(dimension)
        with np.errstate(over="ignore", invalid="ignore"):  # the caller looks for non-finite moments
            for rows, weights in self._slices():
                self._add(rows, weights)

    def decompose(self, unit: Array | None, modes: int | None = None) -> Decomposition:
        """Iterate for the first `modes` eigenvalues, in a `unit` (d,) if any; the covariance is never formed."""
        divisor = np.ones((len(self.mean), 1)) if unit is None else unit[:, None]

        def apply(block: Array) -> Array:
            scaled, image = block / divisor, np.zeros_like(block)
            for rows, weights in self._slices():
                centred = rows - self.mean
                product = centred @ scaled
                image += centred.T @ (product if weights is None else weights[:, None] * product)
            return image / (self.weight * divisor)

        return Decomposition(strongest(apply, len(self.mean), modes or len(self.mean)))

    def _slices(self) -> Pairs:
        """Yield the blocks, cut to a size to work on."""
        for rows, weights in self.blocks():
            yield from cut(rows, weights, pass_rows(len(self.mean)))

    def _add(self, rows: NDArray[Any], weights: Array | None) -> None:
        self.precision = max(self.precision, spacing(rows.dtype))
        self.count += len(rows)
        share = np.ones(len(rows)) if weights is None else weights
        weight = float(share.sum())
        if weight == 0.0:
            return
        block = np.asarray(rows, dtype=np.float64)
        mean = share @ block / weight
        self._absorb(weight, mean, share @ (block - mean) ** 2)
