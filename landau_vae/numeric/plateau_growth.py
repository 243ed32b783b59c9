"""After how many updates of gradient descent each mode activates, one after the other, from given initial weights.

    n_k = ½ ln[(1/m_k − 1)/3] / ln z_k       m_k = ‖a_k‖² (1 + κ_k)/(λ_k − τ),   a_k = (w_k + t e_k)/(1 + t²)

w_k and e_k are the rows of decoder and encoder along mode k (one entry per latent), a_k their part in the growing
direction e/w = t = (1 + κ)/λ, and m_k the share of the mode's final M² that they carry. A mode *activates* where m_k is
¼, half of its final amplitude: at n_k, by the logistic law that holds near the threshold (`landau-vae derive
gradient-flow`). It takes a direction of latent space, and what other modes had along it dies: what counts of a start is
orthogonal to all modes before. Modes of a multiplet are its singular vectors. While latents share active modes, their
posterior variance is below 1 already and the rest grows faster (`growth`). They part at a pace of their own, so there
are two times: of latents that part at once, and of latents that never do.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.numeric.growth import growth

__all__ = ["Succession", "projections", "succession"]

HALF = 0.25  # share of the final M², hence half of the amplitude, at which a mode counts as active


class Succession(NamedTuple):
    """What becomes of each mode, (modes,); ∞ where it gets no latent, NaN at or below the price."""

    updates: Array  #: until it activates
    share: Array  #: m of what counts of its start
    kept: Array  #: how much that is of the whole start, in amplitude: the less, the worse a prediction from it


def projections(lam: Array, price: float, decoder: Array, encoder: Array) -> Array:
    """Rows along the growing directions, (modes, K), scaled so that ‖row‖² is the share m_k of the final M².

    `decoder` and `encoder` are VᵀW and (EV)ᵀ, (modes, K), in the eigenbasis. Zero at or below the price.

    >>> projections(np.array([1.0]), 0.5, np.array([[0.1, 0.0]]), np.array([[0.1, 0.0]])).round(4).tolist()
    [[0.1383, 0.0]]
    """
    kappa, alive = growth(lam, price), lam > price
    tilt = (1 + kappa) / lam
    part = (decoder + tilt[:, None] * encoder) / (1 + np.square(tilt))[:, None]
    return np.where(alive, np.sqrt((1 + kappa) / np.where(alive, lam - price, 1.0)), 0.0)[:, None] * part


def succession(
    lam: Array,
    multiplet: NDArray[np.intp],
    price: float,
    start: Array,
    pace: Callable[[Array], Array],
    *,
    shared: bool,
) -> Succession:
    """When each mode activates, from the rows that `projections` gives.

    `multiplet` numbers the multiplet of each mode; `pace` turns a rate κ into powers of e per update; `shared` says
    whether latents go on sharing the modes that are active, or have parted.

    >>> rows, slow = np.array([[0.01, 0.0], [0.006, 0.008]]), lambda rate: 0.001 * rate
    >>> succession(np.array([2.0, 1.0]), np.arange(2), 0.1, rows, slow, shared=False).updates.round().tolist()
    [2817.0, 7829.0]
    """
    rows, latents = start.copy(), start.shape[1]
    waiting = lam > price
    updates, share, kept = np.where(waiting, np.inf, np.nan), *np.full((2, len(lam)), np.nan)
    carried, grown, now = np.zeros(latents), np.zeros(len(lam)), 0.0  # ‖w‖² of each latent, powers of e so far
    _turn(rows, multiplet, waiting)
    whole = np.square(rows).sum(axis=1)
    for _ in range(min(latents, np.count_nonzero(waiting))):
        square = np.square(rows).sum(axis=1)
        open_ = waiting & (square > 1e-20)
        if not open_.any():
            break
        width = np.square(rows[open_]) @ (price / (price + carried)) / square[open_] if shared else 1.0
        rate, wait = np.zeros(len(lam)), np.full(len(lam), np.inf)
        rate[open_] = pace(growth(lam[open_], price, width))
        far = np.log(np.maximum(1 / square[open_] - 1, 1e-300) / (1 / HALF - 1)) / 2
        wait[open_] = np.maximum(far - grown[open_], 0.0) / rate[open_]
        next_ = int(np.argmin(wait))
        now += wait[next_]
        grown += rate * wait[next_]
        updates[next_], share[next_], kept[next_] = now, square[next_], np.sqrt(square[next_] / whole[next_])
        waiting[next_] = False
        unit = rows[next_] / np.sqrt(square[next_])
        carried += np.square(unit) * (lam[next_] - price)
        rows -= np.outer(rows @ unit, unit)
        _turn(rows, multiplet, waiting)
    for group in np.unique(multiplet):
        members = np.flatnonzero(multiplet == group)
        order = members[np.argsort(updates[members])]
        updates[members], share[members], kept[members] = updates[order], share[order], kept[order]
    return Succession(updates, share, kept)


def _turn(rows: Array, multiplet: NDArray[np.intp], waiting: NDArray[np.bool_]) -> None:
    """Into the singular vectors of each multiplet, in place."""
    for group in np.unique(multiplet[waiting]):
        members = np.flatnonzero((multiplet == group) & waiting)
        if len(members) > 1:
            _, size, directions = np.linalg.svd(rows[members], full_matrices=False)
            rows[members] = 0.0
            rows[members[: len(size)]] = size[:, None] * directions
