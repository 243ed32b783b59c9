"""The Landau potential of any problem, to all orders: the loss of a state held at an amplitude, all else relaxed.

    V(r; control) = min F(x; control)   over x whose displacement from the special point has the kernel part r â

â is the direction in which a branch leaves the special point; each direction of the
kernel that is held costs one Lagrange multiplier. Near the point V = ½ μ′(q − q*) r² +
κ₃ r³ + κ₄ r⁴ + … (see `normal_form`).
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import checked, numbers
from landau_vae.display import Array, Column, Result, Table, readonly
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.numeric.continuation.bifurcation_points import SpecialPoint
from landau_vae.numeric.continuation.solve import Diverged, Solver
from landau_vae.numeric.problems.problem import Problem

NEWTON_STEPS = 30
FARTHEST = 1e30  # amplitude: powers of it are still numbers
CONVERGED_STEP = 1e-9  # relative size of the last Newton step
ASIDE, BEYOND, POINTS = 0.2, 1.8, 181  # of the picture: controls about the transition, amplitudes about the minimum


@dataclass(frozen=True, eq=False)
class Potential(Result):
    """V over amplitude and control."""

    problem: Problem = field(repr=False)  #: the loss
    special: SpecialPoint = field(repr=False)  #: the point from which the amplitude is measured
    control: Array  #: (c,)
    amplitude: Array  #: r, (r,), in z: units of √nats
    value: Array = field(repr=False)  #: V(r) − V(0), (c, r), F's units; NaN where no state was found
    order_parameters: Array = field(repr=False)  #: of the constrained states, (c, r, k)

    def __repr__(self) -> str:
        name, ends = self.problem.control, f"{self.amplitude[0]:.4g} … {self.amplitude[-1]:.4g}"
        return f"Potential({self.special.kind} at {name} = {self.special.control:.6g}, amplitude {ends})"

    def content(self) -> Iterator[str | Table]:
        """Yield the minimum of the potential at each control."""
        yield repr(self)
        solved = np.isfinite(self.value).any(axis=1)
        lowest = np.nanargmin(self.value[solved], axis=1)
        yield Table(
            [
                Column(self.problem.control, self.control[solved]), Column("lowest at r", self.amplitude[lowest]),
                Column("V there", np.nanmin(self.value[solved], axis=1)),
            ]
        )  # fmt: skip


@checked
def landau_potential(problem: Problem, special: SpecialPoint, control: ArrayLike, amplitude: ArrayLike) -> Potential:
    """Return the potential along the direction in which the stable branch leaves a pitchfork.

    Parameters
    ----------
    problem : Problem
        The loss.
    special : SpecialPoint
        A point at which a branch leaves, such as a pitchfork.
    control : (c,) array_like
        Values of the control.
    amplitude : (r,) array_like
        Amplitudes r. They are reached one after the other from 0 outwards, in the order
        given: let them be dense.

    Returns
    -------
    Potential
        V(r) − V(0) at each control; NaN where no state was found.

    Raises
    ------
    InputError
        If an argument cannot be used.
    OutsideTheory
        If no branch leaves at the special point.

    Examples
    --------
    >>> from landau_vae import Loss, Spectrum, follow
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
        raise OutsideTheory(f"A {special.kind} has no direction in which a branch leaves: give a pitchfork.")
    solver = Solver(problem)
    controls = np.atleast_1d(numbers(control, "control", finite=True)).ravel()
    amplitudes = np.atleast_1d(numbers(amplitude, "amplitude", finite=True)).ravel()
    if np.abs(amplitudes).max(initial=0) > FARTHEST:
        far = f"{np.abs(amplitudes).max():.3g}"
        raise InputError(f"amplitude goes to {far}, but at most {FARTHEST:g} is expected.", "amplitude")
    here = solver.coordinate(special.control)
    scale = solver.scale(special.x, here)
    along = form.kernel @ form.direction
    value = np.full((len(controls), len(amplitudes)), np.nan)
    orders = np.full((*value.shape, len(problem.order_parameters(special.x, special.control))), np.nan)
    for c, place in enumerate(controls.tolist()):
        q = solver.coordinate(place)
        with suppress(Diverged):
            x = _held(solver, special, special.x + (q - here) * form.trunk / scale, 0.0, q, scale)
            ground, reached = problem.loss(x, place), 0.0
            for r, length in enumerate(amplitudes.tolist()):
                x = _held(solver, special, x + (length - reached) * along / scale, length, q, scale)
                reached = length
                value[c, r] = problem.loss(x, place) - ground
                orders[c, r] = problem.order_parameters(x, place)
    return Potential(problem, special, readonly(controls), readonly(amplitudes), readonly(value), readonly(orders))


@checked
def telling_potential(
    problem: Problem,
    special: SpecialPoint,
    living: ArrayLike | None = None,
    controls: tuple[float, float, float] | None = None,
) -> Potential:
    """Return the potential at three controls that show a transition: above, at, and below it.

    Parameters
    ----------
    problem : Problem
        The loss.
    special : SpecialPoint
        A point at which a branch leaves, such as a pitchfork.
    living : (n,) array_like, optional
        A state that the amplitudes should reach; a jump needs it. By default they reach
        well beyond the minimum that the normal form of a continuous transition has.
    controls : tuple of float, optional
        The three controls; by default a fifth above and below the point in the
        coordinate (ln β). For a jump choose them about the Maxwell point.

    Returns
    -------
    Potential
        V(r) − V(0) at the three controls.

    Raises
    ------
    InputError
        If an argument cannot be used.
    OutsideTheory
        If no branch leaves at the point, or its normal form has no minimum and no
        `living` is given.
    """
    form, solver = special.form, Solver(problem)
    if form is None or (living is None and not form.quartic > 0):
        raise OutsideTheory(
            f"The normal form of a {special.kind} does not say how far it leads: give a state to reach (living=)."
        )
    here = solver.coordinate(special.control)
    side = -float(np.sign(form.growth)) * ASIDE  # towards the unstable side
    if controls is None:
        controls = (solver.control(here - side), special.control, solver.control(here + side))
    if living is None:
        farthest = np.sqrt(abs(form.growth * side) / (4 * form.quartic))
    else:
        moved = (numbers(living, "living", shape=special.x.shape) - special.x) * solver.scale(special.x, here)
        farthest = abs(float(form.direction @ form.kernel.T @ moved))
    return landau_potential(problem, special, controls, np.linspace(0, BEYOND * farthest, POINTS))


def _held(solver: Solver, special: SpecialPoint, x: Array, amplitude: float, q: float, scale: Array) -> Array:
    """Return the state nearby with this amplitude and all else relaxed (Newton's method, Lagrange multipliers)."""
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
        if np.linalg.norm(move) < CONVERGED_STEP * (1 + np.linalg.norm(x * scale)):
            return x
    raise Diverged("no state at this amplitude")
