"""Odd command lines end in an answer or in one clear sentence: see `odd_lines.py` for what that means.

The blocks that lines are made of stand in tables (`odd_files.py`, `odd_lines.py`); a seed combines them at random.
Another seed gives other lines: `python tests/odd_inputs/odd_lines.py SEED COUNT`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SECONDS = 900  # for 600 lines; they take one or two minutes


def run(seed, count):
    """What was wrong with each of so many lines, which run one after another in one process of their own."""
    words = [sys.executable, HERE / "odd_lines.py", str(seed), str(count)]
    process = subprocess.run(words, cwd=HERE.parents[1], capture_output=True, text=True, timeout=SECONDS)
    assert process.returncode == 0, process.stderr[-2000:]
    *found, totals = map(json.loads, process.stdout.splitlines())
    assert totals["lines"] == count
    assert totals["fine"] > count / 10 < totals["refused"]  # both kinds occur
    return [each for each in found if "wrong" in each]


def test_odd_lines():
    assert run(seed=20, count=60) == []


@pytest.mark.slow
def test_many_odd_lines():
    assert run(seed=2026, count=600) == []
