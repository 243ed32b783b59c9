"""Audio and music."""

from math import log

from landau_vae.loss.constraint import Constraint
from landau_vae.loss.presets.preset import LIKELIHOOD, Preset

WITHOUT_HALF = {"kl_weight": 2.0}  # w Σ(μ² + σ² − ln σ² − 1) is 2w Σ KL

FREE_BITS = Constraint("hinge", 48 * log(2), "sample")

PRESETS: dict[str, Preset] = {
    "music-vae": Preset(
        "magenta, MusicVAE", "2026-11", {"likelihood": "family", "constraint": FREE_BITS}, "beta", None,
        note="β max(Σ KL − free_bits, 0) of each sample: 48 bits are 33.27 nats, and cost nothing. The decoder is "
             "given the notes before, so the spectrum is that of a note given those.",
    ),
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
