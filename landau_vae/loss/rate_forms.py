"""What a loss charges for the posterior: the KL from a normal prior, a penalty on means, or a constraint on the rate.

    charge(after) − charge(prior) = b · (change of a known form)

for one b and every move. Known are KL(N(μ, σ²) ‖ N(m, v)), ½ μ² (σ frozen), and max(R, C), |R − C|,
(R − C)² with R the KL of the mean row, of each row, or of each latent. Parameters are read off
from a few values first: C from the charge at far larger rates, m and v from slopes at the prior.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from landau_vae.checks import numbers
from landau_vae.data.convert import plain
from landau_vae.display import Array, significant
from landau_vae.loss.constraint import Constraint
from landau_vae.loss.error_forms import neat
from landau_vae.loss.precision import Fit, Readings, fitted, tolerances
from landau_vae.loss.probes import FAR_ONES, SQUARED, Posterior, Probe, both, moves, nats, posteriors

MUCH, LITTLE = 1e5, 1e-4  # nats of a row: far beyond what a constraint leaves free, and within it
LEAST = 1e-6  # nats of a constraint
MANY_LATENTS = 64  # that are moved one by one
NARROWEST = 1e-6  # variance of a prior: a charge without −ln σ² is read as one of variance 0
LARGE = 8.0  # ln σ², within the usual clamps
BOUND = 20.0  # |ln σ²| beyond which it may be clamped: σ from 5e-5 to 2e4
ALIKE = 0.02


@dataclass(frozen=True)
class Form:
    """A charge for a whole batch of posteriors, up to its weight."""

    charge: Callable[[Posterior], float]
    constraint: Constraint | None = None
    prior: tuple[Array, Array] | None = None  #: its means and variances, unless standard
    frozen: float | None = None  #: σ², where the charge leaves it out because it is not trained


@dataclass(frozen=True)
class Rate:
    """The charge that was found."""

    form: Form
    fit: Fit  #: b, where the charge is summed over the batch and the latents
    near: bool  #: whether the KL near the prior is above the rounding of the whole loss
    least: float | None = None  #: ln σ² below which it is clamped
    most: float | None = None  #: ln σ² above which it is clamped


def identified(probe: Probe, x: Array, x_hat: Array) -> Rate | None:
    """Return the first form that explains how the loss answers to the posterior, or None where none does."""
    base = probe(x, x_hat)

    def gain(place: Posterior) -> float:
        return probe(x, x_hat, place) - base

    usual = posteriors(probe)
    readings = probe.read(x, [(x_hat, place) for place in (probe.prior, *usual)])
    if np.isnan(readings.values[FAR_ONES + 1 :]).any():  # far ones may overflow
        return None
    for forms, more in _forms(probe, gain):
        every = readings
        if more:
            every = Readings(*map(np.append, readings, probe.read(x, [(x_hat, place) for place in more])))
        known = np.isfinite(every.values)
        places = [place for place, finite in zip((*usual, *more), known[1:], strict=True) if finite]
        found = _fitted(probe, forms, places, Readings(every.values[known], every.errors[known]), gain)
        if found is not None:
            return found
    return None


def _fitted(
    probe: Probe, forms: list[Form], places: list[Posterior], readings: Readings, gain: Callable[[Posterior], float]
) -> Rate | None:
    near, far = both(probe), posteriors(probe)[0]
    place = far if np.isfinite(gain(far)) else near

    def scaled(scale: float) -> float:
        return gain((scale * place[0], scale * place[1]))

    for tolerance in tolerances(scaled, probe.bits):
        for form in forms:
            charges, rest = np.array([form.charge(place) for place in places]), form.charge(probe.prior)
            fit = fitted(readings, charges - rest, charges + rest, tolerance)
            if fit is None:
                continue
            rounding = 40 * tolerance.grain * abs(readings.values[0])
            rate = Rate(form, fit, near=fit.weight * nats(near).sum() > rounding)
            if rate.near or _grows_with_spread(rate, probe, gain):
                return rate
    return None


def _grows_with_spread(rate: Rate, probe: Probe, gain: Callable[[Posterior], float]) -> bool:
    """Whether the charge of far larger widths is that of the form, where that of usual ones is lost in rounding."""
    wide = (probe.prior[0], LARGE + probe.prior[0])
    expected = rate.fit.weight * (rate.form.charge(wide) - rate.form.charge(probe.prior))
    return abs(gain(wide) - expected) <= 2 * ALIKE * expected


def _forms(probe: Probe, gain: Callable[[Posterior], float]) -> Iterator[tuple[list[Form], list[Posterior]]]:
    """Yield forms, with further posteriors that tell them apart."""
    zero, one = probe.prior[0], np.ones_like(probe.prior[0])
    yield [Form(lambda place: float(nats(place).sum()))], []
    forms = list(_constraints(probe, gain))
    if forms:
        limit = forms[0].constraint.value  # type: ignore[union-attr]
        sizes, each = np.sqrt(2 * limit * np.array([0.3, 0.9, 3.0]) / probe.latents), moves(zero.shape, 5)
        yield (
            forms,
            [
                (size * move, zero)
                for size in sizes
                for move in (one, *each[-3:], one * (np.arange(probe.latents) == 0).reshape(probe.latent_shape))
            ],
        )
    frozen = frozen_variance(probe)
    if frozen is not None and gain((zero, one)) == gain((zero, -one)) == 0:
        yield [Form(lambda place: float(np.sum(place[0] ** 2) / 2), frozen=frozen)], []
    for prior in other_priors(probe, gain):
        yield [Form(_from_prior(*prior), prior=prior)], []


def frozen_variance(probe: Probe) -> float | None:
    """Return σ² where no spread is given (1), or where that of the example is the same throughout; else None."""
    if "spread" not in probe.call.roles:
        return 1.0
    example = probe.call.example("spread")
    values = None if example is None else np.unique(numbers(plain(example), "like"))
    return float(SQUARED[probe.parametrisation](values[0])) if values is not None and values.size == 1 else None


def _from_prior(mean: Array, variance: Array) -> Callable[[Posterior], float]:
    return lambda place: float(nats(((place[0] - mean) / np.sqrt(variance), place[1] - np.log(variance))).sum())


# ----------------------------------------------------------------------------------------- constraints


def _charged(probe: Probe, gain: Callable[[Posterior], float], rate: float) -> float:
    """Return the charge where each row has so many nats, evenly over its latents, with σ = 1."""
    mean = np.full(probe.prior[0].shape, np.sqrt(2 * rate / probe.latents))
    return gain((mean, probe.prior[1]))


def _constraints(probe: Probe, gain: Callable[[Posterior], float]) -> Iterator[Form]:
    """Yield what the charge at small and at large rates shows; R is that of the mean row, each row, or each latent."""
    little, first, second = (_charged(probe, gain, rate) for rate in (LITTLE, MUCH, 2 * MUCH))
    if not second > max(first, 0.0):
        return
    kind = "hinge" if little >= 0 else "absolute"
    if little < 0 and abs(second - 4 * first) < ALIKE * second:
        kind = "square"
    rough = _limit(probe, gain, kind, MUCH)
    value = _limit(probe, gain, kind, 4 * rough) if rough > LEAST else 0.0  # less is lost beside a smaller rate
    levels = ("mean", "sample", "latent") if kind == "hinge" else ("mean", "sample")
    for per in levels if value > LEAST else ():
        limit = neat(value / probe.latents if per == "latent" else value)
        yield Form(_charge(kind, per, limit), Constraint(kind, limit, per))  # type: ignore[arg-type]


def _limit(probe: Probe, gain: Callable[[Posterior], float], kind: str, rate: float) -> float:
    """Return C of a constraint, from the charges at a rate beyond it and at twice that rate."""
    first, second = (_charged(probe, gain, nats) for nats in (rate, 2 * rate))
    if kind == "square":  # R² − 2CR
        bend = second - 2 * first
        return float(rate * (bend - 2 * first) / (2 * bend)) if bend else 0.0
    offset = 2 * rate - second * rate / (second - first) if second > first else 0.0  # C of a hinge, 2C of an absolute
    return float(offset / 2 if kind == "absolute" else offset)


def _charge(kind: str, per: str, limit: float) -> Callable[[Posterior], float]:
    """Return the charge of a batch."""

    def charge(place: Posterior) -> float:
        each = nats(place).reshape(len(place[0]), -1)
        rate = each.mean(axis=0) if per == "latent" else each.sum(axis=1)
        rate = np.asarray(rate.mean()) if per == "mean" else rate
        shapes = {"hinge": np.maximum(rate, limit), "absolute": np.abs(rate - limit), "square": (rate - limit) ** 2}
        return float(shapes[kind].sum() * (1 if per == "sample" else len(each)))

    return charge


# ---------------------------------------------------------------------------------------- other priors


def other_priors(probe: Probe, gain: Callable[[Posterior], float]) -> Iterator[tuple[Array, Array]]:
    """Yield (m, v) of b KL(N(μ, σ²) ‖ N(m, v)): the same for all latents, then, of few latents, one for each."""
    one = np.ones(probe.latent_shape)
    every = [np.array([_prior(probe, gain, one)])]
    if probe.latents <= MANY_LATENTS:
        units = np.eye(probe.latents).reshape(-1, *probe.latent_shape)
        every.append(np.array([_prior(probe, gain, unit) for unit in units]))
    for found in every:
        mean, variance = found.T.reshape(2, *(probe.latent_shape if len(found) > 1 else (1,)))
        if np.all(np.isfinite(found)) and np.all(variance > NARROWEST):
            yield mean, variance


def _prior(probe: Probe, gain: Callable[[Posterior], float], where: Array) -> tuple[float, float]:
    """Return (m, v) of some latents: b/v from the curvature in μ, b from the slope in ln σ², m from the slope in μ."""
    h = 0.5
    half, zero = h * np.broadcast_to(where, probe.prior[0].shape), probe.prior[0]
    up, down, wider, narrower = map(gain, ((half, zero), (-half, zero), (zero, half), (zero, -half)))
    precision = (up + down) / h**2  # n b/v, n entries
    if not precision > 0:
        return np.nan, np.nan
    mean = (down - up) / (2 * h * precision)
    variance = (precision * np.sinh(h) - (wider - narrower)) / (h * precision)
    return round(float(mean), 6) + 0.0, neat(float(variance))


# ------------------------------------------------------------------------------------------- in words


def with_bounds(probe: Probe, rate: Rate, x: Array, x_hat: Array) -> Rate:
    """Return the rate with the values of ln σ² that the loss clamps it at, where it is a plain KL."""
    form, zero, base = rate.form, probe.prior[0], probe(x, x_hat)
    if not rate.near or form.constraint is not None or form.prior is not None or form.frozen is not None:
        return rate

    def clamp(end: float) -> float | None:
        left = (probe(x, x_hat, (zero, end + zero)) - base) / rate.fit.weight / zero.size
        if not 0 < left < (1 - ALIKE) * float(nats((np.zeros(()), np.asarray(end)))):
            return None
        low, high = 0.0, end
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if np.expm1(middle) - middle < 2 * left else (low, middle)
        return float(f"{low:.3g}")

    return replace(rate, least=clamp(-BOUND), most=clamp(BOUND))


def _ends(values: Array) -> str:
    low, high = significant(float(values.min()), 4), significant(float(values.max()), 4)
    return low if low == high else f"{low} … {high}"


def words(rate: Rate) -> Iterator[str]:
    """Yield what has to be known of a charge that is not the plain KL."""
    form = rate.form
    if form.frozen is not None:
        yield (
            f"The loss has no term in σ: it is read as that of a posterior variance frozen at "
            f"{significant(form.frozen)}. If σ is trained, nothing keeps it from 0, and nothing collapses."
        )
    if form.prior is not None:
        mean, variance = (_ends(each) for each in form.prior)
        yield f"The prior is N({mean}, {variance}), which leaves thresholds as they are: compare posteriors with it."
    if rate.least is not None or rate.most is not None:
        ends = [f"{word} {end:g}" for word, end in (("below", rate.least), ("above", rate.most)) if end is not None]
        yield f"Its KL takes the log-variance as clamped {' and '.join(ends)}: beyond that σ is not trained."
    if form.constraint is not None:
        yield "β is the weight of the constraint: the price in effect follows from it, β and the data."
