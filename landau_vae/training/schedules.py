"""How the learning rate and β change in the course of training: a factor against the share of updates done.

A schedule is a handful of points with a curve between them, so that it can be printed, stored
and compared. β schedules in use: linear warm-up (Bowman et al., arXiv:1511.06349), cyclical (Fu
et al., arXiv:1903.10145), annealing down from above. In the end only the last β counts: a run
trains the model of its last β, whatever it passed on the way.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import Count, NonNegative, Positive, Range, Share, check_fields, checked, numbers
from landau_vae.display import Array, jsonable
from landau_vae.errors import InputError

Curve = Literal["linear", "cosine", "geometric"]
Part = Annotated[float, Range(0, 1)]  # of training


@dataclass(frozen=True)
class Schedule:
    """A factor that follows points (share of training, factor); constant before the first and after the last.

    Parameters
    ----------
    points : sequence of (float, float)
        Share of the updates, from 0 to 1 and in order, and the factor there, from 0 on.
    curve : {"linear", "cosine", "geometric"}
        Between two points; a geometric curve has positive factors.

    Raises
    ------
    InputError
        For points that are out of order or out of range.

    Examples
    --------
    >>> Schedule(((0.0, 0.0), (0.5, 1.0)))([0.0, 0.25, 1.0]).tolist()
    [0.0, 0.5, 1.0]
    """

    points: tuple[tuple[float, float], ...]  #: (share of the updates from 0 to 1, factor), in order
    curve: Curve = "linear"  #: between two points

    expected: ClassVar[str] = "a schedule such as warm_up(0.2)"

    def __post_init__(self) -> None:
        check_fields(self)
        shares = [share for share, _ in self.points]
        if not shares or shares != sorted(shares) or shares[0] < 0 or shares[-1] > 1:
            expected = "points (share of training, factor) with shares in order from 0 to 1 are expected"
            raise InputError(f"points is {self.points!r:.100}, but {expected}.", "points")
        least = min(factor for _, factor in self.points)
        if least < 0 or (least == 0 and self.curve == "geometric"):
            expected = "positive factors on a geometric curve" if self.curve == "geometric" else "no negative factor"
            raise InputError(f"The schedule's least factor is {least:g}, but {expected} can be used.")

    def __call__(self, share: ArrayLike) -> Array:
        """Return the factor at each share of training, (…)."""
        shares, factors = np.transpose(self.points)
        at = numbers(share, "share")
        if self.curve == "geometric":
            return np.asarray(np.exp(np.interp(at, shares, np.log(factors))))
        if self.curve == "linear" or len(shares) == 1:
            return np.asarray(np.interp(at, shares, factors))
        place = np.interp(at, shares, np.arange(len(shares)))  # piece and position in it
        piece = np.clip(place.astype(np.int64), 0, len(shares) - 2)
        rise = 0.5 - 0.5 * np.cos(np.pi * (place - piece))
        return np.asarray(factors[piece] + rise * (factors[piece + 1] - factors[piece]))

    @property
    def final(self) -> float:
        """The factor at the end of training."""
        return float(self(1.0))

    @property
    def settled(self) -> float:
        """The share of training from which on the factor is the final one."""
        last = self.points[-1][1]
        return max((end for (_, factor), (end, _) in pairwise(self.points) if factor != last), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return points and curve."""
        return jsonable({"points": self.points, "curve": self.curve})


CONSTANT = Schedule(((0.0, 1.0),))


@checked
def warm_up(share: Part, start: NonNegative = 0.0) -> Schedule:
    """Return a schedule that rises from `start` straight up to 1, then stays.

    Parameters
    ----------
    share : float
        Of training, until 1 is reached; from 0 to 1.
    start : float, default 0
        The first factor.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> warm_up(0.2)([0.1, 0.5]).tolist()
    [0.5, 1.0]
    """
    return Schedule(((0.0, start), (share, 1.0)))


@checked
def cyclical(cycles: Count, rise: Share = 0.5, start: NonNegative = 0.0) -> Schedule:
    """Return a schedule that rises from `start` to 1 again and again, and stays at 1 to the end of each cycle.

    Parameters
    ----------
    cycles : int
        How many.
    rise : float, default 0.5
        Share of a cycle in which the factor rises.
    start : float, default 0
        The factor at the beginning of each cycle.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> cyclical(2)([0.0, 0.125, 0.3, 0.625, 1.0]).tolist()
    [0.0, 0.5, 1.0, 0.5, 1.0]
    """
    parts = ((0.0, start), (rise, 1.0), (1.0, 1.0))
    return Schedule(tuple(((turn + part) / cycles, factor) for turn in range(cycles) for part, factor in parts))


@checked
def anneal(start: Positive, stop: Positive = 1.0, share: Part = 1.0) -> Schedule:
    """Return a schedule that falls (or rises) from `start` to `stop` along a geometric curve.

    Parameters
    ----------
    start : float
        The first factor.
    stop : float, default 1
        The last factor.
    share : float, default 1
        Of training, until `stop` is reached.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> anneal(100.0)([0.0, 0.5, 1.0]).round(9).tolist()
    [100.0, 10.0, 1.0]
    """
    return Schedule(((0.0, start), (share, stop)), "geometric")


@checked
def cosine(stop: NonNegative = 0.0, warm_up: Part = 0.0) -> Schedule:
    """Return a schedule that falls from 1 to `stop` along half a cosine, after a warm-up if there is one.

    Parameters
    ----------
    stop : float, default 0
        The last factor.
    warm_up : float, default 0
        Share of training in which the factor first rises from 0 to 1.

    Returns
    -------
    Schedule

    Notes
    -----
    Loshchilov & Hutter, arXiv:1608.03983.

    Examples
    --------
    >>> cosine()([0.0, 0.5, 1.0]).round(9).tolist()
    [1.0, 0.5, 0.0]
    """
    return Schedule(((0.0, 0.0), (warm_up, 1.0), (1.0, stop)) if warm_up else ((0.0, 1.0), (1.0, stop)), "cosine")
