"""Do the three spectra coincide? Collapse, utility and PCA spectrum, each by its own route.

    T_k (where the trained branch ends)  =  λ_k/V (eigenvalues of the data)  =  ΔD̃_k (ranked pruning, T → 0)

and does each trained branch follow M²_k = 1 − T/T_k on the way (J. Hirn, arXiv:2605.22691)? At finite T a
utility is compared with its own prediction, of the kind of reconstruction that was used, and with λ_k/V where
the theory says that they differ by less than the tolerance.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.numeric.equilibrium import Reconstruction, equilibrium, noise_power
from landau_vae.results import Array, jsonable, readonly, significant, table
from landau_vae.spectrum import Spectrum
from landau_vae.verification.branches import Branches, branches

if TYPE_CHECKING:
    import xarray

__all__ = ["RANK_TOLERANCES", "Verification", "verify"]

RANK_TOLERANCES = (0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5)  # J. Hirn's follow-up, Table I


@dataclass(frozen=True, eq=False)
class Verification:
    """One entry per mode that has a latent; differences are relative, NaN where there is nothing to compare."""

    spectrum: Spectrum = field(repr=False)  #: the data's spectrum
    branches: Branches = field(repr=False)  #: what the trained models say
    tolerance: float  #: largest relative difference that counts as agreement
    reconstruction: Reconstruction  #: kind of reconstruction that utilities are measured on
    threshold: Array  #: T_k from the trained branches, (modes,)
    utility: Array  #: ΔD̃_k by ranked pruning at the coldest temperature, (modes,)
    threshold_error: Array  #: of the threshold against λ_k/V, (modes,)
    utility_error: Array  #: of the utility against its own prediction at that temperature, (modes,)
    utility_pca_error: Array  #: of the utility against λ_k/V, where theory lets them agree, (modes,)
    law_error: Array  #: largest |M²_k(T) − [1 − T/T_k]₊| over temperatures and seeds, (modes,)
    verdict: tuple[str, ...]  #: agrees, disagrees, not converged, outside the grid; (modes,)

    @property
    def agrees(self) -> bool:
        """Whether something was compared and nothing failed."""
        return "agrees" in self.verdict and set(self.verdict) <= {"agrees", "outside the grid"}

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

    def summary(self) -> str:
        """The table of modes, the ranks, the verdict."""
        return "\n\n".join([self._mode_table(), self._rank_table(), self.conclusion()])

    def conclusion(self) -> str:
        """The verdict in words, the unresolved directions included."""
        count = self.verdict.count("agrees")
        lines = [
            f"{count} of {len(self.verdict)} resolved modes agree within {self.tolerance:.3g}: threshold, utility "
            "and PCA spectrum, and the law M² = 1 − T/T_k."
        ]
        for word in ("disagrees", "not converged", "outside the grid"):
            modes = [str(k + 1) for k, verdict in enumerate(self.verdict) if verdict == word]
            if modes:
                lines.append(f"Mode{'s' * (len(modes) > 1)} {', '.join(modes)}: {word}.")
        lines += unresolved_lines(self.spectrum)
        slow = int(np.count_nonzero(self.branches.converged < 1))
        if slow:
            lines.append(
                f"Training stopped short of its tolerance at {slow} of {len(self.branches.converged)} temperatures."
            )
        return "\n".join(lines)

    def _mode_table(self) -> str:
        pca = self.spectrum.normalized
        coldest = significant(float(self.branches.temperature[0]), 3)
        header = [
            "mode",
            "PCA λ/V",
            f"utility, T={coldest}",
            "threshold",
            "threshold/PCA−1",
            "utility/theory−1",
            "utility/PCA−1",
            "max |ΔM²|",
            "verdict",
        ]
        rows = [
            [
                str(k + 1),
                significant(pca[k]),
                significant(self.utility[k]),
                significant(self.threshold[k]),
                _difference(self.threshold_error[k]),
                _difference(self.utility_error[k]),
                _difference(self.utility_pca_error[k]),
                _difference(self.law_error[k]),
                verdict,
            ]
            for k, verdict in enumerate(self.verdict)
        ]
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
        return jsonable(
            {
                "agrees": self.agrees,
                "tolerance": self.tolerance,
                "reconstruction": self.reconstruction,
                "coldest_temperature": self.branches.temperature[0],
                "spectrum": self.spectrum.to_dict(),
                "modes": [
                    {
                        "mode": k + 1,
                        "pca": self.spectrum.normalized[k],
                        "utility": self.utility[k],
                        "threshold": self.threshold[k],
                        "bracket": self.branches.brackets[k],
                        "threshold_error": self.threshold_error[k],
                        "utility_error": self.utility_error[k],
                        "utility_pca_error": self.utility_pca_error[k],
                        "law_error": self.law_error[k],
                        "verdict": verdict,
                    }
                    for k, verdict in enumerate(self.verdict)
                ],
                "ranks": [{"tolerance": share, "pca": pca, "trained": kept} for share, pca, kept in self.ranks],
            }
        )


def verify(
    scan: "xarray.Dataset", spectrum: Spectrum, *, tolerance: float = 0.01, reconstruction: Reconstruction = "mean"
) -> Verification:
    """Compare the trained models of a `scan` with what the spectrum of the data predicts.

    >>> from landau_vae import scan
    >>> spectrum = Spectrum.from_eigenvalues([4, 1])
    >>> verify(scan(spectrum, np.geomspace(1, 0.01, 21)), spectrum)
    Verification(2 of 2 modes agree within 0.01)
    """
    if not tolerance > 0:
        raise InputError(f"The tolerance is {tolerance}, but a positive relative difference is expected, such as 0.01.")
    measured = branches(scan, spectrum)
    modes = min(spectrum.modes, scan.sizes["latent"])
    pca, coldest = spectrum.normalized[:modes], measured.temperature[0]
    theory = equilibrium(spectrum, Loss.gaussian(measured.models.price, latents=scan.sizes["latent"]))
    threshold = measured.thresholds[:modes]
    utility = measured.utility(reconstruction)[0, :modes]
    predicted = theory.utility(reconstruction)[0, :modes]
    near_pca = (coldest / pca) ** noise_power(reconstruction) <= tolerance
    law = measured.models.signal_fraction[..., :modes] - theory.signal_fraction[:, :modes]
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = {
            "threshold_error": threshold / pca - 1,
            "utility_error": np.where(coldest < pca, utility / predicted - 1, np.nan),
            "utility_pca_error": np.where(near_pca, utility / pca - 1, np.nan),
            "law_error": np.abs(law).max(axis=(0, 1)),
        }
    return Verification(
        spectrum,
        measured,
        tolerance,
        reconstruction,
        threshold=threshold,
        utility=readonly(utility),
        verdict=_verdicts(errors, tolerance, converged=measured.converged.min() == 1),
        **{name: readonly(error) for name, error in errors.items()},
    )


def _verdicts(errors: dict[str, Array], tolerance: float, *, converged: bool) -> tuple[str, ...]:
    # A difference of exactly the tolerance (T = T_k/10, say) agrees: leave room for its rounding.
    within = np.all([np.isnan(error) | (np.abs(error) <= tolerance * (1 + 1e-6)) for error in errors.values()], axis=0)
    seen = ~np.isnan(errors["threshold_error"])
    failure = "disagrees" if converged else "not converged"
    good = np.where(seen, "agrees", "outside the grid")
    return tuple(np.where(within, good, failure).tolist())


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
