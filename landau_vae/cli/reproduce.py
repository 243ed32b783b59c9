"""`landau-vae reproduce`: predict, train and compare on the climate of all land.

The climate is that of shipped statistics, or of the cells of the user's own WorldClim layers; with
--blocks the models are trained on a part made of whole spatial blocks, and their distortion of the
other parts is measured too. With --neural they are networks, after the follow-up paper.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

import landau_vae as lv
from landau_vae.checks import Range
from landau_vae.cli.program import AGREEMENT, AsJson, command, in_data, in_training, option, say, say_written
from landau_vae.cli.reproduce_networks import reproduce_networks
from landau_vae.display import Array, Column, Table
from landau_vae.errors import InputError

if TYPE_CHECKING:
    from xarray import Dataset

NETWORKS = "Networks"
COLDEST = 1e-9  # below it rounding keeps the linear trainer from its tolerance
MOST_POINTS, MOST_LATENTS = 100_000, 1000  # 121 models of 1000 latents take two minutes


@command
def reproduce(
    points: Annotated[int | None, Range(2, MOST_POINTS), in_training("Temperatures, evenly in log T (121)")] = None,
    coldest: Annotated[float | None, Range(COLDEST, below=1), in_training("Lowest T (1e-6)")] = None,
    latents: Annotated[int | None, Range(1, MOST_LATENTS), in_training("Number of latents K (19)")] = None,
    seed: Annotated[int, Range(0), in_training("Seed of the random starts (0)")] = 0,
    tolerance: Annotated[float | None, Range(above=0), option(AGREEMENT, panel="Comparison")] = None,
    area_weighted: Annotated[bool, in_data("Weigh cells by their area", "--area-weighted")] = False,
    layers: Annotated[Path | None, in_data("Folder of WorldClim layers, to use their cells")] = None,
    blocks: Annotated[float | None, Range(1, 10_000), in_data("Split these by blocks of so many km (500)")] = None,
    neural: Annotated[bool, option("Train networks on the layers' cells", "--neural", panel=NETWORKS)] = False,
    budget: Annotated[Literal["quick", "full"] | None, option("quick: minutes; full: a night", panel=NETWORKS)] = None,
    depth: Annotated[int | None, Range(1, 64), option("Hidden layers of each half (4)", panel=NETWORKS)] = None,
    workers: Annotated[int | None, Range(1), option("Processes that train networks (all)", panel=NETWORKS)] = None,
    as_json: AsJson = False,
    output: Annotated[Path | None, option("Folder for figures, numbers, models; networks resume in it")] = None,
) -> int:
    """Predict, train and compare on the climate of all land (WorldClim 2.1)."""
    linear = {"points": points, "coldest": coldest, "latents": latents, "tolerance": tolerance}
    networks = {"budget": budget, "depth": depth, "workers": workers}
    if unused := [name for name, value in (linear if neural else networks).items() if value is not None]:
        mend = "leave it or --neural out" if neural else "add --neural, or leave it out"
        raise InputError(f"--{unused[0]} is an option of {'linear models' if neural else 'networks'} only: {mend}.")
    if neural:
        if layers is None:
            raise InputError(
                "--neural trains on cells, but no cells are given: name the folder of the layers (--layers DIR)."
            )
        return reproduce_networks(
            layers, blocks or 500.0, budget or "quick", depth or 4, seed, workers or -1, output, as_json
        )
    if blocks is not None and layers is None:
        raise InputError("--blocks splits cells, but no cells are given: name the folder of the layers (--layers DIR).")
    points, coldest, latents, tolerance = points or 121, coldest or 1e-6, latents or 19, tolerance or 0.01
    if output is not None:
        lv.report.make_folder(output)  # before the work, not after it
    climate = _climate(layers, blocks, area_weighted)
    spectrum = climate.spectrum
    models = lv.scan(spectrum, np.geomspace(1, coldest, points), latents=latents, seeds=(seed,), progress=True)
    _measure_held_out(climate, models)
    result = lv.verify(models, spectrum, tolerance=tolerance)
    if as_json:
        held_out = {f"{part}_distortion": models[f"{part}_distortion"].values[0] for part in climate.held_out}
        say({"data": "WorldClim 2.1", **climate.description, **result.to_dict(), **held_out})
    else:
        say(
            f"{climate.heading}\n"
            f"{points} linear Gaussian β-VAEs with {latents} latents, T = 1 … {coldest:g}, each from a random start\n"
            f"loss ½ Σ(x − x̂)² + β Σ KL at β = τ = {spectrum.total_variance:g} T\n\n"
            f"{result.summary()}"
        )
        if climate.held_out:
            say(f"\n{_held_out_table(climate, models).text()}")
    if output is not None:
        say_written(output, *lv.report.write(output, result, models))
    return 0 if result.agrees else 1


@dataclass(frozen=True, eq=False)
class _Climate:
    """The data that models are trained on, and their description."""

    spectrum: lv.Spectrum  #: of the cells that are trained on
    heading: str  #: which cells, how counted
    description: dict[str, Any]  #: the same for `--json`
    held_out: dict[str, Array] = field(default_factory=dict)  #: part → ⟨(x − x̄)(x − x̄)ᵀ⟩ about the training mean


def _climate(folder: Path | None, block_km: float | None, weighted: bool) -> _Climate:
    """Return all land: the shipped statistics, the cells of layers, or with `block_km` a training part of these."""
    about: dict[str, Any] = {"area_weighted": weighted}
    variables = f"19 standardised bioclimatic variables{', weighted by area' * weighted}"
    if folder is None:
        shipped = lv.datasets.worldclim(weighted=weighted)
        about["cells"] = shipped.cells
        return _Climate(shipped.spectrum(), f"WorldClim 2.1, {shipped.cells} land cells, {variables}", about)
    layers = lv.datasets.worldclim_layers(folder)
    about = {"layers": str(folder)} | about | {"cells": len(layers.cells)}
    heading = f"WorldClim 2.1, {len(layers.cells)} land cells of the layers in {folder}, {variables}"
    if block_km is None:
        return _Climate(layers.spectrum(weighted=weighted), heading, about)
    split = layers.split(block_km=block_km)
    parts = {name: layers.take(getattr(split, name)) for name in ("training", "validation", "test")}
    sizes = {name: len(part.cells) for name, part in parts.items()}
    blocks = dict(zip(parts, split.blocks, strict=True))
    counted = ", ".join(f"{name} {size} cells in {blocks[name]}" for name, size in sizes.items())
    heading += f"\nwhole blocks of {split.block_area**0.5:.2f}² km²: {counted}; all on the scale of the training part"
    about |= {"block_km2": split.block_area, "blocks": blocks, "parts": sizes}
    spectrum = parts.pop("training").spectrum(weighted=weighted)
    second = {name: _second_moment(part, spectrum, weighted) for name, part in parts.items()}
    return _Climate(spectrum, heading, about, second)


def _second_moment(part: "lv.datasets.Layers", training: lv.Spectrum, weighted: bool) -> Array:
    """Return ⟨(x − x̄)(x − x̄)ᵀ⟩ of a part about the training mean, in units of the training deviations."""
    assert training.mean is not None
    assert training.scale is not None
    offset = (part.cells - training.mean) / training.scale
    weights = part.weights if weighted else np.ones(len(offset))
    return np.asarray((offset.T * weights) @ offset / weights.sum())


def _measure_held_out(climate: _Climate, models: "Dataset") -> None:
    """Add to the models their distortion of each held-out part, as a share of the training part's variance."""
    total = climate.spectrum.total_variance
    price = models.temperature.values * total
    weights = models.decoder.values, models.encoder.values, models.posterior_variance.values
    for part, second in climate.held_out.items():
        lost = lv.training.LinearVAE(second, price, *weights).distortion / total
        name = f"distortion of the {part} part, as a share of the training part's total variance"
        models[f"{part}_distortion"] = (("seed", "temperature"), lost, {"long_name": name, "units": "1"})


def _held_out_table(climate: _Climate, models: "Dataset") -> Table:
    """Return the distortion of the parts, once a decade."""
    temperature = models.temperature.values
    decades = range(round(float(np.log10(temperature.max()))), int(np.floor(np.log10(temperature.min()))) - 1, -1)
    rows = sorted({int(np.argmin(np.abs(np.log(temperature) - np.log(10.0) * decade))) for decade in decades})
    names = {"training": "distortion"} | {part: f"{part}_distortion" for part in climate.held_out}
    lost = [Column(part, models[name].values[0, rows], "{:.4g}".format) for part, name in names.items()]
    title = "distortion, as a share of the training part's variance"
    return Table([Column("T", temperature[rows], "{:.3g}".format), *lost], title)
