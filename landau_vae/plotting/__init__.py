"""Figures: the cascade as predicted, trained models against it, a diagnosis, branches and their bifurcations.

Each function draws one idea on an `Axes` (a new figure by default) and returns it;
`overview` puts the four pictures of a verification on one page. Nothing here computes
physics, shows windows or
keeps state.
"""

from landau_vae.plotting._activation import activation
from landau_vae.plotting._cascade import cascade
from landau_vae.plotting._dataset_size import dataset_size
from landau_vae.plotting._expected import expected
from landau_vae.plotting._frontier import frontier
from landau_vae.plotting._onset import onset
from landau_vae.plotting.bifurcation_diagram import bifurcation_page, bifurcations, landau_potential
from landau_vae.plotting.diagnosis import (
    diagnosed_cascade,
    latent_bars,
    prices_in_effect,
    rank_distortion_of,
    spectrum_with_floor,
)
from landau_vae.plotting.spectroscopy import (
    distortion_curves,
    effective_dimension,
    hysteresis_loop,
    identity,
    onset_branches,
    onset_rates,
    rank_distortion,
    spectroscopy_page,
)
from landau_vae.plotting.style import STYLE
from landau_vae.plotting.verification import branches, overview, rate_distortion, spectra, universal_law

__all__ = [
    "STYLE", "activation", "bifurcation_page", "bifurcations", "branches", "cascade", "dataset_size",
    "diagnosed_cascade", "distortion_curves", "effective_dimension", "expected", "frontier",
    "hysteresis_loop", "identity", "landau_potential", "latent_bars", "onset", "onset_branches", "onset_rates",
    "overview", "prices_in_effect", "rank_distortion", "rank_distortion_of", "rate_distortion", "spectra",
    "spectroscopy_page", "spectrum_with_floor", "universal_law",
]  # fmt: skip
