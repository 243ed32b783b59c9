"""A two-level hierarchy x ← z₁ ← z₂, mode by mode: which level is active, and how strongly.

    σ_dec² F(A) = λs₁/(2A) + β₁ φ(A),   A = ⟨z₁²⟩ ≥ s₁,   φ: the linear VAE of variance A at the price τ₂ = β₂σ_dec²/β₁

with s₁ the given posterior variance of the first level, that of the second learned; p(z₁|z₂)
has variance σ_dec², p(z₂) variance 1; KL weights β₁, β₂ (Dang et al., arXiv:2306.05023;
`landau-vae derive hierarchy`, where it is proved). First level M₁² = 1 − s₁/A, second
M₂² = [1 − τ₂/A]₊. Valid for linear maps, any data; modes are taken one by one.
"""

from dataclasses import dataclass, field

import numpy as np

from landau_vae.checks import Positive, checked
from landau_vae.display import Array, Column, Content, Result, Table, readonly, significant
from landau_vae.errors import OutsideTheory
from landau_vae.spectrum.spectrum import Spectrum


@dataclass(frozen=True, eq=False)
class Hierarchy(Result):
    """The equilibrium of both levels, and where each mode collapses."""

    spectrum: Spectrum = field(repr=False)  #: the modes λ_k
    first_beta: float  #: β₁
    second_beta: float  #: β₂
    decoder_variance: float  #: σ_dec², data²
    first_variance: float  #: s₁, the given posterior variance of the first level
    second_price: float  #: τ₂ = β₂σ_dec²/β₁, the price of a nat of the second level in units of z₁²
    dead_first: float  #: variance λ up to which the first level is inactive: β₁s₁ if the second is too, else β₂σ²
    dead_second: float  #: λ up to which the second level is inactive, β₂²σ⁴/(β₁s₁); 0 where s₁ alone exceeds τ₂
    spread: Array  #: A_k = ⟨z₁²⟩, (modes,)
    first: Array  #: M₁² = 1 − s₁/A, (modes,), the signal fraction of the first level
    second: Array  #: M₂² = [1 − τ₂/A]₊, (modes,), the signal fraction of the second level
    json_fields = ("first_beta", "second_beta", "decoder_variance", "first_variance", "second_price", "dead_first",
                   "dead_second", "spread", "first", "second")  # fmt: skip

    def __repr__(self) -> str:
        first, second = np.count_nonzero(self.first > 0), np.count_nonzero(self.second > 0)
        return f"Hierarchy({first} modes active at the first level, {second} at the second)"

    def content(self) -> Content:
        """Yield the table of modes, strongest first."""
        ends = f"up to λ = {significant(self.dead_first)}, the second up to {significant(self.dead_second)}"
        yield f"{self!r}\nThe first level is inactive {ends}."
        lam = self.spectrum.eigenvalues
        yield Table([
            Column("mode", range(1, len(lam) + 1)), Column("λ", lam),
            Column("M₁²", self.first, "{:.4f}".format), Column("M₂²", self.second, "{:.4f}".format),
        ], note="M₁², M₂²: signal fractions of the first and the second level")  # fmt: skip


@checked
def hierarchy(
    spectrum: Spectrum,
    *,
    first_beta: Positive = 1.0,
    second_beta: Positive = 1.0,
    decoder_variance: Positive = 1.0,
    first_variance: Positive,
) -> Hierarchy:
    """Return which modes are active at which level of a two-level VAE.

    Each mode has a latent at both levels. The posterior variance of the second level is learned.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    first_beta, second_beta : float, default 1
        β₁ and β₂, the KL weights.
    decoder_variance : float, default 1
        σ_dec², data²; also the variance of p(z₁|z₂).
    first_variance : float
        s₁, the given posterior variance of the first level.

    Returns
    -------
    Hierarchy
        Signal fractions of both levels, and the variances up to which they are inactive.

    Raises
    ------
    InputError
        If an argument cannot be used.
    OutsideTheory
        If the spectrum is not for squared errors.

    Examples
    --------
    >>> result = hierarchy(Spectrum.from_eigenvalues([8, 2, 0.3]), first_variance=0.5)
    >>> result.dead_first, result.dead_second
    (0.5, 2.0)
    >>> result.first.round(4).tolist(), result.second.round(4).tolist()
    ([0.875, 0.5, 0.0], [0.75, 0.0, 0.0])
    """
    if not spectrum.likelihood.squared:
        problem = f"The hierarchy is solved for squared errors, but this spectrum is for {spectrum.likelihood}"
        raise OutsideTheory(f"{problem}: build it for a Gaussian loss.")
    lam, s1, sigma2 = spectrum.eigenvalues, first_variance, decoder_variance
    price, first_cost, second_cost = second_beta * sigma2 / first_beta, first_beta * s1, second_beta * sigma2
    dead = (second_cost, 0.0) if s1 >= price else (first_cost, second_cost * (second_cost / first_cost))
    alone = np.sqrt(lam) * np.sqrt(s1 / first_beta)  # A at the minimum where the second level is inactive
    with np.errstate(over="ignore"):  # without decoder noise it has no bound
        spread = readonly(np.maximum(np.where(alone <= price, alone, lam * (s1 / second_cost)), s1))
        signal = readonly(1 - s1 / spread), readonly(np.maximum(1 - price / spread, 0.0))
    return Hierarchy(spectrum, first_beta, second_beta, sigma2, s1, price, *dead, spread, *signal)
