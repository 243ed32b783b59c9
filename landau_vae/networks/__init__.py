"""What holds for any network and any loss: identities at rest, and what any VAE could reach."""

from landau_vae.networks._frontier import Frontier, frontier
from landau_vae.networks.mixture import Mixture

__all__ = ["Frontier", "Mixture", "frontier"]
