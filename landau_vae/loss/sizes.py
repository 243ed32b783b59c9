"""At which sizes a user's loss function is probed: those of one batch of its arrays, or those that are stated."""

from collections.abc import Callable, Sequence
from typing import Any

from landau_vae.errors import InputError
from landau_vae.loss.calling import SPREADS, Call, calls
from landau_vae.loss.probes import ROWS, Probe

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
        stated = [each for each in (parametrisation or call.spread,) if each] or SPREADS
        probes += [Probe(call, shape, latent_shape, rows, spread) for spread in stated]
    return probes


def _shape(call: Call, role: str) -> tuple[int, ...] | None:
    example = call.example(role)
    return None if example is None else tuple(example.shape)


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
