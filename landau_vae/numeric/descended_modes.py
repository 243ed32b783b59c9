"""Gradient descent on one mode of the linear β-VAE, update by update, under a price that changes.

    σ_dec² L = ½[λ − 2weλ + w²(e²λ + s)] + (τ/2)[e²λ + s − 1 − ln s]

Where each latent serves one mode, gradient descent on all weights (W, E, ln s) keeps it so, and
each mode moves by this loss alone: what follows is exact for full batches, with any schedule of
β and heavy-ball momentum.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.numeric.plateau_growth import growth


class Descended(NamedTuple):
    """Rates and distortions at the steps that were asked for, (steps, modes)."""

    rate: Array  #: R_k, nats
    distortion: Array  #: of the sampled reconstruction, data²


@np.errstate(over="ignore", invalid="ignore")
def descend(
    lam: Array, price: Array, steps: NDArray[np.int64], learning_rate: float, momentum: float, start: float
) -> Descended:
    """Return what modes do under gradient descent with a learning rate in units of σ_dec² L.

    `price` is τ at each of the rising `steps`, and linear in between. A mode starts at a share
    `start` of its largest final amplitude on the way, in the direction in which it grows.

    >>> lam, steps = np.array([2.0, 0.5]), np.array([0, 4000])
    >>> end = descend(lam, np.array([1.0, 1.0]), steps, 0.02, 0.0, 0.01)
    >>> end.rate[-1].round(4).tolist(), end.distortion[-1].round(4).tolist()  # ½ ln 2 and τ; inactive
    ([0.3466, 0.0], [1.0, 0.5])
    """
    w = start * np.sqrt(np.maximum(lam - price.min(), 0.0))
    state = np.stack([w, w * (1 + growth(lam, price[0])) / lam, np.zeros_like(lam)])  # w, e, ln s
    velocity = np.zeros_like(state)
    rows: list[tuple[Array, Array]] = []
    prices = np.interp(np.arange(steps[-1] + 1), steps, price)
    for update, tau in enumerate(prices):
        w, e, log_variance = state
        s = np.exp(log_variance)
        code = np.square(e) * lam  # ⟨μ²⟩
        if update == steps[len(rows)]:
            rate = 0.5 * (code + s - 1 - log_variance)
            rows.append((rate, lam * np.square(1 - w * e) + np.square(w) * s))
        slope = np.stack([w * (code + s) - lam * e, lam * (np.square(w) * e - w + tau * e),
                          0.5 * (np.square(w) * s + tau * (s - 1))])  # fmt: skip
        velocity = momentum * velocity - learning_rate * slope
        state = state + velocity
    if not np.isfinite(state).all():
        raise InputError(
            "The learning rate is too large: gradient descent diverges with it. Give that of the run, for the loss "
            "averaged over rows.", "learning_rate"
        )  # fmt: skip
    rate, distortion = np.swapaxes(rows, 0, 1)
    return Descended(rate, distortion)
