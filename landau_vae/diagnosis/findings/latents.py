"""What do the latents encode? Modes below the threshold, shared modes, nothing, or what the spectrum predicts.

The linear law is exact for linear models only: of others these rules say what a linear
model would do.
"""

import numpy as np

from landau_vae import limits
from landau_vae.diagnosis.comparison import Comparison, beta_at, knob_at
from landau_vae.display import counted, listed, significant
from landau_vae.findings import Finding, remark

GIVE = (
    "Give decode=… (your decoder, as it is): then the price is measured, and the onset of the next latent. Is it given "
    "anything but z (a condition, the earlier steps of a sequence, a library size)? Then give that too: given=… ."
)
#: What posteriors alone do not exclude.
UNKNOWN = (
    "kl-weight", "latents-averaged", "features-averaged", "batch", "warm-up", "free-bits", "free-bits-total",
    "variance-learned", "conditional-decoder", "teacher-forcing",
)  # fmt: skip


def active_below_threshold(c: Comparison) -> Finding | None:
    """Find modes that a linear model encodes although they are not worth the price."""
    modes, many = c.below_threshold, c.below_threshold.size > 1
    if not c.linear or not modes.size or c.kl_is_off:
        return None
    n, d = c.posterior.samples, c.spectrum.dimension
    reason = "These latents have come to rest and are linear: the price in training was lower, or the data differ"
    if not c.converged:
        reason = "Training has not converged (⟨μ²⟩ + ⟨σ²⟩ is not 1): these latents may still collapse"
    elif n < limits.NOISY_ROWS * d:
        reason = f"{n} rows of {d} features leave room for noise: other rows would give other latents"
    return Finding(
        "active-below-threshold",
        "alarm" if c.converged else "remark",
        f"{listed(list(modes), 'Mode')} {'are' if many else 'is'} encoded, although worth less than the price. "
        f"{reason}.",
        "Compare the data with those in training, and measure the loss with Loss.measure.",
        {"modes": modes + 1, "eigenvalues": c.eigenvalues[modes], "signal_fraction": c.observed_signal[modes]}
        | {"price": c.effective, "tolerated_factor": c.tolerated, "causes": ("kl-weight", "other-data")},
    )


def mixed(c: Comparison) -> Finding | None:
    """Find latents of a linear model that share modes which are not degenerate."""
    shared, within, purity = _shared(c)
    bad = np.flatnonzero(shared & ~within)
    bad = bad[~c.posterior.bounded[bad]]  # to rotate latents of one σ costs nothing
    if not bad.size or not c.linear:
        return None
    excused = not c.converged or c.other_price or _all_else_right(c)
    others = "A KL term without effect, or a posterior with a full covariance, leaves them mixed."
    return Finding(
        "mixed",
        "remark" if excused else "alarm",
        f"{listed(list(bad), 'Latent')} share{'s' * (bad.size == 1)} modes that are not degenerate (only "
        f"{purity[bad[0]]:.0%} of latent {bad[0] + 1} is one mode): at the equilibrium of a linear model each active "
        "latent has a mode of its own.",
        f"Train longer: latents find their axes last. {others}",
        {
            "latents": bad + 1,
            "purity": purity[bad],
            "limit": limits.PURE,
            "causes": ("updates", "covariance", "kl-off"),
        },
    )


def rotated(c: Comparison) -> Finding | None:
    """Find latents that share modes only where these are nearly degenerate."""
    shared, within, purity = _shared(c)
    if not c.linear or c.observed is None or not shared.any() or np.any(shared & ~within):
        return None
    latents = np.flatnonzero(shared)
    modes = sorted({int(j) for row in c.observed.alignment[shared] for j in np.flatnonzero(row > limits.INVOLVED)})
    return remark(
        "rotated",
        f"{listed(list(latents), 'Latent')} {'are' if latents.size > 1 else 'is'} rotated within modes {listed(modes)} "
        "whose eigenvalues are so close that the loss hardly distinguishes their axes: which mixture a run ends in is "
        "chance. What the latents encode together is as predicted.",
        "Read them as one group; another seed rotates them differently.",
        {"latents": latents + 1, "modes": np.array(modes) + 1, "purity": purity[latents]},
    )


def _shared(c: Comparison) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which latents share modes, whether these are nearly degenerate, and the purest share, each (K,)."""
    K = c.posterior.latents
    if c.observed is None:
        return np.zeros(K, dtype=bool), np.zeros(K, dtype=bool), np.ones(K)
    alignment, groups = c.observed.alignment, c.mode_groups
    total = np.maximum(alignment.sum(axis=1), 1e-12)
    purity = alignment.max(axis=1) / total
    by_group = np.stack([alignment[:, groups == g].sum(axis=1) for g in range(groups[-1] + 1)], axis=1)
    # Nothing can be said of what is not linear.
    shared = c.is_active & (purity < limits.PURE) & (c.observed.linear > limits.MOSTLY_LINEAR)
    return shared, by_group.max(axis=1) / total >= limits.PURE, purity


def _all_else_right(c: Comparison) -> bool:
    """Return whether the model has converged at the price of the loss, with every mode where it should be."""
    if c.mode_price is None or c.missing.size or c.below_threshold.size:
        return False
    near = abs(np.log(c.mode_price / c.price)) < limits.PRICE_ERROR
    return bool(near and c.price_scatter < limits.SMALL_SCATTER and c.scale_error < limits.SCALE_NEAR_REST)


def nonlinear(c: Comparison) -> Finding | None:
    """Say that this is not a linear model, and what a linear one would do."""
    if c.linear or c.prices is None or not c.is_active.any() or c.observed is None:
        return None
    absent = f" By that, {listed(list(c.absent), 'mode')} would be encoded too." if c.absent.size else ""
    return remark(
        "nonlinear",
        f"{_what_spectrum_says(c)}{absent}",
        evidence={"linear_share": c.linear_share, "absent": c.absent + 1, "implied_price": c.implied_price},
    )


def _what_spectrum_says(c: Comparison) -> str:
    if c.by_background:
        return (
            f"Of a {c.loss.likelihood.title} decoder the first threshold is exact; later modes are predicted from the "
            "collapsed background."
        )
    return "The model is not seen to be linear: the spectrum says what a linear model would do."


def unmeasured(c: Comparison) -> Finding | None:
    """Say, without a decoder, what the posteriors alone do not tell of a model that is not seen to be linear."""
    if c.prices is not None or c.linear or not c.is_active.any():
        return None
    if c.progress is not None:
        return None if c.own_term or c.progress.applied or c.progress.in_effect else _unmeasured_yet()
    implied, rest = c.implied_price or c.price, ""
    healthy = "in healthy networks that reading is between "
    healthy += f"{limits.LINEAR_LOWEST:g} and {limits.LINEAR_HIGHEST:g} times it"
    if c.by_background:
        healthy = f"for a {c.loss.likelihood.title} decoder that is a rough guide only"
    elif not limits.LINEAR_LOWEST < implied / c.price < limits.LINEAR_HIGHEST:
        rest = " This one is outside."
    if not c.converged:
        rest += " ⟨μ²⟩ + ⟨σ²⟩ is not near 1 either: perhaps the run was too short."
    return remark(
        "unmeasured",
        f"The price in effect was not measured. By the linear law these M² mean {knob_at(c, implied)}, "
        f"{significant(implied / c.price, 2)} times the stated one; {healthy}. The posteriors alone exclude neither "
        "another KL weight (a mean for a sum, a warm-up that ended early, free bits, a learned σ²), nor a decoder "
        f"that is given more than z.{rest}",
        GIVE if c.measured is None else "The decoder was given, but no active latent has a σ² below 1 to read it off.",
        {"implied_price": implied, "price": c.price, "ratio": implied / c.price}
        | {"causes": UNKNOWN + ("updates", "learning-rate") * (not c.converged)},
    )  # fmt: skip


def _unmeasured_yet() -> Finding:
    """Return the finding of a training that is watched without its gradients."""
    return remark(
        "unmeasured",
        "Without gradients neither the price that is applied nor the one in effect is known.",
        "Give update grad_z, grad_mean and noise: backpropagation has computed them anyway.",
        {"causes": UNKNOWN},
    )


def superfluous(c: Comparison) -> Finding | None:
    """Find more latents than modes that are worth their price."""
    worth, K = int(c.predicted.active), c.posterior.latents
    inactive = K - max(worth, int(c.is_active.sum()))
    known = c.following is not None and c.next_onset is not None
    if known or inactive <= 0 or not c.is_active.any() or (c.linear and c.missing.size) or c.other_price:
        return None
    following, verb = "", "is" if worth == 1 else "are"
    if worth < c.spectrum.modes:
        first = beta_at(c, float(c.thresholds[worth]))
        following = f" ({c.by_yardstick} the {'next' if worth else 'first'} one becomes active below {first})"
    worthy = f"{counted(worth, 'mode')} of the data {verb}" if worth else "no mode of the data is"
    enough = f"{counted(worth, 'latent')} {verb} enough" if worth else "By the linear theory no latent is needed"
    return remark(
        "superfluous",
        f"{inactive} of {K} latents {'are' if inactive > 1 else 'is'} inactive, as {c.by_yardstick}: at this "
        f"price {worthy} worth encoding, so that more latents have nothing to encode.",
        f"{enough}; for more active latents lower {c.loss.knob}{following}.",
        {"inactive": inactive, "worth_encoding": worth},
    )


def as_predicted(c: Comparison) -> Finding | None:
    """Find that the modes are encoded as the spectrum predicts."""
    both = c.detected & (c.predicted_signal > 0)
    wrong = c.other_price or c.missing.size or c.below_threshold.size or c.kl_is_off
    if wrong or c.predicted.active == 0 or not both.any() or not (c.linear or c.observed is None):
        return None
    gap, count = np.abs(c.observed_signal - c.predicted_signal)[both], int(both.sum())
    verb = "are" if count > 1 else "is"
    subject = f"{counted(count, 'mode')} {verb} encoded as predicted"
    if c.observed is None:
        subject = (
            f"Ranked by M², {counted(count, 'latent')} {verb} active as {c.by_yardstick} (only data show their modes)"
        )
    return remark(
        "as-predicted",
        f"{subject}: the signal fraction M² differs by {significant(gap.mean(), 2)} on average, by "
        f"{significant(gap.max(), 2)} at most.",
        evidence={"modes": count, "mean_difference": gap.mean(), "largest_difference": gap.max()},
    )
