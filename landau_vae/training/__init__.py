"""Torch-free training of β-VAEs: trainers, and scans over temperature that are parallel, resumable and bounded."""

from landau_vae.training._scan import plan, scan
from landau_vae.training.exact import Exact
from landau_vae.training.linear_vae import LinearVAE
from landau_vae.training.memory import ScanPlan
from landau_vae.training.netcdf import load_scan, save_scan
from landau_vae.training.optimizers import SGD, Adam
from landau_vae.training.sampled import Sampled
from landau_vae.training.schedules import Schedule, anneal, cosine, cyclical, warm_up
from landau_vae.training.settings import Patience
from landau_vae.training.trainer import Trainer, TrainingSet

__all__ = [
    "SGD", "Adam", "Exact", "LinearVAE", "Patience", "Sampled", "ScanPlan", "Schedule", "Trainer", "TrainingSet",
    "anneal", "cosine", "cyclical", "load_scan", "plan", "save_scan", "scan", "warm_up",
]  # fmt: skip
