"""Limited-memory BFGS for a batch of independent problems that advance together as array operations.

Nocedal & Wright (2006), algorithm 7.4, with the objective's own preconditioner, scaled as in eq. 7.20, as
the initial inverse Hessian, and a backtracking Armijo line search; pairs without positive curvature are left
out. A problem has converged when its relative gradient max_i |g_i| max(|x_i|, 1) / max(|f|, 1) is small enough
(Dennis & Schnabel 1983, eq. 7.2.5); it then leaves the batch.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array, Booleans, Integers

MEMORY = 10  # pairs kept: more makes an iteration dearer and saves few of them
ARMIJO = 1e-4
ROUNDING = 1e-11  # of |f|: an increase within it says nothing
BACKTRACKS = 30


@dataclass(frozen=True)
class Evaluation:
    """Value (b,), gradient (b, …) and what the preconditioner needs, each with the batch as first axis."""

    value: Array
    gradient: Array
    factors: tuple[Array, ...]

    def take(self, which: Booleans) -> "Evaluation":
        """Return some members of the batch."""
        return Evaluation(self.value[which], self.gradient[which], tuple(part[which] for part in self.factors))

    def put(self, members: NDArray[np.intp], other: "Evaluation") -> None:
        """Overwrite some members of the batch."""
        self.value[members], self.gradient[members] = other.value, other.gradient
        for array, new in zip(self.factors, other.factors, strict=True):
            array[members] = new


class Objective(Protocol):
    """A batch of smooth functions, each with its own initial inverse Hessian."""

    def evaluate(self, x: Array, members: NDArray[np.intp], /) -> Evaluation:
        """Return value and gradient at x (b, …) of these members of the batch."""

    def precondition(self, at: Evaluation, direction: Array, /) -> Array:
        """Return a positive definite linear map of `direction` (b, …)."""


@dataclass(frozen=True)
class Minimum:
    """Where each problem of the batch ended."""

    x: Array  #: (b, …)
    relative_gradient: Array  #: (b,)
    iterations: Integers  #: (b,)
    converged: Booleans  #: (b,)


def minimize(
    objective: Objective,
    start: Array,
    tolerance: float,
    max_iterations: int,
    on_progress: Callable[[int], object] = lambda converged: None,
) -> Minimum:
    """Minimise each problem of the batch from `start` (b, …); `on_progress` gets how many have newly converged."""
    members = np.arange(len(start))
    ends = Minimum(start.copy(), np.full(len(start), np.nan), np.zeros_like(members), np.zeros(len(start), bool))
    x, at = start, objective.evaluate(start, members)
    pairs: deque[tuple[Array, Array, Array]] = deque(maxlen=MEMORY)
    for iteration in range(max_iterations + 1):
        gradient = relative_gradient(x, at)
        ends.x[members], ends.relative_gradient[members] = x, gradient
        ends.iterations[members] = iteration
        open_ = gradient > tolerance
        ends.converged[members] = ~open_
        if not open_.all():
            on_progress(int(np.count_nonzero(~open_)))
            members, x, at = members[open_], x[open_], at.take(open_)
            pairs = deque(((s[open_], y[open_], r[open_]) for s, y, r in pairs), maxlen=MEMORY)
        if members.size == 0 or iteration == max_iterations:
            break
        new_x, new_at = _line_search(objective, x, at, _direction(objective, at, pairs), members)
        step, change = new_x - x, new_at.gradient - at.gradient
        curvature = _dot(step, change)
        usable = curvature > 1e-10 * np.sqrt(_dot(step, step) * _dot(change, change))
        pairs.append((step, change, np.where(usable, 1.0 / np.where(usable, curvature, 1.0), 0.0)))
        x, at = new_x, new_at
    return ends


def relative_gradient(x: Array, at: Evaluation) -> Array:
    """Return max_i |g_i| max(|x_i|, 1) / max(|f|, 1), (b,)."""
    size = np.abs(at.gradient) * np.maximum(np.abs(x), 1.0)
    return size.reshape(len(x), -1).max(axis=1) / np.maximum(np.abs(at.value), 1.0)


def _direction(objective: Objective, at: Evaluation, pairs: deque[tuple[Array, Array, Array]]) -> Array:
    """Return −H g by the two-loop recursion; pairs with r = 1/sᵀy = 0 drop out of it."""
    direction = at.gradient.copy()
    used = []
    for step, change, inverse in reversed(pairs):
        share = inverse * _dot(step, direction)
        used.append(share)
        direction -= _times(share, change)
    direction = objective.precondition(at, direction)
    if pairs:
        direction = _times(_scale(objective, at, pairs[-1]), direction)
    for (step, change, inverse), share in zip(pairs, reversed(used), strict=True):
        direction += _times(share - inverse * _dot(change, direction), step)
    uphill = _dot(direction, at.gradient) <= 0  # by rounding only: every H here is positive definite
    if uphill.any():
        direction[uphill] = objective.precondition(at, at.gradient)[uphill]
    return -direction


def _scale(objective: Objective, at: Evaluation, pair: tuple[Array, Array, Array]) -> Array:
    """Return the factor sᵀy / yᵀPy, (b,), that fits the preconditioner P to the last step s and its change y, or 1."""
    _, change, inverse = pair
    curved = inverse * _dot(change, objective.precondition(at, change))
    return np.divide(1.0, curved, out=np.ones_like(curved), where=curved > 0)


def _line_search(
    objective: Objective, x: Array, at: Evaluation, direction: Array, members: NDArray[np.intp]
) -> tuple[Array, Evaluation]:
    slope = _dot(direction, at.gradient)
    length, short, new_x = np.ones(len(x)), np.arange(len(x)), x + direction
    new_at = objective.evaluate(new_x, members)
    for _ in range(BACKTRACKS):
        allowed = at.value + ARMIJO * length * slope + ROUNDING * np.abs(at.value)
        short = short[~(new_at.value[short] <= allowed[short])]
        if short.size == 0:
            break
        length[short] /= 2
        new_x[short] = x[short] + _times(length[short], direction[short])
        new_at.put(short, objective.evaluate(new_x[short], members[short]))
    return new_x, new_at


def _dot(a: Array, b: Array) -> Array:
    return np.einsum("bi,bi->b", a.reshape(len(a), -1), b.reshape(len(b), -1))


def _times(factor: Array, array: Array) -> Array:
    return factor.reshape(-1, *(1,) * (array.ndim - 1)) * array
