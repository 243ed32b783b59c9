"""Stub, to be replaced."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Decoder:
    call: Any
    d: int
    better_link: str | None = None
    compares: bool = True
    notes: tuple[str, ...] = ()

    def output(self, z, rows):
        return np.asarray(self.call(z), dtype=np.float64).reshape(len(z), self.d)


class RowTerm:
    def __init__(self, f):
        self.f = f

    def __call__(self, x, y):
        return np.asarray(self.f(x, y))
