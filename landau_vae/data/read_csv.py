"""CSV and its relatives → named columns, streamed: separator and header are found in the first line."""

import csv
import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from landau_vae.data.tables import as_table, is_number, rows_at_a_time
from landau_vae.errors import InputError

Rows = Callable[[list[int]], Iterator[NDArray[Any]]]  # columns to keep → blocks of rows

MISSING = {"", "na", "n/a", "nan", "null", "none", "-", "."}


def open_csv(path: Path, header: bool | None) -> tuple[tuple[str, ...], Rows]:
    """Return the names of the columns, and a function that yields the rows."""
    separator, fields = _first_line(path)
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
            chunksize=rows_at_a_time(len(names)),
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


def _first_line(path: Path) -> tuple[str, list[str]]:
    """Return the separator and the fields of the first line; a leading # (as NumPy writes it) belongs to neither."""
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
    """Return whether some field is a word; 0, 1, 2, … counts as one, the header of an array in pandas."""
    counted = [str(i) for i in range(len(fields))]
    if len(fields) > 1 and (fields == counted or (not fields[0].strip() and fields[1:] == counted[:-1])):
        return True
    return any(field.strip().lower() not in MISSING and not is_number(field) for field in fields)
