"""What the data offer: the spectrum λ₁ ≥ … ≥ λ_d of their covariance C, and V = tr C.

Everything the linear theory predicts follows from it (J. Hirn, arXiv:2605.22691): mode k is
active in a β-VAE iff λ_k exceeds the price τ of a nat, so it collapses at the normalised
temperature T_k = λ_k / V.

Covariances divide by n, as the training loss does; `divisor="n-1"` is the rival. Eigenvalues
below the rounding floor ε λ₁ d (plus the rounding noise of coarse input such as float32) are
*unresolved*: they are counted, never returned as numbers. Eigenvalues closer than the floor
form one multiplet.
For a Bernoulli or Poisson decoder C is F^(−½) C F^(−½), F its variance at the mean (x̄(1 − x̄),
x̄).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import Count, Share, checked, numbers, shown
from landau_vae.data.again import Rows
from landau_vae.data.moments import EPS, Decomposition
from landau_vae.data.read_file import read
from landau_vae.data.source import of_chunks, of_data, of_file, of_labelled
from landau_vae.data.tables import as_covariance, as_names, check_semidefinite, deviations
from landau_vae.display import Array, Column, Numbers, Result, Table, jsonable, readonly, significant
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.likelihoods import GAUSSIAN, Likelihood, as_likelihood
from landau_vae.spectrum.build import Divisor, Fields, Kind, fields_of, resolve, scale_of

if TYPE_CHECKING:
    import xarray

ROUNDED = 1e-6  # of V: more than rounding, be it that of float32, takes away with unresolved directions


@dataclass(frozen=True, eq=False)
class Spectrum(Result):
    """The resolved eigenvalues of a covariance, and where they come from.

    Made by `from_data`, `from_chunks`, `from_file`, `from_xarray`, `from_covariance` or
    `from_eigenvalues`, and by the functions of `landau_vae.spectrum`.

    Examples
    --------
    >>> spectrum = Spectrum.from_data([[2, 0], [-2, 0], [0, 1], [0, -1]])
    >>> spectrum.eigenvalues.tolist(), spectrum.total_variance
    ([2.0, 0.5], 2.5)
    >>> spectrum
    Spectrum(2 modes in 2 dimensions, λ = 2 … 0.5, V = 2.5, n = 4)
    """

    expected: ClassVar[str] = "a Spectrum such as Spectrum.from_data(X)"  #: in messages
    json_fields = ("dimension", "samples", "total_variance", "floor", "truncated", "names", "eigenvalues")

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
    rows: Rows | None = field(default=None, repr=False)  #: it was made of, if they can be read again; not in copies

    # ------------------------------------------------------------------------------ constructors

    @classmethod
    @checked
    def from_data(
        cls,
        data: Any,
        *,
        standardize: bool = False,
        weights: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        divisor: Divisor = "n",
        likelihood: Likelihood | str = GAUSSIAN,
        modes: Count | None = None,
        progress: bool = False,
    ) -> "Spectrum":
        """Return the spectrum of a table of samples × features, read once.

        Parameters
        ----------
        data : array_like, DataFrame, memory map or Dask collection (n, d)
            The samples: also tensors of any framework and on any device, AnnData, data sets,
            data loaders and lists of batches (x, or (x, label), of which x is taken). Images
            and sequences (n, …) are flattened to (n, d). The rows of a sparse matrix are made
            dense block by block.
            The spectrum refers to the rows, for the tails of its noise floor: a table of up to
            1.6·10⁷ numbers stays in memory with it, a larger one only while you keep it. Tables
            with fewer rows than columns are worked on in the n × n Gram space; the spectrum then
            keeps the rows, of any number, for its `vectors`.
        standardize : bool, default False
            Whether to divide each feature by its standard deviation.
        weights : array_like (n,), optional
            Of the samples; only their ratios matter.
        names : sequence of str, optional
            Of the features; by default those of a DataFrame.
        divisor : {"n", "n-1"}, default "n"
            Of the covariance: n, as in the training loss, or n − 1, the unbiased rival.
        likelihood : Likelihood or str, default "gaussian"
            Of the decoder. For a Bernoulli or Poisson decoder the spectrum is in units of its
            deviation at the mean.
        modes : int, optional
            How many of the strongest modes to find; all by default. A few modes may be had of
            10⁵ columns.
        progress : bool, default False
            Whether to show a bar.

        Returns
        -------
        Spectrum
            With mean, scale and, when asked for, eigenvectors.

        Raises
        ------
        InputError
            Unless every entry is a finite real number, and rows differ.
        TooFewSamples
            For a single row.

        Examples
        --------
        >>> Spectrum.from_data([[0, 0], [2, 4]], standardize=True).eigenvalues.tolist()
        [2.0]
        >>> Spectrum.from_data([[2, 0, 0], [0, 1, 0], [-2, -1, 0], [0, 0, 1]], modes=1)
        Spectrum(the first mode of more in 3 dimensions, λ = 2.15139, V = 2.6875, n = 4)
        """
        moments = (source := of_data(data, weights, names)).moments(modes, progress)
        return cls(**fields_of(moments, source.names, standardize, divisor, likelihood, modes))

    @classmethod
    @checked
    def from_chunks(
        cls,
        chunks: Iterable[Any],
        *,
        standardize: bool = False,
        weights: Iterable[ArrayLike] | None = None,
        names: Sequence[str] | None = None,
        divisor: Divisor = "n",
        likelihood: Likelihood | str = GAUSSIAN,
        modes: Count | None = None,
        progress: bool = False,
    ) -> "Spectrum":
        """Return the spectrum of rows that arrive in blocks, read once, in O(d²) memory.

        Parameters
        ----------
        chunks : iterable of array_like
            Tables with the same columns; order and sizes of the blocks do not matter.
        standardize : bool, default False
            Whether to divide each feature by its standard deviation.
        weights : iterable of array_like, optional
            Blocks of weights that run along.
        names : sequence of str, optional
            Of the features.
        divisor : {"n", "n-1"}, default "n"
            Of the covariance: n, as in the training loss, or n − 1, the unbiased rival.
        likelihood : Likelihood or str, default "gaussian"
            Of the decoder.
        modes : int, optional
            How many of the strongest modes to find. Chunks that can be iterated again (a list,
            not a generator) then need no d × d matrix.
        progress : bool, default False
            Whether to show a bar.

        Returns
        -------
        Spectrum
            Of all rows.

        Examples
        --------
        >>> Spectrum.from_chunks([[[2, 0], [-2, 0]], [[0, 1], [0, -1]]]).eigenvalues.tolist()
        [2.0, 0.5]
        """
        moments = (source := of_chunks(chunks, weights, names)).moments(modes, progress)
        return cls(**fields_of(moments, source.names, standardize, divisor, likelihood, modes))

    @classmethod
    @checked
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
        modes: Count | None = None,
        progress: bool = False,
    ) -> "Spectrum":
        """Return the spectrum of a data file, read by blocks, or of a saved `Partial`.

        Parameters
        ----------
        path : str or Path
            A CSV, Parquet, NPY, NPZ, Zarr, netCDF or AnnData file, or what `Partial.save` or
            `landau-vae gather` wrote. The cells of a CSV are separated by commas, semicolons,
            tabs, vertical bars or blanks. Decimal commas are read where a comma can be nothing
            else; where it may group thousands, the file is refused.
        standardize : bool, default False
            Whether to divide each feature by its standard deviation.
        weights : str, optional
            The column of sample weights.
        columns : str or sequence of str, optional
            The features to keep, by name; by index ("0", "1", …) where the file has no names.
        exclude : str or sequence of str, optional
            The features to leave out.
        array : str, optional
            The array inside an NPZ, Zarr or netCDF file; the layer of an AnnData file.
        samples : str or sequence of str, optional
            The dimensions of a Zarr or netCDF array that count the samples; by default the
            first.
        covariance : bool, default False
            Whether the table is a covariance matrix, not samples.
        header : bool, optional
            Whether a CSV has a header; by default if its first line has words.
        divisor : {"n", "n-1"}, default "n"
            Of the covariance: n, as in the training loss, or n − 1, the unbiased rival.
        likelihood : Likelihood or str, default "gaussian"
            Of the decoder.
        modes : int, optional
            How many of the strongest modes to find; all by default.
        progress : bool, default False
            Whether to show a bar.

        Returns
        -------
        Spectrum
            Of the rows in the file.

        Raises
        ------
        InputError
            For files that cannot be read, and for options that a file of its kind does not have.
        """
        choice: dict[str, Any] = {"columns": columns, "exclude": exclude, "weights": weights, "array": array}
        choice |= {"header": header, "samples": samples}
        if not covariance:
            moments = (source := of_file(path, partial=True, **choice)).moments(modes, progress)
            return cls(**fields_of(moments, source.names, standardize, divisor, likelihood, modes))
        if weights is not None or divisor != "n":
            raise InputError("A covariance has no rows to weigh or to divide by: leave weights and divisor out.")
        if modes is not None:
            raise InputError("Of a covariance all modes are found at once: leave modes out.")
        if not (likelihood := as_likelihood(likelihood)).unit_metric:
            raise InputError(f"For a {likelihood} decoder the means count too: give the samples, not a covariance.")
        table = read(path, **choice)
        return cls.from_covariance(table.whole()[0], standardize=standardize, names=table.names)

    @classmethod
    @checked
    def from_xarray(
        cls,
        array: "xarray.DataArray | xarray.Dataset",
        *,
        samples: str | Sequence[str],
        standardize: bool = False,
        weights: Any = None,
        divisor: Divisor = "n",
        likelihood: Likelihood | str = GAUSSIAN,
        modes: Count | None = None,
        progress: bool = False,
    ) -> "Spectrum":
        """Return the spectrum of an xarray object, read by slabs of samples.

        Parameters
        ----------
        array : xarray.DataArray or xarray.Dataset
            In memory or on the disk (Zarr, netCDF).
        samples : str or sequence of str
            The dimensions that count the samples; all others are stacked to features, those of
            a Dataset's variables side by side.
        standardize : bool, default False
            Whether to divide each feature by its standard deviation.
        weights : array_like (n,) or DataArray, optional
            Along the samples, or some of their dimensions.
        divisor : {"n", "n-1"}, default "n"
            Of the covariance: n, as in the training loss, or n − 1, the unbiased rival.
        likelihood : Likelihood or str, default "gaussian"
            Of the decoder.
        modes : int, optional
            How many of the strongest modes to find; all by default.
        progress : bool, default False
            Whether to show a bar.

        Returns
        -------
        Spectrum
            Its names are made of the coordinates.

        Examples
        --------
        >>> import xarray
        >>> field = xarray.DataArray(np.array([[[2, 0], [-2, 0], [0, 1], [0, -1]]]), dims=("level", "time", "place"))
        >>> Spectrum.from_xarray(field, samples="time")
        Spectrum(2 modes in 2 dimensions, λ = 2 … 0.5, V = 2.5, n = 4)
        """
        moments = (source := of_labelled(array, samples, weights)).moments(modes, progress)
        return cls(**fields_of(moments, source.names, standardize, divisor, likelihood, modes))

    @classmethod
    @checked
    def from_covariance(
        cls,
        covariance: Any,
        *,
        standardize: bool = False,
        samples: Count | None = None,
        names: Sequence[str] | None = None,
    ) -> "Spectrum":
        """Return the spectrum of a covariance or correlation matrix.

        Parameters
        ----------
        covariance : array_like or DataFrame (d, d)
            Symmetric and positive semidefinite.
        standardize : bool, default False
            Whether to turn a covariance into its correlation matrix.
        samples : int, optional
            The n behind it, if known.
        names : sequence of str, optional
            Of the features.

        Returns
        -------
        Spectrum
            Its `mean` is not known.

        Raises
        ------
        InputError
            For other matrices.

        Examples
        --------
        >>> Spectrum.from_covariance([[4, 0], [0, 1]], standardize=True).eigenvalues.tolist()
        [1.0, 1.0]
        """
        matrix, own_names = as_covariance(covariance)
        labels, d, scale = as_names(names, len(matrix)) or own_names, len(matrix), None
        if standardize:
            scale = deviations(matrix.diagonal(), np.zeros(d), EPS, labels)
            matrix = matrix / np.outer(scale, scale)
        found = Decomposition.of(matrix)
        check_semidefinite(float(found.values[-1]), matrix)
        fields: Fields = {"samples": samples, "names": labels, "kind": "correlation" if standardize else "covariance"}
        return cls(**resolve(found, d, found.trace, scale=scale_of(scale, d), **fields))

    @classmethod
    @checked
    def from_eigenvalues(cls, eigenvalues: Numbers, *, samples: Count | None = None) -> "Spectrum":
        """Return a spectrum that is known by its eigenvalues.

        Parameters
        ----------
        eigenvalues : array_like
            In any order, zeros included (they count as dimensions).
        samples : int, optional
            The n behind them, if known.

        Returns
        -------
        Spectrum
            Without mean, scale and names.

        Examples
        --------
        >>> Spectrum.from_eigenvalues([1, 4, 0])
        Spectrum(2 modes in 3 dimensions, λ = 4 … 1, V = 5)
        """
        values = np.sort(numbers(eigenvalues, "eigenvalues").ravel())[::-1]
        if values.size == 0 or not np.all(np.isfinite(values)) or values[-1] < 0:
            raise InputError(
                f"Eigenvalues must be finite and not negative, but they are {shown(eigenvalues)}: give a covariance's.",
                "eigenvalues",
            )
        with np.errstate(over="ignore"):  # `resolve` has an error message for a sum that overflows
            total = float(values.sum())
        return cls(**resolve(Decomposition(values), len(values), total, samples=samples) | {"decomposition": None})

    # -------------------------------------------------------------------------------- quantities

    @property
    def modes(self) -> int:
        """Number of resolved eigenvalues."""
        return len(self.eigenvalues)

    @property
    def of_scores(self) -> bool:
        """Whether these are modes of the scores at the collapsed state, not of the features."""
        return self.kind.startswith("score")

    @property
    def unresolved(self) -> int:
        """Number of directions without variance above the rounding floor; 0 of scores, and where it is not known."""
        return 0 if self.truncated or self.of_scores else self.dimension - self.modes

    @property
    def rest(self) -> float:
        """Variance that no latent can encode, V − Σ λ_k, data²; 0 where that is rounding.

        It is the variance of modes that were not kept, or what no mode holds (of a target, what
        x does not explain).
        """
        left = self.total_variance - float(self.eigenvalues.sum())
        return max(left, 0.0) if self.truncated or left > ROUNDED * self.total_variance else 0.0

    @cached_property
    def normalized(self) -> Array:
        """Shares λ_k / V, (modes,): the PCA spectrum, and the collapse temperatures T_k."""
        return readonly(self.eigenvalues / self.total_variance)

    @property
    def standardized(self) -> bool:
        """Whether each feature was divided by its standard deviation."""
        return self.kind == "correlation"

    @cached_property
    def matrix(self) -> Array | None:
        """Covariance C, (d, d); None where it was not formed: of wide tables, eigenvalues alone, and iterated modes."""
        formed = None if self.decomposition is None else self.decomposition.matrix
        return None if formed is None else readonly(formed)

    @cached_property
    def vectors(self) -> Array | None:
        """Eigenvectors v_k of C as columns, (d, modes): y = vectorsᵀ (x − mean)/scale are the projections of a row.

        Eigenvalues are computed at construction (`eigvalsh`), vectors by one `eigh` when they
        are first asked for, and then kept, because eigenvalues alone cost a third of both. The
        vectors of a wide table come from its Gram matrix and its rows, to which the spectrum
        refers, and which must not have changed. For eigenvalues alone they are the unit vectors
        (modes, modes); None where the strongest modes were found by passes over the data.

        >>> np.abs(Spectrum.from_data([[2, 0], [-2, 0], [0, 1], [0, -1]]).vectors).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        if self.decomposition is None:
            return readonly(np.eye(self.modes))
        found = self.decomposition.vectors(self.modes)
        return None if found is None else readonly(found)

    @cached_property
    def root(self) -> Array:
        """Root R, (p, p), with RᵀR = `covariance`: standard normal rows times R are rows of that covariance."""
        if self.matrix is None:
            return readonly(np.sqrt(self.covariance)[::-1])
        assert self.decomposition is not None
        values, vectors = self.decomposition.eigh
        return readonly(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)

    @cached_property
    def covariance(self) -> Array:
        """Covariance with this spectrum: the data's own (d, d) where it was formed, else diagonal (modes, modes)."""
        if self.matrix is None:
            self.must_be_whole("A covariance with this spectrum needs")
        return self.matrix if self.matrix is not None else readonly(np.diag(self.eigenvalues))

    @cached_property
    def multiplets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First indices and multiplicities of groups of eigenvalues that lie within the floor of one another.

        The last group of a truncated spectrum may have members that were not kept.

        >>> [part.tolist() for part in Spectrum.from_eigenvalues([3, 1, 1, 1]).multiplets]
        [[0, 1], [1, 3]]
        """
        starts = np.concatenate([[0], np.flatnonzero(-np.diff(self.eigenvalues) > self.floor) + 1])
        return readonly(starts, np.int64), readonly(np.diff([*starts, self.modes]), np.int64)

    @checked
    def rank(self, tolerance: Share) -> int:
        """Return the PCA rank: the least k whose normalised distortion Σ_{i>k} λ_i / V is within a tolerance.

        Parameters
        ----------
        tolerance : float
            Share of the variance, between 0 and 1, such as 0.01.

        Returns
        -------
        int
            Number of modes to keep.

        Raises
        ------
        OutsideTheory
            If the modes that were kept do not suffice; `partial` is the share that they leave.

        Examples
        --------
        >>> Spectrum.from_eigenvalues([6, 3, 1]).rank(0.2)
        2
        """
        left = self.rest / self.total_variance
        if left > tolerance:
            raise OutsideTheory(
                f"{self.modes} modes are all that are known, and leave {left:.3g} of the variance, more than "
                f"{tolerance:g}: {'keep more modes (modes=…), or ' * self.truncated}tolerate more.",
                partial=left,
            )
        lost = np.cumsum(self.normalized[::-1])[::-1] + left  # lost[k]: by keeping k modes
        return int(np.count_nonzero(lost > tolerance))

    @checked
    def must_be_whole(self, subject: str) -> None:
        """Raise an error if there are modes that were not kept.

        Parameters
        ----------
        subject : str
            What needs all modes, with its verb: "The noise floor needs".

        Raises
        ------
        OutsideTheory
            If the spectrum is truncated.
        """
        if self.truncated:
            raise OutsideTheory(
                f"{subject} all modes, but only the {self.modes} strongest were kept: make it without modes=…."
            )

    @property
    def unresolved_note(self) -> str:
        """Modes within rounding of zero, and features that depend on others, in words; else empty."""
        if self.unresolved == 0:
            return ""
        first, last = self.modes + 1, self.dimension
        subject = f"Mode {first} is" if first == last else f"Modes {first} to {last} are"
        line = f"{subject} unresolved: λ/V is within rounding (floor {self.floor / self.total_variance:.1e})"
        groups = [", ".join(names) for names in self.dependencies() if len(names) <= 6]
        return f"{line}; linearly dependent: {'; '.join(groups)}." if groups else f"{line}."

    def dependencies(self) -> list[tuple[str, ...]]:
        """Return the features that are linear combinations of one another: a group per unresolved direction.

        A group holds the features with a weight in one relation of a sparse basis of all
        relations.

        Returns
        -------
        list of tuple of str
            Names. Empty where the covariance was never formed (fewer rows than columns: then
            every feature depends on the others).

        Examples
        --------
        >>> Spectrum.from_data([[1, 2, 0], [0, 0, 1], [2, 4, 5]]).dependencies()
        [('0', '1')]
        """
        if self.matrix is None or self.unresolved == 0 or self.kind.startswith("score"):  # whose axes are no features
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
        place = f"in {self.dimension} dimensions, λ = {ends}, V = {significant(self.total_variance)}"
        return f"Spectrum({count} {place}{origin})"

    def content(self) -> Iterable[str | Table]:
        """Yield the table of modes: λ_k, its share of the variance, the share up to it."""
        more = f"The modes that were not kept hold {self.rest / self.total_variance:.4%}." if self.truncated else ""
        columns = [
            Column("mode", range(1, self.modes + 1)),
            Column("λ", self.eigenvalues),
            Column("λ/V", self.normalized),
            Column("up to here", np.cumsum(self.normalized), lambda share: f"{share:.4%}"),
        ]
        yield repr(self)
        yield Table(columns, note=more)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as strict JSON."""
        unresolved = None if self.truncated else self.unresolved
        others = {"likelihood": self.likelihood.name, "standardized": self.standardized, "unresolved": unresolved}
        return super().to_dict() | jsonable(others | {"dependencies": self.dependencies()})


def _sparse_basis(relations: Array) -> Array:
    """Return a basis of the row space of `relations` (u, d), each with a 1 at its pivot where the others have 0."""
    basis = relations.copy()
    for row in range(len(basis)):
        offset, pivot = divmod(int(np.abs(basis[row:]).argmax()), basis.shape[1])
        basis[[row, row + offset]] = basis[[row + offset, row]]
        basis[row] /= basis[row, pivot]
        others = np.arange(len(basis)) != row
        basis[others] -= np.outer(basis[others, pivot], basis[row])
    return basis
