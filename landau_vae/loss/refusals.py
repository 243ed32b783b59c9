"""What a loss function does with the posterior where that is no multiple of the KL from a standard normal.

    Δ = 0 up to λ (free bits),    Δ < 0 up to C (capacity),    Δ = const beyond C (clamp),    least elsewhere (prior)

This is asked only after no weight of the KL has fitted (`measure`): the cause is a best guess that says what to do.
"""

from collections.abc import Callable

import numpy as np

from landau_vae.display import Array, significant
from landau_vae.errors import InputError
from landau_vae.loss.probes import FAR, LOOSE, TIGHT, Probe, fitted, kl, posteriors

__all__ = ["why_no_rate"]

ALIKE = 0.02  # of a ratio of two changes, where the possible ones are 1, √2, 2 and 4
STANDARD = "(mean² + σ² − 1 − ln σ²)/2 of every latent"

Gain = Callable[[tuple[Array, Array]], float]
Charged = Callable[..., float]


def why_no_rate(probe: Probe, x: Array, x_hat: Array) -> InputError:
    """What the function does with the posterior where it is no multiple of the KL from a standard normal."""
    base = probe.tried(x, x_hat)
    ones = np.ones((probe.batch, probe.latents))

    def gain(place: tuple[Array, Array]) -> float:
        return probe.tried(x, x_hat, place) - base

    def charged(nats: float, where: Array = ones, sign: float = 1.0) -> float:
        """Of so many nats in each latent at `where`."""
        return gain((sign * np.sqrt(2 * nats) * where, 0 * ones))

    answers = np.array([gain(place) for place in posteriors(probe)])
    if np.any(np.isnan(answers)):
        return InputError(
            f"The loss is not finite, or raises, where the posterior leaves the prior (means to {FAR:g}, σ² from 0.2 "
            "to 4.5), but a KL is finite everywhere: check what the last two arguments are."
        )
    if np.all(np.abs(answers) <= TIGHT.grain * abs(base)):
        return InputError(
            "The loss does not change with the posterior, so its KL is missing, has weight 0 or is clamped at 0: "
            "information has no price, and nothing collapses. Add β times the KL itself."
        )
    for cause in (_free_bits, _capacity, _clamped, _other_prior):
        found = cause(probe, base, gain, charged)
        if found is not None:
            return found
    return _no_kl(probe, base, gain)


def _free_bits(probe: Probe, base: float, _gain: Gain, charged: Charged) -> InputError | None:
    """max(KL, λ): nothing is charged up to λ, and everything beyond."""
    ones = np.ones((probe.batch, probe.latents))
    start = _onset(charged, ones, TIGHT.grain * abs(base))
    if start is None or abs(charged(3 * start) / charged(2 * start) - 2) > 10 * ALIKE:
        return None
    one = 0 * ones
    one[:, 0] = 1.0  # one latent throughout the batch
    alone = _onset(charged, one, TIGHT.grain * abs(base))
    total = alone is not None and alone > start * (1 + ALIKE)
    nats, of = (start * probe.latents, "all latents together") if total else (start, "each latent")
    return InputError(
        f"The KL has free bits, it costs nothing up to λ = {significant(nats, 4)} nats of {of}, so that there is no "
        "threshold: measure the loss without them (λ = 0), or count those nats as free."
    )


def _onset(charged: Charged, where: Array, grain: float) -> float | None:
    """The nats (in each latent at `where`) from which on more of them cost more; None where any do, or none."""
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
        return InputError("The KL enters with a negative sign, so that information is rewarded: turn its sign.")
    for _ in range(200):  # ternary search: falling, then rising
        third = (high - low) / 3
        if charged(np.exp(low + third)) < charged(np.exp(high - third)):
            high -= third
        else:
            low += third
    nats = float(np.exp((low + high) / 2)) * probe.latents
    return InputError(
        f"The loss charges |KL − C| with a capacity of C = {significant(nats, 4)} nats per sample (all latents "
        "together), so its optimum is a given rate and not a price: measure it with C = 0 and the KL's own weight."
    )


def _clamped(probe: Probe, _base: float, _gain: Gain, charged: Charged) -> InputError | None:
    """min(KL, C): a KL near the prior that stops growing."""
    last = charged(FAR**2)
    if abs(charged(FAR**2 / 2) - last) > 1e-3 * abs(last):
        return None
    slope = charged(1e-4) / 1e-4
    if slope <= 0:
        return None
    return InputError(
        f"The KL stops growing at about {significant(last / slope * probe.latents, 4)} nats per sample (all latents "
        "together): beyond that it has no gradient and information no price. Remove the clamp."
    )


def _other_prior(probe: Probe, base: float, gain: Gain, _charged: Charged) -> InputError | None:
    """b KL(N(μ, σ²) ‖ N(m, v)): b/v from the curvature in μ, b from the slope in ln σ², m from the slope in μ."""
    ones, h = np.ones((probe.batch, probe.latents)), 0.5
    up, down, wider, narrower = (gain(p) for p in ((h * ones, 0 * ones), (-h * ones, 0 * ones), (0 * ones, h * ones),
                                                   (0 * ones, -h * ones)))  # fmt: skip
    precision = (up + down) / h**2  # n b/v, n entries
    if not precision > 0:
        return None
    mean = (down - up) / (2 * h * precision)
    variance = (precision * np.sinh(h) - (wider - narrower)) / (h * precision)
    if not variance > 0:
        return None
    every = [(0 * ones, 0 * ones), *posteriors(probe)]
    nats = np.array([kl(((m - mean) / np.sqrt(variance), s - np.log(variance))) for m, s in every])
    values = base + np.array([gain(place) for place in every])
    if fitted(values, nats[1:] - nats[0], nats[1:] + nats[0], LOOSE) is None:
        return None
    mean, variance = round(float(mean), 4) + 0.0, float(variance)
    return InputError(
        f"The KL is one from a prior N({significant(mean, 4)}, {significant(variance, 4)}), not from the standard "
        "normal N(0, 1): measure it with m + √v · mean and v · σ² in their place, which leaves the price as it is."
    )


def _no_kl(probe: Probe, base: float, gain: Gain) -> InputError:
    """By which arguments matter, and what several rows and latents do together."""
    grain = TIGHT.grain * abs(base)
    ones, zero = np.ones((probe.batch, probe.latents)), np.zeros((probe.batch, probe.latents))
    if max(abs(gain((zero, s * ones))) for s in (1.0, -1.0)) <= grain:
        return InputError(
            f"The loss does not depend on the {probe.spread}: it is a penalty on the mean and no KL, so that σ "
            f"is not learned. Give the KL of a Gaussian posterior, {STANDARD}."
        )
    if max(abs(gain((s * ones, zero))) for s in (1.0, -1.0)) <= grain:
        return InputError(f"The KL does not depend on the mean, but {STANDARD} is expected: add the mean's part.")
    row, column = zero.copy(), zero.copy()
    row[0], column[:, 0] = 1.0, 1.0
    for where, of, hint in (
        (row, "rows of the batch", "MMD, total correlation or another statistic of the batch"),
        (column, "latents", "a full covariance, a norm or another function of all latents"),
    ):
        rest = ones - where
        apart = gain((where, zero)) + gain((rest, zero))
        if np.any(rest) and abs(gain((ones, zero)) - apart) > 1e-3 * abs(apart) + LOOSE.grain * abs(base):
            return InputError(
                f"What is charged for the posterior is no sum over {of} ({hint}), so it is no KL per sample: only "
                f"{STANDARD} has a price."
            )
    return InputError(
        "What is charged for the posterior is no multiple of its KL from a standard normal, which is expected to be "
        f"{STANDARD}: check its signs and what the fourth argument is (spread={probe.spread!r} was said)."
    )
