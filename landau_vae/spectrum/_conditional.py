"""Spectra of the linear VAE with another noise metric, another target, or a decoder that sees a condition.

    ½⟨(y − Wz − Bx)ᵀ Ψ⁻¹ (y − Wz − Bx)⟩ + β Σ KL

Completing the square in what the decoder can give leaves the plain linear VAE of another covariance, so thresholds,
order parameters and rates are exact (`landau-vae derive variations`; conditional: Dang et al., arXiv:2306.05023;
targets: Wang & Ziyin, arXiv:2205.04009). Where Ψ is given, σ_dec² = 1 and the price is β. Distortions are shares of the
target's variance tr Ψ⁻¹Σ_yy (of a conditional VAE: of what x leaves of it).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.data.tables import as_names
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.spectrum.joint_moments import inverse_root, joint_moments
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["CONDITIONAL", "SUPERVISED", "conditional", "noise_metric", "supervised"]

EPS = float(np.finfo(np.float64).eps)
SUPERVISED = "Spectrum of what x tells of the target y; exact."
CONDITIONAL = "Spectrum of what the condition leaves of y; exact."
FEW = 10  # rows per column of x, below which chance tells a good part of y


def noise_metric(
    data: Any, noise: ArrayLike, *, weights: ArrayLike | None = None, names: Sequence[str] | None = None
) -> Spectrum:
    """The spectrum where each feature has noise of its own: `noise` holds variances (d,) or a covariance Ψ (d, d).

    `data` are samples × features, or a `Spectrum` with its covariance. A decoder variance in the loss multiplies Ψ.

    >>> spectrum = noise_metric([[2, 0], [-2, 0], [0, 1], [0, -1]], [4.0, 0.25])
    >>> spectrum.eigenvalues.tolist(), spectrum.total_variance
    ([2.0, 0.5], 2.5)
    """
    plain = data if isinstance(data, Spectrum) else Spectrum.from_data(data, weights=weights, names=names)
    if plain.likelihood != "gaussian":
        raise InputError(f"A noise metric belongs to squared errors, but this spectrum is for {plain.likelihood} ones.")
    matrix = _covariance(plain) if isinstance(data, Spectrum) or plain.matrix is not None else _full(data, weights)
    root = inverse_root(noise, len(matrix))
    assert root is not None
    return _spectrum(
        root @ matrix @ root,
        None,
        plain.samples,
        plain.names,
        "Spectrum of the covariance in units of the noise metric; exact.",
    )


def supervised(
    x: Any,
    y: Any,
    *,
    noise: ArrayLike | None = None,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Spectrum:
    """The spectrum of a bottleneck that sees x (n, p) and has to give y (n, q): regression, denoising, supervision.

    What x does not tell of y no latent can encode: it stays in the total variance, as distortion at every β.

    >>> y = [[1.0], [-1.0], [1.0], [-1.0]]
    >>> x = [[1.0], [-1.0], [0.0], [0.0]]  # tells y half of the time
    >>> spectrum = supervised(x, y)
    >>> spectrum.eigenvalues.round(12).tolist(), spectrum.total_variance
    ([0.5], 1.0)
    """
    joint = joint_moments(x, y, weights, standardize=standardize)
    root = inverse_root(noise, len(joint.yy))
    explained = joint.xy.T @ _projected(joint.xx, joint.xy)
    return _spectrum(
        _in_units(explained, root),
        float(np.trace(_in_units(joint.yy, root))),
        joint.samples,
        as_names(names, len(joint.yy)) or joint.y_names,
        SUPERVISED + _by_chance(joint.samples, len(joint.xx)),
    )


def conditional(
    x: Any,
    y: Any,
    *,
    noise: ArrayLike | None = None,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Spectrum:
    """The spectrum of a conditional VAE of y (n, q): its encoder sees x and y, its decoder z and x (n, p).

    Latents are left with what is not linear in the condition. Raises `InputError` where conditions are collinear.

    >>> x = [[1.0], [-1.0], [1.0], [-1.0]]
    >>> y = [[3.0, 1.0], [-3.0, 1.0], [3.0, -1.0], [-3.0, -1.0]]  # the first feature is three times the condition
    >>> conditional(x, y).eigenvalues.round(12).tolist()
    [1.0]
    """
    joint = joint_moments(x, y, weights, standardize=standardize)
    _check_collinear(joint.xx, joint.x_names)
    root = inverse_root(noise, len(joint.yy))
    residual = joint.yy - joint.xy.T @ np.linalg.solve(joint.xx, joint.xy)
    # What is left of features that x determines is rounding of the whole, not of the rest.
    lost = EPS * len(joint.yy) * float(np.linalg.norm(_in_units(joint.yy, root), 2)) * 10
    return _spectrum(
        _in_units((residual + residual.T) / 2, root),
        None,
        joint.samples,
        as_names(names, len(joint.yy)) or joint.y_names,
        CONDITIONAL + _by_chance(joint.samples, len(joint.xx)),
        least=lost,
    )


def _by_chance(samples: int, columns: int) -> str:
    """A word where x tells much of y in these rows that it would not tell in others."""
    if samples >= FEW * columns:
        return ""
    share = min(1.0, columns / max(samples - 1, 1))
    return f" (Of these rows: {columns} columns of x in {samples} rows tell {share:.0%} of any noise.)"


def _covariance(plain: Spectrum) -> Array:
    if plain.matrix is None:
        raise InputError("This spectrum has no covariance, only eigenvalues: give the data, or from_covariance.")
    return np.asarray(plain.matrix)


def _full(data: Any, weights: ArrayLike | None) -> Array:
    """The covariance of a wide table."""
    return joint_moments(data, data, weights, standardize=False).xx


def _in_units(matrix: Array, root: Array | None) -> Array:
    return matrix if root is None else root @ matrix @ root


def _projected(xx: Array, xy: Array) -> Array:
    """Σ_xx⁺ Σ_xy: inputs may depend on one another, what they tell does not, and their units do not matter."""
    spread = np.sqrt(xx.diagonal())
    varies = spread > 0
    if not varies.any():
        raise InputError("All rows of x are equal: they tell nothing of y.")
    unit = np.where(varies, spread, 1.0)
    lam, vectors = np.linalg.eigh(xx / np.outer(unit, unit))
    kept = lam > EPS * len(xx) * lam[-1] * 10
    inner = vectors[:, kept]
    return np.asarray(inner / lam[kept] @ (inner.T @ (xy / unit[:, None]))) / unit[:, None]


def _check_collinear(xx: Array, names: tuple[str, ...] | None) -> None:
    spread = np.sqrt(xx.diagonal())
    if not np.all(spread > 0):
        worst = int(np.argmin(spread))
        raise InputError(f"The condition {names[worst] if names else worst} is constant: leave it out of x.")
    found = Spectrum.from_covariance(xx / np.outer(spread, spread), names=names)
    if groups := found.dependencies():
        raise InputError(
            f"The conditions {', '.join(groups[0])} depend on one another: leave one of them out of x, the others "
            "tell as much."
        )


def _spectrum(
    matrix: Array,
    total: float | None,
    samples: int | None,
    names: tuple[str, ...] | None,
    note: str,
    *,
    least: float = 0.0,
) -> Spectrum:
    """A spectrum of a matrix whose rows and columns are features; nothing below `least` is a mode."""
    values = np.linalg.eigvalsh(matrix)[::-1]
    floor = max(EPS * len(matrix) * max(float(values[0]), float(total or 0.0)), least)
    if not values[0] > floor:
        raise InputError("Nothing is left to encode: every direction of the target is without variance of its own.")
    return Spectrum(
        readonly(values[values > floor]),
        len(matrix),
        float(np.trace(matrix)) if total is None else total,
        floor,
        samples=samples,
        names=names,
        matrix=readonly(matrix),
        note=note,
    )
