"""Odd command lines end in an answer or in one clear sentence: see `odd_lines.py` for what that means.

The blocks that lines are made of stand in tables (`odd_files.py`, `odd_lines.py`); a seed combines them at random.
Another seed gives other lines: `python tests/odd_inputs/odd_lines.py SEED COUNT`. They run one after another in one
process. What depends on the surroundings of a process, such as a full disk, is in `odd_surroundings.py`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SECONDS = 1500  # for a script; they take some minutes on a machine that is not busy


def run(script, *numbers):
    """What was wrong with each run of a script, and the totals; the numbers are its seed, its count and so on."""
    words = [sys.executable, HERE / script, *map(str, numbers)]
    process = subprocess.run(words, cwd=HERE.parents[1], capture_output=True, text=True, timeout=SECONDS)
    assert process.returncode == 0, process.stderr[-2000:]
    *found, totals = map(json.loads, process.stdout.splitlines())
    return [each for each in found if "wrong" in each], totals


def check_lines(seed, count):
    found, totals = run("odd_lines.py", seed, count)
    assert (found, totals["runs"]) == ([], count)
    assert totals["fine"] > count / 20 < totals["refused"]  # both kinds occur


def test_odd_lines():
    check_lines(seed=20, count=30)


def check_surroundings(seed, count, first=0, step=1):
    found, totals = run("odd_surroundings.py", seed, count, first, step)
    assert (found, totals["runs"]) == ([], len(range(first, count, step)))


# In parts, so that two processes share the work.
@pytest.mark.slow
@pytest.mark.parametrize("seed", [2026, 2027, 2028, 2029])
def test_many_odd_lines(seed):
    check_lines(seed, count=150)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(5))
def test_many_odd_surroundings(first):
    """Each of them once or twice."""
    check_surroundings(seed=2026, count=115, first=first, step=5)
