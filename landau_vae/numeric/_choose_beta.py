"""Which β to train at: one that keeps k modes, the largest that reaches a tolerance, the least above sampling noise.

Mode k is kept for λ_{k+1} ≤ τ < λ_k, so "keep k" has an interval of answers; its geometric middle is as far
(in factors) from losing mode k as from waking mode k + 1. The distortion D̃(τ) is continuous and increasing
(reverse water-filling), so "tolerance ε" has one answer: the price at which D̃ = ε. From the price of the noise floor
(`noise`) up to the weakest λ_k above it the same modes live, none of them noise; the floor itself encodes them best.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from landau_vae.display import jsonable, significant
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.loss.checks import check_pair
from landau_vae.numeric._equilibrium import Equilibrium, Reconstruction, equilibrium, noise_power
from landau_vae.numeric._noise_floor import noise_floor as floor_of_noise
from landau_vae.spectrum.spectrum import Spectrum, check_share

__all__ = ["Choice", "choose_beta"]

UNBOUNDED_FACTOR = 10.0  # below the threshold where nothing bounds the price from below: M² of the last mode is 0.9


@dataclass(frozen=True, eq=False)
class Choice:
    """A β, the interval of β that would do as well, and the equilibrium there."""

    question: str  #: what was asked for, in words
    beta: float  #: the recommended β, in the loss's own convention
    interval: tuple[float, float]  #: every β in between does what was asked
    equilibrium: Equilibrium = field(repr=False)  #: the state at `beta`
    caveat: str | None = field(default=None, repr=False)  #: what to bear in mind, if anything

    def summary(self) -> str:
        """The answer in one line, what to bear in mind, then the modes at that β."""
        low, high = self.interval
        others = (
            f"any β from {significant(low)} to below {significant(high)} does too"
            if low
            else f"any β below {significant(high)} does too"
        )
        lines = [f"{self.question}: β = {significant(self.beta)} ({others})", self.caveat, self.equilibrium.summary()]
        return "\n".join(line for line in lines if line)

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return jsonable(
            {
                "question": self.question,
                "beta": self.beta,
                "interval": self.interval,
                "equilibrium": self.equilibrium.to_dict(),
                "caveat": self.caveat,
            }
        )


def choose_beta(
    spectrum: Spectrum,
    loss: Loss,
    *,
    keep: int | None = None,
    tolerance: float | None = None,
    noise_floor: bool = False,
    reconstruction: Reconstruction = "sampled",
) -> Choice:
    """The β, in the convention of `loss`, that keeps `keep` modes, reaches a `tolerance`, or is at the noise floor.

    `tolerance` is a normalised distortion: of the sampled reconstruction, as in the loss, unless
    `reconstruction="mean"`. The noise floor is the least β at which no latent lives on sampling noise alone. Raises
    `InputError` if no β does it: a multiplet that would have to be split, too few latents, too little variance,
    nothing but noise.

    >>> spectrum = Spectrum.from_eigenvalues([16, 4, 1])
    >>> choose_beta(spectrum, Loss.gaussian(), keep=1)
    Choice(question='keep 1 mode', beta=8.0, interval=(4.0, 16.0))
    >>> choose_beta(spectrum, Loss.gaussian(), tolerance=5 / 21).beta
    2.0
    >>> measured = Spectrum.from_eigenvalues([16, 1.2, 1.1, 1.0, 0.9, 0.8], samples=600)
    >>> choice = choose_beta(measured, Loss.gaussian(), noise_floor=True)
    >>> round(choice.beta, 4), choice.interval[1], int(choice.equilibrium.active)
    (1.2623, 16.0, 1)
    """
    check_pair(spectrum, loss)
    if (keep is not None) + (tolerance is not None) + bool(noise_floor) != 1:
        raise InputError("Ask for one thing: keep=k modes, tolerance=a share of the variance, or noise_floor=True.")
    if tolerance is None and reconstruction != "sampled":
        raise InputError(
            "The kind of reconstruction plays no part in which modes live: leave it out, or ask for a tolerance."
        )
    caveat = None
    if keep is not None:
        low, price, high = _keep(spectrum, loss, keep)
        question = f"keep {int(keep)} mode{'s' * (keep != 1)}"
    elif tolerance is not None:
        price = _tolerate(spectrum, loss, tolerance, reconstruction)
        question, low, high = f"distortion of the {reconstruction} reconstruction ≤ {tolerance:g}", 0.0, price
    else:
        price, high, caveat = _above_noise(spectrum, loss)
        question, low = "stay above the noise floor", price
    beta, low, high = (float(x) for x in loss.beta_at([price, low, high], spectrum))
    return Choice(question, beta, (low, high), equilibrium(spectrum, loss.at(beta)), caveat)


def _keep(spectrum: Spectrum, loss: Loss, keep: int) -> tuple[float, float, float]:
    """(low, recommended, high) prices that leave `keep` modes alive."""
    modes = spectrum.modes
    if not isinstance(keep, int | float | np.integer) or not 1 <= keep <= modes or keep != int(keep):
        more = ", or make the spectrum with more of them (modes=…)" if spectrum.truncated else ""
        raise InputError(f"{keep} modes cannot be kept, the spectrum resolves {modes}: ask for 1 to {modes}{more}.")
    keep = int(keep)
    if spectrum.truncated and keep == modes != loss.latents:
        raise InputError(
            f"{keep} modes cannot be kept safely, because the spectrum was cut after them, and the next threshold is "
            f"not known: make it with more of them, such as modes={keep + 1}."
        )
    if loss.latents is not None and keep > loss.latents:
        raise InputError(
            f"{keep} modes cannot be kept by {loss.latents} latents: ask for fewer, or give the model more."
        )
    high = float(spectrum.eigenvalues[keep - 1])
    if keep == loss.latents or (keep == modes and spectrum.unresolved == 0):
        return 0.0, high / UNBOUNDED_FACTOR, high
    if keep == modes:
        return spectrum.floor, max(high / UNBOUNDED_FACTOR, spectrum.floor), high
    low = float(spectrum.eigenvalues[keep])
    if high - low <= spectrum.floor:
        starts, counts = spectrum.multiplets
        group = int(np.searchsorted(starts, keep - 1, side="right")) - 1
        below, above = int(starts[group]), int(starts[group] + counts[group])
        raise InputError(
            f"{keep} modes cannot be kept, modes {below + 1} to {above} share one threshold and die together: "
            f"ask for {f'{below} or ' if below else ''}{above}."
        )
    return low, float(np.sqrt(low * high)), high


def _tolerate(spectrum: Spectrum, loss: Loss, tolerance: float, reconstruction: Reconstruction) -> float:
    """The price at which D(τ) = Σ_active τ^p / λ^(p−1) + Σ_dead λ is `tolerance` V; p = 1 sampled, 2 mean."""
    check_share(tolerance)
    power = noise_power(reconstruction)
    shares = spectrum.normalized
    encodable = spectrum.modes if loss.latents is None else min(loss.latents, spectrum.modes)
    rest = spectrum.rest / spectrum.total_variance
    tail = np.append(np.cumsum(shares[::-1])[::-1], 0.0)[1 : encodable + 1] + rest  # lost by k = 1, 2, … active modes
    weight = np.cumsum(shares[:encodable] ** (1 - power))
    active = int(np.count_nonzero(shares[:encodable] ** power * weight + tail > tolerance))
    spare = tolerance - tail[active - 1] if active else 0.0
    price = spectrum.total_variance * float(max(spare, 0.0) / weight[active - 1]) ** (1 / power)
    if spectrum.truncated and (loss.latents is None or loss.latents > spectrum.modes) and active == spectrum.modes:
        raise InputError(
            f"A distortion of {tolerance:g} takes modes beyond the {active} that were kept: make the spectrum with "
            "more of them (modes=…), or tolerate more."
        )
    if price <= spectrum.floor:
        raise InputError(
            f"No β reaches a distortion of {tolerance:g}: as β → 0 {encodable} latents still leave "
            f"{tail[-1]:.3g} of the variance; ask for more than that, or give the model more latents."
        )
    return price


def _above_noise(spectrum: Spectrum, loss: Loss) -> tuple[float, float, str | None]:
    """(recommended, high) prices at which the same modes live and none is noise, and the floor's caveat."""
    floor = floor_of_noise(spectrum)
    if floor.modes == 0:
        raise InputError(
            f"Nothing in these data stands above sampling noise, which reaches {significant(floor.price)} with "
            f"{floor.samples} samples while the strongest mode has {significant(float(spectrum.eigenvalues[0]))}: "
            "take more samples, or choose by keep or tolerance."
        )
    live = floor.modes if loss.latents is None else min(floor.modes, loss.latents)
    return floor.price, float(spectrum.eigenvalues[live - 1]), floor.caveat
