"""What a caller is told while a branch is followed."""

import numpy as np
import pytest

from landau_vae import Loss, Spectrum
from landau_vae.numeric.continuation import coexistence, follow
from landau_vae.numeric.problems import Linear


def test_progress_is_the_control_of_each_point_as_it_is_found():
    heard = []
    problem = Linear(Spectrum.from_eigenvalues([2.0, 1.0]), Loss.gaussian(latents=1))
    diagram = follow(problem, 8, 4, switch="never", on_progress=heard.append)
    [branch] = diagram.branches  # collapsed above its threshold: one branch without special points
    np.testing.assert_array_equal(heard, branch.control[1:])
    assert len(heard) >= 2


def test_progress_of_a_search_for_minima_is_that_of_its_starts():
    heard = []
    problem = Linear(Spectrum.from_eigenvalues([2.0, 1.0]), Loss.gaussian(latents=1))
    coexistence(problem, 8, 0.5, places=3, starts=4, on_progress=heard.append)
    assert len(heard) == 3 * 5
    assert np.all(np.diff(heard) < 0)
    assert 0.5 < heard[-1] < heard[0] < 8
    assert heard[4] == pytest.approx(8 * (0.5 / 8) ** 0.25)  # the first of three places in ln β
