"""Likelihoods made of a user's function: any loss ℓ(x, f), and distances of features.

    any_loss(ℓ)       ℓ(x, f)              entry by entry, or row by row (`joint`)
    perceptual(φ)     ‖φ(x) − φ(f)‖²       φ a function of rows

The best constant output f₀ is found by minimisation from several starts. The curvature of a
perceptual loss is the *full* Hessian of ⟨‖φ(x) − φ(f)‖²⟩ at f₀. Its first part 2JᵀJ, known as
Gauss–Newton, is all of it only where φ(f₀) = ⟨φ(x)⟩, and in general no f has these features
(`landau-vae derive any-reconstruction-loss`). It depends on the rows through ⟨φ(x)⟩ alone, so a
product with a vector costs one pass through φ. Above `DENSE` outputs it is not formed: the
curvature is then a function that multiplies.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from landau_vae.checks import Count, checked
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.likelihoods.calculus import Calculus, calculus_of
from landau_vae.likelihoods.descend import QUANTILES, descend, weighted_quantiles
from landau_vae.likelihoods.functions import Rest
from landau_vae.likelihoods.likelihood import MAKERS, Likelihood

DENSE = 1500  # outputs up to which a curvature is formed, and decomposed in seconds
BLOCK = 2**21  # numbers of rows that a function is called with at once
OWN = 0x6F776E  # stream of the directions in which starts are moved off the mean
MOVED = 0.1  # deviations by which they are: the mean may be a saddle
FLAT = 1e-10  # of the largest curvature: what counts as none
ROUNDING = 1e-12  # of the largest entry: a column that deviates less is constant
POLISH = 5  # Newton steps from where the minimiser stops
WORDS = ("ℓ(x, x̂)", "unit of the loss", "that the loss is for")


@dataclass(frozen=True)
class Entries:
    """The value of a user's function of entries, or its derivatives."""

    function: Callable[[Any, Any], Any]
    order: int

    def __call__(self, x: Any, f: Any) -> Any:
        """Return it at x and f, both (n, d) or so."""
        if not isinstance(f, np.ndarray):  # traced by JAX, or tensors
            return self.function(x, f)
        x, f = (np.array(each, dtype=float) for each in np.broadcast_arrays(x, f))
        rows, at = x.reshape(-1, x.shape[-1]), f.reshape(-1, x.shape[-1])
        calculus, unit = calculus_of(self.function, rows[:2], at[:2], name="function"), _unit(rows)
        if self.order == 0:
            return calculus.call(self.function, x, f)
        if self.order == 1:
            return calculus.gradient(self.function, rows, at, unit).reshape(f.shape)
        return calculus.along(self.function, rows, at, np.ones(at.shape), unit).reshape(f.shape)


def _unit(x: Array) -> Array:
    """Return the deviation of each column; 1 where it is constant but for rounding."""
    deviation = x.std(axis=0)
    return np.where(deviation > ROUNDING * np.abs(x).max(axis=0), deviation, 1.0)


def _unit_of_outputs(x: Array, f: Array) -> Array:
    """Return the unit of each output: the spread of its column of x, or of f where x has other columns."""
    return _unit(x if f.shape[1] == x.shape[1] else f)


def _must_be_finite(values: Any) -> None:
    """Raise `InputError` where a function of the user's has no value."""
    if not np.isfinite(values).all():
        raise InputError(
            "function returns NaN or infinity on rows of the data, with their mean as the output: correct it, or give "
            "the link that makes outputs of its kind from data.", "function"
        )  # fmt: skip


@dataclass(frozen=True)
class OfEntries(Likelihood):
    """A user's function of entries."""

    def constant(self, x: Array, weights: Array | None = None) -> Array:
        """Return the best constant output, from the link of quantiles of the columns."""
        self._check(x)
        return descend(self, x, weights, np.asarray(self.link(weighted_quantiles(x, QUANTILES, weights))))

    def _check(self, x: Array) -> None:
        """Raise `InputError` unless there is a number for each entry, which depends on that entry's output alone."""
        assert isinstance(self.value, Entries)
        rows, function = x[:8], self.value.function
        calculus = calculus_of(function, x[:2], x[:2], name="function")
        f = np.asarray(self.link(np.tile(x.mean(axis=0), (len(rows), 1))))
        before, moved = calculus.call(function, rows, f), f + 0.5 * _unit(x) * (np.arange(x.shape[1]) % 2)
        if before.shape != rows.shape:
            found = f"shape {before.shape} for rows {rows.shape}"
            raise InputError(
                f"function returned {found}, but one number for each entry is expected: do not sum or average; or give "
                "joint=True, for a function that returns one number for each row.", "function"
            )  # fmt: skip
        _must_be_finite(calculus.call(function, x, f[:1] + np.zeros(x.shape)))
        after = calculus.call(function, rows, moved)
        if not np.allclose(after[:, ::2], before[:, ::2], rtol=1e-6, atol=1e-9 * np.abs(before).max()):
            raise InputError(
                "function returns numbers of single entries that depend on other entries' outputs: sum them over each "
                "row, and give joint=True.", "function"
            )  # fmt: skip


# ------------------------------------------------------------------------------------------------- joint


class Mean(NamedTuple):
    """The mean loss of a constant output (m,), its gradient, and its Hessian times vectors (m, k)."""

    value: Callable[[Array], float]
    gradient: Callable[[Array], Array]
    along: Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Rows:
    """The value of a user's function of rows, as a column, or its gradient."""

    function: Callable[[Any, Any], Any]
    order: int

    def __call__(self, x: Any, f: Any) -> Any:
        """Return it at rows x and f."""
        if not isinstance(f, np.ndarray):  # traced by JAX, or tensors
            return self.function(x, f)[..., None]
        x, f = np.asarray(x, dtype=float), np.array(np.broadcast_to(f, (len(x), np.shape(f)[-1])), dtype=float)
        calculus = calculus_of(self.function, x[:2], f[:2], name="function")
        if self.order == 0:
            return calculus.call(self.function, x, f)[..., None]
        unit = _unit_of_outputs(x, f)  # all outputs may be one constant
        parts = [calculus.gradient(self.function, x[rows], f[rows], unit) for rows in _blocks(x)]
        return np.concatenate(parts)


@dataclass(frozen=True)
class Joint(Likelihood):
    """A user's function of rows, (x, f) → (n,)."""

    function: Callable[[Any, Any], Any] | None = field(default=None, repr=False)  #: ℓ(x, f) of rows
    size: int | None = field(default=None, repr=False)  #: m, unless it is d

    def outputs(self, features: int) -> int:
        """Return m."""
        return self.size or features

    def row_value(self, x: Any, f: Any) -> Any:
        """Return the function's own numbers."""
        return self.value(x, f)[..., 0]

    def rest(self, x: Array, weights: Array | None = None) -> Rest:
        """Return the state at the best constant that is found, with the full curvature."""
        start = np.asarray(self.link(np.average(x, axis=0, weights=weights)), dtype=float)
        unit = _unit_of_outputs(x, start[None])
        assert self.function is not None
        calculus = calculus_of(self.function, x[:2], np.tile(start, (len(x[:2]), 1)), name="function")
        shape = calculus.call(self.function, x[:2], np.tile(start, (len(x[:2]), 1))).shape
        if shape != (len(x[:2]),):
            found = f"shape {shape} for {len(x[:2])} rows"
            raise InputError(f"function returned {found}, but one number for each row is expected.", "function")
        mean = self._mean(x, _shares(x, weights), calculus, unit)
        output = _lowest(mean, start, unit)
        score = np.asarray(self.score(x, output))
        return Rest(output, score, partial(mean.along, output) if len(output) > DENSE else _hessian(mean, output))

    def _mean(self, x: Array, share: Array, calculus: Calculus, unit: Array) -> Mean:
        function, n = self.function, len(x)

        def over_rows(derivative: Callable[..., Array], *vectors: Array) -> Array:
            tiled = [np.tile(each, (n, 1)) for each in vectors]
            parts = [
                share[rows] @ derivative(function, x[rows], *(each[rows] for each in tiled)) for rows in _blocks(x)
            ]
            return np.asarray(np.sum(parts, axis=0))

        return Mean(
            lambda f: float(over_rows(calculus.call, f)),
            lambda f: over_rows(partial(_scaled, calculus.gradient, unit), f),
            lambda f, v: np.array([over_rows(partial(_scaled, calculus.along, unit), f, each) for each in v.T]).T,
        )


def _scaled(derivative: Callable[..., Array], unit: Array, *arguments: Any) -> Array:
    return derivative(*arguments, unit)


@dataclass(frozen=True)
class Distance:
    """‖φ(x) − φ(f)‖² of rows, which have a shape of their own."""

    features: Callable[[Any], Any]
    shape: tuple[int, ...] | None = None

    def flat(self, f: Any) -> Any:
        """Return φ of rows, (n, p)."""
        return self.features(f if self.shape is None else f.reshape(-1, *self.shape)).reshape(len(f), -1)

    def __call__(self, x: Any, f: Any) -> Any:
        """Return it for each row."""
        return ((self.flat(x) - self.flat(f)) ** 2).sum(-1)


@dataclass(frozen=True)
class FromFeatures:
    """‖p − φ(f)‖² of given features p, (p,), for each row."""

    distance: Distance

    def __call__(self, features: Any, f: Any) -> Any:
        """Return it."""
        return ((features - self.distance.flat(f)) ** 2).sum(-1)


@dataclass(frozen=True)
class Perceptual(Joint):
    """A distance of features, whose mean depends on the mean features alone."""

    def _mean(self, x: Array, share: Array, calculus: Calculus, unit: Array) -> Mean:
        assert isinstance(self.function, Distance)
        flat = self.function.flat
        features = np.sum([share[rows] @ calculus.call(flat, x[rows]) for rows in _blocks(x)], axis=0)
        rows = FromFeatures(self.function)
        return Mean(
            lambda f: float(calculus.call(rows, features, f[None])[0]),
            lambda f: calculus.gradient(rows, features, f[None], unit)[0],
            lambda f, v: calculus.along(rows, features, np.tile(f, (v.shape[1], 1)), np.ascontiguousarray(v.T), unit).T,
        )


def _blocks(x: Array) -> Iterator[slice]:
    step = max(1, BLOCK // x.shape[1])
    return (slice(start, start + step) for start in range(0, len(x), step))


def _shares(x: Array, weights: Array | None) -> Array:
    return np.full(len(x), 1 / len(x)) if weights is None else weights / weights.sum()


def _hessian(mean: Mean, output: Array) -> Array:
    matrix = mean.along(output, np.eye(len(output)))
    return np.asarray((matrix + matrix.T) / 2)


def _lowest(mean: Mean, start: Array, unit: Array) -> Array:
    """Return the lowest minimum that is found from the mean, and from two sides of it: it may be a saddle."""
    from scipy.optimize import minimize

    _must_be_finite(mean.value(start))
    direction = np.random.default_rng((0, OWN)).standard_normal(len(start))
    options = {"maxiter": 5000, "maxfun": 20_000, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 20}

    def scaled(u: Array) -> tuple[float, Array]:
        return mean.value(start + unit * u), unit * mean.gradient(start + unit * u)

    found = [
        minimize(scaled, size * direction, jac=True, method="L-BFGS-B", options=options) for size in (0, MOVED, -MOVED)
    ]
    output = start + unit * min(found, key=lambda each: float(each.fun)).x
    for _ in range(POLISH if len(start) <= DENSE else 0):
        values, vectors = np.linalg.eigh(_hessian(mean, output))
        kept = values > FLAT * values[-1]
        step = vectors[:, kept] @ (vectors[:, kept].T @ mean.gradient(output) / values[kept])
        if not mean.value(output - step) <= mean.value(output):
            break
        output = output - step
    return np.asarray(output)


# ------------------------------------------------------------------------------------------------ makers


@checked
def any_loss(
    function: Callable[..., Any], *, joint: bool = False, outputs: Count | None = None,
    link: Callable[..., Any] = np.copy,
) -> Likelihood:  # fmt: skip
    """Return the likelihood of a reconstruction term of your own.

    Its score and curvature are found by JAX or PyTorch where the function takes arrays of
    these, else by differences. A term with kinks, such as |x − f|, has no curvature at single
    rows: `laplace` and `smooth_l1` know how to treat it.

    Parameters
    ----------
    function : callable
        `function(x, f)` returns one number for each entry (n, d), or with `joint` one for each
        row (n,); neither summed nor averaged further.
    joint : bool, default False
        Whether outputs mix.
    outputs : int, optional
        m, how many numbers the decoder gives for a row, where that is not d; with `joint` only.
    link : callable, optional
        Makes first guesses of outputs from numbers such as x: `np.log` where f is a log-mean.
        By default f is of the kind of x.

    Returns
    -------
    Likelihood
        It is equal to another one made of the same function.

    Examples
    --------
    >>> from landau_vae.spectrum import score
    >>> square = any_loss(lambda x, f: (x - f) ** 2)
    >>> score([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]], square).eigenvalues.round(4).tolist()  # 2 λ
    [4.0, 1.0]
    """
    name = f"any-loss({_name(function)})"
    if joint:
        functions: dict[str, Any] = {"value": Rows(function, 0), "score": Rows(function, 1)}
        return Joint(name, "user-defined", *WORDS, link=link, function=function, size=outputs, **functions)
    if outputs is not None:
        raise InputError(
            "outputs is given, but a function of entries has one output for each: give joint=True.", "outputs"
        )
    functions = {part: Entries(function, order) for order, part in enumerate(("value", "score", "curvature"))}
    return OfEntries(name, "user-defined", *WORDS, link=link, **functions)


@checked
def perceptual(features: Callable[..., Any], *, shape: Sequence[Count] | None = None) -> Likelihood:
    """Return a distance of features, ‖φ(x) − φ(f)‖², summed over the features of φ.

    Parameters
    ----------
    features : callable
        φ: `features(rows)` returns an array of any shape (n, …), of NumPy, JAX or PyTorch. A
        network must be in evaluation mode.
    shape : sequence of int, optional
        Of one sample as φ takes it, such as (3, 64, 64). By default rows are flat.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> from landau_vae.spectrum import score
    >>> double = perceptual(lambda x: 2 * x)
    >>> score([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]], double).eigenvalues.round(4).tolist()  # 8 λ
    [16.0, 4.0]
    """
    distance = Distance(features, None if shape is None else tuple(shape))
    return Perceptual(
        f"perceptual({_name(features)})", "perceptual", "‖φ(x) − φ(x̂)‖²", "squared unit of features", WORDS[2],
        link=np.copy, function=distance, value=Rows(distance, 0), score=Rows(distance, 1),
    )  # fmt: skip


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _refuse(text: str) -> Likelihood:
    raise InputError(
        f"A likelihood made of your function {text} cannot be made of its name: give the object.", "likelihood"
    )


MAKERS["any-loss"] = "any-loss(function)", _refuse
MAKERS["perceptual"] = "perceptual(function)", _refuse
