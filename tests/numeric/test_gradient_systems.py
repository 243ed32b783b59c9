"""Small gradient systems whose every special point can be written down: folds, pitchforks, jumps, closed branches."""

import numpy as np
import pytest
import sympy as sp
from conftest import CLOSED, SOLVED
from gradient_systems import (
    HALF,
    JUMP,
    LOCATED,
    PITCHFORK_AND_FOLD,
    STIFF,
    THIRD,
    Coupled,
    check_located,
    controls,
    stability,
)

from landau_vae.numeric.continuation import Status, follow, hysteresis, sweep
from landau_vae.numeric.problems import Problem, Symbolic
from landau_vae.symbolic import Landau

TRANSCRITICAL = ([0, 0, 0, -THIRD, 1 / 4], [0, 0, -HALF, 0, 0])  # −c a²/2 − a³/3 + a⁴/4


coupled = pytest.mark.parametrize("stiff", STIFF.values(), ids=STIFF)


def test_derivatives_of_the_small_systems(rng):
    """1e-8: central differences at 1e-4 of polynomials with coefficients of order 1e2."""
    problem = Coupled(*PITCHFORK_AND_FOLD, **STIFF["two stiff"])
    x, step = rng.normal(size=3), 1e-4 * np.eye(3)
    of_loss = [(problem.loss(x + h, 0.3) - problem.loss(x - h, 0.3)) / 2e-4 for h in step]
    of_gradient = [(problem.gradient(x + h, 0.3) - problem.gradient(x - h, 0.3)) / 2e-4 for h in step]
    np.testing.assert_allclose(problem.gradient(x, 0.3), of_loss, rtol=1e-5)
    np.testing.assert_allclose(problem.hessian(x, 0.3), of_gradient, rtol=1e-5)
    np.testing.assert_allclose(problem.drift(x, 0.3), problem.gradient(x, 1.0) - problem.gradient(x, 0.0), rtol=1e-9)


@coupled
def test_pitchfork_and_fold(stiff):
    """∂V/∂a = a (c − a² + a⁴): a pitchfork at 0, a fold at c = ¼ where a² = ½; it bends back and is stable again."""
    problem = Coupled(*PITCHFORK_AND_FOLD, **stiff)
    diagram = follow(problem, 1, -1)
    check_located(diagram.special, [0, 0.25])
    pitchfork, fold = diagram.special
    assert (pitchfork.kind, pitchfork.index) == ("subcritical pitchfork", (0, 1))
    assert (fold.kind, fold.index, fold.form) == ("fold", (1, 0), None)
    assert pitchfork.form.quartic == pytest.approx(-1 / 4, rel=1e-5)
    assert (problem.R.T @ fold.x)[0] ** 2 == pytest.approx(0.5, abs=1e-5)  # the root of what the location leaves
    assert fold.loss == pytest.approx(1 / 48, abs=1e-9)
    assert diagram.status is Status.REACHED
    assert stability(diagram.branches) == [0, 1, 0]
    for branch in diagram.branches[1:]:
        a, c = branch.order_parameters[:, 0], branch.control
        np.testing.assert_allclose(c - a**2 + a**4, 0, atol=1e-9)
        assert (branch.control[-1], branch.parent) == (-1, pitchfork)
        np.testing.assert_array_equal(branch.index, a**2 < 0.5)


@coupled
def test_hysteresis_of_pitchfork_and_fold(stiff):
    """Falls at 0 to a² = 1 and at ¼ from a² = ½; between them V = 0 where a² = ¾, c = 3/16."""
    loop = hysteresis(Coupled(*PITCHFORK_AND_FOLD, **stiff), 1, -1)
    [down], [up] = loop.down.jumps, loop.up.jumps
    for jump in (down, up):
        assert jump.maxwell == pytest.approx(3 / 16, abs=JUMP)
        assert jump.width == pytest.approx(1 / 4, abs=JUMP)
    assert (down.control, up.returns) == pytest.approx((0, 0), abs=JUMP)
    assert (up.control, down.returns) == pytest.approx((0.25, 0.25), abs=JUMP)
    assert (down.at.kind, up.at.kind) == ("subcritical pitchfork", "fold")
    # The fall begins 1e-6 behind the spinodal: the loss there differs by about half of that.
    assert (down.drop, up.drop) == pytest.approx((1 / 12, 1 / 48), abs=1e-6)
    assert np.abs([*down.before, *down.after, *up.after]) == pytest.approx([0, 1, 0], abs=1e-5)
    assert not loop.continuous
    assert loop.gap < 1e-9
    assert loop.verdict == "1 first-order jump"
    assert loop.down.status is loop.up.status is Status.REACHED


def test_the_fall_ends_in_the_lower_state():
    """V = c a²/2 − a⁴/4 + a⁵/10 + a⁶/6 falls from c = 0 to either side, where a² + a/2 = 1; deeper where a < 0."""
    problem = Coupled([0, 0, 0, 0, -1 / 4, 1 / 10, 1 / 6], [0, 0, HALF, 0, 0, 0, 0])
    sides = [(-0.5 + side * np.sqrt(4.25)) / 2 for side in (1, -1)]
    depths = [-(a**4) / 4 + a**5 / 10 + a**6 / 6 for a in sides]
    assert depths[1] < depths[0] < 0
    [jump] = sweep(problem, 1, -1).jumps
    assert jump.after == pytest.approx([sides[1]], abs=1e-5)  # 1e-6 behind the spinodal
    assert jump.drop == pytest.approx(-depths[1], abs=1e-5)


def test_a_fold_alone():
    """V = a³/3 − c a: two states at c = a², none below. Followed round; a sweep falls without end."""
    problem = Coupled([0, 0, 0, THIRD], [0, -1, 0, 0])
    diagram = follow(problem, 1, -1, x=[1.0])
    check_located(diagram.special, [0])
    assert diagram.special[0].kind == "fold"
    assert stability(diagram.branches) == [0, 1]
    [branch] = diagram.branches
    np.testing.assert_allclose(branch.order_parameters[:, 0] ** 2, branch.control, atol=1e-9)
    assert branch.order_parameters[-1] == pytest.approx([-1])
    fall = sweep(problem, 1, -1, x=[1.0])
    assert fall.status is Status.UNBOUNDED
    assert fall.branches[0].control[-1] == pytest.approx(0, abs=LOCATED)
    assert fall.jumps == ()


@coupled
def test_fold_with_a_bottom(stiff):
    """V = a⁴/4 − a²/2 − c a has folds at c = ±2/(3√3), a = ∓1/√3, and a Maxwell point at 0 by symmetry."""
    problem = Coupled([0, 0, -HALF, 0, 1 / 4], [0, -1, 0, 0, 0], **stiff)
    start, edge = 1.5213797068045676, 2 / (3 * np.sqrt(3))  # a³ − a = 2
    loop = hysteresis(problem, 2, -2, x=problem.at(start))
    [down], [up] = loop.down.jumps, loop.up.jumps
    assert (down.control, up.control) == pytest.approx((-edge, edge), abs=JUMP)
    for jump in (down, up):
        assert jump.at.kind == "fold"
        assert jump.maxwell == pytest.approx(0, abs=JUMP)
        assert jump.width == pytest.approx(2 * edge, abs=JUMP)
        assert jump.drop == pytest.approx(0.75, abs=2e-6)  # 1e-6 behind the fold, times a difference of a of √3
    assert stability(follow(problem, 2, -2, x=problem.at(start)).branches) == [0, 1, 0]


@pytest.mark.parametrize("width", [1.0, 0.3, 0.1, 0.01])
def test_cusp(width):
    """V = a⁴/4 − k a²/2 − h a, h swept: folds at 27 h² = 4 k³, however narrow the loop is beside the step."""
    problem = Coupled([0, 0, -width / 2, 0, 1 / 4], [0, -1, 0, 0, 0])
    edge = 2 * (width / 3) ** 1.5
    start = next(root.real for root in np.roots([1, 0, -width, -2]) if root.real > 1)
    diagram = follow(problem, 2, -2, x=[start])
    check_located(diagram.special, [-edge, edge])
    assert stability(diagram.branches) == [0, 1, 0]
    loop = hysteresis(problem, 2, -2, x=[start])
    [down], [up] = loop.down.jumps, loop.up.jumps
    assert (down.control, up.control) == pytest.approx((-edge, edge), abs=1e-9)
    assert (down.maxwell, up.maxwell) == pytest.approx((0, 0), abs=1e-9)
    assert (down.width, up.width) == pytest.approx((2 * edge, 2 * edge), abs=1e-9)


def test_no_cusp():
    problem = Coupled([0, 0, 1 / 4, 0, 1 / 4], [0, -1, 0, 0, 0])
    loop = hysteresis(problem, 2, -2)
    assert loop.continuous
    assert loop.verdict == "no jump was found; no theorem excludes one elsewhere"
    assert loop.gap < CLOSED


@coupled
def test_transcritical(stiff):
    """∂V/∂a = a (−c − a + a²): the branch a ≈ −c crosses the state of rest at 0, where they exchange stability.

    Away from 0 it turns at c = −¼, a = ½. κ₃ = −⅓ along â = +1; its sign goes with that of â.
    """
    problem = Coupled(*TRANSCRITICAL, **stiff)
    diagram = follow(problem, -1, 1, switch="always")
    check_located(diagram.special, [0, -0.25])
    point, fold = diagram.special
    assert (point.kind, point.index, fold.kind) == ("transcritical", (0, 1), "fold")
    along = (problem.R.T @ point.form.kernel @ point.form.direction)[0]
    assert abs(along) == pytest.approx(1)
    assert point.form.cubic * along == pytest.approx(-1 / 3, rel=1e-6)
    assert point.form.growth == pytest.approx(-1, rel=1e-6)
    ends = {(round(float(b.order_parameters[-1, 0]), 6), int(b.index[-1])) for b in diagram.branches}
    assert ends == {(0, 1), (-0.618034, 0), (1.618034, 0)}  # all three roots at c = 1
    for branch in diagram.branches[1:]:
        a, c = branch.order_parameters[:, 0], branch.control
        np.testing.assert_allclose(a**2 - a - c, 0, atol=1e-9)


@coupled
def test_exchange_of_stability(stiff):
    """The state goes on along the branch that is stable beyond, a ≈ −c, without a jump."""
    problem = Coupled(*TRANSCRITICAL, **stiff)
    forth = follow(problem, -1, 1)
    assert stability(forth.branches) == [0]
    assert forth.branches[-1].order_parameters[-1, 0] == pytest.approx((1 - np.sqrt(5)) / 2, abs=SOLVED)
    carried = sweep(problem, -1, 1)
    assert carried.jumps == ()
    np.testing.assert_allclose(carried.branches[-1].x[-1], forth.branches[-1].x[-1], atol=1e-9)


@coupled
def test_exchange_of_stability_from_the_other_side(stiff):
    """Along a ≈ −c towards c = 0 and on at rest: the same branch point, reached along its other branch."""
    problem = Coupled(*TRANSCRITICAL, **stiff)
    start = problem.at((1 - np.sqrt(5)) / 2)
    back = follow(problem, 1, -1, x=start)
    assert stability(back.branches) == [0]
    assert back.branches[-1].control[-1] == -1
    assert back.branches[-1].order_parameters[-1, 0] == pytest.approx(0, abs=SOLVED)
    assert sweep(problem, 1, -1, x=start).jumps == ()


def test_tricritical():
    """V = −c a²/2 + a⁶/6: no quartic term; a⁴ = c."""
    problem = Coupled([0, 0, 0, 0, 0, 0, 1 / 6], [0, 0, -HALF, 0, 0, 0, 0])
    diagram = follow(problem, -1, 1)
    check_located(diagram.special, [0])
    assert diagram.special[0].kind == "degenerate pitchfork"
    assert diagram.special[0].form.quartic == pytest.approx(0, abs=1e-5)
    assert stability(diagram.branches) == [0]
    branch = diagram.branches[-1]
    assert branch.control[-1] == 1
    np.testing.assert_allclose(branch.order_parameters[:, 0] ** 4, branch.control, atol=1e-9)


def test_tricritical_and_back():
    loop = hysteresis(Coupled([0, 0, 0, 0, 0, 0, 1 / 6], [0, 0, -HALF, 0, 0, 0, 0]), -1, 1)
    assert loop.continuous


@pytest.mark.parametrize("tilt", [0.1, 1e-3, 1e-5, 1e-7])
def test_imperfect_pitchfork(tilt):
    """V = a⁴/4 − c a²/2 − h a: the stable branch passes without a special point, the other side ends in a fold."""
    problem = Coupled([0, -tilt, 0, 0, 1 / 4], [0, 0, -HALF, 0, 0])
    diagram = follow(problem, -1, 1, x=[tilt])
    assert diagram.special == ()
    assert stability(diagram.branches) == [0]
    assert diagram.branches[-1].order_parameters[-1] == pytest.approx([np.roots([1, 0, -1, -tilt]).max()])
    other = follow(problem, 1, -1, x=[-1.0])
    assert [point.kind for point in other.special] == ["fold"]
    check_located(other.special, [3 * (tilt / 2) ** (2 / 3)])


def test_a_closed_branch():
    """∂V/∂a = a ((a − ½)² + c² − 1): a circle through the state of rest at c = ±√¾, which turns at c = ±1."""
    a, c = sp.symbols("a c", real=True)
    force = sp.expand(a * ((a - sp.Rational(1, 2)) ** 2 + c**2 - 1))
    problem = Symbolic(Landau(sp.integrate(force, a), a, (), c, {a: 0}), order_parameters=[a])
    crossing = np.sqrt(0.75)
    diagram = follow(problem, -2, 2, switch="always", max_points=100, max_branches=4)
    assert diagram.status is not Status.STEPS
    np.testing.assert_allclose(np.sort(controls(diagram.special)), [-1, -crossing, crossing, 1], rtol=1e-5)
    stable = follow(problem, -2, 2, max_branches=4)
    assert stability(stable.branches) == [0]
    assert [branch.control[-1] for branch in stable.branches] == pytest.approx([-crossing, crossing, 2], rel=1e-5)


class Exchange(Problem):
    """F = Σ ½ μ_i y_i² + ¼ y_i⁴ with μ = (−1, c, w − c): at rest, y₂ gains its stability at 0, y₃ loses it at w."""

    control, logarithmic, w = "c", False, 2e-3

    def stiffness(self, c):
        return np.array([-1, c, self.w - c])

    def loss(self, x, c):
        return float(np.sum(self.stiffness(c) * x**2 / 2 + x**4 / 4))

    def gradient(self, x, c):
        return self.stiffness(c) * x + x**3

    def hessian(self, x, c):
        return np.diag(self.stiffness(c) + 3 * x**2)

    def drift(self, x, c):
        return np.array([0, 1, -1]) * x

    def rest(self, c):
        return np.zeros(3)


def test_two_directions_that_change_places_within_a_step():
    """The index is 2 far to either side, and a step is thirty times as long as what lies between the two points."""
    diagram = follow(Exchange(), -1, 1, switch="never")
    check_located(diagram.special, [0, Exchange.w])
    assert [point.index for point in diagram.special] == [(2, 1), (1, 2)]


class Threefold(Problem):
    """F = −c |x|²/2 + (x³ − 3xy²)/3 + |x|⁴/4 in the plane: both directions vanish at 0, with a cubic invariant.

    Along y = 0 it is −c x²/2 + x³/3 + x⁴/4: the minima lie at x = −(1 + √(1 + 4c))/2, from the fold at c = −¼, x = −½.
    """

    control, logarithmic = "c", False

    def loss(self, x, c):
        a, b = x
        return float(-c * (x @ x) / 2 + (a**3 - 3 * a * b**2) / 3 + (x @ x) ** 2 / 4)

    def gradient(self, x, c):
        a, b = x
        return -c * x + np.array([a**2 - b**2, -2 * a * b]) + (x @ x) * x

    def hessian(self, x, c):
        a, b = x
        return -c * np.eye(2) + 2 * np.array([[a, -b], [-b, -a]]) + (x @ x) * np.eye(2) + 2 * np.outer(x, x)

    def drift(self, x, c):
        return -x

    def rest(self, c):
        return np.zeros(2)


def test_a_threefold_transition_is_first_order():
    """Two eigenvalues vanish at once, the cubic decides: through the fold to a minimum, and a jump for a sweep."""
    diagram = follow(Threefold(), -1, 1)
    point, fold = diagram.special[:2]
    assert (point.kind, point.kernel_dimension, point.index) == ("transcritical", 2, (0, 2))
    assert abs(point.form.cubic) == pytest.approx(1 / 3, rel=1e-6)
    assert (fold.kind, fold.control) == ("fold", pytest.approx(-0.25, abs=LOCATED))
    assert diagram.branches[-1].stable[-1]
    assert diagram.branches[-1].order_parameters[-1, 0] == pytest.approx((1 + np.sqrt(5)) / 2, abs=SOLVED)
    [jump] = sweep(Threefold(), -1, 1).jumps
    assert (jump.control, jump.returns) == (pytest.approx(0, abs=LOCATED), pytest.approx(-0.25, abs=LOCATED))
    assert jump.maxwell == pytest.approx(-2 / 9, abs=1e-9)  # c = a²/2 + 2a/3 and c = a + a² at a = −⅔
