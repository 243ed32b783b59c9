"""Spectra in units of a noise: Ψ^(−½) C Ψ^(−½), with a Ψ that is given or the likelihood's variance at the mean.

    ½⟨(x − Wz)ᵀ Ψ⁻¹ (x − Wz)⟩ + β Σ KL    is the plain linear VAE of Ψ^(−½) C Ψ^(−½): exact (σ_dec² = 1, price β)

A decoder of any exponential family has F, the variance of the likelihood at the mean of each
feature, for Ψ: x̄(1 − x̄) for a Bernoulli, x̄ for a Poisson, x̄ + x̄²/θ for a negative binomial
decoder, whatever its link. The collapsed state of a decoder with linear logits (log-means, …)
is unstable for each mode of this spectrum above b/a, so the first threshold is exact; once a
mode is active the others shift. Derivations: `landau-vae derive variations`,
`exponential-family`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import checked, numbers
from landau_vae.data.moments import Decomposition, in_unit
from landau_vae.data.source import of_data
from landau_vae.data.tables import as_covariance, check_semidefinite
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.likelihoods import FAMILY
from landau_vae.spectrum.build import Fields, check_rows, fields_in_unit, fields_of, resolve
from landau_vae.spectrum.spectrum import Spectrum

SINGULAR = 1e-10  # of its largest eigenvalue: what a noise metric must have in every direction
NOTE_METRIC = "Spectrum of the covariance in units of the noise metric; exact."
NOTE_FAMILY = "Spectrum of the data in units of the likelihood's variance at the mean; the first threshold is exact."


@checked
def noise_metric(
    data: Any, noise: ArrayLike, *, weights: ArrayLike | None = None, names: Sequence[str] | None = None
) -> Spectrum:
    """Return the spectrum of data whose features have noise of their own, Ψ^(−½) C Ψ^(−½).

    A decoder variance in the loss multiplies Ψ.

    Parameters
    ----------
    data : array_like, DataFrame, Dask collection (n, d) or Spectrum
        Samples, read once, or a spectrum with its covariance.
    noise : array_like (d,) or (d, d)
        Variances of the features, or their noise covariance Ψ.
    weights : array_like (n,), optional
        Of the samples; only their ratios matter.
    names : sequence of str, optional
        Of the features.

    Returns
    -------
    Spectrum
        Of kind "noise metric". Its `scale` is None for a Ψ that mixes features.

    Raises
    ------
    InputError
        For a noise metric that is singular, or does not fit the data.

    Examples
    --------
    >>> spectrum = noise_metric([[2, 0], [-2, 0], [0, 1], [0, -1]], [4.0, 0.25])
    >>> spectrum.eigenvalues.tolist(), spectrum.total_variance
    ([2.0, 0.5], 2.5)
    """
    if isinstance(data, Spectrum):
        return _of_spectrum(data, noise)
    source = of_data(data, weights, names)
    moments = source.moments()
    check_rows(moments)
    unit = metric_unit(noise, len(moments.mean))
    return Spectrum(**fields_in_unit(moments, source.names, unit, "noise metric", note=NOTE_METRIC))


@checked
def exponential_family(
    data: Any,
    variance: Callable[[Array], Any],
    *,
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Spectrum:
    """Return the spectrum for a likelihood that is known by its variance function; its loss is `Loss.of`.

    Bernoulli and Poisson decoders have it by name:
    `Spectrum.from_data(X, likelihood="bernoulli")`.

    Parameters
    ----------
    data : array_like, DataFrame or Dask collection (n, d)
        Samples, read once.
    variance : callable
        Takes the means of the features (d,) and returns the likelihood's variances at them, all
        positive.
    weights : array_like (n,), optional
        Of the samples; only their ratios matter.
    names : sequence of str, optional
        Of the features.

    Returns
    -------
    Spectrum
        Of kind "exponential family".

    Raises
    ------
    InputError
        For a variance function that fails, or is not positive at every mean.

    Examples
    --------
    >>> counts = [[0, 4], [2, 4], [4, 1], [2, 3]]
    >>> exponential_family(counts, lambda m: m + m**2 / 2).eigenvalues.round(4).tolist()
    [0.6622, 0.0378]
    """
    source = of_data(data, weights, names)
    fields = fields_of(source.moments(), source.names, likelihood=replace(FAMILY, variance=variance))
    return Spectrum(**fields | {"likelihood": FAMILY, "note": NOTE_FAMILY})


def metric_unit(noise: ArrayLike, features: int) -> Array:
    """Return the unit of a noise metric: √Ψ of variances (d,), to divide by; Ψ^(−½) of a matrix (d, d), to multiply."""
    values = numbers(noise, "noise")
    if values.ndim == 1:
        if len(values) != features:
            raise InputError(f"The noise metric has {len(values)} variances, but there are {features} features.")
        if not np.all(np.isfinite(values) & (values > 0)):
            worst = int(np.argmin(np.where(np.isfinite(values), values, -np.inf)))
            raise InputError(
                f"Variances of noise must be positive and finite, but that of feature {worst} is {values[worst]}."
            )
        return np.sqrt(values)
    matrix, _ = as_covariance(values, "noise metric")
    if len(matrix) != features:
        raise InputError(f"The noise metric is {matrix.shape}, but there are {features} features.")
    lam, vectors = np.linalg.eigh(matrix)
    check_semidefinite(float(lam[0]), matrix)
    if lam[0] <= SINGULAR * lam[-1]:
        raise InputError(
            f"The noise metric is singular (eigenvalues {lam[0]:.3g} to {lam[-1]:.3g}): every direction needs noise."
        )
    return np.asarray(vectors / np.sqrt(lam) @ vectors.T)


def _of_spectrum(plain: Spectrum, noise: ArrayLike) -> Spectrum:
    """Return the spectrum of a covariance that is known, in units of the noise."""
    if not plain.likelihood.unit_metric:
        raise InputError(f"A noise metric belongs to squared errors, but this spectrum is for {plain.likelihood} ones.")
    if plain.matrix is None:
        raise InputError("This spectrum has no covariance, only eigenvalues: give the data, or from_covariance.")
    unit = metric_unit(noise, len(plain.matrix))
    found = Decomposition.of(in_unit(plain.matrix, unit))
    scale = None if plain.scale is None or unit.ndim == 2 else readonly(plain.scale * unit)
    fields: Fields = {"samples": plain.samples, "names": plain.names, "mean": plain.mean, "scale": scale}
    fields |= {"kind": "noise metric", "note": NOTE_METRIC}
    return Spectrum(**resolve(found, plain.dimension, found.trace, **fields))
