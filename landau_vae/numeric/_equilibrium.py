"""Which modes live at a given price, and how strongly: the global minimum of the linear Gaussian β-VAE.

    M²_k = [1 − τ/λ_k]₊     s_k = min(1, τ/λ_k)     R_k = ½ [ln(λ_k/τ)]₊     w_k² = [λ_k − τ]₊

for the K strongest modes (J. Hirn, arXiv:2605.22691, mean-field law; β = 1: Lucas et al.,
arXiv:1911.02469); a mode without a latent stays dead. Distortions and utilities are shares of V. Rates
and distortions together are reverse water-filling, so they are also the Gaussian rate–distortion curve.

Shapes: a loss with a β of shape (…) gives totals of shape (…) and mode-wise arrays of shape (…, modes).
Valid for any data under linear encoder and decoder: only second moments enter.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array, jsonable, readonly, significant, table
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.loss import Loss
from landau_vae.loss.checks import check_pair
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["Equilibrium", "Reconstruction", "equilibrium", "noise_power"]

Reconstruction = Literal["sampled", "mean"]


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """The equilibrium at a price τ, mode by mode and in total; quantities are computed when asked for."""

    spectrum: Spectrum  #: the modes λ_k
    loss: Loss  #: the convention in which β is read
    price: Array = field(repr=False)  #: τ, (…), data² per nat

    @cached_property
    def temperature(self) -> Array:
        """T = τ/V, (…)."""
        return self.price / self.spectrum.total_variance

    @cached_property
    def active(self) -> NDArray[np.int64]:
        """How many latents live, (…); `OutsideTheory` where modes that were not kept may live too."""
        if self.incomplete:
            raise OutsideTheory(
                f"At τ = {significant(float(np.min(self.price)))} modes beyond the {self.spectrum.modes} that were "
                f"kept may live: keep more (modes=…), raise β, or say that latents are at most {self.spectrum.modes}."
            )
        alive = np.searchsorted(-self.spectrum.eigenvalues, -self.price, side="left")
        return np.asarray(np.minimum(alive, self._encodable), dtype=np.int64)

    # ------------------------------------------------------------------------------ mode by mode

    @cached_property
    def signal_fraction(self) -> Array:
        """M²_k = ⟨μ²⟩ / (⟨μ²⟩ + ⟨σ²⟩), (…, modes): the order parameter; also ⟨μ_k²⟩ itself, as A²_k = 1."""
        return 1.0 - self.posterior_variance

    @cached_property
    def posterior_variance(self) -> Array:
        """s_k = ⟨σ_k²⟩, (…, modes)."""
        return self._noise_share

    @cached_property
    def decoder_norm(self) -> Array:
        """‖w_k‖ of the decoder's column, (…, modes), data units."""
        return np.sqrt(self.spectrum.eigenvalues * self.signal_fraction)

    @cached_property
    def rate(self) -> Array:
        """R_k, (…, modes), nats."""
        return 0.0 - 0.5 * np.log(self._noise_share)

    @cached_property
    def distortion(self) -> Array:
        """Share of V left in mode k by a sampled reconstruction: min(λ_k, τ)/V, (…, modes)."""
        return self.spectrum.normalized * self._noise_share

    def utility(self, reconstruction: Reconstruction = "sampled") -> Array:
        """ΔD̃_k, what pruning latent k would add to the normalised distortion, (…, modes).

        Of the sampled reconstruction (z drawn from the posterior, as in the loss) it is (λ_k − τ)/V, of the mean
        reconstruction (z = μ(x), as after training) it is (λ_k − τ²/λ_k)/V. Both tend to λ_k/V as τ → 0.

        >>> state = equilibrium(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(beta=2.0))
        >>> state.utility("sampled").tolist(), state.utility("mean").tolist()
        ([0.4, 0.0], [0.6000000000000001, 0.0])
        """
        return self.spectrum.normalized * (1.0 - self._noise_share ** noise_power(reconstruction))

    # ------------------------------------------------------------------------------------ totals

    @cached_property
    def total_rate(self) -> Array:
        """R = Σ_k R_k, (…), nats."""
        logs = np.concatenate([[0.0], np.cumsum(np.log(self.spectrum.eigenvalues))])
        return np.asarray(0.5 * (logs[self.active] - self.active * np.log(self.price)))

    @cached_property
    def total_distortion(self) -> Array:
        """D̃ of the sampled reconstruction, as in the loss, (…)."""
        return self.active * self.temperature + self._tail[self.active]

    @cached_property
    def free_energy(self) -> Array:
        """½ D + τ R, (…), data²: the least loss, times σ_dec². Its slope in τ is R (envelope theorem)."""
        return 0.5 * self.total_distortion * self.spectrum.total_variance + self.price * self.total_rate

    @cached_property
    def loss_value(self) -> Array:
        """a D + b R, (…): the least value of the user's own per-sample loss (constants of a log-density left out).

        With a learned σ² it is a (D/σ² + d ln σ²) + b R; of other likelihoods −ln p is taken to second order, ½ a D.
        """
        a, b = self.loss.weights(self.spectrum.dimension)
        if self.loss.learned:
            variance = 2 * a * self.price / b
            return 2 * a * self.free_energy / variance + a * self.spectrum.dimension * np.log(variance)
        return a * self.loss.likelihood.curvature_of_term * self.free_energy

    # ----------------------------------------------------------------------------------- helpers

    @property
    def _encodable(self) -> int:
        """How many modes can have a latent."""
        latents = self.loss.latents
        return self.spectrum.modes if latents is None else min(latents, self.spectrum.modes)

    @property
    def incomplete(self) -> bool:
        """Whether modes that were not kept may be active, so that totals are unknown."""
        spectrum, latents = self.spectrum, self.loss.latents
        free = spectrum.truncated and (latents is None or latents > spectrum.modes)
        return free and bool(np.any(self.price < spectrum.eigenvalues[-1]))

    @cached_property
    def _noise_share(self) -> Array:
        """min(1, τ/λ_k), and 1 for modes without a latent."""
        share = np.minimum(np.divide.outer(self.price, self.spectrum.eigenvalues), 1.0)
        share[..., self._encodable :] = 1.0
        return share

    @cached_property
    def _tail(self) -> Array:
        """tail[k] = Σ_{i>k} λ_i / V."""
        kept = np.concatenate([np.cumsum(self.spectrum.normalized[::-1])[::-1], [0.0]])
        return kept + self.spectrum.rest / self.spectrum.total_variance

    # ------------------------------------------------------------------------------------ output

    def __repr__(self) -> str:
        if self.incomplete:
            return f"Equilibrium({self.price.size} prices, modes beyond the {self.spectrum.modes} kept may be active)"
        if self.price.ndim:
            return (
                f"Equilibrium({self.price.size} prices, τ = {significant(self.price.min())} … "
                f"{significant(self.price.max())}, {self.active.min()} to {self.active.max()} active)"
            )
        return (
            f"Equilibrium(τ = {significant(float(self.price))}, {int(self.active)} of {self.spectrum.modes} modes "
            f"active, R = {significant(float(self.total_rate), 4)} nats, D̃ = {float(self.total_distortion):.4g})"
        )

    def summary(self) -> str:
        """The table of modes at one price."""
        if self.price.ndim:
            return repr(self)
        rows = [
            [
                str(k + 1),
                significant(self.spectrum.normalized[k]),
                f"{self.signal_fraction[k]:.4f}",
                f"{self.posterior_variance[k]:.4g}",
                f"{self.rate[k]:.4f}",
                f"{self.distortion[k]:.4g}",
                f"{self.utility('sampled')[k]:.4g}",
                f"{self.utility('mean')[k]:.4g}",
            ]
            for k in range(self.spectrum.modes)
        ]
        header = ["mode", "λ/V", "M²", "s", "R [nat]", "D̃", "ΔD̃ sampled", "ΔD̃ mean"]
        return f"{self.loss.explain(self.spectrum)}\n{self!r}\n{table(header, rows)}"

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return jsonable(
            {
                "loss": self.loss.to_dict(),
                "price": self.price,
                "temperature": self.temperature,
                "active": self.active,
                "signal_fraction": self.signal_fraction,
                "posterior_variance": self.posterior_variance,
                "rate": self.rate,
                "distortion": self.distortion,
                "utility_sampled": self.utility("sampled"),
                "utility_mean": self.utility("mean"),
                "total_rate": self.total_rate,
                "total_distortion": self.total_distortion,
                "free_energy": self.free_energy,
                "loss_value": self.loss_value,
            }
        )


def equilibrium(spectrum: Spectrum, loss: Loss) -> Equilibrium:
    """The state a linear β-VAE settles in: one number or a whole array of β at once.

    >>> state = equilibrium(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(beta=2.0))
    >>> int(state.active), state.signal_fraction.tolist(), state.distortion.tolist()
    (1, [0.5, 0.0], [0.4, 0.2])
    """
    check_pair(spectrum, loss)
    return Equilibrium(spectrum, loss, readonly(loss.price(spectrum)))


def noise_power(reconstruction: Reconstruction) -> int:
    """The p in what a live mode leaves, λ (τ/λ)^p: 1 for the sampled reconstruction, 2 for the mean one."""
    if reconstruction not in ("sampled", "mean"):
        raise InputError(f"The reconstruction is {reconstruction!r}, but 'sampled' or 'mean' is expected.")
    return 1 if reconstruction == "sampled" else 2
