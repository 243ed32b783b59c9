"""What scikit-learn's users expect: its own checks, pipelines, searches, streams, tables, refusals."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import landau_vae as lv
from landau_vae.errors import InputError, OutsideTheory

sklearn = pytest.importorskip("sklearn", reason="the extra 'sklearn' is not installed")
# ruff: noqa: E402
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

STREAMED = 1e-10  # moments that are merged, to the roundings of a few thousand additions, in units of λ₁ ≤ 100 λ_d


@pytest.mark.parametrize("options", [
    {}, {"n_components": 3}, {"n_components": 200}, {"n_components": 0.9, "standardize": True},
    {"loss": lv.Loss.gaussian(2.0, decoder_variance="learned"), "n_components": 1},
], ids=str)  # fmt: skip
def test_all_checks_of_scikit_learn_pass(options, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # else the check of array libraries is skipped
    if not hasattr(sklearn.utils, "get_tags"):  # before 1.6 it returned nothing, and raised
        check_estimator(lv.LinearVAE(**options))
        return
    results = check_estimator(lv.LinearVAE(**options), on_skip=None, on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}
    assert len(results) >= 40


@pytest.mark.parametrize("shape", [(300, 6), (20, 50)])
@pytest.mark.parametrize("size", [2, 7, 60])
def test_a_stream_is_the_same_as_all_rows(rng, shape, size):
    rows = rng.standard_normal(shape) * np.linspace(3, 0.3, shape[1]) + 5
    whole = lv.LinearVAE(0.3, standardize=True).fit(rows)
    parts = lv.LinearVAE(0.3, standardize=True)
    for start in range(0, len(rows), size):
        parts.partial_fit(rows[start : start + size])
    resumed = lv.LinearVAE(0.3, standardize=True).fit(rows[:15]).partial_fit(rows[15:])
    for model in (parts, resumed):
        assert model.n_samples_seen_ == len(rows)
        np.testing.assert_allclose(model.thresholds_, whole.thresholds_, rtol=STREAMED)
        np.testing.assert_allclose(model.transform(rows), whole.transform(rows), atol=STREAMED)
        np.testing.assert_allclose(model.score(rows), whole.score(rows), rtol=STREAMED)


def test_rows_are_remembered_as_they_were(rng):
    rows = rng.standard_normal((5, 20))  # fewer rows than columns: kept as rows
    model, expected = lv.LinearVAE(0.1).fit(rows), lv.LinearVAE(0.1).fit(np.vstack([rows, 2 * rows]))
    second = 2 * rows
    rows[:] = 0.0
    np.testing.assert_allclose(model.partial_fit(second).thresholds_, expected.thresholds_, rtol=STREAMED)


def test_a_first_batch_that_cannot_be_fitted_leaves_no_trace():
    model = lv.LinearVAE()
    with pytest.raises(lv.TooFewSamples, match="only one row"):
        model.partial_fit([[1.0, 2.0]])
    with pytest.raises(NotFittedError):
        model.transform([[1.0, 2.0]])
    assert model.partial_fit([[2, 0, 0], [-2, 0, 0]]).n_samples_seen_ == 2  # of other columns


def test_a_batch_that_raises_is_not_counted(rng):
    rows = rng.standard_normal((50, 4))
    model = lv.LinearVAE(0.3).fit(rows)
    with pytest.raises(InputError, match="overflow"):
        model.partial_fit(1e200 * rows)
    whole = lv.LinearVAE(0.3).fit(np.vstack([rows, 2 * rows]))
    np.testing.assert_allclose(model.partial_fit(2 * rows).thresholds_, whole.thresholds_, rtol=STREAMED)


def test_a_search_over_beta_finds_the_noise(rng):
    """Noise of variance .25 around three causes; the likelihood of held-out rows is largest at that price."""
    rows = rng.standard_normal((600, 3)) @ rng.standard_normal((3, 12)) + 0.5 * rng.standard_normal((600, 12))
    beta = 0.25 * 2.0 ** np.arange(-3, 4)
    search = GridSearchCV(
        make_pipeline(StandardScaler(with_std=False), lv.LinearVAE(n_components="noise-floor")),
        {"linearvae__beta": beta}, cv=3,
    )  # fmt: skip
    search.fit(rows)
    assert search.best_params_ == {"linearvae__beta": 0.25}
    assert search.best_estimator_[-1].n_active_ == 3
    losses = {"loss": [lv.Loss.gaussian(), lv.Loss.gaussian(decoder_variance="learned")], "n_components": [3]}
    search = GridSearchCV(lv.LinearVAE(), losses, cv=3).fit(rows)
    assert search.best_params_["loss"].learned
    assert search.best_estimator_.noise_variance_ == pytest.approx(0.25, rel=0.1)  # standard error √(2/5400) = 2 %


def test_tables_in_and_out(rng):
    table = pd.DataFrame(rng.standard_normal((30, 3)), columns=["a", "b", "c"])
    model = lv.LinearVAE(0.1, n_components=2).set_output(transform="pandas")
    codes = model.fit_transform(table)
    assert list(codes.columns) == list(model.get_feature_names_out()) == ["linearvae0", "linearvae1"]
    assert list(model.feature_names_in_) == list(model.equilibrium_.spectrum.names) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(table[["c", "b", "a"]])
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(table[["c", "b", "a"]])


def test_copies(rng):
    rows = rng.standard_normal((40, 4))
    model = lv.LinearVAE(0.2, lv.Loss.gaussian(half=False), n_components=2).fit(rows)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(rows), model.transform(rows))
    np.testing.assert_array_equal(again.partial_fit(rows).thresholds_, model.partial_fit(rows).thresholds_)
    fresh = clone(model)
    assert not hasattr(fresh, "components_")
    np.testing.assert_array_equal(fresh.fit(rows).thresholds_, lv.LinearVAE(**model.get_params()).fit(rows).thresholds_)


# ------------------------------------------------------------------------------ odd data


def test_wide_and_deficient_data(rng):
    rows = rng.standard_normal((20, 300))
    model = lv.LinearVAE(0.1).fit(rows)
    assert model.n_components_ == 19
    pca = PCA(19).fit(rows)
    np.testing.assert_allclose(model.components_, pca.components_, atol=1e-9)  # eigenvalues a few per cents apart
    low = rng.standard_normal((100, 2)) @ rng.standard_normal((2, 5))
    model = lv.LinearVAE(0.1, n_components=4).fit(low)
    np.testing.assert_array_equal(model.thresholds_[2:], 0)
    np.testing.assert_array_equal(model.transform(low)[:, 2:], 0)
    np.testing.assert_array_equal(model.components_[2:], 0)
    assert model.n_active_ == 2
    assert np.isfinite(model.score(low))


def test_constant_features(rng):
    rows = rng.standard_normal((100, 3)) * [2, 1, 0.5]
    padded = np.hstack([rows, np.full((100, 1), 7.7)])
    model, other = (lv.LinearVAE(0.3, standardize=True).fit(each) for each in (padded, rows))
    np.testing.assert_allclose(model.thresholds_, other.thresholds_, rtol=STREAMED)
    assert model.scale_[3] == 1.0
    np.testing.assert_allclose(model.inverse_transform(model.transform(padded))[:, 3], 7.7)
    with pytest.raises(InputError, match="All rows are equal"):
        lv.LinearVAE().fit(np.ones((5, 2)))


def test_single_precision(rng):
    rows = (rng.standard_normal((200, 4)) * [2, 1, 0.5, 0] + 1000).astype(np.float32)
    model = lv.LinearVAE(0.3).fit(rows)
    assert model.n_components_ == 3  # no mode from the rounding of 1000
    codes = model.transform(rows)
    assert (codes.dtype, model.inverse_transform(codes).dtype) == (np.float32, np.float32)
    exact = lv.LinearVAE(0.3).fit(rows.astype(float)).transform(rows.astype(float))
    np.testing.assert_allclose(codes, exact, atol=1e-6)  # codes of up to 4 in float32, computed in float64


def test_numbers_of_latents(rng):
    rows = rng.standard_normal((400, 100))
    rows[:, :2] *= [4, 3]
    assert lv.LinearVAE(n_components="noise-floor").fit(rows).n_components_ == 2
    fewest = lv.LinearVAE(n_components=0.2).fit(rows).n_components_
    shares = lv.Spectrum.from_data(rows).normalized.cumsum()
    assert shares[fewest - 2] < 0.2 <= shares[fewest - 1]
    assert lv.LinearVAE(loss=lv.Loss.gaussian(latents=7)).fit(rows).n_components_ == 7
    assert lv.LinearVAE(loss=lv.Loss.gaussian(latents=7), n_components=5).fit(rows).n_components_ == 5
    with pytest.raises(OutsideTheory, match="No mode is above the noise floor"):
        lv.LinearVAE(n_components="noise-floor").fit(rows[:, 2:])


def test_beta_is_that_of_the_loss_unless_it_is_given(rng):
    rows, loss = rng.standard_normal((50, 3)), lv.Loss.gaussian(0.125)
    assert lv.LinearVAE(loss=loss).fit(rows).noise_variance_ == 0.125
    assert lv.LinearVAE(0.25, loss).fit(rows).noise_variance_ == 0.25
    assert lv.LinearVAE().fit(rows).noise_variance_ == 1.0


# ------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(("options", "argument", "words"), [
    ({"beta": -1.0}, "beta", "beta is -1"),
    ({"beta": "1"}, "beta", "beta is '1'"),
    ({"loss": "bernoulli"}, "loss", "a Loss such as"),
    ({"loss": lv.Loss.bernoulli()}, "loss", "The likelihood of the loss is Bernoulli"),
    ({"loss": lv.Loss.of("huber(1)")}, "loss", "a closed form is known for squared errors"),
    ({"loss": lv.Loss.of(lv.loss.quadratic(np.eye(3)))}, "loss", "with fixed variances of the features at most"),
    ({"loss": lv.Loss.of(lv.loss.gaussian("learned"))}, "loss", "train a network"),
    ({"loss": lv.Loss.of(lv.loss.gaussian(2.0)), "standardize": True}, "standardize", "leave standardize out"),
    ({"loss": lv.Loss.of(lv.loss.gaussian([2.0, 1.0]))}, "variance", "has 2 variances, but the data have 3 features"),
    ({"loss": lv.Loss.gaussian([1.0, 2.0])}, "beta", "The loss has 2 values of β"),
    ({"n_components": 0}, "n_components", "n_components is 0"),
    ({"n_components": 1.5}, "n_components", "n_components is 1.5"),
    ({"n_components": 1.0}, "n_components", r"n_components is 1.0, but a whole number \(an int\)"),  # a share of 100 %?
    ({"n_components": "mle"}, "n_components", "'noise-floor'"),
    ({"standardize": "yes"}, "standardize", "True or False"),
], ids=str)  # fmt: skip
def test_parameters_are_checked_by_fit(rng, options, argument, words):
    model = lv.LinearVAE(**options)
    with pytest.raises(InputError, match=words) as caught:
        model.fit(rng.standard_normal((20, 3)))
    assert caught.value.argument == argument
    assert not hasattr(model, "components_")


def test_a_loss_without_a_price_says_so(rng):
    learned = lv.LinearVAE(loss=lv.Loss.gaussian(decoder_variance="learned"))
    with pytest.raises(OutsideTheory, match="3 latents encode all 3 modes"):
        learned.fit(rng.standard_normal((20, 3)))


def test_rows_are_checked_by_scikit_learn(rng):
    rows = rng.standard_normal((20, 3))
    model = lv.LinearVAE().fit(rows)
    with pytest.raises(ValueError, match="contains NaN"):
        model.transform(rows * np.nan)
    with pytest.raises(ValueError, match="X has 2 features, but LinearVAE is expecting 3"):
        model.score(rows[:, :2])
    with pytest.raises(InputError, match="X has 2 columns, but the model has 3 latents"):
        model.inverse_transform(rows[:, :2])
    with pytest.raises(InputError, match="n_samples is -1"):
        model.sample(-1)
    for ask in (lv.LinearVAE().sample, lv.LinearVAE().get_covariance):
        with pytest.raises(NotFittedError):
            ask()
    sparse = pytest.importorskip("scipy.sparse").csr_array(rows)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        model.fit(sparse)


def test_without_scikit_learn_the_extra_is_named():
    code = (
        "import sys; sys.modules['sklearn'] = None\nfrom landau_vae import *\nimport landau_vae as lv\n"
        "try:\n    lv.LinearVAE(beta=2)\nexcept lv.InputError as problem:\n    print(problem)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    extra = "the extra 'sklearn': pip install 'landau-vae[sklearn]'"
    assert printed == f"LinearVAE is an estimator of scikit-learn, {extra}.\n"
