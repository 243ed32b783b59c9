"""Networks in NumPy and in JAX are the same function, and start where PyTorch would start them."""

import numpy as np
import pytest
from conftest import CLOSED

from landau_vae.training.network import ACTIVATIONS, Network

DEEP = Network(5, 2, (8, 6), "silu", learned_variance=True)


def test_weights_in_a_row_and_back():
    weights = DEEP.start(3, 1, log_variance=-4.0)
    flat = DEEP.flat(weights)
    assert flat.shape == (DEEP.size,)
    back = DEEP.weights(flat)
    np.testing.assert_array_equal(DEEP.flat(back), flat)
    assert [(a.shape, b.shape) for a, b in back.layers] == [(shape, shape[1:]) for shape in DEEP.shapes]
    assert back.log_decoder_variance.shape == (1,)


def test_starts_differ_by_seed_and_place_only():
    first = DEEP.start(3, 1)
    np.testing.assert_array_equal(DEEP.flat(first), DEEP.flat(DEEP.start(3, 1)))
    for other in [DEEP.start(3, 2), DEEP.start(4, 1)]:
        assert not np.isin(first.layers[0][0], other.layers[0][0]).any()


def test_a_start_is_uniform_within_the_root_of_the_inputs():
    """PyTorch's default for matrices and biases: 2 400 numbers fill ± 1/√100 to within a per mille of it."""
    network = Network(100, 24, (100,))
    for matrix, bias in network.start(0, 0).layers[:1]:
        assert 0.0999 < np.abs(matrix).max() <= 0.1
        assert 0.09 < np.abs(bias).max() <= 0.1
    half = network.start(0, 0, scale=0.5).layers[0][0]
    np.testing.assert_allclose(half, network.start(0, 0).layers[0][0] / 2, rtol=CLOSED)


def test_the_bias_of_the_logarithm_of_the_variance():
    network = Network(3, 2, (4,))
    plain, shifted = network.start(0, 0), network.start(0, 0, log_variance=-4.0)
    np.testing.assert_array_equal(plain.layers[1][1][:2], shifted.layers[1][1][:2])
    np.testing.assert_array_equal(shifted.layers[1][1][2:], [-4, -4])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (7,), (8, 6)])
def test_numpy_and_jax_compute_the_same(activation, hidden, rng):
    jax = pytest.importorskip("jax")
    network = Network(5, 2, hidden, activation)
    weights, rows, latent = network.start(0, 0), rng.standard_normal((40, 5)), rng.standard_normal((40, 2))
    with jax.enable_x64(True):
        there = jax.tree.map(jax.numpy.asarray, weights)
        for ours, theirs in [
            (network.encode(weights, rows), network.encode(there, jax.numpy.asarray(rows))),
            ((network.decode(weights, latent),), (network.decode(there, jax.numpy.asarray(latent)),)),
        ]:
            for mine, other in zip(ours, theirs, strict=True):
                assert isinstance(mine, np.ndarray)
                np.testing.assert_allclose(mine, other, rtol=0, atol=CLOSED)
