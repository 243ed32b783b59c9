"""Bifurcation points: folds, pitchforks, transcritical points; where they are and which branches leave there.

At a special point an eigenvalue of the Hessian vanishes, or the branch turns. Between
two neighbouring points the branch is interpolated (Hermite) and solved for at any
fraction of the way; the eigenvalue that changes sign, or the tangent's share of the
control, is brought to zero by Brent's method. The interval that is reported is the
control between two *solved* states on either side with the numbers of negative
eigenvalues that hold far from the point: the true value lies between them.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import brentq

from landau_vae.display import Array
from landau_vae.numeric.continuation.normal_form import NormalForm, normal_form
from landau_vae.numeric.continuation.solve import Diverged, Point, Solver

FIRST_BRACKET = 1e-10  # of q: how far from the point it is bracketed at first
FIRST_BRACKET_OF_TURN = 1e-5  # in z and q: where the branch turns the control moves by the square only
WIDEST_BRACKET = 1e-3  # beyond it a bracket says nothing
LONGEST_UNBRACKETED = 1e-5  # a step (in z and q) over which a point that cannot be bracketed any closer is accepted
EIGENVALUE_NOISE = 1e-12  # of the largest eigenvalue: what rounding of the Hessian can do to a vanishing one
SAME_LOSS = 1e-9  # of the loss (and 1): places that differ by less are one
SYMMETRIC_PUSH = 1e-5  # a change of the control pushes less than this along a branch that turns because of a symmetry
RESTING_AMPLITUDE = 1e-4  # of the kernel (in z): below it the state counts as at rest there


@dataclass(frozen=True, eq=False)
class SpecialPoint:
    """Where branches meet, or one turns: an estimate of the control, with the interval that holds it."""

    kind: str  #: 'fold', 'transcritical', '(supercritical, subcritical, degenerate) pitchfork'; 'branch point': unknown
    control: float  #: estimate
    interval: tuple[float, float]  #: the control of solved states to either side
    status: str  #: 'bracketed', or why the interval is only an estimate
    kernel_dimension: int  #: eigenvalues that vanish
    index: tuple[int, int]  #: negative directions before and after, along the branch
    loss: float  #: F there
    x: Array = field(repr=False)  #: the state, (n,)
    form: NormalForm | None = field(repr=False)  #: what branches off, where something does
    precision: float  #: half the interval; relative, where the control is followed in its logarithm
    onward: float  #: +1 or −1: whether the control was rising or falling on arrival
    ends: bool = False  #: whether the branch ends here, in the one that it branched off from

    def is_at(self, other: "SpecialPoint") -> bool:
        """Return whether another special point is at the same place, up to a symmetry.

        Parameters
        ----------
        other : SpecialPoint
            The other one.

        Returns
        -------
        bool
        """
        apart = abs(self.control - other.control) - np.ptp(self.interval) - np.ptp(other.interval)
        return bool(apart <= 0 and abs(self.loss - other.loss) <= SAME_LOSS * max(1.0, abs(self.loss)))

    @property
    def near(self) -> int:
        """Return how many more eigenvalues vanish so near that the branches that leave belong to all of them."""
        return 0 if self.form is None else self.form.kernel.shape[1] - self.kernel_dimension

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers of the point and of its normal form, by name."""
        names = ("kind", "control", "interval", "precision", "status", "kernel_dimension", "index", "loss")
        form = {name: getattr(self.form, name, None) for name in ("growth", "cubic", "quartic")}
        return {name: getattr(self, name) for name in names} | form


def next_special(solver: Solver, a: Point, b: Point) -> tuple[SpecialPoint, Point] | None:
    """Return the first special point between two points of a branch, and a point of the branch just behind it.

    Raises `Diverged` where the branch between them cannot be solved for (then they are
    too far apart).
    """
    turns, crosses = a.tangent[1] * b.tangent[1] < 0, a.index != b.index
    if not (turns or crosses):
        return None
    between = Chord(solver, a, b)
    first = a.index if b.index > a.index else a.index - 1  # the eigenvalue that changes sign first
    turn = between.root(lambda point: point.tangent[1]) if turns else np.inf
    cross = between.root(lambda point: float(point.values[first])) if crosses else np.inf
    turns_first = turn < cross + 1e-3  # at a fold both vanish at once, and the turn is the sharper of the two
    return _bracket(between, turn if turns_first else cross, turns_first)


class Chord:
    """The branch between two of its points, solved for at a fraction θ of the way."""

    def __init__(self, solver: Solver, a: Point, b: Point) -> None:
        self.solver, self.a, self.b = solver, a, b
        self.step = (b.x - a.x) * a.scale
        self.rise = b.q - a.q
        self.length = float(np.hypot(np.linalg.norm(self.step), self.rise))
        self.normal = self.step / self.length, self.rise / self.length
        states, slopes = zip(*((np.append(end.x, end.q), self._slope(end)) for end in (a, b)), strict=True)
        self._guess = CubicHermiteSpline([0.0, 1.0], states, slopes)
        self._solved: dict[float, Point] = {0.0: a, 1.0: b}

    @classmethod
    def between(cls, solver: Solver, x: Array, q: float, later_x: Array, later_q: float) -> "Chord":
        """Return the chord of two neighbouring states."""
        normal = (later_x - x) * solver.scale(x, q), later_q - q
        return cls(solver, solver.at(x, q, normal), solver.at(later_x, later_q, normal))

    def at(self, theta: float) -> Point:
        """Return the point of the branch above this place of the chord."""
        if theta not in self._solved:
            *x, q = self._guess(theta)
            x, q, steps = self.solver.correct(np.array(x), float(q), self.normal, self.a.scale)
            self._solved[theta] = self.solver.at(x, q, self.normal, steps)
        return self._solved[theta]

    def root(self, of: Callable[[Point], float], low: float = 0.0, high: float = 1.0) -> float:
        """Return the θ at which a quantity that changes sign along the chord vanishes."""

        def value(theta: float) -> float:
            with suppress(Diverged):
                return of(self.at(theta))
            return 0.0  # singular to rounding: this is the place, or bracketing it will fail

        return float(brentq(value, low, high, xtol=1e-11, rtol=1e-13))

    def within(self, theta: float, low: float, high: float) -> float:
        """Return an end of the chord, or the nearest place at which q lies in a range that the chord reaches into."""
        bound = min(max(self.at(theta).q, low), high)
        return theta if bound == self.at(theta).q else self.root(lambda point: point.q - bound)

    def _slope(self, point: Point) -> Array:
        """Return d(x, q)/dθ at an end."""
        along, rise = point.tangent[0] * self.a.scale / point.scale, point.tangent[1]
        forward = float(along @ self.normal[0] + rise * self.normal[1])
        return np.append(along / self.a.scale, rise) * (self.length / forward)


def _bracket(between: Chord, theta: float, turn: bool) -> tuple[SpecialPoint, Point]:
    """Return the special point at a place of the chord, bracketed as closely as possible, and a state behind it."""
    solver, a, b = between.solver, between.a, between.b
    try:
        centre = between.at(theta)
    except Diverged:  # too near a singular Hessian: any neighbour that can be solved for will do
        centre = between.at(theta * (1 - 1e-7))
    along = float(centre.tangent[0] @ centre.slope)
    ends = turn and abs(along) < SYMMETRIC_PUSH * max(1.0, float(np.linalg.norm(centre.slope)))
    fold, status = turn and not ends, "bracketed"
    before, after = _sides(between, theta, turn, fold)
    if before is None or after is None:
        if between.length > LONGEST_UNBRACKETED:
            raise Diverged("the step is too long to separate a special point from its neighbourhood")
        before, after, status = a, b, "the Hessian is too nearly singular to bracket the point more closely"
    if turn:
        half = 4 * max(abs(before.q - centre.q), abs(after.q - centre.q)) + 1e-11 * max(1.0, abs(centre.q))
        q, low, high = centre.q, centre.q - half, centre.q + half
    else:
        low, high = sorted((before.q, after.q))
        q = 0.5 * (low + high)
    index = (a.index, a.index) if ends else (before.index, after.index)  # behind its end is the branch's mirror image
    soft, kind, form = abs(index[1] - index[0]) or 1, "fold" if fold else "branch point", None
    if not fold:
        if ends:  # the state is at rest to 1e-8, and so is the symmetry that moves it
            centre = solver.at(centre.x, centre.q, still=RESTING_AMPLITUDE)
        with suppress(Diverged):
            form = normal_form(solver, centre, *((None, None) if ends else (soft, _trunk(between, theta, centre))))
            kind, soft = form.kind, form.soft
    special = SpecialPoint(
        kind, solver.control(q), (solver.control(low), solver.control(high)), status,
        soft, index, centre.loss, centre.x, form, 0.5 * (high - low), float(np.sign(a.tangent[1])), ends,
    )  # fmt: skip
    return special, after


def _sides(between: Chord, theta: float, turn: bool, fold: bool) -> tuple[Point, Point] | tuple[None, None]:
    """Return the nearest solved states on either side that differ by more than rounding, if there are any."""
    start = between.a
    noise = EIGENVALUE_NOISE * max(1.0, float(start.values[-1]))
    speed = between.length if turn else abs(between.rise)
    close = FIRST_BRACKET_OF_TURN if turn else FIRST_BRACKET
    reach = close / max(speed, close)
    while reach * speed <= WIDEST_BRACKET:
        with suppress(Diverged):
            before, after = between.at(max(theta - reach, 0.0)), between.at(min(theta + reach, 1.0))
            clear = all(np.abs(point.values).min() > noise for point in (before, after))
            turned = start.tangent[1] * before.tangent[1] > 0 > start.tangent[1] * after.tangent[1]
            crossed = clear and before.index == start.index != after.index
            if (turned or not turn) and (crossed or (turn and not fold)):
                return before, after
        reach *= 4
    return None, None


def _trunk(between: Chord, theta: float, centre: Point) -> Array | None:
    """Return dz/dq along the branch, by differences over a stretch on which the Hessian is not nearly singular."""
    with suppress(Diverged):
        low, high = (between.at(float(np.clip(theta + step, 0.0, 1.0))) for step in (-1e-3, 1e-3))
        if rise := high.q - low.q:
            return (high.x - low.x) * centre.scale / rise
    return None
