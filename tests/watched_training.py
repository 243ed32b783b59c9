"""A linear VAE that is trained in NumPy, with all gradients written out: for tests of what watches a training."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

import landau_vae as lv

EIGENVALUES = np.array([6.0, 3.0, 1.5, 0.2, 0.1])


class Step(NamedTuple):
    """What a training loop has at hand in one update, in the order of `Monitor.update`."""

    mean: np.ndarray
    log_variance: np.ndarray
    x: np.ndarray
    noise: np.ndarray
    grad_z: np.ndarray
    grad_mean: np.ndarray


@dataclass
class Training:
    """Minimise ½‖x − x̂‖² + weight(share of the run) · Σ KL, averaged over the rows of a batch, by Adam."""

    updates: int = 2000
    weight: object = field(default=lambda share: 1.0)
    latents: int = 4
    rate: float = 0.01
    batch: int = 128
    start: float = 0.3
    free: tuple = ()  #: latents whose KL is not in the loss
    free_bits: float = 0.0  #: nats of each latent that cost nothing
    frozen: bool = False  #: whether σ² is 1 throughout
    seed: int = 0

    def __iter__(self) -> Iterator[Step]:
        rng, d, K = np.random.default_rng((self.seed, 19)), len(EIGENVALUES), self.latents
        rows = exact_rows(4000)
        p = {"E": (d, K), "b": (K,), "S": (d, K), "s": (K,), "W": (K, d), "c": (d,)}
        p = {name: self.start * rng.standard_normal(shape) * (name in "EW") for name, shape in p.items()}
        first, second = ({name: 0 * value for name, value in p.items()} for _ in range(2))
        for t in range(1, self.updates + 1):
            x = rows[rng.integers(len(rows), size=self.batch)]
            step, slopes = self.backward(
                p, x, rng.standard_normal((self.batch, K)), self.weight((t - 1) / self.updates)
            )
            yield step
            for name, slope in slopes.items():
                first[name] = 0.9 * first[name] + 0.1 * slope
                second[name] = 0.999 * second[name] + 0.001 * slope**2
                pace = self.rate * (1 + np.cos(np.pi * t / self.updates)) / 2 * (not (self.frozen and name in "Ss"))
                p[name] = p[name] - pace * (first[name] / (1 - 0.9**t)) / (
                    np.sqrt(second[name] / (1 - 0.999**t)) + 1e-8
                )

    def backward(self, p, x, noise, weight):
        mean, log_variance = x @ p["E"] + p["b"], np.clip(x @ p["S"] + p["s"], -8, 8)
        width = np.exp(log_variance / 2)
        z = mean + width * noise
        error = (z @ p["W"] + p["c"] - x) / len(x)
        rate = (mean**2 + width**2 - 1 - log_variance).mean(axis=0) / 2
        paid = weight * (rate >= self.free_bits) * ~np.isin(np.arange(self.latents), self.free) / len(x)
        by_z = error @ p["W"].T
        by_mean, by_log = by_z + paid * mean, by_z * noise * width / 2 + paid * (width**2 - 1) / 2
        slopes = {"E": x.T @ by_mean, "b": by_mean.sum(0), "S": x.T @ by_log, "s": by_log.sum(0), "W": z.T @ error,
                  "c": error.sum(0)}  # fmt: skip
        return Step(mean, log_variance, x, noise, by_z, by_mean), slopes


def exact_rows(n):
    """Rows whose covariance has exactly `EIGENVALUES`."""
    raw = np.random.default_rng(5).standard_normal((n, len(EIGENVALUES)))
    raw -= raw.mean(axis=0)
    return raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / n)).T * np.sqrt(EIGENVALUES)


def watched(training, every=5, logged=100, beta=1.0, gradients=True, **how):
    """Yield the monitor at each logging step of a training."""
    monitor = lv.Monitor(lv.Spectrum.from_data(exact_rows(4000)), lv.Loss.gaussian(beta), every=every, **how)
    for t, step in enumerate(training, start=1):
        monitor.update(*(step if gradients else step[:-1]))
        if t % logged == 0:
            yield monitor
