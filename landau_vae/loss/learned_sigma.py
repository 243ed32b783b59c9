"""Whether a loss owns the decoder's variance: a parameter that training moves, such as a log σ of the module.

    E = A Σ [(x − x̂)²/2σ² + ln σ],   σ = σ(p):    d ln a/dp = −2 d ln σ/dp,   dE/dp = A n d ln σ/dp where x̂ = x

so A = −2 (dE/dp) / (n d ln a/dp), whatever σ(p) is. Parameters are those of a module, of what a method
belongs to, and those that a function closes over; they are put back as they were.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np

from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.loss.probes import Probe, both

STEP = 2.0**-6  # of a parameter
MOST = 40  # parameters that are tried
ALIKE = 1e-3  # relative: what counts as no change


def parameters(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """Yield the names and tensors that training moves, of all that a function holds."""
    function = inspect.unwrap(function)
    held: dict[str, Any] = {"": function, "self": getattr(function, "__self__", None)}
    if inspect.isfunction(function):
        seen = inspect.getclosurevars(function)
        held |= {**seen.nonlocals, **seen.globals}
    for name, value in held.items():
        if getattr(value, "requires_grad", False):
            yield name, value
        elif hasattr(value, "named_parameters"):
            yield from value.named_parameters()


@contextmanager
def shifted(tensor: Any, step: float) -> Iterator[None]:
    """Shift a parameter while this lasts."""
    kept = tensor.data.clone()
    tensor.data = kept + step
    try:
        yield
    finally:
        tensor.data = kept


def raise_trained_rate(probe: Probe, x: Array, x_hat: Array) -> None:
    """Raise where a parameter that training moves is the weight of the KL."""
    sizes, place = {1, 2, probe.latents}, both(probe)
    fitting = ((name, each) for name, each in parameters(probe.call.function) if each.numel() in sizes)
    for name, tensor in islice(fitting, MOST):
        gains = []
        for step in (0.0, STEP):
            with shifted(tensor, step):
                gains.append(probe(x, x_hat, place) - probe(x, x_hat))
        if abs(gains[1] / gains[0] - 1) > ALIKE * STEP:
            raise InputError(
                f"The weight of the KL is trained ({name}), so the price changes during training: hold it at the value "
                "that it ends at, and measure the loss then.", "function"
            )  # fmt: skip


def learned_weight(probe: Probe, x: Array, x_hat: Array, moved: Array) -> tuple[str, float] | None:
    """Return the parameter that is the variance of all features, and the weight A; None if no parameter is."""
    sizes = {1, probe.dimension, *probe.shape}
    fitting = ((name, each) for name, each in parameters(probe.call.function) if each.numel() in sizes)
    for name, tensor in islice(fitting, MOST):
        states = []
        for sign in (-1.0, 1.0):
            with shifted(tensor, sign * STEP):
                states.append((probe(x, x_hat), probe(x, moved)))
        (low, low_moved), (high, high_moved) = states
        below, above = low_moved - low, high_moved - high
        if not below > 0 < above or abs(above / below - 1) < ALIKE * STEP:
            continue
        if tensor.numel() > 1:
            raise InputError(
                f"The variance of the reconstruction is trained for each feature ({name}, {tensor.numel()} numbers): "
                'give the likelihood gaussian("learned") to Loss.of, with the weight of the KL.', "function"
            )  # fmt: skip
        weight = -2 * (high - low) / (x.size * np.log(above / below))
        if weight <= 0:
            raise InputError(
                f"The weight of the reconstruction is trained ({name}) without the term ln σ of a likelihood, so that "
                "the loss falls without end: add it, or hold the weight.", "function"
            )  # fmt: skip
        return name, float(weight)
    return None
