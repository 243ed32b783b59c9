"""Named arrays in an NPZ file that is never half written and never unpickled: a JSON header with a checksum among them.

A file is written beside its place, flushed to the disk and renamed into it; what is read back
is whole, or `Damaged`. Partial results (a `Collected`: counts, means and scatter, or rows where
they are fewer than columns) are such files, exact to the bit; `landau_vae.spectrum.Partial` is
their public face.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import is_real, shown
from landau_vae.data.accumulate import Collected
from landau_vae.data.door import brief, is_file, to_read, to_write
from landau_vae.data.moments import STATE, Moments
from landau_vae.data.numpy_files import open_npz
from landau_vae.data.tables import is_covariance
from landau_vae.errors import InputError, reason

CHECKSUM = "checksum"
LETTERS = 40  # of a name in that of the file beside it: file systems take 255 bytes


class Damaged(Exception):
    """A file is damaged; the message says how, in a few words."""


@contextmanager
def held(path: Path, lock: str) -> Iterator[None]:
    """Make a folder if need be and hold it against other processes, by a file of this name in it."""
    from filelock import FileLock, Timeout

    holder = FileLock(path / lock)
    try:
        path.mkdir(parents=True, exist_ok=True)
        holder.acquire(timeout=0)
    except Timeout:
        raise InputError(f"Another process is at work in the folder {path}: wait, or name another.", "folder") from None
    except NotImplementedError:
        pass  # a file system without locks
    except (OSError, ValueError) as problem:  # ValueError: a null character
        found = f"The folder {brief(path)} cannot be used ({reason(problem)})"
        raise InputError(f"{found}: name another.", "folder") from None
    try:
        for leftover in path.glob(".*.part"):  # of processes that ended: this one alone holds the folder
            if leftover.is_file():
                leftover.unlink(missing_ok=True)
        yield
    finally:
        holder.release()


def refuse(sentence: str) -> None:
    """Raise `InputError`."""
    raise InputError(sentence)


def save_arrays(
    path: Path,
    header: str,
    content: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    fail: Callable[[str], object] = refuse,
) -> Path:
    """Write arrays and, as the array named `header`, JSON: `content` with a checksum of it all."""
    labelled = dict(content) | {CHECKSUM: _checksum(content, arrays)}

    def save(partial: Path) -> None:
        with zipfile.ZipFile(partial, "w") as archive:  # as np.savez, but for the time of day
            for name, values in {header: np.array(json.dumps(labelled)), **arrays}.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asanyarray(values), allow_pickle=False)

    return replace_file(path, save, fail)


def has_header(path: Path, header: str) -> bool:
    """Return whether `path` is an archive with that header."""
    if not is_file(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{header}.npy" in archive.namelist()
    except Exception:  # whatever a parser runs into in a file of another kind
        return False


def load_arrays(path: Path, header: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return content and arrays of a file that `save_arrays` has written; raise `Damaged` for any other."""
    try:
        with open_npz(to_read(path)) as stored:
            arrays = {name: stored.array(name) for name in stored.members if name != header}
            content = json.loads(stored.array(header).item())
        whole = content.pop(CHECKSUM) == _checksum(content, arrays)
    except Exception as problem:  # whatever a parser runs into in a file of another kind
        raise Damaged(reason(problem)) from None
    if not whole:
        raise Damaged("its checksum does not agree")
    return content, arrays


def replace_file(path: Path, save: Callable[[Path], object], fail: Callable[[str], object] = refuse) -> Path:
    """Let `save` write a file beside `path`, and rename it into place once it is on the disk.

    A link stays one: the file that it leads to is replaced. What a process that was killed has left
    beside it is removed. `fail` gets a sentence where there is no room, or no permission.
    """
    if not path.name:
        raise InputError(f"path is {str(path)!r}, but the name of a file is expected.", "path")
    target, failure = to_write(path), ""
    try:
        for leftover in target.parent.glob(f".{escape(target.name[:LETTERS])}.*.part"):
            if not _at_work(leftover):
                leftover.unlink(missing_ok=True)
        own = f"{get_ident()}.{os.getpid()}"  # threads and processes may write files of names that begin alike
        partial = target.with_name(f".{target.name[:LETTERS]}.{own}.part")  # at most 255 bytes
        try:
            save(partial)
            _flush(partial, os.O_RDWR)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _flush(target.parent, os.O_RDONLY)
    except OSError as problem:
        failure = reason(problem)
    if failure:
        fail(f"{brief(path)} cannot be written ({failure}): make room, or name another place.")
    return path


def _at_work(partial: Path) -> bool:
    """Return whether the process that has named this file, in its last part but one, is still there."""
    import psutil

    number = partial.name.split(".")[-2]
    return number.isdecimal() and psutil.pid_exists(int(number))


def _flush(path: Path, how: int) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    opened = os.open(path, how)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _checksum(content: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(json.dumps(dict(content), sort_keys=True).encode())
    for name, values in sorted(arrays.items()):
        digest.update(json.dumps([name, values.dtype.str, values.shape]).encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


# ------------------------------------------------------------------------------------ partial results


HEADER, VERSION = "landau_vae_partial", 1
ADVICE = "gather it again (landau-vae gather; Partial.save)"


def is_partial(path: str | Path) -> bool:
    """Return whether a file says that it is a partial result."""
    return has_header(Path(path), HEADER)


def check_name(path: Path) -> None:
    """Raise `InputError` unless a partial result may be called so."""
    if path.suffix != ".npz":
        raise InputError(f"A partial result is an NPZ file, but {path.name} was named: end it in .npz.", "path")


def save_partial(path: str | Path, part: Collected, position: dict[str, Any] | None = None) -> Path:
    """Write a partial result; `position` says how far an interrupted reader has come."""
    path = Path(path)
    content: dict[str, Any] = {"version": VERSION, "count": part.count, "precision": part.precision}
    content |= {"names": part.names, "position": position}
    arrays: dict[str, NDArray[Any]] = {}
    if part.moments is not None:
        state = part.moments.__getstate__()
        content["weight"] = state["weight"]
        arrays = {name: state[name] for name in ("mean", "scatter", "shift") if state[name] is not None}
    elif part.held:
        rows, weights = part.stacked()
        arrays = {"rows": rows} if weights is None else {"rows": rows, "weights": weights}
    return save_arrays(path, HEADER, content, arrays)


def load_partial(path: str | Path) -> tuple[Collected, dict[str, Any] | None]:
    """Return a partial result and its `position`; `InputError` for a file that is damaged, or of another kind."""
    path = to_read(path, "name a file that gather or Partial.save wrote")
    if not is_partial(path):
        raise InputError(
            f"{path.name} is not a partial result, or is cut short: name a file that gather or Partial.save wrote.",
            "path",
        )
    try:
        content, arrays = load_arrays(path, HEADER)
    except Damaged as problem:
        raise InputError(f"{path.name} is damaged ({problem}): {ADVICE}.", "path") from None
    if content.get("version") != VERSION:
        raise InputError(
            f"{path.name} has the format {content.get('version')}, but this version of landau-vae reads format "
            f"{VERSION}: update landau-vae, or {ADVICE}."
        )
    try:
        return _restored(content, arrays), content.get("position")
    except Damaged as problem:
        raise InputError(
            f"{path.name} is not a partial result that gather wrote ({problem}): {ADVICE}.", "path"
        ) from None


def _restored(content: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Collected:
    """Return what `save_partial` was given; `Damaged` for what no rows have, although it is whole."""
    main = arrays.get("scatter", arrays.get("rows", np.empty((0, 0))))
    count: Any = content.get("count")
    names: Any = content.get("names")
    precision: Any = content.get("precision")
    d = main.shape[-1] if main.ndim == 2 else -1
    listed = isinstance(names, list) and all(isinstance(name, str) for name in names)
    _must(names is None or (listed and len(names) in (d, d or len(names))), "its names are not those of its columns")
    _must(is_real(precision) and 0 <= precision < 1, "its precision is not that of a floating-point number")
    part = Collected(None if names is None else tuple(names))
    part.precision = float(precision)
    if "scatter" in arrays:
        state = {name: (content | arrays).get(name) for name in STATE}
        _check_moments(state, d)
        part.moments = Moments(d)
        part.moments.__setstate__(state)
        part.count, part.dimension = count, d
        return part
    _must(type(count) is int and count == len(main), f"it counts {shown(count)} rows, and holds {len(main)}")
    if count:
        weights = arrays.get("weights")
        _must(d > 0 and main.dtype.kind in "fiub" and np.isfinite(main).all(), "its rows are not a table of numbers")
        _must(weights is None or _is_real_array(weights, count, least=0), "its weights are not those of its rows")
        part.add(main, weights, copy=False)
    return part


def _check_moments(state: dict[str, Any], d: int) -> None:
    """Raise `Damaged` unless these are count, weight, mean, scatter and shift of rows of d columns."""
    count, weight, scatter, shift = (state[name] for name in ("count", "weight", "scatter", "shift"))
    _must(type(count) is int and count >= max(d, 1), f"it counts {shown(count)} rows, but has moments of {d} columns")
    _must(is_real(weight) and weight >= 0, f"the weight of its rows is {shown(weight)}")
    _must(_is_real_array(state["mean"], d), f"its mean is not that of {d} columns")
    _must(shift is None or _is_real_array(shift, d), f"its shift is not that of {d} columns")
    _must(_is_real_array(scatter, d, d) and is_covariance(scatter), "its scatter is not that of real rows")


def _is_real_array(array: Any, *shape: int, least: float = -np.inf) -> bool:
    """Return whether this is an array of finite float64 of that shape."""
    fits = isinstance(array, np.ndarray) and array.dtype == np.float64 and array.shape == shape
    return fits and bool(np.all(np.isfinite(array) & (array >= least)))


def _must(holds: Any, problem: str) -> None:
    if not holds:
        raise Damaged(problem)
