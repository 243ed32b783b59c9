"""The exact variations of the linear VAE: each a loss in a few lines.

    weight decay          + ½γ_W w² + ½γ_E e²                      a jump where γ_E is large
    prior variance η²     KL against N(0, η²)                      nothing changes
    metric, target        ½‖R(y − Wz − Bx)‖²                       another spectrum
    fixed variance s      s given, not learned                     soft thresholding at √(τs)

Everything is an average of `linear.squared_error` and `linear.kl`; units and symbols
are those of `linear`. Sources: J. Hirn, arXiv:2605.22691; Wang & Ziyin,
arXiv:2205.04009; Dang et al., arXiv:2306.05023. Derivations: `landau-vae derive
variations`, `landau-vae derive weight-decay`.
"""

from collections.abc import Sequence

import sympy as sp

from landau_vae.symbolic import linear
from landau_vae.symbolic.landau import Landau


def weight_decay(decoder: sp.Expr | int, encoder: sp.Expr | int) -> Landau:
    """Return the theory of one mode with ½γ_W w² + ½γ_E e² added, in units σ_dec² = 1.

    γ_W is the decay of the decoder, γ_E of the encoder.

    >>> weight_decay(1, 0).threshold, weight_decay(0, linear.lam**2 / 4).threshold
    (lambda/2, 3*lambda/4)
    """
    return linear.mode_theory((decoder * linear.w**2 + encoder * linear.e**2) / 2)


def prior_variance(variance: sp.Expr | int) -> Landau:
    """Return the theory of one mode with the prior N(0, η²): its KL is `kl` of μ/η and s/η².

    >>> prior_variance(4).threshold
    lambda
    """
    rate = linear.kl(linear.e**2 * linear.lam / variance, linear.s / variance)
    return Landau(
        linear.mode_loss().subs(linear.tau, 0) + linear.tau * rate,
        linear.w, (linear.e, linear.s), linear.tau,
        collapsed={linear.w: 0, linear.e: 0, linear.s: variance},
        symmetry={linear.w: -linear.w, linear.e: -linear.e},
    )  # fmt: skip


def fixed_variance() -> Landau:
    """Return the theory of one mode whose posterior variance s is given.

    >>> fixed_variance().threshold
    lambda/s
    """
    return Landau(
        linear.mode_loss(), linear.w, (linear.e,), linear.tau,
        collapsed={linear.w: 0, linear.e: 0}, symmetry={linear.w: -linear.w, linear.e: -linear.e},
    )  # fmt: skip


def target_loss(
    W: sp.Matrix,
    E: sp.Matrix,
    variances: Sequence[sp.Expr],
    covariance: sp.Matrix,
    *,
    direct: sp.Matrix | None = None,
    whitening: sp.Matrix | None = None,
    price: sp.Expr = linear.tau,
) -> sp.Expr:
    """Return ½⟨‖R(y − Wz − Bx)‖²⟩ + price ⟨KL⟩ for centred data v = (x, y) of the given covariance, n × n.

    The target y, (q), is the last part of v, as long as W, q × K, is high. The encoder
    E, K × m, reads the first m entries of v, so z = E v_{1…m} + noise. `direct` B, q ×
    p, lets the decoder see the first p entries. `whitening` R, q × q, weighs the errors
    with the inverse RᵀR of their noise metric; by default R = 1.

    >>> W, E, variances = linear.variables(2, 1)
    >>> C = sp.diag(*linear.mode_variances(2))
    >>> target_loss(W, E, variances, C) - linear.loss(W, E, variances, C)
    0
    """
    n, q = covariance.rows, W.rows
    B = sp.zeros(q, 0) if direct is None else direct
    R = sp.eye(q) if whitening is None else whitening
    v = sp.Matrix(sp.symbols(f"x1:{n + 1}"))
    target, condition = v[n - q :, :], v[: B.cols, :]
    code = E * v[: E.cols, :]
    return linear.average(v, covariance, code, variances, lambda z: (R * target, R * (W * z + B * condition)), price)
