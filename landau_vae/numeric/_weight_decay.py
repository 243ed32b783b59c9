"""Weight decay: the price at which each mode collapses, and whether it does so with a jump.

    τ_c = λ/(1+γ_W) − γ_E/λ         first-order iff γ_E > γ_tri = λ² (1+2γ_W) / (2(1+γ_W)²)

Proof: `landau-vae derive weight-decay`. Without decay: J. Hirn, arXiv:2605.22691. Latents serve
one mode each, the strongest first. Computed in units of the mode: g = γ_E/λ², price t = τ/λ,
amplitude x = w²/λ.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import NonNegative, checked
from landau_vae.display import Array, Column, Content, Table, listed, readonly, significant
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.numeric._transitions import Cascade, Transitions, transitions
from landau_vae.spectrum.spectrum import Spectrum

STRONGEST_DECAY = 1e100  # in units of the mode: up to it no formula overflows


@dataclass(frozen=True, eq=False, repr=False)
class WeightDecay(Cascade):
    """The cascade under weight decay, with β in the loss's own convention."""

    loss: Loss  #: the convention in which β and the decays are read
    decoder: float  #: γ_W, of ½ γ_W ‖W‖² in the user's own per-sample loss
    encoder: float  #: γ_E, of ½ γ_E ‖E‖²
    kind: NDArray[np.str_]  #: (transitions,) "continuous", "first-order" or "never" (active at no price)
    price: Array  #: τ_c, (transitions,): below it the collapsed state is unstable; NaN where it never is
    maxwell: Array  #: τ_M, (transitions,): below it the active state is best; τ_c if continuous, NaN if never
    spinodal: Array  #: τ_s, (transitions,): below it there is an active state; τ_c if continuous, NaN if never
    unstable_beta: Array  #: β of τ_c, (transitions,): below it training from small weights leaves the collapsed state
    spinodal_beta: Array  #: β of τ_s, (transitions,): up to it training that starts from an active state keeps it
    json_fields = ("loss", "decoder", "encoder", "mode", "multiplicity", "kind", "price", "maxwell", "spinodal",
                   "unstable_beta", "beta", "spinodal_beta")  # fmt: skip

    def signal_fraction(self, beta: float) -> Array:
        """Return M²_k in the best state at one β.

        Parameters
        ----------
        beta : float
            One number.

        Returns
        -------
        (modes,) array
            0 where the collapsed state is as good, or the mode has no latent.

        Raises
        ------
        InputError
            If β is not one positive number.

        Examples
        --------
        >>> weight_decay(Spectrum.from_eigenvalues([4, 1]), decoder=0.5).signal_fraction(1.0).round(9).tolist()
        [0.666666667, 0.0]
        """
        tau = self.loss.at(beta).price(self.spectrum)
        if tau.ndim:
            raise InputError(f"M² is given at one β, but there are {tau.size}: give one number.", "beta")
        cascade, active = transitions(self.spectrum, self.loss), np.zeros(len(self.mode))
        gamma_W, strength = _in_units_of_modes(cascade, self.decoder, self.encoder)
        for i in np.flatnonzero(tau < self.maxwell):
            active[i] = _signal(float(tau / cascade.price[i]), gamma_W, float(strength[i]))
        fraction = np.zeros(self.spectrum.modes)
        fraction[: self.multiplicity.sum()] = np.repeat(active, self.multiplicity)
        return readonly(fraction)

    def __repr__(self) -> str:
        kinds, beta = np.repeat(self.kind, self.multiplicity), self.beta[self.kind != "never"]
        ends = f", β = {significant(beta[0])} … {significant(beta[-1])}" if beta.size else ""
        active, jumps = np.count_nonzero(kinds != "never"), np.count_nonzero(kinds == "first-order")
        return f"WeightDecay({active} of {len(kinds)} modes, {jumps} first-order{ends})"

    def content(self) -> Content:
        """Yield the table of the cascade, strongest mode first; modes that are never active are named below it."""
        yield repr(self)
        yield Table([
            self._columns()[0], Column("collapse", self.kind), Column("unstable below β", self.unstable_beta),
            Column("collapses at β", self.beta), Column("survives to β", self.spinodal_beta),
        ], note="unstable: the collapsed state; survives: training from an active state keeps it to here")  # fmt: skip
        never = np.flatnonzero(np.repeat(self.kind == "never", self.multiplicity)).tolist()
        if never:
            yield f"{listed(never, 'Mode')} {'is' if len(never) == 1 else 'are'} never active, at whatever β."


@checked
def weight_decay(
    spectrum: Spectrum, loss: Loss | None = None, *, decoder: NonNegative = 0.0, encoder: NonNegative = 0.0
) -> WeightDecay:
    """Return the thresholds with ½ γ_W ‖W‖² + ½ γ_E ‖E‖² added to the user's own per-sample loss.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    loss : Loss, optional
        The convention; by default `Loss.gaussian()`. Its β does not matter.
    decoder, encoder : float, default 0
        γ_W and γ_E. A decay that an optimiser decouples (AdamW) is another one.

    Returns
    -------
    WeightDecay
        For each multiplet the kind of collapse and three prices.

    Raises
    ------
    InputError
        If an argument cannot be used.
    OutsideTheory
        If the loss is not a squared error with a fixed decoder variance.

    Examples
    --------
    >>> cascade = weight_decay(Spectrum.from_eigenvalues([4, 1]), encoder=1.0)
    >>> cascade.kind.tolist(), cascade.price.tolist(), cascade.spinodal.round(9).tolist()
    (['continuous', 'first-order'], [3.75, nan], [3.75, 0.333333333])
    """
    loss = Loss.gaussian() if loss is None else loss
    loss.must_be_fixed("thresholds with weight decay are known")
    cascade = transitions(spectrum, loss)
    lam = cascade.price
    gamma_W, strength = _in_units_of_modes(cascade, decoder, encoder)
    tau_c = lam / (1 + gamma_W) - strength * lam
    never = gamma_W * strength >= 1
    jumps = (strength > (1 + 2 * gamma_W) / (2 * (1 + gamma_W) ** 2)) & ~never
    kind = np.select([never, jumps], ["never", "first-order"], "continuous")
    price, maxwell, spinodal = np.where(tau_c > 0, tau_c, np.nan), *np.where(never, np.nan, [tau_c, tau_c])
    for i in np.flatnonzero(jumps):  # by rounding alone the three could change places at the tricritical point
        maxwell[i] = max(lam[i] * _solve(_coexistence, gamma_W, float(strength[i])), tau_c[i])
        spinodal[i] = max(lam[i] * _solve(_double_root, gamma_W, float(strength[i])), maxwell[i])
    prices = readonly(price), readonly(maxwell), readonly(spinodal)
    unstable, beta, last = (readonly(loss.beta_at(tau, spectrum)) for tau in prices)
    settings = cascade.mode, cascade.multiplicity, beta, loss, decoder, encoder, readonly(kind, np.str_)
    return WeightDecay(spectrum, *settings, *prices, unstable, last)


# ------------------------------------------------------------------------------------------- formulas


def _in_units_of_modes(cascade: Transitions, decoder: float, encoder: float) -> tuple[float, Array]:
    """Return γ_W and g = γ_E/λ² in units of σ_dec² L, in which the squared error costs ½."""
    a, _ = cascade.loss.weights(cascade.spectrum.dimension)
    gamma_W = decoder / (2 * a)
    with np.errstate(over="ignore"):  # the next sentence reports it
        strength = encoder / (2 * a) / cascade.price / cascade.price
    if not max(gamma_W, *strength) < STRONGEST_DECAY:
        raise InputError(
            f"The decays {decoder:g} and {encoder:g} are too large to compute with (beyond {STRONGEST_DECAY:g} in "
            "units of 1/σ_dec² and λ²/σ_dec²): choose smaller ones, or rescale the data."
        )
    return gamma_W, strength


def _coexistence(y: float, gamma_W: float) -> tuple[float, float]:
    """Return (g, t) where the active state with u = τy has the loss of the collapsed one; r = 1/(1+y) − p."""
    if y < 0.1:  # differences would cancel: p = (y − ln(1+y))/y² by its series, and q = ln(1+y)/y from it
        p = sum((-y) ** n / (n + 2) for n in range(18))
        q, r = 1 - y * p, 1 / (1 + y) - p
    else:
        q = math.log1p(y) / y
        p, r = (1 - q) / y, (q - 1 / (1 + y)) / y
    return (gamma_W + p) / (gamma_W + q) ** 2, r / (gamma_W + q) ** 2


def _double_root(y: float, gamma_W: float) -> tuple[float, float]:
    """Return (g, t) where the active state with u = τy meets the barrier; a = 1/κ."""
    v = 1 + y
    a = 1 / (1 + gamma_W * v)
    return (2 - a) * a * ((2 - a) * v + a) / 4, a**2 * (2 - a + a / v) / 4


def _solve(line: Callable[[float, float], tuple[float, float]], gamma_W: float, strength: float) -> float:
    """Return the price t of the point on a line (g, t)(y) that has the given strength g, which rises with y."""
    y = _root(lambda y: math.log(line(y, gamma_W)[0] / strength), 1e-18, 1e130)
    return line(y, gamma_W)[1]


def _signal(t: float, gamma_W: float, strength: float) -> float:
    """Return M² at the largest root of the cubic in x, which lies between its minimum and the root without c3."""
    h = t + strength
    c3, c2 = gamma_W, 2 * gamma_W * h + (1 + gamma_W) * t
    c1, c0 = h * (gamma_W * h + 2 * (1 + gamma_W) * t - 1), t * h * ((1 + gamma_W) * h - 1)
    if min(c0, c1) >= 0:
        return 0.0  # a rounding away from a continuous threshold
    swing = math.sqrt(max(c1 * c1 - 4 * c2 * c0, 0.0))
    high = (swing - c1) / (2 * c2) if c1 < 0 else -2 * c0 / (c1 + swing)
    low = -c1 / (c2 + math.sqrt(c2 * c2 - 3 * c3 * c1)) if c1 < 0 else 0.0
    x = _root(lambda x: ((c3 * x + c2) * x + c1) * x + c0, max(low, 1e-30 * high), high)
    return 1 / (1 + t * ((x + h) / x) * ((x + h) / (x + t)))


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return the zero of a rising function, on a log scale; an end where rounding hides the change of sign."""
    from scipy.optimize import brentq  # here, so that `import landau_vae` stays light

    def scaled(log: float) -> float:
        return rising(math.exp(log))

    ends = math.log(low), math.log(high)
    if scaled(ends[0]) >= 0:
        return low
    if scaled(ends[1]) <= 0:
        return high
    return math.exp(brentq(scaled, *ends, xtol=1e-15, rtol=1e-15, maxiter=1000))
