"""Are the arrays of a posterior what they are called? Names are given, never guessed; but a wrong one often shows.

A spread is positive, log-variances lie below zero where a latent lives, and under its right name ⟨μ²⟩ + ⟨σ²⟩ of each
latent is 1 in a model at rest.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.errors import InputError

__all__ = ["Spread", "check_logs", "check_name", "not_positive"]

Spread = Literal["variance", "log_variance", "std"]

LOOKED_AT = 1024  # rows, evenly spread, by which the names of the arrays are checked
RESTING, MOVING = 0.05, 0.1  # |ln A²| that every latent keeps under its right name, and that a wrong name exceeds
TELLING = 0.05  # what a log-variance lies below zero on average where a latent lives
WIDEST = 2.0  # a variance that no encoder's average exceeds


def not_positive(kind: Spread, least: float, *, swapped: bool) -> InputError:
    """The complaint about a spread that is not positive."""
    if swapped:
        return InputError(
            f"The {kind} is {least:.6g} somewhere while every mean is positive: mean and {kind} look swapped, give "
            f"mean=μ and {kind}=… by name."
        )
    if least == 0:
        return InputError(
            f"A {kind} of a posterior is positive, but there are zeros: an encoder without noise is no VAE's; float16 "
            "rounds variances below 6e-8 to zero, and zeros that are log-variances have to be called so "
            "(log_variance=…)."
        )
    return InputError(
        f"A {kind} of a posterior is positive, but the least is {least:.6g}: if these are log-variances, say so "
        "(log_variance=…; encoders often return them)."
    )


def check_logs(mu: NDArray[Any], spread: NDArray[Any], least: float) -> None:
    """Complain about log-variances that look like something else; a thousand rows are looked at."""
    rows = np.unique(np.linspace(0, len(mu) - 1, LOOKED_AT).astype(np.intp))
    means, logs = mu[rows].astype(np.float64), spread[rows].astype(np.float64)
    if _swapped(means, logs):
        raise InputError(
            "Mean and log_variance look swapped: what is called the mean lies below zero, as ln σ² does where a latent "
            "lives, and what is called log_variance lies evenly about zero. Give mean=μ and log_variance=ln σ² by name."
        )
    square, average = np.square(means).mean(axis=0), logs.mean(axis=0)
    own, *others = (
        np.median(_off(square + spread.mean(axis=0))) for spread in (np.exp(logs), logs, np.square(logs))
    )  # as they are called, as variances, as standard deviations
    if least >= 0 and average.max() < WIDEST and min(others) < own:
        raise InputError(
            f"Every log-variance is positive ({logs.min():.3g} … {logs.max():.3g}), so that every posterior would be "
            "wider than the prior: if these are variances or standard deviations, say so (variance=… or std=…)."
        )


def check_name(kind: Spread, mean_square: Array, variance: Array, other: Array) -> None:
    """Variances and standard deviations mistaken for one another: under its right name A² is 1 in a model at rest.

    `other` is ⟨σ²⟩ if so, (K,).
    """
    own, right = _off(mean_square + variance), _off(mean_square + other)
    if right.max() < RESTING and np.count_nonzero(own > MOVING) > 1:
        better = {
            "variance": "standard deviations: give std=…",
            "std": "variances: give variance=…",
            "log_variance": "ln σ, logarithms of standard deviations: give std=np.exp(…)",
        }
        raise InputError(
            f"The {kind} does not fit the mean: ⟨μ²⟩ + ⟨σ²⟩, which is 1 for each latent of a model at rest, is up to "
            f"{np.exp(own.max()):.2g}-fold off, but is 1 for all of them if these are {better[kind]}."
        )


def _off(second_moment: Array) -> Array:
    """|ln A²| of each latent, (K,)."""
    return np.abs(np.log(second_moment))


def _swapped(means: Array, logs: Array) -> bool:
    """Whether log-variances and means look like means and log-variances, in every latent that would then live."""
    signal = np.square(logs).mean(axis=0)
    living = signal > 0.1 * (signal + np.exp(means).mean(axis=0))
    below = (means.mean(axis=0) < -TELLING) & ((means < 0).mean(axis=0) > 0.99)
    evenly = np.abs(logs.mean(axis=0)) < 0.3 * logs.std(axis=0)
    inside = np.abs((logs > 0).mean(axis=0) - 0.5) < 0.3
    return bool(living.any() and np.all((below & evenly & inside)[living]))
