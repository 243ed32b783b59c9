"""What is measured on linear models trained by samples: order parameters, rates, loss, pruning, latents that wait.

⟨·⟩ runs over all rows of a split, not over a minibatch, and over the posterior noise: second
moments give it exactly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.accumulate import array_pairs
from landau_vae.display import Array
from landau_vae.limits import ACTIVE
from landau_vae.training.gradients import Layout, Parts
from landau_vae.training.linear_vae import LinearVAE
from landau_vae.training.training_set import TrainingSet

ROWS = 4096  # of a split that are taken at a time


@dataclass(frozen=True, eq=False)
class Gauge:
    """Measurements on one split, whose rows are x̃ = (x − x̄, 1) with the training part's mean x̄."""

    layout: Layout
    second: Array  #: ⟨x̃x̃ᵀ⟩, (d + 1, d + 1)

    @property
    def covariance(self) -> Array:
        """C of the split, (d, d)."""
        return self.second[:-1, :-1] - np.outer(self.second[:-1, -1], self.second[-1, :-1])

    def mean_square(self, weights: Parts) -> Array:
        """Return ⟨μ_k²⟩, (m, K)."""
        return np.einsum("mdk,mdk->mk", self.second @ weights.encoder, weights.encoder)

    def variance(self, weights: Parts) -> Array:
        """Return ⟨σ_k²⟩, (m, K)."""
        return np.exp(weights.log_variance)

    def rate(self, weights: Parts) -> Array:
        """Return R_k, (m, K), nats."""
        return 0.5 * (self.mean_square(weights) + self.variance(weights) - 1 - weights.log_variance)

    def signal_fraction(self, weights: Parts) -> Array:
        """Return M²_k, (m, K)."""
        square = self.mean_square(weights)
        return square / (square + self.variance(weights))

    def distortion(self, weights: Parts) -> Array:
        """Return ⟨‖x − x̂‖²⟩ with sampled z, (m,), data²."""
        maps = weights.decoder @ weights.encoder.mT
        maps[:, :, -1] += weights.bias
        maps[:, :, :-1] -= np.eye(self.layout.features, dtype=maps.dtype)
        noise = np.square(weights.decoder).sum(axis=1) * self.variance(weights)
        return np.einsum("mij,mij->m", maps @ self.second, maps) + noise.sum(axis=1)

    def loss(self, weights: Parts, squared: float, price: Array) -> Array:
        """Return the user's own loss per sample at b = `price` (m, 1), (m,)."""
        term = self.distortion(weights)
        if self.layout.learned_variance:
            logarithm = weights.log_decoder_variance[:, 0]
            term = term * np.exp(-logarithm) + self.layout.features * logarithm
        return squared * term + price[:, 0] * self.rate(weights).sum(axis=1)

    def linear_models(self, weights: Parts, covariance: Array, price: Array) -> LinearVAE:
        """Return linear VAEs with the matrices of these models, about their mean output."""
        return LinearVAE(covariance, price[:, 0], weights.decoder, weights.encoder[:, :-1].mT, self.variance(weights))

    def pruned_shares(self, weights: Parts, covariance: Array, order: NDArray[np.intp]) -> Array:
        """Return ranked pruning as a share of tr C, (m, 2, K + 1): of the mean and of the sampled reconstruction."""
        return self.linear_models(weights, covariance, np.ones((len(order), 1))).pruned_shares(order)

    def waiting(self, weights: Parts, price: Array, penalty: ArrayLike = 0.0) -> Array:
        """Return how many latents are inactive although a mode of the residual would activate one, (m,).

        An inactive latent activates if and only if some direction of the residual x − W μ − b =
        P (x − x̄) has a variance above the price: an eigenvalue of P C Pᵀ/τ above 1. With an L2
        term of ½γ(‖W‖² + ‖E‖²) it is one of P C (τC + γ)⁻¹ C Pᵀ/(1 + γ). No eigenvector of the
        data is used. `price` is τ, `penalty` γ, (m, 1).
        """
        d, inactive = self.layout.features, np.count_nonzero(self.signal_fraction(weights) < ACTIVE, axis=1)
        centred = self.covariance
        gamma, gain, bar = np.broadcast_to(penalty, price.shape), centred, price
        if np.any(gamma > 0):
            bar = np.ones_like(price)
            loaded = price[:, :, None] * centred + gamma[:, :, None] * np.eye(d)
            gain = centred @ np.linalg.solve(loaded, np.broadcast_to(centred, loaded.shape))
        maps = np.eye(d) - weights.decoder @ weights.encoder[:, :-1].mT
        left = np.linalg.eigvalsh(maps @ gain @ maps.mT / (1 + gamma[:, :, None]))
        # A mode within `ACTIVE` of its threshold has M² < ACTIVE: a latent that has taken it counts as inactive.
        return np.minimum(np.count_nonzero(left * (1 - ACTIVE) > bar, axis=1), inactive)


def gauge_of(layout: Layout, data: TrainingSet, split: str | None = None) -> Gauge:
    """Return the measurements on the training part, or on one that was held out."""
    second = np.zeros((layout.features + 1,) * 2)
    if data.rows is None:
        second[:-1, :-1], second[-1, -1] = data.spectrum.covariance, 1.0
        return Gauge(layout, second)
    rows = data.rows if split is None else data.held_out[split]
    weights = data.weights if split is None else data.held_out_weights.get(split)
    for some, share in array_pairs(rows, weights, ROWS):
        block = np.column_stack([some - data.mean, np.ones(len(some))])
        second += block.T @ (block if share is None else share[:, None] * block)
    return Gauge(layout, second / (len(rows) if weights is None else weights.sum()))
