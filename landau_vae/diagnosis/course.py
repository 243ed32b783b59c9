"""What happened in the course of a run: plateau, collapse, revival, a rising KL, a rising loss under a rising β.

By the envelope theorem the loss of a model that stays at rest rises with β by dL/dβ = (b/β) R.
What the loss rises by beyond that, the model has lost.
"""

from itertools import pairwise

import numpy as np

from landau_vae.diagnosis.run_log import RunLog
from landau_vae.diagnosis.two_numbers import ALIVE, DEAD, TwoNumbers
from landau_vae.display import Array, Booleans, significant
from landau_vae.findings import Finding, remark
from landau_vae.limits import ACTIVE
from landau_vae.numeric.expected_curves import charged_per_beta, total_loss

NORMAL = "Every run from small weights has that plateau, and a KL that rises from it is normal."
FEWEST = 4  # numbers from which there is a course
SMOOTHED = 5  # neighbours, whose median is taken of long logs
LATE = 0.25  # share of a run that is its end
MOVING = 0.05  # relative change over the end from which a KL is said to move
NOISY = 4.0  # median steps of a loss that its noise may add to a rise
MOST_TURNS = 6  # passages that are told one by one
EXPLAINED = 1.25  # rise of a loss over that by the envelope theorem, up to which β explains it


def course_findings(log: RunLog, t: TwoNumbers) -> tuple[Finding, ...]:
    """Return what happened, in the order of time."""
    if len(log) < FEWEST:
        return ()
    beta = np.broadcast_to(t.loss.beta, log.kl.shape) if log.beta is None else log.beta
    loss = t.loss.at(np.maximum(beta, 1e-300))
    rate = _smoothed(t.logged.rate(log.kl, loss, t.spectrum.dimension))
    error = _smoothed(t.logged.error(log.reconstruction, t.loss, t.spectrum.dimension))
    found = [*_turns(log, rate, beta, t), _moving(log, rate, beta, t), _rising_loss(log, rate, error, beta, t)]
    return tuple(each for each in found if each is not None)


def _smoothed(values: Array) -> Array:
    """Return running medians, where there are enough values to lose none of the course."""
    if len(values) < 3 * SMOOTHED:
        return values
    padded = np.pad(values, SMOOTHED // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED), axis=-1)


def _alive(rate: Array) -> Booleans:
    """Return whether the model is active at each step; between the two limits it is as it was before.

    >>> _alive(np.array([0.0, 0.03, 0.06, 0.03, 0.0])).tolist()
    [False, False, True, True, False]
    """
    clear = np.flatnonzero((rate <= DEAD) | (rate > ALIVE))
    if not clear.size:
        return rate > DEAD
    last = clear[np.maximum(np.searchsorted(clear, np.arange(len(rate)), side="right") - 1, 0)]
    return np.asarray(rate[last] > ALIVE)


def _turns(log: RunLog, rate: Array, beta: Array, t: TwoNumbers) -> list[Finding]:
    """Return each passage between collapsed and active."""
    assert log.step is not None
    alive = _alive(rate)
    found, was_alive = [], bool(alive[0])
    for before, after in pairwise(range(len(rate))):
        if alive[before] == alive[after]:
            continue
        at = f"step {significant(log.step[after])} (β = {significant(float(beta[after]), 3)})"
        if not alive[after]:
            why = _why_collapsed(float(beta[after]), t)
            found.append(remark("collapse", f"The model collapsed at {at}: the KL fell to 0. {why}".rstrip()))
        elif was_alive:
            found.append(remark("revival", f"It revived at {at}: the KL rose again from 0."))
        else:
            found.append(remark("plateau", f"The KL was 0 up to {at}, where the first latent woke up. {NORMAL}"))
        was_alive |= bool(alive[after])
    if (more := len(found) - MOST_TURNS) > 0:
        found[MOST_TURNS:] = [remark("more-turns", f"It collapsed or revived {more} times more.")]
    return found


def _why_collapsed(beta: float, t: TwoNumbers) -> str:
    if t.equilibrium is None:
        return ""
    first = float(t.loss.collapse_beta(t.spectrum.eigenvalues[0], t.spectrum))
    if beta >= (1 - ACTIVE) * first:  # from there on the signal fraction of the first latent is below 0.1
        return f"β had come to the first threshold, {significant(first, 3)}, where that is due."
    words = f"β was below the first threshold, {significant(first, 3)}"
    return f"{words}: the KL weighs more than stated, or training had become unstable."


def _moving(log: RunLog, rate: Array, beta: Array, t: TwoNumbers) -> Finding | None:
    """Say whether the KL moves at the end of the log, and why that is."""
    end = slice(-max(2, int(LATE * len(rate))), None)
    first, last = rate[end][0], rate[end][-1]
    if not (first > DEAD or last > DEAD) or abs(last - first) <= MOVING * max(first, last):
        return None
    up, steeper = last > first, float(beta[end][-1] - beta[end][0])
    ends = f"from {significant(first, 3)} to {significant(last, 3)} nats of a row"
    if steeper and (steeper < 0) == up:
        why = f"β {'falls' if up else 'rises'} there, so that is as it should be."
    elif not up:
        why = "β does not rise there: latents of little use are given up, or the model is not at rest yet."
    elif last < t.expected_rate:
        least = significant(t.expected_rate, 3)
        why = f"It is on its way to the {least} of a linear model at rest, latent by latent: that is normal."
    else:
        why = "Nonlinear models find more to encode than linear ones: that is normal as long as the error falls."
    return remark("rising-kl" if up else "falling-kl", f"The KL {'rises' if up else 'falls'} at the end, {ends}. {why}")


def _rising_loss(log: RunLog, rate: Array, error: Array, beta: Array, t: TwoNumbers) -> Finding | None:
    """Say whether β explains by how much the loss is above its least, at the end of the last rise of β."""
    assert log.step is not None
    rises = np.flatnonzero(np.diff(beta) > 0)
    if not rises.size:
        return None
    total, stop = total_loss(error, rate, beta, t.loss, t.logged, t.spectrum), rises[-1] + 1
    start = int(np.argmin(total[: stop + 1]))
    slope = charged_per_beta(rate, t.loss, t.logged, t.spectrum)[start : stop + 1]
    owed = float(np.sum(np.diff(beta[start : stop + 1]) * (slope[1:] + slope[:-1]) / 2))
    rise, scatter = float(total[stop] - total[start]), float(np.median(np.abs(np.diff(total))))
    if rise <= max(MOVING * float(np.ptp(total)), NOISY * scatter):
        return None
    words = (
        f"The loss rises by {significant(rise, 3)} between steps {significant(log.step[start])} and "
        f"{significant(log.step[stop])} while β rises. "
    )
    if rise <= EXPLAINED * owed + NOISY * scatter:
        return remark(
            "rising-loss",
            f"{words}That is the theory: dL/dβ is the KL, which makes {significant(owed, 3)} of it.",
            "Compare losses at one β only, and choose no checkpoint by a loss whose β changes.",
        )
    return remark(
        "rising-loss-unexplained",
        f"{words}The KL explains {significant(owed, 3)} of it (dL/dβ = KL at rest): the model is not at rest, and lags "
        "behind β.",
        "A slower warm-up, or more updates at the last β, would show what it settles at.",
    )
