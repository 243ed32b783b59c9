"""What works on spectra of scores as on any other, and what is refused: noise floor, choice, intervals, slips."""

import numpy as np
import pytest
from likelihood_cases import likelihood, rows

import landau_vae as lv
from landau_vae import Loss, OutsideTheory, choose_beta, equilibrium, transitions
from landau_vae.numeric import noise_floor


def exceeded(draw, law, trials):
    """In how many of so many draws of pure noise the first mode is above the floor of noise with normal tails."""
    count = 0
    for _ in range(trials):
        x = draw()
        spectrum = lv.Spectrum.from_data(x) if law is None else lv.spectrum.score(x, law)
        count += spectrum.eigenvalues[0] > noise_floor(spectrum).normal_price
    return count


@pytest.mark.parametrize("law", ["huber(1)", "student-t(3)", "laplace"])
def test_the_noise_floor_holds_for_scores_of_heavy_tails(law, rng):
    """Scores are bounded: 1 % of draws are above, 4 of 40 with a chance of 1e-3; the rows themselves nearly always."""
    draw = lambda: rng.standard_t(3, size=(300, 30))  # noqa: E731
    assert exceeded(draw, law, 40) < 4
    assert exceeded(draw, None, 10) >= 8


def test_the_noise_floor_holds_for_labels_and_counts(rng):
    labels = lambda: np.hstack([np.eye(4)[rng.integers(0, 4, 300)] for _ in range(8)])  # noqa: E731
    counts = lambda: rng.negative_binomial(2, 2 / 5, size=(300, 30)).astype(float)  # noqa: E731
    assert exceeded(labels, lv.loss.categorical([4] * 8), 40) < 4
    assert exceeded(counts, "negative-binomial(2)", 40) < 4


def test_a_linear_encoder_has_no_noise_floor():
    """Its modes are those of a regression of the scores on the rows: another law."""
    spectrum = lv.spectrum.score(rows("huber"), "huber(1)", encoder="linear")
    with pytest.raises(OutsideTheory, match="linear encoder"):
        noise_floor(spectrum)


@pytest.mark.parametrize("name", ["laplace", "huber", "zeros", "labels", "mixed", "spread"])
def test_choices_and_equilibria_are_of_the_same_modes(name):
    """The middle of the interval keeps two modes; M² = 1 − τ/λ there, as for any spectrum."""
    law = likelihood(name)
    spectrum, loss = lv.spectrum.score(rows(name), law), Loss.of(law)
    lam = spectrum.eigenvalues
    choice = choose_beta(spectrum, loss, keep=2)
    assert choice.beta == pytest.approx(np.sqrt(lam[1] * lam[2]), rel=1e-9)
    state = equilibrium(spectrum, loss.at(choice.beta))
    np.testing.assert_allclose(state.signal_fraction[:2], 1 - choice.beta / lam[:2], rtol=1e-9)
    np.testing.assert_allclose(transitions(spectrum, loss).beta[0], lam[0], rtol=1e-9)
    assert "predictions from the collapsed background" in choice.summary()
    assert spectrum.unresolved == 0
    assert spectrum.dependencies() == []


def test_means_over_features_count_features_not_outputs():
    """Zero-inflated counts have two outputs for each of five features: the mean is over five."""
    spectrum = lv.spectrum.score(rows("zeros"), "zero-inflated(2)")
    summed, averaged = (Loss.of("zero-inflated(2)", reconstruction=how) for how in ("sum", "mean"))
    assert float(averaged.price(spectrum) / summed.price(spectrum)) == pytest.approx(5)


@pytest.mark.parametrize(
    "call", [lv.uncertainty, lambda x, likelihood: lv.intervals.bootstrap(x, likelihood=likelihood)]
)
def test_sampling_errors_are_of_covariances(call):
    with pytest.raises(OutsideTheory, match="is one of scores"):
        call(rows("huber"), likelihood="huber(1)")


def test_the_loss_of_another_likelihood_is_not_read_off():
    spectrum = lv.spectrum.score(rows("huber"), "huber(1)")
    with pytest.raises(lv.InputError, match=r"huber\(2\)"):
        transitions(spectrum, Loss.of("huber(2)"))


@pytest.mark.parametrize("name", ["huber", "labels"])
def test_only_what_is_known_is_refused_by_name(name):
    """Landscapes and activation are laws of squared errors; what to do instead is said."""
    law = likelihood(name)
    spectrum, loss = lv.spectrum.score(rows(name), law), Loss.of(law, 0.5)
    with pytest.raises(OutsideTheory, match="train networks instead"):
        loss.must_be_fixed("the landscape is known")
    with pytest.raises(OutsideTheory):
        lv.numeric.activation(spectrum, loss, learning_rate=0.1)
