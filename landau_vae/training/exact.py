"""The trainer without samples: minimise the exact expected loss of a linear β-VAE down to a small relative gradient.

For a given decoder W = √τ U the best encoder and posterior variances are known in closed form,
    E = (WᵀW + τ)⁻¹ Wᵀ,   s_k = 1/(1 + ‖u_k‖²),
and what is left to minimise is  ℓ(U) = ½[tr(C (UUᵀ + 1)⁻¹)/τ + Σ_k ln(1 + ‖u_k‖²)] = σ_dec² L/τ:
probabilistic PCA (Tipping & Bishop 1999; Lucas et al., arXiv:1911.02469) with ln det(1 + UᵀU) replaced by its Hadamard
bound. U is factorised as P Σ Qᵀ, of the model's own weights and not of the data's covariance: it gives (UUᵀ + 1)⁻¹
without forming UUᵀ, and the preconditioner. Training is at σ_dec² = 1 and β = τ = T V, from random starts that know
neither the theory nor the data's eigenvectors. Only second moments are used, so all rows count at every step. Wide data
(fewer rows than columns) are trained on in the space of their modes.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import Natural, Positive, check_fields
from landau_vae.display import Array
from landau_vae.training.lbfgs import Evaluation, minimize
from landau_vae.training.linear_vae import LinearVAE
from landau_vae.training.schema import Named, Progress, Starts, Status, Trainer
from landau_vae.training.training_set import TrainingSet

NUMBERS = 2**14  # weights in W that one batch of models holds: more is hardly quicker, and leaves less to share out
COPIES = 50  # arrays of the size of W that training a model keeps: L-BFGS pairs (twice, as a batch shrinks), factors


@dataclass(frozen=True)
class Exact(Trainer):
    """Minimise the expected loss of linear VAEs by L-BFGS; `status` is 0 (converged) or 1 (moving).

    Parameters
    ----------
    tolerance : float, default 1e-8
        Relative gradient at which a model counts as trained.
    max_iterations : int, default 5000
        After how many iterations to stop in any case.

    Examples
    --------
    >>> from landau_vae import Spectrum, scan
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4], trainer=Exact(tolerance=1e-4))
    >>> models.signal_fraction.max("latent").values.round(3).tolist()
    [[0.5]]
    """

    tolerance: Positive = 1e-8  #: relative gradient at which a model counts as trained
    max_iterations: Natural = 5000  #: after how many to stop in any case

    uses_rows: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_fields(self)

    def models_at_once(self, data: TrainingSet, latents: int) -> int:
        """Return how many models make arrays worth a call."""
        return max(1, NUMBERS // (len(data.spectrum.covariance) * latents))

    def memory(self, data: TrainingSet, latents: int, models: int, seeds: int = 1) -> int:
        """Return the bytes of so many weights and of what L-BFGS remembers."""
        features = len(data.spectrum.covariance)
        return 8 * models * (COPIES * features * latents + 4 * latents**2)

    def train(
        self, data: TrainingSet, temperature: Array, starts: Starts, latents: int, on_progress: Progress
    ) -> Named:
        """Train one model per temperature, all of them at once."""
        covariance, total = data.spectrum.covariance, data.spectrum.total_variance
        loss = ProfileLoss(covariance, temperature * total)
        shape = (len(covariance), latents)  # weights of variance 1/features, in units of √τ
        start = np.stack([np.random.default_rng(each).standard_normal(shape) for each in starts]) / np.sqrt(shape[0])
        minimum = minimize(loss, start, self.tolerance, self.max_iterations, on_progress)
        model = loss.model(minimum.x)
        by_latent = ("posterior_variance", "mean_square", "signal_fraction", "rate")
        named: Named = {name: (("latent",), getattr(model, name)) for name in by_latent}
        named |= {
            "decoder": (("feature", "latent"), model.decoder),
            "encoder": (("latent", "feature"), model.encoder),
            "distortion": ((), model.distortion / total),
            "pruned_distortion": (("reconstruction", "rank"), model.pruned_shares(model.ranking)),
            "loss": ((), model.loss),
            "status": ((), np.where(minimum.converged, Status.CONVERGED, Status.MOVING).astype(np.int8)),
            "iterations": ((), minimum.iterations),
            "relative_gradient": ((), minimum.relative_gradient),
        }
        for part, second in data.held_out_covariance.items():
            held_out = replace(model, covariance=second)
            named[f"{part}_distortion"] = ((), held_out.distortion / total)
            named[f"{part}_loss"] = ((), held_out.loss)
        return named


@dataclass(frozen=True)
class ProfileLoss:
    """ℓ(U), its gradient and a preconditioner, for many prices at once (b: models of the batch)."""

    covariance: Array  #: C, (p, p)
    price: Array  #: τ, (b,)

    def evaluate(self, u: Array, members: NDArray[np.intp]) -> Evaluation:
        """Return ℓ and ∂ℓ/∂U at U (b, p, K), for these members of the batch."""
        left, gain, right = np.linalg.svd(u, full_matrices=False)
        spread = 1.0 + gain**2  # the eigenvalues of UUᵀ + 1 in the column space of U
        tau = self.price[members][:, None]
        carried = self.covariance @ left
        inside = left.mT @ carried
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
        """Return the X that solves (UUᵀ + 1)⁻¹ X + X (UᵀU + 1)⁻¹ = direction.

        At a minimum with modes far apart and far from threshold this is the inverse Hessian, except for inactive
        latents and collapsed modes: turning mode i into mode j costs 1/min(m_i, m_j), growing mode i costs 2/m_i, where
        m = 1 + ‖u‖². It spans the six decades of curvature that a cold model has (`landau-vae derive landscape`).
        """
        left, spread, right = at.factors
        a = 1.0 / spread
        both = 1.0 / (a[:, :, None] + a[:, None, :])
        one = 1.0 / (a + 1.0)  # one side in the space that U spans, the other (where m = 1) outside
        rows = left.mT @ direction
        columns = direction @ right.mT
        core = (rows @ right.mT) * (both - one[:, :, None] - one[:, None, :] + 0.5)
        result = left @ (core @ right + (one - 0.5)[:, :, None] * rows)
        return 0.5 * direction + result + (columns * (one - 0.5)[:, None, :]) @ right

    def model(self, u: Array) -> LinearVAE:
        """Return the VAEs with these decoders and the encoders that are best for them."""
        decoder = u * np.sqrt(self.price)[:, None, None]
        encoder = np.linalg.solve(u.mT @ u + np.eye(u.shape[-1]), u.mT) / np.sqrt(self.price)[:, None, None]
        return LinearVAE(self.covariance, self.price, decoder, encoder, 1.0 / (1.0 + np.square(u).sum(-2)))
