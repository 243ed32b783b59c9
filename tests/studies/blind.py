"""Train VAEs with slips that were thought up without knowledge of the diagnosis, and say what it finds.

SLIPS, HEALTHY      functions of a seed that return what a user would hold; their truth was written first
python blind.py train FOLDER       train those that FOLDER lacks
python blind.py diagnose FOLDER    print each result, and write FOLDER/found.json
"""

import json
import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from blind_vae import (
    HIDDEN,
    LATENTS,
    Held,
    bits,
    decode,
    digits,
    encode,
    fit,
    gaussian,
    half_square,
    held,
    kl,
    layers,
    mlp,
    plain,
    sampled,
    start,
    usual,
    vae,
)
from jax import lax

import landau_vae as lv

# ------------------------------------------------------------------------------------------- slips


@dataclass(frozen=True)
class Case:
    run: Callable[[int], Held]
    truth: str
    named_if: str  #: what the first finding has to say


SLIPS: dict[str, Case] = {}
HEALTHY: dict[str, Case] = {}


def slip(truth: str, named_if: str, among=SLIPS):
    def enter(run):
        among[run.__name__.replace("_", "-")] = Case(run, truth, named_if)
        return run

    return enter


@slip("z = μ + exp(s)ε where s = ln σ²: the noise has deviation σ².", "noise of training is σ², not σ")
def noise_of_exp_logvar(seed):
    return plain(seed, sample=lambda mu, s, key: mu + jnp.exp(s) * jax.random.normal(key, mu.shape))


@slip("The head is ln σ and noise is right, but the KL takes it for ln σ².", "KL takes ln σ for ln σ²")
def kl_takes_log_std_for_log_variance(seed):
    result = plain(seed, sample=lambda mu, s, key: mu + jnp.exp(s) * jax.random.normal(key, mu.shape))
    result.log_variance = 2 * result.log_variance
    return result


@slip(
    "The KL is ½(μ² + s² − ln s² − 1): it takes s = ln σ² for σ itself (deepchem 4888).",
    "formula of the KL is wrong in its variance part",
)
def kl_takes_log_variance_for_std(seed):
    return plain(seed, kl=lambda mu, s: 0.5 * (mu**2 + s**2 - jnp.log(s**2 + 1e-20) - 1).sum(axis=1).mean())


@slip("ε has deviation 0.1 (Keras's epsilon_std), and the KL does not know.", "noise of training is smaller than σ")
def epsilon_std(seed):
    return plain(seed, sample=lambda mu, s, key: mu + 0.1 * jnp.exp(s / 2) * jax.random.normal(key, mu.shape))


@slip("μ and ln σ² are averaged over the batch before the KL.", "KL does not charge each row; averaged too early")
def kl_of_batch_mean(seed):
    return plain(seed, kl=lambda mu, s: kl(mu.mean(axis=0, keepdims=True), s.mean(axis=0, keepdims=True)))


@slip("The KL is summed over the batch of 32 and averaged over 8 latents: 4 times too dear.", "batch/K, wrong axis")
def kl_on_wrong_axis(seed):
    x, price = usual(seed)
    wrong = vae(price, kl=lambda mu, s: 0.5 * (mu**2 + jnp.exp(s) - 1 - s).sum(axis=0).mean())
    p = fit(wrong, start(seed, x.shape[1], 8), x, seed, batch=32)
    return held(p, x, gaussian(price))


@slip("Cyclic annealing starts again just before training ends: the KL weight is 5 % of β then.", "β lower at the end")
def annealing_starts_again(seed):
    x, price = usual(seed)
    cost = vae(price, weight=lambda share: jnp.where(share < 0.85, jnp.minimum(1, share / 0.3), 0.05))
    p = fit(cost, start(seed, x.shape[1]), x, seed, pace=lambda i: 1e-3)
    return held(p, x, gaussian(price))


@slip("μ is detached in the KL, which therefore charges ln σ² only.", "KL does not act on μ")
def mean_detached_in_kl(seed):
    return plain(seed, kl=lambda mu, s: kl(lax.stop_gradient(mu), s))


@slip("The prior in the code is N(0, ½²), not N(0, 1).", "prior has another scale, 0.5")
def narrow_prior(seed):
    return plain(seed, kl=lambda mu, s: kl(2 * mu, s + np.log(4)))


@slip("ε was drawn once, one vector for all rows and updates: the noise is a constant.", "no noise in training")
def constant_noise(seed):
    fixed = jax.random.normal(jax.random.key(7), (LATENTS,))
    return plain(seed, sample=lambda mu, s, key: mu + jnp.exp(s / 2) * fixed)


@slip("ε has shape (n, 1): all latents of a row get the same noise.", "noise of latents is not independent")
def noise_shared_by_latents(seed):
    return plain(seed, sample=lambda mu, s, key: mu + jnp.exp(s / 2) * jax.random.normal(key, (len(mu), 1)))


@slip("next(iter(loader)) gives the same first batch of 128 rows at every update.", "trained on other, fewer rows")
def loader_stuck(seed):
    x, price = usual(seed)
    p = fit(vae(price), start(seed, x.shape[1]), x, seed, rows=lambda key: jnp.arange(128))
    return held(p, x, gaussian(price))


@slip("The error is summed over the first half of the features only.", "some features are not in the loss")
def half_of_the_features(seed):
    d = usual(seed)[0].shape[1] // 2
    return plain(seed, rec=lambda x, output: half_square(x[:, :d], output[:, :d]))


@slip(
    "Broadcasting: (n, 1, d) − (1, n, d), each output is compared with every row of the batch.",
    "targets do not belong to the inputs, or the decoder learns the mean of the batch",
)
def error_is_broadcast(seed):
    return plain(seed, rec=lambda x, output: 0.5 * ((x[:, None] - output[None]) ** 2).sum(axis=2).mean())


@slip("Trained on ln(1 + x) of counts; the counts are handed over.", "data are not those of training; transformed")
def data_before_the_logarithm(seed):
    rng = np.random.default_rng(seed)
    t = rng.standard_normal((2000, 4))
    counts = rng.poisson(np.exp(1.5 + t @ rng.standard_normal((4, 20)) * 0.5)).astype(float)
    p = fit(vae(0.2), start(seed, 20, 8), np.log1p(counts), seed)
    result = held(p, np.log1p(counts), gaussian(0.2))
    result.data = counts
    return result


@slip("The decoder is of another run (another seed) than the encoder.", "decoder does not belong to the encoder")
def decoder_of_another_run(seed):
    x, price = usual(seed)
    one, two = (fit(vae(price), start(s, x.shape[1]), x, s) for s in (seed, seed + 20))
    return held(one | {"d": two["d"]}, x, gaussian(price))


@slip("Columns of μ and ln σ² were sorted by KL for a plot; the decoder takes them unsorted.", "order of latents")
def latents_sorted(seed):
    result = plain(seed)
    order = np.argsort(-(result.mean**2).mean(axis=0))
    result.mean, result.log_variance = result.mean[:, order], result.log_variance[:, order]
    return result


@slip("A sample z is handed over as μ (the encoder samples at evaluation too).", "z in place of μ")
def sample_as_mean(seed):
    result = plain(seed)
    noise = np.random.default_rng(seed).standard_normal(result.mean.shape)
    result.mean = result.mean + np.exp(result.log_variance / 2) * noise
    return result


@slip("The head is ln σ, trained rightly; it is handed over as ln σ².", "log variance handed over is ln σ")
def log_std_handed_as_log_variance(seed):
    result = plain(seed)
    result.log_variance = result.log_variance / 2
    return result


@slip("The optimiser was not given the encoder's parameters.", "encoder is not trained")
def encoder_not_in_optimizer(seed):
    x, price = usual(seed)
    p = fit(vae(price), start(seed, x.shape[1]), x, seed, trained=("d",))
    return held(p, x, gaussian(price))


@slip(
    "Hidden biases of the decoder started at −10 and killed all its ReLUs: its output is constant.",
    "decoder is dead: does not depend on z, as an accident of training",
)
def dead_decoder(seed):
    x, price = usual(seed)
    p = start(seed, x.shape[1])
    p["d"][0] = (p["d"][0][0], p["d"][0][1] - 10)
    p = fit(vae(price, decode=partial(decode, act=jax.nn.relu)), p, x, seed)
    return held(p, x, gaussian(price), output="relu")


@slip("An activity regulariser adds τ Σ μ² to the loss, as much as tripling the KL of μ.", "μ is charged more")
def activity_regularizer(seed):
    return plain(seed, kl=lambda mu, s: kl(mu, s) + (mu**2).sum(axis=1).mean())


@slip("The loss is E + γ|KL − C| with C = 4 nats; the user states β = γ.", "KL is held at a capacity C")
def capacity(seed):
    x, price = usual(seed)
    gamma = 10 * price
    p = fit(vae(gamma, kl=lambda mu, s: jnp.abs(kl(mu, s) - 4.0)), start(seed, x.shape[1]), x, seed)
    return held(p, x, gaussian(gamma))


@slip("The error is Σ|x − x̂|, believed to be ½Σ(x − x̂)².", "reconstruction term is an absolute error")
def absolute_error(seed):
    return plain(seed, rec=lambda x, output: jnp.abs(x - output).sum(axis=1).mean())


@slip("BCE with logits was fed with probabilities: two sigmoids.", "sigmoid applied twice; logits and probabilities")
def two_sigmoids(seed):
    x = (digits() > 0.5).astype(float)
    p = fit(vae(1.0, rec=lambda x, output: bits(x, jax.nn.sigmoid(output))), start(seed, 64), x, seed)
    return held(p, x, ("bernoulli", {"beta": 1.0}), output="sigmoid")


@slip("Trained on the importance-weighted bound of 16 samples, not on the ELBO.", "not the ELBO; IWAE")
def importance_weighted(seed):
    x, price = usual(seed)

    def cost(p, x, key, share):
        mu, s = encode(p, x)

        def log_weight(key):
            noise = jax.random.normal(key, mu.shape)
            z = mu + jnp.exp(s / 2) * noise
            rate = 0.5 * (z**2 - noise**2 - s).sum(axis=1)
            return -0.5 * ((x - decode(p, z)) ** 2).sum(axis=1) / price - rate

        return -jax.scipy.special.logsumexp(jax.vmap(log_weight)(jax.random.split(key, 16)), axis=0).mean()

    return held(fit(cost, start(seed, x.shape[1]), x, seed), x, gaussian(price))


@slip(
    "A U-Net's skip connection passes 4 hidden features by the latents; the user's decoder has zeros there.",
    "decoder sees x past the latents; skip connection",
)
def skip_connection(seed):
    x, price = usual(seed)
    d, side = x.shape[1], 4
    p = start(seed, d)
    p["o"] = layers(jax.random.key(seed + 5), d, 32, side)
    p["d"] = layers(jax.random.key(seed + 6), LATENTS + side, HIDDEN, d)

    def cost(p, x, key, share):
        mu, s = encode(p, x)
        z = jnp.concatenate([sampled(mu, s, key), jnp.tanh(mlp(p["o"], x))], axis=1)
        return half_square(x, decode(p, z)) + price * kl(mu, s)

    p = fit(cost, p, x, seed)
    p["d"][0] = (p["d"][0][0][:LATENTS], p["d"][0][1])
    return held(p, x, gaussian(price))


@slip("ln σ² goes through a tanh: σ² cannot fall below 0.37.", "log variance is bounded")
def log_variance_through_tanh(seed):
    def bounded(p, x):
        mu, s = encode(p, x)
        return mu, jnp.tanh(s)

    return plain(seed, encode=bounded)


# ------------------------------------------------------------------------------------------- healthy models

fine = partial(slip, named_if="no alarm", among=HEALTHY)


@fine("Cyclic annealing, three times, which ends at the stated β for the last 40 %.")
def cyclic_to_the_end(seed):
    return plain(seed, weight=lambda share: jnp.where(share < 0.6, jnp.minimum(1, (share % 0.2) / 0.1), 1.0))


@fine("Five factors with heavy tails (Student's t, ν = 3), curved, and noise.")
def heavy_tails(seed):
    rng = np.random.default_rng(seed)
    t = rng.standard_t(3, (3000, 5)) * [2, 1.5, 1, 0.7, 0.3]
    x = np.tanh(t / 3) @ rng.standard_normal((5, 16)) + t @ rng.standard_normal((5, 16)) / 4
    x = x + 0.2 * rng.standard_normal(x.shape)
    return held(fit(vae(0.5), start(seed, 16, 8), x, seed), x, gaussian(0.5))


@fine("Bits smoothed to 0.05 and 0.95, binary cross-entropy.")
def smoothed_bits(seed):
    x = np.where(digits() > 0.5, 0.95, 0.05)
    p = fit(vae(1.0, rec=bits), start(seed, 64), x, seed)
    return held(p, x, ("bernoulli", {"beta": 1.0}), output="sigmoid")


@fine("One latent only.")
def one_latent(seed):
    x, price = usual(seed)
    return held(fit(vae(price), start(seed, x.shape[1], 1), x, seed), x, gaussian(price))


@fine("The decoder's variance is learned, and the user says so.")
def learned_variance(seed):
    x, _ = usual(seed)
    d = x.shape[1]

    def cost(p, x, key, share):
        mu, s = encode(p, x)
        error = half_square(x, decode(p, sampled(mu, s, key)))
        return error * jnp.exp(-p["o"]) + d / 2 * p["o"] + 2.0 * kl(mu, s)

    p = fit(cost, start(seed, d) | {"o": jnp.zeros(())}, x, seed)
    return held(p, x, gaussian(2.0, decoder_variance="learned"))


@fine("A residual encoder with an average of 2 × 2 neighbours beside it; mean reductions, rightly stated.")
def residual_and_pooled(seed):
    x, price = digits(), (0.15, 0.3)[seed]
    p = start(seed, 64)
    p["e"] = layers(jax.random.key(seed), 64 + 16, HIDDEN, HIDDEN, 2 * LATENTS)

    def encode(p, x):
        pooled = x.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
        (w, b), (v, c), (u, a) = p["e"]
        h = jnp.tanh(jnp.concatenate([x, pooled], axis=1) @ w + b)
        return jnp.split((h + jax.nn.silu(h @ v + c)) @ u + a, 2, axis=1)

    p = fit(vae(price, encode=encode), p, x, seed)
    return held(p, x, gaussian(2 * price / 64, reconstruction="mean", half=False), encode)


@fine("Smooth L1 on pixels from 0 to 1, where it is ½(x − x̂)² as long as no error exceeds 1.")
def smooth_absolute_error(seed):
    x = digits()
    p = fit(vae(0.15, rec=lambda x, y: optax.huber_loss(y, x).sum(axis=1).mean()), start(seed, 64), x, seed)
    return held(p, x, gaussian(0.15))


@fine("The KL is estimated from the sample, ln q(z|x) − ln p(z), with its gradient.")
def sampled_kl(seed):
    x, price = usual(seed)

    def cost(p, x, key, share):
        mu, s = encode(p, x)
        noise = jax.random.normal(key, mu.shape)
        z = mu + jnp.exp(s / 2) * noise
        return half_square(x, decode(p, z)) + price * 0.5 * (z**2 - noise**2 - s).sum(axis=1).mean()

    return held(fit(cost, start(seed, x.shape[1]), x, seed), x, gaussian(price))


@fine("All rows of a batch share one ε, drawn anew at each update: noisier, but the same optimum.")
def noise_shared_by_rows(seed):
    return plain(seed, sample=lambda mu, s, key: mu + jnp.exp(s / 2) * jax.random.normal(key, mu.shape[1:]))


# ------------------------------------------------------------------------------------------- keep, and diagnose

OUTPUTS = {"identity": lambda f: f, "relu": lambda f: f, "sigmoid": lambda f: 1 / (1 + np.exp(-f))}


def decoder(parts: tuple[list, str] | None):
    """Return the user's decoder: NumPy in, NumPy out, as probabilities where the loss is of bits."""
    if parts is None:
        return None
    act = (lambda u: np.maximum(u, 0)) if parts[1] == "relu" else (lambda u: u / (1 + np.exp(-u)))
    return lambda z: OUTPUTS[parts[1]](mlp(parts[0], np.asarray(z, float), act))


def diagnose(kept: Held):
    name, options = kept.loss
    loss = getattr(lv.Loss, name)(**options)
    return lv.diagnose(
        kept.mean, log_variance=kept.log_variance, data=kept.data, loss=loss, decode=decoder(kept.decoder), **kept.more
    )


def load(path: Path) -> Held:
    return Held(**pickle.loads(path.read_bytes()))


def train_all(folder: Path) -> None:
    for name, case in (SLIPS | HEALTHY).items():
        for seed in (0, 1):
            if not (path := folder / f"{name}-{seed}.pkl").exists():
                begun = time.monotonic()
                kept = case.run(seed)
                path.write_bytes(pickle.dumps(vars(kept)))
                rates = 0.5 * (kept.mean**2 + np.exp(kept.log_variance) - 1 - kept.log_variance).mean(axis=0)
                print(f"{path.stem:38} {time.monotonic() - begun:5.1f} s", np.sort(rates)[::-1].round(2), flush=True)


def diagnose_all(folder: Path) -> None:
    found = {}
    for name in SLIPS | HEALTHY:
        for seed in (0, 1):
            try:
                result = diagnose(load(folder / f"{name}-{seed}.pkl"))
                findings = [
                    {k: str(getattr(f, k)) for k in ("code", "severity", "sentence", "advice")} for f in result.findings
                ]
                found[f"{name}-{seed}"] = {"result": repr(result), "findings": findings, "summary": result.summary()}
            except Exception as error:
                found[f"{name}-{seed}"] = {"result": f"{type(error).__name__}: {error}", "findings": [], "summary": ""}
            print(f"--- {name}-{seed}\n{found[f'{name}-{seed}']['result']}", flush=True)
    (folder / "found.json").write_text(json.dumps(found, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    {"train": train_all, "diagnose": diagnose_all}[sys.argv[1]](Path(sys.argv[2]))
