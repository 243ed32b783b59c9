"""Likelihoods of counts that vary more than a Poisson decoder says: negative binomial, with or without extra zeros.

    negative-binomial(θ)        mean m = e^f, variance m + m²/θ           f: the logarithm of the mean
    zero-inflated(θ, π)         a share π of zeros beside it              π fixed
    zero-inflated(θ)            the same, π a further output              outputs (f, ln π/(1 − π))

θ is fixed: one number, or one for each feature. The score at the best constant of a negative
binomial is linear in x, and its spectrum is that of the Pearson residuals
(x − x̄)/√(x̄ + x̄²/θ) (`landau-vae derive any-reconstruction-loss`). With a share of extra zeros the
score is not linear, and an encoder that is linear in x has a lower threshold.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from landau_vae.checks import Share, checked, numbers
from landau_vae.display import Array, Numbers
from landau_vae.errors import InputError
from landau_vae.likelihoods.canonical import log_factorial
from landau_vae.likelihoods.descend import descend
from landau_vae.likelihoods.functions import Halves, Parameter, Values, library, log_of, logit_of, parts, plain
from landau_vae.likelihoods.likelihood import MAKERS, Likelihood, named, of_numbers

COUNTS = "counts, from 0 on"
TINY = 1e-3  # of a count, added before a logarithm is taken for a start
RARE, COMMON = -4.0, 0.0  # logits of extra zeros from which the best one is looked for
FAREST = 30.0  # |logit| of a share of zeros that is 0 or 1 for all purposes


@dataclass(frozen=True)
class Pearson:
    """𝒱 = m + m²/θ, or its derivative."""

    dispersion: Parameter
    order: int

    def __call__(self, mean: Array) -> Array:
        """Return it at means."""
        theta = plain(self.dispersion)
        return np.asarray((mean + mean**2 / theta, 1 + 2 * mean / theta)[self.order])


@dataclass(frozen=True)
class Choices:
    """ln x! + ln Γ(θ) − ln Γ(x + θ): what −ln p has beyond the terms that outputs change."""

    dispersion: Parameter

    def __call__(self, x: Array) -> Array:
        """Return it for counts; 0 at 0."""
        from scipy.special import gammaln

        theta = plain(self.dispersion)
        return np.asarray(log_factorial(x) + gammaln(theta) - gammaln(x + theta))


@dataclass(frozen=True)
class Inflated(Likelihood):
    """Counts with extra zeros, of a fixed share."""

    def constant(self, x: Array, weights: Array | None = None) -> Array:
        """Return the logarithm of the best constant mean of the counts without the extra zeros."""
        return descend(self, x, weights, _starts(x, weights))


@dataclass(frozen=True)
class Dropout(Likelihood):
    """Counts with extra zeros, whose logit is a second output of each feature."""

    def outputs(self, features: int) -> int:
        """Return 2d: the logarithms of means, then the logits."""
        return 2 * features

    def readings(self) -> dict[str, Callable[[Array], Array]]:
        """Return what the two kinds of outputs may be."""
        return {
            "natural": np.asarray,
            "means and logits": Halves(log_of, np.asarray),
            "log-means and shares of zeros": Halves(np.asarray, logit_of),
            "means and shares of zeros": Halves(log_of, logit_of),
        }

    def constant(self, x: Array, weights: Array | None = None) -> Array:
        """Return the best constant log-means and logits."""
        means = _starts(x, weights)
        starts = [np.concatenate([row, np.full(len(row), logit)]) for row in means for logit in (RARE, COMMON)]
        return np.clip(descend(self, x, weights, np.array(starts)), -FAREST, FAREST)

    def mean_curvature(self, x: Array, output: Array, weights: Array | None = None) -> Array:
        """Return the mean curvature of each feature's two outputs, (d, 2, 2)."""
        each = [np.average(part, axis=0, weights=weights) for part in self.curvature(x, output)]
        return np.moveaxis(np.array([[each[0], each[1]], [each[1], each[2]]]), -1, 0)


def _starts(x: Array, weights: Array | None) -> Array:
    """Return logarithms of the mean of all rows, and of those that are not zero, (2, d)."""
    share = np.ones(len(x)) if weights is None else weights
    total = share @ x
    return np.log(np.stack([total / share.sum(), total / np.maximum(share @ (x > 0), TINY)]) + TINY)


def _softplus(f: Any) -> Any:
    return library(f).logaddexp(f, 0.0)


def _share(f: Any) -> Any:
    return library(f).exp(-_softplus(-f))


def _counts(x: Any, f: Any, dispersion: Any) -> tuple[Any, ...]:
    g = f - np.log(dispersion)  # ln m/θ
    share = _share(g)  # m/(θ + m)
    size = dispersion + x
    return size * _softplus(g) - x * g, size * share - x, size * share * _share(-g)


def _inflated(x: Any, f: Any, dispersion: Any, share: Any) -> tuple[Any, ...]:
    value, score, curvature = _with_logit(x, f, np.log(share) - np.log1p(-share), dispersion)
    return value, score[0], curvature[0]


def _dropout(x: Any, f: Any, dispersion: Any) -> tuple[Any, ...]:
    d = f.shape[-1] // 2
    value, score, curvature = _with_logit(x, f[..., :d], f[..., d:], dispersion)
    return value, library(f).concatenate(score, axis=-1), curvature


def _with_logit(x: Any, f: Any, logit: Any, dispersion: Any) -> tuple[Any, ...]:
    """Return value, scores by f and by the logit, and curvatures (ff, f logit, logit logit)."""
    xp, zero = library(f), x == 0
    value, score, curvature = _counts(x, f, dispersion)
    none = -dispersion * _softplus(f - np.log(dispersion))  # ln p(0) without extra zeros
    own, share = (
        _share(none - logit),
        _share(logit + 0 * f),
    )  # of the zeros: those of the counts; of all rows: extra ones
    spread, mixed = share * (1 - share), own * (1 - own)
    down = dispersion * _share(f - np.log(dispersion))  # −∂ ln p(0)/∂f
    first = xp.where(zero, own * down, score), xp.where(zero, share + own - 1, share)
    second = (
        xp.where(zero, own * curvature - mixed * down**2, curvature),
        xp.where(zero, -mixed * down, 0.0),
        xp.where(zero, spread - mixed, spread),
    )
    extra = _softplus(logit + 0 * f)
    return xp.where(zero, extra - xp.logaddexp(logit + 0 * f, none), value + extra), first, second


def _dispersion(dispersion: Numbers) -> Parameter:
    """Return θ as a number, or as values of features."""
    theta = numbers(dispersion, "dispersion", finite=True)
    if theta.size == 0 or theta.ndim > 1 or np.any(theta <= 0):
        expected = "one positive number is expected, or one for each feature"
        raise InputError(f"dispersion is {dispersion!r}, but {expected}.", "dispersion")
    return Values.of(theta) if theta.ndim else float(theta)


@checked
def negative_binomial(dispersion: Numbers) -> Likelihood:
    """Return −ln p of a negative binomial with mean e^f and variance m + m²/θ, up to terms of x alone.

    Parameters
    ----------
    dispersion : float or (d,) array
        θ, the inverse dispersion of scvi-tools; the larger, the nearer to a Poisson.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> negative_binomial(2.0).variance(np.array([2.0])).tolist()
    [4.0]
    """
    theta = _dispersion(dispersion)
    return Likelihood(
        named("negative-binomial", theta), "negative-binomial", "−ln NB(x; x̂)", "nat of −ln p", COUNTS, (0.0, np.inf),
        variance=Pearson(theta, 0), slope=Pearson(theta, 1), link=np.log, response=Exponential(),
        convex=True, of_data=Choices(theta), **parts(_counts, theta),
    )  # fmt: skip


@checked
def zero_inflated(dispersion: Numbers, share: Share | None = None) -> Likelihood:
    """Return −ln p of a negative binomial with extra zeros, up to terms of x alone.

    Parameters
    ----------
    dispersion : float or (d,) array
        θ, as in `negative_binomial`.
    share : float, optional
        π, the share of extra zeros. Unless given, its logit is an output of the decoder: of d
        features there are 2d outputs, log-means first.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> zero_inflated(2.0).outputs(3), zero_inflated(2.0, 0.25).outputs(3)
    (6, 3)
    """
    theta = _dispersion(dispersion)
    words = ("zero-inflated negative-binomial", "−ln ZINB(x; x̂)", "nat of −ln p", COUNTS, (0.0, np.inf))
    if share is None:
        return Dropout(
            named("zero-inflated", theta), *words, response=Exponential(True), of_data=Choices(theta),
            **parts(_dropout, theta),
        )  # fmt: skip
    return Inflated(
        named("zero-inflated", theta, share), *words, response=Exponential(False, 1 - share),
        of_data=Choices(theta), **parts(_inflated, theta, share),
    )  # fmt: skip


@dataclass(frozen=True)
class Exponential:
    """x̂ of log-means, and of logits of extra zeros after them."""

    dropout: bool = False
    factor: float = 1.0

    def __call__(self, f: Any) -> Any:
        """Return x̂."""
        if not self.dropout:
            return self.factor * library(f).exp(f)
        d = f.shape[-1] // 2
        return library(f).exp(f[..., :d]) * _share(-f[..., d:])


MAKERS.update(
    {
        "negative-binomial": ("negative-binomial(2)", of_numbers(negative_binomial)),
        "zero-inflated": ("zero-inflated(2)", of_numbers(zero_inflated)),
    }
)
