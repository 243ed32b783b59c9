"""Estimates with their intervals, on the logarithmic or logit scale; Student's degrees of freedom."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from landau_vae.display import Array, Booleans, Integers, Result, readonly, significant
from landau_vae.limits import FREEDOM

MOST_RESAMPLED = 1.96  # normal deviations: the ends of 95 %, which a few hundred replications know


@dataclass(frozen=True, eq=False)
class Estimate(Result):
    """Estimates of one quantity for several modes or groups, each with its own interval."""

    json_fields = ("value", "error", "low", "high")

    value: Array  #: (groups,)
    error: Array  #: (groups,), one standard error
    low: Array  #: (groups,), lower end of the interval
    high: Array  #: (groups,), upper end of the interval


@dataclass(frozen=True, eq=False)
class Count(Result):
    """A number of modes with its interval; arrays of one shape where several were asked for."""

    json_fields = ("value", "low", "high")

    value: Integers  #: that of the data
    low: Integers  #: lower end of the interval
    high: Integers  #: upper end of the interval

    def __repr__(self) -> str:
        return f"Count({self.value}, from {self.low} to {self.high})"


@np.errstate(all="ignore")
def estimate(
    value: Array, error: Array, quantile: Array, upper: Array | float = np.inf, centre: Array | None = None
) -> Estimate:
    """Return estimates in (0, `upper`) with intervals of so many standard errors (`quantile`) on the logit (log) scale.

        [ĉ e^(∓h) / (1 − ĉ/u + (ĉ/u) e^(∓h))],    h = t · s.e. / (x̂ (1 − x̂/u)),    0 < x < u

    The error counts on the logarithm, and on the logit of what cannot exceed u (a
    share; an eigenvalue of d standardised columns): eigenvalues and shares are skewed,
    and there the interval misses on both sides more evenly. It stands about `centre`, ĉ:
    the value itself, or the value without its bias.

    >>> half = estimate(np.array([0.5]), np.array([0.05]), np.array([1.96]), upper=1.0)
    >>> half.low.round(3).tolist(), half.high.round(3).tolist()
    ([0.403], [0.597])
    """
    half = np.where(error > 0, quantile * error / (value * (1 - value / upper)), 0.0)
    middle = value if centre is None else np.where(error > 0, centre, value)
    middle = np.minimum(middle, (value + upper) / 2)  # a bias must not move it beyond what is possible
    part = middle / upper
    low, high = (middle / ((1 - part) * np.exp(sign * half) + part) for sign in (1, -1))
    return Estimate(*map(readonly, (value, error, low, high)))


@np.errstate(all="ignore")
def basic(value: Array, drawn: Array, quantile: Array, upper: Array | float) -> Estimate:
    """Return estimates in (0, `upper`) with mirrored ("basic") intervals of their replications, on the same scale.

    What `quantile` (Student's, one per estimate) is in a normal law, the replications' quantile of that level is taken
    for up to two normal deviations; what is beyond widens it in proportion.
    """
    normal = np.minimum(quantile, MOST_RESAMPLED)
    centre, scattered = (np.log(x / (1 - x / upper)) for x in (value, np.maximum(drawn, 0.0)))
    levels = [ndtr(sign * normal) for sign in (1, -1)]
    marks = [np.array([np.quantile(scattered[:, k], level[k]) for k in range(len(value))]) for level in levels]
    ends = [centre + (centre - each) * (quantile / normal) for each in marks]
    fixed = np.all(np.abs(drawn - value) <= 1e-9 * value, axis=0)
    error = np.where(fixed, 0.0, drawn.std(axis=0, ddof=1))
    low, high = (np.where(fixed, value, np.exp(e) / (1 + np.exp(e) / upper)) for e in ends)
    return only(Estimate(*map(readonly, (value, error, low, high))), np.isfinite(low) & np.isfinite(high))


@np.errstate(divide="ignore")
def freedom(effective: Array, units: int) -> Array:
    """Return degrees of freedom, 0.7 / (1/N − 1/n), of an error that rests on N `effective` of n `units`.

    An influence function rests on N = (Σq)²/Σq² of n rows, q its squares (N ≈ n/15 for
    Gaussian data). Satterthwaite has 2 in place of 0.7 (`FREEDOM`). That is right where N is
    known; but N comes from the rows too, and few rows, or heavy tails, look better than they are.

    >>> freedom(np.array([10.0, 30.0]), 30).round(9).tolist()
    [10.5, 29.0]
    """
    return np.clip(FREEDOM / np.maximum(1 / effective - 1 / units, 0.0), 1.0, max(units - 1, 1))


def times(estimate: Estimate, factor: float) -> Estimate:
    """Return estimates in another unit."""
    parts = (estimate.value, estimate.error, estimate.low, estimate.high)
    return Estimate(*(readonly(each * factor) for each in parts))


def only(estimate: Estimate, known: Booleans) -> Estimate:
    """Return estimates with intervals where these are known, and NaN for ends elsewhere."""
    ends = (readonly(np.where(known, each, np.nan)) for each in (estimate.low, estimate.high))
    return Estimate(estimate.value, estimate.error, *ends)


def between(estimate: Estimate, i: int) -> str:
    """Return the interval of one group as text, such as "0.59 … 0.63"; a dash where it is not known."""
    if np.isnan(estimate.low[i]):
        return "—"
    return f"{significant(estimate.low[i], 4)} … {significant(estimate.high[i], 4)}"


def root(variance: Array, scale: Array) -> Array:
    """Return √ of a difference of terms as large as `scale`: 0 where only their rounding is left."""
    return np.sqrt(np.where(variance > 1e-12 * np.maximum(scale, 0.0), variance, 0.0))
