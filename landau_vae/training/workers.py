"""Worker processes of a scan: how calls reach them, how they end with the process that they work for, how one is lost.

Workers do not take part in Ctrl-C, which a terminal sends to all processes: the process that has
started them gets it, and ends them.
"""

import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from itertools import islice
from multiprocessing import parent_process
from threading import Thread, current_thread, main_thread
from typing import Any

from landau_vae.errors import WorkerLost

WATCH = 0.5  # seconds between two looks at the parent


def carried_out(calls: Iterator[Any], workers: int, kept_in: str) -> Iterator[Any]:
    """Yield the results of joblib's delayed calls as they get done, by its active backend.

    Copies of this process ('multiprocessing') are replaced by 'loky': threads do not go along into a
    copy, and the pool of copies waits forever for one that was killed.
    """
    import joblib

    active = joblib.parallel.get_active_backend()[0]
    instead = {"backend": "loky"} if isinstance(active, joblib.parallel.MultiprocessingBackend) else {}
    streams = bool(instead) or active.supports_return_generator
    kind = "generator_unordered" if streams else "list"
    parallel = joblib.Parallel(workers, batch_size=1, return_as=kind, initializer=end_with_parent, **instead)
    # A backend that returns a list does so at the end of a call: it gets as much as it can do at once.
    size = None if streams else joblib.effective_n_jobs(workers)
    try:
        while some := list(islice(calls, size)):
            yield from _quietly_closed(_begun(parallel, some)) if streams else parallel(some)
    except _losses() as problem:
        raise WorkerLost(
            f"A worker process was ended before its task was done, most often because memory ran out: {kept_in}, and "
            "use fewer workers if memory is short."
        ) from problem


def _quietly_closed(results: Any) -> Iterator[Any]:
    """Yield all; after an interruption close the generator, without joblib's warning of calls begun in advance."""
    try:
        for each in results:  # noqa: UP028  # `yield from` would close it at once
            yield each
    finally:
        with warnings.catch_warnings(action="ignore"):
            results.close()


def _losses() -> tuple[type[Exception], ...]:
    """Return what backends raise where a worker is lost."""
    cluster = sys.modules.get("distributed")
    return (BrokenExecutor,) if cluster is None else (BrokenExecutor, cluster.KilledWorker)


def _begun(parallel: Any, calls: list[Any]) -> Any:
    """Start processes and calls; Ctrl-C waits meanwhile, and processes take over that it does not reach them."""
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as loky_tracker

    if not hasattr(signal, "pthread_sigmask"):
        return parallel(calls)
    for tracker in (resource_tracker, loky_tracker):  # processes of their own, whose start lets signals through
        tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return parallel(calls)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def on_a_cluster() -> bool:
    """Return whether joblib's active backend uses other machines."""
    import joblib

    return hasattr(joblib.parallel.get_active_backend()[0], "client")


def end_with_parent() -> None:
    """Let this process, a worker, end as soon as the one that has started it is no more; a thread ends with its own."""
    if (parent := parent_process()) is not None and current_thread() is main_thread():
        Thread(target=_watch, args=(parent.pid,), daemon=True).start()


def _watch(parent: int) -> None:
    """End this process once the parent has another number, as on POSIX, or is no more."""
    import psutil

    while os.getppid() == parent and psutil.pid_exists(parent):
        time.sleep(WATCH)
    os._exit(1)


def stop_idle_workers() -> None:
    """End the processes that joblib keeps for the next call, where it keeps any."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)
