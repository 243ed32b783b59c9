"""What a posterior knows of each principal mode of the data, whatever the latents' scale, order and rotation.

    y_j = v_jᵀx,  z = μ + σε:   M²_j = ⟨y_j zᵀ⟩⟨z zᵀ⟩⁻¹⟨z y_j⟩ / λ_j

is the share of mode j that can be read linearly off the latents, 1 − (what is left of it)/λ_j. At the equilibrium of a
linear VAE it is 1 − τ/λ_j, so that each living mode tells the price it was trained at, τ̂ = (1 − M²_j) λ_j. Latents
are told apart by ρ²_kj, the squared correlation of μ_k with y_j; its sum over j is the share of μ_k that is linear in
x (less what chance gives, d/n).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from landau_vae.diagnosis.posterior import Posterior
from landau_vae.display import Array
from landau_vae.limits import DETECTED
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["Observed", "mode_cross", "observe", "scale_of"]

MOST = 2000  # modes that are looked at one by one
BLOCK = 2**20  # numbers of a wide table that are worked on at a time


@dataclass(frozen=True, eq=False)
class Observed:
    """The modes as the posteriors know them."""

    posterior: Posterior
    spectrum: Spectrum
    encoded: Array  #: M²_j, (modes,), observed
    alignment: Array  #: ρ²_kj, (K, modes)
    prefix: Array  #: (K + 1,): share of V left by the best linear decoder from the first k ranked latents

    @cached_property
    def chance(self) -> float:
        """M² that as many latents of nothing have with a mode, at most: three standard deviations above the mean."""
        K, n = self.posterior.latents, self.posterior.samples
        return float((K + 3 * np.sqrt(2 * K)) / n)

    @cached_property
    def detected(self) -> NDArray[np.bool_]:
        """(modes,): whether a mode is encoded at all."""
        return np.asarray(self.encoded > DETECTED + self.chance)

    @cached_property
    def linear(self) -> Array:
        """Share of μ_k that is linear in x, (K,), chance taken off; of dead latents it is noise."""
        n, d = self.posterior.samples, self.alignment.shape[1]
        rest = (1 - np.minimum(self.alignment.sum(axis=1), 1.0)) * ((n - 1) / (n - d - 1) if n > d + 1 else 1.0)
        return np.clip(1 - rest, 0.0, 1.0)

    @cached_property
    def mode(self) -> NDArray[np.intp]:
        """The mode that each latent is most aligned with, (K,), counted from 0."""
        return np.argmax(self.alignment, axis=1)


def scale_of(posterior: Posterior, spectrum: Spectrum) -> Array:
    """What each feature is divided by in the spectrum, (d,)."""
    assert posterior.data_mean is not None
    assert posterior.data_variance is not None
    mean = posterior.data_mean
    if spectrum.likelihood != "gaussian":
        return spectrum.likelihood.deviation_at_mean(mean, posterior.data_variance, spectrum.names)
    return np.sqrt(posterior.data_variance) if spectrum.standardized else np.ones(len(mean))


def mode_cross(posterior: Posterior, spectrum: Spectrum, data: NDArray[Any], mean: NDArray[Any]) -> Array:
    """⟨y μᵀ⟩, (modes, K), of the strongest modes; of a wide table through its rows."""
    scale = scale_of(posterior, spectrum)
    keep = min(spectrum.modes, MOST)
    if spectrum.matrix is not None:
        assert posterior.cross is not None
        assert spectrum.vectors is not None
        return np.asarray(spectrum.vectors[:, :keep].T @ (posterior.cross / scale[:, None]))
    n = len(data)
    gram = _gram(data, posterior.data_mean, scale)
    _, vectors = scipy.linalg.eigh(gram, subset_by_index=(n - keep, n - 1), overwrite_a=True)
    scores = vectors[:, ::-1].T * np.sqrt(spectrum.eigenvalues[:keep, None] / n)  # of the rows, over n
    varying = posterior.mean_variance > 0  # what is constant up to rounding does not vary
    return np.asarray(scores @ (mean - posterior.offset)) * varying


def _gram(data: NDArray[Any], mean: Array | None, scale: Array) -> Array:
    """⟨x, x′⟩ of all pairs of rows, centred and scaled, (n, n), by blocks of columns."""
    assert mean is not None
    gram = np.zeros((len(data), len(data)))
    width = max(1, BLOCK // len(data))
    for start in range(0, data.shape[1], width):
        part = slice(start, start + width)
        block = np.subtract(data[:, part], mean[part], dtype=np.float64)
        block /= scale[part]
        gram += block @ block.T
    return gram


def observe(posterior: Posterior, spectrum: Spectrum, cross: Array) -> Observed:
    """What the posteriors know of the modes, from ⟨y μᵀ⟩, (modes, K)."""
    lam = spectrum.eigenvalues[: len(cross)]
    noise = posterior.variance
    total = posterior.covariance + np.diag(noise)
    encoded = np.einsum("jk,kj->j", cross, _solve(total, cross.T)) / lam
    spread = np.sqrt(posterior.mean_variance)[:, None]
    correlation = np.divide(cross.T / np.sqrt(lam), spread, out=np.zeros(cross.T.shape), where=spread > 0)
    alignment = np.minimum(correlation**2, 1.0)
    return Observed(posterior, spectrum, np.clip(encoded, 0.0, 1.0), alignment, _prefix(posterior, spectrum, cross))


def _prefix(posterior: Posterior, spectrum: Spectrum, cross: Array) -> Array:
    """1 − tr(⟨y zᵀ⟩⟨z zᵀ⟩⁻¹⟨z yᵀ⟩)/V for the first 0, 1, …, K latents by falling M², by a Cholesky factor of ⟨z zᵀ⟩."""
    order = posterior.ranking
    total = (posterior.covariance + np.diag(posterior.variance))[np.ix_(order, order)]
    scale = 1 / np.sqrt(total.diagonal())
    factor = np.linalg.cholesky(total * np.outer(scale, scale) + 1e-12 * np.eye(len(order)))
    innovations = scipy.linalg.solve_triangular(factor, (cross[:, order] * scale).T, lower=True)
    gained = np.square(innovations).sum(axis=1) / spectrum.total_variance
    return np.maximum(1 - np.concatenate([[0.0], np.cumsum(gained)]), 0.0)


def _solve(total: Array, right: Array) -> Array:
    """⟨z zᵀ⟩⁻¹ · right, latents brought to one scale; what rounding leaves of doubled latents does no harm."""
    scale = 1 / np.sqrt(total.diagonal())
    regular = total * np.outer(scale, scale) + 1e-12 * np.eye(len(total))
    return np.asarray(np.linalg.solve(regular, right * scale[:, None]) * scale[:, None])
