"""What continuation follows: a smooth loss F(x; β) of some unknowns x and one control, with exact derivatives.

    equilibria  ∂F/∂x = 0        stable where the Hessian ∂²F/∂x² has no negative direction

A problem states its loss once. Three more things make a solver sharp: a metric (how stiff each
unknown is by itself, so that steps and curvatures of all of them compare), the directions along
which a continuous symmetry moves a state without a change of the loss, and, where a theorem is
known, why its equilibria never jump or have no minimum at all.
"""

from abc import ABC, abstractmethod

import numpy as np

from landau_vae.display import Array


class Problem(ABC):
    """A loss F(x; control), x of shape (n,); subclasses state it and its derivatives.

    Examples
    --------
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
        """Return F(x; control).

        Parameters
        ----------
        x : (n,) array
            The state.
        control : float
            The control.

        Returns
        -------
        float
            The loss; infinite where it overflows.
        """

    @abstractmethod
    def gradient(self, x: Array, control: float) -> Array:
        """Return ∂F/∂x.

        Parameters
        ----------
        x : (n,) array
            The state.
        control : float
            The control.

        Returns
        -------
        (n,) array
            The slopes.
        """

    @abstractmethod
    def hessian(self, x: Array, control: float) -> Array:
        """Return ∂²F/∂x².

        Parameters
        ----------
        x : (n,) array
            The state.
        control : float
            The control.

        Returns
        -------
        (n, n) array
            Symmetric.
        """

    @abstractmethod
    def drift(self, x: Array, control: float) -> Array:
        """Return ∂(∂F/∂x)/∂control, how the gradient changes with the control at fixed x.

        Parameters
        ----------
        x : (n,) array
            The state.
        control : float
            The control.

        Returns
        -------
        (n,) array
            The change of each slope per unit of the control.
        """

    @abstractmethod
    def rest(self, control: float) -> Array:
        """Return the state to begin with: the collapsed state, where there is one.

        Parameters
        ----------
        control : float
            The control.

        Returns
        -------
        (n,) array
            The state.
        """

    def metric(self, x: Array, control: float) -> Array:
        """Return weights that measure δx² in units of each unknown's own stiffness, by default 1.

        Parameters
        ----------
        x : (n,) array
            The state.
        control : float
            The control.

        Returns
        -------
        (n,) array
            Positive.
        """
        return np.ones(len(x))

    def orbit(self, x: Array) -> Array:
        """Return directions along which a continuous symmetry moves x without a change of F, by default none.

        Parameters
        ----------
        x : (n,) array
            The state.

        Returns
        -------
        (r, n) array
            Zero rows are allowed.
        """
        return np.zeros((0, len(x)))

    def order_parameters(self, x: Array, control: float) -> Array:
        """Return what is plotted of a state, by default the norm of x.

        Parameters
        ----------
        x : (n,) array
            The state.
        control : float
            The control.

        Returns
        -------
        (k,) array
            The order parameters.
        """
        return np.array([np.linalg.norm(x)])

    def singular(self, control: float) -> str | None:
        """Return why there is no minimum at this control, where a theorem says so; else None.

        Parameters
        ----------
        control : float
            The control.

        Returns
        -------
        str or None
            A sentence.
        """
        return None

    def predicted(self) -> list[tuple[float, int]]:
        """Return the thresholds that a closed form knows, from the one that is next to collapse.

        Returns
        -------
        list of (float, int)
            The control and how many modes collapse there.
        """
        return []
