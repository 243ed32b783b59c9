"""Do the three spectra coincide? Collapse, utility and PCA spectrum, each by its own route.

    T_k (where the trained branch ends)  =  λ_k/V (eigenvalues of the data)  =  ΔD̃_k (ranked pruning, T → 0)

and does each trained branch follow M²_k = 1 − T/T_k on the way (J. Hirn, arXiv:2605.22691)? At finite T a utility is
compared with its own prediction, of the kind of reconstruction that was used, and with λ_k/V where the theory says that
they differ by less than the tolerance. Models trained by samples scatter: their means over seeds are compared within
standard errors (`judgement`), and where they part from theory a likely cause is named (`causes`).
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.numeric.equilibrium import Equilibrium, Reconstruction, equilibrium, noise_power
from landau_vae.results import Array, jsonable, listed, readonly, significant, table
from landau_vae.samples.tables import is_real
from landau_vae.spectrum import Spectrum
from landau_vae.verification.branches import ALIVE, FITTED, Branches, branches, mean_and_error
from landau_vae.verification.causes import Cause, Evidence, find_causes
from landau_vae.verification.judgement import CONFIDENCE, Deviation, interval, judge, sampling_error
from landau_vae.verification.law import collapse_residual, exponents
from landau_vae.verification.record import trained_with

if TYPE_CHECKING:
    import xarray

__all__ = ["RANK_TOLERANCES", "Verification", "check_tolerance", "verify"]

RANK_TOLERANCES = (0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5)  # J. Hirn's follow-up, Table I
READ = 0.3  # T/T_k at which utilities of noisy models are read
SETTLED = 1.5  # T/T_k from which on a latent of noisy models has to be dead


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
    law_error: Array  #: largest |M²_k(T) − [1 − T/T_k]₊|, beyond its standard errors if noisy, (modes,)
    verdict: tuple[str, ...]  #: agrees, disagrees, not resolved, not converged, outside the grid (or theory); (modes,)
    causes: tuple[Cause, ...]  #: why modes do not agree, as far as the models tell

    @property
    def agrees(self) -> bool:
        """Whether something was compared, nothing disagreed, and most of what the grid holds could be resolved.

        Exact training has no excuse: there every mode of the grid must agree.
        """
        count = {word: self.verdict.count(word) for word in set(self.verdict)}
        open_modes = count.get("not converged", 0) + count.get("not resolved", 0)
        if count.get("disagrees", 0) or any(cause.code in ("beta-schedule", "diverged") for cause in self.causes):
            return False
        return count.get("agrees", 0) > (open_modes if self.branches.noisy else 0) and (
            self.branches.noisy or open_modes == 0
        )

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
        lines += [f"Likely cause: {cause}" for cause in self.causes]
        lines += unresolved_lines(self.spectrum)
        slow = int(np.count_nonzero(self.branches.converged < 1))
        if slow and not self.branches.noisy:
            lines.append(
                f"Training stopped short of its tolerance at {slow} of {len(self.branches.converged)} temperatures."
            )
        return "\n".join(lines)

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
            "exponent_interval", "collapse", "threshold_error", "utility_error", "utility_pca_error", "law_error",
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


def verify(
    scan: "xarray.Dataset",
    spectrum: Spectrum | None = None,
    *,
    tolerance: float = 0.01,
    reconstruction: Reconstruction = "mean",
) -> Verification:
    """Compare the trained models of a `scan` with what the spectrum of the data predicts.

    Without a `spectrum` it is that of the very rows that were trained on. Against another one, such as the population
    that they were drawn from, intervals allow for the sampling error of the training set too (as of Gaussian data).

    >>> from landau_vae import scan
    >>> spectrum = Spectrum.from_eigenvalues([4, 1])
    >>> verify(scan(spectrum, np.geomspace(1, 0.01, 21)), spectrum)
    Verification(2 of 2 modes agree within 0.01)
    """
    check_tolerance(tolerance)
    own = _trained_on(scan)
    spectrum = own if spectrum is None else spectrum
    if spectrum is None:
        raise InputError("The scan does not hold the covariance that it was trained on: give the spectrum of its data.")
    measured = branches(scan, spectrum)
    modes = min(spectrum.modes, scan.sizes["latent"])
    pca, noisy = spectrum.normalized[:modes], measured.noisy
    theory = equilibrium(
        spectrum, Loss.gaussian(measured.abscissa * spectrum.total_variance, latents=scan.sizes["latent"])
    )
    drawn = sampling_error(spectrum, own, int(scan.attrs.get("samples", 0)), modes)
    threshold = _deviation(measured.lines[:, :modes, 0] / pca - 1, drawn, noisy)
    exponent = _deviation(exponents(measured)[:, :modes] - 1, np.zeros(modes), noisy)
    cold = _read_at(measured)[:modes]
    utility = np.take_along_axis(measured.utility(reconstruction)[..., :modes], cold[None, None], axis=1)[:, 0]
    at = measured.temperature[cold]
    predicted = np.take_along_axis(theory.utility(reconstruction)[..., :modes], cold[None, None], axis=1)[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        useful = _deviation(np.where(at < pca, utility / predicted - 1, np.nan), drawn, noisy)
        near_pca = (at / pca) ** noise_power(reconstruction) <= tolerance
        pca_error = np.where(near_pca, mean_and_error(utility / pca - 1)[0], np.nan)
    law = _law_deviation(measured, theory, drawn)
    verdict = judge(measured, pca, [threshold, useful, exponent], law, pca_error, tolerance)
    known = 1.0
    if trained_with(scan).get("decoder") == "bernoulli":  # logits: neither the law nor these utilities are theirs
        known, verdict = np.nan, ("outside the theory",) * modes
    ends = np.maximum(0.0, pca[:, None] * (1 + interval(threshold)))
    scale = np.nan_to_num(predicted).mean(axis=0)[:, None]
    evidence = Evidence(
        scan, spectrum, measured, 1 + threshold.mean, threshold.error, 1 + exponent.mean, verdict, tolerance
    )
    return Verification(
        spectrum,
        measured,
        tolerance,
        reconstruction,
        threshold=readonly(pca * (1 + threshold.mean) * known),
        threshold_interval=readonly(ends * known),
        utility=readonly(utility.mean(axis=0) * known),
        utility_interval=readonly(scale * (1 + interval(useful)) * known),
        utility_temperature=readonly(at),
        exponent=readonly((1 + exponent.mean) * known),
        exponent_interval=readonly(np.maximum(0.0, 1 + interval(exponent)) * known),
        collapse=collapse_residual(measured, pca * (1 + threshold.mean)),
        threshold_error=readonly(threshold.mean * known),
        utility_error=readonly(useful.mean * known),
        utility_pca_error=readonly(pca_error * known),
        law_error=readonly(law * known),
        verdict=verdict,
        causes=find_causes(evidence),
    )


def check_tolerance(tolerance: float) -> None:
    """A tolerated difference is a positive number."""
    if not is_real(tolerance) or tolerance <= 0:
        raise InputError(f"The tolerance is {tolerance}, but a positive relative difference is expected, such as 0.01.")


def _deviation(by_seed: Array, drawn: Array, noisy: bool) -> Deviation:
    """Mean over seeds with its error: none where training is exact, so that seeds that differ are a finding."""
    mean, error, count = mean_and_error(by_seed)
    return Deviation(mean, error if noisy else np.zeros(len(mean)), count, drawn)


def _trained_on(scan: "xarray.Dataset") -> Spectrum | None:
    if "covariance" not in scan:
        return None
    samples = int(scan.attrs.get("samples", 0)) or None
    labels = [str(name) for name in scan.feature.values] if scan.feature.dtype.kind in "UO" else None
    return Spectrum.from_covariance(scan.covariance.values, samples=samples, names=labels)


def _read_at(measured: Branches) -> NDArray[np.intp]:
    """Index of the temperature at which utilities are read, (latents,): the coldest.

    Of noisy models, the one nearest to 0.3 of the branch's end at which all seeds had come to rest: far below their
    thresholds M² tells little of modes that still share latents (rotated ones), but utilities tell it.
    """
    if not measured.noisy:
        return np.zeros(measured.at_rest.shape[-1], dtype=np.intp)
    with np.errstate(divide="ignore"):
        distance = np.abs(np.log(measured.temperature[:, None]) - np.log(READ * measured.brackets[:, 0]))
    return np.argmin(np.where(measured.at_rest.all(axis=0), distance, np.inf), axis=0)


def _law_deviation(measured: Branches, theory: Equilibrium, drawn: Array) -> Array:
    """Largest distance from the law, (modes,).

    Of noisy models, over means of seeds where at least two had come to rest: below T_k/2, less what they had still to
    go and t standard errors (95 %, shared out among the temperatures), and above 1.5 T_k by what exceeds `ALIVE`; in
    between they relax too slowly to tell.
    """
    modes = len(drawn)
    fraction, law = measured.models.signal_fraction[..., :modes], theory.signal_fraction[..., :modes]
    if not measured.noisy:
        return np.abs(fraction - law).max(axis=(0, 1))
    rest = measured.at_rest[..., :modes]
    mean, error, count = mean_and_error(np.where(rest, fraction - law, np.nan))
    dead = mean_and_error(np.where(rest, fraction, np.nan))[0] - ALIVE
    share = measured.temperature[:, None] / theory.spectrum.normalized[:modes]
    left = mean_and_error(np.where(rest, measured.to_go[..., :modes], np.nan))[0]
    spread = Deviation(mean, np.nan_to_num(error), count, share * drawn)
    living = np.abs(mean) - left - spread.quantile(1 - (1 - CONFIDENCE) / len(share)) * spread.total
    living = np.where(count > min(1, len(rest) - 1), living, 0.0)
    beyond = np.where(law.mean(axis=0) > FITTED, living, np.where(share > SETTLED, dead, 0.0))
    return np.maximum(0.0, np.nan_to_num(beyond)).max(axis=0)


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
