"""Theory against trained models: collapse thresholds read off branches, ranked pruning, the coincidence of spectra."""

from landau_vae.verification.branches import Branches, branches
from landau_vae.verification.coincidence import Verification, verify

__all__ = ["Branches", "Verification", "branches", "verify"]
