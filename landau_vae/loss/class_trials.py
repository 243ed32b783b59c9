"""A softmax over classes: x̂ holds logits (or their log-softmax, or shares), x one-hot rows or class indices.

ℓ = −Σ_c x_c ln softmax(f)_c
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from landau_vae.display import Array
from landau_vae.likelihoods import Likelihood, categorical
from landau_vae.loss.probes import Probe, moves, on_grid
from landau_vae.loss.trials import Trial

STEP = 2.0  # of a logit
MOST = 4096  # columns: a name lists their groups


@dataclass(frozen=True)
class ClassTrial(Trial):
    """Classes along one axis of a sample."""

    axis: int = -1  #: of the array x̂
    classes: int = 2
    indices: bool = False  #: whether x holds indices of classes

    def states(self, probe: Probe) -> tuple[Array, list[Array]]:
        """Return x, and the logits to go to."""
        rng, shape = np.random.default_rng(1), (probe.rows, *probe.shape)
        labels = rng.integers(0, self.classes, tuple(np.delete(shape, self.axis))).astype(float)
        base = on_grid(rng.normal(size=shape))
        every = [base, *(base + STEP * move for move in moves(shape, 1))]
        return labels if self.indices else self._one_hot(labels), every

    def _one_hot(self, labels: Array) -> Array:
        return np.moveaxis(np.eye(self.classes)[labels.astype(int)], -1, self.axis)

    def x_hat(self, mean: Array) -> Array:
        """Return what the function is given for logits."""
        logarithm = mean - np.log(np.sum(np.exp(mean), axis=self.axis, keepdims=True))
        return {"logits": mean, "log-shares": logarithm, "shares": np.exp(logarithm)}[self.link]

    def terms(self, likelihood: Likelihood, x: Array, mean: Array) -> Array:
        """Return ℓ of the columns, those of a group side by side."""
        one_hot = self._one_hot(x) if self.indices else x
        return likelihood.value(self._columns(one_hot), self._columns(mean))

    def _columns(self, array: Array) -> Array:
        return np.moveaxis(array, self.axis, -1).reshape(len(array), -1)


def class_trials(probe: Probe) -> Iterator[ClassTrial]:
    """Yield what the shapes allow: with indices, the one axis that x lacks; else the last axis and the first."""
    shape, example = (probe.rows, *probe.shape), probe.call.example("x")
    indices = example is not None and len(example.shape) == len(shape) - 1
    axes = [axis for axis in dict.fromkeys((1, len(shape) - 1)) if shape[axis] > 1]
    if indices:
        axes = [axis for axis in axes if tuple(np.delete(shape, axis))[1:] == tuple(example.shape)[1:]]
    for link, axis in product(("logits", "log-shares", "shares"), axes if probe.dimension <= MOST else ()):
        groups = probe.dimension // shape[axis]
        likelihood = categorical((shape[axis],) * groups)
        yield ClassTrial("classes", link, (likelihood,), rigid=True, axis=axis, classes=shape[axis], indices=indices)
