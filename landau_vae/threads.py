"""Linear algebra on one thread, for loops over small matrices.

The threads of a BLAS wait for the next product by spinning. Between small products they wait most
of the time, and take the processor from whatever else runs there: on two busy cores the onset of
300 rows took 24 s of processor time with two threads, and 3 s with one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

__all__ = ["one_thread"]

_LOCK = Lock()
_RUNNING: list[Any] = []  # the limit, once for each block: it belongs to the whole process, which threads share


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit linear algebra to one thread inside a block, or a function that is decorated with `one_thread()`.

    The limit ends with the last such block of the process; then linear algebra has as many threads as before.

    >>> with one_thread():
    ...     sum([1, 2])
    3
    """
    from threadpoolctl import threadpool_limits

    with _LOCK:
        _RUNNING.append(_RUNNING[0] if _RUNNING else threadpool_limits(1))
    try:
        yield
    finally:
        with _LOCK:
            limits = _RUNNING.pop()
            if not _RUNNING:
                limits.restore_original_limits()
