"""Monitors for training frameworks: one hook for PyTorch, and callbacks for Lightning, Keras and scvi-tools.

Each module imports its framework when one of its functions is called, not before.
"""

import lazy_loader

__all__ = ["keras", "lightning", "pytorch", "scvi"]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submodules=__all__)
