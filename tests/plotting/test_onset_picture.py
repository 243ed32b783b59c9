"""The picture of a first collapse shows the numbers that it claims to show."""

from dataclasses import replace

import numpy as np
import pytest

import landau_vae as lv


def test_the_picture_has_the_branches_the_places_and_the_bounds():
    rows = np.random.default_rng(3).gamma(1.0, size=(100, 1))
    found = lv.onset(rows, lv.Loss.gaussian(half=False), degree=4, frontier=True)
    left, middle, right = lv.plotting.onset(found).axes
    stable = left.lines[0].get_xydata()
    np.testing.assert_allclose(stable[:, 0], found.linear * found.collapse.stable.price)
    np.testing.assert_allclose(stable[:, 1], found.collapse.stable.rate)
    assert [line.get_linestyle() for line in left.lines[:2]] == ["-", "--"]
    assert left.lines[-1].get_xdata()[0] == found.maxwell
    assert [line.get_label() for line in middle.lines[:3]] == ["linear threshold", "Maxwell point", "spinodal"]
    for line in middle.lines[:3]:
        assert line.get_ydata()[0] == pytest.approx(0)  # the collapsed state itself
    assert middle.lines[0].get_ydata().min() == pytest.approx(-found.gain[0], rel=0.1)  # between states of the branch
    assert [line.get_label() for line in right.lines[:4]] == ["collapsed", "linear VAE", "one latent", "any VAE"]
    assert right.lines[2].get_xdata()[-1] == pytest.approx(found.maxwell, rel=1e-12)  # where its gain ends
    bound = found.frontier
    np.testing.assert_allclose(right.lines[3].get_ydata(), bound.unit * (bound.any - bound.dead))
    assert right.lines[4].get_xdata()[0] == found.proxy_beta


def test_bounds_of_far_outliers_can_be_drawn():
    """One row far out puts σ²_sG at more than 20 times the threshold: a margin of 5 % would reach below 0."""
    rows = np.random.default_rng(3).standard_normal((100, 1))
    rows[0] = 40.0
    found = lv.onset(rows, lv.Loss.gaussian(), degree=4)
    assert found.memorising > 1
    right = lv.plotting.onset(replace(found, proxy=40.0)).axes[2]
    assert 0 < right.get_xlim()[0] < found.linear < right.get_xlim()[1]
