"""`--dataset NAME` in place of a file: which columns are meant, and the table that they make."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from landau_vae.data.read_file import Table
from landau_vae.datasets import Dataset, load
from landau_vae.errors import InputError

__all__ = ["TARGET", "expanded", "public_set", "table_of"]

TARGET = "target"  # stands for all columns of a data set's target


def public_set(name: str, columns: list[str], exclude: list[str], of_files: dict[str, Any]) -> Dataset:
    """The data set, with the features that are asked for; options that say how to read a file have no place."""
    if idle := [option for option, value in of_files.items() if value]:
        raise InputError(f"--{idle[0]} says how to read a file, and --dataset needs no such thing: leave one out.")
    return load(name).select(columns or None, exclude)


def expanded(dataset: Dataset, names: Sequence[str], *, condition: bool) -> tuple[str, ...]:
    """The columns of `--given` or `--target`, with all of the data set's target for the word `target`."""
    if names and dataset.covariance:
        raise InputError(
            f"Of {dataset.name} only a covariance is known, but conditions and targets need samples: take another set."
        )
    if TARGET not in names:
        return tuple(names)
    _, own = dataset.condition
    rest = [name for name in names if name != TARGET]
    return (*rest, *(own if condition else dataset.target_names))


def table_of(dataset: Dataset, named: Sequence[str]) -> Table:
    """Its features, and of its target the columns that are named."""
    kept = [column for column, name in enumerate(dataset.target_names) if name in named]
    if dataset.target is None or not kept:
        return Table(names=dataset.names, array=dataset.table)
    names = (*dataset.names, *(dataset.target_names[column] for column in kept))
    return Table(names=names, array=np.concatenate([dataset.table, dataset.target[:, kept]], axis=1))
