"""Whether what was measured is what training minimises: at the user's own x, in gradients, and after many calls.

    at like's x:     loss(x, x̂') − loss(x, x̂) = a Σ Δℓ                 else x is masked or weighted by its value
    in gradients:    ∇loss · v = [loss(· + hv) − loss(· − hv)]/2h      else a part of it is detached
    at the end:      the first call gives what it gave at first        else the function counts its calls

A loss that was recognised from x between 0.2 and 0.8 is refused where one of them fails.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from landau_vae.display import Array, significant
from landau_vae.loss import probes
from landau_vae.loss.precision import SURE, Readings
from landau_vae.loss.probes import Posterior, Probe
from landau_vae.loss.refusals import own_term, refused
from landau_vae.loss.results import leaves
from landau_vae.loss.terms import Terms, drift

SAME = 1e-4  # relative: what a loss may differ by at other x
STEP = 2.0**-7  # of a central difference: its error is 1e-5
CLEAR = 100.0  # times rounding that a difference must be
ATTACHED = 0.05  # relative: what a gradient may differ by from the values
BEYOND = 30.0  # times the usual means: where a constraint binds


def confirm(terms: Terms) -> None:
    """Raise the error that says in what training differs from the loss that was measured."""
    share = _share_at_own_x(terms)
    if share is not None:
        times = f"{significant(share, 3)} times what it should" if np.isfinite(share) else "otherwise than it should"
        own = own_term(replace(terms.probe, rows=terms.probe.batch))
        raise refused("own x", times=times, own=own)
    for name, ratio in _gradients(terms):
        if abs(ratio - 1) > ATTACHED:
            raise refused("detached", name=name, ratio=significant(round(ratio, 3) + 0.0, 3))
    drifted = drift(terms.probe)
    if drifted:
        raise drifted


# ---------------------------------------------------------------------------------------- own arrays


def _share_at_own_x(terms: Terms) -> float | None:
    """Return what the loss changes by at the x of like, as a share of what its form does, where they differ."""
    probe, trial, example = terms.probe, terms.error.trial, terms.probe.call.example("x")
    others, means = trial.states(probe)
    if example is None or np.prod(example.shape[1:]) != np.prod(others.shape[1:]):
        return None
    x = np.resize(_plain(example), (probe.rows, *example.shape[1:])).reshape(others.shape)
    base, moved = (mean - others + x if trial.learned else mean for mean in means[:2])
    means = [base, moved, 2 * base - moved, base + probes.STEP]  # all entries alike: what is masked does not cancel
    readings = probe.read(x, [(trial.x_hat(mean), None) for mean in means])
    if not np.all(np.isfinite(readings.values)):
        return None
    try:
        change, size = trial.changes(terms.error.likelihood, x, means)
    except IndexError:  # x names a class that does not exist
        return float("nan")
    return _differing_share(terms, readings, change, size)


def _differing_share(terms: Terms, readings: Readings, change: Array, size: Array) -> float | None:
    fit, values = terms.error.fit, readings.values
    moved, by_chance = values[1:] - values[0], readings.errors[1:] + readings.errors[0]
    rounding = fit.tolerance.grain * (np.abs(values[1:]) + np.abs(values[0]))
    near = max(SAME, 3 * fit.tolerance.relative) + SURE * fit.chance
    within = np.abs(moved - fit.weight * change) <= near * fit.weight * size + 10 * rounding + by_chance
    worst = int(np.argmin(within))
    return None if np.all(within) else float(moved[worst] / (fit.weight * change[worst]))


def _plain(example: Any) -> Array:
    """Return an array of any library as one of NumPy."""
    for change in ("detach", "cpu", "double"):  # of PyTorch
        example = getattr(example, change)() if hasattr(example, change) else example
    return np.asarray(example, dtype=float)


# ----------------------------------------------------------------------------------------- gradients


def _gradients(terms: Terms) -> Iterator[tuple[str, float]]:
    """Yield what the gradient is to the change of the values, for each argument of a loss that PyTorch computes."""
    probe = terms.probe
    if probe.draws > 1 or probe.half or "z" in probe.call.roles:
        return
    x, x_hat, (mean, log_variance), moves = _state(terms)
    slopes = _automatic(probe, x, x_hat, (mean, log_variance), moves)
    for role, slope in slopes.items():
        ends = []
        for step in (STEP, -STEP):
            at = {name: step * move * (name == role) for name, move in moves.items()}
            place = mean + at["mean"], log_variance + at["spread"]
            ends.append(probe(x, x_hat + at["x_hat"], place))
        rounding = max(terms.tolerance.grain, 1e-12) * np.abs(ends).max()
        if np.all(np.isfinite(ends)) and abs(ends[0] - ends[1]) > CLEAR * rounding:
            yield probe.call.name(role), 2 * STEP * slope / (ends[0] - ends[1])


def _state(terms: Terms) -> tuple[Array, Array, Posterior, dict[str, Array]]:
    """Return where to take derivatives, and along what."""
    probe, trial = terms.probe, terms.error.trial
    x, means = trial.states(probe)
    rest, moved = trial.x_hat(means[0]), trial.x_hat(means[1])
    mean, log_variance = probes.both(probe)
    if terms.rate.form.constraint is not None:
        mean = BEYOND * mean
    return x, moved, (mean, log_variance), {"x_hat": moved - rest, "mean": mean, "spread": log_variance}


def _automatic(probe: Probe, x: Array, x_hat: Array, place: Posterior, moves: dict[str, Array]) -> dict[str, float]:
    """Return the derivative of the loss along the move of each argument, by automatic differentiation."""
    watched: dict[str, Any] = {}
    try:
        result = probe.call(probe.arrays(x, x_hat, place), watched)
        parts = {name or "loss": part for name, part in leaves(result)}
        loss = sum(weight * parts[name] for name, weight in probe.total.items())
        if not watched or not getattr(loss, "requires_grad", False):
            return {}
        for tensor in watched.values():
            tensor.retain_grad()
        loss.backward()
    except Exception:  # anything: it is not our code, and may not be meant for gradients
        return {}
    slopes = {}
    for role, tensor in watched.items():
        gradient = np.zeros(tensor.shape) if tensor.grad is None else _plain(tensor.grad)
        scale = probes.SLOPES[probe.parametrisation](place[1]) if role == "spread" else 1.0
        slopes[role] = float(np.sum(gradient * scale * moves[role]))
    return slopes
