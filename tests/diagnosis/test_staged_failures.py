"""Models that were really trained into trouble, and what the diagnosis says of them; and healthy ones, of which it must
not complain.

Thresholds between codes are those of `landau_vae.limits`; every case here lies well inside its own region, so that
another seed gives the same code.
"""

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.loss import Loss
from landau_vae.training import SGD, Adam, Neural, Sampled, Schedule, trained_model

SPREAD = np.sqrt([6, 3, 2, 1.2, 0.6, 0.3, 0.15, 0.08])


def rows(rng, spread=SPREAD, n=4000):
    rotation = np.linalg.qr(rng.standard_normal((len(spread), len(spread))))[0]
    return rng.standard_normal((n, len(spread))) * spread @ rotation.T


@pytest.fixture(scope="module")
def X():
    return rows(np.random.default_rng(0))


def train(X, price, latents=8, total=None, **how):
    """One model at a price τ: its posterior means and variances of all rows, and its weights."""
    total = float(np.var(X, axis=0).sum()) if total is None else total
    settings = {"updates": 3000, "batch": 128, "optimizer": Adam(0.02)} | how
    model = lv.scan(X, [price / total], latents=latents, trainer=Sampled(**settings)).isel(seed=0, temperature=0)
    mean = (X - X.mean(axis=0)) @ model.encoder.transpose("feature", "latent").values + model.encoder_bias.values
    return mean, np.broadcast_to(model.posterior_variance.values, mean.shape), model


def train_network(X, price, latents, total=None, **how):
    """One network at a price τ: its posterior means and variances of all rows, and the model."""
    pytest.importorskip("jax")
    total = float(np.var(X, axis=0).sum()) if total is None else total
    settings = {"hidden": (8,), "updates": 3000, "batch": 128, "optimizer": Adam(5e-3)} | how
    scan = lv.scan(X, [price / total], latents=latents, trainer=Neural(**settings))
    model = trained_model(scan, price / total)
    mean, log_variance = model.encode(X)
    return mean, np.exp(log_variance), model


def said(result):
    return " ".join(f"{finding.sentence} {finding.advice}" for finding in result.findings)


# ------------------------------------------------------------------------------------- eight ways to fail


def test_beta_far_too_high_through_a_mean_over_features(X):
    """F.mse_loss(x̂, x) + 2 KL, where β = 2 was taken from a paper that sums over features."""
    mean, variance, _ = train(X, 2 * 8 / 2)
    loss = Loss.gaussian(2.0, reconstruction="mean", half=False)
    result = lv.diagnose(mean, variance=variance, data=X, loss=loss)
    assert result.verdict == "price-too-high"
    assert not result.is_active.any()
    assert set(result.status) == {"inactive, as predicted"}
    assert "averages the error over its 8 features" in said(result)
    first = float(loss.beta_at(result.spectrum.eigenvalues[0], result.spectrum))
    assert f"below {first:.4g}" in said(result)
    # Whoever believes that the loss sums is told that latents should live, and what else it may be.
    mistaken = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(2.0, half=False))
    assert mistaken.verdict == "should-be-active"
    assert "a mean over the 8 features in place of a sum" in said(mistaken)


def test_warm_up_that_ends_early(X):
    """β rises linearly, and the run stops where it has come to three tenths."""
    mean, variance, _ = train(X, 1.0, updates=4000, beta=Schedule(((0.0, 0.0), (1.0, 0.3))))
    result = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(1.0))
    assert result.verdict == "lower-price"
    assert result.implied_price == pytest.approx(0.3, rel=0.15)  # the model lags behind a β that still rises
    assert "warm-up" in said(result)


def test_kl_that_is_never_applied(X):
    mean, variance, _ = train(X, 1e-9)
    result = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(1.0))
    assert result.verdict == "kl-off"
    assert result.is_active.all()
    assert "not used" in said(result)


def test_learning_rate_too_small_to_leave_the_plateau(X):
    mean, variance, _ = train(X, 1.0, updates=1000, optimizer=SGD(1e-3), start=0.01)
    run = {"updates": 1000, "learning_rate": 1e-3, "optimizer": "gradient descent"}
    result = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(1.0), **run)
    assert result.verdict == "should-be-active"
    assert result.status.count("should be active") == 4
    assert "learning rate 0.001 to leave the plateau: the run of 1 000 ended before" in said(result)


def test_a_start_that_was_hardly_trained(X):
    mean, variance, _ = train(X, 1.0, updates=200, optimizer=SGD(1e-4))
    result = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(1.0))
    assert result.verdict == "not-converged"


def test_too_many_latents(X):
    mean, variance, _ = train(X, 1.0, latents=32)
    result = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(1.0))
    assert result.healthy
    assert "superfluous" in result.codes
    assert "at this price 4 modes of the data are worth encoding" in said(result)
    assert result.status.count("inactive, as predicted") >= 28


def test_latents_that_fit_noise():
    """One real direction in 120 rows of 60 features, and a price at which eleven latents live on noise."""
    rng = np.random.default_rng(3)
    direction = np.linalg.qr(rng.standard_normal((60, 1)))[0].T
    X = rng.standard_normal((120, 60)) + 2 * rng.standard_normal((120, 1)) @ direction
    mean, variance, _ = train(X, 1.5, latents=12, updates=6000, batch=120)
    result = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(1.5))
    assert result.verdict == "fits-noise"
    assert result.floor.modes == 1


def test_rotated_latents_at_near_degenerate_eigenvalues():
    X = rows(np.random.default_rng(0), np.sqrt([4, 3.9, 3.8, 1, 0.5]))
    mean, variance, _ = train(X, 1.5, latents=4, updates=1500)
    result = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(1.5))
    assert result.healthy
    assert "rotated" in result.codes
    assert "within modes 1–3" in said(result)


def bits(n=4000):
    rng = np.random.default_rng(1)
    logits = rng.standard_normal((n, 2)) @ rng.standard_normal((2, 12))
    return (rng.random((n, 12)) < 1 / (1 + np.exp(-logits))).astype(float)


def test_binary_data_with_cross_entropy():
    """Dead at β = 3.5 because the largest eigenvalue of the *correlation* matrix is 2.6."""
    B = bits()
    total = lv.Spectrum.from_data(B, likelihood="bernoulli").total_variance
    mean, variance, _ = train_network(B, 3.5, latents=4, total=total, loss=Loss.bernoulli())
    result = lv.diagnose(mean, variance=variance, data=B, loss=Loss.bernoulli(3.5))
    assert result.verdict == "price-too-high"
    assert "correlations" in said(result)
    assert "No VAE of any architecture can use these rows at this price" in said(result)
    assert result.spectrum.eigenvalues[0] == pytest.approx(np.linalg.eigvalsh(np.corrcoef(B.T))[-1], rel=1e-9)
    mistaken = lv.diagnose(mean, variance=variance, data=B, loss=Loss.gaussian(3.5))
    assert "binary-data" in mistaken.codes
    assert "cross-entropy" in said(mistaken)


def test_decoder_variance_learned(X):
    """σ² is trained along, but the loss is said to have σ² = 1."""
    mean, variance, model = train(X, 1.0, latents=5, total=8.0, updates=5000, learned_variance=True)
    said_fixed = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(1.0))
    assert said_fixed.verdict == "lower-price"
    assert "a learned decoder variance" in said(said_fixed)
    with_learned = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(1.0, decoder_variance="learned"))
    assert with_learned.healthy
    assert with_learned.price == pytest.approx(float(model.price), rel=0.05)  # β σ² of the model itself
    # And at a β above d λ₁/V everything is dead, whatever the scale of the data.
    mean, variance, _ = train(X, 3.9, latents=5, total=8.0, learned_variance=True)
    dead = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(3.9, decoder_variance="learned"))
    assert dead.verdict == "price-too-high"
    assert "σ² that training learns" in said(dead)


@pytest.mark.parametrize(
    ("factor", "words"),
    [(0.5, "no ½"), (8.0, "a mean over the 8 features"), (1 / 6, "a mean of the KL over the 6 latents")],
)
def test_another_convention_than_stated(X, factor, words):
    """At 0.3 and a factor of the conventions', the implied price is recognised."""
    mean, variance, _ = train(X, 0.3 * factor, latents=6, updates=4000)
    result = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(0.3))
    assert result.verdict == ("lower-price" if factor < 1 else "higher-price")
    assert result.implied_price == pytest.approx(0.3 * factor, rel=0.1)  # minibatch noise on M²
    assert words in said(result)


def test_posteriors_of_other_rows(X):
    """Encoded by a loader that shuffles, in whole or in part."""
    mean, variance, _ = train(X, 1.0)
    rng = np.random.default_rng(1)
    for share in (1.0, 0.2):
        order = np.arange(len(X))
        some = rng.permutation(len(X))[: int(share * len(X))]
        order[np.sort(some)] = some
        result = lv.diagnose(mean[order], variance=variance, data=X, loss=Loss.gaussian(1.0))
        assert result.verdict == "rows-mismatched"


def test_a_decoder_that_gives_other_data(X):
    """The model saw X, but X plus a constant is given: the spectrum is the same, the reconstruction is not."""
    mean, variance, model = train(X, 1.0)
    weights = model.decoder.transpose("latent", "feature").values
    given = {"variance": variance, "data": X + 3, "loss": Loss.gaussian(1.0)}
    assert lv.diagnose(mean, **given).healthy
    result = lv.diagnose(mean, decode=lambda z: z @ weights + X.mean(axis=0), **given)
    assert result.verdict == "other-units"
    assert "shifted from the reconstructions" in said(result)


def test_free_bits():
    """Latents that no mode is worth sit at the limit, here 0.3 nats."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 4)) * [2.5, 1.0, 0.5, 0.3]
    spread = np.exp(-0.6)  # R = ½ ln 1/s = 0.3 with ⟨μ²⟩ = 1 − s
    variance = np.array([1 / 6.25, spread, spread, spread])
    mean = (X - X.mean(axis=0)) / X.std(axis=0) * np.sqrt(1 - variance)
    given = {"variance": np.tile(variance, (4000, 1)), "data": X, "loss": Loss.gaussian(1.0)}
    result = lv.diagnose(mean, **given)
    assert result.verdict == "free-bits"
    assert "0.3 nats" in said(result)
    bias, weights = X.mean(axis=0), np.diag(X.std(axis=0) * np.sqrt(1 - variance))
    assert lv.diagnose(mean, decode=lambda z: z @ weights + bias, **given).verdict == "free-bits"


def test_data_in_another_scale(X):
    mean, variance, _ = train(X, 1.0)
    result = lv.diagnose(mean, variance=variance, data=255 * X, loss=Loss.gaussian(1.0))
    assert result.verdict == "higher-price"
    assert "255 times those in training" in said(result)


# ------------------------------------------------------------------------------------------- healthy ones


def test_healthy_linear_model_with_its_decoder(X):
    mean, variance, model = train(X, 1.0)
    weights, bias = model.decoder.transpose("latent", "feature").values, model.decoder_bias.values + X.mean(axis=0)
    result = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(1.0), decode=lambda z: z @ weights + bias)
    assert result.healthy
    assert result.codes == ("rightly-inactive", "as-predicted")
    assert result.price_in_effect == pytest.approx(1.0, abs=3 * result.price_in_effect_error)
    # Ranked pruning: what the k-th latent of this model gains, against the closed form for z = μ(x).
    expected = result.predicted.utility("mean")[:4]
    assert result.decoded.utility[:4] == pytest.approx(expected, abs=0.01)  # 4096 of 4000 rows, minibatch noise


def test_healthy_at_another_convention(X):
    mean, variance, _ = train(X, 0.5, latents=6)
    loss = Loss.gaussian(0.5 * 6 * 2 / 8, reconstruction="mean", kl="mean", half=False, latents=6)
    result = lv.diagnose(mean, std=np.sqrt(variance), data=X, loss=loss)
    assert result.price == pytest.approx(0.5)
    assert result.healthy


def test_healthy_binary_model():
    B = bits()
    total = lv.Spectrum.from_data(B, likelihood="bernoulli").total_variance
    mean, variance, _ = train_network(B, 1.2, latents=4, total=total, loss=Loss.bernoulli())
    result = lv.diagnose(mean, variance=variance, data=B, loss=Loss.bernoulli(1.2))
    assert result.healthy
    assert result.is_active.sum() >= 1


def test_healthy_standardised_model(X):
    standard = (X - X.mean(axis=0)) / X.std(axis=0)
    mean, variance, _ = train(standard, 0.4, latents=5)
    result = lv.diagnose(mean, log_variance=np.log(variance), data=X, loss=Loss.gaussian(0.4), standardize=True)
    assert result.healthy
    raw = lv.diagnose(mean, log_variance=np.log(variance), data=X, loss=Loss.gaussian(0.4))
    assert not raw.healthy  # these are not the data that the loss saw


def test_healthy_model_by_its_spectrum_alone(X):
    mean, variance, _ = train(X, 1.0)
    result = lv.diagnose(mean, variance=variance, spectrum=lv.Spectrum.from_data(X), loss=Loss.gaussian(1.0))
    assert result.healthy
    assert result.observed is None
    assert result.is_active.sum() == 4


def test_healthy_decoder_that_is_not_linear(X):
    """A tanh network on data that a tanh made: no alarm over what only linear models must do."""
    bent = np.tanh(X)
    mean, variance, model = train_network(bent, 0.1, latents=4, activation="tanh")
    result = lv.diagnose(mean, variance=variance, data=bent, loss=Loss.gaussian(0.1), decode=model.decode)
    assert result.healthy
    assert result.is_active.any()


def test_a_total_collapse_is_no_health_just_below_the_threshold(X):
    """Everything dead at 0.85 of the first threshold, where M² would be 0.15: a failure, however weak the mode."""
    mean, variance = np.zeros((len(X), 4)), np.ones((len(X), 4))
    first = lv.Spectrum.from_data(X).eigenvalues[0]
    given = {"mean": mean, "variance": variance, "data": X}
    assert lv.diagnose(loss=Loss.gaussian(0.85 * first), **given).verdict == "should-be-active"
    assert lv.diagnose(loss=Loss.gaussian(1.05 * first), **given).verdict == "price-too-high"


def test_what_is_worth_its_price_but_finds_no_latent_is_not_called_unworthy(X):
    """Two latents at a price that is right for six modes: the third mode is dead for want of a latent."""
    mean, variance, _ = train(X, 0.2, latents=2)
    result = lv.diagnose(mean, variance=variance, data=X, loss=Loss.gaussian(0.2))
    assert result.healthy
    assert "active-below-threshold" not in result.codes
    [keep, *_] = result.recommendations
    assert keep.choice.interval[0] == 0  # with two latents any β below the second threshold keeps both


def test_a_loss_of_another_model(X):
    """Both numbers are named, for a mean over latents that the model does not have and for features of images."""
    mean, variance = np.zeros((9, 2)), np.ones((9, 2))
    other = lv.diagnose(mean, variance=variance, data=X[:9], loss=Loss.gaussian(latents=5))
    assert other.verdict == "other-model"
    assert "one of 5 latents, but here are 2" in said(other)

    def channels(x, x_hat, mu, logvar):
        kl = -0.5 * (1 + logvar - mu**2 - np.exp(logvar)).sum(1)
        return ((x - x_hat) ** 2).mean() + 0.1 * kl.mean()

    loss = Loss.measure(channels, features=3, latents=2, beta=0.1)
    result = lv.diagnose(mean, variance=variance, data=X[:9], loss=loss)
    assert result.verdict == "other-model"
    assert "measured with 3 features, but here are 8" in said(result)
