"""The spectra of resampled data, without copying a row: counts c of rows (blocks) times their sufficient statistics.

    C* = Σ_u c_u S_u / Σ_u c_u W_u − m* m*ᵀ,    (W, w x, w x xᵀ) summed over the rows of unit u, x about the mean

c is multinomial: n units drawn n times. Many replications are one matrix product with the statistics, which are kept
where they fit in memory (few blocks, narrow tables), made again otherwise. Wide tables go by their n × n Gram matrix.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.gram import Gram
from landau_vae.data.streams import gather_array
from landau_vae.data.tables import row_blocks
from landau_vae.display import Array
from landau_vae.intervals.influence import reduced_by

__all__ = ["Scaling", "replicas"]

KEPT_NUMBERS = 2**24  # 128 MiB
MADE_NUMBERS = 2**21

Scaling = Callable[[Array, Array], Array | None]  # (mean, variance), (…, d) each → s², or None for 1
Statistics = Iterator[tuple[NDArray[np.int64] | slice, Array]]  # units, (units, 1 + d + d(d+1)/2)


def replicas(
    array: NDArray[Any],
    weights: Array | None,
    labels: NDArray[np.int64] | None,
    scaling: Scaling,
    replications: int,
    rng: np.random.Generator,
) -> Iterator[tuple[Array, Array]]:
    """(eigenvalues, V), (some replications, modes) descending and (some replications,), until all are done."""
    units = len(array) if labels is None else int(labels.max()) + 1
    weight = np.ones(len(array)) if weights is None else weights
    present = np.flatnonzero(weight if labels is None else np.bincount(labels, weight))

    def draw(count: int) -> Array:
        drawn = np.zeros((count, units))
        for row in drawn:
            row[present] = np.bincount(rng.integers(len(present), size=len(present)), minlength=len(present))
        return drawn

    own = gather_array(array, weights, None, progress=False)
    if array.shape[0] < array.shape[1]:
        for _ in range(replications):
            counts = draw(1)[0]
            yield _of_gram(array, weight * (counts if labels is None else counts[labels]), own.variance, scaling)
        return
    columns = array.shape[1]
    width = 1 + columns + columns * (columns + 1) // 2
    kept = list(_statistics(array, weight, labels, own.mean, compress=True)) if units * width <= KEPT_NUMBERS else None
    at_once = max(1, min(replications, KEPT_NUMBERS // max(units, width)))
    for first in range(0, replications, at_once):
        counts = draw(min(at_once, replications - first))
        sums = np.zeros((len(counts), width))
        for unit, statistics in kept or _statistics(array, weight, labels, own.mean, compress=False):
            sums += counts[:, unit] @ statistics
        yield _of_sums(sums, own.mean, own.variance, scaling)


def _statistics(
    array: NDArray[Any], weight: Array, labels: NDArray[np.int64] | None, mean: Array, compress: bool
) -> Statistics:
    """w (1, x, upper triangle of x xᵀ) of rows; to `compress` is to sum those of a block, part by part."""
    upper, start = np.triu_indices(array.shape[1]), 0
    step = max(1, MADE_NUMBERS // len(upper[0]))
    for rows in row_blocks(array):
        for first in range(0, len(rows), step):
            x = rows[first : first + step] - mean
            part = slice(start, start + len(x))
            made = np.hstack([np.ones((len(x), 1)), x, x[:, upper[0]] * x[:, upper[1]]]) * weight[part, None]
            start += len(x)
            if labels is None:
                yield part, made
            else:
                yield reduced_by(labels[part], made) if compress else (labels[part], made)


def _of_sums(sums: Array, mean: Array, usual: Array, scaling: Scaling) -> tuple[Array, Array]:
    d = len(mean)
    moments = sums[:, 1:] / sums[:, :1]
    shift = moments[:, :d]
    covariance = np.zeros((len(sums), d, d))
    i, j = np.triu_indices(d)
    covariance[:, i, j] = moments[:, d:] - shift[:, i] * shift[:, j]
    covariance[:, j, i] = covariance[:, i, j]
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    square = scaling(mean + shift, variance)
    if square is not None:
        root = _root(square, usual)
        covariance = covariance / (root[:, :, None] * root[:, None, :])
    total = np.trace(covariance, axis1=1, axis2=2)
    return np.linalg.eigvalsh(covariance)[:, ::-1], total


def _of_gram(array: NDArray[Any], weights: Array, usual: Array, scaling: Scaling) -> tuple[Array, Array]:
    gram = Gram(array, weights)
    square = scaling(gram.mean, gram.variance)
    root = None if square is None else _root(square, usual)
    values = gram.decompose(root).values
    return values[None], np.array([values.sum()])


def _root(square: Array, usual: Array) -> Array:
    """The scales; a column that a replication left constant has no variance but rounding, which they do not blow up."""
    return np.sqrt(np.where(square > 1e-12 * usual, square, usual))
