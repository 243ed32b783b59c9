"""Does a model trained on few samples die where random-matrix theory says, and does it know the true direction?

Spiked Gaussian data are drawn anew for each ratio n/d and each seed, and models are trained on them over a few
temperatures. Thresholds come from the ends of the trained branches (`branches`), the overlap from the decoder's column
at the coldest temperature; no eigenvector of the data is asked. The means over seeds are held against the closed forms
of `numeric.spiked` (its docstring has sources and domain; dataset size in linear VAEs: Ichikawa & Hukushima,
arXiv:2310.15440).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.tables import as_numbers
from landau_vae.display import Array, jsonable, readonly, significant, table
from landau_vae.errors import InputError
from landau_vae.numeric._spiked import Spiked, population_threshold, spiked
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training._scan import scan
from landau_vae.training.schema import Trainer
from landau_vae.verification._branches import branches

__all__ = ["DatasetSize", "dataset_size"]

CONFIDENCE = 0.999  # of the Student interval that a prediction has to miss to be refuted
CORRECTION = 3.0  # closed forms are limits: 3/n of them is left to finite size (1/n of it: data are centred)
AROUND = np.geomspace(0.3, 1.7, 7)  # temperatures, in units of each predicted threshold


@dataclass(frozen=True, eq=False)
class DatasetSize:
    """Thresholds and overlaps of trained models against `predicted`, by ratio n/d; thresholds are prices."""

    predicted: tuple[Spiked, ...] = field(repr=False)  #: the closed forms, one per ratio
    threshold: Array  #: from trained branches, (ratios, seeds, spikes), data² per nat; NaN: no end within the grid
    overlap: Array  #: squared, of decoder column k with spike k, (ratios, seeds, spikes)
    converged: Array  #: (ratios,), share of the models that trained to their tolerance

    @property
    def ratio(self) -> Array:
        """α = n/d, (ratios,)."""
        return readonly([theory.aspect for theory in self.predicted])

    @cached_property
    def recovered(self) -> Array:
        """Population thresholds by inverting the trained ones, (ratios, seeds, spikes); NaN within the noise."""
        pairs = zip(self.threshold, self.predicted, strict=True)
        return readonly([population_threshold(x, t.noise, t.samples, t.features) for x, t in pairs])

    @cached_property
    def verdict(self) -> NDArray[np.str_]:
        """(ratios, spikes): agrees, disagrees, or not resolved.

        Not resolved: closer to the transition than finite size allows, a branch that does not end within the grid, or
        errors so large that the population's values agree as well.
        """
        per_n = np.array([[CORRECTION / theory.samples] for theory in self.predicted])
        limit, expected, population = (self._theory(x) for x in ("threshold", "expected_threshold", "population"))
        overlap, chance = self._theory("overlap"), self._theory("chance_overlap")
        words = np.stack(
            [
                _compare(self.threshold, expected, expected, per_n * limit, population),
                _compare(self.overlap, overlap, overlap + chance, per_n * overlap, np.ones_like(overlap)),
            ]
        )
        worst = np.where((words == "agrees").all(axis=0), "agrees", "not resolved")
        worst = np.where((words == "disagrees").any(axis=0), "disagrees", worst)
        return readonly(np.where(self._theory("blurred"), "not resolved", worst), np.str_)

    @property
    def agrees(self) -> bool:
        """Whether something was resolved and nothing disagrees."""
        return bool(np.any(self.verdict == "agrees") and not np.any(self.verdict == "disagrees"))

    def __repr__(self) -> str:
        ends, count = self.ratio[[0, -1]], np.count_nonzero(self.verdict == "agrees")
        return f"DatasetSize(n/d = {ends[0]:g} … {ends[1]:g}, {count} of {self.verdict.size} agree)"

    def summary(self) -> str:
        """The table by ratio and spike: closed forms, mean ± standard error over seeds, verdict."""
        header = ["n/d", "n", "population", "dies at τ", "trained", "overlap²", "trained", "recovered", "verdict"]
        measured = [_mean_error(values) for values in (self.threshold, self.overlap, self.recovered)]
        rows = []
        for i, k in np.ndindex(self.verdict.shape):
            theory = self.predicted[i]
            dies, overlap, population = (_with_error(float(m[i, k]), float(e[i, k])) for m, e in measured)
            limits = (theory.population, theory.expected_threshold, theory.overlap)
            before, dies_at, overlap_at = (significant(float(values[k]), 4) for values in limits)
            row = [significant(theory.aspect), str(theory.samples), before, dies_at, dies, overlap_at, overlap]
            rows.append([*row, population, str(self.verdict[i, k])])
        first, seeds = self.predicted[0], self.threshold.shape[1]
        lines = [repr(self), table(header, rows)]
        lines.append(f"Mean ± standard error over {seeds} sets of {first.features} features, noise {first.noise:g}.")
        if np.any(self.converged < 1):
            lines.append(f"{1 - self.converged.mean():.1%} of the models were not trained to their tolerance.")
        seen = ", ".join(significant(float(alpha)) for alpha in first.critical_aspect)
        return "\n".join([*lines, f"A spike is seen above n/d = {seen}; below, its latent encodes pure noise."])

    def to_dict(self) -> dict[str, Any]:
        """Numbers and arrays as strict JSON."""
        names = ["agrees", "ratio", "threshold", "overlap", "recovered", "converged", "verdict"]
        predicted = [theory.to_dict() for theory in self.predicted]
        return jsonable({**{name: getattr(self, name) for name in names}, "predicted": predicted})

    def _theory(self, name: str) -> NDArray[Any]:
        """A quantity of the closed forms, (ratios, spikes)."""
        return np.stack([getattr(theory, name) for theory in self.predicted])


def dataset_size(
    spikes: ArrayLike = (0.5,),
    noise: float = 1.0,
    *,
    features: int = 100,
    ratios: ArrayLike = (0.5, 1, 2, 4, 8, 16, 32, 64),
    seeds: int | Sequence[int] = range(16),
    trainer: Trainer | None = None,
) -> DatasetSize:
    """Train on n = `ratios` × `features` samples of spiked data, once per seed, and compare with the closed forms.

    `spikes` and `noise` are variances (see `numeric.spiked`), each spike has a latent and a random direction. The
    `trainer` is that of `scan`. With few seeds little is resolved: the interval is Student's. Raises `InputError`
    for fewer than two seeds or samples, or what `spiked` refuses.

    >>> dataset_size([0.5], ratios=[1, 16], seeds=range(8))
    DatasetSize(n/d = 1 … 16, 2 of 2 agree)
    """
    first = spiked(spikes, noise, 2, features)  # complains of them before anything is trained
    alpha = np.atleast_1d(as_numbers(ratios, "The ratios"))
    if alpha.ndim != 1 or alpha.size == 0 or not np.all(np.isfinite(alpha) & (alpha * features >= 2)):
        raise InputError(
            f"The ratios n/d are {ratios!r}, but finite numbers from {2 / features:g} on (two samples) are expected."
        )
    seeds = (seeds,) if isinstance(seeds, int) else tuple(seeds)
    if len(set(seeds)) < max(2, len(seeds)) or any(seed != int(seed) or seed < 0 for seed in seeds):
        raise InputError(
            f"The seeds are {list(seeds)}, but at least two different whole numbers are expected: range(16)."
        )
    predicted = tuple(spiked(first.spikes, noise, round(a * features), features) for a in np.sort(alpha))
    found = [_train(theory, seed, trainer) for theory in predicted for seed in seeds]
    shape = (len(predicted), len(seeds), -1)
    threshold, overlap, converged = (np.array(values).reshape(shape) for values in zip(*found, strict=True))
    return DatasetSize(predicted, readonly(threshold), readonly(overlap), readonly(converged.mean(axis=(1, 2))))


def _train(theory: Spiked, seed: int, trainer: Trainer | None) -> tuple[Array, Array, float]:
    """Thresholds and squared overlaps (spikes,) of models trained on one training set, and how many converged."""
    rng, k = np.random.default_rng([seed, theory.samples, theory.features]), len(theory.spikes)
    directions = np.linalg.qr(rng.standard_normal((theory.features, k)))[0]
    rows = theory.noise**0.5 * rng.standard_normal((theory.samples, theory.features))
    rows += (rng.standard_normal((theory.samples, k)) * np.sqrt(theory.spikes)) @ directions.T
    spectrum = Spectrum.from_covariance(np.cov(rows.T, bias=True), samples=theory.samples)
    # A table with fewer rows than columns would be trained on in its Gram space, where features have no directions.
    source = rows if theory.samples > theory.features else spectrum
    price = np.unique(np.outer(theory.threshold, AROUND))
    models = scan(source, price / spectrum.total_variance, latents=k, seeds=(seed,), trainer=trainer)
    measured = branches(models, spectrum)
    decoder = measured.models.decoder[0, 0]  # i: feature, k: latent
    cosine = np.einsum("ik,ik->k", decoder, directions) / np.linalg.norm(decoder, axis=0)
    return measured.thresholds * spectrum.total_variance, np.square(cosine), float(measured.converged.mean())


def _mean_error(values: Array) -> tuple[Array, Array]:
    """Mean and standard error over seeds, (ratios, spikes); NaN where one is NaN."""
    return values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])


def _with_error(mean: float, error: float) -> str:
    return f"{significant(mean, 4)} ± {significant(error, 2)}" if np.isfinite(mean) else "—"


def _compare(values: Array, low: Array, high: Array, correction: Array, population: Array) -> NDArray[np.str_]:
    """Whether the mean over seeds lies within [low, high], give or take its error and the correction."""
    from scipy.special import stdtrit  # here, so that `import landau_vae` stays light

    mean, error = _mean_error(values)
    margin = stdtrit(values.shape[1] - 1, (1 + CONFIDENCE) / 2) * error + correction
    told_apart = margin < np.maximum(np.abs(low - population), np.abs(high - population))
    words = np.where(told_apart & np.isfinite(mean), "agrees", "not resolved")
    return np.where((mean < low - margin) | (mean > high + margin), "disagrees", words)
