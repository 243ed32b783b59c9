"""What users hold in memory → real 2-D arrays, weights and row blocks that `Spectrum` can use.

The border for data: `convert` reads what any library holds, and it is validated here and there
and nowhere else, so every complaint about data is written once (`read_file` passes what it
reads through here too). Arrays are worked on in blocks of rows; a memory map gives its pages
back after each.
"""

import mmap
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import numbers
from landau_vae.data.convert import Names, as_rows, plain
from landau_vae.data.moments import block_rows
from landau_vae.display import Array
from landau_vae.errors import InputError, reason

T = TypeVar("T")

ASYMMETRY = 1e-8  # of a covariance's largest entry: what printing it with eight digits may leave
NEGATIVITY = 1e-10  # of its trace: what computing it in double precision may leave
LARGEST = 1e300  # of its entries, in data²: sums of larger ones overflow
SMALLER = "write it as NPY, which is read by blocks, or in parts"
READ_NUMBERS, READ_ROWS = 2**22, 2**14
MAPPED_ROWS, MAPPED_NUMBERS = 16_384, 2**24  # of a memory map between two releases of its pages


def as_table(data: Any, subject: str = "") -> tuple[NDArray[Any], Names]:
    """Return a real 2-D array and its column names, from whatever `convert.as_rows` reads.

    `subject` is what an error calls the table, where there are several: "mean of the posterior".
    """
    return as_rows(data, subject)[:2]


def as_names(names: Iterable[str] | None, dimension: int | None = None) -> Names:
    """Return one name per column, if there are any names."""
    labels = None if names is None else tuple(map(str, names))
    if labels is not None and dimension is not None and len(labels) != dimension:
        raise InputError(f"{len(labels)} names were given for {dimension} columns: give one name per column.")
    return labels


def as_weights(weights: Any, rows: int, first: int = 0, name: str = "weights") -> Array:
    """Return weights of rows (rows,): finite and not negative."""
    array = numbers(plain(weights) if hasattr(weights, "detach") else weights, name)
    if array.shape != (rows,):
        raise InputError(f"The weights have shape {array.shape}, but one weight per row is expected: ({rows},).", name)
    if not np.all(np.isfinite(array)) or np.any(array < 0):
        worst = int(np.argmax(~np.isfinite(array) | (array < 0)))
        raise InputError(
            f"Weights must be finite and not negative, but the weight of row {first + worst} is {array[worst]}: "
            "drop that row or mend its weight.",
            name,
        )
    return array


def as_covariance(data: Any, subject: str = "covariance") -> tuple[Array, Names]:
    """Return a symmetric matrix and its names; whether it is semidefinite, `check_semidefinite` says."""
    table, names, of_row = as_rows(data, subject)
    matrix: Array = np.asarray(table, dtype=np.float64)
    if (shape := (len(matrix), *of_row)) != (len(matrix), len(matrix)):
        raise InputError(
            f"The {subject} has shape {shape}, but a square matrix is expected: "
            "for a table of samples use Spectrum.from_data (on the command line, leave --covariance out)."
        )
    if not np.all(np.isfinite(matrix)):
        raise nonfinite_problem([matrix], names)
    if np.abs(matrix).max() > LARGEST:
        raise InputError("The covariance is so large that sums of its entries overflow: rescale it.")
    skew = np.abs(matrix - matrix.T)
    if skew.max() > ASYMMETRY * np.abs(matrix).max():
        i, j = (int(index) for index in np.unravel_index(int(skew.argmax()), skew.shape))
        raise InputError(
            f"The covariance is not symmetric, entry [{i}, {j}] is {matrix[i, j]:.6g} but [{j}, {i}] is "
            f"{matrix[j, i]:.6g}: give the full matrix, or (C + C.T) / 2 if that is what is meant."
        )
    matrix = (matrix + matrix.T) / 2
    check_semidefinite(float(matrix.diagonal().min()), matrix)  # no eigenvalue is larger than every diagonal entry
    return matrix, names


def check_semidefinite(lowest: float, matrix: Array) -> None:
    """Raise `InputError` if the lowest eigenvalue of a covariance (or a bound of it) is negative by more than rounding.

    It is left to those who decompose the matrix, so that no matrix is decomposed only to be
    checked.
    """
    if lowest < -NEGATIVITY * np.abs(matrix.diagonal()).sum():
        raise InputError(
            f"The covariance is not positive semidefinite, its lowest eigenvalue is {lowest:.3g}: compute it "
            "from complete rows in double precision, or give the data themselves."
        )


def is_covariance(matrix: Array) -> bool:
    """Return whether a matrix is symmetric and positive semidefinite to rounding, without its eigenvalues.

    Its Cholesky factor, which takes a thirtieth of their time, exists if the lowest one is above
    what is added to all of them.
    """
    scale, largest = float(np.abs(matrix.diagonal()).sum()), float(np.abs(matrix).max())
    if scale == 0 or largest > scale or np.abs(matrix - matrix.T).max() > ASYMMETRY * largest:
        return largest == 0
    try:
        np.linalg.cholesky(matrix / scale + NEGATIVITY * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        return False
    return True


def rows_at_a_time(columns: int) -> int:
    """Return how many rows a reader hands over at a time."""
    return max(64, min(READ_ROWS, READ_NUMBERS // columns))


def row_blocks(array: NDArray[Any], rows: int | None = None) -> Iterator[NDArray[Any]]:
    """Yield slices of `rows` rows, or of a size to work on; pages of a memory map are released after each."""
    pages, columns = mapping(array), array.shape[1]
    if rows is None:
        rows = max(block_rows(columns), min(MAPPED_ROWS, MAPPED_NUMBERS // columns) if pages else 0)
    for start in range(0, len(array), rows):
        yield np.asarray(array[start : start + rows])
        if pages is not None:
            pages.madvise(mmap.MADV_DONTNEED)


def mapping(array: NDArray[Any]) -> mmap.mmap | None:
    """Return the memory map behind `array`, if dropping its pages cannot lose anything."""
    if not isinstance(array, np.memmap) or array.mode == "c" or not hasattr(mmap, "MADV_DONTNEED"):
        return None
    return mapped(array)


def is_whole(array: NDArray[Any]) -> bool:
    """Return whether all of `array` can be read: the file behind a memory map may have become shorter."""
    pages = mapped(array)
    return pages is None or len(pages) <= pages.size()


def mapped(array: NDArray[Any]) -> mmap.mmap | None:
    """Return the memory map behind `array`, if there is one."""
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    return base


def guarded(path: Path, action: Callable[[], T]) -> T:
    """Run a step of a library that reads a file, and turn its error about a damaged file into one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the sentence says it all
            warnings.filterwarnings("error", message="Length of header or names")  # a longer row must not be cut to fit
            return action()
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{path.name} takes more memory to read than there is: {SMALLER}.") from None
    except Warning:
        problem = "its rows have more fields than its first line"
    except UnicodeDecodeError:
        problem = "its text is not UTF-8"
    except Exception as error:  # whatever a parser runs into in a file of another kind
        problem = reason(error).removeprefix("Error tokenizing data. C error: ")
        if any(word in problem.lower() for word in ("pickle", "python objects", "object arrays")):
            raise InputError(
                f"{path.name} holds pickled Python objects, which are never loaded because loading runs "
                "code: save a plain numeric array (array.astype(float)) instead."
            ) from None
    raise InputError(f"{path.name} is damaged, cut short or not what it seems ({problem}): write it again.") from None


def nonfinite_problem(blocks: Iterable[NDArray[Any]], names: Names, row: int = 0) -> InputError:
    """Return the error for NaN and infinite entries from `row` on: how many, and where the first is."""
    count, first = 0, None
    for block in blocks:
        bad = ~np.isfinite(block)
        found = int(bad.sum())
        if found and first is None:
            i, j = (int(index) for index in np.argwhere(bad)[0])
            first = (row + i, j, block[i, j])
        count, row = count + found, row + len(block)
    if first is None:
        return InputError("The data are so large that their squares overflow: rescale them, e.g. to unit variance.")
    column = f"{first[1]} ({names[first[1]]!r})" if names else f"{first[1]}"
    return InputError(
        f"{count} value{' is' if count == 1 else 's are'} NaN or infinite, the first ({first[2]}) in row "
        f"{first[0]}, column {column}, counting from 0, but every value must be finite: drop or impute those rows."
    )


# ------------------------------------------------------------------------------------------ columns


def choose(
    names: tuple[str, ...], columns: Sequence[str] | None, exclude: Sequence[str], weights: str | None = None
) -> list[int]:
    """Return the indices of the feature columns, in the file's order."""
    columns = (columns,) if isinstance(columns, str) else columns
    exclude = (exclude,) if isinstance(exclude, str) else exclude
    named = {"columns": columns or (), "exclude": exclude, "weights": () if weights is None else (weights,)}
    for argument, name in ((argument, name) for argument, wanted in named.items() for name in wanted):
        if name not in names:
            shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
            raise InputError(f"There is no column {name!r}: the file's columns are {shown}.", argument)
    dropped = {*exclude, weights}
    keep = [i for i, name in enumerate(names) if name not in dropped and (columns is None or name in columns)]
    if not keep:
        raise InputError(f"No column is left of the file's {len(names)}: keep at least one.")
    return keep


def constant(variance: Array, mean: Array, precision: float) -> NDArray[np.bool_]:
    """Return which columns have a spread within the rounding of their own mean."""
    return variance <= (4 * precision * mean) ** 2


def deviations(variance: Array, mean: Array, precision: float, names: Names, of: str = "") -> Array:
    """Return standard deviations (d,); `InputError` if one of them is zero, in which `of` says whose column it is."""
    stuck = np.flatnonzero(constant(variance, mean, precision))
    if stuck.size:
        shown = ", ".join(repr(names[i]) if names else str(i) for i in stuck[:5])
        subject = f"Column {shown}{of} is" if stuck.size == 1 else f"{stuck.size} columns{of} ({shown}…) are"
        raise InputError(
            f"{subject} constant and cannot be standardised: leave them out (--exclude), or do not standardise."
        )
    return np.sqrt(variance)
