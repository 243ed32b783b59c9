"""Tables and time series."""

from landau_vae.loss.presets.preset import AVERAGED, Preset

PRESETS: dict[str, Preset] = {
    "merlion": Preset(
        "Merlion, VAE anomaly detector", "2024-06", AVERAGED,
        note="τ = d/2: on standardised data every latent is inactive, unless one mode holds over half of the variance.",
    ),
    "pyod": Preset(
        "PyOD, VAE", "2026-08", {},
        refused="PyOD's VAE clamps its KL to a capacity that is 0 by default, so that the KL has no gradient and "
                "information no price: set a capacity, or weigh the KL itself.",
    ),
}  # fmt: skip
