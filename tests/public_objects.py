"""The public names as objects: what users may call, and what its documentation and its bad-input tests must cover."""

import ast
import functools
import inspect
import textwrap
from dataclasses import is_dataclass
from enum import Enum
from importlib import import_module

import landau_vae

PACKAGES = [
    "spectrum", "loss", "symbolic", "numeric", "numeric.continuation", "numeric.problems", "training", "verification",
    "diagnosis", "intervals", "networks", "datasets", "plotting", "report",
    "adapters.keras", "adapters.lightning", "adapters.pytorch", "adapters.scvi",
]  # fmt: skip


def is_ours(thing):
    return (getattr(thing, "__module__", None) or "").startswith("landau_vae")


def names():
    """Dotted name → function or class, each object once, under its shortest name."""
    found = {name: getattr(landau_vae, name) for name in landau_vae.__all__}
    for package in PACKAGES:
        module = import_module(f"landau_vae.{package}")
        found |= {f"{package}.{name}": getattr(module, name) for name in module.__all__}
    once = {}
    for name, thing in sorted(found.items(), key=lambda item: (item[0].count("."), item[0])):
        if is_ours(thing) and (inspect.isclass(thing) or inspect.isroutine(thing)):
            once.setdefault(id(thing), (name, thing))
    return dict(sorted(once.values()))


def is_override(item, inherited):
    """Whether a method takes what the inherited one takes, whose docstring then describes both."""
    if not (inspect.isfunction(item) and inspect.isfunction(inherited)):
        return False
    return list(inspect.signature(item).parameters) == list(inspect.signature(inherited).parameters)


def members(cls):
    """Name → public member (function, property, …) as the classes of this package define it."""
    found = {}
    for base in reversed(cls.__mro__):
        if is_ours(base):
            new = {name: item for name, item in vars(base).items() if not name.startswith("_")}
            found |= {name: item for name, item in new.items() if not is_override(item, found.get(name))}
    kinds = (classmethod, staticmethod, property, functools.cached_property)
    fields = getattr(cls, "__dataclass_fields__", {})  # a field may hold a function
    return {
        name: item
        for name, item in found.items()
        if name not in fields and (inspect.isfunction(item) or isinstance(item, kinds))
    }


def function_of(member):
    """The plain function behind a member."""
    for attribute in ("__func__", "fget", "func"):
        member = getattr(member, attribute, member)
    return member


def is_property(member):
    return isinstance(member, property | functools.cached_property)


def objects():
    """Dotted name → object, members of classes included (those that are inherited once, at their own class)."""
    everything, seen = {}, set()
    for name, thing in names().items():
        everything[name] = thing
        if not inspect.isclass(thing):
            continue
        for member, item in members(thing).items():
            function = function_of(item)
            if id(function) not in seen and is_ours(function):
                seen.add(id(function))
                everything[f"{name}.{member}"] = item
    return everything


def undocumented_fields(cls):
    """Fields of a dataclass without a `#:` comment, beside or above them."""
    missing = []
    for base in cls.__mro__:
        if not (is_ours(base) and is_dataclass(base)):
            continue
        lines = textwrap.dedent(inspect.getsource(base)).splitlines()
        for node in ast.parse("\n".join(lines)).body[0].body:
            if isinstance(node, ast.AnnAssign) and not node.target.id.startswith("_"):
                above = lines[node.lineno - 2].strip()
                if not any("#:" in line for line in [*lines[node.lineno - 1 : node.end_lineno], above[:2]]):
                    missing.append(node.target.id)
    return missing


def has_fields(cls):
    return inspect.isclass(cls) and is_dataclass(cls) and not issubclass(cls, Enum)
