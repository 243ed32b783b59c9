"""Calls of a model's methods, with something done before and after each.

A tap takes the place of one bound method, as an attribute of the instance, until it is removed.
A module is tapped at its `forward`. Copies of a tapped model, and pickled ones, are not tapped.
"""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from landau_vae.errors import InputError
from landau_vae.loss.calling import SPREADS, role_of

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Before = Callable[[tuple[Any, ...], dict[str, Any]], Arguments | None]
After = Callable[[tuple[Any, ...], dict[str, Any], Any], None]


class Tap:
    """A bound method with something done before and after each call; it returns what the method returns."""

    def __init__(self, method: Any, before: Before | None = None, after: After | None = None) -> None:
        self.owner, self.name = place(method)
        self.method = getattr(self.owner, self.name)
        self.own = vars(self.owner).get(self.name)  # an attribute of the instance already
        update_wrapper(self, self.method, updated=())
        self.before, self.after = before, after
        setattr(self.owner, self.name, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method, with what belongs before and after."""
        if self.before is not None:
            args, kwargs = self.before(args, kwargs) or (args, kwargs)
        output = self.method(*args, **kwargs)
        if self.after is not None:
            self.after(args, kwargs, output)
        return output

    def __reduce__(self) -> Any:
        """Let a copy of the model have its plain method."""
        return (_itself, (self.own,)) if self.own is not None else (getattr, (self.owner, self.name))

    def remove(self) -> None:
        """Put the method back; where another wrapper lies around this one, stay in place and do nothing."""
        self.before = self.after = None
        if vars(self.owner).get(self.name) is not self:
            return
        if self.own is None:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.own)

    def __repr__(self) -> str:
        return f"{type(self.owner).__name__}.{self.name}"


def _itself(value: Any) -> Any:
    return value


def place(method: Any) -> tuple[Any, str]:
    """Return the object and the name under which a method lies: a module stands for its `forward`."""
    if isinstance(method, Tap):
        return method.owner, method.name
    owner = getattr(method, "__self__", method)
    function = getattr(method, "__func__", None)
    classes = type(owner).__mro__ if function is not None else ()
    name = next((name for each in classes for name, own in vars(each).items() if own is function), "")
    if not name and hasattr(method, "forward"):
        name = "forward"
    if not name:
        raise InputError(
            f"A part of the model is given as a {type(method).__name__}, but a module or a method of one is expected: "
            "watch(monitor, model.encoder, model.decoder) or watch(monitor, model.encode, model.decode)."
        )
    return owner, name


def heads_of(model: Any) -> tuple[Any, Any] | None:
    """Return the two modules of a model that give the mean and the spread, if their names say so, such as `fc_mu`."""
    found: dict[bool, list[Any]] = {True: [], False: []}
    for name, part in getattr(model, "named_children", tuple)():
        roles = {role_of(piece) for piece in (name, *name.split("_"))}
        if roles & {"mean", *SPREADS}:
            found["mean" in roles].append(part)
    (mean, *more), (spread, *others) = (found[kind] or [None] for kind in (True, False))
    return None if mean is None or spread is None or more or others else (mean, spread)


def parts_of(model: Any, *, heads: bool = False) -> tuple[Any, Any]:
    """Return what encodes and what decodes in a model: its methods, else (with `heads`) its heads, else its modules."""
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    if type(model).__name__ in ("DistributedDataParallel", "FullyShardedDataParallel"):
        model = model.module
    found = [
        _callable(model, "encode") or (heads and heads_of(model)) or _callable(model, "encoder"),
        _callable(model, "decode") or _callable(model, "decoder"),
    ]
    if None in found:
        missing = " and ".join(each for each, part in zip(("encode", "decode"), found, strict=True) if part is None)
        raise InputError(
            f"{type(model).__name__} has no method {missing} and no module of that kind: name the parts, "
            "watch(monitor, model.MY_ENCODER, model.MY_DECODER).",
            "encoder",
        )
    return found[0], found[1]


def _callable(model: Any, name: str) -> Any:
    return part if callable(part := getattr(model, name, None)) else None
