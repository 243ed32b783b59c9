"""The findings of a diagnosis: each rule looks for one cause and returns a `Finding`, or None.

The rules are asked in the order of the questions below. An alarm ends it: what it
explains is not reported again, and what rests on its answer is not asked. `data`: are
these the data, the units and the decoder of this model, and are they enough? `heads`:
can the encoder give what the loss asks for? `samplers`: is z drawn as the loss states?
`price`: which price is in effect, and is
it one? `training`: has it come to rest? `collapse`: are inactive latents inactive
because they should be? `latents`: what do the active ones encode?
"""

from collections.abc import Callable, Mapping

from landau_vae.diagnosis.comparison import Comparison
from landau_vae.diagnosis.findings import (
    collapse,
    constraint,
    data,
    heads,
    latents,
    price,
    samplers,
    training,
    while_training,
)
from landau_vae.diagnosis.findings.while_training import as_of_now
from landau_vae.findings import Finding, by_severity

#: What each code means, in a line.
CODES: Mapping[str, str] = {
    "other-model": "The loss is one of other numbers of features or latents.",
    "rows-mismatched": "The posteriors do not fit these rows.",
    "logits": "The decoder returns what still has to go through a sigmoid or an exponential.",
    "other-units": "Data and reconstructions do not fit each other in scale or mean.",
    "decoder-mismatch": "The decoder, as called here, does not reconstruct these data.",
    "diverged": "The posterior of a latent is far wider than the prior.",
    "frozen-variance": "σ is one number in all rows and latents.",
    "bounded-variance": "The head of the log-variance cannot fall below 0.",
    "clamped-variance": "The log-variance of several latents is at a clamp.",
    "other-head": "σ² is outside of what the loss states of the head.",
    "log-std-sampled": "The sampler takes the log-variance for ln σ.",
    "noise-scaled": "The noise of z is wider or narrower than the KL has it.",
    "one-sided-mean": "The means of the posterior are never negative.",
    "offset": "Latents pay for a mean that is the same in all rows.",
    "rate-missed": "The constraint of the loss is not met.",
    "constraint-met": "The constraint of the loss holds, and the price follows from the data.",
    "constraint-idle": "The constraint of the loss does not bind.",
    "free-nats": "Latents have the nats that are free for each of them.",
    "kl-off": "The KL term has no effect on the model.",
    "free-bits": "The KL costs nothing up to a limit.",
    "several-prices": "Some latents pay less for a nat than others.",
    "lower-price": "The model was trained at a lower price than its loss states.",
    "higher-price": "The model was trained at a higher price than its loss states.",
    "not-converged": "Training has not converged.",
    "should-be-active": "Latents are inactive that should be active.",
    "price-too-high": "All latents collapsed, and at this price the collapsed state is stable.",
    "active-below-threshold": "Latents are active that should be inactive.",
    "fits-noise": "Latents encode sampling noise.",
    "mixed": "Latents share modes that are not degenerate.",
    "price-differs": "The price in effect is near the stated one, but not the same.",
    "means-at-odds": "Means and widths of the latents obey different prices.",
    "near-threshold": "All latents are inactive, at a price too near the threshold to say whether they should be.",
    "metastable": "All latents are inactive and stable, but another state may be better.",
    "further-latent": "A further latent would lower the loss.",
    "unmeasured": "Without the decoder the price in effect is not known.",
    "rightly-inactive": "The inactive latents have nothing to encode at this price.",
    "normalised-mean": "A batch norm holds the variance of all means at one value.",
    "rotated": "Latents are rotated within modes that are nearly degenerate.",
    "superfluous": "There are more latents than modes that are worth encoding in a linear model.",
    "as-predicted": "Modes are encoded as the spectrum predicts.",
    "nonlinear": "The model is not linear: the spectrum says what a linear one would do.",
    "binary-data": "The data are zeros and ones, but the loss is a squared error.",
    "nothing-found": "Nothing is wrong, as far as these arrays tell.",
    "few-rows": "There are few rows per feature.",
    "price-moving": "The weight of the KL is still moving.",
    "became-inactive": "Latents that were active have become inactive.",
    "on-plateau": "No latent has left the plateau yet.",
    "not-at-rest": "The training has not come to rest.",
}

Rule = Callable[[Comparison], Finding | None]

#: The questions, in their order, each with the rules that answer it.
QUESTIONS: Mapping[str, tuple[Rule, ...]] = {
    "Are these the data, the units and the decoder of this model?": (
        data.other_model, data.logits, data.other_units, data.rows_mismatched),
    "Can the encoder give what the loss asks for?": (
        heads.diverged, heads.frozen_variance, heads.bounded_variance, heads.one_sided, heads.offset),
    "Is z drawn as the loss states?": (
        samplers.other_head, samplers.log_variance_as_log_std, samplers.scaled_noise, samplers.clamped),
    "Does the decoder, as called here, reconstruct these rows from z?": (data.decoder_mismatch,),
    "Which price is in effect, and is it one?": (
        constraint.missed, price.kl_off, price.free_bits, price.several_prices, price.other_price, price.price_differs,
        price.means_at_odds, latents.unmeasured),
    "Has it come to rest?": (training.not_converged,),
    "Are inactive latents inactive because they should be?": (
        collapse.should_be_active, collapse.price_too_high, collapse.near_threshold, collapse.further_latent),
    "What do the active latents encode?": (latents.active_below_threshold, data.fits_noise, latents.mixed),
    "What else is worth knowing?": (
        constraint.met, collapse.rightly_inactive, heads.batch_norm, latents.rotated, latents.superfluous,
        latents.as_predicted, latents.nonlinear),
}  # fmt: skip
#: Remarks on the data, and on a training that is going on, which no alarm makes superfluous.
ALWAYS: tuple[Rule, ...] = (
    data.binary_data, data.few_rows, while_training.price_moving, while_training.became_inactive,
    while_training.on_plateau, while_training.not_at_rest,
)  # fmt: skip
RULES: tuple[Rule, ...] = tuple(rule for rules in (*QUESTIONS.values(), ALWAYS) for rule in rules)


def find(comparison: Comparison) -> tuple[Finding, ...]:
    """Return all findings, alarms first, else in the order of the questions."""
    found: list[Finding | None] = []
    for rules in QUESTIONS.values():
        found += [as_of_now(rule(comparison), comparison) for rule in rules]
        if any(finding is not None and finding.alarm for finding in found):
            break
    found += [rule(comparison) for rule in ALWAYS]
    return by_severity(found if any(found) else [training.nothing(comparison)])
