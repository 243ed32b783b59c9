"""Spectroscopy of anyone's model: train it at several β, in any framework, and read off its effective variables.

`fit(beta, seed)` is the user's own training. What it returns is turned into the
observables of a scan: the posterior of the rows gives M² and rates, the decoder gives
distortions and ranked pruning. The β may be a list, or a staircase that the models
themselves lead down.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from landau_vae.checks import Count, Positive, Seed, checked, numbers, shown
from landau_vae.display import Array, Numbers, jsonable, progress_bar
from landau_vae.errors import InputError, described
from landau_vae.limits import ACTIVE
from landau_vae.loss import Loss
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.schema import (
    MOST,
    OBSERVABLES,
    RECONSTRUCTIONS,
    UNTRAINED,
    Status,
    about_temperature,
    bounded,
    validate,
    which_seeds,
)
from landau_vae.training.training_set import seen_by, training_set
from landau_vae.verification._fits_folder import ONSETS, STAIRCASE, Folder, detached, opened
from landau_vae.verification._onsets import Onsets, onsets
from landau_vae.verification._staircase import FLOOR, JUST_BELOW, Place, Stairs, onset_after

if TYPE_CHECKING:
    import xarray

PRUNED_ROWS = 4096  # rows that are decoded for ranked pruning, at most; evenly spread
STREAM = 0x73706563
ROUNDING = 1e-6  # by which a decoder's mean may lie outside the range of the data
NAMES = ("mean", "log_variance", "decode", "state")
SPREADS = ("log_variance", "variance", "standard_deviation")
EXPECTED = (
    "(mean, log_variance), (mean, log_variance, decode), (mean, log_variance, decode, state), or a dictionary with "
    f"mean, one of {', '.join(SPREADS)}, and, if there are any, decode and state"
)


@checked
def spectroscopy(
    fit: Callable[..., Any],
    betas: Numbers | Literal["staircase"],
    *,
    data: Any,
    loss: Loss | None = None,
    seeds: Count | Sequence[Seed] = 1,
    start: Literal["fresh", "down", "up"] = "fresh",
    floor: Positive | None = None,
    folder: str | Path | None = None,
    progress: bool = False,
) -> Onsets:
    """Train a model of your own at several β and return its onsets, utilities and effective dimensions.

    Parameters
    ----------
    fit : callable
        `fit(beta, seed)`, or `fit(beta, seed, start=state)` where models start from
        their neighbours, trains a model and returns the posterior of the rows of
        `data`: mean and log_variance, (n, K) arrays of any framework. With `decode`
        distortions and utilities are measured: it takes z, a NumPy array (n, K), and
        returns x̂, the mean of x (not logits), as an array of any framework, (n, d) or
        of the shape of images. `state` is what the next model starts from. A dictionary
        of these is as good; in one, `decoder_variance` is what a learned σ_dec² has
        become.
    betas : (b,) array, or "staircase"
        β of each training. A staircase begins below the first threshold of the data.
        From each trained model it computes where the next latent begins, and goes just
        below, until all latents are active: it takes about two trainings for an onset,
        instead of a grid.
    data : (n, d) array
        The rows that were trained on, as the loss gets them.
    loss : Loss, default Loss.gaussian()
        The convention, such as `Loss.preset("pythae")`. Its β is replaced by `betas`.
        Unless it is a squared error T is in units of the likelihood and distortions are
        in those of the data: onsets are not compared with utilities.
    seeds : int or sequence of int, default 1
        How many, from 0 on, or which: handed to `fit`; each is trained at every β.
    start : {"fresh", "down", "up"}
        Whether each model gets the state of its neighbour: "down" from the largest β
        on, "up" from the smallest. A staircase leads down.
    floor : float, optional
        β below which a staircase does not go, by default a thousandth of the first
        threshold.
    folder : str or Path, optional
        Where finished trainings are kept, by β and seed. An interrupted call goes on
        where it stopped; two calls at once need two folders. A change of `fit` is not
        noticed: name another folder for another model. With a folder states are arrays,
        or nested
        dictionaries, lists and tuples of arrays, and reach `fit` as NumPy's.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    Onsets
        Its `scan` has the observables of every model.

    Raises
    ------
    InputError
        If `fit` raises, or returns something else than it should; `partial` of the
        error holds the scan of what was trained before, or None. Where one seed got
        further than another, the models that were not trained have status −1 in it, and
        NaN.

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
    stairs = isinstance(betas, str) and betas == STAIRCASE
    grid = np.ones(1) if stairs else numbers(betas, "betas", finite=True)
    if not stairs and (grid.ndim != 1 or not grid.size or np.any(grid <= 0) or len(set(grid.tolist())) < grid.size):
        found = f"betas is {shown(betas)}, but a list of positive numbers is expected, each once, or 'staircase'"
        raise InputError(f"{found}.", "betas")
    chosen, convention = which_seeds(seeds), loss or Loss.gaussian()
    convention.must_be_plain("onsets are predicted")
    if floor is not None and not stairs:
        raise InputError("floor ends a staircase, but betas is a list: leave one of the two out.", "floor")
    if stairs:
        _check_stairs(convention, start)
    with naming("data"):
        table = training_set(data)
        if table.rows is None:
            raise InputError("data is a Spectrum, but the rows are needed that fit returns the posterior of.")
        seen = seen_by(convention.likelihood, table)[1]
    work = _Work(fit, table.rows, table.spectrum, convention, seen.total_variance, chosen, start, grid)
    with naming("betas"):
        work.temperature(grid)
        if stairs:
            first = float(seen.normalized[0] / work.temperature(1.0))
            work = replace(work, stairs=Stairs(first, FLOOR * first if floor is None else floor))
    if work.stairs and work.stairs.following(1, []) is None:
        found = f"floor is {floor:g}, but the first model of this staircase is trained at β = {JUST_BELOW * first:.4g}"
        raise InputError(f"{found}: give a smaller one.", "floor")
    with ExitStack() as stack:
        with naming("folder"):
            kept = None if folder is None else stack.enter_context(opened(Path(folder), work.identity))
        total = None if stairs else len(chosen) * grid.size
        bar = stack.enter_context(progress_bar(total, "training", progress, unit=" models"))
        return onsets(work.scan(kept, bar.update), work.spectrum)


@dataclass(frozen=True, eq=False)
class _Work:
    """What is trained, by whom, and measured on what."""

    fit: Callable[..., Any]
    rows: Array
    spectrum: Spectrum
    loss: Loss
    total_variance: float  #: V of T, the likelihood's
    seeds: tuple[int, ...]
    start: str
    grid: Array  #: β in any order; not of a staircase
    stairs: Stairs | None = None  #: what leads down a staircase
    done: dict[tuple[int, float], dict[str, Array]] = field(default_factory=dict)  #: (seed, β) → observables

    def price(self, beta: Numbers) -> Array:
        """Return τ at some β; of a learned σ_dec², τ/σ_dec²."""
        loss = replace(self.loss, beta=np.asarray(beta))  # a learned σ_dec² is 1 here, as in Neural
        return (replace(loss, decoder_variance=1.0) if loss.learned else loss).charge(self.rows.shape[1])

    def temperature(self, beta: Numbers) -> Array:
        """Return T at some β."""
        return self.price(beta) / (self.rows.shape[1] if self.loss.learned else self.total_variance)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What distinguishes one call from another: β and seeds do not, but in a sweep β does."""
        loss = {key: value for key, value in self.loss.to_dict().items() if key != "beta"}
        digest = sha256(np.ascontiguousarray(self.rows).data).hexdigest()
        betas = STAIRCASE if self.stairs else None if self.start == "fresh" else sorted(self.grid)
        return jsonable({"data": [self.rows.shape, digest], "loss": loss, "start": self.start, "betas": betas})

    def scan(self, kept: "Folder | None", on_progress: Callable[[], object]) -> "xarray.Dataset":
        """Train what is not kept yet and return all observables."""
        for seed in self.seeds:
            state = None
            for beta in self._stairs(seed) if self.stairs else self._grid():
                found = None if kept is None else kept.read(beta, seed)
                with naming("fit", self):
                    observables, state = found or self._trained(beta, seed, state)
                    self._check_latents(observables, f"fit(beta={beta:g}, seed={seed})")
                self.done[seed, beta] = observables
                if kept is not None and found is None:
                    with naming("folder", self):
                        state = kept.write(beta, seed, observables, None if self.start == "fresh" else state)
                on_progress()
        return self.dataset()

    def _grid(self) -> list[float]:
        """Return β in the order of training."""
        order = self.grid if self.start == "fresh" else np.sort(self.grid)[:: -1 if self.start == "down" else 1]
        return [float(beta) for beta in order]

    def _stairs(self, seed: int) -> Iterator[float]:
        """Yield β one by one, each from the models before."""
        assert self.stairs is not None
        unit, latents, visited = float(self.temperature(1.0)), 1, list[Place]()
        while (beta := self.stairs.following(latents, visited)) is not None:
            yield beta
            done = self.done[seed, beta]
            fraction = done["signal_fraction"]
            latents, active = fraction.size, int(np.count_nonzero(fraction > ACTIVE))
            visited.append(Place(beta, active, float(done["next_onset"]) / unit))

    def _check_latents(self, observables: dict[str, Array], call: str) -> None:
        """Raise unless a model has as many latents as the loss says, and as the first."""
        count = observables["signal_fraction"].size
        first = next(iter(self.done.values()), observables)["signal_fraction"].size
        for whose, known in (("loss", self.loss.latents or count), ("first model", first)):
            if count != known:
                advice = "let all models have as many, those kept in a folder too"
                raise InputError(f"{call} has {count} latents, but the {whose} has {known}: {advice}.")

    def _trained(self, beta: float, seed: int, state: Any) -> tuple[dict[str, Array], Any]:
        """Train one model; return its observables and the state that the next one starts from."""
        call = f"fit(beta={beta:g}, seed={seed})"
        try:
            returned = self.fit(beta, seed) if self.start == "fresh" else self.fit(beta, seed, start=state)
        except Exception as problem:  # anything: it is the user's code
            raised = f"{call} raised {described(problem)}: what was trained before is in the error's partial."
            raise InputError(raised) from problem
        with np.errstate(all="ignore"):  # a model may have diverged
            given = self._given(returned, call)
            observables, state = self._observables(beta, given, call), given.get("state")
        if self.stairs:
            observables |= self._next_onset(given, observables, call)
        if self.start != "fresh" and state is None:
            advice = "return (mean, log_variance, decode, state)"
            raise InputError(f"{call} returned no state, but start is {self.start!r}: {advice}.")
        return observables, state

    def _observables(self, beta: float, given: dict[str, Any], call: str) -> dict[str, Array]:
        mean, variance, decode = given["mean"], given["variance"], given.get("decode")
        square, spread = np.mean(mean**2, axis=0), variance.mean(axis=0)
        rate = 0.5 * np.mean(mean**2 + variance - 1 - np.log(variance), axis=0)
        fraction = square / (square + spread)
        latents, total = len(square), float(self.rows.var(axis=0).sum())
        price = np.array(self.price(beta) * given["decoder_variance"])
        pruned = np.full((2, latents + 1), np.nan)
        if decode is not None:
            some = np.unique(np.linspace(0, len(self.rows) - 1, min(len(self.rows), PRUNED_ROWS)).astype(int))
            noise = np.random.default_rng(STREAM).standard_normal((some.size, latents))
            rank = np.argsort(np.argsort(-np.nan_to_num(fraction), kind="stable"))
            for i, z in enumerate((mean[some], mean[some] + np.sqrt(variance[some]) * noise)):
                for kept in range(latents + 1):
                    output = self._decoded(decode, np.where(rank < kept, z, 0.0), call)
                    pruned[i, kept] = (self.rows[some] - output).var(axis=0).sum() / total
        measured = [*square, *spread, *rate, np.log(price), *(() if decode is None else pruned.ravel())]
        sound = bounded(np.array([measured]), MOST).item()
        status = np.array(Status.CONVERGED if sound else Status.DIVERGED, np.int8)
        return {
            "signal_fraction": fraction, "rate": rate, "mean_square": square, "posterior_variance": spread,
            "pruned_distortion": pruned, "distortion": pruned[1, -1], "price": price, "status": status,
        }  # fmt: skip

    def _next_onset(self, given: dict[str, Any], observables: dict[str, Array], call: str) -> dict[str, Array]:
        """Return the T below which a further latent would pay; NaN of a model that diverged."""
        active = np.flatnonzero(observables["signal_fraction"] > ACTIVE)
        onset: tuple[float, float] = (np.nan, np.nan)
        if not len(active):
            onset = float(self.temperature(self.stairs.first if self.stairs else np.nan)) * self.total_variance, 0.0
        elif observables["status"] != Status.DIVERGED:
            decode = given.get("decode")
            output = None if decode is None else lambda z: self._decoded(decode, z, call)
            spread = np.sqrt(given["variance"])
            onset = onset_after(given["mean"], spread, output, self.rows, self.loss.likelihood, active)
        return {name: np.array(each / self.total_variance) for name, each in zip(ONSETS, onset, strict=True)}

    def _given(self, returned: Any, call: str) -> dict[str, Any]:
        """Check what `fit` has returned and return it by name, in NumPy, with the spread as `variance`."""
        if isinstance(returned, Mapping):
            given = dict(returned)
        elif isinstance(returned, tuple | list) and 2 <= len(returned) <= 4:
            given = dict(zip(NAMES, returned, strict=False))
        else:
            raise InputError(f"{call} returned {shown(returned)}, but {EXPECTED} is expected.")
        kinds = [kind for kind in SPREADS if kind in given]
        if "mean" not in given or len(kinds) != 1:
            raise InputError(f"{call} returned {', '.join(map(str, given))}, but {EXPECTED} is expected.")
        mean, spread = (_array(given[name], f"{name} of {call}") for name in ("mean", kinds[0]))
        if mean.ndim != 2 or len(mean) != len(self.rows) or mean.shape != spread.shape or not mean.size:
            found, rows = f"mean {mean.shape} and {kinds[0]} {spread.shape}", f"({len(self.rows)}, K), K from 1 on,"
            raise InputError(f"{call} returned {found}, but {rows} is expected of both: a row for each of the data.")
        square: dict[str, Callable[[Array], Array]] = {"log_variance": np.exp, "standard_deviation": np.square}
        variance = square.get(kinds[0], np.copy)(spread)
        learned = _array(given.get("decoder_variance", ()) if self.loss.learned else 1.0, f"decoder_variance of {call}")
        if learned.size != 1:
            advice = "return a dictionary with decoder_variance, the number that it has become"
            raise InputError(f"{call} returned no decoder_variance, but the loss has a learned one: {advice}.")
        return given | {"mean": mean, "variance": variance, "decoder_variance": learned.item()}

    def _decoded(self, decode: Callable[[Any], Any], latent: Array, call: str) -> Array:
        """Return x̂ of NumPy rows, through a decoder of any framework."""
        shape, (low, high) = (len(latent), self.rows.shape[1]), self.loss.likelihood.support
        try:
            returned = decode(latent)
        except Exception as problem:  # anything: it is the user's code
            expected = "a function of a NumPy array (n, K) that returns (n, d) is expected"
            raise InputError(f"decode of {call} raised {described(problem)}: {expected}.") from problem
        output = _array(returned, f"x̂ of {call}")
        if output.shape[:1] != shape[:1] or output.size != np.prod(shape):
            raise InputError(f"decode of {call} returned shape {output.shape}, but {shape} is expected.")
        least, most = np.fmin.reduce(output, axis=None), np.fmax.reduce(output, axis=None)
        if np.isfinite(output).all() and (least < low - ROUNDING or most > high + ROUNDING):
            found = f"numbers from {least:g} to {most:g}, but means from {low:g} to {high:g} are expected"
            raise InputError(f"decode of {call} returned {found}: let it return x̂, not logits.")
        return output.reshape(shape)

    def dataset(self) -> "xarray.Dataset":
        """Return the observables of what was trained; a seed or β of which nothing was is left out."""
        import xarray

        seeds = list(dict.fromkeys(seed for seed, _ in self.done))
        betas = sorted({beta for _, beta in self.done})
        first = next(iter(self.done.values()))
        latents = first["signal_fraction"].size
        variables: dict[str, Any] = {}
        for name, example in first.items():
            values = np.full((len(seeds), len(betas), *example.shape), UNTRAINED if name == "status" else np.nan)
            for (seed, beta), each in self.done.items():
                values[seeds.index(seed), betas.index(beta)] = each[name]
            about = OBSERVABLES[name]
            attributes = {"long_name": about.meaning, "units": about.unit}
            values = values.astype(example.dtype)
            variables[name] = (("seed", "temperature", *about.dims), values, attributes)
        variables["converged"] = (("seed", "temperature"), variables["status"][1] == Status.CONVERGED)
        coords = {
            "seed": seeds, "temperature": self.temperature(betas), "beta": ("temperature", betas),
            "latent": np.arange(latents), "rank": np.arange(latents + 1), "reconstruction": list(RECONSTRUCTIONS),
        }  # fmt: skip
        loss = replace(self.loss, beta=np.array(betas))
        settings = {"name": "fit", "linear": False, "learned_variance": self.loss.learned, "loss": loss.to_dict()}
        about_all: dict[str, Any] = {
            "title": "models trained by a function, at several prices",
            "temperature": about_temperature(self.loss.likelihood.squared),
            "total_variance": self.total_variance,
            "trainer": json.dumps(settings),
            "start": self.start,
            "samples": len(self.rows),
        }
        if self.stairs:
            about_all["first_onset"] = float(self.temperature(self.stairs.first))
        return validate(xarray.Dataset(variables, coords, about_all), name="result of fit", values=False)


def _check_stairs(loss: Loss, start: str) -> None:
    """Raise unless a staircase has prices that are stated, and onsets that are known."""
    if start == "up":
        raise InputError("A staircase leads down, but start is 'up': give start='down' or 'fresh'.", "start")
    if loss.learned or not loss.likelihood.curved:
        name = loss.likelihood.name
        what = "a learned σ_dec²" if loss.learned else f"a likelihood ({name}) that is not convex in single outputs"
        raise InputError(
            f"A staircase of {what} has no onsets that are known beforehand: give a list of betas.", "loss"
        )


@contextmanager
def naming(argument: str, work: _Work | None = None) -> Iterator[None]:
    """Hand errors on with the name of the argument at fault, and with what was trained before."""
    try:
        yield
    except Exception as problem:
        vars(problem).update(argument=argument, partial=work.dataset() if work and work.done else None)
        raise


def _array(values: Any, name: str) -> Array:
    """Return an array of any framework in NumPy."""
    return numbers(detached(values), name)
