"""The climate that `landau-vae reproduce` runs on: shipped statistics, or the cells of the user's own layers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landau_vae.display import Array, table
from landau_vae.errors import InputError
from landau_vae.spectrum.spectrum import Spectrum

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["Climate", "check_blocks", "held_out_table", "measure_held_out", "of_layers", "shipped"]

PARTS = ("validation", "test")
FRACTIONS = (0.8, 0.1, 0.1)  # of the cells: training, validation, test
SPLIT = 0  # seed of the order of the blocks


@dataclass(frozen=True, eq=False)
class Climate:
    """What is trained on, and how to call it."""

    spectrum: Spectrum  #: of the cells that are trained on
    heading: str  #: which cells, how counted
    about: dict[str, Any]  #: the same for `--json`
    held_out: Mapping[str, Array] = field(default_factory=dict)  #: part → ⟨(x − x̄)(x − x̄)ᵀ⟩ about the training mean


def shipped(*, weighted: bool) -> Climate:
    """All land, by the statistics that come with the package."""
    from landau_vae import datasets

    climate = datasets.worldclim(weighted=weighted)
    heading = f"WorldClim 2.1, {climate.cells} land cells, {_variables(len(climate.names), weighted)}"
    return Climate(climate.spectrum(), heading, {"area_weighted": weighted, "cells": climate.cells})


def of_layers(folder: Path, block_km: float | None, *, weighted: bool) -> Climate:
    """All cells of the layers in a folder; with `block_km`, those of a training part made of whole blocks."""
    from landau_vae import datasets

    layers = datasets.worldclim_layers(folder)
    count, variables = len(layers.cells), _variables(len(layers.names), weighted)
    about = {"layers": str(folder), "area_weighted": weighted, "cells": count}
    heading = f"WorldClim 2.1, {count} land cells of the layers in {folder}, {variables}"
    if block_km is None:
        return Climate(layers.spectrum(weighted=weighted), heading, about)
    split = layers.split(FRACTIONS, block_km=block_km, seed=SPLIT)
    parts = {"training": split.training, "validation": split.validation, "test": split.test}
    counted = ", ".join(
        f"{name} {len(rows)} cells in {blocks}"
        for (name, rows), blocks in zip(parts.items(), split.blocks, strict=True)
    )
    heading += f"\nwhole blocks of {split.block_area**0.5:.2f}² km²: {counted}; all on the scale of the training part"
    about |= {"block_km2": split.block_area, "blocks": dict(zip(parts, split.blocks, strict=True))}
    about["parts"] = {name: len(rows) for name, rows in parts.items()}
    training = layers.take(split.training)
    own = training.moments(weighted=weighted)
    scale = np.sqrt(own.variance)
    held_out = {}
    for name in PARTS:
        moments = layers.take(parts[name]).moments(weighted=weighted)
        step = moments.mean - own.mean
        held_out[name] = (moments.covariance + np.outer(step, step)) / np.outer(scale, scale)
    return Climate(training.spectrum(weighted=weighted), heading, about, held_out)


def measure_held_out(climate: Climate, models: "Dataset") -> None:
    """Add to the models their distortion of each held-out part, as a share of the training part's variance."""
    from landau_vae.training.linear_vae import LinearVAE

    total = climate.spectrum.total_variance
    price = models.temperature.values * total
    weights = models.decoder.values, models.encoder.values, models.posterior_variance.values
    for part, second in climate.held_out.items():
        lost = LinearVAE(second, price, *weights).distortion / total
        about = {"long_name": f"distortion of the {part} part, as a share of the training part's total variance"}
        models[f"{part}_distortion"] = (("seed", "temperature"), lost, about | {"units": "1"})


def held_out_table(climate: Climate, models: "Dataset") -> str:
    """Distortion of the parts, once a decade."""
    temperature = models.temperature.values
    decades = range(round(float(np.log10(temperature.max()))), int(np.floor(np.log10(temperature.min()))) - 1, -1)
    nearest = dict.fromkeys(int(np.argmin(np.abs(np.log(temperature) - np.log(10.0) * decade))) for decade in decades)
    lost = [models["distortion"], *(models[f"{part}_distortion"] for part in climate.held_out)]
    rows = [[f"{temperature[at]:.3g}", *(f"{float(each[0, at]):.4g}" for each in lost)] for at in nearest]
    header = ["T", "training", *climate.held_out]
    return "distortion, as a share of the training part's variance\n" + table(header, rows)


def check_blocks(layers: Path | None, block_km: float | None) -> None:
    """Blocks need cells."""
    if block_km is not None and layers is None:
        raise InputError(
            "--blocks splits cells, and the shipped statistics have none: name the folder of the layers (--layers DIR)."
        )


def _variables(count: int, weighted: bool) -> str:
    return f"{count} standardised bioclimatic variables{', weighted by area' if weighted else ''}"
