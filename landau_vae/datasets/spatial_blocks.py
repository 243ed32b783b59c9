"""Blocks of equal area on the sphere, and parts of a map made of whole blocks.

Neighbouring cells of a map are nearly copies of one another, so cells drawn at random into a
test part are known from training; whole blocks are not. A block spans equal steps of longitude
and of sin(latitude): squares on a Behrmann map (cylindrical, equal-area, true to scale at 30°)
of a sphere of radius 6371.0088 km. Whole numbers of rows and columns tile the sphere, so that
all blocks have exactly the same area: of the pairs with rows just below or above height/size,
the one whose blocks are nearest to size². For 500 km: 30 × 68 blocks of 500.03² km².
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import Natural, checked, is_real, numbers
from landau_vae.display import readonly
from landau_vae.errors import InputError

EARTH_RADIUS_KM = 6371.0088  # of the sphere of the same mean radius
STANDARD_LATITUDE = np.deg2rad(30.0)  # where a Behrmann map is true to scale

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BlockSplit:
    """Cells by part, each part made of whole blocks."""

    training: Rows  #: indices of cells, ascending
    validation: Rows  #: indices of cells, ascending
    test: Rows  #: indices of cells, ascending
    blocks: tuple[int, int, int]  #: how many blocks each part has
    block_area: float  #: of each block, land or sea, km²


def block_grid(size_km: float) -> tuple[int, int]:
    """Return the rows and columns of the blocks that tile the sphere.

    >>> block_grid(500.0)
    (30, 68)
    """
    if not is_real(size_km) or not 1 <= size_km <= 10_000:
        raise InputError(
            f"Blocks of {size_km} km were asked for, but a size from 1 to 10000 km is expected, such as 500."
        )
    height = 2 * EARTH_RADIUS_KM / np.cos(STANDARD_LATITUDE) / size_km  # in blocks
    area = 4 * np.pi * (EARTH_RADIUS_KM / size_km) ** 2  # in blocks
    pairs = [(rows, max(1, round(area / rows))) for rows in {max(1, int(height)), int(height) + 1}]
    return min(pairs, key=lambda pair: abs(pair[0] * pair[1] - area))


def block_area(size_km: float) -> float:
    """Return the area of each block, km².

    >>> round(block_area(500.0) ** 0.5, 2)
    500.03
    """
    rows, columns = block_grid(size_km)
    return 4 * np.pi * EARTH_RADIUS_KM**2 / (rows * columns)


def block_labels(latitude: ArrayLike, longitude: ArrayLike, size_km: float = 500.0) -> Rows:
    """Return the block of each point (n,), by degrees north and east.

    Its number is row (from the south pole) × columns + column (from 180° W).

    >>> block_labels([-90, 0, 90], [-180, 0, 179.9]).tolist()
    [0, 1054, 2039]
    """
    rows, columns = block_grid(size_km)
    north, east = numbers(latitude, "latitude"), numbers(longitude, "longitude")
    if north.shape != east.shape or not np.all(np.abs(north) <= 90) or not np.all(np.isfinite(east)):
        raise InputError("Points need one latitude from −90 to 90 and one longitude each, in degrees.")
    row = (np.sin(np.deg2rad(north)) + 1) / 2 * rows
    column = np.mod(east + 180, 360) / 360 * columns
    return np.minimum(row.astype(np.int64), rows - 1) * columns + np.minimum(column.astype(np.int64), columns - 1)


@checked
def split_blocks(labels: ArrayLike, fractions: Any, seed: Natural) -> tuple[list[Rows], tuple[int, int, int]]:
    """Return the indices of the cells in each part, and how many blocks it has.

    Blocks are whole, in an order drawn from `seed`.
    `fractions` are shares of the cells (not of area), met to within half a block at each border.
    """
    shares = numbers(fractions, "fractions")
    if shares.shape != (3,) or not np.all(shares >= 0) or not shares[0] > 0 or abs(shares.sum() - 1) > 1e-9:
        raise InputError(
            f"The fractions are {fractions!r}, but three shares that add up to 1 are expected, for training, "
            "validation and test: (0.8, 0.1, 0.1)."
        )
    _, block, count = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(count))
    middle = np.cumsum(count[order]) - count[order] / 2
    ends = np.searchsorted(middle, [0.0, *(np.cumsum(shares[:2]) * len(block)), np.inf])
    parts = [order[first:last] for first, last in pairwise(ends.tolist())]
    for share, part in zip(shares, parts, strict=True):
        if share > 0 and len(part) == 0:
            raise InputError(
                f"{len(count)} blocks are too few for a part with a share of {share:g}: make them smaller."
            )
    members = [readonly(np.flatnonzero(np.isin(block, part)), np.int64) for part in parts]
    return members, (len(parts[0]), len(parts[1]), len(parts[2]))
