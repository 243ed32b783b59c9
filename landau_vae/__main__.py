"""`python -m landau_vae` is `landau-vae`."""

import sys

from landau_vae.cli import main

sys.exit(main())
