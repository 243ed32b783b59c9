"""Landau expansion of the linear VAE and of a Bernoulli decoder, against undetermined coefficients put into SymPy.

The rival writes e and s as polynomials with unknown coefficients, expands the stationarity conditions with `series` and
solves them power by power, as one would by hand. SymPy's cache is emptied before every round.
"""

from collections.abc import Iterator
from functools import partial

import sympy as sp
from sympy.core.cache import clear_cache
from timing import Row, absolute, against, seconds

from landau_vae.symbolic import cumulants, exponential_family, linear

BAR = 5.0  # seconds


def rows(quick: bool) -> Iterator[Row]:
    """The bar in seconds at order 8, order 12, the rival, and a loss without a closed form."""
    order, high, budget = (4, 6, 0.05) if quick else (8, 12, 5.0)
    ours, rival = partial(_ours, order), partial(_undetermined, order)
    assert sp.cancel(ours() - rival()) == 0
    yield absolute(f"linear VAE, order {order}", seconds(ours), BAR)
    yield absolute(f"linear VAE, order {high}", seconds(partial(_ours, high)), None)
    yield against(f"linear VAE, order {order}", ours, "undetermined coefficients", rival, None, budget)
    yield absolute(f"Bernoulli decoder, one feature, order {order}", seconds(partial(_bernoulli, order)), BAR)


def _ours(order: int) -> sp.Expr:
    clear_cache()
    return linear.mode_theory().expansion(order).potential


def _undetermined(order: int) -> sp.Expr:
    """Everything to order/2 in the fast variables, then the potential."""
    clear_cache()
    w, e, s, half = linear.w, linear.e, linear.s, order // 2
    loss = linear.mode_loss()
    unknown = {n: sp.Symbol(f"c{n}") for n in range(1, half + 1)}
    fast = {
        e: sum((unknown[n] * w**n for n in range(1, half + 1, 2)), sp.Integer(0)),
        s: 1 + sum((unknown[n] * w**n for n in range(2, half + 1, 2)), sp.Integer(0)),
    }
    slopes = [sp.series(sp.diff(loss, v).subs(fast), w, 0, half + 1).removeO().expand() for v in (e, s)]
    for n in range(1, half + 1):
        equation = slopes[(n + 1) % 2].coeff(w, n)
        value = sp.cancel(sp.solve(equation, unknown[n])[0])
        slopes = [slope.subs(unknown[n], value).expand() for slope in slopes]
        fast = {v: x.subs(unknown[n], value) for v, x in fast.items()}
    at_zero = loss.subs({w: 0, e: 0, s: 1})
    return sp.series(loss.subs(fast), w, 0, order + 1).removeO() - at_zero


def _bernoulli(order: int) -> sp.Expr:
    clear_cache()
    p = sp.Symbol("p", positive=True)
    family = [sp.expand(kappa) for kappa in cumulants(p * (1 - p), p, order)]
    return exponential_family([family], [1], order).expansion(order).potential
