"""Did this model collapse as predicted? Posteriors from any framework, beside what spectrum and loss predict.

    M²_k = ⟨μ_k²⟩/(⟨μ_k²⟩ + ⟨σ_k²⟩) against [1 − τ/λ]₊,   A²_k = ⟨μ_k²⟩ + ⟨σ_k²⟩ against 1,   τ̂ = (1 − M²) λ against τ

Exact for linear models (J. Hirn, arXiv:2605.22691). For any network the price at which the collapsed state loses its
stability is exact; that a collapsed state is the best one, and what is predicted of active latents, is not.
z_k → c z_k, undone by the decoder's first layer, changes nothing but ½(c² A²_k − ln c²) of the KL. Hence A²_k = 1 at
any stationary point of any VAE with a prior N(0, 1), whatever its β: it shows whether training has converged, and
whether the KL has an effect.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import Count, Positive, checked
from landau_vae.data.tables import as_table
from landau_vae.diagnosis.diagnosis import Diagnosis
from landau_vae.diagnosis.findings import find
from landau_vae.diagnosis.findings.data import code_mismatch, zeros_and_ones
from landau_vae.diagnosis.modes import Observed, mode_cross, observe
from landau_vae.diagnosis.posterior import Posterior, Spread, read_posterior, read_with_data
from landau_vae.diagnosis.ranked_pruning import prune
from landau_vae.display import readonly
from landau_vae.errors import InputError
from landau_vae.limits import LINEAR_SHARE
from landau_vae.loss import Loss
from landau_vae.numeric._equilibrium import Equilibrium
from landau_vae.numeric._noise_floor import NoiseFloor, noise_floor, why_no_noise_floor
from landau_vae.numeric.plateau_activation import Activation, activation
from landau_vae.spectrum.build import fields_of
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["diagnose"]


@checked
def diagnose(
    mean: ArrayLike,
    *,
    variance: ArrayLike | None = None,
    log_variance: ArrayLike | None = None,
    std: ArrayLike | None = None,
    loss: Loss,
    data: Any = None,
    spectrum: Spectrum | None = None,
    standardize: bool = False,
    decode: Callable[[Any], Any] | None = None,
    updates: Count | None = None,
    learning_rate: Positive | None = None,
    optimizer: Literal["gradient descent", "adam"] = "adam",
) -> Diagnosis:
    """Diagnose a trained model by its posteriors: which latents are active, which should be, and why the two differ.

    The verdict is read off `Diagnosis.verdict`, in words off `Diagnosis.summary()`. The arrays may be of any framework
    that NumPy can read.

    Parameters
    ----------
    mean : (n, K) array
        Posterior means μ of the n encoded rows.
    variance, log_variance, std : (n, K) array
        What the encoder returns beside the mean: σ², ln σ² or σ, exactly one of them.
    loss : Loss
        The loss that the model was trained with, at its one β.
    data : (n, d) array, optional
        The very rows that were encoded, in their order, as the loss had them (with `standardize`, before each feature
        was divided by its standard deviation). Give either `data` or `spectrum`.
    spectrum : Spectrum, optional
        Of the data, where the rows cannot be given; what needs the rows is left out.
    standardize : bool, default False
        Whether the model was trained on features divided by their standard deviations.
    decode : callable, optional
        Decoder that takes latents (m, K) to reconstructions (m, d) in the scale of the data (with `standardize`, of
        the standardised data). Ranked pruning is measured with it.
    updates : int, optional
        Number of updates of the run. With `learning_rate` it says how long modes wait on the plateau.
    learning_rate : float, optional
        Learning rate of the run.
    optimizer : {"adam", "gradient descent"}, default "adam"
        Optimiser of the run.

    Returns
    -------
    Diagnosis
        Every observed number with its prediction, and what was found.

    Raises
    ------
    InputError
        If arrays do not fit each other, or are not what their names say.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((4000, 3)) * [2.0, 1.0, 0.5]
    >>> mu = np.column_stack([X[:, 0] * 0.433, np.zeros(4000)])  # one latent for mode 1 (λ = 4, M² = ¾), one inactive
    >>> result = diagnose(mu, variance=np.tile([0.25, 1.0], (4000, 1)), data=X, loss=Loss.gaussian(1.05))
    >>> result
    Diagnosis(healthy: 1 of 2 latents active, 1 predicted, τ = 1.05)
    >>> result.status
    ('active', 'inactive, as predicted')
    """
    if loss.beta.ndim:
        raise InputError("The loss has a list of β, but a trained model has one: give the β it was trained at.", "loss")
    if (data is None) == (spectrum is None):
        raise InputError("Give the data that were encoded (data=X) or their spectrum (spectrum=…), one of the two.")
    if decode is not None and data is None:
        raise InputError("decode needs the data to compare its reconstructions with: give data=X.", "decode")
    kind, values = _named(variance, log_variance, std)
    mu, spread = as_table(mean, "mean of the posterior")[0], as_table(values, f"{kind} of the posterior")[0]
    if loss.latents not in (None, mu.shape[1]):
        raise InputError(
            f"The loss is one of {loss.latents} latents, but the posterior has {mu.shape[1]}: give the loss of this "
            "model, or leave its latents out.",
            "loss",
        )
    loss = loss.with_latents(mu.shape[1])
    if spectrum is not None:
        result = _compare(read_posterior(mu, spread, kind), spectrum, loss)
    else:
        result = _compare_with_data(mu, spread, kind, as_table(data, "data"), loss, standardize, decode)
    result = replace(result, run=_run(result.spectrum, loss, updates, learning_rate, optimizer))
    return replace(result, findings=find(result))


def _compare(posterior: Posterior, spectrum: Spectrum, loss: Loss, observed: Observed | None = None) -> Diagnosis:
    """Return posteriors beside what spectrum and loss predict."""
    # Where a learned σ² has no equilibrium, the prediction is that of a price below all modes.
    price = loss.price(spectrum) if loss.without_price(spectrum) is None else np.asarray(spectrum.floor)
    return Diagnosis(
        posterior, observed, spectrum, loss, Equilibrium(spectrum, loss, readonly(price)), _floor(spectrum)
    )


def _compare_with_data(
    mu: NDArray[Any], spread: NDArray[Any], kind: Spread, data: tuple[NDArray[Any], tuple[str, ...] | None],
    loss: Loss, standardize: bool, decode: Callable[[Any], Any] | None,
) -> Diagnosis:  # fmt: skip
    """Return the same with what the latents encode of each mode, from one pass over rows and posteriors."""
    rows, names = data
    reading = read_with_data(mu, spread, kind, rows)
    fields = fields_of(reading.moments, names, standardize=standardize, likelihood=loss.likelihood)
    spectrum, scale = Spectrum(**fields), fields["scale"]
    cross = mode_cross(reading, fields["decomposition"], spectrum.modes, scale, mu)
    result = _compare(reading.posterior, spectrum, loss, observe(reading.posterior, spectrum, cross))
    result = replace(result, binary=zeros_and_ones(reading.moments))
    if decode is not None:
        ranking, shift = reading.posterior.ranking, reading.moments.mean
        curves = prune(decode, mu, spread, kind, rows, ranking, shift, scale, standardized=standardize)
        result = replace(result, decoded=curves)
    if result.linear_share < LINEAR_SHARE:
        result = replace(result, code_mismatch=code_mismatch(mu, rows, scale, result.is_active))
    return result


def _named(variance: Any, log_variance: Any, std: Any) -> tuple[Spread, Any]:
    """Return which of the arrays is given, and the array."""
    named: dict[Spread, Any] = {"variance": variance, "log_variance": log_variance, "std": std}
    given = [(kind, values) for kind, values in named.items() if values is not None]
    if len(given) != 1:
        raise InputError(
            f"{len(given) or 'None'} of variance, log_variance and std {'are' if given else 'is'} given, but exactly "
            "one is needed: name what the encoder returns."
        )
    return given[0]


def _floor(spectrum: Spectrum) -> NoiseFloor | None:
    """Return the noise floor, None where it is not known."""
    unknown = why_no_noise_floor(spectrum, spectrum.samples or 0)
    return None if unknown else noise_floor(spectrum)


def _run(
    spectrum: Spectrum, loss: Loss, updates: int | None, learning_rate: float | None, optimizer: Any
) -> Activation | None:
    if updates is None and learning_rate is None:
        return None
    if updates is None or learning_rate is None:
        raise InputError("Of a run both are needed, updates=… and learning_rate=…: give the other one too.")
    if loss.learned or not loss.likelihood.squared:
        return None  # how long the plateau lasts is known for squared errors of a fixed variance
    return activation(spectrum, loss, learning_rate=learning_rate, updates=updates, optimizer=optimizer)
