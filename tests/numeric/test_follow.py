"""The cascade of the linear VAE by continuation, against its closed forms: thresholds, kernels, normal forms."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from conftest import CLOSED, SOLVED
from gradient_systems import COEFFICIENT, CONVENTIONS, LOCATED, check_located, controls, stability
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from landau_vae import InputError, Loss, Spectrum, equilibrium, transitions
from landau_vae.display import Column
from landau_vae.numeric import landscape
from landau_vae.numeric.continuation import Status, follow
from landau_vae.numeric.continuation.branch import joined
from landau_vae.numeric.problems import Linear
from landau_vae.symbolic import linear, variations


@st.composite
def cascades(draw):
    """(eigenvalues by multiplet, multiplicities, K): up to three multiplets of up to three equal eigenvalues."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    ratios = draw(st.lists(st.floats(0.02, 0.9), min_size=len(sizes), max_size=len(sizes)))
    latents = draw(st.integers(1, sum(sizes) + 1))
    return 30 * np.cumprod(ratios), np.array(sizes), latents


@settings(max_examples=15, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])  # quick to fail
@given(cascade=cascades(), convention=CONVENTIONS, above=st.floats(1.05, 3), below=st.floats(0.2, 0.95))
def test_the_whole_cascade(cascade, convention, above, below):
    """Each multiplet that has a latent left is one pitchfork: every idle latent grows along each of its directions.

    The state that grows shares r² equally among the n modes that get a latent, and modes do not see one another, so
    κ₄ = n (1/n)²/16 (the 1/16 of one mode: see below).
    """
    values, sizes, latents = cascade
    spectrum = Spectrum.from_eigenvalues(np.repeat(values, sizes))
    loss = Loss.gaussian(latents=latents, **convention)
    known = transitions(spectrum, loss)
    problem = Linear(spectrum, loss)
    stop = known.beta[-1] * below
    diagram = follow(problem, known.beta[0] * above, stop)
    check_located(diagram.special, known.beta)
    idle = latents - np.append(0, np.cumsum(known.multiplicity))[:-1]
    assert [point.kernel_dimension for point in diagram.special] == (sizes[: len(idle)] * idle).tolist()
    for point, alive in zip(diagram.special, known.multiplicity, strict=True):
        assert point.kind == "supercritical pitchfork"
        assert point.index == (0, point.kernel_dimension)
        assert point.onward == -1
        assert point.form.quartic == pytest.approx(1 / (16 * alive), rel=COEFFICIENT)
    assert diagram.status is Status.REACHED
    assert stability(diagram.branches) == [0]
    assert [branch.parent for branch in diagram.branches] == [None, *diagram.special]
    state = equilibrium(spectrum, loss.at(stop))
    last = diagram.branches[-1]
    assert last.control[-1] == pytest.approx(stop, rel=CLOSED)
    expected = np.zeros(latents)
    expected[: min(latents, spectrum.modes)] = state.signal_fraction[:latents]
    np.testing.assert_allclose(last.order_parameters[-1], expected, rtol=0, atol=SOLVED)
    assert last.loss[-1] == pytest.approx(float(state.free_energy / state.price), rel=CLOSED)


def check_nearly_equal(lam, latents, split):
    """Each threshold is found once, others only where a mode is about to live, and the end is stable and right.

    Latents may share nearly equal modes at a cost of the order of the split squared, so M² is right to the split.
    """
    spectrum, loss = Spectrum.from_eigenvalues(lam), Loss.gaussian(latents=latents)
    diagram = follow(Linear(spectrum, loss), 1.4, 0.2)
    assert diagram.status is Status.REACHED
    for point in diagram.special:
        true = lam[np.abs(lam - point.control).argmin()]
        assert point.control == pytest.approx(true, rel=LOCATED)
        assert point.precision <= LOCATED
    found = controls(diagram.special)
    for true in transitions(spectrum, loss).beta:
        assert np.count_nonzero(np.abs(found / true - 1) <= min(LOCATED, split / 3)) == 1
    last = diagram.branches[-1]
    assert last.stable[-1]
    expected = np.zeros(latents)
    expected[: len(lam)] = (1 - 0.2 / lam)[:latents]
    np.testing.assert_allclose(last.order_parameters[-1], expected, rtol=0, atol=SOLVED + split)
    shared = 2 * split if split <= 1e-7 else split**2  # so close, and it makes no difference which mode has the latent
    least = float(equilibrium(spectrum, loss.at(0.2)).free_energy) / 0.2
    assert last.loss[-1] == pytest.approx(least, rel=0, abs=shared + CLOSED)


@pytest.mark.parametrize("latents", [1, 2, 3])
@pytest.mark.parametrize("split", [1e-9, 1e-7, 1e-5, 9e-5, 1e-3])
def test_nearly_equal_eigenvalues(split, latents):
    """Thresholds that a step cannot tell apart are located all the same, and the state ends where it should."""
    check_nearly_equal(np.array([1.0, 1.0 - split, 0.3]), latents, split)


@pytest.mark.parametrize(
    ("equal", "latents", "split"),
    [
        (2, 3, 1e-7),
        (2, 3, 1e-3),
        (1, 2, 9.999e-5),
        (2, 3, 1.00005e-4),
        (2, 4, 1.01e-4),
        (2, 3, 1.99e-4),
        (2, 3, 2.01e-4),
        (2, 3, 3.01e-4),
        (2, 3, 2e-5),
        (2, 3, 9e-5),
        (3, 5, 9.9e-5),
    ],
)
def test_a_multiplet_beside_a_mode(equal, latents, split):
    """Equal eigenvalues with one more, a little below."""
    check_nearly_equal(np.append(np.ones(equal), 1 - split), latents, split)


def test_along_the_collapsed_state():
    """Never leaving it, at each λ every latent becomes unstable along each direction of the multiplet."""
    problem = Linear(Spectrum.from_eigenvalues([4, 1, 1]), Loss.gaussian(latents=2))
    diagram = follow(problem, 8, 0.5, switch="never")
    check_located(diagram.special, [4, 1])
    assert [point.index for point in diagram.special] == [(0, 2), (2, 6)]
    assert stability(diagram.branches) == [0, 2, 6]
    [branch] = diagram.branches
    np.testing.assert_allclose(branch.loss, 3 / branch.control, rtol=CLOSED)


def test_every_branch_leads_to_the_landscape():
    """Every stationary point with one latent per mode is the end of a branch that was found, with its Morse index."""
    spectrum, loss, stop = Spectrum.from_eigenvalues([4, 1.5]), Loss.gaussian(latents=2), 0.5
    diagram = follow(Linear(spectrum, loss), 8, stop, switch="always")
    assert diagram.status is Status.REACHED
    ends = [(branch.loss[-1], branch.index[-1]) for branch in diagram.branches if branch.control[-1] < stop * 1.001]
    for point in landscape(spectrum, loss.at(stop)).points:
        same = [index for value, index in ends if value == pytest.approx(point.free_energy / stop, rel=1e-9)]
        assert point.index in same
    assert set(np.round(controls(diagram.special), 6)) >= {4, 1.5}
    problem = diagram.problem
    for special in diagram.special:  # also of states that share a mode between latents: something does vanish there
        scale = np.sqrt(problem.metric(special.x, special.control))
        assert np.abs(problem.gradient(special.x, special.control)).max() < 1e-9
        curvatures = np.linalg.eigvalsh(problem.hessian(special.x, special.control) / np.outer(scale, scale))
        assert np.abs(curvatures).min() < 1e-7


def test_a_climate(climate):
    """Five latents for 19 variables: their five thresholds, in order, one latent after the other."""
    loss = Loss.gaussian(latents=5)
    known = transitions(climate, loss)
    diagram = follow(Linear(climate, loss), 1.2 * known.beta[0], 0.7 * known.beta[-1])
    check_located(diagram.special, known.beta)
    assert [point.kernel_dimension for point in diagram.special] == [5, 4, 3, 2, 1]
    assert stability(diagram.branches) == [0]


@pytest.mark.slow
def test_the_climate_with_a_latent_for_each_variable(climate):
    """741 unknowns over six decades; the covariance has an eigenvalue of zero, which has no threshold."""
    loss = Loss.gaussian(latents=19)
    known = transitions(climate, loss)
    diagram = follow(Linear(climate, loss), climate.total_variance, 1e-6 * climate.total_variance)
    check_located(diagram.special, known.beta)
    assert [point.kernel_dimension for point in diagram.special] == list(range(19, 1, -1))
    assert len(known.beta) == 18
    assert stability(diagram.branches) == [0]
    state = equilibrium(climate, loss.at(1e-6 * climate.total_variance))
    last = diagram.branches[-1]
    np.testing.assert_allclose(last.order_parameters[-1][:18], state.signal_fraction, rtol=0, atol=SOLVED)
    assert last.loss[-1] == pytest.approx(float(state.free_energy / state.price), rel=1e-10)  # a sum of 18 logarithms


@pytest.mark.parametrize("convention", [{}, {"reconstruction": "mean", "half": False}, {"decoder_variance": 0.01}])
def test_normal_form_of_a_mode(convention):
    """κ₄ = 1/16 and μ′ = ½ at every threshold, whatever λ, units and the modes that live already.

    σ² ΔL = ½(1 − λ/τ) w² + w⁴/(4λ) at the threshold, and F is that over τ. In z, decoder and encoder share the
    amplitude r equally, so w = √τ r/√2: the quartic term is τ² r⁴/(16 λτ) = r⁴/16, the quadratic one has the slope
    ½ · r²/2 in ln τ, which is ½ μ′ r² with μ′ = ½. Growth is read from differences over 1e-4, to the square of that.
    """
    loss = Loss.gaussian(latents=4, **convention)
    spectrum = Spectrum.from_eigenvalues([50.0, 2.0, 0.7, 1e-3])
    known = transitions(spectrum, loss)
    diagram = follow(Linear(spectrum, loss), 1.3 * known.beta[0], 0.8 * known.beta[-1])
    assert len(diagram.special) == 4
    for point in diagram.special:
        assert point.form.quartic == pytest.approx(1 / 16, rel=COEFFICIENT)
        assert point.form.growth == pytest.approx(0.5, rel=1e-7)
        assert point.form.cubic == pytest.approx(0, abs=COEFFICIENT)


def test_normal_form_under_weight_decay():
    """κ₄ against the Landau expansion in symbols, of either sign.

    At the threshold w and e share r equally in z, and z_w = √((1 + γ_W)/τ) w, so r² = 2(1 + γ_W) w²/τ: with F the
    loss over τ, κ₄ = a₄ τ/(4(1 + γ_W)²) and μ′ = τ a₂′(τ)/(1 + γ_W).
    """
    gamma = sp.symbols("gamma_W gamma_E", positive=True)
    expansion = variations.weight_decay(*gamma).expansion(4)
    second = sp.diff(expansion.coefficients[2], linear.tau)
    evaluate = sp.lambdify([*gamma, linear.lam, linear.tau], [expansion.at_threshold[4], second])
    signs = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        lam, of_decoder, share = rng.uniform(0.3, 3), rng.uniform(0, 2), rng.uniform(0.1, 0.9)
        of_encoder = share * lam**2 / (1 + of_decoder)  # unstable at some price
        threshold = (lam**2 / (1 + of_decoder) - of_encoder) / lam
        problem = Linear(
            Spectrum.from_eigenvalues([lam]),
            Loss.gaussian(latents=1),
            decoder_decay=of_decoder,
            encoder_decay=of_encoder,
        )
        [point] = follow(problem, 1.2 * threshold, 0.8 * threshold, switch="never").special
        quartic, slope = evaluate(of_decoder, of_encoder, lam, threshold)
        expected = quartic * threshold / (4 * (1 + of_decoder) ** 2)
        assert point.control == pytest.approx(threshold, rel=LOCATED)
        assert point.form.quartic == pytest.approx(expected, rel=1e-5, abs=COEFFICIENT)  # the next order may be large
        assert point.form.growth == pytest.approx(threshold * slope / (1 + of_decoder), rel=1e-6)
        assert point.kind == f"{'supercritical' if quartic > 0 else 'subcritical'} pitchfork"
        signs.add(quartic > 0)
    assert signs == {True, False}


def test_further_columns_have_one_value_per_special_point():
    diagram = follow(Linear(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(latents=2)), 8, 0.5)
    assert [row["mine"] for row in diagram.table(Column("mine", ["a", "b"])).rows()] == ["a", "b"]
    with pytest.raises(InputError, match="must have 2 values, one per special point, but column 'mine' has 1") as short:
        diagram.table(Column("mine", ["a"]))
    assert short.value.argument == "columns"
    with pytest.raises(InputError, match=r"^columns is 'mine', but a Column is expected"):
        diagram.table("mine")


def test_halves_of_a_branch_are_joined_by_rising_control():
    problem = Linear(Spectrum.from_eigenvalues([4, 2, 1]), Loss.gaussian(latents=3))
    whole = follow(problem, 0.5, 8.0, switch="never").branches[0]
    middle = int(np.searchsorted(whole.control, 3.0))
    names = ("control", "x", "loss", "index", "order_parameters")
    falling = replace(
        whole, special=whole.special[:2][::-1], **{name: getattr(whole, name)[: middle + 1][::-1] for name in names}
    )
    rising = replace(whole, special=whole.special[2:], **{name: getattr(whole, name)[middle:] for name in names})
    found = joined(falling, rising)
    assert [point.control for point in found.special] == pytest.approx([1.0, 2.0, 4.0])
    for name in names:
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
