"""`landau-vae reproduce`: predict, train and compare on the climate of all land."""

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
    layers: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the WorldClim layers: run on their cells, not on shipped statistics.", show_default=False
        ),
    ] = None,
    blocks: Annotated[
        float | None,
        typer.Option(
            help="With --layers: train on 80 % of the cells, in whole blocks of so many km; 500 is usual.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    output: Annotated[Path | None, typer.Option(help="Folder for figures, numbers and trained models.")] = None,
) -> int:
    """Predict, train and compare on the climate of all land (WorldClim 2.1, 19 variables)."""
    import numpy as np

    from landau_vae import scan, verify
    from landau_vae.cli.climate import check_blocks, held_out_table, measure_held_out, of_layers, shipped
    from landau_vae.verification._verify import check_tolerance

    if points < 2 or not 0 < coldest < 1:
        raise InputError(
            f"A grid of {points} temperatures from {coldest:g} to 1 was asked for, but at least 2 points "
            "and a lowest temperature between 0 and 1 are needed."
        )
    check_tolerance(tolerance)
    check_blocks(layers, blocks)
    if output is not None:
        from landau_vae import report

        report.make_folder(output)  # before the work, not after it
    climate = shipped(weighted=area_weighted) if layers is None else of_layers(layers, blocks, weighted=area_weighted)
    spectrum = climate.spectrum
    models = scan(spectrum, np.geomspace(1, coldest, points), latents=latents, seeds=(seed,), progress=True)
    measure_held_out(climate, models)
    result = verify(models, spectrum, tolerance=tolerance)
    if as_json:
        held_out = {f"{part}_distortion": models[f"{part}_distortion"].values[0] for part in climate.held_out}
        say_json({"data": "WorldClim 2.1", **climate.about, **result.to_dict(), **held_out})
    else:
        say(
            f"{climate.heading}\n"
            f"{points} linear Gaussian β-VAEs with {latents} latents, T = 1 … {coldest:g}, each from a random start\n"
            f"loss ½ Σ(x − x̂)² + β Σ KL at β = τ = {spectrum.total_variance:g} T\n\n"
            f"{result.summary()}"
            f"{chr(10) * 2 + held_out_table(climate, models) if climate.held_out else ''}"
        )
    if output is not None:
        write_report(output, result, models)
    return 0 if result.agrees else 1
