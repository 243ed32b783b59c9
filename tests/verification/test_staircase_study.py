"""Staircases against grids of 60 temperatures, as tests/studies/staircase.py records them: bars, and a sample anew."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

STUDIES = Path(__file__).parents[1] / "studies"
APART, UPDATES = 0.1, 0.25  # of an onset; of the updates of the grid


def test_four_onsets_for_a_quarter_of_the_updates():
    record = json.loads((STUDIES / "staircase.json").read_text(encoding="utf-8"))
    assert {each["data"] for each in record["found"]} >= {"gaussian", "gamma"}
    for each in record["found"]:
        assert np.abs(np.log(each["ratio"])).max() < APART
        assert each["updates_ratio"] <= UPDATES
        low, high = np.array(each["bracket"], dtype=float).T
        assert np.all((low < each["staircase"]) & (np.array(each["staircase"]) < high))


def test_the_second_onset_on_worldclim():
    """By codes within 15 %, one standard error over rows, of where rates say; in places it is half as warm again."""
    record = json.loads((STUDIES / "next_onset.json").read_text(encoding="utf-8"))
    assert abs(np.log(record["bulk"] / record["scan"])) < 0.15
    assert record["bulk_error"] < 0.2
    assert record["places"] > 1.2 * record["bulk"]


@pytest.mark.slow
def test_a_staircase_of_networks_anew():
    """Two latents on Gaussian rows, 1 500 updates each: no network shifts an onset, so that they are λ/V.

    After 1 500 updates a rate of .08 … .2 nats is off by less than .03, 6 % of T.
    """
    pytest.importorskip("jax", reason="the studies train with JAX")
    sys.path.insert(0, str(STUDIES))
    try:
        import staircase
    finally:
        sys.path.remove(str(STUDIES))
    import landau_vae as lv

    rows = staircase.gaussian(0)[:, :3]
    found = lv.spectroscopy(staircase.fit_of(rows, 1500, 2), "staircase", data=rows, floor=1.0)
    assert found.scan.sizes["temperature"] <= 6
    expected = rows[:, :2].var(axis=0) / rows.var(axis=0).sum()
    np.testing.assert_allclose(found.begins, expected, rtol=APART)
    np.testing.assert_allclose(found.foreseen, expected, rtol=APART)
