"""Does a model trained on few samples collapse where random-matrix theory says, and does it find the true direction?

Spiked Gaussian data are drawn anew for each ratio n/d and each seed, and models are trained on
them over a few temperatures. Thresholds come from the ends of the trained branches
(`branches`), the overlap from the decoder's column at the coldest temperature; no eigenvector
of the data is used. The means over seeds are compared with the closed forms of `numeric.spiked`
(its docstring has sources and domain; dataset size in linear VAEs: Ichikawa & Hukushima,
arXiv:2310.15440).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import Count, Range, Seed, checked, numbers
from landau_vae.display import Array, Column, Numbers, Result, Table, readonly, significant
from landau_vae.errors import InputError
from landau_vae.limits import FINITE_SIZE, SIZE_CONFIDENCE
from landau_vae.numeric._spiked import Spiked, population_threshold, spiked
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training._scan import scan
from landau_vae.training.schema import Trainer, which_seeds
from landau_vae.verification._branches import branches

AROUND = np.geomspace(0.3, 1.7, 7)  # temperatures, in units of each predicted threshold
MOST = 10**9  # samples


@dataclass(frozen=True, eq=False)
class DatasetSize(Result):
    """Thresholds and overlaps of trained models against `predicted`, by ratio n/d; thresholds are prices."""

    json_fields = ("agrees", "ratio", "threshold", "overlap", "recovered", "converged", "verdict", "predicted")
    predicted: tuple[Spiked, ...] = field(repr=False)  #: the closed forms, one per ratio
    threshold: Array  #: from trained branches, (ratios, seeds, spikes), data² per nat; NaN: no end within the grid
    overlap: Array  #: squared, of decoder column k with spike k, (ratios, seeds, spikes)
    converged: Array  #: (ratios,), share of the models that trained to their tolerance

    @property
    def ratio(self) -> Array:
        """Ratio α = n/d, (ratios,)."""
        return readonly([theory.aspect for theory in self.predicted])

    @cached_property
    def recovered(self) -> Array:
        """Population thresholds by inverting the trained ones, (ratios, seeds, spikes); NaN within the noise."""
        pairs = zip(self.threshold, self.predicted, strict=True)
        return readonly([population_threshold(x, t.noise, t.samples, t.features) for x, t in pairs])

    @cached_property
    def verdict(self) -> NDArray[np.str_]:
        """Verdict of each spike, (ratios, spikes): agrees, disagrees, or not resolved.

        Not resolved: closer to the transition than finite size allows, a branch that does not
        end within the grid, or errors so large that the population's values agree as well.
        A spike without an overlap, of a model that diverged, disagrees.
        """
        per_n = np.array([[FINITE_SIZE / theory.samples] for theory in self.predicted])
        limit, expected, population = (self._theory(x) for x in ("threshold", "expected_threshold", "population"))
        overlap, chance = self._theory("overlap"), self._theory("chance_overlap")
        threshold = _compare(self.threshold, expected, expected, per_n * limit, population)
        aligned = _compare(self.overlap, overlap, overlap + chance, per_n * overlap, np.ones_like(overlap))
        worst = np.where((threshold == "agrees") & (aligned == "agrees"), "agrees", "not resolved")
        worst = np.where((threshold == "disagrees") | (aligned == "disagrees"), "disagrees", worst)
        worst = np.where(self._theory("blurred"), "not resolved", worst)
        return readonly(np.where(np.isfinite(self.overlap).all(axis=1), worst, "disagrees"), np.str_)

    @property
    def agrees(self) -> bool:
        """Whether something was resolved and nothing disagrees."""
        return bool(np.any(self.verdict == "agrees") and not np.any(self.verdict == "disagrees"))

    def __repr__(self) -> str:
        ends, count = self.ratio[[0, -1]], np.count_nonzero(self.verdict == "agrees")
        return f"DatasetSize(n/d = {ends[0]:g} … {ends[1]:g}, {count} of {self.verdict.size} agree)"

    def content(self) -> Iterable[str | Table]:
        """Yield the table by ratio and spike: closed forms, mean ± standard error over seeds, verdict."""
        spikes, samples = self.verdict.shape[1], [theory.samples for theory in self.predicted]
        yield repr(self)
        yield Table(
            [
                Column("n/d", np.repeat(self.ratio, spikes)),
                Column("n", np.repeat(samples, spikes)),
                Column("population", self._theory("population").ravel(), _four),
                Column("collapses at τ", self._theory("expected_threshold").ravel(), _four),
                Column("trained", _mean_error(self.threshold).reshape(-1, 2), _with_error),
                Column("overlap²", self._theory("overlap").ravel(), _four),
                Column("trained", _mean_error(self.overlap).reshape(-1, 2), _with_error),
                Column("recovered", _mean_error(self.recovered).reshape(-1, 2), _with_error),
                Column("verdict", self.verdict.ravel()),
            ],
            note=self._note(),
        )

    def _note(self) -> str:
        first, seeds = self.predicted[0], self.threshold.shape[1]
        lines = [f"Mean ± standard error over {seeds} sets of {first.features} features, noise {first.noise:g}."]
        if np.any(self.converged < 1):
            lines.append(f"{1 - self.converged.mean():.1%} of the models were not trained to their tolerance.")
        visible = ", ".join(significant(alpha) for alpha in first.critical_aspect)
        lines.append(f"A spike is visible above n/d = {visible}; below, its latent encodes noise alone.")
        return "\n".join(lines)

    def _theory(self, name: str) -> NDArray[Any]:
        """Return a quantity of the closed forms, (ratios, spikes)."""
        return np.stack([getattr(theory, name) for theory in self.predicted])


@checked
def dataset_size(
    spikes: Numbers = (0.5,),
    noise: float = 1.0,
    *,
    features: Annotated[int, Range(1, 100_000)] = 100,
    ratios: Numbers = (0.5, 1, 2, 4, 8, 16, 32, 64),
    seeds: Count | Sequence[Seed] = range(16),
    trainer: Trainer | None = None,
) -> DatasetSize:
    """Train on samples of spiked data of several sizes and compare with the closed forms.

    Parameters
    ----------
    spikes : array, default (0.5,)
        Variances of the spikes, beyond the noise. Each has a latent and a random direction.
    noise : float, default 1
        Variance of the noise in every direction.
    features : int, default 100
        d.
    ratios : array
        n/d of the training sets.
    seeds : int or sequence of int, default range(16)
        How many, from 0 on, or which: each draws a training set of its own. With few of them
        little is resolved: the interval is Student's.
    trainer : Trainer, default Exact()
        As for `scan`.

    Returns
    -------
    DatasetSize

    Raises
    ------
    InputError
        For fewer than two seeds or samples, or what `spiked` refuses.

    Examples
    --------
    >>> dataset_size([0.5], ratios=[1, 16], seeds=range(8))
    DatasetSize(n/d = 1 … 16, 2 of 2 agree)
    """
    first = spiked(spikes, noise, 2, features)  # complains of them before anything is trained
    alpha = np.atleast_1d(numbers(ratios, "ratios"))
    if alpha.ndim != 1 or alpha.size == 0 or not np.all((alpha * features >= 2) & (alpha < MOST / features)):
        expected = f"finite numbers n/d from {2 / features:g} on (two samples)"
        raise InputError(f"ratios is {ratios!r:.100}, but {expected} are expected.", "ratios")
    places = which_seeds(seeds)
    if len(places) < 2:
        raise InputError(f"seeds is {list(places)}, but at least two different ones are expected: range(16).", "seeds")
    predicted = tuple(spiked(first.spikes, noise, round(a * features), features) for a in np.sort(alpha))
    results = [_train(theory, seed, trainer) for theory in predicted for seed in places]
    shape = (len(predicted), len(places), -1)
    threshold, overlap, converged = (np.array(values).reshape(shape) for values in zip(*results, strict=True))
    return DatasetSize(predicted, *map(readonly, (threshold, overlap, converged.mean(axis=(1, 2)))))


def _train(theory: Spiked, seed: int, trainer: Trainer | None) -> tuple[Array, Array, float]:
    """Train on one training set; return thresholds and squared overlaps (spikes,), and the share that converged."""
    rng, k = np.random.default_rng([seed, theory.samples, theory.features]), len(theory.spikes)
    directions = np.linalg.qr(rng.standard_normal((theory.features, k)))[0]
    rows = theory.noise**0.5 * rng.standard_normal((theory.samples, theory.features))
    rows += (rng.standard_normal((theory.samples, k)) * np.sqrt(theory.spikes)) @ directions.T
    spectrum = Spectrum.from_covariance(np.cov(rows.T, bias=True), samples=theory.samples)
    # A table with fewer rows than columns would be trained on in its Gram space, where features have no directions.
    source = rows if theory.samples > theory.features else spectrum
    temperature = np.unique(np.outer(theory.threshold, AROUND) / spectrum.total_variance)
    models = scan(source, temperature, latents=k, seeds=(seed,), trainer=trainer)
    measured = branches(models, spectrum)
    coldest = models.isel(seed=0).sortby("temperature").isel(temperature=0)
    order = np.argsort(-coldest.signal_fraction.values, kind="stable")
    decoder = coldest.decoder.transpose("feature", "latent").values[:, order]  # i: feature, k: latent
    cosine = np.einsum("ik,ik->k", decoder, directions) / np.linalg.norm(decoder, axis=0)
    return measured.thresholds * spectrum.total_variance, np.square(cosine), float(measured.converged.mean())


def _mean_error(values: Array) -> Array:
    """Return mean and standard error over seeds, (ratios, spikes, 2); NaN where one is NaN."""
    return np.stack([values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])], axis=-1)


def _four(value: float) -> str:
    return significant(value, 4)


def _with_error(pair: Array) -> str:
    return f"{_four(pair[0])} ± {significant(pair[1], 2)}" if np.isfinite(pair[0]) else "—"


def _compare(values: Array, low: Array, high: Array, correction: Array, population: Array) -> NDArray[np.str_]:
    """Return whether the mean over seeds lies within [low, high], give or take its error and the correction."""
    from scipy.special import stdtrit  # here, so that `import landau_vae` stays light

    mean, error = np.moveaxis(_mean_error(values), -1, 0)
    margin = stdtrit(values.shape[1] - 1, (1 + SIZE_CONFIDENCE) / 2) * error + correction
    distinct = margin < np.maximum(np.abs(low - population), np.abs(high - population))
    verdict = np.where(distinct & np.isfinite(mean), "agrees", "not resolved")
    return np.where((mean < low - margin) | (mean > high + margin), "disagrees", verdict)
