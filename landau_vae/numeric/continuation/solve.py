"""One point of a branch: Newton's corrector on a hyperplane, the spectrum of the Hessian, the tangent.

    ∂F/∂x (x, q) = 0      z = √metric · x      q = ln β, or the control itself

Everything is measured in z, in which each unknown by itself has stiffness 1, so that
rounding hides neither curvatures of 1e-6 nor of 1e6; the signs of the Hessian's
eigenvalues do not depend on it (Sylvester). Directions of a continuous symmetry are
stiffened: they neither
disturb Newton's steps nor count as soft. A state of high symmetry has a Hessian that
falls apart into many small blocks, which are diagonalised one by one. Source: Allgower
& Georg, Numerical Continuation Methods (1990).
"""

from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from landau_vae.checks import numbers
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.numeric.problems.problem import Problem

NEWTON_STEPS = 12
CONVERGED_STEP = 1e-11  # relative size of the last Newton step: the next one would be within rounding
STALLED_STEP = 1e-6  # a step this small that shrinks no more is rounding, amplified by a nearly singular Hessian
LARGEST_SOLUTION = 1e15  # of equations of order 1: beyond it the system is singular
STILL = 1e-8  # an orbit direction shorter than this (in z) belongs to a state that the symmetry leaves alone
FARTHEST = 1e9  # |z| beyond which a branch runs off
SLOW_STEPS = 5  # of a descent, in which a loss that falls no more is at rest
MOST_ESCAPES = 20  # times that a saddle may be left before giving up
MARGINAL = 1e-12  # curvature in z that is rounding: a direction with less is not one to leave a state along
ESCAPE_STEP = 1e-2  # in z, along the most unstable direction
LOWEST_LOSS = -1e8  # nats: a loss below it has no minimum
NOT_FINITE = "the loss or one of its derivatives is not finite here"


class Status(Enum):
    """How a branch ended; the value is the sentence to read."""

    REACHED = "The end of the range was reached."
    LEFT = "The state lost its stability here and went on along another branch."
    STRANDED = (
        "The state loses its stability here, and no branch was found to go on along: use switch='never' or sweep."
    )
    MERGED = "The branch ends in the one that it branched off from; beyond is its mirror image."
    RETURNED = "The branch turned back and left the range at the end where it began."
    CLOSED = "The branch came back to where it began."
    STEPS = "The number of steps was used up: raise max_points, or lengthen max_step."
    UNDERFLOW = (
        "No state was found a step of 1e-9 further on: the loss may not be smooth here, or its derivatives not exact."
    )
    NOT_STATIONARY = "No stationary state was found near the start: give a better one (x=), or another control."
    NOT_FINITE = "The loss or one of its derivatives is not a finite number at or near the start: begin elsewhere."
    BRANCHES = "The number of branches was used up, and some that were found were not followed: raise max_branches."
    UNBOUNDED = "The branch runs off to infinity, as it does where the loss has no minimum: stay farther from here."
    INTERRUPTED = "Interrupted; what was found until then is kept."

    @property
    def failed(self) -> bool:
        """Return whether the branch ended short of where it should."""
        return self not in (Status.REACHED, Status.LEFT, Status.MERGED, Status.RETURNED, Status.CLOSED)


class Diverged(ArithmeticError):
    """Newton's method found no state near the prediction."""


@dataclass(frozen=True, eq=False)
class Point:
    """A state on a branch and the neighbourhood that a step needs."""

    x: Array  #: (n,)
    q: float  #: ln β, or the control itself
    loss: float
    scale: Array = field(repr=False)  #: √metric, (n,)
    values: Array = field(repr=False)  #: eigenvalues of the Hessian in z, ascending, (n,)
    vectors: Array = field(repr=False)  #: its eigenvectors in z, (n, n)
    slope: Array = field(repr=False)  #: ∂(gradient)/∂q in z, (n,)
    tangent: tuple[Array, float] = field(repr=False)  #: (dz, dq), of length 1
    flat: int = 0  #: directions of the continuous symmetry
    steps: int = 0  #: Newton steps that it took

    @property
    def index(self) -> int:
        """Return the number of negative directions of the Hessian (Morse index); 0: stable."""
        return int(np.count_nonzero(self.values < 0))


class Solver:
    """A problem in the coordinates in which its branches are followed."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def control(self, q: float) -> float:
        """Return the control at a coordinate q."""
        return float(np.exp(q)) if self.problem.logarithmic else float(q)

    def coordinate(self, control: float) -> float:
        """Return the coordinate q of a control."""
        if not np.isfinite(control) or (self.problem.logarithmic and control <= 0):
            kind = "positive" if self.problem.logarithmic else "finite"
            raise InputError(f"{self.problem.control} is {control}, but a {kind} number is expected.", "control")
        return float(np.log(control)) if self.problem.logarithmic else float(control)

    def coordinates(self, control: Array) -> Array:
        """Return the coordinates of many controls."""
        return np.log(control) if self.problem.logarithmic else control

    def beginning(self, x: ArrayLike | None, control: float) -> Array:
        """Return the state to begin with: the user's, or the problem's state of rest."""
        rest = np.asarray(self.problem.rest(control), dtype=float)
        state = rest if x is None else numbers(x, "x")
        if state.shape != rest.shape:
            raise InputError(
                f"The state x has the shape {state.shape}, but one of {rest.shape} is expected: the problem has "
                f"{len(rest)} unknowns, those of problem.rest({control:g}).",
                "x",
            )
        return state

    def scale(self, x: Array, q: float) -> Array:
        """Return √metric at a state."""
        with np.errstate(all="ignore"):
            return np.sqrt(self.problem.metric(x, self.control(q)))

    def gradient(self, x: Array, q: float, scale: Array) -> Array:
        """Return ∂F/∂z."""
        return self.problem.gradient(x, self.control(q)) / scale

    def slope(self, x: Array, q: float, scale: Array) -> Array:
        """Return ∂(∂F/∂z)/∂q."""
        control = self.control(q)
        return self.problem.drift(x, control) * (control if self.problem.logarithmic else 1.0) / scale

    def hessian(self, x: Array, q: float, scale: Array, still: float = STILL) -> tuple[Array, int]:
        """Return ∂²F/∂z² with the symmetry's directions stiffened by 1, and how many these are."""
        hessian = self.problem.hessian(x, self.control(q)) / np.multiply.outer(scale, scale)
        orbit = self.problem.orbit(x) * scale
        if len(orbit):  # an orthonormal basis of its directions, (flat, n)
            _, lengths, basis = np.linalg.svd(orbit, full_matrices=False)
            orbit = basis[lengths > still]
        return hessian + orbit.T @ orbit, len(orbit)

    # ---------------------------------------------------------------------------------------- solving

    def correct(self, x: Array, q: float, normal: tuple[Array, float], scale: Array) -> tuple[Array, float, int]:
        """Return the state nearest to (x, q) on the hyperplane with this normal (in z, q), and the Newton steps taken.

        Raises `Diverged` where the steps do not converge.
        """
        before = np.inf
        for step in range(1, NEWTON_STEPS + 1):
            with np.errstate(all="ignore"):
                hessian, slope = self.hessian(x, q, scale)[0], self.slope(x, q, scale)
                force = -self.gradient(x, q, scale)
            move, rise = bordered(hessian, slope, normal, force, 0.0)
            x, q = x + move / scale, q + rise
            size = float(np.hypot(np.linalg.norm(move), rise))
            stalled = size > 0.3 * before and size < STALLED_STEP
            if stalled or size <= CONVERGED_STEP * (1 + np.linalg.norm(x * scale)):
                return x, q, step
            if size > 2 * before:
                break
            before = size
        raise Diverged("Newton's method does not converge here")

    def at(
        self, x: Array, q: float, towards: tuple[Array, float] | None = None, steps: int = 0, still: float = STILL
    ) -> Point:
        """Return the point at a state, with the tangent whose product with `towards` is positive.

        Without `towards` the tangent is left at 0: at a special point there may be none.
        """
        scale = self.scale(x, q)
        with np.errstate(all="ignore"):
            hessian, flat = self.hessian(x, q, scale, still)
        if not np.all(np.isfinite(hessian)):
            raise Diverged(NOT_FINITE)
        values, vectors = eigh(hessian)
        slope = self.slope(x, q, scale)
        tangent: tuple[Array, float] = np.zeros(len(x)), 0.0
        if towards is not None:
            move, rise = bordered(hessian, slope, towards, np.zeros(len(x)), 1.0)
            length = float(np.hypot(np.linalg.norm(move), rise))
            tangent = move / length, rise / length
        loss = self.problem.loss(x, self.control(q))
        return Point(x, q, loss, scale, values, vectors, slope, tangent, flat, steps)

    def fixed(self, x: Array, q: float, onward: float = 1.0) -> Point:
        """Return the state near x at one q, with the tangent of growing (onward = 1) or falling (−1) q."""
        scale, across = self.scale(x, q), np.zeros(len(x))
        x, q, steps = self.correct(x, q, (across, 1.0), scale)
        return self.at(x, q, (across, onward), steps)

    # ------------------------------------------------------------------------------------ descending

    def descend(self, x: Array, q: float, onward: float = 1.0) -> Point | Status:
        """Return the minimum below a state, or why the descent found no minimum."""
        control = self.control(q)
        if self.problem.singular(control) is not None:
            return Status.UNBOUNDED
        for _ in range(MOST_ESCAPES):
            try:
                x, farthest = self.downhill(x, q)
            except (Diverged, ValueError, np.linalg.LinAlgError):  # SciPy raises either on numbers that are not finite
                return Status.NOT_FINITE
            if not farthest <= FARTHEST or not self.problem.loss(x, control) > LOWEST_LOSS:
                return Status.UNBOUNDED
            try:
                point = self.fixed(x, q, onward)
            except Diverged:
                return Status.UNDERFLOW
            if not point.values[0] < -MARGINAL:
                return point
            x = point.x + ESCAPE_STEP * point.vectors[:, 0] / point.scale
        return Status.UNDERFLOW

    def downhill(self, x: Array, q: float, least: float = 0.0, most: int = 2000) -> tuple[Array, float]:
        """Return a place without slope that a trust region finds, and the largest entry of the way there in z.

        It ends before where a few steps together lower the loss by less than `least`,
        and after `most` steps.
        """
        problem, control, scale, losses = self.problem, self.control(q), self.scale(x, q), list[float]()

        def stop(z: Array) -> None:
            losses.append(bounded(z))
            slow = len(losses) > SLOW_STEPS and losses[-1 - SLOW_STEPS] - losses[-1] < least
            if slow or len(losses) == most:
                raise StopIteration

        def bounded(z: Array) -> float:
            value = problem.loss(x + z / scale, control)
            return value if np.isfinite(value) else 1e300

        options = {"gtol": 1e-9, "maxiter": most, "initial_trust_radius": 0.3, "max_trust_radius": 1e3}
        with np.errstate(all="ignore"):
            if not np.isfinite(problem.loss(x, control)):
                raise Diverged(NOT_FINITE)
            moved = minimize(
                bounded, np.zeros(len(x)), method="trust-exact", options=options,
                jac=lambda z: self.gradient(x + z / scale, q, scale),
                hess=lambda z: problem.hessian(x + z / scale, control) / np.multiply.outer(scale, scale),
                callback=stop,
            ).x  # fmt: skip
        return x + moved / scale, float(np.abs(moved).max())


def bordered(
    hessian: Array, slope: Array, normal: tuple[Array, float], force: Array, along: float
) -> tuple[Array, float]:
    """Return the (dz, dq) that solves H dz + slope dq = force and normal · (dz, dq) = along."""
    if not all(np.isfinite(part).all() for part in (hessian, slope, force)):
        raise Diverged(NOT_FINITE)
    # Unknowns that nothing acts on stay exactly at rest even where their block is singular, so that a bifurcation into
    # them does not disturb the branch that passes by.
    some = moving(hessian, slope, normal[0], force)
    inner = hessian[np.ix_(some, some)]
    matrix = np.block([[inner, slope[some, None]], [normal[0][None, some], np.array([[normal[1]]])]])
    with suppress(np.linalg.LinAlgError):
        answer = np.linalg.solve(matrix, np.append(force[some], along))
        if np.abs(answer).max() < LARGEST_SOLUTION:
            move = np.zeros(len(slope))
            move[some] = answer[:-1]
            return move, float(answer[-1])
    raise Diverged("the linear system is singular")


def eigh(matrix: Array) -> tuple[Array, Array]:
    """Return eigenvalues, ascending, and eigenvectors of a symmetric matrix (n, n), block by block.

    The blocks are the connected components of the exact non-zero pattern; without
    symmetry there is one.

    >>> values, vectors = eigh(np.array([[2.0, 0, 1], [0, 5, 0], [1, 0, 2]]))
    >>> values.tolist(), vectors[:, 2].tolist()
    ([1.0, 3.0, 5.0], [0.0, 1.0, 0.0])
    """
    labels = _labels(matrix)
    sizes = np.bincount(labels)
    if len(sizes) == 1:
        return np.linalg.eigh(matrix)
    members, starts = np.argsort(labels, kind="stable"), np.cumsum(sizes) - sizes
    values, vectors = np.empty(len(matrix)), np.zeros_like(matrix)
    for size in np.unique(sizes):
        rows = members[starts[sizes == size][:, None] + np.arange(size)]  # (blocks of this size, size)
        corner = rows[:, :, None], rows[:, None, :]
        values[rows], vectors[corner] = np.linalg.eigh(matrix[corner])
    order = np.argsort(values, kind="stable")
    return values[order], vectors[:, order]


def moving(matrix: Array, *vectors: Array) -> NDArray[np.bool_]:
    """Return which unknowns share a block with a non-zero entry of the vectors, (n,): all others stay at rest."""
    pushed = np.any(np.stack(vectors) != 0, axis=0)
    labels = _labels(matrix)
    touched = np.zeros(labels.max() + 1, dtype=bool)
    touched[labels[pushed]] = True
    return touched[labels]


def _labels(matrix: Array) -> NDArray[np.int32]:
    """Return the block of each row."""
    return np.asarray(connected_components(csr_array(matrix), directed=False)[1])
