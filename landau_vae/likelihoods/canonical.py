"""The canonical exponential families that decoders use most: Gaussian, Bernoulli, Poisson."""

import numpy as np

from landau_vae.display import Array
from landau_vae.likelihoods.functions import Generator, library
from landau_vae.likelihoods.likelihood import KNOWN, Likelihood

STEEP = 80.0  # f from which e^f is continued by its parabola: it does not overflow, in float32 too; no minimum is there


def _bits(f: Array) -> Generator:
    xp = library(f)
    small = xp.exp(-xp.abs(f))  # of the two exponentials, the one that cannot overflow
    share = 1 / (1 + small)
    return Generator(xp.maximum(f, 0) + xp.log1p(small), xp.where(f < 0, small, 1) * share, small * share**2)


def _counts(f: Array) -> Generator:
    xp = library(f)
    value, beyond = xp.exp(xp.minimum(f, STEEP)), xp.maximum(f - STEEP, 0)
    return Generator(value * (1 + beyond + beyond**2 / 2), value * (1 + beyond), value)


def log_factorial(x: Array) -> Array:
    """Return ln x!, also between whole numbers."""
    from scipy.special import gammaln

    return np.asarray(gammaln(x + 1.0))


def _reals(f: Array) -> Generator:
    return Generator(f**2 / 2, f, library(f).ones_like(f))


GAUSSIAN = Likelihood(
    "gaussian", "Gaussian", "(x − x̂)²", "squared unit", "real numbers", generator=_reals, link=np.copy,
    variance=np.ones_like, slope=np.zeros_like, squared=True,
)  # fmt: skip
BERNOULLI = Likelihood(
    "bernoulli", "Bernoulli", "BCE(x, x̂)", "nat of cross-entropy", "from 0 to 1", (0.0, 1.0), generator=_bits,
    link=lambda m: np.log(m) - np.log1p(-m), variance=lambda m: m * (1 - m), slope=lambda m: 1 - 2 * m,
)  # fmt: skip
POISSON = Likelihood(
    "poisson", "Poisson", "−ln Poisson(x; x̂)", "nat of −ln p", "counts, from 0 on", (0.0, np.inf), generator=_counts,
    link=np.log, variance=np.copy, slope=np.ones_like, of_data=log_factorial,
)  # fmt: skip
#: Any exponential family: its variance function is given with the data, to `spectrum.exponential_family`.
FAMILY = Likelihood("family", "exponential-family", "−ln p(x | x̂)", "nat of −ln p", "of the family's range")

KNOWN.update({each.name: each for each in (GAUSSIAN, BERNOULLI, POISSON, FAMILY)})
