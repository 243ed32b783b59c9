"""Any loss in symbols as a problem to follow: a new Landau theory, a mode with weight decay, the hierarchy.

The loss is stated once, in SymPy; gradient, Hessian and drift are its exact derivatives,
compiled by `lambdify`. Unknowns and controls that are declared positive (variances, prices) are
followed in their logarithm.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from landau_vae.checks import checked
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.numeric.problems.problem import Problem
from landau_vae.symbolic.algebra import as_expression
from landau_vae.symbolic.landau import Landau


class Symbolic(Problem):
    """The loss of a theory with numbers in place of all parameters but the control.

    The state of rest is the collapsed point of the theory.

    Parameters
    ----------
    theory : Landau
        A loss in symbols.
    parameters : mapping of symbol to number, optional
        Numbers for all symbols of the loss that are neither unknowns nor the control.
    control : symbol, optional
        By default that of the theory.
    order_parameters : sequence of expressions, optional
        What is plotted; by default the square of the slow amplitude.
    certificate : str, optional
        The theorem that excludes jumps, where there is one.

    Raises
    ------
    InputError
        If a number is missing, or an argument cannot be used.

    Examples
    --------
    >>> from landau_vae.symbolic import linear
    >>> problem = Symbolic(linear.mode_theory(), {linear.lam: 2})
    >>> rest = problem.rest(3.0)
    >>> rest.tolist(), problem.loss(rest, 3.0), problem.hessian(rest, 3.0).tolist()
    ([0.0, 0.0, 0.0], 1.0, [[1.0, -2.0, 0.0], [-2.0, 6.0, 0.0], [0.0, 0.0, 1.5]])
    """

    @checked
    def __init__(
        self,
        theory: Landau,
        parameters: Mapping[sp.Symbol, Any] | None = None,
        *,
        control: sp.Symbol | None = None,
        order_parameters: Sequence[sp.Expr] | None = None,
        certificate: str | None = None,
    ) -> None:
        symbol = theory.control if control is None else control
        values = {name: as_expression(value, "parameters") for name, value in (parameters or {}).items()}
        logs = {v: sp.exp(sp.Symbol(f"log_{v}", real=True)) for v in theory.variables if v.is_positive}
        unknowns = [next(iter(logs[v].free_symbols)) if v in logs else v for v in theory.variables]
        loss = theory.loss.subs(values).subs(logs)
        missing = loss.free_symbols - {*unknowns, symbol}
        if missing or symbol not in loss.free_symbols:
            named = ", ".join(sorted(map(str, missing))) or "nothing"
            raise InputError(
                f"Numbers are needed for every parameter but the control {symbol}; {named} is left over, in a loss "
                f"of {', '.join(sorted(map(str, theory.loss.free_symbols)))}: give parameters={{symbol: number}}."
            )
        self.control, self.logarithmic, self.certificate = str(symbol), bool(symbol.is_positive), certificate
        gradient = [sp.diff(loss, v) for v in unknowns]
        at = [theory.collapsed[v].subs(values) for v in theory.variables]
        rest = [sp.log(value) if v in logs else value for v, value in zip(theory.variables, at, strict=True)]
        shown = [a**2 for a in theory.amplitudes] if order_parameters is None else order_parameters
        orders = [as_expression(order, "order_parameters").subs(values).subs(logs) for order in shown]

        def compiled(expression: Any) -> Any:
            return sp.lambdify([unknowns, symbol], expression, modules="numpy", cse=True)

        self._loss, self._gradient = compiled(loss), compiled(gradient)
        self._hessian = compiled([[sp.diff(g, v) for v in unknowns] for g in gradient])
        self._drift = compiled([sp.diff(g, symbol) for g in gradient])
        self._rest = sp.lambdify([symbol], rest, modules="numpy")
        self._orders = compiled(orders)

    def loss(self, x: Array, control: float) -> float:
        return float(self._loss(x, control))

    def gradient(self, x: Array, control: float) -> Array:
        return np.asarray(self._gradient(x, control), dtype=float)

    def hessian(self, x: Array, control: float) -> Array:
        return np.asarray(self._hessian(x, control), dtype=float)

    def drift(self, x: Array, control: float) -> Array:
        return np.asarray(self._drift(x, control), dtype=float)

    def rest(self, control: float) -> Array:
        return np.asarray(self._rest(control), dtype=float)

    def order_parameters(self, x: Array, control: float) -> Array:
        return np.asarray(self._orders(x, control), dtype=float)
