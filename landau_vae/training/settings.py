"""The settings of training by samples, checked, and what follows from them: prices, memory, what is drawn."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np

from landau_vae.checks import Positive, Range, check_fields
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.training.gradients import DECODERS, Decoder
from landau_vae.training.measure import ROWS
from landau_vae.training.optimizers import Adam, Optimizer
from landau_vae.training.schedules import CONSTANT, Schedule, cosine
from landau_vae.training.schema import Trainer
from landau_vae.training.stopping import LOOKS, Patience, evenly
from landau_vae.training.training_set import TrainingSet

TOGETHER = 64  # models that are trained as one batch
BLOCK = 2**22  # numbers that noise and batches may take between two draws

Several = Annotated[int, Range(1, 10**8)]


@dataclass(frozen=True)
class Settings(Trainer):
    """The settings of `Sampled`, whose docstring describes them."""

    updates: Several = 10_000  #: of a whole run
    batch: Several | None = 256  #: rows per update; None: all rows, or the covariance itself where there are no rows
    optimizer: Optimizer = field(default_factory=lambda: Adam(1e-2))  #: Adam or SGD
    learning_rate: Schedule = field(default_factory=cosine)  #: factor on the optimiser's own
    beta: Schedule = CONSTANT  #: factor on the β that belongs to the temperature
    decoder: Literal["gaussian", "bernoulli", "tanh"] = "gaussian"  #: tanh: Gaussian with x̂ = tanh(W z + b)
    learned_variance: bool = False  #: whether σ_dec² is trained
    encoder: Literal["constant", "input"] = "constant"  #: ln σ² a constant per latent, or linear in x
    loss: Loss = field(default_factory=Loss.gaussian)  #: the convention: how the terms are weighted; its β is ignored
    noise: bool = True  #: False: the expectation over ε instead of a draw (linear decoder, constant encoder)
    start: Positive = 1.0  #: scale of the initial weights; 1 is PyTorch's default
    precision: Literal["float64", "float32"] = "float64"  #: of weights and gradients
    patience: Patience | None = None  #: early stopping
    history: Annotated[int, Range(0, 10**8)] = 0  #: how many snapshots of M² and of the weights to keep

    def __post_init__(self) -> None:
        check_fields(self)
        if self.loss.learned:
            object.__setattr__(self, "learned_variance", True)
        likelihood, decoding = self.loss.likelihood, self.decoding
        if not (likelihood.squared or likelihood == decoding.likelihood):  # squares serve all decoders
            message = f"The loss has a {likelihood} likelihood, but the decoder is {self.decoder}: let them agree."
            raise InputError(message, "loss")
        if self.learned_variance and not decoding.likelihood.squared:
            raise InputError("A Bernoulli decoder has no variance to learn: leave learned_variance out.")
        if not self.noise and not self.linear_and_constant:
            message = "noise=False is for linear Gaussian decoders with a constant encoder: leave noise=False out."
            raise InputError(message, "noise")
        if self.beta.final == 0:
            raise InputError("The β schedule ends at 0, where information has no price: let it end above.", "beta")

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
        updates = min(self._updates_per_draw(data, latents, models, seeds), -(-self.updates // LOOKS))
        block = self._drawn(data, latents, models, seeds) * updates
        rows = 0 if self.linear_and_constant else ROWS
        one_model = rows * (3 * latents + (0 if self.decoding.linear else 6 * d + 3 * latents))
        one_block = 3 * max(rows, min(count, ROWS)) * (d + 1)  # from which second moments are made
        gauges = rows * (d + 1) * (3 if data.held_out else 1) + max(one_model, one_block)
        return 8 * (block + models * self._numbers(data, latents) + gauges + 3 * count)

    def result_bytes(self, data: TrainingSet, latents: int) -> int:
        """Return the bytes of one model's observables: numbers per latent and per model, and snapshots in float32."""
        plain = 5 * latents + 7 + 2 * len(data.held_out)
        return 8 * plain + len(self.frames) * (8 * latents + 8 * data.features * latents)

    @property
    def decoding(self) -> Decoder:
        """The decoder: its likelihood, and its output as a function of W z + b."""
        return DECODERS[self.decoder]

    @property
    def frames(self) -> Array:
        """After how many updates snapshots are taken."""
        return evenly(self.updates, self.history - 1) if self.history else np.empty(0, dtype=int)

    @property
    def linear_and_constant(self) -> bool:
        """Whether decoder and posterior are those of the linear theory, so that second moments are enough."""
        return self.decoding.linear and self.encoder == "constant"

    def _rows_per_update(self, data: TrainingSet) -> int:
        """Return how many rows an update has: as many as asked for, or as there are."""
        if data.rows is not None:
            return len(data.rows) if self.batch is None else min(self.batch, len(data.rows))
        if self.batch is None and not self.linear_and_constant:
            message = "batch=None means all rows, but a spectrum has none: give rows per update, or the data."
            raise InputError(message, "batch")
        return self.batch or 0

    def _deterministic(self, data: TrainingSet) -> bool:
        """Return whether the loss that is followed is the expected one: nothing at all is drawn."""
        return self.batch is None and (not self.noise or data.rows is None)

    def _by_moments(self, data: TrainingSet) -> bool:
        """Return whether moments are cheaper than rows (and possible)."""
        cheap = not self.noise or self._deterministic(data) or 2 * self._rows_per_update(data) >= data.features
        return self.linear_and_constant and cheap

    def _weight_per_temperature(self, data: TrainingSet) -> float:
        """Return b/T: what a nat costs in the loss at T = 1."""
        a, likelihood = self._squared(data), self.decoding.likelihood
        if not likelihood.squared and likelihood.variance is not None:
            matrix = data.covariance if data.spectrum.matrix is None else data.spectrum.matrix  # None of wide data
            return float(a * np.sum(np.asarray(matrix.diagonal()) / likelihood.variance(probabilities(data))))
        return 2 * a * (data.features if self.learned_variance else data.spectrum.total_variance)

    def _squared(self, data: TrainingSet) -> float:
        """Return a: what a squared unit (with a Bernoulli decoder, a nat of cross-entropy) costs in the loss."""
        a = self.loss.weights(data.spectrum.dimension)[0]
        return a if self.decoding.likelihood.squared or not self.loss.half else 2 * a  # the ½ is of squared errors only

    def _updates_per_draw(self, data: TrainingSet, latents: int, models: int, seeds: int) -> int:
        """Return for how many updates noise and batches are drawn at a time."""
        return max(1, BLOCK // self._drawn(data, latents, models, seeds))

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


def probabilities(data: TrainingSet) -> Array:
    """Return the means of data that a Bernoulli decoder can reconstruct, (d,)."""
    if data.rows is None:
        raise InputError("A Bernoulli decoder needs samples, but a spectrum was given: give the data.")
    low, high = data.rows.min(), data.rows.max()
    if low < 0 or high > 1:
        found = f"numbers from 0 to 1, but the data run from {low:g} to {high:g}"
        raise InputError(f"A Bernoulli decoder gives {found}: rescale them, not standardised, or take a Gaussian one.")
    constant = np.flatnonzero((data.mean <= 0) | (data.mean >= 1))
    if constant.size:
        found = f"column {constant[0]}, counting from 0, is {data.mean[constant[0]]:.0f} throughout"
        raise InputError(f"A Bernoulli decoder needs columns that vary, but {found}: leave it out.")
    return data.mean
