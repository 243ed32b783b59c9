"""The linear β-VAE of some rows at rest, as a Gaussian model of them: what encodes, decodes and scores.

    x = x̄ + s ∘ (Σ_k w_k z_k v_k + √τ ε),     μ_k(x) = (M²_k / w_k) v_k·(x − x̄)/s

v_k, λ_k: modes of the rows in units of s; M²_k, w_k: their equilibrium at the price τ (`numeric.equilibrium`). A loss
a (x − x̂)² + b KL is b times the negative evidence bound of a decoder with the variance τ = b/2a, so this is the model
that it fits, and z | x is its exact posterior, where z is drawn as usual. At the learned variance of β = 1 it is
probabilistic PCA (Lucas et al., arXiv:1911.02469; Tipping & Bishop 1999).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np

from landau_vae.checks import Natural, Positive, Range, Share, checked
from landau_vae.data.moments import SecondMoments
from landau_vae.data.tables import constant
from landau_vae.display import Array, significant
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.likelihoods import Likelihood
from landau_vae.loss import Loss
from landau_vae.loss.sampler import Law
from landau_vae.numeric import noise_floor, transitions
from landau_vae.numeric._equilibrium import Equilibrium, equilibrium
from landau_vae.spectrum.build import Kind, check_rows, fields_in_unit
from landau_vae.spectrum.partial import Partial
from landau_vae.spectrum.spectrum import Spectrum

Components = Annotated[int, Range(1, integer=True)] | Share | Literal["noise-floor"] | None


@dataclass(frozen=True, eq=False)
class GaussianModel:
    """A linear β-VAE at rest. K: latents; those without a mode of their own have λ = 0 and no axis."""

    state: Equilibrium  #: of the modes, at one price
    mean: Array  #: x̄, (d,)
    scale: Array  #: s, (d,)

    @property
    def noise(self) -> float:
        """τ, the variance of the decoder in units of s²."""
        return float(self.state.price)

    @cached_property
    def latents(self) -> int:
        """K: as many as the loss has, or one for each mode."""
        return self.state.loss.latents or self.state.spectrum.modes

    @cached_property
    def eigenvalues(self) -> Array:
        """λ_k, (K,)."""
        return self.padded(self.state.spectrum.eigenvalues)

    @cached_property
    def thresholds(self) -> Array:
        """β at which each latent collapses, (K,): 0 for those that are inactive at every β."""
        cascade = transitions(self.state.spectrum, self.state.loss)
        return self.padded(np.repeat(cascade.beta, cascade.multiplicity))

    @cached_property
    def law(self) -> Law:
        """Return the state of each latent, (K,)."""
        with np.errstate(divide="ignore"):
            return self.state.loss.sampler.law(self.noise / self.eigenvalues)

    @cached_property
    def signal_fraction(self) -> Array:
        """M²_k, (K,)."""
        return 1.0 - self.law.residual

    @cached_property
    def axes(self) -> Array:
        """v_k as rows, (K, d); the largest entry of each is positive, as in scikit-learn's PCA."""
        vectors = self.state.spectrum.vectors
        assert vectors is not None  # all modes were asked for
        rows = vectors.T
        largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
        return self.padded(rows * np.sign(largest))

    @cached_property
    def norm(self) -> Array:
        """w_k, (K,), in units of s: w² N = λ M² (1 − M²)."""
        return np.sqrt(self.eigenvalues * self.signal_fraction * self.law.residual / self.law.noise)

    @property
    def covariance(self) -> Array:
        """Covariance of the model's rows, (d, d), data²."""
        inner = (self.axes.T * self.norm**2) @ self.axes + self.noise * np.eye(len(self.mean))
        return inner * np.outer(self.scale, self.scale)

    def encode(self, rows: Array) -> Array:
        """Return the posterior means of rows (n, d), (n, K): 0 of inactive latents."""
        gain = np.divide(self.signal_fraction, self.norm, out=np.zeros(self.latents), where=self.norm > 0)
        return (rows - self.mean) @ (gain[:, None] * self.axes / self.scale).T

    def decode(self, codes: Array) -> Array:
        """Return the decoder's means of codes (n, K), (n, d)."""
        return codes @ (self.norm[:, None] * self.axes * self.scale) + self.mean

    def log_density(self, rows: Array) -> Array:
        """Return ln p of each row (n, d), (n,), nats: by modes, so that a small τ costs no digits."""
        centred, variance = (rows - self.mean) / self.scale, self.norm**2 + self.noise
        along = centred @ self.axes.T
        square = along**2 @ (1 / variance)
        if self.state.served < len(self.mean):  # else nothing but rounding is across all modes
            square += ((centred - along @ self.axes) ** 2).sum(axis=1) / self.noise
        volume = np.log(variance / self.noise).sum() + len(self.mean) * np.log(2 * np.pi * self.noise)
        return -0.5 * (square + volume) - np.log(self.scale).sum()

    @checked
    def draw(self, n_samples: Natural, random: np.random.RandomState) -> Array:
        """Return rows of the model, (n, d): decoded draws of the prior, with the decoder's noise."""
        noise = np.sqrt(self.noise) * self.scale * random.standard_normal((n_samples, len(self.mean)))
        return self.decode(random.standard_normal((n_samples, self.latents))) + noise

    def padded(self, values: Array) -> Array:
        """Return what modes have for each of K latents: nothing beyond the modes."""
        missing = max(0, self.latents - len(values))
        return np.concatenate([values[: self.latents], np.zeros((missing, *values.shape[1:]))])


@checked
def gaussian_model(
    part: Partial, beta: Positive | None, loss: Loss | Literal["gaussian"], n_components: Components, standardize: bool
) -> GaussianModel:
    """Return the linear β-VAE at rest on some rows; the arguments are those of `LinearVAE`."""
    given = _loss_at(Loss.gaussian() if isinstance(loss, str) else loss, beta)
    moments = part.collected.result()
    check_rows(moments)
    unit = _unit(moments, given.likelihood, standardize)
    kind: Kind = "covariance" if unit is None else "correlation" if standardize else "exponential family"
    spectrum = Spectrum(**fields_in_unit(moments, part.names, unit, kind, likelihood=given.likelihood))
    latents = _latents(spectrum, n_components)
    given = given if latents is None else given.with_latents(latents)
    scale = np.ones(len(moments.mean)) if unit is None else unit
    return GaussianModel(equilibrium(spectrum, given), moments.mean.copy(), scale)


def _loss_at(loss: Loss, beta: float | None) -> Loss:
    """Return the loss at one β, if a linear VAE has an exact state under it."""
    likelihood = loss.likelihood
    if not likelihood.squared and not (likelihood.quadratic and likelihood.by_mean):
        raise InputError(
            f"The likelihood of the loss is {likelihood.title}, but a closed form is known for squared errors "
            "only, with fixed variances of the features at most: train a network instead (lv.training.Neural).", "loss"
        )  # fmt: skip
    if beta is None and loss.beta.ndim:
        raise InputError(f"The loss has {loss.beta.size} values of β, but one is expected: give beta=….", "beta")
    return loss if beta is None else loss.at(beta)


def _unit(moments: SecondMoments, likelihood: Likelihood, standardize: bool) -> Array | None:
    """Return what each column is divided by, (d,): its deviation (1 of a constant column) or the likelihood's."""
    if not likelihood.squared:
        if standardize:
            raise InputError(
                f"A {likelihood} likelihood has variances in the data's own units: leave standardize out.",
                "standardize",
            )
        return likelihood.deviation_at_mean(moments.mean.copy(), moments.variance)
    if not standardize:
        return None
    stuck = constant(moments.variance, moments.mean, moments.precision)
    return np.where(stuck, 1.0, np.sqrt(moments.variance))


def _latents(spectrum: Spectrum, n_components: Components) -> int | None:
    """Return K, or None for that of the loss."""
    if n_components != "noise-floor":
        return spectrum.rank(1 - n_components) if isinstance(n_components, float) else n_components
    floor = noise_floor(spectrum)
    if floor.modes == 0:
        raise OutsideTheory(
            f"No mode is above the noise floor (λ = {significant(floor.price)}), so these rows may be noise alone, and "
            f"no latent is left: give n_components as a number. {floor.heavy or ''}".rstrip(), partial=floor
        )  # fmt: skip
    return floor.modes
