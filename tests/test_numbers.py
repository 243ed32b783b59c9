"""The numbers of a fixed set of calls (`fixed_numbers.py`) are those of `numbers.json`, from before a rebuild."""

import json
from pathlib import Path

import pytest
from fixed_numbers import collect, compare


@pytest.mark.slow
def test_numbers_are_those_on_file():
    recorded = json.loads((Path(__file__).parent / "numbers.json").read_text(encoding="utf-8"))
    lines = [line for line in compare(recorded, collect(), 1e-12) if not line.startswith("new ")]
    assert not lines, "\n".join(lines[:40])
