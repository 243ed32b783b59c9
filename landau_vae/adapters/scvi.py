"""Watch a training by scvi-tools: the callback for Lightning, at the encoder and decoder of an `SCVI` module.

The loss is the preset "scvi-tools" of the module's own likelihood. scvi-tools raises the weight of
the KL over 400 epochs unless told otherwise: a training that ends before is reported when it
begins. (scvi-tools 1.4 cannot be imported where JAX is installed without flax: `pip install flax`.)
"""

from typing import Any

from landau_vae.adapters import lightning
from landau_vae.diagnosis import Monitor
from landau_vae.errors import InputError
from landau_vae.findings import Finding, alarm
from landau_vae.loss import Loss
from landau_vae.spectrum import score

__all__ = ["MonitorCallback"]


class MonitorCallback(lightning.MonitorCallback):
    """Let a monitor follow the training of an SCVI model, and log what it knows.

    Parameters
    ----------
    monitor : Monitor, optional
        Unless given, one with the loss of the model is made when the training begins; it is
        the attribute `monitor` from then on.
    counts : (n, d) array or AnnData, optional
        Counts of cells, as the model has them. With them the number of active latents is
        predicted.

    Raises
    ------
    InputError
        If Lightning is not installed.

    Examples
    --------
    >>> callback = MonitorCallback(counts=adata)  # doctest: +SKIP
    >>> model.train(max_epochs=100, callbacks=[callback])  # doctest: +SKIP
    >>> callback.monitor.findings()  # doctest: +SKIP
    """

    def __init__(self, monitor: Monitor | None = None, *, counts: Any = None) -> None:
        super().__init__(monitor, "module.z_encoder", "module.decoder", data=False)  # type: ignore[arg-type]
        self.counts = counts

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch; say if the warm-up of the KL is longer than the training."""
        module = pl_module.module
        if getattr(module, "latent_distribution", "normal") != "normal":
            raise InputError("The decoder is given softmax(z): only latent_distribution='normal' can be watched.")
        if self.monitor is None:
            dispersion = module.dispersion if module.gene_likelihood in ("nb", "zinb") else None
            loss = Loss.preset("scvi-tools", beta=pl_module.max_kl_weight, gene_likelihood=module.gene_likelihood,
                               dispersion=dispersion)  # fmt: skip
            self.monitor = Monitor(None if self.counts is None else score(self.counts, loss), loss)
        self.said.say(_cut_warm_up(trainer, pl_module))
        super().on_train_start(trainer, pl_module)


def _cut_warm_up(trainer: Any, plan: Any) -> list[Finding]:
    """Return an alarm if the weight of the KL is still rising when the training ends."""
    epochs, steps = plan.n_epochs_kl_warmup, plan.n_steps_kl_warmup
    planned = trainer.max_epochs if epochs else trainer.estimated_stepping_batches
    length, unit = (epochs, "epochs") if epochs else (steps or 0, "steps")
    if planned is None or not 0 < planned <= length:
        return []
    low, high = plan.min_kl_weight, plan.max_kl_weight
    last = low + (high - low) * (planned - 1) / length
    return [
        alarm(
            "warm-up-cut",
            f"The weight of the KL rises to {high:g} over {length} {unit}, but the training ends after {planned}, at "
            f"{last:.3g}: more latents will be active than at {high:g}.",
            f'Train longer, or give train(plan_kwargs={{"n_{unit}_kl_warmup": {max(planned // 2, 1)}}}).',
            {"length": length, "planned": planned, "last": last},
        )
    ]
