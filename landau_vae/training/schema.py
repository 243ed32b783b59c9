"""What every trainer takes and gives back: the `Trainer`, the table of observables, and a validator of scans.

A trainer returns observables: numbers that are measured on a model, whatever its architecture.
`OBSERVABLES` names them, with dimensions, units, meaning and range, and says of which models a
value may be missing. Verification, pictures and reports read these alone. Weights, which differ
from one architecture to another, are attachments: a scan without them verifies to the same
numbers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import checked, is_real, one_of, shown
from landau_vae.display import Array, Booleans, counted
from landau_vae.errors import InputError
from landau_vae.limits import OUT_OF_RANGE
from landau_vae.training.checkpoint import Checkpoint
from landau_vae.training.record import recorded_likelihood, trainer_settings
from landau_vae.training.training_set import TrainingSet

#: name → (dimensions after the first axis, which is the model's; values)
Named = dict[str, tuple[tuple[str, ...], NDArray[Any]]]
Starts = Sequence[tuple[int, int]]  # seed and place in the grid of each model
Progress = Callable[[float], object]  # takes how many models have got done

RECONSTRUCTIONS = ("mean", "sampled")
UNTRAINED = -1  # status of a model of `spectroscopy` that was not reached: no `Status`, none has ended
MOST = 1e150  # of any value, which verification squares, as a share of V
PRECISE = "numbers in single or double precision"
KINDS = {"f": ("fiu", PRECISE), "i": ("iu", "whole numbers"), "b": ("b", "True and False")}


class Status(IntEnum):
    """How the training of a model ended: the codes of the variable `status`.

    Examples
    --------
    >>> Status(2).name, Status.CONVERGED == 0
    ('PLATEAU', True)
    """

    CONVERGED = 0  #: at rest
    MOVING = 1  #: still changing when the run ended
    PLATEAU = 2  #: a latent is inactive although a mode would activate it
    DIVERGED = 3  #: infinite, NaN, or too large to be squared


def _without_mean(scan: Any, values: Array) -> Booleans:
    """Return the NaN of whole models whose outputs have no mean: without a decoder, or of a likelihood without one."""
    settings = trainer_settings(scan)
    known = settings.get("name") != "fit" and recorded_likelihood(settings).squared
    return np.isnan(values).all(axis=-1, keepdims=True) & np.array(not known)


def _not_at_rest(scan: Any, values: Array) -> Booleans:
    """Return the ∞ of whole models that have not come to rest: it is not known how far they had to go."""
    rest = scan.converged.transpose("seed", "temperature").values if "converged" in scan else np.array(True)
    return np.isposinf(values).all(axis=-1, keepdims=True) & ~rest[..., None]


def _first_of_sweep(scan: Any, values: Array) -> Booleans:
    """Return the NaN of models that no model comes before in a sweep: they started from random weights."""
    if (start := scan.attrs.get("start")) not in ("down", "up"):
        return np.zeros(values.shape, bool)
    order = np.argsort(scan.temperature.values * (1 if start == "up" else -1), kind="stable")
    sound = sound_models(scan)[:, order]
    first = np.empty_like(sound)
    first[:, order] = np.cumsum(sound, axis=1) - sound == 0
    return np.isnan(values) & first[..., None]


def _not_computed(scan: Any, values: Array) -> Booleans:
    """Return all NaN."""
    return np.isnan(values)


@dataclass(frozen=True)
class Observable:
    """A variable of a scan: its name, dimensions, unit, meaning and range."""

    name: str  #: of the variable
    dims: tuple[str, ...]  #: after seed and temperature
    unit: str  #: in terms of the data's own
    meaning: str  #: in words
    kind: str = "f"  #: "f" real, "i" whole, "b" True or False
    weight: bool = False  #: whether it is an attachment, dropped with `keep_weights=False`
    by_model: bool = True  #: whether each model has its own
    low: float = -np.inf  #: least value
    high: float = np.inf  #: largest value
    #: which values of a scan, (seeds, temperatures, …), stand for what is not known; none of a model that has ended
    missing: Callable[[Any, Array], Booleans] | None = None


PRUNED = "distortion of the centred data with the first 0 ... K latents by falling M2 kept, the others at 0"

_TABLE = (
    # Every trainer returns these.
    Observable("signal_fraction", ("latent",), "1", "order parameter M2", low=0, high=1),
    Observable("rate", ("latent",), "nat", "R, mean KL divergence of a latent from its prior", low=0),
    Observable("mean_square", ("latent",), "1", "mean square of the encoder mean", low=0),
    Observable("posterior_variance", ("latent",), "1", "s, mean over the data", low=0),
    Observable("distortion", (), "1", "unreconstructed share of the total variance of the data", low=0,
        missing=_without_mean),
    Observable("pruned_distortion", ("reconstruction", "rank"), "1", PRUNED, low=0, missing=_without_mean),
    Observable("loss", (), "data2", "the trainer's loss"),
    Observable("status", (), "1", "how training ended", "i", low=UNTRAINED, high=max(Status)),
    Observable("converged", (), "1", "whether the model is at rest", "b"),
    # Of trainers by samples: a run that is finite and noisy says how far it got.
    Observable("price", (), "data2 / nat", "tau in effect when training ended", low=0),
    Observable("moved", ("latent",), "1", "how far M2 had still to go when training ended", low=0,
        missing=_not_at_rest),
    Observable("waiting", (), "1", "inactive latents that a mode would activate", "i", low=0),
    Observable("updates", (), "1", "updates until training ended", "i", low=0),
    Observable("start_temperature", (), "1", "T of the model whose weights it started from; NaN: random weights",
        low=0, missing=_first_of_sweep),
    # Of staircases.
    Observable("next_onset", (), "1", "T below which one more latent would lower the loss, computed from the model",
        low=0, missing=_not_computed),
    Observable("next_onset_error", (), "1", "standard error of it", low=0, missing=_not_computed),
    Observable("signal_fraction_history", ("update", "latent"), "1", "order parameter M2 at each snapshot", low=0,
        high=1),
    Observable("decoder_history", ("update", "feature", "latent"), "data", "W at each snapshot"),
    Observable("encoder_history", ("update", "latent", "feature"), "1 / data", "E at each snapshot"),
    Observable("decoder", ("feature", "latent"), "data", "W", weight=True),
    Observable("decoder_bias", ("feature",), "data", "b", weight=True),
    Observable("encoder", ("latent", "feature"), "1 / data", "E", weight=True),
    Observable("encoder_bias", ("latent",), "1", "e", weight=True),
    Observable("network", ("weight",), "1", "weights of a network, layer by layer, matrix before bias", weight=True),
    Observable("covariance", ("feature", "other_feature"), "data2", "of the training part", by_model=False),
    Observable("mean", ("feature",), "data as given", "of the training part", by_model=False),
    Observable("scale", ("feature",), "data as given", "by which rows were divided", by_model=False, low=0),
)  # fmt: skip
#: Every variable that has a fixed meaning. A trainer may add others.
OBSERVABLES: Mapping[str, Observable] = {each.name: each for each in _TABLE}
WEIGHTS = frozenset(name for name, each in OBSERVABLES.items() if each.weight)


@checked
def validate(scan: Any, *needed: str, name: str = "scan", values: bool = True) -> Any:
    """Return a scan after checking that its variables, and their values, are those of the schema.

    Parameters
    ----------
    scan : xarray.Dataset
        As `lv.scan` returns it, or a part of it.
    *needed : str
        Names of variables that it must have. All others may be missing.
    name : str, default "scan"
        What errors call it.
    values : bool, default True
        Whether values are checked too: a model that has not diverged has finite ones, in the
        range of each observable.

    Returns
    -------
    xarray.Dataset
        The scan itself.

    Raises
    ------
    InputError
        For anything that is not a Dataset, and for a variable that is missing or has other
        dimensions, another type, or values that it cannot have; the error names the variable.

    Examples
    --------
    >>> from landau_vae import Spectrum, scan
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4])
    >>> validate(models, "signal_fraction") is models
    True
    >>> validate(models.drop_vars("rate"), "rate")
    Traceback (most recent call last):
        ...
    landau_vae.errors.InputError: The scan has no variable rate (R, mean KL divergence of a latent from its prior): ...
    """
    import xarray

    if not isinstance(scan, xarray.Dataset):
        raise InputError(f"The {name} is a {type(scan).__name__}, but a Dataset from lv.scan is expected.", name)
    for dim in ("seed", "temperature"):
        if dim not in scan.dims:
            raise InputError(f"The {name} has no dimension {dim}: choose with a list, isel({dim}=[0]).", name)
        if dim not in scan.coords or scan[dim].dtype.kind not in "fiu" or scan.sizes[dim] == 0:
            raise InputError(
                f"The {name} has no numeric coordinates of its dimension {dim}: give them as lv.scan gave them.", name
            )
    temperature, seeds = scan.temperature.values, scan.seed.values.tolist()
    if not (fit := (temperature > 0) & (temperature < np.inf)).all():
        found = f"The {name} has the temperature {temperature[~fit][0]:g}"
        raise InputError(f"{found}, but T = τ/V is positive: give its coordinates as lv.scan gave them.", name)
    if len(set(seeds)) < len(seeds) or any(seed < 0 or seed % 1 for seed in seeds):
        expected = "whole numbers from 0 on are expected, each only once: give its coordinates as lv.scan gave them"
        raise InputError(f"The {name} has the seeds {shown(seeds)}, but {expected}.", name)
    for variable in needed:
        if one_of(variable, "needed", tuple(OBSERVABLES)) not in scan:
            meaning = OBSERVABLES[variable].meaning
            raise InputError(f"The {name} has no variable {variable} ({meaning}): give it as lv.scan gave it.", name)
    for variable, observable in OBSERVABLES.items():
        if variable in scan:
            _check_variable(scan[variable], observable, name)
    if "pruned_distortion" in scan:
        whole = scan.sizes["rank"] == scan.sizes.get("latent", scan.sizes["rank"] - 1) + 1
        if not whole or tuple(scan["reconstruction"].values.tolist()) != RECONSTRUCTIONS:
            found = f"The variable pruned_distortion of the {name} is not that of all its latents"
            raise InputError(f"{found}, ranks and reconstructions: keep all of them.", name)
    for attribute, default in {"total_variance": None, "samples": 1, "dimension": 1, "first_onset": 1.0}.items():
        number: Any = scan.attrs.get(attribute, default)
        if not is_real(number) or number <= 0 or (isinstance(default, int) and number % 1):
            expected = "a whole number from 1 on" if isinstance(default, int) else "a positive number"
            found = f"{attribute} of the {name} is {shown(number)}, but {expected} is expected"
            raise InputError(f"{found}: give its attributes as lv.scan gave them.", name)
    if values:
        _check_values(scan, name)
    return scan


def sound_models(scan: Any) -> Booleans:
    """Return which models have been trained and have not diverged, (seeds, temperatures)."""
    if "status" not in scan:
        return np.ones((scan.sizes["seed"], scan.sizes["temperature"]), bool)
    status = scan.status.transpose("seed", "temperature").values
    by_fit = trainer_settings(scan).get("name") == "fit"
    return np.asarray((status != Status.DIVERGED) & ~((status == UNTRAINED) & by_fit))


def _check_values(scan: Any, name: str) -> None:
    """Raise unless each T is there once, and models that have not diverged have values in range, and one ending."""
    if len(np.unique(scan.temperature)) < scan.sizes["temperature"]:
        found = f"The {name} has several models of one seed at a temperature, but each T is expected only once"
        raise InputError(f"{found}: choose with drop_duplicates('temperature').", name)
    sound = sound_models(scan)
    for variable, observable in OBSERVABLES.items():
        if variable not in scan or observable.kind == "b":
            continue
        values = scan[variable].values
        if observable.by_model:
            values = scan[variable].transpose("seed", "temperature", ...).values.reshape(*sound.shape, -1)
        most = _most(scan, observable)
        low, high = np.clip([observable.low - OUT_OF_RANGE, observable.high + OUT_OF_RANGE], -most, most)
        unfit = ~((values >= low) & (values <= high) & np.isfinite(values))
        if observable.by_model:
            unfit &= sound[..., None]
        if unfit.any() and observable.missing is not None:
            unfit &= ~observable.missing(scan, values)
        if unfit.any():
            raise _wrong_values(values[unfit], observable, most, name)
    ended = {"status", "converged"} <= set(scan.data_vars)
    if ended and (apart := int(((scan.status == Status.CONVERGED) != scan.converged).sum())):
        found = f"The variables status and converged of the {name} contradict each other in {apart} of its models"
        raise InputError(f"{found}: give both as lv.scan gave them.", name)


def _most(scan: Any, observable: Observable) -> float:
    """Return the largest size of an observable, in the units of large data."""
    power = {"data": 0.5, "data2": 1.0, "data2 / nat": 1.0}.get(observable.unit, 0.0)
    return MOST * max(1.0, float(scan.attrs["total_variance"]) ** power)


def bounded(values: Array, most: float = np.inf) -> Booleans:
    """Return which models, along the first axis, have only numbers below a bound; NaN counts as too large.

    >>> bounded(np.array([[1.0, 2.0], [1.0, np.nan], [np.inf, 2.0]])).tolist()
    [True, False, False]
    """
    return np.asarray((np.abs(values) < most).reshape(len(values), -1).all(axis=1))


def _wrong_values(values: Array, observable: Observable, most: float, name: str) -> InputError:
    """Return the complaint about values that an observable cannot have."""
    subject, unknown = f"The variable {observable.name} of the {name} has", int((~np.isfinite(values)).sum())
    if unknown:
        models = " although their models have not diverged" * observable.by_model
        return InputError(f"{subject} {counted(unknown, 'NaN or infinite value')}{models}: give it as trained.", name)
    ends = f"from {max(observable.low, -most):g} to {min(observable.high, most):g}"
    found = f"{subject} {counted(len(values), 'value')} such as {values[0]:g}, but numbers {ends} are expected"
    return InputError(f"{found}: give it as trained.", name)


def _check_variable(variable: Any, observable: Observable, name: str) -> None:
    """Compare the dimensions (in any order) and the type of a variable with the schema."""
    expected = ("seed", "temperature", *observable.dims) if observable.by_model else observable.dims
    about, (kinds, words) = f"The variable {observable.name} of the {name} has the", KINDS[observable.kind]
    if sorted(variable.dims) != sorted(expected):
        dims = ", ".join(variable.dims) or "none"
        extra = set(variable.dims) - set(expected)
        joined = "choose with lists, isel(seed=[0]), and join by xarray.concat(…, data_vars='minimal')"
        mend = joined if extra and extra <= {"seed", "temperature"} else "give it as lv.scan gave it"
        raise InputError(f"{about} dimensions {dims}, but {', '.join(expected)} are expected: {mend}.", name)
    if variable.dtype.kind not in kinds or (variable.dtype.kind == "f" and variable.dtype.itemsize not in (4, 8)):
        mend = "give it as lv.scan gave it (sel and isel keep types, where does not)"
        raise InputError(f"{about} type {variable.dtype}, but {words} are expected: {mend}.", name)


def which_seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    """Return the seeds that are meant: so many from 0 on, or these.

    >>> which_seeds(3), which_seeds([5])
    ((0, 1, 2), (5,))
    """
    chosen = tuple(range(seeds) if isinstance(seeds, int) else seeds)
    if not chosen or len(set(chosen)) < len(chosen):
        raise InputError(f"seeds is {list(chosen)}, but at least one seed is expected, and each only once.", "seeds")
    return chosen


def about_temperature(of_data: bool) -> str:
    """Return what T and distortions are shares of, for a scan's attributes; V may be the data's or a likelihood's."""
    of, share = ("", "V") if of_data else (", that of the likelihood", "the variance of the data")
    return f"T = tau / V, V = total_variance{of}; distortion is a share of {share}, rates are in nats"


class Trainer(ABC):
    """A way to train models at many temperatures at once.

    A trainer is a small frozen dataclass of settings. `Exact`, `Sampled` and `Neural` are
    three; a new one derives from this class and has the three abstract methods. All others have
    defaults, for a trainer that draws its starts, works on a CPU and measures T by the variance
    of the data.
    """

    uses_rows: ClassVar[bool] = True  #: False where covariances are enough, so that rows need not be kept
    own_workers: ClassVar[bool] = False  #: whether a scan starts worker processes of its own instead of idle ones
    one_by_one: ClassVar[bool] = False  #: whether each model is a task of its own, however many train at once
    checkpoint: ClassVar[Checkpoint | None] = None  #: where the state of a training is kept; see `keeping`
    expected: ClassVar[str] = "a trainer such as Exact(tolerance=1e-8)"

    @property
    def device(self) -> str:
        """The kind of device that models are trained on: "cpu", "gpu", "tpu"."""
        return "cpu"

    def total_variance(self, data: TrainingSet) -> float:
        """Return V, the price τ at T = 1. A scan asks for it before it trains anything.

        Parameters
        ----------
        data : TrainingSet
            What is trained on.

        Returns
        -------
        float

        Raises
        ------
        InputError
            For data that this trainer cannot train on.
        """
        return data.spectrum.total_variance

    @abstractmethod
    def models_at_once(self, data: TrainingSet, latents: int) -> int:
        """Return how many models one call of `train` should get: enough for speed, few enough to bound memory.

        A task has so many, so that it is fixed by the problem. Only with `one_by_one` may it
        depend on the device.

        Parameters
        ----------
        data : TrainingSet
            What is trained on.
        latents : int
            K.

        Returns
        -------
        int
        """

    def starting_from(self, weights: Array) -> "Trainer":
        """Return this trainer with weights for its models to start from, instead of random ones.

        Parameters
        ----------
        weights : (m, size) array
            Of each model that the next call of `train` gets, as the variable `network` has them.

        Returns
        -------
        Trainer

        Raises
        ------
        InputError
            If it has no such start.
        """
        raise InputError(
            f"{type(self).__name__} starts from random weights only: let start be 'fresh', or take Neural().", "start"
        )

    def keeping(self, checkpoint: Checkpoint) -> "Trainer":
        """Return this trainer with a place for the state of a training that takes long.

        `train` may ask it (`checkpoint.due`), and `read` and `write` there what the rest of the
        training depends on. A trainer that does not is started anew after an interruption.

        Parameters
        ----------
        checkpoint : Checkpoint
            Of the next call of `train`.

        Returns
        -------
        Trainer
        """
        trainer = copy(self)
        object.__setattr__(trainer, "checkpoint", checkpoint)
        return trainer

    @abstractmethod
    def memory(self, data: TrainingSet, latents: int, models: int, seeds: int = 1) -> int:
        """Return the bytes that one call of `train` needs beside the data and its result.

        Parameters
        ----------
        data : TrainingSet
            What is trained on.
        latents : int
            K.
        models : int
            How many are trained in this call.
        seeds : int, default 1
            How many seeds they have.

        Returns
        -------
        int
        """

    @abstractmethod
    def train(
        self, data: TrainingSet, temperature: Array, starts: Starts, latents: int, on_progress: Progress
    ) -> Named:
        """Train one model per temperature T = τ/V, started from its (seed, place in the grid).

        Parameters
        ----------
        data : TrainingSet
            What is trained on.
        temperature : (m,) array
            T of each model.
        starts : sequence of (int, int)
            Seed and place in the grid of each model.
        latents : int
            K.
        on_progress : callable
            Called with the number of models that got done since the last call; fractions are
            allowed.

        Returns
        -------
        dict
            Name → (dimensions after the model's, values). It has the first eight entries of
            `OBSERVABLES`.

        Notes
        -----
        The result of each model depends, to the bit, on its (data, temperature, start, latents)
        alone, and not on the models beside it.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, which distinguish one scan from another."""
        return {"name": type(self).__name__, **vars(self)}

    def coordinates(self) -> Mapping[str, ArrayLike]:
        """Return the labels of dimensions that only this trainer has."""
        return {}

    def result_bytes(self, data: TrainingSet, latents: int) -> int:
        """Return the bytes of one model's observables, without its weights.

        Parameters
        ----------
        data : TrainingSet
            What is trained on.
        latents : int
            K.

        Returns
        -------
        int
        """
        return 8 * (data.features + 10 * latents + 24)
