"""A scan as a list of tasks, each a few temperatures of one seed, and how workers carry them out, here or elsewhere.

The list is fixed by the problem, whatever the device, and the result of a task does not depend
on what is trained beside it; linear algebra runs on one thread. So the same seed gives the same
bits with any number of workers anywhere. Tasks of several seeds go in bundles, which are
trained as one batch of arrays, through joblib, so that any of its backends can carry them out:
processes of this machine, or a Dask cluster.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from landau_vae.display import Array
from landau_vae.threads import one_thread
from landau_vae.training.checkpoint import Checkpoints
from landau_vae.training.memory_plan import ScanPlan
from landau_vae.training.schema import WEIGHTS, Named, Progress, Trainer
from landau_vae.training.training_set import TrainingSet
from landau_vae.training.workers import carried_out, on_a_cluster

PROCESS = 160 * 2**20  # bytes of a worker process before it has any data: the interpreter and what it imports


@dataclass(frozen=True)
class Task:
    """Temperatures first, first + step, … of one seed: from all over the grid, so that tasks take equally long."""

    seed: int
    first: int
    step: int
    count: int  #: temperatures in the grid

    @property
    def places(self) -> range:
        """Places of its temperatures in the grid."""
        return range(self.first, self.count, self.step)


@dataclass(frozen=True, eq=False)
class Work:
    """Everything that defines a scan, checked."""

    trainer: Trainer
    data: TrainingSet
    temperature: Array
    seeds: tuple[int, ...]
    latents: int
    keep_weights: bool
    start: Literal["fresh", "down", "up"] = "fresh"  #: whether models start from their neighbour in the grid, and which
    given: Mapping[tuple[int, int], Array] = field(default_factory=dict)  #: (seed, place) → weights to start from
    origin: Array | None = None  #: temperatures of another scan that they are from, (seeds, places)
    source: str = ""  #: a text that only that scan's weights have
    total_variance: float = np.nan  #: V, of which temperatures are shares
    checkpoints: Checkpoints | None = None  #: where trainings in progress keep their states

    def __sizeof__(self) -> int:
        # Schedulers ask for it: what is heavy is sent to each worker once, and not with every task.
        return object.__sizeof__(self) + sum(part.nbytes for part in self.data.arrays())

    @property
    def tasks(self) -> list[Task]:
        """Each seed's temperatures, in pieces of almost the same size."""
        count, alone = len(self.temperature), self.swept or self.trainer.one_by_one
        pieces = -(-count // (1 if alone else self.trainer.models_at_once(self.data, self.latents)))
        return [Task(seed, first, pieces, count) for seed in self.seeds for first in range(pieces)]

    @property
    def swept(self) -> bool:
        """Whether models start from their neighbours, so that temperatures come one after the other."""
        return self.start != "fresh"

    @property
    def order(self) -> list[int]:
        """Places of the grid in the order of a sweep."""
        return list(np.argsort(self.temperature if self.start == "up" else -self.temperature, kind="stable").tolist())

    @property
    def waves(self) -> list[list[Task]]:
        """The tasks, in lists whose tasks do not need one another."""
        tasks = self.tasks
        return [tasks[place :: len(self.temperature)] for place in self.order] if self.swept else [tasks]

    def bundles(self, tasks: Sequence[Task], workers: int) -> list[tuple[Task, ...]]:
        """Return tasks to train together: as many as suit the trainer and all workers.

        They have the same temperatures, unless each is one model, and all start from random
        weights or none does.
        """
        most, each = self.trainer.models_at_once(self.data, self.latents), -(-len(tasks) // max(1, workers))
        bundles: list[tuple[Task, ...]] = []
        kinds = [(task.first * (not self.trainer.one_by_one), (task.seed, task.first) in self.given) for task in tasks]
        for kind in dict.fromkeys(kinds):
            alike = [task for task, own in zip(tasks, kinds, strict=True) if own == kind]
            size = max(1, min(most // len(alike[0].places), each))
            bundles += [tuple(alike[i : i + size]) for i in range(0, len(alike), size)]
        return bundles

    def weights(self, bundle: Sequence[Task]) -> Array | None:
        """Return the weights that the models of a bundle start from, (models, size); None: random ones."""
        starts = starts_of(bundle)
        return np.stack([self.given[start] for start in starts]) if starts[0] in self.given else None

    def train(
        self, bundle: Sequence[Task], on_progress: Progress = lambda models: None, weights: Array | None = None
    ) -> list[tuple[Task, Named]]:
        """Carry out a bundle of tasks, from these weights; return each with its results."""
        starts = starts_of(bundle)
        temperature = np.concatenate([self.temperature[task.places] for task in bundle])
        trainer = self.trainer if weights is None else self.trainer.starting_from(weights)
        if self.checkpoints is not None:
            trainer = trainer.keeping(self.checkpoints.of(starts, trainer.device))
        with one_thread():
            named = trainer.train(self.data, temperature, starts, self.latents, on_progress)
        kept = {name: part for name, part in named.items() if self.keep_weights or self.swept or name not in WEIGHTS}
        size = len(bundle[0].places)
        return [
            (task, {name: (dims, values[i * size : (i + 1) * size]) for name, (dims, values) in kept.items()})
            for i, task in enumerate(bundle)
        ]

    def forget(self, bundle: Sequence[Task]) -> None:
        """Remove the state of tasks whose results have been taken."""
        if self.checkpoints is not None:
            self.checkpoints.drop(starts_of(bundle))

    def plan(self, source: Any, workers: int, limit: int) -> ScanPlan:
        """Return the memory plan; data that share the memory of `source` are in memory already."""
        import joblib

        tasks, arrays = self.waves[0], list(self.data.arrays())
        at_once = min(joblib.effective_n_jobs(workers), len(tasks))
        elsewhere = on_a_cluster()  # which has memory of its own
        array = isinstance(source, np.ndarray)
        data = sum(part.nbytes for part in arrays if not (array and np.may_share_memory(part, source)))
        if at_once > 1:  # workers map one more copy, unless the data are a mapped file
            data += sum(part.nbytes for part in arrays)
        most, bundle = max((len(each) * len(each[0].places), len(each)) for each in self.bundles(tasks, at_once))
        work = 0 if elsewhere else self.trainer.memory(self.data, self.latents, most, bundle) + PROCESS * (at_once > 1)
        d, latents, models = self.data.features, self.latents, len(self.seeds) * len(self.temperature)
        one = self.trainer.result_bytes(self.data, latents) + 16 * (latents + 1)  # the last: pruned distortions
        one += 8 * (2 * d * latents + d + latents) * self.keep_weights
        wide = d > len(self.data.spectrum.covariance)  # its covariance is made for the result
        result = models * one + 24 * wide * d**2
        return ScanPlan(models, len(self.tasks), at_once, data, result, work + 2 * most * one, limit)


def starts_of(bundle: Sequence[Task]) -> list[tuple[int, int]]:
    """Return seed and place of each model."""
    return [(task.seed, place) for task in bundle for place in task.places]


def execute(
    work: Work, tasks: Sequence[Task], workers: int, on_progress: Progress, *, folder: Path | None = None
) -> Iterator[tuple[Task, Named]]:
    """Yield each task with its results as they get done; without workers, progress counts fractions of models.

    Where finished tasks are kept, in a `folder`, each goes by itself: an interruption loses only the
    task in flight. But tasks of one model go as the device likes them.
    """
    import joblib

    at_once = joblib.effective_n_jobs(workers)
    alone = folder is not None and not work.trainer.one_by_one
    bundles = [(task,) for task in tasks] if alone else work.bundles(tasks, at_once)
    if at_once == 1:
        for bundle in bundles:
            yield from work.train(bundle, on_progress, work.weights(bundle))
            work.forget(bundle)
        return
    sent = replace(work, given={})  # a task gets the weights of its own models alone
    calls = (joblib.delayed(Work.train)(sent, bundle, weights=work.weights(bundle)) for bundle in bundles)
    kept = "give a folder, which keeps what is finished" if folder is None else f"{folder} keeps what is finished"
    processes = min(at_once, len(bundles))  # joblib starts as many as it is asked for
    for results in carried_out(calls, processes, f"run the same again ({kept})"):
        yield from results
        work.forget([task for task, _ in results])
