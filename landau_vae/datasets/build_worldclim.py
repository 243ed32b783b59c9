"""Make `worldclim.json` from the official layers (extra `worldclim`: `pip install landau-vae[worldclim]`).

    python -m landau_vae.datasets.build_worldclim FOLDER [OUTPUT]

FOLDER holds wc2.1_10m_bio_1.tif … wc2.1_10m_bio_19.tif as downloaded from worldclim.org. Cells that are valid in
all layers count, one weight each or cos(latitude) of the cell's centre; covariances divide by the total weight.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.errors import InputError
from landau_vae.samples.moments import Moments

__all__ = ["layers", "statistics"]

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
PROVENANCE = (
    "WorldClim 2.1, historical climate 1970–2000, 10 arc-minutes, 19 bioclimatic GeoTIFF layers (float32); all cells "
    "that hold data in each layer, including 1 471 with fill-like values (bio1 = bio4 = 0, bio7 = 1) as published; "
    "aggregated in float64 with divisor n; area weights are cos(latitude) of the cell's centre."
)
CITATION = (
    "Fick, S. E. and Hijmans, R. J. (2017). WorldClim 2: new 1-km spatial resolution climate surfaces for global land "
    "areas. International Journal of Climatology 37, 4302–4315. doi:10.1002/joc.5086"
)
LICENCE = (
    "WorldClim data are free for academic and other non-commercial use; redistribution of the layers is not allowed "
    "without permission (worldclim.org). This file holds aggregate statistics only, no cell values."
)


def layers(folder: str | Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The cells (n, 19) valid in all layers, and cos(latitude) of each (n,)."""
    try:
        import rasterio
    except ModuleNotFoundError:
        raise InputError(
            "Reading the WorldClim layers needs the extra 'worldclim': pip install 'landau-vae[worldclim]'."
        ) from None
    bands = []
    for number in range(1, 20):
        path = Path(folder) / f"wc2.1_10m_bio_{number}.tif"
        if not path.exists():
            raise InputError(f"There is no layer {path}: download the 10-minute 'bio' layers of WorldClim 2.1.")
        with rasterio.open(path) as source:
            bands.append(source.read(1, masked=True))
            latitude = source.xy(np.arange(source.height), np.zeros(source.height, int))[1]
    valid = ~np.any([np.ma.getmaskarray(band) for band in bands], axis=0)
    cosine = np.cos(np.deg2rad(np.asarray(latitude, dtype=np.float64)))
    return np.stack([band.data[valid] for band in bands], axis=1), np.broadcast_to(cosine[:, None], valid.shape)[valid]


def statistics(cells: NDArray[Any], weights: NDArray[np.float64] | None) -> dict[str, Any]:
    """Means, standard deviations and correlations of the cells."""
    moments = Moments(cells.shape[1])
    moments.add(cells, weights)
    std = np.sqrt(moments.variance)
    correlation = moments.covariance / np.outer(std, std)
    np.fill_diagonal(correlation, 1.0)
    return {"mean": moments.mean.tolist(), "std": std.tolist(), "correlation": correlation.tolist()}


def main(folder: str, output: str = str(Path(__file__).with_name("worldclim.json"))) -> None:
    """Write the shipped file."""
    cells, weights = layers(folder)
    Path(output).write_text(
        json.dumps(
            {
                "names": [f"bio{number}" for number in range(1, 20)],
                "descriptions": DESCRIPTIONS,
                "cells": len(cells),
                "provenance": PROVENANCE,
                "citation": CITATION,
                "licence": LICENCE,
                "unweighted": statistics(cells, None),
                "area_weighted": statistics(cells, weights),
            },
            ensure_ascii=False,
            indent=1,
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (InputError, TypeError) as problem:
        sys.exit(f"{problem}\n\n{__doc__}")
