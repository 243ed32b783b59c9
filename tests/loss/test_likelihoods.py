"""Spectra and losses of other likelihoods and of a learned decoder variance, by routes that do not share their code."""

import numpy as np
import pytest
from conftest import CLOSED
from scipy.optimize import brentq

import landau_vae as lv
from landau_vae.loss import BERNOULLI, Loss
from landau_vae.numeric.problems import ExponentialFamily
from landau_vae.training import Neural, Sampled


def bits(rng, n=400, d=6):
    return (rng.random((n, d)) < 0.2 + 0.6 * rng.random((n, 1))).astype(float)


# --------------------------------------------------------------------------------- the spectrum of a decoder


def test_binary_data_have_the_spectrum_of_their_correlation_matrix(rng):
    B = bits(rng)
    found = lv.Spectrum.from_data(B, likelihood="bernoulli")
    assert found.eigenvalues == pytest.approx(np.linalg.eigvalsh(np.corrcoef(B.T))[::-1], rel=1e-10)
    assert found.total_variance == pytest.approx(6, rel=CLOSED)
    assert found.likelihood is BERNOULLI


@pytest.mark.parametrize(("family", "variance"), [("bernoulli", lambda m: m * (1 - m)), ("poisson", lambda m: m)])
@pytest.mark.parametrize("shape", [(300, 5), (4, 9)])  # tall, and worked on in the Gram space
def test_the_variance_at_the_mean_divides(rng, family, variance, shape):
    X = rng.beta(2, 5, shape) if family == "bernoulli" else rng.poisson(3 * rng.random((shape[0], 1)) + 0.5, shape)
    mean = X.mean(axis=0)
    C = np.cov(X.T, bias=True) / np.sqrt(np.outer(variance(mean), variance(mean)))
    expected = np.linalg.eigvalsh(C)[::-1]
    found = lv.Spectrum.from_data(X, likelihood=family)
    assert found.eigenvalues == pytest.approx(expected[: found.modes], rel=1e-9)
    assert found.total_variance == pytest.approx(np.trace(C), rel=CLOSED)


def test_streams_and_files_too(rng, tmp_path):
    B = bits(rng)
    whole = lv.Spectrum.from_data(B, likelihood="bernoulli").eigenvalues
    parts = lv.Spectrum.from_chunks([B[:100], B[100:]], likelihood="bernoulli").eigenvalues
    np.save(tmp_path / "b.npy", B)
    file = lv.Spectrum.from_file(tmp_path / "b.npy", likelihood="bernoulli").eigenvalues
    assert parts == pytest.approx(whole, rel=1e-10)  # sums in another order
    assert file == pytest.approx(whole, rel=CLOSED)


@pytest.mark.parametrize("family", ["bernoulli", "poisson"])
def test_the_first_threshold_is_where_the_collapsed_state_of_the_real_loss_turns(rng, family):
    """The smallest eigenvalue of the exact Hessian of the Bernoulli (Poisson) VAE changes sign there."""
    X = bits(rng, d=4) if family == "bernoulli" else rng.poisson(2 * rng.random((400, 1)) + 0.5, (400, 4)).astype(float)
    spectrum = lv.Spectrum.from_data(X, likelihood=family)
    loss = Loss.bernoulli() if family == "bernoulli" else Loss.poisson()
    first = float(lv.transitions(spectrum, loss).beta[0])
    problem = ExponentialFamily(X, family=family, latents=1)

    def softest(beta):
        return np.linalg.eigvalsh(problem.hessian(problem.rest(beta), beta))[0]

    assert brentq(softest, 0.7 * first, 1.4 * first, rtol=1e-12) == pytest.approx(first, rel=1e-6)


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        ([[0, 2], [1, 3], [0, 1]], {"likelihood": "bernoulli"}, "from 0 to 1, but column 1 is not"),
        ([[0.5, -1], [0.2, -3]], {"likelihood": "poisson"}, "counts, from 0 on"),
        ([[0, 1], [0, 1]], {"likelihood": "bernoulli"}, "All rows are equal"),
        ([[0, 1], [1, 0]], {"likelihood": "bernoulli", "standardize": True}, "do not standardise"),
        (
            [[0, 1], [1, 0]],
            {"likelihood": "binomial"},
            "but 'gaussian', 'bernoulli', 'poisson', .*'fitted-negative-binomial', .* or one of [0-9]+ others",
        ),
    ],
)
def test_data_that_no_such_decoder_gives(data, options, words):
    with pytest.raises(lv.InputError, match=words):
        lv.Spectrum.from_data(data, **options)


def test_constant_columns_cost_nothing(rng):
    """Pixels that are always black count as features of a mean, and in nothing else: exact zeros are added."""
    X = (rng.random((300, 4)) < 0.4).astype(float)
    padded = np.insert(X, [1, 3], [0.0, 1.0], axis=1)
    bare, whole = (lv.Spectrum.from_data(each, likelihood="bernoulli") for each in (X, padded))
    np.testing.assert_allclose(whole.eigenvalues, bare.eigenvalues, rtol=1e-12)
    assert float(Loss.bernoulli(0.02, reconstruction="mean").price(whole)) == pytest.approx(0.12)


def test_spectrum_and_loss_must_mean_the_same_decoder(rng):
    B = bits(rng)
    with pytest.raises(
        lv.InputError, match=r"bernoulli .* for a gaussian one: make it .* with lv\.spectrum\.score\(X, 'bernoulli'\)"
    ):
        lv.transitions(lv.Spectrum.from_data(B), Loss.bernoulli())
    with pytest.raises(lv.InputError, match="gaussian likelihood, but the spectrum is one for a bernoulli"):
        lv.equilibrium(lv.Spectrum.from_data(B, likelihood="bernoulli"), Loss.gaussian())


def test_prices_of_cross_entropies_have_no_half(rng):
    spectrum = lv.Spectrum.from_data(bits(rng), likelihood="bernoulli")
    assert float(Loss.bernoulli(3.0).price(spectrum)) == pytest.approx(3.0)
    assert float(Loss.bernoulli(3.0, reconstruction="mean", kl="mean", latents=2).price(spectrum)) == pytest.approx(9.0)
    assert "first threshold is exact" in Loss.bernoulli(3.0).explain(spectrum)


# ----------------------------------------------------------------------------------- learned decoder variance


LAM = [4.0, 2.0, 1.0, 0.5, 0.25]


@pytest.mark.parametrize("latents", [1, 3, 4])
def test_the_price_of_a_learned_variance_is_its_fixed_point(latents):
    """τ = βσ² with σ² the error that is left at τ, over d: iterated from far away."""
    spectrum = lv.Spectrum.from_eigenvalues(LAM)
    for beta in (0.3, 1.0, 1.7, 4.0):
        variance, before = 1.0, 0.0
        while abs(variance - before) > 1e-14 * variance:
            state = lv.equilibrium(spectrum, Loss.gaussian(beta, decoder_variance=variance, latents=latents))
            variance, before = float(state.total_distortion) * spectrum.total_variance / spectrum.dimension, variance
        loss = Loss.gaussian(beta, decoder_variance="learned", latents=latents)
        assert float(loss.price(spectrum)) == pytest.approx(beta * variance, rel=1e-9)  # a contraction's last steps
        assert float(loss.beta_at(loss.price(spectrum), spectrum)) == pytest.approx(beta, rel=CLOSED)


def test_thresholds_of_a_learned_variance():
    spectrum = lv.Spectrum.from_eigenvalues(LAM)
    found = lv.transitions(spectrum, Loss.gaussian(decoder_variance="learned", latents=4)).beta
    expected = [5 * lam / np.minimum(LAM, lam).sum() for lam in LAM[:4]]  # d λ_k / Σ min(λ_i, λ_k)
    assert found == pytest.approx(expected, rel=CLOSED)


def test_the_least_loss_is_least_at_the_learned_variance():
    spectrum, beta, d = lv.Spectrum.from_eigenvalues(LAM), 1.5, 5
    learned = lv.equilibrium(spectrum, Loss.gaussian(beta, decoder_variance="learned", latents=3))
    variance = float(learned.price) / beta
    around = [
        float(
            lv.equilibrium(spectrum, Loss.gaussian(beta, decoder_variance=v, latents=3)).loss_value + d / 2 * np.log(v)
        )
        for v in variance * np.array([0.99, 1.0, 1.01])
    ]
    assert float(learned.loss_value) == pytest.approx(around[1], rel=CLOSED)
    assert around[1] < min(around[0], around[2])


def test_where_a_learned_variance_has_no_equilibrium():
    spectrum = lv.Spectrum.from_eigenvalues(LAM)
    with pytest.raises(lv.OutsideTheory, match="σ² falls to zero below β = d/r = 1"):
        Loss.gaussian(1.0, decoder_variance="learned").price(spectrum)
    # A model trained there is told so by what it is: all modes alive.
    variance = np.full((200, 5), 1e-6)
    mean = np.random.default_rng(0).standard_normal((200, 5))
    result = lv.diagnose(mean, variance=variance, spectrum=spectrum,
                         loss=Loss.gaussian(0.9, decoder_variance="learned"))  # fmt: skip
    assert int(result.predicted.active) == 5


@pytest.mark.parametrize(
    ("verb", "purpose"),
    [
        (lambda s, loss: lv.numeric.landscape(s, loss), "landscape"),
        (lambda s, loss: lv.numeric.activation(s, loss, learning_rate=0.01), "landscape"),
        (lambda s, loss: lv.numeric.weight_decay(s, loss, encoder=0.1), "weight decay"),
    ],
)
def test_what_is_known_of_fixed_variances_only_says_so(verb, purpose):
    spectrum = lv.Spectrum.from_eigenvalues(LAM)
    with pytest.raises(lv.OutsideTheory, match=f"learned decoder variance.*{purpose}"):
        verb(spectrum, Loss.gaussian(1.5, decoder_variance="learned", latents=3))


def test_trainers_take_their_decoder_from_the_loss():
    assert Sampled(loss=Loss.gaussian(decoder_variance="learned")).learned_variance
    with pytest.raises(lv.InputError, match="Sampled trains squared errors, but the loss is Bernoulli: take Neural"):
        Sampled(loss=Loss.bernoulli())
    pytest.importorskip("jax")
    assert Neural(loss=Loss.gaussian(decoder_variance="learned")).learned_variance
    assert Neural(loss=Loss.bernoulli(reconstruction="mean")).loss.half is False


# ----------------------------------------------------------------------------------------------- conversions


def test_equivalent_losses_have_one_price(rng):
    spectrum = lv.Spectrum.from_eigenvalues(LAM)
    mine = Loss.gaussian(0.7, reconstruction="mean", half=False)
    for other in (Loss.gaussian(), Loss.preset("alibi-detect", latents=3),
                  Loss.gaussian(decoder_variance="learned", latents=3)):  # fmt: skip
        there = mine.equivalent(other, spectrum)
        assert float(there.price(spectrum)) == pytest.approx(float(mine.price(spectrum)), rel=CLOSED)
        assert float(there.equivalent(mine, spectrum).beta) == pytest.approx(0.7, rel=CLOSED)
    assert "d = 5, K = 3" in mine.translation(Loss.preset("alibi-detect", latents=3), spectrum)


@pytest.mark.parametrize(
    ("other", "features", "words"),
    [
        (Loss.bernoulli(), 5, "no equal among"),
        (Loss.gaussian(decoder_variance="learned"), 5, "depends on the data"),
        (Loss.gaussian(), 0, "spectrum is 0, but a Spectrum such as"),
        (Loss.gaussian(), "five", "spectrum is 'five', but a Spectrum such as"),
    ],
)
def test_conversions_that_cannot_be(other, features, words):
    with pytest.raises(lv.InputError, match=words):
        Loss.gaussian().equivalent(other, features)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decoder_variance": "guessed"}, "'guessed', but a number above 0 or 'learned'"),
        ({"reconstruction_weight": 0}, "reconstruction_weight is 0"),
        ({"kl_weight": -1}, "kl_weight is -1"),
        ({"kl_weight": np.nan}, "kl_weight is nan"),
    ],
)
def test_weights_that_are_none(options, words):
    with pytest.raises(lv.InputError, match=words):
        Loss.gaussian(**options)


def test_a_preset_that_lacks_a_size_says_which():
    with pytest.raises(lv.InputError, match="depends on its latents"):
        Loss.preset("lightning-bolts")
    with pytest.raises(lv.InputError, match="depends on its batch"):
        Loss.preset("sigma-vae-mse")
    with pytest.raises(lv.InputError, match="did you mean pytorch-"):
        Loss.preset("pytorch")


def test_losses_survive_json():
    for loss in (Loss.preset("pytorch-vae-beta"), Loss.poisson(0.3), Loss.gaussian([1, 2], decoder_variance="learned")):
        again = Loss.from_dict(loss.to_dict())
        assert again.to_dict() == loss.to_dict()
