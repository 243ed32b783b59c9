"""Gradient descent in JAX: the updates of a chunk in one compiled loop, and measurements on what comes out.

On a CPU models are trained one after the other, on one thread, so that each core has a process
of its own (the workers of a scan); on a GPU all models of a task advance together. Minibatches
are drawn in NumPy, the same for all models of a seed; reparameterised noise is drawn in the
loop, from a key that only the model and the update decide.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from multiprocessing import parent_process
from operator import itemgetter
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from jax import random
from joblib.externals.loky.backend.reduction import dumps
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.errors import InputError, reason
from landau_vae.likelihoods import Likelihood
from landau_vae.limits import ACTIVE, WORSE_THAN_DEAD
from landau_vae.training.checkpoint import restore, states
from landau_vae.training.network import Network, Weights
from landau_vae.training.optimizers import Optimizer
from landau_vae.training.schema import MOST, Named, Progress, Starts, bounded
from landau_vae.training.stopping import LOOKS, evenly, last_movement, verdict
from landau_vae.training.training_set import AT_ONCE, Batches, TrainingSet, asked, seen_by

BLOCK = 1000  # updates between two returns from the compiled loop, at most
WATCHED = 4096  # rows on which M² and the loss are looked at in the course of a run
REPEATED = 2**22  # numbers in rows that are measured several times, at most
DRAWN = 2**14  # rows that are drawn for measurements if no rows are given
STREAM = 0x6E65746E  # distinguishes a model's noise from its start
ONE_THREAD = {"xla_cpu_multi_thread_eigen": False}


@cache
def backend() -> str:
    """Start JAX and return the kind of device that it has found: "cpu", "gpu" or "tpu".

    In a worker process its CPU client gets one thread: each core has a process, and a pool of
    threads costs 40 % more.
    """
    before = os.environ.get("NPROC")
    if parent_process() is not None:
        os.environ["NPROC"] = "1"  # XLA reads it when it starts
    try:
        return jax.default_backend()
    except (RuntimeError, AssertionError) as problem:
        raise InputError(
            f"JAX finds no device to train on ({reason(problem)}): see JAX_PLATFORMS.", "trainer"
        ) from problem
    finally:
        os.environ.pop("NPROC", None)
        os.environ |= {} if before is None else {"NPROC": before}


@dataclass(frozen=True)
class Objective:
    """The loss per sample of a network, for gradients and measurements."""

    network: Network
    likelihood: Likelihood = field(compare=False)
    squared: float  #: a
    knows_mean: bool = True  #: whether the likelihood says the mean of x at an output
    code: bytes = field(init=False)  #: of the likelihood, which is the same in every copy of it

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", _code(self.likelihood))

    def residual(self, target: Any, output: Any) -> Any:
        """Return x − x̂; NaN of a likelihood that does not say its mean."""
        if not self.knows_mean:
            return jnp.full_like(target, jnp.nan)
        return target - (output if self.likelihood.squared else _called(self.likelihood, "mean", target.shape, output))

    def term(self, weights: Weights, target: Any, output: Any) -> Any:
        """Return the reconstruction term of the loss, of each row."""
        if not self.likelihood.squared:
            return self.squared * _value(self.likelihood)(target, output)
        error = jnp.square(target - output).sum(-1)
        if not self.network.learned_variance:
            return self.squared * error
        logarithm = weights.log_decoder_variance[0]
        return self.squared * (error * jnp.exp(-logarithm) + self.network.features * logarithm)

    def __call__(self, weights: Weights, centred: Any, shift: Any, noise: Any, price: Any) -> Any:
        """Return the mean loss of a batch at b = `price`."""
        mean, log_variance = self.network.encode(weights, centred)
        deviation = jnp.exp(0.5 * log_variance)
        output = self.network.decode(weights, mean + deviation * noise)
        rate = 0.5 * (jnp.square(mean) + jnp.square(deviation) - 1 - log_variance)
        return (self.term(weights, centred + shift, output) + price * rate.sum(-1)).mean()


def _code(likelihood: Likelihood) -> bytes:
    """Return a likelihood's pickled bytes, equal for equal ones; if it cannot be pickled, its identity."""
    try:
        return bytes(dumps(likelihood))
    except Exception:  # anything: a user's functions may hold on to anything
        return str(id(likelihood)).encode()


def _value(likelihood: Likelihood) -> Callable[[Any, Any], Any]:
    """Return Σ ℓ(x, f) of rows, whose gradient by f is the score, whether JAX can trace the functions or not."""

    def called(x: Any, f: Any) -> Any:
        return _called(likelihood, "row_value", f.shape[:-1], x, f)

    def pulled(arrays: Any, gradient: Any) -> Any:
        return None, gradient[..., None] * _score(likelihood, *arrays)

    value = jax.custom_vjp(called)
    value.defvjp(lambda *arrays: (called(*arrays), arrays), pulled)
    return value


def _score(likelihood: Likelihood, x: Any, f: Any) -> Any:
    """Return ∂ℓ/∂f: the likelihood's own where JAX can trace it, else that of JAX, else the own one called back."""
    if (own := _traced(likelihood.score, x, f)) is not None:
        return own
    derived = _traced(jax.grad(lambda f: likelihood.row_value(x, f).sum()), f)
    return _called(likelihood, "score", f.shape, x, f) if derived is None else derived


def _traced(function: Callable[..., Any], *arrays: Any) -> Any:
    """Return a function of arrays of JAX; None where it cannot be traced."""
    try:
        return function(*arrays)
    except Exception:  # of tracing, or the user's own, which comes again
        return None


def _called(likelihood: Likelihood, name: str, shape: tuple[int, ...], *arrays: Any) -> Any:
    """Return a function of arrays; one that takes NumPy arrays only is called back from the compiled loop."""
    if (traced := _traced(getattr(likelihood, name), *arrays)) is not None:
        return traced
    like = jax.ShapeDtypeStruct(shape, arrays[-1].dtype)
    back = lambda *each: np.asarray(asked(likelihood, name, *map(np.asarray, each)), like.dtype)  # noqa: E731
    return jax.pure_callback(back, like, *arrays, vmap_method="broadcast_all")


@lru_cache(maxsize=32)
def compiled(objective: Objective, optimizer: Optimizer, batch: int, drawn: bool) -> "Loop":
    """Return the compiled functions of one kind of model: once per process."""
    return Loop(objective, optimizer, batch, drawn)


class Loop:
    """Compiled functions; models are along the first axis of weights, memory, target, key and owner."""

    def __init__(self, objective: Objective, optimizer: Optimizer, batch: int, drawn: bool) -> None:
        self.objective, self.optimizer, self.batch, self.drawn = objective, optimizer, batch, drawn
        self.rule = optimizer.rule()
        models = (0, 0, 0, 0, 0)
        self.memory = jax.jit(jax.vmap(self.rule.init))
        self.advance = _jit(self._advance, models + (None,) * 8)
        self.watch = _jit(self._watch, (0, None, None))
        self.loss = _jit(self._loss, (0, 0, None, None))
        self.means = jax.jit(self._means_of_all, compiler_options=_options())
        self.measure = jax.jit(self._measure_all, compiler_options=_options())

    def _advance(
        self, weights: Any, memory: Any, target: Any, key: Any, owner: Any, data: Any, shift: Any, indices: Any,
        batch_keys: Any, rates: Any, factors: Any, first: Any, count: Any,
    ) -> Any:  # fmt: skip
        """Carry out `count` updates from the `first`."""
        network, gradient_of = self.objective.network, jax.grad(self.objective)
        key, batch_key = (random.wrap_key_data(each, impl="threefry2x32") for each in (key, batch_keys[owner]))

        def update(i: Any, state: Any) -> Any:
            weights, memory = state
            if self.drawn:
                normal = random.normal(random.fold_in(batch_key, first + i), (self.batch, len(data)), data.dtype)
                rows = normal @ data
            else:
                rows = data[indices[owner, i]]
            noise = random.normal(random.fold_in(key, first + i), (len(rows), network.latents), data.dtype)
            gradient = gradient_of(weights, rows, shift, noise, target * factors[i])
            return self.optimizer.descend(self.rule, weights, memory, gradient, rates[i])

        return jax.lax.fori_loop(0, count, update, (weights, memory))

    def _watch(self, weights: Any, rows: Any, share: Any) -> Any:
        """Return M² of each latent, and ln σ_dec² where it is learned."""
        mean, log_variance = self.objective.network.encode(weights, rows)
        square, variance = share @ jnp.square(mean), share @ jnp.exp(log_variance)
        return jnp.concatenate([square / (square + variance), weights.log_decoder_variance])

    def _loss(self, weights: Any, price: Any, shift: Any, blocks: Any) -> Any:
        return self._means((weights, price), shift, blocks)["loss"]

    def _means(self, model: Any, shift: Any, blocks: Any) -> dict[str, Any]:
        """Return means over rows of a model: its weights and b. Rows, noise and shares come in blocks."""
        weights, price = model
        network = self.objective.network

        def sums(block: Any) -> dict[str, Any]:
            rows, noise, share = block
            mean, log_variance = network.encode(weights, rows)
            variance = jnp.exp(log_variance)
            output = network.decode(weights, mean + jnp.sqrt(variance) * noise)
            return {
                "mean_square": share @ jnp.square(mean),
                "posterior_variance": share @ variance,
                "rate": 0.5 * share @ (jnp.square(mean) + variance - 1 - log_variance),
                "distortion": share @ jnp.square(self.objective.residual(rows + shift, output)).sum(-1),
                "loss": share @ self.objective.term(weights, rows + shift, output),
            }

        found = jax.tree.map(lambda each: each.sum(0), jax.lax.map(sums, blocks))
        found["loss"] += price * found["rate"].sum()
        return found | {"signal_fraction": found["mean_square"] / (found["mean_square"] + found["posterior_variance"])}

    def _means_of_all(self, weights: Any, price: Any, shift: Any, blocks: Any) -> Any:
        """Return means of all models, one after the other."""
        return jax.lax.map(lambda each: self._means(each, shift, blocks), (weights, price))

    def _measure_all(self, weights: Any, price: Any, shift: Any, blocks: Any, some: Any) -> Any:
        """Return all observables of all models, one after the other."""

        def one(each: Any) -> Any:
            means = self._means(each, shift, blocks)
            return means | {"pruned_distortion": self._pruned(each[0], means["signal_fraction"], shift, *some)}

        return jax.lax.map(one, (weights, price))

    def _pruned(self, weights: Any, fraction: Any, shift: Any, rows: Any, noise: Any, share: Any) -> Any:
        """Return the variance of x − x̂ with the first 0 … K latents by falling M² kept, (2, K + 1)."""
        network = self.objective.network
        mean, log_variance = network.encode(weights, rows)
        rank = jnp.argsort(jnp.argsort(-fraction, stable=True))

        def residual(kept: Any, latent: Any) -> Any:
            left = self.objective.residual(rows + shift, network.decode(weights, jnp.where(rank < kept, latent, 0.0)))
            return share @ jnp.square(left - share @ left).sum(-1)

        latents = (mean, mean + jnp.exp(0.5 * log_variance) * noise)
        kept = jnp.arange(network.latents + 1)
        return jnp.stack([jax.lax.map(partial(residual, latent=latent), kept) for latent in latents])


def _options() -> dict[str, Any] | None:
    return ONE_THREAD if backend() == "cpu" else None


def _jit(function: Callable[..., Any], axes: tuple[int | None, ...]) -> Callable[..., Any]:
    """Compile a function of one model for several; on a CPU there is one, whose axis is taken off and put back."""
    if backend() != "cpu":
        return jax.jit(jax.vmap(function, in_axes=axes))

    def one(*arguments: Any) -> Any:
        bare = [
            each if axis is None else jax.tree.map(lambda leaf: leaf[0], each)
            for each, axis in zip(arguments, axes, strict=True)
        ]
        return jax.tree.map(lambda leaf: leaf[None], function(*bare))

    return jax.jit(one, compiler_options=ONE_THREAD)


class Descent:
    """The training of models by a `Neural` on one training set."""

    def __init__(self, settings: Any, data: TrainingSet, latents: int, on_progress: Progress) -> None:
        self.settings, self.data, self.on_progress = settings, data, on_progress
        self.dtype = np.dtype(settings.precision)
        self.network = settings.network(data.features, latents)
        likelihood, a = settings.loss.likelihood, settings.squared_weight(data)
        self.origin, self.seen = seen_by(likelihood, data)
        mean = np.asarray(asked(likelihood, "mean", self.origin))
        self.knows_mean = mean.shape == data.mean.shape and bool(np.isfinite(mean).all())
        self.objective = Objective(self.network, likelihood, a, self.knows_mean)
        total = self.network.features if settings.learned_variance else self.seen.total_variance
        self.unit = likelihood.curvature_of_term * a * total  # b at T = 1

    def train(self, temperature: Array, starts: Starts) -> Named:
        """Return the observables and weights of all models, trained on one device."""
        with jax.enable_x64(self.dtype == np.float64), np.errstate(all="ignore"):  # whatever JAX's own setting is
            at_once = len(starts) if backend() != "cpu" else 1
            self.checkpoint = self.settings.checkpoint if at_once >= len(starts) else None  # of one group
            groups = [slice(first, first + at_once) for first in range(0, len(starts), at_once)]
            try:
                parts = [self._group(temperature[group], starts[group], group) for group in groups]
            except jax.errors.JaxRuntimeError as problem:
                _, raised, sentence = str(problem).rpartition(f"{InputError.__name__}: ")
                if not raised:
                    raise
                raise InputError(sentence.strip(), "loss") from None  # of a likelihood's own function, called back
        return {name: (dims, np.concatenate([part[name][1] for part in parts])) for name, (dims, _) in parts[0].items()}

    def _group(self, temperature: Array, starts: Starts, group: slice) -> Named:
        """Train some models together and measure them."""
        settings, data = self.settings, self.data
        seeds = list(dict.fromkeys(seed for seed, _ in starts))
        batches = [Batches(data, settings.batch, seed, self.dtype) for seed in seeds]
        loop = compiled(self.objective, settings.optimizer, settings.batch, data.rows is None)
        target = (temperature * self.unit).astype(self.dtype)
        weights = self._start(starts, group)
        state = (weights, loop.memory(weights))
        keys, batch_keys = (
            np.stack([_key(*each) for each in group]) for group in (starts, [(seed,) for seed in seeds])
        )
        owner = np.array([seeds.index(seed) for seed, _ in starts])
        source = data.spectrum.root if data.rows is None else _centred(data.rows, data.mean, self.dtype)
        rows, shift = jnp.asarray(source, self.dtype), self._shift()
        watched = rows_of(data, "training", self.dtype, WATCHED)
        block = min(BLOCK, max(1, AT_ONCE // batches[0].size))
        stopping = _Stopping(settings, len(starts))
        judged = self._blocks("validation" if "validation" in data.held_out else "training", WATCHED)
        looks: list[Array] = []
        state, done = self._resumed(state, batches, stopping, looks)
        for stop in (stop for stop in evenly(settings.updates, LOOKS)[1:].tolist() if stop >= done):
            while done < stop:
                count = min(block, stop - done)
                share = np.zeros((2, block), self.dtype)
                share[0, :count] = settings.learning_rate(np.arange(done, done + count) / settings.updates)
                share[1, :count] = settings.beta(np.arange(done + 1, done + count + 1) / settings.updates)
                indices = np.zeros((len(seeds), 1, 1), np.int32)
                if data.rows is not None:
                    indices = np.zeros((len(seeds), block, batches[0].size), np.int32)
                    indices[:, :count] = [each.indices(count) for each in batches]
                state = loop.advance(*state, target, keys, owner, rows, shift, indices, batch_keys, *share, done, count)
                done += count
                self.on_progress(len(starts) * count / settings.updates)
                if self.checkpoint is not None and self.checkpoint.due:
                    self.checkpoint.write(*_state(state, done, batches, stopping, looks))
            looks.append(np.asarray(loop.watch(state[0], *watched), np.float64))
            if settings.patience is not None and done >= settings.beta.settled * settings.updates:
                price = target * self.dtype.type(settings.beta(done / settings.updates))
                if stopping.look(done, state[0], np.asarray(loop.loss(state[0], price, shift, judged))):
                    self.on_progress(len(starts) * (1 - done / settings.updates))
                    break
        return self._measured(loop, stopping.final(state[0]), target, stopping.stopped, np.stack(looks))

    def _resumed(self, state: Any, batches: Sequence[Batches], stopping: "_Stopping", looks: list[Array]) -> Any:
        """Return the state that is kept, if any, and how many updates have been done; put back what goes with it."""
        if self.checkpoint is None or (kept := self.checkpoint.read()) is None:
            return state, 0
        content, arrays = kept
        structure: Any = jax.tree.structure((state, state[0] if content["kept"] else None))
        leaves = [jnp.asarray(arrays[f"leaf {i}"]) for i in range(structure.num_leaves)]
        state, stopping.kept = jax.tree.unflatten(structure, leaves)
        for name in STOPPING:
            setattr(stopping, name, arrays[name])
        for i, each in enumerate(batches):
            each.left = arrays[f"left {i}"].astype(np.intp)
        restore([each.rng for each in batches], content["generators"])
        looks += list(arrays["looks"])
        self.on_progress(len(stopping.stopped) * content["done"] / self.settings.updates)
        return state, content["done"]

    def _start(self, starts: Starts, group: slice) -> Any:
        """Return initial weights, (models, …): random ones, or those that are given."""
        settings = self.settings
        if settings.given is not None:
            models = [self.network.weights(flat) for flat in settings.given[group]]
        else:
            models = [self.network.start(*start, settings.start, settings.log_variance) for start in starts]
            for weights in models:
                if not settings.loss.likelihood.squared:
                    weights.layers[-1][1][:] = self.origin
                weights.log_decoder_variance[:] = np.log(self.seen.total_variance / self.network.features)
        return jax.tree.map(lambda *leaves: np.stack(leaves).astype(self.dtype), *models)

    def _shift(self) -> Array:
        """Return what is added to x − x̄ to make the target, (d,): a squared error leaves the mean aside."""
        shift = np.zeros(self.network.features) if self.settings.loss.likelihood.squared else self.data.mean
        return shift.astype(self.dtype)

    def _blocks(self, split: str, most: int = sys.maxsize) -> tuple[Any, ...]:
        """Return rows of a part, noise and shares, each in blocks; the last block is filled up with rows of no share.

        Each noise comes with its opposite. Few rows come several times: what noise leaves is
        below what counts.
        """
        rows, share = rows_of(self.data, split, self.dtype, most)
        few = min(WATCHED, REPEATED // rows.shape[1])
        copies = 1 if len(rows) >= few else 2 * max(1, few // (2 * len(rows)))
        total = copies * len(rows)
        half = np.random.default_rng([STREAM, 1]).standard_normal((-(-total // 2), self.network.latents))
        half /= np.sqrt(np.mean(half**2, axis=0))
        size = min(total, WATCHED)

        def blocked(each: Array) -> Array:
            filled = np.zeros((-(-total // size) * size, *each.shape[1:]), self.dtype)
            filled[:total] = each
            return filled.reshape(-1, size, *each.shape[1:])

        noise = np.concatenate([half, -half])[:total]
        return blocked(np.tile(rows, (copies, 1))), blocked(noise), blocked(np.tile(share / copies, copies))

    def _measured(self, loop: Loop, weights: Any, target: Array, stopped: Array, looks: Array) -> Named:
        """Return the observables and weights of models at the end."""
        settings, latents, data = self.settings, self.network.latents, self.data
        weight = target.astype(np.float64) * settings.beta(stopped / settings.updates)  # b at the end
        price = weight.astype(self.dtype)
        shift, some = self._shift(), [np.concatenate(each) for each in self._blocks(settings.measured_on, WATCHED)]
        found = loop.measure(weights, price, shift, self._blocks(settings.measured_on), some)
        values = {name: np.array(each, np.float64) for name, each in found.items()}
        total, models = data.spectrum.total_variance, jax.tree.map(np.asarray, weights)
        flat = np.stack([self.network.flat(jax.tree.map(itemgetter(i), models)) for i in range(len(target))])
        values["distortion"] /= total
        values["pruned_distortion"] /= total
        unit = settings.loss.likelihood.curvature_of_term * self.objective.squared
        spread = np.exp(models.log_decoder_variance.astype(float).sum(axis=1))  # σ_dec², or 1
        values["price"] = weight / unit * spread
        dims: dict[str, tuple[str, ...]] = {"pruned_distortion": ("reconstruction", "rank")}
        dims |= dict.fromkeys(("mean_square", "posterior_variance", "signal_fraction", "rate"), ("latent",))
        for split in data.held_out:
            other = loop.means(weights, price, shift, self._blocks(split))
            values[f"{split}_distortion"] = np.asarray(other["distortion"], np.float64) / total
            values[f"{split}_loss"] = np.asarray(other["loss"], np.float64)
        moved = last_movement(settings.learning_rate, settings.updates, looks, stopped)
        if settings.learned_variance:  # the best σ_dec² is the mean squared error of a feature
            trained = settings.measured_on == "training"
            fit = found if trained else loop.means(weights, price, shift, self._blocks("training"))
            best = np.log(np.asarray(fit["distortion"], np.float64) / self.network.features)
            moved[:, latents] = np.maximum(moved[:, latents], np.abs(best - models.log_decoder_variance[:, 0]))
        else:
            moved[self._worse_than_dead(loop, weights, price)] = np.inf
        named: Named = {name: (dims.get(name, ()), each) for name, each in values.items()}
        named |= {"updates": ((), stopped), "network": (("weight",), flat)}
        inactive = (values["signal_fraction"] < ACTIVE).all(axis=1)
        above = np.count_nonzero(self.seen.eigenvalues * (1 - ACTIVE) > values["price"][:, None], axis=1)
        waiting = np.where(inactive, np.minimum(above, latents), 0).astype(np.int16)
        known = [name for name in found if name != "loss" and (self.knows_mean or "distortion" not in name)]
        healthy = np.all([bounded(values[name], MOST) for name in known], axis=0)
        healthy &= bounded(flat) & bounded(values["loss"])
        return named | verdict(moved, waiting, healthy, latents)

    def _worse_than_dead(self, loop: Loop, weights: Any, price: Array) -> NDArray[np.bool_]:
        """Return which models do worse than a constant output: training would improve them, so it has not ended."""
        likelihood, rows = self.objective.likelihood, self._blocks("training", WATCHED)
        loss = np.asarray(loop.loss(weights, price, self._shift(), rows), np.float64)
        part, _, share = (np.concatenate(each).astype(np.float64) for each in rows)
        if likelihood.squared:
            each = np.square(part).sum(axis=-1)
        else:
            constant = np.broadcast_to(self.origin, (len(part), len(self.origin)))
            each = asked(likelihood, "row_value", part + self._shift(), constant)
        return np.asarray(loss > self.objective.squared * share @ each + WORSE_THAN_DEAD * self.unit)


STOPPING = ("stopped", "running", "best", "since")  # arrays of early stopping


def _state(state: Any, done: int, batches: Sequence[Batches], stopping: "_Stopping", looks: list[Array]) -> Any:
    """Return what the rest of a training depends on after so many updates, as JSON and arrays."""
    leaves = jax.tree.leaves((state, stopping.kept))
    arrays = {f"leaf {i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
    arrays |= {name: getattr(stopping, name) for name in STOPPING}
    arrays |= {f"left {i}": each.left for i, each in enumerate(batches)}
    content = {"done": done, "kept": stopping.kept is not None, "generators": states([each.rng for each in batches])}
    return content, arrays | {"looks": np.array(looks)}


class _Stopping:
    """Early stopping of models that train together: each keeps the weights that it had when its patience ended."""

    def __init__(self, settings: Any, models: int) -> None:
        self.patience: Any = settings.patience
        self.kept: Any = None
        self.stopped = np.full(models, settings.updates)
        self.running = np.ones(models, dtype=bool)
        self.best, self.since = np.full(models, np.inf), np.zeros(models, dtype=int)

    def look(self, done: int, weights: Any, loss: Array) -> bool:
        """Note the losses after so many updates; return whether all models have stopped."""
        better = loss < self.best - self.patience.tolerance * np.abs(loss)
        self.best = np.where(better, loss, self.best)
        self.since = np.where(better, 0, self.since + 1)
        ended = self.running & (self.since >= self.patience.looks)
        self.kept = weights if self.kept is None else self.final(weights)
        self.stopped[ended] = done
        self.running &= ~ended
        return not self.running.any()

    def final(self, weights: Any) -> Any:
        """Return the weights of models that still run, and those kept of models that have stopped."""
        if self.kept is None:
            return weights
        pick = lambda new, old: jnp.where(self.running.reshape(-1, *(1,) * (new.ndim - 1)), new, old)  # noqa: E731
        return jax.tree.map(pick, weights, self.kept)


def rows_of(data: TrainingSet, split: str, dtype: Any, most: int = sys.maxsize) -> tuple[Array, Array]:
    """Return rows x − x̄ of a part, evenly spread where there are more than `most`, and the share of each.

    Where there are no rows they are drawn from N(0, C), with exactly this covariance.
    """
    if data.rows is None:
        root = data.spectrum.root
        normal = np.random.default_rng(STREAM).standard_normal((max(min(most, DRAWN), 2 * len(root)), len(root)))
        basis = np.linalg.qr(normal - normal.mean(axis=0))[0]
        return (basis * np.sqrt(len(basis)) @ root).astype(dtype), np.full(len(basis), 1 / len(basis), dtype)
    rows = data.rows if split == "training" else data.held_out[split]
    weights = data.weights if split == "training" else data.held_out_weights.get(split)
    if len(rows) > most:
        ends = np.cumsum(np.ones(len(rows)) if weights is None else weights)
        rows, weights = rows[np.searchsorted(ends, ends[-1] * (np.arange(most) + 0.5) / most)], None
    share = np.ones(len(rows)) if weights is None else weights
    return _centred(rows, data.mean, dtype), (share / share.sum()).astype(dtype)


def _centred(rows: Array, mean: Array, dtype: Any) -> Array:
    """Return rows x − x̄, subtracted in double precision and without a copy in it."""
    return np.subtract(rows, mean, out=np.empty(rows.shape, dtype), casting="same_kind")


def _key(*numbers: int) -> NDArray[np.uint32]:
    """Return the two words of a key that only these numbers decide, on every device."""
    words: Any = np.random.SeedSequence([*numbers, STREAM]).generate_state(2, np.uint32)
    return words
