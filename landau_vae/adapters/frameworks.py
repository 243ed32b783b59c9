"""Frameworks that are imported on use; a missing one is an error that says what to install."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from landau_vae.errors import InputError


def framework(module: str, package: str = "") -> Any:
    """Return a module of a framework, which is distributed as a package of this name."""
    name = module.split(".")[0]
    if find_spec(name) is None:
        package = package or name
        raise InputError(f"This adapter needs {package}, which is not installed: pip install {package}.")
    return import_module(module)
