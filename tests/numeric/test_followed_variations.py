"""Learned variance, weight decay and two levels of latents, followed in β or λ against their closed forms."""

import numpy as np
import pytest
from conftest import SOLVED
from gradient_systems import JUMP, LOCATED, check_located, controls, stability

from landau_vae import Loss, Spectrum
from landau_vae.numeric._learned_variance import learned_variance
from landau_vae.numeric._weight_decay import weight_decay
from landau_vae.numeric.continuation import Status, follow, hysteresis, minima, sweep
from landau_vae.numeric.problems import Linear, Symbolic
from landau_vae.symbolic import hierarchy, linear

LEARNED = [([3, 1.2, 0.5], 1), ([3, 1.2, 0.5], 2), ([3, 0.5], 2), ([3, 0.5], 3), ([3, 1.2, 0], 1), ([3, 1.2, 0], 2),
           ([3, 1, 1, 0.2], 2), ([3, 1, 1], 4)]  # fmt: skip


learned = pytest.mark.parametrize(("eigenvalues", "latents"), LEARNED)


each_reduction = pytest.mark.parametrize("reduction", ["sum", "mean"])


def learned_case(eigenvalues, latents, reduction):
    """The problem, β·unit = d λ_k/Σ min(λ, λ_k) of each threshold (that at the limit not), and the limit."""
    lam = np.array(eigenvalues)
    spectrum = Spectrum.from_eigenvalues(lam)
    problem = Linear(spectrum, Loss.gaussian(latents=latents, reconstruction=reduction), learned_variance=True)
    unit = len(lam) if reduction == "mean" else 1.0
    modes = np.unique(lam[lam > 0][:latents])[::-1]
    thresholds = np.array([len(lam) * v / np.minimum(lam, v).sum() for v in modes])
    alive = np.count_nonzero(lam)
    limit = len(lam) / alive if latents >= alive else None
    return problem, thresholds[thresholds > (limit or 0) * (1 + 1e-9)] / unit, None if limit is None else limit / unit


@learned
@each_reduction
def test_learned_variance(eigenvalues, latents, reduction):
    """Thresholds, and at the end of the range the price that solves D(τ)/τ = d/β."""
    problem, thresholds, limit = learned_case(eigenvalues, latents, reduction)
    stop = 0.5 * thresholds[-1] if limit is None else 1.02 * limit
    diagram = follow(problem, 1.5 * thresholds[0], stop)
    check_located(diagram.special, thresholds)
    assert diagram.status is Status.REACHED
    assert stability(diagram.branches) == [0]
    unit = len(eigenvalues) if reduction == "mean" else 1
    price = float(learned_variance(problem.spectrum, latents).price(unit * stop))
    last = diagram.branches[-1]
    assert unit * stop * np.exp(last.x[-1, -1]) == pytest.approx(price, rel=SOLVED)
    lam = np.append(problem.spectrum.eigenvalues, np.zeros(latents))[:latents]
    expected = np.array([max(0, 1 - price / v) if v else 0 for v in lam])
    np.testing.assert_allclose(last.order_parameters[-1], expected, rtol=0, atol=SOLVED)


@pytest.mark.parametrize(("eigenvalues", "latents"), LEARNED[1::2])
def test_learned_variance_is_single_valued(eigenvalues, latents):
    problem, thresholds, limit = learned_case(eigenvalues, latents, "sum")
    loop = hysteresis(problem, 1.3 * thresholds[0], 0.6 * thresholds[-1] if limit is None else 1.02 * limit)
    assert loop.continuous
    assert loop.gap < 1e-10
    assert loop.verdict.startswith("continuous: one equilibrium at each β")


@pytest.mark.parametrize(("eigenvalues", "latents"), [case for case in LEARNED if case[1] >= np.count_nonzero(case[0])])
@each_reduction
def test_learned_variance_without_a_minimum(eigenvalues, latents, reduction):
    """Followed towards β = d/r and beyond, the branch ends just above it, with solved states up to there."""
    problem, thresholds, limit = learned_case(eigenvalues, latents, reduction)
    diagram = follow(problem, 1.5 * thresholds[0], 0.7 * limit)
    check_located(diagram.special, thresholds)
    assert diagram.status is Status.UNBOUNDED
    assert f"At β ≤ {limit:g} the learned decoder variance falls to 0" in diagram.reason
    last = diagram.branches[-1]
    assert 0 < last.control[-1] - limit < 1e-6
    assert np.all(np.diff(last.control) < 0)
    assert np.all(last.stable)
    for x, beta in zip(last.x[-3:], last.control[-3:], strict=True):
        assert np.abs(problem.gradient(x, beta)).max() < 1e-9
    least = min(v for v in eigenvalues if v)  # to it τ falls, with a slope of order one in β
    assert np.exp(last.x[-1, -1]) * limit * (len(eigenvalues) if reduction == "mean" else 1) == pytest.approx(
        least, rel=1e-5
    )
    for result in (follow(problem, 0.9 * limit, 2 * limit), sweep(problem, 0.9 * limit, 2 * limit)):
        [branch] = result.branches
        assert (len(branch.control), branch.x.size, result.status) == (0, 0, Status.UNBOUNDED)
        assert f"At β ≤ {limit:g}" in result.reason
    down = sweep(problem, 1.5 * thresholds[0], 0.7 * limit)
    assert (down.status, down.jumps) == (Status.UNBOUNDED, ())
    assert "did not reach its end: At β ≤" in hysteresis(problem, 1.5 * thresholds[0], 0.7 * limit).verdict
    assert minima(problem, 0.9 * limit, starts=2) == []


def decay_draws():
    """(eigenvalues, γ_W, γ_E), on either side of the tricritical γ_E ≥ λ²/2(1 + γ_W)."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        lam = np.sort(np.exp(rng.uniform(-1, 1.5, 1 + seed % 2)))[::-1]
        of_decoder = rng.uniform(0, 1.2)
        limit = lam[0] ** 2 / (1 + of_decoder)  # from it on the first mode's collapsed state is stable at any price
        yield pytest.param(lam, of_decoder, limit * rng.uniform(0.2, 0.95), id=str(seed))


def decay_case(lam, of_decoder, of_encoder):
    spectrum, loss = Spectrum.from_eigenvalues(lam), Loss.gaussian(latents=len(lam))
    known = weight_decay(spectrum, loss, decoder=of_decoder, encoder=of_encoder)
    return known, Linear(spectrum, loss, decoder_decay=of_decoder, encoder_decay=of_encoder)


@pytest.mark.parametrize(("lam", "of_decoder", "of_encoder"), list(decay_draws()))
def test_weight_decay(lam, of_decoder, of_encoder):
    """Where each mode falls, survives to, and is as good dead as alive: the closed forms, in both directions."""
    known, problem = decay_case(lam, of_decoder, of_encoder)
    unstable = np.isfinite(known.price)
    assert unstable.any()
    loop = hysteresis(problem, 1.2 * np.nanmax(known.spinodal), 0.7 * known.price[unstable].min())
    jumps = np.flatnonzero((known.kind == "first-order") & unstable)
    assert len(loop.down.jumps) == len(loop.up.jumps) == len(jumps)
    for i, down, up in zip(jumps, loop.down.jumps, loop.up.jumps[::-1], strict=True):
        ends = known.price[i], known.maxwell[i], known.spinodal[i]
        assert (down.control, down.maxwell, down.returns) == pytest.approx(ends, rel=JUMP)
        assert (up.returns, up.maxwell, up.control) == pytest.approx(ends, rel=JUMP)
        assert (down.at.kind, up.at.kind) == ("subcritical pitchfork", "fold")
    smooth = np.flatnonzero((known.kind == "continuous") & unstable)
    forks = [p for b in loop.down.branches for p in b.special if p.kind == "supercritical pitchfork"]
    np.testing.assert_allclose(controls(forks), known.price[smooth], rtol=LOCATED)
    assert (problem.certificate is None) == ("first-order" in known.kind)
    assert loop.continuous == (not len(jumps))
    assert loop.verdict.startswith(
        "continuous: γ_E ≤ γ_tri" if problem.certificate else ("no jump", "1 ", "2 ")[len(jumps)]
    )
    end = loop.down.branches[-1]
    np.testing.assert_allclose(
        end.order_parameters[-1], known.signal_fraction(end.control[-1])[: len(lam)], rtol=0, atol=SOLVED
    )


def test_a_mode_that_only_large_weights_keep_alive():
    """γ_E between λ²/(1 + γ_W) and λ²/γ_W: the collapsed state is stable at every price, and the other one better."""
    known, problem = decay_case([1.0], 0.5, 0.8)
    assert np.isnan(known.price[0])
    low = 0.5 * known.maxwell[0]
    assert follow(problem, 2, low).special == ()
    alive, dead = minima(problem, low)
    assert alive.loss < dead.loss
    assert dead.order_parameters.tolist() == [0]
    assert alive.order_parameters == pytest.approx(known.signal_fraction(low), abs=SOLVED)
    rising = sweep(problem, low, 2, x=alive.x)
    [jump] = rising.jumps
    assert (jump.control, jump.maxwell) == pytest.approx((known.spinodal[0], known.maxwell[0]), rel=JUMP)
    assert jump.returns is None  # the collapsed state does not end on the way back
    assert jump.width is None


@pytest.mark.parametrize("beta", [1.0, 0.1, 1e-3])
def test_a_mode_that_never_lives(beta):
    """λ² ≤ γ_W γ_E: no start falls to a living state."""
    known, problem = decay_case([1.0], 2.0, 0.55)
    assert known.kind.tolist() == ["never"]
    [state] = minima(problem, beta, starts=10, spread=2.0)
    assert state.order_parameters == pytest.approx([0], abs=SOLVED)
    assert state.loss == pytest.approx(1 / (2 * beta), rel=1e-9)
    assert state.found == 11


def phases(seed):
    """Random weights: β₁, β₂, σ and the second level's price τ₂ = β₂σ²/β₁."""
    beta1, beta2, sigma = np.exp(np.random.default_rng(seed).uniform(-1, 1, 3))
    weights = {hierarchy.beta1: beta1, hierarchy.beta2: beta2, hierarchy.sigma: sigma}
    return weights, beta1, beta2 * sigma**2, beta2 * sigma**2 / beta1


def two_levels(slow, control, numbers):
    """The hierarchy with both signal fractions: M₁² = 1 − s₁/A, M₂² of z₁ with second moment A."""
    moment = hierarchy.v1**2 * linear.lam + hierarchy.s1
    signal = hierarchy.v2**2 * moment
    orders = [1 - hierarchy.s1 / moment, signal / (signal + hierarchy.s2)]
    return Symbolic(hierarchy.mode_theory(slow, control), numbers, order_parameters=orders)


def level_fractions(lam, s1, beta1, beta2_S):
    """(M₁², M₂²) of the best state: A = ⟨z₁²⟩ is s₁, √(λs₁/β₁) or λs₁/(β₂σ²), and M₂² = 1 − τ₂/A where positive."""
    tau2 = beta2_S / beta1
    alone, both = np.sqrt(lam * s1 / beta1), lam * s1 / beta2_S
    moment = max(s1, alone if alone <= tau2 else both)
    return [1 - s1 / moment, max(0, 1 - tau2 / moment)]


def check_levels(diagram, numbers_at):
    """Both signal fractions at every point."""
    for branch in diagram.branches:
        for control, found in zip(branch.control, branch.order_parameters, strict=True):
            np.testing.assert_allclose(found, level_fractions(*numbers_at(control)), rtol=0, atol=SOLVED)


@pytest.mark.parametrize("seed", range(5))
def test_second_level_joins_the_first(seed):
    """s₁ < τ₂: the first level wakes at λ = β₁s₁, then the second at λ = β₂²σ⁴/(β₁s₁), which is found, not told."""
    weights, beta1, beta2_S, tau2 = phases(seed)
    s1 = np.random.default_rng(100 + seed).uniform(0.3, 0.9) * tau2
    problem = two_levels(hierarchy.w1, linear.lam, {**weights, hierarchy.s1: s1})
    thresholds = [beta1 * s1, beta2_S**2 / (beta1 * s1)]
    diagram = follow(problem, 0.5 * thresholds[0], 2 * thresholds[1])
    check_located(diagram.special, thresholds)
    assert [point.kind for point in diagram.special] == 2 * ["supercritical pitchfork"]
    assert stability(diagram.branches) == [0]
    check_levels(diagram, lambda lam: (lam, s1, beta1, beta2_S))
    first = diagram.branches[1].order_parameters[1:-1]
    assert np.all(first[:, 0] > 0)
    assert np.all(first[:, 1] == 0)


@pytest.mark.parametrize("seed", range(3))
def test_first_level_joins_the_second(seed):
    """s₁ > τ₂: the second level encodes the noise of the first, which wakes at λ = β₂σ², whatever β₁ and s₁."""
    weights, beta1, beta2_S, tau2 = phases(seed)
    s1 = np.random.default_rng(200 + seed).uniform(1.1, 4) * tau2
    problem = two_levels(hierarchy.w1, linear.lam, {**weights, hierarchy.s1: s1})
    [state] = minima(problem, 0.5 * beta2_S, starts=5)
    assert state.order_parameters == pytest.approx([0, 1 - tau2 / s1], abs=SOLVED)
    diagram = follow(problem, 0.5 * beta2_S, 2 * beta2_S, x=state.x)
    check_located(diagram.special, [beta2_S])
    assert stability(diagram.branches) == [0]
    check_levels(diagram, lambda lam: (lam, s1, beta1, beta2_S))


@pytest.mark.parametrize("seed", range(3))
def test_second_level_wakes_alone(seed):
    """λ < β₂σ² and s₁ raised: the second level wakes at s₁ = τ₂ over a dead first one; lowered: the first at λ/β₁."""
    weights, beta1, beta2_S, tau2 = phases(seed)
    share = np.random.default_rng(300 + seed).uniform(0.3, 0.8)
    problem = two_levels(hierarchy.w2, hierarchy.s1, {**weights, linear.lam: share * beta2_S})
    start = (1 + share) / 2 * tau2
    for stop, threshold in ((2 * tau2, tau2), (0.3 * share * tau2, share * tau2)):
        diagram = follow(problem, start, stop)
        check_located(diagram.special, [threshold])
        assert stability(diagram.branches) == [0]
        check_levels(diagram, lambda s1: (share * beta2_S, s1, beta1, beta2_S))


@pytest.mark.parametrize("seed", [0, 1, 2, 23])
def test_levels_die_in_the_opposite_order_without_a_jump(seed):
    """Towards small λ the branches merge, one in the other, which is no jump (there is one minimum at any λ)."""
    weights, _, beta2_S, tau2 = phases(seed)
    rng = np.random.default_rng(seed)
    share = np.exp(-rng.uniform([0, 0, 0, 0.1], [1, 1, 1, 1.5])[-1])
    s1 = share * tau2
    problem = two_levels(hierarchy.w1, linear.lam, {**weights, hierarchy.s1: s1})
    loop = hysteresis(problem, 2 * beta2_S / share, 0.5 * share * beta2_S)
    assert loop.continuous
    falling = [point for branch in loop.down.branches for point in branch.special]
    for point, true in zip(falling, [beta2_S / share, share * beta2_S], strict=True):
        assert point.ends
        assert point.interval[0] <= true <= point.interval[1]
        assert point.precision < 1e-4  # of a branch that ends in another one the end is less sharp
    assert loop.down.branches[0].order_parameters[0].min() > 0
    assert loop.down.branches[1].order_parameters[1:-1, 1].max() == pytest.approx(0, abs=SOLVED)
