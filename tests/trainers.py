"""Trainers for tests of scans: some write a log, and of some the results are known; and how scans compare."""

import os
import signal
import time
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from landau_vae.training import Exact, Trainer


def same(one, other):
    """Every bit of every variable, and all labels and attributes."""
    assert one.identical(other)
    for name in one.variables:
        assert one[name].dtype == other[name].dtype
        assert one[name].values.tobytes() == other[name].values.tobytes()
    return True


class Small(Exact):
    """Of several tasks per seed."""

    def models_at_once(self, data, latents):
        return 4


@dataclass(frozen=True)
class Logged(Exact):
    """As `Exact`, two models at a time; it writes down each task that it begins."""

    log: str = field(kw_only=True)
    pause: float = 0.0
    fail_at: int | None = None  #: place in the grid at which someone presses Ctrl-C

    def models_at_once(self, data, latents):
        return 2

    def train(self, data, temperature, starts, latents, on_progress):
        with open(self.log, "a") as log:
            log.write(f"{starts[0][0]}-{starts[0][1]}\n")
        time.sleep(self.pause)
        if self.fail_at in [place for _, place in starts]:
            raise KeyboardInterrupt
        return super().train(data, temperature, starts, latents, on_progress)

    def to_dict(self):
        return Exact(self.tolerance, self.max_iterations).to_dict()


@dataclass(frozen=True)
class Means(Trainer):
    """No training: it reports means of the rows, and statuses and a history that only it has."""

    together: int = 3
    per_call: int = 0  #: bytes

    uses_rows: ClassVar[bool] = True

    def models_at_once(self, data, latents):
        return self.together

    def memory(self, data, latents, models, seeds):
        return self.per_call

    def train(self, data, temperature, starts, latents, on_progress):
        on_progress(0.5)
        mean = np.average(data.rows, axis=0, weights=data.weights)
        count = len(temperature)
        history = np.outer(temperature, [1.0, 10.0]).astype(np.float32)
        named = {
            "row_mean": (("feature",), np.tile(mean, (count, 1))),
            "history": (("update",), history),
            "status": ((), np.array([place % 4 for _, place in starts])),
            "seen": ((), np.full(count, data.spectrum.samples)),
        }
        for part, rows in data.held_out.items():
            named[f"{part}_row_mean"] = (("feature",), np.tile(rows.mean(axis=0), (count, 1)))
        return named

    def coordinates(self):
        return {"update": [0, 100], "elsewhere": [1]}

    def to_dict(self):
        return {"name": "Means", "together": self.together}


class Counted(Means):
    """It reports how often it has arrived in the process it is in."""

    arrivals: ClassVar[int] = 0

    def __setstate__(self, state):
        self.__dict__.update(state)
        Counted.arrivals += 1

    def train(self, data, temperature, *rest):
        named = super().train(data, temperature, *rest)
        return named | {"arrivals": ((), np.full(len(temperature), Counted.arrivals))}


class Killed(Means):
    """It ends the process that it is in, as a system does that is short of memory."""

    def train(self, *arguments):
        os.kill(os.getpid(), signal.SIGKILL)
