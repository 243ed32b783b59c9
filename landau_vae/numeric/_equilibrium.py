"""Which modes are active at a given price, and how strongly: the global minimum of the linear Gaussian β-VAE.

    M²_k = [1 − τ/λ_k]₊     s_k = min(1, τ/λ_k)     R_k = ½ [ln(λ_k/τ)]₊     w_k² = [λ_k − τ]₊

for the K strongest modes (J. Hirn, arXiv:2605.22691, mean-field law; β = 1: Lucas et al.,
arXiv:1911.02469); a mode without a latent is inactive. Distortions and utilities are shares of
V. Rates and distortions together are reverse water-filling, so they are also the Gaussian
rate–distortion curve.

Shapes: a loss with a β of shape (…) gives totals of shape (…) and mode-wise arrays of shape (…,
modes). Valid for any data under linear encoder and decoder: only second moments enter.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from landau_vae.checks import checked
from landau_vae.display import Array, Column, Content, Integers, Result, Table, jsonable, readonly, significant
from landau_vae.errors import OutsideTheory
from landau_vae.loss import Loss
from landau_vae.loss.learned_price import tail
from landau_vae.loss.sampler import Law
from landau_vae.loss.water_filling import active_at, rate_of
from landau_vae.spectrum.spectrum import Spectrum

Reconstruction = Literal["sampled", "mean"]
NOISE_POWER = {"sampled": 1, "mean": 2}  # p in λ (τ/λ)^p, what an active mode leaves in a reconstruction
EXPLANATION = (
    "M²: signal fraction of a latent; s: its posterior variance; R: its rate;\n"
    "D̃: what its mode adds to the distortion, as a share of V; ΔD̃: what pruning it would add"
)


@dataclass(frozen=True, eq=False)
class Equilibrium(Result):
    """The equilibrium at a price τ, mode by mode and in total; quantities are computed when asked for."""

    spectrum: Spectrum  #: the modes λ_k
    loss: Loss  #: the convention in which β is read
    price: Array = field(repr=False)  #: τ, (…), data² per nat
    json_fields = ("loss", "price", "temperature", "active", "signal_fraction", "posterior_variance", "rate",
                   "distortion", "total_rate", "total_distortion", "free_energy", "loss_value")  # fmt: skip

    @cached_property
    def temperature(self) -> Array:
        """Return the temperature T = τ/V, (…)."""
        return self.price / self.spectrum.total_variance

    @cached_property
    def active(self) -> Integers:
        """Return how many latents are active, (…); raises `OutsideTheory` where the answer is `incomplete`.

        Its `partial` is the number among the modes that were kept.
        """
        kept = active_at(self.price / self.loss.sampler.threshold, self.spectrum, self.loss.latents)
        if self.incomplete:
            raise OutsideTheory(
                f"At τ = {significant(float(np.min(self.price)))} modes beyond the {self.spectrum.modes} that were "
                "kept may be active: keep more (modes=…), raise β, or give the loss at most "
                f"latents={self.spectrum.modes}.",
                partial=kept,
            )
        return kept

    # ------------------------------------------------------------------------------ mode by mode

    @cached_property
    def law(self) -> Law:
        """Return the state of each mode by the law of the loss's sampler; inactive for modes without a latent."""
        ratio = np.divide.outer(self.price, self.spectrum.eigenvalues)
        ratio[..., self.served :] = np.inf
        return self.loss.sampler.law(ratio)

    @cached_property
    def signal_fraction(self) -> Array:
        """Return M²_k, (…, modes): signal's share of the second moment of a sampled z; the order parameter.

        Where noise and posterior are one it is ⟨μ²⟩ / (⟨μ²⟩ + ⟨σ²⟩), equal to ⟨μ_k²⟩, because A²_k = 1.
        """
        return 1.0 - self.law.residual

    @cached_property
    def posterior_variance(self) -> Array:
        """Return s_k = ⟨σ_k²⟩ as the KL has it, (…, modes): min(1, τ/λ_k), and 1 for modes without a latent."""
        return self._of_latents(self.law.variance, 1.0)

    @cached_property
    def decoder_norm(self) -> Array:
        """Return ‖w_k‖ of the decoder's column, (…, modes), data units."""
        scale = self.law.residual / self.law.noise  # w² N = λ M² (1 − M²)
        return np.sqrt(self.spectrum.eigenvalues * self.signal_fraction * scale)

    @cached_property
    def rate(self) -> Array:
        """Return the rate R_k, (…, modes), nats; 0 for modes without a latent."""
        return self._of_latents(self.law.rate, 0.0)

    @cached_property
    def distortion(self) -> Array:
        """Return the share of V that a sampled reconstruction leaves in mode k, (…, modes): min(λ_k, τ)/V."""
        return self.spectrum.normalized * self.law.residual

    @checked
    def utility(self, reconstruction: Reconstruction = "sampled") -> Array:
        """Return ΔD̃_k, what pruning latent k would add to the normalised distortion.

        Parameters
        ----------
        reconstruction : {"sampled", "mean"}
            Whether z is drawn from the posterior, as in the loss, or is its mean μ(x), as after
            training.

        Returns
        -------
        (…, modes) array
            (λ_k − τ)/V if sampled, (λ_k − τ²/λ_k)/V if mean; both tend to λ_k/V for τ → 0. (By
            the law of the loss's sampler, where it is another one.)

        Raises
        ------
        InputError
            If there is no such reconstruction.

        Examples
        --------
        >>> state = equilibrium(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(beta=2.0))
        >>> state.utility("sampled").tolist(), state.utility("mean").tolist()
        ([0.4, 0.0], [0.6000000000000001, 0.0])
        """
        return self.spectrum.normalized * (1.0 - self.law.residual ** NOISE_POWER[reconstruction])

    # ------------------------------------------------------------------------------------ totals

    @cached_property
    def total_rate(self) -> Array:
        """Return R = Σ_k R_k, (…), nats; latents without a mode too, where σ² is held away from 1."""
        if not self.loss.sampler.plain:
            spare = max(0, (self.loss.latents or 0) - self.spectrum.modes)
            return np.asarray(self.rate.sum(axis=-1) + spare * self.loss.sampler.law(np.inf).rate)
        return rate_of(self.active, self.price, self.spectrum, self.loss.latents)

    @cached_property
    def total_distortion(self) -> Array:
        """Return D̃ of the sampled reconstruction, as in the loss, (…)."""
        if not self.loss.sampler.plain:
            beyond = tail(self.spectrum)[-1] / self.spectrum.total_variance
            return np.asarray(self.distortion.sum(axis=-1) + beyond)
        return self.active * self.temperature + tail(self.spectrum)[self.active] / self.spectrum.total_variance

    @cached_property
    def free_energy(self) -> Array:
        """Return ½ D + τ R, (…), data²: the least loss, times σ_dec². Its slope in τ is R (envelope theorem)."""
        return 0.5 * self.total_distortion * self.spectrum.total_variance + self.price * self.total_rate

    @cached_property
    def loss_value(self) -> Array:
        """Return a D + b R, (…): the least value of the user's own per-sample loss, without constants of a log-density.

        With a learned σ² it is a (D/σ² + d ln σ²) + b R; of other likelihoods −ln p is taken to
        second order, ½ a D. A constraint is charged in place of R; where a controller sets β, b is
        the one it has come to.
        """
        (a, b), demand = self.loss.weights(self.spectrum.dimension), self.loss.demand(self.spectrum)
        distortion, d = self.total_distortion * self.spectrum.total_variance, self.spectrum.dimension
        curvature, charged = self.loss.likelihood.curvature_of_term, self.total_rate
        variance = distortion / d if self.loss.learned else np.ones(())
        if demand is not None:
            charged = demand.charged(self.total_rate)
            b = a * curvature * self.price / variance if demand.constraint.sets_price else b
        constant = a * d * np.log(variance)
        return a * curvature / 2 * distortion / variance + constant + b * charged

    # ----------------------------------------------------------------------------------- helpers

    @property
    def incomplete(self) -> bool:
        """Return whether modes that were not kept may be active, so that totals are unknown."""
        spectrum, latents = self.spectrum, self.loss.latents
        free = spectrum.truncated and (latents is None or latents > spectrum.modes)
        return free and bool(np.any(self.price < spectrum.eigenvalues[-1] * self.loss.sampler.threshold))

    @property
    def served(self) -> int:
        """Return how many modes have a latent."""
        return min(self.loss.latents or self.spectrum.modes, self.spectrum.modes)

    def _of_latents(self, values: Array, without: float) -> Array:
        """Return values of modes, with another one for modes without a latent, (…, modes)."""
        if self.served == self.spectrum.modes:
            return values
        return np.where(np.arange(self.spectrum.modes) < self.served, values, without)

    # ------------------------------------------------------------------------------------ output

    def __repr__(self) -> str:
        if self.incomplete:
            return f"Equilibrium({self.price.size} prices, modes beyond the {self.spectrum.modes} kept may be active)"
        if self.price.ndim:
            ends = f"τ = {significant(self.price.min())} … {significant(self.price.max())}"
            return f"Equilibrium({self.price.size} prices, {ends}, {self.active.min()} to {self.active.max()} active)"
        state = f"τ = {significant(float(self.price))}, {int(self.active)} of {self.spectrum.modes} modes active"
        totals = f"R = {significant(float(self.total_rate), 4)} nats, D̃ = {float(self.total_distortion):.4g}"
        return f"Equilibrium({state}, {totals})"

    def content(self) -> Content:
        """Yield the loss in words and, at one price, the table of modes."""
        if self.price.ndim:
            yield repr(self)
            return
        yield f"{self.loss.explain(self.spectrum)}\n{self!r}"
        yield Table([
            Column("mode", range(1, self.spectrum.modes + 1)), Column("λ/V", self.spectrum.normalized),
            Column("M²", self.signal_fraction, "{:.4f}".format),
            Column("s", self.posterior_variance, "{:.4g}".format),
            Column("R [nat]", self.rate, "{:.4f}".format), Column("D̃", self.distortion, "{:.4g}".format),
            Column("ΔD̃ sampled", self.utility("sampled"), "{:.4g}".format),
            Column("ΔD̃ mean", self.utility("mean"), "{:.4g}".format),
        ], note=EXPLANATION)  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return the loss, modes and totals as strict JSON."""
        return super().to_dict() | {f"utility_{kind}": jsonable(self.utility(kind)) for kind in ("sampled", "mean")}


@checked
def equilibrium(spectrum: Spectrum, loss: Loss) -> Equilibrium:
    """Return the state in which a linear β-VAE settles, at one β or a whole array of them.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    loss : Loss
        The convention, with β of any shape.

    Returns
    -------
    Equilibrium
        Signal fractions, rates, distortions and utilities, mode by mode and in total.

    Raises
    ------
    InputError
        If spectrum and loss do not go together.
    OutsideTheory
        If the loss has a learned decoder variance that falls to 0 at this β.

    Examples
    --------
    >>> state = equilibrium(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(beta=2.0))
    >>> int(state.active), state.signal_fraction.tolist(), state.distortion.tolist()
    (1, [0.5, 0.0], [0.4, 0.2])
    """
    return Equilibrium(spectrum, loss, readonly(loss.price(spectrum)))
