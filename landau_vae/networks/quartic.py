"""Which moments of the data decide how the first latent of a nonlinear VAE collapses.

The first principal component in units of its standard deviation is y, of skewness κ and fourth
moment m₄; with the rest of the data in the same units, A = E[x y²] has the components κ along y
and a_j along the other principal components, whose variances are ℓ_j = λ_j/λ₁.

    Q(τ) = Σ_j a_j²/(1 − ℓ_j/τ)        how much the data curve along y, τ in units of λ₁

Source: this package.
"""

from dataclasses import dataclass

import numpy as np

from landau_vae.checks import NonNegative, Positive, check_fields, checked, numbers
from landau_vae.display import Array, Column, Content, Result, Table, readonly
from landau_vae.errors import InputError


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
    skewness: float  #: κ = E[y³] of the first principal component y, whose variance is 1
    fourth: NonNegative  #: m₄ = E[y⁴], 3 for Gaussian data
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
        if not ((across >= 0) & (across <= 1)).all():
            raise InputError("across holds λ_j/λ₁, but not all of its entries are from 0 to 1.", "across")
        object.__setattr__(self, "cross", readonly(cross))
        object.__setattr__(self, "across", readonly(across))

    @property
    def square(self) -> float:
        """|A|² = κ² + Σ_j a_j²."""
        return float(self.skewness**2 + self.cross @ self.cross)

    @checked
    def curvature(self, ratio: Positive) -> float:
        """Return Q(τ), by which a decoder that bends lowers the quartic coefficient.

        Parameters
        ----------
        ratio : float
            τ/λ₁, the price in units of the first eigenvalue.

        Returns
        -------
        float
            Infinite where a further component is unstable at this price and shares the bend.

        Raises
        ------
        InputError
            If the price is not positive.

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
