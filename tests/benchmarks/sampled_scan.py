"""Training by samples, per update and model: a whole scan on two cores against the same loop in PyTorch.

121 temperatures × 3 seeds, 19 features and latents, batches of 256, Adam. PyTorch is granted two perfect processes of
one thread each: its time for one model on one thread, halved (two threads on matrices so small are slower).
"""

import time
from collections.abc import Iterator

import numpy as np
from timing import Row, duration, fold, missing, seconds, verdict

import landau_vae as lv
from landau_vae.training import Sampled

BAR = 0.1
CORES = 2
BATCH = 256  # the default of both, by which PyTorch is timed
WARM_UP = 200  # updates of PyTorch's that are not counted


def rows(quick: bool) -> Iterator[Row]:
    """Moments in float64 and float32, and the gradient through rows, which are cheaper where batches are small."""
    temperatures, seeds, updates = (8, 1, 50) if quick else (121, 3, 20_000)
    data = samples(20_000)
    rival = torch_seconds(data, 100 if quick else 3000)
    cases = {
        "moments, float64": Sampled(updates=updates),
        "moments, float32": Sampled(updates=updates, precision="float32"),
        "batches of 8, row by row, float32": Sampled(updates=updates, batch=8, precision="float32"),
    }
    for name, trainer in cases.items():
        work = f"{temperatures} × {seeds} models, {name}"
        grid = np.geomspace(1, 1e-4, temperatures)

        def scan(trainer: Sampled = trainer, grid: np.ndarray = grid) -> object:
            return lv.scan(data, grid, seeds=range(seeds), trainer=trainer, workers=CORES)

        mine = seconds(scan) / (trainer.updates * temperatures * seeds)
        if rival is None:
            yield missing(f"{work}: {duration(mine)}", "torch")
            continue
        ratio = mine / rival
        bar = BAR if trainer.batch == BATCH else None  # the bar is for batches as large as PyTorch's
        yield (work, duration(mine), f"PyTorch {duration(rival)}", fold(ratio), *verdict(ratio, bar, fold))


def samples(count: int) -> np.ndarray:
    """Gaussian samples with WorldClim's correlations."""
    values, vectors = np.linalg.eigh(lv.datasets.worldclim().correlation)
    normal = np.random.default_rng(0).standard_normal((count, len(values)))
    return normal * np.sqrt(np.maximum(values, 0)) @ vectors.T


def torch_seconds(data: np.ndarray, updates: int) -> float | None:
    """Per update of one model on one thread, over the cores."""
    try:
        import torch
    except ImportError:
        return None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    x = torch.tensor(data, dtype=torch.float32)
    features = x.shape[1]
    encoder, decoder = torch.nn.Linear(features, features), torch.nn.Linear(features, features)
    log_variance = torch.zeros(features, requires_grad=True)
    weights = [*encoder.parameters(), *decoder.parameters(), log_variance]
    optimizer = torch.optim.Adam(weights, lr=1e-2, fused=True)
    begin = time.perf_counter()
    for update in range(WARM_UP + updates):
        if update == WARM_UP:
            begin = time.perf_counter()
        batch = x[torch.randint(len(x), (BATCH,))]
        mean = encoder(batch)
        latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        error = ((decoder(latent) - batch) ** 2).sum(1).mean()
        rate = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
        optimizer.zero_grad()
        (0.5 * error + 0.1 * rate).backward()
        optimizer.step()
    spent = time.perf_counter() - begin
    torch.set_num_threads(threads)
    return spent / updates / CORES
