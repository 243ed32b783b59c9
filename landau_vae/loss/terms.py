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
from landau_vae.loss.learned_sigma import learned_weight, raise_trained_rate
from landau_vae.loss.precision import LOOSE, SINGLE, TIGHT, Tolerance, bits_of
from landau_vae.loss.probes import Posterior, Probe, Start
from landau_vae.loss.rate_forms import Rate
from landau_vae.loss.refusals import refused, why_no_error, why_no_rate
from landau_vae.loss.results import total
from landau_vae.loss.trials import Trial

DRIFTED = 8.0  # standard deviations of one draw
AGAIN = 4  # calls that show whether a function draws random numbers
REPEATED = 4  # times as many calls are averaged where the first ones gave no law
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
    random: bool = False  #: whether two calls with the same arrays differed, so that many forms fit


def terms_of(candidates: list[Probe], beta: float | None) -> Terms:
    """Return the two terms of the first way of calling that has them, or raise the error that says why none has."""
    refusals, asked, settled = [], [], []
    for probe in candidates:
        if probe.call in settled:  # what the spread is does not matter to the error
            continue
        found = _tried(probe, beta)
        if isinstance(found, Terms):
            return found
        refusals.append(found)
        asked.append(probe)
        if found.progress == 1:
            settled.append(probe.call)
    best = max(range(len(refusals)), key=lambda i: (refusals[i].progress, -i))
    if refusals[best].random and asked[best].draws == 1:  # of dozens of readings one may be off by chance: once more
        return terms_of([replace(asked[best], draws=REPEATED * probes.MANY)], beta)
    if not refusals[0].random:
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
        return Refusal(1, lambda: _random(probe) or why_no_error(probe), probe.draws > 1)
    x, means = error.trial.states(probe)
    x_hat, moved = error.trial.x_hat(means[0]), error.trial.x_hat(means[1])
    apart = probe  # of terms that are returned apart, the KL alone is not lost in the rounding of the error
    if len(probe.total) > 1:
        [_, (name, weight)] = probe.total.items()
        apart = replace(probe, total={name: weight})
    rate = rate_forms.identified(apart, x, x_hat)
    if rate is None:
        return Refusal(2, lambda: _random(probe) or why_no_rate(apart, x, x_hat), probe.draws > 1)
    if not _add_up(probe, rate, x, [x_hat, moved]):
        return Refusal(3, lambda: _random(probe) or refused("GECO"), probe.draws > 1)
    if probe.draws == 1:
        raise_trained_rate(apart, x, x_hat)
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
    if probe.draws == 1 or probe.start is None:
        return drift(probe)
    x, x_hat, posterior, first = probe.start
    second = replace(probe, draws=1)(x, x_hat, posterior)
    return drift(probe) or refused("random", first=significant(first), second=significant(second))


def drift(probe: Probe) -> InputError | None:
    """Return the error that says that the function counts its calls, where one of the first gives another loss now."""
    if probe.start is None:
        return None
    x, x_hat, posterior, first = probe.start
    now = [replace(probe, draws=1)(x, x_hat, posterior) for _ in range(max(probe.draws, AGAIN))]
    rounding = 10 * (LOOSE.grain if probe.bits <= SINGLE else TIGHT.grain) * abs(first)
    if not abs(np.mean(now) - first) > DRIFTED * np.std(now) + rounding:
        return None
    if probe.draws == 1 and np.ptp(now) > rounding:  # of the few values that it draws, the first calls had the same
        return refused("random", first=significant(min(now), 10), second=significant(max(now), 10))
    return refused("drift", first=f"{first:.8g}", last=f"{np.mean(now):.8g}")


def _prepared(probe: Probe, beta: float | None) -> Probe | InputError | None:
    """Return the probe with the numbers that make the loss and the calls to average; None where no call succeeded."""
    for variant in _variants(probe):
        for trial in error_forms.trials(variant):
            found = _trial_calls(variant, trial)
            if found:
                rest, by_x_hat, by_posterior, first, *again = found
                chance = {name: max(abs(first[name] - each.get(name, np.inf)) for each in again) for name in first}
                draws = max(probes.MANY, probe.draws) if any(value > 0 for value in chance.values()) else 1
                weights = total(rest, by_x_hat, by_posterior, chance, beta)
                bits = max(map(bits_of, first.values()))
                if isinstance(weights, InputError):
                    return weights
                value = sum(weight * first.get(name, np.nan) for name, weight in weights.items())
                start = Start(trial.states(variant)[0], *_aside(variant, trial), value)
                return replace(variant, total=weights, draws=draws, bits=bits, start=start)
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
    """Return what the function returns at rest, for a move of x̂, of the posterior, and of both (again and again)."""
    x, means = trial.states(probe)
    x_hat, moved, place = trial.x_hat(means[0]), trial.x_hat(means[1]), probes.both(probe)
    rest, aside, far = probe.components(x, x_hat), _aside(probe, trial), (probes.posteriors(probe)[0][0], place[1])
    found = [probe.components(x, *where) for where in ((moved, None), (x_hat, far), *[aside] * AGAIN)]
    if isinstance(rest, InputError) or isinstance(found[0], InputError):
        return []
    if not all(np.isfinite(list(each.values())).any() for each in (rest, found[0])):
        return []
    return [rest, *(rest if isinstance(each, InputError) else each for each in found)]


def _aside(probe: Probe, trial: Trial) -> tuple[Array, Posterior]:
    """Return x̂ and a posterior that have more digits than half precision."""
    (base, moved, *_), place = trial.states(probe)[1], probes.both(probe)
    return trial.x_hat(base + ODD * (moved - base)), (ODD * place[0], ODD * place[1])


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
