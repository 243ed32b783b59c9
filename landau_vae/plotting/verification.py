"""Theory against trained models: the four pictures of a verification, and one page of them."""

from collections.abc import Callable

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from landau_vae.display import Array
from landau_vae.loss import Loss
from landau_vae.numeric._equilibrium import equilibrium
from landau_vae.plotting.style import COOL, INK, STYLE, WARM, axes, colours, title
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.verification.verification import Verification

__all__ = ["branches", "overview", "rate_distortion", "spectra", "universal_law"]

DRAWN = 1e-3  # M² above which a latent of a branch is drawn
CLOSEST = 0.025  # share of the axis between the numbers of two modes


def branches(result: Verification, ax: Axes | None = None) -> Axes:
    """Signal fractions M²_k(T): predicted lines, trained points, thresholds λ_k/V marked on the axis."""
    with axes(ax, (6.4, 3.8)) as ax:
        temperature = np.geomspace(result.branches.temperature[0], result.branches.temperature[-1], 2000)
        predicted = _predicted(result.spectrum, temperature)
        free = [np.inf, np.inf]  # up to where each of two rows of numbers is
        width = np.log(temperature[-1] / temperature[0]) or 1.0
        for k, colour in enumerate(colours(len(result.verdict))):
            pca, measured = result.spectrum.normalized[k], result.branches.signal_fraction[:, k]
            alive = measured > DRAWN
            ax.plot(temperature, predicted[:, k], color=colour, zorder=1)
            ax.plot(result.branches.temperature[alive], measured[alive], ".", color=colour, ms=4, zorder=2)
            row, place = k % 2, np.log(pca / temperature[0]) / width
            if 0 <= place <= 1 and place < free[row]:
                free[row] = place - CLOSEST
                ax.annotate(
                    f"{k + 1}",
                    (pca, 0),
                    (0, -3 if row else -10),
                    textcoords="offset points",
                    ha="center",
                    va="top",
                    fontsize=6,
                    color=colour,
                    annotation_clip=False,
                )
        ax.set(
            xscale="log",
            ylim=(0, 1.03),
            ylabel="signal fraction $M^2_k$",
        )
        title(
            ax,
            "Every latent dies at its own temperature" if result.agrees else "Signal fractions of the latents",
            "lines: predicted from PCA; dots: trained from random starts",
        )
        ax.set_xlabel("temperature  $T = \\tau / V$", labelpad=10)
        ax.tick_params(axis="x", which="both", pad=14)
        return ax


def universal_law(result: Verification, ax: Axes | None = None) -> Axes:
    """The same points against T/T_k: one line, 1 − T/T_k."""
    with axes(ax, (4.2, 3.8)) as ax:
        ax.plot([0, 1, 1.6], [1, 0, 0], color=INK, zorder=1)
        for k, colour in enumerate(colours(len(result.verdict))):
            ax.plot(
                result.branches.temperature / result.spectrum.normalized[k],
                result.branches.signal_fraction[:, k],
                ".",
                color=colour,
                ms=4,
                zorder=2,
            )
        ax.set(
            xlim=(0, 1.6),
            ylim=(-0.03, 1.03),
            xlabel="$T / T_k$,  $T_k = \\lambda_k / V$",
            ylabel="signal fraction $M^2_k$",
        )
        title(
            ax, "…along one law" if result.agrees else "…against one law", "line: $1 - T/T_k$; dots: the same latents"
        )
        return ax


def spectra(result: Verification, ax: Axes | None = None) -> Axes:
    """Collapse, utility and PCA spectrum on one axis of modes."""
    with axes(ax, (4.2, 3.8)) as ax:
        count = len(result.verdict)
        modes = np.arange(1, count + 1)
        lone = "_" if count == 1 else ""  # a line through one point is none
        pca = result.spectrum.normalized[:count]
        ax.plot(modes, pca, marker=lone, ms=20, color=INK, label="PCA  $\\lambda_k/V$", zorder=1)
        ax.plot(modes, result.threshold, "o", mfc="none", color=COOL, ms=7, label="collapse temperature, trained")
        coldest = result.branches.temperature[:1]
        if result.branches.noisy:  # standard errors, and nothing of modes that the grid does not hold
            known = np.array([verdict != "outside the grid" for verdict in result.verdict])
            ends = np.nan_to_num(np.abs(result.threshold_interval - result.threshold[:, None]))
            ax.errorbar(modes, result.threshold, ends.T, fmt="none", ecolor=COOL, elinewidth=1)
            ax.plot(modes[known], result.utility[known], "x", color=WARM, ms=5, label="utility of the latent, trained")
        else:
            ax.plot(modes, result.utility, "x", color=WARM, ms=5, label="utility of the latent, trained")
            predicted = equilibrium(result.spectrum, _at(result.spectrum, coldest)).utility(result.reconstruction)
            name = f"utility predicted at T = {coldest[0]:g}"
            ax.plot(modes, predicted[0, :count], ":", marker=lone, ms=20, color=WARM, label=name, zorder=1)
        ax.set(yscale="log", xlim=(0.5, 1.5) if lone else None, xlabel="mode $k$", ylabel="share of the variance")
        title(
            ax,
            "Three spectra are one" if result.agrees else "Three spectra",
            "of the data, of the collapses, of ranked pruning",
        )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.legend(loc="best" if lone else "lower left")
        return ax


def rate_distortion(result: Verification, ax: Axes | None = None) -> Axes:
    """Total rate against distortion: reverse water-filling and the trained models; a tick where a mode wakes."""
    with axes(ax, (4.2, 3.8)) as ax:
        grid, latents = result.branches.temperature, result.branches.at_rest.shape[-1]
        state = equilibrium(result.spectrum, _at(result.spectrum, np.geomspace(grid[0], grid[-1], 1000), latents))
        ax.plot(state.total_rate, state.total_distortion, color=INK, label="reverse water-filling", zorder=1)
        models = result.branches.models
        ax.plot(
            models.rate.sum(-1).mean(0),
            models.distortion.mean(0) / result.spectrum.total_variance,
            ".",
            color=COOL,
            ms=4,
            label="trained",
            zorder=2,
        )
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.set(
            yscale="log",
            xlabel="rate  $R$  [nat]",
            ylabel="distortion  $\\tilde D$",
        )
        if result.agrees:
            title(ax, "On the rate–distortion curve", "each trained model is optimal at its own price")
        else:
            title(ax, "Rate and distortion", "on the line a model would be optimal at its own price")
        ends = result.spectrum.normalized[: len(result.verdict)]
        if np.any(ends >= grid[0]):
            waking = equilibrium(result.spectrum, _at(result.spectrum, ends[ends >= grid[0]], latents))
            ax.plot(waking.total_rate, waking.total_distortion, "|", color=WARM, ms=9, label="a mode wakes", zorder=3)
        ax.legend(loc="upper right")
        return ax


def overview(result: Verification) -> Figure:
    """The four pictures of a verification on one page."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 7.6), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=(1.35, 1))
        pictures: list[Callable[..., Axes]] = [branches, universal_law, rate_distortion, spectra]
        for draw, cell in zip(pictures, (grid[i, j] for i in (0, 1) for j in (0, 1)), strict=True):
            draw(result, figure.add_subplot(cell))
        return figure


def _at(spectrum: Spectrum, temperature: Array, latents: int | None = None) -> Loss:
    """The plain loss at these temperatures."""
    return Loss.gaussian(temperature * spectrum.total_variance, latents=latents)


def _predicted(spectrum: Spectrum, temperature: Array) -> Array:
    return equilibrium(spectrum, _at(spectrum, temperature)).signal_fraction
