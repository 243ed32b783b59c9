"""The command line: `landau-vae reproduce`, `thresholds FILE`, `choose FILE`, `onset FILE`, `bifurcate FILE`,
`verify FILE`, `diagnose POSTERIOR --data FILE`, `explain LOG --data FILE`, `gather FILE…`, `convert`, `derive RESULT`.

Exit codes are those of `landau_vae.exits`. Commands are loaded when `main` runs, so that
Ctrl-C while they are loaded ends as quietly as it does later.
"""

from landau_vae.cli._main import main

__all__ = ["main"]
