"""Has the run come to rest, and does it say whether modes had the time to leave the plateau?"""

from landau_vae import limits
from landau_vae.diagnosis.comparison import Comparison
from landau_vae.display import significant, span
from landau_vae.findings import Finding, remark

ELSE = " (Held-out rows, averaged weights and a batch norm on μ move it too: diagnose training rows.)"


def not_converged(c: Comparison) -> Finding | None:
    """Find latents that do not have the scale of a model at rest."""
    scales = c.scales
    if (
        c.converged or c.normalised or (not _waiting(c) and c.pays and not c.spare)
    ):  # a model with too few latents settles last
        return None
    evidence = {"second_moment": scales, "scale_error": c.scale_error, "limit": limits.SCALE_ERROR}
    found = (
        f"{c.loss.sampler.scale} of the active latents is {span(scales)}, but it is 1 at any stationary point of a VAE "
        "with a prior N(0, 1), whatever its β"
    )
    if _waiting(c) and c.following is not None:
        ratio = c.following.value / c.effective
        evidence |= {"onset_over_price": ratio}
        found += (
            f", and what the decoder leaves would still pay for a latent at {significant(ratio, 2)} times this price"
        )
    sure = _waiting(c) or c.linear
    begin = "Training has not converged" if sure else "Training has perhaps not converged"
    return Finding(
        "not-converged",
        "alarm" if sure else "remark",
        f"{begin}: {found}.",
        "Train longer, or let the learning rate fall to 0; check that the prior is the standard normal distribution."
        f"{'' if sure else ELSE}",
        evidence | {"causes": ("updates", "learning-rate", "prior", "batch-norm", "kl-weight")},
    )


def _waiting(c: Comparison) -> bool:
    """Return whether both the latents' scale and what is left to encode say that the run was too short."""
    off = c.scale_error > limits.SCALE_ERROR and c.trained_on and c.spare > 0
    return bool(off and c.following is not None and c.pays and c.following.value > limits.WAITING * c.effective)


def nothing(c: Comparison) -> Finding:
    """Say that nothing was found, and what was looked at."""
    price = "" if c.price_in_effect is None else f" A nat costs {c.price_in_effect / c.price:.2f} of its stated price."
    scale = f" ⟨μ²⟩ + ⟨σ²⟩ of active latents is 1 within {c.scale_error:.1%} (median)." if c.is_active.any() else ""
    return remark(
        "nothing-found",
        f"Nothing is wrong, as far as these arrays tell.{price}{scale}",
    )
