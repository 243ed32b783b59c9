"""What any VAE could reach on given rows, whatever its encoder, depth, prior and number of latents.

    F_any(c) = min_q −c ⟨ln Σ_y q(y) e^{−ℓ(x, y)/c}⟩ ≤ ⟨ℓ(x, f(z))⟩ + c ⟨KL⟩

The decoder may see z alone, the reconstruction is a sampled one, and all KL terms have one weight.
For squared errors the dead state is the best of all from c = τ on where

    τ ≥ σ²_sG = sup_u 2 ln⟨e^{u·x}⟩/‖u‖²

the optimal sub-Gaussian proxy of the centred rows. Source: this package.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from landau_vae.checks import Count, Seed, checked
from landau_vae.display import Array, Column, Result, Table, readonly, significant
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.networks.mixture import Mixture, Rows, fitted
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.training_set import seen_by, training_set

MOST = 2000  # rows
DIRECTIONS = 20  # principal components from which ascents start
CLIMBED = 8  # ascents to σ²_sG
NEAR_MEMORY = 0.8  # F_any/(τ ln n) from which single rows are memorised


@dataclass(frozen=True, eq=False)
class Frontier(Result):
    """Losses per row, in the unit of the reconstruction term at weight 1 (½‖x − x̂‖² of squared errors)."""

    json_fields = ("price", "dead", "any", "bound", "held_out", "proxy", "memorising", "rows")

    price: Array  #: c of each β, (b,); τ of squared errors
    dead: float  #: loss of the best constant output
    linear: Array  #: that of the best linear VAE, (b,); NaN unless errors are squared
    any: Array  #: F_any as it was reached, an upper bound, (b,)
    bound: Array  #: a lower bound, as far as ascents have found the largest violation, (b,)
    held_out: Array  #: of the same outputs on as many other rows, (b,); NaN where there are none
    first: float  #: c from which the dead state is locally stable
    proxy: float  #: σ²_sG, from which no VAE is better than the dead state; NaN unless errors are squared
    memorising: float  #: max‖x‖²/(2 ln n), below which single rows pay; NaN unless errors are squared
    rows: int  #: that were used
    mixtures: tuple[Mixture, ...] = field(repr=False)  #: outputs and their weights, one for each price

    @property
    def gain(self) -> Array:
        """By how much any VAE may be better than the dead state, at most, (b,)."""
        return readonly(np.maximum(self.dead - self.bound, 0.0))

    def certified(self, price):
        """Stub."""
        return bool(price >= self.proxy)

    def content(self) -> Iterable[str | Table]:
        """Yield the table of losses."""
        four = lambda value: significant(float(value), 4)  # noqa: E731
        yield Table(
            [
                Column("price", self.price, four),
                Column("dead", np.full(len(self.price), self.dead), four),
                Column("linear", self.linear, four),
                Column("any VAE", self.any, four, key="any"),
                Column("not below", self.bound, four, key="bound"),
                Column("held out", self.held_out, four, key="held_out"),
            ]
        )


@checked
def frontier(data: Any, loss: Loss, *, rows: Count = MOST, seed: Seed = 0) -> Frontier:
    """Return the least loss that any VAE can have on some rows, at each β of the loss.

    Parameters
    ----------
    data : (n, d) array
        The rows that are trained on.
    loss : Loss
        With one β or several; of squared errors with a fixed variance, or of an exponential family.
    rows : int, default 2000
        How many rows are used, at most; as many others give the held-out value.
    seed : int, default 0
        Of the choice of rows.

    Returns
    -------
    Frontier

    Raises
    ------
    InputError
        For a `Spectrum`, which has no rows, and a learned variance.

    Examples
    --------
    >>> x = np.repeat([[-1.0], [1.0]], 50, axis=0)  # λ₁ = σ²_sG = 1
    >>> found = frontier(x, Loss.gaussian([1.1, 0.5]))
    >>> found.gain.round(3).tolist(), round(found.proxy, 3)
    ([0.0, 0.155], 1.0)
    """
    table = training_set(data)
    if table.rows is None:
        raise InputError("data is a Spectrum, but the frontier needs the rows: give the table.", "data")
    if loss.learned:
        raise InputError("The loss learns its variance, which has no bound here: give the variance reached.", "loss")
    order = np.random.default_rng(seed).permutation(len(table.rows))
    chosen, others = (table.rows[np.sort(part)] for part in (order[:rows], order[rows : 2 * rows]))
    part = training_set(chosen)
    squared, price = loss.likelihood.squared, np.atleast_1d(loss.charge(part.features))
    center = part.mean if squared else np.zeros(part.features)
    mixtures: list[Mixture] = []
    sets = []
    for c in np.sort(price)[::-1]:
        sets.append((_rows(chosen - center, loss, c), _rows(others - center, loss, c)))
        mixtures.append(fitted(sets[-1][0], _starts(sets[-1][0])))
    dead = [each.value(each.logarithms(each.mean[None]), np.ones(1))[0] for each, _ in sets]
    constant = 0.5 * part.spectrum.total_variance if squared else 0.0
    back = np.argsort(np.argsort(-price))
    value = np.array([mixture.value for mixture in mixtures])[back]
    bound = np.array([mixture.bound(each.price) for mixture, (each, _) in zip(mixtures, sets, strict=True)])[back]
    left = np.array([_held_out(mixture, other) for mixture, (_, other) in zip(mixtures, sets, strict=True)])[back]
    apart = 0.5 * float(np.square(others - center).sum(axis=1).mean()) if squared and len(others) else 0.0
    eigenvalues = seen_by(loss.likelihood, part)[1].eigenvalues
    return Frontier(
        readonly(price), constant + float(dead[0]), readonly(_linear(part.spectrum, price, squared)),
        readonly(constant + value), readonly(constant + bound), readonly(apart + left), float(eigenvalues[0]),
        _proxy(chosen - center, part.spectrum) if squared else np.nan,
        float(np.square(chosen - center).sum(axis=1).max() / (2 * np.log(len(chosen)))) if squared else np.nan,
        len(chosen), tuple(mixtures[i] for i in back),
    )  # fmt: skip


def _rows(table: Array, loss: Loss, price: float) -> Rows:
    distinct, count = np.unique(table, axis=0, return_counts=True)
    return Rows(distinct, count / max(1, count.sum()), loss.likelihood, float(price))


def _starts(rows: Rows) -> Array:
    """Return where outputs are looked for: at rows, nearer to the mean, and along principal components."""
    mean = rows.mean
    spectrum = Spectrum.from_data(rows.table, weights=rows.share)
    axes = (spectrum.vectors * np.sqrt(spectrum.eigenvalues)[: spectrum.vectors.shape[1]]).T[:DIRECTIONS]
    return np.vstack([rows.table, mean + 0.3 * (rows.table - mean), mean + axes, mean - axes])


def _held_out(mixture: Mixture, other: Rows) -> float:
    if not len(other.table):
        return np.nan
    return other.value(other.logarithms(mixture.outputs), mixture.weights)[0]


def _linear(spectrum: Spectrum, price: Array, squared: bool) -> Array:
    """Return ½V − Σ ½[λ − τ − τ ln(λ/τ)] over modes above the price, (b,)."""
    if not squared:
        return np.full(len(price), np.nan)
    ratio = np.maximum(spectrum.eigenvalues / price[:, None], 1.0)
    return 0.5 * (spectrum.total_variance - price * (ratio - 1 - np.log(ratio)).sum(axis=1))


def _proxy(centred: Array, spectrum: Spectrum) -> float:
    """Return σ²_sG, by ascents from principal components, weak and strong, and from rows."""
    n, square = len(centred), np.square(centred).sum(axis=1)
    axes = spectrum.vectors.T[:DIRECTIONS] / np.sqrt(
        spectrum.eigenvalues[: spectrum.vectors.shape[1]][:DIRECTIONS, None]
    )
    rows = centred[square > 0] * (2 * np.log(n) / square[square > 0])[:, None]
    starts = np.vstack([s * axes for s in (0.1, -0.1, 1.0, -1.0, 3.0, -3.0)] + [rows])

    def height(u: Array) -> tuple[float, Array]:
        inner = centred @ u
        top, norm = logsumexp(inner) - np.log(n), u @ u
        share = np.exp(inner - inner.max())
        slope = 2 * (share @ centred / share.sum()) / norm - 4 * top * u / norm**2
        return -2 * top / norm, -slope

    exponents = logsumexp(starts @ centred.T, axis=1) - np.log(n)
    heights = 2 * exponents / np.square(starts).sum(axis=1)
    best = np.argsort(-heights, kind="stable")[:CLIMBED]
    found = [-minimize(height, starts[i], jac=True, method="L-BFGS-B").fun for i in best]
    return float(max(spectrum.eigenvalues[0], *found))
