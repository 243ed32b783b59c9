"""The first collapse of a nonlinear VAE: the Landau theory of one latent, its decoder and its posteriors free.

    F = ⟨½‖x − f(z)‖²⟩ + τ⟨KL⟩,    f(z) = Σ_n f_n He_n(z),    z ~ N(μ(x), s(x)),    lengths in units of √λ₁

Slow are w and c, the linear and the quadratic coefficient of the decoder along the first principal component. First
the posterior of one row is eliminated at a given decoder: each row has its own μ and s. The rows enter what is left
through their moments. Then the other coefficients of the decoder are eliminated, which begin with two powers of w and
c. Source: this package; derived by `landau-vae derive first-order-collapse`.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import sympy as sp

from landau_vae.checks import Natural, Range, checked
from landau_vae.symbolic import linear
from landau_vae.symbolic._exponential_family import moment
from landau_vae.symbolic.algebra import gaussian_mean
from landau_vae.symbolic.landau import Landau

ORDER = 4  # of the potential in w and c
HIGHEST = 4  # of the Hermite polynomials: ⟨He_n⟩ begins with n/2 powers, those beyond contribute at order 6
tau, s = linear.tau, linear.s
w, c, mu = sp.symbols("w c mu", real=True)
kappa, m4 = sp.symbols("kappa m_4", real=True)


def decoder(components: int, highest: int = HIGHEST) -> sp.Matrix:
    """Return the coefficients f_n of each principal component; those of He_1 and He_2 along the first are w and c.

    >>> decoder(1, 3)
    Matrix([[f_10, w, c, f_13]])
    """
    slow = {(0, 1): w, (0, 2): c}
    name = lambda i, n: slow.get((i, n), sp.Symbol(f"f_{i + 1}{n}", real=True))  # noqa: E731
    return sp.Matrix(components, highest + 1, name)


@checked
def row_theory(row: Sequence[sp.Symbol], highest: Annotated[int, Range(2)] = HIGHEST) -> Landau:
    """Return the theory of one row: slow is the decoder, fast are the row's own posterior mean and variance.

    Parameters
    ----------
    row : sequence of sympy.Symbol
        x in the basis of the principal components. ⟨x⟩ = 0, so −x f_0, which averages to nothing, is left out.
    highest : int, default 4
        The highest Hermite polynomial of the decoder, from 2 on.

    Returns
    -------
    Landau
        The loss above the collapsed one. w and c count once, the other coefficients of the decoder twice.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> row_theory([sp.Symbol("x")]).elimination(1)[mu]
    w*x/tau
    """
    coefficients, noise = decoder(len(row), highest), sp.Symbol("epsilon")
    polynomials = [sp.expand(_hermite(n, mu + noise)) for n in range(highest + 1)]
    loss = tau * linear.kl(mu**2, s)
    for i, x in enumerate(row):
        output = coefficients[i, :].dot(polynomials)
        error = linear.squared_error(x, output) - linear.squared_error(x, sp.Integer(0)) + x * coefficients[i, 0]
        loss += gaussian_mean(sp.expand(error), [noise], {(noise, noise): s})
    collapsed = {v: sp.Integer(0) for v in (*coefficients, mu)} | {s: sp.Integer(1)}
    weights = {v: 2 for v in coefficients if v not in (w, c)}
    return Landau(loss, tuple(coefficients), (mu, s), tau, collapsed=collapsed, weights=weights)


@checked
def theory(across: Natural = 1, highest: Annotated[int, Range(2)] = HIGHEST) -> Landau:
    """Return the theory of w and c for rows of any distribution, in terms of its moments.

    Parameters
    ----------
    across : int, default 1
        How many principal components there are beside the first. Each adds its own terms.
    highest : int, default 4
        The highest Hermite polynomial of the decoder, from 2 on; those beyond the fourth do not enter at order 4.

    Returns
    -------
    Landau
        Cut after order 4. Fast are the other coefficients of the decoder.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> theory(across=0).expansion(3).coefficients
    {(2, 0): (tau - 1)/(2*tau), (0, 2): (tau - 1)/tau, (2, 1): -kappa/tau**2, (0, 3): -4*kappa/(3*tau**2)}
    """
    row = sp.symbols(f"x1:{across + 2}", real=True)
    reduced = row_theory(row, highest)
    terms = sp.Poly(reduced.expansion(ORDER).potential, *row).terms()
    averaged = sp.Add(*(coefficient * row_moment(*powers) for powers, coefficient in terms))
    fast = tuple(v for v in reduced.amplitudes if v not in (w, c))
    return Landau(averaged, (w, c), fast, tau, collapsed=dict.fromkeys((w, c, *fast), sp.Integer(0)), order=ORDER)


def row_moment(*powers: int) -> sp.Expr:
    """Return the mean of a product of powers of the principal components, whose first has the variance 1.

    >>> row_moment(2), row_moment(3), row_moment(4), row_moment(2, 1), row_moment(0, 2), row_moment(1, 1)
    (1, kappa, m_4, a_2, ell_2, 0)
    """
    if sum(powers) == 2 and 1 in powers:
        return sp.Integer(0)
    first, others = powers[0], [i for i, n in enumerate(powers, 1) if n and i > 1]
    named = {(2,): sp.Integer(1), (3,): kappa, (4,): m4}
    if not others and (first,) in named:
        return named[(first,)]
    if (first, sum(powers)) == (2, 3):
        return sp.Symbol(f"a_{others[0]}", real=True)
    if (first, sum(powers)) == (0, 2):
        return sp.Symbol(f"ell_{others[0]}", positive=True)
    return moment(*np.repeat(range(len(powers)), powers).tolist())


def _hermite(n: int, z: sp.Expr) -> sp.Expr:
    """Return He_n(z), orthogonal under the standard normal distribution."""
    return sp.Integer(2) ** sp.Rational(-n, 2) * sp.hermite(n, z / sp.sqrt(2))
