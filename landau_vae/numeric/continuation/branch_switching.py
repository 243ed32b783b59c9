"""Branch switching: the first states of the branches that leave a special point.

A state is displaced along a direction of the normal form, by so little that it does not
reach the neighbouring thresholds: the number of its unstable directions must be the one
that the normal form predicts.
"""

from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from landau_vae.display import Array
from landau_vae.numeric.continuation.bifurcation_points import RESTING_AMPLITUDE, SpecialPoint
from landau_vae.numeric.continuation.normal_form import VANISHING_COEFFICIENT, NormalForm, Reduced
from landau_vae.numeric.continuation.solve import Diverged, Point, Solver

AMPLITUDES = tuple(0.1 * 0.3**n for n in range(11))  # in z, until the prediction holds
NEGLIGIBLE_ENTRY = 1e-6  # of the largest entry: smaller ones of a guess are rounding
FORCE_STEP = 1e-3  # on the unit sphere of the kernel, for differences of the force
FLAT_CURVATURE = 1e-4  # of the largest curvature (and 1): below it the leading order does not decide the sign
LEAST_SHIFT = 1e-9  # of q, per amplitude²: less is a branch along which the control does not change


def grown(solver: Solver, special: SpecialPoint) -> Point | None:
    """Return the first state of the branch that the state grows along where it loses its stability, if there is one."""
    form = special.form
    if form is None:
        return None
    with suppress(Diverged):
        reduced = _reduced(solver, special)
        point = _displaced(reduced, form, _side(special) * form.direction)
        if point is None and special.near and form.kind == "supercritical pitchfork":
            point = _settled(reduced, form, special.onward)
        return point
    return None


def leaving(solver: Solver, special: SpecialPoint) -> Iterator[Point]:
    """Yield the first states of all branches that leave here, one of each kind that was found, the trunk's excepted."""
    form = special.form
    if form is None:
        return
    odd = form.kind == "transcritical"
    with suppress(Diverged):
        reduced = _reduced(solver, special)
        for direction in reduced.directions(odd=odd):
            for side in (1.0, -1.0) if odd else (1.0,):
                point = _displaced(reduced, form, side * direction)
                if point is not None and _selected(reduced, direction, odd, point.flat - reduced.centre.flat):
                    yield point


def trunk(solver: Solver, special: SpecialPoint, onward: float) -> Point | None:
    """Return the first state of the branch that another one ends in, towards rising (+1) or falling (−1) control."""
    if special.form is None:
        return None
    with suppress(Diverged):
        reduced = _reduced(solver, special)
        centre, expected = reduced.centre, reduced.others_index
        expected += reduced.kernel.shape[1] if special.form.growth * onward < 0 else 0
        for step in (onward * amplitude**2 for amplitude in AMPLITUDES):
            with suppress(Diverged):
                point = solver.fixed(centre.x + step * special.form.trunk / centre.scale, centre.q + step, onward)
                if point.index == expected:
                    return point
    return None


def _side(special: SpecialPoint) -> float:
    """Return which of the two directions ±â a state takes: only at a transcritical point they differ.

    One vanishing eigenvalue: the branch that is stable beyond. Several: that one is a
    saddle, and the minima are reached through the other, which comes back towards the
    stable side and turns (a jump, for a sweep).
    """
    form = special.form
    assert form is not None
    if form.kind != "transcritical":
        return 1.0
    beyond = -float(np.sign(form.growth * special.onward * form.cubic))
    return beyond if len(form.direction) == 1 else -beyond


def _displaced(reduced: Reduced, form: NormalForm, direction: Array) -> Point | None:
    """Return the state at the largest amplitude at which it has the index that the normal form predicts."""
    solver, centre, odd = reduced.solver, reduced.centre, form.kind == "transcritical"
    cubic = float(direction @ reduced.cubic(direction)) / 3
    quartic = float(direction @ reduced.quartic(direction)) / 4
    expected = _expected_index(reduced, direction, odd)
    for amplitude in AMPLITUDES:
        shift = -3 * cubic * amplitude / form.growth if odd else -4 * quartic * amplitude**2 / form.growth
        with suppress(Diverged):
            moved = (reduced.state(amplitude * direction) - centre.x) * centre.scale + shift * form.trunk
            # small entries are what rounding leaves where a symmetry has zeros
            towards = np.where(np.abs(moved) > NEGLIGIBLE_ENTRY * np.abs(moved).max(), moved, 0.0), shift
            x, q, steps = solver.correct(centre.x + towards[0] / centre.scale, centre.q + shift, towards, centre.scale)
            point = solver.at(x, q, towards, steps)
            if abs(q - centre.q) < LEAST_SHIFT * amplitude**2:
                return None
            if point.index == expected or expected is None:
                return point
    return None


def _settled(reduced: Reduced, form: NormalForm, onward: float) -> Point | None:
    """Return the state that a descent finds: where a multiplet is split by a little, the normal form does not."""
    amplitude = AMPLITUDES[0]
    q = reduced.centre.q - 4 * form.quartic * amplitude**2 / form.growth
    point = reduced.solver.descend(reduced.state(amplitude * form.direction), q, onward)
    return point if isinstance(point, Point) else None


def _expected_index(reduced: Reduced, direction: Array, odd: bool) -> int | None:
    """Return the unstable directions on the branch, from the normal form; None where its leading order is too small."""
    height = _height(reduced, direction, odd)
    if len(direction) == 1:
        return None if abs(height) < VANISHING_COEFFICIENT else reduced.others_index + (height < 0)
    values = _curvatures(reduced, direction, odd)
    return reduced.others_index + int(np.count_nonzero(values < -FLAT_CURVATURE * max(1.0, np.abs(values).max())))


def _selected(reduced: Reduced, direction: Array, odd: bool, flat: int) -> bool:
    """Return whether the leading order selects the direction, up to the directions of a symmetry."""
    values = _curvatures(reduced, direction, odd)
    return int(np.count_nonzero(np.abs(values) < FLAT_CURVATURE * max(1.0, np.abs(values).max()))) <= flat


def _height(reduced: Reduced, direction: Array, odd: bool) -> float:
    return float(direction @ (reduced.cubic if odd else reduced.quartic)(direction))


def _curvatures(reduced: Reduced, direction: Array, odd: bool) -> Array:
    """Return the eigenvalues, in the kernel, of the Hessian of the leading and quadratic terms on the branch."""
    force, unit = reduced.cubic if odd else reduced.quartic, np.eye(len(direction))

    def homogeneous(v: Array) -> Array:
        length = float(np.linalg.norm(v))
        return force(v / length) * length ** (2 if odd else 3)

    steps = FORCE_STEP * unit
    hessian = np.array([homogeneous(direction + u) - homogeneous(direction - u) for u in steps]) / (2 * FORCE_STEP)
    return np.linalg.eigvalsh((hessian + hessian.T) / 2 - _height(reduced, direction, odd) * unit)


def _reduced(solver: Solver, special: SpecialPoint) -> Reduced:
    """Return the loss reduced to the kernel of a special point."""
    assert special.form is not None
    centre = solver.at(special.x, solver.coordinate(special.control), still=RESTING_AMPLITUDE)
    return Reduced(solver, centre, special.form.kernel, special.form.reach)
