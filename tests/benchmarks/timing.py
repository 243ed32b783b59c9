"""What the benchmarks share: timing rivals in turn, and one row of the table that is printed.

Machines differ and are rarely quiet, so what counts is a ratio of two times taken one after the other. Every row has a
bar from the design; missing it is worth a look, never a failed test.
"""

import time
from collections.abc import Callable, Iterable
from statistics import median

from landau_vae.display import Column, Table

__all__ = ["Row", "absolute", "against", "duration", "fold", "missing", "report", "seconds", "verdict"]

Row = tuple[str, str, str, str, str, str]  # work, ours, rival, ratio, bar, met?
HEADER = ["work", "ours", "rival", "ratio", "bar", "met?"]
PAUSE = 0.05  # seconds between two calls: the threads of a BLAS spin for a while before they sleep
LEAST, MOST, PATIENCE = 5, 25, 4


def seconds(action: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def pairs(ours: Callable[[], object], rival: Callable[[], object], budget: float) -> list[tuple[float, float]]:
    """Times of ours, rival, ours, rival, … after a warm-up of each, until the budget (seconds) is spent.

    Slow work may take up to `PATIENCE` budgets to get `LEAST` rounds.
    """
    start = time.perf_counter()
    ours(), rival()
    rounds: list[tuple[float, float]] = []
    while len(rounds) < MOST:
        spent = (time.perf_counter() - start) / budget
        if rounds and (spent > PATIENCE or (spent > 1 and len(rounds) >= LEAST)):
            break
        time.sleep(PAUSE)
        mine = seconds(ours)
        time.sleep(PAUSE)
        rounds.append((mine, seconds(rival)))
    return rounds


def against(
    work: str, ours: Callable[[], object], name: str, rival: Callable[[], object], bar: float | None, budget: float
) -> Row:
    """One row: ours against a rival, by the median of the ratios of neighbours in time."""
    rounds = pairs(ours, rival, budget)
    mine, theirs = (median(times) for times in zip(*rounds, strict=True))
    ratio = median(a / b for a, b in rounds)
    return (work, duration(mine), f"{name} {duration(theirs)}", fold(ratio), *verdict(ratio, bar, fold))


def absolute(work: str, time_taken: float, bar: float | None) -> Row:
    """One row of a bar that is a time."""
    return (work, duration(time_taken), "—", "—", *verdict(time_taken, bar, duration))


def missing(work: str, library: str) -> Row:
    """The row that stands where an optional library is not installed."""
    return (work, "—", f"skipped: {library} is not installed", "—", "—", "—")


def report(title: str, rows: Iterable[Row]) -> str:
    """The table of one benchmark."""
    return Table([Column(*part) for part in zip(HEADER, zip(*rows, strict=True), strict=True)], title).text()


def duration(value: float) -> str:
    """Seconds to three digits, in a unit that suits them."""
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"


def fold(ratio: float) -> str:
    """A ratio; a small one as one part in many (1/400)."""
    return f"{ratio:.2f}" if ratio >= 0.05 else f"1/{1 / ratio:.0f}"


def verdict(value: float, bar: float | None, show: Callable[[float], str]) -> tuple[str, str]:
    """The bar, and whether it is met."""
    return ("—", "—") if bar is None else (f"≤ {show(bar)}", "yes" if value <= bar else "NO")
