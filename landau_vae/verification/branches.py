"""What trained models alone say: the branches M²_k(T), the thresholds where they end, the utilities.

Latents are ranked by M² at each temperature; the k-th ranked ones form branch k. Its threshold is bracketed by
the last temperature at which it lives and the next one, and estimated by a straight line through its last
decade, extrapolated to M² = 0: slope and intercept are both free, so nothing of the theory but "a continuous,
linear end" goes in (J. Hirn, arXiv:2605.22691).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from landau_vae.errors import InputError
from landau_vae.numeric.equilibrium import Reconstruction, noise_power
from landau_vae.results import Array, readonly
from landau_vae.spectrum import Spectrum
from landau_vae.training.model import LinearVAE

if TYPE_CHECKING:
    import xarray

__all__ = ["Branches", "branches"]

ALIVE = 1e-3  # M² above which a latent lives: far above what training leaves (1e-5), far below the 0.1 of use
FIT_RANGE = 10.0  # the line goes through temperatures down to this factor below the branch's end


@dataclass(frozen=True, eq=False)
class Branches:
    """Ranked branches of a scan, temperatures ascending, seeds averaged where they are points of one branch."""

    models: LinearVAE  #: the trained models, (seeds, temperatures), latents ranked by falling M²
    temperature: Array  #: T, (temperatures,), ascending
    converged: Array  #: (temperatures,), share of the seeds that trained to their tolerance

    @cached_property
    def signal_fraction(self) -> Array:
        """M² of branch k, (temperatures, latents), mean over seeds."""
        return readonly(self.models.signal_fraction.mean(axis=0))

    @cached_property
    def brackets(self) -> Array:
        """(latents, 2): the last temperature at which branch k lives, the first beyond; 0 and ∞ outside the grid."""
        edges = np.concatenate([[0.0], self.temperature, [np.inf]])
        living = np.count_nonzero(np.maximum.accumulate((self.signal_fraction > ALIVE)[::-1], axis=0), axis=0)
        return readonly(np.stack([edges[living], edges[living + 1]], axis=1))

    @cached_property
    def thresholds(self) -> Array:
        """(latents,): where the line through the end of branch k meets zero; NaN where its end was not seen."""
        return readonly([self._line_end(k, *bracket) for k, bracket in enumerate(self.brackets)])

    def utility(self, reconstruction: Reconstruction) -> Array:
        """ΔD̃_k by ranked pruning, (temperatures, latents), mean over seeds: keep the first k, set the others to 0."""
        distortion = self.rank_distortion(reconstruction)
        return distortion[:, :-1] - distortion[:, 1:]

    def rank_distortion(self, reconstruction: Reconstruction) -> Array:
        """D̃ with the first 0 … K latents kept, (temperatures, K + 1), mean over seeds."""
        pruned = self.models.pruned_distortion(sampled=noise_power(reconstruction) == 1)
        return readonly(pruned.mean(axis=0) / np.trace(self.models.covariance))

    def _line_end(self, k: int, low: float, high: float) -> float:
        near = (self.temperature <= low) & (self.temperature >= low / FIT_RANGE)
        if not np.isfinite(high) or np.count_nonzero(near) < 2:
            return float("nan")
        slope, intercept = np.polyfit(self.temperature[near] / low, self.signal_fraction[near, k], 1)
        return float(-intercept / slope * low) if slope < 0 else float("nan")


def branches(scan: "xarray.Dataset", spectrum: Spectrum) -> Branches:
    """The ranked branches of a `scan` over data with this spectrum.

    >>> from landau_vae import scan
    >>> spectrum = Spectrum.from_eigenvalues([4, 1])
    >>> branches(scan(spectrum, np.geomspace(1, 0.01, 21)), spectrum).thresholds.round(5).tolist()
    [0.8, 0.2]
    """
    if scan.sizes["feature"] != len(spectrum.covariance):
        raise InputError(
            f"The models were trained on {scan.sizes['feature']} features, but the spectrum has "
            f"{len(spectrum.covariance)}: give the spectrum that was trained on."
        )
    data = scan.sortby("temperature").transpose("seed", "temperature", ...)
    temperature = readonly(data.temperature.values)
    models = LinearVAE(
        spectrum.covariance,
        temperature * scan.attrs["total_variance"],
        data.decoder.transpose(..., "feature", "latent").values,
        data.encoder.transpose(..., "latent", "feature").values,
        data.posterior_variance.values,
    )
    return Branches(models.ranked(), temperature, readonly(data.converged.values.mean(axis=0)))
