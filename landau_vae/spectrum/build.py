"""From second moments to the fields of a `Spectrum`: units, floors and ranks are decided here for every constructor.

    z = (x − x̄) in a unit,    C = ⟨z zᵀ⟩,    floor = ε d λ₁,    mode k is resolved if λ_k > floor + noise_k

The unit is a number per column (a standard deviation, the likelihood's deviation at the mean,
the root of a noise variance) or a matrix. noise_k is the variance that rounding of coarse input
(float32) can fake along mode k.
"""

from typing import Any, Literal

import numpy as np

from landau_vae.data.again import Rows
from landau_vae.data.convert import Names
from landau_vae.data.moments import EPS, Decomposition, SecondMoments
from landau_vae.data.tables import constant, deviations
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError, TooFewSamples
from landau_vae.likelihoods import GAUSSIAN, Likelihood, as_likelihood

ONE_ROW = "There is only one row, and one sample has no spread: at least two rows are needed."
NO_WEIGHT = "All weights are zero: at least two rows need a positive weight."
TINY_ROWS = (
    "The values are so small that their squares are 0 in double precision: give them in units in which they are nearer "
    "to 1."
)
NO_SQUARES = "All rows are equal, or their squares are 0 in double precision: at least two different rows are needed."
EQUAL_ROWS = "All rows are equal, so there is no variance: at least two different rows are needed."

VARIANCES = np.finfo(float).tiny / EPS, 1e300  #: largest eigenvalues that can be computed with, data²

Divisor = Literal["n", "n-1"]
#: What the eigenvalues of a `Spectrum` are the eigenvalues of.
Kind = Literal[
    "covariance",
    "correlation",
    "exponential family",
    "noise metric",
    "target",
    "conditional",
    "score",
    "score, linear encoder",
]
Fields = dict[str, Any]  # of a `Spectrum`, by name


def fields_of(
    moments: SecondMoments,
    names: Names,
    standardize: bool = False,
    divisor: Divisor = "n",
    likelihood: Likelihood | str = GAUSSIAN,
    modes: int | None = None,
) -> Fields:
    """Return the fields of the spectrum of moments for a likelihood: all modes, or the first `modes`."""
    likelihood = as_likelihood(likelihood)
    check_rows(moments)
    # One factor turns C into its rival estimate; the correlation matrix does not depend on it.
    divided = _divisor_factor(divisor, moments)
    if not likelihood.unit_metric:
        if standardize:
            raise InputError(f"A {likelihood} decoder takes the data as they are: do not standardise them.")
        unit = likelihood.deviation_at_mean(moments.mean.copy(), moments.variance, names)
        return fields_in_unit(moments, names, unit, "exponential family", divided, modes, likelihood=likelihood)
    if standardize:
        unit = deviations(moments.variance, moments.mean, moments.precision, names)
        return fields_in_unit(moments, names, unit, "correlation", 1.0, modes)
    return fields_in_unit(moments, names, None, "covariance", divided, modes)


def fields_in_unit(
    moments: SecondMoments, names: Names, unit: Array | None, kind: Kind, factor: float = 1.0, modes: int | None = None,
    **fields: Any,
) -> Fields:  # fmt: skip
    """Return the fields of the spectrum of moments in a unit: none, (d,) to divide columns by, or a matrix (d, d)."""
    found, d = moments.decompose(unit, modes).times(factor), len(moments.mean)
    rounding = moments.precision**2 / 12 * (moments.mean**2 + moments.variance) * factor
    fields |= {"samples": moments.count, "names": names, "kind": kind, "mean": readonly(moments.mean)}
    fields |= {"noise": _mode_noise(found, rounding, unit), "scale": scale_of(unit, d)}
    total = found.trace if unit is not None and unit.ndim == 2 else moments.total(unit) * factor
    if moments.again is not None:
        fields["rows"] = Rows(moments.again, moments.mean, unit, factor * moments.count / moments.weight)
    resolved = resolve(found, d, total, **fields)
    kept = resolved["eigenvalues"]
    asked_fewer = modes is not None and len(kept) == modes < min(moments.count - 1, d)
    left = resolved["total_variance"] - float(kept.sum())
    return resolved | {"truncated": bool(asked_fewer and left > 4 * resolved["floor"])}


def resolve(
    found: Decomposition,
    dimension: int,
    total: float,
    *,
    noise: Array | float = 0.0,
    whole: float = 0.0,
    **fields: Any,
) -> Fields:
    """Return the fields of a spectrum, with the eigenvalues above the floor.

    `noise` is the variance that rounding of the input can fake, by mode. Where the covariance
    is a difference or a part of a larger one, its rounding is that of the `whole` (data²).
    """
    values = found.values
    if not np.isfinite(total):
        raise InputError("The variances are so large that their sum overflows: rescale the data.")
    floor, largest = EPS * dimension * max(float(values[0]), whole), float(values[0])
    if largest > floor and not VARIANCES[0] < largest < VARIANCES[1]:
        ends = "from {:.0e} to {:.0e}".format(*VARIANCES)
        raise InputError(f"The largest variance is {largest:.1e}, but one {ends} is expected: rescale the data.")
    if not largest > floor:
        if whole:
            raise InputError("Nothing is left to encode: every direction of the target is without variance of its own.")
        raise InputError("All eigenvalues are zero or too small beside rounding: there is no variance to encode.")
    fields |= {"eigenvalues": readonly(values[values > floor + noise]), "dimension": dimension, "floor": floor}
    return fields | {"total_variance": total, "decomposition": found}


def check_rows(moments: SecondMoments) -> None:
    """Raise an error unless there are two different rows that count."""
    if moments.count < 2:
        raise TooFewSamples(ONE_ROW)
    if moments.weight == 0.0:
        raise InputError(NO_WEIGHT)
    if np.all(constant(moments.variance, moments.mean, moments.precision)):
        size = float(np.abs(moments.mean).max())
        raise InputError(NO_SQUARES if size == 0 else TINY_ROWS if size < VARIANCES[0] ** 0.5 else EQUAL_ROWS)


def scale_of(unit: Array | None, dimension: int) -> Array | None:
    """Return what each column is divided by, (d,), or None where the unit mixes columns."""
    if unit is None:
        return readonly(np.ones(dimension))
    return readonly(unit) if unit.ndim == 1 else None


def _mode_noise(found: Decomposition, rounding: Array, unit: Array | None) -> Array | float:
    """Return the variance that rounding of the columns, each by `rounding` (d,), can fake along each mode."""
    d, values = len(rounding), found.values
    floor = EPS * d * float(values[0])
    loads = np.ones(d) if unit is None else 1 / unit**2 if unit.ndim == 1 else np.square(unit).sum(axis=1)
    bound = float(rounding @ loads)
    if not np.any((values > floor) & (values <= floor + bound)):
        return 0.0  # no mode's fate hangs on it
    directions = None if found.matrix is None else found.vectors(len(values))
    if directions is None:
        return bound
    if unit is not None:
        directions = directions / unit[:, None] if unit.ndim == 1 else unit @ directions
    return np.square(directions).T @ rounding


def _divisor_factor(divisor: Divisor, moments: SecondMoments) -> float:
    if divisor == "n":
        return 1.0
    if moments.weight != moments.count:
        raise InputError("The divisor n-1 has no meaning for weighted samples: use divisor='n'.")
    return moments.count / (moments.count - 1)
