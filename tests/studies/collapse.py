"""Train networks with one latent around the first collapse, warmed up and fresh, and compare with the free decoder.

python tests/studies/collapse.py train [NAME …]     # 25 minutes of one core; resumes; into collapse.json
python tests/studies/collapse.py larger [NAME …]    # 15 minutes: longer and wider networks; into collapse_larger.json

A warm network starts from the one of its seed that was trained at 0.8 λ₁; a fresh one from random weights. Its F − F₀
is its own loss on its training rows, averaged over the noise by quadrature.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from collapse_sets import PRICES, SETS, rows
from record import HERE, read, rounded, written

import landau_vae as lv
from landau_vae.training.network import Network

RECORD, LARGER_RECORD = "collapse.json", "collapse_larger.json"
BEFORE = 0.8  # λ₁: the price at which warm networks have been trained before
SEEDS = (0, 1, 2)
HIDDEN, UPDATES = (64, 64), 4000
NODES = 24  # of the quadrature over the noise; with 48 no loss changes by 1e-6 λ₁


#: Longer or wider networks, warmed up: what is changed, and the prices.
LARGER: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
    "worldclim": ({"updates": 16_000}, (1.0, 1.05, 1.1, 1.15)),
    "terrain": ({"updates": 16_000}, (1.0, 1.02, 1.05)),
    "clusters": ({"hidden": (256, 256)}, (1.25, 1.5, 1.6, 1.7, 1.8)),
}


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
    loss = (error - np.square(x).sum(axis=1).mean()) / 2 + price * rate
    square = float(np.mean(mean**2))
    return float(loss / threshold(x)), rate, square / (square + float(variance.mean()))


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
                loss, rate, fraction = measured(x, ratio * unit, network, flat)
                yield {
                    "data": name, "start": kind, "ratio": ratio, "seed": seed,
                    "loss": rounded(loss), "rate": rounded(rate), "signal_fraction": rounded(fraction),
                }  # fmt: skip


def train(names: list[str]) -> None:
    """Train what the record lacks, and write it after each set."""
    kept = read(RECORD)["models"] if (HERE / RECORD).exists() else []
    for name in names:
        done = {(each["data"], each["ratio"]) for each in kept}
        if open_prices := tuple(ratio for ratio in PRICES[name] if (name, ratio) not in done):
            kept += networks(name, open_prices)
            kept.sort(
                key=lambda each: [list(PRICES).index(each["data"]), *(each[k] for k in ("start", "ratio", "seed"))]
            )
            written(RECORD, kept)
            print(name, len(kept), flush=True)


def larger(names: list[str]) -> None:
    """Train longer and wider networks, and write them after each set."""
    kept = read(LARGER_RECORD)["models"] if (HERE / LARGER_RECORD).exists() else []
    for name in [name for name in names if name in LARGER]:
        change, prices = LARGER[name]
        kept = [each for each in kept if each["data"] != name]
        kept += [each | change for each in networks(name, prices, ("warm",), **change)]
        written(LARGER_RECORD, kept)
        print(name, len(kept), flush=True)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["train", "larger"])
    parser.add_argument("names", nargs="*", default=SETS)
    chosen = parser.parse_args()
    {"train": train, "larger": larger}[chosen.command](chosen.names)


if __name__ == "__main__":
    main()
