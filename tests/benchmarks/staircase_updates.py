"""Four onsets of a network by a staircase: updates, against those of a grid of 60 temperatures.

`tests/studies/staircase.json` records that both agree. The updates of each training are the same, so that trainings are
counted; the models are the exact linear ones, which a staircase goes down as it does networks on Gaussian data.
"""

from collections.abc import Iterator

import numpy as np
from timing import Row, fold, verdict

import landau_vae as lv

LAMBDA = np.array([4.0, 2.0, 1.0, 0.5])
GRID, BAR = 60, 0.25


def rows(quick: bool) -> Iterator[Row]:
    """Count the trainings of one staircase."""
    data = np.random.default_rng(0).standard_normal((500 if quick else 20_000, len(LAMBDA))) * np.sqrt(LAMBDA)

    def fit(beta: float, seed: int) -> tuple[object, ...]:
        decoder = np.sqrt(np.maximum(0, LAMBDA - beta))
        mean = data * decoder / np.maximum(beta, LAMBDA)
        return mean, np.log(np.broadcast_to(np.minimum(1, beta / LAMBDA), data.shape)), lambda z: z * decoder

    trainings = lv.spectroscopy(fit, "staircase", data=data).scan.sizes["temperature"]
    ratio = trainings / GRID
    yield ("four onsets", f"{trainings} trainings", f"grid {GRID} trainings", fold(ratio), *verdict(ratio, BAR, fold))
