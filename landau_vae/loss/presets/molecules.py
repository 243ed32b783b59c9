"""Molecules and graphs."""

from landau_vae.loss.constraint import Constraint
from landau_vae.loss.presets.preset import AVERAGED, ENTROPY, LATENTS, SQUARES, VALID, Preset, Size
from landau_vae.loss.sampler import Sampler

FAMILY = {"likelihood": "family"}

PRESETS: dict[str, Preset] = {
    "mlcolvar": Preset("mlcolvar, core/loss/elbo.py", "2026-05", AVERAGED, "beta"),
    "cryodrgn": Preset(
        "cryoDRGN, commands/train_vae.py", "2026-06", SQUARES, "beta", shared=True,
        note="Both terms are divided by the pixels of the mask, and β = 1/K unless it is given. The decoder is "
             "given the pose.",
    ),
    "cryodrgn-beta-control": Preset(
        "cryoDRGN with --beta-control", "2026-06", SQUARES | {"constraint": Constraint("square", 1.0)}, "beta_control",
        None, (Size("capacity"),), note="beta_control (beta − Σ KL)²: the capacity is its beta, in nats.",
    ),
    "jt-vae": Preset(
        "wengong-jin/icml18-jtnn", "2026-11", FAMILY, "beta",
        note="The weight rises by steps. The decoder is given the tree so far, so the spectrum is that of a step given "
             "those before.",
    ),
    "moses": Preset(
        "molecularsets/moses, VAE", "2026-11", FAMILY, "kl_w_end", 0.05, (VALID,),
        note="The entropy is averaged over the tokens of a batch. The decoder is given the tokens before, so the "
             "spectrum is that of a token given those.",
    ),
    "chemical-vae": Preset(
        "aspuru-guzik-group/chemical_vae", "2026-11", FAMILY | {"kl": "mean"}, "kl_loss_weight", 1.0, (LATENTS, VALID),
        noisy=True,
        note="The weight of the KL multiplies the noise too: thresholds in β are those with the noise of the β given. "
             "The entropy is averaged over all positions.",
    ),
    "keras-molecules": Preset(
        "maxhodak/keras-molecules", "2026-11",
        ENTROPY | {"reconstruction": "mean", "reconstruction_weight": 120.0, "kl": "mean",
                   "sampler": Sampler(noise_scale=0.01)},
        needs=(LATENTS,),
        note="The KL is averaged over the latents (292 as shipped), which divides the price by their number. The noise "
             "is multiplied by epsilon_std = 0.01. The factor 120 is max_length (reconstruction_weight=… for another).",
    ),
    "lion": Preset(
        "LION", "2026-11", {},
        refused="LION has a hierarchy of latents with KL weights that rise from 1e-7: the theory covers one layer of "
                "latents with one weight, so there is no price.",
    ),
    "pyg-vgae": Preset(
        "PyTorch Geometric, VGAE", "2026-08", {},
        refused="PyG's VGAE reconstructs edges from pairs of nodes: its rows are not independent samples, so there is "
                "no spectrum and no price.",
    ),
}  # fmt: skip
