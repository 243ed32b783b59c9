"""Predict from the spectrum of the data which latents of a (β-)VAE collapse, and at which β.

Derive → solve → train → compare. A `Spectrum` is what the data offer, a `Loss` what training
minimises. Everything else takes these two and returns one result per question. `__init__.pyi`
lists the public names; each is loaded on first use.
"""

from landau_vae import exits  # noqa: F401  # before anything else: it handles Ctrl-C

import lazy_loader  # isort: skip

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
