"""What else is seen of a model: latents that live on nonlinearity or noise, share modes, or have nothing to do."""

import numpy as np

from landau_vae.diagnosis.evidence import EXPECTED, OFF, STILL, Evidence, Finding
from landau_vae.diagnosis.wording import PERHAPS_BENT, beta_at, latents, next_one, roughly
from landau_vae.display import listed, significant

__all__ = [
    "alive_though_dead",
    "as_it_must",
    "binary_data",
    "few_rows",
    "fits_noise",
    "mixed",
    "nonlinear",
    "superfluous",
]

FEW = 5  # rows per feature, below which the modes of a sample are blurred
ENOUGH = 10  # modes of noise from which its level is known
RIGHT = 0.1  # scatter of the prices up to which axes may be off while all else is right
PURE = 0.8  # share of a latent that must be one mode for it not to be mixed


def alive_though_dead(e: Evidence) -> Finding | None:
    """Latents live for which the linear theory sees no mode worth the price."""
    surplus = int(e.alive.sum()) - int(np.count_nonzero(e.expected() > 0))
    if e.kl_is_off or e.mismatched or (not e.extra.size and not (e.bent and surplus > 0)):
        return None
    what = (
        f"mode{'s' * (e.extra.size > 1)} {listed(list(e.extra))} {'live' if e.extra.size > 1 else 'lives'}"
        if e.extra.size
        else f"{surplus} latents more live than there are modes worth their price"
    )
    n, d = e.posterior.samples, e.spectrum.dimension
    if e.bent:
        why = "The model is not linear, and what a nonlinear decoder gains the spectrum does not show"
    elif e.rough:
        why = "Beyond the first threshold that is within what the theory leaves open for this likelihood"
    elif e.unsettled:
        why = "Their scale is still moving (⟨μ²⟩ + ⟨σ²⟩ is not 1): they have not died yet"
    elif n < 10 * d:
        why = f"{n} rows of {d} features leave room for noise: on other rows these latents would mean something else"
    else:
        why = "They are at rest and linear, so the price in training was lower than stated, or the data were others"
    return Finding(
        "alive-though-dead",
        not e.rough and not e.unsettled,
        f"Although the equilibrium says dead at this price, {what}. {why}.",
        ""
        if e.rough
        else PERHAPS_BENT
        if e.maybe_bent
        else "Compare the data with those that the loss sees, and read the loss with Loss.measure.",
    )


def fits_noise(e: Evidence) -> Finding | None:
    """Latents live on what sampling noise fakes."""
    if e.floor is None or not e.floor.isotropic or len(e.floor.bulk) < ENOUGH:
        return None
    lam = e.spectrum.eigenvalues[: len(e.encoded)]
    noise = np.flatnonzero(e.seen & (lam < e.floor.price) & (e.encoded > EXPECTED / 2))
    if not noise.size:
        return None
    return Finding(
        "fits-noise",
        True,
        f"Mode{'s' * (noise.size > 1)} {listed(list(noise))} live{'s' * (noise.size == 1)} below the noise floor: "
        f"{e.spectrum.samples} rows of {e.spectrum.dimension} features fake modes up to λ = "
        f"{significant(e.floor.price, 4)} out of nothing, so these latents encode the sample, not the source.",
        f"Raise {e.loss.knob} to {beta_at(e, e.floor.price)}, or give the model {e.floor.modes} "
        f"latent{'s' * (e.floor.modes != 1)} or more data.",
    )


def mixed(e: Evidence) -> Finding | None:
    """Latents that share modes."""
    if e.observed is None or not e.alive.any():
        return None
    alignment = e.observed.alignment[e.alive]
    total = np.maximum(alignment.sum(axis=1), 1e-12)
    sure = e.observed.linear[e.alive] > 0.5  # of what is not linear nothing can be said
    shared = (alignment.max(axis=1) / total < PURE) & sure
    if not shared.any():
        return None
    by_group = np.stack([alignment[:, e.groups == g].sum(axis=1) for g in range(e.groups[-1] + 1)], axis=1)
    within = by_group.max(axis=1) / total >= PURE
    numbers = np.flatnonzero(e.alive)
    if np.all(within[shared]):
        involved = sorted({int(j) for row in alignment[shared] for j in np.flatnonzero(row > 0.1)})
        return Finding(
            "rotated",
            False,
            f"{latents(numbers[shared])} {'are' if shared.sum() > 1 else 'is'} rotated within modes "
            f"{listed(involved)}, whose eigenvalues are so close that the loss hardly tells their axes apart: which "
            "mixture a run ends in is chance. What they encode together is as it should be.",
            "Read them as one group; another seed turns them otherwise.",
        )
    bad = shared & ~within
    return Finding(
        "mixed",
        not (e.rough or e.unsettled or e.other_price or e.mismatched or _all_else_right(e)),
        f"{latents(numbers[bad])} share{'s' if bad.sum() == 1 else ''} modes that are not degenerate (of latent "
        f"{numbers[bad][0] + 1} only {float((alignment.max(axis=1) / total)[bad][0]):.0%} is one mode): at equilibrium "
        "each living latent of a linear model has a mode of its own.",
        ""
        if e.bent
        else "Train longer: axes are found last. A KL that is off, or a posterior with full covariance, "
        "leaves them mixed.",
    )


def nonlinear(e: Evidence) -> Finding | None:
    """The encoder is no linear map of the data."""
    if not e.bent or e.mismatched:
        return None
    return Finding(
        "nonlinear",
        False,
        f"The model is not linear: {e.bent}. The linear theory tells exactly when such a model is all dead, and "
        f"only roughly what follows.{_absent(e)}",
        "Judge it by its own distortion against PCA's" + ("." if e.decoded is not None else " (decode=…)."),
    )


def superfluous(e: Evidence) -> Finding | None:
    """More latents than modes that are worth their price."""
    living, K = int(e.state.active), e.posterior.latents
    dead = K - max(living, int(e.alive.sum()))
    if dead <= 0 or not e.alive.any() or e.missing.size or e.other_price:
        return None
    return Finding(
        "superfluous",
        False,
        f"{dead} of {K} latents {'are' if dead > 1 else 'is'} dead as {'they' if dead > 1 else 'it'} must: at this "
        f"price {living} mode{'s' * (living != 1)} of the data {'are' if living != 1 else 'is'} worth encoding, so "
        "more latents have nothing to do.",
        f"{living} latent{'s do' if living > 1 else ' does'} the same; "
        f"for more to live lower {e.loss.knob}{next_one(e)}.",
    )


def as_it_must(e: Evidence) -> Finding | None:
    """Nothing to complain of."""
    if e.other_price or e.missing.size or e.extra.size or e.state.active == 0 or e.kl_is_off:
        return None
    both = e.seen & (e.predicted > 0)
    if not both.any() or e.bent:
        return None
    gap, count = np.abs(e.encoded - e.predicted)[both], int(both.sum())
    told = f"{count} mode{'s are' if count != 1 else ' is'} encoded as the spectrum says"
    if e.observed is None:
        live = "latents live" if count != 1 else "latent lives"
        told = f"Ranked, {count} {live} as the spectrum says (of which modes, only the data tell)"
    return Finding(
        "as-predicted",
        False,
        f"{told}: M² is {significant(gap.mean(), 2)} off on average, {significant(gap.max(), 2)} at most{roughly(e)}.",
    )


def binary_data(e: Evidence) -> Finding | None:
    """Zeros and ones under a squared error."""
    mean, variance = e.posterior.data_mean, e.posterior.data_variance
    if mean is None or variance is None or e.loss.likelihood != "gaussian":
        return None
    if np.any(mean < 0) or np.any(np.abs(variance - mean * (1 - mean)) > 1e-6 * mean):
        return None
    return Finding(
        "binary-data",
        False,
        "The data are zeros and ones, and the loss was said to be a squared error.",
        "If it is a cross-entropy, say so (Loss.bernoulli): its prices are those of the correlation matrix.",
    )


def _absent(e: Evidence) -> str:
    if not e.absent.size:
        return ""
    return f" (A linear one would encode mode{'s' * (e.absent.size > 1)} {listed(list(e.absent))} too.)"


def few_rows(e: Evidence) -> Finding | None:
    """Too few rows to tell modes apart."""
    n, d = e.posterior.samples, e.spectrum.dimension
    if e.observed is None or n >= FEW * d:
        return None
    return Finding(
        "few-rows",
        False,
        f"{n} rows of {d} features blur the modes: their eigenvalues, and with them all predictions, are those of "
        "these rows.",
        "If the model was trained on more rows, give all of them.",
    )


def _all_else_right(e: Evidence) -> bool:
    """Whether the model is at rest at the price of the loss, with every mode where it should be."""
    if e.implied is None or e.missing.size or e.extra.size:
        return False
    return e.scatter < RIGHT and abs(np.log(e.implied / e.price)) < OFF and e.scale_error < STILL
