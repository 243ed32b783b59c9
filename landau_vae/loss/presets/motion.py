"""Motion of people, animals and robots."""

from landau_vae.loss.presets.preset import (
    ERROR_SUMMED_OVER_BATCH,
    KL_SUMMED_OVER_BATCH,
    LATENTS,
    SQUARES,
    VALID,
    Preset,
)

ABSOLUTE = {"likelihood": "laplace"}
IDLE = (
    "The decoder is given the observation, so the spectrum is that of action chunks given it. Where its first "
    "threshold is below the price, the latent is unused and the encoder idle."
)

PRESETS: dict[str, Preset] = {
    "actor": Preset(
        "Mathux/ACTOR", "2022-01", SQUARES, "lambda_kl", 1e-5, (KL_SUMMED_OVER_BATCH, VALID),
        note="The error is averaged over the batch, the KL is summed over it: the price grows with the batch. "
             "lambda_kl = 1e-5 is that of its README.",
    ),
    "act": Preset("tonyzhaozh/act", "2026-08", ABSOLUTE, "kl_weight", 10.0, (VALID,), note=IDLE),
    "lerobot-act": Preset("huggingface/lerobot, ACT", "2026-08", ABSOLUTE, "kl_weight", 10.0, (VALID,), note=IDLE),
    "torchrl-act": Preset("pytorch/rl, ACTLoss", "2026-08", ABSOLUTE, "kl_weight", 10.0, (VALID,), note=IDLE),
    "dart": Preset(
        "zkf1997/DART, train_mvae.py", "2025-06", {"likelihood": "huber(1)", "reconstruction": "mean", "kl": "mean"},
        "weight_kl", 1e-4, (LATENTS,),
        note="huber_loss with delta = 1. The decoder is given the frames before, so the spectrum is that of a "
             "primitive given those.",
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
