"""Data to try at once: aggregate statistics of real data sets, shipped with the package."""

from landau_vae.datasets.worldclim import WorldClim, worldclim

__all__ = ["WorldClim", "worldclim"]
