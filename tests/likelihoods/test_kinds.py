"""Likelihoods beyond the canonical families: derivatives, best constants, names, copies, bad input."""

import pickle

import numpy as np
import pytest
from conftest import CLOSED
from scipy import stats
from scipy.optimize import minimize_scalar

import landau_vae as lv
from landau_vae.likelihoods import (
    any_loss,
    as_likelihood,
    categorical,
    dispersed,
    gaussian,
    huber,
    laplace,
    mean_variance,
    mixed,
    negative_binomial,
    perceptual,
    quadratic,
    smooth_l1,
    student_t,
    zero_inflated,
)
from landau_vae.likelihoods.functions import dense
from landau_vae.loss import Loss

METRIC = np.array([[2.0, 1.0, 0.0, 0.0], [1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0]])
TABLE = [("gaussian", [0, 3], 2.0), ("zero-inflated(2)", [1]), ("huber(0.5)", [2])]
NAMED = [
    laplace(), laplace(0.1), huber(0.5), smooth_l1(0.5), student_t(4), student_t(4, 2), negative_binomial(2),
    zero_inflated(2), zero_inflated(2, 0.25), categorical([1, 3]), gaussian(0.25), gaussian("learned"),
    gaussian("learned", least=1e-4, most=1), mean_variance(), mixed(TABLE),
]  # fmt: skip
UNNAMED = [negative_binomial([1, 2, 3, 4]), zero_inflated([1, 2, 3, 4]), gaussian([1, 2, 3, 4]), quadratic(METRIC)]
SMOOTH = [each for each in [*NAMED, *UNNAMED] if not each.name.startswith("learned")]


def pseudo_huber(x, f):
    return np.sqrt(1 + (f - x) ** 2) - 1


def features(f):
    return np.stack([f, f**2], axis=-1)


def rows_for(likelihood, n=50):
    rng = np.random.default_rng(0)
    if "categorical" in likelihood.name:
        return np.hstack([np.ones((n, 1)), np.eye(3)[rng.integers(0, 3, n)]])
    return rng.standard_normal((n, 4)) if likelihood.name.startswith("laplace") else rng.poisson(2, (n, 4)) * 1.0


# -------------------------------------------------------------------------------------------------- derivatives


def differences(function, f, step=1e-5):
    """Central differences by each output, (…, m): exact to 1e-9 of the values."""
    return np.stack([(function(f + h) - function(f - h)) / (2 * step) for h in step * np.eye(f.shape[-1])], axis=-1)


@pytest.mark.parametrize("likelihood", SMOOTH, ids=str)
def test_scores_and_curvatures_are_derivatives_of_the_value(likelihood):
    x = rows_for(likelihood, 20)
    f = np.random.default_rng(1).standard_normal((20, likelihood.outputs(4)))
    if not likelihood.name.startswith("mixed"):  # it has its states, not its scores at any output
        slope = differences(lambda f: likelihood.row_value(x, f), f)
        np.testing.assert_allclose(likelihood.score(x, f), slope, atol=1e-8)
    if likelihood.outputs(4) == 4 and not likelihood.name.startswith(("laplace", "mixed")):
        bent = np.einsum("nii->ni", differences(lambda f: likelihood.score(x, f), f))
        np.testing.assert_allclose(likelihood.curvature(x, f) + 0 * f, bent, atol=1e-8)


def test_values_are_those_of_jax_too():
    jax = pytest.importorskip("jax")
    for likelihood in SMOOTH:
        x = rows_for(likelihood, 6)
        f = np.random.default_rng(1).standard_normal((6, likelihood.outputs(4)))
        with jax.enable_x64(True):
            traced = likelihood.row_value(x, jax.numpy.asarray(f))
            np.testing.assert_allclose(traced, likelihood.row_value(x, f), rtol=1e-12, err_msg=likelihood.name)
            np.testing.assert_allclose(likelihood.mean(jax.numpy.asarray(f)), likelihood.mean(f), rtol=1e-12)


@pytest.mark.parametrize("likelihood", SMOOTH, ids=str)
def test_the_state_at_rest(likelihood):
    """The mean score of rows vanishes there, and the curvature is the Hessian of the mean loss."""
    x = rows_for(likelihood)
    weights = np.random.default_rng(2).random(len(x))
    rest, share = likelihood.rest(x, weights), weights / weights.sum()

    def mean(f):
        return share @ likelihood.row_value(x, np.broadcast_to(f, (len(x), f.shape[-1])))

    if not likelihood.name.startswith("laplace"):  # whose curvature is a density
        np.testing.assert_allclose(share @ rest.score, 0, atol=1e-8)
        hessian = differences(lambda f: differences(mean, f, 1e-4), rest.output, 1e-4)
        np.testing.assert_allclose(hessian, dense(rest.curvature), atol=1e-6)  # rounding over a step squared
    steps = 0.2 * np.random.default_rng(3).standard_normal((20, len(rest.output)))
    assert min(mean(rest.output + step) for step in steps) >= mean(rest.output)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_best_constant_of_a_term_with_two_minima_is_the_lower(weighted):
    """Two clusters under Student's t: a grid and a minimiser of one number, column by column."""
    rng = np.random.default_rng(5)
    x = np.vstack([rng.normal(-5, 1, (40, 2)), rng.normal([5, 6], 0.6, (60, 2))])
    weights = rng.random(100) if weighted else np.ones(100)
    likelihood = student_t(2.0, 0.5)
    found = likelihood.rest(x, weights if weighted else None).output
    for column, output in zip(x.T, found, strict=True):

        def mean(f, column=column):
            return np.average(1.5 * np.log1p(4 * (column - f) ** 2 / 2), weights=weights)

        grid = np.linspace(-10, 10, 2001)
        best = grid[np.argmin([mean(f) for f in grid])]
        exact = minimize_scalar(mean, bounds=(best - 0.02, best + 0.02), method="bounded", options={"xatol": 1e-10}).x
        assert output == pytest.approx(exact, abs=1e-5)  # a minimum is flat: 1e-10 in value


def test_weights_count_rows():
    """Whole weights and repeated rows are one and the same."""
    rng = np.random.default_rng(6)
    x, count = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 3)), rng.integers(1, 4, 60)
    kinds = [huber(1), student_t(4), mean_variance(), any_loss(pseudo_huber), perceptual(features), gaussian("learned")]
    for each in kinds:
        for encoder in ("free", "linear"):
            few = lv.spectrum.score(x, each, weights=count, encoder=encoder).eigenvalues
            many = lv.spectrum.score(x.repeat(count, axis=0), each, encoder=encoder).eigenvalues
            np.testing.assert_allclose(few, many, rtol=1e-5)  # second differences of own functions
    rest = laplace(0.2).rest(x, count)
    np.testing.assert_allclose(rest.output, np.median(x.repeat(count, axis=0), axis=0), rtol=1e-12)
    np.testing.assert_allclose(rest.curvature, laplace(0.2).rest(x.repeat(count, axis=0)).curvature, rtol=1e-12)


# ------------------------------------------------------------------------------------------ consistency of spectra


def test_squares_and_families_keep_the_spectrum_they_had():
    x = np.random.default_rng(0).poisson(3, (200, 4))
    for name in ("gaussian", "poisson", "negative-binomial(2)"):
        plain = lv.Spectrum.from_data(x, likelihood=name)
        for loss in (name, as_likelihood(name), Loss(1.0, likelihood=as_likelihood(name))):
            np.testing.assert_array_equal(lv.spectrum.score(x, loss).eigenvalues, plain.eigenvalues)


def test_the_general_way_gives_what_variance_functions_give():
    """Scores and curvatures of rows, against means and covariances."""
    from landau_vae.spectrum._score import of_rest

    x = np.random.default_rng(0).poisson(3, (200, 4)) * 1.0
    for name in ("poisson", "negative-binomial(2)", "gaussian(0.5)"):
        likelihood = as_likelihood(name)
        for encoder in ("free", "linear"):
            found = of_rest(likelihood, likelihood.rest(x), x, None, encoder).eigenvalues
            np.testing.assert_allclose(found, lv.Spectrum.from_data(x, likelihood=name).eigenvalues, rtol=1e-10)


def test_pearson_residuals(rng):
    x, theta = rng.negative_binomial(3, 0.4, (300, 3)), np.array([1.0, 2.0, 5.0])
    mean = x.mean(axis=0)
    residuals = (x - mean) / np.sqrt(mean + mean**2 / theta)
    expected = np.linalg.eigvalsh(np.cov(residuals.T, bias=True))[::-1]
    np.testing.assert_allclose(lv.spectrum.score(x, negative_binomial(theta)).eigenvalues, expected, rtol=1e-10)


def test_metrics_are_those_of_the_noise_metric():
    x = np.random.default_rng(1).standard_normal((100, 4)) @ np.random.default_rng(2).standard_normal((4, 4))
    expected = lv.spectrum.noise_metric(x, np.linalg.inv(METRIC)).eigenvalues
    spectrum = lv.spectrum.score(x, quadratic(METRIC))
    np.testing.assert_allclose(spectrum.eigenvalues, expected, rtol=1e-10)
    assert "exact" in spectrum.note
    assert "predictions" not in spectrum.note
    variances = [0.5, 1.0, 2.0, 4.0]
    expected = lv.spectrum.noise_metric(x, variances).eigenvalues
    np.testing.assert_allclose(lv.spectrum.score(x, gaussian(variances)).eigenvalues, expected, rtol=1e-10)
    singular = np.diag([1.0, 0.0, 1.0, 0.0])
    few = lv.Spectrum.from_data(x[:, [0, 2]]).eigenvalues
    np.testing.assert_allclose(lv.spectrum.score(x, quadratic(singular)).eigenvalues, few, rtol=1e-10)


def test_one_hot_labels_have_ones():
    """Cov(s) = ⟨H⟩ for single labels; a label that is never seen costs nothing and may stay."""
    labels = np.eye(4)[np.random.default_rng(0).integers(0, 3, 200)]
    spectrum = lv.spectrum.score(labels, categorical([4]))
    np.testing.assert_allclose(spectrum.eigenvalues, [1.0, 1.0], rtol=1e-8)  # the unseen share is 1e-9
    bits = labels[:, :1]
    pair = lv.spectrum.score(np.hstack([bits, 1 - bits]), categorical([2])).eigenvalues
    np.testing.assert_allclose(pair, lv.Spectrum.from_data(bits, likelihood="bernoulli").eigenvalues, rtol=1e-9)


def test_a_mixture_of_one_kind_is_that_kind():
    x = rows_for(huber(1))
    whole = lv.spectrum.score(x, huber(0.5)).eigenvalues
    parted = mixed([("huber(0.5)", [0, 2]), ("huber(0.5)", [3, 1])])
    np.testing.assert_allclose(lv.spectrum.score(x, parted).eigenvalues, whole, rtol=1e-10)
    twice = mixed([("huber(0.5)", range(4), 2)])
    np.testing.assert_allclose(lv.spectrum.score(x, twice).eigenvalues, 2 * whole, rtol=1e-10)
    outputs = np.arange(5.0)
    np.testing.assert_allclose(mixed(TABLE).mean(outputs)[[0, 2, 3]], [0, 2, 3])
    assert mixed(TABLE).mean(outputs)[1] == pytest.approx(np.e / (1 + np.exp(4)))  # x̂ = e^f (1 − π)


def test_later_thresholds_are_called_predictions():
    note = lv.spectrum.score(rows_for(huber(1)), huber(1.0)).note
    assert "first threshold is exact" in note
    assert "predictions from the collapsed background" in note


def test_constant_columns_cost_nothing():
    """A mean of cross-entropies over 64 columns of which 13 are constant: 0.02 · 64 = 1.28, whatever they are."""
    rng = np.random.default_rng(0)
    pixels = (rng.random((200, 64)) < 0.4) * 1.0
    pixels[:, ::5] = rng.integers(0, 2, 13)
    loss = Loss.bernoulli(0.02, reconstruction="mean")
    spectrum = lv.Spectrum.from_data(pixels, likelihood="bernoulli")
    assert float(loss.price(spectrum)) == pytest.approx(1.28)
    varying = np.delete(pixels, np.s_[::5], axis=1)
    assert spectrum.modes == 51
    np.testing.assert_allclose(
        spectrum.eigenvalues, lv.Spectrum.from_data(varying, likelihood="bernoulli").eigenvalues, rtol=1e-10
    )
    for likelihood in (huber(0.5), zero_inflated(2.0), negative_binomial(2.0)):
        bare, padded = (lv.spectrum.score(each, likelihood) for each in (varying, pixels))
        np.testing.assert_allclose(padded.eigenvalues[: bare.modes], bare.eigenvalues, rtol=1e-6)
        assert padded.dimension == 64


# ------------------------------------------------------------------------------------------------ names and copies


@pytest.mark.parametrize("likelihood", NAMED, ids=str)
def test_names_are_read_back(likelihood):
    assert as_likelihood(likelihood.name) == likelihood
    loss = Loss(0.5, likelihood=likelihood)
    assert Loss.from_dict(loss.to_dict()).likelihood == likelihood


@pytest.mark.parametrize("likelihood", [*NAMED, *UNNAMED, any_loss(pseudo_huber), perceptual(features)], ids=str)
def test_copies_are_equal(likelihood):
    again = pickle.loads(pickle.dumps(likelihood))
    assert again == likelihood
    assert hash(again) == hash(likelihood)


@pytest.mark.parametrize(
    ("likelihood", "words"),
    [(each, "parameters of single features.*give the object") for each in UNNAMED]
    + [(any_loss(pseudo_huber), "your function pseudo_huber"), (perceptual(features), "your function features")],
    ids=str,
)
def test_names_that_do_not_hold_everything(likelihood, words):
    with pytest.raises(lv.InputError, match=words):
        as_likelihood(likelihood.name)


@pytest.mark.parametrize("offset", [0.0, 5.6e-12, 0.1, -1e-9])
def test_a_loss_by_differences_is_that_of_its_formula_wherever_the_best_constant_is(offset):
    """Near 0 the outputs themselves are no scale for the steps; nor is the rounding of a column that is constant."""
    rows = np.random.default_rng(3).standard_normal((60, 3)) * [1.0, 0.0, 2.0]
    rows += offset - rows.mean(axis=0)
    metric = np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 0.5]])
    own = any_loss(lambda x, f: (((x - f) @ metric) * (x - f)).sum(-1) / 2, joint=True)
    for encoder in ("free", "linear"):
        exact = lv.spectrum.score(rows, quadratic(metric), encoder=encoder).eigenvalues
        found = lv.spectrum.score(rows, own, encoder=encoder).eigenvalues
        np.testing.assert_allclose(found, exact, rtol=1e-6)  # second differences


def test_different_parameters_are_different_likelihoods():
    assert huber(1) != huber(2)
    assert negative_binomial([1, 2]) != negative_binomial([1, 3])
    assert huber(1) != smooth_l1(1)
    assert len({*NAMED, *UNNAMED}) == len(NAMED) + len(UNNAMED)


# -------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("huber(x)", r"parameters \(x\)"), ("huber(-1)", "delta is -1"), ("huber(1,2)", "do not fit"),
        ("negative-binomial", "do not fit"), ("negative-binomial(0)", "dispersion is"), ("categorical()", "groups"),
        ("categorical(2.5)", "groups"), ("mixed(gaussian)", "cannot be read as a part"), ("hubert(1)", "likelihood is"),
        ("mixed(gaussian[0:2] + laplace[1:3])", "every column"), ("zero-inflated(2,1)", "share is 1"),
        ("learned-variances(2,1)", "most is 1"), ("gaussian(0)", "variance is"),
    ],
)  # fmt: skip
def test_names_of_nothing(name, words):
    with pytest.raises(lv.InputError, match=words):
        as_likelihood(name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: quadratic([[1, 2], [0, 1]]), "not symmetric"),
        (lambda: quadratic([[1, 2], [2, 1]]), "none may be negative"),
        (lambda: quadratic([1, 2]), "square matrix"), (lambda: gaussian("fixed"), "variance"),
        (lambda: negative_binomial([[1.0]]), "dispersion"), (lambda: mixed([]), "every column"),
        (lambda: mixed([("gaussian", [0], -1)]), "weight"), (lambda: mixed([("gaussian", [0.5])]), "whole numbers"),
        (lambda: mixed(["gaussian"]), "is expected"), (lambda: any_loss(pseudo_huber, outputs=3), "joint=True"),
        (lambda: categorical([]), "empty"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be(make, words):
    with pytest.raises(lv.InputError, match=words):
        make()


@pytest.mark.parametrize(
    ("likelihood", "rows", "words"),
    [
        (categorical([2, 2]), np.ones((4, 3)), "groups of categorical"),
        (quadratic(METRIC), np.eye(3), "metric is for 4"),
        (zero_inflated(1), -np.eye(3), "counts, from 0 on"), (huber(1), [[np.nan], [1.0]], "NaN"),
        (mixed(TABLE), -np.eye(4), "counts"), (mixed(TABLE), np.eye(3), "is for 4"),
        (gaussian("learned"), np.eye(3)[:, :2] * [1, 0], "constant"),
        (mean_variance(), np.eye(3)[:, :2] * [1, 0], "Column 1"),
    ],
)  # fmt: skip
def test_data_that_a_likelihood_is_not_for(likelihood, rows, words):
    with pytest.raises(lv.InputError, match=words):
        lv.spectrum.score(rows, likelihood)


@pytest.mark.parametrize(
    ("function", "options", "words"),
    [
        (lambda x, f: ((x - f) ** 2).sum(), {}, r"shape \(\)"), (lambda x, f: ((x - f) ** 2).sum(1), {}, "joint=True"),
        (lambda x, f: (x - f) ** 2, {"joint": True}, "one number for each row"),
        (lambda x, f: (x - f.mean(1, keepdims=True)) ** 2, {}, "other entries"),
        (lambda x, f: 1 / 0, {}, "ZeroDivisionError"),
    ],
)  # fmt: skip
def test_own_functions_that_are_no_losses(function, options, words):
    with pytest.raises(lv.InputError, match=words):
        lv.spectrum.score(np.random.default_rng(0).standard_normal((20, 4)), any_loss(function, **options))


def test_kinks_and_flat_terms_are_named():
    x = np.random.default_rng(0).standard_normal((20, 2))
    with pytest.raises((lv.InputError, lv.OutsideTheory), match=r"laplace\(\)"):
        lv.spectrum.score(x, any_loss(lambda x, f: np.abs(x - f)))
    far = np.array([[-3.0], [3.0]]).repeat(5, axis=0)
    with pytest.raises(lv.OutsideTheory, match="larger δ") as caught:
        lv.spectrum.score(far, huber(0.5))
    assert caught.value.partial == np.inf


def test_a_spectrum_by_means_says_where_the_other_is():
    with pytest.raises(lv.InputError, match=r"lv.spectrum.score\(data, likelihood\)"):
        lv.Spectrum.from_data(rows_for(huber(1)), likelihood=huber(1))


# ------------------------------------------------------------------------------------------- other libraries, size


def test_functions_of_jax_are_differentiated():
    jnp = pytest.importorskip("jax.numpy")
    x = np.random.default_rng(0).standard_normal((50, 4)) @ np.random.default_rng(1).standard_normal((4, 4))

    def own(x, f):
        return jnp.sqrt(1 + (f - x) ** 2) - 1

    def distance(x, f):
        return ((jnp.tanh(x @ METRIC) - jnp.tanh(f @ METRIC)) ** 2).sum(-1)

    by_jax = lv.spectrum.score(x, any_loss(own)).eigenvalues
    np.testing.assert_allclose(by_jax, lv.spectrum.score(x, any_loss(pseudo_huber)).eigenvalues, rtol=1e-5)
    one = lv.spectrum.score(x, perceptual(lambda f: jnp.tanh(f @ METRIC))).eigenvalues
    other = lv.spectrum.score(x, any_loss(distance, joint=True)).eigenvalues
    np.testing.assert_allclose(one, other, rtol=1e-6)  # two minimisers' ends


@pytest.mark.parametrize("weighted", [False, True])
def test_a_curvature_that_is_not_formed_gives_the_same_modes(monkeypatch, weighted):
    """By rows and conjugate gradients, all modes or the first; V from random directions within their error."""
    jnp = pytest.importorskip("jax.numpy")
    rng = np.random.default_rng(0)
    x, mixing = rng.standard_normal((60, 8)) @ rng.standard_normal((8, 8)), rng.standard_normal((8, 16)) / 5
    weights = rng.random(60) if weighted else None
    likelihood = perceptual(lambda f: jnp.tanh(f.reshape(len(f), -1) @ mixing), shape=(2, 4))
    whole = lv.spectrum.score(x, likelihood, weights=weights)
    monkeypatch.setattr("landau_vae.likelihoods.own.DENSE", 5)
    rows = lv.spectrum.score(x, likelihood, weights=weights)
    np.testing.assert_allclose(rows.eigenvalues, whole.eigenvalues, rtol=1e-6)
    monkeypatch.setattr("landau_vae.spectrum._score.WHOLE", 20)
    few = lv.spectrum.score(x, likelihood, weights=weights, modes=3)
    np.testing.assert_allclose(few.eigenvalues, whole.eigenvalues[:3], rtol=1e-5)
    assert few.truncated
    error = float(few.note.split("to ")[-1].split(" %")[0]) / 100
    assert few.total_variance == pytest.approx(whole.total_variance, rel=4 * error)
    with pytest.raises(lv.OutsideTheory, match="linear encoder"):
        lv.spectrum.score(x, likelihood, weights=weights, encoder="linear")


def test_closed_is_closed():
    assert huber(1.0).value(0.0, np.array(3.0)) == pytest.approx(2.5, rel=CLOSED)
    assert smooth_l1(0.5).value(0.0, np.array(3.0)) == pytest.approx(2.75, rel=CLOSED)


@pytest.mark.parametrize("likelihood", [laplace(), huber(1.0), zero_inflated(2), perceptual(lambda f: f)])
@pytest.mark.parametrize(
    ("rows", "words"),
    [([[1, 2]], "only one row"), (np.ones((5, 2)), "All rows are equal"), ([[0, 1e200], [1, 2]], "squares overflow")],
)
def test_rows_that_hold_no_spectrum_are_named_alike(likelihood, rows, words):
    with pytest.raises((lv.InputError, lv.TooFewSamples), match=words):
        lv.spectrum.score(rows, likelihood)


def test_a_loss_that_rounds_small_data_away_is_said_to():
    """ln cosh of 1e-9 is 0 in double precision, so that all scores are 0 though rows differ."""
    x = 1e-9 * np.random.default_rng(0).standard_normal((50, 2))
    with pytest.raises(lv.InputError, match="The loss has the same slope"):
        lv.spectrum.score(x, any_loss(lambda x, f: np.log(np.cosh(x - f))))


def test_a_decoder_of_variances_feels_heavy_tails():
    """Without skewness the mean has the eigenvalue 1, its variance (κ − 1)/2 with the kurtosis κ."""
    x = np.random.default_rng(0).standard_t(5, (400, 1))
    x = np.vstack([x, -x])
    expected = [(np.mean(x**4) / np.mean(x**2) ** 2 - 1) / 2, 1.0]
    np.testing.assert_allclose(lv.spectrum.score(x, mean_variance()).eigenvalues, expected, rtol=1e-10)
    np.testing.assert_allclose(lv.spectrum.score(x, gaussian("learned")).eigenvalues, [1.0], rtol=1e-10)


def test_what_is_left_out_of_a_density_is_of_the_data_alone():
    """−ln p by SciPy, for counts of each kind, alone, with sizes and in a table."""
    stats, rng = pytest.importorskip("scipy.stats"), np.random.default_rng(0)
    x, f = rng.poisson(3.0, (40, 2)) + np.array([0.0, 1.0]), rng.normal(size=(40, 2))
    theta, mean, own = 2.0, np.exp(f), np.log(np.exp(f).sum(axis=1, keepdims=True))
    nb = -stats.nbinom(theta, theta / (theta + mean)).logpmf(x)
    zinb = np.where(x == 0, -np.log(0.25 + 0.75 * np.exp(-nb)), nb - np.log(0.75))
    poisson = -stats.poisson(mean).logpmf(x)
    of_total = -stats.poisson(np.exp(f - own) * x.sum(axis=1, keepdims=True)).logpmf(x)
    table = mixed([("poisson", [0], 2.0), (negative_binomial(theta), [1])])
    for likelihood, expected in (
        ("poisson", poisson), (negative_binomial(theta), nb), (zero_inflated(theta, 0.25), zinb),
        ("total(poisson)", of_total), (table, np.stack([2 * poisson[:, 0], nb[:, 1]], axis=1)),
    ):  # fmt: skip
        like = as_likelihood(likelihood)
        np.testing.assert_allclose(like.row_value(x, f) + like.left_out(x), expected.sum(axis=1), rtol=CLOSED)
    assert not huber(1.0).left_out(x).any()


@pytest.mark.parametrize(
    "likelihood",
    [any_loss(lambda x, f: (x - f) ** 2 + np.where(x > 1, np.nan, 0)), perceptual(lambda f: np.where(f > 1, np.inf, f)),
     any_loss(lambda x, f: np.where(x > 1, np.nan, x - f).sum(-1) ** 2, joint=True)],
)  # fmt: skip
def test_a_function_without_a_value_at_some_row_is_named(likelihood):
    with pytest.raises(lv.InputError, match="NaN or infinity"):
        lv.spectrum.score(np.random.default_rng(0).standard_normal((60, 2)), likelihood)


def test_weights_that_are_all_zero_and_a_metric_of_nothing():
    with pytest.raises(lv.InputError, match="All weights are zero"):
        lv.spectrum.score([[0.0], [1.0]], huber(1.0), weights=[0, 0])
    with pytest.raises(lv.InputError, match="nor all zero"):
        quadratic(np.zeros((2, 2)))


@pytest.mark.parametrize("inflated", [False, True])
def test_a_dispersion_beside_given_outputs_is_that_of_maximum_likelihood(inflated, rng):
    """By a search over one number, with SciPy's negative binomial; draws of θ = 3 are nearer than 30 %."""
    f, share = rng.normal(1.5, 0.7, (3000, 1)), 0.2 * inflated
    x = rng.negative_binomial(3.0, 3.0 / (3.0 + np.exp(f))) * (rng.random(f.shape) >= share)

    def surprise(t):
        theta = np.exp(t)
        p = (1 - share) * stats.nbinom.pmf(x, theta, theta / (theta + np.exp(f))) + share * (x == 0)
        return -np.log(p).mean()

    best = np.exp(minimize_scalar(surprise, bounds=(-3, 5), method="bounded", options={"xatol": 1e-9}).x)
    outputs = np.hstack([f, np.full(f.shape, np.log(0.25))]) if inflated else f
    found = dispersed(inflated).fitted(x.astype(float), outputs)
    known = zero_inflated(np.array([best])) if inflated else negative_binomial(np.array([best]))
    # Both are at the same minimum, where a step of 1e-4 in ln θ changes nothing that is compared here.
    np.testing.assert_allclose(found.row_value(x, outputs), known.row_value(x, outputs), rtol=1e-4)
    assert best == pytest.approx(3.0, rel=0.3)
