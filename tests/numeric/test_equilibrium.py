"""Closed forms of the equilibrium against direct minimisation of the loss, and against each other."""

import numpy as np
import pytest
from conftest import CLOSED, SOLVED
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import covariance, minimize_raw_loss, one_mode, water_level

from landau_vae import Loss, Spectrum, equilibrium

SPECTRA = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=8)


@pytest.mark.parametrize("ratio", [0.01, 0.3, 0.9, 0.999, 1.0, 1.001, 2.0, 30.0])
def test_one_mode_from_its_definition(ratio):
    """1e-5: nested bounded searches resolve a quartic minimum to about the fourth root of 1e-20."""
    eigenvalue = 2.7
    w, e, s, loss = one_mode(eigenvalue, ratio * eigenvalue)
    state = equilibrium(Spectrum.from_eigenvalues([eigenvalue]), Loss.gaussian(ratio * eigenvalue))
    assert state.free_energy == pytest.approx(loss, abs=1e-9)
    tolerance = 1e-5 if abs(ratio - 1) > 0.01 else 5e-3  # at criticality the minimum is flat: w⁴/(4λ) ~ rounding
    assert state.signal_fraction[0] == pytest.approx(e**2 * eigenvalue / (e**2 * eigenvalue + s), abs=tolerance)
    assert state.posterior_variance[0] == pytest.approx(s, abs=tolerance)
    assert state.decoder_norm[0] == pytest.approx(w, abs=1e-5 if abs(ratio - 1) > 0.01 else 0.1)


@pytest.mark.parametrize("latents", [1, 2, 3, 4])
@pytest.mark.parametrize("temperature", [0.01, 0.15, 0.4, 0.9])
def test_the_full_loss_has_this_minimum(rng, latents, temperature):
    """The raw loss in W, E, ln s, minimised from random starts, without any reduction to modes."""
    data = rng.standard_normal((50, 3)) * [2.0, 1.0, 0.5]
    spectrum = Spectrum.from_data(data)
    price = temperature * spectrum.total_variance
    runs = [minimize_raw_loss(covariance(data), price, latents, seed) for seed in range(3)]
    least, (decoder, encoder, variance) = min(runs, key=lambda run: run[0])
    state = equilibrium(spectrum, Loss.gaussian(price, latents=latents))
    assert float(state.free_energy) == pytest.approx(least, rel=1e-8)  # value of a minimum: square of SOLVED's error
    signal = np.diag(encoder @ covariance(data) @ encoder.T)
    measured = np.sort(signal / (signal + variance))[::-1][:3]
    predicted = state.signal_fraction[: len(measured)]
    np.testing.assert_allclose(measured, predicted, atol=1e3 * SOLVED)  # BFGS with numerical gradients: 1e-8 at best
    np.testing.assert_allclose(np.sort(np.linalg.norm(decoder, axis=0))[::-1][:3] ** 2,
                               state.decoder_norm[: len(measured)] ** 2, atol=1e3 * SOLVED)  # fmt: skip


@given(values=SPECTRA, share=st.floats(1e-4, 0.999))
def test_it_is_reverse_water_filling(values, share):
    """At the price where a Gaussian source has distortion D, rate and distortion are those of Cover & Thomas."""
    spectrum = Spectrum.from_eigenvalues(values)
    level = water_level(spectrum.eigenvalues, share * spectrum.eigenvalues.sum())
    state = equilibrium(spectrum, Loss.gaussian(level))
    assert float(state.total_distortion) == pytest.approx(share, rel=1e-9)  # the bisection's own error
    rate = 0.5 * np.sum(np.log(np.maximum(spectrum.eigenvalues / level, 1)))
    assert float(state.total_rate) == pytest.approx(rate, abs=1e-9)


@given(values=SPECTRA, price=st.floats(1e-4, 1e4), latents=st.integers(1, 9))
def test_totals_are_sums_of_modes(values, price, latents):
    spectrum = Spectrum.from_eigenvalues(values)
    state = equilibrium(spectrum, Loss.gaussian(price, latents=latents))
    assert int(state.active) == np.count_nonzero(state.signal_fraction > 0) or np.any(spectrum.eigenvalues == price)
    assert float(state.total_rate) == pytest.approx(state.rate.sum(), rel=CLOSED, abs=CLOSED)
    assert float(state.total_distortion) == pytest.approx(state.distortion.sum(), rel=CLOSED)
    energy = 0.5 * state.distortion.sum() * spectrum.total_variance + price * state.rate.sum()
    assert float(state.free_energy) == pytest.approx(energy, rel=CLOSED)
    assert np.all(state.signal_fraction[latents:] == 0)
    left = 1 - state.utility("sampled").sum()
    assert left == pytest.approx(float(state.total_distortion), abs=CLOSED)


@settings(max_examples=50)
@given(values=SPECTRA, price=st.floats(1e-2, 1e2))
def test_the_slope_of_the_free_energy_is_the_rate(values, price):
    """Envelope theorem; a central difference of step h errs by h² times a third derivative of order 1/τ²."""
    spectrum = Spectrum.from_eigenvalues(values)
    if np.any(np.abs(spectrum.eigenvalues / price - 1) < 1e-3):
        return  # the third derivative jumps at a transition
    step = 1e-5 * price
    above, below = (equilibrium(spectrum, Loss.gaussian(price + sign * step)).free_energy for sign in (1, -1))
    rate = equilibrium(spectrum, Loss.gaussian(price)).total_rate
    assert float(above - below) / (2 * step) == pytest.approx(float(rate), rel=1e-6, abs=1e-6)


def test_curvature_of_the_free_energy_jumps_at_a_threshold():
    """THEORY 2.6: the second derivative in τ jumps by −1/(2λ) where a mode dies."""
    eigenvalue, step = 2.0, 1e-4
    spectrum = Spectrum.from_eigenvalues([eigenvalue])
    energy = [float(equilibrium(spectrum, Loss.gaussian(eigenvalue + k * step)).free_energy)
              for k in (-2, -1, 0, 1, 2)]  # fmt: skip
    below = (energy[0] - 2 * energy[1] + energy[2]) / step**2
    above = (energy[2] - 2 * energy[3] + energy[4]) / step**2
    assert below == pytest.approx(-1 / (2 * eigenvalue), rel=1e-3)  # the difference quotient's own error
    assert above == pytest.approx(0, abs=1e-5)


def test_utilities_are_what_pruning_costs(rng):
    """Both reconstructions by Monte Carlo over data and posterior noise, within 4 standard errors."""
    spectrum, price, n = Spectrum.from_eigenvalues([4.0, 1.0]), 0.6, 400_000
    x = rng.standard_normal((n, 2)) * [2.0, 1.0]
    state = equilibrium(spectrum, Loss.gaussian(price))
    decoder = state.decoder_norm
    mean = x * decoder / spectrum.eigenvalues
    sampled = mean + np.sqrt(state.posterior_variance) * rng.standard_normal((n, 2))
    for kind, z in (("mean", mean), ("sampled", sampled)):
        gain = (x**2 - (x - z * decoder) ** 2) / spectrum.total_variance
        error = gain.std(axis=0) / np.sqrt(n)
        assert np.all(np.abs(gain.mean(axis=0) - state.utility(kind)) < 4 * error)


def test_utilities_tend_to_the_pca_spectrum():
    spectrum = Spectrum.from_eigenvalues([3, 1, 0.2])
    for kind, power in (("sampled", 1), ("mean", 2)):
        for price in (1e-2, 1e-4):
            gap = 1 - equilibrium(spectrum, Loss.gaussian(price)).utility(kind) / spectrum.normalized
            np.testing.assert_allclose(gap, (price / spectrum.eigenvalues) ** power, atol=CLOSED)


def test_limits():
    spectrum = Spectrum.from_eigenvalues([3, 1])
    hot, cold = (equilibrium(spectrum, Loss.gaussian(price)) for price in (1e9, 1e-9))
    assert (int(hot.active), float(hot.total_rate), float(hot.total_distortion)) == (0, 0.0, 1.0)
    assert int(cold.active) == 2
    np.testing.assert_allclose(cold.signal_fraction, 1, atol=1e-8)
    assert float(cold.total_distortion) == pytest.approx(2e-9 / 4, rel=CLOSED)


def test_loss_value_is_the_loops_own(rng):
    """The loop of CONVENTIONS on a sampled equilibrium model: mean over features without ½, mean over latents."""
    spectrum, n = Spectrum.from_eigenvalues([4.0, 1.0]), 400_000
    loss = Loss.gaussian(0.4, reconstruction="mean", half=False, kl="mean", latents=2)
    state = equilibrium(spectrum, loss)
    x = rng.standard_normal((n, 2)) * [2.0, 1.0]
    mean, s = x * state.decoder_norm / spectrum.eigenvalues, state.posterior_variance
    z = mean + np.sqrt(s) * rng.standard_normal((n, 2))
    kl = 0.5 * (mean**2 + s - 1 - np.log(s))
    value = ((x - z * state.decoder_norm) ** 2).mean(axis=1) + 0.4 * kl.mean(axis=1)
    assert abs(value.mean() - float(state.loss_value)) < 4 * value.std() / np.sqrt(n)


def test_a_grid_of_prices_is_each_price(rng):
    spectrum = Spectrum.from_eigenvalues(rng.uniform(0, 1, 20))
    betas = rng.uniform(0, 1, (3, 4))
    grid = equilibrium(spectrum, Loss.gaussian(betas))
    for index in np.ndindex(3, 4):
        single = equilibrium(spectrum, Loss.gaussian(betas[index]))
        np.testing.assert_array_equal(grid.signal_fraction[index], single.signal_fraction)
        assert grid.total_rate[index] == single.total_rate
        assert grid.active[index] == single.active
    assert "12 prices" in repr(grid)
