"""What all result objects share: read-only arrays, plain-text tables, JSON.

A result is a frozen dataclass; `readonly` seals its arrays, `table` lays out its `summary()`,
`jsonable` makes its `to_dict()` printable as strict JSON (no NaN, no infinity: `null` instead).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating[Any]]

__all__ = ["Array", "jsonable", "listed", "numbered", "readonly", "significant", "table"]


def readonly(values: ArrayLike, dtype: Any = np.float64) -> NDArray[Any]:
    """A sealed copy-free view of `values` as an array."""
    array = np.asarray(values, dtype=dtype).view()
    array.flags.writeable = False
    return array


def significant(value: float, digits: int = 6) -> str:
    """`value` to a number of significant digits, as papers print it.

    >>> significant(0.0596682), significant(9.89754e-06, 3), significant(float("nan"))
    ('0.0596682', '9.9e-06', '—')
    """
    return "—" if math.isnan(value) else f"{value:.{digits}g}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, text: Sequence[int] = ()) -> str:
    """Columns aligned to the right (those of `text` to the left), a rule under the header.

    >>> print(table(["mode", "T_k"], [["1", "0.56"], ["2", "0.18"]]))
    mode   T_k
    ──────────
       1  0.56
       2  0.18
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(w) if i in text else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    ]
    lines = [line.rstrip() for line in lines]
    return "\n".join([lines[0], "─" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])


def numbered(first: int, count: int) -> str:
    """Consecutive modes by their numbers.

    >>> numbered(3, 1), numbered(3, 2)
    ('3', '3–4')
    """
    return str(first) if count == 1 else f"{first}–{first + count - 1}"


def listed(modes: Sequence[int]) -> str:
    """Modes (counted from 0) by their numbers, runs as ranges.

    >>> listed([0, 2, 3, 4])
    '1, 3–5'
    """
    runs: list[list[int]] = []
    for k in modes:
        if runs and runs[-1][-1] == k - 1:
            runs[-1].append(k)
        else:
            runs.append([k])
    return ", ".join(numbered(run[0] + 1, len(run)) for run in runs)


def jsonable(value: Any) -> Any:
    """`value` with arrays as lists and every non-finite number as None.

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
    return value
