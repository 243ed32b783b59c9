"""Second moments of two tables whose rows belong together, and the metric of the noise."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.data.moments import Moments, block_rows
from landau_vae.data.tables import as_covariance, as_numbers, as_table, as_weights, nonfinite_problem
from landau_vae.display import Array
from landau_vae.errors import InputError

__all__ = ["Joint", "inverse_root", "joint_moments"]

SINGULAR = 1e-10  # of its largest eigenvalue: what a noise metric must have in every direction


@dataclass(frozen=True, eq=False)
class Joint:
    """Covariances of x (n, p) and y (n, q), divided by n."""

    xx: Array  #: (p, p)
    xy: Array  #: (p, q)
    yy: Array  #: (q, q)
    samples: int  #: n
    x_names: tuple[str, ...] | None
    y_names: tuple[str, ...] | None


def joint_moments(x: Any, y: Any, weights: ArrayLike | None, *, standardize: bool) -> Joint:
    """The covariances of two tables of as many rows, y in units of its standard deviations if `standardize`."""
    if hasattr(x, "index") and hasattr(y, "index") and hasattr(x.index, "equals") and not x.index.equals(y.index):
        raise InputError("The rows of x and y are labelled otherwise: bring both into one order (y.loc[x.index]).")
    (left, x_names), (right, y_names) = as_table(x), as_table(y)
    if len(left) != len(right):
        raise InputError(
            f"x has {len(left)} rows and y has {len(right)}, but each row of one belongs to one of the other: give "
            "tables of equal length, in the same order."
        )
    if len(left) < 2:
        raise InputError("There is only one row, and one sample has no spread: at least two rows are needed.")
    share = None if weights is None else as_weights(weights, len(left))
    if share is not None and not share.any():
        raise InputError("All weights are zero: at least two rows need a positive weight.")
    p, step = left.shape[1], block_rows(left.shape[1] + right.shape[1])
    moments = Moments(p + right.shape[1])
    for first in range(0, len(left), step):
        part = slice(first, first + step)
        moments.add(np.concatenate([left[part], right[part]], axis=1), None if share is None else share[part])
    if not moments.finite:
        for what, table, names in (("x", left, x_names), ("y", right, y_names)):
            if not np.isfinite(table).all():
                raise InputError(f"{what} cannot be used. {nonfinite_problem([table], names)}")
        raise nonfinite_problem([], None)
    covariance = moments.covariance
    spread = np.sqrt(covariance.diagonal()[p:])
    if standardize:
        if np.any(spread <= 4 * moments.precision * np.abs(moments.mean[p:])):
            worst = int(np.argmin(spread))
            raise InputError(
                f"Column {y_names[worst] if y_names else worst} of y is constant and cannot be standardised: leave it "
                "out, or do not standardise."
            )
        covariance[:, p:] /= spread
        covariance[p:] /= spread[:, None]
    return Joint(covariance[:p, :p], covariance[:p, p:], covariance[p:, p:], len(left), x_names, y_names)


def inverse_root(noise: ArrayLike | None, features: int) -> Array | None:
    """Ψ^(−½) of a noise metric: variances (d,) or a covariance (d, d); None for the identity."""
    if noise is None:
        return None
    values = as_numbers(noise, "The noise metric")
    if values.ndim == 1:
        if len(values) != features:
            raise InputError(f"The noise metric has {len(values)} variances, but there are {features} features.")
        if not np.all(np.isfinite(values) & (values > 0)):
            worst = int(np.argmin(np.where(np.isfinite(values), values, -np.inf)))
            raise InputError(
                f"The noise of a feature must have a positive finite variance, but that of feature {worst} is "
                f"{values[worst]}: a feature without noise would have to be coded without end."
            )
        return np.diag(1 / np.sqrt(values))
    matrix, _ = as_covariance(values)
    if len(matrix) != features:
        raise InputError(f"The noise metric is {matrix.shape}, but there are {features} features.")
    lam, vectors = np.linalg.eigh(matrix)
    if lam[0] <= SINGULAR * lam[-1]:
        raise InputError(
            f"The noise metric is singular (its eigenvalues run from {lam[0]:.3g} to {lam[-1]:.3g}): every direction "
            "needs some noise, or it would have to be coded without end."
        )
    return np.asarray(vectors / np.sqrt(lam) @ vectors.T)
