"""NPY and NPZ files → arrays. What a header claims is compared with what the file holds, before memory is taken.

Format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from landau_vae.checks import shown
from landau_vae.data.claims import check_claim, check_room
from landau_vae.display import in_words
from landau_vae.errors import InputError

HEADER = 10_012  # bytes of the longest header that NumPy reads, with what goes before it
SPARSE = {"data", "indices", "indptr", "format", "shape"}  # arrays of a sparse matrix that SciPy saved


def map_npy(path: Path) -> NDArray[Any]:
    """Return the array of an NPY file, mapped into memory."""
    with path.open("rb") as file:
        _check_header(file, path.name, path.stat().st_size)
    return np.load(path, mmap_mode="r", allow_pickle=False)


@dataclass(frozen=True)
class Archive:
    """An NPZ file that is open."""

    path: Path
    file: ZipFile
    members: dict[str, ZipInfo]  #: by the names of their arrays

    def array(self, name: str) -> NDArray[Any]:
        """Return an array, all of it in memory."""
        member = self.members[name]
        check_claim(self.path, member.file_size)
        check_room(self.path, member.file_size)
        with self.file.open(member) as stream:
            _check_header(stream, f"{self.path.name} ({name})", member.file_size)
        with self.file.open(member) as stream:
            return npy.read_array(stream, allow_pickle=False)


@contextmanager
def open_npz(path: Path) -> Iterator[Archive]:
    """Open an NPZ file."""
    with ZipFile(path) as file:
        members = {each.filename.removesuffix(".npy"): each for each in file.infolist()}
        names = file.namelist()
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{path.name} holds two arrays {twice.removesuffix('.npy')!r}: write it again.")
        if set(members) >= SPARSE:
            raise InputError(
                f"{path.name} holds a sparse matrix of SciPy, which is not read from NPZ files: save it in an AnnData "
                "file, or as NPY (matrix.toarray()), or give it in Python (Spectrum.from_data)."
            )
        yield Archive(path, file, members)


def _check_header(file: BinaryIO | Any, name: str, size: int) -> None:
    """Raise an error unless an array's header claims just what follows it, in a file of this size."""
    start = BytesIO(file.read(HEADER))
    version = npy.read_magic(start)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, _, kind = read(start)
    except Exception:  # whatever a parser of Python runs into
        raise ValueError("its header is not one that NumPy writes") from None
    if kind.hasobject:
        raise ValueError("Object arrays are pickled")
    if any(type(length) is not int or not 0 <= length < 2**48 for length in shape) or kind.itemsize == 0:
        raise ValueError(f"its shape {shown(shape)} is not that of an array")
    claimed, held = prod(shape) * kind.itemsize, size - start.tell()
    if claimed != held:
        raise InputError(
            f"{name} claims an array of shape {shown(shape)}, which takes {in_words(claimed)}, but holds "
            f"{in_words(held)}: it is damaged or cut short, or holds several arrays; write it again."
        )
