"""Is the price of a nat the one that was meant? A price too high, another one than stated, a KL that costs nothing.

Local stability of the collapsed state at τ ≥ λ₁ holds for any network. That it is the best state holds for linear
models of a squared error; any other may have a better state beside it.
"""

from dataclasses import replace

import numpy as np

from landau_vae import limits
from landau_vae.diagnosis.comparison import Comparison, beta_at, knob_at
from landau_vae.display import significant
from landau_vae.findings import Finding, alarm
from landau_vae.likelihoods import BERNOULLI
from landau_vae.loss.slips import slip_with_price


def kl_off(c: Comparison) -> Finding | None:
    """Find that nothing holds the latents at the prior's scale, and that the posteriors are far too narrow."""
    if not c.kl_is_off:
        return None
    prices = [price for price in (c.mode_price, c.latent_price) if price is not None]
    scales = c.posterior.second_moment[c.is_active]
    return alarm(
        "kl-off",
        "The KL term has no effect on this model: ⟨μ²⟩ + ⟨σ²⟩ of the active latents runs from "
        f"{significant(scales.min(), 3)} to {significant(scales.max(), 3)}, where any KL weight above 0 would hold it "
        f"at 1, and the posteriors are as narrow as at {knob_at(c, min(prices))} instead of {beta_at(c, c.price)}.",
        "Check whether the KL term enters the loss that is differentiated, with a weight above 0 (a β that is stored "
        "but not used, a clamp or free bits that cut its gradient, a warm-up that has hardly begun): "
        "Loss.measure(your_loss, …) measures its weight.",
        {"second_moment": scales, "scale_error": c.scale_error, "limit": limits.FREE_SCALE, "price": min(prices)},
    )


def price_too_high(c: Comparison) -> Finding | None:
    """Find a total collapse at a price above the first threshold."""
    if c.predicted.active > 0 or c.detected.any():
        return None
    first, likelihood = float(c.spectrum.eigenvalues[0]), c.loss.likelihood
    best = "For a linear model it is the best state. A nonlinear model may have a better one"
    if not likelihood.squared:
        best = f"Whether it is the best state is not known for a {likelihood.title} decoder"
    return alarm(
        "price-too-high",
        f"At {knob_at(c, c.price)} a nat costs τ = {significant(c.price, 4)}, more than the strongest mode is worth, "
        f"λ₁ = {significant(first, 4)}{_which_spectrum(c)}: the collapsed state is stable, and longer training does "
        f"not change it. {best}. Training that starts at a smaller β may find it.",
        f"Lower {c.loss.knob} below {beta_at(c, first)}, where the collapsed state loses its stability"
        f"{_more_latents(c)}.{_reason(c)}",
        {"price": c.price, "first_eigenvalue": first, "ratio": c.price / first},
    )


def other_price(c: Comparison) -> Finding | None:
    """Find that the active modes agree on another price than that of the loss."""
    if c.other_price is None or c.kl_is_off:
        return None
    count, price = int(c.detected.sum()), significant(c.other_price, 3)
    reading = f"each of {count} modes gives τ̂ = (1 − M²) λ ≈ {price} (they agree within {c.price_scatter:.1%})"
    if c.approximate:
        reading = f"their own M² give τ̂ ≈ {price}, a rough estimate because the linear theory is not exact here"
    elif count == 1:
        reading = f"the only active mode gives τ̂ = (1 − M²) λ = {price}"
    slip, argument = slip_with_price(c.other_price, c.loss, c.spectrum), ""
    cause = "Likely causes are a warm-up or an annealing of β that ended early, or a KL weight other than stated."
    if slip is not None:
        cause = f"That is the price of a loss with {slip.words}, or of a β schedule that ended there."
        argument = f" (Loss(…, {slip.argument}))"
    return Finding(
        "lower-price" if c.other_price < c.price else "higher-price",
        "alarm",
        f"The active latents were trained at another price than stated: {reading}, but {knob_at(c, c.price)} means "
        f"τ = {significant(c.price, 4)}. {cause}{_rescaled(c.other_price / c.price)}",
        f"In effect {c.loss.knob} was {beta_at(c, c.other_price)}: check where the β schedule ends and what the loss "
        f"sums and averages (Loss.measure measures it), then diagnose again with the loss as it is{argument}.",
        {"price": c.price, "fitted_price": c.other_price, "scatter": c.price_scatter, "modes": count},
    )


def free_bits(c: Comparison) -> Finding | None:
    """Find latents that have one and the same rate."""
    rates = np.sort(c.posterior.rate[c.is_active])
    encoded = max(int(c.detected.sum()), int(c.predicted.active))
    if c.kl_is_off or not c.converged or len(rates) < 3 or len(rates) <= encoded:
        return None
    for first in range(len(rates) - 2):
        group = rates[first:][rates[first:] <= rates[first] * limits.EQUAL_RATES]
        if len(group) >= 3 and group[0] > limits.FREE_RATE:
            return alarm(
                "free-bits",
                f"{len(group)} latents have the same rate, {significant(float(np.median(group)), 3)} nats, and more "
                "latents are active than modes are encoded: a sign of free bits, a KL without cost up to a limit.",
                "Below the limit a nat has no price, and the spectrum predicts nothing: diagnose a model without free "
                "bits, or read a latent at the limit as inactive.",
                {"rates": group, "ratio": group[-1] / group[0], "limit": limits.EQUAL_RATES},
            )
    return None


def _rescaled(ratio: float) -> str:
    """Return a remark where data in another scale than in training, whose square multiplies every price, explain it."""
    for scale in (255.0, 127.5, 2.0):
        if abs(abs(np.log(ratio)) - 2 * np.log(scale)) < limits.PRICE_ERROR:
            words = f"{scale:g} times" if ratio > 1 else f"1/{scale:g} of"
            return f" (Or these data are {words} those in training: prices go with the square of the scale.)"
    return ""


def _which_spectrum(c: Comparison) -> str:
    """Return which matrix the eigenvalue is of, where it is not the covariance."""
    likelihood = c.loss.likelihood
    if not likelihood.squared:
        same = ", for zeros and ones their correlations" if likelihood is BERNOULLI else ""
        return f" (of F^(−½) C F^(−½), F the variance of a {likelihood.title} decoder at the mean{same})"
    return " (with the σ² that training learns)" if c.loss.learned else ""


def _more_latents(c: Comparison) -> str:
    """Return where five latents are active."""
    k = min(5, c.spectrum.modes, c.posterior.latents)
    below = beta_at(c, float(c.spectrum.eigenvalues[k - 1]))
    return f" and the first latent becomes active; {k} are active below {below}" if k > 1 else ""


def _reason(c: Comparison) -> str:
    """Return why the price is high, which usually is a mean over features."""
    summed = replace(c.loss, reconstruction="sum")
    if c.loss.reconstruction == "sum" or summed.without_price(c.spectrum) is not None:
        return ""
    price, reductions = float(summed.price(c.spectrum)), c.loss.reductions(c.spectrum.dimension)
    reason = f" The price is so high because this loss {reductions}. If it summed the error over features, the price"
    return f"{reason} at the same β would be τ = {significant(price, 3)}." if price < c.spectrum.eigenvalues[0] else ""
