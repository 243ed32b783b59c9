"""How often noise alone has modes above the noise floor, and how often signals are found, by the law of the noise.

    python tests/studies/noise_tails.py             # three minutes of one core; into noise_tails.json

`normal_floor` is what the floor of noise with normal tails alone would say: all shares are of the same samples. Noise
has the same variance in all directions. A signal is one normal direction of so many times the critical variance, or one
that a tenth of the rows has (1 of 10 rows, in normal noise), and is found if a mode above the floor has at least half
of its square in that direction.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from record import rounded, written

import landau_vae as lv

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
OWN = 0x7461696C
NORMAL, CLUSTER = "normal", "1 of 10 rows"
SHAPES = ((20, 10), (200, 20), (1000, 10), (100, 200), (50, 50), (400, 100), (2000, 100))
SIGNAL_SHAPES = ((50, 50), (200, 20), (1000, 10), (100, 200), (400, 100))
MULTIPLES = {
    "normal": (1.5, 2.5, 4, 8),
    CLUSTER: (4, 8, 16, 32),
    "t5": (4, 8, 16),
    "lengths t5": (8, 16, 32),
    "t3": (8, 16, 32),
}
DRAWS, SIGNAL_DRAWS = 200, 200


def lengths(freedom: float) -> Draw:
    """Return normal rows whose lengths vary so that they are multivariate t."""
    return lambda rng, size: rng.standard_normal(size) * np.sqrt(freedom / rng.chisquare(freedom, (size[0], 1)))


def standardised(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Return columns of t with four degrees of freedom and six decades of units, each in its own deviation."""
    x = rng.standard_t(4, size) * np.geomspace(1e-3, 1e3, size[1])
    return (x - x.mean(axis=0)) / x.std(axis=0)


LAWS: dict[str, Draw] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "uniform": lambda rng, size: rng.uniform(-1, 1, size),
    "Laplace": lambda rng, size: rng.laplace(size=size),
    "gamma(½)": lambda rng, size: rng.gamma(0.5, size=size),
    "lognormal": lambda rng, size: np.exp(rng.standard_normal(size)),
    "t10": lambda rng, size: rng.standard_t(10, size),
    "t5": lambda rng, size: rng.standard_t(5, size),
    "t4": lambda rng, size: rng.standard_t(4, size),
    "t3": lambda rng, size: rng.standard_t(3, size),
    "t2": lambda rng, size: rng.standard_t(2, size),
    "lengths t10": lengths(10),
    "lengths t5": lengths(5),
    "lengths t3": lengths(3),
    "1 of 50 rows × 5": lambda rng, size: rng.standard_normal(size) * np.where(rng.random((size[0], 1)) < 0.02, 5, 1),
    "1 of 100 numbers × 8": lambda rng, size: rng.standard_normal(size) * np.where(rng.random(size) < 0.01, 8, 1),
    "1 of 20 is one": lambda rng, size: (rng.random(size) < 0.05) + 1e-3 * rng.standard_normal(size),
    "standardised t4": standardised,
}


def of_noise(law: str, n: int, d: int, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Return the share of samples of noise with a mode above the floor."""
    rng, found = np.random.default_rng((seed, OWN, n, d, *law.encode())), np.zeros(4)
    for _ in range(draws):
        floor = lv.numeric.noise_floor(lv.Spectrum.from_data(LAWS[law](rng, (n, d))))
        above, warned = floor.modes > 0, floor.caveat is not None
        found += floor.spectrum.eigenvalues[0] > floor.normal_price, above, above and not warned, warned
    shares = dict(zip(("normal_floor", "above", "silent", "caveat"), rounded(found / draws), strict=True))
    return {"law": law, "n": n, "d": d, "draws": draws} | shares


def of_signal(law: str, n: int, d: int, multiple: float, draws: int = SIGNAL_DRAWS, seed: int = 0) -> dict[str, Any]:
    """Return the share of samples in which a signal of so many critical variances is found."""
    rng, found = np.random.default_rng((seed, OWN, n, d, *law.encode(), int(10 * multiple))), np.zeros(3)
    deviation = {"t5": 5 / 3, "lengths t5": 5 / 3, "t3": 3.0}.get(law, 1.0) ** 0.5
    for _ in range(draws):
        direction = rng.standard_normal(d)
        direction /= np.linalg.norm(direction)
        rows = LAWS[NORMAL if law == CLUSTER else law](rng, (n, d)) / deviation
        scores = (rng.random(n) < 0.1) / 0.3 if law == CLUSTER else rng.standard_normal(n)
        rows += np.outer(scores * multiple**0.5 * (d / n) ** 0.25, direction)
        floor = lv.numeric.noise_floor(lv.Spectrum.from_data(rows))
        lam, vectors = floor.spectrum.eigenvalues, floor.spectrum.vectors
        same = np.square(direction @ vectors) >= 0.5
        found += np.any(same & (lam > floor.normal_price)), np.any(same & (lam > floor.price)), floor.caveat is not None
    shares = dict(zip(("normal_floor", "found", "caveat"), rounded(found / draws), strict=True))
    return {"law": law, "n": n, "d": d, "signal": multiple, "draws": draws} | shares


def table(rows: list[dict[str, Any]]) -> str:
    """Return the worst shares of each law, and of each strength of a signal the least, in per cent."""
    lines = ["| law | normal floor | floor | silent |", "|---|---|---|---|"]
    for law in LAWS:
        noise = [row for row in rows if row["law"] == law and "signal" not in row]
        ends = (f"{min(row['normal_floor'] for row in noise):.1%} … {max(row['normal_floor'] for row in noise):.1%}",)
        lines.append(
            " | ".join((f"| {law}", *ends, *(f"{max(r[k] for r in noise):.1%}" for k in ("above", "silent")))) + " |"
        )
    lines += ["", "| signal in noise | normal floor | floor |", "|---|---|---|"]
    for law, multiples in MULTIPLES.items():
        for multiple in multiples:
            same = [row for row in rows if row["law"] == law and row.get("signal") == multiple]
            ends = (f"{min(r[k] for r in same):.1%} … {max(r[k] for r in same):.1%}" for k in ("normal_floor", "found"))
            lines.append(f"| {law} × {multiple:g} | " + " | ".join(ends) + " |")
    return "\n".join(lines)


def main() -> None:
    """Draw, print, write."""
    rows: list[dict[str, Any]] = []
    for law in LAWS:
        rows += [of_noise(law, *shape) for shape in SHAPES]
        print(*map(json.dumps, rows[-len(SHAPES) :]), sep="\n", file=sys.stderr, flush=True)
    for law, multiples in MULTIPLES.items():
        rows += [of_signal(law, *shape, multiple) for shape in SIGNAL_SHAPES for multiple in multiples]
        print(*map(json.dumps, rows[-len(SIGNAL_SHAPES) * len(multiples) :]), sep="\n", file=sys.stderr, flush=True)
    print(table(rows))
    written("noise_tails.json", rows, draws=DRAWS, signal_draws=SIGNAL_DRAWS)


if __name__ == "__main__":
    main()
