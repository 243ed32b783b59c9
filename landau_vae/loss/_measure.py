"""Which reconstruction error and which KL a loss function charges, read off by moving its arguments.

    loss = a Σ ℓ(x, x̂) + b Σ KL per sample, plus anything that depends on x alone

x̂ is moved from where it fits x, the posterior from the prior (μ, σ²) = (0, 1); one a and one b must explain every
move (`probes`), also those of several entries together, and then tell the convention (`reading`). A likelihood is
found by its own divergence, not by a curvature, so the moves are large. A loss that is nothing of the kind is
refused, with what it is instead (`no_error`, `no_rate`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from landau_vae.display import significant
from landau_vae.errors import InputError
from landau_vae.loss.probes import (
    LINKS,
    LOOSE,
    SPREADS,
    TIGHT,
    TRIALS,
    Probe,
    Tolerance,
    Trial,
    changes,
    fitted,
    kl,
    posteriors,
)
from landau_vae.loss.reading import Reading, Terms, reading
from landau_vae.loss.refused_error import saturates, why_no_error
from landau_vae.loss.refusals import why_no_rate

__all__ = ["Reading", "measure"]


def measure(
    function: Callable[..., Any],
    *,
    features: int | Sequence[int],
    latents: int,
    batch: int = 8,
    spread: str = "log_variance",
    to: Callable[[Any], Any] | None = None,
) -> Reading:
    """The convention of `function(x, x_hat, mean, spread)`; see `Loss.measure`.

    >>> def mine(x, x_hat, mean, std):
    ...     kl = (mean**2 + std**2 - 1) / 2 - np.log(std)
    ...     return ((x - x_hat) ** 2).sum() / 2 + 3 * kl.sum()
    >>> found = measure(mine, features=10, latents=3, spread="std")
    >>> found.reconstruction, found.half, found.kl_weight, found.link
    ('sum', True, 3.0, 'reconstruction')
    """
    probe = Probe(function, features, latents, batch, spread, to)  # type: ignore[arg-type]  # it reads the shape
    try:
        return reading(probe, _terms(probe))
    except InputError as problem:
        _check_repeatable(probe)
        for other, what in _misread(probe):
            try:
                terms = _terms(other)
            except InputError:
                continue
            symmetric = terms.trial.link == "identity" and terms.likelihood in ("gaussian", "learned")
            if other.order[:2] == (0, 1) or not symmetric:  # a square is the same either way
                raise InputError(what) from None
        raise problem


# --------------------------------------------------------------------------------------- the two terms


def _terms(probe: Probe) -> Terms:
    trial, likelihood, first, a = _error(probe)
    x, means = trial.states(probe)
    x_hat, moved = trial.x_hat(means[0]), trial.x_hat(means[1])
    places = posteriors(probe)
    values = np.array([probe.tried(x, x_hat), *(probe.tried(x, x_hat, place) for place in places)])
    nats = np.array([kl(place) for place in places])
    for tolerance in (first,) if first is LOOSE else (TIGHT, LOOSE):
        b = fitted(values, nats, nats, tolerance)
        if b is not None and b > 0:
            break
    else:
        raise why_no_rate(probe, x, x_hat)
    both = probe.tried(x, moved, places[1]) - values[0]  # each alone is known by now
    gain = probe.tried(x, moved) - values[0]
    grain = 4 * tolerance.grain * (abs(values[0]) + abs(both))
    if not abs(both - gain - b * nats[1]) <= tolerance.relative * b * nats[1] + grain:
        raise _coupled()
    return Terms(trial, likelihood, tolerance, a, b, near=b * nats[1] > 10 * grain)


def _error(probe: Probe) -> tuple[Trial, str, Tolerance, float]:
    """The first likelihood that explains how the loss answers to x̂, and its weight."""
    for trial in TRIALS:
        x, means = trial.states(probe)
        base = probe.tried(x, trial.x_hat(means[0]))
        if np.isnan(base):
            continue
        values = np.array([base, *(probe.tried(x, trial.x_hat(mean)) for mean in means[1:])])
        for tolerance in (TIGHT, LOOSE):
            for likelihood in trial.likelihoods:
                a = fitted(values, *changes(likelihood, x, means), tolerance)
                if a is not None and a > 0:
                    if likelihood == "gaussian" and trial.link == "identity":
                        saturates(probe, x, base, a, tolerance)
                    return trial, likelihood, tolerance, a
    raise why_no_error(probe)


# ------------------------------------------------------------------------------------- misunderstandings


def _coupled() -> InputError:
    return InputError(
        "The weight of the KL depends on the reconstruction error (as in GECO, or where the two are multiplied), but "
        "a fixed weight is expected: measure the loss with the weight at which training ends."
    )


def _check_repeatable(probe: Probe) -> None:
    """Raise where two calls with the same arrays differ."""
    trial, place = TRIALS[0], posteriors(probe)[1]
    x, means = trial.states(probe)
    for link in LINKS.values():
        first, second = (probe.tried(x, link(means[1]), place) for _ in range(2))
        if np.isfinite(first) and first != second:
            raise InputError(
                f"Two calls of your function with the same arrays gave {significant(first)} and {significant(second)}: "
                "it draws random numbers or counts its calls (a β that warms up), so fix its seed, take the KL in "
                "closed form, or hold its β."
            )


def _misread(probe: Probe) -> Iterator[tuple[Probe, str]]:
    """Other ways in which the function may read its arguments, and what to say if one of them fits."""
    for spread in SPREADS:
        if spread != probe.spread:
            yield (
                replace(probe, spread=spread),
                f"Your function takes its fourth argument as {spread}, not as {probe.spread}: say spread={spread!r}.",
            )
    yield (
        replace(probe, order=(1, 0, 2, 3)),
        "Your function takes x̂ before x: call it as lambda x, x_hat, mean, spread: yours(x_hat, x, mean, spread).",
    )
    yield (
        replace(probe, order=(0, 1, 3, 2)),
        f"Your function takes the {probe.spread} before the mean: call it as lambda x, x_hat, mean, spread: "
        "yours(x, x_hat, spread, mean).",
    )
