"""Parts of solvers and curves, each alone."""

from types import SimpleNamespace as Stand

import numpy as np
import pytest

import landau_vae as lv
from landau_vae import InputError, Loss, Spectrum
from landau_vae.loss import Sampler
from landau_vae.numeric import hierarchy, spiked
from landau_vae.numeric._tails import MODE_TAILS, _normal_kurtosis
from landau_vae.numeric.continuation.bifurcation_points import EIGENVALUE_NOISE, _sides
from landau_vae.numeric.continuation.branch import _edge
from landau_vae.numeric.expected_curves import _peaks
from landau_vae.numeric.plateau_activation import _count
from landau_vae.numeric.problems import Linear


@pytest.mark.parametrize("n", [5, 8, 30])
def test_the_kurtosis_of_normal_numbers_has_this_mean_and_spread(n):
    """By 100 000 draws: the variance of kurtoses of five numbers is known to 1 %, that of thirty to 3 % (heavy)."""
    y = np.random.default_rng(n).standard_normal((100_000, n))
    y -= y.mean(axis=1, keepdims=True)
    kurtosis = n * (y**4).sum(axis=1) / (y**2).sum(axis=1) ** 2
    assert _normal_kurtosis(n) == pytest.approx(kurtosis.mean() + MODE_TAILS * kurtosis.std(), rel=0.03)


def test_the_edge_of_a_problem_is_found_from_both_sides():
    solver = Stand(problem=Stand(singular=lambda q: None if q < 0.3 else "no minimum"), control=lambda q: q)
    assert _edge(solver, 0.0, 1.0) == pytest.approx(0.3, abs=3e-9)
    assert _edge(solver, 0.0, 1.0) < 0.3
    solver = Stand(problem=Stand(singular=lambda q: None if q > -0.3 else "no minimum"), control=lambda q: q)
    assert 0 < _edge(solver, 0.0, -1.0) + 0.3 < 3e-9


def test_sides_of_a_branch_point_differ_by_more_than_the_rounding_of_the_largest_eigenvalue():
    """An eigenvalue passes through 0 beside one of 1e6: below 1e-6 it is rounding."""

    def at(theta):
        value = theta - 0.5
        return Stand(values=np.array([value, 1e6]), index=int(value < 0), tangent=np.array([1.0, 1.0]))

    chord = Stand(a=at(0.0), at=at, length=1.0, rise=1.0)
    chord.a.index = at(0.0).index
    before, after = _sides(chord, 0.5, False, False)
    noise = EIGENVALUE_NOISE * 1e6
    assert (before.index, after.index) == (1, 0)
    assert all(noise < abs(point.values[0]) < 16 * noise for point in (before, after))


@pytest.mark.parametrize(
    ("rate", "beta", "said"),
    [
        ([0.1, 2.0, 1.0], [1.0, 2.0, 3.0], True),
        ([0.1, 2.0, 1.9999], [1.0, 2.0, 3.0], False),  # it stands still
        ([0.1, 2.0, 1.0], [3.0, 2.0, 1.0], False),  # β falls: something else is the reason
    ],
)
def test_a_rate_that_falls_while_the_price_rises_is_explained(rate, beta, said):
    rate = np.array(rate)
    result = Stand(rate=rate, kl=rate, beta=np.array(beta), step=np.arange(3.0), active=np.array([1, 2, 1]))
    assert bool(_peaks(result)) == said


@pytest.mark.parametrize(("number", "digits", "words"), [(2_345_678_901.0, None, "2.34568e+09"), (9999, 1, "10 000")])
def test_counts_as_they_are_read(number, digits, words):
    assert _count(number, digits) == words


@pytest.mark.parametrize("steps", [[0, 0, 1], [0, 5, 5]])
def test_steps_that_stand_still_are_refused(steps):
    with pytest.raises(InputError, match="rising numbers"):
        lv.expected(Spectrum.from_eigenvalues([2.0, 1.0]), Loss.gaussian(), steps=steps)


def test_a_distortion_below_the_last_mode_is_found_for_other_samplers():
    spectrum, loss = Spectrum.from_eigenvalues([4.0, 2.0, 1.0]), Loss.gaussian(sampler=Sampler(noise_scale=0.5))
    choice = lv.choose_beta(spectrum, loss, tolerance=1e-3)
    assert choice.beta < 1.0
    found = lv.equilibrium(spectrum, loss.at(choice.beta))
    assert float(found.total_distortion) == pytest.approx(1e-3, rel=1e-6)


def test_a_rate_that_the_kept_modes_can_carry_is_found(rng):
    rows = rng.standard_normal((300, 6)) * [4.0, 2.0, 1.5, 1.0, 0.8, 0.5]
    whole, kept = Spectrum.from_data(rows), Spectrum.from_data(rows, modes=3)
    nats = 0.5 * np.log(kept.eigenvalues[0] / kept.eigenvalues[1]) * 1.5  # two latents share it
    found = lv.choose_beta(kept, Loss.gaussian(), rate=nats)
    assert found.beta == pytest.approx(lv.choose_beta(whole, Loss.gaussian(), rate=nats).beta, rel=1e-9)
    assert kept.eigenvalues[-1] < found.beta < kept.eigenvalues[0]


def test_a_hierarchy_is_asked_for_with_a_spectrum():
    with pytest.raises(InputError, match="spectrum"):
        hierarchy("spectrum", first_variance=0.5)


@pytest.mark.parametrize(("kind", "known"), [("first-order from β = 2", False), ("continuous", True)])
def test_weight_decay_moves_states_continuously_where_no_collapse_is_first_order(kind, known):
    assert (Linear._continuity(Stand(learned=False, decay=Stand(kind=kind))) is not None) == known


@pytest.mark.parametrize(("spike", "seen"), [(0.6, False), (0.99, False), (1.5, True)])
def test_a_spike_is_seen_from_the_square_root_of_d_over_n(spike, seen):
    found = spiked([spike], 1.0, 100, 100)
    assert (found.overlap[0] > 0) == seen
    assert found.threshold[0] == pytest.approx((1 + spike) * (1 + 1 / spike) if seen else 4.0)


def test_a_learned_variance_of_the_loss_is_one_of_the_problem():
    spectrum = Spectrum.from_eigenvalues([4.0, 2.0, 1.0])
    assert Linear(spectrum, Loss.gaussian(decoder_variance="learned", latents=2)).learned
    assert not Linear(spectrum, Loss.gaussian(latents=2)).learned
