"""A Landau potential and what it says about the transition: its kind and its critical exponents.

    ΔL(a) = a₂ a² + … + a_N a^N      a₂ ~ tᵏ,  a_N(τ_c) ≠ 0 the first that is left at the threshold

a² and a^N balance at a ~ t^{k/(N−2)}, provided that no coefficient between them vanishes more slowly than the straight
line from (2, k) to (N, 0) allows (Newton's polygon). The kind speaks of fast variables that are at a minimum.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import sympy as sp

from landau_vae.errors import InputError
from landau_vae.symbolic.algebra import vanishes

if TYPE_CHECKING:
    from landau_vae.symbolic.landau import Landau

__all__ = ["Expansion"]


@dataclass(frozen=True, eq=False)
class Expansion:
    """The coefficients of a Landau potential, made by `Landau.expansion`."""

    theory: "Landau" = field(repr=False)
    coefficients: dict[int, sp.Expr]  #: power of the amplitude → coefficient, a function of the control parameter

    @property
    def potential(self) -> sp.Expr:
        """Σ_n a_n aⁿ, the loss above the collapsed point."""
        amplitude = self.theory.slow - self.theory.collapsed[self.theory.slow]
        return sp.Add(*(c * amplitude**n for n, c in self.coefficients.items()))

    @cached_property
    def at_threshold(self) -> dict[int, sp.Expr]:
        """The coefficients at τ_c."""
        at = {self.theory.control: self.theory.threshold}
        return {n: sp.factor(c.subs(at)) for n, c in self.coefficients.items()}

    @cached_property
    def leading(self) -> tuple[int, sp.Expr]:
        """N and a_N: the first power with a coefficient at the threshold, and that coefficient.

        Raises `InputError` if all coefficients vanish to the order of this expansion.
        """
        for n, c in self.at_threshold.items():
            if not vanishes(c):
                return n, c
        raise InputError(
            f"At the threshold nothing is left up to order {max(self.coefficients)}: expand to a higher order."
        )

    @property
    def kind(self) -> str:
        """'supercritical', 'subcritical', 'transcritical' (an odd power leads), or 'undecided' without a known sign.

        Raises `InputError` where the fast variables are known to be at no minimum (then no state is stable), and where
        a₂ touches zero without changing sign (then there is no transition).
        """
        fast = self.theory.hessian()[1:, 1:].subs(self.theory.control, self.theory.threshold)
        if any(fast[:n, :n].det().is_negative for n in range(1, fast.rows + 1)):
            raise InputError("The fast variables are not at a minimum at the threshold: the kind says nothing there.")
        self._changes_sign()
        power, coefficient = self.leading
        if power % 2:
            return "transcritical"
        if coefficient.is_positive:
            return "supercritical"
        return "subcritical" if coefficient.is_negative else "undecided"

    @cached_property
    def exponents(self) -> dict[str, sp.Rational]:
        """Critical exponents of a continuous transition, read off the orders k and N.

        Amplitude t^{k/(N−2)}, susceptibility t^{−k}, response to a field at the threshold h^{1/(N−1)}, gain of the loss
        t^{kN/(N−2)}. Raises `InputError` for a subcritical one, and where the powers between 2 and N matter.
        """
        power, coefficient = self.leading
        if power % 2 == 0 and coefficient.is_negative:
            raise InputError(f"a_{power} = {coefficient} is negative: the transition jumps, and has no exponents.")
        first = self._changes_sign()
        for n, c in self.coefficients.items():
            if 2 < n < power and not vanishes(c) and self._order_of_zero(n) * (power - 2) < first * (power - n):
                raise InputError(
                    f"a_{n} vanishes more slowly at the threshold than a scaling between a_2 and a_{power} allows: "
                    "exponents do not follow from these orders."
                )
        return {
            "order parameter": first / (power - 2),
            "susceptibility": first,
            "field": sp.Rational(1, power - 1),
            "loss": first * power / (power - 2),
        }

    def _changes_sign(self) -> sp.Integer:
        """The order k of the zero of a₂, which must be odd."""
        order = self._order_of_zero(2)
        if order % 2 == 0:
            raise InputError(
                f"a_2 = {self.coefficients[2]} does not change sign at {self.theory.control} = "
                f"{self.theory.threshold}: there is no transition."
            )
        return order

    def _order_of_zero(self, power: int) -> sp.Integer:
        """The power of τ − τ_c with which a coefficient vanishes at the threshold."""
        slope, order = self.coefficients[power], sp.Integer(0)
        while vanishes(slope.subs(self.theory.control, self.theory.threshold)):
            slope, order = sp.diff(slope, self.theory.control), order + 1
        return order
