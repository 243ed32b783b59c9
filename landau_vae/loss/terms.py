"""The two terms of a loss: which reconstruction error, which charge for the posterior, or why it is not made of them.

    loss = a Σ ℓ(x, x̂) + b Σ KL,    and a move of x̂ and one of the posterior cost together what they cost apart

The ways in which the function may be called are tried in turn. Where none fits, other readings of
its arguments are: one that fits is a slip, and is named.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import hypot
from typing import NamedTuple

import numpy as np

from landau_vae.display import Array, significant
from landau_vae.errors import InputError
from landau_vae.loss import error_forms, probes, rate_forms
from landau_vae.loss.calling import Call
from landau_vae.loss.error_forms import Error
from landau_vae.loss.learned_sigma import learned_weight
from landau_vae.loss.precision import LOOSE, Tolerance, bits_of
from landau_vae.loss.probes import Probe
from landau_vae.loss.rate_forms import Rate
from landau_vae.loss.refusals import refused, why_no_error, why_no_rate
from landau_vae.loss.results import total
from landau_vae.loss.trials import TRIALS, Trial

ODD = 0.7310585786  # of a move: no multiple of it has the few digits of half precision
FORMULA = "½ Σ (mean² + exp(logvar) − 1 − logvar)"


@dataclass(frozen=True)
class Terms:
    """A loss that is a ℓ + b KL, with the sums over the whole batch."""

    probe: Probe
    error: Error
    rate: Rate

    @property
    def tolerance(self) -> Tolerance:
        """The wider of the two."""
        return max(self.error.fit.tolerance, self.rate.fit.tolerance)

    @property
    def chance(self) -> float:
        """Relative standard error of a price, where the function draws random numbers."""
        return hypot(self.error.fit.chance, self.rate.fit.chance)


class Refusal(NamedTuple):
    """Why a loss is not made of the two terms, as far as it was called in this way."""

    progress: int  #: 0: no call succeeded; 1: no error was found; 2: no charge; 3: they do not add up
    reason: Callable[[], InputError]


def terms_of(candidates: list[Probe], beta: float | None) -> Terms:
    """Return the two terms of the first way of calling that has them, or raise the error that says why none has."""
    refusals, settled = [], []
    for probe in candidates:
        if probe.call in settled:  # what the spread is does not matter to the error
            continue
        found = _tried(probe, beta)
        if isinstance(found, Terms):
            return found
        refusals.append(found)
        if found.progress == 1:
            settled.append(probe.call)
    best = max(range(len(refusals)), key=lambda i: (refusals[i].progress, -i))
    _raise_misread(candidates[0], beta, refusals[0].progress)
    raise refusals[best].reason()


def _tried(probe: Probe, beta: float | None) -> Terms | Refusal:
    """Return the two terms, or why the loss is not made of them."""
    prepared = _prepared(probe, beta)
    if isinstance(prepared, InputError):
        return Refusal(1, lambda: prepared)
    if prepared is None:
        return Refusal(0, lambda: why_no_error(probe))
    probe = prepared
    error = error_forms.identified(probe)
    if error is None:
        return Refusal(1, lambda: _random(probe) or why_no_error(probe))
    x, means = error.trial.states(probe)
    x_hat, moved = error.trial.x_hat(means[0]), error.trial.x_hat(means[1])
    apart = probe  # of terms that are returned apart, the KL alone is not lost in the rounding of the error
    if len(probe.total) > 1:
        [_, (name, weight)] = probe.total.items()
        apart = replace(probe, total={name: weight})
    rate = rate_forms.identified(apart, x, x_hat)
    if rate is None:
        return Refusal(2, lambda: _random(probe) or why_no_rate(apart, x, x_hat))
    if not _add_up(probe, rate, x, [x_hat, moved]):
        return Refusal(3, lambda: _random(probe) or refused("GECO"))
    rate = rate_forms.with_bounds(probe, rate, x, x_hat)
    return Terms(probe, _owned(probe, error, x, x_hat, moved), rate)


def _owned(probe: Probe, error: Error, x: Array, x_hat: Array, moved: Array) -> Error:
    """Return the error with the parameter of the function that is its variance, if there is one."""
    plain = error.likelihood.squared and error.trial.link == "identity" and not error.trial.learned
    learned = learned_weight(probe, x, x_hat, moved) if plain else None
    if learned is None:
        return error
    return replace(error, owner=learned[0], unit=learned[1] / 2 / error.fit.weight)


def _random(probe: Probe) -> InputError | None:
    """Return what two calls with the same arrays gave, or None where they agree."""
    if probe.draws == 1:
        return None
    trial, single = TRIALS[0], replace(probe, draws=1)
    x, means = trial.states(probe)
    first, second = (single(x, means[1], probes.both(probe)) for _ in range(2))
    return refused("random", first=significant(first), second=significant(second))


def _prepared(probe: Probe, beta: float | None) -> Probe | InputError | None:
    """Return the probe with the numbers that make the loss and the calls to average; None where no call succeeded."""
    for variant in _variants(probe):
        for trial in error_forms.trials(variant):
            found = _trial_calls(variant, trial)
            if found:
                rest, first, again, by_x_hat, by_posterior = found
                chance = {name: abs(first[name] - again[name]) for name in first.keys() & again.keys()}
                draws = probes.MANY if any(value > 0 for value in chance.values()) else 1
                weights = total(rest, by_x_hat, by_posterior, chance, beta)
                bits = max(map(bits_of, first.values()))
                if isinstance(weights, InputError):
                    return weights
                return replace(variant, total=weights, draws=draws, bits=bits)
    return None


def _variants(probe: Probe) -> Iterator[Probe]:
    """Yield the probe with few rows, with all of its batch, and with arrays in the examples' own precision."""
    few = min(probes.ROWS, max(2, probes.ENTRIES // probe.dimension))
    if probe.rows > few and not probe.total:
        yield replace(probe, rows=few)
    yield probe
    if probe.call.to is None:
        yield replace(probe, call=replace(probe.call, double=False))


def _trial_calls(probe: Probe, trial: Trial) -> list[dict[str, float]]:
    """Return what the function returns at rest, for a move of both (twice), for one of x̂, and one of the posterior."""
    x, means = trial.states(probe)
    x_hat, moved, place = trial.x_hat(means[0]), trial.x_hat(means[1]), probes.both(probe)
    rest, half_way = probe.components(x, x_hat), trial.x_hat(means[0] + ODD * (means[1] - means[0]))
    aside, far = (half_way, (ODD * place[0], ODD * place[1])), (probes.posteriors(probe)[0][0], place[1])
    found = [probe.components(x, *where) for where in (aside, aside, (moved, None), (x_hat, far))]
    if isinstance(rest, InputError) or isinstance(found[2], InputError):
        return []
    if not all(np.isfinite(list(each.values())).any() for each in (rest, found[2])):
        return []
    return [rest, *(rest if isinstance(each, InputError) else each for each in found)]


def _add_up(probe: Probe, rate: Rate, x: Array, x_hats: list[Array]) -> bool:
    """Whether a move of x̂ and one of the posterior cost together what they cost apart."""
    tolerance = max(rate.fit.tolerance, LOOSE)
    for place in probes.posteriors(probe)[0], probes.both(probe):
        readings = probe.read(x, [(x_hat, each) for each in (probe.prior, place) for x_hat in x_hats])
        base, moved, wider, both = readings.values
        charge = abs(wider - base)
        rounding = 4 * tolerance.grain * np.abs(readings.values).max() + readings.errors.sum()
        if np.isfinite(charge) and not abs(both - moved - wider + base) <= tolerance.relative * charge + rounding:
            return False
    return True


# ------------------------------------------------------------------------------------- misunderstandings


def _raise_misread(probe: Probe, beta: float | None, progress: int) -> None:
    """Raise the error that names a slip, where another reading of the arguments has the two terms."""
    for other, sentence in _misread(probe):
        if progress == 1 and other.call == probe.call:
            continue
        found = _tried(other, beta)
        swapped = other.call.roles.index("x") != probe.call.roles.index("x")
        if isinstance(found, Terms) and not (swapped and _symmetric(found)):
            raise InputError(f"Your function {sentence}.", "function")


def _symmetric(terms: Terms) -> bool:
    """Whether x and x̂ can be exchanged."""
    return terms.error.likelihood.squared and terms.error.trial.link == "identity"


def _misread(probe: Probe) -> Iterator[tuple[Probe, str]]:
    """Yield other ways in which the function may read its arguments, and what to say if one of them fits."""
    stated, call = probe.parametrisation, probe.call
    for name in (each for each in probes.PARAMETRISATIONS if each != stated):
        yield replace(probe, parametrisation=name), _other_spread(call, stated, name)
    x, x_hat, mean, spread = (call.name(role) for role in ("x", "x_hat", "mean", "spread"))
    swapped = "has them in that order, or exchange them in its formula"
    yield (
        replace(probe, call=call.exchanged("x", "x_hat")),
        f"takes x̂ before x: it uses its argument {x!r} as x̂ and {x_hat!r} as x: call it so that it {swapped}",
    )
    yield (
        replace(probe, call=call.exchanged("mean", "spread")),
        f"takes the {stated} before the mean: it uses its argument {mean!r} as the {stated} and {spread!r} as the "
        f"mean: call it so that it {swapped}",
    )


def _other_spread(call: Call, stated: str, found: str) -> str:
    """Return what to say of a KL whose formula is that of another spread."""
    text = f"takes its argument {call.name('spread')!r} as {found}, not as {stated}: give parametrisation={found!r}"
    if stated == "log_variance":
        text += (
            f" if your encoder gives that. If it gives log-variances, so that z is drawn with σ = exp(½ logvar), the "
            f"formula of the KL is wrong: it has to be {FORMULA}"
        )
    return text
