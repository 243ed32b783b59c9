"""The pictures of a diagnosis: prices in effect, and a model beside a linear one by latent, β, rank and mode.

What a linear model would do is drawn as lines, rings and ticks, what this model does as
dots and bars. Each state has a mark of its own beside its colour. All text is plain
Unicode, so that it stays text where a picture is saved as SVG.
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
from landau_vae.display import counted, significant, with_error
from landau_vae.errors import InputError
from landau_vae.plotting import style
from landau_vae.plotting.style import AMBER, COOL, INK, MUTED, QUIET, WARM, axes, title

LOOK = {  # state: colour, mark, whether the mark is filled
    "active": (COOL, "o", True),
    "inactive, as predicted": (QUIET, "o", False),
    "should be active": (WARM, "v", False),
    "inactive, undecided": (MUTED, "s", False),
    "active below threshold": (AMBER, "D", True),
    "diverged": (WARM, "X", True),
}
SHOWN = 40  # latents, or lines of modes, in one picture
NUMBERED = 16  # latents that have room for their numbers
CLOSEST = 0.045  # share of the axis between the numbers of two modes
TOLERANCES = (0.05, 0.01)
LEAST = 1e-6  # share of the variance below which nothing is drawn
SCALE_ERROR = 0.1  # |A² − 1| from which a latent is marked
NORMAL = 1.96  # standard errors of an interval of 95 %
IN_VIEW = (0.01, 100.0)  # ratios of prices that have a place of their own; others are drawn at these


@checked
def prices_in_effect(result: Diagnosis, ax: Axes | None = None) -> Axes:
    """Draw the price that each latent obeys, as a multiple of the stated one.

    Parameters
    ----------
    result : Diagnosis
        What `diagnose` returned, of a model whose decoder or gradients were given.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Dots with intervals of 95 %: by the widths σ. Rings: by the means μ. Band: no
        difference is reported.

    Raises
    ------
    InputError
        If no price was measured.
    """
    prices, price = result.prices, result.price_in_effect
    if prices is None or price is None:
        raise InputError("No price was measured: give diagnose the decoder, decode=model.decode.", "result")
    with axes(ax, (6.4, 3.8)) as ax:
        stated, knob = result.price, result.loss.knob
        order = np.argsort(-result.posterior.signal_fraction[prices.latent], kind="stable")[:SHOWN]
        x, other = np.arange(1, len(order) + 1), np.isin(prices.latent[order], result.separate)
        width, mean = (np.clip(each[order] / stated, *IN_VIEW) for each in (prices.width, prices.mean))
        reach = NORMAL * prices.width_error[order] / stated
        bars = np.stack([width - np.clip(width - reach, *IN_VIEW), np.clip(width + reach, *IN_VIEW) - width])
        for chosen, colour, label in (
            (~other, COOL if result.other_price is None else WARM, "by widths σ, 95 %"),
            (other, WARM, "the same, another price"),
        ):
            if chosen.any():
                dots: Any = {"color": colour, "ms": 5, "lw": 1.2, "zorder": 4, "label": label}
                ax.errorbar(x[chosen], width[chosen], bars[:, chosen], fmt="o", **dots)
        ax.plot(x + 0.18, mean, "o", color=QUIET, mfc="none", ms=5, label="by means μ (settles last)", zorder=3)
        band, ends = float(limits.OTHER_PRICE), [width - bars[0], width + bars[1], mean]
        ax.axhspan(1 / band, band, fc=QUIET, lw=0, alpha=0.15, zorder=0)
        ax.axhline(1, color=INK, lw=1, zorder=1)
        low, high = 0.8 * min(0.6, np.min(ends)), 1.25 * max(1.6, np.max(ends))
        ax.set(yscale="log", xlim=(0.3, 1.35 * max(len(x), 3) + 0.7), ylim=(low, style.headroom(low, high, 2)))
        ax.set_ylabel("price in effect / stated price")
        ax.spines["left"].set_bounds(low, high)
        style.log_axis(ax.yaxis, high)
        style.legend(ax)
        silent, weaker = result.posterior.latents - len(prices.latent), len(prices.latent) - len(order)
        left = [f"{counted(silent, 'latent')} without a price"] * (silent > 0) + [f"{weaker} weaker ones"] * (
            weaker > 0
        )
        _latent_axis(ax, prices.latent[order], " and ".join(left))
        error, effect = result.price_in_effect_error or 0.0, _beta_in_effect(result)
        lines = {1.0: (f"{knob} = {significant(float(result.loss.beta), 3)}, as stated", INK)}
        if effect is not None:
            ax.axhline(np.clip(price / stated, *IN_VIEW), color=WARM, lw=1, ls="--", zorder=1)
            lines[float(np.clip(price / stated, *IN_VIEW))] = (f"{knob} = {significant(effect, 3)}, in effect", WARM)
        for y, (name, colour) in lines.items():
            place: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right"}
            ax.annotate(name, (1, y), (-2, 3), color=colour, **place)
        heading = f"A nat of KL costs {with_error(price / stated, error / stated)} times its stated price"
        title(ax, heading, "measured, for any network at rest; band: no difference is reported")
        return ax


@checked
def diagnosed_cascade(result: Diagnosis, ax: Axes | None = None) -> Axes:
    """Draw M² of each mode against β: the lines of a linear model, and this model at its β.

    Parameters
    ----------
    result : Diagnosis
        What `diagnose` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Lines and rings: a linear model. Dots: this one; if it is linear, also at the β
        in effect.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    with axes(ax, (6.4, 3.8)) as ax:
        knob, beta, effect = result.loss.knob, float(result.loss.beta), _beta_in_effect(result)
        lam = result.thresholds[: _line_count(result)]
        low = min(result.price, lam[-1], result.other_price or np.inf)
        price = np.geomspace(0.4 * low, 2.2 * max(lam[0], result.price), 600)
        sampler = result.loss.sampler
        for threshold, predicted in zip(lam, result.predicted_signal, strict=False):
            below = np.append(price[price < threshold], threshold)
            line: Any = {"color": COOL, "lw": 1.2} if predicted > 0 else {"color": QUIET, "lw": 0.8}
            place = result.loss.beta_at(below, result.spectrum)
            signal = 1 - sampler.law(below / threshold * sampler.threshold).residual
            ax.plot(place, signal, label="predicted", zorder=1, **line)
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
        heading = f"{active or 'None'} of {counted(result.posterior.latents, 'latent')} active at {knob} = "
        heading += f"{significant(beta, 3)}, {expected or 'none'} {result.by_yardstick}"
        title(ax, heading, f"lines and rings: {result.yardstick}; dots: your model")
        return ax


@checked
def latent_bars(result: Diagnosis, ax: Axes | None = None) -> Axes:
    """Draw M² of each latent, strongest first, with its state and what a linear model has at its rank.

    Parameters
    ----------
    result : Diagnosis
        What `diagnose` returned.
    ax : Axes, optional
        Where to draw; a new figure, unless given.

    Returns
    -------
    Axes
        Bars: the model. Ticks: a linear model. Marks below: the states.

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
            label = f"{state.removesuffix(', as predicted')} ({result.status.count(state)})"
            _mark(ax, state, x[bars], np.full(bars.sum(), -0.06), 4, label=label)
        y = result.predicted_signal[: 0 if result.own_term else len(order)]
        ticks, y = x[: len(y)][y > 0], y[y > 0]
        if ticks.size:
            ax.hlines(y, ticks - 0.44, ticks + 0.44, color=INK, lw=1.8, zorder=3, label=result.yardstick)
        off = np.abs(posterior.second_moment[order] - 1) > SCALE_ERROR
        if off.any():
            ax.plot(x[off], height[off] + 0.06, "x", color=INK, ms=5, label="A² off 1 by over 10 %", zorder=4)
        rows = -(-(len(states) + int(off.any()) + int(ticks.size > 0)) // 2)
        ax.set(xlim=(0.3, max(len(order), 4) + 0.7), ylim=(-0.12, 1.12 + style.LEGEND_ROW * rows))
        style.legend(ax)
        style.signal_axis(ax)
        hidden = [result.status[k] for k in posterior.ranking[SHOWN:]]
        counts = (f"{hidden.count(state)} {state}" for state in LOOK if state in hidden)
        _latent_axis(ax, order, ", ".join(counts))
        active = int(result.is_active.sum())
        heading = f"{active or 'None'} of {counted(posterior.latents, 'latent')} {'is' if active < 2 else 'are'} active"
        title(ax, heading, "signal fraction M² of each, strongest first; ticks: " + result.yardstick)
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
        Line: principal components. Dots: the best linear decoder of the latents.
        Squares: the user's decoder.

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
        ax.set(
            ylabel="share of scores’ variance left" if spectrum.of_scores else "share of variance left",
            ylim=(low, style.headroom(low, high, len(curves))),
        )
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
        Marks: the modes, by state. Lines: the prices. Grey: what sampling noise alone
        can reach.

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
        ratio = result.loss.sampler.threshold
        over = "" if ratio == 1 else f" over {significant(ratio, 3)}"
        prices = [(result.price / ratio, f"price τ{over}", INK, "-")]
        if effect is not None and result.other_price is not None:
            prices.append((result.other_price / ratio, f"in effect{over}", WARM, "--"))
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
        title(
            ax,
            "Modes above the price are worth a latent",
            f"{result.by_yardstick}; marks: what your model does",
        )
        return ax


# ------------------------------------------------------------------------------------- parts of the pictures


def _mark(ax: Axes, state: str, x: ArrayLike, y: ArrayLike, size: float, **options: Any) -> None:
    """Draw the mark of a state."""
    colour, mark, filled = LOOK[state]
    ax.plot(x, y, mark, color=colour, mfc=colour if filled else "none", ms=size, **options)


def _beta_in_effect(result: Diagnosis) -> float | None:
    """Return β of the price in effect, if it is another than that of the loss."""
    if result.other_price is None or not {"lower-price", "higher-price"} & set(result.codes):
        return None
    return float(result.loss.beta_at(result.other_price, result.spectrum))


def _states(result: Diagnosis) -> NDArray[np.object_]:
    """Return the state of each mode: a linear model's is held against linear and collapsed ones only."""
    expected = result.predicted_signal > 0
    active = result.detected | expected & (result.observed_signal > limits.ACTIVE)
    states = np.where(active, "active", "inactive, as predicted").astype(object)
    if result.linear or "should-be-active" in result.codes:
        states[result.missing] = "should be active"
        states[result.below_threshold] = "active below threshold"
    else:
        states[expected & ~active] = "inactive, undecided"
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
    if effect is not None and result.linear:
        dots = signal[result.detected]
        ax.hlines(dots, min(beta, effect), max(beta, effect), color=WARM, lw=0.6, zorder=2)
        ax.plot(np.full(len(dots), effect), dots, "o", color=WARM, ms=size, label="in effect", zorder=5)


def _draw_thresholds(ax: Axes, result: Diagnosis, count: int) -> None:
    """Draw a tick where each mode collapses, with the mode's number where there is room."""
    thresholds = result.loss.beta_at(result.thresholds[:count], result.spectrum)
    ax.plot(thresholds, np.zeros(count), "|", color=INK, ms=7, clip_on=False, label="threshold", zorder=3)
    low, high = np.log(ax.get_xlim())
    free = np.inf
    for k, place in enumerate((np.log(thresholds) - low) / (high - low)):
        if 0 <= place <= 1 and place < free:
            free = place - CLOSEST * (1 + (k >= 9) / 2)  # numbers of two digits are wider
            style.number_below(ax, thresholds[k], k + 1, 4)
    ax.tick_params(axis="x", which="both", pad=15)


def _latent_axis(ax: Axes, latents: NDArray[np.intp], hidden: str) -> None:
    """Write the latents' own numbers where there is room, and what is not drawn."""
    if len(latents) <= NUMBERED:
        ax.set_xticks(np.arange(1, len(latents) + 1), [str(k + 1) for k in latents])
        words = "latent (its own number)"
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        words = "latents, by rank"
    ax.set_xlabel(words + (f"\nnot drawn: {hidden}" if hidden else ""))
