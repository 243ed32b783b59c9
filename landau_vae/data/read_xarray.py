"""xarray objects → rows × features: the sample dimensions are stacked to rows, all others to features.

Read by slabs of samples that follow the chunks of the store, so that memory does not grow with
the file. Arrays whose chunks are Dask's are left to `dask_arrays`.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.claims import check_hdf, check_zarr
from landau_vae.data.door import first_bytes
from landau_vae.data.tables import as_table, guarded
from landau_vae.errors import InputError

if TYPE_CHECKING:
    import xarray

    Labelled = xarray.DataArray | xarray.Dataset

HDF = b"\x89HDF"
LEAST, MOST = 2**22, 2**24  # numbers of a slab: chunks larger than this are read in parts
FEATURES = 2**24  # whose names are kept


class Slabs:
    """An xarray object as a table that is read slab by slab."""

    def __init__(self, array: "Labelled", samples: str | Sequence[str], origin: str = "The array") -> None:
        self.samples = (samples,) if isinstance(samples, str) else tuple(samples)
        parts: list[Any] = [array] if not hasattr(array, "data_vars") else list(array.data_vars.values())
        for part in parts:
            self._check(part, origin)
        if not parts:
            raise InputError(f"{origin} has no variables: give an array of samples × features.")
        self.parts = [part.transpose(*self.samples, ...) for part in parts]
        self.sizes = [int(self.parts[0].sizes[dim]) for dim in self.samples]
        self.rows = prod(self.sizes)
        if (columns := sum(part.size for part in self.parts) // max(1, self.rows)) > FEATURES:
            raise InputError(
                f"{origin} has {columns} features of each sample, but at most {FEATURES} are read: take fewer."
            )
        self.names = tuple(name for part in self.parts for name in self._labels(part, named=len(parts) > 1))
        self.dimension = len(self.names)
        if self.rows == 0 or self.dimension == 0:
            raise InputError(f"{origin} is empty: it has {self.rows} samples of {self.dimension} features.")
        self.in_dask = any(part.chunks is not None for part in self.parts)

    def blocks(self, first: int = 0) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (index of its first row, rows) of each slab from row `first` on."""
        for start, stop, parts in self.pieces():
            if stop > first:
                rows = stacked([part.values for part in parts], len(self.samples))
                yield max(start, first), rows[max(0, first - start) :]

    def columns(self, keep: list[int], first: int) -> Iterator[NDArray[Any]]:
        """Yield the same rows, of the columns to keep; where they are all, nothing is copied."""
        where = slice(None) if len(keep) == self.dimension else keep
        return (rows[:, where] for _, rows in self.blocks(first))

    def pieces(self) -> Iterator[tuple[int, int, list[Any]]]:
        """Yield (first row, last row + 1, pieces of the parts) of each slab, none of it read."""
        split, inner = len(self.samples) - 1, self.dimension  # the dimension that is cut; numbers of one index of it
        while split > 0 and inner * self.sizes[split] <= LEAST:
            inner *= self.sizes[split]
            split -= 1
        step, start = self._step(self.samples[split], inner), 0
        for outer in np.ndindex(*self.sizes[:split]):
            for low in range(0, self.sizes[split], step):
                high = min(low + step, self.sizes[split])
                where = {dim: slice(i, i + 1) for dim, i in zip(self.samples, outer, strict=False)}
                where[self.samples[split]] = slice(low, high)
                stop = start + (high - low) * inner // self.dimension
                yield start, stop, [part.isel(where) for part in self.parts]
                start = stop

    def over_samples(self, weights: Any) -> Any:
        """Return weights of all samples, (n,), given as such or along some of the sample dimensions."""
        if not hasattr(weights, "dims"):
            return weights
        if hasattr(weights, "data_vars"):
            raise InputError("weights is a Dataset, but one array is expected: name its variable.", "weights")
        strange = [str(dim) for dim in weights.dims if dim not in self.samples]
        if strange:
            raise InputError(
                f"The weights run along {', '.join(strange)}, but samples along {', '.join(self.samples)}: weigh those."
            )
        missing = {dim: size for dim, size in zip(self.samples, self.sizes, strict=True) if dim not in weights.dims}
        return weights.expand_dims(missing).transpose(*self.samples).values.ravel()

    def _step(self, dim: str, inner: int) -> int:
        """Return how many indices of the cut dimension to read at a time: whole chunks unless too large."""
        sizes = [(part.chunksizes or part.encoding.get("preferred_chunks") or {}).get(dim, 1) for part in self.parts]
        chunk = max(int(np.max(size)) for size in sizes)
        step = -(-max(1, LEAST // inner) // chunk) * chunk
        return step if step * inner <= MOST else max(1, MOST // inner)

    def _check(self, part: Any, origin: str) -> None:
        for dim in self.samples:
            if dim not in part.dims:
                name = f" {part.name!r}" if part.name is not None else ""
                raise InputError(
                    f"{origin} has no dimension {dim!r}{' in its variable' + name if name else ''}, only "
                    f"{', '.join(map(str, part.dims)) or 'none at all'}: say which count the samples (samples=…)."
                )
        if not self.samples or len(set(self.samples)) < len(self.samples):
            raise InputError(f"The sample dimensions are {self.samples}: name one, or several different ones.")
        if part.dtype.kind not in "fiub":
            raise InputError(
                f"The variable {part.name!r} is of type {part.dtype}, but real numbers are expected: leave it out."
            )

    def _labels(self, part: Any, *, named: bool) -> list[str]:
        """Return names of a variable's features: its own if there are several, and coordinates of other dimensions."""
        dims = part.dims[len(self.samples) :]
        stem = [str(part.name)] if named or not dims else []
        ticks = [[str(tick) for tick in part[dim].values] for dim in dims]
        shape = tuple(map(len, ticks))
        return [
            " ".join([*stem, *(tick[i] for tick, i in zip(ticks, index, strict=True))]) for index in np.ndindex(*shape)
        ]


def stacked(parts: Sequence[NDArray[Any]], samples: int) -> NDArray[Any]:
    """Return variables with `samples` leading sample dimensions as one table."""
    flat = [part.reshape(prod(part.shape[:samples]), -1) for part in parts]
    return as_table(flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1))[0]


def open_labelled(path: Path, kind: str, variable: str | None, samples: str | Sequence[str] | None) -> Slabs:
    """Open a Zarr store or netCDF file; samples run along `samples`, or along the first dimension of the variable."""
    import xarray

    _check_library(path, kind)
    engine: Any = "zarr" if kind == "Zarr" else None
    guarded(path, lambda: _check_claims(path, kind))
    dataset = guarded(path, lambda: xarray.open_dataset(path, engine=engine, chunks=None, cache=False))
    names = [str(name) for name, part in dataset.data_vars.items() if part.dims]
    if variable is None and len(names) != 1:
        raise InputError(
            f"{path.name} holds {len(names)} variables ({', '.join(names[:12])}), but one array is expected: name it "
            "(array=…; on the command line --array NAME)."
        )
    if variable is not None and variable not in names:
        raise InputError(f"{path.name} has no variable {variable!r}, only {', '.join(names[:12])}: name one of those.")
    array = dataset[variable or names[0]]
    return Slabs(array, str(array.dims[0]) if samples is None else samples, path.name)


def _check_claims(path: Path, kind: str) -> None:
    """Raise `InputError` where a store claims more than it holds; SciPy compares this itself in the old formats."""
    if kind == "Zarr":
        check_zarr(path)
    elif first_bytes(path, 4) == HDF:
        check_hdf(path)


def _check_library(path: Path, kind: str) -> None:
    """Raise `InputError` if the library of Zarr stores is missing, which is optional; netCDF is always read."""
    if kind == "Zarr" and find_spec("zarr") is None:
        raise InputError(
            f"{path.name} is a Zarr store, but the library zarr is not installed: pip install 'landau-vae[zarr]'."
        )
