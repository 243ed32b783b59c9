"""`landau-vae verify FILE`: train as people train, compare with what is predicted.

With `--scan` nothing is trained: networks of `lv.scan`, saved by
`lv.training.save_scan`, are compared with the nonlinear theory of the rows.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

import landau_vae as lv
from landau_vae.checks import Range
from landau_vae.cli.options import Inputs
from landau_vae.cli.program import AsJson, Optimizer, Tolerance, command, in_training, option, say, say_written
from landau_vae.display import Array, counted, significant
from landau_vae.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

    from landau_vae.verification.verification import Verification

PER_DECADE = 12  # temperatures
ABOVE, BELOW = 1.5, 0.1  # the grid begins at so much of the first threshold, and ends at so much of the last one
COLDEST = 1e-3  # default for training by samples: colder modes take longer than most people wait
LATENTS = 32  # default, at most
MOST = 100_000  # seeds, or temperatures
UPDATES, BATCH, RATE = 10_000, 256, 0.02  # defaults


@command
def verify(
    inputs: Inputs,
    seeds: Annotated[int, Range(1, MOST), in_training("Trainings at each temperature (5)")] = 5,
    updates: Annotated[int | None, in_training(f"Updates of each training ({UPDATES})")] = None,
    optimizer: Annotated[Optimizer | None, in_training("adam, or sgd with momentum 0.9", metavar="NAME")] = None,
    learning_rate: Annotated[float | None, in_training(f"At the start, then a cosine ({RATE})")] = None,
    exact: Annotated[bool, in_training("Minimise the exact expected loss instead", "--exact")] = False,
    points: Annotated[int | None, Range(3, MOST), in_training("Number of temperatures (12 per decade)")] = None,
    coldest: Annotated[float | None, in_training("Lowest temperature T = τ/V (0.001, or less)")] = None,
    workers: Annotated[int, in_training("Processes; -1: one per core (-1)")] = -1,
    scan: Annotated[Path | None, option("Train nothing: compare this scan of networks", panel="Comparison")] = None,
    down: Annotated[Path | None, option("The same networks swept down, beside --scan", panel="Comparison")] = None,
    tolerance: Tolerance = 0.01,
    modes: Annotated[int, Range(1), option("Number of modes in the table (30)")] = 30,
    as_json: AsJson = False,
    output: Annotated[Path | None, option("Folder of the report; an interrupted run continues")] = None,
) -> int:
    """Train VAEs on your data and compare every mode with its prediction."""
    batch = inputs.terms.batch
    sampling = {"updates": updates, "batch": batch, "optimizer": optimizer, "learning-rate": learning_rate}
    if exact and (unused := [f"--{name}" for name, value in sampling.items() if value is not None]):
        raise InputError(f"--exact draws no samples, so that {unused[0]} has no effect: leave one of the two out.")
    training = sampling | {"points": points, "coldest": coldest}
    without = next((f"--{name}" for name, value in training.items() if value), "")
    if down is not None and scan is None:
        raise InputError("--down goes with a scan that was swept up: name that one too (--scan).")
    if scan is not None and (exact or without):
        raise InputError(
            f"--scan trains nothing, so that {without or '--exact'} has no effect: leave one of the two out."
        )
    updates = UPDATES if updates is None else updates
    batch = BATCH if batch is None else batch
    learning_rate = RATE if learning_rate is None else learning_rate
    folder = None
    if output is not None:
        folder = lv.report.make_folder(output) / "scan"  # before the work, not after it
    inputs.must_be_plain("verify")
    if scan is not None:
        models, result = _networks(inputs, scan, down, tolerance)
        say(
            {"file": inputs.name, **result.to_dict()}
            if as_json
            else f"{inputs.heading()}\n{result.summary(limit=modes)}"
        )
        if output is not None:
            say_written(output, *lv.report.write(output, result, models))
        return 0 if result.agrees else 1
    if not inputs.loss.likelihood.squared:
        canonical = inputs.loss.likelihood.canonical
        instead = "follow its equilibria with `landau-vae bifurcate`" if canonical else "train networks (lv.scan)"
        raise InputError(
            f"For a {inputs.loss.likelihood} decoder only the first threshold is predicted, so there is no cascade to "
            f"verify: {instead}, or take a Gaussian loss."
        )
    rule = lv.training.SGD(learning_rate, momentum=0.9) if optimizer == "sgd" else lv.training.Adam(learning_rate)
    settings: dict[str, Any] = {"updates": updates, "batch": batch, "optimizer": rule, "loss": inputs.loss}
    trainer = lv.training.Exact() if exact else lv.training.Sampled(**settings)
    source, weights = _source(inputs)
    spectrum = inputs.spectrum
    grid = _grid(spectrum, points, coldest, exact=exact)
    latents = inputs.loss.latents or min(LATENTS, spectrum.dimension)
    standardize = inputs.scaled and not inputs.is_covariance
    options: dict[str, Any] = {"weights": weights, "workers": workers, "folder": folder, "progress": True}
    models = lv.scan(
        source, grid, latents=latents, seeds=range(seeds), trainer=trainer, standardize=standardize, **options
    )
    result = lv.verify(models, tolerance=tolerance)
    if as_json:
        say({"file": inputs.name, "loss": inputs.loss, **result.to_dict()})
    else:
        unit = significant(float(inputs.loss.beta_at(spectrum.total_variance, spectrum)))
        rows = batch if inputs.is_covariance else min(batch, spectrum.samples or batch)
        method = "exact expected loss" if exact else f"{updates} updates of {rows} rows by {optimizer or 'adam'}"
        say(
            f"{inputs.heading()}\n"
            f"{len(grid)} temperatures T = {grid[0]:.3g} … {grid[-1]:.3g}, {counted(seeds, 'seed')}, "
            f"{counted(latents, 'latent')}: {method}\n"
            f"loss {inputs.loss.formula}: β = {unit} T (--beta has no effect here)\n\n{result.summary(limit=modes)}"
            f"{'' if inputs.is_covariance else _population_line(inputs, source, weights)}"
        )
    if output is not None:
        say_written(output, *lv.report.write(output, result, models))
    return 0 if result.agrees else 1


def _networks(inputs: Inputs, scan: Path, down: Path | None, tolerance: float) -> tuple[Any, "Verification"]:
    """Return networks from a file, and their comparison with the rows' theory."""
    if inputs.is_covariance or inputs.loaded.weights is not None:
        found = "only a covariance is" if inputs.is_covariance else "weighted rows are"
        raise InputError(f"Of {inputs.name} {found} known, but networks are compared with plain rows: give these.")
    models = lv.training.load_scan(scan)
    swept = None if down is None else lv.training.load_scan(down)
    return models, lv.verify(models, tolerance=tolerance, data=inputs.loaded.values, down=swept)


def _population_line(inputs: Inputs, source: "DataFrame | lv.Spectrum", weights: Array | None) -> str:
    """Return a line that says how well these rows determine the λ/V of the population behind them."""
    errors = lv.uncertainty(source, standardize=inputs.scaled, weights=weights)
    single = np.flatnonzero(errors.multiplicity == 1)  # of nearly equal eigenvalues only the mean is known
    if not single.size:
        return ""
    error = errors.share.error[single] / errors.share.value[single]
    first, last = errors.mode[single[[0, -1]]]
    span = f"± {error[0]:.1%} (mode {first})" + (f" … ± {error[-1]:.1%} (mode {last})" if last > first else "")
    caveat = f" {errors.caveats[0]}" if errors.caveats else ""
    return (
        f"\nAll this is for these {inputs.spectrum.samples} rows; the λ/V of the population behind them is known to "
        f"{span} (standard errors).{caveat}"
    )


def _source(inputs: Inputs) -> tuple["DataFrame | lv.Spectrum", Array | None]:
    """Return what to train on: rows and their weights, or the spectrum where only a covariance is known.

    Features that are not standardised are divided by one common scale, their root mean square deviation: temperatures
    do not change, and a learning rate means the same for all data.
    """
    rows = None if inputs.is_covariance else inputs.loaded  # before the spectrum, which is then made of these rows
    spectrum = inputs.spectrum
    unit = 1.0 if inputs.scaled else float(np.sqrt(spectrum.total_variance / spectrum.dimension))
    if rows is None:
        return lv.Spectrum.from_covariance(spectrum.covariance / unit**2, names=spectrum.names), None
    import pandas as pd

    values = np.asarray(rows.values, dtype=np.float64) / unit
    return pd.DataFrame(values, columns=spectrum.names, copy=False), rows.weights


def _grid(spectrum: lv.Spectrum, points: int | None, coldest: float | None, *, exact: bool) -> Array:
    """Return temperatures from above the first threshold down."""
    warmest = min(1.0, ABOVE * float(spectrum.normalized[0]))
    if coldest is None:
        coldest = max(BELOW * float(spectrum.normalized[-1]), 0 if exact else COLDEST)
    if not 0 < coldest < warmest:
        raise InputError(f"The lowest temperature is {coldest:g}, but one between 0 and {warmest:.4g} is expected.")
    if points is None:
        points = max(8, int(np.ceil(PER_DECADE * np.log10(warmest / coldest))) + 1)
    return np.geomspace(warmest, coldest, points)
