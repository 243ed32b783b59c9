"""Is training over? Latents that have not converged, and modes that should be encoded but are not."""

from landau_vae import limits
from landau_vae.diagnosis.comparison import Comparison, knob_at
from landau_vae.display import Array, listed, significant
from landau_vae.findings import Finding, alarm, remark
from landau_vae.loss.slips import priced_slips

PERHAPS_NONLINEAR = "If the decoder is nonlinear, it may make these modes out of others: pass decode=… to find out."


def not_converged(c: Comparison) -> Finding | None:
    """Find latents that do not have the scale of a model at rest."""
    if c.converged or c.kl_is_off:
        return None
    scales = c.posterior.second_moment[c.is_active]
    return alarm(
        "not-converged",
        f"Training has not converged: ⟨μ²⟩ + ⟨σ²⟩ of the active latents runs from {significant(scales.min(), 3)} to "
        f"{significant(scales.max(), 3)}, but it is 1 at any stationary point of a VAE with a prior N(0, 1), whatever "
        "its β.",
        "Train longer, or let the learning rate fall to 0; check that the prior is the standard normal distribution.",
        {"second_moment": scales, "scale_error": c.scale_error, "limit": limits.SCALE_ERROR},
    )


def should_be_active(c: Comparison) -> Finding | None:
    """Find modes that are worth their price but have no latent."""
    if not c.missing.size or c.kl_is_off or c.rows_mismatched:
        return None
    modes, collapsed = listed(list(c.missing), "Mode"), not c.detected.any()
    expected, observed = c.expected_signal[c.missing], c.observed_signal[c.missing]
    evidence = {"modes": c.missing + 1, "expected": expected, "observed": observed}
    if c.nonlinearity and not collapsed:
        return remark(
            "should-be-active",
            f"{modes} would be encoded by a linear model (signal fraction M² = {_span(expected)}), but cannot be read "
            f"off these latents (M² = {_span(observed)}): this model is nonlinear, and may make them out of others.",
            evidence=evidence,
        )
    state = f"no latent encodes {'them' if len(c.missing) > 1 else 'it'} (M² = {_span(observed)})"
    if collapsed:
        state = "no latent encodes anything, although the collapsed state is not stable here"
    late = f" {c.run.warnings[0]}" if c.run is not None and c.stopped_early else ""
    return alarm(
        "should-be-active",
        f"{modes} should be encoded at this price (signal fraction M² = {_span(expected)} at equilibrium), but {state}"
        f": training has not come far enough.{late}",
        "Train longer or with a larger learning rate (latents wait on a plateau, those of weak modes longest: "
        "`lv.numeric.activation` estimates how long), start from larger weights, or raise β slowly from a small "
        f"value.{_doubt(c, collapsed)}",
        evidence,
    )


def _doubt(c: Comparison, collapsed: bool) -> str:
    """Return what else would leave the same posteriors."""
    if collapsed:
        first = float(c.spectrum.eigenvalues[0])
        dearer = [slip.words for slip, price in priced_slips(c.loss, c.spectrum) if price >= first][:2]
        return f" Check your loss: the collapse is as predicted if it has {', or '.join(dearer)}." if dearer else ""
    if len(c.mode_prices) == 1:
        fitted = knob_at(c, float(c.mode_prices[0]))
        return f" (The active mode would also fit {fitted}, at which the others are inactive: check your loss.)"
    return f" {PERHAPS_NONLINEAR}" if c.maybe_nonlinear else ""


def _span(values: Array) -> str:
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} … {high}"
