"""`landau-vae reproduce --neural`: networks on the cells of WorldClim layers, after J. Hirn, arXiv:2608.10599.

19 variables, standardised on a training part of whole 500 km blocks; cells drawn in proportion to their area; SiLU
layers of width 64, 32 latents, each temperature from random weights; all measurements on the test part.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landau_vae.cli.program import say
from landau_vae.display import Array
from landau_vae.training.training_set import TrainingSet

if TYPE_CHECKING:
    from landau_vae.datasets import Layers
    from landau_vae.verification import Onsets

WIDTH, LATENTS, BATCH, BIAS = 64, 32, 256, -4.0


@dataclass(frozen=True)
class Budget:
    """How much is trained."""

    points: int  #: temperatures from 1 to `coldest`, equally spaced in log T
    coldest: float
    updates: int  #: of each model
    learning_rate: float  #: of Adam, constant in "full" as in the paper, else falling to 0
    says: str  #: what it cannot resolve


BUDGETS = {
    "quick": Budget(
        25, 3e-4, 20_000, 1e-3,
        "Quick: 25 temperatures down to 3e-4, 20 000 updates each. Onsets below about 5e-3, and effective dimensions "
        "below 1 %, need --budget full.",
    ),
    "full": Budget(121, 1e-6, 200_000, 3e-4, "Full: 121 temperatures down to 1e-6, 200 000 updates each."),
}  # fmt: skip


def reproduce_networks(
    folder: Path, block_km: float, budget: str, depth: int, seed: int, workers: int, output: Path | None
) -> "tuple[Onsets, str, dict[str, Any]]":
    """Train networks at every temperature of a budget; return what they resolve, a heading, and what was done."""
    from landau_vae import datasets, scan
    from landau_vae.training import Adam, Neural
    from landau_vae.training.schedules import CONSTANT, cosine
    from landau_vae.verification import onsets

    chosen = BUDGETS[budget]
    data, about = climate_parts(datasets.worldclim_layers(folder), block_km)
    trainer = Neural(
        hidden=(WIDTH,) * depth,
        updates=chosen.updates,
        batch=BATCH,
        optimizer=Adam(chosen.learning_rate),
        learning_rate=CONSTANT if budget == "full" else cosine(),
        log_variance=BIAS,
        measured_on="test",
    )
    grid = np.geomspace(1, chosen.coldest, chosen.points)
    kept = None if output is None else output / "models"
    options: dict[str, Any] = {"latents": LATENTS, "seeds": [seed], "trainer": trainer, "workers": workers}
    models = scan(data, grid, folder=kept, progress=True, **options)
    heading = (
        f"{about['heading']}\n{chosen.points} β-VAEs of {depth} × {WIDTH} SiLU units and {LATENTS} latents, each from "
        f"random weights; measured on the test part\n{chosen.says}"
    )
    return onsets(models, data.spectrum), heading, about | {"budget": budget, "depth": depth, "seed": seed}


def climate_parts(layers: "Layers", block_km: float) -> tuple[TrainingSet, dict[str, Any]]:
    """Return training, validation and test part, made of whole blocks, on the scale of the training part."""
    split = layers.split(block_km=block_km)
    parts = {name: layers.take(getattr(split, name)) for name in ("training", "validation", "test")}
    sizes = {name: len(part.cells) for name, part in parts.items()}
    spectrum = parts["training"].spectrum(weighted=True)
    rows = {name: (part.cells - spectrum.mean) / spectrum.scale for name, part in parts.items()}
    weights: dict[str, Array] = {name: part.weights for name, part in parts.items()}
    first = rows.pop("training"), weights.pop("training")
    counted = ", ".join(f"{name} {size} cells" for name, size in sizes.items())
    heading = f"WorldClim 2.1, blocks of {split.block_area**0.5:.0f} km, weighted by area: {counted}"
    about = {"heading": heading, "block_km2": split.block_area, "parts": sizes}
    return TrainingSet(spectrum, *first, held_out=rows, held_out_weights=weights), about


def show(found: "Onsets", heading: str) -> None:
    """Print what was resolved."""
    say(f"{heading}\n\n{found.summary()}")
