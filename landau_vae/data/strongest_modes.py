"""The k strongest eigenvalues of a positive semidefinite matrix that is known by what it does to vectors.

A block Krylov method with thick restarts (Rayleigh–Ritz on the span of all images so far; the residuals of the leading
Ritz vectors are the next block). It ends when every residual ‖C v − λ v‖ is below 1e-8 λ: so near to each number there
is an eigenvalue, and its error is of the order of the square of that. One pass over the data serves a whole block.
"""

from collections.abc import Callable

import numpy as np

from landau_vae.display import Array
from landau_vae.errors import InputError

__all__ = ["strongest", "strongest_of_matrix"]

RESIDUAL = 1e-8  # of the eigenvalue; residuals that are within rounding of the largest one are as good as they get
SPARE = 12  # vectors beyond the k: they make the k-th converge, and find multiplets up to their number
ROOM = 256  # vectors that are kept between passes, if not four times as many as are worked on
PASSES = 400
DENSE = 1500  # a matrix of this size is decomposed in a second
EPS = float(np.finfo(np.float64).eps)


def strongest_of_matrix(matrix: Array, modes: int | None) -> Array:
    """The eigenvalues of a symmetric matrix, descending: all, or the first `modes`."""
    if modes is not None and len(matrix) > DENSE and modes < len(matrix) // 20:
        values = _iterate(lambda block: matrix @ block, len(matrix), modes, PASSES)
        if values is not None:
            return values
    return np.linalg.eigvalsh(matrix)[::-1][:modes]


def strongest(apply: Callable[[Array], Array], dimension: int, modes: int) -> Array:
    """The `modes` largest eigenvalues of C (d, d), descending; `apply` maps (d, b) to C times it.

    >>> diagonal = np.arange(1.0, 401.0)
    >>> strongest(lambda block: diagonal[:, None] * block, 400, 3).round(9).tolist()
    [400.0, 399.0, 398.0]
    """
    values = _iterate(apply, dimension, modes, PASSES)
    if values is None:
        raise InputError(
            f"The {modes} strongest modes have not settled to eight digits in {PASSES} passes over the data, as their "
            "variances are nearly equal: ask for fewer modes or more, or leave modes out."
        )
    return values


def _iterate(apply: Callable[[Array], Array], dimension: int, modes: int, passes: int) -> Array | None:
    width = min(modes + SPARE, dimension)
    room = min(dimension, max(4 * width, ROOM))
    basis, image = np.empty((dimension, room), order="F"), np.empty((dimension, room), order="F")
    block = np.linalg.qr(np.random.default_rng(0).standard_normal((dimension, width)))[0]
    size = 0
    for _ in range(passes):
        new = slice(size, size + block.shape[1])
        basis[:, new], image[:, new] = block, apply(block)
        size = new.stop
        small = basis[:, :size].T @ image[:, :size]
        values, vectors = (part[..., ::-1] for part in np.linalg.eigh((small + small.T) / 2))
        lead = vectors[:, :width]
        residual = image[:, :size] @ lead - (basis[:, :size] @ lead) * values[:width]
        norms = np.linalg.norm(residual, axis=0)
        within = norms <= np.maximum(RESIDUAL * values[:width], EPS * dimension * values[0])
        if np.all(within[:modes]) or size == dimension:
            return values[:modes]
        if size + width > room:  # go on from the leading Ritz vectors
            keep = min(max(width, 3 * room // 8), size - 1)
            for part in (basis, image):
                part[:, :keep] = part[:, :size] @ vectors[:, :keep]
            size = keep
        block = _orthonormal(residual[:, norms > 0] / norms[norms > 0], basis[:, :size])[:, : room - size]
        if block.shape[1] == 0:  # the span is invariant
            return values[:modes]
    return None


def _orthonormal(block: Array, basis: Array) -> Array:
    """An orthonormal basis of what of `block` lies outside `basis`."""
    for _ in range(2):  # twice is enough
        block = block - basis @ (basis.T @ block)
        block, triangle = np.linalg.qr(block)
        weight = np.abs(triangle.diagonal())
        block = block[:, weight > 1e-10 * max(1.0, float(weight.max(initial=0.0)))]
    return block
