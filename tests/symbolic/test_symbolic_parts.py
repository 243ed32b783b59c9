"""Parts of the symbolic engine, each alone."""

import pytest
import sympy as sp

from landau_vae import InputError
from landau_vae.symbolic import linear
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
