"""The rival of the linear trainer: a PyTorch Adam loop on the exact expected loss in (W, E, ln s).

It gets float64, the very start that ours has (with the encoder already at its best) and no sampling noise. One thread
suits such small matrices best: set it before.
"""

import time
from dataclasses import dataclass

import numpy as np

import landau_vae as lv
from landau_vae.training import Exact

__all__ = ["Run", "train"]

LOOK = 10  # steps between two looks at the gap


@dataclass
class Run:
    """What one loop came to."""

    rate: float  #: learning rate
    reached: dict[float, float]  #: gap → seconds until the loop got there
    least: float  #: gap
    steps: int


def train(spectrum: lv.Spectrum, temperature: float, minimum: float, rate: float, limits: dict[float, float]) -> Run:
    """Train until each gap above the minimum is reached or has had its time (limits: gap → seconds)."""
    import torch

    price = temperature * spectrum.total_variance
    start = lv.scan(spectrum, [temperature], trainer=Exact(max_iterations=0)).isel(seed=0, temperature=0)
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
            run.least = min(run.least, loss.item() / minimum - 1)
            run.reached |= {gap: now for gap in limits if gap not in run.reached and run.least <= gap}
        optimizer.step()
        run.steps += 1
    return run
