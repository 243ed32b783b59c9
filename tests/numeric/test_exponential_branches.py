"""Bernoulli and Poisson decoders followed in β: the first threshold is a theorem's, the later ones are found."""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

import landau_vae as lv
from landau_vae.numeric.continuation import coexistence
from landau_vae.numeric.problems import ExponentialFamily

WORDS = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
LOCATED = 1e-8  # relative: the bar for a located bifurcation; each also states an interval of its own


def four_bits(seed):
    """Probabilities of all sixteen words of four bits."""
    return np.random.default_rng(seed).dirichlet(np.ones(16))


def correlation_eigenvalues(probability):
    mean = probability @ WORDS
    y = (WORDS - mean) / np.sqrt(mean * (1 - mean))
    return np.linalg.eigvalsh((y * probability[:, None]).T @ y)[::-1]


def followed(probability, latents):
    problem = ExponentialFamily(WORDS, probability, latents=latents)
    top = correlation_eigenvalues(probability)
    return problem, lv.follow(problem, 1.2 * top[0], 0.6 * top[latents - 1])


@pytest.mark.parametrize("seed", range(5))
def test_one_latent_wakes_at_the_top_eigenvalue_of_the_correlation_matrix(seed):
    probability = four_bits(seed)
    _, diagram = followed(probability, 1)
    [point] = diagram.special
    exact = correlation_eigenvalues(probability)[0]
    assert point.interval[0] <= exact <= point.interval[1]
    assert abs(point.control / exact - 1) < LOCATED
    assert point.precision < LOCATED
    assert (point.kind, point.kernel_dimension, point.index) == ("supercritical pitchfork", 1, (0, 1))
    assert diagram.branches[-1].stable.all()


def test_the_quartic_coefficient_is_that_of_the_derivation():
    """a₄ = ¼[1/β_c − Σ v_i⁴] per amplitude⁴ in L; a unit of z along the kernel is half w and half its answer in e."""
    probability = four_bits(3)
    _, diagram = followed(probability, 1)
    [point] = diagram.special
    mean = probability @ WORDS
    y = (WORDS - mean) / np.sqrt(mean * (1 - mean))
    values, vectors = np.linalg.eigh((y * probability[:, None]).T @ y)
    a4 = (1 / values[-1] - np.sum(vectors[:, -1] ** 4)) / 4
    # F = L/β, and |√F w|² = a² is β/2 of |z|² (stiffness of w is F/β): a⁴ = β² r⁴/4
    assert point.form.quartic == pytest.approx(a4 * values[-1] / 4, rel=1e-5)  # κ₄ is read off at a small amplitude


def best(problem, beta, seed, starts):
    """Order parameters of the best of some random minimisations, by L-BFGS, not by continuation."""
    rest = problem.rest(beta)
    found = []
    for start in np.random.default_rng(seed).standard_normal((starts, len(rest))):
        result = minimize(
            problem.loss, rest + 0.7 * start, args=(beta,), jac=problem.gradient, method="L-BFGS-B",
            options={"maxiter": 2000, "ftol": 1e-13, "gtol": 1e-8},
        )  # fmt: skip
        found.append((result.fun, result.x))
    return problem.order_parameters(min(found, key=lambda one: one[0])[1], beta)


def living(problem, beta, seed):
    return int(np.count_nonzero(best(problem, beta, seed, starts=6) > 1e-4))


@pytest.mark.parametrize("seed", [1, 4])
def test_the_second_threshold_lies_above_its_prediction_from_collapse(seed):
    """Once the first mode lives the second eigenvalue of the correlation matrix is no threshold any more: on random
    distributions the second latent wakes earlier, at a β some per cent larger. Minimisation from random starts agrees
    to either side of the β that was found (and has a dead second latent nowhere near the eigenvalue)."""
    probability = four_bits(seed)
    first, second = correlation_eigenvalues(probability)[:2]
    problem, diagram = followed(probability, 2)
    points = diagram.special
    assert [point.kernel_dimension for point in points] == [2, 1]
    assert abs(points[0].control / first - 1) < LOCATED
    shifted = points[1].control
    assert 1.03 < shifted / second < 1.2
    assert living(problem, 1.01 * shifted, seed) == 1
    assert living(problem, 0.99 * shifted, seed) == 2
    three = followed(probability, 3)[1].special
    assert [point.kernel_dimension for point in three] == [3, 2, 1]
    assert three[1].control == pytest.approx(shifted, rel=LOCATED)  # an idle third latent changes nothing
    assert three[2].control > correlation_eigenvalues(probability)[2]


@pytest.mark.slow
def test_how_far_the_second_threshold_shifts():
    """A dozen random distributions: always upward, by 1 to 20 per cent."""
    shifts = []
    for seed in range(12):
        probability = four_bits(seed)
        shifts.append(followed(probability, 2)[1].special[1].control / correlation_eigenvalues(probability)[1] - 1)
    assert min(shifts) > 0.005
    assert max(shifts) < 0.25
    assert 0.03 < np.median(shifts) < 0.1


def test_a_sweep_finds_no_jump_and_claims_no_theorem():
    problem = ExponentialFamily(WORDS, four_bits(0), latents=1)
    top = correlation_eigenvalues(four_bits(0))[0]
    loop = lv.hysteresis(problem, 1.3 * top, 0.4 * top)
    assert loop.continuous
    assert loop.verdict == "no jump was found; no theorem excludes one elsewhere"


def test_coexisting_states_of_a_single_latent():
    """One latent, and yet a first-order transition, which no sweep sees: the state that is born first stays stable,
    but at some β far below the threshold another one, that turns to other features, becomes better. Minimisation from
    random starts finds the one to the one side, the other to the other."""
    problem = ExponentialFamily(WORDS, four_bits(0), latents=1)
    found = coexistence(problem, 0.9, 0.5, places=1, starts=12)
    [exchange] = found.exchanges
    above, below = float(exchange.above[0]), float(exchange.below[0])
    assert below - above > 0.01
    for beta, state in ((1.002 * exchange.control, above), (0.998 * exchange.control, below)):
        assert best(problem, beta, seed=7, starts=12)[0] == pytest.approx(state, abs=2e-3)  # M² moves by 1e-3 in 0.2 %
    assert len(found.families) >= 2
    rows = found.summary().split("and there")[1].splitlines()[2 : 2 + len(found.families)]
    for row, family in zip(rows, found.families, strict=True):
        first, last = (" ".join(f"{m:.4g}" for m in family.order_parameters[end]) for end in (0, -1))
        assert first != last
        assert row.split()[-2:] == [first, last], row


def test_counts():
    """Poisson: the top eigenvalue of F^{-1/2} C F^{-1/2} with F the mean."""
    rng = np.random.default_rng(6)
    counts = rng.poisson(np.exp(rng.normal(size=(12, 1)) * [[0.8, 0.5, 0.9]])).astype(float)
    problem = ExponentialFamily(counts, family="poisson", latents=2)
    mean = counts.mean(0)
    y = (counts - mean) / np.sqrt(mean)
    top = np.linalg.eigvalsh(y.T @ y / len(y))[::-1]
    points = lv.follow(problem, 1.3 * top[0], 0.5 * top[1]).special
    assert abs(points[0].control / top[0] - 1) < LOCATED
    assert points[0].kind == "supercritical pitchfork"
    assert len(points) == 2
