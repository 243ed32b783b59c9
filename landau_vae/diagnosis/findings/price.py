"""Phrases of the findings: β by the name of the user's knob, modes and latents by their numbers."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from landau_vae.diagnosis.evidence import OFF, Evidence
from landau_vae.display import Array, listed, significant

__all__ = [
    "PERHAPS_BENT", "beta_at", "five", "knob_at", "latents", "next_one", "rescaled", "roughly", "span",
    "spectrum_words", "why_so_dear",
]  # fmt: skip

PERHAPS_BENT = "If the decoder is not linear it may make modes out of others: give decode=… to see."


def beta_at(e: Evidence, price: float) -> str:
    """The β of a price."""
    return significant(float(e.loss.beta_at(price, e.spectrum)), 4)


def knob_at(e: Evidence, price: float) -> str:
    """The knob at a price."""
    return f"{e.loss.knob} = {beta_at(e, price)}"


def span(values: Array) -> str:
    """From … to."""
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} … {high}"


def latents(numbers: NDArray[np.intp]) -> str:
    """Latents by their numbers."""
    return f"Latent{'s' * (len(numbers) > 1)} {listed(list(numbers))}"


def rescaled(ratio: float) -> str:
    """Data that are not in the scale that the loss saw multiply every price by its square."""
    for scale in (255.0, 127.5, 2.0):
        for factor, words in ((scale, f"{scale:g} times"), (1 / scale, f"1/{scale:g} of")):
            if abs(np.log(ratio / factor**2)) < OFF:
                return f" (Or these data are {words} what the loss saw: prices go with the square of the scale.)"
    return ""


def spectrum_words(e: Evidence) -> str:
    """Which spectrum it is, where it is not the covariance."""
    if e.loss.likelihood == "bernoulli":
        return " (of data that a Bernoulli decoder sees as their correlations, F^(−½) C F^(−½))"
    if e.loss.likelihood == "poisson":
        return " (of F^(−½) C F^(−½), F the mean of the counts)"
    return " (with the σ² that training learns)" if e.loss.learned else ""


def roughly(e: Evidence) -> str:
    """How far the theory goes for this likelihood."""
    if e.loss.likelihood == "gaussian":
        return ""
    name = e.loss.likelihood.title
    return f" (a {name} decoder's first threshold is exact, what follows shifts once a mode lives)"


def five(e: Evidence) -> str:
    """Where five latents live."""
    k = min(5, e.spectrum.modes, e.posterior.latents)
    return f"; {k} live below {beta_at(e, float(e.spectrum.eigenvalues[k - 1]))}" if k > 1 else ""


def next_one(e: Evidence) -> str:
    """Where the next latent comes alive."""
    living = int(e.state.active)
    if living >= e.spectrum.modes:
        return ""
    return f" (the next one comes alive below {beta_at(e, float(e.spectrum.eigenvalues[living]))})"


def why_so_dear(e: Evidence) -> str:
    """Return why the price is high, which usually is a mean over features."""
    d, summed = e.spectrum.dimension, replace(e.loss, reconstruction="sum")
    if e.loss.reconstruction == "sum" or summed.without_price(e.spectrum) is not None:
        return ""
    price = float(summed.price(e.spectrum))
    if price >= float(e.spectrum.eigenvalues[0]):
        return ""
    return (
        f" The price is so high because this loss {e.loss.reductions(d)}. If it summed the error over features, the "
        f"price at the same β would be τ = {significant(price, 3)}."
    )
