"""A small VAE in JAX whose parts can be replaced one by one, and what its user would hold.

Data of seed 0 are digits (1797 × 64, in units of 16), those of seed 1 standardised breast cancer data (569 × 30),
unless a case needs others. An encoder returns (μ, s); s = ln σ² unless a slip is about it.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from sklearn import datasets

UPDATES, BATCH, RATE, HIDDEN, LATENTS = 8000, 128, 3e-3, 96, 10
Tree = Any  # of arrays


@dataclass
class Held:
    """What a user hands over: arrays, the loss as believed, the decoder as layers."""

    mean: np.ndarray
    log_variance: np.ndarray
    data: np.ndarray
    loss: tuple[str, dict]  #: a constructor of `Loss`, and its arguments
    decoder: tuple[list, str] | None  #: layers, and what its output goes through
    more: dict = field(default_factory=dict)  #: further arguments of `diagnose`


def digits() -> np.ndarray:
    return datasets.load_digits().data / 16


def cancer() -> np.ndarray:
    x = datasets.load_breast_cancer().data
    return (x - x.mean(axis=0)) / x.std(axis=0)


def usual(seed: int) -> tuple[np.ndarray, float]:
    """Return data and a price at which some of ten latents are worth it."""
    return ((digits(), 0.15), (cancer(), 1.0))[seed]


def layers(key, *sizes: int) -> list:
    keys = jax.random.split(key, len(sizes))
    pairs = zip(keys, sizes, sizes[1:], strict=False)
    return [(jax.random.normal(k, (m, n)) * m**-0.5, jnp.zeros(n)) for k, m, n in pairs]


def mlp(p: list, x, act=jax.nn.silu):
    for w, b in p[:-1]:
        x = act(x @ w + b)
    return x @ p[-1][0] + p[-1][1]


def start(seed: int, d: int, latents: int = LATENTS) -> Tree:
    one, two = jax.random.split(jax.random.key(seed + 100))
    return {"e": layers(one, d, HIDDEN, 2 * latents), "d": layers(two, latents, HIDDEN, d)}


def encode(p: Tree, x, act=jax.nn.silu):
    return jnp.split(mlp(p["e"], x, act), 2, axis=1)


def decode(p: Tree, z, act=jax.nn.silu):
    return mlp(p["d"], z, act)


def sampled(mu, s, key):
    return mu + jnp.exp(s / 2) * jax.random.normal(key, mu.shape)


def kl(mu, s):
    return 0.5 * (mu**2 + jnp.exp(s) - 1 - s).sum(axis=1).mean()


def half_square(x, output):
    return 0.5 * ((x - output) ** 2).sum(axis=1).mean()


def bits(x, logits):
    return optax.sigmoid_binary_cross_entropy(logits, x).sum(axis=1).mean()


def vae(beta, encode=encode, sample=sampled, kl=kl, rec=half_square, weight=lambda share: 1.0, decode=decode):
    """Return the loss of a batch; a slip puts something else in place of one part."""

    def cost(p, x, key, share):
        mu, s = encode(p, x)
        return rec(x, decode(p, sample(mu, s, key))) + beta * weight(share) * kl(mu, s)

    return cost


def fit(cost, p: Tree, x, seed: int, updates=UPDATES, batch=BATCH, pace=None, rows=None, trained=("e", "d", "o")):
    """Train with Adam; `rows(key)` picks a batch, `trained` names the parts that the optimiser was given."""
    x = jnp.asarray(x, "f")
    pace = pace or optax.cosine_decay_schedule(RATE, updates)
    optimizer = optax.adam(pace)
    rows = rows or (lambda key: jax.random.randint(key, (batch,), 0, len(x)))

    def update(state, i):
        p, moments, key = state
        key, pick, noise = jax.random.split(key, 3)
        slope = jax.grad(cost)(p, x[rows(pick)], noise, i / updates)
        slope = {part: g if part in trained else jax.tree.map(jnp.zeros_like, g) for part, g in slope.items()}
        step, moments = optimizer.update(slope, moments)
        return (optax.apply_updates(p, step), moments, key), None

    run = jax.jit(lambda p: lax.scan(update, (p, optimizer.init(p), jax.random.key(seed)), jnp.arange(updates))[0][0])
    return jax.tree.map(lambda part: np.asarray(part, float), run(p))


def held(p: Tree, x, loss, encode=encode, output="identity", **more) -> Held:
    mu, s = (np.asarray(part, float) for part in encode(p, jnp.asarray(x, "f")))
    return Held(mu, s, np.asarray(x), loss, (p["d"], output), more)


def gaussian(beta: float, **options) -> tuple[str, dict]:
    return "gaussian", {"beta": beta, **options}


def plain(seed: int, **parts) -> Held:
    """Train on the usual data with one part replaced; the user believes the usual loss."""
    x, price = usual(seed)
    p = fit(vae(price, **parts), start(seed, x.shape[1]), x, seed)
    return held(p, x, gaussian(price), parts.get("encode", encode))
