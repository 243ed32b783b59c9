"""What any VAE could reach against β: the collapsed state, linear VAEs, all VAEs, and your models."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from landau_vae.checks import checked, numbers
from landau_vae.errors import InputError
from landau_vae.networks import Frontier
from landau_vae.plotting import style
from landau_vae.plotting.style import AMBER, COOL, INK, QUIET, WARM, axes, title

BAND: Any = {"alpha": 0.15, "lw": 0}


@checked
def frontier(result: Frontier, model: ArrayLike | None = None, ax: Axes | None = None) -> Axes:
    """Draw the least loss of any VAE against β, beside that of linear ones and of the collapsed state.

    Parameters
    ----------
    result : Frontier
        What `lv.frontier` returned, at several β.
    model : (k, 2) array_like, optional
        β and loss per row of trained models, as their training loops have it.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Lines: losses, in the unit of the loss; the band goes down to the lower bound.
        Dots: the models. Vertical lines: from where on the collapsed state is stable,
        and the best. Shaded: where single rows are memorised.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (6.4, 3.8)) as ax:
        order, unit = np.argsort(result.beta), result.unit
        beta, best = result.beta[order], unit * result.any[order]
        mark = "." if len(beta) < 20 else ""
        ax.axhline(unit * result.dead, color=QUIET, label="collapsed")
        if np.isfinite(result.linear).any():
            ax.plot(beta, unit * result.linear[order], color=INK, marker=mark, label="linear VAE")
        ax.plot(beta, best, color=COOL, marker=mark, label="any VAE")
        ax.fill_between(beta, unit * result.bound[order], best, color=COOL, **BAND)
        if model is not None:
            ax.plot(*_models(model).T, "o", color=WARM, ms=5, label="your models")
        ax.set(xscale="log", xlabel=f"{result.loss.knob} of your loss", ylabel="loss per row")
        ax.set_xlim(*ax.get_xlim())
        for price, words, height in ((result.first, "stable ", 0.1), (result.best_from, "best ", 0.03)):
            if np.isfinite(price):
                ax.axvline(result.beta_at(price), color=QUIET, ls=":", lw=1)
                ax.text(result.beta_at(price), height, words, ha="right", transform=ax.get_xaxis_transform())
        if np.isfinite(result.memorised_to):
            ax.axvspan(
                ax.get_xlim()[0], result.beta_at(result.memorised_to), color=AMBER, label="rows memorised", **BAND
            )
        style.log_axis(ax.xaxis)
        title(
            ax, "What any VAE could reach", f"{result.loss.formula}; dotted: from where on collapse is stable, and best"
        )
        ax.legend(loc="best")
        return ax


def _models(model: ArrayLike) -> Any:
    points = numbers(model, "model", finite=True)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(
            f"model has shape {points.shape}, but pairs (β, loss) are expected: give a (k, 2) array.", "model"
        )
    return points
