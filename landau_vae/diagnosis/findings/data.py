"""Do the posteriors belong to these rows? Rows that are alike must have codes that are alike, linear encoder or not.

    r = median over living latents of ⟨(μ_i − μ_nn(i))²⟩ / (2 Var μ),   nn(i): the nearest other row of the data

is 1 for codes of other rows and small for codes of these. In many dimensions no row has a near neighbour: then the
same ratio of the data's own principal scores says what to expect.
"""

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array

__all__ = ["strangeness"]

ASKED, AMONG = 400, 8000  # rows whose neighbour is looked for, and rows among which
SCORES = 3  # principal scores that say what to expect


def strangeness(
    mean: NDArray[np.floating], data: NDArray[np.floating], scale: Array, alive: NDArray[np.bool_]
) -> float:
    """r of the living latents less r of the data's own scores: 0 where codes belong to their rows, up to 1."""
    n = len(data)
    among = np.unique(np.linspace(0, n - 1, min(n, AMONG)).astype(np.intp))
    rows = np.asarray(data[among], dtype=np.float64) / scale
    rows -= rows.mean(axis=0)
    asked = np.unique(np.linspace(0, len(among) - 1, min(len(among), ASKED)).astype(np.intp))
    near = rows[asked] @ rows.T
    apart = np.square(rows).sum(axis=1) - 2 * near
    apart[np.arange(len(asked)), asked] = np.inf
    neighbour = apart.argmin(axis=1)
    scores = rows @ np.linalg.svd(rows[asked], full_matrices=False)[2][:SCORES].T
    codes = np.asarray(mean[among][:, alive], dtype=np.float64)
    return float(np.median(_ratio(codes, asked, neighbour)) - np.median(_ratio(scores, asked, neighbour)))


def _ratio(values: Array, asked: NDArray[np.intp], neighbour: NDArray[np.intp]) -> Array:
    return np.square(values[asked] - values[neighbour]).mean(axis=0) / (2 * values.var(axis=0))
