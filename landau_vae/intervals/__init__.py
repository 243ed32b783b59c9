"""How far a spectrum of n rows can be trusted as one of the population: errors, intervals, caveats, the bootstrap."""

from landau_vae.intervals._bootstrap import Bootstrap, bootstrap
from landau_vae.intervals._uncertainty import Uncertainty, uncertainty
from landau_vae.intervals.estimates import Count, Estimate

__all__ = ["Bootstrap", "Count", "Estimate", "Uncertainty", "bootstrap", "uncertainty"]
