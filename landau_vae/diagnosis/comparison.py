"""A model's posteriors and decoder beside what spectrum and loss predict, and what follows from both.

Three kinds of statement, from the surest on. What its own decoder says (`measured`)
holds for any network: the price in effect, and whether a further latent would pay. That
a collapsed model is stable from τ ≥ λ₁ on holds for any network as well. M² = [1 −
τ/λ]₊ and what follows from it is exact for linear models alone: the others are compared
with it as with what a linear model would do, and nothing is held against them. The
numbers that decide are in `landau_vae.limits`. Modes and latents are counted from 0
here, and from 1 in what is printed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from landau_vae import limits
from landau_vae.diagnosis.constrained import allowed_prices
from landau_vae.diagnosis.measured import Measured
from landau_vae.diagnosis.modes import Observed
from landau_vae.diagnosis.posterior import Posterior
from landau_vae.diagnosis.progress import Progress
from landau_vae.diagnosis.ranked_pruning import Decoded
from landau_vae.display import Array, significant, with_error
from landau_vae.loss import Loss
from landau_vae.loss.price_in_effect import Demand
from landau_vae.loss.slips import slip_with_price
from landau_vae.networks import Frontier, KernelOnset, NextLatent, PricesInEffect, frontier
from landau_vae.networks.identities import LAST_UPDATES
from landau_vae.numeric._equilibrium import Equilibrium
from landau_vae.numeric._noise_floor import NoiseFloor
from landau_vae.numeric.plateau_activation import Activation
from landau_vae.spectrum.spectrum import Spectrum

PART = 1000  # rows that the frontier is found on
FEW_FEATURES, FEW_ROWS = (
    8,
    100,
)  # up to so many features as many rows of any likelihood; of more, fewer rows, but so many


@dataclass(frozen=True, eq=False)
class NextOnset:
    """Below which β a further latent would become active, in the user's own β."""

    value: float  #: β
    error: float  #: its standard error; NaN where it is not known
    price: float  #: Λ*, the same as a price of a nat
    basis: str = ""  #: what it rests on, in words that follow the number
    most: float = np.inf  #: β from which on it surely stays inactive; infinite where it is not known
    places: float = np.nan  #: β below which a latent that serves some rows pays; NaN where that is not known
    places_error: float = np.nan  #: its standard error

    def __str__(self) -> str:
        return with_error(self.value, self.error)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What was observed of a model, what is predicted, and how the two compare."""

    posterior: Posterior = field(repr=False)  #: moments of the posteriors
    observed: Observed | None  #: what they encode of each mode; None where only the spectrum was given
    spectrum: Spectrum  #: of the data
    loss: Loss  #: the convention, and the β of the model
    predicted: Equilibrium  #: where a linear model of these data and this loss settles
    floor: NoiseFloor | None = None  #: what sampling noise alone produces, where the number of samples is known
    run: Activation | None = None  #: how many updates each mode needs, where the run is known
    decoded: Decoded | None = None  #: rank–distortion of the user's decoder, where it was given
    measured: Measured | None = None  #: what the user's decoder says of the price, where it was given
    prices: PricesInEffect | None = None  #: that each active latent obeys, by decoder or gradients
    following: NextLatent | KernelOnset | None = None  #: whether a further latent would pay, where it is known
    by_codes: KernelOnset | None = None  #: the same by codes of few active latents alone; NaN where rows are too few
    beside_codes: KernelOnset | None = None  #: the same, of means that do not follow active latents
    binary: bool = False  #: whether the data are zeros and ones
    code_mismatch: float = 0.0  #: how much less alike codes of neighbouring rows are than the rows, 0 to 1
    first_error: float = 0.0  #: relative standard error of the first threshold, where a density has to be estimated
    conditional: bool = False  #: whether what is linear in a condition was taken out of the data
    shape: tuple[int, ...] = ()  #: of the code of a row, where it has positions
    trained_on: bool = True  #: whether these are rows that the model was trained on
    own_term: bool = False  #: whether the reconstruction term is the user's own function
    progress: Progress | None = field(default=None, repr=False)  #: how far the training is, while it goes on
    stated: Loss | None = field(default=None, repr=False)  #: the loss as it was given
    sample: Callable[[], Array] | None = field(default=None, repr=False)  #: some rows as the loss had them

    # ------------------------------------------------------------------------------------ latents and modes

    @cached_property
    def is_active(self) -> NDArray[np.bool_]:
        """Whether each latent is active, (K,): M² > 0.1."""
        return np.asarray(self.posterior.signal_fraction > limits.ACTIVE)

    @cached_property
    def diverged(self) -> NDArray[np.intp]:
        """Latents whose posterior is far wider than the prior."""
        return np.flatnonzero(self.posterior.variance > limits.DIVERGED)

    @property
    def by_background(self) -> bool:
        """Whether all but the first threshold is predicted from the collapsed background."""
        return not self.loss.likelihood.linear_law

    @property
    def yardstick(self) -> str:
        """What this model is compared with, in words."""
        return "the collapsed background" if self.by_background else "a linear model"

    @property
    def by_yardstick(self) -> str:
        """What this model is compared with, after a preposition."""
        return f"{'by' if self.by_background else 'in'} {self.yardstick}"

    @property
    def spare(self) -> int:
        """How many latents are inactive."""
        return int(np.count_nonzero(~self.is_active))

    @property
    def unreadable(self) -> bool:
        """Whether draws of z say nothing of the data: a posterior has diverged, or σ is one number."""
        return bool(self.diverged.size) or self.frozen

    @cached_property
    def frozen(self) -> bool:
        """Whether σ is one number that training has not chosen.

        A linear model of one latent, or of equal eigenvalues, has one σ too, and then
        A² = 1.
        """
        if not self.posterior.frozen or self.collapsed or self.loss.sampler.frozen:
            return False
        if abs(float(self.posterior.variance[0]) - 1) <= limits.FROZEN:
            return True
        return self.posterior.latents > 1 and not self.converged

    @cached_property
    def normalised(self) -> bool:
        """Whether a batch norm holds the variance of all means at one value, those of idle latents too."""
        q = self.posterior
        if q.latents < 3 or np.any(np.abs(q.offset) > limits.SAME_SPREAD) or self.collapsed:
            return False
        return bool(np.ptp(q.mean_variance) < limits.SAME_SPREAD * q.mean_variance.mean() and not self.converged)

    @cached_property
    def collapsed(self) -> bool:
        """Whether no latent encodes anything.

        Just below the threshold M² is small; how small is known of squared errors.
        """
        least = limits.WEAK if self.by_background else limits.COLLAPSED
        if not self.by_background:
            least = np.clip(self.predicted_signal[0] / 4, least, limits.ACTIVE)
        return bool(self.posterior.signal_fraction.max() < least) and not self.diverged.size

    @property
    def predicted_signal(self) -> Array:
        """M² of each mode at equilibrium, (modes,)."""
        count = self.spectrum.modes if self.observed is None else len(self.observed.encoded)
        return self.predicted.signal_fraction[:count]

    @cached_property
    def observed_signal(self) -> Array:
        """M² of each mode as observed, (modes,); without data, the latents' own M² by rank."""
        if self.observed is not None:
            return self.observed.encoded
        ranked = np.sort(self.posterior.signal_fraction)[::-1]
        return np.append(ranked, np.zeros(self.spectrum.modes))[: self.spectrum.modes]

    @cached_property
    def detected(self) -> NDArray[np.bool_]:
        """Whether each mode is encoded at all, (modes,)."""
        return self.observed.detected if self.observed is not None else self.observed_signal > limits.ACTIVE

    @property
    def eigenvalues(self) -> Array:
        """Eigenvalues of the modes that are compared, (modes,), data²."""
        return self.spectrum.eigenvalues[: len(self.observed_signal)]

    @property
    def thresholds(self) -> Array:
        """Prices at which the modes of a linear model collapse, λ_k by the usual sampler, data²."""
        return self.spectrum.eigenvalues * self.loss.sampler.threshold

    @property
    def unstable_below(self) -> float:
        """The price below which the collapsed state of any network is unstable, data²."""
        return float(self.spectrum.eigenvalues[0]) * self.loss.sampler.unstable

    @property
    def stable_from(self) -> float:
        """The price from which the collapsed state of any network is stable, data²."""
        return float(self.spectrum.eigenvalues[0]) * self.loss.sampler.stable

    @cached_property
    def mode_groups(self) -> NDArray[np.intp]:
        """Number of the near-degenerate group of each mode, (modes,)."""
        ratio = np.log(self.spectrum.eigenvalues[:-1] / self.spectrum.eigenvalues[1:])
        apart = np.log(np.cosh(ratio / 2)) > limits.DEGENERATE  # ln of arithmetic over geometric mean
        return np.concatenate([[0], np.cumsum(apart)])[: len(self.predicted_signal)]

    # ------------------------------------------------------------------------------------ constraints

    @cached_property
    def stated_loss(self) -> Loss:
        """The loss as it was given, with its constraint, for K latents."""
        if self.stated is None:
            return self.loss
        return self.stated.with_latents(self.posterior.latents).at_most_features(self.spectrum.dimension)

    @cached_property
    def demand(self) -> Demand | None:
        """What a constraint of the loss demands of these data; None without one, or for a term of the user's own."""
        return None if self.own_term else self.stated_loss.demand(self.spectrum)

    @cached_property
    def allowed(self) -> tuple[float, float]:
        """The least and the largest price that the loss allows: the stated one, unless a constraint leaves it open."""
        if self.demand is None:
            return self.price, self.price
        return allowed_prices(self.stated_loss, self.demand, self.posterior)

    @property
    def one_price(self) -> bool:
        """Whether all latents must obey one price: not where a constraint is on each row or each latent."""
        return self.demand is None or self.demand.constraint.per == "mean"

    # ------------------------------------------------------------------------------------ convergence

    @property
    def scales(self) -> Array:
        """What is 1 at rest, A² by the usual sampler, of each active latent whose σ is at no bound."""
        return self.posterior.scale[self.is_active & ~self.posterior.bounded]

    @cached_property
    def scale_error(self) -> float:
        """Median |ln A²| of the active latents: 0 wherever training has found their best scale.

        By other samplers, of what takes the place of A²; of latents whose σ is at no bound.
        """
        scales = self.scales
        return float(np.median(np.abs(np.log(scales)))) if scales.size else 0.0

    @property
    def converged(self) -> bool:
        """Whether the active latents have the scale of a model at rest.

        A constraint on each row holds a weighted A² at 1, which is not known.
        """
        by_row = self.demand is not None and self.demand.constraint.per == "sample"
        return self.scale_error <= limits.SCALE_ERROR or by_row

    @property
    def stopped_early(self) -> bool:
        """Whether the run was too short for some mode to leave the plateau."""
        return self.run is not None and bool(self.run.late.any())

    # ------------------------------------------------------------------------------------ linear or not, data or not

    @cached_property
    def linear_share(self) -> float:
        """Share of an active latent's mean that is linear in the data, their median; 1 where it is unknown."""
        if self.observed is None or not self.is_active.any():
            return 1.0
        return float(np.median(self.observed.linear[self.is_active]))

    @cached_property
    def linear(self) -> bool:
        """Whether this is seen to be a linear model of a squared error: μ linear in the data, σ the same in all rows.

        Where its decoder is known, it is no better than the best linear one of the same
        latents.
        """
        active = self.is_active
        if self.observed is None or not active.any() or not self.loss.likelihood.squared or self.own_term:
            return False
        straight = self.observed.linear[active].min() >= 1 - limits.SURELY_LINEAR
        return bool(straight and self.posterior.constant[active].all() and not self.better_than_linear)

    @property
    def better_than_linear(self) -> bool:
        """Whether the user's decoder leaves less of the variance than any linear one of the same latents."""
        if self.decoded is None or self.observed is None:
            return False
        return bool(self.decoded.sampled[-1] < limits.BETTER_DECODER * self.observed.prefix[-1])

    @cached_property
    def rows_mismatched(self) -> bool:
        """Whether the posteriors do not belong to the rows of data."""
        apart = self.code_mismatch > limits.ROW_MISMATCH and self.linear_share < limits.LINEAR_SHARE
        m = self.measured
        return bool(apart or (m is not None and not self.own_term and abs(m.correlation) < limits.UNRELATED))

    # ------------------------------------------------------------------------------------ the price of a nat

    @property
    def price(self) -> float:
        """Price of the loss as stated, τ, data² per nat; with a learned σ² that of the model's own error.

        Of a reconstruction term of the user's own it is the weight of the KL.
        """
        if self.own_term:
            return float(self.loss.weights(self.spectrum.dimension)[1])
        if self.loss.learned and (variance := self.own_variance) is not None:
            return float(self.loss.beta * self.loss.price_per_beta(self.spectrum)) * variance
        return float(self.predicted.price)

    @property
    def beta_per_price(self) -> float:
        """What a price is multiplied by to be in the user's own β."""
        return float(self.loss.beta) / self.price

    @property
    def own_variance(self) -> float | None:
        """The mean squared error of a feature that the model leaves, data²; None where it is not known."""
        if self.measured is None or not self.loss.likelihood.squared or self.own_term:
            return None
        return 2 * self.measured.own / self.spectrum.dimension

    @cached_property
    def price_in_effect(self) -> float | None:
        """Price of a nat that the model obeys, in the unit of the reconstruction term at weight 1; None if unknown.

        It is measured with the decoder, for any network. Without one it is known of
        linear models.
        """
        if self.prices is not None:
            return self._pooled[0]
        return self.mode_price if self.linear and self.measured is None else None

    @property
    def price_in_effect_error(self) -> float | None:
        """Standard error of `price_in_effect`, the noise of the last updates included."""
        if self.price_in_effect is None:
            return None
        if self.prices is not None:
            return self._pooled[1]
        scatter = max(self.price_scatter, limits.SMALL_SCATTER / 4)
        return float(self.price_in_effect * scatter / np.sqrt(len(self.mode_prices)))

    @property
    def applied(self) -> bool:
        """Whether the prices are those that a training applies now: known at every step, and exact."""
        return self.progress is not None and self.progress.exact

    @cached_property
    def _pooled(self) -> tuple[float, float]:
        """The measured price of all latents together, by their errors, and its error, larger where they scatter."""
        assert self.prices is not None
        value, weight = self.prices.width, 1 / self.prices.width_error**2
        mean = float(np.sum(weight * value) / weight.sum())
        scatter = max(1.0, np.sum(weight * (value - mean) ** 2) / max(1, len(value) - 1))
        # Half of the noise of the last updates is taken to be shared by the latents: it does not average out.
        shared = 0.0 if self.applied else LAST_UPDATES**2 / 2
        own = np.maximum(self.prices.width_error**2 - shared * value**2, 0.0)
        alone = float(weight**2 @ own) / weight.sum() ** 2
        return mean, float(np.sqrt(scatter * alone + shared * mean**2))

    @cached_property
    def mean_price(self) -> tuple[float, float]:
        """The price that the means of all latents obey together, and its error; it settles last. NaN if unknown."""
        if self.prices is None:
            return np.nan, np.nan
        weight = 1 / self.prices.mean_error**2
        return float(np.sum(weight * self.prices.mean) / weight.sum()), float(weight.sum() ** -0.5)

    @cached_property
    def at_odds(self) -> bool:
        """Whether means and widths surely obey prices that are far apart."""
        if self.prices is None or self.price_in_effect is None or not self.one_price:
            return False
        (by_mean, error), by_width = self.mean_price, self.price_in_effect
        sure = abs(by_mean - by_width) > limits.SURELY * np.hypot(error, self.price_in_effect_error or 0.0)
        factor = limits.AT_ODDS if self.trained_on else limits.AT_ODDS**2
        return bool(sure and not by_width / factor < by_mean < by_width * factor)

    @property
    def telling(self) -> NDArray[np.intp]:
        """Latents that the price in effect was read off."""
        return np.flatnonzero(self.is_active) if self.prices is None else self.prices.latent

    @property
    def learned_variance(self) -> float | None:
        """The price, if the decoder's variance were learned: that of the model's own mean squared error."""
        if self.loss.learned or (variance := self.own_variance) is None:
            return None
        return self.price * variance / float(self.loss.decoder_variance)

    @property
    def learned_ratio(self) -> float | None:
        """The price in effect over `learned_variance`, where the two agree; None elsewhere."""
        if self.learned_variance is None or self.price_in_effect is None:
            return None
        ratio = self.price_in_effect / self.learned_variance
        return ratio if abs(np.log(ratio)) < limits.PRICE_ERROR else None

    @property
    def lowest_price(self) -> float:
        """The lowest of all readings of the price."""
        readings = (self.price_in_effect, self.mode_price, self.latent_price)
        return min((price for price in readings if price is not None), default=np.nan)

    @cached_property
    def kl_is_off(self) -> bool:
        """Whether nothing holds the latents' scale, and a nat costs next to nothing."""
        if self.progress is not None and self.applied and self.prices is not None:
            return bool(np.all(self.prices.width < limits.NO_KL * self.price)) and not self.progress.charged
        if self.scale_error <= limits.FREE_SCALE:
            return False
        if self.prices is not None:
            return bool(np.all(self.prices.width < limits.NO_KL * self.price))
        if self.is_active.mean() <= limits.MOST_LATENTS:
            return False
        weak = self.mode_price is not None and self.mode_price < limits.WEAK_KL * self.price and self.linear
        return weak or (self.latent_price is not None and self.latent_price < limits.NO_KL * self.price)

    @property
    def implied_price(self) -> float | None:
        """Price at which a linear model would have these M², data² per nat; None where no latent is active."""
        return self.mode_price if self.linear else self.latent_price

    @cached_property
    def mode_prices(self) -> Array:
        """Price that each detected mode fits in a linear model, τ̂ = (1 − M²) λ, data² per nat."""
        return (self.loss.sampler.ratio(1 - self.observed_signal) * self.eigenvalues)[self.detected]

    @cached_property
    def mode_price(self) -> float | None:
        """Median of `mode_prices`, data² per nat."""
        return float(np.median(self.mode_prices)) if self.mode_prices.size else None

    @cached_property
    def price_scatter(self) -> float:
        """How far the modes disagree on the price: the median of |ln(τ̂_j/τ̂)|."""
        if self.mode_price is None or not np.all(self.mode_prices > 0):
            return np.inf
        return float(np.median(np.abs(np.log(self.mode_prices / self.mode_price))))

    @cached_property
    def latent_price(self) -> float | None:
        """Median (1 − M²) λ of the active latents by rank, whatever they encode, data² per nat."""
        ranked = np.sort(self.posterior.signal_fraction[self.is_active])[::-1][: self.spectrum.modes]
        prices = self.loss.sampler.ratio(1 - ranked) * self.spectrum.eigenvalues[: len(ranked)]
        return float(np.median(prices)) if ranked.size else None

    @cached_property
    def other_price(self) -> float | None:
        """The price in effect where it is not that of the loss, data² per nat; None where they agree."""
        price, error = self.price_in_effect, self.price_in_effect_error
        if price is None or error is None or self.rows_mismatched or self.separate.size:
            return None
        if self.prices is not None:
            nearest = float(np.clip(price, *self.allowed))
            sure = abs(price - nearest) > limits.SURELY * error
            factor = limits.OTHER_APPLIED if self.applied else limits.OTHER_PRICE
            return price if sure and not 1 / factor < price / nearest < factor else None
        if self.allowed[0] < price < self.allowed[1]:
            return None
        return price if self._linear_price_is_other(price) else None

    def _linear_price_is_other(self, price: float) -> bool:
        """Return whether the modes of a linear model agree on another price than stated."""
        if self.loss.without_price(self.spectrum) is not None:
            return False
        latent = self.latent_price
        agree = latent is not None and abs(np.log(latent / price)) < limits.PRICE_ERROR
        scattered = limits.PRICE_ERROR if self.converged else limits.MOVING_SCATTER
        if not agree or self.price_scatter > scattered:
            return False
        if len(self.mode_prices) == 1 and (self.stopped_early or self.absent.size):
            # One mode agrees with itself, and may as well be on its way while others wait.
            slip = slip_with_price(price, self.loss, self.spectrum)
            if self.stopped_early or self.scale_error > limits.SCALE_AT_REST or slip is None:
                return False
        return abs(np.log(price / self.price)) > limits.PRICE_ERROR + min(self.price_scatter, limits.PRICE_ERROR)

    @cached_property
    def separate(self) -> NDArray[np.intp]:
        """Latents that pay surely less for a nat than the dearest one; empty where one price fits all."""
        if self.prices is None or len(self.prices.latent) < 2 or not self.one_price:
            return np.zeros(0, dtype=np.intp)
        value, error = self.prices.width, self.prices.width_error
        most = int(np.argmax(value - limits.SURELY * error))
        gap = value[most] - value - limits.SURELY * np.hypot(error, error[most])
        return self.prices.latent[(gap > 0) & (value < limits.SEPARATE * value[most])]

    # ---------------------------------------------------------------------------- what a further latent would gain

    @property
    def effective(self) -> float:
        """The price that the model obeys, as far as it is known, else the one stated."""
        open_ = self.allowed[0] < self.allowed[1] and self.prices is not None and not self.own_term
        return self.other_price or (open_ and self.price_in_effect) or self.price

    @cached_property
    def pays(self) -> bool | None:
        """Whether a further latent would surely lower the loss; None where it is not known."""
        if self.following is None:
            return None
        return bool(self.following.value - limits.SURELY * self.following.error > limits.PAYS * self.effective)

    @cached_property
    def next_onset(self) -> NextOnset | None:
        """Below which β a further latent would become active; None where it is not known.

        Beside living latents it is read off the decoder, or off few latents alone; of a
        model that has collapsed it is the first eigenvalue, for any network.
        """
        to_beta = float(self.loss.beta) / (self.other_price or self.price)
        if self.following is not None and not self.collapsed:
            how, places = " (from this model and its decoder)", (np.nan, np.nan)
            value, error = self.following.value, self.following.error
            if isinstance(self.following, KernelOnset):
                # What follows active latents is no onset either.
                codes = self.following if self.pays else self.beside_codes or self.following
                value, error = codes.value, codes.error
                places = codes.places * to_beta, codes.places_error * to_beta
                how = f" in bulk, {with_error(*places)} in places (estimated from this model's codes alone)"
            if isinstance(self.following, NextLatent) and not self.pays:
                # What is linear in z may follow living latents, whose share falls with the price: it is no onset.
                reading = (self.measured and self.measured.beside) or self.following
                value, error = reading.constant, reading.constant_error
            most = self.following.value * to_beta
            return NextOnset(max(value, 0.0) * to_beta, error * to_beta, value, how, max(most, 0.0), *places)
        if (self.collapsed or self.linear) and not self.own_term:
            place = int(np.count_nonzero(self.detected)) * (not self.collapsed)
            if place < self.spectrum.modes:
                first = float(self.thresholds[place]) if place else self.stable_from
                return NextOnset(first * to_beta, 0.0, first, " (exact for these rows)", first * to_beta)
        return None

    @cached_property
    def frontier(self) -> Frontier | None:
        """The least loss of any VAE on these rows at this β; None where it is not known."""
        likelihood, x = self.loss.likelihood, self.sample
        known = likelihood.bounded and not (self.loss.learned or self.own_term or self.conditional)
        if not known or x is None or not self.loss.sampler.honest:
            return None
        if not likelihood.canonical:  # pairs of rows and outputs are dear
            few = max(FEW_ROWS, PART * FEW_FEATURES // self.spectrum.dimension)
            return frontier(x(), self.loss, rows=min(PART, few)) if few >= FEW_ROWS else None
        part = frontier(x(), self.loss, rows=PART)  # the other rows say what is gained by more than memorising
        return frontier(x(), self.loss, rows=len(x())) if part.certified(self.price) and len(x()) > PART else part

    # ---------------------------------------------------------------------------------- modes that are not as expected

    @cached_property
    def expected_signal(self) -> Array:
        """M² of each mode in a linear model at the price in effect, (modes,): zero for modes without a latent."""
        ratio = self.effective / self.spectrum.eigenvalues[: len(self.predicted_signal)]
        signal = 1 - self.loss.sampler.law(ratio).residual
        signal[self.posterior.latents :] = 0.0
        return signal

    @cached_property
    def missing(self) -> NDArray[np.intp]:
        """Modes that a linear model would encode, and this one does not, or hardly."""
        least = np.clip(1 - self.tolerated * (1 - self.expected_signal), 0.0, None) * (self.expected_signal > 0)
        return self._unencoded(least)

    @property
    def tolerated(self) -> float:
        """Factor in the price that is still agreement."""
        return float(np.exp(limits.PRICE_ERROR))

    @property
    def absent(self) -> NDArray[np.intp]:
        """Modes that a linear model would encode at the price of the loss, and that are not encoded."""
        return self._unencoded(self.predicted_signal)

    def _unencoded(self, least: Array) -> NDArray[np.intp]:
        return np.flatnonzero((least >= limits.EXPECTED) & (self.observed_signal < least / 2))

    @cached_property
    def below_threshold(self) -> NDArray[np.intp]:
        """Modes that are encoded although a linear model would not do so at the price in effect."""
        unworthy = self.eigenvalues * self.loss.sampler.spinodal < self.effective / self.tolerated
        return np.flatnonzero(unworthy & (self.observed_signal > limits.ACTIVE) & self.detected)


def beta_at(comparison: Comparison, price: float) -> str:
    """Return the β of a price, as text."""
    return significant(float(comparison.loss.beta_at(price, comparison.spectrum)), 4)


def knob_at(comparison: Comparison, price: float) -> str:
    """Return the β of a price, as text, after the name that the user's code gives it."""
    return f"{comparison.loss.knob} = {beta_at(comparison, price)}"
