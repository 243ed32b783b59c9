"""The noise floor of counts: how large a mode is that chance alone makes, found by drawing counts without any.

Scores of counts are not isotropic noise: rows of larger size weigh more, rare genes have heavy
tails, zeros may be inflated. So counts are drawn from the collapsed state, with the sizes and the
dispersions of the data, and their spectrum is taken in the metric of the data. The floor is the
mean of its first eigenvalue and 2.54 deviations, where the Tracy–Widom law has its 99 % point, and
more because both are known from few draws (Student's t for the normal law, and a further draw).
Noise alone was above it in 2 of 200 sets of 400 cells and 60 genes, Poisson or negative binomial,
also sparse ones. Source: this package.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from landau_vae.checks import Count, Seed, checked
from landau_vae.data.tables import as_table
from landau_vae.display import Array, Content, Result, counted, readonly, significant
from landau_vae.errors import InputError
from landau_vae.likelihoods import POISSON, Likelihood, Rest, Sized, as_likelihood, with_sizes
from landau_vae.likelihoods.functions import Part
from landau_vae.likelihoods.sizes import Bound, can_be_drawn
from landau_vae.spectrum._score import as_sizes, of_rest, score
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.threads import one_thread

OWN = 0x6E6F6973  # stream of the draws
DEVIATIONS = 2.54  # (2.02 + 1.21)/1.27: the 99 % point, the mean and the deviation of the Tracy–Widom law
LEAST, DRAWS = 4, 20
NUMBERS = 2e7  # that are drawn in all, about


@dataclass(frozen=True, eq=False)
class CountNoise(Result):
    """The part of a spectrum of counts that chance alone can make."""

    spectrum: Spectrum = field(repr=False)  #: of the counts
    largest: Array  #: first eigenvalue of each set that was drawn, (draws,)
    json_fields = ("largest", "price", "modes")

    @property
    def price(self) -> float:
        """Return the price above which, in 99 of 100 sets of counts without any mode, no latent is active."""
        from scipy.stats import norm, t  # here, so that commands start at once

        draws = len(self.largest)
        more = t.ppf(0.99, draws - 1) / norm.ppf(0.99) * np.sqrt(1 + 1 / draws)
        return float(self.largest.mean() + DEVIATIONS * more * self.largest.std(ddof=1))

    @property
    def modes(self) -> int:
        """Return how many modes stand above the floor."""
        return int(np.count_nonzero(self.spectrum.eigenvalues > self.price))

    def __repr__(self) -> str:
        return f"CountNoise(τ = {significant(self.price, 4)}, {self.modes} of {self.spectrum.modes} modes above)"

    def content(self) -> Content:
        """Yield the floor and what it rests on."""
        ends = f"{significant(float(self.largest.min()), 4)} to {significant(float(self.largest.max()), 4)}"
        drawn = f"{counted(len(self.largest), 'set')} of counts drawn from the collapsed state"
        yield f"{self!r}\nThe first eigenvalue of {drawn} is {ends}."


@checked
@one_thread()
def count_noise(data: Any, loss: Any, *, sizes: Any = None, draws: Count | None = None, seed: Seed = 0) -> CountNoise:
    """Return the price above which no latent is active on what chance alone makes of counts.

    Parameters
    ----------
    data : array_like or DataFrame (n, d)
        Counts.
    loss : Loss, Likelihood or str
        A loss with a likelihood of counts: Poisson, negative binomial, with extra zeros or
        not, with sizes of rows or without, such as that of scvi-tools.
    sizes : "total" or (n,) array, optional
        As in `landau_vae.spectrum.score`.
    draws : int, optional
        How many sets of counts are drawn, at least four; 20, or fewer of many numbers.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    CountNoise
        The floor, and how many modes of the data stand above it.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(4.0, (300, 20))
    >>> count_noise(counts, "poisson").modes
    0
    """
    rows = np.asarray(as_table(data)[0], dtype=np.float64)
    likelihood = as_likelihood(getattr(loss, "likelihood", loss), "loss")
    if not can_be_drawn(likelihood):
        raise InputError(
            "Counts are drawn from Poisson and negative binomial likelihoods, but this loss has the likelihood "
            f"{likelihood.name!r}: leave the noise floor out.", "loss"
        )  # fmt: skip
    spectrum = score(rows, loss, sizes=sizes)
    given, whole = with_sizes(likelihood, rows, as_sizes(sizes))
    given = given.settled(whole)
    rest = given.rest(whole)
    if draws is None:
        draws = int(np.clip(NUMBERS / rows.size, LEAST, DRAWS))
    elif draws < LEAST:
        raise InputError(f"draws is {draws}, but at least {LEAST} are needed for a deviation.", "draws")
    rng, largest = np.random.default_rng((seed, OWN)), []
    for _ in range(draws):
        fake = _drawn(given, whole, rest.output, rng)
        known = rest._replace(score=_scores(given, fake, whole, rest))
        largest.append(of_rest(likelihood, known, fake, modes=1).eigenvalues[0])
    return CountNoise(spectrum, readonly(np.array(largest)))


def _scores(likelihood: Likelihood, fake: Array, x: Array, rest: Rest) -> Array:
    """Return scores of counts that were drawn for the rows of the data, at the output of these."""
    if not isinstance(likelihood, Sized):
        return np.asarray(likelihood.score(fake, rest.output))
    log_size = likelihood.parts(x)[1] if likelihood.column else np.log(np.maximum(fake.sum(axis=1, keepdims=True), 1))
    curvature = rest.curvature
    blocks = curvature[:, None, None] if curvature.ndim == 1 else curvature
    return likelihood.scores(Bound.of(likelihood.base, fake, log_size), rest.output, blocks)


def _drawn(likelihood: Likelihood, x: Array, output: Array, rng: np.random.Generator) -> Array:
    """Return counts of the collapsed state, (n, d)."""
    base, at = likelihood, np.broadcast_to(output, (len(x), len(output)))
    if isinstance(likelihood, Sized):
        counts, log_size = likelihood.parts(x)
        base, at = likelihood.base, likelihood.at_sizes(output, log_size, counts.shape[1])
    d = len(output) // base.outputs(1)
    mean = np.exp(at[:, :d])
    if base == POISSON:
        return rng.poisson(mean).astype(np.float64)
    assert isinstance(base.value, Part)
    theta, *rest = (getattr(each, "array", each) for each in base.value.parameters)
    share = 1 / (1 + np.exp(-at[:, d:])) if at.shape[1] > d else rest[0] if rest else 0.0
    drawn = rng.poisson(rng.gamma(np.broadcast_to(theta, mean.shape), mean / theta))
    return np.where(rng.random(mean.shape) < share, 0.0, drawn)
