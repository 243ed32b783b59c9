"""How the learning rate and β change in the course of training: a factor against the share of updates done.

A schedule is a handful of points with a curve between them, so that it can be printed, stored and compared. β schedules
in use: linear warm-up (Bowman et al., arXiv:1511.06349), cyclical (Fu et al., arXiv:1903.10145), annealing down from
above. What counts in the end is where β stops: a run trains the model of its last β, whatever it passed on the way.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.data.tables import is_real
from landau_vae.display import Array, jsonable
from landau_vae.errors import InputError

__all__ = ["CONSTANT", "Schedule", "anneal", "cosine", "cyclical", "warm_up"]

Curve = Literal["linear", "cosine", "geometric"]


@dataclass(frozen=True)
class Schedule:
    """A factor that follows points (share of training, factor); constant before the first and after the last.

    >>> Schedule(((0.0, 0.0), (0.5, 1.0)))([0.0, 0.25, 1.0]).tolist()
    [0.0, 0.5, 1.0]
    """

    points: tuple[tuple[float, float], ...]  #: (share of the updates from 0 to 1, factor), in order
    curve: Curve = "linear"  #: between two points

    def __post_init__(self) -> None:
        try:
            pairs = [(share, factor) for share, factor in self.points]
        except (TypeError, ValueError):
            pairs = []
        shares = [share for share, _ in pairs]
        numbers = all(is_real(number) for pair in pairs for number in pair)
        if not pairs or not numbers or shares != sorted(shares) or shares[0] < 0 or shares[-1] > 1:
            raise InputError(
                f"A schedule goes through points (share of training, factor) in order of their shares, from 0 to 1, "
                f"but {self.points} was given."
            )
        if self.curve not in ("linear", "cosine", "geometric"):
            raise InputError(f"The curve is {self.curve!r}, but 'linear', 'cosine' or 'geometric' is expected.")
        points = tuple((float(share), float(factor)) for share, factor in pairs)
        object.__setattr__(self, "points", points)  # lists, as JSON has them, and NumPy's numbers are as good
        least = min(factor for _, factor in points)
        if least < 0 or (least == 0 and self.curve == "geometric"):
            expected = "positive factors on a geometric curve" if self.curve == "geometric" else "no negative factor"
            raise InputError(f"The schedule's least factor is {least:g}, but {expected} can be used.")

    def __call__(self, share: ArrayLike) -> Array:
        """The factor at each share of training, (…)."""
        shares, factors = np.transpose(self.points)
        at = np.asarray(share, dtype=np.float64)
        if self.curve == "geometric":
            return np.asarray(np.exp(np.interp(at, shares, np.log(factors))))
        if self.curve == "linear" or len(shares) == 1:
            return np.asarray(np.interp(at, shares, factors))
        place = np.interp(at, shares, np.arange(len(shares)))  # piece and position in it
        piece = np.clip(place.astype(np.int64), 0, len(shares) - 2)
        risen = 0.5 - 0.5 * np.cos(np.pi * (place - piece))
        return np.asarray(factors[piece] + risen * (factors[piece + 1] - factors[piece]))

    @property
    def final(self) -> float:
        """The factor at the end of training."""
        return float(self(1.0))

    @property
    def settled(self) -> float:
        """The share of training from which on the factor is the final one."""
        later = [share for share, _ in self.points[1:]]
        moves = [share for share, (_, factor) in zip(later, self.points, strict=False) if factor != self.points[-1][1]]
        return moves[-1] if moves else 0.0

    def to_dict(self) -> dict[str, Any]:
        """For provenance."""
        return jsonable({"points": self.points, "curve": self.curve})


CONSTANT = Schedule(((0.0, 1.0),))


def warm_up(share: float, start: float = 0.0) -> Schedule:
    """From `start` straight up to 1 over the first `share` of training.

    >>> warm_up(0.2)([0.1, 0.5]).tolist()
    [0.5, 1.0]
    """
    return Schedule(((0.0, start), (share, 1.0)))


def cyclical(cycles: int, rise: float = 0.5, start: float = 0.0) -> Schedule:
    """Up from `start` to 1 over the first `rise` of each of so many cycles, then 1 to the cycle's end.

    >>> cyclical(2)([0.0, 0.125, 0.3, 0.625, 1.0]).tolist()
    [0.0, 0.5, 1.0, 0.5, 1.0]
    """
    if not (is_real(cycles) and cycles == int(cycles) and cycles >= 1 and is_real(rise) and 0 < rise < 1):
        raise InputError(
            f"{cycles} cycles that rise for {rise} of their length were asked for, but a whole number of cycles from "
            "1 on and a share between 0 and 1 are expected."
        )
    points = [((turn + part) / cycles, factor)
              for turn in range(int(cycles)) for part, factor in ((0, start), (rise, 1.0), (1, 1.0))]  # fmt: skip
    return Schedule(tuple(points))


def anneal(start: float, stop: float = 1.0, share: float = 1.0) -> Schedule:
    """From `start` to `stop` along a geometric curve over the first `share` of training: β down (or up) to its target.

    >>> anneal(100.0)([0.0, 0.5, 1.0]).round(9).tolist()
    [100.0, 10.0, 1.0]
    """
    return Schedule(((0.0, start), (share, stop)), "geometric")


def cosine(stop: float = 0.0, warm_up: float = 0.0) -> Schedule:
    """From 1 down to `stop` along half a cosine (Loshchilov & Hutter, arXiv:1608.03983), after a warm-up if any.

    >>> cosine()([0.0, 0.5, 1.0]).round(9).tolist()
    [1.0, 0.5, 0.0]
    """
    return Schedule(((0.0, 0.0), (warm_up, 1.0), (1.0, stop)) if warm_up else ((0.0, 1.0), (1.0, stop)), "cosine")
