"""Train linear VAEs as people train them: minibatches, reparameterised noise, SGD or Adam, schedules, a finite run.

    per-sample loss = a ‖x − x̂‖² + b Σ_k KL_k,   z = μ(x) + σ ε,   b = 2a τ = 2a T V

All temperatures of a seed advance together as batched arrays. With a learned σ_dec² the
temperature sets b = 2a T d: the first latent then collapses at T = λ₁/V (`landau-vae derive
learned-variance`). Nonlinear models have `Neural`.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np

from landau_vae.checks import Positive, Range, check_fields
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.training.checkpoint import restore, states
from landau_vae.training.gradients import Layout, MomentGradient, Noise, RowGradient
from landau_vae.training.measure import ROWS, gauge_of
from landau_vae.training.optimizers import Adam, Optimizer
from landau_vae.training.record import MOST_UPDATES
from landau_vae.training.schedules import CONSTANT, Schedule, cosine
from landau_vae.training.schema import Named, Progress, Starts, Trainer
from landau_vae.training.stopping import LOOKS, Patience, ending, evenly
from landau_vae.training.training_set import Batches, TrainingSet

STATE = ("flat", "final", "stopped", "running", "owner", "best", "since")  # arrays that change in the course of a run
TOGETHER = 64  # models that are trained as one batch
BLOCK = 2**22  # numbers that noise and batches may take between two draws

Several = Annotated[int, Range(1, MOST_UPDATES)]


@dataclass(frozen=True)
class Sampled(Trainer):
    """Train by minibatches, sampled latents and a gradient rule, for a finite number of updates.

    Parameters
    ----------
    updates : int, default 10 000
        Of a whole run.
    batch : int or None, default 256
        Rows per update. None: all rows, or the covariance itself where there are no rows.
    optimizer : Adam or SGD, default Adam(1e-2)
        The rule, with its learning rate and weight decay.
    learning_rate : Schedule, default cosine()
        Factor on the optimiser's own learning rate.
    beta : Schedule, default constant
        Factor on the β that belongs to the temperature.
    learned_variance : bool, default False
        Whether σ_dec² is trained.
    loss : Loss, default Loss.gaussian()
        The convention: how the terms are weighed. Its β is ignored.
    noise : bool, default True
        False: the expectation over ε instead of a draw.
    start : float, default 1
        Scale of the initial weights; 1 is PyTorch's default.
    precision : {"float64", "float32"}
        Of weights and gradients.
    patience : Patience, optional
        Early stopping.
    history : int, default 0
        How many snapshots of M² and of the weights to keep.

    Raises
    ------
    InputError
        For settings that are out of range, and for combinations that have no meaning.

    Notes
    -----
    A run has *converged* if no M² (and no ln σ_dec²) has more than 0.01 to go under a hundred
    turns of exact minimisation from where it ended. It ended on a *plateau* if a latent is
    inactive while a direction of the residual has a variance above τ/0.9, for which it would
    become active.

    Examples
    --------
    >>> from landau_vae import Spectrum, scan
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4], trainer=Sampled(updates=2000, batch=64))
    >>> models.signal_fraction.max("latent").values.round(1).tolist()
    [[0.5]]
    """

    updates: Several = 10_000  #: of a whole run
    batch: Several | None = 256  #: rows per update; None: all rows, or the covariance itself where there are no rows
    optimizer: Optimizer = field(default_factory=lambda: Adam(1e-2))  #: Adam or SGD
    learning_rate: Schedule = field(default_factory=cosine)  #: factor on the optimiser's own
    beta: Schedule = CONSTANT  #: factor on the β that belongs to the temperature
    learned_variance: bool = False  #: whether σ_dec² is trained
    loss: Loss = field(default_factory=Loss.gaussian)  #: the convention: how the terms are weighted; its β is ignored
    noise: bool = True  #: False: the expectation over ε instead of a draw
    start: Positive = 1.0  #: scale of the initial weights; 1 is PyTorch's default
    precision: Literal["float64", "float32"] = "float64"  #: of weights and gradients
    patience: Patience | None = None  #: early stopping
    history: Annotated[int, Range(0, 10**8)] = 0  #: how many snapshots of M² and of the weights to keep

    def __post_init__(self) -> None:
        check_fields(self)
        self.loss.must_be_plain("models are trained")
        if self.loss.learned:
            object.__setattr__(self, "learned_variance", True)
        if not self.loss.likelihood.squared:
            title = self.loss.likelihood.title
            raise InputError(f"Sampled trains squared errors, but the loss is {title}: take Neural(loss=…).", "loss")
        if self.beta.final == 0:
            raise InputError("The β schedule ends at 0, where information has no price: let it end above.", "beta")

    def train(
        self, data: TrainingSet, temperature: Array, starts: Starts, latents: int, on_progress: Progress
    ) -> Named:
        """Train one model per temperature and start, all at once."""
        with np.errstate(all="ignore"):  # a run that diverges says so by its status
            return Run(self, data, temperature, starts, latents, on_progress).result()

    def to_dict(self) -> dict[str, Any]:
        """Return the settings."""
        settings = {name: each.to_dict() if hasattr(each, "to_dict") else each for name, each in vars(self).items()}
        idle = {"beta"} if self.loss.kl == "mean" else {"beta", "latents"}  # K means something to a mean over latents
        settings["loss"] = {key: value for key, value in settings["loss"].items() if key not in idle}
        return {"name": "Sampled", **settings, "patience": self.patience and vars(self.patience)}

    def coordinates(self) -> dict[str, Array]:
        """Return the updates at which snapshots are taken."""
        return {"update": self.frames} if self.history else {}

    def models_at_once(self, data: TrainingSet, latents: int) -> int:
        """Return how many models are trained as one batch: at most 64, fewer where they are large."""
        return int(np.clip(8 * BLOCK // self._numbers(data, latents), 1, TOGETHER))

    def memory(self, data: TrainingSet, latents: int, models: int, seeds: int = 1) -> int:
        """Return the bytes of weights and the optimiser's memory, one gradient, a block of draws, and measurements."""
        d, count = data.features, 0 if data.rows is None else len(data.rows)
        drawn = self._drawn(data, latents, models, seeds)
        block = drawn * min(max(1, BLOCK // drawn), -(-self.updates // LOOKS))
        one_block = 3 * min(count, ROWS) * (d + 1)  # from which second moments are made
        return 8 * (block + models * self._numbers(data, latents) + one_block + 3 * count)

    def result_bytes(self, data: TrainingSet, latents: int) -> int:
        """Return the bytes of one model's observables: numbers per latent and per model, and snapshots in float32."""
        plain = 5 * latents + 7 + 2 * len(data.held_out)
        return 8 * plain + len(self.frames) * (8 * latents + 8 * data.features * latents)

    @property
    def frames(self) -> Array:
        """After how many updates snapshots are taken."""
        return evenly(self.updates, self.history - 1) if self.history else np.empty(0, dtype=int)

    def _rows_per_update(self, data: TrainingSet) -> int:
        """Return how many rows an update has: as many as asked for, or as there are."""
        if data.rows is not None:
            return len(data.rows) if self.batch is None else min(self.batch, len(data.rows))
        return self.batch or 0

    def _deterministic(self, data: TrainingSet) -> bool:
        """Return whether the loss that is followed is the expected one: nothing at all is drawn."""
        return self.batch is None and (not self.noise or data.rows is None)

    def _by_moments(self, data: TrainingSet) -> bool:
        """Return whether moments are cheaper than rows."""
        return not self.noise or self._deterministic(data) or 2 * self._rows_per_update(data) >= data.features

    def _weight_per_temperature(self, data: TrainingSet) -> float:
        """Return b/T: what a nat costs in the loss at T = 1."""
        return 2 * self._squared(data) * (data.features if self.learned_variance else data.spectrum.total_variance)

    def _squared(self, data: TrainingSet) -> float:
        """Return a: what a squared unit costs in the loss."""
        return self.loss.weights(data.spectrum.dimension)[0]

    def _numbers(self, data: TrainingSet, latents: int) -> int:
        """Return how many numbers one model works with: weights, the optimiser's memory, a gradient or measurement."""
        d = data.features
        matrices = d * (5 * d + 18 * latents) + 3 * latents**2 + LOOKS * latents
        return matrices if self._by_moments(data) else matrices + self._rows_per_update(data) * (3 * d + 8 * latents)

    def _drawn(self, data: TrainingSet, latents: int, models: int, seeds: int) -> int:
        """Return how many numbers are drawn for one update of so many models, working arrays included."""
        if self._by_moments(data) and self._deterministic(data):
            return 1
        d, size = data.features, self._rows_per_update(data)
        batches = 3 * seeds * (size + d) * (d + 1)
        if not self.noise:
            return batches
        return batches + models * (4 * (d + 1 + latents) * latents if self._by_moments(data) else 2 * size * latents)


class Run:
    """The training of one batch of models."""

    def __init__(
        self, settings: Sampled, data: TrainingSet, temperature: Array, starts: Starts, latents: int, report: Progress
    ) -> None:
        self.settings, self.data, self.on_progress = settings, data, report
        self.layout = Layout(data.features, latents, settings.learned_variance)
        self.a = settings._squared(data)
        self.target = (temperature * settings._weight_per_temperature(data))[:, None]  # b, (m, 1)
        self.dtype = np.dtype(settings.precision)
        self.flat = np.stack([self.layout.start(*start, settings.start) for start in starts]).astype(self.dtype)
        parts = self.layout.parts(self.flat)
        parts.log_decoder_variance[:] = np.log(data.spectrum.total_variance / self.layout.features)
        self.memory, self.noise = settings.optimizer.memory(self.flat), Noise(starts, self.dtype)
        self.gauge, exact = gauge_of(self.layout, data), None
        self.held_out = {split: gauge_of(self.layout, data, split) for split in data.held_out}
        self.engine: MomentGradient | RowGradient
        self.engine = RowGradient(self.layout, self.a, self.noise)
        if settings._by_moments(data):
            exact = self.gauge.second.astype(self.dtype) if settings._deterministic(data) else None
            noise = self.noise if settings.noise and exact is None else None
            self.engine = MomentGradient(self.layout, self.a, noise, exact)
        seeds, rows = list(dict.fromkeys(seed for seed, _ in starts)), settings._rows_per_update(data)
        self.owner = np.array([seeds.index(seed) for seed, _ in starts])
        self.batches = [Batches(data, rows, seed, self.dtype) for seed in seeds if exact is None]
        self.running = np.arange(len(starts))  # models that have not stopped
        self.final = self.flat.copy()
        self.stopped = np.full(len(starts), settings.updates)
        self.snapshots: list[tuple[Array, ...]] = []
        self.best, self.since = np.full(len(starts), np.inf), np.zeros(len(starts), dtype=int)

    def result(self) -> Named:
        """Train to the end and measure."""
        looks, frames, done = evenly(self.settings.updates, LOOKS)[1:], self.settings.frames, self._resumed()
        for stop in (stop for stop in np.union1d(looks, frames).astype(int).tolist() if stop >= done):
            if self.running.size:
                self._advance(done, stop)
                self.final[self.running] = self.flat
            done = stop
            if stop in frames:
                parts = self.layout.parts(self.final)
                weights = (part.astype(np.float32) for part in (parts.decoder, parts.encoder[:, :-1].mT))
                self.snapshots.append((self.gauge.signal_fraction(parts), *weights))
            if stop in looks and self.running.size:
                self._look(stop)
        return self._measured()

    def _advance(self, first: int, last: int) -> None:
        """Carry out updates first … last − 1."""
        settings, gradient = self.settings, np.empty_like(self.flat)
        weights, out = self.layout.parts(self.flat), self.layout.parts(gradient)
        before = np.arange(first, last)
        rates = settings.learning_rate(before / settings.updates)
        factors = settings.beta((before + 1) / settings.updates)
        target = self.target[self.running].astype(self.dtype)
        block = max(1, BLOCK // settings._drawn(self.data, self.layout.latents, len(self.flat), len(self.batches)))
        for begin in range(first, last, block):
            updates = min(block, last - begin)
            if self.batches:
                self.engine.draw(np.stack([each.block(updates) for each in self.batches]), self.owner)
            for update in range(updates):
                at = begin - first + update
                self.engine.gradient(weights, target * self.dtype.type(factors[at]), update, out)
                rate, number = float(rates[at]), begin + update + 1
                settings.optimizer.step(self.flat, gradient, self.memory, rate, number, self.layout.decays)
            self.on_progress(len(self.flat) * updates / settings.updates)
            if (checkpoint := settings.checkpoint) is not None and checkpoint.due:
                checkpoint.write(*self._state(begin + updates))

    def _state(self, done: int) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return what the rest of the training depends on after so many updates, as JSON and arrays."""
        arrays = {name: getattr(self, name) for name in STATE}
        arrays |= {f"memory {i}": each for i, each in enumerate(self.memory)}
        arrays |= {f"snapshot {i} {j}": part for i, each in enumerate(self.snapshots) for j, part in enumerate(each)}
        arrays |= {f"left {i}": each.left for i, each in enumerate(self.batches)}
        return {"done": done, "snapshots": len(self.snapshots), "generators": states(self._generators())}, arrays

    def _generators(self) -> list[np.random.Generator]:
        return [each.rng for each in self.batches] + [rng for rngs in self.noise.generators for rng in rngs]

    def _resumed(self) -> int:
        """Go back to the state that is kept, if any; return how many updates have been done there."""
        if self.settings.checkpoint is None or (kept := self.settings.checkpoint.read()) is None:
            return 0
        content, arrays = kept
        for name in STATE:
            setattr(self, name, arrays[name])
        self.memory = [arrays[f"memory {i}"] for i in range(len(self.memory))]
        self.snapshots = [tuple(arrays[f"snapshot {i} {j}"] for j in range(3)) for i in range(content["snapshots"])]
        for i, batches in enumerate(self.batches):
            batches.left = arrays[f"left {i}"].astype(np.intp)
        self.noise.keep(self.running.tolist())
        restore(self._generators(), content["generators"])
        self.on_progress(len(self.flat) * content["done"] / self.settings.updates)
        return int(content["done"])

    def _look(self, done: int) -> None:
        """With patience, stop the models whose loss has not fallen."""
        patience = self.settings.patience
        if patience is None or done < self.settings.beta.settled * self.settings.updates:
            return
        price = self.target[self.running] * float(self.settings.beta(done / self.settings.updates))
        watched = self.held_out.get("validation", self.gauge)
        loss = watched.loss(self.layout.parts(self.flat), self.a, price)
        better = loss < self.best[self.running] - patience.tolerance * np.abs(loss)
        self.best[self.running[better]] = loss[better]
        self.since[self.running] = np.where(better, 0, self.since[self.running] + 1)
        keep = np.flatnonzero(self.since[self.running] < patience.looks)
        ended = np.setdiff1d(self.running, self.running[keep])
        self.stopped[ended] = done
        self.on_progress(len(ended) * (1 - done / self.settings.updates))
        self.running, self.flat, self.owner = self.running[keep], self.flat[keep], self.owner[keep]
        self.memory = [each[keep] for each in self.memory]
        self.noise.keep(keep.tolist())

    def _measured(self) -> Named:
        """Return the observables and weights of all models at the end."""
        settings, gauge, weights = self.settings, self.gauge, self.layout.parts(self.final.astype(np.float64))
        weight = self.target * settings.beta(self.stopped / settings.updates)[:, None]  # b at the end
        unit = np.full_like(weight, 2 * self.a)  # of the loss, in data²
        if settings.learned_variance:
            unit *= np.exp(-weights.log_decoder_variance)
        price, penalty, loss = weight / unit, settings.optimizer.penalty / unit, gauge.loss(weights, self.a, weight)
        fraction, total = gauge.signal_fraction(weights), self.data.spectrum.total_variance
        pruned = gauge.pruned_shares(weights, self.data.covariance, np.argsort(-fraction, axis=-1, kind="stable"))
        named: Named = {
            "decoder": (("feature", "latent"), weights.decoder),
            "decoder_bias": (("feature",), weights.bias),
            "encoder": (("latent", "feature"), weights.encoder[:, :-1].mT),
            "encoder_bias": (("latent",), weights.encoder[:, -1]),
            "posterior_variance": (("latent",), gauge.variance(weights)),
            "mean_square": (("latent",), gauge.mean_square(weights)),
            "signal_fraction": (("latent",), fraction),
            "rate": (("latent",), gauge.rate(weights)),
            "distortion": ((), gauge.distortion(weights) / total),
            "pruned_distortion": (("reconstruction", "rank"), pruned),
            "loss": ((), loss),
            "price": ((), price[:, 0]),
            "updates": ((), self.stopped),
        } | ending(gauge, weights, price, penalty, loss)
        for split, other in self.held_out.items():
            named[f"{split}_distortion"] = ((), other.distortion(weights) / total)
            named[f"{split}_loss"] = ((), other.loss(weights, self.a, weight))
        if self.snapshots:
            fractions, decoders, encoders = (np.stack(part, axis=1) for part in zip(*self.snapshots, strict=True))
            named["signal_fraction_history"] = (("update", "latent"), fractions)
            named["decoder_history"] = (("update", "feature", "latent"), decoders)
            named["encoder_history"] = (("update", "latent", "feature"), encoders)
        return named
