"""The exponential-family VAE as a problem: its sums against slow ones, its derivatives against differences, its
thresholds against spectra."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from oracles import close, slope

from landau_vae import InputError, Spectrum
from landau_vae.numeric.problems.exponential_family import ExponentialFamily
from tests.conftest import CLOSED

WORDS = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
GREY = np.array([[0.0, 0.3, 1.0], [0.9, 0.2, 0.1], [0.5, 1.0, 0.4], [1.0, 0.7, 0.0], [0.2, 0.6, 0.8]])
COUNTS = np.array([[0.0, 3, 1], [2, 0, 1], [5, 1, 0], [1, 1, 4], [0, 2, 2]])
DATA = {"bernoulli": GREY, "poisson": COUNTS, "gaussian": GREY - COUNTS}
SHARES = np.array([0.1, 0.3, 0.2, 0.15, 0.25])
DIFFERENCE = 1e-8  # of the largest entry: Richardson's rule at h = 4e-3 leaves h⁴ ~ 3e-10 times a fifth derivative

each_family = pytest.mark.parametrize("family", DATA)
each_size = pytest.mark.parametrize("latents", [1, 2, 3, 5])


def case(family, latents=1, **options):
    return ExponentialFamily(DATA[family], SHARES, family=family, latents=latents, **options)


def parts(problem, x):
    """W, b, G, e₀, s, in the documented order."""
    d, K = DATA[problem.family.name].shape[1], problem.latents
    r = (len(x) - d * K - d) // K - 2
    W, b, G, offset, log_s = np.split(x, np.cumsum([d * K, d, K * r, K]))
    return W.reshape(d, K), b, G.reshape(K, r), offset, np.exp(log_s)


def states(problem, rng, scale=0.4):
    """A random state, one with an idle latent, one hardly off the collapsed state, and that itself."""
    rest = problem.rest(1.0)
    generic = rest + rng.normal(size=len(rest)) * scale
    idle = generic.copy()
    idle[np.arange(DATA[problem.family.name].shape[1]) * problem.latents] = 0  # W_i1
    return [generic, idle, rest + 1e-7 * (generic - rest), rest]


# ------------------------------------------------------------------------------------------- the loss


def slow_loss(problem, x, beta, nodes):
    """As the docstring of the module has it, row by row and node by node, all latents' nodes combined."""
    data = DATA[problem.family.name]
    W, b, G, offset, s = parts(problem, x)
    white = whitened(problem)
    A = {"bernoulli": lambda h: math.log1p(math.exp(h)), "poisson": math.exp, "gaussian": lambda h: h * h / 2}
    node, mass = np.polynomial.hermite_e.hermegauss(nodes)
    mass = mass / mass.sum()
    total = 0.0
    for share, row, y in zip(SHARES, data, white, strict=True):
        mu = G @ y + offset
        for chosen in itertools.product(range(nodes), repeat=problem.latents):
            eta = b + W @ (mu + np.sqrt(s) * node[list(chosen)])
            terms = [A[problem.family.name](h) - value * h for h, value in zip(eta, row, strict=True)]
            total += share * np.prod(mass[list(chosen)]) * sum(terms) / beta
        total += share * sum(m * m + v - 1 - math.log(v) for m, v in zip(mu, s, strict=True)) / 2
    return total


def whitened(problem):
    """y of each row, in the order of the data; rows are kept in lexical order inside."""
    data = DATA[problem.family.name]
    return problem._white[np.lexsort(data.T[::-1]).argsort(), :-1]


@each_family
@pytest.mark.parametrize(("latents", "nodes", "tolerance"), [(1, 20, CLOSED), (2, 20, CLOSED), (3, 10, 1e-10)])
def test_loss_is_the_slow_sum(family, latents, nodes, tolerance, rng):
    """With one latent the nodes are the same. With more they are not, and what the rules leave out at σ ≈ 0.5 is below
    rounding at 20 nodes, below 1e-10 at 10."""
    problem = case(family, latents, nodes=nodes)
    x = states(problem, rng, 0.25)[0]
    close(problem.loss(x, 0.7), slow_loss(problem, x, 0.7, nodes), tolerance)


@each_family
def test_codes_are_white(family):
    white = whitened(case(family))
    close(SHARES @ white, np.zeros(white.shape[1]), CLOSED)
    close((white.T * SHARES) @ white, np.eye(white.shape[1]), CLOSED)


@each_family
def test_quadrature_converges(family, rng):
    """For bits A′ has poles at η = ±iπ, and n nodes err by about exp(−2π√n/σ); for the others by far less."""
    few, many = (case(family, 2, nodes=nodes) for nodes in (20, 40))
    for x in states(few, rng, 0.7):
        W, *_, s = parts(few, x)
        sigma = max(0.1, np.sqrt(W**2 @ s).max())
        tolerance = CLOSED + (math.exp(-2 * math.pi * math.sqrt(20) / sigma) if family == "bernoulli" else 0)
        close(few.loss(x, 0.7), many.loss(x, 0.7), 10 * tolerance)
        close(few.gradient(x, 0.7), many.gradient(x, 0.7), 100 * tolerance)  # each derivative costs a factor


# --------------------------------------------------------------------------------------- derivatives


@each_family
@each_size
def test_derivatives(family, latents, rng):
    problem = case(family, latents)
    for x in states(problem, rng):
        close(problem.gradient(x, 0.7), slope(lambda at: problem.loss(at, 0.7), x), DIFFERENCE)
        hessian = problem.hessian(x, 0.7)
        close(hessian, slope(lambda at: problem.gradient(at, 0.7), x), DIFFERENCE)
        close(hessian, hessian.T, 0)
        moved = slope(lambda beta, x=x: problem.gradient(x, beta[0]), np.array([0.7]))
        close(problem.drift(x, 0.7), moved[0], DIFFERENCE)
        close(problem.metric(x, 0.7), np.diagonal(hessian), 0)


@pytest.mark.parametrize("nodes", [2, 3, 5, 20, 80])
def test_hessian_is_smooth_where_the_spread_vanishes(nodes):
    """Two forms of one coefficient meet at a small σ: across the seam the Hessian may move by rounding over σ, 4e-11 at
    two nodes and then less."""
    problem = case("bernoulli", 2, nodes=nodes)
    x = problem.rest(1.0) + 0.1
    direction = np.arange(1.0, 7.0)
    seam = problem._narrow / np.linalg.norm(direction[:2] * np.exp(0.05))
    below, above = (np.concatenate([direction * seam * factor, x[6:]]) for factor in (1 - 1e-12, 1 + 1e-12))
    close(problem.hessian(below, 1.0), problem.hessian(above, 1.0), 4e-11)


def test_rows_in_blocks(rng, monkeypatch):
    problem = case("poisson", 2)
    x = states(problem, rng)[0]
    whole = problem.hessian(x, 0.7)
    monkeypatch.setattr("landau_vae.numeric.problems.exponential_family.BLOCK", 1)
    close(problem.hessian(x, 0.7), whole, CLOSED)


@each_family
def test_far_away_nothing_overflows_aloud(family):
    """Where a trial step may land: the loss is a large number or infinite, never a warning or NaN."""
    problem = case(family, 2)
    n = len(problem.rest(1.0))
    for x in (np.full(n, 50.0), np.full(n, -50.0), np.full(n, 1e3), np.full(n, 1e80)):
        assert problem.loss(x, 1.0) > 100
        problem.gradient(x, 1.0)
        problem.drift(x, 1.0)
        problem.hessian(x, 1.0)
        problem.order_parameters(x, 1.0)


def test_saturated_decoder_keeps_a_positive_metric():
    problem = case("bernoulli")
    x = problem.rest(1.0)
    x[3:6] = 1e4
    assert np.all(problem.metric(x, 1.0) > 0)
    assert problem.hessian(x, 1.0)[3, 3] == 0


# --------------------------------------------------------------------------------- the collapsed state


def softest(problem, beta):
    """The least eigenvalue of the Hessian at the collapsed state in units of its diagonal."""
    x = problem.rest(beta)
    scale = np.sqrt(problem.metric(x, beta))
    return np.linalg.eigvalsh(problem.hessian(x, beta) / np.outer(scale, scale))


def bits(rng):
    p = rng.dirichlet(np.ones(16))
    mean = p @ WORDS
    covariance = (WORDS - mean).T * p @ (WORDS - mean)
    return WORDS, p, covariance / np.sqrt(np.outer(mean * (1 - mean), mean * (1 - mean)))


def counts(rng):
    x, p = rng.poisson([1, 3, 8], size=(30, 3)).astype(float), rng.dirichlet(np.ones(30))
    mean = p @ x
    return x, p, (x - mean).T * p @ (x - mean) / np.sqrt(np.outer(mean, mean))


def reals(rng):
    x, p = rng.normal(size=(30, 3)) * [1, 2, 3], rng.dirichlet(np.ones(30))
    return x, p, (x - p @ x).T * p @ (x - p @ x)


@each_family
@each_size
def test_collapsed_state_is_stationary(family, latents):
    problem = case(family, latents)
    for beta in (0.1, 1.0, 10.0):
        close(problem.gradient(problem.rest(beta), beta), np.zeros(len(problem.rest(beta))), 1e-14 / min(beta, 1))
        np.testing.assert_array_equal(problem.rest(beta), problem.rest(1.0))


@pytest.mark.parametrize(("family", "sample"), [("bernoulli", bits), ("poisson", counts), ("gaussian", reals)])
@each_size
def test_threshold_is_the_top_eigenvalue(family, sample, latents, rng):
    x, p, matrix = sample(rng)
    problem = ExponentialFamily(x, p, family=family, latents=latents)
    expected = np.linalg.eigvalsh(matrix)[::-1]
    predicted = problem.predicted()
    np.testing.assert_allclose([beta for beta, _ in predicted], expected[:latents], rtol=CLOSED)
    for rank, beta in enumerate(expected):
        below, at, above = (softest(problem, beta * factor) for factor in (1 - 1e-6, 1, 1 + 1e-6))
        # each latent on its own loses one direction per eigenvalue passed
        assert np.count_nonzero(above < 0) == latents * rank
        assert np.count_nonzero(below < 0) == latents * (rank + 1)
        assert np.abs(at).min() < CLOSED


def test_gaussian_thresholds_are_the_spectrum(rng):
    x, p, _ = reals(rng)
    problem = ExponentialFamily(x, p, family="gaussian", latents=3)
    expected = Spectrum.from_data(x, weights=p).eigenvalues
    np.testing.assert_allclose([beta for beta, _ in problem.predicted()], expected, rtol=CLOSED)


def test_gaussian_equilibrium_is_that_of_the_linear_vae():
    """W² = λ − β, s = β/λ, M² = 1 − β/λ, at every β (one feature, so y = (x − x̄)/√λ up to its sign)."""
    x, lam, beta = np.array([[0.0], [4.0]]), 4.0, 1.5
    problem = ExponentialFamily(x, family="gaussian")
    w = math.sqrt(lam - beta)
    sign = np.sign(problem._white[1, 0])
    state = np.array([w, 2.0, sign * w / math.sqrt(lam), 0.0, math.log(beta / lam)])
    close(problem.gradient(state, beta), np.zeros(5), CLOSED)
    close(problem.order_parameters(state, beta), np.array([1 - beta / lam]), CLOSED)
    assert np.linalg.eigvalsh(problem.hessian(state, beta))[0] > 0


@each_family
def test_order_parameters(family, rng):
    problem = case(family, 3)
    x = states(problem, rng)[0]
    _, _, G, offset, s = parts(problem, x)
    codes = whitened(problem) @ G.T + offset
    variance = SHARES @ (codes - SHARES @ codes) ** 2
    close(problem.order_parameters(x, 1.0), np.sort(variance / (variance + s))[::-1], CLOSED)


# ----------------------------------------------------------------------------------------- the data


def test_predicted_groups_equal_thresholds():
    words = np.array(list(itertools.product([0, 1], repeat=3)))[:, [0, 1, 2, 2]]  # three fair bits, one of them twice
    for latents, multiplets in ((1, [1]), (2, [1, 1]), (3, [1, 2]), (4, [1, 2])):
        predicted = ExponentialFamily(words, latents=latents).predicted()
        np.testing.assert_allclose([beta for beta, _ in predicted], [2, 1][: len(multiplets)], rtol=CLOSED)
        assert [modes for _, modes in predicted] == multiplets


def test_collinear_features_leave_no_flat_direction(rng):
    """Two of five columns depend on the others; without rounding's directions all curvatures are of order one."""
    x = rng.normal(size=(40, 3))
    x = np.column_stack([x, x[:, 0] - 2 * x[:, 1], 3 * x[:, 2]])
    problem = ExponentialFamily(x, family="gaussian", latents=2)
    rest = problem.rest(1.0)
    assert len(rest) == 5 * 2 + 5 + 2 * 3 + 2 + 2
    assert len(ExponentialFamily(x, family="gaussian", latents=5).predicted()) == 3
    beta = 1.5 * problem.predicted()[0][0]
    assert softest(problem, beta)[0] > 0.1
    assert np.all(np.isfinite(problem.hessian(rest + 0.1, beta)))


@each_family
def test_equal_rows_are_merged(family, rng):
    """A row that is split, one of probability zero and a common factor change nothing."""
    data = DATA[family]
    split = np.vstack([data, data[[1, 1]], [[0.5, 0.5, 0.5]]])
    shares = np.concatenate([SHARES - [0, 0.15, 0, 0, 0], [0.05, 0.1, 0.0]])
    one, other = case(family, 2), ExponentialFamily(split, 3 * shares, family=family, latents=2)
    close(other.rest(1.0), one.rest(1.0), CLOSED)
    close(np.array(other.predicted()), np.array(one.predicted()), CLOSED)
    x = states(one, rng)[0]
    x[one._encoder[:, :-1]] = 0  # G: the signs of y's axes are free
    close(other.loss(x, 0.7), one.loss(x, 0.7), CLOSED)


def test_frames_and_whole_numbers_are_data():
    import pandas as pd

    frame = pd.DataFrame({"a": [0, 1, 1], "b": [True, False, True]})
    array = frame.to_numpy().astype(float)
    assert ExponentialFamily(frame).predicted() == ExponentialFamily(array).predicted()
    assert ExponentialFamily(frame).certificate is None


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        ([0.0, 1.0], {}, "shape (2,), but rows × columns"),
        ([["a", "b"], ["c", "d"]], {}, "real numbers are expected"),
        ([[0, 1], [1, math.nan]], {}, "NaN or infinite, the first (nan) in row 1, column 1"),
        ([[0, 1], [1, 2]], {}, "from 0 to 1, but row 1, column 1 (counting from 0) holds 2: rescale"),
        ([[0, 1], [-1, 2]], {"family": "poisson"}, "counts, from 0 on, but row 1, column 0 (counting from 0) holds -1"),
        ([[0, 1], [1, 1]], {}, "Column 1 (counting from 0) is constant, 1 in every row that counts"),
        ([[0, 0], [3, 0]], {"family": "poisson"}, "Column 1 (counting from 0) is constant, 0 in every"),
        ([[5, 0], [5, 1]], {"family": "gaussian"}, "Column 0 (counting from 0) is constant, 5 in every"),
        ([[0, 0], [0, 1], [1, 0]], {"probability": [1, 1, 0]}, "Column 0 (counting from 0) is constant"),
        ([[0], [1]], {"probability": [1e-20, 1]}, "Column 0 (counting from 0) is constant"),
        ([[0, 1], [0, 1]], {}, "equal, so nothing can be encoded: give at least two different rows"),
        ([[0, 1], [1, 0]], {"probability": [0, 1]}, "equal, so nothing can be encoded"),
        ([[0, 1], [1, 0]], {"probability": [0, 0]}, "Every probability is zero"),
        ([[0, 1], [1, 0]], {"probability": [1, -1]}, "the weight of row 1 is -1.0"),
        ([[0, 1], [1, 0]], {"probability": [1, 1, 1]}, "shape (3,), but one weight per row is expected: (2,)"),
        ([[0, 1], [1, 0]], {"probability": ["x", 1]}, "cannot be read as numbers"),
        ([[0, 1], [1, 0]], {"family": "binomial"}, "'binomial', but 'gaussian', 'bernoulli', 'poisson', 'family'"),
        ([[0, 1], [1, 0]], {"latents": 0}, "latents is 0, but a whole number from 1 to 10000"),
        ([[0, 1], [1, 0]], {"latents": 1.5}, "latents is 1.5"),
        ([[0, 1], [1, 0]], {"latents": True}, "latents is True"),
        ([[0, 1], [1, 0]], {"nodes": 1}, "nodes is 1, but a whole number from 2 to 200 is expected"),
        ([[0, 1], [1, 0]], {"nodes": 500}, "nodes is 500"),
    ],
)
def test_bad_input(data, options, words):
    with pytest.raises(InputError) as caught:
        ExponentialFamily(data, **options)
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("family", ["bernoulli", "poisson"])
def test_fewer_nodes_are_as_good_as_all_where_they_are_taken(family):
    # 1e-13: rounding of sums of 200 numbers; with half as many nodes the difference is over 1e-9
    rows = np.random.default_rng(0).integers(0, 2, (40, 3))
    for size in (0.05, 0.3, 1.0):
        usual, all_nodes = (ExponentialFamily(rows, family=family, latents=2, nodes=n) for n in (60, 200))
        x = usual.rest(1.0) + size * np.random.default_rng(1).uniform(-0.7, 0.7, len(usual.rest(1.0)))
        all_nodes._needed = lambda widest: 200
        np.testing.assert_allclose(usual.gradient(x, 1.0), all_nodes.gradient(x, 1.0), atol=1e-13)
        np.testing.assert_allclose(usual.hessian(x, 1.0), all_nodes.hessian(x, 1.0), atol=1e-12)


def test_a_family_of_unknown_smoothness_gets_all_nodes():
    problem = ExponentialFamily([[0, 0], [1, 1]], nodes=60)
    assert problem._needed(0.1) < 20
    problem.family = replace(problem.family, name="steeper")
    assert problem._needed(0.1) == 60
