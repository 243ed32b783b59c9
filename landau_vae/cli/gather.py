"""`landau-vae gather FILE… --output part.npz`: the second moments of many files, in one file for all other commands."""

from pathlib import Path
from typing import Annotated

import typer

from landau_vae.cli.options import FILES, Reading
from landau_vae.cli.program import command, option, say
from landau_vae.display import counted


@command
def gather(
    files: Annotated[list[Path], typer.Argument(help=FILES, show_default=False)],
    reading: Reading,
    output: Annotated[Path, option("The partial result to write (.npz)", "--output")],
    resume: Annotated[bool, option("Continue a run that was interrupted", "--resume")] = False,
    every: Annotated[float, option("Seconds between two saves of the progress (30)")] = 30.0,
) -> int:
    """Gather the moments of many files, or of partial results, in one file."""
    from landau_vae.data.gather import Gathering

    part = Gathering(files, output, reading.selection, every).run(resume=resume, progress=True)
    say(f"{output}: {counted(part.count, 'row')} of {part.dimension} columns from {counted(len(files), 'file')}")
    return 0
