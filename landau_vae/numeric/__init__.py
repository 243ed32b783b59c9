"""Equilibria, transitions and the choice of β: closed forms of the linear Gaussian β-VAE."""

from landau_vae.numeric.choice import Choice, choose_beta
from landau_vae.numeric.equilibrium import Equilibrium, equilibrium
from landau_vae.numeric.transitions import Transitions, transitions

__all__ = ["Choice", "Equilibrium", "Transitions", "choose_beta", "equilibrium", "transitions"]
