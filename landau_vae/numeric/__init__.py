"""Closed forms of the linear Gaussian β-VAE and its landscape; `problems` and their `continuation` for all the rest."""

from importlib import import_module
from typing import Any

from landau_vae.numeric.choice import Choice, choose_beta
from landau_vae.numeric.equilibrium import Equilibrium, equilibrium
from landau_vae.numeric.landscape import Landscape, landscape
from landau_vae.numeric.transitions import Transitions, transitions

_MODULES = ("continuation", "problems", "variations")  # heavier: loaded on first use

__all__ = [
    "Choice", "Equilibrium", "Landscape", "Transitions", "choose_beta", "equilibrium", "landscape", "transitions",
    *_MODULES,
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
