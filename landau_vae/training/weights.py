"""The weights of many VAEs in one array (models, weights), and views into it by their names.

    μ = Fᵀ (x − x̄, 1)      ln σ² = l, or Aᵀ (x − x̄, 1)      logits = W z + b

The matrices stand first, so that weight decay acts on one slice. The encoder's bias is the last row of F.
"""

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from landau_vae.display import Array

__all__ = ["Layout", "Parts"]


class Parts(NamedTuple):
    """Views by name; the first axis is the model's."""

    decoder: Array  #: W, (m, d, K)
    encoder: Array  #: F, (m, d + 1, K)
    bias: Array  #: b, (m, d)
    log_variance: Array  #: l, (m, K), or A, (m, d + 1, K)
    log_decoder_variance: Array  #: ln σ_dec², (m, 1) where it is learned, else (m, 0)


@dataclass(frozen=True)
class Layout:
    """Which weights there are."""

    features: int
    latents: int
    input_dependent: bool = False  #: whether ln σ² is linear in x
    learned_variance: bool = False  #: whether σ_dec² is a weight

    @property
    def shapes(self) -> Parts:
        """Of the parts, without the models' axis."""
        d, latents = self.features, self.latents
        spread = (d + 1, latents) if self.input_dependent else (latents,)
        shapes = ((d, latents), (d + 1, latents), (d,), spread, (int(self.learned_variance),))
        return Parts(*shapes)  # type: ignore[arg-type]

    @property
    def size(self) -> int:
        """Weights of one model."""
        return sum(map(prod, self.shapes))

    @property
    def decays(self) -> slice:
        """The weights that decay acts on: W and E."""
        return slice(0, 2 * self.features * self.latents)

    def parts(self, flat: Array) -> Parts:
        """Views into (models, size)."""
        ends = np.cumsum([prod(shape) for shape in self.shapes])
        pieces = np.split(flat, ends[:-1], axis=1)
        return Parts(*(piece.reshape(len(flat), *shape) for piece, shape in zip(pieces, self.shapes, strict=True)))

    def start(self, seed: int, index: int, scale: float) -> Array:
        """Where training starts, (size,): the same for a seed and a place in the grid.

        Uniform weights of ± scale/√(inputs), PyTorch's default at scale 1; s = 1 and no biases.
        """
        d, latents = self.features, self.latents
        rng, flat = np.random.default_rng([seed, index]), np.zeros(self.size)
        decoder, encoder = np.split(flat[self.decays], 2)
        decoder[:] = rng.uniform(-scale, scale, d * latents) / np.sqrt(latents)
        encoder[:] = rng.uniform(-scale, scale, d * latents) / np.sqrt(d)
        return flat
