"""Data files → named columns, read by blocks: CSV, Parquet, NPY, NPZ.

A file is opened once its first bytes agree with its suffix; nothing is ever unpickled. An NPY is mapped,
CSV and Parquet are streamed, so that memory does not grow with the file.
"""

import csv
import gzip
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from landau_vae.errors import InputError
from landau_vae.results import Array
from landau_vae.samples.tables import as_table, as_weights, is_number, row_blocks

__all__ = ["Table", "array_names", "read"]

T = TypeVar("T")
Rows = Callable[[list[int]], Iterator[NDArray[Any]]]  # columns to keep → blocks of rows

READ_NUMBERS, READ_ROWS = 2**22, 2**14  # at most, that a reader hands over at a time
KINDS = {
    ".csv": "CSV",
    ".tsv": "CSV",
    ".txt": "CSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".npy": "NPY",
    ".npz": "NPZ",
}
MISSING = {"", "na", "n/a", "nan", "null", "none", "-", "."}
MAGIC = {b"PAR1": "Parquet", b"\x93NUMPY": "NPY", b"PK\x03\x04": "NPZ"}
SUPPORTED = "CSV (.csv, .tsv, .txt, also .gz), Parquet (.parquet), NPY (.npy) and NPZ (.npz) files are read"


@dataclass(frozen=True)
class Table:
    """A file's contents: `array` if it is one plain array, else `blocks` of (rows, weights); names if it has any."""

    names: tuple[str, ...] | None
    array: NDArray[Any] | None = None
    blocks: Iterator[tuple[NDArray[Any], Array | None]] = field(default_factory=lambda: iter(()))


def read(
    path: str | Path,
    *,
    columns: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
    weights: str | None = None,
    array: str | None = None,
    header: bool | None = None,
) -> Table:
    """Open a data file. `header` says whether a CSV has one (None: if it looks so).

    Columns go by their names, or by their index ("0", "1", …) where the file names none.
    """
    path = Path(path)
    columns = (columns,) if isinstance(columns, str) else columns
    exclude = (exclude,) if isinstance(exclude, str) else exclude
    kind = _kind(path)
    if array is not None and kind != "NPZ":
        raise InputError(
            f"array={array!r} names an array inside an NPZ file, but {path.name} is a {kind} file: "
            "leave that option out."
        )
    if kind in ("NPY", "NPZ"):
        whole = _guard(path, lambda: _load_npy(path) if kind == "NPY" else _load_npz(path, array))
        whole, _ = as_table(whole)
        if columns is None and not exclude and weights is None:
            return Table(names=None, array=whole)
        names, rows = tuple(map(str, range(whole.shape[1]))), _array_rows(whole)
    else:
        names, rows = _guard(path, lambda: _open_parquet(path) if kind == "Parquet" else _open_csv(path, header))
    keep = _selection(names, columns, exclude, weights)
    return Table(names=tuple(names[i] for i in keep), blocks=_blocks(path, rows, names, keep, weights))


def array_names(path: str | Path) -> tuple[str, ...]:
    """The arrays of an NPZ file."""
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
    """What the file is by its suffix, once its first bytes agree."""
    if not path.exists():
        raise InputError(f"There is no file {path}: check the path (the working folder is {Path.cwd()}).")
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


def _selection(
    names: tuple[str, ...], columns: Sequence[str] | None, exclude: Sequence[str], weights: str | None
) -> list[int]:
    """Indices of the feature columns, in the file's order."""
    for name in [*(columns or ()), *exclude, *([weights] if weights is not None else [])]:
        if name not in names:
            shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
            raise InputError(f"There is no column {name!r}: the file's columns are {shown}.")
    dropped = {*exclude, weights}
    keep = [i for i, name in enumerate(names) if name not in dropped and (columns is None or name in columns)]
    if not keep:
        raise InputError(f"No column is left of the file's {len(names)}: keep at least one.")
    nameless = [names[i] for i in keep if names[i].startswith("Unnamed: ")]
    if nameless:
        raise InputError(
            f"Column {nameless[0].removeprefix('Unnamed: ')} has no name, as a saved row index has none: "
            f"name it, or leave it out (exclude={nameless[0]!r}; --exclude '{nameless[0]}')."
        )
    return keep


def _blocks(
    path: Path, rows: Rows, names: tuple[str, ...], keep: list[int], weights: str | None
) -> Iterator[tuple[NDArray[Any], Array | None]]:
    """Blocks of (rows, weights) with the weight column, if any, split off."""
    source = rows(keep if weights is None else [*keep, names.index(weights)])
    first = 0
    while (block := _guard(path, lambda: next(source, None))) is not None:
        if weights is None:
            yield block, None
        else:
            yield block[:, :-1], as_weights(block[:, -1], len(block), first)
        first += len(block)


def _guard(path: Path, action: Callable[[], T]) -> T:
    """Run a reader's step; what its library throws at a damaged file becomes one sentence."""
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
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        problem = str(error).splitlines()[0].replace("Error tokenizing data. C error: ", "").rstrip(". ")
        if any(word in problem.lower() for word in ("pickle", "python objects", "object arrays")):
            raise InputError(
                f"{path.name} holds pickled Python objects, which are never loaded because loading runs "
                "code: save a plain numeric array (array.astype(float)) instead."
            ) from None
    raise InputError(f"{path.name} is damaged, cut short or not what it seems ({problem}): write it again.") from None


# ---------------------------------------------------------------------------------- the four kinds


def _rows_at_a_time(columns: int) -> int:
    return max(64, min(READ_ROWS, READ_NUMBERS // columns))


def _array_rows(array: NDArray[Any]) -> Rows:
    return lambda keep: (block[:, keep] for block in row_blocks(array))


def _load_npy(path: Path) -> NDArray[Any]:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _load_npz(path: Path, key: str | None) -> NDArray[Any]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        names = list(archive.files)
        if key is None and len(names) != 1:
            raise InputError(
                f"{path.name} holds {len(names)} arrays ({', '.join(names)}), but one table is expected: "
                "name it (array=…; on the command line --array NAME)."
            )
        if key is not None and key not in names:
            raise InputError(f"{path.name} holds no array {key!r}, only {', '.join(names)}: name one of those.")
        return np.asarray(archive[key or names[0]])


def _open_csv(path: Path, header: bool | None) -> tuple[tuple[str, ...], Rows]:
    separator, fields = _csv_first_line(path)
    header = _looks_like_header(fields) if header is None else header
    names = tuple(field.strip() or f"Unnamed: {i}" for i, field in enumerate(fields))
    names = names if header else tuple(map(str, range(len(fields))))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path.name} names two columns {twice!r}: give each column a name of its own.")

    def rows(keep: list[int]) -> Iterator[NDArray[Any]]:
        import pandas as pd

        empty = True
        with pd.read_csv(
            path,
            sep=separator,
            header=None,
            names=list(names),
            skiprows=1 if header else 0,
            chunksize=_rows_at_a_time(len(names)),
            skipinitialspace=True,
            index_col=False,
            encoding="utf-8-sig",
        ) as frames:
            for frame in frames:
                if len(frame) > 0:
                    empty = False
                    yield as_table(frame.iloc[:, keep])[0]
        if empty:
            raise InputError(f"{path.name} has a header but no rows: at least two rows are needed.")

    return names, rows


def _csv_first_line(path: Path) -> tuple[str, list[str]]:
    """The separator and the fields of the first line; a leading # (as NumPy writes it) belongs to neither."""
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        line = file.readline().lstrip("# ")
    if not line.strip():
        raise InputError(f"{path.name} begins with a blank line: its first line must be a header or numbers.")
    unquoted = re.sub(r'"[^"]*"', "", line)
    separator = max(",;\t", key=unquoted.count)
    if separator in unquoted:
        return separator, next(csv.reader([line], delimiter=separator))
    return r"\s+", next(csv.reader([line.strip()], delimiter=" ", skipinitialspace=True))


def _looks_like_header(fields: list[str]) -> bool:
    """Whether some field is a word; missing values are no words, and 0, 1, 2, … is the header pandas gives an array."""
    counted = [str(i) for i in range(len(fields))]
    if len(fields) > 1 and (fields == counted or (not fields[0].strip() and fields[1:] == counted[:-1])):
        return True
    return any(field.strip().lower() not in MISSING and not is_number(field) for field in fields)


def _open_parquet(path: Path) -> tuple[tuple[str, ...], Rows]:
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    stored_index = (schema.pandas_metadata or {}).get("index_columns", [])
    names = tuple(name for name in schema.names if name not in stored_index)

    def rows(keep: list[int]) -> Iterator[NDArray[Any]]:
        columns = [names[i] for i in keep]
        with pq.ParquetFile(path) as file:
            size = _rows_at_a_time(len(columns))
            for group in range(file.num_row_groups):  # one at a time: Arrow keeps what it has read of a file
                for batch in file.iter_batches(batch_size=size, row_groups=[group], columns=columns):
                    yield as_table(batch.to_pandas(ignore_metadata=True)[columns])[0]

    return names, rows
