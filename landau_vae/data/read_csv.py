"""CSV and its relatives → named columns, streamed, in the dialect that the first lines show."""

import gzip
from collections.abc import Callable, Iterator
from io import SEEK_END, BufferedReader, RawIOBase, StringIO, TextIOWrapper
from pathlib import Path
from typing import IO, Any

from landau_vae.data.claims import check_claim
from landau_vae.data.convert import is_number
from landau_vae.data.dialect import Dialect, dialect_of, is_remark, mixed
from landau_vae.data.tables import guarded, rows_at_a_time
from landau_vae.display import in_words
from landau_vae.errors import InputError

BLOCK = 2**18  # bytes that are read at a time; of the first lines, that are looked at
LINE = 2**25  # bytes of the longest line: 32 for each of `COLUMNS`
RECORD = 2**27  # bytes between two blocks of rows, beyond what the numbers in them take
MARK = "\ufeff"  # of the order of bytes
CELL = 64  # bytes of a number as text, at most


class Watched(RawIOBase):
    """The bytes of a text file, unpacked; lines without end and null characters are refused on the way."""

    def __init__(self, path: Path) -> None:
        self.path, self.packed, self.unpacked = path, path.stat().st_size, 0
        opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
        self.source: IO[bytes] = opener(path, "rb")
        self.line = 0  #: bytes since the last end of a line
        self.since = 0  #: bytes since the last block of rows
        self.most = RECORD  #: of those

    def readable(self) -> bool:
        """Whether there is something to read."""
        return True

    def close(self) -> None:
        """Close the file."""
        self.source.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        block = self.source.read(len(buffer))
        buffer[: len(block)] = block
        self.unpacked += len(block)
        self.since += len(block)
        end = max(block.rfind(b"\n"), block.rfind(b"\r"))
        self.line = self.line + len(block) if end < 0 else len(block) - end - 1
        if b"\0" in block:
            raise ValueError("it holds null characters, which no text has")
        if self.line > LINE:
            raise ValueError(f"it has a line of more than {in_words(LINE)}")
        if self.since > self.most:
            raise ValueError(f"it has a quote that is not closed within {in_words(self.most)}")
        if self.packed < self.unpacked:
            check_claim(self.path, self.unpacked, self.packed)
        return len(block)


def open_csv(path: Path, header: bool | None) -> tuple[tuple[str, ...], Callable[[list[int]], Iterator[Any]]]:
    """Return the names of the columns, and a function that yields data frames of the columns to keep."""
    if path.suffix.lower() == ".gz":
        check_claim(path, _claimed(path))
    before, lines = guarded(path, lambda: _first_lines(path))
    dialect = guarded(path, lambda: dialect_of(lines, path.name, header))
    names = tuple(field or f"Unnamed: {i}" for i, field in enumerate(dialect.first))
    names = names if dialect.header else tuple(map(str, range(len(names))))

    def rows(keep: list[int]) -> Iterator[Any]:
        import pandas as pd

        size = rows_at_a_time(len(names))
        with Watched(path) as file:
            file.most = max(RECORD, CELL * size * len(names))
            table = BufferedReader(file, BLOCK)
            table.read(before)
            with pd.read_csv(table, chunksize=size, **_options(dialect, names)) as frames:
                for frame in frames:
                    file.since = 0
                    if len(frame):
                        yield _of_one_mark(frame.iloc[:, keep], dialect, path.name)

    return names, rows


def _options(dialect: Dialect, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what pandas has to know."""
    separator = r"\s+" if dialect.separator == " " else dialect.separator
    options: dict[str, Any] = {"sep": separator, "decimal": "," if dialect.comma else ".", "names": list(names)}
    options |= {"header": None, "skiprows": int(dialect.header)}
    return options | {"skipinitialspace": True, "index_col": False, "encoding": "utf-8-sig"}


def _claimed(path: Path) -> int:
    """Return how many bytes a gzip file says that it unpacks to, modulo 4 GB; `Watched` counts what it does."""
    with path.open("rb") as file:
        file.seek(-min(4, path.stat().st_size), SEEK_END)
        return int.from_bytes(file.read(4), "little")


def _first_lines(path: Path) -> tuple[int, list[str]]:
    """Return how many bytes of remarks precede a table, and its first lines, at least two if there are."""
    with TextIOWrapper(BufferedReader(Watched(path), BLOCK), encoding="utf-8", newline="") as file:
        before, first, second = 0, file.readline(), file.readline()
        while before < BLOCK and is_remark(first.removeprefix(MARK), second):
            before += len(first.encode())
            first, second = second, file.readline()
        others = file.read(BLOCK)
    first = first.removeprefix(MARK).lstrip("# ")  # NumPy begins the names of columns so
    if not first.strip():
        raise InputError(f"{path.name} begins with a blank line or only has remarks: a header or numbers are expected.")
    whole = others if len(others) < BLOCK else others[: others.rfind("\n") + 1]
    return before, [first, second, *StringIO(whole, newline="")]


def _of_one_mark(frame: Any, dialect: Dialect, name: str) -> Any:
    """Return a frame; raise `InputError` where a number has a point although decimals have commas in this file."""
    if dialect.comma is not None:
        for column in frame.columns[[kind.kind not in "fiub" for kind in frame.dtypes]]:
            point = next((each for each in frame[column] if "." in str(each) and is_number(each)), None)
            if point is not None:
                raise mixed(name, dialect.comma, str(point))
    return frame
