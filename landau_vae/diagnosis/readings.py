"""Which other loss has the price that a model was trained at? The usual slips, each with the price it makes.

A ½ that is there or not, a sum that is a mean, a KL averaged over latents, a decoder variance that is learned: every
one multiplies the price by a factor of its own (CONVENTIONS of public code bases: `landau_vae.loss.PRESETS`).
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np

from landau_vae.errors import InputError
from landau_vae.loss import Loss, Reduction
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["meaning_of", "readings"]

NEAR = 0.1  # |ln| of a price up to which it is recognised


def readings(loss: Loss, latents: int) -> Iterator[tuple[Loss, str]]:
    """The loss with one or two of its parts read otherwise, the likeliest first."""
    if loss.likelihood == "gaussian" and not loss.learned:
        yield replace(loss, decoder_variance="learned", latents=latents), "a loss whose decoder variance is learned"
    errors = [(loss, "")]
    if loss.likelihood == "gaussian":
        half = replace(loss, half=not loss.half)
        errors.append((half, "without the ½" if loss.half else "with a ½"))
    other: Reduction = "sum" if loss.reconstruction == "mean" else "mean"
    words = "averaged over features" if other == "mean" else "summed over features"
    whole = errors + [(replace(each, reconstruction=other), _and(words, text)) for each, text in errors]
    other_kl: Reduction = "sum" if loss.kl == "mean" else "mean"
    kl_words = "with the KL averaged over latents" if other_kl == "mean" else "with the KL summed over latents"
    for each, text in whole[1:]:
        yield each, f"a loss {text}"
    for each, text in whole:
        yield replace(each, kl=other_kl, latents=latents), f"a loss {_and(text, kl_words)}"


def _and(first: str, second: str) -> str:
    return f"{first} and {second}" if first and second else first or second


def meaning_of(price: float, loss: Loss, spectrum: Spectrum, latents: int) -> str:
    """The reading whose price is the nearest, if it is near."""
    apart = [(abs(np.log(other / price)), words) for other, words in _priced(loss, spectrum, latents)]
    distance, words = min(apart)
    return words if distance <= NEAR else ""


def dearer_than(price: float, loss: Loss, spectrum: Spectrum, latents: int, most: int = 2) -> str:
    """The likeliest readings whose price is above `price`."""
    found = [words for other, words in _priced(loss, spectrum, latents) if other >= price]
    return " or ".join(found[:most])


def _priced(loss: Loss, spectrum: Spectrum, latents: int) -> Iterator[tuple[float, str]]:
    for other, words in readings(loss, latents):
        with suppress(InputError):  # a learned variance that has no equilibrium
            yield float(other.price(spectrum)), words
