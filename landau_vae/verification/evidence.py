"""What causes are looked for in, and what a cause is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from landau_vae.display import Array
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.schema import Status
from landau_vae.verification._branches import Branches
from landau_vae.verification.record import trained_with

if TYPE_CHECKING:
    import xarray

__all__ = ["Cause", "Evidence"]


@dataclass(frozen=True)
class Cause:
    """One likely cause."""

    code: str  #: a word for programs, such as "wrong-convention"
    sentence: str  #: for people
    recorded: bool  #: whether the trainer's own record says so; otherwise it is inferred from the models

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, eq=False)
class Evidence:
    """What causes are looked for in."""

    scan: "xarray.Dataset"
    spectrum: Spectrum
    branches: Branches
    ratio: Array  #: measured over predicted thresholds, (modes,), NaN where there is none
    error: Array  #: standard error of the ratio, (modes,)
    exponent: Array  #: p of the law, (modes,)
    verdict: tuple[str, ...]
    tolerance: float

    @property
    def trainer(self) -> dict[str, Any]:
        """The trainer's settings, as far as the scan tells them."""
        return trained_with(self.scan)

    @property
    def lost(self) -> int:
        """How many models diverged."""
        return int(np.count_nonzero(self.scan.status.values == Status.DIVERGED)) if "status" in self.scan else 0

    @property
    def decoder(self) -> str:
        """By the trainer's record; linear Gaussian, as far as is known, where there is none."""
        return str(self.trainer.get("decoder", "gaussian"))
