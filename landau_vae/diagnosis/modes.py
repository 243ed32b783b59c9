"""What the latents encode of each principal mode of the data, whatever their scale, order and rotation.

    y_j = v_jᵀx,  z = μ + σε:   M²_j = ⟨y_j zᵀ⟩⟨z zᵀ⟩⁻¹⟨z y_j⟩ / λ_j

is the share of mode j that can be read linearly off the latents, 1 − (what is left of
it)/λ_j. At the equilibrium of a linear VAE it is 1 − τ/λ_j, so that each encoded mode
gives the price it was
trained at, τ̂ = (1 − M²_j) λ_j. Which latent encodes which mode is measured by ρ²_kj,
the squared correlation of μ_k with y_j. Its sum over j is the share of μ_k that is
linear in x (less what
chance gives, d/n).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from landau_vae.data.moments import Decomposition
from landau_vae.diagnosis.posterior import Posterior, Reading
from landau_vae.display import Array
from landau_vae.limits import DETECTED
from landau_vae.spectrum.spectrum import Spectrum

MOST = 2000  # modes that are compared one by one


@dataclass(frozen=True, eq=False)
class Observed:
    """The modes of the data as the latents encode them."""

    posterior: Posterior  #: of the latents
    spectrum: Spectrum  #: of the data
    encoded: Array  #: M²_j, (modes,)
    alignment: Array  #: ρ²_kj, squared correlation of μ_k with mode j, (K, modes)
    prefix: Array  #: share of V that the best linear decoder of the first k ranked latents leaves, (K + 1,)

    @cached_property
    def chance(self) -> float:
        """M² that K latents of pure noise have with a mode, at most: three standard deviations above its mean."""
        K, n = self.posterior.latents, self.posterior.samples
        return float((K + 3 * np.sqrt(2 * K)) / n)

    @cached_property
    def detected(self) -> NDArray[np.bool_]:
        """Whether each mode is encoded at all, (modes,)."""
        return np.asarray(self.encoded > DETECTED + self.chance)

    @cached_property
    def linear(self) -> Array:
        """Share of μ_k that is linear in x, (K,), less what chance gives; for inactive latents it is noise."""
        n, d = self.posterior.samples, self.alignment.shape[1]
        nonlinear = (1 - np.minimum(self.alignment.sum(axis=1), 1.0)) * ((n - 1) / (n - d - 1) if n > d + 1 else 1.0)
        return np.clip(1 - nonlinear, 0.0, 1.0)

    @cached_property
    def mode(self) -> NDArray[np.intp]:
        """The mode that each latent is most aligned with, (K,), counted from 0."""
        return np.argmax(self.alignment, axis=1)


def mode_cross(reading: Reading, decomposition: Decomposition, modes: int, scale: Array, mu: NDArray[Any]) -> Array:
    """Return ⟨y μᵀ⟩, (modes, K), of the strongest modes; for a wide table through its rows."""
    directions = decomposition.eigh[1][:, ::-1][:, : min(modes, MOST)]
    if reading.cross is not None:
        return np.asarray(directions.T @ (reading.cross / scale[:, None]))
    # Of a wide table the eigenvectors u of the Gram matrix are known: the scores of the rows are y = √(nλ) u.
    posterior = reading.posterior
    scores = directions.T * np.sqrt(decomposition.values[: directions.shape[1], None] / posterior.samples)
    varying = posterior.mean_variance > 0  # a mean that is constant up to rounding does not vary
    return np.asarray(scores @ (mu - posterior.offset)) * varying


def observe(posterior: Posterior, spectrum: Spectrum, cross: Array) -> Observed:
    """Return what the latents encode of the modes, from ⟨y μᵀ⟩, (modes, K).

    With ⟨z zᵀ⟩ = L Lᵀ, latents by falling M², row k of L⁻¹⟨z yᵀ⟩ is what latent k adds
    to those before it: the squares summed over latents are M²_j λ_j, summed over modes
    the variance that one more latent explains. Latents are scaled alike, and 1e-12
    keeps two equal ones solvable.
    """
    lam, order = spectrum.eigenvalues[: len(cross)], posterior.ranking
    total = (posterior.covariance + np.diag(posterior.noise))[np.ix_(order, order)]
    scale = 1 / np.sqrt(total.diagonal())
    factor = np.linalg.cholesky(total * np.outer(scale, scale) + 1e-12 * np.eye(len(order)))
    added = np.square(scipy.linalg.solve_triangular(factor, (cross[:, order] * scale).T, lower=True))
    explained = np.cumsum(added.sum(axis=1)) / spectrum.total_variance
    deviation = np.sqrt(posterior.mean_variance)[:, None]
    correlation = np.divide(cross.T / np.sqrt(lam), deviation, out=np.zeros(cross.T.shape), where=deviation > 0)
    return Observed(
        posterior,
        spectrum,
        encoded=np.clip(added.sum(axis=0) / lam, 0.0, 1.0),
        alignment=np.minimum(correlation**2, 1.0),
        prefix=np.maximum(1 - np.concatenate([[0.0], explained]), 0.0),
    )
