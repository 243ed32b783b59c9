"""How often 95 % intervals of the population's λ and λ/V hold it, and where none are given.

    python tests/studies/interval_coverage.py              # 10 minutes of one core; into interval_coverage.json

Tables of independent rows in general position: seven laws, four spectra, 2 to 100 columns, half a row to fifty rows a
column; standardised or not; the delta method, blocks of four rows, the bootstrap. Of each: the share of modes with an
interval, the share of these that hold the population's, and how often a caveat is given that names the rows.
"""

import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from record import rounded, written

import landau_vae as lv

LAWS = {
    "normal": lambda rng, n, d: rng.standard_normal((n, d)),
    "t5": lambda rng, n, d: rng.standard_t(5, (n, d)) / np.sqrt(5 / 3),
    "t3": lambda rng, n, d: rng.standard_t(3, (n, d)) / np.sqrt(3),
    "joint t5": lambda rng, n, d: rng.standard_normal((n, d)) / np.sqrt(rng.chisquare(5, (n, 1)) / 3),
    "joint t3": lambda rng, n, d: rng.standard_normal((n, d)) / np.sqrt(rng.chisquare(3, (n, 1))),
    "lognormal": lambda rng, n, d: (np.exp(rng.standard_normal((n, d))) - np.exp(0.5)) / np.sqrt(np.e * (np.e - 1)),
    "bimodal": lambda rng, n, d: (np.sign(rng.standard_normal((n, d))) + 0.2 * rng.standard_normal((n, d))) / 1.04**0.5,
}
SPECTRA = {
    "flat": lambda k: np.ones(len(k)),
    "spikes": lambda k: np.where(k < min(3, max(1, len(k) // 3)), 1 + 20 * 0.5**k, 1.0),
    "decay": lambda k: (0.5 if len(k) <= 12 else 0.9) ** k,
    "power": lambda k: 1 / (1 + k),
}
COLUMNS, RATIOS = (2, 10, 40, 100), (0.5, 2, 4, 8, 20, 50)
MOST_ROWS, DRAWS, REPLICATIONS, ROUNDING = 800, 40, 200, 1e-9


@dataclass(frozen=True)
class Cell:
    """One kind of table, and how its intervals are made."""

    law: str
    spectrum: str
    columns: int
    rows: int
    method: str = "delta"  # or "standardized", "blocks", "bootstrap"
    draws: int = DRAWS


def cells() -> Iterator[Cell]:
    """Yield all cells: every law by the delta method, fewer by the others."""
    for law in LAWS:
        for spectrum in SPECTRA:
            for columns in COLUMNS:
                for rows in (round(ratio * columns) for ratio in RATIOS):
                    if 3 <= rows <= MOST_ROWS:
                        yield Cell(law, spectrum, columns, rows)
    for law in ("normal", "t3", "lognormal"):
        for spectrum in ("spikes", "decay"):
            for columns, rows in ((2, 40), (2, 100), (10, 40), (10, 200), (40, 320)):
                for method in ("standardized", "blocks", "bootstrap"):
                    yield Cell(law, spectrum, columns, rows, method)


def table(cell: Cell, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return rows in general position, and the eigenvalues of their population."""
    values = np.sort(SPECTRA[cell.spectrum](np.arange(cell.columns)))[::-1]
    basis = np.linalg.qr(rng.standard_normal((cell.columns, cell.columns)))[0]
    rows = LAWS[cell.law](rng, cell.rows, cell.columns) @ (basis * np.sqrt(values)).T
    if cell.method != "standardized":
        return rows, values
    covariance = (basis * values) @ basis.T
    scale = np.sqrt(covariance.diagonal())
    return rows, np.linalg.eigvalsh(covariance / np.outer(scale, scale))[::-1]


def intervals(cell: Cell, rows: np.ndarray, seed: int) -> lv.intervals.Uncertainty:
    """Return the intervals of a table by the cell's method."""
    if cell.method == "bootstrap":
        return lv.intervals.bootstrap(rows, replications=REPLICATIONS, seed=seed)
    if cell.method == "blocks":  # each row four times, a little changed
        return lv.uncertainty(np.repeat(rows, 4, axis=0), blocks=4)
    return lv.uncertainty(rows, standardize=cell.method == "standardized")


def measured(cell: Cell) -> dict[str, Any]:
    """Return what the intervals of a cell do."""
    rng = np.random.default_rng(zlib.crc32(repr(cell).encode()))
    given, held, said, modes = np.zeros(2), np.zeros(2), 0, 0
    for draw in range(cell.draws):
        rows, values = table(cell, rng)
        found = intervals(cell, rows, draw)
        mean = np.add.reduceat(values[: found.spectrum.modes], found.mode - 1) / found.multiplicity
        for at, (estimate, truth) in enumerate(((found.eigenvalue, mean), (found.share, mean / values.sum()))):
            known = np.isfinite(estimate.low)
            inside = (estimate.low <= truth * (1 + ROUNDING)) & (truth <= estimate.high * (1 + ROUNDING))
            given[at] += found.multiplicity @ known
            held[at] += found.multiplicity @ (known & inside)
        modes += found.spectrum.modes
        said += bool(found.caveats)
    with np.errstate(invalid="ignore"):
        covered = held / given
    names = {"given": given[0] / modes, "lambda": covered[0], "share": covered[1], "caveats": said / cell.draws}
    return asdict(cell) | {name: rounded(value) for name, value in names.items()}


def main() -> None:
    """Measure and write."""
    found = []
    for cell in cells():
        found.append(measured(cell))
        print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    written("interval_coverage.json", found)


if __name__ == "__main__":
    main()
