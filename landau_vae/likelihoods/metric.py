"""Likelihoods that are quadratic in the mean: variances of each feature, and metrics that mix features.

    gaussian(σ²)          ½(x − f)²/σ²                 σ² fixed, one or one for each feature: exact
    learned-variances     the same + ln σ              σ² trained, constant over rows
    mean-variance         ½(x − f)² e^(−g) + ½ g       g = ln σ² a second output of each feature
    quadratic(M)          ½(x − f)ᵀ M (x − f)          exact

The first and the last are linear VAEs of another covariance, at every price. With trained
variances the collapsed state has those of the data, so its spectrum is that of the correlation
matrix. A decoder that also returns variances has scores of both: of normal columns that are
independent each has two eigenvalues 1, of columns with heavy tails the second is (κ − 1)/2 with
the kurtosis κ.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import Bound, NonNegative, checked, numbers
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.likelihoods.functions import Halves, Parameter, Rest, Values, library, log_of, parts, plain
from landau_vae.likelihoods.likelihood import KNOWN, MAKERS, Likelihood, named, of_numbers

ASYMMETRY = 1e-8  # of the largest entry of a metric
NEGATIVE = 1e-10  # of its largest eigenvalue: what rounding may leave


@dataclass(frozen=True)
class Constant:
    """A number at every mean: the variance function of a Gaussian, or its slope."""

    number: Parameter

    def __call__(self, mean: Array) -> Array:
        """Return it at means."""
        number = np.asarray(plain(self.number))
        if number.shape not in ((), np.shape(mean)[-1:]):
            expected = f"the data have {np.shape(mean)[-1]} features: give one number, or one for each feature."
            raise InputError(f"The likelihood has {number.size} variances, but {expected}", "variance")
        return np.broadcast_to(number, np.shape(mean)) + 0.0 * mean


@dataclass(frozen=True)
class Learned(Likelihood):
    """A Gaussian whose variances are trained, one for each feature, within limits."""

    least: float = field(default=0.0, repr=False)  #: σ² from which it is trained
    most: Bound = field(default=np.inf, repr=False)  #: σ² up to which it is trained
    bounded = False

    def rest(self, x: Array, weights: Array | None = None) -> Rest:
        """Return the state at the mean, with the variances of the data, or the nearest allowed ones."""
        mean, variance = _moments(x, weights)
        variance = np.clip(variance, self.least, self.most)
        _must_vary(variance)
        return Rest(mean, (mean - x) / variance, 1 / variance)


@dataclass(frozen=True)
class WithVariance(Likelihood):
    """A Gaussian whose logarithm of the variance is a second output of each feature."""

    bounded = False

    def outputs(self, features: int) -> int:
        """Return 2d: the means, then the logarithms of variances."""
        return 2 * features

    def readings(self) -> dict[str, Callable[[Array], Array]]:
        """Return what the two kinds of outputs may be."""
        return {
            "means and log-variances": np.asarray,
            "means and variances": Halves(np.asarray, log_of),
            "means and standard deviations": Halves(np.asarray, _twice_log),
        }

    def constant(self, x: Array, weights: Array | None = None) -> Array:
        """Return the means and the logarithms of the variances of the data."""
        mean, variance = _moments(x, weights)
        _must_vary(variance)
        return np.concatenate([mean, np.log(variance)])


@dataclass(frozen=True)
class Metric(Likelihood):
    """½(x − f)ᵀ M (x − f)."""

    metric: Values | None = field(default=None, repr=False)  #: M, (d, d)

    def must_hold(self, x: Array) -> None:
        """Raise `InputError` unless the rows have as many columns as the metric."""
        if x.shape[1] != len(plain(self.metric)):
            found = f"{x.shape[1]} columns, but the metric is for {len(plain(self.metric))}"
            raise InputError(f"The data have {found}.", "data")

    def mean_curvature(self, x: Array, output: Array, weights: Array | None = None) -> Array:
        """Return M."""
        return np.asarray(plain(self.metric))


def _moments(x: Array, weights: Array | None) -> tuple[Array, Array]:
    mean = np.average(x, axis=0, weights=weights)
    return mean, np.average(np.square(x - mean), axis=0, weights=weights)


def _must_vary(variance: Array) -> None:
    if not np.all(variance > 0):
        raise InputError(
            f"Column {int(np.argmin(variance))}, counting from 0, is constant: a trained variance there falls to zero "
            "and the loss has no minimum. Leave the column out, or give the least variance of the model.", "data"
        )  # fmt: skip


def _twice_log(deviation: Array) -> Array:
    return 2 * log_of(deviation)


def _square(x: Any, f: Any, variance: Any) -> tuple[Any, ...]:
    return (x - f) ** 2 / (2 * variance), (f - x) / variance, 1 / variance + 0 * f


def _two(x: Any, f: Any, _: Any) -> tuple[Any, ...]:
    xp, d = library(f), f.shape[-1] // 2
    mean, log_variance = f[..., :d], f[..., d:]
    precision = xp.exp(-log_variance)
    square = (x - mean) ** 2 * precision
    score = (mean - x) * precision, (1 - square) / 2
    curvature = precision + 0 * square, square / 2  # ∂²ℓ/∂f∂g = (x − f)/σ² averages to zero at the best constant
    return (square + log_variance) / 2, xp.concatenate(score, axis=-1), xp.concatenate(curvature, axis=-1)


def _mixing(x: Any, f: Any, metric: Any) -> tuple[Any, ...]:
    off = f - x
    slope = off @ metric
    return off * slope / 2, slope, np.diag(metric) + 0 * off


@dataclass(frozen=True)
class First:
    """x̂ of outputs of which the first half are means."""

    def __call__(self, f: Any) -> Any:
        """Return x̂."""
        return f[..., : f.shape[-1] // 2]


@checked
def gaussian(
    variance: ArrayLike | Literal["learned"] = 1.0, *, least: NonNegative = 0.0, most: Bound = np.inf
) -> Likelihood:
    """Return −ln p of a Gaussian around f with variances of the features, up to a constant: ½(x − f)²/σ² (+ ln σ).

    It is written with its ½: the price of a nat is b/a. A plain squared error is `GAUSSIAN`.

    Parameters
    ----------
    variance : float, (d,) array or "learned", default 1
        σ², data²: fixed, or trained as one number for each feature that is constant over rows.
    least, most : float, optional
        Between which variances are trained.

    Returns
    -------
    Likelihood
        Exact at every price where variances are fixed. A likelihood with trained variances has
        a spectrum, but no value that depends on x and f alone.

    Examples
    --------
    >>> from landau_vae.spectrum import score
    >>> score([[2, 0], [-2, 0], [0, 1], [0, -1]], gaussian([2.0, 0.5])).eigenvalues.round(9).tolist()
    [1.0, 1.0]
    >>> score([[2, 0], [-2, 0], [0, 1], [0, -1]], gaussian("learned")).eigenvalues.round(9).tolist()
    [1.0, 1.0]
    """
    words = ("Gaussian", "(x − x̂)²/2σ²", "nat of −ln p", "real numbers")
    if not least < most:
        raise InputError(f"most is {most:g}, but a number above least = {least:g} is expected.", "most")
    if isinstance(variance, str) and variance == "learned":
        free = (least, most) == (0.0, np.inf)
        name = "learned-variances" if free else named("learned-variances", least, most)
        return Learned(name, *words, link=np.copy, least=least, most=most)
    square = numbers(variance, "variance", finite=True)
    if square.ndim > 1 or square.size == 0 or np.any(square <= 0):
        expected = "one positive number is expected, one for each feature, or 'learned'"
        raise InputError(f"variance is {variance!r}, but {expected}.", "variance")
    number: Parameter = Values.of(square) if square.ndim else float(square)
    return Likelihood(
        named("gaussian", number), *words, variance=Constant(number), slope=Constant(0.0), link=np.copy, quadratic=True,
        convex=True, **parts(_square, number),
    )  # fmt: skip


@checked
def mean_variance() -> Likelihood:
    """Return −ln p of a Gaussian whose decoder returns means and logarithms of variances, 2d outputs.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> mean_variance().value(np.array([2.0]), np.array([0.0, 0.0])).tolist()  # at mean 0 and variance 1
    [2.0]
    """
    return KNOWN["mean-variance"]


@checked
def quadratic(metric: ArrayLike) -> Likelihood:
    """Return the squared error in a metric, ½(x − f)ᵀ M (x − f).

    Its spectrum is that of M^½ C M^½, exact at every price: the linear VAE of the data times
    M^½.

    Parameters
    ----------
    metric : (d, d) array
        M, symmetric and positive semidefinite. Directions with M = 0 cost nothing.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> from landau_vae.spectrum import score
    >>> score([[2, 0], [-2, 0], [0, 1], [0, -1]], quadratic([[2, 0], [0, 2]])).eigenvalues.round(9).tolist()
    [4.0, 1.0]
    """
    matrix = numbers(metric, "metric", finite=True)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise InputError(f"metric has shape {matrix.shape}, but a square matrix is expected.", "metric")
    if np.abs(matrix - matrix.T).max() > ASYMMETRY * np.abs(matrix).max():
        raise InputError("metric is not symmetric: give (M + M.T) / 2, which has the same loss.", "metric")
    values = np.linalg.eigvalsh(matrix)
    if values[0] < -NEGATIVE * values[-1] or values[-1] <= 0:
        raise InputError(
            f"metric has eigenvalues from {values[0]:g} to {values[-1]:g}, but none may be negative, nor all zero.",
            "metric",
        )
    kept = Values.of((matrix + matrix.T) / 2)
    return Metric(
        named("quadratic", kept), "quadratic", "½(x − x̂)ᵀM(x − x̂)", "unit of the loss", "real numbers", link=np.copy,
        quadratic=True, metric=kept, **parts(_mixing, kept),
    )  # fmt: skip


KNOWN["learned-variances"] = gaussian("learned")
KNOWN["mean-variance"] = WithVariance(
    "mean-variance", "(mean, variance)", data="real numbers", response=First(), **parts(_two, None)
)
MAKERS["gaussian"] = "gaussian(0.25)", of_numbers(gaussian)
MAKERS["learned-variances"] = (
    "learned-variances(0.0001,1)", of_numbers(lambda least, most: gaussian("learned", least=least, most=most)),
)  # fmt: skip
MAKERS["quadratic"] = "quadratic(per feature)", of_numbers(quadratic)
