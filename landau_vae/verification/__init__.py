"""Theory against trained models: thresholds where branches end, ranked pruning, activation times, dataset size."""

from landau_vae.verification._branches import Branches, branches
from landau_vae.verification._dataset_size import DatasetSize, dataset_size
from landau_vae.verification._dynamics import Dynamics, dynamics
from landau_vae.verification._onsets import Onsets, onsets
from landau_vae.verification._spectroscopy import spectroscopy
from landau_vae.verification._verify import verify
from landau_vae.verification.verification import Verification

__all__ = [
    "Branches", "DatasetSize", "Dynamics", "Onsets", "Verification", "branches", "dataset_size", "dynamics", "onsets",
    "spectroscopy", "verify",
]  # fmt: skip
