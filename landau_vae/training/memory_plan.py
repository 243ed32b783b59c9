"""The memory plan of a scan, known before training starts: what it takes, term by term, and what may be used.

    total = data + result + workers × per worker

All workers work at once and results are gathered as they come, so nothing grows with the number of tasks but the
result itself. What may be used is a share of what the system calls available, or of what a control group leaves.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from landau_vae.display import Result, counted, in_words
from landau_vae.errors import InputError

SHARE = 0.8  # of the memory that is free: other programs need some too
CGROUPS = {  # version → folder, files of limit and use, and what can be taken back, in memory.stat
    1: ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
}


@dataclass(frozen=True)
class ScanPlan(Result):
    """How many models a scan trains and how much memory it takes; all sizes in bytes."""

    json_fields = ("models", "tasks", "workers", "data", "result", "per_worker", "limit", "total", "fits")

    models: int  #: seeds × temperatures
    tasks: int  #: pieces of work, fixed by the problem; finished ones are kept in the scan's folder
    workers: int  #: that work at once
    data: int  #: copies of the data, and what workers share of them
    result: int  #: the dataset
    per_worker: int  #: what one worker works with, and its results on their way; of a worker of a cluster only these
    limit: int  #: what may be used

    @property
    def total(self) -> int:
        """The most that the scan needs at once."""
        return self.data + self.result + self.workers * self.per_worker

    @property
    def fits(self) -> bool:
        """Whether it may start."""
        return self.total <= self.limit

    def check(self) -> None:
        """Raise `InputError` if the scan does not fit; the error says what to reduce."""
        fewer = "fewer workers" if self.workers > 1 else "fewer latents"
        needs = [
            (self.result, "the result: train fewer temperatures, seeds or latents, or give keep_weights=False"),
            (self.workers * self.per_worker, f"what workers work with: give {fewer}, or smaller batches"),
            (self.data, "the data: give fewer rows or columns, or fewer workers"),
        ]
        size, advice = max(needs)
        if not self.fits:
            raise InputError(
                f"The scan needs {in_words(self.total)}, but {in_words(self.limit)} may be used; most of it "
                f"({in_words(size)}) is {advice}, or set memory= if more is there."
            )

    def __repr__(self) -> str:
        return f"ScanPlan({self.sentence})"

    @property
    def sentence(self) -> str:
        """The plan in a line, as it is printed before a scan starts."""
        return (
            f"{counted(self.models, 'model')} in {counted(self.tasks, 'task')}: data {in_words(self.data)} + result "
            f"{in_words(self.result)} + {self.workers} × {in_words(self.per_worker)} = {in_words(self.total)} "
            f"of {in_words(self.limit)}"
        )

    def content(self) -> Iterable[str]:
        """Yield that line."""
        yield f"{self.sentence} of memory"


def available(root: Path = Path("/")) -> int:
    """Return the bytes that may be used here: a share of what is free, in the system and in its control groups."""
    import psutil

    return int(SHARE * min([psutil.virtual_memory().available, *_group_rooms(root)]))


def _group_rooms(root: Path) -> Iterator[int]:
    """Yield what each control group of this process leaves, version 1 or 2; file caches can be taken back."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not {"", "memory"} & set(controllers.split(",")):
            continue
        base, *files, cache = CGROUPS[2 if controllers == "" else 1]
        group = root / base / path.strip("/")
        for folder in (group, *group.parents):  # those above the base have no such files
            try:
                most, used, statistics = ((folder / name).read_text() for name in (*files, "memory.stat"))
                held = dict(line.split() for line in statistics.splitlines()).get(cache, 0)
                yield max(0, int(most) - int(used) + int(held))
            except (OSError, ValueError):
                continue  # a group without a limit of its own ("max"), or one that cannot be read from here
