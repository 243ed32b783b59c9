"""The diagnosis of one trained model: every number with its prediction beside it, the verdict in words and codes."""

import textwrap
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.diagnosis.criteria import CRITERIA
from landau_vae.diagnosis.evidence import ALIVE, Evidence, Finding
from landau_vae.diagnosis.modes import Observed
from landau_vae.diagnosis.posterior import Posterior
from landau_vae.diagnosis.ranked_pruning import TOLERANCES, Decoded, effective_dimension
from landau_vae.diagnosis.recommendations import Recommendation, recommend
from landau_vae.display import jsonable, significant, table
from landau_vae.loss import Loss
from landau_vae.numeric._equilibrium import Equilibrium
from landau_vae.numeric._noise_floor import NoiseFloor
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["Diagnosis"]

HEALTHY = "healthy"
SHOWN = 40  # latents in a table
WIDTH = 110  # of what is told in words


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """A model beside what spectrum and loss predict of it; latents in the model's own order, modes by their strength.

    Observed quantities of latents are those of `posterior`: `signal_fraction` (M²), `rate`, `second_moment` (A²),
    `mean_variance`, `variance`, each (K,). Those of modes are those of `observed`, where the data were given.
    """

    evidence: Evidence = field(repr=False)
    findings: tuple[Finding, ...]  #: alarms first

    @property
    def posterior(self) -> Posterior:
        """What the posteriors are."""
        return self.evidence.posterior

    @property
    def observed(self) -> Observed | None:
        """What they know of each mode."""
        return self.evidence.observed

    @property
    def spectrum(self) -> Spectrum:
        """Of the data."""
        return self.evidence.spectrum

    @property
    def loss(self) -> Loss:
        """The convention, and the β of the model."""
        return self.evidence.loss

    @property
    def predicted(self) -> Equilibrium:
        """Where a linear model of these data and this loss settles."""
        return self.evidence.state

    @property
    def floor(self) -> NoiseFloor | None:
        """What sampling noise fakes, where the number of samples is known."""
        return self.evidence.floor

    @property
    def decoded(self) -> Decoded | None:
        """Rank–distortion of the user's decoder, where it was given."""
        return self.evidence.decoded

    @property
    def price(self) -> float:
        """τ of the loss, data² per nat."""
        return self.evidence.price

    @property
    def implied_price(self) -> float | None:
        """τ̂, the price that the model tells, data² per nat; None where no latent lives.

        By its living modes; if it is not linear, by its latents' own M².
        """
        return self.evidence.own if self.evidence.rough else self.evidence.implied

    @property
    def alive(self) -> NDArray[np.bool_]:
        """(K,): M² > 0.1."""
        return self.evidence.alive

    @property
    def healthy(self) -> bool:
        """Whether there is no alarm."""
        return not any(finding.alarm for finding in self.findings)

    @property
    def codes(self) -> tuple[str, ...]:
        """Of the findings."""
        return tuple(finding.code for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The code of what is wrong in the first place, or "healthy"."""
        return HEALTHY if self.healthy else self.findings[0].code

    @cached_property
    def status(self) -> tuple[str, ...]:
        """Of each latent, (K,): alive · dead as it must · should live · may be dead · alive though dead."""
        e, K = self.evidence, self.posterior.latents
        order = self.posterior.ranking
        words = np.array(["alive" if alive else "dead as it must" for alive in self.alive], dtype=object)
        dead = [k for k in order if not self.alive[k]]
        unseen = np.flatnonzero((e.expected() > 0) & (e.encoded < ALIVE))
        open_ = len(np.setdiff1d(unseen, e.missing))  # near a threshold, or where the theory is not exact
        waiting = ["should live"] * len(e.missing) + ["may be dead"] * open_
        for k, word in zip(dead, waiting, strict=False):  # which of the dead ones would have taken a mode is chance
            words[k] = word
        living = [k for k in order if self.alive[k]]
        if self.observed is not None:
            for k in living:
                if self.observed.linear[k] > 0.5 and self.observed.mode[k] in e.extra:
                    words[k] = "alive though dead"
        else:
            for k in living[int(np.count_nonzero(e.expected() > 0)) :]:
                words[k] = "alive though dead"
        return tuple(words[:K])

    @cached_property
    def criteria(self) -> tuple[dict[str, Any], ...]:
        """Each criterion with its rule, its source, and how many latents live by it: observed and predicted."""
        encodable = self.spectrum.eigenvalues[: self.posterior.latents]
        return tuple(
            {
                "code": each.code,
                "rule": each.rule,
                "source": each.source,
                "observed": int(np.count_nonzero(each.alive(self.posterior))),
                "predicted": each.predicted(self.price, encodable),
                "latents": each.alive(self.posterior),
            }
            for each in CRITERIA
        )

    @cached_property
    def dimensions(self) -> tuple[dict[str, Any], ...]:
        """At each tolerance, how many ranked latents (or principal components) lose no more of the variance."""
        ranks = np.arange(self.posterior.latents + 1)
        return tuple(
            {
                "tolerance": tolerance,
                "pca": self.spectrum.rank(tolerance),
                "best_linear_decoder": None
                if self.observed is None
                else effective_dimension(ranks, self.observed.prefix, tolerance),
                "own_decoder": None
                if self.decoded is None
                else effective_dimension(self.decoded.ranks, self.decoded.mean, tolerance),
            }
            for tolerance in TOLERANCES
        )

    @cached_property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """β for as many latents as the model has, for tolerances, and for the noise floor."""
        return self.recommend()

    def recommend(
        self, keep: int | None = None, tolerances: tuple[float, ...] = (0.05, 0.01)
    ) -> tuple[Recommendation, ...]:
        """The same for other numbers of latents, or other shares of the variance."""
        return recommend(
            self.spectrum, self.loss, keep=self.posterior.latents if keep is None else keep, tolerances=tolerances,
            samples=None if self.floor is None else self.floor.samples,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------ output

    def __repr__(self) -> str:
        return (
            f"Diagnosis({self.verdict}: {int(self.alive.sum())} of {self.posterior.latents} latents live, "
            f"{int(self.predicted.active)} predicted, τ = {significant(self.price, 4)})"
        )

    @property
    def conclusion(self) -> str:
        """The findings in words, alarms (!) first."""
        return "\n".join(_told(finding) for finding in self.findings) or "Nothing to report."

    def summary(self) -> str:
        """The verdict in words, then latents, modes, criteria, and what to do."""
        parts = [
            f"{self!r}\n{self.loss.explain(self.spectrum)}",
            self.conclusion,
            self._latents(),
            self._modes(),
            self._criteria(),
            self._dimensions(),
            "\n".join(each.sentence(self.loss.knob) for each in self.recommendations),
        ]
        return "\n\n".join(part for part in parts if part)

    def _latents(self) -> str:
        q, seen = self.posterior, self.observed
        rows = [
            [str(k + 1), f"{q.signal_fraction[k]:.4f}", f"{q.rate[k]:.4f}", f"{q.second_moment[k]:.4f}",
             f"{q.mean_variance[k]:.4g}", f"{q.variance[k]:.4g}",
             *([] if seen is None else [_mode_of(seen, k), f"{seen.linear[k]:.0%}"]), self.status[k]]
            for k in q.ranking[:SHOWN]
        ]  # fmt: skip
        more = [] if seen is None else ["mode", "linear"]
        hidden = f"\n… and {q.latents - SHOWN} more, weaker ones" if q.latents > SHOWN else ""
        return (
            table(["latent", "M²", "R [nat]", "A²", "Var μ", "σ²", *more, "verdict"], rows, text=(6 + len(more),))
            + hidden
        )

    def _modes(self) -> str:
        e = self.evidence
        shown = max(int(np.count_nonzero(e.seen | (e.predicted > 0))) + 1, 3)
        deaths = self.loss.beta_at(self.spectrum.eigenvalues, self.spectrum)[: len(e.encoded)]
        rows = [
            [str(j + 1), significant(self.spectrum.eigenvalues[j]), significant(float(beta), 4),
             f"{e.predicted[j]:.4f}", f"{e.encoded[j]:.4f}"]
            for j, beta in enumerate(deaths[:shown])
        ]  # fmt: skip
        return table(
            [
                "mode",
                "λ",
                f"dies at {self.loss.knob}",
                "M² predicted",
                "M² observed" if e.observed is not None else "M² by rank",
            ],
            rows,
        )

    def _criteria(self) -> str:
        rows = [[each["rule"], str(each["observed"]), str(each["predicted"]), each["source"]] for each in self.criteria]
        return table(["alive if", "latents", "predicted", "source"], rows, text=(0, 3))

    def _dimensions(self) -> str:
        """How many latents each tolerance takes; nothing where only the spectrum is known."""
        if self.observed is None:
            return ""
        names = ["pca", "best_linear_decoder", *(["own_decoder"] if self.decoded is not None else [])]
        rows = [
            [f"{each['tolerance']:.1%}", *("—" if each[name] is None else str(each[name]) for name in names)]
            for each in self.dimensions
        ]
        return table(["to lose at most", *(name.replace("pca", "PCA").replace("_", " ") for name in names)], rows)

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        q, e, seen, dead = self.posterior, self.evidence, self.observed, self.decoded
        latents = {name: getattr(q, name) for name in ("signal_fraction", "rate", "second_moment", "mean_variance",
                                                       "variance", "offset", "quiet")}  # fmt: skip
        if seen is not None:
            latents |= {"mode": [int(j) + 1 if alive else None for j, alive in zip(seen.mode, self.alive, strict=True)],
                        "linear": seen.linear}  # fmt: skip
        return jsonable(
            {
                "verdict": self.verdict,
                "healthy": self.healthy,
                "findings": [vars(finding) for finding in self.findings],
                "loss": self.loss.to_dict(),
                "samples": q.samples,
                "price": self.price,
                "implied_price": self.implied_price,
                "latents": latents | {"status": self.status, "alive": self.alive},
                "modes": {
                    "eigenvalue": self.spectrum.eigenvalues[: len(e.encoded)],
                    "threshold_beta": self.loss.beta_at(self.spectrum.eigenvalues, self.spectrum)[: len(e.encoded)],
                    "predicted": e.predicted,
                    "observed": e.encoded,
                },
                "criteria": self.criteria,
                "dimensions": self.dimensions,
                "rank_distortion": None
                if dead is None
                else {
                    "ranks": dead.ranks,
                    "mean": dead.mean,
                    "sampled": dead.sampled,
                    "utility": dead.utility,
                    "rows": dead.rows,
                },
                "linear_rank_distortion": None if seen is None else seen.prefix,
                "noise_floor": None if self.floor is None else self.floor.to_dict(),
                "recommendations": [each.to_dict() for each in self.recommendations],
            }
        )


def _told(finding: Finding) -> str:
    mark = "!" if finding.alarm else "·"
    text = f"{mark} {finding.code}: {finding.sentence}{f' {finding.advice}' if finding.advice else ''}"
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _mode_of(seen: Observed, k: int) -> str:
    return f"{seen.mode[k] + 1}" if seen.posterior.signal_fraction[k] > ALIVE else "—"
