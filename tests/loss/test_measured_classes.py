"""Losses of classes in NumPy: with indices or one-hot, the classes on the axis that the shapes leave."""

import numpy as np
import pytest

from landau_vae import Loss

B, C, T, LATENTS = 6, 5, 7, 3
EXACT = 1e-6  # what the measurement promises in double precision


def nats(mean, log_variance):
    return 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance)


def log_shares(logits, axis):
    return logits - np.log(np.sum(np.exp(logits), axis=axis, keepdims=True))


def measured(loss, x, x_hat, rng):
    mean, log_variance = rng.standard_normal((2, B, LATENTS))
    return Loss.measure(
        lambda x, x_hat, mean, log_variance: loss(x, x_hat) + 0.1 * nats(mean, log_variance) / B,
        like={"x": x, "x_hat": x_hat, "mean": mean, "log_variance": log_variance},
    )


def price(found, features):
    a, b = found.weights(features)
    return b / a


@pytest.mark.parametrize("axis", [1, 2])
def test_indices_lack_the_axis_of_the_classes(rng, axis):
    """Averaged over rows and tokens, a token costs 1/T of a sample: its price is .1 T."""
    labels, logits = rng.integers(0, C, (B, T)), rng.standard_normal((B, C, T) if axis == 1 else (B, T, C))

    def loss(x, x_hat):
        taken = np.take_along_axis(log_shares(x_hat, axis), np.expand_dims(x.astype(int), axis), axis)
        return -taken.mean()

    found = measured(loss, labels, logits, rng)
    assert found.likelihood.name == f"categorical({','.join([str(C)] * T)})"
    assert price(found, C * T) == pytest.approx(0.1 * T, rel=EXACT)


@pytest.mark.parametrize("link", ["logits", "log-shares", "shares"])
def test_classes_are_read_through_each_way_of_writing_them(rng, link):
    def loss(x, x_hat):
        of = {"logits": lambda y: log_shares(y, 1), "log-shares": lambda y: y, "shares": np.log}[link]
        return -(x * of(x_hat)).sum() / B

    one_hot = np.eye(C)[rng.integers(0, C, B)]
    shares = np.exp(log_shares(rng.standard_normal((B, C)), 1))
    found = measured(loss, one_hot, shares if link == "shares" else np.log(shares), rng)
    assert found.likelihood.name == f"categorical({C})"
    assert price(found, C) == pytest.approx(0.1, rel=EXACT)
