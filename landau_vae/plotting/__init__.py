"""Pictures: the cascade as predicted, trained models against it, branches and their bifurcations.

Each function draws one idea on an `Axes` (a new figure by default) and returns it; `overview` puts the four pictures of
a verification on one page. Nothing here computes physics, shows windows or keeps state.
"""

from landau_vae.plotting.followed import bifurcation_page, bifurcations, landau_potential
from landau_vae.plotting.moving import activation
from landau_vae.plotting.predicted import cascade
from landau_vae.plotting.sized import dataset_size
from landau_vae.plotting.style import STYLE
from landau_vae.plotting.verified import branches, overview, rate_distortion, spectra, universal_law

__all__ = [
    "STYLE", "activation", "bifurcation_page", "bifurcations", "branches", "cascade", "dataset_size",
    "landau_potential", "overview", "rate_distortion", "spectra", "universal_law",
]  # fmt: skip
