"""The diagnosis of one trained model: every number with its prediction beside it, the findings in words and codes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from landau_vae import limits
from landau_vae.checks import Count, checked
from landau_vae.diagnosis.comparison import Comparison
from landau_vae.diagnosis.criteria import criteria_table, scores
from landau_vae.diagnosis.modes import Observed
from landau_vae.diagnosis.ranked_pruning import dimensions_table, effective_dimensions
from landau_vae.diagnosis.recommendations import TOLERANCES, Recommendation, recommend, recommendations_table
from landau_vae.display import Column, Result, Table, counted, jsonable, significant
from landau_vae.findings import Finding, in_words

HEALTHY = "healthy"
SHOWN = 40  # latents in a printed table
OF_LATENTS = ("signal_fraction", "rate", "second_moment", "mean_variance", "variance", "offset", "quiet")


@dataclass(frozen=True, eq=False)
class Diagnosis(Comparison, Result):
    """A trained model beside what spectrum and loss predict of it, and what was found.

    Latents are in the model's own order, modes by falling eigenvalue. Observed quantities of latents are those of
    `posterior`: `signal_fraction` (M²), `rate`, `second_moment` (A²), `mean_variance`, `variance`, each (K,). Those of
    modes are in `observed`, where the data were given.
    """

    findings: tuple[Finding, ...] = ()  #: what was found, alarms first

    json_fields = ("verdict", "healthy", "findings", "loss", "posterior.samples", "price", "implied_price", "criteria",
                   "dimensions", "recommendations")  # fmt: skip

    # ------------------------------------------------------------------------------------ the verdict

    @property
    def healthy(self) -> bool:
        """Whether there is no alarm."""
        return not any(finding.alarm for finding in self.findings)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings, alarms first."""
        return tuple(finding.code for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The code of the first alarm, or "healthy"."""
        return HEALTHY if self.healthy else self.findings[0].code

    @property
    def conclusion(self) -> str:
        """The findings in words, alarms marked with "!"."""
        return in_words(self.findings) or "Nothing to report."

    @property
    def explanation(self) -> str:
        """How β became a price, in words."""
        problem = self.loss.without_price(self.spectrum)
        return self.loss.explain(self.spectrum) if problem is None else f"The loss is {self.loss.formula}. {problem}"

    @cached_property
    def status(self) -> tuple[str, ...]:
        """The state of each latent, (K,).

        One of "active", "inactive, as predicted", "should be active", "inactive, undecided" (its mode is near the
        threshold, or the theory is not exact for this model) and "active below threshold".
        """
        states = ["active" if active else "inactive, as predicted" for active in self.is_active]
        ranked = [int(k) for k in self.posterior.ranking]
        inactive = [k for k in ranked if not self.is_active[k]]
        active = [k for k in ranked if self.is_active[k]]
        unencoded = np.flatnonzero((self.expected_signal > 0) & (self.observed_signal < limits.ACTIVE))
        undecided = len(np.setdiff1d(unencoded, self.missing))
        # Which of the inactive latents would have taken a missing mode is chance: the first ones by rank stand for it.
        waiting = ["should be active"] * len(self.missing) + ["inactive, undecided"] * undecided
        for k, state in zip(inactive, waiting, strict=False):
            states[k] = state
        if self.observed is None:
            below = active[int(np.count_nonzero(self.expected_signal > 0)) :]
        else:
            linear, mode = self.observed.linear, self.observed.mode
            below = [k for k in active if linear[k] > limits.MOSTLY_LINEAR and mode[k] in self.below_threshold]
        for k in below:
            states[k] = "active below threshold"
        return tuple(states)

    # ------------------------------------------------------------------------------------ answers to questions

    @cached_property
    def criteria(self) -> tuple[dict[str, Any], ...]:
        """Each criterion with its rule, its source, and how many latents it calls active: observed and predicted."""
        return scores(self.posterior, self.price, self.spectrum.eigenvalues)

    @cached_property
    def dimensions(self) -> tuple[dict[str, Any], ...]:
        """How many ranked latents (or principal components) lose no more of the variance than each tolerance."""
        linear = None if self.observed is None else self.observed.prefix
        return effective_dimensions(self.spectrum, linear, self.decoded)

    @cached_property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """Recommended β for as many latents as the model has, for tolerances, and for the noise floor."""
        return self.recommend()

    @checked
    def recommend(
        self, keep: Count | None = None, tolerances: Sequence[float] = TOLERANCES
    ) -> tuple[Recommendation, ...]:
        """Recommend β for a number of latents, for tolerated losses of variance, and for the noise floor.

        Parameters
        ----------
        keep : int, optional
            How many latents are to be active; as many as the model has, unless given.
        tolerances : sequence of float, default (0.05, 0.01)
            Shares of the variance that may be lost.

        Returns
        -------
        tuple of Recommendation
            An answer, or why there is none, to each question.
        """
        samples = None if self.floor is None else self.floor.samples
        keep = self.posterior.latents if keep is None else keep
        return recommend(self.spectrum, self.loss, keep=keep, tolerances=tolerances, samples=samples)

    # ------------------------------------------------------------------------------------ output

    def __repr__(self) -> str:
        return (
            f"Diagnosis({self.verdict}: {int(self.is_active.sum())} of {counted(self.posterior.latents, 'latent')} "
            f"active, {int(self.predicted.active)} predicted, τ = {significant(self.price, 4)})"
        )

    def content(self) -> Iterator[str | Table]:
        """Yield the verdict, how β became a price, the findings, and the tables."""
        yield f"{self!r}\n{self.explanation}"
        yield self.conclusion
        yield from self.tables().values()

    def tables(self) -> dict[str, Table]:
        """Return the tables by name: latents, modes, criteria, dimensions, recommendations."""
        return {
            "latents": self._latents(),
            "modes": self._modes(),
            "criteria": criteria_table(self.criteria),
            "dimensions": dimensions_table(self.dimensions, self.observed is not None, self.decoded is not None),
            "recommendations": recommendations_table(self.recommendations, self.loss.knob),
        }

    def _latents(self) -> Table:
        q, order = self.posterior, self.posterior.ranking
        four = "{:.4f}".format
        columns = [
            Column("latent", order + 1),
            Column("M²", q.signal_fraction[order], four, "signal_fraction"),
            Column("R [nat]", q.rate[order], four, "rate"),
            Column("A²", q.second_moment[order], four, "second_moment"),
            Column("Var μ", q.mean_variance[order], "{:.4g}".format, "mean_variance"),
            Column("σ²", q.variance[order], "{:.4g}".format, "variance"),
        ]
        if self.observed is not None:
            columns.append(Column("mode", [self._mode_of(self.observed)[k] for k in order]))
            columns.append(Column("linear", self.observed.linear[order], "{:.0%}".format))
        columns.append(Column("verdict", [self.status[k] for k in order], key="status", text=True))
        note = (
            "M²: share of a latent's second moment that is signal (0: inactive, 1: free of noise). R: rate, its mean\n"
            "KL. A²: second moment ⟨μ²⟩ + ⟨σ²⟩, 1 where training has converged. linear: share of μ linear in the data."
        )
        return Table(columns, note=note, limit=SHOWN)

    def _modes(self) -> Table:
        shown = max(int(np.count_nonzero(self.detected | (self.predicted_signal > 0))) + 1, 3)
        four, source = "{:.4f}".format, "by rank" if self.observed is None else "observed"
        thresholds = self.loss.beta_at(self.spectrum.eigenvalues, self.spectrum)[: len(self.observed_signal)]
        columns = [
            Column("mode", np.arange(1, len(self.observed_signal) + 1)),
            Column("λ", self.eigenvalues, key="eigenvalue"),
            Column(f"collapses at {self.loss.knob}", thresholds, lambda b: significant(float(b), 4), "threshold_beta"),
            Column("M² predicted", self.predicted_signal, four, "predicted"),
            Column(f"M² {source}", self.observed_signal, four, "observed"),
        ]
        note = "λ: variance of the data along a mode. A mode is worth a latent where λ is above the price τ of a nat."
        return Table(columns, note=note, limit=shown)

    def _mode_of(self, observed: Observed) -> list[int | None]:
        """Return the mode of each active latent, counted from 1."""
        return [int(mode) + 1 if active else None for mode, active in zip(observed.mode, self.is_active, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints, as strict JSON."""
        latents: dict[str, Any] = {name: getattr(self.posterior, name) for name in OF_LATENTS}
        latents |= {"status": self.status, "alive": self.is_active}
        if self.observed is not None:
            latents |= {"mode": self._mode_of(self.observed), "linear": self.observed.linear}
        modes = {column.key: column.values for column in self._modes().columns if column.key}
        linear = None if self.observed is None else self.observed.prefix
        curves = {"rank_distortion": self.decoded, "linear_rank_distortion": linear, "noise_floor": self.floor}
        return super().to_dict() | jsonable({"latents": latents, "modes": modes, **curves})
