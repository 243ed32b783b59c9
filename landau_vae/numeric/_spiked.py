"""Size of the data set: at which price a latent collapses on n samples of d features, and whether it has the signal.

    population   ρ + η: a direction of variance ρ (spike) over noise η in every direction;  α = n/d
    trained      λ̂ = (ρ + η)(1 + η/(αρ)),  overlap² = (1 − η²/(αρ²)) / (1 + η/(αρ))    if α > η²/ρ²
                 λ̂ = η(1 + 1/√α)²,         overlap² = 0                                 below (BBP transition)

The training loss depends on the training set's covariance alone, so λ̂ is its threshold (J.
Hirn, arXiv:2605.22691). Sources: Baik, Ben Arous & Péché (math/0403022), Baik & Silverstein
(math/0408165), Paul (2007, Statistica Sinica 17, 1617). Domain: independent samples with finite
fourth moments, isotropic noise, a few distinct spikes. λ̂ and the overlap are limits n, d → ∞
at fixed α. Corrections of finite size are of relative order 1/n, but as large as the effect
within about one `width` of the transition, and the edge has Tracy–Widom corrections of order
n^(−2/3) (Johnstone 2001, Annals of Statistics 29, 295): `expected_threshold` has the leading
ones.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from landau_vae.checks import Count, Positive, checked, numbers
from landau_vae.display import Array, Booleans, Column, Content, Numbers, Result, Table, readonly, significant
from landau_vae.errors import InputError

BLURRED_WIDTHS = 1.25  # from the transition, up to which no formula holds at finite size
TRACY_WIDOM_99 = 2.0234  # of the largest noise eigenvalues of real data, 99 % lie below edge + this many `tracy_widom`


@dataclass(frozen=True, eq=False)
class Spiked(Result):
    """Thresholds of a training set of spiked data, strongest spike first; all variances are prices, data² per nat."""

    spikes: Array  #: ρ, (spikes,), descending, data²: variance beyond the noise
    noise: float  #: η, data²
    samples: int  #: n
    features: int  #: d
    threshold: Array  #: λ̂, (spikes,): price at which the latent of this rank collapses, trained on n samples
    overlap: Array  #: (spikes,): squared cosine between the trained decoder's column and the spike's direction
    json_fields = ("spikes", "noise", "samples", "features", "aspect", "population", "threshold", "overlap", "seen",
                   "critical_aspect", "edge", "noise_floor", "tracy_widom", "width", "blurred",
                   "expected_threshold")  # fmt: skip

    @property
    def aspect(self) -> float:
        """Return α = n/d."""
        return self.samples / self.features

    @property
    def population(self) -> Array:
        """Return ρ + η, (spikes,), the thresholds with unlimited data."""
        return readonly(self.spikes + self.noise)

    @property
    def critical_aspect(self) -> Array:
        """Return η²/ρ², (spikes,), the α above which a spike is detected at all."""
        return readonly((self.noise / self.spikes) ** 2)

    @property
    def seen(self) -> Booleans:
        """Return whether α is above critical, (spikes,); below it a latent encodes pure noise."""
        return np.asarray(self.spikes > self.noise / np.sqrt(self.aspect))

    @property
    def edge(self) -> float:
        """Return η(1 + 1/√α)², where noise ends for n, d → ∞.

        One training set of six (n, d ~ 100: of eight) has an eigenvalue of noise above it.
        """
        return edge(self.noise, self.samples, self.features)

    @property
    def noise_floor(self) -> float:
        """Return the price above which, in 99 of 100 training sets, no latent is active on noise alone."""
        return self.edge + TRACY_WIDOM_99 * self.tracy_widom

    @property
    def tracy_widom(self) -> float:
        """Return the scale of the edge's fluctuations, η (√n + √d)(1/√n + 1/√d)^⅓ / n."""
        return tracy_widom(self.noise, self.samples, self.features)

    @property
    def width(self) -> float:
        """Return how far from the critical ρ = η/√α finite size blurs it: there λ̂ − edge is `tracy_widom`."""
        return float((self.noise / self.aspect**0.5 * self.tracy_widom) ** 0.5)

    @property
    def blurred(self) -> Booleans:
        """Return whether a spike is so close to critical that no closed form holds at this size, (spikes,)."""
        return np.asarray(np.abs(self.spikes - self.noise / np.sqrt(self.aspect)) < BLURRED_WIDTHS * self.width)

    @cached_property
    def expected_threshold(self) -> Array:
        """Return λ̂ averaged over training sets of this size, (spikes,), where no spike is `blurred`.

        The j-th spike that is not detected has the j-th largest eigenvalue of noise, which lies
        where the density of the edge has room for j − ¾ (Tracy–Widom means within a tenth of
        `tracy_widom`).
        """
        rank = np.arange(1, len(self.spikes) + 1) - np.count_nonzero(self.seen)
        inside = (1.5 * np.pi * (np.maximum(rank, 1) - 0.75)) ** (2 / 3)
        return readonly(self.threshold - np.where(self.seen, 0.0, inside * self.tracy_widom))

    @cached_property
    def chance_overlap(self) -> Array:
        """Return the mean squared overlap that chance gives to an undetected spike, (spikes,), at most 1; else 0.

        η(η + ρ) / (n (η/√α − ρ)²) to leading order: 1/d without a spike; too large by up to 2
        at a hundred features.
        """
        with np.errstate(divide="ignore"):
            gap = np.square(self.noise / self.aspect**0.5 - self.spikes)
            chance = np.minimum(self.noise * self.population / (self.samples * gap), 1.0)
        return readonly(np.where(self.seen, 0.0, chance))

    def __repr__(self) -> str:
        count = f"{np.count_nonzero(self.seen)} of {len(self.spikes)} spikes detected"
        return f"Spiked(n/d = {significant(self.aspect)}, {count}, noise ends at τ = {significant(self.edge)})"

    def content(self) -> Content:
        """Yield the table of spikes, strongest first."""
        yield repr(self)
        yield Table([
            Column("spike", self.spikes), Column("population", self.population),
            Column("collapses at τ", self.threshold), Column("overlap²", self.overlap),
            Column("detected from n/d", self.critical_aspect),
        ], note="population: threshold with unlimited data; overlap²: squared cosine of column and spike")  # fmt: skip


@checked
def spiked(spikes: Numbers, noise: Positive, samples: Count, features: Count) -> Spiked:
    """Return the training-set thresholds of isotropic noise with spikes on top.

    Parameters
    ----------
    spikes : float or array_like
        ρ, one variance beyond the noise or several distinct ones, fewer than the features.
    noise : float
        η, variance of the noise in every direction.
    samples, features : int
        n and d of the training set, whose covariance divides by n.

    Returns
    -------
    Spiked
        Thresholds and overlaps, strongest spike first.

    Raises
    ------
    InputError
        If spikes or noise are not positive, or spikes are not distinct and fewer than the
        features.

    Examples
    --------
    >>> theory = spiked([3], noise=1, samples=200, features=100)  # population threshold 4
    >>> theory.threshold.round(4).tolist(), theory.overlap.round(4).tolist()
    ([4.6667], [0.8095])
    >>> theory
    Spiked(n/d = 2, 1 of 1 spikes detected, noise ends at τ = 2.91421)
    """
    n, d, eta = samples, features, noise
    rho = np.sort(np.atleast_1d(numbers(spikes, "spikes")).ravel())[::-1]
    if rho.size == 0 or not np.all(np.isfinite(rho) & (rho > 0)) or np.any(np.diff(rho) == 0) or rho.size >= d:
        raise InputError(
            f"The spikes are {np.asarray(spikes).tolist()}, but distinct positive variances beyond the noise are "
            f"expected, at least one and fewer than the {d} features.",
            "spikes",
        )
    seen = rho > eta * (d / n) ** 0.5
    strong = np.where(seen, rho, eta)  # weaker ones are not divided by
    excess = eta / strong * (d / n)  # η/(αρ)
    threshold = np.where(seen, (strong + eta) * (1 + excess), edge(eta, n, d))
    overlap = np.where(seen, (1 - excess * eta / strong) / (1 + excess), 0.0)
    return Spiked(readonly(rho), eta, n, d, readonly(threshold), readonly(overlap))


@checked
def population_threshold(threshold: Numbers, noise: Positive, samples: Count, features: Count) -> Array:
    """Return the population threshold ρ + η behind a training-set threshold λ̂: `spiked` inverted.

    Parameters
    ----------
    threshold : array_like
        λ̂, any shape.
    noise : float
        η, variance of the noise in every direction.
    samples, features : int
        n and d of the training set.

    Returns
    -------
    array
        ρ + η, of the shape of λ̂. NaN below the edge of the noise, where λ̂ says only that
        ρ + η ≤ η(1 + 1/√α).

    Raises
    ------
    InputError
        If an argument cannot be used.

    Notes
    -----
    As a shrinkage of eigenvalues it is the optimal one for the operator norm (Donoho, Gavish &
    Johnstone, arXiv:1311.0851).

    Examples
    --------
    >>> population_threshold([14 / 3, 2.9], noise=1, samples=200, features=100).round(9).tolist()
    [4.0, nan]
    """
    lam, eta, n, d = numbers(threshold, "threshold"), noise, samples, features
    above, below = lam - edge(eta, n, d), lam - eta * (1 - (d / n) ** 0.5) ** 2
    # ℓ² − (λ̂ + η − η/α) ℓ + ηλ̂ = 0, whose discriminant is the product of the distances from the two edges.
    root = np.sqrt(np.where(above >= 0, above * below, np.nan))
    return readonly((lam + eta - eta * d / n + root) / 2)


def edge(noise: float, samples: int, features: int) -> float:
    """Return η(1 + 1/√α)², where the eigenvalues of noise end for n, d → ∞.

    >>> edge(2, samples=400, features=100)
    4.5
    """
    return noise * (1 + (features / samples) ** 0.5) ** 2


def tracy_widom(noise: float, samples: int, features: int) -> float:
    """Return the scale of the largest noise eigenvalue's fluctuations about `edge`, η (√n + √d)(1/√n + 1/√d)^⅓ / n.

    >>> round(tracy_widom(2, samples=400, features=100), 9)
    0.079699393
    """
    n, d = samples**0.5, features**0.5
    return float(noise * (n + d) * (1 / n + 1 / d) ** (1 / 3) / n**2)
