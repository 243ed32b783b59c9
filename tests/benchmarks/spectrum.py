"""The spectrum of a table, against a bare BLAS product with an eigensolver and against scikit-learn's PCA.

The bare product neither centres nor checks anything and keeps the data's own precision (so float32 is also held against
a product in float64, in which we work); off-centre data are where centring costs most. Columns that are read from
a DataFrame lie column by column. `memory` says what it takes in memory.
"""

from collections.abc import Iterator
from functools import partial

import memory
import numpy as np
from numpy.typing import NDArray
from timing import Row, against, missing

import landau_vae as lv

BAR_BARE = 1.15
BAR_PCA = {"float64": 1.0, "float32": 1.3}  # theirs multiplies float32 in float32, which is twice as fast
BAR_SVD = 0.6  # where theirs decomposes the rows themselves
SHAPES = [
    (1_000_000, 19), (1_000_000, 10), (200_000, 100), (100_000, 64), (10_000, 256), (20_000, 1000), (5000, 2000),
    (500, 500), (1000, 5000), (100, 20_000), (50, 4),
]  # fmt: skip
QUICK_SHAPES = [(2000, 19), (100, 200)]
OFFSET = 10.0  # in units of the largest standard deviation


def rows(quick: bool) -> Iterator[Row]:
    """Times of every shape, then memory."""
    shapes, budget = (QUICK_SHAPES, 0.05) if quick else (SHAPES, 3.0)
    for shape in shapes:
        for offset in (0.0, OFFSET):
            yield from _compare(_data(shape, offset), "off-centre" if offset else "centred", budget)
    yield from _compare(np.asfortranarray(_data(shapes[0], OFFSET)), "off-centre, by columns", budget)
    for shape in shapes:
        yield from _compare(_data(shape, OFFSET, np.float32), "off-centre, float32", budget)
    yield from memory.rows(quick)


def _compare(data: NDArray[np.floating], kind: str, budget: float) -> Iterator[Row]:
    work = f"{data.shape[0]:_} × {data.shape[1]:_}, {kind}".replace("_", " ")
    ours = partial(lv.Spectrum.from_data, data)
    yield against(work, ours, "product + eigvalsh", partial(bare, data), BAR_BARE, budget)
    if data.dtype != np.float64:
        double = partial(_bare_double, data)
        yield against(work, ours, "the same in float64", double, BAR_BARE, budget)
    try:
        from sklearn.decomposition import PCA
    except ImportError:
        yield missing(work, "scikit-learn")
    else:
        solver = PCA().fit(data)._fit_svd_solver
        bar = BAR_SVD if solver == "full" else BAR_PCA[str(data.dtype)]
        yield against(work, ours, f"PCA().fit ({solver})", lambda: PCA().fit(data), bar, budget)


def bare(data: NDArray[np.floating]) -> NDArray[np.floating]:
    """The eigenvalues of the raw second moments: all that cannot be left out."""
    return np.linalg.eigvalsh(data.T @ data if len(data) >= data.shape[1] else data @ data.T)


def _bare_double(data: NDArray[np.floating]) -> NDArray[np.floating]:
    return bare(data.astype(np.float64))


def _data(shape: tuple[int, int], offset: float, dtype: type = np.float64) -> NDArray[np.floating]:
    """Independent columns whose standard deviations span a decade."""
    data = np.random.default_rng(0).standard_normal(shape, dtype=dtype)
    data *= np.geomspace(1.0, 0.1, shape[1], dtype=dtype)
    data += dtype(offset)
    return data
