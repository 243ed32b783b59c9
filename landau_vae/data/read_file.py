"""Data files → named columns, read by blocks: CSV, Parquet, NPY, NPZ, Zarr, netCDF, AnnData.

A file is opened once its first bytes agree with its suffix; nothing is ever unpickled. An NPY
is mapped, all others but an NPZ are streamed, so that memory does not grow with the file.
"""

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.accumulate import Collected, select
from landau_vae.data.archive import is_partial, load_partial
from landau_vae.data.claims import check_claim, check_room
from landau_vae.data.content import ADVICE, content_of
from landau_vae.data.door import brief, first_bytes, to_read
from landau_vae.data.numpy_files import Archive, map_npy, open_npz
from landau_vae.data.read_csv import open_csv
from landau_vae.data.read_h5ad import open_h5ad, read_obs_labels
from landau_vae.data.read_xarray import open_labelled
from landau_vae.data.tables import as_table, as_weights, choose, guarded, row_blocks, rows_at_a_time
from landau_vae.display import Array
from landau_vae.errors import InputError

T = TypeVar("T")
Rows = Callable[[list[int], int], Iterator[Any]]  # columns to keep, first row → blocks of rows, arrays or frames

KINDS = dict.fromkeys((".csv", ".tsv", ".txt"), "CSV") | dict.fromkeys((".parquet", ".pq"), "Parquet")
KINDS |= {".npy": "NPY", ".npz": "NPZ", ".zarr": "Zarr", ".nc": "netCDF", ".nc4": "netCDF", ".h5ad": "AnnData"}
SAME = {"ZIP": "NPZ", "AnnData": "netCDF"}  # kinds that first bytes do not tell apart
LABELLED = ("Zarr", "netCDF")
SUPPORTED = (
    "CSV (.csv, .tsv, .txt, also .gz), Parquet (.parquet), NPY (.npy), NPZ (.npz), Zarr (.zarr), netCDF (.nc) and "
    "AnnData (.h5ad) files are read"
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

    `header` says whether a CSV has one (None: if it looks like one), `samples` which dimension
    of a Zarr or netCDF variable counts the samples (None: the first), `first` at which row to
    begin, `partial` whether it may be a partial result, which has no rows. Columns go by their
    names, or by their index ("0", "1", …) where the file names none.
    """
    path, kind = _identified(path)
    if array is not None and kind not in ("NPZ", "AnnData", *LABELLED):
        raise InputError(
            f"array={array!r} names an array inside an NPZ, Zarr, netCDF or AnnData file, but {path.name} is a {kind} "
            "file: leave that option out."
        )
    if samples is not None and kind not in LABELLED:
        raise InputError(
            f"samples={samples!r} names a dimension of a Zarr or netCDF variable, but {path.name} is a {kind} file, "
            "whose rows are the samples: leave that option out."
        )
    if kind == "NPZ" and is_partial(path):
        if not partial or weights is not None or array is not None:
            raise InputError(_only_moments(path, partial), "path")
        part = select(load_partial(path)[0], columns, exclude)
        return Table(names=part.names, part=part)
    if kind == "Parquet":
        names, rows, count = open_parquet(path)
    elif kind == "CSV":
        names, text = open_csv(path, header)
        rows, count = (lambda keep, first: from_row(text(keep), first)), None
    elif kind == "AnnData":
        names, rows, count = open_h5ad(path, array)
    elif kind in LABELLED:
        slabs = open_labelled(path, kind, array, samples)
        names, rows, count = slabs.names, slabs.columns, slabs.rows
    else:
        whole, _ = as_table(_load_npz(path, array) if kind == "NPZ" else _load_npy(path))
        if columns is None and not exclude and weights is None:
            return Table(names=None, array=whole[first:], rows=len(whole))
        names, rows, count = _open_array(whole)
    if kind in ("CSV", "Parquet") and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path.name} names two columns {twice!r}: give each column a name of its own.")
    keep = choose(names, columns, exclude, weights)
    nameless = next((names[i] for i in keep if names[i].startswith("Unnamed: ")), None)
    if nameless is not None:
        raise InputError(
            f"Column {nameless.removeprefix('Unnamed: ')} has no name and may be a saved row index: "
            f"name it, or leave it out (exclude={nameless!r}; --exclude '{nameless}')."
        )
    picked = keep if weights is None else [*keep, names.index(weights)]
    blocks = _blocks(path, rows(picked, first), weights is not None, first)
    return Table(names=tuple(names[i] for i in keep), rows=count, blocks=blocks)


def read_labels(path: str | Path, column: str, *, header: bool | None = None, **options: Any) -> NDArray[Any]:
    """Return a column of numbers or words, (n,), of an AnnData file one of obs; `options` are those of `read`."""
    path, kind = _identified(path)
    if kind == "AnnData":
        return read_obs_labels(path, column)
    if kind not in ("CSV", "Parquet"):
        return read(path, columns=[column], **options).whole()[0][:, 0]
    if kind == "CSV":
        names, text = open_csv(path, header)
        blocks = text(choose(names, [column], ()))
    else:
        names, rows, _ = open_parquet(path)
        blocks = rows(choose(names, [column], ()), 0)
    return np.concatenate([frame.iloc[:, 0].to_numpy() for frame in guarded(path, lambda: list(blocks))])


def array_names(path: str | Path) -> tuple[str, ...]:
    """Return the names of the arrays of an NPZ file."""
    path, kind = _identified(path)
    if kind != "NPZ":
        raise InputError(
            f"{path.name} is a {kind} file, but an NPZ file of named arrays is expected: np.savez(path, …)."
        )
    return _from_npz(path, lambda archive: tuple(archive.members))


def _identified(path: str | Path) -> tuple[Path, str]:
    """Return a path that can be read, and the kind of its file by its suffix, once its first bytes agree."""
    path = to_read(path, folder=True)
    if path.is_dir():
        if path.suffix.lower() == ".zarr":
            return path, "Zarr"
        raise InputError(f"{brief(path)} is a folder, not a file: {SUPPORTED}.")
    zipped = path.suffix.lower() == ".gz"
    kind = KINDS.get((Path(path.stem).suffix if zipped else path.suffix).lower())
    if kind is None or (zipped and kind != "CSV"):
        suffix = brief("".join(path.suffixes[-2:]))
        raise InputError(f"{brief(path.name)} has the unknown suffix {suffix!r}: {SUPPORTED}.")
    if not (head := first_bytes(path, 4096)):
        raise InputError(f"{path.name} is empty, but a table of numbers is expected: {SUPPORTED}.")
    if zipped and content_of(head) == "gzip":
        head = guarded(path, lambda: _unpacked(path))
    found = content_of(head) or "CSV"
    if SAME.get(found, found) != SAME.get(kind, kind):
        raise InputError(
            f"{path.name} is not the {kind} file that its suffix says, but {found} by its first bytes: "
            f"{ADVICE.get(found, 'rename it to what it is, or save the table as CSV, Parquet or NPY')}."
        )
    return path, kind


def _unpacked(path: Path) -> bytes:
    with gzip.open(path) as file:
        return file.read(4096)


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


def _blocks(
    path: Path, source: Iterator[Any], weighted: bool, first: int
) -> Iterator[tuple[NDArray[Any], Array | None]]:
    """Yield blocks of (rows, weights) from row `first` on, with the last column split off if it has the weights."""
    while (block := guarded(path, lambda: next(source, None))) is not None:
        rows, _ = as_table(block)
        yield (rows[:, :-1], as_weights(rows[:, -1], len(rows), first)) if weighted else (rows, None)
        first += len(rows)
    if first == 0:
        raise InputError(f"{path.name} has no rows: at least two are needed.")


# -------------------------------------------------------------------------------------- the kinds


def _open_array(array: NDArray[Any]) -> tuple[tuple[str, ...], Rows, int | None]:
    names = tuple(map(str, range(array.shape[1])))
    return names, lambda keep, first: (block[:, keep] for block in row_blocks(array[first:])), len(array)


def _load_npy(path: Path) -> NDArray[Any]:
    return guarded(path, lambda: map_npy(path))


def _load_npz(path: Path, key: str | None) -> NDArray[Any]:
    names = array_names(path)
    if not names:
        raise InputError(f"{path.name} holds no array: write it again (np.savez).")
    if key is None and len(names) != 1:
        raise InputError(
            f"{path.name} holds {len(names)} arrays ({', '.join(names[:12])}), but one table is expected: "
            "name it (array=…; on the command line --array NAME)."
        )
    if key is not None and key not in names:
        raise InputError(f"{path.name} holds no array {key!r}, only {', '.join(names[:12])}: name one of those.")
    return _from_npz(path, lambda archive: archive.array(key or names[0]))


def _from_npz(path: Path, take: Callable[[Archive], T]) -> T:
    def taken() -> T:
        with open_npz(path) as archive:
            return take(archive)

    return guarded(path, taken)


def open_parquet(path: Path) -> tuple[tuple[str, ...], Rows, int | None]:
    """Return the names of the columns of a Parquet file, a function that yields its rows, and how many there are."""
    import pyarrow.parquet as pq

    names, count = guarded(path, lambda: _look(path))

    def rows(keep: list[int], first: int) -> Iterator[Any]:
        columns = [names[i] for i in keep]
        size = rows_at_a_time(len(columns))
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):  # one at a time: Arrow keeps what it has read of a file
                length = file.metadata.row_group(group).num_rows
                if length > first:
                    batches = file.iter_batches(batch_size=size, row_groups=[group], columns=columns)
                    frames = (batch.to_pandas(ignore_metadata=True)[columns] for batch in batches)
                    yield from from_row(frames, first)
                first = max(0, first - length)

    return names, rows, count


def _look(path: Path) -> tuple[tuple[str, ...], int]:
    """Return the names of the columns of a Parquet file, and how many rows there are."""
    import pyarrow.parquet as pq

    metadata, schema = pq.read_metadata(path), pq.read_schema(path)
    check_claim(path, 8 * metadata.num_rows * metadata.num_columns, streamed=True)
    check_room(path, max((metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)), default=0))
    stored_index = (schema.pandas_metadata or {}).get("index_columns", [])
    return tuple(name for name in schema.names if name not in stored_index), metadata.num_rows


def from_row(blocks: Iterator[Any], first: int) -> Iterator[Any]:
    """Yield a stream without its first rows."""
    for block in blocks:
        if len(block) > first:
            yield block[first:]
        first = max(0, first - len(block))
