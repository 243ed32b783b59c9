"""What a verification says: a verdict per mode, the numbers behind it, and likely causes; as a table and as JSON."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from landau_vae.display import Array, jsonable, listed, significant, table
from landau_vae.numeric._equilibrium import Reconstruction
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.verification._branches import Branches
from landau_vae.verification.evidence import Cause

__all__ = ["RANK_TOLERANCES", "Verification", "unresolved_lines"]

RANK_TOLERANCES = (0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5)  # J. Hirn's follow-up, Table I


@dataclass(frozen=True, eq=False)
class Verification:
    """One entry per mode that has a latent; differences are relative, NaN where there is nothing to compare."""

    spectrum: Spectrum = field(repr=False)  #: the data's spectrum
    branches: Branches = field(repr=False)  #: what the trained models say
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
    causes: tuple[Cause, ...]  #: why modes do not agree, as far as the models tell

    @property
    def agrees(self) -> bool:
        """Whether something was compared, nothing disagreed, and most of what the grid holds could be resolved.

        Exact training has no excuse: there every mode of the grid must agree.
        """
        count = self.verdict.count
        if count("disagrees") or any(cause.code in ("beta-schedule", "diverged") for cause in self.causes):
            return False
        told, untold = count("agrees"), count("not converged") + count("not resolved")
        return told > untold if self.branches.noisy else told > 0 and untold == 0

    @cached_property
    def ranks(self) -> list[tuple[float, int, int | None]]:
        """(tolerance, PCA rank, latents that the coldest models need for it or None); distortion of the mean."""
        kept = self.branches.rank_distortion("mean")[0]
        return [
            (share, self.spectrum.rank(share), int(np.argmax(kept <= share)) if kept.min() <= share else None)
            for share in RANK_TOLERANCES
        ]

    def __repr__(self) -> str:
        return (
            f"Verification({self.verdict.count('agrees')} of {len(self.verdict)} modes agree within {self.tolerance:g})"
        )

    def summary(self, limit: int | None = None) -> str:
        """The table of modes (of the first `limit`), the ranks, the verdict."""
        hidden = len(self.verdict[limit:]) if limit is not None else 0
        more = f"\n… and {hidden} more (--modes)" if hidden else ""
        return "\n\n".join([self._mode_table(limit) + more, self._rank_table(), self.conclusion()])

    def conclusion(self) -> str:
        """The verdict in words, causes and unresolved directions included."""
        count, within = self.verdict.count("agrees"), f"{self.tolerance:.3g}"
        lines = [
            f"{count} of {len(self.verdict)} {'' if self.branches.noisy else 'resolved '}modes agree within {within}"
            f"{' and their standard errors' if self.branches.noisy else ''}: threshold, utility and PCA spectrum, "
            "and the law M² = 1 − T/T_k."
        ]
        for word in ("disagrees", "not resolved", "not converged", "outside the grid", "outside the theory"):
            modes = [k for k, verdict in enumerate(self.verdict) if verdict == word]
            if modes:
                lines.append(f"Mode{'s' * (len(modes) > 1)} {listed(modes)}: {word}{_MEANING.get(word, '')}.")
        if without := range(len(self.verdict), self.spectrum.modes):
            name = f"Mode{'s' * (len(without) > 1)} {listed(without)}"
            lines.append(f"{name}: not compared (there was no latent left).")
        lines += self._coincidence()
        lines += [f"Likely cause: {cause}" for cause in self.causes]
        lines += unresolved_lines(self.spectrum)
        slow = int(np.count_nonzero(self.branches.converged < 1))
        if slow and not self.branches.noisy:
            lines.append(
                f"Training stopped short of its tolerance at {slow} of {len(self.branches.converged)} temperatures."
            )
        return "\n".join(lines)

    def _coincidence(self) -> list[str]:
        """The coincidence of the three spectra as a statistical statement, of noisy models."""
        resolved = np.isin(self.verdict, ("agrees", "disagrees"))
        values = np.concatenate([self.threshold_p[resolved], self.utility_p[resolved]])
        values = values[np.isfinite(values)]
        if values.size == 0:
            return []
        least, residual = float(values.min()), float(np.sqrt(np.nanmean(np.square(self.collapse[resolved]))))
        return [
            f"Without any tolerance: of {values.size} comparisons of collapse and utility with PCA, the smallest "
            f"p-value is {least:.2g} ({min(1.0, least * values.size):.2g} after Bonferroni); M² keeps to its law "
            f"within {residual:.2g} (root mean square)."
        ]

    def _mode_table(self, limit: int | None) -> str:
        pca, noisy = self.spectrum.normalized, self.branches.noisy
        header = ["mode", "PCA λ/V", "utility", "threshold"]
        header += ["95 % interval", "exponent"] if noisy else []
        header += ["threshold/PCA−1", "utility/theory−1"]
        header += [] if noisy else ["utility/PCA−1"]
        header += ["max |ΔM²|", "verdict"]
        rows = []
        for k, verdict in enumerate(self.verdict[:limit]):
            row = [str(k + 1), significant(pca[k]), significant(self.utility[k]), significant(self.threshold[k])]
            if noisy:
                row += [_interval(self.threshold_interval[k]), _plus_minus(self.exponent[k], self.exponent_interval[k])]
            row += [_difference(self.threshold_error[k]), _difference(self.utility_error[k])]
            row += [] if noisy else [_difference(self.utility_pca_error[k])]
            rows.append([*row, _difference(self.law_error[k]), verdict])
        return table(header, rows)

    def _rank_table(self) -> str:
        header = ["rank for D̃ ≤", *(f"{share:.3%}".rstrip("0%").rstrip(".") + " %" for share, _, _ in self.ranks)]
        return table(
            header,
            [
                ["PCA", *(str(pca) for _, pca, _ in self.ranks)],
                ["trained", *("—" if kept is None else str(kept) for _, _, kept in self.ranks)],
            ],
        )

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        names = (
            "threshold", "threshold_interval", "utility", "utility_interval", "utility_temperature", "exponent",
            "exponent_interval", "collapse", "threshold_error", "utility_error", "utility_pca_error", "threshold_p",
            "utility_p", "law_error",
        )  # fmt: skip
        return jsonable(
            {
                "agrees": self.agrees,
                "tolerance": self.tolerance,
                "reconstruction": self.reconstruction,
                "coldest_temperature": self.branches.temperature[0],
                "seeds": self.branches.at_rest.shape[0],
                "spectrum": self.spectrum.to_dict(),
                "modes": [
                    {
                        "mode": k + 1,
                        "pca": self.spectrum.normalized[k],
                        "bracket": self.branches.brackets[k],
                        **{name: getattr(self, name)[k] for name in names},
                        "verdict": verdict,
                    }
                    for k, verdict in enumerate(self.verdict)
                ],
                "causes": [vars(cause) for cause in self.causes],
                "ranks": [{"tolerance": share, "pca": pca, "trained": kept} for share, pca, kept in self.ranks],
            }
        )


_MEANING = {
    "not resolved": " (their standard errors are too large: more seeds, or longer training)",
    "not converged": " (training ended before they had settled)",
    "outside the grid": " (too few temperatures below their thresholds, or none above: a wider or finer grid)",
}


def unresolved_lines(spectrum: Spectrum) -> list[str]:
    """What is to be said of directions without variance, if there are any."""
    if spectrum.unresolved == 0:
        return []
    first, last = spectrum.modes + 1, spectrum.dimension
    subject = f"Mode {first} is" if first == last else f"Modes {first} to {last} are"
    line = f"{subject} unresolved: λ/V is within rounding (floor {spectrum.floor / spectrum.total_variance:.1e})"
    groups = [", ".join(names) for names in spectrum.dependencies() if len(names) <= 6]
    return [f"{line}; linearly dependent: {'; '.join(groups)}." if groups else f"{line}."]


def _difference(value: float) -> str:
    return "—" if np.isnan(value) else f"{value:+.1e}"


def _interval(ends: Array) -> str:
    return "—" if np.isnan(ends).any() else f"{significant(ends[0], 4)} … {significant(ends[1], 4)}"


def _plus_minus(value: float, ends: Array) -> str:
    if np.isnan(value):
        return "—"
    return f"{value:.3f}" + ("" if np.isnan(ends).any() else f" ± {ends[1] - value:.3f}")
