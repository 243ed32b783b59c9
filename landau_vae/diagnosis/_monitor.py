"""`Monitor`: what a diagnosis knows of a trained model, while it trains."""

import warnings
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np

from landau_vae.checks import Count, Positive, checked
from landau_vae.data.accumulate import Collected
from landau_vae.diagnosis._diagnose import compare
from landau_vae.diagnosis.applied import Applied, Course
from landau_vae.diagnosis.measured import channels_of, tells_a_price
from landau_vae.diagnosis.streamed import Batch, Streamed, Window, read
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.spectrum.build import fields_of
from landau_vae.spectrum.spectrum import Spectrum

P = ParamSpec("P")
T = TypeVar("T")
DATA_EVERY = 10  # looked-at batches: of which one goes into the covariance of the data, where no spectrum is given


class MonitorWarning(UserWarning):
    """What a `Monitor` could not use; it is said once, and the training goes on.

    Examples
    --------
    >>> issubclass(MonitorWarning, UserWarning)
    True
    """


class Monitor:
    """Watch a VAE while it trains: the price that is applied, the active latents, and what is wrong.

    `update` is called in every step, and looks at every tenth. `log` returns numbers for any
    logger, `findings` the sentences of `diagnose`. A monitor changes nothing: neither arrays
    nor weights nor random numbers. What cannot be used is reported once, as a
    `MonitorWarning`, and never ends a training.

    Parameters
    ----------
    spectrum : Spectrum, optional
        Of the data, in the units in which the model has them. Unless given, the covariance of
        x is accumulated, over one in ten of the batches that are looked at.
    loss : Loss
        The loss that is trained, at the β that it ends with.
    every : int, default 10
        Which calls of `update` are looked at: the first, and each `every`-th after it.
    memory : int, optional
        Batches looked at after which older ones are forgotten exponentially. Unless given, the
        sums since `reset` are exact.
    reduction : {"mean", "sum"}, default "mean"
        Whether the loss that is differentiated is a mean over the rows of a batch, or a sum.
    learning_rate : float, optional
        Of the run. With it the least time is known that modes need to leave the plateau.
    optimizer : {"adam", "gradient descent"}, default "adam"
        Of the run.

    Examples
    --------
    One mode of variance 4 at β = 1: M² = ¾. The KL adds β μ to the gradient at μ.

    >>> rng = np.random.default_rng(0)
    >>> x, noise = 2 * rng.standard_normal((1000, 1)), rng.standard_normal((1000, 1))
    >>> mean, log_variance = x * 0.433, np.full((1000, 1), np.log(0.25))
    >>> grad_z = -(3**0.5) * (x - 3**0.5 * (mean + noise / 2))
    >>> monitor = Monitor(Spectrum.from_eigenvalues([4.0]), Loss.gaussian(1.0), reduction="sum")
    >>> monitor.update(mean, log_variance, x, noise, grad_z, grad_z + 1.0 * mean)
    >>> log = monitor.log()
    >>> log["active"], log["predicted"], round(log["price_applied"], 9)
    (1.0, 1.0, 1.0)
    """

    @checked
    def __init__(
        self,
        spectrum: Spectrum | None = None,
        loss: Loss | None = None,
        *,
        every: Count = 10,
        memory: Count | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        learning_rate: Positive | None = None,
        optimizer: Literal["adam", "gradient descent"] = "adam",
    ) -> None:
        if loss is None or loss.beta.ndim:
            found = "None" if loss is None else "one with a list of β"
            raise InputError(f"loss is {found}, but the loss that is trained, at one β, is expected.", "loss")
        if spectrum is not None:
            loss.price_per_beta(spectrum)  # whether the two go together
        self.loss, self.every, self.memory, self.reduction = loss, every, memory, reduction
        self.learning_rate, self.optimizer = learning_rate, optimizer
        self.updates = 0  #: calls of `update`
        self.problem: str | None = None  #: why nothing more is looked at, in a sentence
        self._given, self._data = spectrum, Collected()
        self._warned, self._looked = False, 0
        self._course = Course(float(loss.beta))
        self.reset()

    # ------------------------------------------------------------------------------ what comes in

    @property
    def due(self) -> bool:
        """Whether the next `update` will be looked at: hooks skip their work otherwise."""
        return self.updates % self.every == 0 and self.problem is None

    def update(
        self,
        mean: Any,
        log_variance: Any,
        x: Any = None,
        noise: Any = None,
        grad_z: Any = None,
        grad_mean: Any = None,
        *,
        loss_scale: float = 1.0,
    ) -> None:
        """Look at the batch of one update. All arrays may be of any library and on any device.

        Parameters
        ----------
        mean, log_variance : (n, K) array
            μ and ln σ² that the encoder gave.
        x : (n, d) array, optional
            The rows, as the loss has them.
        noise : (n, K) array, optional
            ε of z = μ + σ ε. With `grad_z` it tells the price in effect.
        grad_z : (n, K) array, optional
            Gradient of the whole loss at the decoder's input.
        grad_mean : (n, K) array, optional
            Gradient of the whole loss at μ. With `grad_z` it tells the price applied.
        loss_scale : float, default 1
            What the loss was multiplied with before it was differentiated.
        """
        due, self.updates = self.due, self.updates + 1
        if due:
            self._look(mean, log_variance, x, noise, grad_z, grad_mean, loss_scale)

    def _look(self, mean: Any, log_variance: Any, x: Any, noise: Any, grad_z: Any, grad_mean: Any, scale: Any) -> None:
        try:
            batch = read(
                mean, log_variance, x, noise, grad_z, grad_mean, sampler=self.loss.sampler,
                mean_over_rows=self.reduction == "mean", loss_scale=scale,
            )  # fmt: skip
            if batch.finite:
                self._add(batch)
            else:
                self._warn("A batch has entries that are NaN or infinite: it was left out.")
        except Exception as problem:  # of any library: nothing here may end a training
            self.problem = str(problem) or type(problem).__name__
            self._warn(f"{self.problem} Nothing more is looked at until reset().")

    def _add(self, batch: Batch) -> None:
        if self._window is None:
            features = 0 if batch.x is None else batch.x.shape[1]
            self._window = Window(Streamed(batch.shape, features, self.loss.sampler), self.memory)
        self._window.add(batch)
        if self._given is None and batch.x is not None and self._looked % DATA_EVERY == 0:
            self._data.add(batch.x)
        if batch.by_kl is not None:
            self._applied = Applied(batch.mean, batch.by_kl, channels_of(batch.shape))
            value, error = self._applied.pooled
            self._course.add(self.updates, value / self._per_beta, error / self._per_beta)
        self._looked += 1

    def _warn(self, sentence: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(f"The monitor cannot use what it was given. {sentence}", MonitorWarning, stacklevel=4)

    @property
    def _per_beta(self) -> float:
        """Weight of the KL in the loss over β."""
        return float(self.loss.weights(self.loss.features or 1)[1] / self.loss.beta)

    # ------------------------------------------------------------------------------ what it says

    def log(self) -> dict[str, float]:
        """Return numbers for a logger.

        Returns
        -------
        dict
            Name to number.
        """
        if self._window is None:
            return {}
        whole = self._window.whole
        posterior = whole.posterior
        numbers = {"updates": self.updates, "batches": whole.batches, "rows": whole.rows, "rate": posterior.rate.sum()}
        if (spectrum := self.spectrum) is not None:
            c = compare(posterior, spectrum, self.loss.with_latents(posterior.latents))
            numbers |= {"active": c.is_active.sum(), "predicted": c.predicted.active}
            numbers |= {"expected_rate": c.predicted.total_rate}
        if self._applied is not None:
            numbers["price_applied"] = self._applied.pooled[0] / self._per_beta
        if whole.slopes.rows:
            telling = tells_a_price(posterior, whole.shape)[:, 0]
            if telling.size:
                prices = whole.slopes.prices(telling, unit=self._per_beta)
                numbers["price_in_effect"] = np.median(prices.width)
        return {name: float(value) for name, value in numbers.items() if np.isfinite(value)}

    @property
    def spectrum(self) -> Spectrum | None:
        """The spectrum of the data: the one given, or that of the rows so far."""
        if self._given is not None or self._data.count <= (self._data.dimension or np.inf):
            return self._given
        return Spectrum(**fields_of(self._data.result(), None, likelihood=self.loss.likelihood))

    def reset(self) -> None:
        """Begin a new window. The covariance of the data and the course of the price are kept."""
        self._window: Window | None = None
        self._applied: Applied | None = None
        self.problem = None

    def __add__(self, other: "Monitor") -> "Monitor":
        raise NotImplementedError
