"""What the functions of this package are given, as finite tables of one length, numbers of latents, and functions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import numbers, shown
from landau_vae.data.convert import as_rows
from landau_vae.display import Array
from landau_vae.errors import InputError, described


def table(values: Any, name: str, mean: Array | None = None, axes: int = 2) -> Array:
    """Return a finite table of whatever library, as long as the mean, and as wide if two axes are compared."""
    rows = None if mean is None else len(mean)
    array = numbers(as_rows(values, name, rows=rows, ordered=True)[0], name, finite=True)
    if mean is not None and array.shape[:axes] != mean.shape[:axes]:
        found = f"{name} has shape {array.shape}, which does not fit mean, of shape {mean.shape}"
        raise InputError(f"{found}: give both of the same rows{' and latents' * (axes == 2)}.", name)
    return array


def codes(mean: Any, deviation: Any) -> tuple[Array, Array]:
    """Return μ and σ as tables of one shape, (n, K)."""
    mean = table(mean, "mean")
    deviation = table(deviation, "deviation", mean)
    if (least := deviation.min()) < 0:
        found = f"The least deviation is {least:.3g}, but σ is not negative"
        raise InputError(f"{found}: give np.exp(log_variance / 2).", "deviation")
    return mean, deviation


def chosen(values: Any, name: str, latents: int, fewest: int = 0) -> NDArray[np.intp]:
    """Return numbers of different latents as an array (a,)."""
    array = np.atleast_1d(numbers(values, name))
    fits = np.asarray(values).dtype != bool and array.ndim == 1 and array.size >= fewest
    if not fits or not np.isin(array, np.arange(latents)).all() or len(np.unique(array)) < array.size:
        count = f"at least {fewest} of the" if fewest else "some of the"
        raise InputError(f"{name} is {shown(values)}, but {count} numbers 0 to {latents - 1} are expected.", name)
    return array.astype(np.intp)


def returning(function: Callable[[Array], Any], name: str, shape: tuple[int, ...]) -> Callable[[Array], Array]:
    """Return a function of latents that is sure to return finite numbers of this shape."""

    def called(z: Array) -> Array:
        try:
            values = function(z)
        except InputError:
            raise
        except Exception as problem:  # anything: it is the user's code
            sentence = f"{name} raised {described(problem)}: it is called with latents, rows × K."
            raise InputError(sentence, name) from problem
        return numbers(values, name, shape=shape, finite=True)

    return called
