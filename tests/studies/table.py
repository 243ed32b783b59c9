"""Measure the price in effect on networks of four losses, at right and wrong KL weights and with weight decay.

python tests/studies/table.py

At rest ĉ_σ of each active latent is the price that was charged, whatever the loss: here within 2 % and two of its
standard errors. An absolute error is given as `reconstruction`, and β is then the weight of the KL. Writes table.json.
"""

from functools import partial
from typing import Any

import numpy as np
from models import Setting, decode, encode, fitted
from record import rounded, written
from tables import table

import landau_vae as lv

ALLOWED, ERRORS = 0.02, 2
CHARGED = {"× 1": 1.0, "× 3": 3.0, "× 0.5": 0.5, "× 0.1": 0.1, "weight decay": 1.0}
RUN: dict[str, Any] = {"updates": 8000, "rate": 5e-3, "batch": 256}
NETWORKS = {  # the price that is stated, and the network
    "squared error": (0.5, Setting(data="wine", latents=4, hidden=(32,), activation="tanh", **RUN)),
    "cross-entropy": (1.0, Setting(data="digits-bits", latents=6, hidden=(64,), likelihood="bernoulli", **RUN)),
    "Poisson": (1.0, Setting(data="digits-counts", latents=6, hidden=(64,), likelihood="poisson", **RUN)),
    "absolute error": (0.3, Setting(data="exponential", latents=4, hidden=(64,), likelihood="absolute", **RUN)),
}


def measured(name: str, charged: str) -> dict[str, Any]:
    """Train a network and return its prices in effect over the price that was charged."""
    stated, s = NETWORKS[name]
    s = Setting(**vars(s) | {"weight_decay": 0.01 * (charged == "weight decay")})
    x, price = table(s.data, s.seed)[0].astype("f"), stated * CHARGED[charged]
    without = np.zeros((len(x), 0), "f")
    weights, stats, _ = fitted(s, x, without, (), price)
    mean, log_variance, _ = encode(np, s, weights, stats, x, without)
    output = partial(_output, s, weights, stats)
    found = lv.diagnose(mean, log_variance=log_variance, data=x, decode=output, **_loss(s.likelihood, stated))
    ratio, error = found.prices.width / price, found.prices.width_error / price
    return {
        "loss": name,
        "KL": charged,
        "width": rounded(ratio),
        "error": rounded(error),
        "mean": rounded(found.prices.mean / price),
        "second_moment": rounded(found.posterior.second_moment[found.is_active]),
        "agrees": bool(np.all(np.abs(ratio - 1) <= ALLOWED + ERRORS * error)),
        "first": next(iter(found.codes), None),
    }


def _output(s: Setting, weights: Any, stats: Any, z: np.ndarray) -> np.ndarray:
    return decode(np, s, weights, stats, z, np.zeros((len(z), 0)))[0]


def _loss(likelihood: str, stated: float) -> dict[str, Any]:
    """Return the loss as its user states it."""
    if likelihood == "absolute":
        return {"loss": lv.Loss.gaussian(beta=stated), "reconstruction": lambda x, y: np.abs(x - y).sum(1)}
    return {"loss": getattr(lv.Loss, likelihood)(beta=stated)}


def main() -> None:
    """Print and write the table."""
    rows = [measured(name, charged) for name in NETWORKS for charged in CHARGED]
    print("| loss | KL | ĉ_σ/c | ĉ_μ/c | A² | agrees | first finding |\n|---|---|---|---|---|---|---|")
    for each in rows:
        spans = (f"{min(each[key]):.3f}–{max(each[key]):.3f}" for key in ("width", "mean", "second_moment"))
        print(f"| {each['loss']} | {each['KL']} | {' | '.join(spans)} | {each['agrees']} | {each['first']} |")
    written("table.json", rows, agree=sum(each["agrees"] for each in rows))


if __name__ == "__main__":
    main()
