"""The free decoder of one latent: exact derivatives, another code's minima, what its continuation says."""

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import minimize
from scipy.stats import gamma

from landau_vae import InputError, Spectrum
from landau_vae.networks import FreeDecoder
from landau_vae.networks.free_decoder import hermite
from landau_vae.numeric.continuation import sweep
from landau_vae.numeric.continuation.solve import Solver

NODES, MASS = hermegauss(20)  # exact for polynomials of degree 39; |f|² has degree 2P = 12 at most
MASS = MASS / MASS.sum()


def quantiles(shape, n=400):
    """Return n equally likely values of a gamma distribution."""
    return gamma(shape).ppf((np.arange(n) + 0.5) / n)[:, None]


def by_quadrature(rows, share, order, price, start):
    """Return the least loss above the collapsed state over decoder and posteriors at once, by L-BFGS: another code."""
    d = rows.shape[1]
    rows = (rows - share @ rows) / rows.std()  # one feature: λ₁ is its variance

    def loss_and_slope(v):
        c, mean, log_s = v[: (order + 1) * d].reshape(-1, d), *np.split(v[(order + 1) * d :], 2)
        width = np.exp(log_s / 2)
        z = mean[:, None] + width[:, None] * NODES
        basis = hermite(z.ravel(), order).reshape(order + 1, *z.shape)
        error = np.einsum("pnq,pd->nqd", basis, c) - rows[:, None]
        weight = share[:, None] * MASS
        kl = 0.5 * (mean**2 + width**2 - 1 - log_s)
        value = 0.5 * np.einsum("nq,nqd->", weight, error**2) + price * share @ kl - 0.5 * share @ (rows**2).sum(axis=1)
        by_c = np.einsum("nq,pnq,nqd->pd", weight, basis, error)
        slope = np.sqrt(np.arange(1, order + 1))[:, None] * c[1:]
        by_z = weight * np.einsum("nqd,pnq,pd->nq", error, basis[:-1], slope)
        by_mean = by_z.sum(axis=1) + price * share * mean
        by_log_s = 0.5 * width * (by_z @ NODES) + 0.5 * price * share * (width**2 - 1)
        return value, np.concatenate([by_c.ravel(), by_mean, by_log_s])

    options = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-16, "gtol": 1e-10, "maxcor": 50}
    w, c = start[1, 0], start[2, 0] / np.sqrt(2)
    begun = np.concatenate([start.ravel(), w * rows[:, 0], 2 * c * rows[:, 0] - w**2])  # what weak decoders ask for
    return minimize(loss_and_slope, begun, jac=True, method="L-BFGS-B", options=options)


@pytest.fixture(scope="module")
def skewed():
    """Skewed rows with unequal weights, and a decoder and a price at which nothing is special."""
    rng = np.random.default_rng(0)
    problem = FreeDecoder(rng.gamma(1.0, size=(120, 3)) @ rng.normal(size=(3, 3)), rng.uniform(0.5, 1.5, 120), order=4)
    return problem, 0.2 * rng.normal(size=len(problem.rest(1.0))), 0.9


def test_derivatives_are_those_of_the_loss(skewed):
    """Central differences of step h err by h² and by rounding over h: 1e-7 of numbers of order 1."""
    problem, x, price = skewed
    steps = 1e-5 * np.eye(len(x))

    def slope(function):
        return np.array([(function(x + step) - function(x - step)) / 2e-5 for step in steps])

    assert np.allclose(slope(lambda y: problem.loss(y, price)), problem.gradient(x, price), atol=1e-8)
    assert np.allclose(slope(lambda y: problem.gradient(y, price)), problem.hessian(x, price), atol=2e-6)
    by_price = (problem.gradient(x, price + 1e-5) - problem.gradient(x, price - 1e-5)) / 2e-5
    assert np.allclose(by_price, problem.drift(x, price), atol=2e-6)
    slopes = [problem.row_slopes(x, price, step / 1e-5) for step in steps]
    assert np.allclose(np.array(slopes) @ problem.share, problem.gradient(x, price), atol=1e-12)


def test_posteriors_are_the_best_ones(skewed):
    """No normal distribution among 200 × 200 is better for a row: the grid is finer than any well."""
    problem, x, price = skewed
    at, c = problem.posteriors(x, price), x.reshape(problem.shape)
    mean, log_s = np.linspace(-4, 4, 200), np.linspace(-5, 1, 200)
    z = mean[:, None, None] + np.exp(log_s / 2)[:, None] * NODES
    f = np.einsum("pr,pmsq->msqr", c, hermite(z.ravel(), problem.order).reshape(problem.order + 1, *z.shape))
    kl = 0.5 * (mean[:, None] ** 2 + np.expm1(log_s) - log_s)
    for row in range(0, 120, 11):
        loss = 0.5 * np.square(problem.rows[row] - f).sum(axis=-1) @ MASS + price * kl
        assert loss.min() - 0.5 * np.square(problem.rows[row]).sum() >= at.loss[row] - 1e-12


@pytest.mark.parametrize(("shape", "w", "c"), [(100, 0.064, 0.031), (400, 0.032, 0.0156)])
def test_the_minimum_at_the_threshold_is_that_of_another_code(shape, w, c):
    """Both minimise the same loss to gradients of 1e-9; F is flat there, so it agrees to 1e-10 and w, c to 1 %."""
    rows, share = quantiles(shape), np.full(400, 1 / 400)
    problem = FreeDecoder(rows, order=4)
    start = np.array([[0.0], [w], [np.sqrt(2) * c], [0.0], [0.0]])
    found = Solver(problem).descend(start.ravel(), 0.0)
    other = by_quadrature(rows, share, 4, 1.0, 1.05 * start)
    assert found.loss == pytest.approx(other.fun, abs=1e-10)
    assert found.loss < -5e-7
    assert found.x[1:3] == pytest.approx([w, np.sqrt(2) * c], rel=0.01)
    # six digits from two codes, each at P = 4 and P = 6 (THEORY: 1e-4 of the value)
    assert found.loss == pytest.approx({100: -8.346e-6, 400: -5.115e-7}[shape], rel=2e-4)


def test_the_shift_of_an_even_decoder_costs_nothing():
    """Derivation 13: along f′ the curvature vanishes at every even stationary state, whatever the rows."""
    problem = FreeDecoder(quantiles(100), order=4)
    x = np.array([0.0, 0.0, 0.045, 0.0, 0.0])
    point = Solver(problem).fixed(x, np.log(1.0043))
    shift = problem.orbit(point.x)[0]
    assert point.x[2] > 0.03
    assert np.linalg.norm(shift) > 0.05
    assert abs(shift @ problem.hessian(point.x, 1.0043) @ shift) < 1e-15  # of 2e-3, the curvature of its neighbours


def test_the_sweep_of_continuation_ends_at_the_fold_of_even_decoders():
    """A state that the general code follows up is lost where w = 0: c = κ/(2B)·… ends 9/8 as far as F = F₀."""
    rows = quantiles(100)
    problem = FreeDecoder(rows, order=4)
    start = Solver(problem).descend(np.array([0.0, 0.2, 0.1, 0.0, 0.0]), np.log(0.97))
    swept = sweep(problem, 0.97, 1.003, x=start.x)
    assert swept.branches[0].loss[-1] < 0
    assert swept.branches[0].control[-1] == pytest.approx(1.003)
    assert not swept.jumps


def test_one_mode_of_a_wide_table_is_a_bound():
    """A decoder of the first axes alone is one of all axes: its loss is not lower."""
    rng = np.random.default_rng(1)
    rows = rng.gamma(1.0, size=(200, 4)) * [2, 1, 1, 1]
    some, full = FreeDecoder(rows, order=3, modes=1), FreeDecoder(rows, order=3)
    best = []
    for problem in (some, full):
        start = np.zeros(problem.shape)
        start[1, 0], start[2, 0] = 0.4, 0.2 * np.sign(np.mean(problem.rows[:, 0] ** 3))
        best.append(Solver(problem).descend(start.ravel(), np.log(0.8)).loss)
    assert best[1] < best[0] < 0


@pytest.mark.parametrize("order", [1, 13, 2.5])
def test_a_degree_that_cannot_be_used(order):
    with pytest.raises(InputError, match="order"):
        FreeDecoder([[0.0], [1.0]], order=order)


def test_a_spectrum_has_no_rows():
    with pytest.raises(InputError, match="needs the rows"):
        FreeDecoder(Spectrum.from_eigenvalues([2.0, 1.0]))
