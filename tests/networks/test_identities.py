"""The price in effect, read off the outputs of a decoder or off gradients."""

import numpy as np
import pytest
from networks.linear_equilibrium import Equilibrium

import landau_vae as lv
from landau_vae.networks.identities import prices_from_gradients, prices_in_effect

ERRORS = 3  # standard errors: .3 % of all draws fall outside, and these seeds are fixed
EIGENVALUES = (6, 3, 1.5, 0.5)


def prices(model, latents=(0, 1), **options):
    return prices_in_effect(model.mean, model.deviation, model.term, latents, last_updates=0, **options)


def gradients(model, seed=0):
    """∂ℓ/∂μ and ∂ℓ/∂ ln σ² of ½‖x − W z‖², at one z per row."""
    noise = np.random.default_rng((seed, 5)).standard_normal(model.mean.shape)
    by_z = (model.decode(model.mean + model.deviation * noise) - model.x) @ model.weights.T
    return by_z, 0.5 * by_z * model.deviation * noise


def test_a_linear_vae_obeys_its_price():
    found = prices(Equilibrium(EIGENVALUES, 1.0, 4000, seed=1), (0, 1, 2))
    assert np.all(np.abs(found.width - 1) < ERRORS * found.width_error)
    assert np.all(np.abs(found.mean - 1) < ERRORS * found.mean_error)
    assert np.all(found.width_error < 0.021)
    assert np.all(np.abs(found.second_moment - 1) < ERRORS * found.second_moment_error)
    expected = np.sqrt(2 / 4000) * (1 - 1 / np.array(EIGENVALUES[:3]))  # of ⟨μ²⟩ = M², Gaussian
    assert found.second_moment_error == pytest.approx(expected, rel=0.1)  # an estimate of 4 000 squares, ± 2 %
    assert np.all(np.abs(found.curvature) < 0.01)  # of a parabola in σ: h²/2 = .00125, and noise


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_wrong_price_shows(factor):
    """A model trained at a price, and a loop that weighs the reconstruction otherwise."""
    model = Equilibrium(EIGENVALUES, 1.0, 4000, seed=2)
    found = prices_in_effect(model.mean, model.deviation, lambda z: factor * model.term(z), [0, 1], last_updates=0)
    assert np.all(np.abs(found.width - factor) < ERRORS * found.width_error)


def test_an_early_model_is_not_at_rest():
    model = Equilibrium(EIGENVALUES, 1.0, 4000, seed=3)
    model.weights *= 0.7
    found = prices(model)
    assert np.all(np.abs(found.mean - 1) > ERRORS * found.mean_error)


def test_units_of_the_data_and_of_the_latents():
    """ĉ goes with the unit of the term; and scales of z that the decoder undoes change A² alone."""
    model = Equilibrium(EIGENVALUES, 1.0, 500, seed=4)
    plain = prices(model, most=3, precise=0)
    tenfold = prices_in_effect(
        model.mean, model.deviation, lambda z: 10 * model.term(z), [0, 1], last_updates=0, most=3, precise=0
    )
    assert tenfold.width == pytest.approx(10 * plain.width, rel=1e-12)
    assert tenfold.mean_error == pytest.approx(10 * plain.mean_error, rel=1e-12)
    scaled = prices_in_effect(
        2 * model.mean, model.deviation, lambda z: model.term(z * [0.5, 1, 1]), [1], last_updates=0, most=3, precise=0
    )
    assert scaled.second_moment[0] > 2 * plain.second_moment[1]


@pytest.mark.parametrize("all_rows", [False, True], ids=["rows and draws", "draws"])
def test_the_standard_error_holds(all_rows):
    """Over rows and draws of a population, or over draws of rows whose own price many draws tell."""
    model = Equilibrium(EIGENVALUES, 1.0, 300, seed=5)
    options = {"latents": (0, 1), "all_rows": all_rows, "precise": 0, "most": 4}
    true = prices(model, (0, 1), all_rows=True, precise=0, most=600) if all_rows else None
    inside = []
    for seed in range(200):
        found = prices(model if all_rows else Equilibrium(EIGENVALUES, 1.0, 300, seed), seed=seed + 1, **options)
        for reading, error, exact in ((found.width, found.width_error, true.width if true else 1),
                                      (found.mean, found.mean_error, true.mean if true else 1)):  # fmt: skip
            inside.append(np.abs(reading - exact) < 1.96 * error)
    assert 0.9 < np.mean(inside) < 0.99  # .95 ± .01 over 800 readings that are nearly independent


def test_gradients_say_the_same():
    model = Equilibrium(EIGENVALUES, 1.0, 4000, seed=6)
    found = prices_from_gradients(model.mean, model.deviation, *gradients(model), last_updates=0)
    assert np.all(np.abs(found.width - 1) < ERRORS * found.width_error)
    assert np.all(np.abs(found.mean - 1) < ERRORS * found.mean_error)
    assert found.draws == 0
    assert np.isnan(found.curvature).all()


def test_gradients_and_scaling_agree_draw_by_draw():
    """With the very noise of the scaling route, and steps so small that only rounding is left."""
    model = Equilibrium(EIGENVALUES, 1.0, 200, seed=7)
    seen = []
    scaled = prices_in_effect(
        model.mean, model.deviation, lambda z: (seen.append(z), model.term(z))[1], [0, 1, 2], most=1, last_updates=0
    )
    middle = 0.5 * (seen[0] + seen[1])  # of ± h: z, with column 0's noise times cosh h
    middle[:, 0] = model.mean[:, 0] + (middle[:, 0] - model.mean[:, 0]) / np.cosh(0.05)
    by_z = (model.decode(middle) - model.x) @ model.weights.T
    by_log_variance = 0.5 * by_z * (middle - model.mean)
    found = prices_from_gradients(model.mean, model.deviation, by_z, by_log_variance, last_updates=0)
    assert scaled.width == pytest.approx(found.width, rel=0.01)  # h²/6 of the third derivative, and cosh h: .00125
    assert scaled.mean == pytest.approx(found.mean, rel=0.01)


def test_columns_of_one_latent_are_scaled_together():
    """Two columns as one channel: the sums of both routes are those of the columns."""
    model = Equilibrium(EIGENVALUES, 1.0, 2000, seed=8)
    channel = [np.array([0, 1]), np.array([2])]
    by_mean, by_log_variance = gradients(model)
    one = prices_from_gradients(model.mean, model.deviation, by_mean, by_log_variance, channel)
    below = (1 - model.deviation[:, :2] ** 2).mean(axis=0).sum()
    assert one.width[0] == pytest.approx(2 * by_log_variance[:, :2].mean(axis=0).sum() / below, rel=1e-12)
    scaled = prices(model, channel)
    assert scaled.latent.tolist() == [0, 2]
    assert np.all(np.abs(scaled.width - 1) < ERRORS * scaled.width_error)
    assert np.all(np.abs(scaled.mean - 1) < ERRORS * scaled.mean_error)
    assert np.all(np.abs(scaled.second_moment - 1) < 0.1)  # a mean over columns, not a sum


def test_only_the_latents_that_are_asked_for_are_scaled_and_calls_have_a_limit():
    model, calls = Equilibrium(EIGENVALUES, 1.0, 100, seed=9), []

    def term(z):
        calls.append(z)
        return model.term(z)

    found = prices_in_effect(model.mean, model.deviation, term, [1], precise=0, budget=30)
    assert len(calls) == 30  # seven draws of four, and two for the halved step
    assert found.draws == 7
    assert all(np.array_equal(calls[0][:, [0, 2]], z[:, [0, 2]]) for z in calls[1:4])


def test_two_draws_at_least_where_only_draws_count():
    model = Equilibrium(EIGENVALUES, 1.0, 100, seed=10)
    assert prices(model, all_rows=True, budget=1).draws == 2
    assert prices(model, budget=1).draws == 1


def test_latents_and_draws_that_are_asked_for():
    model = Equilibrium((4.0, 2.0, 0.5), 1.0, 200, seed=3)
    assert prices(model, [0], all_rows=True, most=1).draws == 2  # an error over draws takes two
    for wrong in ([[0, 0]], [2], [0.5], [True, False], [[0, 2]], [], 7, "0"):
        with pytest.raises(lv.InputError, match=r"^latents"):
            prices(model, wrong)
    with pytest.raises(lv.InputError, match=r"deviation has shape \(200, 1\), which does not fit mean"):
        prices_in_effect(model.mean, model.deviation[:, :1], model.term, [0])
    with pytest.raises(lv.InputError, match="term has shape"):
        prices_in_effect(model.mean, model.deviation, lambda z: model.decode(z), [0])


def test_a_price_that_is_precise_costs_no_more_draws():
    """The weak latent takes several draws for 2 %, the strong ones two at most."""
    model, calls = Equilibrium((40, 30, 1.3, 0.5), 1.0, 4000, seed=1), []

    def term(z):
        calls.append(1)
        return model.term(z)

    found = prices_in_effect(model.mean, model.deviation, term, [0, 1, 2])
    assert found.draws > 2
    assert len(calls) <= 2 * 3 + 4 * (2 * 2 + found.draws)  # four a draw, and two halved steps
