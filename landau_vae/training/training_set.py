"""What a user gives to train on → a `TrainingSet`: a `Spectrum` as it is, or a table, standardised and split if asked.

Rows go into the parts by one fixed permutation, the same for all seeds, and keep their order within a part. Mean and
scale are the training part's own: nothing of what is held out reaches training.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.moments import Moments
from landau_vae.data.tables import as_numbers, as_table, as_weights, nonfinite_problem, row_blocks
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.memory import in_words
from landau_vae.training.trainer import TrainingSet

__all__ = ["PARTS", "training_set"]

PARTS = ("training", "validation", "test")
PERMUTATION = 0  # seed of the permutation that splits

Part = tuple[NDArray[Any], Array | None]  # rows and their weights


def training_set(
    source: Any,
    *,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    splits: Sequence[float] | None = None,
    keep_rows: bool = True,
    limit: float = np.inf,
) -> TrainingSet:
    """Everything that is trained on and held out; `limit` is in bytes, and held against what has to be copied.

    Raises `InputError` for rows that a spectrum does not have, for shares that are none, and for too little memory.

    >>> data = training_set([[0, 1], [2, 0], [4, 5], [6, 2]], splits=(0.5, 0.25, 0.25))
    >>> data.spectrum.samples, {name: part.shape for name, part in data.held_out.items()}
    (2, {'validation': (1, 2), 'test': (1, 2)})
    """
    if isinstance(source, Spectrum):
        given = {"standardize": standardize, "weights": weights is not None, "splits": splits is not None}
        if any(given.values()):
            words = " and ".join(name for name, is_given in given.items() if is_given)
            raise InputError(
                f"A Spectrum has no rows for {words} to act on: give the table of data itself, or leave that out."
            )
        return TrainingSet(source)
    table, names = as_table(source)
    weight = None if weights is None else as_weights(weights, len(table))
    _check_room(table, splits is not None, keep_rows, standardize, limit)
    parts = {"training": (table, weight)} if splits is None else _split(table, weight, splits, names)
    rows, own = parts.pop("training")
    spectrum = Spectrum.from_data(rows, standardize=standardize, weights=own, names=names)
    if not keep_rows and not parts:
        return TrainingSet(spectrum)
    assert spectrum.mean is not None
    mean, scale, wide = spectrum.mean, spectrum.scale if standardize else None, spectrum.matrix is None
    return TrainingSet(
        spectrum,
        _rows(rows, mean, scale) if keep_rows else None,
        None if own is None or not keep_rows else readonly(own),
        {name: _rows(part, mean, scale) for name, (part, _) in parts.items() if keep_rows},
        {name: readonly(w) for name, (_, w) in parts.items() if w is not None and keep_rows},
        {name: _covariance(part, mean, scale) for name, part in parts.items() if not wide},
    )


def _split(
    table: NDArray[Any], weight: Array | None, splits: Sequence[float], names: tuple[str, ...] | None
) -> dict[str, Part]:
    """Training, validation and test part; a part whose share is 0 is left out."""
    shares = as_numbers(splits, "The splits")
    if shares.shape != (3,) or not np.all(shares >= 0) or not shares[0] > 0 or abs(shares.sum() - 1) > 1e-9:
        raise InputError(
            f"The splits are {splits!r}, but three shares that add up to 1 are expected, for training, validation and "
            "test: splits=(0.8, 0.1, 0.1)."
        )
    held = [round(len(table) * share) for share in shares[1:]]
    counts = dict(zip(PARTS, [len(table) - sum(held), *held], strict=True))
    for share, (name, count) in zip(shares, counts.items(), strict=True):
        if share > 0 and count < (2 if name == "training" else 1):
            raise InputError(
                f"A share of {share:g} of {len(table)} rows leaves {max(count, 0)} for the {name} part, and that is "
                "too few: give more rows, or other splits."
            )
    if not all(np.isfinite(block).all() for block in row_blocks(table)):
        raise nonfinite_problem(row_blocks(table), names)  # here, where rows still have the user's own numbers
    order, first, parts = np.random.default_rng(PERMUTATION).permutation(len(table)), 0, {}
    for name, count in counts.items():
        members = np.sort(order[first : first + count])
        if count:
            if weight is not None and not weight[members].any():
                raise InputError(f"The weights of all {name} rows are zero: give other splits or other weights.")
            parts[name] = (table[members], None if weight is None else weight[members])
        first += count
    return parts


def _rows(part: NDArray[Any], mean: Array, scale: Array | None) -> Array:
    """As float64 on the scale of the training part; the array itself where that is nothing to do."""
    if scale is not None:
        scaled = np.subtract(part, mean, dtype=np.float64)
        scaled /= scale
        return readonly(scaled)
    rows = np.asarray(part, dtype=np.float64)
    return readonly(rows if rows.flags.forc else np.ascontiguousarray(rows))  # strides as another process will see them


def _covariance(part: Part, mean: Array, scale: Array | None) -> Array:
    rows, weight = part
    moments, first = Moments(rows.shape[1]), 0
    for block in row_blocks(rows):
        moments.add(block, None if weight is None else weight[first : first + len(block)])
        first += len(block)
    step = moments.mean - mean
    second = moments.covariance + np.outer(step, step)
    return readonly(second if scale is None else second / np.outer(scale, scale))


def _check_room(table: NDArray[Any], split: bool, keep_rows: bool, standardize: bool, limit: float) -> None:
    """Before anything is copied: whether the copies fit."""
    as_they_are = table.dtype == np.float64 and not standardize and table.flags.forc
    copies: Mapping[str, int] = {
        "split": table.nbytes if split else 0,
        "rows": 8 * table.size if keep_rows and not as_they_are else 0,
    }
    if sum(copies.values()) > limit:
        raise InputError(
            f"To split, scale or convert the {len(table)} rows takes {in_words(sum(copies.values()))}, but "
            f"{in_words(limit)} may be used: give fewer rows, or float64 rows that are standardised already."
        )
