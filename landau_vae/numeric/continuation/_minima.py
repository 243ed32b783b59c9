"""Fall to a minimum from anywhere: a trust-region Newton descent, and all the minima that random starts fall to."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import minimize

from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.numeric.continuation.solve import Diverged, Point, Solver
from landau_vae.numeric.continuation.status import FARTHEST, Status
from landau_vae.numeric.problems.problem import Problem

__all__ = ["State", "descend", "minima"]

ESCAPES = 20  # times that a saddle may be left before giving up
ASIDE = 1e-2  # in z, along the most unstable direction
BOTTOMLESS = -1e8  # nats: no loss of ours comes near it but by having no minimum
WIDER = (4.0, 1.0, 2.0)  # spreads of the starts, in turn; a far minimum has a far basin
SAME = 1e-8  # of the loss (and 1): minima closer than this are one, up to a symmetry


@dataclass(frozen=True, eq=False)
class State:
    """A local minimum."""

    loss: float
    order_parameters: Array
    x: Array = field(repr=False)
    found: int = 1  #: starts that fell to it


def descend(solver: Solver, x: Array, q: float, onward: float = 1.0) -> Point | Status:
    """The minimum below a state, or why there is none."""
    problem, control = solver.problem, solver.control(q)
    if problem.singular(control) is not None:
        return Status.UNBOUNDED
    for _ in range(ESCAPES):
        scale = solver.scale(x, q)
        try:
            with np.errstate(all="ignore"):
                found = _descent(problem, x, control, scale)
        except (Diverged, ValueError, np.linalg.LinAlgError):  # SciPy's complaint about numbers that are none
            return Status.NOT_FINITE
        x = x + found / scale
        if not np.all(np.isfinite(x)) or not problem.loss(x, control) > BOTTOMLESS or np.abs(found).max() > FARTHEST:
            return Status.UNBOUNDED
        try:
            point = solver.fixed(x, q, onward)
        except Diverged:
            return Status.UNDERFLOW
        if point.index == 0:
            return point
        x = point.x + ASIDE * point.vectors[:, 0] / point.scale
    return Status.UNDERFLOW


def minima(problem: Problem, control: float, *, starts: int = 20, spread: float = 1.0, seed: int = 0) -> list[State]:
    """The local minima that random starts fall to, best first; those of equal loss count as one.

    Starts are the state of rest itself, and it plus Gaussian noise of `spread` (twice and four times as much for every
    second and third start), in units of each unknown's own stiffness. What no start falls to is not found.

    >>> import sympy as sp
    >>> from landau_vae.numeric.problems import Symbolic
    >>> from landau_vae.symbolic import Landau
    >>> a, c = sp.symbols("a c", real=True)
    >>> problem = Symbolic(Landau(a**6 / 6 - a**4 / 4 + c * a**2 / 2, a, (), c, {a: 0}))
    >>> [round(float(state.order_parameters[0]), 6) for state in minima(problem, 0.15)]  # a² beside 0, below Maxwell
    [0.816228, 0.0]
    """
    if starts < 1 or not spread > 0:
        raise InputError(
            f"{starts} starts with a spread of {spread} were asked for: give at least one, and a positive spread."
        )
    solver, generator = Solver(problem), np.random.default_rng(seed)
    q, rest = solver.coordinate(control), np.asarray(problem.rest(control), dtype=float)
    scale, found = solver.scale(rest, q), list[State]()
    for n in range(starts + 1):
        start = rest + (WIDER[n % 3] * spread * generator.standard_normal(len(rest)) / scale if n else 0.0)
        point = descend(solver, start, q)
        if isinstance(point, Status):
            continue
        same = [i for i, other in enumerate(found) if abs(other.loss - point.loss) <= SAME * max(1.0, abs(point.loss))]
        if same:
            known = found[same[0]]
            found[same[0]] = State(known.loss, known.order_parameters, known.x, known.found + 1)
        else:
            found.append(State(point.loss, problem.order_parameters(point.x, control), point.x))
    return sorted(found, key=lambda state: state.loss)


def _descent(problem: Problem, x: Array, control: float, scale: Array) -> Array:
    """The displacement in z to a place without slope, downhill."""

    def at(z: Array) -> Array:
        return x + z / scale

    def bounded(z: Array) -> float:
        value = problem.loss(at(z), control)
        return value if np.isfinite(value) else 1e300

    options: dict[str, Any] = {"gtol": 1e-9, "maxiter": 2000, "initial_trust_radius": 0.3, "max_trust_radius": 1e3}
    with np.errstate(all="ignore"):
        start = problem.loss(x, control)
    if not np.isfinite(start):
        raise Diverged("the loss is not finite here")
    found = minimize(
        bounded, np.zeros(len(x)), method="trust-exact", options=options,
        jac=lambda z: problem.gradient(at(z), control) / scale,
        hess=lambda z: problem.hessian(at(z), control) / np.multiply.outer(scale, scale),
    )  # fmt: skip
    return np.asarray(found.x)
