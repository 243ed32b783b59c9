"""What all pictures share: colours, type, a titled `Axes` of their own where none is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["COOL", "INK", "MUTED", "STYLE", "WARM", "axes", "colours", "title"]

INK, MUTED, WARM, COOL = "#22262b", "#68717b", "#c8452d", "#2f6db3"
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "savefig.dpi": 160,
    "figure.facecolor": "white",
}


@contextmanager
def axes(ax: Axes | None, size: tuple[float, float]) -> Iterator[Axes]:
    """The given axes, or those of a new figure, in our style."""
    with matplotlib.rc_context(STYLE):
        yield Figure(figsize=size, layout="constrained").add_subplot() if ax is None else ax


def title(ax: Axes, heading: str, subtitle: str) -> None:
    """A bold title with a muted line under it."""
    ax.set_title(heading, pad=16)
    ax.text(0, 1.02, subtitle, transform=ax.transAxes, fontsize=8, color=MUTED)


def colours(count: int) -> Any:
    """One colour per mode, strongest first."""
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.9, count))
