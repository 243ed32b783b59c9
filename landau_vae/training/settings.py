"""The settings of training by samples, checked, and what follows from them before anything is trained."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from landau_vae.data.tables import is_real
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.training.batches import row_mean
from landau_vae.training.optimizers import Adam, Optimizer
from landau_vae.training.schedules import CONSTANT, Schedule, cosine
from landau_vae.training.trainer import TrainingSet

__all__ = ["LOOKS", "ROWS", "Patience", "Settings", "probabilities", "spread"]

MOST = 10**8  # updates, rows, snapshots
LOOKS = 40  # at the models in the course of a run
ROWS = 4096  # draws of (x, ε) from a split, for measurements that second moments do not give


@dataclass(frozen=True)
class Patience:
    """Early stopping: a run ends once the loss has stood still for so many looks in a row.

    The loss is that of the validation part, if there is one, else of the training part, over all its rows.
    """

    looks: int = 10  #: of the 40 that divide a run; they count from where β has come to stay
    tolerance: float = 1e-4  #: relative fall of the loss that counts as progress

    def __post_init__(self) -> None:
        if not (is_real(self.looks) and self.looks == int(self.looks) >= 1):
            raise InputError(f"The patience is {self.looks!r} looks, but a whole number from 1 on is expected.")
        if not (is_real(self.tolerance) and self.tolerance >= 0):
            raise InputError(f"The patience has a tolerance of {self.tolerance!r}, but a number from 0 on is expected.")


@dataclass(frozen=True)
class Settings:
    """How to train: see `Sampled`."""

    updates: int = 10_000
    batch: int | None = 256  #: rows per update; None: all rows, or the covariance itself where there are none
    optimizer: Optimizer = field(default_factory=lambda: Adam(1e-2))
    learning_rate: Schedule = field(default_factory=cosine)  #: factor on the optimiser's own
    beta: Schedule = CONSTANT  #: factor on the β that belongs to the temperature
    decoder: Literal["gaussian", "bernoulli", "tanh"] = "gaussian"  #: tanh: Gaussian with x̂ = tanh(W z + b)
    learned_variance: bool = False  #: whether σ_dec² is trained
    encoder: Literal["constant", "input"] = "constant"  #: ln σ² a constant per latent, or linear in x
    loss: Loss = field(default_factory=Loss.gaussian)  #: the convention: how the terms are weighed; its β plays no part
    noise: bool = True  #: False: the expectation over ε instead of a draw (linear decoder, constant encoder)
    start: float = 1.0  #: scale of the initial weights; 1 is PyTorch's default
    precision: Literal["float64", "float32"] = "float64"
    patience: Patience | None = None  #: early stopping
    history: int = 0  #: how many snapshots of M² and of the decoder to keep

    def __post_init__(self) -> None:
        for name, least in (("updates", 1), ("batch", 1), ("history", 0)):
            value = getattr(self, name)
            if name == "batch" and value is None:
                continue
            if not (is_real(value) and value == int(value) >= least) or isinstance(value, bool):
                raise InputError(f"{name} is {value!r}, but a whole number from {least} on is expected.")
            if value > MOST:
                raise InputError(f"{name} is {value!r}, but at most {MOST} can be done.")
            object.__setattr__(self, name, int(value))  # 64.0 is as good
        choices = {
            "decoder": ("gaussian", "bernoulli", "tanh"),
            "encoder": ("constant", "input"),
            "precision": ("float64", "float32"),
        }
        for name, words in choices.items():
            value = getattr(self, name)
            if not (isinstance(value, str) and value in words):
                raise InputError(f"{name} is {value!r}, but one of {', '.join(words)} is expected.")
        for name, kind, example in (
            ("optimizer", Optimizer, "Adam(1e-3)"),
            ("learning_rate", Schedule, "cosine(): a factor on the optimiser's own"),
            ("beta", Schedule, "warm_up(0.2)"),
            ("loss", Loss, "Loss.gaussian()"),
            ("learned_variance", bool, "True"),
            ("noise", bool, "True"),
            ("patience", Patience | None, "Patience(10)"),
        ):
            if not isinstance(getattr(self, name), kind):
                raise InputError(f"{name} is {getattr(self, name)!r}, but something like {example} is expected.")
        if not (is_real(self.start) and self.start > 0):
            raise InputError(f"The scale of the start is {self.start}, but a positive number is expected.")
        if self.loss.learned:
            object.__setattr__(self, "learned_variance", True)
        if not (self.loss.likelihood.squared or self.loss.likelihood.name == self.decoder):  # squares serve all
            raise InputError(
                f"The loss has a {self.loss.likelihood} likelihood, but the decoder is {self.decoder}: let them agree "
                "(bernoulli decoders are trained, Poisson ones are not)."
            )
        if self.learned_variance and self.decoder == "bernoulli":
            raise InputError("A Bernoulli decoder has no variance to learn: leave learned_variance out.")
        if not self.noise and not self.linear_and_constant:
            raise InputError(
                "The expectation over the noise is known for linear Gaussian decoders with a constant encoder variance "
                "only: leave noise=False out."
            )
        if self.beta.final == 0:
            raise InputError("The β schedule ends at 0, where information has no price: let it end above.")

    def to_dict(self) -> dict[str, Any]:
        """For provenance."""
        plain = {name: value for name, value in vars(self).items() if not hasattr(value, "to_dict")}
        nested = {name: value.to_dict() for name, value in vars(self).items() if hasattr(value, "to_dict")}
        patience = None if self.patience is None else vars(self.patience)
        idle = {"beta"} if self.loss.kl == "mean" else {"beta", "latents"}  # K means something to a mean over latents
        nested["loss"] = {key: value for key, value in nested["loss"].items() if key not in idle}
        return {"name": "Sampled", **plain, **nested, "patience": patience}

    @property
    def frames(self) -> Array:
        """After how many updates snapshots are taken."""
        return spread(self.updates, self.history - 1) if self.history else np.empty(0, dtype=int)

    def coordinates(self) -> dict[str, Array]:
        """Of the dimensions that only this trainer knows."""
        return {"update": self.frames} if self.history else {}

    @property
    def linear_and_constant(self) -> bool:
        """Whether decoder and posterior are those of the linear theory, so that second moments tell all."""
        return self.decoder == "gaussian" and self.encoder == "constant"

    def rows_per_update(self, data: TrainingSet) -> int:
        """As many as asked for, or as there are."""
        if data.rows is not None:
            return len(data.rows) if self.batch is None else min(self.batch, len(data.rows))
        if self.batch is None and not self.linear_and_constant:
            raise InputError(
                "batch=None means all rows, but a spectrum has none: give a number of rows per update, or the data."
            )
        return self.batch or 0

    def expected(self, data: TrainingSet) -> bool:
        """Whether the loss that is followed is the expected one: nothing at all is drawn."""
        return self.batch is None and (not self.noise or data.rows is None)

    def by_moments(self, data: TrainingSet) -> bool:
        """Whether moments are cheaper than rows (and possible)."""
        cheap = not self.noise or self.expected(data) or 2 * self.rows_per_update(data) >= data.features
        return self.linear_and_constant and cheap

    def weight_per_temperature(self, data: TrainingSet) -> float:
        """B/T: what a nat costs in the loss at T = 1."""
        a = self.squared(data)
        if self.decoder == "bernoulli":
            mean = probabilities(data)
            return float(a * np.sum(_variances(data, mean) / (mean * (1 - mean))))
        return 2 * a * (data.features if self.learned_variance else data.spectrum.total_variance)

    def squared(self, data: TrainingSet) -> float:
        """A: what a squared unit (with a Bernoulli decoder, a nat of cross-entropy) costs in the loss."""
        a = self.loss.weights(data.spectrum.dimension)[0]
        return 2 * a if self.decoder == "bernoulli" and self.loss.half else a  # the ½ is of squared errors only


def spread(updates: int, pieces: int) -> Array:
    """Updates from 0 to the last, evenly spread."""
    return np.unique(np.linspace(0, updates, pieces + 1).round().astype(int))


def probabilities(data: TrainingSet) -> Array:
    """The means of data that a Bernoulli decoder can give, (d,)."""
    if data.rows is None:
        raise InputError("A Bernoulli decoder needs samples, but a spectrum was given: give the data.")
    low, high = data.rows.min(), data.rows.max()
    if low < 0 or high > 1:
        raise InputError(
            f"A Bernoulli decoder gives numbers from 0 to 1, but the data run from {low:g} to {high:g}: "
            "rescale them (and do not standardise), or take a Gaussian decoder."
        )
    mean = row_mean(data.rows, data.weights)
    constant = np.flatnonzero((mean <= 0) | (mean >= 1))
    if constant.size:
        raise InputError(
            f"A Bernoulli decoder needs columns that vary, but column {constant[0]}, counting from 0, is "
            f"{mean[constant[0]]:.0f} throughout: leave it out."
        )
    return mean


def _variances(data: TrainingSet, mean: Array) -> Array:
    """Of the features, (d,)."""
    if data.spectrum.matrix is not None:
        return np.asarray(data.spectrum.matrix.diagonal())
    assert data.rows is not None  # fewer than columns
    return row_mean(np.square(data.rows - mean), data.weights)
