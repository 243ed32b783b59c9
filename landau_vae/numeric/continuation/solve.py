"""One point of a branch: Newton's corrector on a hyperplane, the spectrum of the Hessian, the tangent.

    ∂F/∂x (x, q) = 0      z = √metric · x      q = ln β, or the control itself

Everything is measured in z, in which each unknown by itself has stiffness 1, so that curvatures of 1e-6 and 1e6 can be
told from rounding alike; the signs of the Hessian's eigenvalues do not depend on it (Sylvester). Directions of a
continuous symmetry are stiffened: they neither disturb Newton's steps nor count as soft. Source: Allgower & Georg,
Numerical Continuation Methods (1990).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.numeric.continuation.blocks import eigh, moving
from landau_vae.numeric.problems.problem import Problem

__all__ = ["STALLED", "Diverged", "Point", "Solver", "bordered"]

NEWTON_STEPS = 12
SETTLED = 1e-11  # relative size of the last Newton step: the next one would be within rounding
STALLED = 1e-6  # a step that is this small and shrinks no more is rounding, amplified by a nearly singular Hessian
SINGULAR = 1e15  # a solution beyond it (of equations of order 1) is that of a singular system
STILL = 1e-8  # an orbit direction shorter than this (in z) belongs to a state that the symmetry leaves alone
NOT_FINITE = "the loss or one of its derivatives is not finite here"


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
        """Negative directions of the Hessian (Morse index); 0: stable."""
        return int(np.count_nonzero(self.values < 0))


class Solver:
    """A problem in the coordinates in which its branches are followed."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def control(self, q: float) -> float:
        """The control at a coordinate q."""
        return float(np.exp(q)) if self.problem.logarithmic else float(q)

    def coordinate(self, control: float) -> float:
        """The coordinate q of a control."""
        if not np.isfinite(control) or (self.problem.logarithmic and control <= 0):
            kind = "positive" if self.problem.logarithmic else "finite"
            raise InputError(f"{self.problem.control} is {control}, but a {kind} number is expected.")
        return float(np.log(control)) if self.problem.logarithmic else float(control)

    def coordinates(self, control: Array) -> Array:
        """The coordinates of many controls."""
        return np.log(control) if self.problem.logarithmic else control

    def beginning(self, x: ArrayLike | None, control: float) -> Array:
        """The state to begin with: the one that is given, or the problem's state of rest."""
        rest = np.asarray(self.problem.rest(control), dtype=float)
        given = rest if x is None else np.asarray(x, dtype=float)
        if given.shape != rest.shape:
            raise InputError(
                f"The state x has the shape {given.shape}, but one of {rest.shape} is expected: the problem has "
                f"{len(rest)} unknowns, those of problem.rest({control:g})."
            )
        return given

    def scale(self, x: Array, q: float) -> Array:
        """√metric at a state."""
        with np.errstate(all="ignore"):
            return np.sqrt(self.problem.metric(x, self.control(q)))

    def gradient(self, x: Array, q: float, scale: Array) -> Array:
        """∂F/∂z."""
        return self.problem.gradient(x, self.control(q)) / scale

    def slope(self, x: Array, q: float, scale: Array) -> Array:
        """∂(∂F/∂z)/∂q."""
        control = self.control(q)
        return self.problem.drift(x, control) * (control if self.problem.logarithmic else 1.0) / scale

    def hessian(self, x: Array, q: float, scale: Array, still: float = STILL) -> tuple[Array, int]:
        """∂²F/∂z² with the symmetry's directions stiffened by 1, and how many these are."""
        hessian = self.problem.hessian(x, self.control(q)) / np.multiply.outer(scale, scale)
        orbit = self._orbit(x, scale, still)
        return hessian + orbit.T @ orbit, len(orbit)

    def _orbit(self, x: Array, scale: Array, still: float) -> Array:
        """An orthonormal basis of the symmetry's directions in z, (flat, n)."""
        moved = self.problem.orbit(x) * scale
        if not len(moved):
            return moved
        _, lengths, basis = np.linalg.svd(moved, full_matrices=False)
        return basis[lengths > still]

    # ---------------------------------------------------------------------------------------- solving

    def correct(self, x: Array, q: float, normal: tuple[Array, float], scale: Array) -> tuple[Array, float, int]:
        """The state nearest to (x, q) on the hyperplane through it with this normal (in z, q); Newton steps taken.

        Raises `Diverged` if there is none to be found.
        """
        before = np.inf
        for step in range(1, NEWTON_STEPS + 1):
            with np.errstate(all="ignore"):
                hessian, slope = self.hessian(x, q, scale)[0], self.slope(x, q, scale)
                force = -self.gradient(x, q, scale)
            move, rise = bordered(hessian, slope, normal, force, 0.0)
            x, q = x + move / scale, q + rise
            size = float(np.hypot(np.linalg.norm(move), rise))
            if size <= SETTLED * (1 + np.linalg.norm(x * scale)) or (size > 0.3 * before and size < STALLED):
                return x, q, step
            if size > 2 * before:
                break
            before = size
        raise Diverged("Newton's method does not converge here")

    def at(
        self, x: Array, q: float, towards: tuple[Array, float] | None = None, steps: int = 0, still: float = STILL
    ) -> Point:
        """The point at a state: eigenvalues, eigenvectors and the tangent whose product with `towards` is positive.

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
        """The state near x at a given q, with the tangent of growing (onward = 1) or falling (−1) q."""
        scale, rest = self.scale(x, q), np.zeros(len(x))
        x, q, steps = self.correct(x, q, (rest, 1.0), scale)
        return self.at(x, q, (rest, onward), steps)


def bordered(
    hessian: Array, slope: Array, normal: tuple[Array, float], force: Array, along: float
) -> tuple[Array, float]:
    """(dz, dq) that solves H dz + slope dq = force and normal · (dz, dq) = along."""
    if not (np.all(np.isfinite(hessian)) and np.all(np.isfinite(slope)) and np.all(np.isfinite(force))):
        raise Diverged(NOT_FINITE)
    some = moving(hessian, slope, normal[0], force)
    inner = hessian[np.ix_(some, some)]
    matrix = np.block([[inner, slope[some, None]], [normal[0][None, some], np.array([[normal[1]]])]])
    try:
        answer = np.linalg.solve(matrix, np.append(force[some], along))
    except np.linalg.LinAlgError:
        raise Diverged("the linear system is singular") from None
    if not np.abs(answer).max() < SINGULAR:
        raise Diverged("the linear system is singular")
    move = np.zeros(len(slope))
    move[some] = answer[:-1]
    return move, float(answer[-1])
