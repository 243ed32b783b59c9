"""The profile loss: the exact expected loss of a linear β-VAE whose encoder is always optimal.

For a given decoder W = √τ U the best encoder and posterior variances are known in closed form,
    E = (WᵀW + τ)⁻¹ Wᵀ,   s_k = 1/(1 + ‖u_k‖²),
and what is left to minimise is  ℓ(U) = ½[tr(C (UUᵀ + 1)⁻¹)/τ + Σ_k ln(1 + ‖u_k‖²)] = σ_dec² L/τ:
probabilistic PCA (Tipping & Bishop 1999; Lucas et al., arXiv:1911.02469) with ln det(1 + UᵀU) replaced
by its Hadamard bound. U is factorised as P Σ Qᵀ, of the model's own weights and not of the data's
covariance: it gives (UUᵀ + 1)⁻¹ without forming UUᵀ, and the preconditioner below.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.training.lbfgs import Evaluation
from landau_vae.training.linear_vae import LinearVAE

__all__ = ["ProfileLoss"]


@dataclass(frozen=True)
class ProfileLoss:
    """ℓ(U), its gradient and a preconditioner, for many prices at once (b: models of the batch)."""

    covariance: Array  #: C, (p, p)
    price: Array  #: τ, (b,)

    def evaluate(self, u: Array, members: NDArray[np.intp]) -> Evaluation:
        """ℓ and ∂ℓ/∂U at U (b, p, K), for these members of the batch."""
        left, gain, right = np.linalg.svd(u, full_matrices=False)
        spread = 1.0 + gain**2  # the eigenvalues of UUᵀ + 1 in the column space of U
        tau = self.price[members][:, None]
        carried = self.covariance @ left
        inside = np.swapaxes(left, -1, -2) @ carried
        variance = np.diagonal(inside, axis1=-2, axis2=-1)
        # No variance lies outside the column space where that is all of R^p; a difference would only add rounding.
        outside = 0.0 if left.shape[-1] == u.shape[-2] else np.trace(self.covariance) - variance.sum(-1)
        square = 1.0 + np.square(u).sum(-2)
        value = 0.5 * ((outside + (variance / spread).sum(-1)) / tau[:, 0] + np.log(square).sum(-1))
        # ∂ℓ/∂U = U/(1 + ‖u_k‖²) − (UUᵀ + 1)⁻¹ C (UUᵀ + 1)⁻¹ U / τ
        shrunk = carried - left @ (inside * (1.0 - 1.0 / spread)[..., None])
        gradient = u / square[:, None, :] - (shrunk * (gain / spread / tau)[:, None, :]) @ right
        return Evaluation(value, gradient, (left, spread, right))

    def precondition(self, at: Evaluation, direction: Array) -> Array:
        """The X that solves (UUᵀ + 1)⁻¹ X + X (UᵀU + 1)⁻¹ = direction.

        At a minimum with modes far apart and far from threshold this is the inverse Hessian, but for idle latents and
        modes that are dead: turning mode i into mode j costs 1/min(m_i, m_j), growing mode i costs 2/m_i, where
        m = 1 + ‖u‖². It spans the six decades of curvature that a cold model has (`landau-vae derive landscape`).
        """
        left, spread, right = at.factors
        a = 1.0 / spread
        both = 1.0 / (a[:, :, None] + a[:, None, :])
        one = 1.0 / (a + 1.0)  # one side in the space that U spans, the other (where m = 1) outside
        rows = np.swapaxes(left, -1, -2) @ direction
        columns = direction @ np.swapaxes(right, -1, -2)
        core = (rows @ np.swapaxes(right, -1, -2)) * (both - one[:, :, None] - one[:, None, :] + 0.5)
        result = left @ (core @ right + (one - 0.5)[:, :, None] * rows)
        return 0.5 * direction + result + (columns * (one - 0.5)[:, None, :]) @ right

    def model(self, u: Array) -> LinearVAE:
        """The VAEs with these decoders and the encoders that are best for them."""
        decoder = u * np.sqrt(self.price)[:, None, None]
        transposed = np.swapaxes(u, -1, -2)
        gram = transposed @ u + np.eye(u.shape[-1])
        encoder = np.linalg.solve(gram, transposed) / np.sqrt(self.price)[:, None, None]
        return LinearVAE(self.covariance, self.price, decoder, encoder, 1.0 / (1.0 + np.square(u).sum(-2)))
