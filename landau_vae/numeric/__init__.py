"""Closed forms of the linear Gaussian β-VAE and its landscape; `problems` and their `continuation` for all the rest."""

from typing import TYPE_CHECKING

import lazy_loader

from landau_vae.numeric._choose_beta import Choice, choose_beta
from landau_vae.numeric._count_noise import CountNoise, count_noise
from landau_vae.numeric._equilibrium import Equilibrium, equilibrium
from landau_vae.numeric._expected import expected
from landau_vae.numeric._fixed_encoder import FixedEncoder, fixed_encoder
from landau_vae.numeric._free_bits import FreeBits, free_bits
from landau_vae.numeric._hierarchy import Hierarchy, hierarchy
from landau_vae.numeric._landscape import Landscape, landscape
from landau_vae.numeric._learned_variance import LearnedVariance, learned_variance
from landau_vae.numeric._noise_floor import NoiseFloor, noise_floor
from landau_vae.numeric._spiked import Spiked, population_threshold, spiked
from landau_vae.numeric._transitions import Transitions, transitions
from landau_vae.numeric._weight_decay import WeightDecay, weight_decay
from landau_vae.numeric.expected_curves import Expected
from landau_vae.numeric.plateau_activation import Activation, activation

if TYPE_CHECKING:
    from landau_vae.numeric import continuation as continuation
    from landau_vae.numeric import problems as problems
else:  # heavier: loaded on first use
    __getattr__, __dir__, _ = lazy_loader.attach(__name__, ["continuation", "problems"])

__all__ = [
    "Activation", "Choice", "CountNoise", "Equilibrium", "Expected", "FixedEncoder", "FreeBits", "Hierarchy",
    "Landscape", "LearnedVariance", "NoiseFloor", "Spiked", "Transitions", "WeightDecay", "activation", "choose_beta",
    "continuation", "count_noise", "equilibrium", "expected", "fixed_encoder", "free_bits", "hierarchy", "landscape",
    "learned_variance", "noise_floor", "population_threshold",
    "problems", "spiked", "transitions", "weight_decay",
]  # fmt: skip
