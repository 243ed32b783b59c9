"""Train models with slips of a second, independent list, and diagnose them as their user would.

The list was made without a look at the rules of the diagnosis. The truth of each slip stands here, and was written
before the first diagnosis. `python tests/studies/second.py train FOLDER` trains and saves, `… diagnose FOLDER FILE`
diagnoses what is saved.
"""

import json
import pickle
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn import datasets

import landau_vae as lv

Tree = Any
SEEDS = (0, 1)


# ------------------------------------------------------------------------------------------- data


def digits() -> np.ndarray:
    return datasets.load_digits().data / 16


def bits() -> np.ndarray:
    return (digits() > 0.5).astype(float)


def standardized(loader: Callable[[], Any]) -> np.ndarray:
    x = loader().data
    return (x - x.mean(axis=0)) / x.std(axis=0)


def wine() -> np.ndarray:
    return standardized(datasets.load_wine)


def cancer() -> np.ndarray:
    return standardized(datasets.load_breast_cancer)


def heavy() -> np.ndarray:
    """Return four factors and noise, all of Student's t with four degrees of freedom."""
    rng = np.random.default_rng(5)
    factors = rng.standard_t(4, (3000, 4)) * [2.0, 1.4, 1.0, 0.7]
    return factors @ np.linalg.qr(rng.standard_normal((12, 4)))[0].T + 0.3 * rng.standard_t(4, (3000, 12))


# ------------------------------------------------------------------------------------------- networks


def dense(key, sizes: tuple[int, ...]) -> list[Tree]:
    keys = jax.random.split(key, len(sizes) - 1)
    pairs = zip(keys, sizes[:-1], sizes[1:], strict=True)
    return [{"w": jax.random.normal(k, (m, n)) * (1.4 / m) ** 0.5, "b": jnp.zeros(n)} for k, m, n in pairs]


def mlp(layers: list[Tree], h):
    for layer in layers[:-1]:
        h = jax.nn.relu(h @ layer["w"] + layer["b"])
    return h @ layers[-1]["w"] + layers[-1]["b"]


def residual(layers: list[Tree], h):
    """Return a network whose hidden layers add to what they get, after layer normalisation."""
    h = h @ layers[0]["w"] + layers[0]["b"]
    for layer in layers[1:-1]:
        normal = (h - h.mean(axis=1, keepdims=True)) / (h.std(axis=1, keepdims=True) + 1e-3)
        h = h + jax.nn.gelu(normal @ layer["w"] + layer["b"])
    return h @ layers[-1]["w"] + layers[-1]["b"]


def convolved(p: Tree, h):
    """Return the encoder's head on two strided convolutions of 8 × 8 images."""
    h = h.reshape(-1, 8, 8, 1)
    for kernel in (p["first"], p["second"]):
        order = ("NHWC", "HWIO", "NHWC")
        h = jax.nn.relu(jax.lax.conv_general_dilated(h, kernel, (2, 2), "SAME", dimension_numbers=order))
    return mlp(p["encoder"], h.reshape(len(h), -1))


def plain_start(key, d: int, latents: int, hidden: int) -> Tree:
    one, two = jax.random.split(key)
    return {
        "encoder": dense(one, (d, hidden, hidden, 2 * latents)),
        "decoder": dense(two, (latents, hidden, hidden, d)),
    }


def conv_start(key, d: int, latents: int, hidden: int) -> Tree:
    one, two, three, four = jax.random.split(key, 4)
    kernels = {"first": jax.random.normal(one, (3, 3, 1, 16)) / 3, "second": jax.random.normal(two, (3, 3, 16, 24)) / 9}
    head, decoder = dense(three, (96, hidden, 2 * latents)), dense(four, (latents, hidden, hidden, d))
    return kernels | {"encoder": head, "decoder": decoder}


def skip_start(key, d: int, latents: int, hidden: int) -> Tree:
    p = plain_start(key, d, latents, hidden)
    return p | {"decoder": dense(key, (latents + hidden, hidden, hidden, d))}


def skipped(p: Tree, x):
    """Return the features that the decoder gets past the latent."""
    return jax.nn.relu(x @ p["encoder"][0]["w"] + p["encoder"][0]["b"])


@dataclass(frozen=True)
class Net:
    """An architecture: how it begins, encodes and decodes."""

    start: Callable[..., Tree] = plain_start
    encode: Callable[..., Any] = lambda p, x: mlp(p["encoder"], x)
    decode: Callable[..., Any] = lambda p, z: mlp(p["decoder"], z)


NETS = {
    "mlp": Net(),
    "sigmoid": Net(decode=lambda p, z: jax.nn.sigmoid(mlp(p["decoder"], z))),
    "conv": Net(conv_start, convolved),
    "residual": Net(encode=lambda p, x: residual(p["encoder"], x), decode=lambda p, z: residual(p["decoder"], z)),
    "skip": Net(skip_start, decode=lambda p, z, given: mlp(p["decoder"], jnp.concatenate([z, given], axis=1))),
}


# ------------------------------------------------------------------------------------------- terms of a loss


def mean_square(x, y, p=None):
    return ((x - y) ** 2).mean(axis=1)


def half_square(x, y, p=None):
    return 0.5 * ((x - y) ** 2).sum(axis=1)


def cross_entropy_of_probabilities(x, y, p=None):
    y = jnp.clip(y, 1e-6, 1 - 1e-6)
    return -(x * jnp.log(y) + (1 - x) * jnp.log(1 - y)).sum(axis=1)


def cross_entropy_of_logits(x, y, p=None):
    return (jax.nn.softplus(y) - x * y).sum(axis=1)


def learned(floor: float):
    def cost(x, y, p):
        log_variance = jnp.maximum(p["log_variance"], jnp.log(floor))
        return half_square(x, y) / jnp.exp(log_variance) + x.shape[1] / 2 * log_variance

    return cost


def kl_rows(mean, log_variance, z=None):
    return 0.5 * (mean**2 + jnp.exp(log_variance) - 1 - log_variance).sum(axis=1)


def kl_reversed(mean, log_variance, z=None):
    return 0.5 * ((1 + mean**2) / jnp.exp(log_variance) - 1 + log_variance).sum(axis=1)


def kl_of_deviation(mean, log_variance, z=None):
    """Return the formula with σ where σ² belongs."""
    return 0.5 * (mean**2 + jnp.exp(log_variance / 2) - 1 - log_variance / 2).sum(axis=1)


def kl_without_mean(mean, log_variance, z=None):
    return kl_rows(0 * mean, log_variance)


def kl_of_wide_prior(mean, log_variance, z=None):
    return 0.5 * ((mean**2 + jnp.exp(log_variance)) / 4 - 1 - log_variance + jnp.log(4.0)).sum(axis=1)


def kl_of_batch_means(mean, log_variance, z=None):
    return kl_rows(mean.mean(axis=0, keepdims=True), log_variance.mean(axis=0, keepdims=True))


def kl_sampled_detached(mean, log_variance, z):
    """Return ln q(z|x) − ln p(z) with z detached: its mean gradient is zero."""
    z = jax.lax.stop_gradient(z)
    return 0.5 * (z**2 - (z - mean) ** 2 / jnp.exp(log_variance) - log_variance).sum(axis=1)


def capacity(mean, log_variance, z=None):
    return abs(kl_rows(mean, log_variance).mean() - 6.0)


def mmd(mean, log_variance, z):
    """Return the squared maximum mean discrepancy between z and the prior."""
    other = jax.random.normal(jax.random.key(3), z.shape)

    def kernel(a, b):
        return jnp.exp(-((a[:, None] - b[None]) ** 2).mean(axis=2) / 2).mean()

    return kernel(z, z) + kernel(other, other) - 2 * kernel(z, other)


def normal(key, mean):
    return jax.random.normal(key, mean.shape)


def same(x):
    return x


def batch_norm(mean):
    return (mean - mean.mean(axis=0)) / (mean.std(axis=0) + 1e-4)


def elbo(net="mlp", cost=half_square, kl=kl_rows, noise=normal, head=same, target=same, l2=0.0, low=-np.inf):
    """Return a training objective: (weights, rows, key, β) → number."""

    def objective(p, x, key, beta):
        mean, log_variance = jnp.split(NETS[net].encode(p, x), 2, axis=1)
        mean, log_variance = head(mean), jnp.maximum(log_variance, low)
        z = mean + jnp.exp(log_variance / 2) * noise(key, mean)
        y = NETS[net].decode(p, z, skipped(p, x)) if net == "skip" else NETS[net].decode(p, z)
        squares = sum((w**2).sum() for w in jax.tree.leaves(p)) if l2 else 0.0
        return cost(target(x), y, p).mean() + beta * kl(mean, log_variance, z).mean() + l2 * squares

    return objective


def iwae(draws: int, variance: float):
    """Return the importance-weighted bound of a Gaussian decoder."""

    def objective(p, x, key, beta):
        mean, log_variance = jnp.split(NETS["mlp"].encode(p, x), 2, axis=1)
        noise = jax.random.normal(key, (draws, *mean.shape))
        z = mean + jnp.exp(log_variance / 2) * noise
        y = NETS["mlp"].decode(p, z)
        ratio = 0.5 * (noise**2 + log_variance - z**2).sum(axis=2)
        weight = -0.5 * ((x - y) ** 2).sum(axis=2) / variance + beta * ratio
        return -jax.nn.logsumexp(weight, axis=0).mean()

    return objective


# ------------------------------------------------------------------------------------------- training


def trained(
    x, seed, objective, beta, net="mlp", latents=8, hidden=64, updates=8000, rate=2e-3, batch=128,
    frozen=(), order=None, decay=True, extra=None,
):  # fmt: skip
    """Return the weights after Adam; β may be a number or one for each update."""
    p = NETS[net].start(jax.random.key(seed), x.shape[1], latents, hidden) | (extra or {})
    rng = np.random.default_rng(seed)
    at = rng.integers(0, len(x), (updates, batch)) if order is None else order(len(x), updates, batch)
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, updates, 0.01) if decay else rate)
    rows = jnp.asarray(x, jnp.float32)

    @jax.jit
    def loop(p, at, beta, keys):
        def update(state, now):
            p, moments = state
            slope = jax.grad(objective)(p, rows[now[0]], now[2], now[1])
            slope = {k: jax.tree.map(jnp.zeros_like, v) if k in frozen else v for k, v in slope.items()}
            step, moments = optimizer.update(slope, moments, p)
            return (optax.apply_updates(p, step), moments), None

        return jax.lax.scan(update, (p, optimizer.init(p)), (at, beta, keys))[0][0]

    weights = jnp.broadcast_to(jnp.asarray(beta, jnp.float32), (updates,))
    p = loop(p, jnp.asarray(at), weights, jax.random.split(jax.random.key(seed + 100), updates))
    return jax.tree.map(np.asarray, p)


def encoded(p: Tree, x, net="mlp", head=same) -> tuple[np.ndarray, np.ndarray]:
    mean, log_variance = jnp.split(NETS[net].encode(p, jnp.asarray(x, jnp.float32)), 2, axis=1)
    return np.asarray(head(mean)), np.asarray(log_variance)


def held(x, p, loss, net="mlp", head=same, posterior=None, **more) -> dict[str, Any]:
    """Return what a user holds after training."""
    mean, log_variance = posterior or encoded(p, x, net, head)
    return {
        "mean": mean, "spread": {"log_variance": log_variance}, "data": x, "loss": loss, "net": net, "weights": p,
    } | more  # fmt: skip


def gaussian(beta: float, **more) -> tuple[str, dict[str, Any]]:
    return "gaussian", {"beta": beta, **more}


# ------------------------------------------------------------------------------------------- slips


@dataclass(frozen=True)
class Slip:
    """A way to go wrong: the truth, what a report must say to have named it, and the model of a seed."""

    truth: str
    names_it: str
    model: Callable[[int], dict[str, Any]]
    terms: tuple[Callable[..., Any], Callable[..., Any], float] | None = None  #: reconstruction, KL, β as coded


def simple(x, beta, loss=None, head=same, net="mlp", settings=None, **objective):
    """Return a slip that is an argument of `elbo`."""

    def model(seed):
        p = trained(x(), seed, elbo(net=net, head=head, **objective), beta, net=net, **(settings or {}))
        return held(x(), p, loss or gaussian(beta), net, head)

    return model


def in_order(n: int, updates: int, batch: int) -> np.ndarray:
    """Return rows as a loader gives them that doesn't shuffle, of a file that is sorted by class."""
    rows = np.argsort(datasets.load_digits().target, kind="stable")
    return np.resize(rows, updates * batch).reshape(updates, batch)


def weighted(x, y, p=None):
    weight = jnp.where(jnp.arange(x.shape[1]) % 8 < 4, 10.0, 1.0)
    return 0.5 * (weight * (x - y) ** 2).sum(axis=1)


def distance(x, y, p=None):
    return jnp.sqrt(((x - y) ** 2).sum(axis=1) + 1e-12)


def _sigma_as_variance(seed):
    x = cancer()
    p = trained(x, seed, elbo(kl=kl_of_deviation), 1.0)
    return held(x, p, gaussian(1.0), spread={"std": np.exp(encoded(p, x)[1] / 2)})


def _detached(seed):
    """Clamp ln σ² at −8, without which the run ends in NaN."""
    p = trained(cancer(), seed, elbo(kl=kl_sampled_detached, low=-8.0), 1.0)
    mean, log_variance = encoded(p, cancer())
    return held(cancer(), p, gaussian(1.0), posterior=(mean, np.maximum(log_variance, -8.0)))


def _floor(seed):
    p = trained(digits(), seed, elbo(cost=learned(0.1)), 1.0, extra={"log_variance": jnp.zeros(())})
    return held(digits(), p, gaussian(1.0, decoder_variance="learned"))


def _iwae(seed):
    p = trained(digits(), seed, iwae(10, 0.1), 1.0, updates=5000, latents=6)
    return held(digits(), p, gaussian(1.0, decoder_variance=0.1))


def _skip(seed):
    x = cancer()
    p = trained(x, seed, elbo(net="skip"), 1.0, net="skip", hidden=32)
    return held(x, p, gaussian(1.0), "skip", given=np.asarray(skipped(p, jnp.asarray(x, jnp.float32))))


def _other_scale(seed):
    p = trained(digits(), seed, elbo(), 0.1)
    return held(digits(), p, gaussian(0.1), posterior=encoded(p, 16 * digits()))


def _sample_for_mean(seed):
    p = trained(wine(), seed, elbo(), 0.5)
    mean, log_variance = encoded(p, wine())
    z = mean + np.exp(log_variance / 2) * np.random.default_rng(seed).standard_normal(mean.shape)
    return held(wine(), p, gaussian(0.5), posterior=(z, log_variance))


def _swapped(seed):
    p = trained(digits(), seed, elbo(), 0.1)
    return held(digits(), p, gaussian(0.1), posterior=encoded(p, digits())[::-1])


SLIPS = {
    "reversed-kl": Slip(
        "The KL is written the wrong way round: KL(p‖q) in place of KL(q‖p).",
        "the KL has another form (reversed, not the closed form of q against p)",
        simple(cancer, 1.0, kl=kl_reversed), (half_square, kl_reversed, 1.0),
    ),
    "sigma-as-variance": Slip(
        "The KL formula gets σ where σ² belongs; z is drawn with σ.",
        "σ and σ² (or log σ and log σ²) are confused",
        _sigma_as_variance, (half_square, kl_of_deviation, 1.0),
    ),
    "no-mean-term": Slip(
        "The μ² is missing from the KL: means are not penalised.",
        "the mean is not penalised / μ² is missing",
        simple(cancer, 1.0, kl=kl_without_mean), (half_square, kl_without_mean, 1.0),
    ),
    "wide-prior": Slip(
        "The prior of the loss has standard deviation 2, not 1.",
        "the prior is not N(0, 1) / has another scale",
        simple(digits, 0.1, kl=kl_of_wide_prior), (half_square, kl_of_wide_prior, 0.1),
    ),
    "detached-z": Slip(
        "The KL is a Monte-Carlo estimate at a detached z, so its mean gradient is zero: the KL is never minimised.",
        "the KL term has no effect on the gradient",
        _detached,
    ),
    "batch-mean-kl": Slip(
        "The KL is computed of μ and ln σ² averaged over the batch, not row by row: only the average is penalised.",
        "the KL is of averages over the batch, or does not act on the rows' means",
        simple(digits, 0.1, kl=kl_of_batch_means), (half_square, kl_of_batch_means, 0.1),
    ),
    "mmd": Slip(
        "The penalty is an MMD between z and the prior, not the KL.",
        "the penalty is not the KL of each row (an MMD, aggregate or other penalty), or the KL is absent",
        simple(digits, 0.2, kl=mmd),
    ),
    "capacity": Slip(
        "The loss holds γ |KL − C| with C = 6 nats, which pins the KL at C; γ is stated as β.",
        "a capacity / target / free nats up to a limit",
        simple(cancer, 3.0, kl=capacity), (half_square, capacity, 3.0),
    ),
    "feature-weights": Slip(
        "Half of the features count ten times in the reconstruction term; a plain squared error is stated.",
        "features are weighted unequally / the reconstruction term is another one than stated",
        simple(digits, 0.3, cost=weighted), (weighted, kl_rows, 0.3),
    ),
    "distance": Slip(
        "The reconstruction term is the norm ‖x − x̂‖ and not its square.",
        "the error is not squared (a norm, a root) / the reconstruction term has another form",
        simple(digits, 0.1, loss=gaussian(0.1, half=False), cost=distance), (distance, kl_rows, 0.1),
    ),
    "variance-floor": Slip(
        "The decoder variance is stated as learned, but rests on its floor of 0.1, far above the squared error.",
        "the learned variance is bounded / did not reach the mean squared error",
        _floor,
    ),
    "iwae": Slip(
        "The objective is the importance-weighted bound of ten draws, not the ELBO.",
        "another objective than the ELBO (several draws, importance weights)",
        _iwae,
    ),
    "uniform-noise": Slip(
        "The noise is uniform on [0, 1] (rand_like for randn_like): its mean is ½ and its variance 1/12.",
        "the noise of z is not N(0, 1) / z is not drawn from the posterior handed in",
        simple(cancer, 1.0, noise=lambda key, mean: jax.random.uniform(key, mean.shape)),
    ),
    "shared-noise": Slip(
        "One ε of shape (B, 1) is shared by all latents of a row, so the noise has one direction only.",
        "the noise is shared between latents / correlated / not independent",
        simple(digits, 0.1, noise=lambda key, mean: jax.random.normal(key, (len(mean), 1))),
    ),
    "no-noise": Slip(
        "The decoder was trained at z = μ: no noise was drawn in training.",
        "no noise was drawn / z = μ in training",
        simple(wine, 0.5, noise=lambda key, mean: jnp.zeros_like(mean)),
    ),
    "tanh-mean": Slip(
        "The mean passes a tanh, so that |μ| < 1.",
        "the mean is bounded",
        simple(cancer, 1.0, head=jnp.tanh),
    ),
    "batch-norm-mean": Slip(
        "The mean passes a batch normalisation of variance 1, so that no latent can become inactive.",
        "the mean is normalised / its scale is fixed",
        simple(digits, 0.1, head=batch_norm),
    ),
    "skip": Slip(
        "The decoder gets features of the row itself past the latent (a skip connection), so it needs no latent.",
        "what is given to the decoder already determines the row / a skip connection bypasses the latents",
        _skip,
    ),
    "frozen-decoder": Slip(
        "The optimiser never got the decoder's weights: the decoder is random.",
        "the decoder was not trained",
        simple(digits, 0.05, settings={"frozen": ("decoder",)}),
    ),
    "l2": Slip(
        "The loss holds 0.01 ‖w‖² of all weights (coupled weight decay), which is not stated.",
        "weight decay",
        simple(wine, 0.5, l2=0.01),
    ),
    "mispaired": Slip(
        "In training each row was compared with the next row of the batch, so nothing could be learnt.",
        "the target is not the row that was encoded / rows are mismatched in training",
        simple(wine, 0.5, target=lambda x: jnp.roll(x, 1, axis=0)),
    ),
    "sorted": Slip(
        "The rows come sorted by class and are never shuffled, at a constant learning rate: the last class dominates.",
        "training has not come to rest / rows were not shuffled",
        simple(digits, 0.1, settings={"order": in_order, "decay": False}),
    ),
    "other-scale": Slip(
        "The encoder was applied to pixels of 0…16; the model was trained on, and the data are, 0…1.",
        "encoder and data have different units / the posterior isn't of these rows",
        _other_scale,
    ),
    "sample-for-mean": Slip(
        "What is handed in as the mean is a drawn z.",
        "the mean is a sample z / carries the noise",
        _sample_for_mean,
    ),
    "swapped": Slip(
        "Mean and ln σ² are swapped in what is handed in.",
        "mean and log-variance are swapped / aren't what their names say",
        _swapped,
    ),
    "double-sigmoid": Slip(
        "The decoder ends with a sigmoid, and the loss takes its outputs as logits: a second sigmoid.",
        "a sigmoid twice / outputs taken as logits that are probabilities",
        simple(bits, 0.2, loss=("bernoulli", {"beta": 0.2}), net="sigmoid", cost=cross_entropy_of_logits),
    ),
}  # fmt: skip


# ------------------------------------------------------------------------------------------- healthy models


def _measured(seed):
    """Train with errors averaged over features; the loss is measured of the function."""
    p = trained(digits(), seed, elbo(cost=mean_square), 0.2 / 64)
    return held(digits(), p, ("measured", {}))


def _cyclical(seed):
    share = np.arange(12000) / 8000
    beta = np.where(share < 1, 0.5 * np.minimum(1, 2 * ((4 * share) % 1)), 0.5)
    p = trained(cancer(), seed, elbo(), beta, updates=12000)
    return held(cancer(), p, gaussian(0.5))


def _learned(seed):
    p = trained(digits(), seed, elbo(cost=learned(1e-6)), 1.0, extra={"log_variance": jnp.zeros(())})
    return held(digits(), p, gaussian(1.0, decoder_variance="learned"))


def smoothed() -> np.ndarray:
    return 0.05 + 0.9 * bits()


HEALTHY = {
    "measured-mean": Slip("A mean-squared error whose loss is measured of the function.", "", _measured),
    "conv": Slip("Convolutions in the encoder.", "", simple(digits, 0.1, net="conv")),
    "residual": Slip("Residual networks with layer normalisation.", "", simple(cancer, 1.0, net="residual")),
    "cyclical": Slip("β in four cycles, then a third of the run at the stated β.", "", _cyclical),
    "student": Slip("Heavy tails: factors of Student's t.", "", simple(heavy, 0.5)),
    "smoothed-bits": Slip(
        "Bits smoothed to 0.05 and 0.95, with a cross entropy of probabilities.", "",
        simple(smoothed, 1.0, ("bernoulli", {"beta": 1.0}), net="sigmoid", cost=cross_entropy_of_probabilities),
    ),
    "one-latent": Slip("A single latent.", "", simple(cancer, 1.0, settings={"latents": 1})),
    "learned-variance": Slip("A decoder variance that is learned, and stated so.", "", _learned),
    "one-noise": Slip(
        "One ε for all rows of a batch: noisier gradients, the same expectation.", "",
        simple(wine, 0.5, noise=lambda key, mean: jax.random.normal(key, (1, mean.shape[1]))),
    ),
}  # fmt: skip


# ------------------------------------------------------------------------------------------- diagnosis


def measured(terms, features: int, latents: int):
    """Return the loss that `Loss.measure` finds of the function as coded."""
    cost, kl, beta = terms

    def function(x, y, mean, log_variance):
        return cost(x, y).mean() + beta * kl(mean, log_variance).mean()

    return lv.Loss.measure(function, features=features, latents=latents, beta=beta, to=jnp.asarray)


def loss_of(case) -> lv.Loss:
    kind, options = case["loss"]
    if kind == "measured":
        return measured((mean_square, kl_rows, 0.2 / 64), case["data"].shape[1], case["mean"].shape[1])
    return getattr(lv.Loss, kind)(**options)


def diagnose(case):
    """Diagnose as the user would."""
    decode, given = NETS[case["net"]].decode, case.get("given")
    call = (lambda z, g: decode(case["weights"], z, g)) if given is not None else (lambda z: decode(case["weights"], z))
    more = {} if given is None else {"given": given}
    return lv.diagnose(case["mean"], **case["spread"], data=case["data"], loss=loss_of(case), decode=call, **more)


def record(name: str, seed: int, slip: Slip, case) -> dict[str, Any]:
    """Return what the diagnosis says of one model."""
    row: dict[str, Any] = {"name": name, "seed": seed, "healthy": name in HEALTHY, "truth": slip.truth}
    row |= {"names it": slip.names_it, "verdict": "", "first": "", "sentence": "", "others": []}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = diagnose(case)
            codes = [finding.code for finding in result.findings] or [""]
            row |= {"verdict": result.verdict, "first": codes[0], "others": codes[1:], "in short": repr(result)}
            row["sentence"] = str(result.findings[0]) if result.findings else ""
        except Exception as error:
            row |= {"verdict": "error", "first": type(error).__name__, "sentence": str(error)}
    row["warnings"] = [str(w.message) for w in caught]
    if slip.terms:
        try:
            loss = measured(slip.terms, case["data"].shape[1], case["mean"].shape[1])
            row["Loss.measure"] = f"{loss.formula}; {loss.knob} = {float(loss.beta):.4g}"
        except lv.errors.InputError as error:
            row["Loss.measure"] = str(error)
    return row


def judged(rows: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """Return the rows with the judgements of an earlier file, where their first finding is the same."""
    earlier = json.loads(path.read_text()) if path.exists() else []
    known = {(row["name"], row["seed"], row["first"]): row for row in earlier}
    for row in rows:
        before = known.get((row["name"], row["seed"], row["first"]), {})
        row |= {key: before.get(key, "") for key in ("judgement", "false as fact")}
    return rows


def main() -> None:
    command, folder, *rest = sys.argv[1:]
    table, rows = SLIPS | HEALTHY, []
    for name in rest[command == "diagnose" :] or table:
        for seed in SEEDS:
            path = Path(folder) / f"{name}-{seed}.pkl"
            if command == "train" and not path.exists():
                path.write_bytes(pickle.dumps(table[name].model(seed)))
            if command == "diagnose":
                rows.append(record(name, seed, table[name], pickle.loads(path.read_bytes())))
            print(name, seed, *(f"{row['verdict']}: {row['first']}" for row in rows[-1:]), flush=True)
    if command == "diagnose":
        report = Path(rest[0])
        report.write_text(json.dumps(judged(rows, report), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
