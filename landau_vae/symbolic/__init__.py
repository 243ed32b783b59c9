"""The derivations: a loss, its collapsed point, its Landau expansion and everything that follows, in SymPy."""

from landau_vae.symbolic import first_collapse, hierarchy, linear, typeset, variations
from landau_vae.symbolic._exponential_family import cumulants, exponential_family, moment
from landau_vae.symbolic.algebra import gaussian_mean, vanishes
from landau_vae.symbolic.catalogue import derive, names, title
from landau_vae.symbolic.landau import Branch, Expansion, Landau

__all__ = [
    "Branch", "Expansion", "Landau", "cumulants", "derive", "exponential_family", "first_collapse", "gaussian_mean",
    "hierarchy", "linear", "moment", "names", "title", "typeset", "vanishes", "variations",
]  # fmt: skip
