"""Is this model as its loss and its data have it? Models of any architecture, trained anywhere, by what holds for all.

    ĉ_σ = ⟨∂ℓ/∂ ln σ_k⟩/⟨1 − σ_k²⟩ and Λ* against the stated price,   A²_k = ⟨μ_k²⟩ + ⟨σ_k²⟩ against 1

With its decoder, the price in effect of each latent is measured, and the onset Λ* of
the next one: at rest both hold for any network and any reconstruction loss
(`landau_vae.networks`). Stability of the collapsed state at τ ≥ λ₁ holds for any
network too. M²_k = [1 − τ/λ]₊ is exact for linear models (J. Hirn,
arXiv:2605.22691); beside others it says what a linear model would do. z_k → c z_k,
undone by the decoder's first layer, changes nothing but ½(c² A²_k − ln c²) of the KL:
hence A²_k = 1 at any stationary point of any VAE with a prior N(0, 1).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from landau_vae import limits
from landau_vae.checks import Count, Share, checked
from landau_vae.diagnosis.comparison import Comparison
from landau_vae.diagnosis.criteria import criteria_table, scores
from landau_vae.diagnosis.findings import find
from landau_vae.diagnosis.measured import channels_of
from landau_vae.diagnosis.modes import Observed
from landau_vae.diagnosis.ranked_pruning import dimensions_table, effective_dimensions
from landau_vae.diagnosis.recommendations import TOLERANCES, Recommendation, recommend, recommendations_table
from landau_vae.display import Array, Column, Result, Table, counted, jsonable, significant, with_error
from landau_vae.findings import Finding, in_words

SHOWN = 40  # latents in a printed table
BACKGROUND = "the collapsed background (prediction)"
LINEAR_ONLY = "a linear model"
OF_LATENTS = ("signal_fraction", "rate", "second_moment", "mean_variance", "variance", "offset", "quiet")


@dataclass(frozen=True, eq=False)
class Diagnosis(Comparison, Result):
    """A trained model beside what spectrum and loss predict of it, and what was found.

    Latents are in the model's own order, modes by falling eigenvalue. Observed
    quantities of latents are those of `posterior`: `signal_fraction` (M²), `rate`,
    `second_moment` (A²), `mean_variance`, `variance`, each (K,). Those of modes are in
    `observed`, where the data were given.
    """

    json_fields = ("verdict", "healthy", "findings", "loss", "posterior.samples", "price", "price_in_effect",
                   "price_in_effect_error", "next_onset", "implied_price", "criteria", "dimensions",
                   "recommendations")  # fmt: skip

    # ------------------------------------------------------------------------------------ the verdict

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What was found: alarms before remarks, then in the order of the questions."""
        return find(self)

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
        return "healthy" if self.healthy else self.findings[0].code

    @property
    def conclusion(self) -> str:
        """The findings in words, alarms marked with "!"."""
        return in_words(self.findings) or "Nothing to report."

    @property
    def explanation(self) -> str:
        """How β became a price, in words."""
        if self.own_term:
            return (
                "The reconstruction term is your own function. A nat costs what the KL is multiplied with, c = "
                f"{significant(self.price, 4)} at {self.loss.knob} = {significant(float(self.loss.beta), 4)}, in "
                "the unit of that function; nothing is predicted from the spectrum."
            )
        stated = self.stated_loss
        problem = stated.without_price(self.spectrum)
        return stated.explain(self.spectrum) if problem is None else f"The loss is {stated.formula}. {problem}"

    @cached_property
    def status(self) -> tuple[str, ...]:
        """The state of each latent, (K,).

        One of "active", "inactive, as predicted" (nothing left is worth the price),
        "should be active", "inactive, undecided" (near the threshold, or not known for
        this model), "active below threshold" and "diverged".
        """
        states = ["active" if active else "inactive, as predicted" for active in self.is_active]
        ranked = self.posterior.ranking
        inactive, active = ranked[~self.is_active[ranked]], ranked[self.is_active[ranked]]
        for k, state in zip(inactive, self._waiting(len(inactive)), strict=False):
            states[k] = state
        if self.linear and self.observed is not None:
            mode = self.observed.mode
            for k in active[np.isin(mode, self.below_threshold)[active]]:
                states[k] = "active below threshold"
        for k in self.diverged:
            states[k] = "diverged"
        return tuple(states)

    def _waiting(self, count: int) -> list[str]:
        """Return the states of the first inactive latents by rank: which of them would have been active is chance."""
        if self.collapsed and not self.own_term:
            surely = self.unstable_below > limits.SURELY_UNSTABLE * self.price
            worth = int(np.count_nonzero(self.predicted_signal > limits.ACTIVE))
            return ["should be active"] * worth if surely else ["inactive, undecided"] * (self.stable_from > self.price)
        if self.pays is not None:
            near = self.following is not None and self.following.value > self.effective / limits.PAYS
            return ["should be active"] if self.pays else ["inactive, undecided"] * near
        if self.linear:
            unencoded = np.flatnonzero((self.expected_signal > 0) & (self.observed_signal < limits.ACTIVE))
            undecided = len(np.setdiff1d(unencoded, self.missing))
            return ["should be active"] * len(self.missing) + ["inactive, undecided"] * undecided
        return ["inactive, undecided"] * count

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
        self, keep: Count | None = None, tolerances: Sequence[Share] = TOLERANCES
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
            To each question an answer, or the reason why it has no answer.

        Raises
        ------
        InputError
            If an argument cannot be used.
        """
        samples = None if self.floor is None else self.floor.samples
        keep = keep or self.posterior.latents
        tolerances = () if self.spectrum.of_scores else tolerances
        answers = recommend(self.spectrum, self.loss, keep=keep, tolerances=tolerances, samples=samples)
        if self.by_background:
            answers = tuple(replace(each, basis=BACKGROUND) for each in answers)
        elif not self.linear and not self.collapsed:
            answers = tuple(replace(each, basis=LINEAR_ONLY) for each in answers)
        if self.next_onset is None or self.linear or self.pays or not self.next_onset.value > 0:
            return answers
        active, basis = (
            int(self.is_active.sum()),
            "exact for any network" if self.collapsed else "this model (estimate)",
        )
        more = f"To have {counted(active + 1, 'active latent')}"
        return (Recommendation(more, None, basis=basis, onset=self.next_onset.value, active=active), *answers)

    # ------------------------------------------------------------------------------------ output

    def __repr__(self) -> str:
        effect = self.price_in_effect
        measured = "" if effect is None else f", in effect {with_error(effect, self.price_in_effect_error)}"
        linear = "" if self.own_term else f"{int(self.predicted.active)} {self.by_yardstick}, "
        return (
            f"Diagnosis({self.verdict}: {int(self.is_active.sum())} of {counted(self.posterior.latents, 'latent')} "
            f"active, {linear}{'c' if self.own_term else 'τ'} = {significant(self.price, 4)}{measured})"
        )

    def content(self) -> Iterator[str | Table]:
        """Yield the verdict, how β became a price, the findings, and the tables."""
        yield f"{self!r}\n{self.explanation}"
        yield self.conclusion
        yield self.basis
        yield from self.tables().values()

    @property
    def basis(self) -> str:
        """What was measured, on which rows, and what the answers rest on."""
        m, onset = self.measured, self.next_onset
        which = "the rows it was trained on" if self.trained_on else "held-out rows, where prices are 2 to 8 % low"
        lines = [f"Rows: {self.posterior.samples}, taken for {which} (rows=… says otherwise)."]
        if self.conditional:
            lines.append(
                "Condition: its linear part is taken out of the data (means of groups exactly); a network may use "
                "it in other ways, and leave its latents less to encode than this spectrum says."
            )
        if self.prices is None and self.linear:
            lines.append("Price in effect: by the law of linear models, τ̂ = (1 − M²) λ: this one is seen to be linear.")
        elif self.prices is None:
            lines.append("The price in effect was not measured" + (": give decode=… ." if m is None else "."))
            if self.is_active.any() and self.converged:
                lines.append(
                    f"A² of active latents is 1 within {self.scale_error:.1%} (median): a KL without effect and a "
                    "run far from rest are excluded, another KL weight is not."
                )
        else:
            how = "the gradients given" if m is None else f"{len(m.rows)} rows and {self.prices.draws} draws of z"
            lines.append(
                f"Price in effect: from {counted(len(self.telling), 'active latent')}, by {how}. It holds for any "
                "network at rest, in the mode of training."
            )
        lines += [] if m is None else m.decoder.notes
        if onset is not None:
            lines.append(
                f"Next onset: a further latent would become active below {self.loss.knob} = {onset}{onset.basis}."
            )
        elif self.by_codes is not None:
            lines.append(f"Next onset: unknown. {self.by_codes.silence} Give decode=… .")
        return " ".join(lines)

    def tables(self) -> dict[str, Table]:
        """Return the tables by name: latents, modes, criteria, dimensions, recommendations.

        Of a reconstruction term of the user's own only what the latents do is known.
        """
        if self.own_term:
            return {"latents": self.latents}
        criteria = criteria_table(self.criteria, self.yardstick)
        found = {"latents": self.latents, "modes": self._modes(), "criteria": criteria}
        if not self.spectrum.of_scores:  # there are no distortions of scores
            linear, own = self.observed is not None, self.decoded is not None
            found["dimensions"] = dimensions_table(self.dimensions, linear, own)
        return found | {"recommendations": recommendations_table(self.recommendations, self.loss.knob)}

    @property
    def latents(self) -> Table:
        """The latents by falling M²: signal fraction, rate, A², measured prices over the stated one, status."""
        q, order = self.posterior, self.posterior.ranking
        four = "{:.4f}".format
        columns = [
            Column("latent", order + 1),
            Column("M²", q.signal_fraction[order], four, "signal_fraction"),
            Column("R [nat]", q.rate[order], _digits, "rate"),
            Column("A²", q.second_moment[order], _digits, "second_moment"),
        ]
        note = (
            "M²: share of a latent's second moment that is signal (0: inactive, 1: free of noise). R: rate, its mean\n"
            f"KL. A²: second moment ⟨μ²⟩ + ⟨σ²⟩, {self._rest_of_scale}."
        )
        ratios = self.price_ratios
        if ratios is not None:
            for name, label in {"width": "σ", "mean": "μ"}.items():
                pairs = list(zip(ratios[name][order], ratios[f"{name}_error"][order], strict=True))
                columns.append(Column(f"ĉ_{label}/c", pairs, lambda pair: with_error(*pair), f"price_by_{name}"))
            note += (
                "\nĉ/c: price of a nat in effect over the stated one, by widths σ and by means μ (which settle last)."
            )
        if self.observed is not None:
            columns.append(Column("mode", [self._mode_of(self.observed)[k] for k in order]))
            columns.append(Column("linear", self.observed.linear[order], "{:.0%}".format))
            note += " linear: share of μ linear in the data."
        if self.decoded is not None and len(self.decoded.utility) == len(order):
            columns.append(Column("ΔD̃", self.decoded.utility, "{:.3f}".format, "utility"))
            note += (
                " ΔD̃: by how much it lowers\nthe share of the variance that the decoder leaves, after those above it."
            )
        columns.append(Column("verdict", [self.status[k] for k in order], key="status", text=True))
        return Table(columns, note=note, limit=SHOWN)

    @property
    def _rest_of_scale(self) -> str:
        """What A² is at rest, in words."""
        if self.posterior.bounded[self.is_active].any():
            return "not known at rest where σ is held at one value"
        return "1 where training has converged" if self.posterior.sampler.power == 1 else "1 − ⟨μ²⟩ at rest"

    @cached_property
    def price_ratios(self) -> dict[str, Array] | None:
        """Measured prices of each latent over the stated one, with errors, (K,) each; NaN where a latent tells none."""
        found, K = self.prices, self.posterior.latents
        if found is None:
            return None
        names = ("width", "width_error", "mean", "mean_error")
        ratios = {name: np.full(K, np.nan) for name in names}
        channels = channels_of(self.shape or (K,))
        columns = channels[np.isin(channels[:, 0], found.latent)]
        for name in names:
            ratios[name][columns] = getattr(found, name)[:, None] / self.price
        return ratios

    def _modes(self) -> Table:
        shown = max(int(np.count_nonzero(self.detected | (self.predicted_signal > 0))) + 1, 3)
        four, source = "{:.4f}".format, "by rank" if self.observed is None else "observed"
        thresholds = self.loss.beta_at(self.thresholds, self.spectrum)[: len(self.observed_signal)]
        columns = [
            Column("mode", np.arange(1, len(self.observed_signal) + 1)),
            Column("λ", self.eigenvalues, key="eigenvalue"),
            Column(f"collapses at {self.loss.knob}", thresholds, lambda b: significant(float(b), 4), "threshold_beta"),
            Column("M² predicted", self.predicted_signal, four, "predicted"),
            Column(f"M² {source}", self.observed_signal, four, "observed"),
        ]
        note = "λ: variance of the data along a mode. A mode is worth a latent where λ is above the price τ of a nat."
        if self.spectrum.of_scores:
            note = (
                "λ: variance of the scores along a mode, over the curvature of the loss. A mode is worth a latent\n"
                "where it is above the price of a nat: the first exactly, later ones by the collapsed background."
            )
        if self.loss.sampler.threshold != 1:
            note = f"λ: variance of the data along a mode. {self.loss.sampling}"
        return Table(columns, note=note, limit=shown)

    def _mode_of(self, observed: Observed) -> list[int | None]:
        """Return the mode of each active latent, counted from 1."""
        return [int(mode) + 1 if active else None for mode, active in zip(observed.mode, self.is_active, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints, as strict JSON."""
        latents: dict[str, Any] = {name: getattr(self.posterior, name) for name in OF_LATENTS}
        latents |= {f"price_by_{name}": values for name, values in (self.price_ratios or {}).items()}
        latents |= {"status": self.status, "alive": self.is_active}
        if self.observed is not None:
            latents |= {"mode": self._mode_of(self.observed), "linear": self.observed.linear}
        modes = {column.key: column.values for column in self._modes().columns if column.key}
        linear = None if self.observed is None else self.observed.prefix
        curves = {"rank_distortion": self.decoded, "linear_rank_distortion": linear, "noise_floor": self.floor}
        stated = {} if self.demand is None else {"stated_loss": self.stated_loss}
        return super().to_dict() | jsonable({**stated, "latents": latents, "modes": modes, **curves})


def _digits(value: float) -> str:
    """Return a number with four decimals, or, where it is huge, with an exponent."""
    return f"{value:.4f}" if abs(value) < 1e4 else f"{value:.3g}"
