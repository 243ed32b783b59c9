"""The 121-point scan on WorldClim, and one temperature at a time against a PyTorch Adam loop on the raw loss.

Both are timed to a relative gap above the closed-form minimum: Adam at the paper's learning rate and at the best of
several, ours at the loosest power of ten as its tolerance that ends within the gap.
"""

from collections.abc import Iterator
from functools import partial
from statistics import median

import numpy as np
from adam import Run, train
from timing import Row, absolute, duration, fold, missing, seconds, verdict

import landau_vae as lv
from landau_vae.training import Exact

BAR_SCAN = 15.0  # seconds
BAR_ADAM = 0.01
TEMPERATURES = [0.3, 0.1, 0.01, 1e-3, 1e-4]
GAPS = [1e-6, 1e-8]  # relative to the minimum
PAPER_RATE = 3e-4  # learning rate of the paper's protocol
RATES = [PAPER_RATE, 1e-3, 3e-3, 1e-2]


def rows(quick: bool) -> Iterator[Row]:
    """The scan, then ours against Adam at each temperature."""
    spectrum = lv.datasets.worldclim().spectrum()
    points, temperatures, budget = (7, TEMPERATURES[:1], 0.3) if quick else (121, TEMPERATURES, 40.0)
    lv.scan(spectrum, [1.0])  # loads what it needs
    scan = partial(lv.scan, spectrum, np.geomspace(1, 1e-6, points))
    yield absolute(f"{points} temperatures, {len(spectrum.covariance)} latents", seconds(scan), BAR_SCAN)
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
    """Ours before, between and after Adam's turns; a learning rate that cannot be the fastest any more is stopped."""
    trainers = {gap: Exact(tolerance=_tolerance(spectrum, temperature, gap)) for gap in GAPS}
    ours = {gap: partial(lv.scan, spectrum, [temperature], trainer=trainers[gap]) for gap in GAPS}
    times = {gap: [seconds(ours[gap]) for _ in range(3)] for gap in GAPS}
    runs: list[Run] = []
    for rate in RATES:
        limits = {gap: min([budget, *(run.reached.get(gap, budget) for run in runs)]) for gap in GAPS}
        runs.append(train(spectrum, temperature, _least(spectrum, temperature), rate, limits))
        for gap in GAPS:
            times[gap] += [seconds(ours[gap]) for _ in range(3)]
    for gap in GAPS:
        ranking = [(run.reached.get(gap, np.inf), run.least) for run in runs]
        best = runs[ranking.index(min(ranking))]
        for label, run in (("the paper's", runs[0]), ("best", best)):
            name = f"Adam, {label} rate {run.rate:g}"
            yield _row(f"T = {temperature:g} to gap {gap:.0e}", median(times[gap]), name, run, run.reached.get(gap))


def _tolerance(spectrum: lv.Spectrum, temperature: float, gap: float) -> float:
    """The loosest of 1e-3, 1e-4, … 1e-8 at which ours ends within the gap."""
    least = _least(spectrum, temperature)
    for tolerance in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7):
        if lv.scan(spectrum, [temperature], trainer=Exact(tolerance=tolerance)).loss.item() / least - 1 <= gap:
            return tolerance
    return 1e-8


def _least(spectrum: lv.Spectrum, temperature: float) -> float:
    """The closed-form minimum."""
    return float(lv.equilibrium(spectrum, lv.Loss.gaussian(temperature * spectrum.total_variance)).free_energy)


def _row(work: str, mine: float, name: str, run: Run, theirs: float | None) -> Row:
    if theirs is None:
        return (work, duration(mine), f"{name}: {run.least:.0e} in {run.steps} steps", "—", "—", "not there")
    ratio = mine / theirs
    return (work, duration(mine), f"{name}: {duration(theirs)}", fold(ratio), *verdict(ratio, BAR_ADAM, fold))
