"""Diagnose a Keras model at the end of each epoch of its training, on some of its rows.

Numbers join the `logs` of the epoch, so that `History`, `CSVLogger`, `TensorBoard` and other
callbacks after this one have them, under names that begin with `landau/`. Any backend of Keras 3
will do: rows go in and arrays come out.
"""

import math
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from time import monotonic
from typing import Annotated, Any

import numpy as np

from landau_vae.adapters.announced import Announced, prefixed
from landau_vae.adapters.frameworks import Callback, framework
from landau_vae.adapters.outputs import Spread, log_variance, read
from landau_vae.adapters.taps import parts_of
from landau_vae.checks import Count, Range, checked
from landau_vae.data.convert import as_array, plain
from landau_vae.diagnosis import Diagnosis, MonitorWarning, diagnose
from landau_vae.diagnosis.posterior import some_rows
from landau_vae.loss import Loss
from landau_vae.loss.calling import is_array, mapped, template

__all__ = ["MonitorCallback"]

BATCH = 512  # rows that are encoded at a time

Part = Annotated[float, Range(0, 1)]


class MonitorCallback(Callback):
    """Diagnose the model at the end of each epoch, and put what is found into the logs.

    The price in effect is measured through the decoder; no gradients are needed. Findings are
    said at the end of the training, alarms as `MonitorWarning`; before it a model is not at
    rest.

    Parameters
    ----------
    data : (n, …) array
        Training rows, as the model is given them.
    loss : Loss
        The loss that is trained, at the β that it ends with.
    encode : callable, optional
        What returns the posterior: unless given, the model's `encode` or `encoder`.
    decode : callable, optional
        What is given z: unless given, the model's `decode` or `decoder`.
    spread : {"log_variance", "variance", "std", "log_std"}, default "log_variance"
        What the encoder returns beside the mean.
    rows : int, default 2000
        How many rows are used at most, drawn once.
    share : float, default 0.1
        Share of the time of the training that may be spent on diagnoses. The first and the last
        epoch are always diagnosed; where others are not, logs repeat the last numbers.

    Raises
    ------
    InputError
        If Keras is not installed, or an argument cannot be used.

    Examples
    --------
    >>> callback = MonitorCallback(x, Loss.gaussian(beta=1.0))  # doctest: +SKIP
    >>> model.fit(x, epochs=10, callbacks=[callback, CSVLogger("run.csv")])  # doctest: +SKIP
    >>> callback.diagnosis.summary()  # doctest: +SKIP
    """

    @classmethod
    def _of_framework(cls) -> list[type]:
        return [framework("keras").callbacks.Callback]

    @checked
    def __init__(
        self,
        data: Any,
        loss: Loss,
        encode: Any = None,
        decode: Any = None,
        *,
        spread: Spread = "log_variance",
        rows: Count = 2000,
        share: Part = 0.1,
    ) -> None:
        super().__init__()
        array = as_array(data, "data")
        self.rows, self.loss, self.spread, self.share = array[some_rows(len(array), rows)], loss, spread, share
        self.parts = encode, decode
        self.diagnosis: Diagnosis | None = None  #: of the last epoch that was looked at
        self.numbers: dict[str, float] = {}  #: what was logged last
        self.problem = ""  #: why it is not diagnosed any longer
        self.said = Announced()
        self._begun, self._spent, self._behind = 0.0, 0.0, False

    @cached_property
    def model_parts(self) -> tuple[Any, Any]:
        """What encodes and what decodes."""
        encode, decode = self.parts
        own = parts_of(self.model) if encode is None or decode is None else self.parts  # type: ignore[attr-defined]
        return encode or own[0], decode or own[1]

    def diagnose(self) -> Diagnosis:
        """Return the diagnosis of the model as it is now."""
        encode, decode = self.model_parts
        batches = np.array_split(self.rows, math.ceil(len(self.rows) / BATCH))
        with _unchanged(self.model):  # type: ignore[attr-defined]
            codes = [read(_arrays(encode(batch)), self.spread) for batch in batches]
            mean = np.concatenate([code.view(code.source) for code in codes])
            spread = np.concatenate([log_variance(code.spread, code.kind) for code in codes])
            return diagnose(mean, log_variance=spread, data=self.rows, loss=self.loss, decode=decode)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin to count the time."""
        self._begun, self._spent, self.numbers = monotonic(), 0.0, {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the numbers of this epoch to the logs."""
        last = epoch + 1 == (self.params or {}).get("epochs")  # type: ignore[attr-defined]
        now = monotonic()
        self._behind = bool(self.numbers) and not last and self._spent > self.share * (now - self._begun)
        if not (self._behind or self.problem):
            self._look()
            self._spent += monotonic() - now
        if logs is not None:
            logs |= self.numbers

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Say what was found."""
        if self._behind and not self.problem:  # it was stopped early
            self._look()
        if self.diagnosis is not None:
            self.said.say(self.diagnosis.findings)

    def _look(self) -> None:
        """Diagnose the model; a failure is reported once, and the training goes on."""
        try:
            self.diagnosis = self.diagnose()
            self.numbers = prefixed(_numbers(self.diagnosis))
        except Exception as failure:  # of any backend, or of what the diagnosis was given
            self.problem = str(failure) or type(failure).__name__
            warnings.warn(f"The model is not diagnosed any longer: {self.problem}", MonitorWarning, stacklevel=3)


@contextmanager
def _unchanged(model: Any) -> Iterator[None]:
    """Put back what a call may change in a model: the seeds of its samplers, which are variables that are not trained.

    With PyTorch under Keras, its global generator is put back too.
    """
    values = [(each, np.copy(plain(each))) for each in model.non_trainable_variables]
    torch = sys.modules.get("torch")
    drawn = None if torch is None else torch.get_rng_state()
    try:
        yield
    finally:
        for each, value in values:
            each.assign(value)
        if torch is not None:
            torch.set_rng_state(drawn)


def _arrays(output: Any) -> Any:
    """Return what an encoder returned with NumPy arrays in place of tensors."""
    if is_array(output):
        return plain(output)
    return mapped(template(output), lambda slot: plain(slot.example), build=True)


def _numbers(result: Diagnosis) -> dict[str, float]:
    """Return numbers for a logger, always under the same names; NaN where one is not known."""
    price, error = result.price_in_effect, result.price_in_effect_error
    in_beta = result.beta_per_price
    return {
        "rate": float(result.posterior.rate.sum()),
        "expected_rate": float(result.predicted.total_rate),
        "active": float(result.is_active.sum()),
        "predicted": float(result.predicted.active),
        "price_in_effect": math.nan if price is None else price * in_beta,
        "price_in_effect_error": math.nan if error is None else error * in_beta,
        "alarms": float(sum(each.alarm for each in result.findings)),
    }
