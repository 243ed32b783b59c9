"""Parts of what is known of networks, each alone."""

import re
from types import SimpleNamespace as Stand

import numpy as np
import pytest
from conftest import CLOSED

import landau_vae as lv
from landau_vae import Loss, Spectrum
from landau_vae.likelihoods import as_likelihood
from landau_vae.loss import Sampler
from landau_vae.networks import _first_collapse, decoder
from landau_vae.networks._first_collapse import MOST_UNKNOWNS, _Search
from landau_vae.networks._frontier import _linear
from landau_vae.networks.identities import GradientSums
from landau_vae.networks.onset_result import Onset
from landau_vae.networks.priced_rows import CanonicalRows

SPECTRUM = Spectrum.from_eigenvalues([1.0, 0.5, 0.2])


def test_the_usual_links():
    y = np.array([-3.0, 0.0, 1.0])
    np.testing.assert_allclose(decoder.LINKS["sigmoid"](y), 1 / (1 + np.exp(-y)), rtol=CLOSED)
    np.testing.assert_allclose(decoder.LINKS["softplus"](y), np.log(1 + np.exp(y)), rtol=CLOSED)


def test_outputs_of_two_kinds_stand_side_by_side():
    both = decoder._Several((np.ones((4, 3)), np.zeros((4, 3))))
    found = decoder.Decoder._fitted(Stand(of_row=(3,), outputs=6), both, 4)
    np.testing.assert_array_equal(found, np.repeat([[1.0, 0.0]], 4, axis=0).repeat(3, axis=1))
    assert decoder.Decoder._fitted(Stand(of_row=(3,), outputs=6), decoder._Several((np.ones((4, 3)), "no")), 4) is None


@pytest.mark.parametrize("sampler", [Sampler(), Sampler(noise_scale=0.5)])
def test_the_best_linear_model_is_that_of_the_sampler(sampler):
    loss = Loss.gaussian([0.1, 0.4, 2.0], sampler=sampler)
    found = _linear(SPECTRUM, loss, loss.price(SPECTRUM))
    one_by_one = [lv.equilibrium(SPECTRUM, loss.at(beta)).free_energy for beta in (0.1, 0.4, 2.0)]
    np.testing.assert_allclose(found, np.ravel(one_by_one), rtol=1e-10)


def test_ascents_end_where_no_step_leads_on():
    """Two atoms far below their first threshold: from a little off the middle to near one of them."""
    rows = CanonicalRows(np.array([[-1.0], [1.0]]), np.array([0.5, 0.5]), as_likelihood("gaussian"), 0.3)
    log_p = rows.value(rows.logarithms(rows.mean[None]), np.ones(1))[1]
    tops = rows.ascended(np.array([[0.2], [-0.2]]), log_p)
    assert abs(tops[:, 0]) == pytest.approx([tops[0, 0]] * 2)
    assert tops[0, 0] > 0.9
    np.testing.assert_allclose(rows.ascended(tops, log_p), tops, atol=1e-6)


@pytest.mark.parametrize("order", [1, 3, 8])
def test_a_free_decoder_has_as_many_modes_as_there_are_unknowns_for(monkeypatch, order):
    monkeypatch.setattr(_first_collapse, "FreeDecoder", lambda *rows, order, modes: modes)
    modes = _first_collapse._free(None, None, order)
    assert modes * (order + 1) <= MOST_UNKNOWNS < (modes + 1) * (order + 1)


def test_the_place_of_a_state_above_the_threshold_has_an_error():
    """At or below q = 0 it is the threshold itself, whose error is that of λ₁, in whose units prices are."""
    rng = np.random.default_rng(4)
    share, rows, force = np.full(50, 0.02), rng.standard_normal((50, 1)), rng.standard_normal(50)
    search = Stand(problem=Stand(share=share, rows=rows), solver=Stand(control=lambda q: 1 + q))
    at = _Search._edge(search, Stand(q=0.0), force, 2.0)
    assert (at.price, at.error) == (1.0, 0.0)
    above = _Search._edge(search, Stand(q=0.25), force, 2.0)
    influence = -(force - force.mean()) / 2 - 1.25 * (rows[:, 0] ** 2 - 1)
    assert above.price == 1.25
    assert above.error == pytest.approx(np.sqrt(np.mean(influence**2) / 50), rel=1e-12)


# ------------------------------------------------------------------------------------------------ onset


def onset(**changed):
    """What a verdict is made of: a Maxwell point at 1.2 ± .02 of the linear threshold, of a resolution of 1 %."""
    usual = {
        "loss": Loss.gaussian(), "collapse": Stand(maxwell=Stand(price=1.2)), "excess_error": 0.02, "margin": 9.5,
        "lost_early": False, "order": "first-order", "within": 0.25, "resolution": 0.01, "linear": 4.0, "maxwell": 4.8,
    }  # fmt: skip
    return Stand(**usual | changed)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, r"First-order: .* by 0\.200 ± 0\.020 of it, 9\.5 standard errors .* From β = 4 to 4\.8"),
        ({"order": "continuous", "within": 0.05}, r"Continuous within 5\.0% of β: .* by 0\.200 ± 0\.020 of it\."),
        (
            {"order": "undecided"},
            r"Undecided: .* by 0\.200 ± 0\.020 of it, and by 0\.25 at most\. More rows",
        ),
        (
            {"order": "undecided", "lost_early": True},
            r"Undecided: .* by at least 0\.200 .* too few rows use the latent",
        ),
        ({"order": "undecided", "within": np.inf}, r"Undecided: .* decoders of other degrees do not agree on it"),
    ],
)
def test_the_verdict_on_a_first_collapse(changed, words):
    found = Onset._verdict(onset(**changed))
    assert re.match(words, found), found


def test_the_gain_of_a_linear_model_is_that_of_its_equilibrium():
    result = Stand(moments=Stand(moments=Stand(across=[0.5, 0.2])))
    for price in (0.1, 0.4, 0.8, 1.5):
        least = lv.equilibrium(SPECTRUM, Loss.gaussian(price)).free_energy
        assert Onset.linear_gain(result, price) == pytest.approx(least - SPECTRUM.total_variance / 2, abs=1e-12)


@pytest.mark.parametrize(
    ("price", "errors", "margin"),
    [
        (1.05, [0.01, 0.05], min(0.04 / 0.01, (np.sqrt(0.05) - 0.1) / 0.05)),
        (0.95, [0.01, 0.05], -min(0.06 / 0.01, 0.1 / 0.05)),  # no root of a negative excess
        (1.05, [0.0, 0.05], (np.sqrt(0.05) - 0.1) / 0.05),
    ],
)
def test_the_margin_is_that_of_the_less_certain_of_two_measures(price, errors, margin):
    result = Stand(
        collapse=Stand(maxwell=Stand(price=price)), resolution=0.01, _errors=np.array(errors), _gain_in_errors=-np.inf
    )
    assert Onset.margin.func(result) == pytest.approx(margin, rel=1e-9)


def test_second_moments_are_summed_beside_slopes(rng):
    mean, deviation, zero = rng.standard_normal((7, 2)), rng.random((7, 2)) + 0.1, np.zeros((7, 2))
    sums = GradientSums([np.array([0]), np.array([1])], Sampler())
    sums.add(mean, deviation, zero, zero)
    square = mean**2 + deviation**2
    np.testing.assert_allclose(sums.moments, [square.sum(axis=0), (square**2).sum(axis=0), [7, 7]], rtol=CLOSED)
