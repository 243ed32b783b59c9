"""Standard output and standard error as the program needs them, whatever they are connected to."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from landau_vae.errors import InputError, reason


class _Lenient(io.FileIO):
    """Standard error: a full disk, or a terminal that has been closed, does not end the work."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


def open_all() -> None:
    """Open those that are closed, or else the next file would take their number; make standard error lenient."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDONLY), number)  # what is written there fails, as it should
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115
    errors = io.BufferedWriter(_Lenient(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(errors, sys.stderr.encoding, "backslashreplace", line_buffering=True)


def tolerate_letters() -> None:
    """Let a terminal without Greek letters show "?" in their place."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def output() -> Iterator[None]:
    """Flush standard output in the end; where it cannot be written, what waits in its buffer is dropped."""
    try:
        yield
        sys.stdout.flush()
    except OSError as problem:
        if problem.filename is not None:  # a file, which has been opened here
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(problem, BrokenPipeError):  # that the reader of a pipe has ended is no error
            message = f"Output cannot be written ({reason(problem)}): make room, or send it elsewhere."
            raise InputError(message) from None
