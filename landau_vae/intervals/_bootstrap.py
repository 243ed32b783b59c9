"""The bootstrap as a check on the delta method: how much do spectra of resampled rows, or blocks of rows, scatter?

    s.e. = standard deviation of λ_k* over replications,    interval: quantiles of ln λ_k*, mirrored at ln λ̂_k
    C* = Σ_u c_u S_u / Σ_u c_u W_u − m* m*ᵀ,    (W, w x, w x xᵀ) summed over the rows of unit u, x about the mean

Units (rows, or whole blocks where rows hang together) are drawn with replacement; c is
multinomial. No row is copied: many replications are one matrix product of counts with
the units' sufficient statistics, which are kept where they fit in memory (few blocks,
narrow
tables), made again otherwise; wide tables go by their n × n Gram matrix. Replicas
spread as the sample itself does, so mirrored ("basic") intervals remove the first-order
bias that percentiles double (Davison & Hinkley 1997, ch. 5). Domain: independent rows
or blocks, at least ten or so; groups are those of `uncertainty`.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import Range, Seed, Share, checked
from landau_vae.data.gram import Gram
from landau_vae.data.tables import as_table, as_weights, row_blocks
from landau_vae.display import Array, Integers, numbered, progress_bar, readonly, significant
from landau_vae.errors import TooFewSamples
from landau_vae.intervals._uncertainty import uncertainty
from landau_vae.intervals.influence import as_blocks, reduced_by
from landau_vae.intervals.result import Uncertainty
from landau_vae.likelihoods import GAUSSIAN, Likelihood
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.threads import one_thread

APART = 1.25  # ratio of the two standard errors from which on they are said to differ
KEPT_NUMBERS = 2**24  # 128 MiB
MADE_NUMBERS = 2**21

Statistics = Iterator[tuple[Integers | slice, Array]]  # units, (units, 1 + d + d(d+1)/2)


@checked
@one_thread()
def bootstrap(
    data: Any,
    *,
    replications: Annotated[int, Range(20)] = 200,
    blocks: ArrayLike | int | None = None,
    seed: Seed = 0,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    likelihood: Likelihood | str = GAUSSIAN,
    confidence: Share = 0.95,
    progress: bool = False,
) -> Uncertainty:
    """Return the errors and intervals of `uncertainty` from resampled rows or blocks of rows.

    It is a check on the delta method, not a cure for its limits: replicas of a crowded
    spectrum are biased as the sample is. Where the two differ, a caveat says so.

    Parameters
    ----------
    data : array_like or DataFrame (n, d)
        Rows that are independent draws from the population.
    replications : int, default 200
        How often to resample, at least 20: 200 give standard errors to 5 %, 1000 the
        ends of 95 % intervals.
    blocks : array_like (n,) or int, optional
        The block of each row, or how many rows that follow one another are a block;
        whole blocks are drawn then.
    seed : int, default 0
        The same seed gives the same numbers.
    standardize : bool, default False
        Whether to divide each column by its standard deviation, in each replication
        anew.
    weights : array_like (n,), optional
        Weights of rows.
    likelihood : Likelihood or str, default "gaussian"
        Of the decoder.
    confidence : float, default 0.95
        Of the intervals.
    progress : bool, default False
        Whether to show a bar.

    Returns
    -------
    Uncertainty
        With `method` "bootstrap", the resampled spectra, and `ratio` to the errors of
        the delta method.

    Raises
    ------
    InputError
        For data that cannot be used.
    TooFewSamples
        Where some replications have no variance; `partial` is the `Uncertainty` by the
        delta method.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((1000, 3)) * [3, 2, 1]
    >>> result = bootstrap(X)
    >>> result
    Uncertainty(3 modes in 3 groups from 1000 rows, 200 replications, 0 caveats)
    >>> result.share.value.round(3).tolist(), result.share.error.round(3).tolist()
    ([0.649, 0.274, 0.077], [0.013, 0.012, 0.004])
    """
    array, names = as_table(data)
    of_rows = partial(uncertainty, array, names=names, standardize=standardize, weights=weights, blocks=blocks)
    delta = of_rows(likelihood=likelihood, confidence=confidence)
    weight = np.ones(len(array)) if weights is None else as_weights(weights, len(array))
    labels = None if blocks is None else as_blocks(blocks, len(array), weight)
    modes, rng = delta.spectrum.modes, np.random.default_rng(seed)
    drawn = []
    with progress_bar(replications, "resampling", progress) as bar:
        for some, total in replicas(array, weight, labels, delta.spectrum, replications, rng):
            drawn.append((np.where(some[:, :modes] > delta.spectrum.floor, some[:, :modes], 0.0), total))
            bar.update(len(some))
    values, totals = map(np.concatenate, zip(*drawn, strict=True))
    if not np.all(totals > 1e-12 * delta.spectrum.total_variance):
        raise TooFewSamples(
            "Some replications drew equal rows only and have no variance: give more different rows, or smaller blocks.",
            partial=delta,
        )
    bare = replace(delta, resampled=readonly(values), resampled_variance=readonly(totals))
    return replace(bare, caveats=(*_differing(bare), *delta.caveats))


@np.errstate(divide="ignore")
def _differing(result: Uncertainty) -> list[str]:
    """Return where bootstrap and delta method differ by more than chance, in a sentence."""
    noise = 2 / np.sqrt(2 * result.replications)  # two standard errors of a standard deviation
    apart = np.abs(np.log(result.ratio))
    far = np.flatnonzero(apart > np.log(APART) + noise)
    if not far.size:
        return []
    worst = int(far[np.argmax(apart[far])])
    mode = numbered(result.mode[worst], result.multiplicity[worst])
    return [
        f"Bootstrap and delta method differ for {far.size} of {len(result.ratio)} groups, most for mode {mode} "
        f"(standard errors {significant(result.ratio[worst], 2)} : 1): the first order is not enough there."
    ]


def replicas(
    array: NDArray[Any],
    weight: Array,
    labels: Integers | None,
    spectrum: Spectrum,
    replications: int,
    rng: np.random.Generator,
) -> Iterator[tuple[Array, Array]]:
    """Yield (eigenvalues, V), (some replications, modes) descending and (some replications,), until all are done."""
    units = len(array) if labels is None else int(labels.max()) + 1
    mean = spectrum.mean
    assert mean is not None
    present = np.flatnonzero(weight if labels is None else np.bincount(labels, weight))

    def draw(count: int) -> Array:
        drawn = np.zeros((count, units))
        for row in drawn:
            row[present] = np.bincount(rng.integers(len(present), size=len(present)), minlength=len(present))
        return drawn

    if array.shape[0] < array.shape[1]:
        for _ in range(replications):
            counts = draw(1)[0]
            yield _of_gram(array, weight * (counts if labels is None else counts[labels]), spectrum)
        return
    columns = array.shape[1]
    width = 1 + columns + columns * (columns + 1) // 2
    fits = units * width <= KEPT_NUMBERS
    kept = list(_statistics(array, weight, labels, mean)) if fits else None
    at_once = max(1, min(replications, KEPT_NUMBERS // max(units, width)))
    for first in range(0, replications, at_once):
        counts = draw(min(at_once, replications - first))
        sums = np.zeros((len(counts), width))
        for unit, statistics in kept or _statistics(array, weight, labels, mean):
            sums += counts[:, unit] @ statistics
        yield _of_sums(sums, mean, spectrum)


def _statistics(array: NDArray[Any], weight: Array, labels: Integers | None, mean: Array) -> Statistics:
    """Yield w (1, x, upper triangle of x xᵀ) of rows, part by part, summed over those of a block."""
    upper, start = np.triu_indices(array.shape[1]), 0
    step = max(1, MADE_NUMBERS // len(upper[0]))
    for rows in row_blocks(array, step):
        x, part = rows - mean, slice(start, start + len(rows))
        made = np.hstack([np.ones((len(x), 1)), x, x[:, upper[0]] * x[:, upper[1]]]) * weight[part, None]
        start += len(x)
        yield (part, made) if labels is None else reduced_by(labels[part], made)


def _of_sums(sums: Array, mean: Array, spectrum: Spectrum) -> tuple[Array, Array]:
    d = len(mean)
    moments = sums[:, 1:] / sums[:, :1]
    shift = moments[:, :d]
    covariance = np.zeros((len(sums), d, d))
    i, j = np.triu_indices(d)
    covariance[:, i, j] = moments[:, d:] - shift[:, i] * shift[:, j]
    covariance[:, j, i] = covariance[:, i, j]
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    root = _scale(mean + shift, variance, spectrum)
    if root is not None:
        covariance = covariance / (root[:, :, None] * root[:, None, :])
    total = np.trace(covariance, axis1=1, axis2=2)
    return np.linalg.eigvalsh(covariance)[:, ::-1], total


def _of_gram(array: NDArray[Any], weights: Array, spectrum: Spectrum) -> tuple[Array, Array]:
    gram = Gram(array, weights)
    values = gram.decompose(_scale(gram.mean, gram.variance, spectrum)).values
    return values[None], np.array([values.sum()])


def _scale(mean: Array, variance: Array, spectrum: Spectrum) -> Array | None:
    """Return what the columns of a replication are divided by, from its own means and variances, (…, d).

    A column that a replication left constant has no variance but rounding, which the
    sample's own scale does not blow up.
    """
    likelihood = spectrum.likelihood
    if spectrum.scale is None or (not spectrum.standardized and likelihood.unit_metric):
        return None
    square, usual = variance if spectrum.standardized else likelihood.variance(mean), spectrum.scale**2
    return np.sqrt(np.where(square > 1e-12 * usual, square, usual))
