"""Scans as netCDF-4 files, exact to the bit, readable by any netCDF library, and checked before they are read.

A netCDF-4 file is an HDF5 file, and HDF5 ignores what follows its own end: here a line with the SHA-256 of all bytes
before it. It is compared before HDF5 opens the file, because HDF5 itself misses most flipped bits. Files are written
beside their place and renamed into it, and nothing is ever unpickled.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landau_vae.checks import checked
from landau_vae.data.archive import replace_file
from landau_vae.data.door import to_read
from landau_vae.errors import InputError, reason
from landau_vae.training.schema import validate

if TYPE_CHECKING:
    import xarray

MAGIC = b"landau-vae scan, SHA-256 of all bytes before this line: "
TRAILER = len(MAGIC) + 65  # bytes of the last line
CHUNK = 2**24
MOST_PER_BYTE = 4  # bytes of arrays; dimensions without labels are not stored
DTYPES = "stored_dtypes"  # attribute: the types of texts, which netCDF does not tell apart


@checked
def save_scan(path: str | Path, dataset: Any) -> Path:
    """Save a scan as a netCDF-4 file.

    Parameters
    ----------
    path : str or Path
        Where to. An existing file is replaced once the new one is complete.
    dataset : xarray.Dataset
        As `lv.scan` returned it, or a part of it.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    InputError
        Where the place cannot be written, and for a dataset that is not a scan.

    Examples
    --------
    >>> import tempfile
    >>> from landau_vae import Spectrum, scan
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4, 0.08])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     models.identical(load_scan(save_scan(f"{folder}/scan.nc", models)))
    True
    """
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    validate(dataset, name="dataset", values=False)
    stored = dataset.copy()
    for variable in stored.variables.values():
        variable.encoding = {"_FillValue": None}
    times = [str(name) for name, each in dataset.variables.items() if each.dtype.kind in "mM"]
    if times:
        raise InputError(f"The variable {times[0]} holds times, which a scan file does not: leave it out.", "dataset")
    texts = {str(name): each.dtype.str for name, each in dataset.variables.items() if each.dtype.kind in "US"}
    stored.attrs[DTYPES] = json.dumps(texts, sort_keys=True)

    def save(partial: Path) -> None:
        with _Sink(partial, "w+") as sink:
            try:
                with h5netcdf.File(sink, "w") as file:
                    stored.dump_to_store(H5NetCDFStore(file))
            except Exception as problem:  # whatever HDF5 cannot hold: objects, other names, attributes of other types
                message = f"The dataset cannot be stored as netCDF ({reason(problem)}): leave that out."
                raise sink.problem or InputError(message, "dataset") from None
            if sink.problem is not None:
                raise sink.problem
        with open(partial, "ab") as file:
            file.write(_last_line(partial, partial.stat().st_size))

    return replace_file(Path(path), save)


class _Sink(io.FileIO):
    """A file that keeps a failure to itself: HDF5 ends the whole process, in the end, if it cannot write."""

    problem: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of the data, unless something could not be written before."""
        left = memoryview(data).cast("B")
        try:
            while self.problem is None and len(left):
                left = left[super().write(left) :]
        except OSError as problem:
            self.problem = problem
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Change the length."""
        try:
            return super().truncate(size)
        except OSError as problem:
            self.problem = problem
            return size or 0


@checked
def load_scan(path: str | Path) -> "xarray.Dataset":
    """Load a scan that `save_scan` has saved, exactly as it was.

    Parameters
    ----------
    path : str or Path
        Of the file.

    Returns
    -------
    xarray.Dataset
        The scan, all of it in memory.

    Raises
    ------
    InputError
        For a file that is missing, damaged, or not a scan.

    Examples
    --------
    >>> load_scan("nowhere.nc")
    Traceback (most recent call last):
        ...
    landau_vae.errors.InputError: There is no file nowhere.nc: name a file that save_scan has written.
    """
    import xarray

    path = to_read(path, "name a file that save_scan has written")
    try:
        size = max(0, path.stat().st_size - TRAILER)
        with open(path, "rb") as file:
            file.seek(size)
            last = file.read()
        whole = last == _last_line(path, size)
    except OSError as problem:
        raise InputError(f"{path.name} cannot be read ({reason(problem)}): check its permissions.", "path") from None
    if not last.startswith(MAGIC):
        raise InputError(f"{path.name} cannot be read as a scan: it is not of save_scan, or damaged.", "path")
    if not whole:
        raise InputError(f"{path.name} is damaged, its checksum does not agree: restore it, or train again.", "path")
    try:
        if _claimed(path) > MOST_PER_BYTE * size:
            raise InputError(f"{path.name} claims more numbers than it holds: restore it, or train again.", "path")
        with xarray.open_dataset(path, engine="h5netcdf", mask_and_scale=False, decode_times=False) as stored:
            dataset = _decoded(stored.load())
    except InputError:
        raise
    except Exception as problem:  # whatever HDF5, its readers and labels of other types run into
        found = f"{path.name} cannot be read as a scan ({reason(problem)})"
        raise InputError(f"{found}: it is not of save_scan.", "path") from None
    return validate(dataset, name="path", values=False)


def _claimed(path: Path) -> int:
    """Return the bytes that the arrays of an HDF5 file say they have, which need not be in it."""
    import h5py

    sizes = []
    with h5py.File(path) as file:
        file.visititems(lambda _, each: sizes.append(getattr(each, "nbytes", 0)))
    return sum(sizes)


def _last_line(path: Path, size: int) -> bytes:
    """Return the line that belongs after the first `size` bytes of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for first in range(0, size, CHUNK):
            digest.update(file.read(min(CHUNK, size - first)))
    return MAGIC + digest.hexdigest().encode() + b"\n"


def _decoded(loaded: "xarray.Dataset") -> "xarray.Dataset":
    """Return the dataset with texts of fixed length, and with attributes as Python has them."""
    texts = json.loads(loaded.attrs.pop(DTYPES))
    dataset = loaded.copy()
    for name, variable in loaded.variables.items():
        values = variable.values.astype(texts[str(name)]) if name in texts else variable.values
        dataset[name] = (variable.dims, values, _plain(variable.attrs))
    dataset.attrs = _plain(loaded.attrs)
    return dataset


def _plain(attrs: dict[Any, Any]) -> dict[Any, Any]:
    """Return attributes with numbers as Python has them."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in attrs.items()}
