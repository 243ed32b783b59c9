"""Predictor and corrector along one branch, by pseudo-arclength: through folds, past branch points, to the end.

    predict along the tangent:  y + ds ẏ      correct on the hyperplane across it:  ∂F/∂x = 0,  ẏ·δy = 0

y = (z, q). A step that needs few corrections lengthens the next one; one that fails, bends too far or lands elsewhere
is halved. Between each two points the special ones are looked for (`special`). Sources: Keller (1977); Allgower & Georg
(1990).
"""

from collections.abc import Iterator

import numpy as np

from landau_vae.numeric.continuation.bifurcation_points import SpecialPoint, next_special
from landau_vae.numeric.continuation.solve import Diverged, Point, Solver
from landau_vae.numeric.continuation.status import FARTHEST, Status

__all__ = ["Ended", "walk"]

SHORTEST = 1e-9  # a step below it is no step
FEW = 5  # steps that do not lead round a closed branch
CAREFUL = 0.1  # of the longest step: the first one
STRAY = 0.15  # of a step: how far a state may lie off the tangent at the other end
CRAWL = 1e-4  # a step below it may pass a place where two eigenvalues change signs with one another at once
SHARED = 0.3  # least overlap of the unstable directions at both ends of a step
EASY = 4  # Newton steps up to which the next step may be longer


class Ended(Exception):
    """Why a walk ended."""

    def __init__(self, status: Status, reason: str = "") -> None:
        super().__init__(reason or status.value)
        self.status = status


def walk(
    solver: Solver, start: Point, limits: tuple[float, float], *, max_step: float
) -> Iterator[Point | SpecialPoint]:
    """The points of the branch after `start`, and the special ones between them, until `Ended` is raised."""
    a, ds, steps = start, CAREFUL * max_step, 0
    while True:
        b, landed = _step(solver, a, ds, limits)
        if b is None:
            ds /= 2
            if ds < SHORTEST:
                raise _underflow(solver, a)
            continue
        try:
            found = list(_special_points(solver, a, b))
        except Diverged:
            ds /= 4
            if ds < SHORTEST:
                raise _underflow(solver, a) from None
            continue
        for special in found:
            yield special
            if special.ends:
                raise Ended(Status.MERGED)
        yield b
        if landed:
            reason = _no_minimum_ahead(solver, b)
            raise Ended(Status.REACHED if reason is None else Status.UNBOUNDED, reason or "")
        if not np.linalg.norm(b.x * b.scale) < FARTHEST:
            raise Ended(Status.UNBOUNDED)
        steps += 1
        if steps > FEW and _passes(a, b, start):
            raise Ended(Status.CLOSED)
        ds = min(ds * (1.6 if b.steps <= EASY else 0.8), max_step)
        a = b


def _step(solver: Solver, a: Point, ds: float, limits: tuple[float, float]) -> tuple[Point | None, bool]:
    """The next point, None if the step is too long, and whether it lies on a limit of the range."""
    dz, dq = a.tangent
    x, q = a.x + ds * dz / a.scale, a.q + ds * dq
    try:
        if not limits[0] <= q <= limits[1]:
            return _land(solver, a, limits[0] if q < limits[0] else limits[1])
        if solver.problem.singular(solver.control(q)) is not None:
            return _land(solver, a, _edge(solver, a.q, q))
        new_x, new_q, steps = solver.correct(x, q, a.tangent, a.scale)
        if not limits[0] <= new_q <= limits[1]:
            return _land(solver, a, limits[0] if new_q < limits[0] else limits[1])
        b = solver.at(new_x, new_q, a.tangent, steps)
    except Diverged:
        return None, False
    return (b if _continues(a, b) else None), False


def _land(solver: Solver, a: Point, q: float) -> tuple[Point | None, bool]:
    """The last point, at a given q ahead."""
    if abs(q - a.q) < 1e-14 * max(1.0, abs(q)):
        raise Ended(Status.REACHED)
    dz, dq = a.tangent
    if (q - a.q) * dq <= 0:
        return None, False
    x, _, _ = solver.correct(a.x + dz / a.scale * ((q - a.q) / dq), q, (np.zeros(len(a.x)), 1.0), a.scale)
    b = solver.at(x, q, a.tangent)
    return (b, True) if _continues(a, b) else (None, False)


def _continues(a: Point, b: Point) -> bool:
    """Whether b lies on the same branch as a: each on the tangent of the other, no exchange of unstable directions."""
    step, rise = (b.x - a.x) * a.scale, b.q - a.q
    distance = np.hypot(np.linalg.norm(step), rise)
    tangents = [np.append(point.tangent[0] * a.scale / point.scale, point.tangent[1]) for point in (a, b)]
    tangents = [tangent / np.linalg.norm(tangent) for tangent in tangents]
    # Near a pitchfork a step may lead from one branch on to the other: then it strays from one of the tangents.
    for tangent in tangents:
        off = np.append(step, rise) - distance * tangent
        if np.linalg.norm(off) > STRAY * distance:
            return False
    if distance > CRAWL and 0 < a.index == b.index:  # two eigenvalues that change places would go unseen
        overlap = np.linalg.svd(a.vectors[:, : a.index].T @ b.vectors[:, : b.index], compute_uv=False)
        return bool(overlap[-1] > SHARED)
    return True


def _passes(a: Point, b: Point, start: Point) -> bool:
    """Whether the step from a to b leads past the state that the branch began with, in the same direction."""
    step, rise = (b.x - a.x) * a.scale, b.q - a.q
    back, fall = (start.x - a.x) * a.scale, start.q - a.q
    length = float(np.hypot(np.linalg.norm(step), rise))
    share = float(back @ step + fall * rise) / length**2
    if not 0 < share <= 1:
        return False
    off = np.hypot(np.linalg.norm(back - share * step), fall - share * rise)
    same = float(start.tangent[0] @ a.tangent[0] + start.tangent[1] * a.tangent[1])
    return bool(off < STRAY * length and same > 0)


def _special_points(solver: Solver, a: Point, b: Point) -> Iterator[SpecialPoint]:
    while (found := next_special(solver, a, b)) is not None:
        special, a = found
        yield special
        if special.ends:
            return


def _edge(solver: Solver, inside: float, outside: float) -> float:
    """The last q before the problem has no minimum."""
    for _ in range(60):
        middle = 0.5 * (inside + outside)
        if solver.problem.singular(solver.control(middle)) is None:
            inside = middle
        else:
            outside = middle
    return inside - 1e-9 * np.sign(outside - inside)


def _no_minimum_ahead(solver: Solver, point: Point) -> str | None:
    """Why the problem has no minimum a little further on, if it has none."""
    return solver.problem.singular(solver.control(point.q + 1e-6 * float(np.sign(point.tangent[1]))))


def _underflow(solver: Solver, point: Point) -> Ended:
    reason = _no_minimum_ahead(solver, point)
    return Ended(Status.UNDERFLOW if reason is None else Status.UNBOUNDED, reason or "")
