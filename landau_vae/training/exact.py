"""The trainer without samples: minimise the exact expected loss (`profile`) down to a small relative gradient.

At σ_dec² = 1 and β = τ = T V, from random starts that know neither the theory nor the data's eigenvectors.
Only second moments are seen, so all rows count at every step. Wide data (fewer rows than columns) are trained on in
the space of their modes.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from landau_vae.data.tables import is_real
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.training.lbfgs import minimize
from landau_vae.training.profile import ProfileLoss
from landau_vae.training.trainer import Named, TrainingSet

__all__ = ["Exact"]

NUMBERS = 2**14  # weights in W that one batch of models holds: more is hardly quicker, and leaves less to share out
COPIES = 50  # arrays of the size of W that training a model keeps: L-BFGS pairs (twice, as a batch shrinks), factors


@dataclass(frozen=True)
class Exact:
    """Minimise the expected loss by L-BFGS; `status` is 0 (converged) or 1 (moving).

    >>> from landau_vae import Spectrum, scan
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4], trainer=Exact(tolerance=1e-4))
    >>> models.signal_fraction.max("latent").values.round(3).tolist()
    [[0.5]]
    """

    tolerance: float = 1e-8  #: relative gradient at which a model counts as trained
    max_iterations: int = 5000

    uses_rows: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole = is_real(self.max_iterations) and self.max_iterations == int(self.max_iterations) >= 0
        if not (is_real(self.tolerance) and self.tolerance > 0 and whole):
            raise InputError(
                f"Training to a relative gradient of {self.tolerance} in {self.max_iterations} iterations was asked "
                "for: give a positive tolerance, and a number of iterations from 0 on."
            )

    def models_at_once(self, data: TrainingSet, latents: int) -> int:
        """As many as make arrays worth a call."""
        return max(1, NUMBERS // (len(data.spectrum.covariance) * latents))

    def memory(self, data: TrainingSet, latents: int, models: int, seeds: int = 1) -> int:
        """Of so many weights and what L-BFGS remembers."""
        features = len(data.spectrum.covariance)
        return 8 * models * (COPIES * features * latents + 4 * latents**2)

    def train(
        self,
        data: TrainingSet,
        temperature: Array,
        starts: Sequence[tuple[int, int]],
        latents: int,
        on_progress: Callable[[float], object],
    ) -> Named:
        """One model per temperature, all of them at once."""
        covariance, total = data.spectrum.covariance, data.spectrum.total_variance
        loss = ProfileLoss(covariance, temperature * total)
        start = np.stack([_start(*own, len(covariance), latents) for own in starts])
        found = minimize(
            loss, start, tolerance=self.tolerance, max_iterations=int(self.max_iterations), on_progress=on_progress
        )
        model = loss.model(found.x)
        named: Named = {
            "decoder": (("feature", "latent"), model.decoder),
            "encoder": (("latent", "feature"), model.encoder),
            "posterior_variance": (("latent",), model.posterior_variance),
            "mean_square": (("latent",), model.mean_square),
            "signal_fraction": (("latent",), model.signal_fraction),
            "rate": (("latent",), model.rate),
            "distortion": ((), model.distortion / total),
            "loss": ((), model.loss),
            "status": ((), np.where(found.converged, 0, 1).astype(np.int8)),
            "iterations": ((), found.iterations),
            "relative_gradient": ((), found.relative_gradient),
        }
        for part, second in data.held_out_covariance.items():
            seen = replace(model, covariance=second)
            named[f"{part}_distortion"] = ((), seen.distortion / total)
            named[f"{part}_loss"] = ((), seen.loss)
        return named

    def to_dict(self) -> dict[str, Any]:
        """For provenance."""
        return {"name": "Exact", **asdict(self)}


def _start(seed: int, index: int, features: int, latents: int) -> Array:
    """Independent weights of variance 1/features, in units of √τ: the same for a seed and a place in the grid."""
    return np.random.default_rng([seed, index]).standard_normal((features, latents)) / np.sqrt(features)
