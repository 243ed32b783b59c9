"""Models whose loss has a constraint: linear ones at rest, whose price, rate and distortion are known exactly."""

import numpy as np
import pytest
from diagnosed_models import LAMBDA, trained

import landau_vae as lv

V = sum(LAMBDA)
DRAWN = 0.05  # of a price measured on 2 000 rows and eight draws: 1 % by its own error; means are linear in the rows


def rate(price):
    return 0.5 * np.log(np.maximum(np.array(LAMBDA) / price, 1)).sum()


def diagnosed(price, loss, decode=True):
    X, mu, variance, decoder = trained(price)
    return lv.diagnose(mu, variance=variance, data=X, loss=loss, decode=decoder if decode else None)


@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize(
    ("kind", "value", "beta"),
    [
        ("hinge", rate(1.0), 5.0),
        ("absolute", rate(1.0), 5.0),
        ("square", rate(1.0) - 1.0 / 10, 5.0),  # 2β(R − C) = 1
        ("target", rate(1.0), 5.0),
        ("distortion", 0.5 * np.minimum(LAMBDA, 1.0).sum(), 5.0),
    ],
)
def test_a_model_that_meets_its_constraint_is_healthy(kind, value, beta, decode):
    result = diagnosed(1.0, lv.Loss.gaussian(beta).constrained(kind, value), decode)
    assert result.healthy
    if decode or kind != "distortion":  # without the decoder its distortion is not known
        assert "constraint-met" in result.codes
    assert result.price == pytest.approx(1.0, rel=1e-6)  # the rows have these eigenvalues to rounding
    assert result.price_in_effect == pytest.approx(1.0, rel=DRAWN)
    assert result.stated_loss.formula in result.summary()
    assert float(result.loss.beta) == pytest.approx(1.0, rel=1e-6)


def test_a_limit_below_the_rate_leaves_the_stated_price():
    loss = lv.Loss.gaussian(1.0).constrained("hinge", 0.5)
    result = diagnosed(1.0, loss)
    assert result.healthy
    assert "constraint-idle" in result.codes
    assert result.allowed == (1.0, 1.0)
    slipped = diagnosed(1.0, loss.at(3.0).constrained("hinge", 0.1))
    assert slipped.verdict == "lower-price"  # R > C, so that the price has to be the stated one
    assert slipped.price == pytest.approx(3.0)


def test_a_price_above_the_stated_one_is_no_work_of_a_limit():
    result = diagnosed(2.0, lv.Loss.gaussian(0.5).constrained("hinge", rate(2.0)))
    assert result.verdict == "higher-price"


@pytest.mark.parametrize(("kind", "value"), [("target", 4.0), ("hinge", 4.0), ("distortion", 0.5)])
def test_a_constraint_that_is_not_met_is_an_alarm(kind, value):
    result = diagnosed(1.0, lv.Loss.gaussian(5.0).constrained(kind, value))
    assert result.verdict == "rate-missed"
    near = diagnosed(1.0, lv.Loss.gaussian(5.0).constrained("target", 1.1 * rate(1.0)))
    assert near.healthy
    assert "rate-missed" in near.codes


def test_latents_with_their_free_nats_are_recognised_and_their_prices_left_alone():
    """Four latents of a free 0.4 nats each, on modes of their own: equal rates and unlike prices."""
    X, _, _, _ = trained(1.0)
    spectrum = lv.Spectrum.from_data(X)
    turn, lam, signal = spectrum.vectors[:, :4], spectrum.eigenvalues[:4], 1 - np.exp(-0.8)
    mu = X @ turn * np.sqrt(signal / lam)
    decoder = (turn * np.sqrt(signal * lam)).T
    about = {"variance": np.full(mu.shape, 1 - signal), "data": X, "decode": lambda z: z @ decoder}
    free = lv.Loss.gaussian(6.5, latents=4).constrained("hinge", 0.4, per="latent")
    result = lv.diagnose(mu, **about, loss=free)
    assert not {"free-bits", "several-prices", "lower-price"} & set(result.codes)
    [found] = [each for each in result.findings if each.code == "free-nats"]
    assert found.sentence.startswith("4 latents of 4 have the free 0.4 nats")
    plain = lv.diagnose(mu, **about, loss=lv.Loss.gaussian(6.5))
    assert not plain.healthy


def test_rows_with_limits_of_their_own_have_no_one_price():
    loss = lv.Loss.gaussian(5.0).constrained("hinge", 1.05 * rate(1.0), per="sample")
    result = diagnosed(1.0, loss)
    assert result.healthy
    assert "constraint-met" in result.codes
    assert result.allowed == (0.0, 5.0)


def test_pictures_and_pages_of_a_constrained_model():
    result = diagnosed(1.0, lv.Loss.gaussian(5.0).constrained("hinge", rate(1.0)))
    assert "β in effect" in result.summary()
    for picture in ("diagnosed_cascade", "prices_in_effect", "latent_bars"):
        assert getattr(lv.plotting, picture)(result).figure is not None
    assert "The constraint is met" in result._repr_html_()
    assert result.to_dict()["stated_loss"]["formula"] == "½ Σ(x − x̂)² + β max(⟨Σ KL⟩, 1.79176)"
