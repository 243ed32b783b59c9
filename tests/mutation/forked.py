"""Run pytest in a forked child of this process, in a copy of the checkout, under limits of time and memory.

The parent has imported what all tests need (NumPy, SciPy, SymPy, pytest) and nothing of the package, so a child
starts at once and imports the package from the copy, a mutant in it included. The checkout is only read.
"""

import gc
import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEMORY = 4 << 30  # bytes that a child may map: a mutant may ask for an array of any size
SLEEP = 20  # seconds of wall clock per second of CPU that is granted: the machine may be shared, a child may wait
TIMES = itertools.count(10**9)
PLUGINS = ("-p", "xdist.plugin", "-p", "_hypothesis_pytestplugin")  # others that are installed take seconds to load
OPTIONS = (*PLUGINS, "-q", "-x", "-n", "0", "--tb=line", "--no-header", "-p", "no:cacheprovider", "-p",
           "no:unraisableexception", "-W", "ignore::pytest.PytestAssertRewriteWarning")  # fmt: skip


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the files under version control, in a temporary folder."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for name in filter(lambda name: (ROOT / name).is_file(), names):
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        yield Path(folder)


def preload() -> None:
    """Import what the children share."""
    os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import hypothesis
    import mpmath  # noqa: F401
    import numpy.testing  # noqa: F401
    import pandas  # noqa: F401
    import pytest  # noqa: F401
    import scipy.optimize
    import scipy.special
    import scipy.stats  # noqa: F401
    import sympy  # noqa: F401

    hypothesis.settings.register_profile("mutants", deadline=None, database=None, derandomize=True)
    hypothesis.settings.load_profile("mutants")
    gc.freeze()


class First:
    """A plugin of pytest: writes the name of the first test that fails, at once."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def pytest_runtest_logreport(self, report) -> None:
        if report.outcome == "failed":
            self.target.write_text(report.nodeid, encoding="utf-8")

    def pytest_collectreport(self, report) -> None:
        if report.outcome == "failed":
            self.target.write_text(report.nodeid.split("::")[0], encoding="utf-8")


def run_tests(tests: Sequence[str], copy: Path, seconds: float, plugin: object, *options: str) -> None:
    """Run tests in this process, which may use so many seconds of CPU; it ends with the exit code of pytest."""
    import pytest

    os.chdir(copy)
    sys.path[0] = str(copy)
    sys.dont_write_bytecode = False  # the copy is ours, and what one child compiles serves the others
    os.environ["PYTHONPATH"] = os.pathsep.join([str(copy), os.environ.get("PYTHONPATH", "")])
    limit = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.exit(pytest.main([*OPTIONS, *options, *tests], plugins=[plugin]))


def failing(tests: Sequence[str], copy: Path, seconds: float) -> str | None:
    """The first of these tests that fails in the copy ("import", "limit"), None if all of them pass.

    Of a file the slow ones are left out.
    """
    if not tests:  # pytest would run all there are
        return None
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "first")
        named = ("-m", "") if all("::" in name for name in tests) else ()
        code = in_child(lambda: run_tests(tests, copy, seconds, First(target), *named), seconds)
        if target.exists():
            return target.read_text(encoding="utf-8")
    return {0: None, 4: "import", 2: "import", 3: "import"}.get(code, "limit") if code != 5 else None


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """A file with another text, for a while; each text has a time of its own, which tells byte code apart."""
    old, times = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(text, encoding="utf-8")
    os.utime(path, (next(TIMES),) * 2)
    try:
        yield
    finally:
        path.write_text(old, encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def in_child(work: Callable[[], object], seconds: float) -> int | None:
    """Call `work` in a forked child, which leaves no process behind; its exit code, None if it had to be ended."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(null, stream)
            work()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    deadline = time.monotonic() + SLEEP * seconds
    done = 0
    try:
        while not done and time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0 if done else 0.02)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what the child has started, too
        if not done:
            os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if done else None
