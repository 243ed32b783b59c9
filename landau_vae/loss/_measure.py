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

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import hypot, isclose
from typing import Any, Literal

import numpy as np

from landau_vae.display import Array, significant
from landau_vae.errors import InputError
from landau_vae.likelihoods import BERNOULLI, POISSON, Likelihood
from landau_vae.loss import error_forms, probes, rate_forms
from landau_vae.loss.calling import Call
from landau_vae.loss.constraint import Constraint
from landau_vae.loss.error_forms import Error
from landau_vae.loss.probes import COARSE, LOOSE, Probe
from landau_vae.loss.rate_forms import Rate
from landau_vae.loss.refusals import refused, why_no_error, why_no_rate
from landau_vae.loss.results import total
from landau_vae.loss.sampler import Sampler

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
    constraint: Constraint | None = None
    sampler: Sampler = field(default_factory=Sampler)
    notes: tuple[str, ...] = ()  #: what was found, in sentences


@dataclass(frozen=True)
class Terms:
    """A loss that is a ℓ + b KL, with the sums over the whole batch."""

    probe: Probe
    error: Error
    rate: Rate

    @property
    def tolerance(self) -> probes.Tolerance:
        """The wider of the two."""
        return max(self.error.fit.tolerance, self.rate.fit.tolerance)

    @property
    def chance(self) -> float:
        """Relative standard error of a price, where the function draws random numbers."""
        return hypot(self.error.fit.chance, self.rate.fit.chance)


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
    refusals = []
    for probe in candidates:
        terms = _terms(probe, beta)
        if isinstance(terms, Terms):
            return _convention(terms, batch_known=batch_known)
        refusals.append(terms)
    for other, sentence in _misread(candidates[0]):
        explained = _terms(other, beta)
        swapped = other.call.roles.index("x") != candidates[0].call.roles.index("x")
        if isinstance(explained, Terms) and not (swapped and _symmetric(explained)):
            raise InputError(f"Your function {sentence}.", "function")
    raise refusals[0]()


def _symmetric(terms: Terms) -> bool:
    """Whether x and x̂ can be exchanged."""
    return terms.error.likelihood.squared and terms.error.trial.link == "identity"


# --------------------------------------------------------------------------------------- the two terms


def _terms(probe: Probe, beta: float | None) -> Terms | Callable[[], InputError]:
    """Return the two terms, or what gives the error that says why the loss is not made of them."""
    probe = _prepared(probe, beta)
    error = error_forms.identified(probe)
    if error is None:
        return lambda: _random(probe) or why_no_error(probe)
    x, means = error.trial.states(probe)
    x_hat, moved = error.trial.x_hat(means[0]), error.trial.x_hat(means[1])
    rate = rate_forms.identified(probe, x, x_hat)
    if rate is None:
        return lambda: _random(probe) or why_no_rate(probe, x, x_hat)
    if not _add_up(probe, rate, x, [x_hat, moved]):
        return lambda: _random(probe) or refused("GECO")
    return Terms(probe, error, rate)


def _random(probe: Probe) -> InputError | None:
    """Return what two calls with the same arrays gave, or None where they agree."""
    if probe.draws == 1:
        return None
    trial, single = error_forms.TRIALS[0], replace(probe, draws=1)
    x, means = trial.states(probe)
    first, second = (single(x, means[1], probes.posteriors(probe)[-19]) for _ in range(2))
    return refused("random", first=significant(first), second=significant(second))


def _prepared(probe: Probe, beta: float | None) -> Probe:
    """Return the probe with the numbers that make the loss, and with the calls that have to be averaged."""
    place = probes.posteriors(probe)[-19]
    for trial in error_forms.TRIALS:
        x, means = trial.states(probe)
        x_hat, moved = trial.x_hat(means[0]), trial.x_hat(means[1])
        places = ((moved, place), (moved, place), (x_hat, None), (moved, None), (x_hat, place))
        found = [probe.components(x, *each) for each in places]
        if not any(isinstance(each, InputError) or not np.isfinite(list(each.values())).any() for each in found):
            draws = 1 if found[0] == found[1] else probes.MANY
            return replace(probe, total=total(*found[2:], beta), draws=draws)
    return probe


def _add_up(probe: Probe, rate: Rate, x: Array, x_hats: list[Array]) -> bool:
    """Whether a move of x̂ and one of the posterior cost together what they cost apart."""
    for place in probes.posteriors(probe)[0], probes.posteriors(probe)[-19]:
        readings = probe.read(x, [(x_hat, each) for each in (probe.prior, place) for x_hat in x_hats])
        base, moved, wider, both = readings.values
        charge = abs(wider - base)
        near = max(rate.fit.tolerance, LOOSE)
        grain = 4 * near.grain * np.abs(readings.values).max() + readings.errors.sum()
        if np.isfinite(charge) and not abs(both - moved - wider + base) <= near.relative * charge + grain:
            return False
    return True


# ------------------------------------------------------------------------------------- misunderstandings


def _misread(probe: Probe) -> Iterator[tuple[Probe, str]]:
    """Yield other ways in which the function may read its arguments, and what to say if one of them fits."""
    stated, call = probe.parametrisation, probe.call
    for name in (each for each in probes.PARAMETRISATIONS if each != stated):
        yield replace(probe, parametrisation=name), _other_spread(call, stated, name)
    x, x_hat, mean, spread = (call.name(role) for role in ("x", "x_hat", "mean", "spread"))
    swapped = "has them in that order, or exchange them in its formula"
    yield (
        replace(probe, call=call.exchanged("x", "x_hat")),
        f"takes x̂ before x: it uses its argument {x!r} as x̂ and {x_hat!r} as x: call it so that it {swapped}",
    )
    yield (
        replace(probe, call=call.exchanged("mean", "spread")),
        f"takes the {stated} before the mean: it uses its argument {mean!r} as the {stated} and {spread!r} as the mean: "
        f"call it so that it {swapped}",
    )


def _other_spread(call: Call, stated: str, found: str) -> str:
    """Return what to say of a KL whose formula is that of another spread."""
    text = f"takes its argument {call.name('spread')!r} as {found}, not as {stated}: give parametrisation={found!r}"
    if stated == "log_variance":
        text += (
            f" if your encoder gives that. If it gives log-variances, so that z is drawn with σ = exp(½ logvar), the "
            f"formula of the KL is wrong: it has to be {FORMULA}"
        )
    return text


FORMULA = "½ Σ (mean² + exp(logvar) − 1 − logvar)"


# ---------------------------------------------------------------------------------------- the convention


@dataclass(frozen=True)
class _Sums:
    """What twice the batch, each axis of a sample, and of the latents do: "sum", "mean", "other" or "unknown"."""

    error_over_batch: str
    rate_over_batch: str
    over_axes: tuple[str, ...]
    over_latents: tuple[str, ...]


def _sums(terms: Terms) -> _Sums:
    probe, a, b = terms.probe, terms.error.fit.weight, terms.rate.fit.weight
    batch = _at(terms, batch=2 * probe.batch)
    return _Sums(
        _reduction(a, batch[0], terms),
        _reduction(b, batch[1], terms),
        tuple(_reduction(a, _at(terms, shape=shape)[0], terms) for shape in _doubled(probe.shape)),
        tuple(_reduction(b, _at(terms, latent_shape=shape)[1], terms) for shape in _doubled(probe.latent_shape)),
    )


def _doubled(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
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


def _convention(terms: Terms, *, batch_known: bool) -> Measured:
    """Return what is a sum, what a mean and what a ½, as fields of `Loss`."""
    sums, probe, error, form = _sums(terms), terms.probe, terms.error, terms.rate.form
    if not batch_known and {sums.error_over_batch, sums.rate_over_batch} not in ({"sum"}, {"mean"}):
        raise _needs_batch(sums, probe)
    d, batch, latents, a, b = probe.dimension, probe.batch, probe.latents, error.fit.weight, terms.rate.fit.weight
    averaged = sums.error_over_batch == "mean"
    if sums.error_over_batch in ("unknown", "other"):  # an overall factor drops out, so this is only for the eye
        averaged = _usual(a * batch, terms) or _usual(a * batch * d, terms)
    if averaged:
        a, b = a * batch, b * batch
    mean = set(sums.over_axes) == {"mean"}
    if "unknown" in sums.over_axes or (mean and _usual(a, terms)):  # view(-1, 784) takes further features for rows
        mean = _usual(a * d, terms) and not (_usual(a, terms) and d > 1)
    weight = _rounded(a * d if mean else a, terms)
    half = error.likelihood.squared and weight == 0.5
    over_latents = form.constraint is None and set(sums.over_latents) == {"mean"}
    measured = Measured(
        likelihood=error.likelihood,
        decoder_variance="learned" if error.trial.learned else 1.0,
        reconstruction="mean" if mean else "sum",
        kl="mean" if over_latents else "sum",
        half=half,
        reconstruction_weight=1.0 if half else weight,
        kl_weight=_rounded(b * latents if over_latents else b, terms),
        link=MEANINGS.get(error.trial.link, MEANINGS.get(error.likelihood, "reconstruction")),
        constraint=form.constraint,
        sampler=Sampler(variance=1.0) if form.frozen else Sampler(),
    )
    return replace(measured, notes=tuple(_notes(terms, sums, measured)))


def _needs_batch(sums: _Sums, probe: Probe) -> InputError:
    kinds = {"sum": "summed over the batch", "mean": "averaged over the batch"}
    if {sums.error_over_batch, sums.rate_over_batch} <= kinds.keys():
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
    near = max(terms.tolerance.relative, probes.SURE * terms.chance)
    digits = terms.tolerance.digits if terms.chance < terms.tolerance.relative else 3
    return next((usual for usual in USUAL if isclose(weight, usual, rel_tol=near)), float(f"{weight:.{digits}g}"))


# -------------------------------------------------------------------------------------- in sentences


def _notes(terms: Terms, sums: _Sums, measured: Measured) -> Iterator[str]:
    probe, likelihood, tolerance = terms.probe, terms.error.likelihood, terms.tolerance
    term = "a squared error" if likelihood.squared else likelihood.term
    if measured.decoder_variance == "learned":
        term = "d/2 times the logarithm of the mean squared error (σ² learned)"
    yield f"x̂ is read as {measured.link}, and the error is {term}."
    if likelihood.squared and measured.link == "logits":
        yield "The reconstruction is sigmoid(x̂): the first threshold is as without it, later ones nearly so."
    if measured.reconstruction_weight != 1.0:
        yield f"The error is multiplied by {significant(measured.reconstruction_weight)}."
    elif likelihood.squared:
        yield f"The error has {'the ½' if measured.half else 'no ½'} of a Gaussian likelihood."
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
    elif tolerance is LOOSE:
        yield "It was measured to three digits only: it is in single precision, or guards its logarithms."
    if not terms.rate.near:
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
