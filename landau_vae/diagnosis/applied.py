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

    def __init__(self, mean: Array, by_kl: Array, rounding: Array, channels: NDArray[np.intp]) -> None:
        """Add up a batch: what the KL adds to the gradient at μ, and the rounding error of that, (n, K) each."""
        sums = np.stack([mean * by_kl, mean**2, by_kl**2, rounding**2]).sum(axis=1)
        self.rows, self.sums = len(mean) * channels.shape[1], sums[:, channels].sum(axis=2)  # (4, latents)

    def __add__(self, other: "Applied") -> "Applied":
        total = Applied.__new__(Applied)
        total.rows, total.sums = self.rows + other.rows, self.sums + other.sums
        return total

    @property
    def mean_square(self) -> Array:
        """⟨μ_k²⟩, (latents,)."""
        return np.asarray(self.sums[1] / self.rows)

    @property
    def pooled(self) -> tuple[float, float]:
        """The price of all latents together, and its standard error."""
        total = self.sums.sum(axis=1)
        if not total[1] > TINY:
            return np.nan, np.nan
        square, error = self.sums[1], self.each[1]
        return float(total[0] / total[1]), float(np.sqrt(np.nansum(square**2 * error**2)) / total[1])

    @property
    def dearest(self) -> tuple[float, float]:
        """The price of the latent that surely pays most, and its error: the weight of the KL, where some pay less."""
        value, error = self.each
        if not np.isfinite(error).any():
            return np.nan, np.nan
        k = int(np.nanargmax(value - SURELY * error))
        return float(value[k]), float(error[k])

    @property
    def each(self) -> tuple[Array, Array]:
        """The price of each latent, (latents,), and its standard error; NaN where all means are 0.

        Rounding errors of gradients need not average out over rows, and are counted in full.
        """
        cross, square, other, rounding = self.sums
        nothing, known = np.full(len(square), np.nan), square > TINY
        slope = np.divide(cross, square, out=nothing.copy(), where=known)
        left = np.maximum(other - slope * cross, 0.0) / max(self.rows - 1, 1) + rounding
        return slope, np.sqrt(np.divide(left, square, out=nothing, where=known))


class Course:
    """The course of one price: what it is, what it was, and since when it stands still."""

    def __init__(self, unit: float) -> None:
        self.unit = unit  #: the stated price
        self.value = self.error = self.before = np.nan  #: at the last change, its error, and before that change
        self.now = self.changed = 0  #: updates: of the last look, of the last change
        self.stretch = 0  #: updates between the last two changes; 0 before there were two

    def add(self, update: int, value: float, error: float) -> None:
        """Add the price at an update, and its standard error."""
        self.now = update
        tolerated = PRICE_MOVES * self.unit + SURELY * np.hypot(error, self.error)
        if np.isnan(value) or abs(value - self.value) <= tolerated:
            return
        if not np.isnan(self.value):
            self.stretch = update - self.changed
        self.before, self.value, self.error, self.changed = self.value, value, error, update

    @property
    def moving(self) -> tuple[float, float, int] | None:
        """What the price is, what it was before, and how many updates ago, if it has changed of late; else None.

        It stands still once it has for twice as long as between its last two changes. A rise above the
        stated price is no warm-up, and is not waited for.
        """
        beyond = self.value > max(self.before, (1 + PRICE_MOVES) * self.unit)
        lately = self.now - self.changed < PRICE_STANDS * self.stretch and not beyond
        return (self.value, self.before, self.now - self.changed + self.stretch) if lately else None
