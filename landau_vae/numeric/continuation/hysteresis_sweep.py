"""Sweeps: a stable state carried along as the control moves, its jumps, and what coexists with it.

Where the state merely bifurcates it goes on along the branch that grows out of it. Where it ends (a fold, a subcritical
pitchfork: the spinodal) it falls to another minimum: a first-order jump. The new state is then followed backwards to
where it ends in turn (the width of the hysteresis); the control at which both are equally good is the Maxwell point.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.display import Array, jsonable
from landau_vae.numeric.continuation._minima import descend
from landau_vae.numeric.continuation.bifurcation_points import Chord, SpecialPoint
from landau_vae.numeric.continuation.branch import Branch, Range, empty, state_on, trace
from landau_vae.numeric.continuation.branch_switching import grown, trunk
from landau_vae.numeric.continuation.solve import Diverged, Point, Solver
from landau_vae.numeric.continuation.status import Status
from landau_vae.numeric.problems.problem import Problem

__all__ = ["Jump", "Sweep", "sweep"]

BEYOND = 1e-6  # in q: how far behind the spinodal the fall begins
NUDGE = 1e-3  # in z: how far to either side of the softest direction


@dataclass(frozen=True, eq=False)
class Jump:
    """A first-order jump: the state ends, and falls to another minimum."""

    at: SpecialPoint = field(repr=False)  #: where the old state ends (the spinodal)
    control: float  #: of the spinodal
    maxwell: float | None  #: where old and new state are equally good; None if that lies outside the range
    returns: float | None  #: where the new state ends on the way back; None if that lies outside the range
    drop: float  #: by how much the loss falls, just behind the spinodal
    before: Array = field(repr=False)  #: order parameters of the old state
    after: Array = field(repr=False)  #: of the new one

    @property
    def width(self) -> float | None:
        """|spinodal − spinodal|, in the control."""
        return None if self.returns is None else abs(self.returns - self.control)


@dataclass(frozen=True, eq=False)
class Sweep:
    """A stable state from one end of the range to the other."""

    problem: Problem = field(repr=False)
    branches: tuple[Branch, ...]  #: the stable pieces, in order
    jumps: tuple[Jump, ...]  #: between pieces that do not hang together

    @property
    def status(self) -> Status:
        """How the sweep ended."""
        return self.branches[-1].status

    @property
    def reason(self) -> str:
        """The status in words."""
        return self.branches[-1].reason

    def at(self, control: float) -> tuple[Array, float]:
        """The state and its loss at a control within the sweep."""
        solver = Solver(self.problem)
        for branch in self.branches:
            if len(branch.control) and branch.control.min() <= control <= branch.control.max():
                return state_on(solver, branch, solver.coordinate(control))
        raise ValueError(f"{self.problem.control} = {control} lies outside the sweep")

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        jumps = [
            {
                name: getattr(jump, name)
                for name in ("control", "maxwell", "returns", "width", "drop", "before", "after")
            }
            | {"at": jump.at.to_dict()}
            for jump in self.jumps
        ]
        return jsonable({"status": self.status.name, "reason": self.reason, "jumps": jumps})


def sweep(
    problem: Problem,
    start: float,
    stop: float,
    *,
    x: ArrayLike | None = None,
    max_step: float | None = None,
    max_points: int = 2000,
    max_jumps: int = 100,
    on_progress: Callable[[float], object] = lambda control: None,
) -> Sweep:
    """Carry a stable state (by default the one that the state of rest falls to) from `start` to `stop`.

    A jump goes to the minimum that a trust-region Newton descent reaches from just behind the spinodal.

    >>> import sympy as sp
    >>> from landau_vae.numeric.problems import Symbolic
    >>> from landau_vae.symbolic import Landau
    >>> a, c = sp.symbols("a c", real=True)
    >>> problem = Symbolic(Landau(a**6 / 6 - a**4 / 4 + c * a**2 / 2, a, (), c, {a: 0}))  # collapse at c = 0
    >>> [jump] = sweep(problem, 1, -1).jumps
    >>> round(jump.control, 9), round(jump.maxwell, 9), round(jump.returns, 9)
    (-0.0, 0.1875, 0.25)
    """
    solver = Solver(problem)
    within = Range.of(solver, start, stop, max_step, max_points, on_progress)
    if (reason := problem.singular(start)) is not None:
        return Sweep(problem, (empty(Status.UNBOUNDED, reason),), ())
    point = descend(solver, solver.beginning(x, start), solver.coordinate(start), within.onward)
    if isinstance(point, Status):
        return Sweep(problem, (empty(point),), ())
    branches, jumps = list[Branch](), list[Jump]()
    parent: SpecialPoint | None = None
    while True:
        branch = trace(solver, point, within, leave="always").born(parent)
        branches.append(branch)
        if branch.status not in (Status.LEFT, Status.MERGED) or len(jumps) >= max_jumps:
            return Sweep(problem, tuple(branches), tuple(jumps))
        parent = branch.special[-1]
        onward = _stable_continuation(solver, parent, within.onward)
        if onward is None:
            fallen = _fall(solver, parent, within)
            if isinstance(fallen, Status):
                return Sweep(problem, (*branches, empty(fallen)), tuple(jumps))
            jumps.append(_jump(solver, branch, fallen, within))
            onward = fallen
        point = onward


# ------------------------------------------------------------------------------------------------- what happens at ends


def _stable_continuation(solver: Solver, special: SpecialPoint, onward: float) -> Point | None:
    """The first state of a stable branch that goes on in the same direction, if one hangs together with this one."""
    if special.form is None:
        return None
    point = trunk(solver, special, onward) if special.ends else grown(solver, special)
    forward = point is not None and point.index == 0 and point.tangent[1] * onward > 0
    return point if forward else None


def _fall(solver: Solver, special: SpecialPoint, within: Range) -> Point | Status:
    """The minimum that is reached from just behind the end of a branch: the lower one of both sides."""
    q = solver.coordinate(special.control) + within.onward * BEYOND
    try:
        centre = solver.at(special.x, q)
    except Diverged:
        return Status.UNDERFLOW
    softest = centre.vectors[:, 0] / centre.scale
    found = [descend(solver, special.x + side * NUDGE * softest, q, within.onward) for side in (1, -1)]
    minima = [point for point in found if isinstance(point, Point)]
    if len(minima) < len(found):  # to one side there is no minimum
        return next(status for status in found if isinstance(status, Status))
    return min(minima, key=lambda point: point.loss)


def _jump(solver: Solver, old: Branch, new: Point, within: Range) -> Jump:
    """The jump from the end of one branch to a state beside it, with the way back."""
    special = old.special[-1]
    try:
        turned = solver.at(new.x, new.q, (np.zeros(len(new.x)), -within.onward))
        back = trace(solver, turned, within, leave="always")
    except Diverged:
        back = empty(Status.UNDERFLOW)
    ended = back.status in (Status.LEFT, Status.MERGED)
    control = solver.control(new.q)
    return Jump(
        special,
        special.control,
        _maxwell(solver, old, back) if len(back.control) else None,
        float(back.control[-1]) if ended else None,
        solver.problem.loss(special.x, control) - new.loss,
        old.order_parameters[-1],
        solver.problem.order_parameters(new.x, control),
    )


def _maxwell(solver: Solver, old: Branch, new: Branch) -> float | None:
    """The control at which two branches that overlap have the same loss.

    One of them ends in a fold, where a state is no function of the control: it is gone along by its own length.
    """
    folded, other = (old, new) if old.special[-1].kind == "fold" else (new, old)
    known = solver.coordinates(other.control)
    inset = 1e-9 * np.ptp(known)
    ends = known.min() + inset, known.max() - inset

    def gap(point: Point) -> float:
        return point.loss - state_on(solver, other, point.q)[1]

    states = list(zip(folded.x, solver.coordinates(folded.control), strict=True))
    for a, b in pairwise(states):
        if max(a[1], b[1]) <= ends[0] or min(a[1], b[1]) >= ends[1]:
            continue
        with suppress(Diverged):
            between = Chord.between(solver, *a, *b)
            inside = [between.within(theta, *ends) for theta in (0.0, 1.0)]
            if gap(between.at(inside[0])) * gap(between.at(inside[1])) <= 0:
                return solver.control(between.at(between.root(gap, *inside)).q)
    return None
