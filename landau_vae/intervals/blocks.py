"""Which rows hang together? Labels of blocks, of any kind, become numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.errors import InputError

__all__ = ["as_blocks"]


def as_blocks(blocks: Any, rows: int, weights: Array | None) -> NDArray[np.int64]:
    """Labels (rows,) of any kind as numbers from 0 on; at least two blocks have weight.

    >>> as_blocks(["may", "june", "may", "june"], 4, None).tolist()
    [1, 0, 1, 0]
    """
    labels = np.asarray(blocks)
    if labels.shape != (rows,):
        raise InputError(f"The blocks have shape {labels.shape}, but one label per row is expected: ({rows},).")
    if any(label is None or label != label for label in labels.tolist()):
        raise InputError("Some rows have no block (a missing label), but every row needs one: label or drop those.")
    if labels.dtype.kind == "O":
        labels = labels.astype(str)
    number = np.unique(labels, return_inverse=True)[1].reshape(rows)
    present = np.unique(number if weights is None else number[weights > 0])
    if len(present) < 2:
        raise InputError(
            "All rows are in one block, and one block has no spread to tell errors by: give at least two blocks, "
            "or leave blocks out where rows are independent."
        )
    return np.asarray(number, dtype=np.int64)
