"""What files claim to hold, against what they can hold, before memory is taken for it.

A header of a few bytes can claim petabytes, and a small archive can unpack to more than there
is memory for. What is read as a whole must not be packed more than `RATIO` times, and what is
read by blocks no more than `STREAMED` times, which bounds the time that it takes.
"""

import os
import stat
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any

from landau_vae.data.tables import SMALLER
from landau_vae.display import in_words
from landau_vae.errors import InputError

RATIO = 800  # of unpacked to packed; by zlib, zeros alone have 1028, counts of which 2 % are not zero 116, .1 % 692
STREAMED = 2**16  # the same for what is read by blocks; of Zarr without its empty chunks 7 000, of Parquet 2 000
SMALL = 2**28  # bytes that any file may unpack to


def check_claim(path: Path, claimed: int, packed: int | None = None, *, streamed: bool = False) -> None:
    """Raise `InputError` where a file, of which `packed` bytes are on the disk, cannot hold so many bytes."""
    packed = path.stat().st_size if packed is None else packed
    if claimed > max(SMALL, (STREAMED if streamed else RATIO) * packed):
        raise InputError(
            f"{path.name} would unpack to {in_words(claimed)}, but takes {in_words(packed)} on the disk, which is too "
            "little for a table of numbers: it is damaged, or nearly all of it is empty; write it again as NPY or CSV."
        )


def check_room(path: Path, claimed: int) -> None:
    """Raise `InputError` where what is read at once does not fit into memory."""
    import psutil

    room = psutil.virtual_memory().available
    if claimed > room:
        raise InputError(
            f"{path.name} takes {in_words(claimed)} when it is read, but {in_words(room)} of memory are free: "
            f"{SMALLER}."
        )


def check_hdf(path: Path) -> None:
    """Raise `InputError` where an HDF5 file claims more than it holds, or refers to other files."""
    import h5py

    def check(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            return
        if item.external or item.is_virtual:
            raise InputError(f"{path.name} has {name!r} in another file: write a file that holds its data itself.")
        _check_array(path, item, path.stat().st_size)

    with h5py.File(path) as file:
        file.visititems(check)


def check_zarr(path: Path) -> None:
    """Raise `InputError` where a Zarr store claims more than it holds, or holds what must not be opened."""
    import zarr

    packed = sum(_sizes(path))
    group = zarr.open(path, mode="r")
    if isinstance(group, zarr.Array):
        raise InputError(
            f"{path.name} is one array whose dimensions have no names: write it with xarray (DataArray.to_zarr), or as "
            "NPY (np.save)."
        )
    for name, array in group.arrays():
        codecs = (*array.filters, *array.compressors)
        if any("pickle" in f"{type(codec).__name__} {codec}".lower() for codec in codecs):
            raise InputError(
                f"{path.name} holds pickled Python objects ({name}), which are never loaded because loading runs code: "
                "save plain numbers."
            )
        _check_array(path, array, packed)


def _check_array(path: Path, array: Any, packed: int) -> None:
    """Raise `InputError` for an array of h5py or Zarr that claims too much, or is in chunks larger than itself."""
    whole, chunk = (size * array.dtype.itemsize for size in (array.size, prod(array.chunks or ())))
    check_claim(path, whole, packed, streamed=True)
    check_claim(path, chunk, packed)
    if chunk > max(SMALL, whole):
        raise InputError(
            f"{path.name} holds {in_words(whole)} in chunks of {in_words(chunk)}, each unpacked as a whole: "
            "write it again in smaller chunks."
        )


def _sizes(folder: Path) -> Iterable[int]:
    """Yield the sizes of all files below a folder; raise `InputError` for what is no file."""
    for place, _, names in os.walk(folder):
        for name in names:
            state = os.stat(os.path.join(place, name))
            if not stat.S_ISREG(state.st_mode):
                raise InputError(f"{folder.name} holds {name}, which is not a file: write the store again.")
            yield state.st_size
