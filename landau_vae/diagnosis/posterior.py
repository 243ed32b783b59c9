"""The posteriors of a trained model, as arrays from any framework → moments, in one pass and without a copy.

    q(z_k | x_i) = N(μ_ik, σ²_ik)     M²_k = ⟨μ_k²⟩/(⟨μ_k²⟩ + ⟨σ_k²⟩)     R_k = ½⟨μ_k² + σ_k² − 1 − ln σ_k²⟩

Rows are worked on in blocks that stay in the cache, in double precision whatever comes in. What can be told from the
numbers is refused: a swapped mean, a log-variance that was named a variance. Source of M²: J. Hirn, arXiv:2605.22691.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.tables import as_table, nonfinite_problem
from landau_vae.diagnosis.naming import Spread, check_logs, check_name, not_positive
from landau_vae.display import Array
from landau_vae.errors import InputError

__all__ = ["EPSILON", "Posterior", "read_posterior"]

EPSILON = 0.01  #: nats, of (ε, δ)-collapse (Lucas et al., arXiv:1911.02469)
BLOCK = 2**17  # numbers of each array that are worked on at a time: 1 MiB in double precision
ONE_THREAD = 2**18  # multiplications up to which a BLAS takes one thread (OpenBLAS's threshold)
SHORT = 32  # rows below which a product is not worth cutting into pieces
CONSTANT = 8 * np.finfo(float).eps  # spread of a mean, in units of its size, that is rounding


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
    def ranking(self) -> NDArray[np.intp]:
        """The latents by falling M², (K,), counted from 0."""
        return np.argsort(-self.signal_fraction, kind="stable")

    @property
    def signal_fraction(self) -> Array:
        """M²_k, (K,), of μ about its mean: an offset that all rows share encodes nothing."""
        return self.mean_variance / (self.mean_variance + self.variance)


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
    n = len(mu)
    wide = data is not None and data.shape[1] > n
    narrow = None if wide else data
    totals, least = _Totals(mu, narrow), np.inf
    for start in range(0, n, totals.rows):
        part = slice(start, start + totals.rows)
        least = min(least, totals.add(mu[part], spread[part], kind, None if narrow is None else narrow[part]))
        if not totals.finite and (problem := _nonfinite(mu, spread, kind)):
            raise problem
        if kind != "log_variance" and least <= 0:
            raise not_positive(kind, least, swapped=bool(np.min(mu) > 0))
    if kind == "log_variance":
        check_logs(mu, spread, least)
    found = totals.posterior(n, _feature_moments(data) if wide and data is not None else None)
    if not (totals.finite and np.isfinite(found.covariance).all() and found.variance.min() > np.finfo(float).tiny):
        raise InputError(
            f"The posteriors are beyond what can be computed, with means from {float(mu.min()):.3g} to "
            f"{float(mu.max()):.3g} and a {kind} from {float(spread.min()):.3g} to {float(spread.max()):.3g}: see "
            "whether training has diverged."
        )
    check_name(kind, found.mean_square, found.variance, totals.other / n)
    return found


class _Totals:
    """Sums over blocks, of means and data shifted by those of the first rows; the blocks are copied to scratch."""

    def __init__(self, mu: NDArray[Any], data: NDArray[Any] | None) -> None:
        (n, K), d = mu.shape, 0 if data is None else data.shape[1]
        self.shift = mu[:256].astype(np.float64).mean(axis=0)
        self.sum, self.square = np.zeros(K), np.zeros((K, K))
        self.variance, self.other, self.rate, self.quiet = (np.zeros(K) for _ in range(4))
        self.data_shift = None if data is None else data[:256].astype(np.float64).mean(axis=0)
        self.data_sum, self.data_square, self.cross = np.zeros(d), np.zeros(d), np.zeros((d, K))
        self.rows = min(n, max(64, BLOCK // max(K, min(d, 128))))  #: of a block
        self.scratch = np.empty((3, self.rows, K))
        width = min(ONE_THREAD // (SHORT * K), 2 * BLOCK // self.rows)  # of the features that are taken at a time
        self.features = np.empty((self.rows, min(d, max(32, width))))
        self.ones = np.ones(self.rows)

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
                self.other += ones @ variance
                np.square(variance, out=variance)
        kl += variance
        kl -= 1.0  # before μ² comes in: of a dead latent little is left
        self.variance += ones @ variance
        if kind != "std":
            self.other += ones @ np.square(variance, out=variance)
        kl += np.square(means, out=variance)
        self.rate += 0.5 * (ones @ kl)
        self.quiet += ones @ np.less(kl, 2 * EPSILON, out=kl, casting="unsafe")
        means -= self.shift
        self.sum += ones @ means
        self.square += _product(means, means)
        if data is not None and self.data_shift is not None:
            self._add_features(means, data, self.data_shift)
        return least

    def _add_features(self, means: Array, data: NDArray[Any], shift: Array) -> None:
        """Some at a time: there may be many more features than latents."""
        width = self.features.shape[1]
        for start in range(0, data.shape[1], width):
            part = slice(start, min(start + width, data.shape[1]))
            centred = self.features[: len(data), : part.stop - start]
            np.subtract(data[:, part], shift[part], out=centred)
            self.data_sum[part] += self.ones[: len(data)] @ centred
            self.data_square[part] += np.einsum("nd,nd->d", centred, centred)
            self.cross[part] += _product(centred, means)

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


def _product(left: Array, right: Array) -> Array:
    """leftᵀ right, of two tall matrices, as a sum of products that are each too small for more than one thread.

    That is as fast, and does not wait for a second core where other programs want it, too (100 times longer).
    """
    p, q = left.shape[1], right.shape[1]
    rows = ONE_THREAD // (p * q)
    whole = len(left) // rows * rows if rows >= SHORT else 0
    product = np.asarray(left[whole:].T @ right[whole:])
    if whole:
        piece = left[:whole].reshape(-1, rows, p).transpose(0, 2, 1)
        product += (piece @ right[:whole].reshape(-1, rows, q)).sum(axis=0)
    return product


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
