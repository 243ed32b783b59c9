"""The collapse cascade: thresholds of all modes, as prices, as temperatures and as β of the user's own loss.

    τ_k = λ_k      T_k = λ_k / V      β_k = the β at which the loss has the price λ_k
    C_k = ½ Σ_{i<k} ln(λ_i/λ_k)       the rate from which mode k is active, nats

Each transition is a supercritical pitchfork, continuous with a kink in the rate (J. Hirn,
arXiv:2605.22691). A multiplet of equal eigenvalues collapses at once. With K latents only the K
strongest modes have a transition at all. A constraint on the rate keeps modes active at every β.
A loss whose sampler departs from its KL multiplies all thresholds, and may make them jumps
(`landau-vae derive samplers-and-heads`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landau_vae.checks import Count, checked
from landau_vae.display import Array, Column, Content, Integers, Result, Table, numbered, readonly, significant
from landau_vae.loss import Loss
from landau_vae.loss.water_filling import rate_at
from landau_vae.numeric._equilibrium import equilibrium
from landau_vae.spectrum.spectrum import Spectrum


@dataclass(frozen=True, eq=False, repr=False)
class Cascade(Result):
    """What all cascades have: one entry per multiplet, from the last to collapse (mode 1) to the first."""

    spectrum: Spectrum  #: the modes λ_k
    mode: Integers  #: (transitions,) index of the multiplet's first mode, counting from 1
    multiplicity: Integers  #: (transitions,) how many latents collapse together
    beta: Array  #: β_k where the best state changes, (transitions,); infinite (0): active (inactive) always, NaN: open

    def __repr__(self) -> str:
        ends = f"β = {significant(self.beta[0])} … {significant(self.beta[-1])}"
        return f"{type(self).__name__}({len(self.mode)} of {self.multiplicity.sum()} modes, {ends})"

    def _columns(self, shown: slice = slice(None)) -> tuple[Column, Column]:
        """Return which modes collapse together, and the share of V in all modes up to these."""
        mode, count = self.mode[shown], self.multiplicity[shown]
        shares = np.cumsum(self.spectrum.normalized)[mode + count - 2]
        modes = list(map(numbered, mode.tolist(), count.tolist()))
        return Column("mode", modes), Column("up to here", shares, "{:.4%}".format)


@dataclass(frozen=True, eq=False, repr=False)
class Transitions(Cascade):
    """The cascade of a loss, with β in its own convention."""

    loss: Loss  #: the convention in which β is read
    price: Array  #: τ_k = λ_k, times the sampler's threshold, (transitions,), data² per nat
    temperature: Array  #: T_k = τ_k / V, (transitions,)
    json_fields = ("mode", "multiplicity", "price", "temperature", "beta", "capacity", "kind", "unstable_beta",
                   "spinodal_beta")  # fmt: skip

    @property
    def capacity(self) -> Array:
        """Return C_k, the rate from which each multiplet is active, (transitions,), nats; NaN for other samplers."""
        if not self.loss.sampler.plain:
            return readonly(np.full_like(self.price, np.nan))
        return readonly(rate_at(self.price, self.spectrum, self.loss.latents))

    @property
    def kind(self) -> str:
        """How modes are lost: "continuous", or with a jump, "first-order"."""
        return "first-order" if self.loss.sampler.jumps else "continuous"

    @property
    def unstable_beta(self) -> Array:
        """Return β below which training from small weights leaves the collapsed state, (transitions,)."""
        return self._at(self.loss.sampler.unstable)

    @property
    def spinodal_beta(self) -> Array:
        """Return β up to which training that starts from an active state keeps it, (transitions,)."""
        return self._at(self.loss.sampler.spinodal)

    def _at(self, ratio: float) -> Array:
        """Return β at the prices that are so many times the eigenvalues."""
        if ratio == self.loss.sampler.threshold:
            return self.beta
        return readonly(self.loss.beta_at(self.price / self.loss.sampler.threshold * ratio, self.spectrum))

    @checked
    def summary(self, limit: Count | None = None, *, intervals: Sequence[str] | None = None) -> str:
        """Return the table of the cascade, strongest mode first.

        Parameters
        ----------
        limit : int, optional
            How many transitions are listed; by default all.
        intervals : sequence of str, optional
            For each transition the interval of its β in the population, such as
            `Uncertainty.cells` gives.

        Returns
        -------
        str
            At a single β the table also says whether each mode is active there.

        Raises
        ------
        InputError
            If an argument cannot be used.
        """
        return self._table(slice(limit), intervals).text()

    def content(self) -> Content:
        """Yield the table of the cascade, strongest mode first; at a single β also whether each mode is active."""
        yield self._table(slice(None), None)

    def _table(self, shown: slice, intervals: Sequence[str] | None) -> Table:
        modes, share = self._columns(shown)
        columns = [
            modes, Column("λ/V = T_k" if self.loss.sampler.threshold == 1 else "T_k", self.temperature[shown]),
            Column("collapses at β", self.beta[shown], _at),
            *([Column("active from C [nat]", self.capacity[shown])] if self.loss.constraint else []),
            *([] if intervals is None else [Column("population's β", intervals[shown])]), share,
        ]  # fmt: skip
        note = "T_k: temperature τ/V at which mode k collapses; up to here: share of V in the modes so far"
        if np.isnan(self.beta[shown]).any():
            note += ";\nunknown: free nats or a distortion leave it open (landau_vae.numeric.free_bits)"
        if self.loss.sampler.jumps:
            columns[2:2] = [Column("unstable below β", self.unstable_beta[shown])]
            columns[4:4] = [Column("survives to β", self.spinodal_beta[shown])]
            note += ";\nunstable: the collapsed state; survives: training from an active state keeps it to here"
        if self.loss.beta.ndim == 0:
            state, first = equilibrium(self.spectrum, self.loss), (self.mode - 1)[shown]
            columns += [
                Column("M² at β", state.signal_fraction[first], lambda m: f"{m:.4f}" if m > 0 else "inactive"),
                Column("R [nat]", state.rate[first], lambda rate: f"{rate:.4f}" if rate > 0 else "0"),
            ]
            note += ";\nM²: signal fraction of the latent; R: its rate"
        return Table(columns, note=note)


WORDS = {0.0: "inactive", np.inf: "never"}


def _at(beta: float) -> str:
    """Return a threshold as the table shows it."""
    return significant(beta) if 0 < beta < np.inf else WORDS.get(beta, "unknown")


@checked
def transitions(spectrum: Spectrum, loss: Loss) -> Transitions:
    """Return the threshold of each mode, in the convention of a loss.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    loss : Loss
        The convention. Its β does not matter; with K latents only the K strongest modes have a
        threshold.

    Returns
    -------
    Transitions
        Prices, temperatures and β, one entry per multiplet.

    Raises
    ------
    InputError
        If spectrum and loss do not go together.

    Examples
    --------
    >>> cascade = transitions(Spectrum.from_eigenvalues([4, 1, 1]), Loss.gaussian(reconstruction="mean"))
    >>> cascade.mode.tolist(), cascade.multiplicity.tolist(), cascade.beta.round(9).tolist()
    ([1, 2], [1, 2], [1.333333333, 0.333333333])
    """
    starts, counts = spectrum.multiplets
    ends = starts + counts if loss.latents is None else np.minimum(starts + counts, loss.latents)
    kept = ends > starts
    price = np.add.reduceat(spectrum.eigenvalues, starts)[kept] / counts[kept] * loss.sampler.threshold
    mode, multiplicity = (readonly(values[kept], np.int64) for values in (starts + 1, ends - starts))
    beta, temperature = readonly(loss.collapse_beta(price, spectrum)), readonly(price / spectrum.total_variance)
    return Transitions(spectrum, mode, multiplicity, beta, loss, readonly(price), temperature)
