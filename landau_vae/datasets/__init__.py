"""Data to try at once: statistics of real data shipped with the package, public sets of installed libraries, WorldClim.

load(name), NAMES       any of them by its name; also a function each: digits(), wine(), iris(), …
worldclim()             statistics of WorldClim 2.1, shipped
worldclim_layers()      its cells, from the user's own copy of the layers
"""

from landau_vae.datasets._worldclim import WorldClim, worldclim
from landau_vae.datasets.dataset import Dataset
from landau_vae.datasets.public import NAMES, breast_cancer, diabetes, digits, iris, load, terrain, wine
from landau_vae.datasets.spatial_blocks import BlockSplit
from landau_vae.datasets.worldclim_layers import Layers, worldclim_layers

__all__ = [
    "NAMES",
    "BlockSplit",
    "Dataset",
    "Layers",
    "WorldClim",
    "breast_cancer",
    "diabetes",
    "digits",
    "iris",
    "load",
    "terrain",
    "wine",
    "worldclim",
    "worldclim_layers",
]
