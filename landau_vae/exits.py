"""How the program `landau-vae` ends: its exit codes, and signals in the first moments, while modules are loaded."""

import os
import signal
import sys
from itertools import pairwise

FINE = 0  #: done, and what was checked holds
DISAGREES = 1  #: checked, and theory and numbers disagree, or an alarm was raised
BAD_INPUT = 2  #: input, options or surroundings that cannot be used; one sentence says why
STOPPED = 3  #: the system ended a worker process, or had no more memory
FAULT = 70  #: an error of the program itself, with its traceback
SIGNALLED = 128  #: what is added to the number of a signal that has ended the program
INTERRUPTED = 130  #: the same after Ctrl-C
PROGRAM = ("landau-vae", "landau-vae.exe")  #: as it is installed

IN_WORDS = "Exit codes: 0 fine, 1 something disagrees, 2 bad input, 3 a worker was lost, 130 interrupted."
REPORT = "\nlandau-vae: interrupted; no file is left half-written."


def leave(number: int, frame: object) -> None:
    """End the process at once, without a traceback: before the work, and after it, there is nothing to tidy up."""
    os.write(2, f"{REPORT}\n".encode())
    os._exit(SIGNALLED + number)


def is_program() -> bool:
    """Return whether this process has been started as `landau-vae`, or `python -m landau_vae`, and is loading."""
    started = getattr(sys, "argv", [""])[0]
    return os.path.basename(started) in PROGRAM or (started == "-m" and ("-m", "landau_vae") in pairwise(sys.orig_argv))


if is_program() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, leave)
