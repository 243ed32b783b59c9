"""What all commands that take a file have in common: how to read it, and which loss is meant."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from landau_vae import Loss, Spectrum
from landau_vae.loss import Reduction
from landau_vae.results import Array
from landau_vae.samples.files import read
from landau_vae.spectrum import Divisor

__all__ = ["Given", "with_data_and_loss"]


@dataclass(frozen=True)
class Given:
    """What the user gave: a file, how to read it, and the loss."""

    file: Path
    loss: Loss
    standardize: bool
    covariance: bool
    divisor: Divisor
    selection: dict[str, Any]  #: columns, exclude, weights, array, header

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.name

    @cached_property
    def spectrum(self) -> Spectrum:
        """The spectrum of the file."""
        return Spectrum.from_file(
            self.file,
            standardize=self.standardize,
            covariance=self.covariance,
            divisor=self.divisor,
            progress=True,
            **self.selection,
        )

    def heading(self) -> str:
        """The first line of an answer: what was read."""
        return f"{self.name}: {self.spectrum}{', standardised' if self.spectrum.standardized else ''}"

    def samples(self) -> tuple[Array, Array | None]:
        """The rows of the file, all in memory, and their weights if it has any."""
        table = read(self.file, **self.selection)
        if table.array is not None:
            return np.asarray(table.array, dtype=np.float64), None
        blocks = list(table.blocks)
        weights = [weight for _, weight in blocks if weight is not None]
        return np.concatenate([rows for rows, _ in blocks]), np.concatenate(weights) if weights else None


def _given(
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
) -> Given:
    """The file, how to read it, and the user's loss."""
    loss = Loss.gaussian(
        beta, decoder_variance=decoder_variance, reconstruction=reconstruction, kl=kl, half=half, latents=latents
    )
    selection = {"columns": column or None, "exclude": exclude, "weights": weights, "array": array, "header": header}
    return Given(file, loss, standardize, covariance, divisor, selection)


def with_data_and_loss(command: Callable[..., int]) -> Callable[..., int]:
    """Give `command(given, …)` the options of `_given` in place of its first argument."""
    shared = inspect.signature(_given).parameters
    own = dict(list(inspect.signature(command).parameters.items())[1:])

    def run(**options: Any) -> int:
        given = _given(**{key: options.pop(key) for key in shared})
        return command(given, **options)

    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*shared.values(), *own.values())]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    return run
