"""The record of constraints on each row (tests/studies/constraint_per_row.json): what the docstring says of it."""

import json
import sys
from pathlib import Path

import pytest

from landau_vae.loss import Constraint

STUDIES = Path(__file__).parents[1] / "studies"
sys.path.insert(0, str(STUDIES))
RECORD = json.loads((STUDIES / "constraint_per_row.json").read_text(encoding="utf-8"))


def span(cases, what):
    ratios = [case[f"measured_{what}"] / case[what] for case in cases]
    return f"{min(ratios):.2f} … {max(ratios):.2f}"


def test_the_docstring_says_what_was_measured():
    words = " ".join(Constraint.__doc__.split())
    corners = [case for case in RECORD if case["kind"] != "square"]
    binding = [case for case in corners if case["price"] < case["beta"] * (1 - 1e-9)]
    idle = [case for case in corners if case not in binding]
    at_the_rate = [case for case in idle if abs(case["measured_price"] / case["price"] - 1) > 0.01]
    assert len(RECORD) == 126
    assert f"the price is {span(at_the_rate, 'price')} and the rate {span(at_the_rate, 'rate')} times" in words
    assert all(abs(case["limit"] / case["rate"] - 1) < 1e-6 for case in at_the_rate)
    narrow = [case for case in binding if case["spread"] < 0.2]
    assert f"has {span(narrow, 'price')} times the price and {span(narrow, 'rate')} times the rate" in words
    assert f"and {span(binding, 'price')} and {span(binding, 'rate')} times up to a spread of 0.84" in words
    assert f"{max(case['spread'] for case in binding):.2f}" == "0.84"
    square = [case for case in RECORD if case["kind"] == "square"]
    assert f"has {span(square, 'price')} times the price and {span(square, 'rate')} times the rate" in words


def test_a_case_that_is_minimised_anew_gives_the_recorded_numbers():
    from constraint_per_row import case

    wanted = {"spectrum": "three", "kind": "hinge", "beta": 2.0, "encoder": "linear"}
    before = [each for each in RECORD if wanted.items() <= each.items()][1]
    now = case("three", "hinge", 2.0, 1.0, "linear")
    # The minimiser ends within 1e-6 of a flat minimum; other BLAS libraries sum rows in another order.
    for name in ("price", "rate", "measured_price", "measured_rate", "spread"):
        assert now[name] == pytest.approx(before[name], rel=1e-4), name
