"""How the first latent of a nonlinear VAE collapses, from a few moments of the data.

    F = ½a(w² + 2c²) − (κ/τ²)(w²c + (4/3)c³) + G w⁴ + B(w²c² + c⁴),    a = 1 − 1/τ
    G = 1/(2τ²) − 1/(4τ) − Q/(4τ⁴),    B = 14/τ² − 4/τ − 2m₄/τ³ − (3|A|² + 4Q)/τ⁴

in units of λ₁: the loss above the collapsed one at the decoder's linear and quadratic
amplitude w and c along the first principal component y, of skewness κ and fourth moment
m₄. A = E[x y²] has the components κ along y and a_j along the others, of variances ℓ_j.
Q(τ) = Σ_j a_j²/(1 − ℓ_j/τ). To quartic order: right where the jump is small. Source:
this package; proof: `landau-vae derive first-order-collapse`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from landau_vae.checks import Positive, Range, check_fields, checked, numbers
from landau_vae.display import Array, Column, Content, Result, Table, readonly, significant
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.limits import QUARTIC_JUMP, QUARTIC_SKEWNESS

UNBOUNDED = "the quartic has no lower bound, so the jump is not small. Solve for the free decoder."
NO_COEXISTENCE = "the skewness is so large that the quartic has no price of coexistence. Solve for the free decoder."
ROUNDS = 200  # of the fixed point for a price, whose error falls by the square of the skewness in each
MAX_SHIFT = 0.5  # of 1 − λ₁/τ: the quartic says nothing about jumps that far above λ₁
SAME_PRICE = 1e-13  # relative
LARGEST = 1e9  # of moments and amplitudes: up to it no formula overflows
Ratio = Annotated[float, Range(1e-3, 1e3)]  # τ/λ₁
Amplitude = Annotated[float, Range(-LARGEST, LARGEST)]


@dataclass(frozen=True, eq=False)
class Moments(Result):
    """The moments of the data that decide the order of the first collapse.

    Examples
    --------
    >>> moments = Moments(4.0, skewness=1.0, fourth=3.0, cross=[0.5], across=[0.5])
    >>> moments.square, moments.curvature(1.0)
    (1.25, 0.5)
    """

    json_fields = ("first", "skewness", "fourth", "cross", "across", "square")

    first: Positive  #: λ₁, the largest eigenvalue of the covariance, data²
    skewness: Amplitude  #: κ = E[y³] of the first principal component y, whose variance is 1
    fourth: Annotated[float, Range(0, LARGEST)]  #: m₄ = E[y⁴], 3 for Gaussian data
    cross: Array  #: a_j = E[x_j y²] of the other principal components, in units of √λ₁, (d − 1,)
    across: Array  #: ℓ_j = λ_j/λ₁ of the same components, (d − 1,)

    def __post_init__(self) -> None:
        check_fields(self)
        cross, across = (numbers(getattr(self, name), name, finite=True) for name in ("cross", "across"))
        for name, values in (("cross", cross), ("across", across)):
            if values.ndim != 1:
                raise InputError(f"{name} has shape {values.shape}, but one row of numbers is expected.", name)
        if cross.size != across.size:
            sizes = f"{cross.size} and {across.size} entries"
            raise InputError(
                f"cross and across have {sizes}, but one each per further component is expected.", "across"
            )
        if (abs(cross) > LARGEST).any():
            raise InputError(
                f"cross has entries up to {abs(cross).max():.3g}, but at most {LARGEST:g} is expected.", "cross"
            )
        if not ((across >= 0) & (across <= 1)).all():
            raise InputError("across holds λ_j/λ₁, but not all of its entries are from 0 to 1.", "across")
        object.__setattr__(self, "cross", readonly(cross))
        object.__setattr__(self, "across", readonly(across))

    @property
    def square(self) -> float:
        """|A|² = κ² + Σ_j a_j²."""
        return float(self.skewness**2 + self.cross @ self.cross)

    @checked
    def brackets(self, ratio: Ratio = 1.0) -> tuple[float, float]:
        """Return G and B, the coefficients of w⁴ and of w²c² + c⁴.

        Parameters
        ----------
        ratio : float, default 1
            τ/λ₁, the price in units of the first eigenvalue.

        Returns
        -------
        tuple of float
            Minus infinity where `curvature` is infinite.

        Raises
        ------
        InputError
            If the price is not from 0.001 to 1000 λ₁.

        Examples
        --------
        >>> Moments(1.0, skewness=0.0, fourth=3.0, cross=[], across=[]).brackets()
        (0.25, 4.0)
        """
        Q = self.curvature(ratio)
        G = 1 / (2 * ratio**2) - 1 / (4 * ratio) - Q / (4 * ratio**4)
        cubed = 2 * self.fourth / ratio**3 + (3 * self.square + 4 * Q) / ratio**4
        return G, 14 / ratio**2 - 4 / ratio - cubed

    @checked
    def curvature(self, ratio: Ratio) -> float:
        """Return Q(τ), by which a decoder that bends lowers the quartic coefficient.

        Parameters
        ----------
        ratio : float
            τ/λ₁, the price in units of the first eigenvalue.

        Returns
        -------
        float
            Infinite where a further component is unstable at this price and shares the
            bend.

        Raises
        ------
        InputError
            If the price is not from 0.001 to 1000 λ₁.

        Examples
        --------
        >>> Moments(1.0, 0.0, 3.0, cross=[0.5], across=[0.5]).curvature(1.0)
        0.5
        """
        stiffness = 1 - self.across / ratio
        bent = self.cross != 0
        if (stiffness[bent] <= 0).any():
            return float("inf")
        return float(np.sum(self.cross[bent] ** 2 / stiffness[bent]))

    def content(self) -> Content:
        """Yield the moments as a table."""
        names = ["λ₁", "κ", "m₄", "|A|²", "Q(λ₁)"]
        values = [self.first, self.skewness, self.fourth, self.square, self.curvature(1.0)]
        yield Table([Column("moment", names, text=True), Column("value", values)])


@dataclass(frozen=True, eq=False)
class QuarticState(Result):
    """A state of the latent at one price, in units of λ₁."""

    json_fields = ("mean", "width", "gain")

    mean: float  #: w ≥ 0, the decoder's linear amplitude, in units of √λ₁; it carries the posterior means
    width: float  #: c, the decoder's quadratic amplitude, in the same unit; it carries the posterior variances
    gain: float  #: by how much the loss of a row is below that of the collapsed state, in units of λ₁

    def content(self) -> Content:
        """Yield the state in a sentence."""
        w, c, gain = (significant(value, 3) for value in (self.mean, self.width, self.gain))
        yield f"The latent has a linear amplitude of {w} and a quadratic one of {c}, and gains {gain} (units of λ₁)."


@dataclass(frozen=True, eq=False)
class QuarticCollapse(Result):
    """Where and how the first latent collapses, to quartic order."""

    json_fields = ("kind", "maxwell", "spinodal", "mean", "width", "trusted", "reason", "moments")

    moments: Moments  #: of the data
    kind: str  #: "first-order", or "continuous" for data without any skewness whose G and B are positive
    maxwell: float  #: τ*/λ₁, the price up to which the living state is best; NaN where the quartic has none
    spinodal: float  #: τ/λ₁ up to which a living state exists, though not the best one; NaN likewise
    mean: float  #: w of the living state at τ*, in units of √λ₁; NaN likewise
    width: float  #: c of the same state
    trusted: bool  #: whether the jump is small enough for the quartic
    reason: str  #: why it is not, and what to do; empty if trusted

    @checked
    def potential(self, ratio: Ratio, mean: Amplitude, width: Amplitude) -> float:
        """Return F(w, c; τ), the loss of a row above the collapsed state.

        Parameters
        ----------
        ratio : float
            τ/λ₁.
        mean : float
            w, in units of √λ₁.
        width : float
            c, in units of √λ₁.

        Returns
        -------
        float
            In units of λ₁.

        Raises
        ------
        InputError
            If an argument is not a number, or the price is not from 0.001 to 1000 λ₁.

        Examples
        --------
        >>> collapse = quartic_collapse(Moments(1.0, 0.0, 3.0, cross=[], across=[]))
        >>> round(collapse.potential(1.0, mean=0.1, width=0.0), 9)
        2.5e-05
        """
        p, c, k = mean**2, width, self.moments.skewness / ratio**2
        G, B = self.moments.brackets(ratio)
        return (1 - 1 / ratio) * (p / 2 + c**2) - k * (p * c + 4 * c**3 / 3) + G * p**2 + B * (p * c**2 + c**4)

    @checked
    def phase(self, ratio: Ratio) -> QuarticState:
        """Return the best state at one price.

        Parameters
        ----------
        ratio : float
            τ/λ₁.

        Returns
        -------
        QuarticState
            All zeros where that is the collapsed one.

        Raises
        ------
        InputError
            If the price is not from 0.001 to 1000 λ₁.
        OutsideTheory
            If the quartic has no lower bound there.

        Examples
        --------
        >>> collapse = quartic_collapse(Moments(1.0, 0.0, 3.0, cross=[], across=[]))
        >>> round(collapse.phase(0.96).mean ** 2, 3)  # to all orders 0.04, of Gaussian data
        0.037
        """
        a, k = 1 - 1 / ratio, self.moments.skewness / ratio**2
        G, B = self.moments.brackets(ratio)
        if min(G, B) <= 0:
            raise OutsideTheory(f"At τ = {ratio:.6g} λ₁ G = {G:.3g} and B = {B:.3g}: {UNBOUNDED}")
        states = [(0.0, 0.0)]
        if k**2 >= 2 * a * B:  # the width alone
            states.append((0.0, (k + math.copysign(math.sqrt(k**2 - 2 * a * B), k)) / (2 * B)))
        if B != 4 * G:  # mean and width
            c = k / (2 * B - 8 * G)
            states.append(((k * c - a / 2 - B * c**2) / (2 * G), c))
        loss, w, c = min((self.potential(ratio, math.sqrt(p), c), math.sqrt(p), c) for p, c in states if p >= 0)
        return QuarticState(w, c, 0.0 - loss)

    def content(self) -> Content:
        """Yield the prices and amplitudes as a table, and whether they can be trusted."""
        names = ["best up to τ/λ₁", "survives up to τ/λ₁", "w at the jump", "c at the jump"]
        values = [self.maxwell, self.spinodal, self.mean, self.width]
        yield f"The first collapse is {self.kind}."
        yield Table([Column("first collapse", names, text=True), Column("value", values)])
        yield self.reason


@checked
def quartic_collapse(moments: Moments) -> QuarticCollapse:
    """Return where and how the first latent of a nonlinear VAE collapses, to quartic order.

    With g = G/B and C = 1/(2 − 8g) the living state is best up to a B/k² = 4/9 if g ≥
    1/16, and C (1 − √((2C − 1)/3)) otherwise, k = κ/τ². It exists up to a B/k² = 1/2.
    Near λ₁ the first is τ* = λ₁ (1 + (4/9) κ²/B).

    Parameters
    ----------
    moments : Moments
        Of the data.

    Returns
    -------
    QuarticCollapse
        Without prices, and not trusted, where B or G is not positive.

    Raises
    ------
    InputError
        If that is not what was given.

    Examples
    --------
    >>> collapse = quartic_collapse(Moments(1.0, skewness=0.06, fourth=3.0, cross=[], across=[]))
    >>> collapse.kind, round(collapse.maxwell, 4), collapse.trusted  # 1 + (4/9) · 0.0036/4
    ('first-order', 1.0004, True)
    """
    bounded = min(moments.brackets()) > 0
    kind = "continuous" if bounded and moments.skewness == 0 else "first-order"
    maxwell, spinodal = (_price(moments, share) for share in (_coexistence, lambda g: 0.5))
    bare = QuarticCollapse(moments, kind, maxwell, spinodal, math.nan, math.nan, False, "")
    if math.isnan(maxwell):
        G, B = moments.brackets()
        limits = UNBOUNDED if not bounded else NO_COEXISTENCE
        return replace(bare, reason=f"At λ₁ G = {G:.3g} and B = {B:.3g}: {limits}")
    a, k, (G, B) = 1 - 1 / maxwell, moments.skewness / maxwell**2, moments.brackets(maxwell)
    width_alone = B <= 16 * G
    c = 2 * k / (3 * B) if width_alone else k / (2 * B - 8 * G)
    w = 0.0 if width_alone else math.sqrt(max(0.0, k * c - a / 2 - B * c**2) / (2 * G))
    measured = (("c²/B", c**2 / B, QUARTIC_JUMP), ("|κ|", abs(moments.skewness), QUARTIC_SKEWNESS))
    large = [f"{name} = {value:.3g} is above {limit:g}" for name, value, limit in measured if value > limit]
    reason = f"{' and '.join(large)}: the jump is too large for the quartic. Solve for the free decoder." * bool(large)
    return replace(bare, mean=w, width=c, trusted=not large, reason=reason)


def _coexistence(g: float) -> float:
    """Return a B/k² at which the living and the collapsed state are equally good."""
    if g >= 1 / 16:  # the living state has w = 0
        return 4 / 9
    C = 1 / (2 - 8 * g)
    return C * (1 - math.sqrt((2 * C - 1) / 3))


def _price(moments: Moments, share: Callable[[float], float]) -> float:
    """Return the ratio τ at which a B/k² is what `share` says of G/B, all three at τ; NaN if no τ does."""
    ratio = 1.0
    for _ in range(ROUNDS):
        G, B = moments.brackets(ratio)
        a = math.inf if min(G, B) <= 0 else (moments.skewness / ratio**2) ** 2 * share(G / B) / B
        if a > MAX_SHIFT:
            break
        previous, ratio = ratio, 1 / (1 - a)
        if abs(ratio - previous) <= SAME_PRICE * ratio:
            return ratio
    return math.nan
