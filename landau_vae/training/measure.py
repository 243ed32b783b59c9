"""What is measured on models trained by samples: order parameters, rates, loss, pruning, latents that still wait.

⟨·⟩ runs over all rows of a split, not over a minibatch. For a linear encoder ⟨μ_k²⟩ needs the second moments only;
with a linear decoder so does the distortion, posterior noise included. For others z is drawn some thousands of times.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.accumulate import array_pairs
from landau_vae.display import Array
from landau_vae.limits import ACTIVE
from landau_vae.training.gradients import Decoder, Layout, Parts
from landau_vae.training.linear_vae import LinearVAE
from landau_vae.training.training_set import TrainingSet

ROWS = 4096  # draws of (x, ε) from a split, for measurements that second moments do not give
STREAM = 0x67617567


@dataclass(frozen=True, eq=False)
class Gauge:
    """Measurements on one split, whose rows are x̃ = (x − x̄, 1) with the training part's mean x̄."""

    layout: Layout
    decoder: Decoder
    second: Array  #: ⟨x̃x̃ᵀ⟩, (d + 1, d + 1)
    rows: Array  #: x̃ of some thousands of its rows, where second moments are not enough
    shift: Array  #: x̄, (d,)
    share: Array | None = None  #: weights of `rows`, where they have any

    @property
    def covariance(self) -> Array:
        """C of the split, (d, d)."""
        return self.second[:-1, :-1] - np.outer(self.second[:-1, -1], self.second[-1, :-1])

    def mean_square(self, weights: Parts) -> Array:
        """Return ⟨μ_k²⟩, (m, K)."""
        return np.einsum("mdk,mdk->mk", self.second @ weights.encoder, weights.encoder)

    def variance(self, weights: Parts) -> Array:
        """Return ⟨σ_k²⟩, (m, K)."""
        if not self.layout.input_dependent:
            return np.exp(weights.log_variance)
        models = [self._average(np.exp(self.rows @ each)) for each in weights.log_variance]
        return np.array(models).reshape(-1, self.layout.latents)  # of no model too

    def rate(self, weights: Parts) -> Array:
        """Return R_k, (m, K), nats."""
        logarithm = self.second[-1] @ weights.log_variance if self.layout.input_dependent else weights.log_variance
        return 0.5 * (self.mean_square(weights) + self.variance(weights) - 1 - logarithm)

    def signal_fraction(self, weights: Parts) -> Array:
        """Return M²_k, (m, K)."""
        square = self.mean_square(weights)
        return square / (square + self.variance(weights))

    def distortion(self, weights: Parts) -> Array:
        """Return ⟨‖x − x̂‖²⟩ with sampled z, (m,), data²."""
        return self._errors(weights)[0]

    def loss(self, weights: Parts, squared: float, price: Array) -> Array:
        """Return the user's own loss per sample at b = `price` (m, 1), (m,)."""
        error, term = self._errors(weights)
        rate = price[:, 0] * self.rate(weights).sum(axis=1)
        if self.layout.learned_variance:
            logarithm = weights.log_decoder_variance[:, 0]
            return squared * (error * np.exp(-logarithm) + self.layout.features * logarithm) + rate
        return squared * term + rate

    def linear_models(self, weights: Parts, covariance: Array, price: Array) -> LinearVAE:
        """Return linear VAEs with the matrices of these models, about their mean output."""
        return LinearVAE(covariance, price[:, 0], weights.decoder, weights.encoder[:, :-1].mT, self.variance(weights))

    def pruned_shares(self, weights: Parts, covariance: Array, order: NDArray[np.intp]) -> Array:
        """Return ranked pruning as a share of tr C, (m, 2, K + 1): of the mean and of the sampled reconstruction.

        Decoders that are not linear are run on some thousands of rows, about the error of their mean output.
        """
        if self.decoder.linear:
            return self.linear_models(weights, covariance, np.ones((len(order), 1))).pruned_shares(order)
        shares = [
            [[self._pruned(each, ranks[:kept], sampled) for kept in range(len(ranks) + 1)] for sampled in (False, True)]
            for each, ranks in zip(_each(weights), order, strict=True)
        ]
        return np.array(shares).reshape(-1, 2, order.shape[1] + 1) / np.trace(covariance)

    def waiting(self, weights: Parts, price: Array, penalty: ArrayLike = 0.0) -> Array:
        """Return how many latents are inactive although a mode of the residual would activate one, (m,).

        An inactive latent activates if and only if some direction of the residual x − W μ − b = P (x − x̄) has a
        variance above the price: an eigenvalue of P C Pᵀ/τ above 1. With an L2 term of ½γ(‖W‖² + ‖E‖²) it is one of
        P C (τC + γ)⁻¹ C Pᵀ/(F + γ), F = 1, or x̄(1 − x̄) for Bernoulli decoders. Other decoders than linear ones are
        judged in the fully collapsed state only, where P = 1. No eigenvector of the data is used. `price` is τ, and
        `penalty` γ in the same units, (m, 1).
        """
        d, inactive = self.layout.features, np.count_nonzero(self.signal_fraction(weights) < ACTIVE, axis=1)
        centred = self.covariance
        gamma, gain, bar = np.broadcast_to(penalty, price.shape), centred, price
        if np.any(gamma > 0):
            bar = np.ones_like(price)
            loaded = price[:, :, None] * centred + gamma[:, :, None] * np.eye(d)
            gain = centred @ np.linalg.solve(loaded, np.broadcast_to(centred, loaded.shape))
        if self.decoder.linear:
            maps = np.eye(d) - weights.decoder @ weights.encoder[:, :-1].mT
            gain = maps @ gain @ maps.mT
        likelihood = self.decoder.likelihood
        plain = likelihood.squared or likelihood.variance is None
        scale = np.sqrt((1.0 if plain else likelihood.variance(self.shift)) + gamma)
        left = np.linalg.eigvalsh(gain / (scale[:, :, None] * scale[:, None, :]))
        # A mode within `ACTIVE` of its threshold has M² < ACTIVE: a latent that has taken it counts as inactive.
        waking = np.minimum(np.count_nonzero(left * (1 - ACTIVE) > bar, axis=1), inactive)
        return waking if self.decoder.linear else np.where(inactive == self.layout.latents, waking, 0)

    def _errors(self, weights: Parts) -> tuple[Array, Array]:
        """Return ⟨‖x − x̂‖²⟩, (m,), and the reconstruction term of the loss: the same, or −ln p."""
        if self.decoder.linear:
            encoder, d = weights.encoder, self.layout.features
            maps = weights.decoder @ encoder.mT
            maps[:, :, -1] += weights.bias
            maps[:, :, :d] -= np.eye(d, dtype=maps.dtype)
            noise = np.square(weights.decoder).sum(axis=1) * self.variance(weights)
            error = np.einsum("mij,mij->m", maps @ self.second, maps) + noise.sum(axis=1)
            return error, error
        measured = [self._one_model(each) for each in _each(weights)]
        error, term = np.array(measured).reshape(-1, 2).T
        return error, term

    def _latent(self, weights: Parts, sampled: bool = True) -> Array:
        """Return z of one model on the rows, or μ."""
        mean = self.rows @ weights.encoder
        if not sampled:
            return mean
        log_variance = self.rows @ weights.log_variance if self.layout.input_dependent else weights.log_variance
        return mean + np.exp(0.5 * log_variance) * self._noise

    def _one_model(self, weights: Parts) -> tuple[float, float]:
        """Return ⟨‖x − x̂‖²⟩ and the reconstruction term of one model, z drawn."""
        logits = self._latent(weights) @ weights.decoder.T + weights.bias
        target = self.decoder.target(self.rows[:, :-1], self.shift)
        error = float(self._average(np.square(target - self.decoder.output(logits)).sum(axis=1)))
        likelihood = self.decoder.likelihood
        if likelihood.squared or likelihood.value is None:
            return error, error
        return error, float(self._average(likelihood.value(target, logits).sum(axis=1)))

    def _pruned(self, weights: Parts, kept: NDArray[np.intp], sampled: bool) -> float:
        """Return the variance of x − x̂ of one model with only these latents kept, data²."""
        logits = self._latent(weights, sampled)[:, kept] @ weights.decoder[:, kept].T + weights.bias
        residual = self.decoder.target(self.rows[:, :-1], self.shift) - self.decoder.output(logits)
        return float(self._average(np.square(residual - self._average(residual)).sum(axis=1)))

    def _average(self, values: Array) -> Array:
        """Return the mean over rows."""
        return np.asarray(np.average(values, axis=0, weights=self.share))

    @cached_property
    def _noise(self) -> Array:
        return np.random.default_rng(STREAM).standard_normal((len(self.rows), self.layout.latents))


def gauge_of(decoder: Decoder, layout: Layout, data: TrainingSet, split: str | None = None) -> Gauge:
    """Return the measurements on the training part, or on one that was held out."""
    by_moments = decoder.linear and not layout.input_dependent
    mean = data.mean
    if data.rows is None:
        covariance = data.spectrum.covariance
        second = np.eye(len(covariance) + 1)
        second[:-1, :-1] = covariance
        normal = np.random.default_rng(0).standard_normal((0 if by_moments else ROWS, len(covariance)))
        return Gauge(layout, decoder, second, _augmented(normal @ data.spectrum.root, 0.0), mean)
    rows = data.rows if split is None else data.held_out[split]
    weights = data.weights if split is None else data.held_out_weights.get(split)
    second = np.zeros((rows.shape[1] + 1,) * 2)
    for some, share in array_pairs(rows, weights, ROWS):
        block = _augmented(some, mean)
        second += block.T @ (block if share is None else share[:, None] * block)
    second /= len(rows) if weights is None else weights.sum()
    if by_moments:
        rows, weights = rows[:0], None  # not looked at
    elif len(rows) > ROWS:  # so many in proportion to their weights, evenly spread
        ends = np.cumsum(np.ones(len(rows)) if weights is None else weights)
        rows, weights = rows[np.searchsorted(ends, ends[-1] * (np.arange(ROWS) + 0.5) / ROWS)], None
    else:  # each as often as that allows: it meets other noise every time
        times = ROWS // len(rows)
        rows, weights = np.tile(rows, (times, 1)), None if weights is None else np.tile(weights, times)
    return Gauge(layout, decoder, second, _augmented(rows, mean), mean, weights)


def _augmented(rows: Array, mean: Array | float) -> Array:
    return np.column_stack([rows - mean, np.ones(len(rows))])


def _each(weights: Parts) -> list[Parts]:
    """Return the weights model by model."""
    return [Parts(*(part[i] for part in weights)) for i in range(len(weights.bias))]
