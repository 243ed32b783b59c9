"""Sufficient statistics of some of the rows, to be merged with those of the others: from other machines, other days.

A `Partial` holds the count, mean and scatter of rows (the rows themselves while they are fewer
than their columns). Merged in any order, partial results give the spectrum of all the rows
together, to rounding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from landau_vae.checks import Count, checked
from landau_vae.data.accumulate import Collected
from landau_vae.data.archive import check_name, load_partial, save_partial
from landau_vae.data.source import of_chunks, of_data, of_file, of_labelled
from landau_vae.likelihoods import GAUSSIAN, Likelihood
from landau_vae.spectrum.build import Divisor, fields_of
from landau_vae.spectrum.spectrum import Spectrum

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False, repr=False)
class Partial:
    """Sufficient statistics of some rows; made by `from_data`, `from_chunks`, `from_file` or `from_xarray`.

    Examples
    --------
    >>> here = Partial.from_data([[2, 0], [-2, 0]])
    >>> there = Partial.from_data([[0, 1], [0, -1]])
    >>> here.merge(there)
    Partial(4 rows of 2 columns)
    >>> here.merge(there).spectrum().eigenvalues.tolist()
    [2.0, 0.5]
    """

    collected: Collected  #: counts, means and scatter; or the rows, while they are fewer than their columns

    # ------------------------------------------------------------------------------ constructors

    @classmethod
    @checked
    def from_data(
        cls, data: Any, *, weights: ArrayLike | None = None, names: Sequence[str] | None = None, progress: bool = False
    ) -> "Partial":
        """Return the partial result of a table.

        Parameters
        ----------
        data : array_like, DataFrame, memory map or Dask collection (n, d)
            The samples.
        weights : array_like (n,), optional
            Of the samples; only their ratios matter.
        names : sequence of str, optional
            Of the features.
        progress : bool, default False
            Whether to show a bar.

        Returns
        -------
        Partial
            Of these rows.
        """
        return cls(of_data(data, weights, names).collect(progress))

    @classmethod
    @checked
    def from_chunks(
        cls,
        chunks: Iterable[Any],
        *,
        weights: Iterable[ArrayLike] | None = None,
        names: Sequence[str] | None = None,
        progress: bool = False,
    ) -> "Partial":
        """Return the partial result of rows that arrive in blocks.

        Parameters
        ----------
        chunks : iterable of array_like
            Tables with the same columns; order and sizes of the blocks do not matter.
        weights : iterable of array_like, optional
            Blocks of weights that run along.
        names : sequence of str, optional
            Of the features.
        progress : bool, default False
            Whether to show a bar.

        Returns
        -------
        Partial
            Of all these rows.

        Examples
        --------
        >>> Partial.from_chunks(iter([[[2, 0], [-2, 0]], [[0, 1]]]))
        Partial(3 rows of 2 columns)
        """
        return cls(of_chunks(chunks, weights, names).collect(progress))

    @classmethod
    @checked
    def from_file(
        cls,
        path: str | Path,
        *,
        weights: str | None = None,
        columns: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] = (),
        array: str | None = None,
        samples: str | Sequence[str] | None = None,
        header: bool | None = None,
        progress: bool = False,
    ) -> "Partial":
        """Return the partial result of a data file.

        Parameters
        ----------
        path : str or Path
            A CSV, Parquet, NPY, NPZ, Zarr or netCDF file.
        weights : str, optional
            The column of sample weights.
        columns : str or sequence of str, optional
            The features to keep, by name; by index ("0", "1", …) where the file has no names.
        exclude : str or sequence of str, optional
            The features to leave out.
        array : str, optional
            The array inside an NPZ, Zarr or netCDF file.
        samples : str or sequence of str, optional
            The dimensions of a Zarr or netCDF array that count the samples; by default the
            first.
        header : bool, optional
            Whether a CSV has a header; by default if its first line has words.
        progress : bool, default False
            Whether to show a bar.

        Returns
        -------
        Partial
            Of the rows in the file.
        """
        choice: dict[str, Any] = {"columns": columns, "exclude": exclude, "weights": weights, "array": array}
        return cls(of_file(path, **choice, samples=samples, header=header).collect(progress))

    @classmethod
    @checked
    def from_xarray(
        cls,
        array: "xarray.DataArray | xarray.Dataset",
        *,
        samples: str | Sequence[str],
        weights: Any = None,
        progress: bool = False,
    ) -> "Partial":
        """Return the partial result of an xarray object.

        Parameters
        ----------
        array : xarray.DataArray or xarray.Dataset
            In memory or on the disk (Zarr, netCDF).
        samples : str or sequence of str
            The dimensions that count the samples; all others are stacked to features, those of
            a Dataset's variables side by side.
        weights : array_like (n,) or DataArray, optional
            Along the samples, or some of their dimensions.
        progress : bool, default False
            Whether to show a bar.

        Returns
        -------
        Partial
            Of its samples.
        """
        return cls(of_labelled(array, samples, weights).collect(progress))

    @classmethod
    @checked
    def load(cls, path: str | Path) -> "Partial":
        """Return what `save` or `landau-vae gather` has written, to the bit.

        Parameters
        ----------
        path : str or Path
            An NPZ file.

        Returns
        -------
        Partial
            Of the rows it was made of.

        Raises
        ------
        InputError
            For a file that is missing, damaged or of another kind.

        Examples
        --------
        >>> Partial.load("nowhere.npz")
        Traceback (most recent call last):
            ...
        landau_vae.errors.InputError: There is no file nowhere.npz: name a file that gather or Partial.save wrote.
        """
        return cls(load_partial(path)[0])

    # ------------------------------------------------------------------------------------- what it is for

    @checked
    def merge(self, *others: "Partial") -> "Partial":
        """Return the partial result of all the rows together.

        Parameters
        ----------
        *others : Partial
            Of the same columns; the parts stay as they are.

        Returns
        -------
        Partial
            The same in any order, to rounding.
        """
        total = Collected()
        for part in (self, *others):
            total.merge(part.collected)
        return Partial(total)

    @checked
    def save(self, path: str | Path) -> Path:
        """Write the partial result to a file, which holds no pickled objects and appears only once it is whole.

        Parameters
        ----------
        path : str or Path
            Its name ends in .npz.

        Returns
        -------
        Path
            The file.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Partial.load(Partial.from_data([[2, 0], [-2, 0]]).save(f"{folder}/part.npz"))
        Partial(2 rows of 2 columns)
        """
        check_name(Path(path))
        return save_partial(path, self.collected)

    @checked
    def spectrum(
        self,
        *,
        standardize: bool = False,
        divisor: Divisor = "n",
        likelihood: Likelihood | str = GAUSSIAN,
        modes: Count | None = None,
    ) -> Spectrum:
        """Return the spectrum of these rows, as `Spectrum.from_data` would.

        Parameters
        ----------
        standardize : bool, default False
            Whether to divide each feature by its standard deviation.
        divisor : {"n", "n-1"}, default "n"
            Of the covariance: n, as in the training loss, or n − 1, the unbiased rival.
        likelihood : Likelihood or str, default "gaussian"
            Of the decoder.
        modes : int, optional
            How many of the strongest modes to find; all by default.

        Returns
        -------
        Spectrum
            Of all rows.
        """
        fields = fields_of(self.collected.result(), self.names, standardize, divisor, likelihood, modes)
        return Spectrum(**fields)

    # ------------------------------------------------------------------------------------- what it holds

    @property
    def samples(self) -> int:
        """Number of rows, n."""
        return self.collected.count

    @property
    def dimension(self) -> int:
        """Number of columns, d."""
        return self.collected.dimension or 0

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the columns, if they have any."""
        return self.collected.names

    def __repr__(self) -> str:
        return f"Partial({self.samples} rows of {self.dimension} columns)"
