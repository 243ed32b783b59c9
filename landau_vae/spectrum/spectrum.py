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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.columns import deviations, select
from landau_vae.data.moments import Decomposition
from landau_vae.data.partial_file import is_partial, load_partial
from landau_vae.data.read_file import read
from landau_vae.data.source import Source
from landau_vae.data.sources import of_chunks, of_data, of_file, of_labelled
from landau_vae.data.tables import as_covariance, as_names, as_numbers, check_semidefinite
from landau_vae.display import Array, jsonable, readonly, significant, table
from landau_vae.errors import InputError
from landau_vae.likelihoods import GAUSSIAN, Likelihood, as_likelihood
from landau_vae.spectrum.build import EPS, Divisor, Kind, fields_of, resolve, scale_of

if TYPE_CHECKING:
    import xarray

__all__ = ["Divisor", "Kind", "Likelihood", "Spectrum"]

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
    kind: Kind = "covariance"  #: of what these are the eigenvalues: covariance, correlation, conditional, …
    mean: Array | None = field(default=None, repr=False)  #: x̄ of the features, (d,), data; None where unknown
    scale: Array | None = field(default=None, repr=False)  #: s, (d,), each feature's divisor; None where a metric mixes
    likelihood: Likelihood = GAUSSIAN  #: of the decoder that this is the spectrum for
    note: str = ""  #: what it is the spectrum of, where it is not the covariance of the data, and where that is exact
    truncated: bool = False  #: whether these are the strongest of more modes, which were not asked for; V is of all
    decomposition: Decomposition | None = field(default=None, repr=False)  #: of C; None of eigenvalues alone

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
        return _of_source(source, modes, progress, standardize=standardize, divisor=divisor, likelihood=likelihood)

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
        return _of_source(source, modes, progress, standardize=standardize, divisor=divisor, likelihood=likelihood)

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
            options: dict[str, Any] = {"standardize": standardize, "divisor": divisor, "likelihood": likelihood}
            return cls(**fields_of(part.result(), part.names, modes=modes, **options))
        how: dict[str, Any] = {"columns": columns, "exclude": exclude, "weights": weights, "array": array}
        how |= {"header": header, "samples": samples}
        if covariance:
            if weights is not None or divisor != "n":
                raise InputError("A covariance has no rows to weigh or to divide by: leave weights and divisor out.")
            if modes is not None:
                raise InputError("Of a covariance all modes are found at once: leave modes out.")
            if not as_likelihood(likelihood).squared:
                raise InputError(f"For a {likelihood} decoder the means count too: give the samples, not a covariance.")
            table = read(path, **how)
            matrix = table.array if table.array is not None else np.concatenate([rows for rows, _ in table.blocks])
            return cls.from_covariance(matrix, standardize=standardize, names=table.names)
        source = of_file(path, **how)
        return _of_source(source, modes, progress, standardize=standardize, divisor=divisor, likelihood=likelihood)

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
        source = of_labelled(array, samples, weights)
        return _of_source(source, modes, progress, standardize=standardize, divisor=divisor, likelihood=likelihood)

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
        scale = None
        if standardize:
            scale = deviations(matrix.diagonal(), np.zeros(len(matrix)), EPS, labels)
            matrix = matrix / np.outer(scale, scale)
        found = Decomposition(np.linalg.eigvalsh(matrix)[::-1], matrix)
        check_semidefinite(float(found.values[-1]), matrix)
        total, kind = float(np.trace(matrix)), "correlation" if standardize else "covariance"
        unit = scale_of(scale, len(matrix))
        return cls(**resolve(found, len(matrix), total, samples=samples, names=labels, kind=kind, scale=unit))

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
        fields = resolve(Decomposition(values), len(values), total, samples=samples)
        return cls(**fields | {"decomposition": None})

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

    @property
    def standardized(self) -> bool:
        """Whether each feature was divided by its standard deviation."""
        return self.kind == "correlation"

    @cached_property
    def matrix(self) -> Array | None:
        """C, (d, d), where it was formed; None of wide tables, of eigenvalues alone, and where modes were iterated."""
        formed = None if self.decomposition is None else self.decomposition.matrix
        return None if formed is None else readonly(formed)

    @cached_property
    def vectors(self) -> Array | None:
        """The eigenvectors v_k of C as columns, (d, modes): y = vectorsᵀ (x − mean)/scale are a row's projections.

        Eigenvalues are computed at construction (`eigvalsh`), vectors by one `eigh` when they are first asked for, and
        then kept: eigenvalues alone cost a third. Of a wide table they come from its Gram matrix and its rows, to which
        the spectrum refers and which must not have changed. Of eigenvalues alone they are the unit vectors (modes,
        modes); None where the strongest modes were found by passes over the data.

        >>> np.abs(Spectrum.from_data([[2, 0], [-2, 0], [0, 1], [0, -1]]).vectors).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        if self.decomposition is None:
            return readonly(np.eye(self.modes))
        found = self.decomposition.vectors(self.modes)
        return None if found is None else readonly(found)

    @cached_property
    def root(self) -> Array:
        """R, (p, p), with RᵀR = `covariance`: standard normal rows times R are rows of that covariance."""
        known = self.decomposition if self.matrix is not None else None
        values, vectors = np.linalg.eigh(self.covariance) if known is None else known.eigh
        return readonly(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)

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

    @property
    def unresolved_note(self) -> str:
        """Modes within rounding of zero, and features that depend on others, in words; empty where there are none."""
        if self.unresolved == 0:
            return ""
        first, last = self.modes + 1, self.dimension
        subject = f"Mode {first} is" if first == last else f"Modes {first} to {last} are"
        line = f"{subject} unresolved: λ/V is within rounding (floor {self.floor / self.total_variance:.1e})"
        groups = [", ".join(names) for names in self.dependencies() if len(names) <= 6]
        return f"{line}; linearly dependent: {'; '.join(groups)}." if groups else f"{line}."

    def dependencies(self) -> list[tuple[str, ...]]:
        """Features that are linear combinations of one another: one group of names per unresolved direction.

        A group holds the features with a weight in one relation of a sparse basis of all relations. Empty where the
        covariance was never formed (fewer rows than columns: then every feature depends on the others).

        >>> Spectrum.from_data([[1, 2, 0], [0, 0, 1], [2, 4, 5]]).dependencies()
        [('0', '1')]
        """
        if self.matrix is None or self.unresolved == 0:
            return []
        assert self.decomposition is not None
        null = self.decomposition.eigh[1][:, : self.unresolved]
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


def _of_source(source: Source, modes: int | None, progress: bool, **options: Any) -> Spectrum:
    if modes is not None and (not isinstance(modes, int | np.integer) or modes < 1):
        raise InputError(
            f"{modes} modes were asked for, but a whole number from 1 on is expected (or none: all modes)."
        )
    return Spectrum(**fields_of(source.moments(modes, progress), source.names, modes=modes, **options))


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
