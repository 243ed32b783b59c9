"""What training really minimises: conventions, those of public code bases, and those measured on the user's own."""

from landau_vae.loss.loss import Likelihood, Loss, Reduction
from landau_vae.loss.presets import PRESETS, Preset

__all__ = ["PRESETS", "Likelihood", "Loss", "Preset", "Reduction"]
