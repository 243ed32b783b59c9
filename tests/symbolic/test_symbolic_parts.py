"""Parts of the symbolic engine, each alone."""

import pytest
import sympy as sp

from landau_vae import InputError
from landau_vae.symbolic import Landau, linear
from landau_vae.symbolic.algebra import gaussian_mean


def test_the_loss_of_one_latent_and_one_feature():
    """½(λ − 2weλ + w²(e²λ + s)) + τ/2 (e²λ + s − 1 − ln s)."""
    W, E, [s] = linear.variables(1, 1)
    w, e, lam, tau = W[0], E[0], linear.lam, linear.tau
    expected = (lam - 2 * w * e * lam + w**2 * (e**2 * lam + s)) / 2 + tau * (e**2 * lam + s - 1 - sp.log(s)) / 2
    assert sp.expand(linear.loss(W, E, [s], sp.Matrix([[lam]])) - expected) == 0


@pytest.mark.parametrize("key", [sp.Symbol("z"), (sp.Symbol("z"),), "zz", (sp.Symbol("z"),) * 3])
def test_covariances_belong_to_pairs(key):
    z = sp.Symbol("z")
    with pytest.raises(InputError, match="a pair of variables is expected"):
        gaussian_mean(z**2, [z], {key: 1})


def test_branches_of_a_pitchfork():
    """t a²/2 + a⁴/4: the collapsed point, and a² = −t with the curvature −2t."""
    a, t = sp.Symbol("a", real=True), sp.Symbol("t", real=True)
    theory = Landau(t * a**2 / 2 + a**4 / 4, slow=a, fast=[], control=t, collapsed={a: 0}, symmetry={a: -a})
    found = {branch.values[a] ** 2: branch.minors for branch in theory.branches()}
    assert found == {0: (t,), -t: (-2 * t,)}


def test_the_collapsed_point_has_to_be_stationary():
    a, t = sp.Symbol("a", real=True), sp.Symbol("t", real=True)
    with pytest.raises(InputError, match="not stationary: ∂L/∂a = 1 there"):
        Landau(t * a**2 / 2 + a, slow=a, fast=[], control=t, collapsed={a: 0})


@pytest.mark.parametrize("order", [2, 4])
def test_moments_of_a_code_are_those_of_a_gaussian(order):
    """⟨(m + √s ε)ⁿ⟩ for a normal ε."""
    z, s, m = sp.Symbol("z"), sp.Symbol("s", positive=True), sp.Symbol("m")
    shifted = gaussian_mean(sp.expand((m + z) ** order), [z], {(z, z): s})
    assert sp.expand(shifted - {2: m**2 + s, 4: m**4 + 6 * m**2 * s + 3 * s**2}[order]) == 0
