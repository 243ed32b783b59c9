"""The verdict of each mode, from deviations that are means over seeds with standard errors.

A deviation agrees if it is within the tolerance plus t standard errors. t is the two-sided 95 % point of Student's
distribution, with the degrees of freedom that the seeds give, shared out among all modes that are compared
(Bonferroni): in a scan of many modes the chance of one false alarm is 5 % at most. A mode is not resolved if that
allowance exceeds 10 % of its threshold or utility, or 0.3 of its exponent (which distinguishes 1 from ½ and 2). The
exponent itself may be off by 0.1 where training is noisy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from landau_vae.display import Array
from landau_vae.limits import CONFIDENCE, EXPONENT_ERROR, FITTED, RESOLVED, RESOLVED_EXPONENT
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.verification._branches import Branches

ROUNDING = 1e-6  # a difference of exactly the tolerance (T = T_k/10, say) agrees
RESOLUTION = np.array([RESOLVED, RESOLVED, RESOLVED_EXPONENT])  # of threshold, utility, exponent


@dataclass(frozen=True, eq=False)
class Deviation:
    """A relative difference between measurement and theory, by mode."""

    mean: Array  #: over seeds
    error: Array  #: standard error over seeds; NaN from one seed, 0 where training is exact
    count: NDArray[np.int64]  #: how many seeds had a number
    drawn: Array  #: standard error of the training set itself, as a sample of what it is compared with

    @property
    def total(self) -> Array:
        """Both errors together."""
        return np.hypot(self.error, self.drawn)

    @property
    def freedom(self) -> Array:
        """Degrees of freedom after Welch and Satterthwaite: only the error over seeds is uncertain."""
        seeds = np.maximum(self.count - 1, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.nan_to_num((self.error / self.total) ** 2, nan=1.0)
            return np.minimum(seeds / share**2, 1e9)

    def quantile(self, confidence: float) -> Array:
        """Return the point of Student's t, two-sided."""
        return np.asarray(stdtrit(self.freedom, 0.5 + confidence / 2))

    @property
    def p_value(self) -> Array:
        """Two-sided, of no deviation at all; NaN where there is no error."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(self.total > 0, np.abs(self.mean) / self.total, np.nan)
        return np.asarray(2 * stdtr(self.freedom, -ratio))


def interval(deviation: Deviation) -> Array:
    """Return the 95 % interval of a deviation, mode by mode, (modes, 2)."""
    half = deviation.quantile(CONFIDENCE) * deviation.total
    return np.stack([deviation.mean - half, deviation.mean + half], axis=-1)


def sampling_error(spectrum: Spectrum, trained_on: Spectrum | None, samples: int, modes: int) -> Array:
    """Return the relative standard error of λ_k/V of n Gaussian samples; 0 against the training set itself."""
    if trained_on is None or not samples:
        return np.zeros(modes)
    same = trained_on.modes >= modes
    if same and np.allclose(trained_on.normalized[:modes], spectrum.normalized[:modes], rtol=1e-6):
        return np.zeros(modes)
    return gaussian_error(spectrum, samples)[:modes]


def gaussian_error(spectrum: Spectrum, samples: int) -> Array:
    """Return the relative standard error of each λ_k/V of n Gaussian samples, not standardised, (modes,).

    λ̂_k/V̂ has the influence function (y_k² − λ_k)/V − λ_k (‖x‖² − V)/V² with y_k normal of variance λ_k, so that
    n (s.e.)²/(λ_k/V)² = 2 (1 − 2 λ_k/V + Σ_i (λ_i/V)²).
    """
    share = spectrum.normalized
    return np.sqrt(2 * (1 - 2 * share + np.sum(share**2)) / samples)


def judge(
    measured: Branches, pca: Array, deviations: list[Deviation], law: Array, pca_error: Array, tolerance: float
) -> tuple[str, ...]:
    """Return the verdict of each mode, from the deviations of threshold, utility and exponent."""
    modes, room = len(pca), tolerance * (1 + ROUNDING)
    seen = ~np.isnan(deviations[0].mean)
    shared = 1 - (1 - CONFIDENCE) / max(1, int(np.count_nonzero(seen)))
    allowances = np.stack([deviation.quantile(shared) * deviation.total for deviation in deviations])
    means = np.abs(np.stack([deviation.mean for deviation in deviations]))
    rooms = np.array([[room], [room], [max(room, EXPONENT_ERROR) if measured.noisy else room]])
    within = np.all(np.isnan(means) | (means <= rooms + np.nan_to_num(allowances)), axis=0) & (law <= room)
    if not measured.noisy:
        within &= np.isnan(pca_error) | (np.abs(pca_error) <= room)
        failure = "disagrees" if measured.converged.min() == 1 else "not converged"
        return tuple(np.where(within, np.where(seen, "agrees", "outside the grid"), failure).tolist())
    resolved = np.all(np.isnan(means) | (allowances <= RESOLUTION[:, None]), axis=0)
    within = np.where(seen, within, law <= room)  # without a line there is only the law to be broken
    active = measured.temperature[:, None] < (1 - FITTED) * pca  # (temperatures, modes)
    points, rest = np.count_nonzero(active, axis=0), measured.at_rest[..., :modes]
    settled = np.count_nonzero(active & rest, axis=(0, 1)) > len(rest) * points / 2
    warmest = np.isinf(measured.brackets[:modes, 1])  # active at the warmest temperature
    first_that_holds = {  # what is not resolved is kept apart from what is wrong
        "agrees": seen & within & (resolved | (len(rest) == 1)),
        "outside the grid": ~seen & (warmest | (points < 2)),
        "not converged": ~settled | (~seen & within),
        "not resolved": seen & (within | ~resolved),
    }
    return tuple(np.select(list(first_that_holds.values()), list(first_that_holds), "disagrees").tolist())
