"""Frameworks that are imported on use; a missing one is an error that says what to install."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from landau_vae.errors import InputError


def framework(*modules: str, package: str = "") -> Any:
    """Return the first of some modules whose library is installed; its package may have another name."""
    names = [module.split(".")[0] for module in modules]
    found = next((module for module, name in zip(modules, names, strict=True) if find_spec(name)), None)
    if found is None:
        package = package or names[0]
        raise InputError(f"This adapter needs {package}, which is not installed: pip install {package}.")
    return import_module(found)


def derived(cls: type, *bases: type) -> Any:
    """Return an instance of a class, not yet initialised, that is one of these classes of a framework too."""
    return object.__new__(type(cls.__name__, (cls, *bases), {}))
