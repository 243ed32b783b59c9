"""An array, a stream, a file, an xarray object or a Dask collection → a `Source` of its rows."""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from landau_vae.data.read_file import read
from landau_vae.data.read_xarray import Slabs, stacked
from landau_vae.data.source import Source
from landau_vae.data.streams import Pairs, array_pairs, chunk_pairs
from landau_vae.data.tables import as_names, as_table, as_weights
from landau_vae.errors import InputError

if TYPE_CHECKING:
    import xarray

__all__ = ["of_chunks", "of_data", "of_file", "of_labelled"]


def of_data(data: Any, weights: ArrayLike | None = None, names: Sequence[str] | None = None) -> Source:
    """A table in memory or mapped into it, or a Dask array or DataFrame."""
    if hasattr(data, "dims") and hasattr(data, "isel"):
        raise InputError(
            "Which dimension of an xarray object counts the samples has to be said: "
            f"Spectrum.from_xarray(array, samples={str(next(iter(data.dims), 'time'))!r})."
        )
    if hasattr(data, "__dask_graph__"):
        from landau_vae.data.dask_arrays import of_dask

        return of_dask(data, weights, names)
    array, own_names = as_table(data)
    labels = as_names(names, array.shape[1]) or own_names
    weight = None if weights is None else as_weights(weights, len(array))
    return Source(lambda: array_pairs(array, weight), labels, array.shape[1], array.shape[0], True, (array, weight))


def of_chunks(
    chunks: Iterable[Any], weights: Iterable[ArrayLike] | None = None, names: Sequence[str] | None = None
) -> Source:
    """An iterable of tables; a list of them, or whatever else can be iterated twice, can be gone through again."""
    first = iter(chunks)
    again = first is not chunks and (weights is None or iter(weights) is not weights)
    head = next(first, ())
    labels = as_names(getattr(head, "columns", None) if names is None else names)
    if not again:
        pairs = chunk_pairs(chain([head], first), weights)
        return Source(lambda: pairs, labels, again=False)
    shape: tuple[int, ...] = getattr(head, "shape", ())
    return Source(lambda: chunk_pairs(chunks, weights), labels, shape[1] if len(shape) == 2 else None)


def of_file(path: str | Path, **how: Any) -> Source:
    """A data file; `how` are the options of `files.read`."""
    table = read(path, **how)
    if table.array is not None:
        return of_data(table.array)
    opened = [table.blocks]
    return Source(
        lambda: opened.pop() if opened else read(path, **how).blocks,
        table.names,
        len(table.names or ()) or None,
        table.rows,
    )


def of_labelled(
    array: "xarray.DataArray | xarray.Dataset", samples: str | Sequence[str], weights: Any = None
) -> Source:
    """An xarray object, with `samples` its sample dimension or dimensions; all others are features."""
    if not hasattr(array, "dims") or not hasattr(array, "isel"):
        raise InputError(
            f"A {type(array).__name__} was given, but an xarray DataArray or Dataset is expected: for other tables use "
            "from_data."
        )
    slabs = Slabs(array, samples)
    given = slabs.over_samples(weights)
    weight = None if given is None else as_weights(given, slabs.rows)
    if slabs.in_dask:
        from dask.delayed import delayed

        from landau_vae.data.dask_arrays import of_slabs

        pieces = list(slabs.pieces())
        blocks = [delayed(stacked)([part.data for part in parts], len(slabs.samples)) for _, _, parts in pieces]
        return of_slabs(blocks, [stop - start for start, stop, _ in pieces], slabs.dimension, weight, slabs.names)

    def pairs() -> Pairs:
        for start, rows in slabs.blocks():
            yield rows, None if weight is None else weight[start : start + len(rows)]

    return Source(pairs, slabs.names, slabs.dimension, slabs.rows)
