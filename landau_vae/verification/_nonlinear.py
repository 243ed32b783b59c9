"""What networks of a scan show, against the nonlinear theory: the first collapse, and the onsets of later latents.

    gain(T) = ½ (1 − D̃) V − τ Σ_k R_k        by how much a model is better than the collapsed state

The gain is zero at the Maxwell price; its slope there is −R (envelope theorem). A sweep
up from cold models ends at the spinodal, one down from warm ones begins at λ₁. Each is
compared with `networks.first_collapse` of the rows, a state of one latent that exists:
a network that collapses before it is itself the limit, several latents may live beyond.
Later latents are compared with what a model with one latent less foresees
(`networks.kernel_onset`), where that state becomes unstable: they may live above it. Of
Gaussian rows no network shifts an onset: there they are λ_k. Whether temperatures mean
what they say is seen first, by the price in effect (`networks.identities`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import chi2, norm

from landau_vae import limits
from landau_vae.display import Array, Column, Integers, Table, with_error
from landau_vae.networks import FirstCollapse, prices_in_effect
from landau_vae.networks.identities import OWN
from landau_vae.networks.kernel_onset import RESOLVED
from landau_vae.training.record import trainer_settings
from landau_vae.training.trained import TrainedModel, trained_model
from landau_vae.verification._branches import mean_and_error
from landau_vae.verification._onsets import onsets
from landau_vae.verification._staircase import onset_after, some_rows

LEADING = 10  # principal components that are tested for normality
ROWS = 2000  # of the free decoder, at most
PRICED = 2**12  # rows that a price in effect is read off, at most
MEASURED = 2**17  # rows that losses are measured on, at most
PAIRS = 2  # of draws ± of z for each of them
PRICE = "price of a nat, over that of the temperature"
BEST, JUMP = "price up to which the living state is the best", "M² about there"
AGREES, NETWORK, DISAGREES = "agrees", "limited by the network", "disagrees"
EARLIER, TOGETHER, UNSEEN, UNKNOWN, UNRESOLVED = "earlier", "more latents", "not seen", "not computed", "not resolved"
MEANINGS = {
    NETWORK: "a better state than theirs exists: train longer, start from colder models, or take wider layers",
    DISAGREES: "the difference is larger than errors allow",
    EARLIER: "a latent lives above the price at which the state without it is unstable: a transition with a jump",
    TOGETHER: "the prediction is of one latent, and several together may be better",
    UNRESOLVED: "errors are too large: give more rows, train more seeds, or at more temperatures",
    UNSEEN: "the temperatures do not reach it",
    UNKNOWN: "there is no prediction: too many latents, too few "
    "rows, or a price at which the free decoder has no state",
}


@dataclass(frozen=True)
class Claim:
    """A prediction for networks, what a scan shows of it, and how the two compare; NaN where nothing is known."""

    what: str  #: in words
    predicted: float
    predicted_error: float  #: standard error, of sampling and of the degree of the decoder
    measured: float
    measured_error: float  #: standard error over seeds, and half the distance of temperatures
    verdict: str  #: agrees, disagrees, or another one of `MEANINGS`


def claims_table(claims: tuple[Claim, ...]) -> Table:
    """Return the predictions beside what models show."""
    shown = [[(each.predicted, each.predicted_error), (each.measured, each.measured_error)] for each in claims]
    columns = [Column("of networks", [each.what for each in claims], text=True, key="what")]
    for i, name in enumerate(("predicted", "measured")):
        columns.append(Column(name, [pair[i] for pair in shown], lambda pair: with_error(*pair)))
    columns.append(Column("verdict", [each.verdict for each in claims], text=True))
    return Table(columns, note="Prices in units of λ₁, those of later latents as T = τ/V.")


def compared(what: str, predicted: tuple[float, float], measured: tuple[float, float], spacing: float = 0.0) -> Claim:
    """Return a claim: it agrees within a tenth, some standard errors of both, and the spacing of temperatures.

    Where standard errors are larger than that tenth nothing is said.

    >>> compared("Maxwell price", (1.2, 0.01), (1.1, 0.01)).verdict, compared("", (1.2, 0.0), (0.9, 0.01)).verdict
    ('agrees', 'limited by the network')
    """
    apart, spacing = measured[0] - predicted[0], float(np.nan_to_num(spacing))
    error = np.hypot(*np.nan_to_num([predicted[1], measured[1]]))
    tenth = limits.OF_NETWORKS * abs(predicted[0])
    beyond = abs(apart) - tenth - limits.SURELY * error - spacing
    verdicts = {
        UNSEEN: np.isnan(measured[0]),
        UNKNOWN: np.isnan(predicted[0]),
        UNRESOLVED: error > tenth and beyond <= 0,
        AGREES: beyond <= 0,
        NETWORK: apart < 0,
    }
    verdict = next((word for word, holds in verdicts.items() if holds), DISAGREES)
    shown = np.hypot(measured[1], spacing) if np.isfinite(measured[0]) else np.nan
    return Claim(what, *predicted, measured[0], float(shown), verdict)


def is_gaussian(rows: Array) -> bool:
    """Return whether leading principal components pass Mardia's tests.

    They are of skewness and of kurtosis,
    each at 1 in 1 000.
    """
    left, singular, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    left = left[:, singular > RESOLVED * singular[0]][:, :LEADING]  # the others are rounding
    n, d = left.shape
    y = left * np.sqrt(n)
    third = np.einsum("ij,ik,il->jkl", y, y, y, optimize=True) / n
    skewness = chi2.sf(n * np.sum(third**2) / 6, d * (d + 1) * (d + 2) / 6)
    kurtosis = 2 * norm.sf(abs(np.mean(np.sum(y**2, axis=1) ** 2) - d * (d + 2)) / np.sqrt(8 * d * (d + 2) / n))
    return bool(min(skewness, kurtosis) > limits.NOT_NORMAL)


@dataclass(frozen=True, eq=False)
class Living:
    """Models of a scan about the first collapse, by rising price; prices in units of λ₁."""

    price: Array  #: τ/λ₁, (temperatures,)
    gain: Array  #: over the collapsed state, in λ₁, (seeds, temperatures)
    rate: Array  #: nats, (seeds, temperatures)
    fraction: Array  #: M² of the leading latent, (seeds, temperatures)
    least: float  #: M² from which a model is a living one

    @property
    def last(self) -> Array:
        """Warmest place at which each seed's model is a living one, (seeds,); −1 if none is."""
        lives = self.fraction > self.least
        return np.where(lives.any(axis=1), lives.shape[1] - 1 - np.argmax(lives[:, ::-1], axis=1), -1)

    @property
    def survives(self) -> tuple[float, float, float]:
        """Price at which models cease to live, its error, and half a step.

        The price is between the last living model and the
        next one; NaN outside the prices of the scan.
        """
        edges = np.append(self.price, np.nan)
        ends = np.stack([edges[self.last], edges[self.last + 1]])
        ends = np.where(self.last >= 0, ends, np.nan)
        mean, error, _ = mean_and_error(np.sqrt(ends.prod(axis=0)))
        return float(mean), float(np.nan_to_num(error)), float(np.fmax.reduce(ends[1] - ends[0]) / 2)

    @property
    def nearest(self) -> Integers:
        """Place of the living model whose gain is nearest to zero.

        One of each seed, (seeds,); −1 if none lives.
        """
        lives = (self.fraction > self.least) & (self.rate > 0)
        place = np.argmin(np.where(lives, np.abs(self.gain), np.inf), axis=1)
        return np.where(lives.any(axis=1), place, -1)

    def there(self, values: Array) -> Array:
        """Return the values of the nearest models, (seeds,).

        Values are of (seeds, temperatures) or (temperatures,).
        """
        found = np.broadcast_to(values, self.gain.shape)[np.arange(len(self.gain)), self.nearest]
        return np.where(self.nearest >= 0, found, np.nan)

    @property
    def maxwell(self) -> tuple[float, float, float]:
        """Price at which the gain is zero, and its error over seeds.

        The third number is how far it is from a living model, at most.
        """
        at = self.there(self.price)
        root = at + self.there(self.gain) / self.there(self.rate)  # the slope of the gain is −R
        mean, error, _ = mean_and_error(root)
        return float(mean), float(error), float(np.fmax.reduce(np.abs(root - at)))


def living(scan: Any, first: float, least: float, x: Array | None = None) -> Living:
    """Return what a scan shows about the first collapse.

    `first` is λ₁/V.
    `x` are the rows in units of the networks.
    """
    data = scan.sortby("temperature").transpose("seed", "temperature", "latent", ...)
    price, rate = data.temperature.values / first, data.rate.values.sum(axis=-1)
    distortion = data.distortion.values if x is None or "network" not in scan else _distortion(data, x)
    gain = 0.5 * (1 - distortion) / first - price * rate
    return Living(price, gain, rate, data.signal_fraction.values.max(axis=-1), least)


def _distortion(scan: Any, x: Array) -> Array:
    """Return D̃ of each model, by pairs of draws ±ε of each row.

    Recorded ones have one draw of a row: of a state near its end
    that noise, which all models share, is as large as the gain.
    In a pair what is linear in ε cancels.
    (seeds, temperatures).
    """
    x = x[some_rows(len(x), MEASURED)]
    total, found = np.square(x).sum(axis=1).mean(), np.full((scan.sizes["seed"], scan.sizes["temperature"]), np.nan)
    for i, j in np.ndindex(found.shape):
        model = trained_model(scan, float(scan.temperature[j]), int(scan.seed[i]))
        mean, deviation = posterior(model, x)
        rng = np.random.default_rng((0, OWN))
        errors = []
        for _ in range(PAIRS):
            noise = deviation * rng.standard_normal(mean.shape)
            errors += [np.square(x - model.output(mean + each)).sum(axis=1).mean() for each in (noise, -noise)]
        found[i, j] = np.mean(errors) / total
    return found


def price_claim(scan: Any, x: Array) -> Iterator[Claim]:
    """Yield the claim that a nat has the price of the temperature.

    Of each seed the coldest model
    with an active latent is taken.
    """
    if "network" not in scan:
        return
    x, found = x[some_rows(len(x), PRICED)], []
    for seed in scan.seed.values.tolist():
        for T in np.sort(scan.temperature.values).tolist():
            model = trained_model(scan, T, seed)
            mean, deviation = posterior(model, x)
            telling = np.flatnonzero(1 - np.square(deviation).mean(axis=0) > limits.TELLS_A_PRICE)
            if telling.size and np.isfinite(mean).all():
                term = partial(_squares, model, x)
                prices = prices_in_effect(mean, deviation, term, telling)
                found.append((prices.width.mean(), prices.width_error.mean()))
                found[-1] = tuple(each / (T * float(scan.attrs["total_variance"])) for each in found[-1])
                break
    if found:
        price, error = np.mean(found, axis=0).tolist()
        claim = compared(PRICE, (1.0, np.nan), (price, error))
        yield replace(claim, verdict=DISAGREES) if claim.verdict == NETWORK else claim


def _squares(model: TrainedModel, x: Array, z: Array) -> Array:
    return np.asarray(0.5 * np.square(x - model.output(z)).sum(axis=1))


def first_claims(
    scan: Any, down: Any, collapse: FirstCollapse, sampled: float, first: float, x: Array
) -> Iterator[Claim]:
    """Yield the claims about the first collapse.

    Those of a survival need a sweep up. Sampling errors count
    by a factor: 0 where the free decoder has all the rows.
    What is above the prediction is no disagreement of more
    latents than one, nor where the prediction is a bound.
    """
    words = {TOGETHER: scan.sizes["latent"] > 1, UNRESOLVED: collapse.ended or not np.isfinite(collapse.change)}
    excused = next((word for word, holds in words.items() if holds), DISAGREES)
    for claim in _first_claims(scan, down, collapse, sampled, first, x):
        yield replace(claim, verdict=excused) if claim.verdict == DISAGREES else claim


def _first_claims(
    scan: Any, down: Any, collapse: FirstCollapse, sampled: float, first: float, x: Array
) -> Iterator[Claim]:
    least = float(np.clip(collapse.jump[0] / 2, limits.LIVING, limits.ACTIVE))
    best, survives = collapse.maxwell, collapse.spinodal
    models = living(scan, first, least, x)
    error = float(np.hypot(best.error * sampled, np.nan_to_num(collapse.change, posinf=0.0)))
    late = survives.error * sampled
    price, price_error, apart = models.maxwell
    # A gain falls ever less steeply as the price rises,
    # so that the root of a tangent is not above its own.
    price_error = float(np.hypot(np.nan_to_num(price_error), apart * (price < best.price) / limits.SURELY))
    yield compared(BEST, (best.price, error), (price, price_error))
    if best.price - 1 > limits.SURELY * error:  # first-order: a jump
        yield from _orders(models, collapse, error)
    start, (ends, ends_error, spacing) = scan.attrs.get("start"), models.survives
    if start == "up":
        yield compared("price to which it survives", (survives.price, late), (ends, ends_error), spacing)
    swept = down if down is not None else scan if start == "down" else None
    if swept is not None:
        begins, begins_error, apart = living(swept, first, least).survives
        yield compared("price from which the collapsed state is lost", (1.0, np.nan), (begins, begins_error), apart)
        if start == "up":
            width = ends - begins, float(np.hypot(ends_error, begins_error))
            yield compared("width of the hysteresis", (survives.price - 1, late), width, spacing + apart)


def _orders(models: Living, collapse: FirstCollapse, error: float) -> Iterator[Claim]:
    """Yield the claims about M² and rate where the gain is nearest to zero, against the living state at that price.

    That state is known to a standard error of its price.
    A network whose loss is higher is the limit, whatever
    its M².
    """
    states, at = collapse.stable, models.there(models.price)

    def branch(values: Array, price: Array) -> Array:
        return np.interp(price, states.price, values, left=np.nan, right=np.nan)

    worse = bool(mean_and_error(models.there(models.gain) - branch(collapse.gain, at))[0] < 0)
    for what, values, shown in (
        (JUMP, states.signal_fraction, models.fraction),
        ("rate about there", states.rate, models.rate),
    ):
        known, low, high = (float(mean_and_error(branch(values, at + e))[0]) for e in (0.0, -error, error))
        known_error = max(abs(known - low), np.nan_to_num(abs(known - high))) if np.isfinite(low) else known
        mean, by_seed, _ = mean_and_error(models.there(shown))
        claim = compared(what, (known, known_error), (float(mean), float(by_seed)))
        yield replace(claim, verdict=NETWORK) if claim.verdict == DISAGREES and worse else claim


def later_claims(scan: Any, x: Array, gaussian: Array | None) -> Iterator[Claim]:
    """Yield the claims about where latents begin.

    Of Gaussian rows that is λ_k/V, else from the second on as foreseen.
    """
    found = onsets(scan)
    for k in np.flatnonzero(np.isfinite(found.begins)):
        high = found.bracket[k, 1]
        error = float(found.begins[k] * np.nan_to_num(found.begins_error[k]))
        measured = (float(found.begins[k]) if np.isfinite(high) else np.nan, error)
        if gaussian is not None and k < len(gaussian):
            yield compared(f"onset of latent {k + 1}", (float(gaussian[k]), np.nan), measured)
        elif gaussian is None and k > 0 and "network" in scan:
            claim = compared(f"onset of latent {k + 1}", _foreseen(scan, x, int(k)), measured)
            yield replace(claim, verdict=EARLIER) if claim.verdict == DISAGREES else claim


def _foreseen(scan: Any, x: Array, k: int) -> tuple[float, float]:
    """Return the T below which a latent beside k active ones pays.

    It is read off the coldest models with k;
    a mean over seeds.
    """
    values = []
    for seed in scan.seed.values.tolist():
        own = scan.sel(seed=seed).sortby("temperature")
        active = (own.signal_fraction > limits.ACTIVE).sum("latent").values
        if not (active == k).any():
            continue
        model = trained_model(scan, float(own.temperature.values[np.argmax(active == k)]), seed)
        mean, deviation = posterior(model, x)
        square, spread = np.square(mean).mean(axis=0), np.square(deviation).mean(axis=0)
        which = np.flatnonzero(square > limits.ACTIVE * (square + spread))
        values.append(onset_after(mean, deviation, None, x, model.likelihood, which))
    known = np.array(values, dtype=float).reshape(-1, 2) / float(scan.attrs["total_variance"])
    known = known[np.isfinite(known[:, 0])]
    return (float(known[:, 0].mean()), float(known[:, 1].mean())) if len(known) else (np.nan, np.nan)


def claims_words(claims: tuple[Claim, ...], collapse: FirstCollapse | None) -> Iterator[str]:
    """Yield what the claims come to, in sentences."""
    if collapse is not None:
        best = next(claim for claim in claims if claim.what == BEST)
        jumps, sure = any(claim.what == JUMP for claim in claims), best.verdict != UNRESOLVED
        order = (
            "first-order" if jumps else "continuous within its error" if sure else "of an order that is not resolved"
        )
        by = f"the living state is the best up to {with_error(best.predicted, best.predicted_error)} λ₁"
        yield f"The first collapse of a nonlinear VAE of these rows is {order}: {by}."
    else:
        yield "These rows pass tests of normality: of Gaussian rows no network shifts an onset, so that each is λ/V."
    for verdict, meaning in MEANINGS.items():
        if which := [each.what for each in claims if each.verdict == verdict]:
            yield f"{'; '.join(which).capitalize()}: {verdict} ({meaning})."


def posterior(model: TrainedModel, x: Array) -> tuple[Array, Array]:
    """Return μ and σ of rows in the units of a network."""
    mean, log_variance = model.network.encode(model.weights, x)
    return mean, np.exp(log_variance / 2)


def neural(scan: Any) -> bool:
    """Return whether a scan has networks of this package, with squared errors and a fixed variance."""
    settings = trainer_settings(scan)
    return settings.get("name") == "Neural" and not settings.get("learned_variance")
