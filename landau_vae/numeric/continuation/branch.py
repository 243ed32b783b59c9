"""One branch: followed by pseudo-arclength through folds and past branch points to its end, and kept as a result.

    predict along the tangent:  y + ds ẏ      correct on the hyperplane across it:  ∂F/∂x = 0,  ẏ·δy = 0

y = (z, q). A step that needs few corrections lengthens the next one; one that fails,
bends too far or lands on another branch is halved. Between each two points the special
ones are looked for (`bifurcation_points`). Sources: Keller (1977); Allgower & Georg
(1990).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.linalg import norm
from numpy.typing import NDArray
from scipy.optimize import bisect

from landau_vae.display import Array, Result, counted, readonly
from landau_vae.errors import InputError
from landau_vae.numeric.continuation.bifurcation_points import Chord, SpecialPoint, next_special
from landau_vae.numeric.continuation.solve import FARTHEST, Diverged, Point, Solver, Status
from landau_vae.numeric.problems.problem import Problem

SHORTEST_STEP = 1e-9
STEPS_BEFORE_CLOSED = 5  # so few steps do not lead round a closed branch
FIRST_STEP = 0.1  # of the longest step
MOST_OFF_TANGENT = 0.15  # of a step: how far a state may lie off the tangent at the other end
CRAWLING_STEP = 1e-4  # a step below it may pass a place where two eigenvalues change signs with one another at once
LEAST_OVERLAP = 0.3  # of the unstable directions at both ends of a step
EASY_STEPS = 4  # Newton steps up to which the next step may be longer
STEPS_ACROSS = 30  # so many at least from one end of the range to the other

Leave = Literal["never", "at bifurcations", "always"]  # when a state that loses its stability leaves the branch


@dataclass(frozen=True, eq=False)
class Branch(Result):
    """States along one branch, in the order in which they were found."""

    json_fields = ("control", "loss", "index", "order_parameters", "status")

    control: Array  #: (points,)
    x: Array = field(repr=False)  #: the states, (points, n)
    loss: Array = field(repr=False)  #: F, (points,)
    index: NDArray[np.int64] = field(repr=False)  #: negative directions of the Hessian, (points,); 0: stable
    order_parameters: Array = field(repr=False)  #: as the problem defines them, (points, k)
    special: tuple[SpecialPoint, ...]  #: special points on it, in order
    status: Status  #: how it ended; the value is a sentence
    reason: str = field(repr=False)  #: that sentence, or a more precise one
    parent: SpecialPoint | None = field(default=None, repr=False)  #: where it branched off

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Return which points are local minima, (points,)."""
        return self.index == 0

    def __repr__(self) -> str:
        ends = f" from {self.control[0]:.6g} to {self.control[-1]:.6g}" if len(self.control) else ""
        return f"Branch({counted(len(self.control), 'point')}{ends}, {self.status.name})"


@dataclass(frozen=True)
class Span:
    """Where and in what steps to follow, in the solver's coordinate q."""

    limits: tuple[float, float]  #: least and greatest q
    onward: float  #: +1 towards the greatest, −1 towards the least
    max_step: float  #: longest step, in √nats and in q
    max_points: int  #: of one branch
    on_progress: Callable[[float], object]  #: called with the control after each point

    @classmethod
    def between(
        cls, problem: Problem, start: float, stop: float, max_step: float | None, max_points: int,
        on_progress: Callable[[float], object], names: tuple[str, str] = ("start", "stop"),
    ) -> "Span":  # fmt: skip
        """Return the span from one control to another; raises `InputError` unless they differ and can be followed."""
        positive = problem.logarithmic
        if start == stop or (positive and min(start, stop) <= 0):
            raise InputError(
                f"Branches are followed between two different {'positive ' if positive else ''}numbers, but "
                f"{problem.control} from {start} to {stop} was given: change {names[0]} or {names[1]}."
            )
        first, last = Solver(problem).coordinate(start), Solver(problem).coordinate(stop)
        longest = abs(last - first) / STEPS_ACROSS if max_step is None else max_step
        return cls((min(first, last), max(first, last)), float(np.sign(last - first)), longest, max_points, on_progress)


def trace(solver: Solver, start: Point, span: Span, *, leave: Leave) -> Branch:
    """Follow the branch through a point, from there on until it ends or is left."""

    def record(point: Point | SpecialPoint, control: float, index: int) -> None:
        points.append((control, point.x, point.loss, index, solver.problem.order_parameters(point.x, control)))

    points, special = list[tuple[Any, ...]](), list[SpecialPoint]()
    status, reason, waiting = Status.STEPS, "", 0
    record(start, solver.control(start.q), start.index)
    try:
        for item in walk(solver, start, span):
            if isinstance(item, SpecialPoint):
                special.append(item)
                waiting = waiting - item.kernel_dimension if waiting else item.near  # for the rest of a split multiplet
                if waiting <= 0 and _leaves(special, leave):
                    raise Ended(Status.LEFT)
            elif waiting and _leaves(special, leave):
                raise Ended(Status.LEFT)
            else:
                waiting = 0
                record(item, solver.control(item.q), item.index)
                span.on_progress(points[-1][0])
                if len(points) >= span.max_points:
                    break
    except Ended as end:
        status, reason = end.status, str(end)
        beyond_middle = (solver.coordinate(points[-1][0]) - np.mean(span.limits)) * span.onward
        if status is Status.REACHED and beyond_middle < 0:
            status, reason = Status.RETURNED, ""
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    if special and status in (Status.LEFT, Status.MERGED):  # the special point is the branch's last
        record(special[-1], special[-1].control, special[-1].index[0])
    return _assembled(points, tuple(special), status, reason or status.value)


def joined(falling: Branch, rising: Branch) -> Branch:
    """Return the two halves of a branch that was followed from one state both ways as one, by rising control."""

    chained: dict[str, Any] = {
        name: readonly(np.concatenate([getattr(falling, name)[::-1], getattr(rising, name)[1:]]), None)
        for name in ("control", "x", "loss", "index", "order_parameters")
    }
    return replace(rising, special=(*falling.special[::-1], *rising.special), **chained)


def state_on(solver: Solver, branch: Branch, q: float) -> tuple[Array, float]:
    """Return state and loss of a branch at q, from its nearest points; raises `Diverged` where none is found."""
    places = solver.coordinates(branch.control)
    order = np.argsort(places)
    after = int(np.clip(np.searchsorted(places[order], q), 1, len(places) - 1))
    i, j = order[after - 1], order[after]
    share = (q - places[i]) / (places[j] - places[i])
    guess = (1 - share) * branch.x[i] + share * branch.x[j]
    try:
        x, _, _ = solver.correct(guess, q, (np.zeros(len(guess)), 1.0), solver.scale(guess, q))
    except Diverged:  # close to a fold: along the branch
        chord = Chord.between(solver, branch.x[i], float(places[i]), branch.x[j], float(places[j]))
        x = chord.at(chord.root(lambda point: point.q - q)).x
    return x, solver.problem.loss(x, solver.control(q))


def _leaves(special: list[SpecialPoint], leave: Leave) -> bool:
    """Return whether a stable state has lost its stability at the last special points."""
    if leave == "never":
        return False
    first = next((point for point in special if point.index[0] == 0), None)
    return first is not None and first.index[1] > 0 and (leave == "always" or first.kind != "fold")


def empty(status: Status, reason: str | None = None) -> Branch:
    """Return a branch without points, and why it has none."""
    return _assembled([], (), status, reason or status.value)


def _assembled(points: list[tuple[Any, ...]], special: tuple[SpecialPoint, ...], status: Status, reason: str) -> Branch:
    columns = zip(*points, strict=True) if points else ([],) * 5
    kinds = (np.float64, np.float64, np.float64, np.int64, np.float64)
    control, x, loss, index, orders = (readonly(list(c), kind) for c, kind in zip(columns, kinds, strict=True))
    return Branch(control, x, loss, index, orders, special, status, reason)


# ---------------------------------------------------------------------------------------------------- steps along it


class Ended(Exception):
    """Why a walk ended."""

    def __init__(self, status: Status, reason: str = "") -> None:
        super().__init__(reason or status.value)
        self.status = status


def walk(solver: Solver, start: Point, span: Span) -> Iterator[Point | SpecialPoint]:
    """Yield the points of the branch after `start`, and the special ones between them, until `Ended` is raised."""
    a, ds, steps = start, FIRST_STEP * span.max_step, 0
    while True:
        b, landed = _step(solver, a, ds, span.limits)
        try:
            specials = [] if b is None else list(_special_points(solver, a, b))
        except Diverged:  # too long to separate the special points on it: a quarter of it in all
            b, ds = None, ds / 2
        if b is None:
            ds /= 2
            if ds < SHORTEST_STEP:
                raise _ended(solver, a, Status.UNDERFLOW)
            continue
        for special in specials:
            yield special
            if special.ends:
                raise Ended(Status.MERGED)
        yield b
        if landed:
            raise _ended(solver, b, Status.REACHED)
        if not norm(b.x * b.scale) < FARTHEST:
            raise Ended(Status.UNBOUNDED)
        steps += 1
        if steps > STEPS_BEFORE_CLOSED and _passes(a, b, start):
            raise Ended(Status.CLOSED)
        ds = min(ds * (1.6 if b.steps <= EASY_STEPS else 0.8), span.max_step)
        a = b


def _step(solver: Solver, a: Point, ds: float, limits: tuple[float, float]) -> tuple[Point | None, bool]:
    """Return the next point, None if the step is too long, and whether it lies on a limit of the range."""
    dz, dq = a.tangent
    x, q = a.x + ds * dz / a.scale, a.q + ds * dq
    try:
        if not limits[0] <= q <= limits[1]:
            return _land(solver, a, float(np.clip(q, *limits)))
        if solver.problem.singular(solver.control(q)) is not None:
            return _land(solver, a, _edge(solver, a.q, q))
        new_x, new_q, steps = solver.correct(x, q, a.tangent, a.scale)
        if not limits[0] <= new_q <= limits[1]:
            return _land(solver, a, float(np.clip(new_q, *limits)))
        b = solver.at(new_x, new_q, a.tangent, steps)
    except Diverged:
        return None, False
    return (b if _continues(a, b) else None), False


def _land(solver: Solver, a: Point, q: float) -> tuple[Point | None, bool]:
    """Return the last point, at a limit q that lies ahead."""
    if abs(q - a.q) < 1e-14 * max(1.0, abs(q)):
        raise Ended(Status.REACHED)
    dz, dq = a.tangent
    if (q - a.q) * dq <= 0:
        return None, False
    x, _, _ = solver.correct(a.x + dz / a.scale * ((q - a.q) / dq), q, (np.zeros(len(a.x)), 1.0), a.scale)
    b = solver.at(x, q, a.tangent)
    return (b, True) if _continues(a, b) else (None, False)


def _continues(a: Point, b: Point) -> bool:
    """Return whether b continues a: each on the tangent of the other, no exchange of unstable directions."""
    step, rise = (b.x - a.x) * a.scale, b.q - a.q
    distance = np.hypot(norm(step), rise)
    tangents = [np.append(point.tangent[0] * a.scale / point.scale, point.tangent[1]) for point in (a, b)]
    tangents = [tangent / norm(tangent) for tangent in tangents]
    # Near a pitchfork a step may lead from one branch on to the other: then it strays from one of the tangents.
    off = [norm(np.append(step, rise) - distance * tangent) for tangent in tangents]
    if max(off) > MOST_OFF_TANGENT * distance:
        return False
    if distance > CRAWLING_STEP and 0 < a.index == b.index:  # two eigenvalues that change places would go unseen
        overlap = np.linalg.svd(a.vectors[:, : a.index].T @ b.vectors[:, : b.index], compute_uv=False)
        return bool(overlap[-1] > LEAST_OVERLAP)
    return True


def _passes(a: Point, b: Point, start: Point) -> bool:
    """Return whether the step from a to b leads past the state that the branch began with, in the same direction."""
    step, rise = (b.x - a.x) * a.scale, b.q - a.q
    back, fall = (start.x - a.x) * a.scale, start.q - a.q
    length = float(np.hypot(norm(step), rise))
    share = float(back @ step + fall * rise) / length**2
    if not 0 < share <= 1:
        return False
    off = np.hypot(norm(back - share * step), fall - share * rise)
    alike = float(start.tangent[0] @ a.tangent[0] + start.tangent[1] * a.tangent[1])
    return bool(off < MOST_OFF_TANGENT * length and alike > 0)


def _special_points(solver: Solver, a: Point, b: Point) -> Iterator[SpecialPoint]:
    while (first := next_special(solver, a, b)) is not None:
        special, a = first
        yield special
        if special.ends:
            return


def _edge(solver: Solver, inside: float, outside: float) -> float:
    """Return the last q before the problem has no minimum."""

    def side(q: float) -> float:
        return 1.0 if solver.problem.singular(solver.control(q)) is None else -1.0

    return float(bisect(side, inside, outside, xtol=1e-15)) - 1e-9 * float(np.sign(outside - inside))


def _ended(solver: Solver, point: Point, status: Status) -> Ended:
    """Return the end of a walk at a point: UNBOUNDED if the problem has no minimum a little further on, or `status`."""
    reason = solver.problem.singular(solver.control(point.q + 1e-6 * float(np.sign(point.tangent[1]))))
    return Ended(status if reason is None else Status.UNBOUNDED, reason or "")
