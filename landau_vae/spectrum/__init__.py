"""What the data offer: the spectrum of their covariance, and the spectra that other losses see.

    Spectrum                from_data, from_file, from_chunks, from_xarray, from_covariance, from_eigenvalues
    Partial                 a part of the rows; parts merge exactly
    noise_metric            Ψ^(−½) C Ψ^(−½)                               exact
    supervised              Ψ^(−½) Σ_yx Σ_xx⁻¹ Σ_xy Ψ^(−½)                exact
    conditional             Ψ^(−½) (Σ_yy − Σ_yx Σ_xx⁻¹ Σ_xy) Ψ^(−½)       exact
    exponential_family      F^(−½) C F^(−½), F the variance at the mean   first threshold exact
    score                   ⟨H⟩^(−½) Cov(s) ⟨H⟩^(−½), of any loss         first threshold exact

Derivations: `landau-vae derive variations`, `exponential-family`,
`any-reconstruction-loss`.
"""

from landau_vae.spectrum._conditional import conditional, supervised
from landau_vae.spectrum._noise_metric import exponential_family, noise_metric
from landau_vae.spectrum._score import score
from landau_vae.spectrum.partial import Partial
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["Partial", "Spectrum", "conditional", "exponential_family", "noise_metric", "score", "supervised"]
