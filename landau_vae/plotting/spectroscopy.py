"""What trained models of any architecture resolve: branches, rates, onsets against utilities, distortion by rank."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from landau_vae.checks import checked
from landau_vae.errors import InputError
from landau_vae.limits import ACTIVE
from landau_vae.plotting import style
from landau_vae.plotting.style import COOL, INK, STYLE, WARM, axes, colours, title
from landau_vae.training.schema import validate
from landau_vae.verification._onsets import RANKS, TOLERANCES, Onsets

STARTS = {  # of scans: what a legend calls them, and their markers
    "down": ("swept down", "<"),
    "up": ("swept up", ">"),
    "fresh": ("from random weights", "o"),
    "another scan": ("from another scan", "o"),
}
TEMPERATURE = "temperature  $T = \\tau / V$"
NO_LATENT, NO_DISTORTION = "no latent is active", "no distortions"


@checked
def onset_branches(found: Onsets, ax: Axes | None = None) -> Axes:
    """Draw the signal fractions M² by rank against the temperature, with the onsets above.

    Parameters
    ----------
    found : Onsets
        What `spectroscopy`, or `verification.onsets` of a scan, returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Dots: trained models. Triangles: onsets T_c. Grey: ranks without one.

    Raises
    ------
    InputError
        For an argument of another type.
    """
    with axes(ax, (6.4, 3.8)) as ax:
        title(ax, "Latents become active one by one", "by rank; triangles: onsets $T_c$; grey: unresolved")
        shown = _shown(found)
        if _blank(ax, found, bool(shown), NO_LATENT):
            return ax
        for k, colour in shown:
            ax.plot(found.temperature, found.signal_fraction[:, k], ".-", color=colour, ms=4, lw=0.7)
            if found.resolved[k]:
                ax.plot(found.onset[k], 1.06, "v", color=colour, ms=5)
                ax.text(found.onset[k], 1.09, str(k + 1), color=colour, fontsize=7, ha="center")
        ax.set(xscale="log", ylim=(-0.02, 1.16), xlabel=TEMPERATURE)
        style.signal_axis(ax)
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
        title(ax, "Rates follow utilities", "lines: $½\\,\\ln(\\Delta\\tilde D_k/T)$; dots: trained; grey: unresolved")
        shown = _shown(found)
        if _blank(ax, found, bool(shown), NO_LATENT):
            return ax
        for k, colour in shown:
            ends = np.array([found.temperature[0], found.drop[k]])
            if found.resolved[k] and ends[1] > ends[0]:
                ax.plot(ends, 0.5 * np.log(found.drop[k] / ends), color=colour, lw=1, zorder=1)
            ax.plot(found.temperature, found.rate[:, k], ".", color=colour, ms=4, zorder=2)
        ax.set(xscale="log", ylabel="rate $R_k$  [nat]", xlabel=TEMPERATURE)
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
        about = f"; $R^2 = {found.identity:.3f}$ about it" if np.isfinite(found.identity) else ""
        title(ax, "Onsets are utilities", f"numbers: ranks; line: the diagonal{about}")
        seen = np.flatnonzero(found.resolved & (found.drop > 0))
        if _blank(ax, found, bool(seen.size), NO_DISTORTION if found.resolved.any() else "no onset resolved"):
            return ax
        drop, onset, error = found.drop[seen], found.onset[seen], np.exp(np.nan_to_num(found.onset_error[seen]))
        spread = onset - onset / error, onset * error - onset
        ax.errorbar(drop, onset, spread, fmt="o", color=COOL, ms=4, elinewidth=1)
        for k in seen:
            ax.annotate(str(k + 1), (found.drop[k], found.onset[k]), (5, -9), textcoords="offset points", fontsize=7)
        ends = np.array([drop.min() / 2, drop.max() * 2])
        ax.plot(ends, ends, color=INK, zorder=0)
        ax.set(xscale="log", yscale="log", xlabel="utility $\\Delta\\tilde D_k$  [share of $V$]", ylabel="onset $T_c$")
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
        title(ax, "What the first latents explain", "best over all temperatures, as far as latents help")
        if _blank(ax, found, bool((found.best[1:] > 0).any()), NO_DISTORTION):
            return ax
        if found.spectrum is not None:
            left = 1 - np.cumsum(found.spectrum.normalized)
            keep = left > 1e-12
            ax.plot(np.arange(1, left.size + 1)[keep], left[keep], color=INK, label="PCA", zorder=1)
        ranks = np.arange(1, max(_reach(found), 1) + 1)
        ax.plot(ranks, found.best[ranks], "o", mfc="none", color=COOL, ms=5, label="trained", zorder=2)
        if np.isfinite(found.exponent):
            last = int(np.argmin(np.append(found.resolved, False)))
            use = np.arange(RANKS[0], min(RANKS[1], last) + 1)
            middle = np.exp(np.mean(np.log(found.best[use]) - found.exponent * np.log(use)))
            ax.plot(use, middle * use**found.exponent, "--", color=WARM, label=f"$K^{{{found.exponent:.1f}}}$")
        ax.set(xscale="log", yscale="log", xlabel="latents kept $K$", ylabel="distortion $\\tilde D$  [share of $V$]")
        style.decimal(ax.xaxis)
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
        title(ax, "Effective dimension", "latents that a tolerance needs; grey: tolerances of the table")
        if _blank(ax, found, bool((found.best > 0).any()), NO_DISTORTION):
            return ax
        reached = found.best[: _reach(found) + 1]
        ax.step(reached, np.arange(reached.size), where="pre", color=COOL, label="trained", zorder=2)
        if found.spectrum is not None:
            left = np.concatenate([[1.0], 1 - np.cumsum(found.spectrum.normalized)])
            ax.step(np.maximum(left, 1e-9), np.arange(left.size), where="pre", color=INK, lw=2.5, label="PCA", zorder=1)
        for share in TOLERANCES:
            ax.axvline(share, color=style.QUIET, lw=0.5, zorder=0)
        ax.set(xscale="log", xlim=(1.1, TOLERANCES[-1] / 2), xlabel="tolerated distortion $\\tilde D$  [share of $V$]")
        ax.set_ylabel("effective dimension")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{style.plain(100 * share)} %"))
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
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
        title(ax, "Ranked pruning", "lines: the first 1, 2, … latents kept; dots: all; grey: unresolved")
        if _blank(ax, found, bool((found.rank_distortion > 0).any()), NO_DISTORTION):
            return ax
        for k, colour in reversed(_shown(found)):  # the first on top
            ax.plot(found.temperature, found.rank_distortion[:, k + 1], color=colour, lw=1)
        ax.plot(found.temperature, found.rank_distortion[:, -1], ".", color=INK, ms=3)
        ax.set(xscale="log", yscale="log", xlabel=TEMPERATURE, ylabel="distortion $\\tilde D$  [share of $V$]")
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
        Scans of `start="down"` and `start="up"`, over the same temperatures. Others are
        drawn as what they are.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Lines: the most active latent of each sweep, mean over seeds. Between them is
        hysteresis.

    Raises
    ------
    InputError
        For a dataset that is not a scan, and for scans over different temperatures.
    """
    first, second = (
        np.sort(validate(scan, "signal_fraction", name=name).temperature.values)
        for name, scan in (("down", down), ("up", up))
    )
    if first.shape != second.shape or not np.allclose(first, second, rtol=1e-6, atol=0):
        raise InputError("up has other temperatures than down: give two scans over the same.", "up")
    starts = [scan.attrs.get("start", name) for name, scan in (("down", down), ("up", up))]
    with axes(ax, (4.8, 3.8)) as ax:
        for start, scan, colour in zip(starts, (down, up), (COOL, WARM), strict=True):
            data, (label, marker) = scan.sortby("temperature"), STARTS.get(str(start), (f"start: {start}", "o"))
            most = data.signal_fraction.max("latent")
            ax.plot(data.temperature, most.mean("seed"), marker + "-", color=colour, ms=4, lw=1, label=label)
            for each in most.transpose("seed", ...).values:
                ax.plot(data.temperature, each, ".", color=colour, ms=2, alpha=0.5)
        ax.set(xscale="log", ylim=(-0.02, 1.03), xlabel=TEMPERATURE, ylabel="largest signal fraction $M^2$")
        style.log_axis(ax.xaxis)
        swept = {*starts} == {"down", "up"}
        title(ax, "Hysteresis", "each model starts from its neighbour; dots: seeds" if swept else "dots: seeds")
        ax.legend(loc="lower left")
        return ax


def _blank(ax: Axes, found: Onsets, drawn: bool, why: str) -> bool:
    """Write why there is nothing to draw, unless there is."""
    if drawn:
        return False
    ax.set(xticks=[], yticks=[])
    why = "all models diverged" if found.diverged and np.isnan(found.rate).all() else why
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=style.MUTED)
    return True


def _shown(found: Onsets) -> list[tuple[int, Any]]:
    """Return ranks that are active anywhere, each with a colour: grey, unless its onset is resolved."""
    ranks = np.flatnonzero(np.nan_to_num(found.signal_fraction).max(axis=0) > ACTIVE)
    bright = iter(colours(int(found.resolved[ranks].sum())))
    return [(k, next(bright) if found.resolved[k] else style.QUIET) for k in ranks.tolist()]


def _reach(found: Onsets) -> int:
    """Return after how many latents more no longer help."""
    return int(np.argmax(found.best <= 1.01 * found.best[-1]))
