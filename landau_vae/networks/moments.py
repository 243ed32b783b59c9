"""Which moments of the first principal component decide how it collapses, and how well are they known?

    y = v₁·(x − x̄)/√λ₁,    κ = ⟨y³⟩,    m₄ = ⟨y⁴⟩,    A = ⟨x y²⟩/√λ₁ = (κ, a_j),    ℓ_j = λ_j/λ₁
    Q = Σ_j a_j²/(1 − ℓ_j),    B = 10 − 2m₄ − 3|A|² − 4Q

The errors follow from influence functions: what a row adds to a moment to first order,
through x̄, λ₁ and v₁ as well. With u the row in principal components (unit √λ₁), v₁
turns by
g_j = u_j y/(1 − ℓ_j), and for example

    IF(κ)  = y³ − κ − 3y + 3 a·g − (3/2)κ(y² − 1)
    IF(m₄) = y⁴ − m₄ − 4κy + 4⟨u y³⟩·g − 2m₄(y² − 1)

v₁ points to where κ ≥ 0. Rows that are correlated within groups are summed by groups
first. Source: this package.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import checked, numbers
from landau_vae.display import Array, Column, Content, Integers, Result, Table, readonly, with_error
from landau_vae.errors import InputError
from landau_vae.intervals.groups import grouped
from landau_vae.intervals.influence import as_blocks, influence, reduced_by
from landau_vae.limits import FOURTH_MOMENT_ROWS
from landau_vae.networks.quartic import Moments
from landau_vae.training.training_set import training_set

ROUNDED = 1e-12  # standard errors that are rounding
NAMES = ("κ", "m₄", "|A|²", "Q", "B")
LEGEND = (
    "κ, m₄: third and fourth moment of the first principal component y (variance 1), 0 and 3 for normal rows;\n"
    "|A|²: κ² and how much the other components depend on y², Q: what a decoder that bends gains by the latter;\n"
    "B = 10 − 2m₄ − 3|A|² − 4Q. A large κ or Q makes the collapse a jump."
)


@dataclass(frozen=True, eq=False)
class RowMoments(Result):
    """The moments of the first principal component of some rows, with standard errors."""

    json_fields = ("value", "error", "carriers", "largest_share", "distinct", "separated", "units")

    features: int  #: d, number of columns
    moments: Moments  #: λ₁, κ, m₄, a_j, λ_j/λ₁
    influence: Array  #: what each row adds to them to first order, (n, 5); NaN unless λ₁ is simple
    share: Array  #: of the weight that each row has, (n,)
    labels: Integers | None  #: the group of each row, (n,), where rows are not independent
    carriers: float  #: (Σ q)²/Σ q² with q = p y⁴: how many distinct rows carry the fourth moment
    largest_share: float  #: of the fourth moment, in one distinct row
    distinct: int  #: number of distinct rows with a weight
    separated: bool  #: whether λ₁ can be told from λ₂: where not, v₁ and all of these are not known

    @property
    def value(self) -> Array:
        """Values of κ, m₄, |A|², Q, B, (5,)."""
        known, curved = self.moments, self.moments.curvature(1.0)
        quartic = 10 - 2 * known.fourth - 3 * known.square - 4 * curved
        return readonly([known.skewness, known.fourth, known.square, curved, quartic])

    @cached_property
    def units(self) -> int:
        """Number of rows (groups) with a positive weight, that the errors rest on."""
        return int(np.count_nonzero(self._by_unit(self.share)))

    @cached_property
    def covariance(self) -> Array:
        """Sampling covariance of κ, m₄, |A|², Q, B, (5, 5)."""
        added = self._by_unit(self.share[:, None] * self.influence)
        return readonly(added.T @ added * self._of_few)

    @property
    def error(self) -> Array:
        """Standard errors of κ, m₄, |A|², Q, B, (5,)."""
        error = np.sqrt(np.diagonal(self.covariance))
        return readonly(np.where(error < ROUNDED, 0.0, error))

    @checked
    def error_of(self, influence: ArrayLike) -> float:
        """Return the standard error of a quantity from what each row adds to it.

        Parameters
        ----------
        influence : (n,) array_like
            Influence function of the quantity at the rows.

        Returns
        -------
        float
        """
        added = self.share * numbers(influence, "influence", shape=self.share.shape)
        return float(np.linalg.norm(self._by_unit(added)) * np.sqrt(self._of_few))

    @property
    def root(self) -> tuple[float, float]:
        """⅔κ/√B, which is √(τ_Maxwell/λ₁ − 1) where skews are small and 1 ≤ B ≤ 4(1 − Q), and its standard error.

        A smaller B would mean a later collapse: then it is taken for 1. Where λ₁ is not
        simple the error is that of a Gaussian κ, √(6/n).
        """
        scale = 1.5 * np.sqrt(max(float(self.value[4]), 1.0))
        error = float(self.error[0]) if self.separated else np.sqrt(6 / self.units)
        return float(self.value[0] / scale), float(error / scale)

    @property
    def enough(self) -> bool:
        """Whether there are as many rows (groups) as a fourth moment needs."""
        return self.units >= FOURTH_MOMENT_ROWS

    @property
    def _of_few(self) -> float:
        return self.units / max(self.units - 1, 1)

    def _by_unit(self, values: Array) -> Array:
        return values if self.labels is None else reduced_by(self.labels, values)[1]

    def __repr__(self) -> str:
        pairs = zip(NAMES, self.value.tolist(), self.error.tolist(), strict=True)
        return f"RowMoments({', '.join(f'{name} = {with_error(value, error)}' for name, value, error in pairs)})"

    def content(self) -> Content:
        """Yield the table of moments."""
        shown = [with_error(*pair) for pair in zip(self.value.tolist(), self.error.tolist(), strict=True)]
        yield Table([Column("moment", NAMES, text=True), Column("value", shown)], note=LEGEND)


@checked
def row_moments(data: Any, weights: ArrayLike | None = None, *, blocks: ArrayLike | None = None) -> RowMoments:
    """Return the moments of the first principal component of some rows, with their influence functions.

    Parameters
    ----------
    data : (n, d) array, DataFrame or TrainingSet
        The rows.
    weights : array_like (n,), optional
        Of the rows; only their ratios matter.
    blocks : array_like (n,), optional
        The block of each row, where rows are not independent.

    Returns
    -------
    RowMoments

    Raises
    ------
    InputError
        For a `Spectrum`, which has no rows, and for rows that cannot be used.

    Examples
    --------
    >>> y = np.repeat([-0.5, 2.0], [80, 20])[:, None]  # a share p = 1/5: κ = (1 − 2p)/√(p(1 − p)), m₄ = 1 + κ²
    >>> row_moments(y).value.round(6).tolist()
    [1.5, 3.25, 2.25, 0.0, -3.25]
    """
    table = training_set(data, weights=weights)
    if table.rows is None:
        raise InputError("data is a Spectrum, but moments need the rows: give the table.", "data")
    rows, weight, spectrum = table.rows, table.weights, table.spectrum
    labels = None if blocks is None else as_blocks(blocks, len(rows), weight)
    share = np.full(len(rows), 1 / len(rows)) if weight is None else weight / weight.sum()
    first = float(spectrum.eigenvalues[0])
    assert spectrum.vectors is not None
    _, sizes = grouped(spectrum, influence(rows, weight, labels, spectrum))
    u = (rows - table.mean) @ spectrum.vectors / np.sqrt(first)
    u[:, 0] *= np.copysign(1.0, share @ u[:, 0] ** 3)
    square = u[:, 0] ** 2
    (skewness, *cross), fourth = square @ (share[:, None] * u), float(share @ square**2)
    moments = Moments(first, float(skewness), fourth, np.asarray(cross), spectrum.eigenvalues[1:] / first)
    separated = bool(sizes[0] == 1)
    added = _influences(u, share, moments) if separated else np.full((len(u), len(NAMES)), np.nan)
    carried = _by_distinct(rows, share * square**2)
    distinct = int(np.count_nonzero(_by_distinct(rows, share)))
    return RowMoments(
        rows.shape[1], moments, readonly(added), readonly(share), labels,
        float(carried.sum() ** 2 / (carried @ carried)), float(carried.max() / carried.sum()), distinct,
        separated,
    )  # fmt: skip


def _influences(u: Array, share: Array, moments: Moments) -> Array:
    """Return influence functions of κ, m₄, |A|², Q, B, (n, 5), of rows in principal components, (n, modes)."""
    y, gap, weighted = u[:, 0], 1 - moments.across, share[:, None] * u
    square, kappa, fourth = y**2 - 1, moments.skewness, moments.fourth  # the first is the IF of ln λ₁
    a, w = np.append(kappa, moments.cross), np.append(0.0, moments.cross / gap)
    cubed, by_y = y**3 @ weighted, (weighted * y[:, None]).T @ u
    turn = np.zeros_like(u)  # g: by how much a row turns v₁
    turn[:, 1:] = u[:, 1:] * y[:, None] / gap
    # What a row adds to ⟨x y²⟩: its own term, less what the shift of the mean takes, plus the turn of v₁.
    moved = u * y[:, None] ** 2 - a - u + 2 * turn @ by_y - 1.5 * square[:, None] * a
    moved[:, 0] -= 2 * y
    skewness = moved[:, 0] + turn @ a
    kurtosis = y**4 - fourth - 4 * kappa * y + 4 * turn @ cubed - 2 * fourth * square
    length = 2 * moved @ a
    # Q is the maximum over w of 2 w·A − wᵀ(1 − C/λ₁)w across v₁: at first order w need not move.
    bend = 2 * moved @ w - 2 * kappa * turn @ w + (u @ w) ** 2 - y**2 * (w[1:] ** 2 @ moments.across)
    return np.stack([skewness, kurtosis, length, bend, -2 * kurtosis - 3 * length - 4 * bend], axis=1)


def _by_distinct(rows: Array, values: Array) -> Array:
    """Return sums of values over equal rows."""
    which = np.unique(rows, axis=0, return_inverse=True)[1]
    return np.bincount(which.ravel(), values).astype(np.float64)
