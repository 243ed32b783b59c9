"""One mode of a two-level hierarchy x ← z₁ ← z₂ in symbols.

    σ_dec² ℓ = ½⟨(x − w₁z₁)²⟩ + β₁σ_dec² ⟨ln q(z₁|x) − ln p(z₁|z₂)⟩ + β₂σ_dec² ⟨KL(q(z₂|z₁) ‖ p(z₂))⟩

with q(z₁|x) = N(v₁x, s₁), q(z₂|z₁) = N(v₂z₁, s₂), p(x|z₁) = N(w₁z₁, σ_dec²), p(z₁|z₂) = N(w₂z₂, σ_dec²),
p(z₂) = N(0, 1), all averages joint; s₁ is given, s₂ learned (variances: s₁ is what the source writes σ₁²). Only second
moments of the data enter. Source: Dang et al., arXiv:2306.05023; derivation: `landau-vae derive hierarchy`.
"""

from collections.abc import Mapping

import sympy as sp

from landau_vae.symbolic import linear
from landau_vae.symbolic.algebra import gaussian_mean
from landau_vae.symbolic.landau import Landau

w1, v1, w2, v2 = sp.symbols("w1 v1 w2 v2", real=True)
s1, s2, beta1, beta2, sigma = sp.symbols("s1 s2 beta1 beta2 sigma", positive=True)  # sigma: σ_dec
collapsed: dict[sp.Symbol, sp.Expr] = dict.fromkeys((w1, v1, w2, v2), sp.Integer(0)) | {s2: sp.Integer(1)}


def mode_loss(variance: sp.Expr = linear.lam) -> sp.Expr:
    """Return σ_dec² ℓ(w₁, v₁, w₂, v₂, s₂) of one mode; collapsed at s₁ = σ_dec² it costs no nat at either level.

    >>> mode_loss().subs(collapsed).subs(s1, sigma**2)
    lambda/2
    """
    x, *noise = sp.symbols("x epsilon1 epsilon2")
    moments = {(x, x): variance} | {(n, n): sp.Integer(1) for n in noise}
    z1 = v1 * x + sp.sqrt(s1) * noise[0]
    z2 = v2 * z1 + sp.sqrt(s2) * noise[1]

    def mean(expression: sp.Expr) -> sp.Expr:
        return gaussian_mean(sp.expand(expression), [x, *noise], moments)

    apart = 2 * mean(linear.squared_error(z1, w2 * z2)) / sigma**2  # in units of p(z₁|z₂), own variance s₁ included
    own = s1 / sigma**2
    rates = beta1 * linear.kl(apart - own, own) + beta2 * linear.kl(mean((v2 * z1) ** 2), s2)
    return mean(linear.squared_error(x, w1 * z1)) + sigma**2 * rates


def mode_theory(
    slow: sp.Symbol,
    control: sp.Symbol,
    background: Mapping[sp.Symbol, sp.Expr] = collapsed,
    parameters: Mapping[sp.Symbol, sp.Expr] | None = None,
) -> Landau:
    """Return the Landau theory of one level, w₁ or w₂ by its decoder amplitude `slow`.

    The other level is at rest in `background`.
    `parameters` names the parameters anew where that makes the background rational.

    >>> mode_theory(w1, linear.lam).threshold, mode_theory(w2, s1).threshold
    (beta1*s1, beta2*sigma**2/beta1)
    """
    fast = tuple(v for v in (w1, v1, w2, v2, s2) if v != slow)
    signs = {v: -v for v in ((w1, v1) if slow == w1 else (w2, v2))}
    return Landau(mode_loss().subs(parameters or {}), slow, fast, control, collapsed=background, symmetry=signs)
