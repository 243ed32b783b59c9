"""What the rows say of the population's spectrum: errors and intervals of λ_k, λ_k/V, β_k and of numbers of modes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import stdtrit

from landau_vae.checks import Count as Whole
from landau_vae.checks import Share, checked
from landau_vae.display import (
    Array,
    Booleans,
    Column,
    Integers,
    Result,
    Table,
    jsonable,
    numbered,
    readonly,
    significant,
)
from landau_vae.intervals.estimates import Count, Estimate, basic, between, estimate, freedom, only, root, times
from landau_vae.intervals.influence import Influence
from landau_vae.limits import INTERVAL_BIAS, INTERVAL_REPULSION, INTERVAL_ROWS, ROWS_PER_MODE, SMALL_BIAS
from landau_vae.loss import Loss
from landau_vae.numeric._transitions import Transitions
from landau_vae.spectrum.spectrum import Spectrum


@dataclass(frozen=True, eq=False)
class Uncertainty(Result):
    """Errors of the population's spectrum, by the delta method or by resampling.

    One entry per group of modes that cannot be separated; most groups are single modes.
    """

    json_fields = (
        "method", "confidence", "influence.units", "blocks", "mode", "multiplicity", "eigenvalue", "share", "caveats",
    )  # fmt: skip

    spectrum: Spectrum = field(repr=False)  #: of the rows at hand
    influence: Influence = field(repr=False)  #: covariance of its eigenvalues as estimates
    mode: Integers  #: (groups,), the group's first mode, counting from 1
    multiplicity: Integers  #: (groups,), how many modes the group has
    bias: Array = field(repr=False)  #: (groups,), by how much the rows' mean λ/V is too large, which intervals remove
    repulsion: Array = field(repr=False)  #: (groups,), what modes above and below add to it, without their signs
    confidence: float  #: of the intervals
    blocks: bool = False  #: whether whole blocks of rows were taken for independent, not rows
    caveats: tuple[str, ...] = field(default=(), repr=False)  #: what limits the trust in the errors, in sentences
    resampled: Array | None = field(default=None, repr=False)  #: λ_k* (replications, modes), data²; None: delta method
    resampled_variance: Array | None = field(default=None, repr=False)  #: V*, (replications,), data²

    @property
    def method(self) -> str:
        """Method by which the errors were found: "delta method" or "bootstrap"."""
        return "delta method" if self.resampled is None else "bootstrap"

    @property
    def replications(self) -> int:
        """Number of resampled spectra that the errors rest on; 0 for the delta method."""
        return 0 if self.resampled is None else len(self.resampled)

    @cached_property
    def delta(self) -> "Uncertainty":
        """Errors of the same spectrum by the delta method."""
        return self if self.resampled is None else replace(self, resampled=None, resampled_variance=None)

    @cached_property
    def known(self) -> Booleans:
        """Whether each group has an interval, (groups,): elsewhere its ends are NaN.

        It needs enough rows (blocks), three for each mode, and a bias that is small, or less than the error.
        """
        units, last = self.influence.kish, self.mode + self.multiplicity - 1
        small, error, bias = SMALL_BIAS * self._mean, self._errors[0], np.abs(self.bias)
        below = (bias < np.maximum(small, INTERVAL_BIAS * error)) & (
            self.repulsion < np.maximum(small, INTERVAL_REPULSION * error)
        )
        return np.asarray((units >= INTERVAL_ROWS) & (last * ROWS_PER_MODE <= units) & below)

    @cached_property
    @np.errstate(divide="ignore", invalid="ignore")
    def ratio(self) -> Array:
        """Standard error of λ/V over that of the delta method, (groups,); 1 where neither varies."""
        own, delta = self.share.error, self.delta.share.error
        return readonly(np.where(delta > 0, own / delta, 1.0))

    @cached_property
    def eigenvalue(self) -> Estimate:
        """Eigenvalue λ of each group, (groups,), data²: the mean of its modes."""
        return only(self._eigenvalue, self.known)

    @cached_property
    def share(self) -> Estimate:
        """Share λ/V of each group, (groups,): the mean of its modes."""
        value, bound = self._mean, 1 / self.multiplicity
        if self.resampled is not None:
            drawn = self._resampled_means / self._resampled_totals[:, None]
            return only(basic(value, drawn, self._quantile[1], bound), self.known)
        return only(estimate(value, self._errors[1], self._quantile[1], bound, self._unbiased), self.known)

    @checked
    def beta(self, loss: Loss) -> Estimate:
        """Return β_k of the population in the loss's own convention.

        With a learned σ_dec² a threshold depends on all modes, and so does its error.

        Parameters
        ----------
        loss : Loss
            Its β does not matter.

        Returns
        -------
        Estimate
            Of the groups that the loss's K latents reach, (≤ groups,).

        Examples
        --------
        >>> from landau_vae import uncertainty
        >>> X = np.random.default_rng(0).standard_normal((1000, 2)) * [2, 1]
        >>> beta = uncertainty(X).beta(Loss.gaussian(half=False))  # τ = β/2
        >>> beta.value.round(2).tolist(), beta.low.round(2).tolist(), beta.high.round(2).tolist()
        ([8.31, 1.92], [7.6, 1.76], [9.1, 2.11])
        """
        reached = self.mode <= (loss.latents or self.spectrum.modes)
        lam, known = self._eigenvalue, self.known[reached]
        if not loss.learned:
            ends = [each * loss.sampler.threshold for each in (lam.value, lam.error, lam.low, lam.high)]
            return only(Estimate(*(readonly(loss.beta_at(x, self.spectrum)[reached]) for x in ends)), known)
        beta, centre = (self._learned(loss, each)[reached] for each in (self._mean, self._unbiased))
        if self.resampled is not None:
            firsts = self.mode - 1
            drawn = np.asarray([loss.beta_at(each.eigenvalues[firsts], each) for each in self._spectra(grouped=True)])
            return only(basic(beta, drawn[:, reached], self._quantile[0, reached], np.inf), known)
        error = self._learned_error(loss)[reached]
        return only(estimate(beta, error, self._quantile[0, reached], centre=centre), known)

    @checked
    def active(self, loss: Loss) -> Count:
        """Return how many modes of the population are active at the loss's β.

        By the delta method a mode of a group counts by its own interval and by that of
        the group, whichever is wider.

        Parameters
        ----------
        loss : Loss
            With one β, or an array of them.

        Returns
        -------
        Count
            Of the shape of β.
        """

        def above(spectrum: Spectrum) -> Integers:
            beta = loss.beta_at(spectrum.eigenvalues[: loss.latents] * loss.sampler.threshold, spectrum)
            return np.count_nonzero(beta > loss.beta[..., None], axis=-1)

        if self.resampled is not None:
            return self._percentiles(above, self.delta.active(loss))
        own, group = self._ungrouped.beta(loss), self.beta(loss)
        sizes = np.repeat(np.arange(len(self.mode)), self.multiplicity)[: len(own.value)]
        beta = loss.beta[..., None]
        value = own.value > beta
        low = value & (np.minimum(own.low, group.low[sizes]) > beta)
        high = value | ~(np.maximum(own.high, group.high[sizes]) <= beta)  # an unknown end rules nothing out
        return Count(*(each.sum(axis=-1) for each in (value, low, high)))

    @checked
    def dimension(self, tolerance: Share) -> Count:
        """Return the effective dimension: the least number of modes that lose no more than a share of the variance.

        Parameters
        ----------
        tolerance : float
            The share that may be lost, between 0 and 1.

        Returns
        -------
        Count
            One number.

        Examples
        --------
        >>> from landau_vae import uncertainty
        >>> X = np.random.default_rng(0).standard_normal((100, 4)) * [3, 1.2, 1, 0.3]
        >>> uncertainty(X).dimension(0.12)
        Count(2, from 2 to 3)
        """
        value, left = self.spectrum.rank(tolerance), self._left
        low = int(np.count_nonzero(left.low > tolerance))
        high = int(np.count_nonzero(~(left.high <= tolerance)))  # an unknown end rules nothing out
        found = Count(*map(np.asarray, (value, min(low, value), max(high, value))))
        if self.resampled is None:
            return found
        return self._percentiles(lambda spectrum: np.asarray(spectrum.rank(tolerance)), found)

    # ------------------------------------------------------------------------------------ output

    def __repr__(self) -> str:
        groups = f"{self.spectrum.modes} modes in {len(self.mode)} groups"
        units = f"{self.influence.units} {'blocks' if self.blocks else 'rows'}"
        drawn = f", {self.replications} replications" if self.replications else ""
        return f"Uncertainty({groups} from {units}{drawn}, {len(self.caveats)} caveats)"

    def content(self) -> Iterable[str | Table]:
        """Yield the table of groups and what its errors are errors of."""
        yield from (repr(self), self._table(None, None), "\n".join(self.remarks()))

    @checked
    def summary(self, loss: Loss | None = None, limit: Whole | None = None) -> str:
        """Return the table of groups with errors and intervals, and what they are errors of.

        Parameters
        ----------
        loss : Loss, optional
            With it the table has the β at which each group collapses.
        limit : int, optional
            How many groups to show at most.

        Returns
        -------
        str
            Lines of plain text.
        """
        return "\n".join([repr(self), self._table(loss, limit).text(), *self.remarks()])

    def cells(self, cascade: Transitions) -> list[str]:
        """Return the interval of each transition's β, for a column of a table; of a group it is that of the mean.

        Parameters
        ----------
        cascade : Transitions
            Of the same spectrum.

        Returns
        -------
        list of str
            One per transition.
        """
        beta = self.beta(cascade.loss)
        group = np.searchsorted(self.mode, cascade.mode, side="right") - 1
        ofs = [numbered(k, g) if g > 1 else "" for k, g in zip(self.mode, self.multiplicity, strict=True)]
        return [between(beta, i) + f" (mean of {ofs[i]})" * bool(ofs[i]) for i in group]

    def remarks(self) -> list[str]:
        """Return what the errors are errors of, and the caveats, a line each."""
        meaning = (
            "Errors are those of the population that the rows were drawn from; "
            "the thresholds of a training on these rows have none."
        )
        return [meaning, *self.caveats]

    @checked
    def to_dict(self, loss: Loss | None = None) -> dict[str, Any]:
        """Return the numbers as strict JSON, without the resampled spectra themselves.

        Parameters
        ----------
        loss : Loss, optional
            With it there are `beta` and `active`.

        Returns
        -------
        dict
            By name.
        """
        content = super().to_dict()
        if self.replications:
            content |= {"replications": self.replications, "ratio": self.ratio}
        if loss is not None:
            content |= {"beta": self.beta(loss).to_dict(), "active": self.active(loss).to_dict()}
        return jsonable(content)

    def _table(self, loss: Loss | None, limit: int | None) -> Table:
        percent, share, beta = f"{100 * self.confidence:g} %", self.share, None if loss is None else self.beta(loss)
        shown = range(len(self.mode) if beta is None else len(beta.value))
        errors = {"±": share.error} | ({"± (delta)": self.delta.share.error} if self.replications else {})
        columns = [
            Column("mode", [numbered(self.mode[i], self.multiplicity[i]) for i in shown]),
            Column("λ/V = T_k", share.value[: len(shown)]),
            *(Column(label, error[: len(shown)], lambda one: significant(one, 2)) for label, error in errors.items()),
            Column(percent, [between(share, i) for i in shown]),
        ]
        if beta is not None:
            columns += [Column("collapses at β", beta.value), Column(percent, [between(beta, i) for i in shown])]
        return Table(columns, limit=limit)

    # ---------------------------------------------------------------------------------- of groups

    @cached_property
    def _mean(self) -> Array:
        """Mean λ/V of each group."""
        return np.add.reduceat(self.spectrum.normalized, self.mode - 1) / self.multiplicity

    @cached_property
    def _unbiased(self) -> Array:
        """Mean λ/V of each group without bias: all of them add up to 1 again."""
        return (self._mean - self.bias) / (1 - self.multiplicity @ self.bias)

    @cached_property
    def _eigenvalue(self) -> Estimate:
        """The eigenvalues, with an interval for each group."""
        bound = 1 / self.multiplicity if self.spectrum.standardized else np.inf
        if self.resampled is not None:
            found = basic(self._mean, self._resampled_means, self._quantile[0], bound)
        else:
            found = estimate(self._mean, self._errors[0], self._quantile[0], bound, self._mean - self.bias)
        return times(found, self.spectrum.total_variance)

    @cached_property
    def _left(self) -> Estimate:
        """Share of the variance that all modes from each one on have, (modes,)."""
        group = np.repeat(np.arange(len(self.mode)), self.multiplicity)
        covariance = self._covariance[np.ix_(group, group)]
        tail = np.cumsum(covariance[::-1, ::-1], axis=0).cumsum(axis=1)[::-1, ::-1]  # of Σ_{i>k} λ_i
        lost, centre = (
            np.clip(1 - np.append(0.0, np.cumsum(each[group])[:-1]), 0.0, 1.0) for each in (self._mean, self._unbiased)
        )
        variance = np.diagonal(tail) - 2 * lost * tail[0] + lost**2 * tail[0, 0]
        error = root(variance, np.diagonal(tail))
        found = estimate(lost, error, self._quantile[1].max() * np.ones(len(lost)), 1.0, centre)
        return only(found, np.logical_and.accumulate(self.known)[group])

    def _learned(self, loss: Loss, share: Array) -> Array:
        """Return β of each group with a learned σ², for groups that have these shares of the variance."""
        lam = share * self.spectrum.total_variance
        return loss.beta_at(lam, replace(self.spectrum, eigenvalues=readonly(np.repeat(lam, self.multiplicity))))

    def _learned_error(self, loss: Loss) -> Array:
        """Return its standard errors by the delta method.

        ln β_k = ln τ − ln D(τ) + ln d at τ = λ_k: D has one λ_k for each mode from 1 to the group's last, then λ_j.
        """
        beta, lam = self._learned(loss, self._mean), self._mean
        weaker = np.triu(np.tile(self.multiplicity, (len(beta), 1)), 1)
        per_distortion = beta * loss.price_per_beta(self.spectrum) / (self.spectrum.dimension * lam)
        count = weaker + np.diag(self.mode + self.multiplicity - 1)
        slope = np.diag(1 / lam) - count * per_distortion[:, None]
        variance = np.sum(slope @ self._covariance * slope, axis=1)
        return np.asarray(beta * root(variance, (self._errors[0] / lam) ** 2))

    @cached_property
    def _covariance(self) -> Array:
        """Covariance of the groups' means."""
        starts, sizes = self.mode - 1, self.multiplicity
        sums = np.add.reduceat(np.add.reduceat(self.influence.covariance, starts, axis=0), starts, axis=1)
        return sums / np.outer(sizes, sizes)

    @cached_property
    def _errors(self) -> Array:
        """Standard errors of the groups' λ (in V) and λ/V by the delta method, (2, groups)."""
        own, value, total = np.diagonal(self._covariance), self._mean, self.multiplicity @ self._covariance
        of_share = own - 2 * value * total + value**2 * (total @ self.multiplicity)
        return np.array([root(own, self._unrelated), root(of_share, self._unrelated)])

    @cached_property
    def _unrelated(self) -> Array:
        """The squared error that a group's mean would have if its modes were not correlated."""
        return np.add.reduceat(np.diagonal(self.influence.covariance), self.mode - 1) / self.multiplicity**2

    @cached_property
    def _quantile(self) -> Array:
        """Student's two-sided t of λ and of λ/V, (2, groups): its N is the group's least, or that of most modes."""
        carried = self.influence.effective
        least = np.minimum.reduceat(carried, self.mode - 1, axis=1)
        effective = np.minimum(least, np.median(carried, axis=1, keepdims=True))
        return stdtrit(freedom(effective, self.influence.units), 0.5 + self.confidence / 2)

    @cached_property
    def _ungrouped(self) -> "Uncertainty":
        """Errors with each mode for itself."""
        each = np.arange(1, self.spectrum.modes + 1)
        bias, repulsion = np.repeat(self.bias, self.multiplicity), np.repeat(self.repulsion, self.multiplicity)
        return replace(self, mode=each, multiplicity=np.ones_like(each), bias=bias, repulsion=repulsion)

    # ------------------------------------------------------------------------- of resampled spectra

    @cached_property
    def _resampled_means(self) -> Array:
        """Means of the groups, over V of the rows, (replications, groups)."""
        assert self.resampled is not None
        shares = self.resampled / self.spectrum.total_variance
        return np.add.reduceat(shares, self.mode - 1, axis=1) / self.multiplicity

    @cached_property
    def _resampled_totals(self) -> Array:
        """Their V, over that of the rows, (replications,)."""
        assert self.resampled_variance is not None
        return np.asarray(self.resampled_variance / self.spectrum.total_variance)

    def _spectra(self, *, grouped: bool) -> list[Spectrum]:
        """Return each replication as a spectrum, eigenvalues replaced by the means of their groups or not, over V."""
        assert self.resampled is not None
        assert self.resampled_variance is not None
        values = self.resampled
        if grouped:
            values = np.repeat(self._resampled_means, self.multiplicity, axis=1) * self.spectrum.total_variance
        return [
            replace(self.spectrum, eigenvalues=readonly(each), total_variance=total, decomposition=None)
            for each, total in zip(values, self.resampled_variance, strict=True)
        ]

    def _percentiles(self, count: Callable[[Spectrum], Integers], delta: Count) -> Count:
        tail, last = (1 - self.confidence) / 2, self.replications - 1
        drawn = np.sort([count(spectrum) for spectrum in self._spectra(grouped=False)], axis=0)
        ends = drawn[int(np.floor(tail * last))], drawn[int(np.ceil((1 - tail) * last))]
        if not self.known.all():  # what the delta method does not rule out
            ends = np.minimum(ends[0], delta.low), np.maximum(ends[1], delta.high)
        return Count(delta.value, np.minimum(ends[0], delta.value), np.maximum(ends[1], delta.value))
