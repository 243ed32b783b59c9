"""The WorldClim cascade by continuation: all weights of 19 latents followed through 18 bifurcations."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from timing import Row, absolute, against, seconds

import landau_vae as lv
from landau_vae.numeric.continuation import solve
from landau_vae.numeric.problems import Linear

BAR_CASCADE = 60.0  # seconds
BAR_BLOCKS = 0.5


def rows(quick: bool) -> Iterator[Row]:
    """The cascade, then what its Hessian costs by blocks and as a whole."""
    spectrum = lv.datasets.worldclim().spectrum()
    latents, coldest, budget = (2, 0.1, 0.05) if quick else (19, 1e-6, 2.0)
    problem = Linear(spectrum, lv.Loss.gaussian(latents=latents))
    hot = spectrum.total_variance
    follow = partial(lv.follow, problem, hot, coldest * hot)
    yield absolute(f"{latents} latents, T = 1 … {coldest:g}", seconds(follow), BAR_CASCADE)
    last = follow().branches[-1]
    hessian = problem.hessian(last.x[-1], float(last.control[-1]))
    size = len(hessian)
    ours, whole = partial(solve.eigh, hessian), partial(np.linalg.eigh, hessian)
    yield against(f"eigenvalues, {size} unknowns", ours, "whole", whole, BAR_BLOCKS, budget)
