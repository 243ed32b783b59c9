"""AnnData files (.h5ad) → cells × genes, by blocks of cells; h5py reads them, the AnnData library is not needed.

X, or a layer, is a dense array or a compressed sparse matrix (data, indices, indptr). Names of
genes are the index of var; a column of obs belongs to the cells.
Format: anndata.readthedocs.io/en/stable/fileformat-prose.html
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.claims import check_claim, check_hdf
from landau_vae.data.door import to_read
from landau_vae.data.tables import guarded, rows_at_a_time
from landau_vae.display import Array
from landau_vae.errors import InputError


def open_h5ad(path: Path, layer: str | None = None) -> tuple[tuple[str, ...], Any, int]:
    """Return the names of the genes, a function that yields cells, and how many there are."""
    place = "X" if layer in (None, "X") else f"layers/{layer}"
    guarded(path, lambda: check_hdf(path))
    (n, d), names = guarded(path, lambda: _look(path, place))

    def rows(keep: list[int], first: int) -> Iterator[NDArray[Any]]:
        import h5py

        where = slice(None) if len(keep) == d else keep
        with h5py.File(path) as file:
            cells = _cells(file[place])
            for start in range(first, n, step := rows_at_a_time(d)):
                yield cells(start, min(start + step, n))[:, where]

    return names, rows, n


def read_obs_labels(path: Path, column: str) -> NDArray[Any]:
    """Return a column of the cells, numbers or words, (n,)."""
    return guarded(to_read(path), lambda: _obs(path, column))


def read_obs(path: Path, column: str) -> Array:
    """Return a column of numbers of the cells, (n,)."""
    values = read_obs_labels(path, column)
    if values.dtype.kind not in "fiub":
        raise InputError(f"The column {column!r} of obs holds values that are not numbers: name another.", "sizes")
    return np.asarray(values, dtype=np.float64)


def _obs(path: Path, column: str) -> NDArray[Any]:
    import h5py

    with h5py.File(path) as file:
        names = _columns(file["obs"])
        if column not in names:
            there = f"its columns are {', '.join(names[:12])}" if names else "it has none"
            raise InputError(f"{path.name} has no column {column!r} in obs: {there}.", "sizes")
        return _values(file["obs"][column])


def _look(path: Path, place: str) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Return the shape of a matrix and the names of its columns."""
    import h5py

    with h5py.File(path) as file:
        if place not in file or "var" not in file:
            layers = ", ".join(["X", *file.get("layers", ())])
            raise InputError(
                f"{path.name} has no {place.removeprefix('layers/')!r}: its matrices are {layers}.", "array"
            )
        shape, var = _shape(file[place]), file["var"]
        index = var.attrs.get("_index", "index") if hasattr(var, "keys") else var.dtype.names[0]
        names = _values(var[index])
    if len(shape) != 2 or min(shape) == 0:
        raise InputError(f"{path.name} holds an array of shape {shape}, but cells × genes are expected.", "array")
    if len(names) != shape[1]:
        raise ValueError(f"it has {shape[1]} columns, but {len(names)} genes in var")
    check_claim(path, 8 * sum(shape))  # of a sparse matrix; what a dense one claims has been compared
    return (shape[0], shape[1]), tuple(each.decode() if isinstance(each, bytes) else str(each) for each in names)


def _shape(matrix: Any) -> tuple[int, ...]:
    if hasattr(matrix, "shape"):
        return tuple(matrix.shape)
    return tuple(map(int, matrix.attrs["shape" if "shape" in matrix.attrs else "h5sparse_shape"]))


def _columns(frame: Any) -> list[str]:
    """Return the names of the columns of a stored table, those of old files too."""
    names = frame.keys() if hasattr(frame, "keys") else frame.dtype.names
    return [name for name in names if not name.startswith("_")]


def _values(stored: Any) -> NDArray[Any]:
    """Return a stored column: plain, of categories, or one that knows missing values."""
    if not hasattr(stored, "keys"):
        return np.asarray(stored[:])
    if "codes" in stored:
        return np.asarray(stored["categories"][:])[stored["codes"][:]]
    values = np.asarray(stored["values"][:])
    return np.where(stored["mask"][:], np.nan, values) if values.dtype.kind in "fiub" else values


def _cells(matrix: Any) -> Any:
    """Return the function of two ends that gives the cells between them."""
    if hasattr(matrix, "shape"):
        return lambda start, stop: np.asarray(matrix[start:stop])
    from scipy.sparse import csc_array, csr_array

    shape, ends = _shape(matrix), np.asarray(matrix["indptr"][:])
    if ends.ndim != 1 or ends[0] != 0 or np.any(np.diff(ends) < 0) or ends[-1] > len(matrix["indices"]):
        raise ValueError("its indptr is not that of a sparse matrix")
    if len(ends) != shape[0] + 1 or "csc" in str(matrix.attrs.get("encoding-type", "csr")):  # by genes: all at once
        whole = _sound(csc_array((matrix["data"][:], matrix["indices"][:], ends), shape=shape)).tocsr()
        return lambda start, stop: whole[start:stop].toarray()

    def cells(start: int, stop: int) -> NDArray[Any]:
        part = slice(ends[start], ends[stop])
        content = matrix["data"][part], matrix["indices"][part], ends[start : stop + 1] - ends[start]
        return np.asarray(_sound(csr_array(content, shape=(stop - start, shape[1]))).toarray())

    return cells


def _sound(matrix: Any) -> Any:
    """Return a sparse matrix; raise `ValueError` where an index is outside, at which SciPy would write all the same."""
    matrix.check_format(full_check=True)
    return matrix
