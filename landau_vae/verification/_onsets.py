"""Spectroscopy: which effective variables trained models have found, and from which T on each is worth its rate.

Latents are ranked by M² at each temperature. Nothing is taken from linear theory but the shape of a rate near and below
its onset, R = ½ ln(T_c/T), which any decoder follows whose utilities do not depend on T (J. Hirn, arXiv:2608.10599):

    ΔD̃_k   drop of the best distortion at rank k − 1 to that at rank k, best over all temperatures
    T_c     from the fixed slope: mean of ln T + 2 R_k over ΔD̃_k/100 ≤ T ≤ ΔD̃_k
    R²      of ln T_c against ln ΔD̃, about the diagonal
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import checked
from landau_vae.display import Array, Column, Result, Table, counted, listed, readonly, significant
from landau_vae.limits import ACTIVE
from landau_vae.numeric._equilibrium import Reconstruction
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.schema import RECONSTRUCTIONS, Status, validate
from landau_vae.verification._branches import mean_and_error, trained_spectrum

TOLERANCES = (0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5)  # of the effective dimension, as arXiv:2608.10599 has them
WINDOW = 0.01  # T from this share of ΔD̃_k on, up to ΔD̃_k, for the fit of T_c
POINTS = 3  # temperatures that a fit needs
RANKS = (4, 17)  # of the exponent of D̃(K)


@dataclass(frozen=True, eq=False)
class Onsets(Result):
    """What a scan resolves, rank by rank; temperatures ascending."""

    json_fields = ("onset", "onset_error", "drop", "best", "points", "resolved", "identity", "exponent", "dimensions")
    temperature: Array  #: T, (temperatures,), ascending
    signal_fraction: Array  #: M² by rank, (temperatures, K), mean over seeds
    rate: Array  #: R by rank, (temperatures, K), nats, mean over seeds
    rank_distortion: Array  #: D̃ with the first 0 … K latents kept, (temperatures, K + 1), mean over seeds
    onset: Array  #: T_c, (K,), mean over seeds; NaN where it is not resolved
    onset_error: Array  #: standard error of ln T_c, (K,): over seeds, or of the fit where there is one seed
    points: NDArray[np.int64]  #: temperatures in the fit of T_c, (K,), the least over seeds
    diverged: int  #: models that diverged; they are left out
    unsettled: int  #: models that were still moving, or on a plateau, when their run ended
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
    def resolved(self) -> NDArray[np.bool_]:
        """Which ranks have an onset, (K,)."""
        return np.isfinite(self.onset)

    @property
    def predicted_rate(self) -> Array:
        """½ [ln(ΔD̃_k/T)]₊, (temperatures, K), nats."""
        with np.errstate(divide="ignore"):
            return readonly(0.5 * np.maximum(0.0, np.log(self.drop) - np.log(self.temperature)[:, None]))

    @property
    def identity(self) -> float:
        """R² of ln T_c against ln ΔD̃ about the diagonal, over resolved ranks; NaN with fewer than three."""
        seen = self.resolved & (self.drop > 0)
        if np.count_nonzero(seen) < 3:
            return float("nan")
        onset, drop = np.log(self.onset[seen]), np.log(self.drop[seen])
        return float(1 - np.sum((onset - drop) ** 2) / np.sum((onset - onset.mean()) ** 2))

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
    def _active(self) -> NDArray[np.bool_]:
        return np.asarray(np.nanmax(self.signal_fraction, axis=0) > ACTIVE)

    def __repr__(self) -> str:
        count = int(np.count_nonzero(self.resolved))
        return f"Onsets({count} of {counted(len(self.onset), 'rank')} resolved)"

    def content(self) -> Iterable[str | Table]:
        """Yield the table of ranks, that of effective dimensions, and what is not resolved."""
        ranks = np.flatnonzero(self._active & ~(self.drop <= 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = self.onset / self.drop
        errors = list(zip(self.onset[ranks], self.onset_error[ranks], strict=True))
        columns = [Column("rank", ranks + 1)]
        if self.spectrum is not None:
            pca = np.pad(self.spectrum.normalized, (0, len(self.onset)), constant_values=np.nan)[ranks]
            columns.append(Column("PCA λ/V", pca, lambda value: significant(value, 3)))
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

    def conclusion(self) -> str:
        """Return identity, exponent, and what is not resolved, in words."""
        resolved = int(np.count_nonzero(self.resolved))
        lines = [f"{counted(resolved, 'onset')} resolved."]
        if np.isfinite(self.identity):
            lines.append(f"Onsets are utilities: R² = {self.identity:.3f} of ln T_c against ln ΔD̃, about the diagonal.")
        if np.isfinite(self.exponent):
            lines.append(
                f"D̃(K) falls like K^{self.exponent:.1f} over resolved ranks from {RANKS[0]} on, up to {RANKS[1]}."
            )
        missing = np.flatnonzero(~self.resolved & self._active)
        if missing.size:
            lines.append(
                f"{listed(missing.tolist(), 'Rank')}: not resolved (fewer than {POINTS} settled temperatures between "
                f"ΔD̃/{1 / WINDOW:.0f} and ΔD̃): train colder, finer or longer."
            )
        if np.isnan(self.best).all():
            lines.append("Without a decoder there are no distortions: let fit return decode too.")
        if self.unsettled:
            lines.append(f"{counted(self.unsettled, 'model')} had not settled: train longer.")
        if self.diverged:
            lines.append(f"{counted(self.diverged, 'model')} diverged and count for nothing: lower the learning rate.")
        return "\n".join(lines)


@checked
def onsets(scan: Any, spectrum: Spectrum | None = None, *, reconstruction: Reconstruction = "mean") -> Onsets:
    """Return the onsets, utilities and effective dimensions that models of any architecture show.

    Parameters
    ----------
    scan : xarray.Dataset
        As `lv.scan` or `lv.spectroscopy` returned it; only its observables are read.
    spectrum : Spectrum, optional
        Of the data, to show PCA beside; by default that of the covariance that the scan holds.
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
    data = scan.sortby("temperature").transpose("seed", "temperature", "reconstruction", "latent", "rank", ...)
    temperature = data.temperature.values
    status = data.status.values if "status" in data else np.zeros(data.signal_fraction.shape[:2])
    sound = status != Status.DIVERGED
    fraction = np.where(sound[..., None], data.signal_fraction.values, np.nan)
    order = np.argsort(-np.nan_to_num(fraction), axis=-1, kind="stable")
    ranked, rate = (np.take_along_axis(each, order, axis=-1) for each in (fraction, data.rate.values))
    pruned = data.pruned_distortion.values[:, :, RECONSTRUCTIONS.index(reconstruction)]
    pruned = np.where(sound[..., None], pruned, np.nan)
    kept = _mean(pruned)
    onset, error, points = _fits(temperature, ranked, rate, -np.diff(_best(kept)))
    return Onsets(
        readonly(temperature),
        readonly(_mean(ranked)),
        readonly(_mean(np.where(sound[..., None], rate, np.nan))),
        readonly(kept),
        readonly(onset),
        readonly(error),
        points,
        int(np.count_nonzero(~sound)),
        int(np.count_nonzero((status == Status.MOVING) | (status == Status.PLATEAU))),
        spectrum,
        scan,
    )


def _best(kept: Array) -> Array:
    """Return the least of each column, never rising; NaN where nothing is known."""
    return np.minimum.accumulate(np.fmin.reduce(kept, axis=0))


def _mean(values: Array) -> Array:
    return mean_and_error(values)[0]


def _fits(temperature: Array, ranked: Array, rate: Array, drop: Array) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return T_c, the standard error of ln T_c and how many temperatures each fit has, (K,)."""
    inside = (temperature[:, None] >= WINDOW * drop) & (temperature[:, None] <= drop)
    known = np.isfinite(drop)  # without a decoder there are no utilities: the rate itself says where T/T_c ≥ 1/100
    used = np.where(known, inside, 2 * rate <= -np.log(WINDOW)) & (ranked > ACTIVE)  # NaN, of a diverged model, is not
    count = np.count_nonzero(used, axis=1)  # (seeds, K)
    logarithm = np.where(used, np.log(temperature)[:, None] + 2 * rate, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = logarithm.sum(axis=1) / count
        square = np.where(used, (logarithm - mean[:, None]) ** 2, 0.0).sum(axis=1)
        within = np.sqrt(square / (count - 1) / count)
    mean[count < POINTS] = np.nan
    center, between, seeds = mean_and_error(mean)
    error = np.where(seeds > 1, between, within[0] if len(within) == 1 else np.nan)
    return np.exp(center), np.where(np.isfinite(center), error, np.nan), count.min(axis=0)


def _with_error(pair: tuple[float, float]) -> str:
    onset, error = pair
    if np.isnan(onset):
        return "—"
    return significant(onset, 3) + ("" if np.isnan(error) else f" ± {significant(onset * error, 2)}")
