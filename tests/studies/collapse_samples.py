"""What another sample of rows says of the first collapse: six samples of 2 000 WorldClim cells.

`python tests/studies/collapse_samples.py` (two minutes; needs the layers) writes collapse_samples.json.
"""

import numpy as np
from record import rounded, written

import landau_vae as lv

SAMPLES, ROWS, DEGREE = 6, 2000, 6
PRICES = (0.8, 1.0, 1.1)


def one(cells: np.ndarray, seed: int) -> dict[str, object]:
    """Return rate and gain at some τ/λ₁, and the two places, of one sample."""
    chosen = np.random.default_rng([seed, 23]).choice(len(cells), ROWS, replace=False)
    found = lv.networks.first_collapse(cells[chosen], order=DEGREE)
    states = found.stable
    at = {
        f"{name} at {price:g}": float(np.interp(price, states.price, values, right=0.0))
        for name, values in (("rate", states.rate), ("loss", states.loss))
        for price in PRICES
    }
    places = {"maxwell": found.maxwell.price, "error": found.maxwell.error, "spinodal": found.spinodal.price}
    return {"seed": seed, **at, **places, "ended": found.ended, "change": found.change}


def main() -> None:
    """Solve for each sample, and write the record."""
    cells = np.asarray(lv.datasets.worldclim_layers().cells, dtype=float)
    cells = (cells - cells.mean(axis=0)) / cells.std(axis=0)
    samples = [one(cells, seed) for seed in range(SAMPLES)]
    rows = [{name: rounded(value) for name, value in sample.items()} for sample in samples]
    written("collapse_samples.json", rows, sample=ROWS, degree=DEGREE)
    for name in samples[0]:
        values = np.array([sample[name] for sample in samples], dtype=float)
        print(f"{name:12} {values.mean():.4f} ± {values.std(ddof=1):.4f}")


if __name__ == "__main__":
    main()
