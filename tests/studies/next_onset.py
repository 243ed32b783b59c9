"""The second onset on WorldClim cells: by the codes of models with one latent, and by the rates of models with two.

    LANDAU_VAE_WORLDCLIM=FOLDER python tests/studies/next_onset.py     # ten minutes of two cores; into next_onset.json

60 000 cells, standardised; two hidden layers of 64, 10 000 updates, two seeds. The onset by codes is where Λ(T) = T,
on a line of ln Λ against ln T; that of the scan where a line through its
second rate between .05 and .3 nats meets zero.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np

import landau_vae as lv
from landau_vae.networks import next_latent_by_kernel
from landau_vae.training import Adam, Neural, trained_model

HERE = Path(__file__).parent
CELLS, READ, SEEDS = 60_000, 48_000, 2
ONE, TWO = (0.15, 0.13, 0.11), (0.16, 0.14, 0.12, 0.11, 0.1, 0.09, 0.08)


def crossing(temperature: np.ndarray, onset: np.ndarray) -> float:
    """Return where a line of ln Λ against ln T meets Λ = T."""
    slope, at = np.polyfit(np.log(temperature), np.log(onset), 1)
    return float(np.exp(at / (1 - slope)))


def main() -> None:
    """Measure and write."""
    cells = np.asarray(lv.datasets.worldclim_layers(os.environ["LANDAU_VAE_WORLDCLIM"]).cells, dtype=float)
    rows = cells[np.random.default_rng(0).choice(len(cells), CELLS, replace=False)]
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    total, how = rows.shape[1], Neural(hidden=(64, 64), updates=10_000, optimizer=Adam(1e-3))
    one = lv.scan(rows, ONE, latents=1, seeds=SEEDS, trainer=how, workers=2)
    two = lv.scan(rows, TWO, latents=2, seeds=SEEDS, trainer=how, workers=2)
    readings = []
    for T in ONE:
        for seed in range(SEEDS):
            mean, log_variance = trained_model(one, T, seed).encode(rows[:READ])
            found = next_latent_by_kernel(mean, np.exp(log_variance / 2), rows[:READ], np.arange(1), beside=True)
            numbers = (found.bulk, found.bulk_error, found.places, found.places_error)
            readings.append([T, seed, *(round(float(each) / total, 4) for each in numbers)])
    table = np.array(readings)
    bulk, places = (crossing(table[:, 0], table[:, column]) for column in (2, 4))
    error = float(np.mean(table[:, 3] / table[:, 2]))  # of ln Λ; seeds and prices share their rows
    scanned = lv.verification.onsets(two)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    record = {
        "commit": commit.stdout.strip(),
        "columns": ["T", "seed", "bulk", "error", "places", "error"], "readings": readings,
        "bulk": round(bulk, 4), "bulk_error": round(error, 3), "places": round(places, 4),
        "scan": round(float(scanned.begins[1]), 4), "scan_error": round(float(scanned.begins_error[1]), 4),
        "rates": [[T, *np.round(each, 4)] for T, each in zip(scanned.temperature, scanned.rate, strict=True)],
    }  # fmt: skip
    print(json.dumps(record))
    (HERE / "next_onset.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
