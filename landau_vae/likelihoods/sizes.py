"""Counts whose means are multiplied by a size of their row, which the decoder is given and the latents need not tell.

    m_ij = l_i e^{f_j},    or with shares    m_ij = l_i softmax(f)_j

l_i is the total of row i (the library size of scvi-tools), or the last column of the data. Rows
weigh by their information m/(1 + m/θ), so the spectrum is not that of Pearson residuals. With
shares only w with ρ·w = 0 moves the outputs, ρ = softmax(f₀), and κ is the sum of mean scores:

    c* = λ_max of Cov(s) against ⟨H⟩ − κ diag ρ,  on ρ·w = 0,    s and H those of e^f

Of a Poisson decoder and totals shares change nothing. Sources: this package (`landau-vae derive
counts-with-library-sizes`); the decoder: Lopez et al. 2018 (doi:10.1038/s41592-018-0229-2).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import checked, numbers
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.likelihoods.canonical import POISSON
from landau_vae.likelihoods.descend import descend
from landau_vae.likelihoods.fitted_dispersion import Dispersed, ends
from landau_vae.likelihoods.functions import Part, Rest, library
from landau_vae.likelihoods.likelihood import MAKERS, Likelihood, as_likelihood

Size = Literal["total", "column"]
NOTHING = -60.0  # log-mean of a feature that no row has
LOGITS, TRIED = (-4.0, 0.0), 0.5  # of extra zeros; how far apart starts are, in logarithms
STEPS, AT_REST = 50, 1e-9  # of Newton's method, whose next step would be the square of the last
FIRST = 1000  # rows on which constants are looked for, before all rows are asked


@dataclass(frozen=True)
class Shifted:
    """A function of counts and outputs, at outputs with the logarithm of the size added."""

    function: Any
    column: bool

    def __call__(self, x: Any, f: Any) -> Any:
        """Return the function's result."""
        counts, log_size = split(x, self.column)
        return self.function(counts, shifted(f, log_size, counts.shape[-1]))


@dataclass(frozen=True)
class TiedScore:
    """The score by outputs of which a softmax makes shares: s − ρ Σ s."""

    function: Any
    column: bool

    def __call__(self, x: Any, f: Any) -> Any:
        """Return the score."""
        counts, log_size = split(x, self.column)
        d = counts.shape[-1]
        logs, first = log_shares(f, d), np.arange(f.shape[-1]) < d
        score = self.function(counts, shifted(logs, log_size, d))
        return score - library(f).exp(logs) * first * (score * first).sum(-1, keepdims=True)


def split(x: Any, column: bool) -> tuple[Any, Any]:
    """Return counts, and the logarithm of the size of each row, (…, 1)."""
    counts, size = (x[..., :-1], x[..., -1:]) if column else (x, x.sum(-1, keepdims=True))
    return counts, library(x).log(size)


def shifted(f: Any, log_size: Any, features: int) -> Any:
    """Return outputs with the logarithm of the size added to the log-means, which come first."""
    return f + log_size * (np.arange(f.shape[-1]) < features)


def log_shares(f: Any, features: int) -> Any:
    """Return outputs with log-means whose exponentials add up to 1."""
    xp, part = library(f), f[..., :features]
    most = part.max(-1, keepdims=True)
    total = most + xp.log(xp.exp(part - most).sum(-1, keepdims=True))
    return f - total * (np.arange(f.shape[-1]) < features)


@dataclass(frozen=True)
class Sized(Likelihood):
    """Counts with sizes of rows."""

    base: Likelihood = field(default=POISSON, repr=False)  #: of counts, with log-means among its outputs
    column: bool = field(default=False, repr=False)  #: whether the size is the last column, not the total of the others
    shares: bool = field(default=True, repr=False)  #: whether a softmax makes the means shares of the size

    def must_hold(self, x: Array) -> None:
        """Raise `InputError` unless these are counts, and every row has a size."""
        counts = x[:, : len(x[0]) - self.column]
        self.base.must_hold(counts)
        size = x[:, -1] if self.column else counts.sum(axis=1)
        if not np.all(size > 0):
            row = int(np.argmin(size > 0))
            what = f"The size of row {row} is {size[row]:g}" if self.column else f"Row {row} has no counts"
            raise InputError(f"{what}, but a positive size is expected of each row: leave such rows out.", "sizes")

    def outputs(self, features: int) -> int:
        """Return the number of outputs, that of the counts without their sizes."""
        return self.base.outputs(features - self.column)

    def parts(self, x: Any) -> tuple[Any, Any]:
        """Return counts, and the logarithm of the size of each row, (…, 1)."""
        return split(x, self.column)

    def row_value(self, x: Any, f: Any) -> Any:
        """Return Σ ℓ over the features of each row, at the means that the size and the outputs make."""
        counts, log_size = split(x, self.column)
        return self.base.row_value(counts, self.at_sizes(f, log_size, counts.shape[-1]))

    def left_out(self, x: Any) -> Any:
        """Return what −ln p of the counts of each row has beyond `row_value`."""
        return self.base.left_out(split(x, self.column)[0])

    def at_sizes(self, f: Any, log_size: Any, features: int) -> Any:
        """Return the outputs that the likelihood of the counts alone takes, of rows whose size is known."""
        return shifted(log_shares(f, features) if self.shares else f, log_size, features)

    def readings(self) -> dict[str, Callable[[Array], Array]]:
        """Return what outputs may be: those of the counts for a row of size 1."""
        return self.base.readings()

    def mean(self, f: Any) -> Any:
        """Return NaN: the size of the row is not known here."""
        return np.nan * self.base.mean(f)

    def settled(self, x: Array, weights: Array | None = None) -> Likelihood:
        """Return the likelihood with the dispersion of the collapsed state, where that is found with the rest."""
        base = self.base
        if not (isinstance(base, Dispersed) and base.per_feature):
            return self
        return sized(base.fixed(self._at_rest(x, weights)[0]), "column" if self.column else "total", self.shares)

    def constant(self, x: Array, weights: Array | None = None) -> Array:
        """Return the best constant outputs; with shares, those whose exponentials add up to 1."""
        return self._at_rest(x, weights)[0]

    def rest(self, x: Array, weights: Array | None = None) -> Rest:
        """Return the collapsed state."""
        output, pull = self._at_rest(x, weights)
        base, (counts, log_size) = self.base, split(x, self.column)
        if isinstance(base, Dispersed) and base.per_feature:
            base, output = base.fixed(output), output[: base.outputs(counts.shape[1])]
        bound = Bound.of(base, counts, log_size)
        blocks = bound.mean_curvature(None, output, weights, pull)
        score = self.scores(bound, output, blocks)
        note = f"The {'size' if self.column else 'total'} of each row is given to the decoder."
        return Rest(output, score, blocks[:, 0, 0] if blocks.shape[1] == 1 else blocks, note)

    def scores(self, bound: "Bound", output: Array, blocks: Array) -> Array:
        """Return the scores of rows at an output, less what a softmax cannot move."""
        score = bound.score(None, output)
        return _tied(score, blocks, np.exp(output[: len(blocks)])) if self.shares else score

    def _at_rest(self, x: Array, weights: Array | None) -> tuple[Array, float]:
        """Return the best constant outputs, and κ: what a softmax pulls at each share."""
        bound: Any = Bound.of(self.base, *split(x, self.column))
        starts = bound.starts(weights)
        if len(x) > 2 * FIRST:  # the long way on some rows, the last steps on all of them
            rows = np.unique(np.linspace(0, len(x) - 1, FIRST).astype(int))
            share = None if weights is None else weights[rows]
            some: Any = Bound.of(self.base, bound.counts[rows], bound.log_size[rows])
            found = descend(some, some.counts, share, np.concatenate([starts, some.starts(share)]))
            starts = np.stack([found, found + TRIED])
        output = np.clip(descend(bound, bound.counts, weights, starts), *bound.ends)
        return self._tied_output(bound, output, weights) if self.shares else (output, 0.0)

    def _tied_output(self, bound: "Bound", output: Array, weights: Array | None) -> tuple[Array, float]:
        """Return the constants whose shares add up to 1: by Newton's method, ⟨s⟩ = κρ and Σρ = 1."""
        d, pull = bound.counts.shape[1], 0.0
        for _ in range(STEPS):
            share = np.exp(output[:d])
            border = np.zeros((d, len(output) // d))
            border[:, 0] = share
            slope = np.average(bound.score(None, output), axis=0, weights=weights).reshape(-1, d).T - pull * border
            blocks = bound.mean_curvature(None, output, weights, pull)
            there, along = (np.linalg.solve(blocks, each[..., None])[..., 0] for each in (slope, border))
            change = (1 - share.sum() + np.sum(border * there)) / np.sum(border * along)
            step = change * along - there
            output, pull = np.clip(output + np.clip(step, -1, 1).T.ravel(), *bound.ends), pull + change
            if np.abs(step).max() < AT_REST:
                break
        return output, pull


def _tied(score: Array, blocks: Array, share: Array) -> Array:
    """Return scores without their part along what a softmax cannot move, in the metric of the curvature."""
    d, r = len(share), blocks.shape[1]
    border = np.zeros((d, r))
    border[:, 0] = share
    along = np.linalg.solve(blocks, border[..., None])[..., 0].T.ravel()
    flat = border.T.ravel()
    return score - np.outer(score @ along, flat) / (flat @ along)


class Once:
    """A function of rows and outputs that keeps its last result."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.output, self.result = function, np.zeros(0), None

    def __call__(self, x: Any, f: Any, *parameters: Any) -> Any:
        """Return the result at an output."""
        if not np.array_equal(f, self.output):
            self.output, self.result = f, self.function(x, f, *parameters)
        return self.result


@dataclass(frozen=True, eq=False)
class Bound:
    """A likelihood of counts at the sizes of some rows."""

    base: Likelihood
    counts: Array
    log_size: Array  #: (n, 1)

    @classmethod
    def of(cls, base: Likelihood, counts: Array, log_size: Array) -> "Bound":
        """Bind a likelihood; where one function gives value, score and curvature, it is called once for all three."""
        if isinstance(base.value, Part):
            once = Once(base.value.function)
            parts = {name: replace(getattr(base, name), function=once) for name in ("value", "score", "curvature")}
            base = replace(base, **parts)
        return cls(base, counts, log_size)

    def value(self, _: Any, output: Array) -> Array:
        """Return ℓ of each row and feature."""
        return np.asarray(self.base.value(self.counts, self._at(output)))

    def score(self, _: Any, output: Array) -> Array:
        """Return the scores of each row by the outputs that have a best value."""
        return np.asarray(self.base.score(self.counts, self._at(output)) * self.free(output))

    def mean_curvature(self, _: Any, output: Array, weights: Array | None = None, pull: float = 0) -> Array:
        """Return the mean curvature of each feature, (d, r, r), with what a softmax adds; 1 where an output is held."""
        curvature, d = self.base.mean_curvature(self.counts, self._at(output), weights), self.counts.shape[1]
        blocks = curvature.reshape(d, *([len(output) // d] * 2)).copy()
        blocks[:, 0, 0] -= pull * np.exp(output[:d])
        free = self.free(output).reshape(-1, d).T
        return np.where(free[:, :, None] & free[:, None, :], blocks, np.eye(free.shape[1]))

    def free(self, output: Array) -> NDArray[np.bool_]:
        """Return which outputs have a best value: of features that some row has, within `ends`."""
        least, most = self.ends
        present = np.tile(self.counts.any(axis=0), len(output) // self.counts.shape[1])
        return np.asarray(present & (output > least) & (output < most))

    @property
    def ends(self) -> Array:
        """Between what outputs are looked for, (2, m)."""
        return ends(self.base, self.counts.shape[1])

    def starts(self, weights: Array | None) -> Array:
        """Return outputs from which the best constant ones are looked for, (q, m)."""
        size = np.exp(self.log_size)
        if isinstance(self.base, Dispersed):
            return self.base.starts(self.counts, weights, size)
        with np.errstate(divide="ignore"):
            mean = np.log(np.average(self.counts, axis=0, weights=weights) / np.average(size[:, 0], weights=weights))
        mean, d = np.maximum(mean, NOTHING), len(mean)
        others = self.base.outputs(d) - d
        return np.array([np.append(mean + more, np.full(others, logit)) for more in (0.0, TRIED) for logit in LOGITS])

    def _at(self, output: Array) -> Array:
        return np.asarray(shifted(output, self.log_size, self.counts.shape[1]))


@checked
def sized(likelihood: Likelihood, size: Size = "total", shares: bool | None = None) -> Likelihood:
    """Return the likelihood of counts whose means are a size of the row times what the decoder says.

    Parameters
    ----------
    likelihood : Likelihood
        Of counts, whose first outputs are logarithms of means: a Poisson, a negative binomial,
        with extra zeros or not.
    size : {"total", "column"}, default "total"
        Whether the size is the total of the row, or the last column of the data, which is no
        feature then.
    shares : bool, optional
        Whether a softmax over features makes the means shares of the size, by default where
        the size is the total.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> per_total = sized(POISSON)
    >>> per_total.constant(np.array([[1.0, 3.0], [4.0, 12.0]])).round(6).tolist()  # ln ¼, ln ¾
    [-1.386294, -0.287682]
    """
    if likelihood.support != (0.0, np.inf) or isinstance(likelihood, Sized):
        found = f"likelihood is {likelihood.name}"
        raise InputError(f"{found}, but one of counts without sizes is expected, such as POISSON.", "likelihood")
    column = size == "column"
    tied = (not column) if shares is None else shares
    parts: dict[str, Any] = {"score": TiedScore(likelihood.score, column)}
    if not tied:
        parts = {part: Shifted(getattr(likelihood, part), column) for part in ("value", "score", "curvature")}
    name = next(name for name, way in WAYS.items() if way == (size, tied))
    return Sized(
        f"{name}({likelihood.name})", likelihood.title, likelihood.term, likelihood.unit,
        likelihood.data, likelihood.support, base=likelihood, column=column, shares=tied, **parts,
    )  # fmt: skip


def with_sizes(likelihood: Likelihood, counts: Array, sizes: Any) -> tuple[Likelihood, Array]:
    """Return the likelihood that is given sizes of rows, and the rows that it takes."""
    if sizes is None:
        return likelihood, counts
    base: Likelihood = likelihood.base if isinstance(likelihood, Sized) else likelihood
    if base.support != (0.0, np.inf):
        raise InputError(
            f"Sizes multiply the means of counts, but the loss has a {likelihood.title} likelihood: leave them out, or "
            "take one of counts (Loss.poisson).", "sizes"
        )  # fmt: skip
    if isinstance(sizes, str):
        if sizes != "total":
            raise InputError(f"sizes is {sizes!r}, but 'total' or one number for each row is expected.", "sizes")
        of_total = isinstance(likelihood, Sized) and not likelihood.column
        return (likelihood if of_total else sized(base, "total", False)), counts
    values = numbers(sizes, "sizes", finite=True)
    if values.size != len(counts) or not np.all(values > 0):
        problem = f"have shape {values.shape}" if values.size != len(counts) else f"go down to {values.min():g}"
        expected = f"one positive number for each of {len(counts)} rows is expected"
        raise InputError(f"sizes {problem}, but {expected}.", "sizes")
    return sized(base, "column"), np.column_stack([counts, values.ravel()])


def can_be_drawn(likelihood: Likelihood) -> bool:
    """Return whether counts of a likelihood can be drawn here: Poisson and negative binomial ones."""
    base = likelihood.base if isinstance(likelihood, Sized) else likelihood
    if isinstance(base, Dispersed):
        return base.per_feature
    return base == POISSON or (isinstance(base.value, Part) and base.name.startswith(("negative-", "zero-")))


def _read(size: Size, shares: bool, text: str) -> Likelihood:
    return sized(as_likelihood(text), size, shares)


#: By name: where the size comes from, and whether a softmax makes shares of it.
WAYS: dict[str, tuple[Size, bool]] = {
    "total": ("total", True), "given-size": ("column", False), "shares": ("column", True),
    "times-total": ("total", False),
}  # fmt: skip
MAKERS.update({name: (f"{name}(poisson)", partial(_read, *way)) for name, way in WAYS.items()})
