"""A fixed set of calls into the package, and the numbers they give: what a change of names must leave as it is.

    python tests/fixed_numbers.py write tests/numbers.json
    python tests/fixed_numbers.py compare tests/numbers.json [--tolerance 1e-12]

Every entry of `TABLE` is a function of `Inputs` (seeded data, a temporary folder) that returns anything nested of
numbers, arrays, short strings and results of the package; `flattened` makes `{"entry/path/to/it": value}` of it.
Sentences are left out: wording may change. All names of the package are in the block of aliases below, so that after
a change of names only this block is edited; names of attributes are part of the record.
"""

import argparse
import contextlib
import enum
import io
import json
import math
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this file, whatever is installed

import numpy as np
import pandas as pd
import sympy as sp
import xarray

# --------------------------------------------------------------------------------- aliases: all names of the package
from landau_vae import (
    InputError,
    Loss,
    OutsideTheory,
    Spectrum,
    choose_beta,
    datasets,
    diagnose,
    equilibrium,
    follow,
    hysteresis,
    plotting,
    report,
    scan,
    transitions,
    uncertainty,
    verify,
)
from landau_vae.cli import main as command
from landau_vae.diagnosis import CRITERIA, recommend
from landau_vae.intervals import bootstrap
from landau_vae.loss import PRESETS, Likelihood
from landau_vae.numeric import (
    activation,
    fixed_encoder,
    hierarchy,
    landscape,
    learned_variance,
    noise_floor,
    population_threshold,
    spiked,
    weight_decay,
)
from landau_vae.numeric.continuation import coexistence, landau_potential, minima, sweep, telling_potential
from landau_vae.numeric.problems import ExponentialFamily, Linear, Symbolic
from landau_vae.spectrum import Partial, conditional, exponential_family, noise_metric, supervised
from landau_vae.symbolic import (
    Landau,
    cumulants,
    derive,
    gaussian_mean,
    moment,
    names,
    title,
    typeset,
    vanishes,
    variations,
)
from landau_vae.symbolic import exponential_family as symbolic_family
from landau_vae.symbolic import hierarchy as levels
from landau_vae.symbolic import linear as mode
from landau_vae.training import (
    SGD,
    Adam,
    Exact,
    LinearVAE,
    Patience,
    Sampled,
    Schedule,
    TrainingSet,
    anneal,
    cosine,
    cyclical,
    load_scan,
    plan,
    save_scan,
    warm_up,
)
from landau_vae.verification import branches, dataset_size, dynamics

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "tests" / "models_of_numbers.json"  # linear encoders; decoders of logits and of tanh
PACKAGE = "landau_vae"
COMMAND = "landau_vae"  # as `python -m` takes it
Layers = datasets.Layers
STATISTICS = datasets.worldclim

# ------------------------------------------------------------------------------------------------- what is recorded

LONG = 8  # numbers of an array that are written one by one; of longer ones also sum and sum of squares
MANY = 40  # things of a sequence that are written one by one
SENTENCE = 40  # characters, from which on a string is a sentence
DEEP = 2  # from here on, results within results are left to their own entries
WORDS = {
    "advice", "caveat", "caveats", "certificate", "citation", "conclusion", "description", "descriptions", "explain",
    "explanation", "folder", "formula", "knob", "licence", "note", "notes", "on_progress", "provenance", "question",
    "reason", "refusal", "refused", "rule", "sentence", "source", "title", "warnings",
}  # fmt: skip
TWICE = {"modes"}  # of what results print as JSON: it says mode by mode what their arrays say
ELSEWHERE = {
    "evidence", "spectrum", "loss", "problem", "theory", "parent", "user_loss", "influence", "special_point",
    # drawn: tests/networks and tests/diagnosis have them
    "measured", "prices", "following", "by_codes", "next_onset", "frontier",
    "latents",  # a table, which JSON has as arrays
}  # fmt: skip


def known(thing: Any) -> bool:
    return type(thing).__module__.split(".")[0] == PACKAGE and not isinstance(thing, enum.Enum)


def facts(thing: Any, depth: int) -> dict[str, Any]:
    """Fields and properties of a result, and what else it prints as JSON; other results are recorded by themselves.

    A property that the package refuses is recorded as the name of the complaint.
    """
    found: dict[str, Any] = {}
    attributes = [each.name for each in fields(thing)] if is_dataclass(thing) else []
    for kind in type(thing).__mro__:
        if kind.__module__.split(".")[0] == PACKAGE:
            attributes += [name for name, value in vars(kind).items() if isinstance(value, property | cached_property)]
    if isinstance(thing, tuple) and hasattr(thing, "_fields"):
        attributes += thing._fields
    for name in dict.fromkeys(attributes):
        if name.startswith("_") or name in WORDS:
            continue
        try:
            value = getattr(thing, name)
        except (InputError, OutsideTheory) as refused:
            value = {"error": type(refused).__name__}
        if known(value) and (name in ELSEWHERE or depth >= DEEP or (depth and name == "posterior")):
            continue
        found[name] = value
    if depth == 0 and hasattr(thing, "to_dict"):
        try:
            found["json"] = {name: value for name, value in thing.to_dict().items() if name not in {*found, *TWICE}}
        except (InputError, OutsideTheory) as refused:
            found["json"] = {"error": type(refused).__name__}
    return found


def plain(number: Any) -> Any:
    """A number as JSON has it."""
    if isinstance(number, float) and not math.isfinite(number):
        return str(number)
    return number


def flattened(value: Any, path: str, out: dict[str, Any], depth: int = 0) -> None:
    """Write `value` to `out` under paths that begin with `path`."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, xarray.Dataset):
        value = {str(name): variable.values for name, variable in value.variables.items()}
    elif isinstance(value, pd.DataFrame | pd.Series | xarray.DataArray):
        value = np.asarray(value)
    if isinstance(value, sp.MatrixBase):
        value = [sp.sstr(each) for each in value]
    if isinstance(value, Likelihood):
        value = value.name
    if isinstance(value, enum.Enum):
        out[path] = value.name
    elif value is None or isinstance(value, bool | int | float):
        out[path] = plain(value)
    elif isinstance(value, sp.Basic):
        out[path] = sp.sstr(value)[:400]
    elif isinstance(value, str):
        if len(value) < SENTENCE and not any(mark in value for mark in (". ", "; ", ": ", "\n")):
            out[path] = value
    elif known(value):
        for name, part in facts(value, depth).items():
            flattened(part, f"{path}/{name}", out, depth + 1)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if str(name) not in WORDS:
                flattened(part, f"{path}/{name}", out, depth)
    elif isinstance(value, np.ndarray):
        of_array(value, path, out)
    elif isinstance(value, list | tuple | set | frozenset):
        of_sequence(list(value) if isinstance(value, list | tuple) else sorted(value), path, out, depth)


def of_array(array: np.ndarray, path: str, out: dict[str, Any]) -> None:
    if array.dtype.kind not in "biuf":
        of_sequence(array.ravel().tolist(), path, out, DEEP)
        return
    if array.ndim == 0:
        out[path] = plain(array.item())
        return
    if array.ndim > 1 or array.size > LONG:
        out[f"{path}#shape"] = list(array.shape)
    out[path] = [plain(number) for number in array.ravel()[:LONG].tolist()]
    if array.size > LONG:
        finite = array[np.isfinite(array)].astype(float).ravel().tolist()
        out[f"{path}#sums"] = [len(finite), math.fsum(finite), math.fsum(x * x for x in finite)]


def of_sequence(items: list[Any], path: str, out: dict[str, Any], depth: int) -> None:
    if all(isinstance(each, bool | int | float | np.number | np.bool_) for each in items):
        of_array(np.asarray(items), path, out)
    elif all(isinstance(each, str) for each in items):
        short = [each for each in items[:MANY] if len(each) < SENTENCE]
        out[path] = short if len(short) == len(items[:MANY]) else len(items)
    else:
        if len(items) > MANY:
            out[f"{path}#count"] = len(items)
        try:  # nested lists of numbers, as JSON has arrays; None: not a finite number
            array = np.array([[np.nan if x is None else x for x in row] for row in items], dtype=float)
        except (TypeError, ValueError):
            array = None
        if array is not None and array.ndim > 1:
            of_array(array, path, out)
            return
        if all(each is None or isinstance(each, bool | int | float) for each in items):
            of_array(np.array([np.nan if each is None else each for each in items], dtype=float), path, out)
            return
        for place, each in enumerate(items[:MANY]):
            flattened(each, f"{path}/{place}", out, depth)


# ------------------------------------------------------------------------------------------------------------ table


@dataclass(frozen=True)
class Entry:
    call: Callable[["Inputs"], Any]
    tolerance: float | None = None  #: relative, if looser than that of the comparison
    grain: float = 0.0  #: absolute: what rounding leaves of numbers that vanish
    why: str = ""  #: reason for either


TABLE: dict[str, Entry] = {}
Call = Callable[["Inputs"], Any]


def entry(name: str, *, tolerance: float | None = None, grain: float = 0.0, why: str = "") -> Callable[[Call], Call]:
    def add(call: Call) -> Call:
        assert name not in TABLE, name
        assert why or not (tolerance or grain), name
        TABLE[name] = Entry(call, tolerance, grain, why)
        return call

    return add


class Inputs:
    """Data that entries share; nothing here depends on anything but seeds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def rows(self) -> np.ndarray:
        """300 × 5, of spread 2.4 … 0.3 in directions of their own, with a mean."""
        rng = np.random.default_rng(1)
        axes = np.linalg.qr(rng.standard_normal((5, 5)))[0]
        return rng.standard_normal((300, 5)) * [2.4, 1.5, 1.0, 0.6, 0.3] @ axes.T + [1.0, -2.0, 0.5, 0.0, 3.0]

    @cached_property
    def weights(self) -> np.ndarray:
        return np.random.default_rng(2).uniform(0.2, 2.0, 300)

    @cached_property
    def wide(self) -> np.ndarray:
        return np.random.default_rng(3).standard_normal((9, 40)) * np.linspace(2, 0.3, 40)

    @cached_property
    def bits(self) -> np.ndarray:
        rng = np.random.default_rng(4)
        hidden = rng.standard_normal((400, 2)) @ rng.standard_normal((2, 6)) * 1.5 + np.linspace(-0.7, 0.7, 6)
        return (rng.random((400, 6)) < 1 / (1 + np.exp(-hidden))).astype(float)

    @cached_property
    def counts(self) -> np.ndarray:
        rng = np.random.default_rng(5)
        return rng.poisson(np.exp(0.6 * rng.standard_normal((300, 1)) + np.linspace(-0.3, 1.2, 4))).astype(float)

    @cached_property
    def blocks(self) -> np.ndarray:
        return np.repeat(np.arange(30), 10)

    @cached_property
    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=list("abcde"))

    @cached_property
    def spectrum(self) -> Spectrum:
        return Spectrum.from_data(self.rows)

    @cached_property
    def small(self) -> Spectrum:
        return Spectrum.from_eigenvalues([4, 2, 2, 0.5, 0])

    @cached_property
    def climate(self) -> Spectrum:
        return STATISTICS().spectrum()

    # files

    def path(self, name: str) -> Path:
        return self.folder / name

    @cached_property
    def files(self) -> dict[str, Path]:
        found = {kind: self.path(f"rows.{kind}") for kind in ("csv", "npy", "npz", "parquet", "nc", "zarr")}
        self.frame.to_csv(found["csv"], index=False)
        np.save(found["npy"], self.rows)
        np.savez(found["npz"], rows=self.rows, other=self.bits)
        self.frame.to_parquet(found["parquet"])
        weighted = self.frame.assign(w=self.weights)
        found["weighted"] = self.path("weighted.csv")
        weighted.to_csv(found["weighted"], index=False)
        found["covariance"] = self.path("covariance.csv")
        pd.DataFrame(np.cov(self.rows.T, bias=True), columns=list("abcde")).to_csv(found["covariance"], index=False)
        found["bits"], found["counts"] = self.path("bits.csv"), self.path("counts.csv")
        pd.DataFrame(self.bits, columns=list("abcdef")).to_csv(found["bits"], index=False)
        pd.DataFrame(self.counts, columns=list("abcd")).to_csv(found["counts"], index=False)
        found["noise"] = self.path("noise.csv")
        pd.DataFrame([[0.5, 1.0, 2.0, 0.7, 1.3]]).to_csv(found["noise"], index=False, header=False)
        found["other"] = self.path("other.npy")
        np.save(found["other"], self.rows[::3] * 1.1)
        field = self.labelled.to_dataset(name="field")
        field.to_netcdf(found["nc"], engine="h5netcdf")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            field.to_zarr(found["zarr"])
        return found

    @cached_property
    def labelled(self) -> xarray.DataArray:
        values = np.random.default_rng(6).standard_normal((60, 2, 3)) * [[3.0, 1.0, 0.5], [2.0, 0.7, 0.2]]
        return xarray.DataArray(values, dims=("time", "level", "place"))

    # trained models

    @cached_property
    def exact(self) -> xarray.Dataset:
        return scan(self.small, np.geomspace(0.9, 0.01, 12), seeds=(0, 1))

    @cached_property
    def four(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        axes = np.linalg.qr(rng.standard_normal((4, 4)))[0]
        return rng.standard_normal((800, 4)) * np.sqrt([3.0, 1.2, 0.5, 0.2]) @ axes.T

    def trained(self, source: Any = None, grid: Any = None, seeds: int = 2, **how: Any) -> xarray.Dataset:
        """A short scan by samples."""
        more = {name: how.pop(name) for name in ("splits", "weights", "standardize", "latents") if name in how}
        trainer = Sampled(**{"updates": 400, "batch": 64, "optimizer": Adam(0.02)} | how)
        grid = np.geomspace(0.9, 0.02, 6) if grid is None else grid
        return scan(self.four if source is None else source, grid, seeds=range(seeds), trainer=trainer, **more)

    @cached_property
    def healthy(self) -> xarray.Dataset:
        return self.trained(grid=np.geomspace(0.9, 0.008, 16), seeds=5, updates=3000, batch=128)

    @cached_property
    def descended(self) -> xarray.Dataset:
        how = {"batch": None, "noise": False, "learning_rate": Schedule(((0.0, 1.0),)), "start": 0.01, "history": 200}
        trainer = Sampled(4000, optimizer=SGD(0.01), **how)
        return scan(Spectrum.from_eigenvalues([4, 2, 1, 0.5]), [0.02, 0.1, 0.3], latents=5, trainer=trainer)

    @cached_property
    def staged(self) -> np.ndarray:
        """2000 × 8, as models are staged on."""
        rng = np.random.default_rng(0)
        axes = np.linalg.qr(rng.standard_normal((8, 8)))[0]
        return rng.standard_normal((2000, 8)) * np.sqrt([6, 3, 2, 1.2, 0.6, 0.3, 0.15, 0.08]) @ axes.T

    def model(self, data: np.ndarray, price: float, latents: int = 6, total: float | None = None, **how: Any) -> Any:
        """One model at a price τ: posterior means and variances of all rows, and its weights."""
        total = float(np.var(data, axis=0).sum()) if total is None else total
        settings = {"updates": 1500, "batch": 128, "optimizer": Adam(0.02)} | how
        found = scan(data, [price / total], latents=latents, trainer=Sampled(**settings)).isel(seed=0, temperature=0)
        encoder = found.encoder.transpose("feature", "latent").values
        mean = (data - data.mean(axis=0)) @ encoder + found.encoder_bias.values
        return mean, np.broadcast_to(found.posterior_variance.values, mean.shape), found

    @cached_property
    def well(self) -> Any:
        return self.model(self.staged, 1.0)

    def stored(self, name: str, data: np.ndarray) -> Any:
        """Posterior means and variances of a model on file, and its weights: no trainer makes such models any more."""
        weights = {key: np.array(each) for key, each in json.loads(MODELS.read_text(encoding="utf-8"))[name].items()}
        mean = (data - data.mean(axis=0)) @ weights["encoder"] + weights["encoder_bias"]
        return mean, np.broadcast_to(weights["posterior_variance"], mean.shape), weights

    # commands

    def say(self, *arguments: str) -> dict[str, Any]:
        """Exit code and JSON of a command."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            code = command(list(map(str, arguments)))
        text = said.getvalue()
        return {"exit": code, "said": json.loads(text) if text.lstrip().startswith("{") else None}


# --------------------------------------------------------------------------------------------------------- spectrum


@entry("spectrum/from data")
def _(i: Inputs) -> Any:
    return {
        "plain": i.spectrum,
        "list": Spectrum.from_data([[2, 0], [-2, 0], [0, 1], [0, -1]]),
        "frame": Spectrum.from_data(i.frame),
        "names": Spectrum.from_data(i.rows, names=list("vwxyz")),
        "standardized": Spectrum.from_data(i.rows, standardize=True),
        "weighted": Spectrum.from_data(i.rows, weights=i.weights),
        "weighted and standardized": Spectrum.from_data(i.rows, weights=i.weights, standardize=True),
        "n-1": Spectrum.from_data(i.rows, divisor="n-1"),
        "modes": Spectrum.from_data(i.rows, modes=2),
        "float32": Spectrum.from_data(i.rows.astype(np.float32)),
        "dependent": Spectrum.from_data(np.column_stack([i.rows, i.rows[:, 0] - i.rows[:, 1]])),
    }


@entry("spectrum/wide")
def _(i: Inputs) -> Any:
    return {
        "wide": Spectrum.from_data(i.wide),
        "standardized": Spectrum.from_data(i.wide, standardize=True),
        "modes": Spectrum.from_data(i.wide, modes=3),
        "weighted": Spectrum.from_data(i.wide, weights=i.weights[:9]),
    }


@entry("spectrum/likelihoods")
def _(i: Inputs) -> Any:
    return {
        "bernoulli": Spectrum.from_data(i.bits, likelihood="bernoulli"),
        "bernoulli weighted": Spectrum.from_data(i.bits[:300], likelihood="bernoulli", weights=i.weights),
        "poisson": Spectrum.from_data(i.counts, likelihood="poisson"),
        "poisson modes": Spectrum.from_data(i.counts, likelihood="poisson", modes=2),
    }


@entry("spectrum/from chunks")
def _(i: Inputs) -> Any:
    chunks, weights = np.array_split(i.rows, 7), np.array_split(i.weights, 7)
    return {
        "plain": Spectrum.from_chunks(iter(chunks)),
        "standardized": Spectrum.from_chunks(chunks, standardize=True),
        "weighted": Spectrum.from_chunks(chunks, weights=weights),
        "modes": Spectrum.from_chunks(chunks, modes=2),
        "wide": Spectrum.from_chunks([i.wide[:4], i.wide[4:]]),
        "bernoulli": Spectrum.from_chunks(np.array_split(i.bits, 3), likelihood="bernoulli"),
        "n-1": Spectrum.from_chunks(chunks, divisor="n-1", names=list("abcde")),
    }


@entry("spectrum/from file")
def _(i: Inputs) -> Any:
    found = {kind: Spectrum.from_file(i.files[kind]) for kind in ("csv", "npy", "parquet", "nc", "zarr")}
    part = i.path("part of rows.npz")
    Partial.from_data(i.frame).save(part)
    return found | {
        "npz": Spectrum.from_file(i.files["npz"], array="rows"),
        "columns": Spectrum.from_file(i.files["csv"], columns=["a", "c"], standardize=True),
        "exclude": Spectrum.from_file(i.files["parquet"], exclude="b"),
        "by index": Spectrum.from_file(i.files["npy"], columns=["0", "3"]),
        "weighted": Spectrum.from_file(i.files["weighted"], weights="w"),
        "covariance": Spectrum.from_file(i.files["covariance"], covariance=True),
        "modes": Spectrum.from_file(i.files["csv"], modes=2),
        "bernoulli": Spectrum.from_file(i.files["bits"], likelihood="bernoulli"),
        "time": Spectrum.from_file(i.files["nc"], samples=["time", "level"]),
        "part": Spectrum.from_file(part, exclude=["e"], standardize=True),
    }


@entry("spectrum/other constructors")
def _(i: Inputs) -> Any:
    matrix = np.cov(i.rows.T, bias=True)
    weights = np.linspace(1, 2, 60)
    return {
        "covariance": Spectrum.from_covariance(matrix),
        "correlation": Spectrum.from_covariance(matrix, standardize=True, samples=300, names=list("abcde")),
        "eigenvalues": Spectrum.from_eigenvalues([1, 4, 0, 2.5], samples=50),
        "small": i.small,
        "xarray": Spectrum.from_xarray(i.labelled, samples="time"),
        "xarray weighted": Spectrum.from_xarray(i.labelled, samples="time", weights=weights, standardize=True),
        "xarray dataset": Spectrum.from_xarray(
            xarray.Dataset({"one": i.labelled, "two": i.labelled[:, 0] * 2 + 1}), samples="time", modes=3
        ),
        "xarray two": Spectrum.from_xarray(i.labelled, samples=["time", "level"], divisor="n-1"),
        "climate": i.climate,
    }


@entry("spectrum/methods")
def _(i: Inputs) -> Any:
    spectra = {"rows": i.spectrum, "small": i.small, "climate": i.climate, "modes": Spectrum.from_data(i.rows, modes=3)}
    return {
        name: {
            "rank": {str(share): each.rank(share) for share in (0.2, 0.1)},
            "dependencies": each.dependencies(),
            "lines": len(each.summary().splitlines()),
            "multiplets": each.multiplets,
        }
        for name, each in spectra.items()
    }


@entry("partial")
def _(i: Inputs) -> Any:
    first, second = Partial.from_data(i.rows[:100]), Partial.from_chunks(np.array_split(i.rows[100:], 3))
    whole = first.merge(second)
    again = Partial.load(whole.save(i.path("partial.npz")))
    weighted = Partial.from_file(i.files["weighted"], weights="w")
    field = Partial.from_xarray(i.labelled, samples="time")
    wide = Partial.from_data(i.wide[:4]).merge(Partial.from_data(i.wide[4:]))
    return {
        name: {"samples": part.samples, "dimension": part.dimension, "names": part.names, "spectrum": part.spectrum()}
        for name, part in {"first": first, "whole": whole, "again": again, "weighted": weighted, "field": field,
                           "wide": wide}.items()
    } | {
        "standardized": again.spectrum(standardize=True),
        "modes": again.spectrum(modes=2),
        "n-1": again.spectrum(divisor="n-1"),
        "poisson": Partial.from_data(i.counts).spectrum(likelihood="poisson"),
    }  # fmt: skip


@entry("spectra")
def _(i: Inputs) -> Any:
    x, y = i.rows[:, :2], i.rows[:, 2:]
    noise = np.array([0.5, 1.0, 2.0])
    metric = np.diag([0.5, 1.0, 2.0, 0.7, 1.3]) + 0.1
    return {
        "noise": noise_metric(i.rows, [0.5, 1.0, 2.0, 0.7, 1.3]),
        "noise covariance": noise_metric(i.rows, metric, weights=i.weights),
        "noise of a spectrum": noise_metric(i.spectrum, metric),
        "noise wide": noise_metric(i.wide, np.linspace(0.5, 2, 40)),
        "supervised": supervised(x, y),
        "supervised with noise": supervised(x, y, noise=noise, weights=i.weights),
        "supervised standardized": supervised(i.frame[["a", "b"]], i.frame[["c", "d", "e"]], standardize=True),
        "conditional": conditional(x, y),
        "conditional with noise": conditional(x, y, noise=noise, weights=i.weights),
        "conditional standardized": conditional(x, y, standardize=True, names=list("abc")),
        "family": exponential_family(i.counts, lambda mean: mean + mean**2 / 2),
        "family weighted": exponential_family(i.counts, lambda mean: mean, weights=i.weights),
    }


# ------------------------------------------------------------------------------------------------------------- loss


def conventions() -> dict[str, Loss]:
    return {
        "plain": Loss.gaussian(2.0),
        "mse": Loss.gaussian(0.05, reconstruction="mean", half=False),
        "kl mean": Loss.gaussian(3.0, kl="mean", latents=4, decoder_variance=0.3),
        "weighted": Loss.gaussian([0.5, 1.5], reconstruction_weight=3.0, kl_weight=0.2),
        "learned": Loss.gaussian(1.5, decoder_variance="learned", latents=2),
        "learned mean": Loss.gaussian(1.5, decoder_variance="learned", latents=3, reconstruction="mean"),
    }


@entry("loss/gaussian")
def _(i: Inputs) -> Any:
    return {
        name: {
            "loss": loss,
            "price": loss.price(i.spectrum),
            "per beta": loss.price_per_beta(i.spectrum),
            "beta at": loss.beta_at([0.5, 1.0, 2.0], i.spectrum),
            "weights": loss.weights(7),
            "again": Loss.from_dict(loss.to_dict()),
            "at": loss.at(0.7).price(i.spectrum),
            "with latents": loss.with_latents(3).price(i.spectrum),
            "charge": None if loss.learned else loss.charge(12),
        }
        for name, loss in conventions().items()
    }


@entry("loss/other likelihoods")
def _(i: Inputs) -> Any:
    bits = Spectrum.from_data(i.bits, likelihood="bernoulli")
    counts = Spectrum.from_data(i.counts, likelihood="poisson")
    family = exponential_family(i.counts, lambda mean: mean + mean**2 / 2)
    cases = {
        "bernoulli": (Loss.bernoulli(0.5), bits),
        "bernoulli mean": (Loss.bernoulli([0.5, 2], reconstruction="mean", kl="mean", latents=3, kl_weight=0.1), bits),
        "poisson": (Loss.poisson(0.7, reconstruction_weight=2.0), counts),
        "family": (Loss.of("family", 0.4), family),
    }
    return {
        name: {
            "loss": loss,
            "price": loss.price(known),
            "beta at": loss.beta_at(0.3, known),
            "weights": loss.weights(4),
        }
        for name, (loss, known) in cases.items()
    }


SIZES = {"latents", "batch", "channels"}  # the others came later, with presets that are not on file


@entry("loss/presets")
def _(i: Inputs) -> Any:
    found: dict[str, Any] = {}
    for name, preset in PRESETS.items():
        found[name] = {"shipped": preset.shipped, "needs": tuple(size.name for size in preset.needs)}
        later = "constraint" in preset.convention or {size.name for size in preset.needs} - SIZES
        if preset.refused or preset.shipped is None or later:
            continue
        loss = Loss.preset(name, latents=8, batch=32, channels=3)
        other = Loss.preset(name, 0.3, latents=8, batch=32, channels=3, kl_weight=0.01)
        found[name] |= {
            "loss": loss.to_dict(),
            "charge": None if loss.learned else [float(loss.charge(d)) for d in (1, 784, 12288)],
            "other": None if other.learned else float(other.charge(784)),
            "weights": loss.weights(784),
        }
    return found


@entry("loss/conversions")
def _(i: Inputs) -> Any:
    mine = Loss.preset("beta-vae", 4.0)
    learned = Loss.gaussian(1.5, decoder_variance="learned", latents=3)
    fixed = Loss.gaussian(0.4, reconstruction="mean")
    return {
        "pytorch-vae": mine.equivalent(Loss.preset("pytorch-vae"), 784),
        "pythae": mine.equivalent(Loss.preset("pythae"), 12),
        "bolts": mine.equivalent(Loss.preset("lightning-bolts", latents=5), 30),
        "to learned": fixed.equivalent(learned, i.spectrum),
        "of learned": learned.equivalent(fixed, i.spectrum),
        "translated": len(mine.translation(Loss.preset("pytorch-vae"), 784)) > 0,
        "explained": len(learned.explain(i.spectrum)) > 0,
    }


def nats(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    return 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)


@entry("loss/measure")
def _(i: Inputs) -> Any:
    def squares(x: Any, h: Any) -> Any:
        return (x - h) ** 2

    def as_(kind: str) -> dict[str, Any]:
        return {"parametrisation": kind}

    functions: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "sum": (lambda x, h, m, s: squares(x, h).sum() / 2 + 3 * nats(m, s).sum(), {}),
        "mse": (lambda x, h, m, s: squares(x, h).mean() + 0.1 * nats(m, s).sum(axis=1).mean(), {"beta": 0.1}),
        "both means": (lambda x, h, m, s: squares(x, h).mean() + nats(m, s).mean(), {"beta": 2.0}),
        "batch": (lambda x, h, m, s: squares(x, h).sum(axis=1).mean() + nats(m, s).sum(), {"batch": 16}),
        "seven": (lambda x, h, m, s: 7 * squares(x, h).sum(axis=1).mean() + nats(m, s).sum(axis=1).mean(), {}),
        "std": (lambda x, h, m, s: squares(x, h).sum() + nats(m, 2 * np.log(s)).sum(), as_("std")),
        "variance": (
            lambda x, h, m, s: squares(x, h).sum() + nats(m, np.log(s)).sum(),
            {"parametrisation": "variance"},
        ),
        "log std": (
            lambda x, h, m, s: (squares(x, h).sum() + nats(m, 2 * s).sum(), "kl"),
            {"parametrisation": "log_std"},
        ),
        "bce": (
            lambda x, p, m, s: {"loss": (-x * np.log(p) - (1 - x) * np.log(1 - p)).sum() + 2 * nats(m, s).sum()},
            {},
        ),
        "logits": (lambda x, h, m, s: (np.logaddexp(0, h) - x * h).sum() + nats(m, s).sum(), {"features": (3, 4)}),
        "poisson": (lambda x, r, m, s: (r - x * np.log(r)).sum() + nats(m, s).sum(), {}),
        "log means": (lambda x, h, m, s: (np.exp(h) - x * h).sum() + 0.5 * nats(m, s).sum(), {}),
        "optimal variance": (
            lambda x, h, m, s: x.size / 2 * np.log(squares(x, h).mean()) + nats(m, s).sum(),
            {},
        ),
    }
    return {
        name: Loss.measure(function, **{"features": 12, "latents": 4} | how)
        for name, (function, how) in functions.items()
    }


@entry("loss/measure in float32")
def _(i: Inputs) -> Any:
    def single(*given: Any) -> Any:
        x, h, m, s = (each.astype(np.float32) for each in given)
        return ((x - h) ** 2).sum(axis=1).mean() + np.float32(2) * nats(m, s).sum(axis=1).mean()

    return Loss.measure(single, features=12, latents=4)


# ---------------------------------------------------------------------------------------------------- closed forms


@entry("numeric/equilibrium")
def _(i: Inputs) -> Any:
    found: dict[str, Any] = {}
    for name, loss in conventions().items():
        state = equilibrium(i.spectrum, loss)
        found[name] = {"state": state, "sampled": state.utility(), "mean": state.utility("mean")}
    found["many"] = equilibrium(i.climate, Loss.gaussian(np.geomspace(10, 1e-4, 6)))
    found["truncated"] = equilibrium(Spectrum.from_data(i.rows, modes=2), Loss.gaussian(2.5))
    found["bernoulli"] = equilibrium(Spectrum.from_data(i.bits, likelihood="bernoulli"), Loss.bernoulli(1.2))
    return found


@entry("numeric/transitions")
def _(i: Inputs) -> Any:
    found: dict[str, Any] = {name: transitions(i.spectrum, loss) for name, loss in conventions().items()}
    found["small"] = transitions(i.small, Loss.gaussian())
    found["climate"] = transitions(i.climate, Loss.gaussian(0.05, reconstruction="mean", half=False))
    found["poisson"] = transitions(Spectrum.from_data(i.counts, likelihood="poisson"), Loss.poisson())
    return found


@entry("numeric/choose beta")
def _(i: Inputs) -> Any:
    noisy = Spectrum.from_data(np.random.default_rng(8).standard_normal((200, 20)) * np.r_[4, 3, np.ones(18)])
    losses = {"plain": Loss.gaussian(), "mse": Loss.gaussian(reconstruction="mean", half=False)}
    found: dict[str, Any] = {
        name: {
            "keep": choose_beta(i.climate, loss, keep=5),
            "keep all": choose_beta(i.spectrum, loss, keep=5),
            "tolerance": choose_beta(i.climate, loss, tolerance=0.01),
            "mean": choose_beta(i.climate, loss, tolerance=0.01, reconstruction="mean"),
            "noise": choose_beta(noisy, loss, noise_floor=True),
        }
        for name, loss in losses.items()
    }
    learned = Loss.gaussian(decoder_variance="learned", latents=3)
    found["learned"] = choose_beta(i.spectrum, learned, keep=2)
    found["bernoulli"] = choose_beta(Spectrum.from_data(i.bits, likelihood="bernoulli"), Loss.bernoulli(), keep=1)
    return found


@entry("numeric/landscape")
def _(i: Inputs) -> Any:
    found: dict[str, Any] = {}
    for name, spectrum, loss in (
        ("small", i.small, Loss.gaussian(0.3, latents=2)),
        ("rows", i.spectrum, Loss.gaussian(0.2, latents=3)),
        ("mse", i.spectrum, Loss.gaussian(0.5, reconstruction="mean", half=False, latents=2)),
    ):
        scene = landscape(spectrum, loss)
        found[name] = {
            "scene": scene,
            "eigenvalues": [scene.hessian_eigenvalues(point) for point in scene.points[:4]],
            "logarithmic": scene.hessian_eigenvalues(scene.points[0], logarithmic=True),
            "escapes": [scene.escapes(point) for point in scene.points[:4]],
            "collapsed": scene.escapes(scene.collapsed),
            "plateau": scene.plateau(),
            "slow plateau": scene.plateau(0.001, 0.01, 0.9),
            "json": scene.to_dict(),
        }
    found["climate"] = landscape(i.climate, Loss.gaussian(0.3))
    return found


@entry("numeric/activation")
def _(i: Inputs) -> Any:
    loss = Loss.gaussian(0.3)
    return {
        "descent": activation(i.spectrum, loss, learning_rate=0.01),
        "momentum": activation(i.spectrum, loss, learning_rate=0.01, momentum=0.9, updates=500, start=0.001),
        "adam": activation(i.spectrum, loss, learning_rate=0.001, updates=2000, optimizer="adam"),
        "schedule": activation(i.spectrum, loss, learning_rate=0.01, updates=900, schedule=cosine()),
        "climate": activation(
            i.climate, Loss.gaussian(0.05, reconstruction="mean", half=False), learning_rate=0.001, updates=10_000
        ),
        "unstable": activation(i.spectrum, loss, learning_rate=2.0, updates=100),
    }


@entry("numeric/variations")
def _(i: Inputs) -> Any:
    decayed = weight_decay(i.spectrum, Loss.gaussian(), decoder=0.1, encoder=0.8)
    encoder = fixed_encoder(i.spectrum, Loss.gaussian(0.5), [0.1, 0.4, 0.7])
    price = learned_variance(i.spectrum, 3)
    return {
        "fixed encoder": encoder,
        "fixed encoder of one": fixed_encoder(i.spectrum, Loss.gaussian(0.5, reconstruction="mean"), [0.2]),
        "hierarchy": hierarchy(i.spectrum, first_beta=0.7, second_beta=1.3, decoder_variance=0.5, first_variance=0.2),
        "hierarchy by default": hierarchy(i.small, first_variance=0.6),
        "learned variance": price,
        "price": price.price([1.2, 1.5, 2.0, 4.0]),
        "learned variance of all": learned_variance(i.small),
        "weight decay": decayed,
        "signal": [decayed.signal_fraction(beta) for beta in (0.1, 0.5, 2.0)],
        "decoder decay": weight_decay(i.spectrum, decoder=0.5),
        "encoder decay": weight_decay(Spectrum.from_eigenvalues([1]), encoder=0.8),
    }


@entry("numeric/noise")
def _(i: Inputs) -> Any:
    noisy = Spectrum.from_data(np.random.default_rng(8).standard_normal((200, 20)) * np.r_[4, 3, np.ones(18)])
    theory = spiked([0.5, 3.0], 1.0, 200, 100)
    return {
        "floor": noise_floor(noisy),
        "floor of more": noise_floor(noisy, 2000),
        "floor of rows": noise_floor(i.spectrum),
        "spiked": theory,
        "spiked far": spiked([12, 4], 2.0, 3200, 200),
        "population": population_threshold([3.0, 5.0, 9.0], 1.0, 400, 100),
    }


# --------------------------------------------------------------------------------------- problems and continuation


def two_modes() -> Linear:
    return Linear(Spectrum.from_eigenvalues([3, 1]), Loss.gaussian(latents=2))


def jumping() -> Linear:
    return Linear(Spectrum.from_eigenvalues([1]), encoder_decay=0.8)


@entry("problems/derivatives")
def _(i: Inputs) -> Any:
    spectrum = Spectrum.from_eigenvalues([3, 1, 0.4])
    problems = {
        "linear": Linear(spectrum, Loss.gaussian(latents=2)),
        "mse": Linear(spectrum, Loss.gaussian(latents=1, reconstruction="mean", half=False)),
        "decay": Linear(spectrum, Loss.gaussian(latents=2), decoder_decay=0.2, encoder_decay=0.3, prior_variance=1.5),
        "learned": Linear(spectrum, Loss.gaussian(latents=2), learned_variance=True),
        "bernoulli": ExponentialFamily(i.bits[:60], latents=2),
        "poisson": ExponentialFamily(i.counts[:60], family="poisson"),
        "gaussian": ExponentialFamily(i.rows[:60], i.weights[:60] / i.weights[:60].sum(), family="gaussian", nodes=20),
        "symbolic": Symbolic(mode.mode_theory(), {mode.lam: 2}),
        "symbolic control": Symbolic(mode.mode_theory(), {mode.tau: sp.Rational(7, 10)}, control=mode.lam),
    }
    found: dict[str, Any] = {}
    for name, problem in problems.items():
        rest = problem.rest(0.7)
        x = rest + 0.3 * np.random.default_rng(9).standard_normal(len(rest))
        found[name] = {
            "rest": rest,
            "loss": problem.loss(x, 0.7),
            "gradient": problem.gradient(x, 0.7),
            "hessian": problem.hessian(x, 0.7),
            "drift": problem.drift(x, 0.7),
            "metric": problem.metric(x, 0.7),
            "orbit": problem.orbit(x),
            "orders": problem.order_parameters(x, 0.7),
            "predicted": problem.predicted(),
            "certified": problem.certificate is not None,
            "singular": problem.singular(0.7) is not None,
        }
    return found


@entry("continuation/follow")
def _(i: Inputs) -> Any:
    learned = Linear(Spectrum.from_eigenvalues([3, 1.2, 0.5]), Loss.gaussian(latents=1), learned_variance=True)
    return {
        "two modes": follow(two_modes(), 4, 0.4),
        "always": follow(two_modes(), 4, 0.4, switch="always"),
        "never": follow(two_modes(), 4, 0.4, switch="never"),
        "multiplet": follow(Linear(Spectrum.from_eigenvalues([2, 2]), Loss.gaussian(latents=2)), 3, 1),
        "learned": follow(learned, 3.0, 0.6),
        "upward": follow(jumping(), 0.1, 0.5),
        "symbolic": follow(Symbolic(mode.mode_theory(), {mode.lam: 2}), 3, 0.5),
    }


@entry("continuation/families")
def _(i: Inputs) -> Any:
    bernoulli = ExponentialFamily(i.bits[:80], latents=2)
    first, second = (beta for beta, _ in bernoulli.predicted()[:2])
    poisson = ExponentialFamily(i.counts[:80], family="poisson")
    top = poisson.predicted()[0][0]
    return {
        "bernoulli": follow(bernoulli, 1.2 * first, 0.8 * second),
        "poisson": follow(poisson, 1.2 * top, 0.6 * top),
    }


@entry("continuation/jumps")
def _(i: Inputs) -> Any:
    problem = jumping()
    loop = hysteresis(problem, 1, 0.05)
    down = sweep(problem, 1, 0.05)
    return {
        "loop": loop,
        "continuous": hysteresis(two_modes(), 4, 0.4),
        "down": down,
        "at": down.at(0.15)[1],
        "up": sweep(problem, 0.05, 1, x=down.at(0.06)[0]),
    }


@entry("continuation/minima")
def _(i: Inputs) -> Any:
    problem = jumping()
    return {
        "coexisting": minima(problem, 0.3, starts=8),
        "other seed": minima(problem, 0.3, starts=5, spread=2.0, seed=3),
        "one": minima(two_modes(), 0.7, starts=4),
        "coexistence": coexistence(problem, 0.6, 0.15, starts=6, places=3),
    }


@entry("continuation/potential")
def _(i: Inputs) -> Any:
    problem = Linear(Spectrum.from_eigenvalues([1.7]), Loss.gaussian(latents=1))
    [special] = follow(problem, 3, 0.5).special
    return {
        "potential": landau_potential(problem, special, [2.2, 1.7, 1.0], np.linspace(0, 1.3, 14)),
        "telling": telling_potential(problem, special),
        "special": special,
    }


# --------------------------------------------------------------------------------------------------------- symbolic


@entry("symbolic/theories")
def _(i: Inputs) -> Any:
    theories = {
        "mode": mode.mode_theory(),
        "decay": variations.weight_decay(1, mode.lam**2 / 4),
        "prior": variations.prior_variance(4),
        "fixed": variations.fixed_variance(),
        "first level": levels.mode_theory(levels.w1, mode.lam),
        "second level": levels.mode_theory(levels.w2, levels.s1),
    }
    found: dict[str, Any] = {}
    for name, theory in theories.items():
        expansion = theory.expansion(4)
        found[name] = {
            "threshold": theory.threshold,
            "thresholds": list(map(sp.sstr, theory.thresholds)),
            "soft mode": theory.soft_mode,
            "coefficients": expansion.coefficients,
            "at threshold": expansion.at_threshold,
            "kind": expansion.kind,
            "leading": list(map(sp.sstr, expansion.leading)),
            "potential": expansion.potential,
        }
    sixth = theories["mode"].expansion(6)
    found["sixth"] = {"coefficients": sixth.coefficients, "exponents": sixth.exponents}
    theory = theories["mode"]
    found["more"] = {
        "stationarity": theory.stationarity,
        "tilted": theory.with_loss(theory.loss + mode.w**4).expansion(4).coefficients,
        "hessian": theory.hessian(),
        "elimination": theory.elimination(4),
        "exact elimination": theory.exact_elimination(),
        "exact potential": theory.exact_potential(),
        "characteristic": theory.characteristic(sp.Symbol("r")),
        "branches": [each.values for each in theory.branches()],
        "minors": [list(map(sp.sstr, each.minors)) for each in theory.branches()],
    }
    return found


@entry("symbolic/tools")
def _(i: Inputs) -> Any:
    p, u, v = sp.symbols("p u v", positive=True)
    t, a = sp.symbols("t a", real=True)
    own = Landau(t * a**2 + a**4, a, (), t, {a: 0}, {a: -a})
    family = symbolic_family([cumulants(p * (1 - p), p, 4)], [u])
    decoder, encoder, variances = mode.variables(2, 1)
    covariance = sp.diag(*mode.mode_variances(2))
    page = derive("collapse")
    return {
        "cumulants": [sp.factor(each) for each in cumulants(p * (1 - p), p, 4)],
        "moment": [moment(0), moment(0, 1), moment()],
        "gaussian mean": gaussian_mean(u**4 + u**2 * v**2, [u, v], {(u, u): p, (v, v): 2, (u, v): 1}),
        "vanishes": [vanishes((p + 1) ** 2 - p**2 - 2 * p - 1), vanishes(p)],
        "own": own.expansion(4).coefficients,
        "family threshold": family.threshold,
        "family fourth": sp.factor(family.expansion(4).at_threshold[4]),
        "target loss": variations.target_loss(decoder, encoder, variances, covariance),
        "loss": mode.loss(decoder, encoder, variances, covariance),
        "mode loss": mode.mode_loss(),
        "level loss": levels.mode_loss(),
        "signal": mode.signal_fraction(),
        "second moment": mode.second_moment(),
        "names": names(),
        "titles": all(title(name) for name in names()),
        "page": page.formulas,
        "checked": len(page.statements),
        "typeset": [len(make(page)) > 0 for make in (typeset.markdown, typeset.latex, typeset.text)],
    }


# --------------------------------------------------------------------------------------------------------- training


@entry("training/schedules and optimisers")
def _(i: Inputs) -> Any:
    share = np.linspace(0, 1, 11)
    schedules = {
        "own": Schedule(((0.0, 0.1), (0.3, 1.0), (1.0, 0.2))),
        "warm up": warm_up(0.3),
        "cyclical": cyclical(3, rise=0.4),
        "anneal": anneal(4.0, 1.0, 0.5),
        "cosine": cosine(0.1, warm_up=0.2),
    }
    rules = {
        "sgd": SGD(0.1),
        "momentum": SGD(0.1, momentum=0.9, weight_decay=0.01),
        "decoupled": SGD(0.1, momentum=0.5, weight_decay=0.01, decoupled=True),
        "adam": Adam(0.1, weight_decay=0.02),
        "adamw": Adam(0.1, weight_decay=0.02, decoupled=True, beta1=0.8),
    }
    found: dict[str, Any] = {
        name: {"values": each(share), "schedule": each, "json": each.to_dict()} for name, each in schedules.items()
    }
    for name, rule in rules.items():
        weights = np.array([[1.0, -2.0, 0.5]])
        memory = rule.memory(weights)
        for update in range(1, 6):
            gradient = weights * [1.0, 3.0, 0.2] + 0.1 * update
            rule.step(weights, gradient, memory, 1 - 0.1 * update, update, slice(0, 2))
        found[name] = {"weights": weights, "penalty": rule.penalty, "json": rule.to_dict()}
    return found


@entry("training/plans")
def _(i: Inputs) -> Any:
    def planned(*given: Any, **how: Any) -> Any:
        found = plan(*given, memory=1e10, **how)
        return {
            name: getattr(found, name) for name in ("models", "tasks", "workers", "data", "result", "total", "fits")
        }

    data = TrainingSet(i.spectrum, rows=i.rows)
    sampled = Sampled(updates=100, batch=32, history=5)
    return {
        "exact": planned(i.small, np.geomspace(1, 0.01, 50), seeds=range(4)),
        "sampled": planned(i.rows, [0.5, 0.1], seeds=[3], trainer=Sampled(batch=64), splits=(0.8, 0.1, 0.1)),
        "at once": [Exact().models_at_once(data, 3), sampled.models_at_once(data, 3)],
        "memory": [Exact().memory(data, 3, 4), sampled.memory(data, 3, 4, 2), sampled.result_bytes(data, 3)],
        "features": data.features,
        "settings": sampled.to_dict(),
        "patience": Sampled(patience=Patience(3, 1e-3)).to_dict(),
        "exact settings": Exact(1e-6, 100).to_dict(),
        "coordinates": sampled.coordinates(),
    }


@entry("training/exact")
def _(i: Inputs) -> Any:
    return {
        "small": i.exact,
        "fewer latents": scan(i.spectrum, [0.3, 0.05], latents=2, seeds=(3,)),
        "looser": scan(i.spectrum, [0.3, 0.05], trainer=Exact(1e-5, 50), keep_weights=False),
        "rows": scan(i.rows, [0.3, 0.05], standardize=True, weights=i.weights, splits=(0.8, 0.1, 0.1)),
        "wide": scan(i.wide, [0.2, 0.05], latents=3),
    }


@entry("training/trainer by itself")
def _(i: Inputs) -> Any:
    data = TrainingSet(i.spectrum, rows=i.rows)
    where = np.array([0.3, 0.05])
    return {
        "exact": Exact().train(data, where, [(0, 0), (0, 1)], 2, lambda share: None),
        "sampled": Sampled(updates=50, batch=16).train(data, where, [(0, 0), (0, 1)], 2, lambda share: None),
    }


@entry("training/sampled")
def _(i: Inputs) -> Any:
    return {
        "adam": i.trained(),
        "sgd": i.trained(optimizer=SGD(0.02, momentum=0.9), learning_rate=cosine(0.1, warm_up=0.1)),
        "adamw": i.trained(optimizer=Adam(0.02, weight_decay=0.01, decoupled=True), beta=warm_up(0.3)),
        "decay": i.trained(optimizer=SGD(0.05, weight_decay=0.05), seeds=1),
        "cyclical": i.trained(beta=cyclical(2), learning_rate=anneal(1.0, 0.1), seeds=1),
        "learned": i.trained(learned_variance=True, seeds=1),
        "learned by its loss": i.trained(loss=Loss.gaussian(decoder_variance="learned"), seeds=1),
        "convention": i.trained(loss=Loss.gaussian(reconstruction="mean", half=False, kl="mean", latents=4), seeds=1),
        "patience": i.trained(patience=Patience(2, 1e-2), splits=(0.8, 0.1, 0.1), updates=1000, seeds=1),
        "history": i.trained(history=4, start=0.1, seeds=1),
        "expected": i.trained(batch=None, noise=False, seeds=1),
        "all rows": i.trained(batch=None, updates=100, seeds=1),
        "weights": i.trained(i.rows, weights=i.weights, standardize=True, latents=3, seeds=1),
        "of a spectrum": i.trained(i.spectrum, latents=3, seeds=1),
        "wide": i.trained(i.wide, latents=2, batch=4, seeds=1),
    }


@entry("training/float32")
def _(i: Inputs) -> Any:
    return i.trained(precision="float32", seeds=1, updates=200)


@entry("training/storage")
def _(i: Inputs) -> Any:
    again = load_scan(save_scan(i.path("scan.nc"), i.exact))
    kept = i.path("kept")
    first = scan(i.small, [0.5, 0.1], folder=kept)
    second = scan(i.small, [0.5, 0.1], folder=kept)
    shared = scan(i.small, [0.5, 0.1], seeds=(0, 1), workers=2)
    return {
        "again": again,
        "same": again.identical(i.exact),
        "kept": first,
        "taken up": first.identical(second),
        "shared": shared,
    }


@entry("training/model")
def _(i: Inputs) -> Any:
    rng = np.random.default_rng(11)
    model = LinearVAE(
        i.spectrum.covariance,
        np.array(0.3),
        rng.standard_normal((5, 3)),
        rng.standard_normal((3, 5)) if i.exact.encoder.dims[-1] == "feature" else rng.standard_normal((5, 3)),
        np.array([0.2, 0.5, 0.9]),
    )
    return {
        "model": model,
        "ranked": model.ranked(),
        "pruned": [model.pruned_distortion(sampled=sampled) for sampled in (False, True)],
    }


# ----------------------------------------------------------------------------------------------------- verification


@entry("verification/verify")
def _(i: Inputs) -> Any:
    grid = np.geomspace(0.9, 0.008, 12)
    longer = {"grid": grid, "seeds": 4, "updates": 2500, "batch": 128}
    early = i.trained(**longer, beta=anneal(0.01, stop=0.5))
    decayed = i.trained(**longer, optimizer=Adam(0.02, weight_decay=0.1))
    doubled = i.trained(**longer).assign_coords(temperature=2 * grid)
    diverged = i.trained(seeds=2, optimizer=SGD(30.0), updates=100)
    return {
        "exact": verify(i.exact, i.small),
        "by itself": verify(i.exact, tolerance=0.001, reconstruction="sampled"),
        "healthy": verify(i.healthy),
        "one seed": verify(i.trained(seeds=1)),
        "early": verify(early),
        "decayed": verify(decayed),
        "relabelled": verify(doubled),
        "convention": verify(doubled.drop_vars("price")),
        "diverged": verify(diverged),
        "other data": verify(i.healthy, Spectrum.from_data(i.four * [1.0, 1.5, 1.0, 0.7])),
    }


@entry("verification/branches")
def _(i: Inputs) -> Any:
    found = branches(i.healthy, Spectrum.from_data(i.four))
    return {
        "branches": found,
        "utility": [found.utility(kind) for kind in ("mean", "sampled")],
        "rank distortion": [found.rank_distortion(kind) for kind in ("mean", "sampled")],
        "exact": branches(i.exact, i.small),
    }


@entry("verification/dynamics")
def _(i: Inputs) -> Any:
    spectrum = Spectrum.from_eigenvalues([4, 2, 1, 0.5])
    found = dynamics(i.descended, spectrum)
    return {
        "found": found,
        "rate at": found.rate_at([0.05, 0.2]),
        "other rate": dynamics(i.descended, learning_rate=0.02),
    }


@entry("verification/dataset size")
def _(i: Inputs) -> Any:
    return dataset_size([0.5, 3.0], features=40, ratios=(0.5, 4, 32), seeds=range(8))


# -------------------------------------------------------------------------------------------------------- intervals


@entry("intervals/uncertainty")
def _(i: Inputs) -> Any:
    cases = {
        "plain": uncertainty(i.rows),
        "standardized": uncertainty(i.frame, standardize=True),
        "weighted": uncertainty(i.rows, weights=i.weights, confidence=0.9),
        "blocks": uncertainty(i.rows, blocks=i.blocks),
        "groups": uncertainty(np.random.default_rng(12).standard_normal((200, 5)) * [3, 1.02, 1.0, 0.98, 0.3]),
        "bernoulli": uncertainty(i.bits, likelihood="bernoulli"),
        "poisson": uncertainty(i.counts, likelihood="poisson"),
    }
    found: dict[str, Any] = {}
    for name, each in cases.items():
        loss = {"bernoulli": Loss.bernoulli(0.9), "poisson": Loss.poisson(0.9)}.get(name, Loss.gaussian(0.9))
        found[name] = {
            "found": each,
            "beta": each.beta(loss),
            "active": each.active(loss),
            "dimension": each.dimension(0.05),
            "json": each.to_dict(loss),
            "remarks": len(each.remarks()),
            "cells": len(each.cells(transitions(each.spectrum, loss))),
        }
    return found


@entry("intervals/bootstrap")
def _(i: Inputs) -> Any:
    cases = {
        "plain": bootstrap(i.rows, replications=60),
        "blocks": bootstrap(i.rows, replications=40, blocks=i.blocks, seed=3),
        "weighted": bootstrap(i.rows, replications=40, weights=i.weights, standardize=True),
        "groups": bootstrap(
            np.random.default_rng(12).standard_normal((200, 5)) * [3, 1.02, 1.0, 0.98, 0.3], replications=40
        ),
        "bernoulli": bootstrap(i.bits, replications=40, likelihood="bernoulli", confidence=0.9),
    }
    found: dict[str, Any] = {}
    for name, each in cases.items():
        loss = Loss.bernoulli(0.9) if name == "bernoulli" else Loss.gaussian(0.9)
        found[name] = {
            "found": {
                "delta": each.delta,
                "eigenvalues": each.resampled,
                "total_variance": each.resampled_variance,
                "replications": each.replications,
                "eigenvalue": each.eigenvalue,
                "share": each.share,
                "ratio": each.ratio,
                "json": {"delta": each.delta.to_dict(), "beta": None},
            },
            "beta": each.beta(loss),
            "active": each.active(loss),
            "dimension": each.dimension(0.05),
            "json": each.to_dict(loss) | {"delta": each.delta.to_dict(loss)},
        }
    return found


# -------------------------------------------------------------------------------------------------------- diagnosis


def told(result: Any) -> dict[str, Any]:
    """A diagnosis, with the numbers that its findings rest on, and other recommendations."""
    return {"result": result, "shorter": result.recommend(2, (0.1,))}


@entry("diagnosis/healthy", grain=1e-13, why="squared correlations near 0: eigenvectors by another LAPACK driver")
def _(i: Inputs) -> Any:
    mean, variance, model = i.well
    weights, bias = model.decoder.transpose("latent", "feature").values, model.decoder_bias.values
    shift = i.staged.mean(axis=0)
    loss = Loss.gaussian(1.0)
    given = {"variance": variance, "data": i.staged, "loss": loss}
    return {
        "with decoder": told(diagnose(mean, decode=lambda z: z @ weights + bias + shift, **given)),
        "by its spectrum": told(
            diagnose(mean, log_variance=np.log(variance), spectrum=Spectrum.from_data(i.staged), loss=loss)
        ),
        "other data": diagnose(mean, decode=lambda z: z @ weights + shift, **given | {"data": i.staged + 3}).codes,
        "with its run": diagnose(mean, updates=1500, learning_rate=0.02, **given),
        "std": diagnose(
            mean, std=np.sqrt(variance), data=i.staged, loss=Loss.gaussian(0.25, reconstruction="mean", half=False)
        ),
    }


@entry("diagnosis/failures", grain=1e-12, why="squared correlations near 0, 1 − M² of 1e-9: another LAPACK driver")
def _(i: Inputs) -> Any:
    X, one = i.staged, Loss.gaussian(1.0)
    mean, variance, _ = i.well
    high = i.model(X, 8.0)
    low = i.model(X, 1.0, beta=Schedule(((0.0, 0.0), (1.0, 0.3))))
    off = i.model(X, 1e-9)
    slow = i.model(X, 1.0, updates=500, optimizer=SGD(1e-3), start=0.01)
    raw = i.model(X, 1.0, updates=200, optimizer=SGD(1e-4))
    order = np.random.default_rng(1).permutation(len(X))
    averaged = Loss.gaussian(2.0, reconstruction="mean", half=False)
    run = {"updates": 500, "learning_rate": 1e-3, "optimizer": "gradient descent"}
    return {
        "price too high": told(diagnose(high[0], variance=high[1], data=X, loss=averaged)),
        "should live": told(diagnose(high[0], variance=high[1], data=X, loss=Loss.gaussian(2.0, half=False))),
        "lower price": told(diagnose(low[0], variance=low[1], data=X, loss=one)),
        "kl off": told(diagnose(off[0], variance=off[1], data=X, loss=one)),
        "plateau": told(diagnose(slow[0], variance=slow[1], data=X, loss=one, **run)),
        "not converged": told(diagnose(raw[0], variance=raw[1], data=X, loss=one)),
        "shuffled": told(diagnose(mean[order], variance=variance, data=X, loss=one)),
        "other scale": told(diagnose(mean, variance=variance, data=255 * X, loss=one)),
        "other spectrum": diagnose(
            mean, variance=variance, spectrum=Spectrum.from_eigenvalues([2, 1, 0.5, 0.2, 0.1, 0.1]), loss=one
        ),
    }


@entry("diagnosis/other models", grain=1e-13, why="squared correlations near 0: eigenvectors by another LAPACK driver")
def _(i: Inputs) -> Any:
    dead, alive = i.stored("bernoulli dead", i.bits), i.stored("bernoulli", i.bits)
    learned = i.model(i.staged, 1.0, latents=4, total=8.0, learned_variance=True)
    standard = (i.staged - i.staged.mean(axis=0)) / i.staged.std(axis=0)
    scaled = i.model(standard, 0.4, latents=4)
    bent = np.tanh(i.four)
    curved = i.stored("tanh", bent)
    weights, bias = curved[2]["decoder"], curved[2]["decoder_bias"]
    few = np.random.default_rng(3)
    noise = few.standard_normal((80, 30)) + 2 * few.standard_normal((80, 1)) @ np.ones((1, 30)) / 5
    fitted = i.model(noise, 1.2, latents=6, batch=80)
    return {
        "bernoulli dead": told(diagnose(dead[0], variance=dead[1], data=i.bits, loss=Loss.bernoulli(3.5))),
        "bernoulli": told(diagnose(alive[0], variance=alive[1], data=i.bits, loss=Loss.bernoulli(1.0))),
        "bits by squares": diagnose(dead[0], variance=dead[1], data=i.bits, loss=Loss.gaussian(3.5)),
        "learned": told(
            diagnose(
                learned[0], variance=learned[1], data=i.staged, loss=Loss.gaussian(1.0, decoder_variance="learned")
            )
        ),
        "standardized": diagnose(
            scaled[0], variance=scaled[1], data=i.staged, loss=Loss.gaussian(0.4), standardize=True
        ),
        "tanh": told(
            diagnose(
                curved[0], variance=curved[1], data=bent, loss=Loss.gaussian(0.1),
                decode=lambda z: np.tanh(z @ weights + bias),
            )
        ),
        "noise": diagnose(fitted[0], variance=fitted[1], data=noise, loss=Loss.gaussian(1.2)),
    }  # fmt: skip


@entry("diagnosis/recommend")
def _(i: Inputs) -> Any:
    codes = [each.code for each in CRITERIA]
    return {
        "criteria": codes,
        "predicted": [each.predicted(0.5, i.spectrum.eigenvalues) for each in CRITERIA],
        "ratio": [each.ratio for each in CRITERIA],
        "recommended": recommend(i.spectrum, Loss.gaussian(0.5), keep=3, samples=300),
        "json": [each.to_dict() for each in recommend(i.climate, Loss.gaussian(0.5), keep=5, samples=None)],
    }


# --------------------------------------------------------------------------------------------------------- data sets


@entry("datasets/public")
def _(i: Inputs) -> Any:
    found: dict[str, Any] = {"names": datasets.NAMES}
    for name in datasets.NAMES:
        data = datasets.load(name)
        found[name] = {
            "samples": data.samples,
            "table": data.table,
            "names": data.names,
            "target": data.target,
            "target names": data.target_names,
            "standardize": data.standardize,
            "levels": data.levels,
            "covariance": data.covariance,
            "eigenvalues": data.spectrum().eigenvalues,
            "raw": data.spectrum(standardize=False).eigenvalues,
            "selected": data.select(data.names[:4], exclude=data.names[:1]).spectrum().eigenvalues,
            "condition": None if data.target is None else data.condition[1],
        }
    digits = datasets.load("digits")
    found["bernoulli"] = digits.spectrum("bernoulli").eigenvalues
    found["poisson"] = digits.spectrum("poisson").eigenvalues
    found["prepared"] = digits.prepared("bernoulli").table.shape
    return found


@entry("datasets/worldclim")
def _(i: Inputs) -> Any:
    found: dict[str, Any] = {}
    for weighted in (False, True):
        data = STATISTICS(weighted=weighted)
        found[f"weighted {weighted}"] = {"statistics": data, "spectrum": data.spectrum()}
    rng = np.random.default_rng(13)
    layers = Layers(
        (rng.standard_normal((500, 3)) * [3, 2, 1]).astype(np.float32),
        np.degrees(np.arcsin(rng.uniform(-1, 1, 500))),
        rng.uniform(-180, 180, 500),
        ("one", "two", "three"),
        ("1", "2", "3"),
        Path(),
    )
    found["layers"] = {
        "weights": layers.weights,
        "spectrum": layers.spectrum(),
        "weighted": layers.spectrum(weighted=True, standardize=False),
        "blocks": layers.blocks(2000.0),
        "split": layers.split((0.6, 0.2, 0.2), block_km=2000.0, seed=1),
        "taken": layers.take(np.arange(20)).spectrum().eigenvalues,
    }
    return found


# --------------------------------------------------------------------------------------------- pictures and reports


@entry("pictures")
def _(i: Inputs) -> Any:
    checked, mean = verify(i.exact, i.small), i.well
    result = diagnose(mean[0], variance=mean[1], data=i.staged, loss=Loss.gaussian(1.0))
    diagram = follow(two_modes(), 4, 0.4)
    potential = telling_potential(two_modes(), diagram.special[0])
    moved = dynamics(i.descended, Spectrum.from_eigenvalues([4, 2, 1, 0.5]))
    sized = dataset_size([3.0], features=10, ratios=(2, 8), seeds=range(2))
    drawn = {
        "activation": lambda: plotting.activation(moved),
        "bifurcation page": lambda: plotting.bifurcation_page(diagram, potential),
        "bifurcations": lambda: plotting.bifurcations(diagram),
        "branches": lambda: plotting.branches(checked),
        "cascade": lambda: plotting.cascade(i.small, Loss.gaussian(half=False), chosen=0.7),
        "dataset size": lambda: plotting.dataset_size(sized),
        "diagnosed cascade": lambda: plotting.diagnosed_cascade(result),
        "landau potential": lambda: plotting.landau_potential(potential),
        "latent bars": lambda: plotting.latent_bars(result),
        "overview": lambda: plotting.overview(checked),
        "rank distortion": lambda: plotting.rank_distortion_of(result),
        "rate distortion": lambda: plotting.rate_distortion(checked),
        "spectra": lambda: plotting.spectra(checked),
        "spectrum with floor": lambda: plotting.spectrum_with_floor(result),
        "universal law": lambda: plotting.universal_law(checked),
    }
    found: dict[str, Any] = {}
    for name, draw in drawn.items():
        path = report.check_picture(i.path(f"{name}.png"))
        report.save_figure(path, draw())
        found[name] = path.stat().st_size > 1000
    pages = report.write(report.make_folder(i.path("report")), checked, i.exact)
    found["report"] = sorted(path.name for path in pages)
    found["page"] = report.write_page(i.path("page.html"), result).stat().st_size > 1000
    found["style"] = len(plotting.STYLE) > 0
    return found


# --------------------------------------------------------------------------------------------------------- commands


@entry("commands/reproduce")
def _(i: Inputs) -> Any:
    return {
        "small": i.say("reproduce", "--points", "14", "--coldest", "1e-3", "--latents", "6", "--json"),
        "weighted": i.say("reproduce", "--points", "8", "--coldest", "0.01", "--latents", "4", "--seed", "2",
                          "--area-weighted", "--tolerance", "0.05", "--json"),
    }  # fmt: skip


@entry("commands/thresholds")
def _(i: Inputs) -> Any:
    csv, mse = i.files["csv"], ("--reconstruction", "mean", "--no-half", "--beta", "0.05")
    return {
        "plain": i.say("thresholds", csv, "--json"),
        "standardized": i.say("thresholds", csv, "--standardize", *mse, "--json"),
        "intervals": i.say("thresholds", csv, "--intervals", "--json"),
        "weighted intervals": i.say("thresholds", i.files["weighted"], "--weights", "w", "--intervals", "--json"),
        "given": i.say("thresholds", csv, "--given", "a", "--json"),
        "target": i.say("thresholds", csv, "--target", "b", "--target", "c", "--json"),
        "noise": i.say("thresholds", csv, "--noise", i.files["noise"], "--json"),
        "bernoulli": i.say("thresholds", i.files["bits"], "--likelihood", "bernoulli", "--json"),
        "poisson": i.say("thresholds", i.files["counts"], "--likelihood", "poisson", "--beta", "0.4", "--json"),
        "covariance": i.say("thresholds", i.files["covariance"], "--covariance", "--divisor", "n", "--json"),
        "preset": i.say("thresholds", csv, "--loss", "lightning-bolts", "--latents", "3", "--json"),
        "learned": i.say("thresholds", csv, "--learned-variance", "--latents", "2", "--beta", "1.3", "--json"),
        "strongest": i.say("thresholds", i.files["npy"], "--strongest", "2", "--json"),
        "columns": i.say("thresholds", i.files["parquet"], "--column", "a", "--column", "d", "--json"),
        "array": i.say("thresholds", i.files["npz"], "--array", "other", "--exclude", "0", "--json"),
        "data set": i.say("thresholds", "--dataset", "worldclim", "--json"),
        "data set given": i.say("thresholds", "--dataset", "iris", "--given", "target", "--json"),
        "picture": i.say("thresholds", csv, "--json", "--output", i.path("thresholds.png")),
    }


@entry("commands/choose")
def _(i: Inputs) -> Any:
    csv = i.files["csv"]
    return {
        "keep": i.say("choose", csv, "--keep", "2", "--json"),
        "tolerance": i.say("choose", csv, "--tolerance", "0.05", "--standardize", "--json"),
        "mean": i.say("choose", csv, "--tolerance", "0.05", "--mean", "--no-half", "--json"),
        "noise floor": i.say("choose", csv, "--noise-floor", "--json"),
        "given": i.say("choose", csv, "--given", "a", "--keep", "2", "--json"),
    }


@entry("commands/verify")
def _(i: Inputs) -> Any:
    few = ("--points", "6", "--workers", "1", "--json")
    return {
        "exact": i.say("verify", i.files["csv"], "--exact", "--seeds", "2", *few),
        "covariance": i.say("verify", i.files["covariance"], "--covariance", "--exact", "--seeds", "1", *few),
        "sampled": i.say("verify", i.files["csv"], "--standardize", "--seeds", "2", "--updates", "300", *few),
        "sgd": i.say("verify", i.files["csv"], "--seeds", "2", "--updates", "300", "--optimizer", "sgd",
                     "--learning-rate", "0.01", "--batch", "64", "--coldest", "0.05", "--latents", "3", *few),
    }  # fmt: skip


@entry("commands/diagnose")
def _(i: Inputs) -> Any:
    mean, variance, _ = i.well
    posterior, other, data = i.path("posterior.npz"), i.path("named.npz"), i.path("staged.npy")
    np.savez(posterior, mean=mean, log_variance=np.log(variance))
    np.savez(other, centre=mean, width=np.sqrt(variance))
    np.save(data, i.staged)
    run = ("--updates", "1500", "--learning-rate", "0.02", "--optimizer", "adam")
    return {
        "healthy": i.say("diagnose", posterior, "--data", data, "--json"),
        "named": i.say("diagnose", other, "--data", data, "--mean", "centre", "--std", "width", *run, "--json"),
        "other price": i.say("diagnose", posterior, "--data", data, "--beta", "0.2", "--json"),
        "preset": i.say("diagnose", posterior, "--data", data, "--loss", "pythae-0.1.2", "--beta", "2", "--json"),
    }


@entry("commands/convert")
def _(i: Inputs) -> Any:
    return {
        "list": i.say("convert", "--json", "--features", "100"),
        "all": i.say("convert", "--from", "beta-vae", "--beta", "4", "--json"),
        "one": i.say("convert", "--from", "beta-vae", "--to", "pytorch-vae", "--features", "12288", "--json"),
        "as a module": json.loads(subprocess.check_output(
            [sys.executable, "-m", COMMAND, "convert", "--from", "beta-vae", "--to", "pythae", "--json"], cwd=ROOT
        )),
    }  # fmt: skip


@entry("commands/bifurcate")
def _(i: Inputs) -> Any:
    csv, one = i.files["csv"], i.path("one.csv")
    one.write_text("1\n", encoding="utf-8")
    single = (one, "--covariance", "--no-header")
    two = ("--column", "a", "--column", "b")
    return {
        "two": i.say("bifurcate", csv, *two, "--latents", "1", "--json"),
        "all": i.say("bifurcate", csv, *two, "--latents", "1", "--all", "--from", "8", "--to", "0.8", "--json"),
        "jump": i.say("bifurcate", *single, "--encoder-decay", "0.8", "--json"),
        "decay": i.say("bifurcate", *single, "--decoder-decay", "0.3", "--prior-variance", "2", "--json"),
        "learned": i.say("bifurcate", csv, *two, "--latents", "1", "--learned-variance", "--json"),
        "bernoulli": i.say("bifurcate", i.files["bits"], *two, "--decoder", "bernoulli", "--latents", "1", "--json"),
    }


@entry("commands/derive")
def _(i: Inputs) -> Any:
    listed = i.say("derive", "--json")
    return {
        "list": {"exit": listed["exit"], "names": sorted(listed["said"])},
        "collapse": i.say("derive", "collapse", "--json"),
        "order": i.say("derive", "collapse", "--order", "8", "--json"),
    }


@entry("commands/gather")
def _(i: Inputs) -> Any:
    found: dict[str, Any] = {}
    for name, arguments in {
        "two files": (i.files["npy"], i.files["other"]),
        "columns": (i.files["csv"], "--exclude", "b"),
        "weighted": (i.files["weighted"], "--weights", "w"),
        "resumed": (i.files["csv"], "--resume"),
    }.items():
        output = i.path(f"gathered {name}.npz")
        said = i.say("gather", *arguments, "--output", output)
        part = Partial.load(output)
        found[name] = {"exit": said["exit"], "samples": part.samples, "spectrum": part.spectrum()}
    found["used"] = i.say("thresholds", i.path("gathered two files.npz"), "--json")
    return found


# ---------------------------------------------------------------------------------------------------- write, compare


def collect(*, chosen: str = "", times: bool = False) -> dict[str, Any]:
    """All numbers, `{"entry/path": value}`; of the entries whose names contain `chosen`."""
    out: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs = Inputs(Path(folder))
        for name, each in TABLE.items():
            if chosen not in name:
                continue
            began = time.perf_counter()
            try:
                flattened(each.call(inputs), name, out)
            except Exception as problem:  # an entry that raises is a finding of its own
                out[f"{name}/error"] = type(problem).__name__
                print(f"{name}: {type(problem).__name__}: {problem}", file=sys.stderr)
            if times:
                print(f"{time.perf_counter() - began:7.2f} s  {name}", file=sys.stderr)
    return out


def owner(key: str) -> Entry:
    """The entry that a key belongs to."""
    return TABLE.get(max((name for name in TABLE if key.startswith(f"{name}/")), key=len, default=""), Entry(print))


def difference(a: Any, b: Any, grain: float) -> float:
    """Relative difference of two recorded values; infinite where they are not of one kind."""
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return math.inf
        return max((difference(x, y, grain) for x, y in zip(a, b, strict=True)), default=0.0)
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (a, b))
    if not numbers:
        return 0.0 if type(a) is type(b) and a == b else math.inf
    return 0.0 if a == b or abs(a - b) <= grain else abs(a - b) / max(abs(a), abs(b))


MINIMISED = re.compile(
    r"training/(exact|storage|trainer by itself/exact)/"
    r"|verification/(verify/(exact|by itself)|branches/exact|dataset size)/"
    r"|commands/(reproduce/(small|weighted)|verify/(exact|covariance))/"
)
NEAR = 1e-6  # relative and absolute: a minimiser stops this near the minimum, by a path that rounding decides

EXPLAINED = {
    r"spectrum/wide/modes/covariance/error$": "there is no answer: OutsideTheory, no longer InputError",
    r"spectrum/methods/\w+/lines$": "summaries say more",
    r"training/plans/(exact|sampled)/(result|total)$|training/plans/memory$": "a scan holds other observables",
}


def compare(old: dict[str, Any], new: dict[str, Any], tolerance: float, grain: float = 0.0) -> list[str]:
    """Lines that say what differs or is missing, but for what is `EXPLAINED`."""
    lines = []
    for key in old:
        if any(re.match(pattern, key) for pattern in EXPLAINED):
            continue
        if key not in new:
            lines.append(f"missing  {key}")
            continue
        each, near = owner(key), NEAR if MINIMISED.match(key) else 0.0
        limit = max(tolerance, each.tolerance or 0.0, near)
        apart = difference(old[key], new[key], max(grain, each.grain, near))
        if apart > limit:
            lines.append(f"differs  {key}: {old[key]!r} → {new[key]!r} ({apart:.1e})"[:400])
    return lines  # new ones are no difference: results may hold more than before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["write", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-12, help="relative difference that counts as none")
    parser.add_argument("--only", default="", help="entries whose names contain this")
    parser.add_argument("--times", action="store_true", help="say how long each entry takes")
    how = parser.parse_args()
    new = collect(chosen=how.only, times=how.times)
    if how.action == "write":
        lines = ",\n".join(f"{json.dumps(k, ensure_ascii=False)}:{_dumped(v)}" for k, v in new.items())
        how.file.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
        print(f"{len(TABLE)} entries, {len(new)} keys, {sum(_count(v) for v in new.values())} values")
        return 0
    old = json.loads(how.file.read_text(encoding="utf-8"))
    if how.only:
        old = {key: value for key, value in old.items() if any(key.startswith(f"{n}/") for n in TABLE if how.only in n)}
    lines = compare(old, new, how.tolerance)
    print("\n".join([*lines, f"{len(old)} keys, {len(lines)} of them differ or are missing"]))
    return int(bool(lines))


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else 1


if __name__ == "__main__":
    sys.exit(main())
