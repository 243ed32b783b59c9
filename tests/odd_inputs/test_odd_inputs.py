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


def run(script, seed, count):
    """What was wrong with each of so many runs, and the totals."""
    words = [sys.executable, HERE / script, str(seed), str(count)]
    process = subprocess.run(words, cwd=HERE.parents[1], capture_output=True, text=True, timeout=SECONDS)
    assert process.returncode == 0, process.stderr[-2000:]
    *found, totals = map(json.loads, process.stdout.splitlines())
    assert totals["runs"] == count
    return [each for each in found if "wrong" in each], totals


def check_lines(seed, count):
    found, totals = run("odd_lines.py", seed, count)
    assert found == []
    assert totals["fine"] > count / 20 < totals["refused"]  # both kinds occur


def test_odd_lines():
    check_lines(seed=20, count=60)


def test_odd_surroundings():
    assert run("odd_surroundings.py", seed=20, count=6)[0] == []


@pytest.mark.slow
def test_many_odd_lines():
    check_lines(seed=2026, count=600)


@pytest.mark.slow
def test_many_odd_surroundings():
    assert run("odd_surroundings.py", seed=2026, count=115)[0] == []  # each of them once or twice
