"""The command line: `landau-vae reproduce`, `thresholds FILE`, `choose FILE`, `derive RESULT`.

Exit code 0: fine; 1: checked, and theory and training disagree; 2: bad input, told in one sentence.
"""

import inspect
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from landau_vae import Loss, Spectrum
from landau_vae.errors import InputError
from landau_vae.loss import Reduction
from landau_vae.results import jsonable
from landau_vae.spectrum import Divisor

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Which latents of a (β-)VAE collapse, and at which β: predicted from the spectrum of the data.",
)

INTERRUPTED = 130  # what a shell expects after Ctrl-C, and what the parser makes of it

# ------------------------------------------------------------- the options that all data commands share


def _data_and_loss(
    file: Annotated[Path, typer.Argument(help="Samples × features: CSV, Parquet, NPY or NPZ.", show_default=False)],
    standardize: Annotated[
        bool, typer.Option("--standardize", help="Divide each feature by its standard deviation.")
    ] = False,
    column: Annotated[list[str], typer.Option(help="Use only this column (repeat for more).", show_default=False)] = [],  # noqa: B006
    exclude: Annotated[
        list[str], typer.Option(help="Leave this column out (repeat for more).", show_default=False)
    ] = [],  # noqa: B006
    weights: Annotated[str | None, typer.Option(help="The column that holds sample weights.")] = None,
    array: Annotated[str | None, typer.Option(help="Which array of an NPZ file.")] = None,
    covariance: Annotated[
        bool, typer.Option("--covariance", help="The file holds a covariance matrix, not samples.")
    ] = False,
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether a CSV has one; seen by its words.", show_default=False),
    ] = None,
    divisor: Annotated[Divisor, typer.Option(help="What the covariance divides by; a loss divides by n.")] = "n",
    beta: Annotated[float, typer.Option(help="β, the weight of the KL term.")] = 1.0,
    decoder_variance: Annotated[float, typer.Option(help="σ², which the squared error is divided by.")] = 1.0,
    reconstruction: Annotated[Reduction, typer.Option(help="Squared errors: sum or mean over features.")] = "sum",
    kl: Annotated[Reduction, typer.Option(help="KL: sum or mean over latents.")] = "sum",
    half: Annotated[
        bool, typer.Option("--half/--no-half", help="Whether the squared error has a ½; mse_loss has none.")
    ] = True,
    latents: Annotated[int | None, typer.Option(help="Number of latents of your model.")] = None,
) -> tuple[str, Spectrum, Loss]:
    """The file's name, its spectrum and the user's loss."""
    loss = Loss.gaussian(
        beta, decoder_variance=decoder_variance, reconstruction=reconstruction, kl=kl, half=half, latents=latents
    )
    spectrum = Spectrum.from_file(
        file,
        standardize=standardize,
        columns=column or None,
        exclude=exclude,
        weights=weights,
        array=array,
        covariance=covariance,
        header=header,
        divisor=divisor,
        progress=True,
    )
    return file.name, spectrum, loss


def _with_data_and_loss(command: Callable[..., int]) -> Callable[..., int]:
    """Give `command(name, spectrum, loss, …)` the options of `_data_and_loss` in place of its first three arguments."""
    shared = inspect.signature(_data_and_loss).parameters
    own = dict(list(inspect.signature(command).parameters.items())[3:])

    def run(**given: Any) -> int:
        name, spectrum, loss = _data_and_loss(**{key: given.pop(key) for key in shared})
        return command(name, spectrum, loss, **given)

    options = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*shared.values(), *own.values())]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {each.name: each.annotation for each in options}
    run.__dict__["__signature__"] = inspect.Signature(options)
    return run


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Picture = Annotated[Path | None, typer.Option("--output", help="Draw the cascade into this file (.png, .pdf, .svg).")]

# -------------------------------------------------------------------------------------- the commands


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

    if points < 2 or not 0 < coldest < 1:
        raise InputError(
            f"A grid of {points} temperatures from {coldest:g} to 1 was asked for, but at least 2 points "
            "and a lowest temperature between 0 and 1 are needed."
        )
    if output is not None:
        from landau_vae import report

        report.make_folder(output)  # before the work, not after it
    climate = datasets.worldclim(weighted=area_weighted)
    spectrum = climate.spectrum()
    models = scan(spectrum, np.geomspace(1, coldest, points), latents=latents, seeds=(seed,), progress=True)
    result = verify(models, spectrum, tolerance=tolerance)
    if as_json:
        _print_json(
            {"data": "WorldClim 2.1", "area_weighted": area_weighted, "cells": climate.cells, **result.to_dict()}
        )
    else:
        _print(
            f"WorldClim 2.1, {climate.cells} land cells, {len(climate.names)} standardised bioclimatic variables"
            f"{', weighted by area' if area_weighted else ''}\n"
            f"{points} linear Gaussian β-VAEs with {latents} latents, T = 1 … {coldest:g}, each from a random start\n"
            f"loss ½ Σ(x − x̂)² + β Σ KL at β = τ = {spectrum.total_variance:g} T\n\n"
            f"{result.summary()}"
        )
    if output is not None:
        files = report.write(output, result, models)
        print(f"\nwritten: {output}/ ({', '.join(path.name for path in files)})", file=sys.stderr)
    return 0 if result.agrees else 1


@app.command()
@_with_data_and_loss
def thresholds(
    name: str,
    spectrum: Spectrum,
    loss: Loss,
    modes: Annotated[int, typer.Option(help="How many modes to list.")] = 30,
    as_json: AsJson = False,
    output: Picture = None,
) -> int:
    """At which β of your loss each latent dies, for your data."""
    from landau_vae import equilibrium, transitions
    from landau_vae.verification.coincidence import unresolved_lines

    if modes < 1:
        raise InputError(f"{modes} modes were to be listed, but a whole number from 1 on is expected.")
    cascade, state = transitions(spectrum, loss), equilibrium(spectrum, loss)
    if as_json:
        _print_json(
            {
                "file": name,
                "loss": loss.to_dict(),
                "spectrum": spectrum.to_dict(),
                "transitions": cascade.to_dict(),
                "equilibrium": state.to_dict(),
            }
        )
    else:
        hidden = len(cascade.mode) - modes
        lines = [
            f"{name}: {spectrum}{', standardised' if spectrum.standardized else ''}",
            loss.explain(spectrum),
            "",
            cascade.summary(limit=modes),
            *([f"… and {hidden} more (--modes)"] if hidden > 0 else []),
            "",
            f"At β = {float(loss.beta):g}, {int(state.active)} of {spectrum.modes} modes live: rate "
            f"{float(state.total_rate):.4g} nats, distortion {float(state.total_distortion):.4%} of the variance; "
            f"everything is dead from β = {cascade.beta[0]:.6g} on.",
            *unresolved_lines(spectrum),
        ]
        _print("\n".join(lines))
    _draw(output, spectrum, loss, None)
    return 0


@app.command()
@_with_data_and_loss
def choose(
    name: str,
    spectrum: Spectrum,
    loss: Loss,
    keep: Annotated[int | None, typer.Option(help="Keep this many latents alive.")] = None,
    tolerance: Annotated[float | None, typer.Option(help="Share of the variance that may be lost.")] = None,
    mean: Annotated[bool, typer.Option("--mean", help="Measure the loss on z = μ(x), not on sampled z.")] = False,
    as_json: AsJson = False,
    output: Picture = None,
) -> int:
    """Which β keeps a number of latents, or reaches a tolerance, for your data and loss."""
    from landau_vae import choose_beta

    choice = choose_beta(spectrum, loss, keep=keep, tolerance=tolerance, reconstruction="mean" if mean else "sampled")
    if as_json:
        _print_json({"file": name, "spectrum": spectrum.to_dict(), **choice.to_dict()})
    else:
        _print(f"{name}: {spectrum}{', standardised' if spectrum.standardized else ''}\n{choice.summary()}")
    _draw(output, spectrum, loss, choice.beta)
    return 0


@app.command()
def derive(
    result: Annotated[str | None, typer.Argument(help="Its name; without one, the list.", show_default=False)] = None,
    order: Annotated[
        int | None, typer.Option(help="Order of the expansion, where there is one.", show_default=False)
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown with GitHub's mathematics.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="A LaTeX document.")] = False,
    as_json: AsJson = False,
) -> int:
    """Derive a result from the loss, every step checked as it is printed."""
    from landau_vae import symbolic
    from landau_vae.symbolic.page import CheckFailed

    if markdown + latex + as_json > 1:
        raise InputError("Of --markdown, --latex and --json one can be given.")
    if result is None:
        if order is not None or markdown or latex:
            raise InputError("No derivation is named; `landau-vae derive` alone lists them.")
        titles = {name: symbolic.title(name) for name in symbolic.names()}
        if as_json:
            _print_json(titles)
        else:
            _print("\n".join(f"{name:<{max(map(len, titles))}}  {about}" for name, about in titles.items()))
        return 0
    try:
        page = symbolic.derive(result, progress=True, **({} if order is None else {"order": order}))
    except CheckFailed as problem:
        print(f"landau-vae: the derivation does not hold. {problem}", file=sys.stderr)
        return 1
    if as_json:
        _print_json(page.to_dict())
    elif markdown or latex:
        _print((symbolic.typeset.markdown if markdown else symbolic.typeset.latex)(page).rstrip())
    else:
        _print(symbolic.typeset.text(page, width=min(100, shutil.get_terminal_size().columns)))
    return 0


# ------------------------------------------------------------------------------------------- the rest


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader of our output has left: no fault of anyone's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_json(content: dict[str, Any]) -> None:
    _print(json.dumps(jsonable(content), ensure_ascii=False, allow_nan=False, indent=1))


def _draw(output: Path | None, spectrum: Spectrum, loss: Loss, chosen: float | None) -> None:
    if output is None:
        return
    from landau_vae import plotting, report

    report.save_figure(output, plotting.cascade(spectrum, loss, chosen=chosen))
    print(f"written: {output}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):  # Greek letters on a terminal that has none
        sys.stdout.reconfigure(errors="replace")
    command = typer.main.get_command(app)
    try:
        code = int(command.main(arguments or ["--help"], prog_name="landau-vae", standalone_mode=False) or 0)
    except InputError as problem:
        return _complain(str(problem))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as problem:
        if not hasattr(problem, "format_message"):  # not the parser's own complaint about the command line
            raise
        return _complain(problem.format_message())
    if code == INTERRUPTED:
        print("\nlandau-vae: interrupted; no file is left half-written.", file=sys.stderr)
    return code if arguments else _complain("A command is missing: name one of those above.")


def _complain(message: str) -> int:
    print(f"landau-vae: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
