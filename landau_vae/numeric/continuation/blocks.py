"""Linear algebra block by block: a state of high symmetry has a Hessian that falls apart into many small blocks.

The blocks are the connected components of the matrix's exact non-zero pattern, found anew each time: where there is no
symmetry there is one block, and nothing is lost. A block that nothing acts on stays exactly at rest, even where it is
singular, so that a bifurcation into it does not disturb the branch that passes by.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from landau_vae.display import Array

__all__ = ["eigh", "moving"]


def eigh(matrix: Array) -> tuple[Array, Array]:
    """Eigenvalues, ascending, and eigenvectors of a symmetric matrix (n, n).

    >>> values, vectors = eigh(np.array([[2.0, 0, 1], [0, 5, 0], [1, 0, 2]]))
    >>> values.tolist(), vectors[:, 2].tolist()
    ([1.0, 3.0, 5.0], [0.0, 1.0, 0.0])
    """
    labels = _labels(matrix)
    sizes = np.bincount(labels)
    if len(sizes) == 1:
        return np.linalg.eigh(matrix)
    members, starts = np.argsort(labels, kind="stable"), np.cumsum(sizes) - sizes
    values, vectors = np.empty(len(matrix)), np.zeros_like(matrix)
    for size in np.unique(sizes):
        rows = members[starts[sizes == size][:, None] + np.arange(size)]  # (blocks of this size, size)
        own, basis = np.linalg.eigh(matrix[rows[:, :, None], rows[:, None, :]])
        values[rows] = own
        vectors[rows[:, :, None], rows[:, None, :]] = basis
    order = np.argsort(values, kind="stable")
    return values[order], vectors[:, order]


def moving(matrix: Array, *vectors: Array) -> NDArray[np.bool_]:
    """The unknowns that are in one block with an entry of one of the vectors: all others stay where they are, (n,)."""
    pushed = np.any(np.stack(vectors) != 0, axis=0)
    labels = _labels(matrix)
    touched = np.zeros(labels.max() + 1, dtype=bool)
    touched[labels[pushed]] = True
    return touched[labels]


def _labels(matrix: Array) -> NDArray[np.int32]:
    """The block of each row."""
    return np.asarray(connected_components(csr_array(matrix), directed=False)[1])
