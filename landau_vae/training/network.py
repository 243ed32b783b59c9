"""A fully connected encoder and decoder: its weights, where they start, and what it computes, in NumPy and in JAX.

    x − x̄ → hidden layers → (μ, ln σ²)        z → hidden layers, mirrored → output

A network without hidden layers is the linear VAE, whose ln σ² may depend on x. Outputs are
reconstructions of x − x̄ (squared errors) or what a likelihood takes: logits, logarithms of
means.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, ndtr

from landau_vae.display import Array

#: As users name them, in NumPy; JAX has functions of the same names.
ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "silu": lambda x: x * expit(x),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "gelu": lambda x: x * ndtr(x),
}


class Weights(NamedTuple):
    """All weights of one model; in JAX, a tree of arrays."""

    layers: tuple[tuple[Any, Any], ...]  #: (matrix, bias) of encoder layers, heads, decoder layers, output
    log_decoder_variance: Any  #: ln σ_dec² where it is learned, (1,), else (0,)


@dataclass(frozen=True)
class Network:
    """An architecture.

    Examples
    --------
    >>> network = Network(3, 1, (8, 8), "tanh")
    >>> network.size, [matrix.shape for matrix, _ in network.start(0, 0).layers]
    (237, [(3, 8), (8, 8), (8, 2), (1, 8), (8, 8), (8, 3)])
    """

    features: int
    latents: int
    hidden: tuple[int, ...] = ()  #: widths of the encoder's hidden layers; the decoder mirrors them
    activation: str = "silu"
    learned_variance: bool = False  #: whether σ_dec² is a weight
    outputs: int | None = None  #: numbers that the decoder gives for a row; as many as features, unless given

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer."""
        inward = (self.features, *self.hidden, 2 * self.latents)
        return [*pairwise(inward), *pairwise((self.latents, *self.hidden[::-1], self.outputs or self.features))]

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum((inputs + 1) * outputs for inputs, outputs in self.shapes) + self.learned_variance

    def start(self, seed: int, index: int, scale: float = 1.0, log_variance: float = 0.0) -> Weights:
        """Return where training starts: the same for a seed and a place in the grid.

        Uniform within ± scale/√inputs, biases too: PyTorch's default at scale 1. `log_variance`
        is the initial bias of ln σ².
        """
        rng, layers = np.random.default_rng([seed, index]), []
        for inputs, outputs in self.shapes:
            matrix, bias = np.split(rng.uniform(-scale, scale, (inputs + 1, outputs)) / np.sqrt(inputs), [inputs])
            layers.append((matrix, bias[0]))
        layers[len(self.hidden)][1][self.latents :] = log_variance
        return Weights(tuple(layers), np.zeros(int(self.learned_variance)))

    def flat(self, weights: Weights) -> Array:
        """Return the weights in a row, (size,): layer by layer, matrix before bias."""
        parts = [part for layer in weights.layers for part in layer] + [weights.log_decoder_variance]
        return np.concatenate([np.ravel(part) for part in parts])

    def weights(self, flat: Array) -> Weights:
        """Return the weights that `flat` put in a row."""
        shapes = [shape for inputs, outputs in self.shapes for shape in ((inputs, outputs), (outputs,))]
        parts = np.split(flat, np.cumsum([prod(shape) for shape in shapes]))
        shaped = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=False)]
        return Weights(tuple(zip(shaped[::2], shaped[1::2], strict=True)), parts[-1])

    def encode(self, weights: Weights, centred: Any) -> tuple[Any, Any]:
        """Return μ and ln σ² of rows x − x̄, each (n, K)."""
        both = self._run(weights.layers[: len(self.hidden) + 1], centred)
        return both[..., : self.latents], both[..., self.latents :]

    def decode(self, weights: Weights, latent: Any) -> Any:
        """Return the output for z (n, K), (n, d)."""
        return self._run(weights.layers[len(self.hidden) + 1 :], latent)

    @np.errstate(over="ignore", invalid="ignore")  # of weights that have diverged
    def _run(self, layers: tuple[tuple[Any, Any], ...], rows: Any) -> Any:
        activation = self._activation(rows)
        for matrix, bias in layers[:-1]:
            rows = activation(rows @ matrix + bias)
        matrix, bias = layers[-1]
        return rows @ matrix + bias

    def _activation(self, rows: Any) -> Callable[[Any], Any]:
        if isinstance(rows, np.ndarray):
            return ACTIVATIONS[self.activation]
        from jax import nn

        return {"gelu": lambda x: nn.gelu(x, approximate=False)}.get(self.activation) or getattr(nn, self.activation)
