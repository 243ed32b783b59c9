"""What a KL and a reconstruction mean, in sentences: active or collapsed, as expected or not, and in which units."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import log
from typing import get_args

import numpy as np

from landau_vae.diagnosis.two_numbers import TwoNumbers
from landau_vae.display import counted, significant
from landau_vae.findings import Finding, alarm, by_severity, remark
from landau_vae.limits import NETWORK_GAIN, NETWORK_RATE, NETWORK_RATE_LEAST, OTHER_PRICE, PRICE_ERROR
from landau_vae.loss import Logged
from landau_vae.loss.logged import LoggedError, LoggedKL
from landau_vae.loss.slips import slip_with_price

FITTING = 3.0  # factor in a price, within which another unit of the two numbers is proposed
PROPOSED = 2  # other units, at most

KL_IN_WORDS = {
    "unweighted": "before its weight", "weighted": "with its weight", "row": "of a row",
    "latent": "averaged over latents", "feature": "averaged over features",
}  # fmt: skip
ERROR_IN_WORDS = {
    "loss": "as in the loss",
    "row": "summed over features, unweighted",
    "feature": "averaged over features",
}
DIAGNOSE = "lv.diagnose(…, decode=model.decode) measures the price in effect"


def statements(t: TwoNumbers) -> tuple[Finding, ...]:
    """Return what follows from the two numbers, alarms first."""
    rules = (_negative, VERDICTS[t.verdict], _without_price, _expected, _as_linear, _units, _other_units, _unknown)
    return by_severity([rule(t) for rule in rules])


# ----------------------------------------------------------------------------------------- verdicts


def _collapsed(t: TwoNumbers) -> Finding:
    first = float(t.spectrum.eigenvalues[0]) * t.loss.sampler.unstable
    found = f"The model has collapsed: {_short(t.rate)} nats of a row, no latent in use{_reconstructs(t)}."
    if np.isnan(t.price):
        return remark("collapsed", found)
    if not t.price < first:
        costs = f"a nat costs τ = {_short(t.price)}, more than the strongest mode is worth (λ₁ = {_short(first)})"
        later = "A nonlinear network may keep a latent somewhat above it: lv.onset says up to where"
        advice = f"Train with β below {_short(float(t.loss.collapse_beta(first, t.spectrum)))}. {later}."
        return remark("collapsed", f"{found} That is as predicted: {costs}.", advice)
    return remark(
        "collapsed-below-threshold",
        f"{found} It cannot stay so: at τ = {_short(t.price)} the collapsed state of any network is unstable, because "
        f"the strongest mode is worth λ₁ = {_short(first)}.",
        "Early in training this is the plateau, and the KL will rise (lv.numeric.activation says after how many "
        f"updates). After that, either the learning rate is too small or the KL weighs more than stated: {DIAGNOSE}.",
    )


def _active(t: TwoNumbers) -> Finding:
    latents = "" if t.active is None else f" in about {counted(t.active, 'latent')}, as a linear model spreads them"
    return remark("active", f"The model is active: {_short(t.rate)} nats of a row{latents}{_reconstructs(t)}.")


def _ignored(t: TwoNumbers) -> Finding:
    return remark(
        "ignored",
        f"The KL is {_short(t.rate)} nats of a row, but the reconstruction is that of the mean predictor "
        f"(it {t.gain}): the decoder makes no use of the latents.",
        "In the first updates that passes. Later, look for means that are one constant for all rows, a KL to another "
        "prior, or two numbers of different rows or units.",
    )


def _worse(t: TwoNumbers) -> Finding:
    return remark(
        "worse-than-mean",
        f"The reconstruction is {-t.explained:.1%} of the variance worse than the mean predictor's, which the output "
        "bias alone reaches.",
        "In the first updates that passes. Later, the data are in other units than the outputs (0–255, standardised), "
        "the outputs are logits, or the logged number has a constant (Logged(constant=…)).",
    )


def _inconsistent(t: TwoNumbers) -> Finding:
    if t.below_zero:
        return alarm(
            "inconsistent",
            f"The error of a row is {_short(t.error)}, but no sum of squares is negative.",
            "The logged number has a constant, such as that of a log-density (Logged(constant=…)), or the wrong sign.",
        )
    times = f"{t.efficiency:.3g} times as much as" if np.isfinite(t.efficiency) else "infinitely more than"
    return alarm(
        "inconsistent",
        f"{_short(t.rate)} nats of a row cannot explain {t.explained:.1%} of the variance: that is {times} the best "
        f"linear model does with them, and no network of the record had more than {NETWORK_GAIN:g}.",
        "Either one of the two is logged in another unit than stated, or the decoder is given more than z (skip "
        "connections, earlier steps of a sequence, a condition).",
    )


VERDICTS = {
    "collapsed": _collapsed, "active": _active, "ignored": _ignored, "worse than the mean": _worse,
    "inconsistent": _inconsistent,
}  # fmt: skip


def _reconstructs(t: TwoNumbers) -> str:
    return "" if np.isnan(t.explained) else f"; the reconstruction {t.gain}"


# --------------------------------------------------------------------------------- what is expected


def _negative(t: TwoNumbers) -> Finding | None:
    if t.kl >= 0:
        return None
    advice = "Log the mean over more rows or draws, or the closed form of the KL."
    return remark(
        "negative-kl", f"The KL is {_short(t.kl)}, but no KL is negative: it is an estimate by draws.", advice
    )


def _without_price(t: TwoNumbers) -> Finding | None:
    problem = t.loss.without_price(t.spectrum)
    return None if problem is None else remark("no-price", problem)


def _expected(t: TwoNumbers) -> Finding | None:
    """Say what a linear model at rest would log, and how far networks are from it."""
    if t.equilibrium is None:
        return None
    linear = t.loss.likelihood.linear_law
    expected = (
        f"At {t.loss.knob} = {_short(float(t.loss.beta))} {'a linear model' if linear else 'a model'} at rest logs KL "
        f"{_short(t.expected_kl)} and reconstruction {_short(t.expected_reconstruction)}, with "
        f"{counted(t.expected_active or 0, 'latent')}"
    )
    ratio = t.rate / t.expected_rate if t.expected_rate > 0 else np.nan
    if ratio > 0:
        expected += f"; here the KL is {_short(ratio)} times that"
    advice = (
        f"Nonlinear networks of the record had {NETWORK_RATE_LEAST:g} to {NETWORK_RATE:g} times this KL and no larger "
        "error: for them it is a prediction from the collapsed state."
        if linear
        else "That is a prediction from the collapsed state, to second order, and the better the smaller the KL is."
    )
    if linear and t.verdict == "active" and t.by_rate > 0 and not NETWORK_RATE_LEAST <= ratio <= NETWORK_RATE:
        beta = _short(float(t.loss.collapse_beta(t.by_rate, t.spectrum)))
        advice += (
            f" This KL is outside that range: another weight may be in effect, since a linear model logs this KL at "
            f"{t.loss.knob} = {beta}, or the model is not at rest; {DIAGNOSE}."
        )
    return remark("expected", f"{expected}.", advice)


def _as_linear(t: TwoNumbers) -> Finding | None:
    """Say whether the two numbers belong to one linear model, and what follows."""
    if t.verdict != "active" or np.isnan(t.by_rate) or not t.loss.likelihood.linear_law:
        return None
    if t.by_error > 0 and abs(log(t.by_error / t.by_rate)) <= PRICE_ERROR:
        return _one_linear_model(t)
    if t.efficiency > 1:
        return remark(
            "better-than-linear",
            f"No linear model explains so much with this KL: it is {_short(t.efficiency)} times what the best one can. "
            "The model is nonlinear, or its numbers are those of z = μ(x), which do not pay for noise.",
            f"That is not a fault, but these two numbers then do not give the price: {DIAGNOSE}.",
        )
    needed = np.maximum(np.log(t.spectrum.eigenvalues[: t.loss.latents] / t.by_error), 0.0).sum() / 2
    return remark(
        "worse-than-linear",
        f"A linear model explains as much with {_short(float(needed))} nats of a row, {_short(needed / t.rate)} times "
        "what is spent here.",
        "The model is nonlinear and spreads its KL otherwise, or is not at rest yet, or its rows were held out, or "
        "latents pay for what the decoder does not use.",
    )


def _one_linear_model(t: TwoNumbers) -> Finding:
    price = float(np.sqrt(t.by_rate) * np.sqrt(t.by_error))
    beta = float(t.loss.collapse_beta(price, t.spectrum))
    at = f" ({t.loss.knob} = {_short(beta)})" if 0 < beta < np.inf else ""
    agree = f"The two numbers agree with one linear model at rest, of price τ = {_short(price)}{at}"
    if not t.price > 0 or abs(log(price / t.price)) <= log(OTHER_PRICE):
        return remark("one-linear-model", f"{agree}.")
    slip = slip_with_price(price, t.loss.with_latents(t.loss.latents or t.spectrum.modes), t.spectrum)
    cause = f": as a loss with {slip.words} has it" if slip else ""
    return remark(
        "other-price",
        f"{agree}, {_short(price / t.price)} times the stated one{cause}.",
        f"If the model is linear, its loss is not as stated. If it is not, {DIAGNOSE}.",
        {"factor": price / t.price, "slip": slip.code if slip else None},
    )


# -------------------------------------------------------------------------------------------- units


def _units(t: TwoNumbers) -> Finding:
    d, latents = t.spectrum.dimension, t.loss.latents
    each = f", {_short(t.rate / latents)} of each of {latents} latents" * bool(latents) if latents else ""
    return remark(
        "units",
        f"The logged KL ({KL_IN_WORDS[t.logged.kl]}) of {_short(t.kl)} is {_short(t.rate)} nats of a row "
        f"({_short(t.rate / log(2))} bits): {_short(t.rate / d)} nats of each of {d} features{each}.",
    )


def _other_units(t: TwoNumbers) -> Finding | None:
    """Propose other units in which the numbers would be those of one model at the stated price."""
    doubtful = t.verdict != "active" or t.efficiency > NETWORK_GAIN
    readings = [each for each in _readings(t) if _fits(each, t.price, loosely=doubtful)]
    if not readings or _fits(t, t.price, loosely=False):
        return None
    units = [(each.logged.kl, each.logged.reconstruction) for each in sorted(readings, key=_misfit)[:PROPOSED]]
    words = " or ".join(f"the KL is logged {KL_IN_WORDS[kl]}, the error {ERROR_IN_WORDS[error]}" for kl, error in units)
    return remark(
        "other-units",
        f"The two would be those of one model near the stated price if {words}.",
        "Then say so: Logged(kl={!r}, reconstruction={!r}).".format(*units[0]),
        {"readings": units},
    )


def _readings(t: TwoNumbers) -> Iterator[TwoNumbers]:
    """Yield the same two numbers in every other unit."""
    for kl, error in product(get_args(LoggedKL), get_args(LoggedError)):
        if (kl == "latent" and t.loss.latents is None) or (kl == "weighted" and t.loss.constraint is not None):
            continue
        other = replace(t, logged=Logged(kl, error, t.logged.rows, t.logged.constant))
        if not (np.isclose(other.rate, t.rate) and np.isclose(other.error, t.error)):
            yield other


def _fits(t: TwoNumbers, price: float, *, loosely: bool) -> bool:
    """Return whether the numbers are those of one model at a price: of any network, or of a linear one."""
    if t.verdict != "active" or not t.by_rate > 0:
        return False
    if loosely:
        near = not price > 0 or abs(log(t.by_rate / price)) < log(FITTING)
        return near and 1 / FITTING < t.efficiency < NETWORK_GAIN
    both = price > 0 and t.by_error > 0
    return both and max(abs(log(each / price)) for each in (t.by_rate, t.by_error)) < PRICE_ERROR


def _misfit(t: TwoNumbers) -> float:
    return abs(log(t.efficiency))


def _unknown(t: TwoNumbers) -> Finding | None:
    if np.isfinite(t.mean_error):
        return None
    return remark(
        "mean-unknown",
        f"What the mean predictor costs under a {t.loss.likelihood.title} decoder is not known of this spectrum.",
        "Give the rows (data=X), and the reconstruction is explained too.",
    )


def _short(value: float) -> str:
    return significant(float(value), 3)
