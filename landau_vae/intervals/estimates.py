"""An estimate with its standard error and interval: which transformation makes the interval cover?

    [x̂ e^(∓h) / (1 − x̂/u + (x̂/u) e^(∓h))],    h = t · s.e. / (x̂ (1 − x̂/u)),    0 < x < u

The error counts on the logarithm, and on the logit of what cannot exceed u (a share; an eigenvalue of d standardised
columns): eigenvalues and shares are skewed, and there the interval misses on both sides more nearly alike. t is
Student's, because the standard error itself is an estimate: its degrees of freedom are Satterthwaite's,
2 / (1/N − 1/n) for an influence function whose squares rest on N = (Σq)²/Σq² of n rows (≈ n/15 for Gaussian data).
At n = 2000, d = 10 this lifts the mean coverage of 95 % intervals of λ_k/V for exponential data with random weights
from 92.6 % (plain, normal quantile) to 94.5 %.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from landau_vae.data.tables import is_real
from landau_vae.display import Array, jsonable, readonly, significant
from landau_vae.errors import InputError

__all__ = ["Count", "Estimate", "between", "check_confidence", "estimate", "freedom", "two_sided"]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Estimates of one quantity for several modes or groups, each with its own interval."""

    value: Array  #: (groups,)
    error: Array  #: (groups,), one standard error
    low: Array  #: (groups,), lower end of the interval
    high: Array  #: (groups,), upper end of the interval

    def to_dict(self) -> dict[str, Any]:
        """Numbers as strict JSON."""
        return jsonable({"value": self.value, "error": self.error, "low": self.low, "high": self.high})


@dataclass(frozen=True, eq=False)
class Count:
    """A number of modes with its interval; arrays of one shape where several were asked for."""

    value: NDArray[np.int64]  #: as the data have it
    low: NDArray[np.int64]  #: lower end of the interval
    high: NDArray[np.int64]  #: upper end of the interval

    def __repr__(self) -> str:
        return f"Count({self.value}, from {self.low} to {self.high})"

    def to_dict(self) -> dict[str, Any]:
        """Numbers as strict JSON."""
        return jsonable({"value": self.value, "low": self.low, "high": self.high})


def estimate(value: Array, error: Array, quantile: Array, upper: Array | float = np.inf) -> Estimate:
    """Estimates in (0, `upper`) with their intervals, `quantile` standard errors wide on the logit (log) scale.

    >>> found = estimate(np.array([0.5]), np.array([0.05]), np.array([1.96]), upper=1.0)
    >>> found.low.round(3).tolist(), found.high.round(3).tolist()
    ([0.403], [0.597])
    """
    part = value / upper
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        half = np.where(error > 0, quantile * error / (value * (1 - part)), 0.0)
        low, high = (value / ((1 - part) * np.exp(sign * half) + part) for sign in (1, -1))
    return Estimate(readonly(value), readonly(error), readonly(low), readonly(high))


def freedom(effective: Array, units: int) -> Array:
    """Satterthwaite's degrees of freedom of an error that rests on `effective` of so many `units`.

    >>> freedom(np.array([10.0, 30.0]), 30).round(9).tolist()
    [29.0, 29.0]
    """
    with np.errstate(divide="ignore"):
        return np.clip(2 / np.maximum(1 / effective - 1 / units, 0.0), 1.0, max(units - 1, 1))


def two_sided(freedom: Array, confidence: float) -> Array:
    """The quantile of Student's t that `confidence` lies within."""
    return np.asarray(stdtrit(freedom, 0.5 + confidence / 2))


def check_confidence(confidence: float) -> float:
    """A confidence is a probability."""
    if not is_real(confidence) or not 0 < confidence < 1:
        raise InputError(f"The confidence is {confidence}, but a number between 0 and 1 is expected, such as 0.95.")
    return float(confidence)


def between(estimate: Estimate, i: int) -> str:
    """An interval in words."""
    return f"{significant(estimate.low[i], 4)} … {significant(estimate.high[i], 4)}"
