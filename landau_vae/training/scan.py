"""Train a linear β-VAE at every temperature of a grid, each from its own random start.

The exact expected loss is minimised (`profile`), at σ_dec² = 1 and β = τ = T V. No start knows of another,
of the theory or of the data's eigenvectors. The result is one labelled `xarray.Dataset`.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.errors import InputError
from landau_vae.results import Array
from landau_vae.samples.tables import as_numbers
from landau_vae.spectrum import Spectrum
from landau_vae.training.minimize import Minimum, minimize
from landau_vae.training.model import LinearVAE
from landau_vae.training.profile import ProfileLoss

if TYPE_CHECKING:
    import xarray

__all__ = ["scan"]

GRADIENT = 1e-8  # relative gradient at which a model counts as trained
MEMORY_BUDGET = 256 * 2**20  # bytes that one batch of models may take while it is trained
COPIES = 40  # arrays of the size of W that training a model keeps: L-BFGS pairs, gradients, factors


def scan(
    source: Any,
    temperatures: ArrayLike,
    *,
    latents: int | None = None,
    seeds: int | Sequence[int] = (0,),
    tolerance: float = GRADIENT,
    max_iterations: int = 5000,
    progress: bool = False,
) -> "xarray.Dataset":
    """Train at each normalised temperature T = τ/V, from each seed, down to a relative gradient of `tolerance`.

    `source` is a `Spectrum` or a table of data; `latents` is K (as many as there are features by default). Returns a
    dataset with dimensions seed, temperature, latent and feature: the models (decoder W, encoder E, posterior
    variance s), what was measured on them (⟨μ²⟩, M², rate, distortion, loss) and how training ended.

    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4, 0.08])
    >>> models.signal_fraction.max("latent").values.round(6).tolist()
    [[0.5, 0.9]]
    """
    from tqdm import tqdm

    spectrum = source if isinstance(source, Spectrum) else Spectrum.from_data(source)
    grid = _checked_temperatures(temperatures)
    covariance = spectrum.covariance
    features = len(covariance)
    if latents is None:
        latents = features
    if latents != int(latents) or latents < 1:
        raise InputError(f"The number of latents is {latents}, but a whole number from 1 on is expected.")
    if not tolerance > 0 or max_iterations < 0:
        raise InputError(
            f"Training to a relative gradient of {tolerance} in {max_iterations} iterations was asked for: "
            "give a positive tolerance, and a number of iterations from 0 on."
        )
    seeds = (seeds,) if isinstance(seeds, int) else seeds
    if len(seeds) == 0 or any(seed != int(seed) or seed < 0 for seed in seeds):
        raise InputError(
            f"The seeds are {list(seeds)}, but at least one whole number from 0 on is expected: seeds=(0,)."
        )
    price = np.tile(grid * spectrum.total_variance, len(seeds))
    starts = [(seed, index) for seed in seeds for index in range(len(grid))]
    step = max(1, MEMORY_BUDGET // (COPIES * 8 * features * latents))
    parts = []
    with tqdm(
        total=len(starts), desc="training", unit=" models", leave=False, disable=None if progress else True
    ) as bar:
        for first in range(0, len(starts), step):
            some = slice(first, first + step)
            loss = ProfileLoss(covariance, price[some])
            start = np.stack([_start(seed, index, features, latents) for seed, index in starts[some]])
            found = minimize(loss, start, tolerance=tolerance, max_iterations=max_iterations, on_progress=bar.update)
            parts.append((found, loss.model(found.x)))
    return _dataset(parts, spectrum, grid, seeds, latents, tolerance)


def _checked_temperatures(temperatures: ArrayLike) -> Array:
    grid = as_numbers(temperatures, "The temperatures")
    if grid.ndim != 1 or grid.size == 0 or not np.all(np.isfinite(grid) & (grid > 0)):
        raise InputError(
            "Temperatures must be a list of positive finite numbers T = τ/V, such as "
            f"np.geomspace(1, 1e-6, 121), but {temperatures!r} was given."
        )
    return grid


def _start(seed: int, index: int, features: int, latents: int) -> Array:
    """Independent weights of variance 1/features, in units of √τ: the same for a seed and a place in the grid."""
    return np.random.default_rng([seed, index]).standard_normal((features, latents)) / np.sqrt(features)


def _dataset(
    parts: list[tuple[Minimum, LinearVAE]],
    spectrum: Spectrum,
    grid: Array,
    seeds: Sequence[int],
    latents: int,
    tolerance: float,
) -> "xarray.Dataset":
    import xarray

    def gather(values: list[NDArray[Any]], *dims: str) -> tuple[tuple[str, ...], NDArray[Any]]:
        whole = np.concatenate(values)
        return ("seed", "temperature", *dims), whole.reshape(len(seeds), len(grid), *whole.shape[1:])

    found, models = zip(*parts, strict=True)
    own_features = spectrum.matrix is not None
    labels = spectrum.names if own_features and spectrum.names else np.arange(len(spectrum.covariance))
    return xarray.Dataset(
        {
            "decoder": gather([m.decoder for m in models], "feature", "latent"),
            "encoder": gather([m.encoder for m in models], "latent", "feature"),
            "posterior_variance": gather([m.posterior_variance for m in models], "latent"),
            "mean_square": gather([m.mean_square for m in models], "latent"),
            "signal_fraction": gather([m.signal_fraction for m in models], "latent"),
            "rate": gather([m.rate for m in models], "latent"),
            "distortion": gather([m.distortion / spectrum.total_variance for m in models]),
            "loss": gather([m.loss for m in models]),
            "converged": gather([f.converged for f in found]),
            "iterations": gather([f.iterations for f in found]),
            "relative_gradient": gather([f.relative_gradient for f in found]),
        },
        coords={"seed": list(seeds), "temperature": grid, "latent": np.arange(latents), "feature": list(labels)},
        attrs={
            "title": "linear Gaussian beta-VAEs, exact expected loss",
            "loss": "half of the squared error summed over features, plus tau times KL summed over latents",
            "temperature": "T = tau / V; distortion is a share of V, rates are in nats",
            "total_variance": spectrum.total_variance,
            "relative_gradient_tolerance": tolerance,
            "landau_vae": version("landau-vae"),
        },
    )
