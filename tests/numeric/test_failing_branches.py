"""Failure is an answer: a status with advice and the branch as far as it came, or one sentence for bad input."""

import numpy as np
import pytest
from conftest import CLOSED
from gradient_systems import HALF, LOCATED, PITCHFORK_AND_FOLD, Coupled, NoNumbers, Odd, check_located, stability

from landau_vae import InputError, Loss, OutsideTheory, Spectrum
from landau_vae.numeric.continuation import Status, follow, hysteresis, landau_potential, minima, sweep
from landau_vae.numeric.problems import Linear


class WrongHessian(Odd):
    def hessian(self, x, c):
        return np.array([-3 * x**2 - c])


class Torn(Odd):
    """The gradient jumps at c = 0.3."""

    def gradient(self, x, c):
        return x - (c > 0.3)

    def hessian(self, x, c):
        return np.eye(1)

    def drift(self, x, c):
        return np.zeros(1)


class Away(Odd):
    """F = c a + e⁻ᵃ: the state a = −ln c is gone to infinity at c = 0."""

    def loss(self, x, c):
        return float(c * x[0] + np.exp(-x[0]))

    def gradient(self, x, c):
        return c - np.exp(-x)

    def hessian(self, x, c):
        return np.array([np.exp(-x)])

    def drift(self, x, c):
        return np.ones(1)


def test_a_start_that_is_none():
    problem = Linear(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(latents=2))
    for start in (np.full(10, 30.0), np.full(10, np.nan)):
        diagram = follow(problem, 8, 0.5, x=start)
        assert diagram.status is Status.NOT_STATIONARY
        assert "give a better one (x=)" in diagram.reason
        assert [branch.control.size for branch in diagram.branches] == [0]
    assert follow(NoNumbers(), 1, -1).status is Status.NOT_STATIONARY


def test_a_start_far_away():
    problem = Linear(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(latents=2))
    assert follow(problem, 8, 0.5, x=np.full(10, 1e4)).status is Status.NOT_STATIONARY


def test_where_numbers_end():
    """The branch is kept up to 1e-9 before the place, in every mode of following, and soon."""
    for switch, count in (("stability", 2), ("never", 1), ("always", 2)):
        diagram = follow(NoNumbers(), -1, 1, switch=switch)
        assert diagram.status is Status.UNDERFLOW
        assert "may not be smooth here, or its derivatives not exact" in diagram.reason
        assert len(diagram.branches) == count
        assert diagram.branches[-1].control[-1] == pytest.approx(0.7, abs=1e-8)
        check_located(diagram.special, [0])
    carried = sweep(NoNumbers(), -1, 1)
    assert carried.status is Status.UNDERFLOW
    assert carried.branches[-1].control[-1] == pytest.approx(0.7, abs=1e-8)
    loop = hysteresis(NoNumbers(), -1, 1)
    assert np.isnan(loop.gap)
    assert not loop.continuous
    assert loop.verdict.startswith("the sweep did not reach its end: No state was found")


def test_a_descent_where_nothing_is_finite():
    """A status or an empty answer, not an exception of a routine inside."""
    assert sweep(NoNumbers(), 1, -1).status.failed
    assert minima(NoNumbers(), 1.0, starts=2) == []


def test_a_gradient_that_jumps():
    diagram = follow(Torn(), -1, 1)
    assert diagram.status is Status.UNDERFLOW
    assert diagram.branches[-1].control[-1] == pytest.approx(0.3, abs=1e-8)
    assert len(diagram.branches[-1].control) > 10


def test_a_wrong_hessian():
    """At rest it is right, so the threshold is found; no state is found beyond it, which is said."""
    diagram = follow(WrongHessian(), -1, 1)
    check_located(diagram.special, [0])
    assert diagram.status in (Status.STRANDED, Status.UNDERFLOW)
    assert follow(WrongHessian(), -1, 1, switch="never").status is Status.REACHED
    assert sweep(WrongHessian(), -1, 1).status.failed


def test_a_branch_that_runs_away():
    """However long it is followed, what is kept has been solved for: a = −ln c."""
    diagram = follow(Away(), 1.0, -1.0, max_points=300)
    assert diagram.status in (Status.UNBOUNDED, Status.STEPS)
    [branch] = diagram.branches
    assert 0 < branch.control[-1] < 1e-3
    np.testing.assert_allclose(branch.x[:, 0], -np.log(branch.control), rtol=1e-6, atol=1e-9)
    assert np.all(branch.stable)
    assert sweep(Away(), 1.0, -1.0, max_points=100).status in (Status.UNBOUNDED, Status.STEPS)


def test_a_loss_without_a_bottom():
    """V = c a²/2 − a⁴/4: the state of rest is a minimum for c > 0, and nothing else is one."""
    problem = Coupled([0, 0, 0, 0, -1 / 4], [0, 0, HALF, 0, 0])
    fall = sweep(problem, 1, -1)
    assert fall.status is Status.UNBOUNDED
    assert "runs off to infinity" in fall.reason
    assert fall.jumps == ()
    assert fall.branches[0].control[-1] == pytest.approx(0, abs=LOCATED)
    assert fall.branches[1].control.size == 0
    assert sweep(problem, -1, 1).status is Status.UNBOUNDED
    assert minima(problem, -1.0, starts=1) == []
    [state] = minima(problem, 1.0, starts=4, spread=5.0)
    assert state.loss == pytest.approx(0, abs=CLOSED)
    assert state.found < 5  # from beyond the barrier, a² > c, there is no bottom
    turned = follow(problem, 1, -1)
    assert turned.special[0].kind == "subcritical pitchfork"
    assert stability(turned.branches) == [0, 1]
    assert turned.branches[-1].control[-1] == 1  # back where it came from


def test_steps_that_are_used_up():
    problem = Linear(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(latents=2))
    diagram = follow(problem, 8, 0.5, max_points=10)
    assert (diagram.status, len(diagram.branches[0].control)) == (Status.STEPS, 10)
    assert "raise max_points" in diagram.reason
    assert sweep(problem, 8, 0.5, max_points=10).status is Status.STEPS
    assert "number of steps was used up" in hysteresis(problem, 8, 0.5, max_points=10).verdict
    short, long = (follow(problem, 8, 5, max_step=step) for step in (0.005, 0.2))
    assert len(short.branches[0].control) > 4 * len(long.branches[0].control)
    assert np.diff(np.log(short.branches[0].control)).min() >= -0.005 * (1 + CLOSED)


@pytest.mark.parametrize("switch", ["stability", "always"])
def test_branches_that_are_used_up(switch):
    """Two of three branches is not the end of the range, and is said."""
    problem = Linear(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(latents=2))
    diagram = follow(problem, 8, 0.5, switch=switch, max_branches=2)
    assert len(diagram.branches) == 2
    assert diagram.status.failed


def test_interrupted():
    """Ctrl-C keeps what was found: the first branch whole, the second as far as it came."""
    problem = Linear(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(latents=2))

    def interrupting():
        seen = []

        def on_progress(beta):
            seen.append(beta)
            if beta < 2:
                raise KeyboardInterrupt

        return seen, on_progress

    for verb in (follow, sweep):
        seen, on_progress = interrupting()
        result = verb(problem, 8, 0.5, on_progress=on_progress)
        assert result.status is Status.INTERRUPTED
        assert [branch.status.name for branch in result.branches] == ["LEFT", "INTERRUPTED"]
        assert result.branches[1].control[-1] == seen[-1] < 2
        assert np.all(result.branches[1].control[:-1] > 2)
    seen, on_progress = interrupting()
    loop = hysteresis(problem, 8, 0.5, on_progress=on_progress)
    assert loop.down.status is Status.INTERRUPTED
    assert loop.verdict == "the sweep did not reach its end: Interrupted; what was found until then is kept."


@pytest.mark.parametrize("verb", [follow, sweep, hysteresis])
@pytest.mark.parametrize(
    ("start", "stop", "options", "words"),
    [
        (1, 1, {}, "between two different positive numbers, but β from 1.0 to 1.0 was given: change"),
        (-1, 1, {}, "positive numbers, but β from -1.0 to 1.0"),
        (1, 0, {}, "positive numbers, but β from 1.0 to 0.0"),
        (float("nan"), 1, {}, "is nan, but a finite number is expected"),
        (1, float("inf"), {}, "is inf, but a finite number is expected"),
        (1, 2, {"max_points": 1}, "max_points is 1, but a whole number from 2 on is expected"),
        (1, 2, {"max_step": 0}, "max_step is 0, but a number above 0 is expected"),
        (1, 2, {"max_step": -0.1}, "max_step is -0.1, but a number above 0 is expected"),
        (1, 2, {"max_step": float("nan")}, "max_step is nan, but a number above 0 is expected"),
    ],
)
def test_bad_ranges(verb, start, stop, options, words):
    with pytest.raises(InputError) as caught:
        verb(Linear(Spectrum.from_eigenvalues([4, 1])), start, stop, **options)
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")


def test_other_bad_input():
    problem = Linear(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(latents=2))
    with pytest.raises(InputError, match="switch is 'sometimes', but 'stability', 'always' or 'never' is expected"):
        follow(problem, 8, 1, switch="sometimes")
    with pytest.raises(InputError, match=r"between two different numbers, but c from 1.0 to 1.0 was given"):
        follow(Odd(), 1, 1)
    for options in ({"starts": 0}, {"spread": 0}, {"spread": float("nan")}):
        with pytest.raises(
            InputError, match=r"starts is 0, but a whole number|spread is (0|nan), but a number above 0"
        ):
            minima(problem, 1.0, **options)
    [_, fold] = follow(Coupled(*PITCHFORK_AND_FOLD), 1, -1).special
    with pytest.raises(OutsideTheory, match=r"A fold has no direction in which a branch leaves"):
        landau_potential(Coupled(*PITCHFORK_AND_FOLD), fold, [0.1], [0.1])


@pytest.mark.parametrize("verb", [follow, sweep, hysteresis])
def test_a_start_of_the_wrong_size(verb):
    problem = Linear(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(latents=2))
    with pytest.raises(InputError):
        verb(problem, 8, 1, x=[0.0, 1.0, 2.0])


def test_a_branch_that_turns_back():
    """V = c a²/2 − a⁴/4: the state leaves subcritically, towards where it came from, and that is no arrival."""
    diagram = follow(Coupled([0, 0, 0, 0, -1 / 4], [0, 0, HALF, 0, 0]), 1, -1)
    assert diagram.status is Status.RETURNED
    assert diagram.branches[-1].control[-1] == 1


def test_controls_that_are_none():
    problem = Linear(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(latents=2))
    [special, _] = follow(problem, 8, 0.5).special
    for bad in (-1.0, 0.0, float("nan")):
        with pytest.raises(InputError, match=r"(β|control) is .*, but a (positive|finite) number is expected"):
            minima(problem, bad)
        with pytest.raises(InputError, match=r"a positive number is expected|1 entries that are NaN"):
            landau_potential(problem, special, [bad], [0.1])
    with pytest.raises(InputError, match="max_branches is 0, but a whole number from 1 on is expected"):
        follow(problem, 8, 1, max_branches=0)
