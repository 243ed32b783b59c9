"""The linear β-VAE as an estimator of scikit-learn, in closed form."""

from landau_vae.estimator._linear_vae import LinearVAE

__all__ = ["LinearVAE"]
