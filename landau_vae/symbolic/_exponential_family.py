"""Exponential-family decoders with canonical link and one latent: the Landau theory in terms of the data's moments.

    x_i | z ~ exp(x_i η_i − A_i(η_i)),  η = b + w z      A(b + h) = Σ_n κ_n hⁿ/n!,  κ₁ = x̄,  κ₂ = F = 𝒱(x̄)

The cumulants follow from the variance function 𝒱 alone: κ_{n+1} = 𝒱 dκ_n/dx̄ (Morris
1982). Collapse of the direction u (w = a u) sets in at β = uᵀC u/uᵀF u, at most the top
eigenvalue of F^{-1/2} C F^{-1/2}. Gaussian: 𝒱 = σ²; Bernoulli: x̄(1 − x̄); Poisson: x̄.
The encoder is
affine; derived by `landau-vae derive exponential-family`.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import sympy as sp

from landau_vae.checks import Count, Range, checked
from landau_vae.errors import InputError
from landau_vae.symbolic import linear
from landau_vae.symbolic.algebra import as_expression
from landau_vae.symbolic.landau import Landau

beta = sp.Symbol("beta", positive=True)


@checked
def cumulants(variance: Any, mean: sp.Symbol, order: Count) -> list[sp.Expr]:
    """Return the cumulants κ₁ … κ_order of the family with a variance function.

    Parameters
    ----------
    variance : sympy.Expr
        𝒱, a function of the mean.
    mean : sympy.Symbol
        x̄.
    order : int
        How many cumulants.

    Returns
    -------
    list of sympy.Expr
        Functions of the mean.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> p = sp.Symbol("p", positive=True)
    >>> [sp.factor(k) for k in cumulants(p * (1 - p), p, 3)]
    [p, -p*(p - 1), p*(p - 1)*(2*p - 1)]
    """
    variance, result = as_expression(variance, "variance"), [mean]
    while len(result) < order:
        result.append(variance * sp.diff(result[-1], mean))
    return result


def moment(*features: Any) -> sp.Expr:
    """Return the moment ⟨y_i y_j …⟩ of the centred data as a symbol; the first moment vanishes.

    Parameters
    ----------
    *features : int
        The indices i, j, …, counted from 0.

    Returns
    -------
    sympy.Expr
        A real symbol, 1 without features, 0 for one.

    Raises
    ------
    InputError
        If an index is no whole number from 0 on.

    Examples
    --------
    >>> moment(1, 0), moment(0), moment()
    (m_12, 0, 1)
    """
    for feature in features:
        index = as_expression(feature, "features")
        if not (index.is_integer and index.is_nonnegative):
            raise InputError(f"features has {feature!r}, but whole numbers from 0 on are expected.", "features")
    if len(features) == 1:
        return sp.Integer(0)
    return sp.Symbol("m_" + "".join(str(i + 1) for i in sorted(features)), real=True) if features else sp.Integer(1)


@checked
def exponential_family(
    families: Sequence[Any], direction: Sequence[Any], order: Annotated[int, Range(2)] = 4
) -> Landau:
    """Return the Landau theory of the amplitude a in w = a u.

    Fast are the encoder's weights e and offset, the posterior variance s and the shifts
    c of the decoder's biases. Terms of a higher grade than `order` are left out of the
    loss, so it cannot be expanded further.

    Parameters
    ----------
    families : sequence of sequences of sympy.Expr
        κ₁, κ₂, … of each feature, up to `order` (`cumulants`).
    direction : sequence of sympy.Expr
        u, one entry per feature.
    order : int, default 4
        The highest power of the slow amplitude.

    Returns
    -------
    Landau
        With the control parameter β.

    Raises
    ------
    InputError
        If there are fewer cumulants than the order needs, or an argument cannot be used.

    Examples
    --------
    >>> p, u = sp.symbols("p u", positive=True)
    >>> theory = exponential_family([cumulants(p, p, 4)], [u])  # Poisson, one feature
    >>> theory.threshold
    m_11/p
    """
    d = len(families)
    families = [[as_expression(kappa, "families") for kappa in _listed(each)] for each in families]
    direction = [as_expression(u, "direction") for u in direction]
    if len(direction) != d or any(len(kappa) < order for kappa in families):
        needed = f"{order} cumulants of each of the {len(direction)} features of the direction are needed"
        given = [len(kappa) for kappa in families]
        raise InputError(f"To order {order}, {needed}, but {given} are given.", "families")
    a, offset = sp.symbols("a e0", real=True)
    e = sp.symbols(f"e1:{d + 1}", real=True)
    c = sp.symbols(f"c1:{d + 1}", real=True)
    s = linear.s
    mean_powers = [_mean_power(e, offset, n) for n in range(order + 1)]
    code_powers = [
        sum(sp.binomial(n, j) * mean_powers[n - j] * s ** (j // 2) * sp.factorial2(j - 1) for j in range(0, n + 1, 2))
        for n in range(order + 1)
    ]
    loss: sp.Expr = beta * linear.kl(mean_powers[2], s)
    for i, (kappa, u) in enumerate(zip(families, direction, strict=True)):
        for n in range(2, order + 1):
            # (c + a u z)ⁿ has the grade 2(n − m) + m or more: c begins at a², the product a z at a
            kept = [m for m in range(n + 1) if 2 * n - m <= order]
            power = sum(sp.binomial(n, m) * c[i] ** (n - m) * (a * u) ** m * code_powers[m] for m in kept)
            loss += kappa[n - 1] * power / sp.factorial(n)
        # ⟨x_i η_i⟩ beyond ⟨x_i⟩ b_i
        loss -= a * u * sum(e[j] * moment(i, j) for j in range(d))
    collapsed, signs = dict.fromkeys((a, offset, *e, *c), 0) | {s: 1}, {v: -v for v in (a, offset, *e)}
    return Landau(loss, a, (*e, offset, s, *c), beta, collapsed=collapsed, symmetry=signs, order=order)


def _listed(cumulants: Any) -> Sequence[Any]:
    if not isinstance(cumulants, Sequence) or isinstance(cumulants, str | bytes):
        raise InputError(
            f"families has {cumulants!r}, but lists of cumulants of each feature are expected.", "families"
        )
    return cumulants


def _mean_power(e: Sequence[sp.Symbol], offset: sp.Symbol, n: int) -> sp.Expr:
    """Return ⟨μⁿ⟩ of μ = e₀ + e·y."""
    y = sp.symbols(f"y1:{len(e) + 1}")
    power = sp.Poly((offset + sum(map(sp.Mul, e, y))) ** n, offset, *y)
    return sp.Add(*(c * offset**k * moment(*np.repeat(range(len(e)), on)) for (k, *on), c in power.terms()))
