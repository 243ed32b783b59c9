"""The folder of a spectroscopy: each finished training is a file in it, its observables and the state it left.

`spectroscopy.json` says what was trained, `fit-….npz` hold one training each. A file counts only
if it is whole and has what `fit` is measured by.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landau_vae.checks import numbers
from landau_vae.data.archive import Damaged, held, load_arrays, replace_file, save_arrays
from landau_vae.data.door import to_read
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.training.schema import OBSERVABLES, RECONSTRUCTIONS

STAIRCASE = "staircase"
HEADER = "landau_vae_fit"
MEASURED = (
    "signal_fraction", "rate", "mean_square", "posterior_variance", "pruned_distortion", "distortion", "price",
    "status",
)  # fmt: skip
ONSETS = ("next_onset", "next_onset_error")  # of staircases
OTHER = {"data": "other data", "loss": "another loss", "start": "another start", "betas": "other betas"}


def detached(values: Any) -> Any:
    """Return an array of any framework as one that NumPy can read."""
    detached = values.detach() if hasattr(values, "detach") else values
    return detached.cpu() if hasattr(detached, "cpu") else detached


def _packed(state: Any, arrays: dict[str, Array]) -> Any:
    """Return nested dictionaries, lists and tuples as JSON; the arrays in them are put into `arrays`."""
    if state is None:
        return None
    if type(state) in (list, tuple):
        return [type(state).__name__, None, [_packed(each, arrays) for each in state]]
    if isinstance(state, Mapping) and all(type(key) in (str, int) for key in state):
        return ["dict", list(state), [_packed(each, arrays) for each in state.values()]]
    floats = numbers(repr(state) if isinstance(state, tuple) else detached(state), "state of fit for the folder")
    array = np.asarray(detached(state))
    arrays[name := f"state {len(arrays)}"] = array if array.dtype.kind in "fiub" else floats
    return name


def _unpacked(packed: Any, arrays: dict[str, Array]) -> Any:
    """Return the state that `_packed` has packed."""
    if packed is None or isinstance(packed, str):
        return packed and arrays[packed]
    kind, keys, parts = packed
    inside = [_unpacked(each, arrays) for each in parts]
    return dict(zip(keys, inside, strict=True)) if kind == "dict" else tuple(inside) if kind == "tuple" else inside


def _is_packed(packed: Any, arrays: dict[str, Array]) -> bool:
    """Return whether `_packed` can have made this, with these arrays."""
    if packed is None or isinstance(packed, str):
        return packed is None or packed in arrays
    if not isinstance(packed, list) or len(packed) != 3 or not isinstance(packed[2], list):
        return False
    kind, keys, parts = packed
    labelled = kind == "dict" and isinstance(keys, list) and len(keys) == len(parts)
    labelled = labelled and all(isinstance(key, str | int) for key in keys)
    return (labelled or kind in ("list", "tuple")) and all(_is_packed(each, arrays) for each in parts)


def _are_measured(observables: dict[str, Array], names: Sequence[str]) -> bool:
    """Return whether these are the observables of a model, each of its shape."""
    latents = observables.get("signal_fraction", np.empty(0)).size
    sizes = {"latent": latents, "reconstruction": len(RECONSTRUCTIONS), "rank": latents + 1}
    shapes = {name: tuple(sizes[dim] for dim in OBSERVABLES[name].dims) for name in names}
    real = all(each.dtype.kind in "fi" for each in observables.values())
    return latents > 0 and real and {name: each.shape for name, each in observables.items()} == shapes


@dataclass(frozen=True)
class Folder:
    """Finished trainings on the disk, one file each."""

    path: Path
    names: tuple[str, ...]  #: of the observables of each

    def _file(self, beta: float, seed: int) -> Path:
        return self.path / f"fit-{seed}-{beta.hex()}.npz"

    def read(self, beta: float, seed: int) -> tuple[dict[str, Array], Any] | None:
        """Return observables and state of a training; None where it is not finished or damaged."""
        try:
            content, arrays = load_arrays(self._file(beta, seed), HEADER)
        except Damaged:
            return None
        observables = {name: each for name, each in arrays.items() if not name.startswith("state ")}
        if not _are_measured(observables, self.names) or not _is_packed(state := content.get("state"), arrays):
            return None
        return observables, _unpacked(state, arrays)

    def write(self, beta: float, seed: int, observables: dict[str, Array], state: Any) -> Any:
        """Keep a training and return its state as `read` will."""
        arrays: dict[str, Array] = {}
        packed = _packed(state, arrays)
        save_arrays(self._file(beta, seed), HEADER, {"state": packed}, observables | arrays)
        return _unpacked(packed, arrays)


@contextmanager
def opened(path: Path, identity: dict[str, Any]) -> Iterator[Folder]:
    """Yield the folder of these trainings, made if need be, locked for as long as it is open."""
    known = path / "spectroscopy.json"
    with held(path, "spectroscopy.lock"):
        if not any(path.glob("fit-*.npz")):
            replace_file(known, lambda partial: partial.write_text(json.dumps(identity), encoding="utf-8"))
        stored = _stored(known)
        if other := [words for name, words in OTHER.items() if stored.get(name) != identity[name]]:
            raise InputError(f"{path} holds trainings with {' and '.join(other)}: name another folder.")
        yield Folder(path, MEASURED + ONSETS * (identity["betas"] == STAIRCASE))


def _stored(known: Path) -> dict[str, Any]:
    """Return of what a folder says that its trainings are."""
    try:
        return dict(json.loads(to_read(known).read_text(encoding="utf-8")).items())
    except (OSError, ValueError, AttributeError, RecursionError):
        raise InputError(f"{known} cannot be read, and tells what was trained: name another folder.") from None
