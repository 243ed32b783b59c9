"""The 19 layers of WorldClim 2.1 themselves, cell by cell (extra `worldclim`).

layers = lv.datasets.worldclim_layers("folder")      # or the folder that LANDAU_VAE_WORLDCLIM names
layers = lv.datasets.worldclim_layers(download=True) # fetched once, into the user's cache
layers.spectrum(), layers.spectrum(weighted=True)    # the two rows that are published
split = layers.split()                               # by whole blocks of 500 km
layers.take(split.training).spectrum()               # standardised on the training part alone
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.moments import Moments
from landau_vae.data.tables import row_blocks
from landau_vae.datasets.files import LAYERS, check_layer, fetched_layers, rasterio_module
from landau_vae.datasets.spatial_blocks import BlockSplit, block_area, block_labels, cell_weights, split_blocks
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["DESCRIPTIONS", "Layers", "worldclim_layers"]

DESCRIPTIONS = (
    "annual mean temperature [°C]",
    "mean diurnal range [°C]",
    "isothermality (bio2/bio7) [%]",
    "temperature seasonality (standard deviation) [0.01 °C]",
    "maximum temperature of the warmest month [°C]",
    "minimum temperature of the coldest month [°C]",
    "annual temperature range (bio5 − bio6) [°C]",
    "mean temperature of the wettest quarter [°C]",
    "mean temperature of the driest quarter [°C]",
    "mean temperature of the warmest quarter [°C]",
    "mean temperature of the coldest quarter [°C]",
    "annual precipitation [mm]",
    "precipitation of the wettest month [mm]",
    "precipitation of the driest month [mm]",
    "precipitation seasonality (coefficient of variation) [%]",
    "precipitation of the wettest quarter [mm]",
    "precipitation of the driest quarter [mm]",
    "precipitation of the warmest quarter [mm]",
    "precipitation of the coldest quarter [mm]",
)


@dataclass(frozen=True, eq=False)
class Layers:
    """The land cells that hold data in all 19 layers, from north to south and from west to east."""

    cells: NDArray[np.float32]  #: (n, 19), the variables' units
    latitude: Array  #: of the cells' centres, (n,), degrees north
    longitude: Array  #: of the cells' centres, (n,), degrees east
    names: tuple[str, ...]  #: bio1 … bio19
    descriptions: tuple[str, ...]  #: what each variable is, with its unit
    folder: Path  #: where the layers lie

    @cached_property
    def weights(self) -> Array:
        """The cells' areas up to a factor, cos(latitude), (n,)."""
        return cell_weights(self.latitude)

    def moments(self, *, weighted: bool = False) -> Moments:
        """Means and covariances of the cells, in double precision."""
        moments, first = Moments(self.cells.shape[1]), 0
        for block in row_blocks(self.cells):
            moments.add(block, self.weights[first : first + len(block)] if weighted else None)
            first += len(block)
        return moments

    def spectrum(self, *, weighted: bool = False, standardize: bool = True) -> Spectrum:
        """The exact spectrum of these cells, each counted once or by its area."""
        weights = self.weights if weighted else None
        return Spectrum.from_data(self.cells, standardize=standardize, weights=weights, names=self.names)

    def take(self, rows: ArrayLike) -> "Layers":
        """Some of the cells, by indices or by a mask."""
        rows = np.asarray(rows)
        return replace(
            self,
            cells=readonly(self.cells[rows], np.float32),
            latitude=readonly(self.latitude[rows]),
            longitude=readonly(self.longitude[rows]),
        )

    def blocks(self, size_km: float = 500.0) -> NDArray[np.int64]:
        """The block of each cell, (n,): all blocks have the same area, size_km² as nearly as they tile the sphere."""
        return block_labels(self.latitude, self.longitude, size_km)

    def split(
        self, fractions: Sequence[float] = (0.8, 0.1, 0.1), *, block_km: float = 500.0, seed: int = 0
    ) -> BlockSplit:
        """Training, validation and test part, by whole blocks; `fractions` are shares of the cells, nearly met."""
        (training, validation, test), blocks = split_blocks(self.blocks(block_km), fractions, seed)
        return BlockSplit(training, validation, test, blocks, block_area(block_km))

    def __repr__(self) -> str:
        return f"Layers({len(self.cells)} land cells × {len(self.names)} variables)"


def worldclim_layers(folder: str | Path | None = None, *, download: bool = False, check: bool = True) -> Layers:
    """The cells of WorldClim 2.1 at 10 arc-minutes, from wc2.1_10m_bio_1.tif … wc2.1_10m_bio_19.tif.

    They lie in `folder`, or in the one that the environment variable LANDAU_VAE_WORLDCLIM names; `download` fetches
    them (48 MB) into the user's cache unless they are there. Each has to be the official one by its SHA-256, unless
    `check` is False. The layers may not be passed on (worldclim.org), their aggregates may.
    """
    if folder is not None and download:
        raise InputError("Both a folder of layers and download=True were given: leave one of the two out.")
    if download:
        folder, check = fetched_layers(), False  # it has just been checked
    elif folder is None and not (folder := os.environ.get("LANDAU_VAE_WORLDCLIM")):
        raise InputError(
            "No folder of WorldClim layers is known: name one, set LANDAU_VAE_WORLDCLIM, or fetch them with "
            "worldclim_layers(download=True)."
        )
    bands, north, east = _read(Path(folder), check)
    valid = ~np.any([np.ma.getmaskarray(band) for band in bands], axis=0)
    if not valid.any():
        raise InputError(f"No cell holds data in all {len(bands)} layers of {folder}: download them again.")
    row, column = np.nonzero(valid)
    return Layers(
        readonly(np.stack([band.data[valid] for band in bands], axis=1), np.float32),
        readonly(north[row]),
        readonly(east[column]),
        tuple(f"bio{number}" for number in range(1, len(bands) + 1)),
        DESCRIPTIONS,
        Path(folder),
    )


def _read(folder: Path, check: bool) -> tuple[list[np.ma.MaskedArray[Any, Any]], Array, Array]:
    """All layers, and the degrees north of their rows and east of their columns."""
    rasterio = rasterio_module()
    bands: list[np.ma.MaskedArray[Any, Any]] = []
    place: Any = None
    for name in LAYERS:
        path = folder / name
        if not path.is_file():
            raise InputError(f"There is no layer {path}: download the 10-minute 'bio' layers of WorldClim 2.1.")
        if check:
            check_layer(path)
        try:
            with rasterio.open(path) as source:
                bands.append(source.read(1, masked=True))
                own = (source.shape, source.transform)
        except rasterio.errors.RasterioError as problem:
            raise InputError(
                f"The layer {path} is damaged or no GeoTIFF ({str(problem).splitlines()[0].rstrip('.')}): download it "
                "again."
            ) from None
        place = place or own
        if own != place:
            raise InputError(f"The layer {path} covers another map than {LAYERS[0]}: download both again.")
    (height, width), transform = place
    north = transform.f + transform.e * (np.arange(height) + 0.5)
    east = transform.c + transform.a * (np.arange(width) + 0.5)
    if max(abs(north)) > 90 or max(abs(east)) > 180:
        raise InputError(
            f"The layers in {folder} are not in degrees of latitude and longitude: give the official ones."
        )
    return bands, north, east
