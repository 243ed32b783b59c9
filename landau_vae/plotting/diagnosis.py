"""The pictures of a diagnosis: a trained model in its cascade, latent by latent, rank by rank, on the spectrum.

What is predicted is drawn as lines, rings and ticks, what the model does as dots and bars. Each state has a mark of its
own beside its colour. All text is plain Unicode, so that it stays text where a picture is saved as SVG.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from landau_vae.diagnosis import Diagnosis
from landau_vae.display import Array, significant
from landau_vae.limits import ACTIVE
from landau_vae.plotting.style import (
    AMBER,
    COOL,
    INK,
    MUTED,
    QUIET,
    ROW,
    WARM,
    axes,
    headroom,
    legend,
    log_axis,
    name_horizontal,
    name_vertical,
    plain,
    signal_axis,
    title,
)

LOOK = {  # of each state: colour, mark, whether the mark is filled
    "active": (COOL, "o", True),
    "inactive, as predicted": (QUIET, "o", False),
    "should be active": (WARM, "v", False),
    "inactive, undecided": (MUTED, "s", False),
    "active below threshold": (AMBER, "D", True),
}
OF_MODES = {
    "active": "active", "inactive, as predicted": "inactive", "should be active": "should be active",
    "active below threshold": "active below threshold",
}  # fmt: skip
SHOWN = 40  # latents, or lines of modes, in one picture
NUMBERED = 16  # latents that have room for their numbers
CLOSEST = 0.045  # share of the axis between the numbers of two modes
TOLERANCES = (0.05, 0.01)
LEAST = 1e-6  # share of the variance below which nothing is drawn


def diagnosed_cascade(result: Diagnosis, ax: Axes | None = None) -> Axes:
    """M² of each mode against β: predicted lines, and the model at its β; where it stands in effect, if elsewhere."""
    with axes(ax, (6.4, 3.8)) as ax:
        e, beta = result, float(result.loss.beta)
        effect = _in_effect(result)
        lam = result.spectrum.eigenvalues[: _lines(result)]
        low = min(e.price, lam[-1], np.inf if effect is None else e.mode_prices.min())
        price = np.geomspace(0.4 * low, 2.2 * max(lam[0], e.price), 600)
        place = result.loss.beta_at(price, result.spectrum)
        for k, worth in enumerate(lam):
            own = np.append(price[price < worth], worth)
            lives = e.predicted_signal[k] > 0
            ax.plot(result.loss.beta_at(own, result.spectrum), 1 - own / worth, color=COOL if lives else QUIET,
                    lw=1.2 if lives else 0.8, label="predicted", zorder=1)  # fmt: skip
        ax.set(xscale="log", xlim=(min(place[0], 0.7 * beta), max(place[-1], 1.4 * beta)), ylim=(0, 1.28))
        ax.axvline(beta, 0, 1.06 / 1.28, color=INK, lw=1, zorder=2)
        name_vertical(ax, beta, f"your {result.loss.knob} = {significant(beta, 3)}", 1.1, INK)
        _model(ax, result, beta, effect, len(lam))
        if effect is not None:
            ax.axvline(effect, 0, 1.18 / 1.28, color=WARM, lw=1, ls="--", zorder=2)
            name_vertical(ax, effect, f"in effect {significant(effect, 3)}", 1.2, WARM)
        _thresholds(ax, result, len(lam))
        signal_axis(ax)
        log_axis(ax.xaxis)
        ax.set_xlabel(f"{result.loss.knob} of your loss  (ticks: where each mode dies)", labelpad=3)
        lives, should = int(result.is_active.sum()), int(result.predicted.active)
        title(ax, f"{should or 'No'} latent{'s' * (should > 1)} should be active at {result.loss.knob} = "
                  f"{significant(beta, 3)}, {lives or 'none'} {'is' if lives < 2 else 'are'}",
              "lines and rings: predicted; dots: your model")  # fmt: skip
        return ax


def latent_bars(result: Diagnosis, ax: Axes | None = None) -> Axes:
    """M² of each latent, strongest first, by verdict; ticks: what is predicted of as many modes."""
    with axes(ax, (6.4, 3.8)) as ax:
        q = result.posterior
        ranked = q.ranking
        order = ranked[:SHOWN]
        x, height = np.arange(1, len(order) + 1), q.signal_fraction[order]
        states = [state for state in LOOK if state in result.status]
        for state in states:
            of = np.array([result.status[k] == state for k in order], dtype=bool)
            colour, mark, filled = LOOK[state]
            ax.bar(x[of], height[of], 0.72, color=colour, zorder=1)
            ax.plot(x[of], np.full(of.sum(), -0.06), mark, color=colour, mfc=colour if filled else "none", ms=4,
                    label=f"{state} ({result.status.count(state)})")  # fmt: skip
        expected = np.append(result.predicted_signal, np.zeros(q.latents))[: len(order)]
        lives = expected > 0
        if lives.any():
            ax.hlines(expected[lives], x[lives] - 0.44, x[lives] + 0.44, color=INK, lw=1.8, zorder=3,
                      label="predicted M²")  # fmt: skip
        off = np.abs(q.second_moment[order] - 1) > 0.1
        if off.any():
            ax.plot(x[off], height[off] + 0.06, "x", color=INK, ms=5, label="A² off 1 by over 10 %", zorder=4)
        entries = len(states) + int(off.any()) + int(lives.any())
        ax.set(xlim=(0.3, max(len(order), 4) + 0.7), ylim=(-0.12, 1.12 + ROW * -(-entries // 2)))
        legend(ax)
        signal_axis(ax)
        _latent_axis(ax, result, ranked)
        count = int(result.is_active.sum())
        verb = "is" if count < 2 else "are"
        title(ax, f"{count or 'None'} of {q.latents} latent{'s' * (q.latents != 1)} {verb} active",
              "signal fraction M² of each, strongest first; ticks: predicted")  # fmt: skip
        return ax


def rank_distortion_of(result: Diagnosis, ax: Axes | None = None) -> Axes:
    """Share of the variance that is left with the first k latents, or principal components."""
    with axes(ax, (6.4, 3.8)) as ax:
        spectrum, K = result.spectrum, result.posterior.latents
        pca = np.clip(1 - np.concatenate([[0.0], np.cumsum(spectrum.normalized)]), 0, 1)
        last = max(K if K <= NUMBERED else 2 * int(result.is_active.sum()) + 4, min(spectrum.rank(0.01) + 2, SHOWN))
        last = min(last, max(K, spectrum.modes))
        curves: list[tuple[str, NDArray[np.integer], Array, str, str]] = [("PCA", np.arange(len(pca)), pca, INK, "-")]
        if result.observed is not None:
            best = result.observed.prefix
            curves.append(("best linear, sampled", np.arange(len(best)), best, COOL, "o-"))
        if result.decoded is not None:
            own = result.decoded
            curves.append(("your decoder", own.ranks, own.mean, WARM, "s-"))
            curves.append(("… sampled", own.ranks, own.sampled, WARM, "s:"))
        seen = []
        for label, rank, left, colour, how in curves:
            shown = (rank <= last) & (left > LEAST)
            seen.append(left[shown])
            ax.plot(rank[shown], left[shown], how, color=colour, ms=4, mfc="none" if how == "s:" else colour,
                    label=label)  # fmt: skip
        low = max(0.5 * min(TOLERANCES[-1], *(part.min() for part in seen if part.size)), LEAST)
        for share in TOLERANCES:
            ax.axhline(share, color=QUIET, lw=0.8, zorder=0)
            ax.annotate(f"{share:.0%}".replace("%", " %"), (1, share), (3, 0), xycoords=("axes fraction", "data"),
                        textcoords="offset points", va="center", color=MUTED, fontsize=8)  # fmt: skip
        ax.set(yscale="log", xlim=(-0.03 * last, last * 1.03), xlabel="rank k: how many are kept",
               ylabel="share of variance left")  # fmt: skip
        high = max(1.0, *(part.max() for part in seen if part.size))
        ax.set_ylim(low, headroom(low, high, len(curves)))
        ax.spines["left"].set_bounds(low, high)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        log_axis(ax.yaxis, high)
        legend(ax)
        title(ax, "What the strongest latents keep", "your decoder: with z = μ, and with z drawn from the posterior")
        return ax


def spectrum_with_floor(result: Diagnosis, ax: Axes | None = None) -> Axes:
    """Modes above the price are worth a latent; below the noise floor they may be fakes."""
    with axes(ax, (6.4, 3.8)) as ax:
        e, floor, effect = result, result.floor, _in_effect(result)
        lam = result.spectrum.eigenvalues[: len(e.observed_signal)]
        k, states = np.arange(1, len(lam) + 1), _states(result)
        ax.plot(k, lam, color=QUIET, lw=0.8, zorder=1)
        for state in (state for state in LOOK if state in states):
            of, (colour, mark, filled) = states == state, LOOK[state]
            ax.plot(k[of], lam[of], mark, color=colour, mfc=colour if filled else "none", ms=5 if len(lam) < 60 else 3,
                    label=f"{OF_MODES[state]} ({of.sum()})", zorder=2)  # fmt: skip
        prices = [(e.price, "price τ", INK, "-")]
        if effect is not None and e.mode_price is not None:
            prices.append((e.mode_price, "in effect", WARM, "--"))
        least = min(value for value, *_ in prices)
        low = max(lam[-1], 1e-3 * min(least, lam[0])) / 1.6
        low = min(low, least / 1.6, np.inf if floor is None else floor.price / 3)
        high_price = max(value for value, *_ in prices)
        high = max(lam[0], high_price, 0.0 if floor is None else floor.price)
        ax.set(
            yscale="log", ylim=(low, headroom(low, 1.5 * high, len(set(states)))), xlabel="mode", ylabel="variance λ"
        )
        for value, name, colour, dash in prices:
            ax.axhline(value, color=colour, ls=dash, lw=1.1, zorder=1)
            name_horizontal(ax, value, f"{name} = {plain(float(significant(value, 3)))}", colour, lam,
                       above=value == high_price or high_price > 1.6 * value)  # fmt: skip
        if floor is not None:
            ax.axhspan(low, floor.price, fc=QUIET, lw=0, alpha=0.2 if floor.isotropic else 0.1, zorder=0)
            if not floor.isotropic:
                ax.axhspan(low, floor.price, fc="none", ec=QUIET, lw=0, alpha=0.5, zorder=0, hatch="//")
            name = "sampling noise" if floor.isotropic else "sampling noise, if the noise is isotropic"
            ax.text(0.015, 0.04, name, transform=ax.transAxes, color=MUTED)
        if len(lam) > SHOWN:
            ax.set_xscale("log")
            log_axis(ax.xaxis)
        else:
            ax.set_xlim(0.5, max(len(lam), 4) + 0.5)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        log_axis(ax.yaxis)
        legend(ax)
        title(ax, "Modes above the price are worth a latent", "spectrum of the data; marks: what your model does")
        return ax


# ------------------------------------------------------------------------------------- what is drawn


def _in_effect(result: Diagnosis) -> float | None:
    """β of the price that the living modes tell, where it is another than that of the loss."""
    if result.implied_price is None or not {"lower-price", "higher-price"} & set(result.codes):
        return None
    return float(result.loss.beta_at(result.implied_price, result.spectrum))


def _states(result: Diagnosis) -> NDArray[np.object_]:
    """Of each mode; what should live and does so counts even where chance alone could do as much."""
    e = result
    states = np.where(
        e.detected | (e.predicted_signal > 0) & (e.observed_signal > ACTIVE), "active", "inactive, as predicted"
    ).astype(object)
    states[e.missing] = "should be active"
    states[e.below_threshold] = "active below threshold"
    return states


def _lines(result: Diagnosis) -> int:
    """How many modes have a line: those that live or should, and a few more, as long as there are latents for them."""
    e = result
    busy = int(np.flatnonzero(e.detected | (e.predicted_signal > 0)).max(initial=-1)) + 1
    return min(busy + 4, SHOWN, max(result.posterior.latents, busy), len(e.observed_signal))


def _model(ax: Axes, result: Diagnosis, beta: float, effect: float | None, count: int) -> None:
    """Rings where the modes should be, dots where they are; with arrows from the stated β to that in effect."""
    states, predicted, observed = _states(result), result.predicted_signal, result.observed_signal
    should, shown = predicted > 0, result.detected | (predicted > 0) | (np.arange(len(states)) < count)
    size = 4.5 if count <= NUMBERED else 3
    ax.plot(np.full(should.sum(), beta), predicted[should], "o", color=COOL, mfc="none", ms=1.8 * size, label="ring",
            zorder=4)  # fmt: skip
    for state in (state for state in LOOK if state in states[shown]):
        of, (colour, mark, filled) = shown & (states == state), LOOK[state]
        ax.plot(np.full(of.sum(), beta), observed[of], mark, color=colour, mfc=colour if filled else "none", ms=size,
                label="observed", clip_on=False, zorder=4 if state == "inactive, as predicted" else 5)  # fmt: skip
    if effect is not None:
        there = observed[result.detected]
        ax.hlines(there, min(beta, effect), max(beta, effect), color=WARM, lw=0.6, zorder=2)
        ax.plot(np.full(len(there), effect), there, "o", color=WARM, ms=size, label="in effect", zorder=5)


def _thresholds(ax: Axes, result: Diagnosis, count: int) -> None:
    """A tick where each mode dies, with the mode's number where there is room."""
    death = result.loss.beta_at(result.spectrum.eigenvalues[:count], result.spectrum)
    ax.plot(death, np.zeros(count), "|", color=INK, ms=7, clip_on=False, label="threshold", zorder=3)
    low, high = np.log(ax.get_xlim())
    free = np.inf
    for k, place in enumerate((np.log(death) - low) / (high - low)):
        if 0 <= place <= 1 and place < free:
            free = place - CLOSEST * (1 + (k >= 9) / 2)
            ax.annotate(f"{k + 1}", (death[k], 0), (0, -4), textcoords="offset points", ha="center", va="top",
                        fontsize=8, color=MUTED, annotation_clip=False)  # fmt: skip
    ax.tick_params(axis="x", which="both", pad=15)


def _latent_axis(ax: Axes, result: Diagnosis, ranked: NDArray[np.intp]) -> None:
    """The latents' own numbers where there is room for them, and what became of those that are not drawn."""
    rest = [result.status[k] for k in ranked[SHOWN:]]
    words = ", ".join(f"{rest.count(state)} {state}" for state in LOOK if state in rest)
    more = f"\nnot drawn: {words}" if rest else ""
    if len(ranked) <= NUMBERED:
        ax.set_xticks(np.arange(1, len(ranked) + 1), [str(k + 1) for k in ranked])
        ax.set_xlabel("latent (its own number)")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel(f"latents, by rank{more}")
