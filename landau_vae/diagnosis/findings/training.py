"""What is wrong with a model in the first place: data that are others, a price that is another, training that failed.

Each rule looks for one cause and gives a `Finding` or nothing; what one of them explains is not reported again by
those that follow it in `rules`.
"""

import numpy as np

from landau_vae.diagnosis.evidence import Evidence, Finding
from landau_vae.diagnosis.wording import (
    PERHAPS_BENT,
    beta_at,
    five,
    knob_at,
    rescaled,
    span,
    spectrum_words,
    why_so_dear,
)
from landau_vae.display import listed, significant
from landau_vae.loss.slips import priced_slips, slip_with_price

__all__ = [
    "decoder_mismatch", "free_bits", "kl_off", "no_survivor", "not_converged", "other_price", "rows_mismatched",
    "should_live",
]  # fmt: skip

WORSE = 1.15  # of the best linear decoder's distortion: no trained decoder is that much worse
ALIKE = 1.03  # ratio of rates that are one and the same


def rows_mismatched(e: Evidence) -> Finding | None:
    """Codes that do not belong to the rows beside them."""
    if not e.mismatched:
        return None
    return Finding(
        "rows-mismatched",
        True,
        "The posteriors are not those of these rows: rows of the data that are alike have codes that are not (their "
        f"difference is {e.strange:.0%} of what it is between any two rows, beyond what is due), and only "
        f"{e.linear:.0%} of a living latent is linear in the data.",
        "Encode the data again without shuffling, and give rows and posteriors in one order.",
    )


def kl_off(e: Evidence) -> Finding | None:
    """Nothing holds the latents at the prior's scale, and the posteriors are far too narrow."""
    if not e.kl_is_off:
        return None
    assert e.implied is not None
    assert e.own is not None
    second = e.posterior.second_moment[e.alive]
    return Finding(
        "kl-off",
        True,
        f"The KL has no grip on this model: ⟨μ²⟩ + ⟨σ²⟩ of the living latents runs from {significant(second.min(), 3)} "
        f"to {significant(second.max(), 3)}, where any KL weight at all would hold it at 1, and the posteriors are as "
        f"narrow as at {knob_at(e, min(e.implied, e.own))} instead of {beta_at(e, e.price)}.",
        "See whether the KL term enters the loss that is differentiated, with a weight that is not 0 (a β that is "
        "stored but not used, a clamp or free bits that cut its gradient, a warm-up that has hardly begun): "
        "Loss.measure(your_loss, …) reads it off.",
    )


def no_survivor(e: Evidence) -> Finding | None:
    """The price is above the first threshold."""
    if e.state.active > 0 or e.seen.any():
        return None
    first = float(e.spectrum.eigenvalues[0])
    return Finding(
        "price-too-high",
        True,
        f"No latent can survive at this price: {knob_at(e, e.price)} makes a nat cost τ = {significant(e.price, 4)}, "
        f"and the strongest mode is worth λ₁ = {significant(first, 4)}{spectrum_words(e)}. All latents collapsed "
        f"because they must: training has not failed.",
        f"Lower {e.loss.knob} below {beta_at(e, first)}, where the first latent comes alive{five(e)}.{why_so_dear(e)}",
    )


def other_price(e: Evidence) -> Finding | None:
    """The living modes agree on another price than that of the loss."""
    if not e.other_price or e.kl_is_off:
        return None
    assert e.told is not None
    lower, count, price = e.told < e.price, int(e.seen.sum()), significant(e.told, 3)
    told = f"each of {count} modes tells τ̂ = (1 − M²) λ ≈ {price} (they agree within {e.scatter:.1%})"
    if e.rough:
        told = f"by their own M² they tell τ̂ ≈ {price}, roughly, as the linear theory does not hold for them"
    elif count == 1:
        told = f"the one mode that lives tells τ̂ = (1 − M²) λ = {price}"
    slip = slip_with_price(e.told, e.loss, e.spectrum)
    cause = (
        f"That is the price of a loss with {slip.words}, or of a β schedule that ended there."
        if slip is not None
        else "A warm-up or an annealing of β that ended early leaves it so, or a KL weight other than the stated one."
    )
    return Finding(
        "lower-price" if lower else "higher-price",
        True,
        f"The living latents were trained at another price: {told}, where {knob_at(e, e.price)} "
        f"would be τ = {significant(e.price, 4)}. {cause}"
        f"{rescaled(e.told / e.price)}",
        f"In effect {e.loss.knob} was {beta_at(e, e.told)}: look at the β schedule's end and at what the loss sums "
        "and averages (Loss.measure reads it off), then diagnose again with the loss as it is.",
    )


def decoder_mismatch(e: Evidence) -> Finding | None:
    """A decoder that is worse than the best linear one from its own latents."""
    if e.decoded is None or e.observed is None or e.loss.likelihood != "gaussian" or e.unsettled or e.mismatched:
        return None
    own, best = float(e.decoded.sampled[-1]), float(e.observed.prefix[-1])
    if own <= WORSE * best:
        return None
    return Finding(
        "decoder-mismatch",
        True,
        f"The decoder leaves {own:.3g} of the variance, where the best linear one from the same latents leaves "
        f"{best:.3g}: it does not give these data.",
        "See whether the data given here are in the scale and order that the model was trained on (standardised, "
        "shifted, divided by 255, …), and whether decode returns the reconstruction itself.",
    )


def free_bits(e: Evidence) -> Finding | None:
    """Latents that sit at one and the same rate."""
    rates = np.sort(e.posterior.rate[e.alive])
    if e.kl_is_off or e.unsettled or len(rates) < 3 or len(rates) <= max(int(e.seen.sum()), int(e.state.active)):
        return None
    for first in range(len(rates) - 2):
        group = rates[first:][rates[first:] <= rates[first] * ALIKE]
        if len(group) >= 3 and group[0] > 0.05:
            return Finding(
                "free-bits",
                True,
                f"{len(group)} latents have one and the same rate, {significant(float(np.median(group)), 3)} nats, and "
                "more latents live than modes are encoded: that is the mark of free bits, a KL that costs nothing up "
                "to a limit.",
                "Below the limit information has no price, and the spectrum says nothing: take the free bits out to "
                "diagnose, or read a latent at the limit as dead.",
            )
    return None


def not_converged(e: Evidence) -> Finding | None:
    """Latents are off the scale that any resting model has."""
    if not e.unsettled or e.kl_is_off:
        return None
    second = e.posterior.second_moment[e.alive]
    return Finding(
        "not-converged",
        True,
        f"Training has not come to rest: ⟨μ²⟩ + ⟨σ²⟩ of the living latents runs from {significant(second.min(), 3)} "
        f"to {significant(second.max(), 3)}, but is 1 at any stationary point of a VAE with a prior N(0, 1), whatever "
        "its β.",
        "Train longer, or let the learning rate fall; see whether the prior is the standard normal one.",
    )


def should_live(e: Evidence) -> Finding | None:
    """Modes are worth their price but have no latent."""
    if not e.missing.size or e.kl_is_off or e.mismatched:
        return None
    all_dead = not e.seen.any()
    which = f"Mode{'s' * (e.missing.size > 1)} {listed(list(e.missing))}"
    what = "no latent encodes anything" if all_dead else "no latent has found them"
    if e.missing.size == 1 and not all_dead:
        what = "no latent has found it"
    slow = ""
    if e.run is not None and e.run.late.any():
        slow = f" {e.run.warnings[0]}"
    doubt = ""
    if all_dead:
        first = float(e.spectrum.eigenvalues[0])
        deadly = [slip.words for slip, price in priced_slips(e.loss, e.spectrum) if price >= first]
        if deadly:
            doubt = f" But they would be inactive at equilibrium if the loss had {' or '.join(deadly[:2])}: make sure."
    elif len(e.prices) == 1:
        doubt = (
            f" (The mode that lives would fit {knob_at(e, float(e.prices[0]))}, where the others are dead: make sure.)"
        )
    elif e.maybe_bent:
        doubt = f" {PERHAPS_BENT}"
    if e.bent and not all_dead:
        return Finding(
            "should-live",
            False,
            f"{which} would live in a linear model (M² = {span(e.expected()[e.missing])}), but {what}: this one is "
            "not linear, and may make them out of others.",
        )
    return Finding(
        "should-live",
        True,
        f"{which} should live at this price (M² = {span(e.expected()[e.missing])} at equilibrium), but {what}"
        f"{'' if all_dead else f' (M² = {span(e.encoded[e.missing])})'}: optimisation has not come so far, the "
        f"collapsed state is not stable here.{slow}",
        "Train longer or with a larger learning rate (latents wait on a plateau, and weak modes longest: "
        f"`lv.numeric.activation` says how long), start from larger weights, or warm β up from below.{doubt}",
    )
