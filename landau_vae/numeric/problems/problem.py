"""What continuation is handed: a smooth loss F(x; β) of some unknowns x and one control, with exact derivatives.

    equilibria  ∂F/∂x = 0        stable where the Hessian ∂²F/∂x² has no negative direction

A problem states its loss once and may say three more things that make a solver sharp: a metric (how stiff each unknown
is by itself, so that steps and curvatures of all of them compare), the directions along which a continuous symmetry
moves a state for nothing, and, where a theorem knows it, why its equilibria never jump or have no minimum at all.
"""

from abc import ABC, abstractmethod

import numpy as np

from landau_vae.display import Array

__all__ = ["Problem"]


class Problem(ABC):
    """A loss F(x; control), x of shape (n,); subclasses state it and its derivatives.

    >>> class Cusp(Problem):
    ...     '''F = x⁴/4 − c x²/2: a pitchfork at c = 0.'''
    ...     control, logarithmic = "c", False
    ...     def loss(self, x, c): return float(x[0] ** 4 / 4 - c * x[0] ** 2 / 2)
    ...     def gradient(self, x, c): return x**3 - c * x
    ...     def hessian(self, x, c): return np.array([3 * x**2 - c])
    ...     def drift(self, x, c): return -x
    ...     def rest(self, c): return np.zeros(1)
    >>> problem = Cusp()
    >>> problem.gradient(problem.rest(1.0), 1.0).tolist(), problem.order_parameters(np.array([2.0]), 1.0).tolist()
    ([0.0], [2.0])
    """

    control: str = "β"  #: name of the control
    logarithmic: bool = True  #: whether the control is positive and steps are taken in its logarithm
    certificate: str | None = None  #: the theorem that excludes jumps, if there is one

    @abstractmethod
    def loss(self, x: Array, control: float) -> float:
        """F(x; control)."""

    @abstractmethod
    def gradient(self, x: Array, control: float) -> Array:
        """∂F/∂x, (n,)."""

    @abstractmethod
    def hessian(self, x: Array, control: float) -> Array:
        """∂²F/∂x², (n, n), symmetric."""

    @abstractmethod
    def drift(self, x: Array, control: float) -> Array:
        """∂(∂F/∂x)/∂control, (n,): how the gradient changes with the control at fixed x."""

    @abstractmethod
    def rest(self, control: float) -> Array:
        """The state to begin with, (n,): where there is one, the collapsed state."""

    def metric(self, x: Array, control: float) -> Array:
        """Positive weights, (n,): δx² in units of each unknown's own stiffness. By default all are 1."""
        return np.ones(len(x))

    def orbit(self, x: Array) -> Array:
        """Directions along which a continuous symmetry moves x without changing F, (r, n); zero rows are allowed."""
        return np.zeros((0, len(x)))

    def order_parameters(self, x: Array, control: float) -> Array:
        """What one plots of a state, (k,); by default the norm of x."""
        return np.array([np.linalg.norm(x)])

    def singular(self, control: float) -> str | None:
        """Why there is no minimum at this control, where a theorem says so; else None."""
        return None

    def predicted(self) -> list[tuple[float, int]]:
        """(control, modes) of the thresholds that a closed form knows, from the one that is next to collapse."""
        return []
