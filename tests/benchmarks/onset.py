"""The free decoder of one latent at one price, and a whole report on the first collapse, 2 000 × 19.

The rows are skewed, of correlated features. A price is solved for from the state at 0.9 of it, as in a sweep.
"""

from collections.abc import Iterator

import numpy as np
from timing import Row, absolute, seconds

import landau_vae as lv
from landau_vae.networks import FreeDecoder
from landau_vae.numeric.continuation.solve import Point, Solver

ONE_PRICE, REPORT = 5.0, 90.0  # seconds


def rows(quick: bool) -> Iterator[Row]:
    """The bars are in seconds, on two cores."""
    n, d = (100, 3) if quick else (2000, 19)
    rng = np.random.default_rng(0)
    factors = rng.gamma(4.0, size=(n, d)) * 0.6 ** np.arange(d)
    data = factors @ np.linalg.qr(rng.standard_normal((d, d)))[0]
    solver = Solver(FreeDecoder(data))
    start = np.zeros(solver.problem.rest(1.0).reshape(7, -1).shape)
    start[1, 0] = 0.4
    warm = solver.descend(start.ravel(), np.log(0.8))
    assert isinstance(warm, Point)
    yield absolute(f"one price, {n} × {d}", seconds(lambda: solver.descend(warm.x, np.log(0.9))), ONE_PRICE)
    report = seconds(lambda: lv.onset(data, lv.Loss.gaussian()).summary())
    yield absolute(f"lv.onset with its summary, {n} × {d}", report, REPORT)
