"""Which reconstruction error a loss charges: candidates, and the moves of x̂ that tell them apart.

    ℓ(x, m) known, m moved:    Δ = a Σ Δℓ for one a and every move
    ℓ = ρ(x − x̂):              p = d ln ρ/d ln t near 0 and far away:  1, 1 absolute;  2, 1 Huber;  2, 0 Student
    negative binomial:         Δ/a between three means gives its dispersion

A family with a parameter has it read off from two or three values first (`located`,
`overdispersed`); then it must explain all moves as any other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import isclose

import numpy as np

from landau_vae.display import Array
from landau_vae.likelihoods import Likelihood, huber, laplace, negative_binomial, student_t
from landau_vae.loss.metric_forms import metric_trials
from landau_vae.loss.precision import GUARDED, Fit, fitted, tolerances
from landau_vae.loss.probes import STEP, Probe
from landau_vae.loss.trials import TRIALS, Trial, class_trials

CLOSE, REMOTE = 2.0**-8, 2.0**20  # data units: where a Huber error is a square, and where it is a line
FARTHER = (1.0, 2.0**5, 2.0**10, REMOTE)  # an exponential inside may overflow at the last ones
SCALES = (STEP, 1.0, 2.0**4, 2.0**10)  # of the residuals that tell functions of x − x̂ apart
ALIKE = 0.02  # of an exponent


@dataclass(frozen=True)
class Error:
    """The reconstruction error that was found."""

    trial: Trial
    likelihood: Likelihood
    fit: Fit  #: a, where ℓ is summed over the batch and all features
    owner: str = ""  #: the parameter of the function that is its variance
    unit: float = 1.0  #: a at the variance 1 over a at the present one


def trials(probe: Probe) -> tuple[Trial, ...]:
    """Return what is tried, in this order."""
    return TRIALS if probe.half else (*TRIALS, *class_trials(probe))


def identified(probe: Probe) -> Error | None:
    """Return the first likelihood that explains how the loss answers to x̂, or None where none does."""
    for trial in trials(probe):
        x, means = trial.states(probe)
        if np.isnan(probe(x, trial.x_hat(means[0]))):
            continue
        found = _explained(probe, trial)
        if found is not None:
            square = found.likelihood.squared and trial.link == "identity" and not trial.learned
            return found if not square or _stays_square(probe, found) else _of_difference(probe)
    found = _of_difference(probe)
    return found if found or probe.half else _overdispersed(probe) or _in_metric(probe)


def _in_metric(probe: Probe) -> Error | None:
    """Return the squared error in another metric that explains all moves."""
    found = (_explained(probe, trial) for trial in metric_trials(probe))
    return next((error for error in found if error is not None and _stays_square(probe, error)), None)


def _explained(probe: Probe, trial: Trial) -> Error | None:
    """Return the likelihood of a trial that explains its moves, in the precision that the function has."""
    x, means = trial.states(probe)
    readings = probe.read(x, [(trial.x_hat(mean), None) for mean in means])

    def whole(scale: float) -> float:
        return probe(x, trial.x_hat(means[0] + scale * (means[1] - means[0]))) - readings.values[0]

    for tolerance in tolerances(whole, probe.bits):
        for likelihood in trial.likelihoods:
            if tolerance is GUARDED and trial.is_exact(likelihood):
                continue
            fit = fitted(readings, *trial.changes(likelihood, x, means), tolerance)
            if fit is not None:
                return Error(trial, likelihood, fit)
    return None


# ---------------------------------------------------------------------------------- functions of x − x̂


def _stays_square(probe: Probe, found: Error) -> bool:
    """Whether an error that is a square near x is one far from it; a function that raises there passes."""
    if found.trial.link != "identity":
        return True
    rho, near = _profile(probe), 10 * (found.fit.tolerance.relative + found.fit.chance)
    x, _ = found.trial.states(probe)
    squares = found.trial.changes(found.likelihood, x, [x, *(x + far for far in FARTHER)])[0] * found.fit.weight
    values = np.array([rho(far) for far in FARTHER])
    known = np.isfinite(values) & (squares > 0)
    return bool(np.all(np.abs(values - squares)[known] <= near * squares[known]))


def _profile(probe: Probe) -> Callable[[float], float]:
    """Return the function t → loss(x̂ = x + t) − loss(x̂ = x)."""
    x, _ = TRIALS[0].states(probe)
    base = probe(x, x)
    return lambda t: probe(x, x + t) - base


def _of_difference(probe: Probe) -> Error | None:
    """Return the error ρ(x − x̂) whose exponents near zero and far away are those of a known family."""
    candidates = tuple(located(_profile(probe)))
    return _explained(probe, Trial("fractions", "identity", candidates, scales=SCALES)) if candidates else None


def located(rho: Callable[[float], float]) -> Iterator[Likelihood]:
    """Yield the robust likelihood of the exponents of Σ ρ(t), with the parameter that two values give.

    >>> [each.name for each in located(lambda t: 3 * abs(t))]
    ['laplace']
    """
    near, beyond, far, farther = (rho(t) for t in (CLOSE, 2 * CLOSE, REMOTE, 2 * REMOTE))
    if not min(near, beyond, far, farther) > 0:
        return
    inner, outer = np.log2(beyond / near), np.log2(farther / far)
    curvature, slope = near / CLOSE**2, (farther - far) / REMOTE  # ρ = c t² near 0, s t − … far away
    if abs(inner - 1) < ALIKE and abs(outer - 1) < ALIKE:
        yield laplace()
    elif abs(inner - 2) < ALIKE and abs(outer - 1) < ALIKE:
        yield huber(neat(slope / (2 * curvature)))
    elif abs(inner - 2) < 5 * ALIKE and 0 < outer < 0.5:  # A ln(1 + t²/s), A ln 4 from far to farther
        yield student_t(neat(CLOSE**2 / np.expm1(near * np.log(4) / (farther - far))))


def neat(value: float) -> float:
    """Return a number rounded to four digits where it is known to be near it.

    >>> neat(0.10000002), neat(0.123456)
    (0.1, 0.123456)
    """
    short = float(f"{value:.4g}")
    return short if isclose(short, value, rel_tol=1e-5) else float(value)


# --------------------------------------------------------------------------------------------- counts

MEANS = (0.5, 1.5, 6.0)  # of counts
DISPERSIONS = np.geomspace(1e-3, 1e5, 400)


def _overdispersed(probe: Probe) -> Error | None:
    """Return the negative binomial of fixed dispersion θ that explains how a loss answers to means of counts."""
    for data, link, by_logit in product(("fractions", "counts"), ("identity", "log"), (False, True)):
        trial = Trial(data, link, ())
        x, _ = trial.states(probe)
        values = [probe(x, np.full(x.shape, trial.x_hat(np.array(mean)))) for mean in MEANS]
        theta = _dispersion(x, values, by_logit=by_logit) if np.all(np.isfinite(values)) else None
        if theta is not None and not (by_logit and link == "identity"):
            shift = np.log(theta) if by_logit else 0.0
            found = _explained(probe, replace(trial, likelihoods=(negative_binomial(theta),), shift=shift))
            if found is not None:
                return found
    return None


def _dispersion(x: Array, values: list[float], *, by_logit: bool) -> float | None:
    """Return the θ at which the ratio of two changes is that of (x + θ) ln(θ + m) − x ln m."""

    def excess(theta: float) -> float:
        means = theta * np.array(MEANS) if by_logit else np.array(MEANS)
        terms = [np.sum((x + theta) * np.log(theta + mean) - x * np.log(mean)) for mean in means]
        return float((terms[1] - terms[0]) * (values[2] - values[0]) - (terms[2] - terms[0]) * (values[1] - values[0]))

    signs = np.sign([excess(theta) for theta in DISPERSIONS])
    changes = np.flatnonzero(signs[1:] != signs[:-1])
    if not len(changes):
        return None
    low, high = np.log(DISPERSIONS[[changes[0], changes[0] + 1]])
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.sign(excess(np.exp(middle))) == signs[changes[0]] else (low, middle)
    return neat(float(np.exp(low)))
