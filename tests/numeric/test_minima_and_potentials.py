"""Landau potentials, coexisting minima, and what results print."""

import json

import numpy as np
import pytest
from conftest import CLOSED, SOLVED
from gradient_systems import PITCHFORK_AND_FOLD, STIFF, Coupled, NoNumbers, Odd
from scipy.optimize import minimize

from landau_vae import Loss, Spectrum, equilibrium
from landau_vae.numeric.continuation import follow, hysteresis, landau_potential, minima
from landau_vae.numeric.problems import Linear, Problem


def one_mode():
    """λ = 1.7: the problem and its threshold."""
    problem = Linear(Spectrum.from_eigenvalues([1.7]), Loss.gaussian(latents=1))
    [special] = follow(problem, 3, 0.5).special
    return problem, special


def least_loss(lam, tau, r):
    """min F over all states of one mode with (w/√λ + g)/√2 = r, g eliminated by the constraint, less F at rest."""

    def free(v):
        w, log_s = v
        g, s = np.sqrt(2) * r - w / np.sqrt(lam), np.exp(log_s)
        error = 0.5 * (lam - 2 * np.sqrt(lam) * w * g + w**2 * (g**2 + s))
        return error / tau + 0.5 * (g**2 + s - 1 - log_s)

    start = [np.sqrt(lam / 2) * r, np.log(tau / (tau + lam / 2 * r**2))]
    return minimize(free, start, method="BFGS", options={"gtol": 1e-9}).fun - lam / (2 * tau)


def signal_potential(lam, tau, m):
    """F at the signal fraction m², less F at rest: σ²ℓ(m) = λ/2 − ½λm² − (τ/2) ln(1 − m²)."""
    return (-lam * m**2 / 2 - tau / 2 * np.log1p(-(m**2))) / tau


@pytest.mark.parametrize("tau", [2.2, 1.7, 1.0, 0.3])
def test_potential_of_a_mode(tau):
    """Above, at and below the threshold, against a direct minimisation under the same constraint.

    At rest z_w = w/√τ* and z_g = g, and the soft mode shares r equally, so r = (w/√λ + g)/√2. SOLVED: the other
    minimiser's gradients, by differences, end at 1e-8, and the loss differs by the square of that.
    """
    lam = 1.7
    problem, special = one_mode()
    r = np.linspace(0, 1.3, 27)
    potential = landau_potential(problem, special, [tau], r)
    assert np.all(np.isfinite(potential.value))
    np.testing.assert_allclose(potential.value[0], [least_loss(lam, tau, a) for a in r], rtol=0, atol=1e-10)
    np.testing.assert_allclose(landau_potential(problem, special, tau, -r).value, potential.value, atol=CLOSED)
    # The states of signal fraction m with ⟨z²⟩ = 1 have r = √2 m: the potential is the least of all with this r.
    excess = signal_potential(lam, tau, r / np.sqrt(2)) - potential.value[0]
    assert excess.min() > -CLOSED
    assert excess[-1] > 1e-3 or tau < 1


@pytest.mark.parametrize("tau", [1.6, 1.0, 0.3])
def test_depth_of_the_potential(tau):
    """Its minimum is the living state: m² = 1 − τ/λ at r = √2 m, and the closed form touches it there."""
    lam = 1.7
    problem, special = one_mode()
    m = np.sqrt(1 - tau / lam)
    r = np.sqrt(2) * m * np.array([0, 0.25, 0.5, 0.75, 0.99, 1, 1.01])
    potential = landau_potential(problem, special, [tau], r)
    depth = 0.5 + 0.5 * np.log(lam / tau) - lam / (2 * tau)  # F of the living state less that of the collapsed one
    assert depth < 0
    assert potential.value[0, 5] == pytest.approx(depth, rel=1e-10)
    assert signal_potential(lam, tau, m) == pytest.approx(depth, rel=CLOSED)
    assert potential.value[0].argmin() == 5
    assert potential.order_parameters[0, 5, 0] == pytest.approx(m**2, abs=1e-9)
    stable = follow(problem, 3, tau).branches[-1]
    assert stable.loss[-1] - lam / (2 * tau) == pytest.approx(depth, rel=1e-10)


def test_potential_near_the_threshold():
    """½ μ′ (q − q*) r² + κ₄ r⁴, with κ₄ = 1/16 and μ′ = ½; 5 %: the next orders at r² = 0.04 and q − q* = 0.02."""
    problem, special = one_mode()
    r, q = 0.2, np.array([-0.02, 0, 0.02])
    value = landau_potential(problem, special, special.control * np.exp(q), [0.1, r]).value[:, 1]
    np.testing.assert_allclose(value, q * r**2 / 4 + r**4 / 16, atol=0.05 * r**4 / 16 + 0.05 * 0.02 * r**2 / 4)


@pytest.mark.parametrize("count", [14, 131])
@pytest.mark.parametrize("eigenvalues", [[1.7, 1.7], [4.0, 1.7, 1.7], [1.7]])
def test_potential_of_a_multiplet(eigenvalues, count):
    """n equal modes with latents enough share r equally: V(r) = n V₁(r/√n); dense or not, it has no gaps."""
    problem = Linear(Spectrum.from_eigenvalues(eigenvalues), Loss.gaussian(latents=max(2, len(eigenvalues))))
    special = follow(problem, 6, 1).special[-1]
    n, r = eigenvalues.count(1.7), np.linspace(0, 1.3, count)
    alone, at_one = one_mode()
    for tau in (1.7, 1.0):
        value = landau_potential(problem, special, [tau], r).value[0]
        expected = n * landau_potential(alone, at_one, [tau], r / np.sqrt(n)).value[0]
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-9)


def test_coexisting_minima():
    """c = 0.15, between 0 and ¼: a = 0 and a² = ½ + √(¼ − c), both found, the better one first (c < 3/16)."""
    problem = Coupled(*PITCHFORK_AND_FOLD, **STIFF["two stiff"])
    for c in (0.15, 0.22):
        states = minima(problem, c)
        alive = 0.5 + np.sqrt(0.25 - c)
        depth = c * alive / 2 - alive**2 / 4 + alive**3 / 6
        expected = sorted([(0.0, 0.0), (depth, alive)])
        assert [state.loss for state in states] == pytest.approx([loss for loss, _ in expected], abs=1e-10)
        found = [float(state.order_parameters[0]) ** 2 for state in states]
        assert found == pytest.approx([square for _, square in expected], abs=SOLVED)
        assert sum(state.found for state in states) == 21
    for c, square in ((0.3, 0.0), (-0.1, 0.5 + np.sqrt(0.35))):
        [state] = minima(problem, c)
        assert float(state.order_parameters[0]) ** 2 == pytest.approx(square, abs=SOLVED)


@pytest.mark.parametrize("beta", [5.0, 2.0, 0.5])
@pytest.mark.parametrize("latents", [1, 2, 4])
def test_the_linear_vae_has_one_minimum(beta, latents):
    spectrum, loss = Spectrum.from_eigenvalues([4, 1, 1]), Loss.gaussian(beta=beta, latents=latents)
    [state] = minima(Linear(spectrum, loss), beta, starts=8)
    known = equilibrium(spectrum, loss)
    assert state.loss == pytest.approx(float(known.free_energy) / beta, rel=1e-9)
    assert state.found == 9
    np.testing.assert_allclose(state.order_parameters[:3], known.signal_fraction[:latents], rtol=0, atol=SOLVED)


def test_random_starts_are_the_callers():
    """The same seed gives the same states, another one others of the same loss."""
    problem = Linear(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(latents=1))
    one, again, other = (minima(problem, 1.0, starts=1, seed=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.x, again.x)
    assert other.loss == pytest.approx(one.loss, rel=1e-9)


def strict(content):
    return json.loads(json.dumps(content, allow_nan=False))


def test_output_of_a_diagram():
    diagram = follow(Linear(Spectrum.from_eigenvalues([4, 1, 1]), Loss.gaussian(latents=2)), 8, 0.5)
    assert repr(diagram) == "Diagram(3 branches, 2 special points, REACHED)"
    lines = diagram.summary().splitlines()
    assert lines[0] == repr(diagram)
    assert lines[2].split() == ["kind", "β", "±", "kernel", "index", "κ₃", "κ₄"]
    first = lines[4].split()
    assert first[:3] == ["1", "supercritical", "pitchfork"]
    assert float(first[3]) == pytest.approx(4)
    assert first[5:9] == ["2", "0", "→", "2"]
    assert float(first[-1]) == pytest.approx(1 / 16, rel=1e-3)
    assert lines[-1] == "The end of the range was reached."
    content = strict(diagram.to_dict())
    assert (content["control"], content["status"]) == ("β", "REACHED")
    assert [branch["parent"] for branch in content["branches"]] == [None, 0, 1]
    assert [point["kernel_dimension"] for point in content["special"]] == [2, 2]
    assert content["special"][0]["growth"] == pytest.approx(0.5, rel=1e-6)
    assert content["branches"][2]["order_parameters"][-1] == pytest.approx([0.875, 0.5], abs=SOLVED)
    assert len(content["branches"][0]["loss"]) == len(diagram.branches[0].control)
    quiet = follow(Linear(Spectrum.from_eigenvalues([4]), Loss.gaussian(latents=1)), 9, 8)
    assert "no special points" in quiet.summary()
    folds = follow(Coupled(*PITCHFORK_AND_FOLD), 1, -1)
    assert strict(folds.to_dict())["special"][1]["quartic"] is None
    assert folds.summary().splitlines()[5].split()[1] == "fold"


def test_arrays_of_results_are_sealed():
    branch = follow(Odd(), -1, -0.5).branches[0]
    for name in ("control", "x", "loss", "index", "order_parameters"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(branch, name)[0] = 0
    assert branch.x.shape == (len(branch.control), 1)


def test_output_of_a_loop():
    loop = hysteresis(Coupled(*PITCHFORK_AND_FOLD), 1, -1)
    assert repr(loop) == "Hysteresis(1 first-order jump)"
    lines = loop.summary().splitlines()
    assert lines[2].split() == ["c", "ends", "at", "a", "spinodal", "Maxwell", "returns", "width", "ΔF"]
    assert lines[4].split()[:3] == ["falling", "subcritical", "pitchfork"]
    assert lines[5].split()[:2] == ["rising", "fold"]
    assert [float(word) for word in lines[5].split()[2:]] == pytest.approx([0.25, 0.1875, 0, 0.25, 1 / 48], abs=1e-4)
    content = strict(loop.to_dict())
    assert content["continuous"] is False
    assert content["verdict"] == "1 first-order jump"
    [jump] = content["up"]["jumps"]
    assert (jump["control"], jump["at"]["kind"]) == (pytest.approx(0.25), "fold")
    smooth = hysteresis(Linear(Spectrum.from_eigenvalues([2, 1]), Loss.gaussian(latents=2)), 3, 0.5)
    assert smooth.summary() == repr(smooth)
    assert smooth.verdict.startswith("continuous: the only local minimum is the global one")
    failed = hysteresis(NoNumbers(), -1, 1)
    assert strict(failed.to_dict())["continuous"] is False


def test_states_within_a_sweep():
    """Anywhere between the points of a sweep, next to its jumps too, the state is solved for, and is the stable one."""
    problem = Coupled(*PITCHFORK_AND_FOLD)
    loop = hysteresis(problem, 1, -1)
    for c in (0.9, 0.31415, 1e-4):
        x, loss = loop.down.at(c)
        assert (x.tolist(), loss) == (pytest.approx([0], abs=CLOSED), pytest.approx(0, abs=CLOSED))
    for c in (-0.9, -0.2, 0.1, 0.24, 0.2499, 0.249999):
        x, loss = loop.up.at(c)
        square = 0.5 + np.sqrt(0.25 - c)
        assert float(x[0]) ** 2 == pytest.approx(square, rel=1e-9)
        assert loss == pytest.approx(c * square / 2 - square**2 / 4 + square**3 / 6, abs=1e-9)
    with pytest.raises(ValueError, match=r"c = 1\.5 lies outside the sweep"):
        loop.down.at(1.5)
    content = strict(loop.down.to_dict())
    assert content["status"] == "REACHED"
    assert len(content["jumps"]) == 1


def test_problems_state_what_they_must():
    """A subclass without a Hessian is none; what need not be said has a default."""

    class Half(Problem):
        def loss(self, x, control):
            return 0.0

    with pytest.raises(TypeError, match="abstract"):
        Half()
    problem = Odd()
    x = np.array([-2.0])
    assert problem.metric(x, 1.0).tolist() == [1]
    assert problem.orbit(x).shape == (0, 1)
    assert problem.order_parameters(x, 1.0).tolist() == [2]
    assert (problem.singular(1.0), problem.predicted(), problem.certificate) == (None, [], None)
