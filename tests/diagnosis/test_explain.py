"""What two logged numbers mean: verdicts, units, prices and courses, staged with states whose truth is known."""

import numpy as np
import pytest
from conftest import CLOSED

import landau_vae as lv
from landau_vae import InputError, Loss, Spectrum, equilibrium, explain
from landau_vae.loss import Logged

LAM = np.array([6.0, 3.0, 1.5, 0.6, 0.2, *([0.05] * 20)])
SPECTRUM = Spectrum.from_eigenvalues(LAM)
LOSS = Loss.gaussian(1.0, latents=8)
D = len(LAM)


def at(beta, loss=LOSS, spectrum=SPECTRUM):
    """Return KL and reconstruction of a linear model at rest, as its loop logs them."""
    state = equilibrium(spectrum, loss.at(beta))
    distortion = state.total_distortion * spectrum.total_variance
    return Logged().logged_rate(state.total_rate, loss, D), Logged().logged_error(distortion, loss, D)


def codes(result):
    return [finding.code for finding in result.findings]


# ------------------------------------------------------------------------------------------ verdicts


@pytest.mark.parametrize("beta", [0.03, 0.4, 1.0, 3.0])
@pytest.mark.parametrize(
    "loss", [LOSS, Loss.gaussian(1.0, reconstruction="mean", half=False, kl="mean", latents=8),
             Loss.gaussian(decoder_variance=0.3)],
)  # fmt: skip
def test_a_linear_model_at_rest_is_recognised(loss, beta):
    kl, reconstruction = at(beta, loss)
    result = explain(float(kl), float(reconstruction), loss=loss.at(beta), spectrum=SPECTRUM)
    price = float(loss.at(beta).price(SPECTRUM))
    assert result.verdict == "active"
    assert result.by_rate == pytest.approx(price, rel=1e-9)
    assert result.by_error == pytest.approx(price, rel=1e-9)
    assert result.efficiency == pytest.approx(1.0, rel=1e-9)
    assert result.active == np.count_nonzero(equilibrium(SPECTRUM, loss.at(beta)).signal_fraction > 0.1)
    assert result.expected_kl == pytest.approx(float(kl), rel=CLOSED)
    assert result.expected_reconstruction == pytest.approx(float(reconstruction), rel=CLOSED)
    assert "one-linear-model" in codes(result)
    assert not any(finding.alarm for finding in result.findings)


def test_collapsed_as_predicted_or_too_early():
    mean = LAM.sum() / 2
    above = explain(0.0, mean, loss=LOSS.at(7.0), spectrum=SPECTRUM)
    assert (above.verdict, codes(above)[0]) == ("collapsed", "collapsed")
    assert "β below 6" in above.findings[0].advice
    below = explain(1e-3, mean, loss=LOSS, spectrum=SPECTRUM)
    assert (below.verdict, codes(below)[0]) == ("collapsed", "collapsed-below-threshold")
    assert "plateau" in below.findings[0].advice
    assert below.active == 0


def test_a_kl_that_the_decoder_ignores():
    result = explain(3.0, LAM.sum() / 2, loss=LOSS, spectrum=SPECTRUM)
    assert result.verdict == "ignored"
    assert "mean predictor" in result.findings[0].sentence


def test_worse_than_the_mean_predictor():
    result = explain(3.0, 2 * LAM.sum(), loss=LOSS, spectrum=SPECTRUM)
    assert result.verdict == "worse than the mean"
    assert codes(result)[0] == "worse-than-mean"


@pytest.mark.parametrize(
    ("kl", "error"), [("feature", "loss"), ("latent", "loss"), ("weighted", "loss"), ("feature", "feature")]
)
def test_numbers_in_another_unit_are_named(kl, error):
    """A state at β = 0.1, logged otherwise than stated: 25 features, 8 latents, a weight of a tenth."""
    stated, true = LOSS.at(0.1), Logged(kl, error)
    state = equilibrium(SPECTRUM, stated)
    wrong = (
        float(true.logged_rate(state.total_rate, stated, D)),
        float(true.logged_error(state.total_distortion * LAM.sum(), stated, D)),
    )
    result = explain(*wrong, loss=stated, spectrum=SPECTRUM)
    readings = [f.evidence["readings"] for f in result.findings if f.code == "other-units"]
    assert (kl, error) in [tuple(each) for each in readings[0]]
    right = explain(*wrong, loss=stated, spectrum=SPECTRUM, logged=true)
    assert "one-linear-model" in codes(right)
    assert right.rate == pytest.approx(float(state.total_rate), rel=CLOSED)


def test_what_a_kl_per_pixel_is():
    image = Spectrum.from_eigenvalues(np.ones(784))
    result = explain(0.05, 1.0, loss=Loss.gaussian(latents=10), spectrum=image, logged=Logged("feature"))
    assert result.rate == pytest.approx(39.2)
    [units] = [finding.sentence for finding in result.findings if finding.code == "units"]
    assert "39.2 nats of a row" in units
    assert "3.92 of each of 10 latents" in units


def test_a_linear_model_at_another_price_names_the_slip():
    kl, reconstruction = at(2.0)
    averaged = Loss.gaussian(2.0 / 25, latents=8)  # the loss in training has a mean over 25 features
    result = explain(float(kl), float(reconstruction), loss=averaged, spectrum=SPECTRUM)
    [finding] = [each for each in result.findings if each.code == "other-price"]
    assert finding.evidence["factor"] == pytest.approx(25.0, rel=1e-6)
    assert "mean over the 25 features" in finding.sentence


def test_a_kl_far_from_the_expected_one_names_the_weight_that_makes_it():
    """The KL is that of β = 0.1, where 1 is stated: three digits of it are printed."""
    kl, reconstruction = (float(each) for each in at(0.1))
    said = {each.code: each.advice for each in explain(kl, 1.5 * reconstruction, loss=LOSS, spectrum=SPECTRUM).findings}
    assert "logs this KL at β = 0.1, or" in said["expected"]
    kl, reconstruction = (float(each) for each in at(1.0))
    said = {each.code: each.advice for each in explain(kl, reconstruction, loss=LOSS, spectrum=SPECTRUM).findings}
    assert "outside that range" not in said["expected"]


def test_better_and_worse_than_linear():
    kl, reconstruction = (float(each) for each in at(1.0))
    gain = LAM.sum() / 2 - reconstruction
    better = explain(kl, LAM.sum() / 2 - 1.3 * gain, loss=LOSS, spectrum=SPECTRUM)
    assert better.efficiency == pytest.approx(1.3, rel=1e-9)
    assert "better-than-linear" in codes(better)
    worse = explain(1.5 * kl, reconstruction, loss=LOSS, spectrum=SPECTRUM)
    [finding] = [each for each in worse.findings if each.code == "worse-than-linear"]
    assert f"{kl:.3g} nats" in finding.sentence
    below = explain(2 * kl, 0.2, loss=Loss.gaussian(1.0, latents=2), spectrum=SPECTRUM)  # two latents leave 2.0
    assert np.isnan(below.by_error)
    assert "better-than-linear" in codes(below)


def test_a_negative_kl_is_an_estimate():
    assert "negative-kl" in codes(explain(-0.01, 6.0, loss=LOSS, spectrum=SPECTRUM))


# ---------------------------------------------------------------------------------- other kinds of loss


def test_bernoulli_rows_tell_what_the_mean_predictor_costs(rng):
    bits = (rng.random((500, 1)) < 0.5) ^ (rng.random((500, 6)) < 0.15)
    rows = bits.astype(float)
    entropy = -np.sum(rows.mean(0) * np.log(rows.mean(0)) + (1 - rows.mean(0)) * np.log(1 - rows.mean(0)))
    loss = Loss.bernoulli(1.0, latents=2)
    result = explain(0.0, entropy, loss=loss, data=rows)
    assert result.mean_error == pytest.approx(entropy, rel=CLOSED)
    assert result.explained == pytest.approx(0.0, abs=1e-9)
    assert codes(result)[0] == "collapsed-below-threshold"
    spectrum = Spectrum.from_data(rows, likelihood="bernoulli")
    assert explain(0.0, entropy, loss=loss, spectrum=spectrum).mean_error == pytest.approx(entropy, rel=CLOSED)
    alive = explain(0.7, 3.0, loss=loss, data=rows)
    assert alive.verdict == "active"
    assert "one-linear-model" not in codes(alive)
    lone = Spectrum(**{**vars(spectrum), "mean": None})
    assert "mean-unknown" in codes(explain(0.7, 3.0, loss=loss, spectrum=lone))


def test_absolute_errors_are_explained_from_the_median(rng):
    rows = rng.standard_normal((400, 3)) * [2, 1, 0.5]
    loss = Loss.of(lv.likelihoods.laplace(), 0.5, latents=2)
    at_median = np.abs(rows - np.median(rows, axis=0)).sum(axis=1).mean()
    result = explain(0.0, at_median, loss=loss, data=rows)
    assert result.mean_error == pytest.approx(at_median, rel=CLOSED)
    assert codes(result)[0] == "collapsed-below-threshold"
    assert result.expected_rate > 0
    spread = np.full(3, rows.std())
    units = explain(0.0, at_median, loss=loss, data=rows * spread, standardize=True)
    assert units.spectrum.eigenvalues[0] == pytest.approx(
        lv.spectrum.score((rows - rows.mean(0)) / rows.std(0), loss).eigenvalues[0], rel=1e-9
    )
    assert explain(1.0, 2.0, loss=loss, spectrum=result.spectrum, mean_error=3.0).mean_error == 3.0


def test_a_learned_variance():
    loss = Loss.gaussian(1.5, decoder_variance="learned", latents=3)
    kl, density = at(1.5, loss)
    result = explain(float(kl), float(density), loss=loss, spectrum=SPECTRUM)
    assert result.by_rate == pytest.approx(result.price, rel=1e-9)
    assert result.by_error == pytest.approx(result.price, rel=1e-9)
    hopeless = explain(3.0, 0.1, loss=Loss.gaussian(0.5, decoder_variance="learned"), spectrum=SPECTRUM)
    assert "no-price" in codes(hopeless)
    assert np.isnan(hopeless.expected_kl)


def test_a_constraint_holds_the_rate():
    loss = LOSS.at(5.0).constrained("hinge", 2.0)
    state = equilibrium(SPECTRUM, loss)
    error = float(state.total_distortion) * LAM.sum() / 2
    result = explain(2.0, error, loss=loss, spectrum=SPECTRUM)
    assert result.expected_kl == pytest.approx(2.0, rel=1e-9)
    assert result.by_rate == pytest.approx(result.price, rel=1e-9)
    assert "one-linear-model" in codes(result)
    dead = explain(0.0, LAM.sum() / 2, loss=loss, spectrum=SPECTRUM)
    assert codes(dead)[0] == "collapsed-below-threshold"


def test_another_sampler_has_no_water_filling():
    loss = Loss.gaussian(1.0, latents=8, sampler=lv.loss.Sampler(variance=1.0))
    kl, reconstruction = at(1.0, loss)
    result = explain(float(kl), float(reconstruction), loss=loss, spectrum=SPECTRUM)
    assert result.verdict == "active"
    assert result.active is None
    assert np.isnan(result.by_rate)
    assert result.expected_kl == pytest.approx(float(kl), rel=CLOSED)


# --------------------------------------------------------------------------------------------- courses


def course(beta, loss=LOSS, **how):
    kl, reconstruction = at(np.asarray(beta), loss)
    return explain(kl, reconstruction, loss=loss, beta=beta, spectrum=SPECTRUM, **how)


def test_a_loss_that_rises_with_beta_is_the_theory():
    result = course(np.linspace(0.1, 3.0, 40))
    assert "rising-loss" in codes(result)
    assert "falling-kl" in codes(result)
    [finding] = [each for each in result.findings if each.code == "rising-loss"]
    assert "dL/dβ is the KL" in finding.sentence
    assert float(result.loss.beta) == 3.0


def test_a_loss_that_rises_by_more_is_not():
    """The error rises by half as much again as at rest."""
    beta = np.linspace(0.1, 3.0, 40)
    kl, reconstruction = at(beta)
    lagging = reconstruction + np.linspace(0, 3.0, 40)
    assert "rising-loss-unexplained" in codes(explain(kl, lagging, loss=LOSS, beta=beta, spectrum=SPECTRUM))
    level = explain(kl[0] + 0 * kl, reconstruction[0] + 0 * kl, loss=LOSS, spectrum=SPECTRUM)
    assert not any("rising" in code for code in codes(level))


def test_plateau_collapse_and_revival():
    kl = np.array([0.0, 0.0, 0.001, 0.4, 1.5, 1.6, 0.03, 0.0, 0.0, 0.03, 0.8, 1.5])
    result = explain(kl, 6.4 - kl, loss=LOSS, spectrum=SPECTRUM, step=np.arange(12) * 100)
    turns = [finding for finding in result.findings if finding.code in ("plateau", "collapse", "revival")]
    assert [finding.code for finding in turns] == ["plateau", "collapse", "revival"]
    for finding, step in zip(turns, (300, 700, 1000), strict=True):
        assert f"step {step} " in finding.sentence
    assert "below the first threshold" in turns[1].sentence


def test_a_collapse_above_the_threshold_is_due():
    beta = np.linspace(3.0, 9.0, 20)
    result = course(beta)
    [finding] = [each for each in result.findings if each.code == "collapse"]
    assert "had come to the first threshold, 6," in finding.sentence
    assert result.verdict == "collapsed"


def test_a_rising_kl_is_told_from_its_causes():
    rising = np.linspace(0.5, 1.5, 20)
    on_its_way = explain(rising, 6 - rising, loss=LOSS, spectrum=SPECTRUM)
    [finding] = [each for each in on_its_way.findings if each.code == "rising-kl"]
    assert "on its way to the" in finding.sentence
    assert "normal" in finding.sentence
    falling = course(np.linspace(3.0, 0.5, 20))
    [finding] = [each for each in falling.findings if each.code == "rising-kl"]
    assert "β falls there" in finding.sentence


def test_noise_makes_no_events(rng):
    """Numbers of batches, scattered by a tenth about a state at rest."""
    kl, reconstruction = (float(each) for each in at(1.0))
    scatter = 1 + 0.1 * rng.standard_normal((2, 200))
    result = explain(kl * scatter[0], reconstruction * scatter[1], loss=LOSS, spectrum=SPECTRUM)
    assert not {"plateau", "collapse", "revival", "rising-loss", "rising-loss-unexplained"} & set(codes(result))


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_a_rising_loss_is_recognised_in_noise(rng, noise):
    beta = np.linspace(0.1, 3.0, 200)
    kl, reconstruction = at(beta)
    scatter = 1 + noise * rng.standard_normal((2, 200))
    result = explain(kl * scatter[0], reconstruction * scatter[1], loss=LOSS, beta=beta, spectrum=SPECTRUM)
    assert "rising-loss" in codes(result)
    assert not {"plateau", "collapse", "revival", "rising-loss-unexplained"} & set(codes(result))


def test_many_turns_are_counted():
    kl = np.tile([0.0, 1.0], 6)
    found = codes(explain(kl, 6.4 - kl, loss=LOSS, spectrum=SPECTRUM))
    assert found.count("collapse") + found.count("revival") + found.count("plateau") == 6
    assert "more-turns" in found


def test_a_weighted_kl_of_a_course_is_divided_by_its_own_beta():
    beta = np.linspace(0.5, 3.0, 30)
    kl, reconstruction = at(beta)
    weighted = explain(beta * kl, reconstruction, loss=LOSS, beta=beta, spectrum=SPECTRUM, logged=Logged("weighted"))
    assert codes(weighted) == codes(course(beta))


# ----------------------------------------------------------------------------------- words, bad input


def test_what_is_shown():
    result = course(np.linspace(0.1, 1.0, 10))
    text = result.summary()
    for part in ("KL of a row [nat]", "collapsed", "prediction from the collapsed background", "· units:"):
        assert part in text
    content = result.to_dict()
    assert content["verdict"] == "active"
    assert content["findings"][0]["code"] == "active"
    assert result._repr_html_().count("<table>") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kl": 1.0, "reconstruction": 1.0}, "one of the two"),
        ({"kl": 1.0, "reconstruction": 1.0, "spectrum": SPECTRUM, "data": np.ones((3, 2))}, "one of the two"),
        ({"kl": [1.0, 2.0], "reconstruction": 1.0, "spectrum": SPECTRUM}, "reconstruction has shape"),
        ({"kl": np.nan, "reconstruction": 1.0, "spectrum": SPECTRUM}, "kl has 1 entries"),
        ({"kl": 1.0, "reconstruction": 1.0, "spectrum": SPECTRUM, "loss": LOSS.at([1.0, 2.0])}, "list of β"),
        ({"kl": 1.0, "reconstruction": 1.0, "spectrum": SPECTRUM, "beta": -1.0}, "beta is -1"),
        ({"kl": 1.0, "reconstruction": 1.0, "spectrum": SPECTRUM, "loss": Loss.bernoulli()}, "likelihood"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(InputError, match=words):
        explain(**{"loss": LOSS} | arguments)


def test_an_unknown_error_of_the_mean_predictor_is_left_out():
    loss = Loss.of("huber(1)", 0.3)
    spectrum = lv.spectrum.score(np.random.default_rng(0).standard_normal((80, 3)), loss)
    assert repr(explain(0.5, 1.0, loss=loss, spectrum=spectrum)).endswith("latents)")


@pytest.mark.parametrize("kl", [0.0, 1.0])
def test_a_log_of_all_of_a_density_is_recognised(kl):
    """A framework's −ln p of counts has terms of x alone, here by SciPy; without them the log is another number."""
    stats, rng = pytest.importorskip("scipy.stats"), np.random.default_rng(0)
    counts, theta = rng.poisson(rng.gamma(3.0, 2.0, (300, 1)) * [0.5, 1.0, 2.0]).astype(float), 5.0
    loss, mean = Loss.of(lv.loss.negative_binomial(theta), latents=2), counts.mean(axis=0)
    whole = -stats.nbinom(theta, theta / (theta + mean)).logpmf(counts).sum(axis=1).mean()
    short = ((counts + theta) * np.log(theta + mean) - theta * np.log(theta) - counts * np.log(mean)).sum(axis=1).mean()
    for logged, read in ((whole, True), (short, False)):
        result = explain(kl, logged - 0.7 * kl, loss=loss, data=counts)
        assert result.verdict == ("active" if kl else "collapsed")
        assert result.mean_error - result.error == pytest.approx(0.7 * kl, abs=1e-9)
        assert ("whole-density" in codes(result)) == read
        assert result.logged.logged_error(result.error, loss, 3) == pytest.approx(logged - 0.7 * kl, rel=CLOSED)


def test_a_dispersion_that_is_found_is_that_of_the_rows():
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(3.0, 2.0, (200, 1)) * [0.5, 1.0, 2.0])
    counts[:, 0] += 1  # every row has a size
    loss = Loss.preset("scvi-tools", latents=2, gene_likelihood="nb")
    settled = loss.likelihood.settled(counts.astype(float))
    result = explain(0.0, 10.0, loss=loss, data=counts)
    assert result.mean_error == pytest.approx(
        float(np.mean(settled.row_value(counts.astype(float), settled.rest(counts.astype(float)).output))), rel=1e-6
    )


def test_a_squared_error_is_not_negative():
    result = explain(1.0, -5.0, loss=LOSS, spectrum=SPECTRUM)
    assert (result.verdict, codes(result)[0]) == ("inconsistent", "inconsistent")
    assert "no sum of squares is negative" in result.findings[0].sentence
    assert explain(1.0, -1.0, loss=LOSS, spectrum=SPECTRUM, logged=Logged(constant=-5.0)).verdict == "active"


def test_a_collapse_without_a_price_has_no_advice_on_beta():
    """Free nats per latent have no one price: then no β is named, and the reason is given."""
    loss = LOSS.at(100.0).constrained("hinge", 0.2, per="latent")
    result = explain(0.0, LAM.sum() / 2, loss=loss, spectrum=SPECTRUM)
    assert codes(result)[:2] == ["collapsed", "no-price"]
    assert not result.findings[0].advice


def test_a_learned_variance_that_falls_to_zero_is_still_explained():
    loss = Loss.gaussian(0.1, decoder_variance="learned")
    assert explain(0.0, 4.0, loss=loss, spectrum=Spectrum.from_eigenvalues([4, 1])).verdict == "collapsed"
