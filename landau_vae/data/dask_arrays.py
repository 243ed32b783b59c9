"""Dask collections → one `Moments` per block of rows, made where the block lives, merged pairwise in a fixed tree.

Runs in whatever scheduler is at work: in the threads of this process, or on the cluster of the
current client. A block that is lost with its worker is made again, and the tree does not
change: neither does a bit of the result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.accumulate import Collected
from landau_vae.data.convert import Names
from landau_vae.data.moments import Moments, Pairs
from landau_vae.data.tables import as_names, as_table, as_weights, nonfinite_problem
from landau_vae.display import Array
from landau_vae.errors import InputError

BRANCHES = 4  # how many are merged at a time
SLAB_NUMBERS, MOST_NUMBERS = 2**19, 2**22  # neighbouring blocks of rows are taken together up to a size

Slab = tuple[Any, Array | None]  # a delayed block of rows, all columns, and its weights


@dataclass(frozen=True)
class Delayed:
    """Blocks of rows that are computed elsewhere."""

    slabs: tuple[Slab, ...]
    names: Names
    columns: int  #: d
    rows: int | None  #: n, where it is known

    def pairs(self) -> Pairs:
        """Yield the blocks one by one, computed here."""
        for slab, weights in self.slabs:
            rows = slab.compute()
            if len(rows):
                yield as_table(rows)[0], weights

    def collect(self) -> Collected:
        """Return the moments of all rows, made of each block where it is, and merged there."""
        from dask.base import compute
        from dask.delayed import delayed

        level = [delayed(_moments)(slab, weights, self.columns) for slab, weights in self.slabs]
        while len(level) > 1:
            level = [delayed(_merged)(level[i : i + BRANCHES]) for i in range(0, len(level), BRANCHES)]
        part = Collected(self.names)
        (part.moments,) = compute(*level)
        part.dimension, part.count, part.precision = self.columns, part.moments.count, part.moments.precision
        if not part.moments.finite:
            raise nonfinite_problem((rows for rows, _ in self.pairs()), self.names)
        return part


def of_dask(data: Any, weights: ArrayLike | None, names: Sequence[str] | None) -> Delayed:
    """Return the blocks of a Dask array (n, d) or a Dask DataFrame."""
    if hasattr(data, "columns"):
        own = as_names(data.columns)
        blocks, lengths = data.to_delayed(), None
    elif getattr(data, "ndim", None) == 2:
        own = None
        blocks, lengths = _row_blocks(data)
    else:
        raise InputError(
            f"A Dask {type(data).__name__} of shape {getattr(data, 'shape', '?')} was given, but rows × columns "
            "are expected: a 2-D array, or a DataFrame."
        )
    columns = int(data.shape[1])
    return of_slabs(blocks, lengths, columns, weights, as_names(names, columns) or own)


def of_slabs(
    blocks: Sequence[Any], lengths: Sequence[int] | None, columns: int, weights: ArrayLike | None, names: Names
) -> Delayed:
    """Return delayed blocks of rows with their weights; unknown `lengths` are counted if there are weights."""
    if weights is None:
        slabs: tuple[Slab, ...] = tuple((block, None) for block in blocks)
    else:
        from dask.base import compute
        from dask.delayed import delayed

        lengths = compute(*map(delayed(len), blocks)) if lengths is None else lengths
        weight = as_weights(weights, sum(lengths))
        slabs = tuple(zip(blocks, np.split(weight, np.cumsum(lengths)[:-1]), strict=True))
    rows = None if lengths is None else int(sum(lengths))
    return Delayed(slabs, names, columns, rows)


def _row_blocks(array: Any) -> tuple[list[Any], list[int] | None]:
    """Return delayed blocks of whole rows, small neighbours together, and their lengths where they are known."""
    from dask.delayed import delayed

    lengths, columns = array.chunks[0], int(array.shape[1])
    if any(np.isnan(length) for length in lengths):
        return [delayed(np.asarray)(array.blocks[i]) for i in range(len(lengths))], None
    enough = max(SLAB_NUMBERS, min(4 * columns**2, MOST_NUMBERS))  # a block should be larger than what is made of it
    edges, held = [0], 0
    for i, length in enumerate(lengths):
        held += length
        if held * columns >= enough or i == len(lengths) - 1:
            edges.append(i + 1)
            held = 0
    bounds = list(pairwise(edges))
    make: Callable[..., Any] = delayed(np.asarray)
    return [make(array.blocks[i:j]) for i, j in bounds], [int(sum(lengths[i:j])) for i, j in bounds]


def _moments(block: Any, weights: Array | None, columns: int) -> Moments:
    moments = Moments(columns)
    if len(block):
        rows: NDArray[Any] = as_table(block)[0]
        moments.add(rows, weights)
    return moments


def _merged(parts: Sequence[Moments]) -> Moments:
    total = Moments(len(parts[0].mean))
    for part in parts:
        total.merge(part)
    return total
