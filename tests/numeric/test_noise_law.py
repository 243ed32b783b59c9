"""The distance of a bulk from the Marchenko–Pastur law, against SciPy's test and an integral of the density."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from landau_vae import Spectrum
from landau_vae.numeric import noise_floor

N, D = 401, 100
# More eigenvalues than the law has lie low in the first, fewer in the second: each half of the distance decides once.
BULKS = {
    "weak": np.r_[np.linspace(2.1, 1.0, 55), np.full(45, 0.4)],
    "strong": np.r_[np.full(90, 1.05), np.full(10, 0.55)],
}


def share_below(value, noise, samples, features):
    """The law by quadrature of its density, √((b − x)(x − a))/2πγηx between a and b = η(1 ± √γ)²."""
    gamma = features / samples
    a, b = (noise * (1 + sign * gamma**0.5) ** 2 for sign in (-1, 1))
    density = lambda x: np.sqrt(max((b - x) * (x - a), 0)) / (2 * np.pi * gamma * noise * x)  # noqa: E731
    return quad(density, a, min(max(value, a), b))[0]


@pytest.mark.parametrize("name", BULKS)
def test_distance_is_that_of_kolmogorov_and_smirnov(name):
    floor = noise_floor(Spectrum.from_eigenvalues(BULKS[name]), N)
    assert floor.spikes == 0  # so that the law is that of n − 1 rows and all features
    law = np.vectorize(lambda value: share_below(value, BULKS[name].mean(), N - 1, D))
    expected = kstest(BULKS[name], law)
    assert floor.distance == pytest.approx(expected.statistic, abs=1e-7)  # quadrature across two square roots
    assert expected.statistic_sign == {"weak": 1, "strong": -1}[name]
