"""Frameworks that are imported on use; a missing one is an error that says what to install."""

from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from typing import Any, Self

from landau_vae.errors import InputError


def framework(*modules: str, package: str = "") -> Any:
    """Return the first of some modules whose library is installed; its package may have another name."""
    names = [module.split(".")[0] for module in modules]
    found = next((module for module, name in zip(modules, names, strict=True) if find_spec(name)), None)
    if found is None:
        package = package or names[0]
        raise InputError(f"This adapter needs {package}, which is not installed: pip install {package}.")
    return import_module(found)


class Callback:
    """A callback that is of the classes of its framework too, which are looked up when it is made."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make an instance of this class and those."""
        return object.__new__(type(cls.__name__, (cls, *cls._of_framework()), {}))

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        whole = signature(cls.__init__)
        cls.__signature__ = whole.replace(parameters=list(whole.parameters.values())[1:])  # type: ignore[attr-defined]

    @classmethod
    def _of_framework(cls) -> list[type]:
        """Return the classes that a trainer expects."""
        raise NotImplementedError
