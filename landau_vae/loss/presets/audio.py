"""Audio and music."""

from landau_vae.loss.presets.preset import LIKELIHOOD, Preset

WITHOUT_HALF = {"kl_weight": 2.0}  # w Σ(μ² + σ² − ln σ² − 1) is 2w Σ KL

PRESETS: dict[str, Preset] = {
    "stable-audio": Preset(
        "stable-audio-tools", "2026-02", WITHOUT_HALF, "w", None, (LIKELIHOOD,),
        note="Its KL has no ½, so a nat costs 2w. Its error is a distance of spectra and adversarial.",
    ),
    "rave": Preset(
        "acids-ircam/RAVE", "2025-04", WITHOUT_HALF, "w", None, (LIKELIHOOD,),
        note="Its KL has no ½, so a nat costs 2w. Its error is a distance of spectra and adversarial.",
    ),
    "vits": Preset(
        "VITS", "2026-11", {},
        refused="VITS has a normalizing flow as its prior: the theory covers normal priors, so there is no price.",
    ),
}  # fmt: skip
