"""`landau-vae verify FILE`: train on the user's data as people train, and compare with what their spectrum predicts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from landau_vae.cli.options import Given, with_data_and_loss
from landau_vae.cli.program import AsJson, app, say, say_json, write_report
from landau_vae.display import Array, significant
from landau_vae.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

    from landau_vae import Spectrum
    from landau_vae.training import Trainer

__all__ = ["verify"]

PER_DECADE = 12  # temperatures
ABOVE, BELOW = 1.5, 0.1  # of the first threshold and of the last one: where the grid begins and ends
COLDEST = 1e-3  # by default, for training by samples: colder modes take longer than most people wait
LATENTS = 32  # by default, at most
MOST = 100_000  # seeds, or temperatures
UPDATES, BATCH, RATE = 10_000, 256, 0.02  # by default


@app.command()
@with_data_and_loss
def verify(
    given: Given,
    seeds: Annotated[int, typer.Option(help="Trainings at each temperature, each with random numbers of its own.")] = 5,
    updates: Annotated[int | None, typer.Option(help="Updates of each training.", show_default=str(UPDATES))] = None,
    optimizer: Annotated[
        Literal["adam", "sgd"] | None, typer.Option(help="Adam, or SGD with momentum 0.9.", show_default="adam")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="At the beginning; it falls along a cosine.", show_default=str(RATE))
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Minimise the exact expected loss instead: no samples, no noise.")
    ] = False,
    points: Annotated[int | None, typer.Option(help="Temperatures.", show_default="12 per decade")] = None,
    coldest: Annotated[
        float | None, typer.Option(help="Lowest temperature T = τ/V.", show_default="0.1 of the last mode, or 0.001")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Relative difference that counts as agreement.")] = 0.01,
    modes: Annotated[int, typer.Option(help="How many modes to list.")] = 30,
    workers: Annotated[int, typer.Option(help="Processes; -1: one per core.")] = -1,
    as_json: AsJson = False,
    output: Annotated[
        Path | None, typer.Option(help="Folder for figures, numbers and models; an interrupted run goes on from it.")
    ] = None,
) -> int:
    """Train on your data, and say mode by mode whether collapse, utility and PCA spectrum coincide."""
    from landau_vae import scan, training
    from landau_vae import verify as compare
    from landau_vae.verification._verify import check_tolerance

    if modes < 1:
        raise InputError(f"{modes} modes were to be listed, but a whole number from 1 on is expected.")
    if not 1 <= seeds <= MOST:
        raise InputError(f"{seeds} seeds were asked for, but a whole number from 1 to {MOST} is expected.")
    batch = given.batch
    sampling = {"updates": updates, "batch": batch, "optimizer": optimizer, "learning-rate": learning_rate}
    if exact and (idle := [f"--{name}" for name, value in sampling.items() if value is not None]):
        raise InputError(f"With --exact nothing is sampled, and {idle[0]} has no meaning: leave one of the two out.")
    updates, batch = UPDATES if updates is None else updates, BATCH if batch is None else batch
    optimizer, learning_rate = optimizer or "adam", RATE if learning_rate is None else learning_rate
    check_tolerance(tolerance)
    folder = None
    if output is not None:
        from landau_vae import report

        folder = report.make_folder(output) / "scan"  # before the work, not after it
    given.must_be_plain("verify")
    if not given.loss.likelihood.squared:
        raise InputError(
            f"Of a {given.loss.likelihood} decoder the theory tells the first threshold only, so there is no cascade "
            "to verify: follow its equilibria with `landau-vae bifurcate`, or take a Gaussian loss."
        )
    rule = training.Adam(learning_rate) if optimizer == "adam" else training.SGD(learning_rate, momentum=0.9)
    trainer: Trainer = (
        training.Exact() if exact else training.Sampled(updates=updates, batch=batch, optimizer=rule, loss=given.loss)
    )
    spectrum, (source, weights) = given.spectrum, _source(given)
    grid = _grid(spectrum, points, coldest, exact=exact)
    latents = given.loss.latents or min(LATENTS, spectrum.dimension)
    models = scan(
        source,
        grid,
        latents=latents,
        seeds=range(seeds),
        trainer=trainer,
        standardize=given.standardize and not isinstance(source, type(spectrum)),
        weights=weights,
        workers=workers,
        folder=folder,
        progress=True,
    )
    result = compare(models, tolerance=tolerance)
    if as_json:
        say_json({"file": given.name, "loss": given.loss.to_dict(), **result.to_dict()})
    else:
        unit = significant(float(given.loss.beta_at(spectrum.total_variance, spectrum)))
        rows = batch if given.covariance else min(batch, spectrum.samples or batch)
        how = "exact expected loss" if exact else f"{updates} updates of {rows} rows by {optimizer.upper()}"
        say(
            f"{given.heading()}\n"
            f"{len(grid)} temperatures T = {grid[0]:.3g} … {grid[-1]:.3g}, {seeds} seed{'s' * (seeds > 1)}, "
            f"{latents} latent{'s' * (latents > 1)}: {how}\n"
            f"loss {given.loss.formula}: β = {unit} T, whatever --beta says\n\n{result.summary(limit=modes)}"
            f"{_of_the_population(given, source, weights)}"
        )
    if output is not None:
        write_report(output, result, models)
    return 0 if result.agrees else 1


def _of_the_population(given: Given, source: "DataFrame | Spectrum", weights: Array | None) -> str:
    """How well so many rows know their population; a line, where there are rows."""
    if given.covariance:
        return ""
    from landau_vae import uncertainty

    found = uncertainty(source, standardize=given.standardize, weights=weights)
    alone = np.flatnonzero(found.multiplicity == 1)  # of a group only the mean is known
    if not alone.size:
        return ""
    error = found.share.error[alone] / found.share.value[alone]
    first, last = found.mode[alone[[0, -1]]]
    span = f"± {error[0]:.1%} (mode {first})" + (f" … ± {error[-1]:.1%} (mode {last})" if last > first else "")
    caveat = f" {found.caveats[0]}" if found.caveats else ""
    return (
        f"\nAll this is of these {given.spectrum.samples} rows; of the population behind them λ/V is known to {span}: "
        f"standard errors.{caveat}"
    )


def _source(given: Given) -> tuple["DataFrame | Spectrum", Array | None]:
    """What to train on: rows, or the spectrum where the file holds a covariance.

    Features that are not standardised are divided by one common scale, their root mean square deviation: temperatures
    do not change, and a learning rate means the same for all data.
    """
    from landau_vae import Spectrum

    spectrum = given.spectrum
    unit = 1.0 if given.standardize else float(np.sqrt(spectrum.total_variance / spectrum.dimension))
    if given.covariance:
        return Spectrum.from_covariance(spectrum.covariance / unit**2, names=spectrum.names), None
    import pandas as pd

    rows, weights = given.samples()
    return pd.DataFrame(rows / unit, columns=spectrum.names, copy=False), weights


def _grid(spectrum: "Spectrum", points: int | None, coldest: float | None, *, exact: bool) -> Array:
    """Temperatures from above the first threshold down."""
    warmest = min(1.0, ABOVE * float(spectrum.normalized[0]))
    if coldest is None:
        coldest = BELOW * float(spectrum.normalized[-1])
        coldest = coldest if exact else max(coldest, COLDEST)
    if not 0 < coldest < warmest:
        raise InputError(
            f"The lowest temperature is {coldest:g}, but it has to lie between 0 and the highest, {warmest:.4g} "
            "(1.5 times the first threshold, at most 1)."
        )
    if points is None:
        points = max(8, int(np.ceil(PER_DECADE * np.log10(warmest / coldest))) + 1)
    if points < 3:
        raise InputError(f"{points} temperatures were asked for, but at least 3 are needed to see a mode die.")
    if points > MOST:
        raise InputError(f"{points} temperatures were asked for, but at most {MOST} are trained at.")
    return np.geomspace(warmest, coldest, points)
