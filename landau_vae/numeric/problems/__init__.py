"""Losses whose equilibria are followed: the linear VAE and its variations, other decoders, any theory in symbols."""

from landau_vae.numeric.problems.exponential import ExponentialFamily
from landau_vae.numeric.problems.linear import Linear
from landau_vae.numeric.problems.problem import Problem
from landau_vae.numeric.problems.symbolic import Symbolic

__all__ = ["ExponentialFamily", "Linear", "Problem", "Symbolic"]
