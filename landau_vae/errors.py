"""The one error a user of this package is meant to read.

Each message is one sentence or two: what was given, what was expected, how to mend it.
The command line prints it and exits with code 2.
"""

__all__ = ["InputError"]


class InputError(ValueError):
    """Input that cannot be used as given; the message says how to mend it."""
