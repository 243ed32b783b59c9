"""Which β to train at: for a number of modes, a tolerance, a rate, a codebook, or just above sampling noise.

Mode k is kept for λ_{k+1} ≤ τ < λ_k, so "keep k" has an interval of answers; its geometric
middle is as far (in factors) from losing mode k as from activating mode k + 1. The distortion
D̃(τ) and the rate R(τ) are continuous (reverse water-filling), so "tolerance ε" and "rate R"
have one answer each. A codebook of N entries carries at most ln N nats, as a rate does
(arXiv:2605.06870). From the price of the noise floor (`_noise_floor`) up to the weakest λ_k
above it the same modes are active, none of them noise; the floor itself encodes them best.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from landau_vae.checks import Count, Positive, Share, checked
from landau_vae.display import Content, Result, counted, significant
from landau_vae.errors import InputError, OutsideTheory, TooFewSamples
from landau_vae.loss import Loss
from landau_vae.loss.learned_price import tail as tails
from landau_vae.loss.water_filling import price_of_rate
from landau_vae.numeric import _noise_floor as noise
from landau_vae.numeric._equilibrium import NOISE_POWER, Equilibrium, Reconstruction, equilibrium
from landau_vae.spectrum.spectrum import Spectrum

Unit = Literal["nats", "bits", "bits per dimension"]
TINY, RESOLVED = 1e-12, 1e-14  # least price of a search, in units of the last mode; ln of a price that is found
UNBOUNDED_FACTOR = 10.0  # below the threshold where nothing bounds the price from below: M² of the last mode is 0.9


@dataclass(frozen=True, eq=False)
class Choice(Result):
    """A β, the interval of β that would do as well, and the equilibrium there."""

    question: str  #: what was asked for, in words
    beta: float  #: the recommended β, in the loss's own convention
    interval: tuple[float, float]  #: every β in between does what was asked
    equilibrium: Equilibrium = field(repr=False)  #: the state at `beta`
    caveat: str | None = field(default=None, repr=False)  #: what makes the answer doubtful, if anything
    json_fields = ("question", "beta", "interval", "equilibrium", "caveat")

    def content(self) -> Content:
        """Yield the answer in one line, what makes it doubtful, then the modes at that β."""
        low, high = self.interval
        others = f"from {significant(low)} {f'to below {significant(high)}' if np.isfinite(high) else 'on'}"
        others = others if low else f"below {significant(high)}"
        also = f" (any β {others} does too)" if low < high else ""
        yield f"{self.question}: β = {significant(self.beta)}{also}"
        yield self.caveat or ""
        yield from self.equilibrium.content()


@checked
def choose_beta(
    spectrum: Spectrum,
    loss: Loss,
    *,
    keep: Count | None = None,
    tolerance: Share | None = None,
    noise_floor: bool = False,
    rate: Positive | None = None,
    codes: Count | None = None,
    reconstruction: Reconstruction = "sampled",
    unit: Unit = "nats",
) -> Choice:
    """Return the β that keeps a number of modes, reaches a tolerance or a rate, or is at the noise floor.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    loss : Loss
        The convention in which β is returned.
    keep : int, optional
        How many modes should be active.
    tolerance : float, optional
        Normalised distortion, between 0 and 1, that may be reached.
    noise_floor : bool, default False
        Whether to return the least β at which no latent is active on sampling noise alone.
    rate : float, optional
        The KL of all latents together that the model should have.
    codes : int, optional
        Number of entries of a codebook, from 2 on: the rate is its logarithm, the most that one
        entry for each sample can carry. How close a codebook comes to the modes of this rate
        depends on the data.
    reconstruction : {"sampled", "mean"}
        Whose distortion the tolerance limits: z drawn from the posterior, as in the loss, or
        z = μ(x).
    unit : {"nats", "bits", "bits per dimension"}
        Of `rate`; dimensions are features of the data.

    Returns
    -------
    Choice
        A β, the interval of β that would do as well, and the equilibrium there.

    Raises
    ------
    InputError
        If not exactly one of `keep`, `tolerance`, `rate`, `codes` and `noise_floor` is given, or
        one cannot be used.
    OutsideTheory
        If no β does it: a multiplet would have to be split, there are too few latents or modes,
        the tolerance is out of reach (`partial`: the least distortion), or the loss has a
        constraint that keeps the price below the one it takes.
    TooFewSamples
        If nothing stands above sampling noise (`partial`: the `NoiseFloor`).

    Examples
    --------
    >>> spectrum = Spectrum.from_eigenvalues([16, 4, 1])
    >>> choose_beta(spectrum, Loss.gaussian(), keep=1)
    Choice(question='keep 1 mode', beta=8.0, interval=(4.0, 16.0))
    >>> choose_beta(spectrum, Loss.gaussian(), tolerance=5 / 21).beta
    2.0
    >>> round(choose_beta(spectrum, Loss.gaussian(), rate=np.log(8)).beta, 9)  # ½ ln(16/1) + ½ ln(4/1)
    1.0
    >>> choose_beta(spectrum, Loss.gaussian(), codes=4).equilibrium
    Equilibrium(τ = 2, 2 of 3 modes active, R = 1.386 nats, D̃ = 0.2381)
    >>> measured = Spectrum.from_eigenvalues([16, 1.2, 1.1, 1.0, 0.9, 0.8], samples=600)
    >>> choice = choose_beta(measured, Loss.gaussian(), noise_floor=True)
    >>> round(choice.beta, 4), choice.interval[1], int(choice.equilibrium.active)
    (1.2623, 16.0, 1)
    """
    if sum(each is not None for each in (keep, tolerance, rate, codes)) + noise_floor != 1:
        raise InputError(
            "Ask for one thing: keep=k modes, tolerance=a share of the variance, rate=nats, codes=entries of a "
            "codebook, or noise_floor=True."
        )
    if rate is None and unit != "nats":
        raise InputError("The unit is that of a rate: leave it out, or give a rate.", "unit")
    if codes == 1:
        raise InputError("codes is 1, but a single entry carries nothing: give 2 or more.", "codes")
    if tolerance is None and reconstruction != "sampled":
        problem = "The kind of reconstruction does not change which modes are active"
        raise InputError(f"{problem}: leave it out, or give a tolerance.", "reconstruction")
    if codes is not None:
        answer = _carry(spectrum, loss, float(np.log(codes)), f"what {codes} codes can carry")
    elif rate is not None:
        nats = rate * {"nats": 1.0, "bits": np.log(2), "bits per dimension": spectrum.dimension * np.log(2)}[unit]
        answer = _carry(spectrum, loss, float(nats), f"rate of {significant(rate)} {unit}")
    else:
        answer = choice_or_refusal(spectrum, loss, keep, tolerance, reconstruction)
    if isinstance(answer, OutsideTheory):
        raise answer
    return answer


Answer = Choice | OutsideTheory  # a β, or the reason why no β answers the question


def choice_or_refusal(
    spectrum: Spectrum,
    loss: Loss,
    keep: int | None = None,
    tolerance: float | None = None,
    reconstruction: Reconstruction = "sampled",
) -> Answer:
    """Return the answer of `choose_beta` (at the noise floor if nothing else is asked), or the refusal."""
    if keep is not None:
        return _keep(spectrum, loss, keep)
    if tolerance is not None:
        return _tolerate(spectrum, loss, tolerance, reconstruction)
    return _above_noise(spectrum, loss)


def _choice(
    spectrum: Spectrum, loss: Loss, question: str, prices: tuple[float, float, float], caveat: str | None = None
) -> Answer:
    """Return the answer from the lowest, the chosen and the highest price that do what was asked."""
    if (problem := loss.without_beta(prices[1], spectrum)) is not None:
        return OutsideTheory(problem)
    if loss.sampler.jumps:
        jump = (
            "Latents are lost with a jump by this sampler: near the upper end of the interval a run from small weights"
        )
        caveat = " ".join(filter(None, [caveat, f"{jump} stays collapsed, so approach it from smaller β."]))
    low, beta, high = (float(x) for x in loss.collapse_beta(prices, spectrum))
    chosen = loss.at(beta)
    if (problem := chosen.without_price(spectrum)) is not None:
        return OutsideTheory(problem)
    return Choice(question, beta, (low, high), equilibrium(spectrum, chosen), caveat)


def _keep(spectrum: Spectrum, loss: Loss, keep: int) -> Answer:
    """Return the β at which `keep` modes are active."""
    modes, question = spectrum.modes, f"keep {counted(keep, 'mode')}"
    if keep > modes:
        more = ", or make the spectrum with more of them (modes=…)" * spectrum.truncated
        return OutsideTheory(f"{keep} modes cannot be kept, the spectrum resolves {modes}: ask for 1 to {modes}{more}.")
    if spectrum.truncated and keep == modes != loss.latents:
        return OutsideTheory(
            f"{keep} modes cannot be kept safely, because the spectrum was cut after them and the next threshold is "
            f"not known: make it with more of them, such as modes={keep + 1}."
        )
    if loss.latents is not None and keep > loss.latents:
        return OutsideTheory(f"{keep} modes cannot be kept by {loss.latents} latents: ask for fewer, or add latents.")
    thresholds = spectrum.eigenvalues * loss.sampler.threshold
    high = float(thresholds[keep - 1])
    if keep in (loss.latents, modes):
        lowest = 0.0 if keep == loss.latents or spectrum.unresolved == 0 else spectrum.floor
        return _choice(spectrum, loss, question, (lowest, max(high / UNBOUNDED_FACTOR, lowest), high))
    low = float(thresholds[keep])
    if high - low > spectrum.floor * loss.sampler.threshold:
        most = np.inf if (demand := loss.demand(spectrum)) is None else demand.cap  # no price in effect is above it
        return _choice(spectrum, loss, question, (low, float(np.sqrt(low) * np.sqrt(min(high, most))), high))
    ends = np.append(0, np.sum(spectrum.multiplets, axis=0))  # of multiplets: one of them has keep inside
    above = int(np.searchsorted(ends, keep))
    below, above = int(ends[above - 1]), int(ends[above])
    return OutsideTheory(
        f"{keep} modes cannot be kept, because modes {below + 1} to {above} share one threshold and collapse together: "
        f"ask for {f'{below} or ' if below else ''}{above}."
    )


def _tolerate(spectrum: Spectrum, loss: Loss, tolerance: float, reconstruction: Reconstruction) -> Answer:
    """Return the β at which D(τ) = Σ_active λ r^p + Σ_inactive λ is `tolerance` V (`NOISE_POWER`: p).

    r = τ/λ; by other samplers r and the number of active modes follow from their laws.
    """
    encodable = min(loss.latents or spectrum.modes, spectrum.modes)
    tail = tails(spectrum)[1 : encodable + 1] / spectrum.total_variance  # of k = 1, 2, … active modes
    solve = _water_level if loss.sampler.plain else _solved_level
    price, active = solve(spectrum, loss, tolerance, NOISE_POWER[reconstruction], encodable)
    if spectrum.truncated and (loss.latents is None or loss.latents > spectrum.modes) and active == spectrum.modes:
        return OutsideTheory(
            f"A distortion of {tolerance:g} takes modes beyond the {active} that were kept: make the spectrum with "
            "more of them (modes=…), or tolerate more."
        )
    if price <= spectrum.floor:
        return OutsideTheory(
            f"No β reaches a distortion of {tolerance:g}: as β → 0 {encodable} latents still leave "
            f"{tail[-1]:.3g} of the variance; ask for more than that, or give the model more latents.",
            partial=float(tail[-1]),
        )
    question = f"distortion of the {reconstruction} reconstruction ≤ {tolerance:g}"
    return _choice(spectrum, loss, question, (0.0, price, price))


def _carry(spectrum: Spectrum, loss: Loss, nats: float, question: str) -> Answer:
    """Return the β at which R(τ) is a number of nats."""
    loss.must_be_plain("β is known of a rate")
    price = price_of_rate(nats, spectrum, loss.latents)
    if spectrum.truncated and (loss.latents or np.inf) > spectrum.modes and price < spectrum.eigenvalues[-1]:
        return OutsideTheory(
            f"A rate of {significant(nats)} nats may take modes beyond the {spectrum.modes} that were kept: make the "
            "spectrum with more of them (modes=…), or ask for less."
        )
    if price <= spectrum.floor:
        return OutsideTheory(
            f"A rate of {significant(nats)} nats takes a price of {significant(price, 3)}, where modes are lost in "
            "rounding: check the unit, or ask for less."
        )
    return _choice(spectrum, loss, question, (price, price, price))


def _water_level(spectrum: Spectrum, loss: Loss, tolerance: float, power: int, encodable: int) -> tuple[float, int]:
    """Return the price of a distortion, and how many modes are active there."""
    shares = spectrum.normalized
    tail = tails(spectrum)[1 : encodable + 1] / spectrum.total_variance
    weight = np.cumsum(shares[:encodable] ** (1 - power))
    active = int(np.count_nonzero(shares[:encodable] ** power * weight + tail > tolerance))
    spare = tolerance - tail[active - 1] if active else 0.0
    return spectrum.total_variance * float(max(spare, 0.0) / weight[active - 1]) ** (1 / power), active


def _solved_level(spectrum: Spectrum, loss: Loss, tolerance: float, power: int, encodable: int) -> tuple[float, int]:
    """Return the largest price up to which a distortion is kept, and how many modes are active there."""
    lam, sampler = spectrum.eigenvalues[:encodable], loss.sampler
    beyond = 1 - spectrum.normalized[:encodable].sum()

    def excess(log: float) -> float:
        left = sampler.law(np.exp(log) / lam).residual ** power
        return float(spectrum.normalized[:encodable] @ left + beyond - tolerance)

    low, high = np.log(spectrum.floor or TINY * lam[-1]), np.log(lam[0] * sampler.threshold)
    if excess(low) >= 0:
        return 0.0, encodable
    while high - low > RESOLVED:  # rising, with steps where modes are lost with a jump
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) <= 0 else (low, middle)
    return float(np.exp(low)), int(np.count_nonzero(sampler.law(np.exp(low) / lam).residual < 1))


def _above_noise(spectrum: Spectrum, loss: Loss) -> Answer:
    """Return the β at which the same modes are active and none is noise, with the floor's caveat."""
    refusal = noise.why_no_noise_floor(spectrum, spectrum.samples or 0)
    if refusal is not None:
        return refusal
    floor = noise.noise_floor(spectrum)
    if floor.modes == 0:
        strongest = significant(float(spectrum.eigenvalues[0]))
        reason = floor.heavy or (
            f"Noise reaches λ = {significant(floor.price)} with {floor.samples} samples, and the strongest mode has "
            f"{strongest}."
        )
        return TooFewSamples(
            "Nothing in these data stands above sampling noise: take more samples, or choose by keep or tolerance. "
            f"{reason}",
            partial=floor,
        )
    active = min(floor.modes, loss.latents or floor.modes)
    least, most = (float(each) * loss.sampler.threshold for each in (floor.price, spectrum.eigenvalues[active - 1]))
    prices = (least, least, most)
    return _choice(spectrum, loss, "stay above the noise floor", prices, floor.caveat)
