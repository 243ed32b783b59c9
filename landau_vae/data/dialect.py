"""How a text file writes its table: what separates the cells, and whether decimals have a point or a comma.

Several separators may cut the first line. The one with which the lines below have as many cells
as it, and these are numbers, is right. A decimal comma is taken for one only where commas can be
nothing else: 1,5;2,25 is read, but 1,234;5,678 may hold thousands, and headerless lines such as
1,05 may hold one column or two. What is ambiguous is named, because a wrong guess would be silent.

Comments before the table are passed over. A first line of numbers names the columns where it
alone is quoted, or goes in equal steps; where it has one cell less than all others, the names
of rows stand below it.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landau_vae.data.convert import COMMA, is_number
from landau_vae.errors import InputError

SEPARATORS = (",", ";", "\t", "|", " ")  # a blank stands for any number of blanks
COLUMNS = 2**20
LINES = 100  # by which the separator is chosen
VALUES = {"", "na", "n/a", "nan", "null", "none", "-", ".", "true", "false"}  # that cells hold besides numbers
STEPS = 6  # numbers of a first line in equal steps by which it is a header: wavelengths, years
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Dialect:
    """How a file is written, and its first line."""

    separator: str
    comma: str | None  #: a number with a decimal comma, if there is one
    first: list[str]  #: cells of the first line
    header: bool  #: whether the first line names the columns


def dialect_of(lines: Sequence[str], name: str, header: bool | None = None) -> Dialect:
    """Return the dialect of a file by its first lines; `header` says whether it has one, if that is known."""
    if (columns := 1 + max(map(lines[0].count, SEPARATORS))) > COLUMNS:
        raise InputError(
            f"{name} has {columns} columns, but at most {COLUMNS} are read from text: write it as NPY, or swap rows "
            "and columns if they have been swapped."
        )
    tables = {each: _cells(lines[:LINES], each) for each in SEPARATORS}
    cut = [each for each in SEPARATORS if len(tables[each][0]) > 1] or [" "]
    separator = max(cut, key=lambda each: (_fit(tables[each], each), each != " ", len(tables[each][0])))
    first, *body = _cells(lines, separator)
    if first == [""]:
        raise InputError(
            f"{name} has a cell of more than {csv.field_size_limit()} letters in its first lines: look for a separator "
            "or a quote that is missing."
        )
    named = _looks_like_header(first, separator) or _stands_apart(lines, first, body) if header is None else header
    if named and any(row[-1] for row in body) and all(len(row) == len(first) + 1 for row in body):
        first = ["", *first]  # names of rows, over which R writes nothing
    if separator == "," and not named and header is None:
        _check_padding([first, *body], name)
    comma = _with_comma(body if named else [first, *body], separator, name)
    return Dialect(separator, comma, first, named)


def is_remark(line: str, below: str) -> bool:
    """Return whether a line before a table belongs to none of it: a comment, nothing, or the separator for Excel.

    A comment with as many cells as there are numbers below names them, as in the files of NumPy.
    """
    if not line.startswith(("#", "%")):
        return re.fullmatch(r"(sep=.)?[\r\n]+", line) is not None
    if below.startswith(line[0]):
        return True
    tables = [_cells([line.lstrip("# "), below], each) for each in SEPARATORS]
    cut = [i for i, table in enumerate(tables) if len(table[-1]) > 1] or [SEPARATORS.index(" ")]
    return bool(below) and not any(_fit(tables[i], SEPARATORS[i]) for i in cut)


def _cells(lines: Sequence[str], separator: str) -> list[list[str]]:
    """Return the cells of all lines, without blanks around them."""
    lines = [line.strip() for line in lines] if separator == " " else lines
    try:
        rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    except csv.Error:  # a cell that is longer than cells are
        return [[""]]
    return [[cell.strip() for cell in row] for row in rows if row]


def _fit(rows: Rows, separator: str) -> float:
    """Return the share of the cells below the first line that are numbers in lines of the same length."""
    first, *body = rows
    shares = [
        sum(_reads(cell, separator) for cell in row) / len(row) if len(row) == len(first) else 0.0 for row in body
    ]
    return sum(shares) / len(shares) if shares else 0.0


def _reads(cell: str, separator: str) -> bool:
    """Return whether a cell is a number, or is one of `VALUES`."""
    return is_number(cell) or cell.lower() in VALUES or (_may_be_decimal(separator) and bool(COMMA.fullmatch(cell)))


def _may_be_decimal(separator: str) -> bool:
    """Return whether a comma inside a cell can be a decimal one: not where cells may be cut at it."""
    return separator not in (",", " ")


def _looks_like_header(fields: Sequence[str], separator: str) -> bool:
    """Return whether some field is a word; 0, 1, 2, … counts as one, the header of an array in pandas."""
    counted = [str(i) for i in range(len(fields))]
    ordinal = list(fields) == counted or (not fields[0] and list(fields[1:]) == counted[:-1])
    return (len(fields) > 1 and ordinal) or not all(_reads(field, separator) for field in fields)


def _stands_apart(lines: Sequence[str], first: Sequence[str], body: Rows) -> bool:
    """Return whether numbers of the first line name columns: they alone are quoted, or go in equal steps."""
    quotes = [line.count('"') for line in lines[:2]]
    return quotes == [2 * len(first), 0] or (_in_steps(first) and not any(map(_in_steps, body[:1])))


def _in_steps(cells: Sequence[str]) -> bool:
    """Return whether these are several numbers, each as much above the one before."""
    if len(cells) < STEPS or not all(map(is_number, cells)):
        return False
    steps = np.diff(np.array(cells, dtype=np.float64))
    return bool(steps[0] and np.allclose(steps, steps[0], rtol=1e-6, atol=0))


def _with_comma(rows: Rows, separator: str, name: str) -> str | None:
    """Return a number with a decimal comma, or None where decimals have points."""
    if not _may_be_decimal(separator):
        return None
    cells = [cell for row in rows for cell in row]
    with_comma = [cell for cell in cells if COMMA.fullmatch(cell)]
    if not with_comma:
        return None
    with_point = next((cell for cell in cells if "." in cell and is_number(cell)), None)
    if with_point is not None:
        raise mixed(name, with_comma[0], with_point)
    if all(THOUSANDS.fullmatch(cell) for cell in with_comma):
        raise InputError(
            f"{name} holds numbers such as {with_comma[0]}, whose comma may be a decimal comma or group thousands: "
            "write decimals with a point, and thousands without commas."
        )
    return with_comma[0]


def mixed(name: str, comma: str, point: str) -> InputError:
    """Return the error for a file in which some numbers have a decimal comma and others a point."""
    return InputError(
        f"{name} holds numbers with a comma ({comma}) and numbers with a point ({point}), of which one may group "
        "thousands: write all decimals with a point, and thousands without marks."
    )


def _check_padding(rows: Rows, name: str) -> None:
    """Raise `InputError` where commas between whole numbers may mark decimals or thousands: 1,05 or 12,345."""
    width = len(rows[0])
    columns = list(zip(*(row for row in rows if len(row) == width), strict=True))
    if not all(re.fullmatch(r"[+-]?\d+", cell) for column in columns for cell in column):
        return
    padded = any(len(cell) > 1 and cell.startswith("0") for column in columns[1::2] for cell in column)
    grouped = [all(re.fullmatch(r"\d{3}", cell) for cell in column) for column in columns]
    leading = [all(re.fullmatch(r"[+-]?[1-9]\d{0,2}", cell) for cell in column) for column in columns]
    thousands = any(
        width % size == 0 and all(leading[i] if i % size == 0 else grouped[i] for i in range(width))
        for size in {2, width} - {1}
    )
    if thousands or (padded and width % 2 == 0):
        raise InputError(
            f"{name} holds lines such as {','.join(rows[0])[:60]}, whose commas may separate columns, mark decimals or "
            "group thousands: name the columns in a first line, or say that there is no such line (header=False, "
            "--no-header), or write decimals with a point."
        )
