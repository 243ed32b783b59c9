"""The posteriors of a trained model, as arrays from any framework → moments, in one pass and without a copy.

    q(z_k | x_i) = N(μ_ik, σ²_ik)     M²_k = ⟨μ_k²⟩/(⟨μ_k²⟩ + ⟨σ_k²⟩)     R_k = ½⟨μ_k² + σ_k² − 1 − ln σ_k²⟩

Rows are worked on in blocks that stay in the cache, in double precision whatever comes in. What can be told from the
numbers is refused: a swapped mean, a log-variance that was named a variance. Source of M²: J. Hirn, arXiv:2605.22691.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landau_vae.errors import InputError
from landau_vae.results import Array
from landau_vae.samples.tables import as_table, nonfinite_problem

__all__ = ["EPSILON", "Posterior", "Spread", "read_posterior"]

Spread = Literal["variance", "log_variance", "std"]

EPSILON = 0.01  #: nats, of (ε, δ)-collapse (Lucas et al., arXiv:1911.02469)
BLOCK = 2**17  # numbers of each array that are worked on at a time: 1 MiB in double precision
TOGETHER = 64  # features, at least, that are multiplied with the means at a time
CONSTANT = 8 * np.finfo(float).eps  # spread of a mean, in units of its size, that is rounding
LOOKED_AT = 1024  # rows, evenly spread, by which the names of the arrays are checked
RESTING, MOVING = 0.05, 0.1  # |ln A²| that every latent keeps under its right name, and that a wrong name exceeds
TELLING = 0.05  # what a log-variance lies below zero on average where a latent lives
WIDEST = 2.0  # a variance that no encoder's average exceeds


@dataclass(frozen=True, eq=False)
class Posterior:
    """Moments of n posteriors of K latents; `cross` where there are data, and no more features than rows."""

    samples: int  #: n
    offset: Array  #: ⟨μ_k⟩, (K,)
    covariance: Array  #: of μ over the rows, (K, K)
    variance: Array  #: ⟨σ_k²⟩, (K,)
    rate: Array  #: R_k, (K,), nats
    quiet: Array  #: share of rows whose KL is below ε, (K,)
    cross: Array | None  #: ⟨(x − x̄) μᵀ⟩, (d, K)
    data_mean: Array | None  #: x̄, (d,)
    data_variance: Array | None  #: of each feature, (d,)

    @property
    def latents(self) -> int:
        """K."""
        return len(self.offset)

    @property
    def mean_variance(self) -> Array:
        """Var μ_k over the rows, (K,)."""
        return self.covariance.diagonal()

    @property
    def mean_square(self) -> Array:
        """⟨μ_k²⟩, (K,)."""
        return self.mean_variance + self.offset**2

    @property
    def second_moment(self) -> Array:
        """A²_k = ⟨μ_k²⟩ + ⟨σ_k²⟩, (K,): 1 wherever training has found the best scale of a latent."""
        return self.mean_square + self.variance

    @property
    def signal_fraction(self) -> Array:
        """M²_k, (K,)."""
        return self.mean_square / self.second_moment


def read_posterior(mean: Any, spread: Any, kind: Spread, data: NDArray[Any] | None) -> Posterior:
    """Check the arrays and take their moments."""
    mu = _posterior_table(mean, "mean")
    other = _posterior_table(spread, kind)
    if mu.shape != other.shape:
        raise InputError(
            f"The mean has shape {mu.shape}, but the {kind} has {other.shape}: both are samples × latents, of the same "
            "rows in the same order."
        )
    n, K = mu.shape
    if data is not None and len(data) != n:
        turned = " (is one of them transposed?)" if n == data.shape[1] or len(data) == K else ""
        raise InputError(
            f"There are {n} posteriors, but {len(data)} rows of data: give the very rows that were encoded, in their "
            f"order{turned}."
        )
    if n <= K:
        raise InputError(
            f"There are {n} posteriors of {K} latents, but more rows than latents are needed to tell them apart: "
            f"encode more data{' (or are the arrays transposed?)' if n < K else ''}."
        )
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):  # looked for in what comes out
        return _pass(mu, other, kind, data)


def _posterior_table(values: Any, what: str) -> NDArray[Any]:
    try:
        return as_table(values)[0]
    except InputError as problem:
        raise InputError(f"The {what} of the posterior cannot be used. {problem}") from None


def _pass(mu: NDArray[Any], spread: NDArray[Any], kind: Spread, data: NDArray[Any] | None) -> Posterior:
    n, K = mu.shape
    wide = data is not None and data.shape[1] > n
    narrow = None if wide else data
    rows = min(n, max(64, BLOCK // (2 * K)))
    totals, least = _Totals(mu, narrow, rows), np.inf
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        least = min(least, totals.add(mu[part], spread[part], kind, None if narrow is None else narrow[part]))
        if not totals.finite and (problem := _nonfinite(mu, spread, kind)):
            raise problem
        if kind != "log_variance" and least <= 0:
            raise _not_positive(kind, least, swapped=bool(np.min(mu) > 0))
    _check_name(mu, spread, kind, least)
    found = totals.posterior(n, _feature_moments(data) if wide and data is not None else None)
    if not (totals.finite and np.isfinite(found.covariance).all() and found.variance.min() > np.finfo(float).tiny):
        raise InputError(
            f"The posteriors are beyond what can be computed, with means from {float(mu.min()):.3g} to "
            f"{float(mu.max()):.3g} and a {kind} from {float(spread.min()):.3g} to {float(spread.max()):.3g}: see "
            "whether training has diverged."
        )
    return found


class _Totals:
    """Sums over blocks, of means and data shifted by those of the first rows; the blocks are copied to scratch.

    Products are of one matrix with itself, of the means beside some features: BLAS makes these in half the time, and
    its threads do not wait for each other where other programs want their cores, too (gemm: 50 times slower).
    """

    def __init__(self, mu: NDArray[Any], data: NDArray[Any] | None, rows: int) -> None:
        K, d = mu.shape[1], 0 if data is None else data.shape[1]
        self.shift = mu[:256].astype(np.float64).mean(axis=0)
        self.sum, self.square = np.zeros(K), np.zeros((K, K))
        self.variance, self.rate, self.quiet = (np.zeros(K) for _ in range(3))
        self.data_shift = None if data is None else data[:256].astype(np.float64).mean(axis=0)
        self.data_sum, self.data_square, self.cross = np.zeros(d), np.zeros(d), np.zeros((d, K))
        self.scratch = np.empty((3, rows, K))
        self.side_by_side = np.empty((rows, K + min(d, max(K, TOGETHER))))
        self.ones = np.ones(rows)

    @property
    def finite(self) -> bool:
        """Whether nothing that is not finite has come in, or out."""
        return bool(np.isfinite(self.sum).all() and np.isfinite(self.rate).all())

    def add(self, mu: NDArray[Any], spread: NDArray[Any], kind: Spread, data: NDArray[Any] | None) -> float:
        """A block; returns the least of its spreads."""
        ones = self.ones[: len(mu)]
        means, variance, kl = self.scratch[:, : len(mu)]
        np.copyto(means, mu)
        np.copyto(variance, spread)
        least = float(variance.min())
        if kind == "log_variance":
            np.negative(variance, out=kl)
            np.exp(variance, out=variance)
        else:
            np.log(variance, out=kl)
            kl *= -2.0 if kind == "std" else -1.0
            if kind == "std":
                np.square(variance, out=variance)
        kl += variance
        kl -= 1.0  # before μ² comes in: of a dead latent little is left
        self.variance += ones @ variance
        kl += np.square(means, out=variance)
        self.rate += 0.5 * (ones @ kl)
        self.quiet += ones @ np.less(kl, 2 * EPSILON, out=kl, casting="unsafe")
        self._products(means, data, ones)
        return least

    def _products(self, means: Array, data: NDArray[Any] | None, ones: Array) -> None:
        K, d = means.shape[1], len(self.data_sum)
        both = self.side_by_side[: len(means)]
        centred = np.subtract(means, self.shift, out=both[:, :K])
        self.sum += ones @ centred
        if data is None or self.data_shift is None:
            self.square += centred.T @ centred
            return
        width = both.shape[1] - K
        for start in range(0, d, width):
            part = slice(start, min(start + width, d))
            block = both[:, : K + part.stop - start]
            np.subtract(data[:, part], self.data_shift[part], out=block[:, K:])
            product = block.T @ block
            self.data_sum[part] += ones @ block[:, K:]
            self.data_square[part] += product.diagonal()[K:]
            self.cross[part] += product[K:, :K]
            if start == 0:
                self.square += product[:K, :K]

    def posterior(self, n: int, wide: tuple[Array, Array] | None) -> Posterior:
        """Averages, centred; of a mean that is constant up to rounding nothing is left."""
        step = self.sum / n
        offset, covariance = self.shift + step, self.square / n - np.outer(step, step)
        constant = covariance.diagonal() <= np.square(CONSTANT * offset)
        covariance[constant, :] = covariance[:, constant] = 0.0
        moments = n, offset, covariance, self.variance / n, self.rate / n, self.quiet / n
        if self.data_shift is None:
            return Posterior(*moments, None, *(wide or (None, None)))
        off = self.data_sum / n
        cross = self.cross / n - np.outer(off, step)
        cross[:, constant] = 0.0
        return Posterior(*moments, cross, self.data_shift + off, self.data_square / n - off**2)


def _feature_moments(data: NDArray[Any]) -> tuple[Array, Array]:
    """Mean and variance of each feature of a wide table, by blocks of columns."""
    mean, variance = np.zeros((2, data.shape[1]))
    columns = max(1, BLOCK // len(data))
    for start in range(0, data.shape[1], columns):
        part = slice(start, start + columns)
        block = data[:, part].astype(np.float64)
        mean[part] = block.mean(axis=0)
        variance[part] = block.var(axis=0)
    return mean, variance


# -------------------------------------------------------------------------------- what is wrong with them


def _nonfinite(mu: NDArray[Any], spread: NDArray[Any], kind: Spread) -> InputError | None:
    for what, array in (("mean", mu), (kind, spread)):
        step = max(1, BLOCK // array.shape[1])
        blocks = [array[start : start + step] for start in range(0, len(array), step)]
        if not all(np.isfinite(block).all() for block in blocks):
            return InputError(f"The {what} of the posterior cannot be used. {nonfinite_problem(blocks, None)}")
    return None


def _not_positive(kind: Spread, least: float, *, swapped: bool) -> InputError:
    if swapped:
        return InputError(
            f"The {kind} is {least:.6g} somewhere while every mean is positive: mean and {kind} look swapped, give "
            f"mean=μ and {kind}=… by name."
        )
    if least == 0:
        return InputError(
            f"A {kind} of a posterior is positive, but there are zeros: an encoder without noise is no VAE's; float16 "
            "rounds variances below 6e-8 to zero, and zeros that are log-variances have to be called so "
            "(log_variance=…)."
        )
    return InputError(
        f"A {kind} of a posterior is positive, but the least is {least:.6g}: if these are log-variances, say so "
        "(log_variance=…; encoders often return them)."
    )


def _check_name(mu: NDArray[Any], spread: NDArray[Any], kind: Spread, least: float) -> None:
    """Complain about arrays that are what they are not said to be: under their right names A² is 1 in a model at rest.

    A thousand rows are looked at.
    """
    rows = np.unique(np.linspace(0, len(mu) - 1, LOOKED_AT).astype(np.intp))
    means, spreads = mu[rows].astype(np.float64), spread[rows].astype(np.float64)
    square = np.square(means).mean(axis=0)
    if kind == "log_variance":
        if _swapped(means, spreads):
            raise InputError(
                "Mean and log_variance look swapped: what is called the mean lies below zero, as ln σ² does where a "
                "latent lives, and what is called log_variance lies evenly about zero. Give mean=μ and "
                "log_variance=ln σ² by name."
            )
        own, other = _off(square + np.exp(spreads).mean(axis=0)), _off(square + np.exp(2 * spreads).mean(axis=0))
        as_variance = _off(square + spreads.mean(axis=0))
        as_std = _off(square + np.square(spreads).mean(axis=0))
        average = spreads.mean(axis=0)
        if least >= 0 and average.max() < WIDEST and min(np.median(as_variance), np.median(as_std)) < np.median(own):
            raise InputError(
                f"Every log-variance is positive ({spreads.min():.3g} … {spreads.max():.3g}), so that every posterior "
                "would be wider than the prior: if these are variances or standard deviations, say so (variance=… or "
                "std=…)."
            )
        better = "ln σ, logarithms of standard deviations: give std=np.exp(…)"
    elif kind == "variance":
        own, other = _off(square + spreads.mean(axis=0)), _off(square + np.square(spreads).mean(axis=0))
        better = "standard deviations: give std=…"
    else:
        own, other = _off(square + np.square(spreads).mean(axis=0)), _off(square + spreads.mean(axis=0))
        better = "variances: give variance=…"
    if other.max() < RESTING and np.count_nonzero(own > MOVING) > 1:
        raise InputError(
            f"The {kind} does not fit the mean: ⟨μ²⟩ + ⟨σ²⟩, which is 1 for each latent of a model at rest, is up to "
            f"{np.exp(own.max()):.2g}-fold off, but is 1 for all of them if these are {better}."
        )


def _off(second_moment: Array) -> Array:
    """|ln A²| of each latent, (K,)."""
    return np.abs(np.log(second_moment))


def _swapped(means: Array, logs: Array) -> bool:
    """Whether log-variances and means look like means and log-variances, in every latent that would then live."""
    signal = np.square(logs).mean(axis=0)
    living = signal > 0.1 * (signal + np.exp(means).mean(axis=0))
    below = (means.mean(axis=0) < -TELLING) & ((means < 0).mean(axis=0) > 0.99)
    evenly = np.abs(logs.mean(axis=0)) < 0.3 * logs.std(axis=0)
    inside = np.abs((logs > 0).mean(axis=0) - 0.5) < 0.3
    return bool(living.any() and np.all((below & evenly & inside)[living]))
