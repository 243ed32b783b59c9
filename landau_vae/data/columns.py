"""What is done column by column: choosing them, and the spread that each is divided by."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.accumulate import Collected
from landau_vae.display import Array, significant
from landau_vae.errors import InputError

__all__ = ["at_mean", "choose", "constant", "deviations", "select"]

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


def at_mean(variance: Array, mean: Array, likelihood: Any, names: Names) -> Array:
    """√F: the standard deviation that the likelihood has at the mean, (d,)."""
    if likelihood not in ("bernoulli", "poisson"):
        raise InputError(f"The likelihood is {likelihood!r}, but gaussian, bernoulli or poisson is expected.")
    # A Bernoulli variable has ⟨x²⟩ ≤ ⟨x⟩; what is negative somewhere is found out by its mean at the latest.
    top = np.inf if likelihood == "poisson" else 1.0
    outside = (mean < 0) | (mean > top)
    if likelihood == "bernoulli":
        outside |= variance > mean * (1 - mean) + 1e-9
    if np.any(outside):
        column = int(np.argmax(outside))
        told = "from 0 to 1" if likelihood == "bernoulli" else "counts, from 0 on"
        raise InputError(
            f"Data for a {likelihood} decoder are {told}, but column {names[column] if names else column} is not "
            f"(mean {significant(mean[column])}, variance {significant(variance[column])}): rescale them, or "
            "take a Gaussian loss."
        )
    spread = mean * (1 - mean) if likelihood == "bernoulli" else mean
    if not np.all(spread > 0):
        stuck = np.flatnonzero(spread <= 0)
        shown = ", ".join(repr(names[i]) if names else str(i) for i in stuck[:5])
        raise InputError(
            f"{stuck.size} column{'s are' if stuck.size > 1 else ' is'} {significant(mean[stuck[0]])} throughout "
            f"({shown}{', …' if stuck.size > 5 else ''}), where a {likelihood} decoder has no variance: leave constant "
            "columns out (X[:, X.std(axis=0) > 0]; --exclude)."
        )
    return np.sqrt(spread)
