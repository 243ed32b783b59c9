"""The bootstrap as a check on the delta method: how much do spectra of resampled rows, or blocks of rows, scatter?

    s.e. = standard deviation of λ_k* over replications,    interval: quantiles of ln λ_k*, mirrored at ln λ̂_k

Rows are drawn with replacement; where they hang together (neighbours in space, months), whole blocks are. Each
spectrum is made of counts and sufficient statistics (`replicas`). Replicas spread as the sample itself does, so
mirrored ("basic") intervals take the first-order bias out that percentiles double (Davison & Hinkley 1997, ch. 5).
Domain: independent rows or blocks, at least some ten of them; groups are those of `uncertainty`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.tables import as_table, as_weights
from landau_vae.display import Array, jsonable, numbered, readonly, significant, table
from landau_vae.errors import InputError
from landau_vae.intervals._uncertainty import Uncertainty, uncertainty
from landau_vae.intervals.blocks import as_blocks
from landau_vae.intervals.estimates import Count, Estimate, between
from landau_vae.intervals.replicas import Scaling, replicas
from landau_vae.likelihoods import Likelihood, as_likelihood
from landau_vae.loss import Loss
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["Bootstrap", "bootstrap"]

APART = 1.25  # ratio of the two standard errors from which on they are said to differ


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Spectra of resampled data, and what they say of each group of modes."""

    delta: Uncertainty  #: the delta method's answer, whose groups and confidence are used
    eigenvalues: Array = field(repr=False)  #: λ_k*, (replications, modes), descending, data²
    total_variance: Array = field(repr=False)  #: V*, (replications,), data²

    @property
    def replications(self) -> int:
        """How many spectra there are."""
        return len(self.total_variance)

    @cached_property
    def eigenvalue(self) -> Estimate:
        """λ, (groups,), data²: of a group its mean."""
        return self._interval(self.delta.eigenvalue.value, self._means, self._bound * self._total)

    @cached_property
    def share(self) -> Estimate:
        """λ/V, (groups,): of a group its mean."""
        return self._interval(self.delta.share.value, self._means / self.total_variance[:, None], self._bound)

    def beta(self, loss: Loss) -> Estimate:
        """β_k in the loss's own convention, as `Uncertainty.beta`."""
        value = self.delta.beta(loss).value
        if not loss.learned:
            lam = self.eigenvalue
            own = (loss.beta_at(x, self.delta.spectrum) for x in (lam.value, lam.error, lam.low, lam.high))
            return Estimate(*(readonly(each[: len(value)]) for each in own))
        beta = [loss.beta_at(mean, spectrum) for mean, spectrum in zip(self._means, self._spectra(), strict=True)]
        return self._interval(value, np.asarray(beta)[:, : len(value)], np.inf)

    def active(self, loss: Loss) -> Count:
        """How many modes of the population live at the loss's β, of the shape of that: percentiles."""
        point = self.delta.active(loss).value

        def alive(spectrum: Spectrum) -> NDArray[np.int64]:
            beta = loss.beta_at(spectrum.eigenvalues[: loss.latents], spectrum)
            return np.count_nonzero(beta > loss.beta[..., None], axis=-1)

        return self._count(point, alive, self._spectra(grouped=False))

    def dimension(self, tolerance: float) -> Count:
        """The least number of modes that lose no more than `tolerance` of the variance: percentiles."""

        def rank(spectrum: Spectrum) -> NDArray[np.int64]:
            return np.asarray(spectrum.rank(tolerance))

        return self._count(rank(self.delta.spectrum), rank, self._spectra(grouped=False))

    @cached_property
    def ratio(self) -> Array:
        """Standard error of λ/V by the bootstrap over that of the delta method, (groups,); 1 where neither varies."""
        own, delta = self.share.error, self.delta.share.error
        with np.errstate(divide="ignore", invalid="ignore"):
            return readonly(np.where(delta > 0, own / delta, 1.0))

    @property
    def caveats(self) -> tuple[str, ...]:
        """Where the two methods differ, and the caveats of the delta method."""
        noise = 2 / np.sqrt(2 * self.replications)  # two standard errors of a standard deviation
        far = np.flatnonzero(np.abs(np.log(self.ratio)) > np.log(APART) + noise)
        if not far.size:
            return self.delta.caveats
        worst = int(far[np.argmax(np.abs(np.log(self.ratio[far])))])
        mode = numbered(int(self.delta.mode[worst]), int(self.delta.multiplicity[worst]))
        return (
            f"Bootstrap and delta method differ for {far.size} of {len(self.ratio)} groups, most for mode {mode} "
            f"(standard errors {significant(float(self.ratio[worst]), 2)} : 1): the first order is not enough there.",
            *self.delta.caveats,
        )

    def __repr__(self) -> str:
        ends = " … ".join(significant(x, 2) for x in (self.ratio.min(), self.ratio.max()))
        return f"Bootstrap({self.replications} replications, errors {ends} times those of the delta method)"

    def summary(self, loss: Loss | None = None) -> str:
        """The table of groups by both methods, then the caveats; with a `loss` also β."""
        share, beta = self.share, None if loss is None else self.beta(loss)
        percent = f"{100 * self.delta.confidence:g} %"
        header = ["mode", "λ/V = T_k", "±", "± (delta)", percent] + ([] if beta is None else ["dies at β", percent])
        rows = []
        for i in range(len(share.value) if beta is None else len(beta.value)):
            row = [numbered(int(self.delta.mode[i]), int(self.delta.multiplicity[i])), significant(share.value[i])]
            row += [significant(each[i], 2) for each in (share.error, self.delta.share.error)] + [between(share, i)]
            rows.append(row + ([] if beta is None else [significant(beta.value[i]), between(beta, i)]))
        return "\n".join([repr(self), table(header, rows), *replace(self.delta, caveats=self.caveats).remarks()])

    def to_dict(self, loss: Loss | None = None) -> dict[str, Any]:
        """Numbers as strict JSON, without the replications themselves."""
        content: dict[str, Any] = {
            "replications": self.replications,
            "eigenvalue": self.eigenvalue.to_dict(),
            "share": self.share.to_dict(),
            "ratio": self.ratio,
            "caveats": self.caveats,
            "delta": self.delta.to_dict(loss),
        }
        return jsonable(content if loss is None else content | {"beta": self.beta(loss).to_dict()})

    # ------------------------------------------------------------------------------ of replications

    @cached_property
    def _means(self) -> Array:
        """Of the groups, (replications, groups)."""
        starts = self.delta.mode - 1
        return np.add.reduceat(self.eigenvalues, starts, axis=1) / self.delta.multiplicity

    @property
    def _bound(self) -> Array:
        return 1 / self.delta.multiplicity

    @property
    def _total(self) -> float:
        """What bounds V: d standardised columns have no more; otherwise nothing does."""
        spectrum = self.delta.spectrum
        return float(spectrum.dimension) if spectrum.standardized else np.inf

    def _interval(self, value: Array, drawn: Array, upper: Array | float) -> Estimate:
        """Basic intervals on the logit (log) scale."""
        tail = (1 - self.delta.confidence) / 2
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            centre, scattered = (np.log(x / (1 - x / upper)) for x in (value, np.maximum(drawn, 0.0)))
            ends = [2 * centre - np.quantile(scattered, q, axis=0) for q in (1 - tail, tail)]
            error = drawn.std(axis=0, ddof=1)
            fixed = error <= 1e-12 * value
            low, high = (np.where(fixed, value, np.exp(e) / (1 + np.exp(e) / upper)) for e in ends)
        return Estimate(readonly(value), readonly(np.where(fixed, 0.0, error)), readonly(low), readonly(high))

    def _spectra(self, grouped: bool = True) -> list[Spectrum]:
        """Each replication as a spectrum, eigenvalues replaced by the means of their groups or not."""
        values = np.repeat(self._means, self.delta.multiplicity, axis=1) if grouped else self.eigenvalues
        own = self.delta.spectrum
        return [
            replace(own, eigenvalues=readonly(each), total_variance=float(total), decomposition=None)
            for each, total in zip(values, self.total_variance, strict=True)
        ]

    def _count(
        self,
        point: NDArray[np.int64],
        count: Callable[[Spectrum], NDArray[np.int64]],
        spectra: list[Spectrum],
    ) -> Count:
        tail = (1 - self.delta.confidence) / 2
        drawn = np.sort([count(spectrum) for spectrum in spectra], axis=0)
        last = self.replications - 1
        low, high = drawn[int(np.floor(tail * last))], drawn[int(np.ceil((1 - tail) * last))]
        return Count(point, np.minimum(low, point), np.maximum(high, point))


def bootstrap(
    data: Any,
    *,
    replications: int = 200,
    blocks: ArrayLike | None = None,
    seed: int = 0,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    likelihood: Likelihood | str = "gaussian",
    confidence: float = 0.95,
    progress: bool = False,
) -> Bootstrap:
    """The same errors and intervals as `uncertainty`, from resampled rows or (`blocks`, a label per row) blocks.

    A check on the delta method, not a cure for its limits: replicas of a crowded spectrum are biased as the sample is.

    >>> X = np.random.default_rng(0).standard_normal((1000, 3)) * [3, 2, 1]
    >>> found = bootstrap(X)
    >>> found
    Bootstrap(200 replications, errors 0.94 … 1 times those of the delta method)
    >>> found.share.value.round(3).tolist(), found.share.error.round(3).tolist()
    ([0.649, 0.274, 0.077], [0.013, 0.012, 0.004])
    """
    if not isinstance(replications, int | np.integer) or replications < 20:
        raise InputError(
            f"{replications} replications were asked for, but a whole number from 20 on is expected: 200 tell standard "
            "errors to 5 %, 1000 the ends of 95 % intervals."
        )
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"The seed is {seed}, but a whole number from 0 on is expected.")
    array, names = as_table(data)
    delta = uncertainty(
        array, standardize=standardize, weights=weights, likelihood=likelihood, blocks=blocks, confidence=confidence,
        names=names,
    )  # fmt: skip
    weight = None if weights is None else as_weights(weights, len(array))
    labels = None if blocks is None else as_blocks(blocks, len(array), weight)
    scaling, rng = _scaling(standardize, likelihood), np.random.default_rng(seed)
    modes = delta.spectrum.modes
    values, totals = np.zeros((replications, modes)), np.zeros(replications)
    done = 0
    with _bar(replications, progress) as bar:
        for some, total in replicas(array, weight, labels, scaling, replications, rng):
            values[done : done + len(some)] = np.maximum(some[:, :modes], 0.0)
            totals[done : done + len(some)] = total
            done += len(some)
            bar.update(len(some))
    if not np.all(totals > 1e-12 * delta.spectrum.total_variance):
        raise InputError(
            "Some replications drew equal rows only and have no variance: give more different rows, or smaller blocks."
        )
    return Bootstrap(delta, readonly(values), readonly(totals))


def _scaling(standardize: bool, likelihood: Likelihood | str) -> Scaling:
    """s² of a replication by its own mean and variance."""
    if standardize:
        return lambda mean, variance: variance
    likelihood = as_likelihood(likelihood)
    if likelihood.unit_metric:
        return lambda mean, variance: None
    return lambda mean, variance: likelihood.variance(mean)


def _bar(total: int, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc="resampling", leave=False, disable=None if progress else True, delay=0.5)
