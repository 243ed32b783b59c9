"""Losses whose equilibria are followed: the linear VAE and its variations, other decoders, any theory in symbols."""

from typing import TYPE_CHECKING, Any

from landau_vae.numeric.problems.exponential_family import ExponentialFamily
from landau_vae.numeric.problems.linear_vae import Linear
from landau_vae.numeric.problems.problem import Problem

if TYPE_CHECKING:
    from landau_vae.numeric.problems.landau_theory import Symbolic as Symbolic

__all__ = ["ExponentialFamily", "Linear", "Problem", "Symbolic"]


def __getattr__(name: str) -> Any:
    if name == "Symbolic":  # SymPy loads on first use
        from landau_vae.numeric.problems.landau_theory import Symbolic

        return Symbolic
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
