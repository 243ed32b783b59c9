"""Which reconstruction error and which KL a loss function charges, measured by moving its arguments.

    loss = a Σ ℓ(x, x̂) + b Σ KL per sample, plus anything that depends on x alone

x̂ is moved from where it fits x, the posterior from the prior (μ, σ²) = (0, 1); one a and one b
must explain every move (`probes`), also those of several entries together. Each weight is then
measured again with twice the batch, each axis of a sample, and the latents: a sum keeps it, a
mean halves it. Both are normalised by what the error does over the batch, so a KL that is
summed over a batch of B while the error is averaged over it weighs B times, as it does in
training. A function that takes one size only is read at that size; the price at that size is
right in any case. A loss that has another form is refused, and the message says what it is
(`refusals`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isclose
from typing import Any, Literal

import numpy as np

from landau_vae.display import significant
from landau_vae.errors import InputError
from landau_vae.likelihoods import BERNOULLI, POISSON, Likelihood
from landau_vae.loss import probes
from landau_vae.loss.probes import LOOSE, TIGHT, Probe, Tolerance, Trial
from landau_vae.loss.refusals import refused, saturates, why_no_error, why_no_rate

MEANINGS: dict[Any, str] = {"logit": "logits", "log": "log-means", BERNOULLI: "probabilities", POISSON: "means"}
USUAL = (0.5, 1.0)
RATIOS = {"sum": 1.0, "mean": 0.5}  # of a weight at twice the size
VERBS = {"sum": "summed", "mean": "averaged"}


@dataclass(frozen=True)
class Measured:
    """What a loss function was found to compute; the fields are those of `Loss`."""

    likelihood: Likelihood
    decoder_variance: float | Literal["learned"]  #: learned: the error enters as its logarithm
    reconstruction: Literal["sum", "mean"]  #: over features
    kl: Literal["sum", "mean"]  #: over latents
    half: bool  #: whether the squared error carries a ½
    reconstruction_weight: float  #: what else multiplies it
    kl_weight: float  #: the whole factor on the KL, β included
    link: str  #: what x̂ is: a reconstruction, probabilities, logits, means, log-means
    notes: tuple[str, ...] = ()  #: what was found, in sentences


@dataclass(frozen=True)
class Terms:
    """A loss that is a ℓ + b KL, with the sums over the whole batch."""

    trial: Trial
    likelihood: Likelihood
    tolerance: Tolerance
    a: float
    b: float
    near: bool  #: whether the KL near the prior is above the rounding of the whole loss


def measure(probe: Probe) -> Measured:
    """Return the convention of a loss function; see `Loss.measure`.

    >>> def mine(x, x_hat, mean, std):
    ...     kl = (mean**2 + std**2 - 1) / 2 - np.log(std)
    ...     return ((x - x_hat) ** 2).sum() / 2 + 3 * kl.sum()
    >>> measured = measure(Probe(mine, (10,), latents=3, batch=8, parametrisation="std"))
    >>> measured.reconstruction, measured.half, measured.kl_weight, measured.link
    ('sum', True, 3.0, 'reconstruction')
    """
    terms = _terms(probe)
    if isinstance(terms, Terms):
        return _convention(probe, terms)
    _check_repeatable(probe)
    for other, sentence in _misread(probe):
        explained = _terms(other)
        if isinstance(explained, Terms) and not (other.order[:2] == (1, 0) and _symmetric(explained)):
            raise InputError(f"Your function {sentence}.", "function")
    raise terms


def _symmetric(terms: Terms) -> bool:
    """Whether x and x̂ can be exchanged."""
    return terms.likelihood.squared and terms.trial.link == "identity"


# --------------------------------------------------------------------------------------- the two terms


def _terms(probe: Probe) -> Terms | InputError:
    """Return the two terms, or the error that says why the loss is not made of them."""
    error = _error(probe)
    if isinstance(error, InputError):
        return error
    trial, likelihood, first, a = error
    x, means = trial.states(probe)
    x_hat, moved = trial.x_hat(means[0]), trial.x_hat(means[1])
    places = probes.posteriors(probe)
    values = np.array([probe(x, x_hat), *(probe(x, x_hat, place) for place in places)])
    nats = np.array([probes.kl(place) for place in places])
    for tolerance in (first,) if first is LOOSE else (TIGHT, LOOSE):
        b = probes.fitted(values, nats, nats, tolerance)
        if b is not None and b > 0:
            break
    else:
        return why_no_rate(probe, x, x_hat)
    both = probe(x, moved, places[1]) - values[0]  # each alone is known by now
    gain = probe(x, moved) - values[0]
    grain = 4 * tolerance.grain * (abs(values[0]) + abs(both))
    if not abs(both - gain - b * nats[1]) <= tolerance.relative * b * nats[1] + grain:
        return refused("GECO")
    return Terms(trial, likelihood, tolerance, a, b, near=b * nats[1] > 10 * grain)


def _error(probe: Probe) -> tuple[Trial, Likelihood, Tolerance, float] | InputError:
    """Return the first likelihood that explains how the loss answers to x̂, and its weight; or why there is none."""
    for trial in probes.TRIALS:
        x, means = trial.states(probe)
        base = probe(x, trial.x_hat(means[0]))
        if np.isnan(base):
            continue
        values = np.array([base, *(probe(x, trial.x_hat(mean)) for mean in means[1:])])
        for tolerance in (TIGHT, LOOSE):
            for likelihood in trial.likelihoods:
                a = probes.fitted(values, *trial.changes(likelihood, x, means), tolerance)
                if a is not None and a > 0:
                    bound = None
                    if likelihood.squared and trial.link == "identity" and not trial.learned:
                        bound = saturates(probe, x, base, a, tolerance)
                    return bound or (trial, likelihood, tolerance, a)
    return why_no_error(probe)


# ------------------------------------------------------------------------------------- misunderstandings


def _check_repeatable(probe: Probe) -> None:
    """Raise where two calls with the same arrays differ."""
    trial, place = probes.TRIALS[0], probes.posteriors(probe)[1]
    x, means = trial.states(probe)
    for link in probes.LINKS.values():
        first, second = (probe(x, link(means[1]), place) for _ in range(2))
        if np.isfinite(first) and first != second:
            raise refused("random", first=significant(first), second=significant(second))


def _misread(probe: Probe) -> Iterator[tuple[Probe, str]]:
    """Yield other ways in which the function may read its arguments, and what to say if one of them fits."""
    stated, swap = probe.parametrisation, "call it as lambda x, x_hat, mean, spread: yours"
    for name in (each for each in probes.PARAMETRISATIONS if each != stated):
        sentence = f"takes its fourth argument as {name}, not as {stated}: give parametrisation={name!r}"
        yield replace(probe, parametrisation=name), sentence
    yield replace(probe, order=(1, 0, 2, 3)), f"takes x̂ before x: {swap}(x_hat, x, mean, spread)"
    yield replace(probe, order=(0, 1, 3, 2)), f"takes the {stated} before the mean: {swap}(x, x_hat, spread, mean)"


# ---------------------------------------------------------------------------------------- the convention


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
    """Return (a, b) at another size of the arrays; NaN where the function does not take them."""
    other = replace(probe, **sizes)
    x, means = terms.trial.states(other)
    x_hat, far = terms.trial.x_hat(means[0]), probes.posteriors(other)[0]
    base = other(x, x_hat)
    a = (other(x, terms.trial.x_hat(means[1])) - base) / terms.trial.changes(terms.likelihood, x, means[:2])[0][0]
    return a, (other(x, x_hat, far) - base) / probes.kl(far)


def _reduction(here: float, there: float) -> str:
    """Return what a weight that is `there` at twice the size does over that size."""
    if np.isnan(there):
        return "unknown"
    return next((name for name, ratio in RATIOS.items() if isclose(there / here, ratio, rel_tol=1e-3)), "other")


def _convention(probe: Probe, terms: Terms) -> Measured:
    """Return what is a sum, what a mean and what a ½, as fields of `Loss`."""
    sums, d, batch, a, b = _sums(probe, terms), probe.dimension, probe.batch, terms.a, terms.b
    averaged = sums.error_over_batch == "mean"
    if sums.error_over_batch == "unknown":  # an overall factor drops out of the price, so this is only for the eye
        averaged = _usual(a * batch, terms) or _usual(a * batch * d, terms)
    if averaged:
        a, b = a * batch, b * batch
    mean = set(sums.over_axes) == {"mean"}
    if "unknown" in sums.over_axes or (mean and _usual(a, terms)):  # view(-1, 784) takes further features for rows
        mean = _usual(a * d, terms) and not (_usual(a, terms) and d > 1)
    weight = _rounded(a * d if mean else a, terms)
    half = terms.likelihood.squared and weight == 0.5
    measured = Measured(
        likelihood=terms.likelihood,
        decoder_variance="learned" if terms.trial.learned else 1.0,
        reconstruction="mean" if mean else "sum",
        kl="mean" if sums.over_latents == "mean" else "sum",
        half=half,
        reconstruction_weight=1.0 if half else weight,
        kl_weight=_rounded(b * probe.latents if sums.over_latents == "mean" else b, terms),
        link=MEANINGS.get(terms.trial.link, MEANINGS.get(terms.likelihood, "reconstruction")),
    )
    return replace(measured, notes=tuple(_notes(probe, terms, sums, measured)))


def _usual(weight: float, terms: Terms) -> bool:
    return _rounded(weight, terms) in USUAL


def _rounded(weight: float, terms: Terms) -> float:
    """Return a weight to the digits that are known of it, so that 4.000000000001 is 4."""
    near = (usual for usual in USUAL if isclose(weight, usual, rel_tol=terms.tolerance.relative))
    return next(near, float(f"{weight:.{terms.tolerance.digits}g}"))


# -------------------------------------------------------------------------------------- in sentences


def _notes(probe: Probe, terms: Terms, sums: _Sums, measured: Measured) -> Iterator[str]:
    term = "a squared error" if terms.likelihood.squared else terms.likelihood.term
    if terms.trial.learned:
        term = "d/2 times the logarithm of the mean squared error (σ² learned)"
    yield f"x̂ is read as {measured.link}, and the error is {term}."
    if terms.likelihood.squared and measured.link == "logits":
        yield "The reconstruction is sigmoid(x̂): the first threshold is as without it, later ones nearly so."
    if measured.reconstruction_weight != 1.0:
        yield f"The error is multiplied by {significant(measured.reconstruction_weight)}."
    elif terms.likelihood.squared:
        yield f"The error has {'the ½' if measured.half else 'no ½'} of a Gaussian likelihood."
    yield f"The error is {_over_features(probe, sums, measured)}."
    yield f"The KL is {VERBS[measured.kl]} over the {probe.latents} latents."
    yield _over_batch(probe.batch, sums.error_over_batch, sums.rate_over_batch)
    if "unknown" in sums.over_axes or sums.over_latents == "unknown":
        yield "The function takes arrays of this size only: it may scale otherwise with the features and latents."
    if terms.tolerance is LOOSE:
        yield "It was measured to three digits only: it is in single precision, or guards its logarithms."
    if not terms.near:
        yield "Near the prior its KL is lost in rounding, so free bits would go unseen: measure it in double precision."


def _over_features(probe: Probe, sums: _Sums, measured: Measured) -> str:
    averaged = [size for size, each in zip(probe.shape, sums.over_axes, strict=True) if each == "mean"]
    if measured.reconstruction == "mean":
        return f"averaged over the {probe.dimension} features"
    if averaged and len(averaged) < len(probe.shape):
        return f"averaged over axes of size {', '.join(map(str, averaged))} of a sample and summed over the others"
    return f"summed over the {probe.dimension} features"


def _over_batch(batch: int, error: str, rate: str) -> str:
    if {error, rate} <= VERBS.keys():
        if error == rate:
            return f"Both are {VERBS[error]} over the batch."
        return (
            f"The KL is {VERBS[rate]} over the batch of {batch} while the error is {VERBS[error]} over it: it counts "
            f"{f'{batch}-fold' if rate == 'sum' else f'1/{batch}'}, and the price depends on the batch."
        )
    return f"What other batches than {batch} do to the two weights is not known: this is the price at that batch."
