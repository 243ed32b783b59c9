"""How a user's loss function is called: which of its arguments is x, x̂, the posterior's mean or its spread.

A call is a template: the arguments as the function takes them, nested as they are (tuples,
mappings, objects, distributions), with a `Slot` where an array goes. Roles come from names, then
from shapes, then from the order (x, x_hat, mean, log_variance). What is left open is an order to
try (`orders`). Nothing is imported: arrays are made by the library whose arrays were given.
"""

import copy
import inspect
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from operator import eq
from typing import Any

import numpy as np

from landau_vae.display import Array, counted
from landau_vae.errors import InputError
from landau_vae.loss.stand_in import StandIn, recorded

ROLES = ("x", "x_hat", "mean", "spread")
SPREADS = ("log_variance", "variance", "std", "log_std")

# A name's role is that of the first pattern that it matches, in lower case and without its underscores.
_NAMES: tuple[tuple[str, str], ...] = (
    ("x_spread", r"(x|recon|dec|out|obs)\w*(logvar|logsigma|logstd|logscale|logvariance|var|std|sigma|scale)$"),
    ("x_hat", r"(x|recon|dec|out)\w*(mu|mean|loc)$|.*(hat|recon|pred|output|decod|logit|generat|tilde|prime)|out$"),
    ("x_hat", r"locimg$|recx?$|xrec|xout|yout"),
    ("log_variance", r".*log_?(var|sigma(2|sq)|v$)|lv$|logv"),
    ("log_std", r".*log_?(std|sigma|scale|sd)"),
    ("variance", r"((z|q|enc|latent|post)\w*)?(var$|variance|sigma(2|sq))"),
    ("std", r"((z|q|enc|latent|post)\w*)?(std|stddev|sigma|scale)z?$"),
    ("mean", r"((z|q|enc|latent|post)\w*)?(mu|mean|means|loc|m)z?$"),
    ("z", r"z$|zsamples?|latents?$|code$|reparam|rsample|sample_?z"),
    ("x", r"(x|input|target|label|true|truth|orig|real|img|image|data|batch|obs|gt)\w*$|\w*(true|target|orig)$"),
)  # fmt: skip
_BETA = r"beta|(kl|kld)\w*(weight|coeff?|scale|beta)|weight$|anneal\w*"


def role_of(name: str) -> str | None:
    """Return the role that a name stands for; that of a spread is one of `SPREADS`.

    >>> [role_of(name) for name in ("recon_x", "target", "z_mean", "logvar", "sigma", "y")]
    ['x_hat', 'x', 'mean', 'log_variance', 'std', None]
    """
    plain = name.lower().replace("_", "")
    return next((role for role, pattern in _NAMES if re.match(pattern, plain)), None)


# ----------------------------------------------------------------------------------------- templates


@dataclass(frozen=True)
class Slot:
    """A place for an array; one without a role is filled with its example."""

    name: str = ""
    role: str = ""
    example: Any = None


@dataclass(frozen=True)
class Built:
    """An object that is made anew from its parts, such as a distribution."""

    build: Callable[..., Any]
    parts: dict[str, Any]


def mapped(node: Any, change: Callable[[Slot], Any], *, build: bool = False) -> Any:
    """Return a template with each slot replaced by what `change` makes of it; with `build`, the objects themselves."""
    match node:
        case Slot():
            return change(node)
        case Built():
            parts = mapped(node.parts, change, build=build)
            return node.build(**parts) if build else replace(node, parts=parts)
        case Mapping():
            return _held(node, {name: mapped(part, change, build=build) for name, part in node.items()})
        case tuple() if hasattr(node, "_fields"):
            return type(node)(*(mapped(part, change, build=build) for part in node))
        case tuple() | list():
            return type(node)(mapped(part, change, build=build) for part in node)
    return node


def slots(node: Any) -> list[Slot]:
    """Return the slots of a template, from left to right."""
    every: list[Slot] = []
    mapped(node, every.append)
    return every


def template(example: Any, name: str = "") -> Any:
    """Return an example with slots in place of its arrays; what holds no array stays as it is."""
    if is_array(example):
        return Slot(name, example=example)
    if isinstance(example, Mapping):
        return _held(example, {key: template(part, str(key)) for key, part in example.items()})
    if isinstance(example, tuple) and hasattr(example, "_fields"):
        return type(example)(*map(template, example, example._fields))
    if isinstance(example, tuple | list):
        return type(example)(template(part, name) for part in example)
    if hasattr(example, "base_dist"):  # torch.distributions.Independent
        kind, count = type(example), example.reinterpreted_batch_ndims
        return Built(lambda base: kind(base, count), {"base": template(example.base_dist, name)})
    if is_array(getattr(example, "loc", None)) and is_array(getattr(example, "scale", None)):
        parts = {"loc": Slot(f"{name}_mean", example=example.loc), "scale": Slot(f"{name}_std", example=example.scale)}
        return Built(type(example), parts)
    held = {} if callable(example) else {k: v for k, v in getattr(example, "__dict__", {}).items() if is_array(v)}
    if not held:
        return example
    return Built(lambda **parts: _with(example, parts), {key: Slot(key, example=part) for key, part in held.items()})


def _held(example: Mapping[Any, Any], parts: dict[Any, Any]) -> Any:
    """Return a mapping of the kind of an example, such as the output of a model, that holds these parts."""
    if type(example) is dict or not isinstance(example, MutableMapping):
        return parts
    other = copy.copy(example)
    for key, part in parts.items():
        other[key] = part
    return other


def _with(example: Any, parts: Mapping[str, Any]) -> Any:
    other = copy.copy(example)
    for name, part in parts.items():
        object.__setattr__(other, name, part)
    return other


def is_array(value: Any) -> bool:
    """Return whether a value is an array of any library, of at least one axis."""
    return hasattr(value, "dtype") and len(getattr(value, "shape", ())) > 0


def made(array: Array, example: Any, double: bool = True) -> Any:
    """Return an array as one of the library, the kind and the device of an example; floats in double precision."""
    if example is None:
        return array
    library = type(example).__module__.split(".")[0]
    keep = not double or any(kind in str(example.dtype) for kind in ("int", "bool"))
    if library == "torch":
        torch = sys.modules["torch"]
        return torch.as_tensor(array).to(example.device, example.dtype if keep else torch.float64)
    if library == "tensorflow":
        return sys.modules["tensorflow"].constant(array, dtype=example.dtype if keep else "float64")
    if library in ("jax", "jaxlib"):
        return sys.modules["jax"].numpy.asarray(array, dtype=example.dtype)
    return array.astype(example.dtype if keep else np.float64).view(type(example))


# --------------------------------------------------------------------------------------------- calls


@dataclass(frozen=True)
class Call:
    """A function with the template of its arguments."""

    function: Callable[..., Any]
    arguments: Any  #: (positional, by keyword)
    examples: Mapping[str, Any]  #: by role
    to: Callable[[Any], Any] | None = None
    double: bool = True  #: whether floats are given in double precision
    spread: str | None = None  #: what the name of the spread says that it is
    named: bool = True  #: whether names state all roles

    def __call__(self, arrays: Mapping[str, Array]) -> Any:
        """Return what the function returns for the arrays of these roles."""

        def fill(slot: Slot) -> Any:
            if slot.role not in arrays:
                return slot.example
            array = np.array(arrays[slot.role])  # a copy, because a function may work in place
            example = self.examples.get(slot.role) if slot.example is None else slot.example
            return made(array, example, self.double) if self.to is None else self.to(array)

        positional, keywords = mapped(self.arguments, fill, build=True)
        return self.function(*positional, **keywords)

    def exchanged(self, first: str, second: str) -> "Call":
        """Return the same call with two roles exchanged."""
        other = {first: second, second: first}
        change = mapped(self.arguments, lambda slot: replace(slot, role=other.get(slot.role, slot.role)))
        examples = {other.get(role, role): example for role, example in self.examples.items()}
        return replace(self, arguments=change, examples=examples)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the arguments, from left to right."""
        return tuple(slot.role for slot in slots(self.arguments) if slot.role)

    def example(self, role: str) -> Any:
        """Return the example of a role, or None."""
        own = [slot.example for slot in slots(self.arguments) if slot.role == role and slot.example is not None]
        return own[0] if own else self.examples.get(role)

    def name(self, role: str) -> str:
        """Return what the function calls an argument."""
        return next((slot.name or role for slot in slots(self.arguments) if slot.role == role), role)


def calls(function: Callable[..., Any], like: Any = None, *, to: Any = None, beta: float | None = None) -> list[Call]:
    """Return the ways in which a function may be called, the likeliest first.

    >>> [each.roles for each in calls(lambda recon_x, x, mu, logvar: 0)]
    [('x_hat', 'x', 'mean', 'spread')]
    """
    flat = isinstance(like, tuple | list) and len(like) in (3, 4) and all(map(is_array, like))
    if like is None or flat:
        examples = dict(zip(ROLES, like, strict=False)) if flat else {}
        arguments = _signature(function, len(like) if flat else 4, beta)
    else:
        examples, arguments = {}, _structured(function, like, beta)
    known = [role_of(slot.name) for slot in slots(arguments)]
    hints = ["spread" if role in SPREADS else role for role in known]
    roles = [role if hints.count(role) == 1 else None for role in hints]
    spread = next((name for name, role in zip(known, roles, strict=True) if role == "spread"), None)
    orders = _orders(roles, [slot.example for slot in slots(arguments)])
    found = [
        Call(function, _assigned(arguments, order), examples, to, spread=spread, named=None not in roles)
        for order in sorted(orders, key=lambda order: -sum(map(eq, order, hints)))
        if {"x", "x_hat", "mean"} <= set(order)
    ]
    if not found or (flat and like[-2].shape != like[-1].shape and len(like) == 4):
        shapes = [tuple(slot.example.shape) for slot in slots(arguments) if slot.example is not None]
        shapes = shapes or [tuple(each.shape) for each in examples.values()]
        raise InputError(
            f"like holds {f'arrays of shape {shapes}' if shapes else 'no arrays'}, but those of x, x̂ and the mean and "
            "log-variance of the posterior are expected, two and two of one shape: give like=(x, x_hat, mean, "
            "log_variance), or what the function takes on one batch.",
            "like",
        )
    return found


def _assigned(arguments: Any, order: Sequence[str]) -> Any:
    roles = iter(order)
    return mapped(arguments, lambda slot: replace(slot, role=next(roles)))


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Return the parameters of a function, or of the `forward` of a module; None where they are not known."""
    try:
        return list(inspect.signature(getattr(function, "forward", function)).parameters.values())
    except (TypeError, ValueError):
        return None


def _signature(function: Callable[..., Any], count: int, beta: float | None) -> Any:
    """Return the template that the names of a function's parameters suggest, for so many arrays."""
    parameters = _parameters(function)
    if parameters is None:
        return (tuple(map(Slot, ("",) * count)), {})
    positional, keywords, left_out = [], {}, False
    for each in parameters:
        if not _needed(each, parameters):
            left_out = True
            continue
        node = beta if re.fullmatch(_BETA, each.name.lower()) and beta is not None else Slot(each.name)
        if each.kind is each.KEYWORD_ONLY or (left_out and each.kind is each.POSITIONAL_OR_KEYWORD):
            keywords[each.name] = node
        else:
            positional.append(node)
    names = [slot.name for slot in slots((tuple(positional), keywords))]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        positional += [Slot()] * (count - len(names))
        return tuple(positional), keywords
    _check_names(names, count)
    return tuple(positional), keywords


def _needed(parameter: inspect.Parameter, every: list[inspect.Parameter]) -> bool:
    """Return whether an argument has to be given: it has no default, or None for a role that no other has."""
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return False
    if parameter.default is parameter.empty:
        return True
    role = role_of(parameter.name)
    return parameter.default is None and role is not None and [role_of(each.name) for each in every].count(role) == 1


def _check_names(names: list[str], count: int) -> None:
    """Raise where a function does not take the four arrays (or three, without the spread) that it is given."""
    roles = [role_of(name) for name in names]
    if "x_spread" in roles:
        raise InputError(
            f"The function takes {names[roles.index('x_spread')]}, a variance that the decoder gives for every sample "
            "and feature, so its squared error has no single weight: use the likelihood of a decoder that gives mean "
            "and variance, or hold the variance fixed.",
            "function",
        )
    outside = next((what for what in OUTSIDE for name in names if re.search(OUTSIDE[what][0], name.lower())), None)
    if outside:
        raise InputError(f"The function is that of {OUTSIDE[outside][1]}.", "function")
    few, strangers = len(names) < 3, [name for name, role in zip(names, roles, strict=True) if role is None]
    if few or (len(names) - ("z" in roles) > count and strangers):
        every = ", ".join(names)
        takes = f"takes {counted(len(names), 'argument')}{f' ({every})' * bool(names)}"
        raise InputError(
            f"The function {takes}, but x, x̂, and the mean and spread of the posterior are expected: give "
            f"like=({every or '…'}) with what it is called with on one batch, or wrap it, as in lambda x, "
            "x_hat, mean, log_variance: loss(…).",
            "function",
        )


NO_PRICE = "are not Gaussian: no price of a nat is known for them"
#: What a parameter's name shows to be outside the theory: its pattern, and the words for it.
OUTSIDE = {
    "codebook": (r"codebook|commit|vq|quantiz|embed", f"a vector-quantised model (VQ-VAE), whose codes {NO_PRICE}"),
    "categorical": (r"gumbel|^qy|temperature|^alpha", f"categorical latents (Gumbel softmax), which {NO_PRICE}"),
    "flow": (r"log_?det|ldj|jacob|z_?k$|^z0$", f"a normalising flow, whose posteriors {NO_PRICE}"),
    "counts": (
        r"dispersion|theta|px_?r$|dropout|zero_?(prob|logit|infl)|^pi$",
        "counts with a dispersion or extra zeros that are arguments: hold them fixed inside a function of four "
        "arguments (a negative binomial is measured then), or use Loss.of with the likelihood zero_inflated",
    ),
}


def _structured(function: Callable[..., Any], like: Any, beta: float | None) -> Any:
    """Return the template of arguments that are given as the function takes them."""
    parameters = _parameters(function) or []
    names = [each.name for each in parameters]
    if isinstance(like, Mapping) and set(like) <= set(names):
        rest = {name: beta for name in names if name not in like and re.fullmatch(_BETA, name.lower()) and beta}
        return (), {name: template(part, name) for name, part in like.items()} | rest
    given = tuple(like) if type(like) in (tuple, list) else (like,)
    names += [""] * (len(given) - len(names))
    parts = [template(part, name) for part, name in zip(given, names, strict=False)]
    for i, part in enumerate(given):
        if callable(part) and not slots(parts[i]):
            results = recorded(function, given, i)
            methods = {name: template(result, METHODS.get(name, name)) for name, result in results.items()}
            parts[i] = Built(partial(_stand_in, part), methods)
    return tuple(parts), {}


METHODS = {"decode": "x_hat", "decoder": "x_hat", "forward": ""}  #: what a model's method returns, as a name of arrays


def _stand_in(model: Any, **results: Any) -> StandIn:
    return StandIn(model, results)


def _orders(roles: list[str | None], examples: list[Any]) -> list[tuple[str, ...]]:
    """Return the roles of all slots, in the orders that names and shapes allow; the usual one first."""
    open_slots = [i for i, role in enumerate(roles) if role is None]
    missing = [role for role in ROLES if role not in roles][: len(open_slots)]
    missing += [""] * (len(open_slots) - len(missing))
    orders: dict[tuple[str, ...], None] = {}
    for arrangement in permutations(missing):
        order = [role or "" for role in roles]
        for i, role in zip(open_slots, arrangement, strict=True):
            order[i] = role
        if _fits(order, examples, all_open=len(open_slots) == len(roles)):
            orders[tuple(order)] = None
    return list(orders)


def _fits(order: list[str], examples: list[Any], *, all_open: bool) -> bool:
    """Whether x and x̂, mean and spread have one shape each; without examples, whether they are neighbours."""
    for pair in (("x", "x_hat"), ("mean", "spread")):
        if not all(role in order for role in pair):
            continue
        first, second = (order.index(role) for role in pair)
        if examples[first] is None or examples[second] is None:
            if all_open and abs(first - second) != 1:
                return False
        elif examples[first].shape != examples[second].shape and "int" not in str(examples[first].dtype):
            return False
    return True
