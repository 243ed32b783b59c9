"""Parts of how a loss is read, each alone: what a part decides where the whole would not show it."""

from types import SimpleNamespace as Stand

import numpy as np
import pytest
from conftest import CLOSED

from landau_vae import InputError, Loss, OutsideTheory, Spectrum
from landau_vae.loss import PRESETS, Constraint, Sampler
from landau_vae.loss.error_forms import MEANS, _dispersion, located
from landau_vae.loss.price_in_effect import Demand
from landau_vae.loss.results import total
from landau_vae.loss.slips import possible_slips
from landau_vae.loss.terms import _other_spread
from landau_vae.loss.trials import Trial

SPECTRUM = Spectrum.from_eigenvalues([4.0, 2.0, 1.0])


@pytest.mark.parametrize(("height", "delta"), [(3.0, 0.5), (0.2, 0.25)])
def test_a_huber_loss_is_located_at_any_height(height, delta):
    def rho(t):
        t = abs(t)
        return height * (t**2 / 2 if t < delta else delta * (t - delta / 2))

    assert [each.name for each in located(rho)] == [f"huber({delta:g})"]


@pytest.mark.parametrize("by_logit", [False, True])
@pytest.mark.parametrize("theta", [0.3, 5.0])
def test_the_dispersion_of_a_negative_binomial_is_read_from_three_means(theta, by_logit):
    x = np.array([0.0, 1.0, 3.0, 2.0, 1.0])
    means = theta * np.array(MEANS) if by_logit else np.array(MEANS)
    values = [2.5 * np.sum((x + theta) * np.log(theta + m) - x * np.log(m)) + 1.0 for m in means]
    assert _dispersion(x, values, by_logit=by_logit) == pytest.approx(theta, rel=1e-4)


def test_logits_of_counts_are_their_log_means_over_the_dispersion():
    trial = Trial("counts", "log", (), shift=float(np.log(3.0)))
    np.testing.assert_allclose(trial.x_hat(np.array([6.0, 3.0])), [np.log(2.0), 0.0], atol=CLOSED)


@pytest.mark.parametrize(("stated", "said"), [("log_variance", True), ("std", False), ("variance", False)])
def test_a_kl_of_another_spread_may_be_wrong_where_log_variances_were_stated(stated, said):
    words = _other_spread(Stand(name=lambda role: "spread"), stated, "log_std")
    assert f"takes its argument 'spread' as log_std, not as {stated}" in words
    assert ("if your encoder gives that" in words) == said


def test_the_first_number_that_is_called_a_total_is_the_loss():
    base = {"recon": 2.0, "loss": 5.0, "total_loss": 7.0}
    assert total(base, base, base, {}, None) == {"loss": 1.0}


def test_slips_are_asked_for_with_numbers():
    with pytest.raises(InputError, match="features"):
        possible_slips("many", 2)


def test_the_settings_of_presets_in_words():
    assert PRESETS["actor"].setting == "lambda_kl = 1e-05"
    assert PRESETS["music-vae"].setting == ""  # it ships none


@pytest.mark.parametrize("averaged", [1, 3])
def test_the_slope_of_a_squared_constraint_bounds_the_price(averaged):
    """β (R − C)² / K has the slope 2β (R − C)/K; of each row's own rate, any."""
    demand = Demand(Constraint("square", 2.0, "mean"), SPECTRUM, 3, **({} if averaged == 1 else {"averaged": averaged}))
    low, high = demand.allowed(1.5, 9.0, 0.1)  # C is of the mean over K latents
    assert (low, high) == pytest.approx((3.0 * (8.1 - 2 * averaged) / averaged, 3.0 * (9.9 - 2 * averaged) / averaged))
    rows = Demand(Constraint("square", 2.0, "sample"), SPECTRUM, 3)
    assert rows.allowed(1.5, 3.0, 0.1) == (0.0, np.inf)


def test_only_the_usual_sampler_is_plain():
    Loss.gaussian(1.0).must_be_plain("this is known")
    with pytest.raises(OutsideTheory, match="this is known for the usual sampler only"):
        Loss.gaussian(1.0, sampler=Sampler(noise_scale=0.5)).must_be_plain("this is known")
