"""The posteriors of a trained model, as arrays from any framework → moments, in one pass and without a copy.

    q(z_k | x_i) = N(μ_ik, σ²_ik)     M²_k = ⟨μ_k²⟩/(⟨μ_k²⟩ + ⟨σ_k²⟩)     R_k = ½⟨μ_k² + σ_k² − 1 − ln σ_k²⟩

Rows are processed in blocks that stay in the cache, in double precision whatever comes
in; the second moments of data and means are taken together. Arrays that are not what
their names say are refused, as far as their numbers show it: a σ² is positive, ln σ² is
below zero where a latent is active, and under the right name ⟨μ²⟩ + ⟨σ²⟩ of each latent
is 1 in a converged model. Source of M²: J. Hirn, arXiv:2605.22691.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.gram import Gram
from landau_vae.data.moments import Moments, SecondMoments, spacing
from landau_vae.data.tables import nonfinite_problem
from landau_vae.diagnosis.totals import Rows, Spread, Totals
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.limits import ACTIVE
from landau_vae.loss.sampler import AT_BOUND, PLAIN, Sampler

CONSTANT = 8 * np.finfo(float).eps  # spread of a mean, in units of its size, that is rounding
CHECKED_ROWS = 1024  # rows, evenly spread, by which the names of the arrays are checked
FOUND = 0.3  # |ln A²| of every latent up to which another name may be the right one
FITS, OFF = 0.05, 0.1  # |ln A²| that every latent keeps under its right name, and that a wrong name exceeds
BELOW_ZERO = 0.05  # by how much a log-variance is below zero on average where a latent is active
TINY = np.finfo(float).tiny
ROWS_STREAM = 0x726F77  # of the choice of rows
SAME = 1e-5  # relative spread of σ² that rounding in float32 leaves
WIDEST = 2.0  # a variance that no encoder's average exceeds


@dataclass(frozen=True, eq=False)
class Posterior:
    """Moments of n posteriors of K latents."""

    samples: int  #: n
    offset: Array  #: ⟨μ_k⟩, (K,)
    covariance: Array  #: of μ over the rows, (K, K)
    variance: Array  #: ⟨σ_k²⟩, (K,)
    rate: Array  #: R_k, (K,), nats
    quiet: Array  #: share of rows whose KL is below ε, (K,)
    narrowest: Array  #: least σ²_k of all rows, (K,)
    widest: Array  #: largest σ²_k of all rows, (K,)
    lowest: Array  #: least μ_k of all rows, (K,)
    highest: Array  #: largest μ_k of all rows, (K,)
    fourth: Array  #: ⟨σ_k⁴⟩, (K,)
    sampler: Sampler = PLAIN  #: how z is drawn

    @property
    def noise(self) -> Array:
        """⟨N_k⟩, variance of the noise that z is drawn with, (K,); that of the posterior by the usual sampler."""
        s = self.sampler
        return s.noise_scale**2 * (self.fourth if s.log_std else self.variance)

    @property
    def scale(self) -> Array:
        """A² where noise and posterior are one, else what takes its place, (K,): 1 at rest."""
        return self.sampler.power * self.mean_square + self.variance

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """Whether σ_k² of some row is at a bound of its head, (K,): then `scale` is not known at rest."""
        low, high = self.sampler.bounds
        return np.asarray((self.narrowest <= low * (1 + AT_BOUND)) | (self.widest >= high * (1 - AT_BOUND)))

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Whether σ_k is the same in all rows, (K,), as in a linear VAE."""
        return self.widest - self.narrowest <= SAME * self.variance

    @property
    def frozen(self) -> bool:
        """Whether σ is one number in all rows and latents."""
        return bool(self.widest.max() - self.narrowest.min() <= SAME * self.variance.min())

    @property
    def latents(self) -> int:
        """Number of latents, K."""
        return len(self.offset)

    @property
    def mean_variance(self) -> Array:
        """Var μ_k over the rows, (K,)."""
        return self.covariance.diagonal()

    @property
    def mean_square(self) -> Array:
        """⟨μ_k²⟩, (K,)."""
        return self.mean_variance + self.offset**2

    @property
    def second_moment(self) -> Array:
        """A²_k = ⟨μ_k²⟩ + ⟨σ_k²⟩, (K,): 1 wherever training has found the best scale of a latent."""
        return self.mean_square + self.variance

    @property
    def farthest(self) -> Array:
        """Largest |μ_k| of all rows, (K,)."""
        return np.maximum(-self.lowest, self.highest)

    @property
    def ranking(self) -> NDArray[np.intp]:
        """The latents by falling M², (K,), counted from 0."""
        return np.argsort(-self.signal_fraction, kind="stable")

    @property
    def signal_fraction(self) -> Array:
        """M²_k, (K,), of μ about its mean: an offset that all rows share encodes nothing."""
        return self.mean_variance / (self.mean_variance + self.noise)


def averages(totals: Totals, kind: Spread, sampler: Sampler = PLAIN) -> Posterior:
    """Return the averages of sums; nothing is left of a mean that is constant up to rounding."""
    K, n, moments = len(totals.rate), totals.joint.weight, totals.joint
    offset, covariance = moments.mean[-K:], moments.scatter[-K:, -K:] / n
    constant = covariance.diagonal() <= np.square(CONSTANT * offset)
    covariance[constant, :] = covariance[:, constant] = 0.0
    variance, rate, quiet, fourth = (each / n for each in (totals.variance, totals.rate, totals.quiet, totals.fourth))
    narrowest, widest = (deviation(each, kind) ** 2 for each in (totals.least, -totals.most))
    ends = narrowest, widest, totals.lowest, -totals.highest
    return Posterior(round(n), offset, covariance, variance, rate, quiet, *ends, fourth, sampler)


class Reading(NamedTuple):
    """Posteriors and the data that were encoded."""

    posterior: Posterior
    moments: SecondMoments  # of the data
    cross: Array | None  # ⟨(x − x̄) μᵀ⟩, (d, K); None where there are fewer rows than features


def read_posterior(mu: Rows, spread: Rows, kind: Spread, sampler: Sampler = PLAIN) -> Posterior:
    """Check the arrays and return their moments."""
    _check_shapes(mu, spread, kind, len(mu))
    return _read(mu, spread, kind, mu[:, :0], sampler)[0]


def read_with_data(mu: Rows, spread: Rows, kind: Spread, data: Rows, sampler: Sampler = PLAIN) -> Reading:
    """Check the arrays and return their moments and those of the data, from one pass over all of them."""
    n, d = data.shape
    _check_shapes(mu, spread, kind, n, d)
    if n < d:  # a d × d matrix would be larger than the data: the Gram matrix of the rows takes its place
        reading = Reading(read_posterior(mu, spread, kind, sampler), Gram(data), None)
    else:
        posterior, joint = _read(mu, spread, kind, data, sampler)
        cross = joint.covariance[:d, d:]
        cross[:, posterior.mean_variance == 0] = 0.0
        reading = Reading(posterior, joint.select(range(d)), cross)
    if not reading.moments.finite:
        raise nonfinite_problem([data], None)
    return reading


def some_rows(n: int, most: int) -> NDArray[np.intp]:
    """Return at most so many of n rows, by chance, so that no period of the data matters, in their order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(ROWS_STREAM).choice(n, most, replace=False))


def evenly(n: int, most: int) -> NDArray[np.intp]:
    """Return at most so many of n rows, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.intp))


def deviation(spread: Rows, kind: Spread) -> Array:
    """Return σ, whatever the array holds."""
    values = np.asarray(spread, dtype=np.float64)
    return np.exp(values / 2) if kind == "log_variance" else np.sqrt(values) if kind == "variance" else values


def _read(mu: Rows, spread: Rows, kind: Spread, data: Rows, sampler: Sampler) -> tuple[Posterior, Moments]:
    """Return the moments of the posteriors, and the joint second moments of [x, μ]."""
    K, features = mu.shape[1], data.shape[1]
    joint = Moments(features + K)
    joint.precision = spacing(data.dtype)  # of the data, whose spectrum is taken
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):  # the result is looked at
        totals = Totals(K, joint)
        for part in totals.blocks(len(mu)):
            totals.add(mu[part], spread[part], kind, data[part])
            if not totals.finite and (problem := _nonfinite(mu, spread, kind)):
                raise problem
            if kind != "log_variance" and (least := float(totals.least.min())) <= 0:
                raise _not_positive(kind, least, swapped=bool(np.min(mu) > 0))
        if kind == "log_variance" and sampler.bounds[0] < 1:
            _check_logs(mu, spread, float(totals.least.min()))
        posterior = averages(totals, kind, sampler)
        if not (totals.finite and np.isfinite(posterior.covariance).all() and np.all(posterior.variance > TINY)):
            raise InputError(
                f"The posteriors are beyond what can be computed, with means from {float(mu.min()):.3g} to "
                f"{float(mu.max()):.3g} and a {kind} from {float(spread.min()):.3g} to {float(spread.max()):.3g}: "
                "see whether training has diverged."
            )
        if sampler.plain:  # of others A² is another number
            other = posterior.fourth if kind != "std" else totals.deviation / len(mu)
            _check_name(kind, posterior.mean_square, posterior.variance, other)
    return posterior, joint


# ---------------------------------------------------------------------------- what is wrong with the arrays


def _check_shapes(mu: Rows, spread: Rows, kind: Spread, rows: int, features: int | None = None) -> None:
    (n, K), problem = mu.shape, ""
    if mu.shape != spread.shape:
        problem = f"The mean has shape {mu.shape}, but the {kind} has {spread.shape}: both are samples × latents"
    elif n != rows:
        hint = " (is one of them transposed?)" if n == features or rows == K else ""
        problem = f"There are {n} posteriors, but {rows} rows of data: give the rows that were encoded, in order{hint}"
    elif n <= K:
        hint = " (or are the arrays transposed?)" if n < K else ""
        problem = f"There are {n} posteriors of {K} latents, but more rows than latents are needed{hint}"
    if problem:
        raise InputError(f"{problem}.")


def _nonfinite(mu: Rows, spread: Rows, kind: Spread) -> InputError | None:
    for name, array in (("mean", mu), (kind, spread)):
        if not np.isfinite(array).all():
            return InputError(f"The {name} of the posterior cannot be used. {nonfinite_problem([array], None)}")
    return None


def _not_positive(kind: Spread, least: float, *, swapped: bool) -> InputError:
    """Return the error for a spread that is not positive."""
    advice = "if these are log-variances, say so (log_variance=…; encoders often return them)."
    if swapped:
        advice = f"mean and {kind} look swapped, because every mean is positive: give mean=μ and {kind}=… by name."
    elif least == 0:
        advice = f"float16 rounds variances below 6e-8 to zero. Or {advice}"
    return InputError(f"A {kind} of a posterior is positive, but the least is {least:.6g}: {advice}")


def _check_logs(mu: Rows, spread: Rows, least: float) -> None:
    """Raise an error for log-variances that look like something else in a thousand rows."""
    rows = evenly(len(mu), CHECKED_ROWS)
    means, logs = mu[rows].astype(np.float64), spread[rows].astype(np.float64)
    if _swapped(means, logs):
        raise InputError(
            "Mean and log_variance look swapped: the array called mean is below zero, like ln σ² of an active latent. "
            "Give mean=μ and log_variance=ln σ²."
        )
    square, average = np.square(means).mean(axis=0), logs.mean(axis=0)
    variances = (np.exp(logs), logs, np.square(logs))  # σ² if they are what they are called, variances, deviations
    stated, *others = (_scale_error(square + each.mean(axis=0)) for each in variances)
    fitting = min(others, key=np.max)
    if least > 0 and average.max() < WIDEST and fitting.max() < FOUND and np.median(fitting) < np.median(stated):
        raise InputError(
            f"Every log-variance is positive ({logs.min():.3g} … {logs.max():.3g}), every posterior wider than the "
            "prior: if these are variances or standard deviations, say so (variance=… or std=…)."
        )


def _check_name(kind: Spread, mean_square: Array, variance: Array, other: Array) -> None:
    """Raise an error where variances and standard deviations are mistaken for one another.

    Under the right name A² is 1 in a converged model; `other` is ⟨σ²⟩ if they are
    mistaken, (K,).
    """
    stated, right = _scale_error(mean_square + variance), _scale_error(mean_square + other)
    if right.max() < FITS and np.count_nonzero(stated > OFF) > 1:
        better = {"variance": "standard deviations: give std=…", "std": "variances: give variance=…",
                  "log_variance": "ln σ, logarithms of standard deviations: give std=np.exp(…)"}  # fmt: skip
        raise InputError(
            f"The {kind} does not fit the mean: ⟨μ²⟩ + ⟨σ²⟩, which is 1 for each latent of a converged model, is up to "
            f"{np.exp(stated.max()):.2g}-fold off, but is 1 for all of them if these are {better[kind]}."
        )


def _scale_error(second_moment: Array) -> Array:
    """Return |ln A²| of each latent, (K,)."""
    return np.abs(np.log(second_moment))


def _swapped(means: Array, logs: Array) -> bool:
    """Return whether means and log-variances look swapped, in every latent that would then be active."""
    signal = np.square(logs).mean(axis=0)
    active = signal > ACTIVE * (signal + np.exp(means).mean(axis=0))
    below = (means.mean(axis=0) < -BELOW_ZERO) & ((means < 0).mean(axis=0) > 0.99)
    evenly = np.abs(logs.mean(axis=0)) < 0.3 * logs.std(axis=0)
    inside = np.abs((logs > 0).mean(axis=0) - 0.5) < 0.3
    return bool(active.any() and np.all((below & evenly & inside)[active]))
