"""What the table of a state with free bits says of each mode."""

from landau_vae import Loss, Spectrum
from landau_vae.numeric import free_bits


def test_modes_beyond_the_latents_have_none():
    """Far above the price each latent has a mode of its own, and the third mode keeps all of its variance."""
    loss = Loss.gaussian(1.0, latents=2).constrained("hinge", 0.1, per="latent")
    state = free_bits(Spectrum.from_eigenvalues([20.0, 10.0, 0.5]), loss)
    rows = [line.split() for line in state.summary().splitlines()]
    known = {row[0]: " ".join(row[3:]) for row in rows if row and row[0] in ("1", "2", "3")}
    assert known == {"1": "a latent of its own", "2": "a latent of its own", "3": "no latent"}
    assert state.remaining[2] == 0.5
