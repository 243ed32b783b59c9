"""Which price is in effect, latent by latent, read off a trained model of any architecture and loss.

At rest every encoder parameter balances the reconstruction term against the KL. For linear heads with a bias,

    (σ)  ⟨∂ℓ/∂ ln σ_k⟩ = c ⟨1 − σ_k²⟩      (μ)  ⟨∂ℓ/∂ ln |μ_k|⟩ = −c ⟨μ_k²⟩      (A)  ⟨μ_k²⟩ + ⟨σ_k²⟩ = 1

with ℓ the reconstruction term of a row, averaged over z = μ + σε, and c the price of a nat in its units. All widths
σ_k, then all means μ_k, of one latent are scaled by e^{±h} with the same noise: only outputs of the decoder are asked
for. A latent of several columns (the positions of a channel) is scaled as one. Gradients of a training loop do as well.
A latent that is not active shows nothing: 0/0. By another sampler, z = μ + √N ε with N = s² σ^2p, the left side of (σ)
is p ⟨∂ℓ/∂ ln √N⟩, over rows whose σ is not at a bound of its head; a latent whose σ is at one in most rows tells its
price by (μ). Source: this package.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import Count, NonNegative, Seed, checked, shown
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.loss.sampler import AT_BOUND, Sampler
from landau_vae.networks.arguments import chosen, codes, returning, table

STEP = 0.05  # by which ln σ and ln |μ| are moved
PRECISE = 0.02  # relative error of ĉ_σ at which draws end
DRAWS = 64  # at most
LAST_UPDATES = 0.018  # relative error that the noise of the last updates leaves, r.m.s.
OWN = 31  # beside the seed: data that were drawn with the same one are independent

Latents = Sequence[int] | Sequence[NDArray[np.intp]] | NDArray[np.intp]  # a column each, or the columns of each


@dataclass(frozen=True, eq=False)
class PricesInEffect:
    """The price of a nat that each latent obeys, in the unit of the reconstruction term."""

    latent: NDArray[np.intp]  #: the first column of each latent that was looked at, counted from 0, (a,)
    width: Array  #: ĉ_σ, (a,)
    width_error: Array  #: its standard error, over rows and draws and of the last updates, (a,)
    mean: Array  #: ĉ_μ, (a,)
    mean_error: Array  #: its standard error, (a,)
    second_moment: Array  #: A², averaged over the columns of a latent, (a,)
    second_moment_error: Array  #: its standard error, over rows, (a,)
    curvature: Array  #: relative change of ĉ_σ when the step is halved, in the first draw, (a,); NaN from gradients
    draws: int  #: of z per row, for the price that took most; 0 if gradients were given


@checked
def prices_in_effect(
    mean: Array,
    deviation: Array,
    term: Callable[[Array], Array],
    latents: Latents,
    *,
    sampler: Sampler | None = None,
    all_rows: bool = False,
    precise: NonNegative = PRECISE,
    most: Count = DRAWS,
    budget: Count | None = None,
    last_updates: NonNegative = LAST_UPDATES,
    seed: Seed = 0,
) -> PricesInEffect:
    """Return the prices in effect of some latents.

    Parameters
    ----------
    mean, deviation : (n, K) array
        μ and σ of training rows.
    term : callable
        The reconstruction term of each row, (n,), at latents z, (n, K).
    latents : (a,) array of int, or sequence of arrays
        Which latents, active ones: a column each, or the columns of each.
    sampler : Sampler, optional
        How z is drawn in training, if not as μ + σε with a free σ.
    all_rows : bool, default False
        Whether these are all the rows that were trained on; else they stand for more.
    precise : float, default 0.02
        Relative error of ĉ_σ, at which no more z are drawn for a latent.
    most : int, default 64
        Draws of z per row.
    budget : int, optional
        How often the term may be asked for. A draw takes four calls for each latent, the first
        one six; at least one is made, and two where an error over draws alone is needed.
    last_updates : float, default 0.018
        Relative error that the noise of the last updates adds.
    seed : int, default 0
        Seed of the draws.

    Returns
    -------
    PricesInEffect

    Examples
    --------
    One mode of variance 4 at the price 1: M² = ¾, and the decoder's weight is √3.

    >>> x = np.random.default_rng(0).standard_normal((4000, 1)) * 2
    >>> mean, deviation = x * 0.75**0.5 / 2, np.full((4000, 1), 0.5)
    >>> found = prices_in_effect(mean, deviation, lambda z: 0.5 * ((x - 3**0.5 * z) ** 2)[:, 0], [0])
    >>> bool(abs(found.width[0] - 1) < 3 * found.width_error[0])
    True
    """
    mean, deviation = codes(mean, deviation)
    term, columns = returning(term, "term", mean.shape[:1]), _columns(latents, mean.shape[1])
    sampler = sampler or Sampler()
    rng, width = np.random.default_rng((seed, OWN)), np.sqrt(sampler.noise(deviation**2))
    free = inside(deviation, sampler)
    below, pinned = _below(mean, deviation, columns, free), _averages(free, columns).mean(axis=0) < 0.5
    below[0] = np.where(pinned, below[1], below[0])
    total, square = np.zeros((2, *below.shape))
    fewest, left = 2 if all_rows else 1, np.arange(len(columns))  # latents whose price is not yet precise
    draws, spent = np.zeros(len(columns)), 2 * len(columns)
    for draw in range(1, max(most, fewest) + 1):
        noise, some = width * rng.standard_normal(mean.shape), [columns[k] for k in left]
        z, part = mean + noise, noise * free
        each = np.stack([_slopes(term, z, part, some, STEP), -_slopes(term, z, mean, some, STEP)])
        if draw == 1:
            half, whole = _slopes(term, z, part, columns, STEP / 2).mean(axis=0), each[0].mean(axis=0)
            halved = np.divide(half, whole, out=np.ones(len(columns)), where=~pinned) - 1
        each[0] = np.where(pinned[left], each[1], sampler.power * each[0])
        total[:, :, left] += each
        square[:, :, left] += each**2
        draws[left] += 1
        spent += 4 * len(left)
        if draw < fewest:
            continue
        price, error = _ratio(total, square, below, draws, all_rows)
        left = np.flatnonzero(error[0] > precise * np.abs(price[0]))
        if not left.size or spent + 4 * len(left) > (budget or np.inf):
            break
    moment = _averages(mean**2 + deviation**2, columns)
    error, spread = np.hypot(error, last_updates * np.abs(price)), moment.std(axis=0) / np.sqrt(len(mean))
    return _prices(columns, price, error, moment.mean(axis=0), spread, halved, draw)


@checked
def prices_from_gradients(
    mean: Array,
    deviation: Array,
    by_mean: Array,
    by_log_variance: Array,
    latents: Latents | None = None,
    *,
    sampler: Sampler | None = None,
    last_updates: NonNegative = LAST_UPDATES,
) -> PricesInEffect:
    """Return the prices in effect from gradients that a training loop has anyway.

    Parameters
    ----------
    mean, deviation : (n, K) array
        μ and σ of training rows.
    by_mean, by_log_variance : (n, K) array
        Gradients of each row's reconstruction term, at a drawn z or averaged over draws:
        ∂ℓ/∂μ and ∂ℓ/∂ ln σ². The KL is not in them, nor a division by the number of rows.
    latents : (a,) array of int, or sequence of arrays, optional
        Which latents, active ones: a column each, or the columns of each. By default all
        columns.
    sampler : Sampler, optional
        How z is drawn in training, if not as μ + σε with a free σ.
    last_updates : float, default 0.018
        Relative error that the noise of the last updates adds.

    Returns
    -------
    PricesInEffect

    Examples
    --------
    >>> mean, deviation = np.full((100, 1), 0.9), np.full((100, 1), 0.5)
    >>> found = prices_from_gradients(mean, deviation, by_mean=-0.3 * mean, by_log_variance=0.15 * (1 - deviation**2))
    >>> found.width.round(3).tolist(), found.mean.round(3).tolist()
    ([0.3], [0.3])
    """
    mean, deviation = codes(mean, deviation)
    by_mean, by_log_variance = table(by_mean, "by_mean", mean), table(by_log_variance, "by_log_variance", mean)
    columns = _columns(np.arange(mean.shape[1]) if latents is None else latents, mean.shape[1])
    sums = GradientSums(columns, sampler or Sampler())
    sums.add(mean, deviation, by_mean, by_log_variance)
    return sums.prices(last_updates=last_updates)


class GradientSums:
    """Sums over rows from which prices and their errors follow; of batches, and of several machines.

    ĉ = Σ a / Σ b, with a = 2 ∂ℓ/∂ ln σ² and b = 1 − σ² for the widths, a = −μ ∂ℓ/∂μ and b = μ² for the means.
    """

    def __init__(self, columns: list[NDArray[np.intp]], sampler: Sampler) -> None:
        self.columns, self.sampler, self.rows = columns, sampler, 0.0
        self.first = np.zeros((2, 2, len(columns)))  # a and b, of widths and of means
        self.second = np.zeros((3, 2, len(columns)))  # a², ab, b²
        self.moments = np.zeros((3, len(columns)))  # A², its square, columns whose σ is at no bound

    def add(self, mean: Array, deviation: Array, by_mean: Array, by_log_variance: Array) -> None:
        """Add rows (n, K): as in `prices_from_gradients`."""
        columns, free = self.columns, inside(deviation, self.sampler)
        below = _below(mean, deviation, columns, free)
        slopes = np.stack([_summed(2 * by_log_variance, columns), _summed(-mean * by_mean, columns)])
        moment, share = _averages(mean**2 + deviation**2, columns), _averages(free, columns)
        ones, pairs = np.ones(len(mean)), ((slopes, slopes), (slopes, below), (below, below))
        self.rows += len(mean)
        self.first += ones @ np.stack([slopes, below])
        self.second += np.stack([np.einsum("wna,wna->wa", *pair) for pair in pairs])
        self.moments += ones @ np.stack([moment, moment**2, share])

    def merge(self, other: "GradientSums") -> None:
        """Add everything that was added to `other`, which stays as it is."""
        self.rows += other.rows
        self.first, self.second = self.first + other.first, self.second + other.second
        self.moments = self.moments + other.moments

    def fade(self, share: float) -> None:
        """Let all rows so far count by a share of what they did."""
        self.rows *= share
        self.first, self.second, self.moments = (share * each for each in (self.first, self.second, self.moments))

    def prices(
        self, latents: Sequence[int] | None = None, *, unit: float = 1.0, last_updates: float = LAST_UPDATES
    ) -> PricesInEffect:
        """Return the prices of some latents, by their place in `columns`, over a unit."""
        chosen = np.arange(len(self.columns)) if latents is None else np.asarray(latents, dtype=np.intp)
        moment, square, free = self.moments[:, chosen] / self.rows
        pinned = free < 0.5
        first, second = (each[..., chosen] / self.rows for each in (self.first, self.second))
        first[:, 0], second[:, 0] = (
            np.where(pinned, first[:, 1], first[:, 0]),
            np.where(pinned, second[:, 1], second[:, 0]),
        )
        (above, under), (aa, ab, bb) = first, second
        price = above / under
        spread = np.sqrt(np.maximum(aa - 2 * price * ab + price**2 * bb, 0.0))
        error = np.hypot(spread / np.sqrt(self.rows) / np.abs(under), last_updates * np.abs(price))
        about = np.sqrt(np.maximum(square - moment**2, 0.0) / self.rows)
        columns = [self.columns[k] for k in chosen]
        return _prices(columns, price / unit, error / unit, moment, about, np.full(len(columns), np.nan), 0)


def _columns(latents: Any, count: int) -> list[NDArray[np.intp]]:
    """Return the columns of each latent, of so many columns."""
    parts = list(latents) if isinstance(latents, Iterable) and not isinstance(latents, str | bytes) else []
    if not parts:
        raise InputError(f"latents is {shown(latents)}, but a list of one latent or more is expected.", "latents")
    return [chosen(each, "latents", count, 1) for each in parts]


def _summed(values: NDArray[Any], columns: list[NDArray[np.intp]]) -> Array:
    """Return sums over the columns of each latent, (n, a)."""
    if sum(map(len, columns)) == len(columns):
        return values.take([each[0] for each in columns], axis=1)
    return np.stack([values[:, each].sum(axis=1) for each in columns], axis=1)


def _averages(values: NDArray[Any], columns: list[NDArray[np.intp]]) -> Array:
    """Return averages over the columns of each latent, (n, a)."""
    return np.asarray(_summed(values, columns) / np.fromiter(map(len, columns), dtype=np.float64))


def inside(deviation: Array, sampler: Sampler) -> NDArray[np.bool_]:
    """Return whether σ² is within the bounds of its head, and not at one of them, (n, K)."""
    (low, high), variance = sampler.bounds, deviation**2
    return np.asarray((variance > low * (1 + AT_BOUND)) & (variance < high * (1 - AT_BOUND)))


def _below(mean: Array, deviation: Array, columns: list[NDArray[np.intp]], free: NDArray[np.bool_]) -> Array:
    """Return 1 − σ², of rows whose σ is at no bound, and μ² of each row and latent, (2, n, a)."""
    return np.stack([_summed((1 - deviation**2) * free, columns), _summed(mean**2, columns)])


def _slopes(
    term: Callable[[Array], Array], z: Array, part: Array, columns: list[NDArray[np.intp]], step: float
) -> Array:
    """Return ∂ℓ/∂ ln of a part of z, its noise or its mean, for each row and latent, (n, a)."""
    slopes = []
    for each in columns:
        ends = []
        for sign in (1, -1):
            moved = z.copy()
            moved[:, each] += np.expm1(sign * step) * part[:, each]
            ends.append(term(moved))
        slopes.append((ends[0] - ends[1]) / (2 * step))
    return np.stack(slopes, axis=1)


def _ratio(total: Array, square: Array, below: Array, draws: Any, all_rows: bool) -> tuple[Array, Array]:
    """Return ⟨a⟩/⟨b⟩ and its standard error, (2, a): over draws alone, or over rows and the draws within them."""
    rows = total.shape[1]
    above, under = total / draws, below.mean(axis=1)
    price = above.mean(axis=1) / under
    if all_rows:
        within = np.maximum(square / draws - above**2, 0) * draws / (draws - 1)
        spread = np.sqrt(within.mean(axis=1) / draws)
    else:
        spread = (above - price[:, None] * below).std(axis=1)
    return price, spread / np.sqrt(rows) / np.abs(under)


def _prices(
    columns: list[NDArray[np.intp]], price: Array, error: Array, moment: Array, spread: Array, halved: Array, draws: int
) -> PricesInEffect:
    first = np.array([each[0] for each in columns], dtype=np.intp)
    seal = [readonly(each) for each in (price[0], error[0], price[1], error[1], moment, spread, halved)]
    return PricesInEffect(first, seal[0], seal[1], seal[2], seal[3], seal[4], seal[5], seal[6], draws)
