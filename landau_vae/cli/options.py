"""Groups of options that commands share: the data and how to read them, the spectrum to form, the loss."""

import re
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

import landau_vae as lv
from landau_vae import Loss, Spectrum
from landau_vae.checks import Range
from landau_vae.cli.program import in_data, option
from landau_vae.data.archive import is_partial
from landau_vae.data.read_file import read
from landau_vae.data.read_h5ad import read_obs
from landau_vae.datasets import NAMES, Dataset, load
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.likelihoods import Likelihood
from landau_vae.loss import PRESETS, Reduction
from landau_vae.loss.presets.preset import asks
from landau_vae.spectrum.build import Divisor

Names = list[str] | None
GeneLikelihood = Literal["zinb", "nb", "poisson"] | None

FILES = "CSV, Parquet, NPY, NPZ, Zarr, netCDF, h5ad, or from `gather`"
TARGET = "target"  # in --given and --target: all columns of a public data set's target

PARTS = ("capacity", "noise_scale", "kl_weight", "reconstruction_weight", "dispersion")

in_model = partial(option, panel="Condition, target, noise")
in_loss = partial(option, panel="Loss")


class Rows(NamedTuple):
    """Rows in memory, their weights if there are any, and the names of their columns if these have any."""

    values: NDArray[Any]
    weights: Array | None
    names: tuple[str, ...] | None


@dataclass(frozen=True)
class Reading:
    """How to read a file of data."""

    columns: Annotated[Names, in_data("Use only this column (may be repeated)", "--column", metavar="NAME")] = None
    exclude: Annotated[Names, in_data("Leave this column out (may be repeated)", metavar="NAME")] = None
    weights: Annotated[str | None, in_data("Column that holds sample weights", metavar="NAME")] = None
    array: Annotated[
        str | None,
        in_data("Array of an NPZ, Zarr, netCDF file; layer of .h5ad", "--array", "--layer", metavar="NAME"),
    ] = None
    samples: Annotated[Names, in_data("Zarr, netCDF: the dimension that counts rows (first)", metavar="NAME")] = None
    header: Annotated[bool | None, in_data("Whether a CSV has a header (detected)", "--header/--no-header")] = None

    @property
    def selection(self) -> dict[str, Any]:
        """Return the options of `read` and `Spectrum.from_file`."""
        return vars(self) | {"exclude": self.exclude or ()}


@dataclass(frozen=True)
class LossOptions:
    """How the user's training loop forms its loss."""

    code: Annotated[str | None, in_loss("Loss of a code base; `convert` lists them", "--loss", metavar="NAME")] = None
    beta: Annotated[float | None, in_loss("Weight β of the KL term (1, or as --loss ships it)")] = None
    reconstruction: Annotated[Reduction | None, in_loss("Error: sum or mean over features", metavar="HOW")] = None
    kl: Annotated[Reduction | None, in_loss("KL: sum or mean over latents", metavar="HOW")] = None
    half: Annotated[bool | None, in_loss("Squared error with ½ (yes; mse_loss: no)", "--half/--no-half")] = None
    decoder_variance: Annotated[float | None, Range(above=0), in_loss("σ² that divides the squared error (1)")] = None
    learned_variance: Annotated[bool, in_loss("The decoder's variance is trained too", "--learned-variance")] = False
    likelihood: Annotated[
        str | None, in_loss('gaussian, bernoulli, poisson, laplace, "huber(0.5)", …', metavar="NAME")
    ] = None
    latents: Annotated[int | None, Range(1), in_loss("Number of latents of your model")] = None
    batch: Annotated[int | None, Range(1), in_loss("Rows of a batch (verify: 256)")] = None
    channels: Annotated[int | None, Range(1), in_loss("Channels of an image, if the loss depends on it")] = None
    valid: Annotated[int | None, Range(1), in_loss("Entries of a sample that no mask hides")] = None
    gene_likelihood: Annotated[GeneLikelihood, in_loss("scvi-tools: zinb, nb or poisson (zinb)", metavar="NAME")] = None
    parts: Annotated[Names, in_loss("What else --loss takes: capacity=20, … (repeat)", "--with", metavar="X=Y")] = None

    @cached_property
    def loss(self) -> Loss:
        """Return the loss of a code base, or the one that these terms make."""
        names = ("decoder_variance", "reconstruction", "kl", "half", "likelihood")
        terms: dict[str, Any] = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.learned_variance:
            if "decoder_variance" in terms:
                raise InputError("A learned decoder variance has no fixed value: leave --decoder-variance out.")
            terms["decoder_variance"] = "learned"
        if self.code is None:
            for name in ("channels", "valid", "gene_likelihood", "parts"):
                if getattr(self, name) is not None:
                    option = {"parts": "with"}.get(name, name).replace("_", "-")
                    raise InputError(f"--{option} belongs to losses of code bases: name one (--loss).")
            return Loss(np.asarray(1.0 if self.beta is None else self.beta), **terms, latents=self.latents)
        sizes = {name: getattr(self, name) for name in ("latents", "batch", "channels", "valid", "gene_likelihood")}
        sizes |= parts_of(self.parts)
        if self.code in PRESETS and asks(PRESETS[self.code], "likelihood"):
            sizes["likelihood"] = terms.pop("likelihood", None)
        if terms:
            name = "learned-variance" if self.learned_variance else next(iter(terms)).replace("_", "-")
            raise InputError(f"--loss {self.code} says how that loss is formed, so does --{name}: give one of the two.")
        return Loss.preset(self.code, self.beta, **sizes)


def parts_of(pairs: Names) -> dict[str, float]:
    """Return what --with gives: arguments of `Loss.preset` that are numbers."""
    split = [text.partition("=") for text in pairs or ()]
    for name, _, value in split:
        if name not in PARTS or not _is_number(value):
            raise InputError(
                f"--with {name}={value} cannot be used: give one of {', '.join(PARTS)} and a number, as in "
                f"--with {PARTS[0]}=20."
            )
    return {name: float(value) for name, _, value in split}


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text.lower()))


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The data (a file, or a public data set), the spectrum to form of them, and the loss."""

    file: Annotated[Path | None, typer.Argument(help=FILES, show_default=False)] = None
    dataset: Annotated[str | None, in_data("Public data instead of FILE: terrain, worldclim, …", metavar="NAME")] = None
    standardize: Annotated[bool, in_data("Divide each feature by its standard deviation", "--standardize")] = False
    covariance: Annotated[bool, in_data("The file holds a covariance matrix, not rows", "--covariance")] = False
    divisor: Annotated[Divisor, in_data("Divisor of the covariance: n or n-1 (n)", metavar="NAME")] = "n"
    strongest: Annotated[int | None, Range(1), in_data("Compute only this many of the strongest modes")] = None
    reading: Reading = field(default_factory=Reading)
    given: Annotated[Names, in_model("Conditional VAE: a column that the decoder knows", metavar="NAME")] = None
    target: Annotated[Names, in_model("Supervised VAE: a column to predict from the others", metavar="NAME")] = None
    sizes: Annotated[str | None, in_model("Counts: sizes of rows, `total` or a column", metavar="NAME")] = None
    noise: Annotated[Path | None, in_model("File of noise variances, or of a noise covariance")] = None
    terms: LossOptions = field(default_factory=LossOptions)

    def __post_init__(self) -> None:
        """Refuse options that contradict one another, before any data are read."""
        if self.file is None and self.dataset is None:
            raise InputError(f"No data were given: name a FILE, or a public data set (--dataset {', '.join(NAMES)}).")
        if self.file is not None and self.dataset is not None:
            raise InputError(f"Both the file {self.file} and the data set {self.dataset} were given: leave one out.")
        if self.strongest is not None and (self.changed or self.dataset is not None):
            raise InputError("--given, --target, --noise and --dataset find all modes at once: leave --strongest out.")
        if self.changed and (not self.loss.likelihood.squared or self.divisor != "n"):
            raise InputError("--given, --target and --noise go with squared errors and with the divisor n.")
        if self.given and self.target:
            raise InputError("--given is for conditional VAEs, --target for supervised ones: give one of the two.")

    @property
    def loss(self) -> Loss:
        """Return the loss that is meant."""
        return self.terms.loss

    @property
    def changed(self) -> bool:
        """Whether the spectrum is another than that of the columns themselves."""
        return bool(self.given or self.target) or self.noise is not None

    @property
    def name(self) -> str:
        """Return the name of the file or of the data set."""
        return self.file.name if self.file is not None else str(self.dataset)

    @cached_property
    def public(self) -> Dataset | None:
        """Return the public data set, with the features that are asked for."""
        if self.dataset is None:
            return None
        options = vars(self.reading) | {"covariance": self.covariance or None}
        for name in ("weights", "array", "header", "covariance", "samples"):
            if options[name] is not None:
                raise InputError(
                    f"--{name} says how to read a file, but --dataset reads no file: leave one of them out."
                )
        return load(self.dataset).select(self.reading.columns, self.reading.exclude or ())

    @property
    def is_covariance(self) -> bool:
        """Whether only a covariance is known, not the rows."""
        return self.covariance if self.public is None else self.public.covariance

    @property
    def has_rows(self) -> bool:
        """Whether the rows are there: neither a covariance nor a partial result is all that is known."""
        return not (self.is_covariance or (self.file is not None and is_partial(self.file)))

    @property
    def scaled(self) -> bool:
        """Whether features are standardised: on request, or because a public data set has units of its own."""
        own_units = self.public is not None and self.public.standardize and self.noise is None
        return self.standardize or (own_units and self.loss.likelihood.of_reals)

    @cached_property
    def spectrum(self) -> Spectrum:
        """Return the spectrum of the data, or of what --given, --target and --noise make of them."""
        if self.given or self.target or (self.noise is not None and not self.is_covariance):
            return self._changed_spectrum()
        spectrum = self._own_spectrum()
        return spectrum if self.noise is None else lv.spectrum.noise_metric(spectrum, self._noise_values())

    def _own_spectrum(self) -> Spectrum:
        """Return the spectrum of the features themselves; rows that were loaded before are not read again."""
        options: dict[str, Any] = {"standardize": self.scaled, "divisor": self.divisor}
        if self.sizes is not None or not self.loss.likelihood.by_mean:
            return self._score_spectrum()
        if self.public is not None:
            return self.public.spectrum(self.loss.likelihood, **options)
        assert self.file is not None
        options |= {"likelihood": self.loss.likelihood, "modes": self.strongest, "progress": True}
        if "loaded" in vars(self):
            values, weights, names = self.loaded
            return Spectrum.from_data(values, weights=weights, names=names, **options)
        return Spectrum.from_file(self.file, covariance=self.covariance, **options, **self.reading.selection)

    def _score_spectrum(self) -> Spectrum:
        """Return the spectrum of a likelihood of which more counts than means and covariances."""
        likelihood = self.loss.likelihood
        if not self.has_rows:
            raise InputError(f"For a {likelihood} decoder the rows are needed: give these, not a covariance.")
        if self.divisor != "n":
            raise InputError(f"Scores of a {likelihood} decoder are averaged over all n rows: leave --divisor out.")
        (values, weights, names), sizes = self.sized_rows
        options: dict[str, Any] = {"standardize": self.scaled, "modes": self.strongest, "sizes": sizes}
        return lv.spectrum.score(values, likelihood, weights=weights, names=names, **options)

    @cached_property
    def sized_rows(self) -> tuple[Rows, Any]:
        """Return all rows, and what --sizes says of them: a column that is taken from them, or is one of obs."""
        values, weights, names = self.loaded
        if self.sizes in (None, "total"):
            return self.loaded, self.sizes
        if self.public is not None:
            if self.public.target is None or self.sizes not in self.public.target_names:
                raise InputError(f"{self.name} has no column {self.sizes!r} of sizes: its columns are features.")
            return self.loaded, self.public.target[:, self.public.target_names.index(self.sizes)]
        assert self.file is not None
        if self.file.suffix.lower() == ".h5ad":
            return self.loaded, read_obs(self.file, self.sizes)
        labels = list(names or map(str, range(values.shape[1])))
        if self.sizes not in labels:
            raise InputError(f"There is no column {self.sizes!r}: the columns are {', '.join(labels[:12])}.")
        place = labels.index(self.sizes)
        others = None if names is None else tuple(labels[:place] + labels[place + 1 :])
        return Rows(np.delete(values, place, axis=1), weights, others), values[:, place]

    def _changed_spectrum(self) -> Spectrum:
        """Return the spectrum of a conditional VAE, of a target, or of rows with a noise metric."""
        if self.is_covariance:
            raise InputError(f"Of {self.name} only a covariance is known, but conditions and targets need the rows.")
        values, weights, names = self.loaded
        named = self._named_columns()
        if not named:
            if self.standardize:
                raise InputError("A noise metric has the data's own units: leave --standardize out.")
            return lv.spectrum.noise_metric(values, self._noise_values(), weights=weights, names=names)
        noise = None if self.noise is None else self._noise_values()
        labels = list(names or map(str, range(values.shape[1])))
        if unknown := [name for name in named if name not in labels]:
            raise InputError(f"There is no column {unknown[0]!r}: the columns are {', '.join(labels[:12])}.")
        inside = np.isin(labels, named)
        if inside.all():
            raise InputError(f"All columns are {'conditions' if self.given else 'targets'}: leave some to the others.")
        import pandas as pd

        frame = pd.DataFrame(values, columns=labels, copy=False)  # so that messages name the columns
        named_part, others = frame.loc[:, inside], frame.loc[:, ~inside]
        if self.given:
            return lv.spectrum.conditional(named_part, others, noise=noise, standardize=self.scaled, weights=weights)
        return lv.spectrum.supervised(others, named_part, noise=noise, standardize=self.scaled, weights=weights)

    def _named_columns(self) -> tuple[str, ...]:
        """Return the columns of --given or --target; `target` stands for all that a public data set has."""
        named = tuple(self.given or self.target or ())
        if self.public is None or TARGET not in named:
            return named
        # Of a condition that is a class the last column is left out: it follows from the others.
        whole = self.public.condition[1] if self.given else self.public.target_names
        return (*(name for name in named if name != TARGET), *whole)

    def _noise_values(self) -> Array:
        """Return the noise as variances (a row or a column of the file), or as a covariance."""
        assert self.noise is not None
        values, _ = read(self.noise).whole()
        return np.asarray(values.ravel() if 1 in values.shape else values, dtype=np.float64)

    @cached_property
    def loaded(self) -> Rows:
        """Return all rows, in memory."""
        return self.rows()

    def rows(self, decoder: Likelihood | str | None = None) -> Rows:
        """Return all rows, those of a public data set prepared for a decoder (by default that of the loss)."""
        if self.public is None:
            assert self.file is not None
            table = read(self.file, **self.reading.selection)
            return Rows(*table.whole(), table.names)
        data = self.prepared(self.public, decoder)
        named = [column for column, name in enumerate(data.target_names) if name in self._named_columns()]
        if data.target is None or not named:
            return Rows(data.table, None, data.names)
        names = (*data.names, *(data.target_names[column] for column in named))
        return Rows(np.concatenate([data.table, data.target[:, named]], axis=1), None, names)

    def prepared(self, data: Dataset, decoder: Likelihood | str | None = None) -> Dataset:
        """Return a public data set as a decoder takes it."""
        return data.prepared(decoder or self.loss.likelihood, standardize=self.scaled)

    def preparation(self, decoder: Likelihood | str | None = None) -> str:
        """Return what was done to a public data set so that a decoder can take it, in words."""
        return "" if self.public is None else self.prepared(self.public, decoder).note

    def heading(self) -> str:
        """Return the lines that say what was read, and what its spectrum is the spectrum of."""
        scaled = ", standardised" if self.scaled or self.spectrum.standardized else ""
        note = "" if self.spectrum.of_scores else self.spectrum.note  # that is part of what is said of the loss
        lines = [f"{self.name}: {self.spectrum}{scaled}", self.preparation(), note]
        return "\n".join(filter(None, lines))

    def must_be_plain(self, command: str) -> None:
        """Raise `InputError` unless the spectrum is that of the columns themselves."""
        if self.changed:
            raise InputError(f"`{command}` takes the data as they are: leave --given, --target and --noise out.")


@dataclass(frozen=True, kw_only=True)
class DataInputs(Inputs):
    """Inputs of a command whose argument is another file, so that the data are an option."""

    file: Annotated[Path, typer.Option("--data", help=FILES, rich_help_panel="Data")] = field()
    dataset: None = field(default=None, init=False)
