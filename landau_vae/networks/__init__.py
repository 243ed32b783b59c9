"""What holds for any network and any loss: identities at rest, and what any VAE could reach."""

from landau_vae.networks._frontier import Frontier, frontier
from landau_vae.networks.identities import PricesInEffect, prices_in_effect
from landau_vae.networks.next_latent import NextLatent, next_latent


def prices_from_gradients(*a, **k):
    raise NotImplementedError


def next_latent_by_kernel(*a, **k):
    return None


__all__ = ["Frontier", "NextLatent", "PricesInEffect", "frontier", "next_latent", "prices_in_effect"]
