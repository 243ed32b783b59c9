"""A trained model beside the prediction: all that the rules in `findings/` look at.

Which latents are active, which modes of the data they encode, which price these fit, whether the
run has converged, and whether the model is linear. At the equilibrium of a linear model M² = 1 −
τ/λ for each mode, so that each mode has a price τ̂ = (1 − M²) λ of its own, and all agree (J. Hirn,
arXiv:2605.22691). The numbers that decide are in `landau_vae.limits`. Modes and latents are counted
from 0 here, and from 1 in what is printed.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from landau_vae import limits
from landau_vae.diagnosis.modes import Observed
from landau_vae.diagnosis.posterior import Posterior
from landau_vae.diagnosis.ranked_pruning import Decoded
from landau_vae.display import Array, listed, significant
from landau_vae.loss import Loss
from landau_vae.loss.slips import slip_with_price
from landau_vae.numeric._equilibrium import Equilibrium
from landau_vae.numeric._noise_floor import NoiseFloor
from landau_vae.numeric.plateau_activation import Activation
from landau_vae.spectrum.spectrum import Spectrum


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
    binary: bool = False  #: whether the data are zeros and ones
    code_mismatch: float = 0.0  #: how much less alike codes of neighbouring rows are than the rows, 0 to 1

    # ------------------------------------------------------------------------------------ latents and modes

    @cached_property
    def is_active(self) -> NDArray[np.bool_]:
        """Whether each latent is active, (K,): M² > 0.1."""
        return np.asarray(self.posterior.signal_fraction > limits.ACTIVE)

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

    @cached_property
    def mode_groups(self) -> NDArray[np.intp]:
        """Number of the near-degenerate group of each mode, (modes,)."""
        ratio = np.log(self.spectrum.eigenvalues[:-1] / self.spectrum.eigenvalues[1:])
        apart = np.log(np.cosh(ratio / 2)) > limits.DEGENERATE  # ln of arithmetic over geometric mean
        return np.concatenate([[0], np.cumsum(apart)])[: len(self.predicted_signal)]

    # ------------------------------------------------------------------------------------ convergence

    @cached_property
    def scale_error(self) -> float:
        """Median |ln A²| of the active latents: 0 wherever training has found their best scale."""
        scales = self.posterior.second_moment[self.is_active]
        return float(np.median(np.abs(np.log(scales)))) if scales.size else 0.0

    @property
    def converged(self) -> bool:
        """Whether the active latents have the scale of a model at rest."""
        return self.scale_error <= limits.SCALE_ERROR

    @property
    def stopped_early(self) -> bool:
        """Whether the run was too short for some mode to leave the plateau."""
        return self.run is not None and bool(self.run.late.any())

    @property
    def kl_is_off(self) -> bool:
        """Whether nothing holds the latents' scale, and posteriors are far too narrow."""
        if self.latent_price is None or self.mode_price is None or self.scale_error <= limits.FREE_SCALE:
            return False
        weak = self.mode_price < limits.WEAK_KL * self.price or self.latent_price < limits.NO_KL * self.price
        return weak and bool(self.is_active.mean() > limits.MOST_LATENTS)

    # ------------------------------------------------------------------------------------ linear or not, data or not

    @cached_property
    def linear_share(self) -> float:
        """Share of an active latent's mean that is linear in the data, their median; 1 where it is unknown."""
        if self.observed is None or not self.is_active.any():
            return 1.0
        return float(np.median(self.observed.linear[self.is_active]))

    @cached_property
    def nonlinearity(self) -> str:
        """The evidence that the model is nonlinear, in words; an empty text without evidence."""
        # From the most direct evidence to the least. At equilibrium a linear model encodes modes in the order of their
        # eigenvalues, so that none is skipped while a weaker one is encoded; its latents hold no more signal than can
        # be read off them linearly; and all its modes fit one price. What breaks a rule is evidence only where a linear
        # model would follow it: once training has converged, and where latents are not purely linear in the data.
        if self.observed is None:
            return ""
        if self.linear_share < limits.LINEAR_SHARE:
            return f"only {self.linear_share:.0%} of an active latent's mean is linear in the data"
        if self.decoded is not None:
            user, best = float(self.decoded.sampled[-1]), float(self.observed.prefix[-1])
            if user < limits.BETTER_DECODER * best:
                return f"its decoder leaves {user:.1%} of the variance, the best linear one of these latents {best:.1%}"
        signal = self.observed_signal
        unworthy = (self.eigenvalues < self.price) | (np.arange(len(signal)) >= self.posterior.latents)
        strong = ~unworthy & (1 - self.price / self.eigenvalues > limits.EXPECTED)
        skipped = np.flatnonzero(strong & (signal < limits.EXPECTED / 2))
        weaker = np.flatnonzero(unworthy & (signal > limits.ACTIVE) & self.detected)
        if skipped.size and weaker.size and self.converged:
            return (
                f"{listed(list(weaker), 'mode')} below the threshold can be read off the latents, but not "
                f"{listed(list(skipped), 'mode')} above it, as where a decoder makes these out of others"
            )
        if self.linear_share >= 1 - limits.SURELY_LINEAR:
            return ""
        held, read = float(self.posterior.signal_fraction[self.is_active].sum()), float(signal.sum())
        scales = np.abs(np.log(self.posterior.second_moment[self.is_active]))
        if held > limits.LINEAR_SUM * read and np.all(scales < limits.SCALE_ERROR):
            return f"its latents hold more (ΣM² = {held:.3g}) than can be read off them linearly ({read:.3g})"
        # Where all modes fit one price, whatever it is, they are where a linear model has them, but for swapped ones.
        one_price = self.prices_agree and self.price_scatter < limits.PRICE_ERROR
        astray = not one_price or bool(skipped.size and weaker.size)
        # Where none should be active, more are at any rate.
        few = 0 < self.is_active.sum() <= (self.predicted.active or np.inf)
        if astray and few and self.scale_error < limits.SCALE_PERHAPS_REST:
            return "its latents have converged, but the modes are not where a linear model has them"
        return ""

    @property
    def maybe_nonlinear(self) -> bool:
        """Whether a decoder might show that the model is nonlinear."""
        return self.decoded is None and self.linear_share < 1 - limits.SURELY_LINEAR

    @property
    def approximate(self) -> bool:
        """Whether the linear Gaussian theory is only a first reading of this model."""
        return not self.loss.likelihood.squared or bool(self.nonlinearity)

    @property
    def rows_mismatched(self) -> bool:
        """Whether the posteriors do not belong to the rows of data."""
        return self.code_mismatch > limits.ROW_MISMATCH and self.linear_share < limits.LINEAR_SHARE

    # ------------------------------------------------------------------------------------ the price that the model fits

    @property
    def price(self) -> float:
        """Price of the loss, τ, data² per nat."""
        return float(self.predicted.price)

    @property
    def implied_price(self) -> float | None:
        """Price that the model fits, τ̂, data² per nat; None where no latent is active.

        That of its modes, or, where the linear theory is not exact, of its latents' own M².
        """
        return self.latent_price if self.approximate else self.mode_price

    @cached_property
    def mode_prices(self) -> Array:
        """Price that each detected mode fits, τ̂ = (1 − M²) λ, data² per nat."""
        return ((1 - self.observed_signal) * self.eigenvalues)[self.detected]

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
        return float(np.median((1 - ranked) * self.spectrum.eigenvalues[: len(ranked)])) if ranked.size else None

    @property
    def prices_agree(self) -> bool:
        """Whether modes and latents fit one price, as they do in a linear model at rest."""
        latent, mode = self.latent_price, self.mode_price
        return bool(latent and mode and abs(np.log(latent / mode)) < limits.PRICE_ERROR)

    @property
    def fitted_price(self) -> float | None:
        """The price that this model fits as a whole, data² per nat; None where its modes do not agree on one."""
        if self.mode_price is None:
            return None
        if self.approximate:
            return self.latent_price
        if self.observed is not None and not self.prices_agree:
            return None
        most = limits.PRICE_ERROR if self.observed is None else 2 * limits.PRICE_ERROR
        return self.mode_price if self.price_scatter <= (most if self.converged else limits.MOVING_SCATTER) else None

    @cached_property
    def other_price(self) -> float | None:
        """The fitted price where it is not that of the loss, data² per nat; None where they agree."""
        price = self.fitted_price
        if price is None or self.rows_mismatched:
            return None
        ratio = price / self.price
        if self.approximate:
            low, high = limits.FAMILY_LOWEST, limits.FAMILY_HIGHEST
            if self.loss.likelihood.squared:
                low, high = limits.NONLINEAR_LOWEST, limits.NONLINEAR_HIGHEST
            return price if self.scale_error < limits.SCALE_ERROR and not low < ratio < high else None
        if len(self.mode_prices) == 1 and (self.stopped_early or self.absent.size):
            # One mode agrees with itself, and may as well be on its way while others wait.
            slip = slip_with_price(price, self.loss, self.spectrum)
            if self.stopped_early or self.scale_error > limits.SCALE_AT_REST or slip is None:
                return None
        error = limits.PRICE_ERROR + min(self.price_scatter, limits.PRICE_ERROR)
        return price if abs(np.log(ratio)) > error else None

    # ---------------------------------------------------------------------------------- modes that are not as expected

    @property
    def tolerated_factor(self) -> float:
        """Factor in the price that is still agreement."""
        return float(limits.APPROXIMATE_FACTOR if self.approximate else np.exp(limits.PRICE_ERROR))

    @cached_property
    def expected_signal(self) -> Array:
        """M² of each mode at the price in effect, (modes,): zero for modes without a latent."""
        return self._expected(1.0)

    def _expected(self, factor: float) -> Array:
        """Return the same at a multiple of the price in effect."""
        price = factor * (self.other_price or self.price)
        signal = np.clip(1 - price / self.spectrum.eigenvalues[: len(self.predicted_signal)], 0.0, None)
        signal[self.posterior.latents :] = 0.0
        return signal

    @cached_property
    def missing(self) -> NDArray[np.intp]:
        """Modes that should be encoded and are not, or hardly; in a total collapse, down to the threshold."""
        if not self.detected.any():
            return np.flatnonzero(self.predicted_signal > limits.ACTIVE)
        return self._unencoded(self._expected(self.tolerated_factor))

    @property
    def absent(self) -> NDArray[np.intp]:
        """Modes that a linear model would encode at the price of the loss, and that are not encoded."""
        return self._unencoded(self.predicted_signal)

    def _unencoded(self, least: Array) -> NDArray[np.intp]:
        return np.flatnonzero((least >= limits.EXPECTED) & (self.observed_signal < least / 2))

    @cached_property
    def below_threshold(self) -> NDArray[np.intp]:
        """Modes that are encoded although they are not worth the price in effect."""
        unworthy = self.eigenvalues < (self.other_price or self.price) / self.tolerated_factor
        return np.flatnonzero(unworthy & (self.observed_signal > limits.ACTIVE) & self.detected)


def beta_at(comparison: Comparison, price: float) -> str:
    """Return the β of a price, as text."""
    return significant(float(comparison.loss.beta_at(price, comparison.spectrum)), 4)


def knob_at(comparison: Comparison, price: float) -> str:
    """Return the β of a price, as text, after the name that the user's code gives it."""
    return f"{comparison.loss.knob} = {beta_at(comparison, price)}"
