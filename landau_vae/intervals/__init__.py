"""How far a spectrum of n rows can be trusted as one of the population: errors, intervals, caveats, the bootstrap."""

from landau_vae.intervals._bootstrap import bootstrap
from landau_vae.intervals._uncertainty import uncertainty
from landau_vae.intervals.estimates import Count, Estimate
from landau_vae.intervals.result import Uncertainty

__all__ = ["Count", "Estimate", "Uncertainty", "bootstrap", "uncertainty"]
