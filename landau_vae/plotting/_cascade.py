"""The cascade as predicted, on the user's own β axis."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from landau_vae.checks import Positive, checked
from landau_vae.errors import OutsideTheory
from landau_vae.loss import Loss
from landau_vae.numeric._equilibrium import equilibrium
from landau_vae.numeric._transitions import transitions
from landau_vae.plotting.style import COOL, INK, WARM, axes, title
from landau_vae.spectrum.spectrum import Spectrum


@checked
def cascade(spectrum: Spectrum, loss: Loss, ax: Axes | None = None, *, chosen: Positive | None = None) -> Axes:
    """Draw how many latents are active, and what share of the variance is lost, against β.

    Parameters
    ----------
    spectrum : Spectrum
        Of the data.
    loss : Loss
        The convention in which β is read; its own β has no effect.
    ax : Axes, optional
        Where to draw; a new figure, unless given.
    chosen : float, optional
        A β to mark.

    Returns
    -------
    Axes
        The number of active latents; the distortion has an axis of its own on the right.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (6.4, 3.8)) as ax:
        thresholds = transitions(spectrum, loss).beta
        thresholds = thresholds[np.isfinite(thresholds) & (thresholds > 0)]  # a constraint leaves some modes none
        if thresholds.size == 0:
            raise OutsideTheory(loss.without_beta(spectrum.eigenvalues, spectrum) or "No mode has a threshold.")
        lowest = 1.0 if spectrum.truncated else 0.3  # modes that were not kept may be active below the last one
        beta = np.geomspace(lowest * thresholds[-1], 3.0 * thresholds[0], 1500)
        # Each step is drawn at its threshold, between two points that differ by rounding only.
        beta = np.unique(np.concatenate([beta, thresholds, thresholds * (1 - 1e-12)]))
        beta = beta[beta >= lowest * thresholds[-1]]
        state = equilibrium(spectrum, loss.at(beta))
        ax.plot(beta, state.active, color=COOL, drawstyle="steps-post")
        ax.set(xscale="log", xlabel="$\\beta$ of your loss", ylim=(0, None))
        title(ax, "How many latents are active at which β", "predicted from the spectrum of the data")
        ax.set_ylabel("active latents", color=COOL)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        right = ax.twinx()
        right.plot(beta, state.total_distortion, color=WARM)
        right.set(ylim=(0, 1.03))
        right.set_ylabel("distortion  $\\tilde D$ (sampled)", color=WARM)
        right.yaxis.set_major_formatter(PercentFormatter(1.0))
        if chosen is not None:
            ax.axvline(chosen, color=INK, ls="--", lw=1)
            at = ("data", "axes fraction")
            ax.annotate(f"β = {chosen:.4g}", (chosen, 1), (4, -2), at, textcoords="offset points", va="top")
        return ax
