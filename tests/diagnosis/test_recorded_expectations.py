"""The record of networks against the KL and error expected (tests/studies/expected_kl.json), and a sample anew."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import landau_vae as lv
from landau_vae import limits

STUDIES = Path(__file__).parents[1] / "studies"
LINEAR = 0.02  # share by which trained linear models are off at most, as the docstring of `explain` says
SAYS_TOO_MANY = 3  # latents of networks, as the docstring of `explain` says


@pytest.fixture(scope="module", autouse=True)
def study():
    """The study's modules, which need JAX."""
    pytest.importorskip("jax", reason="the study trains with JAX")
    sys.path.insert(0, str(STUDIES))
    yield
    sys.path.remove(str(STUDIES))


@pytest.fixture(scope="module")
def models() -> list[dict]:
    return json.loads((STUDIES / "expected_kl.json").read_text())["models"]


def explained(model):
    """Return what is said of a model's two numbers; the spectrum is that of its rows."""
    from expected_kl import rows

    spectrum = lv.Spectrum.from_data(rows(model["data"]))
    loss = lv.Loss.gaussian(model["ratio"] * spectrum.eigenvalues[0], latents=model["latents"])
    return lv.explain(model["kl"], model["error"] / 2, loss=loss, spectrum=spectrum)


def ratios(models, quantity):
    return np.array([model[quantity] / model[f"expected_{quantity}"] for model in models])


def test_the_record_is_complete(models):
    from expected_kl import NETWORKS, PRICES

    sets = {model["data"] for model in models}
    assert len(models) == len(sets) * len(NETWORKS) * len(PRICES)
    assert len(sets) >= 10


def test_linear_models_are_within_the_stated_share(models):
    linear = [model for model in models if model["network"] == "linear"]
    for quantity in ("kl", "error"):
        np.testing.assert_allclose(ratios(linear, quantity), 1.0, atol=LINEAR)


def test_networks_are_within_the_stated_band(models):
    """The band is no wider than it has to be: its ends are within a twentieth of the farthest networks."""
    networks = [model for model in models if model["network"] != "linear"]
    rate, error = ratios(networks, "kl"), ratios(networks, "error")
    assert limits.NETWORK_RATE_LEAST <= rate.min() <= 1.05 * limits.NETWORK_RATE_LEAST
    assert 0.95 * limits.NETWORK_RATE <= rate.max() <= limits.NETWORK_RATE
    assert error.min() == pytest.approx(0.05, abs=0.005)
    assert error.max() <= 1.0
    low, high = np.quantile(rate, [0.25, 0.75])
    assert (round(low, 1), round(high, 1)) == (0.9, 1.1)
    assert len(networks) == 66


def test_no_alarm_for_any_of_them(models):
    """Numbers are stored to four digits, so linear models count as one with the tolerance of their own finding."""
    available = [model for model in models if model["data"] != "worldclim"]  # whose rows are not in the project
    for model in available:
        result = explained(model)
        assert result.verdict == "active"
        assert not any(finding.alarm for finding in result.findings)
        assert "other-units" not in [finding.code for finding in result.findings]
        network = model["network"] != "linear"
        assert model["active"] <= result.active + 1
        assert result.active - model["active"] <= (SAYS_TOO_MANY if network else 0)
        assert result.efficiency <= limits.NETWORK_GAIN
        assert result.efficiency >= 0.97  # nothing that is nearly at rest is worse than linear


@pytest.mark.slow
@pytest.mark.parametrize(("data", "network"), [("gaussian", "64"), ("banana", "64x64"), ("wine", "linear")])
def test_networks_that_are_trained_afresh_do_as_recorded(models, data, network):
    """Other processors round otherwise, and training is chaotic: a twentieth of the KL and of the error."""
    from expected_kl import trained

    for now in trained(data, network):
        [before] = [m for m in models if all(m[key] == now[key] for key in ("data", "network", "ratio", "seed"))]
        assert now["kl"] == pytest.approx(before["kl"], rel=0.05)
        assert now["error"] == pytest.approx(before["error"], rel=0.05)


def test_the_readme_has_the_table(models):
    from expected_kl import table

    assert table(models) in (STUDIES / "README.md").read_text(encoding="utf-8")
