"""When runs stop (early stopping) and how they ended: at rest, still moving, waiting on a plateau, diverged.

Of linear Gaussian models the distance from rest is found by exact minimisation by turns, from
where they stand:

    E, s ← the best encoder for W:    (WᵀW + τ) E C + γ E = WᵀC,    s_k = τ/(τ + ‖w_k‖²)
    W    ← the best decoder for E, s:  W (E C Eᵀ + diag s + γ) = C Eᵀ

Each turn lowers the expected loss (with an L2 term ½γ(‖W‖² + ‖E‖²), if any); from the collapsed
point a mode grows by λ/τ a turn, so a plateau that gradient descent needs thousands of updates
to leave is left in dozens of turns. Latents that share nearly equal modes part as slowly as
ever: `parted` takes that step at once. Unlike a gradient or the last movement, the distance
does not depend on the learning rate: a run whose rate has fallen to 0 stands still, but may be
far from rest. Of other models only the last movement is known, in training time (updates times
learning rate), and how far a learned ln σ_dec² is from that of the mean squared error.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import Count, NonNegative, check_fields
from landau_vae.display import Array
from landau_vae.limits import AT_REST
from landau_vae.training.gradients import Parts
from landau_vae.training.measure import Gauge
from landau_vae.training.schedules import Schedule
from landau_vae.training.schema import MOST, Named, Status, bounded

LOOKS = 40  # at the models in the course of a run
TURNS = 100
ROUNDING = 1e-14  # of a matrix's trace


@dataclass(frozen=True)
class Patience:
    """Early stopping: a run ends once the loss has not fallen for so many looks in a row.

    The loss is that of the validation part, if there is one, else of the training part, over
    all its rows; `Neural` takes at most 4096 of them.

    Parameters
    ----------
    looks : int, default 10
        Of the 40 that divide a run. They count from where the β schedule has reached its final
        value.
    tolerance : float, default 1e-4
        Relative fall of the loss that counts as progress.

    Examples
    --------
    >>> Patience(looks=5)
    Patience(looks=5, tolerance=0.0001)
    """

    looks: Count = 10  #: of the 40 that divide a run; they count from where β has reached its final value
    tolerance: NonNegative = 1e-4  #: relative fall of the loss that counts as progress

    def __post_init__(self) -> None:
        check_fields(self)


def ending(gauge: Gauge, weights: Parts, price: Array, penalty: Array, loss: Array) -> Named:
    """Return `moved`, `waiting` and `status` of models, from final weights, prices τ and an L2 penalty γ, (m, 1)."""
    latents, learned = gauge.layout.latents, gauge.layout.learned_variance
    numbers = [part.reshape(len(loss), -1) for part in (*weights, loss, gauge.signal_fraction(weights), price)]
    share = gauge.distortion(weights) / np.trace(gauge.covariance)
    squared = np.column_stack([gauge.mean_square(weights), gauge.variance(weights), share])
    healthy = bounded(np.concatenate(numbers, axis=1)) & bounded(squared, MOST) & (price[:, 0] > 0)
    sound, tau, gamma = Parts(*(part[healthy] for part in weights)), price[healthy], penalty[healthy]
    waiting = np.zeros(len(healthy), dtype=np.int16)
    waiting[healthy] = gauge.waiting(sound, tau, gamma)
    moved = np.full((len(healthy), latents + learned), np.inf)
    moved[healthy, :latents] = _to_go(gauge.signal_fraction(sound), gauge.covariance, tau, sound.decoder, gamma)
    if learned:  # the best σ_dec² is the mean squared error of a feature
        best = np.log(gauge.distortion(sound) / gauge.layout.features)
        moved[healthy, latents] = np.abs(best - sound.log_decoder_variance[:, 0])
    return verdict(moved, waiting, healthy, latents)


def verdict(moved: Array, waiting: NDArray[Any], healthy: Any, latents: int) -> Named:
    """Return `moved`, `waiting` and `status` of models, from how far their M² (and ln σ_dec²) had to go, (m, …)."""
    status = np.where(moved.max(axis=1) <= AT_REST, Status.CONVERGED, Status.MOVING)  # NaN is not at rest
    status = np.where(waiting > 0, Status.PLATEAU, status)
    status = np.where(healthy, status, Status.DIVERGED).astype(np.int8)
    return {"moved": (("latent",), moved[:, :latents]), "waiting": ((), waiting), "status": ((), status)}


def _to_go(fraction: Array, covariance: Array, price: Array, decoder: Array, penalty: Array) -> Array:
    """Return |M² at rest − M²| by rank, (m, K): the larger of two ends, from latents as they are and parted at once."""
    order = np.argsort(-fraction, axis=1)
    ends = [np.sort(settle(covariance, price, w, penalty), axis=1)[:, ::-1] for w in (decoder, parted(decoder))]
    left = np.max([np.abs(end - np.take_along_axis(fraction, order, axis=1)) for end in ends], axis=0)
    return np.take_along_axis(left, np.argsort(order, axis=1), axis=1)


@np.errstate(invalid="ignore")  # of a learning rate that is 0 throughout
def last_movement(learning_rate: Schedule, updates: int, looks: Array, stopped: NDArray[Any]) -> Array:
    """Return |mean over the last quarter − mean over the third| of each model's looks, (m, …), in its training time.

    `looks` is (looks, m, …), `stopped` the updates after which each model stopped. ∞ where
    there were too few looks.
    """
    at = evenly(updates, LOOKS)
    time = np.cumsum([learning_rate(np.arange(*piece) / updates).sum() for piece in pairwise(at)])
    at = at[1:]
    moved = np.full(looks.shape[1:], np.inf)
    for model, end in enumerate(stopped):
        share = time[at <= end] / time[at <= end][-1]
        series = looks[: len(share), model]
        middle, late = series[(share > 0.5) & (share <= 0.75)], series[share > 0.75]
        if len(middle):
            moved[model] = np.abs(late.mean(axis=0) - middle.mean(axis=0))
    return np.where(np.isnan(moved), np.inf, moved)


def evenly(updates: int, pieces: int) -> Array:
    """Return updates from 0 to the last, evenly spread."""
    return np.unique(np.linspace(0, updates, pieces + 1).round().astype(int))


def settle(covariance: Array, price: ArrayLike, decoder: Array, decay: ArrayLike = 0.0, turns: int = TURNS) -> Array:
    """Return M² of each latent after so many turns, (m, K), from W (m, d, K) at prices τ (m,); `decay` is γ (m,).

    >>> inactive = np.array([[[1e-3], [1e-3]]])  # one latent, on the plateau
    >>> settle(np.diag([4.0, 1.0]), [2.0], inactive).round(6).tolist()
    [[0.5]]
    """
    tau, gamma = (np.broadcast_to(np.asarray(x, float).reshape(-1, 1, 1), (len(decoder), 1, 1)) for x in (price, decay))
    eye, w = np.eye(decoder.shape[-1]), decoder
    eigenvalues, vectors = np.linalg.eigh(covariance) if np.any(gamma) else (np.empty(0), np.empty((0, 0)))
    for _ in range(turns):
        gram = w.mT @ w
        variances = tau[..., 0] / (tau[..., 0] + np.einsum("mkk->mk", gram))
        if not np.any(gamma):
            encoder = _solve(gram + tau * eye, w.mT)
        else:  # in the eigenbases of both factors the equation is a division
            gain, basis = np.linalg.eigh(gram + tau * eye)
            target = basis.mT @ w.mT @ vectors * eigenvalues
            encoder = basis @ (target / (gain[..., None] * eigenvalues + gamma)) @ vectors.T
        carried = encoder @ covariance
        inner = carried @ encoder.mT + variances[..., None] * eye
        w = _solve(inner + gamma * eye, carried).mT
    square = np.einsum("mkd,mkd->mk", carried, encoder)
    return square / (square + variances)


def parted(decoder: Array) -> Array:
    """Return decoders with the same W Wᵀ whose latents share nothing, (m, d, K): orthogonal columns, the largest last.

    Of all latents that span the same space they have the least Σ_k ln(1 + ‖w_k‖²/τ) (Hadamard):
    the least loss.

    >>> np.linalg.norm(parted(np.array([[[1.0, 1.0], [2.0, -2.0]]])), axis=1).round(6).tolist()
    [[1.414214, 2.828427]]
    """
    return decoder @ np.linalg.eigh(decoder.mT @ decoder)[1]


def _solve(matrix: Array, right: Array) -> Array:
    """Solve with positive semidefinite matrices (m, K, K), kept from being singular by less than their rounding."""
    load = ROUNDING * np.einsum("mkk->m", matrix)[:, None, None]
    return np.linalg.solve(matrix + load * np.eye(matrix.shape[-1]), right)
