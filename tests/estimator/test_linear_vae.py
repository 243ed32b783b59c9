"""The estimator's numbers: those of `equilibrium` and `transitions`, of trained models, of PCA in its limits."""

import mpmath
import numpy as np
import pytest
from conftest import CLOSED, SAMPLED, TRAINED
from scipy.stats import multivariate_normal

import landau_vae as lv
from landau_vae.loss import Sampler

decomposition = pytest.importorskip("sklearn.decomposition", reason="the extra 'sklearn' is not installed")

# Sums over features: a few hundred roundings of numbers that are a thousand times as large as their result.
SUMMED = 1e-10

LOSSES = {
    "plain": lv.Loss.gaussian(0.3),
    "averages": lv.Loss.gaussian(0.2, reconstruction="mean", kl="mean", latents=4, half=False),
    "preset": lv.Loss.preset("pytorch-vae", 0.2),
    "few latents": lv.Loss.gaussian(0.01, latents=2),
    "learned variance": lv.Loss.gaussian(1.2, decoder_variance="learned", latents=3),
    "noise": lv.Loss.gaussian(0.1, sampler=Sampler(noise_scale=1.7)),
    "frozen variance": lv.Loss.gaussian(0.1, sampler=Sampler(variance=0.5)),
    "target rate": lv.Loss.gaussian(1.0).constrained("target", 2.0),
    "hinge": lv.Loss.gaussian(1.0).constrained("hinge", 1.0),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


@pytest.fixture
def rows(rng):
    mixing = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    return rng.standard_normal((300, 6)) * [3, 2, 1.4, 1, 0.6, 0.3] @ mixing + np.arange(6) * 10


@every_loss
@pytest.mark.parametrize(("count", "standardize"), [(300, False), (300, True), (8, False)])
def test_numbers_are_those_of_the_equilibrium(rows, name, count, standardize):
    """Also those of 8 rows, where λ₁ is a thousand times λ₆, whose rounding is relative to λ₁."""
    rows = rows[:count]
    loss, model = LOSSES[name], lv.LinearVAE(loss=LOSSES[name], standardize=standardize).fit(rows)
    spectrum = lv.Spectrum.from_data(rows, standardize=standardize)
    np.testing.assert_array_equal(model.equilibrium_.spectrum.eigenvalues, spectrum.eigenvalues)  # decomposed alike
    assert model.equilibrium_.spectrum.kind == spectrum.kind
    state, K = lv.equilibrium(spectrum, loss), loss.latents or 6
    assert model.n_components_ == K
    assert model.n_active_ == int(state.active)
    for mine, theirs in (
        (model.signal_fraction_, state.signal_fraction), (model.rate_, state.rate),
        (model.posterior_variance_, state.posterior_variance),
        (model.explained_variance_ratio_, state.utility("sampled")),
    ):  # fmt: skip
        np.testing.assert_allclose(mine, theirs[:K], rtol=CLOSED, atol=0)
    np.testing.assert_allclose(model.equilibrium_.total_distortion, state.total_distortion, rtol=CLOSED)
    np.testing.assert_allclose(model.noise_variance_, state.price, rtol=CLOSED)
    cascade = lv.transitions(spectrum, loss)
    np.testing.assert_allclose(model.thresholds_, np.repeat(cascade.beta, cascade.multiplicity), rtol=CLOSED)


@every_loss
def test_each_threshold_is_where_a_latent_collapses(rows, name):
    """By fits on both sides of it, where the threshold is one of β."""
    model = lv.LinearVAE(loss=LOSSES[name]).fit(rows)
    for k, beta in enumerate(model.thresholds_[:3]):
        if 0 < beta < np.inf and name != "learned variance":
            below, above = (lv.LinearVAE(beta * factor, LOSSES[name]).fit(rows) for factor in (0.999, 1.001))
            assert (below.n_active_, above.n_active_) == (k + 1, k)


@every_loss
def test_observables_can_be_measured_on_codes(rows, name):
    """⟨μ²⟩ of the codes, the KL, and the error of sampled reconstructions, by their definitions."""
    model = lv.LinearVAE(loss=LOSSES[name]).fit(rows)
    codes, variance = model.transform(rows), model.posterior_variance_
    square = np.mean(codes**2, axis=0)
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=SUMMED)
    np.testing.assert_allclose((square + variance - 1 - np.log(variance)) / 2, model.rate_, rtol=SUMMED, atol=SUMMED)
    sampler = LOSSES[name].sampler
    noise, decoder = sampler.noise(variance), model.inverse_transform(np.eye(model.n_components_)) - model.mean_
    error = np.sum((rows - model.inverse_transform(codes)) ** 2, axis=1).mean() + noise @ np.sum(decoder**2, axis=1)
    state = model.equilibrium_
    np.testing.assert_allclose(error / state.spectrum.total_variance, state.total_distortion, rtol=SUMMED)
    if sampler.honest:
        np.testing.assert_allclose(square / (square + variance), model.signal_fraction_, rtol=SUMMED, atol=SUMMED)


@pytest.mark.parametrize("beta", [0.2, 1.0, 3.0])
def test_a_trained_model_is_the_same(rows, beta):
    """The exact trainer has no eigenvectors of the data; its latents come in any order and with any sign."""
    model = lv.LinearVAE(beta, n_components=4).fit(rows)
    spectrum = lv.Spectrum.from_data(rows)
    scan = lv.scan(spectrum, [beta / spectrum.total_variance], latents=4, trainer=lv.training.Exact(1e-10), seeds=1)
    trained = scan.isel(temperature=0, seed=0)
    order = np.argsort(-trained.signal_fraction.values)
    for name, mine in (("signal_fraction", model.signal_fraction_), ("rate", model.rate_)):
        np.testing.assert_allclose(trained[name].values[order], mine, atol=TRAINED)
    state = model.equilibrium_
    np.testing.assert_allclose(trained.loss, state.free_energy, rtol=TRAINED)
    np.testing.assert_allclose(trained.distortion, state.total_distortion, rtol=TRAINED)
    active = order[: model.n_active_]
    codes = (rows - rows.mean(axis=0)) @ trained.encoder.values[active].T
    mine = model.transform(rows)[:, : len(active)]
    np.testing.assert_allclose(np.abs(codes), np.abs(mine), atol=100 * TRAINED)  # of codes up to 4; turns cost little
    back = model.mean_ + codes @ trained.decoder.values[:, active].T
    np.testing.assert_allclose(model.inverse_transform(model.transform(rows)), back, atol=100 * TRAINED)


@pytest.mark.parametrize("standardize", [False, True])
@every_loss
def test_scores_are_those_of_the_covariance(rows, name, standardize):
    model = lv.LinearVAE(loss=LOSSES[name], standardize=standardize).fit(rows)
    expected = multivariate_normal(rows.mean(axis=0), model.get_covariance()).logpdf(rows)
    np.testing.assert_allclose(model.score_samples(rows), expected, rtol=SUMMED)
    np.testing.assert_allclose(model.score(rows), expected.mean(), rtol=SUMMED)


@pytest.mark.parametrize("beta", [1e-12, 1e-30, 1e-200])
def test_scores_of_all_modes_tend_to_those_of_the_covariance(rows, beta):
    """No row has a part across all modes, so that τ drops out; its rounding divided by τ would be 10 nats at 1e-30."""
    model, deviation = lv.LinearVAE(beta).fit(rows), rows - rows.mean(axis=0)
    expected = multivariate_normal(rows.mean(axis=0), deviation.T @ deviation / len(rows)).logpdf(rows)
    np.testing.assert_allclose(model.score_samples(rows), expected, rtol=SUMMED)


def test_the_score_is_the_evidence_bound(rows):
    """At the exact posterior the bound is the likelihood, in units of b, whatever the reductions."""
    for name in ("plain", "averages", "few latents", "preset"):
        loss = LOSSES[name]
        model = lv.LinearVAE(loss=loss).fit(rows)
        bound = -model.equilibrium_.loss_value / loss.weights(6)[1] - 3 * np.log(2 * np.pi * model.noise_variance_)
        np.testing.assert_allclose(model.score(rows), bound, rtol=SUMMED)


def test_the_limit_of_small_beta_is_pca(rows):
    pca = decomposition.PCA(3).fit(rows)
    model = lv.LinearVAE(1e-9, n_components=3).fit(rows)
    np.testing.assert_allclose(model.components_, pca.components_, atol=SUMMED)  # with its signs
    np.testing.assert_allclose(model.explained_variance_, pca.explained_variance_ * 299 / 300, rtol=1e-8)  # τ/λ = 1e-9
    mine = model.inverse_transform(model.transform(rows))
    np.testing.assert_allclose(mine, pca.inverse_transform(pca.transform(rows)), atol=1e-7)  # τ/λ of up to 10


def test_a_learned_variance_is_probabilistic_pca(rows):
    pca = decomposition.PCA(3).fit(rows)
    model = lv.LinearVAE(loss=lv.Loss.gaussian(decoder_variance="learned"), n_components=3).fit(rows)
    np.testing.assert_allclose(model.get_covariance(), pca.get_covariance() * 299 / 300, rtol=SUMMED, atol=SUMMED)
    assert model.score(rows) > pca.score(rows)  # the likelihood is largest with the divisor n


def test_other_subspaces_than_those_of_factor_analysis(rng):
    """One column of pure noise, larger than the signal: the strongest mode of PCA, no factor."""
    rows = rng.standard_normal((2000, 1)) @ np.ones((1, 5)) + 0.5 * rng.standard_normal((2000, 5))
    rows = np.hstack([rows, 2.5 * rng.standard_normal((2000, 1))])
    model = lv.LinearVAE(0.25, n_components=1).fit(rows)
    factor = decomposition.FactorAnalysis(1).fit(rows)
    assert abs(model.components_[0, 5]) > 0.99
    assert abs(factor.components_[0, 5]) < 0.3  # of a loading of 1 in the others; one standard error is 0.1


def test_samples_have_the_covariance(rows):
    model = lv.LinearVAE(1.0, standardize=True).fit(rows)
    drawn = model.sample(20_000, random_state=0)
    np.testing.assert_array_equal(drawn[:0], model.sample(0, random_state=0))
    np.testing.assert_array_equal(drawn, model.sample(20_000, np.random.RandomState(0)))
    covariance = model.get_covariance()
    variance = covariance.diagonal()
    error = np.sqrt((np.outer(variance, variance) + covariance**2) / 20_000)  # of a covariance of normal rows
    assert np.all(np.abs(np.cov(drawn.T) - covariance) < SAMPLED * error)
    assert np.all(np.abs(drawn.mean(axis=0) - model.mean_) < SAMPLED * np.sqrt(variance / 20_000))


def test_variances_of_features_are_a_change_of_units(rows):
    variance = np.array([1.0, 4.0, 0.25, 1.0, 9.0, 0.5])
    model = lv.LinearVAE(0.3, lv.Loss.of(lv.loss.gaussian(variance))).fit(rows)
    other = lv.LinearVAE(0.3).fit(rows / np.sqrt(variance))
    np.testing.assert_allclose(model.thresholds_, other.thresholds_, rtol=SUMMED)
    np.testing.assert_allclose(model.transform(rows), other.transform(rows / np.sqrt(variance)), atol=SUMMED)
    np.testing.assert_allclose(model.score(rows), other.score(rows / np.sqrt(variance)) - np.log(variance).sum() / 2)


def test_rounding_does_not_lose_a_small_price(rng):
    """At τ = 1e-12 λ₁, against 60 digits: what a latent leaves of a row is 1e-6 of it, in the square 1e-12."""
    rows = np.outer(rng.standard_normal(10), [1e3, 2e3, 0]) + 1e-3 * rng.standard_normal((10, 3))
    model = lv.LinearVAE(1e-6, n_components=1).fit(rows)
    with mpmath.workdps(60):
        exact = mpmath.matrix(rows.tolist())
        mean = [sum(exact[:, j]) / 10 for j in range(3)]
        centred = mpmath.matrix([[exact[i, j] - mean[j] for j in range(3)] for i in range(10)])
        values, vectors = mpmath.eigsy(centred.T * centred / 10)
        axis, tau = vectors[:, 2], mpmath.mpf(model.noise_variance_)
        covariance = (values[2] - tau) * axis * axis.T + tau * mpmath.eye(3)
        constant = mpmath.log(mpmath.det(2 * mpmath.pi * covariance))
        expected = [-(constant + (centred[i, :] * covariance**-1 * centred[i, :].T)[0]) / 2 for i in range(10)]
    # The axis has the rounding of its eigenproblem, 1e-16, times rows of 1e3: 1e-13 beside residuals of 1e-3.
    np.testing.assert_allclose(model.score_samples(rows), np.array(expected, dtype=float), rtol=1e-9)
