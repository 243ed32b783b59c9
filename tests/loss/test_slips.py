"""The table of slips against the prices of the losses themselves, and what a loss says of its sums and means."""

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import landau_vae as lv
from landau_vae import Loss, Spectrum
from landau_vae.loss.slips import possible_slips, priced_slips, slip_with_price, slips_that_make

D, K = 12, 5
SPECTRUM = Spectrum.from_eigenvalues(np.geomspace(3, 0.1, D))
REDUCTIONS = list(product(("sum", "mean"), repeat=2))


def losses():
    for (error, kl), half, learned in product(REDUCTIONS, (True, False), (1.0, "learned")):
        yield Loss.gaussian(20.0, reconstruction=error, kl=kl, half=half, latents=K, decoder_variance=learned)
    for error, kl in REDUCTIONS:
        yield Loss.bernoulli(0.7, reconstruction=error, kl=kl, latents=K)


@pytest.mark.parametrize("loss", list(losses()), ids=lambda loss: loss.formula)
def test_factors_are_those_of_the_losses(loss):
    """Each slip's factor is the price of the loss that its arguments state, over that of the loss itself."""
    spectrum = replace(SPECTRUM, likelihood=loss.likelihood)
    found = possible_slips(D, K, loss=loss, most=3)
    assert len(found) == (7 if loss.likelihood.squared else 3)
    for slip in found:
        stated = replace(loss, **slip.changes).price_per_beta(spectrum)
        assert slip.factor == pytest.approx(stated / loss.price_per_beta(spectrum), rel=1e-14)
    for slip, price in priced_slips(loss, spectrum):
        stated = replace(loss, **slip.changes)
        assert price == pytest.approx(float(stated.price(spectrum)), rel=1e-12)
        # no other slip has this price: sizes are chosen so
        assert slip_with_price(price, loss, spectrum) is not None


def test_every_slip_can_be_undone():
    factors = {slip.code: slip.factor for slip in possible_slips(D, K, batch=32)}
    for factor in factors.values():
        assert any(factor * other == pytest.approx(1, rel=1e-14) for other in factors.values())
    assert factors["batch-kl-summed"] == 32


@pytest.mark.parametrize(
    ("factor", "code"),
    [(2, "half-added"), (0.51, "half-missing"), (784, "features-averaged"), (392, "half-missing+features-averaged"),
     (1 / 784, "features-summed"), (0.1, "latents-averaged"), (10, "latents-summed"), (128, "batch-kl-summed"),
     (78.4, "features-averaged+latents-averaged")],
)  # fmt: skip
def test_the_slip_that_makes_a_factor(factor, code):
    assert slips_that_make(factor, 784, 10, batch=128)[0].code == code


def test_no_slip_makes_any_factor():
    assert slips_that_make(1.3, 784, 10) == ()
    assert slips_that_make(128, 784, 10) == ()  # of a batch nothing was said


def test_no_slip_leaves_the_price_as_it_is():
    assert not [slip for slip in possible_slips(1, 1, most=3) if slip.factor == pytest.approx(1)]


def said(text):
    """What a text says of the two terms: each verb with what it governs."""
    assert text.count("error") == text.count("KL") == 1
    verb, rest = re.fullmatch(rf"(sums|averages) the error over its {D} features and (.*)", text).groups()
    other = re.fullmatch(r"(?:(sums|averages) )?the KL over its (?:\d+ )?latents", rest)[1]
    return verb, other or verb


@pytest.mark.parametrize("loss", list(losses()), ids=lambda loss: loss.formula)
def test_what_is_summed_and_what_is_averaged(loss):
    verbs = {"sum": "sums", "mean": "averages"}
    assert said(loss.reductions(D)) == (verbs[loss.reconstruction], verbs[loss.kl])


@pytest.mark.parametrize(("error", "kl"), REDUCTIONS)
@pytest.mark.parametrize("half", [True, False])
def test_a_diagnosis_says_what_the_loss_does(error, kl, half):
    """Of all reductions: where the price is too high the reason names the mean that is there, and the price without."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, D)) * np.geomspace(0.8, 0.05, D)
    loss = Loss.gaussian(30.0, reconstruction=error, kl=kl, half=half, latents=K)
    collapsed = {"variance": np.ones((400, K)), "data": X, "loss": loss.at(loss.beta_at(2.0, Spectrum.from_data(X)))}
    result = lv.diagnose(1e-3 * rng.normal(size=(400, K)), **collapsed)
    text = f"{result.findings[0].sentence} {result.findings[0].advice}"
    assert result.verdict == "price-too-high"
    assert (loss.reductions(D) in text) == (error == "mean")
    if error == "mean":
        summed = float(replace(collapsed["loss"], reconstruction="sum").price(result.spectrum))
        assert f"the price at the same β would be τ = {summed:.3g}" in text
