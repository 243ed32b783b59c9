"""Loops of one's own: in JAX both gradients come from one backward pass, by terms of zero that are added to μ and z."""

import numpy as np
import pytest

import landau_vae as lv

jax = pytest.importorskip("jax")


def test_a_loop_in_jax(rng):
    jnp = jax.numpy
    x, noise = (rng.standard_normal(shape).astype(np.float32) for shape in ((64, 5), (64, 2)))
    weights = {name: rng.standard_normal(shape).astype(np.float32) / 3 for name, shape in
               {"mean": (5, 2), "log_variance": (5, 2), "decoder": (2, 5)}.items()}  # fmt: skip
    nothing = np.zeros((64, 2), np.float32)

    def loss(weights, at_mean, at_z):
        mean, log_variance = x @ weights["mean"] + at_mean, x @ weights["log_variance"]
        z = mean + jnp.exp(log_variance / 2) * noise + at_z
        kl = 0.5 * (mean**2 + jnp.exp(log_variance) - 1 - log_variance).sum(1)
        error = 0.5 * ((jnp.tanh(z) @ weights["decoder"] - x) ** 2).sum(1)
        return (error + 0.7 * kl).mean(), (mean, log_variance)

    gradients, (mean, log_variance) = jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))(
        weights, nothing, nothing
    )
    monitor = lv.Monitor(loss=lv.Loss.gaussian(0.7))
    monitor.update(mean, log_variance, x, noise, grad_z=gradients[2], grad_mean=gradients[1])
    np.testing.assert_allclose(monitor.log()["price_applied"], 0.7, rtol=1e-5)  # gradients in float32
