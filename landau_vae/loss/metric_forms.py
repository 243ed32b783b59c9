"""A squared error in another metric: weights of features, a mean over an axis that is squared, or any few features.

    E(v) = vᵀ M v,  v = x̂ − x:    M_ii = E(e_i),    2 M_ij = E(e_i + e_j) − E(e_i) − E(e_j)

A metric that treats all places along each axis alike has one eigenvalue for each product of
constants and of vectors of sum zero along the axes, so 2ⁿ moves give it. Otherwise features are moved
one by one, and if they are few in pairs. The metric must then explain all other moves.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from itertools import combinations, product

import numpy as np

from landau_vae.display import Array
from landau_vae.likelihoods import Likelihood, gaussian, quadratic
from landau_vae.loss.probes import STEP, Probe
from landau_vae.loss.trials import Trial

DENSE, SINGLE, PAIRS = 1024, 600, 30  # features: of a metric that is formed, moved one by one, and in pairs
ALIKE = 1e-3  # relative
NOTHING = 1e-9  # of the largest weight

Energy = Callable[[Array], float]  #: of a move of all rows alike, per row


def metric_trials(probe: Probe) -> Iterator[Trial]:
    """Yield a trial for each metric that explains moves of single features or axes; nothing where E is no square."""
    for link in ("identity", "tanh"):
        trial = Trial("fractions", link, (), rigid=True)
        energy, any_move = _energy(probe, trial), np.linspace(-0.5, 0.4, probe.dimension)
        whole = energy(any_move)
        if whole > 0 and abs(energy(2 * any_move) / whole - 4) < 4 * ALIKE:
            yield from (replace(trial, likelihoods=(each,)) for each in _metrics(energy, probe.shape))


def _energy(probe: Probe, trial: Trial) -> Energy:
    x, _ = trial.states(probe)
    base = probe(x, trial.x_hat(x))
    return lambda v: (probe(x, trial.x_hat(x + STEP * v.reshape(probe.shape))) - base) / (len(x) * STEP**2)


def _metrics(energy: Energy, shape: tuple[int, ...]) -> Iterator[Likelihood]:
    d = int(np.prod(shape))
    if d <= DENSE:
        yield from _likelihood(_alike(energy, shape))
    if d > SINGLE:
        return
    unit = np.eye(d)
    weights = np.array([energy(each) for each in unit])
    yield from _likelihood(np.diag(weights))
    if d <= PAIRS:
        metric = np.diag(weights)
        for i, j in combinations(range(d), 2):
            metric[i, j] = metric[j, i] = (energy(unit[i] + unit[j]) - weights[i] - weights[j]) / 2
        yield from _likelihood(metric)


def _alike(energy: Energy, shape: tuple[int, ...]) -> Array:
    """Return the metric that treats all places along each axis alike."""
    metric: Array | float = 0.0
    for constant in product((True, False), repeat=len(shape)):
        if any(size == 1 and not each for size, each in zip(shape, constant, strict=True)):
            continue  # one place has no vector of sum zero
        parts = [(np.full((n, n), 1 / n), np.ones(n)) if each else (np.eye(n) - 1 / n, np.eye(n)[0] - np.eye(n)[-1])
                 for n, each in zip(shape, constant, strict=True)]  # fmt: skip
        vector = reduce(np.kron, [vector for _, vector in parts])
        metric = metric + energy(vector) / np.sum(vector**2) * reduce(np.kron, [projector for projector, _ in parts])
    return np.asarray(metric)


def _likelihood(metric: Array) -> Iterator[Likelihood]:
    """Yield the likelihood of a metric, in units of the least positive weight; nothing where one is negative."""
    values, diagonal = np.linalg.eigvalsh(metric), np.diag(metric)
    positive = values[values > NOTHING * values[-1]]
    if not np.all(np.isfinite(values)) or values[0] < -NOTHING * values[-1] or positive.size == 0:
        return
    metric = metric / positive[0]
    if np.allclose(metric, np.diag(np.diag(metric)), rtol=0, atol=NOTHING) and positive.size == diagonal.size:
        yield gaussian(1 / (2 * np.diag(metric)))
    else:
        yield quadratic(2 * metric)
