"""When the modes of one model activate: as predicted from its first snapshot, and as measured on the later ones.

    predicted: n_k of `numeric.plateau_growth`, from W and E at update 0      measured: v_kᵀ W E v_k = M²_k/4

The gain v_kᵀ W E v_k ends at M²_k = 1 − T/T_k whichever latents carry it and on whatever scale. ‖v_kᵀW‖ does not: far
below T_k nothing but the price fixes the scale of a latent, and half of its final value may come ten times as late.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.numeric.plateau_growth import HALF, growth, projections, succession
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.verification.descent import Descent

__all__ = ["Arrivals", "arrivals"]

ALIKE = 0.02  # relative difference of eigenvalues up to which modes leave the plateau as one multiplet
WEAK = 0.1  # λ, data², below which cold modes may be early by ½ ln(WEAK/λ) powers of e: σ² falls before w is large


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Times of one model in updates at the full learning rate, (modes,); NaN from T_k on."""

    rate: Array  #: powers of e per update on the plateau
    latest: Array  #: predicted for latents that have parted, ∞ for a mode that gets none
    earliest: Array  #: predicted for latents that go on sharing what is active
    measured: Array  #: NaN where it was not seen
    bracket: Array  #: the snapshots before and after, (modes, 2)
    begun: NDArray[np.bool_]  #: whether the first snapshot is beyond the plateau already
    kept: Array  #: of the start's amplitude, what is orthogonal to the modes that activate before
    noise: Array  #: power that the noise of batches brings in, over that of the start


def arrivals(
    decoder: Array, encoder: Array, clock: Array, vectors: Array, spectrum: Spectrum, price: float, how: Descent
) -> Arrivals:
    """From snapshots of W (snapshots, d, K) and E (snapshots, K, d) at these times; `vectors` are v_k, (d, modes)."""
    lam = spectrum.eigenvalues
    multiplet = np.append(0, np.cumsum(np.diff(lam) < -ALIKE * lam[1:]))
    alive = lam > price
    rows = vectors.T @ decoder.astype(np.float64)  # (snapshots, modes, K)
    columns = np.swapaxes(encoder.astype(np.float64) @ vectors, 1, 2)
    start = projections(lam, price, rows[0], columns[0])
    parted, sharing = (succession(lam, multiplet, price, start, how.pace, shared=shared) for shared in (False, True))
    share = np.where(alive, _gains(rows, columns, multiplet) / np.where(alive, 1 - price / lam, 1.0), np.nan)
    rate = np.where(alive, how.pace(growth(lam, price)), np.nan)
    measured, bracket = _crossing(share, clock)
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = _noise(lam, price, decoder.shape[2], rate, how) / parted.share
        hasty = np.maximum(0.0, np.log(WEAK / lam) / 2) / rate
    earliest = np.maximum(np.fmin(parted.updates, sharing.updates) - hasty, 0.0)
    return Arrivals(rate, parted.updates, earliest, measured, bracket, share[0] >= HALF, parted.kept, noise)


def _gains(rows: Array, columns: Array, multiplet: NDArray[np.intp]) -> Array:
    """v_kᵀ W E v_k, (snapshots, modes); of a multiplet, whose v_k are any, the singular values of its block."""
    found = np.empty(rows.shape[:2])
    for group in np.unique(multiplet):
        members = multiplet == group
        block = rows[:, members] @ np.swapaxes(columns[:, members], 1, 2)
        found[:, members] = np.linalg.svd(np.where(np.isfinite(block), block, 0.0), compute_uv=False)
    return found


def _crossing(share: Array, clock: Array) -> tuple[Array, Array]:
    """When the share first reaches HALF, interpolated in its logarithm, and the snapshots before and after."""
    modes = share.shape[1]
    after = np.argmax(share >= HALF, axis=0)
    before, at = np.maximum(after - 1, 0), np.arange(modes)
    low, high = (np.log(np.maximum(share[i, at], 1e-300)) for i in (before, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(after > before, (np.log(HALF) - low) / (high - low), 0.0)
    seen = share[after, at] >= HALF
    bracket = np.where(seen[:, None], np.stack([clock[before], clock[after]], axis=1), np.nan)
    return bracket[:, 0] + part * (bracket[:, 1] - bracket[:, 0]), bracket


def _noise(lam: Array, price: float, latents: int, rate: Array, how: Descent) -> Array:
    """The share of M² that the noise of batches is worth as a start, (modes,).

    In each update the decoder's entries along v_k get noise of variance (2aη)² λ/n, the encoder's none; what comes in
    early is worth most, Σ z^(−2i) = 1/(2 ln z), and momentum adds up 1/(1 − μ) updates.
    """
    kick = np.square(how.scale * how.learning_rate / (1 - how.momentum)) * lam / how.batch
    kappa = growth(lam, price)
    part = 1 / np.square(1 + np.square((1 + kappa) / lam))  # of the power, in the growing direction
    return latents * kick * part / (2 * rate) * (1 + kappa) / (lam - price)
