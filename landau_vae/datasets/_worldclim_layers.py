"""The 19 layers of WorldClim 2.1 themselves, cell by cell (extra `worldclim`).

layers = lv.datasets.worldclim_layers("folder")      # or the folder that LANDAU_VAE_WORLDCLIM names
layers = lv.datasets.worldclim_layers(download=True) # fetched once, into the user's cache
layers.spectrum(), layers.spectrum(weighted=True)    # the two rows that are published
split = layers.split()                               # by whole blocks of 500 km
layers.take(split.training).spectrum()               # standardised on the training part alone

The statistics that are shipped, `worldclim.json`, were made of these layers by
`write_statistics`.
"""

import hashlib
import importlib
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import checked
from landau_vae.data.archive import held, replace_file
from landau_vae.data.door import is_file
from landau_vae.datasets._worldclim import SHIPPED, worldclim
from landau_vae.datasets.spatial_blocks import BlockSplit, block_area, block_labels, split_blocks
from landau_vae.display import Array, jsonable, readonly
from landau_vae.errors import InputError, reason
from landau_vae.spectrum.spectrum import Spectrum

URL = "https://geodata.ucdavis.edu/climate/worldclim/2_1/base/wc2.1_10m_bio.zip"
LAYERS = tuple(f"wc2.1_10m_bio_{number}.tif" for number in range(1, 20))
CHECKSUMS = Path(__file__).with_name("worldclim_layers.sha256")
TIMEOUT = 60  # seconds without an answer


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
        """Areas of the cells up to a factor, cos(latitude), (n,)."""
        return readonly(np.cos(np.deg2rad(self.latitude)))

    @checked
    def spectrum(self, *, weighted: bool = False, standardize: bool = True) -> Spectrum:
        """Return the exact spectrum of these cells.

        Parameters
        ----------
        weighted : bool, default False
            Whether each cell counts by its area.
        standardize : bool, default True
            Whether to divide each variable by its standard deviation.

        Returns
        -------
        Spectrum
            Of the 19 variables.
        """
        weights = self.weights if weighted else None
        return Spectrum.from_data(self.cells, standardize=standardize, weights=weights, names=self.names)

    def take(self, rows: ArrayLike) -> "Layers":
        """Return some of the cells.

        Parameters
        ----------
        rows : array_like
            Indices of cells, or a mask (n,).

        Returns
        -------
        Layers
            With these cells alone.
        """
        try:
            index = np.asarray(rows)
            cells, north, east = (part[index] for part in (self.cells, self.latitude, self.longitude))
        except (TypeError, ValueError, IndexError, OverflowError, RuntimeError):
            cells = np.empty(0)
        if cells.ndim != 2:
            raise InputError(f"The rows are not indices of the {len(self.cells)} cells, nor a mask of them.", "rows")
        return replace(self, cells=readonly(cells, np.float32), latitude=readonly(north), longitude=readonly(east))

    def blocks(self, size_km: float = 500.0) -> NDArray[np.int64]:
        """Return the block of each cell, (n,); all blocks have the same area.

        Parameters
        ----------
        size_km : float, default 500
            Root of the area, met as nearly as blocks tile the sphere.

        Returns
        -------
        (n,) array of int
            Numbers of blocks.
        """
        return block_labels(self.latitude, self.longitude, size_km)

    def split(
        self, fractions: Sequence[float] = (0.8, 0.1, 0.1), *, block_km: float = 500.0, seed: int = 0
    ) -> BlockSplit:
        """Split the cells into a training, a validation and a test part, by whole blocks.

        Parameters
        ----------
        fractions : sequence of 3 float, default (0.8, 0.1, 0.1)
            Shares of the cells, nearly met.
        block_km : float, default 500
            Size of the blocks, as in `blocks`.
        seed : int, default 0
            Of the order in which blocks are dealt out.

        Returns
        -------
        BlockSplit
            Indices of the cells of each part.
        """
        (training, validation, test), blocks = split_blocks(self.blocks(block_km), fractions, seed)
        return BlockSplit(training, validation, test, blocks, block_area(block_km))

    def __repr__(self) -> str:
        return f"Layers({len(self.cells)} land cells × {len(self.names)} variables)"


@checked
def worldclim_layers(folder: str | Path | None = None, *, download: bool = False, check: bool = True) -> Layers:
    """Read the cells of WorldClim 2.1 at 10 arc-minutes, from wc2.1_10m_bio_1.tif … wc2.1_10m_bio_19.tif.

    The layers may not be passed on (worldclim.org), their aggregates may.

    Parameters
    ----------
    folder : str or Path, optional
        Where the layers are; by default the folder that the environment variable
        LANDAU_VAE_WORLDCLIM names.
    download : bool, default False
        Whether to fetch them (48 MB) into the user's cache unless they are there.
    check : bool, default True
        Whether each must be the official layer by its SHA-256.

    Returns
    -------
    Layers
        The land cells that hold data in all layers.

    Raises
    ------
    InputError
        For layers that are missing, damaged or not official, and without the extra `worldclim`.
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
        worldclim().descriptions,
        Path(folder),
    )


def _read(folder: Path, check: bool) -> tuple[list[np.ma.MaskedArray[Any, Any]], Array, Array]:
    """Return all layers, and the degrees north of their rows and east of their columns."""
    paths = [folder / name for name in LAYERS]
    if missing := [path for path in paths if not is_file(path)]:
        raise InputError(f"There is no layer {missing[0]}: download the 10-minute 'bio' layers of WorldClim 2.1.")
    rasterio = _extra("rasterio")
    bands: list[np.ma.MaskedArray[Any, Any]] = []
    place: Any = None
    for path in paths:
        if check:
            check_layer(path)
        try:
            with rasterio.open(path) as source:
                bands.append(source.read(1, masked=True))
                own = (source.shape, source.transform)
        except rasterio.errors.RasterioError as problem:
            found = f"The layer {path} is damaged, or not a GeoTIFF file ({reason(problem)})"
            raise InputError(f"{found}: download it again.") from None
        place = place or own
        if own != place:
            raise InputError(f"The layer {path} covers another map than {LAYERS[0]}: download both again.")
    (height, width), transform = place
    north = transform.f + transform.e * (np.arange(height) + 0.5)
    east = transform.c + transform.a * (np.arange(width) + 0.5)
    if max(abs(north)) > 90 or max(abs(east)) > 180:
        raise InputError(f"The layers in {folder} are not in degrees of latitude and longitude: give official ones.")
    return bands, north, east


def write_statistics(layers: Layers, output: Path) -> None:
    """Write the aggregates of all cells: names and texts of the shipped file, numbers of these layers."""
    content = json.loads(SHIPPED.read_text(encoding="utf-8")) | {"cells": len(layers.cells)}
    for key, weighted in {"unweighted": False, "area_weighted": True}.items():
        spectrum = layers.spectrum(weighted=weighted)
        content[key] = jsonable({"mean": spectrum.mean, "std": spectrum.scale, "correlation": spectrum.matrix})
    text = json.dumps(content, ensure_ascii=False, indent=1)
    replace_file(output, lambda beside: beside.write_text(text, encoding="utf-8"))


def check_layer(path: Path) -> None:
    """Raise `InputError` unless a file is the official layer of its name."""
    if not _is_official(path):
        raise InputError(
            f"The layer {path} is damaged or not the official one of WorldClim 2.1 at 10 arc-minutes (its SHA-256 "
            "differs): download it again, or, in Python, give check=False if it is meant."
        )


def fetched_layers() -> Path:
    """Return the folder in the user's cache with all official layers; download what is missing there.

    The SHA-256 of each layer is known, that of the archive they come in is not: layers are
    checked once unpacked.
    """
    pooch = _extra("pooch")
    folder = Path(pooch.os_cache("landau-vae")) / "worldclim"
    if all(_is_official(folder / name) for name in LAYERS):
        return folder
    with held(folder, "download.lock"):
        _fetch(folder, pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT))
    for name in LAYERS:
        if not (folder / name).is_file():
            raise InputError(f"The archive at {URL} holds no layer {name}: download the layers by hand.")
        check_layer(folder / name)
    return folder


def _fetch(folder: Path, downloader: Callable[[str, str, Any], object]) -> None:
    """Download the archive and unpack the layers that are missing or damaged; an interruption leaves no half of one."""
    archive = folder / ".wc2.1_10m_bio.zip.part"
    try:
        downloader(URL, str(archive), None)
        with zipfile.ZipFile(archive) as packed:
            members = {PurePosixPath(member).name: member for member in packed.namelist()}
            for name in LAYERS:
                if name in members and not _is_official(folder / name):
                    content = packed.read(members[name])
                    replace_file(folder / name, partial(Path.write_bytes, data=content))
    except InputError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile) as problem:
        raise InputError(
            f"The WorldClim layers could not be fetched from {URL} to {folder} ({reason(problem)}): try again with a "
            "network and room for them, or download them by hand and name their folder."
        ) from None
    finally:
        archive.unlink(missing_ok=True)


def _extra(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        message = f"The WorldClim layers need {name}, of the extra 'worldclim': pip install 'landau-vae[worldclim]'."
        raise InputError(message) from None


def _is_official(path: Path) -> bool:
    known = {name: digest for digest, name in map(str.split, CHECKSUMS.read_text(encoding="ascii").splitlines())}
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == known[path.name]
