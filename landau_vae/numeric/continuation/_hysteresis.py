"""Hysteresis: a sweep down and up again; whether it comes back through the same states, and where not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.display import significant, table
from landau_vae.numeric.continuation.branch import empty
from landau_vae.numeric.continuation.hysteresis_sweep import Sweep, sweep
from landau_vae.numeric.continuation.solve import Diverged
from landau_vae.numeric.continuation.status import Status
from landau_vae.numeric.problems.problem import Problem

__all__ = ["Hysteresis", "hysteresis"]

SAME = 1e-7  # of the loss (and 1): states closer than this are one


@dataclass(frozen=True, eq=False)
class Hysteresis:
    """A sweep down and up again."""

    problem: Problem = field(repr=False)
    down: Sweep
    up: Sweep
    gap: float  #: largest difference of the loss between both sweeps, outside the loops

    @property
    def continuous(self) -> bool:
        """Whether the state went there and back without a jump, through the same states."""
        return not (self.down.jumps or self.up.jumps) and bool(self.gap < SAME)

    @property
    def verdict(self) -> str:
        """In words, with the theorem where there is one."""
        if np.isnan(self.gap):
            return f"the sweep came to no end: {self.down.reason}"
        theorem = self.problem.certificate
        if self.continuous:
            return f"continuous: {theorem}" if theorem else "no jump was found; no theorem excludes one elsewhere"
        count = max(len(self.down.jumps), len(self.up.jumps))
        found = f"{count} first-order jump{'s' * (count != 1)}" if count else "two sweeps that differ"
        return f"{found}, which contradicts that {theorem}: please report it" if theorem else found

    def __repr__(self) -> str:
        return f"Hysteresis({self.verdict})"

    def summary(self) -> str:
        """The table of jumps, if there are any."""
        jumps = [("falling", jump) for jump in self.down.jumps] + [("rising", jump) for jump in self.up.jumps]
        name = self.problem.control
        rows = [
            [way, jump.at.kind, significant(jump.control, 9), _or_dash(jump.maxwell), _or_dash(jump.returns),
             _or_dash(jump.width), f"{jump.drop:.4g}"]
            for way, jump in jumps
        ]  # fmt: skip
        header = [name, "ends at a", "spinodal", "Maxwell", "returns", "width", "ΔF"]
        return repr(self) + (f"\n{table(header, rows)}" if rows else "")

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "continuous": self.continuous,
            "verdict": self.verdict,
            "down": self.down.to_dict(),
            "up": self.up.to_dict(),
        }


def hysteresis(
    problem: Problem,
    high: float,
    low: float,
    *,
    x: ArrayLike | None = None,
    max_step: float | None = None,
    max_points: int = 2000,
    on_progress: Callable[[float], object] = lambda control: None,
) -> Hysteresis:
    """Sweep the control from `high` down to `low`, then up again from the state that was reached.

    >>> from landau_vae import Loss, Spectrum
    >>> from landau_vae.numeric.problems import Linear
    >>> hysteresis(Linear(Spectrum.from_eigenvalues([2, 1]), Loss.gaussian(latents=2)), 3, 0.5).continuous
    True
    """
    settings: dict[str, Any] = {"max_step": max_step, "max_points": max_points, "on_progress": on_progress}
    down = sweep(problem, high, low, x=x, **settings)
    last = down.branches[-1]
    if down.status is not Status.REACHED:
        return Hysteresis(problem, down, Sweep(problem, (empty(down.status, down.reason),), ()), float("nan"))
    up = sweep(problem, float(last.control[-1]), high, x=last.x[-1], **settings)
    return Hysteresis(problem, down, up, _gap(down, up))


def _gap(down: Sweep, up: Sweep) -> float:
    """Largest relative difference of the loss between both sweeps, at controls that no loop covers."""
    loops = [sorted((jump.control, jump.returns)) for jump in (*down.jumps, *up.jumps) if jump.returns is not None]
    worst = 0.0
    for branch in up.branches:
        for control, loss in zip(branch.control[1:-1:3], branch.loss[1:-1:3], strict=True):
            if any(low <= control <= high for low, high in loops):
                continue
            try:
                worst = max(worst, abs(down.at(float(control))[1] - loss) / max(1.0, abs(loss)))
            except (Diverged, ValueError):
                continue
    return worst


def _or_dash(value: float | None) -> str:
    return "—" if value is None else significant(value, 9)
