"""`landau-vae diagnose POSTERIOR --data DATA`: what the codes of a trained model say, without its decoder."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import landau_vae as lv
from landau_vae.cli.options import DataInputs
from landau_vae.cli.program import AsJson, Optimizer, command, option, say, say_written
from landau_vae.data.door import check_folder
from landau_vae.data.read_file import array_names, read
from landau_vae.errors import InputError

MEANS = ("mean", "mu")
SPREADS = {"variance": ("variance", "var"), "log_variance": ("log_variance", "logvar", "log_var"), "std": ("std",)}

of_arrays = partial(option, panel="Arrays in POSTERIOR")
in_training = partial(option, panel="How the model was trained")


@command
def diagnose(
    posterior: Annotated[Path, typer.Argument(help="NPZ of the encoded rows: mean, variance", show_default=False)],
    inputs: DataInputs,
    mean: Annotated[str | None, of_arrays("Name of the means (mean or mu)")] = None,
    variance: Annotated[str | None, of_arrays("Name of the variances")] = None,
    log_variance: Annotated[str | None, of_arrays("Name of the log-variances")] = None,
    std: Annotated[str | None, of_arrays("Name of the standard deviations")] = None,
    rows: Annotated[
        Literal["training", "held-out"],
        in_training("training or held-out: which rows these are (training)", metavar="NAME"),
    ] = "training",
    updates: Annotated[int | None, in_training("Number of updates")] = None,
    learning_rate: Annotated[float | None, in_training("Learning rate")] = None,
    optimizer: Annotated[Optimizer, in_training("adam or sgd (adam)", metavar="NAME")] = "adam",
    as_json: AsJson = False,
    output: Annotated[Path | None, option("Write a report to look at (.html)")] = None,
) -> int:
    """Diagnose a trained model by the codes of its rows.

    Prices are measured with a decoder, in Python: lv.diagnose(…, decode=model.decode).
    """
    if output is not None and output.suffix.lower() not in (".html", ".htm"):
        name = output.name or output
        raise InputError(f"The report is a page, but {name} does not end with .html: rename it, or use --json.")
    if output is not None:
        check_folder(output)
    inputs.must_be_plain("diagnose")
    for name, value in {"weights": inputs.reading.weights, "strongest": inputs.strongest}.items():
        if value is not None:
            raise InputError(f"A diagnosis uses all modes, and all rows equally: leave --{name} out.")
    names = {"variance": variance, "log_variance": log_variance, "std": std}
    means, kind, spreads = _posterior(posterior, mean, names)
    options: dict[str, Any] = {kind: spreads, "loss": inputs.loss, "rows": rows, "updates": updates}
    options |= {"learning_rate": learning_rate, "optimizer": "adam" if optimizer == "adam" else "gradient descent"}
    if inputs.covariance:
        options["spectrum"] = inputs.spectrum
    else:
        (values, _, _), sizes = inputs.sized_rows
        options |= {"data": values, "sizes": sizes, "standardize": inputs.standardize}
    result = lv.diagnose(means, **options)
    title = f"{posterior.name} on {inputs.name}"
    content = {"posterior": posterior.name, "file": inputs.name, **result.to_dict()}
    say(content if as_json else f"{title}: {result.summary()}")
    if output is not None:
        say_written(lv.report.write_page(output, result, title=title))
    return 0 if result.healthy else 1


def _posterior(path: Path, mean: str | None, names: dict[str, str | None]) -> tuple[Any, str, Any]:
    """Return the means, the kind of the other array (variance, log_variance or std), and that array."""
    stored = array_names(path)
    spreads = [(kind, name) for kind, name in names.items() if name is not None]
    if not spreads:
        spreads = [(kind, name) for kind, usual in SPREADS.items() for name in usual if name in stored]
    centre = mean or next((name for name in MEANS if name in stored), None)
    if centre is None or len(spreads) != 1:
        raise InputError(
            f"{path.name} holds the arrays {', '.join(stored)}, but means and one of variance, log_variance and std "
            "are expected: name them so, or say which is which (--mean NAME --log-variance NAME)."
        )
    kind, name = spreads[0]
    return read(path, array=centre).array, kind, read(path, array=name).array
