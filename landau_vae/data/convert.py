"""What people hold → real NumPy arrays: tensors, sparse matrices, AnnData, data loaders, lists of batches, images.

No framework is imported: objects are recognised by their methods. Memory is shared with the
original where NumPy can read it; sparse matrices are made dense, batches are copied into one
array. Two rules decide what is not evident:

- Items of a list, a loader or a data set are batches if they have at least two dimensions, and single rows
  otherwise, or if they come with one label each, or if there are as many of them as rows are
  expected.
- Arrays of more than two dimensions (images, sequences, spatial latents) have rows along their first axis; the
  others are flattened, in the order of `reshape`.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.errors import InputError, reason

Names = tuple[str, ...] | None  # of columns

COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)(e[+-]?\d+)?", re.IGNORECASE)  # a number with a decimal comma
KEYS = ("x", "data", "image", "images", "input", "inputs", "features", "pixel_values")  # of x in a batch


def plain(value: Any) -> NDArray[Any]:
    """Return what any library holds as an array of any shape; errors are those of the library."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # PyTorch: may need gradients or lie on another device
        value = value.detach().cpu()
        value = value.to_dense() if "sparse" in str(getattr(value, "layout", "")) else value
        value = value.float() if "float8" in str(value.dtype) or "bfloat" in str(value.dtype) else value
    elif hasattr(value, "to_memory"):  # AnnData on disk
        value = value.to_memory()
    elif hasattr(value, "get") and hasattr(value, "__cuda_array_interface__"):  # CuPy
        value = value.get()
    elif hasattr(value, "numpy") and not hasattr(value, "__array__"):  # TensorFlow
        value = value.numpy()
    if is_sparse(value):
        value = value.toarray()
    array = np.asanyarray(value) if isinstance(value, np.memmap) else np.asarray(value)
    return array.astype(np.float32) if array.dtype.type.__module__ == "ml_dtypes" else array


def is_sparse(value: Any) -> bool:
    """Return whether this is a sparse matrix or array of SciPy."""
    return hasattr(value, "toarray") and hasattr(value, "nnz")


def opened(data: Any) -> tuple[Any, Names]:
    """Return X and the names of its columns, where it lies in an AnnData object."""
    if hasattr(data, "var_names") and hasattr(data, "X"):
        return data.X, tuple(map(str, data.var_names))
    return data, None


def as_array(value: Any, subject: str = "", *, rows: int | None = None, ordered: bool = False) -> NDArray[Any]:
    """Return an array of real numbers, of any shape, from what any library holds.

    `subject` is what an error calls it; `rows` is how many are expected, where that is known;
    `ordered` says that the order of rows matters.
    """
    begin = beginning(subject)
    if isinstance(value, str | PathLike):
        raise InputError(f"{begin}{str(value)!r} is not a table of data: to read a file use Spectrum.from_file.")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(
            f"{begin}The array has {int(np.ma.getmaskarray(value).sum())} masked entries, but every entry must hold "
            "a number: drop or fill them first, e.g. data[~data.mask.any(axis=1)]."
        )
    if "Random" in type(getattr(value, "sampler", None)).__name__ and ordered:
        raise InputError(
            f"{begin}The data loader shuffles its rows, but they have to be in the order of the other arrays: give a "
            "loader with shuffle=False, or collect all arrays in one pass."
        )
    if is_sparse(value):
        _check_room(value.shape, value.dtype, begin)
    try:
        array = _gathered(value, rows) if _holds_parts(value) else plain(value)
    except (
        ValueError,
        TypeError,
        RuntimeError,
        OverflowError,
        LookupError,
    ) as problem:  # ragged lists, unreadable tensors
        found = f"{begin}The data are not a table ({reason(problem)})"
        raise InputError(f"{found}: give an array, or rows of equal length.") from None
    return _real(array, begin)


def as_rows(
    value: Any, subject: str = "", *, rows: int | None = None, ordered: bool = False
) -> tuple[NDArray[Any], Names, tuple[int, ...]]:
    """Return a table of rows × columns, the names of its columns, and the shape of one row.

    The shape of a row is (d,) for a table and, say, (channels, height, width) for images.
    """
    begin, (value, names) = beginning(subject), opened(value)
    if hasattr(value, "columns") and hasattr(value, "to_numpy"):
        names = tuple(map(str, value.columns))
        value = _frame_to_array(value, names, begin)
    array = as_array(value, subject, rows=rows, ordered=ordered)
    if array.ndim < 2:
        raise InputError(
            f"{begin}The array has shape {array.shape}, but rows × columns (samples × features) are expected: reshape "
            "a single variable with data[:, None]."
        )
    if array.ndim > 2 and rows not in (None, len(array)):
        raise InputError(
            f"{begin}The array has shape {array.shape}, but {rows} rows are expected along its first axis: give it as "
            f"({rows}, …), one row for each posterior."
        )
    if 0 in array.shape:
        raise InputError(
            f"{begin}The table is empty, of shape {array.shape}: at least two rows and one column are needed."
        )
    table = array if array.ndim == 2 else array.reshape(len(array), -1)  # a table of the caller's own class stays it
    return table, names, array.shape[1:]


def variances(covariance: Any, subject: str = "covariance of the posterior") -> NDArray[Any]:
    """Return the diagonals (n, K) of full covariances (n, K, K): what is left of correlations is the caller's."""
    array = as_array(covariance, subject, ordered=True)
    if array.ndim != 3 or array.shape[1] != array.shape[2]:
        raise InputError(
            f"{beginning(subject)}The array has shape {array.shape}, but one K × K matrix for each row is expected: "
            "give diagonal covariances (n, K) as variance=…."
        )
    if np.any(np.tril(array[:64], -1)) and not np.any(np.triu(array[:64], 1)):
        raise InputError(
            f"{beginning(subject)}All matrices are lower triangular, as Cholesky factors are, but covariances are "
            "expected: give L @ L.transpose(0, 2, 1)."
        )
    return np.diagonal(array, axis1=1, axis2=2)


def beginning(subject: str) -> str:
    """Return how an error about this subject begins."""
    return f"The {subject} cannot be used. " if subject else ""


# --------------------------------------------------------------------------- loaders and lists of batches


def _dimensions(value: Any) -> int:
    """Return how many dimensions an array of any library has, 0 for what is no array."""
    shape = getattr(value, "shape", ())
    return len(shape) if hasattr(shape, "__len__") else 0


def _holds_parts(value: Any) -> bool:
    """Return whether batches or rows are held one by one; else it is one array, a nested sequence, or no data."""
    if isinstance(value, list | tuple):
        return bool(value) and _dimensions(x_of(value[0])) > 0
    arrays = any(hasattr(value, name) for name in ("shape", "dtype", "__array__", "__array_interface__"))
    if arrays or isinstance(value, (str, bytes, type, Mapping, Sequence)) or hasattr(value, "readline"):
        return False  # an open file may be waited for
    return isinstance(value, Iterable) or _is_data_set(value)


def _is_data_set(value: Any) -> bool:
    """Return whether single rows are asked for by their number, as of a `Dataset` of PyTorch."""
    return hasattr(value, "__getitem__") and hasattr(value, "__len__") and not isinstance(value, list | tuple)


def x_of(item: Any, *, single: bool = False) -> Any:
    """Return x of a batch or row that is given as x, (x, label) or {"x": x, …}; `single`: it is one row for sure."""
    if isinstance(item, tuple | list) and item:
        label = _dimensions(item[1]) if len(item) > 1 else 0  # two arrays of one dimension are two rows
        return item[0] if _dimensions(item[0]) > min(label, 1) or (single and _dimensions(item[0])) else item
    if isinstance(item, Mapping):
        return next((item[key] for key in KEYS if key in item), next(iter(item.values()), None))
    return item


def _gathered(value: Any, rows: int | None) -> NDArray[Any]:
    """Return all batches or rows in one array."""
    single, parts = _is_data_set(value), []
    for item in (value[i] for i in range(len(value))) if single else value:
        parts.append(plain(x := x_of(item, single=single)))
        one_label = x is not item and not isinstance(item, Mapping) and len(item) > 1 and not _dimensions(item[1])
        single = single or parts[-1].ndim < 2 or one_label
    if not parts:
        raise ValueError("there are no batches")
    if single or (len(parts) == rows and sum(map(len, parts)) != rows):
        parts = [part[None] for part in parts]
    return _joined(parts)


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Return one array; parts are dropped as they are copied, so that there is room for one copy only."""
    shapes = sorted({part.shape[1:] for part in parts})
    if len(shapes) > 1:
        raise ValueError(f"rows have the shapes {shapes[0]} and {shapes[1]}")
    stop = sum(map(len, parts))
    whole = np.empty((stop, *shapes[0]), np.result_type(*{part.dtype for part in parts}))
    while parts:
        part = parts.pop()
        whole[stop - len(part) : stop] = part
        stop -= len(part)
    return whole


def _check_room(shape: tuple[int, ...], kind: Any, begin: str) -> None:
    """Raise an error where a sparse matrix, made dense, would not fit into memory."""
    import psutil

    size, room = math.prod(shape) * np.dtype(kind).itemsize, psutil.virtual_memory().available
    if size > room:
        raise InputError(
            f"{begin}The sparse matrix of shape {shape} takes {size / 2**30:.3g} GiB when it is made dense, but "
            f"{room / 2**30:.3g} GiB are free: give fewer rows or columns."
        )


# ----------------------------------------------------------------------------------------- frames and numbers


def _frame_to_array(frame: Any, names: tuple[str, ...], begin: str) -> NDArray[Any]:
    columns = [np.asarray(frame[name]) for name in frame.columns]
    if all(column.dtype.kind in "fiub" for column in columns):
        whole = np.asarray(frame.to_numpy())
        return whole if whole.dtype.kind != "O" else np.column_stack(columns)
    return np.column_stack([_as_numbers(column, name, begin) for column, name in zip(columns, names, strict=True)])


def _as_numbers(column: NDArray[Any], name: str, begin: str) -> Array:
    """Return a column as floats; nullable numbers pass, text and dates do not."""
    if column.dtype.kind not in "mM":
        try:
            missing = np.array([str(value) == "<NA>" for value in column], dtype=bool)
            return np.where(missing, np.nan, column).astype(np.float64)
        except OverflowError:
            raise InputError(
                f"{begin}Column {name!r} holds whole numbers of more than 308 digits: rescale it, or leave it out."
            ) from None
        except (TypeError, ValueError):
            pass
    worst = next((value for value in column if not is_number(value)), column[0])
    comma = "write decimals with a point, " if COMMA.fullmatch(str(worst).strip()) else ""
    raise InputError(
        f"{begin}Column {name!r} holds values that are not numbers (such as {str(worst)!r}), but every column must be "
        f"numeric: {comma}leave it out (of a file: exclude={name!r}, --exclude {name}) or encode it as numbers."
    )


def is_number(value: Any) -> bool:
    """Return whether `value` is a number or reads as one."""
    try:
        float(value)
    except OverflowError:  # a whole number with more digits than a float can hold
        return True
    except (TypeError, ValueError):
        return False
    return True


def _real(array: NDArray[Any], begin: str) -> NDArray[Any]:
    """Return an array of real numbers of at most double precision."""
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                f"{begin}The array holds objects that are not numbers: convert it with array.astype(float)."
            ) from None
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{begin}The array holds values of type {array.dtype}, but real numbers are expected: "
            "split complex numbers into real and imaginary columns, encode text as numbers."
        )
    with np.errstate(over="ignore"):  # beyond double precision is infinite
        return array.astype(np.float64) if array.dtype.itemsize > 8 else array
