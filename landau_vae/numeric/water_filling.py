"""The price at which a linear β-VAE has a given rate, or a given distortion: reverse water-filling, inverted.

    R(τ) = ½ Σ_{k≤K} [ln(λ_k/τ)]₊          D(τ) = Σ_{k≤K} min(λ_k, τ) + Σ_{k>K} λ_k

Both are monotonic, so each rate and each distortion belongs to one price. It is NaN where
modes that were not kept would be active.
"""

import numpy as np

from landau_vae.display import Array
from landau_vae.loss.learned_price import tail
from landau_vae.spectrum.spectrum import Spectrum


def price_of_rate(rate: Array, spectrum: Spectrum, latents: int | None = None) -> Array:
    """Return τ with R(τ) = rate, nats, (…); λ₁ at rate 0, where every larger price has it too.

    >>> spectrum = Spectrum.from_eigenvalues([4.0, 1.0])
    >>> price_of_rate(np.array([0.0, np.log(2) / 2, np.log(2)]), spectrum).round(12).tolist()
    [4.0, 2.0, 1.0]
    """
    logs = np.log(spectrum.eigenvalues[:latents])
    counts = np.arange(1, len(logs) + 1)
    begins = (np.cumsum(logs) - counts * logs) / 2  # rate at which each mode begins
    active = np.maximum(np.searchsorted(begins, rate, side="left"), 1)
    return _known(np.exp((np.cumsum(logs)[active - 1] - 2 * np.asarray(rate)) / active), spectrum, latents)


def price_of_distortion(distortion: Array, spectrum: Spectrum, latents: int | None = None) -> Array:
    """Return τ with D(τ) = distortion, data², (…); λ₁ from V on, NaN below what K latents can leave.

    >>> price_of_distortion(np.array([5.0, 3.0, 2.0, 0.5]), Spectrum.from_eigenvalues([4.0, 1.0])).tolist()
    [4.0, 2.0, 1.0, 0.25]
    """
    lam, left = spectrum.eigenvalues[:latents], tail(spectrum)
    counts = np.arange(1, len(lam) + 1)
    begins = np.arange(len(lam)) * lam + left[: len(lam)]  # distortion at which each mode begins, descending
    active = np.maximum(np.searchsorted(-begins, -np.asarray(distortion), side="left"), 1)
    price = (np.asarray(distortion) - left[counts][active - 1]) / active
    return _known(np.minimum(np.where(price > 0, price, np.nan), lam[0]), spectrum, latents)


def _known(price: Array, spectrum: Spectrum, latents: int | None) -> Array:
    """Return prices at which all active modes were kept, NaN for the others."""
    kept = not spectrum.truncated or (latents is not None and latents <= spectrum.modes)
    return np.where(kept | (price >= spectrum.eigenvalues[-1]), price, np.nan)
