"""CSV and its relatives → named columns, streamed: separator and header are found in the first line."""

import csv
import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from landau_vae.data.convert import is_number
from landau_vae.data.tables import guarded, rows_at_a_time
from landau_vae.errors import InputError

MISSING = {"", "na", "n/a", "nan", "null", "none", "-", "."}


def open_csv(path: Path, header: bool | None) -> tuple[tuple[str, ...], Callable[[list[int]], Iterator[Any]]]:
    """Return the names of the columns, and a function that yields data frames of the columns to keep."""
    separator, fields = _first_line(path)
    header = _looks_like_header(fields) if header is None else header
    names = tuple(field.strip() or f"Unnamed: {i}" for i, field in enumerate(fields))
    names = names if header else tuple(map(str, range(len(fields))))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path.name} names two columns {twice!r}: give each column a name of its own.")

    def rows(keep: list[int]) -> Iterator[Any]:
        import pandas as pd

        options: dict[str, Any] = {"sep": separator, "header": None, "names": list(names), "skiprows": int(header)}
        options |= {"skipinitialspace": True, "index_col": False, "encoding": "utf-8-sig"}
        with pd.read_csv(path, chunksize=rows_at_a_time(len(names)), **options) as frames:
            yield from (frame.iloc[:, keep] for frame in frames if len(frame))

    return names, rows


def _first_line(path: Path) -> tuple[str, list[str]]:
    """Return the separator and the fields of the first line; a leading # (as NumPy writes it) belongs to neither."""
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        line = guarded(path, file.readline).lstrip("# ")
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
    ordinal = fields == counted or (not fields[0].strip() and fields[1:] == counted[:-1])
    return (len(fields) > 1 and ordinal) or any(
        field.strip().lower() not in MISSING and not is_number(field) for field in fields
    )
