"""Likelihoods as objects: what a decoder's output costs against the data, and what follows from it."""

from landau_vae.likelihoods.canonical import BERNOULLI, FAMILY, GAUSSIAN, POISSON
from landau_vae.likelihoods.likelihood import KNOWN, Generator, Likelihood, Rest, as_likelihood, natural_parameter

__all__ = [
    "BERNOULLI", "FAMILY", "GAUSSIAN", "KNOWN", "POISSON", "Generator", "Likelihood", "Rest", "as_likelihood",
    "natural_parameter",
]  # fmt: skip
