"""How many samples a latent needs: trained thresholds and overlaps against n/d, with their closed forms."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from landau_vae.checks import checked
from landau_vae.display import Array
from landau_vae.numeric._spiked import Spiked, spiked
from landau_vae.plotting import style
from landau_vae.plotting.style import INK, axes, colours, title
from landau_vae.verification._dataset_size import DatasetSize

LARGE = 10**9  # features of the lines: so many that any n/d is a whole number of samples
ENDLESS: Any = {"ls": (0, (5, 3)), "lw": 0.9}
SIZED: Any = {"ls": (0, (1, 1)), "lw": 1.1}
MARKS: dict[str, Any] = {  # by verdict
    "agrees": {"label": "trained", "marker": "o"},
    "not resolved": {"label": "trained, not resolved", "marker": "o", "mfc": "white"},
    "disagrees": {"label": "trained, disagrees", "marker": "x"},
}


@checked
def dataset_size(result: DatasetSize, ax: Axes | None = None) -> Axes:
    """Draw the thresholds of trained latents against n/d, and their squared overlap with the spikes.

    Parameters
    ----------
    result : DatasetSize
        What `verification.dataset_size` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Holds two panels; one colour per spike, strongest first. Lines: limits of large
        n and d. Points: mean ± standard error over training sets, hollow if the
        comparison is not
        resolved, crosses if it fails. Diamonds: the BBP transition.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (6.0, 5.4)) as ax:
        ax.set_axis_off()
        upper = ax.inset_axes((0.0, 0.46, 1.0, 0.54))
        lower = ax.inset_axes((0.0, 0.0, 1.0, 0.40), sharex=upper)
        theory, ends = result.predicted[0], (0.75 * float(result.ratio[0]), 1.35 * float(result.ratio[-1]))
        inside = (theory.critical_aspect > ends[0]) & (theory.critical_aspect < ends[1])
        alpha = np.sort([*np.geomspace(*ends, 800), *theory.critical_aspect[inside]])
        limit, sized = ([_at(theory, value, count) for value in alpha] for count in (LARGE, theory.features))
        for k, colour in enumerate(colours(len(theory.spikes))):
            upper.axhline(theory.population[k], color=colour, zorder=0, **ENDLESS)
            for panel, name in ((upper, "threshold"), (lower, "overlap")):
                line = np.array([getattr(at, name)[k] for at in limit])
                panel.plot(alpha, line, color=colour)
                if inside[k]:
                    critical = theory.critical_aspect[k]
                    panel.axvline(critical, color=colour, ls=":", lw=0.9, zorder=0)
                    panel.plot(critical, np.interp(critical, alpha, line), "D", color=colour, ms=7, zorder=1.5)
                _points(panel, result, k, getattr(result, name), colour)
            edge = [(at.aspect, at.expected_threshold[k]) for at in sized if not (at.seen[k] or at.blurred[k])]
            upper.plot(*np.reshape(edge, (-1, 2)).T, color=colour, **SIZED)
            if inside[k]:
                text = "BBP transition" if len(inside) == 1 else f"BBP, $k = {k + 1}$"
                at_top = lower.get_xaxis_transform()
                lower.text(critical, 1.03, text, color=colour, fontsize=8, ha="center", transform=at_top)
        upper.set(xscale="log", yscale="log", xlim=ends, ylabel="training-set threshold  $\\hat\\lambda_k$")
        lower.set(ylim=(-0.05, 1.05), ylabel="squared overlap", xlabel="samples per feature  $\\alpha = n/d$")
        for axis in (upper.xaxis, upper.yaxis):
            style.decimal(axis)
        upper.tick_params(labelbottom=False)
        upper.legend(handles=_entries(result), loc="upper right")
        title(upper, "With few samples, latents live on noise", "lines: random-matrix theory; points: trained models")
        return ax


def _at(theory: Spiked, aspect: float, features: int) -> Spiked:
    return spiked(theory.spikes, theory.noise, max(2, round(aspect * features)), features)


def _points(ax: Axes, result: DatasetSize, k: int, values: Array, colour: Any) -> None:
    """Draw the mean ± standard error over seeds, with the mark of the verdict."""
    error = values.std(axis=1, ddof=1)[:, k] / np.sqrt(values.shape[1])
    for verdict, mark in MARKS.items():
        which = result.verdict[:, k] == verdict
        points = result.ratio[which], values.mean(axis=1)[which, k], error[which]
        ax.errorbar(*points, ls="", ms=4.5, color=colour, elinewidth=0.9, capsize=2, **mark)


def _entries(result: DatasetSize) -> list[Line2D]:
    """Return the entries of the legend, in ink because colours stand for spikes."""
    present = [mark for verdict, mark in MARKS.items() if verdict == "agrees" or np.any(result.verdict == verdict)]
    return [
        Line2D([], [], color=INK, label="limit $n, d \\to \\infty$"),
        Line2D([], [], color=INK, label=f"edge of noise at $d = {result.predicted[0].features}$", **SIZED),
        Line2D([], [], color=INK, label="population", **ENDLESS),
        *(Line2D([], [], color=INK, ls="", ms=4.5, **mark) for mark in present),
    ]
