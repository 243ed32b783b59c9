"""Predictor–corrector continuation of the equilibria of any smooth loss: branches, bifurcations, jumps, potentials."""

from landau_vae.numeric.continuation.branch import Branch
from landau_vae.numeric.continuation.coexistence import Coexistence, Exchange, coexistence
from landau_vae.numeric.continuation.descend import State, minima
from landau_vae.numeric.continuation.follow import Diagram, follow
from landau_vae.numeric.continuation.hysteresis import Hysteresis, hysteresis
from landau_vae.numeric.continuation.potential import Potential, landau_potential, telling_potential
from landau_vae.numeric.continuation.special import SpecialPoint
from landau_vae.numeric.continuation.status import Status
from landau_vae.numeric.continuation.sweep import Jump, Sweep, sweep

__all__ = [
    "Branch", "Coexistence", "Diagram", "Exchange", "Hysteresis", "Jump", "Potential", "SpecialPoint", "State",
    "Status", "Sweep", "coexistence", "follow", "hysteresis", "landau_potential", "minima", "sweep",
    "telling_potential",
]  # fmt: skip
