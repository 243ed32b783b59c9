"""The price that a training applies to each latent, exact at every step, and how it moves.

    ∂L/∂μ_k − ∂L/∂z_k = c_k μ_k      in every row, for any encoder, decoder, reconstruction loss and sampler

The reconstruction reaches μ through z alone; what is left is the KL, whose slope in μ is c μ. Least
squares over the rows of a batch give c_k: where the KL is analytic, to rounding. Derivation:
`landau-vae derive identities-at-rest`. A KL that is estimated from the drawn z leaves noise, a
further term on μ leaves its own slope, and a prior N(m, v) has c (μ − m)/v in place of c μ.
"""

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.limits import PRICE_MOVES, PRICE_STANDS, SURELY

TINY = np.finfo(float).tiny


class Applied:
    """Sums over rows from which the price applied to each latent follows."""

    def __init__(self, mean: Array, by_kl: Array, channels: NDArray[np.intp]) -> None:
        pairs = np.stack([mean * by_kl, mean**2, by_kl**2]).sum(axis=1)
        self.rows, self.sums = len(mean) * channels.shape[1], pairs[:, channels].sum(axis=2)  # (3, latents)

    def __add__(self, other: "Applied") -> "Applied":
        total = Applied.__new__(Applied)
        total.rows, total.sums = self.rows + other.rows, self.sums + other.sums
        return total

    @property
    def pooled(self) -> tuple[float, float]:
        """The price of all latents together, and its standard error."""
        price, error = _slope(self.sums.sum(axis=1, keepdims=True), self.rows * self.sums.shape[1])
        return float(price[0]), float(error[0])

    @property
    def each(self) -> tuple[Array, Array]:
        """The price of each latent, (latents,), and its standard error; NaN where all means are 0."""
        return _slope(self.sums, self.rows)


def _slope(sums: Array, rows: int) -> tuple[Array, Array]:
    """Return the slope of a line through the origin and its standard error, (latents,) each."""
    cross, square, other = sums
    known = square > TINY
    slope = np.divide(cross, square, out=np.full(len(square), np.nan), where=known)
    left = np.maximum(other - slope * cross, 0.0) / max(rows - 1, 1)
    return slope, np.sqrt(np.divide(left, square, out=np.full(len(square), np.nan), where=known))


class Course:
    """The course of one price: what it is, what it was, and since when it stands still."""

    def __init__(self, unit: float) -> None:
        self.unit = unit  #: the stated price
        self.value = self.error = self.before = np.nan  #: at the last change, its error, and at the change before it
        self.now = self.changed = self.earlier = 0  #: updates: of the last look, of the last change and the one before
        self.longest = 0  #: updates between two changes, at most

    def add(self, update: int, value: float, error: float) -> None:
        """Add the price at an update, and its standard error."""
        self.now = update
        tolerated = PRICE_MOVES * self.unit + SURELY * np.hypot(error, self.error)
        if abs(value - self.value) <= tolerated:
            return
        if not np.isnan(self.value):
            self.longest = max(self.longest, update - self.changed)
            self.before, self.earlier = self.value, self.changed
        self.value, self.error, self.changed = value, error, update

    @property
    def moving(self) -> tuple[float, int] | None:
        """What the price was before, and how many updates ago, if it has changed of late; else None.

        It stands still once it has for twice as long as it ever did between two changes.
        """
        lately = self.longest and self.now - self.changed < PRICE_STANDS * self.longest
        return (self.before, self.now - self.earlier) if lately else None
