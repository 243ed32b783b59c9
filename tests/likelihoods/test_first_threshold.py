"""The first threshold of each likelihood, by free minimisation of terms that are written anew here.

At 0.97 of the spectrum's first eigenvalue a small start leaves the collapsed state, at 1.03 it comes back. The
minimiser stops at gradients of 1e-9, so a gain of 1e-9 is rounding: at 0.97 c* the gain is of the order of
0.03² times the term, 1e-5 at least.
"""

import numpy as np
import pytest
from scipy.stats import norm, uniform

import landau_vae as lv
from landau_vae.likelihoods import (
    any_loss,
    categorical,
    gaussian,
    huber,
    laplace,
    mean_variance,
    mixed,
    negative_binomial,
    perceptual,
    quadratic,
    smooth_l1,
    student_t,
    zero_inflated,
)

jnp = pytest.importorskip("jax.numpy")
from free_minimisation import FreeVAE  # noqa: E402
from jax.scipy.special import gammaln  # noqa: E402

NOTHING, SOMETHING = 1e-9, 1e-6  # gains, in the unit of the term
MIXING = np.array([[1.5, 0.5, 0.0], [0.0, 1.0, 0.4], [0.0, 0.0, 0.7]])
METRIC = np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 0.5]])


def quantiles(law, n=80):
    return law.ppf((np.arange(n) + 0.5) / n)[:, None]


def symmetric(seed=0, n=40):
    """Rows in three dimensions, and the same with the other sign: no skewness."""
    rows = np.random.default_rng(seed).standard_normal((n, 3)) @ MIXING
    return np.vstack([rows, -rows])


def counts(seed=1, n=80):
    """Two kinds of rows, with extra zeros."""
    rng = np.random.default_rng(seed)
    return rng.poisson(np.where(np.arange(n)[:, None] < n // 2, 3, 6), (n, 2)) * (rng.random((n, 2)) < 0.8) * 1.0


def labels(seed=2, n=84):
    """Two labels of three kinds that go together, one-hot."""
    rng = np.random.default_rng(seed)
    first = np.arange(n) % 3
    return np.hstack([np.eye(3)[first], np.eye(3)[(first + (rng.random(n) < 0.3) * rng.integers(0, 3, n)) % 3]])


def smooth(x, f, delta):
    return jnp.where(abs(f - x) < delta, (f - x) ** 2 / 2 / delta, abs(f - x) - delta / 2).sum(-1)


def cross_entropy(x, f):
    parts = [f[:, :3], f[:, 3:]]
    return -(x * jnp.concatenate([each - jnp.log(jnp.exp(each).sum(-1, keepdims=True)) for each in parts], -1)).sum(-1)


def log_of_counts(x, f, theta):
    mean = jnp.exp(f)
    constant = gammaln(theta + x) - gammaln(theta) - gammaln(x + 1)
    return constant + theta * jnp.log(theta / (theta + mean)) + x * jnp.log(mean / (theta + mean))


def with_zeros(x, f, theta, share):
    own = log_of_counts(x, f, theta)
    return -jnp.where(x == 0, jnp.log(share + (1 - share) * jnp.exp(own)), jnp.log(1 - share) + own).sum(-1)


def pseudo_huber(x, f):
    return np.sqrt(1 + (f - x) ** 2) - 1


def powers(f):
    return np.stack([f, f**2], axis=-1)


def mahalanobis(x, f):
    return (((x - f) @ METRIC) * (x - f)).sum(-1) / 2


BELL = quantiles(norm)
TABLE = np.hstack([symmetric()[:, :2], counts()[:80, :1], (symmetric()[:, 2:] + symmetric(5)[:, 2:] > 0) * 1.0])
CASES = {
    "smooth-L1, normal": (smooth_l1(0.1), quantiles(norm, 200), lambda x, f: smooth(x, f, 0.1), [0]),
    "Huber, three columns": (huber(1.0), symmetric(), lambda x, f: smooth(x, f, 1.0), [0, 0, 0]),
    "pseudo-Huber, own function": (
        any_loss(pseudo_huber), symmetric(3), lambda x, f: (jnp.sqrt(1 + (f - x) ** 2) - 1).sum(-1), [0, 0, 0]
    ),
    "Student-t": (
        student_t(4.0, 0.8), symmetric(4), lambda x, f: 2.5 * jnp.log(1 + ((x - f) / 0.8) ** 2 / 4).sum(-1), [0, 0, 0]
    ),
    "negative binomial": (
        negative_binomial([3.0, 8.0]), counts(), lambda x, f: -log_of_counts(x, f, np.array([3.0, 8.0])).sum(-1), [1, 1]
    ),
    "extra zeros, fixed": (zero_inflated(3.0, 0.2), counts(), lambda x, f: with_zeros(x, f, 3.0, 0.2), [1, 1]),
    "extra zeros, an output": (
        zero_inflated(3.0), counts(), lambda x, f: with_zeros(x, f[:, :2], 3.0, 1 / (1 + jnp.exp(-f[:, 2:]))),
        [1, 1, -1, -1],
    ),
    "softmax, two labels": (categorical([3, 3]), labels(), cross_entropy, [0] * 6),
    "fixed variances": (
        gaussian([0.5, 1.0, 2.0]), symmetric(), lambda x, f: ((x - f) ** 2 / np.array([1.0, 2.0, 4.0])).sum(-1), [0] * 3
    ),
    "mean and variance": (
        mean_variance(), symmetric(),
        lambda x, f: ((x - f[:, :3]) ** 2 * jnp.exp(-f[:, 3:]) + f[:, 3:]).sum(-1) / 2, [0, 0, 0, 0.5, 0, -0.5],
    ),
    "a metric": (quadratic(METRIC), symmetric(), mahalanobis, [0, 0, 0]),
    "a metric, own function": (any_loss(mahalanobis, joint=True), symmetric(), mahalanobis, [0, 0, 0]),
    "features (f, f²)": (
        perceptual(powers), BELL / BELL.std(), lambda x, f: ((x - f) ** 2 + (x**2 - f**2) ** 2).sum(-1), [0.7]
    ),
    "three kinds of columns": (
        mixed([("gaussian", [0, 1]), ("negative-binomial(3)", [2], 0.5), ("bernoulli", [3])]), TABLE,
        lambda x, f: ((x - f)[:, :2] ** 2).sum(-1) / 2 - 0.5 * log_of_counts(x[:, 2], f[:, 2], 3.0)
        + jnp.log(1 + jnp.exp(f[:, 3])) - x[:, 3] * f[:, 3],
        [0, 0, 1, 0],
    ),
}  # fmt: skip
QUICK = ("Huber, three columns", "features (f, f²)")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
@pytest.mark.parametrize("encoder", ["free", pytest.param("linear", marks=pytest.mark.slow)])
def test_the_collapsed_state_is_left_below_the_first_threshold_and_kept_above(name, encoder):
    likelihood, rows, term, guess = CASES[name]
    threshold = float(lv.spectrum.score(rows, likelihood, encoder=encoder).eigenvalues[0])
    model = FreeVAE(term, rows, guess, encoder)
    assert model.gain(0.97 * threshold, 0.1, seed=0)[0] > SOMETHING
    assert abs(model.gain(1.03 * threshold, 0.02, seed=0)[0]) < NOTHING


@pytest.mark.parametrize("name", ["smooth-L1, normal", "Huber, three columns"])
def test_without_skewness_large_starts_die_above_too(name):
    likelihood, rows, term, guess = CASES[name]
    threshold = float(lv.spectrum.score(rows, likelihood).eigenvalues[0])
    model = FreeVAE(term, rows, guess)
    assert max(model.gain(1.03 * threshold, 1.0, seed)[0] for seed in range(3)) < NOTHING


# ------------------------------------------------------------------------------------------------- numbers


def test_smooth_absolute_errors_have_their_closed_forms():
    """Normal rows: 1.1887 (1.183 of 200 quantiles); uniform ones on [−1, 1]: 1 − 2δ/3."""
    from scipy.special import erf

    inside, n = erf(0.1 / 2**0.5), 20_001
    moment = inside - 2 * 0.1 * norm.pdf(0.1)  # of x² within δ
    expected = (moment / 0.01 + 1 - inside) / (inside / 0.1)
    assert expected == pytest.approx(1.1887, abs=5e-5)
    assert lv.spectrum.score(quantiles(norm, 200), smooth_l1(0.1)).eigenvalues[0] == pytest.approx(1.183, abs=5e-4)
    found = lv.spectrum.score(quantiles(norm, n), smooth_l1(0.1)).eigenvalues[0]
    assert found == pytest.approx(expected, rel=1e-3)  # one row more or less within δ is 1e-3
    flat = lv.spectrum.score(quantiles(uniform(-1, 2), n), smooth_l1(0.1)).eigenvalues[0]
    assert flat == pytest.approx(1 - 0.2 / 3, rel=1e-3)
    assert lv.spectrum.score(quantiles(norm, n), huber(0.1)).eigenvalues[0] == pytest.approx(0.1 * found, rel=1e-12)


def test_perceptual_losses_need_the_whole_curvature():
    """2 m₄ − 1, not the 2/3 of it that Gauss–Newton says."""
    rows = quantiles(norm, 200)
    rows = rows / rows.std()
    found = lv.spectrum.score(rows, perceptual(powers)).eigenvalues[0]
    assert found == pytest.approx(2 * np.mean(rows**4) - 1, rel=1e-6)  # second differences
    assert found == pytest.approx(4.80, abs=0.005)


def test_counts_live_on_above_their_threshold():
    """One row in ten is high: the scores are skewed, and the living state is the better one at 1.03 c*."""
    rng = np.random.default_rng(15)
    rows = rng.poisson(1 + (rng.random((120, 1)) < 0.1) * [9, 6]).astype(float)
    model = FreeVAE(lambda x, f: -log_of_counts(x, f, 10.0).sum(-1), rows, [0.5, 0.5])
    threshold = float(lv.spectrum.score(rows, negative_binomial(10.0)).eigenvalues[0])
    _, state = model.gain(0.97 * threshold, 0.1, 0)
    gain, state = model.gain(1.03 * threshold, 0, 0, state)
    assert gain > 1e-4
    assert abs(model.gain(1.3 * threshold, 0, 0, state)[0]) < NOTHING


def test_trained_variances_have_the_correlation_matrix():
    """Their least value is known in each state: d/2 ln of the mean square, column by column, is what is minimised."""
    rows = symmetric()
    spectrum = lv.spectrum.score(rows, gaussian("learned"))
    np.testing.assert_allclose(
        spectrum.eigenvalues, lv.Spectrum.from_data(rows, standardize=True).eigenvalues, rtol=1e-10
    )

    def squares(x, f):
        return (x - f) ** 2

    def profile(each, mass):  # (n, nodes, d)
        return 0.5 * jnp.log(jnp.einsum("nqd,q->d", each, mass) / len(each)).sum()

    model, threshold = FreeVAE(squares, rows, [0.0] * 3, outputs_of=profile), float(spectrum.eigenvalues[0])
    assert model.gain(0.97 * threshold, 0.1, 0)[0] > SOMETHING
    assert abs(model.gain(1.03 * threshold, 0.02, 0)[0]) < NOTHING


# --------------------------------------------------------------------------------------- absolute errors, atoms


def test_absolute_errors_of_normal_rows_have_their_closed_form():
    """Cov(sign) = (2/π) arcsin ρ, and the density at the median is 1/(σ √2π)."""
    rng = np.random.default_rng(7)
    rows = rng.standard_normal((20_000, 3)) @ MIXING
    covariance = MIXING.T @ MIXING
    deviation = np.sqrt(covariance.diagonal())
    signs = 2 / np.pi * np.arcsin(np.clip(covariance / np.outer(deviation, deviation), -1, 1))
    root = np.sqrt(deviation)
    expected = np.linalg.eigvalsh(signs * np.outer(root, root))[-1] * np.sqrt(2 * np.pi) / 2
    spectrum = lv.spectrum.score(rows, laplace())
    # the density has 2 % of noise and 1.5 % of smoothing at this size, as the note says
    assert spectrum.eigenvalues[0] == pytest.approx(expected, rel=0.05)
    assert "known to" in spectrum.note
    narrow = lv.spectrum.score(rows, laplace(1e-4))
    assert float(narrow.note.split("known to ")[1].split(" %")[0]) > 10


def test_the_smooth_error_tends_to_the_absolute_one():
    rows = quantiles(norm, 20_001)
    limits = [lv.spectrum.score(rows, smooth_l1(delta)).eigenvalues[0] for delta in (0.2, 0.05)]
    absolute = lv.spectrum.score(rows, laplace()).eigenvalues[0]
    assert abs(limits[1] - np.sqrt(np.pi / 2)) < abs(limits[0] - np.sqrt(np.pi / 2)) / 3
    assert absolute == pytest.approx(np.sqrt(np.pi / 2), rel=0.02)  # the kernel's bias, h²/2 with h = .15


def zeros(n=100):
    """60 % zeros, the others around 2."""
    rows = np.zeros((n, 1))
    rows[60:, 0] = 2 + quantiles(norm, n - 60)[:, 0] / 2
    return rows


def test_an_atom_at_the_median_has_no_local_threshold():
    with pytest.raises(lv.OutsideTheory, match=r"no local threshold.*jump") as caught:
        lv.spectrum.score(zeros(), laplace())
    assert caught.value.partial.output.tolist() == [0.0]
    delta = 0.01  # of the kink: its local threshold is small, and the living state is far above it
    model = FreeVAE(lambda x, f: smooth(x, f, delta), zeros(), [0.0])
    local = float(lv.spectrum.score(zeros(), smooth_l1(delta)).eigenvalues[0])
    assert local < 0.02
    assert abs(model.gain(0.2, 0.005, 0)[0]) < 1e-6  # the kink is steep: a small start comes back, slowly
    living = np.concatenate([[0.7, 1.0, 0.0], np.where(zeros()[:, 0] > 0, 1.5, -0.7), np.full(100, -1.0)])
    assert model.gain(0.2, 0, 0, living)[0] > 0.01


def test_columns_with_an_atom_do_not_take_part():
    rows = np.hstack([quantiles(norm, 100)[np.random.default_rng(0).permutation(100)], zeros()])
    spectrum = lv.spectrum.score(rows, laplace())
    assert spectrum.eigenvalues == pytest.approx(lv.spectrum.score(rows[:, :1], laplace()).eigenvalues, rel=1e-12)
    assert "Column 2 (from 1)" in spectrum.note


def test_values_that_repeat_are_no_atom_where_the_kernel_covers_many():
    """Pixels of 256 values: each is taken by many rows, and none by most of those nearby."""
    rng = np.random.default_rng(3)
    rows = rng.normal(128, 30, (4000, 2))
    whole = lv.spectrum.score(rows, laplace()).eigenvalues
    assert lv.spectrum.score(rows.round(), laplace()).eigenvalues == pytest.approx(whole, rel=0.03)
