"""The two numbers that every loop prints, in nats and errors of a row, beside those of linear models.

    R ↔ τ:  R = ½ Σ [ln(λ_k/τ)]₊          D ↔ τ:  D = Σ min(λ_k, τ)

Each number alone belongs to one price of a linear model. Where the two prices agree, so may the
model be linear; a nonlinear one saves more of the error with the same nats, which a lower
price by the error than by the rate shows. What the two numbers cannot show is whether a model
is at rest.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from landau_vae.display import significant
from landau_vae.limits import ACTIVE, COLLAPSED, MEAN_PREDICTED, TOO_GOOD, WORSE_THAN_CONSTANT
from landau_vae.loss import Logged, Loss
from landau_vae.loss.water_filling import price_of_distortion, price_of_rate
from landau_vae.numeric import Equilibrium
from landau_vae.numeric.expected_curves import error_of
from landau_vae.spectrum.spectrum import Spectrum

ROUNDING = 1e-6  # of the variance: what numbers of single precision lose
DEAD = -0.5 * float(np.log(1 - COLLAPSED))  # nats of all latents together, up to which a model has collapsed
ALIVE = -0.5 * float(np.log(1 - ACTIVE))  # nats from which it is surely active
Verdict = Literal["collapsed", "active", "ignored", "worse than the mean", "inconsistent"]


@dataclass(frozen=True, eq=False)
class TwoNumbers:
    """A KL and a reconstruction, the loss they belong to and the spectrum of the data."""

    spectrum: Spectrum = field(repr=False)  #: the modes λ_k
    loss: Loss = field(repr=False)  #: that is trained, at the β of these numbers
    logged: Logged = field(repr=False)  #: what the two numbers are
    kl: float  #: as logged
    reconstruction: float  #: as logged
    mean_error: float  #: error of a row of the best constant output, Σ(x − x̂)² or −ln p; NaN where it is not known
    equilibrium: Equilibrium | None = field(repr=False)  #: at the stated β; None where the loss has none

    # ------------------------------------------------------------------------------------- of one row

    @property
    def rate(self) -> float:
        """Return R, nats of a row."""
        return float(self.logged.rate(self.kl, self.loss, self.spectrum.dimension))

    @property
    def in_use(self) -> float:
        """Return the rate beyond that of latents which encode nothing, 0 unless their σ² is held away from 1."""
        latents = self.loss.latents or self.spectrum.modes
        return self.rate - latents * float(self.loss.sampler.law(np.inf).rate)

    @property
    def error(self) -> float:
        """Return E of a row: Σ(x − x̂)², or −ln p."""
        return float(self.logged.error(self.reconstruction, self.loss, self.spectrum.dimension))

    @property
    def distortion(self) -> float:
        """Return D, data²: E itself, or the D that has this −ln p to second order, V − 2(E₀ − E)."""
        saved = (self.mean_error - self.error) * 2 / self.loss.likelihood.curvature_of_term
        return self.spectrum.total_variance - saved

    @property
    def gain(self) -> str:
        """What the reconstruction gains over the mean predictor, in words that follow "the reconstruction"."""
        if self.loss.likelihood.linear_law:
            return f"explains {self.explained:.1%} of the variance"
        saved = significant(round(self.mean_error - self.error, 9), 3)
        return f"saves {saved} a row of the {significant(self.mean_error, 3)} that the best constant output has"

    @property
    def explained(self) -> float:
        """Return the share of the variance that the reconstruction explains, 1 − D/V: 0 of the mean predictor."""
        return 1 - self.distortion / self.spectrum.total_variance

    # --------------------------------------------------------------------------------- as a linear model

    @cached_property
    def by_rate(self) -> float:
        """Return the price τ at which a linear model has this rate, data² per nat; λ₁ where the rate is 0."""
        return self._known(price_of_rate(max(self.rate, 0.0), self.spectrum, self.loss.latents))

    @cached_property
    def by_error(self) -> float:
        """Return the price τ at which a linear model has this distortion, data² per nat; NaN where none has."""
        price = price_of_distortion(self.distortion, self.spectrum, self.loss.latents)
        return self._known(min(price, float(self.spectrum.eigenvalues[0]))) if price > 0 else np.nan

    def _known(self, price: float) -> float:
        """Return the price; NaN where modes that were not kept are active, or the sampler is another one."""
        spectrum, latents = self.spectrum, self.loss.latents
        kept = not spectrum.truncated or (latents is not None and latents <= spectrum.modes)
        known = kept or price >= spectrum.eigenvalues[-1]
        return price if known and self.loss.sampler.plain else np.nan

    @property
    def efficiency(self) -> float:
        """Return what these nats save of the squared error, over what they save in the best linear model.

        Infinite at rate 0.
        """
        price = price_of_rate(max(self.rate, 0.0), self.spectrum, self.loss.latents)
        best = np.maximum(self.spectrum.eigenvalues[: self.loss.latents] - price, 0.0).sum()
        saved = self.spectrum.total_variance - self.distortion
        return float(saved / best) if best > 0 else float(np.inf * np.sign(saved))

    @property
    def active(self) -> int | None:
        """Return with about how many latents, those of a linear model of this rate whose signal fraction is above 0.1.

        None where the sampler is another one.
        """
        served = self.spectrum.eigenvalues[: self.loss.latents]
        count = int(np.count_nonzero(served * (1 - ACTIVE) > self.by_rate)) or int(self.in_use > DEAD)
        return None if np.isnan(self.by_rate) else count

    # ------------------------------------------------------------------------------------- as expected

    @property
    def price(self) -> float:
        """Return the price τ of the stated loss, data² per nat; NaN where it has none."""
        return np.nan if self.equilibrium is None else float(self.equilibrium.price)

    @property
    def expected_rate(self) -> float:
        """Return R of a linear model at rest at this β, nats of a row."""
        return np.nan if self.equilibrium is None else float(self.equilibrium.total_rate)

    @property
    def expected_error(self) -> float:
        """Return E of a row of a linear model at rest at this β."""
        if self.equilibrium is None:
            return np.nan
        distortion = self.equilibrium.total_distortion * self.spectrum.total_variance
        return float(error_of(distortion, self.spectrum, self.loss, self.mean_error))

    @property
    def expected_kl(self) -> float:
        """Return the KL to expect, as logged."""
        return float(self.logged.logged_rate(self.expected_rate, self.loss, self.spectrum.dimension))

    @property
    def expected_reconstruction(self) -> float:
        """Return the reconstruction to expect, as logged."""
        return float(self.logged.logged_error(self.expected_error, self.loss, self.spectrum.dimension))

    @property
    def expected_active(self) -> int | None:
        """Return how many latents should have a signal fraction above 0.1."""
        return None if self.equilibrium is None else int(np.count_nonzero(self.equilibrium.rate > ALIVE))

    # ---------------------------------------------------------------------------------------- verdict

    @property
    def possible(self) -> bool:
        """Whether a trained model can have both: an error no larger than a constant's, nor too small for the rate."""
        return not (self.verdict == "inconsistent" or self.explained < -WORSE_THAN_CONSTANT)

    @property
    def below_zero(self) -> bool:
        """Whether a squared error is negative, by more than rounding."""
        return self.loss.likelihood.linear_law and not self.loss.learned and self.explained > 1 + ROUNDING

    @cached_property
    def verdict(self) -> Verdict:
        """Return what the two numbers are together."""
        if self.below_zero:
            return "inconsistent"
        if self.explained > MEAN_PREDICTED and self.efficiency > TOO_GOOD:
            return "inconsistent"
        if self.in_use <= DEAD:
            return "collapsed"
        if self.explained < -WORSE_THAN_CONSTANT:
            return "worse than the mean"
        return "ignored" if self.explained < MEAN_PREDICTED and self.efficiency < 0.5 else "active"
