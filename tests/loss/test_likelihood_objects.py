"""Likelihoods as objects: each function against differences of another; a new one needs no other edit."""

import pickle

import numpy as np
import pytest
from conftest import CLOSED
from scipy.optimize import brentq

import landau_vae as lv
from landau_vae.likelihoods import Generator, as_likelihood
from landau_vae.loss import BERNOULLI, FAMILY, GAUSSIAN, POISSON, Likelihood, Loss
from landau_vae.numeric.problems import ExponentialFamily

DIFFERENCE = 1e-7  # relative, of central differences at their best step
R = 3.0


def _negative_binomial(f):
    """A = −R ln(1 − eᶠ), f < 0."""
    e = np.exp(f)
    return Generator(-R * np.log1p(-e), R * e / (1 - e), R * e / (1 - e) ** 2)


NEGATIVE_BINOMIAL = Likelihood(
    "negative binomial", data="counts, from 0 on", support=(0, np.inf), variance=lambda m: m + m**2 / R,
    generator=_negative_binomial, link=lambda m: np.log(m / (m + R)),
)  # fmt: skip
BINOMIAL = Likelihood("binomial", support=(0, 10), variance=lambda m: m * (10 - m) / 10)
EVERY = [GAUSSIAN, BERNOULLI, POISSON, NEGATIVE_BINOMIAL]
MEANS = np.array([0.02, 0.3, 0.5, 0.71, 0.99])
X = np.array([0.0, 1.0, 0.3, 1.0, 0.0])


def slope(function, at, h=1e-5):
    return (function(at + h) - function(at - h)) / (2 * h)


@pytest.mark.parametrize("likelihood", EVERY, ids=str)
def test_score_and_curvature_are_slopes_of_the_value(likelihood):
    f = likelihood.link(MEANS)
    score, curvature = likelihood.score(X, f), likelihood.curvature(X, f)
    h = 1e-5 * np.abs(f).clip(0.1)
    assert score == pytest.approx(slope(lambda f: likelihood.value(X, f), f, h), rel=DIFFERENCE, abs=1e-8)
    assert curvature == pytest.approx(slope(lambda f: likelihood.score(X, f), f, h), rel=DIFFERENCE)


@pytest.mark.parametrize("likelihood", EVERY, ids=str)
def test_the_variance_is_the_curvature_at_the_link_of_the_mean(likelihood):
    f = likelihood.link(MEANS)
    assert likelihood.generator(f).mean == pytest.approx(MEANS, rel=CLOSED)
    assert likelihood.variance(MEANS) == pytest.approx(likelihood.curvature(X, f), rel=CLOSED)
    assert likelihood.score(MEANS, f) == pytest.approx(np.zeros(5), abs=CLOSED)  # the best constant output
    assert likelihood.slope(MEANS) == pytest.approx(slope(likelihood.variance, MEANS), rel=DIFFERENCE, abs=1e-9)


def test_the_value_of_a_cross_entropy_and_of_a_square():
    f = BERNOULLI.link(MEANS)
    assert BERNOULLI.value(X, f) == pytest.approx(-X * np.log(MEANS) - (1 - X) * np.log1p(-MEANS), rel=CLOSED)
    assert GAUSSIAN.value(X, MEANS) + X**2 / 2 == pytest.approx((X - MEANS) ** 2 / 2, rel=CLOSED, abs=1e-16)
    assert POISSON.value(X, np.log(MEANS)) == pytest.approx(MEANS - X * np.log(MEANS), rel=CLOSED)


def test_far_outputs_stay_finite():
    for likelihood, f in ((BERNOULLI, [-800.0, 800.0]), (POISSON, [-800.0, 350.0])):
        assert np.isfinite(likelihood.value(1.0, np.array(f))).all()


# ------------------------------------------------------------------------------------------ a likelihood that is new


def test_a_new_likelihood_needs_nothing_but_its_object(rng):
    """A negative binomial of given dispersion: its first threshold, against the exact Hessian of the real loss."""
    counts = rng.negative_binomial(R, 0.5, (300, 4)) + rng.integers(0, 4, (300, 1))
    spectrum = lv.Spectrum.from_data(counts, likelihood=NEGATIVE_BINOMIAL)
    loss = Loss(1.0, likelihood=NEGATIVE_BINOMIAL)
    mean, C = counts.mean(axis=0), np.cov(counts.T, bias=True)
    F = mean + mean**2 / R
    expected = np.linalg.eigvalsh(C / np.sqrt(np.outer(F, F)))[-1]
    first = float(lv.transitions(spectrum, loss).beta[0])
    assert first == pytest.approx(expected, rel=1e-10)
    assert int(lv.equilibrium(spectrum, loss.at(1.01 * first)).active) == 0
    assert int(lv.equilibrium(spectrum, loss.at(0.99 * first)).active) == 1
    assert first == pytest.approx(float(lv.transitions(_by_function(counts), Loss.of("family")).beta[0]), rel=1e-10)
    problem = ExponentialFamily(counts, family=NEGATIVE_BINOMIAL)

    def softest(beta):
        return np.linalg.eigvalsh(problem.hessian(problem.rest(beta), beta))[0]

    assert problem.predicted()[0][0] == pytest.approx(first, rel=1e-9)
    assert brentq(softest, 0.9 * first, 1.1 * first, rtol=1e-12) == pytest.approx(first, rel=1e-6)
    assert "negative binomial" in loss.explain(spectrum)
    with pytest.raises(lv.InputError, match="negative binomial likelihood, but the spectrum is one for a poisson"):
        loss.price(lv.Spectrum.from_data(counts, likelihood=POISSON))


def _by_function(counts):
    return lv.spectrum.exponential_family(counts, NEGATIVE_BINOMIAL.variance)


def test_a_new_likelihood_of_a_bounded_range(rng):
    """Counts of 10 may vary more than a binomial decoder says, but not more than their range allows."""
    counts = rng.choice([0, 10, 5], size=(200, 3))
    F = counts.mean(axis=0) * (10 - counts.mean(axis=0)) / 10
    spectrum = lv.Spectrum.from_data(counts, likelihood=BINOMIAL)
    assert spectrum.total_variance == pytest.approx(float((counts.var(axis=0) / F).sum()), rel=1e-10)
    with pytest.raises(lv.InputError, match="range, but column 0 is not"):
        lv.Spectrum.from_data(2 * counts, likelihood=BINOMIAL)


def test_errors_of_a_new_likelihoods_variance_function(rng):
    counts = rng.poisson(3, (50, 3))
    for variance, words in (
        (lambda m: m - 3, "The variance function is -"),
        (lambda m: m[:2], r"returned shape \(2,\)"),
        (lambda m: "x", "The variance function 'x' cannot be read as numbers"),
        (lambda m: m / None, "The variance function raised TypeError"),
    ):
        with pytest.raises(lv.InputError, match=words):
            lv.Spectrum.from_data(counts, likelihood=Likelihood("odd", variance=variance))
    with pytest.raises(lv.InputError, match="does not say its variance"):
        lv.Spectrum.from_data(counts, likelihood=FAMILY)
    with pytest.raises(lv.InputError, match="lacks a function"):
        ExponentialFamily(counts, family=BINOMIAL)


# ------------------------------------------------------------------------------------------------- objects, names


def test_equal_are_those_of_the_same_functions():
    assert Likelihood("nb", variance=np.square) == Likelihood("nb", variance=np.square)
    assert Likelihood("nb", variance=np.square) != Likelihood("nb", variance=np.copy)
    assert len({GAUSSIAN, BERNOULLI, POISSON, FAMILY, as_likelihood("poisson")}) == 4


def test_known_ones_survive_pickling():
    for likelihood in (GAUSSIAN, BERNOULLI, POISSON, FAMILY):
        assert pickle.loads(pickle.dumps(likelihood)) is likelihood
    again = pickle.loads(pickle.dumps(Likelihood("nb", variance=np.square)))
    assert again == Likelihood("nb", variance=np.square)


@pytest.mark.parametrize(
    "options",
    [{"name": 3}, {"support": (0,)}, {"support": ("a", "b")}, {"variance": 3}, {"squared": "yes"}, {"slope": "x"}],
)
def test_junk_is_an_input_error(options):
    with pytest.raises(lv.InputError):
        Likelihood(**({"name": "odd"} | options))


@pytest.mark.parametrize("junk", ["binomial", None, 3, ["gaussian"], {"name": "gaussian"}])
def test_what_is_no_likelihood(junk):
    with pytest.raises(lv.InputError, match="likelihood is"):
        Loss(1.0, likelihood=junk)
