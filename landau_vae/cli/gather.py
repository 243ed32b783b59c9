"""`landau-vae gather FILE… --output part.npz`: the moments of many files in one file that all other commands take."""

from pathlib import Path
from typing import Annotated

import typer

from landau_vae.cli.options import ArrayName, Column, Exclude, Header, Samples, Weights
from landau_vae.cli.program import app, say

__all__ = ["gather"]


@app.command()
def gather(
    files: Annotated[list[Path], typer.Argument(help="Data files, or partial results.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", help="The partial result to write (.npz).", show_default=False)],
    column: Column = [],  # noqa: B006
    exclude: Exclude = [],  # noqa: B006
    weights: Weights = None,
    array: ArrayName = None,
    samples: Samples = [],  # noqa: B006
    header: Header = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two saves of how far it has come.")] = 30.0,
) -> int:
    """Read many files once, and keep what a spectrum needs of them; partial results of other machines go in too."""
    from landau_vae.data.gather import Gathering

    how = {
        "columns": column or None, "exclude": exclude, "weights": weights, "array": array,
        "samples": samples or None, "header": header,
    }  # fmt: skip
    part = Gathering(files, output, how, every).run(resume=resume, progress=True)
    say(f"{output}: {part.count} rows of {part.dimension} columns from {len(files)} file{'s' * (len(files) != 1)}")
    return 0
