"""How fast latents leave a plateau, and after how many updates each mode activates, one after the other.

    κ² + (s + λm) κ = λ (λ − s m)      z² − (1 + μ + ηκ) z + μ = 0      n_k = ½ ln[(1/m_k − 1)/3] / ln z_k

κ is the growth rate under gradient flow of a latent of posterior variance s that turns to mode
λ, with m = τ where it idles (and s = 1), or m the eigenvalue that it serves. Gradient descent
with step η and heavy-ball momentum μ multiplies its amplitude by the larger root z per update.
m_k = ‖a_k‖² (1 + κ_k)/(λ_k − τ), a_k = (w_k + t e_k)/(1 + t²), is the share of a mode's final
M² that its rows w_k, e_k of decoder and encoder carry in the growing direction
e/w = t = (1 + κ)/λ. A mode *activates* where m_k is ¼, half of its final amplitude, by the
logistic law that holds near the threshold. It takes a direction of latent space; only what is
orthogonal to all modes before remains of a start. Proof: `landau-vae derive gradient-flow`,
`landscape`; the same saddles in linear networks: Saxe et al., arXiv:1312.6120; momentum: Polyak
1964.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import Range
from landau_vae.display import Array, Booleans

Momentum = Annotated[float, Range(0, below=1)]  # of heavy-ball momentum
HALF = 0.25  # share of the final M², hence half of the amplitude, at which a mode counts as active


def growth(target: Any, served: Any, width: Any = 1.0) -> Any:
    """Return κ = −x₋ of the block [[s, −λ], [−λ, λm]], under gradient flow of σ_dec² L; any shapes that broadcast.

    `target` is λ and `served` m, data²; `width` is s. Positive where the latent leaves,
    negative where it stays.

    >>> growth(2.0, 2.0).item(), growth(1.0, 0.0).round(6).item()  # at the threshold; without a price, (√5 − 1)/2
    (0.0, 0.618034)
    """
    total = width + target * served
    root = np.hypot(width - target * served, 2 * target)
    return target / ((total + root) / 2) * (target - width * served)


def per_update(rate: Any, learning_rate: Any, momentum: Any = 0.0) -> Any:
    """Return ln z, the powers of e by which an amplitude grows in an update; any shapes that broadcast.

    `rate` is that of the loss which is descended, κ in its own scale. Precise where ηκ is tiny.

    >>> z = np.exp(per_update([2.0, 0.4], [0.5, 1.0], momentum=[0.0, 0.5]))
    >>> z.round(6).tolist()  # 1 + ηκ, and the larger root of z² − 1.9 z + 0.5
    [2.0, 1.584429]
    """
    x, friction = np.multiply(learning_rate, rate), np.subtract(1.0, momentum)
    square = 2 * x * np.add(1.0, momentum) + x**2  # by which the roots' squared distance exceeds (1 − μ)²
    return np.log1p((x + square / (np.sqrt(friction**2 + square) + friction)) / 2)


class Succession(NamedTuple):
    """When each mode activates, (modes,); ∞ where it gets no latent, NaN at or below the price."""

    updates: Array  #: until it activates
    share: Array  #: m of its start, without the directions that earlier modes take
    kept: Array  #: how much that is of the whole start, in amplitude: the less, the worse a prediction from it


def projections(lam: Array, price: float, decoder: Array, encoder: Array) -> Array:
    """Return rows along the growing directions, (modes, K), scaled so that ‖row‖² is the share m_k of the final M².

    `decoder` and `encoder` are VᵀW and (EV)ᵀ, (modes, K), in the eigenbasis. Zero at or below
    the price.

    >>> projections(np.array([1.0]), 0.5, np.array([[0.1, 0.0]]), np.array([[0.1, 0.0]])).round(4).tolist()
    [[0.1383, 0.0]]
    """
    kappa, alive = growth(lam, price), lam > price
    tilt = (1 + kappa) / lam
    part = (decoder + tilt[:, None] * encoder) / (1 + np.square(tilt))[:, None]
    return np.where(alive, np.sqrt((1 + kappa) / np.where(alive, lam - price, 1.0)), 0.0)[:, None] * part


def succession(
    lam: Array, multiplet: NDArray[np.intp], price: float, start: Array, pace: Callable[[Array], Array], *, shared: bool
) -> Succession:
    """Return when each mode activates, from the rows that `projections` gives.

    `multiplet` numbers the multiplet of each mode; `pace` turns a rate κ into powers of e per
    update; `shared` says whether latents go on sharing the active modes, or have parted. They
    part at a pace of their own, so the two answers are those of latents that never part and of
    latents that part at once.

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
        growing = waiting & (square > 1e-20)
        if not growing.any():
            break
        # A latent that shares active modes has a posterior variance below 1, so what is left of its row grows faster.
        width = np.square(rows[growing]) @ (price / (price + carried)) / square[growing] if shared else 1.0
        rate, wait = np.zeros(len(lam)), np.full(len(lam), np.inf)
        rate[growing] = pace(growth(lam[growing], price, width))
        powers = np.log(np.maximum(1 / square[growing] - 1, 1e-300) / (1 / HALF - 1)) / 2
        wait[growing] = np.maximum(powers - grown[growing], 0.0) / rate[growing]
        first = int(np.argmin(wait))
        now += wait[first]
        grown += rate * wait[first]
        updates[first], share[first], kept[first] = now, square[first], np.sqrt(square[first] / whole[first])
        waiting[first] = False
        unit = rows[first] / np.sqrt(square[first])
        carried += np.square(unit) * (lam[first] - price)
        rows -= np.outer(rows @ unit, unit)
        _turn(rows, multiplet, waiting)
    for group in np.unique(multiplet):
        members = np.flatnonzero(multiplet == group)
        order = members[np.argsort(updates[members])]
        updates[members], share[members], kept[members] = updates[order], share[order], kept[order]
    return Succession(updates, share, kept)


def _turn(rows: Array, multiplet: NDArray[np.intp], waiting: Booleans) -> None:
    """Turn the rows of each multiplet into its singular vectors, in place."""
    for group in np.unique(multiplet[waiting]):
        members = np.flatnonzero((multiplet == group) & waiting)
        if len(members) > 1:
            _, size, directions = np.linalg.svd(rows[members], full_matrices=False)
            rows[members] = 0.0
            rows[members[: len(size)]] = size[:, None] * directions
