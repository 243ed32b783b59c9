"""A fixed encoder variance: posterior variances that are given and not learned soft-threshold the singular values.

    a latent of variance s serves mode k iff λ_k > τs:    w² = √(λτ/s) − τ,    M² = 1 − √(τs/λ)

(Wang & Ziyin, arXiv:2205.04009; Dang et al., arXiv:2306.05023; `landau-vae derive variations`).
What a pair gains is ½(√λ − √(τs))², so the strongest mode goes to the latent of the smallest
variance. The transition is still continuous, but M² falls like 1 − √(τ/τ_k), twice as slowly as
where s is learned. Valid for any data; linear, Gaussian decoder.
"""

from dataclasses import dataclass, field

import numpy as np

from landau_vae.checks import checked, numbers
from landau_vae.display import Array, Column, Content, Integers, Numbers, Result, Table, readonly, significant
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.spectrum.spectrum import Spectrum


@dataclass(frozen=True, eq=False)
class FixedEncoder(Result):
    """The equilibrium and the thresholds of K latents with given variances; one entry per pair of mode and latent."""

    spectrum: Spectrum = field(repr=False)  #: the modes λ_k
    loss: Loss = field(repr=False)  #: the convention in which β is read
    variance: Array  #: s, (pairs,), ascending: of the latent that may serve each of the strongest modes
    latent: Integers  #: (pairs,): which latent that is, counted from 0
    price: float  #: τ, data² per nat
    threshold: Array  #: τ_k = λ_k/s, (pairs,), the price at which each mode collapses
    beta: Array  #: the thresholds in the loss's own β, (pairs,)
    signal_fraction: Array  #: M²_k = [1 − √(τs/λ)]₊, (pairs,)
    decoder_norm: Array  #: ‖w_k‖, (pairs,), data units: w² = √(λτ/s) − τ where the mode is active
    total_distortion: float  #: D̃ of the sampled reconstruction: an active mode leaves √(λτs), an inactive one λ
    json_fields = ("loss", "price", "variance", "latent", "threshold", "beta", "signal_fraction", "decoder_norm",
                   "total_distortion")  # fmt: skip

    @property
    def active(self) -> int:
        """Return how many latents are active."""
        return int(np.count_nonzero(self.signal_fraction > 0))

    def __repr__(self) -> str:
        active = f"{self.active} of {len(self.variance)} latents active at τ = {significant(self.price)}"
        return f"FixedEncoder({active}, β = {significant(self.beta[0])} … {significant(self.beta[-1])})"

    def content(self) -> Content:
        """Yield the table of pairs, strongest mode first."""
        yield repr(self)
        pairs = len(self.variance)
        yield Table([
            Column("mode", range(1, pairs + 1)), Column("latent", self.latent + 1),
            Column("λ/V", self.spectrum.normalized[:pairs]), Column("s", self.variance),
            Column("collapses at β", self.beta), Column("M²", self.signal_fraction),
        ], note="s: posterior variance of the latent, which is given; M²: its signal fraction")  # fmt: skip


@checked
def fixed_encoder(spectrum: Spectrum, loss: Loss, variance: Numbers) -> FixedEncoder:
    """Return the equilibrium where the posterior variances are given.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    loss : Loss
        The convention, with one β, a squared error and a fixed decoder variance.
    variance : float or (K,) array_like
        s of all latents, or of each.

    Returns
    -------
    FixedEncoder
        Which latent serves which mode, and how strongly.

    Raises
    ------
    InputError
        If an argument cannot be used.
    OutsideTheory
        If the loss is of another kind.

    Examples
    --------
    >>> result = fixed_encoder(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(0.25, latents=2), 1.0)
    >>> result.threshold.tolist(), result.signal_fraction.tolist(), result.decoder_norm.round(4).tolist()
    ([4.0, 1.0], [0.75, 0.5], [0.866, 0.5])
    """
    loss.must_be_fixed("given posterior variances are solved")
    spectrum.must_be_whole("Given posterior variances concern")
    if loss.beta.ndim:
        raise InputError(f"β holds {loss.beta.size} values, but one number is expected: give one β.", "loss")
    variances = numbers(variance, "variance", finite=True)
    latents = loss.latents or (len(variances) if variances.ndim == 1 else spectrum.modes)
    if variances.shape not in ((), (latents,)):
        expected = f"but one number or ({latents},) is expected."
        raise InputError(f"The posterior variances have shape {variances.shape}, {expected}", "variance")
    if np.any(variances <= 0):
        raise InputError(f"Posterior variances are positive, but {variances.min():g} is among them.", "variance")
    variances = np.broadcast_to(variances, (latents,))
    order = np.argsort(variances, kind="stable")[: min(latents, spectrum.modes)]
    s, lam, tau = variances[order], spectrum.eigenvalues[: len(order)], float(loss.price(spectrum))
    with np.errstate(over="ignore"):
        threshold = lam / s
    if not np.isfinite(threshold).all():
        raise InputError(
            f"variance holds {s.min():g}, which is too small to divide eigenvalues by: scale it.", "variance"
        )
    norm = np.sqrt(np.maximum(np.sqrt(threshold) * np.sqrt(tau) - tau, 0.0))
    served = lam - np.minimum(lam, np.sqrt(lam) * np.sqrt(tau) * np.sqrt(s))
    return FixedEncoder(
        spectrum, loss, readonly(s), readonly(order, np.int64), tau, readonly(threshold),
        readonly(loss.beta_at(threshold, spectrum)), readonly(np.maximum(1 - np.sqrt(tau / threshold), 0.0)),
        readonly(norm), float(1 - served.sum() / spectrum.total_variance),
    )  # fmt: skip
