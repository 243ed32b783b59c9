"""Train a β-VAE at every temperature of a grid, from each of several seeds, by any trainer.

Each model starts from its own random weights, drawn from its seed and its place in the grid; no start knows of another,
of the theory or of the data's eigenvectors. A scan can be shared out among workers, interrupted, and taken up again: it
gives the same bits. The result is one labelled `xarray.Dataset`.
"""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.data.tables import as_numbers, is_real
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.training.exact import Exact
from landau_vae.training.memory import ScanPlan, checked_limit
from landau_vae.training.results import Results
from landau_vae.training.resume import opened
from landau_vae.training.tasks import Task, Work, execute
from landau_vae.training.trainer import Trainer
from landau_vae.training.training_set import training_set

if TYPE_CHECKING:
    import xarray

__all__ = ["plan", "scan"]

LARGEST_SEED = 2**63


def scan(
    source: Any,
    temperatures: ArrayLike,
    *,
    latents: int | None = None,
    seeds: int | Sequence[int] = (0,),
    trainer: Trainer | None = None,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    splits: Sequence[float] | None = None,
    workers: int = 1,
    folder: str | Path | None = None,
    memory: float | None = None,
    keep_weights: bool = True,
    progress: bool = False,
) -> "xarray.Dataset":
    """Train at each normalised temperature T = τ/V, from each seed, by the `trainer` (`Exact()` by default).

    `source` is a `Spectrum` or a table of data (n, p), with `weights` (n,) of its rows; `splits` are the shares of its
    rows for training, validation and test, (0.8, 0.1, 0.1), by default all for training. `latents` is K (by default as
    many as there are features, of wide data as modes). `workers` tasks are carried out at once, -1: one per core;
    inside `joblib.parallel_config(backend="dask")`, by a cluster. With a `folder`, finished tasks are kept there, and
    an interrupted scan goes on when it is called again. `memory` is a limit in bytes, by default most of what is free.

    Returns a dataset with dimensions seed, temperature, latent and feature: the models (decoder W, encoder E, unless
    `keep_weights` is False; posterior variance), what was measured on them (⟨μ²⟩, M², rate, distortion as a share of
    V, loss), how training ended (`status`, `converged`), the covariance that they saw, and what else the trainer tells.
    Raises `InputError` for bad input, for a folder that holds another scan, and for a scan that would not fit.

    >>> from landau_vae import Spectrum
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4, 0.08])
    >>> models.signal_fraction.max("latent").values.round(6).tolist()
    [[0.5, 0.9]]
    """
    work, planned = _prepared(
        source, temperatures, latents, seeds, trainer, standardize, weights, splits, workers, memory, keep_weights
    )
    planned.check()
    if progress:
        print(planned.sentence, file=sys.stderr)
    results, bar = Results(work, planned), _Bar(planned.models, progress)
    with bar, opened(folder, work) if folder is not None else nullcontext() as kept:
        open_tasks: list[Task] = []
        for task in work.tasks:
            if kept is not None and (named := kept.read(task)) is not None:
                results.put(task, named)
                bar.finish(len(task.places))
            else:
                open_tasks.append(task)
        for task, named in execute(work, open_tasks, workers, bar.advance, kept=kept is not None):
            if kept is not None:
                kept.write(task, named)
            results.put(task, named)
            bar.finish(len(task.places))
    return results.dataset(standardize=standardize, splits=splits)


def plan(
    source: Any,
    temperatures: ArrayLike,
    *,
    latents: int | None = None,
    seeds: int | Sequence[int] = (0,),
    trainer: Trainer | None = None,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    splits: Sequence[float] | None = None,
    workers: int = 1,
    folder: str | Path | None = None,
    memory: float | None = None,
    keep_weights: bool = True,
    progress: bool = False,
) -> ScanPlan:
    """What `scan` with the same arguments would train and how much memory it would take; nothing is trained.

    >>> from landau_vae import Spectrum
    >>> planned = plan(Spectrum.from_eigenvalues([4, 1]), np.geomspace(1, 0.01, 50), seeds=range(4))
    >>> planned.models, planned.tasks, planned.fits
    (200, 4, True)
    """
    return _prepared(
        source, temperatures, latents, seeds, trainer, standardize, weights, splits, workers, memory, keep_weights
    )[1]


def _prepared(
    source: Any,
    temperatures: ArrayLike,
    latents: int | None,
    seeds: int | Sequence[int],
    trainer: Trainer | None,
    standardize: bool,
    weights: ArrayLike | None,
    splits: Sequence[float] | None,
    workers: int,
    memory: float | None,
    keep_weights: bool,
) -> tuple[Work, ScanPlan]:
    """Everything checked, and the plan."""
    grid, own_seeds, limit = _checked_temperatures(temperatures), _checked_seeds(seeds), checked_limit(memory)
    if latents is not None and not (is_real(latents) and latents == int(latents) >= 1):
        raise InputError(f"The number of latents is {latents!r}, but a whole number from 1 on is expected.")
    if not is_real(workers) or workers != int(workers) or workers == 0:
        raise InputError(f"The number of workers is {workers!r}, but a whole number is expected, or -1 for all cores.")
    trainer = Exact() if trainer is None else trainer
    if not callable(getattr(trainer, "train", None)):
        raise InputError(f"The trainer is {trainer!r}, but one such as Exact(tolerance=1e-8) is expected.")
    data = training_set(
        source,
        standardize=standardize,
        weights=weights,
        splits=splits,
        keep_rows=getattr(trainer, "uses_rows", True),
        limit=limit,
    )
    latents = len(data.spectrum.covariance) if latents is None else int(latents)
    work = Work(trainer, data, grid, own_seeds, latents, keep_weights)
    return work, work.plan(source, int(workers), limit)


def _checked_temperatures(temperatures: ArrayLike) -> Array:
    grid = as_numbers(temperatures, "The temperatures")
    if grid.ndim != 1 or grid.size == 0 or not np.all(np.isfinite(grid) & (grid > 0)):
        raise InputError(
            "Temperatures must be a list of positive finite numbers T = τ/V, such as "
            f"np.geomspace(1, 1e-6, 121), but {temperatures!r} was given."
        )
    return grid


def _checked_seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    given: list[Any] = [seeds] if np.ndim(seeds) == 0 else list(seeds)  # type: ignore[arg-type]
    if not given or not all(is_real(seed) and seed == int(seed) and 0 <= seed < LARGEST_SEED for seed in given):
        raise InputError(f"The seeds are {given}, but at least one whole number from 0 on is expected: seeds=(0,).")
    whole = tuple(int(seed) for seed in given)
    if len(set(whole)) < len(whole):
        raise InputError(f"The seeds are {list(whole)}, but each may be there only once: they would train the same.")
    return whole


class _Bar:
    """A progress bar that takes fractions of models and shows whole ones."""

    def __init__(self, models: int, show: bool) -> None:
        self.models, self.show = models, show
        self.done = self.finished = 0.0

    def __enter__(self) -> "_Bar":
        from tqdm import tqdm

        self.bar = tqdm(
            total=self.models, desc="training", unit=" models", leave=False, disable=None if self.show else True
        )
        return self

    def __exit__(self, *problem: object) -> None:
        self.bar.close()

    def advance(self, models: float) -> None:
        """So much more has been done of the task at hand."""
        self.done += models
        self.bar.update(max(0, int(self.done) - self.bar.n))

    def finish(self, models: int) -> None:
        """A task is finished, whatever it has told of itself."""
        self.finished += models
        self.done = max(self.done, self.finished)
        self.advance(0)
