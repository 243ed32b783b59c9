"""Which price a trained model would have to fall below for one more latent to pay, from its encoder alone.

The next latent's mean is sought as a combination h of functions of x. The best decoder
for it is known without one:

    Λ = sup_h ⟨‖E[(x − x̂) h | z]‖²⟩ / ⟨h²⟩,    E[(x − x̂) h | z] = Cov(x, h | z)

At draws z of the active latents, rows are weighted by how likely they are to have made
z. Covariances of two disjoint sets of rows are multiplied, so that noise has no bias;
each is divided by 1 − Σw², what a weighted covariance falls short of. Functions are
winsorised. Those that are linear in the principal components show whether the bulk of
the rows needs a latent; with products, whether some rows do. For squared errors and few
active latents: kernels need rows nearby. Source: this package.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from landau_vae.checks import Seed, checked
from landau_vae.display import Array, Column, Result, Table, significant
from landau_vae.errors import InputError, TooFewSamples
from landau_vae.limits import KERNEL_ROWS
from landau_vae.networks.arguments import chosen, codes, table
from landau_vae.networks.identities import OWN
from landau_vae.threads import one_thread

OUTPUTS = 64  # principal components of which the squared error is taken, at most
COMPONENTS = 20  # of which the next latent's mean is made
PRODUCTS = 6  # of which products are taken
WINSORISED = 3.0  # standard deviations at which the functions of x end
PLACES = 1000  # draws of z
FEW = 4  # active latents: with more of them no row is near
FEWEST_HELD = 5.0  # rows in a kernel, below which a z is left out: one row would be the whole answer
FEWEST = 100  # rows
JACKKNIFE = 8  # groups of rows
NARROWEST = 1e-150  # σ, whose square is a number
ALIKE = 1e-3  # of the largest ⟨h²⟩: a combination of functions of x with less depends on the others
RESOLVED = 1e-9  # of the largest singular value, or of one row: what is below is rounding


@dataclass(frozen=True, eq=False)
class KernelOnset(Result):
    """Prices below which one more latent would lower the loss ½‖x − x̂‖², from an encoder alone.

    Both are NaN where the kernels hold too few rows.
    """

    json_fields = ("bulk", "bulk_error", "places", "places_error", "effective_rows", "covered", "rows")

    bulk: float  #: Λ of a mean that is linear in the principal components
    bulk_error: float  #: its standard error, over rows and draws of z
    places: float  #: Λ of a mean that may be quadratic in the leading ones
    places_error: float  #: its standard error
    effective_rows: float  #: median of 1/Σw²
    covered: float  #: share of the draws of z that have enough rows nearby
    rows: int  #: that were used

    @property
    def silent(self) -> bool:
        """Whether the kernels hold too few rows for a reading."""
        return self.effective_rows < KERNEL_ROWS

    @property
    def silence(self) -> str:
        """Why there is no reading, in a sentence; empty where there is one."""
        found = f"A kernel holds {significant(self.effective_rows, 2)} rows (median), but {KERNEL_ROWS:g} are needed"
        return f"{found} to read it off the codes alone." if self.silent else ""

    def content(self) -> Iterable[str | Table]:
        """Yield the table of readings; if they cannot be trusted, the reason comes first."""
        if self.silent:
            yield self.silence
        shown = lambda value: significant(float(value), 4)  # noqa: E731
        yield Table(
            [
                Column("next latent", ["linear: in bulk", "quadratic: in places"], text=True, key="mean"),
                Column("pays below", [self.bulk, self.places], shown, key="price"),
                Column("±", [self.bulk_error, self.places_error], shown, key="error"),
            ]
        )

    @property
    def value(self) -> float:
        """The price below which a latent that follows the bulk of the rows pays."""
        return self.bulk

    @property
    def error(self) -> float:
        """Its standard error."""
        return self.bulk_error


@checked
@one_thread()
def next_latent_by_kernel(
    mean: Array, deviation: Array, x: Array, active: NDArray[np.intp], *, beside: bool = False, seed: Seed = 0
) -> KernelOnset:
    """Return the price below which one more latent would pay, without a decoder.

    Parameters
    ----------
    mean, deviation : (n, K) array
        μ and σ of training rows.
    x : (n, d) array
        The same rows of the data, in the unit of the squared error.
    active : (a,) array of int
        Which latents are active, counted from 0; at least one, and few.
    beside : bool, default False
        Whether means that are linear in those of the active latents are left out. What
        active latents leave of their own falls with the price: without it the reading
        is where the next latent begins, also far below the present price.
    seed : int, default 0
        Seed of the draws, and of the division of the rows.

    Returns
    -------
    KernelOnset

    Raises
    ------
    InputError
        If all rows are the same.
    TooFewSamples
        If there are fewer than a hundred rows.

    Examples
    --------
    One latent on the first of two independent columns: the other one has variance 0.81.

    >>> x = np.random.default_rng(0).standard_normal((2000, 2)) * [2.0, 0.9]
    >>> mean, deviation = x[:, :1] * 0.75**0.5 / 2, np.full((2000, 1), 0.5)
    >>> found = next_latent_by_kernel(mean, deviation, x, np.arange(1))
    >>> abs(found.bulk - 0.81) < 3 * found.bulk_error, found.effective_rows > 100
    (True, True)
    """
    mean, deviation = codes(mean, deviation)
    x, active, n = table(x, "x", mean, axes=1), chosen(active, "active", mean.shape[1], 1), len(mean)
    if n < FEWEST:
        raise TooFewSamples(f"The next latent needs {FEWEST} rows to be read off the encoder alone: {n} are given.")
    if not np.any(x != x[0]):
        raise InputError("x has no column that varies: give rows that differ.", "x")
    rng = np.random.default_rng((seed, OWN))
    order = rng.permutation(n)
    drawn = np.resize(order[: n // 5], PLACES)
    mean, deviation = mean[:, active], np.maximum(deviation[:, active], NARROWEST)
    z = mean[drawn] + deviation[drawn] * rng.standard_normal((PLACES, len(active)))
    x, linear, phi = _components(x)
    if beside:
        known = mean - mean.mean(axis=0)
        phi -= known @ np.linalg.lstsq(known, phi, rcond=RESOLVED)[0]
    rows = np.array_split(order[n // 5 :], 2)
    weights = [_weights(z, mean[half], deviation[half]) for half in rows]
    effective = np.minimum(*map(_effective, weights))
    held = effective >= FEWEST_HELD
    median, bulk, places = float(np.median(effective)), (np.nan, np.nan), (np.nan, np.nan)
    if median >= KERNEL_ROWS:
        halves = [_kernel(each[held], x[half], phi[half]) for each, half in zip(weights, rows, strict=True)]
        norm, q = phi.T @ phi / n, linear.shape[1]
        bulk, places = _reading(halves, _whitening(norm[:q, :q])), _reading(halves, _whitening(norm))
    return KernelOnset(*bulk, *places, median, float(held.mean()), n)


def _weights(z: Array, mean: Array, deviation: Array) -> Array:
    """Return q(z|x_j) of each z and row, with sum 1 over rows."""
    apart = sum(np.square((z[:, [k]] - mean[:, k]) / deviation[:, k]) for k in range(z.shape[1]))
    return softmax(np.zeros((len(z), 1)) - 0.5 * apart - np.log(deviation).sum(axis=1), axis=1)


def _effective(weights: Array) -> Array:
    """Return how many rows share the weight at each z, 1/Σw²."""
    return 1 / np.square(weights).sum(axis=1)


@dataclass(frozen=True, eq=False)
class _Kernel:
    """Weighted sums over rows at each z, by group of rows: (groups, z, …)."""

    total: Array  # Σ w
    squared: Array  # Σ w²
    x: Array  # Σ w x, (…, d)
    phi: Array  # Σ w φ, (…, q)
    product: Array  # Σ w x φ, (…, d, q)

    def covariance(self, group: int | None = None) -> Array:
        """Return Cov(x, φ | z) without one of the groups, (z, d, q), over 1 − Σw², what it falls short of."""
        total, squared, x, phi, product = (
            each.sum(axis=0) - (0 if group is None else each[group]) for each in vars(self).values()
        )
        total = np.maximum(total, RESOLVED)[:, None]
        x, phi, product = x / total, phi / total, product / total[..., None]
        short = np.maximum(1 - squared / total[:, 0] ** 2, RESOLVED)
        return (product - x[:, :, None] * phi[:, None, :]) / short[:, None, None]


def _kernel(weights: Array, x: Array, phi: Array) -> _Kernel:
    """Return the sums over rows in `JACKKNIFE` groups."""
    parts = []
    for group in range(JACKKNIFE):
        w, own, functions = weights[:, group::JACKKNIFE], x[group::JACKKNIFE], phi[group::JACKKNIFE]
        products = w @ (own[:, :, None] * functions[:, None, :]).reshape(len(own), -1)
        products = products.reshape(len(w), own.shape[1], -1)
        parts.append((w.sum(axis=1), np.square(w).sum(axis=1), w @ own, w @ functions, products))
    return _Kernel(*(np.stack(each) for each in zip(*parts, strict=True)))


def _components(x: Array) -> tuple[Array, Array, Array]:
    """Return principal components, these scaled and winsorised, and the latter with their winsorised products."""
    left, singular, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    left = left[:, singular > RESOLVED * singular[0]][:, :OUTPUTS]
    linear = _winsorised(left[:, :COMPONENTS])
    i, j = np.triu_indices(min(PRODUCTS, linear.shape[1]))
    return left * singular[: left.shape[1]], linear, np.column_stack([linear, _winsorised(linear[:, i] * linear[:, j])])


def _winsorised(functions: Array) -> Array:
    """Return functions of x in units of their standard deviations, none further than some of these from the mean."""
    centred = functions - functions.mean(axis=0)
    scale = np.maximum(centred.std(axis=0), NARROWEST)
    return np.clip(centred / scale, -WINSORISED, WINSORISED)


def _whitening(norm: Array) -> Array:
    """Return combinations of functions that have ⟨hhᵀ⟩ = 1, (q, r), without those that are hardly any function."""
    square, vectors = np.linalg.eigh(norm)
    kept = square > ALIKE * square[-1]
    return vectors[:, kept] / np.sqrt(square[kept])


def _reading(halves: list[_Kernel], whitening: Array) -> tuple[float, float]:
    """Return Λ over a span of means, and its standard error over z and, by a jackknife, over rows."""
    squares = _squares(halves, whitening)
    others = [_squares(halves, whitening, group).mean() for group in range(JACKKNIFE)]
    error = np.hypot(squares.std() / len(squares) ** 0.5, np.std(others) * (JACKKNIFE - 1) ** 0.5)
    return float(squares.mean()), float(error)


def _squares(halves: list[_Kernel], whitening: Array, group: int | None = None) -> Array:
    """Return ‖E[(x − x̂) h | z]‖² at each z, for the h that is best at the other half of the z."""
    one, other = (half.covariance(group)[..., : len(whitening)] @ whitening for half in halves)
    parts = []
    for fold in (0, 1):
        products = np.tensordot(one[fold::2], other[fold::2], ((0, 1), (0, 1)))
        h = np.linalg.eigh(products + products.T)[1][:, -1]
        parts.append(((one[1 - fold :: 2] @ h) * (other[1 - fold :: 2] @ h)).sum(axis=1))
    return np.concatenate(parts)
