"""Training of networks, per update and model: a scan on two cores against the same loop in PyTorch.

19 features, batches of 256, Adam. PyTorch trains one model at a time on one thread, and is granted two perfect
processes: its time is halved. Ours is the time of a whole scan, compilation and measurements included, over updates
and models.
"""

import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from sampled_scan import samples
from timing import Row, duration, fold, missing, seconds, verdict

import landau_vae as lv
from landau_vae.training import Adam, Neural

CORES = 2
WARM_UP = 100  # updates of PyTorch's that are not counted
#: width × depth, latents, bar
CASES = [((64,) * 4, 32, 0.5), ((64,) * 2, 8, 0.3), ((64,) * 2, 1, 0.3)]


def rows(quick: bool) -> Iterator[Row]:
    """Three architectures, in single precision."""
    temperatures, updates, rival_updates = (2, 60, 60) if quick else (16, 10_000, 2000)
    data = samples(20_000)
    grid = np.geomspace(0.3, 1e-3, temperatures)
    for hidden, latents, bar in CASES:
        work = f"{temperatures} models of {len(hidden)} × {hidden[0]}, {latents} latents, {updates} updates"
        how = Neural(hidden=hidden, updates=updates, optimizer=Adam(1e-3))
        before = torch_seconds(data, hidden, latents, rival_updates)

        def scan(how: Neural = how, latents: int = latents) -> object:
            return lv.scan(data, grid, latents=latents, trainer=how, workers=CORES, keep_weights=False)

        mine = seconds(scan) / (updates * temperatures)
        after = torch_seconds(data, hidden, latents, rival_updates)
        if before is None or after is None:
            yield missing(f"{work}: {duration(mine)}", "torch")
            continue
        rival = (before + after) / 2
        yield (
            work,
            duration(mine),
            f"PyTorch {duration(rival)}",
            fold(mine / rival),
            *verdict(mine / rival, bar, fold),
        )


def torch_seconds(data: np.ndarray, hidden: tuple[int, ...], latents: int, updates: int) -> float | None:
    """Per update of one model on one thread, over the cores."""
    try:
        import torch
    except ImportError:
        return None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _torch_loop(torch, data, hidden, latents, updates) / CORES
    finally:
        torch.set_num_threads(threads)


def _torch_loop(torch, data, hidden, latents, updates):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    x, d = torch.tensor(data, dtype=torch.float32), data.shape[1]

    def layers(widths):  # type: ignore[no-untyped-def]
        steps = []
        for inputs, outputs in pairwise(widths):
            steps += [torch.nn.Linear(inputs, outputs), torch.nn.SiLU()]
        return torch.nn.Sequential(*steps)

    encoder, mean, spread = (
        layers((d, *hidden)),
        torch.nn.Linear(hidden[-1], latents),
        torch.nn.Linear(hidden[-1], latents),
    )
    decoder = torch.nn.Sequential(layers((latents, *hidden)), torch.nn.Linear(hidden[-1], d))
    rule = torch.optim.Adam([p for part in (encoder, mean, spread, decoder) for p in part.parameters()], 1e-3)

    def update() -> None:
        batch = x[torch.randint(len(x), (256,))]
        seen = encoder(batch)
        mu, log_variance = mean(seen), spread(seen)
        z = mu + torch.exp(0.5 * log_variance) * torch.randn_like(mu)
        rate = 0.5 * (mu.square() + log_variance.exp() - 1 - log_variance).sum(1)
        loss = (0.5 * (batch - decoder(z)).square().sum(1) + 0.1 * rate).mean()
        rule.zero_grad()
        loss.backward()
        rule.step()

    for _ in range(min(WARM_UP, updates)):
        update()
    start = time.perf_counter()
    for _ in range(updates):
        update()
    return (time.perf_counter() - start) / updates
