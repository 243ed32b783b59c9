"""The price of a nat under a constraint: τ_β, the price of the same loss without it, times its slope at rest.

    hinge, absolute  τ = min(τ_β, τ_C), R(τ_C) = C        target      τ = τ_C
    square           τ = 2 τ_β (R(τ) − C)                 distortion  D(τ) = C/a

(`landau-vae derive constraints-on-the-rate`). R and D are those of the linear model
(`water_filling`). This is exact for linear models and a constraint on the mean over rows. One
on each row (`per="sample"`) is taken for one on the mean; one on each latent leaves no one
price where it binds (`free_bits`).
"""

from dataclasses import dataclass

import numpy as np

from landau_vae.display import Array, significant
from landau_vae.loss.constraint import Constraint
from landau_vae.loss.free_bits import pooled_state
from landau_vae.loss.learned_price import tail
from landau_vae.loss.water_filling import capacities, logarithms, price_of_distortion, price_of_rate, rate_at
from landau_vae.spectrum.spectrum import Spectrum


@dataclass(frozen=True, eq=False)
class Demand:
    """A constraint on the data of a spectrum: nats of all latents together, data² of all features together."""

    constraint: Constraint
    spectrum: Spectrum
    latents: int | None  #: K
    averaged: int = 1  #: K where the loss averages the KL over latents, so that C is of that mean
    unit: float = 1.0  #: a, what one squared unit costs in the loss
    learned: bool = False  #: whether the decoder's variance is trained too
    sampler: str = ""  #: how z is drawn, in words, where that is not as usual

    @property
    def limit(self) -> float:
        """C in totals: nats, or data²."""
        c = self.constraint
        return c.value / self.unit if c.kind == "distortion" else c.value * self.averaged

    @property
    def cap(self) -> float:
        """The price at which the limit is met; none in effect is above it."""
        if self.unknown:
            return np.nan
        if self.constraint.per == "latent":
            return np.inf
        inverse = price_of_distortion if self.constraint.kind == "distortion" else price_of_rate
        return max(0.0, inverse(self.limit, self.spectrum, self.latents))

    def price(self, nominal: Array) -> Array:
        """Return the price in effect, of the shape of the price without the constraint."""
        if self.constraint.kind == "square":
            return self._of_square(nominal / self.averaged)
        return np.full_like(nominal, self.cap) if self.constraint.sets_price else np.minimum(nominal, self.cap)

    def _of_square(self, nominal: Array) -> Array:
        """Solve τ = 2τ_β (R(τ) − C): n ln τ + τ/τ_β = Σ_{k≤n} ln λ_k − 2C, by the Wright omega function."""
        from scipy.special import wrightomega

        # R − C − τ/2τ_β falls with τ: it is negative at the thresholds of the modes that are active.
        excess = capacities(self.spectrum, self.latents) - self.limit
        at_thresholds = excess - np.divide.outer(0.5 / nominal, 1 / self.spectrum.eigenvalues[: self.latents])
        n = np.maximum(1, np.count_nonzero(at_thresholds < 0, axis=-1))
        logs = (logarithms(self.spectrum, self.latents)[n - 1] - 2 * self.limit) / n
        return np.asarray(n * nominal * wrightomega(logs - np.log(n * nominal)))

    def nominal(self, price: Array) -> Array:
        """Return the price without the constraint that becomes this one in effect, and so a mode's threshold.

        It is infinite where none does. Where the constraint sets the price, modes above that
        price are active at every β (infinity), the others at none (0). NaN: it is not known.
        """
        if self.unknown:
            return np.full_like(price, np.nan)
        if self.constraint.per == "latent":
            return np.where(
                [self._pooled(np.asarray(each)) is None for each in np.ravel(price)], np.ravel(price), np.nan
            ).reshape(price.shape)
        if self.constraint.sets_price:
            return np.where(price > self.cap, np.inf, 0.0)
        reached = price < self.cap
        if self.constraint.kind != "square":
            return np.where(reached, price, np.inf)
        with np.errstate(divide="ignore"):  # at price 0 the rate is infinite
            excess = np.where(reached, rate_at(price, self.spectrum, self.latents) - self.limit, np.nan)
        return np.where(reached, self.averaged * price / (2 * excess), np.inf)

    def allowed(self, nominal: float, rate: float, tolerance: float) -> tuple[float, float]:
        """Return the least and the largest price that any network of a rate can have at rest.

        At rest the price is τ_β times a slope of the constraint at the network's own rate, which
        is known up to a share `tolerance`. At the corner of max(R, C) all slopes up to 1 occur.
        """
        c = self.constraint
        if c.sets_price:
            return 0.0, np.inf
        if c.kind == "square":
            if c.per == "sample":
                return 0.0, np.inf
            ends = (2 * nominal / self.averaged * (rate * (1 + t) - self.limit) for t in (-tolerance, tolerance))
            low, high = (max(0.0, end) for end in ends)
            return low, high
        free = c.per != "mean" or rate <= self.limit * (1 + tolerance)
        return 0.0 if free else nominal, nominal

    def charged(self, rate: Array) -> Array:
        """Return what the loss charges at its price without the constraint, nats."""
        match self.constraint.kind:
            case "hinge":
                return np.maximum(rate, self.limit)
            case "absolute":
                return np.abs(rate - self.limit)
            case "square":
                return (rate - self.limit) ** 2 / self.averaged
        return rate

    # ------------------------------------------------------------------------------------ in words

    @property
    def demanded(self) -> str:
        """What is demanded, as a subject."""
        c = self.constraint
        of = {"mean": "", "sample": " of each row", "latent": " of each latent"}[c.per]
        if c.kind == "distortion":
            return f"A reconstruction term of {significant(c.value)}"
        return f"A KL{' averaged over latents' * (self.averaged > 1)} of {significant(c.value)} nats{of}"

    @property
    def unknown(self) -> str | None:
        """Why no price follows from this constraint, whatever its limit, or None where one does."""
        kind = self.constraint.kind
        if self.sampler:
            return f"A constraint has a known price for the usual sampler only, but z is drawn with {self.sampler}."
        if self.learned and kind in ("square", "distortion"):
            return (
                f"The price under a constraint of the kind {kind!r} is not known where the decoder variance is "
                "learned too: fix the variance, or take another kind."
            )
        if kind == "distortion" and not self.spectrum.likelihood.squared:
            return (
                "A constraint on the reconstruction term has a price for squared errors only: give a target rate "
                "instead."
            )
        return None

    def without_price(self, nominal: Array) -> str | None:
        """Return why there is no price in effect, or None where there is one."""
        c = self.constraint
        if (problem := self.unknown) is not None:
            return problem
        if c.per == "latent":
            return self._pooled(nominal)
        if c.kind == "distortion" and (problem := self._out_of_reach()) is not None:
            return problem
        binding = self.cap <= np.max(nominal) or c.kind in ("square", "target", "distortion")
        return self._unresolved(float(np.min(self.price(nominal)))) if binding else None

    def without_beta(self, price: float) -> str | None:
        """Return why no β, or no single one, gives this price or all those up to it."""
        if (problem := self.unknown) is not None:
            return problem
        if self.constraint.per == "latent":
            return self._pooled(np.asarray(price))
        if self.constraint.kind == "distortion" and (problem := self._out_of_reach()) is not None:
            return problem
        if self.constraint.sets_price:
            return f"β has no part in the price: the constraint sets it, to {significant(self.cap)}. Change C instead."
        if price < self.cap:
            return None
        return (
            f"No β gives a price of {significant(price)}: the constraint keeps the price "
            f"{'at most' if self.constraint.kind != 'square' else 'below'} {significant(self.cap)}, however large β."
        )

    def _pooled(self, nominal: Array) -> str | None:
        K = self.latents or self.spectrum.modes
        states = (
            pooled_state(self.spectrum, K, float(tau), self.constraint.value) for tau in np.ravel(nominal) if tau > 0
        )
        pooled = max((K - state.alone for state in states), default=0)
        if not pooled:
            return None
        return (
            f"With {significant(self.constraint.value)} free nats for each of {K} latents there is no single price: "
            f"some ({pooled} of {K}) take their free nats, or share modes with those that do, and no price says which "
            "modes these serve. landau_vae.numeric.free_bits solves for this state."
        )

    def _out_of_reach(self) -> str | None:
        """Return why no price gives this distortion."""
        most, least = (
            self.spectrum.total_variance,
            float(tail(self.spectrum)[: (self.latents or self.spectrum.modes) + 1][-1]),
        )
        if least < self.limit < most:
            return None
        if self.limit >= most:
            return (
                f"{self.demanded} is met without any latent, because the mean of the data alone has "
                f"{significant(most * self.unit)}, so that the constraint exerts no force. Demand less."
            )
        return (
            f"{self.demanded} is out of reach: as the price goes to 0, the latents still leave "
            f"{significant(least * self.unit)}. Demand more, or give the model more latents."
        )

    def _unresolved(self, price: float) -> str | None:
        """Return why the spectrum does not tell the price."""
        spectrum = self.spectrum
        free = spectrum.truncated and (self.latents is None or self.latents > spectrum.modes)
        if free and price < spectrum.eigenvalues[-1]:
            return (
                f"{self.demanded} may take modes beyond the {spectrum.modes} that were kept: keep more (modes=…), or "
                "state that there are at most as many latents."
            )
        if price <= spectrum.floor:
            return (
                f"{self.demanded} would take a price of {significant(price, 3)}, where modes are lost in rounding: "
                "check its unit, or demand less of the model."
            )
        return None

    def in_words(self, nominal: float, price: float) -> str:
        """Return whether the constraint binds, and what it makes of the price, without a full stop."""
        rate, free = (significant(float(rate_at(np.asarray(x), self.spectrum, self.latents))) for x in (price, nominal))
        effect, law = f"the price in effect is {significant(price)}", PER_SAMPLE * (self.constraint.per == "sample")
        match self.constraint.kind:
            case "distortion":
                words = f"{self.demanded} takes a rate of {rate} nats, so that {effect}"
            case "target":
                words = f"The rate is held at {rate} nats whatever β, so that {effect}"
            case "square":
                words = f"The constraint holds the rate at {rate} nats (without it: {free}), so that {effect}"
            case _ if price < nominal:
                words = f"The constraint binds: it holds the rate at {rate} nats (without it: {free}), so that {effect}"
            case _:
                words = f"The constraint does not bind, because the rate is {rate} nats without it: {effect}"
        return law + words


PER_SAMPLE = "For a constraint on each row this is the law of one on their mean, which is close to it. "
