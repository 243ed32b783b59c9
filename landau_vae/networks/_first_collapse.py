"""The first collapse of a nonlinear VAE: up to which price its one latent is the best, and up to which it survives.

The living state of a free decoder is followed as the price rises until it is lost:

    τ_M: F = F₀, from there on the collapsed state is the better one (Maxwell)
    τ_s: the living state is lost; the collapsed one has been stable since λ₁ (spinodal)

Each step is a descent from the last state, as in a warm start; past the spinodal the
unstable states are followed by their length. By the envelope theorem ∂F/∂τ is the rate
R, and a row that gets more weight moves τ_M by −g/R with g what it costs above the
collapsed state: that gives the root in a few steps and its sampling error without
another solution. Where few rows are far from all others they can live alone above λ₁;
such phases are kept apart. Source: this package.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from typing import Annotated, Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import Positive, Range, Seed, checked
from landau_vae.display import Array, Column, Integers, Result, Table, counted, progress_bar, readonly, significant
from landau_vae.errors import OutsideTheory
from landau_vae.limits import FEW_ROWS, ORDER_MATTERS, ORDER_MOVES
from landau_vae.networks.first_decoders import likely, rare
from landau_vae.networks.free_decoder import MOST_TERMS, FreeDecoder
from landau_vae.numeric.continuation.solve import ESCAPE_STEP, MARGINAL, Diverged, Point, Solver, Status
from landau_vae.threads import one_thread

FIRST_PRICE = 0.8  # τ/λ₁ at which a living state is looked for
BEGIN = 0.95  # τ/λ₁ from which the states of fewer rows are followed
STEP = 0.05  # in ln τ, at most
FINEST = 0.02  # of |ln(τ/λ₁)|: the step at which a state that is lost has reached its spinodal
NEARLY_EVEN = 0.9  # of its length in even terms: a state that may go on as one without odd terms
LOST = 0.7  # of its length in one step: that was not the same state
DEAD = 1e-8  # nats
ROOT_STEPS = 12  # of Newton's method towards τ_M
SHORTENED = 0.88  # length of an unstable state over that of the one before
SHORTEST = 1e-3  # length, in √λ₁, at which unstable states have come to the collapsed one
OFF_LENGTH = 0.1  # share of its length by which an unstable state may miss it
ESCAPES = 4  # times that a saddle may be left
AT_REST = 1e-10  # of λ₁, by which a loss at rest may still fall in a few steps
DESCENT_STEPS = 60  # before a state is polished
MOST_FAILURES = 4  # of Newton's method, one after the other, before unstable states are given up
FARTHEST_STEP = 0.3  # in ln τ, between two unstable states
ROOT = 1e-6  # of the distance from λ₁, in ln τ, to which τ_M is solved for
FIRST_ORDER, LAST_ORDER = 6, 8  # P
MOST_UNKNOWNS = 500  # coefficients of a decoder: with more features only the first principal axes have them


class Phase(NamedTuple):
    """A living state between two prices."""

    start: float  #: τ/λ₁ from which it was followed
    stop: float  #: τ/λ₁ at which it was lost
    best_to: float  #: τ/λ₁ up to which it is better than the collapsed state
    rows: float  #: how many rows share the rate where it was lost


class States(NamedTuple):
    """States along a branch."""

    price: Array  #: τ/λ₁, (s,)
    loss: Array  #: F − F₀ per row in units of λ₁, (s,)
    signal_fraction: Array  #: M², (s,)
    rate: Array  #: nats, (s,)
    sharing: Array  #: share of the rows that share the rate, ⟨R⟩²/⟨R²⟩, (s,)
    coefficients: Array  #: of the decoder, (s, unknowns)


class Edge(NamedTuple):
    """A price at which the living state ceases to be the best, or is lost."""

    price: float  #: τ/λ₁; 1 where no state lives above it
    error: float  #: its standard error as an estimate of the population's
    influence: Array  #: what a row adds to the price, times the number of rows, (n,)


@dataclass(frozen=True, eq=False)
class FirstCollapse(Result):
    """The living states of a free decoder with one latent, in units of λ₁."""

    json_fields = (
        "first", "order", "rows", "resolution", "maxwell.price", "maxwell.error", "change", "spinodal.price",
        "spinodal.error", "ended", "jump", "stable", "unstable", "phases",
    )  # fmt: skip

    problem: FreeDecoder = field(repr=False)  #: the loss
    first: float  #: λ₁, data²
    order: int  #: P, the degree of the decoder
    resolution: float  #: least distance from λ₁ that was looked at, in ln τ
    maxwell: Edge  #: up to which the living state is the best
    change: float  #: by which the price of `maxwell` moved with the last two degrees of P
    spinodal: Edge  #: up to which the living state survives a rising price
    ended: bool  #: whether it goes on, in few rows or beyond the largest price: `spinodal` is then a lower bound
    jump: Array  #: M² and rate of the living state at `maxwell`, (2,)
    stable: States = field(repr=False)  #: living states, by rising price
    unstable: States = field(repr=False)  #: states between the living and the collapsed one, from the spinodal on
    phases: tuple[Phase, ...]  #: living states, each from where it was found to where it was lost

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.problem.rows)

    @property
    def lost_early(self) -> bool:
        """Whether it was the best still where it was followed to: then `maxwell` is a lower bound too."""
        return self.ended and self.maxwell.price == self.spinodal.price

    @property
    def gain(self) -> Array:
        """The amount by which each stable state is better than the collapsed one, (s,)."""
        return readonly(-self.stable.loss)

    @property
    def outliers(self) -> tuple[Phase, ...]:
        """The phases that live on beyond the spinodal, in which a few rows alone use the latent."""
        return tuple(phase for phase in self.phases if phase.stop > self.spinodal.price * (1 + FINEST))

    @checked
    def potential(self, price: Annotated[float, Range(1e-12, 1e12)]) -> tuple[Array, Array]:
        """Return the loss at a price of all states of the branch, by their length.

        Stationary states at this price are stationary in it; elsewhere it lies above
        the least loss at that length.

        Parameters
        ----------
        price : float
            τ/λ₁, from 1e-12 to 1e12.

        Returns
        -------
        tuple of (m,) array and (m,) array
            The length √⟨‖f − ⟨f⟩‖²⟩ under the prior, in √λ₁, and F − F₀.
        """
        states = np.vstack([self.problem.rest(price)[None], self.stable.coefficients, self.unstable.coefficients])
        width = states.shape[1] // (self.order + 1)
        length = np.linalg.norm(states[:, width:], axis=1)
        order = np.argsort(length, kind="stable")
        return length[order], np.array([self.problem.loss(state, price) for state in states[order]])

    def __repr__(self) -> str:
        best, survives = significant(self.maxwell.price, 4), significant(self.spinodal.price, 4)
        return f"FirstCollapse({counted(self.rows, 'row')}; best to {best} λ₁, survives to {survives} λ₁)"

    def content(self) -> Iterable[str | Table]:
        """Yield the two prices, and the living states by price."""
        best, survives = ("at least " * early for early in (self.lost_early, self.ended))
        yield (
            f"One latent, decoders of degree {self.order}, on {counted(self.rows, 'row')}; λ₁ = "
            f"{significant(self.first, 4)}. The living state is the best up to {best}"
            f"{significant(self.maxwell.price, 5)} λ₁ (± {self.maxwell.error:.1g} by sampling, {self.change:.1g} by "
            f"the degree) and survives to {survives}{significant(self.spinodal.price, 5)} λ₁."
        )
        states = self.stable
        yield Table(
            [
                Column("τ/λ₁", states.price, lambda price: significant(float(price), 5), "price"),
                Column("gain/λ₁", self.gain, "{:.3g}".format, "gain"),
                Column("M²", states.signal_fraction, "{:.4f}".format, "signal_fraction"),
                Column("rate", states.rate, "{:.4f}".format, "rate"),
                Column("rows sharing it", states.sharing * self.rows, "{:.0f}".format, "sharing"),
            ]
        )


@checked
@one_thread()
def first_collapse(
    data: Any, weights: ArrayLike | None = None, *, order: Annotated[int, Range(4, MOST_TERMS)] | None = None,
    most: Positive = 4.0, resolution: Positive = 1e-5, seed: Seed = 0, progress: bool = False,
) -> FirstCollapse:  # fmt: skip
    """Follow the living state of one latent with a free decoder through λ₁ to where it is lost.

    Parameters
    ----------
    data : (n, d) array, DataFrame or TrainingSet
        The rows.
    weights : (n,) array_like, optional
        Of the rows; only their ratios matter.
    order : int, optional
        P, the degree of the decoder, from 4 to 12. By default 6, and more until P − 2
        gives the same price.
    most : float, default 4
        τ/λ₁ at which the search ends.
    resolution : float, default 1e-5
        Least distance from λ₁ that is looked at, in ln τ.
    seed : int, default 0
        Of random starts.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    FirstCollapse

    Raises
    ------
    InputError
        If an argument cannot be used.
    OutsideTheory
        If no living state is found below λ₁; `partial` is λ₁.

    Notes
    -----
    Each state is a proof that a VAE with this loss exists. That nothing better lives
    beyond the last one is not proved: `lv.frontier` says how far it could.

    Standard errors are those of first order. On samples of 500 and 1 000 rows of skewness
    1 the scatter of `maxwell` was 1.24 and 1.17 of them (30 samples each; those that end in
    few rows left out, 6 and 9).

    Examples
    --------
    >>> from scipy.stats import gamma
    >>> rows = gamma(100).ppf((np.arange(200) + 0.5) / 200)[:, None]  # skewness 0.19
    >>> found = first_collapse(rows, order=4)
    >>> 0.003 < found.maxwell.price - 1 < found.spinodal.price - 1 < 0.005  # κ²/9 = 0.004
    True
    """
    with progress_bar(None, "first collapse", progress, unit=" states") as bar:
        degree = order or FIRST_ORDER
        while True:
            search = _Search(_free(data, weights, degree), most, resolution, seed, bar.update)
            states = search.rising(search.best(FIRST_PRICE))
            best = search.maxwell(search.main(states))
            edge = search.maxwell_edge(best)
            change = search.change(states, best, _free(data, weights, degree - 2))
            settled = max(ORDER_MOVES * (edge.price - 1), ORDER_MATTERS * edge.error, resolution)
            if order is not None or change <= settled or degree == LAST_ORDER:
                return search.result(states, best, change)
            degree += 2


def among(found: FirstCollapse, kept: Integers) -> tuple[float, Edge]:
    """Return λ₁ of some of the rows, in units of that of all, and up to which τ/λ₁ of theirs the living state is best.

    The state is followed from where it is among all rows, at the largest price below 0.95 of λ₁.
    """
    problem, states = found.problem, found.stable
    fewer = FreeDecoder(problem.rows[kept], problem.share[kept], order=found.order, modes=problem.shape[1])
    at = int(np.flatnonzero(states.price <= max(BEGIN, states.price[0]))[-1])
    turned = states.coefficients[at].reshape(problem.shape) @ fewer.axes / np.sqrt(fewer.first)
    search = _Search(fewer, float(states.price[-1]) / fewer.first * 2, found.resolution, 0, lambda: None)
    point = search.descend(turned.ravel(), search.solver.coordinate(float(states.price[at])))
    if not search.lives(point):
        point = search.best(FIRST_PRICE)
    return fewer.first, search.maxwell_edge(search.maxwell(search.main(search.rising(point))))


def _free(data: Any, weights: ArrayLike | None, order: int) -> FreeDecoder:
    return FreeDecoder(data, weights, order=order, modes=MOST_UNKNOWNS // (order + 1))


@dataclass(frozen=True, eq=False)
class _Search:
    """The living states of one problem."""

    problem: FreeDecoder
    most: float
    resolution: float
    seed: int
    tick: Callable[[], object]

    @cached_property
    def solver(self) -> Solver:
        """What descends."""
        return Solver(self.problem)

    @cached_property
    def count(self) -> float:
        """Effective number of rows, 1/Σ p²."""
        return float(1 / np.square(self.problem.share).sum())

    def orders(self, point: Point) -> Array:
        """Return M², rate and sharing of a state."""
        return self.problem.order_parameters(point.x, self.solver.control(point.q))

    def lives(self, point: "Point | Status") -> TypeGuard[Point]:
        """Return whether a descent has come to a living state."""
        return isinstance(point, Point) and self.orders(point)[1] > DEAD

    def few(self, point: Point) -> bool:
        """Return whether a few rows alone use the latent."""
        return bool(self.orders(point)[2] * self.count < FEW_ROWS)

    def best(self, price: float) -> Point:
        """Return the best state of many rows that starts in the mean and the width channel and at random fall to."""
        q = self.solver.coordinate(price)
        found = [
            point for start in likely(self.problem, self.seed) if isinstance(point := self.descend(start, q), Point)
        ]
        if not found:
            raise OutsideTheory(
                f"No living state was found at {price:g} λ₁: the rows fall into groups that are encoded all at once. "
                "What is known is λ₁ itself, below which the collapsed state is unstable.",
                self.problem.first,
            )
        many = [point for point in found if not self.few(point)]
        return min(many or found, key=lambda point: point.loss)

    def descend(self, x: Array, q: float) -> "Point | Status":
        """Return the minimum below a state.

        Where groups of rows make the loss stiff, it is known to rounding of the loss, not of
        the state.
        """
        self.tick()
        try:
            for _ in range(ESCAPES):
                point = self.polished(self.solver.downhill(x, q, AT_REST, DESCENT_STEPS)[0], q)
                if point.values[0] > -MARGINAL:
                    break
                x = point.x + ESCAPE_STEP * point.vectors[:, 0] / point.scale
        except (Diverged, ValueError, np.linalg.LinAlgError):  # as SciPy says that numbers are not finite
            return Status.NOT_FINITE
        return point

    def polished(self, x: Array, q: float) -> Point:
        """Return the state to which Newton's method comes from nearby, or the one given where it does not converge."""
        try:
            return self.solver.fixed(x, q)
        except Diverged:
            return self.solver.at(x, q)

    def followed(self, point: Point, step: float) -> "Point | Status":
        """Return the state that a living one becomes a step further on: nearby, or where a descent from it leads."""
        self.tick()
        even = self.even(point.x)
        nearly = np.linalg.norm(even * point.scale) > NEARLY_EVEN * _length(point)
        for x in (point.x, even) if nearly else (point.x,):
            try:
                near = self.solver.fixed(x, point.q + step)
            except Diverged:
                continue
            if near.values[0] > -MARGINAL and LOST < _length(near) / _length(point) < 1 / LOST:
                return near
        return self.descend(point.x, point.q + step)

    def even(self, x: Array) -> Array:
        """Return the even part of a decoder, which encodes in the width of the posterior alone."""
        c = x.reshape(self.problem.shape).copy()
        c[1::2] = 0
        return c.ravel()

    def rising(self, point: Point) -> list[Point]:
        """Return the states that a living one goes through as the price rises; the last is the last living one."""
        states, step, end = [point], STEP, np.log(self.most)
        while point.q < end:
            new = self.followed(point, step)
            lost = not self.lives(new) or _length(new) < LOST * _length(point)
            if lost and step > max(FINEST * abs(point.q + step), self.resolution):
                step /= 2
                continue
            if not self.lives(new):
                break
            states.append(point := new)
            step = min(1.6 * step, STEP)
        return states

    def main(self, states: Sequence[Point]) -> list[Point]:
        """Return the states up to the first that a few rows alone use."""
        return list(takewhile(lambda point: not self.few(point), states)) or list(states[:1])

    def maxwell(self, main: Sequence[Point]) -> Point:
        """Return the state up to whose price the main states are better than the collapsed one."""
        better = [point for point in main if point.loss < 0]
        if not better:  # never the case below λ₁
            return main[0]
        return better[-1] if better[-1] is main[-1] else self.root(better[-1])

    def root(self, point: Point) -> Point:
        """Return the state nearby that is as good as the collapsed one (Newton's method: ∂F/∂τ is the rate)."""
        for _ in range(ROOT_STEPS):
            step = -point.loss / (self.solver.control(point.q) * self.orders(point)[1])
            new = self.followed(point, step)
            if not self.lives(new) or abs(step) < ROOT * max(abs(point.q), self.resolution):
                break
            point = new
        return point

    def change(self, states: Sequence[Point], best: Point, lower: FreeDecoder) -> float:
        """Return by how much the price of the state `best` moves with a decoder of a lower degree: by ΔF/R."""
        price = self.solver.control(best.q)
        if price <= 1:
            return 0.0
        other = replace(self, problem=lower)
        found = other.descend(self.cut(best.x, lower), best.q)
        if other.lives(found):
            return abs(found.loss - best.loss) / float(self.orders(best)[1])
        begin = [each for each in states if each.q <= np.log(BEGIN)][-1]
        found = other.descend(self.cut(begin.x, lower), begin.q)
        if not other.lives(found):
            return np.inf
        return price - max(other.solver.control(other.maxwell(other.main(other.rising(found))).q), 1.0)

    def cut(self, x: Array, lower: FreeDecoder) -> Array:
        """Return the coefficients that a decoder of a lower degree has too."""
        kept, start = min(self.problem.shape[1], lower.shape[1]), np.zeros(lower.shape)
        start[:, :kept] = x.reshape(self.problem.shape)[: lower.order + 1, :kept]
        return start.ravel()

    def unstable(self, states: Sequence[Point]) -> list[Point]:
        """Return the states between the last living one and the collapsed one, by falling length."""
        found, last, failures = list(states[-2:]), states[-1], 0
        target = SHORTENED * _length(last)
        while len(found) > 1 and target > SHORTEST and failures < MOST_FAILURES:
            point = next(filter(None, (self._at_length(x, q, target) for x, q in self._guesses(found, target))), None)
            if point is None or abs(point.q - found[-1].q) > FARTHEST_STEP:
                failures, target = failures + 1, target * SHORTENED**0.5
                continue
            found.append(point)
            failures, target = 0, SHORTENED * _length(point)
        return found[2:]

    def _guesses(self, found: Sequence[Point], length: float) -> Iterator[tuple[Array, float]]:
        """Yield where a state of this length may be: on the line of the last two, nearer to rest, and an even one."""
        before, last = found[-2:]
        share = (length - _length(last)) / (_length(last) - _length(before))
        yield last.x + share * (last.x - before.x), last.q + share * (last.q - before.q)
        nearer = last.x * (length / _length(last))
        yield nearer, last.q
        yield self.even(nearer), last.q

    def _at_length(self, x: Array, q: float, length: float) -> Point | None:
        """Return the stationary state on the hyperplane across x, of about this length, at whatever price."""
        self.tick()
        scale = self.solver.scale(x, q)
        across = x * scale / np.linalg.norm(x * scale)
        try:
            x, q, steps = self.solver.correct(x, q, (across, 0.0), scale)
            point = self.solver.at(x, q, steps=steps)
        except Diverged:
            return None
        return point if abs(_length(point) / length - 1) < OFF_LENGTH else None

    def phases(self, states: Sequence[Point]) -> Iterator[Phase]:
        """Yield the living states that were followed, and those of few rows that live beyond them."""
        yield self._phase(states)
        beyond = max(states[-1].q, 0.0) + STEP
        for start in rare(self.problem):
            point = self.descend(start, beyond)
            if beyond < np.log(self.most) and self.lives(point) and point.loss < 0:
                found = self.rising(point)
                beyond = found[-1].q + STEP
                yield self._phase(found)

    def _phase(self, states: Sequence[Point]) -> Phase:
        better = [point for point in states if point.loss < 0]
        best = better[-1] if better[-1] is states[-1] else self.root(better[-1])
        start, stop, best_to = (self.solver.control(point.q) for point in (states[0], states[-1], best))
        return Phase(start, stop, best_to, rows=float(self.orders(states[-1])[2] * self.count))

    def result(self, states: Sequence[Point], best: Point, change: float) -> FirstCollapse:
        """Return what was found."""
        problem, main, edge = self.problem, self.main(states), self.maxwell_edge(best)
        slopes = self._slopes(main[-1])
        added = [] if any(best is point for point in states) else [best]
        rising = sorted([*states, *added], key=lambda point: point.q)
        return FirstCollapse(
            problem, problem.first, problem.order, self.resolution, edge, change, self._edge(main[-1], *slopes),
            self.ended(states, main[-1]), readonly(self.orders(best)[:2] * (edge.price > 1)), self._states(rising),
            self._states(self.unstable(main) if main[-1].q > 0 else ()), tuple(self.phases(states)),
        )  # fmt: skip

    def ended(self, states: Sequence[Point], last: Point) -> bool:
        """Return whether the main states ended before they were lost: few rows use the next, or the search ended."""
        return last is not states[-1] or self.few(last) or bool(last.q >= np.log(self.most))

    def maxwell_edge(self, best: Point) -> Edge:
        """Return the price of the state from `maxwell`, with its standard error."""
        price = self.solver.control(best.q)
        return self._edge(best, self.problem.posteriors(best.x, price).loss, float(self.orders(best)[1]))

    def _slopes(self, point: Point) -> tuple[Array, float]:
        """Return what each row adds to the slope along the softest direction, and how that changes with the price."""
        price, softest = self.solver.control(point.q), point.vectors[:, 0] / point.scale
        slopes = self.problem.row_slopes(point.x, price, softest)
        return slopes, float(softest @ self.problem.drift(point.x, price))

    def _edge(self, point: Point, force: Array, slope: float) -> Edge:
        """Return where ⟨force⟩ vanishes, given how it changes with the price."""
        share, price = self.problem.share, self.solver.control(point.q)
        if point.q <= 0:
            return Edge(1.0, 0.0, readonly(np.zeros(len(share))))
        first = self.problem.rows[:, 0] ** 2 - 1  # the influence on λ₁
        influence = -(force - share @ force) / slope - price * first
        error = float(np.sqrt(np.square(share) @ influence**2))
        return Edge(price, error, readonly(influence))

    def _states(self, points: Sequence[Point]) -> States:
        orders = np.array([self.orders(point) for point in points]).reshape(-1, 3)
        columns = [[self.solver.control(point.q) for point in points], [point.loss for point in points], *orders.T]
        coefficients = np.array([point.x for point in points]).reshape(len(points), int(np.prod(self.problem.shape)))
        return States(*map(readonly, [*columns, coefficients]))


def _length(point: Point) -> float:
    """Return the length of a state in units of its unknowns' own stiffness."""
    return float(np.linalg.norm(point.x * point.scale))
