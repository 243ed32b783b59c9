"""Are latents inactive because they should be? Total collapse, further latents that would pay, and the best state.

The collapsed state is stable exactly where τ ≥ λ₁, for any network. Whether another
state has a lower loss is another question, which the frontier answers: no VAE of any
kind is better from τ = σ²_sG on. Beside living latents a further one stays inactive
exactly where the onset Λ* of the next latent is below the price.
"""

from dataclasses import replace

import numpy as np

from landau_vae import limits
from landau_vae.diagnosis.comparison import Comparison, beta_at, knob_at
from landau_vae.display import counted, listed, significant, span, with_error
from landau_vae.findings import Finding, alarm, remark
from landau_vae.likelihoods import BERNOULLI
from landau_vae.loss.slips import priced_slips


def should_be_active(c: Comparison) -> Finding | None:
    """Find a total collapse below the threshold, or modes of a linear model that have no latent."""
    if c.own_term:
        return None
    if c.collapsed:
        return _collapsed_below(c)
    if not (c.linear and c.missing.size):
        return None
    expected, observed = c.expected_signal[c.missing], c.observed_signal[c.missing]
    return alarm(
        "should-be-active",
        f"{listed(list(c.missing), 'Mode')} should be encoded at this price (signal fraction M² = {span(expected, 2)} "
        f"at equilibrium), but no latent encodes {'them' if len(c.missing) > 1 else 'it'} (M² = {span(observed, 2)}): "
        f"training has not come far enough.{_late(c)}",
        f"{LONGER}{_one_mode(c)}",
        {"modes": c.missing + 1, "expected": expected, "observed": observed}
        | {"causes": ("plateau", "updates", "learning-rate")},
    )


LONGER = (
    "Train longer or with a larger learning rate (latents wait on a plateau, those of weak modes longest: "
    "`lv.numeric.activation` estimates how long), start from larger weights, or raise β slowly from a small value. "
    "See too that encoder and decoder are trained at all: all weights in the optimiser, no gradient stopped, no "
    "layer without a signal."
)


def _collapsed_below(c: Comparison) -> Finding | None:
    first = c.unstable_below
    if first <= limits.SURELY_UNSTABLE * c.price * (1 + limits.SURELY * c.first_error):
        return None
    dearer = [slip for slip, price in priced_slips(c.loss, c.spectrum) if price >= first / limits.SURELY_UNSTABLE]
    dearer = [slip for slip in dearer if "+" not in slip.code] or dearer[:1]
    slips = "".join(f", with {slip.words}" for slip in dearer[:3])
    ratio = first / c.price
    return alarm(
        "should-be-active",
        f"No latent encodes anything, although the collapsed state is not stable at {knob_at(c, c.price)}: the "
        f"strongest mode is worth {_worth_of(c)}{significant(first, 4)}, {significant(ratio, 3)} times the price τ = "
        f"{significant(c.price, 4)}. This holds for any network.{_late(c)}",
        "(1) The run was too short or its learning rate too small to leave the plateau: "
        f"{LONGER[0].lower()}{LONGER[1:]} (2) The loss is another one than stated: the collapse is as it should be "
        f"with a KL weight over {significant(ratio, 2)} times the stated one{slips}, or with a KL that is summed "
        "over the batch and an error that is averaged; print both terms for one batch. (3) The decoder does not "
        "need z: it is given a condition, the earlier steps of a sequence (teacher forcing), a library size or a skip "
        "connection from x. Then pass it as given=… or compare with lv.spectrum.conditional (exact for what "
        "depends linearly on it).",
        {"price": c.price, "first_eigenvalue": first, "ratio": ratio, "modes": np.flatnonzero(c.predicted_signal) + 1}
        | {"causes": ("plateau", "updates", "learning-rate", "kl-weight", "batch", "conditional-decoder",
                      "teacher-forcing", *(slip.code for slip in dearer))},
    )  # fmt: skip


def price_too_high(c: Comparison) -> Finding | None:
    """Find a total collapse where the collapsed state is stable: the best one, or not."""
    first = c.stable_from
    if not c.collapsed or first * (1 + limits.SURELY * c.first_error) > c.price or c.own_term:
        return None
    evidence = {"price": c.price, "first_eigenvalue": first, "ratio": c.price / first, "causes": ("price-too-high",)}
    f, gain = c.frontier, 0.0
    if f is not None:
        gain = float(f.gain[0])
        evidence |= {"proxy": f.proxy, "gain": gain, "rows": f.rows}
    if f is not None and _worth(c):
        return _metastable(c, gain, evidence)
    return alarm(
        "price-too-high",
        f"At {knob_at(c, c.price)} a nat costs τ = {significant(c.price, 4)}, more than the strongest mode is worth, "
        f"{_worth_of(c)}{significant(first, 4)}{_which_spectrum(c)}: the collapsed state is stable, and "
        f"longer training does not change it. {_best(c)}",
        f"Lower {c.loss.knob} below {beta_at(c, first)}, where the collapsed state loses its stability"
        f"{_more_latents(c)}.{_reason(c)}",
        evidence,
    )


def near_threshold(c: Comparison) -> Finding | None:
    """Find a total collapse at a price so near a threshold that is estimated that it may be right or wrong."""
    first, error = c.stable_from, c.first_error
    known = should_be_active(c) is not None or c.price >= first * (1 + limits.SURELY * error)
    if not (c.collapsed and error) or c.own_term or known:
        return None
    return remark(
        "near-threshold",
        f"All latents are inactive at {knob_at(c, c.price)}. Whether they should be is not known: a nat costs "
        f"{significant(c.price, 3)}, and the first threshold is {with_error(first, first * error)} (one standard error "
        "of the density of the data at their medians).",
        f"Start from a smaller {c.loss.knob}, raise it slowly, and compare the losses of both models.",
        {"price": c.price, "first_eigenvalue": first, "error": first * error, "causes": ("plateau", "price-too-high")},
    )


def _worth(c: Comparison) -> bool:
    """Return whether a VAE may gain over the collapsed state, on these rows and on others."""
    f = c.frontier
    if f is None or f.certified(c.price):
        return False
    enough = limits.WORTH * c.price
    others = f.held_out_gain[0] > enough or np.isnan(f.held_out_gain[0])
    return bool(f.dead - f.any[0] > enough and others)


def _metastable(c: Comparison, gain: float, evidence: dict[str, object]) -> Finding:
    return remark(
        "metastable",
        f"All latents are inactive and stable, but that is not the best state: at {knob_at(c, c.price)} some VAE "
        f"may gain up to {significant(gain, 3)} per row over it ({gain / c.price:.2g} times the price of a nat). "
        "Training from small weights does not find it.",
        f"Start from a smaller {c.loss.knob} and raise it slowly (a warm-up of the KL weight), or start from a "
        f"model that was trained below {beta_at(c, c.unstable_below)}, where latents become active "
        "by themselves.",
        evidence | {"causes": ("metastable",)},
    )


def _best(c: Comparison) -> str:
    """Return whether the collapsed state is the best one."""
    f = c.frontier
    if f is None:
        likelihood = c.loss.likelihood
        if not likelihood.squared:
            return f"Whether it is the best state is not known for a {likelihood.title} decoder."
        return "For a linear model it is the best state. A nonlinear model may have a better one: try a warm-up."
    if f.certified(c.price):
        why = f"their optimal sub-Gaussian proxy, σ²_sG = {significant(f.proxy, 4)}, is not above it"
        if not c.price >= f.proxy:
            why = "no mixture of outputs is found that does better than a constant one"
        return f"No VAE of any architecture can use these rows at this price: {why}{_of_rows(c)}."
    return (
        f"No VAE of any architecture gains more than {significant(float(f.gain[0]), 2)} per row on these rows over "
        "the collapsed "
        f"state{' by anything but memorising single rows' if np.isfinite(f.held_out[0]) else ''}{_of_rows(c)}."
    )


def _of_rows(c: Comparison) -> str:
    f = c.frontier
    return f" ({f.rows} of {c.posterior.samples} rows)" if f is not None and f.rows < c.posterior.samples else ""


def further_latent(c: Comparison) -> Finding | None:
    """Find that a further latent would lower the loss."""
    n = c.following
    if n is None or c.collapsed or not c.pays or c.next_onset is None:
        return None
    ratio, K, spare = n.value / c.effective, c.posterior.latents, c.spare
    worth = 0.5 * c.effective * (ratio - 1 - np.log(ratio))
    cause = (
        f"{'The only latent is' if K == 1 else f'All {K} latents are'} active: the model has too few"
        if not spare
        else f"{counted(spare, 'latent')} {'are' if spare > 1 else 'is'} inactive that should not be: still on the "
        "plateau (train longer), or in a state that training does not leave by itself (warm up from a small β)"
    )
    cure = "Train longer or warm up" if spare else f"Use more than {counted(K, 'latent')}"
    return remark(
        "further-latent",
        f"A further latent would pay: what the active ones leave is worth Λ* = {significant(n.value, 3)}, "
        f"{significant(ratio, 2)} times the price (about {significant(worth, 2)} per row, an estimate). {cause}.",
        f"{cure}, or read the model as it is: a "
        f"further latent stays inactive only above {c.loss.knob} = {c.next_onset}.",
        {"onset": n.value, "error": n.error, "ratio": ratio, "worth": worth}
        | {
            "causes": ("too-few-latents", "updates")
            if not spare
            else ("updates", "plateau", "metastable", "learning-rate")
        },
    )


def rightly_inactive(c: Comparison) -> Finding | None:
    """Find that the inactive latents have nothing to encode at this price."""
    spare = c.spare
    if c.following is None or c.collapsed or not spare or c.next_onset is None:
        return None
    ratio = c.following.value / c.effective
    if ratio > 1 / limits.PAYS:
        return None
    return remark(
        "rightly-inactive",
        f"{counted(spare, 'latent')} of {c.posterior.latents} {'are' if spare > 1 else 'is'} rightly inactive: what "
        f"the active ones leave is worth at most {significant(ratio, 2)} of the price of a nat. A further latent would "
        f"become active below {c.loss.knob} = {c.next_onset}.",
        "",
        {"onset": c.following.value, "error": c.following.error, "ratio": ratio},
    )


def _late(c: Comparison) -> str:
    return f" {c.run.warnings[0]}" if c.run is not None and c.stopped_early else ""


def _one_mode(c: Comparison) -> str:
    """Return which price the only active mode would fit."""
    if len(c.mode_prices) != 1:
        return ""
    fitted = knob_at(c, float(c.mode_prices[0]))
    return f" (The active mode would also fit {fitted}, at which the others are inactive: check your loss.)"


def _worth_of(c: Comparison) -> str:
    first = f"λ₁ = {significant(float(c.spectrum.eigenvalues[0]), 4)}"
    return "λ₁ = " if c.loss.sampler.plain else f"{first} and by its sampler "


def _which_spectrum(c: Comparison) -> str:
    """Return which matrix the eigenvalue is of, where it is not the covariance."""
    likelihood = c.loss.likelihood
    if c.spectrum.of_scores:
        return f" (of the scores of a {likelihood.title} decoder at its best constant output)"
    if not likelihood.squared:
        same = ", for zeros and ones their correlations" if likelihood is BERNOULLI else ""
        return f" (of F^(−½) C F^(−½), F the variance of a {likelihood.title} decoder at the mean{same})"
    return " (with the σ² that training learns)" if c.loss.learned else ""


def _more_latents(c: Comparison) -> str:
    """Return where five latents are active."""
    k = min(5, c.spectrum.modes, c.posterior.latents)
    below = beta_at(c, float(c.thresholds[k - 1]))
    are = "would be" if c.by_background else "are"
    return f" and the first latent becomes active; {k} {are} active below {below}" if k > 1 else ""


def _reason(c: Comparison) -> str:
    """Return why the price is high, which usually is a mean over features."""
    summed = replace(c.loss, reconstruction="sum")
    if c.loss.reconstruction == "sum" or summed.without_price(c.spectrum) is not None:
        return ""
    price, reductions = float(summed.price(c.spectrum)), c.loss.reductions(c.spectrum.dimension)
    reason = f" The price is so high because this loss {reductions}. If it summed the error over features, the price"
    return f"{reason} at the same β would be τ = {significant(price, 3)}." if price < c.unstable_below else ""
