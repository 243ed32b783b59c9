"""Watch a training by Lightning: a callback around the hook for PyTorch, for `lightning` and `pytorch_lightning`.

Numbers go through the module's own `log_dict`, so that every logger of the trainer has them
(TensorBoard, W&B, CSV), under names that begin with `landau/`.
"""

import sys
from typing import Any

from landau_vae.adapters.announced import Announced, prefixed
from landau_vae.adapters.frameworks import Callback, framework
from landau_vae.adapters.outputs import Spread
from landau_vae.adapters.pytorch import Watch, watch
from landau_vae.diagnosis import Monitor
from landau_vae.errors import InputError

__all__ = ["MonitorCallback"]

LIBRARIES = ("lightning.pytorch", "pytorch_lightning")


class MonitorCallback(Callback):
    """Let a monitor follow a training by Lightning, and log what it knows.

    It logs in the steps in which the trainer logs, and at the end of each epoch. Each finding
    is said once, an alarm as a `MonitorWarning`.

    Parameters
    ----------
    monitor : Monitor
        In data-parallel training each process has its own, and those of rank 0 are logged.
    encoder, decoder : str, sequence of str, module or method, optional
        Names within the module, such as `"model.encoder"`, or what `watch` takes. Unless
        given, the module's `encode` and `decode`, or `encoder` and `decoder`.
    spread : {"log_variance", "variance", "std", "log_std"}, default "log_variance"
        What the encoder returns beside the mean.
    data : bool, default True
        Whether the first argument of the encoder is x as the loss has it.

    Raises
    ------
    InputError
        If neither library is installed.

    Examples
    --------
    >>> monitor = Monitor(loss=Loss.gaussian(beta=1.0))  # doctest: +SKIP
    >>> trainer = Trainer(max_epochs=10, callbacks=[MonitorCallback(monitor)])  # doctest: +SKIP
    """

    @classmethod
    def _of_framework(cls) -> list[type]:
        """Return the callbacks of those of the two libraries that are in use."""
        return [sys.modules[name].Callback for name in LIBRARIES if name in sys.modules] or [
            framework(*LIBRARIES).Callback
        ]

    def __init__(
        self,
        monitor: Monitor,
        encoder: Any = None,
        decoder: Any = None,
        *,
        spread: Spread = "log_variance",
        data: bool = True,
    ) -> None:
        self.monitor, self.encoder, self.decoder, self.spread, self.data = monitor, encoder, decoder, spread, data
        self.watch: Watch | None = None  #: the hook, while it trains
        self.said = Announced()

    def __reduce__(self) -> Any:
        return MonitorCallback, (self.monitor, self.encoder, self.decoder), {"spread": self.spread, "data": self.data}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        encoder, decoder = (_part(pl_module, part) for part in (self.encoder, self.decoder))
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        batches = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
        self.watch = watch(
            self.monitor, pl_module if encoder is None else encoder, decoder, spread=self.spread, data=self.data,
            loss_scale=1 / batches if scaler is None else lambda: scaler.get_scale() / batches,
        )  # fmt: skip

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """Log, where the trainer does."""
        if trainer._logger_connector.should_update_logs:  # as Lightning's own callbacks ask
            self._log(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log at the end of each epoch."""
        self._log(trainer, pl_module)

    def _log(self, trainer: Any, pl_module: Any) -> None:
        pl_module.log_dict(prefixed(self.monitor.log()), batch_size=1)
        if trainer.is_global_zero:
            self.said.say(self.monitor.findings())

    def teardown(self, *_: Any, **__: Any) -> None:
        """End the watch, however the training ended."""
        if self.watch is not None:
            self.watch.remove()


def _part(module: Any, part: Any) -> Any:
    """Return what a name within a module stands for."""
    if isinstance(part, tuple | list):
        return tuple(_part(module, each) for each in part)
    if not isinstance(part, str):
        return part
    for name in part.split("."):
        if not hasattr(module, name):
            raise InputError(f"The module has no {part}: there is no {name} in {type(module).__name__}.", "encoder")
        module = getattr(module, name)
    return module
