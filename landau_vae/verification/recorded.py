"""Causes that the scan's own record tells: prices, settings and data that were not those of the comparison."""

import numpy as np

from landau_vae.display import significant
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.verification.evidence import Cause, Evidence
from landau_vae.verification.record import trained_loss

__all__ = ["beta_schedule", "diverged", "other_data", "other_likelihood", "weight_decay"]


def diverged(evidence: Evidence) -> Cause | None:
    """Models that are none any more."""
    if not evidence.lost:
        return None
    return Cause(
        "diverged",
        f"{evidence.lost} of {evidence.scan.status.size} models diverged: the learning rate is too large for "
        "these data.",
        recorded=True,
    )


def beta_schedule(evidence: Evidence) -> Cause | None:
    """β as it stood at the end, against the one that belongs to the temperature."""
    scan = evidence.scan
    if "price" not in scan or evidence.trainer.get("learned_variance") or evidence.decoder == "bernoulli":
        return None
    factor = (scan.price / (scan.temperature * scan.attrs["total_variance"])).values
    factor = factor[np.isfinite(factor)]
    if factor.size == 0 or np.abs(factor - 1).max() <= evidence.tolerance:
        return None
    low, high = significant(float(factor.min()), 3), significant(float(factor.max()), 3)
    shown = low if low == high else f"{low} to {high}"
    points = evidence.trainer.get("beta", {}).get("points")
    advice = "let the schedule reach 1 and stay there, or compare at the β it ended at"
    if points and points[-1][1] == 1:  # it did
        advice = "the β schedule itself ends at 1, so it is the temperatures that have been relabelled"
    return Cause(
        "beta-schedule",
        f"β ended at {shown} times its target, so the models are those of other temperatures than they are "
        f"labelled with: {advice}.",
        recorded=True,
    )


def other_likelihood(evidence: Evidence) -> Cause | None:
    """A decoder of another likelihood than the Gaussian."""
    if evidence.decoder != "bernoulli":
        return None
    return Cause(
        "bernoulli",
        "The decoder is a Bernoulli one: only the first threshold is that of a spectrum (of the data's correlation "
        "matrix, if they are binary); the others shift once a latent lives.",
        recorded=True,
    )


def weight_decay(evidence: Evidence) -> Cause | None:
    """A decay that is strong enough to move the thresholds in question."""
    rule = evidence.trainer.get("optimizer", {})
    decay = float(rule.get("weight_decay", 0.0))
    told = {"disagrees", "not resolved"}
    told |= {"not converged"} if rule.get("decoupled") else set()  # what a model has to go knows of coupled decay only
    touched = [k for k, verdict in enumerate(evidence.verdict) if verdict in told]
    if not decay or not touched:
        return None
    gamma = decay / (2 * trained_loss(evidence.trainer).weights(evidence.spectrum.dimension)[0])
    shift = gamma * (1 + 1 / np.square(evidence.spectrum.eigenvalues[touched]))  # of τ_c = λ/(1 + γ) − γ/λ, relative
    if shift.max() <= evidence.tolerance:
        return None
    return Cause(
        "weight-decay",
        f"Weight decay ({significant(decay)}) moves thresholds down and adds to every price: "
        "numeric.weight_decay has them (of coupled decay), or train without.",
        recorded=True,
    )


def other_data(evidence: Evidence) -> Cause | None:
    """The covariance that was trained on, against the one that is compared with."""
    if "covariance" not in evidence.scan or "disagrees" not in evidence.verdict:
        return None
    own = Spectrum.from_covariance(evidence.scan.covariance.values)
    modes = min(own.modes, evidence.spectrum.modes)
    off = np.abs(own.normalized[:modes] / evidence.spectrum.normalized[:modes] - 1)
    failed = [k for k, verdict in enumerate(evidence.verdict) if verdict == "disagrees" and k < modes]
    if not failed or off[failed].min() <= evidence.tolerance:
        return None
    worst = failed[int(np.argmax(off[failed]))]
    return Cause(
        "other-data",
        f"The models were trained on data with another spectrum (mode {worst + 1} has "
        f"λ/V = {significant(own.normalized[worst])} there, {significant(evidence.spectrum.normalized[worst])} in the "
        "one compared with): give the spectrum of the training set, scaled as it was for training.",
        recorded=True,
    )
