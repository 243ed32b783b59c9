"""Free bits per latent, against direct minimisation over all encoders and widths, and against one latent a mode."""

import numpy as np
import pytest
from conftest import SOLVED
from scipy.optimize import minimize

import landau_vae as lv


def state(lam, K, price, free, **options):
    loss = lv.Loss.gaussian(price, latents=K, **options).constrained("hinge", free, per="latent")
    return lv.numeric.free_bits(lv.Spectrum.from_eigenvalues(lam), loss)


def trained(lam, K, price, free, seed, starts=6):
    """The least ½D + τ Σ t_k with t_k ≥ R_k and t_k ≥ C, over encoders E and ln s, at the best decoder."""
    d, L, rng = len(lam), np.diag(lam), np.random.default_rng(seed)

    def parts(v):
        E, s = v[: K * d].reshape(K, d), np.exp(v[K * d : K * d + K])
        cross = L @ E.T
        left = sum(lam) - np.trace(cross @ np.linalg.solve(E @ cross + np.diag(s), cross.T))
        return left, 0.5 * ((E**2 @ lam) + s - 1 - np.log(s))

    slack = [{"type": "ineq", "fun": lambda v: v[-K:] - parts(v)[1]}]
    bounds = [(None, None)] * (K * d) + [(-12, 3)] * K + [(free, None)] * K
    best = np.inf
    for _ in range(starts):
        start = np.concatenate([rng.normal(size=K * d), rng.uniform(-2, 0, K), np.full(K, free + 0.5)])
        found = minimize(lambda v: 0.5 * parts(v)[0] + price * v[-K:].sum(), start, method="SLSQP", constraints=slack,
                         bounds=bounds, options={"maxiter": 2000, "ftol": 1e-13})  # fmt: skip
        if np.all(parts(found.x)[1] <= found.x[-K:] + 1e-7):
            best = min(best, found.fun)
    return best


CASES = [
    ([1.5, 0.1], 2, 1.0, 0.3),  # both on the first mode
    ([1.5, 1.0], 2, 2.0, 0.3),  # each on a mixture of both
    ([3.3], 2, 0.44, 0.5),  # a free one helps one that pays
    ([3.62, 3.11, 0.24], 3, 0.13, 0.77),  # two alone, one free
    ([1.53, 1.41, 0.34], 3, 0.61, 0.11),  # one alone; of the two that share the second, one pays
    ([3.17, 2.89, 2.57], 2, 0.25, 0.78),  # the limit does not bind
]


@pytest.mark.parametrize(("lam", "K", "price", "free"), CASES)
def test_the_state_is_the_best_of_all_linear_models(lam, K, price, free):
    # SLSQP ends within 1e-8 of the minimum where it finds it; of six starts one does.
    assert state(lam, K, price, free).free_energy == pytest.approx(trained(lam, K, price, free, seed=1), abs=SOLVED)


@pytest.mark.slow
def test_random_cases():
    rng = np.random.default_rng(18)
    for _ in range(60):
        lam = np.sort(rng.uniform(0.1, 5, rng.integers(1, 5)))[::-1]
        K, price, free = int(rng.integers(1, 5)), rng.uniform(0.1, 2), rng.uniform(0.05, 1)
        found = trained(lam, K, price, free, seed=2)
        assert state(lam, K, price, free).free_energy == pytest.approx(found, abs=SOLVED)


def test_latents_on_one_mode_and_mixtures_beat_one_latent_a_mode():
    one_each = 0.5 * 1.6 * np.exp(-0.6) + 0.6
    assert state(*CASES[0]).free_energy == pytest.approx(0.5 * (1.5 / (1 + 2 * np.expm1(0.6)) + 0.1) + 0.6, rel=1e-12)
    assert state(*CASES[0]).free_energy < one_each - 0.1
    mixed, gain = state(*CASES[1]), np.expm1(0.6)
    assert mixed.free_energy < min(0.5 * 2.5 / (1 + gain), 0.5 * (1.5 / (1 + 2 * gain) + 1.0)) + 2 * 2 * 0.3 - 0.005
    np.testing.assert_allclose(mixed.remaining[0] / mixed.remaining[1], np.sqrt(1.5), rtol=1e-12)  # λ/(1 + g) ∝ √λ


def test_it_is_the_plain_state_where_the_limit_does_not_bind():
    found, K = state(*CASES[5]), 2
    loss = lv.Loss.gaussian(0.25, latents=K)
    plain = lv.equilibrium(found.spectrum, loss)
    assert found.alone == K
    np.testing.assert_allclose(found.rate, plain.rate[:K], rtol=1e-12)
    assert found.free_energy == pytest.approx(float(plain.free_energy), rel=1e-12)
    assert found.total_distortion == pytest.approx(float(plain.total_distortion), rel=1e-12)
    assert float(loss.constrained("hinge", 0.78, per="latent").price(found.spectrum)) == 0.25


def test_where_it_binds_there_is_no_one_price():
    found = state(*CASES[3])
    problem = found.loss.without_price(found.spectrum)
    assert "(1 of 3)" in problem
    with pytest.raises(lv.OutsideTheory, match="no single price"):
        lv.equilibrium(found.spectrum, found.loss)
    assert "2 latents of 3 with a mode alone, 1 at the free 0.77 nats" in found.summary()


def test_many_latents_are_no_burden_and_more_of_them_never_cost():
    lam = np.geomspace(5, 0.01, 100)
    values = [state(lam, K, 0.5, 0.05).free_energy - 0.5 * 0.05 * K for K in (1, 10, 50, 100, 200)]
    assert np.all(np.diff(values) < 0)
