"""The weights of many VAEs in one array, and the gradient of one minibatch with reparameterised noise, z = μ + σ ε.

    μ = Fᵀ (x − x̄, 1)      ln σ² = l      x̂ = W z + b

The matrices stand first, so that weight decay acts on one slice. The encoder's bias is the last row of F.

`RowGradient` goes through the rows. `MomentGradient` is the same gradient from moments: batch and noise enter through
⟨x̃x̃ᵀ⟩, ⟨x̃εᵀ⟩ and ⟨εεᵀ⟩ alone, and these are drawn from their exact distribution: with X̃ = QR, εᵀQ is a normal matrix
and the remainder of ⟨εεᵀ⟩ a Wishart matrix (Bartlett 1933). No row is visited, so a batch of 256 costs as much as one
of 20. Rows are cheaper where there are few of them and many features.
Per sample the loss is a ‖x − x̂‖² + b Σ KL; with a learned σ_dec², a (‖x − x̂‖²/σ_dec² + d ln σ_dec²) + b Σ KL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array

STREAM = 0x6E6F6973  # distinguishes a model's generator of noise from that of its start


class Parts(NamedTuple):
    """Views by name; the first axis is the model's."""

    decoder: Array  #: W, (m, d, K)
    encoder: Array  #: F, (m, d + 1, K)
    bias: Array  #: b, (m, d)
    log_variance: Array  #: l, (m, K)
    log_decoder_variance: Array  #: ln σ_dec², (m, 1) where it is learned, else (m, 0)


@dataclass(frozen=True)
class Layout:
    """Which weights a model has."""

    features: int
    latents: int
    learned_variance: bool = False  #: whether σ_dec² is a weight

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the parts, without the models' axis."""
        d, latents = self.features, self.latents
        return ((d, latents), (d + 1, latents), (d,), (latents,), (int(self.learned_variance),))

    @property
    def size(self) -> int:
        """Number of weights of one model."""
        return sum(map(prod, self.shapes))

    @property
    def decays(self) -> slice:
        """The weights that decay acts on: W and E."""
        return slice(0, 2 * self.features * self.latents)

    def parts(self, flat: Array) -> Parts:
        """Return views into (models, size)."""
        ends = np.cumsum([prod(shape) for shape in self.shapes])
        pieces = np.split(flat, ends[:-1], axis=1)
        return Parts(*(piece.reshape(len(flat), *shape) for piece, shape in zip(pieces, self.shapes, strict=True)))

    def start(self, seed: int, index: int, scale: float) -> Array:
        """Return where training starts, (size,): the same for a seed and a place in the grid.

        Uniform weights of ± scale/√(inputs), PyTorch's default at scale 1; s = 1 and no biases.
        """
        d, latents = self.features, self.latents
        rng, flat = np.random.default_rng([seed, index]), np.zeros(self.size)
        decoder, encoder = np.split(flat[self.decays], 2)
        decoder[:] = rng.uniform(-scale, scale, d * latents) / np.sqrt(latents)
        encoder[:] = rng.uniform(-scale, scale, d * latents) / np.sqrt(d)
        return flat


def of_models(by_seed: Array, owner: NDArray[np.intp]) -> Array:
    """Return each model's share of what its seed has, (m, …); of one seed only, (1, …), for all to share."""
    return by_seed if len(by_seed) == 1 else by_seed[owner]


class Noise:
    """Random generators of each model, so that no model's noise depends on what trains beside it.

    A model has one for each kind of number that is drawn, so that its noise does not depend either on how many updates
    are drawn at a time.
    """

    def __init__(self, starts: Sequence[tuple[int, int]], dtype: Any) -> None:
        self.generators = [np.random.default_rng([seed, index, STREAM]).spawn(3) for seed, index in starts]
        self.dtype = dtype

    def normal(self, *shape: int, kind: int = 0) -> Array:
        """Return normal numbers, (models, *shape)."""
        return np.stack([rngs[kind].standard_normal(shape, dtype=self.dtype) for rngs in self.generators])

    def chi(self, freedom: NDArray[np.intp], *shape: int) -> Array:
        """Return √χ² of these degrees of freedom, (models, *shape, len(freedom))."""
        draws = [np.sqrt(rngs[2].chisquare(freedom, (*shape, len(freedom)))) for rngs in self.generators]
        return np.stack(draws).astype(self.dtype)

    def keep(self, members: Sequence[int]) -> None:
        """Keep the generators of these models only."""
        self.generators = [self.generators[i] for i in members]


@dataclass
class MomentGradient:
    """From moments, which are drawn for a block of updates at a time."""

    layout: Layout
    squared: float  #: a
    noise: Noise | None  #: None: the expectation over ε
    exact: Array | None = None  #: ⟨x̃x̃ᵀ⟩ of all data, (d + 1, d + 1), in place of batches

    def draw(self, batches: Array, owner: NDArray[np.intp]) -> None:
        """Draw the moments of batches (seeds, updates, size, d + 1) and of noise; `owner`: each model's seed."""
        _, updates, size, _ = batches.shape
        self._second, self._owner = batches.mT @ batches / size, owner
        if self.noise is None:
            return
        factor = np.linalg.qr(batches, mode="r") / size  # (seeds, updates, r, d + 1)
        rank, latents = factor.shape[2], self.layout.latents
        outer = size - rank  # degrees of freedom of the noise that no feature is correlated with
        inside = self.noise.normal(updates, rank, latents)
        self._cross = of_models(factor, owner).mT @ inside  # ⟨x̃εᵀ⟩
        if outer > latents:
            outside = self._bartlett(self.noise, updates, outer)
        else:
            outside = self.noise.normal(updates, outer, latents, kind=1)
        both = np.concatenate([inside, outside], axis=2)
        self._noise = both.mT @ both / size  # ⟨εεᵀ⟩

    def _bartlett(self, noise: Noise, updates: int, freedom: int) -> Array:
        """Return the transposed Cholesky factor of a Wishart matrix, (models, updates, K, K)."""
        latents, diagonal = self.layout.latents, np.arange(self.layout.latents)
        above = np.triu_indices(latents, 1)
        normal = noise.normal(updates, len(above[0]), kind=1)
        factor = np.zeros((*normal.shape[:2], latents, latents), dtype=normal.dtype)
        factor[..., above[0], above[1]] = normal
        factor[..., diagonal, diagonal] = noise.chi(freedom - diagonal, updates)
        return factor

    def gradient(self, weights: Parts, price: Array, update: int, out: Parts) -> None:
        """Write into `out` the gradient of the loss at b = `price` (m, 1), on the update-th of the drawn batches."""
        w, f, d = weights.decoder, weights.encoder, self.layout.features
        variance = np.exp(weights.log_variance)
        sigma = np.sqrt(variance)[:, None, :]
        second = of_models(self._second[:, update], self._owner) if self.exact is None else self.exact[None]
        encoded = second @ f  # ⟨x̃μᵀ⟩
        if self.noise is None:
            seen, kick = encoded, w * sigma
        else:
            cross, square = self._cross[:, update], self._noise[:, update]
            seen = encoded + cross * sigma  # ⟨x̃zᵀ⟩
            felt = f.mT @ cross + sigma.mT * square  # ⟨zεᵀ⟩
            kick = w @ felt  # ⟨rεᵀ⟩ with r = x̂ − x
            kick += weights.bias[:, :, None] * cross[:, None, -1, :]
            kick -= cross[:, :d]
        residual = seen @ w.mT  # ⟨x̃rᵀ⟩
        residual += second[..., -1:] * weights.bias[:, None, :]
        residual -= second[..., :d]
        noisy = kick * sigma  # ⟨r (σε)ᵀ⟩
        unit = self._unit(weights, residual, noisy, out)
        to_decoder, to_encoder, to_bias, to_spread, _ = out
        np.matmul(residual.mT, f, out=to_decoder)
        to_decoder += noisy
        np.matmul(residual, w, out=to_encoder)
        to_spread[:] = 0.5 * np.einsum("mdk,mdk->mk", w, noisy)
        to_bias[:] = residual[:, -1]
        for part in (to_decoder, to_encoder, to_bias, to_spread):
            part *= unit.reshape(-1, *(1,) * (part.ndim - 1))
        encoded *= price[:, :, None]
        to_encoder += encoded
        to_spread += 0.5 * price * (variance - 1)

    def _unit(self, weights: Parts, residual: Array, noisy: Array, out: Parts) -> Array:
        """Return 2a/σ_dec², (m, 1), and write the gradient of ln σ_dec² where that is a weight."""
        if not self.layout.learned_variance:
            return np.full((len(weights.bias), 1), 2 * self.squared, dtype=weights.bias.dtype)
        unit = 2 * self.squared * np.exp(-weights.log_decoder_variance)
        f, w, d = weights.encoder, weights.decoder, self.layout.features
        by_row = np.einsum("mdk,mdk->m", residual.mT @ f + noisy, w)  # ⟨r·Wz⟩
        error = by_row + np.einsum("md,md->m", residual[:, -1], weights.bias)
        error -= np.einsum("mdd->m", residual[:, :d])
        out.log_decoder_variance[:] = self.squared * d - 0.5 * unit * error[:, None]
        return np.asarray(unit)


@dataclass
class RowGradient:
    """From rows, with noise that is drawn for a block of updates at a time."""

    layout: Layout
    squared: float  #: a
    noise: Noise

    def draw(self, batches: Array, owner: NDArray[np.intp]) -> None:
        """Draw noise upon these batches (seeds, updates, size, d + 1); `owner`: each model's seed."""
        self._batches, self._owner = batches, owner
        self._noise = self.noise.normal(*batches.shape[1:3], self.layout.latents)

    def gradient(self, weights: Parts, price: Array, update: int, out: Parts) -> None:
        """Write into `out` the gradient of the loss at b = `price` (m, 1), on the update-th of the drawn batches."""
        rows, noise = of_models(self._batches[:, update], self._owner), self._noise[:, update]
        size, unit = rows.shape[1], np.full((len(noise), 1), 2 * self.squared, dtype=rows.dtype)
        mean = rows @ weights.encoder  # (m, size, K)
        variance = np.exp(weights.log_variance[:, None, :])
        scatter = np.sqrt(variance) * noise
        latent = mean + scatter
        slope = latent @ weights.decoder.mT + weights.bias[:, None, :] - rows[..., :-1]
        if self.layout.learned_variance:
            unit *= np.exp(-weights.log_decoder_variance)
            error = np.einsum("mbd,mbd->m", slope, slope)
            out.log_decoder_variance[:, 0] = self.squared * self.layout.features - 0.5 * unit[:, 0] * error / size
        slope *= unit[:, :, None] / size
        back = slope @ weights.decoder  # ∂/∂z
        np.matmul(slope.mT, latent, out=out.decoder)
        out.bias[:] = slope.sum(axis=1)
        share = price[:, :, None] / size
        np.matmul(rows.mT, back + share * mean, out=out.encoder)
        out.log_variance[:] = 0.5 * (back * scatter + share * (variance - 1)).sum(axis=1)
