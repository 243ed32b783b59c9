"""The engine, on losses whose bifurcations are known in advance, and against numbers of its own losses."""

from itertools import combinations_with_replacement

import mpmath
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from landau_vae import InputError, OutsideTheory
from landau_vae.symbolic import (
    Landau,
    cumulants,
    exponential_family,
    gaussian_mean,
    linear,
    moment,
    vanishes,
    variations,
)
from landau_vae.symbolic._exponential_family import beta
from landau_vae.symbolic.algebra import taylor

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
    if kind == "supercritical":
        assert expansion.exponents["order parameter"] == sp.Rational(amplitude)
    else:
        with pytest.raises(OutsideTheory, match="a_4 = -1 is negative: the transition jumps"):
            _ = expansion.exponents


def test_no_symmetry_gives_odd_powers():
    expansion = Landau(t * a**2 / 2 + a**2 * y + y**2 / 2 - a**3, a, [y], t, {a: 0, y: 0}).expansion(4)
    assert expansion.coefficients == {2: t / 2, 3: -1, 4: sp.Rational(-1, 2)}
    assert expansion.kind == "transcritical"


def test_a_sign_that_depends_on_a_parameter_is_undecided():
    assert pitchfork(sp.Symbol("g", real=True)).expansion(4).kind == "undecided"


def test_fast_variables_are_coupled_however_the_symmetry_treats_them():
    """Without a symmetry of the slow amplitude a fast variable may begin with its first power."""
    loss = t * a**2 / 2 - a * z + z**2 / 2 + y**2 / 2
    for symmetry in ({}, {y: -y}):
        theory = Landau(loss, a, [z, y], t, {a: 0, y: 0, z: 0}, symmetry)
        assert theory.threshold == 1
        assert theory.soft_mode == {a: 1, z: 1, y: 0}


def test_a_collapsed_point_away_from_zero():
    """(a² − 1)²: expanded around a = 1, where the amplitude is a − 1."""
    theory = Landau(t * (a**2 - 1) ** 2 + (a**2 - 1) ** 3 + (y - a) ** 2, a, [y], t, {a: 1, y: 1})
    expansion = theory.expansion(4)
    assert expansion.coefficients == {2: 4 * t, 3: sp.factor(4 * t + 8), 4: t + 12}
    series = sp.series(theory.loss.subs(y, a).subs(a, 1 + z), z, 0, 5).removeO()
    assert vanishes(expansion.potential.subs(a, 1 + z) - series)
    assert vanishes(theory.elimination(2)[y] - a)


def test_several_amplitudes():
    """A potential in two amplitudes and odd powers, hidden behind fast variables that follow both."""
    hidden = t * (a**2 + 2 * z**2) / 2 + 3 * a**2 * z - z**3 + a**4 / (1 + t) + 5 * a**2 * z**2
    u, v = sp.symbols("u v", real=True)
    loss = hidden + (u - a * z) ** 2 * (1 + t) + (v - u**2 - z) ** 2 + u**4
    theory = Landau(loss, (a, z), [u, v], t, dict.fromkeys([a, z, u, v], 0), {a: -a, u: -u})
    assert theory.threshold == 0
    assert theory.amplitudes == (a, z)
    expansion = theory.expansion(4)
    assert vanishes(expansion.potential - hidden)
    assert list(expansion.coefficients) == [(2, 0), (0, 2), (2, 1), (0, 3), (4, 0), (2, 2)]
    assert theory.elimination(2) == {u: a * z, v: z}
    for name in ("kind", "leading", "exponents"):
        with pytest.raises(OutsideTheory, match="There are 2 slow amplitudes, a, z"):
            getattr(expansion, name)


def test_the_coupling_of_fast_variables_lowers_a_potential_of_two_amplitudes():
    """Against SymPy's own elimination: y = −(a² + az)/2t exactly, as the loss is quadratic in y."""
    loss = a**2 - z**2 / 3 + y * (a**2 + a * z) + t * y**2
    theory = Landau(loss, [a, z], [y], t, {a: 0, z: 0, y: 0})
    assert vanishes(theory.expansion(4).potential - loss.subs(y, -(a**2 + a * z) / (2 * t)))
    assert vanishes(theory.exact_potential() - theory.expansion(4).potential)
    assert vanishes(theory.expansion(3).potential - (a**2 - z**2 / 3))


def test_weights_cut_a_potential_by_grade():
    """With weight 2 for z the terms a⁴, a²z and z² are of one order, and z³ is beyond it."""
    loss = a**2 * z + z**2 + a**4 + z**3 + (y - a) ** 2
    theory = Landau(loss, (a, z), [y], t, {a: 0, z: 0, y: 0}, weights={z: 2})
    assert theory.expansion(4).coefficients == {(4, 0): 1, (2, 1): 1, (0, 2): 1}
    assert theory.expansion(6).coefficients == {(4, 0): 1, (2, 1): 1, (0, 2): 1, (0, 3): 1}
    for slow, weights in (((), {}), ((a, z), {z: 0}), ((a, z), {z: 1.5})):
        with pytest.raises(InputError, match="Slow amplitudes are expected"):
            Landau(loss, slow, [y], t, {a: 0, z: 0, y: 0}, weights=weights)


@pytest.mark.parametrize(
    ("potential", "exponents"),
    [(t**3 * a**2 + a**4, ["3/2", "3", "1/3", "6"]), (t * a**2 + t * a**4 + a**8, ["1/6", "1", "1/7", "4/3"]),
     (t**3 * a**2 + t**2 * a**4 + a**6, ["3/4", "3", "1/5", "9/2"])],
)  # fmt: skip
def test_exponents_from_the_orders_of_the_zeros(potential, exponents):
    found = Landau(potential, a, [], t, {a: 0}, {a: -a}).expansion(8).exponents
    assert list(found.values()) == [sp.Rational(x) for x in exponents]


def test_exponents_that_do_not_follow_from_two_orders():
    """t³a² − ta⁴ + a⁶: a⁴ and a⁶ balance first, at a² = t."""
    with pytest.raises(OutsideTheory, match="a_4 vanishes more slowly"):
        _ = Landau(t**3 * a**2 - t * a**4 + a**6, a, [], t, {a: 0}, {a: -a}).expansion(6).exponents


def test_a_curvature_that_only_touches_zero():
    expansion = Landau(t**2 * a**2 + a**4, a, [], t, {a: 0}, {a: -a}).expansion(4)
    for question in ("kind", "exponents"):
        with pytest.raises(OutsideTheory, match=r"a_2 = t\*\*2 does not change sign at t = 0: there is no transition"):
            getattr(expansion, question)


def test_the_sheet_through_the_collapsed_point():
    """y³/3 − y (1 + a²) has two extremes, y = ±√(1 + a²); only one of them passes the stated point."""
    for sign in (1, -1):
        loss = t * a**2 + sign * (y**3 / 3 - y * (1 + a**2))
        fast = Landau(loss, a, [y], t, {a: 0, y: sign}, {a: -a}).exact_elimination()
        assert fast == {y: sign * sp.sqrt(a**2 + 1)}
    with pytest.raises(InputError, match="Hessian of the fast variables y is singular"):
        Landau(t * a**2 + y**3 / 3 - a**2 * y, a, [y], t, {a: 0, y: 0}, {a: -a}).exact_elimination()


def test_fast_variables_at_a_maximum():
    expansion = Landau(t * a**2 - y**2 / 2 + a**2 * y, a, [y], t, {a: 0, y: 0}, {a: -a}).expansion(4)
    assert expansion.coefficients == {2: t, 4: sp.Rational(1, 2)}
    with pytest.raises(OutsideTheory, match="not at a minimum"):
        _ = expansion.kind


@pytest.mark.parametrize("term", [sp.Abs(a) ** 3, sp.Max(a, 0) ** 4, sp.Abs(a) ** sp.Rational(5, 2), sp.sign(a) * a**4])
def test_losses_without_a_taylor_series(term):
    with pytest.raises(InputError, match=r"Taylor series|not stationary"):
        Landau(t * a**2 + term, a, [], t, {a: 0}).expansion(4)


def test_no_threshold_and_no_real_one():
    positive = sp.Symbol("tau", positive=True)
    for curvature, control in ((positive + 1, positive), (sp.Symbol("c") ** 2 + 1, sp.Symbol("c"))):
        with pytest.raises(OutsideTheory, match="there is no threshold"):
            _ = Landau(curvature * a**2 + a**4, a, [], control, {a: 0}, {a: -a}).threshold


def test_two_thresholds_are_not_one():
    theory = Landau((t - 1) * (t - 2) * a**2 + a**4, a, [], t, {a: 0}, {a: -a})
    assert set(theory.thresholds) == {1, 2}
    with pytest.raises(OutsideTheory, match=r"vanishes at \[1, 2\], but one value of t is expected"):
        _ = theory.threshold


def test_nothing_left_at_the_threshold():
    with pytest.raises(OutsideTheory, match="up to order 4: expand to a higher order"):
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
        ({"collapsed": {a: 1, y: 0}}, "turns a round, which is not 0 at the collapsed point"),
        ({"collapsed": {a: 1, y: 0}, "symmetry": {}}, "not stationary: ∂L/∂a = "),
        ({"symmetry": {a: -a}}, "changes under the symmetry"),
        ({"symmetry": {a: 2 * a}}, "expected as signs"),
        ({"symmetry": {z: -z}}, "expected as signs"),
    ],
)
def test_statements_that_are_wrong_are_refused(change, message):
    stated = {"collapsed": {a: 0, y: 0}, "symmetry": {a: -a, y: -y}} | change
    with pytest.raises(InputError, match=message):
        Landau(t * a**2 - a * y + y**2, a, [y], t, **stated)


@pytest.mark.parametrize(
    ("loss", "slow", "fast", "control", "message"),
    [(t * a**2, a, [a], t, "all different"), (t * a**2, a, [], a, "all different"),
     (t * a**2, "a", [], t, "slow is .a., but a Symbol"), (0.3 * t * a**2, a, [], t, "contains the float 0.3")],
)  # fmt: skip
def test_names_and_numbers_that_are_refused(loss, slow, fast, control, message):
    with pytest.raises(InputError, match=message):
        Landau(loss, slow, fast, control, {a: 0})


def test_points_that_are_none():
    with pytest.raises(InputError, match="collapsed is None, but a mapping"):
        Landau(t * a**2, a, [], t, None)
    with pytest.raises(InputError, match="singular at the collapsed point: ∂L/∂y has no value there"):
        Landau(t * a**2 + 1 / y, a, [y], t, {a: 0, y: 0})


def test_a_variable_that_is_not_fast_is_named():
    with pytest.raises(InputError, match="Hessian of the fast variables y is singular"):
        Landau(t * a**2 + y**4 + a * y**3, a, [y], t, {a: 0, y: 0}).expansion(4)


@pytest.mark.parametrize("order", [1, 0, -2, 2.5, True, "8", 41, 99_999])
def test_orders_that_make_no_sense(order):
    with pytest.raises(InputError, match="whole number from 2 to 40"):
        linear.mode_theory().expansion(order)


def test_a_loss_that_was_cut_is_not_expanded_further():
    p = sp.Symbol("p", positive=True)
    theory = exponential_family([cumulants(p, p, 4)], [1], 4)
    assert 4 in theory.expansion(4).coefficients
    with pytest.raises(InputError, match="Terms of order 6 are needed, but this loss has been cut after order 4"):
        theory.expansion(6)
    with pytest.raises(InputError, match="Terms of order 5 are needed"):
        theory.expansion(5)
    with pytest.raises(InputError, match="Terms of order 5 are needed"):
        theory.elimination(3)
    with pytest.raises(OutsideTheory, match=r"cut after order 4: only .expansion\(order\) means something"):
        theory.exact_potential()


def test_the_exponential_family_is_the_average_over_its_data():
    """Two features to order 6: the loss averaged over four points, one by one, against symbols for their moments."""
    order = 6
    points = [(sp.Matrix([0, 1]), 1), (sp.Matrix([2, 0]), 2), (sp.Matrix([1, 3]), 3), (sp.Matrix([4, 1]), 4)]
    points = [(x, sp.Rational(tenths, 10)) for x, tenths in points]
    mean = sum((x * p for x, p in points), sp.zeros(2, 1))
    kappa = [[sp.Rational(n + 3 * i + 1, n + 1) for n in range(order)] for i in range(2)]
    direction = [sp.Rational(2), sp.Rational(-1, 3)]
    theory = exponential_family(kappa, direction, order)
    amplitude, (e1, e2, offset, variance, *shifts) = theory.slow, theory.fast

    moments = {}
    for count in range(2, order + 1):
        for chosen in combinations_with_replacement(range(2), count):
            moments[moment(*chosen)] = sum(p * sp.prod([(x - mean)[i] for i in chosen]) for x, p in points)

    noise, step = sp.symbols("noise step")
    expected = sp.Integer(0)
    for x, p in points:
        y = x - mean
        code = offset + e1 * y[0] + e2 * y[1]
        expected += p * beta * linear.kl(code**2, variance)
        for i in range(2):
            eta = shifts[i] + direction[i] * amplitude * (code + noise)
            expected += p * sum(kappa[i][n - 1] * eta**n / sp.factorial(n) for n in range(2, order + 1))
            expected -= p * y[i] * direction[i] * amplitude * code

    grades = {v: step * v for v in (amplitude, e1, e2, offset)} | {c: step**2 * c for c in shifts}

    def cut(loss):
        """Averaged over the noise, to the grade of the order, without the logarithm."""
        polynomial = sp.expand((loss + beta * sp.log(variance) / 2).subs(grades, simultaneous=True))
        averaged = gaussian_mean(polynomial, [noise], {(noise, noise): variance})
        return sp.Add(*(averaged.coeff(step, n) for n in range(order + 1)))

    assert vanishes(cut(theory.loss.subs(moments)) - cut(expected))


def test_a_target_with_more_inputs_than_the_decoder_sees():
    """Three inputs and one target; the direct path reads the first input, the encoder the first two: sums by hand."""
    W, E, variances = linear.variables(1, 1)[0], sp.Matrix([sp.symbols("e1:3")]), [linear.s]
    B = sp.Matrix([[sp.Symbol("b")]])
    C = sp.Matrix(4, 4, lambda i, j: sp.Symbol(f"c{min(i, j)}{max(i, j)}"))
    read = sp.Matrix([[-B[0] - W[0] * E[0], -W[0] * E[1], 0, 1]])  # the error but for the noise
    code = sp.Matrix([[E[0], E[1], 0, 0]])
    expected = (read * C * read.T)[0] / 2 + W[0] ** 2 * linear.s / 2
    expected += linear.tau * linear.kl((code * C * code.T)[0], linear.s)
    assert vanishes(variations.target_loss(W, E, variances, C, direct=B) - expected)


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
    with pytest.raises(OutsideTheory, match=r"No closed form of y was found: use .expansion\(order\)"):
        theory.exact_elimination()
    with pytest.raises(OutsideTheory, match="No closed form of the branches"):
        Landau(t * a**2 + sp.cosh(a) - 1 + a**4, a, [], t, {a: 0}, {a: -a}).branches()
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
    assert gaussian_mean(a**3 * y**2 + a**5 * y**2, [a, y], covariance) == 0
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
    assert vanishes(sp.log(1 + p / q) + sp.log(q) - sp.log(p + q))
    assert vanishes(sp.exp(p + q) - sp.exp(p) * sp.exp(q))
    assert vanishes(1 / (sp.sqrt(2) - 1) - sp.sqrt(2) - 1)
    assert vanishes(sp.Matrix([[sp.log(p * q) - sp.log(p) - sp.log(q), 0]]))
