"""What trained models alone show: the branches M²_k(T), the thresholds where they end, their law, the utilities.

Latents are ranked by M² at each temperature; the k-th ranked ones form branch k. Its threshold
is where a straight line through its last decade meets M² = 0: slope and intercept are both
free, so that only "a continuous, linear end" is taken from the theory (J. Hirn,
arXiv:2605.22691). Each seed has a line, and thereby a threshold, of its own. The law

    M² = (1 − T/T_k)^p          has p = 1 in mean-field theory; then M² against T/T_k is one line for all modes.

Models trained by samples keep some noise, which gives inactive latents an M² above 0, and near
its threshold a mode relaxes so slowly that a finite run ends before it has reached its value.
Their lines therefore use M² > ½ only, and no latent that was still moving, or waiting to become
active, when its run ended.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from landau_vae.checks import checked
from landau_vae.display import Array, Booleans, Integers, readonly
from landau_vae.errors import InputError
from landau_vae.limits import ACTIVE, ACTIVE_EXACTLY, AT_REST, FIT_RANGE, FITTED
from landau_vae.numeric._equilibrium import Reconstruction
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.record import trainer_settings
from landau_vae.training.schema import RECONSTRUCTIONS, sound_models, validate


@dataclass(frozen=True, eq=False)
class Branches:
    """Ranked branches of a scan, temperatures ascending."""

    temperature: Array  #: T, (temperatures,), ascending
    abscissa: Array  #: T against which M² is read, (seeds, temperatures): that of the price a learned σ_dec² made
    by_seed: Array  #: M² of branch k, (seeds, temperatures, latents)
    pruned: Array  #: D̃ with the first 0 … K latents kept, (seeds, temperatures, 2, K + 1): of the mean, of samples
    total_rate: Array  #: Σ_k R_k, (seeds, temperatures), nats
    at_rest: Booleans  #: (seeds, temperatures, latents): had come to rest when the run ended
    to_go: Array  #: (seeds, temperatures, latents): how far M² had to go still, 0 where that is not known
    converged: Array  #: (temperatures,), share of the seeds whose whole model had
    noisy: bool  #: whether models were trained by samples

    @property
    def active(self) -> float:
        """M² above which a latent counts as active."""
        return ACTIVE if self.noisy else ACTIVE_EXACTLY

    @cached_property
    def signal_fraction(self) -> Array:
        """M² of branch k, (temperatures, latents), mean over seeds."""
        return readonly(self.by_seed.mean(axis=0))

    @cached_property
    def brackets(self) -> Array:
        """Last temperature at which branch k is active and the next beyond, (latents, 2); 0 and ∞ outside the grid.

        A branch of M² = 1 − T/T_k collapses somewhat above where it falls below `active`: the
        upper end allows for it.
        """
        edges = np.concatenate([[0.0], self.temperature, [np.inf]])
        below = np.count_nonzero(np.maximum.accumulate((self.signal_fraction > self.active)[::-1], axis=0), axis=0)
        return readonly(np.stack([edges[below], edges[below + 1] / (1 - self.active)], axis=1))

    @cached_property
    def fitted(self) -> Booleans:
        """Points that the line of each branch goes through, (seeds, temperatures, latents)."""
        low = self.brackets[:, 0]
        grid = self.temperature[:, None]
        near = (grid <= low) & (grid >= low / FIT_RANGE) & np.isfinite(self.brackets[:, 1])
        near = near & (self.signal_fraction > FITTED) if self.noisy else near
        return near & self.at_rest

    @cached_property
    def lines(self) -> Array:
        """Threshold and M² at T = 0 of each seed's line, (seeds, latents, 2); NaN with fewer than two points."""
        seeds, _, latents = self.at_rest.shape
        return readonly([[self._line(seed, k) for k in range(latents)] for seed in range(seeds)])

    @cached_property
    def thresholds(self) -> Array:
        """Where the line through the end of branch k meets zero, (latents,), mean over seeds; NaN if not seen."""
        return readonly(mean_and_error(self.lines[..., 0])[0])

    @checked
    def utility(self, reconstruction: Reconstruction) -> Array:
        """Return the utilities ΔD̃_k by ranked pruning: keep the first k latents, set the others to 0.

        Parameters
        ----------
        reconstruction : {"mean", "sampled"}
            Whether z is the posterior mean or drawn from the posterior.

        Returns
        -------
        (seeds, temperatures, latents) array
        """
        return -np.diff(self._pruned(reconstruction))

    @checked
    def rank_distortion(self, reconstruction: Reconstruction) -> Array:
        """Return D̃ with the first 0 … K latents kept, mean over seeds.

        Parameters
        ----------
        reconstruction : {"mean", "sampled"}
            Whether z is the posterior mean or drawn from the posterior.

        Returns
        -------
        (temperatures, K + 1) array
        """
        return readonly(self._pruned(reconstruction).mean(axis=0))

    def _pruned(self, reconstruction: Reconstruction) -> Array:
        return self.pruned[..., RECONSTRUCTIONS.index(reconstruction), :]

    def _line(self, seed: int, k: int) -> tuple[float, float]:
        near, low = self.fitted[seed, :, k], self.brackets[k, 0]
        if np.count_nonzero(near) < 2:
            return np.nan, np.nan
        x, y = self.abscissa[seed, near] / low, self.by_seed[seed, near, k]
        slope, intercept = np.polyfit(x, y, 1)
        return (-intercept / slope * low if slope < 0 else np.nan), intercept


@checked
def branches(scan: Any, spectrum: Spectrum) -> Branches:
    """Return the ranked branches of a scan.

    Parameters
    ----------
    scan : xarray.Dataset
        As `lv.scan` returned it; only its observables are read.
    spectrum : Spectrum
        Of the data that were trained on.

    Returns
    -------
    Branches

    Raises
    ------
    InputError
        For a dataset that is not a scan, and for one of models with another number of features.

    Examples
    --------
    >>> from landau_vae import scan
    >>> spectrum = Spectrum.from_eigenvalues([4, 1])
    >>> branches(scan(spectrum, np.geomspace(1, 0.01, 21)), spectrum).thresholds.round(5).tolist()
    [0.8, 0.2]
    """
    validate(scan, "signal_fraction", "pruned_distortion", "rate", "converged")
    features = scan.sizes.get("feature")
    if features not in (None, spectrum.dimension, len(spectrum.covariance)):
        sizes = f"The models were trained on {features} features, but the spectrum has {spectrum.dimension}: "
        raise InputError(sizes + "give the spectrum that was trained on.", "spectrum")
    data = scan.sortby("temperature").transpose("seed", "temperature", "reconstruction", "latent", "rank", ...)
    sound = sound_models(data)[..., None]  # what a model that diverged has ended at is no measurement
    fraction, rate = (np.where(sound, data[name].values, np.nan) for name in ("signal_fraction", "rate"))
    ranks = np.argsort(-fraction, axis=-1, kind="stable")  # a latent of NaN, of a model that diverged, is the last
    moved = data.moved.values if "moved" in data else None
    at_rest = np.broadcast_to(data.converged.values[..., None], fraction.shape) if moved is None else moved <= AT_REST
    to_go = np.zeros(fraction.shape) if moved is None else moved
    ranked, at_rest, to_go = (np.take_along_axis(each, ranks, axis=-1) for each in (fraction, at_rest, to_go))
    return Branches(
        readonly(data.temperature.values),
        readonly(abscissa(data)),
        readonly(ranked),
        readonly(np.where(sound[..., None], data.pruned_distortion.values, np.nan)),
        readonly(rate.sum(axis=-1)),
        at_rest & _not_waiting(data, ranked),
        to_go,
        readonly(data.converged.values.mean(axis=0)),
        noisy=moved is not None,
    )


def abscissa(data: Any) -> Array:
    """Return T of each model, (seeds, temperatures); with a learned σ_dec² that of the price that it has led to."""
    if "price" in data and trainer_settings(data).get("learned_variance"):
        reached = data.price / float(data.attrs["total_variance"])
        return np.asarray(reached.where(np.isfinite(reached) & (reached > 0), data.temperature))  # else: diverged
    return np.broadcast_to(data.temperature.values, data.signal_fraction.shape[:2])


def trained_spectrum(scan: Any) -> Spectrum | None:
    """Return the spectrum of the covariance that was trained on; None where the scan does not hold it."""
    if "covariance" not in scan:
        return None
    samples = int(scan.attrs.get("samples", 0)) or None
    labels = [str(name) for name in scan.feature.values] if scan.feature.dtype.kind in "UO" else None
    return Spectrum.from_covariance(scan.covariance.values, samples=samples, names=labels)


@np.errstate(invalid="ignore", divide="ignore")
def mean_and_error(values: Array) -> tuple[Array, Array, Integers]:
    """Return mean over seeds (the first axis), its standard error (NaN for one seed) and how many had a number.

    >>> mean, error, count = mean_and_error(np.array([[1.0, 4.0], [3.0, np.nan]]))
    >>> mean.tolist(), error.tolist(), count.tolist()
    ([2.0, 4.0], [1.0, nan], [2, 1])
    """
    known = np.isfinite(values)
    count = np.count_nonzero(known, axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    square = np.where(known, values - mean, 0.0) ** 2
    error = np.sqrt(square.sum(axis=0) / (count - 1) / count)
    return mean, np.where(count > 1, error, np.nan), count


def exponents(measured: Branches) -> Array:
    """Return p of each seed's branch, (seeds, latents); NaN with fewer than three points."""
    seeds, _, latents = measured.at_rest.shape
    return readonly([[_exponent(measured, seed, k) for k in range(latents)] for seed in range(seeds)])


@np.errstate(invalid="ignore")
def residual(measured: Branches, thresholds: Array) -> Array:
    """Return the root mean square of M² − [1 − T/T_k]₊ over the fitted points of all seeds, (len(thresholds),).

    With measured thresholds it says how well a branch keeps the law's shape, wherever it ends.
    """
    modes = len(thresholds)
    fitted = measured.fitted[..., :modes]
    law = np.maximum(0.0, 1.0 - measured.abscissa[..., None] / thresholds)
    square = np.where(fitted, measured.by_seed[..., :modes] - law, 0.0) ** 2
    return readonly(np.sqrt(square.sum(axis=(0, 1)) / np.count_nonzero(fitted, axis=(0, 1))))


def _exponent(measured: Branches, seed: int, k: int) -> float:
    """Return p by least squares; the search starts at the straight line, p = 1."""
    near, threshold = measured.fitted[seed, :, k], measured.lines[seed, k, 0]
    if np.count_nonzero(near) < 3 or not 0 < threshold < np.inf:
        return np.nan
    from scipy.optimize import least_squares

    x, y = measured.abscissa[seed, near] / threshold, measured.by_seed[seed, near, k]

    def miss(at: Array) -> Array:
        """Return residuals at ln(T_k/threshold) and ln p."""
        return np.maximum(1.0 - x / np.exp(at[0]), 1e-12) ** np.exp(at[1]) - y

    nearest = float(np.log(x.max()))  # a branch ends beyond its last point; no nearer bound, which seeds would share
    start, bounds = [max(1e-3, nearest + 1e-3), 0.0], ([nearest, -2.0], [2.0, 2.0])
    fit = least_squares(miss, start, bounds=bounds, x_scale=[0.1, 0.1])
    return np.exp(fit.x[1]) if fit.success else np.nan


def _not_waiting(data: Any, ranked: Array) -> Booleans:
    """Return, by rank, False for the latents next in line where some still have to become active."""
    active = np.count_nonzero(ranked > ACTIVE, axis=-1)[..., None]
    waiting = data.waiting.values[..., None] if "waiting" in data else 0
    rank = np.arange(ranked.shape[-1])
    return (rank < active) | (rank >= active + waiting)
