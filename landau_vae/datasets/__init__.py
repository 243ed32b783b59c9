"""Data to try at once: statistics of real data shipped with the package, public sets of installed libraries, WorldClim.

load(name), NAMES       public sets by name: digits, wine, iris, diabetes, breast_cancer, terrain, worldclim, counts
counts()                counts of drawn cells with library sizes
worldclim()             statistics of WorldClim 2.1, shipped
worldclim_layers()      its cells, from the user's own copy of the layers
"""

from landau_vae.datasets._worldclim import WorldClim, worldclim
from landau_vae.datasets._worldclim_layers import Layers, worldclim_layers
from landau_vae.datasets.dataset import Dataset
from landau_vae.datasets.drawn_counts import counts
from landau_vae.datasets.spatial_blocks import BlockSplit
from landau_vae.datasets.toy_sets import NAMES, load, terrain

__all__ = [
    "NAMES", "BlockSplit", "Dataset", "Layers", "WorldClim", "counts", "load", "terrain", "worldclim",
    "worldclim_layers",
]  # fmt: skip
