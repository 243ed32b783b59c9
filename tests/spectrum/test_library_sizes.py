"""Counts whose sizes the decoder is given: the first threshold against minimisation of the whole loss, written here."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import CLOSED
from scipy.optimize import minimize
from scipy.special import digamma, gammaln, softmax

import landau_vae as lv
from landau_vae.likelihoods import POISSON, as_likelihood, dispersed, negative_binomial, sized, zero_inflated
from landau_vae.loss import Loss

NODE, MASS = np.polynomial.hermite_e.hermegauss(16)
MASS = MASS / MASS.sum()
UNIT = 0.01  # of all unknowns, so that the minimiser's first step is not too long
BACK = 1e-10  # nats: what is left of a collapsed loss of a few nats by rounding


def drawn(n, d, theta, seed, spread=0.5, load=0.25):
    """Counts of one factor that is not skewed, in rows of very different size."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(spread * rng.standard_normal(n))
    factor = np.sqrt(3) * rng.uniform(-1, 1, (n, 1)) * rng.choice([-1, 1], d) * rng.uniform(0.5, 1, d)
    mean = sizes[:, None] * rng.uniform(2, 12, d) * np.exp(load * factor)
    return rng.poisson(mean if theta is None else rng.gamma(theta, mean / theta)).astype(float), sizes


@dataclass
class Model:
    """−ln p + c KL with posteriors of rows, a decoder b + wz + q(z² − 1)/√2, and ln θ if that is learned too."""

    x: np.ndarray
    sizes: np.ndarray
    theta: float | None  # None: Poisson
    shares: bool
    learned: bool = False

    def unpacked(self, unknowns):
        (n, d), m = self.x.shape, 3 * self.x.shape[1]
        theta = np.exp(unknowns[m : m + d]) if self.learned else self.theta
        return unknowns[:m].reshape(3, d), theta, *unknowns[m + d :].reshape(2, n)

    def loss(self, unknowns, price):
        """The loss and its gradient; i: row, a: node, j: feature, m: Hermite polynomial."""
        (n, d), (decoder, theta, mean, v) = self.x.shape, self.unpacked(unknowns)
        z = mean[:, None] + np.exp(v)[:, None] * NODE
        basis = np.stack([np.ones_like(z), z, (z**2 - 1) / 2**0.5])
        f = np.einsum("mia,mj->iaj", basis, decoder)
        share = softmax(f, axis=-1) if self.shares else np.exp(f)
        x, at = self.x[:, None], self.sizes[:, None, None] * share
        if theta is None:
            value, slope, by_theta = at - x * np.log(at), at - x, None
        else:
            value = gammaln(theta) - gammaln(x + theta) + (x + theta) * np.log(theta + at) - theta * np.log(theta)
            value = value - x * np.log(at)
            slope = theta * (at - x) / (theta + at)
            by_theta = digamma(theta) - digamma(x + theta) + np.log1p(at / theta) + (x - at) / (theta + at)
        if self.shares:
            slope = slope - share * slope.sum(-1, keepdims=True)
        total = np.mean(value.sum(-1) @ MASS + price * ((mean**2 + np.exp(2 * v) - 1) / 2 - v))
        slope = slope * MASS[:, None] / n
        along = (slope * (decoder[1] + 2**0.5 * z[..., None] * decoder[2])).sum(-1)
        parts = [np.einsum("mia,iaj->mj", basis, slope).ravel(), np.zeros(d)]
        if self.learned:
            parts[1] = theta * np.einsum("iaj,a->j", by_theta, MASS) / n
        parts += [along.sum(1) + price * mean / n, np.exp(v) * (along @ NODE) + price * (np.exp(2 * v) - 1) / n]
        return total, np.concatenate(parts)

    def collapsed(self):
        """The best state without a latent, by minimisation."""
        (n, d), start = self.x.shape, np.zeros(4 * self.x.shape[1])
        start[:d] = np.log(self.x.mean(axis=0) / self.sizes.mean())
        start[3 * d :] = 1.0
        rest = np.zeros(2 * n)
        free = np.r_[:d, 3 * d : 4 * d] if self.learned else np.r_[:d]

        def of(part):
            point = start.copy()
            point[free] = part
            value, slope = self.loss(np.concatenate([point, rest]), 1.0)
            return value, slope[free]

        found = minimize(of, start[free], jac=True, method="BFGS", options={"gtol": 1e-9})
        start[free] = found.x
        return np.concatenate([start, rest]), found.fun

    def gain(self, price, direction, score):
        """What the loss loses from starts of two sizes along a direction of outputs, in the mean and width channels."""
        (n, d), (point, best) = self.x.shape, self.collapsed()
        scale = UNIT * np.concatenate([np.ones(4 * d), np.full(2 * n, n**0.5)])
        if not self.learned:
            scale[3 * d : 4 * d] = 0.0
        gains = []
        for channel in (1, 2):
            for size in (1e-3, 0.5):
                start = point.copy()
                start[channel * d : (channel + 1) * d] = 2 * size * direction
                rows = slice(4 * d, 4 * d + n) if channel == 1 else slice(4 * d + n, None)
                start[rows] = -size * np.tanh(score) / channel

                def moved(u, base=start):
                    value, slope = self.loss(base + u * scale, price)
                    return value - best, slope * scale

                options = {"maxiter": 3000, "maxfun": 6000, "ftol": 1e-16, "gtol": 1e-10, "maxcor": 20}
                gains.append(minimize(moved, np.zeros(len(start)), jac=True, method="L-BFGS-B", options=options).fun)
        return np.array(gains)


CASES = {
    "Poisson, sizes": (300, 2, None, False, "given"),
    "Poisson, shares of the total": (300, 4, None, True, "total"),
    "negative binomial, sizes": (300, 3, 4.0, False, "given"),
    "negative binomial, shares of the total": (300, 5, 4.0, True, "total"),
    "negative binomial with its dispersion learned": (300, 4, 3.0, True, "learned"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_first_threshold_is_that_of_minimisation(case):
    """Within 3 %: every start collapses above it, and none below it; the data are not skewed enough for a jump."""
    n, d, theta, shares, kind = CASES[case]
    x, sizes = drawn(n, d, theta, seed=5)
    counts = POISSON if theta is None else dispersed() if kind == "learned" else negative_binomial(theta)
    if kind == "given":
        spectrum = lv.spectrum.score(x, counts, sizes=sizes)
    else:
        spectrum, sizes = lv.spectrum.score(x, sized(counts)), x.sum(axis=1)
    assert "given to the decoder" in spectrum.note
    first = float(lv.transitions(spectrum, Loss.of(spectrum.likelihood)).beta[0])
    likelihood = sized(counts, "column", shares)
    rest = likelihood.rest(np.column_stack([x, sizes]))
    metric = np.sqrt(rest.curvature)
    direction = np.linalg.eigh(np.cov((rest.score / metric).T, bias=True))[1][:, -1] / metric
    along = rest.score @ direction
    model = Model(x, sizes, theta, shares, learned=kind == "learned")
    direction, along = direction / np.linalg.norm(direction), along / along.std()
    assert np.abs(model.gain(1.03 * first, direction, along)).max() < BACK
    assert model.gain(0.97 * first, direction, along).max() < -1e-6


def test_a_decoder_without_the_sizes_spends_its_first_latent_on_them():
    data = lv.datasets.counts()
    known, unknown = lv.spectrum.score(data.table, POISSON, sizes=data.target), lv.spectrum.score(data.table, POISSON)
    assert unknown.eigenvalues[0] > 1.1 * known.eigenvalues[0]
    np.testing.assert_allclose(unknown.eigenvalues[1:4], known.eigenvalues[:3], rtol=0.1)  # those that remain, mixed
    scaled = data.table / np.sqrt(data.table.mean(axis=0))
    first = np.linalg.eigh(np.cov(scaled.T))[1][:, -1]
    assert abs(np.corrcoef(np.log(data.target[:, 0]), scaled @ first)[0, 1]) > 0.7


def test_shares_change_nothing_of_a_poisson_and_little_of_others():
    """Scores of a row add up to zero where totals are given; the softmax's null direction has no score."""
    x, _ = drawn(400, 6, 3.0, seed=2)
    tied, free = (lv.spectrum.score(x, sized(POISSON, "total", shares)) for shares in (True, False))
    np.testing.assert_allclose(tied.eigenvalues, free.eigenvalues, rtol=1e-9)  # Newton's method on both sides
    assert tied.modes == free.modes == 5
    counts = negative_binomial(3.0)
    tied, free = (lv.spectrum.score(x, sized(counts, "total", shares)) for shares in (True, False))
    assert (tied.modes, free.modes) == (5, 6)
    ratio = tied.eigenvalues / free.eigenvalues[:5]
    assert 1e-6 < np.abs(ratio - 1).max() < 1e-2  # not the same, and near
    rest = sized(counts).rest(x)
    np.testing.assert_allclose(np.exp(rest.output).sum(), 1.0, rtol=CLOSED)
    slope = rest.score.mean(axis=0)
    np.testing.assert_allclose(slope, 0.0, atol=1e-9 * np.abs(rest.score).max())


def test_plain_pearson_residuals_have_another_spectrum():
    x, sizes = drawn(300, 2, None, seed=5)
    mean = sizes[:, None] * x.sum(axis=0) / sizes.sum()
    residuals = (x - mean) / np.sqrt(mean)
    first = np.linalg.eigvalsh(residuals.T @ residuals / len(x))[-1]
    assert abs(first / lv.spectrum.score(x, POISSON, sizes=sizes).eigenvalues[0] - 1) > 0.05
    one = np.ones(len(x))  # and of equal sizes the same one, up to residuals' mean of 0
    equal = lv.spectrum.score(x, POISSON, sizes=one)
    np.testing.assert_allclose(equal.eigenvalues, lv.spectrum.score(x, POISSON).eigenvalues, rtol=1e-9)


@pytest.mark.parametrize("inflated", [False, True])
def test_dispersion_is_that_of_maximum_likelihood(inflated):
    """Of each gene, by another minimiser of another formula; weights count as repeated rows do."""
    x, sizes = drawn(600, 3, 2.0, seed=9)
    if inflated:
        x[np.random.default_rng(1).random(600) < 0.3, 1] = 0.0
    rows = np.column_stack([x, sizes])
    found = sized(dispersed(inflated), "column").constant(rows).reshape(-1, 3)

    def negative(u, j):
        at, theta = sizes * np.exp(u[0]), np.exp(u[-1])
        log = gammaln(x[:, j] + theta) - gammaln(theta) - theta * np.log1p(at / theta)
        log = log + x[:, j] * (np.log(at) - np.log(theta + at))
        if inflated:
            extra = 1 / (1 + np.exp(-u[1]))
            log = np.where(x[:, j] == 0, np.log(extra + (1 - extra) * np.exp(log)), np.log1p(-extra) + log)
        return -log.mean()

    j = 1
    start = [np.log(x[:, j].mean()), *[-1.0] * inflated, 0.0]
    best = minimize(negative, start, args=(j,), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(found[:, j], best.x, rtol=1e-3)  # the flattest direction of the other minimiser
    assert negative(found[:, j], j) < best.fun + 1e-9
    twice = sized(dispersed(inflated), "column").constant(rows, 1.0 + (np.arange(600) < 200))
    again = sized(dispersed(inflated), "column").constant(np.vstack([rows, rows[:200]]))
    np.testing.assert_allclose(twice, again, atol=1e-6)  # one Newton step from rest, other sums


@pytest.mark.parametrize("inflated", [False, True])
def test_scores_and_curvatures_are_slopes(inflated, rng):
    likelihood, d, h = dispersed(inflated, per_feature=False), 3, 1e-5
    x, f = rng.poisson(2, (5, d)).astype(float), rng.standard_normal((5, likelihood.outputs(d)))
    x[0] = 0.0
    score, blocks = likelihood.score(x, f), likelihood.curvature(x, f)
    for k, step in enumerate(h * np.eye(f.shape[1])):
        value = (likelihood.value(x, f + step) - likelihood.value(x, f - step)) / (2 * h)
        np.testing.assert_allclose(score[:, k], value.sum(axis=1), atol=1e-8)  # central differences
        bend = (likelihood.score(x, f + step) - likelihood.score(x, f - step)) / (2 * h)
        for other in range(likelihood.parameters):
            np.testing.assert_allclose(blocks[other][k // d][:, k % d], bend[:, other * d + k % d], atol=1e-7)


@pytest.mark.parametrize("name", ["total(poisson)", "given-size(negative-binomial(2))", "shares(zero-inflated(2))",
                                  "times-total(zero-inflated(2,0.1))", "total(fitted-zero-inflated)",
                                  "total(varying-negative-binomial)"])  # fmt: skip
def test_objects_have_names_and_compare_by_value(name):
    likelihood = as_likelihood(name)
    assert likelihood.name == name
    assert likelihood == as_likelihood(name)
    assert pickle.loads(pickle.dumps(likelihood)) == likelihood
    assert Loss.from_dict(Loss.of(likelihood).to_dict()).likelihood == likelihood


@pytest.mark.parametrize("counts", [POISSON, negative_binomial(2.0), zero_inflated(2.0), dispersed(True, False)])
@pytest.mark.parametrize(("size", "shares"), [("total", True), ("column", False)])
def test_rows_cost_the_same_in_jax(counts, size, shares, rng):
    jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
    likelihood = sized(counts, size, shares)
    x = rng.poisson(3, (6, 4)) + 1.0
    f = rng.standard_normal((6, likelihood.outputs(4)))
    value = likelihood.row_value(jax.numpy.asarray(x), jax.numpy.asarray(f))
    np.testing.assert_allclose(likelihood.row_value(x, f), np.asarray(value), rtol=1e-4)  # float32


def test_what_costs_nothing_and_what_is_refused(rng):
    x, sizes = drawn(200, 4, None, seed=3)
    whole = lv.spectrum.score(x, POISSON, sizes=sizes)
    with_empty = np.insert(x, 2, 0.0, axis=1)
    for counts in (POISSON, negative_binomial(3.0), dispersed()):
        empty, plain = (lv.spectrum.score(each, counts, sizes=sizes) for each in (with_empty, x))
        np.testing.assert_allclose(empty.eigenvalues[: plain.modes], plain.eigenvalues, rtol=1e-6)
    assert whole.modes == 4
    np.testing.assert_allclose(lv.spectrum.score(x + 0.25, POISSON, sizes=sizes).modes, 4)  # need not be whole
    for wrong, words in (
        (sizes[:-1], r"have shape \(199,\), but one positive number"),
        (0 * sizes, "go down to 0"),
        (np.where(sizes > 1, np.nan, sizes), "NaN or infinite"),
        ("mean", "'mean', but 'total'"),
    ):
        with pytest.raises(lv.InputError, match=words) as caught:
            lv.spectrum.score(x, POISSON, sizes=wrong)
        assert caught.value.argument == "sizes"
    with pytest.raises(lv.InputError, match="counts, from 0 on, but these run from -"):
        lv.spectrum.score(-x, POISSON, sizes="total")
    with pytest.raises(lv.InputError, match="Gaussian likelihood: leave them out"):
        lv.spectrum.score(x, "gaussian", sizes=sizes)
    x[7] = 0.0
    with pytest.raises(lv.InputError, match="Row 7 has no counts"):
        lv.spectrum.score(x, POISSON, sizes="total")
    with pytest.raises(lv.InputError, match="dispersion of a negative-binomial decoder is not known"):
        dispersed().row_value(x, x)
