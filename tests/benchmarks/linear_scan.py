"""The 121-point scan on WorldClim, and one temperature at a time against a PyTorch Adam loop on the raw loss.

Adam gets the exact expected loss in (W, E, ln s), in float64, the very start that ours has (with the encoder already at
its best) and one thread (more slow such small matrices down). It is timed to a relative gap above the closed-form
minimum, at the paper's learning rate and at the best of several; ours always trains on to its own relative gradient.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from timing import Row, absolute, duration, fold, missing, seconds

import landau_vae as lv

BAR_SCAN = 15.0  # seconds
BAR_ADAM = 0.01
TEMPERATURES = [0.3, 0.1, 0.01, 1e-3, 1e-4]
GAPS = [1e-6, 1e-8]  # relative to the minimum
PAPER_RATE = 3e-4  # learning rate of the paper's protocol
RATES = [PAPER_RATE, 1e-3, 3e-3, 1e-2]
LOOK = 10  # steps between two looks at the gap


@dataclass
class Run:
    """What one Adam loop came to."""

    rate: float  #: learning rate
    reached: dict[float, float]  #: gap → seconds until the loop got there
    least: float  #: gap
    steps: int


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
    ours = partial(lv.scan, spectrum, [temperature])
    times = [seconds(ours) for _ in range(3)]
    runs: list[Run] = []
    for rate in RATES:
        limits = {gap: min([budget, *(run.reached.get(gap, budget) for run in runs)]) for gap in GAPS}
        runs.append(_adam(spectrum, temperature, rate, limits))
        times += [seconds(ours) for _ in range(2)]
    for gap in GAPS:
        work = f"T = {temperature:g} to gap {gap:.0e}"
        best = min(runs, key=lambda run, gap=gap: (run.reached.get(gap, np.inf), run.least))
        for label, run in (("the paper's", runs[0]), ("best", best)):
            yield _row(work, median(times), f"Adam, {label} rate {run.rate:g}", run, run.reached.get(gap))


def _row(work: str, mine: float, name: str, run: Run, theirs: float | None) -> Row:
    if theirs is None:
        return (work, duration(mine), f"{name}: {run.least:.0e} in {run.steps} steps", "—", "—", "not there")
    ratio = mine / theirs
    bar = (f"≤ {fold(BAR_ADAM)}", "yes" if ratio <= BAR_ADAM else "NO")
    return (work, duration(mine), f"{name}: {duration(theirs)}", fold(ratio), *bar)


def _adam(spectrum: lv.Spectrum, temperature: float, rate: float, limits: dict[float, float]) -> Run:
    """Train until every gap is reached or has had its time (seconds)."""
    import torch

    price = temperature * spectrum.total_variance
    least = float(lv.equilibrium(spectrum, lv.Loss.gaussian(price)).free_energy)
    start = lv.scan(spectrum, [temperature], max_iterations=0).isel(seed=0, temperature=0)
    covariance = torch.tensor(spectrum.covariance.copy())
    first = (start.decoder.values, start.encoder.values, np.log(start.posterior_variance.values))
    decoder, encoder, log_variance = weights = [torch.tensor(part, requires_grad=True) for part in first]
    optimizer = torch.optim.Adam(weights, lr=rate, fused=True)
    run, begin, now = Run(rate, {}, np.inf, 0), time.perf_counter(), 0.0
    while any(now < limit for gap, limit in limits.items() if gap not in run.reached):
        optimizer.zero_grad()
        variance, encoded = log_variance.exp(), encoder @ covariance
        square = (encoded * encoder).sum(1)
        moments = encoded @ encoder.T + variance.diag()  # ⟨z zᵀ⟩
        distortion = covariance.trace() - 2 * (encoded * decoder.T).sum() + ((decoder.T @ decoder) * moments).sum()
        loss = 0.5 * distortion + 0.5 * price * (square + variance - 1 - log_variance).sum()
        loss.backward()
        now = time.perf_counter() - begin
        if run.steps % LOOK == 0:
            run.least = min(run.least, loss.item() / least - 1)
            run.reached |= {gap: now for gap in limits if gap not in run.reached and run.least <= gap}
        optimizer.step()
        run.steps += 1
    return run
