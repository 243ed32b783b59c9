"""By how much does one row move each eigenvalue? Influence functions, and the covariance of the λ̂_k that follows.

    IF(λ_k) = y_k² − λ_k − λ_k Σ_i v_ik² a_i,    Cov(λ̂) = Σ_rows p² IF IFᵀ · n/(n−1),    y = Vᵀz, z = (x − m)/s

First-order perturbation theory of S⁻¹CS⁻¹, S = diag(s), whose scales move by the
relative amount a/2 per row:

    covariance               s = 1        a = 0
    standardised             s = √C_ii    a_i = z_i² − 1
    Bernoulli, Poisson       s = √F(m)    a_i = (d ln F/dm_i)(x_i − m_i)

p are the rows' shares of the weight (1/n). λ_k's neighbour l couples to it by y_k
y_l − ½(λ_k + λ_l) Σ_i v_ik v_il a_i. Rows of one block are summed first (cluster-robust).
Sums are in units of V, so that none overflows or vanishes. All that is assumed are finite
fourth moments and separated eigenvalues. Memory: a block of rows × modes, and modes².
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.tables import row_blocks
from landau_vae.display import Array, Integers, readonly
from landau_vae.errors import InputError, TooFewSamples
from landau_vae.intervals.order import Order, Runs
from landau_vae.spectrum.spectrum import Spectrum

BLOCK_NUMBERS = 2**20


@dataclass(frozen=True, eq=False)
class Influence:
    """Sums over the influence functions of all rows."""

    covariance: Array  #: (modes, modes): Cov(λ̂_k, λ̂_l) / V²
    coupling: Array  #: (modes − 1,): variance of v_kᵀ Ĉ v_{k+1} / V, which makes neighbours repel
    rowwise: Array  #: (modes,): Var(λ̂_k) / V² if rows were independent
    effective: Array  #: (2, modes): N, how many rows (blocks) carry the error of λ_k, and of λ_k/V
    units: int  #: rows, or blocks of rows, with a positive weight
    kish: float  #: (ΣW)²/ΣW² over units: as many of equal weight
    kish_rows: float  #: the same over rows
    order: Order  #: what units that follow one another have in common


def influence(array: NDArray[Any], weights: Array | None, labels: Integers | None, spectrum: Spectrum) -> Influence:
    """Return the influence of rows on the eigenvalues of `spectrum`, which is that of these rows.

    `labels` (n,) number the block that each row belongs to, from 0 on.

    >>> X = np.array([[3.0, 0], [-3, 0], [1, 1], [-1, -1], [1, -1], [-1, 1]])
    >>> found = influence(X, None, None, Spectrum.from_data(X))
    >>> found.units, found.covariance.round(3).tolist()
    (6, [[0.151, -0.019], [-0.019, 0.002]])
    """
    share = np.full(len(array), 1 / len(array)) if weights is None else weights / weights.sum()
    sums, runs, start, rowwise = _Sums(spectrum), Runs(spectrum.modes), 0, np.zeros(spectrum.modes)
    totals = None if labels is None else np.zeros((int(labels.max()) + 1, 2 * spectrum.modes - 1))
    # of a wide table all rows at once, whose columns go by blocks
    columns, wide = array.shape[1], spectrum.matrix is None
    step = len(array) if wide else max(256, BLOCK_NUMBERS // columns)
    compared = max(256, BLOCK_NUMBERS * step // (spectrum.modes * len(array)))  # of a long table some of each block do
    for some in row_blocks(array, step):
        own, coupling = _influence(some, spectrum, max(1, BLOCK_NUMBERS // len(array)) if wide else columns)
        part = slice(start, start + len(own))
        own *= share[part, None]
        coupling *= share[part, None]
        rowwise += np.sum(own**2, axis=0)
        if totals is None or labels is None:
            sums.add(own, coupling)
            runs.add(own[:compared])
        else:
            present, by_block = reduced_by(labels[part], np.hstack([own, coupling]))
            totals[present] += by_block
        start += len(own)
    if totals is not None and labels is not None:
        sums.add(totals[:, : spectrum.modes], totals[:, spectrum.modes :])
        _, first = np.unique(labels, return_index=True)
        runs.add(totals[np.argsort(first), : spectrum.modes])  # in the order of the rows
    whole = share if labels is None else np.bincount(labels, share)
    units, rows = (int(np.count_nonzero(each)) for each in (whole, share))
    per_unit, per_row = (count / max(count - 1, 1) for count in (units, rows))
    moments = (sums.covariance * per_unit, sums.coupling * per_unit, rowwise * per_row, sums.effective(units))
    kish, kish_rows = (float(1 / np.sum(shares**2)) for shares in (whole, share))
    covariance, coupling, by_row, effective = map(readonly, moments)
    return Influence(covariance, coupling, by_row, effective, units, kish, kish_rows, runs.found())


class _Sums:
    """Second moments of what units add to λ̂_k, and fourth moments of that and of what they add to λ̂_k/V."""

    def __init__(self, spectrum: Spectrum) -> None:
        modes = spectrum.modes
        self.normalized = spectrum.normalized
        self.covariance = np.zeros((modes, modes))
        self.coupling = np.zeros(modes - 1)
        self.squares, self.fourth = np.zeros((2, 2, modes))

    def add(self, own: Array, coupling: Array) -> None:
        self.covariance += own.T @ own
        self.coupling += np.sum(coupling**2, axis=0)
        for i, each in enumerate((own, own - self.normalized * own.sum(axis=1, keepdims=True))):
            square = each**2
            self.squares[i] += square.sum(axis=0)
            self.fourth[i] += np.sum(square**2, axis=0)

    @np.errstate(divide="ignore", invalid="ignore")
    def effective(self, units: int) -> Array:
        """Return N = (Σq)²/Σq²; where a quantity cannot vary at all every unit counts."""
        real = self.squares > 1e-24 * self.squares[0].max()
        return np.where(real, self.squares**2 / self.fourth, units)


def _influence(rows: NDArray[Any], spectrum: Spectrum, width: int) -> tuple[Array, Array]:
    """Return influence (rows, modes) and coupling (rows, modes − 1), both over V, from `width` columns at a time."""
    mean, scale, vectors = spectrum.mean, spectrum.scale, spectrum.vectors
    assert mean is not None
    assert scale is not None
    assert vectors is not None
    lam, likelihood = spectrum.normalized, spectrum.likelihood
    slope = None if likelihood.unit_metric else likelihood.slope(mean) / scale  # None: the scale is the data's own
    root = np.sqrt(spectrum.total_variance)
    y, own, coupling = (np.zeros((len(rows), len(lam) - fewer)) for fewer in (0, 0, 1))
    for start in range(0, rows.shape[1], width):
        part = slice(start, start + width)
        z, directions = (np.asarray(rows[:, part], dtype=np.float64) - mean[part]) / scale[part], vectors[part]
        y += z @ (directions / root)
        if spectrum.standardized or slope is not None:
            moved = z**2 - 1 if slope is None else z * slope[part]  # a, twice the relative change of a column's scale
            own += moved @ directions**2
            coupling += moved @ (directions[:, :-1] * directions[:, 1:])
    return y**2 - lam - lam * own, y[:, :-1] * y[:, 1:] - (lam[:-1] + lam[1:]) / 2 * coupling


def as_blocks(blocks: Any, rows: int, weights: Array | None) -> Integers:
    """Return labels (rows,) of any kind as numbers from 0 on, or number runs of `blocks` rows; two blocks have weight.

    >>> as_blocks(["may", "june", "may", "june"], 4, None).tolist(), as_blocks(2, 4, None).tolist()
    ([1, 0, 1, 0], [0, 0, 1, 1])
    """
    if isinstance(blocks, int | np.integer) and not isinstance(blocks, bool):
        if not 1 <= blocks < rows:
            raise InputError(
                f"Blocks of {blocks} rows were asked for, but of {rows} rows at most {rows - 1} can be a block.",
                "blocks",
            )
        blocks = np.arange(rows) // int(blocks)
    try:
        labels = np.asarray(blocks)
    except (TypeError, ValueError, RuntimeError):
        raise InputError("The blocks cannot be read as labels: give one label per row.", "blocks") from None
    if labels.shape != (rows,):
        raise InputError(f"The blocks have shape {labels.shape}, but one label per row is expected: ({rows},).")
    if any(label is None or label != label for label in labels.tolist()):
        raise InputError("Some rows have no block (a missing label), but every row needs one: label or drop those.")
    if labels.dtype.kind == "O":
        labels = labels.astype(str)
    number = np.unique(labels, return_inverse=True)[1].reshape(rows)
    present = np.unique(number if weights is None else number[weights > 0])
    if len(present) < 2:
        raise TooFewSamples(
            "All rows are in one block, and one block has no spread to find errors by: give at least two blocks, "
            "or leave blocks out where rows are independent."
        )
    return np.asarray(number, dtype=np.int64)


def reduced_by(labels: Integers, values: Array) -> tuple[Integers, Array]:
    """Return the labels that occur, and the sums of `values` (rows, …) over the rows of each.

    >>> [part.tolist() for part in reduced_by(np.array([2, 0, 2]), np.array([[1.0], [2.0], [3.0]]))]
    [[0, 2], [[2.0], [4.0]]]
    """
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    return present, np.add.reduceat(values[order], starts, axis=0)
