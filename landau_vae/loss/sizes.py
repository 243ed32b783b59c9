"""At which sizes a user's loss function is probed: those of one batch of its arrays, or those that are stated."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from landau_vae.errors import InputError
from landau_vae.loss.calling import SPREADS, Call, calls, slots
from landau_vae.loss.probes import Probe

ROWS = 8  # of a batch whose size is not stated and does not matter

Size = int | Sequence[int] | None


def candidates(
    function: Callable[..., Any],
    like: Any,
    features: Size,
    latents: Size,
    batch: int | None,
    beta: float | None,
    parametrisation: str | None,
    to: Callable[[Any], Any] | None,
) -> list[Probe]:
    """Return the ways in which a function may be called and what its spread may be, the likeliest first."""
    probes = []
    for call in calls(function, like, to=to, beta=beta):
        x_hat, mean = _shape(call, "x_hat"), _shape(call, "mean")
        shape, latent_shape = _given(features, x_hat, "features"), _given(latents, mean, "latents")
        rows = batch or (x_hat or mean or (ROWS,))[0]
        stated = (parametrisation or call.spread,) if parametrisation or call.spread else SPREADS
        probes += [Probe(call, shape, latent_shape, rows, spread) for spread in stated]
    return probes if like is None else [_in_precision(each) for each in probes]


def _shape(call: Call, role: str) -> tuple[int, ...] | None:
    """Return the shape of the example of a role."""
    example = call.examples.get(role)
    own = [slot.example for slot in slots(call.arguments) if slot.role == role and slot.example is not None]
    return tuple((own or [example])[0].shape) if own or example is not None else None


def _given(size: Size, example: tuple[int, ...] | None, name: str) -> tuple[int, ...]:
    """Return the shape of one sample: as it is stated, else that of the example."""
    if size is None:
        if example is None:
            raise InputError(f"{name} is missing: give {name}=…, or like=(x, x_hat, mean, log_variance).", name)
        return example[1:]
    shape = (size,) if isinstance(size, int) else tuple(size)
    if not shape:
        raise InputError(f"{name} is empty, but a number or the shape of one sample is expected.", name)
    return shape


def _in_precision(probe: Probe) -> Probe:
    """Return the probe with arrays in the examples' own precision, where its function takes no others."""
    x = np.full((probe.batch, *probe.shape), 0.5)
    lowered = replace(probe, call=replace(probe.call, double=False))
    fails = isinstance(probe.components(x, x), InputError)
    return lowered if fails and not isinstance(lowered.components(x, x), InputError) else probe
