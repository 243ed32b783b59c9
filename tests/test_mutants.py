"""Mutation testing: the record keeps its promise, what is left out changes no result, and nothing stays behind."""

import ast
import json
import subprocess
import sys
from pathlib import Path

from mutants import EQUIVALENT, RECORD, ROOT, SCORE, modules
from mutation.forked import changed
from mutation.making import end_of, spans, start_of, statement

SOURCE = """
from numpy import pi as PI
WIDTH: int | None = 3
@cache
def area(radius: float | None, names=("a", "b")) -> float | None:
    assert radius is not None and radius > 0
    if radius < 1:
        raise ValueError(f"{radius - 1} is too small")
    for one, two in zip(names, names, strict=True):
        print(one, two, round(radius / 2, 3))
    return (
        PI
        * radius**2
    )
"""


def test_the_record_is_of_these_modules():
    """The score is checked by `.ci/run mutants`, which runs the tests."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))["mutants"]
    names = [each["mutant"] for each in record]
    assert len(set(names)) == len(names)
    assert not EQUIVALENT & set(names)
    assert {each["outcome"] for each in record} <= {"killed", "survived", "open"}
    assert all((each["outcome"] == "killed") == (each["by"] is not None) for each in record)
    assert {each["module"] for each in record if (ROOT / each["module"]).exists()} <= set(modules())
    killed = sum(each["outcome"] == "killed" for each in record)
    assert len(record) > 300
    assert killed >= SCORE * len(record)


def test_types_errors_and_speed_are_left_out():
    tree, lines = ast.parse(SOURCE), SOURCE.splitlines()
    left_out = set()
    for node in spans(tree):
        (first, start), (last, end) = start_of(node, lines), end_of(node, lines)
        left_out.add(lines[first - 1][start:end] if first == last else lines[first - 1])
    assert left_out == {
        "from numpy import pi as PI", "int | None", "cache", "float | None", "assert radius is not None and radius > 0",
        'raise ValueError(f"{radius - 1} is too small")', "strict=True", "3",
    }  # fmt: skip


def test_the_statement_of_a_line_says_which_tests_ran_it():
    lines = [line.strip() for line in SOURCE.splitlines()]
    line = lines.index("if radius < 1:") + 1
    assert statement(SOURCE, line) == ["if radius < 1:"]
    assert statement(SOURCE, lines.index("PI") + 1) == ["return (", "PI", "* radius**2", ")"]
    assert statement(SOURCE, lines.index("WIDTH: int | None = 3") + 1) == []
    assert statement(SOURCE, lines.index("@cache") + 1) == lines[lines.index("@cache") + 1 :]


def test_a_changed_file_comes_back(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("one", encoding="utf-8")
    before, times = path.stat(), []
    for text in ("two", "six"):  # of one length: only the time tells byte code of one from that of the other
        with changed(path, text):
            assert path.read_text(encoding="utf-8") == text
            times.append(path.stat().st_mtime)
    assert len({before.st_mtime, *times}) == 3
    assert path.read_text(encoding="utf-8") == "one"
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_child_that_hangs_is_ended_with_its_own_children(tmp_path):
    """With .05 s of CPU it has a second of wall clock; the child and its child sleep for a minute."""
    program = """
import os, subprocess, sys, time
from mutation.forked import in_child
def hang():
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open(sys.argv[1], "w").write(str(sleeper.pid))
    sleeper.wait()
assert in_child(hang, 0.05) is None
time.sleep(0.5)
state = open(f"/proc/{open(sys.argv[1]).read()}/stat").read().split()[2] if os.path.exists(
    f"/proc/{open(sys.argv[1]).read()}") else "gone"
assert state in ("Z", "gone"), state
"""
    call = [sys.executable, "-c", program, tmp_path / "pid"]
    subprocess.run(call, cwd=Path(__file__).parent, check=True, timeout=60)
