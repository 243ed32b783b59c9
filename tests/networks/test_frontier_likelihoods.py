"""The frontier of any likelihood: beside that of canonical families, a linear programme, and trained networks."""

import numpy as np
import pytest
from likelihood_cases import first, likelihood, networks, rows

import landau_vae as lv
from landau_vae import frontier
from landau_vae.likelihoods import BERNOULLI, POISSON
from landau_vae.loss import Loss
from landau_vae.networks import _frontier as module
from landau_vae.networks.mixture import TOLERANCE, fitted
from landau_vae.networks.priced_rows import CanonicalRows, OtherRows
from landau_vae.training.training_set import training_set


def clusters(kind, rng):
    centres = rng.standard_normal((3, 4))
    real = centres[rng.integers(0, 3, 200)] + 0.3 * rng.standard_normal((200, 4))
    return {
        "gaussian": real, "bernoulli": (real > 0).astype(float), "poisson": rng.poisson(np.exp(real)).astype(float),
    }[kind]  # fmt: skip


@pytest.mark.parametrize("law", [BERNOULLI, POISSON], ids=lambda law: law.name)
def test_pairs_of_rows_and_outputs_give_what_products_of_matrices_do(law, rng):
    """Two codes of one convex problem; each is solved to the gap that it reports, of 1e-6 prices."""
    x = clusters(law.name, rng)
    price = 0.6 * module.first_price(Loss.of(law), training_set(x))
    table, which = np.unique(x, axis=0, return_inverse=True)
    share = np.bincount(which) / len(x)
    canonical = CanonicalRows(table, share, law, price)
    other = OtherRows(table, share, law, price, rest=law.rest(table, share))
    one, two = (fitted(each, module._starts(each)) for each in (canonical, other))
    dead = canonical.loss(module.alone(canonical))
    assert dead - canonical.loss(one) > 100 * TOLERANCE * price
    assert other.loss(two) == pytest.approx(canonical.loss(one), abs=2 * TOLERANCE * price)
    assert max(one.excess, two.excess) < 10 * TOLERANCE


def test_a_huber_loss_without_outliers_is_a_squared_error(rng):
    """δ beyond all residuals: ½(x − f)², solved by pairs and by products of matrices."""
    x, beta = clusters("gaussian", rng), [0.9, 0.3]
    wide, square = frontier(x, Loss.of("huber(100)", beta)), frontier(x, Loss.gaussian(beta))
    np.testing.assert_allclose(wide.any, square.any, rtol=0, atol=2 * TOLERANCE * np.max(beta))
    assert wide.first == pytest.approx(square.first, rel=1e-9)
    assert np.isnan(wide.proxy)  # a proxy is known of squared errors
    assert wide.effective_rows == pytest.approx(square.effective_rows, rel=1e-2)


def by_grid(x, price, grid):
    """−c⟨ln Σ q e^{−|x − y|/c}⟩ of absolute errors in one dimension, minimised over weights on a grid by EM."""
    kernel = np.exp(-np.abs(x[:, None] - grid) / price)
    q = np.full(len(grid), 1 / len(grid))
    for _ in range(20_000):
        q = q * np.mean(kernel / (kernel @ q)[:, None], axis=0)
    return -price * float(np.log(kernel @ q).mean())


def test_absolute_errors_in_one_dimension(rng):
    """Between two rows e^{−|x − y|/c} is convex in y, so that the best outputs are rows: the grid holds them all.

    EM of 20 000 steps is within 1e-5 of its end.
    """
    x = np.concatenate([rng.normal(-1, 0.2, 25), rng.normal(1, 0.2, 25)])
    for price in (0.3, 0.6):
        found = frontier(x[:, None], Loss.of("laplace", price))
        assert float(found.any[0]) == pytest.approx(by_grid(x, price, x), abs=1e-5 + 2 * TOLERANCE * price)


def test_an_atom_at_the_median_leaves_life_by_a_jump_only(rng):
    """Two thirds of zeros: the collapsed state is stable at every price, and not the best below some."""
    x = np.where(rng.random((300, 1)) < 0.67, 0.0, np.abs(rng.standard_normal((300, 2))))
    with pytest.raises(lv.OutsideTheory, match="stable at every price"):
        lv.spectrum.score(x, "laplace")
    found = frontier(x, Loss.of("laplace", [0.2, 20.0]))
    assert found.first == 0
    assert found.gain[0] > 0.1
    assert found.certified(20.0)
    assert "At every β the collapsed state is stable" in found.summary()
    with pytest.raises(lv.OutsideTheory, match="linear threshold, β = 0"):
        lv.onset(x, Loss.of("laplace"))


@pytest.mark.parametrize("name", ["huber", "labels"])
def test_no_network_is_below_it(name):
    """A trained loss is one of 2000 rows with drawn z, whose error is about .02; the bound is of the same rows."""
    models, loss = networks(name), Loss.of(likelihood(name), first(name) * np.array([1.1, 0.75]))
    found = frontier(rows(name), loss)
    assert np.all(models.loss.values[0] > found.bound - 0.02)
    assert found.gain[0] < TOLERANCE * found.price[0] * 10
    assert found.any[1] < found.dead - 0.01 * found.price[1]


@pytest.mark.parametrize(
    ("law", "words"),
    [("mean-variance", "give the variance reached"), ("learned-variances", "give the variance reached")],
)
def test_losses_without_a_least_value(law, words):
    with pytest.raises(lv.InputError, match=words):
        frontier(np.eye(4), Loss.of(law))


def test_the_smallest_price_is_worth_an_output_for_each_row():
    """Four labels at a price near 0: each row is named, ln 4 nats at c each, and nothing else is lost."""
    x, price = np.repeat(np.eye(4), 5, axis=0), 0.01
    found = frontier(x, Loss.of("categorical(4)", price))
    assert float(found.any[0]) == pytest.approx(price * np.log(4), abs=1e-4)
    assert float(found.dead) == pytest.approx(np.log(4), rel=1e-9)


def test_rows_have_one_unit_whatever_that_of_the_data(rng):
    """Huber's loss with δ and data times 10: the loss is times 100."""
    x = clusters("gaussian", rng)
    one, ten = frontier(x, Loss.of("huber(0.5)", 0.5)), frontier(10 * x, Loss.of("huber(5)", 50.0))
    assert float(ten.any[0]) == pytest.approx(100 * float(one.any[0]), rel=1e-5)


def test_a_gene_that_no_cell_has_costs_nothing(rng):
    """A column of zeros: its best log-mean is −∞, and its term 0; outputs of e^f = 1e-9 leave that much.

    Ascents may miss a top of D, one or the other by rounding: on two of five such tables 6e-5 and 2.4e-4 of the loss.
    """
    x = clusters("poisson", rng)
    loss = Loss.of("negative-binomial(2)", 0.5)
    with_zeros = np.column_stack([x, np.zeros(len(x))])
    assert float(frontier(with_zeros, loss).any[0]) == pytest.approx(float(frontier(x, loss).any[0]), rel=1e-3)
