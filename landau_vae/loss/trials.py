"""What x is, how x̂ stands for its mean, and the likelihoods that may charge it: what is tried to explain an error.

x̂ is the mean, a logit or a logarithm of it, what tanh makes it of; or, of a softmax over classes,
logits, log-softmax or shares, with x one-hot or indices: ℓ = −Σ_c x_c ln softmax(f)_c.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from landau_vae.display import Array
from landau_vae.likelihoods import BERNOULLI, GAUSSIAN, POISSON, Likelihood, categorical
from landau_vae.loss.probes import LINKS, STEP, Probe, moves, on_grid

LOGIT_STEP = 2.0
MOST = 4096  # columns of a softmax: a name lists their groups
WIDE = 2.0**20  # errors beside which a floor of σ (σ-VAE's softclip at e⁻⁶) is lost: e⁻⁶/1e6 = 2e-9


@dataclass(frozen=True)
class Trial:
    """What x is, how x̂ stands for its mean, and the likelihoods that may charge it."""

    data: str
    link: str
    likelihoods: tuple[Likelihood, ...]
    learned: bool = False  #: whether the squared error enters as its logarithm
    scales: tuple[float, ...] = (STEP,)  #: of the moves
    shift: float = 0.0  #: ln of the mean that x̂ = 0 stands for, where x̂ is a logarithm
    rigid: bool = False  #: whether the likelihoods are those of one sample's size

    def states(self, probe: Probe) -> tuple[Array, list[Array]]:
        """Return x, and the means to go to: first the base, then the largest move. The same at each call."""
        rng = np.random.default_rng(1)
        shape = (probe.rows, *probe.shape)
        if self.data == "fractions":  # in order, so that a part of the array differs from the whole in its curvature
            x = base = on_grid(np.sort(rng.uniform(0.2, 0.8, shape), axis=None)).reshape(shape)
        else:
            x = rng.integers(0, 4 if self.data == "counts" else 2, shape).astype(float)
            base = rng.uniform(0.3, 0.7, shape)
        every = moves(shape, 1)
        if self.learned:  # ln of an error that is zero is infinite
            return x, [x + WIDE * move for move in every]
        return x, [base, *(base + scale * move for scale in self.scales[::-1] for move in every)]

    def is_exact(self, likelihood: Likelihood) -> bool:
        """Whether nothing in such a term needs a guard, as logarithms do."""
        return not self.learned and (likelihood.squared or self.rigid or self.scales != (STEP,))

    def x_hat(self, mean: Array) -> Array:
        """Return what the function is given for the mean."""
        return LINKS[self.link](mean) - self.shift

    def changes(self, likelihood: Likelihood, x: Array, means: list[Array]) -> tuple[Array, Array]:
        """Return the change of Σ ℓ from the first mean to each other one, and the size of what is summed."""
        if self.learned:  # d/2 ln of the mean square is ½ Σ(x − m)²/σ² at the σ² that it stands for
            squares = np.array([np.sum((x - mean) ** 2) for mean in means])
            change = x.size * np.log(squares[1:] / squares[0])
            return change, np.abs(change)
        before = self.terms(likelihood, x, means[0])
        terms = [self.terms(likelihood, x, mean) - before for mean in means[1:]]
        return np.array([each.sum() for each in terms]), np.array([np.abs(each).sum() for each in terms])

    def terms(self, likelihood: Likelihood, x: Array, mean: Array) -> Array:
        """Return ℓ as losses write it, up to terms of x alone: of each entry, or of each row where outputs mix."""
        if likelihood.squared:
            return (x - mean) ** 2
        if self.rigid:
            return np.asarray(likelihood.row_value(x.reshape(len(x), -1), mean.reshape(len(x), -1)))
        return likelihood.value(x, likelihood.link(mean))


# In the order of trying. A cross-entropy of probabilities, which may abort outside 0 … 1, is found by the first.
TRIALS = (
    Trial("fractions", "identity", (GAUSSIAN, BERNOULLI, POISSON)),
    Trial("fractions", "logit", (BERNOULLI, GAUSSIAN)),
    Trial("fractions", "log", (POISSON,)),
    Trial("fractions", "tanh", (GAUSSIAN,)),
    Trial("bits", "identity", (BERNOULLI,)),  # for those that insist on whole numbers
    Trial("bits", "logit", (BERNOULLI,)),
    Trial("counts", "identity", (POISSON,)),
    Trial("counts", "log", (POISSON,)),
    Trial("fractions", "identity", (GAUSSIAN,), learned=True),
)


# ------------------------------------------------------------------------------------------- classes


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
        every = [base, *(base + LOGIT_STEP * move for move in moves(shape, 1))]
        return labels if self.indices else self._one_hot(labels), every

    def _one_hot(self, labels: Array) -> Array:
        return np.moveaxis(np.eye(self.classes)[labels.astype(int)], -1, self.axis)

    def is_exact(self, _: Likelihood) -> bool:
        """Whether nothing in such a term needs a guard."""
        return False

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
