"""Is z drawn as the loss states? Noise of another width, log-variances taken for ln σ, heads with other bounds.

By the usual sampler ⟨μ²⟩ + ⟨σ²⟩ = 1 at rest, and means and widths tell one price. Noise that is
c times as wide leaves the first as it is, and the price by widths is 1/c² of that by means (of
a linear decoder). Where the log-variance is drawn with as ln σ, 2⟨μ²⟩ + ⟨σ²⟩ = 1 for any
network (`landau-vae derive samplers-and-heads`). Source: this package.
"""

from dataclasses import replace

import numpy as np

from landau_vae import limits
from landau_vae.diagnosis.comparison import Comparison
from landau_vae.diagnosis.posterior import SAME
from landau_vae.display import Array, listed, significant, span
from landau_vae.findings import Finding, alarm
from landau_vae.loss.sampler import Sampler

LOOKS = 2  # at the prices with another width of the noise


def other_head(c: Comparison) -> Finding | None:
    """Find posteriors whose σ² is outside of what the loss states of the head."""
    (low, high), q = c.loss.sampler.bounds, c.posterior
    least, most = float(q.narrowest.min()), float(q.widest.max())
    if low * (1 - limits.OUT_OF_BOUNDS) <= least and most <= high * (1 + limits.OUT_OF_BOUNDS):
        return None
    return alarm(
        "other-head",
        f"σ² is between {significant(least, 3)} and {significant(most, 3)} here, but the loss is stated with "
        f"{c.loss.sampler.words}: the head is another one, or σ² is that of another layer.",
        "State the sampler as it is (Loss(…, sampler=Sampler(…)), without one if σ is free), and pass the σ that "
        "the KL is computed with.",
        {"least": least, "most": most, "bounds": (low, high), "causes": ("frozen-variance", "softplus-head")},
    )


def log_variance_as_log_std(c: Comparison) -> Finding | None:
    """Find that 2⟨μ²⟩ + ⟨σ²⟩ is 1, and not ⟨μ²⟩ + ⟨σ²⟩."""
    q, active = c.posterior, c.is_active
    if not c.loss.sampler.plain or active.sum() < 2:
        return None
    usual, other = (np.abs(np.log(p * q.mean_square + q.variance)[active]) for p in (1, 2))
    if other.max() > limits.SCALE_ERROR or np.median(other) > limits.SCALE_NEAR_REST:
        return None
    if np.median(usual) <= limits.SCALE_ERROR:
        return None
    return alarm(
        "log-std-sampled",
        "The sampler takes the KL's log-variance for ln σ: ⟨μ²⟩ + ⟨σ²⟩ of the active latents is "
        f"{span(q.second_moment[active])} where 1 is expected, but 2⟨μ²⟩ + ⟨σ²⟩ is 1 within {other.max():.1%}, as "
        "it is for any network whose noise is exp(log_variance) ε.",
        "Draw with exp(log_variance / 2). If it is to stay, state it: sampler=Sampler(log_std=True); then latents are "
        "lost with a jump, and a run from small weights stays collapsed where another state is better.",
        {"latents": np.flatnonzero(active) + 1, "second_moment": q.second_moment[active], "causes": ("noise-size",)},
    )


def scaled_noise(c: Comparison) -> Finding | None:
    """Find noise that is drawn wider or narrower than the KL has it."""
    if not c.loss.sampler.plain or c.own_term or c.frozen or c.scale_error > limits.SCALE_NEAR_REST:
        return None
    hidden = c.collapsed and c.decoded is not None and c.decoded.mean[-1] < limits.HIDDEN
    scale = None if c.collapsed else _by_prices(c) if c.prices is not None else _by_modes(c)
    if scale is None and not hidden:
        return None
    known = "far below" if scale is None else f"about {significant(scale, 2)} times"
    how = (
        f"with z = μ the decoder leaves {c.decoded.mean[-1]:.0%} of the variance, although the posteriors are as wide "
        "as the prior"
        if hidden and c.decoded is not None
        else "by their widths the latents would obey other prices than stated, by such a noise the stated one"
    )
    return alarm(
        "noise-scaled",
        f"The noise that z was drawn with in training has {known} the σ of the KL: {how}.",
        "See what multiplies ε in the sampler (epsilon_std, a temperature, ε from another distribution): it should "
        f"be 1. If it is to stay, state it: sampler=Sampler(noise_scale={'…' if scale is None else f'{scale:.2g}'}); "
        "the threshold of a mode is then at τ = λ/c².",
        {"noise_scale": scale, "causes": ("noise-size",)},
    )


def _by_prices(c: Comparison) -> float | None:
    """Return the c at which widths and means of all latents tell the stated price, which they do not at 1."""
    if c.measured is None or not (c.at_odds or c.separate.size):
        return None
    scale, prices = 1.0, c.prices
    for _ in range(LOOKS):
        if prices is None or not np.all(prices.width > 0):
            return None
        scale *= float(np.sqrt(c.price / np.median(prices.width)))
        prices = c.measured.priced(Sampler(noise_scale=scale))
    told = replace(c, prices=prices)
    means = abs(np.log(told.mean_price[0] / c.price)) if told.mean_price[0] > 0 else np.inf
    fits = means < np.log(limits.MEANS_AGREE) and told.mean_price[1] < (limits.MEANS_AGREE - 1) * c.price
    return scale if fits and not told.separate.size and told.other_price is None else None


def _by_modes(c: Comparison) -> float | None:
    """Return the c at which the modes of a linear model agree on the stated price, which they do not at 1."""
    if not c.linear or c.mode_prices.size < limits.MODES_OF_A_LAW or c.price_scatter < limits.MOVING_SCATTER:
        return None
    lam, s = c.eigenvalues[c.detected], 1 - c.observed_signal[c.detected]

    def off(scale: float) -> float:
        return float(np.max(np.abs(np.log(_price(scale, s) * lam / c.price))))

    sides = np.sqrt(lam / (c.price * s))  # c + (1/s − 1)/c of each mode
    inside = np.sqrt(np.maximum(sides**2 - 4 * (1 / s - 1), 0.0))
    candidates = [float(np.median(each)) for each in ((sides + inside) / 2, (sides - inside) / 2)]
    best = min((each for each in candidates if each > 0), key=off, default=None)
    return best if best is not None and off(best) < limits.PRICE_ERROR / 3 else None


def _price(scale: float, variance: Array) -> Array:
    """Return τ/λ of active modes of this σ² at a noise scale."""
    residual = 1 / (1 + (1 / variance - 1) / scale**2)
    return Sampler(noise_scale=scale).ratio(residual)


def clamped(c: Comparison) -> Finding | None:
    """Find several latents whose least or largest σ² is one number, and that are not at rest with it."""
    q, active = c.posterior, np.flatnonzero(c.is_active & (np.abs(np.log(c.posterior.scale)) > limits.SCALE_ERROR))
    if not c.loss.sampler.plain or c.frozen or active.size < 2:
        return None
    for name, ends in (("below", q.narrowest[active]), ("above", q.widest[active])):
        bound = float(ends.min() if name == "below" else ends.max())
        stuck = active[np.abs(ends / bound - 1) < SAME]
        if stuck.size > 1 and abs(bound - 1) > limits.OUT_OF_BOUNDS:
            return _clamped(c, name, bound, stuck)
    return None


def _clamped(c: Comparison, name: str, bound: float, stuck: np.ndarray) -> Finding:
    least = "least" if name == "below" else "most"
    return alarm(
        "clamped-variance",
        f"σ² of {listed(list(stuck), 'latent')} does not go {name} {significant(bound, 4)}: the log-variance is "
        f"clamped at {significant(float(np.log(bound)), 3)}, and their ⟨μ²⟩ + ⟨σ²⟩ is "
        f"{span(c.posterior.second_moment[stuck])} instead of 1.",
        f"Widen the clamp. If it is to stay, state it: sampler=Sampler({least}={significant(bound, 4)}).",
        {"latents": stuck + 1, "bound": bound, "causes": ("clamped-variance",)},
    )
