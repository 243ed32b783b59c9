"""Tables to train on: public sets, and populations whose structure is known. `table(name, seed)`.

A name may carry numbers: "ring:5" lies in 5 dimensions.
"""

import os
from collections.abc import Callable
from functools import cache

import numpy as np

import landau_vae as lv

Labelled = tuple[np.ndarray, np.ndarray | None]  # rows (n, d); labels (n, classes), one 1 in a row

VARIANCES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.1)  # of six independent factors
FACTORS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "gauss": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "gamma": lambda rng, shape: (rng.gamma(4, size=shape) - 4) / 2,
    "laplace": lambda rng, shape: rng.laplace(size=shape) / np.sqrt(2),
    "student": lambda rng, shape: rng.standard_t(5, size=shape) * np.sqrt(3 / 5),
}


@cache
def table(name: str, seed: int) -> Labelled:
    """Return the rows and labels of a data set."""
    kind, _, number = name.partition(":")
    rng = np.random.default_rng([seed, 7])
    if kind in FACTORS:
        return _factors(rng, kind, int(number or 2000)), None
    if kind in MADE:
        return MADE[kind](rng, int(number or 0))
    kind, _, form = kind.partition("-")
    data = lv.datasets.load(kind)
    rows, labels = np.array(data.table), data.target
    if data.standardize:
        rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    if form:
        rows = np.rint(4 * rows) if form == "counts" else (rows > 0.5).astype(float)
        rows = rows if form == "bits+constant" else rows[:, rows.std(axis=0) > 0]
    return rows, None if labels is None else labels.astype(float)


def _factors(rng: np.random.Generator, kind: str, n: int) -> np.ndarray:
    """Return independent factors of one kind, turned."""
    turn = np.linalg.qr(rng.standard_normal((len(VARIANCES),) * 2))[0]
    return FACTORS[kind](rng, (n, len(VARIANCES))) * np.sqrt(VARIANCES) @ turn


def _ring(rng: np.random.Generator, d: int) -> Labelled:
    """Return a circle with noise in d dimensions."""
    angle = rng.uniform(0, 2 * np.pi, 2000)
    plane = np.linalg.qr(rng.standard_normal((d, 2)))[0]
    return np.column_stack([np.cos(angle), np.sin(angle)]) @ plane.T + 0.1 * rng.standard_normal((2000, d)), None


def _clusters(rng: np.random.Generator, n: int) -> Labelled:
    """Return twelve groups in 30 dimensions: an isotropic frame of rank 11, times 3, and noise."""
    left, _, right = np.linalg.svd((corners := rng.normal(size=(12, 30))) - corners.mean(axis=0), full_matrices=False)
    group = rng.integers(12, size=n or 3000)
    rows = (3 * left[:, :11] @ right[:11])[group] + 0.05 * rng.normal(size=(len(group), 30))
    return rows, np.eye(12)[group]


def _walk(rng: np.random.Generator, steps: int) -> Labelled:
    """Return sequences: a persistent process about a level of its own."""
    noise, rows = rng.standard_normal((2000, steps)), np.zeros((2000, steps))
    rows[:, 0] = noise[:, 0]
    for t in range(1, steps):
        rows[:, t] = 0.8 * rows[:, t - 1] + 0.6 * noise[:, t]
    return rows + rng.standard_normal((2000, 1)), None


def _worldclim(rng: np.random.Generator, n: int) -> Labelled:
    """Return cells of WorldClim, standardised."""
    cells = np.asarray(lv.datasets.worldclim_layers().cells, dtype=float)
    rows = cells[rng.choice(len(cells), n or 3000, replace=False)]
    return (rows - rows.mean(axis=0)) / rows.std(axis=0), None


MADE = {"ring": _ring, "clusters": _clusters, "walk": _walk, "worldclim": _worldclim}


def available(name: str) -> bool:
    """Return whether a data set can be read here."""
    return not name.startswith("worldclim") or bool(os.environ.get("LANDAU_VAE_WORLDCLIM"))
