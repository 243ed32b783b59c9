"""The VAE whose decoder is an exponential family with canonical link: bits, counts, or real numbers.

    x_i | z ~ exp(x_i η_i − A(η_i)),  η = b + W z,     q(z|x) = N(G y(x) + e₀, diag s),     p(z) = N(0, 1)

    F = (1/β) Σ_n p_n Σ_i ⟨A(η_i) − x_ni η_i⟩ + Σ_n p_n Σ_k ½(μ_nk² + s_k − 1 − ln s_k)           in nats, L = βF

y are the whitened centred data. Given a row, each η_i is a scalar with a normal distribution,
of mean b_i + W_i·μ and variance σ_i² = Σ_k W_ik² s_k: the posterior average, over however many
latents, is one sum over Gauss–Hermite nodes ξ, η_i = b_i + W_i·μ + σ_i ξ. All derivatives are
exact for that sum. Collapse: `landau-vae derive exponential-family`.
"""

from functools import cache
from math import ceil
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import Range, checked
from landau_vae.data.tables import as_table, as_weights, nonfinite_problem
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.likelihoods import BERNOULLI, GAUSSIAN, POISSON, Likelihood, as_likelihood
from landau_vae.numeric.problems.problem import Problem

EPS = float(np.finfo(np.float64).eps)
BLOCK = 2**16  # values of η at a time: some eight copies of them, 4 MB, live at once and stay in the cache
MULTIPLET_WIDTH = 1e-9  # relative: thresholds closer than this are one multiplet

LEAST_NODES, NODES_STEP = 8, 4
NODES_PER_SPREAD = 40  # 8 + 40 σ nodes leave 2e-15 of the averages of bits and counts, for σ from 0.01 to 1.3
MOST_NODES = 200  # up to so many the weights of the nodes are right to rounding
MOST_LATENTS = 10_000  # more unknowns than can be followed

quietly = np.errstate(over="ignore", invalid="ignore")  # a trial step may go where the loss is infinite


class _Point(NamedTuple):
    """A state and the decoder's averages there; n: row, i: feature, k: latent, a: latent or bias. p_n is included."""

    w: Array  # W_ik
    s: Array  # s_k
    codes: Array  # (μ_nk, 1), na
    spread: Array  # σ_i
    loss: float  # Σ ⟨A − x η⟩
    residual: Array  # ⟨A′ − x⟩, ni
    curvature: Array  # ⟨A″⟩, ni
    skewness: Array  # ⟨ξ A″⟩, ni
    stretch: Array  # Σ_n ⟨ξ A′⟩/σ_i, i: twice the slope in σ_i²
    excess: Array  # Σ_n ⟨ξ² A″⟩ − stretch, i


class ExponentialFamily(Problem):
    """A VAE on a table of data whose decoder is an exponential family with canonical link.

    The unknowns x are, one after the other, W (d, K), b (d), G (K, r), e₀ (K), ln s (K), each
    row by row; d features, K latents, r directions in which the data vary. There is no
    certificate: that jumps are impossible is not proved.

    Parameters
    ----------
    data : (rows, features) table
        The data set.
    probability : (rows,) array_like, optional
        Weight of each row; by default all are the same. Only their ratios matter.
    family : Likelihood or {"bernoulli", "poisson", "gaussian"}
        A likelihood that has a generator, or its name: bits (0 ≤ x ≤ 1, grey values included),
        counts (x ≥ 0), or real numbers (A = η²/2: the linear VAE at decoder variance 1).
    latents : int, default 1
        K.
    nodes : int, default 60
        Gauss–Hermite nodes at most, from 2 to 200; fewer are taken where they are exact to
        rounding. For bits the sum errs by about exp(−2π√nodes/σ), for
        the others by far less.

    Raises
    ------
    InputError
        If the data are not from the family's range, or have constant columns, or an argument
        cannot be used.

    Examples
    --------
    >>> problem = ExponentialFamily([[0, 0], [1, 1]])  # two copies of a fair bit
    >>> [(round(beta, 12), modes) for beta, modes in problem.predicted()]
    [(2.0, 1)]
    """

    @checked
    def __init__(
        self, data: Any, probability: ArrayLike | None = None, *, family: Likelihood | str = BERNOULLI,
        latents: Annotated[int, Range(1, MOST_LATENTS)] = 1, nodes: Annotated[int, Range(2, MOST_NODES)] = 60,
    ) -> None:  # fmt: skip
        self.family, self.latents = as_likelihood(family), latents
        rows, p = _distribution(data, probability, self.family)
        mean = p @ rows
        variance = self.family.variance(mean)
        flat = np.flatnonzero((np.ptp(rows, axis=0) == 0) | ~(variance > 0))
        if flat.size:
            raise InputError(
                f"Column {flat[0]} (counting from 0) is constant, {mean[flat[0]]:g} in every row that counts, and "
                "there is nothing to encode in it: leave constant columns out.",
                "data",
            )
        self._bias, self._p, self._target = self.family.link(mean), p[:, None], p[:, None] * rows
        # F^{-1/2} C F^{-1/2} has the squared singular values of √p (x − x̄)/√F as its eigenvalues
        scaled = (rows - mean) / np.sqrt(variance)
        _, size, axes = np.linalg.svd(np.sqrt(self._p) * scaled, full_matrices=False)
        resolved = size**2 > EPS * len(mean) * size[0] ** 2
        self._thresholds = size[resolved] ** 2
        self._white = np.column_stack([scaled @ (axes[resolved].T / size[resolved]), np.ones(len(rows))])  # (y_n, 1)
        d, K, r = len(mean), self.latents, len(self._thresholds)
        place = np.split(np.arange(d * K + d + K * (r + 2)), np.cumsum([d * K, d, K * r, K]))
        self._decoder = np.column_stack([place[0].reshape(d, K), place[1]])  # where (W_ik, b_i) are in x, ia
        self._encoder = np.column_stack([place[2].reshape(K, r), place[3]])  # where (G_k, e₀_k) are
        self._log_s = place[4]
        self._nodes = nodes
        self._last: tuple[bytes, _Point] | None = None
        # ⟨ξA′⟩/σ is ⟨A″⟩ up to σ^{2 nodes − 2}: below this σ, better than the quotient, which loses EPS/σ
        self._narrow = min(0.1, EPS ** (1 / (2 * nodes - 1)))

    @quietly
    def loss(self, x: Array, control: float) -> float:
        log_s = x[self._log_s]
        divergence = 0.5 * (np.sum(x[self._encoder] ** 2) + np.sum(np.exp(log_s) - 1 - log_s))  # as ⟨yyᵀ⟩ = 1
        total = float(self._point(x).loss / control + divergence)
        return total if np.isfinite(total) else np.inf

    @quietly
    def gradient(self, x: Array, control: float) -> Array:
        result = self._force(x) / control
        result[self._encoder] += x[self._encoder]
        result[self._log_s] += np.expm1(x[self._log_s]) / 2
        return result

    @quietly
    def drift(self, x: Array, control: float) -> Array:
        return -self._force(x) / control**2

    @quietly
    def hessian(self, x: Array, control: float) -> Array:
        at, y, k = self._point(x), self._white, np.arange(self.latents)
        D, E, S = self._decoder, self._encoder, self._log_s
        sigma = np.maximum(at.spread, 1e-150)[:, None]  # whose square is above underflow
        tilt = np.pad(at.w * at.s / sigma, ((0, 0), (0, 1)))  # ∂σ_i/∂(W_ik, b_i), ia
        growth = at.w * tilt[:, :-1] / 2  # ∂σ_i/∂ln s_k
        by_code, by_y = at.skewness.T @ at.codes, at.skewness.T @ y
        by_spread = by_code + at.excess[:, None] * tilt
        result = np.zeros((len(x), len(x)))
        # n: row, i: feature, a, b: latent or bias, k, l: latent, c, e: direction or offset
        block = np.einsum("ni,na,nc->iac", at.curvature, at.codes, y, optimize=True) + _outer(tilt, by_y)
        block = np.einsum("iac,ik->iakc", block, at.w)
        block[:, k, k] += (at.residual.T @ y)[:, None]
        result[D[:, :, None, None], E] = 2 * block  # twice: the half below the diagonal stays empty
        block = _outer(by_spread, growth)
        block[:, k, k] += at.stretch[:, None] * at.w * at.s
        result[D[:, :, None], S] = 2 * block
        result[E[:, :, None], S] = 2 * np.einsum("ic,ik,il->kcl", by_y, at.w, growth, optimize=True)
        block = np.einsum("ni,na,nb->iab", at.curvature, at.codes, at.codes, optimize=True)
        block += _outer(by_spread, tilt) + _outer(tilt, by_code)
        block[:, k, k] += at.stretch[:, None] * at.s
        result[D[:, :, None], D[:, None]] = block
        block = np.einsum("ni,ik,il->nkl", at.curvature, at.w, at.w, optimize=True)
        result[E[:, :, None, None], E] = np.einsum("nkl,nc,ne->kcle", block, y, y, optimize=True)
        result[S[:, None], S] = (growth.T * at.excess) @ growth
        result[S, S] += at.stretch @ at.w**2 * at.s / 2
        result = (result + result.T) / (2 * control)
        result[E, E] += 1
        result[S, S] += at.s / 2
        return result

    def metric(self, x: Array, control: float) -> Array:
        # The diagonal of the Hessian, kept above rounding where a saturated decoder has no curvature left.
        diagonal = np.diagonal(self.hessian(x, control))
        return np.maximum(diagonal, EPS * diagonal.max())

    def rest(self, control: float) -> Array:
        # The collapsed state is the same at any β: the decoder gives every row the mean.
        result = np.zeros(self._log_s[-1] + 1)
        result[self._decoder[:, -1]] = self._bias
        return result

    @quietly
    def order_parameters(self, x: Array, control: float) -> Array:
        # M²_k, the share of a latent's variance that is signal, strongest first
        signal = np.sum(x[self._encoder[:, :-1]] ** 2, axis=1)  # as ⟨yyᵀ⟩ = 1
        return np.sort(signal / (signal + np.exp(x[self._log_s])))[::-1]

    def predicted(self) -> list[tuple[float, int]]:
        """Return the first K eigenvalues of F^{-1/2} C F^{-1/2} with their multiplicities.

        Only the first is exact: the others are the β at which the *collapsed* state loses
        further directions, but once the first mode is active, the decoder's variance F is no
        longer the collapsed one.

        Returns
        -------
        list of (float, int)
            β and how many modes share it.
        """
        values = self._thresholds[: self.latents]
        starts = np.flatnonzero(np.append(True, values[1:] < values[:-1] * (1 - MULTIPLET_WIDTH)))
        return list(zip(values[starts].tolist(), np.diff(starts, append=len(values)).tolist(), strict=True))

    def _force(self, x: Array) -> Array:
        """Return the gradient of Σ ⟨A − x η⟩, (n,)."""
        at = self._point(x)
        result = np.zeros(len(x))
        result[self._decoder] = at.residual.T @ at.codes
        result[self._decoder[:, :-1]] += at.stretch[:, None] * at.w * at.s
        result[self._encoder] = (at.residual @ at.w).T @ self._white
        result[self._log_s] = at.stretch @ at.w**2 * at.s / 2
        return result

    def _point(self, x: Array) -> _Point:
        """Return the averages at a state; a solver asks for loss, slopes and Hessian at one state after the other."""
        key = x.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self._averaged(x)
        return self._last[1]

    def _averaged(self, x: Array) -> _Point:
        decoder, s = x[self._decoder], np.exp(x[self._log_s])
        w = decoder[:, :-1]
        codes = np.column_stack([self._white @ x[self._encoder].T, np.ones(len(self._p))])
        center, spread = codes @ decoder.T, np.sqrt(w**2 @ s)
        value, slope, pull, curvature, skewness, wide = self._averages(center, spread)
        quotient = pull.sum(0) / np.maximum(spread, self._narrow)
        stretch = np.where(spread > self._narrow, quotient, curvature.sum(0))
        loss, residual = float(np.sum(value - self._target * center)), slope - self._target
        return _Point(w, s, codes, spread, loss, residual, curvature, skewness, stretch, wide.sum(0) - stretch)

    def _needed(self, widest: float) -> int:
        """Return how many nodes are exact to rounding up to a σ: all, unless it is known how smooth the family is."""
        if self.family not in (BERNOULLI, POISSON, GAUSSIAN) or not widest < self._nodes:
            return self._nodes
        return min(self._nodes, LEAST_NODES + NODES_STEP * ceil(NODES_PER_SPREAD * widest / NODES_STEP))

    def _averages(self, center: Array, spread: Array) -> Array:
        """Return p_n times ⟨A⟩, ⟨A′⟩, ⟨ξA′⟩, ⟨A″⟩, ⟨ξA″⟩, ⟨ξ²A″⟩, (6, n, i)."""
        node, moments = _rule(self._needed(float(spread.max())))
        noise = spread[:, None] * node
        result = np.empty((*center.shape, 6))
        step = max(1, BLOCK // noise.size)
        for rows in (slice(start, start + step) for start in range(0, len(center), step)):
            value, slope, curvature = self.family.generator(center[rows, :, None] + noise)
            for columns, values in ((slice(0, 1), value), (slice(1, 3), slope), (slice(3, 6), curvature)):
                flat = values.reshape(-1, len(node)) @ moments[:, : columns.stop - columns.start]
                result[rows, :, columns] = flat.reshape(*values.shape[:2], -1)
        return np.moveaxis(result, -1, 0) * self._p


@cache
def _rule(nodes: int) -> tuple[Array, Array]:
    """Return the Gauss–Hermite nodes ξ_q, and their weights times 1, ξ_q and ξ_q², (nodes, 3)."""
    node, mass = np.polynomial.hermite_e.hermegauss(nodes)
    return node, (mass / mass.sum())[:, None] * node[:, None] ** np.arange(3)


def _outer(left: Array, right: Array) -> Array:
    """Return the products of two vectors for each feature."""
    return left[:, :, None] * right[:, None, :]


def _distribution(data: Any, probability: ArrayLike | None, family: Likelihood) -> tuple[Array, Array]:
    """Return the distinct rows that occur, (n, d), and their probabilities, (n,)."""
    array, names = as_table(data)
    table = np.asarray(array, dtype=np.float64)
    if not np.all(np.isfinite(table)):
        raise nonfinite_problem([table], names)
    low, high = family.support
    for row, column in np.argwhere((table < low) | (table > high))[:1].tolist():
        other = POISSON if table[row, column] > 0 else GAUSSIAN
        raise InputError(
            f"Data for a {family.title} decoder are {family.data}, but row {row}, column {column} (counting from 0) "
            f"holds {table[row, column]:g}: rescale the data or choose another family, such as {other.name!r}.",
            "data",
        )
    weights = np.ones(len(table)) if probability is None else as_weights(probability, len(table), name="probability")
    if not weights.any():
        raise InputError("Every probability is zero: at least two different rows need a positive one.", "probability")
    rows, place = np.unique(table[weights > 0], axis=0, return_inverse=True)
    if len(rows) < 2:
        raise InputError("All rows are equal, so nothing can be encoded: give at least two different rows.", "data")
    merged = np.bincount(place.ravel(), weights[weights > 0])
    return rows, merged / merged.sum()
