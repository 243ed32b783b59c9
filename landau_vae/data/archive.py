"""Named arrays in an NPZ file that is never half written and never unpickled: a JSON header with a checksum among them.

A file is written beside its place, flushed to the disk and renamed into it; what is read back is whole, or `Damaged`.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.errors import InputError

__all__ = ["Damaged", "has_header", "load_arrays", "replace_file", "save_arrays"]

CHECKSUM = "checksum"


class Damaged(Exception):
    """What is wrong with a file, in a few words."""


def save_arrays(path: Path, header: str, content: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write arrays and, as the array named `header`, JSON: `content` with a checksum of it all."""
    told = dict(content) | {CHECKSUM: _checksum(content, arrays)}

    def save(partial: Path) -> None:
        with zipfile.ZipFile(partial, "w") as archive:  # as np.savez, but for the time of day
            for name, values in {header: np.array(json.dumps(told)), **arrays}.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asanyarray(values), allow_pickle=False)

    return replace_file(path, save)


def has_header(path: Path, header: str) -> bool:
    """Whether `path` is an archive with that header."""
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{header}.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def load_arrays(path: Path, header: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Content and arrays of a file that `save_arrays` has written; raises `Damaged` for any other."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if name != header}
            content = json.loads(stored[header].item())
        whole = content.pop(CHECKSUM) == _checksum(content, arrays)
    except Exception as problem:  # whatever a parser runs into in a file that is none of its own
        reason = str(problem).splitlines()[0].rstrip(". ") if str(problem) else type(problem).__name__
        raise Damaged(reason) from None
    if not whole:
        raise Damaged("its checksum does not agree")
    return content, arrays


def replace_file(path: Path, save: Callable[[Path], object]) -> Path:
    """Let `save` write a file beside `path`, and rename it into place once it is on the disk."""
    if not path.name:
        raise InputError(f"path is {str(path)!r}, but the name of a file is expected.", "path")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        save(partial)
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            folder = os.open(path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
    except OSError as problem:
        reason = problem.strerror or str(problem).splitlines()[0]
        raise InputError(f"{path} cannot be written ({reason}): name another place.") from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def _checksum(content: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(json.dumps(dict(content), sort_keys=True).encode())
    for name, values in sorted(arrays.items()):
        digest.update(json.dumps([name, values.dtype.str, values.shape]).encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
