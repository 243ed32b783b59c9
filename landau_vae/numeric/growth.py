"""How fast latents leave a plateau: rates under gradient flow, and per update of gradient descent.

    κ² + (s + λm) κ = λ (λ − s m)      z² − (1 + μ + ηκ) z + μ = 0

κ is the growth rate of a latent of posterior variance s that turns to mode λ, with m = τ where it idles (and s = 1), or
m the eigenvalue that it serves. Gradient descent with step η and heavy-ball momentum μ multiplies its amplitude by the
larger root z per update, 1 + ηκ without momentum. Proof: `landau-vae derive gradient-flow`, `landscape`; the same
saddles in linear networks: Saxe et al., arXiv:1312.6120; momentum: Polyak 1964.
"""

from typing import Any

import numpy as np

__all__ = ["growth", "per_update"]


def growth(target: Any, served: Any, width: Any = 1.0) -> Any:
    """κ = −x₋ of the block [[s, −λ], [−λ, λm]], in time under gradient flow of σ_dec² L; any shapes that broadcast.

    `target` is λ and `served` m, data²; `width` is s. Positive where the latent leaves, negative where it stays.

    >>> growth(2.0, 2.0).item(), growth(1.0, 0.0).round(6).item()  # at the threshold; without a price, (√5 − 1)/2
    (0.0, 0.618034)
    """
    total = width + target * served
    root = np.sqrt((width - target * served) ** 2 + 4 * np.square(target))
    return target * (target - width * served) / ((total + root) / 2)


def per_update(rate: Any, learning_rate: Any, momentum: Any = 0.0) -> Any:
    """ln z: by how many powers of e an amplitude grows in an update; any shapes that broadcast.

    `rate` is that of the loss which is descended, κ in its own scale. Precise where ηκ is tiny.

    >>> z = np.exp(per_update([2.0, 0.4], [0.5, 1.0], momentum=[0.0, 0.5]))
    >>> z.round(6).tolist()  # 1 + ηκ, and the larger root of z² − 1.9 z + 0.5
    [2.0, 1.584429]
    """
    x, rest = np.multiply(learning_rate, rate), np.subtract(1.0, momentum)
    square = 2 * x * np.add(1.0, momentum) + x**2  # by which the roots' squared distance exceeds (1 − μ)²
    return np.log1p((x + square / (np.sqrt(rest**2 + square) + rest)) / 2)
