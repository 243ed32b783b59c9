"""Data that do not fit: a file that is streamed, very wide tables, and the strongest modes alone.

A stream is held against reading the file and a bare BLAS product in float64 over the same blocks. The files are sparse
(zeros but for their first rows), so that no disk is filled; nothing of them is in the page cache when either begins.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import memory
import numpy as np
from numpy.typing import NDArray
from timing import Row, absolute, duration, fold, seconds, verdict

import landau_vae as lv
from landau_vae.data.moments import block_rows
from landau_vae.data.tables import row_blocks

BAR_STREAM, BAR_MEMORY = 1.3, 500e6
BAR_WIDE, BAR_STRONGEST = 60.0, 300.0


def rows(quick: bool) -> Iterator[Row]:
    """Streams of several shapes, then wide tables."""
    size = 2e6 if quick else 20e9
    for dtype, columns in (("f4", 256), ("f8", 128), ("f8", 1000)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x.npy")
            array = _sparse(path, (int(size / np.dtype(dtype).itemsize / columns), columns), dtype)
            work = f"{size / 1e9:g} GB mapped, {dtype} × {columns}"
            ours = partial(lv.Spectrum.from_data, array)
            mine, theirs = (_cold(path, action) for action in (ours, partial(_bare, array)))  # once: these take minutes
            rival = f"read + product in float64 {duration(theirs)}"
            yield (work, duration(mine), rival, fold(mine / theirs), *verdict(mine / theirs, BAR_STREAM, fold))
            yield memory.bounded(f"{work}: memory", path, BAR_MEMORY)
    n, d = (50, 500) if quick else (2000, 20_000)
    wide = np.random.default_rng(0).standard_normal((n, d))
    yield absolute(f"all modes of {n} × {d}", seconds(partial(lv.Spectrum.from_data, wide)), BAR_WIDE)
    n, d = (200, 1000) if quick else (5000, 100_000)
    for kind, table in (("decaying", _factors(n, d)), ("noise", _factors(n, d, 0))):
        strongest = partial(lv.Spectrum.from_data, table, modes=20)
        yield absolute(f"20 modes of {n} × {d}, float32, {kind}", seconds(strongest), BAR_STRONGEST)


def _cold(path: Path, action: Callable[[], object]) -> float:
    """How long one call takes that has to read the file from the disk."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb+") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return seconds(action)


def _bare(array: NDArray[np.floating]) -> NDArray[np.floating]:
    """The raw second moments over the blocks that we take, and their eigenvalues."""
    columns = array.shape[1]
    total, step = np.zeros((columns, columns)), block_rows(columns)
    product, buffer = np.empty_like(total), np.empty((step, columns))
    for block in row_blocks(array):
        for start in range(0, len(block), step):
            part = block[start : start + step]
            if part.dtype != np.float64:
                np.copyto(buffer[: len(part)], part)
                part = buffer[: len(part)]
            total += np.matmul(part.T, part, out=product)
    return np.linalg.eigvalsh(total)


def _sparse(path: Path, shape: tuple[int, int], dtype: str) -> NDArray[np.floating]:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    array[:5000] = np.random.default_rng(0).standard_normal(array[:5000].shape) + 3
    del array
    return np.load(path, mmap_mode="r")


def _factors(n: int, d: int, factors: int = 40) -> NDArray[np.float32]:
    """Noise of variance 1, and some factors above it."""
    rng = np.random.default_rng(0)
    table = rng.standard_normal((n, d), dtype=np.float32)
    for size in np.geomspace(3, 0.3, factors, dtype=np.float32):
        table += np.outer(rng.standard_normal(n, dtype=np.float32), size * rng.standard_normal(d, dtype=np.float32))
    return table
