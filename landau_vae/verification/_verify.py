"""Do the three spectra coincide? Collapse, utility and PCA spectrum, each by its own route.

    T_k (where the trained branch ends)  =  λ_k/V (eigenvalues of the data)  =  ΔD̃_k (ranked pruning, T → 0)

and does each trained branch follow M²_k = 1 − T/T_k on the way (J. Hirn,
arXiv:2605.22691)? At finite T a utility is compared with its own prediction, of the
kind of reconstruction that was used, and with λ_k/V where the theory says that they
differ by less than the tolerance. Models trained by samples scatter: their means over
seeds are compared within standard errors
(`judge`), and where they differ from theory a likely cause is named (`causes`).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from landau_vae import limits
from landau_vae.checks import Positive, checked
from landau_vae.display import Array, Integers, readonly
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.networks import FirstCollapse, first_collapse
from landau_vae.numeric._equilibrium import NOISE_POWER, Equilibrium, Reconstruction, equilibrium
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.record import recorded_likelihood, recorded_linear, recorded_splits, trainer_settings
from landau_vae.training.schema import validate
from landau_vae.training.training_set import training_set
from landau_vae.verification import _nonlinear as nonlinear
from landau_vae.verification._branches import Branches, branches, exponents, mean_and_error, residual, trained_spectrum
from landau_vae.verification._nonlinear import Claim
from landau_vae.verification._spectroscopy import naming
from landau_vae.verification.causes import Case, find_causes
from landau_vae.verification.verification import Verification

STREAM = 0x76657266  # of the choice of rows for the free decoder
ROUNDING = 1e-6  # a difference of exactly the tolerance (T = T_k/10, say) agrees
RESOLUTION = np.array([limits.RESOLVED, limits.RESOLVED, limits.RESOLVED_EXPONENT])  # of threshold, utility, exponent


@dataclass(frozen=True, eq=False)
class Deviation:
    """A relative difference between measurement and theory, by mode."""

    mean: Array  #: over seeds
    error: Array  #: standard error over seeds; NaN from one seed, 0 where training is exact
    count: Integers  #: how many seeds had a number
    drawn: Array  #: standard error of the training set itself, as a sample of what it is compared with

    @property
    def total(self) -> Array:
        """Both errors together."""
        return np.hypot(self.error, self.drawn)

    @property
    @np.errstate(invalid="ignore", divide="ignore")
    def freedom(self) -> Array:
        """Degrees of freedom after Welch and Satterthwaite: only the error over seeds is uncertain."""
        seeds = np.maximum(self.count - 1, 1)
        share = np.nan_to_num((self.error / self.total) ** 2, nan=1.0)
        return np.minimum(seeds / share**2, 1e9)

    def margin(self, confidence: float) -> Array:
        """Return both errors together times the point of Student's t, two-sided."""
        return self.total * stdtrit(self.freedom, 0.5 + confidence / 2)

    @property
    @np.errstate(invalid="ignore", divide="ignore")
    def p_value(self) -> Array:
        """Two-sided, of no deviation at all; NaN where there is no error."""
        ratio = np.where(self.total > 0, np.abs(self.mean) / self.total, np.nan)
        return 2 * stdtr(self.freedom, -ratio)


@checked
def verify(
    scan: Any,
    spectrum: Spectrum | None = None,
    *,
    tolerance: Positive = 0.01,
    reconstruction: Reconstruction = "mean",
    data: Any = None,
    down: Any = None,
    collapse: FirstCollapse | None = None,
) -> Verification:
    """Compare the trained models of a scan with what the spectrum of the data predicts.

    Only the observables of the scan are read, so that models of any architecture can be
    compared, with or without their weights.

    Parameters
    ----------
    scan : xarray.Dataset
        As `lv.scan` returned it.
    spectrum : Spectrum, optional
        What to compare with. By default the spectrum of the very rows that were trained
        on. Against another one, such as that of the population that they were drawn
        from, intervals allow for the sampling error of the training set too (as of
        Gaussian data).
    tolerance : float, default 0.01
        Largest relative difference, beyond its standard errors, that counts as
        agreement.
    reconstruction : {"mean", "sampled"}
        Whether utilities are those of the posterior mean or of samples from the
        posterior.
    data : (n, d) array, optional
        Of networks that were trained by squared errors: the rows, as the scan got them.
        The scan is compared with the nonlinear theory then, or, of Gaussian rows, with
        λ_k.
    down : xarray.Dataset, optional
        The same models swept down, beside a scan that was swept up: for the hysteresis.
    collapse : FirstCollapse, optional
        `networks.first_collapse` of the rows, where it is known. By default that of at
        most 2 000 of them.

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
    drawn = sampling_error(spectrum, trained_on, modes)
    threshold = _deviation(measured.lines[:, :modes, 0] / pca - 1, drawn, noisy)
    exponent = _deviation(exponents(measured)[:, :modes] - 1, np.zeros(modes), noisy)
    cold = _read_at(measured)[:modes]
    both = (each.utility(reconstruction)[..., :modes] for each in (measured, theory))
    utility, predicted = (np.take_along_axis(each, cold[None, None], axis=1)[:, 0] for each in both)
    at = measured.temperature[cold]
    with np.errstate(divide="ignore", invalid="ignore"):
        useful = _deviation(np.where(at < pca, utility / predicted - 1, np.nan), drawn, noisy)
        near_pca = (at / pca) ** NOISE_POWER[reconstruction] <= tolerance
        pca_error = np.where(near_pca, mean_and_error(utility / pca - 1)[0], np.nan)
    law = _law_deviation(measured, theory, drawn)
    verdict = judge(measured, pca, [threshold, useful, exponent], law, pca_error, tolerance)
    known, settings = 1.0, trainer_settings(scan)
    if not recorded_linear(settings):
        verdict = ("outside the theory",) * modes
    if not recorded_likelihood(settings).squared:  # neither law nor utilities hold for logits
        known = np.nan
    ends = np.maximum(0.0, pca[:, None] * (1 + interval(threshold)))
    scale = np.nan_to_num(predicted).mean(axis=0)[:, None]
    result = Verification(
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
    )
    for name, given in {"down": down, "collapse": collapse}.items():
        if given is not None and data is None:
            raise InputError(f"{name} is compared with networks of known rows: give data=rows too.", name)
    if data is not None:
        claims, collapse = _of_networks(scan, data, down, collapse, pca)
        result = replace(result, claims=claims, first_collapse=collapse)
    return replace(result, causes=find_causes(Case(scan, trained_on, result, threshold.error, down)))


def _of_networks(
    scan: Any, data: Any, down: Any, collapse: FirstCollapse | None, pca: Array
) -> tuple[tuple[Claim, ...], FirstCollapse | None]:
    """Return what the nonlinear theory says of networks, beside what they show, and the free decoder's branch."""
    if not nonlinear.neural(scan) or not recorded_likelihood(trainer_settings(scan)).squared:
        found = "data are for networks of Neural, squared errors and a fixed variance, but the scan has others"
        raise InputError(f"{found}: leave them out.", "data")
    with naming("data"):
        rows = _training_rows(scan, data)
    features = scan.sizes.get("feature", rows.shape[1])
    if rows.shape[1] != features:
        raise InputError(f"data has {rows.shape[1]} columns, but the models were trained on {features}.", "data")
    x = (rows - scan["mean"].values) / scan["scale"].values if "scale" in scan else rows
    _check_networks(scan, down, x)
    price = tuple(nonlinear.price_claim(scan, x))
    if collapse is None and nonlinear.is_gaussian(x):
        return (*price, *nonlinear.later_claims(scan, x, pca)), None
    if collapse is None:
        some = np.random.default_rng((0, STREAM)).choice(len(x), min(len(x), nonlinear.ROWS), replace=False)
        collapse = first_collapse(x[np.sort(some)])
    share = max(0.0, 1 - collapse.rows / len(x))  # networks were trained on these rows, not on a population
    first = nonlinear.first_claims(scan, down, collapse, share**0.5, float(pca[0]), x)
    return (*price, *first, *nonlinear.later_claims(scan, x, None)), collapse


def _training_rows(scan: Any, data: Any) -> Array:
    """Return the rows that networks were trained on: of those that a scan with splits got, the training part."""
    rows, splits = training_set(data).rows, recorded_splits(scan)
    if rows is not None and splits is not None and len(rows) != scan.attrs.get("samples"):
        rows = training_set(data, splits=splits).rows
    if rows is None:
        raise InputError("data is a Spectrum, but the rows are needed that networks were trained on.")
    return rows


def _check_networks(scan: Any, down: Any, x: Array) -> None:
    """Raise unless these are the rows of training, and `down` is a sweep down."""
    if "covariance" in scan:
        trained, total = scan.covariance.values, float(scan.attrs["total_variance"])
        if not np.linalg.norm(np.cov(x.T, bias=True) - trained) <= limits.OTHER_ROWS * np.linalg.norm(trained):
            found = f"data has a total variance of {x.var(axis=0).sum():.4g}, the rows of the scan had {total:.4g}"
            raise InputError(f"{found}, or other correlations: give the rows that were trained on.", "data")
    if down is None:
        return
    validate(down, "signal_fraction", "rate", "distortion", name="down")
    if (start := down.attrs.get("start")) != "down":
        raise InputError(f"down was started {start!r}: give a scan with start='down'.", "down")
    for what in ("latent", "feature"):
        if down.sizes.get(what) != scan.sizes.get(what):
            counts = f"down has {down.sizes.get(what)} {what}s, but the scan has {scan.sizes.get(what)}"
            raise InputError(f"{counts}: give the same models, swept down.", "down")


def _deviation(by_seed: Array, drawn: Array, noisy: bool) -> Deviation:
    """Return mean over seeds and error: 0 where training is exact, so that seeds that differ are a finding."""
    mean, error, count = mean_and_error(by_seed)
    return Deviation(mean, error if noisy else np.zeros(len(mean)), count, drawn)


@np.errstate(divide="ignore")
def _read_at(measured: Branches) -> NDArray[np.intp]:
    """Return the index of the temperature at which utilities are read, (latents,): the coldest.

    Of noisy models, the one nearest to 0.3 of the branch's end at which all seeds had
    come to rest: far below their thresholds M² hardly shows modes that still share
    latents (rotated ones), but utilities do.
    """
    if not measured.noisy:
        return np.zeros(measured.at_rest.shape[-1], dtype=np.intp)
    distance = np.abs(np.log(measured.temperature[:, None]) - np.log(limits.UTILITY_READ * measured.brackets[:, 0]))
    return np.argmin(np.where(measured.at_rest.all(axis=0), distance, np.inf), axis=0)


def _law_deviation(measured: Branches, theory: Equilibrium, drawn: Array) -> Array:
    """Return the largest distance from the law, (modes,).

    Of noisy models, over means of seeds where at least two had come to rest: below
    T_k/2, less what they had still to go and t standard errors (95 %, shared out among
    the temperatures), and above 1.5 T_k by what exceeds `ACTIVE`; in between they relax
    too slowly for a
    comparison.
    """
    modes = len(drawn)
    fraction, law = measured.by_seed[..., :modes], theory.signal_fraction[..., :modes]
    if not measured.noisy:
        return np.abs(fraction - law).max(axis=(0, 1))
    rest = measured.at_rest[..., :modes]
    mean, error, count = mean_and_error(np.where(rest, fraction - law, np.nan))
    inactive = mean_and_error(np.where(rest, fraction, np.nan))[0] - limits.ACTIVE
    share = measured.temperature[:, None] / theory.spectrum.normalized[:modes]
    left = mean_and_error(np.where(rest, measured.to_go[..., :modes], np.nan))[0]
    deviation = Deviation(mean, np.nan_to_num(error), count, share * drawn)
    active = np.abs(mean) - left - deviation.margin(1 - (1 - limits.CONFIDENCE) / len(share))
    active = np.where(count > min(1, len(rest) - 1), active, 0.0)
    warm = np.where(share > limits.SURELY_COLLAPSED, inactive, 0.0)
    beyond = np.where(law.mean(axis=0) > limits.FITTED, active, warm)
    return np.maximum(0.0, np.nan_to_num(beyond)).max(axis=0)


# ------------------------------------------------------------------------------------------------------------- verdicts


def interval(deviation: Deviation) -> Array:
    """Return the 95 % interval of a deviation, mode by mode, (modes, 2)."""
    half = deviation.margin(limits.CONFIDENCE)
    return np.stack([deviation.mean - half, deviation.mean + half], axis=-1)


def sampling_error(spectrum: Spectrum, trained_on: Spectrum | None, modes: int) -> Array:
    """Return the relative standard error of λ_k/V of n Gaussian samples; 0 against the training set itself."""
    if trained_on is None or trained_on.samples is None:
        return np.zeros(modes)
    same = trained_on.modes >= modes
    if same and np.allclose(trained_on.normalized[:modes], spectrum.normalized[:modes], rtol=1e-6):
        return np.zeros(modes)
    return gaussian_error(spectrum, trained_on.samples)[:modes]


def gaussian_error(spectrum: Spectrum, samples: int) -> Array:
    """Return the relative standard error of each λ_k/V of n Gaussian samples, not standardised, (modes,).

    λ̂_k/V̂ has the influence function (y_k² − λ_k)/V − λ_k (‖x‖² − V)/V² with y_k
    normal of variance λ_k, so that n (s.e.)²/(λ_k/V)² = 2 (1 − 2 λ_k/V + Σ_i (λ_i/V)²).
    """
    share = spectrum.normalized
    return np.sqrt(2 * (1 - 2 * share + np.sum(share**2)) / samples)


def judge(
    measured: Branches, pca: Array, deviations: list[Deviation], law: Array, pca_error: Array, tolerance: float
) -> tuple[str, ...]:
    """Return the verdict of each mode, from the deviations of threshold, utility and exponent.

    A deviation agrees if it is within the tolerance plus t standard errors. t is the
    two-sided 95 % point of Student's distribution, with the degrees of freedom that the
    seeds give, shared out among all modes that are compared (Bonferroni): in a scan of
    many modes the chance of one false alarm is 5 % at most. A mode is not resolved if
    that allowance exceeds 10 % of its threshold or utility, or 0.3 of its exponent
    (which distinguishes 1 from ½ and 2). The exponent itself may be off by 0.1 where
    training is noisy.
    """
    modes, room = len(pca), tolerance * (1 + ROUNDING)
    seen = ~np.isnan(deviations[0].mean)
    shared = 1 - (1 - limits.CONFIDENCE) / max(1, int(np.count_nonzero(seen)))
    allowances = np.stack([deviation.margin(shared) for deviation in deviations])
    means = np.abs(np.stack([deviation.mean for deviation in deviations]))
    rooms = np.array([[room], [room], [max(room, limits.EXPONENT_ERROR) if measured.noisy else room]])
    within = np.all(np.isnan(means) | (means <= rooms + np.nan_to_num(allowances)), axis=0) & (law <= room)
    if not measured.noisy:
        within &= np.isnan(pca_error) | (np.abs(pca_error) <= room)
        failure = "disagrees" if measured.converged.min() == 1 else "not converged"
        return tuple(np.where(within, np.where(seen, "agrees", "outside the grid"), failure).tolist())
    resolved = np.all(np.isnan(means) | (allowances <= RESOLUTION[:, None]), axis=0)
    within = np.where(seen, within, law <= room)  # without a line there is only the law to be broken
    active = measured.temperature[:, None] < (1 - limits.FITTED) * pca  # (temperatures, modes)
    points, rest = np.count_nonzero(active, axis=0), measured.at_rest[..., :modes]
    settled = np.count_nonzero(active & rest, axis=(0, 1)) > len(rest) * points / 2
    warmest = np.isinf(measured.brackets[:modes, 1])  # active at the warmest temperature
    first = {  # what is not resolved is kept apart from what is wrong
        "agrees": seen & within & (resolved | (len(rest) == 1)),
        "outside the grid": ~seen & (warmest | (points < 2)),
        "not converged": ~settled | (~seen & within),
        "not resolved": seen & (within | ~resolved),
    }
    return tuple(np.select(list(first.values()), list(first), "disagrees").tolist())
