"""Spectra of two tables: what x explains of a target y, and what a condition x leaves of y.

    ½⟨(y − Wz − Bx)ᵀ Ψ⁻¹ (y − Wz − Bx)⟩ + β Σ KL

Completing the square in what the decoder can give leaves the plain linear VAE of another
covariance, so thresholds, order parameters and rates are exact (`landau-vae derive variations`;
conditional: Dang et al., arXiv:2306.05023; targets: Wang & Ziyin, arXiv:2205.04009). Where Ψ is
given, σ_dec² = 1 and the price is β. Distortions are shares of the target's variance tr Ψ⁻¹Σ_yy
(of a conditional VAE: of what x leaves of it). Tables of fewer rows than columns are worked on
by rows: with Q an orthonormal basis of the columns of x, y is QQᵀy + (y − QQᵀy).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import checked
from landau_vae.data.convert import Names
from landau_vae.data.gram import Gram
from landau_vae.data.moments import EPS, Decomposition, Moments, SecondMoments, block_rows, cut, in_unit
from landau_vae.data.tables import as_names, as_table, as_weights, deviations, nonfinite_problem
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError, TooFewSamples
from landau_vae.spectrum._noise_metric import metric_unit
from landau_vae.spectrum.build import ONE_ROW, resolve, scale_of
from landau_vae.spectrum.spectrum import Spectrum

FEW = 10  # rows per column of x, below which chance explains a good part of y


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

    What x does not explain of y no latent can encode: it stays in the total variance, as
    distortion at every β.

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
    what = "Spectrum of what x explains of the target y; exact."
    return joint.spectrum(joint.explained(), what, joint.total, names, kind="target", whole=joint.total)


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
    what = "Spectrum of what the condition leaves of y; exact."
    # Of features that x determines rounding is left, that of the whole y: its λ₁ is at most λ₁ here + what x explains.
    whole = 10 * (float(found.values[0]) + joint.total - found.trace)
    return joint.spectrum(found, what, found.trace, names, kind="conditional", whole=whole)


@dataclass(frozen=True, eq=False)
class Joint:
    """Second moments of x (n, p), its columns divided by their deviations, and of y (n, q) in its unit."""

    samples: int  #: n
    columns: int  #: p
    mean: Array  #: ȳ, (q,)
    unit: Array | None  #: of y: (q,) that its columns were divided by, or a matrix
    total: float  #: variance of y, tr Σ_yy
    x_names: Names
    y_names: Names

    def spectrum(
        self, found: Decomposition, what: str, total: float, names: Sequence[str] | None, **options: Any
    ) -> Spectrum:
        """Return the spectrum of a part of Σ_yy; `options` are those of `resolve`."""
        if self.samples < FEW * self.columns:  # x explains much of y in these rows that it would not explain in others
            share = min(1.0, self.columns / max(self.samples - 1, 1))
            size = f"{self.columns} columns of x in {self.samples} rows"
            what += f" (Of these rows: {size} explain {share:.0%} of any noise.)"
        targets = len(self.mean)
        options |= {"samples": self.samples, "names": as_names(names, targets) or self.y_names, "note": what}
        options |= {"mean": readonly(self.mean), "scale": scale_of(self.unit, targets)}
        return Spectrum(**resolve(found, targets, total, **options))


@dataclass(frozen=True, eq=False)
class ByColumns(Joint):
    """Covariances of x and y."""

    xx: Array  #: (p, p)
    yy: Array  #: (q, q)
    cross: Array  #: Σ_xy (p, q)

    def explained(self) -> Decomposition:
        """Decompose Σ_yx Σ_xx⁺ Σ_xy; columns of x may depend on one another, and their units do not matter."""
        lam, vectors = np.linalg.eigh(self.xx)
        kept = lam > EPS * self.columns * lam[-1] * 10
        inner = vectors[:, kept].T @ self.cross
        return Decomposition.of(inner.T / lam[kept] @ inner)

    def residual(self) -> Decomposition:
        """Decompose Σ_yy − Σ_yx Σ_xx⁻¹ Σ_xy; `InputError` where columns of x depend on one another."""
        _check_collinear(self.xx, self.x_names)
        left = self.yy - self.cross.T @ np.linalg.solve(self.xx, self.cross)
        return Decomposition.of((left + left.T) / 2)


@dataclass(frozen=True, eq=False)
class ByRows(Joint):
    """The rows of x and y, where they are fewer than the columns of both together."""

    x: Array  #: rows (n, p) about their mean, each times the root of its share; where n < p, their Gram matrix (n, n)
    y: Gram

    def explained(self) -> Decomposition:
        """Decompose Σ_yx Σ_xx⁺ Σ_xy: Q Qᵀ y."""
        told = self.y.lift(self.unit, self._basis())
        if told.shape[0] <= told.shape[1]:
            return Decomposition.of(told @ told.T)
        return Decomposition.of(told.T @ told, lift=partial(np.matmul, told))

    def residual(self) -> Decomposition:
        """Decompose Σ_yy − Σ_yx Σ_xx⁻¹ Σ_xy: y − Q Qᵀ y."""
        if self.samples <= self.columns:
            raise TooFewSamples(
                f"The condition has {self.columns} columns in {self.samples} rows, and so many columns determine "
                "any y: give more rows, or fewer columns of x."
            )
        _check_collinear(self.x.T @ self.x, self.x_names)
        basis = self._basis()
        if self.samples >= len(self.mean):
            rows = _outside(basis, self.y.centred(self.unit))
            return Decomposition.of(rows.T @ rows)
        half = _outside(basis, self.y.gram(self.unit))
        return Decomposition.of(_outside(basis, half.T), lift=partial(self._lift, basis))

    def _basis(self) -> Array:
        """Return an orthonormal basis (n, rank) of the columns of x."""
        from scipy.linalg import qr  # here, so that spectra need NumPy only

        vectors, triangle, _ = qr(self.x, mode="economic", pivoting=True)
        size = np.abs(triangle.diagonal())
        size = size if self.samples < self.columns else size**2
        return np.asarray(vectors[:, size > EPS * max(self.samples, self.columns) * size[0] * 10])

    def _lift(self, basis: Array, inner: Array) -> Array:
        return self.y.lift(self.unit, _outside(basis, inner))


def joint_of(
    x: Any, y: Any, noise: ArrayLike | None, weights: ArrayLike | None, *, standardize: bool
) -> ByColumns | ByRows:
    """Return the second moments of two tables of as many rows, y in units of its deviations and of the noise."""
    if hasattr(x, "index") and hasattr(y, "index") and hasattr(x.index, "equals") and not x.index.equals(y.index):
        raise InputError("The rows of x and y are labelled otherwise: bring both into one order (y.loc[x.index]).")
    (left, x_names), (right, y_names) = as_table(x), as_table(y)
    if len(left) != len(right):
        raise InputError(
            f"x has {len(left)} rows and y has {len(right)}: give tables of equal length, in the same order."
        )
    if len(left) < 2:
        raise TooFewSamples(ONE_ROW)
    share = None if weights is None else as_weights(weights, len(left))
    if share is not None and not share.any():
        raise InputError("All weights are zero: at least two rows need a positive weight.")
    tables = ((left, x_names), (right, y_names))
    if len(left) < left.shape[1] + right.shape[1]:
        return _by_rows(tables, share, noise, standardize=standardize)
    p, moments = left.shape[1], _moments(left, right, share)
    _check_finite(tables, moments)
    mean, covariance, variance = moments.mean[p:], moments.covariance, moments.variance
    unit = _unit(mean, variance[p:], moments.precision, noise, y_names, standardize=standardize)
    spread = _varying(variance[:p])
    cross = covariance[:p, p:] / spread[:, None]
    if unit is not None:
        cross = cross / unit if unit.ndim == 1 else cross @ unit
    xx, yy = in_unit(covariance[:p, :p], spread), in_unit(covariance[p:, p:], unit)
    return ByColumns(len(left), p, mean, unit, float(np.trace(yy)), x_names, y_names, xx, yy, cross)


Tables = tuple[tuple[NDArray[Any], Names], ...]


def _by_rows(tables: Tables, share: Array | None, noise: ArrayLike | None, *, standardize: bool) -> ByRows:
    (left, x_names), (right, y_names) = tables
    x, y = Gram(left, share), Gram(right, share)
    _check_finite(tables, x, y)
    unit = _unit(y.mean, y.variance, max(x.precision, y.precision), noise, y_names, standardize=standardize)
    spread, (n, p) = _varying(x.variance), left.shape
    total = float(np.trace(y.gram(unit))) if unit is not None and unit.ndim == 2 else y.total(unit)
    rows = x.gram(spread) if n < p else x.centred(spread)
    return ByRows(n, p, y.mean, unit, total, x_names, y_names, rows, y)


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
    for (x, weights), (y, _) in zip(cut(left, share, step), cut(right, None, step), strict=True):
        moments.add(np.concatenate([x, y], axis=1), weights)
    return moments


def _unit(
    mean: Array, variance: Array, precision: float, noise: ArrayLike | None, names: Names, *, standardize: bool
) -> Array | None:
    """Return the unit of the columns of y: their deviations, the noise, both, or none."""
    deviation = deviations(variance, mean, precision, names, " of y") if standardize else None
    metric = None if noise is None else metric_unit(noise, len(mean))
    if metric is None or deviation is None:
        return deviation if metric is None else metric
    return deviation * metric if metric.ndim == 1 else metric / deviation[:, None]


def _varying(variance: Array) -> Array:
    """Return the deviations of the columns of x, 1 where a column is constant; `InputError` if all are."""
    if not np.any(variance > 0):
        raise InputError("All rows of x are equal: they say nothing about y.")
    return np.sqrt(np.where(variance > 0, variance, 1.0))


def _check_collinear(xx: Array, names: Names) -> None:
    worst = int(np.argmin(xx.diagonal()))
    if not xx[worst, worst] > 0:
        raise InputError(f"The condition {names[worst] if names else worst} is constant: leave it out of x.")
    if groups := Spectrum.from_covariance(xx, names=names).dependencies():
        raise InputError(f"The conditions {', '.join(groups[0])} depend on one another: leave one of them out of x.")


def _outside(basis: Array, columns: Array) -> Array:
    """Return what no combination of the vectors of a basis makes of columns."""
    return columns - basis @ (basis.T @ columns)
