"""Scans as netCDF files, exact to the bit and readable by any netCDF library, and files that are never half written.

The format is 64-bit-offset netCDF 3, which needs no library but SciPy. It has no booleans and no 64-bit integers: these
are stored as smaller integers (or as decimal digits, where they do not fit), and an attribute tells what they were.
A checksum in the file tells a damaged one.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.archive import replace_file
from landau_vae.errors import InputError
from landau_vae.training.memory import in_words

if TYPE_CHECKING:
    import xarray

__all__ = ["load_scan", "replace_file", "save_scan"]

LARGEST = 2**31 - 4  # bytes of a variable: SciPy writes sizes as signed 32-bit numbers, in multiples of four
DTYPES, CHECKSUM = "stored_dtypes", "checksum"


def save_scan(path: str | Path, dataset: "xarray.Dataset") -> Path:
    """Save a scan as netCDF; the file is written beside its place and renamed into it.

    Raises `InputError` where the place cannot be written, and for a variable of 2 GiB or more.

    >>> import tempfile
    >>> from landau_vae import Spectrum, scan
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4, 0.08])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     models.identical(load_scan(save_scan(f"{folder}/scan.nc", models)))
    True
    """
    path = Path(path)
    for name, variable in dataset.variables.items():
        if variable.nbytes > LARGEST:
            raise InputError(
                f"The variable {name} takes {in_words(variable.nbytes)}, but a netCDF file holds {in_words(LARGEST)} "
                "of each: save the scan in parts, such as models.isel(seed=[0]), or leave the weights out."
            )
    stored = _encoded(dataset)
    return replace_file(path, lambda partial: stored.to_netcdf(partial, engine="scipy", format="NETCDF3_64BIT"))


def load_scan(path: str | Path) -> "xarray.Dataset":
    """Load a scan that `save_scan` has saved, all of it, exactly as it was.

    Raises `InputError` for a file that is missing, damaged, or no scan.

    >>> load_scan("nowhere.nc")
    Traceback (most recent call last):
        ...
    landau_vae.errors.InputError: There is no file nowhere.nc: name a file that save_scan has written.
    """
    import xarray

    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file {path}: name a file that save_scan has written.")
    try:
        with open(path, "rb") as file, xarray.open_dataset(file, engine="scipy") as stored:
            stored.load()
        decoded, whole = _decoded(stored), stored.attrs[CHECKSUM] == _checksum(stored)
    except Exception as problem:  # whatever a parser runs into in a file that is none of its own
        reason = str(problem).splitlines()[0].rstrip(".") if str(problem) else type(problem).__name__
        raise InputError(
            f"{path.name} cannot be read as a scan ({reason}): it is damaged, or save_scan has not written it."
        ) from None
    if not whole:
        raise InputError(f"{path.name} is damaged, its checksum does not agree: restore it, or train again.")
    return decoded


def _encoded(dataset: "xarray.Dataset") -> "xarray.Dataset":
    """In types that netCDF 3 has, with what they were and a checksum among the attributes."""
    dtypes = {str(name): str(variable.dtype) for name, variable in dataset.variables.items()}
    stored = dataset.copy()
    for name, variable in dataset.variables.items():
        stored[name] = (variable.dims, _storable(variable.values), variable.attrs)
    for name, value in dataset.attrs.items():
        if isinstance(value, int) and abs(value) >= 2**31:
            stored.attrs[name] = float(value)
    stored.attrs[DTYPES] = json.dumps(dtypes, sort_keys=True)
    stored.attrs[CHECKSUM] = _checksum(stored)
    return stored


def _storable(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "b":
        return values.astype(np.int8)
    if values.dtype.kind in "iu" and values.dtype not in (np.int8, np.int16, np.int32):
        small = values.astype(np.int32)
        return small if np.array_equal(small, values) else values.astype(str)
    return values


def _decoded(stored: "xarray.Dataset") -> "xarray.Dataset":
    dataset = stored.copy()
    dtypes = json.loads(stored.attrs[DTYPES])
    for name, variable in stored.variables.items():
        values = variable.values.astype(dtypes[str(name)], copy=False)
        dataset[name] = (variable.dims, values, _plain(variable.attrs))
    dataset.attrs = {name: value for name, value in _plain(stored.attrs).items() if name not in (DTYPES, CHECKSUM)}
    return dataset


def _plain(attrs: dict[Any, Any]) -> dict[Any, Any]:
    """With numbers as Python has them."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in attrs.items()}


def _checksum(stored: "xarray.Dataset") -> str:
    """Of all values and attributes but the checksum itself."""
    digest = hashlib.sha256()
    owners = {"": stored.attrs} | {str(name): variable.attrs for name, variable in stored.variables.items()}
    for owner, attrs in sorted(owners.items()):
        plain = {str(k): np.asarray(v).tolist() for k, v in attrs.items() if k != CHECKSUM}
        digest.update(json.dumps([owner, plain], sort_keys=True).encode())
    for name, variable in sorted(stored.variables.items(), key=lambda item: str(item[0])):
        values = variable.values
        digest.update(json.dumps([str(name), variable.dims, variable.shape]).encode())
        if values.dtype.kind in "OUST":
            digest.update(json.dumps(values.tolist()).encode())
        else:
            little = values.astype(values.dtype.newbyteorder("<"), copy=False)
            digest.update(np.ascontiguousarray(little).data)
    return digest.hexdigest()
