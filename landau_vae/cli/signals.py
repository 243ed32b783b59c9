"""Signals that ask the program to end: Ctrl-C, SIGTERM, a terminal that is closed.

Each raises KeyboardInterrupt, so that what is being written is removed and workers end. Another one
within a second does not disturb this: launchers repeat a Ctrl-C that the terminal sends to all. What
is lost on the way (an interrupt in a callback, or one that an import turns into another error) is
known from the `Request`. Signals that the caller handles or ignores, as `nohup` does, stay so.
"""

import _thread
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from landau_vae.exits import INTERRUPTED, SIGNALLED, leave

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
AGAIN = 0.05  # seconds until an interrupt that was lost is repeated
TIDY = 1.0  # seconds for the end of the work, until another signal interrupts that too


class Request:
    """What signals have asked for."""

    def __init__(self) -> None:
        self.number = 0  #: of the last signal; 0: none has come
        self._time = -math.inf  # of the last interrupt

    @property
    def code(self) -> int:
        """Exit code that shells expect."""
        return SIGNALLED + self.number if self.number else INTERRUPTED

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the work, unless it has just been interrupted."""
        self.number, now = number, time.monotonic()
        if now - self._time >= TIDY:
            self._time = now
            raise KeyboardInterrupt

    def repeat(self, problem: Any) -> None:
        """Repeat an interrupt that came in a callback, where Python drops it; print any other error there."""
        if issubclass(problem.exc_type, KeyboardInterrupt):
            self._time = -math.inf
            threading.Timer(AGAIN, _thread.interrupt_main, (self.number or signal.SIGINT,)).start()
        else:
            sys.__unraisablehook__(problem)


def handle(handler: Any) -> dict[int, Any]:
    """Let signals call a handler, unless someone else handles them; return the handlers before it."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    free = [number for number in numbers if _is_free(signal.getsignal(number))]
    return {number: signal.signal(number, handler) for number in free}


def _is_free(handler: Any) -> bool:
    """Return whether a signal is handled by Python alone, or ends the process."""
    return handler in (signal.SIG_DFL, signal.default_int_handler, leave)


@contextmanager
def requests() -> Iterator[Request]:
    """Yield what signals ask for while the work goes on."""
    request, hook = Request(), sys.unraisablehook
    before = handle(request.stop)
    sys.unraisablehook = request.repeat
    try:
        yield request
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
