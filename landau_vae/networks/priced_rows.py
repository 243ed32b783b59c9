"""Rows at a price: what outputs of a decoder cost them, and which outputs would be worth more.

    −ℓ(x, y)/c      D(y) = ⟨e^{−ℓ(x, y)/c} / p(x)⟩ − 1      p(x) = Σ_y q(y) e^{−ℓ(x, y)/c}

Of a canonical exponential family ℓ = A(f) − x f, an output is the mean y = A′(f), products of
matrices give all ℓ, and an ascent of D goes to the mean of the rows that it weighs. Outputs of
any other likelihood are its own f, in units of ⟨H⟩^−½, and an ascent goes by quasi-Newton steps.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from landau_vae.display import Array
from landau_vae.likelihoods import Likelihood, Rest, natural_parameter
from landau_vae.likelihoods.functions import dense

CLIMBS = 25  # steps of an ascent
PAIRS = 2**16  # numbers of pairs of a row and an output that are looked at together: they fit a cache

Tangent = tuple[Array, Callable[[Array], Array]]  # −ℓ/c, (n, m); and Σ r ∂ℓ/∂f, (m, k), for r, (n, m)


@dataclass(frozen=True, eq=False)
class Mixture:
    """A distribution of outputs, and how much better the best one may be on the rows that it was fitted to."""

    outputs: Array  #: y, (m, d); of squared errors they are counted from the mean of the rows
    weights: Array  #: q(y), (m,)
    price: float = 1.0  #: c
    excess: float = 0.0  #: sup D, as far as ascents have found it

    @property
    def gap(self) -> float:
        """The loss that F(q) may be above the minimum: c ln(1 + sup D)."""
        return self.price * float(np.log1p(max(0.0, self.excess)))


@dataclass(frozen=True, eq=False)
class Rows(ABC):
    """Distinct rows with their shares, and what a likelihood says of outputs for them."""

    table: Array  #: x, (n, d)
    share: Array  #: of each row, (n,)
    likelihood: Likelihood
    price: float = 1.0  #: c

    climbing = 256  #: ascents in a round, or twice as many as there are outputs
    cost = 1.0  #: of a pair's number in the work, in products
    constant = 0.0  #: what belongs to x alone
    perfect = np.nan  #: the loss of a model whose outputs are the best for each row; NaN where it is not known

    @property
    @abstractmethod
    def mean(self) -> Array:
        """The output of the collapsed state, (k,)."""

    @property
    @abstractmethod
    def own(self) -> Array:
        """An output near to each row, (n, k)."""

    @abstractmethod
    def natural(self, outputs: Array) -> Array:
        """Return f, (m, k), in which ℓ is smooth."""

    @abstractmethod
    def outputs(self, natural: Array) -> Array:
        """Return y, (m, k), of such f."""

    @abstractmethod
    def tangent(self, natural: Array) -> Tangent:
        """Return −ℓ/c of rows and outputs, and a function that sums the scores of weighted rows."""

    @abstractmethod
    def ascended(self, starts: Array, log_p: Array) -> Array:
        """Return where ascents of D lead to, (m, k)."""

    def loss(self, mixture: Mixture) -> float:
        """Return F(q), with what belongs to x alone; NaN without rows."""
        if not len(self.table):
            return np.nan
        rows = replace(self, price=mixture.price)
        return self.constant + rows.value(rows.logarithms(mixture.outputs), mixture.weights)[0]

    def rates(self, mixture: Mixture) -> Array:
        """Return the nats that the best posterior of each row over the outputs costs, (n,)."""
        logarithms = replace(self, price=mixture.price).logarithms(mixture.outputs)
        logarithms -= logarithms.max(axis=1)[:, None]  # where little but the nearest output counts, all digits count
        log_p = logsumexp(logarithms, axis=1, b=mixture.weights)
        response = np.exp(logarithms - log_p[:, None]) * mixture.weights
        return np.asarray((response * logarithms).sum(axis=1) - log_p)

    def logarithms(self, outputs: Array) -> Array:
        """Return −ℓ(x, y)/c, (n, m)."""
        return self.tangent(self.natural(outputs))[0]

    def value(self, logarithms: Array, weights: Array) -> tuple[float, Array]:
        """Return F and ln p of each row, (n,)."""
        top = logarithms.max(axis=1)
        each = top + np.log(np.maximum(np.exp(logarithms - top[:, None]) @ weights, np.finfo(float).tiny))
        return -self.price * float(self.share @ each), each

    def ratio(self, outputs: Array, log_p: Array) -> Array:
        """Return what each row adds to 1 + D, (n, m)."""
        return np.exp(np.minimum(self.logarithms(outputs) - log_p[:, None], 500.0)) * self.share[:, None]

    def climb(self, starts: Array, log_p: Array, most: int) -> tuple[Array, Array]:
        """Return the tops of D that the best of the starts lead to, with their D, by falling D."""
        height = self.ratio(starts, log_p).sum(axis=0) - 1
        outputs = self.ascended(starts[np.argsort(-height, kind="stable")[:most]], log_p)
        height = self.ratio(outputs, log_p).sum(axis=0) - 1
        order = np.argsort(-height, kind="stable")
        return outputs[order], height[order]


@dataclass(frozen=True, eq=False)
class CanonicalRows(Rows):
    """Rows of a canonical exponential family, whose outputs are means."""

    @property
    def mean(self) -> Array:
        """⟨x⟩, (d,)."""
        return self.share @ self.table

    @property
    def own(self) -> Array:
        """The rows themselves, (n, d)."""
        return self.table

    @property
    def constant(self) -> float:  # type: ignore[override]
        """What belongs to x alone: ½⟨‖x‖²⟩ if errors are squared."""
        return float(0.5 * self.share @ np.square(self.table).sum(axis=1) * self.likelihood.squared)

    @property
    def perfect(self) -> float:  # type: ignore[override]
        """⟨ℓ(x, x)⟩, with what belongs to x alone."""
        natural = self.natural(self.table)
        value = np.asarray(self.likelihood.generator(natural).value).sum(axis=1)
        return self.constant + float(self.share @ (value - (self.table * natural).sum(axis=1)))

    def natural(self, outputs: Array) -> Array:
        """Return f = A′⁻¹(y)."""
        return natural_parameter(self.likelihood, outputs)

    def outputs(self, natural: Array) -> Array:
        """Return y = A′(f)."""
        return np.asarray(self.likelihood.generator(natural).mean)

    def tangent(self, natural: Array) -> Tangent:
        """Return (x f − A)/c, and how Σ r (A′ − x) is formed."""
        generator = self.likelihood.generator(natural)
        logarithms = (self.table @ natural.T - np.asarray(generator.value).sum(axis=1)) / self.price
        return logarithms, lambda weight: weight.sum(axis=0)[:, None] * generator.mean - weight.T @ self.table

    def ascended(self, starts: Array, log_p: Array) -> Array:
        """Follow the mean shift: to the mean of the rows, by what each adds to D."""
        outputs = starts
        for _ in range(CLIMBS + 1):
            ratio = self.ratio(outputs, log_p)
            following = (ratio.T @ self.table) / np.maximum(ratio.sum(axis=0), np.finfo(float).tiny)[:, None]
            done = np.abs(following - outputs).max() <= 1e-7 * np.abs(following).max()
            outputs = following
            if done:
                break
        return outputs


@dataclass(frozen=True, eq=False)
class OtherRows(Rows):
    """Rows of any likelihood, whose outputs are f, from its best constant one on, in units of ⟨H⟩^−½."""

    rest: Rest = field(kw_only=True)  #: the collapsed state

    climbing, cost = 64, 100.0  # a pair costs more here

    @property
    def mean(self) -> Array:
        """0, (k,)."""
        return np.zeros_like(self.rest.output)

    @property
    def unit(self) -> Array:
        """⟨H⟩^−½ of each output, (k,); 1 where the loss has no curvature."""
        whole = self.rest.curvature
        curvature = np.ones_like(self.mean) if callable(whole) else dense(whole).diagonal()
        return np.where(np.isfinite(curvature) & (curvature > 0), curvature, 1.0) ** -0.5

    @property
    def own(self) -> Array:
        """A Newton step from the collapsed state towards each row, −⟨H⟩^−½ s, (n, k)."""
        return -self.rest.score * self.unit

    def natural(self, outputs: Array) -> Array:
        """Return the outputs as they are."""
        return outputs

    def outputs(self, natural: Array) -> Array:
        """Return the outputs as they are."""
        return natural

    def tangent(self, natural: Array) -> Tangent:
        """Return −ℓ/c, and how Σ r ∂ℓ/∂f is formed, of some outputs at a time."""
        f = self.rest.output + natural * self.unit
        value = [self.likelihood.row_value(*pair).reshape(-1, len(self.table)).T for pair in self._pairs(f)]

        def pull(weight: Array) -> Array:
            parts, first = [], 0
            for x, each in self._pairs(f):
                score = np.asarray(self.likelihood.score(x, each)).reshape(-1, len(self.table), f.shape[1])
                parts.append(np.einsum("mnk,nm->mk", score, weight[:, first : first + len(score)]))
                first += len(score)
            return np.concatenate(parts) * self.unit

        return -np.concatenate(value, axis=1) / self.price, pull

    def _pairs(self, f: Array) -> Iterator[tuple[Array, Array]]:
        """Yield rows and outputs, each with each, (some × n, ·)."""
        n = len(self.table)
        some = max(1, PAIRS // self.table.size)
        for first in range(0, len(f), some):
            part = f[first : first + some]
            yield np.tile(self.table, (len(part), 1)), np.repeat(part, n, axis=0)

    def ascended(self, starts: Array, log_p: Array) -> Array:
        """Follow quasi-Newton steps of Σ ln(1 + D), all ascents together."""

        def fall(flat: Array) -> tuple[float, Array]:
            logarithms, pull = self.tangent(flat.reshape(starts.shape))
            each = logarithms + (np.log(self.share) - log_p)[:, None]
            height = logsumexp(each, axis=0)
            return -float(height.sum()), pull(np.exp(each - height)).ravel() / self.price

        found = minimize(fall, starts.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": CLIMBS})
        return np.asarray(found.x).reshape(starts.shape)
