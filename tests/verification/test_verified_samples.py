"""Models trained by samples against theory: agreement where it is due, refusal with the right cause where it is not."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import CLOSED

import landau_vae as lv
from landau_vae.training import SGD, Adam, Neural, Patience, Sampled, anneal
from landau_vae.training.schedules import CONSTANT
from landau_vae.verification import branches
from landau_vae.verification._branches import exponents, mean_and_error
from landau_vae.verification._verify import Deviation, interval, sampling_error

EIGENVALUES = [3.0, 1.2, 0.5, 0.2]
GRID = np.geomspace(0.9, 0.008, 16)
SEEDS = 4


def samples(eigenvalues=EIGENVALUES, count=3000, seed=0):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((len(eigenvalues),) * 2))[0]
    return rng.standard_normal((count, len(eigenvalues))) * np.sqrt(eigenvalues) @ axes.T


def trained(trainer=None, data=None, grid=GRID, **options):
    trainer = Sampled(updates=2500, batch=128, optimizer=Adam(0.02)) if trainer is None else trainer
    data = samples() if data is None else data
    # Workers that have done linear work grow by 300 MB when JAX comes: joblib takes that for a leak and warns.
    workers = 1 if isinstance(trainer, Neural) else 2
    return lv.scan(data, grid, seeds=range(SEEDS), trainer=trainer, workers=workers, **options)


def sampled(**settings):
    return Sampled(**{"updates": 2500, "batch": 128, "optimizer": Adam(0.02)} | settings)


@pytest.fixture(scope="module")
def healthy():
    return trained()


def measured_anew(models):
    """M² as mean square and posterior variance make it, after one of these was changed."""
    square = models.mean_square
    return models.assign(signal_fraction=(square / (square + models.posterior_variance)).transpose(*square.dims))


# ------------------------------------------------------------------------------ what has to agree


def test_sampled_training_agrees(healthy):
    result = lv.verify(healthy)
    assert result.verdict == ("agrees",) * 4
    assert result.agrees
    assert result.causes == ()
    low, high = result.threshold_interval.T
    assert np.all((high - low) < 0.05 * result.threshold)  # it is sharp, not only wide enough
    np.testing.assert_allclose(result.exponent, 1, atol=0.1)
    assert np.all(result.collapse < 0.02)
    assert "4 of 4 modes agree within 0.01 and their standard errors" in result.conclusion()
    assert "Without any tolerance: of 8 comparisons of collapse and utility with PCA" in result.conclusion()
    assert np.all((result.threshold_p > 0) & (result.threshold_p <= 1))


LEGITIMATE = {
    "small batches": sampled(batch=32),
    "large batches": sampled(batch=1024),
    "SGD with momentum": sampled(optimizer=SGD(0.05, momentum=0.9)),
    "float32": sampled(precision="float32"),
    "another convention": sampled(loss=lv.Loss.gaussian(reconstruction="mean", half=False)),
    "early stopping": sampled(updates=5000, patience=Patience()),
    "β annealed down to its target": sampled(beta=anneal(20.0, share=0.3)),
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_legitimate_variations_are_not_flagged(name):
    result = lv.verify(trained(LEGITIMATE[name]))
    assert result.agrees, result.summary()
    assert "disagrees" not in result.verdict
    assert result.causes == (), result.conclusion()


@pytest.mark.slow
def test_a_log_variance_linear_in_x_is_not_flagged():
    """Of networks less is known of how far they had to go: fewer of their models count as at rest near a threshold."""
    pytest.importorskip("jax")
    result = lv.verify(trained(Neural(hidden=(), updates=5000, batch=128, optimizer=Adam(0.02))))
    assert result.verdict.count("agrees") >= 2, result.summary()
    assert set(result.verdict) <= {"agrees", "not resolved"}
    assert result.causes == (), result.conclusion()


@pytest.mark.parametrize("latents", [2, 9])
def test_fewer_or_more_latents_are_not_flagged(latents):
    result = lv.verify(trained(latents=latents))
    assert result.verdict == ("agrees",) * min(latents, 4)
    assert result.causes == ()


def test_a_learned_decoder_variance_keeps_the_law_at_the_price_it_makes():
    result = lv.verify(trained(sampled(learned_variance=True), latents=2))
    assert result.verdict[0] == "agrees"
    assert "disagrees" not in result.verdict


def test_against_the_population_intervals_allow_for_the_training_set(healthy):
    population = lv.Spectrum.from_eigenvalues(EIGENVALUES)
    own, wide = lv.verify(healthy), lv.verify(healthy, population)
    assert "disagrees" not in wide.verdict
    assert np.all(np.ptp(wide.threshold_interval, axis=1) > 2 * np.ptp(own.threshold_interval, axis=1))
    np.testing.assert_allclose(wide.threshold, own.threshold, rtol=CLOSED)


# ------------------------------------------------------------------------- what has to be refused


def test_too_few_updates():
    result = lv.verify(trained(sampled(updates=100)))
    assert not result.agrees
    assert "disagrees" not in result.verdict
    assert [cause.code for cause in result.causes] == ["ended-early"]
    assert "Train longer" in result.conclusion()


def test_a_learning_rate_too_small_to_leave_the_plateau():
    result = lv.verify(trained(sampled(optimizer=SGD(1e-3), start=0.01)))
    assert not result.agrees
    assert set(result.verdict) == {"not converged"}
    assert [cause.code for cause in result.causes] == ["ended-early"]
    assert "still to become active" in result.conclusion()
    assert "Mode 1 needs about" in result.conclusion()
    assert "updates at learning rate 0.001 to leave the plateau: the run of 2 500 (worth 1 300" in result.conclusion()


@pytest.mark.parametrize(
    ("factor", "word"),
    [(2.0, "a ½ before the squared error"), (4.0, "a mean over the 4 features"), (0.5, "no ½"),
     (1.3, "not what was assumed")],
)  # fmt: skip
def test_a_wrong_convention(factor, word):
    """Models of other prices than they are labelled with, and no record of it, as from a loop of the user's own."""
    models = trained(grid=np.geomspace(0.9, 0.008, 16))
    mislabelled = models.assign_coords(temperature=models.temperature / factor).drop_vars("price")
    mislabelled.attrs.pop("trainer")
    result = lv.verify(mislabelled)
    assert not result.agrees
    [cause] = result.causes
    assert cause.code == "wrong-convention"
    assert cause.evidence["source"] == "inferred"
    assert f"{factor:.2g}"[:3] in cause.sentence
    assert word in cause.sentence


def test_beta_that_ends_below_its_target():
    result = lv.verify(trained(sampled(beta=anneal(0.01, 0.5))))
    assert not result.agrees
    assert result.causes[0].code == "beta-schedule"
    assert "0.5 times its target" in result.causes[0].sentence


def test_a_nonlinear_network_is_outside_the_theory():
    pytest.importorskip("jax")
    how = Neural(hidden=(8,), activation="tanh", updates=400, batch=64, optimizer=Adam(5e-3))
    result = lv.verify(trained(how, grid=GRID[::3]))
    assert result.verdict == ("outside the theory",) * 4
    assert not result.agrees
    assert [cause.code for cause in result.causes] == ["nonlinear"]
    assert np.isfinite(result.utility).all()  # the linear law stands beside them
    assert "no verdict" in result.conclusion()
    assert repr(result) == "Verification(no verdict: 4 modes outside the theory)"


def test_a_bernoulli_decoder_is_outside_the_theory():
    pytest.importorskip("jax")
    bits = (samples() > 0.3).astype(float)
    how = Neural(hidden=(8,), updates=200, batch=64, loss=lv.Loss.bernoulli())
    models = trained(how, bits, grid=GRID[::3], latents=2)
    result = lv.verify(models, lv.Spectrum.from_data(bits, standardize=True))
    assert result.verdict == ("outside the theory",) * 2
    assert not result.agrees
    assert [cause.code for cause in result.causes] == ["other-likelihood"]
    assert np.isnan(result.threshold).all()
    assert "only the first threshold" in result.summary()


def test_a_dead_seed_among_good_ones(healthy):
    broken = healthy.copy(deep=True)
    broken.mean_square[2] = broken.signal_fraction[2] = 0.0
    broken.posterior_variance[2] = 1.0
    broken.distortion[2] = broken.pruned_distortion[2] = 1.0
    result = lv.verify(broken)
    assert not result.agrees
    assert "one-seed" in [cause.code for cause in result.causes], result.summary()
    assert "Seed 2 differs" in result.conclusion()
    assert "one-seed" not in [cause.code for cause in lv.verify(broken.drop_sel(seed=2)).causes]


def test_observables_that_were_changed_since(healthy):
    """M² of latents in another order than their mean squares; and M² itself."""
    swapped = healthy.assign(
        signal_fraction=healthy.signal_fraction.copy(data=healthy.signal_fraction.values[..., ::-1])
    )
    assert [cause.code for cause in lv.verify(swapped).causes] == ["changed"]
    result = lv.verify(healthy.assign(signal_fraction=0.9 * healthy.signal_fraction))
    assert not result.agrees
    assert result.causes[0].code == "changed"
    assert "changed since training" in result.causes[0].sentence


@pytest.mark.parametrize("kind", ["mean", "sampled"])
def test_weights_are_not_needed(healthy, kind):
    """All numbers are the same to the bit, whatever became of decoder and encoder."""
    names = ["decoder", "encoder", "decoder_bias", "encoder_bias"]
    whole = lv.verify(healthy, reconstruction=kind).to_dict()
    assert lv.verify(healthy.drop_vars(names), reconstruction=kind).to_dict() == whole
    assert lv.verify(healthy.assign(decoder=0 * healthy.decoder), reconstruction=kind).to_dict() == whole
    assert lv.verify(trained(keep_weights=False), reconstruction=kind).to_dict() == whole


def test_a_decay_too_weak_to_matter_is_not_blamed():
    result = lv.verify(trained(sampled(optimizer=Adam(0.02, weight_decay=1e-6), updates=300)))
    assert not result.agrees
    assert "weight-decay" not in [cause.code for cause in result.causes]


def test_weight_decay():
    result = lv.verify(trained(sampled(optimizer=Adam(0.02, weight_decay=0.2))))
    assert not result.agrees
    assert [cause.code for cause in result.causes] == ["weight-decay"]


def test_the_spectrum_of_other_data(healthy):
    result = lv.verify(healthy, lv.Spectrum.from_eigenvalues([3.0, 0.9, 0.7, 0.2]))
    assert not result.agrees
    assert [cause.code for cause in result.causes] == ["other-data"]


def test_divergence_is_named():
    result = lv.verify(trained(sampled(optimizer=SGD(50.0), updates=100)))
    assert not result.agrees
    assert result.causes[0].code == "diverged"


def test_one_seed_has_no_standard_error(healthy):
    result = lv.verify(healthy.isel(seed=[0]))
    assert np.isnan(result.threshold_interval).all()
    assert "disagrees" not in result.verdict
    shifted = healthy.isel(seed=[0]).assign_coords(temperature=healthy.temperature * 1.05)
    assert set(lv.verify(shifted).verdict) <= {"not resolved", "not converged"}


def test_one_bent_branch_is_refuted(healthy):
    """Only M² of one latent is touched, by 5 %, in every seed."""
    bent = healthy.copy(deep=True)
    strongest = bent.signal_fraction.argmax("latent").values
    for seed, index in np.ndindex(strongest.shape):
        bent.posterior_variance[seed, index, strongest[seed, index]] *= 1.3
    result = lv.verify(measured_anew(bent))
    assert result.verdict[0] == "disagrees"
    assert not result.agrees


# ---------------------------------------------------------------------- what is no cause, and is told


def test_what_one_seed_says_alone_refutes_nothing(healthy):
    """At one temperature, too cold for the lines, the strongest latents are off, but only one seed was at rest."""
    lonely = healthy.copy(deep=True)
    cold = int(np.abs(lonely.temperature.values - 0.0386).argmin())
    strongest = lonely.signal_fraction[:, cold].argmax("latent").values
    lonely.posterior_variance.values[np.arange(SEEDS), cold, strongest] *= 1.8
    lonely = measured_anew(lonely)
    assert lv.verify(lonely).verdict == ("disagrees", "agrees", "agrees", "agrees")
    lonely.moved.values[1:, cold] = 0.5
    assert lv.verify(lonely).verdict == ("agrees",) * 4


def test_a_branch_that_is_at_rest_only_where_no_line_is_drawn_is_not_refuted(healthy):
    """All were at rest below T = 0.06 only, so that the first line has one point, but the law holds there."""
    late = healthy.copy(deep=True)
    late.moved.values[:, late.temperature.values > 0.06] = 0.5
    result = lv.verify(late)
    assert np.isnan(result.threshold[0])
    assert result.verdict[0] == "not converged"
    late.posterior_variance.values *= 1e3  # all inactive there, though at rest
    assert lv.verify(measured_anew(late)).verdict[0] == "disagrees"


def test_a_constant_learning_rate_is_not_to_be_raised():
    noisy = lv.verify(trained(sampled(optimizer=Adam(0.3), learning_rate=CONSTANT, updates=400)))
    assert [cause.code for cause in noisy.causes] == ["ended-early"]
    assert "let the learning rate fall to 0" in noisy.conclusion()
    assert "larger learning rate" not in noisy.conclusion()


def test_relabelled_temperatures_are_not_blamed_on_the_schedule(healthy):
    [cause] = lv.verify(healthy.assign_coords(temperature=healthy.temperature / 2)).causes
    assert cause.code == "beta-schedule"
    assert "relabelled" in cause.advice


def test_scans_in_other_shapes(healthy):
    same = healthy.transpose("latent", "temperature", ...).isel(temperature=slice(None, None, -1))
    assert lv.verify(same.drop_vars("distortion")).verdict == lv.verify(healthy).verdict
    for dim in ("seed", "temperature"):
        with pytest.raises(lv.InputError, match=f"no dimension {dim}"):
            lv.verify(healthy.isel({dim: 0}))


# -------------------------------------------------------------------------------------- statistics


def test_the_exponent_is_not_held_by_the_line():
    """A branch with p = 0.6, whose line ends far beyond it."""
    temperature = np.linspace(0.1, 0.6, 8)
    fraction = (1 - temperature) ** 0.6
    slope, intercept = np.polyfit(temperature, fraction, 1)
    measured = SimpleNamespace(
        at_rest=np.ones((1, 8, 1), dtype=bool),
        fitted=np.ones((1, 8, 1), dtype=bool),
        lines=np.array([[[-intercept / slope, intercept]]]),
        abscissa=temperature[None],
        by_seed=fraction[None, :, None],
    )
    np.testing.assert_allclose(exponents(measured), 0.6, rtol=1e-4)


def test_mean_and_error_are_those_of_the_textbook(rng):
    values = rng.standard_normal((7, 3))
    mean, error, count = mean_and_error(values)
    np.testing.assert_allclose(mean, values.mean(axis=0), rtol=CLOSED)
    np.testing.assert_allclose(error, values.std(axis=0, ddof=1) / np.sqrt(7), rtol=CLOSED)
    assert count.tolist() == [7, 7, 7]


def test_the_interval_is_students(rng):
    from scipy import stats

    values = rng.standard_normal((5, 1))
    mean, error, count = mean_and_error(values)
    expected = stats.ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    found = interval(Deviation(mean, error, count, np.zeros(1)))[0]
    np.testing.assert_allclose(found, [expected.low, expected.high], rtol=1e-9)
    test = stats.ttest_1samp(values[:, 0], 0)
    np.testing.assert_allclose(Deviation(mean, error, count, np.zeros(1)).p_value, test.pvalue, rtol=1e-9)
    drawn = interval(Deviation(mean, 1e-9 * error, count, np.ones(1)))[0]
    np.testing.assert_allclose(np.ptp(drawn), 2 * stats.norm.ppf(0.975), rtol=1e-6)  # only the known error is left


def test_sampling_error_is_that_of_samples():
    """Against 400 training sets of 500 rows: the spread of λ_k/V within 15 % (its own error is 3.5 %)."""
    population = lv.Spectrum.from_eigenvalues(EIGENVALUES)
    draws = np.array([lv.Spectrum.from_data(samples(count=500, seed=s)).normalized for s in range(400)])
    own = lv.Spectrum.from_data(samples(count=500))
    told = sampling_error(population, own, 4) * population.normalized
    np.testing.assert_allclose(draws.std(axis=0), told, rtol=0.15)
    assert np.all(sampling_error(own, own, 4) == 0)


@pytest.mark.slow
def test_coverage():
    """100 intervals of each of two modes, from five seeds each: between 90 and 99 % hold λ_k/V."""
    data = samples([3.0, 1.0], count=600)
    spectrum = lv.Spectrum.from_data(data)
    models = lv.scan(
        data, np.geomspace(0.9, 0.03, 9), seeds=range(500), trainer=sampled(updates=3000, batch=64), workers=2
    )
    by_seed = branches(models, spectrum).lines[..., 0] / spectrum.normalized - 1
    held = []
    for group in by_seed.reshape(100, 5, 2):
        mean, error, count = mean_and_error(group)
        low, high = interval(Deviation(mean, error, count, np.zeros(2))).T
        held.append((low <= 0) & (high >= 0))
    coverage = np.mean(held, axis=0)
    assert np.all((coverage >= 0.9) & (coverage <= 0.99)), coverage


def test_json_and_table_hold_what_is_new(healthy):
    result = lv.verify(healthy)
    told = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert told["seeds"] == SEEDS
    assert told["modes"][1]["threshold_interval"][0] < told["modes"][1]["threshold"]
    assert told["causes"] == []
    assert "95 % interval" in result.summary()
    assert "±" in result.summary()
