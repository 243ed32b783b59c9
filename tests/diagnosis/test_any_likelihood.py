"""Diagnosis of networks of any likelihood: right ones are healthy, wrong prices are found, decoders are read."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from likelihood_cases import NAMES, first, likelihood, networks, rows

import landau_vae as lv
from landau_vae import InputError
from landau_vae.loss import Loss
from landau_vae.training import trained_model

RECORD = Path(__file__).parents[1] / "studies" / "any_likelihood.json"
RATIOS = (1.15, 0.4)


@cache
def model(name, place):
    models = networks(name, RATIOS, latents=2)
    return trained_model(models, models.temperature.values[place], likelihood=likelihood(name))


def diagnosed(name, place=1, factor=1.0, decode=None, **options):
    own, price = model(name, place), RATIOS[place] * first(name) * factor
    mean, log_variance = own.encode(rows(name))
    options = {"log_variance": log_variance, "data": rows(name), "decode": decode or own.output} | options
    return lv.diagnose(mean, loss=Loss.of(likelihood(name), price), **options)


@pytest.mark.parametrize("name", ["huber", "counts", "labels"])
def test_a_right_network_is_healthy_and_has_the_stated_price(name):
    """Within the 8 % that healthy networks of squared errors are within, and 4 standard errors."""
    result = diagnosed(name)
    assert result.healthy, result.conclusion
    off = abs(result.price_in_effect / result.price - 1)
    assert off < 0.08
    assert off < 4 * result.price_in_effect_error / result.price


@pytest.mark.parametrize(("factor", "verdict"), [(1 / 3, "higher-price"), (3.0, "lower-price")])
def test_another_price_is_found(factor, verdict):
    assert diagnosed("huber", factor=factor).verdict == verdict


@pytest.mark.parametrize("name", ["huber", "labels"])
def test_a_collapse_above_the_threshold_is_right_and_one_below_is_not(name):
    above, below = diagnosed(name, 0), diagnosed(name, 0, factor=0.5)
    assert above.verdict == "price-too-high"
    words = " ".join(above.conclusion.split())
    assert "the collapsed state is stable" in words
    assert "No VAE of any architecture can use these rows" in words
    assert below.verdict == "should-be-active"
    assert above.next_onset.value == pytest.approx(first(name), rel=1e-9)


def test_a_threshold_that_rests_on_a_density_has_a_margin():
    """At the threshold itself nothing is said against a collapse; far above it is right, far below it is wrong."""
    mean, variance = np.zeros((2000, 2)), np.ones((2000, 2))
    found = {
        ratio: lv.diagnose(
            mean, variance=variance, data=rows("laplace"), loss=Loss.of("laplace", ratio * first("laplace"))
        )
        for ratio in (0.5, 1.0, 1.5)
    }
    assert [each.codes[0] for each in found.values()] == ["should-be-active", "near-threshold", "price-too-high"]
    assert "one standard error of the density" in " ".join(found[1.0].conclusion.split())
    assert found[1.0].healthy


def test_nothing_is_claimed_of_a_linear_model():
    """Of these likelihoods nothing but the first threshold is exact: the summary says so, and compares with no line."""
    text = diagnosed("huber").summary()
    assert "linear model" not in text
    assert "collapsed background" in text
    assert "of the variance" not in text
    assert diagnosed("huber").recommendations[-1].basis == "the collapsed background (prediction)"


def test_the_page_and_the_pictures_are_drawn(tmp_path):
    for name in ("huber", "zeros"):
        path = lv.report.write_page(tmp_path / f"{name}.html", diagnosed(name))
        assert "collapsed background" in path.read_text(encoding="utf-8")


def softmax(f):
    share = np.exp(f - f.max(axis=1, keepdims=True))
    return share / share.sum(axis=1, keepdims=True)


DECODERS = {
    "labels": lambda f: np.hstack([softmax(each) for each in np.split(f, [4, 7], axis=1)]),
    "counts": np.exp,
    "zeros": lambda f: {"px_rate": np.exp(f[:, :5]), "px_dropout": f[:, 5:]},
    "spread": lambda f: (f[:, :5], np.exp(f[:, 5:])),
}
READ = {"labels": "mean", "counts": "mean", "zeros": "means and logits", "spread": "means and variances"}


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_what_a_decoder_returns_is_found(name):
    """The same f by another way: prices agree but for what is cut off shares of 1e-9."""
    plain, other = diagnosed(name), diagnosed(name, decode=lambda z: DECODERS[name](model(name, 1).output(z)))
    assert other.measured.decoder.link == READ[name]
    np.testing.assert_allclose(other.prices.width, plain.prices.width, rtol=1e-4)


def test_standard_deviations_are_no_variances():
    decode = lambda z: (model("spread", 1).output(z)[:, :5], np.exp(model("spread", 1).output(z)[:, 5:] / 2))  # noqa: E731
    assert diagnosed("spread", decode=decode).measured.decoder.link == "means and standard deviations"


def test_too_few_outputs_are_named():
    with pytest.raises(InputError, match="10 numbers per row, or 2 arrays of the shape of the rows"):
        diagnosed("spread", decode=lambda z: model("spread", 1).output(z)[:, :5])


def test_standardised_rows_are_those_that_the_loss_had():
    x = rows("huber") * np.array([1.0, 10.0, 0.1, 1.0, 3.0]) + 5.0
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    options = {"variance": np.ones((2000, 1)), "loss": Loss.of("huber(1)", 1.0)}
    one = lv.diagnose(np.zeros((2000, 1)), data=x, standardize=True, **options)
    two = lv.diagnose(np.zeros((2000, 1)), data=scaled, **options)
    np.testing.assert_allclose(one.spectrum.eigenvalues, two.spectrum.eigenvalues, rtol=1e-9)
    np.testing.assert_allclose(
        one.spectrum.eigenvalues, lv.spectrum.score(x, "huber(1)", standardize=True).eigenvalues, rtol=1e-9
    )


def test_a_median_is_no_mean(rng):
    """Skewed rows and their medians: the error has a constant part, which is no sign of other units."""
    x = rng.exponential(size=(1000, 3)) - 5.0
    mean = (x[:, :1] + 4) * 0.9
    result = lv.diagnose(
        mean, variance=np.full((1000, 1), 0.2), data=x, loss=Loss.of("laplace", 0.3),
        decode=lambda z: np.median(x, axis=0) + z * [1.0, 0.0, 0.0],
    )  # fmt: skip
    assert np.isnan([result.measured.slope, result.measured.shift]).all()
    assert "other-units" not in result.codes
    square = lv.diagnose(
        mean, variance=np.full((1000, 1), 0.2), data=x, loss=Loss.gaussian(0.3),
        decode=lambda z: np.median(x, axis=0) - 1.0 + z * [1.0, 0.0, 0.0],
    )  # fmt: skip
    assert "other-units" in square.codes


def test_features_that_are_too_many_to_form_a_curvature_leave_the_price(rng):
    """A curvature that multiplies only: modes of scores, and nothing of what latents encode of them."""
    law = lv.likelihoods.perceptual(lambda f: f)
    result = lv.diagnose(
        0.9 * rng.standard_normal((50, 1)), variance=np.full((50, 1), 0.19), data=rng.standard_normal((50, 1600)),
        loss=Loss.of(law, 1.0),
    )  # fmt: skip
    assert result.observed is None
    assert result.spectrum.of_scores


# -------------------------------------------------------------------------------------------------- the record


def test_no_right_network_of_the_record_raised_an_alarm_but_that_of_a_high_price():
    """tests/studies/any_likelihood.py: ten likelihoods, four prices, three seeds."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert {each["likelihood"] for each in record} == {likelihood(name).name for name in NAMES}
    alive = [each for each in record if each["ratio"] < 1]
    dead = [each for each in record if each["ratio"] > 1]
    assert all(each["verdict"] == "healthy" for each in alive)
    assert all(each["verdict"] in ("healthy", "price-too-high") for each in dead)
    assert all(max(each["signal"]) < 1e-3 for each in dead)
    assert all(max(each["signal"]) > 0.1 for each in alive)
    assert all(each["at_a_third"] == "should-be-active" for each in dead)
    assert all(each["at_a_third"] == "higher-price" for each in alive)
    prices = np.concatenate([each["prices"] for each in alive])
    assert len(prices) > 150
    # As those of squared errors (0.92 … 1.07, tests/studies).
    assert prices.min() > 0.92
    assert prices.max() < 1.08
    assert abs(prices.mean() - 1) < 0.01
