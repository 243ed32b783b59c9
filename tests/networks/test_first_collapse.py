"""The first collapse of one latent with a free decoder, against the quartic theory, other populations and samples."""

import numpy as np
import pytest
from scipy.stats import gamma, laplace, norm

from landau_vae.networks import FreeDecoder, first_collapse
from landau_vae.numeric.continuation import hysteresis

GRID = (np.arange(400) + 0.5) / 400


def moments(rows, weights=None):
    """Return κ and B of one feature, from their definitions."""
    share = np.full(len(rows), 1 / len(rows)) if weights is None else weights / weights.sum()
    y = rows[:, 0] - share @ rows[:, 0]
    y = y / np.sqrt(share @ y**2)
    return share @ y**3, 10 - 2 * share @ y**4 - 3 * (share @ y**3) ** 2


def two_humps():
    """Return a skewed mixture of two normal distributions, as weighted quantiles; m₄ = 1.5."""
    share, humps = np.repeat([0.46, 0.54], 200), norm.ppf((np.arange(200) + 0.5) / 200)
    places = np.sqrt(0.54 / 0.46), -np.sqrt(0.46 / 0.54)
    return np.concatenate([place + 0.4 * humps for place in places])[:, None], share


def banana():
    """Return a parabola in the plane with noise across: no skewness along the first component."""
    x, noise = norm.ppf((np.arange(40) + 0.5) / 40), norm.ppf((np.arange(9) + 0.5) / 9)
    x, noise = np.repeat(x, 9), np.tile(noise, 40)
    return np.column_stack([x, 0.55 * (x**2 - np.mean(x**2)) + 0.2 * noise])


@pytest.mark.parametrize(
    ("rows", "weights"),
    [(gamma(100).ppf(GRID)[:, None], None), (gamma(1600).ppf(GRID)[:, None], None), two_humps()],
    ids=["gamma(100)", "gamma(1600)", "two humps"],
)
def test_weakly_skewed_data_follow_the_quartic(rows, weights):
    """τ_M/λ₁ − 1 = (4/9)κ²/B within 5 %: what is left falls as κ². The spinodal is 9/8 as far."""
    found = first_collapse(rows, weights, order=4)
    skewness, quartic = moments(rows, weights)
    assert found.maxwell.price - 1 == pytest.approx(4 / 9 * skewness**2 / quartic, rel=0.05)
    assert (found.spinodal.price - 1) / (found.maxwell.price - 1) == pytest.approx(9 / 8, rel=0.05)
    assert not found.outliers


@pytest.mark.slow
def test_continuation_comes_to_the_same_places():
    """The general code sweeps down through λ₁, jumps, and sweeps up to the fold: other steps, other root finders.

    Maxwell points are roots of one loss, to 1e-7 where it is flat; a spinodal is looked for in steps of 2 % of its
    distance from λ₁.
    """
    rows = gamma(100).ppf(GRID)[:, None]
    found, swept = first_collapse(rows, order=4), hysteresis(FreeDecoder(rows, order=4), 1.01, 0.95)
    [down], [up] = swept.down.jumps, swept.up.jumps
    assert [down.maxwell, up.maxwell] == pytest.approx(2 * [found.maxwell.price], abs=1e-7)
    assert down.control == pytest.approx(1, abs=1e-6)
    assert up.at.kind == "fold"
    assert up.control - 1 == pytest.approx(found.spinodal.price - 1, rel=0.03)


def test_without_skewness_of_gaussian_data_nothing_lives_above():
    """Symmetric quantiles of a normal distribution: continuous within the resolution of 1e-5."""
    found = first_collapse(norm.ppf(GRID)[:, None], order=4)
    assert (found.maxwell.price, found.spinodal.price, found.jump.tolist()) == (1.0, 1.0, [0.0, 0.0])
    below = found.stable.price < 0.99  # the linear law, exact for a normal population; 400 quantiles are off by 3 %
    assert found.stable.signal_fraction[below] == pytest.approx(1 - found.stable.price[below], rel=0.05)


@pytest.mark.parametrize(
    ("rows", "at_least", "at_most"), [(banana(), 1.04, 1.2), (laplace.ppf(GRID)[:, None], 1.01, 1.02)]
)
def test_curved_and_heavy_tailed_data_jump_without_skewness(rows, at_least, at_most):
    """Q > 1 and B < 0: the living state is the best above λ₁ though κ = 0."""
    found = first_collapse(rows, order=4)
    assert abs(moments(rows)[0]) < 1e-9
    assert at_least < found.maxwell.price < at_most
    assert found.jump[1] > 0.003


def test_the_loss_rises_with_the_price_as_the_rate():
    """The envelope theorem, by the trapezoidal rule between neighbouring states, which errs by 1.1 % at most here."""
    states = first_collapse(gamma(4).ppf(GRID)[:, None], order=4).stable
    steps, mean_rate = np.diff(states.price), (states.rate[1:] + states.rate[:-1]) / 2
    assert np.diff(states.loss) == pytest.approx(steps * mean_rate, rel=0.02, abs=1e-7)


def test_the_unstable_states_lead_from_the_spinodal_to_the_collapsed_state():
    """They have a higher loss than either neighbour at the same price, and end at λ₁ with no rate."""
    found = first_collapse(gamma(4).ppf(GRID)[:, None], order=4)
    states, living = found.unstable, found.stable
    assert states.price[0] == pytest.approx(found.spinodal.price, rel=0.01)
    assert states.price[-1] == pytest.approx(1, abs=0.01)
    assert states.rate[-1] < 1e-4
    between = (states.price > 1.01) & (states.price < 0.99 * found.spinodal.price)
    assert between.sum() > 3
    above = np.interp(states.price[between], living.price, living.loss)
    assert np.all(states.loss[between] > np.maximum(above, 0))


def test_a_row_far_out_is_a_phase_of_its_own():
    """One row at 25 lives alone up to m²/(2 ln n) = 47 = 12 λ₁; the others do not jump by it."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2)) * [2.0, 1.0]
    rows[0] = [0.0, 25.0]
    found = first_collapse(rows, order=4, most=2.0)
    [phase] = found.outliers
    assert phase.rows < 2
    assert found.spinodal.price < 1.05 < phase.stop


def test_a_skewed_component_of_less_variance_is_found():
    """A coin of half the variance of a normal component is worth more at 0.8 λ₁ than that one, by 0.047 to 0.011.

    The best linear latent of variance λ₁ gains ½(1 − τ + τ ln τ); a decoder with one
    value for either side of the coin is one of those that the coin has.
    """
    rows = np.random.default_rng(0).standard_normal((1000, 2)) * [1.0, 0.1]
    rows[:, 1] += np.repeat([1.0, 0.0], [50, 950]) * np.sqrt(0.5 / (0.05 * 0.95))
    found = first_collapse(rows, order=6)
    price = found.stable.price[0]
    assert found.gain[0] > 3 * 0.5 * (1 - price + price * np.log(price))


def test_a_state_that_narrows_to_few_rows_is_a_lower_bound():
    """Exponential rows: the state goes over into those of their largest row or two, and is the best all the way."""
    rows = np.random.default_rng([1, 7]).exponential(size=(500, 1))
    found = first_collapse(rows, order=4)
    assert found.ended
    assert found.lost_early
    assert found.stable.loss[found.stable.price > found.maxwell.price][0] < 0
    assert "best up to at least" in found.summary()


@pytest.mark.slow
def test_the_sampling_error_is_the_scatter_of_samples():
    """Of 16 samples of 500 rows, without those that end in few rows; 30 samples gave 1.24, which is known to 13 %."""
    found = [first_collapse(np.random.default_rng(seed).gamma(4.0, size=(500, 1)), order=4) for seed in range(16)]
    prices, errors = np.array([(each.maxwell.price, each.maxwell.error) for each in found if not each.ended]).T
    assert len(prices) > 10
    assert 1 / 1.5 < np.std(prices) / np.sqrt(np.mean(errors**2)) < 1.5
