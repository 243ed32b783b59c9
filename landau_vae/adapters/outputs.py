"""What an encoder returns → where its mean and its spread lie, and what the spread is.

A pair (mean, spread), with the sample z before or after it; one array of 2K columns or channels;
a mapping or an object with these by name; a distribution, alone or among other outputs. Arrays
are those of the framework: nothing is copied.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from landau_vae.errors import InputError
from landau_vae.loss.calling import SPREADS, is_array, role_of
from landau_vae.loss.sampler import PLAIN, Sampler

Spread = Literal["log_variance", "variance", "std", "log_std"]
View = Callable[[Any], Any]

NAMES = {"embedding": "mean", "log_covariance": "log_variance"}  # of pythae
OF_DISTRIBUTIONS = ("logvar", "variance", "var", "stddev", "std", "scale")
IMAGES = (4, 5)  # numbers of axes at which the second one counts channels


@dataclass(frozen=True)
class Code:
    """The posterior of one batch: its mean is a view of the array that the encoder returned."""

    source: Any  #: the array that holds the mean
    view: View  #: the mean within it
    spread: Any  #: the other array, of the shape of the mean
    kind: Spread  #: what it is


def channels(array: Any) -> int:
    """Return the axis that counts latents."""
    return 1 if array.ndim in IMAGES else array.ndim - 1


def cut(array: Any, start: int | None, stop: int | None) -> Any:
    """Return some of the latents of an array."""
    return array[(slice(None),) * channels(array) + (slice(start, stop),)]


def read(output: Any, spread: Spread) -> Code:
    """Return the code in what an encoder returned; `spread` says what a second array without a name is."""
    code = _code(output, spread, 2)
    if code is None:
        raise InputError(
            f"The encoder returned {in_words(output)}, in which no mean and spread are found: it should return "
            "(mean, log_variance), a distribution, or one tensor with both."
        )
    return code


def _code(output: Any, spread: Spread, depth: int) -> Code | None:
    if is_array(output):
        return _halves(output, spread)
    if isinstance(output, Mapping):
        return _named(dict(output), spread, depth)
    if isinstance(output, tuple | list):
        return _listed(output, spread, depth)
    if is_array(mean := getattr(output, "mean", None)):
        return _named({"mean": mean, **{name: getattr(output, name, None) for name in OF_DISTRIBUTIONS}}, spread, 0)
    return _named(getattr(output, "__dict__", {}), spread, depth)


def _halves(array: Any, spread: Spread) -> Code | None:
    """Return the code of one array, mean first."""
    count = array.shape[channels(array)]
    if count % 2:
        return None
    return Code(array, lambda whole: cut(whole, None, count // 2), cut(array, count // 2, None), spread)


def _named(parts: Mapping[str, Any], spread: Spread, depth: int) -> Code | None:
    """Return the code of arrays with names, else that of the first part that has one of its own."""
    roles: dict[Any, Any] = {}
    for name, part in parts.items():
        if is_array(part):
            roles.setdefault(NAMES.get(str(name)) or role_of(str(name)), part)
    kind = next((each for each in SPREADS if each in roles), None)
    if "mean" in roles and kind is not None:
        return _pair(roles["mean"], roles[kind], kind)  # type: ignore[arg-type]
    inner = (_code(part, spread, depth - 1) for part in parts.values() if depth and not is_array(part))
    return next((code for code in inner if code is not None), None)


def _listed(parts: Any, spread: Spread, depth: int) -> Code | None:
    arrays = [part for part in parts if is_array(part)]
    if parts and not is_array(parts[0]):
        inner = (_code(part, spread, depth - 1) for part in parts if depth and not is_array(part))
        return next((code for code in inner if code is not None), None)
    if len(arrays) == 1:
        return _halves(arrays[0], spread)
    if len(arrays) > 2 and len({each.shape for each in arrays[:3]}) == 1 and _sample_first(arrays, spread):
        arrays = arrays[1:]
    return _pair(arrays[0], arrays[1], spread) if len(arrays) > 1 else None


def _pair(mean: Any, spread: Any, kind: Spread) -> Code | None:
    """Return the code of two arrays; a spread that rows or latents share is repeated."""
    sizes = [1] * (mean.ndim - spread.ndim) + list(spread.shape)
    if len(sizes) != mean.ndim or any(size not in (1, own) for size, own in zip(sizes, mean.shape, strict=True)):
        return None
    return Code(mean, _same, spread if spread.shape == mean.shape else spread + mean * 0, kind)


def _same(array: Any) -> Any:
    return array


def log_variance(spread: Any, kind: Spread) -> Any:
    """Return ln σ² as the framework computes it."""
    if kind in ("variance", "std"):
        spread = _of("log", spread)
    return 2 * spread if kind in ("std", "log_std") else spread


def noise(z: Any, mean: Any, log_var: Any, sampler: Sampler = PLAIN) -> Any:
    """Return ε of z = μ + √N ε: by the usual sampler N = σ²."""
    return (z - mean) * _of("exp", -0.5 * sampler.power * log_var) / sampler.noise_scale


def _of(function: str, array: Any) -> Any:
    """Return a function of an array by the array's own library."""
    return getattr(array, function)() if hasattr(array, function) else getattr(np, function)(array)


def off(noise: Any) -> float:
    """Return how far the mean square of ε is from 1, as a factor: 0 or more."""
    square = float((noise * noise).mean())
    return max(square, 1 / square) - 1 if 0 < square < float("inf") else float("inf")


def _sample_first(arrays: list[Any], spread: Spread) -> bool:
    """Return whether three arrays are (z, mean, spread) rather than (mean, spread, z)."""
    first, second, third = arrays[:3]
    last = noise(third, first, log_variance(second, spread))
    return off(noise(first, second, log_variance(third, spread))) < off(last)


def in_words(value: Any) -> str:
    """Return what a value is, for a message."""
    if is_array(value):
        return f"an array of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return "a mapping of " + ", ".join(f"{name!r}: {in_words(part)}" for name, part in list(value.items())[:4])
    if isinstance(value, tuple | list):
        return "a list of " + ", ".join(map(in_words, value[:4]))
    return f"a {type(value).__name__}"
