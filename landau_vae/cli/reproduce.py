"""`landau-vae reproduce`: predict, train and compare on shipped statistics."""

from pathlib import Path
from typing import Annotated

import typer

from landau_vae.cli.program import AsJson, app, say, say_json, write_report
from landau_vae.errors import InputError

__all__ = ["reproduce"]


@app.command()
def reproduce(
    points: Annotated[int, typer.Option(help="Temperatures to train at, equally spaced in log T.")] = 121,
    coldest: Annotated[float, typer.Option(help="Lowest temperature; the highest is 1.")] = 1e-6,
    latents: Annotated[int, typer.Option(help="Number of latents K.")] = 19,
    seed: Annotated[int, typer.Option(help="Seed of the random starts.")] = 0,
    tolerance: Annotated[float, typer.Option(help="Largest relative difference that counts as agreement.")] = 0.01,
    area_weighted: Annotated[bool, typer.Option("--area-weighted", help="Weigh cells by their area.")] = False,
    as_json: AsJson = False,
    output: Annotated[Path | None, typer.Option(help="Folder for figures, numbers and trained models.")] = None,
) -> int:
    """Predict, train and compare on the climate of all land (WorldClim 2.1, 19 variables)."""
    import numpy as np

    from landau_vae import datasets, scan, verify
    from landau_vae.verification.coincidence import check_tolerance

    if points < 2 or not 0 < coldest < 1:
        raise InputError(
            f"A grid of {points} temperatures from {coldest:g} to 1 was asked for, but at least 2 points "
            "and a lowest temperature between 0 and 1 are needed."
        )
    check_tolerance(tolerance)
    if output is not None:
        from landau_vae import report

        report.make_folder(output)  # before the work, not after it
    climate = datasets.worldclim(weighted=area_weighted)
    spectrum = climate.spectrum()
    models = scan(spectrum, np.geomspace(1, coldest, points), latents=latents, seeds=(seed,), progress=True)
    result = verify(models, spectrum, tolerance=tolerance)
    if as_json:
        say_json({"data": "WorldClim 2.1", "area_weighted": area_weighted, "cells": climate.cells, **result.to_dict()})
    else:
        say(
            f"WorldClim 2.1, {climate.cells} land cells, {len(climate.names)} standardised bioclimatic variables"
            f"{', weighted by area' if area_weighted else ''}\n"
            f"{points} linear Gaussian β-VAEs with {latents} latents, T = 1 … {coldest:g}, each from a random start\n"
            f"loss ½ Σ(x − x̂)² + β Σ KL at β = τ = {spectrum.total_variance:g} T\n\n"
            f"{result.summary()}"
        )
    if output is not None:
        write_report(output, result, models)
    return 0 if result.agrees else 1
