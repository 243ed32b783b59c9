"""Training of β-VAEs without PyTorch: trainers, and scans over temperature that are parallel and can be resumed."""

from landau_vae.training._scan import plan, scan
from landau_vae.training.exact import Exact
from landau_vae.training.linear_vae import LinearVAE
from landau_vae.training.memory_plan import ScanPlan
from landau_vae.training.netcdf import load_scan, save_scan
from landau_vae.training.neural import Neural
from landau_vae.training.optimizers import SGD, Adam
from landau_vae.training.sampled import Sampled
from landau_vae.training.schedules import Schedule, anneal, cosine, cyclical, warm_up
from landau_vae.training.schema import OBSERVABLES, Observable, Status, Trainer, validate
from landau_vae.training.stopping import Patience
from landau_vae.training.trained import TrainedModel, trained_model
from landau_vae.training.training_set import TrainingSet

__all__ = [
    "OBSERVABLES", "SGD", "Adam", "Exact", "LinearVAE", "Neural", "Observable", "Patience", "Sampled", "ScanPlan",
    "Schedule", "Status", "TrainedModel", "Trainer", "TrainingSet", "anneal", "cosine", "cyclical", "load_scan", "plan",
    "save_scan", "scan", "trained_model", "validate", "warm_up",
]  # fmt: skip
