"""Staircases against dense grids: the onsets of the first four latents of a network, and the updates that they took.

    python tests/studies/staircase.py              # half an hour of one core; into staircase.json

Networks of two hidden layers, six latents, Adam with a cosine. The grid has 60 temperatures, each trained from random
weights; so is each model of the staircase, `lv.spectroscopy(fit, "staircase")`. (With start="down" a latent that has
been inactive takes longer to come than in a fresh model: 13 trainings on the Gaussian data instead of 8.)
Where a latent begins is read in the same way off both: where a line through its rates meets zero.
"""

import argparse
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import landau_vae as lv
from landau_vae.training import Adam, Neural, trained_model

HERE = Path(__file__).parent
LAMBDA = np.array([4.0, 2.0, 1.0, 0.5, 0.25, 0.1])
ROWS, LATENTS, FIRST = 20_000, 6, 4
GRID = 60
COLDEST = 0.6 * LAMBDA[FIRST - 1]  # β at which staircase and grid end
UPDATES = 4000


def gaussian(seed: int) -> np.ndarray:
    """Six independent normal factors."""
    return np.random.default_rng(seed).standard_normal((ROWS, len(LAMBDA))) * np.sqrt(LAMBDA)


def gamma(seed: int) -> np.ndarray:
    """Six independent factors of skewness 1."""
    return (np.random.default_rng(seed).gamma(4.0, 0.5, (ROWS, len(LAMBDA))) - 2) * np.sqrt(LAMBDA)


DATA = {"gaussian": gaussian, "gamma": gamma}


def trainer(updates: int = UPDATES) -> Neural:
    """How each model is trained."""
    return Neural(hidden=(64, 64), updates=updates, batch=256, optimizer=Adam(2e-3))


def fit_of(rows: np.ndarray, updates: int = UPDATES, latents: int = LATENTS) -> Callable[..., Any]:
    """Return what a user of `lv.spectroscopy` would write, with the trainer of this package."""
    total = rows.var(axis=0).sum()

    def fit(beta: float, seed: int, start: Any = None) -> tuple[Any, ...]:
        T = beta / total
        how = {"latents": latents, "seeds": [seed], "trainer": trainer(updates)}
        models = lv.scan(rows, [T], start="fresh" if start is None else start, **how)
        model = trained_model(models, T)
        return *model.encode(rows), model.decode, models

    return fit


def staircase(rows: np.ndarray, updates: int = UPDATES, latents: int = LATENTS, start: str = "fresh") -> Any:
    """Return the onsets of a staircase that ends below the fourth."""
    return lv.spectroscopy(fit_of(rows, updates, latents), "staircase", data=rows, start=start, floor=COLDEST)


def grid(rows: np.ndarray, updates: int = UPDATES, latents: int = LATENTS, points: int = GRID) -> Any:
    """Return the onsets of a grid of as many temperatures as are usual."""
    temperatures = np.geomspace(1.5 * LAMBDA[0], COLDEST, points) / LAMBDA.sum()
    return lv.verification.onsets(lv.scan(rows, temperatures, latents=latents, trainer=trainer(updates), workers=1))


def compare(name: str, seed: int) -> dict[str, Any]:
    """Return both readings of the first latents on one data set, and the ratio of the updates."""
    rows = DATA[name](seed)
    stairs, dense = staircase(rows), grid(rows)
    ratio = stairs.begins[:FIRST] / dense.begins[:FIRST]
    visited = stairs.scan.sizes["temperature"]
    return {
        "data": name, "seed": seed, "trainings": visited, "updates_ratio": visited / GRID,
        "pca": (np.sort(rows.var(axis=0))[::-1] / rows.var(axis=0).sum())[:FIRST].round(4).tolist(),
        "staircase": stairs.begins[:FIRST].round(4).tolist(), "grid": dense.begins[:FIRST].round(4).tolist(),
        "bracket": stairs.bracket[:FIRST].round(4).tolist(), "foreseen": stairs.foreseen[:FIRST].round(4).tolist(),
        "ratio": ratio.round(3).tolist(),
    }  # fmt: skip


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="data sets and starts (1)")
    parser.add_argument("--only", choices=DATA, help="one kind of data; nothing is written")
    given = parser.parse_args()
    found = []
    for name in [given.only] if given.only else DATA:
        for seed in range(given.seeds):
            found.append(compare(name, seed))
            print(json.dumps(found[-1]), flush=True)
    if not given.only:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        record = {"commit": commit.stdout.strip(), "updates": UPDATES, "grid": GRID, "rows": ROWS, "found": found}
        (HERE / "staircase.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
