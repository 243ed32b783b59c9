"""The noise floor: the price above which, in 99 of 100 training sets, no latent is active on sampling noise alone.

    τ = η(1 + √(p/ν))² + 2.02 η (√ν + √p)(1/√ν + 1/√p)^⅓ / ν        ν = n − 1: the mean is estimated, too

The edge of isotropic noise in p directions and the 99 % quantile of its largest eigenvalue
(Johnstone 2001, Annals of Statistics 29, 295; `_spiked`). η is estimated from the data.
Eigenvalues above the others' floor are spikes, taken out one by one, each with one of the p
directions and one of the ν degrees of freedom; η of the others is their median over the median
of the Marchenko–Pastur law (Gavish & Donoho, arXiv:1305.5870), and in the end their mean, which
fluctuates less. This works with clear spikes up to half of the nonzero eigenvalues (40 of 100,
n = 400: η is 1 % off). Noise alone was above the floor in ≤ 0.9 % of 1000 to 4000 simulated
sets each at n/d = 0.05 … 670; t with 8 degrees of freedom: ≤ 2.1 %. With heavier tails the floor
is raised to the strongest mode that is not confirmed in both halves of the rows (`_tails`). Domain:
independent rows of equal weight (n does not account for weights), noise that is the same in all
directions. `isotropic` says whether the bulk looks like that.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from landau_vae.checks import Count, checked
from landau_vae.display import Array, Content, Integers, Result, counted, readonly, significant
from landau_vae.errors import OutsideTheory, TooFewSamples
from landau_vae.numeric._spiked import TRACY_WIDOM_99, edge, tracy_widom
from landau_vae.numeric._tails import Tails, tails
from landau_vae.spectrum.spectrum import Spectrum

NORMAL_TAILS = (
    "The floor assumes normal tails, because the rows are not at hand (a covariance, a stream, a file or table that "
    "has changed or is gone) or are too few to show others: noise with heavier tails reaches further up."
)
ANGLES = np.linspace(0, np.pi, 4001)  # a median read off between them is right to 1e-6


@dataclass(frozen=True, eq=False)
class NoiseFloor(Result):
    """The part of a spectrum that sampling noise alone can explain; variances and prices in data²."""

    spectrum: Spectrum = field(repr=False)  #: the modes λ_k of the training set
    samples: int  #: n
    dimension: int  #: p, how many directions have variance: d without exact linear dependencies
    spikes: int  #: how many of the strongest modes were not taken for noise
    noise: float  #: η, data², by the divisor of the spectrum
    tails: Tails | None = field(default=None, repr=False)  #: of the modes above `normal_price`; None: normal is assumed
    json_fields = ("samples", "dimension", "spikes", "noise", "edge", "normal_price", "price", "modes", "unconfirmed",
                   "tails_known", "distance", "tolerance", "isotropic", "caveat")  # fmt: skip

    @property
    def edge(self) -> float:
        """Return where the noise that the spikes leave ends as n, d → ∞, data²."""
        return edge(*self._bulk_law)

    @property
    def normal_price(self) -> float:
        """Return the price above which, in 99 of 100 training sets, no latent is active on normal noise, data²/nat."""
        return self.edge + TRACY_WIDOM_99 * tracy_widom(*self._bulk_law)

    @property
    def price(self) -> float:
        """Return the price above which no latent is active on noise alone, data²/nat.

        It is `normal_price`, or the strongest of the `unconfirmed` modes.
        """
        if len(self.unconfirmed) == 0:
            return self.normal_price
        return float(self.spectrum.eigenvalues[self.unconfirmed[0] - 1])

    @property
    def modes(self) -> int:
        """Return how many modes stand above the floor."""
        return int(np.count_nonzero(self.spectrum.eigenvalues > self.price))

    @property
    def unconfirmed(self) -> Integers:
        """Return which modes above `normal_price` may be noise with heavy tails, counting from 1."""
        confirmed = np.empty(0) if self.tails is None else self.tails.confirmed
        return readonly(np.flatnonzero(confirmed == 0) + 1, np.int64)

    @property
    def tails_known(self) -> bool:
        """Return whether the rows were at hand, so that tails were looked at wherever a mode stands above."""
        return self.tails is not None or self.modes == 0

    @property
    def bulk(self) -> Array:
        """Return the eigenvalues that were taken for noise, descending, data²."""
        return self.spectrum.eigenvalues[self.spikes :]

    @cached_property
    def distance(self) -> float:
        """Return the Kolmogorov–Smirnov distance of the bulk from the Marchenko–Pastur law."""
        noise, samples, features = self._bulk_law
        share = marchenko_pastur(self.bulk[::-1] / noise * samples / max(samples, features), samples, features)
        steps = np.arange(len(share) + 1) / len(share)
        return float(max((share - steps[:-1]).max(), (steps[1:] - share).max()))

    @property
    def tolerance(self) -> float:
        """Return the distance that 98 of 100 bulks of m eigenvalues of isotropic noise stay below, (1 + ½ ln m)/m.

        Eigenvalues repel each other, so that it falls faster than the 1/√m of independent
        numbers. Found by simulation for n and d from 3 to 2000, normal (99 of 100) or
        t-distributed with 8 degrees of freedom. Below ten eigenvalues only gross deviations are
        beyond it.
        """
        return float((1 + 0.5 * np.log(len(self.bulk))) / len(self.bulk))

    @property
    def isotropic(self) -> bool:
        """Return whether the bulk looks like isotropic noise: within `tolerance`, and below the floor."""
        return self.distance <= self.tolerance and self._above <= self.spikes

    @property
    def caveat(self) -> str | None:
        """Return what limits the trust in the floor, if anything does: heavy tails, a bulk that is not `isotropic`."""
        return " ".join(filter(None, [self.heavy, self._anisotropic])) or None

    @property
    def heavy(self) -> str | None:
        """Return what heavy tails do to the floor, in a sentence, if anything."""
        if self.tails is None or len(self.unconfirmed) == 0:
            return None
        first, more = self.unconfirmed[0], self._above - self.unconfirmed[0]
        carriers = significant(self.tails.carriers[first - 1], 3)
        hidden = f", which hides {counted(more, 'weaker mode')}" if more else ""
        ratio = significant(self.price / self.normal_price, 3)
        return (
            f"Heavy tails: mode {first} has {ratio} times the λ that normal noise reaches, but about {carriers} of "
            f"{self.samples} rows carry it, too few to confirm it in both halves of the rows: the floor is raised to "
            f"its λ{hidden}. Look at these rows; take logarithms of skewed columns, or a robust likelihood (huber, "
            "student-t)."
        )

    @property
    def _above(self) -> int:
        return int(np.count_nonzero(self.spectrum.eigenvalues > self.normal_price))

    @property
    def _anisotropic(self) -> str | None:
        if self.isotropic:
            return None
        reason = "more modes stand above it than can be separated from the bulk"
        if self.distance > self.tolerance:
            reason = self._measured_distance
        return (
            f"The bulk of {len(self.bulk)} eigenvalues does not look like isotropic noise ({reason}): the floor is "
            f"that of the isotropic noise that fits the weaker {len(self.bulk)}, read it with care."
        )

    @property
    def _measured_distance(self) -> str:
        return f"distance from Marchenko–Pastur {self.distance:.2g}, expected ≤ {self.tolerance:.2g}"

    @property
    def _bulk_law(self) -> tuple[float, int, int]:
        """Return (η, ν, p) of the noise beside the spikes; its eigenvalues still carry the divisor of all rows."""
        left = self.samples - 1 - self.spikes
        return self.noise * left / (self.samples - 1), left, self.dimension - self.spikes

    def __repr__(self) -> str:
        values = f"τ = {significant(self.price)}, noise η = {significant(self.noise)}"
        return f"NoiseFloor({values}, {self.modes} of {self.spectrum.modes} modes above)"

    def content(self) -> Content:
        """Yield the floor, what it was estimated from, and how far it can be trusted."""
        looks = f"The other {len(self.bulk)} eigenvalues look like isotropic noise ({self._measured_distance})."
        source = f"Normal noise of n = {self.samples} samples in {self.dimension} directions"
        ends = (
            f"ends at {significant(self.edge)}, and reaches {significant(self.normal_price)} in 1 of 100 training sets"
        )
        lines = [repr(self), f"{source} {ends}.", self.caveat or looks]
        yield "\n".join(lines if self.tails_known else [*lines, NORMAL_TAILS])


@checked
def noise_floor(spectrum: Spectrum, samples: Count | None = None) -> NoiseFloor:
    """Return the price above which no latent is active on what n samples of isotropic noise fake.

    Parameters
    ----------
    spectrum : Spectrum
        Of the covariance of the samples. Directions without variance are not noise, unless
        n ≤ d hides them.
    samples : int, optional
        n; by default that of the spectrum. Rows count one each, whatever their weights.

    Returns
    -------
    NoiseFloor
        The floor, the noise η it was estimated from, and whether the bulk looks like isotropic
        noise.

    Raises
    ------
    OutsideTheory
        If n is unknown, modes are missing, or the spectrum is that of a target or of what a
        condition leaves.
    TooFewSamples
        If n is too small for the rank of the spectrum.

    Notes
    -----
    Where tails are heavy, a mode above what normal noise reaches must be confirmed in both halves
    of the rows. The floor is raised to the strongest one that is not, and `caveat` says so.
    Tails are known where the rows can be read again: of `Spectrum.from_data`, `from_file` (up to
    6.7·10⁷ numbers) and of lists of chunks, but not of a covariance or a stream, nor in pickles. A
    table or a list of more than 1.7·10⁷ numbers is not kept in memory for that.

    Shares of sets of isotropic noise with a mode above the floor (the normal floor: least and
    largest, this one: largest of 7 shapes, n = 20 … 2000, d = 10 … 200, 200 sets each;
    `tests/studies/noise_tails.py`):

    ======================== ==================== ========== ================
    law                      normal tails assumed this floor without a caveat
    ======================== ==================== ========== ================
    normal                   0 … 1 %              1 %        1 %
    uniform                  0 … 0.5 %            0.5 %      0.5 %
    Laplace                  1.5 … 5.5 %          1 %        1 %
    t₅                       2.5 … 20.5 %         1 %        1 %
    t₃                       24 … 100 %           1.5 %      1.5 %
    gamma(½)                 21 … 60 %            2.5 %      2 %
    lognormal                58.5 … 100 %         4 %        3 %
    multivariate t₅          25.5 … 100 %         2.5 %      2 %
    multivariate t₃          52.5 … 100 %         8 %        1.5 %
    1 of 50 rows × 5         28.5 … 100 %         5 %        3 %
    1 of 20 entries is 1     52.5 … 63 %          24.5 %     1 %
    t₂ (infinite variance)   55 … 100 %           14.5 %     3 %
    ======================== ==================== ========== ================

    Normal signals in normal noise are found as often as by the normal floor, less at most 1 % of
    sets. Signals with 8 (16) times the critical variance are found in these shares of sets: in t₅
    99 … 100 % (99.5 … 100 %), in t₃ 75.5 … 85 % (92 … 97 %), in
    multivariate t₅ 48.5 … 98 % (88 … 99.5 %); those that only a tenth of the rows has, in
    normal noise, 81 … 100 % (89 … 100 %): least of 50 rows.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((400, 100))
    >>> rows[:, 0] *= 2
    >>> floor = noise_floor(Spectrum.from_data(rows))
    >>> floor.modes, round(floor.noise, 1), round(floor.price, 1), floor.isotropic
    (1, 1.0, 2.3, True)
    """
    n = samples or spectrum.samples or 0
    refusal = why_no_noise_floor(spectrum, n)
    if refusal is not None:
        raise refusal
    lam, modes = spectrum.eigenvalues, spectrum.modes
    # Fewer modes than n − 1 are the rank of the population itself; otherwise n hides it.
    p = spectrum.dimension if modes == n - 1 else modes
    left_over = np.cumsum(lam[::-1])[::-1]

    def floor(spikes: int, robust: bool) -> NoiseFloor:
        nu, left = n - 1 - spikes, p - spikes
        robust_variance = np.median(lam[spikes:]) / (_median(nu, left) * max(nu, left))
        variance = robust_variance if robust else left_over[spikes] / (nu * left)
        return NoiseFloor(spectrum, n, p, spikes, float(variance * (n - 1)))

    most, spikes = modes // 2, 0
    while spikes < most and lam[spikes] > floor(spikes, robust=True).price:
        spikes += 1
    while spikes and lam[spikes - 1] <= floor(spikes - 1, robust=False).price:
        spikes -= 1
    while spikes < most and lam[spikes] > floor(spikes, robust=False).price:
        spikes += 1
    found = floor(spikes, robust=False)
    if found.modes == 0:
        return found
    return replace(found, tails=tails(spectrum, found.modes, max(spikes, found.modes), p))


def why_no_noise_floor(spectrum: Spectrum, samples: int) -> OutsideTheory | None:
    """Return why `noise_floor` has no answer for n samples (0: unknown); None where it has one."""
    if spectrum.kind in ("target", "conditional", "score, linear encoder"):
        return OutsideTheory(
            "The noise floor is known for the covariance of samples, or of scores, but this is the spectrum of a "
            "target, of what a condition leaves, or of what a linear encoder uses: judge it by held-out rows."
        )
    if not samples:
        return OutsideTheory(
            "The spectrum does not say how many samples it comes from, and sampling noise depends on that: "
            "give samples=n, or the data themselves instead of their covariance."
        )
    if spectrum.truncated:
        return OutsideTheory(
            f"The noise floor needs all modes, but only the {spectrum.modes} strongest were kept: make the spectrum "
            "without modes=…."
        )
    if spectrum.modes > samples - 1:
        return TooFewSamples(
            f"The covariance of {counted(samples, 'sample')} has at most {samples - 1} nonzero eigenvalues, but the "
            f"spectrum has {spectrum.modes}: give the number of rows that it was computed from."
        )
    return None


def marchenko_pastur(values: Array, samples: int, features: int) -> Array:
    """Return the Marchenko–Pastur law, the share of nonzero eigenvalues up to `values`, any shape.

    The eigenvalues are those of XᵀX / max(n, d) for n samples of d features of variance 1 about
    a known mean.

    >>> marchenko_pastur(np.array([0, 1, 4]), samples=100, features=100).round(4).tolist()  # 1/3 + √3/2π at 1
    [0.0, 0.609, 1.0]
    """
    root = _root(samples, features)
    angle = np.arccos(np.clip((1 + root**2 - values) / (2 * root), -1, 1))
    return _share(angle, root)


def _median(samples: int, features: int) -> float:
    root = _root(samples, features)
    angle = np.interp(0.5, _share(ANGLES, root), ANGLES)
    return float(1 + root**2 - 2 * root * np.cos(angle))


def _root(samples: int, features: int) -> float:
    """Return √γ, γ ≤ 1: the nonzero eigenvalues do not change when rows and columns are exchanged."""
    return float((min(samples, features) / max(samples, features)) ** 0.5)


def _share(angle: Array, root: float) -> Array:
    """Return (2/π) ∫ sin²t / (1 + γ − 2√γ cos t) dt from 0 to `angle`: the law at x = 1 + γ − 2√γ cos t."""
    inner = np.arctan2(root * np.sin(angle), 1 - root * np.cos(angle))
    return np.asarray((angle + np.sin(angle) / root - (1 / root**2 - 1) * inner) / np.pi)
