"""How the models of a scan descended, read off the scan's own record, and a clock of updates at the full learning rate.

    clock(n) = Σ_{i<n} (factor of the learning-rate schedule in update i)

Amplitudes that grow by 1 + ηf_iκ in update i grow like (1 + ηκ)^clock, up to terms of order ηκ.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from landau_vae.data.tables import is_real
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.numeric.plateau_growth import per_update
from landau_vae.verification.record import learning_rate_schedule, trained_loss, trained_with

if TYPE_CHECKING:
    import xarray

__all__ = ["Descent", "descent"]


@dataclass(frozen=True, eq=False)
class Descent:
    """Gradient descent on the user's loss, which is `scale` × σ_dec² L."""

    learning_rate: float  #: η
    momentum: float  #: μ
    scale: float  #: 2a
    clock: Array  #: after 0 … N updates, in updates at the full learning rate, (N + 1,)
    batch: float  #: rows per update that noise is drawn for; ∞ where the gradient is exact

    def pace(self, rate: Array) -> Array:
        """Powers of e per update, of what grows at a rate κ of σ_dec² L; any shape."""
        return np.asarray(per_update(self.scale * rate, self.learning_rate, self.momentum))


def descent(scan: "xarray.Dataset", learning_rate: float | None = None) -> Descent:
    """The settings of a scan by `Sampled` with SGD; a `learning_rate` is put in the place of the recorded one.

    Raises `InputError` where the growth of modes under these settings, or the way there, is not known.
    """
    how = trained_with(scan)
    if how.get("name") != "Sampled" or "decoder_history" not in scan or scan.sizes["update"] < 2:
        raise InputError(
            "The scan holds no snapshots of models on their way, from which times could be read: "
            "scan with trainer=Sampled(optimizer=SGD(1e-3), history=300)."
        )
    optimizer = how["optimizer"]
    if optimizer["name"] != "SGD":
        raise InputError(
            f"The models were trained by {optimizer['name']}, but growth rates are those of gradient descent: "
            "train with SGD (`activation` has a bound for Adam)."
        )
    linear = how["decoder"] == "gaussian" and how["encoder"] == "constant" and not how["learned_variance"]
    if not linear or optimizer["weight_decay"]:
        raise InputError(
            "The growth rates are those of linear Gaussian decoders of fixed variance without weight decay, but the "
            "models are others: leave these settings of Sampled at their defaults."
        )
    if any(factor != 1.0 for _, factor in how["beta"]["points"]):
        raise InputError("The models were trained under a β schedule, but rates belong to one β: train at constant β.")
    if learning_rate is not None and not (is_real(learning_rate) and learning_rate > 0):
        raise InputError(f"The learning rate is {learning_rate!r}, but a positive number is expected, such as 1e-3.")
    return Descent(
        optimizer["learning_rate"] if learning_rate is None else float(learning_rate),
        optimizer["momentum"],
        2 * trained_loss(how).weights(scan.sizes["feature"])[0],
        _clock(how),
        _batch(how, scan),
    )


def _clock(how: dict[str, Any]) -> Array:
    factors = learning_rate_schedule(how)(np.arange(how["updates"]) / how["updates"])
    return np.concatenate([[0.0], np.cumsum(factors)])


def _batch(how: dict[str, Any], scan: "xarray.Dataset") -> float:
    if not how["noise"]:
        return np.inf
    return float(how["batch"] or scan.attrs.get("samples", np.inf))
