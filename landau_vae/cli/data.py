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
from landau_vae.errors import InputError
from landau_vae.loss import Likelihood, Reduction
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
    batch: int | None = None  #: rows of a batch

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
            likelihood=self.loss.likelihood,
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
    loss: Annotated[
        str | None,
        typer.Option(help="The loss of a public code base; `landau-vae convert` lists them.", show_default=False),
    ] = None,
    beta: Annotated[float | None, typer.Option(help="β, the weight of the KL term.", show_default="1")] = None,
    decoder_variance: Annotated[
        float | None, typer.Option(help="σ², which the squared error is divided by.", show_default="1")
    ] = None,
    learned_variance: Annotated[
        bool, typer.Option("--learned-variance", help="The decoder's variance is trained too.")
    ] = False,
    reconstruction: Annotated[
        Reduction | None, typer.Option(help="Errors: sum or mean over features.", show_default="sum")
    ] = None,
    kl: Annotated[Reduction | None, typer.Option(help="KL: sum or mean over latents.", show_default="sum")] = None,
    half: Annotated[
        bool | None,
        typer.Option(
            "--half/--no-half", help="Whether the squared error has a ½; mse_loss has none.", show_default="half"
        ),
    ] = None,
    likelihood: Annotated[
        Likelihood | None, typer.Option(help="Squared error, or cross-entropy.", show_default="gaussian")
    ] = None,
    latents: Annotated[int | None, typer.Option(help="Number of latents of your model.")] = None,
    batch: Annotated[int | None, typer.Option(help="Rows of a batch: some losses depend on it.")] = None,
    channels: Annotated[int | None, typer.Option(help="Channels of an image, for losses that depend on it.")] = None,
) -> Given:
    """The file, how to read it, and the user's loss."""
    parts = {
        "decoder_variance": decoder_variance, "reconstruction": reconstruction, "kl": kl, "half": half,
        "likelihood": likelihood,
    }  # fmt: skip
    meant = _loss(loss, beta, parts, learned=learned_variance, latents=latents, batch=batch, channels=channels)
    selection = {"columns": column or None, "exclude": exclude, "weights": weights, "array": array, "header": header}
    return Given(file, meant, standardize, covariance, divisor, selection, batch)


def _loss(
    name: str | None,
    beta: float | None,
    parts: dict[str, Any],
    *,
    learned: bool,
    latents: int | None,
    batch: int | None,
    channels: int | None,
) -> Loss:
    """A code base's loss by its name, or one put together from its parts."""
    told = {part: value for part, value in parts.items() if value is not None}
    if learned:
        if "decoder_variance" in told:
            raise InputError("A learned decoder variance has no value of its own: leave --decoder-variance out.")
        told["decoder_variance"] = "learned"
    if name is not None:
        if told:
            option = "learned-variance" if learned else next(iter(told)).replace("_", "-")
            raise InputError(
                f"--loss {name} says how that loss is formed, and so does --{option}: give one of the two."
            )
        return Loss.preset(name, beta, latents=latents, batch=batch, channels=channels)
    if channels is not None:
        raise InputError("--channels belongs to losses of code bases that depend on it: name one (--loss).")
    return Loss(np.asarray(1.0 if beta is None else beta), **told, latents=latents)


def with_data_and_loss(command: Callable[..., int], *, option: str | None = None) -> Callable[..., int]:
    """Give `command(given, …)` the options of `_given` in place of its first argument.

    The file is the command's argument, or an `option` where the command has another argument.
    """
    shared = dict(inspect.signature(_given).parameters)
    if option is not None:
        shared["file"] = shared["file"].replace(
            annotation=Annotated[Path, typer.Option(option, help="The data: CSV, Parquet, NPY or NPZ.")]
        )
    own = dict(list(inspect.signature(command).parameters.items())[1:])

    def run(**options: Any) -> int:
        given = _given(**{key: options.pop(key) for key in shared})
        return command(given, **options)

    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*shared.values(), *own.values())]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    return run
