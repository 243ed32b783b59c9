"""One latent, a free decoder and a posterior of its own for each row: the least loss, by a minimiser and quadrature.

It shares nothing with the package: terms are written anew, in JAX, whose derivatives the minimiser uses. The decoder
is b + w z + q (z² − 1)/√2, which holds both channels that a first collapse has.
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

NODE, MASS = np.polynomial.hermite_e.hermegauss(24)
MASS = MASS / MASS.sum()
OPTIONS = {"maxiter": 3000, "maxfun": 6000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 20}


class FreeVAE:
    """A term ℓ(x, f) of rows, (n, d) and (n, m) → (n,); `guess` is a first b, (m,)."""

    def __init__(self, term, x, guess, encoder="free", outputs_of=None):
        self.x, self.m, self.n = jnp.asarray(x), len(guess), len(x)
        self.term, self.linear, self.profile = term, encoder == "linear", outputs_of
        with jax.enable_x64(True):
            constant = jax.jit(jax.value_and_grad(lambda b: self._term(jnp.tile(b, (self.n, 1, 1)), jnp.ones(1))))
            found = self._least(constant, np.asarray(guess, dtype=float))
            self.b, self.dead = found.x, found.fun
            self.loss = jax.jit(jax.value_and_grad(self._loss))

    def _term(self, f, mass):
        """⟨ℓ⟩ of outputs (n, nodes, m)."""
        each = jax.vmap(lambda f: self.term(self.x, f), in_axes=1, out_axes=1)(f)
        return (each @ mass).mean() if self.profile is None else self.profile(each, mass)

    def _loss(self, unknowns, price):
        decoder, posterior = unknowns[: 3 * self.m].reshape(3, -1), unknowns[3 * self.m :]
        if self.linear:
            y = (self.x - self.x.mean(axis=0)) / self.x.std(axis=0)
            mean, v = (y @ part for part in posterior.reshape(2, -1))
        else:
            mean, v = posterior.reshape(2, -1)
        z = mean[:, None] + jnp.exp(v)[:, None] * NODE
        basis = jnp.stack([jnp.ones_like(z), z, (z**2 - 1) / 2**0.5], axis=-1)
        kl = (mean**2 + jnp.exp(2 * v) - 1) / 2 - v
        return self._term(basis @ decoder, jnp.asarray(MASS)) + price * kl.mean()

    def _least(self, function, start, *args):
        def numpy(u):
            value, slope = function(jnp.asarray(u), *args)
            return float(value), np.asarray(slope)

        return minimize(numpy, start, jac=True, method="L-BFGS-B", options=OPTIONS)

    def gain(self, price, size, seed, start=None):
        """How far the least loss found from a start of some size lies below the collapsed one; and where."""
        rng, free = np.random.default_rng(seed), 2 * (self.x.shape[1] if self.linear else self.n)
        if start is None:
            start = np.concatenate([self.b, size * rng.standard_normal(2 * self.m), size * rng.standard_normal(free)])
        with jax.enable_x64(True):
            found = self._least(self.loss, start, price)
        return self.dead - found.fun, found.x

    def lives(self, price, sizes=(0.1, 1.0), seeds=(0, 1)):
        """The largest gain over starts."""
        return max(self.gain(price, size, seed)[0] for size in sizes for seed in seeds)
