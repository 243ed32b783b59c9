"""How far the first k latents reconstruct the data: the user's own decoder, pruned latent by latent, beside PCA.

    D̃(k) = ⟨‖x − decode(z_1 … z_k, 0 … 0)‖²⟩ / ⟨‖x − x̄‖²⟩,    latents ranked by falling M²

A pruned latent is set to the prior's mean. ΔD̃_k = D̃(k−1) − D̃(k) is the utility of
the k-th latent (J. Hirn, arXiv:2605.22691), once with z = μ(x), as a trained model is
used, and once with z drawn from the posterior, as in the loss. Errors of Bernoulli and
Poisson decoders are divided by F, the variance at the mean, as in their spectrum.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array, Column, Result, Table
from landau_vae.spectrum.spectrum import Spectrum

TOLERANCES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001)
STEPS = 64  # ranks that are tried at most: each of the first ones, then ever wider apart
SEED = 0x707275


@dataclass(frozen=True, eq=False)
class Decoded(Result):
    """Rank–distortion of the user's decoder."""

    json_fields = ("ranks", "mean", "sampled", "utility", "rows")

    ranks: NDArray[np.int64]  #: k, from 0 to K
    mean: Array  #: D̃(k) with z = μ(x)
    sampled: Array  #: D̃(k) with z drawn from the posterior
    rows: int  #: how many rows were decoded

    @property
    def utility(self) -> Array:
        """ΔD̃ from rank to rank, of the mean reconstruction."""
        return -np.diff(self.mean)


def prune(
    output: Callable[[Array], Array], mean: Array, deviation: Array, target: Array, unit: Array, order: NDArray[np.intp]
) -> Decoded:
    """Decode some thousands of rows with ever more latents, and compare with the data.

    `output` returns reconstructions; `target` are the rows as they are to be, (m, d);
    errors are divided by `unit`, (d,).
    """
    K = mean.shape[1]
    drawn = mean + deviation * np.random.default_rng(SEED).standard_normal(mean.shape)
    power = float(np.square((target - target.mean(axis=0)) / unit).sum())
    ranks = np.unique(np.concatenate([np.arange(min(K, STEPS // 2) + 1), np.geomspace(1, K, STEPS // 2).astype(int)]))

    def distortion(latent: Array, rank: int) -> float:
        kept = np.zeros_like(latent)
        kept[:, order[:rank]] = latent[:, order[:rank]]
        return float(np.square((target - output(kept)) / unit).sum()) / power

    curves = [[distortion(latent, int(k)) for k in ranks] for latent in (mean, drawn)]
    return Decoded(ranks, np.array(curves[0]), np.array(curves[1]), len(mean))


def effective_dimension(ranks: NDArray[Any], distortion: Array, tolerance: float) -> int | None:
    """Return the least rank whose distortion is within the tolerance, if there is one.

    >>> effective_dimension(np.arange(4), np.array([1.0, 0.3, 0.04, 0.02]), 0.05)
    2
    """
    within = np.flatnonzero(distortion <= tolerance)
    return int(ranks[within[0]]) if within.size else None


def effective_dimensions(spectrum: Spectrum, linear: Array | None, user: Decoded | None) -> tuple[dict[str, Any], ...]:
    """Return how many components or latents each tolerance takes; `linear`: D̃(k) of the best linear decoder."""
    decoders = {
        "best_linear_decoder": None if linear is None else (np.arange(len(linear)), linear),
        "own_decoder": None if user is None else (user.ranks, user.mean),
    }
    return tuple(
        {"tolerance": tolerance, "pca": rank_within(spectrum, tolerance)}
        | {name: curve and effective_dimension(*curve, tolerance) for name, curve in decoders.items()}
        for tolerance in TOLERANCES
    )


def rank_within(spectrum: Spectrum, tolerance: float) -> int | None:
    """Return how many components lose no more; None where a spectrum that was cut has too few of them."""
    return spectrum.rank(tolerance) if spectrum.rest <= tolerance * spectrum.total_variance else None


def dimensions_table(dimensions: Sequence[dict[str, Any]], linear: bool, user: bool) -> Table:
    """Return the table of `effective_dimensions`; `linear` and `user` say which decoders are known."""
    labels = {"pca": "PCA", "best_linear_decoder": "best linear decoder", "own_decoder": "own decoder"}
    known = ["pca", *["best_linear_decoder"] * linear, *["own_decoder"] * user]
    tolerances = Column("variance lost", [each["tolerance"] for each in dimensions], "{:.1%}".format, "tolerance")
    columns = [Column(labels[key], [each[key] for each in dimensions], key=key) for key in known]
    note = "How many components, or latents by falling M², are needed to lose no more of the variance than that."
    return Table([tolerances, *columns], note=note)
