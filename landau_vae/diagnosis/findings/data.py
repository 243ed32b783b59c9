"""Are these the data of this model, and are they enough? Mismatched rows and decoders, binary data, few rows, noise.

Rows that are alike must have codes that are alike, whether the encoder is linear or not:

    r = median over active latents of ⟨(μ_i − μ_nn(i))²⟩ / (2 Var μ),   nn(i): the nearest other row of the data

is 1 for codes of other rows and small for codes of these. In many dimensions no row has
a near neighbour: then the same ratio of the data's own principal scores is what to
expect.
"""

import numpy as np

from landau_vae import limits
from landau_vae.data.moments import SecondMoments
from landau_vae.diagnosis.comparison import Comparison, beta_at
from landau_vae.diagnosis.posterior import evenly, some_rows
from landau_vae.diagnosis.totals import Rows
from landau_vae.display import Array, Booleans, counted, listed, significant
from landau_vae.findings import Finding, alarm, remark
from landau_vae.likelihoods import BERNOULLI

ASKED, AMONG = 400, 8000  # rows whose neighbour is looked for, and rows among which
SCORES = 3  # principal scores that are compared with
ROUNDING = 1e-7  # of the largest singular value, which rows of single precision may have in a direction without any


def code_mismatch(mean: Rows, data: Rows, scale: Array, active: Booleans) -> float:
    """Return r of the active latents less r of the data's own scores: 0 where codes belong to their rows, up to 1."""
    among = some_rows(len(data), AMONG)
    rows = np.asarray(data[among], dtype=np.float64) / scale
    rows -= rows.mean(axis=0)
    asked = evenly(len(among), ASKED)
    apart = np.square(rows).sum(axis=1) - 2 * (rows[asked] @ rows.T)
    apart[np.arange(len(asked)), asked] = np.inf
    neighbour = apart.argmin(axis=1)
    _, values, axes = np.linalg.svd(rows[asked], full_matrices=False)
    scores = rows @ axes[:SCORES][values[:SCORES] > ROUNDING * values[0]].T
    codes = np.asarray(mean[among][:, active], dtype=np.float64)

    def ratio(values: Array) -> Array:
        return np.square(values[asked] - values[neighbour]).mean(axis=0) / (2 * values.var(axis=0))

    # Of latents that serve weak modes neighbours are not alike: the most alike ones count.
    return float(ratio(codes).min() - np.median(ratio(scores)))


def zeros_and_ones(moments: SecondMoments) -> bool:
    """Return whether the data are zeros and ones: for these alone each variance is x̄(1 − x̄)."""
    mean, variance = moments.mean, moments.variance
    return not np.any((mean < 0) | (np.abs(variance - BERNOULLI.variance(mean)) > limits.BINARY * mean))


def other_model(c: Comparison) -> Finding | None:
    """Find a loss of another number of features or latents."""
    loss, d, K = c.stated, c.spectrum.dimension, c.posterior.latents
    if loss is None:
        return None
    pairs = {"features": (loss.features, d), "latents": (loss.latents, K)}
    wrong = {name: pair for name, pair in pairs.items() if pair[0] not in (None, pair[1])}
    if not wrong:
        return None
    how = "was measured with" if loss.name == "measured" else "is one of"
    differ = " and ".join(
        f"{how} {counted(stated or 0, name[:-1])}, but here are {here}" for name, (stated, here) in wrong.items()
    )
    return alarm(
        "other-model",
        f"The loss is not that of this model: it {differ}. A mean over them has another price then.",
        f"State the loss of this model (features = {d}, latents = {K}; of images all pixels and channels count), or "
        "pass the arrays of the model that the loss belongs to.",
        {"stated_and_given": wrong, "causes": tuple(wrong)},
    )  # fmt: skip


def rows_mismatched(c: Comparison) -> Finding | None:
    """Find codes that do not belong to the rows beside them."""
    if not c.rows_mismatched or c.unreadable:
        return None
    evidence = {"code_mismatch": c.code_mismatch, "limit": limits.ROW_MISMATCH, "linear_share": c.linear_share}
    found = f"codes of neighbouring rows differ by {c.code_mismatch:.0%} of the difference between any two codes"
    if c.measured is not None and abs(c.measured.correlation) < limits.UNRELATED:
        found = f"reconstructions and rows have a correlation of {c.measured.correlation:.2f}"
        evidence["correlation"] = c.measured.correlation
    return alarm(
        "rows-mismatched",
        f"The posteriors do not fit these rows: {found}.",
        "It may be that rows and posteriors are in different orders (a loader that shuffles): encode the data again "
        "without shuffling. Or latents are in another order than the decoder takes them, or the decoder gets "
        "what it needs of x by another way than z.",
        evidence | {"causes": ("shuffled-rows", "latents-reordered", "skip-connection")},
    )


def logits(c: Comparison) -> Finding | None:
    """Find a decoder whose outputs lack a last function before they are reconstructions."""
    better = c.measured and c.measured.decoder.better_link
    if not better:
        return None
    return alarm(
        "logits",
        f"decode may not return the reconstruction: {'an' if better == 'exp' else 'a'} {better} of its outputs fits "
        "these rows far better than the outputs themselves.",
        f"Let decode return what the loss compares with the data (here: apply the {better}), or state the loss that "
        "takes logits (Loss.bernoulli).",
        {"link": better, "causes": ("logits-for-means",)},
    )


def other_units(c: Comparison) -> Finding | None:
    """Find data that are in other units than the reconstructions, or shifted from them."""
    m = c.measured
    if m is None or c.own_term or c.unreadable or c.rows_mismatched or m.decoder.better_link is not None:
        return None
    scaled = np.isfinite(m.slope) and not 1 / limits.OTHER_SCALE < m.slope < limits.OTHER_SCALE
    if not scaled and not m.shift >= limits.OTHER_MEAN:  # it is NaN where it is not known
        return None
    words = f"shifted from the reconstructions: one constant makes {m.shift:.0%} of the squared error"
    if scaled:
        words = f"{significant(m.slope, 3)} times as far from their mean as the reconstructions"
    return alarm(
        "other-units",
        f"Rows and reconstructions do not fit each other: the rows are {words}. "
        "In training a decoder finds the scale and the mean of its data first, unless the run has hardly begun.",
        "It may be the units: pass the data as the loss had them "
        "(standardised, divided by 255, …), and decode as the loss uses it: the trained weights, in the mode of "
        "training, with the condition that it was given (given=…) and the earlier steps if it was taught with "
        "them; and see that its z are μ + σε with the μ and σ passed here, in the same order.",
        {"slope": m.slope, "correlation": m.correlation, "shift": m.shift}
        | {
            "causes": (
                "data-units",
                "conditional-decoder",
                "teacher-forcing",
                "other-weights",
                "updates",
                "plateau",
                "noise-size",
            )
        },
    )


def decoder_mismatch(c: Comparison) -> Finding | None:
    """Find a decoder that is worse than a simple correction of its outputs, or than no code at all."""
    m = c.measured
    if m is None or c.rows_mismatched or not c.is_active.any():
        return None
    user = best = np.nan
    if c.decoded is not None and c.observed is not None and c.loss.likelihood.squared:
        user, best = float(c.decoded.sampled[-1]), float(c.observed.prefix[-1])
    # Half of the scores' variance is what a constant costs in squared errors; −ln p may have any sign.
    scale = m.dead if c.own_term or not c.by_background else c.spectrum.total_variance / 2
    dead = m.own > m.dead + limits.WORSE_THAN_CONSTANT * scale + limits.SURELY * m.error
    if not dead and not (c.converged and user > limits.WORSE_DECODER * best):
        return None
    than = f"the best linear decoder of the same latents leaves {best:.3g}"
    found = f"The decoder leaves {user:.3g} of the variance, but {than}" if user > best else (
        f"The decoder does worse with these codes ({significant(m.own, 4)} per row) than one constant output for "
        f"all rows ({significant(m.dead, 4)})"
    )  # fmt: skip
    return alarm(
        "decoder-mismatch",
        f"{found}: as called here, it does not reconstruct these rows.",
        "Check that decode has the trained weights, that the rows are those that were encoded, in the scale of the "
        "loss, and that it gets all that it had in training: a condition or a library size (given=…), the earlier "
        "steps of a sequence (teacher forcing), skip connections from x.",
        {"own": m.own, "dead": m.dead, "distortion": user, "best_linear": best, "limit": limits.WORSE_DECODER}
        | {"causes": ("other-weights", "data-units", "conditional-decoder", "teacher-forcing", "diverged", "updates")},
    )


def fits_noise(c: Comparison) -> Finding | None:
    """Find modes that are encoded although sampling noise alone produces modes as strong."""
    if c.floor is None or not c.floor.isotropic or len(c.floor.bulk) < limits.KNOWN_BULK:
        return None
    noise = c.detected & (c.eigenvalues < c.floor.normal_price) & (c.observed_signal > limits.EXPECTED / 2)
    modes = np.flatnonzero(noise)
    if not modes.size:
        return None
    return Finding(
        "fits-noise",
        "alarm" if c.linear else "remark",
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
