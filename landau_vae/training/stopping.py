"""How runs ended: whether their models had come to rest, were still moving, or were waiting on a plateau.

Of linear Gaussian models what is left to go is found by exact minimisation from where they stand (`settle`). Of others
only the last movement is known, in training time: updates times learning rate, so that a schedule that has run down
hides none.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.training.gauge import Gauge
from landau_vae.training.settings import LOOKS, Settings, spread
from landau_vae.training.settle import parted, settle
from landau_vae.training.weights import Parts

__all__ = ["CONVERGED", "DIVERGED", "MOVED", "MOVING", "PLATEAU", "Ending", "ending", "last_movement"]

CONVERGED, MOVING, PLATEAU, DIVERGED = range(4)
MOVED = 0.01  # what an M² may have to go to count as at rest


@dataclass(frozen=True, eq=False)
class Ending:
    """Of m models."""

    moved: Array  #: what M² had to go, or how far it last moved, (m, K); ∞ where that is not known
    waiting: NDArray[np.int16]  #: latents that idle though a mode would wake them, (m,)
    status: NDArray[np.int8]  #: converged, moving, plateau or diverged, (m,)


def ending(
    how: Settings, gauge: Gauge, weights: Parts, price: Array, penalty: Array, loss: Array, last: Array | None
) -> Ending:
    """Judge models by their final weights at prices τ with an L2 penalty γ (m, 1).

    The `last` movement, of M² and ln σ_dec² where it is learned, (m, …), counts for decoders that are not Gaussian.
    """
    latents = gauge.layout.latents
    numbers = [part.reshape(len(loss), -1) for part in (*weights, loss, gauge.signal_fraction(weights), price)]
    healthy = np.isfinite(np.concatenate(numbers, axis=1)).all(axis=1) & (price[:, 0] > 0)
    sound, tau, gamma = Parts(*(part[healthy] for part in weights)), price[healthy], penalty[healthy]
    waiting = np.zeros(len(healthy), dtype=np.int16)
    waiting[healthy] = gauge.waiting(sound, tau, gamma)
    moved = np.full((len(healthy), latents + how.learned_variance), np.inf)
    if last is not None:
        moved[healthy] = last[healthy]
    if how.decoder == "gaussian":
        moved[healthy, :latents] = _to_go(gauge.signal_fraction(sound), gauge.covariance, tau, sound.decoder, gamma)
        if how.learned_variance:  # the best σ_dec² is the mean squared error of a feature
            best = np.log(gauge.distortion(sound) / gauge.layout.features)
            moved[healthy, latents] = np.abs(best - sound.log_decoder_variance[:, 0])
    status = np.where(moved.max(axis=1) <= MOVED, CONVERGED, MOVING)  # NaN is not at rest
    status = np.where(waiting > 0, PLATEAU, status)
    return Ending(moved[:, :latents], waiting, np.where(healthy, status, DIVERGED).astype(np.int8))


def _to_go(fraction: Array, covariance: Array, price: Array, decoder: Array, penalty: Array) -> Array:
    """|M² at rest − M²| by rank, (m, K): the farther of where latents lead as they are, and parted at once."""
    order = np.argsort(-fraction, axis=1)
    ends = [np.sort(settle(covariance, price, w, penalty), axis=1)[:, ::-1] for w in (decoder, parted(decoder))]
    left = np.max([np.abs(end - np.take_along_axis(fraction, order, axis=1)) for end in ends], axis=0)
    found = np.empty_like(left)
    np.put_along_axis(found, order, left, axis=1)
    return found


def last_movement(how: Settings, looks: Array, stopped: NDArray[np.intp]) -> Array:
    """|mean over the last quarter − mean over the third| of what was looked at, (m, …), in each model's training time.

    `looks` is (looks, m, …), `stopped` the updates after which each model stopped. ∞ where there were too few looks.
    """
    at = spread(how.updates, LOOKS)[1:]
    time = np.cumsum(how.learning_rate(np.arange(how.updates) / how.updates))[at - 1]
    moved = np.full(looks.shape[1:], np.inf)
    for model, end in enumerate(stopped):
        share = time[at <= end] / time[at <= end][-1]
        own = looks[: len(share), model]
        middle, late = own[(share > 0.5) & (share <= 0.75)], own[share > 0.75]
        if len(middle):
            moved[model] = np.abs(late.mean(axis=0) - middle.mean(axis=0))
    return np.where(np.isnan(moved), np.inf, moved)
