"""A `Collected` as a file: counts, means and scatter (or rows, where they are fewer than columns), exact to the bit.

The file is an NPZ without pickled objects, with a version and a checksum; `landau_vae.Partial` is its public face.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.accumulate import Collected
from landau_vae.data.archive import Damaged, has_header, load_arrays, save_arrays
from landau_vae.data.moments import Moments
from landau_vae.errors import InputError

__all__ = ["is_partial", "load_partial", "save_partial"]

HEADER, VERSION = "landau_vae_partial", 1
ADVICE = "gather it again (landau-vae gather; Partial.save)"


def is_partial(path: str | Path) -> bool:
    """Whether a file says that it is a partial result."""
    return has_header(Path(path), HEADER)


def save_partial(path: str | Path, part: Collected, position: dict[str, Any] | None = None) -> Path:
    """Write a partial result; `position` says how far an interrupted reader has come."""
    path = Path(path)
    content: dict[str, Any] = {
        "version": VERSION,
        "count": part.count,
        "precision": part.precision,
        "names": part.names,
        "position": position,
    }
    arrays: dict[str, NDArray[Any]] = {}
    if part.moments is not None:
        state = part.moments.__getstate__()
        content["weight"] = state["weight"]
        arrays = {name: state[name] for name in ("mean", "scatter")}
        if state["_shift"] is not None:
            arrays["shift"] = state["_shift"]
    elif part.held:
        rows, weights = part.stacked()
        arrays = {"rows": rows} if weights is None else {"rows": rows, "weights": weights}
    return save_arrays(path, HEADER, content, arrays)


def load_partial(path: str | Path) -> tuple[Collected, dict[str, Any] | None]:
    """A partial result and its `position`; `InputError` for a file that is damaged, or that is none."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file {path}: name a file that gather or Partial.save wrote.")
    if not is_partial(path):
        raise InputError(
            f"{path.name} is no partial result, or is cut short: name a file that gather or Partial.save wrote."
        )
    try:
        content, arrays = load_arrays(path, HEADER)
    except Damaged as problem:
        raise InputError(f"{path.name} is damaged ({problem}): {ADVICE}.") from None
    if content.get("version") != VERSION:
        raise InputError(
            f"{path.name} has the format {content.get('version')}, but this version of landau-vae reads format "
            f"{VERSION}: update landau-vae, or {ADVICE}."
        )
    return _collected(content, arrays), content["position"]


def _collected(content: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Collected:
    part = Collected(None if content["names"] is None else tuple(content["names"]))
    part.precision = content["precision"]
    if "rows" in arrays:
        part.add(arrays["rows"], arrays.get("weights"), copy=False)
    elif "scatter" in arrays:
        part.moments = Moments(len(arrays["mean"]))
        known = {"count": content["count"], "weight": content["weight"], "precision": content["precision"]}
        shift = np.asarray(arrays["shift"]) if "shift" in arrays else None
        part.moments.__setstate__(known | {"mean": arrays["mean"], "scatter": arrays["scatter"], "_shift": shift})
        part.count, part.dimension = content["count"], len(arrays["mean"])
    return part
