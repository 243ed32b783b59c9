"""What a `Monitor` says in the course of trainings whose truth is known: false alarms, staged failures, prices.

    python tests/studies/watched.py                # into watched.json; half an hour of one core; resumes
    python tests/studies/watched.py --only 'wine*'

Every tenth update is looked at, and findings are asked for every 100 updates, of three monitors at once: `full` has the
spectrum, both gradients and a memory; `no grad_mean` has no gradient at μ; `bare` has no spectrum, and begins a new
window at each logging step.
"""

import warnings
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from healthy import HEALTHY, setting
from models import (
    NOT_COMPILED,
    Setting,
    advance,
    decode,
    encode,
    error,
    optimizer_of,
    rates,
    schedules,
    start,
    statement,
)
from record import HERE, read, rounded, written
from slips import SLIPS
from tables import table

import landau_vae as lv

EVERY, LOGGED, MOST = 10, 100, 3000  # updates: between two looks, between two logging steps, in a run
WARM_UPS = {
    "linear": lambda t: np.minimum(1, t / 0.3),
    "cosine": lambda t: (1 - np.cos(np.pi * np.minimum(1, t / 0.5))) / 2,
    "cycles": lambda t: np.minimum(1, 2 * (3 * t % 1)) * (t < 2 / 3) + (t >= 2 / 3),
    "steps": lambda t: np.minimum(1, np.floor(10 * t + 1) / 5),
    "ends early": lambda t: np.minimum(0.3, t),
}
#: A warm-up in steps is a lower price while the first step lasts.
TRUTHS = {"ends early": "warm-up", "steps": "first step"}
#: Alarms that name each failure.
NAMED = {
    "kl-x0.1": {"lower-price"}, "kl-x10": {"higher-price", "price-too-high"}, "kl-x2": {"higher-price"},
    "batch-summed": {"higher-price", "price-too-high"}, "warm-up": {"lower-price"}, "first step": {"lower-price"},
    "kl-masked": {"several-prices"}, "free-bits": {"several-prices", "kl-off", "free-bits"},
    "total-bits": {"kl-off", "lower-price"}, "sigma-frozen": {"frozen-variance"},
    "sigma-softplus": {"bounded-variance"}, "price-too-high": {"price-too-high"},
}  # fmt: skip


def settings() -> list[tuple[Setting, str]]:
    """Return trainings with their warm-ups: healthy ones, then failures."""
    plain = [
        (replace(s, trainer="own", truth="healthy" if s.price < 1 else "price-too-high"), "")
        for s in HEALTHY if not s.warm_up and s.judged == "training"
    ]  # fmt: skip
    warm = [
        (replace(setting(data, (64,), "silu", 6, 0.2), name=f"{data}-{kind}"), kind)
        for data in ("digits", "exponential", "wine") for kind in WARM_UPS if kind != "ends early"
    ]  # fmt: skip
    early = [
        (replace(s, name=f"early-{s.name}", truth="warm-up"), "ends early") for s, kind in warm if kind == "linear"
    ]
    return plain + warm + early + [(s, "") for s in SLIPS if s.truth in NAMED]


def objective(s: Setting, p: Any, push: Any, stats: Any, x, condition, key, weight):
    """Return the loss as `models.objective` has it, with what is added to μ and to the decoder's input."""
    noise, drop = jax.random.split(key)
    within, out = jax.random.split(drop)
    mean, log_variance, stats = encode(jnp, s, p, stats, x, condition, within)
    draws = jax.random.normal(noise, mean.shape)
    mean = mean + push["mean"]
    z = mean + jnp.exp(log_variance / 2) * draws + push["z"]
    output, stats = decode(jnp, s, p, stats, z, condition, x, out)
    rate = rates(jnp, mean, log_variance).mean(axis=0)[s.free :]
    rate = jnp.maximum(rate, s.free_bits) if s.free_bits else rate  # a rate of 0 may be below it by rounding
    paid = jnp.maximum(rate.sum(), s.total_bits) if s.total_bits else rate.sum()
    return error(jnp, s, x, output).mean() + weight * paid, (stats, mean, log_variance, draws)


@partial(jax.jit, static_argnums=0)
def looked_at(s: Setting, state, x, condition, pace, weight):
    """Carry out one update; return the state, and what a training loop has at hand: x, μ, ln σ², ε, both gradients."""
    p, averaged, stats, moments, key = state
    key, rows, noise = jax.random.split(key, 3)
    at = jax.random.randint(rows, (s.batch,), 0, len(x))
    push = {name: jnp.zeros((s.batch, s.latents)) for name in ("mean", "z")}
    slopes = jax.grad(partial(objective, s), argnums=(0, 1), has_aux=True)
    (slope, pushed), (stats, *seen) = slopes(p, push, stats, x[at], condition[at], noise, weight)
    steps, moments = optimizer_of(s).update(slope, moments, p)
    p = jax.tree.map(lambda old, step: old - pace * step, p, steps)
    return (p, averaged, stats, moments, key), (*seen[:2], x[at], seen[2], pushed["z"], pushed["mean"])


def watch(s: Setting, kind: str) -> dict[str, Any]:
    """Train a setting, and return what its monitors said."""
    s = replace(s, updates=min(s.updates, MOST) // LOGGED * LOGGED, patience=0, ema=0.0)
    x, labels = table(s.data, s.seed)
    labels = labels if s.condition else np.zeros((len(x), 0))
    kept = x[:, x.std(axis=0) > 0]
    spectrum = lv.Spectrum.from_data(kept, likelihood=s.likelihood)
    if s.condition:
        spectrum = lv.spectrum.conditional(labels[:, 1:], kept)
    first, d = float(spectrum.eigenvalues[0]), x.shape[1]
    factor = {"d": d, "1/K": 1 / s.latents, "batch": s.batch}.get(s.factor, s.factor)
    arguments = statement(s, s.price * first, kept.shape[1])
    loss = getattr(lv.Loss, s.likelihood)(**arguments)
    pace, weight = schedules(s, s.price * first * factor)
    weight = weight * WARM_UPS[kind]((np.arange(s.updates) + 0.5) / s.updates).astype("f") if kind else weight
    # The loop's loss is ½‖x − x̂‖² or −ln p, and c KL: the stated one over this.
    unit = loss.weights(kept.shape[1])[0] * loss.likelihood.curvature_of_term
    common = {"loss": loss, "every": EVERY, "learning_rate": s.rate}
    monitors = {
        "full": lv.Monitor(spectrum, memory=50, **common), "no grad_mean": lv.Monitor(spectrum, memory=50, **common),
        "bare": lv.Monitor(spectrum if s.condition else None, **common),
    }  # fmt: skip
    plain = replace(s, **{name: getattr(Setting(), name) for name in NOT_COMPILED})
    p, stats = start(s, d, labels.shape[1])
    state = (p, p, stats, optimizer_of(s).init(p), jax.random.key(s.seed))
    rows, condition = jnp.asarray(x, "f"), jnp.asarray(labels, "f")
    columns = x.std(axis=0) > 0
    said: dict[str, Any] = {"truth": TRUTHS.get(kind, s.truth), "warm_up": kind, "steps": 0}
    said |= {"alarms": {name: {} for name in monitors}, "applied": 0.0, "waited": 0, "needed": None}
    for update in range(0, s.updates, EVERY):
        state, seen = looked_at(plain, state, rows, condition, pace[update], weight[update])
        mean, log_variance, batch, noise, by_z, by_mean = map(np.asarray, seen)
        for name, monitor in monitors.items():
            monitor.updates = update  # the others are not given
            slope = by_mean if name != "no grad_mean" else None
            monitor.update(mean, log_variance, batch[:, columns], noise, by_z, slope, loss_scale=1 / unit)
        numbers = monitors["full"].log()
        if not numbers["active"]:
            said["waited"] = update
        if weight[update] > 0 and said["truth"] == "healthy":
            true = float(weight[update]) / (s.price * first)
            said["applied"] = max(said["applied"], abs(numbers["price_ratio"] - true))
        rest = slice(update + 1, update + EVERY)
        state = advance(plain, state, rows, condition, jnp.asarray(pace[rest]), jnp.asarray(weight[rest]))
        if (update + EVERY) % LOGGED == 0:
            said["steps"] += 1
            said["last"] = {name: [f.code for f in each.findings() if f.alarm] for name, each in monitors.items()}
            for name, codes in said["last"].items():
                said["alarms"][name] = dict.fromkeys(codes, update) | said["alarms"][name]
            monitors["bare"].reset()
    numbers = monitors["full"].log()
    if (waits := monitors["full"]._prediction.plateau) is not None and len(waits.needed):
        said["needed"] = float(waits.needed[0])
    effect = [numbers.get(key, np.nan) / float(loss.beta) for key in ("price_in_effect", "price_in_effect_error")]
    return said | {"at_rest": numbers["at_rest"], "in_effect": rounded(effect), "applied": rounded(said["applied"])}


def main(only: str = "*", again: bool = False) -> None:
    """Watch all trainings, or some; those that are on record are left as they are, unless they are wanted again."""
    warnings.simplefilter("error", lv.diagnosis.MonitorWarning)
    rows = {row["name"]: row for row in read("watched.json")["models"]} if (HERE / "watched.json").exists() else {}
    for s, kind in settings():
        if fnmatch(s.name, only) and (again or s.name not in rows):
            rows[s.name] = {"name": s.name} | watch(s, kind)
            print(rows[s.name], flush=True)
            written("watched.json", list(rows.values()))
            jax.clear_caches()


if __name__ == "__main__":
    typer.run(main)
