"""Training by samples on the climate of all land: which modes 10 000 updates resolve, and that these agree."""

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.training import Adam, Sampled

GRID = np.geomspace(0.85, 9e-4, 37)  # from above the first threshold to below a third of the tenth
TRAINER = Sampled(updates=10_000, batch=256, optimizer=Adam(0.02), precision="float32")


def check(result, reference):
    """Ten modes die within the grid. At least eight of them resolved and agreeing, none refuted, none but one outside
    its own 95 % interval (two of ten outside: 8 % by chance, were they independent); the rest named as what it is."""
    assert result.agrees, result.summary()
    assert "disagrees" not in result.verdict, result.summary()
    assert result.verdict[:10].count("agrees") >= 8, result.summary()
    assert set(result.verdict[10:]) == {"outside the grid"}
    resolved = [k for k in range(10) if result.verdict[k] == "agrees"]
    low, high = result.threshold_interval[resolved].T
    held = (low <= reference[resolved]) & (reference[resolved] <= high)
    assert np.count_nonzero(~held) <= 1, result.summary()
    assert np.all(high - low < 0.2 * reference[resolved])
    assert result.causes == () or {cause.code for cause in result.causes} == {"ended-early"}


@pytest.mark.slow
@pytest.mark.parametrize("latents", [5, 32])
def test_gaussian_samples_of_the_shipped_correlations(climate, latents):
    """Against the population: intervals allow for the 20 000 rows as well."""
    values, vectors = np.linalg.eigh(climate.matrix)
    normal = np.random.default_rng(1).standard_normal((20_000, 19))
    rows = normal * np.sqrt(np.maximum(values, 0)) @ vectors.T
    models = lv.scan(rows, GRID, latents=latents, seeds=range(5), trainer=TRAINER, workers=2)
    result = lv.verify(models, climate)
    if latents == 5:
        assert result.verdict == ("agrees",) * 5, result.summary()
        return
    check(result, climate.normalized[:18])


@pytest.mark.slow
def test_the_real_layers(layers_folder, climate):
    """All 808 053 cells, far from Gaussian; against the spectrum of these very cells."""
    cells = lv.datasets.worldclim_layers(layers_folder).cells
    models = lv.scan(cells, GRID, seeds=range(5), standardize=True, trainer=TRAINER, workers=2)
    result = lv.verify(models)
    np.testing.assert_allclose(result.spectrum.normalized, climate.normalized, rtol=1e-4)  # six decades of float32
    check(result, climate.normalized[:18])
