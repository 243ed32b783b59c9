"""Is it the mean-field law? The shape of each trained branch: its exponent, and how well all branches fall on one line.

    M² = (1 − T/T_k)^p          p = 1, and then M² against T/T_k is one line for all modes (J. Hirn, arXiv:2605.22691)

Both T_k and p are fitted, to each seed's own branch, so that the spread over seeds gives their standard errors.
"""

import numpy as np

from landau_vae.display import Array, readonly
from landau_vae.verification._branches import Branches

__all__ = ["collapse_residual", "exponents"]


def exponents(measured: Branches) -> Array:
    """P of each seed's branch, (seeds, latents); NaN with fewer than three points."""
    seeds, _, latents = measured.at_rest.shape
    return readonly([[_exponent(measured, seed, k) for k in range(latents)] for seed in range(seeds)])


def collapse_residual(measured: Branches, thresholds: Array) -> Array:
    """Root mean square of M² − [1 − T/T_k]₊ over the fitted points of all seeds, by branch, (len(thresholds),).

    With measured thresholds it says how well a branch keeps the law's shape, wherever it ends.
    """
    modes = len(thresholds)
    fitted = measured.fitted[..., :modes]
    with np.errstate(invalid="ignore"):
        law = np.maximum(0.0, 1.0 - measured.abscissa[..., None] / thresholds)
        square = np.where(fitted, measured.models.signal_fraction[..., :modes] - law, 0.0) ** 2
        return readonly(np.sqrt(square.sum(axis=(0, 1)) / np.count_nonzero(fitted, axis=(0, 1))))


def _exponent(measured: Branches, seed: int, k: int) -> float:
    """By least squares from the straight line on, p = 1."""
    near, threshold = measured.fitted[seed, :, k], measured.lines[seed, k, 0]
    if np.count_nonzero(near) < 3 or not 0 < threshold < np.inf:
        return float("nan")
    from scipy.optimize import least_squares

    x, y = measured.abscissa[seed, near] / threshold, measured.models.signal_fraction[seed, near, k]

    def miss(parameters: Array) -> Array:
        """In ln(T_k/threshold) and ln p."""
        stretch, power = np.exp(parameters)
        return np.asarray(np.maximum(1.0 - x / stretch, 1e-12) ** power - y)

    nearest = float(np.log(x.max()))  # a branch ends beyond its last point; no nearer bound, which seeds would share
    start, bounds = [max(1e-3, nearest + 1e-3), 0.0], ([nearest, -2.0], [2.0, 2.0])
    found = least_squares(miss, start, bounds=bounds, x_scale=[0.1, 0.1])
    return float(np.exp(found.x[1])) if found.success else float("nan")
