"""The gradient of one minibatch with reparameterised noise, z = μ + σ ε, for many models at once.

`RowGradient` goes through the rows and serves every decoder and encoder. `MomentGradient` is the same gradient where
decoder and encoder are linear and σ does not depend on x: batch and noise then enter through ⟨x̃x̃ᵀ⟩, ⟨x̃εᵀ⟩ and ⟨εεᵀ⟩
alone, and these are drawn from their exact distribution: with X̃ = QR, εᵀQ is a normal matrix and what is left of
⟨εεᵀ⟩ a Wishart matrix (Bartlett 1933). No row is visited, so a batch of 256 costs as much as one of 20.
Per sample the loss is a ‖x − x̂‖² + b Σ KL; with a learned σ_dec², a (‖x − x̂‖²/σ_dec² + d ln σ_dec²) + b Σ KL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.special import expit

from landau_vae.display import Array
from landau_vae.training.weights import Layout, Parts

__all__ = ["MomentGradient", "Noise", "RowGradient"]

STREAM = 0x6E6F6973  # tells a model's generator of noise from that of its start
_T = (0, 2, 1)


def of_models(by_seed: Array, owner: NDArray[np.intp]) -> Array:
    """What each model sees of what its seed has, (m, …); of one seed only, (1, …), for all to share."""
    return by_seed if len(by_seed) == 1 else by_seed[owner]


class Noise:
    """Generators of each model's own, so that no model's noise depends on what trains beside it.

    A model has one for each kind of number that is drawn, so that it does not depend either on how many updates are
    drawn for at a time.
    """

    def __init__(self, starts: Sequence[tuple[int, int]], dtype: DTypeLike) -> None:
        self.generators = [np.random.default_rng([seed, index, STREAM]).spawn(3) for seed, index in starts]
        self.dtype = dtype

    def normal(self, *shape: int, kind: int = 0) -> Array:
        """(models, *shape)."""
        draws = [rngs[kind].standard_normal(shape, dtype=self.dtype) for rngs in self.generators]  # type: ignore[arg-type]
        return np.stack(draws)

    def chi(self, freedom: NDArray[np.intp], *shape: int) -> Array:
        """√χ² of these degrees of freedom, (models, *shape, len(freedom))."""
        draws = [np.sqrt(rngs[2].chisquare(freedom, (*shape, len(freedom)))) for rngs in self.generators]
        return np.stack(draws).astype(self.dtype)

    def keep(self, members: Sequence[int]) -> None:
        """Go on with these models only."""
        self.generators = [self.generators[i] for i in members]


@dataclass
class MomentGradient:
    """Linear decoder, constant σ. Moments are drawn for a block of updates at a time."""

    layout: Layout
    squared: float  #: a
    noise: Noise | None  #: None: the expectation over ε
    exact: Array | None = None  #: ⟨x̃x̃ᵀ⟩ of all data, (d + 1, d + 1), in place of batches

    def draw(self, batches: Array, owner: NDArray[np.intp]) -> None:
        """Moments of these batches (seeds, updates, size, d + 1) and of noise upon them; `owner`: each model's seed."""
        _, updates, size, _ = batches.shape
        self._second, self._owner = np.swapaxes(batches, -1, -2) @ batches / size, owner
        if self.noise is None:
            return
        factor = np.linalg.qr(batches, mode="r") / size  # (seeds, updates, r, d + 1)
        rank, latents = factor.shape[2], self.layout.latents
        rest = size - rank  # degrees of freedom of the noise that no feature sees
        inside = self.noise.normal(updates, rank, latents)
        self._cross = np.swapaxes(of_models(factor, owner), -1, -2) @ inside  # ⟨x̃εᵀ⟩
        if rest > latents:
            outside = self._bartlett(self.noise, updates, rest)
        else:
            outside = self.noise.normal(updates, rest, latents, kind=1)
        both = np.concatenate([inside, outside], axis=2)
        self._noise = np.swapaxes(both, -1, -2) @ both / size  # ⟨εεᵀ⟩

    def _bartlett(self, noise: Noise, updates: int, freedom: int) -> Array:
        """The transposed Cholesky factor of a Wishart matrix, (models, updates, K, K)."""
        latents = self.layout.latents
        above = np.triu_indices(latents, 1)
        normal = noise.normal(updates, len(above[0]), kind=1)
        factor = np.zeros((*normal.shape[:2], latents, latents), dtype=normal.dtype)
        factor[..., above[0], above[1]] = normal
        diagonal = np.arange(latents)
        factor[..., diagonal, diagonal] = noise.chi(freedom - diagonal, updates)
        return factor

    def gradient(self, weights: Parts, price: Array, update: int, out: Parts) -> None:
        """Of the loss at b = `price` (m, 1), on the update-th of the drawn batches."""
        w, f, d = weights.decoder, weights.encoder, self.layout.features
        variance = np.exp(weights.log_variance)
        sigma = np.sqrt(variance)[:, None, :]
        second = of_models(self._second[:, update], self._owner) if self.exact is None else self.exact[None]
        encoded = second @ f  # ⟨x̃μᵀ⟩
        if self.noise is not None:
            cross, square = self._cross[:, update], self._noise[:, update]
            seen = encoded + cross * sigma  # ⟨x̃zᵀ⟩
            felt = f.transpose(_T) @ cross + sigma.transpose(_T) * square  # ⟨zεᵀ⟩
        else:
            seen = encoded
        residual = seen @ w.transpose(_T)  # ⟨x̃rᵀ⟩ with r = x̂ − x
        residual += second[..., -1:] * weights.bias[:, None, :]
        residual -= second[..., :d]
        if self.noise is not None:
            kick = w @ felt  # ⟨rεᵀ⟩
            kick += weights.bias[:, :, None] * cross[:, None, -1, :]
            kick -= cross[:, :d]
        else:
            kick = w * sigma
        noisy = kick * sigma  # ⟨r (σε)ᵀ⟩
        unit = self._unit(weights, residual, noisy, out)
        to_decoder, to_encoder, to_bias, to_spread, _ = out
        np.matmul(residual.transpose(_T), f, out=to_decoder)
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
        """2a/σ_dec², (m, 1), and the gradient of ln σ_dec² where that is a weight."""
        if not self.layout.learned_variance:
            return np.full((len(weights.bias), 1), 2 * self.squared, dtype=weights.bias.dtype)
        unit = 2 * self.squared * np.exp(-weights.log_decoder_variance)
        f, w, d = weights.encoder, weights.decoder, self.layout.features
        by_row = np.einsum("mdk,mdk->m", residual.transpose(_T) @ f + noisy, w)  # ⟨r·Wz⟩
        error = by_row + np.einsum("md,md->m", residual[:, -1], weights.bias)
        error -= np.einsum("mdd->m", residual[:, :d])
        out.log_decoder_variance[:] = self.squared * d - 0.5 * unit * error[:, None]
        return np.asarray(unit)


@dataclass
class RowGradient:
    """Any decoder and encoder, row by row."""

    layout: Layout
    squared: float  #: a
    noise: Noise
    decoder: str = "gaussian"  #: or "bernoulli", or "tanh": a Gaussian one with x̂ = tanh(W z + b)
    shift: Any = 0.0  #: x̄, (d,): what the encoder does not see but the decoder has to give

    def draw(self, batches: Array, owner: NDArray[np.intp]) -> None:
        """Noise upon these batches (seeds, updates, size, d + 1); `owner`: each model's seed."""
        self._batches, self._owner = batches, owner
        self._noise = self.noise.normal(*batches.shape[1:3], self.layout.latents)

    def gradient(self, weights: Parts, price: Array, update: int, out: Parts) -> None:
        """Of the loss at b = `price` (m, 1), on the update-th of the drawn batches."""
        rows, noise = of_models(self._batches[:, update], self._owner), self._noise[:, update]
        size, across = rows.shape[1], np.swapaxes(rows, -1, -2)
        mean = rows @ weights.encoder  # (m, size, K)
        log_variance = weights.log_variance[:, None, :]
        if self.layout.input_dependent:
            log_variance = rows @ weights.log_variance
        variance = np.exp(log_variance)
        scatter = np.sqrt(variance) * noise
        latent = mean + scatter
        logits = latent @ weights.decoder.transpose(_T) + weights.bias[:, None, :]
        target = rows[..., :-1] + self.shift if self.decoder == "bernoulli" else rows[..., :-1]
        slope, error = self._error(logits, target)
        if self.layout.learned_variance:
            unit = 2 * self.squared * np.exp(-weights.log_decoder_variance)
            loss = self.squared * self.layout.features - 0.5 * unit[:, 0] * error / size
            out.log_decoder_variance[:] = loss[:, None]
        else:
            unit = np.full((len(noise), 1), 2 * self.squared, dtype=rows.dtype)
        slope *= unit[:, :, None] / size
        back = slope @ weights.decoder  # ∂/∂z
        np.matmul(slope.transpose(_T), latent, out=out.decoder)
        out.bias[:] = slope.sum(axis=1)
        share = price[:, :, None] / size
        np.matmul(across, back + share * mean, out=out.encoder)
        spread = 0.5 * (back * scatter + share * (variance - 1))
        if self.layout.input_dependent:
            np.matmul(across, spread, out=out.log_variance)
        else:
            out.log_variance[:] = spread.sum(axis=1)

    def _error(self, logits: Array, target: Array) -> tuple[Array, Array]:
        """½ ∂/∂logits of ‖x − x̂‖² (of the cross-entropy itself), (m, size, d), and the sum of the former, (m,)."""
        if self.decoder == "bernoulli":
            return 0.5 * (expit(logits) - target), np.zeros(len(logits))
        reconstructed = np.tanh(logits) if self.decoder == "tanh" else logits
        residual = reconstructed - target
        error = np.einsum("mbd,mbd->m", residual, residual)
        if self.decoder == "tanh":
            residual *= 1 - reconstructed**2
        return residual, error
