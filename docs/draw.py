"""The README's pictures that no command draws: a diagnosis and its cure, the climate's cascade, a pitchfork, and the
first collapse of nonlinear VAEs, from the records of tests/studies.

python docs/draw.py [FOLDER]
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import landau_vae as lv
from landau_vae import plotting
from landau_vae.numeric.continuation import telling_potential
from landau_vae.numeric.problems import Linear
from landau_vae.plotting.style import AMBER, COOL, INK, MUTED, QUIET, WARM
from landau_vae.report import save_figure
from landau_vae.training import Adam, Sampled

BETA = 2.0
STUDIES = Path(__file__).parents[1] / "tests" / "studies"
RECORDS = ("collapse", "collapse_larger", "collapse_predicted")
LOST = 0.45  # of the rate, between two states of a branch
KEYS = {"loss": "losses", "rate": "rates"}
MARKERS = {"warm": ("o", WARM, WARM), "fresh": ("o", COOL, "white"), "longer or wider": ("^", AMBER, AMBER)}
#: Data sets of the study in the picture, and what they are called there.
SETS = {
    "gaussian": "Gaussian", "gamma:8": "skewness 0.7", "gamma:1": "exponential", "banana": "banana",
    "worldclim": "WorldClim", "clusters": "12 clusters",
}  # fmt: skip


def diagnosis() -> Figure:
    """One data set, one β: the error averaged over its eight features, and summed."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    X = rng.standard_normal((4000, 8)) * np.sqrt([6, 3, 2, 1.2, 0.6, 0.3, 0.15, 0.08]) @ rotation.T
    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    for ax, reduction in zip(figure.subplots(1, 2), ("mean", "sum"), strict=True):
        loss = lv.Loss.gaussian(BETA, reconstruction=reduction, half=False)
        spectrum = lv.Spectrum.from_data(X)
        price = float(loss.price(spectrum))
        trainer = Sampled(updates=4000, batch=128, optimizer=Adam(0.02))
        model = lv.scan(X, [price / spectrum.total_variance], latents=6, trainer=trainer).isel(seed=0, temperature=0)
        mean = (X - X.mean(axis=0)) @ model.encoder.transpose("feature", "latent").values
        variance = np.broadcast_to(model.posterior_variance.values, mean.shape)
        result = lv.diagnose(mean, variance=variance, data=X, loss=loss)
        plotting.diagnosed_cascade(result, ax=ax)
    return figure


def pitchfork() -> Axes:
    """The Landau potential of one mode of variance 1, found by continuation, above, at and below its threshold."""
    problem = Linear(lv.Spectrum.from_eigenvalues([1.0]), lv.Loss.gaussian(latents=1))
    [special] = lv.follow(problem, 1.5, 0.3).special
    return plotting.landau_potential(telling_potential(problem, special))


def first_collapse() -> Figure:
    """Loss and rate of one latent around λ₁: the free decoder (lines) and networks (points)."""
    networks, larger, predicted = (json.loads((STUDIES / f"{name}.json").read_text())["models"] for name in RECORDS)
    figure = Figure(figsize=(12, 5), layout="constrained")
    axes = figure.subplots(2, len(SETS), sharex="col")
    for (name, heading), column in zip(SETS.items(), axes.T, strict=True):
        [prediction] = [each for each in predicted if each["data"] == name]
        own = [each for each in networks if each["data"] == name]
        own += [each | {"start": "longer or wider"} for each in larger if each["data"] == name]
        for ax, key in zip(column, KEYS, strict=True):
            _collapse(ax, prediction, own, key)
        column[0].set_title(heading)
        column[1].set_xlabel("price τ/λ₁")
    axes[0, 0].set_ylabel("(F − F₀)/λ₁")
    axes[1, 0].set_ylabel("rate R [nats]")
    figure.legend(*axes[1, -1].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return figure


def _collapse(ax: Axes, prediction: dict[str, Any], networks: list[dict[str, Any]], key: str) -> None:
    """Draw a branch, its two prices, and networks with the spread of their seeds."""
    for branch, line in (("stable", "-"), ("unstable", "--")):
        ratio, rate, values = (np.array(prediction[branch][name]) for name in ("ratio", "rate", key))
        falls = np.flatnonzero(rate[1:] < LOST * rate[:-1]) + 1  # to a state of fewer rows
        ax.plot(np.insert(ratio, falls, np.nan), np.insert(values, falls, np.nan), line, color=INK)
    free = prediction["unlimited"]
    ax.plot(free["prices"], free[KEYS[key]], "-.", color=QUIET, lw=1)
    for start, (marker, colour, face) in MARKERS.items():
        ratios = sorted({each["ratio"] for each in networks if each["start"] == start})
        values = [[m[key] for m in networks if (m["start"], m["ratio"]) == (start, ratio)] for ratio in ratios]
        mean, spread = ([function(each) for each in values] for function in (np.mean, np.std))
        ax.errorbar(ratios, mean, spread, fmt=marker, color=colour, mfc=face, ms=4.5, lw=1, label=start)
    ax.axvline(prediction["maxwell"], color=MUTED, lw=0.8)
    ax.axvline(prediction["spinodal"], color=MUTED, lw=0.8, ls=":")
    ax.axhline(0, color=MUTED, lw=0.6)
    low, high = min(m[key] for m in networks), max(m[key] for m in networks)
    ratios = sorted({each["ratio"] for each in networks})
    ax.set_xlim(ratios[0] - 0.02, max(ratios[-1], prediction["maxwell"]) + 0.02)
    ax.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))


def main(folder: str = "") -> None:
    """Draw them into a folder, by default the one of this file."""
    target = Path(folder) if folder else Path(__file__).parent
    with matplotlib.rc_context(plotting.STYLE):
        save_figure(target / "diagnosis.png", diagnosis())
        spectrum = lv.datasets.worldclim().spectrum()
        loss = lv.Loss.gaussian(reconstruction="mean", half=False)
        save_figure(target / "pitchfork.png", pitchfork())
        save_figure(target / "first_collapse.png", first_collapse())
        save_figure(target / "cascade.png", plotting.cascade(spectrum, loss))


if __name__ == "__main__":
    main(*sys.argv[1:])
