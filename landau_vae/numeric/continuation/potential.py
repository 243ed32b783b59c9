"""The Landau potential of any problem, to all orders: the loss of a state held at an amplitude, all else relaxed.

    V(r; control) = min F(x; control)   over x whose displacement from the special point has the kernel part r â

â is the direction in which a branch leaves the special point; each direction of the kernel that is held costs one
Lagrange multiplier. Near the point V = ½ μ′(q − q*) r² + κ₃ r³ + κ₄ r⁴ + … (see `normal_form`).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.numeric.continuation.bifurcation_points import SpecialPoint
from landau_vae.numeric.continuation.solve import Diverged, Solver
from landau_vae.numeric.problems.problem import Problem

__all__ = ["Potential", "landau_potential", "telling_potential"]

NEWTON_STEPS = 30
ASIDE, BEYOND, POINTS = 0.2, 1.8, 181  # of a telling picture
SETTLED = 1e-9  # relative size of the last Newton step


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
    >>> from landau_vae.numeric.continuation._follow import follow
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
    here = solver.coordinate(special.control)
    scale = solver.scale(special.x, here)
    along = form.kernel @ form.direction
    value = np.full((len(controls), len(amplitudes)), np.nan)
    orders = np.full((*value.shape, len(problem.order_parameters(special.x, special.control))), np.nan)
    for c, one in enumerate(controls):
        q = solver.coordinate(float(one))
        try:
            x = _held(solver, special, special.x + (q - here) * form.trunk / scale, 0.0, q, scale)
            ground, reached = problem.loss(x, float(one)), 0.0
            for r, place in enumerate(amplitudes):
                x = _held(solver, special, x + (place - reached) * along / scale, place, q, scale)
                reached = place
                value[c, r] = problem.loss(x, float(one)) - ground
                orders[c, r] = problem.order_parameters(x, float(one))
        except Diverged:
            continue
    return Potential(problem, special, readonly(controls), readonly(amplitudes), readonly(value), readonly(orders))


def telling_potential(
    problem: Problem,
    special: SpecialPoint,
    living: Array | None = None,
    controls: tuple[float, float, float] | None = None,
) -> Potential:
    """The potential at three controls that show what happens at a pitchfork: above, at, and below the transition.

    By default a fifth above and below it in the coordinate, and amplitudes a good way beyond the minimum that the
    normal form predicts. For a jump say at which `controls` (about the Maxwell point) and how far: to a state `living`.
    """
    form, solver = special.form, Solver(problem)
    if form is None or (living is None and not form.quartic > 0):
        raise InputError(f"How far a {special.kind} leads is not in its normal form: give a state to reach (living=).")
    here = solver.coordinate(special.control)
    side = -float(np.sign(form.growth)) * ASIDE  # towards the unstable side
    if controls is None:
        controls = (solver.control(here - side), special.control, solver.control(here + side))
    if living is None:
        farthest = np.sqrt(abs(form.growth * side) / (4 * form.quartic))
    else:
        moved = (living - special.x) * solver.scale(special.x, here)
        farthest = abs(float(form.direction @ form.kernel.T @ moved))
    return landau_potential(problem, special, controls, np.linspace(0, BEYOND * farthest, POINTS))


def _held(solver: Solver, special: SpecialPoint, x: Array, amplitude: float, q: float, scale: Array) -> Array:
    """The state nearby with this amplitude and everything outside the kernel relaxed (Newton, Lagrange multipliers)."""
    form = special.form
    assert form is not None
    n, k = form.kernel.shape
    matrix = np.zeros((n + k, n + k))
    matrix[:n, n:], matrix[n:, :n] = form.kernel, form.kernel.T
    for _ in range(NEWTON_STEPS):
        matrix[:n, :n] = solver.hessian(x, q, scale)[0]
        short = amplitude * form.direction - form.kernel.T @ ((x - special.x) * scale)
        try:
            move = np.linalg.solve(matrix, np.append(-solver.gradient(x, q, scale), short))[:n]
        except np.linalg.LinAlgError:
            break
        x = x + move / scale
        if not np.all(np.isfinite(x)):
            break
        if np.linalg.norm(move) < SETTLED * (1 + np.linalg.norm(x * scale)):
            return x
    raise Diverged("no state at this amplitude")
