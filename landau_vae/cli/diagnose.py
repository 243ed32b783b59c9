"""`landau-vae diagnose POSTERIOR --data DATA`: is a trained model collapsed because it should be?"""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from landau_vae.cli.options import Given, with_data_and_loss
from landau_vae.cli.program import AsJson, app, say, say_json
from landau_vae.data.read_file import array_names, read
from landau_vae.errors import InputError

__all__ = ["diagnose"]

MEANS = ("mean", "mu")
SPREADS = {"variance": ("variance", "var"), "log_variance": ("log_variance", "logvar", "log_var"), "std": ("std",)}


@app.command()
@partial(with_data_and_loss, option="--data")
def diagnose(
    given: Given,
    posterior: Annotated[
        Path,
        typer.Argument(
            help="NPZ with the posteriors of the encoded rows: arrays `mean` and `variance`, `log_variance` or `std`.",
            show_default=False,
        ),
    ],
    mean: Annotated[str | None, typer.Option(help="Array of the means.", show_default="mean or mu")] = None,
    variance: Annotated[str | None, typer.Option(help="Array of the variances.", show_default=False)] = None,
    log_variance: Annotated[str | None, typer.Option(help="Array of the log-variances.", show_default=False)] = None,
    std: Annotated[str | None, typer.Option(help="Array of the standard deviations.", show_default=False)] = None,
    updates: Annotated[int | None, typer.Option(help="Updates of the run that trained the model.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Its learning rate.")] = None,
    optimizer: Annotated[Literal["adam", "sgd"], typer.Option(help="Its optimiser.")] = "adam",
    as_json: AsJson = False,
    output: Annotated[Path | None, typer.Option(help="Write a report to look at: a page (.html).")] = None,
) -> int:
    """Which latents of a trained model are dead because they must be, and what went wrong with the others."""
    from landau_vae import diagnose as examine

    if output is not None and output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"The report is a page, but {output.name} does not end with .html: rename it, or use --json.")
    if output is not None and not output.parent.is_dir():
        raise InputError(f"There is no folder {output.parent} to write the report into: make it, or name another.")
    given.must_be_plain("diagnose")
    if given.selection["weights"] is not None:
        raise InputError("Every posterior counts the same here: leave --weights out.")
    means, kind, spreads = _posterior(posterior, mean, {"variance": variance, "log_variance": log_variance, "std": std})
    about: dict[str, Any] = {"spectrum": given.spectrum} if given.covariance else {"data": _rows(given)}
    result = examine(
        means,
        **{kind: spreads},
        **about,
        loss=given.loss,
        standardize=given.standardize and not given.covariance,
        updates=updates,
        learning_rate=learning_rate,
        optimizer="adam" if optimizer == "adam" else "gradient descent",
    )
    if as_json:
        say_json({"posterior": posterior.name, "file": given.name, **result.to_dict()})
    else:
        say(f"{posterior.name} on {given.name}: {result.summary()}")
    if output is not None:
        from landau_vae import report

        report.write_page(output, result, title=f"{posterior.name} on {given.name}")
        print(f"written: {output}", file=sys.stderr)
    return 0 if result.healthy else 1


def _rows(given: Given) -> NDArray[Any]:
    """The data as they are, of an array without a copy."""
    table = read(given.file, **given.selection)
    return table.array if table.array is not None else np.concatenate([rows for rows, _ in table.blocks])


def _posterior(path: Path, mean: str | None, spreads: dict[str, str | None]) -> tuple[Any, str, Any]:
    """The means, what the other array holds, and that array."""
    names = array_names(path)
    told = [(kind, name) for kind, name in spreads.items() if name is not None]
    if not told:
        told = [(kind, name) for kind, known in SPREADS.items() for name in known if name in names]
    centre = mean or next((name for name in MEANS if name in names), None)
    if centre is None or len(told) != 1:
        raise InputError(
            f"{path.name} holds the arrays {', '.join(names)}, but means and one of variance, log_variance and std are "
            "expected: name them so, or say which is which (--mean NAME --log-variance NAME)."
        )
    kind, name = told[0]
    return read(path, array=centre).array, kind, read(path, array=name).array
