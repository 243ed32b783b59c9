"""The rate–distortion curve of the linear model, read both ways: which price gives a rate, or a distortion.

    R(τ) = ½ Σ_{k≤n} ln(λ_k/τ),    D(τ) = nτ + T_n    with n modes active, T_n = Σ_{k>n} λ_k

Between two thresholds R is linear in ln τ and D is linear in τ, so each of them is inverted by
a search among the thresholds and one division. These are reverse water-filling for a Gaussian
source (`landau-vae derive rate-distortion`); n is at most K.
"""

import numpy as np

from landau_vae.display import Array, Integers
from landau_vae.loss.learned_price import tail
from landau_vae.spectrum.spectrum import Spectrum


def logarithms(spectrum: Spectrum, latents: int | None) -> Array:
    """Return Σ_{k≤n} ln λ_k for n = 1, 2, … modes that can be active."""
    return np.cumsum(np.log(spectrum.eigenvalues[:latents]))


def active_at(price: Array, spectrum: Spectrum, latents: int | None) -> Integers:
    """Return the number of active modes, of the shape of τ."""
    return np.asarray(np.searchsorted(-spectrum.eigenvalues[:latents], -price, side="left"), dtype=np.int64)


def rate_at(price: Array, spectrum: Spectrum, latents: int | None) -> Array:
    """Return R(τ), nats, of the shape of τ."""
    return rate_of(active_at(price, spectrum, latents), price, spectrum, latents)


def rate_of(active: Integers, price: Array, spectrum: Spectrum, latents: int | None) -> Array:
    """Return the rate of so many active modes at a price, nats, of the shape of τ."""
    return np.asarray(0.5 * (np.append(0.0, logarithms(spectrum, latents))[active] - active * np.log(price)))


def capacities(spectrum: Spectrum, latents: int | None) -> Array:
    """Return the rate from which each mode is active, C_k = ½ Σ_{i<k} ln(λ_i/λ_k), (modes,), nats."""
    lam = spectrum.eigenvalues[:latents]
    return 0.5 * (logarithms(spectrum, latents) - np.arange(1, len(lam) + 1) * np.log(lam))


def price_of_rate(rate: float, spectrum: Spectrum, latents: int | None) -> float:
    """Return the price at which the model has a rate above 0, nats."""
    active = max(1, int(np.searchsorted(capacities(spectrum, latents), rate, side="left")))
    return float(np.exp((logarithms(spectrum, latents)[active - 1] - 2 * rate) / active))


def distortions(spectrum: Spectrum, latents: int | None) -> Array:
    """Return the distortion below which each mode is active, D_k = kλ_k + T_k, (modes,), data²."""
    lam = spectrum.eigenvalues[:latents]
    return np.arange(1, len(lam) + 1) * lam + tail(spectrum)[1 : len(lam) + 1]


def price_of_distortion(distortion: float, spectrum: Spectrum, latents: int | None) -> float:
    """Return the price at which the model leaves a squared error, data²; not above 0 where it cannot be had."""
    active = max(1, int(np.searchsorted(-distortions(spectrum, latents), -distortion, side="left")))
    return float((distortion - tail(spectrum)[active]) / active)
