"""The result of a verification: a verdict per mode, the numbers behind it, and likely causes; as tables and as JSON."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from landau_vae.checks import Count, checked
from landau_vae.display import Array, Column, Result, Table, jsonable, listed, significant
from landau_vae.findings import Finding
from landau_vae.networks import FirstCollapse
from landau_vae.numeric._equilibrium import Reconstruction
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.verification._branches import Branches
from landau_vae.verification._nonlinear import AGREES, DISAGREES, PRICE, Claim, claims_table, claims_words

RANK_TOLERANCES = (0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5)  # J. Hirn's follow-up, Table I
MEANINGS = {  # verdict → what follows it, apart from "agrees"
    "disagrees": "",
    "not resolved": " (their standard errors are too large: train more seeds, or longer)",
    "not converged": " (training ended before they had settled)",
    "outside the grid": " (too few temperatures below their thresholds, or none above: take a wider or finer grid)",
    "outside the theory": "",
}


@dataclass(frozen=True, eq=False)
class Verification(Result):
    """One entry per mode that has a latent; differences are relative, NaN where there is nothing to compare."""

    json_fields = ("agrees", "tolerance", "reconstruction", "spectrum")
    spectrum: Spectrum = field(repr=False)  #: the data's spectrum
    branches: Branches = field(repr=False)  #: what the trained models show
    tolerance: float  #: largest relative difference, beyond its standard errors, that counts as agreement
    reconstruction: Reconstruction  #: kind of reconstruction that utilities are measured on
    threshold: Array  #: T_k from the trained branches, mean over seeds, (modes,)
    threshold_interval: Array  #: 95 % interval of T_k, (modes, 2); NaN from one seed, a point where training is exact
    utility: Array  #: ΔD̃_k by ranked pruning at `utility_temperature`, mean over seeds, (modes,)
    utility_interval: Array  #: 95 % interval of ΔD̃_k, (modes, 2)
    utility_temperature: Array  #: where utilities are read, (modes,): the coldest T; of noisy models about 0.3 T_k
    exponent: Array  #: p of M² = (1 − T/T_k)^p, mean over seeds, (modes,); the mean-field law has 1
    exponent_interval: Array  #: 95 % interval of p, (modes, 2)
    collapse: Array  #: root mean square of M² − [1 − T/T_k]₊ along the branch, with its own T_k, (modes,)
    threshold_error: Array  #: of the threshold against λ_k/V, (modes,)
    utility_error: Array  #: of the utility against its own prediction at that temperature, (modes,)
    utility_pca_error: Array  #: of the utility against λ_k/V, where theory lets them agree, (modes,)
    threshold_p: Array  #: p-value of T_k = λ_k/V, without any tolerance, (modes,); NaN where training is exact
    utility_p: Array  #: p-value of ΔD̃_k = its own prediction, (modes,)
    law_error: Array  #: largest |M²_k(T) − [1 − T/T_k]₊|, beyond its standard errors if noisy, (modes,)
    verdict: tuple[str, ...]  #: agrees, disagrees, not resolved, not converged, outside the grid (or theory); (modes,)
    causes: tuple[Finding, ...] = ()  #: why modes do not agree, as far as the scan shows
    claims: tuple[Claim, ...] = ()  #: of networks, whose rows were given: what the nonlinear theory predicts
    first_collapse: FirstCollapse | None = field(default=None, repr=False)  #: the free decoder's; None of Gaussian rows

    @property
    def agrees(self) -> bool:
        """Whether something was compared, nothing disagreed, and most of what the grid holds could be resolved.

        After exact training every mode of the grid must agree. Of networks one of the
        predictions must, beside the price of a nat.
        """
        if any(cause.code in ("beta-schedule", "changed", "diverged") for cause in self.causes):
            return False  # whatever the modes show: it was measured on something else, or not on all models
        if self.claims:
            seen = any(claim.verdict == AGREES for claim in self.claims if claim.what != PRICE)
            return seen and all(claim.verdict != DISAGREES for claim in self.claims)
        count = self.verdict.count
        if count("disagrees"):
            return False
        agreeing, open_ = count("agrees"), count("not converged") + count("not resolved")
        return agreeing > open_ if self.branches.noisy else agreeing > 0 and open_ == 0

    @cached_property
    def ranks(self) -> list[tuple[float, int, int | None]]:
        """Tolerance, PCA rank, and how many latents the coldest models need for it (or None), by their mean output."""
        kept = self.branches.rank_distortion("mean")[0]
        trained = [int(np.argmax(kept <= share)) if kept.min() <= share else None for share in RANK_TOLERANCES]
        return [(share, self.spectrum.rank(share), rank) for share, rank in zip(RANK_TOLERANCES, trained, strict=True)]

    def __repr__(self) -> str:
        if self.claims:
            agreeing = sum(claim.verdict == AGREES for claim in self.claims)
            return f"Verification({agreeing} of {len(self.claims)} predictions for networks agree)"
        if set(self.verdict) == {"outside the theory"}:
            return f"Verification(no verdict: {len(self.verdict)} modes outside the theory)"
        count = self.verdict.count("agrees")
        return f"Verification({count} of {len(self.verdict)} modes agree within {self.tolerance:g})"

    def content(self) -> Iterable[str | Table]:
        """Yield the table of modes, the table of ranks, and the verdict in words."""
        yield self._mode_table()
        yield self._rank_table()
        if self.claims:
            yield claims_table(self.claims)
        yield self.conclusion()

    @checked
    def summary(self, limit: Count | None = None) -> str:
        """Return the table of modes, the ranks and the verdict as plain text.

        Parameters
        ----------
        limit : int, optional
            How many modes to show. By default all.

        Returns
        -------
        str
        """
        modes = replace(self._mode_table(), limit=limit)
        claims = [claims_table(self.claims).text()] * bool(self.claims)
        return "\n\n".join([modes.text(), self._rank_table().text(), *claims, self.conclusion()])

    def conclusion(self) -> str:
        """Return the verdict in words, causes and unresolved directions included."""
        agreeing, noisy = self.verdict.count("agrees"), self.branches.noisy
        known = set(self.verdict) != {"outside the theory"}
        lines = [
            f"{agreeing} of {len(self.verdict)} {'' if noisy else 'resolved '}modes agree within {self.tolerance:.3g}"
            f"{' and their standard errors' if noisy else ''}: threshold, utility and PCA spectrum, and the law "
            "M² = 1 − T/T_k."
            if known
            else "The law of linear models is shown for comparison: it gives no verdict on these modes."
        ]
        for word, meaning in MEANINGS.items():
            modes = [k for k, verdict in enumerate(self.verdict) if verdict == word]
            lines += [f"{listed(modes, 'Mode')}: {word}{meaning}."] * bool(modes)
        without = range(len(self.verdict), self.spectrum.modes)
        lines += [f"{listed(without, 'Mode')}: not compared (no latent was left)."] * bool(without)
        lines += self._coincidence()
        lines += claims_words(self.claims, self.first_collapse) if self.claims else []
        lines += [f"Likely cause: {cause.sentence} {cause.advice}".rstrip() for cause in self.causes]
        lines += [self.spectrum.unresolved_note] * bool(self.spectrum.unresolved)
        short = f"{np.count_nonzero(self.branches.converged < 1)} of {len(self.branches.converged)} temperatures"
        if self.branches.converged.min() < 1 and not noisy:
            lines.append(f"Training stopped short of its tolerance at {short}.")
        return "\n".join(lines)

    def _coincidence(self) -> list[str]:
        """Return the coincidence of the three spectra as a statistical statement, of noisy models."""
        resolved = np.isin(self.verdict, ("agrees", "disagrees"))
        values = np.concatenate([self.threshold_p[resolved], self.utility_p[resolved]])
        values = values[np.isfinite(values)]
        if values.size == 0:
            return []
        least, residual = values.min(), np.sqrt(np.nanmean(np.square(self.collapse[resolved])))
        return [
            f"Without any tolerance: of {values.size} comparisons of collapse and utility with PCA, the smallest "
            f"p-value is {least:.2g} ({min(1.0, least * values.size):.2g} after Bonferroni); M² follows its law "
            f"within {residual:.2g} (root mean square)."
        ]

    def _mode_table(self) -> Table:
        modes, noisy = len(self.verdict), self.branches.noisy
        columns = [Column("mode", range(1, modes + 1)), Column("PCA λ/V", self.spectrum.normalized[:modes])]
        columns += [Column("utility", self.utility), Column("threshold", self.threshold)]
        differences = {"threshold/PCA−1": self.threshold_error, "utility/theory−1": self.utility_error}
        if noisy:
            columns.append(Column("95 % interval", self.threshold_interval, _interval))
            exponents = list(zip(self.exponent, self.exponent_interval, strict=True))
            columns.append(Column("exponent", exponents, lambda pair: _plus_minus(*pair)))
        else:
            differences["utility/PCA−1"] = self.utility_pca_error
        differences["max |ΔM²|"] = self.law_error
        columns += [Column(label, values, _difference) for label, values in differences.items()]
        columns.append(Column("verdict", self.verdict))
        note = (
            "T = τ/V: the price τ of a nat as a share of the total variance V. M² = ⟨μ²⟩/(⟨μ²⟩ + ⟨σ²⟩): 0 if a latent "
            "is inactive.\nUtility: by how much keeping a latent lowers the distortion, as a share of V."
        )
        return Table(columns, note=note)

    def _rank_table(self) -> Table:
        ranks = [Column(f"{share:.3%}".rstrip("0%").rstrip(".") + " %", [pca, kept]) for share, pca, kept in self.ranks]
        return Table([Column("rank for D̃ ≤", ["PCA", "trained"]), *ranks])

    def to_dict(self) -> dict[str, Any]:
        """Return verdicts, numbers and causes as strict JSON."""
        modes: dict[str, Any] = {"mode": range(1, len(self.verdict) + 1), "pca": self.spectrum.normalized}
        modes |= {"bracket": self.branches.brackets, "verdict": self.verdict}
        modes |= {each.name: getattr(self, each.name) for each in fields(self) if each.type == Array}
        data = super().to_dict() | {
            "coldest_temperature": self.branches.temperature[0],
            "seeds": self.branches.at_rest.shape[0],
            "modes": [{name: values[k] for name, values in modes.items()} for k in range(len(self.verdict))],
            "causes": [_cause(cause) for cause in self.causes],
            "claims": [vars(claim) for claim in self.claims],
            "ranks": [{"tolerance": share, "pca": pca, "trained": kept} for share, pca, kept in self.ranks],
        }
        return jsonable(data)


def _cause(cause: Finding) -> dict[str, Any]:
    """Return a cause as JSON has it."""
    recorded = cause.evidence["source"] == "recorded"
    return {"code": cause.code, "sentence": f"{cause.sentence} {cause.advice}".rstrip(), "recorded": recorded}


def _difference(value: float) -> str:
    return "—" if np.isnan(value) else f"{value:+.1e}"


def _interval(ends: Array) -> str:
    return "—" if np.isnan(ends).any() else f"{significant(ends[0], 4)} … {significant(ends[1], 4)}"


def _plus_minus(value: float, ends: Array) -> str:
    if np.isnan(value):
        return "—"
    return f"{value:.3f}" + ("" if np.isnan(ends).any() else f" ± {ends[1] - value:.3f}")
