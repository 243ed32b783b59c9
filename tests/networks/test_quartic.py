"""The quartic of the first collapse: its formulas against the derivation, its states against searches."""

import re

import numpy as np
import pytest
import sympy as sp
from conftest import CLOSED
from scipy.optimize import brentq, minimize, minimize_scalar

from landau_vae import InputError, OutsideTheory
from landau_vae.networks import Moments, quartic_collapse
from landau_vae.symbolic import first_collapse as derived

GAUSSIAN = Moments(1.0, skewness=0.0, fourth=3.0, cross=[], across=[])
SKEWED = Moments(2.0, skewness=0.2, fourth=3.1, cross=[0.3, -0.1], across=[0.5, 0.2])
LIGHT = Moments(1.0, skewness=-0.2, fourth=1.4, cross=[0.2], across=[0.3])
HEAVY = Moments(1.0, skewness=0.02, fourth=4.5, cross=[], across=[])


def test_the_potential_is_the_derived_one():
    """The formulas as they are written down, against SymPy's elimination of two further components."""
    potential = derived.theory(across=2).expansion(4).potential
    numbers = {derived.kappa: SKEWED.skewness, derived.m4: SKEWED.fourth}
    numbers |= {sp.Symbol(f"a_{i + 2}", real=True): value for i, value in enumerate(SKEWED.cross)}
    numbers |= {sp.Symbol(f"ell_{i + 2}", positive=True): value for i, value in enumerate(SKEWED.across)}
    evaluate = sp.lambdify([derived.tau, derived.w, derived.c], potential.subs(numbers))
    collapse = quartic_collapse(SKEWED)
    for point in ((1.0, 0.3, 0.2), (1.2, 0.0, -0.4), (0.9, 0.5, 0.1)):
        # sums of a dozen terms of order one
        assert collapse.potential(*point) == pytest.approx(evaluate(*point), abs=10 * CLOSED)


@pytest.mark.parametrize("moments", [GAUSSIAN, SKEWED, LIGHT, HEAVY])
@pytest.mark.parametrize("ratio", [0.95, 1.0, 1.001])
def test_the_phase_is_the_least_value_of_the_potential(moments, ratio):
    """A search over the plane, from 60 starts."""
    collapse = quartic_collapse(moments)
    phase = collapse.phase(ratio)
    rng = np.random.default_rng((0, 17))
    search = [
        minimize(lambda p: 1e4 * collapse.potential(ratio, *p), start, method="Nelder-Mead", options={"xatol": 1e-9})
        for start in rng.normal(size=(60, 2)) * 0.1
    ]
    best = min(search, key=lambda result: result.fun)
    # the simplex ends where the potential, of order 1e-4, changes by 1e-8 of that
    assert phase.gain == pytest.approx(-1e-4 * best.fun, abs=1e-8 * (1e-4 + phase.gain))
    assert phase.gain >= 0
    if phase.gain > 1e-7:  # flatter ones leave the place of the minimum uncertain
        np.testing.assert_allclose([phase.mean, phase.width], [abs(best.x[0]), best.x[1]], atol=1e-3)


@pytest.mark.parametrize("moments", [SKEWED, LIGHT, HEAVY])
def test_prices_of_coexistence_and_of_the_spinodal(moments):
    """The same from the potential alone: where the least value changes sign, and where the slope in c has one root."""
    collapse = quartic_collapse(moments)

    def living(ratio):
        """The least value of the potential at amplitudes like those of the jump."""
        best_mean = lambda c: minimize_scalar(lambda w: collapse.potential(ratio, w, c), bounds=(0, 0.5)).fun  # noqa: E731
        near = sorted([0.7 * collapse.width, 1.5 * collapse.width])
        return minimize_scalar(best_mean, bounds=near, method="bounded", options={"xatol": 1e-9}).fun

    root = brentq(living, 1 + (collapse.maxwell - 1) / 2, collapse.spinodal, xtol=1e-12)
    # the searches leave w and c to 1e-5, and the potential to the square of that
    assert root - 1 == pytest.approx(collapse.maxwell - 1, rel=1e-5)

    def curvature(ratio):  # discriminant of the slope in c at w = 0, divided by 4c
        B = moments.brackets(ratio)[1]
        return (moments.skewness / ratio**2) ** 2 - 2 * (1 - 1 / ratio) * B

    assert curvature(collapse.spinodal) == pytest.approx(0, abs=1e-12)
    assert 1 < collapse.maxwell < collapse.spinodal
    at_jump = collapse.potential(collapse.maxwell, collapse.mean, collapse.width)
    assert abs(at_jump) < 1e-10 * collapse.width**2
    assert collapse.phase(collapse.maxwell * (1 + 1e-6)).gain == 0
    assert collapse.phase(collapse.maxwell * (1 - 1e-6)).gain > 0


def test_the_law_near_the_threshold():
    """τ* = λ₁(1 + (4/9) κ²/B) where B ≤ 4(1 − Q), for small κ; a higher price where B is larger."""
    for fourth, width_alone in ((3.5, True), (2.0, False)):
        collapse = quartic_collapse(Moments(1.0, skewness=1e-3, fourth=fourth, cross=[], across=[]))
        B = collapse.moments.brackets()[1]
        share = (collapse.maxwell - 1) * B / 1e-6
        assert (collapse.mean == 0) == width_alone
        # κ² = 1e-6, and that is the relative size of what the law leaves out
        assert (share == pytest.approx(4 / 9, rel=1e-5)) == width_alone
        assert 4 / 9 - 1e-5 < share < 0.5


def test_the_published_numbers():
    """Two smoothed points, κ = 0.177, m₄ = 1.35: coexistence at 1.0019; a free decoder has it at 1.0015 to 1.0020."""
    collapse = quartic_collapse(Moments(1.0, skewness=0.177, fourth=1.35, cross=[], across=[]))
    assert collapse.maxwell == pytest.approx(1.0019, abs=5e-5)  # as many digits as were given
    assert collapse.trusted


def test_gaussian_data_collapse_continuously():
    collapse = quartic_collapse(GAUSSIAN)
    assert collapse.kind == "continuous"
    assert (collapse.maxwell, collapse.spinodal, collapse.mean, collapse.width) == (1, 1, 0, 0)
    assert collapse.trusted
    # the linear theory has w² = 1 − τ; the quartic is exact to first order in that, here 0.001
    assert collapse.phase(0.999).mean ** 2 == pytest.approx(0.001, rel=0.005)


@pytest.mark.parametrize(
    ("moments", "reason"),
    [
        (Moments(1.0, 0.4, 3.0, [], []), r"\|κ\| = 0.4 is above 0.3"),
        (Moments(1.0, 0.2, 4.2, [], []), r"c²/B = 0.\d+ is above 0.0005"),
        (Moments(1.0, 0.0, 6.0, [], []), r"G = 0.25 and B = -2: the quartic has no lower bound"),
        (Moments(1.0, 0.0, 2.9, [0.7], [0.6]), r"G = -0.05\d+ and B = -\d"),
        (Moments(1.0, 0.0, 3.0, [0.1], [1.0]), r"G = -inf and B = -inf"),
    ],
)
def test_what_is_not_to_be_trusted_says_why(moments, reason):
    collapse = quartic_collapse(moments)
    assert collapse.kind == "first-order"
    assert not collapse.trusted
    assert re.search(reason, collapse.reason), collapse.reason
    assert "Solve for the free decoder" in collapse.summary()
    if np.isnan(collapse.maxwell):
        with pytest.raises(OutsideTheory, match="no lower bound"):
            collapse.phase(1.0)


@pytest.mark.parametrize(
    ("change", "argument"),
    [({"across": [0.5]}, "across"), ({"across": [1.2, 0]}, "across"), ({"cross": [[0.1, 0.2]]}, "cross"),
     ({"first": 0}, "first"), ({"skewness": np.nan}, "skewness"), ({"cross": [np.inf, 0]}, "cross")],
)  # fmt: skip
def test_moments_that_cannot_be(change, argument):
    fine = {"first": 1.0, "skewness": 0.1, "fourth": 3.0, "cross": [0.1, 0.2], "across": [0.5, 0.2]}
    with pytest.raises(InputError) as problem:
        Moments(**fine | change)
    assert argument in str(problem.value)
