"""Entry point of the command line: registration of commands, parsing, output, error handling."""

import inspect
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from landau_vae.checks import Range, checked
from landau_vae.display import jsonable
from landau_vae.errors import InputError, OutsideTheory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from xarray import Dataset

    from landau_vae.verification import Verification

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Predict from the spectrum of the data which latents of a (β-)VAE collapse, and at which β.",
)

OPTIONS = {"start": "--from", "stop": "--to"}  # arguments that are called otherwise on the command line
INTERRUPTED = 130  # exit code that shells expect after Ctrl-C


def option(text: str, *names: str, panel: str = "Output", metavar: str | None = None) -> Any:
    """Return a typer option with one line of help, in a panel of the help page."""
    return typer.Option(*names, help=text, show_default=False, rich_help_panel=panel, metavar=metavar)


AsJson = Annotated[bool, option("Print JSON instead of tables", "--json")]
Tolerance = Annotated[
    float, Range(above=0), option("Relative difference that counts as agreement (0.01)", panel="Comparison")
]


def command(function: Callable[..., int]) -> Callable[..., int]:
    """Register a command under the name of its function.

    typer knows no groups of options. A parameter whose type is a dataclass is such a group here: its fields become
    options of the command, and the function gets the dataclass.
    """
    groups = {name: part.annotation for name, part in inspect.signature(function).parameters.items()}
    groups = {name: group for name, group in groups.items() if is_dataclass(group)}

    def run(**values: Any) -> int:
        made = {name: _filled(group, values) for name, group in groups.items()}
        return checked(function)(**made, **values)

    parameters: list[inspect.Parameter] = []
    for name, part in inspect.signature(function).parameters.items():
        parameters += _options(groups[name]) if name in groups else [part.replace(kind=part.KEYWORD_ONLY)]
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    run.__annotations__ = {part.name: part.annotation for part in parameters}
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    app.command()(run)
    return function


def _options(group: Any) -> Iterator[inspect.Parameter]:
    """Yield the parameters for typer that a group's fields stand for; a field may be a group itself."""
    for part in fields(group):
        if is_dataclass(part.type):
            yield from _options(part.type)
        elif part.init:
            default = inspect.Parameter.empty if part.default is MISSING else part.default
            yield inspect.Parameter(part.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=part.type)


def _filled(group: Any, values: dict[str, Any]) -> Any:
    """Return a group made of its values, which are taken out of `values`."""
    parts = {part.name: part.type for part in fields(group) if part.init}
    return group(
        **{name: _filled(kind, values) if is_dataclass(kind) else values.pop(name) for name, kind in parts.items()}
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        from landau_vae import __version__

        say(f"landau-vae {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Predict from the spectrum of the data which latents of a (β-)VAE collapse, and at which β."""


def say(text: str) -> None:
    """Print a text to standard output."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the program that read our output has ended: this is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_json(content: dict[str, Any]) -> None:
    """Print strict JSON to standard output."""
    say(json.dumps(jsonable(content), ensure_ascii=False, allow_nan=False, indent=1))


def draw(output: Path, picture: "Axes | Figure") -> None:
    """Save a picture and report its path."""
    from landau_vae import report

    report.save_figure(output, picture)
    print(f"written: {output}", file=sys.stderr)


def write_report(output: Path, result: "Verification", models: "Dataset") -> None:
    """Write a verification and its models into a folder, and report the files."""
    from landau_vae import report

    files = report.write(output, result, models)
    print(f"\nwritten: {output}/ ({', '.join(path.name for path in files)})", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit code: 0 fine, 1 checked and failed, 2 bad input."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):  # a terminal without Greek letters shows "?" in their place
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    program = typer.main.get_command(app)
    try:
        code = int(program.main(arguments or ["--help"], prog_name="landau-vae", standalone_mode=False) or 0)
    except (InputError, OutsideTheory) as problem:
        return _complain(str(problem))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as problem:
        if not hasattr(problem, "format_message"):  # only the parser's errors have one
            raise
        return _complain(problem.format_message())
    if code == INTERRUPTED:
        print("\nlandau-vae: interrupted; no file is left half-written.", file=sys.stderr)
    return code if arguments else _complain("A command is missing: name one of those above.")


def _complain(message: str) -> int:
    subject, _, rest = message.partition(" ")
    print(f"landau-vae: {OPTIONS.get(subject, subject)} {rest}", file=sys.stderr)
    return 2
