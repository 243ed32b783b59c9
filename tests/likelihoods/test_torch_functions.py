"""Terms and features of PyTorch: differentiated by it, in float64 or in the precision of the network."""

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.likelihoods import any_loss, perceptual

torch = pytest.importorskip("torch")
ROWS = np.random.default_rng(0).standard_normal((40, 6)) @ np.random.default_rng(1).standard_normal((6, 6))


def smooth(x, f):
    return torch.sqrt(1 + (f - x) ** 2) - 1


def pseudo_huber(x, f):
    return np.sqrt(1 + (f - x) ** 2) - 1


def test_a_term_of_tensors():
    found = lv.spectrum.score(ROWS, any_loss(smooth)).eigenvalues
    np.testing.assert_allclose(found, lv.spectrum.score(ROWS, any_loss(pseudo_huber)).eigenvalues, rtol=1e-5)


@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float64, 1e-5), (torch.float32, 1e-3)])
def test_features_of_a_network(precision, tolerance):
    """The same network in NumPy, by second differences; in float32, where its own rounding is 1e-7 of large sums."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.Tanh(), torch.nn.Linear(12, 12)).to(precision).eval()
    (a, b, c, d) = (each.detach().numpy().astype(float) for each in network.parameters())
    found = lv.spectrum.score(ROWS, perceptual(network)).eigenvalues
    expected = lv.spectrum.score(ROWS, perceptual(lambda x: np.tanh(x @ a.T + b) @ c.T + d)).eigenvalues
    np.testing.assert_allclose(found[:3], expected[:3], rtol=tolerance)


def test_linear_features_and_errors_of_tensors():
    shift = torch.nn.Linear(6, 3, bias=False).double()
    metric = shift.weight.detach().numpy()
    plain = lv.Spectrum.from_data(ROWS @ metric.T).eigenvalues
    found = lv.spectrum.score(ROWS, perceptual(shift)).eigenvalues
    np.testing.assert_allclose(found, 2 * plain, rtol=1e-6)  # of a square without ½; three directions only
    with pytest.raises(lv.InputError, match=r"TypeError|RuntimeError"):
        lv.spectrum.score(ROWS, perceptual(torch.nn.Linear(5, 3)))
