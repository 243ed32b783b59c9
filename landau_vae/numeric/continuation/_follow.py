"""Follow equilibria against the control: branches, where they bifurcate, and where they go from there.

A state that is followed through a loss of stability goes on along the branch that grows
out of it (the cascade of a VAE), or stays on its own, or every branch that leaves there
is followed too. Nothing here is specific to VAEs: see `problems`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from numpy.typing import ArrayLike

from landau_vae.checks import Count, Positive, Range, checked
from landau_vae.display import Column, Result, Table, counted, jsonable, significant
from landau_vae.errors import InputError
from landau_vae.numeric.continuation.bifurcation_points import SpecialPoint
from landau_vae.numeric.continuation.branch import Branch, Leave, Span, empty, trace
from landau_vae.numeric.continuation.branch_switching import grown, leaving, trunk
from landau_vae.numeric.continuation.solve import Diverged, Point, Solver, Status
from landau_vae.numeric.problems.problem import Problem
from landau_vae.threads import one_thread

Switch = Literal["stability", "always", "never"]


@dataclass(frozen=True, eq=False)
class Diagram(Result):
    """The branches that were followed, and all special points on them."""

    json_fields = ("problem.control", "status", "reason", "special")

    problem: Problem = field(repr=False)  #: the loss
    branches: tuple[Branch, ...]  #: in the order in which they were found
    unfollowed: int = 0  #: branches that were found and not followed, because of max_branches

    @property
    def special(self) -> tuple[SpecialPoint, ...]:
        """Return the special points of all branches, each once, however many branches meet there."""
        everything = [point for branch in self.branches for point in branch.special]
        distinct: list[SpecialPoint] = []
        beginnings_first = sorted(everything, key=lambda special: special.ends)
        for point in beginnings_first:
            if not any(point.is_at(other) for other in distinct):
                distinct.append(point)
        return tuple(sorted(distinct, key=everything.index))

    @property
    def _last(self) -> Branch:
        return next((branch for branch in self.branches if branch.status.failed), self.branches[-1])

    @property
    def status(self) -> Status:
        """Return how the last branch ended, or the first one that failed."""
        return Status.BRANCHES if self.unfollowed and not self._last.status.failed else self._last.status

    @property
    def reason(self) -> str:
        """Return the status in words, with advice where there is any."""
        return self._last.reason if self.status is self._last.status else self.status.value

    def __repr__(self) -> str:
        special = counted(len(self.special), "special point")
        return f"Diagram({len(self.branches)} branch{'es' * (len(self.branches) != 1)}, {special}, {self.status.name})"

    @checked
    def table(self, *columns: Column, note: str = "") -> Table:
        """Return the table of special points.

        Parameters
        ----------
        *columns : Column
            Further columns, one value per special point.
        note : str, default ""
            What stands below the table.

        Returns
        -------
        Table
            One row per special point.

        Raises
        ------
        InputError
            If a column has another number of values than there are special points, or an
            argument cannot be used.
        """
        points = self.special
        for column in columns:
            if len(column.values) != len(points):
                raise InputError(
                    f"The columns must have {counted(len(points), 'value')}, one per special point, but column "
                    f"{column.label!r} has {len(column.values)}: give one value per special point.",
                    "columns",
                )
        return Table(
            [
                Column("", range(1, len(points) + 1)),
                Column("kind", [point.kind for point in points]),
                Column(self.problem.control, [p.control for p in points], lambda control: significant(control, 10)),
                Column("±", [point.precision for point in points], "{:.0e}".format),
                Column("kernel", [point.kernel_dimension for point in points]),
                Column("index", [point.index for point in points], lambda index: f"{index[0]} → {index[1]}"),
                *columns,
            ],
            note=note,
        )

    def content(self) -> Iterator[str | Table]:
        """Yield the table of special points, and how the diagram ended."""
        yield repr(self)
        forms = [point.form for point in self.special]
        table = self.table(
            Column("κ₃", [form and form.cubic for form in forms], lambda k: "" if k is None else f"{k:.2g}"),
            Column("κ₄", [form and form.quartic for form in forms], lambda k: "" if k is None else f"{k:.4g}"),
            note="κ₃, κ₄: Landau coefficients along the new branch (κ₃ = 0, κ₄ > 0: continuous transition)",
        )
        yield table if forms else "no special points"
        yield self.reason

    def to_dict(self) -> dict[str, Any]:
        """Return control, status, special points and branches as strict JSON."""
        numbers = {id(special): n for n, special in enumerate(self.special)}
        branches = [branch.to_dict() | {"parent": numbers.get(id(branch.parent))} for branch in self.branches]
        return super().to_dict() | {"branches": jsonable(branches)}


@checked
@one_thread()
def follow(
    problem: Problem,
    start: float,
    stop: float,
    *,
    x: ArrayLike | None = None,
    switch: Switch = "stability",
    max_step: Positive | None = None,
    max_points: Annotated[int, Range(2)] = 2000,
    max_branches: Count = 100,
    on_progress: Callable[[float], object] = lambda control: None,
) -> Diagram:
    """Follow an equilibrium as the control moves, through its bifurcations.

    Parameters
    ----------
    problem : Problem
        The loss: `numeric.problems` has several; a subclass of `Problem` states another.
    start, stop : float
        The control at both ends of the range, in which branches stay.
    x : (n,) array_like, optional
        The state to begin with; by default the problem's state of rest.
    switch : {"stability", "always", "never"}
        What to do where the state loses its stability: go on along the branch that it
        grows along ("stability"), stay on the branch ("never"), or follow every branch
        that is found ("always").
    max_step : float, optional
        Longest step in √nats and in the control (its logarithm, for a VAE); by default
        a 30th of the range.
    max_points : int, default 2000
        Most points of one branch.
    max_branches : int, default 100
        Most branches that are followed.
    on_progress : callable, optional
        Called with the control after each point.

    Returns
    -------
    Diagram
        All branches, as far as they came, and the special points on them. A failure is a
        `status` with advice.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> from landau_vae import Loss, Spectrum
    >>> from landau_vae.numeric.problems import Linear
    >>> diagram = follow(Linear(Spectrum.from_eigenvalues([4, 1, 1]), Loss.gaussian(latents=3)), 8, 0.5)
    >>> [(point.kind, round(point.control, 6), point.kernel_dimension) for point in diagram.special]
    [('supercritical pitchfork', 4.0, 3), ('supercritical pitchfork', 1.0, 4)]
    >>> bool(diagram.branches[-1].stable.all()), diagram.branches[-1].order_parameters[-1].round(6).tolist()
    (True, [0.875, 0.5, 0.5])
    """
    solver = Solver(problem)
    span = Span.between(problem, start, stop, max_step, max_points, on_progress)
    if (reason := problem.singular(start)) is not None:
        return Diagram(problem, (empty(Status.UNBOUNDED, reason),))
    try:
        origin = solver.fixed(solver.beginning(x, start), solver.coordinate(start), span.onward)
    except Diverged:
        return Diagram(problem, (empty(Status.NOT_STATIONARY),))
    waiting: deque[tuple[Point, SpecialPoint | None]] = deque([(origin, None)])
    branches: list[Branch] = []
    explored: list[SpecialPoint] = []
    while waiting and len(branches) < max_branches:
        point, parent = waiting.popleft()
        leave: Leave = "at bifurcations" if switch == "stability" else "never"
        branches.append(replace(trace(solver, point, span, leave=leave), parent=parent))
        if branches[-1].status is Status.INTERRUPTED:
            break
        if switch == "stability" and branches[-1].status in (Status.LEFT, Status.MERGED):
            special = branches[-1].special[-1]
            onward = trunk(solver, special, special.onward) if special.ends else grown(solver, special)
            if onward is None:
                branches[-1] = replace(branches[-1], status=Status.STRANDED, reason=Status.STRANDED.value)
            else:
                waiting.append((onward, special))
        elif switch == "always":
            waiting.extend(_everything(solver, branches[-1], explored))
    return Diagram(problem, tuple(branches), len(waiting))


def _everything(solver: Solver, branch: Branch, explored: list[SpecialPoint]) -> Iterator[tuple[Point, SpecialPoint]]:
    """Yield the first states of all branches that leave one, except at special points that were explored before."""
    for special in branch.special:
        if special.form is None or any(special.is_at(other) for other in explored):
            continue
        explored.append(special)
        first = [trunk(solver, special, side) for side in (1.0, -1.0)] if special.ends else leaving(solver, special)
        yield from ((point, special) for point in first if point is not None)
