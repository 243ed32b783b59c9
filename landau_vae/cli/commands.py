"""All commands, in the order of the help page: one module per command, which registers itself."""

# ruff: noqa: F401
from landau_vae.cli import reproduce, thresholds, choose, onset, verify, diagnose, explain  # isort: skip
from landau_vae.cli import convert, bifurcate, derive, gather  # isort: skip
from landau_vae.cli.program import app, run

__all__ = ["app", "run"]
