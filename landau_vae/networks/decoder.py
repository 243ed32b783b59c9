"""A user's decoder, of any framework, as one NumPy function.

    decoder(z, rows) → y      z (m, K) and y (m, d) in double precision, `rows` which rows of the data they belong to

What it takes and where the reconstruction is in what it returns is found by trying it on a few
rows: NumPy arrays, PyTorch, JAX or TensorFlow tensors; an array, an entry of a tuple or a
mapping, the mean of a distribution. The same rows show whether it is stochastic and whether
rows influence one another. Nothing of the model is changed: gradients are off, and buffers of a
PyTorch module in training mode are put back. `choose_link` finds whether outputs are means or
natural parameters of a likelihood, by the loss of both.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from math import prod
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import shown
from landau_vae.data.convert import plain
from landau_vae.display import Array, significant
from landau_vae.errors import InputError, described, reason
from landau_vae.likelihoods import Likelihood
from landau_vae.limits import BETTER_LINK, SAME_OUTPUT

ROWS, NUMBERS = 4096, 2**24  # of a call at most: rows, and numbers of its outputs
OUTSIDE = 1e-6  # by how much rounding in single precision may carry a mean out of its range

# Names of entries and attributes under which models return reconstructions and their spreads, likely ones first.
RECONSTRUCTIONS = (
    "reconstruction", "reconstructions", "reconstructed", "recon", "recon_x", "x_recon", "x_rec", "x_hat", "xhat",
    "decoded", "output", "outputs", "sample", "px", "px_rate", "mean", "mu", "loc", "logits", "rate", "probs",
)  # fmt: skip
LOGITS = ("dropout", "px_dropout", "pi", "zi_logits")
SPREADS = ("variance", "var", "log_variance", "log_var", "logvar", "std", "stddev", "scale", "sigma")

Getter = Callable[[Any], Any]
LINKS: Mapping[str, Callable[[Array], Array]] = {
    "sigmoid": lambda y: 0.5 * (1 + np.tanh(y / 2)),
    "exp": lambda y: np.exp(np.minimum(y, 80.0)),
    "softplus": lambda y: np.logaddexp(0, y),
}


def _same(value: Any) -> Any:
    return value


def _nothing(value: Any) -> None:
    return None


@dataclass(frozen=True, eq=False)
class Decoder:
    """A decoder that is called with NumPy arrays, and what is known of it."""

    decode: Callable[..., Any] = field(repr=False)  #: as the user gave it
    of_row: tuple[int, ...]  #: shape of a row of the data: (d,), or (channels, height, width)
    outputs: int  #: numbers that it gives for a row: d, or a multiple of it
    shape: tuple[int, ...] | None = None  #: shape of the latents of a row, where they are not (K,)
    #: m and √v of the prior, where z here is (z of the decoder − m)/√v
    prior: tuple[Array, Array] | None = field(default=None, repr=False)
    given: Any = field(default=None, repr=False)  #: what it is called with beside the latents, one entry for each row
    takes: str = ""  #: what it is called with, in words
    convert: Getter = field(default=_same, repr=False)  #: makes that of a NumPy array
    entry: str = ""  #: where the reconstruction is in what it returns, as Python writes it; "" for the whole
    get: Getter = field(default=_same, repr=False)  #: takes it from there
    spread: Array | None = field(default=None, repr=False)  #: what it returned as a spread for the first rows
    stochastic: bool = False  #: whether two calls with the same latents differ
    train_mode: bool = False  #: whether it belongs to a PyTorch module in training mode
    couples_rows: bool = False  #: whether rows influence one another; not tested of a stochastic one
    link: str = "mean"  #: what its outputs are: "mean", "natural" (logits, log-means), or two kinds, in words
    to_output: Callable[[Array], Array] = field(default=_same, repr=False)  #: makes the f of a likelihood of them
    #: adds to an f what is known of rows, by their numbers: the sizes that multiply means
    at_rows: Callable[[Array, Any], Array] | None = field(default=None, repr=False)
    better_link: str | None = None  #: function that outputs lack, by the data; squared errors only
    improvement: float = 1.0  #: loss with that function over the loss without

    @classmethod
    def wrap(
        cls,
        decode: Callable[..., Any],
        latents: Array,
        features: int | tuple[int, ...],
        *,
        shape: tuple[int, ...] | None = None,
        prior: tuple[Array, Array] | None = None,
        given: Any = None,
        rows: NDArray[np.intp] | None = None,
        outputs: int | None = None,
    ) -> "Decoder":
        """Return the decoder, after trying it on some latents.

        Parameters
        ----------
        decode : callable
            Takes latents, and rows of `given` if there are any; a function or a model of any
            framework.
        latents : (m, K) array
            Latents of two rows or more.
        features : int or tuple of int
            Number of features, or the shape of a row of the data: where decoder and data have
            their channels at different ends, they are moved.
        shape : tuple of int, optional
            Shape of the latents of one row, as the decoder takes them.
        prior : pair of arrays, optional
            m and √v: the decoder is called with m + √v z.
        given : array, tensor or DataFrame, optional
            Conditions, one entry for each row of the data.
        rows : (m,) array of int, optional
            Which rows of `given` the latents belong to; the first ones, unless given.
        outputs : int, optional
            Numbers that it gives for each row, in one array or in several of the shape of a
            row; as many as features, unless given.

        Returns
        -------
        Decoder

        Raises
        ------
        InputError
            If it cannot be called, or returns anything else than one finite reconstruction for
            each row.

        Examples
        --------
        >>> decoder = Decoder.wrap(lambda z: {"x_hat": z @ np.ones((1, 3), dtype=np.float32)}, np.ones((2, 1)), 3)
        >>> decoder(np.array([[2.0]])).tolist(), decoder.entry
        ([[2.0, 2.0, 2.0]], "['x_hat']")
        """
        if not callable(decode):
            raise InputError(f"decode is {shown(decode)}, but a function is expected.", "decode")
        of_row = features if isinstance(features, tuple) else (features,)
        z, rows = np.asarray(latents, dtype=np.float64), np.arange(len(latents)) if rows is None else rows
        given = given if given is None or hasattr(given, "shape") else plain(given)
        training = any(each.training for each in _modules(decode))
        draft = cls(decode, of_row, outputs or prod(of_row), shape, prior, given, train_mode=training)
        decoder, value = draft._tried(z, rows)
        others = {label: get for label, get in _parts(value, SPREADS) if label not in ("", decoder.entry)}
        beside = others.get("[1]", _nothing) if decoder.entry == "[0]" else next(iter(others.values()), _nothing)
        spread = draft._fitted(_attempt(beside, value), len(z)) if draft.outputs == prod(of_row) else None
        first, again = decoder(z, rows), decoder(z, rows)
        moved = np.vstack([z[:1], z[1:] + 1.0])
        unlike = SAME_OUTPUT * np.abs(first).max()
        stochastic = bool(np.abs(again - first).max() > unlike)
        couples = not stochastic and bool(np.abs(decoder(moved, rows)[0] - first[0]).max() > unlike)
        return replace(decoder, spread=spread, stochastic=stochastic, couples_rows=couples)

    def _tried(self, z: Array, rows: NDArray[np.intp]) -> tuple["Decoder", Any]:
        """Return the decoder with a way to call it that works, and what it returned."""
        problems: list[tuple[str, Exception]] = []
        returned: list[Any] = []
        for takes, convert in _ways(self.decode):
            decoder = replace(self, takes=takes, convert=convert)
            try:
                value = decoder._called(z, rows)
            except Exception as problem:  # anything: it is the user's code
                problems.append((takes, problem))
                continue
            for entry, get in (*_joined(value, self.outputs // prod(self.of_row)), *_places(value)):
                if self._fitted(_attempt(get, value), len(z)) is not None:
                    return replace(decoder, entry=entry, get=get), value
            returned.append(value)
        if returned:
            raise self._misfit(returned[0], len(z))
        # A wrong kind of array raises TypeError or AttributeError: another error is more likely about the decoder.
        others = (each for each in problems if not isinstance(each[1], TypeError | AttributeError))
        takes, cause = next(others, problems[0])
        raise self._failure(takes, cause, z) from cause

    def __call__(self, z: Array, rows: NDArray[np.intp] | None = None) -> Array:
        """Return one output for each latent, (m, d), by some thousands of rows at a time."""
        rows = np.arange(len(z)) if rows is None else rows
        result = np.empty((len(z), self.outputs))
        most = max(2, min(ROWS, NUMBERS // result.shape[1]))
        edges = np.linspace(0, len(z), -(-len(z) // most) + 1).astype(int)
        for start, stop in pairwise(edges):
            part = slice(start, stop)
            try:
                value = self._called(z[part], rows[part])
            except Exception as problem:
                raise self._failure(self.takes, problem, z[part]) from problem
            outputs = self._fitted(_attempt(self.get, value), stop - start)
            if outputs is None:
                raise self._misfit(value, stop - start)
            result[part] = outputs
        if not np.isfinite(result).all():
            raise InputError("decode returned numbers that are NaN or infinite: check the model's weights.", "decode")
        return result

    def _fitted(self, value: Any, rows: int) -> NDArray[Any] | None:
        """Return outputs (m, ·) if they are these: one array, or one of the shape of a row for each kind of output."""
        if isinstance(value, _Several):
            parts = [_fitted(each, rows, self.of_row) for each in value]
            fit = all(each is not None for each in parts)
            return np.concatenate(parts, axis=1) if fit else None  # type: ignore[arg-type]
        whole = self.outputs == prod(self.of_row)
        return _fitted(value, rows, self.of_row if whole else (self.outputs,))

    def output(self, z: Array, rows: NDArray[np.intp] | None = None) -> Array:
        """Return the likelihood's f for each latent, (m, d), once `choose_link` has said what outputs are."""
        f = self.to_output(self(z, rows))
        return f if self.at_rows is None else self.at_rows(f, slice(len(z)) if rows is None else rows)

    def _called(self, z: Array, rows: NDArray[np.intp]) -> Any:
        z = np.array(z) if self.prior is None else self.prior[0] + self.prior[1] * z  # its own, to write into
        arguments: list[Any] = [z.reshape(len(z), *(self.shape or z.shape[1:]))]
        if self.given is not None:
            arguments.append(getattr(self.given, "iloc", self.given)[rows])
        with _undisturbed(self.decode):
            return self.decode(*(self.convert(each) for each in arguments))

    def _failure(self, takes: str, problem: Exception, z: Array) -> InputError:
        shape, beside = (len(z), *(self.shape or z.shape[1:])), "" if self.given is None else " and rows of given"
        return InputError(
            f"decode raised {described(problem)} on {takes} of shape {shape}: it is called "
            f"with latents, rows × K{beside}, and returns reconstructions as an array.",
            "decode",
        )

    def _misfit(self, value: Any, rows: int) -> InputError:
        features = prod(self.of_row)
        expected = "one reconstruction per row, in the order of the data's features"
        if self.outputs != features:
            expected = f"{self.outputs} numbers per row, or {self.outputs // features} arrays of the shape of the rows"
        return InputError(
            f"decode returned {_in_words(value)} for {rows} rows of {features} features: it has to return {expected}.",
            "decode",
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing of it, in sentences."""
        sentences = {
            f"decode takes {self.takes}.": True,
            f"The entry {self.entry} of what decode returns is used as the reconstruction.": bool(self.entry),
            "What decode returns beside the reconstruction is taken for its spread.": self.spread is not None,
            "decode belongs to a module in training mode.": self.train_mode,
            "decode is stochastic: two calls with the same latents differ.": self.stochastic,
            "Rows that are decoded together influence one another, as in batch normalisation.": self.couples_rows,
            "The outputs of decode are natural parameters (logits, log-means).": self.link == "natural",
            f"The outputs of decode are read as {self.link}.": self.link not in ("mean", "natural"),
            f"With a {self.better_link} after decode the squared error is {significant(self.improvement, 2)} of what "
            "it is: decode seems to return the outputs before their last function.": self.better_link is not None,
        }
        return tuple(sentence for sentence, holds in sentences.items() if holds)


def choose_link(
    decoder: Decoder, z: Array, x: Array, likelihood: Likelihood, rows: NDArray[np.intp] | None = None
) -> Decoder:
    """Return the decoder with what its outputs are: means of the likelihood, or its natural parameters.

    Outputs out of the range of means are natural parameters; others are what gives the lower
    loss, and so are further outputs, such as a variance or its logarithm. Outputs for squared
    errors are means; whether a function of them fits the data far better is measured.

    Parameters
    ----------
    decoder : Decoder
        Of a trained model.
    z : (m, K) array
        Latents of some rows.
    x : (m, d) array
        These rows.
    likelihood : Likelihood
        Of the loss.
    rows : (m,) array of int, optional
        Which rows they are; the first ones, unless given.

    Returns
    -------
    Decoder

    Examples
    --------
    >>> from landau_vae.likelihoods import BERNOULLI
    >>> x = np.array([[1.0], [0.0], [1.0]])
    >>> for decode in (lambda z: 0.5 + 0.4 * np.sign(z), lambda z: 2 * z):
    ...     choose_link(Decoder.wrap(decode, 2 * x - 1, 1), 2 * x - 1, x, BERNOULLI).link
    'mean'
    'natural'
    """
    y = decoder(z, rows)
    if likelihood.squared:
        return _with_better_link(decoder, y, x)
    low, high = likelihood.support
    outside = y.min() < low - OUTSIDE or y.max() > high + OUTSIDE
    readings = {name: f for name, f in likelihood.readings().items() if not (name == "mean" and outside)}
    with np.errstate(all="ignore"):  # of readings that do not fit
        losses = {name: float(likelihood.row_value(x, to_output(y)).sum()) for name, to_output in readings.items()}
    link = min(losses, key=lambda name: np.nan_to_num(losses[name], nan=np.inf))
    return replace(decoder, link=link, to_output=readings[link])


def _with_better_link(decoder: Decoder, y: Array, x: Array) -> Decoder:
    """Name the function with which outputs that are worse than a constant have a far lower error."""
    constant = np.square(x - x.mean(axis=0)).sum()
    slack = 0.1 * (x.max() - x.min())  # for noise
    ends = {"sigmoid": 1 + slack}
    possible = {name: f for name, f in LINKS.items() if x.min() >= -slack and x.max() <= ends.get(name, np.inf)}
    if not possible:
        return decoder
    losses = {name: np.square(x - function(y)).sum() for name, function in possible.items()}
    name, loss, plainly = min(losses, key=losses.__getitem__), min(losses.values()), np.square(x - y).sum()
    if plainly > constant and loss < BETTER_LINK * plainly:
        return replace(decoder, better_link=name, improvement=float(loss / plainly))
    return decoder


def row_term(
    function: Callable[..., Any], decoder: Decoder, x: Array, outputs: Array
) -> Callable[[Array, Array], Array]:
    """Return a user's reconstruction term as a NumPy function of rows and outputs, after trying it on two of them.

    Parameters
    ----------
    function : callable
        `function(x, output)` returns one number per row, in any framework.
    decoder : Decoder
        Whose outputs it takes.
    x, outputs : (m, d) array
        Rows and outputs to try it with.

    Returns
    -------
    callable

    Raises
    ------
    InputError
        If it cannot be called, or returns anything else than one finite number for each row.
    """
    ways = [(decoder.takes, decoder.convert), *_ways(function)]

    def called(convert: Getter, x: Array, y: Array) -> Any:
        with _undisturbed(function):
            return function(*(convert(each.reshape(len(each), *decoder.of_row)) for each in (x, y)))

    problem: Any = None
    for _, convert in ways:
        try:
            value = called(convert, x[:3], outputs[:3])
        except Exception as found:  # anything: it is the user's code
            problem = problem or found
            continue
        array = _attempt(plain, value)
        if array is None or array.shape != (3,) or not np.isfinite(array).all():
            raise InputError(
                f"reconstruction returned {_in_words(value)} for 3 rows, but one finite number for each is expected: "
                "sum over features, not over rows (reduction='none').",
                "reconstruction",
            )
        return lambda x, y: np.asarray(plain(called(convert, x, y)), dtype=np.float64)
    raise InputError(
        f"reconstruction raised {described(problem)}: it is called with rows of the data and outputs of the decoder.",
        "reconstruction",
    ) from problem


# ------------------------------------------------------------------------------------- what it is called with


def _modules(decode: Any) -> list[Any]:
    """Return the PyTorch modules that a decoder is, belongs to, or names: the last ones in a lambda around them."""
    if (torch := sys.modules.get("torch")) is None:
        return []
    function = inspect.unwrap(decode.func if isinstance(decode, partial) else decode)
    owners = [function, getattr(function, "__self__", None)]
    if inspect.isfunction(function):
        variables = _attempt(inspect.getclosurevars, function)  # fails where a name is not yet defined
        named = [] if variables is None else [*variables.nonlocals.values(), *variables.globals.values()]
        owners += [*named, *(getattr(each, "__self__", None) for each in named)]
    return [each for each in owners if isinstance(each, torch.nn.Module)]


@contextmanager
def _undisturbed(decode: Any) -> Iterator[None]:
    """Switch gradients off, and put back what batch normalisation in training mode changes."""
    torch = sys.modules.get("torch")
    with nullcontext() if torch is None else torch.no_grad():
        kept = [(each, each.clone()) for module in _modules(decode) if module.training for each in module.buffers()]
        try:
            yield
        finally:
            for buffer, before in kept:
                buffer.copy_(before)


def _ways(decode: Any) -> list[tuple[str, Getter]]:
    """Return what a decoder may take, likely ones first: words, and what makes it of a NumPy array."""
    ways: list[tuple[str, Getter]] = [("NumPy arrays of float64", _same), ("NumPy arrays of float32", _single)]
    if (torch := sys.modules.get("torch")) is not None:
        modules = _modules(decode)
        weights = [each for module in modules for each in module.parameters() if each.is_floating_point()][:1]
        kinds = [(each.dtype, each.device) for each in weights] or [(torch.float32, None), (torch.float64, None)]
        tensors: list[tuple[str, Getter]] = [
            (f"PyTorch tensors of {str(dtype).removeprefix('torch.')}", partial(_tensor, torch, dtype, device))
            for dtype, device in kinds
        ]
        ways = ways + tensors if inspect.isfunction(decode) else tensors + ways
    if (jax := sys.modules.get("jax")) is not None:
        ways.append(("JAX arrays", jax.numpy.asarray))
    if (tensorflow := sys.modules.get("tensorflow")) is not None:
        ways.append(("TensorFlow tensors of float32", lambda array: tensorflow.convert_to_tensor(_single(array))))
    return ways


def _single(array: Any) -> Any:
    """Return floats in single precision; labels stay whole numbers, other objects what they are."""
    return array.astype(np.float32) if isinstance(array, np.ndarray) and array.dtype.kind == "f" else array


def _tensor(torch: Any, dtype: Any, device: Any, array: Any) -> Any:
    if isinstance(array, torch.Tensor):
        return array.to(device=device, dtype=dtype if array.is_floating_point() else None)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        return array
    kind = dtype if array.dtype.kind == "f" else torch.bool if array.dtype.kind == "b" else torch.int64  # as labels are
    return torch.tensor(array, dtype=kind, device=device)


# ------------------------------------------------------------------------------------------ what it returns


def _places(value: Any, depth: int = 2) -> Iterator[tuple[str, Getter]]:
    """Yield where the reconstruction may be in what was returned, likely places first."""
    yield "", _same
    if depth and not hasattr(value, "shape"):
        for label, get in _parts(value, RECONSTRUCTIONS):
            for more, inner in _places(_attempt(get, value), depth - 1):
                yield label + more, lambda whole, get=get, inner=inner: inner(get(whole))  # type: ignore[misc]


class _Several(tuple[Any, ...]):
    """Arrays that are outputs together."""

    __slots__ = ()


def _joined(value: Any, kinds: int) -> Iterator[tuple[str, Getter]]:
    """Yield a reconstruction and what stands beside it, where a likelihood takes two outputs of each feature."""
    first = next(_parts(value, RECONSTRUCTIONS), None)
    second = next((each for each in _parts(value, (*LOGITS, *SPREADS)) if first and each[0] != first[0]), None)
    if kinds == 2 and first is not None and second is not None:
        both = first[1], second[1]
        yield f"{first[0]} and {second[0]}", lambda whole: _Several(get(whole) for get in both)


def _parts(value: Any, names: tuple[str, ...]) -> Iterator[tuple[str, Getter]]:
    """Yield the entries or attributes that have one of these names; all of a sequence, or of a mapping of one."""
    if isinstance(value, Mapping):
        named = [name for name in names if name in value]
        for key in named or list(value)[: len(value) == 1]:
            yield f"[{key!r}]", itemgetter(key)
    elif isinstance(value, tuple | list):
        for i in range(len(value)):
            yield f"[{i}]", itemgetter(i)
    elif not hasattr(value, "shape"):
        for name in (each for each in names if each in dir(value)):
            yield f".{name}", partial(_attribute, name)


def _attribute(name: str, value: Any) -> Any:
    """Return an attribute, such as the mean of a distribution, which some libraries compute by a method."""
    attribute = getattr(value, name)
    return attribute() if callable(attribute) and name in ("mean", "variance", "stddev") else attribute


def _attempt(get: Getter, value: Any) -> Any:
    """Return what is at a place, None where looking there fails."""
    try:
        return get(value)
    except Exception:  # of the user's objects
        return None


def _fitted(value: Any, rows: int, of_row: tuple[int, ...]) -> NDArray[Any] | None:
    """Return outputs (m, d), if this is an array of that many numbers with one entry for each row."""
    try:
        array = np.asarray([plain(each) for each in value]) if isinstance(value, tuple | list) else plain(value)
    except Exception:  # not an array
        return None
    fits = array.size == rows * prod(of_row) and (rows == 1 or len(array) == rows)
    if array.dtype.kind not in "fiub" or not fits:
        return None
    if array.ndim > 3 and array.shape[1:] != of_row:
        moved = (np.moveaxis(array, *ends) for ends in ((1, -1), (-1, 1)))  # the channels, from one end to the other
        array = next((each for each in moved if each.shape[1:] == of_row), array)
    return array.reshape(rows, -1)


def _in_words(value: Any) -> str:
    """Return what was returned, for a message."""
    kind = type(value).__name__
    name = f"an {kind}" if kind[:1] in "AEIOUaeiou" else f"a {kind}"
    if isinstance(value, Mapping):
        return f"{name} with " + ", ".join(f"{key!r}: {_in_words(each)}" for key, each in list(value.items())[:4])
    if isinstance(value, tuple | list):
        return f"{name} of {len(value)}: " + ", ".join(map(_in_words, value[:4]))
    if not hasattr(value, "shape"):
        return "None" if value is None else name
    try:
        plain(value)
    except Exception as problem:
        return f"{name} that cannot be read ({reason(problem)})"
    return f"an array of shape {tuple(value.shape)}"
