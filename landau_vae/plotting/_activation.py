"""When modes leave the plateau of the collapsed state, against the temperature relative to their thresholds."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from landau_vae.checks import checked
from landau_vae.limits import ACTIVATION_ERROR
from landau_vae.plotting.style import INK, MUTED, axes, colours, title
from landau_vae.verification._dynamics import Dynamics

MARKS: dict[str, Any] = {  # by verdict
    "agrees": {"label": "measured", "marker": "o", "ms": 4.5},
    "overshadowed": {"label": "measured, overshadowed", "marker": "o", "ms": 4, "mfc": "white"},
    "disagrees": {"label": "measured, disagrees", "marker": "x", "ms": 5, "mew": 1.4},
    "not reached": {"label": "not reached, as predicted", "marker": "^", "ms": 4.5, "mfc": "white"},
    "missing": {"label": "missing at the end", "marker": "P", "ms": 5.5},
}
BAND: Any = {"color": MUTED, "alpha": 0.18, "lw": 0}
SHARING: Any = {"lw": 0.9, "alpha": 0.5}


@checked
def activation(dynamics: Dynamics, ax: Axes | None = None) -> Axes:
    """Draw the updates until each mode is active against T/T_k, predicted and measured, and their ratio.

    Lines are predicted for a start of typical size. Points are brought to that size by
    the powers of e between it and their own start, so that one line serves all seeds
    and temperatures. Thin bars reach down to the earliest time, for latents that continue
    to share modes.

    Parameters
    ----------
    dynamics : Dynamics
        What `verification.dynamics` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Holds two panels; one colour per mode, strongest first.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (7.4, 5.0)) as ax:
        ax.set_axis_off()
        upper = ax.inset_axes((0.0, 0.40, 0.7, 0.60))
        lower = ax.inset_axes((0.0, 0.0, 0.7, 0.32), sharex=upper)
        shares = dynamics.temperature[:, None] / dynamics.spectrum.normalized
        drawn = np.isin(dynamics.verdict, list(MARKS)) & np.isfinite(dynamics.predicted)
        powers = np.where(drawn, dynamics.predicted * dynamics.rate, np.nan)  # of e between start and active
        modes = np.flatnonzero(drawn.any(axis=(0, 1)))
        coloured = list(zip(modes, colours(len(modes)), strict=True))
        for k, colour in coloured:
            typical = np.nanmedian(powers[..., k])
            line = np.linspace(max(shares[:, k].min() * 0.7, 0.0), 0.999, 400)
            rate = dynamics.rate_at(line * dynamics.spectrum.normalized[k])[:, k]
            upper.plot(line, typical / rate, color=colour, zorder=1)
            scale = typical / powers[..., k]
            for seed, t in np.argwhere(drawn[..., k]):
                _point(upper, lower, dynamics, (seed, t, k), shares[t, k], scale[seed, t], colour)
        upper.axhline(dynamics.worth, color=MUTED, lw=0.9, ls=(0, (5, 3)), zorder=0)
        upper.text(0.01, dynamics.worth, "end of the run", color=MUTED, fontsize=8, va="bottom")
        width = ACTIVATION_ERROR / np.nanmedian(powers) if len(modes) else 0.0
        lower.axhspan(1 - width, 1 + width, zorder=0, **BAND)
        lower.axhline(1, color=INK, lw=0.8, zorder=0.5)
        shortest = np.nanmin(dynamics.measured) if np.isfinite(dynamics.measured).any() else dynamics.worth / 100
        upper.set(xlim=(0, 1.02), yscale="log", ylim=(shortest / 1.6, dynamics.worth * 2.2))
        upper.set_ylabel("updates to activate")
        lower.set(ylim=(0, None), ylabel="measured / predicted", xlabel="temperature  $T/T_k$")
        upper.tick_params(labelbottom=False)
        for panel in (upper, lower):
            panel.axvline(1, color=MUTED, lw=0.8, ls=":", zorder=0)
        present = [verdict for verdict in MARKS if np.any(drawn & (dynamics.verdict == verdict))]
        names = [Line2D([], [], color=colour, label=f"mode {k + 1}") for k, colour in coloured]
        upper.legend(handles=names, loc="upper left", bbox_to_anchor=(1.02, 1.0), ncols=1 + len(modes) // 12)
        lower.legend(handles=_entries(present), loc="lower left", bbox_to_anchor=(1.02, 0.0))
        subtitle = "lines: growth from the collapsed point; points: gradient descent"
        title(upper, "Modes leave the plateau ever later towards $T_k$", subtitle)
        return ax


def _point(upper: Axes, lower: Axes, dynamics: Dynamics, at: Any, x: float, scale: float, colour: Any) -> None:
    """Draw a mode of a model in both panels."""
    verdict, latest, earliest = dynamics.verdict[at], dynamics.predicted[at], dynamics.earliest[at]
    look: Any = {"color": colour, "ls": "", "zorder": 2, **MARKS[verdict]}
    if verdict in ("not reached", "missing"):
        upper.plot(x, dynamics.worth, **look)
        return
    for panel, unit in ((upper, scale), (lower, 1 / latest)):
        panel.plot([x, x], [earliest * unit, latest * unit], color=colour, zorder=1.5, **SHARING)
        panel.plot(x, dynamics.measured[at] * unit, **look)


def _entries(verdicts: list[str]) -> list[Any]:
    """Return the entries of the legend, in ink because colours stand for modes."""
    parted = Line2D([], [], color=INK, label="predicted, latents parted")
    sharing = Line2D([], [], color=INK, ls="", marker="|", ms=9, alpha=0.5, label="predicted, latents sharing")
    measured = [Line2D([], [], color=INK, ls="", **MARKS[verdict]) for verdict in verdicts]
    return [parted, sharing, *measured, Patch(label=f"{ACTIVATION_ERROR:g} powers of e in amplitude", **BAND)]
