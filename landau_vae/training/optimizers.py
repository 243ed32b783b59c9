"""SGD and Adam for many models at once.

Weights, gradients and an optimiser's memory are arrays (models, weights); what is done to one
model depends on nothing but its own row. Weight decay is *coupled* (γ w added to the gradient:
an L2 term ½γ‖w‖² of the loss) or *decoupled* (w shrinks by learning rate × γ beside the step:
AdamW, Loshchilov & Hutter, arXiv:1711.05101). Coupled decay changes the loss and thereby
thresholds (`landau-vae derive weight-decay`).
"""

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Annotated, Any, ClassVar

import numpy as np

from landau_vae.checks import NonNegative, Positive, Range, check_fields
from landau_vae.display import Array
from landau_vae.errors import InputError

Memory = Annotated[float, Range(0, below=1)]


@dataclass(frozen=True)
class Optimizer:
    """What SGD and Adam have in common."""

    learning_rate: Positive  #: of the whole run, before any schedule
    weight_decay: NonNegative = 0.0  #: γ, on decoder and encoder matrices; never on biases and variances
    decoupled: bool = False  #: whether the decay stands beside the step (AdamW) and not in the gradient

    expected: ClassVar[str] = "an optimizer such as Adam(1e-3)"

    def __post_init__(self) -> None:
        if type(self) is Optimizer:
            raise InputError("Optimizer is what SGD and Adam have in common: give one of these.")
        check_fields(self)

    @property
    def penalty(self) -> float:
        """The γ of the L2 term that decay amounts to at rest; 0 where it stands beside Adam's steps."""
        return 0.0 if self.decoupled else self.weight_decay

    def memory(self, weights: Array) -> list[Array]:
        """Return the arrays in which the optimiser remembers, all zero.

        Parameters
        ----------
        weights : (models, weights) array
            What is trained.

        Returns
        -------
        list of (models, weights) array
        """
        raise NotImplementedError

    def move(self, weights: Array, gradient: Array, memory: list[Array], rate: float, update: int) -> None:
        """Take a step in place.

        Parameters
        ----------
        weights, gradient : (models, weights) array
            What is trained, and the gradient there, which is overwritten.
        memory : list of array
            As `memory` returned it.
        rate : float
            Learning rate of this step.
        update : int
            Number of the step, from 1 on.
        """
        raise NotImplementedError

    def step(
        self, weights: Array, gradient: Array, memory: list[Array], factor: float, update: int, decays: slice
    ) -> None:
        """Do one update in place: weight decay, then a step.

        Parameters
        ----------
        weights, gradient : (models, weights) array
            What is trained, and the gradient there, which is overwritten.
        memory : list of array
            As `memory` returned it.
        factor : float
            On the learning rate.
        update : int
            Number of the update, from 1 on.
        decays : slice
            The weights that decay acts on.
        """
        rate = self.learning_rate * factor
        if self.weight_decay and self.decoupled:
            weights[:, decays] *= 1 - rate * self.weight_decay
        elif self.weight_decay:
            gradient[:, decays] += self.weight_decay * weights[:, decays]
        self.move(weights, gradient, memory, rate, update)

    def rule(self) -> Any:
        """Return the rule as optax has it, without the learning rate."""
        raise NotImplementedError

    def descend(self, rule: Any, weights: Any, memory: Any, gradient: Any, factor: Any) -> tuple[Any, Any]:
        """Return weights and memory of one model in JAX, trees of arrays, after one update like that of `step`.

        Parameters
        ----------
        rule : optax.GradientTransformation
            As `rule` returned it.
        weights, memory, gradient : tree of array
            Of one model; weight decay acts on matrices.
        factor : float
            On the learning rate.

        Returns
        -------
        weights, memory : tree of array
        """
        from jax import tree

        rate, decay = self.learning_rate * factor, self.weight_decay
        if decay and not self.decoupled:
            gradient = tree.map(lambda slope, each: slope + decay * each * (each.ndim == 2), gradient, weights)
        step, memory = rule.update(gradient, memory)
        shrink = rate * decay * self.decoupled
        return tree.map(lambda each, by: each * (1 - shrink * (each.ndim == 2)) - rate * by, weights, step), memory

    def to_dict(self) -> dict[str, Any]:
        """Return the settings."""
        return {"name": type(self).__name__, **asdict(self)}


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, with (heavy-ball) momentum where asked for.

    Parameters
    ----------
    learning_rate : float
        Of the whole run, before any schedule.
    weight_decay : float, default 0
        γ, on decoder and encoder matrices; never on biases and variances.
    decoupled : bool, default False
        Whether the decay stands beside the step and not in the gradient.
    momentum : float, default 0
        Share of the last velocity that is kept, from 0 to below 1.

    Examples
    --------
    >>> weights, rule = np.array([[1.0]]), SGD(0.1)
    >>> rule.step(weights, np.array([[2.0]]), rule.memory(weights), 1.0, 1, slice(0))
    >>> weights.tolist()
    [[0.8]]
    """

    momentum: Memory = 0.0  #: share of the last velocity that is kept

    @property
    def penalty(self) -> float:
        """Decoupled decay is weaker by 1 − momentum: it acts once where a gradient acts through all its velocity."""
        return self.weight_decay * (1 - self.momentum if self.decoupled else 1)

    def memory(self, weights: Array) -> list[Array]:
        """Return the velocity, where there is momentum."""
        return [np.zeros_like(weights)] if self.momentum else []

    def rule(self) -> Any:
        """Return the rule as optax has it, without the learning rate."""
        import optax

        return optax.trace(self.momentum) if self.momentum else optax.identity()

    def move(self, weights: Array, gradient: Array, memory: list[Array], rate: float, update: int) -> None:
        """Take the step v ← momentum · v + g, w ← w − rate · v."""
        for velocity in memory:  # one, or none without momentum
            velocity *= self.momentum
            velocity += gradient
            gradient[:] = velocity
        gradient *= rate
        weights -= gradient


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba, arXiv:1412.6980); with `decoupled` decay it is AdamW.

    Parameters
    ----------
    learning_rate : float
        Of the whole run, before any schedule.
    weight_decay : float, default 0
        γ, on decoder and encoder matrices; never on biases and variances.
    decoupled : bool, default False
        Whether the decay stands beside the step (AdamW) and not in the gradient.
    beta1, beta2 : float, default 0.9 and 0.999
        Memories of the mean gradient and of the mean square, from 0 to below 1.
    epsilon : float, default 1e-8
        Added to the root of the mean square.

    Examples
    --------
    >>> weights, rule = np.array([[1.0]]), Adam(0.1)
    >>> rule.step(weights, np.array([[2.0]]), rule.memory(weights), 1.0, 1, slice(0))
    >>> weights.round(6).tolist()  # the first step has the length of the learning rate, whatever the gradient
    [[0.9]]
    """

    beta1: Memory = 0.9  #: memory of the mean gradient
    beta2: Memory = 0.999  #: memory of the mean square
    epsilon: Positive = 1e-8  #: added to the root of the mean square

    def memory(self, weights: Array) -> list[Array]:
        """Return mean gradient and mean square, each without the factor (1 − β): see `move`."""
        return [np.zeros_like(weights), np.zeros_like(weights)]

    def rule(self) -> Any:
        """Return the rule as optax has it, without the learning rate."""
        import optax

        return optax.scale_by_adam(self.beta1, self.beta2, self.epsilon)

    def move(self, weights: Array, gradient: Array, memory: list[Array], rate: float, update: int) -> None:
        """Take the step w ← w − rate · m̂/(√v̂ + ε), with constant factors of m̂ and v̂ gathered in two numbers."""
        mean, square = memory
        mean *= self.beta1
        mean += gradient
        np.multiply(gradient, gradient, out=gradient)
        square *= self.beta2
        square += gradient
        root = sqrt((1 - self.beta2) / (1 - self.beta2**update))
        length = rate * (1 - self.beta1) / (1 - self.beta1**update) / root
        np.sqrt(square, out=gradient)
        gradient += self.epsilon / root
        np.divide(mean, gradient, out=gradient)
        gradient *= length
        weights -= gradient
