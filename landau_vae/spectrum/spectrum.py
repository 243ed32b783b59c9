"""What the data offer: the spectrum λ₁ ≥ … ≥ λ_d of their covariance C, and V = tr C.

Everything the linear theory predicts follows from it (J. Hirn, arXiv:2605.22691): mode k lives in a
β-VAE iff λ_k exceeds the price τ of a nat, so it collapses at the normalised temperature T_k = λ_k / V.

Covariances divide by n, as the training loss does; `divisor="n-1"` is the rival. Eigenvalues below the
rounding floor ε λ₁ d (plus the rounding noise of coarse input such as float32) are *unresolved*: they
are counted, never returned as numbers. Eigenvalues closer than the floor form one multiplet.
For a Bernoulli or Poisson decoder C is F^(−½) C F^(−½), F its variance at the mean (x̄(1 − x̄), x̄).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.columns import constant, deviations, select
from landau_vae.data.gram import Gram
from landau_vae.data.margins import Margins
from landau_vae.data.moments import Moments
from landau_vae.data.partial_file import is_partial, load_partial
from landau_vae.data.read_file import read
from landau_vae.data.source import Source
from landau_vae.data.sources import of_chunks, of_data, of_file, of_labelled
from landau_vae.data.tables import as_covariance, as_names, as_numbers
from landau_vae.display import Array, jsonable, readonly, significant, table
from landau_vae.errors import InputError
from landau_vae.likelihoods import GAUSSIAN, Likelihood, as_likelihood

if TYPE_CHECKING:
    import xarray

__all__ = ["Divisor", "Likelihood", "Spectrum"]

Divisor = Literal["n", "n-1"]

EPS = float(np.finfo(np.float64).eps)
ROUNDED = 1e-6  # of V: more than rounding, be it that of float32, takes away with unresolved directions


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
    likelihood: Likelihood = GAUSSIAN  #: of the decoder that this is the spectrum for
    note: str = ""  #: what it is the spectrum of, where it is not the covariance of the data, and where that is exact
    truncated: bool = False  #: whether these are the strongest of more modes, which were not asked for; V is of all

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
        likelihood: Likelihood | str = GAUSSIAN,
        modes: int | None = None,
        progress: bool = False,
    ) -> "Spectrum":
        """The spectrum of a table of samples × features: array, DataFrame, memory map, nested lists, Dask collection.

        `weights` (n,) weigh the samples; only their ratios matter. `modes` asks for the strongest ones only, which may
        be had of 10⁵ columns. Tables with fewer rows than columns are worked on in the n × n Gram space. Raises
        `InputError` unless every entry is a finite real number.

        >>> Spectrum.from_data([[0, 0], [2, 4]], standardize=True).eigenvalues.tolist()
        [2.0]
        >>> Spectrum.from_data([[2, 0, 0], [0, 1, 0], [-2, -1, 0], [0, 0, 1]], modes=1)
        Spectrum(the first mode of more in 3 dimensions, λ = 2.15139, V = 2.6875, n = 4)
        """
        source = of_data(data, weights, names)
        return _of_source(source, modes, progress, standardize, divisor, likelihood)

    @classmethod
    def from_chunks(
        cls,
        chunks: Iterable[Any],
        *,
        standardize: bool = False,
        weights: Iterable[ArrayLike] | None = None,
        names: Sequence[str] | None = None,
        divisor: Divisor = "n",
        likelihood: Likelihood | str = GAUSSIAN,
        modes: int | None = None,
        progress: bool = False,
    ) -> "Spectrum":
        """The spectrum of rows that arrive in blocks: any iterable of tables, read once, in O(d²) memory.

        `weights` is an iterable of weight blocks that runs along. Order and sizes of the blocks do not matter. With
        `modes`, chunks that can be iterated again (a list, not a generator) need no d × d matrix.

        >>> Spectrum.from_chunks([[[2, 0], [-2, 0]], [[0, 1], [0, -1]]]).eigenvalues.tolist()
        [2.0, 0.5]
        """
        source = of_chunks(chunks, weights, names)
        return _of_source(source, modes, progress, standardize, divisor, likelihood)

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
        samples: str | Sequence[str] | None = None,
        covariance: bool = False,
        header: bool | None = None,
        divisor: Divisor = "n",
        likelihood: Likelihood | str = GAUSSIAN,
        modes: int | None = None,
        progress: bool = False,
    ) -> "Spectrum":
        """The spectrum of a CSV, Parquet, NPY, NPZ, Zarr or netCDF file, read by blocks, or of a saved `Partial`.

        `columns` and `exclude` choose the features by name (by index, "0", "1", …, where the file has no names),
        `weights` names a column of sample weights, `array` an array in the file; `samples` names the dimensions of a
        Zarr or netCDF array that count the samples (the first, unless told); `covariance` says that the table
        is a covariance matrix and not samples; `header` says whether a CSV has one (by default: if it has words).
        """
        if is_partial(path):
            if weights is not None or array is not None or samples is not None or covariance:
                raise InputError(
                    f"{Path(path).name} is a partial result, in which all that has been settled: leave weights, array, "
                    "samples and covariance out."
                )
            part = select(load_partial(path)[0], columns, exclude)
            return from_moments(part.result(), standardize, part.names, divisor, likelihood, modes)
        how: dict[str, Any] = {"columns": columns, "exclude": exclude, "weights": weights, "array": array}
        how |= {"header": header, "samples": samples}
        if covariance:
            if weights is not None or divisor != "n":
                raise InputError("A covariance has no rows to weigh or to divide by: leave weights and divisor out.")
            if modes is not None:
                raise InputError("Of a covariance all modes are found at once: leave modes out.")
            if likelihood != "gaussian":
                raise InputError(f"For a {likelihood} decoder the means count too: give the samples, not a covariance.")
            table = read(path, **how)
            matrix = table.array if table.array is not None else np.concatenate([rows for rows, _ in table.blocks])
            return cls.from_covariance(matrix, standardize=standardize, names=table.names)
        return _of_source(of_file(path, **how), modes, progress, standardize, divisor, likelihood)

    @classmethod
    def from_xarray(
        cls,
        array: "xarray.DataArray | xarray.Dataset",
        *,
        samples: str | Sequence[str],
        standardize: bool = False,
        weights: Any = None,
        divisor: Divisor = "n",
        likelihood: Likelihood | str = GAUSSIAN,
        modes: int | None = None,
        progress: bool = False,
    ) -> "Spectrum":
        """The spectrum of an xarray object, in memory or on the disk (Zarr, netCDF), read by slabs of samples.

        `samples` names the dimension that counts the samples, or several; all others are stacked to features, those of
        a Dataset's variables side by side. `weights` run along the samples: (n,), or an array with some of their
        dimensions.

        >>> import xarray
        >>> field = xarray.DataArray(np.array([[[2, 0], [-2, 0], [0, 1], [0, -1]]]), dims=("level", "time", "place"))
        >>> Spectrum.from_xarray(field, samples="time")
        Spectrum(2 modes in 2 dimensions, λ = 2 … 0.5, V = 2.5, n = 4)
        """
        return _of_source(of_labelled(array, samples, weights), modes, progress, standardize, divisor, likelihood)

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
            scale = deviations(matrix.diagonal(), np.zeros(len(matrix)), EPS, labels)
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
        """How many directions carry no variance above the rounding floor; of a truncated spectrum none is known to."""
        return 0 if self.truncated else self.dimension - self.modes

    @property
    def rest(self) -> float:
        """V − Σ λ_k, what stays of V however many latents live; 0 where that is rounding.

        It is the variance of modes that were not kept, or what no mode holds (of a target, what cannot be told).
        """
        left = self.total_variance - float(self.eigenvalues.sum())
        return max(left, 0.0) if self.truncated or left > ROUNDED * self.total_variance else 0.0

    @cached_property
    def normalized(self) -> Array:
        """λ_k / V, (modes,): the PCA spectrum, and the collapse temperatures T_k."""
        return readonly(self.eigenvalues / self.total_variance)

    @cached_property
    def covariance(self) -> Array:
        """A covariance with this spectrum: the data's own (d, d) where it was formed, else diagonal (modes, modes)."""
        if self.matrix is None:
            self.must_be_whole("A covariance with this spectrum needs")
        return self.matrix if self.matrix is not None else readonly(np.diag(self.eigenvalues))

    @cached_property
    def multiplets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First index and multiplicity of each group of eigenvalues that lie within the floor of one another.

        The last group of a truncated spectrum may have members that were not kept.

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
        left = self.rest / self.total_variance
        if left > tolerance:
            raise InputError(
                f"{self.modes} modes are all that are known, and leave {left:.3g} of the variance, more than "
                f"{tolerance:g}: {'keep more modes (modes=…), or ' * self.truncated}tolerate more."
            )
        lost = np.cumsum(self.normalized[::-1])[::-1] + left  # lost[k]: by keeping k modes
        return int(np.count_nonzero(lost > tolerance))

    def must_be_whole(self, subject: str) -> None:
        """Raise `InputError`, which begins with what needs them, if there are modes that were not kept."""
        if self.truncated:
            raise InputError(
                f"{subject} all modes, but only the {self.modes} strongest were kept: make it without modes=…."
            )

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
        ends = " … ".join(significant(x) for x in self.eigenvalues[[0, -1]][: self.modes])
        origin = f", n = {self.samples}" if self.samples is not None else ""
        count = f"{self.modes} modes"
        if self.truncated:
            count = f"the first {count if self.modes > 1 else 'mode'} of more"
        return (
            f"Spectrum({count} in {self.dimension} dimensions, λ = {ends}, "
            f"V = {significant(self.total_variance)}{origin})"
        )

    def summary(self) -> str:
        """The table of modes: λ_k, its share of the variance, the share up to it."""
        shares = np.cumsum(self.normalized)
        rows = [
            [str(k + 1), significant(self.eigenvalues[k]), significant(self.normalized[k]), f"{shares[k]:.4%}"]
            for k in range(self.modes)
        ]
        more = f"\nThe modes that were not kept hold {self.rest / self.total_variance:.4%}." if self.truncated else ""
        return f"{self!r}\n" + table(["mode", "λ", "λ/V", "up to here"], rows) + more

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return jsonable(
            {
                "dimension": self.dimension,
                "samples": self.samples,
                "standardized": self.standardized,
                "likelihood": self.likelihood.name,
                "total_variance": self.total_variance,
                "floor": self.floor,
                "unresolved": None if self.truncated else self.unresolved,
                "truncated": self.truncated,
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


def _of_source(source: Source, modes: int | None, progress: bool, *how: Any) -> Spectrum:
    if modes is not None and (not isinstance(modes, int | np.integer) or modes < 1):
        raise InputError(
            f"{modes} modes were asked for, but a whole number from 1 on is expected (or none: all modes)."
        )
    standardize, divisor, likelihood = how
    return from_moments(source.moments(modes, progress), standardize, source.names, divisor, likelihood, modes)


def from_moments(
    moments: Moments | Gram | Margins,
    standardize: bool,
    names: tuple[str, ...] | None,
    divisor: Divisor,
    likelihood: Likelihood | str,
    modes: int | None = None,
) -> Spectrum:
    """The spectrum of moments; of them all, or of the first `modes`."""
    likelihood = as_likelihood(likelihood)
    if moments.count < 2:
        raise InputError("There is only one row, and one sample has no spread: at least two rows are needed.")
    if moments.weight == 0.0:
        raise InputError("All weights are zero: at least two rows need a positive weight.")
    if np.all(constant(moments.variance, moments.mean, moments.precision)):
        raise InputError("All rows are equal, so there is no variance: at least two different rows are needed.")
    scale = deviations(moments.variance, moments.mean, moments.precision, names) if standardize else None
    if likelihood != "gaussian":
        if standardize:
            raise InputError(f"A {likelihood} decoder sees the data as they are: do not standardise them.")
        scale = likelihood.deviation_at_mean(moments.mean, moments.variance, names)
    matrix, values = moments.decompose(scale, modes)
    # One factor turns C into its rival estimate; the correlation matrix does not depend on it.
    divided = _divisor_factor(divisor, moments)
    factor = 1.0 if standardize else divided
    unit = np.ones(len(moments.mean)) if scale is None else scale
    rounding = moments.precision**2 / 12 * (moments.mean**2 + moments.variance) / unit**2
    total = float(np.sum(moments.variance / unit**2))
    spectrum = _resolve(
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
    asked_fewer = modes is not None and spectrum.modes == modes < min(moments.count - 1, len(unit))
    left = spectrum.total_variance - float(spectrum.eigenvalues.sum())
    return replace(spectrum, truncated=True) if asked_fewer and left > 4 * spectrum.floor else spectrum


def _mode_noise(matrix: Array | None, values: Array, rounding: Array) -> Array | float:
    """The variance that rounding of the columns, each by `rounding`, can fake along each mode."""
    floor, bound = _floor(values, len(rounding)), float(rounding.sum())
    if not np.any((values > floor) & (values <= floor + bound)):
        return 0.0  # no mode's fate hangs on it
    if matrix is None:
        return bound
    directions = np.linalg.eigh(matrix)[1][:, ::-1][:, : len(values)]
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


def _divisor_factor(divisor: Divisor, moments: Moments | Gram | Margins) -> float:
    if divisor not in ("n", "n-1"):
        raise InputError(f"The divisor is {divisor!r}, but 'n' (as in the loss) or 'n-1' (unbiased) is expected.")
    if divisor == "n":
        return 1.0
    if moments.weight != moments.count:
        raise InputError("The divisor n-1 has no meaning for weighted samples: use divisor='n'.")
    return moments.count / (moments.count - 1)


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
