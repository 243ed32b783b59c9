"""The price where the decoder's variance is trained too: τ = βσ² with the σ² that training settles at.

    D(τ)/τ = d/β,    D(τ) = Σ_{i≤K} min(λ_i, τ) + Σ_{i>K} λ_i

The left side falls with τ, so each β has one price (`landau-vae derive learned-variance`; at
β = 1 this is probabilistic PCA, Lucas et al., arXiv:1911.02469). With a latent for every mode
nothing is left over below β = d/modes, and σ² → 0. β counts nats against the whole of −ln N(x;
x̂, σ²), summed over features.
"""

import numpy as np

from landau_vae.display import Array, significant
from landau_vae.errors import OutsideTheory
from landau_vae.spectrum.spectrum import Spectrum


def tail(spectrum: Spectrum) -> Array:
    """Return T_n = Σ_{i>n} λ_i, (modes + 1,); the last is the variance outside all modes (0 of a whole spectrum)."""
    return np.append(np.cumsum(spectrum.eigenvalues[::-1])[::-1], 0.0) + spectrum.rest


def singular_beta(spectrum: Spectrum, latents: int | None) -> float | None:
    """Return the β = d/modes up to which σ² → 0, because the latents encode all modes.

    None where that cannot happen, or lies beyond the modes that were kept.
    """
    if spectrum.rest > 0:
        return None
    everything = latents is None or latents >= spectrum.modes
    return spectrum.dimension / spectrum.modes if everything else None


def beta_of_learned(price: Array, spectrum: Spectrum, latents: int | None) -> Array:
    """Return β = d τ / D(τ), of the shape of τ; at τ = 0 its limit."""
    lam, left = spectrum.eigenvalues[:latents], tail(spectrum)
    active = np.searchsorted(-lam, -price, side="left")
    with np.errstate(divide="ignore", invalid="ignore"):
        beta = spectrum.dimension / (active + left[active] / price)  # d τ/D
    limit = singular_beta(spectrum, latents)
    return np.where(price == 0, 0.0 if limit is None else limit, beta)


def without_price(beta: Array, spectrum: Spectrum, latents: int | None) -> str | None:
    """Return why a β has no equilibrium, or None where every one has."""
    least, modes, singular = float(np.min(beta)), spectrum.modes, singular_beta(spectrum, latents)
    if singular is not None and least <= singular:
        return (
            f"β = {significant(least, 9)} has no equilibrium, because {latents or modes} latents encode all {modes} "
            f"modes and σ² falls to zero below β = d/r = {significant(singular, 9)} (at it a whole line of "
            f"states is equally good): use {f'fewer than {modes} latents or ' if modes > 1 else ''}a larger β."
        )
    outside = spectrum.truncated and (latents is None or latents > modes)
    # The last mode that was kept collapses at d/β = r + T_r/λ_r.
    if outside and modes + spectrum.rest / float(spectrum.eigenvalues[-1]) < spectrum.dimension / least:
        return (
            f"At β = {significant(least, 9)} modes beyond the {modes} that were kept may be active: keep more "
            f"(modes=…), raise β, or state that there are at most {modes} latents."
        )
    return None


def price_of_learned(beta: Array, spectrum: Spectrum, latents: int | None) -> Array:
    """Return τ = T_n / (d/β − n) for n active modes, of the shape of β."""
    problem = without_price(beta, spectrum, latents)
    if problem is not None:
        raise OutsideTheory(problem)
    lam, left, slope = spectrum.eigenvalues[:latents], tail(spectrum), spectrum.dimension / np.asarray(beta)
    modewise = np.arange(1, len(lam) + 1) + left[1 : len(lam) + 1] / lam  # d/β_k
    active = np.searchsorted(modewise, slope, side="left")
    bound = np.append(np.inf, lam)[active]  # reached where T_n is lost in the rounding of d/β
    return np.minimum(left[active] / (slope - active), bound)
