"""Text."""

from landau_vae.loss.presets.preset import Preset

PRESETS: dict[str, Preset] = {
    "sentence-vae": Preset(
        "timbmg/Sentence-VAE", "2026-11", {"likelihood": "family"}, "KL_weight",
        note="The weight rises to 1. The decoder is given the words before, so the spectrum is that of a word "
             "given those.",
    ),
}  # fmt: skip
