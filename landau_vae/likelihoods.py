"""Likelihoods as objects: what a decoder's output f costs against the data x, and what follows from it.

    value ℓ(x, f) = −ln p(x | f) up to terms of x alone,    score ∂ℓ/∂f,    curvature ∂²ℓ/∂f²

f is the decoder's output: x̂ itself (Gaussian), a logit (Bernoulli), a log-mean (Poisson). In a canonical exponential
family ℓ = A(f) − x f, A′(f) is the mean of x, and A″ = 𝒱(A′) its variance function. `variance`, `slope` and `link` are
functions of that mean. Everything downstream asks the object; nothing compares names. Strings are accepted where users
give them, by `as_likelihood`. Derivation: `landau-vae derive exponential-family`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from landau_vae.checks import one_of
from landau_vae.display import Array, significant
from landau_vae.errors import InputError

__all__ = ["BERNOULLI", "FAMILY", "GAUSSIAN", "POISSON", "Likelihood", "as_likelihood"]

STEEP = 300.0  # f from which e^f is continued by its parabola, lest it overflow; no minimum lies there
TOLERATED = 1e-9  # of the data's own unit: by how much the rounded mean of bits may be exceeded by their variance


class Generator(NamedTuple):
    """A, A′ and A″ of a canonical exponential family at f."""

    value: Array
    mean: Array
    variance: Array


@dataclass(frozen=True, eq=False)
class Likelihood:
    """A likelihood p(x | f), one feature at a time. Two of the same name are equal.

    Examples
    --------
    >>> BERNOULLI.variance(np.array([0.5, 0.9])).round(2).tolist()
    [0.25, 0.09]
    >>> float(BERNOULLI.score(1.0, np.array(0.0))), GAUSSIAN.squared
    (-0.5, True)
    """

    name: str  #: as users write it
    title: str  #: as sentences write it
    term: str  #: the reconstruction term as formulas show it
    unit: str  #: what the weight of the reconstruction term is paid for
    data: str  #: what data it is for, in words
    low: float  #: the least x
    high: float  #: the largest x
    value: Callable[[Any, Any], Array] | None = field(default=None, repr=False)  #: ℓ(x, f)
    score: Callable[[Any, Any], Array] | None = field(default=None, repr=False)  #: ∂ℓ/∂f
    curvature: Callable[[Any, Any], Array] | None = field(default=None, repr=False)  #: ∂²ℓ/∂f²
    generator: Callable[[Array], Generator] | None = field(default=None, repr=False)  #: A, A′, A″ of f
    link: Callable[[Array], Array] | None = field(default=None, repr=False)  #: best constant f by x̄
    variance: Callable[[Array], Array] | None = field(default=None, repr=False)  #: 𝒱 of the mean
    slope: Callable[[Array], Array] | None = field(default=None, repr=False)  #: 𝒱′ of the mean
    squared: bool = False  #: written as (x − x̂)², whose curvature is 2: τ = b/2a

    def __eq__(self, other: object) -> bool:
        return self.name == (other.name if isinstance(other, Likelihood) else other)  # strings: to be removed

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    @property
    def curvature_of_term(self) -> float:
        """Curvature of the reconstruction term per unit weight and unit metric: 2 of a square, 1 of −ln p."""
        return 2.0 if self.squared else 1.0

    @property
    def unit_metric(self) -> bool:
        """Whether its spectrum is that of the plain covariance, because 𝒱 = 1 at every mean."""
        return self.squared

    def __reduce__(self) -> str | tuple[Any, ...]:
        return (as_likelihood, (self.name,)) if self is KNOWN.get(self.name) else super().__reduce__()

    def deviation_at_mean(self, mean: Array, variance: Array, names: tuple[str, ...] | None = None) -> Array:
        """Return √𝒱(x̄), the standard deviation that the likelihood has at the mean of each column.

        Parameters
        ----------
        mean, variance : (d,) array
            Of the columns of the data.
        names : tuple of str, optional
            Of the columns, for messages.

        Returns
        -------
        (d,) array
            All positive.

        Raises
        ------
        InputError
            If a column is out of the likelihood's range, or has a mean at which it has no variance.
        """
        if self.variance is None:
            raise InputError(
                f"The likelihood {self.name!r} does not say its variance at the mean: build its spectrum with "
                "lv.spectrum.exponential_family(data, variance)."
            )
        allowed = self.variance(mean) if np.isfinite(self.high) else np.full_like(mean, np.inf)
        outside = (mean < self.low) | (mean > self.high) | (variance > allowed + TOLERATED)
        if np.any(outside):
            column = int(np.argmax(outside))
            raise InputError(
                f"Data for a {self.title} decoder are {self.data}, but column {names[column] if names else column} is "
                f"not (mean {significant(mean[column])}, variance {significant(variance[column])}): rescale them, or "
                "take a Gaussian loss."
            )
        at_mean = self.variance(mean)
        if not np.all(at_mean > 0):
            stuck = np.flatnonzero(at_mean <= 0)
            shown = ", ".join(repr(names[i]) if names else str(i) for i in stuck[:5])
            raise InputError(
                f"{stuck.size} column{'s are' if stuck.size > 1 else ' is'} {significant(mean[stuck[0]])} throughout "
                f"({shown}{', …' if stuck.size > 5 else ''}), where a {self.title} decoder has no variance: leave "
                "constant columns out (X[:, X.std(axis=0) > 0]; --exclude)."
            )
        return np.sqrt(at_mean)


def _canonical(generator: Callable[[Array], Generator]) -> dict[str, Any]:
    """Value, score and curvature of a canonical exponential family: A − x f, A′ − x, A″."""
    return {
        "generator": generator,
        "value": lambda x, f: generator(f).value - x * f,
        "score": lambda x, f: generator(f).mean - x,
        "curvature": lambda x, f: generator(f).variance + 0 * x,
    }


def _bits(f: Array) -> Generator:
    small = np.exp(-np.abs(f))  # of the two exponentials, the one that cannot overflow
    mean = np.where(f < 0, small, 1) / (1 + small)
    return Generator(np.maximum(f, 0) + np.log1p(small), mean, small / (1 + small) ** 2)


def _counts(f: Array) -> Generator:
    value, beyond = np.exp(np.minimum(f, STEEP)), np.maximum(f - STEEP, 0)
    return Generator(value * (1 + beyond + beyond**2 / 2), value * (1 + beyond), value)


def _reals(f: Array) -> Generator:
    return Generator(f**2 / 2, f, np.ones_like(f))


GAUSSIAN = Likelihood(
    "gaussian", "Gaussian", "(x − x̂)²", "squared unit", "real numbers", -np.inf, np.inf,
    **_canonical(_reals), link=np.copy, variance=np.ones_like, slope=np.zeros_like, squared=True,
)  # fmt: skip
BERNOULLI = Likelihood(
    "bernoulli", "Bernoulli", "BCE(x, x̂)", "nat of cross-entropy", "from 0 to 1", 0.0, 1.0,
    **_canonical(_bits), link=lambda m: np.log(m) - np.log1p(-m), variance=lambda m: m * (1 - m),
    slope=lambda m: 1 - 2 * m,
)  # fmt: skip
POISSON = Likelihood(
    "poisson", "Poisson", "−ln Poisson(x; x̂)", "nat of −ln p", "counts, from 0 on", 0.0, np.inf,
    **_canonical(_counts), link=np.log, variance=np.copy, slope=np.ones_like,
)  # fmt: skip
#: Any exponential family: its variance function is given with the data, to `spectrum.exponential_family`.
FAMILY = Likelihood(
    "family", "exponential-family", "−ln p(x | x̂)", "nat of −ln p", "of the family's range", -np.inf, np.inf
)

KNOWN = {each.name: each for each in (GAUSSIAN, BERNOULLI, POISSON, FAMILY)}


def as_likelihood(likelihood: Any) -> Likelihood:
    """Return a likelihood given as an object or by its name.

    Parameters
    ----------
    likelihood : Likelihood or {"gaussian", "bernoulli", "poisson", "family"}

    Returns
    -------
    Likelihood

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> as_likelihood("bernoulli") is BERNOULLI
    True
    """
    if isinstance(likelihood, Likelihood):
        return likelihood
    return KNOWN[one_of(likelihood, "likelihood", tuple(KNOWN))]
