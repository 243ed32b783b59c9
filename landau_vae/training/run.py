"""One batch of models on its way: updates, looks at them in between, early stopping, what was measured at the end."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import logit

from landau_vae.display import Array
from landau_vae.training.batches import Batches
from landau_vae.training.cost import per_draw
from landau_vae.training.ending import ending, last_movement
from landau_vae.training.gauge import gauge_of
from landau_vae.training.gradients import MomentGradient, Noise, RowGradient
from landau_vae.training.settings import LOOKS, Settings, probabilities, spread
from landau_vae.training.trainer import Named, TrainingSet
from landau_vae.training.weights import Layout

__all__ = ["Run"]

_T = (0, 2, 1)


class Run:
    """One batch of models on its way."""

    def __init__(
        self,
        how: Settings,
        data: TrainingSet,
        temperature: Array,
        starts: Sequence[tuple[int, int]],
        latents: int,
        on_progress: Callable[[float], object],
    ) -> None:
        self.how, self.data, self.temperature, self.on_progress = how, data, temperature, on_progress
        self.layout = Layout(data.features, latents, how.encoder == "input", how.learned_variance)
        self.a = how.squared(data)
        self.target = (temperature * how.weight_per_temperature(data))[:, None]  # b, (m, 1)
        self.dtype = np.dtype(how.precision)
        self.flat = np.stack([self.layout.start(*start, how.start) for start in starts]).astype(self.dtype)
        parts = self.layout.parts(self.flat)
        if how.decoder == "bernoulli":
            parts.bias[:] = logit(probabilities(data))
        parts.log_decoder_variance[:] = np.log(data.spectrum.total_variance / self.layout.features)
        self.memory = how.optimizer.memory(self.flat)
        self.noise = Noise(starts, self.dtype)
        self.gauge = gauge_of(how, self.layout, data)
        self.judge = gauge_of(how, self.layout, data, "validation") if "validation" in data.held_out else self.gauge
        self.engine = self._engine()
        seeds = list(dict.fromkeys(seed for seed, _ in starts))
        self.owner = np.array([seeds.index(seed) for seed, _ in starts])
        self.batches: list[Batches] = []
        if not (isinstance(self.engine, MomentGradient) and self.engine.exact is not None):
            self.batches = [Batches(data, how.rows_per_update(data), seed, self.dtype) for seed in seeds]
        self.running = np.arange(len(starts))  # models that have not stopped
        self.final = self.flat.copy()
        self.stopped = np.full(len(starts), how.updates)
        self.looks: list[Array] = []  # M² of all models and, if learned, ln σ_dec², at each look
        self.best, self.since = np.full(len(starts), np.inf), np.zeros(len(starts), dtype=int)
        self.snapshots: list[tuple[Array, ...]] = []

    def _engine(self) -> MomentGradient | RowGradient:
        how = self.how
        if how.by_moments(self.data):
            exact = self.gauge.second.astype(self.dtype) if how.expected(self.data) else None
            return MomentGradient(self.layout, self.a, self.noise if how.noise and exact is None else None, exact)
        return RowGradient(self.layout, self.a, self.noise, how.decoder, self.gauge.shift.astype(self.dtype))

    def result(self) -> Named:
        """Train to the end and measure."""
        how = self.how
        looks, frames = spread(how.updates, LOOKS)[1:], how.frames
        done = 0
        for stop in np.union1d(looks, frames).astype(int).tolist():
            if self.running.size:
                self._advance(done, stop)
                self.final[self.running] = self.flat
            done = stop
            if stop in frames:
                self._snapshot()
            if stop in looks and self.running.size:
                self._look(stop)
        return self._measured()

    def _advance(self, first: int, last: int) -> None:
        """Updates first … last − 1."""
        how, gradient = self.how, np.empty_like(self.flat)
        weights, out = self.layout.parts(self.flat), self.layout.parts(gradient)
        before = np.arange(first, last)
        rates, factors = how.learning_rate(before / how.updates), how.beta((before + 1) / how.updates)
        target = self.target[self.running].astype(self.dtype)
        block = per_draw(how, self.data, self.layout.latents, len(self.flat), len(self.batches))
        for begin in range(first, last, block):
            updates = min(block, last - begin)
            if self.batches:
                self.engine.draw(np.stack([each.block(updates) for each in self.batches]), self.owner)
            for update in range(updates):
                at = begin - first + update
                self.engine.gradient(weights, target * self.dtype.type(factors[at]), update, out)
                how.optimizer.step(
                    self.flat, gradient, self.memory, float(rates[at]), begin + update + 1, self.layout.decays
                )
            self.on_progress(len(self.flat) * updates / how.updates)

    def _look(self, done: int) -> None:
        """Note M², where its last movement will count; with patience, part with the models whose loss stands still."""
        if self.how.decoder != "gaussian":  # of a Gaussian one what is left to go is known without them
            parts = self.layout.parts(self.final)
            self.looks.append(np.concatenate([self.gauge.signal_fraction(parts), parts.log_decoder_variance], axis=1))
        patience = self.how.patience
        if patience is None or done < self.how.beta.settled * self.how.updates:
            return
        price = self.target[self.running] * float(self.how.beta(done / self.how.updates))
        loss = self.judge.loss(self.layout.parts(self.flat), self.a, price)
        better = loss < self.best[self.running] - patience.tolerance * np.abs(loss)
        self.best[self.running[better]] = loss[better]
        self.since[self.running] = np.where(better, 0, self.since[self.running] + 1)
        keep = np.flatnonzero(self.since[self.running] < patience.looks)
        if len(keep) == len(self.running):
            return
        ended = np.setdiff1d(self.running, self.running[keep])
        self.stopped[ended] = done
        self.on_progress(len(ended) * (1 - done / self.how.updates))
        self.running, self.flat, self.owner = self.running[keep], self.flat[keep], self.owner[keep]
        self.memory = [each[keep] for each in self.memory]
        self.noise.keep(keep.tolist())

    def _snapshot(self) -> None:
        parts = self.layout.parts(self.final)
        weights = (parts.decoder, parts.encoder[:, :-1].transpose(_T))
        self.snapshots.append((self.gauge.signal_fraction(parts), *(part.astype(np.float32) for part in weights)))

    def _measured(self) -> Named:
        how, gauge, weights = self.how, self.gauge, self.layout.parts(self.final.astype(np.float64))
        weight = self.target * how.beta(self.stopped / how.updates)[:, None]  # b at the end
        unit = np.full_like(weight, self.a if how.decoder == "bernoulli" else 2 * self.a)  # of the loss, in data²
        if how.learned_variance:
            unit *= np.exp(-weights.log_decoder_variance)
        price, penalty, loss = weight / unit, how.optimizer.penalty / unit, gauge.loss(weights, self.a, weight)
        last = last_movement(how, np.stack(self.looks), self.stopped) if self.looks else None
        end, total = ending(how, gauge, weights, price, penalty, loss, last), self.data.spectrum.total_variance
        named: Named = {
            "decoder": (("feature", "latent"), weights.decoder),
            "decoder_bias": (("feature",), weights.bias),
            "encoder": (("latent", "feature"), weights.encoder[:, :-1].transpose(_T)),
            "encoder_bias": (("latent",), weights.encoder[:, -1]),
            "posterior_variance": (("latent",), gauge.variance(weights)),
            "mean_square": (("latent",), gauge.mean_square(weights)),
            "signal_fraction": (("latent",), gauge.signal_fraction(weights)),
            "rate": (("latent",), gauge.rate(weights)),
            "distortion": ((), gauge.distortion(weights) / total),
            "loss": ((), loss),
            "price": ((), price[:, 0]),
            "status": ((), end.status),
            "moved": (("latent",), end.moved),
            "waiting": ((), end.waiting),
            "updates": ((), self.stopped),
        }
        for split in self.data.held_out:
            other = gauge_of(how, self.layout, self.data, split)
            named[f"{split}_distortion"] = ((), other.distortion(weights) / total)
            named[f"{split}_loss"] = ((), other.loss(weights, self.a, weight))
        if how.history:
            fractions, decoders, encoders = (np.stack(part, axis=1) for part in zip(*self.snapshots, strict=True))
            named["signal_fraction_history"] = (("update", "latent"), fractions)
            named["decoder_history"] = (("update", "feature", "latent"), decoders)
            named["encoder_history"] = (("update", "latent", "feature"), encoders)
        return named
