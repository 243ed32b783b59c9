"""The spectrum of the first collapse, under any reconstruction term ℓ(x, f).

    c* = λ_max(⟨H⟩^−½ Cov(s) ⟨H⟩^−½),    s = ∂ℓ/∂f,  H = ∂²ℓ/∂f²   at the best constant output f₀

At a price b/a of a nat below c* the collapsed state is not a minimum, whatever the network is
(`landau-vae derive any-reconstruction-loss`). An encoder that is linear in x answers with the
part of its score that is linear in x: Cov(s, x) Σ⁺ Cov(x, s) in place of Cov(s). Directions
without curvature are left out, where the score has no part either (softmax); else c* = ∞.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import Count, checked
from landau_vae.data.convert import plain
from landau_vae.data.moments import Decomposition
from landau_vae.data.tables import as_names, as_table, as_weights, nonfinite_problem
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError, OutsideTheory, TooFewSamples, reason
from landau_vae.likelihoods import Likelihood, Rest, as_likelihood, with_sizes
from landau_vae.spectrum._conditional import supervised
from landau_vae.spectrum.build import EQUAL_ROWS, NO_WEIGHT, ONE_ROW, Fields, Kind, resolve
from landau_vae.spectrum.spectrum import Spectrum

FLAT = 1e-10  # of the largest curvature: what counts as none
SILENT = 1e-12  # of the variance of scores: what counts as none along a flat direction
WHOLE = 300  # rows up to which all modes are found, where the curvature is not formed
FIRST = 6  # modes that are found of more rows, unless their number is given
PROBES = 32  # random directions that the total variance is then estimated from
SETTLED = 1e-7  # residual of modes, and of linear equations, as a share
MOST_STEPS = 3000  # of conjugate gradients
OWN = 0x73636F72  # stream of the start of Lanczos' method, and of the probes
NO_MINIMUM = (
    "The best constant output that was found is not a minimum of the loss, because its mean curvature is negative "
    "there. A term with kinks, such as an absolute error, has its curvature in the density of the data: take "
    "laplace() or smooth_l1()."
)
EQUAL_SCORES = (
    "The loss has the same slope at the best constant output for all rows, although they differ, so that no latent "
    "lowers it: the data may be too small for its rounding (rescale them), or its function is constant."
)
LARGEST = np.sqrt(np.finfo(float).max) * 1e-4  # of data whose squares are summed
Encoder = Literal["free", "linear"]
KINDS: dict[Encoder, Kind] = {"free": "score", "linear": "score, linear encoder"}


@checked
def score(
    data: Any,
    loss: Any,
    *,
    encoder: Encoder = "free",
    standardize: bool = False,
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
    standardize : bool, default False
        Whether the loss is of features divided by their standard deviations.
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
        Of kind "score" (or "score, linear encoder"), unless it is one that `Spectrum.from_data`
        returns. Its `vectors` are of scores, not of features.

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
    likelihood = as_likelihood(getattr(loss, "likelihood", loss), "loss")
    if likelihood.by_mean and sizes is None:
        options: dict[str, Any] = {"standardize": standardize, "likelihood": likelihood, "modes": modes}
        found = Spectrum.from_data(data, weights=weights, names=names, **options)
        return found if likelihood.squared else replace(found, note=_note(likelihood, "free"))
    table, own_names = as_table(data)
    if not np.isfinite(table).all():
        raise nonfinite_problem([table], own_names)
    rows: Array = np.asarray(table, dtype=np.float64)
    share = None if weights is None else as_weights(weights, len(rows))
    rows = standardized(rows, share) if standardize else rows
    given, all_columns = with_sizes(likelihood, rows, as_sizes(sizes))
    given.must_hold(all_columns)
    _check_rows(rows, own_names, share)
    labels = as_names(names, rows.shape[1]) or own_names
    return of_rest(likelihood, given.rest(all_columns, share), rows, share, encoder, labels, modes)


def _check_rows(rows: Array, names: tuple[str, ...] | None, weights: Array | None) -> None:
    """Raise an error unless there are two different rows that count, with squares that can be computed with."""
    if len(rows) < 2:
        raise TooFewSamples(ONE_ROW)
    if weights is not None and not weights.any():
        raise InputError(NO_WEIGHT, "weights")
    if not np.ptp(rows, axis=0).any():
        raise InputError(EQUAL_ROWS)
    if not np.abs(rows).max() < LARGEST:
        raise nonfinite_problem([], names)


def as_sizes(sizes: Any) -> Any:
    """Return sizes of rows as an array, or the word that they are given by."""
    try:
        return sizes if isinstance(sizes, str | None) else plain(sizes)
    except Exception as problem:  # of any library
        raise InputError(f"sizes cannot be read ({reason(problem)}): give one number for each row.", "sizes") from None


def standardized(rows: Array, weights: Array | None = None) -> Array:
    """Return rows about their mean, in units of the deviation of each column that varies."""
    centred = rows - np.average(rows, axis=0, weights=weights)
    deviation = np.sqrt(np.average(np.square(centred), axis=0, weights=weights))
    return np.asarray(centred / np.where(deviation > 0, deviation, 1.0))


def of_rest(
    likelihood: Likelihood, rest: Rest, rows: Array, weights: Array | None = None, encoder: Encoder = "free",
    names: tuple[str, ...] | None = None, modes: int | None = None,
) -> Spectrum:  # fmt: skip
    """Return the spectrum of the first collapse of rows whose collapsed state is known."""
    if rest.stuck:
        raise OutsideTheory(rest.note, rest)
    if not np.ptp(rest.score, axis=0).any():
        raise InputError(EQUAL_SCORES, "data")
    if callable(rest.curvature):
        if encoder == "linear":
            raise OutsideTheory(f"Of {len(rest.output)} outputs no curvature is formed; a linear encoder needs it.")
        found = Spectrum(**_by_rows(rest, weights, modes))
    elif encoder == "linear":
        found = supervised(rows, in_unit(rest, weights), weights=weights)
    else:
        found = Spectrum.from_data(in_unit(rest, weights), weights=weights, modes=modes)
    return as_score(found, likelihood, rest, rows, weights, encoder, names)


def as_score(
    spectrum: Spectrum, likelihood: Likelihood, rest: Rest, rows: Array, weights: Array | None = None,
    encoder: Encoder = "free", names: tuple[str, ...] | None = None,
) -> Spectrum:  # fmt: skip
    """Return the spectrum of scores as one of the rows, with what is to be known of it."""
    note = _note(likelihood, encoder, rest.note) + (f" {spectrum.note}" if callable(rest.curvature) else "")
    return replace(
        spectrum, dimension=rows.shape[1], names=names, kind=KINDS[encoder], likelihood=likelihood, scale=None,
        mean=readonly(np.average(rows, axis=0, weights=weights)), note=note.strip(),
    )  # fmt: skip


def _note(likelihood: Likelihood, encoder: Encoder, more: str = "") -> str:
    """Return what is exact, and what else is known."""
    who = f"a {likelihood.title} decoder" + " and an encoder linear in x" * (encoder == "linear")
    if likelihood.quadratic:
        return f"Spectrum for {who}: the linear VAE of another covariance; exact."
    note = f"Spectrum of the collapsed state, for {who}. The first threshold is exact as that of the collapsed state's "
    note += "own stability; later ones are predictions from the collapsed background."
    return f"{note} {more}".strip()


def in_unit(rest: Rest, weights: Array | None) -> Array:
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
    own_unit = np.average(np.square(rest.score), axis=0, weights=weights) if curvature.ndim == 1 else variance.sum()
    _check_flat(values, ~curved & (variance > SILENT * own_unit))
    return np.asarray(axes / np.sqrt(np.where(curved, values, np.inf)))


def _check_flat(values: Array, speaks: NDArray[np.bool_]) -> None:
    """Raise an error where the loss has a score along a direction, and no curvature."""
    if not speaks.any():
        return
    if values[speaks].min() < -FLAT * np.max(np.abs(values[np.isfinite(values)])):
        raise InputError(NO_MINIMUM, "loss")
    raise OutsideTheory(
        "Along some outputs the loss has scores and no mean curvature: the collapsed state is unstable at every price "
        "(c* = ∞). Under a Huber loss no row is then within δ of the best constant: take a larger δ. A term with "
        "kinks, such as an absolute error, has its curvature in the density of the data: take laplace().",
        np.inf,
    )


# ----------------------------------------------------------------------------- a curvature that is not formed


def _by_rows(rest: Rest, weights: Array | None, modes: int | None) -> Fields:
    """Return modes by rows: those of ⟨H⟩^−½ Cov(s) ⟨H⟩^−½ are those of A ⟨H⟩⁻¹ Aᵀ, A the scores in units of shares."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    n, d = rest.score.shape
    share = np.full(n, 1 / n) if weights is None else weights / weights.sum()
    rows = np.sqrt(share)[:, None] * (rest.score - share @ rest.score)

    def apply(block: Array) -> Array:
        return np.asarray(rows @ _solved(rest.curvature, rows.T @ block.reshape(n, -1)))

    if n <= WHOLE:
        gram = apply(np.eye(n))
        found = Decomposition.of((gram + gram.T) / 2, modes)
        return resolve(found, d, found.trace, samples=n) | {"truncated": modes is not None and modes < n - 1}
    operator, start = LinearOperator((n, n), matvec=apply, dtype=float), np.random.default_rng((0, OWN))
    values, vectors = eigsh(operator, k=min(modes or FIRST, n - 2), tol=SETTLED, v0=start.standard_normal(n))
    probes = start.choice([-1.0, 1.0], (n, PROBES))
    probes -= vectors @ (vectors.T @ probes)  # the trace of what is left: Hutchinson's estimate
    left = np.einsum("nk,nk->k", probes, apply(probes))
    fields = resolve(Decomposition(values[::-1]), d, float(values.sum() + left.mean()), samples=n)
    error = left.std() / np.sqrt(PROBES) / fields["total_variance"]
    words = f"V is estimated from random directions, to {100 * error:.2g} % (one standard error)."
    return fields | {"truncated": True, "note": words}


def _solved(multiply: Callable[[Array], Array], right: Array) -> Array:
    """Return ⟨H⟩⁻¹ times columns (d, k), by conjugate gradients, all columns at once."""
    solution, residual = np.zeros_like(right), right.copy()
    direction, size = residual.copy(), np.square(right).sum(axis=0)
    power, goal = size.copy(), np.maximum(size * SETTLED**2, np.finfo(float).tiny)
    for _ in range(MOST_STEPS):
        if np.all(power <= goal):
            return solution
        image = multiply(direction)
        bent = np.einsum("dk,dk->k", direction, image)
        if np.any((bent <= 0) & (power > goal)):
            raise InputError(NO_MINIMUM, "loss")
        length = np.divide(power, bent, out=np.zeros_like(power), where=power > goal)
        solution += length * direction
        residual -= length * image
        before, power = power, np.square(residual).sum(axis=0)
        direction = residual + np.divide(power, before, out=np.zeros_like(power), where=before > 0) * direction
    raise OutsideTheory(
        f"The curvature could not be inverted in {MOST_STEPS} steps: it vanishes along some outputs, or nearly so.",
        solution,
    )
