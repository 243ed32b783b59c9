"""Other losses, same machinery: each variation of the linear VAE that amounts to another spectrum.

    noise metric Ψ          Ψ^(−½) C Ψ^(−½)                               exact
    another target y        Ψ^(−½) Σ_yx Σ_xx⁻¹ Σ_xy Ψ^(−½)                exact
    conditional on x        Ψ^(−½) (Σ_yy − Σ_yx Σ_xx⁻¹ Σ_xy) Ψ^(−½)       exact
    exponential family      F^(−½) C F^(−½), F the variance at the mean   first threshold exact

Each function gives a `Spectrum`; transitions, equilibria, choices, pictures and commands take it as any other.
Derivations: `landau-vae derive variations`, `exponential-family`.
"""

from landau_vae.spectra.family import exponential_family
from landau_vae.spectra.linear import conditional, noise_metric, supervised

__all__ = ["conditional", "exponential_family", "noise_metric", "supervised"]
