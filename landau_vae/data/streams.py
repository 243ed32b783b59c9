"""Blocks of (rows, weights), from arrays and from any iterable, collected into `Moments` or a `Gram`."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.accumulate import Collected, Names
from landau_vae.data.gram import Gram
from landau_vae.data.moments import Moments
from landau_vae.data.tables import as_table, as_weights, nonfinite_problem, row_blocks
from landau_vae.display import Array
from landau_vae.errors import InputError

__all__ = ["Names", "Pairs", "array_pairs", "chunk_pairs", "collect", "gather_array", "with_progress"]

Pairs = Iterator[tuple[NDArray[Any], Array | None]]  # blocks of (rows, weights of the rows)


def gather_array(array: NDArray[Any], weights: Array | None, names: Names, progress: bool) -> Moments | Gram:
    """The moments of an array; of a wide one, its Gram."""
    if array.shape[0] < array.shape[1]:
        part = Collected(names)
        part.add(array, weights, copy=False)
        return part.result()
    return collect(
        with_progress(array_pairs(array, weights), len(array) if progress else None, progress), names
    ).result()


def collect(pairs: Pairs, names: Names) -> Collected:
    """All of a stream. Rows are held until there are as many as columns: one that ends before that is a wide table."""
    part = Collected(names)
    for rows, weights in pairs:
        part.add(rows, weights)  # copied where they are held: a stream may reuse its buffer
        if not part.finite:
            later = chain([rows], (block for block, _ in pairs))
            raise nonfinite_problem(later, part.names, row=part.count - len(rows))
    if part.count == 0:
        raise InputError("There are no rows: at least two are needed.")
    return part


def chunk_pairs(chunks: Iterable[Any], weights: Iterable[ArrayLike] | None) -> Pairs:
    """Validated blocks of any iterable of tables, with the blocks of weights that run along."""
    weight_blocks = None if weights is None else iter(weights)
    columns, count = None, 0
    for chunk in chunks:
        block = None if weight_blocks is None else next(weight_blocks, None)
        if weight_blocks is not None and block is None:
            raise InputError("The weights ended before the chunks did: give one block of weights for each chunk.")
        if np.ndim(chunk) == 0 or len(chunk) > 0:
            rows, names = as_table(chunk)
            columns = columns or names
            if names != columns and names is not None:
                raise InputError(
                    f"A chunk has the columns {', '.join(names)}, but those before it have {', '.join(columns or ())}: "
                    "every chunk must hold the same columns in the same order."
                )
            yield rows, None if block is None else as_weights(block, len(rows), count)
            count += len(rows)
    if weight_blocks is not None and next(weight_blocks, None) is not None:
        raise InputError("The chunks ended before the weights did: give one block of weights for each chunk.")


def with_progress(pairs: Pairs, total: int | None, progress: bool) -> Pairs:
    """The same blocks, with a bar on standard error if `progress` and if someone is looking."""
    if not progress:
        return pairs
    from tqdm import tqdm

    def counted() -> Pairs:
        with tqdm(
            total=total, unit=" rows", unit_scale=True, desc="reading", leave=False, disable=None, delay=0.5
        ) as bar:
            for rows, weights in pairs:
                yield rows, weights
                bar.update(len(rows))

    return counted()


def array_pairs(array: NDArray[Any], weights: Array | None, rows: int | None = None) -> Pairs:
    """An array by blocks of rows, with their weights."""
    start = 0
    for block in row_blocks(array, rows):
        yield block, None if weights is None else weights[start : start + len(block)]
        start += len(block)
