"""Train networks with one latent around the first collapse, warmed up and fresh, and compare with the free decoder.

python tests/studies/collapse.py train [NAME …]      # 20 minutes of one core; resumes; into collapse.json

A warm network starts from the one of its seed that was trained at 0.8 λ₁; a fresh one from random weights. The gain
F − F₀ of a network is its own loss on its training rows, averaged over the noise by quadrature.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from collapse_sets import PRICES, SETS, rows
from record import HERE, read, rounded, written

import landau_vae as lv
from landau_vae.training.network import Network

RECORD = "collapse.json"
BEFORE = 0.8  # λ₁: the price at which warm networks have been trained before
SEEDS = (0, 1, 2)
HIDDEN, UPDATES = (64, 64), 4000
NODES = 24  # of the quadrature over the noise; with 48 no gain changes by 1e-6 λ₁


def trainer(hidden: tuple[int, ...] = HIDDEN, updates: int = UPDATES) -> lv.training.Neural:
    """Return the trainer of the study: Adam at 1e-3, with a cosine, batches of 256."""
    return lv.training.Neural(hidden=hidden, updates=updates)


def measured(x: np.ndarray, price: float, network: Network, flat: np.ndarray) -> tuple[float, float, float]:
    """Return (F − F₀)/λ₁, rate and M² of a network with one latent on its rows; the noise is integrated out."""
    weights = network.weights(np.asarray(flat, float))
    mean, log_variance = network.encode(weights, x)
    variance = np.exp(log_variance)
    node, share = np.polynomial.hermite_e.hermegauss(NODES)
    error = sum(
        p * np.square(x - network.decode(weights, mean + np.sqrt(variance) * e)).sum(axis=1).mean()
        for e, p in zip(node, share / share.sum(), strict=True)
    )
    rate = 0.5 * float(np.mean(mean**2 + variance - 1 - log_variance))
    gain = (error - np.square(x).sum(axis=1).mean()) / 2 + price * rate
    square = float(np.mean(mean**2))
    return float(gain / threshold(x)), rate, square / (square + float(variance.mean()))


def threshold(x: np.ndarray) -> float:
    """Return λ₁ of centred rows."""
    return float(np.linalg.eigvalsh(x.T @ x / len(x))[-1])


def networks(
    name: str, ratios: tuple[float, ...], kinds: tuple[str, ...] = ("warm", "fresh"), **settings: Any
) -> Iterator[dict[str, Any]]:
    """Train networks at these prices, from all seeds, and yield what is measured on each.

    Each price is a scan of its own: a seed's fresh networks start from the same weights.
    """
    x, neural = rows(name), trainer(**settings)
    network, unit = neural.network(x.shape[1], 1), threshold(x)
    share = unit / np.square(x).sum(axis=1).mean()
    before: Any = None
    for kind in kinds:
        if kind == "warm":
            before = lv.scan(x, [BEFORE * share], latents=1, seeds=SEEDS, trainer=neural)
        for ratio in ratios:
            start = before if kind == "warm" else "fresh"
            found = lv.scan(x, [ratio * share], latents=1, seeds=SEEDS, trainer=neural, start=start)
            for seed, flat in zip(found.seed.values.tolist(), found.network.values[:, 0], strict=True):
                gain, rate, fraction = measured(x, ratio * unit, network, flat)
                yield {
                    "data": name, "start": kind, "ratio": ratio, "seed": seed,
                    "gain": rounded(gain), "rate": rounded(rate), "signal_fraction": rounded(fraction),
                }  # fmt: skip


def train(names: list[str]) -> None:
    """Train what the record lacks, and write it after each set."""
    kept = read(RECORD)["models"] if (HERE / RECORD).exists() else []
    for name in names:
        done = {(each["data"], each["ratio"]) for each in kept}
        if open_prices := tuple(ratio for ratio in PRICES[name] if (name, ratio) not in done):
            kept += networks(name, open_prices)
            kept.sort(key=lambda each: [list(PRICES).index(each["data"]), *(each[k] for k in ("start", "ratio", "seed"))])
            written(RECORD, kept)
            print(name, len(kept), flush=True)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["train"])
    parser.add_argument("names", nargs="*", default=SETS)
    chosen = parser.parse_args()
    train(chosen.names)


if __name__ == "__main__":
    main()
