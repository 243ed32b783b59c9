"""How exactly a known form must explain a loss: as its own precision allows, and no less.

A double is exact to rounding; single precision rounds sums at 1e-7 and half precision at 4e-3 of
themselves, and draws of random numbers leave a standard error. What a function is computed in
shows by the digits of its values, and by steps in its answer to small changes.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from landau_vae.display import Array

SINGLE, HALF = 24, 12  # binary digits
CLEAR = 3  # moves, at least, that are far above rounding
SURE = 6.0  # standard errors: one of dozens of readings, from few draws, is beyond four in some per cent of losses


class Tolerance(NamedTuple):
    """How far a loss may differ from a known one."""

    relative: float  #: of what the term itself changes by
    grain: float  #: of the whole loss: rounding when it is summed
    digits: int  #: what a weight is known to


# A double's sum of 1e5 terms is good to 1e-13 at worst. A logarithm that is guarded by 1e-8 shifts a change by 1e-7.
TIGHT = Tolerance(1e-6, 1e-13, 9)
# A logarithm that is guarded by 1e-6 shifts a change by 1e-5 … 1e-4.
GUARDED = Tolerance(1e-3, 1e-13, 5)
# Single precision rounds at 6e-8, summed ten times that.
LOOSE = Tolerance(1e-3, 1e-6, 5)
# bfloat16 rounds at 4e-3: squares and their sums by a few of these.
COARSE = Tolerance(3e-2, 1e-2, 2)


class Readings(NamedTuple):
    """The loss at several places, the first of which is the base, and how far each may be off by chance."""

    values: Array
    errors: Array


class Fit(NamedTuple):
    """The weight of a known form in a loss."""

    weight: float
    chance: float  #: its relative standard error, where the function draws random numbers
    tolerance: Tolerance


def fitted(readings: Readings, change: Array, size: Array, tolerance: Tolerance) -> Fit | None:
    """Return the one positive weight c with values[1:] − values[0] = c · change, or None if no c fits."""
    values, best = readings.values, int(np.argmax(np.abs(change)))
    moved, by_chance = values[1:] - values[0], readings.errors[1:] + readings.errors[0]
    rounding = tolerance.grain * (np.abs(values[1:]) + np.abs(values[0]))
    if not (moved[best] * np.sign(change[best]) > 0 and abs(moved[best]) > 10 * rounding[best] + by_chance[best]):
        return None
    clear = np.count_nonzero(np.abs(moved) > 10 * rounding)  # what rounding hides cannot tell forms apart
    if clear < CLEAR or (tolerance is COARSE and np.any(np.abs(moved) < 3 * rounding)):
        return None
    weight, chance = float(moved[best] / change[best]), float(by_chance[best] / abs(moved[best]))
    if np.all(by_chance > 0):  # least squares of what draws leave uncertain
        precision = np.sum((change / by_chance) ** 2)
        weight, chance = float(np.sum(moved * change / by_chance**2) / precision), float(precision**-0.5 / weight)
    allowed = (tolerance.relative + chance) * weight * size + rounding + by_chance
    if not np.all(np.abs(moved - weight * change) <= allowed):
        return None
    return Fit(weight, chance / SURE, tolerance)


def bits_of(value: float) -> int:
    """Return how many binary digits a number has, up to those of a double: as many as its precision, or fewer.

    >>> bits_of(1.5), bits_of(1 / 3), bits_of(float(np.float32(1 / 3))) <= SINGLE
    (2, 53, True)
    """
    mantissa = int(abs(np.frexp(value)[0]) * 2**53) if np.isfinite(value) else 0
    return 53 - (mantissa & -mantissa).bit_length() + 1 if mantissa else 0


def steps(gain: Callable[[float], float], size: float) -> bool:
    """Return whether a loss answers in steps to relative changes of a move that are so small: it is rounded there."""
    start, near, far = (gain(1 + k * size) for k in range(3))
    return start != 0 and (near == start or not abs(far - 2 * near + start) <= 0.2 * abs(far - start))


def is_coarse(gain: Callable[[float], float]) -> bool:
    """Return whether a loss is computed in half precision."""
    return steps(gain, 2.0**-13)


def tolerances(gain: Callable[[float], float], bits: int) -> Iterator[Tolerance]:
    """Yield how far a form may be off, as a term of this precision may need: the tightest first."""
    yield TIGHT
    if bits <= HALF or is_coarse(gain):
        yield from (LOOSE, COARSE)
    else:
        yield LOOSE if bits <= SINGLE or steps(gain, 2.0**-30) else GUARDED
