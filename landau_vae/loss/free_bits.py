"""Free bits per latent, Σ_k max(R_k, C): which latents pay for a mode of their own, and what the free ones do.

A latent of rate R_k measures one direction of the whitened data with the signal-to-noise ratio
e^(2R_k) − 1. What K latents know together are gains g_i of the modes, which leave

    D = Σ_i λ_i/(1 + g_i),    (g_1, g_2, …) majorises (e^(2R_1) − 1, e^(2R_2) − 1, …)  (Schur–Horn)

A free latent has R_k = C exactly, and the gains of m free ones can be shared out in any
proportion: 1 + g_i ∝ √λ_i. At rest j strong modes have a latent each, at the price τ; the other
latents form a pool over weaker modes, in which one of them may pay too. The least loss over j is
the state (`landau-vae derive constraints-on-the-rate`). Exact for linear models.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from landau_vae.display import Array
from landau_vae.spectrum.spectrum import Spectrum


@dataclass(frozen=True, eq=False)
class PooledState:
    """The best state of K latents with free bits."""

    value: float  #: ½D + τ Σ_k max(R_k, C), data²
    alone: int  #: j: latents that have a mode of their own
    rates: Array  #: R_k, (K,), nats, descending
    gains: Array  #: g_i, (modes,): λ_i/(1 + g_i) is what is left of mode i


def pooled_state(spectrum: Spectrum, latents: int, price: float, free: float) -> PooledState:
    """Return the state of least loss among all that have j modes with a latent of their own."""
    return min(_candidates(spectrum, latents, price, free), key=lambda state: state.value)


def _candidates(spectrum: Spectrum, latents: int, price: float, free: float) -> Iterator[PooledState]:
    lam = spectrum.eigenvalues
    own = 0.5 * np.log(lam / price)
    most = min(latents, int(np.searchsorted(-own, -free, side="right")))  # worth a latent above its free nats
    for alone in range(most + 1):
        pool = latents - alone
        if pool and alone == len(lam):
            continue  # the pool helps the weakest of them, with alone − 1
        for extra, shared in _pools(lam[alone:], pool, price, float(np.expm1(2 * free))):
            rates = np.concatenate([own[:alone], [0.5 * np.log1p(extra)], np.full(pool, free)])[:latents]
            gains = np.concatenate([lam[:alone] / price - 1, shared])
            left = float(np.sum(lam / (1 + gains))) + spectrum.rest
            yield PooledState(0.5 * left + price * float(np.maximum(rates, free).sum()), alone, rates, gains)


def _pools(lam: Array, latents: int, price: float, least: float) -> Iterator[tuple[float, Array]]:
    """Yield the gain of the one latent that may pay, and those of the modes: all latents free, then one paying.

    With n modes in the pool and S = Σ√λ, they gain 1 + g_i = √λ_i (B + n)/S from a budget B.
    The one that pays has a gain r with τ/(1 + r) = S²/(B + n)², B = r + (m − 1) e, and r ≤ g_1.
    """
    if not latents:
        yield least, np.zeros(len(lam))
        return
    root = np.sqrt(lam[:latents])  # m latents see m modes at most
    total, count = np.cumsum(root), np.arange(1, len(root) + 1)
    needed = total / root - count  # the budget from which each mode is in the pool

    def shared(budget: float) -> Array:
        n = max(1, int(np.searchsorted(needed, budget, side="left")))
        gains = np.zeros(len(lam))
        gains[:n] = root[:n] * (budget + n) / total[n - 1] - 1
        return gains

    yield least, shared(latents * least)
    if latents == 1:
        return  # paying, it would be alone
    a = (latents - 1) * least + count
    half = a - total**2 / (2 * price)
    inside = half**2 - a**2 + total**2 / price  # of r² + 2·half·r + a² − S²/τ = 0
    for sign in (1, -1):
        for n, r in enumerate(-half + sign * np.sqrt(np.maximum(inside, 0.0))):
            gains = shared(r + (latents - 1) * least) if inside[n] >= 0 and r > least else None
            if gains is not None and np.count_nonzero(gains) == n + 1 and gains[0] >= r:
                yield float(r), gains


def binds(spectrum: Spectrum, latents: int, price: Array, free: float) -> bool:
    """Return whether any latent is at its free nats, at any of the prices."""
    return any(pooled_state(spectrum, latents, float(tau), free).alone < latents for tau in np.ravel(price))
