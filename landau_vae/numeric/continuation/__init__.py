"""Predictor–corrector continuation of the equilibria of any smooth loss: branches, bifurcations, jumps, potentials."""

from landau_vae.numeric.continuation._follow import Diagram, follow
from landau_vae.numeric.continuation.bifurcation_points import SpecialPoint
from landau_vae.numeric.continuation.branch import Branch
from landau_vae.numeric.continuation.coexisting_minima import Coexistence, Exchange, State, coexistence, minima
from landau_vae.numeric.continuation.hysteresis_sweep import Hysteresis, Jump, Sweep, hysteresis, sweep
from landau_vae.numeric.continuation.potential import Potential, landau_potential, telling_potential
from landau_vae.numeric.continuation.solve import Status

__all__ = [
    "Branch", "Coexistence", "Diagram", "Exchange", "Hysteresis", "Jump", "Potential", "SpecialPoint", "State",
    "Status", "Sweep", "coexistence", "follow", "hysteresis", "landau_potential", "minima", "sweep",
    "telling_potential",
]  # fmt: skip
