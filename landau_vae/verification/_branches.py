"""What trained models alone say: the branches M²_k(T), the thresholds where they end, the utilities.

Latents are ranked by M² at each temperature; the k-th ranked ones form branch k. Its threshold is where a straight line
through its last decade meets M² = 0: slope and intercept are both free, so nothing of the theory but "a continuous,
linear end" goes in (J. Hirn, arXiv:2605.22691). Each seed has a line, and thereby a threshold, of its own.

Models trained by samples keep some noise, which makes dead latents look alive, and near its threshold a mode relaxes so
slowly that a finite run ends before it has forgotten its noisier past. Their lines therefore use M² > ½ only, and no
latent that was still moving, or waiting to wake, when its run ended.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.limits import AT_REST
from landau_vae.numeric._equilibrium import Reconstruction, noise_power
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.linear_vae import LinearVAE
from landau_vae.verification.record import trained_with

if TYPE_CHECKING:
    import xarray

__all__ = ["ALIVE", "Branches", "branches"]

ALIVE = 0.1  # M² above which a latent is said to live (J. Hirn)
ALIVE_EXACTLY = 1e-3  # the same without noise: far above what training leaves (1e-5)
FITTED = 0.5  # M² above which noisy models are fitted
FIT_RANGE = 10.0  # the line goes through temperatures down to this factor below the branch's end


@dataclass(frozen=True, eq=False)
class Branches:
    """Ranked branches of a scan, temperatures ascending."""

    models: LinearVAE  #: the trained models, (seeds, temperatures), latents ranked by falling M²
    temperature: Array  #: T, (temperatures,), ascending
    abscissa: Array  #: T against which M² is read, (seeds, temperatures): that of the price a learned σ_dec² made
    at_rest: NDArray[np.bool_]  #: (seeds, temperatures, latents): had come to rest when the run ended
    to_go: Array  #: (seeds, temperatures, latents): how far M² had to go still, 0 where that is not known
    converged: Array  #: (temperatures,), share of the seeds whose whole model had
    noisy: bool  #: whether models were trained by samples

    @property
    def alive(self) -> float:
        """M² above which a latent lives."""
        return ALIVE if self.noisy else ALIVE_EXACTLY

    @cached_property
    def signal_fraction(self) -> Array:
        """M² of branch k, (temperatures, latents), mean over seeds."""
        return readonly(self.models.signal_fraction.mean(axis=0))

    @cached_property
    def brackets(self) -> Array:
        """(latents, 2): the last temperature at which branch k lives, the next beyond; 0 and ∞ outside the grid.

        A branch of M² = 1 − T/T_k dies somewhat above where it falls below `alive`: the upper end allows for it.
        """
        edges = np.concatenate([[0.0], self.temperature, [np.inf]])
        living = np.count_nonzero(np.maximum.accumulate((self.signal_fraction > self.alive)[::-1], axis=0), axis=0)
        return readonly(np.stack([edges[living], edges[living + 1] / (1 - self.alive)], axis=1))

    @cached_property
    def fitted(self) -> NDArray[np.bool_]:
        """(seeds, temperatures, latents): which points the line of each branch goes through."""
        low = self.brackets[:, 0]
        grid = self.temperature[:, None]
        near = (grid <= low) & (grid >= low / FIT_RANGE) & np.isfinite(self.brackets[:, 1])
        near = near & (self.signal_fraction > FITTED) if self.noisy else near
        return np.asarray(near & self.at_rest)

    @cached_property
    def lines(self) -> Array:
        """(seeds, latents, 2): threshold and M² at T = 0 of each seed's line; NaN with fewer than two points."""
        seeds, _, latents = self.at_rest.shape
        return readonly([[self._line(seed, k) for k in range(latents)] for seed in range(seeds)])

    @cached_property
    def thresholds(self) -> Array:
        """(latents,): where the line through the end of branch k meets zero, mean over seeds; NaN if not seen."""
        return readonly(mean_and_error(self.lines[..., 0])[0])

    def utility(self, reconstruction: Reconstruction) -> Array:
        """ΔD̃_k by ranked pruning, (seeds, temperatures, latents): keep the first k, set the others to 0."""
        pruned = self._pruned(reconstruction)
        return pruned[..., :-1] - pruned[..., 1:]

    def rank_distortion(self, reconstruction: Reconstruction) -> Array:
        """D̃ with the first 0 … K latents kept, (temperatures, K + 1), mean over seeds."""
        return readonly(self._pruned(reconstruction).mean(axis=0))

    def _pruned(self, reconstruction: Reconstruction) -> Array:
        pruned = self.models.pruned_distortion(sampled=noise_power(reconstruction) == 1)
        return pruned / np.trace(self.models.covariance)

    def _line(self, seed: int, k: int) -> tuple[float, float]:
        near, low = self.fitted[seed, :, k], self.brackets[k, 0]
        if np.count_nonzero(near) < 2:
            return float("nan"), float("nan")
        x, y = self.abscissa[seed, near] / low, self.models.signal_fraction[seed, near, k]
        slope, intercept = np.polyfit(x, y, 1)
        return (float(-intercept / slope * low) if slope < 0 else float("nan")), float(intercept)


def branches(scan: "xarray.Dataset", spectrum: Spectrum) -> Branches:
    """The ranked branches of a `scan` over data with this spectrum.

    >>> from landau_vae import scan
    >>> spectrum = Spectrum.from_eigenvalues([4, 1])
    >>> branches(scan(spectrum, np.geomspace(1, 0.01, 21)), spectrum).thresholds.round(5).tolist()
    [0.8, 0.2]
    """
    if "decoder" not in scan:
        raise InputError("The scan holds no weights, which ranked pruning needs: scan with keep_weights=True.")
    for dim in ("seed", "temperature"):
        if dim not in scan.dims:
            raise InputError(f"The scan has no dimension {dim}: choose with a list, as in scan.isel({dim}=[0]).")
    if scan.sizes["feature"] != spectrum.dimension and scan.sizes["feature"] != len(spectrum.covariance):
        raise InputError(
            f"The models were trained on {scan.sizes['feature']} features, but the spectrum has "
            f"{spectrum.dimension}: give the spectrum that was trained on."
        )
    data = scan.sortby("temperature").transpose("seed", "temperature", ...)
    temperature, total = readonly(data.temperature.values), float(scan.attrs["total_variance"])
    covariance = data.covariance.values if "covariance" in data else spectrum.covariance
    models = LinearVAE(
        covariance,
        temperature * total,
        data.decoder.transpose(..., "feature", "latent").values,
        data.encoder.transpose(..., "latent", "feature").values,
        data.posterior_variance.transpose(..., "latent").values,
    )
    ranks = models.ranking
    return Branches(
        models.ranked(),
        temperature,
        _abscissa(data, temperature, total),
        np.take_along_axis(_at_rest(data), ranks, axis=-1) & _not_waiting(data, models),
        np.take_along_axis(_to_go(data), ranks, axis=-1),
        readonly(data.converged.values.mean(axis=0)),
        noisy="moved" in data,
    )


def mean_and_error(values: Array) -> tuple[Array, Array, NDArray[np.int64]]:
    """Mean over seeds (the first axis), its standard error (NaN for one seed) and how many had a number.

    >>> mean, error, count = mean_and_error(np.array([[1.0, 4.0], [3.0, np.nan]]))
    >>> mean.tolist(), error.tolist(), count.tolist()
    ([2.0, 4.0], [1.0, nan], [2, 1])
    """
    known = np.isfinite(values)
    count = np.count_nonzero(known, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        square = np.where(known, values - mean, 0.0) ** 2
        error = np.sqrt(square.sum(axis=0) / (count - 1) / count)
    return mean, np.where(count > 1, error, np.nan), count


def _abscissa(data: "xarray.Dataset", temperature: Array, total: float) -> Array:
    """The temperatures, or those that a learned decoder variance has led to."""
    shape = (data.sizes["seed"], len(temperature))
    if "price" in data and trained_with(data).get("learned_variance"):
        return readonly(data.price.transpose("seed", "temperature").values / total)
    return readonly(np.broadcast_to(temperature, shape))


def _to_go(data: "xarray.Dataset") -> Array:
    """(seeds, temperatures, latents), in the scan's own order."""
    if "moved" in data:
        return np.asarray(data.moved.transpose("seed", "temperature", "latent").values)
    return np.zeros([data.sizes[dim] for dim in ("seed", "temperature", "latent")])


def _at_rest(data: "xarray.Dataset") -> NDArray[np.bool_]:
    """(seeds, temperatures, latents), in the scan's own order."""
    if "moved" in data:
        return np.asarray(_to_go(data) <= AT_REST)
    converged = data.converged.transpose("seed", "temperature").values
    return np.repeat(converged[..., None], data.sizes["latent"], axis=-1)


def _not_waiting(data: "xarray.Dataset", models: LinearVAE) -> NDArray[np.bool_]:
    """By rank: False for the latents next in line where some still have to wake."""
    latents = data.sizes["latent"]
    if "waiting" not in data:
        return np.ones((*models.signal_fraction.shape[:2], latents), dtype=bool)
    alive = np.count_nonzero(models.signal_fraction > ALIVE, axis=-1)[..., None]
    waiting = data.waiting.transpose("seed", "temperature").values[..., None]
    rank = np.arange(latents)
    return np.asarray((rank < alive) | (rank >= alive + waiting))
