"""Many files, or partial results, into one partial result: one pass, which can be interrupted and goes on where it was.

Every so many seconds what has been read is saved beside the output, with how far that is and
with what the inputs were (path, size, time of change). It is a partial result of its own, so
nothing that was read is ever lost.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from landau_vae.data.accumulate import Collected, array_pairs, select, with_progress
from landau_vae.data.archive import check_name, is_partial, load_partial, save_partial
from landau_vae.data.door import identity, is_file, to_read, to_write
from landau_vae.data.read_file import read
from landau_vae.data.tables import nonfinite_problem
from landau_vae.errors import InputError


@dataclass(frozen=True)
class Gathering:
    """A job: input files, how to read them, and the output.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (table := Path(folder, "x.csv")).write_text("a,b\\n2,0\\n-2,0\\n") and None
    ...     Gathering([table], Path(folder, "part.npz"), {}).run().names
    ('a', 'b')
    """

    files: Sequence[Path]
    output: Path
    how: dict[str, Any]  #: options of `files.read`
    every: float = 30.0  #: seconds between two saves

    @property
    def state(self) -> Path:
        """File that records how far the job has come."""
        return self.output.with_name(f"{self.output.name}.state")

    def run(self, *, resume: bool = False, progress: bool = False) -> Collected:
        """Read what has not been read yet, write the output, and return what is in it."""
        self._check()
        job = self._job()
        part, position = self._begin(job, resume)
        if position.get("done"):
            return part
        due = time.monotonic() + self.every
        for i in range(position["file"], len(self.files)):
            path, first = self.files[i], position["rows"] if i == position["file"] else 0
            if is_partial(path):
                part.merge(select(load_partial(path)[0], self.how.get("columns"), self.how.get("exclude", ())))
                continue
            table = read(path, **self.how, first=first)
            _agree(part, table.names, path)
            pairs = table.blocks if table.array is None else array_pairs(table.array, None)
            left = None if table.rows is None else table.rows - first
            pairs = with_progress(pairs, left, progress)
            for rows, weights in pairs:
                part.add(rows, weights)
                if not part.finite:
                    problem = nonfinite_problem(chain([rows], (block for block, _ in pairs)), part.names, first)
                    raise InputError(f"In {path.name}: {problem}")
                first += len(rows)
                if (begun := time.monotonic()) >= due:
                    save_partial(self.state, part, {"job": job, "file": i, "rows": first})
                    due = time.monotonic() + max(self.every, 10 * (time.monotonic() - begun))  # of a large state, fewer
        if part.count == 0:
            raise InputError("There are no rows in these files: at least two are needed.")
        save_partial(self.output, part, {"job": job, "done": True})
        self.state.unlink(missing_ok=True)
        return part

    def _begin(self, job: dict[str, Any], resume: bool) -> tuple[Collected, dict[str, Any]]:
        """Return what has been read, and how far that is."""
        found = next((path for path in (self.state, self.output) if is_file(path)), None)
        if found is None or (found == self.output and not resume):
            return Collected(), {"file": 0, "rows": 0}
        if not resume:
            raise InputError(
                f"An interrupted run has left {self.state.name}: go on with it (--resume), or delete it to begin anew."
            )
        part, position = load_partial(found)
        if position is not None and not _is_position(position, part.count):
            raise InputError(f"{found.name} does not say how far a run has come: delete it to begin anew.")
        if position is None or position["job"] != job:
            raise InputError(
                f"{found.name} is of {_difference(position, job)}: run it with those, or name another output."
            )
        return part, position

    def _job(self) -> dict[str, Any]:
        how = {name: value for name, value in sorted(self.how.items()) if value is not None}
        lists = {name: list(value) if isinstance(value, tuple) else value for name, value in how.items()}
        return {"files": [identity(path) for path in self.files], "how": lists}

    def _check(self) -> None:
        check_name(self.output)
        if not self.every >= 0:
            raise InputError(f"Saves are {self.every:g} seconds apart, but a number from 0 on is expected (--every).")
        if is_file(to_write(self.output)) and not is_partial(self.output):
            raise InputError(f"{self.output.name} exists and is not a partial result: name another output to keep it.")
        whole = [os.path.realpath(path) for path in self.files]
        if not whole:
            raise InputError("No files were given: name at least one.")
        twice = next((path for path in whole if whole.count(path) > 1), None)
        if twice is not None:
            raise InputError(
                f"{Path(twice).name} was given twice, and its rows would be counted twice: name each file once."
            )
        if os.path.realpath(self.output) in whole:
            raise InputError(f"{self.output.name} is an input and the output: name another output.")
        for path in self.files:
            to_read(path, folder=True)


def _agree(part: Collected, names: tuple[str, ...] | None, path: Path) -> None:
    """Raise `InputError` unless the columns of a file are those of the files before it."""
    if part.count == 0:
        part.names = names
    elif names and part.names and names != part.names:
        other = next((pair for pair in zip(names, part.names, strict=False) if len(set(pair)) > 1), None)
        differ = f"{other[0]!r} where those before it have {other[1]!r}" if other else f"{len(names)} columns"
        raise InputError(f"{path.name} has {differ}: gather files with the same columns in the same order.")


def _is_position(position: Any, count: int) -> bool:
    """Return whether this says how far a run of some job has come, of which so many rows have been read."""
    job = position.get("job") if isinstance(position, dict) else None
    files = job.get("files") if isinstance(job, dict) and "how" in job else None
    if not isinstance(files, list) or not all(isinstance(each, list) and len(each) == 3 for each in files):
        return False
    at = (position.get("file"), position.get("rows"))
    begun = all(type(number) is int and number >= 0 for number in at) and at[0] < len(files) and at[1] <= count
    return position.get("done") is True or (begun and all(isinstance(name, str) for name, *_ in files))


def _difference(position: dict[str, Any] | None, job: dict[str, Any]) -> str:
    if position is None:
        return "another run"
    before, now = position["job"], job
    if before["how"] != now["how"]:
        return "a run with other options"
    if [name for name, *_ in before["files"]] != [name for name, *_ in now["files"]]:
        return "a run with other files"
    changed = next(Path(a[0]).name for a, b in zip(before["files"], now["files"], strict=True) if a != b)
    return f"a run in which {changed} was another file (its size or time of change is not what it was)"
