"""The price where the decoder's variance is trained too: τ = βσ² with the σ² that training settles at.

    D(τ)/τ = d/β,    D(τ) = Σ_{i≤K} min(λ_i, τ) + Σ_{i>K} λ_i

The left side falls with τ, so each β has one price (`landau-vae derive learned-variance`; at β = 1 this is
probabilistic PCA, Lucas et al., arXiv:1911.02469). With a latent for every mode nothing is left over below
β = d/modes, and σ² → 0. β counts nats against the whole of −ln N(x; x̂, σ²), summed over features.
"""

import numpy as np

from landau_vae.display import Array, significant
from landau_vae.errors import OutsideTheory
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["beta_of_learned", "price_of_learned", "singular_beta", "tail"]


def tail(spectrum: Spectrum) -> Array:
    """T_n = Σ_{i>n} λ_i, (modes + 1,), ending with what no mode holds (0 of a whole spectrum)."""
    return np.append(np.cumsum(spectrum.eigenvalues[::-1])[::-1], 0.0) + spectrum.rest


def singular_beta(spectrum: Spectrum, latents: int | None) -> float | None:
    """d/modes where the latents encode all modes: at this β and below σ² → 0; None where that cannot happen, or
    lies beyond the modes that were kept."""
    if spectrum.rest > 0:
        return None
    everything = latents is None or latents >= spectrum.modes
    return spectrum.dimension / spectrum.modes if everything else None


def beta_of_learned(price: Array, spectrum: Spectrum, latents: int | None) -> Array:
    """β = d τ / D(τ), of the shape of τ; at τ = 0 its limit."""
    lam, rest = spectrum.eigenvalues[:latents], tail(spectrum)
    alive = np.searchsorted(-lam, -price, side="left")
    with np.errstate(divide="ignore", invalid="ignore"):
        per_price = alive + rest[alive] / price  # D/τ
    limit = singular_beta(spectrum, latents)
    return np.where(price > 0, spectrum.dimension / per_price, 0.0 if limit is None else limit)


def without_price(beta: Array, spectrum: Spectrum, latents: int | None) -> str | None:
    """Return why a β has no equilibrium, or None where every one has."""
    least, modes, singular = float(np.min(beta)), spectrum.modes, singular_beta(spectrum, latents)
    if singular is not None and least <= singular:
        return (
            f"β = {significant(least, 9)} has no equilibrium, because {latents or modes} latents encode all {modes} "
            f"modes and σ² falls to zero below β = d/r = {significant(singular, 9)} (at it a whole line of "
            f"states is equally good): use {f'fewer than {modes} latents or ' if modes > 1 else ''}a larger β."
        )
    if spectrum.truncated and (latents is None or latents > modes):
        lam, rest = float(spectrum.eigenvalues[-1]), spectrum.rest
        if modes + rest / lam < spectrum.dimension / least:  # d/β at which the last mode that was kept collapses
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
    lam, rest, slope = spectrum.eigenvalues[:latents], tail(spectrum), spectrum.dimension / np.asarray(beta)
    modewise = np.arange(1, len(lam) + 1) + rest[1 : len(lam) + 1] / lam  # d/β_k
    alive = np.searchsorted(modewise, slope, side="left")
    bound = np.append(np.inf, lam)[alive]  # reached where T_n is lost in the rounding of d/β
    return np.minimum(rest[alive] / (slope - alive), bound)
