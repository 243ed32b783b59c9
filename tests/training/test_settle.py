"""How far a model still has to go: turns of exact minimisation against the raw loss, theory and hand-made plateaus."""

import numpy as np
import pytest
from conftest import CLOSED
from oracles import raw_loss
from scipy.optimize import minimize

from landau_vae import Loss, Spectrum, equilibrium
from landau_vae.numeric._weight_decay import weight_decay
from landau_vae.training.stopping import settle


def random_covariance(rng, d):
    root = rng.standard_normal((d, d))
    return root @ root.T


def best_encoder(W, C, tau, gamma):
    """E and s that minimise the raw loss with its L2 term at a fixed W, by BFGS."""
    d, K = W.shape

    def loss(v):
        E, s = v[: K * d].reshape(K, d), np.exp(v[K * d :])
        return raw_loss(W, E, s, C, tau) + 0.5 * gamma * np.sum(E**2)

    v = minimize(loss, np.zeros(K * d + K), options={"gtol": 1e-9}).x
    return v[: K * d].reshape(K, d), np.exp(v[K * d :])


def best_decoder(E, s, C, tau, gamma):
    K, d = E.shape

    def loss(v):
        return raw_loss(v.reshape(d, K), E, s, C, tau) + 0.5 * gamma * np.sum(v**2)

    return minimize(loss, np.zeros(d * K), options={"gtol": 1e-9}).x.reshape(d, K)


@pytest.mark.parametrize("gamma", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (1, 1)])
def test_turns_are_those_of_a_numerical_minimiser(rng, shape, gamma):
    """Two turns; 1e-5: BFGS with numerical derivatives stops at gradients of 1e-6."""
    C = random_covariance(rng, shape[0])
    decoders, prices = rng.standard_normal((2, *shape)), np.array([0.3, 1.5])
    found = settle(C, prices, decoders, gamma, turns=2)
    for model, (W, tau) in enumerate(zip(decoders, prices, strict=True)):
        for _ in range(2):
            E, s = best_encoder(W, C, tau, gamma)
            W = best_decoder(E, s, C, tau, gamma)
        square = np.diag(E @ C @ E.T)
        np.testing.assert_allclose(found[model], square / (square + s), atol=1e-5)


@pytest.mark.parametrize("latents", [1, 2, 3, 5])
def test_turns_lead_to_the_equilibrium(rng, latents):
    """From random decoders, in 3000 turns: latents that share modes part slowly where the price is low."""
    spectrum = Spectrum.from_covariance(np.diag([4.0, 2.0, 1.0]))
    prices = np.array([5.0, 2.5, 0.8, 0.2])
    found = settle(spectrum.covariance, prices, rng.standard_normal((4, 3, latents)), turns=3000)
    state = equilibrium(spectrum, Loss.gaussian(prices, latents=latents))
    shared = min(latents, 3)
    ranked = np.sort(found, axis=1)[:, ::-1]
    np.testing.assert_allclose(ranked[:, :shared], state.signal_fraction[:, :shared], atol=1e-6)
    np.testing.assert_allclose(ranked[:, shared:], 0, atol=1e-6)


def test_turns_lead_to_the_equilibrium_under_weight_decay(rng):
    spectrum, gamma = Spectrum.from_covariance(np.diag([4.0, 2.0, 1.0])), 0.4
    theory = weight_decay(spectrum, decoder=gamma, encoder=gamma)
    for price in (3.0, 1.5, 0.5, 0.2):
        found = settle(spectrum.covariance, [price], rng.standard_normal((1, 3, 3)), gamma, turns=2000)
        np.testing.assert_allclose(np.sort(found[0])[::-1], theory.signal_fraction(price), atol=1e-6)


def test_a_plateau_is_left_by_the_ratio_of_variance_and_price():
    """W grows by λ/τ a turn, so ⟨μ²⟩ ∝ W² by its square; a turn measures the encoder of the turn before."""
    for ratio in (0.5, 0.9, 1.1, 3.0):
        asleep = np.full((1, 1, 1), 1e-8)
        few, more = (settle(np.array([[ratio]]), [1.0], asleep, turns=n)[0, 0] for n in (3, 5))
        assert more / few == pytest.approx(ratio**4, rel=1e-6)


def test_what_is_at_rest_stays(rng):
    """The equilibrium itself, and saddles without noise: a collapsed latent, and modes of the wrong order."""
    C, price = np.diag([4.0, 2.0, 1.0]), 0.5
    decoder = np.zeros((2, 3, 2))
    decoder[0, 0, 0], decoder[0, 1, 1] = np.sqrt(3.5), np.sqrt(1.5)
    decoder[1, 1, 0] = np.sqrt(1.5)
    expected = [[1 - 0.5 / 4, 1 - 0.5 / 2], [1 - 0.5 / 2, 0.0]]
    np.testing.assert_allclose(settle(C, [price, price], decoder), expected, atol=CLOSED)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("scale", [1e-200, 1e-20, 1e20, 1e120, 1e150])
@pytest.mark.parametrize("price", [1e-300, 1e-20, 1.0, 1e20, 1e300])
@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (1, 2)])
def test_no_decoder_and_no_price_stops_it(shape, price, scale, decay, rng):
    """Numbers or NaN, but no exception: a model that went astray is judged as well, if its squares are numbers."""
    with np.errstate(all="ignore"):
        found = settle(np.eye(shape[0]), [price], scale * rng.standard_normal((1, *shape)), decay)
    assert found.shape == (1, shape[1])
