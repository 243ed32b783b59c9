"""Single cells, genes and recordings of neurons."""

from collections.abc import Mapping
from math import log
from typing import Any

from landau_vae.likelihoods import Likelihood, mixed
from landau_vae.loss.presets.preset import LATENTS, SQUARES, Preset, Size
from landau_vae.loss.presets.scvi import counts_of
from landau_vae.loss.sampler import Sampler

SAMPLES = Size("channels", words="channels (the samples of the abundance matrix)")
FREQUENCIES = 103  # of tetranucleotides


def _of_contigs(sizes: Mapping[str, Any]) -> Likelihood:
    """Return VAMB's error: depths in the samples, frequencies of tetranucleotides, total abundance, in this order."""
    samples = sizes["channels"]
    share = 0.25 if samples > 1 else 0.5  # alpha, of the frequencies
    columns = range(samples, samples + FREQUENCIES)
    abundance = ("gaussian", [columns.stop], 2 * (1 - share) / samples)
    frequencies = ("gaussian", columns, 2 * share / FREQUENCIES)
    if samples == 1:  # its depths are constant, and cost nothing
        return mixed([("gaussian", [0]), frequencies, abundance])
    depths = (1 - share) * (samples - 1) / (samples * log(samples))
    return mixed([(f"categorical({samples})", range(samples), depths), frequencies, abundance])


PRESETS: dict[str, Preset] = {
    "scvi-tools": Preset(
        "scvi-tools, SCVI and LDVAE (gene_likelihood zinb, nb or poisson)", "2026-08", {"likelihood": counts_of},
        "kl_weight",
        note="The weight rises to 1 over 400 epochs by default: shorter runs end below it. The decoder is given the "
             "total of each cell. One batch without covariates is assumed.",
        of_cells=True,
    ),
    "trvae": Preset(
        "scArches, trVAE", "2025-05", SQUARES, "alpha",
        note="The weight rises from 0 to alpha. Its MMD term has no price; this is the rest.",
    ),
    "lfads-torch": Preset(
        "lfads-torch, Poisson", "2025-01", {"likelihood": "poisson", "reconstruction": "mean"}, "kl_scale", None,
        note="d counts bins × neurons. The scale is that of kl_ic_scale or kl_co_scale, after its ramp.",
    ),
    "vamb": Preset(
        "RasmussenLab/vamb, encode.py", "2026-04",
        {"likelihood": _of_contigs, "kl": "mean", "sampler": Sampler(variance=1.0)}, "1/beta", 200.0,
        (LATENTS, SAMPLES),
        note="Its beta divides the KL, and σ = 1. Columns are the depths in the samples, 103 frequencies and the total "
             "abundance, with alpha as it ships; rows are weighted by the length of a contig.",
    ),
    "tybalt": Preset(
        "greenelab/tybalt", "2019-01", {},
        refused="Tybalt takes the value of its β when the graph is built, where β is 0, so that the KL has the weight "
                "0 for ever and information has no price: pass β itself to the loss.",
    ),
}  # fmt: skip
