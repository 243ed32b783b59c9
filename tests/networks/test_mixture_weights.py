"""Weights of a mixture that may not be negative, against SciPy's active-set method."""

import numpy as np
import pytest
from scipy.optimize import nnls

from landau_vae.networks.mixture import _nonnegative


@pytest.mark.parametrize("seed", range(20))
def test_the_least_squares_of_weights_that_are_not_negative(seed):
    """½ wᵀGw − wᵀs with G = AᵀA and s = Aᵀb is ½ |Aw − b|² up to a constant; its optimum is unique."""
    rng = np.random.default_rng(seed)
    n = 2 + seed % 7
    a, b = rng.standard_normal((n + 3, n)), rng.standard_normal(n + 3)
    expected = nnls(a, b)[0]
    np.testing.assert_allclose(_nonnegative(a.T @ a, a.T @ b), expected, atol=1e-11)  # conditions up to 1e3, squared
