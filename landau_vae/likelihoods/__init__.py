"""Likelihoods as objects: what a decoder's output costs against the data, and what follows from it."""

from landau_vae.likelihoods.canonical import BERNOULLI, FAMILY, GAUSSIAN, POISSON
from landau_vae.likelihoods.counts import negative_binomial, zero_inflated
from landau_vae.likelihoods.fitted_dispersion import Dispersed, dispersed
from landau_vae.likelihoods.functions import Generator, Rest
from landau_vae.likelihoods.groups import categorical, mixed
from landau_vae.likelihoods.likelihood import KNOWN, Likelihood, as_likelihood, by_name, natural_parameter
from landau_vae.likelihoods.metric import gaussian, mean_variance, quadratic
from landau_vae.likelihoods.own import any_loss, perceptual
from landau_vae.likelihoods.robust import huber, laplace, smooth_l1, student_t
from landau_vae.likelihoods.sizes import Sized, sized, with_sizes

__all__ = [
    "BERNOULLI", "FAMILY", "GAUSSIAN", "KNOWN", "POISSON", "Dispersed", "Generator", "Likelihood", "Rest", "Sized",
    "any_loss", "as_likelihood", "by_name", "categorical", "dispersed", "gaussian", "huber", "laplace", "mean_variance",
    "mixed", "natural_parameter", "negative_binomial", "perceptual", "quadratic", "sized", "smooth_l1", "student_t",
    "with_sizes", "zero_inflated",
]  # fmt: skip
