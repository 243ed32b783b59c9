"""What the functions of a likelihood have to do with one another, by numeric derivatives and inverses."""

import numpy as np
import pytest
from conftest import CLOSED

from landau_vae.likelihoods import as_likelihood, student_t
from landau_vae.likelihoods.functions import logit_of

MEANS = np.array([0.05, 0.3, 0.5, 0.8])
FAMILIES = ["gaussian", "bernoulli", "poisson", "negative-binomial(2)", "negative-binomial(0.5)"]
H = 1e-5  # central differences: an error of H² ≈ 1e-10 of the third derivative, and roundings of 1e-16/H
DIFFERENCES = 1e-7


def mean_of(family, f):
    """The mean of outputs: of a canonical family the slope of its log-partition function A."""
    return family.generator(f)[1] if family.name in ("gaussian", "bernoulli", "poisson") else family.response(f)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_response_is_the_inverse_of_the_link(name):
    family = as_likelihood(name)
    np.testing.assert_allclose(mean_of(family, family.link(MEANS)), MEANS, rtol=CLOSED)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_slope_is_the_derivative_of_the_variance(name):
    family = as_likelihood(name)
    slope = (family.variance(MEANS + H) - family.variance(MEANS - H)) / (2 * H)
    np.testing.assert_allclose(family.slope(MEANS), slope, rtol=DIFFERENCES, atol=DIFFERENCES)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_score_vanishes_at_the_mean_and_its_curvature_there_is_the_information(name):
    """E[∂²ℓ/∂f²] = (dm/df)²/𝒱(m): with data at their mean, ℓ is linear in x, so that the expectation is at x = m."""
    family = as_likelihood(name)
    f = family.link(MEANS)
    np.testing.assert_allclose(family.score(MEANS, f), 0, atol=CLOSED)
    slope = (mean_of(family, f + H) - mean_of(family, f - H)) / (2 * H)
    np.testing.assert_allclose(family.curvature(MEANS, f), slope**2 / family.variance(MEANS), rtol=DIFFERENCES)


def test_the_scale_of_student_t_is_one_unless_given():
    assert student_t(3.0).name == "student-t(3)"
    np.testing.assert_allclose(student_t(3.0).value(MEANS, 0.0), student_t(3.0, 1.0).value(MEANS, 0.0), rtol=CLOSED)
    np.testing.assert_allclose(student_t(3.0, 2.0).score(2 * MEANS, 0.0), student_t(3.0).score(MEANS, 0.0) / 2)


@pytest.mark.parametrize(("share", "logit"), [(0.2, -np.log(4)), (0.9, np.log(9)), (0.5, 0.0)])
def test_the_logit_of_a_share(share, logit):
    assert logit_of(np.array([share])) == pytest.approx(logit, abs=CLOSED)


@pytest.mark.parametrize(
    ("name", "place"), [("poisson", 3.0), ("poisson", 82.0), ("bernoulli", -2.0), ("gaussian", 1.0)]
)
def test_the_log_partition_function_and_its_derivatives(name, place):
    """Also where e^f is continued by a parabola, so that it cannot overflow."""
    generator, h = as_likelihood(name).generator, 1e-4
    below, at, above = (generator(np.array([place + step])) for step in (-h, 0.0, h))
    slope, bend = (
        (np.asarray(high) - np.asarray(low)) / (2 * h) for high, low in zip(above[:2], below[:2], strict=True)
    )
    np.testing.assert_allclose(at[1], slope, rtol=1e-6)
    np.testing.assert_allclose(at[2], bend, rtol=1e-6)


def test_which_likelihoods_have_a_curvature_that_is_never_negative():
    curved = {
        name: as_likelihood(name).curved for name in ("gaussian", "poisson", "huber(1)", "student-t(3)", "laplace")
    }
    assert curved == {"gaussian": True, "poisson": True, "huber(1)": True, "student-t(3)": False, "laplace": False}
