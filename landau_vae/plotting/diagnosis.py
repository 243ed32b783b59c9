"""The pictures of a diagnosis: a trained model in its cascade, latent by latent, rank by rank, on the spectrum.

What is predicted is drawn as lines, rings and ticks, what the model does as dots and bars. Each
state has a mark of its own beside its colour. All text is plain Unicode, so that it stays text
where a picture is saved as SVG.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from landau_vae import limits
from landau_vae.checks import checked
from landau_vae.diagnosis import Diagnosis
from landau_vae.diagnosis.ranked_pruning import rank_within
from landau_vae.display import counted, significant
from landau_vae.plotting import style
from landau_vae.plotting.style import AMBER, COOL, INK, MUTED, QUIET, WARM, axes, title

LOOK = {  # state: colour, mark, whether the mark is filled
    "active": (COOL, "o", True),
    "inactive, as predicted": (QUIET, "o", False),
    "should be active": (WARM, "v", False),
    "inactive, undecided": (MUTED, "s", False),
    "active below threshold": (AMBER, "D", True),
}
SHOWN = 40  # latents, or lines of modes, in one picture
NUMBERED = 16  # latents that have room for their numbers
CLOSEST = 0.045  # share of the axis between the numbers of two modes
TOLERANCES = (0.05, 0.01)
LEAST = 1e-6  # share of the variance below which nothing is drawn
SCALE_ERROR = 0.1  # |A² − 1| from which a latent is marked


@checked
def diagnosed_cascade(result: Diagnosis, ax: Axes | None = None) -> Axes:
    """Draw M² of each mode against β: the predicted lines, and the model at its β.

    Parameters
    ----------
    result : Diagnosis
        What `diagnose` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Lines and rings: predicted. Dots: the model, also at the β in effect if that is another one.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (6.4, 3.8)) as ax:
        knob, beta, effect = result.loss.knob, float(result.loss.beta), _beta_in_effect(result)
        lam = result.spectrum.eigenvalues[: _line_count(result)]
        low = min(result.price, lam[-1], np.inf if effect is None else result.mode_prices.min())
        price = np.geomspace(0.4 * low, 2.2 * max(lam[0], result.price), 600)
        for threshold, predicted in zip(lam, result.predicted_signal, strict=False):
            below = np.append(price[price < threshold], threshold)
            line: Any = {"color": COOL, "lw": 1.2} if predicted > 0 else {"color": QUIET, "lw": 0.8}
            place = result.loss.beta_at(below, result.spectrum)
            ax.plot(place, 1 - below / threshold, label="predicted", zorder=1, **line)
        first, last = result.loss.beta_at(price[[0, -1]], result.spectrum)
        ax.set(xscale="log", xlim=(min(first, 0.7 * beta), max(last, 1.4 * beta)), ylim=(0, 1.28))
        ax.axvline(beta, 0, 1.06 / 1.28, color=INK, lw=1, zorder=2)
        style.name_vertical(ax, beta, f"your {knob} = {significant(beta, 3)}", 1.1, INK)
        _draw_model(ax, result, beta, effect, len(lam))
        if effect is not None:
            ax.axvline(effect, 0, 1.18 / 1.28, color=WARM, lw=1, ls="--", zorder=2)
            style.name_vertical(ax, effect, f"in effect {significant(effect, 3)}", 1.2, WARM)
        _draw_thresholds(ax, result, len(lam))
        style.signal_axis(ax)
        style.log_axis(ax.xaxis)
        ax.set_xlabel(f"{knob} of your loss  (ticks: where each mode collapses)", labelpad=3)
        active, expected = int(result.is_active.sum()), int(result.predicted.active)
        heading = f"{expected or 'No'} latent{'s' * (expected > 1)} should be active at {knob} = {significant(beta, 3)}"
        ending = f", {active or 'none'} {'is' if active < 2 else 'are'}"
        title(ax, heading + ending, "lines and rings: predicted; dots: your model")
        return ax


@checked
def latent_bars(result: Diagnosis, ax: Axes | None = None) -> Axes:
    """Draw M² of each latent, strongest first, with its verdict and the prediction for the mode of its rank.

    Parameters
    ----------
    result : Diagnosis
        What `diagnose` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Bars: the model. Ticks: predicted. Marks below: the verdicts.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (6.4, 3.8)) as ax:
        posterior = result.posterior
        order = posterior.ranking[:SHOWN]
        x, height = np.arange(1, len(order) + 1), posterior.signal_fraction[order]
        states = [state for state in LOOK if state in result.status]
        for state in states:
            bars = np.array([result.status[k] == state for k in order])
            ax.bar(x[bars], height[bars], 0.72, color=LOOK[state][0], zorder=1)
            label = f"{state} ({result.status.count(state)})"
            _mark(ax, state, x[bars], np.full(bars.sum(), -0.06), 4, label=label)
        y = result.predicted_signal[: len(order)]
        ticks, y = x[: len(y)][y > 0], y[y > 0]
        if ticks.size:
            ax.hlines(y, ticks - 0.44, ticks + 0.44, color=INK, lw=1.8, zorder=3, label="predicted M²")
        off = np.abs(posterior.second_moment[order] - 1) > SCALE_ERROR
        if off.any():
            ax.plot(x[off], height[off] + 0.06, "x", color=INK, ms=5, label="A² off 1 by over 10 %", zorder=4)
        rows = -(-(len(states) + int(off.any()) + int(ticks.size > 0)) // 2)
        ax.set(xlim=(0.3, max(len(order), 4) + 0.7), ylim=(-0.12, 1.12 + style.LEGEND_ROW * rows))
        style.legend(ax)
        style.signal_axis(ax)
        _latent_axis(ax, result)
        active = int(result.is_active.sum())
        heading = f"{active or 'None'} of {counted(posterior.latents, 'latent')} {'is' if active < 2 else 'are'} active"
        title(ax, heading, "signal fraction M² of each, strongest first; ticks: predicted")
        return ax


@checked
def rank_distortion_of(result: Diagnosis, ax: Axes | None = None) -> Axes:
    """Draw the share of the variance that is left out by the first k latents, or principal components.

    Parameters
    ----------
    result : Diagnosis
        What `diagnose` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Line: principal components. Dots: the best linear decoder of the latents. Squares: the user's decoder.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (6.4, 3.8)) as ax:
        spectrum, latents = result.spectrum, result.posterior.latents
        pca = np.clip(1 - np.concatenate([[0.0], np.cumsum(spectrum.normalized)]), 0, 1)
        last = latents if latents <= NUMBERED else 2 * int(result.is_active.sum()) + 4
        enough = rank_within(spectrum, 0.01) or spectrum.modes
        last = min(max(last, min(enough + 2, SHOWN)), max(latents, spectrum.modes))
        curves = [("PCA", np.arange(len(pca)), pca, INK, "-")]
        if (observed := result.observed) is not None:
            curves.append(("best linear, sampled", np.arange(len(observed.prefix)), observed.prefix, COOL, "o-"))
        if (decoded := result.decoded) is not None:
            curves.append(("your decoder", decoded.ranks, decoded.mean, WARM, "s-"))
            curves.append(("… sampled", decoded.ranks, decoded.sampled, WARM, "s:"))
        values = []
        for label, rank, left, colour, line in curves:
            inside = (rank <= last) & (left > LEAST)
            values += left[inside].tolist()
            face = "none" if line == "s:" else colour
            ax.plot(rank[inside], left[inside], line, color=colour, ms=4, mfc=face, label=label)
        low, high = max(0.5 * min(TOLERANCES[-1], *values), LEAST), max(1.0, *values)
        at: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center"}
        for share in TOLERANCES:
            ax.axhline(share, color=QUIET, lw=0.8, zorder=0)
            ax.annotate(f"{100 * share:.0f} %", (1, share), (3, 0), color=MUTED, fontsize=8, **at)
        ax.set(yscale="log", xlim=(-0.03 * last, last * 1.03), xlabel="rank k: how many are kept")
        ax.set(ylabel="share of variance left", ylim=(low, style.headroom(low, high, len(curves))))
        ax.spines["left"].set_bounds(low, high)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        style.log_axis(ax.yaxis, high)
        style.legend(ax)
        title(ax, "What the strongest latents keep", "your decoder: with z = μ, and with z drawn from the posterior")
        return ax


@checked
def spectrum_with_floor(result: Diagnosis, ax: Axes | None = None) -> Axes:
    """Draw the spectrum of the data with the price and the noise floor, and which modes the model encodes.

    Parameters
    ----------
    result : Diagnosis
        What `diagnose` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Marks: the modes, by state. Lines: the prices. Grey: what sampling noise alone can reach.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (6.4, 3.8)) as ax:
        floor, effect, states = result.floor, _beta_in_effect(result), _states(result)
        lam = result.spectrum.eigenvalues[: len(states)]
        k = np.arange(1, len(lam) + 1)
        ax.plot(k, lam, color=QUIET, lw=0.8, zorder=1)
        present = [state for state in LOOK if state in states]
        for state in present:
            points = states == state
            label = f"{state.removesuffix(', as predicted')} ({points.sum()})"
            _mark(ax, state, k[points], lam[points], 5 if len(lam) < 60 else 3, label=label, zorder=2)
        prices = [(result.price, "price τ", INK, "-")]
        if effect is not None and result.mode_price is not None:
            prices.append((result.mode_price, "in effect", WARM, "--"))
        least, most = min(prices)[0], max(prices)[0]
        low, high = max(lam[-1], 1e-3 * min(least, lam[0])), max(lam[0], most)
        low = min(low / 1.6, least / 1.6, np.inf if floor is None else floor.price / 3)
        high = style.headroom(low, 1.5 * max(high, 0.0 if floor is None else floor.price), len(present))
        ax.set(yscale="log", ylim=(low, high), xlabel="mode", ylabel="variance λ")
        for value, name, colour, dash in prices:
            ax.axhline(value, color=colour, ls=dash, lw=1.1, zorder=1)
            text, above = f"{name} = {style.plain(float(significant(value, 3)))}", value == most or most > 1.6 * value
            style.name_horizontal(ax, value, text, colour, lam, above=above)
        if floor is not None:
            name = "sampling noise" if floor.isotropic else "sampling noise, if the noise is isotropic"
            ax.text(0.015, 0.04, name, transform=ax.transAxes, color=MUTED)
            ax.axhspan(low, floor.price, fc=QUIET, lw=0, alpha=0.2 if floor.isotropic else 0.1, zorder=0)
            if not floor.isotropic:
                ax.axhspan(low, floor.price, fc="none", ec=QUIET, lw=0, alpha=0.5, zorder=0, hatch="//")
        if len(lam) > SHOWN:
            ax.set_xscale("log")
            style.log_axis(ax.xaxis)
        else:
            ax.set_xlim(0.5, max(len(lam), 4) + 0.5)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        style.log_axis(ax.yaxis)
        style.legend(ax)
        title(ax, "Modes above the price are worth a latent", "spectrum of the data; marks: what your model does")
        return ax


# ------------------------------------------------------------------------------------- parts of the pictures


def _mark(ax: Axes, state: str, x: ArrayLike, y: ArrayLike, size: float, **options: Any) -> None:
    """Draw the mark of a state."""
    colour, mark, filled = LOOK[state]
    ax.plot(x, y, mark, color=colour, mfc=colour if filled else "none", ms=size, **options)


def _beta_in_effect(result: Diagnosis) -> float | None:
    """Return β of the price that the active modes imply, if it is another than that of the loss."""
    if result.implied_price is None or not {"lower-price", "higher-price"} & set(result.codes):
        return None
    return float(result.loss.beta_at(result.implied_price, result.spectrum))


def _states(result: Diagnosis) -> NDArray[np.object_]:
    """Return the state of each mode; a mode that should be active counts as active from M² > 0.1 on."""
    active = result.detected | (result.predicted_signal > 0) & (result.observed_signal > limits.ACTIVE)
    states = np.where(active, "active", "inactive, as predicted").astype(object)
    states[result.missing] = "should be active"
    states[result.below_threshold] = "active below threshold"
    return states


def _line_count(result: Diagnosis) -> int:
    """Return how many modes have a line: those that are or should be active and four more, at most one per latent."""
    used = int(np.flatnonzero(result.detected | (result.predicted_signal > 0)).max(initial=-1)) + 1
    return min(used + 4, SHOWN, max(result.posterior.latents, used), len(result.observed_signal))


def _draw_model(ax: Axes, result: Diagnosis, beta: float, effect: float | None, count: int) -> None:
    """Draw rings where the modes should be, dots where they are, and lines from the stated β to that in effect."""
    states, signal, size = _states(result), result.observed_signal, 4.5 if count <= NUMBERED else 3
    rings = result.predicted_signal[result.predicted_signal > 0]
    ring: Any = {"color": COOL, "mfc": "none", "ms": 1.8 * size, "label": "ring", "zorder": 4}
    ax.plot([beta] * len(rings), rings, "o", **ring)
    drawn = result.detected | (result.predicted_signal > 0) | (np.arange(len(states)) < count)
    for state in (state for state in LOOK if state in states[drawn]):
        dots = signal[drawn & (states == state)]
        order = 4 if state == "inactive, as predicted" else 5
        _mark(ax, state, [beta] * len(dots), dots, size, label="observed", clip_on=False, zorder=order)
    if effect is not None:
        dots = signal[result.detected]
        ax.hlines(dots, min(beta, effect), max(beta, effect), color=WARM, lw=0.6, zorder=2)
        ax.plot(np.full(len(dots), effect), dots, "o", color=WARM, ms=size, label="in effect", zorder=5)


def _draw_thresholds(ax: Axes, result: Diagnosis, count: int) -> None:
    """Draw a tick where each mode collapses, with the mode's number where there is room."""
    thresholds = result.loss.beta_at(result.spectrum.eigenvalues[:count], result.spectrum)
    ax.plot(thresholds, np.zeros(count), "|", color=INK, ms=7, clip_on=False, label="threshold", zorder=3)
    low, high = np.log(ax.get_xlim())
    free = np.inf
    for k, place in enumerate((np.log(thresholds) - low) / (high - low)):
        if 0 <= place <= 1 and place < free:
            free = place - CLOSEST * (1 + (k >= 9) / 2)  # numbers of two digits are wider
            style.number_below(ax, thresholds[k], k + 1, 4)
    ax.tick_params(axis="x", which="both", pad=15)


def _latent_axis(ax: Axes, result: Diagnosis) -> None:
    """Write the latents' own numbers where there is room, and the states of those that are not drawn."""
    ranked = result.posterior.ranking
    if len(ranked) <= NUMBERED:
        ax.set_xticks(np.arange(1, len(ranked) + 1), [str(k + 1) for k in ranked])
        ax.set_xlabel("latent (its own number)")
        return
    hidden = [result.status[k] for k in ranked[SHOWN:]]
    counts = ", ".join(f"{hidden.count(state)} {state}" for state in LOOK if state in hidden)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("latents, by rank" + (f"\nnot drawn: {counts}" if hidden else ""))
