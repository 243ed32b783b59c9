"""Train small networks whose truth is known, and keep them on disk.

    Setting     everything about a training, the slip included
    train       Setting → Trained
    Trained     what a user would hold: rows, μ, ln σ², a decoder, a loss as stated; and what is true

One loop serves all: minibatches, z = μ + σε, the whole run inside `jax.lax.scan`. The stated price τ is `price` times
the first threshold λ₁ of the data; the loop charges `factor` τ for a nat. Whatever a slip does after training (other
units, shuffled rows, …) is a function of `AFTER`.
"""

import pickle
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tables import table

import landau_vae as lv
from landau_vae.training.network import ACTIVATIONS

BLOCK = 250  # updates between two looks; all runs are multiples of it
DRAWS = 16  # of z per row, for losses that are reported
SETTLED = 0.005  # a healthy loss changes by less at twice the updates
HELD_OUT = 0.2  # share of the rows
MOST = 64_000  # updates of a healthy model, that are doubled until its loss is settled
SHRINKS = 0.6  # what a doubling of the updates makes of the change of the loss, about
MOMENTUM = 0.95  # of batch norm's running averages

Tree = Any  # of JAX arrays


@dataclass(frozen=True)
class Setting:
    """A network, its data, its training, and what its user believes."""

    name: str = ""
    truth: str = "healthy"  #: "healthy", "metastable", or the code of a slip
    data: str = "digits"  #: see `tables`
    seed: int = 0  #: of data, start, noise
    trainer: str = "own"  #: or "package": `lv.scan` with `Neural`
    latents: int = 10
    hidden: tuple[int, ...] = (128,)  #: of the encoder; the decoder mirrors them
    activation: str = "relu"
    batch_norm: bool = False  #: in hidden layers
    residual: bool = False  #: of hidden layers of equal width
    dropout: tuple[float, float] = (0.0, 0.0)  #: in the encoder, in the decoder
    start: float = 1.0  #: scale of the initial weights
    likelihood: str = "gaussian"  #: "gaussian", "bernoulli", "poisson", "absolute"
    link: str = "identity"  #: "sigmoid": a Gaussian mean between 0 and 1
    form: str = "half"  #: how the loss is written: "half", "sum", "mean", "kl mean", "variance"
    price: float = 0.1  #: τ as stated, as a share of λ₁
    factor: float | str = 1.0  #: the price that the loop charges, as a multiple of τ; "d", "1/K", "batch"
    warm_up: float = 0.0  #: share of the updates in which the KL weight rises; above 1: it never gets there
    updates: int = 4000
    batch: int = 128
    rate: float = 5e-3
    schedule: str = "cosine"  #: "cosine", "constant", "drop" (to a fifth, after four fifths)
    weight_decay: float = 0.0
    clip: float = 0.0  #: of the gradient's norm
    ema: float = 0.0  #: of the weights
    patience: int = 0  #: blocks without a better loss of held-out rows, after which training stops
    learned_variance: bool = False
    sigma: str = "exp"  #: of the log-variance head: "exp", "frozen", "softplus"
    mu: str = "linear"  #: of the mean head: "linear", "relu", "batch norm"
    free_bits: float = 0.0  #: nats per latent
    total_bits: float = 0.0  #: nats, max(R, C)
    free: int = 0  #: latents that pay nothing
    condition: bool = False  #: encoder and decoder get the labels
    teacher: bool = False  #: feature j is predicted from z and the features before it
    after: str = ""  #: see `AFTER`
    judged: str = "training"  #: which rows the user gives, or "held-out"
    logits: bool = True  #: whether the user's decoder returns what the loss took, not means
    decoder: bool = True  #: whether the user gives a decoder
    features: int = 0  #: that the user's loss was measured on, where it is not d
    declared: bool = False  #: whether the user gives the condition

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return self.truth == "healthy"


# ------------------------------------------------------------------------------------------- the network


def run(xp: Any, s: Setting, layers: list, stats: list, rows: Any, drop: float, key: Any = None):
    """Return the output of layers, in NumPy or JAX, and the statistics of batch norm; with a key, as in training."""
    act, seen = _activation(xp, s.activation), []
    for i, (layer, known) in enumerate(zip(layers[:-1], stats, strict=True)):
        u = rows @ layer["w"] + layer["b"]
        if s.batch_norm:
            u, moments = _normed(u, known, key is not None)
            u = u * layer["gain"] + layer["shift"]
            seen.append(moments)
        u = act(u)
        if drop and key is not None:
            u = u * xp.asarray(jax.random.bernoulli(jax.random.fold_in(key, i), 1 - drop, u.shape)) / (1 - drop)
        rows = rows + u if s.residual and rows.shape == u.shape else u
    return rows @ layers[-1]["w"] + layers[-1]["b"], seen or stats


def _normed(u, known, train):
    moments = {"m": u.mean(axis=0), "v": u.var(axis=0)} if train else known
    return (u - moments["m"]) / (moments["v"] + 1e-5) ** 0.5, moments


def _activation(xp, name):
    if xp is np:
        return ACTIVATIONS[name]
    return partial(jax.nn.gelu, approximate=False) if name == "gelu" else getattr(jax.nn, name)


def encode(xp, s: Setting, p: Tree, stats: Tree, x, condition, key=None):
    """Return μ, ln σ² and the statistics of batch norm."""
    x = xp.concatenate([x, condition], axis=1)
    both, hidden = run(xp, s, p["encoder"], stats["encoder"], x, s.dropout[0], key)
    mu, log_variance, head = both[:, : s.latents], both[:, s.latents :], stats["mu"]
    if s.mu == "relu":
        mu = xp.maximum(mu, 0)
    elif s.mu == "batch norm":
        mu, head = _normed(mu, stats["mu"], key is not None)
        mu = mu * p["gain"]
    if s.sigma == "frozen":
        log_variance = 0 * log_variance
    elif s.sigma == "softplus":
        log_variance = xp.logaddexp(log_variance, 0)
    return mu, log_variance, {**stats, "encoder": hidden, "mu": head}


def decode(xp, s: Setting, p: Tree, stats: Tree, z, condition, x=None, key=None):
    """Return the decoder's output (x: features that are fed to it, as in training) and the statistics."""
    z = xp.concatenate([z, condition], axis=1)
    output, seen = run(xp, s, p["decoder"], stats["decoder"], z, s.dropout[1], key)
    if s.teacher:
        feed = xp.tril(p["feed"], -1)
        output = output + x @ feed.T if x is not None else output @ np.linalg.inv(np.eye(len(feed)) - feed).T
    if s.link == "sigmoid":
        output = 1 / (1 + xp.exp(-output))
    return output, {**stats, "decoder": seen}


def start(s: Setting, features: int, labels: int) -> tuple[Tree, Tree]:
    """Return initial weights, uniform as in PyTorch, and statistics of batch norm."""
    rng = np.random.default_rng([s.seed, 1])

    def layers(sizes):
        made, stats = [], []
        for i, (inputs, outputs) in enumerate(pairwise(sizes)):
            w = rng.uniform(-1, 1, (inputs + 1, outputs)).astype("f") * np.float32(s.start / inputs**0.5)
            layer = {"w": w[1:], "b": w[0]}
            if i + 2 < len(sizes):
                stats.append({"m": np.zeros(outputs, "f"), "v": np.ones(outputs, "f")})
                if s.batch_norm:
                    layer |= {"gain": np.ones(outputs, "f"), "shift": np.zeros(outputs, "f")}
            made.append(layer)
        return made, stats

    encoder, inner = layers([features + labels, *s.hidden, 2 * s.latents])
    decoder, outer = layers([s.latents + labels, *s.hidden[::-1], features])
    weights = {"encoder": encoder, "decoder": decoder, "gain": np.ones(s.latents, "f"), "log_variance": np.float32(0)}
    head = {"m": np.zeros(s.latents, "f"), "v": np.ones(s.latents, "f")}
    if s.teacher:
        weights["feed"] = np.zeros((features, features), "f")
    return weights, {"encoder": inner, "decoder": outer, "mu": head}


# ------------------------------------------------------------------------------------------- the loss


def error(xp, s: Setting, x, output):
    """Return the reconstruction term of each row."""
    if s.likelihood == "gaussian":
        return 0.5 * ((x - output) ** 2).sum(axis=1)
    if s.likelihood == "absolute":
        return xp.abs(x - output).sum(axis=1)
    base = xp.logaddexp(output, 0) if s.likelihood == "bernoulli" else xp.exp(output)
    return (base - x * output).sum(axis=1)


def rates(xp, mu, log_variance):
    """Return the KL of each row and latent."""
    return 0.5 * (mu**2 + xp.exp(log_variance) - 1 - log_variance)


def terms(s: Setting, p: Tree, stats: Tree, x, condition, key):
    """Return reconstruction terms, KLs and statistics of a batch, as in training."""
    noise, drop = jax.random.split(key)
    within, out = jax.random.split(drop)
    mu, log_variance, stats = encode(jnp, s, p, stats, x, condition, within)
    z = mu + jnp.exp(log_variance / 2) * jax.random.normal(noise, mu.shape)
    output, stats = decode(jnp, s, p, stats, z, condition, x, out)
    return error(jnp, s, x, output), rates(jnp, mu, log_variance), stats


def objective(s: Setting, p: Tree, stats: Tree, x, condition, key, weight):
    """Return what the loop minimises."""
    costs, kl, stats = terms(s, p, stats, x, condition, key)
    cost, rate = costs.mean(), kl.mean(axis=0)[s.free :]
    if s.learned_variance:
        cost = cost * jnp.exp(-p["log_variance"]) + x.shape[1] / 2 * p["log_variance"]
    paid = jnp.maximum(jnp.maximum(rate, s.free_bits).sum(), s.total_bits)
    return cost + weight * paid, stats


def optimizer_of(s: Setting):
    decay = [optax.add_decayed_weights(s.weight_decay)] if s.weight_decay else []
    return optax.chain(*([optax.clip_by_global_norm(s.clip)] if s.clip else []), optax.scale_by_adam(), *decay)


@partial(jax.jit, static_argnums=0)
def advance(s: Setting, state, x, condition, pace, weight):
    """Carry out a block of updates: learning rates and KL weights are (BLOCK,)."""
    optimizer = optimizer_of(s)

    def update(state, now):
        p, averaged, stats, moments, key = state
        key, rows, noise = jax.random.split(key, 3)
        at = jax.random.randint(rows, (s.batch,), 0, len(x))
        slope, seen = jax.grad(partial(objective, s), has_aux=True)(p, stats, x[at], condition[at], noise, now[1])
        stats = jax.tree.map(lambda old, new: MOMENTUM * old + (1 - MOMENTUM) * new, stats, seen)
        steps, moments = optimizer.update(slope, moments, p)
        p = jax.tree.map(lambda old, step: old - now[0] * step, p, steps)
        averaged = jax.tree.map(lambda old, new: s.ema * old + (1 - s.ema) * new, averaged, p)
        return (p, averaged, stats, moments, key), None

    return jax.lax.scan(update, state, (pace, weight))[0]


PACES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "constant": np.ones_like,
    "cosine": lambda share: (1 + np.cos(np.pi * share)) / 2,
    "drop": lambda share: np.where(share < 0.8, 1.0, 0.2),
}


def schedules(s: Setting, price: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the learning rate and the KL weight of each update."""
    share = (np.arange(s.updates) + 0.5) / s.updates
    pace = PACES[s.schedule](share)
    weight = np.minimum(1, share / s.warm_up) if s.warm_up else np.ones(s.updates)
    return (s.rate * pace).astype("f"), (price * weight).astype("f")


def fitted(s: Setting, x, condition, held_out, price: float) -> tuple[Tree, Tree, int]:
    """Train; return weights, statistics of batch norm, and the updates that were made."""
    same = {f.name: f.default for f in fields(s) if f.name in NOT_COMPILED}
    key, plain = jax.random.key(s.seed), replace(s, **same)
    p, stats = start(s, x.shape[1], condition.shape[1])
    state, best, waited, done = (p, p, stats, optimizer_of(s).init(p), key), (np.inf, None), 0, 0
    blocks = [part.reshape(-1, BLOCK) for part in schedules(s, price)]
    for pace, weight in zip(*blocks, strict=True):
        state, done = advance(plain, state, x, condition, pace, weight), done + BLOCK
        if s.patience:
            cost, rate = measured(plain, *jax.tree.map(np.asarray, state[1:3]), *held_out)
            value = cost + price * rate
            waited = 0 if value < best[0] else waited + 1
            best = (value, state) if value < best[0] else best
            if waited == s.patience:
                break
    p, stats = jax.tree.map(lambda part: np.asarray(part, dtype=float), (best[1] or state)[1:3])
    return p, stats, done


NOT_COMPILED = (
    "name", "truth", "data", "seed", "trainer", "start", "form", "price", "factor", "warm_up", "updates", "rate",
    "schedule", "patience", "after", "judged", "logits", "decoder", "features", "declared",
)  # fmt: skip  # fields on which the compiled loop does not depend


def measured(s: Setting, p: Tree, stats: Tree, x, condition) -> tuple[float, float]:
    """Return the reconstruction term and the rate of rows, as evaluated, over `DRAWS` draws of z."""
    rng = np.random.default_rng(0)
    mu, log_variance, _ = encode(np, s, p, stats, x, condition)
    deviation, cost = np.exp(log_variance / 2), 0.0
    for _ in range(DRAWS):
        z = mu + deviation * rng.standard_normal(mu.shape)
        cost += error(np, s, x, decode(np, s, p, stats, z, condition, x)[0]).mean() / DRAWS
    return float(cost), float(rates(np, mu, log_variance).sum(axis=1).mean())


def by_the_package(s: Setting, x, spectrum: lv.Spectrum, price: float) -> tuple[Tree, Tree, int]:
    """Train with `lv.scan`; return the same as `fitted`."""
    loss = getattr(lv.Loss, s.likelihood)()
    trainer = lv.training.Neural(s.hidden, s.activation, s.updates, s.batch, lv.training.Adam(s.rate), loss=loss)
    temperature = price / spectrum.total_variance
    model = lv.training.trained_model(lv.scan(x, [temperature], latents=s.latents, seeds=[s.seed], trainer=trainer), 1)
    layers = [{"w": np.asarray(w, float), "b": np.asarray(b, float)} for w, b in model.weights.layers]
    p, stats = start(s, x.shape[1], 0)
    p["encoder"], p["decoder"] = layers[: len(s.hidden) + 1], layers[len(s.hidden) + 1 :]
    p["encoder"][0]["b"] = p["encoder"][0]["b"] - model.mean @ p["encoder"][0]["w"]
    if s.likelihood == "gaussian":
        p["decoder"][-1]["b"] = p["decoder"][-1]["b"] + model.mean
    return p, stats, s.updates


# ------------------------------------------------------------------------------------------- what the user holds


@dataclass(eq=False)
class Trained:
    """A trained model as its user holds it, and what is true of it."""

    setting: Setting
    x: np.ndarray  #: rows that were trained on, as the loss had them, (n, d)
    mean: np.ndarray  #: μ of them, (n, K)
    log_variance: np.ndarray  #: ln σ², (n, K)
    held_out: tuple[np.ndarray, np.ndarray, np.ndarray]  #: other rows, their μ, their ln σ²
    condition: np.ndarray  #: labels, (n, c); c = 0 without any
    held_out_condition: np.ndarray
    stated: dict[str, Any]  #: arguments of `Loss.gaussian`, `.bernoulli` or `.poisson`
    price: float  #: c: what a nat costs in units of ½‖x − x̂‖², or of −ln p
    stated_price: float
    first_threshold: float  #: λ₁
    updates: int  #: that were made
    loss: float  #: of the training rows, at the true price
    rate: float  #: nats
    loss_twice: float  #: of the same model with twice the updates; NaN if it was not trained
    weights: Tree
    stats: Tree
    shift: np.ndarray  #: by which `AFTER` moved μ, (K,)
    scale: float = 1.0  #: by which `AFTER` multiplied the user's rows

    @property
    def settled(self) -> bool:
        """Whether twice the updates leave the loss as it is."""
        return abs(self.change) < SETTLED

    @property
    def change(self) -> float:
        """Relative change of the loss at twice the updates."""
        return self.loss_twice / self.loss - 1

    def output(self, z, condition=None, x=None, key=None) -> np.ndarray:
        """Return what the loss took, at z: evaluated; with a key of JAX, as in training."""
        z = np.asarray(z, dtype=float) - self.shift
        given = np.zeros((len(z), self.condition.shape[1])) if condition is None else condition
        return decode(np, self.setting, self.weights, self.stats, z, given, x, key)[0]

    def decode(self, z, condition=None) -> np.ndarray:
        """Return what the user's decoder returns: of zeros as the condition, unless it is given."""
        return self._shown(self.output(z, condition))

    def decode_train(self, z, seed: int = 0) -> np.ndarray:
        """Return the same in train mode: batch norm of these rows, dropout, teacher forcing of the training rows."""
        condition, x = (self.condition, self.x / self.scale) if len(z) == len(self.x) else (None, None)
        return self._shown(self.output(z, condition, x, jax.random.key(seed)))

    def _shown(self, output):
        s = self.setting
        if s.link == "sigmoid" and s.logits:
            return np.log(output / (1 - output))
        if s.likelihood == "gaussian" or s.logits:
            return output
        return 1 / (1 + np.exp(-output)) if s.likelihood == "bernoulli" else np.exp(output)

    def term(self, z, seed: int | None = None) -> np.ndarray:
        """Return the true reconstruction term of each training row at its z, (n,); with a seed, in train mode."""
        key, x = None if seed is None else jax.random.key(seed), self.x / self.scale
        return error(np, self.setting, x, self.output(z, self.condition, x, key))

    @property
    def stated_loss(self) -> lv.Loss:
        """The loss as the user states it."""
        known = {f.name for f in fields(lv.Loss)}
        return getattr(lv.Loss, self.setting.likelihood)(**{k: v for k, v in self.stated.items() if k in known})

    def diagnose(self, decode: bool = True, rows: str | None = None, **more: Any):
        """Diagnose as the user would."""
        s, held_out = self.setting, (rows or self.setting.judged) == "held-out"
        x, mean, log_variance = self.held_out if held_out else (self.x, self.mean, self.log_variance)
        if s.declared:
            more |= {"given": self.held_out_condition if held_out else self.condition}
        decoder = self.decode if decode and s.decoder else None
        run = {"updates": self.updates, "learning_rate": s.rate} | more
        return lv.diagnose(mean, log_variance=log_variance, data=x, loss=self.stated_loss, decode=decoder, **run)


def train(s: Setting) -> Trained:
    """Train a setting; one that is to be healthy at twice the updates too, until that changes its loss no more."""
    trained = once(s)
    while s.healthy:
        longer = once(replace(trained.setting, updates=2 * trained.setting.updates))
        trained.loss_twice = longer.loss
        doublings = int(np.log2(MOST / longer.setting.updates))
        hopeless = abs(trained.change) * SHRINKS**doublings > SETTLED
        if trained.settled or hopeless or not doublings:
            break
        trained = longer
    trained.setting = s
    return AFTER[s.after](trained) if s.after else trained


def once(s: Setting) -> Trained:
    """Train a setting for the updates that it states."""
    x, labels = table(s.data, s.seed)
    labels = labels if s.condition else np.zeros((len(x), 0))
    order = np.random.default_rng(s.seed).permutation(len(x))
    held, kept = np.split(order, [int(HELD_OUT * len(x))])
    condition, rows = (labels[kept], labels[held]), (x[kept], x[held])
    spectrum = lv.Spectrum.from_data(rows[0][:, rows[0].std(axis=0) > 0], likelihood=s.likelihood)
    d, first = x.shape[1], float(spectrum.eigenvalues[0])
    factor = {"d": d, "1/K": 1 / s.latents, "batch": s.batch}.get(s.factor, s.factor)
    stated, price = s.price * first, s.price * first * factor
    if s.trainer == "package":
        weights, stats, updates = by_the_package(s, rows[0], spectrum, price)
    else:
        single = [(part.astype("f"), label.astype("f")) for part, label in zip(rows, condition, strict=True)]
        weights, stats, updates = fitted(s, *single[0], single[1], price)
        last = schedules(s, price)[1][updates - 1]
        price = float(last) * (np.exp(weights["log_variance"]) if s.learned_variance else 1)
    mean, log_variance = zip(
        *(encode(np, s, weights, stats, *pair)[:2] for pair in zip(rows, condition, strict=True)), strict=True
    )
    cost, rate = measured(s, weights, stats, rows[0], condition[0])
    return Trained(
        s, rows[0], mean[0], log_variance[0], (rows[1], mean[1], log_variance[1]), *condition,
        statement(s, stated, d), price, stated, first, updates, cost + price * rate, rate, np.nan,
        weights, stats, np.zeros(s.latents),
    )  # fmt: skip


def statement(s: Setting, price: float, features: int) -> dict[str, Any]:
    """Return the arguments of `Loss` by which a user states a price, in one of several forms."""
    forms: dict[str, dict[str, Any]] = {
        "half": {"beta": price},
        "sum": {"beta": 2 * price, "half": False},
        "mean": {"beta": 2 * price / features, "half": False, "reconstruction": "mean"},
        "kl mean": {"beta": price * s.latents, "kl": "mean", "latents": s.latents},
        "variance": {"beta": 1.0, "decoder_variance": price},
        "kl mean of 2K": {"beta": price * s.latents, "kl": "mean", "latents": 2 * s.latents},
        "learned": {"beta": price, "decoder_variance": "learned"},
        "likelihood mean": {"beta": price / features, "reconstruction": "mean"},
    }
    return forms[s.form] | ({"features": s.features} if s.features else {})


# ------------------------------------------------------------------------------------------- slips after training


def _quietest(trained: Trained) -> int:
    """Return the latent of the least rate."""
    return int(rates(np, trained.mean, trained.log_variance).mean(axis=0).argmin())


def _exploded(trained: Trained) -> Trained:
    latent = _quietest(trained)
    for each in (trained.log_variance, trained.held_out[2]):
        each[:, latent] = 30.0
    return trained


def _offset(trained: Trained) -> Trained:
    """Give an inactive latent a constant mean that the decoder's bias undoes."""
    trained.shift[_quietest(trained)] = 1.5
    trained.mean, (x, mean, log_variance) = trained.mean + trained.shift, trained.held_out
    trained.held_out = x, mean + trained.shift, log_variance
    return trained


def _shuffled(trained: Trained) -> Trained:
    trained.x = trained.x[np.random.default_rng(0).permutation(len(trained.x))]
    return trained


def _in_units(factor: float, trained: Trained) -> Trained:
    x, *posterior = trained.held_out
    trained.x, trained.held_out, trained.scale = factor * trained.x, (factor * x, *posterior), factor
    return trained


AFTER: dict[str, Callable[[Trained], Trained]] = {
    "exploded": _exploded,
    "offset": _offset,
    "shuffled": _shuffled,
    "x16": partial(_in_units, 16.0),
    "x255": partial(_in_units, 255.0),
}


# ------------------------------------------------------------------------------------------- on disk


def path_of(s: Setting, cache: Path) -> Path:
    """Return the file of a setting."""
    return cache / f"{s.name}.pkl"


def save(trained: Trained, cache: Path) -> Path:
    """Write a model beside its place, then rename it; the file holds NumPy arrays and plain values only."""
    path = path_of(trained.setting, cache)
    content = {f.name: getattr(trained, f.name) for f in fields(trained)} | {"setting": asdict(trained.setting)}
    path.with_suffix(".part").write_bytes(pickle.dumps(content))
    return path.with_suffix(".part").replace(path)


def kept(s: Setting, cache: Path) -> bool:
    """Return whether a model of this very setting is on disk."""
    return (path := path_of(s, cache)).exists() and load(path).setting == s


def load(path: Path) -> Trained:
    """Read a model."""
    content = pickle.loads(Path(path).read_bytes())
    return Trained(**content | {"setting": Setting(**content["setting"])})
