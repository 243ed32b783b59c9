"""Learned decoder variance: the β at which each mode collapses where σ_dec² is trained too.

    D(τ)/τ = d/β with τ = βσ²       β_k = d λ_k / Σ_i min(λ_i, λ_k)

Proof: `landau-vae derive learned-variance`; at β = 1 this is probabilistic PCA (Lucas et al.,
arXiv:1911.02469). With a latent for every mode nothing is left over below β = d/modes, and
σ² → 0.
"""

from dataclasses import dataclass

import numpy as np

from landau_vae.checks import Count, checked
from landau_vae.display import Array, Column, Content, Numbers, Table, readonly, significant
from landau_vae.loss import Loss
from landau_vae.loss.learned_price import price_of_learned, singular_beta, tail
from landau_vae.numeric._transitions import Cascade, transitions
from landau_vae.spectrum.spectrum import Spectrum


@dataclass(frozen=True, eq=False, repr=False)
class LearnedVariance(Cascade):
    """The thresholds in β of a model whose σ_dec² is trained too; the scale of the data does not matter."""

    dimension: int  #: d, unresolved directions included
    latents: int  #: K
    singular: float | None  #: d/r where K latents encode all r modes: σ² → 0 below it; None where that cannot happen
    json_fields = ("dimension", "latents", "singular", "mode", "multiplicity", "beta")

    def price(self, beta: Numbers) -> Array:
        """Return the equilibrium price τ at any β; the decoder variance is σ² = τ/β.

        With n active modes τ = T_n / (d/β − n), T_n the variance of the others.

        Parameters
        ----------
        beta : array_like
            β, any shape.

        Returns
        -------
        array
            τ, of the shape of β, data² per nat.

        Raises
        ------
        OutsideTheory
            Unless every β is above `singular`.

        Examples
        --------
        >>> learned_variance(Spectrum.from_eigenvalues([4, 1, 1]), latents=1).price([3.0, 2.0, 1.0]).tolist()
        [6.0, 4.0, 1.0]
        """
        return price_of_learned(Loss.gaussian(beta).beta, self.spectrum, self.latents)

    def content(self) -> Content:
        """Yield the table of the cascade, strongest mode first."""
        yield repr(self)
        modes, share = self._columns()
        yield Table([modes, Column("collapses at β", self.beta), share])
        if self.singular is not None:
            yield f"Up to β = {significant(self.singular)} σ² has no equilibrium."


@checked
def learned_variance(spectrum: Spectrum, latents: Count | None = None) -> LearnedVariance:
    """Return the thresholds of the loss −ln N(x; x̂, σ²) + β KL, both summed, with σ² trained too.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    latents : int, optional
        K; by default one latent per mode.

    Returns
    -------
    LearnedVariance
        β of each threshold, one entry per multiplet.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> cascade = learned_variance(Spectrum.from_eigenvalues([4, 1, 1]))
    >>> cascade.beta.tolist(), cascade.singular
    ([2.0, 1.0], 1.0)
    """
    cascade = transitions(spectrum, Loss.gaussian(latents=latents))
    d, modes = spectrum.dimension, spectrum.modes
    ends = np.sum(spectrum.multiplets, axis=0)[: len(cascade.mode)]
    beta = readonly(d / (ends + tail(spectrum)[ends] / cascade.price))
    K = latents or modes
    return LearnedVariance(spectrum, cascade.mode, cascade.multiplicity, beta, d, K, singular_beta(spectrum, latents))
