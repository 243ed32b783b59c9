"""What a loss function does with x̂ where that is no squared error, cross-entropy or Poisson likelihood.

    near x: Δ ∝ |ε|ᵖ;    far from it: Δ(2E)/Δ(E) = 4 (square), 2 (absolute), 1 (bounded)

This is asked only after no known likelihood has fitted (`measure`): the cause is a best guess that says what to do.
"""

from collections.abc import Callable

import numpy as np

from landau_vae.display import Array, significant
from landau_vae.errors import InputError
from landau_vae.loss.probes import LINKS, LOOSE, SPREADS, STEP, TIGHT, TRIALS, WIDE, Probe, Tolerance, moves

__all__ = ["saturates", "why_no_error"]

BEYOND = 1000.0  # data units: an error that is still a square there is one
ALIKE = 0.02  # of a ratio of two changes, where the possible ones are 1, √2, 2 and 4


def saturates(probe: Probe, x: Array, base: float, a: float, tolerance: Tolerance) -> None:
    """Raise where an error that is a square near x is none far from it; one that raises there is let pass."""
    far = BEYOND * moves(x.shape, np.random.default_rng(4))[0]
    near, further = probe.tried(x, x + far) - base, probe.tried(x, x + 2 * far) - base
    expected = a * np.sum(far**2)
    if np.isfinite(near) and abs(near - expected) > 10 * tolerance.relative * expected:
        raise _bent(near, further, expected, float(np.abs(far).sum()), float(np.sum(far**2)))


def _bent(near: float, further: float, expected: float, length: float, square: float) -> InputError:
    growth = _ratio(further, near)
    if abs(growth - 2) < ALIKE:
        corner = near / expected * square / length / 2  # slope 2aδ at large distances
        return InputError(
            "The reconstruction error is a Huber (smooth L1) or log-cosh loss, a square near x and a line beyond "
            f"|x − x̂| = {significant(corner, 3)}, so it has no single price: use the squared error if your residuals "
            "stay within that, and say so by hand with Loss.gaussian."
        )
    return InputError(
        "The reconstruction error is a square near x but not far from it"
        f"{' (x̂ is clipped, or the error is bounded)' if growth < 1 + ALIKE else ''}, so it has no single price: "
        "measure it without that bound."
    )


def why_no_error(probe: Probe) -> InputError:
    """What the function does with x̂ where it is no squared error, cross-entropy or Poisson likelihood."""
    x, _ = TRIALS[0].states(probe)
    base = probe.tried(x, x)
    if np.isnan(base):
        if all(np.isnan(probe.tried(x, link(x))) for link in LINKS.values()):
            probe(x, x)  # which tells what it raises
            return InputError(
                "The loss is not finite where x̂ equals x, its logit or its logarithm, for x from 0.2 to 0.8 and the "
                f"posterior at the prior ({probe.spread} = {SPREADS[probe.spread](np.zeros(1))[0]:g}): measure a loss "
                "that is finite there."
            )
        return _unknown("is finite only where x̂ is the logit or the logarithm of x")
    every = moves(x.shape, np.random.default_rng(5))

    def gain(size: float, move: Array = every[1]) -> float:
        return probe.tried(x, x + size * move) - base

    whole = [gain(size, every[0]) for size in (STEP, -STEP, BEYOND)]
    if max(map(abs, whole)) <= TIGHT.grain * abs(base):
        return InputError(
            "The loss does not depend on x̂: give a function of (x, x_hat, mean, spread) that holds the "
            "reconstruction error, too."
        )
    logs = np.diff([gain(WIDE * 10**k, every[0]) for k in range(3)])
    if logs[0] > 0 and abs(logs[1] / logs[0] - 1) < 1e-3:
        return InputError(
            "The reconstruction error grows with the logarithm of (x − x̂)², but not of its sum over the whole batch: "
            "it has a learned variance for every sample or feature of its own (or is a Student or Cauchy error), so "
            "it has no single price: share one variance."
        )
    if min(whole[0], whole[1], gain(STEP / 10), gain(-STEP / 10)) < -LOOSE.grain * abs(base):
        return InputError(
            "The reconstruction error is not least at x̂ = x (nor at its logit or logarithm): give x and x̂ in the same "
            "scale, and in the order (x, x_hat)."
        )
    return _by_growth(gain, every)


def _by_growth(gain: Callable[..., float], every: list[Array]) -> InputError:
    """By the power of |x − x̂| near x, and by what two moved features do together."""
    growth = _ratio(gain(STEP), gain(STEP / 2))
    if not growth > 0:
        return _unknown("does not grow with the distance of x̂ from x")
    pair = np.zeros_like(every[1]).reshape(len(every[1]), -1)
    pair[0, 0] = pair[0, -1] = 1.0
    single, other = every[1], pair.reshape(every[1].shape) - every[1]
    together, apart = gain(STEP, single + other), gain(STEP, single) + gain(STEP, other)
    additive = not np.any(other) or abs(_ratio(together, apart) - 1) < 1e-3
    if abs(growth - 2) < ALIKE and additive:
        return InputError(
            "The reconstruction error is an absolute error (L1), which has no price in squared units, as its optimum "
            "is a median: train with a squared error to predict collapse from a spectrum."
        )
    if abs(growth - 2) < ALIKE:
        return InputError(
            "The reconstruction error is the root of a squared error (a norm, RMSE), whose weight grows as it falls: "
            "use the squared error itself."
        )
    far = _ratio(gain(2 * BEYOND, every[0]), gain(BEYOND, every[0]))
    if abs(growth - 4) < 0.2 and additive and abs(far - 2) < ALIKE:
        return InputError(
            "The reconstruction error is a square near x and a line far from it (a Huber, smooth L1 or log-cosh "
            "loss), so it has no single price: use the squared error."
        )
    if not additive:
        return InputError(
            "The reconstruction error is no sum over features, because moving two of them together costs "
            f"{significant(_ratio(together, apart), 3)} times as much as one by one (a perceptual, SSIM or "
            "feature-space error): measure the pixel-wise part of the loss alone."
        )
    if abs(growth - 4) < ALIKE:
        return InputError(
            "The reconstruction error is a square whose weight differs among features or samples: multiply the data by "
            "the root of each weight, and measure the unweighted loss."
        )
    mixed = " between an absolute error and a squared one," if 2 < growth < 4 else ""
    return _unknown(f"grows{mixed} as |x − x̂|^{significant(float(np.log2(growth)), 3)}")


def _ratio(above: float, below: float) -> float:
    return above / below if below else float("nan")


def _unknown(detail: str) -> InputError:
    return InputError(
        f"The reconstruction error {detail}, so it is no squared error, Bernoulli cross-entropy or Poisson likelihood. "
        "Only these have a price: measure such a part of the loss alone, in single or double precision."
    )
