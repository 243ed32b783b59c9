"""The engine, on losses whose bifurcations are known in advance, and against numbers of its own losses."""

import mpmath
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from landau_vae import InputError
from landau_vae.symbolic import Landau, cumulants, exponential_family, gaussian_mean, linear, vanishes
from landau_vae.symbolic.series import taylor

a, y, z, t = sp.symbols("a y z t", real=True)
lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s


def pitchfork(quartic, sextic=0):
    """A textbook pitchfork, hidden behind a fast variable: eliminating y gives back the polynomial in a."""
    return Landau(t * a**2 + quartic * a**4 + sextic * a**6 + (y - a - a**3) ** 2, a, [y], t, {a: 0, y: 0},
                  {a: -a, y: -y})  # fmt: skip


@pytest.mark.parametrize(
    ("quartic", "sextic", "kind", "amplitude"),
    [(1, 0, "supercritical", "1/2"), (-1, 1, "subcritical", "1/2"), (0, 2, "supercritical", "1/4")],
)
def test_known_pitchforks(quartic, sextic, kind, amplitude):
    theory = pitchfork(quartic, sextic)
    expansion = theory.expansion(6)
    assert expansion.coefficients == {2: t, 4: quartic, 6: sextic}
    assert theory.threshold == 0
    assert theory.soft_mode == {a: 1, y: 1}
    assert expansion.kind == kind
    assert expansion.exponents["order parameter"] == sp.Rational(amplitude)


def test_no_symmetry_gives_odd_powers():
    expansion = Landau(t * a**2 / 2 + a**2 * y + y**2 / 2 - a**3, a, [y], t, {a: 0, y: 0}).expansion(4)
    assert expansion.coefficients == {2: t / 2, 3: -1, 4: sp.Rational(-1, 2)}
    assert expansion.kind == "transcritical"


def test_a_sign_that_depends_on_a_parameter_is_undecided():
    assert pitchfork(sp.Symbol("g", real=True)).expansion(4).kind == "undecided"


def test_double_zero_of_the_control_parameter_doubles_the_exponents():
    exponents = Landau(t**2 * a**2 + a**4, a, [], t, {a: 0}, {a: -a}).expansion(4).exponents
    assert exponents == {"order parameter": 1, "susceptibility": 2, "field": sp.Rational(1, 3), "loss": 4}


def test_two_thresholds_are_not_one():
    theory = Landau((t - 1) * (t - 2) * a**2 + a**4, a, [], t, {a: 0}, {a: -a})
    assert set(theory.thresholds) == {1, 2}
    with pytest.raises(InputError, match=r"vanishes at \[1, 2\], but one value of t is expected"):
        _ = theory.threshold


def test_nothing_left_at_the_threshold():
    with pytest.raises(InputError, match="up to order 4: expand to a higher order"):
        _ = pitchfork(0, 1).expansion(4).kind


def test_elimination_is_the_series_of_the_closed_form():
    theory = linear.mode_theory()
    series, exact = theory.elimination(9), theory.exact_elimination()
    for variable in (e, s):
        assert vanishes(series[variable] - sp.series(exact[variable], w, 0, 10).removeO())


def test_order_twelve():
    coefficients = linear.mode_theory().expansion(12).coefficients
    assert list(coefficients) == [2, 4, 6, 8, 10, 12]
    assert coefficients[12] == sp.factor((6 * lam - tau) / (12 * tau**6))


def test_an_odd_order_is_cut_by_the_symmetry():
    assert list(linear.mode_theory().expansion(7).coefficients) == [2, 4, 6]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=6, max_size=6), st.integers(1, 4), st.integers(1, 4))
def test_expansion_against_numerical_elimination(c, stiff_y, stiff_z):
    """What the expansion leaves out must be of the next order: it falls by 2⁷ or more when a is halved."""
    loss = t * a**2 / 2 + stiff_y * y**2 / 2 + stiff_z * z**2 / 2 + c[0] * a * y + c[1] * a**2 * z + c[2] * a * y * z
    loss += c[3] * y**2 * z + c[4] * a**3 * y + c[5] * (sp.cosh(a * y) - 1)
    expansion = Landau(loss, a, [y, z], t, {a: 0, y: 0, z: 0}, {a: -a, y: -y}).expansion(6)
    fixed = loss.subs(t, sp.Rational(1, 3))
    potential = sp.lambdify(a, expansion.potential.subs(t, sp.Rational(1, 3)), "mpmath")
    slopes = sp.lambdify([a, y, z], [sp.diff(fixed, y), sp.diff(fixed, z)], "mpmath")
    value = sp.lambdify([a, y, z], fixed, "mpmath")
    with mpmath.workdps(60):
        left = []
        for amplitude in (mpmath.mpf("2e-4"), mpmath.mpf("1e-4")):
            at = mpmath.findroot(lambda p, q: slopes(amplitude, p, q), (0, 0))  # noqa: B023
            left.append(abs(value(amplitude, *at) - potential(amplitude)))
        assert left[1] <= left[0] / 2**7 + mpmath.mpf(10) ** -50


def test_logarithms_and_polynomials_are_expanded_alike():
    """A term's Taylor polynomial must not depend on whether it is read off or differentiated."""
    point, grades = {w: sp.Integer(0), e: sp.Integer(0), s: sp.Integer(1)}, [1, 2]
    polynomial = taylor(s**2 * w + s**3, w, (e, s), point, grades, 6)
    analytic = taylor(sp.exp(sp.log(s) * 2) * w + s**3, w, (e, s), point, grades, 6)
    assert polynomial.terms == analytic.terms


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"collapsed": {a: 0}}, "no value for y"),
        ({"collapsed": {a: 1, y: 0}}, "not stationary: ∂L/∂a = "),
        ({"symmetry": {a: -a}}, "changes under the symmetry"),
        ({"symmetry": {a: 2 * a}}, "expected as signs"),
        ({"symmetry": {z: -z}}, "expected as signs"),
    ],
)
def test_statements_that_are_wrong_are_refused(change, message):
    stated = {"collapsed": {a: 0, y: 0}, "symmetry": {a: -a, y: -y}} | change
    with pytest.raises(InputError, match=message):
        Landau(t * a**2 - a * y + y**2, a, [y], t, **stated)


def test_a_variable_that_is_not_fast_is_named():
    with pytest.raises(InputError, match="Hessian of the fast variables y is singular"):
        Landau(t * a**2 + y**4 + a * y**3, a, [y], t, {a: 0, y: 0}).expansion(4)


@pytest.mark.parametrize("order", [1, 0, -2, 2.5, True, "8"])
def test_orders_that_make_no_sense(order):
    with pytest.raises(InputError, match="whole number from 2 on"):
        linear.mode_theory().expansion(order)


def test_a_loss_that_was_cut_is_not_expanded_further():
    p = sp.Symbol("p", positive=True)
    theory = exponential_family([cumulants(p, p, 4)], [1], 4)
    assert 4 in theory.expansion(4).coefficients
    with pytest.raises(InputError, match="Order 6 was asked for, but this loss has been cut after order 4"):
        theory.expansion(6)


def test_too_few_cumulants():
    p = sp.Symbol("p", positive=True)
    with pytest.raises(InputError, match=r"4 cumulants of each of the 1 features .* but \[3\] are given"):
        exponential_family([cumulants(p, p, 3)], [1], 4)


def test_cutting_a_loss_later_changes_nothing_below():
    p = sp.Symbol("p", positive=True)
    early, late = (exponential_family([cumulants(p * (1 - p), p, n)], [1], n).expansion(4) for n in (4, 7))
    assert all(vanishes(early.coefficients[n] - late.coefficients[n]) for n in (2, 4))


def test_no_closed_form():
    theory = Landau(t * a**2 + y**2 / 2 - a * y + sp.cosh(y * a) - 1, a, [y], t, {a: 0, y: 0}, {a: -a, y: -y})
    with pytest.raises((InputError, NotImplementedError), match=r"expansion\(order\)|solve"):
        theory.exact_elimination()
    assert theory.expansion(4).coefficients[2] == sp.factor(t - sp.Rational(1, 2))


# ------------------------------------------------------------------------------------ Gaussian averages


def test_gaussian_means_are_the_integrals():
    x, v = sp.symbols("x v", positive=True)
    density = sp.exp(-(x**2) / (2 * v)) / sp.sqrt(2 * sp.pi * v)
    for power in range(9):
        integral = sp.integrate(sp.expand(x**power) * density, (x, 0, sp.oo)) * (1 + (-1) ** power)
        assert vanishes(gaussian_mean(x**power, [x], {(x, x): v}) - integral)


def test_correlated_gaussian_means():
    """⟨a²b²⟩ = c_aa c_bb + 2 c_ab², and what a rotation to independent variables gives for ⟨a³b⟩."""
    aa, ab, bb = sp.symbols("aa ab bb")
    covariance = {(a, a): aa, (y, a): ab, (y, y): bb}
    assert gaussian_mean(a**2 * y**2, [a, y], covariance) == sp.expand(aa * bb + 2 * ab**2)
    assert gaussian_mean(a**3 * y, [a, y], covariance) == 3 * aa * ab
    with pytest.raises(InputError, match="a polynomial in a, y is expected"):
        gaussian_mean(sp.exp(a), [a, y], covariance)


@pytest.mark.parametrize(
    "expression", [a**2 - a, sp.log(2) - sp.Rational(7, 10), sp.sqrt(2) - sp.Rational(14142, 10000)]
)
def test_what_is_not_zero_does_not_vanish(expression):
    assert not vanishes(expression)


def test_what_is_zero_vanishes():
    p, q = sp.symbols("p q", positive=True)
    assert vanishes((sp.sqrt(p) - sp.sqrt(q)) * (sp.sqrt(p) + sp.sqrt(q)) - p + q)
    assert vanishes(sp.cos(p) ** 2 + sp.sin(p) ** 2 - 1)
    assert vanishes(1 / (sp.sqrt(2) - 1) - sp.sqrt(2) - 1)
    assert vanishes(sp.Matrix([[sp.log(p * q) - sp.log(p) - sp.log(q), 0]]))
