"""Moments of the first principal component: closed forms, errors against the bootstrap, what cannot be known."""

import numpy as np
import pytest
from conftest import CLOSED, SAMPLED

from landau_vae.networks.moments import row_moments


@pytest.fixture
def bent(rng):
    """Three features: skewed; bent along the first; noise."""
    first = rng.gamma(6.0, size=1500) / 6**0.5 - 6**0.5
    second = 0.7 * rng.standard_normal(1500) + 0.25 * first**2
    return np.column_stack([1.5 * first, second, 0.5 * rng.standard_normal(1500)])


def test_values_are_their_definitions(bent):
    """The same from the covariance matrix, without principal components but the first."""
    x = bent - bent.mean(axis=0)
    covariance = x.T @ x / len(x)
    lam, vectors = np.linalg.eigh(covariance)
    first, v = lam[-1], vectors[:, -1]
    y = x @ v / first**0.5
    bend = (x * y[:, None] ** 2).mean(axis=0) / first**0.5
    across = bend - v * (v @ bend)
    inverse = np.linalg.pinv(np.eye(3) - (covariance - first * np.outer(v, v)) / first)
    curved = across @ inverse @ across
    expected = [abs((y**3).mean()), (y**4).mean(), bend @ bend, curved]
    expected.append(10 - 2 * expected[1] - 3 * expected[2] - 4 * curved)
    np.testing.assert_allclose(row_moments(bent).value, expected, rtol=1e3 * CLOSED)  # differences of terms near 10


def test_nothing_depends_on_the_units_the_axes_or_the_split_of_weights(bent):
    turned = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    found = row_moments(bent)
    moved = row_moments(np.vstack([-7.0 * bent @ turned + 5] * 2), np.tile([1.0, 3.0], (len(bent), 1)).T.ravel())
    np.testing.assert_allclose(moved.value, found.value, rtol=1e-9)  # turning rounds rows, 1e-16, before fourth powers
    np.testing.assert_allclose(moved.influence[: len(bent)], found.influence, atol=1e-8)
    assert moved.carriers == pytest.approx(found.carriers)  # duplicates are one row


def test_influence_is_the_change_that_a_row_makes(bent):
    found, share, step = row_moments(bent), np.full(len(bent), 1 / len(bent)), 1e-6
    for row in (0, 7, int(bent[:, 0].argmax())):
        weights = (1 - step) * share
        weights[row] += step
        change = (row_moments(bent, weights).value - found.value) / step
        # The change is linear up to ε IF: 1e-6 times an influence of 1e3 at the most extreme row.
        np.testing.assert_allclose(change, found.influence[row], rtol=5e-3, atol=1e-2)
    np.testing.assert_allclose(share @ found.influence, 0, atol=1e-9)


def test_errors_agree_with_the_bootstrap(bent, rng):
    """200 replications know a standard deviation to 5 %; the delta method is first order in 1/√n: 20 % are allowed."""
    drawn = [row_moments(bent[rng.integers(len(bent), size=len(bent))]).value for _ in range(200)]
    np.testing.assert_allclose(row_moments(bent).error, np.std(drawn, axis=0), rtol=0.2)


def test_errors_by_groups_are_those_of_the_groups(rng):
    """Each row three times, in a group of its own: no more is known than of the rows alone."""
    rows = rng.gamma(4.0, size=(400, 2)) * [2, 1]
    once, thrice = row_moments(rows), row_moments(np.repeat(rows, 3, axis=0), blocks=np.repeat(np.arange(400), 3))
    np.testing.assert_allclose(thrice.error, once.error, rtol=1e-9)  # rounding of sums of fourth powers
    assert thrice.units == 400
    assert np.all(row_moments(np.repeat(rows, 3, axis=0)).error < 0.6 * once.error)  # 1/√3 where rows seem independent


def test_gaussian_rows_have_the_moments_of_a_gaussian(rng):
    """κ = 0 ± √(6/n), m₄ = 3 ± √(24/n), Q = 0: errors within 15 %, as a sample of 4000 knows an eighth moment."""
    found = row_moments(rng.standard_normal((4000, 2)) * [2, 1])
    assert np.all(np.abs(found.value[:2] - [0, 3]) < SAMPLED * found.error[:2])
    np.testing.assert_allclose(found.error[:2], np.sqrt([6 / 4000, 24 / 4000]), rtol=0.15)


def test_two_atoms_have_the_moments_of_a_coin():
    """κ(p) = (1 − 2p)/√(p(1 − p)) at p = ½: dκ/dp = −4, and p is known to ½/√n."""
    found = row_moments(np.repeat([[-1.0], [1.0]], 50, axis=0))
    np.testing.assert_allclose(found.value, [0, 1, 0, 0, 8], atol=CLOSED)
    np.testing.assert_allclose(found.error, [0.2 * np.sqrt(100 / 99), 0, 0, 0, 0], atol=1e-9)
    assert found.carriers == pytest.approx(2)
    assert "κ = 0.00 ± 0.20" in repr(found)
    assert "κ" in found.summary()


def test_one_row_that_carries_the_fourth_moment_is_named(rng):
    rows = rng.standard_normal((300, 3))
    rows[17] = 60
    found = row_moments(rows)
    assert found.largest_share > 0.99
    assert found.carriers == pytest.approx(1, abs=0.01)


def test_errors_are_unknown_where_the_first_component_is(rng):
    found = row_moments(rng.standard_normal((500, 2)))
    assert not found.separated
    assert np.isnan(found.error).all()
    square = row_moments(np.array([[1, 1], [1, -1], [-1, 1], [-1, -1.0]] * 25))  # λ₁ = λ₂ exactly
    assert not square.separated


def test_constant_columns_do_not_matter(rng):
    rows = rng.gamma(4.0, size=(100, 2)) * [2, 1]
    more = row_moments(np.column_stack([rows, np.ones(100)]))
    np.testing.assert_allclose(more.value, row_moments(rows).value, rtol=1e-9)


def test_too_few_rows_say_so(rng):
    assert not row_moments(rng.standard_normal((10, 2))).enough
    assert not row_moments(rng.standard_normal((100, 2)), blocks=np.arange(100) % 2).enough
    assert row_moments(rng.standard_normal((100, 2))).enough
