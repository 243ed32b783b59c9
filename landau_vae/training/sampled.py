"""Train VAEs as people train them: minibatches, reparameterised noise, SGD or Adam, schedules, a finite run.

    per-sample loss = a ‖x − x̂‖² + b Σ_k KL_k,   z = μ(x) + σ ε,   b = 2a τ = 2a T V

All temperatures of a seed advance together as batched arrays. With a learned σ_dec² the temperature sets b = 2a T d,
and with a Bernoulli decoder b = a T tr(F⁻¹C), F = x̄(1 − x̄): the first latent then collapses at T = λ₁/V of the
spectrum that counts for that decoder (`landau-vae derive learned-variance`, `exponential-family`).
"""

from dataclasses import dataclass

import numpy as np

from landau_vae.display import Array
from landau_vae.training.gradients import Layout, MomentGradient, Noise, Parts, RowGradient
from landau_vae.training.measure import gauge_of
from landau_vae.training.schema import Named, Progress, Starts
from landau_vae.training.settings import Settings, probabilities
from landau_vae.training.stopping import LOOKS, ending, evenly, last_movement
from landau_vae.training.training_set import Batches, TrainingSet

__all__ = ["Sampled"]

_T = (0, 2, 1)


@dataclass(frozen=True)
class Sampled(Settings):
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
    decoder : {"gaussian", "bernoulli", "tanh"}
        x̂ = W z + b with a squared error, its sigmoid with a cross-entropy, or its tanh with a squared error.
    learned_variance : bool, default False
        Whether σ_dec² is trained.
    encoder : {"constant", "input"}
        ln σ² a constant per latent, or linear in x.
    loss : Loss, default Loss.gaussian()
        The convention: how the terms are weighed. Its β is ignored.
    noise : bool, default True
        False: the expectation over ε instead of a draw (linear decoder and constant encoder only).
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
    A run has *converged* if no M² (and no ln σ_dec²) has more than 0.01 to go: under a hundred turns of exact
    minimisation from where it ended or, of decoders that are not linear, between the means over the third and the last
    quarter of its training time (updates times learning rate). It ended on a *plateau* if a latent is inactive while a
    direction of the residual has a variance above τ/0.9, for which it would become active (decoders that are not
    linear: while all are inactive).

    Examples
    --------
    >>> from landau_vae import Spectrum, scan
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4], trainer=Sampled(updates=2000, batch=64))
    >>> models.signal_fraction.max("latent").values.round(1).tolist()
    [[0.5]]
    """

    def train(
        self, data: TrainingSet, temperature: Array, starts: Starts, latents: int, on_progress: Progress
    ) -> Named:
        """Train one model per temperature and start, all at once."""
        with np.errstate(all="ignore"):  # a run that diverges says so by its status
            return Run(self, data, temperature, starts, latents, on_progress).result()


class Run:
    """The training of one batch of models."""

    def __init__(
        self, settings: Settings, data: TrainingSet, temperature: Array, starts: Starts, latents: int, report: Progress
    ) -> None:
        self.settings, self.data, self.on_progress = settings, data, report
        self.layout = Layout(data.features, latents, settings.encoder == "input", settings.learned_variance)
        self.a = settings._squared(data)
        self.target = (temperature * settings._weight_per_temperature(data))[:, None]  # b, (m, 1)
        self.dtype = np.dtype(settings.precision)
        self.flat = np.stack([self.layout.start(*start, settings.start) for start in starts]).astype(self.dtype)
        parts = self.layout.parts(self.flat)
        if (link := settings.decoding.likelihood.link) is not None and not settings.decoding.likelihood.squared:
            parts.bias[:] = link(probabilities(data))
        parts.log_decoder_variance[:] = np.log(data.spectrum.total_variance / self.layout.features)
        self.memory, self.noise = settings.optimizer.memory(self.flat), Noise(starts, self.dtype)
        self.gauge = gauge_of(settings.decoding, self.layout, data)
        self.held_out = {split: gauge_of(settings.decoding, self.layout, data, split) for split in data.held_out}
        moments, exact = settings._by_moments(data), None
        if moments and settings._deterministic(data):
            exact = self.gauge.second.astype(self.dtype)
        noise = self.noise if settings.noise and exact is None else None
        self.engine: MomentGradient | RowGradient = MomentGradient(self.layout, self.a, noise, exact)
        if not moments:
            shift = self.gauge.shift.astype(self.dtype)
            self.engine = RowGradient(self.layout, self.a, self.noise, settings.decoding, shift)
        seeds, rows = list(dict.fromkeys(seed for seed, _ in starts)), settings._rows_per_update(data)
        self.owner = np.array([seeds.index(seed) for seed, _ in starts])
        self.batches = [Batches(data, rows, seed, self.dtype) for seed in seeds if exact is None]
        self.running = np.arange(len(starts))  # models that have not stopped
        self.final = self.flat.copy()
        self.stopped = np.full(len(starts), settings.updates)
        self.looks: list[Array] = []  # M² of all models and, if learned, ln σ_dec², at each look
        self.snapshots: list[tuple[Array, ...]] = []
        self.best, self.since = np.full(len(starts), np.inf), np.zeros(len(starts), dtype=int)

    def result(self) -> Named:
        """Train to the end and measure."""
        looks, frames, done = evenly(self.settings.updates, LOOKS)[1:], self.settings.frames, 0
        for stop in np.union1d(looks, frames).astype(int).tolist():
            if self.running.size:
                self._advance(done, stop)
                self.final[self.running] = self.flat
            done = stop
            if stop in frames:
                parts = self.layout.parts(self.final)
                weights = (part.astype(np.float32) for part in (parts.decoder, parts.encoder[:, :-1].transpose(_T)))
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
        block = settings._updates_per_draw(self.data, self.layout.latents, len(self.flat), len(self.batches))
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

    def _look(self, done: int) -> None:
        """Note M², where its last movement will count; with patience, stop the models whose loss has not fallen."""
        if not self.settings.decoding.linear:  # of a linear one the distance from rest is known without them
            parts = self.layout.parts(self.final)
            self.looks.append(np.concatenate([self.gauge.signal_fraction(parts), parts.log_decoder_variance], axis=1))
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
        if len(keep) == len(self.running):
            return
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
        unit = np.full_like(weight, settings.decoding.likelihood.curvature_of_term * self.a)  # of the loss, in data²
        if settings.learned_variance:
            unit *= np.exp(-weights.log_decoder_variance)
        price, penalty, loss = weight / unit, settings.optimizer.penalty / unit, gauge.loss(weights, self.a, weight)
        fraction, total = gauge.signal_fraction(weights), self.data.spectrum.total_variance
        order, last = np.argsort(-fraction, axis=-1, kind="stable"), None
        pruned = gauge.pruned_shares(weights, self.data.covariance, order)
        if self.looks:
            last = last_movement(settings.learning_rate, settings.updates, np.stack(self.looks), self.stopped)
        named: Named = {
            "decoder": (("feature", "latent"), weights.decoder),
            "decoder_bias": (("feature",), weights.bias),
            "encoder": (("latent", "feature"), weights.encoder[:, :-1].transpose(_T)),
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
        } | ending(gauge, weights, price, penalty, loss, last)
        if settings.decoding.likelihood.squared and not settings.decoding.linear:
            named["linear_distortion"] = ((), self._linear_distortion(weights, price) / total)
        for split, other in self.held_out.items():
            named[f"{split}_distortion"] = ((), other.distortion(weights) / total)
            named[f"{split}_loss"] = ((), other.loss(weights, self.a, weight))
        if self.snapshots:
            fractions, decoders, encoders = (np.stack(part, axis=1) for part in zip(*self.snapshots, strict=True))
            named["signal_fraction_history"] = (("update", "latent"), fractions)
            named["decoder_history"] = (("update", "feature", "latent"), decoders)
            named["encoder_history"] = (("update", "latent", "feature"), encoders)
        return named

    def _linear_distortion(self, weights: Parts, price: Array) -> Array:
        """Return ⟨‖x − x̂‖²⟩ of linear decoders with these weights, biases included, (m,), data²."""
        # k: latent, i: feature; biases that noise has driven off add ‖W e + b‖²
        offset = np.einsum("mik,mk->mi", weights.decoder, weights.encoder[:, -1]) + weights.bias
        linear = self.gauge.linear_models(weights, self.data.covariance, price).distortion
        return np.asarray(linear + np.square(offset).sum(axis=1))
