"""One loss's β in another: losses of one price, and those that differ in constraint, sampler or likelihood."""

import numpy as np
import pytest
from conftest import CLOSED

import landau_vae as lv
from landau_vae import Loss, Spectrum
from landau_vae.errors import InputError, OutsideTheory

SPECTRUM = Spectrum.from_eigenvalues([4.0, 2.0, 1.0, 0.5, 0.1])


def test_without_data_a_hinge_is_taken_not_to_bind():
    """World Models: τ = ½ above the hinge."""
    there = Loss.preset("world-models", latents=32).equivalent(Loss.preset("pythae"), 784)
    assert float(there.beta) == pytest.approx(0.5, rel=CLOSED)
    assert Loss.preset("pythae").translation(Loss.preset("world-models", latents=32), 784) == (
        "beta = 1 in pythae is β = 2 in world-models (d = 784): τ = 1, while the constraint of world-models does not "
        "bind."
    )


def test_with_data_the_price_in_effect_is_converted():
    """THEORY_NETWORKS 6: λ = 4, 2, 1, .5, .1 and C = 2 nats have the price .5272 where a hinge binds."""
    bound = Loss.preset("world-models", 2.0, capacity=2.0, latents=8)
    there = bound.equivalent(Loss.preset("pythae"), SPECTRUM)
    assert float(there.beta) == pytest.approx(0.52719427, rel=1e-7)  # digits of the reference
    with pytest.raises(OutsideTheory, match="No β gives"):
        Loss.preset("pythae", 3.0).equivalent(bound, SPECTRUM)


def test_a_square_needs_the_data():
    with pytest.raises(InputError, match="depends on the data's spectrum"):
        Loss.preset("cryodrgn-beta-control", 1.0, capacity=2.0).equivalent(Loss.preset("pythae"), 784)


@pytest.mark.parametrize("name", ["keras-molecules", "chemical-vae", "old-photos"])
def test_other_samplers_have_the_same_active_modes(name):
    """Equal prices would not have: noise of a hundredth moves each threshold by ten thousand."""
    given = {
        "latents": 5,
        "valid": 4,
        "likelihood": "gaussian",
        "noise_scale": 0.01 if name == "chemical-vae" else None,
    }
    mine = Loss.preset(name, 1.0, **given)
    plain = Loss.of(mine.likelihood)
    spectrum = Spectrum.from_eigenvalues(SPECTRUM.eigenvalues)
    object.__setattr__(spectrum, "likelihood", mine.likelihood)
    thresholds = lv.transitions(spectrum, mine).beta
    for beta in np.sqrt(thresholds[1:] * thresholds[:-1]):  # between the thresholds
        here = mine.at(beta)
        there = here.equivalent(plain, spectrum)
        assert lv.equilibrium(spectrum, here).active == lv.equilibrium(spectrum, there).active
    assert "where linear models have the same active modes: the samplers differ." in mine.translation(plain, spectrum)


def test_other_likelihoods_are_compared_by_their_first_thresholds(rng):
    """The β of each, over the β at which its first latent collapses, is the same number."""
    rows = rng.normal(size=(3000, 4)) * [2.0, 1.0, 0.5, 0.2]
    mine, other = Loss.preset("act", 0.4, valid=4), Loss.preset("pythae")
    absolute, plain = lv.spectrum.score(rows, mine), Spectrum.from_data(rows)
    there = mine.equivalent(other, absolute, theirs=plain)
    first = [float(lv.transitions(*each).beta[0]) for each in ((absolute, mine), (plain, other))]
    assert float(there.beta) / first[1] == pytest.approx(0.4 / first[0], rel=CLOSED)
    words = mine.translation(other, absolute, theirs=plain)
    assert words.endswith("each in its own units, at one ratio to the first threshold.")
    with pytest.raises(InputError, match=r"no equal among.*give both spectra"):
        mine.equivalent(other, absolute)
    with pytest.raises(InputError, match="gaussian likelihood, but the spectrum is one for a laplace"):
        mine.equivalent(other, absolute, theirs=absolute)
