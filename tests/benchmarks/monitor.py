"""What a monitor costs a training in PyTorch: an MLP 784-512-32 in batches of 128, with the hook and without.

Two twins take turns, one update each. Overhead is what the updates of the watched one take beyond the other's, over
whole cycles of `every` updates, so that updates that are looked at count as often as they come.
"""

import time
from collections.abc import Iterator

import numpy as np
from timing import Row, duration, missing, verdict

import landau_vae as lv
from landau_vae.adapters.pytorch import watch

WIDTHS, BATCH, BAR = (784, 512, 32), 128, 1.03
WARM_UP = 20  # updates that are not counted


def rows(quick: bool) -> Iterator[Row]:
    """Plain Adam, on one thread, at the default `every`."""
    try:
        import torch
    except ImportError:
        yield missing("updates of an MLP", "torch")
        return
    torch.set_num_threads(1)
    monitor = lv.Monitor(lv.Spectrum.from_eigenvalues(np.linspace(2, 0.1, WIDTHS[0])), lv.Loss.gaussian(1.0))
    plain, watched = (_updates(torch) for _ in range(2))
    hook = watch(monitor, watched.model)
    cycles = 3 if quick else 150
    for _ in range(WARM_UP):
        plain(), watched()
    times = np.array([[_seconds(each) for each in (plain, watched)] for _ in range(cycles * monitor.every)])
    hook.remove()
    without, with_it = times.reshape(cycles, monitor.every, 2).sum(axis=1).T
    ratio = float(np.median(with_it / without))
    yield (
        f"an update of an MLP {'-'.join(map(str, WIDTHS))}, batch {BATCH}, watched",
        duration(float(np.median(with_it)) / monitor.every),
        f"unwatched {duration(float(np.median(without)) / monitor.every)}",
        _percent(ratio),
        *verdict(ratio, BAR, _percent),
    )


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


def _seconds(work) -> float:  # type: ignore[no-untyped-def]
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _updates(torch):  # type: ignore[no-untyped-def]
    """Return what takes one update of a fresh model, with the model as an attribute."""
    torch.manual_seed(0)
    inputs, hidden, latents = WIDTHS
    nn = torch.nn

    class Model(nn.Module):
        def __init__(self):  # type: ignore[no-untyped-def]
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latents))
            self.decoder = nn.Sequential(nn.Linear(latents, hidden), nn.ReLU(), nn.Linear(hidden, inputs))

    model = Model()
    optimizer, data = torch.optim.Adam(model.parameters(), 1e-3), torch.randn(20, BATCH, inputs)
    count = 0

    def update() -> None:
        nonlocal count
        x, count = data[count % len(data)], count + 1
        mean, log_variance = model.encoder(x).chunk(2, dim=-1)
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
        loss = (0.5 * ((model.decoder(z) - x) ** 2).sum(1) + kl).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    update.model = model  # type: ignore[attr-defined]
    return update
