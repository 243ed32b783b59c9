"""Commands: their registration, their parsing, and what they print."""

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import landau_vae as lv
from landau_vae.checks import Range, checked
from landau_vae.cli import streams
from landau_vae.data.door import brief
from landau_vae.display import jsonable
from landau_vae.errors import InputError
from landau_vae.exits import FINE, IN_WORDS

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, epilog=IN_WORDS)


def option(text: str, *names: str, panel: str = "Output", metavar: str | None = None) -> Any:
    """Return a typer option with one line of help, in a panel of the help page."""
    return typer.Option(*names, help=text, show_default=False, rich_help_panel=panel, metavar=metavar)


in_data, in_training = (partial(option, panel=panel) for panel in ("Data", "Training"))

Optimizer = Literal["adam", "sgd"]
AsJson = Annotated[bool, option("Print JSON instead of tables", "--json")]
AGREEMENT = "Relative difference that counts as agreement (0.01)"
Tolerance = Annotated[float, Range(above=0), option(AGREEMENT, panel="Comparison")]


def command(function: Callable[..., int]) -> Callable[..., int]:
    """Register a command under the name of its function.

    typer knows no groups of options. A parameter whose type is a dataclass is such a group here: its fields become
    options of the command, and the function gets the dataclass.
    """
    expected = inspect.signature(function).parameters
    groups = {name: part.annotation for name, part in expected.items() if is_dataclass(part.annotation)}

    def run(**values: Any) -> int:
        made = {name: _filled(group, values) for name, group in groups.items()}
        return checked(function)(**made, **values)

    parameters: list[inspect.Parameter] = []
    for name, part in expected.items():
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
    """Return a group made of its values, checked by their annotations, which are taken out of `values`."""
    parts = {part.name: part.type for part in fields(group) if part.init}
    made = {name: _filled(kind, values) if is_dataclass(kind) else values.pop(name) for name, kind in parts.items()}
    return checked(group)(**made)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"landau-vae {lv.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Predict from the spectrum of the data which latents of a (β-)VAE collapse, and at which β."""


def say(content: str | dict[str, Any]) -> None:
    """Print a text, or the numbers of `--json` as strict JSON, to standard output."""
    text = content
    if isinstance(content, dict):
        text = json.dumps(jsonable(content), ensure_ascii=False, allow_nan=False, indent=1)
    with streams.output():
        print(text)


def say_written(path: Path, *files: Path) -> None:
    """Report on standard error which file was written, or which files into a folder."""
    inside = ", ".join(file.name for file in files)
    shown = brief(path)
    print(f"\nwritten: {shown}/ ({inside})" if files else f"written: {shown}", file=sys.stderr)


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    streams.tolerate_letters()
    program = typer.main.get_command(app)
    try:
        with streams.output(), program.make_context("landau-vae", list(arguments) or ["--help"]) as context:
            return int(program.invoke(context) or FINE)
    except (typer.Exit, SystemExit):  # after a page of help; the latter if nobody reads it
        pass
    if not arguments:
        raise InputError("A command is missing: name one of those above.")
    return FINE
