"""The program around the commands: parse, run, say, complain."""

import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from landau_vae.display import jsonable
from landau_vae.errors import InputError, OutsideTheory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from xarray import Dataset

    from landau_vae.verification import Verification

__all__ = ["INTERRUPTED", "AsJson", "app", "draw", "main", "say", "say_json", "write_report"]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Which latents of a (β-)VAE collapse, and at which β: predicted from the spectrum of the data.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
INTERRUPTED = 130  # what a shell expects after Ctrl-C, and what the parser makes of it


def say(text: str) -> None:
    """Print."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader of our output has left: no fault of anyone's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_json(content: dict[str, Any]) -> None:
    """Print as strict JSON."""
    say(json.dumps(jsonable(content), ensure_ascii=False, allow_nan=False, indent=1))


def draw(output: Path, picture: "Axes | Figure") -> None:
    """Save a picture, and say where."""
    from landau_vae import report

    report.save_figure(output, picture)
    print(f"written: {output}", file=sys.stderr)


def write_report(output: Path, result: "Verification", models: "Dataset") -> None:
    """Write a verification and the models behind it into a folder, and say where."""
    from landau_vae import report

    files = report.write(output, result, models)
    print(f"\nwritten: {output}/ ({', '.join(path.name for path in files)})", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):  # Greek letters on a terminal that has none
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    command = typer.main.get_command(app)
    try:
        code = int(command.main(arguments or ["--help"], prog_name="landau-vae", standalone_mode=False) or 0)
    except (InputError, OutsideTheory) as problem:
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
