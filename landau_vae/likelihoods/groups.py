"""Likelihoods of rows whose columns come in groups: softmax over each group, and groups of different kinds.

    categorical    ℓ(x, f) = −Σ_j x_j ln π_j,    π = softmax(f) within each group of columns
    mixed          ℓ(x, f) = Σ_g a_g ℓ_g(x_g, f_g)

The curvature of a softmax, N(diag π − ππᵀ) with N the mean of Σ_j x_j, has a null vector in each
group: a constant added to all its outputs changes nothing. The score has no part there either,
so that direction is left out. For single labels (one-hot) all eigenvalues of one group alone
are 1 (`landau-vae derive any-reconstruction-loss`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from landau_vae.checks import Count, checked, is_real
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.likelihoods.functions import Rest, dense, library, parts
from landau_vae.likelihoods.likelihood import MAKERS, Likelihood, as_likelihood, named, of_numbers

LEAST_SHARE = 1e-9  # of a label that is never seen: its output stays finite
TERM = re.compile(r"\s*(?:([-+.\de]+)\s*\*)?\s*([^\[\]]+?)\s*\[([\d:,\s]+)\]\s*")


@dataclass(frozen=True)
class Categorical(Likelihood):
    """Softmax over groups of neighbouring columns."""

    groups: tuple[int, ...] = field(default=(), repr=False)  #: the number of columns of each

    def must_hold(self, x: Array) -> None:
        """Raise `InputError` unless rows have the columns of the groups, and shares or counts in them."""
        if x.shape[1] != sum(self.groups):
            found = f"{x.shape[1]} columns, but the groups of {self.name} have {sum(self.groups)}"
            raise InputError(f"The data have {found}: give the number of columns of each group.", "data")
        super().must_hold(x)

    def constant(self, x: Array, weights: Array | None = None) -> Array:
        """Return the logarithms of the mean shares within each group."""
        mean = np.average(x, axis=0, weights=weights)
        whole = _over_groups(np, mean, self.groups, np.sum)
        return np.log(np.maximum(mean / np.where(whole > 0, whole, 1.0), LEAST_SHARE))

    def mean_curvature(self, x: Array, output: Array, weights: Array | None = None) -> Array:
        """Return N(diag π − ππᵀ) of all groups, (d, d)."""
        mean = np.average(x, axis=0, weights=weights)
        count, share = _over_groups(np, mean, self.groups, np.sum), self.response(output)
        group = np.repeat(np.arange(len(self.groups)), self.groups)
        return np.diag(count * share) - np.where(group[:, None] == group, np.outer(count * share, share), 0.0)


def _over_groups(xp: Any, values: Any, groups: tuple[int, ...], reduce: Any) -> Any:
    """Return a reduction of each group of columns, at every column of the group."""
    edges = np.cumsum((0, *groups))
    reduced = [reduce(values[..., low:high], axis=-1, keepdims=True) for low, high in pairwise(edges)]
    return xp.concatenate([xp.repeat(part, size, axis=-1) for part, size in zip(reduced, groups, strict=True)], axis=-1)


def _logarithms(f: Any, groups: tuple[int, ...]) -> Any:
    """Return ln π."""
    xp = library(f)
    f = f - _over_groups(xp, f, groups, xp.max)
    return f - xp.log(_over_groups(xp, xp.exp(f), groups, xp.sum))


def _labels(x: Any, f: Any, groups: tuple[int, ...]) -> tuple[Any, ...]:
    xp, logarithms = library(f), _logarithms(f, groups)
    share, count = xp.exp(logarithms), _over_groups(library(x), x, groups, library(x).sum)
    return -x * logarithms, count * share - x, count * share * (1 - share)


@dataclass(frozen=True)
class Softmax:
    """π of outputs."""

    groups: tuple[int, ...]

    def __call__(self, f: Any) -> Any:
        """Return the shares."""
        return library(f).exp(_logarithms(f, self.groups))


@checked
def categorical(groups: Sequence[Count]) -> Likelihood:
    """Return the cross-entropy of a softmax over each of some groups of neighbouring columns.

    Parameters
    ----------
    groups : sequence of int
        The number of columns of each group; together they are all columns.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> categorical([2]).score(np.array([1.0, 0.0]), np.zeros(2)).tolist()
    [-0.5, 0.5]
    """
    sizes = tuple(groups)
    if not sizes:
        raise InputError("groups is empty, but the number of columns of at least one group is expected.", "groups")
    return Categorical(
        named("categorical", *sizes), "softmax", "−x ln x̂", "nat of cross-entropy", "shares or counts, from 0 on",
        (0.0, np.inf), link=np.log, response=Softmax(sizes), groups=sizes, **parts(_labels, sizes),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- groups of different kinds

Piece = tuple[Likelihood, tuple[int, ...], float]  # with its columns and its weight


def _places(pieces: tuple[Piece, ...]) -> list[tuple[Likelihood, list[int], list[int], float]]:
    """Return each part with its columns, its outputs and its weight."""
    end, places = sum(len(columns) for _, columns, _ in pieces), []
    for likelihood, columns, weight in pieces:
        more = likelihood.outputs(len(columns)) - len(columns)
        places.append((likelihood, list(columns), [*columns, *range(end, end + more)], weight))
        end += more
    return places


@dataclass(frozen=True)
class _ScoreOf:
    """∂ℓ/∂f of a mixture, in the order of its outputs."""

    pieces: tuple[Piece, ...]

    def __call__(self, x: Any, f: Any) -> Any:
        places = _places(self.pieces)
        parts = [a * each.score(x[..., np.array(columns)], f[..., np.array(outputs)])
                 for each, columns, outputs, a in places]  # fmt: skip
        return library(f).concatenate(parts, axis=-1)[..., _order(outputs for _, _, outputs, _ in places)]


@dataclass(frozen=True)
class Mixed(Likelihood):
    """Likelihoods of different columns, each with a weight.

    The first d outputs belong to the columns in their order. Further outputs, of a part that
    has several for a column, follow part by part.
    """

    pieces: tuple[Piece, ...] = field(default=(), repr=False)  #: each with its columns and its weight

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_default("score", _ScoreOf(self.pieces))

    @property
    def bounded(self) -> bool:
        """Whether every part has a least value."""
        return all(likelihood.bounded for likelihood, _, _ in self.pieces)

    def must_hold(self, x: Array) -> None:
        """Raise `InputError` unless each group holds what its likelihood is for."""
        if x.shape[1] != (d := sum(len(columns) for _, columns, _ in self.pieces)):
            raise InputError(f"The data have {x.shape[1]} columns, but {self.name} is for {d}.", "data")
        for likelihood, columns, _ in self.pieces:
            likelihood.must_hold(x[:, list(columns)])

    def outputs(self, features: int) -> int:
        """Return the number of outputs of all parts."""
        return sum(likelihood.outputs(len(columns)) for likelihood, columns, _ in self.pieces)

    def row_value(self, x: Any, f: Any) -> Any:
        """Return Σ a ℓ(x, f) over the parts, of each row."""
        return sum(
            weight * likelihood.row_value(x[..., np.array(columns)], f[..., np.array(outputs)])
            for likelihood, columns, outputs, weight in _places(self.pieces)
        )

    def left_out(self, x: Any) -> Any:
        """Return Σ a times what −ln p of each part has beyond its `row_value`."""
        return sum(weight * each.left_out(x[..., np.array(columns)]) for each, columns, weight in self.pieces)

    def mean(self, f: Any) -> Any:
        """Return x̂ of all columns."""
        xp, places = library(f), _places(self.pieces)
        parts = [each.mean(f[..., np.array(outputs)]) for each, _, outputs, _ in places]
        return xp.concatenate(parts, axis=-1)[..., _order(columns for _, columns, _, _ in places)]

    def rest(self, x: Array, weights: Array | None = None) -> Rest:
        """Return the collapsed states of all parts, side by side."""
        m, n = self.outputs(x.shape[1]), len(x)
        output, score, curvature, notes = np.zeros(m), np.zeros((n, m)), np.zeros((m, m)), []
        for likelihood, columns, outputs, weight in _places(self.pieces):
            part = likelihood.rest(x[:, columns], weights)
            output[outputs], score[:, outputs] = part.output, weight * part.score
            curvature[np.ix_(outputs, outputs)] = weight * dense(part.curvature)
            notes += [part.note] if part.note else []
        return Rest(output, score, curvature, " ".join(notes))


def _order(groups: Any) -> Any:
    """Return where each column stands among those of the groups, one after the other."""
    return np.argsort(np.concatenate([np.asarray(columns) for columns in groups]))


@checked
def mixed(groups: Sequence[Any]) -> Likelihood:
    """Return the likelihood of tables with columns of different kinds.

    A Gaussian part is ½(x − f)². The outputs of a decoder are in the order of the columns;
    second outputs of a column, where a part has them, follow part by part.

    Parameters
    ----------
    groups : sequence of (likelihood, columns) or (likelihood, columns, weight)
        The likelihood, an object or its name; its columns, counted from 0; what multiplies its
        term, by default 1. Each column belongs to one part.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> table = mixed([("gaussian", [0, 1]), ("categorical(3)", [2, 3, 4]), ("bernoulli", [5], 2.0)])
    >>> table.name
    'mixed(gaussian[0:2] + categorical(3)[2:5] + 2*bernoulli[5:6])'
    """
    pieces = tuple(_piece(group) for group in groups)
    columns = [column for _, group, _ in pieces for column in group]
    if sorted(columns) != list(range(len(columns))) or not columns:
        found = f"columns {sorted(columns)}, but every column from 0 on is expected, each in one part"
        raise InputError(f"groups has {found}.", "groups")
    words = [f"{'' if a == 1 else f'{a:.15g}*'}{each}[{_in_words(group)}]" for each, group, a in pieces]
    return Mixed(f"mixed({' + '.join(words)})", "mixed", "ℓ(x, x̂)", "unit of the loss", pieces=pieces)


def _piece(part: Any) -> Piece:
    if not isinstance(part, Sequence) or isinstance(part, str) or len(part) not in (2, 3):
        expected = "(likelihood, columns) or (likelihood, columns, weight) is expected"
        raise InputError(f"A part is {part!r}, but {expected}.", "groups")
    weight = part[2] if len(part) == 3 else 1.0
    columns = list(part[1]) if np.iterable(part[1]) else [part[1]]
    if not columns or not all(is_real(column) and column == int(column) >= 0 for column in columns):
        raise InputError(f"The columns of a part are {part[1]!r}, but whole numbers from 0 on are expected.", "groups")
    if not is_real(weight) or weight <= 0:
        raise InputError(f"The weight of a part is {weight!r}, but a positive number is expected.", "groups")
    return as_likelihood(part[0]), tuple(map(int, columns)), float(weight)


def _in_words(columns: tuple[int, ...]) -> str:
    """Return columns as their name has them: "2:5", or "0,3,4"."""
    neighbours = columns == tuple(range(columns[0], columns[-1] + 1))
    return f"{columns[0]}:{columns[-1] + 1}" if neighbours else ",".join(map(str, columns))


def _from_words(text: str) -> Likelihood:
    """Return a mixture by what stands in the brackets of its name."""
    pieces = []
    for term in text.split(" + "):
        if (match := TERM.fullmatch(term)) is None:
            raise InputError(f"{term!r} cannot be read as a part such as 'gaussian[0:3]'.", "likelihood")
        low, colon, high = match[3].partition(":")
        columns = range(int(low), int(high)) if colon else map(int, match[3].split(","))
        pieces.append((match[2], list(columns), float(match[1] or 1)))
    return mixed(pieces)


MAKERS["categorical"] = "categorical(3,4)", of_numbers(lambda *groups: categorical(groups))
MAKERS["mixed"] = "mixed(gaussian[0:3] + categorical(4)[3:7])", _from_words
