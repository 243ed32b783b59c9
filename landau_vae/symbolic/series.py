"""Power series with parameters: the Taylor polynomial of a loss, and the elimination of its fast variables.

    y ← y − H⁻¹ ∂L/∂y(a, y)        each round gains at least one power of the slow amplitude a

Polynomials live in SymPy's sparse rings over the field of rational functions of the parameters, so every
coefficient is exact, and reduced as it arises. A variable of grade g begins with the power aᵍ: grading by symmetry
keeps the polynomials short.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.polys.ring_series import rs_mul, rs_pow, rs_trunc

from landau_vae.errors import InputError

__all__ = ["Series", "coefficients", "eliminate", "taylor"]

_KINKED = (sp.Abs, sp.sign, sp.Max, sp.Min, sp.Piecewise, sp.Heaviside, sp.floor, sp.ceiling)
Terms = dict[tuple[int, ...], Any]  # exponents of (slow, fast …) → coefficient in the field


@dataclass(frozen=True, eq=False)
class Series:
    """L − L₀ around the collapsed point, as a polynomial in the slow amplitude and the fast displacements."""

    fast: tuple[sp.Symbol, ...]
    grades: tuple[int, ...]  #: of the fast variables
    order: int  #: terms of higher total grade are left out
    terms: Terms
    ring: Any  #: polynomials in the slow amplitude over the field of the parameters

    def slope(self, index: int) -> Terms:
        """∂L/∂y of one fast variable."""
        place = index + 1
        return {
            (*powers[:place], powers[place] - 1, *powers[place + 1 :]): coefficient * powers[place]
            for powers, coefficient in self.terms.items()
            if powers[place]
        }

    def insert(self, terms: Terms, displacements: Sequence[Any], order: int) -> Any:
        """The polynomial in the slow amplitude alone that displacements y(a) leave, cut after `order`."""
        amplitude, total, cut = self.ring.gens[0], self.ring.zero, order + 1
        for powers, coefficient in terms.items():
            product = amplitude ** powers[0] * coefficient
            for displacement, power in zip(displacements, powers[1:], strict=True):
                if power:
                    product = rs_mul(product, rs_pow(displacement, power, amplitude, cut), amplitude, cut)
            total += rs_trunc(product, amplitude, cut)
        return total


def taylor(
    loss: sp.Expr,
    slow: sp.Symbol,
    fast: Sequence[sp.Symbol],
    point: Mapping[sp.Symbol, sp.Expr],
    grades: Sequence[int],
    order: int,
) -> Series:
    """Expand a loss around a point: slow amplitude of grade 1, fast displacements of the given grades.

    Raises `InputError` for a loss that is not analytic there.
    """
    variables, weights, step = (slow, *fast), (1, *grades), sp.Dummy("step")
    for function in loss.atoms(*_KINKED):
        if function.free_symbols & set(variables):
            raise InputError(f"The loss contains {function}, but a loss with a Taylor series is expected.")
    parts = sp.Add.make_args(sp.expand(loss, log=False, power_base=False, power_exp=False))
    polynomial = sp.Add(*(part for part in parts if part.is_polynomial(*variables)))
    collected = polynomial.subs({v: point[v] + v for v in variables}, simultaneous=True)
    ray = {v: point[v] + step**g * v for v, g in zip(variables, weights, strict=True)}
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
        if 0 < sum(n * g for n, g in zip(powers, weights, strict=True)) <= order
    }
    field, elements = sp.construct_domain(list(kept.values()), field=True)
    terms = {powers: c for powers, c in zip(kept, elements, strict=True) if c}
    return Series(tuple(fast), tuple(grades), order, terms, sp.ring([slow], field)[0])


def coefficients(polynomial: Any) -> list[tuple[int, sp.Expr]]:
    """(power, coefficient) of each term of a polynomial in the slow amplitude, lowest power first."""
    field = polynomial.ring.domain
    return sorted((powers[0], field.to_sympy(c)) for powers, c in polynomial.items())


def eliminate(series: Series, order: int) -> list[Any]:
    """The fast displacements as polynomials of the slow amplitude, solving ∂L/∂y = 0 to the given order.

    Raises `InputError` if the fast variables' Hessian is singular: then one of them is not fast.
    """
    moving = [i for i, grade in enumerate(series.grades) if grade <= order]
    displacements = [series.ring.zero for _ in series.fast]
    if not moving:
        return displacements
    slopes = [series.slope(i) for i in moving]
    unit = [tuple(int(place == i + 1) for place in range(len(series.fast) + 1)) for i in moving]
    field = series.ring.domain
    hessian = sp.polys.matrices.DomainMatrix(
        [[slope.get(u, field.zero) for u in unit] for slope in slopes], (len(moving), len(moving)), field
    )
    if not hessian.det():
        names = ", ".join(str(series.fast[i]) for i in moving)
        raise InputError(f"The Hessian of the fast variables {names} is singular: one of them is not fast.")
    inverse = hessian.inv().to_list()
    for _ in range(order):
        residuals = [series.insert(slope, displacements, order) for slope in slopes]
        for i, row in zip(moving, inverse, strict=True):
            displacements[i] -= sum((r * c for r, c in zip(residuals, row, strict=True)), series.ring.zero)
    return displacements
