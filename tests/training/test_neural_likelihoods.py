"""Networks of any likelihood: they live below the first threshold of their spectrum of scores, and die above."""

import jax
import numpy as np
import pytest
from likelihood_cases import NAMES, first, likelihood, networks, rows

import landau_vae as lv
from landau_vae import InputError
from landau_vae.likelihoods import any_loss, mixed
from landau_vae.loss import Likelihood, Loss
from landau_vae.training import Neural, load_scan, save_scan, trained_model
from landau_vae.training.descent import Objective, _value
from landau_vae.training.network import Network


def dead_and_alive(name):
    """M² of the only latent at 1.1 and .75 of the first threshold, and its rate there; both warmed up."""
    models = networks(name)
    return models.signal_fraction.values[0, :, 0], models.rate.values[0, :, 0]


@pytest.mark.parametrize("name", ["laplace", "huber", "counts", "labels"])
def test_networks_die_above_the_first_threshold_and_live_below(name):
    """A dead latent of a network at rest has an M² of rounding and noise, 1e-3 at most; M² of a living one is over .02.

    The density at the medians, and with it the threshold of absolute errors, is known to 4 %; the other two thresholds
    are exact. M² follows no law but is small near the threshold.
    """
    signal, rate = dead_and_alive(name)
    assert signal[0] < 1e-3
    assert rate[0] < 1e-3
    assert signal[1] > 0.02
    assert rate[1] > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"laplace", "huber", "counts", "labels"}))
def test_networks_of_other_likelihoods_do_so_too(name):
    test_networks_die_above_the_first_threshold_and_live_below(name)


def test_a_living_network_has_the_lower_loss():
    """The collapsed state at a price costs what its best constant output does: 3 errors of 2000 rows are .003."""
    name = "huber"
    models, x = networks(name), rows(name)
    law = likelihood(name)
    constant = law.row_value(x, np.broadcast_to(law.constant(x), x.shape)).mean()
    assert float(models.loss.values[0, 1]) < constant - 0.003
    assert float(models.loss.values[0, 0]) == pytest.approx(constant, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_in_jax_is_that_in_numpy_and_its_gradient_the_score(name, rng):
    """Double precision on both sides: rounding only."""
    law, x = likelihood(name), rows(name)[:6]
    m = law.outputs(x.shape[1])
    f = rng.standard_normal((6, m))
    with jax.enable_x64(True):
        value = np.asarray(jax.jit(_value(law))(x, f))
        slope = np.asarray(jax.grad(lambda f: _value(law)(x, f).sum())(jax.numpy.asarray(f)))
    np.testing.assert_allclose(value, law.row_value(x, f), rtol=1e-12)
    np.testing.assert_allclose(slope, law.score(x, f), rtol=1e-12, atol=1e-14)
    step = 1e-6  # differences of 1e-6: an error of 1e-9
    for j in range(m):
        moved = [law.row_value(x, f + sign * step * np.eye(m)[j]) for sign in (1, -1)]
        np.testing.assert_allclose((moved[0] - moved[1]) / (2 * step), slope[:, j], atol=1e-7)


def test_outputs_are_as_many_as_the_likelihood_takes():
    trainer = Neural(hidden=(8,), loss=Loss.of("zero-inflated(2)"))
    assert trainer.network(5, 2).shapes[-1] == (8, 10)
    assert Network(5, 2, (8,)).shapes[-1] == (8, 5)


def test_without_a_mean_there_are_no_distortions(rng):
    """Counts of which sizes are totals: what a row's mean is depends on its size."""
    law = any_loss(lambda x, f: ((x - f) ** 2).sum(-1), joint=True)
    assert np.isfinite(law.mean(np.ones((1, 2)))).all()
    strange = Likelihood("shifted", link=lambda m: m + 1.0, value=lambda x, f: (x + 1 - f) ** 2 / 2,
                         score=lambda x, f: f - x - 1, curvature=lambda x, f: 1 + 0 * f)  # fmt: skip
    models = lv.scan(rng.standard_normal((60, 2)), [0.3], latents=1,
                     trainer=Neural(hidden=(4,), updates=50, loss=Loss.of(strange)))  # fmt: skip
    assert np.isnan(models.distortion.values).all()
    assert np.isfinite(models.loss.values).all()


@pytest.mark.parametrize("name", ["huber", "zeros", "mixed", "spread"])
def test_a_file_knows_the_likelihood_with_its_parameters(name, tmp_path):
    models = networks(name, updates=60)
    save_scan(tmp_path / "scan.nc", models)
    again = load_scan(tmp_path / "scan.nc")
    model, x = trained_model(again, models.temperature.values[1]), rows(name)
    assert model.likelihood == likelihood(name)
    mean, _ = model.encode(x[:3])
    assert model.output(mean).shape == (3, likelihood(name).outputs(x.shape[1]))
    assert model.decode(mean).shape == (3, x.shape[1])
    assert lv.Loss.from_dict(Loss.of(likelihood(name), 2.0).to_dict()).likelihood == likelihood(name)


def test_what_a_name_does_not_hold_is_asked_for(rng):
    own = any_loss(lambda x, f: (x - f) ** 2)
    models = lv.scan(rng.standard_normal((60, 2)), [0.3], latents=1,
                     trainer=Neural(hidden=(4,), updates=20, loss=Loss.of(own)))  # fmt: skip
    with pytest.raises(InputError, match="only the name of its likelihood"):
        trained_model(models, 0.3)
    assert trained_model(models, 0.3, likelihood=own).likelihood == own


def test_terms_are_of_whole_rows():
    """A mixture has no value of a feature alone: the objective takes that of its rows."""
    law, x = mixed([("huber(1)", [0]), ("categorical(2)", [1, 2], 3.0)]), np.array([[0.5, 1.0, 0.0]])
    objective = Objective(Network(3, 1), law, 2.0)
    # ½ · ½² of the Huber loss, 3 ln 2 of two equal shares, all times a = 2
    assert float(objective.term(None, x, np.zeros((1, 3)))[0]) == pytest.approx(2 * (0.125 + 3 * np.log(2)))


def test_thresholds_are_those_of_the_spectrum():
    for name in ("huber", "labels"):
        spectrum = lv.spectrum.score(rows(name), likelihood(name))
        assert float(lv.transitions(spectrum, Loss.of(likelihood(name))).beta[0]) == pytest.approx(
            first(name), rel=1e-12
        )
