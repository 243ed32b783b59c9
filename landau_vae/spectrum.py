"""What the data offer: the spectrum λ₁ ≥ … ≥ λ_d of their covariance C, and V = tr C.

Everything the linear theory predicts follows from it (J. Hirn, arXiv:2605.22691): mode k lives in a
β-VAE iff λ_k exceeds the price τ of a nat, so it collapses at the normalised temperature T_k = λ_k / V.

Covariances divide by n, as the training loss does; `divisor="n-1"` is the rival. Eigenvalues below the
rounding floor ε λ₁ d (plus the rounding noise of coarse input such as float32) are *unresolved*: they
are counted, never returned as numbers. Eigenvalues closer than the floor form one multiplet.
For a Bernoulli or Poisson decoder C is F^(−½) C F^(−½), F its variance at the mean (x̄(1 − x̄), x̄).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.errors import InputError
from landau_vae.results import Array, jsonable, readonly, significant, table
from landau_vae.samples.files import read
from landau_vae.samples.gram import Gram
from landau_vae.samples.moments import Moments
from landau_vae.samples.streams import chunk_pairs, gather, gather_array, with_progress
from landau_vae.samples.tables import as_covariance, as_names, as_numbers, as_table, as_weights

__all__ = ["Divisor", "Likelihood", "Spectrum"]

Divisor = Literal["n", "n-1"]
Likelihood = Literal["gaussian", "bernoulli", "poisson"]

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The resolved eigenvalues of a covariance, and what is needed to read them.

    >>> spectrum = Spectrum.from_data([[2, 0], [-2, 0], [0, 1], [0, -1]])
    >>> spectrum.eigenvalues.tolist(), spectrum.total_variance
    ([2.0, 0.5], 2.5)
    >>> spectrum
    Spectrum(2 modes in 2 dimensions, λ = 2 … 0.5, V = 2.5, n = 4)
    """

    eigenvalues: Array  #: λ_k, (modes,), descending, data²: those above the floor
    dimension: int  #: d, the number of features
    total_variance: float  #: V = tr C, data²
    floor: float  #: data²: variance below it cannot be told from rounding
    samples: int | None = None  #: n, where the spectrum comes from samples
    names: tuple[str, ...] | None = None  #: of the features, (d,)
    standardized: bool = False  #: whether each feature was divided by its standard deviation
    matrix: Array | None = field(default=None, repr=False)  #: C, (d, d), where it was formed
    likelihood: Likelihood = "gaussian"  #: of the decoder that this is the spectrum for

    # ------------------------------------------------------------------------------ constructors

    @classmethod
    def from_data(
        cls,
        data: Any,
        *,
        standardize: bool = False,
        weights: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        divisor: Divisor = "n",
        likelihood: Likelihood = "gaussian",
        progress: bool = False,
    ) -> "Spectrum":
        """The spectrum of a table of samples × features: array, DataFrame, memory map, nested sequences.

        `weights` (n,) weigh the samples; only their ratios matter. Tables with fewer rows than columns are worked on
        in the n × n Gram space. Raises `InputError` unless every entry is a finite real number.

        >>> Spectrum.from_data([[0, 0], [2, 4]], standardize=True).eigenvalues.tolist()
        [2.0]
        """
        array, own_names = as_table(data)
        labels = as_names(names, array.shape[1]) or own_names
        weight = None if weights is None else as_weights(weights, len(array))
        return _from_moments(gather_array(array, weight, labels, progress), standardize, labels, divisor, likelihood)

    @classmethod
    def from_chunks(
        cls,
        chunks: Iterable[Any],
        *,
        standardize: bool = False,
        weights: Iterable[ArrayLike] | None = None,
        names: Sequence[str] | None = None,
        divisor: Divisor = "n",
        likelihood: Likelihood = "gaussian",
        progress: bool = False,
    ) -> "Spectrum":
        """The spectrum of rows that arrive in blocks: any iterable of tables, read once, in O(d²) memory.

        `weights` is an iterable of weight blocks that runs along. Order and sizes of the blocks do not matter.

        >>> Spectrum.from_chunks([[[2, 0], [-2, 0]], [[0, 1], [0, -1]]]).eigenvalues.tolist()
        [2.0, 0.5]
        """
        chunks = iter(chunks)
        first = next(chunks, ())
        labels = as_names(getattr(first, "columns", None) if names is None else names)
        pairs = chunk_pairs(chain([first], chunks), weights)
        moments = gather(with_progress(pairs, None, progress), labels)
        return _from_moments(moments, standardize, labels, divisor, likelihood)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        standardize: bool = False,
        weights: str | None = None,
        columns: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] = (),
        array: str | None = None,
        covariance: bool = False,
        header: bool | None = None,
        divisor: Divisor = "n",
        likelihood: Likelihood = "gaussian",
        progress: bool = False,
    ) -> "Spectrum":
        """The spectrum of a CSV, Parquet, NPY or NPZ file, read by blocks.

        `columns` and `exclude` choose the features by name (by index, "0", "1", …, where the file has no names),
        `weights` names a column of sample weights, `array` one of an NPZ's arrays; `covariance` says that the table
        is a covariance matrix and not samples; `header` says whether a CSV has one (by default: if it has words).
        """
        table = read(path, columns=columns, exclude=exclude, weights=weights, array=array, header=header)
        if covariance:
            if weights is not None or divisor != "n":
                raise InputError("A covariance has no rows to weigh or to divide by: leave weights and divisor out.")
            if likelihood != "gaussian":
                raise InputError(f"For a {likelihood} decoder the means count too: give the samples, not a covariance.")
            matrix = table.array if table.array is not None else np.concatenate([rows for rows, _ in table.blocks])
            return cls.from_covariance(matrix, standardize=standardize, names=table.names)
        if table.array is not None:
            moments = gather_array(table.array, None, None, progress)
        else:
            moments = gather(with_progress(table.blocks, None, progress), table.names)
        return _from_moments(moments, standardize, table.names, divisor, likelihood)

    @classmethod
    def from_covariance(
        cls,
        covariance: Any,
        *,
        standardize: bool = False,
        samples: int | None = None,
        names: Sequence[str] | None = None,
    ) -> "Spectrum":
        """The spectrum of a covariance or correlation matrix (d, d), symmetric positive semidefinite.

        `standardize` turns a covariance into its correlation matrix; `samples` is the n behind it, if known.

        >>> Spectrum.from_covariance([[4, 0], [0, 1]], standardize=True).eigenvalues.tolist()
        [1.0, 1.0]
        """
        matrix, own_names = as_covariance(covariance)
        labels = as_names(names, len(matrix)) or own_names
        if standardize:
            scale = _scale(matrix.diagonal(), np.zeros(len(matrix)), EPS, labels)
            matrix = matrix / np.outer(scale, scale)
        values = np.linalg.eigvalsh(matrix)[::-1]
        return _resolve(
            values,
            len(matrix),
            float(np.trace(matrix)),
            samples=samples,
            names=labels,
            standardized=standardize,
            matrix=readonly(matrix),
        )

    @classmethod
    def from_eigenvalues(cls, eigenvalues: ArrayLike, *, samples: int | None = None) -> "Spectrum":
        """A spectrum known by its eigenvalues, in any order, zeros included (they count as dimensions).

        >>> Spectrum.from_eigenvalues([1, 4, 0])
        Spectrum(2 modes in 3 dimensions, λ = 4 … 1, V = 5)
        """
        values = np.sort(as_numbers(eigenvalues, "The eigenvalues").ravel())[::-1]
        if values.size == 0 or not np.all(np.isfinite(values)) or values[-1] < 0:
            raise InputError(
                f"Eigenvalues must be finite and not negative, but {_shown(values)} were given: "
                "give the eigenvalues of a covariance."
            )
        with np.errstate(over="ignore"):  # a sum that overflows is complained about in words
            total = float(values.sum())
        return _resolve(values, len(values), total, samples=samples)

    # -------------------------------------------------------------------------------- quantities

    @property
    def modes(self) -> int:
        """How many eigenvalues are resolved."""
        return len(self.eigenvalues)

    @property
    def unresolved(self) -> int:
        """How many directions carry no variance above the rounding floor."""
        return self.dimension - self.modes

    @cached_property
    def normalized(self) -> Array:
        """λ_k / V, (modes,): the PCA spectrum, and the collapse temperatures T_k."""
        return readonly(self.eigenvalues / self.total_variance)

    @cached_property
    def covariance(self) -> Array:
        """A covariance with this spectrum: the data's own (d, d) where it was formed, else diagonal (modes, modes)."""
        return self.matrix if self.matrix is not None else readonly(np.diag(self.eigenvalues))

    @cached_property
    def multiplets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First index and multiplicity of each group of eigenvalues that lie within the floor of one another.

        >>> [part.tolist() for part in Spectrum.from_eigenvalues([3, 1, 1, 1]).multiplets]
        [[0, 1], [1, 3]]
        """
        starts = np.concatenate([[0], np.flatnonzero(-np.diff(self.eigenvalues) > self.floor) + 1])
        return readonly(starts, np.int64), readonly(np.diff([*starts, self.modes]), np.int64)

    def rank(self, tolerance: float) -> int:
        """The PCA rank: the least k whose normalised distortion Σ_{i>k} λ_i / V is within `tolerance`.

        >>> Spectrum.from_eigenvalues([6, 3, 1]).rank(0.2)
        2
        """
        check_share(tolerance)
        lost = np.cumsum(self.normalized[::-1])[::-1]  # lost[k]: by keeping k modes
        return int(np.count_nonzero(lost > tolerance))

    def dependencies(self) -> list[tuple[str, ...]]:
        """Features that are linear combinations of one another: one group of names per unresolved direction.

        A group holds the features with a weight in one relation of a sparse basis of all relations. Empty where the
        covariance was never formed (fewer rows than columns: then every feature depends on the others).

        >>> Spectrum.from_data([[1, 2, 0], [0, 0, 1], [2, 4, 5]]).dependencies()
        [('0', '1')]
        """
        if self.matrix is None or self.unresolved == 0:
            return []
        null = np.linalg.eigh(self.matrix)[1][:, : self.unresolved]
        labels = self.names or tuple(map(str, range(self.dimension)))
        return [tuple(labels[i] for i in np.flatnonzero(np.abs(row) > 1e-6)) for row in _sparse_basis(null.T)]

    # ------------------------------------------------------------------------------------ output

    def __repr__(self) -> str:
        ends = " … ".join(significant(x) for x in self.eigenvalues[[0, -1]])
        origin = f", n = {self.samples}" if self.samples is not None else ""
        return (
            f"Spectrum({self.modes} modes in {self.dimension} dimensions, λ = {ends}, "
            f"V = {significant(self.total_variance)}{origin})"
        )

    def summary(self) -> str:
        """The table of modes: λ_k, its share of the variance, the share up to it."""
        shares = np.cumsum(self.normalized)
        rows = [
            [str(k + 1), significant(self.eigenvalues[k]), significant(self.normalized[k]), f"{shares[k]:.4%}"]
            for k in range(self.modes)
        ]
        return f"{self!r}\n" + table(["mode", "λ", "λ/V", "up to here"], rows)

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return jsonable(
            {
                "dimension": self.dimension,
                "samples": self.samples,
                "standardized": self.standardized,
                "likelihood": self.likelihood,
                "total_variance": self.total_variance,
                "floor": self.floor,
                "unresolved": self.unresolved,
                "names": self.names,
                "eigenvalues": self.eigenvalues,
                "dependencies": self.dependencies(),
            }
        )


def check_share(tolerance: float) -> None:
    """A tolerated distortion is a share of the variance."""
    if not isinstance(tolerance, int | float | np.floating) or not 0 < tolerance < 1:
        raise InputError(
            f"The tolerance is {tolerance}, but a share of the variance between 0 and 1 is expected, such as 0.01."
        )


def _from_moments(
    moments: Moments | Gram,
    standardize: bool,
    names: tuple[str, ...] | None,
    divisor: Divisor,
    likelihood: Likelihood,
) -> Spectrum:
    if moments.count < 2:
        raise InputError("There is only one row, and one sample has no spread: at least two rows are needed.")
    if moments.weight == 0.0:
        raise InputError("All weights are zero: at least two rows need a positive weight.")
    if np.all(_constant(moments.variance, moments.mean, moments.precision)):
        raise InputError("All rows are equal, so there is no variance: at least two different rows are needed.")
    scale = _scale(moments.variance, moments.mean, moments.precision, names) if standardize else None
    if likelihood != "gaussian":
        if standardize:
            raise InputError(f"A {likelihood} decoder sees the data as they are: do not standardise them.")
        scale = _spread_at_mean(moments, likelihood, names)
    matrix, values = moments.decompose(scale)
    # One factor turns C into its rival estimate; the correlation matrix does not depend on it.
    divided = _divisor_factor(divisor, moments)
    factor = 1.0 if standardize else divided
    unit = np.ones(len(moments.mean)) if scale is None else scale
    rounding = moments.precision**2 / 12 * (moments.mean**2 + moments.variance) / unit**2
    total = float(np.sum(moments.variance / unit**2))
    return _resolve(
        values * factor,
        len(unit),
        total * factor,
        _mode_noise(matrix, values, rounding) * factor,
        samples=moments.count,
        names=names,
        standardized=standardize,
        matrix=None if matrix is None else readonly(matrix * factor if factor != 1.0 else matrix),
        likelihood=likelihood,
    )


def _spread_at_mean(moments: Moments | Gram, likelihood: Likelihood, names: tuple[str, ...] | None) -> Array:
    """√F: the standard deviation that the likelihood has at the mean, (d,)."""
    if likelihood not in ("bernoulli", "poisson"):
        raise InputError(f"The likelihood is {likelihood!r}, but gaussian, bernoulli or poisson is expected.")
    mean = moments.mean
    # A Bernoulli variable has ⟨x²⟩ ≤ ⟨x⟩; what is negative somewhere is found out by its mean at the latest.
    top = np.inf if likelihood == "poisson" else 1.0
    outside = (mean < 0) | (mean > top)
    if likelihood == "bernoulli":
        outside |= moments.variance > mean * (1 - mean) + 1e-9
    if np.any(outside):
        column = int(np.argmax(outside))
        told = "from 0 to 1" if likelihood == "bernoulli" else "counts, from 0 on"
        raise InputError(
            f"Data for a {likelihood} decoder are {told}, but column {names[column] if names else column} is not "
            f"(mean {significant(mean[column])}, variance {significant(moments.variance[column])}): rescale them, or "
            "take a Gaussian loss."
        )
    variance = mean * (1 - mean) if likelihood == "bernoulli" else mean
    if not np.all(variance > 0):
        stuck = np.flatnonzero(variance <= 0)
        shown = ", ".join(repr(names[i]) if names else str(i) for i in stuck[:5])
        raise InputError(
            f"{stuck.size} column{'s are' if stuck.size > 1 else ' is'} {significant(mean[stuck[0]])} throughout "
            f"({shown}{', …' if stuck.size > 5 else ''}), where a {likelihood} decoder has no variance: leave constant "
            "columns out (X[:, X.std(axis=0) > 0]; --exclude)."
        )
    return np.sqrt(variance)


def _mode_noise(matrix: Array | None, values: Array, rounding: Array) -> Array | float:
    """The variance that rounding of the columns, each by `rounding`, can fake along each mode."""
    floor, bound = _floor(values, len(rounding)), float(rounding.sum())
    if not np.any((values > floor) & (values <= floor + bound)):
        return 0.0  # no mode's fate hangs on it
    if matrix is None:
        return bound
    directions = np.linalg.eigh(matrix)[1][:, ::-1]
    return np.square(directions).T @ rounding


def _resolve(values: Array, dimension: int, total: float, noise: Array | float = 0.0, **rest: Any) -> Spectrum:
    """Keep the eigenvalues above the floor; `noise` is the variance that rounding of the input can fake, by mode."""
    if not np.isfinite(total):
        raise InputError("The variances are so large that their sum overflows: rescale the data.")
    if not values[0] > np.finfo(float).tiny / EPS:
        raise InputError("All eigenvalues are zero (or too small to be told from it): there is no variance to encode.")
    floor = _floor(values, dimension)
    return Spectrum(readonly(values[values > floor + noise]), dimension, total, floor, **rest)


def _floor(values: Array, dimension: int) -> float:
    return EPS * dimension * float(values[0])


def _divisor_factor(divisor: Divisor, moments: Moments | Gram) -> float:
    if divisor not in ("n", "n-1"):
        raise InputError(f"The divisor is {divisor!r}, but 'n' (as in the loss) or 'n-1' (unbiased) is expected.")
    if divisor == "n":
        return 1.0
    if moments.weight != moments.count:
        raise InputError("The divisor n-1 has no meaning for weighted samples: use divisor='n'.")
    return moments.count / (moments.count - 1)


def _constant(variance: Array, mean: Array, precision: float) -> NDArray[np.bool_]:
    """Columns whose spread is within the rounding of their own mean."""
    return variance <= (4 * precision * mean) ** 2


def _scale(variance: Array, mean: Array, precision: float, names: tuple[str, ...] | None) -> Array:
    constant = np.flatnonzero(_constant(variance, mean, precision))
    if constant.size:
        shown = ", ".join(repr(names[i]) if names else str(i) for i in constant[:5])
        subject = f"Column {shown} is" if constant.size == 1 else f"{constant.size} columns ({shown}…) are"
        raise InputError(
            f"{subject} constant and cannot be standardised: leave constant columns out (--exclude), "
            "or do not standardise."
        )
    return np.sqrt(variance)


def _shown(values: Array) -> str:
    return "none" if values.size == 0 else f"{values.size} values from {values.min():.6g} to {values.max():.6g}"


def _sparse_basis(relations: Array) -> Array:
    """The row space of `relations` (u, d) in a basis with a 1 at its own pivot where the others have 0."""
    basis = relations.copy()
    for row in range(len(basis)):
        offset, pivot = divmod(int(np.abs(basis[row:]).argmax()), basis.shape[1])
        basis[[row, row + offset]] = basis[[row + offset, row]]
        basis[row] /= basis[row, pivot]
        others = np.arange(len(basis)) != row
        basis[others] -= np.outer(basis[others, pivot], basis[row])
    return basis
