"""Train nonlinear VAEs: fully connected networks, any likelihood, minibatches and reparameterised noise, in JAX.

    per-sample loss = a ℓ(x, f(z)) + b Σ_k KL_k,   z = μ(x) + σ(x) ε

T = 1 is where the first latent's threshold would be if one direction held all the variance that
counts: for squared errors b = 2a T V as everywhere, V the total variance; with a learned
σ_dec², b = 2a T d; for another likelihood b = a T Σ_j ⟨s_j²⟩/⟨H_j⟩, s and H its score and
curvature at the best constant output. JAX is imported by training only.
"""

from copy import copy
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import numpy as np

from landau_vae.checks import Count, Positive, Range, check_fields
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.training.network import Network
from landau_vae.training.optimizers import Adam, Optimizer
from landau_vae.training.schedules import CONSTANT, Schedule, cosine
from landau_vae.training.schema import Named, Progress, Starts, Trainer
from landau_vae.training.stopping import Patience
from landau_vae.training.training_set import AT_ONCE, TrainingSet, seen_by

Several = Annotated[int, Range(1, 10**8)]
MEASURED = 2**12  # rows that are measured at a time
ROOM = 2**31  # bytes that models trained together on a GPU may take
COMPILER = 300 * 2**20  # bytes that JAX and its compiler take in a process


@dataclass(frozen=True)
class Neural(Trainer):
    """Train a fully connected encoder and decoder by minibatches, in JAX.

    Parameters
    ----------
    hidden : sequence of int, default (64, 64)
        Widths of the encoder's hidden layers; the decoder mirrors them. Empty: the linear VAE.
    activation : {"silu", "relu", "tanh", "gelu"}
        Between layers.
    updates : int, default 20 000
        Of a whole run.
    batch : int, default 256
        Rows per update.
    optimizer : Adam or SGD, default Adam(1e-3)
        The rule, with its learning rate and weight decay.
    learning_rate : Schedule, default cosine()
        Factor on the optimiser's own learning rate.
    beta : Schedule, default constant
        Factor on the β that belongs to the temperature.
    loss : Loss, default Loss.gaussian()
        The convention and the likelihood. Its β is ignored. Where the likelihood does not say
        its mean, distortions are NaN.
    learned_variance : bool, default False
        Whether σ_dec² is trained.
    log_variance : float, default 0
        Initial bias of ln σ².
    start : float, default 1
        Scale of the initial weights; 1 is PyTorch's default.
    precision : {"float32", "float64"}
        Of weights and gradients.
    measured_on : {"training", "validation", "test"}
        The part of the data that observables are measured on; see `splits` of `scan`.
    patience : Patience, optional
        Early stopping.

    Raises
    ------
    InputError
        For settings that are out of range, and where JAX is not installed.

    Notes
    -----
    A run has *converged* if no M² (and no ln σ_dec²) has moved by more than 0.01 between the
    means over the third and the last quarter of its training time (updates times learning
    rate), and if ln σ_dec² differs by no more from the logarithm of the mean squared error, its
    best value. It ended on a *plateau* if all latents are inactive while the spectrum has a
    mode above the price.

    Examples
    --------
    >>> Neural(hidden=(32,), activation="tanh", updates=5000).network(features=4, latents=2).size
    520
    """

    hidden: tuple[Count, ...] = (64, 64)  #: widths of the encoder's hidden layers; the decoder mirrors them
    activation: Literal["silu", "relu", "tanh", "gelu"] = "silu"  #: between layers
    updates: Several = 20_000  #: of a whole run
    batch: Several = 256  #: rows per update
    optimizer: Optimizer = field(default_factory=lambda: Adam(1e-3))  #: Adam or SGD
    learning_rate: Schedule = field(default_factory=cosine)  #: factor on the optimiser's own
    beta: Schedule = CONSTANT  #: factor on the β that belongs to the temperature
    loss: Loss = field(default_factory=Loss.gaussian)  #: the convention and the likelihood; its β is ignored
    learned_variance: bool = False  #: whether σ_dec² is trained
    log_variance: float = 0.0  #: initial bias of ln σ²
    start: Positive = 1.0  #: scale of the initial weights; 1 is PyTorch's default
    precision: Literal["float32", "float64"] = "float32"  #: of weights and gradients
    measured_on: Literal["training", "validation", "test"] = "training"  #: the part that observables are measured on
    patience: Patience | None = None  #: early stopping
    #: weights to start from, (models, size), set by `scan(start=…)`
    given: Array | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fields(self)
        self.loss.must_be_plain("models are trained")
        if self.loss.learned:
            object.__setattr__(self, "learned_variance", True)
        if self.learned_variance and not self.loss.likelihood.squared:
            title = self.loss.likelihood.title
            raise InputError(f"A {title} decoder has no variance to learn: leave it out.", "learned_variance")
        if self.beta.final == 0:
            raise InputError("The β schedule ends at 0, where information has no price: let it end above.", "beta")
        missing = [name for name in ("jax", "optax") if find_spec(name) is None]
        if missing:
            needs = f"Neural needs {' and '.join(missing)}, not installed here"
            raise InputError(f"{needs}: pip install 'landau-vae[jax]', or train with Sampled().", "trainer")

    def network(self, features: Count, latents: Count) -> Network:
        """Return the architecture on so many features.

        Parameters
        ----------
        features : int
            d.
        latents : int
            K.

        Returns
        -------
        Network
        """
        outputs = self.loss.likelihood.outputs(features)
        return Network(features, latents, self.hidden, self.activation, self.learned_variance, outputs)

    def train(
        self, data: TrainingSet, temperature: Array, starts: Starts, latents: int, on_progress: Progress
    ) -> Named:
        """Train one model per temperature and start."""
        from landau_vae.training.descent import Descent

        return Descent(self, data, latents, on_progress).train(temperature, starts)

    def total_variance(self, data: TrainingSet) -> float:
        """Return V: the data's, or that of the likelihood's scores, Σ_j ⟨s_j²⟩/⟨H_j⟩."""
        part = None if self.measured_on == "training" else data.held_out.get(self.measured_on, ())
        if part is not None and len(part) == 0:
            found = f"measured_on is {self.measured_on!r}, but there is no such part"
            raise InputError(f"{found}: give splits=(0.8, 0.1, 0.1), or measured_on='training'.", "measured_on")
        if part is not None and len(part) == 1:
            raise InputError(
                f"The {self.measured_on} part has one row, but its variance is needed: give more.", "splits"
            )
        return seen_by(self.loss.likelihood, data)[1].total_variance

    one_by_one = True  # a folder that was begun on a CPU is finished on a GPU
    own_workers = True  # JAX takes so much memory that workers which had none would be taken for leaking ones

    @property
    def device(self) -> str:
        """The kind of device that JAX trains on."""
        from landau_vae.training.descent import backend

        return backend()

    def starting_from(self, weights: Array) -> "Neural":
        """Return this trainer with weights for its models to start from."""
        trainer = copy(self)
        object.__setattr__(trainer, "given", weights)
        return trainer

    def to_dict(self) -> dict[str, Any]:
        """Return the settings."""
        own = {name: each for name, each in vars(self).items() if name != "given"}
        settings = {name: each.to_dict() if hasattr(each, "to_dict") else each for name, each in own.items()}
        settings["loss"] = {key: value for key, value in settings["loss"].items() if key not in ("beta", "latents")}
        linear = not self.hidden and self.loss.likelihood.squared
        return {"name": "Neural", **settings, "patience": self.patience and vars(self.patience), "linear": linear}

    def models_at_once(self, data: TrainingSet, latents: int) -> int:
        """Return how many models are trained together: one on a CPU, as many as fit on a GPU."""
        return max(1, ROOM // self._bytes(data, latents)) if self.device != "cpu" else 1

    def memory(self, data: TrainingSet, latents: int, models: int, seeds: int = 1) -> int:
        """Return the bytes of the rows, of what models are trained with, and of the compiler."""
        rows, d, at_once = data.rows, data.features, min(models, self.models_at_once(data, latents))
        most = max(4 * MEASURED, 2 * d) if rows is None else max(map(len, [rows, *data.held_out.values()]))
        measured = (most + 2 * MEASURED) * (3 * self._size * d + (24 + 3 * self._size) * latents)
        drawn = 0 if rows is None else seeds * 32 * (AT_ONCE + self.batch + len(rows))
        outputs = self.loss.likelihood.outputs(d)
        judged = 0 if rows is None or self.loss.likelihood.squared else 48 * len(rows) * outputs  # score and curvature
        copied = 5 * 8 * most * d if rows is None else self._size * rows.size
        copied += 2 * self.updates  # what the schedule is summed over in pieces
        return COMPILER + copied + max(measured, judged) + drawn + at_once * self._bytes(data, latents)

    def result_bytes(self, data: TrainingSet, latents: int) -> int:
        """Return the bytes of one model's observables and weights."""
        return 8 * (6 * latents + 8) + self._size * self.network(data.features, latents).size

    @property
    def _size(self) -> int:
        """Bytes of a number."""
        return np.dtype(self.precision).itemsize

    def _bytes(self, data: TrainingSet, latents: int) -> int:
        """Return the bytes that one model is trained or measured with."""
        outputs = self.loss.likelihood.outputs(data.features)
        widest = 2 * sum(self.hidden) + 4 * latents + data.features + outputs
        return self._size * (5 * self.network(data.features, latents).size + 3 * max(self.batch, MEASURED) * widest)

    def squared_weight(self, data: TrainingSet) -> float:
        """Return a: what a squared unit, or a nat of −ln p, costs in the loss.

        Parameters
        ----------
        data : TrainingSet
            What is trained on.

        Returns
        -------
        float
        """
        return self.loss.weights(data.spectrum.dimension)[0]
