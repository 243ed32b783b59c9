"""How KL, reconstruction and loss should move in a run, with the run's own log beside."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landau_vae.checks import checked
from landau_vae.diagnosis.run_log import RunLog
from landau_vae.numeric import Expected
from landau_vae.plotting.style import COOL, INK, MUTED, WARM, axes, title

LINES: Any = {"color": INK, "lw": 1.3, "label": "expected, linear"}
POINTS: Any = {"color": COOL, "lw": 1.0, "marker": ".", "ms": 4, "label": "logged"}


@checked
def expected(result: Expected, *, log: RunLog | None = None) -> Figure:
    """Draw KL, reconstruction and loss against the steps of a run.

    Parameters
    ----------
    result : Expected
        What `lv.expected` returned.
    log : RunLog, optional
        What the loop logged, in the units of `result`.

    Returns
    -------
    Figure
        Three panels; β is dashed in the first, on an axis of its own.
    """
    with axes(None, (1, 1)):
        figure = Figure(figsize=(11.5, 3.4), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        logged = (None, None, None) if log is None else (log.kl, log.reconstruction, log.total)
        curves = (result.kl, result.reconstruction, result.total)
        for ax, curve, points in zip((left, middle, right), curves, logged, strict=True):
            ax.plot(result.step, curve, **LINES)
            if log is not None and points is not None:
                ax.plot(log.step, points, **POINTS)
            ax.set(xlabel="step")
            _fit(ax, curve, points)
        _beta(left, result)
        title(left, "KL", "as logged; dashed: β")
        title(middle, "Reconstruction", "as logged")
        title(right, "Loss", "it rises with β, by the KL")
        middle.legend(loc="best")
        return figure


def _beta(ax: Axes, result: Expected) -> None:
    """Draw β on an axis of its own."""
    right = ax.twinx()
    right.plot(result.step, result.beta, color=WARM, ls="--", lw=0.9)
    right.set_ylabel(result.loss.knob, color=MUTED, rotation=0, va="center")
    right.set_ylim(0, 1.05 * float(result.beta.max()))


def _fit(ax: Axes, curve: Any, points: Any) -> None:
    """Leave out of the axis what a rest at a tiny β, which no run has the time for, would stretch it to."""
    finite = curve[np.isfinite(curve)]
    if not finite.size:
        return
    inner = finite[len(finite) // 20 :]
    seen = inner if points is None else np.concatenate([inner, points])
    low, high = float(seen.min()), float(seen.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    ax.set_ylim(low - margin, high + margin)
