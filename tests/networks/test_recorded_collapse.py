"""The record of networks around the first collapse (tests/studies/collapse*.json): its bars, and a sample anew."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

STUDIES = Path(__file__).parents[1] / "studies"
SETS = {"order": 9, "place": 9}  # of ten data sets agree at least
CONTINUOUS = ("gaussian", "digits")  # which have no visible jump


@pytest.fixture(scope="module", autouse=True)
def study():
    """The study's modules, which need JAX."""
    pytest.importorskip("jax", reason="the study trains with JAX")
    sys.path.insert(0, str(STUDIES))
    yield
    sys.path.remove(str(STUDIES))


def recorded(name: str) -> list[dict]:
    return json.loads((STUDIES / f"{name}.json").read_text())["models"]


@pytest.fixture(scope="module")
def networks() -> list[dict]:
    return recorded("collapse")


@pytest.fixture(scope="module")
def predictions() -> dict[str, dict]:
    return {each["data"]: each for each in recorded("collapse_predicted")}


def test_the_record_is_complete(networks, predictions):
    from collapse import SEEDS
    from collapse_sets import PRICES

    wanted = {
        (name, start, ratio, seed)
        for name, prices in PRICES.items()
        for ratio in prices
        for start in ("warm", "fresh")
        for seed in SEEDS
    }
    assert {(each["data"], each["start"], each["ratio"], each["seed"]) for each in networks} == wanted
    assert set(predictions) == set(PRICES)
    assert len(PRICES) >= 6


def test_networks_agree_with_the_prediction_in_order_and_in_place(networks, predictions):
    from collapse_compare import agreement
    from collapse_observed import observed

    agree = [agreement(each, observed(networks, name)) for name, each in predictions.items()]
    order, place = np.sum(agree, axis=0)
    assert order >= SETS["order"]
    assert place >= SETS["place"]
    assert "Order and place agree in nine sets each" in " ".join((STUDIES / "README.md").read_text("utf-8").split())


def test_longer_training_is_what_terrain_lacks_and_width_what_clusters_lack(networks, predictions):
    from collapse_observed import active, maxwell, observed

    larger = recorded("collapse_larger")
    longer = [active(each) for each in larger if (each["data"], each["ratio"]) == ("terrain", 1.0)]
    assert np.mean(longer) > 0.5
    assert not observed(networks, "terrain").first_order
    wide = [maxwell([m for m in larger if (m["data"], m["seed"]) == ("clusters", seed)])[0] for seed in range(3)]
    limit = predictions["clusters"]["unlimited"]["maxwell"]
    assert observed(networks, "clusters").maxwell + 0.1 < np.mean(wide) < limit


def test_no_network_beats_a_decoder_without_limit(networks, predictions):
    """Networks have one latent: 1e-3 λ₁ is what the interpolation of a concave curve leaves over a step of 0.05."""
    for name, each in predictions.items():
        free = each["unlimited"]
        for model in (each for each in networks if each["data"] == name):
            if free["prices"][0] <= model["ratio"] <= free["prices"][-1]:
                least = np.interp(model["ratio"], free["prices"], free["losses"])
                assert model["loss"] >= least - 1e-3, (name, model)


def test_warm_networks_live_longer_than_fresh_ones_where_the_collapse_jumps(networks, predictions):
    from collapse_observed import observed

    seen = {name: observed(networks, name) for name in predictions}
    for name, each in seen.items():
        assert each.fresh_ends <= each.warm_ends, name
        if each.maxwell > 1.1:
            assert each.fresh_ends[1] <= each.warm_ends[0], name
    assert [name for name in CONTINUOUS if seen[name].first_order] == []


def test_gaussian_networks_have_the_loss_of_the_linear_model(networks):
    """F − F₀ = ½[τ ln(λ/τ) − (λ − τ)]: training leaves 5e-5 λ₁ at most, and the sample's skewness and tails as much."""
    for model in networks:
        if model["data"] == "gaussian" and model["ratio"] < 1:
            tau = model["ratio"]
            assert model["loss"] == pytest.approx(-(tau * np.log(tau) + 1 - tau) / 2, abs=1e-4)


def test_the_loss_of_a_network_is_that_over_many_draws():
    """The quadrature against draws of the noise, within four of their standard errors."""
    from collapse import measured, threshold

    from landau_vae.training.network import Network

    rng = np.random.default_rng(0)
    x, network, price = rng.standard_normal((50, 3)), Network(3, 1, (8,)), 0.7
    x -= x.mean(axis=0)
    weights = network.start(0, 0, scale=3.0)
    mean, log_variance = network.encode(weights, x)
    kl = 0.5 * np.mean(mean**2 + np.exp(log_variance) - 1 - log_variance)
    noise = rng.standard_normal((20_000, 50, 1))
    error = np.square(x - network.decode(weights, mean + np.exp(0.5 * log_variance) * noise)).sum(axis=-1).mean(axis=1)
    drawn = (error.mean() - np.square(x).sum(axis=1).mean()) / 2 + price * kl
    loss, rate, _ = measured(x, price, network, network.flat(weights))
    assert rate == pytest.approx(kl)
    assert abs(loss * threshold(x) - drawn) <= 4 * error.std() / 2 / np.sqrt(len(error))


def test_a_decoder_without_limit_has_the_gradient_of_its_loss_and_knows_two_atoms():
    """The gradient by central differences: 1e-4 leaves 1e-8. Rows ±1 under one latent: two posteriors at ±m."""
    from collapse_limit import limit, loss

    rng = np.random.default_rng(0)
    x, share = rng.standard_normal((6, 2)), rng.dirichlet(np.ones(6))
    state = rng.standard_normal(12)

    def value(flat):
        return loss(x, share, tuple(np.split(flat, 2)), 0.6)

    steps = 1e-4 * np.eye(12)
    numerical = [(value(state + step)[0] - value(state - step)[0]) / 2e-4 for step in steps]
    np.testing.assert_allclose(value(state)[2], numerical, atol=1e-7)
    assert limit(np.array([[-1.0], [1.0]]), np.full(2, 0.5)).maxwell == 1.0  # σ²_sG = λ₁: nothing lives above


def test_maxwell_points_are_read_where_the_losses_cross():
    from collapse_observed import ending, maxwell

    models = [{"ratio": 1.0, "loss": -0.02, "rate": 0.2}, {"ratio": 1.1, "loss": 0.02, "rate": 0.1}]
    collapsed = {"ratio": 1.2, "loss": 0.0, "rate": 0.0}
    assert maxwell([*models, collapsed]) == (pytest.approx(1.05), False)
    assert maxwell([models[0], collapsed]) == (pytest.approx(1.1), True)
    assert maxwell([collapsed]) == (1.0, False)
    assert ending([*models, collapsed]) == (1.1, 1.2)


def test_the_readme_has_the_table(networks, predictions):
    from collapse_compare import table

    text = (STUDIES / "README.md").read_text(encoding="utf-8")
    assert table(networks, list(predictions.values())) in text


@pytest.mark.slow
@pytest.mark.parametrize(("name", "ratio"), [("gaussian", 1.03), ("gamma:2", 1.1)])
def test_networks_that_are_trained_afresh_do_as_recorded(networks, name, ratio):
    """Other processors round otherwise: seeds are compared as a group, losses within 1e-3 λ₁ and a tenth of them."""
    from collapse import networks as trained
    from collapse_observed import active

    now = list(trained(name, (ratio,)))
    for each in now:
        [before] = [m for m in networks if all(m[key] == each[key] for key in ("data", "start", "ratio", "seed"))]
        assert active(each) == active(before)
        assert each["loss"] == pytest.approx(before["loss"], rel=0.1, abs=1e-3)


def test_the_readme_has_the_scatter_of_samples():
    """Numbers of the README against the record: means and standard deviations, as they are printed."""
    samples, text = recorded("collapse_samples"), (STUDIES / "README.md").read_text(encoding="utf-8")
    for name, digits in (("rate at 1", 3), ("rate at 1.1", 3), ("loss at 0.8", 3), ("loss at 1", 3), ("maxwell", 2)):
        values = np.array([sample[name] for sample in samples])
        assert f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}" in text, name
    assert "four of six" in text
    assert sum(sample["ended"] for sample in samples) == 4
