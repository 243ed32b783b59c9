"""Motion of people, animals and robots."""

from landau_vae.loss.presets.preset import (
    ERROR_SUMMED_OVER_BATCH,
    KL_SUMMED_OVER_BATCH,
    LATENTS,
    SQUARES,
    VALID,
    Preset,
)

PRESETS: dict[str, Preset] = {
    "actor": Preset(
        "Mathux/ACTOR", "2022-01", SQUARES, "lambda_kl", 1e-5, (KL_SUMMED_OVER_BATCH, VALID),
        note="The error is averaged over the batch, the KL is summed over it: the price grows with the batch. "
             "lambda_kl = 1e-5 is that of its README.",
    ),
    "vame": Preset(
        "VAME, rnn_vae.py", "2024-10", SQUARES | {"kl": "mean"}, "beta", 1.0, (ERROR_SUMMED_OVER_BATCH, LATENTS),
        note="The error is summed over the batch, the KL is averaged over it: the KL has next to no effect.",
    ),
    "trajectron": Preset(
        "Trajectron++", "2026-11", {},
        refused="Trajectron++ has a categorical latent: the theory covers Gaussian latents, so there is no price.",
    ),
}  # fmt: skip
