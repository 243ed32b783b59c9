"""Predict from the spectrum of the data which latents of a (β-)VAE collapse, and at which β.

Derive → solve → train → compare. A `Spectrum` is what the data offer, a `Loss` what training minimises;
everything else takes these two and returns one result per question. Heavy parts load on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "InputError": "errors",
    "Spectrum": "spectrum",
    "Partial": "partial",
    "Loss": "loss",
    "Equilibrium": "numeric.equilibrium",
    "equilibrium": "numeric.equilibrium",
    "Transitions": "numeric.transitions",
    "transitions": "numeric.transitions",
    "Choice": "numeric.choice",
    "choose_beta": "numeric.choice",
    "Landscape": "numeric.landscape",
    "landscape": "numeric.landscape",
    "Activation": "numeric.activation",
    "activation": "numeric.activation",
    "Diagram": "numeric.continuation.follow",
    "follow": "numeric.continuation.follow",
    "Hysteresis": "numeric.continuation.hysteresis",
    "hysteresis": "numeric.continuation.hysteresis",
    "Uncertainty": "intervals.uncertainty",
    "uncertainty": "intervals.uncertainty",
    "Bootstrap": "intervals.bootstrap",
    "bootstrap": "intervals.bootstrap",
    "scan": "training.scan",
    "save_scan": "training.storage",
    "load_scan": "training.storage",
    "Verification": "verification.result",
    "verify": "verification.coincidence",
    "Diagnosis": "diagnosis.result",
    "diagnose": "diagnosis.diagnose",
}
_MODULES = ("spectra", "datasets", "report", "plotting", "diagnosis", "verification", "training", "numeric", "symbolic")

__all__ = ["__version__", *_HOMES, *_MODULES]

if TYPE_CHECKING:
    from landau_vae import (
        datasets as datasets,
    )
    from landau_vae import (
        diagnosis as diagnosis,
    )
    from landau_vae import (
        numeric as numeric,
    )
    from landau_vae import (
        plotting as plotting,
    )
    from landau_vae import (
        report as report,
    )
    from landau_vae import (
        spectra as spectra,
    )
    from landau_vae import (
        symbolic as symbolic,
    )
    from landau_vae import (
        training as training,
    )
    from landau_vae import (
        verification as verification,
    )
    from landau_vae.diagnosis.diagnose import diagnose as diagnose
    from landau_vae.diagnosis.result import Diagnosis as Diagnosis
    from landau_vae.errors import InputError as InputError
    from landau_vae.intervals.bootstrap import Bootstrap as Bootstrap
    from landau_vae.intervals.bootstrap import bootstrap as bootstrap
    from landau_vae.intervals.uncertainty import Uncertainty as Uncertainty
    from landau_vae.intervals.uncertainty import uncertainty as uncertainty
    from landau_vae.loss import Loss as Loss
    from landau_vae.numeric.activation import Activation as Activation
    from landau_vae.numeric.activation import activation as activation
    from landau_vae.numeric.choice import Choice as Choice
    from landau_vae.numeric.choice import choose_beta as choose_beta
    from landau_vae.numeric.continuation.follow import Diagram as Diagram
    from landau_vae.numeric.continuation.follow import follow as follow
    from landau_vae.numeric.continuation.hysteresis import Hysteresis as Hysteresis
    from landau_vae.numeric.continuation.hysteresis import hysteresis as hysteresis
    from landau_vae.numeric.equilibrium import Equilibrium as Equilibrium
    from landau_vae.numeric.equilibrium import equilibrium as equilibrium
    from landau_vae.numeric.landscape import Landscape as Landscape
    from landau_vae.numeric.landscape import landscape as landscape
    from landau_vae.numeric.transitions import Transitions as Transitions
    from landau_vae.numeric.transitions import transitions as transitions
    from landau_vae.partial import Partial as Partial
    from landau_vae.spectrum import Spectrum as Spectrum
    from landau_vae.training.scan import scan as scan
    from landau_vae.training.storage import load_scan as load_scan
    from landau_vae.training.storage import save_scan as save_scan
    from landau_vae.verification.coincidence import verify as verify
    from landau_vae.verification.result import Verification as Verification


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
