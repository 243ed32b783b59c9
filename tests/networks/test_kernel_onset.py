"""The next latent's price from an encoder alone, against exact spectra."""

import numpy as np
import pytest
from networks.linear_equilibrium import Equilibrium

import landau_vae as lv
from landau_vae import InputError
from landau_vae.networks import kernel_onset
from landau_vae.networks.kernel_onset import next_latent_by_kernel

ERRORS = 3  # standard errors, of one reading; they are larger than the scatter, by a factor of 1.3 to 2


def onset(model, seed=0):
    return next_latent_by_kernel(model.mean, model.deviation, model.x, model.active, seed=seed)


@pytest.mark.parametrize("eigenvalues", [(4, 0.9, 0.3, 0.2), (40, 30, 0.9, 0.3)], ids=["one latent", "two latents"])
def test_a_linear_vae_has_its_inactive_mode(eigenvalues):
    found = onset(Equilibrium(eigenvalues, 1.0, 2000, seed=1))
    assert abs(found.bulk - 0.9) < ERRORS * found.bulk_error
    assert abs(found.places - 0.9) < ERRORS * found.places_error
    assert max(found.bulk_error, found.places_error) < 0.2
    assert found.effective_rows > 20
    assert "in places" in found.summary()


def test_few_rows_in_a_kernel_do_not_lower_it():
    """A weighted covariance of 13 rows is (1 − 1/13) of the true one, and enters squared: .77 without the division."""
    found = [onset(Equilibrium((400, 0.9, 0.3), 1.0, 800, seed)) for seed in range(8)]
    assert 12 < np.mean([each.effective_rows for each in found]) < 18
    readings = np.array([each.bulk for each in found])
    error = readings.std() / 8**0.5
    assert error < 0.04
    assert abs(readings.mean() - 0.9) < ERRORS * error


def test_nothing_is_read_where_rows_are_too_few():
    found = onset(Equilibrium((400, 0.9, 0.3), 1.0, 200, seed=2))
    assert found.effective_rows < 10
    assert np.isnan([found.bulk, found.places, found.bulk_error, found.places_error]).all()


def in_places(seed):
    model = Equilibrium((400, 0.3, 0.1), 1.0, 4000, seed)
    model.x[:, 1] *= np.where(np.abs(model.x[:, 0]) > 1.645 * 20, 2, 1)
    return onset(model)


def test_a_latent_that_pays_in_places():
    """The second column has four times its variance where the first one, which z encodes, is in its outer tenth.

    Means that are linear in it read (.9 + .1 × 4²)/(.9 + .1 × 4) = 1.92 times .3. Products with the first column weigh
    the outer tenth by its share of the square, .44: (.56 + .44 × 4²)/(.56 + .44 × 4) = 3.3 times. Places with less than
    five rows are left out, the outermost ones: both read less.
    """
    found = [in_places(seed) for seed in range(5)]
    apart = np.array([each.places - each.bulk for each in found])
    assert apart.mean() > ERRORS * apart.std() / 5**0.5
    assert 0.7 * 0.576 < np.mean([each.bulk for each in found]) < 0.576 * 1.1
    assert 0.6 * 0.99 < np.mean([each.places for each in found]) < 0.99


def test_few_rows():
    with pytest.raises(lv.TooFewSamples, match="needs 100 rows"):
        onset(Equilibrium((4, 0.9), 1.0, 60, seed=4))


@pytest.mark.parametrize("eigenvalues", [(5, 4, 0.2, 0.1), (2.5, 2.2, 0.1), (4.0, 0.5, 0.3)])
def test_both_readings_are_those_of_hermite_products(eigenvalues):
    """Living latents alone keep τ P(exactly one success): one trial in bulk, two in places; see `Equilibrium.onsets`.

    A mean linear in x has degree 1, so that its pattern w(z) is constant; one with products has a w that is linear in
    z. Readings at 4 096 rows, each within three of its own standard errors. Without winsorising, or with products that
    are left out, the second one differs by more.
    """
    model = Equilibrium(eigenvalues, 1.0, 4096, seed=6)
    found = onset(model)
    assert abs(found.bulk - model.onsets(0)) < ERRORS * found.bulk_error
    assert abs(found.places - model.onsets(1)) < ERRORS * found.places_error
    assert max(found.bulk_error, found.places_error) < 0.12 * found.places


def test_functions_of_x_are_bounded(monkeypatch):
    """Five rows of 2 000 at forty standard deviations have most of the variance: unbounded means follow them.

    Clipped at three, each of them counts 9 in ⟨h²⟩, and not 1 600: what such rows do to the reading is an error of half
    the size or less.
    """
    model = Equilibrium((4, 0.5, 0.3), 1.0, 2000, seed=0)
    model.x[7:12, 1] = 40 * 0.5**0.5
    bounded = onset(model)
    assert abs(bounded.bulk - 0.5) < ERRORS * bounded.bulk_error
    monkeypatch.setattr(kernel_onset, "WINSORISED", 1e9)
    assert bounded.bulk_error < 0.5 * onset(model).bulk_error


def test_beside_active_latents_their_own_remainder_is_left_out():
    """Means of the form c μ would read s²/λ_a = .45 of an active mode, above the .1 that is left for another latent."""
    model = Equilibrium((2.5, 2.2, 0.1), 1.0, 4096, seed=7)
    found = next_latent_by_kernel(model.mean, model.deviation, model.x, model.active, beside=True)
    assert abs(found.bulk - 0.1) < ERRORS * found.bulk_error
    assert found.bulk_error < 0.02


def test_rows_that_do_not_differ_have_no_onset():
    with pytest.raises(InputError, match="no column that varies"):
        next_latent_by_kernel(np.zeros((200, 1)), np.ones((200, 1)), np.ones((200, 2)), np.arange(1))
