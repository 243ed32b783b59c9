"""Bifurcation diagrams: branches with their special points, and Landau potentials."""

from dataclasses import dataclass
from itertools import pairwise
from textwrap import fill
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from landau_vae.checks import checked
from landau_vae.display import Array
from landau_vae.numeric.continuation._follow import Diagram
from landau_vae.numeric.continuation.bifurcation_points import SpecialPoint
from landau_vae.numeric.continuation.branch import Branch
from landau_vae.numeric.continuation.potential import Potential
from landau_vae.numeric.problems.problem import Problem
from landau_vae.plotting import style
from landau_vae.plotting.style import COOL, INK, MUTED, STYLE, WARM, axes, colours, title

STABLE: Any = {"ls": "-", "lw": 1.4}
UNSTABLE: Any = {"ls": (0, (4, 2)), "lw": 0.9}
MARKS: dict[str, Any] = {  # of special points
    "supercritical pitchfork": {"marker": "o", "ms": 4.5},
    "subcritical pitchfork": {"marker": "o", "ms": 5, "mfc": "white"},
    "degenerate pitchfork": {"marker": "D", "ms": 4},
    "transcritical": {"marker": "s", "ms": 4.5},
    "fold": {"marker": "^", "ms": 5},
    "branch point": {"marker": "P", "ms": 5},
}
LOST: Any = {"marker": "x", "ms": 5, "ls": "", "color": WARM}
FORESEEN: Any = {"marker": 2, "ms": 6, "mew": 1, "ls": "", "color": MUTED}
HIDDEN = 3e-3  # of the largest order parameter: lines closer than this are one
RESTING = 1e-6  # of the largest order parameter: a smaller one is 0
FEW = 12  # special points that leave room for their multiplicity


@checked
def bifurcations(diagram: Diagram, ax: Axes | None = None, *, predicted: bool = True) -> Axes:
    """Draw the order parameters of all branches against the control, and the special points.

    Order parameters that are 0 all along a branch share one thin line: solid where a
    stable state has one, dashed where an unstable state has one. To draw the collapsed
    state beside its cascade, put both in one `Diagram`.

    Parameters
    ----------
    diagram : Diagram
        What `follow` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.
    predicted : bool, default True
        Whether to mark thresholds in closed form on the axis.

    Returns
    -------
    Axes
        Solid lines: stable. Dashed lines: unstable. Marks: where branches meet or turn.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    problem = diagram.problem
    with axes(ax, (6.4, 4.0)) as ax:
        tracks = [_Track.of(problem, branch) for branch in diagram.branches if len(branch.control)]
        largest = max((float(np.abs(track.order).max()) for track in tracks), default=0.0)
        resting, dashed = list[_Piece](), list[_Piece]()
        for track in tracks:
            for k, colour in enumerate(colours(track.order.shape[1])):
                pieces = track.pieces(k)
                if np.abs(track.order[:, k]).max() <= RESTING * largest:
                    resting += pieces
                    continue
                for piece in [one.refined() for one in pieces] if problem.logarithmic else pieces:
                    if piece.stable:  # the strongest on top
                        ax.plot(piece.control, piece.order, color=colour, zorder=2 - 1e-3 * k, **STABLE)
                    elif np.isfinite(order := piece.unseen(dashed, HIDDEN * largest)).any():
                        ax.plot(piece.control, order, color=colour, zorder=1.5, **UNSTABLE)
                        dashed.append(piece)
            if track.branch.status.failed:
                ends = [height for height in track.order[-1] if abs(height) > RESTING * largest] or [0.0]
                ax.plot(np.full(len(ends), track.control[-1]), ends, zorder=5, clip_on=False, **LOST)
        for stable, style in ((True, {"lw": 0.6}), (False, {**UNSTABLE, "lw": 1.3})):  # both can be seen at once
            for low, high in _covered([piece for piece in resting if piece.stable == stable]):
                ax.plot([low, high], [0, 0], color=INK, zorder=1.2, **style)
        marks = _marks(problem, tracks)
        for place, special in marks.items():
            ax.plot(*place, ls="", color=INK, zorder=4, **MARKS[special.kind])
            if (count := special.kernel_dimension) > 1 and len(marks) <= FEW:
                ax.annotate(f"×{count}", place, (3, 4), textcoords="offset points", fontsize=7)
        name = "$\\beta$" if problem.control == "β" else problem.control
        ax.set(xlabel=name, ylabel="order parameters", xscale="log" if problem.logarithmic else "linear")
        if _is_vae(problem):
            ax.set(ylabel="signal fraction $M^2_k$", ylim=(-0.08, 1.03))
        reached = np.concatenate([track.control for track in tracks]) if tracks else np.zeros(0)
        thresholds = [c for c, _ in problem.predicted() if predicted and tracks and reached.min() <= c <= reached.max()]
        ax.plot(thresholds, np.zeros(len(thresholds)), transform=ax.get_xaxis_transform(), **FORESEEN)
        if not tracks:
            ax.text(0.5, 0.5, fill(diagram.reason, 60), transform=ax.transAxes, ha="center", va="center", color=MUTED)
        if len(set(reached)) > 1:
            ax.set_xlim(reached.min(), reached.max())
            _decimal(ax)
        ax.legend(handles=_entries(tracks, marks, bool(thresholds)))
        subtitle = "solid: stable, dashed: unstable; marks: where branches meet or turn"
        title(ax, "Where states appear, end and jump", subtitle)
        return ax


@checked
def landau_potential(potential: Potential, ax: Axes | None = None) -> Axes:
    """Draw the Landau potential V(r) − V(0), one curve for each value of the control.

    Parameters
    ----------
    potential : Potential
        What `numeric.continuation.landau_potential` or `telling_potential` returned. At
        a pitchfork it is even, and amplitudes from 0 upwards are drawn to both sides.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        From the collapsed side of the transition (blue) to the other (red). Dots:
        minima.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    problem, special = potential.problem, potential.special
    with axes(ax, (4.6, 3.8)) as ax:
        order = np.argsort(potential.amplitude)
        r, values = potential.amplitude[order], potential.value[:, order]
        if "pitchfork" in special.kind and r[0] == 0:
            r, values = np.concatenate([-r[:0:-1], r]), np.hstack([values[:, :0:-1], values])
        finite = np.isfinite(values).any(axis=1)
        curves = list(zip(potential.control[finite], values[finite], _sides(potential)[finite], strict=True))
        deepest = barrier = 0.0
        for control, value, colour in curves:
            ax.plot(r, value, color=colour, label=_relative(problem, float(control), special.control))
            minima, maxima = _extrema(r, value), _extrema(r, -value)
            ax.plot(*minima, "o", color=colour, ms=4.5, zorder=3)
            deepest, barrier = max([deepest, *-minima[1]]), max([barrier, *-maxima[1]])
        if top := max(1.25 * deepest, 2.5 * barrier):
            ax.set_ylim(-1.12 * deepest - 0.04 * top, top)
            inside = r[np.any(values < top, axis=0)]
            ax.set_xlim(inside.min(), inside.max())
        unit = "  [nat]" if _is_vae(problem) else ""
        ax.set(xlabel="amplitude  $r$", ylabel=f"$V(r) - V(0)${unit}")
        if curves:
            ax.legend()
        place = f"{problem.control}* = {round(special.control, 12) + 0.0:.4g}"  # no −0
        title(ax, "The Landau potential", f"{special.kind} at {place}; dots: minima")
        return ax


@checked
def bifurcation_page(diagram: Diagram, potential: Potential | None) -> Figure:
    """Draw branches, and beside them a Landau potential, on one page.

    Parameters
    ----------
    diagram : Diagram
        What `follow` returned.
    potential : Potential or None
        The potential of one of its special points.

    Returns
    -------
    Figure
        `bifurcations`, and `landau_potential` if there is a potential.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with matplotlib.rc_context(STYLE):
        width, widths = (6.4, (1.0,)) if potential is None else (10.6, (1.5, 1.0))
        figure = Figure(figsize=(width, 4.0), layout="constrained")
        left, *right = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
        bifurcations(diagram, left)
        if potential is not None:
            landau_potential(potential, *right)
        return figure


def _is_vae(problem: Problem) -> bool:
    """Whether the order parameters are M² and the loss is in nats: problems that count their latents are VAEs."""
    return hasattr(problem, "latents")


@dataclass(frozen=True)
class _Piece:
    """A stretch of one order parameter along which the control is monotonic and the stability is the same."""

    control: Array
    order: Array
    stable: bool

    def refined(self) -> "_Piece":
        """Return more points on straight lines in the control, which a log axis bends: exact for a linear VAE."""
        step = np.arange(len(self.control))
        fine = np.linspace(0, step[-1], max(1, 300 // len(step)) * step[-1] + 1)
        return _Piece(np.interp(fine, step, self.control), np.interp(fine, step, self.order), self.stable)

    def unseen(self, drawn: "list[_Piece]", tolerance: float) -> Array:
        """Return the order parameter, NaN where it runs along a drawn piece: dashes upon dashes look solid."""
        hidden = np.zeros(len(self.control) - 1, dtype=bool)
        for other in drawn:
            rising = slice(None, None, 1 if other.control[0] < other.control[-1] else -1)
            there = np.interp(self.control, other.control[rising], other.order[rising], left=np.nan, right=np.nan)
            along = np.abs(there - self.order) < tolerance
            hidden |= along[:-1] & along[1:]
        inside = np.append(True, hidden) & np.append(hidden, True)
        return np.where(inside, np.nan, self.order)


@dataclass(frozen=True)
class _Track:
    """A branch from the point at which it starts, through the special points on it, to its end."""

    branch: Branch
    control: Array  # (n,)
    order: Array  # (n, k)
    stable: NDArray[np.bool_]  # behind each point but the last, (n − 1,)

    @classmethod
    def of(cls, problem: Problem, branch: Branch) -> "_Track":
        points = list(zip(branch.control.tolist(), branch.order_parameters, branch.index.tolist(), strict=True))
        at = 0
        for special in branch.special:  # in order; the index changes between the points to either side
            while at + 1 < len(points) and points[at + 1][2] == points[at][2]:
                at += 1
            if at + 1 == len(points):  # the last point itself
                break
            at += 1
            here = problem.order_parameters(special.x, special.control)
            points.insert(at, (special.control, here, special.index[1]))
        if (parent := branch.parent) is not None:
            points.insert(0, (parent.control, problem.order_parameters(parent.x, parent.control), points[0][2]))
        control, order, index = zip(*points, strict=True)
        return cls(branch, np.array(control), np.array(order), np.array(index[:-1]) == 0)

    def pieces(self, k: int) -> list[_Piece]:
        """Return one order parameter, cut where stability changes or the control turns; neighbours share a point."""
        cuts = np.diff(self.stable) | (np.diff(np.sign(np.diff(self.control))) != 0)
        edges = [0, *(np.flatnonzero(cuts) + 1).tolist(), len(self.stable)]
        spans = [(slice(a, b + 1), bool(self.stable[a])) for a, b in pairwise(edges) if b > a]
        return [_Piece(self.control[span], self.order[span, k], stable) for span, stable in spans]


def _covered(pieces: list[_Piece]) -> list[tuple[float, float]]:
    """Return the intervals of the control that these pieces cover together."""
    intervals: list[tuple[float, float]] = []
    for low, high in sorted((float(piece.control.min()), float(piece.control.max())) for piece in pieces):
        if intervals and low <= intervals[-1][1]:
            intervals[-1] = (intervals[-1][0], max(high, intervals[-1][1]))
        else:
            intervals.append((low, high))
    return intervals


def _decimal(ax: Axes) -> None:
    """Set plain numbers on a logarithmic axis of a few decades."""
    low, high = ax.get_xlim()
    if ax.get_xscale() == "log" and high / low < 1e3:
        style.decimal(ax.xaxis)
        if high / low <= 10:
            ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
            ax.xaxis.set_minor_locator(NullLocator())


def _marks(problem: Problem, tracks: list[_Track]) -> dict[tuple[float, float], SpecialPoint]:
    """Return where to mark which special points: each once, though several branches may pass through it."""
    marks: dict[tuple[float, float], SpecialPoint] = {}
    points = [(track, special) for track in tracks for special in track.branch.special]
    for track, special in sorted(points, key=lambda one: one[1].ends):  # first those that are known from the trunk
        for height in _heights(problem, track, special):
            marks.setdefault((float(f"{special.control:.7g}"), round(float(height), 7)), special)
    return marks


def _heights(problem: Problem, track: _Track, special: SpecialPoint) -> Array:
    """Return those order parameters of a special point that are about to change."""
    here = problem.order_parameters(special.x, special.control)
    if special.form is None:
        at = int(np.abs(track.control - special.control).argmin())
        change = track.order[min(at + 1, len(track.order) - 1)] - track.order[max(at - 1, 0)]
    else:
        moved = special.x + 1e-3 * special.form.kernel @ special.form.direction
        change = problem.order_parameters(moved, special.control) - here
    return here[np.abs(change) >= 0.1 * np.abs(change).max()]


def _entries(tracks: list[_Track], marks: dict[tuple[float, float], SpecialPoint], foreseen: bool) -> list[Line2D]:
    """Return the entries of the legend, for what is drawn."""
    stable, kinds = [one for track in tracks for one in track.stable], {special.kind for special in marks.values()}
    entries = [
        (any(stable), "stable", STABLE),
        (not all(stable), "unstable", UNSTABLE),
        *((kind in kinds, kind, {"ls": ""} | mark) for kind, mark in MARKS.items()),
        (any(track.branch.status.failed for track in tracks), "ended early", LOST),
        (foreseen, "threshold in closed form", FORESEEN | {"marker": "|"}),
    ]
    return [Line2D([], [], **({"color": INK} | style), label=label) for there, label, style in entries if there]


def _sides(potential: Potential) -> Any:
    """Return colours of a potential's curves, from blue to red across the special point."""
    special, coordinate = potential.special, np.log if potential.problem.logarithmic else np.asarray
    assert special.form is not None
    distance = np.sign(special.form.growth) * (coordinate(potential.control) - coordinate(special.control))
    low, high = distance.min(), distance.max()
    centre = 0.0 if low <= 0 <= high else np.median(distance)
    ramp = LinearSegmentedColormap.from_list("sides", [WARM, INK, COOL], N=257)  # odd: with INK itself
    return ramp(np.interp(distance, [min(low, centre - 1e-9), centre, max(high, centre + 1e-9)], [0.0, 0.5, 1.0]))


def _relative(problem: Problem, control: float, threshold: float) -> str:
    """Return a control in words, as a multiple of that of a special point if it is a positive number."""
    if not problem.logarithmic:
        return f"{problem.control} = {control:.4g}"
    ratio = f"{control / threshold:.4g}"
    return f"{problem.control}*" if ratio == "1" else f"{ratio} {problem.control}*"


def _extrema(r: Array, value: Array) -> Array:
    """Return places and heights of the minima, by the parabola through three points of a grid, (2, minima)."""
    minima = []
    for i in np.flatnonzero((value[1:-1] < value[:-2]) & (value[1:-1] <= value[2:])) + 1:
        a, b, c = np.polyfit(r[i - 1 : i + 2] - r[i], value[i - 1 : i + 2], 2)
        minima.append((r[i] - b / (2 * a), c - b**2 / (4 * a)))
    return np.array(minima).reshape(-1, 2).T
