"""`python -m landau_vae.cli`."""

import sys

from landau_vae.cli import main

sys.exit(main())
