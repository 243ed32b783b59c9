"""What all pictures share: colours, type, titled axes, ticks, legends, and names of lines with room of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from landau_vae.display import Array

INK, MUTED, WARM, COOL = "#22262b", "#68717b", "#c8452d", "#2f6db3"
QUIET, AMBER = "#87909a", "#94680c"
STYLE: Any = {"font.size": 9, "legend.fontsize": 8, "savefig.dpi": 160, "axes.linewidth": 0.8, "lines.linewidth": 1.3}
STYLE |= {"axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left", "figure.facecolor": "white"}
STYLE |= dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False)
STYLE |= dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), INK)
LEGEND_ROW = 0.15  # share of an axis that a row of a legend takes
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@contextmanager
def axes(ax: Axes | None, size: tuple[float, float]) -> Iterator[Axes]:
    """Yield the given axes, or those of a new figure, in the style of the package."""
    with matplotlib.rc_context(STYLE):
        yield Figure(figsize=size, layout="constrained").add_subplot() if ax is None else ax


def title(ax: Axes, heading: str, subtitle: str) -> None:
    """Write a bold title with a muted line under it."""
    ax.set_title(heading, pad=16)
    ax.text(0, 1.02, subtitle, transform=ax.transAxes, fontsize=8, color=MUTED)


def colours(count: int) -> Any:
    """Return one colour per mode, strongest first."""
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.9, count))


def signal_axis(ax: Axes) -> None:
    """Set the ticks of an axis of M², from inactive to free of noise; the room above 1 is for words."""
    ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.spines["left"].set_bounds(0, 1)
    ax.set_ylabel("signal fraction M²", y=0.5 / ax.get_ylim()[1], ha="center")


def number_below(ax: Axes, x: float, number: int, drop: float, *, colour: Any = MUTED, size: float = 8) -> None:
    """Write a mode's number below the axis, `drop` points down."""
    at: Any = {"textcoords": "offset points", "ha": "center", "va": "top", "annotation_clip": False}
    ax.annotate(f"{number}", (x, 0), (0, -drop), color=colour, fontsize=size, **at)


def name_vertical(ax: Axes, x: float, text: str, y: float, colour: str) -> None:
    """Write a name over a vertical line, inside the axes."""
    low, high = np.log(ax.get_xlim())
    share = (np.log(x) - low) / (high - low)
    side = "left" if share < 0.2 else "right" if share > 0.8 else "center"
    ax.text(x, y, text, ha=side, va="bottom", color=colour)


def name_horizontal(ax: Axes, value: float, text: str, colour: str, lam: Array, *, above: bool) -> None:
    """Write a name on a horizontal line, at the end that is farther from the spectrum `lam`."""
    third = -(-len(lam) // 3)
    left, right = (np.abs(np.log(part / value)).min() for part in (lam[:third], lam[-third:]))
    place, side = (0.0, "left") if left > right else (1.0, "right")
    style: Any = {"ha": side, "va": "bottom" if above else "top", "color": colour}
    offset = (4 - 6 * place, 3 if above else -3)
    ax.annotate(text, (place, value), offset, ("axes fraction", "data"), textcoords="offset points", **style)


def legend(ax: Axes) -> None:
    """Put the legend in the room that was left for it above the curves."""
    ax.legend(loc="upper left", ncols=2, borderaxespad=0, handletextpad=0.5, columnspacing=1.2, handlelength=1.6)


def headroom(low: float, high: float, entries: int) -> float:
    """Return the upper end of a log axis that leaves room for a legend of two columns above `high`."""
    share = 0.04 + 0.09 * -(-entries // 2)
    return float(high * (high / low) ** (share / (1 - share)))


def decimal(axis: Axis) -> None:
    """Set ticks at 1, 2 and 5 in plain numbers, for a log axis of a few decades."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter("{:g}".format))
    axis.set_minor_formatter(NullFormatter())


def log_axis(axis: Axis, most: float = np.inf) -> None:
    """Set few ticks in plain numbers, up to the largest value that has a meaning."""
    low, high = axis.get_view_interval()
    high = min(high, most)
    places = LogLocator(subs=(1, 2, 5) if high < 40 * low else (1,), numticks=7)
    ticks: Array = np.asarray(places.tick_values(low, high))
    axis.set_major_locator(FixedLocator(ticks[(ticks >= low) & (ticks <= high * (1 + 1e-9))].tolist()))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def plain(value: float) -> str:
    """Return a number as it is written by hand: 0.05, 200, 3·10⁻⁷."""
    power = int(np.floor(np.log10(abs(value)) + 1e-9)) if value else 0
    if -4 < power < 5:
        return f"{value:.6g}"
    digits = f"{value / 10.0**power:.3g}"
    return f"{'' if digits == '1' else f'{digits}·'}10{str(power).translate(SUPERSCRIPT)}"
