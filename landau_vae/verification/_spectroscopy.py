"""Spectroscopy of anyone's model: train it at several β, in any framework, and read off its effective variables.

`fit(beta, seed)` is the user's own training. What it returns is turned into the observables of a scan: the posterior of
the rows gives M² and rates, the decoder gives distortions and ranked pruning.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import Count, Seed, checked, numbers, shown
from landau_vae.data.archive import Damaged, load_arrays, replace_file, save_arrays
from landau_vae.display import Array, jsonable, progress_bar
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.schema import OBSERVABLES, RECONSTRUCTIONS, Status, validate, which_seeds
from landau_vae.training.training_set import training_set
from landau_vae.verification._onsets import Onsets, onsets

if TYPE_CHECKING:
    import xarray

PRUNED_ROWS = 4096  # rows that are decoded for ranked pruning, at most; evenly spread
STREAM = 0x73706563
HEADER = "landau_vae_fit"
SPREADS = ("log_variance", "variance", "standard_deviation")
EXPECTED = (
    "(mean, log_variance), (mean, log_variance, decode), (mean, log_variance, decode, state), or a dictionary with "
    f"mean, one of {', '.join(SPREADS)}, and, if there are any, decode and state"
)


@checked
def spectroscopy(
    fit: Callable[..., Any],
    betas: ArrayLike,
    *,
    data: Any,
    loss: Loss | None = None,
    seeds: Count | Sequence[Seed] = 1,
    start: Literal["fresh", "down", "up"] = "fresh",
    folder: str | Path | None = None,
    progress: bool = False,
) -> Onsets:
    """Train a model of your own at several β and return its onsets, utilities and effective dimensions.

    Parameters
    ----------
    fit : callable
        `fit(beta, seed)`, or `fit(beta, seed, start=state)` where models start from their neighbours, trains a model
        and returns the posterior of the rows of `data`: mean and log_variance, (n, K) arrays of any framework. With
        `decode`, a function of z in NumPy (n, K) that returns x̂ in any framework (n, d), distortions and utilities are
        measured; `state` is what the next model starts from.
    betas : (b,) array
        β of each training.
    data : (n, d) array
        The rows that were trained on, as the loss gets them.
    loss : Loss, default Loss.gaussian()
        The convention, such as `Loss.preset("pythae")`. Its β is replaced by `betas`.
    seeds : int or sequence of int, default 1
        How many, from 0 on, or which: handed to `fit`; each is trained at every β.
    start : {"fresh", "down", "up"}
        Whether each model gets the state of its neighbour: "down" from the largest β on, "up" from the smallest.
    folder : str or Path, optional
        Where finished trainings are kept. An interrupted call goes on where it stopped.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    Onsets
        Its `scan` has the observables of every model.

    Raises
    ------
    InputError
        If `fit` raises, or returns something else than it should; `partial` of the error holds the scan of what was
        trained before, or None.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((500, 2)) * [2.0, 1.0]
    >>> from landau_vae import scan
    >>> from landau_vae.training import trained_model
    >>> def fit(beta, seed):
    ...     model = trained_model(scan(rows, [beta / rows.var(axis=0).sum()], seeds=[seed]), 1.0)
    ...     return *model.encode(rows), model.decode
    >>> spectroscopy(fit, np.geomspace(4, 0.004, 16), data=rows)
    Onsets(2 of 2 ranks resolved)
    """
    prices = numbers(betas, "betas", finite=True)
    if prices.ndim != 1 or prices.size == 0 or not np.all(prices > 0) or len(set(prices.tolist())) < prices.size:
        raise InputError(f"betas is {shown(betas)}, but a list of positive numbers is expected, each once.", "betas")
    places = which_seeds(seeds)
    if start != "fresh" and "start" not in inspect.signature(fit).parameters:
        raise InputError(f"start is {start!r}, but fit takes no argument start: fit(beta, seed, start=None).", "fit")
    convention = replace(loss or Loss.gaussian(), beta=prices)
    table = training_set(data)
    if table.rows is None:
        raise InputError("data is a Spectrum, but the rows are needed that fit returns the posterior of.", "data")
    work = _Work(fit, table.rows, table.spectrum, convention, places, start)
    kept = None if folder is None else _Folder(Path(folder), work.identity)
    bar = progress_bar(len(places) * prices.size, "training", progress, unit=" models")
    with bar:
        return onsets(work.scan(kept, bar.update), work.spectrum)


@dataclass(frozen=True, eq=False)
class _Work:
    """What is trained, by whom, and measured on what."""

    fit: Callable[..., Any]
    rows: Array
    spectrum: Spectrum
    loss: Loss
    seeds: tuple[int, ...]
    start: str
    done: dict[tuple[int, int], dict[str, Array]] = field(default_factory=dict)  #: (seed, place) → observables

    def error(self, sentence: str) -> InputError:
        """Return an error of `fit`, with the scan of what was trained before."""
        return InputError(sentence, "fit", self.dataset() if self.done else None)

    @cached_property
    def identity(self) -> str:
        """A text that distinguishes one call from another, β and seeds aside."""
        convention = {key: value for key, value in self.loss.to_dict().items() if key != "beta"}
        digest = sha256(np.ascontiguousarray(self.rows).data).hexdigest()
        return json.dumps([jsonable(convention), self.start, self.rows.shape, digest], sort_keys=True)

    def scan(self, kept: "_Folder | None", on_progress: Callable[[], object]) -> "xarray.Dataset":
        """Train what is not kept yet and return all observables."""
        order = np.argsort(self.loss.beta)
        order = order[::-1] if self.start == "down" else order if self.start == "up" else np.arange(order.size)
        for seed in self.seeds:
            state = None
            for place in order.tolist():
                beta = float(self.loss.beta[place])
                found = None if kept is None else kept.read(beta, seed)
                if found is None:
                    found = self._trained(place, seed, state)
                    if kept is not None:
                        kept.write(beta, seed, *found)
                self.done[seed, place], state = found
                on_progress()
        return self.dataset()

    def _trained(self, place: int, seed: int, state: Any) -> tuple[dict[str, Array], Any]:
        """Train one model; return its observables and the state that the next one starts from."""
        beta = float(self.loss.beta[place])
        call = f"fit(beta={beta:g}, seed={seed})"
        try:
            returned = self.fit(beta, seed) if self.start == "fresh" else self.fit(beta, seed, start=state)
        except Exception as problem:  # anything: it is the user's code
            raised = f"{call} raised {type(problem).__name__} ({problem})"
            raise self.error(f"{raised}: what was trained before is in the error's partial.") from problem
        mean, variance, decode, state = self._posterior(returned, call)
        return self._observables(place, mean, variance, decode, call), state

    def _observables(self, place: int, mean: Array, variance: Array, decode: Any, call: str) -> dict[str, Array]:
        square, spread = np.mean(mean**2, axis=0), variance.mean(axis=0)
        with np.errstate(all="ignore"):
            rate = 0.5 * np.mean(mean**2 + variance - 1 - np.log(variance), axis=0)
            fraction = square / (square + spread)
        if self.done and fraction.shape != (known := next(iter(self.done.values()))["signal_fraction"].shape):
            raise self.error(f"{call} has {fraction.size} latents, but the first had {known[0]}: let all have as many.")
        latents, total = len(square), float(self.rows.var(axis=0).sum())
        pruned = np.full((2, latents + 1), np.nan)
        if decode is not None:
            some = np.unique(np.linspace(0, len(self.rows) - 1, min(len(self.rows), PRUNED_ROWS)).astype(int))
            noise = np.random.default_rng(STREAM).standard_normal((some.size, latents))
            rank = np.argsort(np.argsort(-np.nan_to_num(fraction), kind="stable"))
            for i, z in enumerate((mean[some], mean[some] + np.sqrt(variance[some]) * noise)):
                for kept in range(latents + 1):
                    output = self._decoded(decode, np.where(rank < kept, z, 0.0), call)
                    pruned[i, kept] = (self.rows[some] - output).var(axis=0).sum() / total
        price = float(self.loss.price(self.spectrum)[place])
        sound = np.isfinite([*square, *spread, *rate]).all()
        return {
            "signal_fraction": fraction,
            "rate": rate,
            "mean_square": square,
            "posterior_variance": spread,
            "pruned_distortion": pruned,
            "distortion": pruned[1, -1],
            "price": np.array(price),
            "status": np.array(Status.CONVERGED if sound else Status.DIVERGED, np.int8),
        }

    def _posterior(self, returned: Any, call: str) -> tuple[Array, Array, Any, Any]:
        """Return mean, variance, decode and state of what `fit` has returned."""
        if isinstance(returned, Mapping):
            given = dict(returned)
        elif isinstance(returned, tuple | list) and 2 <= len(returned) <= 4:
            given = dict(zip(("mean", "log_variance", "decode", "state"), returned, strict=False))
        else:
            raise self.error(f"{call} returned {shown(returned)}, but {EXPECTED} is expected.")
        kinds = [kind for kind in SPREADS if kind in given]
        if "mean" not in given or len(kinds) != 1:
            raise self.error(
                f"{call} returned a dictionary with {', '.join(map(str, given))}, but {EXPECTED} is expected."
            )
        mean, spread = (_array(given[name], f"{name} of {call}") for name in ("mean", kinds[0]))
        if mean.ndim != 2 or len(mean) != len(self.rows) or mean.shape != spread.shape:
            shapes = f"{call} returned mean {mean.shape} and {kinds[0]} {spread.shape}"
            raise self.error(f"{shapes}, but ({len(self.rows)}, K) is expected of both: a row for each of the data.")
        square: dict[str, Callable[[Array], Array]] = {"log_variance": np.exp, "standard_deviation": np.square}
        variance = square.get(kinds[0], np.copy)(spread)
        return mean, variance, given.get("decode"), given.get("state")

    def _decoded(self, decode: Callable[[Any], Any], latent: Array, call: str) -> Array:
        """Return x̂ of NumPy rows, through a decoder of any framework."""
        shape = (len(latent), self.rows.shape[1])
        try:
            output = _array(decode(latent), f"decode of {call}")
        except InputError:
            raise
        except Exception as problem:  # anything: it is the user's code
            raised = f"decode of {call} raised {type(problem).__name__} ({problem})"
            raise self.error(
                f"{raised}: a function of a NumPy array (n, K) that returns (n, d) is expected."
            ) from problem
        if output.size != np.prod(shape):
            raise self.error(f"decode of {call} returned shape {output.shape}, but {shape} is expected.")
        return output.reshape(shape)

    def dataset(self) -> "xarray.Dataset":
        """Return the observables of what was trained; a seed or β of which nothing was is left out."""
        import xarray

        seeds, places = (list(dict.fromkeys(key[axis] for key in self.done)) for axis in (0, 1))
        places.sort(key=lambda place: self.loss.beta[place])
        first = next(iter(self.done.values()))
        latents = first["signal_fraction"].size
        variables: dict[str, Any] = {}
        for name, example in first.items():
            values = np.full((len(seeds), len(places), *example.shape), Status.DIVERGED if name == "status" else np.nan)
            for (seed, place), each in self.done.items():
                values[seeds.index(seed), places.index(place)] = each[name]
            about = OBSERVABLES[name]
            attributes = {"long_name": about.meaning, "units": about.unit}
            values = values.astype(example.dtype)
            variables[name] = (("seed", "temperature", *about.dims), values, attributes)
        price = variables["price"][1]
        temperature = np.nanmean(price, axis=0) / self.spectrum.total_variance
        variables["converged"] = (("seed", "temperature"), variables["status"][1] == Status.CONVERGED)
        coords = {"seed": seeds, "temperature": temperature, "beta": ("temperature", self.loss.beta[places])}
        coords |= {
            "latent": np.arange(latents),
            "rank": np.arange(latents + 1),
            "reconstruction": list(RECONSTRUCTIONS),
        }
        about_all: dict[str, Any] = {
            "title": "models trained by a function, at several prices",
            "temperature": "T = tau / V; distortion is a share of V, rates are in nats",
            "total_variance": self.spectrum.total_variance,
            "trainer": json.dumps({"name": "fit", "linear": False, "start": self.start, "loss": self.loss.to_dict()}),
            "samples": len(self.rows),
        }
        return validate(xarray.Dataset(variables, coords, about_all), name="result of fit")


def _array(values: Any, name: str) -> Array:
    """Return an array of any framework in NumPy."""
    detached = values.detach() if hasattr(values, "detach") else values
    return numbers(detached.cpu() if hasattr(detached, "cpu") else detached, name)


class _Folder:
    """Finished trainings on the disk, one file each."""

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            known = path / "spectroscopy.json"
            if not known.exists():
                replace_file(known, lambda partial: partial.write_text(identity, encoding="utf-8"))
            stored = known.read_text(encoding="utf-8")
        except OSError as problem:
            raise InputError(
                f"The folder {path} cannot be used ({problem.strerror}): name another.", "folder"
            ) from None
        if stored != identity:
            raise InputError(
                f"{path} holds trainings of other data, or with another loss: name another folder.", "folder"
            )

    def _file(self, beta: float, seed: int) -> Path:
        return self.path / f"fit-{seed}-{beta.hex()}.npz"

    def read(self, beta: float, seed: int) -> tuple[dict[str, Array], Any] | None:
        """Return observables and state of a training; None where it is not finished or damaged."""
        try:
            content, arrays = load_arrays(self._file(beta, seed), HEADER)
        except Damaged:
            return None
        state = {name.removeprefix("state "): each for name, each in arrays.items() if name.startswith("state ")}
        observables = {name: each for name, each in arrays.items() if not name.startswith("state ")}
        return observables, (state.get("") if content["bare"] else state or None)

    def write(self, beta: float, seed: int, observables: dict[str, Array], state: Any) -> None:
        """Keep a training. A state is kept if it is an array, or names with arrays."""
        bare = not isinstance(state, Mapping)
        parts = {} if state is None else {"": state} if bare else state
        arrays = {f"state {name}": _array(each, f"state {name} of fit") for name, each in parts.items()}
        save_arrays(self._file(beta, seed), HEADER, {"bare": bare}, observables | arrays)
