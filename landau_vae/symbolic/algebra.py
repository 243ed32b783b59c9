"""What every derivation leans on: exact zeros and Gaussian averages.

⟨y₁ y₂ … y₂ₙ⟩ = Σ over pairings Π ⟨yᵢ yⱼ⟩        (Isserlis 1918; physicists call it Wick's theorem)
"""

from collections.abc import Mapping, Sequence
from functools import cache

import sympy as sp

from landau_vae.errors import InputError

__all__ = ["gaussian_mean", "vanishes"]


def vanishes(expression: sp.Expr | sp.MatrixBase) -> bool:
    """Whether an expression, or every entry of a matrix, is identically zero: by normal form, never by numbers.

    Wherever its logarithms are real: ln ab = ln a + ln b is used without asking for signs.

    >>> x = sp.Symbol("x", positive=True)
    >>> vanishes((x**2 - 1) / (x - 1) - x - 1), vanishes(sp.log(x**2) - 2 * sp.log(x)), vanishes(x - 1)
    (True, True, False)
    """
    if isinstance(expression, sp.MatrixBase):
        return all(vanishes(entry) for entry in expression)
    if expression.is_rational_function() and all(power.exp.is_integer for power in expression.atoms(sp.Pow)):
        return sp.cancel(sp.together(expression)) == 0
    factored = expression.replace(sp.log, lambda x: sp.expand_log(sp.log(sp.together(x)), force=True))
    flat = sp.expand(factored)
    return flat == 0 or sp.cancel(sp.together(flat)) == 0 or sp.cancel(sp.radsimp(flat)) == 0


def gaussian_mean(
    expression: sp.Expr, variables: Sequence[sp.Symbol], covariance: Mapping[tuple[sp.Symbol, sp.Symbol], sp.Expr]
) -> sp.Expr:
    """The mean of a polynomial in centred Gaussian variables; pairs left out of the covariance are uncorrelated.

    Raises `InputError` if the expression is no polynomial in the variables.

    >>> z, s = sp.symbols("z s")
    >>> gaussian_mean(z**4 + z**3 + z**2, [z], {(z, z): s})
    3*s**2 + s
    """
    table = {pair[::step]: c for pair, c in covariance.items() for step in (1, -1)}

    @cache
    def moment(powers: tuple[int, ...]) -> sp.Expr:
        factors = [v for v, power in zip(variables, powers, strict=True) for _ in range(power)]
        if not factors:
            return sp.Integer(1)
        if len(factors) % 2:
            return sp.Integer(0)
        total = sp.Integer(0)
        for j in range(1, len(factors)):
            rest = [*factors[1:j], *factors[j + 1 :]]
            pair = table.get((factors[0], factors[j]), 0)
            if pair != 0:
                total += pair * moment(tuple(rest.count(v) for v in variables))
        return total

    try:
        polynomial = sp.Poly(expression, *variables)
    except sp.PolynomialError:
        raise InputError(
            f"The mean of {expression} was asked for, but a polynomial in {', '.join(map(str, variables))} "
            "is expected: expand it first."
        ) from None
    return sp.expand(sum((c * moment(powers) for powers, c in polynomial.terms()), sp.Integer(0)))
