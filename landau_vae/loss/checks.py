"""What a loss may be made of: one sentence for each part that it may not."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.data.tables import as_numbers, is_real
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.spectrum.spectrum import Spectrum

if TYPE_CHECKING:
    from landau_vae.loss.loss import Loss

__all__ = ["LEARNED", "check", "check_pair", "check_spectrum", "checked_beta"]

LEARNED = "learned"


def check_spectrum(spectrum: Any) -> None:
    """Raise `InputError` unless this is a spectrum."""
    if not isinstance(spectrum, Spectrum):
        raise InputError(
            f"A Spectrum is expected, but {_shown(spectrum)} was given: make one of it (Spectrum.from_eigenvalues, "
            "from_data, from_covariance, …)."
        )


def check_pair(spectrum: Any, loss: Any) -> None:
    """Raise `InputError` unless these are a spectrum and a loss."""
    check_spectrum(spectrum)
    if not hasattr(loss, "price_per_beta"):
        raise InputError(f"A Loss is expected, but {_shown(loss)} was given: Loss.gaussian(beta=…), say.")


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {value!r}"[:60]


def checked_beta(beta: ArrayLike) -> Array:
    """β as a sealed array."""
    values = as_numbers(beta, "β")
    if values.size == 0 or not np.all(np.isfinite(values) & (values > 0)):
        bad = values[~(np.isfinite(values) & (values > 0))]
        raise InputError(
            f"β is {bad.flat[0] if bad.size else 'missing'}, but a positive finite number is expected: "
            "without a KL term information has no price and nothing collapses."
        )
    return readonly(values)


def check(loss: "Loss") -> None:
    """Raise `InputError` for a part that is none."""
    if not isinstance(loss.half, bool | np.bool_):
        raise InputError(f"half is {loss.half!r}, but True (the squared error carries a ½) or False is expected.")
    if isinstance(loss.decoder_variance, str) and loss.decoder_variance != LEARNED:
        raise InputError(f"The decoder variance is {loss.decoder_variance!r}, but a number or 'learned' is expected.")
    positive: dict[str, Any] = {} if loss.learned else {"decoder variance": loss.decoder_variance}
    positive |= {"reconstruction weight": loss.reconstruction_weight, "KL weight": loss.kl_weight}
    for what, value in positive.items():
        if not (is_real(value) and value > 0):
            hint = ": use 1 for a plain squared error" if what == "decoder variance" else ""
            raise InputError(f"The {what} is {value}, but a positive finite number is expected{hint}.")
    if loss.likelihood != "gaussian" and loss.decoder_variance != 1.0:
        raise InputError(f"A {loss.likelihood} likelihood has no decoder variance: leave it out.")
    for term, reduction in (("reconstruction", loss.reconstruction), ("KL", loss.kl)):
        if reduction not in ("sum", "mean"):
            raise InputError(f"The {term} reduction is {reduction!r}, but 'sum' or 'mean' is expected.")
    K = loss.latents
    if K is not None and not (is_real(K) and int(K) == K and K >= 1):
        raise InputError(f"The number of latents is {K}, but a whole number from 1 on is expected.")
    if loss.kl == "mean" and K is None:
        raise InputError(
            "A KL that is averaged over the latents depends on how many there are: "
            "say so (latents=K; on the command line --latents K)."
        )
