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

from landau_vae.datasets.worldclim_layers import Layers, worldclim_layers
from landau_vae.errors import InputError

__all__ = ["statistics"]

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


def statistics(layers: Layers, *, weighted: bool) -> dict[str, Any]:
    """Means, standard deviations and correlations of the cells."""
    moments = layers.moments(weighted=weighted)
    std = np.sqrt(moments.variance)
    correlation = moments.covariance / np.outer(std, std)
    np.fill_diagonal(correlation, 1.0)
    return {"mean": moments.mean.tolist(), "std": std.tolist(), "correlation": correlation.tolist()}


def main(folder: str, output: str = str(Path(__file__).with_name("worldclim.json"))) -> None:
    """Write the shipped file."""
    layers = worldclim_layers(folder)
    Path(output).write_text(
        json.dumps(
            {
                "names": layers.names,
                "descriptions": layers.descriptions,
                "cells": len(layers.cells),
                "provenance": PROVENANCE,
                "citation": CITATION,
                "licence": LICENCE,
                "unweighted": statistics(layers, weighted=False),
                "area_weighted": statistics(layers, weighted=True),
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
