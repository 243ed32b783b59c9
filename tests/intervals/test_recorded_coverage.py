"""How often intervals hold the population's values: the record of `interval_coverage.py`, and some of it anew."""

import json
import sys
from dataclasses import fields
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLED

STUDIES = Path(__file__).parents[1] / "studies"
LEAST = 0.85  # that 95 % intervals hold where they are given
NOTED = 0.1  # share of a cell's modes with an interval from which the cell counts
SHORT = 0.03  # share of cells that may be below by chance, or because tails are the heaviest of all
SAMPLE = 12


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return json.loads((STUDIES / "interval_coverage.json").read_text())["models"]


def noise(row: dict) -> float:
    """What chance does to a share of 0.85: the groups of a table hold or fail together, so tables are counted."""
    return SAMPLED * sqrt(LEAST * (1 - LEAST) / row["draws"])


def test_intervals_hold_where_they_are_given(rows):
    given = [row for row in rows if row["given"] >= NOTED]
    assert len(given) > 0.5 * len(rows)
    lowest = [min(row["lambda"], row["share"]) for row in given]
    assert np.mean(np.array(lowest) < LEAST) < SHORT
    assert [row for row, low in zip(given, lowest, strict=True) if low < LEAST - noise(row)] == []
    for name in ("lambda", "share"):
        assert np.mean([row[name] for row in given]) > 0.95


def test_no_interval_is_given_of_fewer_rows_than_columns(rows):
    """But of modes that stand out."""
    few = [row["given"] for row in rows if row["rows"] < row["columns"] and row["method"] != "bootstrap"]
    assert np.mean(few) < 0.05


@pytest.mark.slow
def test_a_sample_anew(rows):
    """The same seeds give the same tables, so that shares differ by rounding at ties only."""
    sys.path.insert(0, str(STUDIES))
    try:
        from interval_coverage import Cell, measured
    finally:
        sys.path.remove(str(STUDIES))
    small = [row for row in rows if row["rows"] * row["columns"] < 10_000]
    for index in np.random.default_rng(0).choice(len(small), SAMPLE, replace=False):
        row = small[index]
        again = measured(Cell(**{each.name: row[each.name] for each in fields(Cell)}))
        for name in ("given", "lambda", "share"):
            assert (row[name] is None) == (again[name] is None)
            assert row[name] is None or abs(again[name] - row[name]) < 0.03
