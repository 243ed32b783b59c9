"""The spectrum of the first collapse, under any reconstruction term ℓ(x, f).

    c* = λ_max(⟨H⟩^−½ Cov(s) ⟨H⟩^−½),    s = ∂ℓ/∂f,  H = ∂²ℓ/∂f²   at the best constant output f₀

At a price b/a of a nat below c* the collapsed state is not a minimum, whatever the network is
(`landau-vae derive any-reconstruction-loss`). An encoder that is linear in x answers with the
part of its score that is linear in x: Cov(s, x) Σ⁺ Cov(x, s) in place of Cov(s). Directions
without curvature are left out, where the score has no part either (softmax); else c* = ∞.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import Count, checked
from landau_vae.data.convert import plain
from landau_vae.data.tables import as_names, as_table, as_weights, nonfinite_problem
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.likelihoods import Likelihood, Rest, as_likelihood, with_sizes
from landau_vae.spectrum._conditional import supervised
from landau_vae.spectrum.spectrum import Spectrum

FLAT = 1e-10  # of the largest curvature: what counts as none
SILENT = 1e-12  # of the variance of all scores: what counts as none along a flat direction
Encoder = Literal["free", "linear"]


@checked
def score(
    data: Any,
    loss: Any,
    *,
    encoder: Encoder = "free",
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    modes: Count | None = None,
    sizes: Any = None,
) -> Spectrum:
    """Return the spectrum of the data from the collapsed state of a loss.

    The first eigenvalue is the price b/a of a nat below which the collapsed state is unstable:
    exact, and local. Where scores are skewed, a living state may survive above it. Later
    eigenvalues are predictions from the collapsed background. Squared errors have the plain
    spectrum, and likelihoods with a variance function that of `Spectrum.from_data`; for these
    a linear encoder loses nothing.

    Parameters
    ----------
    data : array_like or DataFrame (n, d)
        Samples.
    loss : Loss, Likelihood or str
        The reconstruction term: a loss, its likelihood, or the name of that.
    encoder : {"free", "linear"}, default "free"
        Whether posteriors are any function of x, or their means and log-variances are linear
        in x.
    weights : array_like (n,), optional
        Of the samples; only their ratios matter.
    names : sequence of str, optional
        Of the features.
    modes : int, optional
        How many of the strongest modes to find; all by default.
    sizes : "total" or (n,) array, optional
        Of counts: the size of each row that the decoder is given and that multiplies its means
        (a library size), or the totals of the rows. A loss of scvi-tools has the totals of
        itself.

    Returns
    -------
    Spectrum
        Of kind "score", unless it is one that `Spectrum.from_data` returns.

    Raises
    ------
    InputError
        For data out of the likelihood's range.
    OutsideTheory
        If there is no local threshold (an absolute error with an atom at each median), or the
        collapsed state is unstable at every price.

    Examples
    --------
    >>> from landau_vae.likelihoods import huber
    >>> score([[-3.0], [-1.0], [1.0], [3.0]], huber(2.0)).eigenvalues.round(9).tolist()  # ⟨s²⟩/⟨H⟩ = 2.5/.5
    [5.0]
    """
    likelihood = as_likelihood(getattr(loss, "likelihood", loss))
    if likelihood.by_mean and sizes is None:
        return Spectrum.from_data(data, weights=weights, names=names, likelihood=likelihood, modes=modes)
    table, own_names = as_table(data)
    if not np.isfinite(table).all():
        raise nonfinite_problem([table], own_names)
    rows = np.asarray(table, dtype=np.float64)
    share = None if weights is None else as_weights(weights, len(rows))
    given, all_columns = with_sizes(
        likelihood, rows, sizes if sizes is None or isinstance(sizes, str) else plain(sizes)
    )
    given.must_hold(all_columns)
    labels = as_names(names, rows.shape[1]) or own_names
    return of_rest(likelihood, given.rest(all_columns, share), rows, share, encoder, labels, modes)


def of_rest(
    likelihood: Likelihood, rest: Rest, rows: Array, weights: Array | None = None, encoder: Encoder = "free",
    names: tuple[str, ...] | None = None, modes: int | None = None,
) -> Spectrum:  # fmt: skip
    """Return the spectrum of the first collapse of rows whose collapsed state is known."""
    scores = _in_unit(rest, weights)
    if encoder == "linear":
        found = supervised(rows, scores, weights=weights)
    else:
        found = Spectrum.from_data(scores, weights=weights, modes=modes)
    who = f"a {likelihood.title} decoder" + " and an encoder linear in x" * (encoder == "linear")
    note = f"Spectrum of the collapsed state, for {who}. The first threshold is exact as that of the collapsed "
    note += "state's own stability; later ones are predictions from the collapsed background."
    return replace(
        found, dimension=rows.shape[1], names=names, kind="score", likelihood=likelihood, scale=None,
        mean=readonly(np.average(rows, axis=0, weights=weights)), note=f"{note} {rest.note}".strip(),
    )  # fmt: skip


def _in_unit(rest: Rest, weights: Array | None) -> Array:
    """Return the scores times ⟨H⟩^−½, without the directions that have no curvature."""
    score = rest.score - np.average(rest.score, axis=0, weights=weights)
    curvature, n = rest.curvature, len(score)
    if curvature.ndim == 1:
        axes, values = score, curvature
    elif curvature.ndim == 3:
        values, vectors = np.linalg.eigh(curvature)
        axes = np.einsum("njd,djk->ndk", score.reshape(n, -1, len(values)), vectors).reshape(n, -1)
        values = values.ravel()
    else:
        stuck = np.isinf(curvature.diagonal())  # outputs that cannot move by a small amount
        score = score[:, ~stuck]
        values, vectors = np.linalg.eigh(curvature[np.ix_(~stuck, ~stuck)])
        axes = score @ vectors
    curved = values > FLAT * np.max(values[np.isfinite(values)], initial=0.0) * (curvature.ndim > 1)
    variance = np.average(np.square(axes), axis=0, weights=weights)
    _check_flat(values, variance, curved)
    return np.asarray(axes / np.sqrt(np.where(curved, values, np.inf)))


def _check_flat(values: Array, variance: Array, curved: NDArray[np.bool_]) -> None:
    """Raise an error where the loss has a score along a direction, and no curvature."""
    speaks = ~curved & (variance > SILENT * variance.sum())
    if not speaks.any():
        return
    if values[speaks].min() < -FLAT * np.max(np.abs(values[np.isfinite(values)])):
        raise InputError(
            "The best constant output that was found is no minimum of the loss: its mean curvature is negative there. "
            "Check the likelihood's score and curvature.", "loss"
        )  # fmt: skip
    raise OutsideTheory(
        "Along some outputs the loss has scores and no mean curvature: the collapsed state is unstable at every price "
        "(c* = ∞). For a Huber loss that says that no row is within δ of the best constant: take a larger δ.",
        np.inf,
    )
