"""The command line: `landau-vae reproduce`, `thresholds FILE`, `choose FILE`, `bifurcate FILE`, `verify FILE`,
`diagnose POSTERIOR --data FILE`, `gather FILE…`, `convert`, `derive RESULT`.

Exit code 0: fine; 1: checked, and theory and numbers disagree; 2: bad input, told in one sentence.
"""

from landau_vae.cli import bifurcate, convert, derive, diagnose, gather, reproduce, thresholds, verify
from landau_vae.cli.program import app, main

__all__ = ["app", "bifurcate", "convert", "derive", "diagnose", "gather", "main", "reproduce", "thresholds", "verify"]
