"""Is this model collapsed because it should be? Posteriors from any framework, beside what spectrum and loss predict.

    M²_k = ⟨μ_k²⟩/(⟨μ_k²⟩ + ⟨σ_k²⟩) against [1 − τ/λ]₊,   A²_k = ⟨μ_k²⟩ + ⟨σ_k²⟩ against 1,   τ̂ = (1 − M²) λ against τ

Exact for linear models (J. Hirn, arXiv:2605.22691). z_k → c z_k, undone by the decoder's first layer, changes nothing
but ½(c² A²_k − ln c²) of the KL, so A²_k = 1 at any stationary point of any VAE with a prior N(0, 1), whatever its β:
it tells a model at rest from one that is not, and a KL that works from one that does not. For nonlinear models a total
collapse is told exactly, the rest is a first reading.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.tables import as_table
from landau_vae.diagnosis.diagnosis import Diagnosis
from landau_vae.diagnosis.evidence import LINEAR, Evidence
from landau_vae.diagnosis.modes import mode_cross, observe, scale_of
from landau_vae.diagnosis.naming import Spread
from landau_vae.diagnosis.neighbours import strangeness
from landau_vae.diagnosis.posterior import Posterior, read_posterior
from landau_vae.diagnosis.ranked_pruning import Decoded, prune
from landau_vae.diagnosis.rules import find
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.numeric._activation import Activation, activation
from landau_vae.numeric._equilibrium import Equilibrium
from landau_vae.numeric._noise_floor import NoiseFloor, noise_floor
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["diagnose"]


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
    updates: int | None = None,
    learning_rate: float | None = None,
    optimizer: Literal["gradient descent", "adam"] = "adam",
) -> Diagnosis:
    """Diagnose a trained model by its posteriors: which latents live, which should, and why the two differ.

    `mean` (n, K) and one of `variance`, `log_variance`, `std` (n, K) are those of n encoded rows, as arrays of any
    framework that NumPy can read. `data` (n, d) are the very rows that were encoded, as the loss saw them (with
    `standardize`, before each feature was divided by its standard deviation); where they cannot be given, `spectrum`
    will do, and what needs the rows is left out. `decode` takes latents (m, K) to reconstructions (m, d) in the data's
    own scale: ranked pruning is measured with it. `updates`, `learning_rate` and `optimizer` of the run say how long
    modes wait on the plateau. Raises `InputError` for arrays that do not fit each other, or are not what they are
    named.

    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((4000, 3)) * [2.0, 1.0, 0.5]
    >>> mu = np.column_stack([X[:, 0] * 0.433, np.zeros(4000)])  # a latent for mode 1 (λ = 4, M² = ¾), a dead one
    >>> result = diagnose(mu, variance=np.tile([0.25, 1.0], (4000, 1)), data=X, loss=Loss.gaussian(1.05))
    >>> result
    Diagnosis(healthy: 1 of 2 latents live, 1 predicted, τ = 1.05)
    >>> result.status
    ('alive', 'dead as it must')
    """
    kind, spread = _named(variance, log_variance, std)
    if not isinstance(loss, Loss):
        raise InputError(f"The loss is {loss!r}, but a Loss is expected, such as Loss.preset('pythae', beta=1).")
    if loss.beta.ndim:
        raise InputError("The loss has a list of β, but a trained model has one: give the β it was trained at.")
    if (data is None) == (spectrum is None):
        raise InputError("Give the data that were encoded (data=X) or their spectrum (spectrum=…), one of the two.")
    if decode is not None and data is None:
        raise InputError("decode needs the data to compare its reconstructions with: give data=X.")
    rows = None if data is None else _table(data, "data")
    mean = _table(mean, "mean of the posterior")
    posterior = read_posterior(mean, spread, kind, rows)
    if spectrum is None:
        spectrum = Spectrum.from_data(rows, standardize=standardize, likelihood=loss.likelihood)
    if loss.latents not in (None, posterior.latents):
        raise InputError(
            f"The loss is one of {loss.latents} latents, but the posterior has {posterior.latents}: give the loss of "
            "this model, or leave its latents out."
        )
    loss = loss.with_latents(posterior.latents)
    observed = None
    if rows is not None:
        observed = observe(posterior, spectrum, mode_cross(posterior, spectrum, rows, mean))
    decoded = None if decode is None or rows is None else _prune(decode, mean, kind, spread, rows, posterior, spectrum)
    evidence = Evidence(
        posterior, observed, spectrum, loss, _equilibrium(spectrum, loss), _floor(spectrum),
        _run(spectrum, loss, updates, learning_rate, optimizer), decoded,
    )  # fmt: skip
    if rows is not None and evidence.linear < LINEAR:
        evidence = replace(evidence, strange=strangeness(mean, rows, scale_of(posterior, spectrum), evidence.alive))
    return Diagnosis(evidence, find(evidence))


def _table(values: Any, what: str) -> NDArray[Any]:
    try:
        return as_table(values)[0]
    except InputError as problem:
        raise InputError(f"The {what} cannot be used. {problem}") from None


def _named(variance: Any, log_variance: Any, std: Any) -> tuple[Spread, Any]:
    named: dict[Spread, Any] = {"variance": variance, "log_variance": log_variance, "std": std}
    given = [(kind, values) for kind, values in named.items() if values is not None]
    if len(given) != 1:
        raise InputError(
            f"{len(given) or 'None'} of variance, log_variance and std {'are' if given else 'is'} given, but exactly "
            "one is needed: name what the encoder returns."
        )
    return given[0]


def _equilibrium(spectrum: Spectrum, loss: Loss) -> Equilibrium:
    """The prediction; where a learned σ² has no equilibrium, that of a price below all modes."""
    price = loss.price(spectrum) if loss.without_price(spectrum) is None else np.asarray(spectrum.floor)
    return Equilibrium(spectrum, loss, readonly(price))


def _floor(spectrum: Spectrum) -> NoiseFloor | None:
    try:
        return None if spectrum.samples is None else noise_floor(spectrum)
    except InputError:  # too few modes to tell noise from
        return None


def _run(
    spectrum: Spectrum, loss: Loss, updates: int | None, learning_rate: float | None, optimizer: Any
) -> Activation | None:
    if updates is None and learning_rate is None:
        return None
    if updates is None or learning_rate is None:
        raise InputError("Of a run both are needed, updates=… and learning_rate=…: give the other one too.")
    if loss.learned or loss.likelihood != "gaussian":
        return None  # how long the plateau lasts is known for squared errors of a fixed variance
    return activation(spectrum, loss, learning_rate=learning_rate, updates=updates, optimizer=optimizer)


def _prune(
    decode: Callable[[Any], Any], mean: Any, kind: Spread, spread: Any, rows: NDArray[Any], posterior: Posterior,
    spectrum: Spectrum,
) -> Decoded:  # fmt: skip
    assert posterior.data_mean is not None
    spreads = as_table(spread)[0]

    def deviation(chosen: NDArray[np.intp]) -> Array:
        own = np.asarray(spreads[chosen], dtype=np.float64)
        return np.exp(own / 2) if kind == "log_variance" else np.sqrt(own) if kind == "variance" else own

    return prune(
        decode, mean, deviation, rows, posterior.ranking, posterior.data_mean, scale_of(posterior, spectrum),
        standardized=spectrum.standardized,
    )  # fmt: skip
