"""What `diagnose` is given: refusals in one sentence, edge cases that are none, exact numbers, and size in memory."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import CLOSED
from scipy.optimize import bisect

import landau_vae as lv
from landau_vae import InputError, Loss, Spectrum
from landau_vae.data.gram import Gram
from landau_vae.data.moments import Moments
from landau_vae.diagnosis import CRITERIA
from landau_vae.diagnosis.posterior import read_posterior, read_with_data
from landau_vae.diagnosis.ranked_pruning import effective_dimension

EXACT = 1e-9  # moments of thousands of rows, and a 1e-12 that keeps doubled latents solvable
SINGLE = 1e-5  # of float32 inputs, whose own rounding is 6e-8, times a factor in the price
LAM = np.array([8.0, 4.0, 2.0, 0.5])
PRICE = 1.0


def scores(rng, n, d):
    """(n, d) with mean 0 and covariance 1 to the last digit."""
    raw = rng.standard_normal((n, d))
    return np.linalg.qr(raw - raw.mean(axis=0))[0] * np.sqrt(n)


def equilibrium_model(rng, n=3000, lam=LAM, price=PRICE, latents=None, offset=5.0):
    """Data with exactly this spectrum and the posteriors of a linear model at rest: (data, μ, σ², ⟨μ²⟩)."""
    d, K = len(lam), len(lam) if latents is None else latents
    y = scores(rng, n, d)
    axes = np.linalg.qr(rng.standard_normal((d, d)))[0]
    signal = np.zeros(K)
    signal[: min(K, d)] = np.maximum(1 - price / lam, 0)[:K]
    mean = np.zeros((n, K))
    mean[:, : min(K, d)] = y[:, :K] * np.sqrt(signal[: min(K, d)])
    return y * np.sqrt(lam) @ axes.T + offset, mean, np.broadcast_to(1 - signal, (n, K)).copy(), signal


@pytest.fixture
def model(rng):
    return equilibrium_model(rng)


def diagnose(mean, variance, data, loss=None, **rest):
    return lv.diagnose(mean, variance=variance, data=data, loss=loss or Loss.gaussian(PRICE), **rest)


def refuse(words, *arguments, **named):
    """Refused, in one paragraph with these words."""
    with pytest.raises(InputError, match=words) as caught:
        lv.diagnose(*arguments, **({"loss": Loss.gaussian(PRICE)} | named))
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 420
    assert text.endswith((".", "?", ")"))


# ------------------------------------------------------------------------------- arrays that do not fit


def test_shapes(model):
    data, mean, variance, _ = model
    refuse(r"mean has shape \(3000, 4\), but the variance has \(3000, 3\)", mean, variance=variance[:, :3], data=data)
    refuse(r"mean has shape \(3000, 4\), but the std has \(1, 4\)", mean, std=variance[:1], data=data)
    refuse("3000 posteriors, but 2999 rows of data: give the rows", mean, variance=variance, data=data[1:])
    refuse("is one of them transposed", mean, variance=variance, data=data.T)
    refuse("is one of them transposed", mean.T, variance=variance.T, data=data)
    refuse("or are the arrays transposed", mean.T, variance=variance.T, spectrum=Spectrum.from_data(data))
    refuse("4 posteriors of 4 latents, but more rows than latents", mean[:4], variance=variance[:4], data=data[:4])


@pytest.mark.parametrize("shape", [(3000,), ()])
def test_dimensions(model, shape):
    data, mean, variance, _ = model
    wrong = np.ones(shape)
    refuse("mean of the posterior cannot be used. The array has shape", wrong, variance=variance, data=data)
    refuse("variance of the posterior cannot be used. The array has shape", mean, variance=wrong, data=data)
    refuse("The array has shape", mean, variance=variance, data=wrong)


@pytest.mark.parametrize("shape", [(0, 4), (3000, 0)])
def test_empty_arrays(model, shape):
    data, mean, variance, _ = model
    refuse("mean of the posterior cannot be used. The table is empty", np.ones(shape), variance=variance, data=data)
    refuse("The table is empty", mean, variance=variance, data=np.ones(shape))


def test_one_spread_and_one_source_of_the_spectrum(model):
    data, mean, variance, _ = model
    refuse("None of variance, log_variance, std and covariance is given", mean, data=data)
    two = "2 of variance, log_variance, std and covariance are given"
    refuse(two, mean, variance=variance, std=variance, data=data)
    refuse("one of the two", mean, variance=variance)
    refuse("one of the two", mean, variance=variance, data=data, spectrum=Spectrum.from_data(data))
    refuse("decode needs the data", mean, variance=variance, spectrum=Spectrum.from_data(data), decode=lambda z: z)


@pytest.mark.parametrize("loss", ["pythae", 1.0, None, {"beta": 1}, Loss])
def test_losses_of_the_wrong_kind(model, loss):
    data, mean, variance, _ = model
    refuse("but a Loss such as Loss.gaussian", mean, variance=variance, data=data, loss=loss)


def test_a_model_has_one_beta(model):
    data, mean, variance, _ = model
    refuse("list of β", mean, variance=variance, data=data, loss=Loss.gaussian([1.0, 2.0]))


# ------------------------------------------------------------------- numbers that are not what they are called


def test_swapped_arrays(model):
    data, mean, variance, _ = model
    refuse("mean and variance look swapped", variance, variance=mean, data=data)
    refuse("mean and std look swapped", np.sqrt(variance), std=mean, data=data)
    refuse("log_variance look swapped", np.log(variance), log_variance=mean, data=data)


def test_a_swap_is_seen_of_dead_latents_and_of_variances_that_depend_on_the_input(rng):
    data, mean, variance, _ = equilibrium_model(rng, latents=8)
    mean[:, 3:] = 1e-3 * rng.standard_normal((3000, 5))
    logs = np.log(variance) + 0.1 * rng.standard_normal(variance.shape)
    logs[:, 3:] = 2e-3 * rng.standard_normal((3000, 5))
    refuse("log_variance look swapped", logs, log_variance=mean, data=data)
    assert lv.diagnose(mean, log_variance=logs, data=data, loss=Loss.gaussian(PRICE)).healthy


def test_misnamed_spreads(model):
    data, mean, variance, _ = model
    logs = np.log(variance)
    refuse("if these are log-variances, say so", mean, variance=logs, data=data)
    refuse("if these are log-variances, say so", mean, std=logs, data=data)
    refuse("variances or standard deviations, say so", mean, log_variance=variance, data=data)
    refuse("variances or standard deviations, say so", mean, log_variance=np.sqrt(variance), data=data)
    refuse("give std=", mean, variance=np.sqrt(variance), data=data)
    refuse("give variance=", mean, std=variance, data=data)
    refuse("logarithms of standard deviations", mean, log_variance=logs / 2, data=data)


def test_narrow_variances_are_told_from_log_variances(rng):
    """All latents strong, so that no variance is far from zero."""
    data, mean, variance, _ = equilibrium_model(rng, lam=np.array([900.0, 500.0, 300.0]))
    refuse("variances or standard deviations, say so", mean, log_variance=variance, data=data)


@pytest.mark.parametrize("kind", ["variance", "std"])
def test_spreads_that_are_not_positive(model, kind):
    data, mean, variance, _ = model
    variance[17, 2] = -0.5
    refuse(f"A {kind} of a posterior is positive, but the least is -0.5", mean, **{kind: variance}, data=data)
    variance[17, 2] = 0.0
    refuse(
        f"A {kind} of a posterior is positive, but the least is 0: float16 rounds", mean, **{kind: variance}, data=data
    )
    refuse("the least is 0", mean, **{kind: np.zeros_like(variance)}, data=data)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_located(model, bad):
    data, mean, variance, _ = model
    for row in (0, 300, 2999):
        broken = mean.copy()
        broken[row, 1] = bad
        where = f"row {row}, column 1"
        refuse(f"mean of the posterior cannot be used. 1 value is NaN .* {where}", broken, variance=variance, data=data)
        for kind in ("variance", "log_variance", "std"):
            broken = variance.copy()
            broken[row, 1] = bad
            refuse(f"The {kind} of the posterior .* {where}", mean, **{kind: broken}, data=data)
        broken = data.copy()
        broken[row, 1] = bad
        refuse(f"1 value is NaN or infinite.* {where}", mean, variance=variance, data=broken)


def test_numbers_beyond_numbers(model):
    data, mean, variance, _ = model
    refuse("largest variance is .* rescale", mean * 1e-170, variance=variance * 1e-300, data=data * 1e-160)
    refuse("beyond what can be computed", mean * 1e200, variance=variance, data=data)
    refuse("beyond what can be computed", mean, log_variance=np.log(variance) + 800, data=data)
    refuse("beyond what can be computed", mean, std=variance * 1e-200, data=data)
    refuse("overflow", mean, variance=variance, data=data * 1e200)


# ------------------------------------------------------------------------------------ things that are no arrays


class Tensor:
    """As a tensor of PyTorch that requires a gradient, or lies on another device."""

    shape = (3000, 4)

    def __init__(self, problem):
        self.problem = problem

    def __array__(self, *_, **__):
        raise self.problem


@pytest.mark.parametrize(
    "problem",
    [RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."),
     TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor first.")],
)  # fmt: skip
def test_tensors_that_must_be_brought_over_first(model, problem):
    data, mean, variance, _ = model
    words = str(problem).split(".")[1].strip().split("(")[0]
    refuse(words, Tensor(problem), variance=variance, data=data)
    refuse(words, mean, variance=Tensor(problem), data=data)
    refuse(words, mean, variance=variance, data=Tensor(problem))


def test_words_and_masks(model, tmp_path):
    data, mean, variance, _ = model
    refuse("to read a file", mean, variance=variance, data=str(tmp_path / "x.csv"))
    refuse("to read a file", mean, variance=variance, data=tmp_path / "x.csv")
    refuse("mean of the posterior cannot be used.*to read a file", "mean.npy", variance=variance, data=data)
    words = np.full((3000, 4), "a", dtype=object)
    refuse("mean of the posterior cannot be used. The array holds objects", words, variance=variance, data=data)
    refuse("rows of equal length", [[1.0, 2.0], [3.0]], variance=variance, data=data)
    masked = np.ma.masked_greater(mean, 2.5)
    refuse("masked entries", masked, variance=variance, data=data)
    refuse("masked entries", mean, variance=variance, data=np.ma.masked_greater(data, 7.0))
    refuse("complex128", mean + 0j, variance=variance, data=data)
    frame = pd.DataFrame(mean).assign(site="north")
    refuse("Column 'site'", frame, variance=variance, data=data)


def test_constant_data(model):
    _, mean, variance, _ = model
    refuse("All rows are equal", mean, variance=variance, data=np.ones((3000, 4)))
    constant = np.column_stack([mean, np.ones(3000)])
    refuse("constant and cannot be standardised", mean, variance=variance, data=constant, standardize=True)


@pytest.mark.parametrize(
    ("decode", "words"),
    [(lambda z: z[:, :2], r"array of shape \(2, 2\) for 2 rows of 4 features"),
     (lambda z: z[:-1], "one reconstruction per row"), (lambda z: None, "decode returned None"),
     (lambda z: z[:0], "one reconstruction per row"), (lambda z: z * np.nan, "NaN or infinite"),
     (lambda z: z @ np.ones((7, 4)), r"raised ValueError \(matmul.*\) on NumPy arrays of float64 of shape \(2, 4\)"),
     (lambda z: Tensor(RuntimeError("Can't call numpy() on Tensor that requires grad.")), "requires grad"),
     (lambda z: "image", "decode returned a str"), (5, "decode is 5, but a function")],
)  # fmt: skip
def test_decoders(model, decode, words):
    data, mean, variance, _ = model
    refuse(words, mean, variance=variance, data=data, decode=decode)


def test_runs_that_are_told_in_part(model):
    data, mean, variance, _ = model
    refuse("both are needed", mean, variance=variance, data=data, updates=1000)
    refuse("both are needed", mean, variance=variance, data=data, learning_rate=0.1)
    for updates, rate in ((0, 0.1), (-3, 0.1), (100, 0.0), (100, np.nan), ("many", 0.1)):
        words = "learning_rate" if updates == 100 else "updates"
        refuse(words, mean, variance=variance, data=data, updates=updates, learning_rate=rate)


# ----------------------------------------------------------------------------- edge cases that are not refused


def test_a_model_that_is_dead_to_the_last_bit(model):
    data = model[0]
    for kind, value in (("log_variance", 0.0), ("variance", 1.0), ("std", 1.0)):
        spread = np.full((3000, 6), value)
        result = lv.diagnose(np.zeros((3000, 6)), **{kind: spread}, data=data, loss=Loss.gaussian(9.0))
        assert result.verdict == "price-too-high"
        assert result.posterior.rate.tolist() == [0.0] * 6
        assert not result.posterior.mean_variance.any()
        assert not result.observed.encoded.any()
        assert not result.observed.alignment.any()
        assert result.observed.prefix.tolist() == [1.0] * 7
        assert all(each["observed"] == 0 for each in result.criteria)
        assert result.summary()
        assert result.to_dict()["latents"]


@pytest.mark.parametrize("offset", [0.1, -3.0, 1e6])
def test_constant_means_encode_nothing(model, offset):
    """What rounding leaves of them must not pass for a signal."""
    data = model[0]
    result = diagnose(np.full((3000, 3), offset), np.ones((3000, 3)), data)
    assert not result.posterior.mean_variance.any()
    assert not result.observed.alignment.any()
    assert not result.observed.encoded.any()


def test_barely_positive_log_variances_are_a_dead_model(rng, model):
    data = model[0]
    result = lv.diagnose(
        np.full((3000, 1), 1e-3), log_variance=np.full((3000, 1), 2e-3), data=data, loss=Loss.gaussian(9.0)
    )
    assert result.verdict == "price-too-high"


def test_an_untrained_model_is_not_called_misnamed(rng, model):
    """Its log-variance is positive throughout, by the chance of one bias."""
    data = model[0]
    mean = 0.2 * rng.standard_normal((3000, 1))
    assert not lv.diagnose(
        mean, log_variance=0.2 + 0.02 * rng.standard_normal((3000, 1)), data=data, loss=Loss.gaussian(PRICE)
    ).healthy


@pytest.mark.parametrize(("n", "d", "K"), [(3000, 1, 1), (50, 4, 1), (9, 4, 8), (5, 2, 4), (40, 1, 3), (2, 1, 1)])
def test_small_models(rng, n, d, K):
    lam = np.geomspace(8.0, 2.0, d)
    result = diagnose(*_first(equilibrium_model(rng, n=n, lam=lam, latents=K)))
    np.testing.assert_allclose(result.observed.encoded[: min(d, K)], (1 - PRICE / lam)[:K], rtol=EXACT)
    assert result.summary()


def _first(built):
    data, mean, variance, _ = built
    return mean, variance, data


def test_latents_that_are_doubled(model):
    """A singular covariance: two halves of one latent say what it says, with half its noise."""
    data, mean, variance, signal = model
    twice, noise = np.hstack([mean, mean]), np.hstack([variance, variance])
    result = diagnose(twice, noise, data)
    shared = 2 * signal / (2 * signal + (1 - signal))
    np.testing.assert_allclose(result.observed.encoded[:3], shared[:3], rtol=EXACT)
    quiet = diagnose(twice, noise * 1e-9, data)  # no noise to speak of: the two are one
    np.testing.assert_allclose(quiet.observed.encoded[:3], 1.0, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e6, 1e100])
def test_scales_of_latents(model, scale):
    data, mean, variance, signal = model
    result = diagnose(mean * scale, variance * scale**2, data)
    np.testing.assert_allclose(result.observed.encoded[:3], signal[:3], rtol=EXACT)
    np.testing.assert_allclose(result.observed.alignment[:3].max(axis=1), 1.0, rtol=EXACT)


@pytest.mark.parametrize("scale", [1e-12, 1e8])
def test_scales_of_data(model, scale):
    """Data in other units, at the price in these units."""
    data, mean, variance, signal = model
    result = diagnose(mean, variance, data * scale, Loss.gaussian(PRICE * scale**2))
    assert result.healthy
    np.testing.assert_allclose(result.observed.encoded[:3], signal[:3], rtol=1e-6)
    np.testing.assert_allclose(result.implied_price, PRICE * scale**2, rtol=1e-6)


def test_latents_off_centre(model):
    """The offset costs A², but hides no mode."""
    data, mean, variance, signal = model
    result = diagnose(mean + np.array([3.0, -2.0, 1e3, 0.0]), variance, data)
    np.testing.assert_allclose(result.observed.encoded[:3], signal[:3], rtol=EXACT)
    np.testing.assert_allclose(result.posterior.second_moment[:3], [10.0, 5.0, 1e6 + 1], rtol=EXACT)


def _same(result, other, tolerance):
    np.testing.assert_allclose(other.observed.encoded, result.observed.encoded, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(other.observed.prefix, result.observed.prefix, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(other.posterior.rate, result.posterior.rate, rtol=tolerance, atol=tolerance)
    assert other.codes == result.codes


def test_layouts_and_types(model, tmp_path):
    data, mean, variance, _ = model
    result = diagnose(mean, variance, data)
    _same(result, diagnose(*map(np.asfortranarray, (mean, variance, data))), EXACT)
    strided = [np.repeat(np.repeat(each, 2, axis=0), 3, axis=1)[::2, ::3] for each in (mean, variance, data)]
    assert not strided[0].flags.c_contiguous
    _same(result, diagnose(*strided), EXACT)
    _same(result, diagnose(*(each[::-1] for each in (mean, variance, data))), EXACT)
    _same(result, diagnose(*(each.astype(object) for each in (mean, variance, data))), EXACT)
    _same(result, diagnose(*(pd.DataFrame(each) for each in (mean, variance, data))), EXACT)
    _same(result, diagnose(*(each.tolist() for each in (mean, variance, data))), EXACT)
    _same(result, diagnose(*(np.ma.asarray(each) for each in (mean, variance, data))), EXACT)
    _same(result, diagnose(*(each.astype(np.float32) for each in (mean, variance, data))), SINGLE)
    _same(result, diagnose(*(each.astype(np.float16) for each in (mean, variance)), data), 1e-3)
    _same(result, diagnose(*(each.astype(np.longdouble) for each in (mean, variance, data))), EXACT)
    maps = []
    for name, each in (("mean", mean), ("variance", variance), ("data", data)):
        np.save(tmp_path / f"{name}.npy", each.astype(np.float32))
        maps.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    _same(result, diagnose(*maps), SINGLE)
    kept = [each.copy() for each in (mean, variance, data)]
    diagnose(mean, variance, data)
    for each, before in zip((mean, variance, data), kept, strict=True):
        np.testing.assert_array_equal(each, before)  # nothing is written to what is the user's


def test_integers(rng, model):
    """Images of eight bits, whose squares and differences would overflow."""
    _, mean, variance, _ = model
    data = rng.integers(0, 256, (3000, 4)).astype(np.uint8)
    wide = diagnose(mean, variance, data.astype(float), Loss.gaussian(1000.0))
    _same(wide, diagnose(mean, variance, data, Loss.gaussian(1000.0)), CLOSED)
    whole = diagnose(np.rint(mean).astype(int), np.ones((3000, 4), dtype=int), data, Loss.gaussian(1000.0))
    assert whole.posterior.variance.tolist() == [1.0] * 4


def test_wide_data(rng):
    """Fewer rows than features: by way of the rows, with the same result as of the few directions that there are."""
    n, d = 60, 400
    narrow, mean, variance, signal = equilibrium_model(rng, n=n, offset=0.0)
    axes = np.linalg.qr(rng.standard_normal((d, 4)))[0]
    result = diagnose(mean, variance, narrow @ axes.T + 3.0)
    assert result.spectrum.matrix is None
    np.testing.assert_allclose(result.observed.encoded[:3], signal[:3], rtol=EXACT)
    np.testing.assert_allclose(result.observed.prefix, diagnose(mean, variance, narrow).observed.prefix, atol=EXACT)
    decoded = diagnose(mean, variance, narrow @ axes.T, decode=lambda z: np.zeros((len(z), d))).decoded
    np.testing.assert_allclose(decoded.mean, 1.0, rtol=EXACT)
    constant = diagnose(np.full((n, 2), 0.1), np.ones((n, 2)), narrow @ axes.T)
    assert not constant.observed.encoded.any()


def test_wide_data_standardised(rng):
    data = rng.standard_normal((50, 200)) * np.geomspace(1, 1e4, 200)
    mean = 0.5 * scores(rng, 50, 3)
    given = diagnose(mean, np.full((50, 3), 0.75), data, standardize=True)
    own = diagnose(mean, np.full((50, 3), 0.75), (data - data.mean(axis=0)) / data.std(axis=0))
    _same(own, given, EXACT)


def test_standardised_data(rng, model):
    data, mean, variance, _ = model
    units = np.array([1.0, 1e3, 0.01, 7.0])
    own = diagnose(mean, variance, (data - data.mean(axis=0)) / data.std(axis=0))
    _same(own, diagnose(mean, variance, data * units, standardize=True), EXACT)


@pytest.mark.parametrize("likelihood", ["bernoulli", "poisson"])
def test_other_likelihoods_see_scaled_data(rng, likelihood):
    rate = 1 / (1 + np.exp(-2 * rng.standard_normal((2000, 1)) @ rng.standard_normal((1, 6))))
    data = (rng.random((2000, 6)) < rate).astype(float) if likelihood == "bernoulli" else rng.poisson(3 * rate) + 0.0
    mean_x = data.mean(axis=0)
    unit = np.sqrt(mean_x * (1 - mean_x) if likelihood == "bernoulli" else mean_x)
    scaled = (data - mean_x) / unit
    axis = np.linalg.eigh(scaled.T @ scaled)[1][:, -1]
    y = scaled @ axis
    lam = float((y**2).mean())
    signal = 1 - 0.7 / lam
    mean, variance = (y * np.sqrt(signal / lam))[:, None], np.full((2000, 1), 1 - signal)
    result = diagnose(mean, variance, data, getattr(Loss, likelihood)(0.7))
    np.testing.assert_allclose(result.observed.encoded[0], signal, rtol=EXACT)
    assert np.all(result.observed.encoded[1:] < 1e-9)


def test_data_with_dependent_features(rng, model):
    data, mean, variance, _ = model
    dependent = np.column_stack([data, data[:, 0] + data[:, 1], np.full(3000, 2.0)])
    result = diagnose(mean, variance, dependent)
    assert len(result.observed.encoded) == 4
    assert result.spectrum.unresolved == 2
    assert np.all(np.isfinite(result.observed.prefix))


def test_a_spectrum_without_data(model):
    data, mean, variance, signal = model
    for spectrum in (Spectrum.from_data(data), Spectrum.from_eigenvalues(LAM)):
        result = lv.diagnose(mean, variance=variance, spectrum=spectrum, loss=Loss.gaussian(PRICE))
        assert result.healthy
        assert result.observed is None
        np.testing.assert_allclose(result.posterior.signal_fraction, signal, rtol=EXACT, atol=EXACT)
        np.testing.assert_allclose(result.implied_price, PRICE, rtol=EXACT)
        assert result.summary()


def test_a_learned_variance_without_equilibrium(model):
    """As many latents as modes: σ² → 0 below β = 1, which every table says without failing."""
    data, mean, variance, _ = model
    result = diagnose(mean, variance, data, Loss.gaussian(0.5, decoder_variance="learned"))
    assert "has no equilibrium" in result.explanation
    assert "has no equilibrium" in result.summary()
    assert any("has no equilibrium" in each.refusal for each in result.recommendations)
    assert result.to_dict()["recommendations"]


def test_a_spectrum_that_was_cut(model):
    """What needs the modes that were not kept is left out."""
    data, mean, variance, _ = model
    spectrum = Spectrum.from_data(np.hstack([data, 1e-3 * np.eye(len(data), 3)]), modes=3)
    assert spectrum.truncated
    result = lv.diagnose(mean[:, :3], variance=variance[:, :3], spectrum=spectrum, loss=Loss.gaussian(3.0))
    ranks = {each["tolerance"]: each["pca"] for each in result.dimensions}
    assert ranks[0.5] == 1
    assert ranks[0.02] is None  # 0.5 of 14.5 is in a mode that was not kept
    assert "—" in result.tables()["dimensions"].text()
    assert result.summary()


# ------------------------------------------------------------------------------------- exact numbers


def test_the_linear_equilibrium(model):
    """The closed forms, number by number."""
    data, mean, variance, signal = model
    axes_back = np.linalg.lstsq(mean[:, :3], data - data.mean(axis=0), rcond=None)[0]
    decoder = np.vstack([axes_back * signal[:3, None], np.zeros(4)])  # W = ⟨x z⟩, as ⟨z z⟩ is the identity
    result = diagnose(mean, variance, data, decode=lambda z: z @ decoder + data.mean(axis=0))
    q, seen = result.posterior, result.observed
    assert result.healthy
    assert result.codes == ("rightly-inactive", "as-predicted")
    assert result.status == ("active",) * 3 + ("inactive, as predicted",)
    np.testing.assert_allclose(result.spectrum.eigenvalues, LAM, rtol=EXACT)
    np.testing.assert_allclose(q.signal_fraction, signal, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(q.second_moment, 1.0, rtol=EXACT)
    np.testing.assert_allclose(q.rate, 0.5 * np.log(np.maximum(LAM / PRICE, 1)), rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(seen.encoded, signal, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(seen.encoded, result.predicted.signal_fraction, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(result.implied_price, PRICE, rtol=EXACT)
    np.testing.assert_allclose(result.mode_prices, PRICE, rtol=EXACT)
    np.testing.assert_allclose(seen.alignment[:3], np.eye(4)[:3], atol=EXACT)
    np.testing.assert_allclose(seen.linear[:3], 1.0, rtol=EXACT)
    assert seen.mode[:3].tolist() == [0, 1, 2]
    left = np.array([LAM.sum() - np.maximum(LAM - PRICE, 0)[:k].sum() for k in range(5)]) / LAM.sum()
    np.testing.assert_allclose(seen.prefix, left, rtol=EXACT)
    np.testing.assert_allclose(seen.prefix[-1], float(result.predicted.total_distortion), rtol=EXACT)
    for each, rule in zip(result.criteria, CRITERIA, strict=True):
        assert each["observed"] == each["predicted"], rule.code
    means = [(LAM[k:].sum() + (LAM[:k] * (1 - signal[:k]) ** 2).sum()) / LAM.sum() for k in range(4)]
    np.testing.assert_allclose(result.decoded.mean[:4], means, rtol=EXACT)
    np.testing.assert_allclose(result.decoded.sampled[:4], left[:4], rtol=0.05)  # one draw of the noise


def test_half_of_the_data_may_be_quiet(rng):
    """(ε, δ)-collapse counts rows, all others average over them."""
    data, mean, variance, _ = equilibrium_model(rng)
    mean[:, 3], variance[:, 3] = 0.0, 1.0
    mean[:60, 3] = 0.5  # 2 % of the rows have a KL of 0.125
    rules = {each["code"]: bool(each["latents"][3]) for each in diagnose(mean, variance, data).criteria}
    assert rules["epsilon-delta"]
    assert not rules["kl-0.01"]
    mean[25:60, 3] = 0.0  # now 0.8 %
    assert not {each["code"]: each["latents"][3] for each in diagnose(mean, variance, data).criteria}["epsilon-delta"]


@pytest.mark.parametrize("rule", [each for each in CRITERIA if each.encoded is None], ids=lambda rule: rule.code)
def test_every_criterion_turns_at_its_ratio(rule):
    """Just below τ/λ of its own a mode at equilibrium lives by it, just above it does not."""
    n = 40_000
    y = np.sort(np.random.default_rng(0).standard_normal(n))[:, None] * np.ones(2)
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    away = 0.3 * (1 - rule.ratio) if rule.code == "epsilon-delta" else 1e-3 * (1 - rule.ratio)
    ratio = np.array([rule.ratio - away, rule.ratio + away])
    q = read_posterior(y * np.sqrt(1 - ratio), np.tile(ratio, (n, 1)), "variance")
    assert rule.active(q).tolist() == [True, False]
    assert rule.predicted(1.0, 1 / ratio) == 1


@pytest.mark.parametrize(("code", "limit"), [("drvi-0.1", 0.1), ("drvi-0.5", 0.5)])
def test_a_latent_vanishes_by_its_largest_mean(code, limit):
    """Of many draws of n rows, half are on either side of the ratio that is stated for n rows."""
    rule = {each.code: each for each in CRITERIA}[code]
    rng, n, draws = np.random.default_rng(3), 500, 400
    largest = np.abs(rng.standard_normal((draws, n))).max(axis=1)
    at = bisect(lambda t: rule.predicted(t, np.ones(1), n) - 0.5, 1e-5, 1.0, xtol=1e-6)
    share = np.mean(np.sqrt(1 - at) * largest >= limit)
    assert share == pytest.approx(0.5, abs=3 * 0.5 / np.sqrt(draws))  # three standard errors of a share of one half
    assert not rule.predicted(rule.ratio + 1e-6, np.ones(1))
    assert rule.predicted(rule.ratio - 1e-6, np.ones(1))
    mean = np.zeros((n, 2))
    mean[7] = [-1.001 * limit, 0.999 * limit]  # one row decides, by its size
    assert rule.active(read_posterior(mean, np.ones((n, 2)), "variance")).tolist() == [True, False]


def test_relevance_is_that_of_the_decoder():
    """ARD-VAE's weights from a linear decoder's own Jacobian, its estimate of the variance, and its 99 %."""
    lam, price, n = np.array([9.0, 3.0, 1.5, 1.04, 1.02, 0.7]), 1.0, 4000
    rng = np.random.default_rng(5)
    y = rng.standard_normal((n, 6))
    y = np.linalg.qr(y - y.mean(axis=0))[0] * np.sqrt(n)  # exact moments
    signal = np.clip(1 - price / lam, 0, None)
    q = read_posterior(y * np.sqrt(signal), np.tile(1 - signal, (n, 1)), "variance")
    weight = np.sqrt(np.clip(lam - price, 0, None))  # of the decoder x̂_k = w_k z_k at equilibrium
    variance = (y**2 * signal + (1 - signal)).mean(axis=0)
    share = np.sort(weight**2 * variance)[::-1].cumsum() / (weight**2 * variance).sum()
    fewest = int(np.argmax(share > 0.99)) + 1
    rule = {each.code: each for each in CRITERIA}["ard-vae"]
    assert fewest == 3  # of five that are active
    assert rule.active(q).tolist() == [True] * fewest + [False] * 3
    assert rule.predicted(price, lam) == fewest
    assert rule.predicted(10.0, lam) == 0


def test_kinds_of_spread_are_one(model):
    data, mean, variance, _ = model
    result = diagnose(mean, variance, data)
    loss = Loss.gaussian(PRICE)
    _same(result, lv.diagnose(mean, log_variance=np.log(variance), data=data, loss=loss), EXACT)
    _same(result, lv.diagnose(mean, std=np.sqrt(variance), data=data, loss=loss), EXACT)


def test_the_kl_of_each_row_counts(rng):
    """⟨σ²⟩ and ⟨ln σ²⟩ of variances that depend on the input, against the plain formula."""
    mean, logs = rng.standard_normal((500, 3)), rng.standard_normal((500, 3))
    data = rng.standard_normal((500, 2))
    result = lv.diagnose(mean, log_variance=logs, data=data, loss=Loss.gaussian(PRICE))
    q = result.posterior
    kl = 0.5 * (mean**2 + np.exp(logs) - 1 - logs)
    np.testing.assert_allclose(q.rate, kl.mean(axis=0), rtol=EXACT)
    np.testing.assert_allclose(q.quiet, (kl < 0.01).mean(axis=0), rtol=EXACT)
    np.testing.assert_allclose(q.variance, np.exp(logs).mean(axis=0), rtol=EXACT)
    np.testing.assert_allclose(q.covariance, np.cov(mean.T, bias=True), rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(result.spectrum.matrix, np.cov(data.T, bias=True), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize(
    ("n", "d", "K"), [(30_001, 7, 3), (4097, 300, 5), (5000, 40, 200), (2100, 3, 1), (70_000, 1, 1)]
)
def test_blocks_leave_no_trace(rng, n, d, K):
    """Sizes that no block divides, against NumPy in one go."""
    data, mean = rng.standard_normal((n, d)) + 3, rng.standard_normal((n, K)) - 7
    variance = rng.uniform(0.1, 1, (n, K))
    q, moments, cross = read_with_data(mean, variance, "variance", data)
    np.testing.assert_allclose(q.covariance, np.cov(mean.T, bias=True).reshape(K, K), rtol=EXACT, atol=EXACT)
    expected = (data - data.mean(axis=0)).T @ mean / n
    np.testing.assert_allclose(cross, expected, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(q.offset, mean.mean(axis=0), rtol=EXACT)
    np.testing.assert_allclose(q.rate, 0.5 * (mean**2 + variance - 1 - np.log(variance)).mean(axis=0), rtol=EXACT)
    np.testing.assert_allclose(moments.mean, data.mean(axis=0), rtol=EXACT)
    np.testing.assert_allclose(moments.variance, data.var(axis=0), rtol=EXACT)


# ---------------------------------------------------------------------------------------- invariances


def test_modes_do_not_depend_on_order_scale_and_sign_of_latents(rng, model):
    data, mean, variance, _ = model
    result = diagnose(mean, variance, data)
    order, factor = rng.permutation(4), np.array([3.0, -0.1, 1e3, -1.0])
    turned = diagnose(mean[:, order] * factor, variance[:, order] * factor**2, data)
    np.testing.assert_allclose(turned.observed.encoded, result.observed.encoded, atol=EXACT)
    np.testing.assert_allclose(turned.observed.alignment, result.observed.alignment[order], atol=EXACT)
    np.testing.assert_allclose(turned.posterior.signal_fraction, result.posterior.signal_fraction[order], atol=EXACT)
    np.testing.assert_allclose(turned.observed.prefix, result.observed.prefix, atol=EXACT)


def test_modes_do_not_depend_on_rotations_of_latents_with_equal_noise(rng, model):
    data, mean = model[:2]
    noise = np.full(mean.shape, 0.3)
    rotation = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    result, turned = diagnose(mean, noise, data), diagnose(mean @ rotation, noise, data)
    np.testing.assert_allclose(turned.observed.encoded, result.observed.encoded, atol=EXACT)
    np.testing.assert_allclose(turned.observed.prefix[-1], result.observed.prefix[-1], atol=EXACT)
    np.testing.assert_allclose(turned.implied_price, result.implied_price, rtol=EXACT)


def test_modes_do_not_depend_on_rotations_of_degenerate_data(rng):
    data, mean, variance, signal = equilibrium_model(rng, lam=np.full(3, 4.0))
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    result = diagnose(mean @ rotation, variance, data)
    np.testing.assert_allclose(result.observed.encoded, signal, rtol=EXACT)
    assert result.healthy


def test_rows_and_shifts_of_the_data_do_not_matter(rng, model):
    data, mean, variance, _ = model
    result, order = diagnose(mean, variance, data), rng.permutation(3000)
    _same(result, diagnose(mean[order], variance[order], data[order]), EXACT)
    _same(result, diagnose(mean, variance, data + 1e4), 1e-6)  # which rounds the data


def test_more_latents_never_lose(rng):
    data = rng.standard_normal((400, 5))
    mean = data @ rng.standard_normal((5, 9)) + 0.3 * rng.standard_normal((400, 9))
    prefix = diagnose(mean, rng.uniform(0.1, 1, (400, 9)), data).observed.prefix
    assert all(before >= after for before, after in pairwise(prefix))
    assert effective_dimension(np.arange(10), prefix, float(prefix[4])) <= 4


# ----------------------------------------------------------------------------------------- one pass over the data


@pytest.mark.parametrize(("n", "d"), [(30_000, 20), (50, 400)])
def test_rows_are_read_once(rng, monkeypatch, n, d):
    """One pass over narrow data takes all moments; wide data have one Gram matrix; each matrix is decomposed once."""
    added, grams, decomposed = [], [], []
    add, make, eigh = Moments.add, Gram.__init__, np.linalg.eigh

    def counted_add(self, rows, weights=None):
        added.append(rows.shape)
        add(self, rows, weights)

    def counted_make(self, rows, *rest):
        grams.append(rows.shape)
        make(self, rows, *rest)

    def counted_eigh(matrix):
        decomposed.append(matrix.shape)
        return eigh(matrix)

    monkeypatch.setattr(Moments, "add", counted_add)
    monkeypatch.setattr(Gram, "__init__", counted_make)
    monkeypatch.setattr(np.linalg, "eigh", counted_eigh)
    data, mean = rng.standard_normal((n, d)), rng.standard_normal((n, 5))  # so many that their codes tell no onset
    diagnose(mean, np.ones((n, 5)), data)
    wide = d > n
    assert sum(rows for rows, _ in added) == n  # of data and means together, or of the means alone
    assert {columns for _, columns in added} == {5 if wide else d + 5}
    assert grams == [(n, d)] * wide
    assert decomposed == [(n, n) if wide else (d, d)]


# --------------------------------------------------------------------------------------------- size

WORK = """
import sys
import numpy as np, landau_vae as lv
def peak():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])
n, K, d = map(int, sys.argv[1:4])
rng = np.random.default_rng(0)
data = rng.standard_normal((n, d), dtype=np.float32)
mean, logs = np.zeros((2, n, K), dtype=np.float32)
logs[:, :4] = -1.0
for k in range(4):
    np.multiply(data[:, k], np.float32(0.7), out=mean[:, k])
run = lambda m: lv.diagnose(mean[:m], log_variance=logs[:m], data=data[:m], loss=lv.Loss.gaussian(0.4))
run(n // 25)
before = peak()
run(n)
print((peak() - before) / data.nbytes)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc to read the peak from")
@pytest.mark.parametrize(("n", "K", "d"), [(200_000, 64, 64), (300, 8, 200_000)])
def test_no_array_is_copied(n, K, d):
    """The peak of a fresh process grows by less than half an array in single precision, wide ones included."""
    command = [sys.executable, "-c", WORK, str(n), str(K), str(d)]
    grown = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < 0.5
