"""How far Adam can get in so many updates, whatever the gradients are.

    |Δw_t| ≤ η C_t,   C_t = (1 − β₁)/(1 − β₁ᵗ) · √[(1 − β₂ᵗ)(1 − rᵗ) / ((1 − β₂)(1 − r))],   r = β₁²/β₂

Adam divides a mean of gradients with weights β₁ⁱ by the root of a mean of their squares with weights β₂ⁱ: by Cauchy and
Schwarz the quotient is at most √Σ β₁²ⁱ/β₂ⁱ = √[(1 − rᵗ)/(1 − r)] times the factors in front. C_t rises from 1 to 7.27,
which gradients that grow by β₂/β₁ per update attain, as they may on a plateau. (1 − β₁)/√(1 − β₂) = 3.16, in Kingma &
Ba, arXiv:1412.6980, belongs to one gradient after many zeros, and is no bound.
"""

import numpy as np

from landau_vae.display import Array
from landau_vae.numeric._landscape import Landscape
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["distance", "longest_steps", "updates_for"]

MEAN, SQUARE = 0.9, 0.999  # the memories β₁ and β₂ that nearly everyone uses
SETTLED = 20_000  # updates after which the longest step no longer changes


def longest_steps(updates: int) -> Array:
    """C_t of the updates 1 … `updates`, in learning rates, (updates,).

    >>> longest_steps(3).round(4).tolist(), longest_steps(SETTLED)[-1].round(2).item()
    ([1.0, 1.0014, 1.0036], 7.27)
    """
    t, r = np.arange(1, updates + 1), MEAN**2 / SQUARE
    squares = (1 - SQUARE**t) * (1 - r**t) / ((1 - SQUARE) * (1 - r))
    return (1 - MEAN) / (1 - MEAN**t) * np.sqrt(squares)


def updates_for(steps: Array) -> Array:
    """The least number of updates in which a weight can move by so many learning rates; any shape.

    >>> updates_for(np.array([0.5, 1.5, 1e6])).tolist()
    [1.0, 2.0, 138158.0]
    """
    longest = longest_steps(SETTLED)
    reach = np.cumsum(longest)
    beyond = SETTLED + np.ceil((steps - reach[-1]) / longest[-1])
    return np.where(steps > reach[-1], beyond, np.searchsorted(reach, steps) + (steps > 0.0))


def distance(scene: Landscape, start: float) -> Array:
    """How far some weight has to go before a mode above the price has half of its final M², (modes above the price,).

    All weights within x/(√K ‖v‖₁) of the start bring the mode's amplitudes in K latents to start · w + x in the decoder
    and to start · e + x in the encoder at most, and M² to their product; w = √(λ−τ) and e = w/λ are the final ones.
    ‖v‖₁ = Σ_i |v_i| is that of the eigenvector, √d where it is not known.
    """
    lam = scene.spectrum.eigenvalues[: scene.latents]
    lam = lam[lam > scene.price]
    w = np.sqrt(lam - scene.price)
    e = w / lam
    x = np.sqrt(w * e / 2 + (start * (w - e) / 2) ** 2) - start * (w + e) / 2  # (start w + x)(start e + x) = we/2
    return np.maximum(x, 0.0) / (np.sqrt(scene.latents) * _spread(scene.spectrum)[: len(lam)])


def _spread(spectrum: Spectrum) -> Array:
    """‖v‖₁ of each mode's eigenvector, (modes,); of a multiplet a bound for all its directions."""
    vectors = None if spectrum.matrix is None else spectrum.vectors
    if vectors is None:
        return np.full(spectrum.modes, np.sqrt(spectrum.dimension))
    sizes = [np.linalg.norm(vectors[:, a : a + m], axis=1).sum() for a, m in zip(*spectrum.multiplets, strict=True)]
    return np.repeat(sizes, spectrum.multiplets[1])
