"""Read the first collapse off trained networks: order, Maxwell point and hysteresis. `observed(models, name)`."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

ACTIVE = (
    0.01  # nats, from which on a latent counts as in use; where training slows down, at λ₁, inactive ones have 0.006
)
PAYS = 1e-4  # λ₁: or by which a network is better than the collapsed state; one row out of 2000 may have 0.006 nats

Models = list[dict[str, Any]]
Span = tuple[float, float]  # between two prices of the study, in λ₁


@dataclass(frozen=True)
class Observed:
    """What the networks of one data set show. Prices are in units of λ₁."""

    first_order: bool  #: whether most warm networks are active at λ₁, where a continuous collapse is complete
    maxwell: float  #: where F = F₀ on warm networks, mean over seeds; 1 where the collapse is continuous
    error: float  #: of the mean over seeds
    bound: bool  #: whether networks collapse before F = F₀, so that their tangent gives a lower bound
    warm_ends: Span  #: last price at which most warm networks are active, first one at which they do not
    fresh_ends: Span  #: the same of fresh networks
    jump: float  #: lowest rate of a living warm network above λ₁, in nats


def observed(models: Models, name: str) -> Observed:
    """Return what the networks of a data set show."""
    own = [each for each in models if each["data"] == name]
    warm, fresh = ([each for each in own if each["start"] == start] for start in ("warm", "fresh"))
    dies = ending(warm)
    points = [maxwell([each for each in warm if each["seed"] == seed]) for seed in sorted({m["seed"] for m in own})]
    place = np.array([point for point, _ in points])
    living = [each["rate"] for each in warm if active(each) and each["ratio"] > 1]
    return Observed(
        dies[0] >= 1.0,
        float(place.mean()),
        float(place.std(ddof=1) / np.sqrt(len(place))),
        any(bound for _, bound in points),
        dies,
        ending(fresh),
        min(living, default=0.0),
    )


def active(model: dict[str, Any]) -> bool:
    """Return whether the latent of a network is in use."""
    return bool(model["rate"] >= ACTIVE or model["loss"] < -PAYS)


def ending(models: Models) -> Span:
    """Return the last price at which most seeds live, and the first at which they do not."""
    ratios = sorted({each["ratio"] for each in models})
    lives = [np.mean([active(each) for each in models if each["ratio"] == ratio]) > 0.5 for ratio in ratios]
    end = lives.index(False) if False in lives else len(lives)
    return (ratios[end - 1] if end else 0.0), (ratios[end] if end < len(ratios) else np.inf)


def maxwell(models: Models) -> tuple[float, bool]:
    """Return where F = F₀ along the living networks of one seed, and whether it is only a lower bound.

    Since ∂F/∂τ is the rate, which falls, F lies below its tangent at the last living network.
    """
    points = sorted((each["ratio"], each["loss"], each["rate"]) for each in models if active(each))
    for (low, below, _), (high, above, _) in pairwise(points):
        if below < 0 <= above:
            return low + (high - low) * below / (below - above), False
    if not points or points[-1][0] < 1:
        return 1.0, False  # continuous: the loss reaches F₀ with the rate
    ratio, loss, rate = points[-1]
    return max(1.0, ratio - loss / rate), True
