"""The comparison of theory with trained models: that it passes where it should, and that it can fail."""

import json

import numpy as np
import pytest
from conftest import CLOSED

import landau_vae as lv
from landau_vae.training import Exact
from landau_vae.verification import branches


def test_the_main_claim_on_real_climate(climate, climate_scan):
    """The issue's own words: thresholds within 1 %, utilities within 1 % of theory, and of λ_k/V at T ≤ T_k/10."""
    result = lv.verify(climate_scan, climate)
    assert result.agrees
    assert result.verdict == ("agrees",) * 18
    assert np.abs(result.threshold_error).max() < 0.01
    assert np.abs(result.utility_error).max() < 0.01
    reached = climate.normalized >= 10 * climate_scan.temperature.values.min()
    assert reached.sum() == 16
    assert np.array_equal(~np.isnan(result.utility_pca_error), reached)
    assert np.nanmax(np.abs(result.utility_pca_error)) < 0.01
    assert [(pca, kept) for _, pca, kept in result.ranks] == [(k, k) for k in (6, 9, 10, 12, 15, 17)]


def test_thresholds_lie_in_their_brackets(climate, climate_scan):
    measured = branches(climate_scan, climate)
    low, high = measured.brackets.T
    assert np.all((low[:18] <= measured.thresholds[:18]) & (measured.thresholds[:18] <= high[:18]))
    assert np.all((low[:18] < climate.normalized) & (climate.normalized < high[:18]))
    assert low[18] == 0  # the 19th never lives
    assert np.isnan(measured.thresholds[18])


def test_utilities_sum_to_what_the_models_explain(climate, climate_scan):
    measured = branches(climate_scan, climate)
    for kind in ("sampled", "mean"):
        kept = measured.rank_distortion(kind)
        np.testing.assert_allclose(kept[:, 0], 1, rtol=CLOSED)
        np.testing.assert_allclose(1 - measured.utility(kind)[0].sum(axis=1), kept[:, -1], atol=CLOSED)
    models = climate_scan.sortby("temperature")
    np.testing.assert_allclose(measured.rank_distortion("sampled")[:, -1], models.distortion[0], atol=CLOSED)


@pytest.fixture(scope="module")
def small():
    spectrum = lv.Spectrum.from_eigenvalues([4, 2, 0.5])
    return spectrum, lv.scan(spectrum, np.geomspace(1, 0.003, 41), seeds=(0, 1))


@pytest.mark.parametrize("kind", ["sampled", "mean"])
def test_agreement_for_both_reconstructions(small, kind):
    spectrum, models = small
    assert lv.verify(models, spectrum, reconstruction=kind).agrees


def test_a_wrong_spectrum_is_refuted(small):
    _, models = small
    result = lv.verify(models, lv.Spectrum.from_eigenvalues([4, 1.9, 0.6]))
    assert not result.agrees
    assert result.verdict[1:] == ("disagrees", "disagrees")
    assert "Modes" in result.conclusion()


def test_a_wrong_price_is_refuted(small):
    """The most common error: the KL weight is not what it was believed to be."""
    spectrum, models = small
    mislabelled = models.assign_coords(temperature=models.temperature * 1.05)
    assert set(lv.verify(mislabelled, spectrum).verdict) == {"disagrees"}


def test_a_broken_latent_is_refuted(small):
    """One seed of two, one temperature: the strongest latent explains less than it should."""
    spectrum, models = small
    broken = models.copy(deep=True)
    coldest = int(np.argmin(models.temperature.values))
    broken.pruned_distortion[0, coldest, :, 1:] += 0.04
    assert "disagrees" in lv.verify(broken, spectrum).verdict


def test_leaving_the_law_anywhere_is_refuted(small):
    """One seed, one temperature, far from threshold and from the coldest models: only the law itself can tell."""
    spectrum, models = small
    bent = models.copy(deep=True)
    index = int(np.argmin(np.abs(models.temperature.values - 0.05)))
    bent.posterior_variance[0, index] *= 1.5
    square = bent.mean_square[0, index]
    bent.signal_fraction[0, index] = square / (square + bent.posterior_variance[0, index])
    result = lv.verify(bent, spectrum)
    assert np.abs(result.threshold_error[0]) < 0.01
    assert np.abs(result.utility_error[0]) < 0.01
    assert result.law_error[0] > 0.01
    assert result.verdict[0] == "disagrees"


def test_an_end_that_only_one_temperature_sees_is_not_claimed():
    spectrum = lv.Spectrum.from_eigenvalues([4, 1])
    result = lv.verify(lv.scan(spectrum, [0.9, 0.5, 0.3, 0.19]), spectrum)
    assert result.verdict == ("agrees", "outside the grid")


def test_too_little_training_is_told_from_disagreement(climate):
    models = lv.scan(climate, np.geomspace(1, 1e-3, 21), trainer=Exact(max_iterations=15))
    result = lv.verify(models, climate)
    assert not result.agrees
    assert "not converged" in result.verdict
    assert "disagrees" not in result.verdict
    assert "stopped short" in result.conclusion()


def test_ends_outside_the_grid_are_not_claimed(small):
    spectrum, _ = small
    models = lv.scan(spectrum, np.geomspace(0.4, 0.1, 21))
    result = lv.verify(models, spectrum)
    assert result.verdict == ("outside the grid", "agrees", "outside the grid")
    assert result.agrees
    assert np.isnan(result.threshold[[0, 2]]).all()


def test_fewer_latents_than_modes(small):
    spectrum, _ = small
    result = lv.verify(lv.scan(spectrum, np.geomspace(1, 0.003, 41), latents=2), spectrum)
    assert result.verdict == ("agrees", "agrees")
    assert result.ranks[0][1:] == (3, None)  # two latents cannot leave less than 8 % of the variance


def test_multiplets_die_together():
    spectrum = lv.Spectrum.from_eigenvalues([3, 1, 1, 1])
    result = lv.verify(lv.scan(spectrum, np.geomspace(1, 0.01, 41)), spectrum)
    assert result.agrees
    np.testing.assert_allclose(result.threshold[1:], 1 / 6, rtol=1e-4)  # trained to 1e-5 in M²


def test_models_of_other_data_are_refused(small):
    _, models = small
    with pytest.raises(lv.InputError, match="trained on 3 features"):
        lv.verify(models, lv.Spectrum.from_eigenvalues([1, 2]))


def test_json_is_strict(climate, climate_scan):
    text = json.dumps(lv.verify(climate_scan, climate).to_dict(), allow_nan=False)
    modes = json.loads(text)["modes"]
    assert len(modes) == 18
    assert modes[17]["utility_pca_error"] is None
    assert modes[0]["threshold"] == pytest.approx(0.564316, rel=1e-5)
