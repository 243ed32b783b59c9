"""The functions that likelihoods are made of: of x, f and parameters, in NumPy or JAX, and equal where these are.

A likelihood is compared, copied and recorded by value. So its functions are those of a module,
or frozen dataclasses of one and its parameters, and arrays are kept as `Values`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from landau_vae.display import Array

EDGE = 1e-9  # how near a mean may come to an end of its range, as a share of it
STEP = np.finfo(np.float64).eps ** (1 / 3)  # relative: where a central difference is most exact


class Generator(NamedTuple):
    """A, A′ and A″ of a canonical exponential family at f."""

    value: Array
    mean: Array
    variance: Array


class Rest(NamedTuple):
    """The collapsed state: the best constant output, and what the loss is around it."""

    output: Array  #: f₀, (m,)
    score: Array  #: ∂ℓ/∂f at f₀ of each row, (n, m)
    #: ⟨∂²ℓ/∂f²⟩ at f₀: (m,) where outputs do not mix; (d, r, r) where only the r outputs j, d + j, … of a feature j do;
    #: else (m, m). ∞ where an output cannot move by a small amount.
    #: A function that multiplies vectors (m, k) by the matrix, where it was not formed.
    curvature: Any
    note: str = ""  #: what has to be known of it, in sentences
    error: float = 0.0  #: relative standard error of the curvature, where it has to be estimated

    @property
    def stuck(self) -> bool:
        """Whether no output can move by a small amount, so that the collapsed state is stable at every price."""
        return not callable(self.curvature) and bool(np.isinf(self.curvature).all())


@dataclass(frozen=True)
class Halves:
    """A function of the first half of outputs, and another of the second."""

    first: Callable[[Array], Array]
    second: Callable[[Array], Array]

    def __call__(self, y: Array) -> Array:
        """Return both."""
        d = y.shape[-1] // 2
        return np.concatenate([self.first(y[..., :d]), self.second(y[..., d:])], axis=-1)


def log_of(y: Array) -> Array:
    """Return ln y, finite at 0."""
    return np.log(np.where(y < 0, np.nan, np.maximum(y, EDGE)))


def logit_of(y: Array) -> Array:
    """Return the logit of shares, finite at 0 and 1."""
    return log_of(y) - log_of(1 - y)


@dataclass(frozen=True)
class Slope:
    """𝒱′ by central differences that stay on the side of 0 where the mean is."""

    variance: Callable[[Array], Array]

    def __call__(self, mean: Array) -> Array:
        """Return it at means."""
        step = STEP * np.where(mean == 0, 1.0, np.abs(mean))
        return np.asarray((self.variance(mean + step) - self.variance(mean - step)) / (2 * step))


@dataclass(frozen=True)
class Canonical:
    """Value, score or curvature of a canonical exponential family: A − x f, A′ − x, A″."""

    generator: Callable[[Array], Generator]
    order: int

    def __call__(self, x: Any, f: Any) -> Array:
        """Return it at x and f."""
        return self.generator(f)[self.order] - (x * f, x, 0 * x)[self.order]


@dataclass(frozen=True)
class Values:
    """Numbers that compare and are kept by value, so that likelihoods of the same ones are equal.

    >>> Values.of([1, 2]) == Values.of([1.0, 2.0]), Values.of([1, 2]).array.tolist()
    (True, [1.0, 2.0])
    """

    shape: tuple[int, ...]
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, numbers: Any) -> "Values":
        """Keep an array of numbers."""
        array = np.ascontiguousarray(numbers, dtype=np.float64)
        return cls(array.shape, array.tobytes())

    @property
    def array(self) -> Array:
        """The numbers, read-only."""
        return np.frombuffer(self.content).reshape(self.shape)


Parameter = float | Values


@dataclass(frozen=True)
class Part:
    """One of the results of a function of x, f and parameters: its value, score or curvature."""

    function: Callable[..., tuple[Any, ...]]
    parameters: tuple[Any, ...]
    order: int

    def __call__(self, x: Any, f: Any) -> Any:
        """Return the result at x and f."""
        return self.function(x, f, *map(plain, self.parameters))[self.order]


def plain(parameter: Any) -> Any:
    """Return a parameter as arithmetic takes it."""
    return parameter.array if isinstance(parameter, Values) else parameter


def parts(function: Callable[..., tuple[Any, ...]], *parameters: Any) -> dict[str, Any]:
    """Return the value, score and curvature of a likelihood, from one function that returns all three."""
    return {name: Part(function, parameters, order) for order, name in enumerate(("value", "score", "curvature"))}


def dense(curvature: Array) -> Array:
    """Return the curvature of a `Rest` as a matrix (m, m).

    >>> dense(np.array([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    if curvature.ndim != 3:
        return np.diag(curvature) if curvature.ndim == 1 else curvature
    (d, r, _), matrix = curvature.shape, np.zeros((curvature.shape[0] * curvature.shape[1],) * 2)
    for i, j in np.ndindex(r, r):
        matrix[i * d + np.arange(d), j * d + np.arange(d)] = curvature[:, i, j]
    return matrix


def library(f: Any) -> Any:
    """Return the library whose arrays these are: NumPy or JAX."""
    return f.__array_namespace__() if hasattr(f, "__array_namespace__") else np
