"""Why a loss function has no price: what its error, or what it charges for the posterior, is instead.

    error, near x: Δ ∝ |ε|ᵖ;    far from it: Δ(2E)/Δ(E) = 4 (square), 2 (absolute), 1 (bounded)
    KL: Δ = 0 up to λ (free bits),  Δ < 0 up to C (capacity),  Δ = const beyond C (clamp),  least elsewhere (prior)

This is asked only after no known likelihood, or no weight of the KL, has fitted (`_measure`):
the cause is a best guess that says what to do.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from landau_vae.display import Array, significant
from landau_vae.errors import InputError
from landau_vae.loss import probes, rate_forms
from landau_vae.loss.precision import LOOSE, SINGLE, TIGHT, is_coarse
from landau_vae.loss.probes import STEP, Probe
from landau_vae.loss.trials import TRIALS, WIDE, class_trials

BEYOND = 1000.0  # data units: an error that is still a square there is one
ALIKE = 0.02  # of a ratio of two changes, where the possible ones are 1, √2, 2 and 4
STANDARD = "(mean² + σ² − 1 − ln σ²)/2 of every latent"

Gain = Callable[[tuple[Array, Array]], float]
Charged = Callable[..., float]

#: What is wrong with the error, with the KL, or with both, and what to do.
SENTENCES = {
    "line": "The reconstruction error is a square near x and a line far from it, but not a Huber (smooth L1) loss (it "
    "may be log-cosh).{own}",
    "bounded": "The reconstruction error is a square near x but not far from it{clipped}, so it has no single price: "
    "measure it without that bound.",
    "infinite": "The loss is not finite where x̂ equals x, its logit or its logarithm, for x from 0.2 to 0.8 and the "
    "posterior at the prior ({at_prior}): measure a loss that is finite there.",
    "no error": "The loss does not depend on x̂: give a function of (x, x_hat, mean, spread) that holds the "
    "reconstruction error, too.",
    "own variances": "The reconstruction error grows with the logarithm of (x − x̂)², but not of its sum over the "
    "whole batch: it has a learned variance for every sample or feature of its own (or is a Student or Cauchy error), "
    "so it has no single price: share one variance.",
    "not least": "The reconstruction error is not least at x̂ = x (nor at its logit or logarithm): give x and x̂ in "
    "the same scale, and in the order (x, x_hat).",
    "absolute": "The reconstruction error grows as |x − x̂|, but not alike on both sides or for every feature, so it is "
    "not a plain absolute error (L1): measure one that is.",
    "rounding": "The KL is lost in the rounding of the loss, whose precision is single, so it may be "
    "another penalty: compute the loss in double precision, or return reconstruction and KL apart with beta=….",
    "precision": "The {part} is computed in half precision and cannot be read at these sizes: compute the loss in "
    "single or double precision (outside autocast).",
    "reward": "The loss falls when x̂ leaves x, on all sides: it is an ELBO or a log-likelihood, which is maximised. "
    "Turn its sign.",
    "classes": "The loss is finite for classes as x, but it is not a plain cross-entropy of softmax(x̂) (it may have "
    "class weights, label smoothing, a temperature, or classes that are left out), so it has no price here.",
    "root": "The reconstruction error is the root of a squared error (a norm, RMSE), whose weight grows as it falls: "
    "use the squared error itself.",
    "not additive": "The reconstruction error is not a sum over features, because moving two of them together costs "
    "{times} times as much as one by one (a perceptual, SSIM or feature-space error): measure its pixel-wise part."
    "{own}",
    "weighted": "The reconstruction error is a square whose weight differs among samples, or among more features than "
    "can be moved one by one: use the likelihood gaussian(variances) for weights of features.",
    "unknown": "The reconstruction error {detail}, so it is not one of those that are known (squared, absolute, Huber, "
    "Student, cross-entropy, Poisson, negative binomial).{own}",
    "infinite KL": "The loss is not finite, or raises, where the posterior leaves the prior (means to {far:g}, σ² from "
    "0.2 to 4.5), but a KL is finite everywhere: check what the last two arguments are.",
    "no KL": "The loss does not change with the posterior, so its KL is missing, has weight 0 or is clamped at 0: "
    "information has no price, and nothing collapses. Add β times the KL itself.",
    "fixed noise": "The KL is that of one sample whose noise is the same in each call (a seed that is set inside): "
    "leave the seed out, so that many draws can be averaged, or take the KL in closed form.",
    "free bits": "The KL has free bits: it costs nothing up to λ = {nats} nats of {holder}. A law is known for free "
    "bits of the KL's mean over the batch only (of each latent, or of all together): take the mean before the maximum.",
    "negative": "The KL enters with a negative sign, so that information is rewarded: turn its sign.",
    "capacity": "The loss charges |KL − C| with a capacity of C = {nats} nats per sample (all latents together), so "
    "its optimum is a given rate and not a price: measure it with C = 0 and the KL's own weight.",
    "clamped": "The KL stops growing at about {nats} nats per sample (all latents together): beyond that it has no "
    "gradient and information no price. Remove the clamp.",
    "no spread": "The loss does not depend on the {spread}: it is a penalty on the mean and not a KL, so that σ is not "
    f"learned. Give the KL of a Gaussian posterior, {STANDARD}; or, if σ is held at a value, like with that value.",
    "no mean": f"The KL does not depend on the mean, but {STANDARD} is expected: add the mean's part.",
    "no sum": "What is charged for the posterior is not a sum over {group}, so it is not a KL per sample: only "
    f"{STANDARD} has a price.",
    "other KL": "What is charged for the posterior is not a multiple of its KL from a standard normal, which is "
    f"expected to be {STANDARD}: check its signs, and what the fourth argument is (parametrisation={{spread!r}} "
    "was given).",
    "GECO": "The weight of the KL depends on the reconstruction error (as in GECO, or where the two are multiplied), "
    "but a fixed weight is expected: measure the loss with the weight at which training ends.",
    "own x": "At the x of like the loss changes {times}, although its error is a known one for x from 0.2 to 0.8: "
    "values of x are treated unlike (a mask where x is 0 or NaN, a class that is left out, weights or a scale made "
    "from x), so it has no single price.{own}",
    "detached": "The gradient with respect to {name} is {ratio} times that of the loss's values: a part of the loss is "
    "detached (detach, no_grad), so training does not see it. Measure what training minimises, without that part.",
    "drift": "Your function counts its calls: for the same arrays it gave {first} at first and {last} in the end (a β "
    "that warms up, a moving average). Hold what changes at its value at the end of training.",
    "random": "Two calls of your function with the same arrays gave {first} and {second}: it draws random numbers or "
    "counts its calls (a β that warms up), so fix its seed, take the KL in closed form, or hold its β.",
}


def refused(cause: str, **values: Any) -> InputError:
    """Return the error that names a cause."""
    return InputError(SENTENCES[cause].format(**values), "function")


# -------------------------------------------------------------------------------------------- the error


def why_no_error(probe: Probe) -> InputError:
    """Return what the function does with x̂ where it is not a reconstruction error that is known."""
    x, _ = TRIALS[0].states(probe)
    base, every = probe(x, x), probes.moves(x.shape, 5)
    logs = np.diff([probe(x, x + WIDE * 10**k * every[0]) for k in range(4)])
    if logs[0] > 0 and np.ptp(logs) < 1e-3 * logs[0]:
        return refused("own variances")
    if np.isnan(base):
        return _not_finite(probe, x)

    def gain(size: float, move: Array = every[1]) -> float:
        return probe(x, x + size * move) - base

    whole = [gain(size, every[0]) for size in (STEP, -STEP, BEYOND)]
    if np.nanmax(np.abs(whole)) <= TIGHT.grain * abs(base):
        return refused("no error")
    if probe.half or is_coarse(lambda scale: gain(scale * STEP, every[0])):
        return refused("precision", part="reconstruction error")
    ends = [whole[0], whole[1], gain(STEP / 10), gain(-STEP / 10)]
    if max(ends) < -LOOSE.grain * abs(base):
        return refused("reward")
    if min(ends) < -LOOSE.grain * abs(base):
        return refused("not least")
    return _by_growth(gain, every, own_term(replace(probe, rows=probe.batch)))


def _not_finite(probe: Probe, x: Array) -> InputError:
    """Return what the function raised, or that it is infinite where x̂ equals x."""
    if not all(np.isnan(probe(x, link(x))) for link in probes.LINKS.values()):
        return refused("unknown", detail="is finite only where x̂ is the logit or the logarithm of x", own="")
    for trial in class_trials(probe):
        labels, logits = trial.states(probe)
        if np.isfinite(probe(labels, trial.x_hat(logits[0]))):
            return refused("classes")
    problem = probe.attempt(x, x)
    rest = probes.PARAMETRISATIONS[probe.parametrisation](np.zeros(1))[0]
    at_prior = f"{probe.parametrisation} = {rest:g}"
    return problem if isinstance(problem, InputError) else refused("infinite", at_prior=at_prior)


def own_term(probe: Probe) -> str:
    """Return what a nat costs in units of a reconstruction term that is not known, and how to have it priced."""
    x, _ = TRIALS[0].states(probe)
    moved = x + STEP * probes.moves(x.shape, 5)[0]
    rate, twice = rate_forms.identified(probe, x, x), replace(probe, rows=2 * probe.rows)
    here, there = probe(x, moved) - probe(x, x), twice(_tiled(x), _tiled(moved)) - twice(_tiled(x), _tiled(x))
    growth = _ratio(there, here)
    if rate is None or not min(abs(growth - 1), abs(growth - 2)) < ALIKE:
        return ""
    cost = significant(rate.fit.weight * (probe.rows if growth < 1.5 else 1))
    return (
        f" One nat costs {cost} in units of this term of one sample: lv.Loss.of(lv.loss.any_loss(term, "
        f"joint=True), {cost}) is its loss, with term(x, x_hat) of each row."
    )


def _tiled(array: Array) -> Array:
    return np.concatenate([array, array])


def _by_growth(gain: Callable[..., float], every: list[Array], own: str) -> InputError:
    """Return what the power of |x − x̂| near x shows, and what two moved features do together."""
    growth = _ratio(gain(STEP), gain(STEP / 2))
    ratios = [_ratio(gain(2 * far, every[0]), gain(far, every[0])) for far in (BEYOND, BEYOND / 20)]
    far = next((ratio for ratio in ratios if np.isfinite(ratio)), np.nan)  # an exponential may overflow
    if not growth > 0:
        return refused("unknown", detail="does not grow with the distance of x̂ from x", own="")
    pair = np.zeros_like(every[1]).reshape(len(every[1]), -1)
    pair[0, 0] = pair[0, -1] = 1.0
    single, other = every[1], pair.reshape(every[1].shape) - every[1]
    together, apart = gain(STEP, single + other), gain(STEP, single) + gain(STEP, other)
    additive = not np.any(other) or abs(_ratio(together, apart) - 1) < 1e-3
    if abs(growth - 2) < ALIKE:
        return refused("absolute" if additive else "root")
    if not additive:
        return refused("not additive", times=significant(_ratio(together, apart), 3), own=own)
    if abs(growth - 4) < 10 * ALIKE and abs(far - 2) < 3 * ALIKE:
        return refused("line", own=own)
    if abs(growth - 4) < 10 * ALIKE and far < 4 - 3 * ALIKE:
        return refused("bounded", clipped=" (x̂ is clipped, or the error is bounded)" * (far < 1 + ALIKE))
    if abs(growth - 4) < ALIKE:
        return refused("weighted")
    mixed = " between an absolute error and a squared one," if 2 < growth < 4 else ""
    return refused("unknown", detail=f"grows{mixed} as |x − x̂|^{significant(float(np.log2(growth)), 3)}", own=own)


def _ratio(above: float, below: float) -> float:
    return above / below if below else float("nan")


# ----------------------------------------------------------------------------------------------- the KL


def why_no_rate(probe: Probe, x: Array, x_hat: Array) -> InputError:
    """Return what the function does with the posterior where it is not a multiple of the KL from a standard normal."""
    base = probe(x, x_hat)
    ones = np.ones((probe.rows, probe.latents))

    def gain(place: tuple[Array, Array]) -> float:
        return probe(x, x_hat, place) - base

    def charged(nats: float, where: Array = ones, sign: float = 1.0) -> float:
        """Return the cost of so many nats in each latent at `where`."""
        return gain((sign * np.sqrt(2 * nats) * where, 0 * ones))

    answers = np.array([gain(place) for place in probes.posteriors(probe)])
    if np.any(np.isnan(answers)):
        return refused("infinite KL", far=probes.FAR)
    if np.all(np.abs(answers) <= TIGHT.grain * abs(base)):
        aside = x_hat + STEP / 10
        apart = probe(x, aside, probes.posteriors(probe)[0]) - probe(x, aside)
        return refused("GECO" if abs(apart) > LOOSE.grain * abs(base) + TIGHT.grain else "no KL")
    if probe.bits <= SINGLE and abs(gain(probes.both(probe))) <= 40 * LOOSE.grain * abs(base):
        return refused("rounding")
    near = probes.both(probe)
    if probe.half or is_coarse(lambda scale: gain((scale * near[0], scale * near[1]))):
        return refused("precision", part="KL")
    if _fixed_noise(probe, gain):
        return refused("fixed noise")
    for cause in (_free_bits, _capacity, _clamped):
        refusal = cause(probe, base, gain, charged)
        if refusal is not None:
            return refusal
    return _no_kl(probe, base, gain)


def _fixed_noise(probe: Probe, gain: Gain) -> bool:
    """½[(μ + σε)² − ε²] − ln σ with one ε: the mean of the charges at ±μ is that of a KL, but each is not."""
    zero, moved = probe.prior[0], [1.5 * each for each in probes.moves(probe.prior[0].shape, 2)]
    up, down = (np.array([gain((sign * each, zero)) for each in moved]) for sign in (1.0, -1.0))
    squares = np.array([np.sum(each**2) for each in moved])
    weights = (up + down) / squares
    return bool(np.ptp(weights) < 1e-6 * abs(weights[0]) and np.abs(up - down).max() > 1e-3 * np.abs(up).max())


def _free_bits(probe: Probe, base: float, _gain: Gain, charged: Charged) -> InputError | None:
    """max(KL, λ): nothing is charged up to λ, and everything beyond."""
    ones = np.ones((probe.rows, probe.latents))
    start = _onset(charged, ones, TIGHT.grain * abs(base))
    if start is None or abs(charged(3 * start) / charged(2 * start) - 2) > 10 * ALIKE:
        return None
    one = ones * (np.arange(probe.latents) == 0)  # one latent throughout the batch
    alone = _onset(charged, one, TIGHT.grain * abs(base))
    total = alone is not None and alone > start * (1 + ALIKE)
    nats, holder = (start * probe.latents, "all latents") if total else (start, "each latent of each sample")
    return refused("free bits", nats=significant(nats, 4), holder=holder)


def _onset(charged: Charged, where: Array, grain: float) -> float | None:
    """Return the nats (in each latent at `where`) beyond which they cost something; None where all do, or none."""
    low, high = 1e-6, 1e6
    if abs(charged(low, where)) > grain or charged(high, where) <= grain:
        return None
    for _ in range(100):
        middle = np.sqrt(low * high)
        low, high = (low, middle) if abs(charged(middle, where)) > grain else (middle, high)
    return float(high)


def _capacity(probe: Probe, base: float, _gain: Gain, charged: Charged) -> InputError | None:
    """|KL − C|: each nat up to C is rewarded; with the sign reversed, each one at all."""
    tiny = 1e-5
    if not all(charged(tiny, sign=sign) < -10 * TIGHT.grain * abs(base) for sign in (1.0, -1.0)):
        return None
    low, high = np.log(1e-8), np.log(1e6)
    if charged(np.exp(high)) < charged(np.exp(high) / 10):
        return refused("negative")
    for _ in range(200):  # ternary search: falling, then rising
        third = (high - low) / 3
        if charged(np.exp(low + third)) < charged(np.exp(high - third)):
            high -= third
        else:
            low += third
    nats = float(np.exp((low + high) / 2)) * probe.latents
    return refused("capacity", nats=significant(nats, 4))


def _clamped(probe: Probe, _base: float, _gain: Gain, charged: Charged) -> InputError | None:
    """min(KL, C): a KL near the prior that stops growing."""
    last, slope = charged(probes.FAR**2), charged(1e-4) / 1e-4
    if slope <= 0 or abs(charged(probes.FAR**2 / 2) - last) > 1e-3 * abs(last):
        return None
    return refused("clamped", nats=significant(last / slope * probe.latents, 4))


def _no_kl(probe: Probe, base: float, gain: Gain) -> InputError:
    """Return which arguments matter, and what several rows and latents do together."""
    grain = TIGHT.grain * abs(base)
    ones, zero = np.ones((probe.rows, probe.latents)), np.zeros((probe.rows, probe.latents))
    if max(abs(gain((zero, s * ones))) for s in (1.0, -1.0)) <= grain:
        return refused("no spread", spread=probe.parametrisation)
    if max(abs(gain((s * ones, zero))) for s in (1.0, -1.0)) <= grain:
        return refused("no mean")
    groups = ("rows of the batch (MMD, total correlation or another statistic of the batch)",
              "latents (a full covariance, a norm or another function of all latents)")  # fmt: skip
    for axis, group in enumerate(groups):
        where = (np.indices(ones.shape)[axis] == 0).astype(float)
        others = ones - where
        apart = gain((where, zero)) + gain((others, zero))
        if np.any(others) and abs(gain((ones, zero)) - apart) > 1e-3 * abs(apart) + LOOSE.grain * abs(base):
            return refused("no sum", group=group)
    return refused("other KL", spread=probe.parametrisation)
