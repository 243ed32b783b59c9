"""The first collapse of a nonlinear VAE: its places against an independent minimiser, its order, errors, limits."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import CLOSED, SAMPLED
from numpy.polynomial.hermite_e import hermegauss, hermeval
from scipy.integrate import simpson
from scipy.optimize import brentq, minimize

import landau_vae as lv
from landau_vae import Loss, onset
from landau_vae.networks import Moments, quartic_collapse, row_moments
from landau_vae.networks._first_collapse import Edge

NODES, WEIGHTS = hermegauss(24)  # exact for the square of a polynomial of degree 6
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def atoms(share, count=100):
    """A column with two values, of variance 1, in `count` rows."""
    few = round(share * count)
    x = np.repeat([1.0, 0.0], [few, count - few])
    return ((x - x.mean()) / x.std())[:, None]


def least_loss(x, share, price, start):
    """F − F₀ of one latent and a decoder of degree 6, coefficients and posteriors together, by quadrature."""

    def loss(unknowns):
        c, mean, width = np.split(unknowns, [7, 7 + len(x)])
        z = mean[:, None] + np.exp(width)[:, None] * NODES
        error = 0.5 * (x[:, None] - hermeval(z, c)) ** 2 @ WEIGHTS
        kl = 0.5 * (mean**2 + np.exp(2 * width) - 1 - 2 * width)
        return share @ (error + price * kl) - 0.5 * share @ x**2

    found = minimize(loss, start, method="BFGS", options={"gtol": 1e-8, "maxiter": 4000})
    return found.fun, found.x


@pytest.fixture(scope="module")
def skewed():
    return onset(atoms(0.2), Loss.gaussian(1.05), degree=6)


@pytest.fixture(scope="module")
def drawn():
    rows = np.random.default_rng(3).gamma(2.0, size=(120, 2)) * [2, 0.7]
    return rows, onset(rows, Loss.gaussian(), degree=4)


def test_the_maxwell_point_is_that_of_an_independent_minimiser(skewed):
    """Two atoms: 7 coefficients and 2 posteriors, minimised together by quadrature, warm from price to price."""
    x, share = np.array([2.0, -0.5]), np.array([0.2, 0.8])
    state = {"x": np.concatenate([[0, 0.6, 0.1, 0, 0, 0, 0], [1.0, -0.3], [-0.4, -0.1]])}
    maxwell = skewed.collapse.maxwell.price

    def excess(price):
        value, state["x"] = least_loss(x, share, price, state["x"])
        return value

    for price in np.linspace(0.8, 0.999 * maxwell, 12):
        value = excess(price)
    assert value < 0
    # BFGS with numerical gradients: 1e-8 in the loss, over the rate, which is its slope.
    assert brentq(excess, 0.999 * maxwell, 1.001 * maxwell, xtol=1e-8) == pytest.approx(maxwell, abs=1e-6)
    assert 1 < maxwell < skewed.collapse.spinodal.price <= skewed.proxy * (1 + 1e-9)


def test_the_proxy_of_a_coin_is_in_closed_form(skewed):
    """σ²_sG of two values a apart, of which one has the share p (Kearns and Saul): a²(1 − 2p)/(2 ln((1 − p)/p))."""
    p, apart = 0.2, 2.5
    assert skewed.proxy == pytest.approx(apart**2 * (1 - 2 * p) / (2 * np.log((1 - p) / p)), rel=1e-6)  # an ascent


def test_places_follow_the_convention_of_the_loss(drawn):
    rows, found = drawn
    other = onset(rows, Loss.gaussian(half=False, reconstruction="mean", kl="mean", latents=4), degree=4)
    factor = 2 * 4 / 2  # b/2a with a = 1/d, b = β/K, over that of ½Σ
    for name in ("linear", "maxwell", "spinodal", "proxy_beta", "memorising_beta", "trimmed_maxwell"):
        assert getattr(other, name) == pytest.approx(factor * getattr(found, name), rel=CLOSED)
    np.testing.assert_allclose(other.gain, found.gain * 2 / 2, rtol=1e-9, atol=1e-12)  # its error term is 2/d of ½Σ
    assert found.linear == pytest.approx(lv.transitions(lv.Spectrum.from_data(rows), Loss.gaussian()).beta[0])


def test_the_gain_ends_at_the_maxwell_point(drawn):
    """It is 0 there, and its mean slope is the rate: about that of Simpson's rule over four intervals."""
    found = drawn[1]
    rate = np.interp(found.beta / found.linear, found.collapse.stable.price, found.collapse.stable.rate)
    assert found.gain[-1] == pytest.approx(0, abs=1e-6 * found.gain[0])  # Newton's method ends at 1e-6
    states = found.collapse.stable
    at = np.abs(states.price - found.collapse.maxwell.price).argmin()
    same = [states.signal_fraction[at], states.rate[at]]
    assert same == pytest.approx(found.jump.tolist(), rel=1e-12)  # the same state, but for the order of sums
    assert found.gain[0] == pytest.approx(simpson(rate, x=found.beta), rel=0.02)  # linear between these points


def test_a_symmetric_coin_is_continuous_within_what_its_rows_can_tell():
    """κ = 0 ± 0.2 and B = 8: the root ⅔κ/√B is 0 ± 0.047, whose square at three errors is 0.02."""
    found = onset(atoms(0.5), Loss.gaussian(), degree=4)
    assert found.order == "continuous"
    assert found.margin < 0
    assert found.within == pytest.approx((3 * 2 / 3 * 0.2 * np.sqrt(100 / 99) / np.sqrt(8)) ** 2, rel=1e-6)
    assert "Continuous within 2.0%" in found.summary()
    assert found.maxwell == pytest.approx(found.linear, rel=1e-4)


@pytest.mark.slow
def test_gaussian_samples_are_never_first_order():
    """Ten samples: at three standard errors one false alarm is expected in 700."""
    for seed in range(10):
        rows = np.random.default_rng(seed).standard_normal((400, 3)) * [2, 1, 0.5]
        assert onset(rows, Loss.gaussian(), degree=6).order != "first-order"


@pytest.mark.slow
def test_a_group_is_undecided_in_few_rows_and_first_order_in_many():
    """A fifth of the rows are two units away, at a noise of 0.3: a Maxwell point 10 % above λ₁, known to 0.4/√n."""
    few, many = (np.random.default_rng(n).standard_normal((n, 2)) * 0.3 for n in (60, 900))
    for rows in (few, many):
        rows[: len(rows) // 5, 0] += 2
    assert onset(few, Loss.gaussian()).order == "undecided"
    assert onset(many, Loss.gaussian()).order == "first-order"


def test_the_order_follows_from_the_margin(drawn):
    """A collapse that is moved to other places, with other errors."""
    found = drawn[1]

    def moved(price, error):
        one = np.full(found.rows, error * np.sqrt(found.rows - 1))
        one[::2] *= -1
        return replace(found, collapse=replace(found.collapse, change=0.0, maxwell=Edge(price, error, one)))

    assert moved(1.5, 0.01).order == "first-order"
    assert moved(1.5, 0.3).order == "undecided"
    assert moved(1.5, 0.3).margin == pytest.approx(0.49 / 0.3, rel=1e-2)
    assert moved(1.5, 0.3).within == pytest.approx(1.4, rel=1e-2)
    assert moved(1.02, 1e-6).order == "undecided"  # its root is known to ⅔ se(κ) only


def test_errors_by_blocks_are_larger_where_rows_repeat(drawn):
    rows, found = drawn
    blocks = onset(np.repeat(rows, 2, axis=0), Loss.gaussian(), degree=4, blocks=np.repeat(np.arange(len(rows)), 2))
    assert blocks.maxwell == pytest.approx(found.maxwell, rel=1e-5)  # the same states, found again
    assert blocks.excess_error == pytest.approx(found.excess_error, rel=0.02)  # its change with the degree included


def test_more_rows_are_drawn_and_said(drawn):
    rows, found = drawn
    half, again, other = (onset(rows, Loss.gaussian(), rows=60, degree=4, seed=seed) for seed in (0, 0, 1))
    assert half.maxwell == again.maxwell != other.maxwell
    assert half.linear == found.linear  # of all rows
    assert (half.rows, half.available) == (60, 120)
    assert "60 rows of 120, drawn at random" in half.summary()
    error = np.hypot(half.excess_error, other.excess_error)
    assert abs(half.maxwell - other.maxwell) < SAMPLED * error * half.linear


def test_rows_that_matter_are_found_and_left_out(drawn):
    """The one row in 120 that raises the Maxwell point most is one of the tail; without it that is lower."""
    rows, found = drawn
    assert rows[found.dropped, 0] > np.quantile(rows[:, 0], 0.95)
    assert found.trimmed_maxwell < found.maxwell
    again = onset(np.delete(rows, found.dropped, axis=0), Loss.gaussian(), degree=4)
    assert found.trimmed_maxwell == pytest.approx(again.maxwell, rel=1e-9)  # the same rows
    # To first order the change is that of the influence function; one row in 120 has a second order of its square.
    moved = found.collapse.maxwell.influence[found.dropped[0]] / 119
    change = found.collapse.maxwell.price - found.trimmed[1].price
    assert change == pytest.approx(moved, rel=0.5)


def test_states_of_few_rows_are_named(drawn):
    found = drawn[1]
    few = found.collapse.stable._replace(sharing=np.full(len(found.collapse.stable.price), 0.02))
    one = np.full(found.rows, 0.0)
    outliers = replace(found, collapse=replace(found.collapse, stable=few, maxwell=Edge(1.5, 0.0, one)))
    assert "one of few rows: about 2 of 120 rows" in outliers.summary()


def test_a_state_that_only_few_rows_carry_on_is_a_lower_bound():
    """One row of 200 makes λ₁ and is alone in its state below it: nothing is known of the others, whose κ is 0."""
    rows = np.random.default_rng(0).standard_normal((200, 2))
    rows[0] = [60.0, 0.0]
    found = onset(rows, Loss.gaussian(30.0), degree=4)
    assert (found.lost_early, found.order, found.within) == (True, "undecided", np.inf)
    summary = found.summary()
    assert "by at least 0" in summary
    assert "best up to (Maxwell), at least" in summary
    assert "a state of fewer and fewer rows is better" in summary
    assert found.few_best_to > 30  # the price of the loss
    assert "a state of few rows is still better" in summary
    assert "of this decoder is collapsed" not in summary


def test_copies_are_named():
    """100 rows of two values may be draws or copies; who gives the copies' blocks has the errors of either."""
    assert "The 100 rows are 2 distinct ones" in onset(atoms(0.5), Loss.gaussian(), degree=4).summary()


def test_the_state_at_the_users_own_price_is_said(drawn):
    found = drawn[1]
    places = {0.9: "is unstable", 0.5 * (1 + found.collapse.maxwell.price): "is the best, and training",
              0.5 * (found.collapse.maxwell.price + found.collapse.spinodal.price): "an active one survives",
              5.0: "no VAE is better than the collapsed"}  # fmt: skip
    for ratio, words in places.items():
        assert words in replace(found, loss=Loss.gaussian(ratio * found.linear)).summary()


def test_the_summary_and_json_have_the_numbers(drawn):
    found = drawn[1]
    content = found.to_dict()
    assert content["maxwell"] == found.maxwell
    assert content["moments"]["value"][0] == found.moments.value[0]
    assert f"{found.maxwell:.4g}" in found.summary()
    assert found.order in repr(found)


def test_the_quartic_of_the_moments_is_beside_the_solution(drawn):
    found = drawn[1]
    assert "Moments alone do not give the Maxwell point. At λ₁" in found.summary()  # κ is far too large
    small = replace(found.moments, moments=Moments(1.0, 0.1, 3.0, cross=[0.0], across=[0.2]))
    law = quartic_collapse(small.moments)
    assert f"β = {law.maxwell * found.linear:.4g}" in replace(found, moments=small).summary()


def test_a_state_that_was_lost_early_gives_a_bound(drawn):
    found = drawn[1]
    end = found.collapse.spinodal
    early = replace(found, collapse=replace(found.collapse, maxwell=end, ended=True))
    assert early.lost_early
    assert "Maxwell), at least" in early.summary()
    assert not found.lost_early


def test_what_limits_the_moments_is_said(drawn):
    found = drawn[1]
    square = row_moments(np.random.default_rng(0).standard_normal((300, 2)))
    single = row_moments(np.append(np.zeros(199), 30.0)[:, None])
    known = replace(square, influence=found.moments.influence, share=found.moments.share)
    assert "equal within their sampling errors" in replace(found, moments=known).summary()
    carried = replace(found.moments, largest_share=single.largest_share)
    assert "One distinct row carries 100% of the fourth moment" in replace(found, moments=carried).summary()


def test_the_frontier_is_below_one_latent(drawn):
    rows, found = drawn
    bound = onset(rows, Loss.gaussian(), degree=4, frontier=True).frontier
    assert bound.beta[0] == pytest.approx(found.linear)
    assert bound.dead - bound.any[0] > found.gain[0] / 1.0 - 1e-9
    assert bound.proxy == pytest.approx(found.proxy_beta, rel=1e-6)


# ---------------------------------------------------------------------------------------------------------- bad input


def test_losses_without_an_order_say_what_is_known(rng):
    counts = rng.poisson(3.0, size=(200, 3)).astype(float)
    for loss in (Loss.poisson(), Loss.gaussian(decoder_variance="learned")):
        with pytest.raises(lv.OutsideTheory, match="linear threshold") as caught:
            onset(counts, loss)
        spectrum = lv.Spectrum.from_data(counts, likelihood=loss.likelihood)
        assert caught.value.partial == pytest.approx(lv.transitions(spectrum, loss).beta[0])


def test_too_few_rows_say_how_many_are_needed(rng):
    rows = rng.standard_normal((12, 2))
    with pytest.raises(lv.TooFewSamples, match=r"12 rows .* needs 20") as caught:
        onset(rows, Loss.gaussian())
    assert caught.value.partial == pytest.approx(lv.Spectrum.from_data(rows).eigenvalues[0])
    with pytest.raises(lv.TooFewSamples, match="2 rows or blocks"):
        onset(rng.standard_normal((100, 2)), Loss.gaussian(), blocks=np.arange(100) % 2)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lv.Spectrum.from_eigenvalues([2.0, 1.0]), "needs the rows"),
        (np.full((50, 2), np.nan), "NaN"),
        (np.ones((50, 2)), "no variance"),
    ],
)
def test_data_that_cannot_be_used(data, words):
    with pytest.raises(lv.InputError, match=words):
        onset(data, Loss.gaussian())
