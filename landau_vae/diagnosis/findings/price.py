"""Is the price of a nat the one that was meant, and is it one? Other prices, free bits, a KL without effect.

With the decoder the price in effect is measured, latent by latent, for any network and
loss. Without it, it is known of models that are seen to be linear, and nothing is said
of others.
"""

import numpy as np

from landau_vae import limits
from landau_vae.diagnosis.comparison import Comparison, beta_at, knob_at
from landau_vae.diagnosis.progress import Progress
from landau_vae.display import Array, counted, listed, significant, span, with_error
from landau_vae.findings import Finding, alarm, remark
from landau_vae.loss.slips import slip_with_price

ASK = (
    " Is the decoder given anything but z (a condition, the earlier steps of a sequence, a library size)? Then "
    "pass that too: given=… ."
)


ELSE = (
    " What also moves prices, by means and widths unlike: noise that is not σε with the σ passed here (a "
    "log-variance for a log-std, a factor on ε), a KL of another formula or prior, a further term on z or μ (a "
    "penalty, a classifier), a reconstruction term other than stated, means and decoder of different weights, a "
    "loader that gives few of the rows."
)
OTHERS = ("noise-size", "kl-formula", "prior", "further-term", "other-term", "other-weights", "few-rows-seen")


def kl_off(c: Comparison) -> Finding | None:
    """Find that nothing holds the latents at the prior's scale, and that the posteriors are far too narrow."""
    if not c.kl_is_off:
        return None
    if c.applied and c.prices is not None:
        return _not_charged(c, c.prices.width / c.price)
    scales, price = c.scales, c.lowest_price
    return alarm(
        "kl-off",
        f"The KL term has no effect on this model: {c.loss.sampler.scale} of the active latents is "
        f"{span(scales)}, where any KL weight above 0 would hold it "
        f"at 1, and the posteriors are as narrow as at {knob_at(c, price)} instead of {beta_at(c, c.price)}.",
        "Check whether the KL term enters the loss that is differentiated, with a weight above 0 (a β that is stored "
        "but not used, a clamp or free bits that cut its gradient, a warm-up that has hardly begun): "
        f"Loss.measure(your_loss, …) measures its weight.{ELSE * c.at_odds}",
        {"second_moment": scales, "scale_error": c.scale_error, "limit": limits.FREE_SCALE, "price": price}
        | {"causes": ("kl-off", "kl-weight", "warm-up", "free-bits", "masked-kl", *_others(c))},
    )


def _not_charged(c: Comparison, ratio: Array) -> Finding:
    """Return the finding of a KL without a gradient, in a training."""
    return alarm(
        "kl-off",
        f"The KL term has no effect on this training: the price applied to the latents is {span(ratio, 2)} of the "
        "stated one (the gradient at the means is that at the decoder's input).",
        "Check whether the KL term enters the loss that is differentiated, with a weight above 0: a β that is stored "
        "but not used, a KL that is detached or computed from other tensors, a clamp or free bits above all rates, a "
        "warm-up whose first step lasts.",
        {"ratio": ratio, "limit": limits.NO_KL, "causes": ("kl-off", "kl-weight", "warm-up", "free-bits", "masked-kl")},
    )


def several_prices(c: Comparison) -> Finding | None:
    """Find that some latents pay surely less for a nat than others."""
    if c.prices is None or not c.separate.size or c.kl_is_off:
        return None
    ratio = c.prices.width / c.price
    cheap = np.isin(c.prices.latent, c.separate)
    low, high = ratio[cheap], ratio[~cheap]
    read_off = "gradients" if c.applied else "widths"
    return alarm(
        "several-prices",
        f"Latents do not obey one price by their {read_off}: {listed(list(c.separate), 'latent')} "
        f"pay{'s' * (c.separate.size == 1)} {span(low, 2)} of the stated price, the others {span(high, 2)}.",
        "It may be the KL: check which latents it sums over (a slice, a mask, groups with weights of their own), "
        "and whether it has free bits or balancing per latent: a latent whose KL is below its free amount pays "
        f"nothing.{ELSE * c.at_odds}{ASK * (c.progress is None)}",
        {"latents": c.separate + 1, "ratio": ratio}
        | {"causes": ("masked-kl", "free-bits", "kl-balancing", "conditional-decoder", "teacher-forcing", *_others(c))},
    )


def free_bits(c: Comparison) -> Finding | None:
    """Find latents that have one and the same rate, and pay less than the price or are not worth it."""
    rates, paid = _cheap_rates(c)
    same = limits.NEARLY_EQUAL_RATES if paid else limits.EQUAL_RATES
    if c.kl_is_off or len(rates) < 3 or not c.one_price:
        return None
    groups = (rates[first:][rates[first:] <= rates[first] * same] for first in range(len(rates) - 2))
    group = max(groups, key=len)
    if len(group) < max(3, limits.MOST_LATENTS * len(rates)):
        return None
    why = paid or ", and more latents are active than modes are worth their price"
    return alarm(
        "free-bits",
        f"{len(group)} latents have the same rate, {significant(float(np.median(group)), 3)} nats{why}: a sign of free "
        "bits, a KL without cost up to a limit.",
        "Below the limit a nat has no price, and neither spectrum nor β decides which latents are active: diagnose "
        "a model without free bits, or read a latent at the limit as inactive. (A smaller KL weight gives lower "
        "prices too, but seldom equal rates.)",
        {
            "rates": group,
            "ratio": group[-1] / group[0],
            "limit": same,
            "causes": ("free-bits", "kl-weight", "masked-kl"),
        },
    )


def _cheap_rates(c: Comparison) -> tuple[Array, str]:
    """Return the rates of latents that pay too little, ascending, and how little, in words."""
    rates = c.posterior.rate
    if c.prices is not None:
        price = c.prices.width[np.isin(c.prices.latent, c.separate)]
        words = f", and a nat costs them {span(price / c.price, 2)} of its price" if price.size else ""
        return np.sort(rates[c.separate]), words
    beyond = c.linear and c.converged and c.is_active.sum() > c.predicted.active  # some are not worth their price
    return np.sort(rates[(rates > limits.FREE_RATE) & beyond]), ""


def other_price(c: Comparison) -> Finding | None:
    """Find that the model obeys another price than that of the loss."""
    if c.other_price is None or c.kl_is_off:
        return None
    price, error, ratio = c.other_price, c.price_in_effect_error or 0.0, c.other_price / c.price
    lower, known = ratio < 1, counted(len(c.telling), "latent")
    reading = f"measured on {known}, a nat costs {with_error(price, error)}"
    if c.prices is None:
        count = int(c.detected.sum())
        agreeing = f"{counted(count, 'mode')}{f' (they agree within {c.price_scatter:.1%})' if count > 1 else ''}"
        law = "(1 − M²) λ = " if c.loss.sampler.plain else ""
        reading = f"a nat costs τ̂ = {law}{significant(price, 3)} by {agreeing}"
    words, causes, argument = _causes(c, ratio)
    was, again = ("was", "diagnose again with") if c.progress is None else ("is", "state")
    return alarm(
        "lower-price" if lower else "higher-price",
        f"The model {was} trained at another price than stated: {reading}, {_times(ratio)} the "
        f"{significant(c.price, 4)} that {knob_at(c, c.price)} states. It may be {words}.",
        f"In effect {c.loss.knob} {was} {_in_effect(c, price, error)}: check what multiplies the KL, where the β "
        f"schedule ends, and what the loss sums and averages (Loss.measure measures it), then {again} the loss as it "
        f"is{argument}.{_told_apart(c, lower)}{ELSE * c.at_odds}{ASK * (c.progress is None)}",
        {"price": c.price, "fitted_price": price, "error": error, "ratio": ratio, "modes": int(c.detected.sum())}
        | {"causes": (*causes, *_others(c))},
    )


def price_differs(c: Comparison) -> Finding | None:
    """Say that the price in effect is near the stated one, but surely not the same."""
    price, error = c.price_in_effect, c.price_in_effect_error
    if c.prices is None or price is None or error is None or c.other_price or c.separate.size or c.kl_is_off:
        return None
    if c.progress is not None and not c.applied:  # prices in effect are known at rest only
        return None
    nearest = float(np.clip(price, *c.allowed))
    ratio = price / nearest
    if abs(price - nearest) < limits.SURELY * error or 1 / limits.NEAR_PRICE < ratio < limits.NEAR_PRICE:
        return None
    return remark(
        "price-differs",
        f"A nat costs {with_error(ratio, error / nearest)} times its stated price. In healthy networks that is "
        "0.92 … 1.07; averaged weights, a large learning rate to the end and early stopping move it by more.",
        f"If the run ended at rest, check the weight of the KL: in effect {c.loss.knob} was "
        f"{_in_effect(c, price, error)}.",
        {"price": c.price, "fitted_price": price, "error": error, "ratio": ratio}
        | {"causes": ("kl-weight", "warm-up", "updates", "averaged-weights")},
    )


def means_at_odds(c: Comparison) -> Finding | None:
    """Find means that obey quite another price than the widths do."""
    if not c.at_odds or c.price_in_effect is None:
        return None
    by_mean, by_width = c.mean_price[0] / c.price, c.price_in_effect / c.price
    apart = abs(np.log(by_mean / by_width)) if by_mean > 0 else np.inf
    far = apart > 2 * np.log(limits.AT_ODDS) and c.scale_error > limits.FAR_SCALE and c.trained_on
    return Finding(
        "means-at-odds",
        "alarm" if far else "remark",
        f"Means and widths do not obey one price: by the means a nat costs {significant(by_mean, 2)} of the stated "
        f"price, by the widths {significant(by_width, 2)}. In a VAE at rest, with noise σε and an exact KL, the two "
        "agree.",
        f"Train longer, if the learning rate was large to the end (means settle last).{ELSE}",
        {"by_mean": by_mean, "by_width": by_width, "causes": ("updates", "learning-rate", *OTHERS)},
    )


def _in_effect(c: Comparison, price: float, error: float) -> str:
    beta = float(c.loss.beta_at(price, c.spectrum)) if not c.own_term else float(c.loss.beta) * price / c.price
    return with_error(beta, beta * error / price)


def _others(c: Comparison) -> tuple[str, ...]:
    return OTHERS * c.at_odds


def _causes(c: Comparison, ratio: float) -> tuple[str, tuple[str, ...], str]:
    """Return what would leave this price: in words, as codes, and the arguments of the likeliest slip."""
    # Where gradients are noise it may be negative.
    ratio = max(ratio, limits.PRICE_MOVES if c.applied else limits.NO_KL / 2)
    slip = slip_with_price(ratio * c.price, c.loss, c.spectrum) if not c.own_term else None
    words, codes = [f"a KL weight of {_times(ratio)} the stated one"], ["kl-weight"]
    if slip is not None:
        words.insert(0, f"a loss with {slip.words}")
        codes += [*slip.code.split("+")]
    if abs(np.log(ratio / 2)) < limits.PRICE_OF_SLIP:
        words.insert(0, "a KL without its ½ (Σ μ² + σ² − 1 − ln σ²)")
        codes.append("kl-half-missing")
    if c.learned_ratio is not None:
        words.insert(0, "a decoder variance σ² that is learned (its error is just that)")
        codes += ["variance-learned"]
    if ratio < 1:
        words.append("a warm-up or an annealing of β that ended early")
        words.append("a limit on the KL, of each latent or in total, below which it is free (free bits, a capacity)")
        codes += ["warm-up", "free-bits", "free-bits-total"]
    if c.progress is not None:
        words.append(
            f"a factor on the whole loss, as where gradients are accumulated: then give loss_scale={ratio:.3g}"
        )
        codes.append("loss-scale")
        if cause := _reduction(c.progress, ratio):
            words.insert(0, cause)
            codes.insert(0, "reduction")
    if limits.SUMMED < max(ratio, 1 / ratio) < limits.LARGEST_BATCH:
        term, other = ("KL", "error") if ratio > 1 else ("error", "KL")
        rows = f" (batches of about {max(ratio, 1 / ratio):.0f} rows)"
        words.append(f"one term summed over the batch (here the {term}) and the {other} averaged{rows}")
        codes.append("batch")
    if ratio > 1:
        words.append("strong weight decay on the encoder")
        codes.append("weight-decay")
    for scale in (255.0, 127.5, 16.0, 2.0):
        if c.prices is None and abs(abs(np.log(ratio)) - 2 * np.log(scale)) < limits.PRICE_ERROR:
            words.append(f"data that are {f'{scale:g} times' if ratio > 1 else f'1/{scale:g} of'} those in training")
            codes.append("data-units")
    if c.progress is None:  # gradients of a training are those of the decoder as it is
        words.append("a decoder that is given more than z, if that is missing here")
        codes += ["conditional-decoder", "teacher-forcing"]
    argument = "" if slip is None else f" (Loss(…, {slip.argument}))"
    return f"{', '.join(words[:-1])}, or {words[-1]}" if len(words) > 1 else words[0], tuple(codes), argument


def _reduction(p: Progress, ratio: float) -> str:
    """Return which reduction the monitor needs, where the price is off by the rows of a batch."""
    power = -1 if p.summed else 1
    if p.batch is None or abs(np.log(ratio) - power * np.log(p.batch)) > limits.PRICE_OF_SLIP or p.batch < 2:
        return ""
    now, other = ("a mean over", "mean") if p.summed else ("a sum over", "sum")
    return f"a loss that is {now} the rows of a batch ({p.batch} here): then give the monitor reduction={other!r}"


def _told_apart(c: Comparison, lower: bool) -> str:
    """Return what tells the causes of a lower price apart."""
    if not lower:
        return ""
    total = significant(float(c.posterior.rate.sum()), 3)
    return (
        " To tell them apart: print the KL weight of the last update (a schedule), the values of both terms for "
        f"one batch (sums and means), and see whether the total KL, {total} nats, is a limit that you set."
    )


def _times(ratio: float) -> str:
    return f"{significant(ratio, 3)} times"
