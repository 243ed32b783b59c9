"""The cascade as predicted, on the user's own β axis."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from landau_vae.loss import Loss
from landau_vae.numeric._equilibrium import equilibrium
from landau_vae.numeric._transitions import transitions
from landau_vae.plotting.style import COOL, INK, WARM, axes, title
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["cascade"]


def cascade(spectrum: Spectrum, loss: Loss, ax: Axes | None = None, *, chosen: float | None = None) -> Axes:
    """How many latents live, and what share of the variance is lost, against the user's own β."""
    with axes(ax, (6.4, 3.8)) as ax:
        death = transitions(spectrum, loss)
        lowest = 1.0 if spectrum.truncated else 0.3  # below the last mode that was kept others may live
        ends = death.beta[[-1, 0]] * np.array([lowest, 3.0])
        beta = np.unique(np.concatenate([np.geomspace(ends[0], ends[1], 1500), death.beta, death.beta * (1 - 1e-12)]))
        beta = beta[beta >= ends[0]]
        state = equilibrium(spectrum, loss.at(beta))
        ax.plot(beta, state.active, color=COOL, drawstyle="steps-post")
        ax.set(xscale="log", xlabel="$\\beta$ of your loss", ylim=(0, None))
        title(ax, "How many latents survive at which β", "predicted from the spectrum of the data")
        ax.set_ylabel("living latents", color=COOL)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        right = ax.twinx()
        right.plot(beta, state.total_distortion, color=WARM)
        right.set(ylim=(0, 1.03))
        right.set_ylabel("distortion  $\\tilde D$ (sampled)", color=WARM)
        right.yaxis.set_major_formatter(PercentFormatter(1.0))
        if chosen is not None:
            ax.axvline(chosen, color=INK, ls="--", lw=1)
            ax.annotate(
                f"β = {chosen:.4g}",
                (chosen, 1),
                (4, -2),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                va="top",
            )
        return ax
