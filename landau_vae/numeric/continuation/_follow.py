"""Follow equilibria against the control: branches, where they bifurcate, and where they go from there.

A state that is followed through a loss of stability goes on along the branch that grows out of it (the cascade of a
VAE), or stays on its own, or everything that is born is followed too. Nothing here knows of VAEs: see `problems`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import ArrayLike

from landau_vae.display import jsonable, significant, table
from landau_vae.errors import InputError
from landau_vae.numeric.continuation.bifurcation_points import SpecialPoint
from landau_vae.numeric.continuation.branch import Branch, Leave, Range, empty, trace
from landau_vae.numeric.continuation.branch_switching import born_at, grown, trunk
from landau_vae.numeric.continuation.solve import Diverged, Point, Solver
from landau_vae.numeric.continuation.status import Status
from landau_vae.numeric.problems.problem import Problem

__all__ = ["Diagram", "Switch", "follow"]

Switch = Literal["stability", "always", "never"]


@dataclass(frozen=True, eq=False)
class Diagram:
    """The branches that were followed, and all special points on them."""

    problem: Problem = field(repr=False)
    branches: tuple[Branch, ...]  #: in the order in which they were found
    unfollowed: int = 0  #: branches that were found and not followed, for want of max_branches

    @property
    def special(self) -> tuple[SpecialPoint, ...]:
        """The special points of all branches, each once, however many branches meet there."""
        everything = [point for branch in self.branches for point in branch.special]
        found: list[SpecialPoint] = []
        for point in sorted(everything, key=lambda one: one.ends):  # where a branch is born, rather than where it ends
            if not any(point.is_at(other) for other in found):
                found.append(point)
        return tuple(sorted(found, key=everything.index))

    @property
    def _last(self) -> Branch:
        return next((branch for branch in self.branches if branch.status.failed), self.branches[-1])

    @property
    def status(self) -> Status:
        """How the last branch ended, or the first one that failed."""
        return Status.BRANCHES if self.unfollowed and not self._last.status.failed else self._last.status

    @property
    def reason(self) -> str:
        """The status in words, with advice where there is any."""
        return self._last.reason if self.status is self._last.status else self.status.value

    def __repr__(self) -> str:
        return f"Diagram({len(self.branches)} branches, {len(self.special)} special points, {self.status.name})"

    def summary(self) -> str:
        """The table of special points."""
        rows = [
            [str(n), point.kind, significant(point.control, 10), f"{point.precision:.0e}", str(point.kernel_dimension),
             f"{point.index[0]} → {point.index[1]}", *_coefficients(point)]
            for n, point in enumerate(self.special, start=1)
        ]  # fmt: skip
        header = ["", "kind", self.problem.control, "±", "kernel", "index", "κ₃", "κ₄"]
        return f"{self!r}\n{table(header, rows) if rows else 'no special points'}\n{self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        numbers = {id(special): n for n, special in enumerate(self.special)}
        branches = [
            {
                "control": branch.control,
                "loss": branch.loss,
                "index": branch.index,
                "order_parameters": branch.order_parameters,
                "status": branch.status.name,
                "parent": numbers.get(id(branch.parent)),
            }
            for branch in self.branches
        ]
        return jsonable(
            {
                "control": self.problem.control,
                "status": self.status.name,
                "reason": self.reason,
                "special": [point.to_dict() for point in self.special],
                "branches": branches,
            }
        )


def follow(
    problem: Problem,
    start: float,
    stop: float,
    *,
    x: ArrayLike | None = None,
    switch: Switch = "stability",
    max_step: float | None = None,
    max_points: int = 2000,
    max_branches: int = 100,
    on_progress: Callable[[float], object] = lambda control: None,
) -> Diagram:
    """Follow the state x (by default the problem's state of rest) from the control `start` towards `stop`.

    `switch`: at a loss of stability go on along the branch that the state grows along ("stability"), never leave the
    branch ("never"), or follow every branch that is found, up to `max_branches` ("always"). Branches stay within the
    range and have at most `max_points`; `max_step` is the longest step in √nats and in the control (its logarithm, for
    a VAE). Failure is a `status` with advice and the branch as far as it came; bad input raises `InputError`.

    >>> from landau_vae import Loss, Spectrum
    >>> from landau_vae.numeric.problems import Linear
    >>> diagram = follow(Linear(Spectrum.from_eigenvalues([4, 1, 1]), Loss.gaussian(latents=3)), 8, 0.5)
    >>> [(point.kind, round(point.control, 6), point.kernel_dimension) for point in diagram.special]
    [('supercritical pitchfork', 4.0, 3), ('supercritical pitchfork', 1.0, 4)]
    >>> bool(diagram.branches[-1].stable.all()), diagram.branches[-1].order_parameters[-1].round(6).tolist()
    (True, [0.875, 0.5, 0.5])
    """
    if switch not in ("stability", "always", "never"):
        raise InputError(f"switch is {switch!r}, but 'stability', 'always' or 'never' is expected.")
    if max_branches < 1:
        raise InputError(f"At most {max_branches} branches were asked for, but at least 1 is expected.")
    solver = Solver(problem)
    within = Range.of(solver, start, stop, max_step, max_points, on_progress)
    if (reason := problem.singular(start)) is not None:
        return Diagram(problem, (empty(Status.UNBOUNDED, reason),))
    try:
        origin = solver.fixed(solver.beginning(x, start), solver.coordinate(start), within.onward)
    except Diverged:
        return Diagram(problem, (empty(Status.NOT_STATIONARY),))
    waiting: deque[tuple[Point, SpecialPoint | None]] = deque([(origin, None)])
    branches: list[Branch] = []
    known: list[SpecialPoint] = []
    while waiting and len(branches) < max_branches:
        point, parent = waiting.popleft()
        leave: Leave = "at bifurcations" if switch == "stability" else "never"
        branches.append(trace(solver, point, within, leave=leave).born(parent))
        if branches[-1].status is Status.INTERRUPTED:
            break
        if switch == "stability" and branches[-1].status in (Status.LEFT, Status.MERGED):
            special = branches[-1].special[-1]
            next_one = trunk(solver, special, special.onward) if special.ends else grown(solver, special)
            if next_one is None:
                branches[-1] = branches[-1].stranded()
            else:
                waiting.append((next_one, special))
        elif switch == "always":
            waiting.extend(_everything(solver, branches[-1], known))
    return Diagram(problem, tuple(branches), len(waiting))


def _everything(solver: Solver, branch: Branch, known: list[SpecialPoint]) -> Iterator[tuple[Point, SpecialPoint]]:
    """The first states of all branches that leave one, but for those of special points that are known already."""
    for special in branch.special:
        if special.form is None or any(special.is_at(other) for other in known):
            continue
        known.append(special)
        born = [trunk(solver, special, side) for side in (1.0, -1.0)] if special.ends else born_at(solver, special)
        yield from ((point, special) for point in born if point is not None)


def _coefficients(point: SpecialPoint) -> list[str]:
    return ["", ""] if point.form is None else [f"{point.form.cubic:.2g}", f"{point.form.quartic:.4g}"]
