"""What a loss is where nothing is said about it: the evidence lower bound, whose price is 1 in its own unit."""

import numpy as np
import pytest
from conftest import CLOSED

from landau_vae import Loss, Spectrum

ROWS = np.array([[0, 0, 1], [1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 0]])


@pytest.mark.parametrize(
    ("loss", "spectrum"),
    [
        (Loss.gaussian(), Spectrum.from_data(ROWS)),
        (Loss.bernoulli(), Spectrum.from_data(ROWS, likelihood="bernoulli")),
        (Loss.poisson(), Spectrum.from_data(ROWS, likelihood="poisson")),
        (Loss.of("bernoulli"), Spectrum.from_data(ROWS, likelihood="bernoulli")),
    ],
    ids=["gaussian", "bernoulli", "poisson", "of"],
)
def test_the_default_is_the_evidence_lower_bound(loss, spectrum):
    """−ln p(x|z) + KL, summed over features and latents: a nat of KL is worth a nat of the error."""
    assert loss.price(spectrum) == pytest.approx(1.0, rel=CLOSED)
