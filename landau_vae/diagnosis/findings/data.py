"""Are these the data of this model, and are they enough? Mismatched rows and decoders, binary data, few rows, noise.

Rows that are alike must have codes that are alike, whether the encoder is linear or not:

    r = median over active latents of ⟨(μ_i − μ_nn(i))²⟩ / (2 Var μ),   nn(i): the nearest other row of the data

is 1 for codes of other rows and small for codes of these. In many dimensions no row has a near neighbour: then the
same ratio of the data's own principal scores is what to expect.
"""

import numpy as np

from landau_vae import limits
from landau_vae.data.moments import SecondMoments
from landau_vae.diagnosis.comparison import Comparison, beta_at
from landau_vae.diagnosis.posterior import Rows, evenly
from landau_vae.display import Array, Booleans, counted, listed, significant
from landau_vae.findings import Finding, alarm, remark
from landau_vae.likelihoods import BERNOULLI

ASKED, AMONG = 400, 8000  # rows whose neighbour is looked for, and rows among which
SCORES = 3  # principal scores that are compared with


def code_mismatch(mean: Rows, data: Rows, scale: Array, active: Booleans) -> float:
    """Return r of the active latents less r of the data's own scores: 0 where codes belong to their rows, up to 1."""
    among = evenly(len(data), AMONG)
    rows = np.asarray(data[among], dtype=np.float64) / scale
    rows -= rows.mean(axis=0)
    asked = evenly(len(among), ASKED)
    apart = np.square(rows).sum(axis=1) - 2 * (rows[asked] @ rows.T)
    apart[np.arange(len(asked)), asked] = np.inf
    neighbour = apart.argmin(axis=1)
    scores = rows @ np.linalg.svd(rows[asked], full_matrices=False)[2][:SCORES].T
    codes = np.asarray(mean[among][:, active], dtype=np.float64)

    def ratio(values: Array) -> Array:
        return np.square(values[asked] - values[neighbour]).mean(axis=0) / (2 * values.var(axis=0))

    return float(np.median(ratio(codes)) - np.median(ratio(scores)))


def zeros_and_ones(moments: SecondMoments) -> bool:
    """Return whether the data are zeros and ones: for these alone each variance is x̄(1 − x̄)."""
    mean, variance = moments.mean, moments.variance
    return not np.any((mean < 0) | (np.abs(variance - BERNOULLI.variance(mean)) > limits.BINARY * mean))


def rows_mismatched(c: Comparison) -> Finding | None:
    """Find codes that do not belong to the rows beside them."""
    if not c.rows_mismatched:
        return None
    return alarm(
        "rows-mismatched",
        f"The posteriors do not belong to these rows: codes of neighbouring rows differ by {c.code_mismatch:.0%} of "
        f"the difference between any two codes, and {c.linear_share:.0%} of an active latent's mean is linear in them.",
        "Encode the data again without shuffling, and pass rows and posteriors in the same order.",
        {"code_mismatch": c.code_mismatch, "limit": limits.ROW_MISMATCH, "linear_share": c.linear_share},
    )


def decoder_mismatch(c: Comparison) -> Finding | None:
    """Find a decoder that is worse than the best linear one of its own latents."""
    if c.decoded is None or c.observed is None or not c.loss.likelihood.squared:
        return None
    user, best = float(c.decoded.sampled[-1]), float(c.observed.prefix[-1])
    if not c.converged or c.rows_mismatched or user <= limits.WORSE_DECODER * best:
        return None
    return alarm(
        "decoder-mismatch",
        f"The decoder leaves {user:.3g} of the variance, but the best linear decoder of the same latents leaves "
        f"{best:.3g}: it does not reconstruct these data.",
        "Check whether the data given here have the scale and the order of those in training (standardised, shifted, "
        "divided by 255, …), and whether decode returns the reconstruction itself.",
        {"distortion": user, "best_linear": best, "ratio": user / best, "limit": limits.WORSE_DECODER},
    )


def fits_noise(c: Comparison) -> Finding | None:
    """Find modes that are encoded although sampling noise alone produces modes as strong."""
    if c.floor is None or not c.floor.isotropic or len(c.floor.bulk) < limits.KNOWN_BULK:
        return None
    noise = c.detected & (c.eigenvalues < c.floor.price) & (c.observed_signal > limits.EXPECTED / 2)
    modes = np.flatnonzero(noise)
    if not modes.size:
        return None
    return alarm(
        "fits-noise",
        f"{listed(list(modes), 'Mode')} {'are' if modes.size > 1 else 'is'} encoded below the noise floor: in "
        f"{c.spectrum.samples} rows of {c.spectrum.dimension} features, noise alone produces modes up to "
        f"λ = {significant(c.floor.price, 4)}. The latents encode the sample, not its source.",
        f"Raise {c.loss.knob} to {beta_at(c, c.floor.price)}, or use {counted(c.floor.modes, 'latent')} or more data.",
        {"modes": modes + 1, "eigenvalues": c.eigenvalues[modes], "noise_floor": c.floor.price},
    )


def binary_data(c: Comparison) -> Finding | None:
    """Find zeros and ones under a squared error."""
    if not c.binary or not c.loss.likelihood.squared:
        return None
    return remark(
        "binary-data",
        "The data are zeros and ones, but the loss is given as a squared error.",
        "If it is a cross-entropy, give Loss.bernoulli: its thresholds are eigenvalues of the correlation matrix.",
    )


def few_rows(c: Comparison) -> Finding | None:
    """Find too few rows to distinguish modes."""
    n, d = c.posterior.samples, c.spectrum.dimension
    if c.observed is None or n >= limits.BLURRING_ROWS * d:
        return None
    return remark(
        "few-rows",
        f"{n} rows of {d} features are few: the eigenvalues, and with them all predictions, are those of these rows.",
        "If the model was trained on more rows, pass all of them.",
        {"rows": n, "features": d, "rows_per_feature": n / d, "limit": limits.BLURRING_ROWS},
    )
