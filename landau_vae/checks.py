"""Checks of arguments: one place where the input of every public function is validated.

`@checked` reads the annotations of a function and converts what it is called with: bool, int,
float, Literal, str, Path, callables, classes of this package, their unions, and numbers in a
range (`Count`, `Seed`, `Positive`, `Share`). `check_fields` does the same for a frozen
dataclass. Arrays have `numbers`. What cannot be used is an `InputError` that names the
argument. `Any` and array types are left to the function, which has more to say about them.
"""

import ast
import inspect
import io
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache, wraps
from itertools import islice
from os import PathLike
from pathlib import Path
from reprlib import Repr
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np

from landau_vae.display import Array
from landau_vae.errors import InputError

P = ParamSpec("P")
T = TypeVar("T")
LARGEST = 2**63 - 1  # of a whole number: what 64 bits hold
SHOWN = 8  # of many choices that messages list
LONGEST = 2**24  # of a list: more than any has that is not an array
#: what objects raise that NumPy cannot read as an array; OSError: open files
UNREADABLE = (TypeError, ValueError, OverflowError, RuntimeError, MemoryError, OSError)

_short = Repr()
_short.maxother = _short.maxstring = 60


def shown(value: Any) -> str:
    """Return a value as messages show it: short, on one line, without its place in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", " ".join(_short.repr(value).split()))


@dataclass(frozen=True)
class Range:
    """The numbers from `least` or `above` to `most` or `below`, for `Annotated[int, Range(1)]`."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    infinite: bool = False  #: whether ±∞ is a number too
    integer: bool = False  #: whether a float is refused even where it is whole, because 1.0 may be meant as a share

    def holds(self, value: float) -> bool:
        """Whether a finite number is inside."""
        return self.least <= value <= self.most and self.above < value < self.below

    def words(self, noun: str) -> str:
        """The range in words: "a number from 0 to 1"."""
        low, high = max(self.least, self.above), min(self.most, self.below)
        if (low, high) == (-math.inf, math.inf):
            return f"a {noun}"
        if high == math.inf:
            ends = f"above {_plain(low)}" if self.above > -math.inf else f"from {_plain(low)} on"
        elif low == -math.inf:
            ends = f"{'below' if self.below < math.inf else 'of at most'} {_plain(high)}"
        elif self.above > -math.inf:
            ends = f"between {_plain(low)} and {_plain(high)}"
        else:
            ends = f"from {_plain(low)} to {'below ' * (self.below < math.inf)}{_plain(high)}"
        return f"a {noun} {ends}"


def _plain(value: float) -> str:
    """Return a number without an exponent where it is whole, in groups of three digits from a million on."""
    return f"{value:,.0f}".replace(",", " ") if 1e6 <= value < 1e16 and value == int(value) else f"{value:g}"


Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0)]
Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(above=0, below=1)]
Bound = Annotated[float, Range(infinite=True)]


class _Unfit(Exception):
    """What was expected instead, in words."""


def is_real(value: Any) -> bool:
    """Whether `value` is a finite real number, and neither a truth value nor a text that reads as a number."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    try:
        return real and math.isfinite(value)
    except OverflowError:  # a whole number with more digits than a float can hold
        return False


def numbers(values: Any, name: str, *, shape: tuple[int, ...] | None = None, finite: bool = False) -> Array:
    """Return `values` as an array of floats, of any shape unless `shape` is given."""
    try:
        if values is None or isinstance(values, str | bytes | Mapping) or np.asarray(values).dtype.kind in "cMmSU":
            raise TypeError
        with np.errstate(over="ignore"):  # beyond double precision is infinite
            array = np.asarray(values, dtype=np.float64)
    except UNREADABLE:
        raise InputError(
            f"{name} {shown(values)} cannot be read as numbers: give a number or an array of them.", name
        ) from None
    if shape is not None and array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}, but {shape} is expected.", name)
    if finite and not np.isfinite(array).all():
        raise InputError(f"{name} has {int((~np.isfinite(array)).sum())} entries that are NaN or infinite.", name)
    return array


def one_of(value: Any, name: str, choices: Collection[T]) -> T:
    """Return the one of `choices` that `value` is."""
    literal: Any = Literal
    return _accepted(value, name, literal[tuple(choices)])


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function take only what its annotations allow; anything else is an `InputError` that names the argument.

    >>> @checked
    ... def double(times: Count, share: Share | None = None) -> int:
    ...     return 2 * times
    >>> double(3.0)
    6
    >>> double(0)
    Traceback (most recent call last):
        ...
    landau_vae.errors.InputError: times is 0, but a whole number from 1 on is expected.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            parameter = signature.parameters[name]
            if parameter.kind is parameter.VAR_KEYWORD or parameter.annotation is parameter.empty:
                continue  # `self` has no annotation
            annotation, many = _resolved(parameter.annotation, function), parameter.kind is parameter.VAR_POSITIONAL
            converted = [_accepted(each, name, annotation) for each in (value if many else [value])]
            bound.arguments[name] = tuple(converted) if many else converted[0]
        return function(*bound.args, **bound.kwargs)

    return call


def check_fields(instance: Any) -> None:
    """Validate and convert the fields of a frozen dataclass, from its `__post_init__`."""
    for each in fields(instance):
        if each.init:
            value = _accepted(getattr(instance, each.name), each.name, _resolved(each.type, type(instance)))
            object.__setattr__(instance, each.name, value)


def _accepted(value: Any, name: str, annotation: Any) -> Any:
    try:
        return _convert(value, annotation)
    except _Unfit as unfit:
        raise InputError(f"{name} is {shown(value)}, but {unfit} is expected.", name) from None


def expected(value: Any, annotation: Any) -> str | None:
    """Return in words what is expected in place of a value that cannot be of the annotated type; None if it can."""
    try:
        _convert(value, annotation)
    except _Unfit as unfit:
        return str(unfit)
    return None


def _resolved(annotation: Any, owner: Any) -> Any:
    """An annotation that was written as a string, as the type it names; `Any` where that is for type checkers only."""
    if not isinstance(annotation, str):
        return annotation
    module = inspect.unwrap(owner).__module__
    return eval(annotation, vars(sys.modules[module]) | _names_of_types(module))


def _names_of_types(module: str) -> dict[str, Any]:
    """Return what a module imports for type checkers only.

    Loading it here would make imports heavy. What nobody has loaded yet has no instances: an
    empty class stands for it.
    """
    names: dict[str, Any] = {}
    for name, (source, attribute) in _imports_for_types(module).items():
        loaded = sys.modules.get(source)
        names[name] = getattr(loaded, attribute, type(name, (), {})) if attribute else loaded or _Unloaded()
    return names


class _Unloaded:
    """A module that nobody has loaded."""

    def __getattr__(self, name: str) -> Any:
        return type(name, (), {})


@cache
def _imports_for_types(module: str) -> dict[str, tuple[str, str]]:
    """Return name → (module, attribute), as the blocks `if TYPE_CHECKING` of a module list them."""
    found: dict[str, tuple[str, str]] = {}
    for block in ast.walk(ast.parse(inspect.getsource(sys.modules[module]))):
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING":
            for node in block.body:
                for each in getattr(node, "names", []):
                    source = getattr(node, "module", None)  # of "from source import name"
                    found[each.asname or each.name] = (source, each.name) if source else (each.name, "")
    return found


def _convert(value: Any, annotation: Any) -> Any:
    """`value` as the annotated type; raises `_Unfit` with what was expected."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        arrays = any((get_origin(each) or each).__module__.startswith("numpy") for each in arguments)
        return value if arrays else _convert_union(value, arguments)
    if origin is Annotated:
        members = get_args(arguments[0]) or arguments[:1]  # with None: Annotated[int | None, Range(1)]
        limits = next((each for each in arguments[1:] if isinstance(each, Range)), None)
        if limits is None or (value is None and NoneType in members):
            return _convert(value, arguments[0])
        return _convert_number(value, members[0], limits)
    if origin is Literal:
        for choice in arguments:
            if type(value) is type(choice) and value == choice:
                return choice
        raise _Unfit(_listed(nearest(value, arguments), arguments))
    if annotation in (int, float):
        return _convert_number(value, annotation, Range())
    kind = origin or annotation
    if not isinstance(kind, type) or kind in (Any, object, np.ndarray):
        return value
    return _convert_instance(value, kind, arguments)


def _convert_union(value: Any, members: tuple[Any, ...]) -> Any:
    expected = []
    for member in members:
        try:
            return _convert(value, member)
        except _Unfit as unfit:
            expected.append(str(unfit))
    raise _Unfit(" or ".join(dict.fromkeys(each for each in expected if each != "None")))


def _convert_number(value: Any, kind: type, limits: Range) -> float:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if limits.infinite and isinstance(value, float) and math.isinf(value):
        return value
    fits = is_real(value) and limits.holds(value)
    if fits and kind is int:
        whole_number = value == int(value) and abs(int(value)) <= LARGEST
        fits = whole_number and not (limits.integer and isinstance(value, float | np.floating))
    if not fits:
        whole = "whole number (an int)" if limits.integer else "whole number"
        whole += " of at most 64 bits" * bool(is_real(value) and abs(value) > LARGEST)
        raise _Unfit(limits.words(whole if kind is int else "number" if limits != Range() else "finite number"))
    return kind(value)


def _convert_instance(value: Any, kind: type, arguments: tuple[Any, ...]) -> Any:
    if kind is bool and isinstance(value, np.bool_):
        return bool(value)
    if kind in (Path, PathLike) and isinstance(value, str):
        return value
    if kind is Iterable:
        fits = _first_items(value, 0) is not None and not isinstance(value, str | bytes | Mapping)
    elif kind in (Sequence, tuple, list) and arguments:
        return _convert_sequence(value, kind, arguments)
    else:
        fits = callable(value) if kind is Callable else isinstance(value, kind)  # type: ignore[comparison-overlap]
    if not fits:
        raise _Unfit(NOUNS.get(kind) or getattr(kind, "expected", None) or f"a {kind.__name__}")
    return value


def _first_items(value: Any, count: int = LONGEST + 1) -> list[Any] | None:
    """Return the first items of what can be iterated over; None where it cannot, or where a file may be waited for."""
    if isinstance(value, io.IOBase):
        return None
    try:
        return list(islice(value, count))
    except UNREADABLE:
        return None


def _convert_sequence(value: Any, kind: type, arguments: tuple[Any, ...]) -> Any:
    """Return a list, tuple or flat array as a tuple (a list, where that is asked for) of what its items should be."""
    noun = "a list of texts" if arguments[0] is str else NOUNS[kind]
    listlike = hasattr(value, "__len__") and hasattr(value, "__getitem__") and getattr(value, "ndim", 1) != 0
    if not listlike or isinstance(value, str | bytes | Mapping) or (listed := _first_items(value)) is None:
        raise _Unfit(noun)
    items = arguments if kind is tuple and arguments[-1] is not ... else [arguments[0]] * len(listed)
    if len(listed) > LONGEST:
        raise _Unfit(f"{noun} of at most {LONGEST} items")
    if len(items) != len(listed):
        raise _Unfit(f"{NOUNS[kind]} of {len(items)} items")
    try:
        converted = [_convert(item, annotation) for item, annotation in zip(listed, items, strict=True)]
    except _Unfit as unfit:
        raise _Unfit(f"{noun}, each {unfit}" if arguments[0] is not str else noun) from None
    return converted if kind is list else tuple(converted)


NOUNS: Mapping[Any, str] = {
    NoneType: "None", bool: "True or False", str: "a text", Path: "a path", PathLike: "a path", Callable: "a function",
    Mapping: "a mapping", dict: "a dictionary", Sequence: "a list", Iterable: "an iterable", tuple: "a tuple",
    list: "a list",
}  # fmt: skip


def nearest(value: Any, choices: Collection[T]) -> list[T]:
    """Return the choices that messages show: all of a few; of many those that resemble a value, or the first.

    >>> nearest("b", "abc")
    ['a', 'b', 'c']
    >>> nearest("colapse", ["collapse", *map(str, range(99))])
    ['collapse']
    """
    if len(choices) <= SHOWN:
        return list(choices)
    alike = get_close_matches(str(value), map(str, choices), SHOWN)
    return [choice for choice in choices if str(choice) in alike] or list(choices)[:SHOWN]


def _listed(some: Collection[Any], choices: Collection[Any]) -> str:
    """Return some of the choices in words, and how many others there are."""
    parts = [repr(choice) for choice in some]
    parts += [f"one of {len(choices) - len(some)} others"] * (len(choices) > len(some))
    return " or ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
