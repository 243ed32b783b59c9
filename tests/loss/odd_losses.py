"""120 loss functions as people write them: orders, names, reductions, precisions, clamps, masks, constraints, bugs.

Each stands with what is true of it, worked out by hand: the likelihood and b/a, the price of a nat
in units of its reconstruction term (τ = b/2a of a squared error), or a phrase of the sentence that
refuses it. B rows, d features and K latents, unless a case has its own arrays.
"""

from collections import namedtuple
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np

B, D, K = 20, 6, 3
RNG = np.random.default_rng(0)
X, MEAN = RNG.uniform(0.2, 0.8, (B, D)), RNG.normal(size=(B, K))
LIKE = (X, X, MEAN, 0.1 * MEAN)
IMAGE = (np.zeros((B, 3, 4, 4)),) * 2 + LIKE[2:]
SEQUENCE = (np.zeros((B, 5, 4)),) * 2 + LIKE[2:]
TALL = LIKE[:2] + (np.zeros((B, 2, 2, 2)),) * 2
SQUARE = LIKE[:2] + (np.zeros((B, D)),) * 2
CLASSES = (RNG.integers(0, 4, (B, 5)), np.zeros((B, 5, 4)), *LIKE[2:])


@dataclass
class Odd:
    """A function, and what is true of it."""

    name: str
    function: Any
    truth: float | str  #: b/a, or a phrase of the refusal
    likelihood: str = "gaussian"
    more: dict[str, Any] = field(default_factory=dict)  #: arguments of `Loss.measure`; like=LIKE unless sizes are given
    constraint: tuple[str, float, str] | None = None
    note: str = ""  #: a phrase of the notes
    near: float = 1e-5  #: relative: what the sentence about it promises

    @property
    def arguments(self):
        return self.more if self.more.keys() & {"like", "features"} else {"like": LIKE} | self.more


SIZES = {"features": D, "latents": K}
ODD: list[Odd] = []
CALLS = count()


def odd(name, truth, likelihood="gaussian", **more):
    known = {key: more.pop(key) for key in ("constraint", "note", "near") if key in more}

    def add(function):
        ODD.append(Odd(name, function, truth, likelihood, more, **known))
        return function

    return add


def nats(m, s):
    return 0.5 * (m**2 + np.exp(s) - 1 - s)


def rate(m, s):
    return nats(m, s).reshape(len(m), -1).sum(axis=1).mean()


def squares(x, y):
    return np.sum((x - y) ** 2) / len(x)


def bce(x, p):
    return -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum() / len(x)


def softplus(h):
    return np.logaddexp(0, h)


def log_softmax(h, axis=-1):
    return h - np.log(np.exp(h).sum(axis=axis, keepdims=True))


# ---------------------------------------------------------------------------------- orders and names

odd("usual", 2.0)(lambda x, x_hat, mu, logvar: squares(x, x_hat) + 2 * rate(mu, logvar))
odd("x̂ first", 2.0, "bernoulli")(lambda recon_x, x, mu, logvar: bce(x, recon_x) + 2 * rate(mu, logvar))
odd("keras", 2.0, "bernoulli")(
    lambda y_true, y_pred, z_mean, z_log_var: bce(y_true, y_pred) + 2 * rate(z_mean, z_log_var)
)
odd("y is x̂", 2.0, "bernoulli")(lambda x, y, mu, logvar: bce(x, y) + 2 * rate(mu, logvar))
odd("y is x", 2.0, "bernoulli")(lambda y_hat, y, mu, logvar: bce(y, y_hat) + 2 * rate(mu, logvar))
odd("posterior first", 2.0, "bernoulli")(lambda mu, logvar, x, x_hat: bce(x, x_hat) + 2 * rate(mu, logvar))
odd("unnamed", 2.0, "bernoulli", note="in the order (x_hat, x, mean, spread)")(
    lambda a, b, c, d: bce(b, a) + 2 * rate(c, d)
)
odd("unnamed, all turned", 2.0, note="in the order (spread, mean, x")(lambda a, b, c, d: squares(c, d) + 2 * rate(b, a))
odd("unnamed, d = K", 2.0, "bernoulli", like=SQUARE)(lambda a, b, c, d: bce(d, c) + 2 * rate(a, b))
odd("args", 2.0)(lambda *a: squares(a[0], a[1]) + 2 * rate(a[2], a[3]))
odd("rest", 2.0)(lambda x, x_hat, *rest: squares(x, x_hat) + 2 * rate(*rest))
odd("keyword-only", 2.0)(lambda *, x, x_hat, mu, logvar: squares(x, x_hat) + 2 * rate(mu, logvar))
odd("defaults", 2.0)(lambda x, x_hat, mu=None, logvar=None, eps=1e-8: squares(x, x_hat) + 2 * rate(mu, logvar))
odd("its own β", 3.0, beta=3.0)(
    lambda pred, target, mu, log_var, beta: squares(target, pred) + beta * rate(mu, log_var)
)
odd("unknown argument", "takes 5 arguments.*epoch", features=D, latents=K)(
    lambda x, x_hat, mu, logvar, epoch: squares(x, x_hat) + min(epoch / 9, 1) * rate(mu, logvar)
)
odd("σ", 2.0)(lambda x, x_hat, mu, sigma: squares(x, x_hat) + 2 * rate(mu, 2 * np.log(sigma)))
odd("σ², by its name", 2.0)(lambda x, x_hat, mu, var: squares(x, x_hat) + 2 * rate(mu, np.log(var)))
odd("ln σ", 2.0)(lambda x, x_hat, mu, log_std: squares(x, x_hat) + 2 * rate(mu, 2 * log_std))
odd("σ without a name", 2.0)(lambda x, x_hat, mu, s: squares(x, x_hat) + 2 * rate(mu, 2 * np.log(s)))
odd("x̂ and x exchanged", "takes x̂ before x")(lambda x, x_hat, mu, logvar: bce(x_hat, x) + rate(mu, logvar))
odd("μ and ln σ² exchanged", "takes the log_variance before the mean")(
    lambda x, x_hat, mu, logvar: squares(x, x_hat) + rate(logvar, mu)
)


class Criterion:
    """A loss with a state, as modules are."""

    def __init__(self, weight):
        self.weight = weight

    def __call__(self, x_recon, x, mu, logvar):
        return squares(x, x_recon) + self.weight * rate(mu, logvar)

    def compute(self, x, x_recon, mu, logvar):
        return self(x_recon, x, mu, logvar)


odd("object", 0.3)(Criterion(0.3))
odd("method", 0.3)(Criterion(0.3).compute)
odd("partial", 4.0)(partial(lambda x, x_hat, mu, logvar, beta: squares(x, x_hat) + beta * rate(mu, logvar), beta=4.0))

# --------------------------------------------------------------------- reductions, batches and shapes

odd("means of everything", 2 * D / K)(
    lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).mean() + 2 * nats(mu, logvar).mean()
)
odd("mean, sum", 2.0 * D)(lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).mean() + 2 * rate(mu, logvar))
odd("sums", 2.0)(lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).sum() + 2 * nats(mu, logvar).sum())
odd("KL summed over the batch", 2.0 * D * B)(
    lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).mean() + 2 * nats(mu, logvar).sum()
)
odd("error summed over the batch", 2.0 / B)(
    lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).sum() + 2 * rate(mu, logvar)
)
odd("KL summed, batch not given", "number of rows in a batch: give batch", **SIZES)(
    lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).mean() + 2 * nats(mu, logvar).sum()
)
odd("KL summed, batch given", 2.0 * D * 128, **SIZES, batch=128)(
    lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).mean() + 2 * nats(mu, logvar).sum()
)
odd("a batch that is written down", 2.0 * 64 / B)(
    lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).sum() / 64 + 2 * nats(mu, logvar).sum() / len(x)
)
odd("a batch that is written down, not given", "give batch", **SIZES)(
    lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).sum() / 64 + 2 * rate(mu, logvar)
)
odd("root of the batch", 2.0 * np.sqrt(B))(
    lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).sum() / np.sqrt(len(x)) + 2 * nats(mu, logvar).sum()
)
odd("β over d", 4.0 / D)(lambda x, x_hat, mu, logvar: squares(x, x_hat) + 4 * rate(mu, logvar) / x.shape[1])
odd("½", 4.0)(lambda x, x_hat, mu, logvar: 0.5 * squares(x, x_hat) + 2 * rate(mu, logvar))
odd("overall factor", 2.0)(lambda x, x_hat, mu, logvar: 1e-4 * (squares(x, x_hat) + 2 * rate(mu, logvar)))
odd("image", 2.0 * 48, like=IMAGE)(lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).mean() + 2 * rate(mu, logvar))
odd("image, channels averaged", 6.0, like=IMAGE)(
    lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).mean(axis=1).sum() / len(x) + 2 * rate(mu, logvar)
)
odd("image, flattened inside", 2.0, like=IMAGE)(
    lambda x, x_hat, mu, logvar: squares(x.reshape(-1, 48), x_hat.reshape(-1, 48)) + 2 * rate(mu, logvar)
)
odd("image of written size", 2.0, "bernoulli", like=(np.zeros((B, 1, 28, 28)),) * 2 + LIKE[2:])(
    lambda recon_x, x, mu, logvar: bce(x.reshape(-1, 784), recon_x.reshape(-1, 784)) + 2 * rate(mu, logvar)
)
odd("sequence, steps averaged", 10.0, like=SEQUENCE)(
    lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).sum(axis=2).mean(axis=1).mean() + 2 * rate(mu, logvar)
)
odd("latents in space", 2.0, like=TALL)(lambda x, x_hat, mu, logvar: squares(x, x_hat) + 2 * rate(mu, logvar))
odd("latents in space, averaged", 0.25, like=TALL)(
    lambda x, x_hat, mu, logvar: squares(x, x_hat) + 2 * nats(mu, logvar).mean()
)
odd("latents in space, places averaged", 0.5, like=TALL)(
    lambda x, x_hat, mu, logvar: squares(x, x_hat) + 2 * nats(mu, logvar).mean(axis=(2, 3)).sum(axis=1).mean()
)
odd("one row", 2.0, like=tuple(each[:1] for each in LIKE))(
    lambda x, x_hat, mu, logvar: squares(x, x_hat) + 2 * rate(mu, logvar)
)

# ------------------------------------------------------------------------------------------ precision


def cast(function, kind):
    return lambda x, x_hat, mu, logvar: function(*(each.astype(kind) for each in (x, x_hat, mu, logvar)))


def tiny(x, x_hat, mu, logvar):
    return ((x - x_hat) ** 2).mean() + np.asarray(1e-7, x.dtype) * rate(mu, logvar)


odd("float32", 2.0)(cast(lambda x, x_hat, mu, logvar: squares(x, x_hat) + 2 * rate(mu, logvar), np.float32))
odd("float32, cross-entropy", 2.0, "bernoulli", near=1e-3)(
    cast(lambda x, x_hat, mu, logvar: bce(x, x_hat) + 2 * rate(mu, logvar), np.float32)
)
odd("float32, tiny β", 1e-7 * D, near=1e-3)(cast(tiny, np.float32))
odd("float32 examples, tiny β", 1e-7 * D, like=tuple(each.astype(np.float32) for each in LIKE))(tiny)
odd("float16", 2.0 * D, near=0.03, note="digits only")(
    cast(lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).mean() + 2 * rate(mu, logvar), np.float16)
)
odd("float16, cross-entropy", "half precision")(
    cast(lambda x, x_hat, mu, logvar: bce(x, x_hat) + rate(mu, logvar), np.float16)
)
odd("rounded to cents", "in steps|half precision|not least|not one of those that are known|does not")(
    lambda x, x_hat, mu, logvar: np.round(squares(x, x_hat) + rate(mu, logvar), 2)
)
odd("insists on float32", 2.0, like=tuple(each.astype(np.float32) for each in LIKE))(
    lambda x, x_hat, mu, logvar: (squares(x, x_hat) + 2 * rate(mu, logvar)) / (x.dtype == mu.dtype == np.float32)
)

# ---------------------------------------------------------------------------------- what is returned

Parts = namedtuple("Parts", "recon_loss kld total_loss")

terms = {
    "total, error, KL": (lambda e, r: (e + 2 * r, e, r), 2.0, {}),
    "error, KL": (lambda e, r: (e, r), 2.0, {"beta": 2.0}),
    "error, KL, no β": (lambda e, r: (e, r), "gives? its terms apart|returns its terms apart", {}),
    "KL, error": (lambda e, r: (r, e), 2.0, {"beta": 2.0}),
    "error, KL, total": (lambda e, r: (e, r, e + 2 * r), 2.0, {}),
    "named tuple": (lambda e, r: Parts(e, r, e + 2 * r), 2.0, {}),
    "dictionary": (lambda e, r: {"loss": e + 2 * r, "kl": r}, 2.0, {}),
    "dictionary of terms": (lambda e, r: {"reconstruction": e, "kld": r}, 2.0, {"beta": 2.0}),
    "dictionary, another key": (lambda e, r: {"recon": e, "kl": r, "vae_loss": e + 2 * r}, 2.0, {}),
    "ELBO beside it": (lambda e, r: {"elbo": -e - 2 * r, "objective": e + 2 * r}, 2.0, {}),
    "nested": (lambda e, r: (e + 2 * r, {"mse": e, "kl": r}), 2.0, {}),
    "object": (lambda e, r: SimpleNamespace(loss=np.array([e + 2 * r]), kl=r), 2.0, {}),
    "KL missing from the loss": (lambda e, r: {"loss": e, "kl": r}, "does not change with the posterior", {}),
    "negative ELBO left out": (lambda e, r: -e - 2 * r, "ELBO.*Turn its sign", {}),
    "three terms": (lambda e, r: (e, r / 2, r / 3), "returns several terms apart", {"beta": 2.0}),
    "nothing": (lambda e, r: None, "returned a NoneType", {}),
}  # fmt: skip
for title, (wrap, truth, more) in terms.items():
    odd(f"returns {title}", truth, **more)(
        lambda x, x_hat, mu, logvar, *, wrap=wrap: wrap(squares(x, x_hat), rate(mu, logvar))
    )
odd("a loss for each row", "reduce it as the training loop does")(
    lambda x, x_hat, mu, logvar: ((x - x_hat) ** 2).sum(axis=1) + nats(mu, logvar).sum(axis=1)
)

# --------------------------------------------------------------------------- reconstruction errors


def network(x):
    return np.tanh(np.concatenate([x @ np.eye(D, 4, 1), x @ np.eye(D, 3, -2), x.sum(axis=1, keepdims=True)], axis=1))


def error(name, truth, function, likelihood="gaussian", **more):
    odd(name, truth, likelihood, **more)(lambda x, x_hat, mu, logvar: function(x, x_hat) + 2 * rate(mu, logvar))


def huber(r, delta):
    return np.where(np.abs(r) < delta, r**2 / 2, delta * (np.abs(r) - delta / 2))


error("L1", 2.0, lambda x, y: np.abs(x - y).sum() / len(x), "laplace")
error("mean L1", 2.0 * D, lambda x, y: np.abs(x - y).mean(), "laplace")
error("Huber", 2.0 * D, lambda x, y: huber(x - y, 1.0).mean(), "huber(1)")
error("smooth L1", 2 * 0.05, lambda x, y: huber(x - y, 0.05).sum() / 0.05 / len(x), "huber(0.05)")
error("Cauchy", 2.0, lambda x, y: np.log1p((x - y) ** 2).sum() / len(x), "student-t(1)")
error("Poisson", 2.0, lambda x, y: (y - x * np.log(y)).sum() / len(x), "poisson")
error("Poisson, log rates", 2.0, lambda x, h: (np.exp(h) - x * h).sum() / len(x), "poisson")
error(
    "negative binomial",
    2.0,
    lambda x, m: ((x + 3) * np.log(3 + m) - x * np.log(m)).sum() / len(x),
    "negative-binomial(3)",
)
error(
    "negative binomial, logits",
    2.0,
    lambda x, h: ((x + 3) * softplus(h) - x * h).sum() / len(x),
    "negative-binomial(3)",
)
error("softmax", 2.0, lambda x, h: -(x * log_softmax(h)).sum() / len(x), f"categorical({D})")
error(
    "softmax of tokens, averaged",
    10.0,
    lambda x, h: -(x * log_softmax(h)).sum(axis=2).mean(),
    "categorical(4,4,4,4,4)",
    like=SEQUENCE,
)
error("class indices", 2.0, lambda x, h: -np.take_along_axis(log_softmax(h), x[..., None], -1).sum() / len(x),
      "categorical(4,4,4,4,4)", like=CLASSES)  # fmt: skip
error("logits", 2.0, lambda x, h: (softplus(h) - x * h).sum() / len(x), "bernoulli")
error("guarded cross-entropy", 2.0, lambda x, p: bce(x, np.clip(p, 1e-7, 1 - 1e-7)), "bernoulli")
error("guard inside the logarithm", 2.0,
      lambda x, p: -(x * np.log(p + 1e-8) + (1 - x) * np.log(1 - p + 1e-8)).sum() / len(x), "bernoulli",
      near=1e-3)  # fmt: skip
error("square of a sigmoid", 2.0, lambda x, h: squares(x, 1 / (1 + np.exp(-h))), note="sigmoid")
error("square of tanh", 2.0, lambda x, h: squares(x, np.tanh(h)), note="tanh")
error("both in bytes", 2.0 / 255**2, lambda x, y: squares(255 * x, 255 * y))
error("x in bytes alone", "same scale", lambda x, y: squares(255 * x, y))
error("fixed σ", 2.0 * 2 * 0.3**2, lambda x, y: (((x - y) / 0.3) ** 2 / 2 + np.log(0.3)).sum() / len(x))
error("logarithm of the mean square", 4.0, lambda x, y: D / 2 * np.log(((x - y) ** 2).mean()), note="σ² learned")
error("logarithm of each row's mean square", "a learned variance for every sample",
      lambda x, y: D / 2 * np.log(((x - y) ** 2).mean(axis=1)).mean())  # fmt: skip
error(
    "weights of features",
    2.0,
    lambda x, y: ((x - y) ** 2 * np.linspace(1, 3, D)).sum() / len(x),
    "gaussian(per feature)",
)
error(
    "a masked feature", 2.0, lambda x, y: ((x - y) ** 2 * (np.arange(D) < 4)).sum() / len(x), "quadratic(per feature)"
)
error(
    "gradients of the image too",
    2.0,
    lambda x, y: squares(x, y) + squares(np.diff(x), np.diff(y)),
    "quadratic(per feature)",
)
error(
    "weights of samples",
    "differs among samples",
    lambda x, y: ((x - y) ** 2 * np.linspace(1, 3, len(x))[:, None]).sum(),
)
error("log-cosh", "log-cosh", lambda x, y: np.log(np.cosh(x - y)).sum() / len(x))
error(
    "Charbonnier",
    "between an absolute error and a squared one",
    lambda x, y: np.sqrt((x - y) ** 2 + 0.01).sum() / len(x),
)
error("pinball", "not alike on both sides", lambda x, y: np.maximum(0.9 * (x - y), 0.1 * (y - x)).sum() / len(x))
error("root mean square", "root of a squared error", lambda x, y: np.sqrt(((x - y) ** 2).mean()))
error("norm", "root of a squared error", lambda x, y: np.linalg.norm(x - y, axis=1).mean())
error(
    "square and absolute",
    "between an absolute error and a squared one",
    lambda x, y: squares(x, y) + np.abs(x - y).mean(),
)
error("fourth power", r"\^4", lambda x, y: ((x - y) ** 4).sum() / len(x))
error("clipped x̂", "not far from it", lambda x, y: squares(x, np.clip(y, 0, 1)))
error("cosine", "not a sum over features|not least|not one of those that are known",
      lambda x, y: 1 - ((x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))).mean())  # fmt: skip
error("features of a network", "not a sum over features", lambda x, y: squares(network(x), network(y)))
error("focal", "not one of those that are known|finite|not least|differs",
      lambda x, p: -((1 - p) ** 2 * x * np.log(p) + p**2 * (1 - x) * np.log(1 - p)).sum() / len(x))  # fmt: skip
error("no error", "does not depend on x̂", lambda x, y: (x**2).sum())
odd("mean and variance", "variance that the decoder gives", features=D, latents=K)(
    lambda x, x_mu, x_logvar, mu, logvar: ((x - x_mu) ** 2 / np.exp(x_logvar) + x_logvar).sum() / 2 + rate(mu, logvar)
)

# ------------------------------------------------------------------------------- what the KL is


def charge(name, truth, function, **more):
    odd(name, truth, **more)(lambda x, x_hat, mu, logvar: squares(x, x_hat) + function(mu, logvar))


charge("no ½", 2.0, lambda m, s: (m**2 + np.exp(s) - s - 1).sum(axis=1).mean(), beta=1.0, note="without its ½")
charge("absolute value of the KL", 1.0, lambda m, s: abs(rate(m, s)))
charge("prior N(½, 4)", 1.0, lambda m, s: rate((m - 0.5) / 2, s - np.log(4)), note="prior is N(0.5, 4)")
charge("prior N(0, 0.01)", 3.0, lambda m, s: 3 * rate(m / 0.1, s - np.log(0.01)), note="prior is N(0, 0.01)")
charge(
    "prior of each latent",
    2.0,
    lambda m, s: 2 * rate((m - np.arange(K)) / np.sqrt(1 + np.arange(K)), s - np.log(1 + np.arange(K))),
    note="prior is N(0 … 2, 1 … 3)",
)
charge("hinge", 3.0, lambda m, s: 3 * np.maximum(rate(m, s), 2.5), constraint=("hinge", 2.5, "mean"))
charge("hinge from zero", 0.5, lambda m, s: 0.5 * np.maximum(rate(m, s) - 0.2, 0), constraint=("hinge", 0.2, "mean"))
charge(
    "World Models",
    1.0,
    lambda m, s: np.maximum(nats(m, s).sum(axis=1), 16.0).mean(),
    constraint=("hinge", 16.0, "sample"),
)
charge(
    "MusicVAE",
    0.2,
    lambda m, s: 0.2 * np.maximum(nats(m, s).sum(axis=1) - 48 * np.log(2), 0).mean(),
    constraint=("hinge", 48 * np.log(2), "sample"),
)
charge(
    "free bits of latents",
    1.0,
    lambda m, s: np.maximum(nats(m, s).mean(axis=0), 0.3).sum(),
    constraint=("hinge", 0.3, "latent"),
)
charge(
    "free bits of entries", "each latent of each sample", lambda m, s: np.maximum(nats(m, s), 0.3).sum(axis=1).mean()
)
charge("capacity", 10.0, lambda m, s: 10 * abs(rate(m, s) - 5), constraint=("absolute", 5.0, "mean"))
charge(
    "capacity of each row",
    10.0,
    lambda m, s: 10 * np.abs(nats(m, s).sum(axis=1) - 5).mean(),
    constraint=("absolute", 5.0, "sample"),
)
charge("square", 7.0, lambda m, s: 7 * (rate(m, s) - 1) ** 2, constraint=("square", 1.0, "mean"))
charge(
    "hinge of the batch's sum",
    float(B),
    lambda m, s: np.maximum(nats(m, s).sum(), 40.0),
    constraint=("hinge", 2.0, "mean"),
)
charge("clamped log-variance", 1.0, lambda m, s: rate(m, np.clip(s, -5, 2)), note="clamped below -5 and above 2")
charge("KL at most 5", "stops growing at about 5 nats", lambda m, s: np.minimum(rate(m, s), 5.0))
charge("KL clamped to 0", "clamped at 0", lambda m, s: np.clip(rate(m, s), 0, 0))
charge("weight 0", "weight 0", lambda m, s: 0 * rate(m, s))
charge("negative", "negative sign", lambda m, s: -rate(m, s))
charge("means alone, σ given", "does not depend on the log_variance", lambda m, s: (m**2).sum(axis=1).mean() / 2)
charge("variances alone", "does not depend on the mean", lambda m, s: nats(0 * m, s).sum(axis=1).mean())
charge("KL of σ", "formula of the KL is wrong.*exp", lambda m, s: rate(m, np.log(1e-20 + s**2)))
charge("KL of ln σ", "formula of the KL is wrong", lambda m, s: rate(m, 2 * s))
charge(
    "sign of ln σ²",
    "not a multiple of its KL|not finite|stops growing|negative",
    lambda m, s: 0.5 * (m**2 + np.exp(s) - 1 + s).sum(axis=1).mean(),
)
charge("no exponential", "not a multiple of its KL|formula|stops", lambda m, s: 0.5 * (m**2 - s - 1).sum(axis=1).mean())
charge("½ at one term", "not a multiple of its KL", lambda m, s: (m**2 + (np.exp(s) - 1 - s) / 2).sum(axis=1).mean())
charge(
    "further penalty on means", "not a multiple of its KL", lambda m, s: rate(m, s) + 0.1 * (m**2).sum(axis=1).mean()
)
charge("root of the KL", "not a sum over|not a multiple", lambda m, s: np.sqrt(rate(m, s) + 1e-12))
charge(
    "MMD",
    "not a sum over rows of the batch",
    lambda m, s: np.exp(-((m[:, None] - m[None]) ** 2).sum(axis=-1)).mean() + rate(m, s),
)
charge(
    "β that counts calls",
    "counts its calls",
    lambda m, s, calls=CALLS: next(calls) / 1e3 * rate(m, s),
)
odd("μ² without σ", 2.0, like=LIKE[:3], note="frozen at 1")(
    lambda x, x_hat, mu: squares(x, x_hat) + (mu**2).sum(axis=1).mean()
)
odd("σ that is the same throughout", 2.0, like=(*LIKE[:3], np.full((B, K), np.log(0.25))), note="frozen at 0.25")(
    lambda x, x_hat, mu, logvar: squares(x, x_hat) + (mu**2).sum(axis=1).mean()
)
odd("GECO", "weight of the KL depends on the reconstruction")(
    lambda x, x_hat, mu, logvar: squares(x, x_hat) + (1 + squares(x, x_hat)) * rate(mu, logvar)
)


@odd("one sample", 3.0, near=0.05, note="24 calls were averaged")
def one_sample(x, x_hat, mu, logvar):
    sigma = np.exp(logvar / 2)
    z = mu + sigma * np.random.default_rng().standard_normal(mu.shape)
    log_ratio = -(((z - mu) / sigma) ** 2) / 2 - logvar / 2 + z**2 / 2
    return squares(x, x_hat) + 3 * log_ratio.sum(axis=1).mean()


@odd("one sample of a fixed seed", "noise is the same in each call")
def same_sample(x, x_hat, mu, logvar):
    noise = np.random.default_rng(0).standard_normal(mu.shape)
    return squares(x, x_hat) + ((mu + np.exp(logvar / 2) * noise) ** 2 - noise**2 - logvar).sum() / len(x) / 2


@odd("one sample, terms apart", 3.0, near=0.05, beta=3.0)
def sample_apart(x, x_hat, mu, logvar):
    noise = np.random.default_rng().standard_normal(mu.shape)
    return squares(x, x_hat), ((mu + np.exp(logvar / 2) * noise) ** 2 - noise**2 - logvar).sum() / len(x) / 2


@odd("denoising", 2.0, near=0.1)  # five times the scatter of 120 measurements
def denoising(x, x_hat, mu, logvar):
    return squares(x + 0.1 * np.random.default_rng().standard_normal(x.shape), x_hat) + 2 * rate(mu, logvar)


@odd("capacity that grows with each call", "counts its calls")
def growing(x, x_hat, mu, logvar, calls=CALLS):
    return squares(x, x_hat) + 10 * abs(rate(mu, logvar) - 25 * next(calls) / 1e4)


@odd("one sample that is given", 3.0, **SIZES)
def given_sample(x, x_hat, z, mu, logvar):
    log_ratio = -((z - mu) ** 2) / np.exp(logvar) / 2 - logvar / 2 + z**2 / 2
    return squares(x, x_hat) + 3 * log_ratio.sum(axis=1).mean()


odd("random mask", 2.0 / 0.75, near=0.1, note="24 calls were averaged")(
    lambda x, x_hat, mu, logvar: (
        ((x - x_hat) ** 2 * (np.random.default_rng().random(x.shape) < 0.75)).sum() / len(x) + 2 * rate(mu, logvar)
    )
)
odd("noise on the loss", "draws random numbers|not a multiple")(
    lambda x, x_hat, mu, logvar: squares(x, x_hat) + rate(mu, logvar) + np.random.default_rng().normal() * 1e3
)
odd("codebook", "vector-quantised", features=D, latents=K)(
    lambda x, x_hat, vq_loss, perplexity: squares(x, x_hat) + vq_loss
)
odd("categorical latents", "categorical latents", features=D, latents=K)(
    lambda x, x_hat, qy: squares(x, x_hat) + (qy * np.log(qy)).sum()
)
odd("dispersion as an argument", "extra zeros that are arguments.*zero_inflated", features=D, latents=K)(
    lambda x, px_rate, px_r, px_dropout, mu, logvar: px_rate.sum() + rate(mu, logvar)
)
error("weighted classes of a cross-entropy", "not one of those that are known|not least|differs|finite",
      lambda x, p: -(3 * x * np.log(p) + (1 - x) * np.log(1 - p)).sum() / len(x))  # fmt: skip
charge(
    "weights of latents",
    "not a multiple of its KL|not a sum over",
    lambda m, s: (nats(m, s) * np.arange(1, K + 1)).sum(axis=1).mean(),
)
charge(
    "KL of some latents",
    "not a multiple of its KL|not a sum over|does not",
    lambda m, s: nats(m, s)[:, :2].sum(axis=1).mean(),
)
charge("softplus", "not a multiple of its KL", lambda m, s: rate(m, 2 * np.log(np.log1p(np.exp(s)))))
charge(
    "reversed KL", "not a multiple of its KL", lambda m, s: 0.5 * ((m**2 + 1) * np.exp(-s) - 1 + s).sum(axis=1).mean()
)
error("x normalised alone", "same scale", lambda x, y: squares((x - 0.5) / 0.5, y))
error("both normalised", 2.0 / 4, lambda x, y: squares((x - 0.5) / 0.5, (y - 0.5) / 0.5))
error("label smoothing", "not one of those that are known|not least|finite|differs|does not|weight",
      lambda x, h: -((0.9 * x + 0.1 / D) * log_softmax(h)).sum() / len(x))  # fmt: skip
odd("flow", "normalising flow", features=D, latents=K)(
    lambda x, x_hat, mu, logvar, log_det: squares(x, x_hat) + rate(mu, logvar) - log_det.mean()
)

# ----------------------------------------------------------------------- other arguments than arrays

Output = namedtuple("Output", "recon mu logvar z")
OUTPUT = {"recon": X, "mu": MEAN, "logvar": LIKE[3]}

odd("(output, batch)", 2.0, "bernoulli", like=(OUTPUT, X))(
    lambda out, x: bce(x, out["recon"]) + 2 * rate(out["mu"], out["logvar"])
)
odd("(batch, output)", 2.0, "bernoulli", like=(X, OUTPUT))(
    lambda x, out: bce(x, out["recon"]) + 2 * rate(out["mu"], out["logvar"])
)
odd("tuple of outputs", 2.0, "bernoulli", like=((X, MEAN, LIKE[3]), X))(
    lambda out, x: bce(x, out[0]) + 2 * rate(*out[1:])
)
odd("named outputs", 2.0, like=(Output(X, MEAN, LIKE[3], MEAN), X))(
    lambda out, x: squares(x, out.recon) + 2 * rate(out.mu, out.logvar)
)
odd("object of outputs", 2.0, like=(SimpleNamespace(**OUTPUT), X))(
    lambda out, x: squares(x, out.recon) + 2 * rate(out.mu, out.logvar)
)
odd("keywords", 2.0, "bernoulli", like={"target": X, "output": X, "mu": MEAN, "logvar": LIKE[3]})(
    lambda output, target, mu, logvar: bce(target, output) + 2 * rate(mu, logvar)
)
odd("batch as a dictionary", 2.0, like=(OUTPUT, {"image": X, "label": np.arange(B)}))(
    lambda out, batch: squares(batch["image"], out["recon"]) + 2 * rate(out["mu"], out["logvar"])
)
odd("nothing to go by", "takes 2 arguments", features=D, latents=K)(lambda out, x: squares(x, out["recon"]))
odd("like of other shapes", "two and two of one shape", like=(X, X, MEAN, X))(lambda x, x_hat, mu, logvar: 0.0)


class Model:
    """A model in NumPy, with the methods that losses call."""

    def encode(self, x):
        return x[:, :K], 0.1 * x[:, :K]

    def decode(self, z):
        return np.concatenate([z, z], axis=1)

    def __call__(self, x):
        mean, logvar = self.encode(x)
        return self.decode(mean), mean, logvar


@odd("(model, batch)", 2.0, like=(Model(), X))
def of_model(model, x):
    recon, mu, logvar = model(x)
    return squares(x, recon) + 2 * rate(mu, logvar)


@odd("(model, batch), its methods", 2.0, like=(X, Model()), near=0.05)
def of_methods(x, model):
    mu, logvar = model.encode(x)
    z = mu + np.exp(logvar / 2) * np.random.default_rng().standard_normal(mu.shape)
    return squares(x, model.decode(z)) + 2 * rate(mu, logvar)


class Held(dict):
    """A mapping whose entries are attributes too, as the outputs of public models are."""

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        setattr(self, key, value)


HELD = Held()
for each in OUTPUT:
    HELD[each] = OUTPUT[each]
odd("mapping with attributes", 2.0, like=(HELD, X))(
    lambda out, x: squares(x, out.recon) + 2 * rate(out.mu, out["logvar"])
)
odd("lists of latents", 2.0, like=(X, X, [MEAN, MEAN], [0.1 * MEAN, 0.1 * MEAN]))(
    lambda x, x_hat, mus, logvars: squares(x, x_hat) + 2 * sum(map(rate, mus, logvars))
)
odd("numbers by default", 2.0)(
    lambda x, x_hat, mu, logvar, sigma=0.1, out=None: squares(x, x_hat) / sigma**2 + 2 / sigma**2 * rate(mu, logvar)
)
charge("no logarithm of σ", "not a multiple of its KL", lambda m, s: 0.5 * (m**2 + np.exp(s)).sum(axis=1).mean())
