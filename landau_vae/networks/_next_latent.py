"""Which price a trained model would have to fall below for one more latent to pay.

A further latent z_b that adds w(z) z_b to the decoder's output lowers the loss at second order
if and only if the price of a nat is below

    Λ = sup_w ⟨h_w(x)²⟩ / ⟨w(z)ᵀ H w(z)⟩,    h_w(x) = E[w(z)·s | x],    s = ∂ℓ/∂f,  H = ∂²ℓ/∂f²

ℓ is the reconstruction term at weight 1: ½‖x − x̂‖² for squared errors. w is sought among the
constant and the linear functions of the active latents. A decoder that is not the best one for
its encoder leaves a score that these functions of z explain. This debt of the decoder is taken
out of s first, by regression, and reported apart. The average over z enters squared; products
of different draws have no bias. Source: Zhen Li, arXiv:2610.11257 (stability of partially
collapsed states); the supremum and its estimator: this package.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from landau_vae.checks import Count, Positive, Seed, checked
from landau_vae.display import Array, Column, Result, Table, readonly, significant
from landau_vae.errors import InputError, TooFewSamples
from landau_vae.likelihoods import Likelihood
from landau_vae.networks.arguments import chosen, codes, returning, table
from landau_vae.networks.identities import OWN
from landau_vae.threads import one_thread

DRAWS = 16  # of z per row, twice: for the regression, and for h
GROUPS = 4  # of draws, each with its own estimate of h
FOLDS = 5  # of rows: w is fitted to all but one of them, and h² read there
OUTPUTS = 400  # directions of the output in which w is sought, at most
ROWS_PER_UNKNOWN = 10  # of a w that is linear in z; more unknowns are lost in noise
ROWS_PER_FEATURE = 10  # fewer do not determine the regression
RIDGE = 1e-9  # relative: for latents that repeat one another
LEAST_CURVATURE = 1e-12  # of an output that is saturated


@dataclass(frozen=True, eq=False)
class NextLatent(Result):
    """Prices below which one more latent would lower the loss, in the unit of the reconstruction term at weight 1.

    `constant` and `linear` are read off rows that w was not fitted to: they are unbiased for
    that w, and on average not above the supremum over the population. `on_rows` is the supremum
    over these rows themselves, of draws that w was not fitted to; it bounds the training loss
    where they are all the rows.
    """

    json_fields = ("value", "error", "constant", "linear", "on_rows", "debt", "debt_share", "rows", "draws", "outputs")

    constant: float  #: Λ of a latent that adds a fixed pattern w to the output
    constant_error: float  #: its standard error, over rows and draws
    linear: float  #: Λ of a latent whose pattern w(z) may also be linear in the active latents
    linear_error: float  #: its standard error
    on_rows: float  #: Λ of linear w on the rows that it was fitted to
    direction: Array  #: the fixed pattern that would be encoded, of unit length in outputs, (d,)
    debt: float  #: by how much the loss falls if the decoder's output is corrected linearly in z
    debt_share: float  #: the same, as a share of ½⟨s²/H⟩, for squared errors that of the reconstruction term
    rows: int  #: that were used
    draws: int  #: of z per row
    outputs: int  #: dimensions of the output in which w was sought; d, unless there are too many

    @property
    def value(self) -> float:
        """The price below which another latent pays: the larger of the two readings."""
        return max(self.constant, self.linear)

    @property
    def error(self) -> float:
        """The standard error of the larger reading."""
        return self.linear_error if self.linear > self.constant else self.constant_error

    @checked
    def gain(self, price: Positive) -> float:
        """Estimate by how much one more latent would lower the loss of a row.

        The latent is taken for a linear mode of eigenvalue Λ, which gains ½(Λ − c − c ln(Λ/c)).

        Parameters
        ----------
        price : float
            c, the price of a nat in the unit of the reconstruction term at weight 1.

        Returns
        -------
        float
            Zero where no latent would pay.
        """
        value = max(self.value, price)
        return float(0.5 * (value - price - price * (np.log(value) - np.log(price))))

    def content(self) -> Iterable[str | Table]:
        """Yield the table of readings, and the decoder's debt."""
        shown = lambda value: significant(float(value), 4)  # noqa: E731
        yield Table(
            [
                Column("next latent adds", ["a fixed pattern", "one linear in z"], text=True, key="pattern"),
                Column("pays below", [self.constant, self.linear], shown, key="price"),
                Column("±", [self.constant_error, self.linear_error], shown, key="error"),
            ]
        )
        yield f"A correction of the decoder that is linear in z would save {self.debt_share:.1%} of its squared error."


@checked
@one_thread()
def next_latent(
    mean: Array,
    deviation: Array,
    output: Callable[[Array], Array],
    x: Array,
    likelihood: Likelihood,
    active: NDArray[np.intp],
    *,
    draws: Count = DRAWS,
    seed: Seed = 0,
) -> NextLatent:
    """Return the price below which one more latent would pay.

    Parameters
    ----------
    mean, deviation : (n, K) array
        μ and σ of training rows.
    output : callable
        The decoder's output f of each row, (n, d), at latents z, (n, K).
    x : (n, d) array
        The same rows of the data, in the unit of the output.
    likelihood : Likelihood
        With score and curvature; the Gaussian one for squared errors.
    active : (a,) array of int
        Which latents are active, counted from 0; there may be none.
    draws : int, default 16
        Draws of z per row, a multiple of four. The decoder is run twice as often.
    seed : int, default 0
        Seed of the draws.

    Returns
    -------
    NextLatent

    Raises
    ------
    InputError
        If the decoder's output does not have the shape of the rows, or is not finite.
    TooFewSamples
        If there are fewer than ten rows for each active latent.

    Examples
    --------
    >>> from landau_vae.likelihoods import GAUSSIAN
    >>> x = np.random.default_rng(0).standard_normal((2000, 2)) * [2.0, 0.5]
    >>> inactive = np.zeros((2000, 1)), np.ones((2000, 1))
    >>> found = next_latent(*inactive, lambda z: np.zeros_like(x), x, GAUSSIAN, np.arange(0))
    >>> abs(found.value - 4) < 3 * found.error  # the larger variance
    True
    """
    mean, deviation = codes(mean, deviation)
    x, active = table(x, "x", mean, axes=1), chosen(active, "active", mean.shape[1])
    needed = ROWS_PER_FEATURE * (1 + len(active))
    if len(x) < needed:
        raise TooFewSamples(
            f"The next latent needs {needed} rows beside {len(active)} active ones: {len(x)} are given."
        )
    if draws < GROUPS or draws % GROUPS:
        raise InputError(f"draws is {draws}, but a multiple of {GROUPS} is expected.", "draws")
    rng = np.random.default_rng((seed, OWN))
    output = returning(output, "output", x.shape)
    order = rng.permutation(len(x))  # every fifth is in one fold
    sample = _Sample(mean, deviation, output, x, likelihood, active)
    fit = _regression(sample, draws, rng)
    fixed, varying = _looks(sample, fit, draws, rng)
    constant = _read(fixed, order)
    linear = _read(varying, order) if len(active) else constant
    pattern = fit.patterns @ fixed.best(fixed.products()[2])
    pattern *= np.sign(pattern[np.argmax(np.abs(pattern))]) / np.linalg.norm(pattern)
    return NextLatent(
        *constant[:2], *linear[:2], max(constant[2], linear[2]), readonly(pattern),
        fit.debt, fit.debt / fit.square, len(x), draws, fit.patterns.shape[1],
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Sample:
    """Rows, of which each draw of z makes features, score and curvature."""

    mean: Array
    deviation: Array
    output: Callable[[Array], Array]
    x: Array
    likelihood: Likelihood
    active: NDArray[np.intp]

    def draws(self, count: int, rng: np.random.Generator) -> Iterator[tuple[Array, Array, Array]]:
        """Yield (1, z_A), (n, p), s, (n, d), and H, (n, d), or (n, 1) where it is 1 throughout."""
        for _ in range(count):
            z = self.mean + self.deviation * rng.standard_normal(self.mean.shape)
            features, x, f = np.column_stack([np.ones(len(z)), z[:, self.active]]), self.x, self.output(z)
            curvature = (
                np.ones((len(x), 1))
                if self.likelihood.squared
                else np.maximum(self.likelihood.curvature(x, f), LEAST_CURVATURE)
            )
            yield features, self.likelihood.score(x, f), curvature


@dataclass(frozen=True, eq=False)
class _Regression:
    """What the features explain of the score, and the directions of the output that w is sought in."""

    moment: Array  # ⟨H φφᵀ⟩ of each output, (d, p, p), or (1, p, p)
    correction: Array  # of the output, per feature, (p, d)
    debt: float  # in the loss
    square: float  # ½⟨s²/H⟩
    patterns: Array  # (d, k)


def _regression(sample: _Sample, draws: int, rng: np.random.Generator) -> _Regression:
    """Regress the score on the features: one Newton step of an output that is corrected linearly in z."""
    n, d = sample.x.shape
    p = 1 + len(sample.active)
    moment: Array = np.zeros((1, p, p))
    slope, square, average = np.zeros((2, p, d)), np.zeros(d), np.zeros((n, d))
    for i, (features, score, curvature) in enumerate(sample.draws(draws, rng)):
        products = (features[:, :, None] * features[:, None, :]).reshape(n, p * p)
        moment = moment + (curvature.T @ products).reshape(-1, p, p) / (n * draws)
        slope[i % 2] += features.T @ score * (2 / (n * draws))
        square += np.square(score).mean(axis=0) / draws
        average += score / draws
    moment = moment * (1 + RIDGE * np.eye(p))
    steps = np.linalg.solve(moment, np.moveaxis(np.broadcast_to(slope, (2, p, d)), 2, 1)[..., None])[
        ..., 0
    ]  # (2, d, p)
    scale = np.sqrt(moment[:, 0, 0])
    debt = 0.5 * float(np.sum(slope[0].T * steps[1]))  # of different draws: no bias
    patterns = _patterns(average / scale) / scale[:, None]
    return _Regression(moment, steps.mean(axis=0).T, debt, 0.5 * float(np.sum(square / scale**2)), patterns)


def _patterns(average: Array) -> Array:
    """Return the leading principal components of the scores averaged over z, by subspace iteration, (d, k)."""
    d = average.shape[1]
    centred = average - average.mean(axis=0)
    basis = np.random.default_rng(0).standard_normal((d, min(d, OUTPUTS)))
    for _ in range(3):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    return basis @ np.linalg.svd(centred @ basis, full_matrices=False)[2].T


@dataclass(frozen=True, eq=False)
class _Looks:
    """What is known of h_w(x) for each w of a span, and what each w costs."""

    each: Array  # estimates of E[φ ⊗ s | x], one from each group of draws, (groups, n, u)
    metric: Array  # ⟨φφᵀ ⊗ H⟩, (u, u)

    def products(self) -> Array:
        """Return Σ h hᵀ over rows, from products of different groups: of each half of them, and of all, (3, u, u)."""
        own = np.stack([each.T @ each for each in self.each])
        parts = [slice(0, GROUPS // 2), slice(GROUPS // 2, None), slice(None)]
        return np.stack([(h := self.each[part].sum(axis=0)).T @ h - own[part].sum(axis=0) for part in parts])

    def best(self, products: Array) -> Array:
        """Return the w of the largest ⟨h²⟩ at ⟨wᵀHw⟩ = 1, (u,)."""
        last = len(self.metric) - 1
        return eigh(products, self.metric, subset_by_index=[last, last])[1][:, 0]

    def squares(self, w: Array) -> Array:
        """Return h² of each row, from products of different groups, (n,)."""
        h = self.each @ w
        return (h.sum(axis=0) ** 2 - np.square(h).sum(axis=0)) / (len(h) * (len(h) - 1))


def _looks(sample: _Sample, fit: _Regression, draws: int, rng: np.random.Generator) -> tuple[_Looks, _Looks]:
    """Return looks at fixed patterns and, with fewer directions of the output, at those that are linear in z."""
    n, (d, k), p = len(sample.x), fit.patterns.shape, fit.moment.shape[1]
    few = fit.patterns[:, : max(1, n // (ROWS_PER_UNKNOWN * p))]
    fixed, varying = np.zeros((GROUPS, n, k)), np.zeros((GROUPS, n, p, few.shape[1]))
    for i, (features, score, curvature) in enumerate(sample.draws(draws, rng)):
        seen = (score - curvature * (features @ fit.correction)) @ fit.patterns * (GROUPS / draws)
        fixed[i % GROUPS] += seen
        varying[i % GROUPS] += features[:, :, None] * seen[:, None, : few.shape[1]]
    moment = np.broadcast_to(fit.moment, (d, p, p)).reshape(d, p * p)
    pairs = (few[:, :, None] * few[:, None, :]).reshape(d, -1)
    u = p * few.shape[1]
    metric = (moment.T @ pairs).reshape(p, p, *[few.shape[1]] * 2).transpose(0, 2, 1, 3).reshape(u, u)
    return _Looks(fixed, np.eye(k)), _Looks(varying.reshape(GROUPS, n, u), metric)


def _read(looks: _Looks, order: NDArray[np.intp]) -> tuple[float, float, float]:
    """Return ⟨h²⟩ of rows that w was not fitted to, its standard error, and ⟨h²⟩ of draws that w was not fitted to."""
    folds = [_Looks(looks.each[:, order[fold::FOLDS]], looks.metric) for fold in range(FOLDS)]
    products = np.stack([fold.products() for fold in folds])
    one, other, total = products.sum(axis=0)
    squares = np.concatenate(
        [fold.squares(looks.best(total - own)) for fold, own in zip(folds, products[:, 2], strict=True)]
    )
    halves = zip(np.split(looks.each, 2), (other, one), strict=True)
    on_rows = [_Looks(half, looks.metric).squares(looks.best(products)).mean() for half, products in halves]
    return float(squares.mean()), float(squares.std() / np.sqrt(len(squares))), float(np.mean(on_rows))
