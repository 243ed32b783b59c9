"""What is measured on models while they train: order parameters, rates, loss, and whether a latent still has to wake.

⟨·⟩ runs over all rows of a split, not over a minibatch. For a linear encoder ⟨μ_k²⟩ needs the second moments only;
with a linear decoder so does the distortion, posterior noise included. For others z is drawn some thousands of times.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from landau_vae.display import Array
from landau_vae.training.batches import row_mean
from landau_vae.training.settings import ROWS, Settings
from landau_vae.training.trainer import TrainingSet
from landau_vae.training.weights import Layout, Parts

__all__ = ["SLACK", "Gauge", "gauge_of"]

SLACK = 0.1  # M² of the strongest mode that a resting model may miss, and below which a latent idles
STREAM = 0x67617567


@dataclass(frozen=True, eq=False)
class Gauge:
    """One split, seen as x̃ = (x − x̄, 1) with the training part's mean x̄."""

    layout: Layout
    decoder: str  #: gaussian, bernoulli or tanh
    second: Array  #: ⟨x̃x̃ᵀ⟩, (d + 1, d + 1)
    rows: Array  #: x̃ of some thousands of its rows, where there is something that second moments do not tell
    shift: Array  #: x̄, (d,)
    share: Array | None = None  #: weights of `rows`, where they have any

    @property
    def covariance(self) -> Array:
        """C of the split, (d, d)."""
        return self.second[:-1, :-1] - np.outer(self.second[:-1, -1], self.second[-1, :-1])

    def mean_square(self, weights: Parts) -> Array:
        """⟨μ_k²⟩, (m, K)."""
        return np.einsum("mdk,mdk->mk", self.second @ weights.encoder, weights.encoder)

    def variance(self, weights: Parts) -> Array:
        """⟨σ_k²⟩, (m, K)."""
        if not self.layout.input_dependent:
            return np.exp(weights.log_variance)
        models = [self._average(np.exp(self.rows @ each)) for each in weights.log_variance]
        return np.array(models).reshape(-1, self.layout.latents)  # of no model too

    def rate(self, weights: Parts) -> Array:
        """R_k, (m, K), nats."""
        logarithm = weights.log_variance
        if self.layout.input_dependent:
            logarithm = self.second[-1] @ weights.log_variance
        return 0.5 * (self.mean_square(weights) + self.variance(weights) - 1 - logarithm)

    def signal_fraction(self, weights: Parts) -> Array:
        """M²_k, (m, K)."""
        square = self.mean_square(weights)
        return square / (square + self.variance(weights))

    def distortion(self, weights: Parts) -> Array:
        """⟨‖x − x̂‖²⟩ with sampled z, (m,), data²."""
        return self._errors(weights)[0]

    def loss(self, weights: Parts, squared: float, price: Array) -> Array:
        """The user's own loss per sample at b = `price` (m, 1), (m,)."""
        error, entropy = self._errors(weights)
        rate = price[:, 0] * self.rate(weights).sum(axis=1)
        if self.decoder == "bernoulli":
            return squared * entropy + rate
        if self.layout.learned_variance:
            logarithm = weights.log_decoder_variance[:, 0]
            return squared * (error * np.exp(-logarithm) + self.layout.features * logarithm) + rate
        return squared * error + rate

    def waiting(self, weights: Parts, price: Array, penalty: ArrayLike = 0.0) -> Array:
        """How many latents idle although a mode of what is left would pay for one, (m,).

        A latent that idles wakes if and only if some direction of the residual x − W μ − b = P (x − x̄) has a variance
        above the price: an eigenvalue of P C Pᵀ/τ above 1. With an L2 term of ½γ(‖W‖² + ‖E‖²) it is one of
        P C (τC + γ)⁻¹ C Pᵀ/(F + γ), F = 1, or x̄(1 − x̄) for Bernoulli decoders. Other decoders than linear ones are
        judged in the fully collapsed state only, where P = 1. Nothing of the data's own eigenvectors goes in. `price`
        is τ, and `penalty` γ in the same units, (m, 1).
        """
        d, idle = self.layout.features, np.count_nonzero(self.signal_fraction(weights) < SLACK, axis=1)
        centred = self.covariance
        gamma, gain, bar = np.broadcast_to(penalty, price.shape), centred, price
        if np.any(gamma > 0):
            bar = np.ones_like(price)
            loaded = price[:, :, None] * centred + gamma[:, :, None] * np.eye(d)
            gain = centred @ np.linalg.solve(loaded, np.broadcast_to(centred, loaded.shape))
        if self.decoder == "gaussian":
            maps = np.eye(d) - weights.decoder @ weights.encoder[:, :-1].transpose(0, 2, 1)
            gain = maps @ gain @ maps.transpose(0, 2, 1)
        scale = np.sqrt((self.shift * (1 - self.shift) if self.decoder == "bernoulli" else 1) + gamma)
        left = np.linalg.eigvalsh(gain / (scale[:, :, None] * scale[:, None, :]))
        waking = np.minimum(np.count_nonzero(left * (1 - SLACK) > bar, axis=1), idle)
        return waking if self.decoder == "gaussian" else np.where(idle == self.layout.latents, waking, 0)

    def _errors(self, weights: Parts) -> tuple[Array, Array]:
        """⟨‖x − x̂‖²⟩, (m,), and the cross-entropy for Bernoulli decoders."""
        if self.decoder == "gaussian":
            encoder, d = weights.encoder, self.layout.features
            maps = weights.decoder @ encoder.transpose(0, 2, 1)
            maps[:, :, -1] += weights.bias
            maps[:, :, :d] -= np.eye(d, dtype=maps.dtype)
            noise = np.square(weights.decoder).sum(axis=1) * self.variance(weights)
            error = np.einsum("mij,mij->m", maps @ self.second, maps) + noise.sum(axis=1)
            return error, error
        found = [self._one_model(Parts(*(part[i] for part in weights))) for i in range(len(weights.bias))]
        error, entropy = np.array(found).reshape(-1, 2).T
        return error, entropy

    def _one_model(self, weights: Parts) -> tuple[float, float]:
        log_variance = self.rows @ weights.log_variance if self.layout.input_dependent else weights.log_variance
        latent = self.rows @ weights.encoder + np.exp(0.5 * log_variance) * self._noise
        logits = latent @ weights.decoder.T + weights.bias
        target = self.rows[:, :-1] + (self.shift if self.decoder == "bernoulli" else 0.0)
        reconstructed = expit(logits) if self.decoder == "bernoulli" else np.tanh(logits)
        error = float(self._average(np.square(target - reconstructed).sum(axis=1)))
        if self.decoder != "bernoulli":
            return error, error
        return error, float(self._average((np.logaddexp(0, logits) - target * logits).sum(axis=1)))

    def _average(self, values: Array) -> Array:
        """Over rows."""
        return np.asarray(np.average(values, axis=0, weights=self.share))

    @cached_property
    def _noise(self) -> Array:
        return np.random.default_rng(STREAM).standard_normal((len(self.rows), self.layout.latents))


def gauge_of(how: Settings, layout: Layout, data: TrainingSet, split: str | None = None) -> Gauge:
    """The measurements on the training part, or on one that was held out."""
    if data.rows is None:
        covariance = data.spectrum.covariance
        second = np.eye(len(covariance) + 1)
        second[:-1, :-1] = covariance
        normal = np.random.default_rng(0).standard_normal((0 if how.linear_and_constant else ROWS, len(covariance)))
        return Gauge(
            layout, how.decoder, second, _augmented(normal @ data.spectrum.root, 0.0), np.zeros(len(covariance))
        )
    mean = row_mean(data.rows, data.weights)
    rows = data.rows if split is None else data.held_out[split]
    weights = data.weights if split is None else data.held_out_weights.get(split)
    second = np.zeros((rows.shape[1] + 1,) * 2)
    for first in range(0, len(rows), ROWS):
        block = _augmented(rows[first : first + ROWS], mean)
        share = None if weights is None else weights[first : first + ROWS, None]
        second += block.T @ (block if share is None else share * block)
    second /= len(rows) if weights is None else weights.sum()
    if how.linear_and_constant:
        rows, weights = rows[:0], None  # not looked at
    elif len(rows) > ROWS:  # so many in proportion to their weights, evenly spread
        ends = np.cumsum(np.ones(len(rows)) if weights is None else weights)
        rows, weights = rows[np.searchsorted(ends, ends[-1] * (np.arange(ROWS) + 0.5) / ROWS)], None
    else:  # each as often as that allows: it meets other noise every time
        times = ROWS // len(rows)
        rows, weights = np.tile(rows, (times, 1)), None if weights is None else np.tile(weights, times)
    return Gauge(layout, how.decoder, second, _augmented(rows, mean), mean, weights)


def _augmented(rows: Array, mean: Array | float) -> Array:
    return np.column_stack([rows - mean, np.ones(len(rows))])
