"""The 121-point scan on WorldClim, and one temperature at a time against a PyTorch Adam loop on the raw loss.

Adam gets the exact expected loss in (W, E, ln s), in float64, the very start that ours has (with the encoder already at
its best), one thread (more slow such small matrices down) and the best of several learning rates. It is timed to a
relative gap above the closed-form minimum; ours trains on to its own relative gradient of 1e-8, whatever the gap.
"""

import time
from collections.abc import Iterator
from functools import partial
from statistics import median

import numpy as np
from timing import Row, absolute, duration, fold, missing, seconds

import landau_vae as lv

BAR_SCAN = 15.0  # seconds
BAR_ADAM = 0.01
TEMPERATURES = [0.3, 0.1, 0.01, 1e-3, 1e-4]
PAPER_RATE = 3e-4  # learning rate of the paper's protocol
RATES = [PAPER_RATE, 1e-3, 3e-3, 1e-2]
GAPS = [1e-6, 1e-8]  # relative to the minimum
LOOK = 10  # steps between two looks at the gap
Times = dict[float, float]  # gap → seconds until Adam got there


def rows(quick: bool) -> Iterator[Row]:
    """The scan, then ours against Adam at each temperature."""
    spectrum = lv.datasets.worldclim().spectrum()
    points, temperatures, budget = (7, TEMPERATURES[:1], 0.3) if quick else (121, TEMPERATURES, 25.0)
    scan = partial(lv.scan, spectrum, np.geomspace(1, 1e-6, points))
    lv.scan(spectrum, [1.0])  # loads what it needs
    yield absolute(f"{points} temperatures, 19 latents", seconds(scan), BAR_SCAN)
    try:
        import torch
    except ImportError:
        yield missing("one temperature", "torch")
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for temperature in temperatures:
        yield from _compare(spectrum, temperature, budget)
    torch.set_num_threads(threads)


def _compare(spectrum: lv.Spectrum, temperature: float, budget: float) -> Iterator[Row]:
    """Ours before and after Adam's turns; a later learning rate is stopped where it cannot win any more."""
    ours = partial(lv.scan, spectrum, [temperature])
    times = [seconds(ours) for _ in range(3)]
    best, paper, reached = dict.fromkeys(GAPS, budget), {}, []
    for rate in RATES:
        found, least, steps = _adam(spectrum, temperature, rate, best)
        reached.append(f"not in {steps} steps (gap {least:.0e})")
        paper = paper or (found, steps, least)
        best = {gap: min(best[gap], found.get(gap, budget)) for gap in GAPS}
    times += [seconds(ours) for _ in range(3)]
