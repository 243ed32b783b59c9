"""How z is drawn from what an encoder gives, and which posteriors an encoder can give.

    z = μ + √N ε,  N(σ²) = c² σ² (c² σ⁴ with `log_std`),     KL = ½(μ² + σ² − 1 − ln σ²)

A mode of a linear model at the price τ = tλ, with u = w²/τ and the encoder's gain eliminated, has the loss

    λ/2 · [1/(1 + u) + t (u N + σ² − 1 − ln σ²)],   least where t N (1 + u)² = 1

and where u dN/dσ² + 1 = 1/σ², or σ² is at a bound of its head. It is lost without a jump, at t = 1/N(1), unless N
falls steeply with u: beyond c² = 2 (c² = ½ with `log_std`). Of a latent that stays at σ² = v only N(v) counts. Proof:
`landau-vae derive samplers-and-heads`. Source: this package; of a fixed σ², Wang & Ziyin, arXiv:2205.04009.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from landau_vae.checks import Positive, check_fields, checked, numbers
from landau_vae.display import Array, Numbers, counted, significant
from landau_vae.errors import InputError

AT_BOUND = 1e-3  # relative distance of σ² from a bound of its head at which it is there
NOTHING = 1e-150  # a residual whose square can still be divided by


class Law(NamedTuple):
    """The best state of a linear model's mode at prices τ = tλ, of the shape of t."""

    residual: Array  #: share of λ that a sampled reconstruction leaves, 1/(1 + u); its square is left with z = μ
    variance: Array  #: σ² that the KL charges
    noise: Array  #: N, variance of the noise that z is drawn with
    second_moment: Array  #: ⟨μ²⟩ + σ²

    @property
    def mean_square(self) -> Array:
        """Return ⟨μ²⟩ = u N."""
        return self.second_moment - self.variance

    @property
    def rate(self) -> Array:
        """Return the rate ½(⟨μ²⟩ + σ² − 1 − ln σ²), nats."""
        return 0.5 * ((self.second_moment - 1.0) - np.log(self.variance))


@dataclass(frozen=True)
class Sampler:
    """A departure from z = μ + σ ε with a free σ and the prior N(0, 1).

    Variances count in units of the prior's. An activation on the log-variance that is never negative (ReLU, softplus)
    is `least=1`; a log-variance that is clamped to l … h is `least=exp(l), most=exp(h)`.

    Examples
    --------
    A mode of λ = 4 at τ = 1, with σ² = 1 throughout: half of it is left, ⟨μ²⟩ = √(λ/τ) − 1.

    >>> law = Sampler(variance=1.0).law(0.25)
    >>> float(law.residual), float(law.mean_square)
    (0.5, 1.0)
    """

    noise_scale: Positive = 1.0  #: c: the noise is drawn c times as wide as the posterior that the KL charges
    variance: Positive | None = None  #: σ² where it is frozen
    least: Positive | None = None  #: σ² that the head cannot go below (softplus, ReLU, clamped log-variance)
    most: Positive | None = None  #: σ² that the head cannot go above
    log_std: bool = False  #: whether the sampler takes the KL's log-variance for ln σ, so that its noise is σ² ε

    def __post_init__(self) -> None:
        check_fields(self)
        if self.variance is not None and (self.least, self.most) != (None, None):
            raise InputError("A frozen σ² has no bounds: give variance, or least and most.", "variance")
        if self.bounds[0] > self.bounds[1]:
            raise InputError(f"least is {self.least:g}, but most is {self.most:g}: give least ≤ most.", "least")

    # ------------------------------------------------------------------------------ what it is

    @property
    def plain(self) -> bool:
        """Whether z is drawn from the posterior that the KL charges, which is any normal distribution."""
        return self == PLAIN

    @property
    def honest(self) -> bool:
        """Whether z is drawn from the posterior that the KL charges."""
        return self.noise_scale == 1 and not self.log_std

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the least and the largest σ² that the encoder can give."""
        if self.variance is not None:
            return self.variance, self.variance
        return self.least or 0.0, self.most or np.inf

    @property
    def rest(self) -> float:
        """Return σ² of a latent that encodes nothing: 1, or the bound nearest to it."""
        return float(np.clip(1.0, *self.bounds))

    @property
    def frozen(self) -> bool:
        """Whether an active latent of a linear model has this one σ² at any price."""
        return self.bounds[0] >= self.rest

    @property
    def power(self) -> int:
        """Return p in N = c² σ^2p."""
        return 2 if self.log_std else 1

    @property
    def scale(self) -> str:
        """Return what is 1 at rest, whatever the network, of latents whose σ is at no bound."""
        return f"{'2' * self.log_std}⟨μ²⟩ + ⟨σ²⟩"

    @property
    def words(self) -> str:
        """Return how z is drawn, in words that follow "z is drawn with"."""
        low, high = self.bounds
        parts = [f"noise {significant(self.noise_scale)} times as wide as the KL has it"] * (self.noise_scale != 1)
        parts += ["the KL's log-variance in place of ln σ"] * self.log_std
        if self.variance is not None:
            return " and ".join([*parts, f"σ² = {significant(self.variance)} throughout"])
        parts += [f"σ² ≥ {significant(low)}"] * (low > 0) + [f"σ² ≤ {significant(high)}"] * (high < np.inf)
        return " and ".join(parts)

    def noise(self, variance: Array | float) -> Any:
        """Return N(σ²), the variance of the noise.

        Parameters
        ----------
        variance : array
            σ².

        Returns
        -------
        array
            Of the same shape.
        """
        return self.noise_scale**2 * variance**self.power

    # ------------------------------------------------------------------------------ prices, in units of λ

    @property
    def threshold(self) -> float:
        """Return τ/λ below which an active state of a linear model is the best one."""
        return _thresholds(self)[1]

    @property
    def unstable(self) -> float:
        """Return τ/λ below which the collapsed state of a linear model is unstable, 1/N."""
        return _thresholds(self)[0]

    @property
    def spinodal(self) -> float:
        """Return τ/λ below which a linear model that starts from an active state keeps it."""
        return _thresholds(self)[2]

    @property
    def jumps(self) -> bool:
        """Whether a mode is lost with a jump."""
        return self.spinodal > self.unstable

    @property
    def stable(self) -> float:
        """Return τ/λ₁ from which the collapsed state is stable in any network.

        Where widths can follow the data, they make a channel of their own, which a decoder that is not linear can
        use: it is closed from τ = p² λ₁ on, whatever c is.
        """
        low, high = self.bounds
        return max(self.unstable, float(self.power**2) * (low <= 1 <= high and low < high))

    # ------------------------------------------------------------------------------ laws

    @checked
    def law(self, ratio: Numbers) -> Law:
        """Return the best state of a mode in a linear model.

        Parameters
        ----------
        ratio : float or array_like
            t = τ/λ, positive.

        Returns
        -------
        Law
            Exact. At the threshold of a jump the mode is inactive.

        Examples
        --------
        >>> Sampler().law([0.25, 2.0]).residual.tolist()
        [0.25, 1.0]
        """
        t = numbers(ratio, "ratio")
        least = 0.0 if self.plain else NOTHING
        if not np.all(t > least):
            few = f"{counted(int(np.count_nonzero(~(t > least))), 'number')} of {least:g} or less"
            raise InputError(f"ratio has {few}, but positive ones are expected.", "ratio")
        if self.plain:
            left = np.minimum(t, 1.0)
            return Law(left, left, left, np.ones(()))
        alive = t < self.threshold
        variance = np.where(alive, self._living(np.where(alive, t, self.threshold)), self.rest)
        noise = self.noise(variance)
        steepness = np.where(alive, np.maximum(1 / np.sqrt(t * noise), 1.0), 1.0)  # 1 + u
        return Law(1 / steepness, variance, noise, (steepness - 1) * noise + variance)

    @checked
    def ratio(self, residual: Numbers) -> Array:
        """Return τ/λ of a mode of which an active latent leaves a share: the inverse of `law`.

        Parameters
        ----------
        residual : float or array_like
            From 0 to 1.

        Returns
        -------
        array
            t, of the same shape; of a jump also for states between the spinodal and the best one.

        Examples
        --------
        >>> float(Sampler(variance=1.0).ratio(0.5))
        0.25
        """
        left = numbers(residual, "residual")
        if not np.all((left >= 0) & (left <= 1)):
            raise InputError("residual has entries below 0 or above 1, but a share of the variance is expected.")
        if self.plain:
            return left
        left = np.maximum(left, NOTHING)
        a = self.noise_scale**2 * self.power * (1 / left - 1)  # σ² of this u solves a σ^2p + σ² = 1
        free = 2 / (1 + np.sqrt(1 + 4 * a)) if self.log_std else 1 / (1 + a)
        return np.asarray(left**2 / self.noise(np.clip(free, *self.bounds)))

    def _living(self, t: Array) -> Array:
        """Return σ² of the best active state, whether or not it is better than the collapsed one.

        Any σ² within the bounds, with the best u for it, is a state, so that the best of few candidates is the best.
        """
        low, high = self.bounds
        candidates = [np.clip(self._free(t), low, high)]
        candidates += [np.full(t.shape, bound) for bound in (low, high) if 0 < bound < np.inf]
        if len(candidates) == 1:
            return candidates[0]
        losses = np.stack([self._loss(t, each) for each in candidates])
        best = np.argmin(losses, axis=0)
        return np.asarray(np.take_along_axis(np.stack(candidates), best[None], axis=0)[0])

    def _free(self, t: Array) -> Array:
        """Return σ² where both slopes vanish: σ^p is the smaller root q of a q² − b q + 1 = 0."""
        c, a = self.noise_scale, self._curvature
        b = c / np.sqrt(t) if self.power == 1 else 1 + 2 * c / np.sqrt(t)
        q = 2 / (b + np.sqrt(np.maximum(b**2 - 4 * a, 0.0)))
        return np.asarray(q ** (2 / self.power))

    @property
    def _curvature(self) -> float:
        c = self.noise_scale
        return 2 * c**2 if self.log_std else c**2 - 1

    def _loss(self, t: Array, variance: Array) -> Array:
        """Return 2/λ times the loss at a given σ², with the best u for it."""
        noise = self.noise(variance)
        steepness = np.maximum(1 / np.sqrt(t * noise), 1.0)
        return np.asarray(1 / steepness + t * ((steepness - 1) * noise + variance - 1 - np.log(variance)))

    # ------------------------------------------------------------------------------ output

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


PLAIN = Sampler()


@lru_cache
def _thresholds(sampler: Sampler) -> tuple[float, float, float]:
    """Return τ/λ at which the collapsed state becomes unstable, two states are equally good, the active one ends."""
    rest = sampler.rest
    unstable = float(1 / sampler.noise(rest))
    a = sampler._curvature
    if a <= 1:
        return unstable, unstable, unstable
    turn = np.clip(a ** (-1 / sampler.power), *sampler.bounds)  # where both roots meet
    gain = (1 - turn) / (sampler.power * sampler.noise(turn))
    spinodal = float(1 / (sampler.noise(turn) * (1 + gain) ** 2))
    if turn >= rest or spinodal <= unstable:
        return unstable, unstable, unstable

    def excess(t: float) -> float:
        """Return by how much the active state is worse than the collapsed one."""
        price = np.asarray(t)
        active = np.clip(sampler._free(price), *sampler.bounds)
        return float(sampler._loss(price, active) - 1 - t * (rest - 1 - np.log(rest)))

    if excess(unstable) >= 0:  # a rounding away from a continuous threshold
        return unstable, unstable, spinodal
    if excess(spinodal) <= 0:
        return unstable, spinodal, spinodal
    from scipy.optimize import brentq  # here, so that `import landau_vae` stays light

    return unstable, float(brentq(excess, unstable, spinodal, xtol=1e-15, rtol=1e-14)), spinodal
