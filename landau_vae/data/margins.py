"""Where the covariance of d columns is too large to form: mean and variance of each column in one pass, then the
strongest modes in more passes (`strongest`). Memory is that of a block of rows and of a few vectors per mode."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.gram import BLOCK_NUMBERS
from landau_vae.data.moments import Decomposition, spacing
from landau_vae.data.strongest_modes import strongest
from landau_vae.display import Array

Pairs = Iterator[tuple[NDArray[Any], Array | None]]


def pass_rows(columns: int) -> int:
    """How many rows to work on at a time."""
    return max(16, BLOCK_NUMBERS // columns)


class Margins:
    """Count, weight, mean (d,) and variance (d,) of rows that can be gone through again, and their strongest modes.

    >>> margins = Margins(lambda: iter([(np.array([[2.0, 0.0], [-2.0, 0.0]]), None), (np.zeros((2, 2)), None)]), 2)
    >>> margins.variance.tolist(), margins.decompose(None, 1).values.round(12).tolist()
    ([2.0, 0.0], [2.0])
    """

    def __init__(self, blocks: Callable[[], Pairs], dimension: int) -> None:
        self.blocks = blocks
        self.count = 0
        self.weight = 0.0
        self.precision = 0.0
        self.mean: Array = np.zeros(dimension)
        self._square: Array = np.zeros(dimension)
        with np.errstate(over="ignore", invalid="ignore"):  # the caller looks for non-finite moments
            for rows, weights in self._slices():
                self._add(rows, weights)

    @property
    def variance(self) -> Array:
        """Of each column, (d,)."""
        return self._square / self.weight

    @property
    def finite(self) -> bool:
        """Whether all rows are finite, and nothing has overflowed."""
        return bool(np.all(np.isfinite(self.mean)) and np.all(np.isfinite(self._square)))

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
        """The blocks, cut to a size to work on."""
        step = pass_rows(len(self.mean))
        for rows, weights in self.blocks():
            for start in range(0, len(rows), step):
                part = slice(start, start + step)
                yield rows[part], None if weights is None else weights[part]

    def _add(self, rows: NDArray[Any], weights: Array | None) -> None:
        self.precision = max(self.precision, spacing(rows.dtype))
        self.count += len(rows)
        share = np.ones(len(rows)) if weights is None else weights
        weight = float(share.sum())
        if weight == 0.0:
            return
        block = np.asarray(rows, dtype=np.float64)
        mean = share @ block / weight
        total, step = self.weight + weight, mean - self.mean
        self._square += share @ (block - mean) ** 2 + step**2 * (self.weight * weight / total)
        self.mean = self.mean + step * (weight / total)
        self.weight = total
