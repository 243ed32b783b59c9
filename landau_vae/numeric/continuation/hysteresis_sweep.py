"""Sweeps and hysteresis: a stable state carried along as the control moves, its first-order jumps, and the way back.

Where the state merely bifurcates it goes on along the branch that grows out of it.
Where it ends (a fold, a subcritical pitchfork: the spinodal) it falls to another
minimum: a first-order jump. The new state is then followed backwards to where it ends
in turn (the width of the
hysteresis); the control at which both are equally good is the Maxwell point.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import Count, Positive, Range, checked
from landau_vae.display import Array, Column, Result, Table, counted, significant
from landau_vae.errors import InputError
from landau_vae.numeric.continuation.bifurcation_points import Chord, SpecialPoint
from landau_vae.numeric.continuation.branch import Branch, Span, empty, state_on, trace
from landau_vae.numeric.continuation.branch_switching import grown, trunk
from landau_vae.numeric.continuation.solve import Diverged, Point, Solver, Status
from landau_vae.numeric.problems.problem import Problem
from landau_vae.threads import one_thread

BEHIND_SPINODAL = 1e-6  # in q: where the fall begins
NUDGE = 1e-3  # in z: how far to either side of the softest direction
LARGEST_GAP = 1e-7  # of the loss (and 1): states closer than this are the same on both sweeps


@dataclass(frozen=True, eq=False)
class Jump(Result):
    """A first-order jump: the state ends, and falls to another minimum."""

    json_fields = ("control", "maxwell", "returns", "width", "drop", "before", "after", "at")

    at: SpecialPoint = field(repr=False)  #: where the old state ends (the spinodal)
    control: float  #: of the spinodal
    maxwell: float | None  #: where old and new state are equally good; None if that lies outside the range
    returns: float | None  #: where the new state ends on the way back; None if that lies outside the range
    drop: float  #: by how much the loss falls, just behind the spinodal
    before: Array = field(repr=False)  #: order parameters of the old state
    after: Array = field(repr=False)  #: order parameters of the new state

    @property
    def width(self) -> float | None:
        """Return the distance between the two spinodals, in the control."""
        return None if self.returns is None else abs(self.returns - self.control)


@dataclass(frozen=True, eq=False)
class Sweep(Result):
    """A stable state from one end of the range to the other."""

    json_fields = ("status", "reason", "jumps")

    problem: Problem = field(repr=False)  #: the loss that was swept
    branches: tuple[Branch, ...]  #: the stable pieces, in order
    jumps: tuple[Jump, ...]  #: between pieces that do not hang together

    @property
    def status(self) -> Status:
        """Return how the sweep ended."""
        return self.branches[-1].status

    @property
    def reason(self) -> str:
        """Return the status in words."""
        return self.branches[-1].reason

    @checked
    def at(self, control: float) -> tuple[Array, float]:
        """Return the state and its loss at a control within the sweep.

        Parameters
        ----------
        control : float
            The control, such as β.

        Returns
        -------
        tuple of (n,) array and float
            The state, and its loss.

        Raises
        ------
        InputError
            If the sweep did not come to this control.
        """
        branch, solver = self._branch_at(control), Solver(self.problem)
        if branch is None:
            raise InputError(f"{self.problem.control} = {control} lies outside the sweep: give one in it.", "control")
        return state_on(solver, branch, solver.coordinate(control))

    def _branch_at(self, control: float) -> Branch | None:
        """Return the piece that holds a control, None where none does."""
        pieces = (branch for branch in self.branches if len(branch.control))
        return next((b for b in pieces if b.control.min() <= control <= b.control.max()), None)

    def __repr__(self) -> str:
        pieces = counted(len(self.branches), "stable piece")
        return f"Sweep({pieces}, {counted(len(self.jumps), 'jump')}, {self.status.name})"

    def content(self) -> Iterator[str | Table]:
        """Yield how the sweep ended, and the table of its jumps."""
        yield f"{self!r}\n{self.reason}"
        if self.jumps:
            yield _table(self.problem.control, self.jumps)


@dataclass(frozen=True, eq=False)
class Hysteresis(Result):
    """A sweep down and up again."""

    json_fields = ("continuous", "verdict", "down", "up")

    problem: Problem = field(repr=False)  #: the loss that was swept
    down: Sweep  #: from the larger control to the smaller one
    up: Sweep  #: back from the state that was reached
    gap: float  #: largest difference of the loss between both sweeps, outside the loops; NaN if there was no way back

    @property
    def continuous(self) -> bool:
        """Return whether the state went there and back without a jump, through the same states."""
        return not (self.down.jumps or self.up.jumps) and bool(self.gap < LARGEST_GAP)

    @property
    def verdict(self) -> str:
        """Return the result in words, with the theorem that excludes jumps where there is one."""
        if np.isnan(self.gap):
            return f"the sweep did not reach its end: {self.down.reason}"
        theorem = self.problem.certificate
        if self.continuous:
            return f"continuous: {theorem}" if theorem else "no jump was found; no theorem excludes one elsewhere"
        count = max(len(self.down.jumps), len(self.up.jumps))
        jumps = counted(count, "first-order jump") if count else "two sweeps that differ"
        return f"{jumps}, which contradicts that {theorem}: please report it" if theorem else jumps

    def __repr__(self) -> str:
        return f"Hysteresis({self.verdict})"

    def content(self) -> Iterator[str | Table]:
        """Yield the verdict, and the table of jumps if there are any."""
        yield repr(self)
        if jumps := self.down.jumps + self.up.jumps:
            yield _table(self.problem.control, jumps)


@checked
@one_thread()
def sweep(
    problem: Problem,
    start: float,
    stop: float,
    *,
    x: ArrayLike | None = None,
    max_step: Positive | None = None,
    max_points: Annotated[int, Range(2)] = 2000,
    max_jumps: Count = 100,
    on_progress: Callable[[float], object] = lambda control: None,
) -> Sweep:
    """Carry a stable state from one control to another, through bifurcations and jumps.

    A jump goes to the minimum that a trust-region Newton descent reaches from just
    behind the spinodal.

    Parameters
    ----------
    problem : Problem
        The loss.
    start, stop : float
        The control at both ends.
    x : (n,) array_like, optional
        Where to begin; by default the minimum that the state of rest falls to.
    max_step : float, optional
        Longest step in √nats and in the control (its logarithm, for a VAE); by default
        a 30th of the range.
    max_points : int, default 2000
        Most points of one branch.
    max_jumps : int, default 100
        Jumps after which the sweep ends.
    on_progress : callable, optional
        Called with the control after each point.

    Returns
    -------
    Sweep
        The stable pieces, the jumps between them, and how the sweep ended (`status`,
        with advice in `reason`).

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
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
    span = Span.between(problem, start, stop, max_step, max_points, on_progress)
    if (reason := problem.singular(start)) is not None:
        return Sweep(problem, (empty(Status.UNBOUNDED, reason),), ())
    point = solver.descend(solver.beginning(x, start), solver.coordinate(start), span.onward)
    if isinstance(point, Status):
        return Sweep(problem, (empty(point),), ())
    branches, jumps = list[Branch](), list[Jump]()
    parent: SpecialPoint | None = None
    while True:
        branch = replace(trace(solver, point, span, leave="always"), parent=parent)
        branches.append(branch)
        if branch.status not in (Status.LEFT, Status.MERGED) or len(jumps) >= max_jumps:
            return Sweep(problem, tuple(branches), tuple(jumps))
        parent = branch.special[-1]
        onward = _stable_continuation(solver, parent, span.onward)
        point = _fall(solver, parent, span) if onward is None else onward
        if isinstance(point, Status):
            return Sweep(problem, (*branches, empty(point)), tuple(jumps))
        if onward is None:
            jumps.append(_jump(solver, branch, point, span))


@checked
@one_thread()
def hysteresis(
    problem: Problem,
    high: float,
    low: float,
    *,
    x: ArrayLike | None = None,
    max_step: Positive | None = None,
    max_points: Annotated[int, Range(2)] = 2000,
    on_progress: Callable[[float], object] = lambda control: None,
) -> Hysteresis:
    """Sweep the control down, then up again from the state that was reached.

    Parameters
    ----------
    problem : Problem
        The loss.
    high, low : float
        The control at both ends.
    x : (n,) array_like, optional
        Where to begin; by default the minimum that the state of rest falls to.
    max_step : float, optional
        Longest step in √nats and in the control (its logarithm, for a VAE); by default
        a 30th of the range.
    max_points : int, default 2000
        Most points of one branch.
    on_progress : callable, optional
        Called with the control after each point.

    Returns
    -------
    Hysteresis
        Both sweeps with their jumps, and a verdict in words.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> from landau_vae import Loss, Spectrum
    >>> from landau_vae.numeric.problems import Linear
    >>> hysteresis(Linear(Spectrum.from_eigenvalues([2, 1]), Loss.gaussian(latents=2)), 3, 0.5).continuous
    True
    """
    settings: dict[str, Any] = {"max_step": max_step, "max_points": max_points, "on_progress": on_progress}
    Span.between(problem, high, low, names=("high", "low"), **settings)  # first, so that errors name these arguments
    down = sweep(problem, high, low, x=x, **settings)
    last = down.branches[-1]
    if down.status is not Status.REACHED:
        return Hysteresis(problem, down, Sweep(problem, (empty(down.status, down.reason),), ()), float("nan"))
    up = sweep(problem, float(last.control[-1]), high, x=last.x[-1], **settings)
    return Hysteresis(problem, down, up, _gap(down, up))


def _table(control: str, jumps: tuple[Jump, ...]) -> Table:
    """Return the table of jumps, each with the way that the control was moving."""

    def places(label: str, name: str) -> Column:
        return Column(label, [getattr(jump, name) for jump in jumps], _or_dash)

    return Table(
        [
            Column(control, ["rising" if jump.at.onward > 0 else "falling" for jump in jumps]),
            Column("ends at a", [jump.at.kind for jump in jumps]),
            places("spinodal", "control"), places("Maxwell", "maxwell"), places("returns", "returns"),
            places("width", "width"), Column("ΔF", [jump.drop for jump in jumps], "{:.4g}".format),
        ]
    )  # fmt: skip


def _or_dash(value: float | None) -> str:
    return "—" if value is None else significant(value, 9)


# ------------------------------------------------------------------------------------------------- what happens at ends


def _stable_continuation(solver: Solver, special: SpecialPoint, onward: float) -> Point | None:
    """Return the first state of the stable branch that goes on in the same direction, or None."""
    point = trunk(solver, special, onward) if special.ends else grown(solver, special)
    forward = point is not None and point.index == 0 and point.tangent[1] * onward > 0
    return point if forward else None


def _fall(solver: Solver, special: SpecialPoint, span: Span) -> Point | Status:
    """Return the minimum that is reached from just behind the end of a branch: the lower one of both sides."""
    q = solver.coordinate(special.control) + span.onward * BEHIND_SPINODAL
    try:
        centre = solver.at(special.x, q)
    except Diverged:
        return Status.UNDERFLOW
    softest = centre.vectors[:, 0] / centre.scale
    reached = [solver.descend(special.x + side * NUDGE * softest, q, span.onward) for side in (1, -1)]
    points = [point for point in reached if isinstance(point, Point)]
    if len(points) < len(reached):  # to one side there is no minimum
        return next(status for status in reached if isinstance(status, Status))
    return min(points, key=lambda point: point.loss)


def _jump(solver: Solver, old: Branch, new: Point, span: Span) -> Jump:
    """Return the jump from the end of one branch to a state beside it, with the way back."""
    special = old.special[-1]
    try:
        turned = solver.at(new.x, new.q, (np.zeros(len(new.x)), -span.onward))
        back = trace(solver, turned, span, leave="always")
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
    """Return the control at which two branches that overlap have the same loss.

    One of them ends in a fold, where a state is no function of the control: it is
    followed by its own length.
    """
    folded, other = (old, new) if old.special[-1].kind == "fold" else (new, old)
    places = solver.coordinates(other.control)
    inset = 1e-9 * np.ptp(places)
    ends = places.min() + inset, places.max() - inset

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


def _gap(down: Sweep, up: Sweep) -> float:
    """Return the largest relative difference of the loss between both sweeps, at controls that no loop covers."""
    loops = [sorted((jump.control, jump.returns)) for jump in (*down.jumps, *up.jumps) if jump.returns is not None]
    worst = 0.0
    for branch in up.branches:
        for control, loss in zip(branch.control[1:-1:3], branch.loss[1:-1:3], strict=True):
            if down._branch_at(control) is None or any(low <= control <= high for low, high in loops):
                continue
            with suppress(Diverged):
                worst = max(worst, abs(down.at(float(control))[1] - loss) / max(1.0, abs(loss)))
    return worst
