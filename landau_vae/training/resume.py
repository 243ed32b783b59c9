"""The folder of a scan: each finished task is a file in it, so that an interrupted scan goes on where it was.

`scan.json` says which scan it is (a fingerprint of data, temperatures and settings), `task-….npz` hold what was
trained; both are written beside and renamed into place. A task's file counts only if it is whole and of this very scan.
Seeds are no part of the fingerprint: more of them can be trained later into the same folder. One process at a time.
"""

import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from landau_vae.data.tables import row_blocks
from landau_vae.display import jsonable
from landau_vae.errors import InputError
from landau_vae.training.netcdf import replace_file
from landau_vae.training.tasks import Task, Work
from landau_vae.training.trainer import Named, TrainingSet

__all__ = ["Folder", "fingerprint", "opened"]

FORMAT = 1  # of what trainers give back: with another one, finished tasks are of no use
IDENTITY, DIMENSIONS = "identity", "dimensions"  # among a file's arrays

WORDS = {
    "format": "a results format of another version of landau_vae",
    "latents": "another number of latents",
    "keep_weights": "another keep_weights",
    "temperatures": "other temperatures",
    "data": "other data (or other standardisation, weights or splits)",
}


def fingerprint(work: Work) -> dict[str, Any]:
    """What tells one scan from another, as JSON has it."""
    return {
        "format": FORMAT,
        "trainer": jsonable(work.trainer.to_dict()),
        "latents": work.latents,
        "keep_weights": work.keep_weights,
        "temperatures": work.temperature.tolist(),
        "data": _digest(work.data),
    }


class Folder:
    """Finished tasks of one scan, on the disk."""

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity

    def read(self, task: Task) -> Named | None:
        """What came of a task; None where it is not finished or its file is damaged."""
        try:
            with open(self._file(task), "rb") as file, np.load(file, allow_pickle=False) as stored:
                if stored.zip.testzip() is not None or stored[IDENTITY].item() != self.identity:
                    return None
                dimensions = json.loads(stored[DIMENSIONS].item())
                named = {name: (tuple(dims), stored[name]) for name, dims in dimensions.items()}
        except Exception:  # whatever a damaged file leads to, the task has to be done again
            return None
        return named if all(len(values) == len(task.places) for _, values in named.values()) else None

    def write(self, task: Task, named: Named) -> None:
        """Keep what came of a task."""
        arrays: dict[str, Any] = {name: values for name, (_, values) in named.items()}
        arrays[IDENTITY] = np.array(self.identity)
        arrays[DIMENSIONS] = np.array(json.dumps({name: dims for name, (dims, _) in named.items()}))

        def save(partial: Path) -> None:
            with zipfile.ZipFile(partial, "w") as archive:  # as np.savez, but for the time of day
                for name, values in arrays.items():
                    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, np.asanyarray(values), allow_pickle=False)

        replace_file(self._file(task), save)

    def _file(self, task: Task) -> Path:
        return self.path / f"task-{task.seed}-{task.first}-of-{task.step}.npz"


@contextmanager
def opened(path: str | Path, work: Work) -> Iterator[Folder]:
    """The folder of this scan, made if need be, and held against other processes for as long as it is open.

    Raises `InputError` if it holds another scan, is in use, or cannot be made.
    """
    path, own = Path(path), fingerprint(work)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = open(path / "scan.lock", "a+")  # noqa: SIM115
    except OSError as problem:
        raise InputError(f"The folder {path} cannot be used ({problem.strerror}): name another.") from None
    with lock:
        _hold(lock, path)
        for leftover in path.glob(".*.part"):  # of processes that are dead: we alone hold the folder
            leftover.unlink(missing_ok=True)
        text = json.dumps(own, ensure_ascii=False, sort_keys=True, indent=1)
        _compare(path, own)
        if not (path / "scan.json").exists():
            replace_file(path / "scan.json", lambda partial: partial.write_text(text, encoding="utf-8"))
        yield Folder(path, hashlib.sha256(text.encode()).hexdigest())


def _hold(lock: Any, path: Path) -> None:
    """Lock, or say who has; the system unlocks when the process ends, however it ends."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        raise InputError(
            f"Another scan (process {owner}) is at work in the folder {path}: wait for it, or name another folder."
        ) from None
    except OSError:
        return  # a file system without locks
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def _compare(path: Path, own: dict[str, Any]) -> None:
    try:
        stored = json.loads((path / "scan.json").read_text(encoding="utf-8"))
        differing = [key for key in own if stored[key] != own[key]]
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError):
        raise InputError(
            f"The file scan.json in {path} cannot be read, so whose scan it is cannot be told: name another folder, or "
            "delete this one."
        ) from None
    if differing:
        key = differing[0]
        what = _other_settings(stored[key], own[key]) if key == "trainer" else WORDS[key]
        raise InputError(
            f"The folder {path} holds a scan with {what}: name another folder, or give what that scan was given."
        )


def _other_settings(stored: Any, own: Any, name: str = "") -> str:
    """Of trainers: their first setting that differs; settings may have settings."""
    if not isinstance(stored, dict) or not isinstance(own, dict):
        return f"another trainer ({name}: {stored}, not {own})"
    differing = [key for key in own if stored.get(key) != own[key]]
    if not differing:
        return "another trainer"
    return _other_settings(stored.get(differing[0]), own[differing[0]], f"{name} {differing[0]}".strip())


def _digest(data: TrainingSet) -> str:
    digest = hashlib.sha256(repr((data.spectrum.total_variance, sorted(data.held_out_covariance))).encode())
    for array in data.arrays():
        digest.update(repr((array.shape, array.dtype.str)).encode())
        for block in row_blocks(array.reshape(len(array), -1)):
            digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()
