"""Images and video."""

from landau_vae.loss.constraint import Constraint
from landau_vae.loss.presets.preset import (
    ABSOLUTE,
    AVERAGED,
    CAPACITY_PER_LATENT,
    CHANNELS,
    ENTROPY,
    KL_SUMMED_OVER_BATCH,
    LATENTS,
    LIKELIHOOD,
    SQUARES,
    Preset,
    Size,
)
from landau_vae.loss.sampler import Sampler

PRESETS: dict[str, Preset] = {
    "pytorch-examples": Preset("pytorch/examples, vae", "2025-08", ENTROPY),
    "pythae": Preset("pythae from PR #104 on (2023-09)", "2024-07", {}, "beta"),
    "pythae-0.1.2": Preset("pythae before PR #104", "2023-09", SQUARES, "beta", note="It has no ½: τ = β/2."),
    "pytorch-vae": Preset(
        "AntixK/PyTorch-VAE, VanillaVAE", "2021-12", AVERAGED, "kld_weight", 0.00025,
        note="Its validation loss has kld_weight = 1.",
    ),
    "pytorch-vae-beta": Preset(
        "AntixK/PyTorch-VAE, BetaVAE with loss type H", "2021-12", AVERAGED | {"kl_weight": 0.00025}, "beta", 10.0,
        note="β is multiplied by kld_weight = 0.00025 (kl_weight=… for another).",
    ),
    "disentanglement-lib": Preset("disentanglement_lib, Bernoulli loss", "2020-08", ENTROPY, "beta"),
    "disentanglement-lib-l2": Preset("disentanglement_lib, L2 loss", "2020-08", SQUARES, "beta"),
    "keras-io": Preset(
        "keras.io, variational autoencoder example", "2025", ENTROPY, needs=(CHANNELS,),
        note="Its cross-entropy is averaged over channels and summed over pixels.",
    ),
    "disentangling-vae": Preset("YannDubs/disentangling-vae, Bernoulli", "2023-02", ENTROPY, "beta"),
    "disentangling-vae-gaussian": Preset(
        "YannDubs/disentangling-vae, Gaussian", "2023-02", SQUARES | {"reconstruction_weight": 255.0}, "beta",
        note="Σ(255x − 255x̂)²/255, for x from 0 to 1.",
    ),
    "beta-vae": Preset("1Konny/Beta-VAE, Gaussian decoder", "2018-08", SQUARES, "beta", 4.0),
    "beta-vae-bernoulli": Preset("1Konny/Beta-VAE, Bernoulli decoder", "2018-08", ENTROPY, "beta", 4.0),
    "sigma-vae-gaussian": Preset("orybkin/sigma-vae, gaussian_vae", "2021-07", {}),
    "sigma-vae-mse": Preset(
        "orybkin/sigma-vae, mse_vae", "2021-07", AVERAGED, needs=(KL_SUMMED_OVER_BATCH,),
        note="The error is averaged over the batch, the KL is summed over it.",
    ),
    "sigma-vae-optimal": Preset(
        "orybkin/sigma-vae, optimal_sigma_vae", "2021-07", {"decoder_variance": "learned"},
        note="σ² is the current mean squared error, as if it were learned.",
    ),
    "pyro": Preset("pyro.ai, VAE example", "2025", ENTROPY),
    "flax": Preset("google/flax, examples/vae", "2025", ENTROPY),
    "tensorflow-tutorial": Preset("tensorflow.org, convolutional VAE", "2025", ENTROPY),
    "flax-nnx": Preset(
        "google/flax, NNX toy VAE", "2025", ENTROPY | {"reconstruction": "mean", "kl": "mean", "kl_weight": 0.1},
        needs=(LATENTS,), note="The factor 0.1 stands in its code.",
    ),
    "lightning-bolts": Preset(
        "lightning-bolts, basic VAE", "2026-01", AVERAGED | {"kl": "mean"}, "kl_coeff", 0.1, needs=(LATENTS,)
    ),
    "alibi-detect": Preset(
        "alibi-detect, VAE outlier detector", "2025-12", {"decoder_variance": 0.05**2, "kl": "mean"}, "beta",
        needs=(LATENTS,),
    ),
    "diffusers": Preset(
        "diffusers, AutoencoderKL training", "2026", SQUARES, "kl_scale", 1e-6,
        note="Its perceptual term (LPIPS) has no price; this is the pixel part.",
    ),
    "pythae-disentangled": Preset(
        "pythae, DisentangledBetaVAE", "2024-07", {"constraint": Constraint("absolute", 50.0, "sample")}, "beta", 10.0,
        note="β |KL − C| of each sample, with C = 50 nats at the end of training (capacity=… for another).",
    ),
    "mmvae-before-pr19": Preset(
        "MMVAE before its PR 19", "2026-11", AVERAGED, needs=(KL_SUMMED_OVER_BATCH,),
        note="The error is averaged over the batch, the KL is summed over it: the price grows with the batch.",
    ),
    "ard-vae": Preset(
        "ARD-VAE", "2024-03", SQUARES, "beta", None,
        note="Its data sets have β = 0.05, 0.5 or 3. The learned variances of its prior leave the thresholds as they "
             "are.",
    ),
    "lambda-beta-vae": Preset(
        "λβ-VAE, arXiv:2602.09277", "2026-11", {}, "beta", None,
        (Size("reconstruction_weight", words="weight of the reconstruction"),),
        note="½ Σ(x − x̂)² + λ Σ(x − x̂)² + β Σ KL: the weight of the reconstruction is 1 + 2λ, if both errors are of "
             "the sampled x̂.",
    ),
    "world-models": Preset(
        "hardmaru/WorldModelsExperiments", "2020-05",
        SQUARES | {"constraint": Constraint("hinge", 0.5, "sample"), "capacity": 0.5},
        needs=(CAPACITY_PER_LATENT,),
        note="max(Σ KL, kl_tolerance · K) of each sample, kl_tolerance = 0.5: so many nats cost nothing. It has no "
             "effect on samples with a larger KL.",
    ),
    "adsp-world-models": Preset(
        "AppliedDataSciencePartners/WorldModels", "2020-07", AVERAGED, "1/r_loss_factor", None,
        note="The factor multiplies the mean squared error, so it divides the price: τ = d/2f.",
    ),
    "sketch-rnn": Preset(
        "magenta, sketch-rnn", "2026-11", {"kl": "mean", "constraint": Constraint("hinge", 0.2)}, "kl_weight", 0.5,
        (LATENTS, LIKELIHOOD),
        note="0.5 max(mean KL, kl_tolerance): up to kl_tolerance = 0.2 nats per latent, on the average over a batch, "
             "cost nothing. Its reconstruction term is the density of a mixture of normals.",
    ),
    "svg": Preset(
        "SVG, train_svg_lp.py", "2018", AVERAGED, "beta", 1e-4,
        note="d counts the numbers of one frame. The decoder is given the frames before, so the spectrum is that of a "
             "frame given those (lv.spectrum.conditional). The learned prior leaves the thresholds as they are.",
    ),
    "monai": Preset(
        "MONAI, AutoencoderKL tutorials", "2024-07", ABSOLUTE, "kl_weight", 1e-6,
        note="Its perceptual and adversarial terms have no price; this is the absolute error. d counts voxels.",
    ),
    "unit": Preset(
        "mingyuliutw/UNIT", "2026-11",
        ABSOLUTE | {"reconstruction_weight": 10.0, "kl": "mean", "kl_weight": 2.0, "sampler": Sampler(variance=1.0)},
        "recon_kl_w", 0.01, (LATENTS,),
        note="w mean(μ²) with σ = 1: each latent's KL is μ²/2, so it costs 2w/K a nat. The adversarial, cyclic and "
             "perceptual terms have no price; this is the absolute error, with recon_x_w = 10.",
    ),
    "old-photos": Preset(
        "microsoft/Bringing-Old-Photos-Back-to-Life", "2026-11",
        {"kl": "mean", "kl_weight": 2.0, "sampler": Sampler(variance=1.0)}, "w", None, (LATENTS, LIKELIHOOD),
        note="w mean(μ²) with σ = 1: each latent's KL is μ²/2, so it costs 2w/K a nat.",
    ),
    "nvae": Preset(
        "NVAE", "2026-11", {},
        refused="NVAE has a hierarchy of latents, each group with a KL weight that is balanced against the others and "
                "rises from 1e-7: the theory covers one layer of latents with one weight, so there is no price.",
    ),
    "dreamer-v3": Preset(
        "Dreamer v3", "2026-11", {},
        refused="Dreamer v3 has categorical latents and free nats: the theory covers Gaussian latents, so there is no "
                "price.",
    ),
}  # fmt: skip
