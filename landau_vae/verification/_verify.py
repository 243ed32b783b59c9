"""Do the three spectra coincide? Collapse, utility and PCA spectrum, each by its own route.

    T_k (where the trained branch ends)  =  λ_k/V (eigenvalues of the data)  =  ΔD̃_k (ranked pruning, T → 0)

and does each trained branch follow M²_k = 1 − T/T_k on the way (J. Hirn, arXiv:2605.22691)? At finite T a utility is
compared with its own prediction, of the kind of reconstruction that was used, and with λ_k/V where the theory says that
they differ by less than the tolerance. Models trained by samples scatter: their means over seeds are compared within
standard errors (`verdicts`), and where they differ from theory a likely cause is named (`causes`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import Positive, checked
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.limits import ACTIVE, CONFIDENCE, FITTED, SURELY_COLLAPSED, UTILITY_READ
from landau_vae.loss import Loss
from landau_vae.numeric._equilibrium import NOISE_POWER, Equilibrium, Reconstruction, equilibrium
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.gradients import recorded_decoder
from landau_vae.training.schema import trainer_settings, validate
from landau_vae.verification._branches import Branches, branches, exponents, mean_and_error, residual, trained_spectrum
from landau_vae.verification.causes import Evidence, find_causes
from landau_vae.verification.verdicts import Deviation, interval, judge, sampling_error
from landau_vae.verification.verification import Verification


@checked
def verify(
    scan: Any, spectrum: Spectrum | None = None, *, tolerance: Positive = 0.01, reconstruction: Reconstruction = "mean"
) -> Verification:
    """Compare the trained models of a scan with what the spectrum of the data predicts.

    Only the observables of the scan are read, so that models of any architecture can be compared, with or without
    their weights.

    Parameters
    ----------
    scan : xarray.Dataset
        As `lv.scan` returned it.
    spectrum : Spectrum, optional
        What to compare with. By default the spectrum of the very rows that were trained on. Against another one, such
        as that of the population that they were drawn from, intervals allow for the sampling error of the training set
        too (as of Gaussian data).
    tolerance : float, default 0.01
        Largest relative difference, beyond its standard errors, that counts as agreement.
    reconstruction : {"mean", "sampled"}
        Whether utilities are those of the posterior mean or of samples from the posterior.

    Returns
    -------
    Verification

    Raises
    ------
    InputError
        For a dataset that is not a scan, or of other data than the spectrum.

    Examples
    --------
    >>> from landau_vae import scan
    >>> spectrum = Spectrum.from_eigenvalues([4, 1])
    >>> verify(scan(spectrum, np.geomspace(1, 0.01, 21)), spectrum)
    Verification(2 of 2 modes agree within 0.01)
    """
    trained_on = trained_spectrum(validate(scan))
    spectrum = trained_on if spectrum is None else spectrum
    if spectrum is None:
        raise InputError(
            "The scan does not hold the covariance that it was trained on: give the spectrum of its data.", "spectrum"
        )
    measured = branches(scan, spectrum)
    latents = scan.sizes["latent"]
    modes = min(spectrum.modes, latents)
    pca, noisy = spectrum.normalized[:modes], measured.noisy
    theory = equilibrium(spectrum, Loss.gaussian(measured.abscissa * spectrum.total_variance, latents=latents))
    drawn = sampling_error(spectrum, trained_on, int(scan.attrs.get("samples", 0)), modes)
    threshold = _deviation(measured.lines[:, :modes, 0] / pca - 1, drawn, noisy)
    exponent = _deviation(exponents(measured)[:, :modes] - 1, np.zeros(modes), noisy)
    cold = _read_at(measured)[:modes]
    utility = np.take_along_axis(measured.utility(reconstruction)[..., :modes], cold[None, None], axis=1)[:, 0]
    at = measured.temperature[cold]
    predicted = np.take_along_axis(theory.utility(reconstruction)[..., :modes], cold[None, None], axis=1)[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        useful = _deviation(np.where(at < pca, utility / predicted - 1, np.nan), drawn, noisy)
        near_pca = (at / pca) ** NOISE_POWER[reconstruction] <= tolerance
        pca_error = np.where(near_pca, mean_and_error(utility / pca - 1)[0], np.nan)
    law = _law_deviation(measured, theory, drawn)
    verdict = judge(measured, pca, [threshold, useful, exponent], law, pca_error, tolerance)
    known = 1.0
    if not recorded_decoder(trainer_settings(scan)).likelihood.squared:  # neither law nor utilities hold for logits
        known, verdict = np.nan, ("outside the theory",) * modes
    ends = np.maximum(0.0, pca[:, None] * (1 + interval(threshold)))
    scale = np.nan_to_num(predicted).mean(axis=0)[:, None]
    evidence = Evidence(
        scan, trained_on, spectrum, measured, 1 + threshold.mean, threshold.error, 1 + exponent.mean, verdict, tolerance
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
        collapse=residual(measured, pca * (1 + threshold.mean)),
        threshold_error=readonly(threshold.mean * known),
        utility_error=readonly(useful.mean * known),
        utility_pca_error=readonly(pca_error * known),
        threshold_p=readonly(threshold.p_value * known),
        utility_p=readonly(useful.p_value * known),
        law_error=readonly(law * known),
        verdict=verdict,
        causes=find_causes(evidence),
    )


def _deviation(by_seed: Array, drawn: Array, noisy: bool) -> Deviation:
    """Return mean over seeds and error: 0 where training is exact, so that seeds that differ are a finding."""
    mean, error, count = mean_and_error(by_seed)
    return Deviation(mean, error if noisy else np.zeros(len(mean)), count, drawn)


def _read_at(measured: Branches) -> NDArray[np.intp]:
    """Return the index of the temperature at which utilities are read, (latents,): the coldest.

    Of noisy models, the one nearest to 0.3 of the branch's end at which all seeds had come to rest: far below their
    thresholds M² hardly shows modes that still share latents (rotated ones), but utilities do.
    """
    if not measured.noisy:
        return np.zeros(measured.at_rest.shape[-1], dtype=np.intp)
    with np.errstate(divide="ignore"):
        distance = np.abs(np.log(measured.temperature[:, None]) - np.log(UTILITY_READ * measured.brackets[:, 0]))
    return np.argmin(np.where(measured.at_rest.all(axis=0), distance, np.inf), axis=0)


def _law_deviation(measured: Branches, theory: Equilibrium, drawn: Array) -> Array:
    """Return the largest distance from the law, (modes,).

    Of noisy models, over means of seeds where at least two had come to rest: below T_k/2, less what they had still to
    go and t standard errors (95 %, shared out among the temperatures), and above 1.5 T_k by what exceeds `ACTIVE`; in
    between they relax too slowly for a comparison.
    """
    modes = len(drawn)
    fraction, law = measured.by_seed[..., :modes], theory.signal_fraction[..., :modes]
    if not measured.noisy:
        return np.abs(fraction - law).max(axis=(0, 1))
    rest = measured.at_rest[..., :modes]
    mean, error, count = mean_and_error(np.where(rest, fraction - law, np.nan))
    inactive = mean_and_error(np.where(rest, fraction, np.nan))[0] - ACTIVE
    share = measured.temperature[:, None] / theory.spectrum.normalized[:modes]
    left = mean_and_error(np.where(rest, measured.to_go[..., :modes], np.nan))[0]
    deviation = Deviation(mean, np.nan_to_num(error), count, share * drawn)
    active = np.abs(mean) - left - deviation.quantile(1 - (1 - CONFIDENCE) / len(share)) * deviation.total
    active = np.where(count > min(1, len(rest) - 1), active, 0.0)
    beyond = np.where(law.mean(axis=0) > FITTED, active, np.where(share > SURELY_COLLAPSED, inactive, 0.0))
    return np.maximum(0.0, np.nan_to_num(beyond)).max(axis=0)
