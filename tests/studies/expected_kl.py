"""The KL and the reconstruction of trained networks against those that `lv.expected` and `lv.explain` expect.

    python tests/studies/expected_kl.py            # half an hour of one core; into expected_kl.json

Networks of two widths, and linear models, on eleven kinds of data (WorldClim where its layers are) at three prices.
Two numbers of each are what a loop prints: KL and squared error of a row. All that is compared follows from them.
"""

import json
import sys
from typing import Any

import numpy as np
from collapse_sets import SETS as OF_COLLAPSE
from collapse_sets import rows as rows_of_collapse
from record import rounded, written
from tables import table as table_of

import landau_vae as lv
from landau_vae.training import Adam, Neural

SETS = (*(name for name in ("gaussian", "gamma:2", "banana", "clusters", "digits", "terrain", "worldclim")
          if name in OF_COLLAPSE), "wine", "breast_cancer", "diabetes", "iris")  # fmt: skip
NETWORKS: dict[str, tuple[int, ...]] = {"linear": (), "64": (64,), "64x64": (64, 64)}
PRICES = (0.5, 0.15, 0.04)  # in λ₁
UPDATES = {"linear": 24_000, "64": 6000, "64x64": 6000}  # weak modes of linear models take so long
LATENTS, RATE, SEED = 8, 2e-3, 0


def rows(name: str) -> np.ndarray:
    """Return the rows of a set, (n, d)."""
    return rows_of_collapse(name) if name in OF_COLLAPSE else table_of(name, SEED)[0]


def trained(name: str, network: str) -> list[dict[str, Any]]:
    """Return KL and error of models at each price, beside what is expected of them."""
    x = rows(name)
    spectrum = lv.Spectrum.from_data(x)
    latents, prices = min(LATENTS, spectrum.modes), np.array(PRICES) * spectrum.eigenvalues[0]
    trainer = Neural(hidden=NETWORKS[network], updates=UPDATES[network], batch=256, optimizer=Adam(RATE))
    models = lv.scan(x, prices / spectrum.total_variance, latents=latents, seeds=[SEED], trainer=trainer).isel(seed=0)
    state = lv.equilibrium(spectrum, lv.Loss.gaussian(prices, latents=latents))
    kl = models.rate.sum("latent").values
    error = models.distortion.values * spectrum.total_variance
    active = (models.signal_fraction > 0.1).sum("latent").values
    numbers = {
        "kl": kl, "expected_kl": state.total_rate, "error": error, "expected_error": state.total_distortion
        * spectrum.total_variance, "variance": np.full(len(prices), spectrum.total_variance),
    }  # fmt: skip
    return [
        {"data": name, "network": network, "ratio": ratio, "seed": SEED, "latents": latents, "active": int(active[at])}
        | {"expected_active": int(state.active[at])}
        | {key: rounded(values[at]) for key, values in numbers.items()}
        for at, ratio in enumerate(PRICES)
    ]


def line(name: str, models: list[dict[str, Any]]) -> str:
    """Return a line of the README's table."""
    rate, error = (np.array([each[key] / each[f"expected_{key}"] for each in models]) for key in ("kl", "error"))
    low, high = np.quantile(rate, [0.25, 0.75])
    ends = [f"{values.min():.2f}–{values.max():.2f}" for values in (rate, error)]
    return f"| {name} | {ends[0]} | {low:.2f}–{high:.2f} | {ends[1]} |"


def table(models: list[dict[str, Any]]) -> str:
    """Return the README's table."""
    linear = [each for each in models if each["network"] == "linear"]
    head = "| | KL | half of them | error |\n|---|---|---|---|"
    networks = [each for each in models if each not in linear]
    return "\n".join([head, line("linear models", linear), line("networks", networks)])


def main() -> None:
    """Train and write."""
    found: list[dict[str, Any]] = []
    for name in SETS:
        for network in NETWORKS:
            found += trained(name, network)
            for each in found[-len(PRICES) :]:
                print(json.dumps(each), file=sys.stderr, flush=True)
    print(table(found))
    written("expected_kl.json", found, updates=UPDATES, learning_rate=RATE, prices=PRICES, latents=LATENTS)


if __name__ == "__main__":
    main()
