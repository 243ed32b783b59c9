"""Monitors for training frameworks: one hook for PyTorch, and callbacks for Lightning, Keras and scvi-tools.

Each module imports its framework when one of its functions is called, not before.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from landau_vae.adapters import pytorch as pytorch

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submodules=["pytorch"])

__all__ = ["pytorch"]
