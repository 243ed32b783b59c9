"""Spectroscopy: which effective variables trained models have found, and from which T on each is worth its rate.

Latents are ranked by M² at each temperature. Nothing is taken from linear theory but
the shape of a rate near and below its onset, R = ½ ln(T_c/T), which any decoder follows
whose utilities do not depend on T (J. Hirn, arXiv:2608.10599):

    ΔD̃_k   drop of the best distortion at rank k − 1 to that at rank k, best over all temperatures
    T_c     from the fixed slope: mean of ln T + 2 R_k over ΔD̃_k/100 ≤ T ≤ ΔD̃_k
    R²      of ln T_c against ln ΔD̃, about the diagonal

    T_0     where a line through the rates R_k of 0.05 … 0.3 nats meets zero

T and ΔD̃ are in one unit where the loss is a squared error. For another likelihood, and
without a decoder, T_c is the mean over R_k ≤ ½ ln 100. A latent that is active counts
even where its model had not settled: another may be moving.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from landau_vae import limits
from landau_vae.checks import checked
from landau_vae.display import Array, Booleans, Column, Integers, Result, Table, counted, listed, readonly, significant
from landau_vae.likelihoods import Likelihood
from landau_vae.limits import ACTIVE, LARGE_FEATURES
from landau_vae.numeric._equilibrium import Reconstruction
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.record import recorded_likelihood, trainer_settings
from landau_vae.training.schema import RECONSTRUCTIONS, Status, validate
from landau_vae.verification._branches import abscissa, mean_and_error, trained_spectrum

TOLERANCES = (0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5)  # of the effective dimension, as arXiv:2608.10599 has them
WINDOW = 0.01  # T from this share of ΔD̃_k on, up to ΔD̃_k, for the fit of T_c
POINTS = 3  # temperatures that a fit needs
ALIKE = 1e-3  # by which ln T_c may differ and still count as equal, beside its error
MOST = 700.0  # ln T, of a model that is about to diverge
LINEAR_SLOPE = -0.5  # of R against ln T in a linear model: where one place is all that is known
RANKS = (4, 17)  # of the exponent of D̃(K)


@dataclass(frozen=True, eq=False)
class Onsets(Result):
    """What a scan resolves, rank by rank; temperatures ascending."""

    json_fields = (
        "onset", "onset_error", "drop", "best", "points", "seeds", "resolved", "identity", "exponent", "dimensions",
        "begins", "begins_error", "bracket", "foreseen",
    )  # fmt: skip
    temperature: Array  #: T, (temperatures,), ascending; with a learned σ_dec² that of its price, mean over seeds
    signal_fraction: Array  #: M² by rank, (temperatures, K), mean over seeds
    rate: Array  #: R by rank, (temperatures, K), nats, mean over seeds
    rank_distortion: Array  #: D̃ with the first 0 … K latents kept, (temperatures, K + 1), mean over seeds
    onset: Array  #: T_c, (K,), mean over seeds; NaN where it is not resolved
    onset_error: Array  #: standard error of ln T_c, (K,): over seeds, or of the fit where one seed has one
    points: Integers  #: temperatures in the fit of T_c, (K,), the least over seeds that have one
    seeds: Integers  #: how many seeds have a fit of T_c, (K,)
    begins: Array  #: T_0, (K,), mean over seeds; NaN where a rank is never active
    begins_error: Array  #: standard error of ln T_0 over seeds, (K,); NaN of one seed
    bracket: Array  #: warmest T at which a rank is active, and the next at which it is not, (K, 2); 0, ∞ outside
    foreseen: Array  #: T below which it pays, computed from the model with one latent less, (K,); NaN but of staircases
    diverged: int  #: models that diverged; they are left out
    unsettled: int  #: models that were still moving, or on a plateau, when their run ended
    likelihood: Likelihood  #: of the decoder
    spectrum: Spectrum | None = field(repr=False)  #: of the data, for the columns of PCA
    scan: Any = field(repr=False)  #: what it was read from, an xarray.Dataset

    @cached_property
    def best(self) -> Array:
        """Best D̃ over all temperatures with the first 0 … K latents kept, (K + 1,), never rising."""
        return readonly(_best(self.rank_distortion))

    @cached_property
    def drop(self) -> Array:
        """ΔD̃_k, (K,)."""
        return readonly(-np.diff(self.best))

    @property
    def resolved(self) -> Booleans:
        """Which ranks have an onset, (K,)."""
        return np.isfinite(self.onset)

    @property
    def predicted_rate(self) -> Array:
        """½ [ln(ΔD̃_k/T)]₊, (temperatures, K), nats; NaN where T and D̃ are not in one unit."""
        with np.errstate(divide="ignore"):
            return readonly(0.5 * np.maximum(0.0, np.log(self._comparable) - np.log(self.temperature)[:, None]))

    @property
    def identity(self) -> float:
        """R² of ln T_c against ln ΔD̃ about the diagonal; NaN with fewer than three resolved ranks, or equal onsets."""
        seen = self._compared
        if np.count_nonzero(seen) < 3:
            return float("nan")
        onset, drop = np.log(self.onset[seen]), np.log(self.drop[seen])
        spread = np.sum((onset - onset.mean()) ** 2)
        equal = spread <= np.sum((2 * np.fmax(self.onset_error[seen], ALIKE)) ** 2)
        return float("nan") if equal else float(1 - np.sum((onset - drop) ** 2) / spread)

    @property
    def exponent(self) -> float:
        """Slope of ln D̃ against ln K over resolved ranks of 4 … 17; NaN with fewer than three."""
        last = int(np.argmin(np.append(self.resolved, False)))  # ranks beyond are not resolved
        ranks = np.arange(RANKS[0], min(RANKS[1], last) + 1)
        best = self.best[ranks]
        return float(np.polyfit(np.log(ranks), np.log(best), 1)[0]) if len(ranks) > 2 and best[-1] > 0 else float("nan")

    @property
    def dimensions(self) -> list[dict[str, Any]]:
        """Effective dimension at each tolerance: latents needed, beside the modes of PCA; None: not reached."""
        return [
            {
                "tolerance": share,
                "pca": None if self.spectrum is None else self.spectrum.rank(share),
                "trained": int(np.argmax(self.best <= share)) if self.best[-1] <= share else None,
            }
            for share in TOLERANCES
        ]

    @property
    def _active(self) -> Booleans:
        return np.asarray(np.fmax.reduce(self.signal_fraction, axis=0) > ACTIVE)

    @property
    def _compared(self) -> Booleans:
        return self.resolved & (self._comparable > 0)

    @property
    def _comparable(self) -> Array:
        """ΔD̃_k in the unit of T, (K,); NaN where that is another, of a likelihood that is not a squared error."""
        return self.drop if self.likelihood.squared else np.full_like(self.drop, np.nan)

    def __repr__(self) -> str:
        count = int(np.count_nonzero(self.resolved))
        return f"Onsets({count} of {counted(len(self.onset), 'rank')} resolved)"

    def content(self) -> Iterable[str | Table]:
        """Yield the table of ranks, that of effective dimensions, and what is not resolved."""
        ranks = np.flatnonzero(self._active & ~(self.drop <= 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = self.onset / self._comparable
        errors = list(zip(self.onset[ranks], self.onset_error[ranks], strict=True))
        columns = [Column("rank", ranks + 1)]
        if self.spectrum is not None:
            pca = np.pad(self.spectrum.normalized, (0, len(self.onset)), constant_values=np.nan)[ranks]
            columns.append(Column("PCA λ/V", pca, lambda value: significant(value, 3)))
        columns += self._beginnings(ranks) if np.isfinite(self.foreseen).any() else []
        columns += [
            Column("ΔD̃", self.drop[ranks], lambda value: significant(value, 3), key="drop"),
            Column("T_c", errors, _with_error, key="onset"),
            Column("T_c/ΔD̃", ratio[ranks], lambda value: significant(value, 3), key="ratio"),
            Column("points", self.points[ranks]),
        ]
        note = (
            "T = τ/V: the price τ of a nat as a share of the total variance V. ΔD̃: by how much the k-th latent lowers "
            "the best distortion, as a share of V.\nT_c: where its rate R = ½ ln(T_c/T) begins, ± its standard error."
        )
        yield Table(columns, note=note)
        shares = self.dimensions
        kept = [
            Column(f"{row['tolerance']:.3%}".rstrip("0%").rstrip(".") + " %", [row["pca"], row["trained"]])
            for row in shares
        ]
        yield Table([Column("d_eff for D̃ ≤", ["PCA", "trained"]), *kept])
        yield self.conclusion()

    def _beginnings(self, ranks: Integers) -> list[Column]:
        """Return where ranks begin, by their rates, between which places of a staircase, and as it was computed."""
        begins = list(zip(self.begins[ranks], self.begins_error[ranks], strict=True))
        between = [" … ".join(significant(float(end), 3) for end in ends) for ends in self.bracket[ranks]]
        return [
            Column("begins at", begins, _with_error, key="begins"),
            Column("between", between, text=True, key="bracket"),
            Column("computed", self.foreseen[ranks], lambda value: significant(value, 3), key="foreseen"),
        ]

    def conclusion(self) -> str:
        """Return identity, exponent, and what is not resolved, in words."""
        resolved = int(np.count_nonzero(self.resolved))
        lines = [f"{counted(resolved, 'onset')} resolved."]
        if np.isfinite(share := self.identity):
            are = "are" if share >= limits.UTILITY else "are not seen to be"
            lines.append(f"Onsets {are} utilities: R² = {share:.3f} of ln T_c against ln ΔD̃ about the diagonal.")
        elif np.count_nonzero(self._compared) > 2:
            lines.append("Onsets do not differ by more than their errors: R² of ln T_c against ln ΔD̃ says nothing.")
        if np.isfinite(self.exponent):
            lines.append(
                f"D̃(K) falls like K^{self.exponent:.1f} over resolved ranks from {RANKS[0]} on, up to {RANKS[1]}."
            )
        few = np.flatnonzero(self.resolved & (self.seeds < self.scan.sizes["seed"]))
        if few.size:
            lines.append(f"{listed(few.tolist(), 'Rank')}: resolved from some seeds only: train the others longer.")
        missing = np.flatnonzero(~self.resolved & self._active)
        if missing.size:
            end = "ΔD̃" if np.isfinite(self._comparable).any() else "T_c"
            lines.append(
                f"{listed(missing.tolist(), 'Rank')}: not resolved (active at fewer than {POINTS} temperatures between "
                f"{end}/{1 / WINDOW:.0f} and {end}): train colder, finer or longer."
            )
        if not self.likelihood.squared:
            units = f"Of a {self.likelihood.title} loss T and ΔD̃ have different units"
            lines.append(f"{units}: onsets are not compared with utilities.")
        if np.isnan(self.best).all() and not np.isnan(self.signal_fraction).all():
            lines.append(self._without_distortions())
        if self.unsettled:
            lines.append(f"Not settled: {counted(self.unsettled, 'model')}; active latents still count: train longer.")
        if self.diverged:
            advice = against_divergence(self.scan)
            lines.append(f"{counted(self.diverged, 'model')} diverged, left out everywhere. {advice}")
        return "\n".join(lines)

    def _without_distortions(self) -> str:
        """Return why the scan has no distortions, and how to get them."""
        name = trainer_settings(self.scan).get("name")
        if name == "fit":
            return "Without a decoder there are no distortions: let fit return decode too."
        if name == "Neural":
            own = f"The likelihood {self.likelihood.name!r} does not say its mean, so there are no distortions"
            return f"{own}: make it with generator=… or response=…."
        return "The scan has no distortions."


@checked
def onsets(scan: Any, spectrum: Spectrum | None = None, *, reconstruction: Reconstruction = "mean") -> Onsets:
    """Return the onsets, utilities and effective dimensions that models of any architecture show.

    Parameters
    ----------
    scan : xarray.Dataset
        As `lv.scan` or `lv.spectroscopy` returned it; only its observables are read.
    spectrum : Spectrum, optional
        Of the data, to show PCA beside; by default that of the covariance that the scan
        holds.
    reconstruction : {"mean", "sampled"}
        Whether distortions are those of the posterior mean or of samples.

    Returns
    -------
    Onsets

    Raises
    ------
    InputError
        For a dataset that is not a scan.

    Examples
    --------
    >>> from landau_vae import scan
    >>> found = onsets(scan(Spectrum.from_eigenvalues([4, 1]), np.geomspace(1, 1e-3, 31)))
    >>> found.onset.round(3).tolist(), found.drop.round(3).tolist()
    ([0.8, 0.2], [0.8, 0.2])
    """
    validate(scan, "signal_fraction", "pruned_distortion", "rate")
    spectrum = trained_spectrum(scan) if spectrum is None else spectrum
    data = scan.transpose("seed", "temperature", "reconstruction", "latent", "rank", ...)
    data = data.isel(temperature=np.argsort(_mean(abscissa(data)), kind="stable"))
    each, likelihood = abscissa(data), recorded_likelihood(trainer_settings(scan))
    status = data.status if "status" in data else 0 * data.signal_fraction.sum("latent")
    sound = data[["signal_fraction", "rate", "pruned_distortion"]].where(status != Status.DIVERGED)
    order = np.argsort(-np.nan_to_num(sound.signal_fraction.values), axis=-1, kind="stable")
    ranked, rate = (np.take_along_axis(sound[name].values, order, axis=-1) for name in ("signal_fraction", "rate"))
    kept = _mean(sound.pruned_distortion.values[:, :, RECONSTRUCTIONS.index(reconstruction)])
    drop = -np.diff(_best(kept))
    onset, error, points, seeds = _fits(each, ranked, rate, drop if likelihood.squared else np.full_like(drop, np.nan))
    begins, begins_error, _ = mean_and_error(np.log(_begins(np.log(each), ranked, rate)))
    return Onsets(
        readonly(each[0] if (each == each[0]).all() else _mean(each)), readonly(_mean(ranked)), readonly(_mean(rate)),
        readonly(kept), readonly(onset), readonly(error), points, seeds,
        readonly(np.exp(begins)), readonly(begins_error), readonly(_bracket(_mean(each), _mean(ranked))),
        readonly(_foreseen(data, ranked)), int((status == Status.DIVERGED).sum()),
        int(np.isin(status, (Status.MOVING, Status.PLATEAU)).sum()), likelihood, spectrum, scan,
    )  # fmt: skip


def _begins(logarithm: Array, ranked: Array, rate: Array) -> Array:
    """Return T_0 of each seed's ranks, (seeds, K), by ln T, (seeds, temperatures), M² and R.

    Where one place is all that is known, or the rate does not fall, it is the slope of
    a linear model through the warmest place at which a rank is active, up to the next
    one: there it is not, or M² = 1 − T/T_0 is below `ACTIVE`.
    """
    found = np.full((len(ranked), ranked.shape[-1]), np.nan)
    for seed, k in np.argwhere((ranked > ACTIVE).any(axis=1)):
        known = np.flatnonzero(ranked[seed, :, k] > ACTIVE)
        own = rate[seed, known, k]
        near = known[(own >= limits.BEGINS_FROM) & (own <= limits.BEGINS_TO)]
        slope = np.polyfit(logarithm[seed, near], rate[seed, near, k], 1)[0] if len(near) > 1 else 0.0
        if slope < 0:
            found[seed, k] = np.exp((logarithm[seed, near] - rate[seed, near, k] / slope).mean())
        else:
            last = known[-1]
            warmer = logarithm[seed, last + 1 :][np.isfinite(ranked[seed, last + 1 :, k])]
            most = warmer.min(initial=MOST) - np.log(1 - ACTIVE)
            found[seed, k] = np.exp(min(logarithm[seed, last] - rate[seed, last, k] / LINEAR_SLOPE, most))
    return found


def _bracket(temperature: Array, ranked: Array) -> Array:
    """Return the warmest T at which each rank is active, and the next at which it is not, (K, 2)."""
    edges = np.concatenate([[0.0], temperature, [np.inf]])
    last = [np.max(np.flatnonzero(own > ACTIVE), initial=-1) + 1 for own in ranked.T]
    return np.stack([edges[last], edges[np.array(last) + 1]], axis=1)


def _foreseen(data: Any, ranked: Array) -> Array:
    """Return the T that models of a staircase have computed for the next rank, each the coldest of its kind, (K,)."""
    found = np.full((len(ranked), ranked.shape[-1] + 1), np.nan)
    if "next_onset" not in data:
        return found[0, :-1]
    active = np.count_nonzero(ranked > ACTIVE, axis=-1)
    for seed, place in np.argwhere(np.isfinite(data.next_onset.values))[::-1]:  # the coldest last
        found[seed, active[seed, place]] = data.next_onset.values[seed, place]
    found[:, 0] = data.attrs.get("first_onset", np.nan)
    return _mean(found)[:-1]


def against_divergence(scan: Any) -> str:
    """Return what helps models that diverge, the likeliest first, in a sentence."""
    settings, variance = trainer_settings(scan), np.nan
    if "covariance" in scan:
        variance = float(np.trace(scan.covariance.values)) / scan.sizes["feature"]
    ways = ["Lower the learning rate"]
    if scan.attrs.get("standardized") != "yes" and recorded_likelihood(settings).squared:
        ways.append("bring the data to unit scale" + " (standardize=True)" * (settings.get("name") != "fit"))
    if settings.get("name") == "Neural":
        ways.append("take smaller initial weights (Neural(start=…))")
    if variance > LARGE_FEATURES:
        return f"Features have a variance of {variance:.2g}: {', or '.join([*ways[1:], ways[0].lower()])}."
    return f"{', or '.join(ways)}."


def _best(kept: Array) -> Array:
    """Return the least of each column, never rising; NaN where nothing is known."""
    return np.minimum.accumulate(np.fmin.reduce(kept, axis=0))


def _mean(values: Array) -> Array:
    return mean_and_error(values)[0]


def _fits(temperature: Array, ranked: Array, rate: Array, drop: Array) -> tuple[Array, Array, Integers, Integers]:
    """Return T_c, the standard error of ln T_c, how many temperatures each fit has and how many seeds one, (K,)."""
    inside = (temperature[..., None] >= WINDOW * drop) & (temperature[..., None] <= drop)
    known = np.isfinite(drop)  # without utilities in the unit of T the rate itself says where T/T_c ≥ 1/100
    used = np.where(known, inside, 2 * rate <= -np.log(WINDOW)) & (ranked > ACTIVE)  # NaN, of a diverged model, is not
    count = np.count_nonzero(used, axis=1)  # (seeds, K)
    with np.errstate(invalid="ignore", divide="ignore"):
        logarithm = np.where(used, np.log(temperature)[..., None] + 2 * rate, 0.0)
        mean = np.where(count < POINTS, np.nan, logarithm.sum(axis=1) / count)
        square = np.where(used, (logarithm - mean[:, None]) ** 2, 0.0).sum(axis=1)
        within = np.sqrt(square / (count - 1) / count)
    center, between, seeds = mean_and_error(mean)
    error = np.where(seeds > 1, between, np.fmax.reduce(within, axis=0))
    points = np.where((count >= POINTS) | (seeds == 0), count, np.iinfo(count.dtype).max).min(axis=0)
    return np.exp(center), error, points, seeds


def _with_error(pair: tuple[float, float]) -> str:
    onset, error = pair
    if np.isnan(onset):
        return "—"
    return significant(onset, 3) + ("" if np.isnan(error) else f" ± {significant(onset * error, 2)}")
