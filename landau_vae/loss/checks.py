"""What takes a spectrum and a loss: one sentence for each that is not one."""

from typing import Any

from landau_vae.errors import InputError
from landau_vae.spectrum.spectrum import Spectrum


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
