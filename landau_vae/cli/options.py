"""What all commands that take data have in common: how to read them, and which loss is meant."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from landau_vae import Loss, Spectrum
from landau_vae import spectrum as spectra
from landau_vae.cli.public import expanded, public_set, table_of
from landau_vae.data.read_file import Table, read
from landau_vae.datasets import NAMES, Dataset
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.loss import Reduction
from landau_vae.spectrum.spectrum import Divisor, Likelihood

__all__ = ["Given", "with_data_and_loss"]

# How to read a file: options that `gather` has too.
Column = Annotated[list[str], typer.Option(help="Use only this column (repeat for more).", show_default=False)]
Exclude = Annotated[list[str], typer.Option(help="Leave this column out (repeat for more).", show_default=False)]
Weights = Annotated[str | None, typer.Option(help="The column that holds sample weights.")]
ArrayName = Annotated[str | None, typer.Option(help="Which array of an NPZ, Zarr or netCDF file.")]
Samples = Annotated[
    list[str],
    typer.Option(
        help="The dimension of a Zarr or netCDF array that counts the samples (repeat for more); the first, unless "
        "told.",
        show_default=False,
    ),
]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether a CSV has one; seen by its words.", show_default=False),
]


@dataclass(frozen=True)
class Given:
    """What the user gave: a file and how to read it, or a public data set, and the loss."""

    path: Path | None  #: of the file
    loss: Loss
    standardize: bool
    covariance: bool
    divisor: Divisor
    selection: dict[str, Any]  #: columns, exclude, weights, array, samples, header
    batch: int | None = None  #: rows of a batch
    given: tuple[str, ...] = ()  #: columns that the decoder sees too
    target: tuple[str, ...] = ()  #: columns to give from the others
    noise: Path | None = None  #: variances or covariance of the noise
    dataset: Dataset | None = None  #: in place of a file
    strongest: int | None = None  #: how many of the modes to find

    @property
    def file(self) -> Path:
        """The path of the data, where they are a file's."""
        assert self.path is not None
        return self.path

    @property
    def name(self) -> str:
        """The file's name, or the data set's."""
        return self.file.name if self.dataset is None else self.dataset.name

    @cached_property
    def spectrum(self) -> Spectrum:
        """The spectrum of the file, or of what the options make of it."""
        if self.given or self.target or self.noise is not None:
            return self._other_spectrum()
        return self._plain_spectrum()

    def _plain_spectrum(self) -> Spectrum:
        """Of the features as they are."""
        if self.dataset is not None:
            return self.dataset.spectrum(self.loss.likelihood, standardize=self.standardize, divisor=self.divisor)
        return Spectrum.from_file(
            self.file,
            standardize=self.standardize,
            covariance=self.covariance,
            divisor=self.divisor,
            likelihood=self.loss.likelihood,
            modes=self.strongest,
            progress=True,
            **self.selection,
        )

    def _other_spectrum(self) -> Spectrum:
        """Of a conditional VAE, of a target, or with a noise metric."""

        if not self.loss.likelihood.squared or self.divisor != "n":
            raise InputError("Conditions, targets and noise metrics go with squared errors, and with the divisor n.")
        if self.given and self.target:
            raise InputError("--given is for conditional VAEs, --target for supervised ones: give one of the two.")
        noise = None if self.noise is None else self._noise()
        if self.covariance:
            if self.given or self.target:
                raise InputError("Conditions and targets need the samples: leave --covariance out.")
            return spectra.noise_metric(self._plain_spectrum(), np.asarray(noise))
        chosen = self.given or self.target
        table = self.table()
        names = list(table.names or map(str, range(table.array.shape[1] if table.array is not None else 0)))
        for name in chosen:
            if name not in names:
                raise InputError(f"There is no column {name!r}: the columns are {', '.join(names[:12])}.")
        rows, weights = self.samples()
        if not chosen:
            if self.standardize:
                raise InputError("A noise metric has the data's own units: leave --standardize out.")
            return spectra.noise_metric(rows, np.asarray(noise), weights=weights, names=table.names)
        inside = np.array([name in chosen for name in names])
        if inside.all():
            raise InputError(f"All columns are {'conditions' if self.given else 'targets'}: leave some to the others.")
        import pandas as pd

        frame = pd.DataFrame(rows, columns=names, copy=False)  # so that complaints go by the columns' names
        chosen_part, rest = frame.loc[:, inside], frame.loc[:, ~inside]
        x, y = (chosen_part, rest) if self.given else (rest, chosen_part)
        build = spectra.conditional if self.given else spectra.supervised
        return build(x, y, noise=noise, standardize=self.standardize, weights=weights)

    def _noise(self) -> Array:
        """Variances (a row or a column), or a covariance."""
        assert self.noise is not None
        table = read(self.noise)
        values = table.array if table.array is not None else np.concatenate([rows for rows, _ in table.blocks])
        return np.asarray(values.ravel() if 1 in values.shape else values, dtype=np.float64)

    def must_be_plain(self, command: str) -> None:
        """Raise `InputError` where the spectrum is not that of the file's own columns."""
        if self.given or self.target or self.noise is not None:
            raise InputError(
                f"`{command}` takes the data as they are: leave --given, --target and --noise out (`thresholds`, "
                "`choose` and `bifurcate` know them)."
            )

    def heading(self) -> str:
        """What was read, and what its spectrum is of."""
        lines = [
            f"{self.name}: {self.spectrum}{', standardised' if self.standardize or self.spectrum.standardized else ''}"
        ]
        return "\n".join(filter(None, [*lines, self.preparation(), self.spectrum.note]))

    def preparation(self, decoder: Likelihood | str | None = None) -> str:
        """What was done to a data set so that a decoder can take it (by default that of the loss)."""
        return "" if self.dataset is None else self._prepared(self.dataset, decoder).note

    def table(self, decoder: Likelihood | str | None = None) -> Table:
        """The columns that are meant, of a data set as a decoder takes them (by default that of the loss)."""
        if self.dataset is None:
            return read(self.file, **self.selection)
        return table_of(self._prepared(self.dataset, decoder), self.given or self.target)

    def _prepared(self, dataset: Dataset, decoder: Likelihood | str | None) -> Dataset:
        return dataset.prepared(decoder or self.loss.likelihood, standardize=self.standardize)

    def samples(self, decoder: Likelihood | str | None = None) -> tuple[Array, Array | None]:
        """The rows, all in memory, and their weights if there are any; of a data set as a decoder takes them."""
        table = self.table(decoder)
        if table.array is not None:
            return np.asarray(table.array, dtype=np.float64), None
        blocks = list(table.blocks)
        weights = [weight for _, weight in blocks if weight is not None]
        return np.concatenate([rows for rows, _ in blocks]), np.concatenate(weights) if weights else None


def _given(
    file: Annotated[
        Path | None, typer.Argument(help="Samples × features: CSV, Parquet, NPY or NPZ.", show_default=False)
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help=f"A public data set in place of FILE: {', '.join(NAMES)}.", show_default=False)
    ] = None,
    standardize: Annotated[
        bool, typer.Option("--standardize", help="Divide each feature by its standard deviation.")
    ] = False,
    column: Column = [],  # noqa: B006
    exclude: Exclude = [],  # noqa: B006
    weights: Weights = None,
    array: ArrayName = None,
    samples: Samples = [],  # noqa: B006
    strongest: Annotated[
        int | None, typer.Option(help="Find only so many of the strongest modes, of very many columns.")
    ] = None,
    covariance: Annotated[
        bool, typer.Option("--covariance", help="The file holds a covariance matrix, not samples.")
    ] = False,
    header: Header = None,
    divisor: Annotated[Divisor, typer.Option(help="What the covariance divides by; a loss divides by n.")] = "n",
    given: Annotated[
        list[str],
        typer.Option(
            help="A column that the decoder sees too: a conditional VAE (repeat for more).", show_default=False
        ),
    ] = [],  # noqa: B006
    target: Annotated[
        list[str],
        typer.Option(
            help="A column to give from the others: a supervised bottleneck (repeat for more).", show_default=False
        ),
    ] = [],  # noqa: B006
    noise: Annotated[
        Path | None, typer.Option(help="A file with the noise of each feature: variances, or a covariance.")
    ] = None,
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
        Literal["gaussian", "bernoulli", "poisson"] | None,
        typer.Option(help="Squared error, or cross-entropy.", show_default="gaussian"),
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
    selection = {
        "columns": column or None, "exclude": exclude, "weights": weights, "array": array, "samples": samples or None,
        "header": header,
    }  # fmt: skip
    if file is None and dataset is None:
        raise InputError(f"No data were given: name a FILE, or a public data set (--dataset {', '.join(NAMES)}).")
    if file is not None and dataset is not None:
        raise InputError(f"Both the file {file} and the data set {dataset} were given: leave one of the two out.")
    if dataset is None:
        columns = tuple(given), tuple(target)
        if strongest is not None and (any(columns) or noise is not None):
            raise InputError("With --given, --target or --noise all modes are found at once: leave --strongest out.")
        return Given(
            file, meant, standardize, covariance, divisor, selection, batch, *columns, noise, strongest=strongest
        )
    of_files = {"weights": weights, "array": array, "header": header is not None, "covariance": covariance,
                "samples": samples}  # fmt: skip
    if strongest is not None:
        raise InputError("A data set has few columns, and all its modes are found at once: leave --strongest out.")
    data = public_set(dataset, column, exclude, of_files)
    columns = expanded(data, given, condition=True), expanded(data, target, condition=False)
    own_units = data.standardize and noise is None and meant.likelihood.squared
    return Given(
        None, meant, standardize or own_units, data.covariance, divisor, selection, batch, *columns, noise, data
    )


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
            annotation=Annotated[Path, typer.Option(option, help="The data: CSV, Parquet, NPY or NPZ.")],
            default=inspect.Parameter.empty,
        )
        del shared["dataset"]
    own = dict(list(inspect.signature(command).parameters.items())[1:])

    def run(**options: Any) -> int:
        given = _given(**{key: options.pop(key) for key in shared})
        return command(given, **options)

    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*shared.values(), *own.values())]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    return run
