"""What is done column by column: choosing them, and the spread that each is divided by."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.accumulate import Collected
from landau_vae.display import Array
from landau_vae.errors import InputError

__all__ = ["choose", "constant", "deviations", "select"]

Names = tuple[str, ...] | None


def choose(
    names: tuple[str, ...], columns: Sequence[str] | None, exclude: Sequence[str], weights: str | None = None
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
    return keep


def select(part: Collected, columns: str | Sequence[str] | None, exclude: str | Sequence[str]) -> Collected:
    """What was collected, of some of its columns, by their names, or by their index where they have none."""
    if columns is None and not exclude:
        return part
    names = part.names or tuple(map(str, range(part.dimension or 0)))
    columns = (columns,) if isinstance(columns, str) else columns
    return part.select(choose(names, columns, (exclude,) if isinstance(exclude, str) else exclude))


def constant(variance: Array, mean: Array, precision: float) -> NDArray[np.bool_]:
    """Columns whose spread is within the rounding of their own mean."""
    return variance <= (4 * precision * mean) ** 2


def deviations(variance: Array, mean: Array, precision: float, names: Names) -> Array:
    """Standard deviations (d,); `InputError` if one of them is zero."""
    stuck = np.flatnonzero(constant(variance, mean, precision))
    if stuck.size:
        shown = ", ".join(repr(names[i]) if names else str(i) for i in stuck[:5])
        subject = f"Column {shown} is" if stuck.size == 1 else f"{stuck.size} columns ({shown}…) are"
        raise InputError(
            f"{subject} constant and cannot be standardised: leave constant columns out (--exclude), "
            "or do not standardise."
        )
    return np.sqrt(variance)
