"""How far a spectrum of n rows can be trusted as one of the population: errors, intervals, caveats, the bootstrap."""

from landau_vae.intervals.bootstrap import Bootstrap, bootstrap
from landau_vae.intervals.estimates import Count, Estimate
from landau_vae.intervals.uncertainty import Uncertainty, uncertainty

__all__ = ["Bootstrap", "Count", "Estimate", "Uncertainty", "bootstrap", "uncertainty"]
