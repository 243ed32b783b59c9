"""Train a β-VAE at every temperature of a grid, from each of several seeds, by any trainer.

Each model starts from its own random weights, drawn from its seed and its place in the grid, unless
it is asked to start from another model. No start uses the theory or the data's eigenvectors. A scan
can be shared out among workers, interrupted, and resumed: it gives the same bits. The result is one
labelled `xarray.Dataset`, with the observables of `training.schema`.
"""

import hashlib
import json
import sys
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import Count, Positive, Seed, checked, numbers, shown
from landau_vae.display import Array, Numbers, jsonable, progress_bar
from landau_vae.errors import InputError
from landau_vae.training.exact import Exact
from landau_vae.training.memory_plan import ScanPlan, available
from landau_vae.training.record import recorded_likelihood, trainer_settings
from landau_vae.training.resume import opened
from landau_vae.training.schema import (
    OBSERVABLES,
    RECONSTRUCTIONS,
    WEIGHTS,
    Named,
    Status,
    Trainer,
    about_temperature,
    validate,
    which_seeds,
)
from landau_vae.training.tasks import Task, Work, execute
from landau_vae.training.trained import recorded_network
from landau_vae.training.training_set import PARTS, training_set
from landau_vae.training.workers import on_a_cluster, stop_idle_workers

if TYPE_CHECKING:
    import xarray

Start = Literal["fresh", "down", "up"]
COLDEST = 1e-15  # T: less is lost in the rounding of V


@checked
def scan(
    source: Any,
    temperatures: Numbers,
    *,
    latents: Count | None = None,
    seeds: Count | Sequence[Seed] = 1,
    trainer: Trainer | None = None,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    splits: Sequence[float] | None = None,
    workers: int = 1,
    folder: str | Path | None = None,
    memory: Positive | None = None,
    keep_weights: bool = True,
    start: "Start | xarray.Dataset" = "fresh",
    progress: bool = False,
) -> "xarray.Dataset":
    """Train models at each normalised temperature, from each seed.

    Parameters
    ----------
    source : Spectrum or (n, p) array
        What to train on.
    temperatures : (t,) array
        T = τ/V: the price τ of a nat as a share of the total variance V.
    latents : int, optional
        K. By default as many as there are features, of wide data as many as there are modes.
    seeds : int or sequence of int, default 1
        How many, from 0 on, or which: of random weights and minibatches. Each seed trains the
        whole grid.
    trainer : Trainer, default Exact()
        `Exact` minimises the expected loss of linear models, `Sampled` trains linear models by
        minibatches, `Neural` trains networks, with any likelihood, in JAX.
    standardize : bool, default False
        Whether to scale the columns of a table to unit variance.
    weights : (n,) array, optional
        Of the rows of a table.
    splits : sequence of float, optional
        Shares of the rows for training, validation and test, such as (0.8, 0.1, 0.1). By
        default all are trained on.
    workers : int, default 1
        How many tasks are carried out at once; -1: one per core. Inside
        `joblib.parallel_config(backend="dask")`, by a cluster.
    folder : str or Path, optional
        Where finished tasks are kept, and once a minute the state of those that take longer. An
        interrupted scan goes on from there when it is called again with the same arguments.
    memory : float, optional
        Limit in bytes. By default most of what is free.
    keep_weights : bool, default True
        Whether decoders and encoders are part of the result. All observables are, in any case.
    start : {"fresh", "down", "up"} or xarray.Dataset, default "fresh"
        What each model starts from: random weights; those of its neighbour in a sweep from the
        largest T down, or from the smallest up; or those of another scan, of the same seed and
        at the nearest T, as a ratio. Models that have diverged are passed over.
        `start_temperature` is the T of the model whose weights were taken. For `Neural`.
    progress : bool, default False
        Whether to print the memory plan and to show a progress bar.

    Returns
    -------
    xarray.Dataset
        With dimensions seed, temperature, latent, feature: the observables of every model
        (`signal_fraction` M², `rate`, `distortion` as a share of V, `pruned_distortion`,
        `loss`, …), how training ended (`status`, `converged`), the covariance that was trained
        on, and the weights.

    Raises
    ------
    InputError
        For bad input, for a folder that holds another scan, and for a scan that does not fit
        into memory.
    WorkerLost
        If the system, or someone, ends a worker process. What is finished stays in the folder.

    Examples
    --------
    >>> from landau_vae import Spectrum
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4, 0.08])
    >>> models.signal_fraction.max("latent").values.round(6).tolist()
    [[0.5, 0.9]]
    """
    work, planned = _prepared(
        source,
        temperatures,
        latents,
        seeds,
        trainer,
        standardize,
        weights,
        splits,
        workers,
        memory,
        keep_weights,
        start,
    )
    planned.check()
    if progress:
        print(planned.summary(), file=sys.stderr)
    if planned.workers > 1 and work.trainer.own_workers:
        stop_idle_workers()
    bar = progress_bar(planned.models, "training", progress, unit=" models")
    with bar, opened(folder, work) if folder is not None else nullcontext() as kept:
        results = Results(work, planned, bar)
        if kept is not None and not on_a_cluster():  # whose machines need not have this folder
            work = replace(work, checkpoints=kept.checkpoints)
        for wave in work.waves:
            open_tasks = []
            for task in wave:
                if kept is not None and (named := kept.read(task)) is not None:
                    results.put(task, named)
                else:
                    open_tasks.append(task)
            if kept is not None and open_tasks and kept.devices - {kept.device}:
                warnings.warn(
                    f"Finished models in {kept.path} were trained on {', '.join(sorted(kept.devices))}, the rest is "
                    f"trained on {kept.device}: there the same seed gives other last digits.",
                    stacklevel=3,  # where the user calls the checked function
                )
            now = replace(work, given=last) if (last := results.last(wave)) else work
            for task, named in execute(
                now, open_tasks, workers, results.advance, folder=None if kept is None else kept.path
            ):
                if kept is not None:
                    kept.write(task, named)
                results.put(task, named)
    devices = {work.trainer.device} if kept is None else kept.devices
    return results.dataset(splits).assign_attrs(device=", ".join(sorted(devices)))


@checked
def plan(source: Any, temperatures: Numbers, **options: Any) -> ScanPlan:
    """Return what a scan would train and how much memory it would take, without training anything.

    Parameters
    ----------
    source, temperatures, latents, seeds, trainer, standardize, weights, splits, workers, folder, memory, \
keep_weights, start, progress : see `scan`
        The same; `folder` and `progress` have no effect.

    Returns
    -------
    ScanPlan

    Raises
    ------
    InputError
        For bad input.

    Examples
    --------
    >>> from landau_vae import Spectrum
    >>> planned = plan(Spectrum.from_eigenvalues([4, 1]), np.geomspace(1, 0.01, 50), seeds=range(4))
    >>> planned.models, planned.tasks, planned.fits
    (200, 4, True)
    """
    return _prepared(source, temperatures, **options)[1]


plan.__signature__ = signature(scan).replace(return_annotation=ScanPlan)  # type: ignore[attr-defined]


@checked
def _prepared(
    source: Any,
    temperatures: Numbers,
    latents: Count | None = None,
    seeds: Count | Sequence[Seed] = 1,
    trainer: Trainer | None = None,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    splits: Sequence[float] | None = None,
    workers: int = 1,
    memory: Positive | None = None,
    keep_weights: bool = True,
    start: "Start | xarray.Dataset" = "fresh",
    folder: str | Path | None = None,
    progress: bool = False,
) -> tuple[Work, ScanPlan]:
    """Return the work, checked, and its plan."""
    grid = numbers(temperatures, "temperatures")
    if grid.ndim != 1 or grid.size == 0 or not np.all((grid >= COLDEST) & (grid <= 1 / COLDEST)):
        limits = f"from {COLDEST:g} to {1 / COLDEST:g}"
        expected = f"a list of numbers T = τ/V {limits} is expected, such as np.geomspace(1, 1e-6, 121)"
        raise InputError(f"temperatures is {shown(temperatures)}, but {expected}.", "temperatures")
    each, count = np.unique(grid, return_counts=True)
    if count.max() > 1:
        found = f"temperatures has {each[count.argmax()]:g} {count.max()} times, but each is trained once"
        mend = "give np.unique(temperatures), and seeds for more models at a temperature"
        raise InputError(f"{found}: {mend}.", "temperatures")
    if workers == 0:
        raise InputError("workers is 0, but a number from 1 on is expected, or -1 for all cores.", "workers")
    limit, trainer = available() if memory is None else int(memory), trainer or Exact()
    data = training_set(source, standardize, weights, splits, trainer.uses_rows, limit)
    work = Work(trainer, data, grid, which_seeds(seeds), latents or len(data.spectrum.covariance), keep_weights)
    work = replace(work, total_variance=trainer.total_variance(data))
    if not isinstance(start, str) or start != "fresh":
        trainer.starting_from(np.empty((0, 0)))  # raises where a trainer cannot
    work = replace(work, start=start) if isinstance(start, str) else started_from(start, work)
    return work, work.plan(source, workers, limit)


def nearest(temperature: Numbers, grid: Array) -> NDArray[np.intp]:
    """Return the places of a grid that are nearest to each temperature, as a ratio, (t,)."""
    return np.abs(np.log(np.asarray(temperature)[:, None] / grid)).argmin(axis=1)


def started_from(other: "xarray.Dataset", work: Work) -> Work:
    """Return the work with the weights of another scan, of the same seeds and at the nearest temperatures."""
    validate(other, "network", "status", name="start")
    known = other.seed.values.tolist()
    if missing := [seed for seed in work.seeds if seed not in known]:
        raise InputError(f"start has the seeds {known}, but {missing} are to be trained: give seeds={known}.", "start")
    wanted = work.trainer.to_dict() | {"latents": work.latents, "features": work.data.features}
    wanted["outputs"] = recorded_likelihood(wanted).outputs(work.data.features)
    for name, own in vars(recorded_network(other, name="start")).items():
        if jsonable(own) != jsonable(wanted.get(name)):
            found = (
                f"start has networks with {name} = {jsonable(own)}, but {jsonable(wanted.get(name))} is to be trained"
            )
            raise InputError(f"{found}: train with the same, or start from another scan.", "start")
    likelihood, scale = trainer_settings(other).get("loss", {}).get("likelihood"), other.get("scale")
    if likelihood != wanted.get("loss", {}).get("likelihood"):
        raise InputError(f"start has {likelihood} decoders: their weights mean something else here.", "start")
    if scale is not None and not np.allclose(scale, work.data.unit, rtol=0.1):
        raise InputError("start was trained on features of another scale: give standardize as it was there.", "start")
    network, status = (other[name].transpose("seed", "temperature", ...).values for name in ("network", "status"))
    sound, origin = (status != Status.DIVERGED) & np.isfinite(network).all(axis=-1), []
    given: dict[tuple[int, int], Array] = {}
    for seed in work.seeds:
        place = known.index(seed)
        usable = np.flatnonzero(sound[place])
        if not usable.size:
            raise InputError(f"All models of start with seed {seed} have diverged: start from another scan.", "start")
        at = usable[nearest(work.temperature, other.temperature.values[usable])]
        given |= {(seed, i): network[place, each] for i, each in enumerate(at)}
        origin.append(other.temperature.values[at])
    digest = hashlib.sha256(np.ascontiguousarray(network).data).hexdigest()
    return replace(work, given=given, origin=np.array(origin), source=digest)


class Results:
    """Arrays of the whole scan, filled task by task, and a progress bar of whole models.

    They are allocated once the first task shows their shapes.
    """

    def __init__(self, work: Work, plan: ScanPlan, bar: Any) -> None:
        self.work, self.plan, self.bar = work, plan, bar
        self.arrays: Named = {}
        shape = len(work.seeds), len(work.temperature)
        self.origin = np.full(shape, np.nan) if work.origin is None else work.origin
        self.done = self.finished = 0.0  # models, fractions of those in training included; models put here

    def advance(self, models: float) -> None:
        """Show that so much more has been done of the current task."""
        self.done += models
        self.bar.update(max(0, int(self.done) - self.bar.n))

    def last(self, wave: Sequence[Task]) -> dict[tuple[int, int], Array]:
        """Return the weights that a wave of a sweep starts from: each seed's last that have not diverged, if any."""
        place, given = wave[0].first, {}
        before = self.work.order[: self.work.order.index(place)] if self.work.swept else []
        for i, seed in enumerate(self.work.seeds):
            if sound := [at for at in before if self.arrays["status"][1][i, at] != Status.DIVERGED]:
                given[seed, place] = self.arrays["network"][1][i, sound[-1]]
                self.origin[i, place] = self.work.temperature[sound[-1]]
        return given

    def put(self, task: Task, named: Named) -> None:
        """Put the results of a task in their place; `InputError` if they turn out larger than may be."""
        if "status" not in named:
            raise InputError("The trainer returned no status: see lv.training.OBSERVABLES.", "trainer")
        if own := sorted({"mean", "scale", "covariance", "converged"} & set(named)):
            raise InputError(
                f"The trainer returned {own[0]}, which a scan has of its own: name it otherwise.", "trainer"
            )
        if not self.arrays:
            size = sum(values.nbytes for _, values in named.values()) // len(task.places) * self.plan.models
            replace(self.plan, result=max(size, self.plan.result)).check()
        for name, (dims, values) in named.items():
            if name not in self.arrays:
                shape = (len(self.work.seeds), len(self.work.temperature), *values.shape[1:])
                self.arrays[name] = (("seed", "temperature", *dims), np.empty(shape, values.dtype))
            whole = self.arrays[name][1]
            if values.shape[1:] != whole.shape[2:]:
                found = (
                    f"The models of seed {task.seed} have {name} of shape {values.shape[1:]}, others {whole.shape[2:]}"
                )
                raise InputError(f"{found}: let all models have the same, those kept in a folder too.", "trainer")
            whole[self.work.seeds.index(task.seed), task.places] = values
        self.finished += len(task.places)
        self.advance(max(0.0, self.finished - self.done))  # whatever progress the task has reported

    def dataset(self, splits: Sequence[float] | None) -> "xarray.Dataset":
        """Return all results, with labels and provenance."""
        import xarray

        work, names, features = self.work, self.work.data.spectrum.names or (), self.work.data.features
        dims, status = self.arrays["status"]
        kept = {name: each for name, each in self.arrays.items() if work.keep_weights or name not in WEIGHTS}
        arrays = kept | {
            "status": (dims, status.astype(np.int8)),
            "converged": (dims, status == Status.CONVERGED),
            "covariance": (("feature", "other_feature"), work.data.covariance),
            "mean": (("feature",), work.data.origin),
            "scale": (("feature",), work.data.unit),
        }
        if work.swept or work.given:
            arrays["start_temperature"] = (("seed", "temperature"), self.origin)
        labels = list(names) if len(names) == features else np.arange(features)
        coords: dict[str, Any] = {"seed": list(work.seeds), "temperature": work.temperature}
        coords |= {"latent": np.arange(work.latents), "feature": labels, "other_feature": labels}
        optional = {"reconstruction": list(RECONSTRUCTIONS), "rank": np.arange(work.latents + 1)}
        present = {dim for dims, _ in kept.values() for dim in dims}
        coords |= {dim: at for dim, at in (optional | dict(work.trainer.coordinates())).items() if dim in present}
        variables = {name: (dims, values, _described(name)) for name, (dims, values) in arrays.items()}
        dataset = xarray.Dataset(variables, coords, self._attributes(splits))
        return validate(dataset, name="trainer's result", values=False)

    def _attributes(self, splits: Sequence[float] | None) -> dict[str, Any]:
        spectrum, total = self.work.data.spectrum, self.work.total_variance
        attributes = {
            "title": "beta-VAEs trained at normalised temperatures",
            "temperature": about_temperature(total == spectrum.total_variance),
            "total_variance": total,
            "trainer": json.dumps(jsonable(self.work.trainer.to_dict()), sort_keys=True),
            "standardized": "yes" if spectrum.standardized else "no",
            "start": "another scan" if self.work.given else self.work.start,
            "landau_vae": version("landau-vae"),
            "numpy": np.__version__,
        }
        if spectrum.samples is not None:
            attributes["samples"] = spectrum.samples
        if spectrum.dimension != self.work.data.features:  # models of the modes of wide data
            attributes["dimension"] = spectrum.dimension
        if splits is not None:
            attributes["splits"] = json.dumps(dict(zip(PARTS, map(float, splits), strict=True)))
        return attributes


def _described(name: str) -> dict[str, Any]:
    """Return meaning and unit of a variable, and the words for codes."""
    if name not in OBSERVABLES:
        return {}
    attributes: dict[str, Any] = {"long_name": OBSERVABLES[name].meaning, "units": OBSERVABLES[name].unit}
    if name == "status":
        meanings = " ".join(status.name.lower() for status in Status)
        attributes |= {"flag_values": np.array(Status, dtype=np.int8), "flag_meanings": meanings}
    return attributes
