"""The folder of a scan: each finished task is a file in it, so that an interrupted scan is resumed where it stopped.

`scan.json` identifies the scan (a fingerprint of data, temperatures and settings), `task-….npz`
hold what was trained; all are written beside and renamed into place. A folder
without tasks is free for any scan. A task's file counts only if it is whole and belongs to this
very scan. Seeds are not part of the fingerprint: more of them can be trained later into the
same folder. One process at a time.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from landau_vae.data.archive import Damaged, held, load_arrays, replace_file, save_arrays
from landau_vae.data.door import to_read
from landau_vae.data.tables import row_blocks
from landau_vae.display import jsonable
from landau_vae.errors import InputError
from landau_vae.training.checkpoint import Checkpoints
from landau_vae.training.schema import Named
from landau_vae.training.tasks import Task, Work
from landau_vae.training.training_set import TrainingSet

FORMAT = 3  # of what trainers return: with another one, finished tasks are of no use
HEADER = "landau_vae_task"


def fingerprint(work: Work) -> dict[str, Any]:
    """Return what distinguishes one scan from another, as JSON has it."""
    return {
        "format of results": FORMAT,
        "trainer": jsonable(work.trainer.to_dict()),
        "number of latents": work.latents,
        "keep_weights": work.keep_weights,
        "start": work.source or work.start,
        "temperatures": work.temperature.tolist(),
        "data, standardisation, weights or splits": _digest(work.data),
        "likelihood, which has another score or curvature": repr(work.total_variance),
    }


class Folder:
    """Finished tasks of one scan, on the disk."""

    def __init__(self, path: Path, identity: str, device: str) -> None:
        self.path, self.identity, self.device = path, identity, device
        self.checkpoints = Checkpoints(path.resolve(), identity)  # workers may be in another folder
        self.devices: set[str] = set()  # of the tasks that were read or written

    def read(self, task: Task) -> Named | None:
        """Return the results of a task; None where it is not finished, or its file is damaged or of another scan."""
        try:
            content, arrays = load_arrays(self._file(task), HEADER)
        except Damaged:
            return None
        dimensions: Any = content.get("dimensions")
        if content.get("identity") != self.identity or not _describe(dimensions, arrays, len(task.places)):
            return None
        self.devices.add(str(content.get("device", "cpu")))
        return {name: (tuple(dims), arrays[name]) for name, dims in dimensions.items()}

    def write(self, task: Task, named: Named) -> None:
        """Keep the results of a task."""
        dimensions = {name: dims for name, (dims, _) in named.items()}
        content = {"identity": self.identity, "device": self.device, "dimensions": dimensions}
        self.devices.add(self.device)
        arrays = {name: np.asarray(values) for name, (_, values) in named.items()}
        save_arrays(self._file(task), HEADER, content, arrays)

    def _file(self, task: Task) -> Path:
        return self.path / f"task-{task.seed}-{task.first}-of-{task.step}.npz"


def _describe(dimensions: Any, arrays: dict[str, Any], models: int) -> bool:
    """Return whether these are the names of the dimensions of these arrays, after the first, that of the models."""
    if not isinstance(dimensions, dict) or set(arrays) != set(dimensions):
        return False
    return all(
        isinstance(dims, list) and arrays[name].ndim == 1 + len(dims) and len(arrays[name]) == models
        for name, dims in dimensions.items()
    )


@contextmanager
def opened(path: str | Path, work: Work) -> Iterator[Folder]:
    """Yield the folder of this scan, made if need be, and locked against other processes for as long as it is open.

    Raises `InputError` if it holds another scan, is in use, or cannot be made.
    """
    path, identity = Path(path), fingerprint(work)
    with held(path, "scan.lock"):
        text = json.dumps(identity, ensure_ascii=False, sort_keys=True, indent=1)
        _compare(path, identity)
        if not (path / "scan.json").exists() or not any(path.glob("task-*.npz")):
            replace_file(path / "scan.json", lambda partial: partial.write_text(text, encoding="utf-8"))
        folder = Folder(path, hashlib.sha256(text.encode()).hexdigest(), work.trainer.device)
        yield folder
        folder.checkpoints.drop_all()  # of a scan that is complete


def _compare(path: Path, identity: dict[str, Any]) -> None:
    """Raise `InputError` if the folder holds another scan, and say what differs."""
    if not (path / "scan.json").exists():
        return
    try:
        stored = json.loads(to_read(path / "scan.json").read_text(encoding="utf-8"))
        version = stored["format of results"]
        differing = [key for key in identity if stored.get(key) != identity[key]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(f"scan.json in {path} cannot be read: name another folder, or delete it.", "folder") from None
    if differing and any(path.glob("task-*.npz")):
        key = differing[0]
        if version != FORMAT:
            found = f"{path} holds a scan of another version of landau_vae (format {version}, not {FORMAT})"
            raise InputError(f"{found}: name another folder.", "folder")
        settings = _other_settings(stored.get(key), identity[key]) if key == "trainer" else ""
        raise InputError(f"{path} holds a scan that differs in its {key}{settings}: name another folder.", "folder")


def _other_settings(stored: Any, settings: Any, name: str = "") -> str:
    """Return the first setting of a trainer that differs, in words; settings may have settings."""
    if not isinstance(stored, dict) or not isinstance(settings, dict):
        return f" ({name}: {stored}, not {settings})"
    for key in settings:
        if stored.get(key) != settings[key]:
            return _other_settings(stored.get(key), settings[key], f"{name} {key}".strip())
    return ""


def _digest(data: TrainingSet) -> str:
    digest = hashlib.sha256(repr((data.spectrum.total_variance, sorted(data.held_out_covariance))).encode())
    for array in data.arrays():
        digest.update(repr((array.shape, array.dtype.str)).encode())
        for block in row_blocks(array.reshape(len(array), -1)):
            digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()
