"""How far a training is, as its monitor knows it: this decides which findings may be alarms already.

A model is steady if its rate is the same in both halves of what was looked at. It is at rest if the
scales of its latents and the price in effect are those of a stationary point too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landau_vae import limits
from landau_vae.diagnosis.posterior import Posterior
from landau_vae.display import Array, Booleans
from landau_vae.numeric.plateau_activation import Activation


@dataclass(frozen=True, eq=False)
class Progress:
    """A training in which something is looked at every few updates; prices count in the user's β."""

    updates: int  #: so far
    looks: int  #: batches looked at so far
    batch: int | None  #: rows of the last one
    summed: bool  #: whether the gradients are stated to be those of a sum over the rows of a batch
    steady: bool  #: whether the rate does not move any more
    applied: tuple[float, float] | None  #: the price applied in the last batch, and its standard error
    moving: tuple[float, float, int] | None  #: that of the dearest latent now and before, and how many updates ago
    exact: bool  #: whether the prices of the comparison are those applied, to rounding
    in_effect: tuple[float, float] | None  #: the price in effect, and its standard error
    before: Array | None  #: M² of the latents in older batches, (K,)
    now: Array  #: M² in the newest ones, (K,)
    rested: bool  #: whether the model was at rest with active latents before
    plateau: Activation | None  #: how many updates each mode needs, where the learning rate is known

    @property
    def charged(self) -> bool:
        """Whether the last batch was surely charged for its means, however little."""
        return self.applied is not None and self.applied[0] > limits.SURELY * self.applied[1]

    @property
    def lost(self) -> Booleans:
        """Latents that were active and are no more, (K,)."""
        if self.before is None:
            return np.zeros(self.now.shape, dtype=bool)
        return (self.before > 2 * limits.ACTIVE) & (self.now < limits.ACTIVE / 2)

    @property
    def at_one_price(self) -> bool:
        """Whether price in effect and price applied agree, as they do at rest; where one is unknown they may."""
        if self.applied is None or self.in_effect is None:
            return True
        (value, error), (applied, noise) = self.in_effect, self.applied
        tolerated = limits.PRICE_AT_REST * abs(applied) + limits.SURELY * np.hypot(error, noise)
        return bool(abs(value - applied) <= tolerated)

    @property
    def growing(self) -> bool:
        """Whether the strongest latent is on its way: on a plateau its M² grows by powers of e."""
        return self.before is None or float(self.now.max()) > limits.GROWING * float(self.before.max())

    def outlasted(self, modes: NDArray[np.intp]) -> bool:
        """Return whether these modes had surely the time to leave the plateau."""
        if self.plateau is None or not len(modes) or max(modes) >= len(self.plateau.needed):
            return False
        return bool(self.plateau.needed[modes].max() * limits.PLATEAU_OUTLASTED < self.updates)


def steady(old: Posterior, new: Posterior) -> bool:
    """Return whether two successive parts of a training have one rate, as far as so many rows can say it."""
    before, after = float(old.rate.sum()), float(new.rate.sum())
    if not (old.samples and new.samples):
        return False
    # A Gaussian code's KL of a row, ½ μ² and a constant, has the variance ½ ⟨μ²⟩².
    rows = 1 / (1 / old.samples + 1 / new.samples)
    error = np.sqrt(np.square(new.mean_square).sum() / (2 * rows))
    tolerated = limits.STEADY * max(before, after, limits.FREE_RATE)
    return bool(2 * error <= tolerated and abs(after - before) <= tolerated + 2 * error)
