"""The losses that public code bases ship, each as read on the date given: what is summed, what is averaged.

Between them "β = 1" means prices from τ = 1/510 to d/2, so a β is worth nothing without its
code base. What a code base calls β is its `knob`; `shipped` is that knob's default.
`tests/loss/test_presets.py` has each loss as its code computes it.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """One code base's convention."""

    code: str  #: where it is found
    seen: str  #: when it was read
    convention: dict[str, Any]  #: arguments of `Loss`
    knob: str = "β"  #: what this code base calls the weight of the KL
    shipped: float = 1.0  #: the knob's default
    needs: tuple[str, ...] = field(default=())  #: of latents, batch, channels: what the price depends on
    note: str = ""  #: what else one has to know
    refused: str = ""  #: why this loss has no price, where it has none


_SQUARES = {"half": False}
_ENTROPY = {"likelihood": "bernoulli"}
_AVERAGED = {"reconstruction": "mean", "half": False}

PRESETS: dict[str, Preset] = {
    "pytorch-examples": Preset("pytorch/examples, vae", "2025-08", _ENTROPY),
    "pythae": Preset("pythae from PR #104 on (2023-09)", "2024-07", {}, "beta"),
    "pythae-0.1.2": Preset("pythae before PR #104", "2023-09", _SQUARES, "beta", note="It has no ½: τ = β/2."),
    "pytorch-vae": Preset(
        "AntixK/PyTorch-VAE, VanillaVAE", "2021-12", _AVERAGED, "kld_weight", 0.00025,
        note="Its validation loss has kld_weight = 1.",
    ),
    "pytorch-vae-beta": Preset(
        "AntixK/PyTorch-VAE, BetaVAE with loss type H", "2021-12", _AVERAGED | {"kl_weight": 0.00025}, "beta", 10.0,
        note="β is multiplied by kld_weight = 0.00025 (kl_weight=… for another).",
    ),
    "disentanglement-lib": Preset("disentanglement_lib, Bernoulli loss", "2020-08", _ENTROPY, "beta"),
    "disentanglement-lib-l2": Preset("disentanglement_lib, L2 loss", "2020-08", _SQUARES, "beta"),
    "keras-io": Preset(
        "keras.io, variational autoencoder example", "2025", _ENTROPY, needs=("channels",),
        note="Its cross-entropy is averaged over channels and summed over pixels.",
    ),
    "disentangling-vae": Preset("YannDubs/disentangling-vae, Bernoulli", "2023-02", _ENTROPY, "beta"),
    "disentangling-vae-gaussian": Preset(
        "YannDubs/disentangling-vae, Gaussian", "2023-02", _SQUARES | {"reconstruction_weight": 255.0}, "beta",
        note="Σ(255x − 255x̂)²/255, for x from 0 to 1.",
    ),
    "beta-vae": Preset("1Konny/Beta-VAE, Gaussian decoder", "2018-08", _SQUARES, "beta", 4.0),
    "beta-vae-bernoulli": Preset("1Konny/Beta-VAE, Bernoulli decoder", "2018-08", _ENTROPY, "beta", 4.0),
    "sigma-vae-gaussian": Preset("orybkin/sigma-vae, gaussian_vae", "2021-07", {}),
    "sigma-vae-mse": Preset(
        "orybkin/sigma-vae, mse_vae", "2021-07", _AVERAGED, needs=("batch",),
        note="The error is averaged over the batch, the KL is summed over it.",
    ),
    "sigma-vae-optimal": Preset(
        "orybkin/sigma-vae, optimal_sigma_vae", "2021-07", {"decoder_variance": "learned"},
        note="σ² is the current mean squared error, as if it were learned.",
    ),
    "pyro": Preset("pyro.ai, VAE example", "2025", _ENTROPY),
    "flax": Preset("google/flax, examples/vae", "2025", _ENTROPY),
    "tensorflow-tutorial": Preset("tensorflow.org, convolutional VAE", "2025", _ENTROPY),
    "flax-nnx": Preset(
        "google/flax, NNX toy VAE", "2025", _ENTROPY | {"reconstruction": "mean", "kl": "mean", "kl_weight": 0.1},
        needs=("latents",), note="The factor 0.1 stands in its code.",
    ),
    "lightning-bolts": Preset(
        "lightning-bolts, basic VAE", "2026-01", _AVERAGED | {"kl": "mean"}, "kl_coeff", 0.1, needs=("latents",)
    ),
    "scvi-tools": Preset(
        "scvi-tools with gene_likelihood='poisson'", "2026-08", {"likelihood": "poisson"}, "kl_weight",
        note="The weight rises to 1 over 400 epochs by default: shorter runs end below it. The negative binomial "
             "likelihoods have more variance than Poisson's, so their thresholds lie lower.",
    ),
    "alibi-detect": Preset(
        "alibi-detect, VAE outlier detector", "2025-12", {"decoder_variance": 0.05**2, "kl": "mean"}, "beta",
        needs=("latents",),
    ),
    "pyod": Preset(
        "PyOD, VAE", "2026-08", {},
        refused="PyOD's VAE clamps its KL to a capacity that is 0 by default, so that the KL has no gradient and "
                "information no price: set a capacity, or weigh the KL itself.",
    ),
    "diffusers": Preset(
        "diffusers, AutoencoderKL training", "2026", _SQUARES, "kl_scale", 1e-6,
        note="Its perceptual term (LPIPS) has no price; this is the pixel part.",
    ),
}  # fmt: skip
