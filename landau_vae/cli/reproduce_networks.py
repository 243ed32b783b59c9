"""`landau-vae reproduce --neural`: networks on the cells of WorldClim layers, after J. Hirn, arXiv:2608.10599.

19 variables, standardised on a training part of whole blocks; cells drawn in proportion to
their area; SiLU layers of width 64, 32 latents, each temperature from random weights; all
measurements on the test part.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import landau_vae as lv
from landau_vae.cli.program import say, say_written
from landau_vae.display import Array

if TYPE_CHECKING:
    from landau_vae.datasets import Layers
    from landau_vae.training import TrainingSet

WIDTH, LATENTS, BATCH, BIAS = 64, 32, 256, -4.0
FIRST, IDENTITY = 4, 0.95  # onsets that must be resolved, and the least R² about the diagonal


@dataclass(frozen=True)
class Budget:
    """How much is trained."""

    points: int  #: temperatures from 1 to `coldest`, equally spaced in log T
    coldest: float
    updates: int  #: of each model
    learning_rate: float  #: of Adam
    falls: bool  #: whether the learning rate falls to 0, along a cosine
    limits: str  #: what it cannot resolve


BUDGETS = {
    "quick": Budget(
        25, 3e-4, 20_000, 1e-3, True,
        "Quick: onsets below T = 0.01, and effective dimensions below 1 %, need --budget full.",
    ),
    "full": Budget(121, 1e-6, 200_000, 3e-4, False, "Full: the grid of arXiv:2608.10599."),
}  # fmt: skip


def reproduce_networks(
    folder: Path, block_km: float, budget: str, depth: int, seed: int, workers: int, output: Path | None, as_json: bool
) -> int:
    """Train networks at every temperature of a budget and say what they resolve."""
    chosen = BUDGETS[budget]
    trainer = lv.training.Neural(
        hidden=(WIDTH,) * depth,
        updates=chosen.updates,
        batch=BATCH,
        optimizer=lv.training.Adam(chosen.learning_rate),
        learning_rate=lv.training.cosine(0.0 if chosen.falls else 1.0),
        log_variance=BIAS,
        measured_on="test",
    )  # before the layers are read: it needs JAX
    if output is not None:
        lv.report.make_folder(output)
    data, about = climate_parts(lv.datasets.worldclim_layers(folder), block_km)
    models = lv.scan(
        data,
        np.geomspace(1, chosen.coldest, chosen.points),
        latents=LATENTS,
        seeds=[seed],
        trainer=trainer,
        workers=workers,
        folder=None if output is None else output / "models",
        progress=True,
    )
    found = lv.verification.onsets(models, data.spectrum)
    if as_json:
        about |= {"budget": budget, "limits": chosen.limits, "depth": depth, "seed": seed}
        say({"data": "WorldClim 2.1", **about, **found.to_dict()})
    else:
        say(
            f"{about['heading']}\n{chosen.points} networks of {depth} × {WIDTH} SiLU units and {LATENTS} latents, "
            f"T = 1 … {chosen.coldest:g}, {chosen.updates} updates from random weights; measured on the test part\n"
            f"{chosen.limits}\n\n{found.summary()}"
        )
    if output is not None:
        say_written(output, *lv.report.write_onsets(output, found))
    return 0 if found.resolved[:FIRST].all() and found.identity >= IDENTITY else 1


def climate_parts(layers: "Layers", block_km: float) -> "tuple[TrainingSet, dict[str, Any]]":
    """Return training, validation and test part, made of whole blocks, on the scale of the training part."""
    split = layers.split(block_km=block_km)
    parts = {name: layers.take(getattr(split, name)) for name in ("training", "validation", "test")}
    sizes = {name: len(part.cells) for name, part in parts.items()}
    spectrum = parts["training"].spectrum(weighted=True)
    assert spectrum.mean is not None
    assert spectrum.scale is not None
    rows = {name: (part.cells - spectrum.mean) / spectrum.scale for name, part in parts.items()}
    weights: dict[str, Array] = {name: part.weights for name, part in parts.items()}
    first = rows.pop("training"), weights.pop("training")
    counted = ", ".join(f"{name} {size} cells" for name, size in sizes.items())
    heading = f"WorldClim 2.1, blocks of {split.block_area**0.5:.0f} km, cells weighted by area: {counted}"
    about = {"heading": heading, "block_km2": split.block_area, "parts": sizes}
    return lv.training.TrainingSet(spectrum, *first, held_out=rows, held_out_weights=weights), about
