"""What models are trained on: a `Spectrum`, or rows that are standardised and split where asked; and minibatches.

Rows go into the parts by one fixed permutation, the same for all seeds, and keep their order
within a part. Mean and scale are the training part's own: nothing of what is held out reaches
training.

Minibatches are x̃ = (x − x̄, 1): rows of the data, or fresh samples of N(0, C) where only the
covariance is known. All models of a seed see the same minibatches in the same order, as they do
when each training begins with the same `manual_seed`. Rows are shuffled anew in each epoch and
the incomplete batch at its end is left out; weighted rows are drawn with replacement, in
proportion to their weights.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import numbers
from landau_vae.data.accumulate import array_pairs
from landau_vae.data.moments import Moments
from landau_vae.data.tables import as_table, as_weights, nonfinite_problem, row_blocks
from landau_vae.display import Array, in_words, readonly
from landau_vae.errors import InputError, OutsideTheory, described
from landau_vae.likelihoods import Likelihood, Rest, natural_parameter
from landau_vae.spectrum._score import of_rest
from landau_vae.spectrum.spectrum import Spectrum

PARTS = ("training", "validation", "test")
PERMUTATION = 0  # seed of the permutation that splits
STREAM = 0x62617463  # distinguishes the generator of batches from those of starts and of noise
AT_ONCE = 2**20  # rows of batches that are drawn before they are used, at most

Part = tuple[NDArray[Any], Array | None]  # rows and their weights


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What models are trained on. Held-out parts are on the scale of the training part."""

    spectrum: Spectrum  #: of the rows that are trained on (its covariance divides by n)
    rows: Array | None = None  #: (n, p), or None: fresh samples of N(0, C) wherever samples are needed
    weights: Array | None = None  #: (n,), of the rows; only their ratios matter
    held_out: Mapping[str, Array] = field(default_factory=dict)  #: "validation", "test" → rows (·, p), where asked for
    held_out_weights: Mapping[str, Array] = field(default_factory=dict)  #: (·,), of these rows, where rows have weights
    #: ⟨(x − x̄)(x − x̄)ᵀ⟩ of the held-out rows about the *training* mean x̄, (p, p); none of wide data (n < p)
    held_out_covariance: Mapping[str, Array] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """Number of features: p of the rows, or those of the covariance where there are no rows."""
        return len(self.spectrum.covariance) if self.rows is None else self.rows.shape[1]

    @cached_property
    def covariance(self) -> Array:
        """Covariance of the features that models see, (features, features)."""
        if self.rows is None or len(self.spectrum.covariance) == self.features:
            return self.spectrum.covariance
        moments = Moments(self.features)  # wide data, for a trainer that goes through rows
        moments.add(self.rows, self.weights)
        return moments.covariance

    @cached_property
    def mean(self) -> Array:
        """Mean of the rows, (features,); 0 where there are no rows."""
        if self.rows is None:
            return np.zeros(self.features)
        if self.weights is None:
            return self.rows.mean(axis=0)
        return self.weights @ self.rows / self.weights.sum()

    @property
    def origin(self) -> Array:
        """Mean of the rows as they were given, (features,); 0 where it is not known."""
        mean = self.spectrum.mean
        return np.zeros(self.features) if mean is None or len(mean) != self.features else mean

    @property
    def unit(self) -> Array:
        """What the rows as they were given were divided by, (features,)."""
        scale = self.spectrum.scale if self.spectrum.standardized else None
        return np.ones(self.features) if scale is None or len(scale) != self.features else scale

    def arrays(self) -> Iterator[Array]:
        """Yield all arrays that are held, in a fixed order.

        Yields
        ------
        array
        """
        parts = (self.spectrum.eigenvalues, self.spectrum.covariance, self.rows, self.weights)
        yield from (part for part in parts if part is not None)
        for mapping in (self.held_out, self.held_out_weights, self.held_out_covariance):
            yield from (mapping[name] for name in sorted(mapping))


def training_set(
    source: Any,
    standardize: bool = False,
    weights: ArrayLike | None = None,
    splits: Sequence[float] | None = None,
    keep_rows: bool = True,
    limit: float = np.inf,
) -> TrainingSet:
    """Return what is trained on and held out; `limit` is in bytes, and held against what has to be copied.

    Raises `InputError` for rows that a spectrum does not have, for impossible shares, and for
    too little memory.

    >>> data = training_set([[0, 1], [2, 0], [4, 5], [6, 2]], splits=(0.5, 0.25, 0.25))
    >>> data.spectrum.samples, {name: part.shape for name, part in data.held_out.items()}
    (2, {'validation': (1, 2), 'test': (1, 2)})
    """
    if isinstance(source, Spectrum | TrainingSet):
        of_rows = {"standardize": standardize, "weights": weights is not None, "splits": splits is not None}
        if words := " and ".join(name for name, asked in of_rows.items() if asked):
            raise InputError(f"A Spectrum has no rows for {words} to act on: give the table itself, or leave that out.")
        return TrainingSet(source) if isinstance(source, Spectrum) else source
    table, names = as_table(source)
    weight = None if weights is None else as_weights(weights, len(table))
    as_they_are = table.dtype == np.float64 and not standardize and table.flags.forc
    size = (splits is not None) * table.nbytes + (keep_rows and not as_they_are) * 8 * table.size
    if size > limit:  # before anything is copied
        found = f"the {len(table)} rows takes {in_words(size)}, but {in_words(limit)} may be used"
        raise InputError(f"To split, scale or convert {found}: give fewer rows, or standardised ones in float64.")
    parts = {"training": (table, weight)} if splits is None else _split(table, weight, splits, names)
    rows, share = parts.pop("training")
    spectrum = Spectrum.from_data(rows, standardize=standardize, weights=share, names=names)
    mean, scale = cast(Array, spectrum.mean), spectrum.scale if standardize else None
    wide = spectrum.matrix is None
    covariances = {name: _covariance(part, mean, scale) for name, part in parts.items() if not wide}
    if not keep_rows:
        return TrainingSet(spectrum, held_out_covariance=covariances)
    held_out = {name: _rows(part, mean, scale) for name, (part, _) in parts.items()}
    held_out_weights = {name: readonly(weight) for name, (_, weight) in parts.items() if weight is not None}
    share = None if share is None else readonly(share)
    return TrainingSet(spectrum, _rows(rows, mean, scale), share, held_out, held_out_weights, covariances)


@np.errstate(all="ignore")
def asked(likelihood: Likelihood, name: str, *arrays: Array | None) -> Any:
    """Return a function of arrays in NumPy; `InputError` names the likelihood if it raises anything."""
    try:
        return getattr(likelihood, name)(*arrays)
    except (InputError, OutsideTheory):
        raise
    except Exception as problem:  # anything: it may be the user's code
        raised = f"raised {described(problem)} in its {name}"
        raise InputError(f"The likelihood {likelihood.name!r} {raised}: correct that function.", "loss") from problem


def collapsed_state(likelihood: Likelihood, data: TrainingSet) -> Rest:
    """Return the best constant output and what the loss is around it, after trying the functions of the likelihood."""
    if data.rows is None:
        raise InputError(
            f"A {likelihood.title} decoder needs samples, but a spectrum was given: give the data.", "source"
        )
    likelihood.must_hold(data.rows)
    state: Rest = asked(likelihood, "rest", data.rows, data.weights)
    two = np.broadcast_to(state.output, (len(data.rows[:2]), len(state.output)))
    for name, arrays in {"row_value": (data.rows[:2], two), "mean": (two,)}.items():
        asked(likelihood, name, *arrays)
    return state


def seen_by(likelihood: Likelihood, data: TrainingSet) -> tuple[Array, Spectrum]:
    """Return the best constant output, (d,), and the spectrum of the first collapse: of ⟨H⟩^−½ Cov(s) ⟨H⟩^−½."""
    if likelihood.squared:
        return data.mean, data.spectrum
    state = collapsed_state(likelihood, data)
    assert data.rows is not None
    finite = np.isfinite(state.output)  # that of a constant column may be infinite: networks begin nearby
    origin = state.output if finite.all() else np.where(finite, state.output, natural_parameter(likelihood, data.mean))
    return origin, of_rest(likelihood, state, data.rows, data.weights)


def _split(
    table: NDArray[Any], weight: Array | None, splits: Sequence[float], names: tuple[str, ...] | None
) -> dict[str, Part]:
    """Return training, validation and test part; a part whose share is 0 is left out."""
    shares = numbers(splits, "splits")
    if shares.shape != (3,) or not np.all(shares >= 0) or not shares[0] > 0 or abs(shares.sum() - 1) > 1e-9:
        expected = "three shares that add up to 1 are expected, for training, validation and test: (0.8, 0.1, 0.1)"
        raise InputError(f"splits is {splits!r}, but {expected}.", "splits")
    held = [round(len(table) * share) for share in shares[1:]]
    counts = dict(zip(PARTS, [len(table) - sum(held), *held], strict=True))
    for share, (name, count) in zip(shares, counts.items(), strict=True):
        if share > 0 and count < (2 if name == "training" else 1):
            found = f"A share of {share:g} of {len(table)} rows leaves {max(count, 0)} for the {name} part"
            raise InputError(f"{found}, which is too few: give more rows, or other splits.", "splits")
    if not all(np.isfinite(block).all() for block in row_blocks(table)):
        raise nonfinite_problem(row_blocks(table), names)  # here, where rows still have the user's own numbers
    order = np.random.default_rng(PERMUTATION).permutation(len(table))
    members = dict(zip(PARTS, map(np.sort, np.split(order, np.cumsum([*counts.values()])[:-1])), strict=True))
    for name, rows in members.items():
        if weight is not None and len(rows) and not weight[rows].any():
            raise InputError(f"The weights of all {name} rows are zero: give other splits or other weights.")
    kept = {name: rows for name, rows in members.items() if len(rows)}
    return {name: (table[rows], None if weight is None else weight[rows]) for name, rows in kept.items()}


def _rows(part: NDArray[Any], mean: Array, scale: Array | None) -> Array:
    """Return rows as float64 on the scale of the training part; the array itself where that changes nothing."""
    if scale is not None:
        scaled = np.subtract(part, mean, dtype=np.float64)
        scaled /= scale
        return readonly(scaled)
    rows = np.asarray(part, dtype=np.float64)
    return readonly(rows if rows.flags.forc else np.ascontiguousarray(rows))  # strides as another process will see them


def _covariance(part: Part, mean: Array, scale: Array | None) -> Array:
    """Return the second moments of a part about the training mean."""
    rows, weight = part
    moments = Moments(rows.shape[1])
    for block, share in array_pairs(rows, weight):
        moments.add(block, share)
    step = moments.mean - mean
    second = moments.covariance + np.outer(step, step)
    return readonly(second if scale is None else second / np.outer(scale, scale))


@dataclass
class Batches:
    """The minibatches of one seed, in blocks of several updates."""

    data: TrainingSet
    size: int  #: rows of a batch
    seed: int
    dtype: Any = np.float64

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.seed, STREAM])
        self.left: NDArray[np.intp] = np.empty(0, dtype=np.intp)  # of the epoch's permutation
        if self.data.rows is not None:
            self.size = min(self.size, len(self.data.rows))
        self._share = None if self.data.weights is None else self.data.weights / self.data.weights.sum()

    def block(self, updates: int) -> Array:
        """Return the next batches, (updates, size, d + 1)."""
        if self.data.rows is None:
            root = self.data.spectrum.root.astype(self.dtype)
            centred = self.rng.standard_normal((updates, self.size, len(root)), dtype=self.dtype) @ root
        else:
            centred = self.data.rows[self.indices(updates)] - self.data.mean
        block = np.ones((updates, self.size, centred.shape[-1] + 1), dtype=self.dtype)
        block[..., :-1] = centred
        return block

    def indices(self, updates: int) -> NDArray[np.intp]:
        """Return the rows of the next batches, (updates, size)."""
        assert self.data.rows is not None
        count = len(self.data.rows)
        if self._share is not None:
            return self.rng.choice(count, (updates, self.size), p=self._share)
        whole = count - count % self.size
        epochs = [self.left]
        while sum(map(len, epochs)) < updates * self.size:
            epochs.append(self.rng.permutation(count)[:whole])
        ready = np.concatenate(epochs)
        self.left = ready[updates * self.size :]
        return ready[: updates * self.size].reshape(updates, self.size)
