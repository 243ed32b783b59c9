"""A two-level hierarchy x ← z₁ ← z₂, mode by mode: which level lives, and how strongly.

    σ_dec² F(A) = λs₁/(2A) + β₁ φ(A),   A = ⟨z₁²⟩ ≥ s₁,   φ: the linear VAE of variance A at the price τ₂ = β₂σ_dec²/β₁

with s₁ the given posterior variance of the first level, that of the second learned; p(z₁|z₂) has variance σ_dec²,
p(z₂) variance 1; KL weights β₁, β₂ (Dang et al., arXiv:2306.05023; `landau-vae derive hierarchy`, where it is proved).
First level M₁² = 1 − s₁/A, second M₂² = [1 − τ₂/A]₊. Valid for linear maps, any data; modes are taken one by one.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from landau_vae.data.tables import is_real
from landau_vae.display import Array, jsonable, readonly, significant, table
from landau_vae.errors import InputError
from landau_vae.loss.checks import check_spectrum
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["Hierarchy", "hierarchy"]


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The equilibrium of both levels, and where each mode dies."""

    spectrum: Spectrum = field(repr=False)  #: the modes λ_k
    first_beta: float  #: β₁
    second_beta: float  #: β₂
    decoder_variance: float  #: σ_dec², data²
    first_variance: float  #: s₁, the given posterior variance of the first level

    @property
    def second_price(self) -> float:
        """τ₂ = β₂σ_dec²/β₁: what a nat of the second level costs in units of z₁²."""
        return self.second_beta * self.decoder_variance / self.first_beta

    @property
    def dead_first(self) -> float:
        """The variance λ up to which the first level is dead: β₁s₁ if the second is dead there too, else β₂σ²."""
        both = self.first_variance >= self.second_price
        return self.second_beta * self.decoder_variance if both else self.first_beta * self.first_variance

    @property
    def dead_second(self) -> float:
        """The variance λ up to which the second level is dead, β₂²σ⁴/(β₁s₁); 0 where s₁ keeps it alive by itself."""
        if self.first_variance >= self.second_price:
            return 0.0
        return (self.second_beta * self.decoder_variance) ** 2 / (self.first_beta * self.first_variance)

    @cached_property
    def spread(self) -> Array:
        """A_k = ⟨z₁²⟩, (modes,)."""
        lam = self.spectrum.eigenvalues
        alone = np.sqrt(lam * self.first_variance / self.first_beta)  # the minimum where the second level is dead
        both = lam * self.first_variance / (self.second_beta * self.decoder_variance)
        return readonly(np.maximum(np.where(alone <= self.second_price, alone, both), self.first_variance))

    @cached_property
    def first(self) -> Array:
        """M₁² = 1 − s₁/A, (modes,): the signal fraction of the first level."""
        return readonly(1 - self.first_variance / self.spread)

    @cached_property
    def second(self) -> Array:
        """M₂² = [1 − τ₂/A]₊, (modes,): that of the second level."""
        return readonly(np.maximum(1 - self.second_price / self.spread, 0.0))

    def __repr__(self) -> str:
        living = np.count_nonzero(self.first > 0), np.count_nonzero(self.second > 0)
        return f"Hierarchy({living[0]} modes live at the first level, {living[1]} at the second)"

    def summary(self) -> str:
        """The table of modes, strongest first."""
        rows = [
            [str(k + 1), significant(lam), f"{self.first[k]:.4f}", f"{self.second[k]:.4f}"]
            for k, lam in enumerate(self.spectrum.eigenvalues)
        ]
        ends = f"The first level is dead up to λ = {significant(self.dead_first)}, the second up to "
        return f"{self!r}\n{ends}{significant(self.dead_second)}.\n{table(['mode', 'λ', 'M₁²', 'M₂²'], rows)}"

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        names = ("first_beta", "second_beta", "decoder_variance", "first_variance", "second_price", "dead_first",
                 "dead_second", "spread", "first", "second")  # fmt: skip
        return jsonable({name: getattr(self, name) for name in names})


def hierarchy(
    spectrum: Spectrum,
    *,
    first_beta: float = 1.0,
    second_beta: float = 1.0,
    decoder_variance: float = 1.0,
    first_variance: float,
) -> Hierarchy:
    """Which modes live at which level, where the first level's posterior variance s₁ is given and a latent each.

    >>> found = hierarchy(Spectrum.from_eigenvalues([8, 2, 0.3]), first_variance=0.5)
    >>> found.dead_first, found.dead_second
    (0.5, 2.0)
    >>> found.first.round(4).tolist(), found.second.round(4).tolist()
    ([0.875, 0.5, 0.0], [0.75, 0.0, 0.0])
    """
    named = {"first_beta": first_beta, "second_beta": second_beta, "decoder_variance": decoder_variance,
             "first_variance": first_variance}  # fmt: skip
    for name, value in named.items():
        if not (is_real(value) and value > 0):
            raise InputError(f"{name} is {value!r}, but a positive finite number is expected.")
    check_spectrum(spectrum)
    if not spectrum.likelihood.squared:
        raise InputError(f"The hierarchy is solved for squared errors, but this spectrum is for {spectrum.likelihood}.")
    return Hierarchy(spectrum, *(float(value) for value in named.values()))
