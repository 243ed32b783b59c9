"""A monitor of a training equals `diagnose` on the same rows, alarms on failures at once, and on healthy runs never."""

import pickle
import re
import warnings

import numpy as np
import pytest
from watched_training import Training, exact_rows, watched

import landau_vae as lv
from landau_vae.diagnosis import MonitorWarning
from landau_vae.diagnosis.applied import Course
from landau_vae.diagnosis.findings import CODES
from landau_vae.diagnosis.findings.while_training import SINCE

# Sums in another order: a few rounding errors of sums over a thousand rows.
SAME = 1e-10
MOMENTS = ("offset", "covariance", "variance", "rate", "quiet", "narrowest", "widest", "lowest", "highest", "fourth")
PRICES = ("latent", "width", "width_error", "mean", "mean_error", "second_moment", "second_moment_error")
MODES = ("encoded", "alignment", "prefix")


@pytest.fixture
def arrays(rng):
    """What a loop gives, in single precision, of a model whose gradients tell a price near 0.2 in units of its loss."""
    n, K = 1200, 4
    x = (rng.standard_normal((n, 6)) * np.sqrt([6, 3, 2, 0.6, 0.3, 0.1]) + 3).astype("f")
    mean = np.column_stack([(x[:, :3] - 3) * 0.4 + 0.01, np.zeros(n)]).astype("f")
    log_variance = (np.log([0.2, 0.4, 0.6, 1.0]) + 0.01 * rng.standard_normal((n, K))).astype("f")
    noise, width = rng.standard_normal((n, K)), np.exp(log_variance.astype(float) / 2)
    grad = 0.1 * rng.standard_normal((n, K)) - 0.2 * mean + 0.2 * noise * (1 - width**2) / width
    return {"x": x, "mean": mean, "log_variance": log_variance, "noise": noise, "grad_z": grad}


def looked(arrays, blocks, loss, spectrum, price=0.2, **how):
    """A monitor that has looked at these rows, in batches whose loss is a mean over rows."""
    monitor = lv.Monitor(spectrum, loss, every=1, **how)
    for rows in blocks:
        part = {name: values[rows] for name, values in arrays.items()}
        part["grad_z"] = part["grad_z"] / len(rows)
        monitor.update(**part, grad_mean=part["grad_z"] + price * part["mean"].astype(float) / len(rows))
    return monitor


def gradients(arrays, power=1):
    """∂ℓ/∂μ and ∂ℓ/∂ ln σ² of each row."""
    width = np.exp(arrays["log_variance"].astype(float) / 2)
    return arrays["grad_z"], 0.5 * arrays["noise"] * width * arrays["grad_z"]


def assert_same(found, reference, names):
    for name in names:
        np.testing.assert_allclose(getattr(found, name), getattr(reference, name), rtol=SAME, atol=SAME, err_msg=name)


LOSSES = {
    "sums": lv.Loss.gaussian(1.0),
    "means": lv.Loss.gaussian(1.0, reconstruction="mean", kl="mean", latents=4, half=False),
    "variance": lv.Loss.gaussian(0.5, decoder_variance=0.3),
    "bounded": lv.Loss.gaussian(1.0, sampler=lv.loss.Sampler(least=0.195)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_it_equals_diagnose_over_batches_and_merged_over_two_processes(arrays, name):
    loss, rows = LOSSES[name], np.arange(1200)
    reference = lv.diagnose(
        arrays["mean"],
        log_variance=arrays["log_variance"],
        data=arrays["x"],
        loss=loss,
        gradients=_inside(arrays, loss),
    )
    spectrum = lv.Spectrum.from_data(arrays["x"])
    one = looked(arrays, np.array_split(rows, 37), loss, spectrum)
    first = looked(arrays, [rows[:100], rows[100:107], rows[107:500]], loss, spectrum)
    second = looked(arrays, np.array_split(rows[500:], 12), loss, spectrum)
    for monitor in (one, first + second, second + first, pickle.loads(pickle.dumps(one))):
        found = monitor.diagnosis()
        assert found.posterior.samples == 1200
        assert_same(found.posterior, reference.posterior, MOMENTS)
        assert_same(found.observed, reference.observed, MODES)
        assert_same(found.prices, reference.prices, PRICES)
        assert found.price_in_effect == pytest.approx(reference.price_in_effect, rel=SAME)
        assert found.codes == reference.codes


def _inside(arrays, loss):
    """Gradients as backpropagation through the clamp of a bounded head has them: none at the bound."""
    by_mean, by_log = gradients(arrays)
    low = loss.sampler.bounds[0]
    return by_mean, np.where(np.exp(arrays["log_variance"].astype(float)) > low * (1 + 1e-3), by_log, 0.0)


def test_sequences_have_the_prices_of_channels(arrays):
    """Codes (n, 2, 2) are sequences of two channels at two positions."""
    loss = lv.Loss.gaussian(1.0)
    coded = {name: values if name == "x" else values.reshape(-1, 2, 2) for name, values in arrays.items()}
    by_mean, by_log = gradients(arrays)
    reference = lv.diagnose(
        coded["mean"], log_variance=coded["log_variance"], data=arrays["x"], loss=loss, gradients=(by_mean, by_log)
    )
    found = looked(coded, np.array_split(np.arange(1200), 5), loss, lv.Spectrum.from_data(arrays["x"]))
    assert_same(found.diagnosis().prices, reference.prices, PRICES)
    assert found.log()["price_applied"] == pytest.approx(0.2, rel=1e-6)  # means are of single precision


def test_memory_forgets_exponentially(arrays):
    """The averages are those with weights (1 − 1/m)^age, once there are more than m batches."""
    memory, blocks = 5, np.array_split(np.arange(1200), 30)
    arrays["log_variance"][7] = 0.9  # an extreme of the first batch
    monitor = looked(arrays, blocks, lv.Loss.gaussian(1.0), lv.Spectrum.from_data(arrays["x"]), memory=memory)
    weights = np.ones(0)
    for _ in blocks:
        share = min(1.0, (memory - 1) / weights.sum()) if len(weights) else 1.0
        weights = np.append(weights * share, 1.0)
    weights = np.repeat(weights, [len(rows) for rows in blocks])
    mean, posterior = arrays["mean"].astype(float), monitor.diagnosis().posterior
    average = np.average(mean, axis=0, weights=weights)
    np.testing.assert_allclose(posterior.offset, average, rtol=SAME, atol=SAME)
    np.testing.assert_allclose(posterior.covariance, np.cov(mean.T, aweights=weights, bias=True), rtol=SAME, atol=SAME)
    rate = (mean**2 + np.exp(logs := arrays["log_variance"].astype(float)) - 1 - logs) / 2
    np.testing.assert_allclose(posterior.rate, np.average(rate, axis=0, weights=weights), rtol=SAME, atol=SAME)
    assert monitor.log()["rows"] == pytest.approx(weights.sum(), rel=SAME)
    whole = looked(arrays, blocks, lv.Loss.gaussian(1.0), None)
    assert whole.log()["rows"] == 1200
    # Extremes cannot fade: those of the oldest batches are gone, those of the newest are there.
    assert np.all(posterior.widest <= np.exp(logs).max(axis=0) + SAME)
    assert np.all(posterior.widest >= np.exp(logs)[-40:].max(axis=0) - SAME)
    assert np.all(posterior.widest < 1.1)


def test_without_a_spectrum_it_comes_from_the_rows(arrays):
    blocks = np.array_split(np.arange(1200), 60)
    monitor = looked(arrays, blocks, lv.Loss.gaussian(1.0), None)
    used = np.concatenate(blocks[::10])  # one in ten of the batches looked at
    reference = lv.Spectrum.from_data(arrays["x"][used[: monitor.spectrum.samples]])
    np.testing.assert_allclose(monitor.spectrum.eigenvalues, reference.eigenvalues, rtol=1e-6)  # float32 rows
    assert monitor.log()["predicted"] == lv.equilibrium(reference, lv.Loss.gaussian(1.0)).active
    fewer = looked(arrays, blocks[:1], lv.Loss.poisson(1.0), None)
    assert "predicted" in looked(arrays, blocks, lv.Loss.gaussian(1.0), None).log()
    assert fewer.log()["price_ratio"] == pytest.approx(0.2, rel=1e-6)


def test_without_gradients_it_asks_for_them(arrays):
    monitor = lv.Monitor(lv.Spectrum.from_data(arrays["x"]), lv.Loss.gaussian(1.0), every=1)
    bent = np.abs(arrays["mean"])  # not linear in x: of a linear model the price follows from M²
    monitor.update(bent, arrays["log_variance"], arrays["x"])
    found = {finding.code: finding for finding in monitor.findings()}
    assert "grad_z" in found["unmeasured"].advice
    assert {name for name in monitor.log() if "price" in name} == set()


def test_prices_are_known_without_any_spectrum(arrays):
    part = {name: values for name, values in arrays.items() if name != "x"}
    monitor = looked(part, np.array_split(np.arange(1200), 12), lv.Loss.gaussian(0.4), None)
    log = monitor.log()
    assert "predicted" not in log
    assert log["price_ratio"] == pytest.approx(0.5, rel=1e-6)
    assert [finding.code for finding in monitor.findings() if finding.alarm] == ["lower-price"]
    with pytest.raises(lv.InputError, match="No spectrum is known"):
        monitor.diagnosis()


# -------------------------------------------------------------------------------- the log


def test_the_log_is_flat_short_documented_and_never_nan(arrays):
    monitor = looked(arrays, np.array_split(np.arange(1200), 6), lv.Loss.gaussian(1.0), None, learning_rate=1e-3)
    log = monitor.log(per_latent=True)
    assert all(type(value) is float and np.isfinite(value) for value in log.values())
    documented = re.findall(r"^ {12}(\w[\w, ]*?)  ", lv.Monitor.log.__doc__, flags=re.MULTILINE)
    names = {name for line in documented for name in line.split(", ")}
    plain = {name for name in log if "/" not in name}
    assert plain <= names
    assert {"active", "predicted", "rate", "price_applied", "price_in_effect", "at_rest"} <= plain
    assert log["price_applied/1"] == pytest.approx(0.2, rel=1e-6)
    assert "price_applied/4" not in log  # its mean is 0 throughout: nothing is known of it
    assert log["rate"] == pytest.approx(sum(log[f"rate/{k}"] for k in (1, 2, 3, 4)), rel=SAME)


def test_plateau_time_and_next_onset():
    """Nothing is active: the next onset is λ₁, in the user's β, and Adam's bound is what `activation` says."""
    spectrum = lv.Spectrum.from_eigenvalues([4.0, 1.0])
    monitor = lv.Monitor(spectrum, lv.Loss.gaussian(2.0, decoder_variance=0.5), every=1, learning_rate=1e-4)
    for _ in range(3):
        monitor.update(np.full((8, 2), 1e-3) * np.arange(8)[:, None], np.zeros((8, 2)))
    needed = lv.numeric.activation(spectrum, monitor.loss.with_latents(2), learning_rate=1e-4, optimizer="adam").needed
    log = monitor.log()
    assert log["next_onset"] == pytest.approx(8.0)
    assert log["plateau_time_left"] == needed[0] - 3
    assert [finding.code for finding in monitor.findings()] == ["on-plateau"]


# -------------------------------------------------------------------------------- what a training shows


def alarms(monitor):
    return {finding.code for finding in monitor.findings() if finding.alarm}


HEALTHY = {
    "constant": {},
    "warm-up": {"weight": lambda share: min(1.0, share / 0.5)},
    "slow start": {"start": 0.01},
    "collapsing": {"latents": 6},
}


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_training_never_alarms_and_ends_at_rest(name, gradients):
    training = Training(3000, **HEALTHY[name])
    for monitor in watched(training, memory=60, gradients=gradients, learning_rate=0.01):
        assert not alarms(monitor)
    log = monitor.log()
    assert log["at_rest"] == 1.0
    assert log["active"] == log["predicted"] == 3.0
    # Three standard errors (about 1 % each) of 60 batches of 128 rows.
    assert log["price_in_effect"] == pytest.approx(1.0, abs=0.03)


#: What is wrong, the alarm that names it, and from which share of the run on it is there.
FAILURES = {
    "KL × 0.1": ({"weight": lambda share: 0.1}, "lower-price", 0.1),
    "KL × 10": ({"weight": lambda share: 10.0}, "higher-price", 0.1),
    "½ missing": ({"weight": lambda share: 2.0}, "higher-price", 0.1),
    "no KL": ({"weight": lambda share: 0.0}, "kl-off", 0.1),
    "masked latents": ({"free": (0, 1)}, "several-prices", 0.1),
    "warm-up ends early": ({"weight": lambda share: min(0.4, share)}, "lower-price", 0.6),
    "frozen σ": ({"frozen": True}, "frozen-variance", 0.2),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_alarms_as_soon_as_it_is_certain(name):
    how, code, share = FAILURES[name]
    steps = [alarms(monitor) for monitor in watched(Training(1000, **how), memory=60)]
    assert all(code in step for step in steps[round(share * len(steps)) :])
    assert set().union(*steps) == {code}


def test_a_wrong_price_without_the_gradient_at_the_mean_is_found_at_rest():
    *_, monitor = watched(Training(3000, weight=lambda share: 0.1), memory=60, gradients=False)
    assert alarms(monitor) == {"lower-price"}
    assert "price_applied" not in monitor.log()


def test_free_bits_cost_nothing_at_once():
    first = next(watched(Training(1000, free_bits=0.5), memory=60))
    assert alarms(first) & {"several-prices", "kl-off"}


def test_a_warm_up_is_a_remark_with_its_numbers():
    monitors = watched(Training(1000, weight=lambda share: share), memory=60, logged=500)
    found = {finding.code: finding for finding in next(monitors).findings()}
    assert found["price-moving"].evidence["applied"] == pytest.approx(0.495, abs=1e-9)  # update 496 of 1000
    assert found["price-moving"].evidence["before"] == pytest.approx(0.490, abs=1e-9)
    assert found["price-moving"].evidence["updates"] == 5


def test_the_price_applied_is_that_of_the_last_batch_at_every_step():
    """Its truth is the weight in the loss; half of the means are exact to rounding of double precision."""
    training = Training(200, weight=lambda share: 0.3 + share)
    for t, monitor in enumerate(watched(training, every=1, logged=1)):
        assert monitor.log()["price_applied"] == pytest.approx(0.3 + t / 200, rel=1e-9)


def test_sums_over_a_batch_taken_for_means_are_named():
    monitor = lv.Monitor(lv.Spectrum.from_data(exact_rows(4000)), lv.Loss.gaussian(1.0), every=1)
    for step in Training(20):
        monitor.update(*step[:4], step.grad_z * 128, step.grad_mean * 128)
    [finding] = [each for each in monitor.findings() if each.alarm]
    assert "reduction='sum'" in finding.sentence
    assert "reduction" in finding.evidence["causes"]
    assert monitor.log()["price_ratio"] == pytest.approx(128, rel=1e-9)


@pytest.mark.parametrize("factor", [1 / 4, 1 / 784, 100])
def test_a_factor_on_the_whole_loss_is_named(factor):
    """However small, a price that is surely applied is no KL without effect."""
    monitor = lv.Monitor(lv.Spectrum.from_data(exact_rows(4000)), lv.Loss.gaussian(1.0), every=1)
    for step in Training(20):
        monitor.update(*step[:4], step.grad_z * factor, step.grad_mean * factor)
    [finding] = [each for each in monitor.findings() if each.alarm]
    assert finding.code == ("lower-price" if factor < 1 else "higher-price")
    assert f"loss_scale={factor:.3g}" in finding.sentence
    assert "loss-scale" in finding.evidence["causes"]


def test_gradients_that_were_scaled_are_scaled_back():
    monitor = lv.Monitor(loss=lv.Loss.gaussian(1.0), every=1)
    for step in Training(10):
        monitor.update(*step[:4], step.grad_z * 2.0**16, step.grad_mean * 2.0**16, loss_scale=2.0**16)
    assert monitor.log()["price_applied"] == pytest.approx(1.0, rel=1e-9)


def test_a_collapse_is_named_while_it_happens():
    """At ten times the stated price no latent of these modes is left."""
    training = Training(3000, weight=lambda share: 1.0 if share < 0.5 else 10.0)
    codes = [{f.code: f for f in monitor.findings()} for monitor in watched(training, memory=60)]
    assert "became-inactive" not in codes[14]
    lost = next(found["became-inactive"] for found in codes[15:] if "became-inactive" in found)
    assert lost.evidence["before"].min() > 0.2
    assert codes[15]["higher-price"].alarm  # a rise above the stated price is no warm-up


def test_a_collapse_at_the_stated_price_alarms_if_the_model_was_at_rest_before():
    """The weights are set to the saddle at half time, as a jump of the learning rate would leave them."""
    monitor = lv.Monitor(lv.Spectrum.from_data(exact_rows(4000)), lv.Loss.gaussian(1.0), every=5, memory=60)
    for step in Training(3000):
        monitor.update(*step)
    assert monitor.log()["at_rest"] == 1.0
    for step in Training(1200, rate=0.0, start=1e-4):
        monitor.update(*step)
    assert alarms(monitor) == {"should-be-active"}


def test_a_course_stands_still_after_twice_its_last_stretch():
    course = Course(1.0)
    for update in range(0, 100, 10):
        course.add(update, update / 100, 1e-9)
    assert course.moving == (0.9, 0.8, 10)
    course.add(100, 0.9, 1e-9)
    assert course.moving == (0.9, 0.8, 20)
    course.add(110, 0.9, 1e-9)
    assert course.moving is None
    noisy = Course(1.0)
    for update, value in enumerate(np.random.default_rng(0).normal(1.0, 0.1, 100)):
        noisy.add(update, value, 0.1)
    assert noisy.moving is None


def test_a_rise_above_the_stated_price_is_no_warm_up():
    course = Course(1.0)
    for update, price in {1: 0.5, 100: 1.0, 1000: 1.0, 1001: 8.0}.items():
        course.add(update, price, 0.0)
    assert course.moving is None
    course.add(1002, 4.0, 0.0)  # it falls back: where to is not known yet
    assert course.moving is not None


def test_alarms_that_hold_from_some_point_on_are_alarms_of_a_diagnosis():
    assert set(SINCE) <= set(CODES)


# -------------------------------------------------------------------------------- it never ends a training


GOOD = {"mean": np.ones((8, 2)), "log_variance": np.zeros((8, 2))}
BAD = {
    "nan": {"mean": np.full((8, 2), np.nan)},
    "inf": {"log_variance": np.full((8, 2), np.inf)},
    "overflow": {"log_variance": np.full((8, 2), 1e4)},
    "nan rows": {"x": np.full((8, 3), np.nan)},
    "inf gradient": {"noise": np.ones((8, 2)), "grad_z": np.full((8, 2), np.inf)},
    "empty": {"mean": np.ones((0, 2)), "log_variance": np.ones((0, 2))},
    "shapes": {"log_variance": np.zeros((8, 3))},
    "rows": {"x": np.zeros((7, 3))},
    "text": {"mean": "text"},
    "objects": {"mean": np.array([None] * 8, dtype=object)},
    "nothing": {"mean": None},
    "missing": {"log_variance": None},
    "scale": {"loss_scale": 0.0},
    "scale text": {"loss_scale": "x"},
    "gradient": {"grad_z": np.ones(8)},
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_reported_once(name):
    monitor = lv.Monitor(loss=lv.Loss.gaussian(1.0), every=1)
    with warnings.catch_warnings(record=True, category=MonitorWarning) as caught:
        warnings.simplefilter("always", MonitorWarning)
        for _ in range(4):
            monitor.update(**GOOD | BAD[name])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert monitor.log() == {}
    assert monitor.findings() == ()
    assert "nothing known yet" in repr(monitor)
    monitor.reset()
    monitor.update(**GOOD)
    assert monitor.log()["rows"] == 8.0


def test_after_a_problem_nothing_is_looked_at_and_a_bad_number_is_skipped():
    monitor = lv.Monitor(loss=lv.Loss.gaussian(1.0), every=1)
    with pytest.warns(MonitorWarning):
        monitor.update(**GOOD | BAD["nan"])
    assert monitor.due
    monitor.update(**GOOD)
    assert monitor.log()["rows"] == 8.0
    with pytest.warns(MonitorWarning, match="a batch has codes|A batch has codes"):
        monitor.update(np.ones((8, 3)), np.zeros((8, 3)))
    assert not monitor.due
    assert "reset()" in monitor.problem or "alike" in monitor.problem
    monitor.update(**GOOD)
    assert monitor.log()["rows"] == 8.0


def test_it_changes_neither_arrays_nor_random_numbers(arrays):
    before, state = {name: values.copy() for name, values in arrays.items()}, np.random.get_state()[1].copy()  # noqa: NPY002
    monitor = looked(arrays, [np.arange(1200)], lv.Loss.gaussian(1.0), None)
    for method in (monitor.log, monitor.findings, monitor.diagnosis):
        method()
    for name, values in before.items():
        np.testing.assert_array_equal(values, arrays[name])
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_a_sum_shares_nothing_with_its_parts(arrays):
    one = looked(arrays, np.array_split(np.arange(1200), 9), lv.Loss.gaussian(1.0), None, memory=4)
    alone = one.log()
    for total in (one + lv.Monitor(loss=one.loss), one + looked(arrays, [np.arange(5)], one.loss, None, memory=4)):
        total.every = 1
        for _ in range(3):
            total.update(**{name: values[:50] for name, values in arrays.items()})
    assert one.log() == alone


def test_only_every_tenth_update_is_looked_at():
    monitor = lv.Monitor(loss=lv.Loss.gaussian(1.0))
    for t in range(25):
        assert monitor.due == (t % 10 == 0)
        monitor.update(**GOOD if t % 10 == 0 else {"mean": None, "log_variance": None})
    assert monitor.log()["batches"] == 3.0
    assert monitor.log()["updates"] == 25.0


def test_x_of_other_features_is_left_out():
    monitor = lv.Monitor(lv.Spectrum.from_data(exact_rows(50)), lv.Loss.gaussian(1.0), every=1)
    with pytest.warns(MonitorWarning, match="x has 3 columns, the spectrum is of 5"):
        monitor.update(**GOOD, x=np.ones((8, 3)))
    assert monitor.log()["rows"] == 8.0


def test_constructor_arguments_are_checked():
    with pytest.raises(lv.InputError, match="loss is None"):
        lv.Monitor()
    with pytest.raises(lv.InputError, match="a list of β"):
        lv.Monitor(loss=lv.Loss.gaussian([1.0, 2.0]))
    with pytest.raises(lv.InputError, match="every is 0"):
        lv.Monitor(loss=lv.Loss.gaussian(1.0), every=0)
    with pytest.raises(lv.InputError, match="likelihood"):
        lv.Monitor(lv.Spectrum.from_eigenvalues([1.0]), lv.Loss.bernoulli(1.0))


def test_monitors_of_two_trainings_are_not_added():
    one, two = (lv.Monitor(loss=lv.Loss.gaussian(beta), every=1) for beta in (1.0, 2.0))
    with pytest.raises(lv.InputError, match="different losses"):
        one + two
    other = lv.Monitor(loss=lv.Loss.gaussian(1.0), every=1)
    one.update(**GOOD)
    other.update(np.ones((8, 3)), np.zeros((8, 3)))
    with pytest.raises(lv.InputError, match="other codes"):
        one + other
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (one + lv.Monitor(loss=lv.Loss.gaussian(1.0))).log()["rows"] == 8.0
