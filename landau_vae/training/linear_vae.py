"""Linear Gaussian β-VAEs and all that can be measured on them, from second moments alone.

    z | x ~ N(E x, diag s),   x̂ = W z,   σ_dec² L = ½⟨‖x − x̂‖²⟩ + τ Σ_k R_k

⟨·⟩ runs over data of covariance C and over the posterior noise, exactly: no sampling. No eigenvector
of the data is used. The order parameter M²_k = ⟨μ_k²⟩/(⟨μ_k²⟩ + ⟨σ_k²⟩) does not change when latent k is
rescaled (J. Hirn, arXiv:2605.22691). Leading axes (…) are models: temperatures, seeds.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array


@dataclass(frozen=True, eq=False)
class LinearVAE:
    """A batch of linear β-VAEs on data of one covariance.

    Examples
    --------
    >>> decoder, encoder = np.full((1, 1), 2**0.5), np.full((1, 1), 8**-0.5)
    >>> model = LinearVAE(np.diag([4.0]), np.array(2.0), decoder, encoder, np.array([0.5]))
    >>> model.signal_fraction.round(12).tolist(), float(model.distortion.round(12))
    ([0.5], 2.0)
    """

    covariance: Array  #: C, (p, p), data²
    price: Array  #: τ, (…), data² per nat
    decoder: Array  #: W, (…, p, K), data units
    encoder: Array  #: E, (…, K, p), 1 / data units
    posterior_variance: Array  #: s, (…, K)

    @cached_property
    def mean_square(self) -> Array:
        """⟨μ_k²⟩, (…, K)."""
        return np.einsum("...kp,...kp->...k", self._encoded, self.encoder)

    @cached_property
    def signal_fraction(self) -> Array:
        """M²_k, (…, K): the order parameter."""
        return self.mean_square / (self.mean_square + self.posterior_variance)

    @cached_property
    def rate(self) -> Array:
        """R_k = ½(⟨μ_k²⟩ + s_k − 1 − ln s_k), (…, K), nats."""
        return 0.5 * (self.mean_square + self.posterior_variance - 1.0 - np.log(self.posterior_variance))

    @cached_property
    def distortion(self) -> Array:
        """⟨‖x − x̂‖²⟩ with z drawn from the posterior, (…), data²."""
        return self.pruned_distortion(sampled=True)[..., -1]

    @cached_property
    def loss(self) -> Array:
        """Expected loss σ_dec² L = ½ distortion + τ Σ_k rate, (…), data²."""
        return 0.5 * self.distortion + self.price * self.rate.sum(-1)

    def pruned_distortion(self, *, sampled: bool) -> Array:
        """Return ⟨‖x − x̂‖²⟩ with the first 0, 1, …, K latents kept, the others set to 0, (…, K + 1), data².

        Parameters
        ----------
        sampled : bool
            Whether the kept z are drawn from the posterior, as in the loss; otherwise z = μ(x), as a trained model is
            used.

        Returns
        -------
        (…, K + 1) array
        """
        # i, j: latents. ⟨‖x − Σ_i w_i z_i‖²⟩ = tr C − 2 Σ_i w_i·⟨x z_i⟩ + Σ_ij (w_i·w_j) ⟨z_i z_j⟩
        reconstructed = np.einsum("...kp,...pk->...k", self._encoded, self.decoder)
        square = self._encoded @ self.encoder.mT
        overlap = (self.decoder.mT @ self.decoder) * square
        change = np.diagonal(overlap, axis1=-2, axis2=-1) + 2 * np.tril(overlap, -1).sum(-1) - 2 * reconstructed
        if sampled:
            change = change + np.square(self.decoder).sum(-2) * self.posterior_variance
        total = np.broadcast_to(np.trace(self.covariance), (*change.shape[:-1], 1))
        return np.cumsum(np.concatenate([total, change], axis=-1), axis=-1)

    @property
    def ranking(self) -> NDArray[np.intp]:
        """Latents by falling signal fraction, (…, K)."""
        return np.argsort(-self.signal_fraction, axis=-1, kind="stable")

    def pruned_shares(self, order: NDArray[np.intp]) -> Array:
        """Return ranked pruning as a share of tr C, (…, 2, K + 1): of the mean and of the sampled reconstruction.

        Parameters
        ----------
        order : (…, K) array of int
            The latents in the order in which they are kept.

        Returns
        -------
        (…, 2, K + 1) array
        """
        models = self.ranked(order)
        both = [models.pruned_distortion(sampled=sampled) for sampled in (False, True)]
        return np.stack(both, axis=-2) / np.trace(self.covariance)

    def ranked(self, order: NDArray[np.intp] | None = None) -> "LinearVAE":
        """Return the models with their latents in this order, (…, K): by falling signal fraction if none is given.

        Parameters
        ----------
        order : (…, K) array of int, optional
            The latents in their new order.

        Returns
        -------
        LinearVAE
        """
        order = self.ranking if order is None else order
        decoder = np.take_along_axis(self.decoder, order[..., None, :], -1)
        encoder = np.take_along_axis(self.encoder, order[..., :, None], -2)
        variance = np.take_along_axis(self.posterior_variance, order, -1)
        return LinearVAE(self.covariance, self.price, decoder, encoder, variance)

    @cached_property
    def _encoded(self) -> Array:
        """E C, (…, K, p)."""
        return self.encoder @ self.covariance
