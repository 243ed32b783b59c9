"""The first moments of the program `landau-vae`: a signal while modules are loaded ends it without a traceback."""

import os
import signal
import sys

SIGNALLED = 128  #: what shells add to the number of the signal that has ended a program
REPORT = "\nlandau-vae: interrupted; no file is left half-written."


def leave(number: int, frame: object) -> None:
    """End the process at once: before the work, and after it, there is nothing to tidy up."""
    os.write(2, f"{REPORT}\n".encode())
    os._exit(SIGNALLED + number)


def is_program() -> bool:
    """Return whether this process has been started as `landau-vae`, or `python -m landau_vae.cli`, and is loading."""
    started = getattr(sys, "argv", [""])[0]
    name = os.path.splitext(os.path.basename(started))[0]
    return name == "landau-vae" or (started == "-m" and "landau_vae.cli" in sys.orig_argv)


if is_program() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, leave)
