"""One branch as a result: its states, their stability, its special points, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.numeric.continuation.arclength import Ended, walk
from landau_vae.numeric.continuation.bifurcation_points import Chord, SpecialPoint
from landau_vae.numeric.continuation.solve import Diverged, Point, Solver
from landau_vae.numeric.continuation.status import Status

__all__ = ["Branch", "Leave", "Range", "empty", "joined", "state_on", "trace"]

Leave = Literal["never", "at bifurcations", "always"]  # when a state that loses its stability leaves the branch


@dataclass(frozen=True, eq=False)
class Branch:
    """States along one branch, in the order in which they were found."""

    control: Array  #: (points,)
    x: Array = field(repr=False)  #: the states, (points, n)
    loss: Array = field(repr=False)  #: F, (points,)
    index: NDArray[np.int64] = field(repr=False)  #: negative directions of the Hessian, (points,); 0: stable
    order_parameters: Array = field(repr=False)  #: as the problem defines them, (points, k)
    special: tuple[SpecialPoint, ...]  #: special points on it, in order
    status: Status  #: how it ended; the value is a sentence
    reason: str = field(repr=False)  #: that sentence, or a more precise one
    parent: SpecialPoint | None = field(default=None, repr=False)  #: where it was born

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Which points are local minima, (points,)."""
        return self.index == 0

    def stranded(self) -> "Branch":
        """The same branch, from which nothing was found to go on along."""
        return replace(self, status=Status.STRANDED, reason=Status.STRANDED.value)

    def born(self, parent: SpecialPoint | None) -> "Branch":
        """The same branch with the special point that it left from."""
        return replace(self, parent=parent)


@dataclass(frozen=True)
class Range:
    """Where and in what steps to follow, in the solver's coordinate q."""

    limits: tuple[float, float]  #: least and greatest q
    onward: float  #: +1 towards the greatest, −1 towards the least
    max_step: float
    max_points: int
    on_progress: Callable[[float], object]

    STEPS = 30  # so many at least from one end to the other

    @classmethod
    def of(
        cls,
        solver: Solver,
        start: float,
        stop: float,
        max_step: float | None,
        max_points: int,
        on_progress: Callable[[float], object],
    ) -> "Range":
        """The range between two controls; raises `InputError` where it is none."""
        positive = solver.problem.logarithmic
        if not np.isfinite([start, stop]).all() or start == stop or (positive and min(start, stop) <= 0):
            raise InputError(
                f"Branches are followed between two different {'positive ' if positive else ''}numbers, but "
                f"{solver.problem.control} from {start} to {stop} was given."
            )
        if max_points < 2 or (max_step is not None and not max_step > 0):
            raise InputError(
                f"At most {max_points} points with steps up to {max_step} were asked for: give 2 points or more and a "
                "positive step, or leave both out."
            )
        first, last = solver.coordinate(start), solver.coordinate(stop)
        longest = abs(last - first) / cls.STEPS if max_step is None else float(max_step)
        return cls((min(first, last), max(first, last)), float(np.sign(last - first)), longest, max_points, on_progress)


def trace(solver: Solver, start: Point, within: Range, *, leave: Leave) -> Branch:
    """The branch through a point, from there on until it ends or is left."""
    points, special = [_Record.of(solver, start)], list[SpecialPoint]()
    status, reason, waiting = Status.STEPS, "", 0
    try:
        for item in walk(solver, start, within.limits, max_step=within.max_step):
            if isinstance(item, SpecialPoint):
                special.append(item)
                waiting = waiting - item.kernel_dimension if waiting else item.near  # for the rest of a split multiplet
                if waiting <= 0 and _leaves(special, leave):
                    status = Status.LEFT
                    break
            elif waiting and _leaves(special, leave):
                status = Status.LEFT
                break
            else:
                waiting = 0
                points.append(_Record.of(solver, item))
                within.on_progress(points[-1].control)
                if len(points) >= within.max_points:
                    break
    except Ended as end:
        status, reason = end.status, str(end)
        goal = within.limits[1] if within.onward > 0 else within.limits[0]
        if status is Status.REACHED and abs(solver.coordinate(points[-1].control) - goal) > np.ptp(within.limits) / 2:
            status, reason = Status.RETURNED, ""
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    if special and status in (Status.LEFT, Status.MERGED):  # the special point is the branch's last
        points.append(_Record.at(solver, special[-1]))
    return _assembled(points, tuple(special), status, reason or status.value)


def joined(falling: Branch, rising: Branch) -> Branch:
    """The two halves of a branch that was followed from one state both ways, as one, by rising control."""

    def chain(name: str) -> NDArray[Any]:
        return readonly(np.concatenate([getattr(falling, name)[::-1], getattr(rising, name)[1:]]), None)

    return replace(
        rising, control=chain("control"), x=chain("x"), loss=chain("loss"), index=chain("index"),
        order_parameters=chain("order_parameters"), special=(*falling.special[::-1], *rising.special),
    )  # fmt: skip


def state_on(solver: Solver, branch: Branch, q: float) -> tuple[Array, float]:
    """State and loss of a branch at q, solved for from its nearest points; raises `Diverged` where that fails."""
    known = solver.coordinates(branch.control)
    order = np.argsort(known)
    after = int(np.clip(np.searchsorted(known[order], q), 1, len(known) - 1))
    i, j = order[after - 1], order[after]
    share = (q - known[i]) / (known[j] - known[i])
    guess = (1 - share) * branch.x[i] + share * branch.x[j]
    try:
        x, _, _ = solver.correct(guess, q, (np.zeros(len(guess)), 1.0), solver.scale(guess, q))
    except Diverged:  # close to a fold: along the branch
        chord = Chord.between(solver, branch.x[i], float(known[i]), branch.x[j], float(known[j]))
        x = chord.at(chord.root(lambda point: point.q - q)).x
    return x, solver.problem.loss(x, solver.control(q))


def _leaves(special: list[SpecialPoint], leave: Leave) -> bool:
    """Whether a stable state has lost its stability at the last special points."""
    if leave == "never":
        return False
    first = next((point for point in special if point.index[0] == 0), None)
    return first is not None and first.index[1] > 0 and (leave == "always" or first.kind != "fold")


def empty(status: Status, reason: str | None = None) -> Branch:
    """A branch without points, and why."""
    return _assembled([], (), status, reason or status.value)


@dataclass(frozen=True)
class _Record:
    """What is kept of a point."""

    control: float
    x: Array
    loss: float
    index: int
    order_parameters: Array

    @classmethod
    def of(cls, solver: Solver, point: Point) -> "_Record":
        control = solver.control(point.q)
        return cls(control, point.x, point.loss, point.index, solver.problem.order_parameters(point.x, control))

    @classmethod
    def at(cls, solver: Solver, special: SpecialPoint) -> "_Record":
        order = solver.problem.order_parameters(special.x, special.control)
        return cls(special.control, special.x, special.loss, special.index[0], order)


def _assembled(points: list[_Record], special: tuple[SpecialPoint, ...], status: Status, reason: str) -> Branch:
    def gather(name: str, dtype: Any = np.float64) -> NDArray[Any]:
        return readonly([getattr(point, name) for point in points], dtype)

    return Branch(
        gather("control"), gather("x"), gather("loss"), gather("index", np.int64), gather("order_parameters"),
        special, status, reason,
    )  # fmt: skip
