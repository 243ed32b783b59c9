"""The linear Gaussian β-VAE in symbols: the one place where its loss is written down.

    σ_dec² ℓ(w, e, s) = ½[λ − 2weλ + w²(e²λ + s)] + (τ/2)[e²λ + s − 1 − ln s]

per mode of variance λ (decoder w, encoder e, posterior variance s, price τ = β σ_dec²),
and the same for any number of features and latents. All of it is the average of
`squared_error` and `kl`: change a coefficient there, and every derivation that rests on
it breaks. Source: J. Hirn, arXiv:2605.22691; `landau-vae derive loss` shows the
averages.
"""

from collections.abc import Callable, Sequence

import sympy as sp

from landau_vae.symbolic.algebra import gaussian_mean
from landau_vae.symbolic.landau import Landau

lam, tau, s = sp.symbols("lambda tau s", positive=True)
w, e = sp.symbols("w e", real=True)


def squared_error(x: sp.Expr, reconstruction: sp.Expr) -> sp.Expr:
    """Return ½(x − x̂)², per feature: σ_dec² times the Gaussian decoder's −ln p(x|z), up to a constant."""
    return (x**2 - 2 * x * reconstruction + reconstruction**2) / 2


def kl(mean_square: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """Return KL(N(μ, s) ‖ N(0, 1)) = ½[μ² + s − 1 − ln s], per latent, in nats; its average takes ⟨μ²⟩."""
    return (mean_square + variance - 1 - sp.log(variance)) / 2


# ----------------------------------------------------------------------------------------- one mode


def mode_loss(variance: sp.Expr = lam) -> sp.Expr:
    """Return σ_dec² ℓ(w, e, s), the loss of one mode.

    >>> sp.factor(mode_loss().subs({w: 0, e: 0, s: 1}))
    lambda/2
    """
    return loss(sp.Matrix([[w]]), sp.Matrix([[e]]), [s], sp.Matrix([[variance]]))


def second_moment() -> sp.Expr:
    """Return A² = ⟨μ²⟩ + s, the aggregate second moment of one latent."""
    return e**2 * lam + s


def signal_fraction() -> sp.Expr:
    """Return M² = ⟨μ²⟩/A², the order parameter."""
    return e**2 * lam / second_moment()


def mode_theory(extra: sp.Expr | int = 0) -> Landau:
    """Return the Landau theory of one mode around its collapsed point; `extra` is added to the loss.

    >>> mode_theory().threshold, mode_theory().expansion(4).kind
    (lambda, 'supercritical')
    """
    return Landau(mode_loss() + extra, w, (e, s), tau, collapsed={w: 0, e: 0, s: 1}, symmetry={w: -w, e: -e})


# ------------------------------------------------------------------------------- d features, K latents


def mode_variances(d: int) -> list[sp.Symbol]:
    """Return λ₁ … λ_d, positive symbols without an order."""
    return list(sp.symbols(f"lambda1:{d + 1}", positive=True))


def variables(d: int, K: int) -> tuple[sp.Matrix, sp.Matrix, list[sp.Symbol]]:
    """Return decoder W, d × K, encoder E, K × d, and posterior variances s, K, all of symbols."""
    decoder = sp.Matrix(d, K, lambda i, k: sp.Symbol(f"w{i + 1}{k + 1}", real=True))
    encoder = sp.Matrix(K, d, lambda k, i: sp.Symbol(f"e{k + 1}{i + 1}", real=True))
    return decoder, encoder, list(sp.symbols(f"s1:{K + 1}", positive=True))


def loss(W: sp.Matrix, E: sp.Matrix, variances: Sequence[sp.Expr], C: sp.Matrix, price: sp.Expr = tau) -> sp.Expr:
    """Return σ_dec² L for centred data of covariance C, d × d, averaged over data and posterior noise.

    Only second moments of the data enter, so it holds for data of any distribution.

    >>> loss(*variables(1, 1), sp.Matrix([[lam]])).has(sp.log(sp.Symbol("s1", positive=True)))
    True
    """
    x = sp.Matrix(sp.symbols(f"x1:{W.rows + 1}"))
    return average(x, C, E * x, variances, lambda z: (x, W * z), price)


def average(
    data: sp.Matrix,
    covariance: sp.Matrix,
    mean: sp.Matrix,
    variances: Sequence[sp.Expr],
    decode: Callable[[sp.Matrix], tuple[sp.Matrix, sp.Matrix]],
    price: sp.Expr,
) -> sp.Expr:
    """Return ½⟨‖target − decoded‖²⟩ + price ⟨KL⟩.

    `decode` makes (target, decoded) of the sampled latents z = mean + noise.

    >>> x, e, w = sp.Matrix([sp.Symbol("x")]), sp.Symbol("e"), sp.Symbol("w")
    >>> average(x, sp.Matrix([lam]), e * x, [s], lambda z: (x, w * z), sp.Integer(0)).coeff(w, 1)
    -e*lambda
    """
    n = data.rows
    noise = sp.symbols(f"epsilon1:{len(variances) + 1}")
    moments = {(data[i], data[j]): covariance[i, j] for i in range(n) for j in range(i, n)} | {(a, a): 1 for a in noise}
    sampled = mean + sp.Matrix([sp.sqrt(v) * a for v, a in zip(variances, noise, strict=True)])
    squares = sum((squared_error(a, b) for a, b in zip(*decode(sampled), strict=True)), sp.Integer(0))
    rates = (kl(gaussian_mean(sp.expand(m**2), list(data), moments), v) for m, v in zip(mean, variances, strict=True))
    return gaussian_mean(sp.expand(squares), [*data, *noise], moments) + price * sp.Add(*rates)
