"""Coexisting minima: which states are stable where, and at which control the best one changes hands.

A sweep follows one state; another may become better meanwhile without the first ever losing its stability. Minima are
therefore looked for from random starts at a few controls, each family of them is followed both ways to where it ends,
and where two of them overlap and exchange the lead lies a Maxwell point: a first-order transition of the best state.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from scipy.optimize import brentq

from landau_vae.display import Array, jsonable, significant, table
from landau_vae.errors import InputError
from landau_vae.numeric.continuation._minima import minima
from landau_vae.numeric.continuation.branch import Branch, Range, joined, state_on, trace
from landau_vae.numeric.continuation.solve import Diverged, Solver
from landau_vae.numeric.problems.problem import Problem

__all__ = ["Coexistence", "Exchange", "coexistence"]

APART = 1e-5  # in q: families that overlap by less than this merely hang together
SAME = 1e-7  # of the loss (and 1): states closer than this are one, up to a symmetry


@dataclass(frozen=True, eq=False)
class Exchange:
    """A Maxwell point: below it another state is best than above it."""

    control: float
    above: Array = field(repr=False)  #: order parameters of the state that is best above
    below: Array = field(repr=False)  #: of the one that is best below


@dataclass(frozen=True, eq=False)
class Coexistence:
    """Families of minima, and where the best of them changes."""

    problem: Problem = field(repr=False)
    families: tuple[Branch, ...]  #: each from its lower to its upper end, in the order in which they were found
    exchanges: tuple[Exchange, ...]  #: by falling control

    def __repr__(self) -> str:
        count = len(self.exchanges)
        return f"Coexistence({len(self.families)} families of minima, {count} Maxwell point{'s' * (count != 1)})"

    def summary(self) -> str:
        """The table of families and the Maxwell points."""
        rows = [
            [str(n), *map(significant, branch.control[[0, -1]]), *map(_shown, branch.order_parameters[[0, -1]])]
            for n, branch in enumerate(self.families, start=1)
        ]
        lines = [repr(self), table(["family", "from", "to", "there", "and there"], rows)]
        lines += [
            f"{self.problem.control} = {significant(one.control, 9)}: the best state changes from "
            f"{_shown(one.above)} (above) to {_shown(one.below)} (below)"
            for one in self.exchanges
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        families = [
            {name: getattr(branch, name) for name in ("control", "loss", "order_parameters")}
            for branch in self.families
        ]
        return jsonable({"families": families, "exchanges": [vars(one) for one in self.exchanges]})


def coexistence(
    problem: Problem,
    high: float,
    low: float,
    *,
    places: int = 5,
    starts: int = 20,
    spread: float = 1.0,
    seed: int = 0,
    max_step: float | None = None,
    on_progress: Callable[[float], object] = lambda control: None,
) -> Coexistence:
    """Look for minima at `places` controls between `high` and `low`, and follow each family within the range.

    `starts`, `spread` and `seed` are those of `minima`: what no start falls to is not found.

    >>> import sympy as sp
    >>> from landau_vae.numeric.problems import Symbolic
    >>> from landau_vae.symbolic import Landau
    >>> a, c = sp.symbols("a c", real=True)
    >>> problem = Symbolic(Landau(a**6 / 6 - a**4 / 4 + c * a**2 / 2, a, (), c, {a: 0}))
    >>> [exchange] = coexistence(problem, 0.5, -0.5).exchanges
    >>> round(exchange.control, 9), exchange.above.round(6).tolist(), exchange.below.round(6).tolist()
    (0.1875, [0.0], [0.75])
    """
    if places < 1 or not high > low:
        raise InputError(
            f"Minima were to be looked for at {places} places from {high} down to {low}: give at least one place, and "
            "the larger control first."
        )
    solver = Solver(problem)
    within = Range.of(solver, high, low, max_step, 2000, lambda control: None)
    families: list[Branch] = []
    for q in np.linspace(within.limits[1], within.limits[0], places + 2)[1:-1]:
        control = solver.control(float(q))
        if problem.singular(control) is not None:
            continue
        for state in minima(problem, control, starts=starts, spread=spread, seed=seed):
            near = SAME * max(1.0, abs(state.loss))
            if not any(abs(_loss_on(solver, branch, float(q)) - state.loss) <= near for branch in families):
                families.append(_family(solver, state.x, float(q), within))
        on_progress(control)
    exchanges = sorted(_exchanges(solver, families), key=lambda one: -one.control)
    return Coexistence(problem, tuple(families), tuple(exchanges))


def _family(solver: Solver, x: Array, q: float, within: Range) -> Branch:
    """The stable states that hang together with a minimum, in the order of rising control."""
    both = [trace(solver, solver.fixed(x, q, side), within, leave="always") for side in (-1.0, 1.0)]
    return joined(*both)


def _loss_on(solver: Solver, branch: Branch, q: float) -> float:
    """The loss of a family at q; infinite where it has no state."""
    known = solver.coordinates(branch.control)
    if not known.min() <= q <= known.max():
        return np.inf
    try:
        return state_on(solver, branch, q)[1]
    except Diverged:
        return np.inf


def _exchanges(solver: Solver, families: list[Branch]) -> Iterator[Exchange]:
    """Where two families have the same loss and no third one is better."""
    for one, other in combinations(families, 2):
        ends = [solver.coordinates(branch.control[[0, -1]]) for branch in (one, other)]
        low, high = max(end[0] for end in ends), min(end[1] for end in ends)
        if high - low < APART:
            continue

        def lead(q: float, one: Branch = one, other: Branch = other) -> float:
            return state_on(solver, one, q)[1] - state_on(solver, other, q)[1]

        grid = np.linspace(low, high, 26)[1:-1]  # a lead of less than a 25th of the overlap could go unseen
        try:
            leads = [lead(float(q)) for q in grid]
            for n in np.flatnonzero(np.sign(leads[:-1]) * np.sign(leads[1:]) < 0):
                q = float(brentq(lead, grid[n], grid[n + 1], xtol=1e-13))
                loss, control = state_on(solver, one, q)[1], solver.control(q)
                near = SAME * max(1.0, abs(loss))
                if all(_loss_on(solver, branch, q) >= loss - near for branch in families):
                    below, above = (one, other) if leads[n] < 0 else (other, one)
                    yield Exchange(control, _orders(solver, above, q), _orders(solver, below, q))
        except Diverged:
            continue


def _orders(solver: Solver, branch: Branch, q: float) -> Array:
    return solver.problem.order_parameters(state_on(solver, branch, q)[0], solver.control(q))


def _shown(orders: Array) -> str:
    living = [f"{order:.4f}" for order in orders if order > 1e-6]
    return ", ".join(living[:4]) + (" …" if len(living) > 4 else "") if living else "0"
