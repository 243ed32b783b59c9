"""What holds for any network and any loss: identities at rest, onset of the next latent, what any VAE could reach.

Read in this order: `identities`, `_next_latent`, `kernel_onset`, `_frontier`, `mixture`,
`free_decoder`, `first_decoders`, `_first_collapse`, `quartic`, `moments`, `_onset`,
`onset_result`. `decoder` calls a decoder of any framework.
"""

from landau_vae.networks._first_collapse import FirstCollapse, first_collapse
from landau_vae.networks._frontier import Frontier, frontier
from landau_vae.networks._next_latent import NextLatent, next_latent
from landau_vae.networks._onset import onset
from landau_vae.networks.free_decoder import FreeDecoder
from landau_vae.networks.identities import PricesInEffect, prices_from_gradients, prices_in_effect
from landau_vae.networks.kernel_onset import KernelOnset, next_latent_by_kernel
from landau_vae.networks.moments import RowMoments, row_moments
from landau_vae.networks.onset_result import Onset
from landau_vae.networks.priced_rows import Mixture
from landau_vae.networks.quartic import Moments, QuarticCollapse, QuarticState, quartic_collapse

__all__ = [
    "FirstCollapse", "FreeDecoder", "Frontier", "KernelOnset", "Mixture", "Moments", "NextLatent", "Onset",
    "PricesInEffect", "QuarticCollapse", "QuarticState", "RowMoments", "first_collapse", "frontier", "next_latent",
    "next_latent_by_kernel", "onset", "prices_from_gradients", "prices_in_effect", "quartic_collapse", "row_moments",
]  # fmt: skip
