"""Arrays, streams, files, xarray objects and Dask collections as one thing, a `Source` of rows.

It is collected in one pass; where d × d numbers are too many and it can be read again, it gives
its strongest modes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.accumulate import Collected, array_pairs, chunk_pairs, collect, items, with_progress
from landau_vae.data.convert import Names, is_sparse, opened
from landau_vae.data.door import absolute, identity
from landau_vae.data.gram import Margins, pass_rows
from landau_vae.data.moments import Again, Pairs, SecondMoments
from landau_vae.data.read_file import read
from landau_vae.data.read_xarray import Slabs, stacked
from landau_vae.data.tables import as_names, as_table, as_weights, is_whole, mapped, nonfinite_problem, rows_at_a_time
from landau_vae.display import Array
from landau_vae.errors import InputError

if TYPE_CHECKING:
    import xarray

    from landau_vae.data.dask_arrays import Delayed

KEPT = 2**24  # numbers of a table in memory, 128 MiB, that a spectrum keeps from being freed
READ_AGAIN = 2**26  # numbers of a file up to which a question may read it again
FORMED = 4000  # d × d or n × n numbers that are formed, even where only a few modes are asked for


@dataclass(frozen=True)
class Source:
    """Rows, block by block."""

    blocks: Callable[[], Pairs]  #: goes through all of them
    names: Names
    dimension: int | None = None  #: d, where it is known before reading
    rows: int | None = None  #: n, where it is known before reading
    again: bool = True  #: whether `blocks` can be called more than once
    later: Callable[[], Pairs] | None = None  #: goes through the same rows in the same order at any time, or ends early
    later_most: float = np.inf  #: numbers up to which `later` is made use of
    array: tuple[NDArray[Any], Array | None] | None = None  #: rows and weights, where they are one plain array
    part: Collected | None = None  #: the rows, where they have been collected already
    delayed: "Delayed | None" = None  #: blocks that are collected where they are

    def collect(self, progress: bool = False) -> Collected:
        """Collect all rows, in one pass."""
        few = self.rows is not None and self.dimension is not None and self.rows < self.dimension
        if self.part is not None:
            part = self.part
        elif self.delayed is not None and not few:  # few rows of many columns are brought here
            part = self.delayed.collect()
        elif self.array is not None and few:
            part = collect(iter([self.array]), self.names, copy=False)
        else:
            part = collect(with_progress(self.blocks(), self.rows, progress), self.names)
        if part.count == 0:
            raise InputError("There are no rows: at least two are needed.")
        return part

    def moments(self, modes: int | None = None, progress: bool = False) -> SecondMoments:
        """Return moments for all modes; or, where there are too many columns and few modes are wanted, margins."""
        d, least = self.dimension, min(self.dimension or 0, self.rows or np.inf)
        held = least if self.array is not None else d  # of other sources, rows would have to be copied
        if modes is None or d is None or not self.again or (held or 0) <= FORMED or modes >= least - 1:
            moments = self.collect(progress).result()
            few = moments.count * len(moments.mean) <= self.later_most
            moments.again = Again(self.later) if self.later is not None and few else None
            return moments
        margins = Margins(lambda: with_progress(self._pass(d), self.rows, progress), d)
        if not margins.finite:
            raise nonfinite_problem((rows for rows, _ in self.blocks()), self.names)
        return margins

    def _pass(self, dimension: int) -> Pairs:
        """Go through all rows; an array by as many at a time as are worked on, so that memory maps stay small."""
        return self.blocks() if self.array is None else array_pairs(*self.array, pass_rows(dimension))


def of_data(data: Any, weights: ArrayLike | None = None, names: Sequence[str] | None = None) -> Source:
    """Return the source of a table in memory or mapped into it, or of a Dask array or DataFrame."""
    if hasattr(data, "dims") and hasattr(data, "isel"):
        raise InputError(
            "Which dimension of an xarray object counts the samples has to be said: "
            f"Spectrum.from_xarray(array, samples={str(next(iter(data.dims), 'time'))!r})."
        )
    if hasattr(data, "__dask_graph__"):
        from landau_vae.data.dask_arrays import of_dask

        return of_delayed(of_dask(data, weights, names))
    data, of_columns = opened(data)
    if is_sparse(data):
        return _of_sparse(data, weights, names or of_columns)
    array, own_names = as_table(data)
    labels = as_names(names, array.shape[1]) or own_names or of_columns
    weight = None if weights is None else as_weights(weights, len(array))
    whole, (n, d) = (array, weight), array.shape

    def blocks() -> Pairs:
        return array_pairs(*whole) if is_whole(array) else iter(())

    held = 0 if mapped(array) is not None else array.size
    return Source(blocks, labels, d, n, later=_kept(data, held, blocks, weight), array=whole)


def _kept(data: Any, held: int, blocks: Callable[[], Pairs], weights: Array | None) -> Callable[[], Pairs] | None:
    """Return how to go through a table in memory later: a large one only for as long as others keep it."""
    if held <= KEPT:
        return blocks
    try:
        table = ref(data) if hasattr(data, "shape") else None  # what has none may be in another order next time
    except TypeError:
        return None
    return None if table is None else lambda: iter(()) if table() is None else of_data(table(), weights).blocks()


def _of_sparse(matrix: Any, weights: ArrayLike | None, names: Sequence[str] | None) -> Source:
    """Return the source of a sparse matrix, whose rows are made dense block by block."""
    (n, d), table = matrix.shape, matrix.tocsr()
    labels, weight = as_names(names, d), None if weights is None else as_weights(weights, n)

    def blocks() -> Pairs:
        for start in range(0, n, step := rows_at_a_time(max(1, d))):
            part = slice(start, start + step)
            yield as_table(table[part].toarray())[0], None if weight is None else weight[part]

    return Source(blocks, labels, d, n, later=_kept(matrix, table.data.size, blocks, weight))


def of_chunks(
    chunks: Iterable[Any], weights: Iterable[ArrayLike] | None = None, names: Sequence[str] | None = None
) -> Source:
    """Return the source of an iterable of tables; what can be iterated twice, such as a list, can be read again."""
    again = iter(chunks) is not chunks and (weights is None or iter(weights) is not weights)
    first = items(chunks)
    head = next(first, ())
    labels = as_names(getattr(head, "columns", None) if names is None else names)
    if not again:
        pairs = chunk_pairs(chain([head], first), weights)
        return Source(lambda: pairs, labels, again=False)
    shape: tuple[int, ...] = getattr(head, "shape", ())
    d, lasting = (
        shape[1] if len(shape) == 2 else None,
        all(isinstance(each, list | tuple | None) for each in (chunks, weights)),
    )

    def blocks() -> Pairs:
        return chunk_pairs(chunks, weights)

    return Source(blocks, labels, d, later=blocks if lasting else None, later_most=KEPT)


def of_file(path: str | Path, **options: Any) -> Source:
    """Return the source of a data file; `options` are those of `read_file.read`."""
    table, path = read(path, **options), absolute(path)
    if table.part is not None:
        return Source(lambda: iter(()), table.part.names, again=False, part=table.part)
    unread, before = [table.blocks], identity(path)

    def reread() -> Pairs:
        if identity(path) != before:
            return iter(())
        anew = read(path, **options)
        return anew.blocks if anew.array is None else array_pairs(anew.array, None)

    if table.array is not None:
        return replace(of_data(table.array), later=reread)

    def blocks() -> Pairs:
        return unread.pop() if unread else reread()

    d = len(table.names or ()) or None
    return Source(blocks, table.names, d, table.rows, later=reread, later_most=READ_AGAIN)


def of_delayed(delayed: "Delayed") -> Source:
    """Return the source of blocks of rows that are computed elsewhere."""
    return Source(delayed.pairs, delayed.names, delayed.columns, delayed.rows, delayed=delayed)


def of_labelled(
    array: "xarray.DataArray | xarray.Dataset", samples: str | Sequence[str], weights: Any = None
) -> Source:
    """Return the source of an xarray object; dimensions other than `samples` are features."""
    if not hasattr(array, "dims") or not hasattr(array, "isel"):
        raise InputError(
            f"A {type(array).__name__} was given, but an xarray object is expected: for other tables use from_data."
        )
    slabs = Slabs(array, samples)
    given = slabs.over_samples(weights)
    weight = None if given is None else as_weights(given, slabs.rows)
    if slabs.in_dask:
        from dask.delayed import delayed

        from landau_vae.data.dask_arrays import of_slabs

        pieces = list(slabs.pieces())
        blocks = [delayed(stacked)([part.data for part in parts], len(slabs.samples)) for _, _, parts in pieces]
        lengths = [stop - start for start, stop, _ in pieces]
        return of_delayed(of_slabs(blocks, lengths, slabs.dimension, weight, slabs.names))

    def pairs() -> Pairs:
        for start, rows in slabs.blocks():
            yield rows, None if weight is None else weight[start : start + len(rows)]

    return Source(pairs, slabs.names, slabs.dimension, slabs.rows)
