"""The cascade against the equilibrium, and the choice of β against what it promises."""

import numpy as np
import pytest
from conftest import CLOSED
from hypothesis import assume, given
from hypothesis import strategies as st

from landau_vae import InputError, Loss, OutsideTheory, Spectrum, choose_beta, equilibrium, transitions

SPECTRA = st.lists(st.integers(1, 60), min_size=1, max_size=8).map(Spectrum.from_eigenvalues)  # ties are common
LOSSES = st.builds(Loss.gaussian, decoder_variance=st.floats(0.01, 10), reconstruction=st.sampled_from(["sum", "mean"]),
                   half=st.booleans(), latents=st.none() | st.integers(1, 9))  # fmt: skip


@given(spectrum=SPECTRA, loss=LOSSES)
def test_at_each_threshold_its_multiplet_dies(spectrum, loss):
    cascade = transitions(spectrum, loss)
    below = equilibrium(spectrum, loss.at(cascade.beta * (1 - 1e-9))).active
    above = equilibrium(spectrum, loss.at(cascade.beta * (1 + 1e-9))).active
    np.testing.assert_array_equal(below - above, cascade.multiplicity)
    np.testing.assert_array_equal(above, cascade.mode - 1)
    assert below[-1] == min(spectrum.modes, loss.latents or spectrum.modes)
    np.testing.assert_allclose(cascade.temperature, cascade.price / spectrum.total_variance, rtol=CLOSED)


@given(spectrum=SPECTRA, loss=LOSSES, keep=st.integers(1, 9))
def test_keep_keeps(spectrum, loss, keep):
    possible = keep <= min(spectrum.modes, loss.latents or keep)
    starts, counts = spectrum.multiplets
    splits = possible and keep != loss.latents and not np.any(starts + counts == keep)
    if not possible or splits:
        with pytest.raises(OutsideTheory, match="cannot be kept"):
            choose_beta(spectrum, loss, keep=keep)
        return
    choice = choose_beta(spectrum, loss, keep=keep)
    low, high = choice.interval
    assert low < choice.beta < high
    inside = equilibrium(spectrum, loss.at([max(low, 1e-9 * high) * (1 + 1e-9), choice.beta, high * (1 - 1e-9)]))
    assert inside.active.tolist() == [keep] * 3
    assert int(equilibrium(spectrum, loss.at(high * (1 + 1e-9))).active) < keep
    if low > 0:
        assert int(equilibrium(spectrum, loss.at(low * (1 - 1e-9))).active) > keep


@given(spectrum=SPECTRA, loss=LOSSES, tolerance=st.floats(0.001, 0.999), kind=st.sampled_from(["sampled", "mean"]))
def test_tolerance_is_met_exactly(spectrum, loss, tolerance, kind):
    floor = spectrum.normalized[loss.latents :].sum() if loss.latents else 0.0
    assume(abs(tolerance - floor) > 1e-9)
    if tolerance < floor:
        with pytest.raises(OutsideTheory, match="No β reaches"):
            choose_beta(spectrum, loss, tolerance=tolerance, reconstruction=kind)
        return
    choice = choose_beta(spectrum, loss, tolerance=tolerance, reconstruction=kind)
    assert 1 - choice.equilibrium.utility(kind).sum() == pytest.approx(
        tolerance, abs=1e-11
    )  # sum of ~8 shares, inverted


def test_keep_may_be_any_whole_number():
    spectrum = Spectrum.from_eigenvalues([4, 2, 1])
    assert choose_beta(spectrum, Loss.gaussian(), keep=2.0).interval == (1.0, 2.0)
    with pytest.raises(InputError, match=r"keep is 2\.5, but a whole number"):
        choose_beta(spectrum, Loss.gaussian(), keep=2.5)


def test_unresolved_modes_bound_the_last_choice():
    spectrum = Spectrum.from_eigenvalues([1, 1e-3, 0, 0])
    assert choose_beta(spectrum, Loss.gaussian(), keep=2).interval == (spectrum.floor, 1e-3)
    assert choose_beta(spectrum, Loss.gaussian(), keep=2).beta == pytest.approx(1e-4)


def test_summaries_say_the_answer():
    spectrum = Spectrum.from_eigenvalues([4, 1, 1])
    text = transitions(spectrum, Loss.gaussian(2.0)).summary()
    assert "2–3" in text
    assert "inactive" in text
    assert "0.5000" in text
    assert choose_beta(spectrum, Loss.gaussian(), keep=1).summary().startswith("keep 1 mode: β = 2 (any β from 1 to")
