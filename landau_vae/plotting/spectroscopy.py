"""What trained models of any architecture resolve: branches, rates, onsets against utilities, distortion by rank."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from landau_vae.checks import checked
from landau_vae.limits import ACTIVE
from landau_vae.plotting.style import COOL, INK, STYLE, WARM, axes, colours, title
from landau_vae.training.schema import validate
from landau_vae.verification._onsets import RANKS, TOLERANCES, Onsets


@checked
def onset_branches(found: Onsets, ax: Axes | None = None) -> Axes:
    """Draw the signal fractions M² by rank against the temperature, with the onsets on the axis.

    Parameters
    ----------
    found : Onsets
        What `spectroscopy`, or `verification.onsets` of a scan, returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Dots: trained models. Ticks: onsets T_c.

    Raises
    ------
    InputError
        For an argument of another type.
    """
    with axes(ax, (6.4, 3.8)) as ax:
        for k, colour in _shown(found):
            ax.plot(found.temperature, found.signal_fraction[:, k], ".-", color=colour, ms=4, lw=0.7)
            if found.resolved[k]:
                ax.plot(found.onset[k], -0.02, "|", color=colour, ms=9, clip_on=False)
        ax.set(
            xscale="log", ylim=(-0.02, 1.03), ylabel="signal fraction $M^2_k$", xlabel="temperature  $T = \\tau / V$"
        )
        title(ax, "Latents become active one by one", "by rank; ticks: onsets $T_c$ from the rates")
        return ax


@checked
def onset_rates(found: Onsets, ax: Axes | None = None) -> Axes:
    """Draw the rates by rank against the temperature, and ½ ln(ΔD̃/T) beside them.

    Parameters
    ----------
    found : Onsets
        What `spectroscopy`, or `verification.onsets` of a scan, returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Lines: predicted from the utilities. Dots: trained models.

    Raises
    ------
    InputError
        For an argument of another type.
    """
    with axes(ax, (4.8, 3.8)) as ax:
        predicted = found.predicted_rate
        for k, colour in _shown(found):
            ax.plot(found.temperature, predicted[:, k], color=colour, lw=1, zorder=1)
            ax.plot(found.temperature, found.rate[:, k], ".", color=colour, ms=4, zorder=2)
        ax.set(xscale="log", ylabel="rate $R_k$  [nat]", xlabel="temperature  $T = \\tau / V$")
        title(ax, "Rates follow utilities", "lines: $½\\,\\ln(\\Delta\\tilde D_k/T)$; dots: trained models")
        return ax


@checked
def identity(found: Onsets, ax: Axes | None = None) -> Axes:
    """Draw the onsets against the utilities, both on logarithmic axes, with the diagonal.

    Parameters
    ----------
    found : Onsets
        What `spectroscopy`, or `verification.onsets` of a scan, returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Dots: ranks, with their standard errors. Line: the diagonal.

    Raises
    ------
    InputError
        For an argument of another type.
    """
    with axes(ax, (4.2, 3.8)) as ax:
        seen = np.flatnonzero(found.resolved & (found.drop > 0))
        error = np.nan_to_num(found.onset_error[seen]) * found.onset[seen]
        ax.errorbar(found.drop[seen], found.onset[seen], error, fmt="o", color=COOL, ms=4, elinewidth=1)
        for k in seen:
            ax.annotate(str(k + 1), (found.drop[k], found.onset[k]), (4, -8), textcoords="offset points", fontsize=6)
        if seen.size:
            ends = np.array([found.drop[seen].min() / 2, found.drop[seen].max() * 2])
            ax.plot(ends, ends, color=INK, zorder=0)
        ax.set(xscale="log", yscale="log", xlabel="utility $\\Delta\\tilde D_k$", ylabel="onset $T_c$")
        about = (
            f"$R^2 = {found.identity:.3f}$ about the diagonal" if np.isfinite(found.identity) else "line: the diagonal"
        )
        title(ax, "Onsets are utilities", about)
        return ax


@checked
def rank_distortion(found: Onsets, ax: Axes | None = None) -> Axes:
    """Draw the best distortion against the number of latents kept, beside that of PCA.

    Parameters
    ----------
    found : Onsets
        What `spectroscopy`, or `verification.onsets` of a scan, returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Dots: trained models. Line: PCA. Dashes: the power law over ranks 4 … 17.

    Raises
    ------
    InputError
        For an argument of another type.
    """
    with axes(ax, (4.2, 3.8)) as ax:
        ranks = np.arange(1, len(found.best))
        if found.spectrum is not None:
            left = 1 - np.cumsum(found.spectrum.normalized)
            keep = left > 1e-12
            ax.plot(np.arange(1, left.size + 1)[keep], left[keep], color=INK, label="PCA", zorder=1)
        ax.plot(ranks, found.best[1:], "o", mfc="none", color=COOL, ms=5, label="trained", zorder=2)
        if np.isfinite(found.exponent):
            last = int(np.argmin(np.append(found.resolved, False)))
            use = ranks[(ranks >= RANKS[0]) & (ranks <= min(RANKS[1], last))]
            middle = np.exp(np.mean(np.log(found.best[use]) - found.exponent * np.log(use)))
            ax.plot(use, middle * use**found.exponent, "--", color=WARM, label=f"$K^{{{found.exponent:.1f}}}$")
        ax.set(xscale="log", yscale="log", xlabel="latents kept $K$", ylabel="best distortion $\\tilde D$")
        title(ax, "What the first latents explain", "best over all temperatures")
        ax.legend(loc="lower left")
        return ax


@checked
def effective_dimension(found: Onsets, ax: Axes | None = None) -> Axes:
    """Draw how many latents a tolerance needs, beside the modes of PCA.

    Parameters
    ----------
    found : Onsets
        What `spectroscopy`, or `verification.onsets` of a scan, returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Steps: trained models, as far as they reach, and PCA.

    Raises
    ------
    InputError
        For an argument of another type.
    """
    with axes(ax, (4.2, 3.8)) as ax:
        least = int(np.argmax(found.best <= 1.01 * found.best[-1])) + 1  # where more latents no longer help
        ax.step(found.best[:least], np.arange(least), where="post", color=COOL, label="trained")
        if found.spectrum is not None:
            left = np.concatenate([[1.0], 1 - np.cumsum(found.spectrum.normalized)])
            ax.step(np.maximum(left, 1e-9), np.arange(left.size), where="post", color=INK, label="PCA")
        for share in TOLERANCES:
            ax.axvline(share, color=INK, lw=0.4, alpha=0.4)
        ax.set(xscale="log", xlim=(1.1, TOLERANCES[-1] / 2), xlabel="tolerated distortion $\\tilde D$")
        ax.set_ylabel("effective dimension")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        title(ax, "Effective dimension", "how many variables a tolerance needs")
        ax.legend(loc="upper left")
        return ax


@checked
def distortion_curves(found: Onsets, ax: Axes | None = None) -> Axes:
    """Draw the distortion with the first 0, 1, 2, … latents kept against the temperature.

    Parameters
    ----------
    found : Onsets
        What `spectroscopy`, or `verification.onsets` of a scan, returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        One line per number of latents that are kept.

    Raises
    ------
    InputError
        For an argument of another type.
    """
    with axes(ax, (4.8, 3.8)) as ax:
        for k, colour in _shown(found):
            ax.plot(found.temperature, found.rank_distortion[:, k + 1], color=colour, lw=1)
        ax.plot(found.temperature, found.rank_distortion[:, -1], ".", color=INK, ms=3)
        ax.set(xscale="log", yscale="log", xlabel="temperature  $T = \\tau / V$", ylabel="distortion $\\tilde D$")
        title(ax, "Ranked pruning", "lines: the first 1, 2, … latents kept; dots: all")
        return ax


@checked
def spectroscopy_page(found: Onsets) -> Figure:
    """Draw the six pictures of a spectroscopy on one page.

    Parameters
    ----------
    found : Onsets
        What `spectroscopy`, or `verification.onsets` of a scan, returned.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        For an argument of another type.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(13, 7.6), layout="constrained")
        pictures = (onset_branches, onset_rates, identity, distortion_curves, rank_distortion, effective_dimension)
        for draw, ax in zip(pictures, figure.subplots(2, 3).flat, strict=True):
            draw(found, ax)
        return figure


@checked
def hysteresis_loop(down: Any, up: Any, ax: Axes | None = None) -> Axes:
    """Draw the largest signal fraction of a sweep down and of one up in one frame.

    Parameters
    ----------
    down, up : xarray.Dataset
        Scans of `start="down"` and `start="up"`, over the same temperatures.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Lines: the most active latent of each sweep, mean over seeds. Between them is hysteresis.

    Raises
    ------
    InputError
        For a dataset that is not a scan.
    """
    with axes(ax, (4.8, 3.8)) as ax:
        for name, scan, colour, marker in (("down", down, COOL, "<"), ("up", up, WARM, ">")):
            data = validate(scan, "signal_fraction", name=name).sortby("temperature")
            most = data.signal_fraction.max("latent")
            ax.plot(data.temperature, most.mean("seed"), marker + "-", color=colour, ms=4, lw=1, label=f"swept {name}")
            for each in most.transpose("seed", ...).values:
                ax.plot(data.temperature, each, ".", color=colour, ms=2, alpha=0.5)
        ax.set(xscale="log", ylim=(-0.02, 1.03), ylabel="largest signal fraction $M^2$")
        ax.set_xlabel("temperature  $T = \\tau / V$")
        title(ax, "Hysteresis", "each model starts from its neighbour; dots: seeds")
        ax.legend(loc="lower left")
        return ax


def _shown(found: Onsets) -> list[tuple[int, Any]]:
    """Return ranks that are active anywhere, each with a colour."""
    ranks = np.flatnonzero(np.nanmax(found.signal_fraction, axis=0) > ACTIVE)
    return list(zip(ranks.tolist(), colours(len(ranks)), strict=True))
