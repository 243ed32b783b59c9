"""The state of trainings in progress, kept now and then, so that an interruption of a long one loses a minute or two.

A scan keeps the results of finished tasks (`training.resume`). A trainer whose tasks may take hours also writes down
where it is: weights, what the optimiser remembers, and its random generators, exact to the bit.
"""

import hashlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landau_vae import __version__
from landau_vae.data.archive import Damaged, load_arrays, save_arrays
from landau_vae.display import Array

HEADER = "landau_vae_state"
EVERY = 60.0  # seconds between two states of a task
SHARE = 20  # of the time, at most, is spent on writing them: one part in so many


class Checkpoint:
    """The state of one call of a trainer."""

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity
        self.next = time.monotonic() + EVERY

    def read(self) -> tuple[dict[str, Any], dict[str, Array]] | None:
        """Return the content and the arrays of the last state; None if no state of this training is stored."""
        try:
            content, arrays = load_arrays(self.path, HEADER)
        except Damaged:
            return None
        return (content, arrays) if content.pop("identity", None) == self.identity else None

    @property
    def due(self) -> bool:
        """Whether it is time for another state."""
        return time.monotonic() >= self.next

    def write(self, content: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Keep a state in place of the last one; where there is no room, warn, because the training needs none."""
        begun = time.monotonic()
        save_arrays(self.path, HEADER, content | {"identity": self.identity}, arrays, _without_room)
        self.next = time.monotonic() + max(EVERY, SHARE * (time.monotonic() - begun))


def _without_room(sentence: str) -> None:
    """Report a state that could not be kept."""
    warnings.warn(f"The training goes on, but an interruption would lose more of it. {sentence}", stacklevel=4)


def states(generators: Sequence[np.random.Generator]) -> list[Any]:
    """Return what the next numbers of random generators depend on, as JSON has it."""
    return [each.bit_generator.state for each in generators]


def restore(generators: Sequence[np.random.Generator], kept: Sequence[Any]) -> None:
    """Let random generators go on from these states."""
    for each, state in zip(generators, kept, strict=True):
        each.bit_generator.state = state


@dataclass(frozen=True)
class Checkpoints:
    """Those of all trainings of a scan, in its folder."""

    folder: Path
    identity: str  #: a text that only this scan has

    def of(self, starts: Sequence[tuple[int, int]], device: str) -> Checkpoint:
        """Return that of the call that trains models with these starts."""
        return Checkpoint(self._file(starts), f"{self.identity} {device} {__version__}")

    def drop(self, starts: Sequence[tuple[int, int]]) -> None:
        """Remove a state whose results are kept."""
        self._file(starts).unlink(missing_ok=True)

    def drop_all(self) -> None:
        """Remove what is left of tasks that were shared out in another way."""
        for path in self.folder.glob("state-*.npz"):
            path.unlink(missing_ok=True)

    def _file(self, starts: Sequence[tuple[int, int]]) -> Path:
        return self.folder / f"state-{hashlib.sha256(repr(list(starts)).encode()).hexdigest()[:16]}.npz"
