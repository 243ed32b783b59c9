"""Which number of what a loss function returns is the loss: one alone, one under a key, or a weighted sum of terms.

A term that answers to x̂ and to the posterior is the whole loss. Where one answers to x̂ only and
another to the posterior only, the weight between them is not in the function: it is asked for.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

from landau_vae.errors import InputError

Weights = Mapping[str, float]

CLEAR = 5.0  # times what two calls with the same arrays differ by
_TOTAL = re.compile(r"(total|train|vae|full|overall)?(loss|objective|nelbo|negelbo)(total|vae)?")


def components(result: Any) -> dict[str, float]:
    """Return the numbers in what a function returns, by name; a number alone is "loss".

    >>> components((3.0, {"kl": 1.0}))
    {'0': 3.0, '1.kl': 1.0}
    """
    numbers = dict(_flat(result, ""))
    if not numbers:
        shape = getattr(result, "shape", None)
        kind = f"an array of shape {tuple(shape)}" if shape else f"a {type(result).__name__}"
        raise InputError(
            f"Your function returned {kind}, but the loss of a whole batch is expected as one number (or in a tuple, "
            "or under the key 'loss'): reduce it as the training loop does.",
            "function",
        )
    return {name or "loss": value for name, value in numbers.items()}


def _flat(result: Any, name: str) -> Any:
    """Yield (name, number) of all numbers in a result."""
    number = _number(result)
    prefix = f"{name}." if name else ""
    if number is not None:
        yield name, number
    elif isinstance(result, Mapping):
        for key, part in result.items():
            yield from _flat(part, f"{prefix}{key}")
    elif isinstance(result, tuple | list):
        for i, part in enumerate(result):
            yield from _flat(part, f"{prefix}{getattr(result, '_fields', range(len(result)))[i]}")
    elif not hasattr(result, "dtype") and hasattr(result, "__dict__"):
        yield from _flat(vars(result), name)


def _number(value: Any) -> float | None:
    """Return an array of one entry, or a number, as a float."""
    if isinstance(value, str | bytes | bool | complex) or "complex" in str(getattr(value, "dtype", "")):
        return None
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError, AttributeError):
        return None


def total(
    base: Weights, by_x_hat: Weights, by_posterior: Weights, chance: Weights, beta: float | None
) -> dict[str, float] | InputError:
    """Return the weights of the numbers that make the loss, from their values at rest and after moves; or why not."""
    base = {name: value for name, value in base.items() if isfinite(value)}

    def changed(name: str, moved: Weights) -> bool:
        return abs(moved[name] - base[name]) > CLEAR * chance.get(name, 0.0)

    named = [name for name in base if _TOTAL.fullmatch(re.sub(r"[\W_\d]", "", name.lower()))]
    if named or len(base) == 1:
        return {(named or list(base))[0]: 1.0}
    error = [name for name in base if changed(name, by_x_hat)]
    rate = [name for name in base if changed(name, by_posterior)]
    both = [name for name in error if name in rate and by_x_hat[name] > base[name]]
    if both:
        return {both[0]: 1.0}
    if not error or not rate:
        return {next(iter(base)): 1.0}
    terms = f"{_words(error)} with the reconstruction only and {_words(rate)} with the posterior only"
    if len(error) > 1 or len(rate) > 1:
        return InputError(
            f"Your function returns several terms apart: {terms} change. Return their weighted sum, as training "
            "minimises it.",
            "function",
        )
    if beta is None:
        return InputError(
            f"Your function returns its terms apart: {terms} changes. The weight between them is not in it: give "
            "beta=…, what the KL is multiplied by in training.",
            "beta",
        )
    return {error[0]: 1.0, rate[0]: beta}


def _words(names: list[str]) -> str:
    return " and ".join(f"number {int(name) + 1}" if name.isdigit() else name for name in names)
