"""The command line: `landau-vae reproduce`, `thresholds FILE`, `choose FILE`, `onset FILE`, `bifurcate FILE`,
`verify FILE`, `diagnose POSTERIOR --data FILE`, `explain LOG --data FILE`, `gather FILE…`, `convert`, `derive RESULT`.
One module per command.

Exit code 0: fine; 1: checked, and theory and numbers disagree; 2: bad input, explained in one sentence.
"""

# ruff: noqa: F401
# In the order of the help page.
from landau_vae.cli import reproduce, thresholds, choose, onset, verify, diagnose, explain  # isort: skip
from landau_vae.cli import convert, bifurcate, derive, gather  # isort: skip
from landau_vae.cli.program import app, main

__all__ = ["app", "main"]
