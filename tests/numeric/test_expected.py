"""Expected curves against trained linear models, gradient descent on whole matrices, and the envelope theorem."""

import numpy as np
import pytest
from conftest import CLOSED

import landau_vae as lv
from landau_vae import InputError, Loss, OutsideTheory, Spectrum, expected
from landau_vae.loss import Logged
from landau_vae.numeric import activation
from landau_vae.training.schedules import anneal, cyclical, warm_up

SPECTRUM = Spectrum.from_eigenvalues([4.0, 1.0, 0.3])
WITHIN = 0.1  # of trained linear models, as the issue asks


def matrix_descent(eigenvalues, beta, learning_rate, momentum, start, latents):
    """Return KL and squared error after each update of full-batch gradient descent on (W, E, ln σ²), rows turned."""
    rng = np.random.default_rng(5)
    d = len(eigenvalues)
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    covariance = turn * eigenvalues @ turn.T
    tau, n = beta[0], latents
    rate = 0.5 * (
        -(1 + tau * eigenvalues) + np.sqrt((1 + tau * eigenvalues) ** 2 - 4 * eigenvalues * (tau - eigenvalues))
    )
    w = start * np.sqrt(np.maximum(eigenvalues - beta.min(), 0))[:n]
    decoder = turn[:, :n] * w
    encoder = (turn[:, :n] * (w * (1 + rate[:n]) / eigenvalues[:n])).T
    logs = np.zeros(n)
    state, speed = [decoder, encoder, logs], [0 * decoder, 0 * encoder, 0 * logs]
    found = []
    for price in beta:
        decoder, encoder, logs = state
        s, residual = np.exp(logs), np.eye(d) - decoder @ encoder
        code = np.einsum("kd,de,ke->k", encoder, covariance, encoder)
        noise = (np.square(decoder) * s).sum()
        found.append((0.5 * np.sum(code + s - 1 - logs), np.trace(residual @ covariance @ residual.T) + noise))
        slopes = [
            -residual @ covariance @ encoder.T + decoder * s,
            -decoder.T @ residual @ covariance + price * encoder @ covariance,
            0.5 * (np.square(decoder).sum(axis=0) * s + price * (s - 1)),
        ]
        speed = [momentum * v - learning_rate * slope for v, slope in zip(speed, slopes, strict=True)]
        state = [part + v for part, v in zip(state, speed, strict=True)]
    return np.transpose(found)


@pytest.mark.parametrize(("momentum", "latents"), [(0.0, 3), (0.8, 2)])
@pytest.mark.parametrize("schedule", [warm_up(0.3), cyclical(3), anneal(20.0, share=0.5)])
def test_gradient_descent_is_that_on_whole_matrices(schedule, momentum, latents):
    """Both take the same steps in other coordinates: 1500 of them leave roundings of 1e-16 apart by 1e-9."""
    loss, updates = Loss.gaussian(0.5, latents=latents), 1500
    result = expected(
        SPECTRUM, loss, schedule, updates=updates, steps=np.arange(0, updates + 1, 5), learning_rate=0.01,
        momentum=momentum, start=0.02,
    )  # fmt: skip
    every = 0.5 * schedule(np.arange(0, updates + 1, 5) / updates)
    beta = np.interp(np.arange(updates + 1), np.arange(0, updates + 1, 5), every)
    rate, error = matrix_descent(SPECTRUM.eigenvalues, beta, 0.01, momentum, 0.02, latents)
    np.testing.assert_allclose(result.kl, rate[::5], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(2 * result.reconstruction, error[::5], rtol=1e-7)
    np.testing.assert_allclose(result.total, error[::5] / 2 + every * rate[::5], rtol=1e-7)


def test_learning_rates_are_those_of_the_users_own_loss():
    """A loss that is d/2 times as small takes d/2 times the learning rate."""
    plain = expected(SPECTRUM, Loss.gaussian(0.5), updates=400, learning_rate=0.01)
    mean = Loss.gaussian(0.5 * 2 / 3, reconstruction="mean", half=False)
    averaged = expected(SPECTRUM, mean, updates=400, learning_rate=0.01 * 1.5)
    np.testing.assert_allclose(averaged.kl, plain.kl, rtol=1e-9, atol=1e-15)


def test_the_loss_rises_by_the_kl_as_beta_does():
    """dL/dβ = R: the trapezoid rule on 400 steps of 1 % leaves 1e-5, and the loss more than doubles."""
    beta = np.geomspace(0.1, 5.0, 400)
    for loss in (
        Loss.gaussian(),
        Loss.gaussian(kl="mean", latents=2),
        Loss.gaussian(decoder_variance="learned", latents=1),
    ):
        grid = beta if not loss.learned else np.geomspace(1.2, 5.0, 400)
        result = expected(SPECTRUM, loss, grid, logged=Logged(rows=3))
        paid = np.diff(grid) * (result.kl[1:] + result.kl[:-1]) / 2
        np.testing.assert_allclose(np.cumsum(paid), result.total[1:] - result.total[0], rtol=1e-4)
        assert np.all(np.diff(result.total) >= 0)
        assert np.any([sentence.startswith("The loss rises by") for sentence in result.remarks])


@pytest.mark.parametrize("kind", ["hinge", "absolute", "square", "target"])
def test_under_a_constraint_the_loss_is_that_of_the_equilibrium(kind):
    beta = np.linspace(0.2, 3.0, 9)
    loss = Loss.gaussian(latents=2).constrained(kind, 1.0)
    result = expected(SPECTRUM, loss, beta)
    state = lv.equilibrium(SPECTRUM, loss.at(beta))
    np.testing.assert_allclose(result.total, state.loss_value, rtol=CLOSED)


def test_trained_linear_models_are_within_a_tenth():
    """By an exact minimiser, by batches with noise, from random starts: no coordinate of the closed form is used."""
    temperatures = np.array([0.4, 0.1, 0.03])
    result = expected(SPECTRUM, Loss.gaussian(), temperatures * SPECTRUM.total_variance)
    trainers = [(lv.training.Exact(), 1e-4), (lv.training.Sampled(6000, optimizer=lv.training.Adam(0.01)), WITHIN)]
    for trainer, tolerance in trainers:
        models = lv.scan(SPECTRUM, temperatures, trainer=trainer).isel(seed=0)
        np.testing.assert_allclose(models.rate.sum("latent"), result.kl, rtol=tolerance)
        error = models.distortion * SPECTRUM.total_variance / 2
        np.testing.assert_allclose(error, result.reconstruction, rtol=tolerance)


def test_modes_wait_as_long_as_activation_says():
    """A start 1e-4 times as small waits ln(1e4)/ln z longer, to within two of the steps looked at (24, 4 %)."""
    loss, how = Loss.gaussian(0.1), {"updates": 6000, "learning_rate": 0.005}
    early, late = (expected(SPECTRUM, loss, start=start, **how) for start in (1e-2, 1e-6))
    rate = activation(SPECTRUM, loss, learning_rate=0.005).rate
    for count in (1, 2):
        first, second = (each.step[np.argmax(each.active >= count)] for each in (early, late))
        assert second - first == pytest.approx(np.log(1e4) / rate[count - 1], abs=2 * early.step[1])
    assert late.active[-1] == 2  # the third would need 50 000
    assert "The KL is 0 up to about step" in late.remarks[0]


def test_adam_wakes_up_no_mode_before_its_bound():
    loss = Loss.gaussian(0.1)
    needed = activation(SPECTRUM, loss, learning_rate=1e-3, optimizer="adam").needed
    result = expected(SPECTRUM, loss, steps=np.arange(300), updates=300, learning_rate=1e-3, optimizer="adam")
    woken = [result.step[np.argmax(result.active >= count)] for count in range(1, 4)]
    assert np.all(np.asarray(woken) >= np.sort(needed))
    assert np.all(np.asarray(woken) <= np.sort(needed) + 1)
    assert result.kl[-1] == pytest.approx(float(lv.equilibrium(SPECTRUM, loss).total_rate), rel=CLOSED)


def test_schedules_of_every_kind_are_one():
    steps = np.linspace(0, 100, 11)
    beta = np.interp(steps, [0, 50], [0.0, 2.0])
    ways = [
        expected(SPECTRUM, Loss.gaussian(), beta, steps=steps),
        expected(SPECTRUM, Loss.gaussian(), lambda step: min(step / 25, 2.0), steps=steps),
        expected(SPECTRUM, Loss.gaussian(2.0), warm_up(0.5), steps=steps),
        expected(SPECTRUM, Loss.gaussian(2.0), warm_up(0.5), updates=100, steps=steps),
    ]
    for each in ways[1:]:
        np.testing.assert_allclose(each.kl, ways[0].kl, rtol=CLOSED)
    assert np.isnan(ways[0].kl[0])
    assert ways[0].reconstruction[0] == pytest.approx(0.0, abs=CLOSED)
    assert any("β is 0" in sentence for sentence in ways[0].remarks)
    assert len(expected(SPECTRUM, Loss.gaussian(), updates=10**9).step) == 500


def test_a_warm_up_has_its_peak_of_the_kl():
    result = expected(SPECTRUM, Loss.gaussian(0.5), warm_up(0.5), updates=3000, learning_rate=0.02)
    top = int(np.argmax(result.kl))
    assert 0 < top < len(result.kl) - 1
    [peak] = [sentence for sentence in result.remarks if "peaks" in sentence]
    assert f"step {result.step[top]:g} " in peak
    assert "not a fault" in peak
    assert "β is 0" not in " ".join(result.remarks)  # descent has a finite KL there
    assert np.isfinite(result.kl).all()


def test_where_nothing_lives_the_reconstruction_is_the_mean_predictors(rng):
    bits = (rng.random((400, 5)) < rng.uniform(0.2, 0.8, 5)).astype(float)
    mean = bits.mean(axis=0)
    entropy = -np.mean((bits * np.log(mean) + (1 - bits) * np.log(1 - mean)).sum(axis=1))
    spectrum = Spectrum.from_data(bits, likelihood="bernoulli")
    result = expected(spectrum, Loss.bernoulli(), [1e3])
    assert result.reconstruction[0] == pytest.approx(entropy, rel=CLOSED)
    assert "every mode is below the price" in result.remarks[0]
    unknown = expected(Spectrum.from_eigenvalues([2.0]), Loss.gaussian(), [0.5])
    assert unknown.reconstruction[0] == pytest.approx(0.25)
    lone = Spectrum(**{**vars(spectrum), "mean": None})
    assert np.isnan(expected(lone, Loss.bernoulli(), [1e3]).reconstruction[0])
    assert expected(lone, Loss.bernoulli(), [1e3], mean_error=7.0).reconstruction[0] == 7.0


def test_the_units_of_the_log():
    mean = Loss.gaussian(0.5, reconstruction="mean", half=False, latents=2)
    result = expected(SPECTRUM, mean, [0.5, 1.0], logged=Logged(kl="weighted", reconstruction="feature", rows=10))
    state = lv.equilibrium(SPECTRUM, mean.at([0.5, 1.0]))
    np.testing.assert_allclose(result.kl, 10 * np.array([0.5, 1.0]) * state.total_rate)
    np.testing.assert_allclose(result.reconstruction, 10 * state.total_distortion * SPECTRUM.total_variance / 3)
    np.testing.assert_allclose(result.total, 10 * state.loss_value)
    assert "as logged" not in repr(result)
    assert result.to_dict()["kl"] == result.kl.tolist()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "How long"),
        ({"schedule": [-1.0]}, "from 0 on"),
        ({"schedule": [0.0]}, "from 0 on"),
        ({"schedule": [1.0, 2.0], "steps": [0, 1, 2]}, "there are 3 steps"),
        ({"schedule": [1.0, 2.0], "steps": [1, 0]}, "rising"),
        ({"schedule": lambda step: 1 / 0, "updates": 5}, "ZeroDivisionError"),
        ({"updates": 100, "learning_rate": 1e3}, "too large"),
        ({"updates": 10**7, "learning_rate": 1e-3}, "at most"),
        ({"updates": 100, "learning_rate": 1e-3, "momentum": 0.9, "optimizer": "adam"}, "Adam has its own"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(InputError, match=words):
        expected(SPECTRUM, Loss.gaussian(0.5), **arguments)


def test_a_course_is_known_of_squared_errors_only():
    with pytest.raises(OutsideTheory, match="course of a run"):
        expected(SPECTRUM, Loss.gaussian(2.0, decoder_variance="learned", latents=1), updates=10, learning_rate=0.1)
    with pytest.raises(InputError, match="list of β"):
        expected(SPECTRUM, Loss.gaussian([1.0, 2.0]), warm_up(0.5), updates=10)
