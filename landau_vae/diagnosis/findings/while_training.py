"""What may be said while a model trains: which alarms hold already, and how far the training is.

Most alarms are about a model at rest. In the middle of a training they would only say that it is not
finished. So each alarm has a condition from which on it holds; before that it is not raised. An
alarm without one is never raised of a training, since more updates may mend what it is about: it is
a remark, once the model is at rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from landau_vae import limits
from landau_vae.diagnosis.comparison import Comparison
from landau_vae.display import counted, listed, significant, span
from landau_vae.findings import Finding, remark


def _always(c: Comparison) -> bool:
    """At any step, since it does not depend on how far the training is."""
    return True


def _trained_for_a_while(c: Comparison) -> bool:
    return c.progress is None or c.progress.looks >= limits.LOOKS


def _steady(c: Comparison) -> bool:
    return c.progress is None or (c.progress.steady and _trained_for_a_while(c))


def _fixed_price(c: Comparison) -> bool:
    """The price applied is known and does not move, or the model has settled to one."""
    p = c.progress
    if p is None:
        return True
    return p.looks >= limits.FIRST_LOOKS and p.moving is None if p.exact else at_rest(c)


def _out_of_time(c: Comparison) -> bool:
    """The modes had the time to leave the plateau, or had left it."""
    p = c.progress
    if p is None or p.moving is not None or not p.at_one_price:
        return p is None
    if not c.collapsed:
        return p.outlasted(c.missing)
    far = c.unstable_below > limits.FAR_BELOW * c.price
    return p.rested or (far and not p.growing and p.outlasted(np.zeros(1, dtype=np.intp)))


def at_rest(c: Comparison) -> bool:
    """Return whether a model in training has come to rest, as far as is known."""
    p = c.progress
    waits = c.collapsed and not c.own_term and c.unstable_below > limits.SURELY_UNSTABLE * c.price
    return p is None or (p.steady and p.moving is None and p.at_one_price and c.converged and not waits)


#: From when on each alarm holds of a model that is being trained.
SINCE: Mapping[str, Callable[[Comparison], bool]] = {
    "other-model": _always, "other-head": _always, "price-too-high": _always, "diverged": _trained_for_a_while,
    "frozen-variance": _trained_for_a_while, "bounded-variance": _steady, "one-sided-mean": _steady,
    "log-std-sampled": _steady, "noise-scaled": _steady, "clamped-variance": _steady, "rate-missed": at_rest,
    "kl-off": _fixed_price, "free-bits": _fixed_price, "several-prices": _fixed_price, "lower-price": _fixed_price,
    "higher-price": _fixed_price, "offset": at_rest, "should-be-active": _out_of_time,
}  # fmt: skip


#: Remarks that say the same as `not_at_rest` before that.
OF_REST = {"not-converged", "means-at-odds"}


def as_of_now(finding: Finding | None, c: Comparison) -> Finding | None:
    """Return a finding as it counts while the model is trained: None of what does not hold yet."""
    if finding is None or c.progress is None:
        return finding
    if not finding.alarm:
        return finding if finding.code not in OF_REST or at_rest(c) else None
    since = SINCE.get(finding.code)
    if since is not None:
        return finding if since(c) else None
    return replace(finding, severity="remark") if at_rest(c) else None


# ---------------------------------------------------------------------------------- how far the training is


def price_moving(c: Comparison) -> Finding | None:
    """Say that the weight of the KL is still moving, and from where to where."""
    p = c.progress
    if p is None or p.moving is None:
        return None
    (applied, before, ago), beta = p.moving, float(c.stated_loss.beta)
    return remark(
        "price-moving",
        f"The KL weight is still moving: it is {significant(applied / beta, 3)} of the stated one now, and was "
        f"{significant(before / beta, 3)} {counted(ago, 'update')} ago.",
        f"Prices are judged once it stands still. If it is to end elsewhere, state that {c.loss.knob}.",
        {"applied": applied, "before": before, "updates": ago, "beta": beta},
    )


def became_inactive(c: Comparison) -> Finding | None:
    """Say that latents which were active have become inactive."""
    p = c.progress
    if p is None or p.before is None or not p.lost.any():
        return None
    lost = np.flatnonzero(p.lost)
    left = int(np.count_nonzero(p.now > limits.ACTIVE))
    known = "" if c.own_term or c.predicted.incomplete else (
        f" {c.by_yardstick[0].upper()}{c.by_yardstick[1:]} {counted(int(c.predicted.active), 'latent')} would be "
        f"active at the stated {c.loss.knob}."
    )  # fmt: skip
    return remark(
        "became-inactive",
        f"{listed(list(lost), 'Latent')} became inactive in the batches looked at: M² fell from "
        f"{span(p.before[lost], 2)} to {span(p.now[lost], 2)}, and {counted(left, 'latent')} "
        f"{'is' if left == 1 else 'are'} active.{known}",
        "This is as it should be while the KL weight rises, and in the first updates, when random weights are "
        "given up. Otherwise see whether the learning rate is too large, or the KL weight larger than stated.",
        {"latents": lost + 1, "before": p.before[lost], "now": p.now[lost], "active": left},
    )


def on_plateau(c: Comparison) -> Finding | None:
    """Say that no latent has left the plateau yet, and how long that may take."""
    p = c.progress
    if p is None or not c.collapsed or c.own_term or _out_of_time(c):
        return None
    if c.unstable_below <= limits.SURELY_UNSTABLE * c.price:
        return None
    time = "How long the plateau lasts can be estimated if the monitor is given learning_rate=… ."
    if p.plateau is not None and len(p.plateau.needed):
        about = "at least" if p.plateau.optimizer == "adam" else "about"
        time = (
            f"At this learning rate the strongest mode needs {about} {significant(float(p.plateau.needed[0]), 2)} "
            "updates; networks took up to a hundred times as long."
        )
    return remark(
        "on-plateau",
        f"No latent encodes anything yet, after {counted(p.updates, 'update')}, although the strongest mode is worth "
        f"{significant(c.unstable_below / c.price, 3)} times the price: latents wait on a plateau first. {time}",
        "",
        {"updates": p.updates, "ratio": c.unstable_below / c.price},
    )


def not_at_rest(c: Comparison) -> Finding | None:
    """Say that the training has not come to rest, and by which numbers."""
    p = c.progress
    if p is None or at_rest(c) or on_plateau(c) or price_moving(c):
        return None
    reasons = [] if p.steady else ["the rate is not known to stand still"]
    if not c.converged:
        reasons.append(f"{c.loss.sampler.scale} of the active latents is {span(c.scales)}, and 1 at rest")
    if not p.at_one_price and p.in_effect is not None and p.applied is not None:
        effect, applied = (significant(each / float(c.stated_loss.beta), 3) for each in (p.in_effect[0], p.applied[0]))
        reasons.append(f"the weights have settled to {effect} of the stated price, and {applied} is applied")
    return remark(
        "not-at-rest",
        f"The training has not come to rest after {counted(p.updates, 'update')}: "
        f"{', '.join(reasons) or 'a part of it still changes'}.",
        "What is known of a model at rest only is not judged yet.",
        {"updates": p.updates, "steady": p.steady, "scale_error": c.scale_error},
    )
