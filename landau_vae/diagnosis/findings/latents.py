"""What do the latents encode? Modes below the threshold, shared modes, nothing, or what the spectrum predicts."""

import numpy as np

from landau_vae import limits
from landau_vae.diagnosis.comparison import Comparison, beta_at
from landau_vae.diagnosis.findings.training import PERHAPS_NONLINEAR
from landau_vae.display import counted, listed, significant
from landau_vae.findings import Finding, remark


def active_below_threshold(c: Comparison) -> Finding | None:
    """Find latents that are active although the linear theory has no mode that is worth the price."""
    surplus = int(c.is_active.sum()) - int(np.count_nonzero(c.expected_signal > 0))
    modes, many = c.below_threshold, c.below_threshold.size > 1
    if c.kl_is_off or c.rows_mismatched or (not modes.size and not (c.nonlinearity and surplus > 0)):
        return None
    subject = f"The number of active latents exceeds that of modes worth the price by {surplus}"
    if modes.size:
        subject = f"{listed(list(modes), 'Mode')} {'are' if many else 'is'} encoded, although worth less than the price"
    advice = "Compare the data with those in training, and measure the loss with Loss.measure."
    return Finding(
        "active-below-threshold",
        "remark" if c.approximate or not c.converged else "alarm",
        f"{subject}. {_reason(c)}.",
        "" if c.approximate else PERHAPS_NONLINEAR if c.maybe_nonlinear else advice,
        {"modes": modes + 1, "eigenvalues": c.eigenvalues[modes], "signal_fraction": c.observed_signal[modes]}
        | {"price": c.other_price or c.price, "tolerated_factor": c.tolerated_factor},
    )


def _reason(c: Comparison) -> str:
    """Return the likeliest reason why modes below the threshold are encoded."""
    n, d = c.posterior.samples, c.spectrum.dimension
    if c.nonlinearity:
        return "The model is nonlinear, and the spectrum does not show what a nonlinear decoder gains"
    if c.approximate:
        return "Beyond the first threshold the theory is approximate for this likelihood, and this is within its error"
    if not c.converged:
        return "Training has not converged (⟨μ²⟩ + ⟨σ²⟩ is not 1): these latents may still collapse"
    if n < limits.NOISY_ROWS * d:
        return f"{n} rows of {d} features leave room for noise: other rows would give other latents"
    return "The latents have converged and are linear: the price in training was lower than stated, or the data differ"


def mixed(c: Comparison) -> Finding | None:
    """Find latents that share modes which are not degenerate."""
    shared, within, purity = _shared(c)
    bad = np.flatnonzero(shared & ~within)
    if not bad.size:
        return None
    excused = c.approximate or not c.converged or c.other_price or c.rows_mismatched or _all_else_right(c)
    others = "A KL term without effect, or a posterior with a full covariance, leaves them mixed."
    return Finding(
        "mixed",
        "remark" if excused else "alarm",
        f"{listed(list(bad), 'Latent')} share{'s' * (bad.size == 1)} modes that are not degenerate (only "
        f"{purity[bad[0]]:.0%} of latent {bad[0] + 1} is one mode): at the equilibrium of a linear model each active "
        "latent has a mode of its own.",
        "" if c.nonlinearity else f"Train longer: latents find their axes last. {others}",
        {"latents": bad + 1, "purity": purity[bad], "limit": limits.PURE},
    )


def rotated(c: Comparison) -> Finding | None:
    """Find latents that share modes only where these are nearly degenerate."""
    shared, within, purity = _shared(c)
    if c.observed is None or not shared.any() or np.any(shared & ~within):
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
    """Find evidence that the model is nonlinear."""
    if not c.nonlinearity or c.rows_mismatched:
        return None
    absent = f" (A linear one would encode {listed(list(c.absent), 'mode')} too.)" if c.absent.size else ""
    return remark(
        "nonlinear",
        f"The model is nonlinear: {c.nonlinearity}. The price at which its collapsed state loses stability is exact; "
        f"what is predicted of active latents is approximate.{absent}",
        f"Judge it by its own distortion beside that of PCA{'' if c.decoded is not None else ' (pass decode=…)'}.",
        {"linear_share": c.linear_share, "limit": limits.LINEAR_SHARE, "absent": c.absent + 1},
    )


def superfluous(c: Comparison) -> Finding | None:
    """Find more latents than modes that are worth their price."""
    worth, K = int(c.predicted.active), c.posterior.latents
    inactive = K - max(worth, int(c.is_active.sum()))
    if inactive <= 0 or not c.is_active.any() or c.missing.size or c.other_price:
        return None
    following, verb = "", "is" if worth == 1 else "are"
    if worth < c.spectrum.modes:
        first = beta_at(c, float(c.spectrum.eigenvalues[worth]))
        following = f" (the {'next' if worth else 'first'} one becomes active below {first})"
    worthy = f"{counted(worth, 'mode')} of the data {verb}" if worth else "no mode of the data is"
    enough = f"{counted(worth, 'latent')} {verb} enough" if worth else "By the linear theory no latent is needed"
    return remark(
        "superfluous",
        f"{inactive} of {K} latents {'are' if inactive > 1 else 'is'} inactive, as predicted: at this price {worthy} "
        "worth encoding, so that more latents have nothing to encode.",
        f"{enough}; for more active latents lower {c.loss.knob}{following}.",
        {"inactive": inactive, "worth_encoding": worth},
    )


def as_predicted(c: Comparison) -> Finding | None:
    """Find that the modes are encoded as the spectrum predicts."""
    both = c.detected & (c.predicted_signal > 0)
    wrong = c.other_price or c.missing.size or c.below_threshold.size or c.kl_is_off or c.nonlinearity
    if wrong or c.predicted.active == 0 or not both.any():
        return None
    gap, count = np.abs(c.observed_signal - c.predicted_signal)[both], int(both.sum())
    verb, likelihood, rough = "are" if count > 1 else "is", c.loss.likelihood, ""
    subject = f"{counted(count, 'mode')} {verb} encoded as predicted"
    if c.observed is None:
        subject = f"Ranked by M², {counted(count, 'latent')} {verb} active as predicted (only data show their modes)"
    if not likelihood.squared:
        rough = f" (for a {likelihood.title} decoder only the first threshold is exact: later ones shift)"
    return remark(
        "as-predicted",
        f"{subject}: the signal fraction M² differs by {significant(gap.mean(), 2)} on average, by "
        f"{significant(gap.max(), 2)} at most{rough}.",
        evidence={"modes": count, "mean_difference": gap.mean(), "largest_difference": gap.max()},
    )
