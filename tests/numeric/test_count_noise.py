"""What chance makes of counts, against counts that hold nothing else, and factors that are there."""

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.likelihoods import POISSON, dispersed, negative_binomial, sized, zero_inflated
from landau_vae.numeric import count_noise, noise_floor

LIKELIHOODS = {
    "poisson": sized(POISSON), "nb": sized(negative_binomial(3.0)), "zinb": sized(zero_inflated(3.0, 0.2)),
    "dropout": sized(zero_inflated(3.0)), "plain": negative_binomial(3.0),
}  # fmt: skip


def without_modes(rng, likelihood, n=300, d=30):
    """Counts of cells that differ in size only."""
    sizes = np.exp(0.5 * rng.standard_normal((n, 1))) if likelihood != "plain" else np.ones((n, 1))
    mean = sizes * rng.uniform(1, 10, d)
    x = rng.poisson(mean if likelihood == "poisson" else rng.gamma(3.0, mean / 3.0)).astype(float)
    if likelihood in ("zinb", "dropout"):
        x = np.where(rng.random(x.shape) < 0.2, 0.0, x)
    return x[x.any(axis=1)]


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_first_mode_of_chance_is_that_of_the_draws(name):
    """First modes of sets that are drawn here lie among those that it draws: means within four standard errors."""
    likelihood, first, drawn = LIKELIHOODS[name], [], []
    for seed in range(6):
        x = without_modes(np.random.default_rng(seed), name)
        found = count_noise(x, likelihood, draws=8)
        first.append(found.spectrum.eigenvalues[0])
        drawn.append(found.largest)
    drawn = np.array(drawn)
    error = np.hypot(np.std(first), drawn.std()) / np.sqrt(len(first))
    assert np.mean(first) == pytest.approx(drawn.mean(), abs=4 * error)
    assert error < 0.1 * drawn.mean()


def test_isotropic_noise_would_be_another_floor():
    """Rows of larger size weigh more in a Poisson's scores: its floor is above that of Marchenko and Pastur."""
    x = without_modes(np.random.default_rng(0), "poisson")
    found = count_noise(x, LIKELIHOODS["poisson"])
    assert noise_floor(found.spectrum).price < 0.95 * found.price
    assert found.modes == 0


def test_factors_stand_above_it():
    data = lv.datasets.counts(600, 30, factors=3)
    found = count_noise(data.table, sized(dispersed()))
    assert found.modes == 3
    assert count_noise(data.table, "poisson", sizes=data.target).price > 0
    again = count_noise(data.table, sized(dispersed()))
    np.testing.assert_array_equal(found.largest, again.largest)
    assert "3 of 29 modes above" in found.summary()


def test_what_cannot_be_drawn(rng):
    x = rng.poisson(4.0, (60, 4))
    with pytest.raises(lv.InputError, match="Counts are drawn from Poisson and negative binomial"):
        count_noise(x, "huber")
    with pytest.raises(lv.InputError, match="Counts are drawn from"):
        count_noise(x, sized(dispersed(per_feature=False)))
    with pytest.raises(lv.InputError, match="draws is 2, but at least 4"):
        count_noise(x, "poisson", draws=2)
