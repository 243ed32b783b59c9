"""The convention behind the two weights that were measured: what is a sum, what a mean, what a ½.

Each weight is measured again with twice the batch, each axis of a sample, and the latents: a sum keeps it, a mean
halves it. Both are normalised by what the error does over the batch, so a KL that is summed over a batch of B while
the error is averaged over it weighs B times, as it does in training. A function that takes one size only is read at
that size; the price at that size is right in any case.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isclose
from typing import Any, Literal

import numpy as np

from landau_vae.display import significant
from landau_vae.loss.probes import LOOSE, Probe, Tolerance, Trial, changes, kl, posteriors

__all__ = ["Reading", "Terms", "reading"]

MEANINGS = {"bernoulli": "probabilities", "poisson": "means", "logit": "logits", "log": "log-means"}
TERMS = {"gaussian": "a squared error", "bernoulli": "a cross-entropy", "poisson": "−ln Poisson(x; x̂)",
         "learned": "d/2 times the logarithm of the mean squared error (σ² learned)"}  # fmt: skip
USUAL = (0.5, 1.0)
RATIOS = {"sum": 1.0, "mean": 0.5}  # of a weight at twice the size


@dataclass(frozen=True)
class Reading:
    """What a loss function was found to compute; the fields are those of `Loss`."""

    likelihood: Literal["gaussian", "bernoulli", "poisson"]
    decoder_variance: float | Literal["learned"]  #: learned: the error enters as its logarithm
    reconstruction: Literal["sum", "mean"]  #: over features
    kl: Literal["sum", "mean"]  #: over latents
    half: bool  #: whether the squared error carries a ½
    reconstruction_weight: float  #: what else multiplies it
    kl_weight: float  #: the whole factor on the KL, β included
    link: str  #: what x̂ is: a reconstruction, probabilities, logits, means, log-means
    notes: tuple[str, ...]  #: what was found, in sentences


@dataclass(frozen=True)
class Terms:
    """A loss that is a ℓ + b KL, with the sums over the whole batch."""

    trial: Trial
    likelihood: str  #: or "learned"
    tolerance: Tolerance
    a: float
    b: float
    near: bool  #: whether the KL near the prior is above the rounding of the whole loss


@dataclass(frozen=True)
class _Sums:
    """What twice the batch, each axis of a sample, and the latents do: "sum", "mean", "other" or "unknown"."""

    error_over_batch: str
    rate_over_batch: str
    over_axes: tuple[str, ...]
    over_latents: str


def _sums(probe: Probe, terms: Terms) -> _Sums:
    larger = [(*probe.shape[:i], 2 * size, *probe.shape[i + 1 :]) for i, size in enumerate(probe.shape)]
    a, b = _at(probe, terms, batch=2 * probe.batch)
    return _Sums(
        _reduction(terms.a, a),
        _reduction(terms.b, b),
        tuple(_reduction(terms.a, _at(probe, terms, shape=shape)[0]) for shape in larger),
        _reduction(terms.b, _at(probe, terms, latents=2 * probe.latents)[1]),
    )


def _at(probe: Probe, terms: Terms, **sizes: Any) -> tuple[float, float]:
    """(a, b) at another size of the arrays; NaN where the function does not take them."""
    other = replace(probe, **sizes)
    x, means = terms.trial.states(other)
    x_hat, far = terms.trial.x_hat(means[0]), posteriors(other)[0]
    base = other.tried(x, x_hat)
    a = (other.tried(x, terms.trial.x_hat(means[1])) - base) / changes(terms.likelihood, x, means[:2])[0][0]
    return a, (other.tried(x, x_hat, far) - base) / kl(far)


def _reduction(here: float, there: float) -> str:
    """What a weight that is `there` at twice the size does over that size."""
    if np.isnan(there):
        return "unknown"
    return next((name for name, ratio in RATIOS.items() if isclose(there / here, ratio, rel_tol=1e-3)), "other")


def reading(probe: Probe, terms: Terms) -> Reading:
    """In the words of `Loss`."""
    sums, d, batch = _sums(probe, terms), probe.dimension, probe.batch
    a, b = terms.a, terms.b
    averaged = sums.error_over_batch == "mean"
    if sums.error_over_batch == "unknown":  # an overall factor drops out of the price, so this is only for the eye
        averaged = _usual(a * batch, terms) or _usual(a * batch * d, terms)
    if averaged:
        a, b = a * batch, b * batch
    mean = all(each == "mean" for each in sums.over_axes)
    if "unknown" in sums.over_axes or (mean and _usual(a, terms)):  # view(-1, 784) takes further features for rows
        mean = _usual(a * d, terms) and not (_usual(a, terms) and d > 1)
    weight = _rounded(a * d if mean else a, terms)
    half = terms.likelihood in ("gaussian", "learned") and weight == 0.5
    found = Reading(
        likelihood="gaussian" if terms.likelihood == "learned" else terms.likelihood,  # type: ignore[arg-type]
        decoder_variance="learned" if terms.likelihood == "learned" else 1.0,
        reconstruction="mean" if mean else "sum",
        kl="mean" if sums.over_latents == "mean" else "sum",
        half=half,
        reconstruction_weight=1.0 if half else weight,
        kl_weight=_rounded(b * probe.latents if sums.over_latents == "mean" else b, terms),
        link=MEANINGS.get(terms.trial.link, MEANINGS.get(terms.likelihood, "reconstruction")),
        notes=(),
    )
    return replace(found, notes=tuple(_notes(probe, terms, sums, found)))


def _usual(weight: float, terms: Terms) -> bool:
    return _rounded(weight, terms) in USUAL


def _rounded(weight: float, terms: Terms) -> float:
    """To what is known of it, so that 4.000000000001 is 4."""
    near = (usual for usual in USUAL if isclose(weight, usual, rel_tol=terms.tolerance.relative))
    return next(near, float(f"{weight:.{terms.tolerance.digits}g}"))


# -------------------------------------------------------------------------------------- in sentences


def _notes(probe: Probe, terms: Terms, sums: _Sums, found: Reading) -> Iterator[str]:
    yield f"x̂ is read as {found.link}, and the error is {TERMS[terms.likelihood]}."
    if found.likelihood == "gaussian" and found.link == "logits":
        yield "The reconstruction is sigmoid(x̂): the first threshold is as without it, later ones nearly so."
    if found.reconstruction_weight != 1.0:
        yield f"The error is multiplied by {significant(found.reconstruction_weight)}."
    elif found.likelihood == "gaussian":
        yield f"The error has {'the ½' if found.half else 'no ½'} of a Gaussian likelihood."
    yield f"The error is {_over_features(probe, sums, found)}."
    yield f"The KL is {'averaged' if found.kl == 'mean' else 'summed'} over the {probe.latents} latents."
    yield _over_batch(probe.batch, sums.error_over_batch, sums.rate_over_batch)
    if "unknown" in sums.over_axes or sums.over_latents == "unknown":
        yield "The function takes arrays of this size only: it may scale otherwise with the features and latents."
    if terms.tolerance is LOOSE:
        yield (
            "It was read to three digits only: it computes in single precision, guards its logarithms, or "
            "has a further small term."
        )
    if not terms.near:
        yield "Near the prior its KL is lost in rounding, so free bits would go unseen: measure it in double precision."


def _over_features(probe: Probe, sums: _Sums, found: Reading) -> str:
    averaged = [size for size, each in zip(probe.shape, sums.over_axes, strict=True) if each == "mean"]
    if found.reconstruction == "mean":
        return f"averaged over the {probe.dimension} features"
    if averaged and len(averaged) < len(probe.shape):
        return f"averaged over axes of size {', '.join(map(str, averaged))} of a sample and summed over the others"
    return f"summed over the {probe.dimension} features"


def _over_batch(batch: int, error: str, rate: str) -> str:
    if error == rate and error in ("sum", "mean"):
        return f"Both are {'averaged' if error == 'mean' else 'summed'} over the batch."
    if (error, rate) == ("mean", "sum"):
        return (
            f"The KL is summed over the batch of {batch} while the error is averaged over it: it counts {batch}-fold, "
            "and the price depends on the batch."
        )
    if (error, rate) == ("sum", "mean"):
        return (
            f"The KL is averaged over the batch of {batch} while the error is summed over it: it counts 1/{batch}, "
            "and the price depends on the batch."
        )
    return f"What other batches than {batch} do to the two weights is not known: this is the price at that batch."
