"""What a decoder is given beside z, taken out of the data: what is left for the latents of a linear model.

A linear conditional VAE has the spectrum of the rows less their regression on the
condition (`spectrum.conditional`). Labels enter by one column each, so that means of
groups are taken out exactly. What a network takes from a condition in any other way is
not taken out: its latents may have less to encode than this spectrum says. Source: this
package.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import shown
from landau_vae.data.convert import plain
from landau_vae.display import Array
from landau_vae.errors import InputError, reason

LABELS = 1000  # different ones, at most


def rest_of(x: Array, given: Any) -> Array:
    """Return rows less what a linear regression on the condition explains, about their mean, (n, d).

    Parameters
    ----------
    x : (n, d) array
        Rows of the data.
    given : (n, …) array or DataFrame
        The condition of each row: numbers, or labels (whole numbers or texts).

    Returns
    -------
    (n, d) array

    Examples
    --------
    >>> rest_of(np.array([[1.0], [3.0], [11.0], [13.0]]), np.array(["a", "a", "b", "b"])).ravel().round(9).tolist()
    [6.0, 8.0, 6.0, 8.0]
    """
    values = as_condition(given, len(x))
    columns = [_columns(each) for each in values.T]
    design = np.hstack([np.ones((len(x), 1)), *columns])
    explained = design @ np.linalg.lstsq(design, x, rcond=None)[0]
    return x - explained + x.mean(axis=0)


def as_condition(given: Any, rows: int) -> NDArray[Any]:
    """Return a condition as an array with one row for each row of the data, (n, c)."""
    try:
        values = plain(given)
    except Exception as problem:  # of any library
        raise InputError(
            f"given cannot be read ({reason(problem)}): give an array with one entry for each row.", "given"
        ) from None
    if values.ndim == 0 or len(values) != rows or values.dtype.kind not in "fiubUSO":
        found = f"has shape {values.shape}" if values.ndim else f"is {shown(given)}"
        raise InputError(f"given {found}, but one entry for each of {rows} rows is expected.", "given")
    return values.reshape(rows, -1)


def _columns(values: Any) -> Array:
    """Return numbers as they are, and labels as one column of zeros and ones each, (n, c)."""
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise InputError("given has entries that are NaN or infinite: drop those rows.", "given")
        return np.asarray(values[:, None], dtype=np.float64)
    labels, place = np.unique(values.astype(str) if values.dtype.kind == "O" else values, return_inverse=True)
    if len(labels) > LABELS:
        found = f"given has {len(labels)} different labels"
        raise InputError(f"{found}, more than {LABELS}: if they are numbers, give them as floats.", "given")
    return np.eye(len(labels))[place]
