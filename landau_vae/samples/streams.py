"""Blocks of (rows, weights), from arrays and from any iterable, gathered into `Moments` or a `Gram`."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.errors import InputError
from landau_vae.results import Array
from landau_vae.samples.gram import Gram
from landau_vae.samples.moments import Moments
from landau_vae.samples.tables import as_names, as_table, as_weights, nonfinite_problem, row_blocks

__all__ = ["Pairs", "chunk_pairs", "gather", "gather_array", "with_progress"]

Pairs = Iterator[tuple[NDArray[Any], Array | None]]  # blocks of (rows, weights of the rows)
Names = tuple[str, ...] | None


def gather_array(array: NDArray[Any], weights: Array | None, names: Names, progress: bool) -> Moments | Gram:
    """The moments of an array; of a wide one, its Gram."""
    if array.shape[0] < array.shape[1]:
        return _checked_gram(array, weights, names)
    pairs = with_progress(_array_pairs(array, weights), len(array) if progress else None, progress)
    return _accumulate(pairs, array.shape[1], names)


def gather(pairs: Pairs, names: Names) -> Moments | Gram:
    """The moments of a stream. Rows are held back until there are as many as columns: a stream that ends
    before that is a wide table."""
    head: list[tuple[NDArray[Any], Array | None]] = []
    held, dimension = 0, 1
    while held < dimension and (pair := next(pairs, None)) is not None:
        head.append((pair[0].copy(), pair[1]))  # a stream may reuse its buffer
        held, dimension = held + len(pair[0]), head[0][0].shape[1]
        _check_width(pair[0], dimension)
    if not head:
        raise InputError("There are no rows: at least two are needed.")
    as_names(names, dimension)
    if held < dimension:
        weights = [weight for _, weight in head if weight is not None]
        rows = np.concatenate([rows for rows, _ in head])
        return _checked_gram(rows, np.concatenate(weights) if weights else None, names)
    return _accumulate(chain(head, pairs), dimension, names)


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


def _array_pairs(array: NDArray[Any], weights: Array | None) -> Pairs:
    start = 0
    for block in row_blocks(array):
        yield block, None if weights is None else weights[start : start + len(block)]
        start += len(block)


def _accumulate(pairs: Pairs, dimension: int, names: Names) -> Moments:
    moments = Moments(dimension)
    for rows, weights in pairs:
        _check_width(rows, dimension)
        moments.add(rows, weights)
        if not moments.finite:
            later = chain([rows], (block for block, _ in pairs))
            raise nonfinite_problem(later, names, row=moments.count - len(rows))
    return moments


def _checked_gram(rows: NDArray[Any], weights: Array | None, names: Names) -> Gram:
    gram = Gram(rows, weights)
    if not gram.finite:
        raise nonfinite_problem([rows], names)
    return gram


def _check_width(rows: NDArray[Any], dimension: int) -> None:
    if rows.shape[1] != dimension:
        raise InputError(
            f"A chunk has {rows.shape[1]} columns, but those before it have {dimension}: "
            "every chunk must hold the same columns."
        )
