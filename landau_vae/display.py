"""How results are shown: one `Table` for text, HTML, Markdown and rows; one base class `Result`; strict JSON.

A result says what it contains (`content`: paragraphs and tables, in order). Its `summary()`, its
HTML in a notebook and the report page all come from that; `--json` has the rows of the same
tables at full precision.
"""

import math
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from enum import Enum
from html import escape
from operator import attrgetter
from threading import Thread
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class SupportsArray(Protocol):
    """What NumPy reads as an array: tensors, series, scalars of any library."""

    def __array__(self) -> NDArray[Any]: ...


Numbers = NDArray[Any] | float | SupportsArray | Sequence[float] | Sequence[SupportsArray] | Sequence[Sequence[float]]
# Unlike NumPy's ArrayLike it leaves texts out, so that a type checker finds beta="4".


def readonly(values: ArrayLike, dtype: Any = np.float64) -> NDArray[Any]:
    """Return a sealed copy-free view of `values` as an array."""
    array = np.asarray(values, dtype=dtype).view()
    array.flags.writeable = False
    return array


def significant(value: float, digits: int = 6) -> str:
    """Return `value` to a number of significant digits, as papers print it.

    >>> significant(0.0596682), significant(9.89754e-06, 3), significant(float("nan"))
    ('0.0596682', '9.9e-06', '—')
    """
    return "—" if math.isnan(value) else f"{value:.{digits}g}"


def with_error(value: float, error: float | None) -> str:
    """Return a value and its standard error, with no more digits than the error allows.

    >>> with_error(0.096123, 0.00131), with_error(1234.5, 30), with_error(2.5, None), with_error(float("nan"), 1.0)
    ('0.0961 ± 0.0013', '1230 ± 30', '2.5', '—')
    >>> with_error(2.987e-13, 8.1e-15), with_error(1e-18, 0.2)
    ('(2.99 ± 0.08)e-13', '0.00 ± 0.20')
    """
    if error is None or not 0 < error < math.inf or not math.isfinite(value):
        return significant(value, 4)
    if value and not 1e-5 <= (size := max(abs(value), error)) < 1e7:
        power = math.floor(math.log10(size))
        return f"({with_error(value / 10.0**power, error / 10.0**power)})e{power:+03d}"
    place = 1 - math.floor(math.log10(error)) if f"{error:.1e}"[0] in "12" else -math.floor(math.log10(error))
    rounded, spread = round(value, place), round(error, place)
    return f"{rounded:.{max(place, 0)}f} ± {spread:.{max(place, 0)}f}"


def span(values: ArrayLike, digits: int = 3) -> str:
    """Return the least and the largest of some values, or the one that all of them are.

    >>> span([0.98, 1.2, 1.1]), span([2.0])
    ('0.98 … 1.2', '2')
    """
    low, high = (significant(float(end), digits) for end in (np.min(values), np.max(values)))
    return low if low == high else f"{low} … {high}"


def cell(value: Any) -> str:
    """Return a value as a table shows it by default: floats to six digits, a dash where there is nothing."""
    if value is None:
        return "—"
    return significant(float(value)) if isinstance(value, float | np.floating) else str(value)


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a table: raw values, and how they are shown."""

    label: str  #: the heading
    values: Sequence[Any] | NDArray[Any]  #: one per row, at full precision
    shown: Callable[[Any], str] = cell  #: value → text
    key: str = ""  #: name in `Table.rows`; the label, unless given
    text: bool = False  #: aligned to the left


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, under an optional title and above an optional note.

    >>> table = Table([Column("mode", [1, 2]), Column("T_k", [0.56, 0.18], key="threshold")])
    >>> print(table.text())
    mode   T_k
    ──────────
       1  0.56
       2  0.18
    >>> table.rows()
    [{'mode': 1, 'threshold': 0.56}, {'mode': 2, 'threshold': 0.18}]
    >>> print(table.markdown())
    | mode | T_k |
    |---:|---:|
    | 1 | 0.56 |
    | 2 | 0.18 |
    """

    columns: Sequence[Column]
    title: str = ""
    note: str = ""
    limit: int | None = None  #: how many rows are shown; `rows` has them all

    @property
    def header(self) -> list[str]:
        """The headings."""
        return [column.label for column in self.columns]

    @property
    def cells(self) -> list[list[str]]:
        """The rows that are shown, as texts."""
        shown = slice(self.limit)
        columns = [[column.shown(value) for value in column.values[shown]] for column in self.columns]
        return [list(row) for row in zip(*columns, strict=True)]

    @property
    def footer(self) -> str:
        """How many rows are not shown, and the note."""
        rows = range(len(self.columns[0].values))
        hidden = len(rows) - len(rows[: self.limit])
        return "\n".join(part for part in (f"… and {hidden} more" * (hidden > 0), self.note) if part)

    def text(self) -> str:
        """Return plain text: columns aligned to the right (texts to the left), a rule under the header."""
        lines = [self.header, *self.cells]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = [
            "  ".join(
                part.ljust(width) if column.text else part.rjust(width)
                for part, width, column in zip(line, widths, self.columns, strict=True)
            ).rstrip()
            for line in lines
        ]
        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([*[self.title] * bool(self.title), padded[0], rule, *padded[1:], *self.footer.splitlines()])

    def html(self) -> str:
        """Return an HTML table, every text escaped."""
        classes = [' class="text"' if column.text else "" for column in self.columns]
        head = "".join(f'<th scope="col"{c}>{escape(h)}</th>' for h, c in zip(self.header, classes, strict=True))
        body = "\n".join(
            f"<tr>{''.join(f'<td{c}>{escape(part)}</td>' for part, c in zip(row, classes, strict=True))}</tr>"
            for row in self.cells
        )
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        note = f"<p>{escape(self.footer)}</p>" if self.footer else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>{note}"

    def markdown(self) -> str:
        """Return a Markdown table."""
        rule = "".join(":---|" if column.text else "---:|" for column in self.columns)
        lines = ["| " + " | ".join(part.replace("|", "\\|") for part in row) + " |" for row in self.cells]
        table = "\n".join(["| " + " | ".join(self.header) + " |", f"|{rule}", *lines])
        return "\n\n".join(part for part in (f"**{self.title}**" if self.title else "", table, self.footer) if part)

    def rows(self) -> list[dict[str, Any]]:
        """Return one dictionary per row, of raw values."""
        keys = [column.key or column.label for column in self.columns]
        return [dict(zip(keys, row, strict=True)) for row in zip(*(c.values for c in self.columns), strict=True)]


Content = Iterator[str | Table]  # what a result yields


class Result:
    """What all results share: `summary()` and the HTML of notebooks, made of their `content`, and `to_dict()`.

    >>> class Square(Result):
    ...     json_fields = ("side", "area", "area.real")
    ...     side, area = 2.0, 4.0
    >>> Square().to_dict()
    {'side': 2.0, 'area': 4.0, 'real': 4.0}
    """

    json_fields: ClassVar[Sequence[str]] = ()  #: attributes in `to_dict`; "loss.beta" is the entry "beta"

    def content(self) -> Iterable[str | Table]:
        """Yield paragraphs and tables, in the order in which they are read."""
        yield repr(self)

    def summary(self) -> str:
        """Return everything in words and tables, as plain text."""
        return "\n\n".join(part.text() if isinstance(part, Table) else part for part in self.content() if part)

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        parts = (part for part in self.content() if part)
        return "\n".join(part.html() if isinstance(part, Table) else _paragraph(part) for part in parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as strict JSON."""
        return jsonable({name.rpartition(".")[2]: attrgetter(name)(self) for name in self.json_fields})


def _paragraph(text: str) -> str:
    return f"<p>{escape(text).replace(chr(10), '<br>')}</p>"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "mode"), counted(3, "mode")
    ('1 mode', '3 modes')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def numbered(first: int, count: int) -> str:
    """Return consecutive modes by their numbers.

    >>> numbered(3, 1), numbered(3, 2)
    ('3', '3–4')
    """
    return str(first) if count == 1 else f"{first}–{first + count - 1}"


def listed(modes: Sequence[int], noun: str = "") -> str:
    """Return modes (counted from 0) by their numbers, runs as ranges, after their noun if there is one.

    >>> listed([0, 2, 3, 4]), listed([1], "Mode"), listed([1, 2], "Mode")
    ('1, 3–5', 'Mode 2', 'Modes 2–3')
    """
    runs = np.split(np.asarray(modes, dtype=int), np.flatnonzero(np.diff(modes) != 1) + 1)
    numbers = ", ".join(numbered(run[0] + 1, len(run)) for run in runs if run.size)
    return f"{noun}{'s' * (len(modes) > 1)} {numbers}".strip() if noun else numbers


def in_words(size: float) -> str:
    """Return a number of bytes in words, to three digits.

    >>> in_words(123456789), in_words(5)
    ('123 MB', '5 B')
    """
    for unit, factor in (("EB", 1e18), ("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.3g} B"


REPORTED = 30.0  # seconds between two lines of progress where standard error is not a terminal


def progress_bar(total: float | None, label: str, show: bool, **options: Any) -> Any:
    """Return a tqdm progress bar on standard error, shown once the work has taken half a second.

    Where standard error is a file or a pipe, a line is written every 30 seconds instead. The time
    that has passed goes on while a single step takes long.
    """
    from tqdm import tqdm

    settings: dict[str, Any] = {"delay": 0.5, "leave": False}
    terminal = sys.stderr.isatty()
    if not terminal:
        done = "{n_fmt}" if total is None else "{percentage:.0f} %, {n_fmt} of {total_fmt}"
        left = "" if total is None else ", {remaining} left"
        settings = {"delay": REPORTED, "mininterval": REPORTED, "miniters": 1, "leave": True}
        settings["bar_format"] = f"{{desc}}: {done}{{unit}} after {{elapsed}}{left}\n"
    bar = tqdm(total=total, desc=label, disable=not show, **(options | settings))
    if show:
        Thread(target=_refreshed, args=(weakref.ref(bar), 1.0 if terminal else REPORTED), daemon=True).start()
    return bar


def _refreshed(alive: Callable[[], Any], every: float) -> None:
    """Write a progress bar again whenever nothing has been written for so many seconds, until it is closed or gone."""
    with suppress(Exception):  # standard error may be gone
        while True:
            time.sleep(min(every, 1.0))
            bar = alive()
            if bar is None or bar.disable:
                return
            if time.time() - bar.last_print_t >= every:
                bar.refresh()
                bar.last_print_t = time.time()
            del bar


def jsonable(value: Any) -> Any:
    """Return `value` as strict JSON: arrays as lists, NaN and ∞ as None, results by `to_dict`, dataclasses by fields.

    >>> jsonable({"beta": np.array([1.0, np.nan]), "modes": np.int64(3)})
    {'beta': [1.0, None], 'modes': 3}
    """
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Enum):
        return value.name
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return jsonable(vars(value)) if is_dataclass(value) else value
