"""The files of the WorldClim layers: which ones are official, and fetching them when asked to (extra `worldclim`).

The SHA-256 of each layer is known, that of the archive they come in is not: layers are checked once unpacked.
"""

import hashlib
import importlib
import zipfile
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

from landau_vae.errors import InputError

__all__ = ["LAYERS", "URL", "check_layer", "fetched_layers", "rasterio_module"]

URL = "https://geodata.ucdavis.edu/climate/worldclim/2_1/base/wc2.1_10m_bio.zip"
LAYERS = tuple(f"wc2.1_10m_bio_{number}.tif" for number in range(1, 20))
TIMEOUT = 60  # seconds without an answer


def checksums() -> dict[str, str]:
    """The SHA-256 of each official layer."""
    text = files("landau_vae.datasets").joinpath("worldclim_layers.sha256").read_text(encoding="ascii")
    return {name: digest for digest, name in map(str.split, text.splitlines())}


def check_layer(path: Path) -> None:
    """Raise `InputError` unless it is the official layer of its name."""
    if not _is_official(path):
        raise InputError(
            f"The layer {path} is damaged or not the official one of WorldClim 2.1 at 10 arc-minutes (its SHA-256 "
            "differs): download it again, or, in Python, give check=False if it is meant."
        )


def fetched_layers() -> Path:
    """The folder in the user's cache that holds all official layers; what is missing there is downloaded."""
    pooch = _extra("pooch")
    folder = Path(pooch.os_cache("landau-vae")) / "worldclim"
    if all((folder / name).is_file() and _is_official(folder / name) for name in LAYERS):
        return folder
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT)
    archive = folder / "wc2.1_10m_bio.zip"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        downloader(URL, str(archive), None)
        with zipfile.ZipFile(archive) as packed:
            for member in packed.namelist():
                if (name := PurePosixPath(member).name) in LAYERS:
                    (folder / name).write_bytes(packed.read(member))
        archive.unlink()
    except (OSError, ValueError, zipfile.BadZipFile) as problem:
        reason = str(problem).splitlines()[0][:200].rstrip(".") if str(problem) else type(problem).__name__
        raise InputError(
            f"The WorldClim layers could not be fetched from {URL} ({reason}): try again with a network, or download "
            "them by hand and name their folder."
        ) from None
    for name in LAYERS:
        if not (folder / name).is_file():
            raise InputError(f"The archive at {URL} holds no layer {name}: download the layers by hand.")
        check_layer(folder / name)
    return folder


def rasterio_module() -> Any:
    """`rasterio`, or one sentence."""
    return _extra("rasterio")


def _extra(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise InputError(
            f"The WorldClim layers need {name}, of the extra 'worldclim': pip install 'landau-vae[worldclim]'."
        ) from None


def _is_official(path: Path) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == checksums()[path.name]
