"""What a caller is told while a branch is followed."""

import numpy as np

from landau_vae import Loss, Spectrum
from landau_vae.numeric.continuation import follow
from landau_vae.numeric.problems import Linear


def test_progress_is_the_control_of_each_point_as_it_is_found():
    heard = []
    problem = Linear(Spectrum.from_eigenvalues([2.0, 1.0]), Loss.gaussian(latents=1))
    diagram = follow(problem, 8, 4, switch="never", on_progress=heard.append)
    [branch] = diagram.branches  # collapsed above its threshold: one branch without special points
    np.testing.assert_array_equal(heard, branch.control[1:])
    assert len(heard) >= 2
