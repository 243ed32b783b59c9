"""Single cells, genes and recordings of neurons."""

from landau_vae.loss.presets.preset import SQUARES, Preset

PRESETS: dict[str, Preset] = {
    "scvi-tools": Preset(
        "scvi-tools with gene_likelihood='poisson'", "2026-08", {"likelihood": "poisson"}, "kl_weight",
        note="The weight rises to 1 over 400 epochs by default: shorter runs end below it. The negative binomial "
             "likelihoods have more variance than Poisson's, so their thresholds lie lower.",
    ),
    "trvae": Preset(
        "scArches, trVAE", "2025-05", SQUARES, "alpha",
        note="The weight rises from 0 to alpha. Its MMD term has no price; this is the rest.",
    ),
    "lfads-torch": Preset(
        "lfads-torch, Poisson", "2025-01", {"likelihood": "poisson", "reconstruction": "mean"}, "kl_scale", None,
        note="d counts bins × neurons. The scale is that of kl_ic_scale or kl_co_scale, after its ramp.",
    ),
    "tybalt": Preset(
        "greenelab/tybalt", "2019-01", {},
        refused="Tybalt takes the value of its β when the graph is built, where β is 0, so that the KL has the weight "
                "0 for ever and information has no price: pass β itself to the loss.",
    ),
}  # fmt: skip
