"""Rows of the study of the first collapse, and the prices at which networks are trained on them. `rows(name)`."""

from functools import cache

import numpy as np
from tables import VARIANCES, available, table

import landau_vae as lv

ROWS = 2000
SEED = 0
BEND = 0.5  # of the banana: its second feature is this times y² − 1, which makes Q about 2

#: What is trained on, and the prices in units of λ₁.
PRICES: dict[str, tuple[float, ...]] = {
    "gaussian": (0.9, 0.95, 1.0, 1.03, 1.06, 1.1),
    "gamma:32": (0.9, 0.95, 1.0, 1.03, 1.06, 1.1),
    "gamma:8": (0.9, 0.95, 1.0, 1.01, 1.02, 1.03, 1.06, 1.1, 1.15, 1.2),
    "gamma:2": (0.9, 1.0, 1.05, 1.1, 1.15, 1.18, 1.2, 1.22, 1.25, 1.3, 1.4),
    "gamma:1": (0.9, 1.0, 1.1, 1.2, 1.3, 1.35, 1.4, 1.45, 1.5, 1.53, 1.56, 1.6),
    "banana": (0.9, 1.0, 1.03, 1.06, 1.1, 1.15, 1.2, 1.25),
    "clusters": (0.9, 1.0, 1.1, 1.2, 1.25, 1.3, 1.35, 1.4, 1.5, 1.6, 1.7, 1.8, 2.0),
    "digits": (0.9, 0.95, 1.0, 1.03, 1.06, 1.1),
    "worldclim": (0.9, 1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4),
    "terrain": (0.9, 1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4),
}
SETS = tuple(name for name in PRICES if available(name))


@cache
def rows(name: str) -> np.ndarray:
    """Return the centred rows of a set, (n, d)."""
    kind, _, shape = name.partition(":")
    made = {"gamma": lambda: _first_factor(float(shape)), "gaussian": lambda: _first_factor(np.inf)}
    made |= {"banana": _banana, "terrain": _terrain}
    sized = {"clusters": f"clusters:{ROWS}", "worldclim": f"worldclim:{ROWS}"}
    found = made[kind]() if kind in made else table(sized.get(name, name), SEED)[0]
    return found - found.mean(axis=0)


def condensed(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a set and their shares; of clusters, whose rows are almost alike, the means of the groups."""
    x = rows(name)
    if name != "clusters":
        return x, np.full(len(x), 1 / len(x))
    labels = table(f"clusters:{ROWS}", SEED)[1]
    assert labels is not None
    return (labels.T @ x) / labels.sum(axis=0)[:, None], labels.mean(axis=0)


def _first_factor(shape: float) -> np.ndarray:
    """Return six independent factors, the first of a gamma distribution (skewness 2/√shape), the others normal."""
    rng = np.random.default_rng([SEED, 17])
    factors = rng.standard_normal((ROWS, len(VARIANCES)))
    if np.isfinite(shape):
        factors[:, 0] = (rng.gamma(shape, size=ROWS) - shape) / np.sqrt(shape)
    return factors * np.sqrt(VARIANCES)


def _banana() -> np.ndarray:
    """Return a normal feature y, one that bends with y², and two of noise; (y, …) and (−y, …): no skewness at all."""
    rng = np.random.default_rng([SEED, 18])
    y, noise = rng.standard_normal(ROWS // 2), 0.1 * rng.standard_normal((ROWS // 2, 3))
    half = np.column_stack([y, BEND * (y**2 - 1) + noise[:, 0], noise[:, 1:]])
    return np.vstack([half, half * [-1, 1, 1, 1]])


def _terrain() -> np.ndarray:
    """Return patches of elevations, in units of their standard deviation."""
    heights = lv.datasets.load("terrain").table
    return heights / heights.std()
