"""How well do n rows know the population's spectrum: λ_k, λ_k/V, the thresholds β_k, the number of active modes?

    s.e.² = Σ_rows p² IF²,    IF(λ_k) = y_k² − λ_k    (`influence` has it for scaled data),    delta method for others

It is the error of the *population's* spectrum as estimated from these rows. The
training loss is a function of its training set only, so the thresholds of that training
have no error at all. Near-degenerate eigenvalues are one group, for their mean
(`groups`). Intervals stand about the eigenvalue without its bias, and are given where 95 %
ones hold in 85 % of tables or more (`uncertainty` has the numbers). Domain: independent
rows (or blocks), finite fourth moments. Sources: Anderson 1963, Annals of Mathematical
Statistics 34, 122 (first order); J. Hirn, arXiv:2605.22691.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import Share, checked
from landau_vae.data.source import of_data
from landau_vae.data.tables import as_names, as_table, as_weights
from landau_vae.display import readonly
from landau_vae.errors import OutsideTheory
from landau_vae.intervals.caveats import caveats
from landau_vae.intervals.groups import bias, grouped
from landau_vae.intervals.influence import as_blocks, influence
from landau_vae.intervals.result import Uncertainty
from landau_vae.likelihoods import GAUSSIAN, Likelihood, as_likelihood
from landau_vae.spectrum.build import fields_of
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.threads import one_thread


@checked
@one_thread()
def uncertainty(
    data: Any,
    *,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    likelihood: Likelihood | str = GAUSSIAN,
    blocks: ArrayLike | int | None = None,
    confidence: Share = 0.95,
    names: Sequence[str] | None = None,
) -> Uncertainty:
    """Return standard errors and intervals of the population's λ_k, λ_k/V and β_k, from a table of rows.

    They are errors of the population. A training on these very rows has the thresholds
    of their spectrum, exactly.

    Parameters
    ----------
    data : array_like or DataFrame (n, d)
        Rows that are independent draws from the population; covariances divide by n.
    standardize : bool, default False
        Whether to divide each column by its standard deviation.
    weights : array_like (n,), optional
        Weights of rows, each still one observation: a weight of 2 is not the same as a
        row that occurs twice.
    likelihood : Likelihood or str, default "gaussian"
        Of the decoder: its spectrum is in units of the likelihood's deviation at the
        mean.
    blocks : array_like (n,) or int, optional
        The block of each row, where rows are not independent (neighbours in space or
        time): then blocks are taken for independent. Or a number of rows: each so many
        that follow one another are a block.
    confidence : float, default 0.95
        Of the intervals.
    names : sequence of str, optional
        Of the columns.

    Returns
    -------
    Uncertainty
        One entry per group of modes.

    Raises
    ------
    InputError
        For data that cannot be used.
    OutsideTheory
        For a likelihood whose spectrum is one of scores.
    TooFewSamples
        For a single row, or a single block.

    Notes
    -----
    The data are read twice: for the spectrum, and for the influence of each row on it.

    How often 95 % intervals hold the population's λ and λ/V where they are given, on
    the mean over kinds of table, and in the worst kind (`tests/studies/interval_coverage.py`;
    40 tables each of 2 to 100 columns, half a row to 50 rows per column, four spectra):

    =================  ===========  ============
    rows               λ            λ/V
    =================  ===========  ============
    normal             0.97 (0.88)  0.98 (0.88)
    t₅, independent    0.98 (0.91)  0.98 (0.91)
    t₅, joint          0.98 (0.92)  0.99 (0.96)
    t₃, independent    0.95 (0.80)  0.99 (0.91)
    t₃, joint          0.94 (0.81)  0.99 (0.95)
    lognormal          0.98 (0.90)  0.99 (0.95)
    two clusters       0.98 (0.92)  0.98 (0.80)
    =================  ===========  ============

    An interval needs 12 rows, three for each mode, and an eigenvalue whose bias is small
    or below its error. At fewer rows than columns that leaves 2 % of modes, at
    four rows per column 66 %, at twenty 84 %; the others are NaN.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((1000, 4)) * [3, 2, 1, 1]
    >>> result = uncertainty(X)
    >>> result
    Uncertainty(4 modes in 3 groups from 1000 rows, 0 caveats)
    >>> result.mode.tolist(), result.multiplicity.tolist()
    ([1, 2, 3], [1, 1, 2])
    >>> result.share.value.round(3).tolist(), result.share.error.round(3).tolist()
    ([0.6, 0.257, 0.071], [0.013, 0.011, 0.003])
    """
    if not (likelihood := as_likelihood(likelihood)).by_mean:
        raise OutsideTheory(
            f"Sampling errors are known for spectra of covariances, but that of a {likelihood} likelihood is one of "
            "scores: compare it on halves of the rows."
        )
    array, own_names = as_table(data)
    labels = as_names(names, array.shape[1]) or own_names
    weight = None if weights is None else as_weights(weights, len(array))
    block = None if blocks is None else as_blocks(blocks, len(array), weight)
    moments = (source := of_data(array, weight, labels)).moments()
    moments.vectors_needed = True  # by `influence`
    spectrum = Spectrum(**fields_of(moments, source.names, standardize, likelihood=likelihood))
    moved = influence(array, weight, block, spectrum)
    starts, sizes = grouped(spectrum, moved)
    mode, multiplicity = readonly(starts + 1, np.int64), readonly(sizes, np.int64)
    net, gross = map(readonly, bias(spectrum, moved, starts, sizes))
    bare = Uncertainty(spectrum, moved, mode, multiplicity, net, gross, confidence, block is not None)
    return replace(bare, caveats=caveats(bare))
