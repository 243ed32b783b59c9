"""Does a constraint of the loss do what it demands? Rates at the limit, above it, or short of it."""

import numpy as np

from landau_vae import limits
from landau_vae.diagnosis.comparison import Comparison
from landau_vae.display import counted, significant
from landau_vae.findings import Finding, remark
from landau_vae.loss.price_in_effect import Demand


def missed(c: Comparison) -> Finding | None:
    """Find that a demanded rate, or distortion, is not reached."""
    if c.demand is None or (ratio := _ratio(c, c.demand)) is None:
        return None
    both, away = c.demand.constraint.sets_price, ratio - 1
    tolerated = limits.RATE_OF_ROWS if c.demand.constraint.per == "sample" else limits.RATE_REACHED
    if (abs(away) if both else -away) <= tolerated:
        return None
    reason = "the controller of β has not reached it" if both else "the model does not use the nats that are free"
    return Finding(
        "rate-missed",
        "alarm" if abs(away) > limits.RATE_MISSED else "remark",
        f"The constraint is not met, because {_in_words(c.demand, ratio)}: {reason}.",
        "Train longer, and check the unit of the limit (bits are 0.69 nats), what the KL in it sums or averages, and "
        "the bounds of a controller.",
        {"ratio": ratio, "limit": c.demand.limit, "causes": ("updates", "capacity-unit", "controller", "plateau")},
    )


def met(c: Comparison) -> Finding | None:
    """Say that a constraint binds, or that it does not."""
    if c.demand is None or c.other_price or (ratio := _ratio(c, c.demand)) is None:
        return None
    if c.demand.constraint.per == "latent":
        return _free_latents(c, c.demand)
    if missed(c) is not None:
        return None
    here = _in_words(c.demand, ratio)
    if c.allowed[0] == c.allowed[1]:
        return remark("constraint-idle", f"The constraint does not bind, because {here}: the price is the stated one.")
    measured = "" if c.price_in_effect is None else f", measured here: {significant(c.price_in_effect, 3)}"
    return remark(
        "constraint-met",
        f"The constraint is met: {here}. The price follows from the data then (a linear model: "
        f"{significant(c.price, 3)}{measured}), and the model is not judged by it.",
        evidence={"ratio": ratio, "price": c.price, "allowed": np.array(c.allowed)},
    )


def _free_latents(c: Comparison, demand: Demand) -> Finding:
    """Say which latents have just their free nats."""
    free = demand.constraint.value
    at = np.flatnonzero(np.abs(c.posterior.rate / free - 1) <= limits.RATE_REACHED)
    return remark(
        "free-nats",
        f"{counted(len(at), 'latent')} of {c.posterior.latents} {'has' if len(at) == 1 else 'have'} the free "
        f"{significant(free)} nats. They pay nothing, and no price says what they encode; prices of latents are not "
        "judged.",
        evidence={"latents": at + 1},
    )


def _in_words(demand: Demand, ratio: float) -> str:
    """Return how large what is constrained is, beside the limit."""
    subject = {"distortion": "reconstruction term"}.get(demand.constraint.kind, "rate")
    least = "least " * (demand.constraint.per == "latent")
    limit = demand.constraint.value
    return (
        f"the {least}{subject} is {significant(ratio * limit, 3)}, {significant(ratio, 3)} times {significant(limit)}"
    )


def _ratio(c: Comparison, demand: Demand) -> float | None:
    """Return the rate, or the distortion, over the one demanded; of latents the least rate; None if unknown."""
    if demand.constraint.kind == "distortion":
        return None if c.own_variance is None else c.own_variance * c.spectrum.dimension / demand.limit
    if demand.constraint.per == "latent":
        return float(c.posterior.rate.min()) / demand.constraint.value
    return float(c.posterior.rate.sum()) / demand.limit
