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

from landau_vae.datasets._worldclim_layers import Layers, worldclim_layers

SHIPPED = Path(__file__).with_name("worldclim.json")


def statistics(layers: Layers, *, weighted: bool) -> dict[str, Any]:
    """Return means, standard deviations and correlations of the cells."""
    moments = layers.moments(weighted=weighted)
    std = np.sqrt(moments.variance)
    correlation = moments.covariance / np.outer(std, std)
    np.fill_diagonal(correlation, 1.0)
    return {"mean": moments.mean.tolist(), "std": std.tolist(), "correlation": correlation.tolist()}


def main(folder: str, output: str = str(SHIPPED)) -> None:
    """Write the shipped file again: names and texts of the one that is there, numbers of the layers in a folder."""
    layers = worldclim_layers(folder)
    content = json.loads(SHIPPED.read_text(encoding="utf-8")) | {
        "cells": len(layers.cells),
        "unweighted": statistics(layers, weighted=False),
        "area_weighted": statistics(layers, weighted=True),
    }
    Path(output).write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
