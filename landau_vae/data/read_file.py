"""Data files → named columns, read by blocks: CSV, Parquet, NPY, NPZ, Zarr, netCDF.

A file is opened once its first bytes agree with its suffix; nothing is ever unpickled. An NPY is mapped, all others
but an NPZ are streamed, so that memory does not grow with the file.
"""

import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.accumulate import Collected, select
from landau_vae.data.archive import HEADER, parse_partial
from landau_vae.data.read_csv import open_csv
from landau_vae.data.read_xarray import open_labelled
from landau_vae.data.tables import as_table, as_weights, choose, row_blocks, rows_at_a_time
from landau_vae.display import Array
from landau_vae.errors import InputError

T = TypeVar("T")
Rows = Callable[[list[int], int], Iterator[NDArray[Any]]]  # columns to keep, first row → blocks of rows

KINDS = {
    ".csv": "CSV",
    ".tsv": "CSV",
    ".txt": "CSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".npy": "NPY",
    ".npz": "NPZ",
    ".zarr": "Zarr",
    ".nc": "netCDF",
    ".nc4": "netCDF",
}
MAGIC = {
    b"PAR1": "Parquet",
    b"\x93NUMPY": "NPY",
    b"PK\x03\x04": "NPZ",
    b"CDF": "netCDF",
    b"\x89HDF": "netCDF",
}
SUPPORTED = (
    "CSV (.csv, .tsv, .txt, also .gz), Parquet (.parquet), NPY (.npy), NPZ (.npz), Zarr (.zarr) and netCDF (.nc) "
    "files are read"
)


@dataclass(frozen=True)
class Table:
    """A file's contents: `array` if it is one plain array, else `blocks` of (rows, weights), or a partial result."""

    names: tuple[str, ...] | None
    array: NDArray[Any] | None = None
    rows: int | None = None  #: how many, where that is known before reading
    blocks: Iterator[tuple[NDArray[Any], Array | None]] = field(default_factory=lambda: iter(()))
    part: Collected | None = None  #: rows that were collected in an earlier run

    def whole(self) -> tuple[NDArray[Any], Array | None]:
        """Return all rows in memory, and their weights if there are any."""
        if self.array is not None:
            return self.array, None
        blocks = list(self.blocks)
        weights = [weight for _, weight in blocks if weight is not None]
        return np.concatenate([rows for rows, _ in blocks]), np.concatenate(weights) if weights else None


def read(
    path: str | Path,
    *,
    columns: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
    weights: str | None = None,
    array: str | None = None,
    header: bool | None = None,
    samples: str | Sequence[str] | None = None,
    first: int = 0,
    partial: bool = False,
) -> Table:
    """Open a data file.

    `header` says whether a CSV has one (None: if it looks like one), `samples` which dimension of a Zarr or netCDF
    variable counts the samples (None: the first), `first` at which row to begin, `partial` whether it may be a partial
    result, which has no rows. Columns go by their names, or by their index ("0", "1", …) where the file names none.
    """
    path = Path(path)
    columns = (columns,) if isinstance(columns, str) else columns
    exclude = (exclude,) if isinstance(exclude, str) else exclude
    kind = _kind(path)
    _check_options(path, kind, array, samples)
    if kind in ("NPY", "NPZ"):
        content = _guard(path, lambda: _load_npy(path) if kind == "NPY" else _load_npz(path, array))
        if isinstance(content, Collected):
            if partial and weights is None and array is None:
                part = select(content, columns, exclude)
                return Table(names=part.names, part=part)
            raise InputError(_only_moments(path, partial))
        whole, _ = as_table(content)
        if columns is None and not exclude and weights is None:
            return Table(names=None, array=whole[first:], rows=len(whole))
        count: int | None = len(whole)
        names, rows = tuple(map(str, range(whole.shape[1]))), _array_rows(whole)
    else:
        names, rows, count = _guard(path, lambda: _open(path, kind, header, array, samples))
    keep = _selection(names, columns, exclude, weights)
    blocks = _blocks(path, rows, names, keep, weights, first)
    return Table(names=tuple(names[i] for i in keep), rows=count, blocks=blocks)


def array_names(path: str | Path) -> tuple[str, ...]:
    """Return the names of the arrays of an NPZ file."""
    path = Path(path)
    if (kind := _kind(path)) != "NPZ":
        raise InputError(
            f"{path.name} is a {kind} file, but an NPZ file of named arrays is expected: np.savez(path, …)."
        )

    def names() -> tuple[str, ...]:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return tuple(archive.files)

    return _guard(path, names)


def _kind(path: Path) -> str:
    """Return the kind of a file by its suffix, once its first bytes agree."""
    if not path.exists():
        raise InputError(f"There is no file {path}: check the path (the working folder is {Path.cwd()}).")
    if path.is_dir() and path.suffix.lower() == ".zarr":
        return "Zarr"
    if not path.is_file():
        raise InputError(f"{path} is no file: {SUPPORTED}.")
    zipped = path.suffix.lower() == ".gz"
    kind = KINDS.get((Path(path.stem).suffix if zipped else path.suffix).lower())
    if kind is None or (zipped and kind != "CSV"):
        raise InputError(f"{path.name} has the unknown suffix {''.join(path.suffixes[-2:])!r}: {SUPPORTED}.")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as problem:
        raise InputError(f"{path} cannot be read ({problem.strerror}): check its permissions.") from None
    if not head:
        raise InputError(f"{path.name} is empty, but a table of numbers is expected: {SUPPORTED}.")
    found = next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)
    if kind == "CSV" and found is None:
        found = "CSV" if zipped or b"\0" not in head else "a binary (or UTF-16 text)"
    if found != kind:
        raise InputError(
            f"{path.name} is not the {kind} file that its suffix says"
            f"{', but ' + found + ' by its first bytes' if found else ''}: "
            "rename it to what it is, or write it again."
        )
    return kind


def _check_options(path: Path, kind: str, array: str | None, samples: Any) -> None:
    """Raise `InputError` for options that files of this kind do not have."""
    if array is not None and kind not in ("NPZ", "Zarr", "netCDF"):
        raise InputError(
            f"array={array!r} names an array inside an NPZ, Zarr or netCDF file, but {path.name} is a {kind} file: "
            "leave that option out."
        )
    if samples is not None and kind not in ("Zarr", "netCDF"):
        raise InputError(
            f"samples={samples!r} names a dimension of a Zarr or netCDF variable, but {path.name} is a {kind} file, "
            "whose rows are the samples: leave that option out."
        )


def _only_moments(path: Path, usable: bool) -> str:
    if usable:
        return (
            f"{path.name} is a partial result, in which all that has been settled: leave weights, array, samples and "
            "covariance out."
        )
    return (
        f"{path.name} is a partial result, which has the moments of rows and not the rows themselves: "
        "give the data, or use it where a spectrum is enough (thresholds, choose, gather)."
    )


def _selection(
    names: tuple[str, ...], columns: Sequence[str] | None, exclude: Sequence[str], weights: str | None
) -> list[int]:
    """Return the indices of the feature columns, in the file's order; each must have a name."""
    keep = choose(names, columns, exclude, weights)
    nameless = [names[i] for i in keep if names[i].startswith("Unnamed: ")]
    if nameless:
        raise InputError(
            f"Column {nameless[0].removeprefix('Unnamed: ')} has no name, as a saved row index has none: "
            f"name it, or leave it out (exclude={nameless[0]!r}; --exclude '{nameless[0]}')."
        )
    return keep


def _blocks(
    path: Path, rows: Rows, names: tuple[str, ...], keep: list[int], weights: str | None, first: int
) -> Iterator[tuple[NDArray[Any], Array | None]]:
    """Yield blocks of (rows, weights) from row `first` on, with the weight column, if any, split off."""
    source = rows(keep if weights is None else [*keep, names.index(weights)], first)
    while (block := _guard(path, lambda: next(source, None))) is not None:
        if weights is None:
            yield block, None
        else:
            yield block[:, :-1], as_weights(block[:, -1], len(block), first)
        first += len(block)


def _guard(path: Path, action: Callable[[], T]) -> T:
    """Run a step of a reader, and turn any error of its library about a damaged file into one sentence."""
    try:
        with warnings.catch_warnings():  # a row longer than the header must not be cut to fit
            warnings.filterwarnings("error", message="Length of header or names")
            return action()
    except InputError:
        raise
    except Warning:
        problem = "its rows have more fields than its first line"
    except UnicodeDecodeError:
        problem = "its text is not UTF-8"
    except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        problem = str(error).splitlines()[0].replace("Error tokenizing data. C error: ", "").rstrip(". ")
        if any(word in problem.lower() for word in ("pickle", "python objects", "object arrays")):
            raise InputError(
                f"{path.name} holds pickled Python objects, which are never loaded because loading runs "
                "code: save a plain numeric array (array.astype(float)) instead."
            ) from None
    raise InputError(f"{path.name} is damaged, cut short or not what it seems ({problem}): write it again.") from None


# -------------------------------------------------------------------------------------- the kinds


def _open(
    path: Path, kind: str, header: bool | None, variable: str | None, samples: str | Sequence[str] | None
) -> tuple[tuple[str, ...], Rows, int | None]:
    """Return the names of columns, a function that yields rows, and the number of rows, if that is known."""
    if kind == "Parquet":
        return open_parquet(path)
    if kind == "CSV":
        names, text = open_csv(path, header)
        return names, lambda keep, first: from_row(text(keep), first), None
    slabs = open_labelled(path, kind, variable, samples)
    return slabs.names, lambda keep, first: (_columns(rows, keep) for _, rows in slabs.blocks(first)), slabs.rows


def _columns(block: NDArray[Any], keep: list[int]) -> NDArray[Any]:
    return block if len(keep) == block.shape[1] else block[:, keep]


def _array_rows(array: NDArray[Any]) -> Rows:
    return lambda keep, first: (block[:, keep] for block in row_blocks(array[first:]))


def _load_npy(path: Path) -> NDArray[Any]:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _load_npz(path: Path, key: str | None) -> NDArray[Any] | Collected:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        names = list(archive.files)
        if HEADER in names:
            return parse_partial(path, archive)[0]
        if key is None and len(names) != 1:
            raise InputError(
                f"{path.name} holds {len(names)} arrays ({', '.join(names)}), but one table is expected: "
                "name it (array=…; on the command line --array NAME)."
            )
        if key is not None and key not in names:
            raise InputError(f"{path.name} holds no array {key!r}, only {', '.join(names)}: name one of those.")
        return np.asarray(archive[key or names[0]])


def open_parquet(path: Path) -> tuple[tuple[str, ...], Rows, int]:
    """Return the names of the columns of a Parquet file, a function that yields its rows, and how many there are."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    schema = pq.read_schema(path)
    stored_index = (schema.pandas_metadata or {}).get("index_columns", [])
    names = tuple(name for name in schema.names if name not in stored_index)

    def rows(keep: list[int], first: int) -> Iterator[NDArray[Any]]:
        columns = [names[i] for i in keep]
        size = rows_at_a_time(len(columns))
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):  # one at a time: Arrow keeps what it has read of a file
                length = metadata.row_group(group).num_rows
                if length > first:
                    batches = file.iter_batches(batch_size=size, row_groups=[group], columns=columns)
                    frames = (batch.to_pandas(ignore_metadata=True)[columns] for batch in batches)
                    yield from from_row((as_table(frame)[0] for frame in frames), first)
                first = max(0, first - length)

    return names, rows, metadata.num_rows


def from_row(blocks: Iterator[NDArray[Any]], first: int) -> Iterator[NDArray[Any]]:
    """Yield a stream without its first rows."""
    for block in blocks:
        if len(block) > first:
            yield block[first:]
        first = max(0, first - len(block))
