"""Torch-free training of linear β-VAEs: the exact expected loss, its minimiser, scans over temperature."""

from landau_vae.training.model import LinearVAE
from landau_vae.training.scan import scan

__all__ = ["LinearVAE", "scan"]
