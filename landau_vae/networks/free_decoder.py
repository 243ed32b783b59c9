"""One latent with a free decoder: the best that any network of one latent can do on given rows.

    f(z) = Σ_{n ≤ P} c_n he_n(z),   F(c; τ) = Σ_i p_i min_{μ_i, s_i} [½⟨‖x_i − f(z)‖²⟩ + τ KL_i] − F₀,   z ~ N(μ_i, s_i)

he_n are the Hermite polynomials, orthonormal under N(0, 1). A row's loss is a
polynomial in z averaged over a normal distribution, so it and all its derivatives are
exact sums over

    e_k = ⟨he_k(z)⟩,   √(k+1) e_{k+1} = μ e_k + √k (s − 1) e_{k−1},   ∂e_k/∂μ = √k e_{k−1},   ∂/∂s = ½ ∂²/∂μ².

Each row's posterior is eliminated: the unknowns are the coefficients c alone, and the
Hessian is the Schur complement of the posteriors'. F is continuous; where the best
posterior of a row changes it has a kink that is never a minimum. Source: this package.
"""

from math import comb, factorial, sqrt
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import Range, checked
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.numeric.problems.problem import Problem
from landau_vae.training.training_set import training_set

MOST_TERMS = 12  # highest P: beyond it moments of order 2P of the posterior lose too many digits
NODES = np.linspace(-6.0, 6.0, 61)  # where the posterior of a row is looked for
NEWTON_STEPS = 60  # at most, of a row
AT_REST = 1e-7  # Newton step of a row after which its posterior is known to rounding: the next one is its square
LEAST_CURVATURE = 1e-3  # of a row's Hessian in units of τ, in its Newton steps
CLOSE = 1e-5  # Newton step from which on it is taken as it is
HALVINGS = 12  # of a Newton step that does not descend
LONGEST = 1.0  # Newton step of a row in μ and ln s
NARROWEST, WIDEST = -25.0, 6.0  # ln s
EVEN = 1e-9  # share of the odd coefficients up to which a decoder is even
TINY = np.finfo(float).tiny


class Posteriors(NamedTuple):
    """The best posterior of each row for a decoder at a price."""

    mean: Array  #: μ_i, (n,)
    log_variance: Array  #: ln s_i, (n,)
    loss: Array  #: what a row costs above the collapsed state, (n,)
    moments: Array  #: e_ik = ⟨he_k⟩, (n, 2P + 1)
    curvature: Array  #: (φ_μμ, φ_μt, φ_tt) with t = ln s, (3, n)

    @property
    def variance(self) -> Array:
        """The posterior variance s_i, (n,)."""
        return np.exp(self.log_variance)

    @property
    def rates(self) -> Array:
        """The KL of each row in nats, (n,)."""
        return 0.5 * (self.mean**2 + np.expm1(self.log_variance) - self.log_variance)


class FreeDecoder(Problem):
    """A VAE of one latent whose decoder is any polynomial of degree P and whose encoder is any function.

    The control is τ/λ₁, the loss that above the collapsed state, in units of λ₁. The
    unknowns are c (P + 1, r), row by row, in the r principal axes of the data.

    Parameters
    ----------
    data : (n, d) array, DataFrame or TrainingSet
        The rows.
    weights : (n,) array_like, optional
        Of the rows; only their ratios matter.
    order : int, default 6
        P, from 2 to 12.
    modes : int, optional
        r, how many principal axes the decoder has; by default all. With fewer F is that
        of a smaller family of decoders, an upper bound.

    Raises
    ------
    InputError
        If the data cannot be used.

    Examples
    --------
    >>> problem = FreeDecoder([[-1.0], [1.0]])
    >>> x = problem.rest(1.0)
    >>> problem.loss(x, 1.0), problem.gradient(x, 1.0).tolist()
    (0.0, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    """

    control = "τ/λ₁"

    @checked
    def __init__(
        self, data: Any, weights: ArrayLike | None = None, *, order: Annotated[int, Range(2, MOST_TERMS)] = 6,
        modes: Annotated[int, Range(1)] | None = None,
    ) -> None:  # fmt: skip
        table = training_set(data, weights=weights)
        spectrum = table.spectrum
        if table.rows is None:
            raise InputError("data is a Spectrum, but a free decoder needs the rows: give the table.", "data")
        assert spectrum.vectors is not None
        self.first = float(spectrum.eigenvalues[0])  #: λ₁, data²
        kept = min(modes or spectrum.modes, spectrum.modes)
        self.axes = spectrum.vectors[:, :kept]
        self.order = order
        total = np.ones(len(table.rows)) if table.weights is None else table.weights
        self.share = total / total.sum()  #: p_i, (n,)
        self.rows = (table.rows - table.mean) @ self.axes / sqrt(self.first)  #: in units of √λ₁, (n, r)
        self._degree = np.sqrt(np.arange(2 * order + 1))
        self._product = _products(order)
        self._grid = hermite(NODES, 2 * order)
        self.shape = order + 1, kept  #: of the coefficients c
        self._last: tuple[bytes, float, Posteriors] | None = None
        self._coupled: tuple[Posteriors, tuple[Array, Array]] | None = None

    # -------------------------------------------------------------------------------------------------- the loss

    def loss(self, x: Array, control: float) -> float:
        total = float(self.share @ self.posteriors(x, control).loss)
        return total if np.isfinite(total) else np.inf

    def gradient(self, x: Array, control: float) -> Array:
        at, c = self.posteriors(x, control), x.reshape(self.shape)
        weighted = self.share[:, None] * at.moments
        slope = self._overlap(weighted.sum(axis=0)) @ c - weighted[:, : self.order + 1].T @ self.rows
        return np.asarray(slope.ravel())

    def hessian(self, x: Array, control: float) -> Array:
        at, (mean, width) = self.posteriors(x, control), self._couplings(x, control)
        # K = LLᵀ of each row's own Hessian: JᵀK⁻¹J is the square of L⁻¹J
        corner, root = np.sqrt(at.curvature[0]), np.sqrt(self.share)
        tilt = at.curvature[1] / corner
        narrow = root / np.sqrt(at.curvature[2] - tilt**2)
        eliminated = np.vstack([mean * (root / corner)[:, None], width * narrow[:, None]])
        eliminated[len(mean) :] -= mean * (narrow * tilt / corner)[:, None]
        direct = np.kron(self._overlap(self.share @ at.moments), np.eye(self.shape[1]))
        return np.asarray(direct - eliminated.T @ eliminated)

    def drift(self, x: Array, control: float) -> Array:
        at, (mean, width) = self.posteriors(x, control), self._couplings(x, control)
        slope = at.mean, 0.5 * np.expm1(at.log_variance)  # ∂²φ/∂τ∂(μ, t)
        by_mean, cross, by_width = at.curvature
        weight = self.share / (by_mean * by_width - cross**2)
        by_means, by_widths = by_width * slope[0] - cross * slope[1], by_mean * slope[1] - cross * slope[0]
        return np.asarray(-((weight * by_means) @ mean + (weight * by_widths) @ width))

    def metric(self, x: Array, control: float) -> Array:
        # How stiff a coefficient is for given posteriors: ⟨he_n²⟩.
        overlap = self._overlap(self.share @ self.posteriors(x, control).moments)
        return np.repeat(np.diagonal(overlap), self.shape[1])

    def rest(self, control: float) -> Array:
        return np.zeros(int(np.prod(self.shape)))

    def orbit(self, x: Array) -> Array:
        # Where f is even, f(z + ε) costs as much to second order, exactly: the shift is a direction without stiffness.
        c = x.reshape(self.shape)
        shift = np.zeros_like(c)
        shift[:-1] = self._degree[1 : self.order + 1, None] * c[1:]
        even = np.abs(c[1::2]).max() <= EVEN * np.abs(c).max()
        return np.asarray(shift.reshape(1, -1) * even)

    def order_parameters(self, x: Array, control: float) -> Array:
        # M², the rate in nats, and the share of the rows that share it, ⟨R⟩²/⟨R²⟩
        at = self.posteriors(x, control)
        signal, noise, rate = self.share @ at.mean**2, self.share @ at.variance, self.share @ at.rates
        return np.array([signal / (signal + noise), rate, rate**2 / max(self.share @ at.rates**2, TINY)])

    def predicted(self) -> list[tuple[float, int]]:
        return [(1.0, 2)]

    def _overlap(self, moments: Array) -> Array:
        """Return ⟨he_m he_n⟩, (P + 1, P + 1), from ⟨he_k⟩."""
        return np.asarray(self._product @ moments)

    def _couplings(self, x: Array, control: float) -> tuple[Array, Array]:
        """Return ∂²φ_i/∂μ∂c and ∂²φ_i/∂t∂c, (n, (P + 1) r) each."""
        at, c = self.posteriors(x, control), x.reshape(self.shape)
        if self._coupled is None or self._coupled[0] is not at:
            outputs = np.einsum("mnk,mr->knr", self._product, c).reshape(len(self._degree), -1)

            def coupling(moved: Array) -> Array:
                result = (moved @ outputs).reshape(-1, *self.shape)
                result -= moved[:, : self.order + 1, None] * self.rows[:, None, :]
                return result.reshape(len(moved), -1)

            first = _derived(at.moments, self._degree)
            second = 0.5 * at.variance[:, None] * _derived(first, self._degree)
            self._coupled = at, (coupling(first), coupling(second))
        return self._coupled[1]

    def row_slopes(self, x: Array, control: float, direction: Array) -> Array:
        """Return how the loss of each row changes along a direction of the coefficients.

        Parameters
        ----------
        x : (n,) array
            The coefficients of the decoder.
        control : float
            τ/λ₁.
        direction : (n,) array
            Of the coefficients.

        Returns
        -------
        (rows,) array
        """
        moments, c = self.posteriors(x, control).moments, x.reshape(self.shape)
        along = direction.reshape(self.shape)
        common = np.einsum("mnk,mr,nr->k", self._product, c, along, optimize=True)
        direct = np.sum(moments[:, : self.order + 1] * (self.rows @ along.T), axis=1)
        return np.asarray(moments @ common - direct)

    # ------------------------------------------------------------------------------------------------ the posteriors

    def posteriors(self, x: Array, control: float) -> Posteriors:
        """Return the best posterior of each row.

        Parameters
        ----------
        x : (n,) array
            The coefficients of the decoder.
        control : float
            τ/λ₁.

        Returns
        -------
        Posteriors
        """
        key = x.tobytes()
        if self._last is None or self._last[:2] != (key, control):
            self._last = key, control, self._best(x.reshape(self.shape), control)
        return self._last[2]

    def _best(self, c: Array, price: float) -> Posteriors:
        terms = 0.5 * np.einsum("mnk,mr,nr->k", self._product, c, c, optimize=True)
        potential = np.tile(terms, (len(self.rows), 1))  # φ_i = Σ_k b_ik e_k + τ KL
        potential[:, : self.order + 1] -= self.rows @ c.T
        row = _Rows(potential, self._degree, price)
        landscape = potential @ self._grid + 0.5 * price * NODES**2
        wells = np.pad(np.diff(np.sign(np.diff(landscape))) > 0, ((0, 0), (1, 1)))
        start = row.narrowed(NODES[landscape.argmin(axis=1)])
        if self._last is not None:
            nearer = row.value(*(last := self._last[2][:2])) < row.value(*start)
            start = np.where(nearer, last[0], start[0]), np.where(nearer, last[1], start[1])
        mean, log_variance, loss = row.minimum(*start)
        several = np.flatnonzero(wells.sum(axis=1) > 1)
        if several.size:
            deep = NODES[np.argsort(np.where(wells, landscape, np.inf)[several], axis=1)[:, :2].T.ravel()]
            row = _Rows(np.tile(potential[several], (3, 1)), self._degree, price)
            others = row.minimum(*row.narrowed(np.concatenate([deep, np.zeros(several.size)])))
            for k in range(3):
                found = [part[k * several.size :][: several.size] for part in others]
                better = found[2] < loss[several]
                for own, new in zip((mean, log_variance, loss), found, strict=True):
                    own[several[better]] = new[better]
        row = _Rows(potential, self._degree, price)
        moments, _, curvature = row.derivatives(mean, log_variance)
        return Posteriors(mean, log_variance, loss, moments, curvature)


class _Rows:
    """The losses φ_i(μ, t) = Σ_k b_ik e_k(μ, e^t) + τ KL of all rows."""

    def __init__(self, potential: Array, degree: Array, price: float) -> None:
        self.price, self.degree = price, degree
        self.slopes = [potential]  # b of φ and of its derivatives in μ
        for _ in range(4):
            self.slopes.append(_raised(self.slopes[-1], degree))

    def value(self, mean: Array, log_variance: Array, some: Any = slice(None)) -> Array:
        moments = _moments(mean, np.exp(log_variance), self.degree)
        return np.einsum("nk,nk->n", self.slopes[0][some], moments) + self._kl(mean, log_variance)

    def _kl(self, mean: Array, log_variance: Array) -> Array:
        return np.asarray(0.5 * self.price * (mean**2 + np.expm1(log_variance) - log_variance))

    def derivatives(self, mean: Array, log_variance: Array, some: Any = slice(None)) -> tuple[Array, Array, Array]:
        """Return the moments, the gradient (2, n) and the Hessian (3, n) in (μ, t)."""
        s, tau = np.exp(log_variance), self.price
        moments = _moments(mean, s, self.degree)
        d1, d2, d3, d4 = (np.einsum("nk,nk->n", b[some], moments) for b in self.slopes[1:])
        width = 0.5 * s * d2
        gradient = np.array([d1 + tau * mean, width + 0.5 * tau * (s - 1)])
        hessian = np.array([d2 + tau, 0.5 * s * d3, width + 0.25 * s**2 * d4 + 0.5 * tau * s])
        return moments, gradient, hessian

    def narrowed(self, place: Array) -> tuple[Array, Array]:
        """Return a start at z, as narrow as the curvature there says."""
        moments = _moments(place, np.zeros(len(place)), self.degree)
        bend = np.maximum((self.slopes[2] * moments).sum(axis=1), 0.0) + self.price
        return place, np.log(self.price / bend)

    def minimum(self, mean: Array, log_variance: Array) -> tuple[Array, Array, Array]:
        """Return the minimum below a start by damped Newton steps: μ, ln s and the loss of each row."""
        mean, log_variance = mean.copy(), log_variance.copy()
        loss, active = self.value(mean, log_variance), np.arange(len(mean))
        for _ in range(NEWTON_STEPS):
            at = mean[active], log_variance[active]
            _, gradient, hessian = self.derivatives(*at, active)
            step = _downhill(gradient, hessian, LEAST_CURVATURE * self.price)
            size = np.abs(step).max(axis=0)
            step *= np.minimum(1.0, LONGEST / np.maximum(size, 1e-300))
            left, fraction = np.arange(len(active)), 1.0
            for _ in range(HALVINGS):
                rows = active[left]
                new = at[0][left] + fraction * step[0, left], at[1][left] + fraction * step[1, left]
                new = new[0], np.clip(new[1], NARROWEST, WIDEST)
                value = self.value(*new, rows)
                better = (value <= loss[rows]) | (size[left] < CLOSE)  # below it, differences of losses are rounding
                mean[rows[better]], log_variance[rows[better]] = new[0][better], new[1][better]
                loss[rows[better]] = value[better]
                left, fraction = left[~better], 0.5 * fraction
                if not left.size:
                    break
            moving = size > AT_REST * (1 + np.abs(at[0]))
            moving[left] = False
            active = active[moving]
            if not active.size:
                break
        return mean, log_variance, loss


def _downhill(gradient: Array, hessian: Array, least: float) -> Array:
    """Return −H⁻¹g, with the eigenvalues of H replaced by their sizes, (2, n)."""
    a, b, c = hessian
    middle, spread = 0.5 * (a + c), np.hypot(0.5 * (a - c), b)
    angle = 0.5 * np.arctan2(2 * b, a - c)
    cosine, sine = np.cos(angle), np.sin(angle)
    along, across = cosine * gradient[0] + sine * gradient[1], cosine * gradient[1] - sine * gradient[0]
    along = along / np.maximum(np.abs(middle + spread), least)
    across = across / np.maximum(np.abs(middle - spread), least)
    return -np.array([cosine * along - sine * across, sine * along + cosine * across])


def _moments(mean: Array, variance: Array, degree: Array) -> Array:
    """Return ⟨he_k(z)⟩ over N(μ, s), (n, 2P + 1)."""
    moments = np.empty((len(mean), len(degree)))
    moments[:, 0], moments[:, 1] = 1.0, mean
    for k in range(1, len(degree) - 1):
        moments[:, k + 1] = (mean * moments[:, k] + degree[k] * (variance - 1) * moments[:, k - 1]) / degree[k + 1]
    return moments


def _derived(moments: Array, degree: Array) -> Array:
    """Return ∂⟨he_k⟩/∂μ = √k ⟨he_{k−1}⟩ along the last axis, from numbers that are such moments or derivatives."""
    result = np.zeros_like(moments)
    result[:, 1:] = degree[1:] * moments[:, :-1]
    return result


def _raised(potential: Array, degree: Array) -> Array:
    """Return the coefficients of the derivative of Σ_k b_k he_k."""
    result = np.zeros_like(potential)
    result[:, :-1] = degree[1:] * potential[:, 1:]
    return result


def hermite(z: Array, highest: int) -> Array:
    """Return he_k(z), orthonormal under N(0, 1), (highest + 1, nodes)."""
    return _moments(z, np.zeros(len(z)), np.sqrt(np.arange(highest + 1))).T


def _products(order: int) -> Array:
    """Return ⟨he_m he_n he_k⟩ under N(0, 1), (P + 1, P + 1, 2P + 1): how products of two fall into single ones."""
    result = np.zeros((order + 1, order + 1, 2 * order + 1))
    for m in range(order + 1):
        for n in range(order + 1):
            for j in range(min(m, n) + 1):
                k = m + n - 2 * j
                ways = comb(m, j) * comb(n, j) * factorial(j)
                result[m, n, k] = ways * sqrt(factorial(k) / (factorial(m) * factorial(n)))
    return result
