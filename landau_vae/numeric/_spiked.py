"""Small training sets: at which price does a latent die on n samples of d features, and does it know the truth?

    population   ρ + η: a direction of variance ρ (spike) over noise η in every direction;  α = n/d
    trained      λ̂ = (ρ + η)(1 + η/(αρ)),  overlap² = (1 − η²/(αρ²)) / (1 + η/(αρ))    if α > η²/ρ²
                 λ̂ = η(1 + 1/√α)²,         overlap² = 0                                 below (BBP transition)

The training loss sees the covariance of the training set alone, so λ̂ is its threshold (J. Hirn, arXiv:2605.22691).
Sources: Baik, Ben Arous & Péché (math/0403022), Baik & Silverstein (math/0408165), Paul (2007, Statistica Sinica 17,
1617). Domain: independent samples with finite fourth moments, isotropic noise, a few distinct spikes. λ̂ and the overlap
are limits n, d → ∞ at fixed α. At finite size the rest is of relative order 1/n, but within about one `width` of the
transition it is as large as what the transition does, and the edge has Tracy–Widom corrections of order n^(−2/3)
(Johnstone 2001, Annals of Statistics 29, 295): `expected_threshold` has the leading ones.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.tables import as_numbers
from landau_vae.display import Array, jsonable, readonly, significant, table
from landau_vae.errors import InputError

__all__ = ["Spiked", "edge", "population_threshold", "spiked", "tracy_widom", "whole"]

BLURRED = 1.25  # widths from the transition up to which no formula holds at finite size
TRACY_WIDOM_99 = 2.0234  # of the largest noise eigenvalues of real data, 99 % lie below edge + this many `tracy_widom`


@dataclass(frozen=True, eq=False)
class Spiked:
    """Thresholds of a training set of spiked data, strongest spike first; all variances are prices, data² per nat."""

    spikes: Array  #: ρ, (spikes,), descending, data²: variance beyond the noise
    noise: float  #: η, data²
    samples: int  #: n
    features: int  #: d
    threshold: Array  #: λ̂, (spikes,): price at which the latent of this rank dies, trained on n samples
    overlap: Array  #: (spikes,): squared cosine between the trained decoder's column and the spike's direction

    @property
    def aspect(self) -> float:
        """α = n/d."""
        return self.samples / self.features

    @property
    def population(self) -> Array:
        """ρ + η, (spikes,): the thresholds of endless data."""
        return readonly(self.spikes + self.noise)

    @property
    def critical_aspect(self) -> Array:
        """η²/ρ², (spikes,): the α above which a spike is seen at all."""
        return readonly((self.noise / self.spikes) ** 2)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(spikes,): whether α is above critical; a latent of a spike that is not seen encodes pure noise."""
        return np.asarray(self.spikes > self.noise / np.sqrt(self.aspect))

    @property
    def edge(self) -> float:
        """η(1 + 1/√α)²: where noise ends as n, d → ∞. In one training set of six (n, d ~ 100: eight) some is above."""
        return edge(self.noise, self.samples, self.features)

    @property
    def noise_floor(self) -> float:
        """The price above which, in 99 of 100 training sets, no latent lives on noise alone."""
        return self.edge + TRACY_WIDOM_99 * self.tracy_widom

    @property
    def tracy_widom(self) -> float:
        """The scale of the edge's fluctuations, η (√n + √d)(1/√n + 1/√d)^⅓ / n."""
        return tracy_widom(self.noise, self.samples, self.features)

    @property
    def width(self) -> float:
        """How far from the critical ρ = η/√α finite size blurs the transition: there λ̂ − edge is `tracy_widom`."""
        return float((self.noise / self.aspect**0.5 * self.tracy_widom) ** 0.5)

    @property
    def blurred(self) -> NDArray[np.bool_]:
        """(spikes,): whether a spike is so close to critical that neither side's closed form holds at this size."""
        return np.asarray(np.abs(self.spikes - self.noise / np.sqrt(self.aspect)) < BLURRED * self.width)

    @cached_property
    def expected_threshold(self) -> Array:
        """λ̂ averaged over training sets of this size, (spikes,), where no spike is `blurred`.

        Of what is not seen, the j-th is the j-th largest eigenvalue of noise: it lies where the density of the edge
        has room for j − ¾ (Tracy–Widom means within a tenth of `tracy_widom`).
        """
        rank = np.arange(1, len(self.spikes) + 1) - np.count_nonzero(self.seen)
        inside = (1.5 * np.pi * (np.maximum(rank, 1) - 0.75)) ** (2 / 3)
        return readonly(self.threshold - np.where(self.seen, 0.0, inside * self.tracy_widom))

    @cached_property
    def chance_overlap(self) -> Array:
        """Mean squared overlap that finite size leaves to a spike that is not seen, (spikes,), at most 1; 0 if seen.

        η(η + ρ) / (n (η/√α − ρ)²) to leading order: 1/d without a spike; too large by up to 2 at a hundred features.
        """
        with np.errstate(divide="ignore"):
            gap = np.square(self.noise / self.aspect**0.5 - self.spikes)
            chance = np.minimum(self.noise * self.population / (self.samples * gap), 1.0)
        return readonly(np.where(self.seen, 0.0, chance))

    def __repr__(self) -> str:
        count = f"{np.count_nonzero(self.seen)} of {len(self.spikes)} spikes seen"
        return f"Spiked(n/d = {significant(self.aspect)}, {count}, noise ends at τ = {significant(self.edge)})"

    def summary(self) -> str:
        """The table of spikes, strongest first."""
        header = ["spike", "population", "dies at τ", "overlap²", "seen from n/d"]
        columns = np.stack([self.spikes, self.population, self.threshold, self.overlap, self.critical_aspect], axis=1)
        return f"{self!r}\n{table(header, [[significant(value) for value in row] for row in columns])}"

    def to_dict(self) -> dict[str, Any]:
        """Numbers and arrays as strict JSON."""
        names = ["spikes", "noise", "samples", "features", "aspect", "population", "threshold", "overlap", "seen"]
        names += ["critical_aspect", "edge", "noise_floor", "tracy_widom", "width", "blurred", "expected_threshold"]
        return jsonable({name: getattr(self, name) for name in names})


def spiked(spikes: ArrayLike, noise: float, samples: int, features: int) -> Spiked:
    """Training-set thresholds of `features` of noise variance η with `spikes` ρ (one, or several distinct) on top.

    `samples` is n of the training set, whose covariance divides by n. Raises `InputError` unless spikes and noise are
    positive and spikes are distinct and fewer than the features.

    >>> theory = spiked([3], noise=1, samples=200, features=100)  # population threshold 4
    >>> theory.threshold.round(4).tolist(), theory.overlap.round(4).tolist()
    ([4.6667], [0.8095])
    >>> theory
    Spiked(n/d = 2, 1 of 1 spikes seen, noise ends at τ = 2.91421)
    """
    rho, eta = np.sort(np.atleast_1d(as_numbers(spikes, "The spikes")).ravel())[::-1], _noise(noise)
    n, d = whole(samples, "samples"), whole(features, "features")
    if rho.size == 0 or not np.all(np.isfinite(rho) & (rho > 0)) or np.any(np.diff(rho) == 0) or rho.size >= d:
        raise InputError(
            f"The spikes are {np.asarray(spikes).tolist()}, but distinct positive variances beyond the noise are "
            f"expected, at least one and fewer than the {d} features."
        )
    seen = rho > eta * (d / n) ** 0.5
    excess = eta / rho * (d / n)  # η/(αρ)
    threshold = np.where(seen, (rho + eta) * (1 + excess), edge(eta, n, d))
    overlap = np.where(seen, (1 - excess * eta / rho) / (1 + excess), 0.0)
    return Spiked(readonly(rho), eta, n, d, readonly(threshold), readonly(overlap))


def population_threshold(threshold: ArrayLike, noise: float, samples: int, features: int) -> Array:
    """The population threshold ρ + η behind a training-set threshold λ̂ (any shape): `spiked` inverted.

    NaN below the edge of the noise, where λ̂ says nothing of a spike but ρ + η ≤ η(1 + 1/√α). As a shrinkage of
    eigenvalues it is the optimal one for the operator norm (Donoho, Gavish & Johnstone, arXiv:1311.0851).

    >>> population_threshold([14 / 3, 2.9], noise=1, samples=200, features=100).round(9).tolist()
    [4.0, nan]
    """
    lam, eta = as_numbers(threshold, "The threshold"), _noise(noise)
    n, d = whole(samples, "samples"), whole(features, "features")
    above, below = lam - edge(eta, n, d), lam - eta * (1 - (d / n) ** 0.5) ** 2
    # ℓ² − (λ̂ + η − η/α) ℓ + ηλ̂ = 0, whose discriminant is the product of the distances from the two edges.
    root = np.sqrt(np.where(above >= 0, above * below, np.nan))
    return readonly((lam + eta - eta * d / n + root) / 2)


def edge(noise: float, samples: int, features: int) -> float:
    """η(1 + 1/√α)²: where the eigenvalues of noise end as n, d → ∞.

    >>> edge(2, samples=400, features=100)
    4.5
    """
    return noise * (1 + (features / samples) ** 0.5) ** 2


def tracy_widom(noise: float, samples: int, features: int) -> float:
    """The scale on which the largest eigenvalue of noise fluctuates about `edge`, η (√n + √d)(1/√n + 1/√d)^⅓ / n.

    >>> round(tracy_widom(2, samples=400, features=100), 9)
    0.079699393
    """
    n, d = samples**0.5, features**0.5
    return float(noise * (n + d) * (1 / n + 1 / d) ** (1 / 3) / n**2)


def whole(value: int, what: str) -> int:
    """`value` as the number of `what`.

    >>> whole(200, "samples")
    200
    """
    if not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"The number of {what} is {value}, but a whole number from 1 on is expected.")
    return int(value)


def _noise(value: float) -> float:
    number = as_numbers(value, "The noise")
    if number.ndim or not 0 < number < np.inf:
        raise InputError(f"The noise is {value}, but one positive finite variance is expected.")
    return float(number)
