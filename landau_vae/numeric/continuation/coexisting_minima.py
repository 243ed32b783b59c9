"""Coexisting minima: which states are stable where, and at which control the best one changes hands.

A sweep follows one state; another may become better meanwhile without the first ever
losing its stability. Minima are therefore looked for from random starts at a few
controls (trust-region Newton descents), each family of them is followed both ways to
where it ends, and where two of them overlap and exchange the lead lies a Maxwell point:
a first-order transition of the best state.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import Annotated, Any

import numpy as np
from scipy.optimize import brentq

from landau_vae.checks import Count, Positive, Range, Seed, checked
from landau_vae.display import Array, Column, Result, Table, counted, jsonable, significant
from landau_vae.errors import InputError
from landau_vae.numeric.continuation.branch import Branch, Span, joined, state_on, trace
from landau_vae.numeric.continuation.solve import Diverged, Solver, Status
from landau_vae.numeric.problems.problem import Problem
from landau_vae.threads import one_thread

WIDTHS_OF_STARTS = (4.0, 1.0, 2.0)  # of `spread`, in turn; a far minimum has a far basin
SAME_MINIMUM = 1e-8  # of the loss (and 1): minima closer than this are one, up to a symmetry
SAME_FAMILY = 1e-7  # of the loss (and 1): states closer than this are on one branch, up to a symmetry
LEAST_OVERLAP = 1e-5  # in q: families that overlap by less than this only touch


@dataclass(frozen=True, eq=False)
class State:
    """A local minimum."""

    loss: float  #: F there
    order_parameters: Array  #: as the problem defines them, (k,)
    x: Array = field(repr=False)  #: the state, (n,)
    found: int = 1  #: starts that fell to it


@dataclass(frozen=True, eq=False)
class Exchange:
    """A Maxwell point: below it another state is best than above it."""

    control: float  #: where both have the same loss
    above: Array = field(repr=False)  #: order parameters of the state that is best above
    below: Array = field(repr=False)  #: order parameters of the state that is best below


@dataclass(frozen=True, eq=False)
class Coexistence(Result):
    """Families of minima, and where the best of them changes."""

    problem: Problem = field(repr=False)  #: the loss
    families: tuple[Branch, ...]  #: each from its lower to its upper end, in the order in which they were found
    exchanges: tuple[Exchange, ...]  #: by falling control

    def __repr__(self) -> str:
        return f"Coexistence({len(self.families)} families of minima, {counted(len(self.exchanges), 'Maxwell point')})"

    def content(self) -> Iterator[str | Table]:
        """Yield the table of families and the Maxwell points."""
        yield repr(self)
        families = self.families
        yield Table(
            [
                Column("family", range(1, len(families) + 1)),
                Column("from", [b.control[0] for b in families]), Column("to", [b.control[-1] for b in families]),
                Column("there", [b.order_parameters[0] for b in families], _living),
                Column("and there", [b.order_parameters[-1] for b in families], _living),
            ]
        )  # fmt: skip
        yield "\n".join(
            f"{self.problem.control} = {significant(exchange.control, 9)}: the best state changes from "
            f"{_living(exchange.above)} (above) to {_living(exchange.below)} (below)"
            for exchange in self.exchanges
        )

    def to_dict(self) -> dict[str, Any]:
        """Return families and Maxwell points as strict JSON."""
        families = [
            {name: getattr(branch, name) for name in ("control", "loss", "order_parameters")}
            for branch in self.families
        ]
        return jsonable({"families": families, "exchanges": [vars(exchange) for exchange in self.exchanges]})


@checked
@one_thread()
def coexistence(
    problem: Problem,
    high: float,
    low: float,
    *,
    places: Annotated[int, Range(1, 10_000)] = 5,
    starts: Count = 20,
    spread: Positive = 1.0,
    seed: Seed = 0,
    max_step: Positive | None = None,
    on_progress: Callable[[float], object] = lambda control: None,
) -> Coexistence:
    """Find minima at a few controls, and follow each family of them within the range.

    Parameters
    ----------
    problem : Problem
        The loss.
    high, low : float
        The ends of the range, the larger control first.
    places : int, default 5
        Controls, between the ends, at which minima are looked for.
    starts, spread, seed : int, float, int
        Those of `minima`. A minimum that no start falls to is not found.
    max_step : float, optional
        Longest step in √nats and in the control (its logarithm, for a VAE); by default
        a 30th of the range.
    on_progress : callable, optional
        Called after each start, with a control that falls from place to place.

    Returns
    -------
    Coexistence
        The families of minima, and the controls at which the best one changes.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> import sympy as sp
    >>> from landau_vae.numeric.problems import Symbolic
    >>> from landau_vae.symbolic import Landau
    >>> a, c = sp.symbols("a c", real=True)
    >>> problem = Symbolic(Landau(a**6 / 6 - a**4 / 4 + c * a**2 / 2, a, (), c, {a: 0}))
    >>> [exchange] = coexistence(problem, 0.5, -0.5).exchanges
    >>> round(exchange.control, 9), exchange.above.round(6).tolist(), exchange.below.round(6).tolist()
    (0.1875, [0.0], [0.75])
    """
    if not high > low:
        raise InputError(f"The range from high = {high} down to low = {low} is empty: give the larger control first.")
    solver = Solver(problem)
    span = Span.between(problem, high, low, max_step, 2000, lambda control: None, ("high", "low"))
    families: list[Branch] = []
    at = np.linspace(span.limits[1], span.limits[0], places + 2)
    for before, q in pairwise(at[:-1]):
        control = solver.control(float(q))

        def heard(share: float, before: float = before, q: float = q) -> None:
            on_progress(solver.control(float(before + share * (q - before))))

        for state in _minima(problem, control, starts, spread, seed, heard):
            if not any(_same(_loss_on(solver, branch, float(q)), state.loss) for branch in families):
                # the stable states that hang together with the minimum, by rising control
                sides = [solver.fixed(state.x, float(q), side) for side in (-1.0, 1.0)]
                families.append(joined(*(trace(solver, side, span, leave="always") for side in sides)))
    exchanges = sorted(_exchanges(solver, families), key=lambda exchange: -exchange.control)
    return Coexistence(problem, tuple(families), tuple(exchanges))


@checked
@one_thread()
def minima(
    problem: Problem, control: float, *, starts: Count = 20, spread: Positive = 1.0, seed: Seed = 0
) -> list[State]:
    """Return the local minima that random starts fall to, best first; those of equal loss count as one.

    Starts are the state of rest itself, and it plus Gaussian noise.

    Parameters
    ----------
    problem : Problem
        The loss.
    control : float
        The control, such as β.
    starts : int, default 20
        Random starts. A minimum that no start falls to is not found.
    spread : float, default 1
        Standard deviation of the noise in units of each unknown's own stiffness; twice
        and four times as much for every second and third start.
    seed : int, default 0
        Of the random starts.

    Returns
    -------
    list of State
        By rising loss.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> import sympy as sp
    >>> from landau_vae.numeric.problems import Symbolic
    >>> from landau_vae.symbolic import Landau
    >>> a, c = sp.symbols("a c", real=True)
    >>> problem = Symbolic(Landau(a**6 / 6 - a**4 / 4 + c * a**2 / 2, a, (), c, {a: 0}))
    >>> [round(float(state.order_parameters[0]), 6) for state in minima(problem, 0.15)]  # a² beside 0, below Maxwell
    [0.816228, 0.0]
    """
    return _minima(problem, control, starts, spread, seed, lambda share: None)


def _minima(
    problem: Problem, control: float, starts: int, spread: float, seed: Seed, heard: Callable[[float], None]
) -> list[State]:
    """Return the minima, as `minima` does; `heard` is called after each start with the share of starts that is done."""
    solver, generator = Solver(problem), np.random.default_rng(seed)
    q, rest = solver.coordinate(control), solver.beginning(None, control)
    scale, states = solver.scale(rest, q), list[State]()
    for n in range(starts + 1):
        width = WIDTHS_OF_STARTS[n % 3] * spread
        start = rest + (width * generator.standard_normal(len(rest)) / scale if n else 0.0)
        point = solver.descend(start, q)
        heard((n + 1) / (starts + 1))
        if isinstance(point, Status):
            continue
        twin = next((i for i, state in enumerate(states) if _same(state.loss, point.loss, SAME_MINIMUM)), None)
        if twin is None:
            states.append(State(point.loss, problem.order_parameters(point.x, control), point.x))
        else:
            states[twin] = replace(states[twin], found=states[twin].found + 1)
    return sorted(states, key=lambda state: state.loss)


def _same(one: float, other: float, width: float = SAME_FAMILY) -> bool:
    return math.isclose(one, other, rel_tol=width, abs_tol=width)


def _loss_on(solver: Solver, branch: Branch, q: float) -> float:
    """Return the loss of a family at q; infinite where it has no state."""
    places = solver.coordinates(branch.control)
    if places.min() <= q <= places.max():
        with suppress(Diverged):
            return state_on(solver, branch, q)[1]
    return np.inf


def _exchanges(solver: Solver, families: list[Branch]) -> Iterator[Exchange]:
    """Yield where two families have the same loss and no third one is better."""
    for one, other in combinations(families, 2):
        ends = [solver.coordinates(branch.control[[0, -1]]) for branch in (one, other)]
        low, high = max(end[0] for end in ends), min(end[1] for end in ends)
        if high - low < LEAST_OVERLAP:
            continue

        def lead(q: float, one: Branch = one, other: Branch = other) -> float:
            return state_on(solver, one, q)[1] - state_on(solver, other, q)[1]

        grid = np.linspace(low, high, 26)[1:-1]  # a lead of less than a 25th of the overlap could go unseen
        with suppress(Diverged):
            leads = [lead(float(q)) for q in grid]
            for n in np.flatnonzero(np.sign(leads[:-1]) * np.sign(leads[1:]) < 0):
                q = float(brentq(lead, grid[n], grid[n + 1], xtol=1e-13))
                best, loss = min(_loss_on(solver, branch, q) for branch in families), state_on(solver, one, q)[1]
                if _same(best, loss):
                    below, above = (one, other) if leads[n] < 0 else (other, one)
                    yield Exchange(solver.control(q), _orders(solver, above, q), _orders(solver, below, q))


def _orders(solver: Solver, branch: Branch, q: float) -> Array:
    return solver.problem.order_parameters(state_on(solver, branch, q)[0], solver.control(q))


def _living(orders: Array) -> str:
    """Return the order parameters of a state that are not zero, at most four of them."""
    living = [f"{order:.4f}" for order in orders if order > 1e-6]
    return ", ".join(living[:4]) + (" …" if len(living) > 4 else "") if living else "0"
