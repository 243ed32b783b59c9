"""What networks of a scan show, against the nonlinear theory: the first collapse, and the onsets of later latents.

    gain(T) = ½ (1 − D̃) V − τ Σ_k R_k        by how much a model is better than the collapsed state

The gain is zero at the Maxwell price; its slope there is −R (envelope theorem). A sweep
up from cold models ends at the spinodal, one down from warm ones begins at λ₁. Each is
compared with `networks.first_collapse` of the rows, a state that exists: a network that
collapses before it is itself the limit. Later latents are compared with what a model
with one latent less foresees (`networks.kernel_onset`), where that state becomes
unstable: they may live above it. Of
Gaussian rows no network shifts an onset: there they are λ_k.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import chi2, norm

from landau_vae import limits
from landau_vae.display import Array, Column, Table, with_error
from landau_vae.networks import FirstCollapse
from landau_vae.training.schema import trainer_settings
from landau_vae.training.trained import trained_model
from landau_vae.verification._branches import mean_and_error
from landau_vae.verification._onsets import onsets
from landau_vae.verification._staircase import onset_after

LEADING = 10  # principal components that are tested for normality
ROWS = 2000  # of the free decoder, at most
LIVING = 0.005  # M², the least of a living state
JUMP = "M² there"
AGREES, NETWORK, DISAGREES = "agrees", "limited by the network", "disagrees"
EARLIER, UNSEEN, UNRESOLVED = "earlier", "not seen", "not resolved"
MEANINGS = {
    NETWORK: "a better state than theirs exists: train longer, start from colder models, or take wider layers",
    DISAGREES: "they are above what is predicted",
    EARLIER: "a latent lives above the price at which the state without it is unstable: a transition with a jump",
    UNRESOLVED: "standard errors are too large: give more rows, or train more seeds",
    UNSEEN: "the temperatures do not reach it",
}


@dataclass(frozen=True)
class Claim:
    """A prediction for networks, what a scan shows of it, and how the two compare; NaN where nothing is known."""

    what: str  #: in words
    predicted: float
    predicted_error: float  #: standard error, of sampling and of the degree of the decoder
    measured: float
    measured_error: float  #: standard error over seeds, and half the distance of temperatures
    verdict: str  #: agrees, limited by the network, disagrees, earlier, not resolved, not seen


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
    apart = measured[0] - predicted[0]
    error = np.hypot(*np.nan_to_num([predicted[1], measured[1]]))
    tenth = limits.OF_NETWORKS * abs(predicted[0])
    beyond = abs(apart) - tenth - limits.SURELY * error - np.nan_to_num(spacing)
    verdicts = {
        UNSEEN: np.isnan(apart),
        UNRESOLVED: error > tenth and beyond <= 0,
        AGREES: beyond <= 0,
        NETWORK: apart < 0,
    }
    verdict = next((word for word, holds in verdicts.items() if holds), DISAGREES)
    return Claim(what, *predicted, measured[0], float(np.hypot(measured[1], np.nan_to_num(spacing))), verdict)


def is_gaussian(rows: Array) -> bool:
    """Return whether leading principal components pass Mardia's tests of skewness and kurtosis, each at 1 in 1 000."""
    left = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[0][:, :LEADING]
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
        """Price between the last living model and the next one, its error and half their distance; NaN outside."""
        edges = np.append(self.price, np.nan)
        ends = np.stack([edges[self.last], edges[self.last + 1]])
        ends = np.where(self.last >= 0, ends, np.nan)
        mean, error, _ = mean_and_error(np.sqrt(ends.prod(axis=0)))
        return float(mean), float(np.nan_to_num(error)), float(np.mean(ends[1] - ends[0]) / 2)

    @property
    def maxwell(self) -> Array:
        """Mean and error over seeds of the price at which the gain is zero, and of M² and R there, (3, 2)."""
        lives = (self.fraction > self.least) & (self.rate > 0)
        place = np.argmin(np.where(lives, np.abs(self.gain), np.inf), axis=1)
        found = np.full((len(place), 3), np.nan)
        for seed in np.flatnonzero(lives.any(axis=1)):
            i, known = place[seed], lives[seed]
            root = self.price[i] + self.gain[seed, i] / self.rate[seed, i]  # the slope of the gain is −R
            at = [np.interp(root, self.price[known], each[seed, known]) for each in (self.fraction, self.rate)]
            found[seed] = root, *at
        mean, error, _ = mean_and_error(found)
        return np.stack([mean, error], axis=1)


def living(scan: Any, first: float, least: float) -> Living:
    """Return what a scan shows about the first collapse; `first` is λ₁/V."""
    data = scan.sortby("temperature").transpose("seed", "temperature", "latent", ...)
    price, rate = data.temperature.values / first, data.rate.values.sum(axis=-1)
    gain = 0.5 * (1 - data.distortion.values) / first - price * rate
    return Living(price, gain, rate, data.signal_fraction.values.max(axis=-1), least)


def first_claims(scan: Any, down: Any, collapse: FirstCollapse, sampled: float, first: float) -> Iterator[Claim]:
    """Yield the claims about the first collapse; those of a survival need a sweep up.

    Sampling errors count by a factor: 0 where the free decoder has seen all the rows.
    """
    least = float(np.clip(collapse.jump[0] / 2, LIVING, limits.ACTIVE))
    best, survives = collapse.maxwell, collapse.spinodal
    models = living(scan, first, least)
    error, late = (
        float(np.hypot(best.error * sampled, np.nan_to_num(collapse.change, posinf=0.0))),
        survives.error * sampled,
    )
    price, fraction, rate = models.maxwell.tolist()
    yield compared("price up to which the living state is the best", (best.price, error), tuple(price))
    if best.price - 1 > limits.SURELY * error:  # first-order: a jump
        yield compared(JUMP, (float(collapse.jump[0]), np.nan), tuple(fraction))
        yield compared("rate there", (float(collapse.jump[1]), np.nan), tuple(rate))
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


def later_claims(scan: Any, rows: Array, gaussian: Array | None) -> Iterator[Claim]:
    """Yield the claims about where latents begin: of Gaussian rows λ_k/V, else from the second on as foreseen."""
    found = onsets(scan)
    for k in np.flatnonzero(np.isfinite(found.begins)):
        high = found.bracket[k, 1]
        error = float(found.begins[k] * np.nan_to_num(found.begins_error[k]))
        measured = (float(found.begins[k]) if np.isfinite(high) else np.nan, error)
        if gaussian is not None and k < len(gaussian):
            yield compared(f"onset of latent {k + 1}", (float(gaussian[k]), np.nan), measured)
        elif gaussian is None and k > 0 and "network" in scan:
            claim = compared(f"onset of latent {k + 1}", _foreseen(scan, rows, int(k)), measured)
            yield replace(claim, verdict=EARLIER) if claim.verdict == DISAGREES else claim


def _foreseen(scan: Any, rows: Array, k: int) -> tuple[float, float]:
    """Return the T below which a latent beside k active ones pays, of the coldest models with k, mean over seeds."""
    values = []
    for seed in scan.seed.values.tolist():
        own = scan.sel(seed=seed).sortby("temperature")
        active = (own.signal_fraction > limits.ACTIVE).sum("latent").values
        if not (active == k).any():
            continue
        model = trained_model(scan, float(own.temperature.values[np.argmax(active == k)]), seed)
        mean, log_variance = model.encode(rows)
        fraction = np.mean(mean**2, axis=0) / (np.mean(mean**2, axis=0) + np.exp(log_variance).mean(axis=0))
        which = np.flatnonzero(fraction > limits.ACTIVE)
        x = (rows - model.mean) / model.scale
        values.append(onset_after(mean, np.exp(log_variance / 2), None, x, model.likelihood, which))
    known = np.array(values, dtype=float).reshape(-1, 2) / float(scan.attrs["total_variance"])
    known = known[np.isfinite(known[:, 0])]
    return (float(known[:, 0].mean()), float(known[:, 1].mean())) if len(known) else (np.nan, np.nan)


def claims_words(claims: tuple[Claim, ...], collapse: FirstCollapse | None) -> Iterator[str]:
    """Yield what the claims come to, in sentences."""
    if collapse is not None:
        jumps, sure = any(claim.what == JUMP for claim in claims), claims[0].verdict != UNRESOLVED
        order = (
            "first-order" if jumps else "continuous within its error" if sure else "of an order that is not resolved"
        )
        by = f"the living state is the best up to {with_error(claims[0].predicted, claims[0].predicted_error)} λ₁"
        yield f"The first collapse of a nonlinear VAE of these rows is {order}: {by}."
    else:
        yield "These rows are Gaussian: no network shifts an onset, so that each is λ/V."
    for verdict, meaning in MEANINGS.items():
        if which := [each.what for each in claims if each.verdict == verdict]:
            yield f"{'; '.join(which).capitalize()}: {verdict} ({meaning})."


def neural(scan: Any) -> bool:
    """Return whether a scan has networks of this package, with squared errors and a fixed variance."""
    settings = trainer_settings(scan)
    return settings.get("name") == "Neural" and not settings.get("learned_variance")
