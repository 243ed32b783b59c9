"""Counts whose dispersion θ is found too: one number for each feature, or a further output of the decoder.

    −ln p = ln Γ(θ)/Γ(x + θ) + (x + θ) ln(θ + m) − θ ln θ − x f,    m = e^f, θ = e^t
    negative binomial: outputs (f, t);    zero-inflated: outputs (f, ln π/(1 − π), t)

A θ of each feature that no latent moves (scvi-tools' dispersion="gene") meets the latents at third
order only. So the collapsed state is as stable as with its own best θ held fixed, which is that of
maximum likelihood: `settled`. A θ that the decoder gives (dispersion="gene-cell") has scores of
its own. Source: this package.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from landau_vae.checks import checked
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.likelihoods.canonical import log_factorial
from landau_vae.likelihoods.counts import COUNTS, negative_binomial, zero_inflated
from landau_vae.likelihoods.descend import descend
from landau_vae.likelihoods.functions import Part, Rest, library
from landau_vae.likelihoods.likelihood import KNOWN, Likelihood

LEAST, MOST = -7.0, 9.0  # ln θ: at larger ones counts as here are a Poisson's to 1e-4 of the mean
LOGITS = (-4.0, 0.0)  # of extra zeros, from which the best one is looked for
SURE = 12.0  # |logit| from which a share of extra zeros is 0 or 1
TINY = 1e-3  # of a count
STEPS, AT_REST = 50, 1e-4  # of Newton's method for ln θ, whose next step is far smaller


@dataclass(frozen=True)
class Dispersed(Likelihood):
    """Counts with a dispersion that is found with the rest."""

    inflated: bool = field(default=False, repr=False)  #: whether a share of extra zeros is an output
    per_feature: bool = field(default=True, repr=False)  #: whether θ is one number for each feature

    @property
    def parameters(self) -> int:
        """How many numbers a feature has at rest, θ among them."""
        return 3 if self.inflated else 2

    def outputs(self, features: int) -> int:
        """Return the number of outputs: all log-means, then all logits, then all ln θ."""
        return features * (self.parameters - self.per_feature)

    def row_value(self, x: Any, f: Any) -> Any:
        """Return −ln p of each row."""
        if self.per_feature:
            raise InputError(f"The dispersion of a {self.title} decoder is not known here: give dispersion=θ.")
        return super().row_value(x, f)

    def starts(self, x: Array, weights: Array | None = None, sizes: Array | float = 1.0) -> Array:
        """Return where the best constants are looked for, (q, m): θ by moments, or far from it."""
        each = np.broadcast_to(sizes, (len(x), 1))
        mean = np.average(x, axis=0, weights=weights) / np.average(each, axis=0, weights=weights)
        at = each * mean
        spread = np.average(np.square(x - at) - at, axis=0, weights=weights)
        power = np.average(np.square(at), axis=0, weights=weights)
        t = _by_moments(spread, power)
        logits = [np.full(len(mean), each) for each in LOGITS] if self.inflated else [np.zeros(0)]
        f = np.log(mean + TINY * (mean == 0))
        return np.array([np.concatenate([f + more / 2, logit, t + more]) for logit in logits for more in (0.0, 1.0)])

    def constant(self, x: Array, weights: Array | None = None) -> Array:
        """Return the best constants, those of θ within what counts can tell."""
        found = descend(self, x, weights, self.starts(x, weights))
        return np.clip(found, *ends(self, x.shape[1]))

    def mean_curvature(self, x: Array, output: Array, weights: Array | None = None) -> Array:
        """Return the mean curvature of each feature's outputs, (d, r, r)."""
        blocks = [[np.average(each, axis=0, weights=weights) for each in row] for row in self.curvature(x, output)]
        return np.moveaxis(np.array(blocks), -1, 0)

    def fixed(self, output: Array) -> Likelihood:
        """Return the likelihood with the dispersion of an output."""
        return self.at(np.exp(output.reshape(self.parameters, -1)[-1]))

    def at(self, theta: Array) -> Likelihood:
        """Return the likelihood with the dispersion θ of each feature, (d,)."""
        return zero_inflated(theta) if self.inflated else negative_binomial(theta)

    def settled(self, x: Array, weights: Array | None = None) -> Likelihood:
        """Return the likelihood with the dispersion that the collapsed state has."""
        return self.fixed(self.constant(x, weights)) if self.per_feature else self

    def fitted(self, x: Array, f: Array) -> Likelihood:
        """Return the likelihood with the θ of each feature that fits given outputs, (n, q), best.

        Training brings it there. In a model that encodes much it is far above that of the collapsed state.
        """
        mean = np.exp(f[:, : x.shape[1]])
        spread, power = np.mean((x - mean) ** 2 - mean, axis=0), np.mean(mean**2, axis=0)
        t = _by_moments(spread, power)
        for _ in range(STEPS):
            at = np.hstack([f, np.broadcast_to(t, x.shape)])
            slope = self.score(x, at)[:, -len(t) :].mean(axis=0)
            bend = self.curvature(x, at)[-1][-1].mean(axis=0)
            step = np.where(bend > 0, -slope / np.where(bend > 0, bend, 1), -np.sign(slope))
            moved = np.clip(t + np.clip(step, -1, 1), LEAST, MOST)
            t, change = moved, np.abs(moved - t).max()
            if change < AT_REST:
                break
        return self.at(np.exp(t))

    def rest(self, x: Array, weights: Array | None = None) -> Rest:
        """Return the collapsed state; a θ of each feature is at its best value there, and is no output."""
        return self.settled(x, weights).rest(x, weights) if self.per_feature else super().rest(x, weights)


def _by_moments(spread: Array, power: Array) -> Array:
    """Return ln θ from the variance beyond that of Poisson counts, m²/θ, and ⟨m²⟩, (d,) each."""
    theta = power / np.maximum(spread, TINY * power + TINY)
    return np.log(np.clip(theta, np.exp(LEAST), np.exp(MOST)))


def ends(likelihood: Likelihood, features: int) -> Array:
    """Return between what outputs counts can tell a logit or ln θ, (2, m): it may have no best value."""
    dispersed = isinstance(likelihood, Dispersed)
    parts = likelihood.parameters if isinstance(likelihood, Dispersed) else likelihood.outputs(1)
    most = np.array([np.inf, *[SURE] * (parts - 1)])
    least = -most
    if dispersed:
        least[-1], most[-1] = LEAST, MOST
    return np.repeat([least, most], features, axis=1)


def _special(f: Any) -> Any:
    """Return the special functions of the library whose arrays these are."""
    if library(f) is np:
        from scipy import special
    else:
        from jax.scipy import special
    return special


Terms = tuple[Any, tuple[Any, ...], tuple[tuple[Any, ...], ...]]  # value, slopes and second derivatives


def _plain(x: Any, f: Any, t: Any) -> Terms:
    """Return −ln p of a negative binomial, up to terms of x alone, and its derivatives by f and t."""
    xp, special = library(f), _special(f)
    theta, gap = xp.exp(t), xp.logaddexp(f, t) - t  # ln(1 + m/θ)
    log_gamma, digamma, trigamma = _rises(special, x, theta)
    share = -xp.expm1(-gap)  # m/(θ + m)
    own = 1 - share
    value = theta * gap - log_gamma + x * (gap + t - f)
    by_f = theta * share - x * own
    excess = x * own / theta - share  # (x − m)/(θ + m)
    by_theta = gap + excess - digamma
    bend = -trigamma - (share + excess * own) / theta
    second, mixed = share * own * (theta + x), -theta * excess * share
    return value, (by_f, theta * by_theta), ((second, mixed), (mixed, theta * (theta * bend + by_theta)))


def _rises(special: Any, x: Any, theta: Any) -> list[Any]:
    """Return g(x + θ) − g(θ) of ln Γ and its two derivatives, looked up where small counts meet one θ per feature."""
    functions = (special.gammaln, special.digamma, lambda at: special.polygamma(1, at))
    if (
        isinstance(x, np.ndarray)
        and isinstance(theta, np.ndarray)
        and x.ndim == 2
        and np.all(theta == np.atleast_2d(theta)[:1])
    ):
        row, whole = theta.reshape(-1, theta.shape[-1])[0], x.astype(np.intp)
        if np.array_equal(whole, x) and x.max() < len(x):
            steps = np.arange(whole.max() + 1)[:, None] + row
            tables = (function(steps) for function in functions)
            return [(table - table[0])[whole, np.arange(len(row))] for table in tables]
    return [function(x + theta) - function(theta) for function in functions]


def _negative_binomial(x: Any, f: Any) -> tuple[Any, ...]:
    xp, d = library(f), f.shape[-1] // 2
    value, slopes, second = _plain(x, f[..., :d], f[..., d:])
    return value, xp.concatenate(xp.broadcast_arrays(*slopes), axis=-1), second


def _zero_inflated(x: Any, f: Any) -> tuple[Any, ...]:
    """Mix in the extra zeros: at x = 0 the value is −ln(π + (1 − π)e^−ℓ)."""
    xp, d = library(f), f.shape[-1] // 3
    log_mean, logit, t = f[..., :d], f[..., d : 2 * d], f[..., 2 * d :]
    value, (a, b), ((aa, ab), (_, bb)) = _plain(x, log_mean, t)
    logit = logit + 0 * value
    zero, share = x == 0, _share(logit)
    own = xp.where(zero, _share(-value - logit), 1.0)  # of the rows at hand: the share that the counts explain
    mixed = xp.where(zero, own * (1 - own), 0.0)
    extra = xp.logaddexp(logit, 0.0)
    total = extra + xp.where(zero, -xp.logaddexp(logit, -value), value)
    slopes = own * a, xp.where(zero, share + own - 1, share), own * b
    af, bf, ff = -mixed * a, -mixed * b, share * (1 - share) - mixed
    across = own * ab - mixed * a * b
    blocks = (own * aa - mixed * a**2, af, across), (af, ff, bf), (across, bf, own * bb - mixed * b**2)
    return total, xp.concatenate(xp.broadcast_arrays(*slopes), axis=-1), blocks


def _share(f: Any) -> Any:
    xp = library(f)
    return xp.exp(-xp.logaddexp(-f, 0.0))


@checked
def dispersed(inflated: bool = False, per_feature: bool = True) -> Dispersed:
    """Return counts with a dispersion that is found with the rest.

    Parameters
    ----------
    inflated : bool, default False
        Whether extra zeros have a logit of their own, an output of the decoder.
    per_feature : bool, default True
        Whether θ is one number for each feature, or an output of the decoder.

    Returns
    -------
    Dispersed

    Examples
    --------
    >>> dispersed(inflated=True).outputs(3), dispersed(inflated=True, per_feature=False).outputs(3)
    (6, 9)
    """
    function = _zero_inflated if inflated else _negative_binomial
    kind, short = ("zero-inflated negative-binomial", "ZINB") if inflated else ("negative-binomial", "NB")
    name = ("fitted-" if per_feature else "varying-") + ("zero-inflated" if inflated else "negative-binomial")
    parts: dict[str, Any] = {part: Part(function, (), i) for i, part in enumerate(("value", "score", "curvature"))}
    return Dispersed(
        name, kind, f"−ln {short}(x; x̂)", "nat of −ln p", COUNTS, (0.0, np.inf), inflated=inflated,
        per_feature=per_feature, of_data=log_factorial, **parts,
    )  # fmt: skip


KNOWN.update({each.name: each for each in (dispersed(i, p) for i in (False, True) for p in (True, False))})
