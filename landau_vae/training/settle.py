"""How far trained models still have to go: exact minimisation by turns, from where their run ended.

    E, s ← the best encoder for W:    (WᵀW + τ) E C + γ E = WᵀC,    s_k = τ/(τ + ‖w_k‖²)
    W    ← the best decoder for E, s:  W (E C Eᵀ + diag s + γ) = C Eᵀ

Each turn lowers the expected loss (with an L2 term ½γ(‖W‖² + ‖E‖²), if any); from the collapsed point a mode grows by
λ/τ a turn, so that a plateau which gradient descent needs thousands of updates to leave is left in dozens of turns.
Only latents that share modes which are nearly alike part as slowly as ever: `parted` takes that step at once. Unlike a
gradient or the last movement, what M² does here depends on no learning rate: a run whose rate has fallen to zero stands
still, but it may be far from rest. For linear Gaussian models, C the covariance of the training set.
"""

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.display import Array

__all__ = ["TURNS", "parted", "settle"]

TURNS = 100
ROUNDING = 1e-14  # of a matrix's trace
_T = (0, 2, 1)


def settle(covariance: Array, price: ArrayLike, decoder: Array, decay: ArrayLike = 0.0, turns: int = TURNS) -> Array:
    """M² of each latent after so many turns, (m, K), from decoders W (m, d, K) at prices τ (m,); `decay` is γ (m,).

    >>> asleep = np.array([[[1e-3], [1e-3]]])  # one latent, on the plateau
    >>> settle(np.diag([4.0, 1.0]), [2.0], asleep).round(6).tolist()
    [[0.5]]
    """
    latents = decoder.shape[-1]
    tau, gamma = (np.broadcast_to(np.asarray(x, float).reshape(-1, 1, 1), (len(decoder), 1, 1)) for x in (price, decay))
    eye, w = np.eye(latents), decoder
    variance, vectors = np.linalg.eigh(covariance) if np.any(gamma) else (np.empty(0), np.empty((0, 0)))
    for _ in range(turns):
        gram = w.transpose(_T) @ w
        spread = tau[..., 0] / (tau[..., 0] + np.einsum("mkk->mk", gram))
        if not np.any(gamma):
            encoder = _solve(gram + tau * eye, w.transpose(_T))
        else:  # in the eigenbases of both factors the equation is a division
            gain, basis = np.linalg.eigh(gram + tau * eye)
            target = basis.transpose(_T) @ w.transpose(_T) @ vectors * variance
            encoder = basis @ (target / (gain[..., None] * variance + gamma)) @ vectors.T
        carried = encoder @ covariance
        inner = carried @ encoder.transpose(_T) + spread[..., None] * eye
        w = _solve(inner + gamma * eye, carried).transpose(_T)
    square = np.einsum("mkd,mkd->mk", carried, encoder)
    return square / (square + spread)


def parted(decoder: Array) -> Array:
    """Decoders with the same W Wᵀ whose latents share nothing, (m, d, K): orthogonal columns, the largest last.

    Of all latents that span the same they have the least Σ_k ln(1 + ‖w_k‖²/τ) (Hadamard): the least loss.

    >>> np.linalg.norm(parted(np.array([[[1.0, 1.0], [2.0, -2.0]]])), axis=1).round(6).tolist()
    [[1.414214, 2.828427]]
    """
    return decoder @ np.linalg.eigh(decoder.transpose(_T) @ decoder)[1]


def _solve(matrix: Array, right: Array) -> Array:
    """With positive semidefinite matrices (m, K, K), kept from being singular by less than rounding leaves of them."""
    load = ROUNDING * np.einsum("mkk->m", matrix)[:, None, None]
    return np.linalg.solve(matrix + load * np.eye(matrix.shape[-1]), right)
