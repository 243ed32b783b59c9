"""Whatever has rows, as one thing: collected in one pass or, where d × d numbers are too many and it can be read again,
asked for its strongest modes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.accumulate import Collected
from landau_vae.data.margins import Margins, pass_rows
from landau_vae.data.moments import SecondMoments
from landau_vae.data.streams import Names, Pairs, array_pairs, collect, with_progress
from landau_vae.data.tables import nonfinite_problem
from landau_vae.display import Array

FORMED = 4000  # d × d or n × n numbers that are formed, even where only a few modes are asked for


@dataclass(frozen=True)
class Source:
    """Rows, block by block."""

    blocks: Callable[[], Pairs]  #: goes through all of them
    names: Names
    dimension: int | None = None  #: d, where it is known before reading
    rows: int | None = None  #: n, where it is known before reading
    again: bool = True  #: whether `blocks` can be called more than once
    array: tuple[NDArray[Any], Array | None] | None = None  #: rows and weights, where they are one plain array

    def collect(self, progress: bool = False) -> Collected:
        """All rows, in one pass."""
        if self.array is not None and self.array[0].shape[0] < self.array[0].shape[1]:
            part = Collected(self.names)
            part.add(*self.array, copy=False)
            if not part.finite:
                raise nonfinite_problem([self.array[0]], self.names)
            return part
        return collect(with_progress(self.blocks(), self.rows if progress else None, progress), self.names)

    def moments(self, modes: int | None = None, progress: bool = False) -> SecondMoments:
        """Moments to take all modes of, or, where they are not all wanted and too many, the margins for the first."""
        d, least = self.dimension, min(self.dimension or 0, self.rows or np.inf)
        held = least if self.array is not None else d  # of other sources, rows would have to be copied
        if modes is None or d is None or not self.again or (held or 0) <= FORMED or modes >= least - 1:
            return self.collect(progress).result()
        margins = Margins(lambda: with_progress(self._pass(d), self.rows, progress), d)
        if not margins.finite:
            raise nonfinite_problem((rows for rows, _ in self.blocks()), self.names)
        return margins

    def _pass(self, dimension: int) -> Pairs:
        """All rows; of an array, as many at a time as are worked on, so that a mapped one leaves no more in memory."""
        return self.blocks() if self.array is None else array_pairs(*self.array, pass_rows(dimension))
