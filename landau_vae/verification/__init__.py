"""Theory against trained models: collapse thresholds read off branches, ranked pruning, the coincidence of spectra."""

from landau_vae.verification.branches import Branches, branches
from landau_vae.verification.coincidence import verify
from landau_vae.verification.dataset_size import DatasetSize, dataset_size
from landau_vae.verification.dynamics import Dynamics, dynamics
from landau_vae.verification.result import Verification

__all__ = [
    "Branches", "DatasetSize", "Dynamics", "Verification", "branches", "dataset_size", "dynamics", "verify",
]  # fmt: skip
