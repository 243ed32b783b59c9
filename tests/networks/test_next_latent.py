"""The price below which one more latent pays, against exact spectra."""

import numpy as np
import pytest
from likelihood_cases import first, likelihood, rows
from networks.linear_equilibrium import Equilibrium

import landau_vae as lv
from landau_vae.likelihoods import BERNOULLI, GAUSSIAN, POISSON, as_likelihood
from landau_vae.networks import _next_latent
from landau_vae.networks._next_latent import next_latent

EXACT = 1e-7  # the ridge of 1e-9 on a matrix whose condition is below 100
MIXED = 0.03  # by which a fitted w is too low, mixed of degenerate ones: of .480 to .496, and of .40 and .45
ERRORS = 3  # standard errors: .3 % of all draws fall outside, and these seeds are fixed


def onset(model, decode=None, likelihood=GAUSSIAN, **options):
    decode = decode or model.decode
    return next_latent(model.mean, model.deviation, decode, model.x, likelihood, model.active, **options)


CASES = {
    "an inactive mode": (4, 2, 0.9, 0.5),
    "an active mode": (4, 1.2, 0.1, 0.1),  # τ²/λ = .83
    "two active modes together": (2.5, 2.2, 0.1, 0.1),  # only a linear w reaches .496
    "an active mode twice": (3.2, 0.1, 0.1),  # 2t(1 − t) = .43, t = .31
}


@pytest.mark.parametrize("eigenvalues", CASES.values(), ids=CASES)
def test_a_linear_vae_has_its_binomial_spectrum(eigenvalues):
    model = Equilibrium(eigenvalues, 1.0, 8000, seed=1)
    found = onset(model)
    assert abs(found.constant - model.onsets(degree=0)) < ERRORS * found.constant_error
    below = model.onsets(degree=1) - found.linear
    assert -ERRORS * found.linear_error < below < ERRORS * found.linear_error + MIXED
    assert found.linear_error < 0.1 * found.linear
    assert found.debt_share < 0.005  # 4 features of 8 000 rows explain 4/8 000 of a score by chance


def test_a_mode_without_its_latent_is_found_and_shown():
    model = Equilibrium((4, 3, 2, 0.5), 1.0, 4000, seed=2, latents=2)
    found = onset(model)
    assert abs(found.value - 2) < ERRORS * found.error
    assert found.direction[2] > 0.99  # 4 000 rows of variances 2 and 1/3 turn it by .02
    assert found.gain(1.0) == pytest.approx(0.5 * (found.value - 1 - np.log(found.value)))
    assert found.gain(3.0) == 0
    assert "a fixed pattern" in found.summary()


def test_the_standard_error_holds():
    def deviation(seed):
        found = onset(Equilibrium((4, 0.9, 0.1), 1.0, 500, seed), draws=4)
        return (found.constant - 0.9) / found.constant_error

    inside = np.mean(np.abs([deviation(seed) for seed in range(200)]) < 1.96)
    assert 0.9 < inside < 0.99  # .95 ± .015 over 200 seeds


def test_many_outputs_do_not_raise_it():
    """64 outputs, 10 active latents, 1 800 rows: 704 coefficients of w, and the best on these rows is 1.3."""
    spectrum = np.r_[np.linspace(20, 1.5, 10), np.linspace(0.9, 0.01, 54)]
    found = [onset(Equilibrium(spectrum, 1.0, 1800, seed)) for seed in range(3)]
    mean, error = np.mean([each.value for each in found]), np.mean([each.error for each in found]) / 3**0.5
    assert 0.75 < mean < 0.9 + 2 * error  # .9 from below: the w of other rows is a mixture of the leading ones
    assert all(each.on_rows > 1.1 for each in found)


def test_more_outputs_than_can_be_searched():
    x = np.random.default_rng(3).standard_normal((600, 500)) * 0.2
    x[:, 7] *= 10
    found = next_latent(
        np.zeros((600, 1)), np.ones((600, 1)), lambda z: np.zeros_like(x), x, GAUSSIAN, np.arange(0), draws=4
    )
    assert found.outputs == 400
    assert abs(found.value - 4) < ERRORS * found.error


def test_an_average_over_draws_would_raise_it(monkeypatch):
    model = Equilibrium(CASES["two active modes together"], 1.0, 8000, seed=4)
    found = onset(model, draws=4)
    assert abs(found.linear - 0.496) < ERRORS * found.linear_error
    monkeypatch.setattr(_next_latent._Looks, "squares", lambda looks, w: np.square((looks.each @ w).mean(axis=0)))
    assert onset(model, draws=4).linear > 0.56  # .59


WRONG = {  # decoder, and the part of the loss that its best correction saves
    "bias": (lambda model, z: model.decode(z) + np.array([0.5, 0, 0.7, 0]), 0.5 * (0.25 + 0.49)),
    "scale": (lambda model, z: 0.5 * model.decode(z), 0.5 * 0.25 * (7 + 3)),
}


@pytest.mark.parametrize(("decode", "debt"), WRONG.values(), ids=WRONG)
def test_the_debt_of_the_decoder_is_apart(decode, debt, monkeypatch):
    model = Equilibrium((8, 4, 0.9, 0.5), 1.0, 8000, seed=5)
    found = onset(model, lambda z: decode(model, z))
    assert abs(found.value - 0.9) < ERRORS * found.error
    assert found.debt == pytest.approx(debt, rel=0.1)  # ⟨z²⟩ of 8 000 rows is known to 2 %
    assert found.debt_share == pytest.approx(debt / (debt + 0.5 * (2 + 1.4)), rel=0.1)
    unregressed = _next_latent._regression

    def without(*arguments):
        fit = unregressed(*arguments)
        fit.correction[:] = 0
        return fit

    monkeypatch.setattr(_next_latent, "_regression", without)
    assert onset(model, lambda z: decode(model, z)).value > 1.2


@pytest.mark.parametrize("likelihood", [BERNOULLI, POISSON, GAUSSIAN], ids=str)
def test_a_collapsed_model_has_the_spectrum_of_the_first_collapse(likelihood):
    rng = np.random.default_rng(6)
    common = rng.random((3000, 1)) < 0.5
    x = (rng.random((3000, 5)) < np.where(common, [0.9, 0.8, 0.7, 0.3, 0.5], [0.2, 0.3, 0.4, 0.3, 0.5])).astype(float)
    metric = 1 if likelihood.squared else np.sqrt(likelihood.variance(x.mean(axis=0)))
    first = np.linalg.eigvalsh(np.cov((x / metric).T, bias=True))[-1]
    output = np.broadcast_to(likelihood.link(x.mean(axis=0)), x.shape)
    found = next_latent(np.zeros((3000, 2)), np.ones((3000, 2)), lambda z: output, x, likelihood, np.arange(0), draws=4)
    assert found.on_rows == pytest.approx(first, rel=EXACT)
    assert abs(found.value - first) < ERRORS * found.error
    assert found.debt == pytest.approx(0, abs=EXACT)


def test_a_wrong_constant_of_another_likelihood_is_debt():
    rng = np.random.default_rng(7)
    x = rng.poisson(np.exp(0.3 + 0.8 * rng.standard_normal((4000, 1)) * [1, 0.5, 0.0])).astype(float)
    first = np.linalg.eigvalsh(np.cov((x / np.sqrt(x.mean(axis=0))).T))[-1]
    output = np.broadcast_to(np.log(x.mean(axis=0)) + np.array([0.2, 0, 0]), x.shape)
    found = next_latent(np.zeros((4000, 1)), np.ones((4000, 1)), lambda z: output, x, POISSON, np.arange(0), draws=4)
    assert found.debt == pytest.approx(0.5 * x[:, 0].mean() * 0.2**2, rel=0.3)  # at second order in .2
    assert found.value == pytest.approx(first, rel=0.3)  # H is still that of the wrong constant, e^.2 too large


def test_latents_that_repeat_one_another_do_no_harm():
    model = Equilibrium((4, 0.9, 0.1), 1.0, 2000, seed=8)
    z = np.column_stack([model.mean, model.mean]), np.zeros((2000, 2))
    found = next_latent(*z, lambda z: model.decode(z[:, :1]), model.x, GAUSSIAN, np.arange(2), draws=4)
    assert abs(found.constant - 0.9) < ERRORS * found.constant_error


def test_bad_input():
    model = Equilibrium((4, 0.9), 1.0, 100, seed=9)
    with pytest.raises(lv.InputError, match=r"has shape \(100, 1\), but \(100, 2\)"):
        onset(model, lambda z: z)
    with pytest.raises(lv.InputError, match="NaN or infinite"):
        onset(model, lambda z: np.full_like(model.x, np.nan))
    with pytest.raises(lv.InputError, match="draws is 6, but a multiple of 4"):
        onset(model, draws=6)
    with pytest.raises(lv.TooFewSamples, match="needs 20 rows"):
        onset(Equilibrium((4, 0.9), 1.0, 19, seed=9))


def digits(latents, price, updates):
    sklearn = pytest.importorskip("sklearn.datasets")
    x = sklearn.load_digits().data / 16
    temperature = price / x.var(axis=0).sum()
    trainer = lv.training.Neural(hidden=(128,), activation="relu", updates=updates)
    model = lv.training.trained_model(lv.scan(x, [temperature], latents=latents, trainer=trainer), temperature)
    mean, log_variance = model.encode(x)
    active = np.flatnonzero(np.square(mean).mean(axis=0) > 0.1)
    found = next_latent(mean, np.exp(log_variance / 2), model.decode, x, GAUSSIAN, active)
    return np.array([found.constant, found.linear]) / price, found


@pytest.mark.slow
def test_trained_networks():
    """Readings, constant and linear: means of eight seeds, ± three times their scatter or more.

    Processors round unlike, and so train as different from one another as seeds do.
    """
    healthy, found = digits(10, 0.096, 6000)
    assert healthy == pytest.approx([0.74, 0.74], abs=0.15)  # scatter 0.04 and 0.05
    assert found.debt_share < 1e-3
    assert np.all(digits(10, 0.096, 150)[0] > 2)  # not trained: 3.1 and 4.6
    assert digits(3, 0.096, 6000)[0] == pytest.approx([1.12, 1.50], abs=0.2)  # too few latents: 0.05 and 0.06
    assert digits(10, 0.256, 6000)[0] == pytest.approx([0.545, 0.675], abs=0.05)  # 0.004 and 0.014
    assert digits(10, 0.96, 6000)[0] == pytest.approx([0.71, 0.71], abs=0.01)  # inactive: λ₁/τ = .728 of all rows


@pytest.mark.parametrize("name", ["huber", "counts", "gaussian"])
def test_of_a_collapsed_model_it_is_the_first_eigenvalue_of_the_scores(name):
    """Rows and draws leave a standard error; what w is fitted to is not what it is read off."""
    x, law = rows(name), likelihood(name)
    constant = np.broadcast_to(law.constant(x), x.shape)
    found = next_latent(np.zeros((2000, 1)), np.ones((2000, 1)), lambda z: constant, x, law, np.arange(0))
    assert abs(found.value - first(name)) < 4 * found.error


def test_a_variance_is_a_unit():
    """½(x − f)²/σ² has the onset of the squared error over σ²: the same draws, but for rounding."""
    model = Equilibrium((4, 2, 0.9), 1.0, 2000, seed=2)
    square = onset(model)
    scaled = onset(model, likelihood=as_likelihood("gaussian(0.5)"))
    assert (scaled.constant, scaled.linear) == pytest.approx((2 * square.constant, 2 * square.linear), rel=1e-6)
