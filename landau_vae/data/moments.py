"""The exact mean and scatter of rows that arrive in blocks, in any order.

    scatter = Σ_i w_i (x_i − m)(x_i − m)ᵀ,    m = Σ_i w_i x_i / Σ_i w_i

Two partial results merge exactly (Chan, Golub & LeVeque 1983, eq. 2.1), so a stream, a file and
the shards of a cluster all end in the same matrix. Every block is multiplied close to its own
mean: it is shifted by a provisional mean, and the shift is renewed as soon as a column of a
block strays from it by more than its own spread; what is left to subtract then costs one bit at
most.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.errors import OutsideTheory

CACHED_NUMBERS = 2**18  # 2 MiB of float64: a block of a narrow table and its shifted copy stay in the cache
FOLDED_NUMBERS = 2**10
HARMLESS = 2.0**-10  # of the scatter so far: to subtract so little costs it no digit
BUFFER_NUMBERS = 2**22  # 32 MiB: a block of a wide table need not be larger
RESIDUAL = 1e-8  # of the eigenvalue; residuals that are within rounding of the largest one are as good as they get
SPARE = 12  # vectors beyond the k: they make the k-th converge, and find multiplets up to their number
ROOM = 256  # vectors that are kept between passes, if not four times as many as are worked on
PASSES = 400
DENSE = 1500  # a matrix of this size is decomposed in a second
EPS = float(np.finfo(np.float64).eps)
STATE = ("count", "weight", "precision", "mean", "scatter", "shift")  # all that matters to what comes after

Pairs = Iterator[tuple[NDArray[Any], Array | None]]  # blocks of (rows, weights of the rows)


def cut(rows: NDArray[Any], weights: Array | None, size: int) -> Pairs:
    """Yield blocks of at most `size` rows, with their weights."""
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        yield rows[part], None if weights is None else weights[part]


def block_rows(columns: int) -> int:
    """Return how many rows of `columns` numbers to work on at a time."""
    # The d × d update of the scatter should be a small part of a block's work: 16 d rows where memory allows, else d/4.
    return max(CACHED_NUMBERS // columns, min(16 * columns, max(BUFFER_NUMBERS // columns, columns // 4)))


@dataclass(frozen=True, eq=False)
class Again:
    """Blocks of rows and their weights, in the same order each time; in copies and pickles it is None."""

    pairs: Callable[[], Pairs]

    def __call__(self) -> Pairs:
        """Return an iterator over them."""
        return self.pairs()

    def __reduce__(self) -> tuple[Any, ...]:
        return _nothing, ()


def _nothing() -> None:
    """Stand in for rows that stay where they are when a spectrum travels."""


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Eigenvalues of a covariance, and its eigenvectors, computed when they are first asked for.

    Eigenvalues alone cost a third of eigenvalues and vectors, and most callers need no vectors.
    So the constructor has the eigenvalues (`eigvalsh`); the vectors come from one later `eigh`
    of the same matrix, which is kept. A caller that will need them takes both at once, by
    `vectors=True`.
    """

    values: Array  #: (modes,), descending
    formed: Array | None = None  #: the covariance (d, d), or a Gram matrix (n, n), if one was formed
    lift: Callable[[Array], Array] | None = None  #: eigenvectors of a Gram matrix (n, k) → those of C

    @classmethod
    def of(
        cls, formed: Array, modes: int | None = None, lift: Callable[[Array], Array] | None = None, *,
        vectors: bool = False,
    ) -> Self:  # fmt: skip
        """Decompose a covariance, or a Gram matrix if there is a `lift`: all modes, or the first `modes`.

        Where eigenvectors will be needed too, one `eigh` gives both.
        """
        if not vectors:
            return cls(strongest_of_matrix(formed, modes), formed, lift)
        found = cls(np.empty(0), formed, lift)
        object.__setattr__(found, "values", found.eigh[0][::-1])
        return found

    @property
    def matrix(self) -> Array | None:
        """The covariance (d, d), where it was formed."""
        return self.formed if self.lift is None else None

    @property
    def trace(self) -> float:
        """Sum of all eigenvalues of the matrix that was formed."""
        assert self.formed is not None
        return float(np.trace(self.formed))

    def vectors(self, count: int) -> Array | None:
        """Return the first `count` eigenvectors, (d, count), or None where only eigenvalues were iterated for."""
        if self.formed is None:
            return None
        leading = self.eigh[1][:, ::-1][:, :count]
        if self.lift is None:
            return leading
        vectors = self.lift(leading)
        return np.divide(vectors, np.linalg.norm(vectors, axis=0), out=vectors)

    def times(self, factor: float) -> "Decomposition":
        """Return the decomposition of the covariance times a factor."""
        formed = None if self.formed is None else self.formed * factor
        return self if factor == 1.0 else Decomposition(self.values * factor, formed, self.lift)

    @cached_property
    def eigh(self) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors of the matrix that was formed, ascending."""
        assert self.formed is not None
        values, vectors = np.linalg.eigh(self.formed)
        return values, vectors


class SecondMoments:
    """What `Moments`, `Gram` and `Margins` have in common: means and variances of columns, and a decomposition."""

    again: Again | None = None  #: goes through the rows once more, where that is possible
    vectors_needed = False  #: whether `decompose` is to compute eigenvectors together with the eigenvalues

    def __init__(self, dimension: int) -> None:
        self.count = 0  #: rows
        self.weight = 0.0  #: the sum of their weights
        self.precision = EPS  #: spacing of numbers near 1 in the coarsest dtype
        self.mean: Array = np.zeros(dimension)  #: (d,)
        self.scatter: Array = np.zeros(0)  #: Σ w (x − m)(x − m)ᵀ, (d, d), or its diagonal alone, (d,)

    @property
    def variance(self) -> Array:
        """Variance of each column, (d,)."""
        return (self.scatter if self.scatter.ndim == 1 else self.scatter.diagonal()) / self.weight

    @property
    def finite(self) -> bool:
        """Whether nothing non-finite has been added, and nothing has overflowed."""
        return self.weight == 0 or bool(np.all(np.isfinite(self.mean)) and np.all(np.isfinite(self.variance)))

    def total(self, unit: Array | None) -> float:
        """Return the variance of all columns, divided by `unit` (d,) if there is one."""
        return float(np.sum(self.variance / (1.0 if unit is None else unit**2)))

    def decompose(self, unit: Array | None, modes: int | None = None) -> Decomposition:
        """Decompose the covariance of the columns in a `unit`: divided by (d,), or times a matrix (d, d).

        All eigenvalues are found, or the first `modes`.
        """
        raise NotImplementedError

    def _absorb(self, weight: float, mean: Array, scatter: Array) -> None:
        """Add the weight, mean and scatter of further rows."""
        total = self.weight + weight
        if total == 0.0:
            return
        step = mean - self.mean
        self.scatter += scatter
        between = self.weight * weight / total
        self.scatter += _square(step, between) if self.scatter.ndim == 2 else step**2 * between
        self.mean = self.mean + step * (weight / total)
        self.weight = total


class Moments(SecondMoments):
    """Sample count, total weight, mean (d,) and scatter (d, d) of the rows added so far.

    `precision` is the spacing of numbers near 1 in the coarsest dtype that was added: float32
    data carry rounding noise of their own, which `Spectrum` must not mistake for a mode.

    >>> left, right = Moments(2), Moments(2)
    >>> left.add(np.array([[0.0, 1.0], [2.0, 3.0]]))
    >>> right.add(np.array([[4.0, 2.0]]))
    >>> left.merge(right)
    >>> left.count, left.mean.tolist(), left.covariance[0].tolist()
    (3, [2.0, 2.0], [2.6666666666666665, 0.6666666666666666])
    """

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        self.scatter = np.zeros((dimension, dimension))
        self.shift: Array | None = None
        self._buffer: Array = np.empty((0, dimension))
        self._product: Array = np.empty((dimension, dimension))

    @property
    def covariance(self) -> Array:
        """Scatter over total weight, (d, d)."""
        return self.scatter / self.weight

    def decompose(self, unit: Array | None, modes: int | None = None) -> Decomposition:
        """Decompose the covariance, as `SecondMoments` says."""
        return Decomposition.of(in_unit(self.covariance, unit), modes, vectors=self.vectors_needed)

    def add(self, rows: NDArray[Any], weights: Array | None = None) -> None:
        """Add a block of rows (n, d), real and finite or not (then the moments turn non-finite)."""
        self.precision = max(self.precision, spacing(rows.dtype))
        with np.errstate(over="ignore", invalid="ignore"):  # the caller looks for non-finite moments
            for block, share in cut(rows, weights, block_rows(rows.shape[1])):
                self._add_block(block, share)

    def merge(self, other: "Moments") -> None:
        """Add everything that was added to `other`; order does not matter."""
        self.count += other.count
        self.precision = max(self.precision, other.precision)
        with np.errstate(over="ignore", invalid="ignore"):
            self._absorb(other.weight, other.mean, other.scatter)

    def select(self, columns: Sequence[int]) -> "Moments":
        """Return the moments of some of the columns."""
        chosen = Moments(len(columns))
        chosen.count, chosen.weight, chosen.precision = self.count, self.weight, self.precision
        chosen.mean, chosen.scatter = self.mean[columns], self.scatter[np.ix_(columns, columns)]
        chosen.shift = None if self.shift is None else self.shift[columns]
        return chosen

    def __getstate__(self) -> dict[str, Any]:
        """Return what has been added, without the room to work in."""
        return {name: getattr(self, name) for name in STATE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(len(state["mean"]))  # type: ignore[misc]
        self.__dict__.update(state)

    def _add_block(self, rows: NDArray[Any], weights: Array | None) -> None:
        weight = float(len(rows)) if weights is None else float(weights.sum())
        if weight == 0.0:
            self.count += len(rows)
            return
        if self.count == 0:
            self.shift = _first_shift(rows)
        offset, product = self._product_near_mean(rows, weights, weight)
        if self._strays(weight * offset**2, product.diagonal()):
            self.shift = offset if self.shift is None else self.shift + offset
            offset, product = self._product_near_mean(rows, weights, weight)
        mean = offset if self.shift is None else self.shift + offset
        product -= _square(offset, weight)
        self.count += len(rows)
        self._absorb(weight, mean, product)

    def _product_near_mean(self, rows: NDArray[Any], weights: Array | None, weight: float) -> tuple[Array, Array]:
        """Return mean and raw second moments of a block after the provisional shift."""
        block = self._shifted(rows)
        if weights is None:
            offset = _column_sums(block) / weight
        else:
            offset = weights @ block / weight
            block = np.multiply(block, np.sqrt(weights)[:, None])
        return offset, np.matmul(block.T, block, out=self._product)

    def _strays(self, offset_square: Array, square: Array) -> bool:
        """Return whether a column's mean outweighs its spread, by more than rounding of the shift or earlier rows."""
        rounding = 0.0 if self.shift is None else len(self._product) * self.precision * self.shift**2
        rounding = np.maximum(rounding, self.scatter.diagonal() * HARMLESS)
        return bool(np.any((offset_square > square / 2) & (offset_square > rounding)))

    def _shifted(self, rows: NDArray[Any]) -> Array:
        if self.shift is None and rows.dtype == np.float64:
            return rows
        if len(self._buffer) < len(rows):
            self._buffer = np.empty(rows.shape, order="F" if rows.strides[0] < rows.strides[1] else "C")
        block = self._buffer[: len(rows)]
        if self.shift is None:
            np.copyto(block, rows)
        else:
            _subtract(rows, self.shift, block)
        return block


def in_unit(covariance: Array, unit: Array | None) -> Array:
    """Return the covariance of columns that are divided by `unit` (d,), or of rows times a matrix (d, d)."""
    if unit is None:
        return covariance
    return covariance / np.outer(unit, unit) if unit.ndim == 1 else np.asarray(unit.T @ covariance @ unit)


def _first_shift(rows: NDArray[Any]) -> Array | None:
    """Return a first guess of the mean, or None where all columns lie near zero; a wrong one costs time, not digits."""
    sample = np.asarray(rows[:256], dtype=np.float64)
    mean = sample.mean(axis=0)
    return mean if np.any(mean**2 > sample.var(axis=0)) else None


def _fold(block: NDArray[Any]) -> int:
    """Return how many rows of a narrow C-ordered block to take as one, so that inner loops are long."""
    return max(1, FOLDED_NUMBERS // block.shape[1]) if block.flags.c_contiguous else 1


def _column_sums(block: Array) -> Array:
    fold, columns = _fold(block), block.shape[1]
    whole = len(block) // fold * fold
    folded = block[:whole].reshape(-1, fold * columns)
    return (np.ones(len(folded)) @ folded).reshape(fold, columns).sum(axis=0) + block[whole:].sum(axis=0)


def _subtract(rows: NDArray[Any], shift: Array, out: Array) -> None:
    fold = min(_fold(rows), _fold(out))
    whole = len(rows) // fold * fold
    width = fold * rows.shape[1]
    np.subtract(rows[:whole].reshape(-1, width), np.tile(shift, fold), out=out[:whole].reshape(-1, width))
    np.subtract(rows[whole:], shift, out=out[whole:])


def _square(vector: Array, factor: float) -> Array:
    """Return factor · v vᵀ, symmetric to the last bit."""
    half = vector * np.sqrt(factor)
    return np.outer(half, half)


def spacing(dtype: np.dtype[Any]) -> float:
    """Return the gap between numbers near 1, double precision at the least."""
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)


# ------------------------------------------------------------------------------------ the strongest eigenvalues


def strongest_of_matrix(matrix: Array, modes: int | None) -> Array:
    """Return the eigenvalues of a symmetric matrix, descending: all, or the first `modes`."""
    if modes is not None and len(matrix) > DENSE and modes < len(matrix) // 20:
        values = _iterate(lambda block: matrix @ block, len(matrix), modes)
        if values is not None:
            return values
    return np.linalg.eigvalsh(matrix)[::-1][:modes]


def strongest(apply: Callable[[Array], Array], dimension: int, modes: int) -> Array:
    """Return the `modes` largest eigenvalues of C (d, d), descending; `apply` maps (d, b) to C times it.

    >>> diagonal = np.arange(1.0, 401.0)
    >>> strongest(lambda block: diagonal[:, None] * block, 400, 3).round(9).tolist()
    [400.0, 399.0, 398.0]
    """
    values = _iterate(apply, dimension, modes)
    if values is None:
        raise OutsideTheory(
            f"The {modes} strongest modes have not settled to eight digits in {PASSES} passes over the data, as their "
            "variances are nearly equal: ask for fewer modes or more, or leave modes out."
        )
    return values


def _iterate(apply: Callable[[Array], Array], dimension: int, modes: int) -> Array | None:
    """Return the largest eigenvalues by a block Krylov method with thick restarts, None if they do not settle.

    Rayleigh–Ritz on the span of all images so far; the residuals of the leading Ritz vectors
    are the next block. It ends when every residual ‖C v − λ v‖ is below 1e-8 λ: so near to each
    number there is an eigenvalue, and its error is of the order of the square of that. One pass
    over the data serves a whole block.
    """
    width = min(modes + SPARE, dimension)
    room = min(dimension, max(4 * width, ROOM))
    basis, image = np.empty((dimension, room), order="F"), np.empty((dimension, room), order="F")
    block = np.linalg.qr(np.random.default_rng(0).standard_normal((dimension, width)))[0]
    size = 0
    for _ in range(PASSES):
        new = slice(size, size + block.shape[1])
        basis[:, new], image[:, new] = block, apply(block)
        size = new.stop
        small = basis[:, :size].T @ image[:, :size]
        values, vectors = (part[..., ::-1] for part in np.linalg.eigh((small + small.T) / 2))
        lead = vectors[:, :width]
        residual = image[:, :size] @ lead - (basis[:, :size] @ lead) * values[:width]
        norms = np.linalg.norm(residual, axis=0)
        within = norms <= np.maximum(RESIDUAL * values[:width], EPS * dimension * values[0])
        if np.all(within[:modes]) or size == dimension:
            return values[:modes]
        if size + width > room:  # go on from the leading Ritz vectors
            keep = min(max(width, 3 * room // 8), size - 1)
            for part in (basis, image):
                part[:, :keep] = part[:, :size] @ vectors[:, :keep]
            size = keep
        block = _orthonormal(residual[:, norms > 0] / norms[norms > 0], basis[:, :size])[:, : room - size]
        if block.shape[1] == 0:  # the span is invariant
            return values[:modes]
    return None


def _orthonormal(block: Array, basis: Array) -> Array:
    """Return an orthonormal basis of the part of `block` outside `basis`."""
    for _ in range(2):  # twice is enough
        block = block - basis @ (basis.T @ block)
        block, triangle = np.linalg.qr(block)
        weight = np.abs(triangle.diagonal())
        block = block[:, weight > 1e-10 * max(1.0, float(weight.max(initial=0.0)))]
    return block
