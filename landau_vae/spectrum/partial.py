"""What some of the rows say of the spectrum, to be merged with what the others say: on other machines, on other days.

A `Partial` holds the count, mean and scatter of rows (the rows themselves while they are fewer than their columns).
Merged in any order, partial results give the spectrum of all the rows together, to rounding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from landau_vae.data.accumulate import Collected
from landau_vae.data.archive import load_partial, save_partial
from landau_vae.data.source import of_chunks, of_data, of_file, of_labelled
from landau_vae.errors import InputError
from landau_vae.likelihoods import GAUSSIAN, Likelihood
from landau_vae.spectrum.build import fields_of
from landau_vae.spectrum.spectrum import Divisor, Spectrum

if TYPE_CHECKING:
    import xarray

__all__ = ["Partial"]


@dataclass(frozen=True, eq=False, repr=False)
class Partial:
    """Sufficient statistics of some rows; made by `from_data`, `from_chunks`, `from_file` or `from_xarray`.

    >>> here = Partial.from_data([[2, 0], [-2, 0]])
    >>> there = Partial.from_data([[0, 1], [0, -1]])
    >>> here.merge(there)
    Partial(4 rows of 2 columns)
    >>> here.merge(there).spectrum().eigenvalues.tolist()
    [2.0, 0.5]
    """

    collected: Collected

    # ------------------------------------------------------------------------------ constructors

    @classmethod
    def from_data(
        cls, data: Any, *, weights: ArrayLike | None = None, names: Sequence[str] | None = None, progress: bool = False
    ) -> "Partial":
        """Of a table, as `Spectrum.from_data` takes it."""
        return cls(of_data(data, weights, names).collect(progress))

    @classmethod
    def from_chunks(
        cls,
        chunks: Iterable[Any],
        *,
        weights: Iterable[ArrayLike] | None = None,
        names: Sequence[str] | None = None,
        progress: bool = False,
    ) -> "Partial":
        """Of rows that arrive in blocks, as `Spectrum.from_chunks` takes them.

        >>> Partial.from_chunks(iter([[[2, 0], [-2, 0]], [[0, 1]]]))
        Partial(3 rows of 2 columns)
        """
        return cls(of_chunks(chunks, weights, names).collect(progress))

    @classmethod
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
        """Of a data file, as `Spectrum.from_file` takes it."""
        how: dict[str, Any] = {"columns": columns, "exclude": exclude, "weights": weights, "array": array}
        return cls(of_file(path, **how, samples=samples, header=header).collect(progress))

    @classmethod
    def from_xarray(
        cls,
        array: "xarray.DataArray | xarray.Dataset",
        *,
        samples: str | Sequence[str],
        weights: Any = None,
        progress: bool = False,
    ) -> "Partial":
        """Of an xarray object, as `Spectrum.from_xarray` takes it."""
        return cls(of_labelled(array, samples, weights).collect(progress))

    @classmethod
    def load(cls, path: str | Path) -> "Partial":
        """What `save` or `landau-vae gather` has written, exactly; `InputError` for a file that is damaged, or none.

        >>> Partial.load("nowhere.npz")
        Traceback (most recent call last):
            ...
        landau_vae.errors.InputError: There is no file nowhere.npz: name a file that gather or Partial.save wrote.
        """
        return cls(load_partial(path)[0])

    # ------------------------------------------------------------------------------------- what it is for

    def merge(self, *others: "Partial") -> "Partial":
        """All the rows of these together; the parts stay as they are. Their columns must be the same."""

        def add(total: Collected, part: "Partial") -> Collected:
            total.merge(part.collected)
            return total

        return Partial(reduce(add, (self, *others), Collected()))

    def save(self, path: str | Path) -> Path:
        """Write it to an .npz file, which holds no pickled objects and appears only once it is whole.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Partial.load(Partial.from_data([[2, 0], [-2, 0]]).save(f"{folder}/part.npz"))
        Partial(2 rows of 2 columns)
        """
        if Path(path).suffix != ".npz":
            raise InputError(f"A partial result is an NPZ file, but {Path(path).name} was named: end the name in .npz.")
        return save_partial(path, self.collected)

    def spectrum(
        self,
        *,
        standardize: bool = False,
        divisor: Divisor = "n",
        likelihood: Likelihood | str = GAUSSIAN,
        modes: int | None = None,
    ) -> Spectrum:
        """The spectrum of these rows, as `Spectrum.from_data` would give it."""
        moments = self.collected.result()
        return Spectrum(
            **fields_of(
                moments, self.names, standardize=standardize, divisor=divisor, likelihood=likelihood, modes=modes
            )
        )

    # ------------------------------------------------------------------------------------- what it holds

    @property
    def samples(self) -> int:
        """n, the number of rows."""
        return self.collected.count

    @property
    def dimension(self) -> int:
        """d, the number of columns."""
        return self.collected.dimension or 0

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of the columns, if they have any."""
        return self.collected.names

    def __repr__(self) -> str:
        return f"Partial({self.samples} rows of {self.dimension} columns)"
