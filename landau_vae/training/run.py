"""One batch of models on its way: updates, looks at them in between, early stopping, and how each run ended."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import logit

from landau_vae.results import Array
from landau_vae.training.batches import Batches, row_mean
from landau_vae.training.cost import ROWS, per_draw
from landau_vae.training.gauge import Gauge
from landau_vae.training.gradients import MomentGradient, Noise, RowGradient
from landau_vae.training.settings import LOOKS, Settings, features, probabilities, spread
from landau_vae.training.settle import settle
from landau_vae.training.trainer import Named, TrainingSet
from landau_vae.training.weights import Layout, Parts

__all__ = ["CONVERGED", "DIVERGED", "MOVED", "MOVING", "PLATEAU", "Run", "gauge_of"]

_T = (0, 2, 1)
CONVERGED, MOVING, PLATEAU, DIVERGED = range(4)  # how a run ended
MOVED = 0.01  # what an M² may have to go to count as at rest


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
        self.layout = Layout(features(data), latents, how.encoder == "input", how.learned_variance)
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
        self.batches = None
        if not (isinstance(self.engine, MomentGradient) and self.engine.exact is not None):
            self.batches = Batches(data, how.rows_per_update(data), starts[0][0], self.dtype)
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
        block = per_draw(how, self.data, self.layout.latents, len(self.flat))
        for begin in range(first, last, block):
            updates = min(block, last - begin)
            if self.batches is not None:
                self.engine.draw(self.batches.block(updates))
            for update in range(updates):
                at = begin - first + update
                self.engine.gradient(weights, target * self.dtype.type(factors[at]), update, out)
                how.optimizer.step(
                    self.flat, gradient, self.memory, float(rates[at]), begin + update + 1, self.layout.decays
                )
            self.on_progress(len(self.flat) * updates / how.updates)

    def _look(self, done: int) -> None:
        """Note M²; with patience, part with the models whose loss stands still."""
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
        self.running, self.flat = self.running[keep], self.flat[keep]
        self.memory = [each[keep] for each in self.memory]
        self.noise.keep(keep.tolist())

    def _snapshot(self) -> None:
        parts = self.layout.parts(self.final)
        weights = (parts.decoder, parts.encoder[:, :-1].transpose(_T))
        self.snapshots.append((self.gauge.signal_fraction(parts), *(part.astype(np.float32) for part in weights)))

    def _measured(self) -> Named:
        how, weights = self.how, self.layout.parts(self.final.astype(np.float64))
        ended = self.stopped / how.updates
        weight = self.target * how.beta(ended)[:, None]  # b at the end
        unit = np.full_like(weight, self.a if how.decoder == "bernoulli" else 2 * self.a)  # of the loss, in data²
        if how.learned_variance:
            unit *= np.exp(-weights.log_decoder_variance)
        price, loss = weight / unit, self.gauge.loss(weights, self.a, weight)
        total = self.data.spectrum.total_variance
        numbers = np.column_stack([self.final, loss, self.gauge.signal_fraction(weights), price])
        healthy = np.isfinite(numbers).all(axis=1) & (price[:, 0] > 0)
        healthy_parts = Parts(*(part[healthy] for part in weights))
        decay = how.optimizer.penalty / unit
        waiting = np.zeros(len(healthy), dtype=np.int16)
        waiting[healthy] = self.gauge.waiting(healthy_parts, price[healthy], decay[healthy])
        moved = self._moved()
        if how.decoder == "gaussian":
            latents = self.layout.latents
            settled = settle(self.gauge.covariance, price[healthy], healthy_parts.decoder, decay[healthy])
            moved[healthy, :latents] = np.abs(settled - self.gauge.signal_fraction(healthy_parts))
            moved[~healthy] = np.inf
            if how.learned_variance:  # the best σ_dec² is the mean squared error of a feature
                best = np.log(self.gauge.distortion(weights) / self.layout.features)
                moved[:, latents] = np.abs(best - weights.log_decoder_variance[:, 0])
        status = np.where(moved.max(axis=1) <= MOVED, CONVERGED, MOVING)  # NaN is not at rest
        status = np.where(waiting > 0, PLATEAU, status)
        status = np.where(healthy, status, DIVERGED).astype(np.int8)
        named: Named = {
            "decoder": (("feature", "latent"), weights.decoder),
            "decoder_bias": (("feature",), weights.bias),
            "encoder": (("latent", "feature"), weights.encoder[:, :-1].transpose(0, 2, 1)),
            "encoder_bias": (("latent",), weights.encoder[:, -1]),
            "posterior_variance": (("latent",), self.gauge.variance(weights)),
            "mean_square": (("latent",), self.gauge.mean_square(weights)),
            "signal_fraction": (("latent",), self.gauge.signal_fraction(weights)),
            "rate": (("latent",), self.gauge.rate(weights)),
            "distortion": ((), self.gauge.distortion(weights) / total),
            "loss": ((), loss),
            "price": ((), price[:, 0]),
            "status": ((), status),
            "moved": (("latent",), moved[:, : self.layout.latents]),
            "waiting": ((), waiting),
            "updates": ((), self.stopped),
        }
        for split in self.data.held_out:
            gauge = gauge_of(how, self.layout, self.data, split)
            named[f"{split}_distortion"] = ((), gauge.distortion(weights) / total)
            named[f"{split}_loss"] = ((), gauge.loss(weights, self.a, weight))
        if how.history:
            fractions, decoders, encoders = (np.stack(part, axis=1) for part in zip(*self.snapshots, strict=True))
            named["signal_fraction_history"] = (("update", "latent"), fractions)
            named["decoder_history"] = (("update", "feature", "latent"), decoders)
            named["encoder_history"] = (("update", "latent", "feature"), encoders)
        return named

    def _moved(self) -> Array:
        """|M²(last quarter) − M²(third quarter)| of each model's training time, (m, K), and of ln σ_dec² if learned.

        Training time is updates times learning rate: a schedule that has run down hides no movement.
        """
        looks, at = np.stack(self.looks), spread(self.how.updates, LOOKS)[1:]
        time = np.cumsum(self.how.learning_rate(np.arange(self.how.updates) / self.how.updates))[at - 1]
        moved = np.full(looks.shape[1:], np.inf)
        for model, end in enumerate(self.stopped):
            share = time[at <= end] / time[at <= end][-1]
            own = looks[: len(share), model]
            middle, late = own[(share > 0.5) & (share <= 0.75)], own[share > 0.75]
            if len(middle):
                moved[model] = np.abs(late.mean(axis=0) - middle.mean(axis=0))
        return np.where(np.isnan(moved), np.inf, moved)


def gauge_of(how: Settings, layout: Layout, data: TrainingSet, split: str | None = None) -> Gauge:
    """The measurements on the training part, or on one that was held out."""
    if data.rows is None:
        covariance = data.spectrum.covariance
        second = np.eye(len(covariance) + 1)
        second[:-1, :-1] = covariance
        values, vectors = np.linalg.eigh(covariance)
        normal = np.random.default_rng(0).standard_normal((0 if how.linear_and_constant else ROWS, len(covariance)))
        rows = normal * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
        return Gauge(layout, how.decoder, second, _augmented(rows, 0.0), np.zeros(len(covariance)))
    mean = row_mean(data.rows, data.weights)
    rows = data.rows if split is None else data.held_out[split]
    weights = data.weights if split is None else data.held_out_weights.get(split)
    second = np.zeros((rows.shape[1] + 1,) * 2)
    for first in range(0, len(rows), ROWS):
        block = _augmented(rows[first : first + ROWS], mean)
        share = None if weights is None else weights[first : first + ROWS, None]
        second += block.T @ (block if share is None else share * block)
    second /= len(rows) if weights is None else weights.sum()
    if how.linear_and_constant:
        rows, weights = rows[:0], None  # not looked at
    elif len(rows) > ROWS:  # so many in proportion to their weights, evenly spread
        ends = np.cumsum(np.ones(len(rows)) if weights is None else weights)
        rows, weights = rows[np.searchsorted(ends, ends[-1] * (np.arange(ROWS) + 0.5) / ROWS)], None
    else:  # each as often as that allows: it meets other noise every time
        times = ROWS // len(rows)
        rows, weights = np.tile(rows, (times, 1)), None if weights is None else np.tile(weights, times)
    return Gauge(layout, how.decoder, second, _augmented(rows, mean), mean, weights)


def _augmented(rows: Array, mean: Array | float) -> Array:
    return np.column_stack([rows - mean, np.ones(len(rows))])
