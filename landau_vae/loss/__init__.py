"""What training really minimises: conventions, those of public code bases, and those measured on the user's own."""

from landau_vae.likelihoods import (
    BERNOULLI,
    FAMILY,
    GAUSSIAN,
    POISSON,
    Likelihood,
    any_loss,
    categorical,
    dispersed,
    gaussian,
    huber,
    laplace,
    mean_variance,
    mixed,
    negative_binomial,
    perceptual,
    quadratic,
    sized,
    smooth_l1,
    student_t,
    zero_inflated,
)
from landau_vae.loss.constraint import Constraint
from landau_vae.loss.logged import Logged
from landau_vae.loss.loss import Loss, Reduction
from landau_vae.loss.presets import PRESETS, Preset
from landau_vae.loss.sampler import Sampler
from landau_vae.loss.slips import Slip, possible_slips, slips_that_make

__all__ = [
    "BERNOULLI", "FAMILY", "GAUSSIAN", "POISSON", "PRESETS", "Constraint", "Likelihood", "Logged", "Loss", "Preset",
    "Reduction", "Sampler", "Slip", "any_loss", "categorical", "dispersed", "gaussian", "huber", "laplace",
    "mean_variance", "mixed", "negative_binomial", "perceptual", "possible_slips", "quadratic", "sized",
    "slips_that_make", "smooth_l1", "student_t", "zero_inflated",
]  # fmt: skip
