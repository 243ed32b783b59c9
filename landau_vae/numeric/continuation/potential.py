"""The Landau potential of any problem, to all orders: the loss of a state held at an amplitude, all else relaxed.

    V(r; control) = min F(x; control)  over x with  â · (z − z*) = r

â is the direction in which a branch leaves a special point, z* the state there; the constraint costs one Lagrange
multiplier, which is the force ∂V/∂r. Near the point V = ½ μ′(q − q*) r² + κ₃ r³ + κ₄ r⁴ + … (see `normal_form`).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.errors import InputError
from landau_vae.numeric.continuation.solve import Diverged, Solver, bordered
from landau_vae.numeric.continuation.special import SpecialPoint
from landau_vae.numeric.problems.problem import Problem
from landau_vae.results import Array, readonly

__all__ = ["Potential", "landau_potential"]

NEWTON_STEPS = 30


@dataclass(frozen=True, eq=False)
class Potential:
    """V over amplitude and control."""

    problem: Problem = field(repr=False)
    special: SpecialPoint = field(repr=False)
    control: Array  #: (c,)
    amplitude: Array  #: r, (r,), in z: units of √nats
    value: Array = field(repr=False)  #: V(r) − V(0), (c, r), F's units; NaN where no state was found
    order_parameters: Array = field(repr=False)  #: of the constrained states, (c, r, k)


def landau_potential(problem: Problem, special: SpecialPoint, control: ArrayLike, amplitude: ArrayLike) -> Potential:
    """The potential along the direction in which the stable branch leaves a pitchfork, at some values of the control.

    Amplitudes are reached one after the other from 0 outwards, in the order given: let them be dense enough.

    >>> from landau_vae import Loss, Spectrum
    >>> from landau_vae.numeric.continuation.follow import follow
    >>> from landau_vae.numeric.problems import Linear
    >>> problem = Linear(Spectrum.from_eigenvalues([1.0]), Loss.gaussian(latents=1))
    >>> [special] = follow(problem, 2, 0.5).special
    >>> r = np.linspace(0, 0.5, 6)
    >>> V = landau_potential(problem, special, [1.0], r).value[0]
    >>> bool(abs(V[1] / (special.form.quartic * r[1] ** 4) - 1) < 0.01)
    True
    """
    form = special.form
    if form is None:
        raise InputError(f"A {special.kind} has no direction in which a branch leaves: give a pitchfork.")
    solver = Solver(problem)
    controls, amplitudes = (np.atleast_1d(np.asarray(values, dtype=float)) for values in (control, amplitude))
    scale = solver.scale(special.x, solver.coordinate(special.control))
    along = form.kernel @ form.direction
    value = np.full((len(controls), len(amplitudes)), np.nan)
    orders = np.full((*value.shape, len(problem.order_parameters(special.x, special.control))), np.nan)
    for c, one in enumerate(controls):
        q = solver.coordinate(float(one))
        start: Array = special.x + (q - solver.coordinate(special.control)) * form.trunk / scale
        try:
            x, force = _held(solver, special, start, 0.0, 0.0, q, along, scale)
        except Diverged:
            continue
        ground, reached = problem.loss(x, float(one)), 0.0
        for r, place in enumerate(amplitudes):
            try:
                x, force = _held(solver, special, x + (place - reached) * along / scale, force, place, q, along, scale)
            except Diverged:
                break
            reached = place
            value[c, r] = problem.loss(x, float(one)) - ground
            orders[c, r] = problem.order_parameters(x, float(one))
    return Potential(problem, special, readonly(controls), readonly(amplitudes), readonly(value), readonly(orders))


def _held(
    solver: Solver, special: SpecialPoint, x: Array, force: float, place: float, q: float, along: Array, scale: Array
) -> tuple[Array, float]:
    """The state at an amplitude with everything else relaxed, and the force that holds it there."""
    for _ in range(NEWTON_STEPS):
        hessian, _ = solver.hessian(x, q, scale)
        slope = solver.gradient(x, q, scale) - force * along
        short = place - float(along @ ((x - special.x) * scale))
        move, change = bordered(hessian, -along, (along, 0.0), -slope, short)
        x, force = x + move / scale, force + change
        if np.linalg.norm(move) < 1e-9 * (1 + np.linalg.norm(x * scale)):
            return x, force
    raise Diverged("no state at this amplitude")
