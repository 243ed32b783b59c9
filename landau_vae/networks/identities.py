"""Which price is in effect, latent by latent, read off a trained model of any architecture and loss.

At rest every encoder parameter balances the reconstruction term against the KL. For heads that are linear with a bias,

    (σ)  ⟨∂ℓ/∂ ln σ_k⟩ = c ⟨1 − σ_k²⟩      (μ)  ⟨∂ℓ/∂ ln |μ_k|⟩ = −c ⟨μ_k²⟩      (A)  ⟨μ_k²⟩ + ⟨σ_k²⟩ = 1

with ℓ the reconstruction term of a row, averaged over z = μ + σε, and c the price of a nat in its
units. All widths σ_k, then all means μ_k, of one latent are scaled by e^{±h} with the same noise:
nothing is asked of the decoder but its outputs. A latent that is not active tells nothing: 0/0.
Source: this package.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array, readonly

STEP = 0.05  # by which ln σ and ln |μ| are moved
PRECISE = 0.02  # relative error of ĉ_σ at which draws end
STREAM = 0x696465  # of its own: noise must not be that which made the data
DRAWS = 64  # at most
LAST_UPDATES = 0.018  # relative error that the noise of the last updates leaves, r.m.s.


@dataclass(frozen=True, eq=False)
class PricesInEffect:
    """The price of a nat that each latent obeys, in the unit of the reconstruction term."""

    latent: NDArray[np.intp]  #: which latents were looked at, counted from 0, (a,)
    width: Array  #: ĉ_σ, (a,)
    width_error: Array  #: its standard error, over rows and draws and of the last updates, (a,)
    mean: Array  #: ĉ_μ, (a,)
    mean_error: Array  #: its standard error, (a,)
    second_moment: Array  #: A², (a,)
    curvature: Array  #: relative change of ĉ_σ when the step is halved, in the first draw, (a,)
    draws: int  #: of z per row


def prices_in_effect(
    mean: Array,
    deviation: Array,
    term: Callable[[Array], Array],
    latents: NDArray[np.intp],
    *,
    all_rows: bool = False,
    precise: float = PRECISE,
    most: int = DRAWS,
    seed: int = 0,
) -> PricesInEffect:
    """Return the prices in effect of some latents.

    Parameters
    ----------
    mean, deviation : (n, K) array
        μ and σ of training rows.
    term : callable
        The reconstruction term of each row, (n,), at latents z, (n, K).
    latents : (a,) array of int
        Which latents: active ones.
    all_rows : bool, default False
        Whether these are all the rows that were trained on; else they stand for more.
    precise : float, default 0.02
        Relative error of ĉ_σ, at which no more z are drawn.
    most : int, default 64
        Draws of z per row.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    PricesInEffect
    """
    rng, count = np.random.default_rng([seed, STREAM]), len(latents)
    below = np.stack([1 - deviation[:, latents] ** 2, mean[:, latents] ** 2])  # (2, n, a)
    total, square = np.zeros((2, 2, len(mean), count))

    def slopes(noise: Array, step: float, channels: tuple[int, ...] = (0, 1)) -> Array:
        """Return ∂ℓ/∂ ln σ_k and −∂ℓ/∂ ln |μ_k| of each row, (channels, n, a)."""
        found = np.empty((len(channels), len(mean), count))
        for i, channel in enumerate(channels):
            for j, k in enumerate(latents):
                ends = []
                for sign in (1, -1):
                    factor = np.exp(sign * step)
                    z = mean + deviation * noise
                    z[:, k] = mean[:, k] * (factor if channel else 1) + deviation[:, k] * noise[:, k] * (
                        1 if channel else factor
                    )
                    ends.append(term(z))
                found[i, :, j] = (ends[0] - ends[1]) / (2 * step) * (-1 if channel else 1)
        return found

    for draw in range(1, most + 1):
        noise = rng.standard_normal(mean.shape)
        each = slopes(noise, STEP)
        if draw == 1:
            halved = slopes(noise, STEP / 2, (0,))[0].mean(axis=0) / each[0].mean(axis=0) - 1
        total += each
        square += each**2
        if draw > 1:
            price, error = _ratio(total, square, below, draw, all_rows)
            if np.all(error[0] <= precise * np.abs(price[0])):
                break
    error = np.hypot(error, LAST_UPDATES * np.abs(price))
    moment = np.mean(mean[:, latents] ** 2 + deviation[:, latents] ** 2, axis=0)
    parts = (price[0], error[0], price[1], error[1], moment, halved)
    return PricesInEffect(latents, *(readonly(part) for part in parts), draw)


def _ratio(total: Array, square: Array, below: Array, draws: int, all_rows: bool) -> tuple[Array, Array]:
    """Return ⟨a⟩/⟨b⟩ and its standard error, (2, a): over draws alone, or over rows and the draws within them."""
    rows = total.shape[1]
    above, under = total / draws, below.mean(axis=1)
    price = above.mean(axis=1) / under
    if all_rows:
        within = np.maximum(square / draws - above**2, 0) * draws / (draws - 1)
        spread = np.sqrt(within.mean(axis=1) / draws)
    else:
        spread = (above - price[:, None] * below).std(axis=1)
    return price, spread / np.sqrt(rows) / np.abs(under)
