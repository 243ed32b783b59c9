"""What speaks for and against: the posteriors beside the equilibrium that spectrum and loss predict."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from landau_vae.diagnosis.modes import Observed
from landau_vae.diagnosis.posterior import Posterior
from landau_vae.diagnosis.ranked_pruning import Decoded
from landau_vae.display import Array, listed
from landau_vae.loss import Loss
from landau_vae.loss.slips import slip_with_price
from landau_vae.numeric._activation import Activation
from landau_vae.numeric._equilibrium import Equilibrium
from landau_vae.numeric._noise_floor import NoiseFloor
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["ALIVE", "Evidence", "Finding"]

ALIVE = 0.1  #: M² above which a latent counts as alive (J. Hirn, arXiv:2605.22691)
EXPECTED = 0.2  #: predicted M² from which a mode is missed where it does not live
OFF = 0.15  #: |ln| of a price that is more than noise and a finite run
SHARP = 0.05  #: scatter of the prices up to which they are believed of a model that is not at rest
LINEAR = 0.9  #: share of μ that is linear in x, up to which an encoder is taken for a linear one
UNSETTLED = 0.1  #: |ln A²| of living latents that a run that has come to rest does not show
LOOSE = 0.25  #: |ln A²| that says that nothing at all holds them
AT_REST, STILL, REST = 0.02, 0.05, 0.06  #: |ln A²| of a model at rest: for sure, with a learning rate left, at most
FAIR = (0.6, 2.5)  #: of its price: what nonlinear models at rest tell by their own M² (64 trained ones: 0.8 to 1.9)
OTHERS = (0.35, 3.0)  #: the same with a Bernoulli or Poisson likelihood (0.5 to 0.8)
MORE = 1.015  #: ΣM² of latents over that of modes, which a linear model does not exceed
SHY = 1e-3  #: share of a latent that is not linear, below which a model is linear
STRANGE = 0.25  #: codes of neighbours less alike than neighbours are
GAIN = 0.9  #: of the best linear decoder's distortion: a decoder below it is not linear
WEAK = 0.2  #: of the price: below it the KL is as good as off
NOTHING = 0.02  #: the same, by the latents' own M², which no nonlinearity hides
ROUGH = 2.0  #: factor in the price that the collapsed background's prediction may be off by, once other modes live
NEAR = 0.005  #: nats that it costs to rotate two modes into one another, up to which they are near-degenerate


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    code: str  #: for machines
    alarm: bool  #: whether something is wrong
    sentence: str  #: what, and how one sees it
    advice: str = ""  #: what to do


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that the rules look at."""

    posterior: Posterior
    observed: Observed | None  #: where the data are known
    spectrum: Spectrum
    loss: Loss
    state: Equilibrium  #: predicted
    floor: NoiseFloor | None
    run: Activation | None = None  #: how long each mode needs, where the run is known
    decoded: Decoded | None = None  #: rank–distortion of the user's decoder, where it is known
    strange: float = 0.0  #: how much less alike the codes of neighbouring rows are than they should be, 0 to 1

    @property
    def price(self) -> float:
        """τ of the loss."""
        return float(self.state.price)

    @property
    def predicted(self) -> Array:
        """M²_j, (modes,), at equilibrium, of the modes that are looked at."""
        known = self.spectrum.modes if self.observed is None else len(self.observed.encoded)
        return self.state.signal_fraction[:known]

    @cached_property
    def encoded(self) -> Array:
        """M²_j as observed; without data, the latents' own M² by rank."""
        if self.observed is not None:
            return self.observed.encoded
        ranked = np.sort(self.posterior.signal_fraction)[::-1][: self.spectrum.modes]
        return np.append(ranked, np.zeros(self.spectrum.modes - len(ranked)))

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """(modes,): whether a mode is encoded at all."""
        return self.observed.seen if self.observed is not None else self.encoded > ALIVE

    @cached_property
    def alive(self) -> NDArray[np.bool_]:
        """(K,): whether a latent lives."""
        return np.asarray(self.posterior.signal_fraction > ALIVE)

    @cached_property
    def linear(self) -> float:
        """The share of a living latent's mean that is linear in the data, their median; 1 where it is not known."""
        if self.observed is None or not self.alive.any():
            return 1.0
        return float(np.median(self.observed.linear[self.alive]))

    @cached_property
    def prices(self) -> Array:
        """τ̂_j = (1 − M²_j) λ_j of the modes that are seen."""
        return ((1 - self.encoded) * self.spectrum.eigenvalues[: len(self.encoded)])[self.seen]

    @cached_property
    def implied(self) -> float | None:
        """The price that the living modes tell, by their median."""
        return float(np.median(self.prices)) if self.prices.size else None

    @cached_property
    def scatter(self) -> float:
        """How far the modes disagree on it: the median of |ln(τ̂_j/τ̂)|."""
        if self.implied is None or not np.all(self.prices > 0):
            return np.inf
        return float(np.median(np.abs(np.log(self.prices / self.implied))))

    @cached_property
    def own(self) -> float | None:
        """The price that the latents tell by their own M², ranked, whatever they encode: the median (1 − M²) λ."""
        living = np.sort(self.posterior.signal_fraction[self.alive])[::-1][: self.spectrum.modes]
        return float(np.median((1 - living) * self.spectrum.eigenvalues[: len(living)])) if living.size else None

    @property
    def agreed(self) -> bool:
        """Whether modes and latents tell one price, as they do in a linear model at rest."""
        return bool(self.own and self.implied and abs(np.log(self.own / self.implied)) < OFF)

    @cached_property
    def bent(self) -> str:
        """By what one sees that the model is not linear, if one does."""
        if self.observed is None:
            return ""
        if self.linear < LINEAR:
            return f"only {self.linear:.0%} of a living latent is linear in the data"
        if self.decoded is not None:
            own, best = float(self.decoded.sampled[-1]), float(self.observed.prefix[-1])
            if own < GAIN * best:
                return f"its decoder leaves {own:.1%} of the variance, the best linear one of these latents {best:.1%}"
        lam, price = self.spectrum.eigenvalues[: len(self.encoded)], self.price
        beyond = (lam < price) | (np.arange(len(lam)) >= self.posterior.latents)
        passed_over = np.flatnonzero(~beyond & (1 - price / lam > EXPECTED) & (self.encoded < EXPECTED / 2))
        weaker = np.flatnonzero(beyond & (self.encoded > ALIVE) & self.seen)
        if passed_over.size and weaker.size and not self.unsettled:
            return (
                f"modes as weak as {listed(list(weaker))} live while {listed(list(passed_over))} are passed over, as "
                "where a decoder makes these out of others"
            )
        held, read = float(self.posterior.signal_fraction[self.alive].sum()), float(self.encoded.sum())
        if held > MORE * read and self.linear < 1 - SHY and self._all_at_rest:
            return f"its latents hold more (ΣM² = {held:.3g}) than can be read off them linearly ({read:.3g})"
        # Where all modes tell one price, whatever it is, they are where a linear model has them, but for swapped ones.
        astray = not (self.agreed and self.scatter < OFF) or (passed_over.size and weaker.size)
        few = 0 < self.alive.sum() <= (self.state.active or np.inf)  # where none should live, more do at any rate
        if astray and few and self.scale_error < REST and self.linear < 1 - SHY:
            return "its latents are at rest, but the modes are not where a linear model has them"
        return ""

    @property
    def maybe_bent(self) -> bool:
        """Whether a decoder might show that the model is not linear."""
        return self.observed is not None and self.decoded is None and self.linear < 1 - SHY

    @property
    def rough(self) -> bool:
        """Whether the linear Gaussian theory is only a first reading of this model."""
        return self.loss.likelihood != "gaussian" or bool(self.bent)

    @property
    def slack(self) -> float:
        """Factor in the price that is still agreement."""
        return ROUGH if self.rough else float(np.exp(OFF))

    @property
    def told(self) -> float | None:
        """The price that this model tells, where it tells one."""
        if self.implied is None:
            return None
        if self.rough:
            return self.own
        if self.observed is not None and not self.agreed:
            return None
        most = SHARP if self.unsettled else OFF if self.observed is None else 2 * OFF
        return self.implied if self.scatter <= most else None

    @property
    def other_price(self) -> bool:
        """Whether the model tells a price, and it is not that of the loss."""
        if self.told is None or self.mismatched:
            return False
        ratio = self.told / self.price
        if self.rough:
            low, high = FAIR if self.loss.likelihood == "gaussian" else OTHERS
            return self.scale_error < UNSETTLED and not low < ratio < high
        if len(self.prices) == 1 and (self._late or self.absent.size):
            # One mode agrees with itself, and is as likely on its way while others wait.
            known = slip_with_price(self.told, self.loss, self.spectrum)
            if self._late or self.scale_error > AT_REST or not known:
                return False
        return bool(abs(np.log(ratio)) > OFF + min(self.scatter, OFF))

    @property
    def in_effect(self) -> float:
        """The price that the model tells where it is another than the loss's, else that of the loss."""
        return self.told if self.other_price and self.told is not None else self.price

    @property
    def mismatched(self) -> bool:
        """Whether the posteriors do not belong to the rows of data."""
        return self.strange > STRANGE and self.linear < LINEAR

    @cached_property
    def _all_at_rest(self) -> bool:
        """Whether every living latent is at the scale of a model at rest."""
        return bool(np.all(np.abs(np.log(self.posterior.second_moment[self.alive])) < UNSETTLED))

    def expected(self, factor: float = 1.0) -> Array:
        """M²_j at `factor` times the price in effect, (modes,)."""
        alive = np.clip(1 - factor * self.in_effect / self.spectrum.eigenvalues[: len(self.predicted)], 0.0, None)
        alive[self.posterior.latents :] = 0.0
        return alive

    @cached_property
    def missing(self) -> NDArray[np.intp]:
        """Modes (from 0) that should live and do not, or hardly; a total collapse is told to the threshold."""
        if not self.seen.any():
            return np.flatnonzero(self.predicted > ALIVE)
        return self._missing(self.expected(self.slack))

    def _missing(self, least: Array) -> NDArray[np.intp]:
        return np.flatnonzero((least >= EXPECTED) & (self.encoded < least / 2))

    @property
    def absent(self) -> NDArray[np.intp]:
        """Modes (from 0) that a linear model would encode at the price of the loss, and that are not."""
        return self._missing(self.predicted)

    @property
    def _late(self) -> bool:
        """Whether the run was too short for some mode to leave the plateau."""
        return self.run is not None and bool(self.run.late.any())

    @cached_property
    def extra(self) -> NDArray[np.intp]:
        """Modes (from 0) that live although they are not worth their price."""
        unworthy = self.spectrum.eigenvalues[: len(self.encoded)] < self.in_effect / self.slack
        return np.flatnonzero(unworthy & (self.encoded > ALIVE) & self.seen)

    @property
    def kl_is_off(self) -> bool:
        """Whether nothing holds the latents' scale, and posteriors are far too narrow."""
        if self.own is None or self.implied is None or self.scale_error <= LOOSE:
            return False
        weak = self.implied < WEAK * self.price or self.own < NOTHING * self.price
        return weak and bool(self.alive.mean() > 0.5)

    @property
    def unsettled(self) -> bool:
        """Whether the living latents are off the scale of any model at rest."""
        return self.scale_error > UNSETTLED

    @cached_property
    def scale_error(self) -> float:
        """The median of |ln A²_k| of the latents that live: 0 wherever their scale is at rest."""
        living = self.posterior.second_moment[self.alive]
        return float(np.median(np.abs(np.log(living)))) if living.size else 0.0

    @cached_property
    def groups(self) -> NDArray[np.intp]:
        """(modes,): number of the near-degenerate group that each mode belongs to."""
        ratio = np.log(self.spectrum.eigenvalues[:-1] / self.spectrum.eigenvalues[1:])
        apart = np.log(np.cosh(ratio / 2)) > NEAR  # ln of arithmetic over geometric mean
        return np.concatenate([[0], np.cumsum(apart)])[: len(self.predicted)]
