"""From evidence to words: what is wrong, which evidence says so, and what to do about it.

Each rule looks for one cause and gives a `Finding` or nothing. Rules that explain more come first; what they explain
is not reported again by later ones.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from landau_vae.diagnosis.evidence import EXPECTED, Evidence, Finding
from landau_vae.diagnosis.readings import dearer_than, meaning_of
from landau_vae.results import Array, listed, significant

__all__ = ["find"]

ENOUGH = 10  # modes of noise from which its level is known
PURE = 0.8  # share of a latent that must be one mode for it not to be mixed


def find(evidence: Evidence) -> tuple[Finding, ...]:
    """All findings, alarms first."""
    rules: list[Callable[[Evidence], Finding | None]] = [
        kl_off, no_survivor, other_price, not_converged, should_live, alive_though_dead, fits_noise, mixed, nonlinear,
        superfluous, as_it_must, binary_data,
    ]  # fmt: skip
    found = [finding for rule in rules if (finding := rule(evidence)) is not None]
    return tuple(sorted(found, key=lambda finding: not finding.alarm))


def kl_off(e: Evidence) -> Finding | None:
    """Nothing holds the latents at the prior's scale, and the posteriors are far too narrow."""
    if not e.kl_is_off:
        return None
    assert e.implied is not None
    second = e.posterior.second_moment[e.alive]
    return Finding(
        "kl-off",
        True,
        f"The KL has no grip on this model: ⟨μ²⟩ + ⟨σ²⟩ of the living latents runs from {significant(second.min(), 3)} "
        f"to {significant(second.max(), 3)}, where any KL weight at all would hold it at 1, and the posteriors are as "
        f"narrow as at {_at(e, e.implied)} instead of {_beta(e, e.price)}.",
        "See whether the KL term enters the loss that is differentiated, with a weight that is not 0 (a β that is "
        "stored but not used, a clamp or free bits that cut its gradient, a warm-up that has hardly begun): "
        "Loss.measure(your_loss, …) reads it off.",
    )


def no_survivor(e: Evidence) -> Finding | None:
    """The price is above the first threshold."""
    if e.state.active > 0 or e.seen.any():
        return None
    first = float(e.spectrum.eigenvalues[0])
    return Finding(
        "price-too-high",
        True,
        f"No latent can survive at this price: {_at(e, e.price)} makes a nat cost τ = {significant(e.price, 4)}, "
        f"and the strongest mode is worth λ₁ = {significant(first, 4)}{_spectrum_words(e)}. All latents collapsed "
        f"because they must: training has not failed.",
        f"Lower {e.loss.knob} below {_beta(e, first)}, where the first latent comes alive{_five(e)}.{_why_so_dear(e)}",
    )


def other_price(e: Evidence) -> Finding | None:
    """The living modes agree on another price than that of the loss."""
    if not e.other_price or e.kl_is_off:
        return None
    assert e.implied is not None
    lower = e.implied < e.price
    meaning = meaning_of(e.implied, e.loss, e.spectrum, e.posterior.latents)
    cause = (
        f"That is the price of {meaning}, or of a β schedule that ended there."
        if meaning
        else "A warm-up or an annealing of β that ended early leaves it so, or a KL weight other than the stated one."
    )
    return Finding(
        "lower-price" if lower else "higher-price",
        True,
        f"The living latents were trained at another price: each of {int(e.seen.sum())} modes tells τ̂ = "
        f"(1 − M²) λ ≈ {significant(e.implied, 3)} (they agree within {e.scatter:.1%}), where {_at(e, e.price)} "
        f"would be τ = {significant(e.price, 4)}. {cause}",
        f"In effect {e.loss.knob} was {_beta(e, e.implied)}: look at the β schedule's end and at what the loss sums "
        "and averages (Loss.measure reads it off), then diagnose again with the loss as it is.",
    )


def should_live(e: Evidence) -> Finding | None:
    """Modes are worth their price but have no latent."""
    if not e.missing.size or e.kl_is_off:
        return None
    all_dead = not e.seen.any()
    which = f"Mode{'s' * (e.missing.size > 1)} {listed(list(e.missing))}"
    what = "no latent encodes anything" if all_dead else "no latent has found them"
    if e.missing.size == 1 and not all_dead:
        what = "no latent has found it"
    slow = ""
    if e.run is not None and e.run.late.any():
        slow = f" {e.run.warnings[0]}"
    doubt = ""
    if all_dead:
        deadly = dearer_than(float(e.spectrum.eigenvalues[0]), e.loss, e.spectrum, e.posterior.latents)
        doubt = f" But they would be dead because they must if this is {deadly}: make sure." if deadly else ""
    if e.bent and not all_dead:
        return Finding(
            "should-live",
            False,
            f"{which} would live in a linear model (M² = {_range(e.expected()[e.missing])}), but {what}: this one is "
            "not linear, and may make them out of others.",
        )
    return Finding(
        "should-live",
        True,
        f"{which} should live at this price (M² = {_range(e.expected()[e.missing])} at equilibrium), but {what}"
        f"{'' if all_dead else f' (M² = {_range(e.encoded[e.missing])})'}: optimisation has not come so far, the "
        f"collapsed state is not stable here.{slow}",
        "Train longer or with a larger learning rate (latents wait on a plateau, and weak modes longest: "
        f"`lv.activation` says how long), start from larger weights, or warm β up from below.{doubt}",
    )


def not_converged(e: Evidence) -> Finding | None:
    """Latents are off the scale that any resting model has."""
    if not e.unsettled or e.kl_is_off:
        return None
    second = e.posterior.second_moment[e.alive]
    return Finding(
        "not-converged",
        True,
        f"Training has not come to rest: ⟨μ²⟩ + ⟨σ²⟩ of the living latents runs from {significant(second.min(), 3)} "
        f"to {significant(second.max(), 3)}, but is 1 at any stationary point of a VAE with a prior N(0, 1), whatever "
        "its β.",
        "Train longer, or let the learning rate fall; see whether the prior is the standard normal one.",
    )


def alive_though_dead(e: Evidence) -> Finding | None:
    """Latents live for which the linear theory sees no mode worth the price."""
    surplus = int(e.alive.sum()) - int(np.count_nonzero(e.expected() > 0))
    if e.kl_is_off or (not e.extra.size and not (e.bent and surplus > 0)):
        return None
    what = (
        f"mode{'s' * (e.extra.size > 1)} {listed(list(e.extra))} {'live' if e.extra.size > 1 else 'lives'}"
        if e.extra.size
        else f"{surplus} latents more live than there are modes worth their price"
    )
    n, d = e.posterior.samples, e.spectrum.dimension
    if e.bent:
        why = "The model is not linear, and what a nonlinear decoder gains the spectrum does not show"
    elif e.unsettled:
        why = "Their scale is still moving (⟨μ²⟩ + ⟨σ²⟩ is not 1): they have not died yet"
    elif n < 10 * d:
        why = f"{n} rows of {d} features leave room for noise: on other rows these latents would mean something else"
    else:
        why = "They are at rest and linear, so the price in training was lower than stated, or the data were others"
    return Finding(
        "alive-though-dead",
        not e.bent and not e.unsettled,
        f"Although the equilibrium says dead at this price, {what}. {why}.",
        "" if e.bent else "Compare the data with those that the loss sees, and read the loss with Loss.measure.",
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
        f"Raise {e.loss.knob} to {_beta(e, e.floor.price)}, or give the model {e.floor.modes} "
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
            f"{_latents(numbers[shared])} {'are' if shared.sum() > 1 else 'is'} rotated within modes "
            f"{listed(involved)}, whose eigenvalues are so close that the loss hardly tells their axes apart: which "
            "mixture a run ends in is chance. What they encode together is as it should be.",
            "Read them as one group; another seed turns them otherwise.",
        )
    bad = shared & ~within
    return Finding(
        "mixed",
        not e.bent and not e.unsettled and not e.other_price,
        f"{_latents(numbers[bad])} share{'s' if bad.sum() == 1 else ''} modes that are not degenerate (of latent "
        f"{numbers[bad][0] + 1} only {float((alignment.max(axis=1) / total)[bad][0]):.0%} is one mode): at equilibrium "
        "each living latent of a linear model has a mode of its own.",
        ""
        if e.bent
        else "Train longer: axes are found last. A KL that is off, or a posterior with full covariance, "
        "leaves them mixed.",
    )


def nonlinear(e: Evidence) -> Finding | None:
    """The encoder is no linear map of the data."""
    if not e.bent:
        return None
    return Finding(
        "nonlinear",
        False,
        f"The model is not linear: {e.bent}. The linear theory tells exactly when such a model is all dead, and "
        "only roughly what follows.",
        "Judge it by its own distortion against PCA's" + ("." if e.decoded is not None else " (decode=…)."),
    )


def superfluous(e: Evidence) -> Finding | None:
    """More latents than modes that are worth their price."""
    living, K = int(e.state.active), e.posterior.latents
    dead = K - int(e.alive.sum())
    if living == 0 or living >= K or dead == 0 or e.missing.size or e.other_price:
        return None
    return Finding(
        "superfluous",
        False,
        f"{dead} of {K} latents {'are' if dead > 1 else 'is'} dead as {'they' if dead > 1 else 'it'} must: at this "
        f"price {living} mode{'s' * (living != 1)} of the data {'are' if living != 1 else 'is'} worth encoding, so "
        "more latents have nothing to do.",
        f"{living} latent{'s do' if living > 1 else ' does'} the same; for more to live lower {e.loss.knob}{_next(e)}.",
    )


def as_it_must(e: Evidence) -> Finding | None:
    """Nothing to complain of."""
    if e.other_price or e.missing.size or e.extra.size or e.state.active == 0 or e.kl_is_off:
        return None
    both = e.seen & (e.predicted > 0)
    if not both.any() or e.bent:
        return None
    gap, count = np.abs(e.encoded - e.predicted)[both], int(both.sum())
    return Finding(
        "as-predicted",
        False,
        f"{count} mode{'s live' if count != 1 else ' lives'} as the spectrum says: M² is {significant(gap.mean(), 2)} "
        f"off on average, {significant(gap.max(), 2)} at most{_rough(e)}.",
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


# --------------------------------------------------------------------------------------- the words


def _beta(e: Evidence, price: float) -> str:
    return significant(float(e.loss.beta_at(price, e.spectrum)), 4)


def _latents(numbers: NDArray[np.intp]) -> str:
    return f"Latent{'s' * (len(numbers) > 1)} {listed(list(numbers))}"


def _at(e: Evidence, price: float) -> str:
    return f"{e.loss.knob} = {_beta(e, price)}"


def _range(values: Array) -> str:
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} … {high}"


def _spectrum_words(e: Evidence) -> str:
    if e.loss.likelihood == "bernoulli":
        return " (of data that a Bernoulli decoder sees as their correlations, F^(−½) C F^(−½))"
    if e.loss.likelihood == "poisson":
        return " (of F^(−½) C F^(−½), F the mean of the counts)"
    return " (with the σ² that training learns)" if e.loss.learned else ""


def _rough(e: Evidence) -> str:
    if e.loss.likelihood == "gaussian":
        return ""
    name = e.loss.likelihood.capitalize()
    return f" (a {name} decoder's first threshold is exact, what follows shifts once a mode lives)"


def _five(e: Evidence) -> str:
    k = min(5, e.spectrum.modes, e.posterior.latents)
    return f"; {k} live below {_beta(e, float(e.spectrum.eigenvalues[k - 1]))}" if k > 1 else ""


def _next(e: Evidence) -> str:
    living = int(e.state.active)
    if living >= e.spectrum.modes:
        return ""
    return f" (the next one comes alive below {_beta(e, float(e.spectrum.eigenvalues[living]))})"


def _why_so_dear(e: Evidence) -> str:
    """A mean over features is the usual reason."""
    d = e.spectrum.dimension
    if e.loss.reconstruction == "mean" and e.price / d < float(e.spectrum.eigenvalues[0]):
        return (
            f" The price is so high because this loss averages the error over its {d} features while it sums the KL: "
            f"summed over features, the same β would charge {significant(e.price / d, 3)}."
        )
    return ""
