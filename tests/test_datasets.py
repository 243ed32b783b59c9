"""The shipped climate statistics: the published numbers, and the layers where they are present."""

import json

import numpy as np
import pytest
from conftest import CLOSED

from landau_vae import InputError, datasets
from landau_vae.datasets import build_worldclim

UNWEIGHTED = """.564316 .178218 .106205 .0596682 .0350937 .0246745 .0147642 .00693978 .00499673 .00302007 8.38733e-4
5.98306e-4 2.77678e-4 1.76566e-4 1.47423e-4 5.28669e-5 9.89754e-6 2.69027e-6"""
WEIGHTED = """.510914 .223964 .0993687 .0647636 .0347429 .0282072 .0164136 .00953057 .00599030 .00364065 9.39816e-4
8.14801e-4 2.81881e-4 1.65932e-4 1.53562e-4 9.19455e-5 1.29909e-5 4.24957e-6"""


@pytest.mark.parametrize(
    ("weighted", "published", "ranks"),
    [(False, UNWEIGHTED, [6, 9, 10, 12, 15, 17]), (True, WEIGHTED, [6, 9, 10, 12, 16, 17])],
)
def test_published_spectra(weighted, published, ranks):
    """Six digits were published: half a unit of the sixth. Ranks: Table I of the follow-up to arXiv:2605.22691."""
    spectrum = datasets.worldclim(weighted=weighted).spectrum()
    np.testing.assert_allclose(spectrum.normalized, np.array(published.split(), dtype=float), rtol=5e-6)
    assert [spectrum.rank(share) for share in (0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5)] == ranks
    assert (spectrum.dimension, spectrum.unresolved, spectrum.samples) == (19, 1, 808_053)
    assert spectrum.dependencies() == [("bio5", "bio6", "bio7")]


def test_statistics_are_labelled():
    climate = datasets.worldclim()
    assert climate.names[6] == "bio7"
    assert "bio5 − bio6" in climate.descriptions[6]
    assert climate.mean[6] == pytest.approx(climate.mean[4] - climate.mean[5], rel=1e-7)  # float32 layers
    assert "redistribution" in climate.licence
    assert "Fick" in climate.citation
    np.testing.assert_array_equal(climate.correlation, climate.correlation.T)


def test_the_layers_give_the_shipped_file(layers_folder, tmp_path):
    build_worldclim.main(str(layers_folder), str(tmp_path / "again.json"))
    again = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    for weighted, key in ((False, "unweighted"), (True, "area_weighted")):
        shipped = datasets.worldclim(weighted=weighted)
        for name in ("mean", "std", "correlation"):
            np.testing.assert_allclose(again[key][name], getattr(shipped, name), rtol=CLOSED, atol=CLOSED)
    assert again["cells"] == shipped.cells


def test_missing_layers_are_named(tmp_path):
    pytest.importorskip("rasterio", reason="the extra 'worldclim' is not installed")
    with pytest.raises(InputError, match=r"wc2\.1_10m_bio_1\.tif"):
        build_worldclim.layers(tmp_path)
