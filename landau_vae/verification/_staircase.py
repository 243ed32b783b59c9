"""A staircase of prices: train, compute where the next latent begins, go just below it, train again.

A trained model with k active latents tells at which price Λ a further one would pay: by
the codes alone where few latents are active (`networks.kernel_onset`), else by its
decoder
(`networks._next_latent`). Λ may depend on the price at which the k were trained. The
onset is its fixed point, Λ(β) = β, estimated by a secant through two models with the
same k. A new latent is seen at two places, which a line through its rate needs; then
the staircase goes on below the next onset. Source: this package; transition by
transition: Wu & Fischer, ICLR 2020.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.likelihoods import Likelihood, natural_parameter
from landau_vae.networks import next_latent, next_latent_by_kernel
from landau_vae.networks._next_latent import ROWS_PER_FEATURE
from landau_vae.networks.kernel_onset import FEW, FEWEST

JUST_BELOW = 0.85  # of an onset: its latent has a rate of ½ ln(1/.85) = .08 nats there in a linear model
SEEN_AGAIN = 0.75  # of a place: the next one is no colder where a latent has been seen once
SLOPE = 0.6  # of ln Λ against ln β, in size: more is that of what active latents leave, as the square of β
CODES, DECODED = 2**14, 2**11  # rows that an onset is read off, at most
DRAWS = 8  # of z, as often again for the regression
FLOOR = 1e-3  # of the first onset: where a staircase ends by default


@dataclass(frozen=True)
class Place:
    """A model of a staircase."""

    beta: float
    active: int  #: latents
    onset: float  #: β below which a further latent pays, Λ; NaN where it cannot be read


@dataclass(frozen=True)
class Stairs:
    """Where a staircase begins and ends, in β.

    >>> stairs = Stairs(4.0, 0.1)
    >>> stairs.following(2, []), stairs.following(2, [Place(3.4, 1, 1.0)])
    (3.4, 2.55)
    >>> stairs.following(2, [Place(3.4, 1, 1.0), Place(2.55, 1, 1.0)])
    0.85
    """

    first: float  #: threshold of the collapsed state
    floor: float  #: β below which nothing is trained

    def following(self, latents: int, visited: Sequence[Place]) -> float | None:
        """Return the β to train at next; None at the end: all latents are active, or the floor is reached."""
        last = visited[-1] if visited else Place(np.inf, 0, self.first)
        once = last.active > 0 and sum(place.active >= last.active for place in visited) == 1
        if last.active >= latents and not once:
            return None
        onset = _fixed_point([place for place in visited if place.active == last.active] or [last])
        beta = JUST_BELOW * float(np.fmin(onset, last.beta))  # what pays already, and has not come, comes below
        beta = max(beta, SEEN_AGAIN * last.beta) if once else beta
        return beta if beta >= self.floor else None


def _fixed_point(alike: Sequence[Place]) -> float:
    """Return where Λ(β) = β, by the last two models with as many active latents."""
    beta, onset = (np.log([getattr(place, name) for place in alike[-2:]]) for name in ("beta", "onset"))
    if len(beta) < 2:
        return float(np.exp(onset[0]))
    slope = (onset[1] - onset[0]) / (beta[1] - beta[0])
    slope = slope if abs(slope) < SLOPE else 0.0
    return float(np.exp((onset[1] - slope * beta[1]) / (1 - slope)))


def onset_after(
    mean: Array,
    deviation: Array,
    decode: Callable[[Array], Array] | None,
    x: Array,
    likelihood: Likelihood,
    active: NDArray[np.intp],
) -> tuple[float, float]:
    """Return the price below which a further latent pays beside some active ones, and its standard error; or NaN.

    A price is in the unit of the reconstruction term at weight 1. `decode` takes z of
    the rows to means of x.
    """
    if likelihood.squared and len(active) <= FEW and len(x) >= FEWEST:
        some = some_rows(len(x), CODES)
        found = next_latent_by_kernel(mean[some], deviation[some], x[some], active, beside=True)
        if not found.silent:
            return found.bulk, found.bulk_error
    if decode is None or len(x) < ROWS_PER_FEATURE * (1 + len(active)):
        return np.nan, np.nan
    some = some_rows(len(x), DECODED)
    output = decode if likelihood.squared else lambda z: natural_parameter(likelihood, decode(z))
    beside = next_latent(mean[some], deviation[some], output, x[some], likelihood, active, draws=DRAWS)
    return beside.value, beside.error


def some_rows(rows: int, most: int) -> NDArray[np.intp]:
    """Return the numbers of so many rows at most, evenly spread."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.intp))
