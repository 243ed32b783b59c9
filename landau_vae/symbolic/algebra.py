"""The algebra that every derivation rests on: exact zeros, Gaussian averages, power series with parameters.

    ⟨y₁ y₂ … y₂ₙ⟩ = Σ over pairings Π ⟨yᵢ yⱼ⟩        (Isserlis 1918; physicists call it Wick's theorem)
    y ← y − H⁻¹ ∂L/∂y(a, y)                          each round gains at least one power of the slow amplitudes a

Polynomials live in SymPy's sparse rings over the field of rational functions of the
parameters, so every coefficient is exact, and reduced as it arises. Series are cut by
the power of one step t: a slow amplitude of weight g stands with tᵍ, and so does a fast
variable of grade g, which begins with that power. Grading keeps polynomials short.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import mul
from typing import Any

import numpy as np
import sympy as sp
from sympy.polys.ring_series import rs_mul, rs_pow, rs_trunc

from landau_vae.checks import UNREADABLE, checked, shown
from landau_vae.errors import InputError

_KINKED = (sp.Abs, sp.sign, sp.Max, sp.Min, sp.Piecewise, sp.Heaviside, sp.floor, sp.ceiling)
Point = Mapping[sp.Symbol, sp.Expr]


def as_expression(value: Any, name: str) -> sp.Expr:
    """Return a number or SymPy expression as an expression; texts are not parsed."""
    try:
        expression = sp.sympify(value, strict=True)
    except (sp.SympifyError, AttributeError, *UNREADABLE):
        expression = None
    if not isinstance(expression, sp.Expr):
        raise InputError(f"{name} is {shown(value)}, but a SymPy expression is expected.", name)
    return expression


def vanishes(expression: sp.Expr | sp.MatrixBase) -> bool:
    """Return whether an expression, or every entry of a matrix, is identically zero.

    This is decided by normal form, never by numbers, and holds wherever logarithms are
    real: ln ab = ln a + ln b is used without asking for signs.

    Parameters
    ----------
    expression : sympy.Expr or sympy.Matrix
        What should be zero.

    Returns
    -------
    bool
        False also where SymPy does not find the normal form.

    Raises
    ------
    InputError
        If it is not an expression.

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> vanishes((x**2 - 1) / (x - 1) - x - 1), vanishes(sp.log(x**2) - 2 * sp.log(x)), vanishes(x - 1)
    (True, True, False)
    """
    if isinstance(expression, sp.MatrixBase):
        return all(vanishes(entry) for entry in expression)
    expression = as_expression(expression, "expression")
    if expression.is_rational_function() and all(power.exp.is_integer for power in expression.atoms(sp.Pow)):
        return sp.cancel(sp.together(expression)) == 0
    factored = expression.replace(sp.log, lambda x: sp.expand_log(sp.log(sp.together(x)), force=True))
    flat = sp.expand(factored)
    return flat == 0 or sp.cancel(sp.together(flat)) == 0 or sp.cancel(sp.radsimp(flat)) == 0


@checked
def gaussian_mean(
    expression: Any, variables: Sequence[sp.Symbol], covariance: Mapping[tuple[sp.Symbol, sp.Symbol], sp.Expr]
) -> sp.Expr:
    """Return the mean of a polynomial in centred Gaussian variables.

    Parameters
    ----------
    expression : sympy.Expr
        A polynomial in the variables.
    variables : sequence of sympy.Symbol
        The Gaussian variables.
    covariance : mapping of (symbol, symbol) to expression
        Pairs that are left out are uncorrelated.

    Returns
    -------
    sympy.Expr
        The mean, expanded.

    Raises
    ------
    InputError
        If the expression is no polynomial in the variables.

    Examples
    --------
    >>> z, s = sp.symbols("z s")
    >>> gaussian_mean(z**4 + z**3 + z**2, [z], {(z, z): s})
    3*s**2 + s
    """
    expression = as_expression(expression, "expression")
    if not variables:
        return sp.expand(expression)
    for pair in covariance:
        if not (isinstance(pair, tuple) and len(pair) == 2):
            raise InputError(f"covariance has the key {pair!r}, but a pair of variables is expected.", "covariance")
    table = {pair[::step]: as_expression(c, "covariance") for pair, c in covariance.items() for step in (1, -1)}

    @cache
    def moment(factors: tuple[sp.Symbol, ...]) -> sp.Expr:
        if not factors:
            return sp.Integer(1)
        first, *others = factors  # the first is paired with each of the others; an odd number leaves one without
        pairs = ((table.get((first, other), 0), (*others[:j], *others[j + 1 :])) for j, other in enumerate(others))
        return sp.Add(*(c * moment(left) for c, left in pairs if c != 0))

    try:
        polynomial = sp.Poly(expression, *variables)
    except (sp.PolynomialError, sp.GeneratorsError):
        wanted = f"a polynomial in {', '.join(map(str, variables))} is expected: expand it first"
        raise InputError(f"The mean of {expression} was asked for, but {wanted}.", "expression") from None
    means = [c * moment(tuple(np.repeat(variables, powers))) for powers, c in polynomial.terms()]
    return sp.expand(sp.Add(*means))


# ------------------------------------------------------------------------------------- power series


@dataclass(frozen=True, eq=False)
class Series:
    """L − L₀ around the collapsed point, as a polynomial in the slow amplitudes and the fast displacements."""

    weights: tuple[int, ...]  #: of the slow amplitudes
    grades: tuple[int, ...]  #: of the fast variables
    terms: Any  #: a polynomial in (*slow, *fast) over the field of the parameters
    ring: Any  #: polynomials in (step, *slow) over the same field

    def insert(self, terms: Any, displacements: Sequence[Any], order: int) -> Any:
        """Return the polynomial in the slow amplitudes alone that displacements y(a) leave, cut after `order`."""
        step, total, cut, count = self.ring.gens[0], self.ring.zero, order + 1, len(self.weights)
        for powers, coefficient in terms.items():
            slow = powers[:count]
            grade = sum(map(mul, slow, self.weights))
            product = self.ring.term_new((grade, *slow), coefficient)
            for displacement, power in zip(displacements, powers[count:], strict=True):
                if power:
                    product = rs_mul(product, rs_pow(displacement, power, step, cut), step, cut)
            total += rs_trunc(product, step, cut)
        return total


def taylor(
    loss: sp.Expr,
    slow: sp.Symbol | Sequence[sp.Symbol],
    fast: Sequence[sp.Symbol],
    point: Point,
    grades: Sequence[int],
    order: int,
    weights: Sequence[int] | None = None,
) -> Series:
    """Expand a loss around a point: slow amplitudes of weight 1 unless given, fast displacements of given grades.

    Raises `InputError` for a loss that is not analytic there.
    """
    slow = [slow] if isinstance(slow, sp.Symbol) else list(slow)
    weights = tuple(weights or [1] * len(slow))
    variables, powers_of, step = (*slow, *fast), (*weights, *grades), sp.Dummy("step")
    for function in loss.atoms(*_KINKED):
        if function.free_symbols & set(variables):
            raise InputError(f"The loss contains {function}, but a loss with a Taylor series is expected.")
    parts = sp.Add.make_args(sp.expand(loss, log=False, power_base=False, power_exp=False))
    polynomial = sp.Add(*(part for part in parts if part.is_polynomial(*variables)))
    collected = polynomial.subs({v: point[v] + v for v in variables}, simultaneous=True)
    ray = {v: point[v] + step**g * v for v, g in zip(variables, powers_of, strict=True)}
    derivative = sp.Add(*(part for part in parts if not part.is_polynomial(*variables))).subs(ray, simultaneous=True)
    for n in range(1, order + 1):
        derivative = sp.diff(derivative, step)
        term = derivative.subs(step, 0)
        if term.has(sp.nan, sp.zoo, sp.oo):
            raise InputError("The loss has no Taylor series at the collapsed point: one of its derivatives diverges.")
        collected += term / sp.factorial(n)
    kept = {
        powers: sp.cancel(c)
        for powers, c in sp.Poly(collected, *variables).terms()
        if 0 < sum(map(mul, powers, powers_of)) <= order
    }
    field, elements = sp.construct_domain(list(kept.values()), field=True)
    terms = sp.ring(variables, field)[0].from_dict(dict(zip(kept, elements, strict=True)))
    return Series(weights, tuple(grades), terms, sp.ring([step, *slow], field)[0])


def coefficients(polynomial: Any) -> list[tuple[tuple[int, ...], sp.Expr]]:
    """Return (powers, coefficient) of each term of a polynomial in the slow amplitudes, lowest grade first."""
    field = polynomial.ring.domain
    terms = sorted(polynomial.items(), key=lambda term: (term[0][0], [-power for power in term[0]]))
    return [(powers[1:], field.to_sympy(c)) for powers, c in terms]


def eliminate(series: Series, order: int) -> list[Any]:
    """Return the fast displacements as polynomials of the slow amplitudes, solving ∂L/∂y = 0 to the given order.

    Raises `InputError` if the fast variables' Hessian is singular: then one of them is
    not fast.
    """
    moving = [i for i, grade in enumerate(series.grades) if grade <= order]
    displacements = [series.ring.zero] * len(series.grades)
    if not moving:
        return displacements
    variables = [series.terms.ring.gens[i + len(series.weights)] for i in moving]
    slopes = [series.terms.diff(y) for y in variables]
    rows = [[slope.coeff(y) for y in variables] for slope in slopes]
    hessian = sp.polys.matrices.DomainMatrix(rows, (len(moving), len(moving)), series.ring.domain)
    if not hessian.det():
        names = ", ".join(map(str, variables))
        raise InputError(f"The Hessian of the fast variables {names} is singular: one of them is not fast.")
    inverse = hessian.inv().to_list()
    for _ in range(order):
        residuals = [series.insert(slope, displacements, order) for slope in slopes]
        for i, row in zip(moving, inverse, strict=True):
            displacements[i] -= sum((r * c for r, c in zip(residuals, row, strict=True)), series.ring.zero)
    return displacements
