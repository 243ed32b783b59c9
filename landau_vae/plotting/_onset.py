"""The first collapse of a nonlinear VAE: its branches, its potential at three prices, and what other VAEs can reach."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landau_vae.checks import checked
from landau_vae.networks import Onset
from landau_vae.plotting import style
from landau_vae.plotting.style import AMBER, COOL, INK, MUTED, QUIET, WARM, axes, title

SIDES: Any = (COOL, INK, WARM)  # of potentials: at the linear threshold, at the Maxwell point, at the spinodal


@checked
def onset(result: Onset) -> Figure:
    """Draw the first collapse of a nonlinear VAE against β.

    Parameters
    ----------
    result : Onset
        What `lv.onset` returned.

    Returns
    -------
    Figure
        Left: the rate on all branches, stable ones solid, unstable ones dashed. Middle:
        the loss on the way from the collapsed to the active state, at three β. Right:
        the loss of the best state of each kind below the collapsed one; shaded: where
        single rows are memorised.
    """
    with axes(None, (1, 1)):
        figure = Figure(figsize=(11.5, 3.6), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        _branches(left, result)
        _potentials(middle, result)
        _losses(right, result)
        return figure


def _branches(ax: Axes, result: Onset) -> None:
    collapse, linear = result.collapse, result.linear
    for price, rate, line in ((collapse.stable.price, collapse.stable.rate, "-"), (*_unstable(result), "--")):
        ax.plot(linear * price, rate, color=COOL, ls=line)
    ends = linear * np.array([collapse.stable.price.min(), 1.0, 1.05 * collapse.spinodal.price])
    for low, high, line in ((*ends[:2], "--"), (*ends[1:], "-")):
        ax.plot([low, high], [0, 0], color=COOL, ls=line)
    price, rate = (values[0] for values in _unstable(result))
    ax.plot(linear * price, rate, "o", color=WARM, ms=5)
    ax.axvline(result.maxwell, color=INK, ls=":", lw=1)
    ax.set(xlabel=f"{result.loss.knob} of your loss", ylabel="rate R [nat]", xlim=ends[[0, 2]])
    title(ax, f"First collapse: {result.order}", "dotted: Maxwell point; dot: end of the active state")


def _unstable(result: Onset) -> Any:
    """Return prices and rates of the states between, from the end of the active branch to the linear threshold."""
    stable, unstable = result.collapse.stable, result.collapse.unstable
    last = np.flatnonzero(stable.price <= result.collapse.spinodal.price)[-1]
    ends = (stable.price[last], 1.0), (stable.rate[last], 0.0)
    middle = unstable.price, unstable.rate
    return [np.concatenate([[start], part, [stop]]) for (start, stop), part in zip(ends, middle, strict=True)]


def _potentials(ax: Axes, result: Onset) -> None:
    collapse = result.collapse
    prices = {"linear threshold": 1.0, "Maxwell point": collapse.maxwell.price, "spinodal": collapse.spinodal.price}
    curves = [collapse.potential(price) for price in prices.values()]
    length, deepest = curves[0]
    shown = length <= 1.5 * length[deepest.argmin()]
    for (length, loss), name, colour in zip(curves, prices, SIDES, strict=True):
        ax.plot(length[shown], result.unit * loss[shown], color=colour, label=name)
    ax.axhline(0, color=QUIET, lw=0.8)
    if (least := result.unit * deepest.min()) < 0:
        ax.set_ylim(1.2 * least, -1.2 * least)  # barriers are small
    ax.set(xlabel="size of the output's pattern, in √λ₁", ylabel="loss over the collapsed state")
    title(ax, "Potential", "the loss of all states of the branch, at three β")
    ax.legend(loc="best")


def _losses(ax: Axes, result: Onset) -> None:
    collapse, unit = result.collapse, result.unit
    ratio = np.linspace(collapse.stable.price[0], max(1.05 * result.proxy, collapse.spinodal.price), 200)
    ax.set_xscale("log")  # first: limits of a linear axis may be negative
    ax.axhline(0, color=QUIET, label="collapsed")
    ax.plot(result.linear * ratio, unit * result.linear_gain(ratio), color=INK, label="linear VAE")
    best = (collapse.stable.loss < 0) | (collapse.stable.price == collapse.maxwell.price)  # there it is 0, rounded
    ax.plot(
        result.linear * collapse.stable.price[best], unit * collapse.stable.loss[best], color=COOL, label="one latent"
    )
    if result.frontier is not None:
        bound = result.frontier
        ax.plot(bound.beta, bound.unit * (bound.any - bound.dead), color=WARM, marker=".", label="any VAE")
    ax.axvline(result.proxy_beta, color=MUTED, ls=":", lw=1)
    ax.set_xlim(*ax.get_xlim())
    if result.memorising > 1:
        ax.axvspan(ax.get_xlim()[0], result.memorising_beta, color=AMBER, alpha=0.12, lw=0, label="rows memorised")
    ax.set(xlabel=f"{result.loss.knob} of your loss", ylabel="loss over the collapsed state")
    style.log_axis(ax.xaxis)
    title(ax, "What each kind can reach", "dotted: σ²_sG, no VAE is better from there on")
    ax.legend(loc="best")
