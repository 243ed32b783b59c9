"""Find out which tests run which lines of the package, and how long each test takes.

A test file is traced by coverage.py in a child, one context per test, and the result is kept under `.mutants/`, so
that an interrupted tracing goes on where it was. Lines are known by their text: the map outlives edits elsewhere in
the file. Tests that need more than `LONGEST` seconds, or fail, are not used against mutants.
"""

import hashlib
import itertools
import json
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from mutation.forked import ROOT, in_child, run_tests

KEPT = ROOT / ".mutants"
LONGEST = 1.5  # seconds of CPU: a test that takes longer is too dear to be run against hundreds of mutants
WHOLE_FILE = 8.0  # seconds of CPU for the tests of a file; those after it are not used
DEAR = 0.02  # seconds of CPU that pytest needs for any test


class Tracer:
    """A plugin of pytest: a context of coverage per test, its seconds of CPU, and an end to those that take long."""

    def __init__(self, copy: Path, target: Path) -> None:
        import coverage

        self.copy, self.target = copy, target
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self.coverage = coverage.Coverage(data_file=None, source=[str(copy / "landau_vae")], config_file=False)
        self.coverage.start()
        self.begin = time.process_time()

    def pytest_runtest_setup(self, item) -> None:
        if time.process_time() - self.begin > WHOLE_FILE:
            item.session.shouldstop = "enough"

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.coverage.switch_context(nodeid)
        self.start = time.process_time()
        signal.signal(signal.SIGVTALRM, self.too_long)
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)

    def too_long(self, *_: object) -> None:
        import pytest

        pytest.skip("it takes long")  # no failure: Hypothesis would look for a smaller one

    def pytest_runtest_logreport(self, report) -> None:
        if report.outcome != "passed":
            self.failed.add(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        self.coverage.switch_context("")
        self.seconds[nodeid] = round(time.process_time() - self.start, 2)

    def pytest_unconfigure(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        tests = sorted(set(self.seconds) - self.failed)
        number = {name: k for k, name in enumerate(tests)}
        lines: dict[str, dict[str, list[int]]] = {}
        for path in data.measured_files():
            text = Path(path).read_text(encoding="utf-8").splitlines()
            by_text: defaultdict[str, set[int]] = defaultdict(set)
            for line, contexts in data.contexts_by_lineno(path).items():
                by_text[text[line - 1].strip()] |= {number[name] for name in contexts if name in number}
            module = str(Path(path).relative_to(self.copy))
            lines[module] = {key: sorted(found) for key, found in by_text.items() if found}
        record = {"tests": [[name, self.seconds[name]] for name in tests], "lines": lines}
        self.target.write_text(json.dumps(record), encoding="utf-8")


def digest(name: str) -> str:
    """A fingerprint of a file, or of the Python files of a folder."""
    path = ROOT / name
    texts = [each.read_bytes() for each in sorted(path.rglob("*.py") if path.is_dir() else [path])]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


def kept(name: str) -> Path:
    """Where the trace of a file or folder is."""
    return KEPT / f"{name.replace('/', '.')}-{digest(name)}.json"


def trace(names: list[str], copy: Path) -> None:
    """Trace the files of tests, and folders of examples, that have not been traced as they are now."""
    KEPT.mkdir(exist_ok=True)
    for name in names:
        target = kept(name)
        if not target.exists():
            print("tracing", name, flush=True)
            in_child(partial(_trace, name, copy, target), 4 * WHOLE_FILE)
            if not target.exists():  # it was ended: its tests are for the second round only
                target.write_text(json.dumps({"tests": [], "lines": {}}), encoding="utf-8")


def _trace(name: str, copy: Path, target: Path) -> None:
    run_tests([name], copy, 4 * WHOLE_FILE, Tracer(copy, target), "--maxfail=10000")


class Map:
    """Which tests can notice a change in a line: those that ran it, the quick and unlike ones first."""

    def __init__(self, names: list[str]) -> None:
        self.seconds: dict[str, float] = {}
        self.lines: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for path in filter(Path.exists, map(kept, names)):
            record = json.loads(path.read_text(encoding="utf-8"))
            self.seconds |= dict(record["tests"])
            for module, lines in record["lines"].items():
                for text, found in lines.items():
                    self.lines[module][text] |= {record["tests"][k][0] for k in found}

    def tests(self, module: str, texts: Iterable[str], seconds: float) -> list[str]:
        """Tests that ran one of these lines, or else any line of the module, in at most so many seconds of CPU."""
        found = self._running(module, texts)
        turn: Counter[str] = Counter()
        ranked = []
        for name in sorted(found, key=lambda name: (self.seconds[name], name)):
            kind = name.split("[")[0]
            ranked.append((turn[kind], self.seconds[name] + DEAR, name))
            turn[kind] += 1
        ranked.sort()
        costs = itertools.accumulate(cost for _, cost, _ in ranked)
        return [name for (_, _, name), spent in zip(ranked, costs, strict=True) if spent <= seconds]

    def files(self, module: str, texts: Iterable[str], most: int = 3) -> list[str]:
        """Files of tests that ran one of these lines, whole, with tests that were too long to be traced."""
        found = Counter(name.split("::")[0] for name in self._running(module, texts))
        stem = Path(module).stem.strip("_")
        return sorted(found, key=lambda name: (stem not in name, -found[name], name))[:most]

    def _running(self, module: str, texts: Iterable[str]) -> set[str]:
        lines = self.lines[module]
        return set().union(*(lines[text] for text in texts if text in lines)) or set().union(*lines.values())
