"""Free bits per latent: the state in which a linear VAE settles where each latent has C nats for nothing.

    L = ½D + τ Σ_k max(R_k, C)

Strong modes have a latent each and pay the price; the free nats of the other latents go where
they save most, often as a second latent on a strong mode, in any mixture of modes. What the free
latents know together is determined, which of them knows what is not. Proof: `landau-vae derive
constraints-on-the-rate`; the search is in `landau_vae.loss.free_bits`.
"""

from dataclasses import dataclass, field

import numpy as np

from landau_vae.checks import checked
from landau_vae.display import Array, Column, Content, Result, Table, counted, readonly, significant
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.loss import Loss
from landau_vae.loss.free_bits import pooled_state
from landau_vae.spectrum.spectrum import Spectrum


@dataclass(frozen=True, eq=False)
class FreeBits(Result):
    """The best state of a linear VAE with free bits per latent."""

    spectrum: Spectrum  #: the modes λ_k
    loss: Loss = field(repr=False)  #: with its constraint on each latent
    price: float  #: τ of a nat beyond the free ones, data² per nat
    alone: int  #: latents that have a mode of their own; the others share what modes they serve
    rate: Array = field(repr=False)  #: R_k of each latent, (K,), nats, descending
    remaining: Array = field(repr=False)  #: variance that is left in each mode, (modes,), data²
    free_energy: float  #: ½D + τ Σ max(R_k, C), data²: the least loss, times σ_dec²
    json_fields = ("loss", "price", "alone", "rate", "remaining", "total_rate", "total_distortion", "free_energy")

    @property
    def total_rate(self) -> float:
        """Return Σ R_k, nats: more than data and latents share where latents share modes."""
        return float(self.rate.sum())

    @property
    def total_distortion(self) -> float:
        """Return D̃ of the sampled reconstruction, as in the loss."""
        return float(self.remaining.sum() + self.spectrum.rest) / self.spectrum.total_variance

    def content(self) -> Content:
        """Yield the state in words, then the modes."""
        free, K = self.loss.constraint.value if self.loss.constraint else 0.0, len(self.rate)
        limited = int(np.isclose(self.rate, free).sum())
        yield (
            f"{self.loss.formula} at τ = {significant(self.price)}: {counted(self.alone, 'latent')} of {K} with a mode "
            f"alone, {limited} at the free {significant(free)} nats. R = {significant(self.total_rate, 4)} nats, "
            f"D̃ = {self.total_distortion:.4g}"
        )
        lam = self.spectrum.eigenvalues
        by = np.where(np.arange(len(lam)) < self.alone, "a latent of its own", "shared latents")
        yield Table([
            Column("mode", range(1, len(lam) + 1)), Column("λ", lam), Column("left of it", self.remaining / lam),
            Column("known by", np.where(self.remaining < lam, by, "no latent"), text=True),
        ])  # fmt: skip


@checked
def free_bits(spectrum: Spectrum, loss: Loss) -> FreeBits:
    """Return the state in which a linear β-VAE with free bits per latent settles.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    loss : Loss
        With one β, and a constraint on each latent: `loss.constrained("hinge", C, per="latent")`.

    Returns
    -------
    FreeBits
        Rates of latents and what is left of modes. Latents with their free nats are not
        determined one by one: any rotation of them within their modes is as good.

    Raises
    ------
    InputError
        If the loss has a list of β, or no free bits per latent.
    OutsideTheory
        If there are more latents than modes were kept, or the decoder variance is learned.

    Notes
    -----
    The state is exact for linear models, and the best of all of them; it holds for the mean of
    each latent's KL over rows (or over large batches).

    Examples
    --------
    One latent for each mode would cost 1.0390. Both on the first mode cost less:

    >>> loss = Loss.gaussian(1.0, latents=2).constrained("hinge", 0.3, per="latent")
    >>> state = free_bits(Spectrum.from_eigenvalues([1.5, 0.1]), loss)
    >>> state.rate.tolist(), round(state.free_energy, 4), state.remaining.round(4).tolist()
    ([0.3, 0.3], 0.9336, [0.5673, 0.1])
    """
    constraint = loss.constraint
    if constraint is None or constraint.per != "latent":
        raise InputError(
            "The loss has no free bits per latent: give loss.constrained('hinge', C, per='latent'), or ask "
            "equilibrium for other losses.",
            "loss",
        )
    if loss.beta.ndim:
        raise InputError("The loss has a list of β, but one state is returned: give one β.", "loss")
    if loss.learned:
        raise OutsideTheory("Free bits per latent are not known with a learned decoder variance: fix the variance.")
    K, modes = loss.latents or spectrum.modes, spectrum.modes
    if spectrum.truncated and modes < K:
        raise OutsideTheory(f"{K} latents may serve modes beyond the {modes} that were kept: keep more.")
    price = float(loss.nominal_price(spectrum))
    state = pooled_state(spectrum, K, price, constraint.value)
    left = readonly(spectrum.eigenvalues / (1 + state.gains))
    return FreeBits(spectrum, loss, price, state.alone, readonly(state.rates), left, state.value)
