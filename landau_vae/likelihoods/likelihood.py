"""Likelihoods as objects: what a decoder's output f costs against the data x, and what follows from it.

    value ℓ(x, f) = −ln p(x | f) up to terms of x alone,    score ∂ℓ/∂f,    curvature ∂²ℓ/∂f²

f is the decoder's output: x̂ itself (Gaussian), a logit (Bernoulli), a log-mean (Poisson). In a
canonical exponential family ℓ = A(f) − x f, A′(f) is the mean of x, and A″ = 𝒱(A′) its variance
function. `variance`, `slope` and `link` are functions of that mean. Everything downstream asks
the object; nothing compares names. Strings are accepted where users give them, by
`as_likelihood`. Derivation: `landau-vae derive exponential-family`.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from landau_vae.checks import Bound, check_fields, numbers, one_of
from landau_vae.display import Array, significant
from landau_vae.errors import InputError, described
from landau_vae.likelihoods.functions import EDGE, Canonical, Generator, Parameter, Rest, Slope, Values

TOLERATED = 1e-9  # of the data's own unit: by how much rounding may put a variance above the largest possible one
MEANS = np.array([0.25, 0.75])  # in the support of all likelihoods: where links are compared with the identity
PER_FEATURE = "per feature"  # in a name: parameters that it does not hold
OF_FUNCTIONS = ("any-loss", "perceptual")  # made of a user's function, of which a name holds nothing
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?")


def _not_given(*_: Any) -> Any:
    raise InputError("This likelihood lacks a function needed here: make it with variance=…, generator=… and link=….")


def _nothing(x: Any) -> Any:
    return 0.0 * x


@dataclass(frozen=True)
class Likelihood:
    """A likelihood p(x | f), one feature at a time.

    A name and a variance function are enough for thresholds: the spectrum of the data is taken
    in units of the variance at their mean. What is missing beyond that is asked for where it is
    needed.

    Examples
    --------
    >>> from landau_vae.likelihoods import BERNOULLI, GAUSSIAN
    >>> BERNOULLI.variance(np.array([0.5, 0.9])).round(2).tolist()
    [0.25, 0.09]
    >>> float(BERNOULLI.score(1.0, np.array(0.0))), GAUSSIAN.squared
    (-0.5, True)
    >>> Likelihood("negative binomial", variance=lambda m: m + m**2 / 5, support=(0, np.inf))
    Likelihood(name='negative binomial')
    """

    name: str  #: as users write it
    title: str = field(default="", repr=False)  #: as sentences write it; the name, unless given
    term: str = field(default="−ln p(x | x̂)", repr=False)  #: the reconstruction term as formulas show it
    unit: str = field(default="nat of −ln p", repr=False)  #: what the weight of the reconstruction term is paid for
    data: str = field(default="of the likelihood's range", repr=False)  #: what data it is for, in words
    support: tuple[Bound, Bound] = field(default=(-np.inf, np.inf), repr=False)  #: the least and the largest x
    variance: Callable[[Array], Array] = field(default=_not_given, repr=False)  #: 𝒱 of the mean
    slope: Callable[[Array], Array] = field(default=_not_given, repr=False)  #: 𝒱′; by differences, unless given
    generator: Callable[[Array], Generator] = field(default=_not_given, repr=False)  #: A, A′, A″ of f
    link: Callable[[Array], Array] = field(default=_not_given, repr=False)  #: best constant f, by x̄
    value: Callable[[Any, Any], Array] = field(default=_not_given, repr=False)  #: ℓ(x, f); of A, unless given
    score: Callable[[Any, Any], Array] = field(default=_not_given, repr=False)  #: ∂ℓ/∂f; of A, unless given
    curvature: Callable[[Any, Any], Array] = field(default=_not_given, repr=False)  #: ∂²ℓ/∂f²; of A, unless given
    response: Callable[[Any], Array] = field(default=_not_given, repr=False)  #: x̂ of f; A′ or f itself, unless given
    of_data: Callable[[Any], Any] = field(default=_nothing, repr=False)  #: −ln p less ℓ, terms of x alone
    quadratic: bool = field(default=False, repr=False)  #: ½(x − f)ᵀM(x − f): a linear VAE of another covariance, exact
    squared: bool = field(default=False, repr=False)  #: written as (x − x̂)², whose curvature is 2: τ = b/2a
    convex: bool = field(default=False, repr=False)  #: whether each feature has an output, in which ℓ is convex

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "title", self.title or self.name)
        if self.generator is not _not_given:
            for order, name in enumerate(("value", "score", "curvature")):
                self._set_default(name, Canonical(self.generator, order))
        if self.variance is not _not_given:
            self._set_default("slope", Slope(self.variance))

    def _set_default(self, name: str, function: Callable[..., Array]) -> None:
        if getattr(self, name) is _not_given:
            object.__setattr__(self, name, function)

    def __str__(self) -> str:
        return self.name

    @property
    def curvature_of_term(self) -> float:
        """Curvature of the reconstruction term per unit weight and unit metric: 2 of a square, 1 of −ln p."""
        return 2.0 if self.squared else 1.0

    @property
    def canonical(self) -> bool:
        """Whether its A, A′ and A″ are known."""
        return self.generator is not _not_given

    @property
    def curved(self) -> bool:
        """Whether each feature has an output, with a curvature in each row that is never negative."""
        return self.squared or self.canonical or self.convex

    @property
    def mean_is_best(self) -> bool:
        """Whether the best output is that whose x̂ is the mean of x: of squared errors and canonical families."""
        return self.squared or self.canonical or self.quadratic

    @property
    def bounded(self) -> bool:
        """Whether ℓ has a least value: not where a variance is trained, which may fall to zero at a row."""
        return True

    @property
    def of_reals(self) -> bool:
        """Whether any real numbers are data for it, so that they may be standardised."""
        return self.support == (-np.inf, np.inf)

    @property
    def linear_law(self) -> bool:
        """Whether it is a squared error in some metric, so that every mode of its spectrum is that of a linear VAE."""
        return self.squared or self.quadratic

    @property
    def unit_metric(self) -> bool:
        """Whether its spectrum is that of the plain covariance, because 𝒱 = 1 at every mean."""
        return self.squared

    @property
    def by_mean(self) -> bool:
        """Whether means and covariances suffice for its spectrum: of squares, or with a variance function."""
        return self.squared or self.variance is not _not_given or self == KNOWN.get("family")

    def mean(self, f: Any) -> Any:
        """Return x̂, the mean of x at an output.

        A likelihood without a generator does not say: it is the output itself if its link
        changes nothing, else NaN.

        Parameters
        ----------
        f : array
            Output of the decoder.

        Returns
        -------
        array
        """
        if self.response is not _not_given:
            return self.response(f)
        if self.generator is not _not_given:
            return self.generator(f).mean
        plain = self.link is _not_given or np.allclose(self.link(MEANS), MEANS)
        return f if plain else np.nan * f

    def readings(self) -> dict[str, Callable[[Array], Array]]:
        """Return what a decoder may give instead of f, by name, each with the function that makes f of it.

        Returns
        -------
        dict
            "natural": f itself; "mean": x̂. Where x̂ is f, it is called the mean.
        """
        if self.link is _not_given or np.allclose(self.link(MEANS), MEANS):
            return {"mean": np.asarray}
        return {"natural": np.asarray, "mean": partial(natural_parameter, self)}

    def __reduce__(self) -> str | tuple[Any, ...]:
        return (as_likelihood, (self.name,)) if self is KNOWN.get(self.name) else super().__reduce__()

    # ------------------------------------------------------------------------ the collapsed state

    def must_hold(self, x: Array) -> None:
        """Raise `InputError` unless rows are in the likelihood's range.

        Parameters
        ----------
        x : (n, d) array
            Rows.
        """
        least, most = x.min(), x.max()
        if least < self.support[0] or most > self.support[1]:
            found = f"are {self.data}, but these run from {least:g} to {most:g}"
            words = f"Data for a {self.title} decoder {found}: rescale them, or take a Gaussian loss."
            raise InputError(words, "source")

    def outputs(self, features: int) -> int:
        """Return how many numbers a decoder of this likelihood gives for a row of d features.

        Parameters
        ----------
        features : int
            d.

        Returns
        -------
        int
        """
        return features

    def row_value(self, x: Any, f: Any) -> Any:
        """Return Σ ℓ(x, f) over the features of each row.

        Parameters
        ----------
        x, f : (n, d) and (n, m) array
            Rows and outputs, of NumPy or JAX.

        Returns
        -------
        (n,) array
        """
        return self.value(x, f).sum(-1)

    def left_out(self, x: Any) -> Any:
        """Return what −ln p of each row has beyond `row_value`: terms of x alone.

        Parameters
        ----------
        x : (n, d) array
            Rows.

        Returns
        -------
        (n,) array
        """
        return self.of_data(x).sum(-1)

    def rest(self, x: Array, weights: Array | None = None) -> "Rest":
        """Return the best constant output, and the score and the mean curvature there.

        Parameters
        ----------
        x : (n, d) array
            Rows.
        weights : (n,) array, optional
            Of the rows.

        Returns
        -------
        Rest
        """
        output = self.constant(x, weights)
        score = np.asarray(self.score(x, output))
        return Rest(output, score, self.mean_curvature(x, output, weights))

    def settled(self, x: Array, weights: Array | None = None) -> "Likelihood":
        """Return the likelihood with what it takes from the data known: a dispersion that is found with the rest.

        Parameters
        ----------
        x : (n, d) array
            Rows.
        weights : (n,) array, optional
            Of the rows.

        Returns
        -------
        Likelihood
            By default this one.
        """
        return self

    def constant(self, x: Array, weights: Array | None = None) -> Array:
        """Return the best constant output, that of the mean of the rows.

        Parameters
        ----------
        x : (n, d) array
            Rows.
        weights : (n,) array, optional
            Of the rows.

        Returns
        -------
        (m,) array
            f₀, where ⟨∂ℓ/∂f⟩ = 0. It may be infinite for a constant column.
        """
        return np.asarray(self.link(np.average(x, axis=0, weights=weights)))

    def mean_curvature(self, x: Array, output: Array, weights: Array | None = None) -> Array:
        """Return ⟨∂²ℓ/∂f²⟩ at an output.

        Parameters
        ----------
        x : (n, d) array
            Rows.
        output : (m,) array
            f.
        weights : (n,) array, optional
            Of the rows.

        Returns
        -------
        array
            As in `Rest`.
        """
        each = np.broadcast_to(self.curvature(x, output), (len(x), output.shape[-1]))
        return np.average(each, axis=0, weights=weights)

    def deviation_at_mean(self, mean: Array, variance: Array, names: tuple[str, ...] | None = None) -> Array:
        """Return √𝒱(x̄), the standard deviation that the likelihood has at the mean of each column.

        A constant column at an end of the range has none and costs nothing: it gets a 1.

        Parameters
        ----------
        mean, variance : (d,) array
            Of the columns of the data.
        names : tuple of str, optional
            Of the columns, for messages.

        Returns
        -------
        (d,) array
            All positive.

        Raises
        ------
        InputError
            If a column is out of the likelihood's range, or varies though it has no variance at
            its mean.
        """
        low, high = self.support
        # No distribution on [low, high] has a larger variance; with an infinite end there is no bound.
        largest = (mean - low) * (high - mean) if np.isfinite(self.support).all() else np.full_like(mean, np.inf)
        outside = (mean < low) | (mean > high) | (variance > largest + TOLERATED)
        if np.any(outside):
            column = int(np.argmax(outside))
            raise InputError(
                f"Data for a {self.title} decoder are {self.data}, but column {names[column] if names else column} is "
                f"not (mean {significant(mean[column])}, variance {significant(variance[column])}): rescale them, or "
                "take a Gaussian loss."
            )
        at_mean = self._variance_at(mean)
        lacking = ~(np.isfinite(at_mean) & (at_mean > 0))
        varying = np.flatnonzero(lacking & (variance > 0))
        if varying.size == 0:
            return np.sqrt(np.where(lacking, 1.0, at_mean))
        column = int(varying[0])
        raise InputError(
            f"The variance function is {at_mean[column]:g} at the mean {significant(mean[column])} of column "
            f"{repr(names[column]) if names else column}, but a positive variance is expected at every column's mean."
        )

    def _variance_at(self, mean: Array) -> Array:
        if self.variance is _not_given:
            raise InputError(
                f"The likelihood {self.name!r} does not say its variance at the mean: build its spectrum with "
                "lv.spectrum.score(data, likelihood), or with lv.spectrum.exponential_family(data, variance)."
            )
        task = "it takes an array of means and returns as many variances."
        try:
            result = self.variance(mean)
        except InputError:
            raise
        except Exception as problem:  # anything: it may be the user's code
            raised = f"raised {described(problem)} on the means"
            raise InputError(f"The variance function {raised}: {task}") from problem
        values = numbers(result, "The variance function")
        if values.shape not in ((), mean.shape):
            returned = f"returned shape {values.shape} for means of shape {mean.shape}"
            raise InputError(f"The variance function {returned}: {task}")
        return np.broadcast_to(values, mean.shape)


def natural_parameter(likelihood: Likelihood, mean: Array) -> Array:
    """Return f of means, which are kept off the ends of their range: there f is infinite.

    >>> from landau_vae.likelihoods import BERNOULLI
    >>> natural_parameter(BERNOULLI, np.array([0.5, 1.0])).round(2).tolist()
    [0.0, 20.72]
    """
    low, high = likelihood.support
    width = min(high - low, 1.0)
    return np.asarray(likelihood.link(np.clip(mean, low + EDGE * width, high - EDGE * width)))


KNOWN: dict[str, Likelihood] = {}  # by name
#: By the name before the bracket: an example, and the reader of what stands in the bracket.
MAKERS: dict[str, tuple[str, Callable[[str], Likelihood]]] = {}
CALL = re.compile(r"\s*([a-z0-9-]+)\s*(?:\((.*)\))?\s*")


def of_numbers(maker: Callable[..., Likelihood]) -> Callable[[str], Likelihood]:
    """Return the reader of "0.5, 4": the likelihood that a function makes of these numbers."""

    def read(text: str) -> Likelihood:
        words = text.split(",") if text.strip() else []
        if not all(NUMBER.fullmatch(word.strip()) for word in words):
            raise InputError(f"The parameters ({text}) of a likelihood cannot be read as numbers.", "likelihood")
        try:
            inspect.signature(maker).bind(*words)
        except TypeError as problem:
            raise InputError(f"The parameters ({text}) of a likelihood do not fit: {problem}.", "likelihood") from None
        return maker(*map(float, words))

    return read


def named(name: str, *parameters: Parameter) -> str:
    """Return the name that `as_likelihood` reads back; parameters of single features are not written down.

    >>> named("huber", 0.5), named("negative-binomial", Values.of([1, 2]))
    ('huber(0.5)', 'negative-binomial(per feature)')
    """
    words = [PER_FEATURE if isinstance(each, Values) else f"{each:.15g}" for each in parameters]
    return f"{name}({','.join(words)})"


def by_name(name: str) -> Likelihood | None:
    """Return the likelihood of a name such as "huber(0.5)", or None if the name is unknown."""
    match = CALL.fullmatch(name)
    if name in KNOWN or match is None or match[1] not in MAKERS:
        return KNOWN.get(name)
    if PER_FEATURE in name:
        raise InputError(
            f"The likelihood {name!r} has parameters of single features, which its name does not hold: give the "
            "object that it was made as.", "likelihood"
        )  # fmt: skip
    return MAKERS[match[1]][1](match[2] or "")


def as_likelihood(likelihood: Any, argument: str = "likelihood") -> Likelihood:
    """Return a likelihood given as an object or by its name.

    Parameters
    ----------
    likelihood : Likelihood or str
        "gaussian", "bernoulli", "poisson", "laplace", "huber(0.5)", "student-t(4)",
        "negative-binomial(2)", "categorical(3,4)" and so on.
    argument : str, default "likelihood"
        What errors call it.

    Returns
    -------
    Likelihood

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> from landau_vae.likelihoods import BERNOULLI, huber
    >>> as_likelihood("bernoulli") is BERNOULLI, as_likelihood("huber(0.5)") == huber(0.5)
    (True, True)
    """
    if isinstance(likelihood, Likelihood):
        return likelihood
    found = by_name(likelihood) if isinstance(likelihood, str) else None
    examples = [example for example, _ in MAKERS.values() if example[-2].isdigit() or "[" in example]
    return found or KNOWN[one_of(likelihood, argument, (*KNOWN, *examples))]
