"""Closed forms of the linear Gaussian β-VAE and its landscape; `problems` and their `continuation` for all the rest."""

from importlib import import_module
from typing import Any

from landau_vae.numeric._choose_beta import Choice, choose_beta
from landau_vae.numeric._equilibrium import Equilibrium, equilibrium
from landau_vae.numeric._fixed_encoder import FixedEncoder, fixed_encoder
from landau_vae.numeric._hierarchy import Hierarchy, hierarchy
from landau_vae.numeric._landscape import Landscape, landscape
from landau_vae.numeric._learned_variance import LearnedVariance, learned_variance
from landau_vae.numeric._noise_floor import NoiseFloor, noise_floor
from landau_vae.numeric._spiked import Spiked, population_threshold, spiked
from landau_vae.numeric._transitions import Transitions, transitions
from landau_vae.numeric._weight_decay import WeightDecay, weight_decay
from landau_vae.numeric.plateau_activation import Activation, activation

_MODULES = ("continuation", "problems")  # heavier: loaded on first use

__all__ = [
    "Activation", "Choice", "Equilibrium", "FixedEncoder", "Hierarchy", "Landscape", "LearnedVariance", "NoiseFloor",
    "Spiked", "Transitions", "WeightDecay", "activation", "choose_beta", "equilibrium", "fixed_encoder", "hierarchy",
    "landscape", "learned_variance", "noise_floor", "population_threshold", "spiked", "transitions", "weight_decay",
    *_MODULES,
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
