"""The diagnosis of a trained model, against one bare pass over its posteriors and data; with its decoder; memory.

The bare pass reads each array once by blocks in double precision, takes the exponentials and the products of means with
themselves and with the data; it neither shifts, checks nor knows of the Kullback–Leibler divergence. Memory is the
growth of a fresh process's peak, in units of one of the arrays (float32) that it was given. What a decoder costs, a
network of two layers of 64 units here, is counted in calls of it with 4096 rows, beyond the bare pass.
"""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from statistics import median

import numpy as np
from memory import STATUS, _megabytes, _peak
from numpy.typing import NDArray
from timing import Row, absolute, against, duration, fold, seconds, verdict

import landau_vae as lv

BAR_TIME, BAR_BARE, BAR_MEMORY = 5.0, 2.5, 0.25
BAR_DECODES, BAR_FRONTIER = 300, 35.0
LATENTS = 64
DECODED = 4096  # rows of a call
BLOCK = 2048


def rows(quick: bool) -> Iterator[Row]:
    """Times for two widths of the data and both kinds of spread, then memory."""
    n, budget = (4000, 0.05) if quick else (1_000_000, 4.0)
    for d in (64, 20):
        mean, spread, data = _model(n, d)
        for kind in ("log_variance", "variance"):
            if kind == "variance":
                np.exp(spread, out=spread)
            work = f"{n:_} × {LATENTS}, {kind}, data of {d}".replace("_", " ")
            ours, rival = partial(_diagnose, mean, kind, spread, data), partial(_bare, mean, kind, spread, data)
            yield absolute(work, median(seconds(ours) for _ in range(3)), BAR_TIME)
            yield against(work, ours, "bare pass", rival, BAR_BARE, budget)
    yield from _networks(quick)
    if not STATUS.exists():
        yield ("peak memory", "—", "skipped: there is no /proc to read it from", "—", "—", "—")
        return
    size = 4 * n * LATENTS
    grown = int(subprocess.run([sys.executable, __file__, str(n)], check=True, capture_output=True, text=True).stdout)
    rival = f"one array {_megabytes(size)}"
    share = grown / size
    yield ("peak growth, data of 64", _megabytes(grown), rival, fold(share), *verdict(share, BAR_MEMORY, fold))


def _model(n: int, d: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Means, log-variances and data in float32: some latents live, made without a second array."""
    rng, living = np.random.default_rng(0), min(d, LATENTS) // 2
    data = rng.standard_normal((n, d), dtype=np.float32)
    data *= np.geomspace(3.0, 0.3, d, dtype=np.float32)
    mean, spread = np.zeros((2, n, LATENTS), dtype=np.float32)
    spread[:, :living] = -1.0
    for k in range(living):
        np.multiply(data[:, k], np.float32(0.3), out=mean[:, k])
    return mean, spread, data


def _networks(quick: bool) -> Iterator[Row]:
    """What asks the decoder: prices and onset, the onset alone; and the frontier, which asks for none."""
    n, d, active = 4000 if quick else 100_000, 64, np.arange(10)
    x, mean, deviation, decode = _at_rest(n, d, len(active))
    few = slice(0, DECODED)
    z = mean[few]
    loss = lv.Loss.gaussian(1.0)
    one = median(seconds(partial(decode, z)) for _ in range(25))
    bare = median(seconds(partial(_bare, mean, "std", deviation, x)) for _ in range(5))
    ours = median(
        seconds(partial(lv.diagnose, mean, std=deviation, data=x, loss=loss, decode=decode)) for _ in range(3)
    )
    calls = f"decode {duration(one)}"
    ratio = (ours - bare) / one
    work = f"{n:_} × {d}, {len(active)} latents, with decode".replace("_", " ")
    yield (work, duration(ours), calls, fold(ratio), *verdict(ratio, BAR_DECODES, fold))
    onset = partial(lv.networks.next_latent, z, deviation[few], decode, x[few], lv.loss.GAUSSIAN, active)
    took = median(seconds(onset) for _ in range(3))
    yield (f"next latent, {len(z)} × {d}, {len(active)} latents", duration(took), calls, fold(took / one), "—", "—")
    rows = np.random.default_rng(0).standard_normal((200 if quick else 2000, 19)) * np.geomspace(1.0, 0.1, 19)
    took = seconds(partial(lv.frontier, rows, lv.Loss.gaussian(0.25)))
    yield absolute(f"frontier, {len(rows)} × 19, one price", took, BAR_FRONTIER)


def _at_rest(n: int, d: int, latents: int) -> tuple[NDArray[np.float64], ...]:
    """Rows, means, deviations and decoder of a model at rest at the price 1, with as many modes above it as latents.

    The decoder's units stay where tanh is linear, so that its rest is that of a linear model.
    """
    lam = np.append(np.linspace(20, 1.5, latents), np.linspace(0.9, 0.01, d - latents))
    x = np.random.default_rng(0).standard_normal((n, d)) * np.sqrt(lam)
    above = lam[:latents]
    mean = x[:, :latents] * np.sqrt(above - 1) / above
    small = 1e-3
    first, last = small * np.eye(latents, LATENTS), np.zeros((LATENTS, d))
    last[:latents, :latents] = np.diag(np.sqrt(above - 1)) / small

    def decode(z: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.tanh(np.tanh(z @ first) @ np.eye(LATENTS)) @ last

    return x, mean, np.tile(np.sqrt(1 / above), (n, 1)), decode


def _diagnose(mean: NDArray[np.float32], kind: str, spread: NDArray[np.float32], data: NDArray[np.float32]) -> object:
    return lv.diagnose(mean, **{kind: spread}, data=data, loss=lv.Loss.gaussian(1.0))


def _bare(mean: NDArray[np.float32], kind: str, spread: NDArray[np.float32], data: NDArray[np.float32]) -> object:
    K = mean.shape[1]
    total, cross, variance = np.zeros((K, K)), np.zeros((data.shape[1], K)), np.zeros(K)
    for start in range(0, len(mean), BLOCK):
        part = slice(start, start + BLOCK)
        means, spreads = mean[part].astype(np.float64), spread[part].astype(np.float64)
        variance += (np.exp(spreads) if kind == "log_variance" else spreads).sum(axis=0)
        total += means.T @ means
        cross += data[part].astype(np.float64).T @ means
    return total, cross, variance


def _growth(n: int) -> int:
    """Bytes by which the peak of this process rises."""
    mean, spread, data = _model(n, 64)
    _diagnose(mean[:200], "log_variance", spread[:200], data[:200])  # what the first call loads is not the data's fault
    before = _peak()
    _diagnose(mean, "log_variance", spread, data)
    return _peak() - before


if __name__ == "__main__":
    print(_growth(int(sys.argv[1])))
