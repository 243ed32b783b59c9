"""Losses whose equilibria are followed: the linear VAE and its variations, other decoders, any theory in symbols."""

from typing import TYPE_CHECKING

import lazy_loader

from landau_vae.numeric.problems.exponential_family import ExponentialFamily
from landau_vae.numeric.problems.linear_vae import Linear
from landau_vae.numeric.problems.problem import Problem

if TYPE_CHECKING:
    from landau_vae.numeric.problems.landau_theory import Symbolic as Symbolic
else:  # SymPy waits
    __getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"landau_theory": ["Symbolic"]})

__all__ = ["ExponentialFamily", "Linear", "Problem", "Symbolic"]
