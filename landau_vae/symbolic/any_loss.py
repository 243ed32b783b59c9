"""The loss of a row near total collapse, under any reconstruction term ℓ(x, f).

    ℓ(x, f₀ + φ) = ℓ₀ + s·φ + ½ φᵀHφ + …,   φ(z) = b + w z + q (z² − 1)/√2,   z = μ + σε

s and H are the row's score and curvature at the collapsed output f₀; b, w and q are the
decoder's first Hermite coefficients, one vector each. The posterior is Gaussian, row by
row, as in
`linear.average`. Source: this package; derived by `landau-vae derive
any-reconstruction-loss`.
"""

from collections.abc import Sequence

import sympy as sp

from landau_vae.symbolic import linear
from landau_vae.symbolic.algebra import gaussian_mean


def taylor(score: sp.Matrix, curvature: sp.Matrix, shift: sp.Matrix, third: sp.Expr | int = 0) -> sp.Expr:
    """Return what a shift of the output adds to a row's term; `third` is ∂³ℓ/∂f³ of a single output."""
    cubic = third * shift[0] ** 3 / 6
    return score.dot(shift) + shift.dot(curvature * shift) / 2 + cubic


def output(decoder: Sequence[sp.Matrix], z: sp.Expr) -> sp.Matrix:
    """Return φ(z) of the coefficients b, w, q of normalised Hermite polynomials."""
    b, w, q = decoder
    return b + w * z + q * (z**2 - 1) / sp.sqrt(2)


def row_loss(
    score: sp.Matrix,
    curvature: sp.Matrix,
    decoder: Sequence[sp.Matrix],
    mean: sp.Expr,
    log_width: sp.Expr,
    price: sp.Expr,
    third: sp.Expr | int = 0,
) -> sp.Expr:
    """Return ⟨ℓ⟩ − ℓ₀ + price · KL of a row, averaged over the posterior's noise.

    >>> one, m, v, c = sp.eye(1), *sp.symbols("m v c")
    >>> loss = row_loss(0 * one, one, (0 * one, one, 0 * one), m, v, c)
    >>> loss.coeff(c, 0), loss.coeff(c, 1)
    (m**2/2 + exp(2*v)/2, m**2/2 - v + exp(2*v)/2 - 1/2)
    """
    noise, width = sp.Dummy("epsilon"), sp.Dummy("sigma", positive=True)
    shift = output(decoder, mean + width * noise)
    term = gaussian_mean(sp.expand(taylor(score, curvature, shift, third)), [noise], {(noise, noise): sp.Integer(1)})
    whole = term + price * linear.kl(mean**2, width**2)
    return sp.expand(sp.expand_log(whole.subs(width, sp.exp(log_width)), force=True))
