"""Streams of blocks of rows, accumulated: rows as long as they are fewer than their columns, `Moments` from then on.

Two `Collected` merge exactly, in any order. Nothing is lost by keeping rows, and a table of 50
rows and 10⁵ columns need not become a matrix of 10¹⁰ numbers.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.data.convert import Names, x_of
from landau_vae.data.gram import Gram
from landau_vae.data.moments import Moments, Pairs, spacing
from landau_vae.data.tables import as_names, as_table, as_weights, choose, nonfinite_problem, row_blocks
from landau_vae.display import Array, progress_bar
from landau_vae.errors import InputError, OutsideTheory, described


class Collected:
    """Rows that were added, as rows or as moments.

    >>> left, right = Collected(), Collected()
    >>> left.add(np.array([[0.0, 1.0], [2.0, 3.0]]))
    >>> right.add(np.array([[4.0, 2.0]]))
    >>> left.merge(right)
    >>> left.count, left.result().mean.tolist()
    (3, [2.0, 2.0])
    """

    def __init__(self, names: Names = None) -> None:
        self.names = names
        self.dimension: int | None = None
        self.count = 0
        self.finite = True  #: whether nothing non-finite was added, and nothing has overflowed
        self.moments: Moments | None = None
        self.held: list[tuple[NDArray[Any], Array | None]] = []
        self.precision = 0.0

    def add(self, rows: NDArray[Any], weights: Array | None = None, *, copy: bool = True) -> None:
        """Add a block of rows (n, d); `copy` says that the block may change once it has been added."""
        self._fit(rows.shape[1], "A chunk has", "those before it have")
        self.count += len(rows)
        self.precision = max(self.precision, spacing(rows.dtype))
        if self.moments is None and self.count < rows.shape[1]:
            self.finite &= bool(np.isfinite(rows).all())
            self.held.append((rows.copy() if copy else rows, weights))
            return
        moments = self._form()
        moments.add(rows, weights)
        self.finite = moments.finite

    def merge(self, other: "Collected") -> None:
        """Add all that was added to `other`, which stays as it is."""
        if other.dimension is None:
            return
        if self.names and other.names and self.names != other.names:
            i = next((i for i, pair in enumerate(zip(self.names, other.names, strict=False)) if len(set(pair)) > 1), 0)
            raise InputError(
                f"The partial results are of different columns, {self.names[i]!r} and {other.names[i]!r} at index {i} "
                f"of {len(self.names)} and {len(other.names)}: gather the same columns in the same order everywhere."
            )
        self._fit(other.dimension, "A partial result is of", "the other one is of")
        self.names = self.names or other.names
        self.precision = max(self.precision, other.precision)
        if other.moments is None:
            for rows, weights in other.held:
                self.add(rows, weights, copy=False)
        else:
            self._form().merge(other.moments)
            self.count += other.count
        self.finite = self.finite and other.finite

    def select(self, columns: list[int]) -> "Collected":
        """Return a part with some of the columns."""
        chosen = Collected(None if self.names is None else tuple(self.names[i] for i in columns))
        chosen.precision, chosen.dimension = self.precision, len(columns)
        if self.moments is None:
            for rows, weights in self.held:
                chosen.add(rows[:, columns], weights, copy=False)
        else:
            chosen.moments, chosen.count = self.moments.select(columns), self.count
        return chosen

    def result(self) -> Moments | Gram:
        """Return the moments; the Gram matrix of fewer rows than columns."""
        if self.moments is not None:
            self.moments.precision = max(self.precision, self.moments.precision)
            return self.moments
        rows, weights = self.stacked()
        gram = Gram(rows, weights, self.precision)
        if not gram.finite:
            raise nonfinite_problem([rows], self.names)
        return gram

    def stacked(self) -> tuple[NDArray[Any], Array | None]:
        """Return the rows that are held, in one array, and their weights if any row has one."""
        if len(self.held) == 1:
            return self.held[0]
        rows = np.concatenate([rows for rows, _ in self.held])
        if all(weights is None for _, weights in self.held):
            return rows, None
        return rows, np.concatenate([np.ones(len(r)) if w is None else w for r, w in self.held])

    def _form(self) -> Moments:
        """Return the moments, made of the held rows the first time."""
        if self.moments is None:
            assert self.dimension is not None
            self.moments = Moments(self.dimension)
            for rows, weights in self.held:
                self.moments.add(rows, weights)
            self.held = []
        return self.moments

    def _fit(self, dimension: int, subject: str, others: str) -> None:
        if self.dimension is None:
            as_names(self.names, dimension)
            self.dimension = dimension
        if dimension != self.dimension:
            raise InputError(
                f"{subject} {dimension} columns, but {others} {self.dimension}: every chunk must hold the same columns."
            )


def select(part: Collected, columns: str | Sequence[str] | None, exclude: str | Sequence[str]) -> Collected:
    """Return a part with some of its columns, by their names, or by their index where they have none."""
    if columns is None and not exclude:
        return part
    names = part.names or tuple(map(str, range(part.dimension or 0)))
    return part.select(choose(names, columns, exclude))


def collect(pairs: Pairs, names: Names, *, copy: bool = True) -> Collected:
    """Collect all of a stream; `copy` says that it may reuse its blocks.

    Rows are held until there are as many as columns: a stream that ends before that is a wide
    table.
    """
    part = Collected(names)
    for rows, weights in pairs:
        part.add(rows, weights, copy=copy)
        if not part.finite:
            later = chain([rows], (block for block, _ in pairs))
            raise nonfinite_problem(later, part.names, row=part.count - len(rows))
    return part


def chunk_pairs(chunks: Iterable[Any], weights: Iterable[ArrayLike] | None) -> Pairs:
    """Yield validated blocks of any iterable of tables, with the blocks of weights that run along."""
    weight_blocks = None if weights is None else iter(weights)
    columns, count = None, 0
    for chunk in items(chunks):
        chunk = x_of(chunk)
        block = None if weight_blocks is None else next(weight_blocks, None)
        if weight_blocks is not None and block is None:
            raise InputError("The weights ended before the chunks did: give one block of weights for each chunk.")
        if np.ndim(chunk) == 0 or len(chunk) > 0:
            rows, names = as_table(chunk)
            columns = columns or names
            if names != columns and names is not None:
                raise InputError(
                    f"A chunk has the columns {', '.join(names)}, but those before it have {', '.join(columns or ())}: "
                    "every chunk must hold the same columns in the same order."
                )
            yield rows, None if block is None else as_weights(block, len(rows), count)
            count += len(rows)
    if weight_blocks is not None and next(weight_blocks, None) is not None:
        raise InputError("The chunks ended before the weights did: give one block of weights for each chunk.")


def items(chunks: Iterable[Any]) -> Iterator[Any]:
    """Yield the chunks; what the user's own iterable raises is an `InputError` with that as its cause."""
    iterator = iter(chunks)
    while True:
        try:
            chunk = next(iterator)
        except StopIteration:
            return
        except Exception as problem:
            if isinstance(problem, InputError | OutsideTheory):
                raise
            raise InputError(f"chunks raised {described(problem)}: mend them.", "chunks") from problem
        yield chunk


def with_progress(pairs: Pairs, total: int | None, progress: bool) -> Pairs:
    """Return the same blocks, with a bar on standard error if `progress` and if that is a terminal."""
    if not progress:
        return pairs

    def counted() -> Pairs:
        with progress_bar(total, "reading", progress, unit=" rows", unit_scale=True) as bar:
            for rows, weights in pairs:
                yield rows, weights
                bar.update(len(rows))

    return counted()


def array_pairs(array: NDArray[Any], weights: Array | None, rows: int | None = None) -> Pairs:
    """Yield an array by blocks of rows, with their weights."""
    start = 0
    for block in row_blocks(array, rows):
        yield block, None if weights is None else weights[start : start + len(block)]
        start += len(block)
