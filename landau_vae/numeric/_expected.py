"""How KL, reconstruction and loss should move in the course of a run, under its schedule of β.

    R(t) = Σ_k R_k(τ(t))      D(t) = Σ_k D_k(τ(t))      L = a D + b R,   dL/dβ = (b/β) R

Without a learning rate the model is at rest at every β: closed forms. With one, latents wait on
the plateau of the collapsed state: gradient descent is followed mode by mode
(`descended_modes`); of Adam only the earliest time is known (`plateau_activation`). Exact for
linear models with latents that have parted; for networks, and for later modes of other
likelihoods, a prediction from the collapsed background. By the envelope theorem the least loss
rises with β by the KL itself (J. Hirn, arXiv:2605.22691): a rising loss under a rising β is no
fault.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import Count, Positive, Share, checked, numbers
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError, described
from landau_vae.limits import ACTIVE
from landau_vae.loss import Logged, Loss
from landau_vae.numeric._equilibrium import equilibrium
from landau_vae.numeric.descended_modes import descend
from landau_vae.numeric.expected_curves import Expected, error_of
from landau_vae.numeric.plateau_activation import distance, updates_for
from landau_vae.numeric.plateau_growth import Momentum
from landau_vae.spectrum.spectrum import Spectrum

POINTS = 500  # of a curve, at most
MOST_UPDATES = 10**6  # that gradient descent is followed for
WAKES = -0.5 * np.log(1 - ACTIVE)  # nats of a mode from which it counts as active


@checked
def expected(
    spectrum: Spectrum,
    loss: Loss,
    schedule: Any = None,
    *,
    updates: Count | None = None,
    steps: Any = None,
    learning_rate: Positive | None = None,
    momentum: Momentum = 0.0,
    start: Share = 0.01,
    optimizer: Literal["gradient descent", "adam"] = "gradient descent",
    logged: Logged = Logged(),  # noqa: B008
    mean_error: float | None = None,
) -> Expected:
    """Return how KL, reconstruction and loss should move in the course of a run.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    loss : Loss
        The convention. Its β is that of the run where there is no schedule.
    schedule : array, callable or Schedule, optional
        β at each of the steps; or a function that takes a step and returns β; or a factor on
        the β of `loss`, such as `training.schedules.warm_up(0.2)`.
    updates : int, optional
        Length of the run. Unless given, that of `steps`.
    steps : (n,) array, optional
        At which there are numbers, rising; of more than 500 some are left out. Unless given,
        up to 500 from 0 to `updates`.
    learning_rate : float, optional
        η. Unless given, the model is at rest at every β.
    momentum : float, default 0
        Of heavy-ball momentum, from 0 to below 1.
    start : float, default 0.01
        Share of its final amplitude that each mode begins with.
    optimizer : {"gradient descent", "adam"}
        Of Adam only the earliest step is known at which each mode can wake up.
    logged : Logged, optional
        In which units the loop prints.
    mean_error : float, optional
        Error of a row that the best constant output has, −ln p as the log counts it. Only for
        likelihoods that are not squared errors, where the spectrum does not know it.

    Returns
    -------
    Expected
        The curves, and remarks in sentences.

    Raises
    ------
    InputError
        If an argument cannot be used.
    OutsideTheory
        If a learning rate is given for other losses than squared errors of a fixed variance.

    Examples
    --------
    >>> spectrum = Spectrum.from_eigenvalues([4, 1])
    >>> result = expected(spectrum, Loss.gaussian(), [0.5, 1.0, 2.0, 8.0])
    >>> result.kl.round(3).tolist(), result.reconstruction.round(6).tolist(), result.active.tolist()
    ([1.386, 0.693, 0.347, 0.0], [0.5, 1.0, 1.5, 2.5], [2, 1, 1, 0])
    """
    step, beta = _course(schedule, loss, updates, steps)
    origin: Literal["rest", "gradient descent", "adam"] = "rest" if learning_rate is None else optimizer
    if learning_rate is None:
        rate, distortion, active = _at_rest(spectrum, loss, beta)
    else:
        loss.must_be_fixed("the course of a run is known")
        if optimizer == "adam" and momentum:
            raise InputError(f"A momentum of {momentum} was given, but Adam has its own: leave it out.", "momentum")
        run = _by_adam if optimizer == "adam" else _by_descent
        rates, distortion = run(spectrum, loss, step, beta, learning_rate, momentum, start)
        rate, active = rates.sum(axis=1), (rates > WAKES).sum(axis=1)
    error = error_of(distortion, spectrum, loss, mean_error)
    return Expected(
        spectrum, loss, logged, readonly(step), readonly(beta), readonly(rate), readonly(error),
        readonly(active, np.int64), origin,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ the run


def _course(schedule: Any, loss: Loss, updates: int | None, steps: Any) -> tuple[Array, Array]:
    """Return steps and β, (n,) each, thinned to `POINTS`."""
    if schedule is None or callable(schedule):
        if steps is None and updates is None:
            raise InputError("How long is the run? Give updates=… or steps=….", "updates")
        step = np.unique(np.linspace(0, updates or 0, POINTS).round()) if steps is None else _steps(steps)
        if schedule is None or hasattr(schedule, "points"):
            if loss.beta.ndim:
                raise InputError("The loss has a list of β: give it as the schedule, and the loss one β.", "loss")
            factor = 1.0 if schedule is None else schedule(step / (updates or step[-1] or 1.0))
            shape = () if schedule is None else step.shape
            beta = np.broadcast_to(loss.beta * numbers(factor, "schedule", shape=shape), step.shape)
        else:
            beta = np.array([_beta_at(schedule, at) for at in step])
    else:
        beta = np.atleast_1d(numbers(schedule, "schedule"))
        length = len(beta) - 1 if updates is None else updates
        step = np.linspace(0, length, len(beta)) if steps is None else _steps(steps)
    if beta.shape != step.shape or not len(step):
        raise InputError(f"The schedule has shape {beta.shape}, but there are {len(step)} steps.", "schedule")
    if not (np.isfinite(beta).all() and beta.min() >= 0 and beta.max() > 0):
        raise InputError("The schedule must hold finite β from 0 on, of which one is above 0.", "schedule")
    at = np.unique(np.linspace(0, len(step) - 1, POINTS).round().astype(int))
    return step[at], np.asarray(beta)[at]


def _steps(steps: Any) -> Array:
    step = np.atleast_1d(numbers(steps, "steps", finite=True))
    if step.ndim != 1 or not len(step) or step[0] < 0 or np.any(np.diff(step) <= 0):
        raise InputError("steps must be a list of rising numbers from 0 on.", "steps")
    return step


def _beta_at(schedule: Callable[[float], Any], step: float) -> float:
    try:
        return float(schedule(float(step)))
    except Exception as problem:  # anything: it is the user's code
        raise InputError(
            f"The schedule raised {described(problem)} at step {step:g}, but a function that takes a "
            "step and returns β is expected.",
            "schedule",
        ) from problem


def _at_rest(spectrum: Spectrum, loss: Loss, beta: Array) -> tuple[Array, Array, NDArray[Any]]:
    """Return rate, distortion and active modes at every β; with β = 0 the KL has no equilibrium."""
    alive = beta > 0
    state = equilibrium(spectrum, loss.at(beta[alive]))
    coldest = equilibrium(spectrum, loss.at(beta[alive].min()))
    rate, distortion, active = np.full(len(beta), np.nan), np.zeros(len(beta)), np.zeros(len(beta), dtype=np.int64)
    rate[alive], distortion[alive] = state.total_rate, state.total_distortion * spectrum.total_variance
    active[alive] = np.count_nonzero(state.rate > WAKES, axis=-1)
    latents = min(loss.latents or spectrum.modes, spectrum.modes)
    distortion[~alive] = max(spectrum.total_variance - spectrum.eigenvalues[:latents].sum(), 0.0)
    active[~alive] = max(latents, int(coldest.active))
    return rate, distortion, active


def _by_descent(
    spectrum: Spectrum, loss: Loss, step: Array, beta: Array, learning_rate: float, momentum: float, start: float
) -> tuple[Array, Array]:
    """Return rates of the modes, (n, modes), and the distortion, (n,)."""
    steps = step.astype(np.int64)
    if np.any(steps != step) or steps[-1] > MOST_UPDATES:
        raise InputError(
            f"With a learning rate the steps must be numbers of updates, at most {MOST_UPDATES:g}: give others, or "
            "leave the learning rate out.", "steps"
        )  # fmt: skip
    price = beta * loss.price_per_beta(spectrum)
    served = spectrum.eigenvalues[: loss.latents]
    served = served[served > price.min()]
    scale = 2 * loss.weights(spectrum.dimension)[0]
    found = descend(served, price, steps, learning_rate * scale, momentum, start)
    return found.rate, spectrum.total_variance - served.sum() + found.distortion.sum(axis=1)


def _by_adam(
    spectrum: Spectrum, loss: Loss, step: Array, beta: Array, learning_rate: float, momentum: float, start: float
) -> tuple[Array, Array]:
    """Return rates of the modes, (n, modes), and the distortion, (n,), where each mode wakes up as early as it can."""
    price = np.maximum(beta, beta[beta > 0].min()) * loss.price_per_beta(spectrum)
    state = equilibrium(spectrum, loss.at(np.maximum(beta, beta[beta > 0].min())))
    far = distance(spectrum, loss.latents or spectrum.modes, price, start)
    reached = (step[:, None] >= updates_for(far / learning_rate)) & (spectrum.eigenvalues > price[:, None])
    awake = np.maximum.accumulate(reached, axis=0)
    gain = spectrum.eigenvalues * (1 - state.posterior_variance)
    return np.where(awake, state.rate, 0.0), spectrum.total_variance - np.where(awake, gain, 0.0).sum(axis=1)
