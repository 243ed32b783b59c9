"""Spectra of two tables: what x explains of a target y, and what a condition x leaves of y.

    ½⟨(y − Wz − Bx)ᵀ Ψ⁻¹ (y − Wz − Bx)⟩ + β Σ KL

Completing the square in what the decoder can give leaves the plain linear VAE of another covariance, so thresholds,
order parameters and rates are exact (`landau-vae derive variations`; conditional: Dang et al., arXiv:2306.05023;
targets: Wang & Ziyin, arXiv:2205.04009). Where Ψ is given, σ_dec² = 1 and the price is β. Distortions are shares of the
target's variance tr Ψ⁻¹Σ_yy (of a conditional VAE: of what x leaves of it). Tables of fewer rows than columns are
worked on by rows: with Q an orthonormal basis of the columns of x, y is QQᵀy + (y − QQᵀy).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import checked
from landau_vae.data.gram import Gram
from landau_vae.data.moments import Decomposition, Moments, SecondMoments, block_rows, in_unit, strongest_of_matrix
from landau_vae.data.tables import as_names, as_table, as_weights, nonfinite_problem
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError, TooFewSamples
from landau_vae.spectrum._noise_metric import metric_unit
from landau_vae.spectrum.build import EPS, resolve, scale_of
from landau_vae.spectrum.spectrum import Spectrum

FEW = 10  # rows per column of x, below which chance explains a good part of y

Names = tuple[str, ...] | None


@checked
def supervised(
    x: Any,
    y: Any,
    *,
    noise: ArrayLike | None = None,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Spectrum:
    """Return the spectrum of a bottleneck from x to y: regression, denoising, supervision.

    What x does not explain of y no latent can encode: it stays in the total variance, as distortion at every β.

    Parameters
    ----------
    x : array_like or DataFrame (n, p)
        The input of the encoder.
    y : array_like or DataFrame (n, q)
        Rows in the same order.
    noise : array_like (q,) or (q, q), optional
        Variances of the noise of the columns of y, or its covariance Ψ; by default 1.
    standardize : bool, default False
        Whether to divide the columns of y by their standard deviations first.
    weights : array_like (n,), optional
        Of the rows; only their ratios matter.
    names : sequence of str, optional
        Of the columns of y.

    Returns
    -------
    Spectrum
        Of kind "target".

    Raises
    ------
    InputError
        For tables that do not fit each other, or where x says nothing about y.
    TooFewSamples
        For a single row.

    Examples
    --------
    >>> y = [[1.0], [-1.0], [1.0], [-1.0]]
    >>> x = [[1.0], [-1.0], [0.0], [0.0]]  # explains half of y
    >>> spectrum = supervised(x, y)
    >>> spectrum.eigenvalues.round(12).tolist(), spectrum.total_variance
    ([0.5], 1.0)
    """
    joint = joint_of(x, y, noise, weights, standardize=standardize)
    note = "Spectrum of what x explains of the target y; exact." + _by_chance(joint)
    fields = joint.fields(names) | {"kind": "target", "note": note}
    return Spectrum(**resolve(joint.explained(), joint.targets, joint.total, whole=joint.total, **fields))


@checked
def conditional(
    x: Any,
    y: Any,
    *,
    noise: ArrayLike | None = None,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Spectrum:
    """Return the spectrum of a conditional VAE of y: the encoder's input is x and y, the decoder's z and x.

    Latents are left with what is not linear in the condition x.

    Parameters
    ----------
    x : array_like or DataFrame (n, p)
        The condition.
    y : array_like or DataFrame (n, q)
        Rows in the same order.
    noise : array_like (q,) or (q, q), optional
        Variances of the noise of the columns of y, or its covariance Ψ; by default 1.
    standardize : bool, default False
        Whether to divide the columns of y by their standard deviations first.
    weights : array_like (n,), optional
        Of the rows; only their ratios matter.
    names : sequence of str, optional
        Of the columns of y.

    Returns
    -------
    Spectrum
        Of kind "conditional".

    Raises
    ------
    InputError
        For tables that do not fit each other, and where columns of x depend on one another.
    TooFewSamples
        For a single row, or no more rows than columns of x.

    Examples
    --------
    >>> x = [[1.0], [-1.0], [1.0], [-1.0]]
    >>> y = [[3.0, 1.0], [-3.0, 1.0], [3.0, -1.0], [-3.0, -1.0]]  # the first feature is three times the condition
    >>> conditional(x, y).eigenvalues.round(12).tolist()
    [1.0]
    """
    joint = joint_of(x, y, noise, weights, standardize=standardize)
    found = joint.residual()
    formed = found.gram if found.matrix is None else found.matrix
    assert formed is not None
    # What is left of features that x determines is rounding of the whole y, not of the residual.
    least = EPS * joint.targets * float(strongest_of_matrix(joint.whole, 1)[0]) * 10
    note = "Spectrum of what the condition leaves of y; exact." + _by_chance(joint)
    fields = joint.fields(names) | {"kind": "conditional", "note": note}
    return Spectrum(**resolve(found, joint.targets, float(np.trace(formed)), least=least, **fields))


@dataclass(frozen=True, eq=False)
class Joint:
    """Second moments of x (n, p) and y (n, q), y in its unit, in the smaller of two spaces: of columns, or of rows."""

    x: Array  #: Σ_xx (p, p), or x itself (n, p), centred, each row times the root of its share
    y: Array  #: Σ_yy (q, q), or y itself (n, q)
    cross: Array | None  #: Σ_xy (p, q); None where x and y are the rows themselves
    samples: int  #: n
    mean: Array  #: ȳ, (q,)
    unit: Array | None  #: of y: (q,) that its columns were divided by, or a matrix
    x_names: Names
    y_names: Names

    @property
    def targets(self) -> int:
        """Number of columns of y, q."""
        return self.y.shape[1]

    @property
    def total(self) -> float:
        """Variance of y, tr Σ_yy."""
        return float(np.trace(self.y)) if self.cross is not None else float(np.square(self.y).sum())

    def fields(self, names: Sequence[str] | None) -> dict[str, Any]:
        """Return the fields of a spectrum that describe the columns of y."""
        labels = as_names(names, self.targets) or self.y_names
        scale = scale_of(self.unit, self.targets)
        return {"samples": self.samples, "names": labels, "mean": readonly(self.mean), "scale": scale}

    @cached_property
    def whole(self) -> Array:
        """Covariance Σ_yy, or the Gram matrix of the rows of y where these are fewer."""
        return self.y if self.cross is not None else _smaller_product(self.y)

    def explained(self) -> Decomposition:
        """Decompose Σ_yx Σ_xx⁺ Σ_xy; columns of x may depend on one another, and their units do not matter."""
        if self.cross is None:
            rows = self._basis().T @ self.y
            return _of_matrix(rows.T @ rows) if len(rows) >= rows.shape[1] else _of_gram(rows @ rows.T, rows)
        spread = np.sqrt(self.x.diagonal())
        unit = _varying(spread)
        lam, vectors = np.linalg.eigh(self.x / np.outer(unit, unit))
        kept = lam > EPS * len(self.x) * lam[-1] * 10
        inner = vectors[:, kept]
        projected = (inner / lam[kept] @ (inner.T @ (self.cross / unit[:, None]))) / unit[:, None]
        return _of_matrix(self.cross.T @ projected)

    def residual(self) -> Decomposition:
        """Decompose Σ_yy − Σ_yx Σ_xx⁻¹ Σ_xy; `InputError` where columns of x depend on one another."""
        if self.cross is None:
            if len(self.x) <= self.x.shape[1]:
                raise TooFewSamples(
                    f"The condition has {self.x.shape[1]} columns in {len(self.x)} rows, and so many columns determine "
                    "any y: give more rows, or fewer columns of x."
                )
            _check_collinear(self.x.T @ self.x, self.x_names)
            basis = self._basis()
            rows = self.y - basis @ (basis.T @ self.y)
            if len(rows) >= rows.shape[1]:
                return _of_matrix(rows.T @ rows)
            half = self.whole - basis @ (basis.T @ self.whole)  # P G P, with P = 1 − QQᵀ: G is there already
            return _of_gram(half - (half @ basis) @ basis.T, rows)
        _check_collinear(self.x, self.x_names)
        left = self.y - self.cross.T @ np.linalg.solve(self.x, self.cross)
        return _of_matrix((left + left.T) / 2)

    def _basis(self) -> Array:
        """Return an orthonormal basis (n, rank) of the columns of x."""
        scaled = self.x / _varying(np.linalg.norm(self.x, axis=0))
        if len(scaled) < scaled.shape[1]:
            lam, vectors = np.linalg.eigh(scaled @ scaled.T)
        else:
            vectors, size, _ = (np.asarray(part) for part in np.linalg.svd(scaled, full_matrices=False))
            lam = np.square(size)
        return np.asarray(vectors[:, lam > EPS * max(scaled.shape) * lam.max() * 10])


def joint_of(x: Any, y: Any, noise: ArrayLike | None, weights: ArrayLike | None, *, standardize: bool) -> Joint:
    """Return the second moments of two tables of as many rows, y in units of its deviations and of the noise."""
    if hasattr(x, "index") and hasattr(y, "index") and hasattr(x.index, "equals") and not x.index.equals(y.index):
        raise InputError("The rows of x and y are labelled otherwise: bring both into one order (y.loc[x.index]).")
    (left, x_names), (right, y_names) = as_table(x), as_table(y)
    if len(left) != len(right):
        raise InputError(
            f"x has {len(left)} rows and y has {len(right)}: give tables of equal length, in the same order."
        )
    if len(left) < 2:
        raise TooFewSamples("There is only one row, and one sample has no spread: at least two rows are needed.")
    share = None if weights is None else as_weights(weights, len(left))
    if share is not None and not share.any():
        raise InputError("All weights are zero: at least two rows need a positive weight.")
    tables = ((left, x_names), (right, y_names))
    if len(left) < left.shape[1] + right.shape[1]:
        return _by_rows(tables, share, noise, standardize=standardize)
    p, moments = left.shape[1], _moments(left, right, share)
    _check_finite(tables, moments)
    mean, variance = moments.mean[p:], moments.variance[p:]
    unit = _unit(mean, variance, moments.precision, noise, y_names, standardize=standardize)
    covariance = moments.covariance
    yy, cross = in_unit(covariance[p:, p:], unit), _columns_in_unit(covariance[:p, p:], unit)
    return Joint(covariance[:p, :p], yy, cross, len(left), mean, unit, x_names, y_names)


Tables = tuple[tuple[NDArray[Any], Names], ...]


def _by_rows(tables: Tables, share: Array | None, noise: ArrayLike | None, *, standardize: bool) -> Joint:
    (left, x_names), (right, y_names) = tables
    x, y = Gram(left, share), Gram(right, share)
    _check_finite(tables, x, y)
    unit = _unit(y.mean, y.variance, max(x.precision, y.precision), noise, y_names, standardize=standardize)
    rows = _columns_in_unit(y.centred(), unit)
    return Joint(x.centred(), rows, None, len(left), y.mean, unit, x_names, y_names)


def _check_finite(tables: Tables, *moments: SecondMoments) -> None:
    if all(part.finite for part in moments):
        return
    for label, (table, names) in zip("xy", tables, strict=True):
        if not np.isfinite(table).all():
            raise InputError(f"{label} cannot be used. {nonfinite_problem([table], names)}")
    raise nonfinite_problem([], None)


def _moments(left: NDArray[Any], right: NDArray[Any], share: Array | None) -> Moments:
    step = block_rows(left.shape[1] + right.shape[1])
    moments = Moments(left.shape[1] + right.shape[1])
    for first in range(0, len(left), step):
        part = slice(first, first + step)
        moments.add(np.concatenate([left[part], right[part]], axis=1), None if share is None else share[part])
    return moments


def _unit(
    mean: Array, variance: Array, precision: float, noise: ArrayLike | None, names: Names, *, standardize: bool
) -> Array | None:
    """Return the unit of the columns of y: their deviations, the noise, both, or none."""
    deviation = np.sqrt(variance)
    if standardize and np.any(deviation <= 4 * precision * np.abs(mean)):
        worst = int(np.argmin(deviation))
        raise InputError(
            f"Column {names[worst] if names else worst} of y is constant and cannot be standardised: leave it out."
        )
    metric = None if noise is None else metric_unit(noise, len(mean))
    if metric is None or not standardize:
        return deviation if standardize else metric
    return deviation * metric if metric.ndim == 1 else metric / deviation[:, None]


def _columns_in_unit(table: Array, unit: Array | None) -> Array:
    if unit is None:
        return table
    return table / unit if unit.ndim == 1 else table @ unit


def _varying(spread: Array) -> Array:
    """Return the spreads of the columns of x, 1 where a column is constant; `InputError` if all are."""
    if not np.any(spread > 0):
        raise InputError("All rows of x are equal: they say nothing about y.")
    return np.where(spread > 0, spread, 1.0)


def _check_collinear(xx: Array, names: Names) -> None:
    spread = np.sqrt(xx.diagonal())
    if not np.all(spread > 0):
        worst = int(np.argmin(spread))
        raise InputError(f"The condition {names[worst] if names else worst} is constant: leave it out of x.")
    if groups := Spectrum.from_covariance(xx / np.outer(spread, spread), names=names).dependencies():
        raise InputError(f"The conditions {', '.join(groups[0])} depend on one another: leave one of them out of x.")


def _of_gram(gram: Array, rows: Array) -> Decomposition:
    return Decomposition(np.linalg.eigvalsh(gram)[::-1], gram=gram, lift=partial(_lift, rows))


def _of_matrix(matrix: Array) -> Decomposition:
    return Decomposition(np.linalg.eigvalsh(matrix)[::-1], matrix)


def _smaller_product(rows: Array) -> Array:
    return rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows


def _lift(rows: Array, values: Array, inner: Array) -> Array:
    return np.asarray(rows.T @ (inner / np.sqrt(values)))


def _by_chance(joint: Joint) -> str:
    """Return a warning where x explains much of y in these rows that it would not explain in others."""
    columns = joint.x.shape[1]
    if joint.samples >= FEW * columns:
        return ""
    share = min(1.0, columns / max(joint.samples - 1, 1))
    return f" (Of these rows: {columns} columns of x in {joint.samples} rows explain {share:.0%} of any noise.)"
