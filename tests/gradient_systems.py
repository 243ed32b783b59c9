"""What the tests of continuation share: systems known to the end, and checks of special points."""

from itertools import groupby

import numpy as np
from hypothesis import strategies as st

from landau_vae.numeric.problems import Problem

LOCATED = 1e-8  # half the interval of a special point, relative: rounding of a Hessian with stiff directions allows it


COEFFICIENT = 1e-6  # of κ₄: it is read at amplitudes of 0.02 and 0.04, of which the next order is (0.02)⁴ ~ 2e-7


JUMP = 1e-6  # asked for; folds and crossings of two curves are roots of smooth functions, found far more closely


CONVENTIONS = st.fixed_dictionaries(
    {
        "decoder_variance": st.sampled_from([1.0, 0.3]),
        "reconstruction": st.sampled_from(["sum", "mean"]),
        "half": st.booleans(),
        "kl": st.sampled_from(["sum", "mean"]),
    }
)


def controls(points):
    return np.array([point.control for point in points])


def check_located(points, expected):
    """Each special point is where it should be, and its own interval says so."""
    np.testing.assert_allclose(controls(points), expected, rtol=LOCATED, atol=LOCATED)
    for point, true in zip(points, expected, strict=True):
        assert point.interval[0] <= true <= point.interval[1]
        assert point.precision <= LOCATED
        assert point.status == "bracketed"


def stability(branches):
    """The sequence of Morse indices along the branches."""
    return [int(index) for index, _ in groupby(np.concatenate([branch.index for branch in branches]))]


class Coupled(Problem):
    """V(a; c) + Σ ½k (y − g a²)² with V = Σ (fixed + c·driven) aⁿ, in turned coordinates x = R (a, y).

    The y cost nothing where they follow a, so the equilibria are those of V, with the same indices for k > 0.
    """

    control, logarithmic = "c", False

    def __init__(self, fixed, driven, stiffness=(), gain=(), seed=None):
        self.fixed, self.driven = np.array(fixed, dtype=float), np.array(driven, dtype=float)
        self.k, self.g = np.array(stiffness, dtype=float), np.array(gain, dtype=float)
        n = 1 + len(self.k)
        self.R = np.eye(n) if seed is None else np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]

    def _split(self, x, c):
        u = self.R.T @ x
        V = np.polynomial.Polynomial(self.fixed + c * self.driven)
        return u[0], u[1:] - self.g * u[0] ** 2, V

    def loss(self, x, c):
        a, error, V = self._split(x, c)
        return float(V(a) + 0.5 * self.k @ error**2)

    def gradient(self, x, c):
        a, error, V = self._split(x, c)
        return self.R @ np.append(V.deriv()(a) - 2 * a * (self.k * self.g) @ error, self.k * error)

    def hessian(self, x, c):
        a, error, V = self._split(x, c)
        inner = np.zeros((len(x), len(x)))
        inner[0, 0] = V.deriv(2)(a) - 2 * (self.k * self.g) @ error + 4 * a**2 * self.k @ self.g**2
        inner[0, 1:] = inner[1:, 0] = -2 * a * self.k * self.g
        inner[1:, 1:] = np.diag(self.k)
        return self.R @ inner @ self.R.T

    def drift(self, x, c):
        a = (self.R.T @ x)[0]
        return self.R[:, 0] * np.polynomial.Polynomial(self.driven).deriv()(a)

    def rest(self, c):
        return np.zeros(len(self.R))

    def order_parameters(self, x, c):
        return (self.R.T @ x)[:1]

    def at(self, a):
        """The state with this amplitude."""
        return self.R @ np.append(a, self.g * a**2)


HALF, THIRD = 1 / 2, 1 / 3


PITCHFORK_AND_FOLD = ([0, 0, 0, 0, -1 / 4, 0, 1 / 6], [0, 0, HALF, 0, 0, 0, 0])  # c a²/2 − a⁴/4 + a⁶/6


STIFF = {
    "alone": {},
    "one stiff": {"stiffness": [30.0], "gain": [0.5], "seed": 1},
    "two stiff": {"stiffness": [3.0, 50.0], "gain": [0.5, -1.5], "seed": 2},
    "stiff and soft": {"stiffness": [2000.0, 0.4], "gain": [1.3, 0.9], "seed": 30},
}


class Odd(Problem):
    """V = a⁴/4 − c a²/2, of which something may be wrong."""

    control, logarithmic = "c", False

    def loss(self, x, c):
        return float(x[0] ** 4 / 4 - c * x[0] ** 2 / 2)

    def gradient(self, x, c):
        return x**3 - c * x

    def hessian(self, x, c):
        return np.array([3 * x**2 - c])

    def drift(self, x, c):
        return -x

    def rest(self, c):
        return np.zeros(1)


class NoNumbers(Odd):
    """From c = 0.7 on nothing is finite."""

    def gradient(self, x, c):
        return super().gradient(x, c) if c < 0.7 else np.full(1, np.nan)

    def hessian(self, x, c):
        return super().hessian(x, c) if c < 0.7 else np.full((1, 1), np.nan)

    def loss(self, x, c):
        return super().loss(x, c) if c < 0.7 else float("nan")
