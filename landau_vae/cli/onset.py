"""`landau-vae onset FILE`: at which β the first latent of a nonlinear VAE collapses, and whether with a jump."""

from pathlib import Path
from typing import Annotated

import landau_vae as lv
from landau_vae.checks import Range
from landau_vae.cli.options import Inputs
from landau_vae.cli.program import AsJson, command, in_data, option, say, say_written
from landau_vae.errors import InputError


@command
def onset(
    inputs: Inputs,
    rows: Annotated[int, Range(1), in_data("Rows to use at most, drawn at random (2000)")] = 2000,
    seed: Annotated[int, Range(0), in_data("Of the choice of rows (0)")] = 0,
    frontier: Annotated[bool, option("Solve for the best of any VAE too (a minute)", "--frontier")] = False,
    as_json: AsJson = False,
    output: Annotated[Path | None, option("Draw branches, potential, losses (.png, .pdf, .svg)")] = None,
) -> int:
    """Predict where a nonlinear VAE collapses, and whether with a jump."""
    inputs.must_be_plain("onset")
    if inputs.is_covariance:
        raise InputError(f"Of {inputs.name} only a covariance is known, but the onset needs the rows: give these.")
    if inputs.divisor != "n":
        raise InputError("The onset is that of a loss, whose covariance divides by n: leave --divisor out.")
    if output is not None:
        lv.report.check_picture(output)
    values, weights, _ = inputs.loaded
    from landau_vae.training.training_set import training_set

    table = training_set(values, standardize=inputs.scaled, weights=weights)
    result = lv.onset(table, inputs.loss, rows=rows, seed=seed, frontier=frontier, progress=True)
    say({"file": inputs.name, **result.to_dict()} if as_json else f"{inputs.heading()}\n{result.summary()}")
    if output is not None:
        say_written(lv.report.save_figure(output, lv.plotting.onset(result)))
    return 0
