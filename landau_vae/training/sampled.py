"""Train VAEs as people train them: minibatches, reparameterised noise, SGD or Adam, schedules, a finite run.

    per-sample loss = a ‖x − x̂‖² + b Σ_k KL_k,   z = μ(x) + σ ε,   b = 2a τ = 2a T V

All temperatures of a seed advance together as batched arrays. With a learned σ_dec² the temperature sets b = 2a T d,
and with a Bernoulli decoder b = a T tr(F⁻¹C), F = x̄(1 − x̄): the first latent then dies at T = λ₁/V of the spectrum
that counts for that decoder (`landau-vae derive learned-variance`, `exponential-family`).
How a run ended is told by a stated criterion: see `Sampled`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from landau_vae.display import Array
from landau_vae.training import cost
from landau_vae.training.run import Run
from landau_vae.training.settings import Settings
from landau_vae.training.trainer import Named, TrainingSet

__all__ = ["Sampled"]

TOGETHER = 64  # models that are trained as one batch


@dataclass(frozen=True)
class Sampled(Settings):
    """How to train.

    A run has *converged* if no M² (and no ln σ_dec²) has more than 0.01 to go: under a hundred turns of exact
    minimisation (`settle`) from where it ended or, of decoders that are not linear, between the means over the third
    and the last quarter of its training time (updates times learning rate). It ended on a *plateau* if a latent idles
    while a direction of what the model leaves has a variance above τ/0.9, for which it would wake (not linear: while
    all idle).

    >>> from landau_vae import Spectrum, scan
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4], trainer=Sampled(updates=2000, batch=64))
    >>> models.signal_fraction.max("latent").values.round(1).tolist()
    [[0.5]]
    """

    def models_at_once(self, data: TrainingSet, latents: int) -> int:
        """At most 64, fewer where they are large."""
        return int(np.clip(8 * cost.BLOCK // cost.numbers(self, data, latents), 1, TOGETHER))

    def memory(self, data: TrainingSet, latents: int, models: int, seeds: int = 1) -> int:
        """Bytes: weights and the optimiser's memory, one gradient, a block of draws, and what is measured with."""
        return cost.memory(self, data, latents, models, seeds)

    def result_bytes(self, data: TrainingSet, latents: int) -> int:
        """Of one model."""
        return cost.result_bytes(self, data, latents)

    def train(
        self,
        data: TrainingSet,
        temperature: Array,
        starts: Sequence[tuple[int, int]],
        latents: int,
        on_progress: Callable[[float], object],
    ) -> Named:
        """One model per temperature and start, all at once."""
        with np.errstate(all="ignore"):  # a run that diverges says so by its status
            return Run(self, data, temperature, starts, latents, on_progress).result()
