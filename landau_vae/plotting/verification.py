"""Theory against trained models: the four pictures of a verification, and one page of them."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from landau_vae.checks import checked
from landau_vae.display import Array
from landau_vae.loss import Loss
from landau_vae.numeric._equilibrium import Equilibrium, equilibrium
from landau_vae.plotting.style import COOL, INK, STYLE, WARM, axes, colours, number_below, title
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.verification.verification import Verification

DRAWN = 1e-3  # M² above which a latent of a branch is drawn
CLOSEST = 0.025  # share of the axis between the numbers of two modes


@checked
def branches(result: Verification, ax: Axes | None = None) -> Axes:
    """Draw the signal fractions M² against the temperature, predicted and trained, with the thresholds on the axis.

    Parameters
    ----------
    result : Verification
        What `verify` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Lines: predicted. Dots: trained models.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (6.4, 3.8)) as ax:
        grid = result.branches.temperature
        temperature = np.geomspace(grid[0], grid[-1], 2000)
        predicted = _equilibrium(result.spectrum, temperature).signal_fraction
        free = [np.inf, np.inf]  # where the room ends that each of two rows of numbers has left
        width = np.log(temperature[-1] / temperature[0]) or 1.0
        for k, colour in enumerate(colours(len(result.verdict))):
            threshold, measured = result.spectrum.normalized[k], result.branches.signal_fraction[:, k]
            active = measured > DRAWN
            ax.plot(temperature, predicted[:, k], color=colour, zorder=1)
            ax.plot(grid[active], measured[active], ".", color=colour, ms=4, zorder=2)
            row, place = k % 2, np.log(threshold / temperature[0]) / width
            if 0 <= place <= 1 and place < free[row]:
                free[row] = place - CLOSEST
                number_below(ax, threshold, k + 1, 3 if row else 10, colour=colour, size=6)
        ax.set(xscale="log", ylim=(0, 1.03), ylabel="signal fraction $M^2_k$")
        heading = "Every latent has its own threshold" if result.agrees else "Signal fractions of the latents"
        title(ax, heading, "lines: predicted from PCA; dots: trained from random starts")
        ax.set_xlabel("temperature  $T = \\tau / V$", labelpad=10)
        ax.tick_params(axis="x", which="both", pad=14)
        return ax


@checked
def universal_law(result: Verification, ax: Axes | None = None) -> Axes:
    """Draw the signal fractions of all modes against T/T_k, where one line, 1 − T/T_k, is predicted.

    Parameters
    ----------
    result : Verification
        What `verify` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Line: the law. Dots: trained models.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (4.2, 3.8)) as ax:
        ax.plot([0, 1, 1.6], [1, 0, 0], color=INK, zorder=1)
        for k, colour in enumerate(colours(len(result.verdict))):
            share = result.branches.temperature / result.spectrum.normalized[k]
            ax.plot(share, result.branches.signal_fraction[:, k], ".", color=colour, ms=4, zorder=2)
        ax.set(xlim=(0, 1.6), ylim=(-0.03, 1.03), ylabel="signal fraction $M^2_k$")
        ax.set_xlabel("$T / T_k$,  $T_k = \\lambda_k / V$")
        heading = "All latents follow one law" if result.agrees else "All latents against one law"
        title(ax, heading, "line: $1 - T/T_k$; dots: trained models")
        return ax


@checked
def spectra(result: Verification, ax: Axes | None = None) -> Axes:
    """Draw the collapse temperatures, the utilities and the PCA spectrum on one axis of modes.

    Parameters
    ----------
    result : Verification
        What `verify` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Line: the data. Circles and crosses: trained models, with standard errors where
        training is noisy.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (4.2, 3.8)) as ax:
        count, branches = len(result.verdict), result.branches
        modes = np.arange(1, count + 1)
        lone = "_" if count == 1 else ""  # a line through one point cannot be seen
        pca = result.spectrum.normalized[:count]
        ax.plot(modes, pca, marker=lone, ms=20, color=INK, label="PCA  $\\lambda_k/V$", zorder=1)
        ax.plot(modes, result.threshold, "o", mfc="none", color=COOL, ms=7, label="collapse temperature, trained")
        inside = np.array([not branches.noisy or verdict != "outside the grid" for verdict in result.verdict])
        ax.plot(modes[inside], result.utility[inside], "x", color=WARM, ms=5, label="utility of the latent, trained")
        if branches.noisy:
            ends = np.nan_to_num(np.abs(result.threshold_interval - result.threshold[:, None]))
            ax.errorbar(modes, result.threshold, ends.T, fmt="none", ecolor=COOL, elinewidth=1)
        else:
            coldest = branches.temperature[:1]
            predicted = _equilibrium(result.spectrum, coldest).utility(result.reconstruction)
            name = f"utility predicted at T = {coldest[0]:g}"
            ax.plot(modes, predicted[0, :count], ":", marker=lone, ms=20, color=WARM, label=name, zorder=1)
        ax.set(yscale="log", xlim=(0.5, 1.5) if lone else None, xlabel="mode $k$", ylabel="share of the variance")
        heading = "Three spectra are one" if result.agrees else "Three spectra"
        title(ax, heading, "of the data, of the collapses, of ranked pruning")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.legend(loc="best" if lone else "lower left")
        return ax


@checked
def rate_distortion(result: Verification, ax: Axes | None = None) -> Axes:
    """Draw the distortion against the rate: reverse water-filling and the trained models.

    Parameters
    ----------
    result : Verification
        What `verify` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Line: the least distortion at each rate. Dots: trained models. Ticks: where a
        mode becomes active.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (4.2, 3.8)) as ax:
        spectrum, grid = result.spectrum, result.branches.temperature
        latents = result.branches.at_rest.shape[-1]
        state = _equilibrium(spectrum, np.geomspace(grid[0], grid[-1], 1000), latents)
        ax.plot(state.total_rate, state.total_distortion, color=INK, label="reverse water-filling", zorder=1)
        rate, distortion = result.branches.total_rate.mean(axis=0), result.branches.rank_distortion("sampled")[:, -1]
        ax.plot(rate, distortion, ".", color=COOL, ms=4, label="trained", zorder=2)
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.set(yscale="log", xlabel="rate  $R$  [nat]", ylabel="distortion  $\\tilde D$")
        if result.agrees:
            title(ax, "On the rate–distortion curve", "each trained model is optimal at its own price")
        else:
            title(ax, "Rate and distortion", "on the line a model would be optimal at its own price")
        thresholds = spectrum.normalized[: len(result.verdict)]
        if np.any(thresholds >= grid[0]):
            onset = _equilibrium(spectrum, thresholds[thresholds >= grid[0]], latents)
            label = "a mode becomes active"
            ax.plot(onset.total_rate, onset.total_distortion, "|", color=WARM, ms=9, label=label, zorder=3)
        ax.legend(loc="upper right")
        return ax


@checked
def overview(result: Verification) -> Figure:
    """Draw the four pictures of a verification on one page.

    Parameters
    ----------
    result : Verification
        What `verify` returned.

    Returns
    -------
    Figure
        `branches`, `universal_law`, `rate_distortion` and `spectra`.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 7.6), layout="constrained")
        panels = figure.subplots(2, 2, width_ratios=(1.35, 1)).flat
        for draw, ax in zip((branches, universal_law, rate_distortion, spectra), panels, strict=True):
            draw(result, ax)
        return figure


def _equilibrium(spectrum: Spectrum, temperature: Array, latents: int | None = None) -> Equilibrium:
    """Return the equilibria at these temperatures."""
    return equilibrium(spectrum, Loss.gaussian(temperature * spectrum.total_variance, latents=latents))
