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

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import isclose
from typing import Any, Literal

import numpy as np

from landau_vae.display import significant
from landau_vae.errors import InputError
from landau_vae.likelihoods import BERNOULLI, POISSON, Likelihood
from landau_vae.loss import probes, rate_forms
from landau_vae.loss.constraint import Constraint
from landau_vae.loss.precision import COARSE, GUARDED, LOOSE, SURE
from landau_vae.loss.probes import Probe
from landau_vae.loss.sampler import Sampler
from landau_vae.loss.terms import Terms, terms_of

MEANINGS: dict[Any, str] = {
    "logit": "logits", "log": "log-means", "tanh": "what tanh makes the reconstruction of",
    "logits": "logits of classes", "log-shares": "logarithms of shares of classes", "shares": "shares of classes",
    BERNOULLI: "probabilities", POISSON: "means",
}  # fmt: skip
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
    constraint: Constraint | None = None
    sampler: Sampler = field(default_factory=Sampler)
    notes: tuple[str, ...] = ()  #: what was found, in sentences


def measure(candidates: list[Probe], *, beta: float | None = None, batch_known: bool = True) -> Measured:
    """Return the convention of a loss function, from the ways in which it may be called; see `Loss.measure`.

    >>> from landau_vae.loss.calling import calls
    >>> def mine(x, x_hat, mean, std):
    ...     kl = (mean**2 + std**2 - 1) / 2 - np.log(std)
    ...     return ((x - x_hat) ** 2).sum() / 2 + 3 * kl.sum()
    >>> measured = measure([Probe(calls(mine)[0], (10,), (3,), 8, "std")])
    >>> measured.reconstruction, measured.half, measured.kl_weight, measured.link
    ('sum', True, 3.0, 'reconstruction')
    """
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):  # what is tried may be out of its domain
        terms = terms_of(candidates, beta)
        sums = _sums(terms)
        if terms.probe.rows < terms.probe.batch and (terms.rate.form.constraint or not sums.clear):
            terms = terms_of([replace(terms.probe, rows=terms.probe.batch)], beta)
            sums = _sums(terms)
        return _convention(terms, sums, batch_known=batch_known)


# ---------------------------------------------------------------------------------------- the convention


@dataclass(frozen=True)
class _Sums:
    """What twice the batch, each axis of a sample, and of the latents do: "sum", "mean", "other" or "unknown"."""

    error_over_batch: str
    rate_over_batch: str
    over_axes: tuple[str, ...]
    over_latents: tuple[str, ...]

    @property
    def clear(self) -> bool:
        """Whether each term is a sum or a mean over the batch."""
        return {self.error_over_batch, self.rate_over_batch} <= RATIOS.keys()


def _sums(terms: Terms) -> _Sums:
    probe, a, b, form = terms.probe, terms.error.fit.weight, terms.rate.fit.weight, terms.rate.form
    batch = _at(terms, rows=2 * probe.rows)
    shapes = () if terms.error.trial.rigid else _doubled(probe.shape)
    codes = () if form.prior is not None and form.prior[0].size > 1 else _doubled(probe.latent_shape)
    return _Sums(
        _reduction(a, batch[0], terms),
        _reduction(b, batch[1], terms),
        tuple(_reduction(a, _at(terms, shape=shape)[0], terms) for shape in shapes),
        tuple(_reduction(b, _at(terms, latent_shape=shape)[1], terms) for shape in codes),
    )


def _doubled(shape: tuple[int, ...]) -> Sequence[tuple[int, ...]]:
    return [(*shape[:i], 2 * size, *shape[i + 1 :]) for i, size in enumerate(shape)]


def _at(terms: Terms, **sizes: Any) -> tuple[float, float]:
    """Return (a, b) at another size of the arrays; NaN where the function does not take them."""
    other, trial, form = replace(terms.probe, **sizes), terms.error.trial, terms.rate.form
    x, means = trial.states(other)
    x_hat = trial.x_hat(means[0])
    base = other(x, x_hat)
    a = (other(x, trial.x_hat(means[1])) - base) / trial.changes(terms.error.likelihood, x, means[:2])[0][0]
    mean, log_variance = probes.posteriors(other)[0]
    near, far = ((scale * mean, log_variance) for scale in (0.5, 1.0))
    # Between two far posteriors, a constant of the charge drops out.
    b = (other(x, x_hat, far) - other(x, x_hat, near)) / (form.charge(far) - form.charge(near))
    return a, b


def _reduction(here: float, there: float, terms: Terms) -> str:
    """Return what a weight that is `there` at twice the size does over that size."""
    if np.isnan(there):
        return "unknown"
    near = max(1e-3, 2 * terms.tolerance.relative, 0.2 * (terms.chance > 0))
    return next((name for name, ratio in RATIOS.items() if isclose(there / here, ratio, rel_tol=near)), "other")


def _convention(terms: Terms, sums: _Sums, *, batch_known: bool) -> Measured:
    """Return what is a sum, what a mean and what a ½, as fields of `Loss`."""
    probe, error, form = terms.probe, terms.error, terms.rate.form
    if not batch_known and not (sums.clear and sums.error_over_batch == sums.rate_over_batch):
        raise _needs_batch(sums, probe)
    d, latents, a, b = probe.dimension, probe.latents, error.fit.weight * error.unit, terms.rate.fit.weight
    averaged = sums.error_over_batch == "mean"
    if sums.error_over_batch in ("unknown", "other"):  # an overall factor drops out, so this is only for the eye
        averaged = _usual(a * probe.batch, terms) or _usual(a * probe.batch * d, terms)
    if averaged:
        a, b = a * probe.rows, b * probe.batch
    if sums.rate_over_batch == "mean":
        b *= probe.rows / probe.batch
    mean = set(sums.over_axes) == {"mean"}
    if "unknown" in sums.over_axes or (mean and _usual(a, terms)):  # view(-1, 784) takes further features for rows
        mean = _usual(a * d, terms) and not (_usual(a, terms) and d > 1)
    weight = _rounded(a * d if mean else a, terms)
    half = error.likelihood.squared and weight == 0.5
    over_latents = form.constraint is None and set(sums.over_latents) == {"mean"}
    measured = Measured(
        likelihood=error.likelihood,
        decoder_variance="learned" if error.trial.learned or error.owner else 1.0,
        reconstruction="mean" if mean else "sum",
        kl="mean" if over_latents else "sum",
        half=half,
        reconstruction_weight=1.0 if half else weight,
        kl_weight=_rounded(b * latents if over_latents else b, terms),
        link=MEANINGS.get(error.trial.link, MEANINGS.get(error.likelihood, "reconstruction")),
        constraint=form.constraint,
        sampler=Sampler(variance=form.frozen),
    )
    return replace(measured, notes=tuple(_notes(terms, sums, measured)))


def _needs_batch(sums: _Sums, probe: Probe) -> InputError:
    kinds = {"sum": "summed over the batch", "mean": "averaged over the batch"}
    if sums.clear:
        found = f"The error is {kinds[sums.error_over_batch]} and the KL is {kinds[sums.rate_over_batch]}"
    else:
        found = f"What another batch than one of {probe.batch} rows does to the two terms is not known"
    return InputError(
        f"{found}, so the price depends on the number of rows in a batch: give batch=…, as you train with, or "
        "like=(x, x_hat, mean, log_variance) of one batch.",
        "batch",
    )


def _usual(weight: float, terms: Terms) -> bool:
    return _rounded(weight, terms) in USUAL


def _rounded(weight: float, terms: Terms) -> float:
    """Return a weight to the digits that are known of it, so that 4.000000000001 is 4."""
    near = max(terms.tolerance.relative, SURE * terms.chance, 1e-3 * bool(terms.error.owner))
    digits = terms.tolerance.digits if terms.chance < terms.tolerance.relative and not terms.error.owner else 3
    return next((usual for usual in USUAL if isclose(weight, usual, rel_tol=near)), float(f"{weight:.{digits}g}"))


# -------------------------------------------------------------------------------------- in sentences


def _notes(terms: Terms, sums: _Sums, measured: Measured) -> Iterator[str]:
    probe, likelihood, tolerance = terms.probe, terms.error.likelihood, terms.tolerance
    term = "a squared error" if likelihood.squared else likelihood.term
    if terms.error.owner:
        term = f"that of a Gaussian whose variance is a parameter of the function ({terms.error.owner})"
    elif measured.decoder_variance == "learned":
        term = "d/2 times the logarithm of the mean squared error (σ² learned)"
    yield f"x̂ is read as {measured.link}, and the error is {term}."
    if likelihood.squared and (function := {"logit": "sigmoid", "tanh": "tanh"}.get(terms.error.trial.link)):
        yield f"The reconstruction is {function}(x̂): the first threshold is as without it, later ones nearly so."
    if measured.reconstruction_weight != 1.0:
        yield f"The error is multiplied by {significant(measured.reconstruction_weight)}."
    elif likelihood.squared:
        yield f"The error has {'the ½' if measured.half else 'no ½'} of a Gaussian likelihood."
    if not terms.error.trial.rigid:
        yield f"The error is {_over_features(probe, sums, measured)}."
    yield f"The KL is {VERBS[measured.kl]} over the {probe.latents} latents."
    yield _over_batch(probe.batch, sums.error_over_batch, sums.rate_over_batch)
    if "unknown" in (*sums.over_axes, *sums.over_latents):
        yield "The function takes arrays of this size only: it may scale otherwise with the features and latents."
    yield from rate_forms.words(terms.rate)
    if not probe.call.named:
        yield f"Its arguments are taken in the order ({', '.join(probe.call.roles)})."
    if probe.draws > 1:
        yield (
            f"Two calls with the same arrays differ: it draws random numbers. {probe.draws} calls were averaged, and "
            f"the price is known to {100 * terms.chance:.2g} % (one standard error)."
        )
    if tolerance is COARSE:
        yield "It was measured to one or two digits only: it is computed in half precision."
    elif tolerance in (LOOSE, GUARDED):
        yield "It was measured to three digits only: it is in single precision, or guards its logarithms."
    if not terms.rate.near:
        yield (
            "Near the prior its KL is lost in rounding, so free bits and a part in ln σ would go unseen: measure it in "
            "double precision."
        )


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
